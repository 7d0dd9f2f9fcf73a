/* scene.c: a few kinds of goroutines beside each other on one scheduler, and one that is timed.
 *
 *     main     starts all, and waits for the end of each
 *     hogs     never give up their P of their own will         yielders   Gosched, again and again
 *     pairs    ping-pong over two unbuffered channels          blockers   blocking calls, one after the other
 *     spawners bursts of goroutines that do nothing            observer   yields or gets, each timed
 *     sleepers wait for what nobody sends
 *
 * When the time is over a flag is set, which all of them look at: a relaxed load, which carries no data and is no safe point.
 *
 *   Z1  A get is a region without signals, and its service time is taken inside that region: no goroutine is stopped in it.
 *       What the operating system does to the thread is in it. Its response time is from the end of the get before, and so
 *       has everything in it that kept the observer from running.
 *   Z2  Every goroutine counts by itself and adds up at its end, under main's eyes: main has received from each.
 *   Z3  The map is read by plain gets of which any number may overlap; the caller keeps writers out.
 */
#include "base/alloc.h"
#include "base/histogram.h"
#include "map/hmap.h"
#include "sched/chan.h"

enum { hogRounds = 1000, mostGoroutines = 1 << 20 };

typedef struct pair {
    gm_chan ping, pong;
    struct gm_stage *s;
} pair;

struct gm_stage {
    gm_alloc alloc;
    gm_scene scene;
    gm_sched *sched;
    gm_gate gate; /* who waits for the end of the time */
    pair *pairs;
    gm_chan done, never;
    gm_scene_counts counts; /* under the ends' order (Z2) */
    gm_hist *response, *service;
    int status;
    uint64_t began_ns;
    _Alignas(128) _Atomic uint32_t over;
    _Atomic uint64_t hits; /* of gets by hogs: so that none can be left out */
};

static bool over(const gm_stage *s)
{
    return gm_load_rlx(&s->over); /* relaxed: a wish */
}

/* The end of one: `n` of what it did, added up by main. */
enum { countHogs, countYields, countPings, countBlocks, countSpawned, countObserved, countShift = 3 };

static void tell_end(gm_g *g, gm_stage *s, unsigned what, uint64_t n)
{
    gm_chan_send(g, &s->done, n << countShift | what);
}

/* ------------------------------------------------------------------ hogs */

static void compute(void)
{
    for (unsigned i = 0; i < hogRounds; i++)
        __asm__ volatile("" : : "r"(i));
}

static bool get_next(gm_stage *s, uint64_t i)
{
    uint64_t elem;
    return s->scene.map->path->get(s->scene.map, s->scene.keys + i % s->scene.nkeys, sizeof(uint64_t), &elem) == GM_OK;
}

static uint64_t hog_gets(gm_g *g, gm_stage *s, bool checked)
{
    uint64_t i = 0, hits = 0;
    for (; !over(s); i++) {
        if (checked)
            gm_safepoint(g);
        gm_enter(g); /* Z1 */
        hits += get_next(s, i);
        gm_leave(g);
    }
    gm_add_rlx(&s->hits, hits);
    return i;
}

static uint64_t hog_computes(gm_g *g, gm_stage *s, bool checked)
{
    uint64_t i = 0;
    for (; !over(s); i++) {
        compute();
        if (checked)
            gm_safepoint(g);
    }
    return i;
}

static void hog(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    uint32_t kind = s->scene.hog_kind;
    uint64_t n = kind >= GM_HOG_GETS ? hog_gets(g, s, kind == GM_HOG_GETS) : hog_computes(g, s, kind == GM_HOG_CALLS);
    tell_end(g, s, countHogs, n);
}

/* ------------------------------------------------------------------ the others */

static void yielder(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    uint64_t n = 0;
    for (; !over(s); n++)
        gm_gosched(g);
    tell_end(g, s, countYields, n);
}

static void pinger(gm_g *g, void *of)
{
    pair *p = of;
    uint64_t n = 0;
    for (; !over(p->s); n++) {
        gm_chan_send(g, &p->ping, 1);
        gm_chan_recv(g, &p->pong);
    }
    gm_chan_send(g, &p->ping, 0);
    tell_end(g, p->s, countPings, n);
}

static void ponger(gm_g *g, void *of)
{
    pair *p = of;
    while (gm_chan_recv(g, &p->ping))
        gm_chan_send(g, &p->pong, 1);
    tell_end(g, p->s, countPings, 0);
}

static void blocker(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    uint64_t n = 0;
    for (; !over(s); n++) {
        gm_block_begin(g);
        gm_nap_ns(s->scene.block_ns);
        gm_block_end(g);
    }
    tell_end(g, s, countBlocks, n);
}

typedef struct burst {
    gm_chan ended;
    _Atomic uint64_t left;
} burst;

/* The last of a burst wakes who waits for it. */
static void nothing(gm_g *g, void *of)
{
    burst *b = of;
    if (gm_sub_acq_rel(&b->left, 1) == 1) /* acquire and release: the burst is done with by all others */
        gm_chan_send(g, &b->ended, 1);
}

static void spawner(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    uint64_t n = 0;
    burst b;
    gm_chan_init(&b.ended, NULL, 0);
    while (!over(s)) {
        gm_store_rlx(&b.left, s->scene.burst); /* relaxed: nobody else has it yet */
        for (uint32_t i = 0; i < s->scene.burst; i++) {
            bool made = gm_go(g, nothing, &b) == GM_OK;
            n += made;
            if (!made)
                nothing(g, &b);
        }
        gm_chan_recv(g, &b.ended);
    }
    tell_end(g, s, countSpawned, n);
}

static void sleeper(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    tell_end(g, s, countYields, gm_chan_recv(g, &s->never));
}

/* ------------------------------------------------------------------ the observer */

typedef struct watch {
    gm_ticks ticks;
    uint64_t last;
} watch;

static watch begin_watch(void)
{
    watch w;
    gm_ticks_calibrate(&w.ticks, gm_ticks_hardware());
    w.last = gm_tick_start(w.ticks.hardware);
    return w;
}

/* Cores' counters may differ by a few ticks: never less than nothing. */
static void record(const watch *w, gm_hist *h, uint64_t from, uint64_t to)
{
    gm_hist_count(h, gm_hist_half_bits_3, to > from ? gm_ticks_to_ns(&w->ticks, to - from) : 0);
}

static uint64_t observe_yields(gm_g *g, gm_stage *s, watch *w)
{
    uint64_t n = 0;
    for (; !over(s); n++) {
        w->last = gm_tick_start(w->ticks.hardware);
        gm_gosched(g);
        record(w, s->response, w->last, gm_tick_end(w->ticks.hardware));
    }
    return n;
}

static uint64_t observe_gets(gm_g *g, gm_stage *s, watch *w)
{
    uint64_t i = 0;
    for (; !over(s); i++) {
        gm_safepoint(g);
        gm_enter(g); /* Z1 */
        uint64_t start = gm_tick_start(w->ticks.hardware);
        s->counts.hits += get_next(s, i);
        uint64_t end = gm_tick_end(w->ticks.hardware);
        record(w, s->service, start, end);
        record(w, s->response, w->last, end);
        w->last = end;
        gm_leave(g);
    }
    return i;
}

static void observer(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    gm_enter(g);
    watch w = begin_watch();
    gm_leave(g);
    uint64_t n = s->scene.observer == GM_OBSERVE_GETS ? observe_gets(g, s, &w) : observe_yields(g, s, &w);
    tell_end(g, s, countObserved, n);
}

/* ------------------------------------------------------------------ main */

static void add_up(gm_stage *s, uint64_t said)
{
    gm_scene_counts *c = &s->counts;
    uint64_t *const of[] = {&c->hog_rounds, &c->yields, &c->ping_pongs, &c->blocks, &c->spawned, &c->observed};
    *of[said & ((1 << countShift) - 1)] += said >> countShift;
}

/* Starts n of a kind, and returns how many it did; when the first cannot be had the time is over. */
static uint64_t start_some(gm_g *g, gm_stage *s, uint32_t n, gm_body body, void *arg)
{
    uint64_t made = 0;
    while (made < n && s->status == GM_OK) {
        s->status = gm_go(g, body, arg);
        made += s->status == GM_OK;
    }
    if (s->status != GM_OK)
        gm_stage_cancel(s);
    return made;
}

/* Both or none: one alone would wait for ever. */
static uint64_t start_pair(gm_g *g, gm_stage *s, pair *p)
{
    p->s = s;
    uint64_t made = start_some(g, s, 1, ponger, p);
    made += start_some(g, s, 1, pinger, p);
    if (made == 1)
        gm_chan_send(g, &p->ping, 0);
    return made;
}

static void stage_main(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    const gm_scene *c = &s->scene;
    uint64_t all = start_some(g, s, c->observer != GM_OBSERVE_NOTHING, observer, s);
    all += start_some(g, s, c->hogs, hog, s);
    all += start_some(g, s, c->yielders, yielder, s);
    for (uint32_t i = 0; i < c->pairs; i++)
        all += start_pair(g, s, &s->pairs[i]);
    all += start_some(g, s, c->blockers, blocker, s);
    all += start_some(g, s, c->spawners, spawner, s);
    all += start_some(g, s, c->sleepers, sleeper, s);
    for (; all > 0; all--)
        add_up(s, gm_chan_recv(g, &s->done));
    while (gm_goroutines(g) > 1) /* who has said so may not have ended */
        gm_gosched(g);
    gm_enter(g);
    s->counts.elapsed_ns = gm_now_ns() - s->began_ns;
    gm_leave(g);
}

/* ------------------------------------------------------------------ a scene's life */

static bool valid(const gm_scene *c)
{
    const gm_map *m = c->map;
    bool gets = c->observer == GM_OBSERVE_GETS || (c->hogs && c->hog_kind >= GM_HOG_GETS);
    bool readable = m && c->nkeys && m->t.path == pathFast64 && m->t.elem_kind == GM_MEM && m->t.elem_size <= sizeof(uint64_t);
    uint64_t all = (uint64_t)c->hogs + c->yielders + 2 * (uint64_t)c->pairs + c->blockers + c->spawners + c->sleepers;
    return c->hog_kind < GM_HOG_KINDS && c->observer <= GM_OBSERVE_GETS && (!gets || readable) && all <= mostGoroutines &&
           (!c->spawners || (c->burst && c->burst <= mostGoroutines));
}

static bool make_room(gm_stage *s)
{
    if (s->scene.pairs) {
        s->pairs = s->alloc.zalloc(s->alloc.ctx, s->scene.pairs * sizeof *s->pairs);
        if (!s->pairs)
            return false;
    }
    if (s->scene.observer != GM_OBSERVE_NOTHING) {
        s->response = gm_hist_make(&s->alloc, 3, UINT64_C(100000000000));
        s->service = gm_hist_make(&s->alloc, 3, UINT64_C(100000000000));
        return s->response && s->service;
    }
    return true;
}

int gm_stage_new(const gm_sched_config *c, const gm_scene *scene, gm_stage **out)
{
    if (!valid(scene))
        return GM_E_ARGUMENT;
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    gm_stage *s = gm_zalloc_lines(&alloc, sizeof *s);
    if (!s)
        return GM_E_NOMEM;
    s->alloc = alloc;
    s->scene = *scene;
    if (!gm_gate_init(&s->gate)) {
        gm_release_lines(&alloc, s, sizeof *s);
        return GM_E_NOMEM;
    }
    int status = make_room(s) ? gm_sched_new(c, &s->sched) : GM_E_NOMEM;
    if (status != GM_OK)
        gm_stage_free(s);
    else
        *out = s;
    return status;
}

int gm_stage_go(gm_stage *s)
{
    s->began_ns = gm_now_ns();
    int status = gm_sched_start(s->sched, stage_main, s);
    if (status != GM_OK)
        return status;
    gm_gate_wait(&s->gate, 1, s->scene.duration_ns);
    gm_store_rlx(&s->over, 1); /* relaxed: see over() */
    status = gm_sched_wait(s->sched);
    s->counts.hits += gm_load_rlx(&s->hits); /* relaxed: all threads have been joined */
    return status == GM_OK ? s->status : status;
}

void gm_stage_cancel(gm_stage *s)
{
    gm_store_rlx(&s->over, 1); /* relaxed: see over() */
    gm_gate_wake(&s->gate);
}

void gm_stage_results(gm_stage *s, gm_scene_counts *counts, gm_sched_stats *did)
{
    *counts = s->counts;
    gm_sched_totals(s->sched, did);
}

gm_hist *gm_stage_hist(gm_stage *s, int which)
{
    return which == GM_SCENE_WAITS ? gm_sched_waits(s->sched) : which == GM_SCENE_RESPONSE ? s->response : s->service;
}

void gm_stage_free(gm_stage *s)
{
    gm_alloc alloc = s->alloc;
    if (s->sched)
        gm_sched_free(s->sched);
    gm_hist_free(s->response);
    gm_hist_free(s->service);
    if (s->pairs)
        alloc.release(alloc.ctx, s->pairs, s->scene.pairs * sizeof *s->pairs);
    gm_gate_destroy(&s->gate);
    gm_release_lines(&alloc, s, sizeof *s);
}
