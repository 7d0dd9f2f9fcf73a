/* clock.c: the operating system's monotonic clock.
 *
 * CLOCK_MONOTONIC is read through the vDSO on Linux: no system call, the same source on every core, never backwards. What
 * one reading costs is measured, not assumed, wherever it matters (gm_clock_cost_ns in lab/replay.c).
 */
#include "base/clock.h"

#include <time.h>

uint64_t gm_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}
