/* ticks.c: the CPU's own clock, calibrated against the operating system's.
 *
 * Reading CLOCK_MONOTONIC twice around an operation costs about as much as the operation (2 x 23 ns where this was written);
 * the counter of the CPU (TSC on x86-64, CNTVCT on aarch64) costs 10 to 18 ns. It is used where it can be trusted: on x86-64
 * where CPUID says that the TSC is invariant (constant rate, never stopped; the kernel keeps the cores' counters together),
 * on aarch64 always (the architecture says so). Elsewhere a tick is a nanosecond of CLOCK_MONOTONIC.
 *
 * CALIBRATION. A pair of readings (counter, nanoseconds) is the best of several: the one whose two readings of the counter
 * around the clock lie closest together. Two such pairs 10 ms apart give the rate, to about 2 parts in a million; a third
 * at the end of a run tells how far the clocks came apart, which the result reports.
 *
 *   T1  An end is read after every load of the operation has been done (RDTSCP, ISB); a start may overtake what is under
 *       way before it by a few instructions. Rejected: a fence at the start as well, 5 to 9 ns more in every operation.
 *   T2  Times of one thread never run backwards; across threads they are compared only as precisely as the kernel keeps the
 *       counters together (tens of nanoseconds).
 *   T3  gm_tick_before is read before anything of the call is done, gm_tick_after after all of it is done and seen by all (two
 *       fences, 20 to 60 ns a call): a call whose `after` is less than another's `before` is over when the other begins, as far
 *       as the cores' counters agree (T2).
 */
#include "base/ticks.h"

#include "base/thread.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { PAIR_TRIES = 32, CALIBRATION_NS = 10000000 };

bool gm_ticks_hardware(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1); /* "invariant TSC" */
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

void gm_tick_pair(uint64_t *tick, uint64_t *ns, bool hardware)
{
    uint64_t best = UINT64_MAX;
    *tick = *ns = 0;
    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = gm_tick_end(hardware), now = gm_now_ns(), after = gm_tick_end(hardware);
        if (after - before < best) {
            best = after - before;
            *tick = before + best / 2;
            *ns = now;
        }
    }
}

void gm_ticks_calibrate(gm_ticks *t, bool hardware)
{
    *t = (gm_ticks){.hardware = hardware, .mult = UINT64_C(1) << 32, .ns_per_tick = 1};
    gm_tick_pair(&t->tick0, &t->ns0, hardware);
    t->small = UINT64_MAX / t->mult;
    if (!hardware)
        return;
    uint64_t tick, ns;
    gm_nap_ns(CALIBRATION_NS);
    gm_tick_pair(&tick, &ns, true);
    t->ns_per_tick = (double)(ns - t->ns0) / (double)(tick - t->tick0);
    t->mult = (uint64_t)(t->ns_per_tick * 0x1p32 + 0.5);
    t->small = UINT64_MAX / t->mult;
}

double gm_ticks_drift_ppm(const gm_ticks *t)
{
    uint64_t tick, ns;
    gm_tick_pair(&tick, &ns, t->hardware);
    double real = (double)(ns - t->ns0), ours = (double)(tick - t->tick0) * t->ns_per_tick;
    return real > 0 ? (ours - real) / real * 1e6 : 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double gm_tick_cost_ns(int hardware)
{
    enum { ROUNDS = 1001 };
    uint64_t took[ROUNDS];
    gm_ticks t;
    gm_ticks_calibrate(&t, hardware && gm_ticks_hardware());
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = gm_tick_start(t.hardware), end = gm_tick_end(t.hardware);
        took[i] = end > start ? end - start : 0;
    }
    qsort(took, ROUNDS, sizeof took[0], by_size);
    return (double)took[ROUNDS / 2] * t.ns_per_tick;
}
