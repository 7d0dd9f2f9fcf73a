/* main.c: the explorer of interleavings: a program that runs small scenarios on the concurrent designs of csrc in every order
 * of their atomic accesses, up to a number of preemptions.
 *
 *     gomap/testing/exploration.py builds it out of csrc, compiled with -DGM_EXPLORE, and talks to it:
 *
 *     stdin    target lockfree           stdout   verdict violation
 *              setup store 1 10 0                 bound 1
 *              thread                             found use_after_free
 *              op load 1 0 0                      turn 0 17        thread a makes 17 accesses,
 *              bound 2                            turn 1 -1        b runs until it waits or is done
 *              budget 100000                      row 1 0 1 ...    its accesses, one by one
 *
 * PARTS    arena.c     memory whose use after it was freed shows; which words are shared
 *          machine.c   threads that take turns on stacks of their own; futexes, yields, the clock
 *          search.c    which interleaving comes next
 *          targets.c   what is explored, by name; of three kinds, with their operations and what must hold of them:
 *                      on_maps.c, on_locks.c, on_queues.c
 *          scenario.c  one execution, and whether its answers can be put in an order
 *
 * The bounds are gone through from none upwards, so the first execution that fails has as few preemptions as can be. Its bound
 * is then gone on with for a while, for one with fewer turns, and fewer accesses.
 *
 *   B1  Complete within its bounds: if no violation is reported and the budget was enough, no interleaving of the scenario with
 *       so many preemptions has one, under the assumptions below (the argument is in search.c).
 *   B2  Every access is atomic and all are seen by all in one order. Reorderings that a machine or a compiler makes are not
 *       explored: thread sanitizer and recorded histories are for those. Nor are races on plain memory.
 *   B3  A futex returns only when woken, and the first that sleeps on it is. A lock does not spin (one CPU). A pause lets all
 *       others go first (machine.c).
 *   B4  Allocations do not fail. Epochs collect whenever somebody leaves (sync/epoch.c).
 */
#include "explorer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { polish_executions = 20000, wander_executions = 200, most_outcomes = 1 << 16 };

static const char *const findings[] = {
    [FINE] = "none",
    [NOT_LINEAR] = "not_linearizable",
    [BROKEN] = "broken",
    [USE_FREED] = "use_after_free",
    [BAD_RELEASE] = "bad_free",
    [LEAK] = "leak",
    [CRASH] = "crash",
    [DEADLOCK] = "deadlock",
    [NO_END] = "no_end",
    [NOT_EXCLUSIVE] = "not_exclusive",
    [REFUSED] = "refused",
    [WRONG_RANGE] = "wrong_range",
    [NOT_ONCE] = "not_once",
    [WRONG_ORDER] = "wrong_order",
    [WRONG_EMPTY] = "wrong_empty",
    [NO_MEMORY] = "no_memory",
    [NOT_REPEATABLE] = "not_repeatable",
};

/* What is asked for. */
typedef struct request {
    scenario s;
    unsigned bound;
    uint64_t budget;
    segment turns[mostSegments];
    uint32_t turn_count;
} request;

typedef struct progress {
    uint64_t executions, accesses;
    uint64_t interleavings; /* of this bound, since it was begun last: no two are the same */
    uint32_t points;
    unsigned bound;
    bool complete;
    uint64_t polished; /* executions since the first violation */
    uint64_t outcomes; /* different answers, of executions that did not fail */
    machine_result best;
} progress;

/* ------------------------------------------------------------------ reading */

static bool read_operation(const char *text, operation *o)
{
    return sscanf(text, "%23s %" SCNd64 " %" SCNd64 " %" SCNd64, o->kind, &o->key, &o->value, &o->expected) == 4;
}

static bool read_knobs(const char *text, scenario *s)
{
    uint32_t *word = (uint32_t *)(void *)&s->knobs;
    int used = 0;
    for (size_t i = 0; i < sizeof s->knobs / sizeof *word; i++, text += used)
        if (sscanf(text, "%" SCNu32 "%n", &word[i], &used) != 1)
            return false;
    return s->has_knobs = true;
}

static bool read_thread_op(request *r, const char *text)
{
    scenario *s = &r->s;
    unsigned t = s->threads - 1;
    return s->threads && s->op_count[t] < mostOps && read_operation(text, &s->ops[t][s->op_count[t]++]);
}

static bool read_setup(request *r, const char *text)
{
    return r->s.setup_count < mostSetup && read_operation(text, &r->s.setup[r->s.setup_count++]);
}

static bool read_turn(request *r, const char *text)
{
    segment *g = &r->turns[r->turn_count];
    return ++r->turn_count < mostSegments && sscanf(text, "%" SCNd32 " %" SCNd32, &g->thread, &g->count) == 2 &&
           g->thread >= 0 && g->thread < mostThreads;
}

static bool read_number(request *r, const char *name, const char *text)
{
    uint64_t n;
    if (sscanf(text, "%" SCNu64, &n) != 1)
        return false;
    if (strcmp(name, "hint") == 0)
        r->s.hint = n;
    else if (strcmp(name, "seed") == 0)
        r->s.seed = n;
    else if (strcmp(name, "slow") == 0)
        r->s.slow_waits = n != 0;
    else if (strcmp(name, "bound") == 0)
        r->bound = (unsigned)n;
    else if (strcmp(name, "budget") == 0)
        r->budget = n;
    else
        return false;
    return true;
}

static bool read_line(request *r, const char *line)
{
    char name[16];
    int used = 0;
    if (sscanf(line, "%15s%n", name, &used) != 1)
        return false;
    const char *rest = line + used;
    if (strcmp(name, "target") == 0)
        return sscanf(rest, "%23s", r->s.target) == 1;
    if (strcmp(name, "thread") == 0)
        return r->s.threads++ < mostThreads;
    if (strcmp(name, "op") == 0)
        return read_thread_op(r, rest);
    if (strcmp(name, "setup") == 0)
        return read_setup(r, rest);
    if (strcmp(name, "turn") == 0)
        return read_turn(r, rest);
    if (strcmp(name, "knobs") == 0)
        return read_knobs(rest, &r->s);
    return read_number(r, name, rest);
}

static bool read_request(request *r)
{
    char line[512];
    while (fgets(line, sizeof line, stdin))
        if (!read_line(r, line)) {
            printf("refused %s", line);
            return false;
        }
    return true;
}

/* ------------------------------------------------------------------ exploring */

static bool is_finding(finding f)
{
    return f != FINE && f != NO_MEMORY && f != NOT_REPEATABLE;
}

static bool is_shorter(const machine_result *a, const machine_result *b)
{
    return a->switches != b->switches ? a->switches < b->switches : a->accesses < b->accesses;
}

static bool is_found(const progress *p)
{
    return p->best.found != FINE;
}

/* Counts an outcome that is new; beyond what there is room for, none is. */
static void note_outcome(progress *p, uint64_t outcome)
{
    static uint64_t seen[most_outcomes];
    uint64_t i = outcome % most_outcomes;
    outcome |= !outcome; /* 0 is a free place */
    while (seen[i] && seen[i] != outcome)
        i = (i + 1) % most_outcomes;
    if (seen[i] || p->outcomes == most_outcomes / 2)
        return;
    seen[i] = outcome;
    p->outcomes++;
}

/* Whether to go on with the bound. */
static bool take_in(progress *p, const machine_result *out, uint64_t budget)
{
    p->executions++;
    p->interleavings++;
    p->accesses += out->accesses;
    p->points = out->points > p->points ? out->points : p->points;
    if (out->found != FINE && (!is_found(p) || is_shorter(out, &p->best)))
        p->best = *out;
    p->polished += is_found(p);
    if (out->found == FINE)
        note_outcome(p, scenario_outcome());
    return p->executions < budget && p->polished < polish_executions && (!is_found(p) || is_finding(p->best.found));
}

/* All of one bound. */
static void explore_bound(progress *p, uint64_t budget)
{
    static machine_result out;
    bool on = true;
    p->complete = false;
    p->interleavings = 0;
    search_begin(p->bound);
    while (on) {
        scenario_run(&out);
        if (search_diverged() && out.found == FINE)
            out.found = NOT_REPEATABLE;
        on = take_in(p, &out, budget);
        if (arena_sharing_grew()) {
            search_rewind();
            p->interleavings = 0;
        } else if (!search_next()) {
            p->complete = true;
            return;
        }
    }
}

/* Finds out which words are shared; what goes wrong meanwhile is found again, with fewer preemptions. */
static void wander(progress *p)
{
    static machine_result out;
    for (uint64_t i = 0; i < wander_executions; i++) {
        search_wander(i);
        scenario_run(&out);
        p->executions++;
        p->accesses += out.accesses;
    }
}

static void explore(const request *r, progress *p)
{
    for (unsigned bound = 0; bound <= r->bound && !is_found(p); bound++) {
        p->bound = bound;
        if (bound == 1)
            wander(p);
        explore_bound(p, r->budget);
        if (!p->complete)
            return;
    }
}

static void replay(const request *r, progress *p)
{
    machine_replay(r->turns, r->turn_count);
    scenario_run(&p->best);
    p->executions = 1;
    p->accesses = p->best.accesses;
    p->complete = true;
}

/* ------------------------------------------------------------------ telling */

static void tell_rows(const request *r)
{
    for (uint32_t i = 0; i < machine_row_count; i++) {
        const row *w = &machine_rows[i];
        printf("row %u %u %d %" PRId64 " %" PRIu64 " %d %s|%s\n", w->thread, w->op, arena_is_shared(w->word),
               (int64_t)arena_number(w->word), w->value, w->site->line, w->site->file, w->site->access);
    }
    for (unsigned t = 0; t < r->s.threads; t++) {
        for (unsigned i = 0; i < r->s.op_count[t]; i++) {
            int status;
            int64_t answer;
            if (scenario_answer(t, i, &status, &answer))
                printf("answer %u %u %d %" PRId64 "\n", t, i, status, answer);
        }
    }
}

/* The interleaving once more, with every access written down. */
static void tell_interleaving(const request *r, const progress *p)
{
    static machine_result again;
    const machine_result *m = &p->best;
    for (uint32_t i = 0; i < m->segment_count; i++)
        printf("turn %" PRId32 " %" PRId32 "\n", m->segments[i].thread, m->segments[i].count);
    arena_forget_sharing(); /* the table is about words that threads meet in here */
    machine_tracing = true;
    machine_replay(m->segments, m->segment_count);
    scenario_run(&again);
    printf("repeated %d\n", again.found == m->found && again.accesses == m->accesses);
    tell_rows(r);
}

static void tell(const request *r, const progress *p)
{
    const char *verdict = is_finding(p->best.found) ? "violation" : p->complete && !is_found(p) ? "ok" : "unknown";
    printf("verdict %s\nbound %u\ncomplete %d\n", verdict, p->bound, p->complete);
    printf("executions %" PRIu64 "\ninterleavings %" PRIu64 "\naccesses %" PRIu64 "\n", p->executions, p->interleavings,
           p->accesses);
    printf("points %" PRIu32 "\noutcomes %" PRIu64 "\n", p->points, p->outcomes);
    printf("found %s\nsays %s\n", findings[p->best.found], p->best.says);
    if (p->executions && (is_finding(p->best.found) || r->turn_count))
        tell_interleaving(r, p);
}

int main(void)
{
    static request r;
    static progress p;
    if (!machine_open()) {
        printf("refused the system gives no memory, or no signals\n");
        return 1;
    }
    r.budget = 1000000;
    if (!read_request(&r))
        return 1;
    const char *why = scenario_start(&r.s, &p.best);
    if (why) {
        printf("refused %s\n", why);
        return 1;
    }
    if (!is_found(&p) && r.turn_count)
        replay(&r, &p);
    else if (!is_found(&p)) /* else the set-up itself went wrong */
        explore(&r, &p);
    tell(&r, &p);
    return 0;
}
