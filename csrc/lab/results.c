/* results.c: what a run measured, as gomap.h hands it out.
 *
 * The recorders of all threads and Ps have been added up in the first by the end of gm_run_go (engine.c), and the threads are
 * joined: nothing here is concurrent. Times are nanoseconds since t0; what does not fit the caller's room is counted and not
 * written.
 */
#include "lab/run.h"

#include <string.h>

void gm_run_totals_get(gm_run *r, gm_run_totals *out)
{
    const gm_recorder *all = gm_run_merged(r);
    const gm_ticks *t = &r->shared->ticks;
    *out = (gm_run_totals){.start_ns = r->start_ns,
                           .elapsed_ns = r->elapsed_ns,
                           .faults_ns = r->faults_ns,
                           .interval_ns = all->timeline.interval_ns,
                           .intervals = all->timeline.used,
                           .threads = r->threads,
                           .interrupted = r->interrupted,
                           .hardware_clock = t->hardware,
                           .ns_per_tick = t->ns_per_tick,
                           .drift_ppm = r->drift_ppm};
    memcpy(out->done, all->done, sizeof out->done);
    memcpy(out->hits, all->hits, sizeof out->hits);
    memcpy(out->errors, all->errors, sizeof out->errors);
    for (uint32_t i = 0; i < gm_run_parts(r); i++) {
        uint64_t behind = gm_ticks_to_ns(t, r->workers[i]->behind_ticks);
        out->behind_ns = behind > out->behind_ns ? behind : out->behind_ns;
    }
}

void gm_run_thread_get(gm_run *r, uint32_t i, gm_thread_totals *out)
{
    const gm_worker *w = r->workers[i];
    const gm_shared *s = r->shared;
    *out = (gm_thread_totals){.group = w->group,
                              .cpu = w->cpu,
                              .done = gm_load_rlx(&w->progress) - w->warmed_up,
                              .elapsed_ns = gm_ticks_to_ns(&s->ticks, w->ended > s->t0 ? w->ended - s->t0 : 0),
                              .cpu_ns = w->used.cpu_ns,
                              .voluntary = w->used.voluntary,
                              .involuntary = w->used.involuntary,
                              .faults = w->used.faults};
}

gm_hist *gm_run_latency(gm_run *r, int op)
{
    return op >= 0 && op < GM_OPS ? gm_run_merged(r)->latency[op] : NULL;
}

gm_hist *gm_run_service(gm_run *r, int op)
{
    return op >= 0 && op < GM_OPS ? gm_run_merged(r)->service[op] : NULL;
}

gm_hist *gm_run_delay(gm_run *r, int op)
{
    return op >= 0 && op < GM_OPS ? gm_run_merged(r)->delay[op] : NULL;
}

static bool row_is_empty(const gm_row *row)
{
    for (int c = 0; c < GM_CAUSES; c++)
        if (row->own[c] || row->inherited[c] > 0)
            return false;
    return true;
}

size_t gm_run_causes(gm_run *r, int op, uint64_t *lows, double *own, double *inherited, size_t cap)
{
    const gm_row *rows = op >= 0 && op < GM_OPS ? gm_run_merged(r)->rows[op] : NULL;
    double ns = r->shared->ticks.ns_per_tick;
    size_t n = 0;
    for (size_t i = 0; rows && i < gm_rows; i++) {
        if (row_is_empty(&rows[i]))
            continue;
        if (n < cap) {
            lows[n] = gm_row_low(i);
            for (int c = 0; c < GM_CAUSES; c++) {
                own[n * GM_CAUSES + (size_t)c] = (double)rows[i].own[c] * ns;
                inherited[n * GM_CAUSES + (size_t)c] = rows[i].inherited[c] * ns;
            }
        }
        n++;
    }
    return n;
}

size_t gm_run_slowest(gm_run *r, gm_slow *out, size_t cap)
{
    const gm_slowest *s = &gm_run_merged(r)->slowest;
    for (size_t i = 0; i < s->n && i < cap; i++)
        out[i] = s->heap[i];
    return s->n;
}

size_t gm_run_timeline(gm_run *r, gm_interval *out, size_t cap)
{
    const gm_timeline *t = &gm_run_merged(r)->timeline;
    for (size_t i = 0; i < t->used && i < cap; i++)
        out[i] = gm_slot_summary(&t->slots[i]);
    return (size_t)t->used;
}

/* ------------------------------------------------------------------ results: the scheduler's */

int gm_run_sched(gm_run *r, gm_sched_stats *out)
{
    *out = r->crew_did;
    return r->crew ? GM_OK : GM_MISS;
}

static uint64_t since_start(const gm_run *r, uint64_t ticks)
{
    return gm_ticks_to_ns(&r->shared->ticks, gm_ticks_above(ticks, r->shared->t0));
}

size_t gm_run_sched_rows(gm_run *r, uint64_t *out, size_t cap)
{
    const gm_tracks *t = r->crew ? r->crew->tracks : NULL;
    for (size_t i = 0; t && i < t->nrows && i < cap; i++) {
        uint64_t *row = out + i * t->width;
        memcpy(row, t->rows + i * t->width, t->width * sizeof *row);
        row[gm_row_at] = since_start(r, row[gm_row_at]);
    }
    return t ? (size_t)t->nrows : 0;
}

uint64_t gm_run_goroutines_done(gm_run *r, uint32_t group)
{
    uint64_t done = 0;
    for (uint32_t i = 0; r->crew && i < r->crew->n; i++)
        done += r->crew->hands[i].group == group ? r->crew->hands[i].done : 0;
    return done;
}

size_t gm_run_slices(gm_run *r, uint32_t p, gm_slice *out, size_t cap, uint64_t *dropped)
{
    const gm_track *t = r->crew && p < r->desks ? &r->crew->tracks->of[p] : NULL;
    *dropped = t ? t->dropped : 0;
    for (size_t i = 0; t && i < t->n && i < cap; i++) {
        out[i] = t->slices[i];
        out[i].begin = since_start(r, out[i].begin);
        out[i].end = since_start(r, out[i].end);
    }
    return t ? (size_t)t->n : 0;
}
