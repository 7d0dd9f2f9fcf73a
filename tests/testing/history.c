/* history.c: records histories of one design and checks them, without Python: for sanitizers, and for designs with a mistake.
 *
 * usage: history VARIANT THREADS KEYS OPS ROUNDS BALLAST SEED
 *        history failing     (allocations and threads that are refused, one after the other: all threads are joined, no memory
 *                            is left; prints "ok")
 *        history litmus      (a litmus test of csrc/lab/litmus.c on every design, and threads that are refused; prints "ok")
 *
 * Each round has a new map and a history of OPS operations (csrc/lab/history.c), stamped in turn by the clock and by a shared
 * counter, and afterwards the map checks its own structure. Prints "ok", or ends at the first history that cannot be put in
 * order
 * ("violation") or map that is damaged ("corrupt"). Exits with 1 if something else is wrong.
 *
 * With -DGM_PAUSE threads are held up at random before ordered accesses: that finds mistakes whose moment is short.
 */
#include "base/atomics.h"
#include "base/rng.h"
#include "base/thread.h"
#include "sync/sync.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(GM_PAUSE)
void gm_pause_point(void)
{
    static _Thread_local gm_xoshiro rng;
    if (!rng.s[0])
        gm_xoshiro_seed(&rng, (uint64_t)(uintptr_t)&rng);
    uint64_t r = gm_xoshiro_next(&rng) % 4096;
    if (r < 2)
        gm_nap_ns(20000);
    else if (r < 80)
        sched_yield();
}
#endif

static const struct {
    const char *name;
    const gm_variant *v;
} variants[] = {
    {"mutex", &gm_locked_mutex},     {"rwmutex", &gm_locked_rwmutex}, {"growlock", &gm_locked_growlock},
    {"sharded", &gm_locked_sharded}, {"syncmap", &gm_syncmap},        {"hashtrie", &gm_hashtrie},
    {"lockfree", &gm_lockfree},
};

static const struct {
    int verdict; /* or the status of the map's own check */
    const char *name;
} findings[] = {{GM_VERDICT_OK, "ok"}, {GM_VERDICT_VIOLATION, "violation"}, {GM_E_CORRUPT, "corrupt"}};

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static const gm_variant *variant_named(const char *name)
{
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (strcmp(variants[i].name, name) == 0)
            return variants[i].v;
    return NULL;
}

/* One history; the verdict, or a status. */
static int round_of(gm_history_config *c, uint64_t ops, gm_stats *stats)
{
    gm_config types = {.key_size = 8, .elem_size = 8, .seed = c->seed};
    gm_guard_config guard = {.shards = 4};
    const gm_variant *v = c->table;
    gm_history_event *events = calloc(ops + c->size, sizeof *events);
    uint64_t *which = calloc(ops + c->size, sizeof *which);
    gm_history_totals totals;
    gm_linear_config check = {.budget = 10000000};
    gm_linear_result found = {0};
    gm_broken broken;
    if (!events || !which || v->make(&types, &guard, &c->target) != GM_OK)
        return GM_E_NOMEM;
    int status = gm_history_record(c, events, &totals);
    check.slack = c->counter || status < 0 ? 0 : (uint64_t)(20 / totals.ns_per_stamp);
    if (status == GM_OK)
        status = gm_linear_check(&check, events, ops + c->size, which, &found);
    if (status == GM_OK && found.verdict == GM_VERDICT_OK)
        status = v->check(c->target, &broken);
    v->stats(c->target, stats);
    v->drop(c->target);
    free(events);
    free(which);
    return status == GM_OK ? found.verdict : status;
}

/* ------------------------------------------------------------------ what is refused */

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                            \
            exit(1);                                                                                                           \
        }                                                                                                                      \
    } while (0)

enum { FEW = 3, FEW_OPS = 300 };

typedef struct counting {
    gm_spawner real;
    uint32_t left, started, joined; /* left: threads that are still to be had */
} counting;

static int start_counting(void *ctx, void *(*body)(void *), void *arg, gm_thread *out)
{
    counting *c = ctx;
    if (c->left == 0)
        return GM_E_THREAD;
    c->left--;
    c->started++;
    return c->real.start(c->real.ctx, body, arg, out);
}

static void join_counting(void *ctx, gm_thread t)
{
    counting *c = ctx;
    c->joined++;
    c->real.join(c->real.ctx, t);
}

/* Records with a map that has memory, and checks a history that has a violation, with `alloc`; the first bad status. */
static int record_and_check(counting *threads, const gm_alloc *alloc)
{
    gm_config types = {.key_size = 8, .elem_size = 8, .seed = 3};
    gm_guard_config guard = {.shards = 4};
    gm_spawner spawner = {start_counting, join_counting, threads};
    gm_history_lane lanes[FEW];
    gm_history_event events[FEW * FEW_OPS + 1];
    uint64_t which[FEW * FEW_OPS + 1];
    gm_history_totals totals;
    gm_linear_config check = {.budget = 10000, .alloc = alloc};
    gm_linear_result found;
    gm_history_config c = {.lanes = lanes, .threads = FEW, .table = &gm_lockfree, .key_size = 8, .keyspace = 1, .size = 1};
    for (int t = 0; t < FEW; t++)
        lanes[t] = (gm_history_lane){FEW_OPS, {25, 15, 20, 15, 15, 10, 0}, {0}};
    c.ballast = c.waves = 5;
    c.alloc = alloc;
    c.spawner = &spawner;
    CHECK(gm_lockfree.make(&types, &guard, &c.target) == GM_OK);
    int status = gm_history_record(&c, events, &totals);
    gm_lockfree.drop(c.target);
    if (status != GM_OK)
        return status;
    events[FEW * FEW_OPS] =
        (gm_history_event){.start = UINT64_MAX - 1, .end = UINT64_MAX, .answer = 77}; /* nobody stored that */
    status = gm_linear_check(&check, events, FEW * FEW_OPS + 1, which, &found);
    CHECK(status != GM_OK || found.verdict == GM_VERDICT_VIOLATION);
    return status;
}

static void test_failing(void)
{
    int status = GM_E_NOMEM;
    for (uint32_t left = 0; left <= FEW; left++) { /* with the ballast's it takes one more */
        counting threads = {.real = gm_spawner_default(), .left = left};
        CHECK(record_and_check(&threads, NULL) == GM_E_THREAD);
        CHECK(threads.started == left && threads.joined == left);
    }
    for (uint64_t nth = 1; status == GM_E_NOMEM; nth++) {
        counting threads = {.real = gm_spawner_default(), .left = FEW + 1};
        gm_faulty *f = gm_faulty_new();
        gm_faulty_arm(f, nth, 1);
        status = record_and_check(&threads, gm_faulty_alloc(f));
        CHECK(status == GM_E_NOMEM || (status == GM_OK && nth > 8));
        CHECK(threads.started == threads.joined && gm_faulty_live_blocks(f) == 0);
        gm_faulty_free(f);
    }
}

/* ------------------------------------------------------------------ litmus tests */

enum { ROUNDS = 300 };

/* Data, then a flag; the other looks for the flag, then the data, and goes over the whole map. */
static int message(int variant, void *target, counting *threads, int64_t answers[ROUNDS][5])
{
    static const gm_litmus_step setup[] = {{.key = 0, .op = GM_LITMUS_ASSIGN}, {.key = 1, .op = GM_LITMUS_ASSIGN}};
    static const gm_litmus_step steps[] = {{.actor = 0, .key = 0, .value = 1, .op = GM_LITMUS_ASSIGN},
                                           {.actor = 0, .key = 1, .value = 1, .op = GM_LITMUS_ASSIGN},
                                           {.actor = 1, .key = 1, .op = GM_HISTORY_LOAD},
                                           {.actor = 1, .key = 0, .op = GM_HISTORY_LOAD},
                                           {.actor = 1, .key = 0, .op = GM_LITMUS_RANGE}};
    gm_spawner spawner = {start_counting, join_counting, threads};
    gm_litmus_config c = {.setup = setup, .steps = steps, .setup_n = 2, .steps_n = 5, .actors = 2, .keys = 2};
    uint64_t met = 0;
    c.variant = variant;
    c.target = target;
    c.key_size = 8;
    c.rounds = ROUNDS;
    c.spawner = &spawner;
    int status = gm_litmus_run(&c, &answers[0][0], &met);
    CHECK(met <= ROUNDS);
    return status;
}

static void test_litmus(int variant)
{
    static int64_t answers[ROUNDS][5];
    gm_config types = {.key_size = 8, .elem_size = 8, .seed = 3};
    gm_guard_config guard = {.shards = 4};
    const gm_variant *v = gm_variant_of(variant);
    void *target;
    uint64_t n = 1;
    CHECK(v->make(&types, &guard, &target) == GM_OK);
    for (uint32_t left = 0; left <= 2; left++) {
        counting threads = {.real = gm_spawner_default(), .left = left};
        CHECK(message(variant, target, &threads, answers) == (left < 2 ? GM_E_THREAD : GM_OK));
        CHECK(threads.started == left && threads.joined == left);
    }
    for (int i = 0; i < ROUNDS; i++)
        CHECK((answers[i][2] == 0 || answers[i][3] == 1) && answers[i][4] == 3);
    CHECK(v->len(target, &n) == GM_OK && n == 0);
    v->drop(target);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "litmus") == 0) {
        for (int variant = GM_VARIANT_MUTEX; gm_variant_of(variant); variant++)
            test_litmus(variant);
        printf("ok\n");
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "failing") == 0) {
        test_failing();
        printf("ok\n");
        return 0;
    }
    if (argc != 8 || !variant_named(argv[1]))
        return 2;
    uint64_t threads = number(argv[2]), ops = number(argv[4]), rounds = number(argv[5]);
    gm_history_lane *lanes = calloc(threads, sizeof *lanes);
    gm_history_config c = {.lanes = lanes, .threads = (uint32_t)threads, .table = variant_named(argv[1]), .key_size = 8};
    gm_stats stats = {0};
    int verdict = GM_VERDICT_OK;
    c.size = c.keyspace = number(argv[3]);
    c.ballast = number(argv[6]);
    c.waves = c.ballast ? 4 : 0;
    for (uint64_t t = 0; lanes && t < threads; t++)
        lanes[t] = (gm_history_lane){ops / threads + (t < ops % threads), {25, 15, 20, 15, 15, 10, 0}, {0}};
    for (uint64_t i = 0; lanes && i < rounds && verdict == GM_VERDICT_OK; i++) {
        c.seed = number(argv[7]) + i;
        c.counter = (int)(i & 1);
        verdict = round_of(&c, ops, &stats);
    }
    free(lanes);
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++)
        if (findings[i].verdict == verdict) {
            printf("%s\n", findings[i].name);
            return 0;
        }
    printf("status %d\n", verdict);
    return 1;
}
