/* heap_scene.c: threads with a map each, or none, on one heap; beside them collections, and objects for these to mark.
 *
 *     actors     gets | updates | inserts | allocates | flushes      each operation timed, and counted by the collector's phase
 *     collector  the heap's own pace, or back to back, a given number of cycles
 *     graph      roots --> blocks of up to 4,096 pointers --> objects without pointers
 *
 *                stripes: block j has objects j, j + n, j + 2n ...   two that mark two blocks meet in one byte of mark bits
 *                runs:    block j has 4,096 objects side by side     they meet at the ends of blocks only
 *                random:  any object, anywhere
 *
 *   X1  An actor is inside of the heap's world from beginning to end, with one P: what its P counts in an operation happened in
 *       that operation. It comes by a safe point after each. With `moves` it leaves with the one and comes back with another.
 *   X2  The phase of an operation is the one that it began in. A stop that ends marking falls into an operation of `marking`.
 *   X3  A new object of the graph is put where it belongs before the next safe point: no barrier need be told of it.
 *   X4  Beside collections back to back an actor begins when the first of them marks, or when a few went by too quickly to see.
 *   X5  An actor that finds no memory ends the scene, and the scene says so.
 *
 * Actors share nothing but the heap: what the collector's rules do to one that is not involved is not blurred by a lock.
 */
#include "base/alloc.h"
#include "base/histogram.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "heap/heap.h"
#include "map/hmap.h"

enum { mostActors = 64, blockPointers = 4096, phases = 3, keyRoom = 24, flushNapNs = 20000 };

typedef struct actor {
    _Alignas(gm_line_bytes) gm_actor does; /* on lines of its own */
    gm_heap_stage *stage;
    gm_p *p;
    gm_map *map;
    uint64_t *words; /* keys: numbers */
    char *texts;     /* or strings, keyRoom bytes each, the length behind the text */
    gm_thread thread;
    gm_ticks ticks;
    gm_hist *hists[phases];
    uint64_t done;
    gm_actor_totals did;
} actor;

struct gm_heap_stage {
    gm_alloc alloc;
    gm_spawner spawner;
    gm_heap *heap;
    gm_heap_scene scene;
    gm_gate gate;
    gm_member member; /* its roots: the blocks */
    void *_Atomic *blocks;
    uint64_t nblocks;
    uint64_t *objects; /* addresses of the graph's objects, in order */
    gm_thread collecting;
    uint64_t began_ns, elapsed_ns;
    _Alignas(gm_line_bytes) _Atomic uint32_t over;
    _Atomic uint32_t status; /* 1: somebody found no memory */
    _Atomic uint32_t left;   /* actors with `ops` that are not done */
    actor actors[mostActors];
};

static bool over(const gm_heap_stage *s)
{
    return gm_load_rlx(&s->over); /* relaxed: a wish */
}

static void end_scene(gm_heap_stage *s)
{
    gm_store_rlx(&s->over, 1); /* relaxed: see over() */
    gm_gate_wake(&s->gate);
}

static void fail(gm_heap_stage *s)
{
    gm_store_rlx(&s->status, 1); /* relaxed: read when all threads have been joined */
    end_scene(s);
}

/* ------------------------------------------------------------------ the graph */

static void visit_blocks(gm_member *m, gm_root_visit visit, void *ctx)
{
    const gm_heap_stage *s = (const gm_heap_stage *)(const void *)((unsigned char *)m - offsetof(gm_heap_stage, member));
    for (uint64_t i = 0; i < s->nblocks; i++)
        visit(ctx, gm_load_acq(&s->blocks[i])); /* the world is stopped */
}

/* Any order, without repetition: odd numbers are units modulo a power of two. */
static uint64_t shuffled(uint64_t i, uint64_t n)
{
    uint64_t mask = 1;
    while (mask < n)
        mask <<= 1;
    for (mask--;;) {
        i = (i * UINT64_C(0x5851F42D4C957F2D) + UINT64_C(0x14057B7EF767814F)) & mask;
        i = (i ^ i >> 7) & mask;
        if (i < n)
            return i;
    }
}

/* Where object i of the graph goes to: a place in a block. */
static void *_Atomic *place_of(const gm_heap_stage *s, uint64_t i)
{
    bool runs = s->scene.spread == GM_SPREAD_RUNS;
    uint64_t at = s->scene.spread == GM_SPREAD_RANDOM ? shuffled(i, s->scene.live) : i;
    uint64_t block = runs ? at / blockPointers : at % s->nblocks, slot = runs ? at % blockPointers : at / s->nblocks;
    void *_Atomic *pointers = gm_load_rlx(&s->blocks[block]); /* this thread's own store */
    return &pointers[slot];
}

static bool make_blocks(gm_heap_stage *s, gm_p *p)
{
    for (uint64_t i = 0; i < s->nblocks; i++) {
        void *block = gm_heap_take(p, blockPointers * sizeof(void *), s->member.shape_id);
        if (!block)
            return false;
        gm_store_rel(&s->blocks[i], block); /* pairs with visit_blocks */
        gm_world_safe(p);
    }
    return true;
}

/* X3. */
static bool make_object(gm_heap_stage *s, gm_p *p, uint64_t i)
{
    void *object = gm_heap_take(p, s->scene.live_size, 0);
    if (!object)
        return false;
    gm_store_rel(place_of(s, i), object); /* pairs with scan_elements */
    s->objects[i] = (uintptr_t)object;
    gm_world_safe(p);
    return true;
}

static int fill_graph(gm_heap_stage *s)
{
    gm_p *p = gm_world_enter(s->heap);
    bool ok = make_blocks(s, p);
    for (uint64_t i = 0; ok && i < s->scene.live; i++)
        ok = make_object(s, p, i);
    gm_world_leave(p);
    return ok ? GM_OK : GM_E_NOMEM;
}

static int make_graph(gm_heap_stage *s)
{
    s->nblocks = (s->scene.live + blockPointers - 1) / blockPointers;
    s->blocks = s->alloc.zalloc(s->alloc.ctx, (s->nblocks + 1) * sizeof *s->blocks);
    s->objects = s->alloc.zalloc(s->alloc.ctx, (s->scene.live + 1) * sizeof *s->objects);
    if (!s->blocks || !s->objects)
        return GM_E_NOMEM;
    const gm_collector *c = gm_heap_collector(s->heap);
    s->member = (gm_member){.roots = visit_blocks, .shape = {.stride = sizeof(void *), .n = 1}};
    int status = c->attach(c->ctx, &s->member);
    if (status != GM_OK)
        return status;
    s->member.collector = c;
    return fill_graph(s);
}

/* ------------------------------------------------------------------ keys and maps */

static uint64_t key_of(uint64_t i)
{
    return i * UINT64_C(0x9E3779B97F4A7C15); /* odd: no two are the same */
}

static void write_text(char *to, uint64_t key)
{
    unsigned n = 0;
    for (; key; key /= 10)
        to[n++] = (char)('0' + key % 10);
    to[keyRoom - 1] = (char)n;
}

static bool make_keys(actor *a)
{
    gm_heap_stage *s = a->stage;
    uint64_t n = a->does.entries;
    if (a->does.strings)
        a->texts = s->alloc.zalloc(s->alloc.ctx, n * keyRoom);
    else
        a->words = s->alloc.zalloc(s->alloc.ctx, n * sizeof *a->words);
    if (!a->texts && !a->words)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (a->texts)
            write_text(a->texts + i * keyRoom, key_of(i + 1));
        else
            a->words[i] = key_of(i + 1);
    }
    return true;
}

static const void *key_at(const actor *a, uint64_t i, size_t *len)
{
    if (a->words) {
        *len = sizeof *a->words;
        return &a->words[i];
    }
    const char *text = a->texts + i * keyRoom;
    *len = (size_t)text[keyRoom - 1];
    return text;
}

static int new_map(actor *a)
{
    static const int kinds[] = {[GM_ELEM_INT] = GM_MEM, [GM_ELEM_READY] = GM_HELD, [GM_ELEM_NEW] = GM_PTR};
    bool fills = a->does.kind == GM_ACTOR_INSERTS;
    gm_config c = {.key_kind = a->does.strings ? GM_STRING : GM_MEM,
                   .key_size = sizeof(uint64_t),
                   .elem_kind = kinds[a->does.elem],
                   .elem_size = sizeof(uint64_t),
                   .hint = !fills || a->does.presized ? a->does.entries : 0,
                   .seed = a->did.rounds + 1,
                   .events = fills ? 16 : 0,
                   .event_kinds = 1 << GM_EV_EVACUATE,
                   .collector = gm_heap_collector(a->stage->heap)};
    return gm_map_new(&c, &a->map);
}

static int assign_at(actor *a, uint64_t i)
{
    size_t len;
    const void *key = key_at(a, i, &len);
    const gm_heap_stage *s = a->stage;
    const void *elem = a->does.elem == GM_ELEM_READY ? &s->objects[i % s->scene.live] : &i;
    return a->map->path->assign(a->map, key, len, elem, sizeof(uint64_t), NULL);
}

static int fill_map(actor *a)
{
    int status = new_map(a);
    for (uint64_t i = 0; status == GM_OK && i < a->does.entries; i++)
        status = assign_at(a, i);
    return status;
}

/* ------------------------------------------------------------------ one operation */

/* What an actor's P has counted, and its map. */
typedef struct tally {
    uint64_t assists, refills, swept, large, flushes, parks, entries, evacuated;
} tally;

static tally look(const actor *a)
{
    counts *c = &a->p->mark.count; /* the thread's own numbers: relaxed, all */
    return (tally){
        .assists = gm_load_rlx(&(*c)[GM_HEAP_ASSISTS_MALLOC]) + gm_load_rlx(&(*c)[GM_HEAP_ASSISTS_BARRIER]),
        .refills = gm_load_rlx(&(*c)[GM_HEAP_REFILLS]),
        .swept = gm_load_rlx(&(*c)[GM_HEAP_SWEPT_IN_REFILL]),
        .large = gm_load_rlx(&(*c)[GM_HEAP_LARGE]),
        .flushes = gm_load_rlx(&(*c)[GM_HEAP_BARRIER_FLUSHES]),
        .parks = a->p->parks,
        .entries = gm_load_rlx(&(*c)[GM_HEAP_BARRIER_ENTRIES]) + a->p->barrier.n,
        .evacuated = a->map ? a->map->events.pushed : 0,
    };
}

static void tell_slow(gm_actor_totals *t, const tally *was, const tally *is)
{
    const bool by[GM_SLOW_KINDS] = {
        [GM_SLOW_ASSIST] = is->assists > was->assists, [GM_SLOW_REFILL] = is->refills > was->refills,
        [GM_SLOW_SWEEP] = is->swept > was->swept,      [GM_SLOW_LARGE] = is->large > was->large,
        [GM_SLOW_FLUSH] = is->flushes > was->flushes,  [GM_SLOW_STOPPED] = is->parks > was->parks,
    };
    bool any = false;
    t->slow++;
    for (int i = 0; i < GM_SLOW_KINDS; i++) {
        t->slow_by[i] += by[i];
        any |= by[i];
    }
    t->slow_none += !any;
}

static void record(actor *a, uint32_t phase, const tally *was, uint64_t ns)
{
    tally is = look(a);
    gm_actor_part *part = &a->did.parts[phase];
    part->ops++;
    part->ns += ns;
    part->entries += is.entries - was->entries;
    part->assists += is.assists - was->assists;
    part->evacuated += is.evacuated - was->evacuated;
    gm_hist_count(a->hists[phase], gm_hist_half_bits_3, ns);
    if (ns > a->stage->scene.slow_ns)
        tell_slow(&a->did, was, &is);
}

static void get_at(actor *a, uint64_t i)
{
    gm_view found = {0};
    size_t len;
    const void *key = key_at(a, i, &len);
    int status = a->map->path->get(a->map, key, len, &found);
    uint64_t want = a->does.elem == GM_ELEM_READY ? a->stage->objects[i % a->stage->scene.live] : i, got;
    memcpy(&got, &found, sizeof got);
    a->did.wrong += status != GM_OK || (a->does.elem != GM_ELEM_NEW && got != want);
}

static bool next_round(actor *a)
{
    gm_map_free(a->map);
    a->map = NULL;
    a->did.rounds++;
    return new_map(a) == GM_OK;
}

static int allocate(actor *a)
{
    void *object = gm_heap_take(a->p, a->does.size, 0);
    gm_world_safe(a->p);
    return object ? GM_OK : GM_E_NOMEM;
}

static void fill_barrier(actor *a)
{
    const gm_heap_stage *s = a->stage;
    gm_barrier_flush(a->p);
    for (uint32_t i = 0; i < a->does.size; i += 2) {
        uint64_t at = (a->done * a->does.size + i) % s->scene.live;
        gm_barrier_put(&a->p->barrier, (void *)(uintptr_t)s->objects[at], NULL);
    }
}

/* The operation itself, timed. */
static int act(actor *a, uint64_t i)
{
    switch (a->does.kind) {
    case GM_ACTOR_GETS:
        get_at(a, i);
        return GM_OK;
    case GM_ACTOR_ALLOCATES:
        return allocate(a);
    case GM_ACTOR_FLUSHES:
        gm_barrier_flush(a->p);
        return GM_OK;
    default:
        return assign_at(a, i);
    }
}

/* What comes before the clock is read; false: not now. */
static bool prepare(actor *a)
{
    if (a->does.kind == GM_ACTOR_FLUSHES) {
        bool marking = gm_marking(a->stage->heap);
        if (marking)
            fill_barrier(a);
        gm_world_safe(a->p);
        return marking && gm_marking(a->stage->heap);
    }
    if (a->does.kind == GM_ACTOR_INSERTS && a->done > 0 && a->done % a->does.entries == 0 && !next_round(a)) {
        fail(a->stage);
        return false;
    }
    return true;
}

/* Which of its keys the actor's next operation is on: gets jump about, writes go through them. */
static uint64_t next_key(const actor *a)
{
    uint64_t n = a->does.entries;
    if (n == 0)
        return 0;
    return a->does.kind == GM_ACTOR_GETS ? (key_of(a->done) >> 32) * n >> 32 : a->done % n;
}

static void move_on(actor *a)
{
    const gm_p *before = a->p;
    gm_world_leave(a->p);
    a->p = gm_world_enter_other(a->stage->heap, before);
    a->did.moved += a->p != before;
}

static void act_once(actor *a)
{
    gm_heap_stage *s = a->stage;
    if (!prepare(a)) {
        gm_world_leave(a->p); /* for who waits, marking may begin */
        gm_nap_ns(flushNapNs);
        a->p = gm_world_enter(s->heap);
        return;
    }
    uint64_t i = next_key(a);
    tally was = look(a);
    uint32_t phase = gm_load_rlx(&s->heap->phase); /* X2; relaxed: a label, it orders nothing */
    uint64_t start = gm_tick_start(a->ticks.hardware);
    int status = act(a, i);
    uint64_t end = gm_tick_end(a->ticks.hardware);
    if (status < 0)
        fail(s);
    record(a, phase, &was, end > start ? gm_ticks_to_ns(&a->ticks, end - start) : 0);
    a->done++;
    if (a->does.moves)
        move_on(a);
}

/* ------------------------------------------------------------------ threads */

/* X4. */
static void await_marking(const gm_heap_stage *s)
{
    enum { fewCycles = 3 };
    uint64_t before = gm_load_rlx(&s->heap->cycles); /* relaxed, both: looked at again and again */
    while (s->scene.collecting && !over(s) && !gm_marking(s->heap) && gm_load_rlx(&s->heap->cycles) < before + fewCycles)
        gm_nap_ns(flushNapNs);
}

static void *play(void *arg)
{
    actor *a = arg;
    gm_heap_stage *s = a->stage;
    gm_ticks_calibrate(&a->ticks, gm_ticks_hardware());
    gm_gate_arrive(&s->gate);
    await_marking(s);
    uint64_t cpu = gm_usage_read().cpu_ns;
    a->p = gm_world_enter(s->heap);
    while (!over(s) && (a->does.ops == 0 || a->done < a->does.ops))
        act_once(a);
    gm_world_leave(a->p);
    a->did.cpu_ns = gm_usage_read().cpu_ns - cpu;
    if (a->does.ops && gm_sub_acq_rel(&s->left, 1) == 1) /* the last of them: behind all others (acquire and release) */
        end_scene(s);
    gm_gate_leave(&s->gate);
    return NULL;
}

static void *collect(void *stage)
{
    gm_heap_stage *s = stage;
    gm_gate_arrive(&s->gate);
    for (uint64_t n = 0; !over(s) && (s->scene.cycles == 0 || n < s->scene.cycles); n++)
        gm_heap_collect(s->heap);
    if (s->scene.cycles)
        end_scene(s);
    gm_gate_leave(&s->gate);
    return NULL;
}

static int start_all(gm_heap_stage *s, unsigned *started)
{
    int status = GM_OK;
    for (*started = 0; *started < s->scene.nactors && status == GM_OK; *started += status == GM_OK)
        status = s->spawner.start(s->spawner.ctx, play, &s->actors[*started], &s->actors[*started].thread);
    if (status == GM_OK && s->scene.collecting) {
        status = s->spawner.start(s->spawner.ctx, collect, s, &s->collecting);
        *started += status == GM_OK;
    }
    return status;
}

static void join_all(gm_heap_stage *s, unsigned started)
{
    for (unsigned i = 0; i < started; i++)
        s->spawner.join(s->spawner.ctx, i < s->scene.nactors ? s->actors[i].thread : s->collecting);
}

int gm_heap_stage_go(gm_heap_stage *s)
{
    unsigned started;
    int status = start_all(s, &started);
    while (!gm_gate_wait(&s->gate, started, UINT64_C(1000000000)))
        ;
    if (status != GM_OK)
        gm_store_rlx(&s->over, 1); /* relaxed: see over() */
    s->began_ns = gm_now_ns();
    gm_gate_open(&s->gate);
    gm_gate_wait(&s->gate, started, s->scene.duration_ns);
    gm_store_rlx(&s->over, 1); /* relaxed: see over() */
    join_all(s, started);
    s->elapsed_ns = gm_now_ns() - s->began_ns;
    if (status == GM_OK && gm_load_rlx(&s->status)) /* relaxed: all threads have been joined */
        status = GM_E_NOMEM;
    return status;
}

void gm_heap_stage_cancel(gm_heap_stage *s)
{
    end_scene(s);
}

/* ------------------------------------------------------------------ a scene's life */

/* Whether two actors may be on the first one's map: both only read it, and agree on what is in it. */
static bool may_share(const gm_actor *a, const gm_actor *of)
{
    return a != of && a->kind == GM_ACTOR_GETS && of->kind == GM_ACTOR_GETS && a->strings == of->strings &&
           a->elem == of->elem && a->entries == of->entries;
}

static bool valid_actor(const gm_actor *a, const gm_heap_scene *c)
{
    bool has_map = a->kind <= GM_ACTOR_INSERTS;
    bool points = (has_map && a->elem == GM_ELEM_READY) || a->kind == GM_ACTOR_FLUSHES;
    return a->kind < GM_ACTOR_KINDS && a->elem <= GM_ELEM_NEW && (has_map ? a->entries > 0 : a->size > 0) &&
           (!points || c->live > 0) && (a->kind != GM_ACTOR_FLUSHES || (a->size < gm_barrier_entries && a->size % 2 == 0)) &&
           a->entries <= UINT32_MAX && (!a->shares || may_share(a, c->actors));
}

static bool valid(const gm_heap_scene *c)
{
    bool ok = c->nactors <= mostActors && c->spread <= GM_SPREAD_RANDOM && c->live <= UINT32_MAX &&
              (c->live == 0 || (c->live_size > 0 && c->live_size <= gm_max_small)) && (c->collecting || c->cycles == 0);
    for (uint32_t i = 0; ok && i < c->nactors; i++)
        ok = valid_actor(&c->actors[i], c);
    return ok;
}

static int make_actor(gm_heap_stage *s, uint32_t i)
{
    actor *a = &s->actors[i];
    a->does = s->scene.actors[i];
    a->stage = s;
    if (a->does.ops)
        gm_add_rlx(&s->left, 1); /* relaxed: no thread runs yet */
    for (int j = 0; j < phases; j++)
        if (!(a->hists[j] = gm_hist_make(&s->alloc, 3, UINT64_C(100000000000))))
            return GM_E_NOMEM;
    if (a->does.kind > GM_ACTOR_INSERTS)
        return GM_OK;
    if (a->does.shares) {
        const actor *of = &s->actors[0];
        a->map = of->map;
        a->words = of->words;
        a->texts = of->texts;
        return GM_OK;
    }
    if (!make_keys(a))
        return GM_E_NOMEM;
    return a->does.kind == GM_ACTOR_INSERTS ? new_map(a) : fill_map(a);
}

int gm_heap_stage_new(gm_heap *h, const gm_heap_scene *scene, gm_heap_stage **out)
{
    *out = NULL;
    if (!valid(scene))
        return GM_E_ARGUMENT;
    gm_alloc alloc = gm_alloc_default();
    gm_heap_stage *s = gm_zalloc_lines(&alloc, sizeof *s);
    if (!s)
        return GM_E_NOMEM;
    s->alloc = alloc;
    s->spawner = gm_spawner_default();
    s->heap = h;
    s->scene = *scene;
    if (!gm_gate_init(&s->gate)) {
        gm_release_lines(&alloc, s, sizeof *s);
        return GM_E_NOMEM;
    }
    int status = make_graph(s);
    for (uint32_t i = 0; status == GM_OK && i < scene->nactors; i++)
        status = make_actor(s, i);
    s->scene.actors = NULL; /* the caller's */
    if (status == GM_OK)
        *out = s;
    else
        gm_heap_stage_free(s);
    return status;
}

int gm_heap_stage_totals(gm_heap_stage *s, uint32_t actor, gm_actor_totals *out)
{
    if (actor >= s->scene.nactors)
        return GM_E_ARGUMENT;
    *out = s->actors[actor].did;
    return GM_OK;
}

gm_hist *gm_heap_stage_hist(gm_heap_stage *s, uint32_t actor, uint32_t phase)
{
    return actor < s->scene.nactors && phase < phases ? s->actors[actor].hists[phase] : NULL;
}

uint64_t gm_heap_stage_elapsed_ns(gm_heap_stage *s)
{
    return s->elapsed_ns;
}

static void free_actor(gm_heap_stage *s, actor *a)
{
    for (int j = 0; j < phases; j++)
        gm_hist_free(a->hists[j]);
    if (a->does.shares)
        return;
    if (a->map)
        gm_map_free(a->map);
    if (a->words)
        s->alloc.release(s->alloc.ctx, a->words, a->does.entries * sizeof *a->words);
    if (a->texts)
        s->alloc.release(s->alloc.ctx, a->texts, a->does.entries * keyRoom);
}

void gm_heap_stage_free(gm_heap_stage *s)
{
    gm_alloc alloc = s->alloc;
    for (uint32_t i = 0; i < s->scene.nactors; i++)
        free_actor(s, &s->actors[i]);
    if (s->member.collector)
        s->member.collector->detach(s->member.collector->ctx, &s->member);
    if (s->blocks)
        alloc.release(alloc.ctx, (void *)s->blocks, (s->nblocks + 1) * sizeof *s->blocks);
    if (s->objects)
        alloc.release(alloc.ctx, s->objects, (s->scene.live + 1) * sizeof *s->objects);
    gm_gate_destroy(&s->gate);
    gm_release_lines(&alloc, s, sizeof *s);
}
