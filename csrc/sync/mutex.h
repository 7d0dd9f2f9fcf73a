/* mutex.h: Go's sync.Mutex and sync.RWMutex; the design is told in mutex.c. Zeroed memory is an unlocked one.
 *
 * A lock is its words and nothing else: what it has seen is counted where the caller says, see COUNTERS in mutex.c.
 */
#ifndef GM_MUTEX_H
#define GM_MUTEX_H

#include "base/atomics.h"
#include "gomap.h"

typedef struct gm_waiter gm_waiter;

/* Go's semaphore: a number of permits, and who waits for one. */
typedef struct gm_sema {
    _Atomic uint32_t busy; /* guards the rest for a few instructions */
    uint32_t permits;
    gm_waiter *first, *last;
} gm_sema;

enum { gm_wait_buckets = 40 }; /* powers of two of nanoseconds, as in gm_stats */

/* What one lock, or any number of them, has seen. Written by those who had to wait, but for locks. */
typedef struct gm_lock_counters {
    _Atomic uint64_t locks; /* gm_count_lock */
    _Atomic uint64_t contended, spins, handoffs, wait_ns, longest_wait_ns;
    _Atomic uint64_t waits[gm_wait_buckets]; /* by the logarithm of their nanoseconds */
} gm_lock_counters;

typedef struct gm_mutex {
    _Atomic uint32_t state; /* locked, woken, starving; waiters from bit 3 on */
    gm_sema sema;
} gm_mutex;

void gm_mutex_lock(gm_mutex *m, gm_lock_counters *seen); /* seen: where a wait is counted */
void gm_mutex_unlock(gm_mutex *m);

typedef struct gm_rwmutex {
    _Atomic int32_t reader_count; /* readers inside or waiting; less rwmutexMaxReaders while a writer is there */
    _Atomic int32_t reader_wait;  /* readers that the writer still waits for */
    gm_mutex w;                   /* held by the writer */
    gm_sema writer_sema, reader_sema;
} gm_rwmutex;

void gm_rwmutex_lock(gm_rwmutex *m, gm_lock_counters *seen);
void gm_rwmutex_unlock(gm_rwmutex *m);
void gm_rwmutex_rlock(gm_rwmutex *m, gm_lock_counters *seen);
void gm_rwmutex_runlock(gm_rwmutex *m);

/* By the holder of the one lock that these counters belong to. */
static inline void gm_count_lock(gm_lock_counters *seen)
{
    gm_store_rlx(&seen->locks, gm_load_rlx(&seen->locks) + 1); /* a number: the lock orders it, stats looks without */
}

/* Both add to *out: what exclusive locks have seen, and what the readers of an RWMutex have. */
void gm_lock_stats(const gm_lock_counters *c, gm_stats *out);
void gm_reader_lock_stats(const gm_lock_counters *c, gm_stats *out);

#endif
