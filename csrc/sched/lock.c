/* lock.c: what threads of the scheduler wait on.
 *
 * Mirrors runtime/lock_futex.go: a mutex whose taker spins four times thirty pauses, gives way once, and then sleeps on the
 * word; and a note, which one thread gives and one awaits.
 *
 *   L1  The holder is alone: the word goes from 0 by an acquiring exchange that pairs with unlock's release.
 *   L2  No sleeper is forgotten: who sleeps has set the word to 2, and who takes the lock after sleeping leaves it at 2, so
 *       that each unlock that may have a sleeper behind it wakes one.
 *   L3  What the giver of a note did before is seen by who awaited it (release, acquire).
 *
 * L1 and L2 are explored under the list of globq.c: tests/testing/test_explore.py.
 *
 * A goroutine that holds the lock must not be switched away: its thread would wait for itself. Callers see to that (gm_enter,
 * or they run on their thread's own stack).
 */
#include "sched/lock.h"

#include "base/futex.h"
#include "base/thread.h"

enum { lockFree = 0, lockHeld = 1, lockSlept = 2 };
enum { spinPauses = 30 };
#if defined(GM_EXPLORE)
enum { activeSpins = 0 }; /* one CPU, and sections of few accesses: after so many pauses nobody would come to sleep */
#else
enum { activeSpins = 4 };
#endif

/* Whether it was got without sleeping; `as` is what the word becomes. */
static bool spin_for(gm_rt_mutex *m, uint32_t as)
{
    for (int i = 0; i <= activeSpins; i++) {
        uint32_t seen = lockFree;
        if (gm_load_rlx(&m->word) == lockFree && gm_cas_acq(&m->word, &seen, as)) /* pairs with gm_rt_unlock (L1) */
            return true;
        for (int k = 0; k < spinPauses && i < activeSpins; k++)
            gm_relax();
    }
    gm_yield();
    uint32_t seen = lockFree;
    return gm_cas_acq(&m->word, &seen, as); /* pairs with gm_rt_unlock (L1) */
}

static void lock_slow(gm_rt_mutex *m)
{
    gm_add_rlx(&m->contended, 1); /* relaxed: a number */
    uint32_t as = lockHeld;
    while (!spin_for(m, as)) {
        if (gm_swap_acq(&m->word, lockSlept) == lockFree) /* pairs with gm_rt_unlock (L1) */
            return;
        gm_add_rlx(&m->slept, 1);
        gm_futex_wait(&m->word, lockSlept);
        as = lockSlept; /* L2 */
    }
}

void gm_rt_lock(gm_rt_mutex *m)
{
    uint32_t seen = lockFree;
    if (gm_unlikely(!gm_cas_acq(&m->word, &seen, lockHeld))) /* pairs with gm_rt_unlock (L1) */
        lock_slow(m);
}

void gm_rt_unlock(gm_rt_mutex *m)
{
    if (gm_unlikely(gm_swap_acq_rel(&m->word, lockFree) == lockSlept)) /* release pairs with the takers (L1) */
        gm_futex_wake(&m->word);
}

void gm_note_give(gm_note *n)
{
    gm_store_rel(&n->given, 1); /* pairs with gm_note_await (L3) */
    gm_futex_wake(&n->given);
}

void gm_note_await(gm_note *n)
{
    while (!gm_load_acq(&n->given)) /* pairs with gm_note_give (L3) */
        gm_futex_wait(&n->given, 0);
    gm_store_rlx(&n->given, 0); /* relaxed: the next giver is one who learns afterwards that this thread waits again */
}
