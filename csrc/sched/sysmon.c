/* sysmon.c: the thread that watches the Ps.
 *
 * Mirrors sysmon and retake of runtime/proc.go (Go 1.25).
 *
 *     sleep 20 us  ->  look at every P  ->  sleep 20 us  -> ...     50 rounds with nothing to do; then
 *     sleep 40 us, 80, 160, ... 10 ms                               until there is something: then 20 us again
 *
 * SLICE. A P counts goroutines that it is given to run (tick). A round that finds a new tick notes it with the time; a round
 * that finds the noted tick again, a slice or more later, asks the goroutine to stop. So it takes two rounds, and with rounds
 * 10 ms apart a slice of 10 ms lasts 20: that is what programs see. Asking does not count as something to do: beside
 * goroutines that never give up their CPU sysmon sleeps 10 ms between rounds.
 *
 * BLOCKING CALLS. A P whose goroutine is in one is taken away in the second round that sees the same call, so after 20 us at
 * the least; if nothing is queued there and others are idle, only after 10 ms.
 *
 *   M1  A P is taken out of a blocking call by one compare-and-swap of its status: by sysmon, by the goroutine that
 *       comes back, or by one that is sure to block, at once (gm_block_surely); who wins owns the P (release, acquire).
 *   M2  Ms, Ps and the records of goroutines exist as long as sysmon does: it may look at them without a lock, and what it sees
 *       may be out of date. It then asks somebody in vain.
 *
 *   M3  At the end it asks every goroutine that still runs to stop, whatever the settings, until no M is left: one that was
 *       put on its P just before it could be asked is asked a millisecond later.
 *
 * Divergences: Go's sysmon sleeps without end while all Ps are idle, and runs timers, the network poller and collections. With
 * preempt_target = parked it also wakes those that were put aside a slice ago.
 */
#include "sched/sched.h"

enum { shortestNs = 20000, longestNs = 10000000, idleRounds = 50, blockedForNs = 10000000, farewellNs = 1000000 };

static uint32_t ways(const gm_sched *s)
{
    static const uint32_t of[] = {gm_asked_sync | gm_asked_async, gm_asked_sync, gm_asked_async, 0};
    return of[s->c.preempt];
}

static void watch_slice(gm_sched *s, gm_p *p, uint64_t now)
{
    uint32_t tick = gm_load_rlx(&p->tick); /* relaxed: M2 */
    if (p->seen_tick != tick) {
        p->seen_tick = tick;
        p->tick_ns = now;
    } else if (p->tick_ns + s->c.slice_ns <= now) {
        s->asked++;
        gm_ask(s, p, ways(s));
    }
}

/* Whether the P was taken away. */
static bool watch_call(gm_sched *s, gm_p *p, uint64_t now)
{
    uint32_t tick = gm_load_rlx(&p->block_tick), status = gm_p_blocked;
    if (p->seen_block_tick != tick) {
        p->seen_block_tick = tick;
        p->block_ns = now;
        return false;
    }
    bool others = gm_load_rlx(&s->spinning) + gm_load_rlx(&s->idle_p_count) > 0;
    if (gm_runq_empty(&p->runq) && others && p->block_ns + blockedForNs > now)
        return false;
    if (!gm_cas_acq(&p->status, &status, gm_p_idle)) /* pairs with gm_block_begin's release (M1) */
        return false;
    s->retakes++;
    gm_hand_off(s, p);
    return true;
}

static bool look(gm_sched *s, uint64_t now)
{
    bool took = false;
    for (uint32_t i = 0; i < s->c.procs; i++) {
        gm_p *p = &s->ps[i];
        uint32_t status = gm_load_rlx(&p->status);
        if (status == gm_p_running)
            watch_slice(s, p, now);
        else if (status == gm_p_blocked)
            took |= watch_call(s, p, now);
    }
    return took;
}

/* preempt_target = parked: who was put aside a slice ago may run again. */
static bool wake_put_aside(gm_sched *s, uint64_t now)
{
    gm_list woken = {0};
    gm_rt_lock(&s->lock);
    while (s->put_aside.first && ((gm_g *)s->put_aside.first)->aside_ns + s->c.slice_ns <= now)
        gm_list_add(&woken, gm_list_take(&s->put_aside));
    gm_rt_unlock(&s->lock);
    uint32_t n = woken.n;
    if (!n)
        return false;
    gm_globq_put(&s->queue, &woken);
    gm_wake_p(s);
    gm_rt_lock(&s->lock);
    s->aside -= n;                                              /* W6 */
    bool dead = !gm_load_rlx(&s->stopping) && gm_deadlocked(s); /* relaxed: a wish; gm_finish decides */
    gm_rt_unlock(&s->lock);
    if (dead)
        gm_finish(s, GM_E_DEADLOCK);
    return true;
}

void *gm_sysmon_main(void *sched)
{
    gm_sched *s = sched;
    uint64_t sleep_ns = shortestNs, idle = 0;
    while (!gm_load_rlx(&s->stopping)) {
        if (idle == 0)
            sleep_ns = shortestNs;
        else if (idle > idleRounds)
            sleep_ns = sleep_ns * 2 < longestNs ? sleep_ns * 2 : longestNs;
        gm_gate_wait(&s->gate, 1, s->c.sysmon_sleep_ns ? s->c.sysmon_sleep_ns : sleep_ns);
        uint64_t now = gm_now_ns();
        bool worked = s->c.preempt_target == GM_TARGET_PARKED && wake_put_aside(s, now);
        worked |= look(s, now);
        idle = worked ? 0 : idle + 1;
        s->rounds++;
    }
    while (!gm_all_gone(s)) {
        for (uint32_t i = 0; i < s->c.procs; i++)
            gm_ask(s, &s->ps[i], gm_asked_sync | gm_asked_async);
        gm_gate_wait(&s->gate, 1, farewellNs);
    }
    return NULL;
}
