/* variants.c: tests of the map designs of csrc/sync, all through the table of map/variant.h.
 *
 * usage: variants NAME|all [TEST|all [SCALE]]. Prints a line for each test; exits 1 at the first thing that is wrong. SCALE
 * (percent, 100) says how long the tests with random operations go on. Meant to be compiled with a sanitizer.
 *
 * One thread
 *   model      random operations of all kinds beside an array that says what must come out, for several kinds of keys, elems
 *              and for keys whose hashes are all equal
 *   refusing   what is not offered is refused, and leaves nothing behind
 *   nan        NaN keys: each store adds an entry, none is found
 *   failing    the same as `model` while allocations fail: what failed has changed nothing and succeeds when tried again;
 *              nothing is left when the map is dropped
 *   churn      memory does not grow with the number of operations
 * Several threads
 *   counters   add: nothing is lost, and nobody sees a counter go back
 *   cas        the same by compare_and_swap loops
 *   winners    load_or_store, then delete, by all at once: one wins each
 *   tokens     every elem ever stored is given back exactly once: by the swap or delete that took it out, or at the end
 *   torn       large elems are seen whole, under all operations and clear
 *   ranging    what is there throughout comes exactly once, everything else at most once
 */
#include "base/atomics.h"
#include "sync/sync.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                            \
            exit(1);                                                                                                           \
        }                                                                                                                      \
    } while (0)

static const struct {
    const char *name;
    const gm_variant *v;
} variants[] = {
    {"mutex", &gm_locked_mutex},     {"rwmutex", &gm_locked_rwmutex}, {"growlock", &gm_locked_growlock},
    {"sharded", &gm_locked_sharded}, {"syncmap", &gm_syncmap},        {"hashtrie", &gm_hashtrie},
    {"lockfree", &gm_lockfree},
};

static const gm_variant *V;
static uint64_t percent = 100;

enum { THREADS = 4, MOST_KEYS = 512, MOST_ELEM = 200 };

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

/* ------------------------------------------------------------------ kinds of maps */

typedef struct kind {
    const char *name;
    int key_kind;
    size_t key_size;
    int elem_kind;
    size_t elem_size;
    int hasher;
    bool colliding; /* all keys have one hash */
} kind;

static const kind kinds[] = {
    {"int64", GM_MEM, 8, GM_MEM, 8, GM_HASH_AES, false},
    {"int32-ref", GM_MEM, 4, GM_REF, 0, GM_HASH_MEM, false},
    {"str", GM_STRING, 0, GM_MEM, 8, GM_HASH_AES, false},
    {"str-200", GM_STRING, 0, GM_MEM, 200, GM_HASH_MEM, false},
    {"float64", GM_FLOAT64, 0, GM_FLOAT64, 0, GM_HASH_AES, false},
    {"bytes300-3", GM_MEM, 300, GM_MEM, 3, GM_HASH_AES_PORTABLE, false},
    {"int64-none", GM_MEM, 8, GM_MEM, 0, GM_HASH_AES, false},
    {"colliding", GM_MEM, 16, GM_MEM, 8, GM_HASH_MEM, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds, INT64 = 0, STR_200 = 3, NONE = 6, COLLIDING = 7 };

static const uint64_t hashkey[4] = {3, 0x123456789ABCDEF1u, 5, 7};

static size_t elem_size(const kind *k)
{
    return k->elem_kind == GM_MEM ? k->elem_size : 8;
}

static bool adds(const kind *k)
{
    return elem_size(k) == 8 && k->elem_kind != GM_REF;
}

static void *make_with(const kind *k, const gm_alloc *alloc, int *status)
{
    gm_config c = {.key_kind = k->key_kind,
                   .key_size = k->key_size,
                   .elem_kind = k->elem_kind,
                   .elem_size = k->elem_size,
                   .hasher = k->hasher,
                   .hashkey = k->colliding ? hashkey : NULL,
                   .seed = 42,
                   .alloc = alloc};
    gm_guard_config g = {.shards = 4};
    void *self = NULL;
    *status = V->make(&c, &g, &self);
    return self;
}

static void *make(const kind *k)
{
    int status;
    void *self = make_with(k, NULL, &status);
    CHECK(status == GM_OK && self);
    return self;
}

typedef struct key {
    size_t len;
    unsigned char b[320];
} key;

/* Key i. memhash makes nothing of a second word where the first is its own key. Of string keys one is empty. */
static key key_of(const kind *k, uint64_t i)
{
    key r = {0};
    double d = (double)i;
    r.len = k->key_kind == GM_STRING ? i % 61 + (i > 60 ? 8 : 0) : k->key_kind == GM_FLOAT64 ? 8 : k->key_size;
    if (k->key_kind == GM_FLOAT64) {
        memcpy(r.b, &d, 8);
    } else if (k->key_kind == GM_STRING) {
        memset(r.b, (int)(i & 0x7F), r.len);
        if (i > 60)
            memcpy(r.b, &i, 8);
    } else if (k->colliding) {
        memcpy(r.b, &hashkey[1], 8);
        memcpy(r.b + 8, &i, 8);
    } else {
        memcpy(r.b + r.len - 4, &i, 4);
        memcpy(r.b, &i, 4);
    }
    return r;
}

/* The number of a key that came out of a map. */
static uint64_t number_of(const kind *k, const void *b, size_t len)
{
    for (uint64_t i = 0; i < MOST_KEYS; i++) {
        key r = key_of(k, i);
        if (r.len == len && (len == 0 || memcmp(r.b, b, len) == 0))
            return i;
    }
    return UINT64_MAX;
}

/* All bytes of an elem follow from a number of 8 bytes, so that a mixture shows. */
static void elem_of(const kind *k, uint64_t n, unsigned char *e)
{
    for (size_t i = 0; i < elem_size(k); i++)
        e[i] = (unsigned char)(n >> i % 8 * 8);
}

static bool is_whole(const kind *k, const unsigned char *e)
{
    for (size_t i = 8; i < elem_size(k); i++)
        if (e[i] != e[i % 8])
            return false;
    return true;
}

/* ------------------------------------------------------------------ model */

typedef struct model {
    const kind *k;
    void *self;
    gm_faulty *faulty; /* or NULL */
    uint64_t x, keys, n, failures;
    bool there[MOST_KEYS];
    unsigned char elem[MOST_KEYS][MOST_ELEM];
    unsigned seen[MOST_KEYS]; /* by a range */
    uint64_t range_left;
} model;

/* Where allocations fail: lets one of the next few fail, if chance says so. */
static void arm(model *o)
{
    if (o->faulty && next(&o->x) % 3 == 0)
        gm_faulty_arm(o->faulty, 1 + next(&o->x) % 5, 1);
}

static bool same(const model *o, uint64_t i, const unsigned char *e)
{
    size_t n = elem_size(o->k);
    return n == 0 || memcmp(o->elem[i], e, n) == 0;
}

static void check_one(model *o, uint64_t i)
{
    key k = key_of(o->k, i);
    unsigned char e[MOST_ELEM];
    CHECK(V->get(o->self, k.b, k.len, e) == (o->there[i] ? GM_OK : GM_MISS));
    CHECK(!o->there[i] || same(o, i, e));
}

/* An operation has failed for want of memory: then nothing has changed. True: it is to be tried again. */
static bool failed(model *o, int status, uint64_t i)
{
    uint64_t n;
    if (o->faulty)
        gm_faulty_arm(o->faulty, 0, 0);
    if (status != GM_E_NOMEM)
        return false;
    CHECK(o->faulty);
    o->failures++;
    check_one(o, i);
    CHECK(V->len(o->self, &n) == GM_OK && n == o->n);
    return true;
}

static void put(model *o, uint64_t i, const unsigned char *e)
{
    o->n += !o->there[i];
    o->there[i] = true;
    memcpy(o->elem[i], e, elem_size(o->k));
}

static void take(model *o, uint64_t i)
{
    o->n -= o->there[i];
    o->there[i] = false;
}

static void do_assign(model *o, uint64_t i)
{
    key k = key_of(o->k, i);
    unsigned char e[MOST_ELEM], old[MOST_ELEM];
    int status;
    elem_of(o->k, next(&o->x) | 1, e);
    do
        arm(o), status = V->assign(o->self, k.b, k.len, e, old);
    while (failed(o, status, i));
    CHECK(status == (o->there[i] ? GM_OK : GM_MISS));
    CHECK(!o->there[i] || same(o, i, old));
    put(o, i, e);
}

static void do_delete(model *o, uint64_t i)
{
    key k = key_of(o->k, i);
    unsigned char old[MOST_ELEM];
    bool want = next(&o->x) & 1;
    int status;
    do
        arm(o), status = V->del(o->self, k.b, k.len, want ? old : NULL);
    while (failed(o, status, i));
    CHECK(status == (o->there[i] ? GM_OK : GM_MISS));
    CHECK(!o->there[i] || !want || same(o, i, old));
    take(o, i);
}

static void do_load_or_store(model *o, uint64_t i)
{
    key k = key_of(o->k, i);
    unsigned char e[MOST_ELEM], actual[MOST_ELEM];
    int status;
    elem_of(o->k, next(&o->x) | 1, e);
    do
        arm(o), status = V->load_or_store(o->self, k.b, k.len, e, actual);
    while (failed(o, status, i));
    CHECK(status == (o->there[i] ? GM_OK : GM_MISS));
    if (!o->there[i])
        put(o, i, e);
    CHECK(same(o, i, actual));
}

static void do_compare_and_swap(model *o, uint64_t i)
{
    key k = key_of(o->k, i);
    unsigned char e[MOST_ELEM], expected[MOST_ELEM];
    bool right = next(&o->x) % 4, removing = next(&o->x) % 4 == 0;
    int status;
    elem_of(o->k, next(&o->x) | 1, e);
    if (right)
        memcpy(expected, o->elem[i], sizeof expected);
    else
        elem_of(o->k, next(&o->x), expected);
    right = o->there[i] && same(o, i, expected);
    do
        arm(o), status = V->compare_and_swap(o->self, k.b, k.len, expected, removing ? NULL : e);
    while (failed(o, status, i));
    CHECK(status == (right ? GM_OK : GM_MISS));
    if (right && removing)
        take(o, i);
    else if (right)
        put(o, i, e);
}

static void do_add(model *o, uint64_t i)
{
    key k = key_of(o->k, i);
    int64_t delta = (int64_t)next(&o->x) - (INT64_C(1) << 47), sum = 0, before = 0;
    int status;
    if (!adds(o->k))
        return;
    if (o->there[i])
        memcpy(&before, o->elem[i], 8);
    do
        arm(o), status = V->add(o->self, k.b, k.len, delta, &sum);
    while (failed(o, status, i));
    CHECK(status == (o->there[i] ? GM_OK : GM_MISS));
    CHECK(sum == (int64_t)((uint64_t)before + (uint64_t)delta));
    put(o, i, (const unsigned char *)&sum);
}

static bool see(void *ctx, const void *b, size_t len, const void *e)
{
    model *o = ctx;
    uint64_t i = number_of(o->k, b, len);
    CHECK(i < o->keys && o->there[i] && same(o, i, e));
    CHECK(o->seen[i]++ == 0);
    return --o->range_left > 0;
}

static void do_range(model *o, uint64_t limit, uint64_t stop_after)
{
    uint64_t expected = limit < stop_after ? limit : stop_after, came = 0;
    memset(o->seen, 0, sizeof o->seen);
    o->range_left = stop_after;
    CHECK(V->range(o->self, limit, see, o) == GM_OK);
    for (uint64_t i = 0; i < o->keys; i++)
        came += o->seen[i];
    CHECK(came == (expected < o->n ? expected : o->n));
}

static void do_clear(model *o)
{
    int status;
    do
        arm(o), status = V->clear(o->self);
    while (failed(o, status, 0));
    CHECK(status == GM_OK);
    memset(o->there, 0, sizeof o->there);
    o->n = 0;
}

static void do_any(model *o)
{
    uint64_t r = next(&o->x) % 1000, i = next(&o->x) % o->keys, n;
    gm_broken b;
    if (r < 300)
        check_one(o, i);
    else if (r < 500)
        do_assign(o, i);
    else if (r < 650)
        do_delete(o, i);
    else if (r < 750)
        do_load_or_store(o, i);
    else if (r < 850)
        do_compare_and_swap(o, i);
    else if (r < 960)
        do_add(o, i);
    else if (r < 990)
        CHECK(V->len(o->self, &n) == GM_OK && n == o->n);
    else if (r < 994)
        CHECK(V->check(o->self, &b) == GM_OK);
    else if (r < 996)
        do_range(o, UINT64_MAX, UINT64_MAX);
    else if (r < 998)
        do_range(o, next(&o->x) % 20, 1 + next(&o->x) % 20);
    else if (r == 999 && o->k->elem_kind != GM_REF)
        do_clear(o);
}

static void run_model(model *o, uint64_t ops)
{
    uint64_t n;
    gm_stats s;
    gm_broken b;
    for (uint64_t i = 0; i < ops; i++)
        do_any(o);
    for (uint64_t i = 0; i < o->keys; i++)
        check_one(o, i);
    do_range(o, UINT64_MAX, UINT64_MAX);
    CHECK(V->len(o->self, &n) == GM_OK && n == o->n);
    CHECK(V->check(o->self, &b) == GM_OK);
    V->stats(o->self, &s);
    CHECK(s.entries == o->n && s.freed <= s.retired);
    for (uint64_t i = 0; i < 300; i++) /* so that the map is not dropped in the state that a range leaves */
        do_any(o);
}

static void test_model(void)
{
    for (int k = 0; k < KINDS; k++)
        for (uint64_t keys = 8; keys <= 512; keys *= 8) {
            static model o;
            o = (model){.k = &kinds[k], .x = 77 + keys, .keys = keys == 512 && k == COLLIDING ? 40 : keys};
            o.self = make(o.k);
            run_model(&o, scaled(60000));
            V->drop(o.self);
        }
}

/* One zero: assigning under the other name finds it. */
static void check_zeros(const kind *k)
{
    void *self = make(k);
    double plus = 0.0, minus = -0.0;
    uint64_t n;
    int64_t e = 1;
    CHECK(V->assign(self, &plus, 8, &e, NULL) == GM_MISS);
    CHECK(V->assign(self, &minus, 8, &e, NULL) == GM_OK);
    CHECK(V->get(self, &plus, 8, &e) == GM_OK && V->len(self, &n) == GM_OK && n == 1);
    CHECK(V->del(self, &minus, 8, NULL) == GM_OK && V->get(self, &plus, 8, &e) == GM_MISS);
    V->drop(self);
}

static bool count_one(void *ctx, const void *b, size_t len, const void *e)
{
    (void)b;
    (void)len;
    (void)e;
    ++*(uint64_t *)ctx;
    return true;
}

static void test_nan(void)
{
    const kind k = {"nan", GM_FLOAT64, 0, GM_MEM, 8, GM_HASH_AES, false};
    void *self = make(&k);
    double nan = __builtin_nan("");
    int64_t e = 1;
    uint64_t n, came = 0, rounds = 300;
    gm_broken b;
    check_zeros(&k);
    for (uint64_t i = 0; i < rounds; i++) {
        double d = (double)(i % 5);
        CHECK(V->assign(self, &nan, 8, &e, NULL) == GM_MISS);
        CHECK(V->load_or_store(self, &nan, 8, &e, &e) == GM_MISS);
        CHECK(V->add(self, &nan, 8, 1, &e) == GM_MISS && e == 1);
        CHECK(V->get(self, &nan, 8, &e) == GM_MISS);
        CHECK(V->del(self, &nan, 8, &e) == GM_MISS);
        CHECK(V->compare_and_swap(self, &nan, 8, &e, NULL) == GM_MISS);
        CHECK(V->assign(self, &d, 8, &e, NULL) == (i < 5 ? GM_MISS : GM_OK));
    }
    CHECK(V->len(self, &n) == GM_OK && n == 3 * rounds + 5);
    CHECK(V->range(self, UINT64_MAX, count_one, &came) == GM_OK && came == n);
    CHECK(V->check(self, &b) == GM_OK);
    CHECK(V->clear(self) == GM_OK && V->len(self, &n) == GM_OK && n == 0);
    V->drop(self);
}

/* ------------------------------------------------------------------ memory */

static void check_failing_make(const kind *k)
{
    for (uint64_t nth = 1; nth < 30; nth++) {
        gm_faulty *f = gm_faulty_new();
        int status;
        gm_faulty_arm(f, nth, 1);
        void *self = make_with(k, gm_faulty_alloc(f), &status);
        CHECK(status == (self ? GM_OK : GM_E_NOMEM));
        gm_faulty_arm(f, 0, 0);
        if (self)
            V->drop(self);
        CHECK(gm_faulty_live_blocks(f) == 0 && gm_faulty_live_bytes(f) == 0);
        gm_faulty_free(f);
    }
}

/* Kinds of elems that these maps do not have, and add where the elem is no number. */
static void test_refusing(void)
{
    const int elem_kinds[] = {GM_STRING, GM_PTR};
    for (int i = 0; i < 2; i++) {
        gm_config c = {.key_kind = GM_STRING, .elem_kind = elem_kinds[i]};
        void *self;
        CHECK(V->make(&c, &(gm_guard_config){.shards = 1}, &self) == GM_E_ARGUMENT && !self);
    }
    for (int k = 0; k < KINDS; k++) {
        if (adds(&kinds[k]))
            continue;
        key b = key_of(&kinds[k], 1);
        void *self = make(&kinds[k]);
        int64_t sum;
        uint64_t n;
        CHECK(V->add(self, b.b, b.len, 1, &sum) == GM_E_ARGUMENT);
        CHECK(V->len(self, &n) == GM_OK && n == 0);
        V->drop(self);
    }
}

static void test_failing(void)
{
    uint64_t failures = 0;
    for (int k = 0; k < KINDS; k++) {
        static model o;
        int status;
        check_failing_make(&kinds[k]);
        o = (model){.k = &kinds[k], .x = 99, .keys = k == COLLIDING ? 40 : 200, .faulty = gm_faulty_new()};
        o.self = make_with(o.k, gm_faulty_alloc(o.faulty), &status);
        CHECK(status == GM_OK);
        run_model(&o, scaled(40000));
        failures += o.failures;
        V->drop(o.self);
        CHECK(gm_faulty_live_blocks(o.faulty) == 0 && gm_faulty_live_bytes(o.faulty) == 0);
        gm_faulty_free(o.faulty);
    }
    CHECK(failures > 0);
}

static void churn(void *self, const kind *k, uint64_t ops, uint64_t keys, uint64_t x)
{
    unsigned char e[MOST_ELEM];
    for (uint64_t i = 0; i < ops; i++) {
        key b = key_of(k, next(&x) % keys);
        elem_of(k, next(&x), e);
        int status = i % 5 < 2    ? V->assign(self, b.b, b.len, e, NULL)
                     : i % 5 == 2 ? V->load_or_store(self, b.b, b.len, e, e)
                     : i % 5 == 3 ? V->del(self, b.b, b.len, NULL)
                                  : V->get(self, b.b, b.len, e);
        CHECK(status >= 0);
    }
}

typedef struct churner {
    void *self;
    const kind *k;
    uint64_t ops, keys, x;
} churner;

static void *churner_body(void *arg)
{
    churner *c = arg;
    churn(c->self, c->k, c->ops, c->keys, c->x);
    return NULL;
}

/* A map that has been cleared, when all that was retired before has had its chances to be freed. */
static uint64_t blocks_at_rest(void *self, gm_faulty *f, const kind *k)
{
    CHECK(V->clear(self) == GM_OK);
    churn(self, k, 3000, 1, 5);
    CHECK(V->clear(self) == GM_OK);
    return gm_faulty_live_blocks(f);
}

static void test_churn(void)
{
    const kind *k = &kinds[STR_200];
    gm_faulty *f = gm_faulty_new();
    int status;
    void *self = make_with(k, gm_faulty_alloc(f), &status);
    pthread_t t[2];
    churner c[2];
    CHECK(status == GM_OK);
    uint64_t before = blocks_at_rest(self, f, k);
    for (int i = 0; i < 2; i++) {
        c[i] = (churner){self, k, scaled(500000), 400, 11 + (uint64_t)i};
        CHECK(pthread_create(&t[i], NULL, churner_body, &c[i]) == 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    uint64_t under_way = gm_faulty_live_blocks(f), after = blocks_at_rest(self, f, k);
    gm_stats s;
    V->stats(self, &s);
    printf("    blocks: %llu before, %llu after churn, %llu at rest; retired %llu freed %llu; %llu bytes\n",
           (unsigned long long)before, (unsigned long long)under_way, (unsigned long long)after, (unsigned long long)s.retired,
           (unsigned long long)s.freed, (unsigned long long)s.bytes);
    CHECK(under_way < 20000 && after <= before + 1000);
    V->drop(self);
    CHECK(gm_faulty_live_blocks(f) == 0);
    gm_faulty_free(f);
}

/* ------------------------------------------------------------------ several threads */

typedef struct crew crew;
typedef struct member {
    crew *c;
    uint64_t id, x;
    pthread_t thread;
} member;

struct crew {
    const kind *k;
    void *self;
    uint64_t ops, keys;
    void (*body)(member *);
    pthread_barrier_t barrier;
    _Atomic int64_t totals[64];
    _Atomic uint64_t winners, winner;
    _Atomic unsigned char *stored, *returned; /* tokens */
    member m[THREADS];
};

static void *member_body(void *arg)
{
    member *m = arg;
    pthread_barrier_wait(&m->c->barrier);
    m->c->body(m);
    return NULL;
}

static void run_crew(crew *c)
{
    gm_broken b;
    c->self = make(c->k);
    CHECK(pthread_barrier_init(&c->barrier, NULL, THREADS) == 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        c->m[i] = (member){c, i, 1000003 * (i + 1), 0};
        CHECK(pthread_create(&c->m[i].thread, NULL, member_body, &c->m[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(c->m[i].thread, NULL);
    pthread_barrier_destroy(&c->barrier);
    CHECK(V->check(c->self, &b) == GM_OK);
}

static void check_totals(crew *c)
{
    for (uint64_t i = 0; i < c->keys; i++) {
        key k = key_of(c->k, i);
        int64_t sum = 0;
        CHECK(V->get(c->self, k.b, k.len, &sum) >= 0 && sum == c->totals[i]);
    }
    V->drop(c->self);
}

/* Counters only rise, so what one thread sees of one only rises. Other keys come and go, so that the map changes shape. */
static void count_by_add(member *m)
{
    crew *c = m->c;
    int64_t last[64] = {0};
    for (uint64_t n = 0; n < c->ops; n++) {
        uint64_t r = next(&m->x), i = r % c->keys;
        key k = key_of(c->k, i), other = key_of(c->k, 64 + (r >> 8) % 200);
        int64_t sum = 0, delta = (int64_t)(r >> 20 & 7) + 1, e = 1;
        if (r >> 30 & 1) {
            CHECK(V->add(c->self, k.b, k.len, delta, &sum) >= 0);
            CHECK(sum >= last[i] + delta);
            gm_add_rlx(&c->totals[i], delta);
        } else {
            int status = V->get(c->self, k.b, k.len, &sum);
            CHECK(status == GM_OK || last[i] == 0);
            CHECK(sum >= last[i]);
        }
        last[i] = sum;
        if (r >> 31 & 1)
            CHECK((r >> 32 & 1 ? V->assign(c->self, other.b, other.len, &e, NULL)
                               : V->del(c->self, other.b, other.len, NULL)) >= 0);
    }
}

static void count_by_cas(member *m)
{
    crew *c = m->c;
    for (uint64_t n = 0; n < c->ops; n++) {
        key k = key_of(c->k, next(&m->x) % c->keys);
        uint64_t i = number_of(c->k, k.b, k.len);
        int64_t now = 0, zero = 0;
        for (;;) {
            CHECK(V->load_or_store(c->self, k.b, k.len, &zero, &now) >= 0);
            int64_t more = now + 1;
            int status = V->compare_and_swap(c->self, k.b, k.len, &now, &more);
            CHECK(status >= 0);
            if (status == GM_OK)
                break;
        }
        gm_add_rlx(&c->totals[i], 1);
    }
}

static void test_counters(void)
{
    const int which[] = {INT64, 2, COLLIDING};
    for (int i = 0; i < 3; i++) {
        static crew c;
        c = (crew){.k = &kinds[which[i]], .ops = scaled(40000), .keys = which[i] == COLLIDING ? 6 : 64, .body = count_by_add};
        run_crew(&c);
        check_totals(&c);
    }
}

static void test_cas(void)
{
    const int which[] = {INT64, COLLIDING};
    for (int i = 0; i < 2; i++) {
        static crew c;
        c = (crew){.k = &kinds[which[i]], .ops = scaled(20000), .keys = 4, .body = count_by_cas};
        run_crew(&c);
        check_totals(&c);
    }
}

/* Rounds: all store the key of the round, then all delete it. */
static void compete(member *m)
{
    crew *c = m->c;
    for (uint64_t round = 0; round < c->ops; round++) {
        key k = key_of(c->k, round % c->keys);
        uint64_t mine = round * THREADS + m->id + 1, actual = 0;
        int status = V->load_or_store(c->self, k.b, k.len, &mine, &actual);
        if (status == GM_MISS) {
            gm_add_rlx(&c->winners, 1);
            gm_store_rlx(&c->winner, actual);
            CHECK(actual == mine);
        }
        pthread_barrier_wait(&c->barrier);
        CHECK(status >= 0 && gm_load_rlx(&c->winners) == 1 && gm_load_rlx(&c->winner) == actual);
        pthread_barrier_wait(&c->barrier);
        if (V->del(c->self, k.b, k.len, &actual) == GM_OK) {
            gm_add_rlx(&c->winners, 1);
            CHECK(gm_load_rlx(&c->winner) == actual);
        }
        pthread_barrier_wait(&c->barrier);
        CHECK(gm_load_rlx(&c->winners) == 2);
        pthread_barrier_wait(&c->barrier);
        gm_store_rlx(&c->winners, 0);
        pthread_barrier_wait(&c->barrier);
    }
}

static void test_winners(void)
{
    const int which[] = {INT64, COLLIDING};
    for (int i = 0; i < 2; i++) {
        static crew c;
        c = (crew){.k = &kinds[which[i]], .ops = scaled(3000), .keys = 64, .body = compete};
        run_crew(&c);
        V->drop(c.self);
    }
}

static void give_back(crew *c, uint64_t token)
{
    CHECK(token > 0 && token <= THREADS * c->ops);
    CHECK(gm_add_rlx(&c->returned[token], 1) == 0);
}

/* One operation with a token of its own. */
static void pass_token(member *m, uint64_t token)
{
    crew *c = m->c;
    uint64_t r = next(&m->x), other = 0;
    key k = key_of(c->k, r % c->keys);
    int status, what = (int)(r >> 16 & 7);
    if (what < 3) {
        status = V->assign(c->self, k.b, k.len, &token, &other);
        gm_store_rlx(&c->stored[token], 1);
        if (status == GM_OK)
            give_back(c, other);
    } else if (what < 5) {
        status = V->del(c->self, k.b, k.len, &other);
        if (status == GM_OK)
            give_back(c, other);
    } else if (what < 6) {
        status = V->load_or_store(c->self, k.b, k.len, &token, &other);
        if (status == GM_MISS)
            gm_store_rlx(&c->stored[token], 1);
    } else if ((status = V->get(c->self, k.b, k.len, &other)) == GM_OK) {
        status = V->compare_and_swap(c->self, k.b, k.len, &other, what == 6 ? &token : NULL);
        if (status == GM_OK) {
            gm_store_rlx(&c->stored[token], what == 6);
            give_back(c, other);
        }
    }
    CHECK(status >= 0);
}

static void pass_tokens(member *m)
{
    for (uint64_t n = 0; n < m->c->ops; n++)
        pass_token(m, n * THREADS + m->id + 1);
}

static bool last_token(void *ctx, const void *b, size_t len, const void *e)
{
    uint64_t token;
    (void)b;
    (void)len;
    memcpy(&token, e, 8);
    give_back(ctx, token);
    return true;
}

static void test_tokens(void)
{
    const int which[] = {1, 2, COLLIDING};
    for (int i = 0; i < 3; i++) {
        static crew c;
        c = (crew){.k = &kinds[which[i]], .ops = scaled(40000), .keys = which[i] == COLLIDING ? 6 : 64, .body = pass_tokens};
        c.stored = calloc(1, THREADS * c.ops + 1);
        c.returned = calloc(1, THREADS * c.ops + 1);
        CHECK(c.stored && c.returned);
        run_crew(&c);
        CHECK(V->range(c.self, UINT64_MAX, last_token, &c) == GM_OK);
        for (uint64_t t = 1; t <= THREADS * c.ops; t++)
            CHECK(c.stored[t] == c.returned[t]);
        free(c.stored);
        free(c.returned);
        V->drop(c.self);
    }
}

static bool see_whole(void *ctx, const void *b, size_t len, const void *e)
{
    (void)b;
    (void)len;
    CHECK(is_whole(ctx, e));
    return true;
}

static void do_all(member *m)
{
    crew *c = m->c;
    unsigned char e[MOST_ELEM], out[MOST_ELEM];
    for (uint64_t n = 0; n < c->ops; n++) {
        uint64_t r = next(&m->x), what = r >> 20 & 1023, count;
        key k = key_of(c->k, r % c->keys);
        int status = GM_MISS;
        elem_of(c->k, next(&m->x), e);
        if (what < 300)
            status = V->get(c->self, k.b, k.len, out);
        else if (what < 500)
            status = V->assign(c->self, k.b, k.len, e, out);
        else if (what < 650)
            status = V->del(c->self, k.b, k.len, out);
        else if (what < 800)
            status = V->load_or_store(c->self, k.b, k.len, e, out);
        else if (what < 1000 && (status = V->get(c->self, k.b, k.len, out)) == GM_OK)
            status = V->compare_and_swap(c->self, k.b, k.len, out, what & 1 ? e : NULL);
        else if (what < 1005)
            CHECK(V->range(c->self, UINT64_MAX, see_whole, (void *)(uintptr_t)c->k) == GM_OK);
        else if (what < 1010)
            CHECK(V->clear(c->self) == GM_OK);
        else
            CHECK(V->len(c->self, &count) == GM_OK);
        CHECK(status >= 0 && (status != GM_OK || is_whole(c->k, out)));
    }
}

static void test_torn(void)
{
    for (uint64_t keys = 4; keys <= 256; keys *= 8) {
        static crew c;
        c = (crew){.k = &kinds[STR_200], .ops = scaled(30000), .keys = keys, .body = do_all};
        run_crew(&c);
        V->drop(c.self);
    }
}

typedef struct sighting {
    const crew *c;
    unsigned char seen[MOST_KEYS];
} sighting;

static bool sight(void *ctx, const void *b, size_t len, const void *e)
{
    sighting *s = ctx;
    uint64_t i = number_of(s->c->k, b, len);
    (void)e;
    CHECK(i < s->c->keys && s->seen[i]++ == 0);
    return true;
}

/* Every third key stays; the others come and go. */
static void range_or_change(member *m)
{
    crew *c = m->c;
    for (uint64_t i = m->id; i < c->keys; i += THREADS) {
        key k = key_of(c->k, i);
        CHECK(V->assign(c->self, k.b, k.len, &i, NULL) == GM_MISS);
    }
    pthread_barrier_wait(&c->barrier);
    for (uint64_t n = 0; n < c->ops; n++) {
        uint64_t r = next(&m->x), i = r % c->keys;
        key k = key_of(c->k, i);
        if (m->id == 0 && n % 50 == 0) {
            sighting s = {.c = c};
            CHECK(V->range(c->self, UINT64_MAX, sight, &s) == GM_OK);
            for (i = 0; i < c->keys; i += 3)
                CHECK(s.seen[i] == 1);
        } else if (i % 3 == 0 || r >> 20 & 1) {
            CHECK(V->assign(c->self, k.b, k.len, &r, NULL) >= 0);
        } else {
            CHECK(V->del(c->self, k.b, k.len, NULL) >= 0);
        }
    }
}

static void test_ranging(void)
{
    const int which[] = {INT64, COLLIDING};
    for (int i = 0; i < 2; i++) {
        static crew c;
        c = (crew){
            .k = &kinds[which[i]], .ops = scaled(10000), .keys = which[i] == COLLIDING ? 12 : 256, .body = range_or_change};
        run_crew(&c);
        V->drop(c.self);
    }
}

/* ------------------------------------------------------------------ which */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {{"model", test_model},   {"refusing", test_refusing}, {"nan", test_nan},        {"failing", test_failing},
             {"churn", test_churn},   {"counters", test_counters}, {"cas", test_cas},        {"winners", test_winners},
             {"tokens", test_tokens}, {"torn", test_torn},         {"ranging", test_ranging}};

static bool chosen(const char *wanted, const char *name)
{
    return strcmp(wanted, "all") == 0 || strcmp(wanted, name) == 0;
}

int main(int argc, char **argv)
{
    const char *variant = argc > 1 ? argv[1] : "all", *test = argc > 2 ? argv[2] : "all";
    int ran = 0;
    percent = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
            if (!chosen(variant, variants[v].name) || !chosen(test, tests[t].name))
                continue;
            V = variants[v].v;
            tests[t].run();
            printf("%-10s %-10s ok\n", variants[v].name, tests[t].name);
            fflush(stdout);
            ran++;
        }
    return ran ? 0 : 2;
}
