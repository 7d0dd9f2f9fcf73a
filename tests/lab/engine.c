/* engine.c: the engine under ThreadSanitizer, AddressSanitizer and LeakSanitizer, without Python.
 *
 * usage: engine ROUNDS. Runs workloads of every kind of key, operation, pace and ending; exits 1 at a forbidden outcome:
 *
 *   forbidden    a report of a sanitizer, a thread or a block left behind, a status other than the one asked for, a map that
 *                fails its check, counters that do not add up
 *
 * Endings: done; cancelled by another thread at a random moment, twice; the k-th thread not to be had; a CPU that is not
 * there; the n-th allocation of the engine refused; the map's memory used up in the middle.
 */
#include "base/rng.h"
#include "base/thread.h"
#include "map/hmap.h"

#include <stdio.h>
#include <stdlib.h>

static int bad;

#define expect(what)                                                                                                           \
    do {                                                                                                                       \
        if (!(what)) {                                                                                                         \
            printf("line %d: not so: %s\n", __LINE__, #what);                                                                  \
            bad = 1;                                                                                                           \
        }                                                                                                                      \
    } while (0)

/* A spawner that refuses the k-th thread and all after it, and counts those that were made and joined. Threads start others. */
typedef struct counting {
    gm_spawner real;
    pthread_mutex_t lock;
    unsigned made, joined, refused, refuse; /* refuse: number of the thread, from 1; 0: none */
} counting;

static int start_counting(void *ctx, void *(*body)(void *), void *arg, gm_thread *out)
{
    counting *c = ctx;
    pthread_mutex_lock(&c->lock);
    bool no = c->made + 1 == c->refuse;
    c->refused += no;
    c->made += !no;
    pthread_mutex_unlock(&c->lock);
    return no ? GM_E_THREAD : c->real.start(c->real.ctx, body, arg, out);
}

static void join_counting(void *ctx, gm_thread t)
{
    counting *c = ctx;
    c->joined++;
    c->real.join(c->real.ctx, t);
}

typedef struct setup {
    gm_faulty *memory; /* the engine's */
    gm_map *m;
    counting threads;
    gm_spawner spawner;
    gm_group groups[4];
    gm_sched_config sched;
    gm_run_config c;
} setup;

static void mix_of(gm_group *g, const int *ops, int n)
{
    for (int i = 0; i < n; i++)
        g->mix[ops[i]] += 100.0 / n;
}

/* Two threads that do everything, on a map of one kind of key. */
static void make(setup *s, int key_kind, size_t key_size, const gm_alloc *map_memory)
{
    static const int all[] = {GM_OP_GET, GM_OP_GET_MISS, GM_OP_ASSIGN_NEW,    GM_OP_ASSIGN, GM_OP_DELETE,
                              GM_OP_LEN, GM_OP_ITERATE,  GM_OP_LOAD_OR_STORE, GM_OP_ADD,    GM_OP_REPLACE};
    *s = (setup){.memory = gm_faulty_new()};
    gm_config mc = {.key_kind = key_kind,
                    .key_size = key_size,
                    .elem_kind = GM_MEM,
                    .elem_size = 8,
                    .seed = 3,
                    .events = 256,
                    .event_kinds = 15,
                    .alloc = map_memory};
    expect(gm_map_new(&mc, &s->m) == GM_OK);
    s->threads.real = gm_spawner_default();
    pthread_mutex_init(&s->threads.lock, NULL);
    s->spawner = (gm_spawner){start_counting, join_counting, &s->threads};
    s->groups[0] = (gm_group){.threads = 1, .scan = 20};
    s->groups[1] = (gm_group){.threads = 2, .scan = 20, .keys.kind = GM_STREAM_LATEST, .keys.theta = 0.9};
    mix_of(&s->groups[0], all, 10);
    mix_of(&s->groups[1], all, 2);
    s->c = (gm_run_config){.groups = s->groups,
                           .ngroups = 2,
                           .variant = GM_VARIANT_PLAIN,
                           .key_kind = key_kind,
                           .key_size = key_size,
                           .target = s->m,
                           .size = 500,
                           .keyspace = 500,
                           .ops = 20000,
                           .seed = 9,
                           .every = 1,
                           .attribution = 1,
                           .slow_ns = 2000,
                           .slowest = 50,
                           .intervals = 8,
                           .alloc = gm_faulty_alloc(s->memory),
                           .spawner = &s->spawner};
}

static void unmake(setup *s)
{
    gm_broken at;
    expect(s->threads.made == s->threads.joined);
    expect(gm_map_check(s->m, &at) == GM_OK);
    gm_map_free(s->m);
    expect(gm_faulty_live_blocks(s->memory) == 0);
    gm_faulty_free(s->memory);
}

static uint64_t done_of(const gm_run_totals *t)
{
    uint64_t n = 0;
    for (int op = 0; op < GM_OPS; op++)
        n += t->done[op];
    for (int i = 0; i < 9; i++)
        n += t->errors[i];
    return n;
}

static void run(setup *s, int want)
{
    gm_run *r;
    int status = gm_run_new(&s->c, &r);
    if (status == GM_OK)
        status = gm_run_go(r);
    expect(status == want);
    if (status == GM_OK) {
        gm_run_totals t;
        gm_run_totals_get(r, &t);
        expect(s->c.ops == 0 || t.interrupted || done_of(&t) == s->c.ops);
        expect(t.intervals <= s->c.intervals);
        for (int op = 0; op < GM_OPS; op++)
            expect(!s->c.every || (gm_run_latency(r, op) ? gm_hist_total(gm_run_latency(r, op)) : 0) == t.done[op]);
    }
    gm_run_free(r);
}

/* ------------------------------------------------------------------ endings */

static void ends_by_itself(int key_kind, size_t key_size, unsigned variation)
{
    setup s;
    make(&s, key_kind, key_size, NULL);
    if (variation & 1)
        s.groups[0].rate = 300000;
    if (variation & 2)
        s.groups[1].rate = 300000, s.groups[1].poisson = 1;
    if (variation & 4)
        s.c.warmup_ops = 2000;
    if (variation & 8) {
        s.c.ops = s.c.warmup_ops = 0;
        s.c.duration_ns = s.c.warmup_ns = 20000000;
    }
    s.c.os_clock = variation >> 4 & 1;
    run(&s, GM_OK);
    expect(s.threads.made == 3);
    unmake(&s);
}

typedef struct canceller {
    gm_run *r;
    uint64_t after_ns;
} canceller;

static void *cancel(void *arg)
{
    canceller *c = arg;
    gm_nap_ns(c->after_ns);
    gm_run_cancel(c->r);
    gm_run_progress(c->r);
    gm_run_cancel(c->r);
    return NULL;
}

static void is_cancelled(uint64_t after_ns, unsigned variation)
{
    setup s;
    make(&s, GM_MEM, 8, NULL);
    s.c.ops = 0;
    s.c.duration_ns = UINT64_C(60000000000);
    s.c.warmup_ns = variation & 1 ? UINT64_C(60000000000) : 0;
    s.c.size = variation & 2 ? 200000 : 500;
    s.groups[0].rate = variation & 4 ? 2 : 0;
    canceller c = {.after_ns = after_ns};
    pthread_t t;
    expect(gm_run_new(&s.c, &c.r) == GM_OK);
    pthread_create(&t, NULL, cancel, &c);
    expect(gm_run_go(c.r) == GM_OK);
    pthread_join(t, NULL);
    gm_run_totals totals;
    gm_run_totals_get(c.r, &totals);
    expect(totals.interrupted);
    gm_run_free(c.r);
    unmake(&s);
}

static void has_no_thread(unsigned k)
{
    setup s;
    make(&s, GM_MEM, 8, NULL);
    s.threads.refuse = k;
    run(&s, GM_E_THREAD);
    expect(s.threads.made == k - 1);
    unmake(&s);
}

/* A trace of one operation for two threads that also fill in what they miss, and what calls from outside find meanwhile. */
static void replays_a_short_trace(void)
{
    static const uint8_t op = GM_OP_GET;
    static const int64_t key = 12345;
    setup s;
    make(&s, GM_MEM, 8, NULL);
    gm_trace trace = {.ops = &op, .keys = &key, .n = 1, .fill = 1};
    s.groups[1].trace = &trace;
    s.c.ops = 0;
    s.c.duration_ns = 20000000;
    run(&s, GM_OK);
    int64_t elem = 0;
    expect(gm_map_get(s.m, &key, 8, &elem) == GM_OK);
    unmake(&s);
}

static void *write_from_outside(void *arg)
{
    canceller *c = arg;
    gm_map *m = (gm_map *)(uintptr_t)c->after_ns;
    int64_t key = -77, elem = 1;
    int status = GM_OK;
    for (int i = 0; i < 1000000 && status == GM_OK; i++)
        status = gm_map_assign(m, &key, 8, &elem, 8, NULL);
    expect(status < 0);
    gm_run_cancel(c->r);
    return NULL;
}

static void keeps_others_out(void)
{
    setup s;
    make(&s, GM_MEM, 8, NULL);
    s.c.ops = 0;
    s.c.duration_ns = UINT64_C(60000000000);
    canceller c = {.after_ns = (uintptr_t)s.m};
    pthread_t t;
    expect(gm_run_new(&s.c, &c.r) == GM_OK);
    pthread_create(&t, NULL, write_from_outside, &c);
    int status;
    do
        status = gm_run_go(c.r); /* refused while the other one is just inside */
    while (status == GM_E_WRITES);
    expect(status == GM_OK);
    pthread_join(t, NULL);
    gm_run_free(c.r);
    unmake(&s);
}

static void has_no_such_cpu(void)
{
    static const int32_t nowhere[2] = {0, 1000};
    setup s;
    make(&s, GM_MEM, 8, NULL);
    s.groups[1].cpus = nowhere;
    run(&s, GM_E_PIN);
    unmake(&s);
}

static void has_no_memory(void)
{
    int status = GM_E_NOMEM;
    for (uint64_t nth = 1; status == GM_E_NOMEM && nth < 1000; nth++) {
        setup s;
        make(&s, GM_MEM, 8, NULL);
        s.c.ops = 300;
        gm_faulty_arm(s.memory, nth, 1);
        gm_run *r;
        status = gm_run_new(&s.c, &r);
        if (status == GM_OK)
            status = gm_run_go(r);
        gm_run_free(r);
        unmake(&s);
    }
    expect(status == GM_OK);
}

static void runs_out_of_memory(void)
{
    gm_faulty *memory = gm_faulty_new();
    setup s;
    make(&s, GM_STRING, 0, gm_faulty_alloc(memory));
    gm_faulty_arm(memory, 1500, UINT64_MAX);
    run(&s, GM_OK);
    unmake(&s);
    expect(gm_faulty_live_blocks(memory) == 0);
    gm_faulty_free(memory);
}

/* ------------------------------------------------------------------ goroutines */

/* A thread, six goroutines that do the same, and others beside them, on two Ps. */
static void make_goroutines(setup *s)
{
    make(s, GM_MEM, 8, NULL);
    s->groups[1].threads = 0;
    s->groups[1].goroutines = 6;
    s->groups[2] = (gm_group){.goroutines = 4, .does = GM_DOES_PING_PONG};
    s->groups[3] = (gm_group){.goroutines = 2, .does = GM_DOES_CALLS};
    s->c.ngroups = 4;
    s->sched = (gm_sched_config){.procs = 2, .slice_ns = 1000000, .seed = 5};
    s->c.sched = &s->sched;
    s->c.slices = 100; /* there will be more */
    s->c.variant = GM_VARIANT_PLAIN;
}

static void goroutines_end(unsigned variation)
{
    setup s;
    make_goroutines(&s);
    if (variation & 1)
        s.groups[1].rate = 300000;
    if (variation & 2)
        s.c.warmup_ops = 2000;
    if (variation & 4) {
        s.c.ops = s.c.warmup_ops = 0;
        s.c.duration_ns = s.c.warmup_ns = 20000000;
    }
    if (variation & 8)
        s.groups[3].does = GM_DOES_YIELDS;
    run(&s, GM_OK);
    unmake(&s);
}

static void goroutines_are_cancelled(uint64_t after_ns)
{
    setup s;
    make_goroutines(&s);
    s.c.ops = 0;
    s.c.duration_ns = UINT64_C(60000000000);
    s.groups[1].rate = after_ns % 2 ? 50 : 0;
    canceller c = {.after_ns = after_ns};
    pthread_t t;
    expect(gm_run_new(&s.c, &c.r) == GM_OK);
    pthread_create(&t, NULL, cancel, &c);
    expect(gm_run_go(c.r) == GM_OK);
    pthread_join(t, NULL);
    gm_run_free(c.r);
    unmake(&s);
}

/* Threads of the scheduler are made when they are needed: whether one was refused is known afterwards. */
static void goroutines_have_no_thread(unsigned k)
{
    setup s;
    make_goroutines(&s);
    s.c.ops = 2000;
    s.threads.refuse = k;
    gm_run *r;
    expect(gm_run_new(&s.c, &r) == GM_OK);
    int status = gm_run_go(r);
    expect(status == (s.threads.refused ? GM_E_THREAD : GM_OK));
    expect(k > 3 || s.threads.refused);
    gm_run_free(r);
    unmake(&s);
}

/* Refused memory for a thread is a refused thread. How much is asked for depends on how many threads there are. */
static void goroutines_have_no_memory(void)
{
    unsigned refused = 0;
    for (uint64_t nth = 1; nth < 60; nth++) {
        setup s;
        make_goroutines(&s);
        s.c.ops = 300;
        gm_faulty_arm(s.memory, nth, 1);
        gm_run *r;
        int status = gm_run_new(&s.c, &r);
        if (status == GM_OK)
            status = gm_run_go(r);
        expect(status == GM_OK || status == GM_E_NOMEM || status == GM_E_THREAD);
        refused += status == GM_E_NOMEM;
        gm_run_free(r);
        unmake(&s);
    }
    expect(refused > 10);
}

/* Every operation is counted once, those of goroutines have a delay, and runs of one P do not overlap. */
static void goroutines_are_measured(void)
{
    setup s;
    make_goroutines(&s);
    s.c.slices = 10000;
    gm_run *r;
    expect(gm_run_new(&s.c, &r) == GM_OK);
    expect(gm_run_go(r) == GM_OK);
    gm_hist *delay = gm_run_delay(r, GM_OP_GET), *latency = gm_run_latency(r, GM_OP_GET);
    uint64_t dropped, done = gm_run_goroutines_done(r, 1);
    expect(done == s.c.ops / 7 * 6 + s.c.ops % 7 - 1);
    expect(gm_hist_total(delay) > 0 && gm_hist_total(delay) < gm_hist_total(latency)); /* the thread has no delays */
    for (uint32_t p = 0; p < 2; p++) {
        static gm_slice of[10000];
        size_t n = gm_run_slices(r, p, of, 10000, &dropped);
        for (size_t i = 0; i < n; i++)
            expect(of[i].begin <= of[i].end && (i == 0 || of[i - 1].end <= of[i].begin));
    }
    gm_run_free(r);
    unmake(&s);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4;
    static const struct {
        int kind;
        size_t size;
    } keys[] = {{GM_MEM, 8}, {GM_STRING, 0}, {GM_MEM, 4}, {GM_FLOAT64, 8}, {GM_MEM, 9}, {GM_MEM, 128}};
    gm_xoshiro rng;
    gm_xoshiro_seed(&rng, 1);
    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned k = 0; k < 6; k++)
            ends_by_itself(keys[k].kind, keys[k].size, (i * 6 + k) % 32);
        for (unsigned k = 0; k < 8; k++)
            is_cancelled(gm_xoshiro_next(&rng) % 60000000, k);
        for (unsigned k = 1; k <= 3; k++)
            has_no_thread(k);
        for (unsigned k = 0; k < 8; k++)
            goroutines_end(i * 8 + k);
        for (unsigned k = 0; k < 2; k++)
            goroutines_are_cancelled(gm_xoshiro_next(&rng) % 30000000);
        for (unsigned k = 1; k <= 4; k++)
            goroutines_have_no_thread(k);
    }
    goroutines_have_no_memory();
    goroutines_are_measured();
    replays_a_short_trace();
    keeps_others_out();
    has_no_such_cpu();
    has_no_memory();
    runs_out_of_memory();
    puts(bad ? "BROKEN" : "all as it should be");
    return bad;
}
