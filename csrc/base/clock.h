/* clock.h: monotonic time in nanoseconds. */
#ifndef GM_CLOCK_H
#define GM_CLOCK_H

#include <stdint.h>

uint64_t gm_now_ns(void); /* CLOCK_MONOTONIC; about 20 to 30 ns a reading through the vDSO */

#endif
