/* crew.c: the goroutines of a run, on a scheduler of their own beside the native threads.
 *
 * All goroutines of a workload are on one scheduler, as all of a Go program are. Toward the conductor (engine.c) they are one:
 * the main goroutine arrives at the gate and leaves it for all.
 *
 *     main    start all | all in line? | arrive | let go: warm up | back? | arrive | let go: measure | back? | leave | end
 *     others  get in line ............................ work ... get in line ............. work ... get in line, for good
 *
 * Those that do operations work as a thread does (worker.c): draw a block, and do it one by one, until their share is done or
 * the phase is over. An operation is a region without signals, before each is a call's safe point. Those that do something else
 * (hog, calls, yields, ping-pong) do it until the phase is over.
 *
 * TIMES of an operation:
 *
 *      due or begin                            start            end
 *       |-- loop -- ready, not running -- loop --|--- service ----|
 *       |                  delay                 |                |
 *       |------------------ response -----------------------------|
 *
 *   closed loop   begin is when the goroutine was through with the operation before, or was let go
 *   open loop     due is the schedule's; a goroutine that is early makes a blocking call that sleeps until then. What it
 *                 waits for a P after that is delay.
 *
 *   H1  What is recorded is recorded at the desk of the P that the operation was done on, in the operation's region without
 *       signals. A desk is its P's owner's (W4 in sched.c) and passes with it, so memory grows with the Ps and not with the
 *       goroutines.
 *   H2  Nothing of the engine's is in a response: drawing a block and writing down a sample move `begin` by what they take.
 *   H3  Requests depend on the seed, the groups and the number of operations only: a goroutine has its share, its stream
 *       and its own new keys, as a thread has (F1 in feed.c). Their order is the scheduler's. It is the same in every run
 *       with one P and preemption off, and then so is the map.
 *   H4  Every ending is a thread's: main arrives and leaves whatever happens. Who could not be made is told at the first
 *       arrival, and nobody is let go. Goroutines in line hold nothing, and are dropped with the scheduler.
 *   H5  No thread-local variable is looked at in a function in which a goroutine can be switched away (A2 in preempt.c):
 *       do_next is never inlined, and nothing in it switches.
 *   H6  A desk that meets another thread, or another goroutine, looks anew at what the thread has used (recorder.c): what
 *       the one before did is not charged to this one.
 *
 * WHO WAITS FOR A LOCK inside a design does so with its thread, and its P waits with it. Its holder is in a region without
 * signals, on a thread that runs, so it will be through; a P is lost for that long. In Go the goroutine parks and the P
 * runs others.
 *
 * Divergences: no timers, so a goroutine that waits for its due time has a thread of its own then; in Go it has none.
 *
 * Rejected: a blocking call around the wait for a lock. It ends on another thread as often as not, and the designs keep what
 * is their thread's (epochs, probes) across it; around a whole operation, it would make a system call of each.
 */
#include "lab/crew.h"

#include "base/alloc.h"

#include <string.h>

enum { napNs = 10000000, roundsOfHog = 1000, firstRows = 1024 };

static bool works(const gm_hand *h)
{
    return h->does == GM_DOES_OPERATIONS;
}

static int phase_now(const gm_crew *c)
{
    return gm_load_rlx(&c->shared->phase); /* relaxed: see worker.c */
}

static bool told_otherwise(const gm_hand *h, int phase)
{
    return phase_now(h->crew) != phase;
}

/* ------------------------------------------------------------------ one operation: nothing here switches (H5) */

static void forget_waits(gm_g *g)
{
    memset(g->waited, 0, sizeof g->waited);
}

/* The P's desk, as the goroutine's (H1, H6). */
static gm_worker *sit_down(gm_g *g, gm_hand *h)
{
    gm_worker *w = h->crew->desks[g->m->p->id];
    uint64_t runs = g->m->p->did.runs + g->m->p->did.reacquired;
    if (w->thread != g->m)
        w->recorder.usage.known = false; /* of another thread */
    if (w->thread != g->m || w->runs != runs)
        gm_recorder_look(&w->recorder);
    w->thread = g->m;
    w->runs = runs;
    w->recorder.thread = h->number;
    w->feed.g = h->feed->g;
    w->until_timed = h->until_timed;
    w->waits = g->waited;
    w->free_at = h->begin;
    if (h->paced)
        memcpy(w->recorder.busy, h->busy, sizeof h->busy);
    return w;
}

static void stand_up(gm_g *g, gm_hand *h, gm_worker *w)
{
    bool timed = h->until_timed == 1, next_timed = w->until_timed == 1;
    if (h->paced)
        memcpy(h->busy, w->recorder.busy, sizeof h->busy);
    h->until_timed = w->until_timed;
    gm_store_rlx(&w->progress, gm_load_rlx(&w->progress) + 1); /* relaxed: the P's owner's; gm_run_progress looks */
    if (timed || next_timed || h->paced) {
        forget_waits(g);
        h->begin = gm_tick_end(h->crew->shared->ticks.hardware); /* H2 */
    }
}

static __attribute__((noinline)) void do_next(gm_g *g, gm_hand *h)
{
    const gm_shared *s = h->crew->shared;
    gm_worker *w = sit_down(g, h);
    uint64_t due = h->begin;
    if (h->paced)
        due = gm_due_at(s, h->feed->dues[h->next]);
    h->behind_ticks = h->paced && h->begin > due ? h->begin - due : 0;
    gm_probe_now = s->probed ? &w->probe : NULL;
    gm_worker_perform(w, &h->feed->requests[h->next++], &due);
    gm_probe_now = NULL;
    stand_up(g, h, w);
}

static __attribute__((noinline)) void draw(gm_hand *h, uint64_t left)
{
    bool hardware = h->crew->shared->ticks.hardware;
    uint64_t before = gm_tick_end(hardware);
    h->next = 0;
    h->drawn = left < gm_feed_block ? (unsigned)left : gm_feed_block;
    gm_feed_draw(h->feed, h->drawn);
    h->begin += gm_tick_end(hardware) - before; /* H2 */
}

/* Ticks until the next operation is due. */
static __attribute__((noinline)) uint64_t early(const gm_hand *h)
{
    const gm_shared *s = h->crew->shared;
    return gm_ticks_above(gm_due_at(s, h->feed->dues[h->next]), gm_tick_start(s->ticks.hardware));
}

static __attribute__((noinline)) uint64_t late(const gm_hand *h)
{
    const gm_shared *s = h->crew->shared;
    return gm_ticks_above(gm_tick_start(s->ticks.hardware), gm_due_at(s, h->feed->dues[h->next]));
}

/* ------------------------------------------------------------------ what they do */

/* false: told otherwise. */
static bool await_due(gm_g *g, gm_hand *h, int phase)
{
    for (;;) {
        gm_enter(g);
        uint64_t ticks = early(h), ns = gm_ticks_to_ns(&h->crew->shared->ticks, ticks) + 1;
        if (ticks) { /* what it waited until now was for nothing, and it has caught up */
            forget_waits(g);
            memset(h->busy, 0, sizeof h->busy);
        }
        gm_leave(g);
        if (ticks == 0)
            return true;
        if (told_otherwise(h, phase))
            return false;
        gm_block_surely(g);
        gm_thread_precise_sleep();
        gm_nap_ns(ns < napNs ? ns : napNs);
        gm_block_end(g);
    }
}

static void operate(gm_g *g, gm_hand *h, int phase)
{
    uint64_t ops = phase == phaseWarm ? h->warmup_ops : h->ops;
    h->until_timed = h->crew->shared->every;
    for (h->done = 0; h->done < ops && !told_otherwise(h, phase); h->done++) {
        gm_enter(g);
        if (h->next == h->drawn)
            draw(h, ops - h->done);
        gm_leave(g);
        if (h->paced && !await_due(g, h, phase))
            break;
        gm_safepoint(g);
        if (told_otherwise(h, phase))
            break;
        gm_enter(g);
        do_next(g, h);
        gm_leave(g);
    }
    gm_enter(g);
    if (h->paced && h->next < h->drawn)
        h->behind_ticks = late(h);
    gm_leave(g);
}

static void hog(gm_g *g, gm_hand *h, int phase)
{
    while (!told_otherwise(h, phase)) {
        for (unsigned i = 0; i < roundsOfHog; i++)
            __asm__ volatile("" : : "r"(i));
        if (h->does == GM_DOES_CALLS)
            gm_safepoint(g);
    }
}

static void yield(gm_g *g, gm_hand *h, int phase)
{
    while (!told_otherwise(h, phase))
        gm_gosched(g);
}

/* The first of a pair, which ends it by a 0. */
static void ping(gm_g *g, gm_hand *h, int phase)
{
    while (!told_otherwise(h, phase)) {
        gm_chan_send(g, &h->other->channel, 1);
        gm_chan_recv(g, &h->channel);
    }
    gm_chan_send(g, &h->other->channel, 0);
}

static void pong(gm_g *g, gm_hand *h)
{
    while (gm_chan_recv(g, &h->channel))
        gm_chan_send(g, &h->other->channel, 1);
}

static void work(gm_g *g, gm_hand *h, int phase)
{
    if (works(h))
        operate(g, h, phase);
    else if (h->does == GM_DOES_YIELDS)
        yield(g, h, phase);
    else if (h->does != GM_DOES_PING_PONG)
        hog(g, h, phase);
    else if (h->other > h)
        ping(g, h, phase);
    else
        pong(g, h);
}

/* ------------------------------------------------------------------ the line */

static bool is_back(const gm_crew *c, bool all)
{
    return c->out[0] == 0 && (!all || c->out[1] == 0);
}

/* Until main lets all go. */
static void get_in_line(gm_g *g, gm_hand *h)
{
    gm_crew *c = h->crew;
    gm_enter(g);
    gm_rt_lock(&c->lock);
    c->out[!works(h)]--;
    gm_g *main = c->main;
    if (main && is_back(c, c->for_all)) {
        c->main = NULL;
        gm_ready(g, main); /* which sees this one parked: the lock is free only then */
    }
    gm_park(g, &c->lock);
    h->begin = g->since;
    gm_leave(g);
}

static void hand_main(gm_g *g, void *arg)
{
    gm_hand *h = arg;
    h->g = g;
    for (;;) {
        get_in_line(g, h);
        work(g, h, h->crew->step);
    }
}

static void await_line(gm_g *g, gm_crew *c, bool all)
{
    gm_enter(g);
    gm_rt_lock(&c->lock);
    while (!is_back(c, all)) {
        c->main = g;
        c->for_all = all;
        gm_park(g, &c->lock);
        gm_rt_lock(&c->lock);
    }
    gm_rt_unlock(&c->lock);
    gm_leave(g);
}

/* All are in line. */
static void let_go(gm_g *g, gm_crew *c, int phase)
{
    gm_enter(g);
    c->step = phase; /* seen by who is made ready */
    for (uint32_t i = 0; i < c->n; i++)
        c->out[!works(&c->hands[i])]++;
    for (uint32_t i = 0; i < c->n; i++) {
        forget_waits(c->hands[i].g);
        gm_ready(g, c->hands[i].g);
    }
    gm_leave(g);
}

/* ------------------------------------------------------------------ main */

static void start_all(gm_g *g, gm_crew *c)
{
    for (uint32_t i = 0; i < c->n && c->status == GM_OK; i++) {
        gm_enter(g);
        gm_rt_lock(&c->lock);
        c->out[!works(&c->hands[i])]++;
        gm_rt_unlock(&c->lock);
        gm_leave(g);
        c->status = gm_go(g, hand_main, &c->hands[i]);
    }
    if (c->status == GM_OK)
        await_line(g, c, true);
}

static void arrive(gm_g *g, gm_crew *c)
{
    gm_block_surely(g);
    gm_gate_arrive(&c->shared->gate);
    gm_block_end(g);
}

static void await_start(gm_g *g, const gm_crew *c)
{
    gm_enter(g);
    while (gm_tick_start(c->shared->ticks.hardware) < c->shared->t0)
        gm_relax();
    gm_leave(g);
}

static void begin_desks(gm_g *g, gm_crew *c)
{
    gm_enter(g);
    for (uint32_t i = 0; i < c->procs; i++) {
        gm_recorder_begin(&c->desks[i]->recorder, c->shared->t0);
        c->desks[i]->thread = NULL; /* H6 */
    }
    gm_leave(g);
}

static void reset_desks(gm_g *g, gm_crew *c)
{
    gm_enter(g);
    for (uint32_t i = 0; i < c->procs; i++)
        gm_recorder_reset(&c->desks[i]->recorder);
    gm_leave(g);
}

static void warm_up(gm_g *g, gm_crew *c)
{
    begin_desks(g, c);
    if (phase_now(c) == phaseWarm) {
        await_start(g, c);
        let_go(g, c, phaseWarm);
        await_line(g, c, false);
    }
    gm_enter(g);
    for (uint32_t i = 0; i < c->procs; i++)
        c->desks[i]->warmed_up = gm_load_rlx(&c->desks[i]->progress); /* relaxed: all are in line */
    for (uint32_t i = 0; i < c->n; i++)
        if (works(&c->hands[i]))
            gm_feed_restart(c->hands[i].feed, c->hands[i].next, c->hands[i].drawn);
    gm_leave(g);
    reset_desks(g, c);
}

static void measure(gm_g *g, gm_crew *c)
{
    begin_desks(g, c);
    if (phase_now(c) == phaseMeasure) {
        await_start(g, c);
        let_go(g, c, phaseMeasure);
        await_line(g, c, false);
    }
    gm_enter(g);
    uint64_t now = gm_tick_end(c->shared->ticks.hardware);
    for (uint32_t i = 0; i < c->procs; i++) {
        c->desks[i]->ended = now;
        gm_recorder_end(&c->desks[i]->recorder, now);
    }
    for (uint32_t i = 0; i < c->n; i++)
        if (c->hands[i].behind_ticks > c->desks[0]->behind_ticks)
            c->desks[0]->behind_ticks = c->hands[i].behind_ticks;
    gm_leave(g);
}

static void crew_main(gm_g *g, void *crew)
{
    gm_crew *c = crew;
    start_all(g, c);
    reset_desks(g, c);
    arrive(g, c);
    warm_up(g, c);
    arrive(g, c);
    if (c->status == GM_OK)
        await_line(g, c, true); /* those beside may have been let go for the warm-up */
    measure(g, c);
    gm_enter(g);
    gm_gate_leave(&c->shared->gate);
    gm_leave(g);
    if (c->status == GM_OK)
        await_line(g, c, true);
}

/* ------------------------------------------------------------------ a crew's life */

int gm_crew_make(const gm_alloc *alloc, const gm_run_config *rc, gm_shared *shared, gm_worker **desks, uint32_t n,
                 gm_crew **out)
{
    gm_crew *c = *out = alloc->zalloc(alloc->ctx, sizeof *c);
    if (!c)
        return GM_E_NOMEM;
    c->alloc = *alloc;
    c->shared = shared;
    c->desks = desks;
    c->procs = rc->sched->procs;
    c->n = n;
    c->hands = alloc->zalloc(alloc->ctx, n * sizeof *c->hands);
    c->tracks = gm_tracks_make(&c->alloc, c->procs, rc->slices, firstRows);
    if (!c->hands || !c->tracks)
        return GM_E_NOMEM;
    gm_sched_config own = *rc->sched;
    own.alloc = &c->alloc;
    own.spawner = rc->spawner;
    own.measure = 1;
    own.tracks = c->tracks;
    return gm_sched_new(&own, &c->sched);
}

int gm_crew_start(gm_crew *c)
{
    return gm_sched_start(c->sched, crew_main, c);
}

int gm_crew_finish(gm_crew *c)
{
    int status = gm_sched_wait(c->sched);
    return c->status != GM_OK ? c->status : status;
}

void gm_crew_free(gm_crew *c)
{
    if (!c)
        return;
    gm_alloc alloc = c->alloc;
    if (c->sched)
        gm_sched_free(c->sched);
    gm_tracks_free(c->tracks);
    for (uint32_t i = 0; c->hands && i < c->n; i++)
        if (c->hands[i].feed)
            alloc.release(alloc.ctx, c->hands[i].feed, sizeof(gm_feed));
    if (c->hands)
        alloc.release(alloc.ctx, c->hands, c->n * sizeof *c->hands);
    alloc.release(alloc.ctx, c, sizeof *c);
}
