/* setup.c: a scheduler's beginning and end, and what it counted.
 *
 *     gm_sched_new  ->  gm_sched_start  ->  gm_sched_wait  ->  gm_sched_totals, gm_sched_waits  ->  gm_sched_free
 *     memory            sysmon, main         joins all threads
 *
 *   E1  After gm_sched_wait no thread of the scheduler is left, and what they wrote is seen (they were joined).
 *   E2  sysmon is joined first: it looks at Ms, and ends when all of them have. An M may make another until it ends itself:
 *       Ms are joined until the list of those that were made is empty.
 *   E3  What start could not make is undone, and wait is not to be called.
 */
#include "sched/sched.h"

#include "base/alloc.h"
#include "base/histogram.h"
#include "sched/tracks.h"

enum { mostProcs = 256, leastRing = 2, mostRing = 1 << 20 };

static bool valid(const gm_sched_config *c)
{
    bool ring = c->globq != GM_GLOBQ_LIST, power = (c->globq_len & (c->globq_len - 1)) == 0;
    if (ring && (c->globq_len < leastRing || c->globq_len > mostRing || !power))
        return false;
    return c->procs >= 1 && c->procs <= mostProcs && c->globq <= GM_GLOBQ_RING_PADDED && c->runnext <= GM_RUNNEXT_OFF &&
           c->runnext_inherit <= GM_INHERIT_OFF && c->steal <= GM_STEAL_OFF && c->preempt <= GM_PREEMPT_NONE &&
           c->preempt_target <= GM_TARGET_PARKED && c->slice_ns > 0 &&
           (!c->tracks || (c->measure && c->tracks->procs == c->procs));
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool make_coprimes(gm_sched *s)
{
    s->coprimes = s->alloc.zalloc(s->alloc.ctx, s->c.procs * sizeof *s->coprimes);
    for (uint32_t i = 1; s->coprimes && i <= s->c.procs; i++)
        if (common_divisor(i, s->c.procs) == 1)
            s->coprimes[s->ncoprimes++] = i;
    return s->coprimes != NULL;
}

static bool make_ps(gm_sched *s)
{
    s->ps = gm_zalloc_lines(&s->alloc, s->c.procs * sizeof *s->ps);
    for (uint32_t i = s->c.procs; s->ps && i-- > 0;) { /* the first is to be on top of the idle ones */
        gm_p *p = &s->ps[i];
        p->id = i;
        p->waits = s->c.measure ? gm_hist_make(&s->alloc, 3, UINT64_C(100000000000)) : NULL;
        if (s->c.measure && !p->waits)
            return false;
        gm_put_idle_p(s, p);
    }
    return s->ps != NULL;
}

int gm_sched_new(const gm_sched_config *c, gm_sched **out)
{
    if (!valid(c))
        return GM_E_ARGUMENT;
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    gm_sched *s = gm_zalloc_lines(&alloc, sizeof *s);
    if (!s)
        return GM_E_NOMEM;
    s->c = *c;
    s->alloc = alloc;
    s->stacks.alloc = &s->alloc;
    s->spawner = c->spawner ? *c->spawner : gm_spawner_default();
    gm_ticks_calibrate(&s->ticks, gm_ticks_hardware());
    if (!gm_gate_init(&s->gate)) {
        gm_release_lines(&alloc, s, sizeof *s);
        return GM_E_NOMEM;
    }
    if (gm_globq_init(&s->queue, c->globq, c->globq_len, &s->lock, &s->alloc) != GM_OK || !make_coprimes(s) || !make_ps(s)) {
        gm_sched_free(s);
        return GM_E_NOMEM;
    }
    *out = s;
    return GM_OK;
}

/* The main goroutine on the first P, not started yet. */
static bool put_main(gm_sched *s, gm_p *p, gm_body main, void *arg)
{
    gm_list overflow = {0};
    gm_g *g = gm_new_g(s, p, main, arg);
    if (!g)
        return false;
    g->is_main = true;
    if (s->c.measure)
        g->since = gm_tick_start(s->ticks.hardware);
    gm_runq_put(&p->runq, &g->link, false, &overflow); /* not runnext: it has a slice of its own, the first tick */
    return true;
}

int gm_sched_start(gm_sched *s, gm_body main, void *arg)
{
    gm_p *p = (gm_p *)gm_list_take(&s->idle_ps);
    gm_store_rlx(&s->idle_p_count, s->idle_ps.n); /* no thread of its own is there yet */
    if (!put_main(s, p, main, arg))
        return GM_E_NOMEM;
    int status = gm_signals_begin();
    if (status != GM_OK)
        return status;
    s->started = true;
    status = s->spawner.start(s->spawner.ctx, gm_sysmon_main, s, &s->sysmon);
    if (status != GM_OK) {
        gm_signals_end();
        s->started = false;
        return status;
    }
    gm_start_m(s, p, false);
    gm_rt_lock(&s->lock);
    bool nobody = s->ms == 0;
    gm_rt_unlock(&s->lock);
    if (nobody) {
        gm_finish(s, GM_E_THREAD);
        return gm_sched_wait(s);
    }
    return GM_OK;
}

static gm_m *next_to_join(gm_sched *s)
{
    gm_rt_lock(&s->lock);
    gm_m *m = s->all_ms;
    while (m && m->joined)
        m = m->all;
    gm_rt_unlock(&s->lock);
    return m;
}

int gm_sched_wait(gm_sched *s)
{
    gm_note_await(&s->over); /* pairs with gm_finish */
    s->spawner.join(s->spawner.ctx, s->sysmon);
    for (gm_m *m; (m = next_to_join(s)); m->joined = true) /* E2 */
        s->spawner.join(s->spawner.ctx, m->thread);
    gm_signals_end();
    s->started = false;
    for (uint32_t i = 1; s->c.measure && i < s->c.procs; i++)
        gm_hist_add(s->ps[0].waits, s->ps[i].waits);
    return s->status == GM_OK && s->refused ? GM_E_THREAD : s->status;
}

void gm_sched_stop(gm_sched *s)
{
    gm_finish(s, GM_END);
}

gm_hist *gm_sched_waits(gm_sched *s)
{
    return s->ps[0].waits;
}

/* All counters are words of 64 bits. */
static void add_words(gm_sched_stats *to, const gm_sched_stats *from)
{
    uint64_t *a = (uint64_t *)to;
    const uint64_t *b = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *a; i++)
        a[i] += b[i];
}

void gm_sched_totals(gm_sched *s, gm_sched_stats *out)
{
    *out = (gm_sched_stats){
        .signals = s->signals,
        .retakes = s->retakes,
        .handoffs = s->handoffs,
        .asked = s->asked,
        .sysmon_rounds = s->rounds,
        .lock_contended = gm_load_rlx(&s->lock.contended), /* relaxed: all threads have been joined */
        .lock_slept = gm_load_rlx(&s->lock.slept),
        .ring_retries = gm_load_rlx(&s->queue.retries),
    };
    for (uint32_t i = 0; i < s->c.procs; i++) {
        add_words(out, &s->ps[i].did);
        out->started += gm_load_rlx(&s->ps[i].started);
        out->finished += gm_load_rlx(&s->ps[i].finished);
        out->queue_retries += gm_load_rlx(&s->ps[i].runq.retries);
    }
    for (gm_m *m = s->all_ms; m; m = m->all) {
        out->refused += m->refused;
        out->threads++;
    }
}

static void free_gs(gm_sched *s)
{
    for (gm_g *g = s->all_gs, *next; g; g = next) {
        next = g->all;
        gm_context_drop(&g->context);
        s->alloc.release(s->alloc.ctx, g, sizeof *g);
    }
    gm_stacks_free(&s->stacks);
}

static void free_ms(gm_sched *s)
{
    for (gm_m *m = s->all_ms, *next; m; m = next) {
        next = m->all;
        s->alloc.release(s->alloc.ctx, m, sizeof *m);
    }
}

static void free_ps(gm_sched *s)
{
    for (uint32_t i = 0; s->ps && i < s->c.procs; i++)
        gm_hist_free(s->ps[i].waits);
    gm_release_lines(&s->alloc, s->ps, s->c.procs * sizeof *s->ps);
}

void gm_sched_free(gm_sched *s)
{
    if (s->started) {
        gm_sched_stop(s);
        gm_sched_wait(s);
    }
    free_gs(s);
    free_ms(s);
    free_ps(s);
    if (s->coprimes)
        s->alloc.release(s->alloc.ctx, s->coprimes, s->c.procs * sizeof *s->coprimes);
    gm_globq_free(&s->queue);
    gm_gate_destroy(&s->gate);
    gm_alloc alloc = s->alloc;
    gm_release_lines(&alloc, s, sizeof *s);
}
