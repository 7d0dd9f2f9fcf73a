/* ticks.h: the CPU's own clock, calibrated; the design is told in ticks.c. */
#ifndef GM_TICKS_H
#define GM_TICKS_H

#include "base/atomics.h"
#include "base/clock.h"
#include "gomap.h"

#include <stdbool.h>

typedef struct gm_ticks {
    bool hardware;       /* false: a tick is a nanosecond of the operating system's clock */
    uint64_t mult;       /* nanoseconds of a tick, times 2^32 */
    uint64_t small;      /* below it, ticks * mult fits 64 bits */
    double ns_per_tick;  /* the same number */
    uint64_t tick0, ns0; /* one instant on both clocks */
} gm_ticks;

void gm_ticks_calibrate(gm_ticks *t, bool hardware);
bool gm_ticks_hardware(void);                 /* whether this CPU has a counter that runs evenly and never stops */
double gm_ticks_drift_ppm(const gm_ticks *t); /* by how much the two clocks have come apart since the calibration */
void gm_tick_pair(uint64_t *tick, uint64_t *ns, bool hardware);

#if defined(__x86_64__) && !defined(GM_EXPLORE) /* which has a clock of its own */
#include <x86intrin.h>

/* The start: what was to be done before may still be under way; an operation is never begun before it by more than that. */
static inline uint64_t gm_counter_start(void)
{
    return __rdtsc();
}

/* The end: waits until all loads before it are done. */
static inline uint64_t gm_counter_end(void)
{
    unsigned cpu;
    return __rdtscp(&cpu);
}
#elif defined(__aarch64__)
static inline uint64_t gm_counter_start(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v)::"memory");
    return v;
}

static inline uint64_t gm_counter_end(void)
{
    uint64_t v;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v)::"memory");
    return v;
}
#else
#define gm_counter_start() gm_now_ns()
#define gm_counter_end() gm_now_ns()
#endif

/* Stamps that order calls of different threads (T3): all that the calls do lies between the two readings. */
#if defined(__x86_64__) && !defined(GM_EXPLORE)
static inline uint64_t gm_counter_before(void)
{
    uint64_t v = gm_counter_end();
    _mm_lfence(); /* nothing that follows begins before the reading */
    return v;
}

static inline uint64_t gm_counter_after(void)
{
    _mm_mfence(); /* stores are seen by all, which RDTSCP by itself does not wait for */
    return gm_counter_end();
}
#elif defined(__aarch64__)
static inline uint64_t gm_counter_before(void)
{
    uint64_t v = gm_counter_end();
    __asm__ volatile("isb" ::: "memory");
    return v;
}

static inline uint64_t gm_counter_after(void)
{
    __asm__ volatile("dsb ish" ::: "memory");
    return gm_counter_end();
}
#else
#define gm_counter_before() gm_now_ns()
#define gm_counter_after() gm_now_ns()
#endif

static inline uint64_t gm_tick_start(bool hardware)
{
    return hardware ? gm_counter_start() : gm_now_ns();
}

static inline uint64_t gm_tick_end(bool hardware)
{
    return hardware ? gm_counter_end() : gm_now_ns();
}

static inline uint64_t gm_tick_before(bool hardware)
{
    return hardware ? gm_counter_before() : gm_now_ns();
}

static inline uint64_t gm_tick_after(bool hardware)
{
    if (hardware)
        return gm_counter_after();
    gm_fence_seq_cst();
    return gm_now_ns();
}

static inline uint64_t gm_ticks_to_ns(const gm_ticks *t, uint64_t ticks)
{
    if (__builtin_expect(ticks < t->small, 1)) /* the product fits a word */
        return ticks * t->mult >> 32;
    return (uint64_t)(((unsigned __int128)ticks * t->mult) >> 32);
}

static inline uint64_t gm_ns_to_ticks(const gm_ticks *t, uint64_t ns)
{
    double ticks = (double)ns / t->ns_per_tick;
    return ticks < 0x1p63 ? (uint64_t)ticks : UINT64_MAX;
}

#endif
