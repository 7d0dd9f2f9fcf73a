/* tracks.c: what went on on each P: runs of goroutines, their waits, and a time line.
 *
 * The time line mirrors schedtrace of runtime/proc.go (GODEBUG=schedtrace=10); the runs are what runtime/trace shows.
 *
 *      ready        lock got     lock asked  lock got    runs                        stops
 *     since         queued_at     asked_at    got_at     began                      gm_track_end
 *       |--- lock -----|-- queued ---|---- lock --|-queued-|------- a run -------------|
 *       |---------------- one wait of four parts ----------|
 *
 * WAITS. From the moment a goroutine is made ready until it runs. What its own way into the global queue and the way of the
 * M that took it from there spent at the lock is `lock`. The rest is one wait with one reason, the first that holds:
 *
 *     descheduled   sysmon had stopped it         stolen   another P took it          queue   it was in line
 *
 * A G whose P was taken away in a blocking call is ready when it comes back.
 *
 *   T1  The parts of a wait add up to it, and waits do not overlap with runs: no tick is counted twice. What a goroutine
 *       waited is added up in itself, by the M that is about to run it; it sets it to 0 itself, or who is about
 *       to make it ready.
 *   T2  Where there are no tracks nothing is measured for them: calls that look and return: two for each run, one
 *       after a blocking call, two around the global queue.
 *   T3  Memory is fixed. A P that has no room for another run drops it and counts it; when the time line is full, every other
 *       row goes and the interval doubles.
 *   T4  Slices and their number are the P's owner's (W4). The two counters are the owner's to write, and anybody's to read:
 *       relaxed, they order nothing. So are a row's other numbers: each is true by itself, at some instant while the row
 *       was being made.
 *
 * Divergences: a batch that overflows a local queue goes to the global queue under one lock, which is counted as queued. Of a
 * batch that is taken only the first counts the lock.
 *
 * Rejected: an event for each change of state, as runtime/trace writes: more memory for what can be told from runs.
 */
#include "sched/tracks.h"

#include "base/alloc.h"

#include <string.h>

/* ------------------------------------------------------------------ making */

static void *obtain(const gm_alloc *a, size_t size)
{
    return a->zalloc(a->ctx, size);
}

static void give_back(const gm_alloc *a, void *p, size_t size)
{
    if (p)
        a->release(a->ctx, p, size);
}

static bool make_room(gm_tracks *t)
{
    t->of = gm_zalloc_lines(t->alloc, t->procs * sizeof *t->of);
    t->rows = obtain(t->alloc, t->room * t->width * sizeof *t->rows);
    for (uint32_t i = 0; t->of && t->cap && i < t->procs; i++)
        if (!(t->of[i].slices = obtain(t->alloc, t->cap * sizeof(gm_slice))))
            return false;
    return t->of && t->rows;
}

gm_tracks *gm_tracks_make(const gm_alloc *alloc, uint32_t procs, uint64_t slices, uint64_t rows)
{
    gm_tracks *t = slices <= SIZE_MAX / sizeof(gm_slice) ? obtain(alloc, sizeof *t) : NULL;
    if (!t)
        return NULL;
    t->alloc = alloc;
    t->procs = procs;
    t->width = gm_row_ps + gm_row_of_p * procs;
    t->cap = slices;
    t->room = rows;
    if (make_room(t))
        return t;
    gm_tracks_free(t);
    return NULL;
}

void gm_tracks_free(gm_tracks *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; t->of && i < t->procs; i++)
        give_back(t->alloc, t->of[i].slices, t->cap * sizeof(gm_slice));
    gm_release_lines(t->alloc, t->of, t->procs * sizeof *t->of);
    give_back(t->alloc, t->rows, t->room * t->width * sizeof *t->rows);
    give_back(t->alloc, t, sizeof *t);
}

/* ------------------------------------------------------------------ runs and waits */

static uint64_t after(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0; /* clocks of two cores may differ by a few ticks */
}

static int reason(const gm_m *m, const gm_g *g)
{
    bool stopped = g->left == GM_TO_SYNC || g->left == GM_TO_ASYNC;
    return stopped ? GM_WAIT_DESCHEDULED : m->found == GM_FROM_STEAL ? GM_WAIT_STOLEN : GM_WAIT_QUEUE;
}

/* T1 */
static void charge(const gm_m *m, gm_g *g, uint64_t now)
{
    uint64_t all = after(now, g->since), queued = g->queued_at ? g->queued_at : g->since, lock = after(queued, g->since);
    if (m->found == GM_FROM_GLOBAL)
        lock += after(m->got_at, m->asked_at > queued ? m->asked_at : queued);
    lock = lock < all ? lock : all;
    g->waited[GM_WAIT_LOCK] += lock;
    g->waited[reason(m, g)] += all - lock;
}

static void count(_Atomic uint64_t *n)
{
    gm_store_rlx(n, gm_load_rlx(n) + 1); /* T4 */
}

void gm_track_run(gm_m *m, gm_g *g)
{
    gm_tracks *t = m->s->c.tracks;
    if (!t)
        return;
    gm_track *on = &t->of[m->p->id];
    count(&on->runs);
    if (m->found == GM_FROM_STEAL)
        count(&on->steals);
    charge(m, g, m->began);
}

void gm_track_again(gm_m *m)
{
    if (!m->s->c.tracks)
        return;
    m->began = gm_tick_start(m->s->ticks.hardware);
    m->found = GM_FROM_CALL;
}

void gm_track_end(gm_m *m, gm_g *g, uint8_t why)
{
    gm_tracks *t = m->s->c.tracks;
    if (!t)
        return;
    g->left = why;
    if (!gm_load_rlx(&t->keeping)) /* relaxed: it orders nothing; gm_tracks_begin and gm_tracks_end set it */
        return;
    gm_track *on = &t->of[m->p->id];
    if (on->n == t->cap) {
        on->dropped++;
        return;
    }
    on->slices[on->n++] = (gm_slice){.begin = m->began,
                                     .end = gm_tick_start(m->s->ticks.hardware),
                                     .goroutine = g->number,
                                     .thread = m->number,
                                     .p = m->p->id,
                                     .from = m->found,
                                     .to = why};
}

/* ------------------------------------------------------------------ the time line */

static void fold(gm_tracks *t)
{
    for (uint64_t i = 2; i < t->nrows; i += 2)
        memcpy(t->rows + i / 2 * t->width, t->rows + i * t->width, t->width * sizeof *t->rows);
    t->nrows = (t->nrows + 1) / 2;
    t->interval *= 2;
}

static void add_row(gm_tracks *t, gm_sched *s, uint64_t now)
{
    if (t->nrows == t->room)
        fold(t);
    uint64_t *row = t->rows + t->nrows++ * t->width;
    row[gm_row_at] = now;
    row[gm_row_global] = gm_globq_size(&s->queue);
    row[gm_row_idle] = gm_load_rlx(&s->idle_p_count); /* T4, and all that follow */
    row[gm_row_spinning] = gm_load_rlx(&s->spinning);
    for (uint32_t i = 0; i < t->procs; i++) {
        uint64_t *of = row + gm_row_ps + i * gm_row_of_p;
        gm_p *p = &s->ps[i];
        of[gm_row_queue] = gm_runq_length(&p->runq) + (gm_load_rlx(&p->runq.runnext) != NULL);
        of[gm_row_runs] = gm_load_rlx(&t->of[i].runs);
        of[gm_row_steals] = gm_load_rlx(&t->of[i].steals);
        of[gm_row_status] = gm_load_rlx(&p->status);
    }
}

void gm_tracks_begin(gm_tracks *t, gm_sched *s, uint64_t now, uint64_t interval)
{
    t->interval = interval;
    add_row(t, s, now);
    t->next = now + interval;
    gm_store_rlx(&t->keeping, 1); /* relaxed: it orders nothing */
}

void gm_tracks_sample(gm_tracks *t, gm_sched *s, uint64_t now)
{
    if (now < t->next)
        return;
    add_row(t, s, now);
    t->next = now + t->interval;
}

void gm_tracks_end(gm_tracks *t, gm_sched *s, uint64_t now)
{
    add_row(t, s, now);
    gm_store_rlx(&t->keeping, 0); /* relaxed: it orders nothing */
}
