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
 * COUNTERS. A lock call names the counters that a wait is added to, so a lock is 32 bytes and not 400 (Go's is 8: its
 * semaphore's queue lies in a table of the runtime's), and a structure of many locks has one histogram of waits.
 *
 *   U5  A call that gets its lock at once touches no counter. Who had to wait adds once, when it has the lock: six additions to
 *       words that others who waited add to. A wait is microseconds, a line that has to be fetched a tenth of one.
 *   U6  `locks` is a plain store by the holder, where the counters belong to one lock (gm_count_lock). Where many locks share
 *       them that would lose counts, and an atomic addition would be a word that all writers fight for: such an owner
 *       counts in lanes (gm_tally in content.h).
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

enum { mutexLocked = 1, mutexWoken = 2, mutexStarving = 4, mutexWaiterShift = 3, mutexWaiter = 1 << mutexWaiterShift };
enum { starvationThresholdNs = 1000000, activeSpins = 4, spinPauses = 30, rwmutexMaxReaders = 1 << 30 };

/* ------------------------------------------------------------------ counters */

/* What one call of lock went through. */
typedef struct wait {
    uint64_t ns, spins, handoffs;
} wait;

static void add_some(_Atomic uint64_t *to, uint64_t n)
{
    if (n)
        gm_add_rlx(to, n);
}

static void count_wait(gm_lock_counters *c, wait w)
{
    unsigned bucket = 63 - (unsigned)__builtin_clzll(w.ns | 1);
    uint64_t longest = gm_load_rlx(&c->longest_wait_ns); /* all relaxed: numbers to look at */
    gm_add_rlx(&c->contended, 1);
    gm_add_rlx(&c->wait_ns, w.ns);
    add_some(&c->spins, w.spins);
    add_some(&c->handoffs, w.handoffs);
    gm_add_rlx(&c->waits[bucket < gm_wait_buckets ? bucket : gm_wait_buckets - 1], 1);
    while (w.ns > longest && !gm_cas_rlx(&c->longest_wait_ns, &longest, w.ns))
        ;
}

static void add_waits(const gm_lock_counters *c, gm_waits *to)
{
    uint64_t longest = gm_load_rlx(&c->longest_wait_ns);
    to->count += gm_load_rlx(&c->contended);
    to->total_ns += gm_load_rlx(&c->wait_ns);
    to->longest_ns = longest > to->longest_ns ? longest : to->longest_ns;
    for (int i = 0; i < gm_wait_buckets; i++)
        to->by_log2[i] += gm_load_rlx(&c->waits[i]);
}

static void add_totals(const gm_lock_counters *c, gm_stats *out)
{
    uint64_t longest = gm_load_rlx(&c->longest_wait_ns);
    out->locks += gm_load_rlx(&c->locks);
    out->contended += gm_load_rlx(&c->contended);
    out->spins += gm_load_rlx(&c->spins);
    out->handoffs += gm_load_rlx(&c->handoffs);
    out->wait_ns += gm_load_rlx(&c->wait_ns);
    out->longest_wait_ns = longest > out->longest_wait_ns ? longest : out->longest_wait_ns;
}

void gm_lock_stats(const gm_lock_counters *c, gm_stats *out)
{
    add_totals(c, out);
    add_waits(c, &out->waits);
}

void gm_reader_lock_stats(const gm_lock_counters *c, gm_stats *out)
{
    add_totals(c, out);
    add_waits(c, &out->read_waits);
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
            gm_yield(); /* its holder may have lost its CPU */
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

/* One round of spinning; whether this thread has set `woken`. */
static bool spin(gm_mutex *m, uint32_t old, bool awoke)
{
    if (!awoke && !(old & mutexWoken) && old >> mutexWaiterShift && gm_cas_rlx(&m->state, &old, old | mutexWoken))
        awoke = true; /* relaxed: the bit only keeps unlock from waking somebody */
    for (int i = 0; i < spinPauses; i++)
        gm_relax();
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
}

static void lock_slow(gm_mutex *m, gm_lock_counters *seen)
{
    wait w = {0};
    bool starving = false, awoke = false, can_spin = gm_several_cpus();
    uint64_t began = gm_now_ns(), queued = 0;
    int rounds = 0;
    uint32_t old = gm_load_rlx(&m->state);
    for (;;) {
        if ((old & (mutexLocked | mutexStarving)) == mutexLocked && can_spin && rounds < activeSpins) {
            awoke = spin(m, old, awoke);
            rounds++;
            w.spins++;
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
            w.handoffs = 1;
            break;
        }
        awoke = true;
        rounds = 0;
    }
    w.ns = gm_now_ns() - began;
    count_wait(seen, w);
}

void gm_mutex_lock(gm_mutex *m, gm_lock_counters *seen)
{
    uint32_t free = 0;
    if (gm_unlikely(!gm_cas_acq(&m->state, &free, mutexLocked))) { /* pairs with unlock's release (U1) */
        gm_span span = gm_span_enter(GM_CAUSE_LOCK_WAIT);
        lock_slow(m, seen);
        gm_span_leave(span);
    }
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

/* Waits for a permit as part of a lock call. */
static void wait_for(gm_sema *s, gm_lock_counters *seen)
{
    gm_span span = gm_span_enter(GM_CAUSE_LOCK_WAIT);
    uint64_t began = gm_now_ns();
    sema_acquire(s, false);
    count_wait(seen, (wait){.ns = gm_now_ns() - began});
    gm_span_leave(span);
}

void gm_rwmutex_rlock(gm_rwmutex *m, gm_lock_counters *seen)
{
    if (gm_unlikely(gm_add_acq(&m->reader_count, 1) + 1 < 0)) /* pairs with the writer's additions (U3) */
        wait_for(&m->reader_sema, seen);
}

void gm_rwmutex_runlock(gm_rwmutex *m)
{
    int32_t left = gm_sub_rel(&m->reader_count, 1) - 1; /* pairs with the writer's addition (U3) */
    if (gm_unlikely(left < 0) && gm_sub_acq_rel(&m->reader_wait, 1) == 1)
        sema_release(&m->writer_sema); /* the last reader that the writer waited for */
}

void gm_rwmutex_lock(gm_rwmutex *m, gm_lock_counters *seen)
{
    gm_mutex_lock(&m->w, seen);
    int32_t inside = gm_sub_acq_rel(&m->reader_count, rwmutexMaxReaders); /* pairs with readers' (U3) */
    if (inside != 0 && gm_add_acq_rel(&m->reader_wait, inside) + inside != 0)
        wait_for(&m->writer_sema, seen);
}

void gm_rwmutex_unlock(gm_rwmutex *m)
{
    int32_t waiting = gm_add_acq_rel(&m->reader_count, rwmutexMaxReaders) + rwmutexMaxReaders; /* U3 */
    for (int32_t i = 0; i < waiting; i++)
        sema_release(&m->reader_sema);
    gm_mutex_unlock(&m->w);
}
