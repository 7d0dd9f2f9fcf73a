/* lock.h: the scheduler's own lock and note; told in lock.c. Zeroed memory is a free lock, a note not yet given. */
#ifndef GM_SCHED_LOCK_H
#define GM_SCHED_LOCK_H

#include "base/atomics.h"

typedef struct gm_rt_mutex {
    _Atomic uint32_t word;      /* 0 free, 1 held, 2 held and somebody may sleep */
    _Atomic uint64_t contended; /* takings that found it held */
    _Atomic uint64_t slept;     /* of these, those that slept */
} gm_rt_mutex;

void gm_rt_lock(gm_rt_mutex *m);
void gm_rt_unlock(gm_rt_mutex *m);

typedef struct gm_note {
    _Atomic uint32_t given;
} gm_note;

void gm_note_give(gm_note *n);
void gm_note_await(gm_note *n); /* and takes it: the next await waits for the next give */

#endif
