/* lockfree.c: tests of csrc/sync/lockfree.c and csrc/sync/epoch.c, through the table of map/variant.h.
 *
 * usage: lockfree [TEST|all [SCALE]]. Prints a line for each test; exits 1 at the first thing that is wrong. SCALE (percent,
 * 100) says how long the tests go on. Meant to be compiled with a sanitizer, and once more with -DGM_PAUSE, which holds up
 * threads at random between any two ordered accesses to shared words.
 *
 * One thread
 *   model      random operations of all kinds beside an array that says what must come out, for several kinds of keys and
 *              elems, while the map grows, shrinks and churns; check() often
 *   nan        NaN keys: each store adds an entry, none is found, all survive growth and come in a range; -0 is 0
 *   failing    the same as `model` while allocations fail: what failed has changed nothing; nothing is left when it is dropped
 *   churn      memory does not grow with the number of operations
 * Several threads, while one makes the map grow and shrink all the time
 *   counters   add: nothing is lost, and nobody sees a counter go back
 *   cas        the same by compare_and_swap loops
 *   winners    load_or_store, then delete, by all at once: one wins each
 *   tokens     every elem ever stored is given back exactly once: by the swap or delete that took it out, or at the end
 *   reading    keys that are always there are always found, and the elem is always one of the key's, in small and in large
 *              elems, while cells are used again for other keys
 *   ranging    what is there throughout comes exactly once, everything else at most once
 *   clearing   clear beside writers leaves the map sound
 *   stalling   the allocation of the next table sleeps for a second: only the one who makes it waits
 * Epochs
 *   threads    slots do not grow with the number of threads that ever came
 *   paused     a block is not freed while somebody who may hold it is inside; it is when nobody is
 */
#include "base/alloc.h"
#include "base/atomics.h"
#include "base/clock.h"
#include "base/thread.h"
#include "sync/epoch.h"
#include "sync/sync.h"

#include <math.h>
#include <pthread.h>
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

static const gm_variant *const V = &gm_lockfree;
static uint64_t percent = 100;

static uint64_t scaled(uint64_t n)
{
    n = n * percent / 100;
    return n ? n : 1;
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

#if defined(GM_PAUSE)
void gm_pause_point(void)
{
    static _Thread_local uint64_t x;
    if (!x)
        x = (uint64_t)(uintptr_t)&x | 1;
    uint64_t r = next(&x) % 16384;
    if (r == 0)
        gm_nap_ns(200000);
    else if (r < 160)
        sched_yield();
}
#endif

/* ------------------------------------------------------------------ kinds of maps */

enum { MOST_ELEM = 200, MOST_KEY = 300 };

typedef struct kind {
    const char *name;
    int key_kind;
    size_t key_size;
    int elem_kind;
    size_t elem_size;
    int hasher;
} kind;

static const kind kinds[] = {
    {"int64", GM_MEM, 8, GM_MEM, 8, GM_HASH_AES},
    {"int32-ref", GM_MEM, 4, GM_REF, 8, GM_HASH_MEM},
    {"str", GM_STRING, 0, GM_MEM, 8, GM_HASH_AES},
    {"str-200", GM_STRING, 0, GM_MEM, 200, GM_HASH_MEM},
    {"int64-200", GM_MEM, 8, GM_MEM, 200, GM_HASH_AES},
    {"float64", GM_FLOAT64, 8, GM_FLOAT64, 8, GM_HASH_AES},
    {"bytes300-3", GM_MEM, 300, GM_MEM, 3, GM_HASH_AES_PORTABLE},
    {"int64-none", GM_MEM, 8, GM_MEM, 0, GM_HASH_AES},
    {"colliding", GM_MEM, 16, GM_MEM, 8, GM_HASH_MEM}, /* all keys have one hash: their first half makes a factor of it 0 */
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const uint64_t colliding_key[4] = {3, 0x123456789ABCDEF1u, 5, 7};

static bool is_colliding(const kind *k)
{
    return k->key_size == 16;
}

typedef struct key {
    unsigned char bytes[MOST_KEY];
    size_t len;
} key;

static key key_of(const kind *k, uint64_t id)
{
    key out = {.len = k->key_size};
    double d = (double)id - 5;
    if (k->key_kind == GM_FLOAT64)
        memcpy(out.bytes, &d, 8);
    else if (k->key_kind == GM_STRING)
        out.len = id == 0 ? 0
                          : (size_t)snprintf((char *)out.bytes, MOST_KEY, "%.*s%d", (int)(id % 50),
                                             "__________________________________________________", (int)id);
    else
        memcpy(out.bytes + (is_colliding(k) ? 8 : 0), &id, k->key_size < 8 ? k->key_size : 8);
    if (is_colliding(k))
        memcpy(out.bytes, &colliding_key[1], 8);
    return out;
}

static uint64_t id_of(const kind *k, const void *p, size_t len)
{
    uint64_t id = 0;
    double d;
    char text[MOST_KEY + 1] = {0};
    if (k->key_kind == GM_FLOAT64) {
        memcpy(&d, p, 8);
        return (uint64_t)(d + 5);
    }
    if (k->key_kind == GM_STRING) {
        memcpy(text, p, len);
        return len ? (uint64_t)atoi(text + strspn(text, "_")) : 0;
    }
    memcpy(&id, (const unsigned char *)p + (is_colliding(k) ? 8 : 0), len < 8 ? len : 8);
    return id;
}

/* An elem is its number all over. */
static void elem_fill(const kind *k, uint64_t v, unsigned char *to)
{
    for (size_t i = 0; i < k->elem_size; i += 8)
        memcpy(to + i, &v, k->elem_size - i < 8 ? k->elem_size - i : 8);
}

static uint64_t elem_value(const kind *k, const void *p)
{
    uint64_t v = 0;
    unsigned char whole[MOST_ELEM];
    if (k->elem_size == 0)
        return 0;
    memcpy(&v, p, k->elem_size < 8 ? k->elem_size : 8);
    elem_fill(k, v, whole);
    CHECK(memcmp(p, whole, k->elem_size) == 0); /* not torn */
    return v;
}

static uint64_t shown(const kind *k, uint64_t v) /* as much of v as an elem holds */
{
    return k->elem_size >= 8 ? v : v & ((UINT64_C(1) << 8 * k->elem_size) - 1);
}

static void *make(const kind *k, const gm_alloc *alloc, uint64_t hint, uint64_t seed)
{
    gm_config c = {.key_kind = k->key_kind,
                   .key_size = k->key_size,
                   .elem_kind = k->elem_kind,
                   .elem_size = k->elem_size,
                   .hint = hint,
                   .hasher = k->hasher,
                   .seed = seed,
                   .alloc = alloc,
                   .events = 8, /* so few that they are overwritten while they are read */
                   .hashkey = is_colliding(k) ? colliding_key : NULL};
    gm_guard_config g = {.padded = (int)(seed & 1)};
    void *self;
    int status = V->make(&c, &g, &self);
    CHECK(status == GM_OK || (status == GM_E_NOMEM && !self));
    return self;
}

static void sound(void *m)
{
    gm_broken b;
    if (V->check(m, &b) == GM_OK)
        return;
    fprintf(stderr, "broken H%d: bucket %llu depth %u cell %u: %llu, not %llu\n", b.invariant, (unsigned long long)b.bucket,
            b.depth, b.cell, (unsigned long long)b.got, (unsigned long long)b.want);
    exit(1);
}

/* ------------------------------------------------------------------ model */

enum { MOST_IDS = 4096 };

typedef struct model {
    const kind *k;
    void *m;
    bool there[MOST_IDS];
    uint64_t value[MOST_IDS], n;
    uint64_t failed;
} model;

static int get_value(model *s, uint64_t id, uint64_t *v)
{
    unsigned char e[MOST_ELEM];
    key k = key_of(s->k, id);
    int status = V->get(s->m, k.bytes, k.len, e);
    if (status == GM_OK)
        *v = elem_value(s->k, e);
    return status;
}

static void expect(model *s, uint64_t id)
{
    uint64_t v;
    int status = get_value(s, id, &v);
    CHECK(status == (s->there[id] ? GM_OK : GM_MISS));
    CHECK(status == GM_MISS || v == s->value[id]);
}

static void set(model *s, uint64_t id, bool there, uint64_t v)
{
    s->n += (uint64_t)there - (uint64_t)s->there[id];
    s->there[id] = there;
    s->value[id] = shown(s->k, v);
}

typedef struct seen {
    model *s;
    bool came[MOST_IDS];
    uint64_t n;
} seen;

static bool see(void *ctx, const void *p, size_t len, const void *elem)
{
    seen *v = ctx;
    uint64_t id = id_of(v->s->k, p, len);
    CHECK(id < MOST_IDS && v->s->there[id] && !v->came[id] && elem_value(v->s->k, elem) == v->s->value[id]);
    v->came[id] = true;
    v->n++;
    return true;
}

static void model_range(model *s, uint64_t limit)
{
    seen v = {.s = s};
    int status = V->range(s->m, limit, see, &v);
    CHECK(status == GM_OK || status == GM_E_NOMEM);
    CHECK(status == GM_E_NOMEM || v.n == (limit < s->n ? limit : s->n));
}

static int model_cas(model *s, const key *k, uint64_t id, uint64_t v, bool right, bool del)
{
    unsigned char e[MOST_ELEM], want[MOST_ELEM];
    elem_fill(s->k, v, e);
    elem_fill(s->k, right ? s->value[id] : s->value[id] + 1, want);
    int status = V->compare_and_swap(s->m, k->bytes, k->len, want, del ? NULL : e);
    bool hit = s->there[id] && (right || s->k->elem_size == 0);
    CHECK(status < 0 || status == (hit ? GM_OK : GM_MISS));
    if (status == GM_OK)
        set(s, id, !del, v);
    return status;
}

static int model_add(model *s, const key *k, uint64_t id, uint64_t v)
{
    int64_t sum = 0;
    int status = V->add(s->m, k->bytes, k->len, (int64_t)v, &sum);
    if (s->k->elem_size != 8 || s->k->elem_kind == GM_REF) {
        CHECK(status == GM_E_ARGUMENT);
        return GM_OK;
    }
    if (status >= 0) {
        CHECK(status == (s->there[id] ? GM_OK : GM_MISS));
        set(s, id, true, (s->there[id] ? s->value[id] : 0) + v);
        CHECK((uint64_t)sum == s->value[id]);
    }
    return status;
}

/* bias: of 100 assigns and deletes, how many are assigns. */
static int model_step(model *s, uint64_t ids, unsigned bias, uint64_t *x)
{
    uint64_t id = next(x) % ids, v = next(x) | 1, before = s->value[id];
    bool was = s->there[id];
    unsigned char e[MOST_ELEM] = {0}, old[MOST_ELEM];
    key k = key_of(s->k, id);
    int status = GM_OK;
    elem_fill(s->k, v, e);
    switch (next(x) % 10) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        if (next(x) % 100 < bias) {
            status = V->assign(s->m, k.bytes, k.len, e, old);
            if (status >= 0)
                set(s, id, true, v);
        } else {
            status = V->del(s->m, k.bytes, k.len, old);
            if (status >= 0)
                set(s, id, false, v);
        }
        CHECK(status < 0 || status == (was ? GM_OK : GM_MISS));
        CHECK(status != GM_OK || elem_value(s->k, old) == before);
        break;
    case 5:
        if (next(x) % 100 >= bias)
            break;
        status = V->load_or_store(s->m, k.bytes, k.len, e, e); /* the same room for both */
        CHECK(status < 0 || elem_value(s->k, e) == (was ? before : shown(s->k, v)));
        if (status == GM_MISS)
            set(s, id, true, v);
        CHECK(status < 0 || status == (was ? GM_OK : GM_MISS));
        break;
    case 6:
        status = model_cas(s, &k, id, v, next(x) % 2, next(x) % 100 >= bias);
        break;
    case 7:
        status = next(x) % 100 < bias ? model_add(s, &k, id, v) : GM_OK;
        break;
    default:
        break;
    }
    CHECK(status >= 0 || status == GM_E_NOMEM);
    s->failed += status < 0;
    if (status < 0) {
        CHECK(s->there[id] == was && s->value[id] == before);
    }
    return status;
}

static void model_whole(model *s, uint64_t ids)
{
    uint64_t n;
    sound(s->m);
    V->len(s->m, &n);
    CHECK(n == s->n);
    for (uint64_t id = 0; id < ids; id++)
        expect(s, id);
    model_range(s, UINT64_MAX);
}

static void model_run(model *s, uint64_t ids, uint64_t ops, uint64_t *x)
{
    for (uint64_t i = 0; i < ops; i++) {
        unsigned bias = (unsigned[]){85, 50, 15, 50}[i * 8 / ops % 4];
        model_step(s, ids, bias, x);
        expect(s, next(x) % ids);
        if (next(x) % 512 == 0)
            sound(s->m);
        if (next(x) % 1024 == 0)
            model_range(s, next(x) % (s->n + 2));
        if (i % (ops / 16 + 1) == 0)
            model_whole(s, ids);
        if (i == ops / 2 + 7 && V->clear(s->m) == GM_OK)
            for (uint64_t id = 0; id < ids; id++)
                set(s, id, false, 0);
    }
    model_whole(s, ids);
}

static void test_model(void)
{
    gm_stats all = {0}, st;
    for (int i = 0; i < KINDS; i++) {
        for (uint64_t seed = 1; seed <= 6; seed++) {
            static const uint64_t sizes[] = {1, 7, 60, 500, 4000, 300};
            gm_faulty *f = gm_faulty_new();
            model *s = calloc(1, sizeof *s);
            uint64_t x = seed * 77 + (uint64_t)i;
            s->k = &kinds[i];
            s->m = make(s->k, gm_faulty_alloc(f), seed == 6 ? 100 : 0, seed);
            model_run(s, sizes[seed - 1], scaled(40000), &x);
            V->stats(s->m, &st);
            CHECK(st.entries == s->n && st.growths + st.shrinks + 1 > 0);
            all.growths += st.growths;
            all.shrinks += st.shrinks;
            V->drop(s->m);
            CHECK(gm_faulty_live_blocks(f) == 0);
            gm_faulty_free(f);
            free(s);
        }
    }
    CHECK(all.growths > 20 && all.shrinks > 20);
    printf("  %llu growths, %llu shrinks\n", (unsigned long long)all.growths, (unsigned long long)all.shrinks);
}

static void test_failing(void)
{
    uint64_t failed = 0;
    for (int i = 0; i < KINDS; i++) {
        for (uint64_t nth = 1; nth <= 8; nth++) { /* making the map */
            gm_faulty *f = gm_faulty_new();
            gm_faulty_arm(f, nth, 1);
            void *m = make(&kinds[i], gm_faulty_alloc(f), 100, nth);
            if (m)
                V->drop(m);
            CHECK(gm_faulty_live_blocks(f) == 0);
            gm_faulty_free(f);
        }
        gm_faulty *f = gm_faulty_new();
        model *s = calloc(1, sizeof *s);
        uint64_t x = 99 + (uint64_t)i;
        s->k = &kinds[i];
        s->m = make(s->k, gm_faulty_alloc(f), 0, 3);
        for (int round = 0; round < 60; round++) {
            gm_faulty_arm(f, next(&x) % 20 + 1, next(&x) % 40 + 1);
            if (round % 8 == 7)
                gm_faulty_arm(f, 1, UINT64_MAX); /* nothing at all */
            for (uint64_t n = scaled(300); n; n--)
                model_step(s, 700, round % 20 < 10 ? 80 : 20, &x);
            sound(s->m);
            gm_faulty_arm(f, 0, 0);
            model_whole(s, 700);
        }
        failed += s->failed;
        V->drop(s->m);
        CHECK(gm_faulty_live_blocks(f) == 0);
        gm_faulty_free(f);
        free(s);
    }
    CHECK(failed > 20);
    printf("  %llu writes failed\n", (unsigned long long)failed);
}

/* ------------------------------------------------------------------ nan, churn */

static bool count_nan(void *ctx, const void *p, size_t len, const void *elem)
{
    double d;
    int64_t *n = ctx, v;
    CHECK(len == 8);
    memcpy(&d, p, 8);
    memcpy(&v, elem, 8);
    CHECK(d != d ? v >= 1000 : v < 1000);
    *n += d != d;
    return true;
}

static void test_nan(void)
{
    const kind k = {"", GM_FLOAT64, 8, GM_MEM, 8, GM_HASH_AES};
    gm_faulty *f = gm_faulty_new();
    void *m = make(&k, gm_faulty_alloc(f), 0, 4);
    double nan = NAN, zero = 0, minus = -0.0, inf = -INFINITY;
    int64_t v = 1, out, found = 0;
    uint64_t n;
    CHECK(V->assign(m, &zero, 8, &v, NULL) == GM_MISS && V->get(m, &minus, 8, &out) == GM_OK);
    CHECK(V->assign(m, &minus, 8, &v, NULL) == GM_OK && V->assign(m, &inf, 8, &v, NULL) == GM_MISS);
    for (int i = 0; i < 500; i++) {
        int64_t w = 1000 + i;
        CHECK(V->assign(m, &nan, 8, &w, NULL) == GM_MISS && V->get(m, &nan, 8, &out) == GM_MISS);
        CHECK(V->del(m, &nan, 8, NULL) == GM_MISS);
        sound(m);
    }
    v = 1000;
    CHECK(V->load_or_store(m, &nan, 8, &v, &out) == GM_MISS && out == 1000);
    CHECK(V->add(m, &nan, 8, 1000, &out) == GM_MISS && out == 1000);
    CHECK(V->compare_and_swap(m, &nan, 8, &v, &v) == GM_MISS);
    CHECK(V->get(m, &inf, 8, &out) == GM_OK && V->del(m, &inf, 8, NULL) == GM_OK);
    V->len(m, &n);
    CHECK(n == 503 && V->range(m, UINT64_MAX, count_nan, &found) == GM_OK && found == 502);
    CHECK(V->clear(m) == GM_OK && V->len(m, &n) == GM_OK && n == 0);
    sound(m);
    V->drop(m);
    CHECK(gm_faulty_live_blocks(f) == 0);
    gm_faulty_free(f);
}

/* What the map holds between two rounds of the same work. */
static void test_churn(void)
{
    static const int which[] = {0, 2, 4};
    for (int i = 0; i < 3; i++) {
        const kind *k = &kinds[which[i]];
        gm_faulty *f = gm_faulty_new();
        void *m = make(k, gm_faulty_alloc(f), 0, 5);
        uint64_t x = 9, early = 0, late = 0, ops = scaled(10000000) / (i ? 4 : 1), fresh = 0;
        unsigned char e[MOST_ELEM] = {0};
        for (uint64_t n = 0; n < ops; n++) {
            key in = key_of(k, fresh++), out = key_of(k, fresh - 1000);
            CHECK(V->assign(m, in.bytes, in.len, e, NULL) == GM_MISS);
            if (fresh > 1000)
                CHECK(V->del(m, out.bytes, out.len, NULL) == GM_OK);
            uint64_t now = gm_faulty_live_bytes(f);
            if (n > ops / 8 && n < ops / 2 && now > early)
                early = now;
            if (n > ops / 2 && now > late)
                late = now;
            next(&x);
        }
        CHECK(late <= early + early / 4);
        CHECK(V->clear(m) == GM_OK);
        gm_stats st;
        V->stats(m, &st);
        CHECK(gm_faulty_live_bytes(f) < 16384 && st.retired == st.freed);
        printf("  %s: at most %llu bytes in the first half, %llu in the second; %llu after clear\n", k->name,
               (unsigned long long)early, (unsigned long long)late, (unsigned long long)gm_faulty_live_bytes(f));
        sound(m);
        V->drop(m);
        CHECK(gm_faulty_live_blocks(f) == 0);
        gm_faulty_free(f);
    }
}

/* ------------------------------------------------------------------ several threads */

enum { MOST_THREADS = 8, PUMPED = 2500, FIRST_PUMPED = 100000 };

typedef struct crew {
    const kind *k;
    void *m;
    unsigned threads;
    uint64_t keys, rounds;
    _Atomic int stop;
    _Atomic uint64_t ready, turn, done, wins[2];
    _Atomic uint64_t stored, taken, sum[2];
    pthread_barrier_t barrier;
} crew;

typedef struct member {
    crew *c;
    unsigned i;
    uint64_t x;
} member;

/* Makes the map grow and shrink. */
static void *pump(void *arg)
{
    crew *c = arg;
    unsigned char e[MOST_ELEM] = {0};
    while (!gm_load_acq(&c->stop)) {
        for (uint64_t id = 0; id < PUMPED; id++) {
            key k = key_of(c->k, FIRST_PUMPED + id);
            elem_fill(c->k, (FIRST_PUMPED + id) << 20, e);
            CHECK(V->assign(c->m, k.bytes, k.len, e, NULL) == GM_MISS);
        }
        for (uint64_t id = 0; id < PUMPED; id++) {
            key k = key_of(c->k, FIRST_PUMPED + id);
            CHECK(V->del(c->m, k.bytes, k.len, NULL) == GM_OK);
        }
    }
    return NULL;
}

static void crew_go(crew *c, void *(*body)(void *), void *(*beside)(void *), unsigned besides)
{
    pthread_t t[MOST_THREADS], p[MOST_THREADS];
    member who[MOST_THREADS];
    CHECK(pthread_barrier_init(&c->barrier, NULL, c->threads) == 0);
    for (unsigned i = 0; i < besides; i++)
        CHECK(pthread_create(&p[i], NULL, beside, c) == 0);
    for (unsigned i = 0; i < c->threads; i++) {
        who[i] = (member){c, i, 12345 + 7 * i};
        CHECK(pthread_create(&t[i], NULL, body, &who[i]) == 0);
    }
    for (unsigned i = 0; i < c->threads; i++)
        pthread_join(t[i], NULL);
    gm_store_rel(&c->stop, 1);
    for (unsigned i = 0; i < besides; i++)
        pthread_join(p[i], NULL);
    pthread_barrier_destroy(&c->barrier);
    sound(c->m);
}

static gm_stats crew_end(crew *c, gm_faulty *f)
{
    gm_stats st;
    V->stats(c->m, &st);
    V->drop(c->m);
    CHECK(gm_faulty_live_blocks(f) == 0);
    gm_faulty_free(f);
    return st;
}

static const unsigned team[] = {2, 4, 8};
static const uint64_t spread[] = {1, 8, 64};

/* Runs a body with several numbers of threads and keys. */
static void each_team(const kind *k, void *(*body)(void *), uint64_t rounds, void (*before)(crew *), void (*after)(crew *))
{
    gm_stats sum = {0};
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            gm_faulty *f = gm_faulty_new();
            crew c = {.k = k, .threads = team[i], .keys = spread[j], .rounds = scaled(rounds) / team[i] + 1};
            c.m = make(k, gm_faulty_alloc(f), 0, (uint64_t)(i + j));
            if (before)
                before(&c);
            crew_go(&c, body, pump, 1);
            after(&c);
            gm_stats st = crew_end(&c, f);
            sum.growths += st.growths;
            sum.shrinks += st.shrinks;
            sum.contended += st.contended;
            sum.retries += st.retries;
        }
    }
    printf("  %s: %llu growths, %llu shrinks, %llu waits, %llu retries\n", k->name, (unsigned long long)sum.growths,
           (unsigned long long)sum.shrinks, (unsigned long long)sum.contended, (unsigned long long)sum.retries);
}

static void *add_body(void *arg)
{
    member *me = arg;
    int64_t last[64] = {0}, sum;
    for (uint64_t i = 0; i < me->c->rounds; i++) {
        uint64_t id = next(&me->x) % me->c->keys;
        key k = key_of(me->c->k, id);
        CHECK(V->add(me->c->m, k.bytes, k.len, 1, &sum) >= 0 && sum > last[id]);
        last[id] = sum;
        if (V->get(me->c->m, k.bytes, k.len, &sum) != GM_OK || sum < last[id])
            CHECK(!"a counter went back");
    }
    return NULL;
}

static void add_after(crew *c)
{
    int64_t sum = 0, v;
    for (uint64_t id = 0; id < c->keys; id++) {
        key k = key_of(c->k, id);
        if (V->get(c->m, k.bytes, k.len, &v) == GM_OK)
            sum += v;
    }
    CHECK((uint64_t)sum == c->threads * c->rounds);
}

static void *cas_body(void *arg)
{
    member *me = arg;
    crew *c = me->c;
    unsigned char now[MOST_ELEM], then[MOST_ELEM];
    for (uint64_t i = 0; i < c->rounds; i++) {
        key k = key_of(c->k, next(&me->x) % c->keys);
        for (;;) {
            elem_fill(c->k, 1, then);
            int status = V->load_or_store(c->m, k.bytes, k.len, then, now);
            if (status == GM_MISS)
                break;
            elem_fill(c->k, elem_value(c->k, now) + 1, then);
            if (V->compare_and_swap(c->m, k.bytes, k.len, now, then) == GM_OK)
                break;
        }
    }
    return NULL;
}

static void cas_after(crew *c)
{
    unsigned char e[MOST_ELEM];
    uint64_t sum = 0;
    for (uint64_t id = 0; id < c->keys; id++) {
        key k = key_of(c->k, id);
        if (V->get(c->m, k.bytes, k.len, e) == GM_OK)
            sum += elem_value(c->k, e);
    }
    CHECK(sum == c->threads * c->rounds);
}

static void *winner_body(void *arg)
{
    member *me = arg;
    crew *c = me->c;
    unsigned char e[MOST_ELEM], actual[MOST_ELEM];
    for (uint64_t i = 0; i < c->rounds; i++) {
        key k = key_of(c->k, i % c->keys);
        elem_fill(c->k, me->i + 1, e);
        pthread_barrier_wait(&c->barrier);
        if (V->load_or_store(c->m, k.bytes, k.len, e, actual) == GM_MISS)
            gm_add_rlx(&c->wins[0], 1);
        pthread_barrier_wait(&c->barrier);
        CHECK(V->get(c->m, k.bytes, k.len, e) == GM_OK && elem_value(c->k, e) == elem_value(c->k, actual));
        pthread_barrier_wait(&c->barrier);
        if (V->del(c->m, k.bytes, k.len, e) == GM_OK) {
            CHECK(elem_value(c->k, e) == elem_value(c->k, actual));
            gm_add_rlx(&c->wins[1], 1);
        }
    }
    return NULL;
}

static void winner_after(crew *c)
{
    CHECK(gm_load_rlx(&c->wins[0]) == c->rounds && gm_load_rlx(&c->wins[1]) == c->rounds);
}

static uint64_t mix(uint64_t v)
{
    return (v + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ v << 7;
}

static void *token_body(void *arg)
{
    member *me = arg;
    crew *c = me->c;
    unsigned char e[MOST_ELEM], old[MOST_ELEM];
    uint64_t stored = 0, taken = 0, in = 0, out = 0;
    for (uint64_t i = 0; i < c->rounds; i++) {
        key k = key_of(c->k, next(&me->x) % c->keys);
        uint64_t token = (uint64_t)(me->i + 1) << 40 | i;
        elem_fill(c->k, token, e);
        int what = (int)(next(&me->x) % 3), status = what == 1   ? V->del(c->m, k.bytes, k.len, old)
                                                     : what == 2 ? V->load_or_store(c->m, k.bytes, k.len, e, old)
                                                                 : V->assign(c->m, k.bytes, k.len, e, old);
        bool stores = what == 0 || (what == 2 && status == GM_MISS), takes = what != 2 && status == GM_OK;
        CHECK(status >= 0);
        stored += stores;
        in += stores ? mix(token) : 0;
        taken += takes;
        out += takes ? mix(elem_value(c->k, old)) : 0;
    }
    gm_add_rlx(&c->stored, stored);
    gm_add_rlx(&c->taken, taken);
    gm_add_rlx(&c->sum[0], in);
    gm_add_rlx(&c->sum[1], out);
    return NULL;
}

static void token_after(crew *c)
{
    unsigned char e[MOST_ELEM];
    uint64_t left = 0, sum = 0;
    for (uint64_t id = 0; id < c->keys; id++) {
        key k = key_of(c->k, id);
        if (V->del(c->m, k.bytes, k.len, e) == GM_OK) {
            left++;
            sum += mix(elem_value(c->k, e));
        }
    }
    CHECK(gm_load_rlx(&c->stored) == gm_load_rlx(&c->taken) + left);
    CHECK(gm_load_rlx(&c->sum[0]) == gm_load_rlx(&c->sum[1]) + sum);
}

static void test_counters(void)
{
    each_team(&kinds[0], add_body, 200000, NULL, add_after);
    each_team(&kinds[2], add_body, 100000, NULL, add_after);
}

static void test_cas(void)
{
    each_team(&kinds[0], cas_body, 100000, NULL, cas_after);
    each_team(&kinds[3], cas_body, 50000, NULL, cas_after);
}

static void test_winners(void)
{
    each_team(&kinds[0], winner_body, 8000, NULL, winner_after);
    each_team(&kinds[3], winner_body, 8000, NULL, winner_after);
}

static void test_tokens(void)
{
    each_team(&kinds[0], token_body, 200000, NULL, token_after);
    each_team(&kinds[2], token_body, 100000, NULL, token_after);
    each_team(&kinds[4], token_body, 100000, NULL, token_after);
}

/* ------------------------------------------------------------------ reading */

enum { FIRST_CHURNED = 1000, CHURNED = 40 };

/* An elem is one of its key's: id << 20 and a number. */
static void store_own(crew *c, uint64_t id, uint64_t n)
{
    unsigned char e[MOST_ELEM];
    key k = key_of(c->k, id);
    elem_fill(c->k, id << 20 | (n & 0xFFFFF), e);
    CHECK(V->assign(c->m, k.bytes, k.len, e, NULL) >= 0);
}

/* Stores and deletes keys so that cells are used again for other keys, mostly few at a time. */
static void *churn_beside(void *arg)
{
    crew *c = arg;
    uint64_t x = 77, n = 0;
    while (!gm_load_acq(&c->stop)) {
        uint64_t id = FIRST_CHURNED + next(&x) % CHURNED;
        key k = key_of(c->k, id);
        store_own(c, id, n++);
        if (next(&x) % 4 == 0)
            store_own(c, next(&x) % c->keys, n);
        CHECK(V->del(c->m, k.bytes, k.len, NULL) == GM_OK);
    }
    return NULL;
}

static void *mixed_beside(void *arg)
{
    crew *c = arg;
    return gm_add_rlx(&c->ready, 1) % 2 || c->rounds % 2 ? churn_beside(arg) : pump(arg);
}

static void *read_body(void *arg)
{
    member *me = arg;
    crew *c = me->c;
    unsigned char e[MOST_ELEM];
    for (uint64_t i = 0; i < c->rounds; i++) {
        bool always = next(&me->x) % 2;
        uint64_t id = always ? next(&me->x) % c->keys : FIRST_CHURNED + next(&me->x) % CHURNED;
        key k = key_of(c->k, id);
        int status = V->get(c->m, k.bytes, k.len, e);
        CHECK(status == GM_OK || (status == GM_MISS && !always));
        CHECK(status == GM_MISS || elem_value(c->k, e) >> 20 == id);
    }
    return NULL;
}

static void reading(const kind *k, uint64_t keys, uint64_t rounds, unsigned besides)
{
    gm_faulty *f = gm_faulty_new();
    crew c = {.k = k, .threads = 3, .keys = keys, .rounds = rounds};
    c.m = make(k, gm_faulty_alloc(f), 0, keys);
    for (uint64_t id = 0; id < keys; id++)
        store_own(&c, id, 0);
    /* One churns alone where rounds is odd (its CHECKs know all that happens to its keys), else beside a pump. */
    crew_go(&c, read_body, mixed_beside, besides);
    gm_stats st = crew_end(&c, f);
    printf("  %s, %llu keys: %llu retries, %llu growths, %llu shrinks\n", k->name, (unsigned long long)keys,
           (unsigned long long)st.retries, (unsigned long long)st.growths, (unsigned long long)st.shrinks);
}

static void test_reading(void)
{
    static const int which[] = {0, 2, 4};
    for (int i = 0; i < 3; i++) {
        uint64_t rounds = scaled(1000000) / (i ? 2 : 1);
        reading(&kinds[which[i]], 4, rounds | 1, 1);
        reading(&kinds[which[i]], 4, rounds & ~UINT64_C(1), 2);
        reading(&kinds[which[i]], 64, rounds & ~UINT64_C(1), 2);
    }
}

/* ------------------------------------------------------------------ ranging, clearing */

typedef struct coming {
    crew *c;
    uint8_t came[FIRST_PUMPED + PUMPED];
} coming;

static bool come(void *ctx, const void *p, size_t len, const void *elem)
{
    coming *s = ctx;
    uint64_t id = id_of(s->c->k, p, len);
    CHECK(id < FIRST_PUMPED + PUMPED && !s->came[id] && elem_value(s->c->k, elem) >> 20 == id);
    s->came[id] = 1;
    return true;
}

static void *range_body(void *arg)
{
    member *me = arg;
    coming *s = malloc(sizeof *s);
    for (uint64_t i = 0; i < me->c->rounds; i++) {
        memset(s, 0, sizeof *s);
        s->c = me->c;
        CHECK(V->range(me->c->m, UINT64_MAX, come, s) == GM_OK);
        for (uint64_t id = 0; id < me->c->keys; id++)
            CHECK(s->came[id]);
    }
    free(s);
    return NULL;
}

static void test_ranging(void)
{
    static const int which[] = {0, 3};
    for (int i = 0; i < 2; i++) {
        gm_faulty *f = gm_faulty_new();
        crew c = {.k = &kinds[which[i]], .threads = 2, .keys = 64, .rounds = scaled(2000)};
        c.m = make(c.k, gm_faulty_alloc(f), 0, 3);
        for (uint64_t id = 0; id < c.keys; id++)
            store_own(&c, id, 0);
        crew_go(&c, range_body, mixed_beside, 2);
        gm_stats st = crew_end(&c, f);
        printf("  %s: %llu growths, %llu shrinks\n", c.k->name, (unsigned long long)st.growths, (unsigned long long)st.shrinks);
    }
}

static void events_make_sense(void *m)
{
    gm_event e[8];
    uint64_t dropped;
    size_t n = V->events(m, e, 8, &dropped);
    CHECK(n <= 8);
    for (size_t i = 0; i < n; i++) {
        CHECK(e[i].kind == GM_EV_ARRAY_ALLOC || e[i].kind == GM_EV_GROW_START || e[i].kind == GM_EV_GROW_END);
        CHECK(e[i].at_ns && e[i].from_B < 40 && e[i].to_B < 40);
    }
}

static void *clear_body(void *arg)
{
    member *me = arg;
    crew *c = me->c;
    for (uint64_t i = 0; i < c->rounds; i++) {
        uint64_t n;
        store_own(c, next(&me->x) % 2000, i);
        if (next(&me->x) % 2000 == 0)
            CHECK(V->clear(c->m) == GM_OK);
        if (next(&me->x) % 64 == 0)
            CHECK(V->len(c->m, &n) == GM_OK && V->growing_to(c->m) >= -1);
        if (next(&me->x) % 16 == 0)
            events_make_sense(c->m);
    }
    return NULL;
}

static void test_clearing(void)
{
    static const int which[] = {0, 3};
    for (int i = 0; i < 2; i++) {
        gm_faulty *f = gm_faulty_new();
        crew c = {.k = &kinds[which[i]], .threads = 4, .rounds = scaled(60000)};
        c.m = make(c.k, gm_faulty_alloc(f), 0, 3);
        crew_go(&c, clear_body, NULL, 0);
        CHECK(V->clear(c.m) == GM_OK);
        sound(c.m);
        crew_end(&c, f);
    }
}

enum { STALLED = 100000 };

static void *stalled_body(void *arg)
{
    member *me = arg;
    crew *c = me->c;
    uint64_t longest = 0;
    for (uint64_t i = 0; gm_load_rlx(&c->done) == 0; i++) {
        uint64_t began = gm_now_ns();
        store_own(c, STALLED * (me->i + 1) + i % STALLED, i); /* inserts: they notice that the map is to grow */
        uint64_t took = gm_now_ns() - began;
        longest = took > longest ? took : longest;
        if (longest > 900000000 || gm_now_ns() - c->rounds > 10000000000)
            gm_store_rlx(&c->done, 1);
    }
    gm_add_rlx(&c->wins[0], longest > 500000000);
    return NULL;
}

static void test_stalling(void)
{
    gm_faulty *f = gm_faulty_new();
    crew c = {.k = &kinds[0], .threads = 3, .rounds = gm_now_ns()};
    c.m = make(c.k, gm_faulty_alloc(f), 0, 3);
    gm_faulty_stall(f, 100000, 1000000000);
    crew_go(&c, stalled_body, NULL, 0);
    CHECK(gm_load_rlx(&c.wins[0]) == 1);
    crew_end(&c, f);
}

/* ------------------------------------------------------------------ epochs */

static void *visit_once(void *arg)
{
    uint64_t k = 5, v;
    CHECK(V->get(arg, &k, 8, &v) == GM_MISS);
    return NULL;
}

static void test_threads(void)
{
    gm_faulty *f = gm_faulty_new();
    void *m = make(&kinds[0], gm_faulty_alloc(f), 0, 1);
    uint64_t before = 0;
    for (int i = 0; i < 400; i++) {
        pthread_t t[3];
        for (int j = 0; j < 3; j++)
            CHECK(pthread_create(&t[j], NULL, visit_once, m) == 0);
        for (int j = 0; j < 3; j++)
            pthread_join(t[j], NULL);
        if (i == 20)
            before = gm_faulty_live_bytes(f);
    }
#if defined(__linux__)
    CHECK(gm_faulty_live_bytes(f) <= before + 4096); /* a thread may be seen for a moment after it was joined */
#endif
    V->drop(m);
    gm_faulty_free(f);
    void *many[9]; /* more domains than a thread's cache holds, and again those that it has forgotten */
    for (int i = 0; i < 9; i++)
        many[i] = make(&kinds[0], NULL, 0, 1);
    for (int i = 0; i < 900; i++)
        visit_once(many[i * 4 % 9]);
    for (int i = 0; i < 9; i++)
        V->drop(many[i]);
}

typedef struct trial {
    gm_epochs *e;
    _Atomic int inside, go;
    int released;
} trial;

typedef struct thing {
    gm_retired r;
} thing;

static void thing_release(void *owner, gm_retired *r)
{
    ((trial *)owner)->released++;
    free(r);
}

static void *sleeper(void *arg)
{
    trial *t = arg;
    gm_epoch_slot *in = gm_epoch_enter(t->e);
    gm_store_rel(&t->inside, 1);
    while (!gm_load_acq(&t->go))
        gm_nap_ns(100000);
    gm_epoch_leave(in);
    return NULL;
}

static void trial_retire(trial *t, int n)
{
    for (int i = 0; i < n; i++) {
        thing *a = calloc(1, sizeof *a);
        a->r.release = thing_release;
        gm_epoch_slot *in = gm_epoch_enter(t->e);
        gm_epoch_retire(t->e, &a->r);
        gm_epoch_leave(in);
    }
}

enum { SPARED = 40 };

/* Retires one for each step of the other. */
static void *retirer(void *arg)
{
    trial *t = arg;
    for (int i = 1; i <= SPARED; i++) {
        while (gm_load_acq(&t->go) < i)
            sched_yield();
        trial_retire(t, 1);
        gm_store_rel(&t->inside, i);
    }
    return NULL;
}

static void only_read(trial *t, int times)
{
    for (int i = 0; i < times; i++)
        gm_epoch_leave(gm_epoch_enter(t->e));
}

/* A reader frees nothing while somebody else retires, and everything once that has ended (P4). */
static void test_sparing(void)
{
    trial t = {0};
    gm_alloc a = gm_alloc_default();
    pthread_t other;
    CHECK(gm_epochs_new(&a, &t, &t.e) == GM_OK);
    CHECK(pthread_create(&other, NULL, retirer, &t) == 0);
    for (int i = 1; i <= SPARED; i++) {
        only_read(&t, 200); /* at most one look in between */
        CHECK(t.released == 0);
        gm_store_rel(&t.go, i);
        while (gm_load_acq(&t.inside) < i)
            sched_yield();
    }
    pthread_join(other, NULL);
    only_read(&t, 4 * 4096);
    CHECK(t.released == SPARED);
    gm_epochs_free(t.e);
}

static void test_paused(void)
{
    trial t = {0};
    gm_alloc alloc = {0};
    gm_faulty *f = gm_faulty_new();
    pthread_t thread;
    uint64_t retired, freed;
    alloc = *gm_faulty_alloc(f);
    CHECK(gm_epochs_new(&alloc, &t, &t.e) == GM_OK);
    trial_retire(&t, 10);
    gm_epoch_collect(t.e);
    CHECK(t.released == 10); /* nobody is inside */
    CHECK(pthread_create(&thread, NULL, sleeper, &t) == 0);
    while (!gm_load_acq(&t.inside))
        sched_yield();
    trial_retire(&t, 5000);
    gm_epoch_collect(t.e);
    CHECK(t.released == 10);
    gm_store_rel(&t.go, 1);
    pthread_join(thread, NULL);
    gm_epoch_collect(t.e);
    gm_epoch_counts(t.e, &retired, &freed);
    CHECK(t.released == 5010 && retired == 5010 && freed == 5010);
    trial_retire(&t, 100000);
    CHECK(t.released > 5010 + 90000); /* by leaving */
    gm_epochs_free(t.e);
    CHECK(t.released == 105010 && gm_faulty_live_blocks(f) == 0);
    gm_faulty_free(f);
}

/* ------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {{"model", test_model},       {"nan", test_nan},         {"failing", test_failing},   {"churn", test_churn},
             {"counters", test_counters}, {"cas", test_cas},         {"winners", test_winners},   {"tokens", test_tokens},
             {"reading", test_reading},   {"ranging", test_ranging}, {"clearing", test_clearing}, {"stalling", test_stalling},
             {"threads", test_threads},   {"paused", test_paused},   {"sparing", test_sparing}};

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "all";
    percent = argc > 2 ? (uint64_t)atoi(argv[2]) : 100;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (strcmp(which, "all") != 0 && strcmp(which, tests[i].name) != 0)
            continue;
        printf("%s\n", tests[i].name);
        fflush(stdout);
        tests[i].run();
    }
    printf("ok\n");
    return 0;
}
