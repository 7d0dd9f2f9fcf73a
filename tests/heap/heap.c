/* heap.c: tests of csrc/heap: that nothing reachable is ever freed, from several threads, with marking running all the time.
 *
 * usage: heap TEST [ALLOCATIONS]. Prints "ok" (broken: how many objects were lost, before it); exits 1 at the first thing that
 * is wrong. Meant to be compiled with a sanitizer; `broken` with GM_PAUSE, so that the gap in a plain read-modify-write is met.
 *
 *   sizes     objects of every class: zeroed, apart from each other, found by any address inside, freed when let go of
 *   graph     threads that build, link and drop chains, each with a shadow of what it should find; while others collect
 *   knobs     the same, shorter, at every sound setting of every knob
 *   maps      threads with a map each, an array as shadow
 *   limit     a heap that is full: refused, the map intact; room again after deletes
 *   pacing    a heap that grows starts cycles of its own, assists are paid, a heap that is off starts none
 *   broken    mark bits by load and store: bits are lost, counted, and seen as freed objects; with Go's none is
 */
#include "heap/heap.h"
#include "map/hmap.h"

#include "base/clock.h"
#include "base/rng.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                            \
            exit(1);                                                                                                           \
        }                                                                                                                      \
    } while (0)

enum { THREADS = 3, CHAINS = 1024, LEAVES = 64, DEPTH = 12, KEYS = 3000, WIDE = 1 << 15 };

/* Maps outside of a heap are not needed here, nor is the machine code for them. */
const gm_path *const gm_paths[2][4][2], *const gm_scalar_paths[4], *const gm_knob_paths[4];

static _Atomic bool pausing;

#if defined(GM_PAUSE)
void gm_pause_point(void)
{
    static _Thread_local uint32_t state;
    state = state * 1664525 + 1013904223;
    if (state >> 29 == 0 && gm_load_rlx(&pausing))
        sched_yield();
}
#endif

static gm_heap_config settings(void)
{
    gm_heap_config c;
    gm_heap_config_go(&c);
    c.procs = 4;
    c.poison = 1;
    return c;
}

static gm_heap *heap_of(const gm_heap_config *c)
{
    gm_heap *h;
    CHECK(gm_heap_new(c, &h) == GM_OK);
    return h;
}

static uint64_t counted(gm_heap *h, enum gm_heap_count what)
{
    gm_heap_stats s;
    gm_heap_read_stats(h, &s);
    return s.counts[what];
}

static void check_sound(gm_heap *h)
{
    CHECK(counted(h, GM_HEAP_DANGLING) == 0);
    CHECK(counted(h, GM_HEAP_LOST) == 0);
}

/* ------------------------------------------------------------------ a world of roots without a map */

typedef struct roots {
    gm_member member;
    void *_Atomic *slots;
    size_t n;
} roots;

static void visit_roots(gm_member *m, gm_root_visit visit, void *ctx)
{
    roots *r = (roots *)(void *)m;
    for (size_t i = 0; i < r->n; i++)
        visit(ctx, gm_load_acq(&r->slots[i]));
}

static void join(gm_heap *h, roots *r, size_t n, gm_shape shape)
{
    const gm_collector *c = gm_heap_collector(h);
    *r = (roots){.member = {.collector = c, .roots = visit_roots, .shape = shape}, .n = n};
    CHECK(r->slots = calloc(n, sizeof *r->slots));
    c->enter(c->ctx);
    CHECK(c->attach(c->ctx, &r->member) == GM_OK);
    c->leave(c->ctx);
}

/* Inside, since a collection may be looking at the roots. */
static void clear(gm_heap *h, roots *r)
{
    const gm_collector *c = gm_heap_collector(h);
    c->enter(c->ctx);
    for (size_t i = 0; i < r->n; i++)
        gm_store_rel(&r->slots[i], NULL);
    c->leave(c->ctx);
}

static void part(gm_heap *h, roots *r)
{
    const gm_collector *c = gm_heap_collector(h);
    c->detach(c->ctx, &r->member);
    free((void *)r->slots);
}

/* ------------------------------------------------------------------ sizes */

static void fill_and_check(gm_heap *h, roots *r, size_t size)
{
    const gm_collector *c = gm_heap_collector(h);
    c->enter(c->ctx);
    for (size_t i = 0; i < r->n; i++) {
        unsigned char *p = c->plain(c->ctx, size);
        CHECK(p && (uintptr_t)p % 8 == 0);
        for (size_t j = 0; j < size; j++)
            CHECK(p[j] == 0);
        memset(p, (int)(i + 1), size);
        gm_store_rel(&r->slots[i], p);
        mspan *s = gm_span_of(&h->pages, (uintptr_t)p + size - 1);
        CHECK(s && objectBase(s, objectIndex(s, (uintptr_t)p + size - 1)) == (uintptr_t)p && !holdsPointers(s));
    }
    for (size_t i = 0; i < r->n; i++) {
        unsigned char *p = gm_load_rlx(&r->slots[i]);
        CHECK(p[0] == i + 1 && p[size - 1] == i + 1);
    }
    c->leave(c->ctx);
}

static void sizes(void)
{
    gm_heap_config config = settings();
    gm_heap *h = heap_of(&config);
    roots r;
    join(h, &r, 50, (gm_shape){.stride = 16});
    for (unsigned class = 1; class < gm_size_classes; class ++) {
        CHECK(gm_size_class(gm_class_bytes[class]) == class && gm_size_class(gm_class_bytes[class] - 1) == class);
        fill_and_check(h, &r, gm_class_bytes[class]);
        fill_and_check(h, &r, gm_class_bytes[class - 1] + 1u);
    }
    CHECK(gm_size_class(gm_max_small + 1) == 0);
    fill_and_check(h, &r, gm_max_small + 1);
    fill_and_check(h, &r, 700000);
    clear(h, &r);
    gm_heap_collect(h);
    gm_heap_stats s;
    gm_heap_read_stats(h, &s);
    CHECK(s.in_use == 0 && s.live == 0);
    CHECK(s.counts[GM_HEAP_FREED] == s.counts[GM_HEAP_SMALL] + s.counts[GM_HEAP_LARGE]);
    part(h, &r);
    check_sound(h);
    CHECK(gm_heap_free(h) == GM_OK);
}

/* ------------------------------------------------------------------ graph */

typedef struct leaf {
    uint64_t id;
    struct leaf *self;
} leaf;

typedef struct node {
    uint64_t id, leaf_id;
    struct node *self;
    struct node *_Atomic below;
    leaf *_Atomic leaf;
} node;

typedef struct mutator {
    gm_heap *h;
    uint64_t allocations, id;
    roots r; /* CHAINS chains, LEAVES leaves */
    gm_xoshiro rng;
    uint64_t shadow[CHAINS][DEPTH]; /* ids from the bottom */
    uint32_t depth[CHAINS];
    uint64_t walked;
} mutator;

static void tell(void *slot, void *now)
{
    if (gm_barrier_now)
        gm_barrier_put(gm_barrier_now, gm_load_acq((void *_Atomic *)slot), now);
}

static void new_leaf(mutator *t)
{
    const gm_collector *c = gm_heap_collector(t->h);
    leaf *l = c->plain(c->ctx, sizeof *l);
    CHECK(l && l->id == 0 && l->self == NULL);
    *l = (leaf){++t->id, l};
    gm_store_rel(&t->r.slots[CHAINS + gm_xoshiro_next(&t->rng) % LEAVES], l);
}

static void push(mutator *t, size_t i)
{
    const gm_collector *c = gm_heap_collector(t->h);
    node *n = c->pointers(c->ctx, &t->r.member, sizeof *n);
    leaf *l = gm_load_rlx(&t->r.slots[CHAINS + gm_xoshiro_next(&t->rng) % LEAVES]);
    CHECK(n && n->id == 0 && gm_load_rlx(&n->below) == NULL);
    n->id = ++t->id;
    n->self = n;
    n->leaf_id = l ? l->id : 0;
    tell(&n->below, gm_load_rlx(&t->r.slots[i]));
    gm_store_rel(&n->below, gm_load_rlx(&t->r.slots[i]));
    tell(&n->leaf, l);
    gm_store_rel(&n->leaf, l);
    gm_store_rel(&t->r.slots[i], n);
    t->shadow[i][t->depth[i]++] = n->id;
}

static node *top(mutator *t, size_t i)
{
    return (node *)gm_load_rlx(&t->r.slots[i]);
}

static void pop(mutator *t, size_t i)
{
    gm_store_rel(&t->r.slots[i], (void *)gm_load_rlx(&top(t, i)->below));
    t->depth[i]--;
}

/* Everything above the bottom of chain i goes to chain j, which is empty, by stores into nodes. */
static void move(mutator *t, size_t i, size_t j)
{
    node *first = top(t, i), *bottom = first;
    if (t->depth[i] < 2 || t->depth[j] != 0)
        return;
    node *above = NULL;
    for (node *n = gm_load_rlx(&bottom->below); n; n = gm_load_rlx(&n->below)) {
        above = bottom;
        bottom = n;
    }
    gm_store_rel(&t->r.slots[i], bottom);
    gm_store_rel(&t->r.slots[j], first);
    tell(&above->below, NULL);
    gm_store_rel(&above->below, NULL);
    t->depth[j] = t->depth[i] - 1;
    memcpy(t->shadow[j], t->shadow[i] + 1, t->depth[j] * sizeof t->shadow[i][0]);
    t->depth[i] = 1;
}

static void walk(mutator *t)
{
    for (size_t i = 0; i < CHAINS; i++) {
        node *n = top(t, i);
        for (uint32_t d = t->depth[i]; d-- > 0; n = gm_load_rlx(&n->below)) {
            CHECK(n && n->self == n && n->id == t->shadow[i][d]);
            leaf *l = gm_load_rlx(&n->leaf);
            CHECK(!l || (l->self == l && l->id == n->leaf_id));
            t->walked++;
        }
        CHECK(n == NULL);
    }
}

static void one_step(mutator *t)
{
    uint64_t r = gm_xoshiro_next(&t->rng);
    size_t i = r % CHAINS, j = r / CHAINS % CHAINS;
    if (r >> 60 < 4)
        new_leaf(t);
    else if (r >> 60 == 4)
        move(t, i, j);
    else if (t->depth[i] == DEPTH || (r >> 60 < 7 && t->depth[i] > 0))
        pop(t, i);
    else
        push(t, i);
    if ((r >> 40) % 1024 == 0)
        walk(t);
}

static void *mutate(void *arg)
{
    mutator *t = arg;
    const gm_collector *c = gm_heap_collector(t->h);
    bool bound = t->id % 2; /* half of the threads stay inside and come by safe points */
    if (bound)
        c->enter(c->ctx);
    while (t->id < t->allocations) {
        c->enter(c->ctx);
        one_step(t);
        c->safe(c->ctx);
        c->leave(c->ctx);
    }
    c->enter(c->ctx);
    walk(t);
    c->leave(c->ctx);
    if (bound)
        c->leave(c->ctx);
    return NULL;
}

typedef struct collecting {
    gm_heap *h;
    _Atomic uint32_t over;
} collecting;

static void *collect_again_and_again(void *arg)
{
    collecting *g = arg;
    do
        gm_heap_collect(g->h);
    while (!gm_load_acq(&g->over));
    return NULL;
}

static void run_beside_collections(gm_heap *h, void *(*body)(void *), void *threads, size_t size)
{
    pthread_t ids[THREADS], collector;
    collecting g = {.h = h};
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, body, (unsigned char *)threads + (size_t)i * size) == 0);
    CHECK(pthread_create(&collector, NULL, collect_again_and_again, &g) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    gm_store_rel(&g.over, 1);
    pthread_join(collector, NULL);
}

static void graph_with(const gm_heap_config *config, uint64_t allocations)
{
    gm_heap *h = heap_of(config);
    mutator *t = calloc(THREADS, sizeof *t);
    CHECK(t);
    gm_shape shape = {.stride = sizeof(node), .n = 2, .at = {offsetof(node, below), offsetof(node, leaf)}};
    for (int i = 0; i < THREADS; i++) {
        join(h, &t[i].r, CHAINS + LEAVES, shape);
        t[i].h = h;
        t[i].id = (uint64_t)i;
        t[i].allocations = allocations / THREADS;
        gm_xoshiro_seed(&t[i].rng, (uint64_t)i);
    }
    run_beside_collections(h, mutate, t, sizeof *t);
    if (config->wb != GM_WB_OFF)
        check_sound(h);
    for (int i = 0; i < THREADS; i++) {
        CHECK(t[i].walked > 0);
        part(h, &t[i].r);
    }
    gm_heap_collect(h);
    gm_heap_stats s;
    gm_heap_read_stats(h, &s);
    CHECK(s.in_use == 0 && s.counts[GM_HEAP_FREED] == s.counts[GM_HEAP_SMALL] + s.counts[GM_HEAP_LARGE]);
    CHECK(gm_heap_free(h) == GM_OK);
    free(t);
}

static void graph(uint64_t allocations)
{
    gm_heap_config c = settings();
    graph_with(&c, allocations);
}

static void knobs(uint64_t allocations)
{
    struct {
        size_t at;
        uint32_t value;
    } all[] = {
        {offsetof(gm_heap_config, path), GM_ALLOC_HEAP},
        {offsetof(gm_heap_config, large_limit), 16},
        {offsetof(gm_heap_config, mcache_flush), GM_FLUSH_AT_MARK},
        {offsetof(gm_heap_config, read_span_lock), 1},
        {offsetof(gm_heap_config, sweep_budget), 0},
        {offsetof(gm_heap_config, wb), GM_WB_ALWAYS},
        {offsetof(gm_heap_config, wb), GM_WB_OFF}, /* lost ones are found, and kept */
        {offsetof(gm_heap_config, flush_lock), 1},
        {offsetof(gm_heap_config, assist), GM_ASSIST_STORES},
        {offsetof(gm_heap_config, assist), GM_ASSIST_OFF},
        {offsetof(gm_heap_config, assist_site), GM_SITE_BARRIER},
        {offsetof(gm_heap_config, markbits), GM_MARKBITS_OR},
        {offsetof(gm_heap_config, procs), 2},
        {offsetof(gm_heap_config, poison), 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        gm_heap_config c = settings();
        memcpy((unsigned char *)&c + all[i].at, &all[i].value, sizeof all[i].value);
        graph_with(&c, all[i].at == offsetof(gm_heap_config, large_limit) ? allocations / 8 : allocations);
    }
}

/* ------------------------------------------------------------------ maps */

typedef struct map_thread {
    gm_heap *h;
    uint64_t n, seed;
} map_thread;

static gm_map *new_map(gm_heap *h)
{
    gm_config c = {.key_kind = GM_STRING, .elem_kind = GM_PTR, .seed = 5, .hint = 20, .hasher = GM_HASH_MEM};
    c.collector = gm_heap_collector(h);
    gm_map *m;
    CHECK(gm_map_new(&c, &m) == GM_OK);
    return m;
}

static size_t key_of(uint64_t k, char *text)
{
    return (size_t)snprintf(text, 32, "key %llu", (unsigned long long)k);
}

static void check_get(gm_map *m, uint64_t k, uint64_t want)
{
    char key[32];
    gm_view elem = {0};
    int status = gm_map_get(m, key, key_of(k, key), &elem);
    CHECK(status == (want ? GM_OK : GM_MISS));
    CHECK(status != GM_OK || memcmp(elem.p, &want, 8) == 0);
}

/* One operation on the map and on its shadow: 0, or the elem of each key. */
static void operate(gm_map *m, uint64_t *shadow, uint64_t r)
{
    char key[32];
    uint64_t k = r % KEYS, elem = r | 1;
    size_t len = key_of(k, key);
    if (r >> 61 < 4) {
        CHECK(gm_map_assign(m, key, len, &elem, 8, NULL) == GM_OK);
        shadow[k] = elem;
    } else if (r >> 61 < 6) {
        CHECK(gm_map_delete(m, key, len, NULL) == (shadow[k] ? GM_OK : GM_MISS));
        shadow[k] = 0;
    } else if ((r >> 40) % 1024 == 0) {
        CHECK(gm_map_clear(m, NULL, 0, NULL) == GM_OK);
        memset(shadow, 0, KEYS * sizeof *shadow);
    } else {
        check_get(m, k, shadow[k]);
    }
}

/* While it runs the map grows and retires what the iterator stands in: the key of every step was there at its beginning. */
static void iterate(gm_map *m, uint64_t *shadow, gm_xoshiro *rng)
{
    gm_iter *it;
    gm_view key, elem;
    CHECK(gm_iter_new(m, &it) == GM_OK);
    int status = gm_iter_init(it, -1, -1, &key, &elem);
    while (status == GM_OK) {
        char text[32] = {0};
        CHECK(key.n < sizeof text);
        memcpy(text, key.p, key.n);
        uint64_t k = strtoull(text + 4, NULL, 10);
        CHECK(k < KEYS && shadow[k] && memcmp(elem.p, &shadow[k], 8) == 0);
        for (int i = 0; i < 8; i++)
            operate(m, shadow, gm_xoshiro_next(rng));
        status = gm_iter_next(it, &key, &elem);
    }
    gm_iter_free(it);
}

static void *use_map(void *arg)
{
    map_thread *t = arg;
    gm_xoshiro rng;
    gm_broken broken;
    gm_xoshiro_seed(&rng, t->seed);
    gm_map *m = new_map(t->h);
    uint64_t *shadow = calloc(KEYS, sizeof *shadow);
    CHECK(shadow);
    for (uint64_t i = 0; i < t->n; i++) {
        operate(m, shadow, gm_xoshiro_next(&rng));
        if (i % 8192 == 300) /* it is going to grow several times */
            iterate(m, shadow, &rng);
        if (i % 8192 == 8191) {
            gm_map_free(m);
            m = new_map(t->h);
            memset(shadow, 0, KEYS * sizeof *shadow);
        }
    }
    for (uint64_t k = 0; k < KEYS; k++)
        check_get(m, k, shadow[k]);
    CHECK(gm_map_check(m, &broken) == GM_OK);
    gm_map_free(m);
    free(shadow);
    return NULL;
}

static void maps_with(const gm_heap_config *config, uint64_t n)
{
    gm_heap *h = heap_of(config);
    map_thread t[THREADS];
    for (int i = 0; i < THREADS; i++)
        t[i] = (map_thread){h, n / THREADS, (uint64_t)i};
    run_beside_collections(h, use_map, t, sizeof t[0]);
    check_sound(h);
    gm_heap_collect(h);
    gm_heap_stats s;
    gm_heap_read_stats(h, &s);
    CHECK(s.in_use == 0);
    CHECK(gm_heap_free(h) == GM_OK);
}

static void maps(uint64_t n)
{
    gm_heap_config c = settings();
    maps_with(&c, n);
    c.wbbuf_flush = GM_WBBUF_GROWWORK;
    c.get_marks = c.read_span_lock = 1;
    c.wb = GM_WB_ALWAYS;
    maps_with(&c, n / 4);
    c.wbbuf_flush = GM_WBBUF_HASHGROW;
    maps_with(&c, n / 4);
}

/* ------------------------------------------------------------------ limit */

static uint64_t fill_until_refused(gm_map *m)
{
    char key[32];
    for (uint64_t i = 0;; i++) {
        size_t len = key_of(i, key);
        int status = gm_map_assign(m, key, len, &i, 8, NULL);
        if (status != GM_OK) {
            CHECK(status == GM_E_NOMEM);
            return i;
        }
    }
}

static void limit(void)
{
    gm_heap_config config = settings();
    config.limit = 2 << 20;
    gm_heap *h = heap_of(&config);
    gm_map *m = new_map(h);
    gm_broken broken;
    char key[32];
    uint64_t n = fill_until_refused(m);
    CHECK(n > 2000 && gm_map_len(m) == n && gm_map_check(m, &broken) == GM_OK);
    for (uint64_t i = 0; i < n; i++) {
        gm_view v;
        CHECK(gm_map_get(m, key, key_of(i, key), &v) == GM_OK && memcmp(v.p, &i, 8) == 0);
    }
    for (uint64_t i = 0; i < n / 2; i++)
        CHECK(gm_map_delete(m, key, key_of(i, key), NULL) == GM_OK);
    for (uint64_t i = 0; i < 20 * n; i++) /* garbage enough to fill it many times, and never refused */
        CHECK(gm_map_assign(m, key, key_of(n - 1, key), &i, 8, NULL) == GM_OK);
    CHECK(gm_map_check(m, &broken) == GM_OK);
    gm_map_free(m);
    check_sound(h);
    CHECK(gm_heap_free(h) == GM_OK);
}

/* ------------------------------------------------------------------ pacing */

static void insert_many(gm_heap *h, uint64_t n)
{
    gm_map *m = new_map(h);
    char key[32];
    for (uint64_t i = 0; i < n; i++)
        CHECK(gm_map_assign(m, key, key_of(i, key), &i, 8, NULL) == GM_OK);
    gm_map_free(m);
}

static void pacing(uint64_t n)
{
    gm_heap_config c = settings();
    c.gogc = 20;
    gm_heap *h = heap_of(&c);
    gm_heap_stats s;
    gm_heap_cycle last[keptCycles];
    insert_many(h, n);
    gm_heap_read_stats(h, &s);
    CHECK(s.cycles > 1 && s.cycles < 100);
    CHECK(s.counts[GM_HEAP_ASSISTS_BARRIER] == 0);
    size_t cycles = gm_heap_cycles(h, last, keptCycles);
    CHECK(cycles > 1 && last[cycles - 1].n == cycles);
    CHECK(gm_heap_free(h) == GM_OK);
    c.gogc = -1;
    h = heap_of(&c);
    insert_many(h, n);
    gm_heap_read_stats(h, &s);
    CHECK(s.cycles == 0 && s.counts[GM_HEAP_BARRIER_ENTRIES] == 0 && s.counts[GM_HEAP_ASSISTS_MALLOC] == 0);
    CHECK(gm_heap_free(h) == GM_OK);
}

/* ------------------------------------------------------------------ broken */

/* One array, scanned in pieces by several workers, whose halves point to neighbours: bits of the same bytes. Up to so many
 * collections, until an object has been damaged. */
static uint64_t damaged_by(uint32_t markbits, int most, gm_heap_stats *s)
{
    gm_heap_config c = settings();
    c.markbits = markbits;
    c.lost = GM_LOST_FREE;
    c.workers = 4;
    gm_heap *h = heap_of(&c);
    roots r;
    join(h, &r, 1, (gm_shape){.stride = 8, .n = 1});
    const gm_collector *k = gm_heap_collector(h);
    k->enter(k->ctx);
    void *_Atomic *array = k->pointers(k->ctx, &r.member, WIDE * sizeof *array);
    CHECK(array);
    gm_store_rel(&r.slots[0], array);
    for (uint64_t i = 0; i < WIDE; i++) {
        leaf *l = k->plain(k->ctx, sizeof *l);
        CHECK(l);
        *l = (leaf){i + 1, l};
        gm_store_rel(&array[i % 2 * (WIDE / 2) + i / 2], (void *)l);
    }
    k->leave(k->ctx);
    uint64_t damaged = 0;
    for (int i = 0; i < most && !damaged; i++) {
        gm_heap_collect(h);
        for (uint64_t j = 0; j < WIDE; j++)
            damaged += ((leaf *)gm_load_rlx(&array[j]))->self != (leaf *)gm_load_rlx(&array[j]);
    }
    gm_heap_read_stats(h, s);
    part(h, &r);
    CHECK(gm_heap_free(h) == GM_OK);
    return damaged;
}

static void broken(void)
{
    gm_heap_stats s;
    gm_store_rlx(&pausing, true);
    CHECK(damaged_by(GM_MARKBITS_GO, 20, &s) == 0 && s.counts[GM_HEAP_LOST] == 0 && s.counts[GM_HEAP_DANGLING] == 0);
    CHECK(damaged_by(GM_MARKBITS_OR, 20, &s) == 0 && s.counts[GM_HEAP_LOST] == 0 && s.counts[GM_HEAP_DANGLING] == 0);
    uint64_t damaged = damaged_by(GM_MARKBITS_RMW, 2000, &s); /* workers may not meet while others have the CPUs */
    printf("%llu lost of %llu marked\n", (unsigned long long)damaged, (unsigned long long)s.counts[GM_HEAP_MARKED]);
    CHECK(damaged > 0 && damaged == s.counts[GM_HEAP_LOST]);
}

int main(int argc, char **argv)
{
    const char *test = argc > 1 ? argv[1] : "";
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    if (strcmp(test, "sizes") == 0)
        sizes();
    else if (strcmp(test, "graph") == 0)
        graph(n);
    else if (strcmp(test, "knobs") == 0)
        knobs(n);
    else if (strcmp(test, "maps") == 0)
        maps(n);
    else if (strcmp(test, "limit") == 0)
        limit();
    else if (strcmp(test, "pacing") == 0)
        pacing(n);
    else if (strcmp(test, "broken") == 0)
        broken();
    else
        return 2;
    puts("ok");
    return 0;
}
