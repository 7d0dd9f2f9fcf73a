/* worker.c: one thread of a run.
 *
 *     pin, arrive  ->  warm up  ->  arrive  ->  measure  ->  leave
 *                  gate         gate
 *
 * In both parts it draws a block of requests (feed.c), then does them one by one. Before each it looks at the phase: one
 * relaxed load of a word that changes a few times a run, so that it stops within one operation. A stop is not ordered with
 * anything: what the threads did is read after they have been joined.
 *
 *   closed loop   the next operation begins when the last one is done
 *   open loop     it begins at its due time, or at once if that has passed; nothing is dropped and the schedule does not
 *                 shift, so a thread that stalls does all it owes afterwards, and each of these is counted from its due
 *                 time. Waiting is sleeping until near, then spinning.
 *
 *   K1  Between the two clock readings of a timed operation there is the operation and nothing of the engine's.
 *   K2  With timing off no clock is read: the loop costs a draw, a load of the phase, two indirect calls, two counters.
 *   K3  In an open loop blocks are short, so that drawing one never makes the next operation late by more than a microsecond
 *       or two; it is done before the wait.
 *   K4  An operation that is refused or fails is counted by its status and is in no histogram.
 *
 * Memory order: phase is relaxed, it carries no data; everything the threads share before and after passes through the gate's
 * mutex or the join. progress is relaxed: a number to look at.
 */
#include "lab/worker.h"

#include <string.h>

enum { OPEN_BLOCK = 16, SPIN_NS = 100000, NAP_NS = 10000000 };

static bool told_otherwise(const gm_worker *w, int phase)
{
    return gm_load_rlx(&w->shared->phase) != phase;
}

static int operate(const gm_worker *w, const gm_request *r)
{
    int64_t elem;
    return gm_operations[r->op](w->shared->v, w->shared->self, r, &elem);
}

static bool filled_in(const gm_worker *w, const gm_request *r, int status)
{
    return gm_unlikely(status == GM_MISS) && r->op == GM_OP_GET && gm_trace_fills(w->feed.g->trace);
}

/* One operation and the fill that may follow it, no clock read. */
static void do_untimed(gm_worker *w, const gm_request *r)
{
    int status = operate(w, r);
    w->recorder.untimed += status >= 0;
    gm_recorder_count(&w->recorder, r->op, status);
    if (filled_in(w, r, status)) {
        gm_request fill = *r;
        fill.op = GM_OP_FILL;
        status = operate(w, &fill);
        w->recorder.untimed += status >= 0;
        gm_recorder_count(&w->recorder, GM_OP_FILL, status);
    }
}

static int time_one(gm_worker *w, const gm_request *r, const uint64_t *due)
{
    gm_shared *s = w->shared;
    bool hardware = s->ticks.hardware;
    gm_probe *p = s->probed ? &w->probe : NULL;
    uint64_t start = gm_tick_start(hardware);
    if (p)
        gm_probe_begin(p, start);
    int status = operate(w, r);
    uint64_t end = gm_tick_end(hardware);
    if (p)
        gm_probe_charge(p, end);
    gm_recorder_count(&w->recorder, r->op, status);
    if (gm_likely(status >= 0)) {
        gm_sample sample = {r->op, due ? *due : start, due ? w->free_at : start, start, end, due ? w->waits : NULL};
        gm_recorder_add(&w->recorder, sample, p, s->v, s->self);
    }
    return status;
}

static void do_timed(gm_worker *w, const gm_request *r, const uint64_t *due)
{
    int status = time_one(w, r, due);
    if (filled_in(w, r, status)) {
        gm_request fill = *r;
        fill.op = GM_OP_FILL;
        time_one(w, &fill, NULL);
    }
}

void gm_worker_perform(gm_worker *w, const gm_request *r, const uint64_t *due)
{
    if (w->until_timed == 0 || --w->until_timed > 0) {
        do_untimed(w, r);
    } else {
        w->until_timed = w->shared->every;
        do_timed(w, r, due);
    }
}

/* ------------------------------------------------------------------ the two loops */

/* A run of requests of one kind with no clock read: what does not change within it is kept out of the loop (K2). */
static unsigned run_alike(gm_worker *w, const gm_request *r, unsigned n, int phase)
{
    const gm_shared *s = w->shared;
    const gm_variant *v = s->v;
    void *self = s->self;
    uint8_t op = r->op;
    gm_operation operation = gm_operations[op];
    int64_t elem;
    uint64_t hits = 0, done = 0;
    unsigned i = 0;
    for (; i < n && r[i].op == op && gm_load_rlx(&s->phase) == phase; i++) {
        int status = operation(v, self, &r[i], &elem);
        hits += status == GM_OK;
        done += status >= 0;
        if (gm_unlikely(status < 0))
            w->recorder.errors[-status]++;
    }
    w->recorder.done[op] += done;
    w->recorder.hits[op] += hits;
    return i;
}

/* Each of these returns how many of the n requests it did before it was told otherwise. */
static unsigned run_untimed(gm_worker *w, unsigned n, int phase)
{
    const gm_request *r = w->feed.requests + w->next;
    unsigned i = 0;
    for (unsigned did = 1; i < n && did > 0; i += did)
        did = run_alike(w, r + i, n - i, phase);
    return i;
}

static unsigned run_closed(gm_worker *w, unsigned n, int phase)
{
    if (w->until_timed == 0 && !gm_trace_fills(w->feed.g->trace))
        return run_untimed(w, n, phase);
    const gm_request *r = w->feed.requests + w->next;
    unsigned i = 0;
    for (; i < n && !told_otherwise(w, phase); i++)
        gm_worker_perform(w, r + i, NULL);
    return i;
}

/* Waits for `due`; false if told otherwise meanwhile. */
static bool wait_until(gm_worker *w, uint64_t due, int phase)
{
    const gm_ticks *t = &w->shared->ticks;
    uint64_t now = w->free_at = gm_tick_start(t->hardware), spin = gm_ns_to_ticks(t, SPIN_NS);
    if (now >= due)
        return true;
    bool slept = false;
    gm_recorder_idle(&w->recorder);
    for (; due > now + spin && !told_otherwise(w, phase); now = gm_tick_start(t->hardware)) {
        uint64_t ns = gm_ticks_to_ns(t, due - now - spin);
        gm_nap_ns(ns < NAP_NS ? ns : NAP_NS);
        slept = true;
    }
    if (slept)
        gm_recorder_look(&w->recorder);
    while (gm_tick_start(t->hardware) < due) {
        if (told_otherwise(w, phase))
            return false;
        gm_relax();
    }
    return true;
}

static unsigned run_open(gm_worker *w, unsigned n, int phase)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t due = gm_due_at(w->shared, w->feed.dues[w->next + i]);
        if (!wait_until(w, due, phase) || told_otherwise(w, phase)) {
            uint64_t now = gm_tick_start(w->shared->ticks.hardware);
            w->behind_ticks = now > due ? now - due : 0;
            return i;
        }
        gm_worker_perform(w, &w->feed.requests[w->next + i], &due);
        w->behind_ticks = w->free_at > due ? w->free_at - due : 0;
        gm_store_rlx(&w->progress, gm_load_rlx(&w->progress) + 1);
    }
    return n;
}

/* Up to `ops` operations, while the phase lasts. What is left of a block is done in the next phase. */
static void run_phase(gm_worker *w, int phase, uint64_t ops)
{
    uint64_t before = gm_load_rlx(&w->progress), done = 0;
    unsigned block = w->paced ? OPEN_BLOCK : gm_feed_block;
    bool going = wait_until(w, w->shared->t0, phase);
    w->until_timed = w->shared->every;
    w->behind_ticks = 0;
    while (going && done < ops) {
        if (w->next == w->drawn) {
            w->next = 0;
            w->drawn = ops - done < block ? (unsigned)(ops - done) : block;
            gm_feed_draw(&w->feed, w->drawn);
        }
        gm_recorder_look_again(&w->recorder);
        unsigned left = w->drawn - w->next, n = ops - done < left ? (unsigned)(ops - done) : left;
        unsigned did = w->paced ? run_open(w, n, phase) : run_closed(w, n, phase);
        done += did;
        w->next += did;
        going = did == n;
        gm_store_rlx(&w->progress, before + done);
    }
}

static void warm_up(gm_worker *w)
{
    gm_recorder_begin(&w->recorder, w->shared->t0);
    if (gm_load_rlx(&w->shared->phase) == phaseWarm)
        run_phase(w, phaseWarm, w->warmup_ops);
    w->warmed_up = gm_load_rlx(&w->progress);
    gm_feed_restart(&w->feed, w->next, w->drawn);
    gm_recorder_reset(&w->recorder);
    gm_gate_arrive(&w->shared->gate);
}

void *gm_worker_main(void *worker)
{
    gm_worker *w = worker;
    gm_shared *s = w->shared;
    w->status = w->cpu >= 0 && !gm_thread_pin(w->cpu) ? GM_E_PIN : GM_OK;
    gm_thread_precise_sleep();
    gm_recorder_reset(&w->recorder);
    w->probe.hardware = s->ticks.hardware;
    gm_probe_now = s->probed ? &w->probe : NULL;
    gm_gate_arrive(&s->gate);
    warm_up(w);
    gm_recorder_begin(&w->recorder, s->t0);
    gm_usage before = gm_usage_read();
    if (gm_load_rlx(&s->phase) == phaseMeasure)
        run_phase(w, phaseMeasure, w->ops);
    w->ended = gm_tick_end(s->ticks.hardware);
    gm_recorder_end(&w->recorder, w->ended);
    w->used = gm_usage_read();
    w->used.cpu_ns -= before.cpu_ns;
    w->used.involuntary -= before.involuntary;
    w->used.voluntary -= before.voluntary;
    w->used.faults -= before.faults;
    gm_probe_now = NULL;
    gm_gate_leave(&s->gate);
    return NULL;
}
