/* recorder.c: what one thread measures: histograms, causes, a time line, the slowest operations.
 *
 * One recorder a thread, written by it alone; they are merged when the threads are gone. All memory is allocated before the
 * run and touched before the clock starts, so that recording allocates nothing and takes no page fault.
 *
 * TIMES of an operation:
 *
 *      due          free_at      start                         end
 *       |-- backlog --|- dispatch -|----- service ---------------|
 *       |---------------------- latency -------------------------|
 *
 *   latency   what a user waits: from the intended start (open loop) or the actual start (closed loop) to the end
 *   service   from the actual start
 *   backlog   the thread was still busy with earlier operations: its cause, and what that time had been spent on
 *             ("inherited": the ticks by cause since the thread last had nothing to do, in proportion)
 *   dispatch  the thread was free and came late: `rest`, or `preempted` if that took longer than `slow_ns`; of a goroutine what
 *             it waited for the CPU, ready to run, is taken off first: the causes of csrc/sched/tracks.c
 *
 * CAUSES are kept by latency: a matrix for each kind of operation, whose rows are octaves cut into 32, so that the share of
 * each cause above any percentile can be told afterwards. What the probe measured is charged as it is. Two causes have no
 * span and are looked for in operations that take longer than `slow_ns`, by asking the system for the thread's usage:
 *
 *   preempted    if the thread was taken off its CPU: wall time less CPU time since that was last known, less what the
 *                operation was late before it began
 *   page_fault   faults since the last look, times what one was measured to cost
 *
 * Both are taken off the longest spans. A look (a third of a microsecond) is taken after every operation that was slow or
 * took longer than half a page fault, and between two blocks of requests if the last one is 100 microseconds old: what is
 * charged happened in this operation, or in one that was not timed shortly before it.
 *
 *   A1  The causes of an operation add up to its latency.
 *   A2  Histograms lose nothing: 3 significant digits up to 100 s, what lies above is counted above.
 *   A3  Memory does not depend on the duration: when the time line is full, its intervals are joined two by two. Where the
 *       duration is known the interval is chosen for it beforehand and nothing is joined in the run.
 *   A4  The slowest operations are exact: a heap of the slowest so far.
 *
 * Time line slots have a histogram of octaves cut into 8: its p99 is the upper end of a bucket, at most an eighth too large,
 * and never above the slot's exact maximum.
 */
#include "lab/recorder.h"

#include <stdlib.h>
#include <string.h>

enum { HIST_DIGITS = 3, LOOK_NS = 100000, REBASE_NS = 100000000 };
static const uint64_t HIST_HIGHEST_NS = UINT64_C(100000000000);

/* ------------------------------------------------------------------ coarse buckets */

static uint64_t coarse_low(size_t i, unsigned bits)
{
    uint64_t half = UINT64_C(1) << bits;
    if (i < 2 * half)
        return i;
    unsigned k = (unsigned)(i >> bits) - 1;
    return ((i & (half - 1)) + half) << k;
}

_Static_assert(GM_CAUSES == GM_CAUSE_RUN_QUEUE + GM_WAIT_KINDS, "a cause for each kind of wait");
_Static_assert(gm_rows >= ((gm_top_bits - gm_row_bits - 1) << gm_row_bits) + (2 << gm_row_bits), "a row for every latency");
_Static_assert(gm_coarse_len >= ((gm_top_bits - gm_coarse_bits - 1) << gm_coarse_bits) + (2 << gm_coarse_bits),
               "a bucket for each");

uint64_t gm_row_low(size_t row)
{
    return coarse_low(row, gm_row_bits);
}

/* ------------------------------------------------------------------ making */

static void *obtain(const gm_recorder *r, size_t size)
{
    return r->plan.alloc->zalloc(r->plan.alloc->ctx, size);
}

static void give_back(const gm_recorder *r, void *p, size_t size)
{
    if (p)
        r->plan.alloc->release(r->plan.alloc->ctx, p, size);
}

static bool init_op(gm_recorder *r, int op)
{
    const gm_recorder_plan *p = &r->plan;
    r->latency[op] = gm_hist_make(p->alloc, HIST_DIGITS, HIST_HIGHEST_NS);
    if (p->paced)
        r->service[op] = gm_hist_make(p->alloc, HIST_DIGITS, HIST_HIGHEST_NS);
    if (p->probed)
        r->rows[op] = obtain(r, gm_rows * sizeof(gm_row));
    if (p->delays)
        r->delay[op] = gm_hist_make(p->alloc, HIST_DIGITS, HIST_HIGHEST_NS);
    return r->latency[op] && (!p->paced || r->service[op]) && (!p->delays || r->delay[op]) && (!p->probed || r->rows[op]);
}

int gm_recorder_init(gm_recorder *r, const gm_recorder_plan *plan)
{
    *r = (gm_recorder){.plan = *plan,
                       .slow_ticks = gm_ns_to_ticks(plan->ticks, plan->slow_ns),
                       .look_ticks = gm_ns_to_ticks(plan->ticks, LOOK_NS)};
    r->fault_ticks = gm_ns_to_ticks(plan->ticks, plan->probed ? plan->faults_ns / 2 : UINT64_MAX);
    r->fault_ticks = r->fault_ticks < r->slow_ticks ? r->fault_ticks : r->slow_ticks;
    if (!plan->timed)
        return GM_OK;
    bool ok = true;
    for (int op = 0; op < GM_OPS && ok; op++)
        if (plan->ops >> op & 1)
            ok = init_op(r, op);
    r->timeline.cap = plan->intervals;
    r->slowest.cap = plan->slowest;
    if (ok && plan->intervals)
        ok = (r->timeline.slots = obtain(r, plan->intervals * sizeof(gm_slot))) != NULL;
    if (ok && plan->slowest)
        ok = (r->slowest.heap = obtain(r, plan->slowest * sizeof(gm_slow))) != NULL;
    return ok ? GM_OK : GM_E_NOMEM;
}

void gm_recorder_free(gm_recorder *r)
{
    for (int op = 0; op < GM_OPS; op++) {
        gm_hist_free(r->latency[op]);
        gm_hist_free(r->service[op]);
        gm_hist_free(r->delay[op]);
        give_back(r, r->rows[op], gm_rows * sizeof(gm_row));
    }
    give_back(r, r->timeline.slots, r->timeline.cap * sizeof(gm_slot));
    give_back(r, r->slowest.heap, r->slowest.cap * sizeof(gm_slow));
}

void gm_recorder_reset(gm_recorder *r)
{
    memset(r->done, 0, sizeof r->done);
    memset(r->hits, 0, sizeof r->hits);
    memset(r->errors, 0, sizeof r->errors);
    memset(r->busy, 0, sizeof r->busy);
    r->untimed = 0;
    for (int op = 0; op < GM_OPS; op++) {
        if (r->latency[op])
            gm_hist_reset(r->latency[op]);
        if (r->service[op])
            gm_hist_reset(r->service[op]);
        if (r->delay[op])
            gm_hist_reset(r->delay[op]);
        if (r->rows[op])
            memset(r->rows[op], 0, gm_rows * sizeof(gm_row));
    }
    if (r->timeline.slots)
        memset(r->timeline.slots, 0, r->timeline.cap * sizeof(gm_slot));
    if (r->slowest.heap)
        memset(r->slowest.heap, 0, r->slowest.cap * sizeof(gm_slow));
    r->slowest.n = 0;
    r->slowest.floor_ns = r->slowest.cap ? 0 : UINT64_MAX;
}

void gm_recorder_begin(gm_recorder *r, uint64_t t0)
{
    gm_timeline *t = &r->timeline;
    r->t0 = t0;
    t->interval_ns = r->plan.interval_ns;
    t->interval_ticks = gm_ns_to_ticks(r->plan.ticks, t->interval_ns);
    t->used = 0;
    t->ends = t0;           /* the first operation finds its slot */
    r->usage.known = false; /* the next look reads everything */
    gm_recorder_look(r);
}

void gm_recorder_end(gm_recorder *r, uint64_t end)
{
    gm_timeline *t = &r->timeline;
    if (!t->slots || !r->untimed)
        return;
    if (end >= t->ends)
        gm_recorder_advance(r, end);
    t->present->count += r->untimed;
    r->untimed = 0;
}

/* ------------------------------------------------------------------ time line */

static void join_slots(gm_slot *into, const gm_slot *from)
{
    into->count += from->count;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
    for (int i = 0; i < gm_coarse_len; i++)
        into->counts[i] += from->counts[i];
}

/* Intervals twice as long (A3). */
static void fold(gm_timeline *t)
{
    for (uint64_t i = 0; i < t->used; i++) {
        if (i % 2) {
            join_slots(&t->slots[i / 2], &t->slots[i]);
        } else if (i) {
            t->slots[i / 2] = t->slots[i];
        }
    }
    uint64_t left = (t->used + 1) / 2;
    memset(t->slots + left, 0, (t->used - left) * sizeof(gm_slot));
    t->used = left;
    t->interval_ns *= 2;
    t->interval_ticks *= 2;
}

/* The slot of an instant beyond the present one. */
void gm_recorder_advance(gm_recorder *r, uint64_t end)
{
    gm_timeline *t = &r->timeline;
    uint64_t since = end > r->t0 ? end - r->t0 : 0;
    while (since / t->interval_ticks >= t->cap)
        fold(t);
    uint64_t at = since / t->interval_ticks;
    t->present = &t->slots[at];
    t->used = at + 1;
    t->ends = r->t0 + t->used * t->interval_ticks;
}

gm_interval gm_slot_summary(const gm_slot *s)
{
    gm_interval out = {.count = s->count, .max_ns = s->max_ns};
    for (size_t i = 0; i < gm_coarse_len; i++)
        out.timed += s->counts[i];
    uint64_t wanted = out.timed - out.timed / 100, seen = 0; /* the p99's rank */
    for (size_t i = 0; i < gm_coarse_len && out.timed; i++) {
        seen += s->counts[i];
        if (seen >= wanted) {
            out.p99_ns = coarse_low(i + 1, gm_coarse_bits) >> gm_top_bits ? s->max_ns : coarse_low(i + 1, gm_coarse_bits) - 1;
            break;
        }
    }
    out.p99_ns = out.p99_ns > s->max_ns ? s->max_ns : out.p99_ns;
    return out;
}

/* ------------------------------------------------------------------ the slowest */

static void swap(gm_slow *a, gm_slow *b)
{
    gm_slow t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(gm_slowest *s, uint32_t i)
{
    for (;;) {
        uint32_t least = i;
        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->n; child++)
            if (s->heap[child].latency_ns < s->heap[least].latency_ns)
                least = child;
        if (least == i)
            return;
        swap(&s->heap[i], &s->heap[least]);
        i = least;
    }
}

static void sift_up(gm_slowest *s, uint32_t i)
{
    for (; i > 0 && s->heap[i].latency_ns < s->heap[(i - 1) / 2].latency_ns; i = (i - 1) / 2)
        swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static void keep_slow(gm_slowest *s, const gm_slow *e)
{
    if (s->n < s->cap) {
        s->heap[s->n] = *e;
        sift_up(s, s->n++);
    } else {
        s->heap[0] = *e;
        sift_down(s, 0);
    }
    s->floor_ns = s->n == s->cap ? s->heap[0].latency_ns : 0;
}

static int slower_first(const void *a, const void *b)
{
    const gm_slow *x = a, *y = b;
    if (x->latency_ns != y->latency_ns)
        return x->latency_ns < y->latency_ns ? 1 : -1;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

void gm_slowest_sort(gm_slowest *s)
{
    if (s->n)
        qsort(s->heap, s->n, sizeof *s->heap, slower_first);
}

/* ------------------------------------------------------------------ causes */

void gm_recorder_idle(gm_recorder *r)
{
    memset(r->busy, 0, sizeof r->busy);
}

void gm_recorder_look(gm_recorder *r)
{
    if (!r->plan.probed)
        return;
    gm_usage now = gm_usage_counts(), before = r->usage;
    uint64_t at = gm_tick_end(r->plan.ticks->hardware);
    now.cpu_ns = before.cpu_ns;
    r->looked_at = at;
    if (!before.known || now.involuntary != before.involuntary || now.voluntary != before.voluntary || at >= r->rebase_at) {
        now = gm_usage_read();
        r->cpu_at = gm_tick_end(r->plan.ticks->hardware);
        r->rebase_at = r->cpu_at + gm_ns_to_ticks(r->plan.ticks, REBASE_NS);
    }
    r->usage = now;
}

void gm_recorder_look_again(gm_recorder *r)
{
    if (r->plan.probed && gm_tick_start(r->plan.ticks->hardware) > r->looked_at + r->look_ticks)
        gm_recorder_look(r);
}

/* Moves up to `ticks` from the longest causes to `cause`. */
static void move_ticks(uint64_t *causes, int cause, uint64_t ticks)
{
    while (ticks > 0) {
        int longest = -1;
        for (int c = 0; c < GM_CAUSES; c++)
            if (c != cause && c != GM_CAUSE_PREEMPTED && c != GM_CAUSE_PAGE_FAULT && causes[c] > 0 &&
                (longest < 0 || causes[c] > causes[longest]))
                longest = c;
        if (longest < 0)
            return;
        uint64_t moved = causes[longest] < ticks ? causes[longest] : ticks;
        causes[longest] -= moved;
        causes[cause] += moved;
        ticks -= moved;
    }
}

/* What the system says of an operation that took long. `elsewhere`: ticks off the CPU that are charged already. */
typedef struct seen {
    uint32_t faults, preemptions;
} seen;

static seen look_closer(gm_recorder *r, gm_probe *p, uint64_t elsewhere)
{
    gm_usage before = r->usage;
    uint64_t at = r->cpu_at;
    gm_recorder_look(r);
    if (!r->usage.known)
        return (seen){0, 0};
    seen s = {(uint32_t)(r->usage.faults - before.faults), (uint32_t)(r->usage.involuntary - before.involuntary)};
    if (s.preemptions) {
        uint64_t wall = gm_ticks_to_ns(r->plan.ticks, r->cpu_at - at), cpu = r->usage.cpu_ns - before.cpu_ns;
        uint64_t off = gm_ns_to_ticks(r->plan.ticks, wall > cpu ? wall - cpu : 0);
        move_ticks(p->ticks, GM_CAUSE_PREEMPTED, gm_ticks_above(off, p->ticks[GM_CAUSE_LOCK_WAIT] + elsewhere));
    }
    move_ticks(p->ticks, GM_CAUSE_PAGE_FAULT, gm_ns_to_ticks(r->plan.ticks, s.faults * r->plan.faults_ns));
    p->touched |= 1u << GM_CAUSE_PREEMPTED | 1u << GM_CAUSE_PAGE_FAULT;
    return s;
}

/* The whole latency by cause (A1): what came before the start, and what the probe says of the rest. */
static void decompose(const gm_recorder *r, const gm_sample *s, const gm_probe *p, uint64_t *own)
{
    memset(own, 0, GM_CAUSES * sizeof *own);
    if (p)
        memcpy(own, p->ticks, GM_CAUSES * sizeof *own);
    else
        own[GM_CAUSE_REST] = gm_ticks_above(s->end, s->start);
    uint64_t late = gm_ticks_above(s->start, s->due), backlog = gm_ticks_above(s->free_at, s->due);
    backlog = backlog < late ? backlog : late;
    uint64_t dispatch = late - backlog;
    for (int k = 0; s->waits && k < GM_WAIT_KINDS; k++) {
        uint64_t part = s->waits[k] < dispatch ? s->waits[k] : dispatch;
        own[GM_CAUSE_RUN_QUEUE + k] += part;
        dispatch -= part;
    }
    own[GM_CAUSE_BACKLOG] += backlog;
    own[dispatch > r->slow_ticks ? GM_CAUSE_PREEMPTED : GM_CAUSE_REST] += dispatch;
}

/* The backlog's time by what the thread had been doing. */
static void inherit(gm_recorder *r, gm_row *row, uint64_t backlog)
{
    double sum = 0;
    for (int c = 0; c < GM_CAUSES; c++)
        sum += r->busy[c];
    for (int c = 0; c < GM_CAUSES && sum > 0; c++)
        row->inherited[c] += (double)backlog * (r->busy[c] / sum);
}

static void charge(gm_recorder *r, int op, uint64_t latency_ns, const uint64_t *own)
{
    gm_row *row = &r->rows[op][gm_coarse_index(latency_ns, gm_row_bits)];
    for (int c = 0; c < GM_CAUSES; c++)
        row->own[c] += own[c];
    if (!r->plan.paced)
        return;
    if (own[GM_CAUSE_BACKLOG])
        inherit(r, row, own[GM_CAUSE_BACKLOG]);
    for (int c = 0; c < GM_CAUSES; c++)
        if (c != GM_CAUSE_BACKLOG)
            r->busy[c] += (double)own[c];
}

static void keep(gm_recorder *r, const gm_sample *s, const uint64_t *own, seen of, uint64_t latency_ns, uint64_t service_ns,
                 int growing_to)
{
    gm_slow e = {.at_ns = gm_ticks_to_ns(r->plan.ticks, gm_ticks_above(s->start, r->t0)),
                 .latency_ns = latency_ns,
                 .service_ns = service_ns,
                 .thread = r->thread,
                 .op = s->op,
                 .growing_to = growing_to,
                 .faults = of.faults,
                 .preemptions = of.preemptions};
    uint64_t sum = 0;
    for (int c = 1; c < GM_CAUSES; c++)
        sum += e.causes_ns[c] = gm_ticks_to_ns(r->plan.ticks, own[c]);
    e.causes_ns[GM_CAUSE_REST] = gm_ticks_above(latency_ns, sum);
    keep_slow(&r->slowest, &e);
}

/* What is not done for most operations. */
void gm_recorder_add_in_full(gm_recorder *r, gm_sample s, gm_probe *p, uint64_t latency_ns, const gm_variant *v, void *self)
{
    uint64_t own[GM_CAUSES];
    seen of = {0, 0};
    uint64_t ticks = gm_ticks_above(s.end, s.start);
    uint64_t dispatch = gm_dispatch(&s) - gm_delayed(&s); /* what the thread did while it waited is not looked at here */
    if (p && ticks > r->slow_ticks)
        of = look_closer(r, p, dispatch > r->slow_ticks ? dispatch : 0);
    else if (p && ticks > r->fault_ticks)
        gm_recorder_look(r); /* it may have taken a fault, which is not the next slow operation's */
    decompose(r, &s, p, own);
    if (p)
        charge(r, s.op, latency_ns, own);
    if (latency_ns > r->slowest.floor_ns)
        keep(r, &s, own, of, latency_ns, gm_ticks_to_ns(r->plan.ticks, gm_ticks_above(s.end, s.start)), v->growing_to(self));
}

/* ------------------------------------------------------------------ merging */

static void merge_timelines(gm_timeline *into, gm_timeline *from)
{
    while (into->interval_ns < from->interval_ns)
        fold(into);
    while (from->interval_ns < into->interval_ns)
        fold(from);
    for (uint64_t i = 0; i < from->used; i++)
        join_slots(&into->slots[i], &from->slots[i]);
    into->used = from->used > into->used ? from->used : into->used;
}

static void merge_op(gm_recorder *into, const gm_recorder *from, int op)
{
    into->done[op] += from->done[op];
    into->hits[op] += from->hits[op];
    if (into->latency[op])
        gm_hist_add(into->latency[op], from->latency[op]);
    if (into->delay[op])
        gm_hist_add(into->delay[op], from->delay[op]);
    if (into->service[op])
        gm_hist_add(into->service[op], from->service[op]);
    for (size_t i = 0; into->rows[op] && i < gm_rows; i++)
        for (int c = 0; c < GM_CAUSES; c++) {
            into->rows[op][i].own[c] += from->rows[op][i].own[c];
            into->rows[op][i].inherited[c] += from->rows[op][i].inherited[c];
        }
}

void gm_recorder_merge(gm_recorder *into, gm_recorder *from)
{
    for (int op = 0; op < GM_OPS; op++)
        merge_op(into, from, op);
    for (int i = 0; i < 9; i++)
        into->errors[i] += from->errors[i];
    if (into->timeline.slots)
        merge_timelines(&into->timeline, &from->timeline);
    for (uint32_t i = 0; i < from->slowest.n; i++)
        if (from->slowest.heap[i].latency_ns > into->slowest.floor_ns)
            keep_slow(&into->slowest, &from->slowest.heap[i]);
}
