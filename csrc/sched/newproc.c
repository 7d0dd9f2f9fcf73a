/* newproc.c: goroutines made and ended, and the records of those that ended.
 *
 * Mirrors newproc1, goexit0, gfget and gfput of runtime/proc.go (Go 1.25).
 *
 *     P's free list, up to 64  <--- half a P's share at a time --->  all Ps' free list  <--- allocated, with a stack
 *
 *   N1  A record and its stack are made once and given back with the scheduler: who looks at one that has ended sees memory
 *       (M2 in sysmon.c). A record is in a free list, or a goroutine's (W5 in sched.c).
 *   N2  A goroutine is counted as started before it is queued, and as finished when it has been switched away for good: the
 *       difference, read in the other order, is never too small (gm_goroutines).
 *   N3  Where the global queue is a ring there are never more goroutines than it has places (Q3 in globq.c).
 */
#include "sched/sched.h"

enum { keptFree = 64 };

static void put_ended(gm_m *m, gm_g *g)
{
    gm_sched *s = m->s;
    gm_p *p = m->p;
    gm_track_end(m, g, GM_TO_END);
    gm_store_rel(&p->finished, gm_load_rlx(&p->finished) + 1); /* pairs with gm_goroutines */
    if (s->c.globq != GM_GLOBQ_LIST)
        gm_sub_rlx(&s->live, 1);
    if (g->is_main)
        gm_finish(s, GM_OK);
    gm_list_push(&p->free, &g->link);
    if (p->free.n <= keptFree)
        return;
    gm_rt_lock(&s->lock);
    while (p->free.n > keptFree / 2)
        gm_list_push(&s->free, gm_list_take(&p->free));
    gm_store_rlx(&s->free_count, s->free.n); /* relaxed: a hint */
    gm_rt_unlock(&s->lock);
}

static void main_of(void *goroutine)
{
    gm_g *g = goroutine;
    gm_leave(g);
    g->body(g, g->arg);
    gm_enter(g);
    g->after = put_ended;
    gm_context_leave(&g->context, &g->m->g0);
}

static gm_g *new_record(gm_sched *s)
{
    gm_g *g = s->alloc.zalloc(s->alloc.ctx, sizeof *g);
    if (!g)
        return NULL;
    gm_rt_lock(&s->lock);
    int status = gm_stacks_take(&s->stacks, &g->context.stack);
    if (status == GM_OK) {
        g->number = ++s->g_numbers;
        g->all = s->all_gs;
        s->all_gs = g;
    }
    gm_rt_unlock(&s->lock);
    if (status == GM_OK)
        return g;
    s->alloc.release(s->alloc.ctx, g, sizeof *g);
    return NULL;
}

/* From the P's own, or else half of what a P keeps from all Ps'. */
static gm_g *free_record(gm_sched *s, gm_p *p)
{
    if (!p->free.first && gm_load_rlx(&s->free_count)) { /* relaxed: a hint */
        gm_rt_lock(&s->lock);
        for (gm_link *g; p->free.n < keptFree / 2 && (g = gm_list_take(&s->free));)
            gm_list_push(&p->free, g);
        gm_store_rlx(&s->free_count, s->free.n); /* the same */
        gm_rt_unlock(&s->lock);
    }
    return (gm_g *)gm_list_take(&p->free);
}

gm_g *gm_new_g(gm_sched *s, gm_p *p, gm_body body, void *arg)
{
    bool ring = s->c.globq != GM_GLOBQ_LIST;
    if (ring && gm_add_rlx(&s->live, 1) >= s->c.globq_len) { /* N3; relaxed: a number, its own order decides */
        gm_sub_rlx(&s->live, 1);
        return NULL;
    }
    gm_g *g = free_record(s, p);
    g = g ? g : new_record(s);
    if (!g) {
        if (ring)
            gm_sub_rlx(&s->live, 1);
        return NULL;
    }
    g->s = s;
    g->body = body;
    g->arg = arg;
    gm_store_rlx(&g->locks, 1); /* until its body begins */
    gm_context_make(&g->context, g->context.stack, main_of, g);
    gm_store_rlx(&p->started, gm_load_rlx(&p->started) + 1); /* before it is queued (R1), and so before it can end */
    return g;
}

int gm_go(gm_g *g, gm_body body, void *arg)
{
    gm_safepoint(g);
    gm_enter(g);
    gm_p *p = g->m->p;
    gm_g *made = gm_new_g(g->s, p, body, arg);
    if (made)
        gm_to_local(g->s, p, made);
    gm_leave(g);
    return made ? GM_OK : GM_E_NOMEM;
}

/* Those that have ended are counted before those that were started: never too few (N2). */
uint64_t gm_goroutines(gm_g *g)
{
    gm_sched *s = g->s;
    uint64_t finished = 0, started = 0;
    for (uint32_t i = 0; i < s->c.procs; i++)
        finished += gm_load_acq(&s->ps[i].finished); /* pairs with put_ended */
    for (uint32_t i = 0; i < s->c.procs; i++)
        started += gm_load_rlx(&s->ps[i].started); /* relaxed: behind the acquire of those that have ended */
    return started - finished;
}
