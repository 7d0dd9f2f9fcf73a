/* sched.c: coroutines, run queues and the scheduler under ThreadSanitizer, AddressSanitizer and LeakSanitizer.
 *
 * usage: sched TEST|all STEPS. Each test prints nothing and returns, or names what is not so; exits 1 then.
 *
 *   forbidden    a report of a sanitizer; an item or a goroutine lost, or taken or run twice at once; one switched away where
 * it must not be; a deadlock not told, or told where there is none; a thread or a block left behind
 *
 * STEPS: switches that the stress is made of, about. Every count is checked exactly.
 */
#include "sched/sched.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "sched/chan.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
enum { signalsWork = 0 }; /* see preempt.c */
#else
enum { signalsWork = 1 };
#endif

static int bad;
static uint64_t steps;

#if defined(GM_PAUSE)
/* Holds a thread up now and then before an ordered access, so that others get in between. */
__attribute__((noinline)) void gm_pause_point(void)
{
    static _Atomic uint64_t drawn;
    uint64_t n = gm_add_rlx(&drawn, UINT64_C(0x9e3779b97f4a7c15));
    if ((n ^ n >> 29) % 13 == 0)
        sched_yield();
}
#endif

#define expect(what)                                                                                                           \
    do {                                                                                                                       \
        if (!(what)) {                                                                                                         \
            printf("line %d: not so: %s\n", __LINE__, #what);                                                                  \
            bad = 1;                                                                                                           \
        }                                                                                                                      \
    } while (0)

/* ------------------------------------------------------------------ coroutines */

enum { CORO = 200, ROUNDS = 50 };

typedef struct coro {
    gm_context c, *back;
    gm_stack stack;
    double sum;
    int rounds;
} coro;

static __attribute__((noinline)) double eat(int depth, double x)
{
    volatile char room[512];
    room[depth % 512] = (char)depth;
    return depth ? eat(depth - 1, x) + 1 : x + room[0] * 0;
}

/* Keeps integers and doubles in registers over the switches, and uses some of its stack. */
static void coro_body(void *arg)
{
    coro *me = arg;
    double a = 1, b = 2;
    for (;;) {
        me->sum = eat(20, 0);
        for (int i = 0; i < ROUNDS; i++) {
            a += 0.5;
            b += a;
            me->rounds++;
            gm_context_switch(&me->c, me->back);
        }
        me->sum += b;
        gm_context_leave(&me->c, me->back);
    }
}

static void drive(coro *all, gm_context *here)
{
    for (int i = 0; i < CORO; i++)
        all[i].back = here;
    for (int k = 0; k < ROUNDS / 2; k++)
        for (int i = 0; i < CORO; i++)
            gm_context_switch(here, &all[i].c);
}

static void *drive_elsewhere(void *all)
{
    gm_context here;
    gm_context_adopt(&here);
    drive(all, &here);
    return NULL;
}

static void test_coroutines(void)
{
    gm_alloc alloc = gm_alloc_default();
    gm_stacks stacks = {.alloc = &alloc};
    static coro all[CORO];
    gm_context here;
    gm_context_adopt(&here);
    for (int i = 0; i < CORO; i++)
        expect(gm_stacks_take(&stacks, &all[i].stack) == GM_OK);
    for (int again = 0; again < 2; again++) { /* the second time on used stacks */
        pthread_t t;
        for (int i = 0; i < CORO; i++) {
            gm_context_make(&all[i].c, all[i].stack, coro_body, &all[i]);
            all[i].rounds = 0;
        }
        drive(all, &here);
        pthread_create(&t, NULL, drive_elsewhere, all); /* the other half on another thread */
        pthread_join(t, NULL);
        for (int i = 0; i < CORO; i++) {
            all[i].back = &here;
            gm_context_switch(&here, &all[i].c); /* to the end */
            expect(all[i].rounds == ROUNDS);
            expect(all[i].sum == 20 + 2 + ROUNDS + 0.25 * ROUNDS * (ROUNDS + 1));
        }
    }
    for (int i = 0; i < CORO; i++)
        gm_context_drop(&all[i].c);
    gm_stacks_free(&stacks);
}

/* ------------------------------------------------------------------ run queues */

enum { THIEVES = 3 };

typedef struct item {
    gm_link link;
    uint64_t value, taken; /* plain: a sanitizer sees who takes it twice, or takes it before it is written */
} item;

typedef struct thieves {
    gm_runq victim;
    item *items;
    bool half;
    _Atomic int done;
    _Atomic uint64_t taken;
} thieves;

static void take(thieves *t, gm_link *l)
{
    item *i = (item *)l;
    expect(i->value == (uint64_t)(i - t->items) && i->taken == 0);
    i->taken++;
    gm_add_rlx(&t->taken, 1);
}

static void empty(thieves *t, gm_runq *q)
{
    bool inherited;
    for (gm_link *l; (l = gm_runq_get(q, &inherited));)
        take(t, l);
}

static void *steal_all(void *arg)
{
    thieves *t = arg;
    gm_runq *own = aligned_alloc(128, sizeof *own);
    memset(own, 0, sizeof *own);
    while (!gm_load_acq(&t->done)) { /* pairs with the owner's last word */
        uint32_t n;
        gm_link *l = gm_runq_steal(own, &t->victim, t->half, &n);
        if (l)
            take(t, l);
        else if ((l = gm_runq_peek_next(&t->victim)) && gm_runq_take_next(&t->victim, l))
            take(t, l);
        empty(t, own);
    }
    free(own);
    return NULL;
}

/* The owner puts in bursts, some into runnext, takes some back, and takes what overflows. */
static void own(thieves *t, uint64_t n)
{
    gm_xoshiro rng;
    gm_xoshiro_seed(&rng, 1);
    for (uint64_t i = 0; i < n;) {
        uint64_t drawn = gm_xoshiro_next(&rng);
        gm_list overflow = {0};
        for (uint64_t k = drawn % 700; k > 0 && i < n; k--, i++) {
            t->items[i].value = i;
            gm_runq_put(&t->victim, &t->items[i].link, drawn >> 20 & 1, &overflow);
        }
        expect(overflow.n % 129 == 0);
        for (gm_link *l; (l = gm_list_take(&overflow));)
            take(t, l);
        bool inherited;
        for (uint64_t k = (drawn >> 32) % 300; k > 0; k--) {
            gm_link *l = gm_runq_get(&t->victim, &inherited);
            if (l)
                take(t, l);
        }
    }
    empty(t, &t->victim);
}

static void steal_from_one(bool half, uint64_t n)
{
    pthread_t threads[THIEVES];
    thieves *t = aligned_alloc(128, sizeof *t);
    memset(t, 0, sizeof *t);
    t->items = calloc(n, sizeof *t->items);
    t->half = half;
    for (int i = 0; i < THIEVES; i++)
        pthread_create(&threads[i], NULL, steal_all, t);
    own(t, n);
    gm_store_rel(&t->done, 1);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    expect(t->taken == n && gm_runq_empty(&t->victim));
    free(t->items);
    free(t);
}

static void test_stealing(void)
{
    steal_from_one(true, steps);
    steal_from_one(false, steps);
}

static void test_queue_order(void)
{
    static _Alignas(128) gm_runq q, thief;
    static item items[600];
    gm_list overflow = {0};
    bool inherited;
    uint32_t n;
    for (int i = 0; i < 257; i++)
        gm_runq_put(&q, &items[i].link, false, &overflow);
    expect(overflow.n == 129 && overflow.first == &items[0].link && overflow.last == &items[256].link);
    expect(gm_runq_length(&q) == 128);
    gm_runq_put(&q, &items[300].link, true, &overflow);
    expect(gm_runq_get(&q, &inherited) == &items[300].link && inherited);
    expect(gm_runq_get(&q, &inherited) == &items[128].link && !inherited);
    expect(gm_runq_steal(&thief, &q, true, &n) == &items[192].link && n == 64); /* of 127: n - n / 2 */
    expect(gm_runq_length(&q) == 63 && gm_runq_length(&thief) == 63);
    expect(gm_runq_get(&thief, &inherited) == &items[129].link);
    expect(gm_runq_steal(&thief, &q, false, &n) == &items[193].link && n == 1);
}

/* ------------------------------------------------------------------ the global queue */

typedef struct passing {
    gm_globq q;
    gm_rt_mutex lock;
    item *items;
    uint64_t n;
    _Atomic uint64_t next, taken;
} passing;

static void *pass(void *arg)
{
    passing *p = arg;
    while (gm_load_rlx(&p->taken) < p->n) {
        bool room = gm_load_rlx(&p->next) - gm_load_rlx(&p->taken) < 8; /* and one more from each of the others: Q3 */
        uint64_t i = room ? gm_add_rlx(&p->next, 1) : p->n;
        gm_list one = {0};
        if (i < p->n) {
            p->items[i].value = i;
            gm_list_add(&one, &p->items[i].link);
            gm_globq_put(&p->q, &one);
        }
        gm_list got = {0};
        if (i % 8)
            gm_globq_get_share(&p->q, 2, 5, &got);
        gm_link *l = i % 8 ? gm_list_take(&got) : gm_globq_get(&p->q);
        for (; l; l = gm_list_take(&got)) {
            item *it = (item *)l;
            expect(it->value == (uint64_t)(it - p->items) && it->taken++ == 0);
            gm_add_rlx(&p->taken, 1);
        }
    }
    return NULL;
}

static void test_global(void)
{
    gm_alloc alloc = gm_alloc_default();
    for (uint32_t kind = GM_GLOBQ_LIST; kind <= GM_GLOBQ_RING_PADDED; kind++) {
        pthread_t threads[THIEVES];
        passing *p = aligned_alloc(128, sizeof *p);
        memset(p, 0, sizeof *p);
        p->n = steps / 4 + 1000;
        p->items = calloc(p->n, sizeof *p->items);
        expect(gm_globq_init(&p->q, kind, 16, &p->lock, &alloc) == GM_OK);
        for (int i = 0; i < THIEVES; i++)
            pthread_create(&threads[i], NULL, pass, p);
        for (int i = 0; i < THIEVES; i++)
            pthread_join(threads[i], NULL);
        expect(p->taken == p->n && gm_globq_size(&p->q) == 0);
        gm_globq_free(&p->q);
        free(p->items);
        free(p);
    }
}

/* ------------------------------------------------------------------ the scheduler */

static gm_sched_config base_config(uint32_t procs)
{
    return (gm_sched_config){.procs = procs, .globq_len = 1 << 16, .slice_ns = 10000000, .seed = 7};
}

/* Runs it to its end, checks what must hold of any run, and returns how it ended. */
static int run_to_end(const gm_sched_config *c, gm_body body, void *arg, gm_sched_stats *out)
{
    gm_sched *s;
    gm_faulty *memory = gm_faulty_new();
    gm_sched_config own = *c;
    own.alloc = gm_faulty_alloc(memory);
    expect(gm_sched_new(&own, &s) == GM_OK);
    int status = gm_sched_start(s, body, arg);
    if (status == GM_OK)
        status = gm_sched_wait(s);
    gm_sched_totals(s, out);
    gm_hist *waits = gm_sched_waits(s);
    expect(!waits || gm_hist_total(waits) == out->runs);
    gm_sched_free(s);
    expect(gm_faulty_live_blocks(memory) == 0);
    gm_faulty_free(memory);
    return status;
}

/* Goroutines that do a bit of everything; each knows that it runs once at a time. */
typedef struct crowd {
    gm_chan done, pipe, unbuffered;
    uint64_t ring[8], done_ring[64];
    uint64_t each;
    unsigned n;
    _Atomic uint64_t steps, sent, received, children, inside;
} crowd;

typedef struct member {
    crowd *c;
    gm_xoshiro rng;
    uint64_t turns;           /* plain: it is one line of execution, on whatever thread */
    _Atomic uint32_t running; /* 1 while it runs */
} member;

static void away(member *m)
{
    expect(gm_swap_acq_rel(&m->running, 0) == 1);
}

static void back(member *m)
{
    expect(gm_swap_acq_rel(&m->running, 1) == 0);
    m->turns++;
}

static void child(gm_g *g, void *arg)
{
    crowd *c = arg;
    gm_gosched(g);
    gm_add_rlx(&c->children, 1);
    gm_chan_send(g, &c->done, 2);
}

static void compute(member *m, gm_g *g)
{
    volatile uint64_t sum = 0;
    for (int i = 0; i < 2000; i++) {
        sum += gm_xoshiro_next(&m->rng);
        if (i % 50 == 0)
            gm_safepoint(g);
    }
}

static unsigned one_turn(member *m, gm_g *g, unsigned drawn)
{
    crowd *c = m->c;
    unsigned children = 0;
    if (drawn < 50) {
        away(m);
        gm_gosched(g);
        back(m);
    } else if (drawn < 90) {
        gm_add_rlx(&c->sent, 1);
        away(m);
        gm_chan_send(g, drawn % 2 ? &c->pipe : &c->unbuffered, 1);
        back(m);
    } else if (drawn < 95) {
        compute(m, g); /* may be preempted inside, still `running` */
    } else if (drawn < 98) {
        children = gm_go(g, child, c) == GM_OK;
        expect(children == 1);
    } else {
        away(m);
        gm_block_begin(g);
        if (gm_add_rlx(&c->inside, 1) % 8 == 0)
            gm_nap_ns(20000); /* about as long as sysmon needs to take the P away */
        gm_block_end(g);
        back(m);
    }
    gm_add_rlx(&c->steps, 1);
    return children;
}

static void member_body(gm_g *g, void *arg)
{
    member *m = arg;
    uint64_t children = 0;
    back(m);
    for (uint64_t i = 0; i < m->c->each; i++)
        children += one_turn(m, g, (unsigned)(gm_xoshiro_next(&m->rng) % 100));
    away(m);
    gm_chan_send(g, &m->c->done, 1000 + children);
}

static void receiver(gm_g *g, void *arg)
{
    crowd *c = ((void **)arg)[0];
    gm_chan *from = ((void **)arg)[1];
    while (gm_chan_recv(g, from) != 0)
        gm_add_rlx(&c->received, 1);
    gm_chan_send(g, &c->done, 3);
}

static void crowd_main(gm_g *g, void *arg)
{
    crowd *c = arg;
    void *pipe[] = {c, &c->pipe}, *unbuffered[] = {c, &c->unbuffered};
    gm_enter(g); /* no signal while malloc's lock is held (A3) */
    member *all = calloc(c->n, sizeof *all);
    gm_leave(g);
    gm_go(g, receiver, pipe);
    gm_go(g, receiver, unbuffered);
    for (unsigned i = 0; i < c->n; i++) {
        all[i].c = c;
        gm_xoshiro_seed(&all[i].rng, i);
        expect(gm_go(g, member_body, &all[i]) == GM_OK);
    }
    uint64_t members = 0, children = 0, ended = 0;
    while (members < c->n || ended < children) {
        uint64_t said = gm_chan_recv(g, &c->done);
        if (said >= 1000) {
            members++;
            children += said - 1000;
        } else {
            ended++;
        }
    }
    gm_chan_send(g, &c->pipe, 0);
    gm_chan_send(g, &c->unbuffered, 0);
    expect(gm_chan_recv(g, &c->done) == 3 && gm_chan_recv(g, &c->done) == 3);
    expect(gm_load_rlx(&c->children) == children);
    while (gm_goroutines(g) > 1) /* who has said so may not have ended */
        gm_gosched(g);
    for (unsigned i = 0; i < c->n; i++)
        expect(all[i].running == 0);
    gm_enter(g);
    free(all);
    gm_leave(g);
}

static void crowd_of(const gm_sched_config *config, unsigned n, uint64_t turns)
{
    crowd *c = calloc(1, sizeof *c);
    gm_sched_stats did;
    gm_chan_init(&c->done, c->done_ring, 64);
    gm_chan_init(&c->pipe, c->ring, 8);
    gm_chan_init(&c->unbuffered, NULL, 0);
    c->n = n;
    c->each = turns / n;
    expect(run_to_end(config, crowd_main, c, &did) == GM_OK);
    expect(c->steps == c->n * c->each);
    expect(c->sent == c->received);
    expect(did.started == did.finished);
    expect(did.started == 1 + 2 + c->n + c->children);
    expect(did.blocks == c->inside);
    expect(did.parks == did.readies);
    /* put on a P: first, after each yield, park and preemption, and after a blocking call that has lost its P */
    expect(did.runs ==
           did.started + did.yields + did.parks + did.preempted_sync + did.preempted_async + did.blocks - did.reacquired);
    free(c);
}

/* Preemption as often as can be, with every setting. */
static void test_crowd(void)
{
    gm_sched_config c = base_config(4);
    c.slice_ns = 1000;
    c.sysmon_sleep_ns = 20000;
    c.measure = 1;
    crowd_of(&c, 100, steps / 2);
    for (c.globq = 0; c.globq <= GM_GLOBQ_RING_PADDED; c.globq++)
        crowd_of(&c, 100, steps / 20);
    c.globq = GM_GLOBQ_LIST;
    c.preempt_target = GM_TARGET_PARKED;
    crowd_of(&c, 100, steps / 20);
    c.preempt_target = GM_TARGET_GLOBAL;
    for (c.steal = 0; c.steal <= GM_STEAL_OFF; c.steal++)
        crowd_of(&c, 100, steps / 20);
    c.steal = GM_STEAL_HALF;
    for (c.preempt = 0; c.preempt <= GM_PREEMPT_NONE; c.preempt++)
        crowd_of(&c, 700, steps / 20);
    c = base_config(1);
    c.runnext_inherit = GM_INHERIT_OFF;
    crowd_of(&c, 20, steps / 20);
}

/* ------------------------------------------------------------------ endings */

static void wait_for_ever(gm_g *g, void *arg)
{
    gm_chan_recv(g, arg);
}

static void all_asleep(gm_g *g, void *arg)
{
    for (int i = 0; i < 10; i++)
        gm_go(g, wait_for_ever, arg);
    gm_chan_recv(g, arg);
}

static void test_deadlock(void)
{
    for (uint32_t procs = 1; procs <= 4; procs++) {
        gm_sched_config c = base_config(procs);
        gm_sched_stats did;
        gm_chan never;
        gm_chan_init(&never, NULL, 0);
        expect(run_to_end(&c, all_asleep, &never, &did) == GM_E_DEADLOCK);
        expect(did.started == 11 && did.finished == 0 && did.parks == 11);
    }
}

static void sleeper(gm_g *g, void *arg)
{
    gm_block_begin(g);
    gm_nap_ns(30000000);
    gm_block_end(g);
    gm_chan_send(g, arg, 1);
}

/* All others wait for one that is in a blocking call: no deadlock. */
static void wait_for_sleeper(gm_g *g, void *arg)
{
    gm_go(g, sleeper, arg);
    expect(gm_chan_recv(g, arg) == 1);
}

static void test_no_deadlock(void)
{
    gm_sched_config c = base_config(1);
    gm_sched_stats did;
    gm_chan done;
    gm_chan_init(&done, NULL, 0);
    expect(run_to_end(&c, wait_for_sleeper, &done, &did) == GM_OK);
    expect(did.retakes == 1 && did.reacquired == 0);
}

/* Computes without any call, so that only a signal can stop it, until it is told to end. */
static void hog(gm_g *g, void *arg)
{
    _Atomic int *end = arg;
    (void)g;
    for (volatile uint64_t i = 0; !gm_load_rlx(end); i++)
        ;
}

static void polite_hog(gm_g *g, void *arg)
{
    _Atomic int *end = arg;
    while (!gm_load_rlx(end))
        gm_safepoint(g);
}

typedef struct beside {
    gm_body body;
    _Atomic int end;
} beside;

/* On one P: comes back from Gosched only if the hog is stopped. */
static void beside_hog(gm_g *g, void *arg)
{
    beside *b = arg;
    gm_go(g, b->body, &b->end);
    gm_gosched(g);
    gm_store_rlx(&b->end, 1);
    gm_gosched(g);
}

static void test_preemption(void)
{
    gm_sched_config c = base_config(1);
    gm_sched_stats did;
    c.slice_ns = 1000000;
    c.sysmon_sleep_ns = 1000000;
    c.preempt = GM_PREEMPT_SYNC;
    beside b = {polite_hog, 0};
    expect(run_to_end(&c, beside_hog, &b, &did) == GM_OK);
    expect(did.preempted_sync >= 1 && did.preempted_async == 0);
    if (!signalsWork)
        return;
    c.preempt = GM_PREEMPT_ASYNC;
    b = (beside){hog, 0};
    expect(run_to_end(&c, beside_hog, &b, &did) == GM_OK);
    expect(did.preempted_async >= 1 && did.preempted_sync == 0 && did.signals >= did.preempted_async);
}

typedef struct turn {
    gm_g *g;
    uint64_t rounds, wrong;
} turn;

/* A region without signals that is interrupted by as many as can be: what it leaves half done nobody may see. */
static void in_regions(gm_g *g, void *arg)
{
    static volatile uint64_t both[2]; /* of one P: a switch inside would be seen by the other goroutine */
    turn *t = arg;
    for (uint64_t i = 0; i < t->rounds; i++) {
        gm_enter(g);
        t->wrong += both[0] != both[1];
        both[0]++;
        for (volatile int k = 0; k < 100; k++)
            ;
        both[1]++;
        gm_leave(g);
    }
    gm_chan_send(g, (gm_chan *)(void *)t->g, 1);
}

static void two_in_regions(gm_g *g, void *arg)
{
    turn *t = arg;
    gm_chan done;
    gm_chan_init(&done, NULL, 0);
    t[0].g = t[1].g = (gm_g *)(void *)&done;
    gm_go(g, in_regions, &t[0]);
    gm_go(g, in_regions, &t[1]);
    gm_chan_recv(g, &done);
    gm_chan_recv(g, &done);
}

/* Longer and longer, until sysmon has had its share of a busy machine and hit a region. */
static void test_no_signal_regions(void)
{
    gm_sched_config c = base_config(1);
    gm_sched_stats did = {0};
    c.slice_ns = 1000;
    c.sysmon_sleep_ns = 20000;
    c.preempt = GM_PREEMPT_ASYNC;
    for (uint64_t rounds = 100000; did.refused == 0 && rounds <= 100000 << 8; rounds *= 4) {
        turn t[2] = {{NULL, rounds, 0}, {NULL, rounds, 0}};
        expect(run_to_end(&c, two_in_regions, t, &did) == GM_OK);
        expect(t[0].wrong == 0 && t[1].wrong == 0);
    }
    expect(did.signals > 0);
    expect(did.refused > 0);
}

typedef struct pestered {
    _Atomic int end, ready;
    pthread_t thread;
} pestered;

static void show_thread_and_hog(gm_g *g, void *arg)
{
    pestered *p = arg;
    gm_enter(g);
    p->thread = pthread_self();
    gm_store_rel(&p->ready, 1); /* pairs with test_unasked */
    gm_leave(g);
    hog(g, &p->end);
}

/* A signal that nobody's asking stands behind stops nobody. */
static void test_unasked(void)
{
    gm_sched_config c = base_config(1);
    gm_sched_stats did;
    gm_sched *s;
    pestered p = {0};
    if (!signalsWork)
        return;
    c.preempt = GM_PREEMPT_NONE;
    expect(gm_sched_new(&c, &s) == GM_OK);
    expect(gm_sched_start(s, show_thread_and_hog, &p) == GM_OK);
    while (!gm_load_acq(&p.ready)) /* pairs with show_thread_and_hog */
        gm_nap_ns(100000);
    for (int i = 0; i < 20; i++) {
        pthread_kill(p.thread, SIGURG);
        gm_nap_ns(100000);
    }
    gm_store_rlx(&p.end, 1);
    expect(gm_sched_wait(s) == GM_OK);
    gm_sched_totals(s, &did);
    expect(did.preempted_async == 0 && did.refused > 0);
    gm_sched_free(s);
}

/* Main returns while hogs are running: they are stopped, by signals too. It has to run again for that, after Gosched: where
 * nobody stops a hog of this kind before the end, three hogs may hold three Ps for ever. */
static void leave_hogs(gm_g *g, void *arg)
{
    for (int i = 0; i < 3; i++)
        gm_go(g, signalsWork ? hog : polite_hog, arg);
    gm_gosched(g);
}

static void test_hogs_are_stopped(void)
{
    for (uint32_t preempt = 0; preempt <= GM_PREEMPT_NONE; preempt++) {
        gm_sched_config c = base_config(3);
        gm_sched_stats did;
        static _Atomic int never;
        c.preempt = preempt;
        c.slice_ns = 1000000;
        if (preempt != GM_PREEMPT_BOTH && preempt != (signalsWork ? GM_PREEMPT_ASYNC : GM_PREEMPT_SYNC))
            c.procs = 4; /* one that no hog has */
        expect(run_to_end(&c, leave_hogs, &never, &did) == GM_OK);
        expect(did.started == 4);
    }
}

static gm_sched *outside;

static void *stop_outside(void *unused)
{
    (void)unused;
    gm_nap_ns(2000000);
    gm_sched_stop(outside);
    return NULL;
}

static void test_stop(void)
{
    gm_sched_config c = base_config(2);
    gm_chan never;
    static _Atomic int end;
    gm_chan_init(&never, NULL, 0);
    pthread_t t;
    expect(gm_sched_new(&c, &outside) == GM_OK);
    expect(gm_sched_start(outside, polite_hog, &end) == GM_OK);
    pthread_create(&t, NULL, stop_outside, NULL);
    expect(gm_sched_wait(outside) == GM_END);
    pthread_join(t, NULL);
    gm_sched_free(outside);
}

/* ------------------------------------------------------------------ what the system refuses */

typedef struct counting {
    gm_spawner real;
    _Atomic unsigned asked, made, joined;
    unsigned refuse; /* number of the first that is refused, and all after it; 0: none */
} counting;

static int start_counting(void *ctx, void *(*body)(void *), void *arg, gm_thread *out)
{
    counting *c = ctx;
    if (gm_add_rlx(&c->asked, 1) + 1 >= c->refuse && c->refuse)
        return GM_E_THREAD;
    gm_add_rlx(&c->made, 1);
    return c->real.start(c->real.ctx, body, arg, out);
}

static void join_counting(void *ctx, gm_thread t)
{
    counting *c = ctx;
    gm_add_rlx(&c->joined, 1);
    c->real.join(c->real.ctx, t);
}

static void counted(gm_g *g, void *arg)
{
    gm_block_begin(g);
    gm_nap_ns(1000000);
    gm_block_end(g);
    gm_chan_send(g, arg, 1);
}

static void count_to_20(gm_g *g, void *arg)
{
    for (int i = 0; i < 20; i++)
        expect(gm_go(g, counted, arg) == GM_OK);
    for (int i = 0; i < 20; i++)
        gm_chan_recv(g, arg);
}

static void test_threads_refused(void)
{
    for (unsigned k = 1; k <= 6; k++) { /* sysmon, the first M, and others */
        counting threads = {gm_spawner_default(), 0, 0, 0, k};
        gm_spawner spawner = {start_counting, join_counting, &threads};
        gm_sched_config c = base_config(4);
        gm_sched_stats did;
        gm_chan done;
        gm_chan_init(&done, NULL, 0);
        c.spawner = &spawner;
        int status = run_to_end(&c, count_to_20, &done, &did);
        expect(status == (threads.asked >= k ? GM_E_THREAD : GM_OK));
        expect(k <= 2 || did.started == 21); /* the Ms that there are do all of it */
        expect(threads.made == threads.joined);
    }
}

static void try_100(gm_g *g, void *arg)
{
    uint64_t *made = arg;
    gm_chan done;
    gm_chan_init(&done, NULL, 0);
    for (int i = 0; i < 100; i++)
        *made += gm_go(g, counted, &done) == GM_OK;
    for (uint64_t i = 0; i < *made; i++)
        gm_chan_recv(g, &done);
}

static void test_memory_refused(void)
{
    for (uint64_t nth = 1; nth < 20; nth++) {
        gm_faulty *memory = gm_faulty_new();
        gm_sched_config c = base_config(2);
        gm_sched *s;
        uint64_t made = 0;
        c.alloc = gm_faulty_alloc(memory);
        c.globq = GM_GLOBQ_RING;
        gm_faulty_arm(memory, nth, 1);
        if (gm_sched_new(&c, &s) == GM_OK) {
            int status = gm_sched_start(s, try_100, &made);
            if (status == GM_OK)
                status = gm_sched_wait(s);
            expect(status == GM_OK || status == GM_E_NOMEM || status == GM_E_THREAD);
            expect(status != GM_OK || made >= 99);
            gm_sched_free(s);
        }
        expect(gm_faulty_live_blocks(memory) == 0);
        gm_faulty_free(memory);
    }
}

static void fill_ring(gm_g *g, void *arg)
{
    uint64_t *made = arg;
    static _Atomic int end = 1;
    while (*made < 100 && gm_go(g, polite_hog, &end) == GM_OK)
        ++*made;
}

static void test_ring_limit(void)
{
    gm_sched_config c = base_config(1);
    gm_sched_stats did;
    uint64_t made = 0;
    c.globq = GM_GLOBQ_RING;
    c.globq_len = 8;
    c.preempt = GM_PREEMPT_NONE;
    expect(run_to_end(&c, fill_ring, &made, &did) == GM_OK);
    expect(made == 7); /* with main: 8 */
    c.globq_len = 7;
    gm_sched *s;
    expect(gm_sched_new(&c, &s) == GM_E_ARGUMENT);
}

/* The handler that was there before is called for other threads, and is there again afterwards. */
static _Atomic int heard;

static void hear(int number)
{
    (void)number;
    gm_add_rlx(&heard, 1);
}

static void knock(gm_g *g, void *arg)
{
    gm_block_begin(g);
    pthread_kill(*(pthread_t *)arg, SIGURG);
    while (!gm_load_rlx(&heard))
        gm_nap_ns(100000);
    gm_block_end(g);
}

static void *nap_until_heard(void *unused)
{
    (void)unused;
    while (!gm_load_rlx(&heard))
        gm_nap_ns(100000); /* where ThreadSanitizer delivers signals, too */
    return NULL;
}

static void test_signal_passed_on(void)
{
    struct sigaction ours = {.sa_handler = hear}, after;
    gm_sched_config c = base_config(1);
    gm_sched_stats did;
    pthread_t other;
    sigaction(SIGURG, &ours, NULL);
    pthread_create(&other, NULL, nap_until_heard, NULL);
    expect(run_to_end(&c, knock, &other, &did) == GM_OK);
    pthread_join(other, NULL);
    expect(heard == 1);
    sigaction(SIGURG, NULL, &after);
    expect(after.sa_handler == hear);
    signal(SIGURG, SIG_DFL);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {{"coroutines", test_coroutines},
             {"queue_order", test_queue_order},
             {"stealing", test_stealing},
             {"global", test_global},
             {"crowd", test_crowd},
             {"deadlock", test_deadlock},
             {"no_deadlock", test_no_deadlock},
             {"preemption", test_preemption},
             {"no_signal_regions", test_no_signal_regions},
             {"unasked", test_unasked},
             {"hogs_are_stopped", test_hogs_are_stopped},
             {"stop", test_stop},
             {"threads_refused", test_threads_refused},
             {"memory_refused", test_memory_refused},
             {"ring_limit", test_ring_limit},
             {"signal_passed_on", test_signal_passed_on}};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    steps = strtoull(argv[2], NULL, 10);
    int ran = 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (strcmp(argv[1], "all") == 0 || strcmp(argv[1], tests[i].name) == 0) {
            tests[i].run();
            ran++;
        }
    }
    if (!bad && ran)
        printf("ok\n");
    return bad || !ran;
}
