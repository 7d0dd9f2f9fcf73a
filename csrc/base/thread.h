/* thread.h: threads, and what the operating system tells of one; the design is told in thread.c. */
#ifndef GM_THREAD_H
#define GM_THREAD_H

#include "gomap.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

/* What one thread has used so far. `known` is false where the system does not say. */
typedef struct gm_usage {
    uint64_t cpu_ns;
    uint64_t involuntary, voluntary; /* times it was taken off its CPU, went to sleep */
    uint64_t faults;                 /* page faults */
    bool known;
} gm_usage;

gm_spawner gm_spawner_default(void);
bool gm_thread_pin(int cpu); /* the calling thread */
void gm_thread_precise_sleep(void);
gm_usage gm_usage_counts(void); /* without the CPU time */
gm_usage gm_usage_read(void);   /* with it */
void gm_nap_ns(uint64_t ns);
uint64_t gm_page_fault_cost_ns(void); /* what the first touch of a page costs here, measured now */

#if defined(GM_EXPLORE)
/* One CPU, whose threads take turns (base/explore.h). */
void gm_explore_yield(void);
#define gm_relax() gm_explore_yield()
#define gm_yield() gm_explore_yield()
#define gm_several_cpus() false
#else
static inline void gm_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void gm_yield(void)
{
    sched_yield();
}

static inline bool gm_several_cpus(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}
#endif

/* A meeting place: threads arrive and wait until the one in charge lets them all go. See thread.c. */
typedef struct gm_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned arrived; /* threads waiting at the gate */
    unsigned left;    /* threads that are done */
    unsigned opened;  /* times the gate was opened */
    bool woken;       /* gm_gate_wake was called */
} gm_gate;

bool gm_gate_init(gm_gate *g);
void gm_gate_destroy(gm_gate *g);
void gm_gate_arrive(gm_gate *g); /* waits to be let through */
void gm_gate_leave(gm_gate *g);
void gm_gate_open(gm_gate *g);
void gm_gate_wake(gm_gate *g);
/* Waits until `all` threads have arrived or left, until woken, or until `ns` have passed. True: they all have. */
bool gm_gate_wait(gm_gate *g, unsigned all, uint64_t ns);

#endif
