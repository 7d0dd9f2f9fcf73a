/* world.c: Ps, and stopping the world.
 *
 * Mirrors acquirep, releasep, forEachP and stopTheWorldWithSema (runtime/proc.go) for threads that come and go: without a
 * scheduler a thread that enters takes a P that is idle (the one that it had last, if it can), and there are as many Ps as
 * threads were ever inside at once.
 *
 *            enter                     stop
 *     IDLE ---------> RUNNING   IDLE --------> STOPPED        a stopped world: no P is RUNNING, and none becomes so
 *          <---------           RUNNING ----> PARKED           (RUNNING -> PARKED is done by its own thread, where it is safe)
 *            leave                     start: and back
 *
 *   R1  A P belongs to who changed its status: the thread inside while it is RUNNING, who stops the world while STOPPED or
 *       PARKED. All that the one did before is seen by the other: every change is a swap or compare-and-swap (acq_rel or
 *       stronger).
 *   R2  No wait is missed: who stops sets `stopping` and then looks at the status; who leaves or parks changes the status and
 *       then looks at `stopping`; all four are seq_cst. One of them sees the other.
 *   R3  A thread inside promises to come by a safe point (or to leave) without waiting for anybody who waits for a stop.
 *   R4  One at a time stops the world (the lock `world`); Ps are added under the same lock. A thread inside that wants to stop
 *       it parks while it waits for its turn.
 *   R5  A P that comes from a stop or from idleness and whose cache is of an earlier sweepgen flushes it first (T3).
 */
#include "base/futex.h"
#include "base/probe.h"
#include "base/thread.h"
#include "heap/heap.h"

#include <sched.h>
#include <stdlib.h>

/* The Ps that this thread is inside with, of all heaps; the one it left last, and of which heap. */
static GM_THREAD_LOCAL gm_p *held;
static GM_THREAD_LOCAL gm_p *last;
static GM_THREAD_LOCAL uint64_t last_id;

/* What the thread inside with p is to do at pointer stores. */
static void set_barrier(gm_p *p)
{
    const gm_heap_config *c = &p->heap->config;
    bool on = c->wb == GM_WB_ALWAYS || (c->wb == GM_WB_MARKING && gm_marking(p->heap));
    gm_barrier_now = on ? &p->barrier : NULL;
}

static void resume(gm_p *p)
{
    if (gm_unlikely(p->flushGen != gm_load_rlx(&p->heap->sweepgen))) /* R5 */
        gm_cache_flush(p);
    set_barrier(p);
}

static bool change(gm_p *p, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&p->status, &from, to); /* seq_cst (R1, R2) */
}

/* ------------------------------------------------------------------ entering */

static gm_p *idle_p(gm_heap *h)
{
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++) {
        gm_p *p = gm_load_rlx(&h->ps[i]);
        if (gm_load_rlx(&p->status) == P_IDLE && change(p, P_IDLE, P_RUNNING))
            return p;
    }
    return NULL;
}

/* A new P for the caller; NULL: no memory, or no more of them. Under `world`. */
static gm_p *add_p(gm_heap *h)
{
    uint32_t n = gm_load_rlx(&h->nps);
    gm_p *p = NULL;
    if (n == mostPs || posix_memalign((void **)&p, _Alignof(gm_p), sizeof *p) != 0)
        return NULL;
    memset(p, 0, sizeof *p);
    p->heap = p->mark.h = h;
    gm_barrier_init(p);
    p->flushGen = gm_load_rlx(&h->sweepgen);
    gm_store_rlx(&p->status, P_RUNNING);
    gm_store_rlx(&h->ps[n], p);
    gm_store_rel(&h->nps, n + 1); /* pairs with idle_p and gm_world_enter_other */
    return p;
}

static void await_start(gm_heap *h)
{
    if (gm_likely(!gm_load_acq(&h->stopping))) /* pairs with gm_world_start */
        return;
    gm_span span = gm_span_enter(GM_CAUSE_STOPPED);
    while (gm_load_acq(&h->stopping)) /* as above */
        gm_futex_wait(&h->stopping, 1);
    gm_span_leave(span);
}

static gm_p *acquire(gm_heap *h)
{
    for (;;) {
        await_start(h);
        gm_p *p = last_id == h->id && change(last, P_IDLE, P_RUNNING) ? last : idle_p(h);
        if (p)
            return p;
        pthread_mutex_lock(&h->world);
        p = add_p(h);
        pthread_mutex_unlock(&h->world);
        if (p)
            return p;
        sched_yield(); /* one of so many comes free */
    }
}

/* The P that the thread is inside with; NULL: it is not inside. */
gm_p *gm_world_inside(gm_heap *h)
{
    gm_p *p = held;
    while (p && p->heap != h)
        p = p->held_next;
    return p;
}

gm_p *gm_world_enter(gm_heap *h)
{
    gm_p *p = gm_world_inside(h);
    if (p) {
        p->depth++;
        return p;
    }
    p = acquire(h);
    gm_add_rlx(&h->running, 1); /* a hint for idle workers */
    p->depth = 1;
    p->held_next = held;
    held = p;
    resume(p);
    return p;
}

/* Enters with another P than `before`, which it had last, if one is idle: as a goroutine that was stolen. */
gm_p *gm_world_enter_other(gm_heap *h, const gm_p *before)
{
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n && !gm_world_inside(h); i++) {
        gm_p *p = gm_load_rlx(&h->ps[i]);
        if (p != before && gm_load_rlx(&p->status) == P_IDLE) { /* relaxed: a hint, acquire() makes sure */
            last = p;                                           /* to be tried first */
            last_id = h->id;
            break;
        }
    }
    return gm_world_enter(h);
}

/* ------------------------------------------------------------------ leaving, and safe points */

/* Gives the P out of the thread's hands; `stopping` after the status (R2). */
static void hand_over(gm_p *p, uint32_t status)
{
    gm_heap *h = p->heap;
    gm_swap_seq_cst(&p->status, status);
    if (gm_unlikely(gm_load_seq_cst(&h->stopping)))
        gm_futex_wake_all(&p->status);
}

void gm_world_leave(gm_p *p)
{
    if (--p->depth > 0)
        return;
    gm_heap *h = p->heap;
    gm_p **at = &held;
    while (*at != p)
        at = &(*at)->held_next;
    *at = p->held_next;
    last = p;
    last_id = h->id;
    gm_barrier_now = NULL;
    gm_sub_rlx(&h->running, 1); /* a hint */
    hand_over(p, P_IDLE);
}

static void park(gm_p *p)
{
    gm_span span = gm_span_enter(GM_CAUSE_STOPPED);
    gm_barrier_now = NULL;
    p->parks++;
    hand_over(p, P_PARKED);
    while (gm_load_seq_cst(&p->status) == P_PARKED)
        gm_futex_wait(&p->status, P_PARKED);
    gm_span_leave(span);
    resume(p);
}

/* The thread holds no pointer into the heap: the world may stop here. */
void gm_world_safe(gm_p *p)
{
    if (gm_unlikely(gm_load_rlx(&p->heap->stopping))) /* relaxed: if not now, then next time */
        park(p);
}

/* ------------------------------------------------------------------ stopping */

static void stop_p(gm_p *p)
{
    for (;;) {
        uint32_t status = gm_load_seq_cst(&p->status); /* after `stopping` (R2) */
        if (status == P_PARKED || (status == P_IDLE && change(p, P_IDLE, P_STOPPED)))
            return;
        if (status == P_RUNNING)
            gm_futex_wait(&p->status, P_RUNNING);
    }
}

/* From here to gm_world_start no thread but the caller's is inside. self: the caller's P, or NULL. */
void gm_world_stop(gm_heap *h, gm_p *self)
{
    if (!self)
        pthread_mutex_lock(&h->world);
    else
        while (pthread_mutex_trylock(&h->world) != 0) { /* R4 */
            gm_world_safe(self);
            sched_yield();
        }
    gm_store_seq_cst(&h->stopping, 1);
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++)
        if (gm_load_rlx(&h->ps[i]) != self)
            stop_p(gm_load_rlx(&h->ps[i]));
}

void gm_world_start(gm_heap *h)
{
    gm_store_seq_cst(&h->stopping, 0);
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++) {
        gm_p *p = gm_load_rlx(&h->ps[i]);
        if (!change(p, P_STOPPED, P_IDLE) && change(p, P_PARKED, P_RUNNING))
            gm_futex_wake_all(&p->status);
    }
    gm_futex_wake_all(&h->stopping);
    pthread_mutex_unlock(&h->world);
}

/* Flushes the caches of the Ps that nobody is inside with; all others do it themselves (R5). */
void gm_world_flush_idle(gm_heap *h)
{
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++) {
        gm_p *p = gm_load_rlx(&h->ps[i]);
        if (!change(p, P_IDLE, P_RUNNING))
            continue;
        if (p->flushGen != gm_load_rlx(&h->sweepgen))
            gm_cache_flush(p);
        hand_over(p, P_IDLE);
    }
}
