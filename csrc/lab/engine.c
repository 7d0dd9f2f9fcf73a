/* engine.c: a workload run by native threads, in one call.
 *
 * gm_run_new checks the workload and makes everything that needs memory: a worker for each thread, with its feed and its
 * recorder. gm_run_go does the rest and returns when the last thread is joined; the calling thread conducts:
 *
 *     conductor    fill the map | start threads | all there?  | warm-up  | all there?   | measure          | all left? | merge
 *     threads                     pin             wait at gate  warm up    wait at gate   until told, or     join
 *                                                                                         until their share
 *                                                                                         is done
 *     phase        Ready ------------------------> Warm -------> Hold ----> Measure -----> Stop
 *
 *   L1  However a run ends (done, time over, cancelled, no thread to be had, no permission to pin, no memory), each thread
 *       that was started is joined, and gm_run_free gives back all memory.
 *   L2  gm_run_cancel may come at any time from any thread; the run stops within one operation of each thread and a nap of
 *       10 ms. What was measured until then stays.
 *   L3  With one thread, a seed and a number of operations, everything but time is the same in every run: requests (F1 in
 *       feed.c), hence counters and the map.
 *   L4  The map is filled before the first thread starts: keys 0 .. size-1 in an order shuffled by the seed, so that the
 *       first keys of a skewed stream do not sit in the first cells of their buckets.
 *   L5  Time begins at t0, a moment after the gate opens, for all threads alike.
 *   L6  Goroutines are a crew (crew.c), which takes part as one thread does. Shares and numbers go through all that do
 *       operations, thread or goroutine, in the order of the groups. While it runs the conductor looks at the scheduler every
 *       now and then.
 *
 * Which operations may overlap is the map's affair (map/variant.h); what it refuses is counted.
 */
#include "base/alloc.h"
#include "lab/run.h"
#include "map/hmap.h"
#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>

enum { START_NS = 200000, START_THREAD_NS = 20000, MOST_THREADS = 1024, FILL_STEP = 4096 };
enum { MOST_GOROUTINES = 1 << 20, MOST_PROCS = 256, LOOK_NS = 10000000 };
static const uint64_t MILLISECOND_NS = 1000000, SECOND_NS = 1000000000;

/* ------------------------------------------------------------------ what the workload says */

static bool does_operations(const gm_group *g)
{
    return g->does == GM_DOES_OPERATIONS;
}

static bool sound_procs(uint32_t procs)
{
    return procs >= 1 && procs <= MOST_PROCS; /* before anything is made for each; gm_sched_new looks at the rest */
}

static bool group_writes(const gm_group *g)
{
    const gm_trace *t = g->trace;
    bool writes = gm_trace_fills(t);
    if (t && t->ops)
        for (uint64_t i = 0; i < t->n && !writes; i++)
            writes = t->ops[i] != GM_OP_GET;
    else
        for (int op = 0; op < GM_OPS; op++)
            writes = writes || (g->mix[op] > 0 && (gm_op_writes(op) || op == GM_OP_ITERATE));
    return writes;
}

static bool sound_trace(const gm_trace *t)
{
    if (!t || !t->ops)
        return true;
    for (uint64_t i = 0; i < t->n; i++)
        if (t->ops[i] >= GM_OP_FILL)
            return false;
    return true;
}

/* Kinds of operations that a group may do, as bits. */
static uint32_t group_ops(const gm_group *g)
{
    uint32_t ops = 0;
    if (g->trace && g->trace->ops)
        return (1u << GM_OP_TRACE_OPS) - 1;
    for (int op = 0; op < GM_OPS; op++)
        ops |= g->mix[op] > 0 ? 1u << op : 0;
    return ops;
}

/* How long the run will take as far as can be told; 0: it cannot. */
static uint64_t expected_ns(const gm_run_config *c)
{
    double rate = 0;
    if (c->duration_ns)
        return c->duration_ns;
    for (uint32_t i = 0; i < c->ngroups; i++) {
        if (c->groups[i].rate == 0)
            return 0;
        rate += c->groups[i].rate;
    }
    double ns = (double)c->ops / rate * 1e9;
    return ns < 0x1p62 ? (uint64_t)ns : UINT64_C(1) << 62;
}

/* A whole number of milliseconds (A3 in recorder.c). */
static uint64_t interval_ns(const gm_run_config *c)
{
    uint64_t most = c->intervals > 1 ? c->intervals - 1 : 1;
    uint64_t ms = expected_ns(c) / MILLISECOND_NS / most + 1;
    return (ms ? ms : 1) * MILLISECOND_NS;
}

static uint64_t intervals_needed(const gm_run_config *c)
{
    uint64_t expected = expected_ns(c);
    if (!expected || !c->intervals)
        return c->intervals;
    uint64_t n = expected / interval_ns(c) + 2;
    return n < c->intervals ? n : c->intervals;
}

/* ------------------------------------------------------------------ making */

static void *obtain(gm_run *r, size_t size)
{
    return r->alloc.zalloc(r->alloc.ctx, size);
}

static gm_recorder_plan plan_of(const gm_run *r)
{
    const gm_run_config *c = &r->c;
    gm_recorder_plan p = {.alloc = &r->alloc,
                          .ticks = &r->shared->ticks,
                          .timed = c->every != 0,
                          .probed = c->every != 0 && c->attribution,
                          .slow_ns = c->slow_ns,
                          .faults_ns = r->faults_ns,
                          .slowest = c->slowest,
                          .interval_ns = interval_ns(c),
                          .intervals = intervals_needed(c)};
    for (uint32_t i = 0; i < c->ngroups; i++) {
        p.ops |= does_operations(&c->groups[i]) ? group_ops(&c->groups[i]) : 0;
        p.paced = p.paced || c->groups[i].rate != 0;
    }
    p.delays = r->goroutines > 0;
    p.paced = p.paced || p.delays;
    return p;
}

/* Lane i's part of n. */
static uint64_t share(uint64_t n, uint32_t i, uint32_t lanes)
{
    return n / lanes + (i < n % lanes);
}

static int make_worker(gm_run *r, uint32_t number, uint32_t group, gm_place at, const gm_recorder_plan *plan)
{
    const gm_run_config *c = &r->c;
    const gm_group *g = &c->groups[group];
    gm_worker *w = r->workers[number] = gm_zalloc_lines(&r->alloc, sizeof *w);
    if (!w)
        return GM_E_NOMEM;
    w->shared = r->shared;
    w->group = group;
    w->paced = g->rate != 0;
    w->cpu = g->cpus ? g->cpus[at.lane] : -1;
    w->ops = c->ops ? share(c->ops, at.thread, r->lanes) : UINT64_MAX;
    w->warmup_ops = c->ops ? share(c->warmup_ops, at.thread, r->lanes) : UINT64_MAX;
    int status = gm_recorder_init(&w->recorder, plan);
    w->recorder.thread = at.thread;
    if (status != GM_OK)
        return status;
    return gm_feed_init(&w->feed, g, &r->codec, at, c, r->shared->ticks.ns_per_tick) ? GM_OK : GM_E_ARGUMENT;
}

/* What a P's goroutines write to (H1 in crew.c). */
static int make_desk(gm_run *r, uint32_t number, const gm_recorder_plan *plan)
{
    gm_worker *w = r->workers[number] = gm_zalloc_lines(&r->alloc, sizeof *w);
    if (!w)
        return GM_E_NOMEM;
    w->shared = r->shared;
    w->cpu = -1;
    w->probe.hardware = r->shared->ticks.hardware;
    return gm_recorder_init(&w->recorder, plan);
}

static int make_hand(gm_run *r, gm_hand *h, uint32_t group, gm_place at)
{
    const gm_run_config *c = &r->c;
    const gm_group *g = &c->groups[group];
    *h = (gm_hand){.crew = r->crew, .group = group, .does = g->does, .number = at.thread, .paced = g->rate != 0};
    if (!does_operations(g)) {
        h->other = h + (at.lane % 2 ? -1 : 1);
        return GM_OK;
    }
    h->ops = c->ops ? share(c->ops, at.thread, r->lanes) : UINT64_MAX;
    h->warmup_ops = c->ops ? share(c->warmup_ops, at.thread, r->lanes) : UINT64_MAX;
    h->feed = obtain(r, sizeof *h->feed);
    if (!h->feed)
        return GM_E_NOMEM;
    return gm_feed_init(h->feed, g, &r->codec, at, c, r->shared->ticks.ns_per_tick) ? GM_OK : GM_E_ARGUMENT;
}

static int make_crew(gm_run *r, const gm_recorder_plan *plan)
{
    if (!r->goroutines)
        return GM_OK;
    for (uint32_t i = 0; i < r->desks; i++) {
        int status = make_desk(r, r->threads + i, plan);
        if (status != GM_OK)
            return status;
    }
    return gm_crew_make(&r->alloc, &r->c, r->shared, r->workers + r->threads, r->goroutines, &r->crew);
}

/* The threads of a group, or its goroutines, from the given place on. */
static int make_group(gm_run *r, uint32_t group, gm_place *at, const gm_recorder_plan *plan, uint32_t *made, gm_hand **hand)
{
    const gm_group *g = &r->c.groups[group];
    int status = GM_OK;
    at->lanes = g->goroutines ? g->goroutines : g->threads;
    for (at->lane = 0; at->lane < at->lanes && status == GM_OK; at->lane++) {
        status = g->goroutines ? make_hand(r, (*hand)++, group, *at) : make_worker(r, (*made)++, group, *at, plan);
        at->thread += does_operations(g);
    }
    return status;
}

static int make_workers(gm_run *r)
{
    gm_recorder_plan plan = plan_of(r);
    gm_place at = {.threads = r->lanes};
    uint32_t made = 0;
    int status = make_crew(r, &plan);
    gm_hand *hand = status == GM_OK && r->crew ? r->crew->hands : NULL;
    for (uint32_t g = 0; g < r->c.ngroups && status == GM_OK; g++)
        status = make_group(r, g, &at, &plan, &made, &hand);
    return status;
}

static int make_shared(gm_run *r)
{
    gm_shared *s = r->shared = gm_zalloc_lines(&r->alloc, sizeof *s);
    if (!s)
        return GM_E_NOMEM;
    if (!gm_gate_init(&s->gate)) {
        gm_release_lines(&r->alloc, s, sizeof *s);
        r->shared = NULL;
        return GM_E_NOMEM;
    }
    s->self = r->c.target;
    s->every = r->c.every;
    s->probed = r->c.every != 0 && r->c.attribution;
    gm_ticks_calibrate(&s->ticks, !r->c.os_clock && gm_ticks_hardware());
    r->faults_ns = s->probed ? gm_page_fault_cost_ns() : 0;
    return GM_OK;
}

static bool sound_group(const gm_group *g)
{
    if (!g->threads == !g->goroutines || !sound_trace(g->trace) || g->does >= GM_DOES_KINDS)
        return false;
    bool paired = g->does != GM_DOES_PING_PONG || g->goroutines % 2 == 0;
    return g->goroutines ? paired && !g->cpus : does_operations(g);
}

static bool sound(gm_run *r)
{
    const gm_run_config *c = &r->c;
    uint64_t threads = 0, goroutines = 0, lanes = 0;
    for (uint32_t i = 0; i < c->ngroups; i++) {
        const gm_group *g = &c->groups[i];
        if (!sound_group(g))
            return false;
        threads += g->threads;
        goroutines += g->goroutines;
        lanes += does_operations(g) ? (uint64_t)g->threads + g->goroutines : 0;
    }
    r->threads = (uint32_t)threads;
    r->goroutines = (uint32_t)goroutines;
    r->lanes = (uint32_t)lanes;
    r->desks = goroutines && c->sched ? c->sched->procs : 0;
    r->base = c->table ? c->table : gm_variant_of(c->variant);
    return lanes > 0 && threads <= MOST_THREADS && goroutines <= MOST_GOROUTINES && (!goroutines || sound_procs(r->desks)) &&
           r->base && c->target && gm_codec_of(&r->codec, c->key_kind, c->key_size) && !c->ops != !c->duration_ns &&
           c->size <= gm_codec_most(&r->codec) && c->keyspace <= gm_codec_most(&r->codec);
}

static int make(gm_run *r)
{
    if (!sound(r))
        return GM_E_ARGUMENT;
    r->workers = obtain(r, gm_run_parts(r) * sizeof *r->workers);
    r->handles = obtain(r, (r->threads + 1) * sizeof *r->handles); /* one more, that it be never nothing */
    if (!r->workers || !r->handles)
        return GM_E_NOMEM;
    int status = make_shared(r);
    return status == GM_OK ? make_workers(r) : status;
}

int gm_run_new(const gm_run_config *c, gm_run **out)
{
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    gm_run *r = alloc.zalloc(alloc.ctx, sizeof *r);
    *out = NULL;
    if (!r)
        return GM_E_NOMEM;
    r->c = *c;
    r->alloc = alloc;
    r->spawner = c->spawner ? *c->spawner : gm_spawner_default();
    int status = make(r);
    if (status == GM_OK)
        *out = r;
    else
        gm_run_free(r);
    return status;
}

void gm_run_free(gm_run *r)
{
    if (!r)
        return;
    gm_alloc alloc = r->alloc;
    gm_crew_free(r->crew);
    for (uint32_t i = 0; r->workers && i < gm_run_parts(r); i++) {
        if (r->workers[i])
            gm_recorder_free(&r->workers[i]->recorder);
        gm_release_lines(&r->alloc, r->workers[i], sizeof **r->workers);
    }
    if (r->shared)
        gm_gate_destroy(&r->shared->gate);
    gm_release_lines(&r->alloc, r->shared, sizeof *r->shared);
    if (r->workers)
        alloc.release(alloc.ctx, r->workers, gm_run_parts(r) * sizeof *r->workers);
    if (r->handles)
        alloc.release(alloc.ctx, r->handles, (r->threads + 1) * sizeof *r->handles);
    alloc.release(alloc.ctx, r, sizeof *r);
}

/* ------------------------------------------------------------------ filling the map */

static bool is_cancelled(gm_run *r)
{
    return gm_load_rlx(&r->cancelled); /* a hint to stop: carries no data */
}

/* Whether to stop, looked at now and then. */
static bool stops_at(gm_run *r, uint64_t i)
{
    return i % FILL_STEP == 0 && is_cancelled(r);
}

static int put_keys(gm_run *r, const uint64_t *order)
{
    unsigned char key[gm_key_bytes];
    for (uint64_t i = 0; i < r->c.size; i++) {
        if (stops_at(r, i))
            return GM_OK;
        gm_store_rlx(&r->filled, i + 1);
        gm_codec_write(&r->codec, order[i], false, key);
        int64_t elem = (int64_t)order[i];
        int status = r->base->assign(r->c.target, key, r->codec.size, &elem, NULL);
        if (status < 0)
            return status;
    }
    return GM_OK;
}

/* L4: Fisher and Yates. */
static int fill(gm_run *r)
{
    uint64_t n = r->c.size;
    if (n == 0)
        return GM_OK;
    if (n > SIZE_MAX / 16)
        return GM_E_NOMEM;
    uint64_t *order = obtain(r, n * sizeof *order);
    if (!order)
        return GM_E_NOMEM;
    gm_xoshiro rng;
    gm_xoshiro_seed(&rng, gm_seed_of(r->c.seed, 3));
    for (uint64_t i = 0; i < n && !stops_at(r, i); i++)
        order[i] = i;
    for (uint64_t i = n - 1; i > 0 && !stops_at(r, i); i--) { /* put_keys stops too */
        uint64_t j = gm_below(&rng, i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    int status = put_keys(r, order);
    r->alloc.release(r->alloc.ctx, order, n * sizeof *order);
    return status;
}

/* ------------------------------------------------------------------ conducting */

static void set_phase(gm_run *r, int phase)
{
    gm_store_rlx(&r->shared->phase, phase); /* see the header of worker.c */
}

/* Waits until all n threads have arrived or left; passes a cancellation on. */
static void await_all(gm_run *r, uint32_t n)
{
    while (!gm_gate_wait(&r->shared->gate, n, SECOND_NS))
        if (is_cancelled(r))
            set_phase(r, phaseStop);
}

/* The same, for at most `ns` from the beginning of time (0: without limit) and not after a cancellation. False: cancelled. */
static bool await_some(gm_run *r, uint32_t n, uint64_t ns)
{
    uint64_t most = UINT64_MAX - r->start_ns, until = ns && ns < most ? r->start_ns + ns : UINT64_MAX;
    while (!is_cancelled(r)) {
        uint64_t now = gm_now_ns(), left = until > now ? until - now : 0, nap = r->crew ? LOOK_NS : SECOND_NS;
        if (left == 0 || gm_gate_wait(&r->shared->gate, n, left < nap ? left : nap))
            return true;
        if (r->crew && gm_load_rlx(&r->shared->phase) == phaseMeasure)
            gm_tracks_sample(r->crew->tracks, r->crew->sched, gm_tick_end(r->shared->ticks.hardware));
    }
    return false;
}

/* Time begins a moment from now, long enough for all to wake (L5); what is written here is seen behind the gate. */
static void begin_time(gm_run *r)
{
    gm_shared *s = r->shared;
    uint64_t lead_ns = START_NS + (uint64_t)START_THREAD_NS * r->threads;
    s->t0 = gm_tick_end(s->ticks.hardware) + gm_ns_to_ticks(&s->ticks, lead_ns);
    r->start_ns = gm_now_ns() + lead_ns;
}

/* Whether one of those that have arrived cannot begin. */
static bool failed(const gm_run *r, uint32_t threads)
{
    bool any = r->crew && r->crew->status != GM_OK;
    for (uint32_t i = 0; i < threads; i++)
        any = any || r->workers[i]->status != GM_OK;
    return any;
}

/* threads: that were started. crew: was it? */
static void conduct(gm_run *r, uint32_t threads, bool crew, bool stop)
{
    gm_gate *gate = &r->shared->gate;
    uint32_t n = threads + crew;
    await_all(r, n);
    stop = stop || failed(r, threads);
    bool warm = r->c.ops ? r->c.warmup_ops > 0 : r->c.warmup_ns > 0;
    begin_time(r);
    set_phase(r, stop || is_cancelled(r) ? phaseStop : warm ? phaseWarm : phaseHold);
    gm_gate_open(gate);
    if (warm && !stop) {
        await_some(r, n, r->c.ops ? 0 : r->c.warmup_ns);
        set_phase(r, is_cancelled(r) ? phaseStop : phaseHold);
    }
    await_all(r, n);
    begin_time(r);
    if (crew)
        gm_tracks_begin(r->crew->tracks, r->crew->sched, r->shared->t0, gm_ns_to_ticks(&r->shared->ticks, LOOK_NS));
    if (!stop)
        set_phase(r, is_cancelled(r) ? phaseStop : phaseMeasure);
    gm_gate_open(gate);
    if (!stop)
        r->interrupted = !await_some(r, n, r->c.ops ? 0 : r->c.duration_ns);
    set_phase(r, phaseStop);
    await_all(r, n);
    if (crew)
        gm_tracks_end(r->crew->tracks, r->crew->sched, gm_tick_end(r->shared->ticks.hardware));
}

static gm_usage_plan usage_plan(const gm_run *r)
{
    gm_usage_plan p = {.threads = gm_run_parts(r), .probed = r->shared->probed};
    uint32_t writers = 0; /* goroutines; no more of them at one time than there are Ps */
    for (uint32_t i = 0; i < r->c.ngroups; i++) {
        const gm_group *g = &r->c.groups[i];
        if (!does_operations(g) || !group_writes(g))
            continue;
        p.exclusive += g->threads;
        writers += g->goroutines;
    }
    p.exclusive += writers < r->desks ? writers : r->desks;
    return p;
}

static void merge(gm_run *r)
{
    gm_shared *s = r->shared;
    uint64_t last = s->t0;
    for (uint32_t i = 0; i < gm_run_parts(r); i++) {
        last = r->workers[i]->ended > last ? r->workers[i]->ended : last;
        if (i)
            gm_recorder_merge(&r->workers[0]->recorder, &r->workers[i]->recorder);
    }
    gm_slowest_sort(&r->workers[0]->recorder.slowest);
    r->elapsed_ns = gm_ticks_to_ns(&s->ticks, last - s->t0);
    r->drift_ppm = gm_ticks_drift_ppm(&s->ticks);
}

/* Until all of its threads are joined. */
static int finish_crew(gm_run *r)
{
    int status = gm_crew_finish(r->crew);
    gm_sched_totals(r->crew->sched, &r->crew_did);
    return status;
}

/* From the first thread to the last. */
static int drive(gm_run *r)
{
    int status = GM_OK;
    gm_usage_plan plan = usage_plan(r);
    const gm_variant *base = r->base;
    r->shared->v = base->begin(r->c.target, &plan);
    uint32_t n = 0;
    for (; n < r->threads && status == GM_OK; n += status == GM_OK)
        status = r->spawner.start(r->spawner.ctx, gm_worker_main, r->workers[n], &r->handles[n]);
    if (r->crew && status == GM_OK)
        status = gm_crew_start(r->crew);
    bool crew = r->crew && status == GM_OK;
    conduct(r, n, crew, status != GM_OK);
    for (uint32_t i = 0; i < n; i++)
        r->spawner.join(r->spawner.ctx, r->handles[i]);
    if (crew)
        status = finish_crew(r);
    base->end(r->c.target);
    for (uint32_t i = 0; i < n && status == GM_OK; i++)
        status = r->workers[i]->status;
    if (status == GM_OK)
        merge(r);
    return status;
}

int gm_run_go(gm_run *r)
{
    const gm_variant *base = r->base;
    int status = base->enter(r->c.target);
    if (status != GM_OK)
        return status;
    status = fill(r);
    if (status == GM_OK)
        status = drive(r);
    base->leave(r->c.target);
    return status;
}

void gm_run_cancel(gm_run *r)
{
    gm_store_rlx(&r->cancelled, 1);
    gm_gate_wake(&r->shared->gate);
}

uint64_t gm_run_progress(gm_run *r)
{
    uint64_t n = gm_load_rlx(&r->filled);
    for (uint32_t i = 0; i < gm_run_parts(r); i++)
        n += gm_load_rlx(&r->workers[i]->progress);
    return n;
}
