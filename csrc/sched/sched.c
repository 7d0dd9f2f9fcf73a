/* sched.c: goroutines on threads.
 *
 * Mirrors schedule, findRunnable, execute, ready, wakep, startm, stopm, handoffp, goschedImpl, gopark, entersyscall,
 * exitsyscall and checkdead of runtime/proc.go (Go 1.25).
 *
 *     G  goroutine: a body, a stack            M  thread           P  the right to run Gs: procs of them
 *
 *                  +--- P0: runnext, ring of 256 ---- M0 runs G
 *     global queue +--- P1: runnext, ring of 256 ---- M1 looks for work ("spins"), steals from P0
 *     (all Ps)     +--- P2: idle                      M2 sleeps      M3 is in a blocking call, without a P
 *
 * AN M WITH A P looks for a G in this order: at every 61st tick of its P the global queue; its own queue; the global queue, its
 * share of it, up to 128; the others' queues, four times round in random order, half of what is there, and in the last
 * round also their runnext, after a pause of 3 us, since its owner will mostly run that itself. Then it gives back
 * the P and sleeps. Only as many Ms as half the busy Ps may look around at others at one time.
 *
 * A TICK of a P is a G that is put on it with a time slice of its own. What a G makes ready goes to runnext and runs
 * next, in what is left of the same slice and without a tick. So two Gs that wake each other in turn keep all others of their
 * P waiting until sysmon stops one, and keep the global queue waiting for 61 such slices: a second and more.
 *
 * GOSCHED and preemption put the G at the end of the global queue. PARKING hands the G to nobody: who will make it ready has a
 * reference. A BLOCKING CALL leaves the P, marked, to whoever takes it first: sysmon, or the G when it comes back. One that is
 * sure to block takes the P itself and hands it on (entersyscallblock).
 *
 *   W1  No work is left lying while a P is idle and nobody looks for work. Who queues a G then looks whether an M is
 *       spinning, and if none is, wakes one for an idle P. Who stops spinning says so, and then looks at all queues once
 *       more. A full fence stands between the two steps on either side: one of the two sees the other.
 *   W2  An M that finds a G while spinning wakes another before it runs it: there may be more where that came from.
 *   W3  A P that is idle has an empty queue. Its owner emptied it, and only owners put.
 *   W4  A P's plain fields are its owner's. They pass from one to the next through the lock (idle list), through a note
 *       (next_p), or by the status of a P in a blocking call (M1 in sysmon.c).
 *   W5  A G is in one place: one queue, one M, or parked. It is queued or made findable by its M after it has been switched
 *       away (`after` runs on the thread's own stack): nobody can run it while its registers are being saved. A G's plain
 *       fields pass with it (R1, Q1, or the lock that gm_park releases).
 *   W6  Deadlock is told when all Ms sleep and all Ps are idle: a sleeping M has found every queue empty and its P is idle,
 *       so nothing will ever be made ready. An M in a blocking call does not sleep. A P that is not idle is sysmon's, or
 *       that of an M in gm_block_surely, which has taken it from a blocking call and is about to start an M for it; that
 *       one looks again. Nor is there a deadlock while a G is put aside, or in sysmon's hands on its way to the queue: it
 *       is counted until an M has been woken for it, and sysmon, if that M sleeps again before it is counted out, looks
 *       itself.
 *   W7  A claim to spin that no P is found for counts as an M that looks, and nobody does: who queues a G meanwhile wakes
 *       none. It is given back, and need_spinning is set, under the lock under which Ps become idle. A P that becomes idle
 *       before is found by the claim. Who gives one up afterwards sees need_spinning and looks at all queues first; or it
 *       was cleared, by one who was counted as spinning and is counted out after the claim (two fences: claim given back,
 *       fence, set; cleared, fence, counted out), and so looks once more, or wakes another, after all that met the claim.
 *       Whether a P taken from a blocking call becomes idle is decided under the same lock (gm_hand_off).
 *   W8  Where a thread is refused, nobody comes who was relied on. All that its P had is in the global queue; its spinning
 *       is counted out; then, under the lock, the P goes to an M that sleeps, or becomes idle. An M that goes to sleep
 *       later looks at the global queue under the same lock, and one that runs looks there before it gives up its P.
 *
 * SETTINGS that are not Go's: see gm_sched_config. `preempt_target` = parked puts a preempted G aside instead, where it is
 * found by nobody until sysmon makes it ready a slice later.
 *
 * Divergences: no timers, network poller, collector, stack growth, LockOSThread. Where Go ends the process (the main goroutine
 * returns, deadlock), here goroutines are stopped at their next safe point or by a signal, and dropped. One that does neither,
 * in a region without signals for ever, is waited for.
 *
 * Rejected: all Gs in one queue (every P would fight for its line); waking an M for every G that is made ready (it finds mostly
 * nothing, and sleeps again); handing a G straight from one P to another. These are Go's own reasons, and its header tells
 * more.
 */
#include "sched/sched.h"

#include "base/histogram.h"

enum { globalEvery = 61, stealRounds = 4, nextPauseNs = 3000, globalShare = gm_runq_len / 2 };

/* ------------------------------------------------------------------ Ps and Ms: all under the lock, but take and release */

void gm_put_idle_p(gm_sched *s, gm_p *p)
{
    gm_list_push(&s->idle_ps, &p->link);
    gm_store_rlx(&s->idle_p_count, s->idle_ps.n); /* relaxed: looked at without the lock as a hint */
}

bool gm_deadlocked(const gm_sched *s)
{
    return s->ms && s->idle_ms.n == s->ms && s->idle_ps.n == s->c.procs && s->aside == 0; /* W6 */
}

static gm_p *get_idle_p(gm_sched *s)
{
    gm_p *p = (gm_p *)gm_list_take(&s->idle_ps);
    gm_store_rlx(&s->idle_p_count, s->idle_ps.n); /* relaxed: a hint, as in gm_put_idle_p */
    return p;
}

/* For who has seen work. If there is no P for it, an M that is about to give one up is told to look again. */
static gm_p *get_idle_p_for_work(gm_sched *s)
{
    gm_p *p = get_idle_p(s);
    if (!p)
        gm_store_rlx(&s->need_spinning, 1); /* under the lock, as is the look at it in give_up_p; after a fence (W7) */
    return p;
}

/* By who has been counted as spinning: what need_spinning asks for is being done. */
static void clear_need(gm_sched *s)
{
    gm_store_rlx(&s->need_spinning, 0); /* relaxed: the fence orders (W7) */
    gm_fence_seq_cst(); /* before this spinning is counted out; pairs with the fences before get_idle_p_for_work (W7) */
}

static void take_p(gm_m *m, gm_p *p)
{
    m->p = p;
    gm_store_rlx(&p->status, gm_p_running); /* relaxed: the P is this thread's already (W4) */
    gm_store_rel(&p->m, m);                 /* pairs with gm_ask */
}

static gm_p *release_p(gm_m *m)
{
    gm_p *p = m->p;
    m->p = NULL;
    gm_store_rlx(&p->m, NULL);
    gm_store_rlx(&p->status, gm_p_idle);
    return p;
}

static void begin_spinning(gm_m *m)
{
    m->spinning = true;
    gm_add_rlx(&m->s->spinning, 1);
    clear_need(m->s);
}

static void *m_main(void *m);

static void give_p(gm_m *m, gm_p *p, bool spinning)
{
    m->spinning = spinning;
    m->next_p = p;
    gm_note_give(&m->wake); /* pairs with sleep_m (W4) */
}

/* The thread for this P was refused. Whoever relied on it is asleep, or will see what is queued (W8). */
static void count_out_m(gm_sched *s, gm_p *p, bool spinning)
{
    gm_list left = {0};
    bool inherited;
    for (gm_link *g; (g = gm_runq_get(&p->runq, &inherited));)
        gm_list_add(&left, g); /* W3 */
    gm_globq_put(&s->queue, &left);
    if (spinning)
        gm_sub_rlx(&s->spinning, 1);
    gm_fence_seq_cst(); /* that nobody spins, before the look at the queue (W1) */
    gm_rt_lock(&s->lock);
    s->ms--;
    s->refused = true;
    gm_m *m = gm_globq_size(&s->queue) ? (gm_m *)gm_list_take(&s->idle_ms) : NULL;
    if (!m)
        gm_put_idle_p(s, p);
    bool dead = gm_deadlocked(s);
    gm_rt_unlock(&s->lock);
    if (m)
        give_p(m, p, false);
    if (dead)
        gm_finish(s, GM_E_DEADLOCK);
}

/* A thread for a P. If there is none to be had, the Ms that there are go on without. */
static void new_m(gm_sched *s, gm_p *p, bool spinning, uint64_t number)
{
    gm_m *m = s->alloc.zalloc(s->alloc.ctx, sizeof *m);
    if (!m) {
        count_out_m(s, p, spinning);
        return;
    }
    m->s = s;
    m->next_p = p;
    m->number = (uint32_t)number;
    m->spinning = spinning;
    gm_xoshiro_seed(&m->rng, gm_seed_of(s->c.seed, number));
    if (s->spawner.start(s->spawner.ctx, m_main, m, &m->thread) != GM_OK) {
        s->alloc.release(s->alloc.ctx, m, sizeof *m);
        count_out_m(s, p, spinning);
        return;
    }
    gm_rt_lock(&s->lock);
    m->all = s->all_ms;
    s->all_ms = m;
    gm_rt_unlock(&s->lock);
}

/* An M for this P, which the caller owns; spinning: it has been counted as such. */
void gm_start_m(gm_sched *s, gm_p *p, bool spinning)
{
    gm_rt_lock(&s->lock);
    gm_m *m = (gm_m *)gm_list_take(&s->idle_ms);
    s->ms += !m;
    uint64_t number = s->m_numbers += !m;
    gm_rt_unlock(&s->lock);
    if (!m) {
        new_m(s, p, spinning, number);
        return;
    }
    give_p(m, p, spinning);
}

static bool claim_spinning(gm_sched *s)
{
    uint32_t none = 0;
    return gm_load_rlx(&s->spinning) == 0 && gm_cas_rlx(&s->spinning, &none, 1); /* ordered by the fences of W1 */
}

/* There is no P to spin with. Under the lock: nobody gives up a P while the claim still keeps others from waking (W7). */
static void disclaim_spinning(gm_sched *s)
{
    gm_sub_rlx(&s->spinning, 1);
    gm_fence_seq_cst();                 /* the claim is gone before the need is told; pairs with clear_need (W7) */
    gm_store_rlx(&s->need_spinning, 1); /* relaxed: under the lock, as get_idle_p_for_work */
}

void gm_wake_p(gm_sched *s)
{
    gm_fence_seq_cst(); /* what was queued, before the look for who spins (W1) */
    if (!claim_spinning(s))
        return;
    gm_rt_lock(&s->lock);
    gm_p *p = get_idle_p(s);
    if (p)
        clear_need(s);
    else
        disclaim_spinning(s);
    gm_rt_unlock(&s->lock);
    if (p)
        gm_start_m(s, p, true);
}

/* A P that was taken out of a blocking call and belongs to the caller. */
void gm_hand_off(gm_sched *s, gm_p *p)
{
    gm_store_rlx(&p->m, NULL);
    bool work = !gm_runq_empty(&p->runq); /* nobody puts there: it is the caller's (W3) */
    gm_rt_lock(&s->lock);
    work = work || gm_globq_size(&s->queue);
    bool spin = !work && gm_load_rlx(&s->spinning) + s->idle_ps.n == 0 && claim_spinning(s); /* under the lock (W7) */
    work = work || spin;
    if (work)
        s->handoffs++;
    else
        gm_put_idle_p(s, p);
    gm_rt_unlock(&s->lock);
    if (work)
        gm_start_m(s, p, spin);
}

/* ------------------------------------------------------------------ the end */

void gm_finish(gm_sched *s, int status)
{
    if (gm_swap_acq_rel(&s->stopping, 1)) /* the first decides; it is read behind the note */
        return;
    s->status = status;
    gm_rt_lock(&s->lock);
    for (gm_m *m; (m = (gm_m *)gm_list_take(&s->idle_ms));)
        gm_note_give(&m->wake);
    gm_rt_unlock(&s->lock);
    gm_gate_wake(&s->gate);
    gm_note_give(&s->over); /* pairs with gm_sched_wait */
}

static bool stopping(gm_sched *s)
{
    return gm_load_rlx(&s->stopping); /* relaxed: a wish; who sleeps looks under the lock (sleep_m) */
}

bool gm_stopping(gm_g *g)
{
    return stopping(g->s);
}

bool gm_all_gone(gm_sched *s)
{
    gm_rt_lock(&s->lock);
    bool all = s->gone == s->ms;
    gm_rt_unlock(&s->lock);
    return all;
}

/* ------------------------------------------------------------------ looking for work */

/* How long the lock of the global queue takes is measured for tracks. */
static void before_global(gm_m *m)
{
    if (m->s->c.tracks)
        m->asked_at = gm_tick_start(m->s->ticks.hardware);
}

static void after_global(gm_m *m)
{
    if (m->s->c.tracks)
        m->got_at = gm_tick_start(m->s->ticks.hardware);
}

static gm_g *from_global(gm_m *m)
{
    gm_sched *s = m->s;
    gm_p *p = m->p;
    gm_list got = {0}, overflow = {0};
    if (gm_globq_size(&s->queue) == 0)
        return NULL;
    m->found = GM_FROM_GLOBAL;
    before_global(m);
    gm_globq_get_share(&s->queue, s->c.procs, globalShare, &got);
    after_global(m);
    p->did.global_gets += got.n;
    gm_g *first = (gm_g *)gm_list_take(&got);
    for (gm_link *g; (g = gm_list_take(&got));)
        gm_runq_put(&p->runq, g, false, &overflow); /* there is room: the queue was empty */
    return first;
}

static gm_g *steal_next(gm_m *m, gm_p *victim)
{
    gm_link *next = gm_runq_peek_next(&victim->runq);
    if (!next)
        return NULL;
    if (gm_load_rlx(&victim->status) == gm_p_running)
        gm_nap_ns(nextPauseNs);
    if (!gm_runq_take_next(&victim->runq, next))
        return NULL;
    m->p->did.next_steals++;
    return (gm_g *)next;
}

static gm_g *steal_from(gm_m *m, gm_p *victim, bool next_too)
{
    uint32_t n;
    if (victim == m->p || gm_load_rlx(&victim->status) == gm_p_idle) /* W3 */
        return NULL;
    gm_link *g = gm_runq_steal(&m->p->runq, &victim->runq, m->s->c.steal == GM_STEAL_HALF, &n);
    if (!g)
        return next_too ? steal_next(m, victim) : NULL;
    m->p->did.steals++;
    m->p->did.stolen += n;
    return (gm_g *)g;
}

/* Every P once in random order: from a random one on, by a step that has no divisor in common with their number. */
static gm_g *steal_once(gm_m *m, bool next_too)
{
    gm_sched *s = m->s;
    uint64_t drawn = gm_xoshiro_next(&m->rng);
    uint32_t at = (uint32_t)drawn % s->c.procs, step = s->coprimes[(drawn >> 32) % s->ncoprimes];
    for (uint32_t i = 0; i < s->c.procs && !stopping(s); i++) {
        gm_g *g = steal_from(m, &s->ps[at], next_too);
        if (g)
            return g;
        at = (at + step) % s->c.procs;
    }
    return NULL;
}

static gm_g *look_around(gm_m *m)
{
    gm_sched *s = m->s;
    uint32_t busy = s->c.procs - gm_load_rlx(&s->idle_p_count);
    if (s->c.steal == GM_STEAL_OFF)
        return NULL;
    if (!m->spinning) {
        if (2 * gm_load_rlx(&s->spinning) >= busy) /* relaxed: a limit that may be missed by one */
            return NULL;
        begin_spinning(m);
        m->p->did.spins++;
    }
    gm_g *g = NULL;
    m->found = GM_FROM_STEAL;
    for (int round = 0; !g && round < stealRounds; round++)
        g = steal_once(m, round == stealRounds - 1);
    return g;
}

/* An idle P, if there is something in some queue. */
static gm_p *p_for_forgotten(gm_sched *s)
{
    bool work = gm_globq_size(&s->queue) > 0;
    for (uint32_t i = 0; !work && s->c.steal != GM_STEAL_OFF && i < s->c.procs; i++)
        work = !gm_runq_empty(&s->ps[i].runq);
    if (!work)
        return NULL;
    gm_rt_lock(&s->lock);
    gm_p *p = get_idle_p_for_work(s); /* give_up_p's fence is behind (W7) */
    gm_rt_unlock(&s->lock);
    return p;
}

/* Waits for a P to be given; none: it is over. */
static void sleep_m(gm_m *m)
{
    gm_sched *s = m->s;
    gm_rt_lock(&s->lock);
    bool over = stopping(s), dead = false;
    gm_p *p = !over && s->refused && gm_globq_size(&s->queue) ? get_idle_p(s) : NULL; /* W8 */
    if (!over && !p) {
        gm_list_push(&s->idle_ms, &m->link);
        dead = gm_deadlocked(s);
    }
    gm_rt_unlock(&s->lock);
    if (dead)
        gm_finish(s, GM_E_DEADLOCK);
    if (p)
        take_p(m, p);
    if (over || p)
        return;
    gm_note_await(&m->wake); /* pairs with give_p (W4), gm_finish */
    if (m->next_p)
        take_p(m, m->next_p);
    m->next_p = NULL;
}

/* Gives the P back and sleeps, unless there is something after all. */
static void give_up_p(gm_m *m)
{
    gm_sched *s = m->s;
    gm_rt_lock(&s->lock);
    bool again = gm_globq_size(&s->queue) > 0;
    if (!again && !m->spinning && gm_load_rlx(&s->need_spinning) && s->c.steal != GM_STEAL_OFF) {
        begin_spinning(m);
        again = true;
    }
    if (!again) {
        m->p->did.sleeps++;
        gm_put_idle_p(s, release_p(m));
    }
    gm_rt_unlock(&s->lock);
    if (again)
        return;
    if (m->spinning) {
        m->spinning = false;
        gm_sub_rlx(&s->spinning, 1);
        gm_fence_seq_cst(); /* that nobody spins, before the last look (W1) */
        gm_p *p = p_for_forgotten(s);
        if (p) {
            take_p(m, p);
            begin_spinning(m);
            return;
        }
    }
    sleep_m(m);
}

static gm_g *on_tick(gm_m *m)
{
    gm_p *p = m->p;
    if (gm_load_rlx(&p->tick) % globalEvery || gm_globq_size(&m->s->queue) == 0)
        return NULL;
    m->found = GM_FROM_GLOBAL;
    before_global(m);
    gm_g *g = (gm_g *)gm_globq_get(&m->s->queue);
    after_global(m);
    p->did.global_ticks++;
    p->did.global_gets += g != NULL;
    return g;
}

static gm_g *from_own(gm_m *m, bool *inherit)
{
    gm_g *g = (gm_g *)gm_runq_get(&m->p->runq, inherit);
    m->found = *inherit ? GM_FROM_NEXT : GM_FROM_LOCAL;
    return g;
}

/* The next to run, *inherit: in the slice of the last. NULL: it is over. */
static gm_g *find(gm_m *m, bool *inherit)
{
    for (gm_g *g; !stopping(m->s);) {
        *inherit = false;
        if ((g = m->returned)) {
            m->returned = NULL;
            m->found = GM_FROM_CALL;
            return g;
        }
        if (!m->p) {
            sleep_m(m);
            continue;
        }
        if ((g = on_tick(m)) || (g = from_own(m, inherit)) || (g = from_global(m)) || (g = look_around(m)))
            return g;
        give_up_p(m);
    }
    return NULL;
}

/* ------------------------------------------------------------------ running */

static void stop_spinning(gm_m *m)
{
    m->spinning = false;
    gm_sub_rlx(&m->s->spinning, 1);
    gm_wake_p(m->s); /* W2 */
}

static void count_run(gm_m *m, gm_g *g, bool inherit)
{
    gm_p *p = m->p;
    p->did.runs++;
    if (inherit && m->s->c.runnext_inherit == GM_INHERIT_ON)
        p->did.inherited++;
    else
        gm_store_rlx(&p->tick, gm_load_rlx(&p->tick) + 1); /* relaxed: sysmon looks (M2) */
    if (p->waits) {
        uint64_t now = m->began = gm_tick_start(m->s->ticks.hardware); /* which tracks go by, too */
        gm_hist_count(p->waits, gm_hist_half_bits_3, now > g->since ? gm_ticks_to_ns(&m->s->ticks, now - g->since) : 0);
    }
}

static void run(gm_m *m, gm_g *g, bool inherit)
{
    if (m->spinning)
        stop_spinning(m);
    count_run(m, g, inherit);
    gm_track_run(m, g);
    g->m = m;
    gm_store_rlx(&g->asked, 0);
    gm_store_rel(&m->g, g); /* pairs with gm_ask */
    gm_context_switch(&m->g0, &g->context);
    gm_store_rlx(&m->g, NULL);
    g->after(m, g);
}

static void *m_main(void *arg)
{
    gm_m *m = arg;
    gm_sched *s = m->s;
    bool inherit;
    m->self = pthread_self();
    gm_context_adopt(&m->g0);
    gm_signals_here(m);
    take_p(m, m->next_p);
    m->next_p = NULL;
    for (gm_g *g; (g = find(m, &inherit));)
        run(m, g, inherit);
    if (m->p)
        release_p(m); /* for nobody: it is over */
    gm_signals_here(NULL);
    gm_rt_lock(&s->lock);
    s->gone++;
    gm_rt_unlock(&s->lock);
    return NULL;
}

/* ------------------------------------------------------------------ goroutines */

void gm_switch_away(gm_g *g, void (*after)(gm_m *, gm_g *))
{
    g->after = after;
    gm_context_switch(&g->context, &g->m->g0);
}

static void stamp(gm_sched *s, gm_g *g)
{
    if (s->c.measure)
        g->since = gm_tick_start(s->ticks.hardware);
    g->queued_at = 0;
}

static void to_global(gm_sched *s, gm_g *g)
{
    stamp(s, g);
    if (s->c.tracks) {
        gm_globq_put_one(&s->queue, &g->link, &g->queued_at, s->ticks.hardware);
    } else {
        gm_list one = {0};
        gm_list_add(&one, &g->link);
        gm_globq_put(&s->queue, &one);
    }
    gm_wake_p(s);
}

/* To the front of the own queue, or where that is switched off to its end; half of a full one goes to the global queue. */
void gm_to_local(gm_sched *s, gm_p *p, gm_g *g)
{
    gm_list overflow = {0};
    stamp(s, g);
    gm_runq_put(&p->runq, &g->link, s->c.runnext == GM_RUNNEXT_ON, &overflow);
    bool full = overflow.n > 0;
    if (full) {
        p->did.overflows++;
        gm_globq_put(&s->queue, &overflow);
    }
    if (s->c.steal != GM_STEAL_OFF || full)
        gm_wake_p(s);
}

static void put_yielded(gm_m *m, gm_g *g)
{
    m->p->did.yields++;
    gm_track_end(m, g, GM_TO_YIELD);
    to_global(m->s, g);
}

void gm_put_preempted(gm_m *m, gm_g *g)
{
    gm_sched *s = m->s;
    if (s->c.preempt_target == GM_TARGET_GLOBAL) {
        to_global(s, g);
        return;
    }
    m->p->did.put_aside++;
    stamp(s, g);
    g->aside_ns = gm_now_ns();
    gm_rt_lock(&s->lock);
    gm_list_add(&s->put_aside, &g->link);
    s->aside++;
    gm_rt_unlock(&s->lock);
}

static void put_parked(gm_m *m, gm_g *g)
{
    m->p->did.parks++;
    gm_track_end(m, g, GM_TO_PARK);
    gm_rt_unlock(g->held); /* from here on it may be made ready (W5) */
}

static void put_returned(gm_m *m, gm_g *g)
{
    gm_sched *s = m->s;
    gm_rt_lock(&s->lock);
    gm_p *p = get_idle_p(s);
    gm_rt_unlock(&s->lock);
    if (p) {
        take_p(m, p);
        stamp(s, g);
        m->returned = g;
    } else {
        to_global(s, g);
    }
}

void gm_gosched(gm_g *g)
{
    gm_enter(g);
    gm_switch_away(g, put_yielded);
    gm_leave(g);
}

void gm_park(gm_g *g, gm_rt_mutex *held)
{
    gm_enter(g);
    g->held = held;
    gm_switch_away(g, put_parked);
    gm_leave(g);
}

void gm_ready(gm_g *g, gm_g *parked)
{
    gm_enter(g);
    gm_p *p = g->m->p;
    p->did.readies++;
    gm_to_local(g->s, p, parked);
    gm_leave(g);
}

void gm_block_begin(gm_g *g)
{
    gm_enter(g);
    gm_m *m = g->m;
    gm_p *p = m->p;
    p->did.blocks++;
    gm_track_end(m, g, GM_TO_CALL);
    gm_store_rlx(&p->block_tick, gm_load_rlx(&p->block_tick) + 1); /* relaxed: sysmon looks (M2) */
    m->blocked_p = p;
    m->p = NULL;
    gm_store_rlx(&p->m, NULL);
    gm_store_rel(&p->status, gm_p_blocked); /* pairs with the swaps of sysmon, gm_block_end, gm_block_surely (M1) */
}

void gm_block_surely(gm_g *g)
{
    gm_block_begin(g);
    gm_p *p = g->m->blocked_p;
    uint32_t blocked = gm_p_blocked;
    if (gm_cas_acq(&p->status, &blocked, gm_p_idle)) /* pairs with gm_block_begin; else sysmon has it (M1) */
        gm_hand_off(g->s, p);
}

void gm_block_end(gm_g *g)
{
    gm_m *m = g->m;
    gm_p *p = m->blocked_p;
    uint32_t blocked = gm_p_blocked;
    if (gm_cas_acq(&p->status, &blocked, gm_p_running)) { /* M1 */
        take_p(m, p);
        p->did.reacquired++;
        gm_track_again(m);
    } else {
        gm_switch_away(g, put_returned);
    }
    gm_leave(g);
}
