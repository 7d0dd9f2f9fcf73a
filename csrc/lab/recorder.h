/* recorder.h: what one thread measures; the design is told in recorder.c. */
#ifndef GM_RECORDER_H
#define GM_RECORDER_H

#include "base/atomics.h"
#include "base/histogram.h"
#include "base/probe.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "map/variant.h"

enum { gm_row_bits = 5, gm_coarse_bits = 3, gm_top_bits = 36, gm_coarse_len = 32 * 8 + 16, gm_rows = 31 * 32 + 64 };

/* Buckets one wide up to 2^(bits + 1), then octaves cut into 2^bits; the last holds all above 2^gm_top_bits. */
static inline size_t gm_coarse_index(uint64_t v, unsigned bits)
{
    v = v >> gm_top_bits ? (UINT64_C(1) << gm_top_bits) - 1 : v;
    unsigned k = 64 - (unsigned)__builtin_clzll(v | ((UINT64_C(2) << bits) - 1)) - (bits + 1);
    return ((size_t)k << bits) + (size_t)(v >> k);
}

/* One operation that was timed, in ticks. */
typedef struct gm_sample {
    int op;
    uint64_t due;     /* open loop: its intended start; else its start */
    uint64_t free_at; /* open loop: when the thread was through with the one before */
    uint64_t start, end;
    const uint64_t *waits; /* of a goroutine: for the CPU, between due and start, by enum gm_wait_kind; NULL: of a thread */
} gm_sample;

typedef struct gm_slot {
    uint64_t count, max_ns; /* operations, timed or not */
    uint32_t counts[gm_coarse_len];
} gm_slot;

typedef struct gm_timeline {
    uint64_t interval_ns, interval_ticks;
    gm_slot *present;
    uint64_t ends; /* the end of the present slot, in ticks */
    uint64_t used, cap;
    gm_slot *slots;
} gm_timeline;

typedef struct gm_row {
    uint64_t own[GM_CAUSES];
    double inherited[GM_CAUSES];
} gm_row;

typedef struct gm_slowest {
    gm_slow *heap; /* the fastest of them on top */
    uint32_t n, cap;
    uint64_t floor_ns; /* slower than this, and it is kept */
} gm_slowest;

/* What a thread is to record. */
typedef struct gm_recorder_plan {
    const gm_alloc *alloc;
    const gm_ticks *ticks;
    uint32_t ops;              /* bit k: operations of kind k occur */
    bool timed, paced, probed; /* paced: latency may begin before service */
    bool delays;               /* goroutines are there, which wait for the CPU */
    uint64_t slow_ns, faults_ns;
    uint32_t slowest;
    uint64_t interval_ns, intervals;
} gm_recorder_plan;

typedef struct gm_recorder {
    gm_recorder_plan plan;
    uint32_t thread;
    uint64_t t0; /* ticks */
    uint64_t done[GM_OPS], hits[GM_OPS], errors[9];
    uint64_t untimed;                             /* operations since the last timed one */
    uint64_t slow_ticks, fault_ticks, look_ticks; /* see recorder.c */
    gm_hist *latency[GM_OPS], *service[GM_OPS], *delay[GM_OPS];
    gm_row *rows[GM_OPS];
    gm_timeline timeline;
    gm_slowest slowest;
    double busy[GM_CAUSES];                /* ticks by cause since the thread last had nothing to do */
    gm_usage usage;                        /* as of the last look */
    uint64_t looked_at, cpu_at, rebase_at; /* when that was; when the CPU time was read, and is to be read again */
} gm_recorder;

int gm_recorder_init(gm_recorder *r, const gm_recorder_plan *plan);
void gm_recorder_free(gm_recorder *r);
void gm_recorder_reset(gm_recorder *r); /* nothing recorded; all memory touched */
void gm_recorder_begin(gm_recorder *r, uint64_t t0);
void gm_recorder_end(gm_recorder *r, uint64_t end);
void gm_recorder_idle(gm_recorder *r);       /* the thread has caught up with its schedule */
void gm_recorder_look(gm_recorder *r);       /* reads the thread's usage, so that the next difference is of few operations */
void gm_recorder_look_again(gm_recorder *r); /* the same, if the last look is old */
void gm_recorder_advance(gm_recorder *r, uint64_t end); /* to the interval of an instant beyond the present one */
void gm_recorder_add_in_full(gm_recorder *r, gm_sample s, gm_probe *p, uint64_t latency_ns, const gm_variant *v, void *self);
void gm_recorder_merge(gm_recorder *into, gm_recorder *from); /* both made by one plan */
void gm_slowest_sort(gm_slowest *s);
uint64_t gm_row_low(size_t row); /* the least latency of a row */
gm_interval gm_slot_summary(const gm_slot *s);

static inline void gm_recorder_count(gm_recorder *r, int op, int status)
{
    if (gm_likely(status >= 0)) {
        r->done[op]++;
        r->hits[op] += status == GM_OK;
    } else {
        r->errors[-status]++;
    }
}

static inline uint64_t gm_ticks_above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline void gm_recorder_tick(gm_recorder *r, uint64_t end, uint64_t latency_ns)
{
    gm_timeline *t = &r->timeline;
    if (!t->slots)
        return;
    if (gm_unlikely(end >= t->ends))
        gm_recorder_advance(r, end);
    gm_slot *s = t->present;
    s->count += 1 + r->untimed;
    r->untimed = 0;
    s->max_ns = latency_ns > s->max_ns ? latency_ns : s->max_ns;
    s->counts[gm_coarse_index(latency_ns, gm_coarse_bits)]++;
}

static inline void gm_recorder_charge(gm_row *row, const gm_probe *p)
{
    row->own[GM_CAUSE_REST] += p->ticks[GM_CAUSE_REST];
    for (uint32_t touched = p->touched; touched; touched &= touched - 1)
        row->own[__builtin_ctz(touched)] += p->ticks[__builtin_ctz(touched)];
}

static inline uint64_t gm_waited(const uint64_t *waits)
{
    uint64_t all = 0;
    for (int k = 0; waits && k < GM_WAIT_KINDS; k++)
        all += waits[k];
    return all;
}

/* Between when it could have begun and when it did. */
static inline uint64_t gm_dispatch(const gm_sample *s)
{
    return gm_ticks_above(s->start, s->due > s->free_at ? s->due : s->free_at);
}

/* Of that, what a goroutine waited for the CPU: it may have begun to wait before it was due. */
static inline uint64_t gm_delayed(const gm_sample *s)
{
    uint64_t waited = gm_waited(s->waits), dispatch = gm_dispatch(s);
    return waited < dispatch ? waited : dispatch;
}

/* One timed operation. p: its probe, finished; or NULL. The short way is that of most operations. */
static inline void gm_recorder_add(gm_recorder *r, gm_sample s, gm_probe *p, const gm_variant *v, void *self)
{
    uint64_t ticks = gm_ticks_above(s.end, s.start), latency_ns = gm_ticks_to_ns(r->plan.ticks, ticks);
    if (r->plan.paced) {
        gm_hist_count(r->service[s.op], gm_hist_half_bits_3, latency_ns);
        latency_ns = gm_ticks_to_ns(r->plan.ticks, gm_ticks_above(s.end, s.due));
    }
    gm_hist_count(r->latency[s.op], gm_hist_half_bits_3, latency_ns);
    if (s.waits)
        gm_hist_count(r->delay[s.op], gm_hist_half_bits_3, gm_ticks_to_ns(r->plan.ticks, gm_delayed(&s)));
    gm_recorder_tick(r, s.end, latency_ns);
    bool slow = latency_ns > r->slowest.floor_ns || ticks > r->fault_ticks;
    if (gm_unlikely(slow || (p && r->plan.paced)))
        gm_recorder_add_in_full(r, s, p, latency_ns, v, self);
    else if (p)
        gm_recorder_charge(&r->rows[s.op][gm_coarse_index(latency_ns, gm_row_bits)], p);
}

#endif
