/* sched.h: goroutines, Ps and Ms; the design is told in sched.c, of sysmon in sysmon.c, of preemption in preempt.c. */
#ifndef GM_SCHED_H
#define GM_SCHED_H

#include "base/local.h"
#include "base/rng.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "gomap.h"
#include "sched/coro.h"
#include "sched/globq.h"
#include "sched/lock.h"
#include "sched/runq.h"

typedef struct gm_sched gm_sched;
typedef struct gm_g gm_g;
typedef struct gm_m gm_m;
typedef struct gm_p gm_p;
typedef void (*gm_body)(gm_g *g, void *arg);

/* ------------------------------------------------------------------ for who uses it */

int gm_sched_new(const gm_sched_config *c, gm_sched **out);
int gm_sched_start(gm_sched *s, gm_body main, void *arg);
/* Until main has returned (GM_OK), gm_sched_stop was called (GM_END), or all are asleep (GM_E_DEADLOCK). Goroutines that have
 * not ended by then are dropped where they stand. GM_E_THREAD: it ended, on fewer threads than it wanted. */
int gm_sched_wait(gm_sched *s);
void gm_sched_stop(gm_sched *s); /* from any thread */
void gm_sched_totals(gm_sched *s, gm_sched_stats *out);
gm_hist *gm_sched_waits(gm_sched *s); /* from ready to running, all Ps; NULL: not measured. Of one that is over */
void gm_sched_free(gm_sched *s);

/* By goroutines, each with itself as g. */
int gm_go(gm_g *g, gm_body body, void *arg); /* GM_E_NOMEM */
void gm_gosched(gm_g *g);
void gm_park(gm_g *g, gm_rt_mutex *held); /* until gm_ready; `held` is released when g can be made ready */
void gm_ready(gm_g *g, gm_g *parked);
void gm_block_begin(gm_g *g); /* a call that may block begins: nothing of the above until gm_block_end */
void gm_block_end(gm_g *g);
void gm_block_surely(gm_g *g); /* instead of gm_block_begin: the call will block, and the P goes to others at once */
void gm_preempted(gm_g *g);
bool gm_stopping(gm_g *g);
uint64_t gm_goroutines(gm_g *g); /* that there are, with itself */

/* ------------------------------------------------------------------ inside */

enum { gm_asked_sync = 1, gm_asked_async = 2 };

struct gm_g {
    gm_link link; /* first: in a run queue, the free list */
    gm_context context;
    gm_sched *s;
    gm_m *m; /* that runs it */
    gm_body body;
    void *arg;
    bool is_main;
    _Atomic uint32_t asked;          /* to stop: set by sysmon, looked at by itself */
    _Atomic uint32_t locks;          /* while not 0 it is not to be stopped by a signal; its own */
    void (*after)(gm_m *m, gm_g *g); /* what its M does when it has been switched away */
    gm_rt_mutex *held;               /* released by then */
    uint64_t since;                  /* ticks: when it was made ready */
    uint32_t number;                 /* of its record */
    uint8_t left;                    /* enum gm_run_to: what its last run ended by */
    uint64_t queued_at;              /* ticks: the lock was got to put it into the global queue; 0: it was not put there */
    uint64_t waited[GM_WAIT_KINDS];  /* ticks, until somebody sets them to 0; with tracks only (tracks.c) */
    uint64_t aside_ns;               /* when it was put aside */
    gm_g *all;                       /* the scheduler's list of all */
};

struct gm_m {
    gm_link link; /* idle */
    gm_context g0;
    gm_sched *s;
    gm_p *p, *next_p;
    gm_p *blocked_p; /* its P before a blocking call */
    gm_g *returned;  /* from a blocking call: runs before all others */
    _Atomic(gm_g *) g;
    bool spinning;
    gm_note wake;
    pthread_t self;
    gm_thread thread;
    _Atomic uint32_t signalled; /* a signal is under way */
    bool joined;
    uint64_t refused;
    uint32_t number;
    uint8_t found;             /* enum gm_run_from: where the goroutine was that it runs */
    uint64_t asked_at, got_at; /* ticks: around the last taking from the global queue */
    uint64_t began;            /* ticks: the run of the goroutine */
    gm_xoshiro rng;
    gm_m *all;
};

enum gm_p_status { gm_p_idle = 0, gm_p_running = 1, gm_p_blocked = 2 };

struct gm_p {
    gm_link link; /* idle */
    uint32_t id;
    gm_runq runq;
    _Alignas(128) _Atomic uint32_t status;
    _Atomic uint32_t tick;       /* goroutines put on it with a slice of their own */
    _Atomic uint32_t block_tick; /* blocking calls */
    _Atomic(gm_m *) m;
    _Atomic uint64_t started, finished;
    gm_list free; /* goroutines that have ended */
    gm_sched_stats did;
    gm_hist *waits;
    /* sysmon's */
    uint32_t seen_tick, seen_block_tick;
    uint64_t tick_ns, block_ns; /* when they were seen first */
};

struct gm_sched {
    gm_sched_config c;
    gm_alloc alloc;
    gm_spawner spawner;
    gm_ticks ticks;
    uint32_t *coprimes; /* to procs: steps that visit every P */
    uint32_t ncoprimes;
    gm_p *ps;
    gm_globq queue;
    _Alignas(128) gm_rt_mutex lock; /* of what follows, and of the list in queue */
    gm_list idle_ps, idle_ms, free, put_aside;
    _Atomic uint32_t free_count;   /* of free; looked at without the lock as a hint */
    uint32_t ms;                   /* that exist or are being made */
    uint32_t gone;                 /* of them, those that are done */
    uint32_t aside;                /* Gs put aside, or taken from there and not yet queued */
    uint32_t g_numbers, m_numbers; /* given so far */
    gm_g *all_gs;
    gm_m *all_ms;
    gm_stacks stacks;
    int status;
    bool refused;                            /* a thread */
    _Alignas(128) _Atomic uint32_t spinning; /* Ms that look for work */
    _Atomic uint32_t need_spinning;          /* work was seen that no P was there for */
    _Atomic uint32_t idle_p_count;
    _Atomic uint32_t stopping;
    _Alignas(128) _Atomic uint32_t live; /* goroutines */
    gm_gate gate;                        /* sysmon sleeps here; the end is told here */
    gm_note over;
    gm_thread sysmon;
    bool started;
    uint64_t rounds, asked, signals, retakes; /* sysmon's */
    uint64_t handoffs;                        /* under the lock */
};

/* The no-signal region: what must not be left half done on one thread and gone on with on another. Own words, own thread:
 * relaxed, and kept in place by compiler fences; a signal handler on the same thread reads them. */
static inline void gm_enter(gm_g *g)
{
    gm_store_rlx(&g->locks, gm_load_rlx(&g->locks) + 1);
    gm_fence_compiler();
}

static inline void gm_leave(gm_g *g)
{
    gm_fence_compiler();
    gm_store_rlx(&g->locks, gm_load_rlx(&g->locks) - 1);
}

/* What Go does at the beginning of a function: looks whether it is asked to stop. */
static inline void gm_safepoint(gm_g *g)
{
    if (gm_unlikely(gm_load_rlx(&g->asked) & gm_asked_sync)) /* relaxed: a wish, it orders nothing */
        gm_preempted(g);
}

/* sched.c, for the other files of this folder */
void gm_switch_away(gm_g *g, void (*after)(gm_m *, gm_g *));
void gm_put_preempted(gm_m *m, gm_g *g);
void gm_hand_off(gm_sched *s, gm_p *p);
void gm_to_local(gm_sched *s, gm_p *p, gm_g *g);
void gm_start_m(gm_sched *s, gm_p *p, bool spinning);
void gm_put_idle_p(gm_sched *s, gm_p *p); /* under the lock */
gm_g *gm_new_g(gm_sched *s, gm_p *p, gm_body body, void *arg);
void gm_finish(gm_sched *s, int status);
void gm_wake_p(gm_sched *s);
bool gm_deadlocked(const gm_sched *s);
bool gm_all_gone(gm_sched *s);
void *gm_sysmon_main(void *sched);

/* tracks.c: nothing happens in them where there are no tracks */
void gm_track_run(gm_m *m, gm_g *g);              /* it is about to run */
void gm_track_end(gm_m *m, gm_g *g, uint8_t why); /* it runs no more; m has its P still */
void gm_track_again(gm_m *m);                     /* back from a blocking call, on the P that it had */

/* preempt.c */
int gm_signals_begin(void);
void gm_signals_end(void);
void gm_signals_here(gm_m *m); /* the calling thread is m; NULL: it is none any more */
void gm_ask(gm_sched *s, gm_p *p, uint32_t how);

#endif
