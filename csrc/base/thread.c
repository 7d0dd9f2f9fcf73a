/* thread.c: threads, sleeping, and what the operating system tells of one thread.
 *
 * Threads are POSIX threads made through a `gm_spawner`, so that a test can refuse the n-th. What differs between systems is
 * here and nowhere else: affinity, timer slack and per-thread usage are Linux's; elsewhere pinning is refused and usage is
 * not known.
 *
 * The gate is for the quiet ends of a run, never for its middle: a mutex and a condition variable. Whoever is in charge
 * waits until all threads have arrived (or left for good) and opens it; what was written before opening is seen behind it.
 *
 *   N1  A sleep may take longer than asked for. It is used to come near an instant, never to stand for one.
 *   N2  gm_gate_wake may be called from any thread at any time, also before anybody waits: it is remembered, and ends
 *       one wait.
 */
#define _GNU_SOURCE /* affinity, RUSAGE_THREAD */
#include "base/thread.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#endif

static int start_posix(void *ctx, void *(*body)(void *), void *arg, gm_thread *out)
{
    (void)ctx;
    pthread_t t;
    if (pthread_create(&t, NULL, body, arg) != 0)
        return GM_E_THREAD;
    *out = (gm_thread)t;
    return GM_OK;
}

static void join_posix(void *ctx, gm_thread t)
{
    (void)ctx;
    pthread_join((pthread_t)t, NULL);
}

gm_spawner gm_spawner_default(void)
{
    return (gm_spawner){start_posix, join_posix, NULL};
}

bool gm_thread_pin(int cpu)
{
#if defined(__linux__)
    cpu_set_t set;
    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return false;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
#else
    (void)cpu;
    return false;
#endif
}

/* Linux gathers timers within 50 microseconds of each other unless a thread asks for less. */
void gm_thread_precise_sleep(void)
{
#if defined(__linux__)
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
}

gm_usage gm_usage_counts(void)
{
    gm_usage u = {0};
#if defined(__linux__)
    struct rusage r;
    if (getrusage(RUSAGE_THREAD, &r) == 0) {
        u.involuntary = (uint64_t)r.ru_nivcsw;
        u.voluntary = (uint64_t)r.ru_nvcsw;
        u.faults = (uint64_t)(r.ru_minflt + r.ru_majflt);
        u.known = true;
    }
#endif
    return u;
}

/* rusage has a CPU time too, but as of the scheduler's last tick. This one is exact, and reading it makes the kernel bring
 * its books up to date, so that a thread whose slice is used up loses its CPU here and not in the next operation: it is
 * asked for as seldom as can be. */
gm_usage gm_usage_read(void)
{
    gm_usage u = gm_usage_counts();
#if defined(__linux__)
    struct timespec cpu;
    if (u.known && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0)
        u.cpu_ns = (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec;
#endif
    return u;
}

void gm_nap_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / UINT64_C(1000000000)), (long)(ns % UINT64_C(1000000000))};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

uint64_t gm_page_fault_cost_ns(void)
{
    enum { PAGES = 128 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 0;
    uint64_t start = gm_now_ns();
    for (size_t i = 0; i < PAGES; i++)
        ((volatile unsigned char *)p)[i * page] = 1;
    uint64_t took = gm_now_ns() - start;
    munmap(p, PAGES * page);
    return took / PAGES;
}

/* ------------------------------------------------------------------ the gate */

#if defined(__APPLE__)
#define GATE_CLOCK CLOCK_REALTIME /* its condition variables know no other */
#else
#define GATE_CLOCK CLOCK_MONOTONIC
#endif

static bool init_condition(pthread_cond_t *c)
{
#if defined(__APPLE__)
    return pthread_cond_init(c, NULL) == 0;
#else
    pthread_condattr_t a;
    if (pthread_condattr_init(&a) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&a, GATE_CLOCK) == 0 && pthread_cond_init(c, &a) == 0;
    pthread_condattr_destroy(&a);
    return ok;
#endif
}

bool gm_gate_init(gm_gate *g)
{
    *g = (gm_gate){0};
    if (pthread_mutex_init(&g->lock, NULL) != 0)
        return false;
    if (init_condition(&g->changed))
        return true;
    pthread_mutex_destroy(&g->lock);
    return false;
}

void gm_gate_destroy(gm_gate *g)
{
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
}

void gm_gate_arrive(gm_gate *g)
{
    pthread_mutex_lock(&g->lock);
    unsigned before = g->opened;
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    while (g->opened == before)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

void gm_gate_leave(gm_gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->left++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void gm_gate_open(gm_gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->opened++;
    g->arrived = 0;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void gm_gate_wake(gm_gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->woken = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static struct timespec instant_after(uint64_t ns)
{
    struct timespec t;
    clock_gettime(GATE_CLOCK, &t);
    uint64_t at = (uint64_t)t.tv_nsec + ns % UINT64_C(1000000000);
    t.tv_sec += (time_t)(ns / UINT64_C(1000000000) + at / UINT64_C(1000000000));
    t.tv_nsec = (long)(at % UINT64_C(1000000000));
    return t;
}

bool gm_gate_wait(gm_gate *g, unsigned all, uint64_t ns)
{
    struct timespec until = instant_after(ns);
    pthread_mutex_lock(&g->lock);
    while (g->arrived + g->left < all && !g->woken)
        if (pthread_cond_timedwait(&g->changed, &g->lock, &until) == ETIMEDOUT)
            break;
    g->woken = false;
    bool complete = g->arrived + g->left >= all;
    pthread_mutex_unlock(&g->lock);
    return complete;
}
