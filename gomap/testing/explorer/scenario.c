/* scenario.c: one execution of a scenario, and whether what happened may happen.
 *
 *     set-up on the main lane, once  -->  machine_keep
 *     each execution: machine_restore, the threads' operations, of a map every key once more on the main lane, check, drop
 *
 * The answers of all calls on single keys of a map, those of the set-up and of the last look among them, must fit an order
 * within the calls' beginnings and ends (lab/linear.c). So a write that is lost is found, whether a thread sees it or not.
 */
#include "targets.h"

#include "base/rng.h"

#include <string.h>

enum { most_answers = 2 * mostSetup + 2 * mostThreads * mostOps };

static const scenario *play;
static const target *aim;
static gm_history_event setup_events[mostSetup], events[most_answers];
static answer answers[mostThreads][mostOps];
static unsigned setup_events_count;
static unsigned writers;

static bool writes(const scenario *s, unsigned t)
{
    for (unsigned i = 0; i < s->op_count[t]; i++)
        if (strcmp(s->ops[t][i].kind, "load") != 0 && strcmp(s->ops[t][i].kind, "range") != 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------ set-up */

static void set_up(void *ctx)
{
    const scenario *s = ctx;
    answer a;
    setup_events_count = 0;
    if (target_make(aim, s) != GM_OK)
        machine_fail(REFUSED, "the target cannot be made");
    target_begin(1, 1);
    for (unsigned i = 0; i < s->setup_count; i++) {
        target_do(&s->setup[i], mainLane, &a);
        if (a.tells && aim->kind->on_keys)
            setup_events[setup_events_count++] = a.event;
    }
    target_begin(writers, s->threads);
}

static const char *refusal(const scenario *s)
{
    const char *why = s->threads ? NULL : "a scenario needs a thread";
    for (unsigned i = 0; i < s->setup_count && !why; i++)
        why = target_refuses(aim, s, mainLane, &s->setup[i]);
    for (unsigned t = 0; t < s->threads && !why; t++)
        for (unsigned i = 0; i < s->op_count[t] && !why; i++)
            why = target_refuses(aim, s, t, &s->ops[t][i]);
    return why;
}

const char *scenario_start(const scenario *s, machine_result *out)
{
    const char *why;
    play = s;
    aim = target_named(s->target);
    why = aim ? refusal(s) : "there is no such target";
    if (why)
        return why;
    writers = 0;
    for (unsigned t = 0; t < s->threads; t++)
        writers += writes(s, t);
    arena_empty();
    machine_forget_threads();
    if (machine_alone(set_up, (void *)(uintptr_t)s, out))
        machine_keep();
    return NULL;
}

/* ------------------------------------------------------------------ executions */

static void thread_body_of(unsigned t)
{
    for (unsigned i = 0; i < play->op_count[t]; i++) {
        machine_op(i);
        target_do(&play->ops[t][i], t, &answers[t][i]);
    }
}

/* Keys that are spoken of, each once. */
static unsigned keys_of(int64_t *keys)
{
    unsigned n = 0;
    for (unsigned i = 0; i < setup_events_count; i++)
        keys[n++] = setup_events[i].key;
    for (unsigned t = 0; t < play->threads; t++)
        for (unsigned i = 0; i < play->op_count[t]; i++)
            if (answers[t][i].tells)
                keys[n++] = answers[t][i].event.key;
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = 0;
        while (k < kept && keys[k] != keys[i])
            k++;
        if (k == kept)
            keys[kept++] = keys[i];
    }
    return kept;
}

/* Whether a thread's answers are to be right. Of the plain map only the one writer's are: readers beside it may miss anything.
 */
static bool counts(unsigned t)
{
    return aim->linearizable || (writers == 1 && writes(play, t));
}

static unsigned gather(void)
{
    int64_t keys[mostSetup + mostThreads * mostOps];
    unsigned n = setup_events_count, count = keys_of(keys);
    memcpy(events, setup_events, n * sizeof *events);
    for (unsigned t = 0; t < play->threads; t++)
        for (unsigned i = 0; i < play->op_count[t]; i++)
            if (answers[t][i].tells && counts(t))
                events[n++] = answers[t][i].event;
    for (unsigned i = 0; i < count; i++) {
        operation look = {.kind = "load", .key = keys[i]};
        answer a;
        target_do(&look, mainLane, &a);
        events[n++] = a.event;
    }
    return n;
}

static void judge_answers(void)
{
    uint64_t which[most_answers];
    gm_linear_config c = {.budget = 1000000};
    gm_linear_result r;
    unsigned n = gather();
    if (!aim->linearizable && writers > 1)
        return;
    if (gm_linear_check(&c, events, n, which, &r) != GM_OK || r.verdict == GM_VERDICT_UNKNOWN)
        machine_fail(NO_MEMORY, "the answers could not be checked");
    if (r.verdict == GM_VERDICT_VIOLATION)
        machine_fail(NOT_LINEAR, "the answers for key %lld cannot be put in an order", (long long)r.key);
}

static void judge(void *ctx)
{
    (void)ctx;
    if (aim->kind->on_keys)
        judge_answers();
    target_check(play);
}

void scenario_run(machine_result *out)
{
    machine_restore();
    target_restart();
    memset(answers, 0, sizeof answers);
    machine_run(play->threads, thread_body_of, play->slow_waits, out);
    if (out->found == FINE && arena_exhausted())
        out->found = NO_MEMORY;
    if (out->found == FINE)
        machine_alone(judge, NULL, out);
}

uint64_t scenario_outcome(void)
{
    uint64_t h = 0;
    for (unsigned t = 0; t < play->threads; t++) {
        for (unsigned i = 0; i < play->op_count[t]; i++) {
            const answer *a = &answers[t][i];
            h = gm_seed_of(h, (uint64_t)a->status);
            h = gm_seed_of(h, a->status == GM_OK ? (uint64_t)a->event.answer : 0);
        }
    }
    return h;
}

bool scenario_answer(unsigned t, unsigned i, int *status, int64_t *answer)
{
    *status = answers[t][i].status;
    *answer = answers[t][i].event.answer;
    return answers[t][i].tells;
}
