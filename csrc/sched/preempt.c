/* preempt.c: taking the CPU away from a goroutine that does not give it up.
 *
 * Mirrors preemptone and preemptM of runtime/proc.go and signal_unix.go, and wantAsyncPreempt and isAsyncSafePoint of
 * runtime/preempt.go (Go 1.25), which does it in two ways at once:
 *
 *   sync    a word of the goroutine's is set, which it looks at wherever a Go function begins (gm_safepoint). Go poisons the
 *           stack guard, which every prologue compares with anyway.
 *   async   its thread gets SIGURG. The handler runs on the goroutine's own stack, on top of what it was doing, and gives up
 *           the CPU from there; when the goroutine runs again, the handler returns and nothing has happened. That may be on
 *           another thread: the kernel has put all registers into the frame that the handler returns through.
 *
 * WHERE NOT. Go's handler looks at the program counter and refuses inside the runtime, and so inside map code. C has no
 * table of what belongs to what; here code that must not be stopped says so (gm_enter, gm_leave): all of the scheduler,
 * every operation on a map, every call into the C library. A refused signal is counted, and sysmon sends another
 * in its next round.
 *
 *   A1  A goroutine is stopped by a signal only between gm_leave and gm_enter, and only if it has been asked.
 *   A2  The goroutine's code knows itself by an argument, never by a thread-local variable: between reading such a variable and
 *       using it, it could be moved to another thread. The handler may read one: SIGURG is blocked while it runs, until it
 *       has decided.
 *   A3  errno is the thread's. Where a goroutine can be stopped it calls nothing that sets or reads it (that would be a call
 *       into the C library), and a handler that refuses leaves it alone.
 *   A4  `asked` and `signalled` order nothing. A goroutine that is asked too late, when it has given up the CPU already, is
 *       asked in vain: the word is cleared when it is next put on a P.
 *
 * The handler is the process's. It is installed while a scheduler that sends signals is running, with a count of these, and
 * what was there before is put back after the last; a SIGURG that comes to a thread that is no M goes there.
 *
 * Divergences: ThreadSanitizer calls handlers from within its own code, which must not move to another thread: under it every
 * signal is refused, and with preempt = async, as with none, nobody is stopped before the end: a queued G waits for ever once
 * each P has a hog. Go's sigctxt.pushCall makes the goroutine call a function that saves the registers, and the handler returns
 * first; that needs code without a red zone below the stack pointer.
 */
#define _GNU_SOURCE /* pthread_kill */
#include "sched/sched.h"

#include <signal.h>

#if defined(__SANITIZE_THREAD__)
enum { refusedAlways = 1 };
#else
enum { refusedAlways = 0 };
#endif

static GM_THREAD_LOCAL gm_m *this_m;
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;
static unsigned installed;
static struct sigaction before;

static void pass_on(int number, siginfo_t *info, void *frame)
{
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, frame);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) /* SIGURG is ignored by default */
        before.sa_handler(number);
}

static void allow_signal(void)
{
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
}

static void put_back_async(gm_m *m, gm_g *g)
{
    m->p->did.preempted_async++;
    gm_track_end(m, g, GM_TO_ASYNC);
    gm_put_preempted(m, g);
}

static void on_signal(int number, siginfo_t *info, void *frame)
{
    gm_m *m = this_m;
    if (!m) {
        pass_on(number, info, frame);
        return;
    }
    gm_store_rlx(&m->signalled, 0);
    gm_g *g = gm_load_rlx(&m->g); /* this thread wrote it */
    if (refusedAlways || !g || gm_load_rlx(&g->locks) || !(gm_load_rlx(&g->asked) & gm_asked_async)) {
        m->refused++;
        return;
    }
    gm_enter(g); /* A1: from here on no other */
    allow_signal();
    gm_switch_away(g, put_back_async);
    gm_leave(g);
}

int gm_signals_begin(void)
{
    int status = GM_OK;
    pthread_mutex_lock(&installing);
    if (installed == 0) {
        struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigemptyset(&ours.sa_mask);
        status = sigaction(SIGURG, &ours, &before) == 0 ? GM_OK : GM_E_THREAD;
    }
    installed += status == GM_OK;
    pthread_mutex_unlock(&installing);
    return status;
}

void gm_signals_end(void)
{
    pthread_mutex_lock(&installing);
    if (--installed == 0)
        sigaction(SIGURG, &before, NULL);
    pthread_mutex_unlock(&installing);
}

void gm_signals_here(gm_m *m)
{
    this_m = m;
}

static void put_back_sync(gm_m *m, gm_g *g)
{
    m->p->did.preempted_sync++;
    gm_track_end(m, g, GM_TO_SYNC);
    gm_put_preempted(m, g);
}

void gm_preempted(gm_g *g)
{
    gm_enter(g);
    gm_switch_away(g, put_back_sync);
    gm_leave(g);
}

/* From sysmon. */
void gm_ask(gm_sched *s, gm_p *p, uint32_t how)
{
    gm_m *m = gm_load_acq(&p->m);            /* pairs with take_p's release: m->self is set by then */
    gm_g *g = m ? gm_load_acq(&m->g) : NULL; /* pairs with run's release; records of goroutines are never given back */
    if (!g)
        return;
    gm_store_rlx(&g->asked, how);
    if (!(how & gm_asked_async) || gm_swap_acq_rel(&m->signalled, 1)) /* one at a time; the order is not needed */
        return;
    pthread_kill(m->self, SIGURG);
    s->signals++;
}
