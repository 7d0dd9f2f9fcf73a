/* brute.c: random short histories, checked by csrc/lab/linear.c and by trying every order.
 *
 * usage: brute HISTORIES SEED
 *
 * A history has up to MOST calls of one key with small values. Its answers are those of the calls done one after the other; the
 * starts and ends are moved apart so that they overlap, and in half of the histories some answers are then changed. Prints how
 * many could be ordered and how many not; or the first history of which the two say different things, and exits with 1. What is
 * reported of a violation must be one, by trying every order.
 */
#include "base/rng.h"
#include "lab/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 7 };

typedef struct history {
    gm_history_event events[MOST];
    unsigned n;
} history;

static unsigned below(gm_xoshiro *rng, unsigned n)
{
    return (unsigned)(gm_xoshiro_next(rng) % n);
}

/* ------------------------------------------------------------------ what a map does, told once more */

/* What the key holds after a call, and what the call is answered; written for itself, so as not to repeat gm_event_fits. */
static gm_held done(gm_history_event *e, gm_held was)
{
    bool equal = was.present && was.value == e->expected;
    e->status = was.present ? GM_OK : GM_MISS;
    e->answer = was.present ? was.value : 0;
    switch (e->op) {
    case GM_HISTORY_STORE:
        return (gm_held){true, e->value};
    case GM_HISTORY_DELETE:
        return (gm_held){false, 0};
    case GM_HISTORY_LOAD_OR_STORE:
        return was.present ? was : (gm_held){true, e->value};
    case GM_HISTORY_ADD:
        e->answer = (was.present ? was.value : 0) + e->value;
        return (gm_held){true, e->answer};
    case GM_HISTORY_COMPARE_AND_SWAP:
    case GM_HISTORY_COMPARE_AND_DELETE:
        e->status = equal ? GM_OK : GM_MISS;
        e->answer = 0;
        if (!equal)
            return was;
        return e->op == GM_HISTORY_COMPARE_AND_SWAP ? (gm_held){true, e->value} : (gm_held){false, 0};
    default:
        return was;
    }
}

/* Whether the answer that was recorded is the one that a call gets. */
static bool told_right(const gm_history_event *recorded, const gm_history_event *right)
{
    if (!recorded->untold)
        return recorded->status == right->status && recorded->answer == right->answer;
    if (recorded->op == GM_HISTORY_DELETE)
        return recorded->status == right->status;
    return recorded->op == GM_HISTORY_STORE || recorded->answer == right->answer;
}

/* ------------------------------------------------------------------ every order */

static bool may_be_next(const history *h, unsigned left, unsigned i)
{
    for (unsigned j = 0; j < h->n; j++)
        if ((left >> j & 1) && h->events[j].end < h->events[i].start)
            return false;
    return true;
}

static bool orderable(const history *h, unsigned left, gm_held held)
{
    for (unsigned i = 0; i < h->n; i++) {
        if (!(left >> i & 1) || !may_be_next(h, left, i))
            continue;
        gm_history_event right = h->events[i];
        gm_held then = done(&right, held);
        if (told_right(&h->events[i], &right) && orderable(h, left & ~(1u << i), then))
            return true;
    }
    return left == 0;
}

/* ------------------------------------------------------------------ histories */

static gm_history_event some_call(gm_xoshiro *rng, unsigned i)
{
    gm_history_event e = {.key = 5, .thread = i, .op = (uint8_t)below(rng, GM_HISTORY_OPS)};
    e.value = 1 + below(rng, 3);
    e.expected = 1 + below(rng, 3);
    e.start = 100 + 10 * i - below(rng, 30);
    e.end = 100 + 10 * i + below(rng, 30);
    bool may = e.op == GM_HISTORY_STORE || e.op == GM_HISTORY_DELETE || e.op == GM_HISTORY_ADD;
    e.untold = may && below(rng, 4) == 0;
    return e;
}

static void change_one(gm_xoshiro *rng, history *h)
{
    gm_history_event *e = &h->events[below(rng, h->n)];
    bool comparison = e->op == GM_HISTORY_COMPARE_AND_SWAP || e->op == GM_HISTORY_COMPARE_AND_DELETE;
    if (comparison || below(rng, 2) == 0)
        e->status = e->status == GM_OK ? GM_MISS : GM_OK;
    if (!comparison && (e->op == GM_HISTORY_ADD || e->status == GM_OK))
        e->answer = 1 + below(rng, 4);
    else
        e->answer = 0;
}

static void make(gm_xoshiro *rng, history *h, gm_held held)
{
    h->n = 1 + below(rng, MOST);
    for (unsigned i = 0; i < h->n; i++) {
        h->events[i] = some_call(rng, i);
        held = done(&h->events[i], held);
    }
    for (unsigned lies = below(rng, 2) ? 1 + below(rng, 2) : 0; lies > 0; lies--)
        change_one(rng, h);
}

static int complain(const history *h, gm_held held, const char *about)
{
    printf("%s; at first %d %" PRId64 "\n", about, held.present, held.value);
    for (unsigned i = 0; i < h->n; i++) {
        const gm_history_event *e = &h->events[i];
        printf("op %d %" PRIu64 "..%" PRIu64 " value %" PRId64 " expected %" PRId64 " status %d answer %" PRId64 " untold %d\n",
               e->op, e->start, e->end, e->value, e->expected, e->status, e->answer, e->untold);
    }
    return 1;
}

/* The verdict, or -1: they differ. */
static int compare(const history *h, gm_held held)
{
    gm_linear_config c = {.budget = 1000000, .present = held.present, .value = held.value};
    gm_linear_result found;
    uint64_t which[MOST];
    history left = {.n = 0};
    bool can = orderable(h, (1u << h->n) - 1, held);
    if (gm_linear_check(&c, h->events, h->n, which, &found) != GM_OK)
        return -complain(h, held, "refused");
    if (found.verdict != (can ? GM_VERDICT_OK : GM_VERDICT_VIOLATION))
        return -complain(h, held, can ? "can be ordered" : "cannot be ordered");
    for (uint64_t i = 0; !can && i < found.n; i++)
        left.events[left.n++] = h->events[which[i]];
    if (!can && orderable(&left, (1u << left.n) - 1, (gm_held){found.present, found.value}))
        return -complain(h, held, "what is left can be ordered");
    return found.verdict;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    gm_xoshiro rng;
    uint64_t counts[2] = {0, 0}, n = strtoull(argv[1], NULL, 10);
    gm_xoshiro_seed(&rng, strtoull(argv[2], NULL, 10));
    for (uint64_t i = 0; i < n; i++) {
        history h;
        gm_held held = {below(&rng, 2), 0};
        held.value = held.present ? 1 + below(&rng, 3) : 0;
        make(&rng, &h, held);
        int verdict = compare(&h, held);
        if (verdict < 0)
            return 1;
        counts[verdict]++;
    }
    printf("%" PRIu64 " %" PRIu64 "\n", counts[GM_VERDICT_OK], counts[GM_VERDICT_VIOLATION]);
    return 0;
}
