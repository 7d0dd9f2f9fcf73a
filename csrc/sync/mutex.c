/* mutex.c: Go's sync.Mutex and sync.RWMutex, from futexes up.
 *
 * Mirrors internal/sync/mutex.go and sync/rwmutex.go (Go 1.25) and, of runtime/sema.go, what they use.
 *
 * MUTEX.   state   bit 0 locked   bit 1 woken   bit 2 starving   bits 3.. number of waiters
 *
 *   normal     Who comes may take a free lock before those who wait for it. A waiter that is woken competes with newcomers, who
 *              are running already and mostly win; having lost, it waits at the front of the queue.
 *   starving   Once a waiter has waited for more than 1 ms the lock is handed from holder to the first waiter directly, and
 *              newcomers queue up at the back, until a waiter gets it that is the last or has waited less.
 *   spinning   Before it queues up, a newcomer spins up to four times 30 pauses, if the lock is held in normal mode and there
 *              is more than one CPU; `woken` tells the holder meanwhile not to wake anybody.
 *
 * RWMUTEX.  Readers count themselves in and out with one addition each. A writer takes the mutex, makes the count negative by
 * 2^30, and waits for the readers that were inside; readers that come now wait until it is done: a waiting writer is
 * preferred, and so one slow reader in front of one writer holds up all that come after.
 *
 *   U1  The holder is alone: state's lock bit is set by a compare-and-swap (acquire) that saw it clear, or handed on in
 *       starving mode without being cleared. unlock's addition (release) pairs with either; in a hand-off the semaphore's
 *       own release and acquire stand between the two holders.
 *   U2  A waiter that is woken in normal mode comes with `woken` set by the one who woke it, and clears it in its next attempt.
 *   U3  A reader's addition (acq_rel) to reader_count and the writer's order all they do inside; a reader that has to wait
 *       gets the order from the semaphore.
 *   U4  No wake is lost: a permit is given to the first in the queue, or kept, under the semaphore's own guard.
 *
 * SEMAPHORE. A waiter's node lies on its stack; its `granted` word is what it sleeps on. A permit goes to a node, never to
 * a word that somebody else may take first: Go reaches the same by a ticket.
 *
 * Divergences: a thread instead of a goroutine; Go also asks before spinning whether another P is running and the own run
 * queue is empty. The semaphore's guard is a spinlock held for a few instructions; Go's is a runtime lock.
 */
#include "sync/mutex.h"

#include "base/clock.h"
#include "base/futex.h"
#include "base/probe.h"
#include "base/thread.h"

#include <sched.h>
#include <unistd.h>

enum { mutexLocked = 1, mutexWoken = 2, mutexStarving = 4, mutexWaiterShift = 3, mutexWaiter = 1 << mutexWaiterShift };
enum { starvationThresholdNs = 1000000, activeSpins = 4, spinPauses = 30, rwmutexMaxReaders = 1 << 30 };

/* ------------------------------------------------------------------ counters */

static void count_wait(gm_lock_counters *c, uint64_t ns)
{
    unsigned bucket = 63 - (unsigned)__builtin_clzll(ns | 1);
    uint64_t longest = gm_load_rlx(&c->longest_wait_ns); /* all relaxed: numbers to look at */
    gm_add_rlx(&c->contended, 1);
    gm_add_rlx(&c->wait_ns, ns);
    gm_add_rlx(&c->waits[bucket < gm_wait_buckets ? bucket : gm_wait_buckets - 1], 1);
    while (ns > longest && !gm_cas_rlx(&c->longest_wait_ns, &longest, ns))
        ;
}

void gm_lock_stats(const gm_lock_counters *c, gm_stats *out)
{
    uint64_t longest = gm_load_rlx(&c->longest_wait_ns);
    out->locks += gm_load_rlx(&c->locks);
    out->contended += gm_load_rlx(&c->contended);
    out->spins += gm_load_rlx(&c->spins);
    out->handoffs += gm_load_rlx(&c->handoffs);
    out->wait_ns += gm_load_rlx(&c->wait_ns);
    out->longest_wait_ns = longest > out->longest_wait_ns ? longest : out->longest_wait_ns;
}

/* ------------------------------------------------------------------ semaphore */

struct gm_waiter {
    gm_waiter *next;
    _Atomic uint32_t granted;
};

static void guard_sema(gm_sema *s)
{
    for (unsigned i = 1; gm_swap_acq(&s->busy, 1); i++) /* acquire pairs with unguard_sema */
        if (i % 64)
            gm_relax();
        else
            sched_yield(); /* its holder may have lost its CPU */
}

static void unguard_sema(gm_sema *s)
{
    gm_store_rel(&s->busy, 0); /* pairs with guard_sema */
}

static void enqueue(gm_sema *s, gm_waiter *w, bool first)
{
    if (!s->first) {
        s->first = s->last = w;
    } else if (first) {
        w->next = s->first;
        s->first = w;
    } else {
        s->last->next = w;
        s->last = w;
    }
}

static void sema_acquire(gm_sema *s, bool first)
{
    gm_waiter w = {NULL, 0};
    guard_sema(s);
    bool free = s->permits > 0;
    if (free)
        s->permits--;
    else
        enqueue(s, &w, first);
    unguard_sema(s);
    while (!free && !gm_load_acq(&w.granted)) /* acquire pairs with sema_release */
        gm_futex_wait(&w.granted, 0);
}

static void sema_release(gm_sema *s)
{
    guard_sema(s);
    gm_waiter *w = s->first;
    if (w)
        s->first = w->next;
    else
        s->permits++;
    unguard_sema(s);
    if (!w)
        return;
    gm_store_rel(&w->granted, 1); /* pairs with sema_acquire; from here on w may be gone (X2 in base/futex.c) */
    gm_futex_wake(&w->granted);
}

/* ------------------------------------------------------------------ mutex */

static bool several_cpus(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* One round of spinning; whether this thread has set `woken`. */
static bool spin(gm_mutex *m, uint32_t old, bool awoke)
{
    if (!awoke && !(old & mutexWoken) && old >> mutexWaiterShift && gm_cas_rlx(&m->state, &old, old | mutexWoken))
        awoke = true; /* relaxed: the bit only keeps unlock from waking somebody */
    for (int i = 0; i < spinPauses; i++)
        gm_relax();
    gm_add_rlx(&m->seen.spins, 1);
    return awoke;
}

/* The state that an attempt wants. */
static uint32_t wanted(uint32_t old, bool starving, bool awoke)
{
    uint32_t new = old &mutexStarving ? old : old | mutexLocked;
    if (old & (mutexLocked | mutexStarving))
        new += mutexWaiter;
    if (starving && (old & mutexLocked))
        new |= mutexStarving;
    return awoke ? new & ~(uint32_t)mutexWoken : new;
}

/* The lock was handed to this waiter: leaves the queue, and starving mode if it was the last or has not waited long. */
static void accept_handoff(gm_mutex *m, uint32_t old, bool starving)
{
    uint32_t delta = mutexLocked - (uint32_t)mutexWaiter;
    if (!starving || old >> mutexWaiterShift == 1)
        delta -= mutexStarving;
    gm_add_acq(&m->state, delta);
    gm_add_rlx(&m->seen.handoffs, 1);
}

static void lock_slow(gm_mutex *m)
{
    bool starving = false, awoke = false, can_spin = several_cpus();
    uint64_t began = gm_now_ns(), queued = 0;
    int rounds = 0;
    uint32_t old = gm_load_rlx(&m->state);
    for (;;) {
        if ((old & (mutexLocked | mutexStarving)) == mutexLocked && can_spin && rounds < activeSpins) {
            awoke = spin(m, old, awoke);
            rounds++;
            old = gm_load_rlx(&m->state);
            continue;
        }
        if (!gm_cas_acq(&m->state, &old, wanted(old, starving, awoke))) /* pairs with unlock's release (U1) */
            continue;
        if (!(old & (mutexLocked | mutexStarving)))
            break;
        bool again = queued != 0;
        queued = again ? queued : gm_now_ns();
        sema_acquire(&m->sema, again);
        starving = starving || gm_now_ns() - queued > starvationThresholdNs;
        old = gm_load_rlx(&m->state);
        if (old & mutexStarving) {
            accept_handoff(m, old, starving);
            break;
        }
        awoke = true;
        rounds = 0;
    }
    count_wait(&m->seen, gm_now_ns() - began);
}

void gm_mutex_lock(gm_mutex *m)
{
    uint32_t free = 0;
    if (gm_unlikely(!gm_cas_acq(&m->state, &free, mutexLocked))) { /* pairs with unlock's release (U1) */
        gm_span span = gm_span_enter(GM_CAUSE_LOCK_WAIT);
        lock_slow(m);
        gm_span_leave(span);
    }
    gm_store_rlx(&m->seen.locks, gm_load_rlx(&m->seen.locks) + 1); /* the holder alone */
}

static void unlock_slow(gm_mutex *m, uint32_t old)
{
    if (old & mutexStarving) {
        sema_release(&m->sema); /* to the first waiter: nobody else takes a free lock in starving mode (U1) */
        return;
    }
    while (old >> mutexWaiterShift && !(old & (mutexLocked | mutexWoken | mutexStarving))) {
        if (gm_cas_rlx(&m->state, &old, (old - mutexWaiter) | mutexWoken)) { /* the lock itself was released before */
            sema_release(&m->sema);
            return;
        }
    }
}

void gm_mutex_unlock(gm_mutex *m)
{
    uint32_t left = gm_sub_rel(&m->state, mutexLocked) - mutexLocked; /* pairs with the acquires in lock (U1) */
    if (gm_unlikely(left))
        unlock_slow(m, left);
}

/* ------------------------------------------------------------------ rwmutex */

void gm_rwmutex_rlock(gm_rwmutex *m)
{
    if (gm_likely(gm_add_acq(&m->reader_count, 1) + 1 >= 0)) /* pairs with the writer's additions (U3) */
        return;
    gm_span span = gm_span_enter(GM_CAUSE_LOCK_WAIT);
    uint64_t began = gm_now_ns();
    sema_acquire(&m->reader_sema, false);
    count_wait(&m->read, gm_now_ns() - began);
    gm_span_leave(span);
}

void gm_rwmutex_runlock(gm_rwmutex *m)
{
    int32_t left = gm_sub_rel(&m->reader_count, 1) - 1; /* pairs with the writer's addition (U3) */
    if (gm_unlikely(left < 0) && gm_sub_acq_rel(&m->reader_wait, 1) == 1)
        sema_release(&m->writer_sema); /* the last reader that the writer waited for */
}

void gm_rwmutex_lock(gm_rwmutex *m)
{
    gm_mutex_lock(&m->w);
    int32_t inside = gm_sub_acq_rel(&m->reader_count, rwmutexMaxReaders); /* pairs with readers' (U3) */
    if (inside == 0 || gm_add_acq_rel(&m->reader_wait, inside) + inside == 0)
        return;
    gm_span span = gm_span_enter(GM_CAUSE_LOCK_WAIT);
    uint64_t began = gm_now_ns();
    sema_acquire(&m->writer_sema, false);
    count_wait(&m->w.seen, gm_now_ns() - began);
    gm_span_leave(span);
}

void gm_rwmutex_unlock(gm_rwmutex *m)
{
    int32_t waiting = gm_add_acq_rel(&m->reader_count, rwmutexMaxReaders) + rwmutexMaxReaders; /* U3 */
    for (int32_t i = 0; i < waiting; i++)
        sema_release(&m->reader_sema);
    gm_mutex_unlock(&m->w);
}
