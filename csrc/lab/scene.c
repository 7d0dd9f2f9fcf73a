/* scene.c: a few kinds of goroutines beside each other on one scheduler, and one that is timed.
 *
 *     main     starts all, and waits for the end of each
 *     hogs     never give up their P of their own will         yielders   Gosched, again and again
 *     pairs    ping-pong over two unbuffered channels          blockers   blocking calls, one after the other
 *     spawners bursts of goroutines that do nothing            observer   yields or gets, each timed
 *     sleepers wait for what nobody sends                      disturber  stops all, or takes a P or the CPUs, now and then
 *
 * When the time is over a flag is set, which all of them look at: a relaxed load, which carries no data and is no safe point.
 *
 *   Z1  A get is a region without signals, and its service time is taken inside that region: no goroutine is stopped in it.
 *       What the operating system does to the thread is in it. Its response time is from the end of the get before, and so
 *       has everything in it that kept the observer from running.
 *   Z2  Every goroutine counts by itself and adds up at its end, under main's eyes: main has received from each.
 *   Z3  The map is read by plain gets and iterations of which any number may overlap; the caller keeps writers out.
 *   Z4  How late a range comes to stop is counted, not timed: elements that it goes on with although it has been asked. The
 *       word that says so is its own and was there to be read at each.
 *   Z5  The world is stopped at safe points of who reads the map: that is where Go stops it too. Others go on.
 */
#include "base/alloc.h"
#include "base/histogram.h"
#include "map/hmap.h"
#include "sched/chan.h"

enum { hogRounds = 1000, mostGoroutines = 1 << 20, checkedBuckets = 8, batch = 1000, firstOfBatch = 100, stretch = 100 };
enum { mostFootprint = 1 << 30, mostCpus = 256 };

typedef struct pair {
    gm_chan ping, pong;
    struct gm_stage *s;
} pair;

typedef struct range {
    _Alignas(gm_line_bytes) gm_iter *it; /* each on lines of its own: `checks` is written at every element */
    uint64_t checks, stops, late, latest;
} range;

struct gm_stage {
    gm_alloc alloc;
    gm_scene scene;
    gm_sched *sched;
    gm_gate gate; /* who waits for the end of the time */
    pair *pairs;
    range *ranges;
    char *touched; /* the yielders' */
    gm_chan done, never;
    gm_scene_counts counts; /* under the ends' order (Z2) */
    gm_hist *response, *service, *first;
    int status;
    uint64_t began_ns;
    gm_spawner spawner;
    gm_thread disturbers[mostCpus];
    uint32_t ndisturbers;
    _Alignas(128) _Atomic uint32_t over;
    _Atomic uint64_t hits; /* of gets by hogs: so that none can be left out */
    _Atomic uint32_t next_range, next_touched, next_disturber;
    _Atomic uint64_t disturbances;
    _Atomic uint32_t unpinned;              /* a disturber */
    _Alignas(128) _Atomic uint32_t stopped; /* the world is */
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

static void compute(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        __asm__ volatile("" : : "r"(i));
}

static bool get_next(gm_stage *s, uint64_t i)
{
    uint64_t elem;
    return s->scene.map->path->get(s->scene.map, s->scene.keys + i % s->scene.nkeys, sizeof(uint64_t), &elem) == GM_OK;
}

/* Where a goroutine that reads the map can be stopped. */
static void map_safepoint(gm_g *g, gm_stage *s)
{
    gm_safepoint(g);
    while (gm_unlikely(gm_load_acq(&s->stopped)) && !over(s)) /* acquire: as Go's stop orders; pairs with stop_world */
        gm_relax();
}

static uint64_t hog_gets(gm_g *g, gm_stage *s, bool checked)
{
    uint64_t i = 0, hits = 0;
    for (; !over(s); i++) {
        if (checked)
            map_safepoint(g, s);
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
        compute(hogRounds);
        if (checked)
            gm_safepoint(g);
    }
    return i;
}

/* The next element, of the next pass after the last. Returns the number of its bucket. */
static int64_t step_range(gm_g *g, range *r)
{
    uint64_t key, elem;
    int64_t fields[5] = {0};
    gm_enter(g); /* Z1 */
    if (gm_iter_next(r->it, &key, &elem) != GM_OK)
        gm_iter_init(r->it, -1, -1, &key, &elem);
    gm_iter_fields(r->it, fields);
    gm_leave(g);
    return fields[1];
}

static bool asked(gm_g *g)
{
    return gm_load_rlx(&g->asked) & gm_asked_sync; /* relaxed: as gm_safepoint looks at it */
}

/* How many elements came after the request (Z4), and how many have come now: none. */
static uint64_t check_range(gm_g *g, gm_stage *s, range *r, uint64_t late)
{
    r->checks++;
    if (asked(g) && !over(s)) {
        r->stops++;
        r->late += late;
        r->latest = late > r->latest ? late : r->latest;
    }
    gm_safepoint(g);
    return 0;
}

static uint64_t hog_ranges(gm_g *g, gm_stage *s)
{
    range *r = &s->ranges[gm_add_rlx(&s->next_range, 1)]; /* relaxed: a number to draw */
    uint64_t n = 0, late = 0, buckets = 0;
    int64_t last = -1;
    for (; !over(s); n++) {
        int64_t bucket = step_range(g, r);
        buckets += bucket != last;
        bool due = s->scene.iter_check == GM_ITER_CHECK_EVERY || (bucket != last && buckets % checkedBuckets == 0);
        last = bucket;
        if (due && s->scene.iter_check != GM_ITER_CHECK_NEVER)
            late = check_range(g, s, r, late);
        for (uint32_t i = 0; i < s->scene.body; i++)
            compute(hogRounds);
        late = asked(g) ? late + 1 : 0;
    }
    return n;
}

static void hog(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    uint32_t kind = s->scene.hog_kind;
    uint64_t n = kind == GM_HOG_RANGE  ? hog_ranges(g, s)
                 : kind >= GM_HOG_GETS ? hog_gets(g, s, kind == GM_HOG_GETS)
                                       : hog_computes(g, s, kind == GM_HOG_CALLS);
    tell_end(g, s, countHogs, n);
}

/* ------------------------------------------------------------------ the others */

/* A word of each line. */
static void touch(volatile char *from, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += 64)
        from[i]++;
}

static void yielder(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    uint64_t n = 0, bytes = s->scene.footprint;
    char *own = bytes ? s->touched + gm_add_rlx(&s->next_touched, 1) * bytes : NULL; /* relaxed: a number to draw */
    for (; !over(s); n++) {
        touch(own, bytes);
        gm_gosched(g);
    }
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
    uint64_t began, last;
} watch;

static watch begin_watch(void)
{
    watch w;
    gm_ticks_calibrate(&w.ticks, gm_ticks_hardware());
    w.began = w.last = gm_tick_start(w.ticks.hardware);
    return w;
}

/* Cores' counters may differ by a few ticks: never less than nothing. */
static void record(const watch *w, gm_hist *h, uint64_t from, uint64_t to)
{
    gm_hist_count(h, gm_hist_half_bits_3, to > from ? gm_ticks_to_ns(&w->ticks, to - from) : 0);
}

/* Whether the observer goes on, which has made n observations. */
static bool observing(gm_g *g, gm_stage *s, uint64_t n)
{
    if (s->scene.observations && n >= s->scene.observations) {
        gm_enter(g);
        gm_stage_cancel(s);
        gm_leave(g);
    }
    return !over(s);
}

static uint64_t observe_yields(gm_g *g, gm_stage *s, watch *w)
{
    uint64_t n = 0;
    for (; observing(g, s, n); n++) {
        w->last = gm_tick_start(w->ticks.hardware);
        gm_gosched(g);
        if (!over(s)) /* what the end has cut short is no wait */
            record(w, s->response, w->last, gm_tick_end(w->ticks.hardware));
    }
    return n;
}

/* Until the next get is due; it counts from then on. */
static void await_due(gm_g *g, gm_stage *s, watch *w, uint64_t i)
{
    uint64_t due = w->began + (uint64_t)((double)(i * s->scene.every_ns) / w->ticks.ns_per_tick), now = 0;
    while (now < due && !over(s)) {
        map_safepoint(g, s);
        gm_enter(g);
        now = gm_tick_start(w->ticks.hardware);
        gm_leave(g);
    }
    w->last = due;
}

/* One get, its service time into h, and when it ended. */
static uint64_t timed_get(gm_g *g, gm_stage *s, watch *w, uint64_t i, gm_hist *h)
{
    gm_enter(g); /* Z1 */
    const gm_p *p = g->m->p;
    uint32_t tick = gm_load_rlx(&p->tick); /* relaxed: this thread's own */
    uint64_t start = gm_tick_start(w->ticks.hardware);
    s->counts.hits += get_next(s, i);
    uint64_t end = gm_tick_end(w->ticks.hardware);
    record(w, h, start, end);
    s->counts.inside += g->m->p != p || gm_load_rlx(&p->tick) != tick;
    gm_leave(g);
    return end;
}

static uint64_t observe_gets(gm_g *g, gm_stage *s, watch *w)
{
    uint64_t i = 0;
    for (; observing(g, s, i); i++) {
        map_safepoint(g, s);
        if (s->scene.every_ns)
            await_due(g, s, w, i);
        uint64_t end = timed_get(g, s, w, i, s->service);
        gm_enter(g);
        if (!over(s))
            record(w, s->response, w->last, end);
        w->last = end;
        gm_leave(g);
    }
    return i;
}

static uint64_t observe_resumed(gm_g *g, gm_stage *s, watch *w)
{
    uint64_t i = 0;
    while (observing(g, s, i)) {
        gm_gosched(g);
        for (uint64_t end = i + batch, later = i + firstOfBatch; i < end; i++)
            timed_get(g, s, w, i, i < later ? s->first : s->service);
    }
    return i;
}

/* It has the only P, so that what the P's tick counts are its own stops. Between two readings there is a stretch in which a
 * signal may stop it. */
static uint64_t observe_stops(gm_g *g, gm_stage *s, watch *w)
{
    uint64_t n = 0, now;
    gm_enter(g);
    gm_p *p = g->m->p;
    uint32_t seen = gm_load_rlx(&p->tick), tick; /* relaxed: its own thread's, whichever that is */
    w->last = gm_tick_start(w->ticks.hardware);
    gm_leave(g);
    while (observing(g, s, n)) {
        gm_safepoint(g);
        compute(stretch);
        gm_enter(g);
        now = gm_tick_start(w->ticks.hardware);
        tick = gm_load_rlx(&p->tick);
        if (tick != seen && !over(s)) {
            record(w, s->response, w->last, now);
            n++;
        }
        seen = tick;
        w->last = gm_tick_start(w->ticks.hardware);
        gm_leave(g);
    }
    return n;
}

static void observer(gm_g *g, void *stage)
{
    static uint64_t (*const by_kind[])(gm_g *, gm_stage *, watch *) = {
        [GM_OBSERVE_YIELDS] = observe_yields,
        [GM_OBSERVE_GETS] = observe_gets,
        [GM_OBSERVE_RESUMED] = observe_resumed,
        [GM_OBSERVE_STOPS] = observe_stops,
    };
    gm_stage *s = stage;
    gm_enter(g);
    watch w = begin_watch();
    gm_leave(g);
    tell_end(g, s, countObserved, by_kind[s->scene.observer](g, s, &w));
}

/* ------------------------------------------------------------------ the disturber */

static void keep_busy(uint64_t ns)
{
    uint64_t until = gm_now_ns() + ns;
    while (gm_now_ns() < until)
        gm_relax();
}

/* On a thread that is no M. */
static void stop_world(gm_stage *s)
{
    gm_store_rel(&s->stopped, 1); /* pairs with map_safepoint */
    keep_busy(s->scene.disturb_ns);
    gm_store_rel(&s->stopped, 0); /* the same */
}

/* Now and then until the time is over: the world stops, or this thread keeps its CPU busy. */
static void *disturb(void *stage)
{
    gm_stage *s = stage;
    uint32_t number = gm_add_rlx(&s->next_disturber, 1); /* relaxed: a number to draw */
    if (s->scene.disturbance == GM_DISTURB_KERNEL && !gm_thread_pin(s->scene.cpus[number])) {
        gm_store_rlx(&s->unpinned, 1); /* relaxed: read when all are joined */
        return NULL;
    }
    while (!over(s)) {
        gm_nap_ns(s->scene.disturb_every_ns);
        if (s->scene.disturbance == GM_DISTURB_STOP)
            stop_world(s);
        else
            keep_busy(s->scene.disturb_ns);
        gm_add_rlx(&s->disturbances, number == 0); /* those of one CPU; relaxed: as above */
    }
    return NULL;
}

/* A goroutine that wakes from a blocking call, and is then not stopped. */
static void worker(gm_g *g, void *stage)
{
    gm_stage *s = stage;
    while (!over(s)) {
        gm_block_begin(g);
        gm_nap_ns(s->scene.disturb_every_ns);
        gm_block_end(g);
        gm_enter(g);
        keep_busy(s->scene.disturb_ns);
        gm_leave(g);
        gm_add_rlx(&s->disturbances, 1); /* relaxed: read when all are joined */
    }
    tell_end(g, s, countYields, 0);
}

/* Returns GM_OK, GM_E_THREAD: as many as were started are to be joined. */
static int start_disturbers(gm_stage *s)
{
    uint32_t wanted = s->scene.disturbance == GM_DISTURB_STOP     ? 1
                      : s->scene.disturbance == GM_DISTURB_KERNEL ? s->scene.ncpus
                                                                  : 0;
    for (; s->ndisturbers < wanted; s->ndisturbers++) {
        if (s->spawner.start(s->spawner.ctx, disturb, s, &s->disturbers[s->ndisturbers]) != GM_OK)
            return GM_E_THREAD;
    }
    return GM_OK;
}

static void join_disturbers(gm_stage *s)
{
    while (s->ndisturbers)
        s->spawner.join(s->spawner.ctx, s->disturbers[--s->ndisturbers]);
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
    all += start_some(g, s, c->disturbance == GM_DISTURB_WORKER, worker, s);
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
    bool gets = c->observer == GM_OBSERVE_GETS || c->observer == GM_OBSERVE_RESUMED || (c->hogs && c->hog_kind >= GM_HOG_GETS);
    bool readable = m && c->nkeys && m->t.path == pathFast64 && m->t.elem_kind == GM_MEM && m->t.elem_size <= sizeof(uint64_t);
    uint64_t all = (uint64_t)c->hogs + c->yielders + 2 * (uint64_t)c->pairs + c->blockers + c->spawners + c->sleepers;
    return c->hog_kind < GM_HOG_KINDS && c->iter_check <= GM_ITER_CHECK_NEVER && c->observer < GM_OBSERVERS &&
           c->disturbance < GM_DISTURBANCES && (!gets || readable) && all <= mostGoroutines &&
           (!c->spawners || (c->burst && c->burst <= mostGoroutines)) && c->footprint <= mostFootprint &&
           c->ncpus <= mostCpus && c->footprint * c->yielders <= mostFootprint;
}

static bool make_ranges(gm_stage *s)
{
    uint32_t n = s->scene.hogs;
    if (!n || s->scene.hog_kind != GM_HOG_RANGE)
        return true;
    s->ranges = gm_zalloc_lines(&s->alloc, n * sizeof *s->ranges);
    for (uint32_t i = 0; s->ranges && i < n; i++) {
        if (gm_iter_new(s->scene.map, &s->ranges[i].it) != GM_OK)
            return false;
    }
    return s->ranges;
}

static bool make_touched(gm_stage *s)
{
    uint64_t bytes = s->scene.footprint * s->scene.yielders;
    s->touched = bytes ? s->alloc.zalloc(s->alloc.ctx, bytes) : NULL;
    return s->touched || !bytes;
}

static bool make_room(gm_stage *s)
{
    if (!make_ranges(s) || !make_touched(s))
        return false;
    if (s->scene.pairs) {
        s->pairs = s->alloc.zalloc(s->alloc.ctx, s->scene.pairs * sizeof *s->pairs);
        if (!s->pairs)
            return false;
    }
    if (s->scene.observer != GM_OBSERVE_NOTHING) {
        s->response = gm_hist_make(&s->alloc, 3, UINT64_C(100000000000));
        s->service = gm_hist_make(&s->alloc, 3, UINT64_C(100000000000));
        s->first = gm_hist_make(&s->alloc, 3, UINT64_C(100000000000));
        return s->response && s->service && s->first;
    }
    return true;
}

int gm_stage_new(const gm_sched_config *c, const gm_scene *scene, gm_stage **out)
{
    if (!valid(scene) || (scene->observer == GM_OBSERVE_STOPS && c->procs != 1))
        return GM_E_ARGUMENT;
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    gm_stage *s = gm_zalloc_lines(&alloc, sizeof *s);
    if (!s)
        return GM_E_NOMEM;
    s->alloc = alloc;
    s->scene = *scene;
    s->spawner = c->spawner ? *c->spawner : gm_spawner_default();
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

/* What is not said to main. All threads have been joined: relaxed. */
static void add_up_all(gm_stage *s)
{
    gm_scene_counts *c = &s->counts;
    c->hits += gm_load_rlx(&s->hits);
    c->disturbances = gm_load_rlx(&s->disturbances);
    for (uint32_t i = 0; s->ranges && i < s->scene.hogs; i++) {
        const range *r = &s->ranges[i];
        c->checks += r->checks;
        c->stops += r->stops;
        c->late += r->late;
        c->latest = r->latest > c->latest ? r->latest : c->latest;
    }
}

int gm_stage_go(gm_stage *s)
{
    s->began_ns = gm_now_ns();
    int status = gm_sched_start(s->sched, stage_main, s), disturbed = GM_OK;
    if (status != GM_OK)
        return status;
    disturbed = start_disturbers(s);
    if (disturbed == GM_OK)
        gm_gate_wait(&s->gate, 1, s->scene.duration_ns);
    gm_store_rlx(&s->over, 1); /* relaxed: see over() */
    status = gm_sched_wait(s->sched);
    join_disturbers(s);
    add_up_all(s);
    if (status == GM_OK)
        status = disturbed != GM_OK ? disturbed : gm_load_rlx(&s->unpinned) ? GM_E_PIN : s->status;
    return status;
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
    gm_hist *const of[] = {
        [GM_SCENE_WAITS] = gm_sched_waits(s->sched),
        [GM_SCENE_RESPONSE] = s->response,
        [GM_SCENE_SERVICE] = s->service,
        [GM_SCENE_FIRST] = s->first,
    };
    return which >= 0 && which <= GM_SCENE_FIRST ? of[which] : NULL;
}

void gm_stage_free(gm_stage *s)
{
    gm_alloc alloc = s->alloc;
    if (s->sched)
        gm_sched_free(s->sched);
    gm_hist_free(s->response);
    gm_hist_free(s->service);
    gm_hist_free(s->first);
    for (uint32_t i = 0; s->ranges && i < s->scene.hogs; i++)
        gm_iter_free(s->ranges[i].it);
    gm_release_lines(&alloc, s->ranges, s->scene.hogs * sizeof *s->ranges);
    if (s->touched)
        alloc.release(alloc.ctx, s->touched, s->scene.footprint * s->scene.yielders);
    if (s->pairs)
        alloc.release(alloc.ctx, s->pairs, s->scene.pairs * sizeof *s->pairs);
    gm_gate_destroy(&s->gate);
    gm_release_lines(&alloc, s, sizeof *s);
}
