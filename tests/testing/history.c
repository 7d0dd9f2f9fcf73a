/* history.c: records histories of one design and checks them, without Python: for sanitizers, and for designs with a mistake.
 *
 * usage: history VARIANT THREADS KEYS OPS ROUNDS BALLAST SEED
 *
 * Each round has a new map and a history of OPS operations (csrc/lab/history.c), stamped in turn by the clock and by a shared
 * counter. Prints "ok", or "violation" and ends at the first one. Exits with 1 if something else is wrong.
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

int main(int argc, char **argv)
{
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
    printf("%s\n", verdict == GM_VERDICT_OK ? "ok" : verdict == GM_VERDICT_VIOLATION ? "violation" : "neither");
    return verdict != GM_VERDICT_OK && verdict != GM_VERDICT_VIOLATION;
}
