/* gc.c: collections: when they begin, who marks, and when they end.
 *
 * Mirrors gcStart, gcBgMarkWorker, gcMarkDone, gcMarkTermination, bgsweep (runtime/mgc.go, mgcsweep.go), gcAssistAlloc
 * (mgcmark.go) and, with a fixed trigger, the pacer (mgcpacer.go).
 *
 *     mutators  ~~~~~~~~~|   |~~~~~~~~ barrier, assists ~~~~~~~~~~|   |~~~~~~~~~~ lazy sweeping in refills ~~~~~~
 *     collector  sweep   |===|        waits for workers           |===|  sweep in the background
 *     workers            |   | mark mark mark mark mark mark mark |   |
 *     stop               roots                                     ends: Ps' barriers are empty, nothing is grey
 *
 * One thread of the heap's runs the cycles; others mark:
 *
 *   dedicated   a quarter of the Ps, rounded: mark as long as there is something to mark
 *   fractional  where rounding is off by more than 30 %: marks a part of the time, so that together it is a quarter (2 Ps:
 *               no dedicated worker, half a CPU)
 *   idle        one for each P that no dedicated worker has: marks while fewer threads are inside than there are Ps
 *
 *   B1  The barrier is on, and objects are born black, from one stop to the other; both change while the world is stopped.
 *   B2  A cycle ends only with the world stopped, all barriers flushed and nothing grey (Q3). If there is something, the world
 *       goes on and so does marking.
 *   B3  The last sweep is over before the next marking begins (S4).
 *   B4  Who allocates while marking pays: goal minus live bytes is what may be allocated, what is expected to be scanned is
 *       what must be done meanwhile; the ratio is fixed when marking begins. An assist earns 64 KB at least, out of what the
 *       workers have earned first. If nothing is grey at the moment, the rest is forgiven.
 *   B5  The heap's goal is gogc percent over what was marked; a cycle begins when seven tenths of that way are gone, or nine
 *       tenths of the limit.
 *
 * Divergences: Go's trigger is found by a controller, its ratio revised while marking; an assist that finds nothing waits in a
 * queue; before the last stop Go flushes the Ps one after the other (a ragged barrier) so that the stop finds them empty.
 */
#include "base/clock.h"
#include "base/futex.h"
#include "base/probe.h"
#include "base/thread.h"
#include "heap/heap.h"

#include <stdlib.h>

enum { DEDICATED = 0, FRACTIONAL = 1, IDLE = 2 };
enum { sliceBytes = 64 << 10, workerNapNs = 20000 };
static const uint64_t leastHeap = 4 << 20, leastRoom = 256 << 10;

typedef struct gc_thread {
    pthread_t id;
    marker mark;
    int kind;
} gc_thread;

/* ------------------------------------------------------------------ pacing */

static uint64_t goal_of(const gm_heap_config *c, uint64_t marked)
{
    if (c->gogc < 0)
        return UINT64_MAX;
    uint64_t least = leastHeap * (uint64_t)c->gogc / 100, more = marked / 100 * (uint64_t)c->gogc;
    uint64_t goal = marked + more;
    return goal > least ? goal : least;
}

/* B5, from what the last cycle has marked. */
static void set_trigger(gm_heap *h, uint64_t marked)
{
    uint64_t goal = goal_of(&h->config, marked), trigger = goal;
    if (goal != UINT64_MAX)
        trigger = goal > marked + leastRoom ? marked + (goal - marked) / 10 * 7 : marked + leastRoom;
    uint64_t limit = h->config.limit, edge = limit / 10 * 9 > marked + leastRoom ? limit / 10 * 9 : marked + leastRoom;
    if (limit && trigger > edge)
        trigger = edge;
    gm_store_rlx(&h->goal, goal); /* both: numbers */
    gm_store_rlx(&h->trigger, trigger);
}

void gm_gc_pace(gm_heap *h)
{
    if (gm_load_rlx(&h->live) >= gm_load_rlx(&h->trigger) && !gm_marking(h) && !gm_load_rlx(&h->requested))
        gm_gc_request(h);
}

void gm_gc_request(gm_heap *h)
{
    if (gm_swap_acq_rel(&h->requested, 1)) /* pairs with the store in begin_cycle */
        return;
    pthread_mutex_lock(&h->control);
    if (h->wanted == h->begun)
        h->wanted++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->control);
}

/* The assist ratio (B4), while the world is stopped. */
static void set_assist_ratio(gm_heap *h, uint64_t scanned_last)
{
    uint64_t live = gm_load_rlx(&h->live), goal = gm_load_rlx(&h->goal);
    uint64_t room = goal > live + leastRoom ? goal - live : leastRoom;
    uint64_t expected = scanned_last > leastRoom ? scanned_last : leastRoom;
    h->assist_per_1024 = goal == UINT64_MAX ? 0 : expected * 1024 / room + 1;
}

/* ------------------------------------------------------------------ assists */

/* Takes up to `work` from what the workers have earned. */
static int64_t steal(gm_heap *h, int64_t work)
{
    int64_t there = gm_load_rlx(&h->bgCredit); /* a number; what is taken is taken once */
    while (there > 0) {
        int64_t part = there < work ? there : work;
        if (gm_cas_rlx(&h->bgCredit, &there, there - part))
            return part;
    }
    return 0;
}

/* The P's credit is used up: it earns what is missing and more (B4). */
void gm_assist(gm_p *p, enum gm_heap_count site)
{
    gm_heap *h = p->heap;
    if (!gm_marking(h) || h->assist_per_1024 == 0) {
        p->assistBytes = 0;
        return;
    }
    int64_t ratio = (int64_t)h->assist_per_1024, work = -p->assistBytes * ratio / 1024;
    work = work > overAssistWork ? work : overAssistWork;
    int64_t stolen = steal(h, work);
    count(p->mark.count, GM_HEAP_ASSIST_STOLEN, (uint64_t)stolen);
    if (stolen < work) {
        gm_span span = gm_span_enter(GM_CAUSE_ASSIST);
        uint64_t began = gm_now_ns();
        int64_t done = gm_drain(&p->mark, work - stolen);
        gm_work_hand_on(&p->mark);
        count(p->mark.count, site, 1);
        count(p->mark.count, GM_HEAP_ASSIST_WORK, (uint64_t)done);
        count(p->mark.count, GM_HEAP_ASSIST_NS, gm_now_ns() - began);
        gm_span_leave(span);
    }
    p->assistBytes += work * 1024 / ratio + 1;
}

/* ------------------------------------------------------------------ workers */

/* Whether it is a worker's time now. */
static bool may_run(gm_heap *h, const gc_thread *t, uint64_t ran_ns)
{
    if (t->kind == IDLE)
        return gm_load_rlx(&h->running) + h->dedicated < h->config.procs; /* a hint */
    if (t->kind == DEDICATED)
        return true;
    uint64_t since = gm_now_ns() - gm_load_rlx(&h->mark_began_ns);
    return ran_ns <= since * h->fraction_permille / 1000;
}

static int64_t work_slice(gm_heap *h, gc_thread *t, uint32_t gen)
{
    int64_t work = 0;
    gm_active_begin(h);
    if (gm_load_seq_cst(&h->mark_gen) == gen) /* after active: end_workers looks the other way round */
        work = gm_drain_for_all(&t->mark, sliceBytes);
    gm_work_hand_on(&t->mark);
    gm_active_end(h);
    return work;
}

/* One cycle of a worker's. */
static void work_cycle(gm_heap *h, gc_thread *t, uint32_t gen)
{
    uint64_t ran = 0;
    while (gm_load_seq_cst(&h->mark_gen) == gen) {
        if (!may_run(h, t, ran)) {
            gm_nap_ns(workerNapNs);
            continue;
        }
        uint64_t began = gm_now_ns();
        int64_t work = work_slice(h, t, gen);
        ran += gm_now_ns() - began;
        if (work == 0)
            gm_work_wait(h);
    }
    gm_add_rlx(&h->worker_ns[t->kind], ran); /* a number */
}

static void *work(void *arg)
{
    gc_thread *t = arg;
    gm_heap *h = t->mark.h;
    while (!gm_load_seq_cst(&h->quit)) {
        uint32_t gen = gm_load_seq_cst(&h->mark_gen); /* after quit: gm_gc_close changes them in the other order */
        if (gen % 2)
            work_cycle(h, t, gen);
        else
            gm_futex_wait(&h->mark_gen, gen);
    }
    return NULL;
}

/* To an odd number: marking is on; to an even one: it is over. */
static void next_mark_gen(gm_heap *h)
{
    gm_add_seq_cst(&h->mark_gen, 1);
    gm_futex_wake_all(&h->mark_gen);
    gm_add_seq_cst(&h->work_seq, 1);
    gm_futex_wake_all(&h->work_seq);
}

/* Marking is over, and no worker touches anything any more. */
static void end_workers(gm_heap *h)
{
    next_mark_gen(h);
    for (;;) {
        uint32_t seq = gm_load_seq_cst(&h->idle_seq);
        if (gm_load_seq_cst(&h->active) == 0)
            return;
        gm_futex_wait(&h->idle_seq, seq);
    }
}

/* ------------------------------------------------------------------ a cycle */

static void sweep_all(gm_heap *h)
{
    for (unsigned at = 0; gm_sweepone(h, &h->own, &at);)
        ;
}

static void each_p(gm_heap *h, void (*what)(gm_p *p))
{
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++)
        what(gm_load_rlx(&h->ps[i]));
}

static void flush_if_old(gm_p *p)
{
    if (p->flushGen != gm_load_rlx(&p->heap->sweepgen))
        gm_cache_flush(p);
}

static void begin_assists(gm_p *p)
{
    p->assistBytes = 0;
    p->mark.bytes = 0;
    gm_barrier_flush(p); /* GM_WB_ALWAYS: what was told until now is of no use any more */
}

static void begin_marking(gm_heap *h, gm_heap_cycle *c)
{
    uint64_t began = gm_now_ns();
    gm_world_stop(h, NULL);
    each_p(h, flush_if_old);
    if (h->config.mcache_flush == GM_FLUSH_AT_MARK)
        each_p(h, gm_cache_flush);
    each_p(h, begin_assists);
    set_assist_ratio(h, gm_load_rlx(&h->scanDone));
    gm_store_rlx(&h->scanDone, 0); /* all relaxed: the world is stopped */
    gm_store_rlx(&h->marked, 0);
    gm_store_rlx(&h->bgCredit, 0);
    c->live_begin = gm_load_rlx(&h->live);
    gm_store_rlx(&h->phase, PHASE_MARK);
    gm_mark_roots(h, &h->own);
    gm_work_hand_on(&h->own);
    gm_world_start(h);
    c->stop1_ns = gm_now_ns() - began;
}

/* Waits until workers find nothing to do. */
static void wait_for_workers(gm_heap *h)
{
    for (;;) {
        uint32_t seq = gm_load_seq_cst(&h->idle_seq);
        if (gm_work_none(h))
            return;
        gm_futex_wait(&h->idle_seq, seq);
    }
}

static void settle_marked(gm_p *p)
{
    gm_add_rlx(&p->heap->marked, p->mark.bytes); /* a number */
    p->mark.bytes = 0;
}

/* Ends marking if there is nothing grey and no barrier holds anything (B2). The world is stopped. */
static bool try_end(gm_heap *h)
{
    gm_barrier_flush_all(h);
    return gm_work_done(h);
}

/* Whether marking finds everything at these settings. */
bool gm_heap_sound(const gm_heap_config *c)
{
    bool atomic = c->markbits != GM_MARKBITS_PLAIN_OR && c->markbits != GM_MARKBITS_RMW;
    return atomic && c->wb != GM_WB_OFF;
}

static void end_marking(gm_heap *h, gm_heap_cycle *c)
{
    uint64_t began;
    for (;;) {
        wait_for_workers(h);
        began = gm_now_ns();
        gm_world_stop(h, NULL);
        if (try_end(h))
            break;
        gm_world_start(h);
        c->again++;
    }
    end_workers(h);
    if (h->config.check || !gm_heap_sound(&h->config))
        gm_check_marks(h, &h->own);
    each_p(h, settle_marked);
    uint64_t marked = gm_add_rlx(&h->marked, h->own.bytes) + h->own.bytes;
    h->own.bytes = 0;
    c->live_end = gm_load_rlx(&h->live);
    c->marked = marked;
    c->goal = gm_load_rlx(&h->goal);
    gm_store_rlx(&h->phase, PHASE_SWEEP); /* all relaxed: the world is stopped */
    gm_store_rlx(&h->sweepgen, gm_load_rlx(&h->sweepgen) + 2);
    gm_store_rlx(&h->live, marked);
    set_trigger(h, marked);
    gm_world_start(h);
    c->stop2_ns = gm_now_ns() - began;
}

static uint64_t sum_of_ps(gm_heap *h, enum gm_heap_count what)
{
    uint64_t sum = 0;
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++)
        sum += gm_load_rlx(&gm_load_rlx(&h->ps[i])->mark.count[what]);
    return sum;
}

static void count_up(_Atomic uint64_t *longest, uint64_t ns)
{
    if (ns > gm_load_rlx(longest)) /* only the collecting thread stores it */
        gm_store_rlx(longest, ns);
}

static void account(gm_heap *h, const gm_heap_cycle *c)
{
    gm_add_rlx(&h->cycles, 1); /* numbers, all */
    gm_add_rlx(&h->mark_ns, c->mark_ns);
    gm_add_rlx(&h->stopped_ns, c->stop1_ns + c->stop2_ns);
    count_up(&h->longest_stop_ns, c->stop1_ns);
    count_up(&h->longest_stop_ns, c->stop2_ns);
}

static void cycle(gm_heap *h, gm_heap_cycle *c)
{
    uint64_t worker[3], assist = sum_of_ps(h, GM_HEAP_ASSIST_NS);
    gm_store_rlx(&h->requested, 0); /* pairs with gm_gc_request: nothing is ordered, a request more does no harm */
    sweep_all(h);
    for (int i = 0; i < 3; i++)
        worker[i] = gm_load_rlx(&h->worker_ns[i]);
    c->began_ns = gm_now_ns();
    begin_marking(h, c);
    gm_store_rlx(&h->mark_began_ns, gm_now_ns());
    next_mark_gen(h);
    end_marking(h, c);
    c->mark_ns = gm_now_ns() - gm_load_rlx(&h->mark_began_ns);
    gm_world_flush_idle(h);
    sweep_all(h);
    gm_store_rlx(&h->phase, PHASE_OFF); /* relaxed: from sweeping, which orders nothing; lab/heap_scene.c counts by it */
    for (int i = 0; i < 3; i++)
        c->worker_ns[i] = gm_load_rlx(&h->worker_ns[i]) - worker[i];
    c->assist_ns = sum_of_ps(h, GM_HEAP_ASSIST_NS) - assist;
    account(h, c);
}

static void *collect(void *arg)
{
    gm_heap *h = arg;
    pthread_mutex_lock(&h->control);
    for (;;) {
        while (!h->closing && h->wanted == h->begun)
            pthread_cond_wait(&h->changed, &h->control);
        if (h->closing)
            break;
        uint64_t n = h->begun++;
        gm_heap_cycle c = {.n = n + 1};
        pthread_mutex_unlock(&h->control);
        cycle(h, &c);
        pthread_mutex_lock(&h->control);
        h->ring[n % keptCycles] = c;
        h->done = n + 1;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->control);
    return NULL;
}

/* Asks for a cycle that begins from now on, and says which. */
static uint64_t ask(gm_heap *h)
{
    uint64_t target = h->begun + 1;
    if (h->wanted < target)
        h->wanted = target;
    pthread_cond_broadcast(&h->changed);
    return target;
}

/* A whole cycle, sweeping included, from outside of the world. */
void gm_gc_wait(gm_heap *h)
{
    pthread_mutex_lock(&h->control);
    for (uint64_t target = ask(h); h->done < target;)
        pthread_cond_wait(&h->changed, &h->control);
    pthread_mutex_unlock(&h->control);
}

/* The same from inside, by a thread that holds no pointer: it comes by the safe point until it is done (R3). */
void gm_gc_wait_inside(gm_p *p)
{
    gm_heap *h = p->heap;
    pthread_mutex_lock(&h->control);
    uint64_t target = ask(h);
    while (h->done < target) {
        pthread_mutex_unlock(&h->control);
        gm_world_safe(p);
        gm_nap_ns(workerNapNs);
        pthread_mutex_lock(&h->control);
    }
    pthread_mutex_unlock(&h->control);
}

/* ------------------------------------------------------------------ threads */

/* How many of each kind (runtime/mgcpacer.go: startCycle). */
static void divide(gm_heap *h)
{
    uint32_t procs = h->config.procs, quarter = procs / 4, dedicated = (procs + 2) / 4;
    int64_t off = 4 * (int64_t)dedicated - procs; /* in quarters of a P */
    bool rounded_badly = 10 * (off < 0 ? -off : off) > 3 * (int64_t)procs;
    if (h->config.workers >= 0) {
        h->dedicated = (unsigned)h->config.workers;
    } else if (rounded_badly) {
        h->dedicated = off > 0 ? dedicated - 1 : quarter;
        h->fraction_permille = procs * 250 - h->dedicated * 1000;
    } else {
        h->dedicated = dedicated;
    }
    h->fractional = h->fraction_permille > 0;
    h->idlers = procs > h->dedicated ? procs - h->dedicated : 0;
    h->nthreads = h->dedicated + h->fractional + h->idlers;
}

static int kind_of(const gm_heap *h, unsigned i)
{
    return i < h->dedicated ? DEDICATED : i < h->dedicated + h->fractional ? FRACTIONAL : IDLE;
}

int gm_gc_start(gm_heap *h)
{
    set_trigger(h, 0);
    divide(h);
    unsigned n = h->nthreads;
    h->threads = calloc(n, sizeof *h->threads);
    if (!h->threads)
        return GM_E_NOMEM;
    h->nthreads = 0;
    for (unsigned i = 0; i < n; i++) {
        gc_thread *t = &h->threads[i];
        t->mark.h = h;
        t->kind = kind_of(h, i);
        if (pthread_create(&t->id, NULL, work, t) != 0)
            return GM_E_THREAD;
        h->nthreads++;
    }
    if (pthread_create(&h->collecting, NULL, collect, h) != 0)
        return GM_E_THREAD;
    h->collects = true;
    return GM_OK;
}

/* What gm_gc_start began, all of it or a part. */
void gm_gc_close(gm_heap *h)
{
    pthread_mutex_lock(&h->control);
    h->closing = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->control);
    if (h->collects)
        pthread_join(h->collecting, NULL);
    gm_store_seq_cst(&h->quit, 1);
    gm_add_seq_cst(&h->mark_gen, 2); /* still even */
    gm_futex_wake_all(&h->mark_gen);
    for (unsigned i = 0; i < h->nthreads; i++)
        pthread_join(h->threads[i].id, NULL);
    free(h->threads);
}

/* The counters of workers. */
uint64_t gm_gc_count(gm_heap *h, enum gm_heap_count what)
{
    uint64_t sum = sum_of_ps(h, what) + gm_load_rlx(&h->own.count[what]);
    for (unsigned i = 0; i < h->nthreads; i++)
        sum += gm_load_rlx(&h->threads[i].mark.count[what]);
    return sum;
}
