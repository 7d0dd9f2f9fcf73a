/* linear.c: whether the calls of a history can be put in an order in which every answer is right (linearizability).
 *
 * A call takes effect at one instant between its start and its end. The calls of different keys have nothing to do with each
 * other, so each key is looked at by itself: it is a register that holds a value or nothing. The calls' starts and ends are
 * gone through in the order of their stamps, with the set of all *configurations* that explain what has been answered so far:
 *
 *     time      |--store a -> nothing--|
 *                    |------store b -> a------|          |--load -> a--|
 *     now at                           ^      ^                        ^
 *     set       {nothing; -}   {a; -}         {b; -}                   {}: the load cannot be ordered
 *
 *     configuration = what the key holds; which of the calls under way have taken effect
 *
 * At the end of a call every configuration in which it has taken effect stays; every other one is replaced by those that come
 * of it by letting calls under way take effect, one after the other, until it has (just-in-time linearization: G. Lowe, Testing
 * for linearizability, 2017; the search is J. Wing's and C. Gong's). When the set is empty there is no order. The calls'
 * answers are known, so a call takes effect only where its answer is right.
 *
 *   N1  The verdict is exact, whatever the values (they need not be unique), for at most 64 calls of a key under way at
 *       once, and within the budget; otherwise it is `unknown`, for that key.
 *   N2  Equal stamps overlap: no order is taken for shown that is not. `slack` makes every call end so much later.
 *   N3  A call that changes nothing takes effect in a configuration as soon as its answer is right there. That loses
 *       nothing: what can follow without it can follow with it. So such calls never make the set larger.
 *   N4  A call with a negative status did nothing and is left out.
 *   N5  Of a violation, what is reported is itself one: it begins with the last instant at which the set had one
 *       configuration, of which value and calls are given, and calls that change nothing are left out as long as the
 *       rest cannot be ordered. (A call that changes something is not: the others' answers may depend on it.) Without those
 *       the set may have one configuration at a later instant: both are done until nothing goes any more. So what is
 *       reported, checked again, is reported as it is.
 *   N6  Keys are looked at in ascending order; the first violation ends it.
 *   N7  Of a call whose caller was not told what was there (`untold`: a store, an add; of a delete: what, not whether)
 *       every answer is right in that respect. It changes what the key holds all the same.
 *
 * Time: sorting, then for each end of a call the configurations (one or two unless threads sleep in the middle of calls) times
 * the calls under way. bench/test_linear.py measures it.
 *
 * Rejected: a search over whole orders with backtracking, as in porcupine: it remembers every configuration ever seen, this
 * one those of one instant; intervals of values instead of configurations (needs unique values, and no comparisons).
 */
#include "base/alloc.h"
#include "base/rng.h"
#include "lab/history.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_OPEN = 64, FIRST_ROOM = 64 };
static const uint64_t MOST_SET = 1 << 22;   /* configurations of one instant: about 200 MB */
static const uint64_t MOST_TRIED = 1 << 25; /* edges looked at again to make a violation smaller */

/* The start or the end of a call. */
typedef struct edge {
    int64_t key;
    uint64_t at;
    uint64_t event : 63, is_end : 1;
} edge;

typedef struct configuration {
    gm_held held;
    uint64_t done; /* by slot: calls under way that have taken effect */
} configuration;

/* A set, in the order of insertion. A slot of the index is of the set if it was written since the last clearing. */
typedef struct set {
    configuration *list;
    uint64_t *index; /* 2 * room slots: clearing << 32 | place in list + 1 */
    uint64_t n, room, clearing;
} set;

typedef struct sweep {
    const gm_linear_config *c;
    gm_alloc alloc;
    const gm_history_event *events;
    set now, work, next;
    uint64_t open, quiet; /* by slot: calls under way; of them, those that change nothing */
    uint64_t slots[MOST_OPEN];
    uint64_t looked_at, looked_at_before; /* configurations: in all, and when this key began */
    uint64_t single;                      /* the edge behind the last instant with one configuration */
} sweep;

/* ------------------------------------------------------------------ sets */

static uint64_t hash_of(const configuration *c)
{
    uint64_t h = (uint64_t)c->held.value * UINT64_C(0x9E3779B97F4A7C15) ^ gm_rotl(c->done + c->held.present, 32);
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return h ^ h >> 32;
}

static bool same(const configuration *a, const configuration *b)
{
    return a->done == b->done && a->held.present == b->held.present && a->held.value == b->held.value;
}

static void set_drop(gm_alloc *a, set *s)
{
    if (s->list)
        a->release(a->ctx, s->list, s->room * sizeof *s->list);
    if (s->index)
        a->release(a->ctx, s->index, 2 * s->room * sizeof *s->index);
    *s = (set){0};
}

static void set_clear(set *s)
{
    s->n = 0;
    s->clearing++;
}

/* Where c is, or the free slot where it would be. */
static uint64_t *set_slot(const set *s, const configuration *c)
{
    uint64_t mask = 2 * s->room - 1;
    for (uint64_t i = hash_of(c) & mask;; i = (i + 1) & mask) {
        uint64_t v = s->index[i];
        if (v >> 32 != s->clearing || same(&s->list[(v & UINT32_MAX) - 1], c))
            return &s->index[i];
    }
}

static bool set_grow(gm_alloc *a, set *s)
{
    set bigger = {.room = s->room ? 2 * s->room : FIRST_ROOM, .n = s->n, .clearing = 1};
    bigger.list = a->zalloc(a->ctx, bigger.room * sizeof *bigger.list);
    bigger.index = a->zalloc(a->ctx, 2 * bigger.room * sizeof *bigger.index);
    if (!bigger.list || !bigger.index) {
        set_drop(a, &bigger);
        return false;
    }
    for (uint64_t i = 0; i < s->n; i++) {
        bigger.list[i] = s->list[i];
        *set_slot(&bigger, &s->list[i]) = bigger.clearing << 32 | (i + 1);
    }
    set_drop(a, s);
    *s = bigger;
    return true;
}

/* False: no memory. */
static bool set_add(gm_alloc *a, set *s, const configuration *c)
{
    if (s->n == s->room && !set_grow(a, s))
        return false;
    uint64_t *slot = set_slot(s, c);
    if (*slot >> 32 == s->clearing)
        return true;
    s->list[s->n++] = *c;
    *slot = s->clearing << 32 | s->n;
    return true;
}

/* ------------------------------------------------------------------ the sweep of one key */

enum { SWEEP_ON = 10 }; /* beside the verdicts and the statuses */

static const gm_history_event *event_in(const sweep *s, unsigned slot)
{
    return &s->events[s->slots[slot]];
}

/* N3 */
static void settle(const sweep *s, configuration *c)
{
    for (uint64_t left = s->open & s->quiet & ~c->done; left; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(left);
        gm_held held = c->held;
        if (gm_event_fits(event_in(s, slot), &held))
            c->done |= UINT64_C(1) << slot;
    }
}

/* False: no slot is free. */
static bool begin_call(sweep *s, uint64_t event)
{
    if (~s->open == 0)
        return false;
    unsigned slot = (unsigned)__builtin_ctzll(~s->open);
    uint64_t bit = UINT64_C(1) << slot;
    s->slots[slot] = event;
    s->open |= bit;
    s->quiet = gm_event_changes(&s->events[event]) ? s->quiet & ~bit : s->quiet | bit;
    for (uint64_t i = 0; (s->quiet & bit) && i < s->now.n; i++) {
        gm_held held = s->now.list[i].held;
        if (gm_event_fits(&s->events[event], &held))
            s->now.list[i].done |= bit; /* all stay different; nobody looks them up */
    }
    return true;
}

static unsigned slot_of(const sweep *s, uint64_t event)
{
    for (uint64_t left = s->open; left; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(left);
        if (s->slots[slot] == event)
            return slot;
    }
    return MOST_OPEN;
}

/* Adds to s->work what comes of c by one call that changes something. */
static bool extend(sweep *s, configuration c)
{
    for (uint64_t left = s->open & ~s->quiet & ~c.done; left; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(left);
        configuration then = c;
        if (!gm_event_fits(event_in(s, slot), &then.held))
            continue;
        then.done |= UINT64_C(1) << slot;
        settle(s, &then);
        if (!set_add(&s->alloc, &s->work, &then))
            return false;
    }
    return true;
}

/* From s->now to s->next, those in which `bit` is done. */
static int search(sweep *s, uint64_t bit)
{
    set_clear(&s->work);
    set_clear(&s->next);
    for (uint64_t i = 0; i < s->now.n; i++)
        if (!set_add(&s->alloc, &s->work, &s->now.list[i]))
            return GM_E_NOMEM;
    for (uint64_t i = 0; i < s->work.n; i++) {
        configuration c = s->work.list[i];
        bool done = c.done & bit;
        c.done &= ~bit;
        if (++s->looked_at - s->looked_at_before > s->c->budget || s->work.n > MOST_SET)
            return GM_VERDICT_UNKNOWN;
        if (!(done ? set_add(&s->alloc, &s->next, &c) : extend(s, c)))
            return GM_E_NOMEM;
    }
    set swap = s->now;
    s->now = s->next;
    s->next = swap;
    return SWEEP_ON;
}

/* Whether all have it; then they go on without it, and stay different. */
static bool all_done(sweep *s, uint64_t bit)
{
    for (uint64_t i = 0; i < s->now.n; i++)
        if (!(s->now.list[i].done & bit))
            return false;
    for (uint64_t i = 0; i < s->now.n; i++)
        s->now.list[i].done &= ~bit;
    s->looked_at += s->now.n;
    return true;
}

static int end_call(sweep *s, uint64_t event)
{
    uint64_t bit = UINT64_C(1) << slot_of(s, event);
    if (!all_done(s, bit)) {
        int status = search(s, bit);
        if (status != SWEEP_ON)
            return status;
    }
    s->open &= ~bit;
    return s->now.n ? SWEEP_ON : GM_VERDICT_VIOLATION;
}

/* One key's edges, from one configuration on. *stopped: how many edges it has taken; a violation is at the last of them. */
static int sweep_edges(sweep *s, const edge *edges, uint64_t n, gm_held held, uint64_t *stopped)
{
    configuration first = {held, 0};
    int status = SWEEP_ON;
    s->open = s->quiet = s->single = 0;
    s->looked_at_before = s->looked_at;
    set_clear(&s->now);
    if (!set_add(&s->alloc, &s->now, &first))
        return GM_E_NOMEM;
    for (*stopped = 0; *stopped < n && status == SWEEP_ON; ++*stopped) {
        const edge *e = &edges[*stopped];
        if (!e->is_end)
            status = begin_call(s, e->event) ? SWEEP_ON : GM_VERDICT_UNKNOWN;
        else
            status = end_call(s, e->event);
        if (status == SWEEP_ON && s->now.n == 1)
            s->single = *stopped + 1;
    }
    return status == SWEEP_ON ? GM_VERDICT_OK : status;
}

/* ------------------------------------------------------------------ what a violation comes down to (N5) */

/* Calls that are left of a violation, as edges: `n` of them, and what the key holds before. */
typedef struct rest {
    edge *edges;
    uint64_t n;
    gm_held held;
} rest;

static bool takes_part(const sweep *s, uint64_t event)
{
    unsigned slot = slot_of(s, event);
    return slot == MOST_OPEN || !(s->now.list[0].done >> slot & 1);
}

/* The edges from `single` up to `end`, and before them the starts of the calls that were under way. edges has room. */
static int cut(sweep *s, const edge *edges, uint64_t single, uint64_t end, gm_held held, rest *r)
{
    uint64_t stopped;
    int status = sweep_edges(s, edges, single, held, &stopped); /* to the same configuration again */
    if (status != GM_VERDICT_OK)
        return status;
    r->held = s->now.list[0].held;
    r->n = 0;
    for (uint64_t left = s->open & ~s->now.list[0].done; left; left &= left - 1) {
        uint64_t event = s->slots[__builtin_ctzll(left)];
        r->edges[r->n++] = (edge){s->events[event].key, s->events[event].start, event, 0};
    }
    for (uint64_t i = single; i < end; i++)
        if (takes_part(s, edges[i].event))
            r->edges[r->n++] = edges[i];
    return GM_VERDICT_VIOLATION;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The edges but those of `count` calls; returns how many. */
static uint64_t without(const rest *r, const uint64_t *calls, uint64_t count, edge *out)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < r->n; i++) {
        uint64_t event = r->edges[i].event;
        if (!bsearch(&event, calls, count, sizeof *calls, by_number))
            out[n++] = r->edges[i];
    }
    return n;
}

/* Calls that change nothing, but for the one that failed: its end is the last edge. Ascending. */
static uint64_t quiet_calls(const sweep *s, const rest *r, uint64_t *calls)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < r->n; i++) {
        uint64_t event = r->edges[i].event;
        if (!r->edges[i].is_end && event != r->edges[r->n - 1].event && !gm_event_changes(&s->events[event]))
            calls[n++] = event;
    }
    qsort(calls, n, sizeof *calls, by_number);
    return n;
}

/* Leaves out as many as it can, half of them at once, then a quarter, down to one by one, until it has looked at too much. */
static int minimise(sweep *s, rest *r, uint64_t *calls, edge *trial)
{
    uint64_t n = quiet_calls(s, r, calls), stopped, tried = 0;
    for (uint64_t chunk = n; chunk > 0; chunk /= 2) {
        for (uint64_t first = 0; first < n && tried < MOST_TRIED;) {
            uint64_t count = n - first < chunk ? n - first : chunk, left = without(r, calls + first, count, trial);
            int status = sweep_edges(s, trial, left, r->held, &stopped);
            tried += left;
            if (status < 0)
                return status;
            if (status != GM_VERDICT_VIOLATION) {
                first += count;
                continue;
            }
            memcpy(r->edges, trial, stopped * sizeof *trial);
            r->n = stopped;
            n = quiet_calls(s, r, calls);
        }
    }
    return GM_VERDICT_VIOLATION;
}

/* Begins it later, if it has one configuration at a later instant now. */
static int cut_again(sweep *s, rest *r, edge *copy)
{
    uint64_t n = r->n, stopped;
    memcpy(copy, r->edges, n * sizeof *copy);
    int status = sweep_edges(s, copy, n, r->held, &stopped);
    return status == GM_VERDICT_VIOLATION ? cut(s, copy, s->single, stopped, r->held, r) : status;
}

static void report(const rest *r, uint64_t *which, gm_linear_result *out)
{
    out->present = r->held.present;
    out->value = r->held.value;
    for (uint64_t i = 0; i < r->n; i++)
        if (!r->edges[i].is_end)
            which[out->n++] = r->edges[i].event;
}

/* Of the first `end` edges of a key the last cannot be explained. */
static int explain(sweep *s, const edge *edges, uint64_t end, gm_held held, uint64_t *which, gm_linear_result *out)
{
    uint64_t single = s->single, room = end - single + MOST_OPEN;
    size_t size = room * (2 * sizeof(edge) + sizeof(uint64_t));
    edge *memory = s->alloc.zalloc(s->alloc.ctx, size);
    if (!memory)
        return GM_E_NOMEM;
    rest r = {.edges = memory};
    int status = cut(s, edges, single, end, held, &r);
    for (uint64_t before = 0; status == GM_VERDICT_VIOLATION && before != r.n;) {
        before = r.n;
        status = minimise(s, &r, (uint64_t *)(void *)(memory + 2 * room), memory + room);
        if (status == GM_VERDICT_VIOLATION)
            status = cut_again(s, &r, memory + room);
    }
    if (status == GM_VERDICT_VIOLATION)
        report(&r, which, out);
    s->alloc.release(s->alloc.ctx, memory, size);
    return status;
}

/* ------------------------------------------------------------------ all keys */

/* By key, then time; at one time starts before ends (N2), both in the order of the calls. */
static int by_key_and_time(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->is_end != y->is_end)
        return (int)x->is_end - (int)y->is_end;
    return (x->event > y->event) - (x->event < y->event);
}

static bool sound(const gm_history_event *e)
{
    bool known = e->status == GM_OK || e->status == GM_MISS || e->status < 0;
    bool may_be_untold = e->op == GM_HISTORY_STORE || e->op == GM_HISTORY_DELETE || e->op == GM_HISTORY_ADD;
    return e->op < GM_HISTORY_OPS && known && e->start <= e->end && (!e->untold || may_be_untold);
}

static bool edges_of(const gm_history_event *events, uint64_t n, uint64_t slack, edge *edges, uint64_t *count)
{
    *count = 0;
    for (uint64_t i = 0; i < n; i++) {
        const gm_history_event *e = &events[i];
        if (!sound(e))
            return false;
        if (e->status < 0)
            continue; /* N4 */
        edges[(*count)++] = (edge){e->key, e->start, i, 0};
        edges[(*count)++] = (edge){e->key, e->end < UINT64_MAX - slack ? e->end + slack : UINT64_MAX, i, 1};
    }
    qsort(edges, *count, sizeof *edges, by_key_and_time);
    return true;
}

static int check_key(sweep *s, const edge *edges, uint64_t n, uint64_t *which, gm_linear_result *out)
{
    gm_held held = {s->c->present != 0, s->c->present ? s->c->value : 0};
    uint64_t stopped, before = s->looked_at;
    int status = sweep_edges(s, edges, n, held, &stopped);
    out->configurations += s->looked_at - before;
    if (status == GM_VERDICT_VIOLATION)
        status = explain(s, edges, stopped, held, which, out);
    if (status == GM_VERDICT_VIOLATION || (status == GM_VERDICT_UNKNOWN && out->verdict == GM_VERDICT_OK)) {
        out->verdict = status;
        out->key = edges->key;
    }
    return status < 0 ? status : GM_OK;
}

static int check_all(sweep *s, const edge *edges, uint64_t n, uint64_t *which, gm_linear_result *out)
{
    int status = GM_OK;
    for (uint64_t i = 0, end; i < n && status == GM_OK && out->verdict != GM_VERDICT_VIOLATION; i = end) {
        for (end = i + 1; end < n && edges[end].key == edges[i].key;)
            end++;
        status = check_key(s, edges + i, end - i, which, out);
    }
    return status;
}

int gm_linear_check(const gm_linear_config *c, const gm_history_event *events, uint64_t n, uint64_t *which,
                    gm_linear_result *out)
{
    sweep s = {.c = c, .alloc = c->alloc ? *c->alloc : gm_alloc_default(), .events = events};
    *out = (gm_linear_result){.verdict = GM_VERDICT_OK};
    if (n == 0)
        return GM_OK;
    size_t size = n < SIZE_MAX / (2 * sizeof(edge)) ? 2 * n * sizeof(edge) : 0;
    edge *edges = size ? s.alloc.zalloc(s.alloc.ctx, size) : NULL;
    uint64_t count;
    if (!edges)
        return GM_E_NOMEM;
    int status = edges_of(events, n, c->slack, edges, &count) ? GM_OK : GM_E_ARGUMENT;
    if (status == GM_OK)
        status = check_all(&s, edges, count, which, out);
    set_drop(&s.alloc, &s.now);
    set_drop(&s.alloc, &s.work);
    set_drop(&s.alloc, &s.next);
    s.alloc.release(s.alloc.ctx, edges, size);
    return status;
}
