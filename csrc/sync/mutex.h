/* mutex.h: Go's sync.Mutex and sync.RWMutex; the design is told in mutex.c. Zeroed memory is an unlocked one. */
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

enum { gm_wait_buckets = 40 }; /* powers of two of nanoseconds */

/* What a lock has seen. locks is written by the holder alone, the rest in the slow paths. */
typedef struct gm_lock_counters {
    _Atomic uint64_t locks, contended, spins, handoffs, wait_ns, longest_wait_ns;
    _Atomic uint64_t waits[gm_wait_buckets]; /* by the logarithm of their nanoseconds */
} gm_lock_counters;

typedef struct gm_mutex {
    _Atomic uint32_t state; /* locked, woken, starving; waiters from bit 3 on */
    gm_sema sema;
    gm_lock_counters seen;
} gm_mutex;

void gm_mutex_lock(gm_mutex *m);
void gm_mutex_unlock(gm_mutex *m);

typedef struct gm_rwmutex {
    gm_mutex w; /* held by the writer */
    gm_sema writer_sema, reader_sema;
    _Atomic int32_t reader_count; /* readers inside or waiting; less rwmutexMaxReaders while a writer is there */
    _Atomic int32_t reader_wait;  /* readers that the writer still waits for */
    gm_lock_counters read;        /* of readers, slow path only */
} gm_rwmutex;

void gm_rwmutex_lock(gm_rwmutex *m);
void gm_rwmutex_unlock(gm_rwmutex *m);
void gm_rwmutex_rlock(gm_rwmutex *m);
void gm_rwmutex_runlock(gm_rwmutex *m);

void gm_lock_stats(const gm_lock_counters *c, gm_stats *out); /* adds to it */

#endif
