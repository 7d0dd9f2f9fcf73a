/* machine.c: threads that take turns, on one thread of the system.
 *
 * Each has a stack of its own (arena.c) and changes to another's by _setjmp and _longjmp: some ten nanoseconds. A stack is
 * begun with makecontext, once; a thread that is done waits there for its next execution.
 *
 *     search --> machine_run --> thread 0 --point--> thread 1 --point--> thread 0 ... all done --> machine_run
 *                    ^               | fails, or a signal comes                                        |
 *                    +---------------+-----------------------------------------------------------------+
 *
 *   point    before every atomic access: may go on with another thread (search.c)
 *   wait     on a futex's word: not able to go on until somebody wakes it
 *   yield    not able to go on until every thread that could go on has made an access, waited or yielded. So a loop that
 *            waits by pausing does not go round for nothing, and is not taken for an execution without end
 *
 *   M1  Deterministic: what a thread does follows from the choices alone. Its clock is its own; no number is random.
 *   M2  Thread-local variables (base/local.h) lie in one section, which is exchanged when the turn passes; process-wide numbers
 *       are what they were after the set-up.
 *   M3  An execution that fails is left where it is: the threads' stacks are begun anew before the next one.
 *
 * A signal (a crash) is caught on a stack of its own and ends the execution. So does using up CPU time without an access: a
 * loop over memory that leads back to itself.
 */
#define _GNU_SOURCE /* sigaltstack */
#include "explorer.h"

#include "base/clock.h"
#include "base/futex.h"
#include "base/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>

enum {
    most_accesses = 20000,
    most_accesses_alone = 1000000,
    most_local = 512,
    signal_stack = 1 << 16,
    slow_wait_ns = 2000000,
    looks_a_second = 2
};

typedef enum thread_state { READY, WAITING, DONE } thread_state;

typedef struct thread {
    thread_state state;
    uint32_t behind; /* after a yield: the threads that go first */
    const volatile void *sleeps_on;
    uint64_t clock_ns;
    uint32_t op;
    bool has_stack; /* and is to go on at `at`; else it is to begin */
    jmp_buf at;
    ucontext_t begin;
    unsigned char local[most_local];
} thread;

extern char __start_gm_local[], __stop_gm_local[], __start_gm_wide[], __stop_gm_wide[];

static thread threads[mostThreads];
static unsigned count;
static int current = -1; /* -1: the main lane */
static thread_body body;
static machine_result *result;
static jmp_buf home;
static bool slow;
static int32_t turn; /* accesses of the current turn */
static uint64_t stamps;
static const segment *script;
static uint32_t script_length, script_at;
static unsigned char main_local[most_local], kept_wide[most_local];
static unsigned char signal_room[signal_stack];
static const gm_site *last_site;
static volatile uint64_t looked_at; /* accesses when the watch looked last */
static volatile uint64_t all_accesses;
static uint64_t accesses_alone; /* of the main lane: a set-up, or a last look */

row machine_rows[mostRows];
uint32_t machine_row_count;
bool machine_tracing;
static bool row_open;

/* ------------------------------------------------------------------ the end of an execution */

static void end_with(finding f)
{
    result->found = f;
    for (unsigned i = 0; i < count; i++)
        threads[i].has_stack = threads[i].has_stack && f == FINE;
    _longjmp(home, 1);
}

void machine_fail(finding f, const char *format, ...)
{
    va_list arguments;
    int n = 0;
    if (current >= 0)
        n = snprintf(result->says, sizeof result->says, "thread %c: ", 'a' + current);
    va_start(arguments, format);
    vsnprintf(result->says + n, sizeof result->says - (size_t)n, format, arguments);
    va_end(arguments);
    end_with(f);
}

static void on_signal(int number)
{
    if (!result) {
        signal(number, SIG_DFL); /* a mistake of the explorer's own */
        return;
    }
    machine_fail(CRASH, "%s, after %s at %s:%d", strsignal(number), last_site ? last_site->access : "nothing",
                 last_site ? last_site->file : "", last_site ? last_site->line : 0);
}

/* Twice in a second of CPU time. */
static void on_watch(int number)
{
    (void)number;
    if (result && all_accesses == looked_at)
        machine_fail(NO_END, "no access for half a second of CPU time");
    looked_at = all_accesses;
}

static bool catch_signals(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    stack_t stack = {.ss_sp = signal_room, .ss_size = sizeof signal_room};
    struct sigaction crash = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    struct sigaction watch = {.sa_handler = on_watch, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESTART};
    struct itimerval often = {{0, 1000000 / looks_a_second}, {0, 1000000 / looks_a_second}};
    bool ok = sigaltstack(&stack, NULL) == 0;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        ok = ok && sigaction(crashes[i], &crash, NULL) == 0;
    return ok && sigaction(SIGVTALRM, &watch, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &often, NULL) == 0;
}

/* ------------------------------------------------------------------ turns */

static size_t local_size(void)
{
    return (size_t)(__stop_gm_local - __start_gm_local);
}

static unsigned char *local_of(int t)
{
    return t < 0 ? main_local : threads[t].local;
}

static void enter_lane(int t)
{
    memcpy(local_of(current), __start_gm_local, local_size());
    memcpy(__start_gm_local, local_of(t), local_size());
    arena_lane(t < 0 ? (unsigned)mainLane : (unsigned)t);
    current = t;
}

static void thread_main(void);

static void begin_stack(thread *t)
{
    size_t size;
    getcontext(&t->begin);
    t->begin.uc_stack.ss_sp = arena_stack((unsigned)(t - threads), &size);
    t->begin.uc_stack.ss_size = size;
    makecontext(&t->begin, thread_main, 0);
    t->has_stack = true;
}

static void jump_to(thread *t)
{
    if (t->has_stack)
        _longjmp(t->at, 1);
    begin_stack(t);
    setcontext(&t->begin);
}

static bool able(const thread *t)
{
    return t->state == READY && !t->behind;
}

static uint32_t all_able(void)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < count; i++)
        bits |= (uint32_t)able(&threads[i]) << i;
    return bits;
}

/* The thread has moved: whoever yielded to it need not wait for it any more. */
static void lets_others(int t)
{
    for (unsigned i = 0; i < count; i++)
        threads[i].behind &= ~(1u << t);
}

static void close_segment(int t, int32_t accesses)
{
    if (result->segment_count < mostSegments)
        result->segments[result->segment_count++] = (segment){t, accesses};
    result->switches++;
}

static void pass_turn(unsigned to)
{
    thread *from = &threads[current];
    turn = 0;
    if (_setjmp(from->at) == 0) {
        enter_lane((int)to);
        jump_to(&threads[to]);
    }
}

/* Of those that are able, in a replay: whose turn is next. */
static unsigned next_in_script(uint32_t bits)
{
    script_at++;
    if (script_at < script_length && (bits >> script[script_at].thread & 1))
        return (unsigned)script[script_at].thread;
    if (script_at < script_length)
        machine_fail(NOT_REPEATABLE, "turn %u of the interleaving is not possible", script_at + 1);
    return (unsigned)__builtin_ctz(bits);
}

/* All are done. Comes back when there is a next execution for this thread. */
static void leave(void)
{
    if (_setjmp(threads[current].at) == 0)
        end_with(FINE);
}

static void name_the_waiting(void)
{
    char names[2 * mostThreads + 1] = "";
    for (unsigned i = 0; i < count; i++)
        if (threads[i].state == WAITING)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%c", names[0] ? " " : "", 'a' + (int)i);
    machine_fail(DEADLOCK, "nobody is left to wake %s", names);
}

/* The current thread cannot go on, or must not for now. */
static void wait_for_turn(void)
{
    uint32_t bits = all_able();
    if (!bits && threads[current].state != READY) {
        bool done = true;
        for (unsigned i = 0; i < count; i++)
            done = done && threads[i].state == DONE;
        if (!done)
            name_the_waiting();
        close_segment(current, untilItWaits);
        leave();
        return;
    }
    close_segment(current, untilItWaits);
    unsigned to = script ? next_in_script(bits) : bits & (bits - 1) ? search_choose(bits, -1) : (unsigned)__builtin_ctz(bits);
    pass_turn(to);
}

static void stop_before(unsigned to)
{
    close_segment(current, turn);
    pass_turn(to);
}

/* In a replay: the turn is over where it was. */
static void follow_script(void)
{
    if (script_at + 1 < script_length && script[script_at].count == turn)
        stop_before(next_in_script(all_able()));
}

/* Where others may come before the access. */
static void maybe_pass(const volatile void *word)
{
    uint32_t bits = all_able();
    if (turn == 0 || !arena_is_shared(word) || !(bits & (bits - 1)))
        return;
    result->points++;
    unsigned to = search_choose(bits, current);
    if (to != (unsigned)current)
        stop_before(to);
}

/* ------------------------------------------------------------------ what the core calls */

static void check_word(const volatile void *word, uint32_t size, const gm_site *site)
{
    memory_state state = arena_state(word, size);
    if (state == FREED || state == NO_BLOCK)
        machine_fail(USE_FREED, "%s of memory %s, at %s:%d", site->access,
                     state == FREED ? "that was freed" : "that is no block's", site->file, site->line);
}

static void add_row(const volatile void *word, const gm_site *site)
{
    row_open = machine_row_count < mostRows;
    if (row_open)
        machine_rows[machine_row_count++] = (row){site, word, 0, (uint32_t)current, threads[current].op};
}

void gm_explore_point(const volatile void *word, uint32_t size, const gm_site *site)
{
    last_site = site;
    all_accesses++;
    if (current < 0 && result && ++accesses_alone > most_accesses_alone)
        machine_fail(NO_END, "no end with nobody else inside");
    if (current >= 0) {
        if (script)
            follow_script();
        else
            maybe_pass(word);
        turn++;
        lets_others(current);
        if (++result->accesses > most_accesses)
            machine_fail(NO_END, "no end after %d accesses", most_accesses);
        arena_touch(word, (unsigned)current, site->writes);
        if (machine_tracing)
            add_row(word, site);
        last_site = site;
    }
    if (result)
        check_word(word, size, site);
}

void gm_explore_saw(uint64_t value)
{
    if (row_open)
        machine_rows[machine_row_count - 1].value = value;
    row_open = false;
}

void gm_explore_yield(void)
{
    if (current < 0)
        return;
    thread *t = &threads[current];
    if (++result->accesses > most_accesses)
        machine_fail(NO_END, "no end after %d accesses and pauses", most_accesses);
    lets_others(current);
    t->behind = all_able() & ~(1u << current);
    if (t->behind)
        wait_for_turn();
}

void gm_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    static const gm_site here = {"futex wait", __FILE__, __LINE__, false};
    gm_explore_point(word, sizeof *word, &here);
    uint32_t found = atomic_load(word);
    gm_explore_saw(found);
    if (found != expected)
        return;
    if (current < 0)
        machine_fail(DEADLOCK, "waits with nobody else inside");
    threads[current].state = WAITING;
    threads[current].sleeps_on = word;
    wait_for_turn();
}

/* The word may be gone (X2 in base/futex.c): it is a name here. */
void gm_futex_wake(_Atomic uint32_t *word)
{
    for (unsigned i = 0; i < count; i++) {
        if (threads[i].state == WAITING && threads[i].sleeps_on == word) {
            threads[i].state = READY;
            return;
        }
    }
}

/* A thread's own: nobody's time depends on what others do (M1). */
uint64_t gm_now_ns(void)
{
    if (current < 0)
        return 0;
    return threads[current].clock_ns += slow ? slow_wait_ns : 0;
}

void gm_nap_ns(uint64_t ns)
{
    (void)ns;
    gm_explore_yield();
}

/* ------------------------------------------------------------------ executions */

static void thread_main(void)
{
    for (;;) {
        body((unsigned)current);
        threads[current].state = DONE;
        lets_others(current);
        wait_for_turn(); /* comes back in the next execution */
    }
}

bool machine_open(void)
{
    return local_size() <= most_local && (size_t)(__stop_gm_wide - __start_gm_wide) <= most_local && arena_open() &&
           catch_signals();
}

void machine_op(unsigned op)
{
    threads[current].op = op;
}

uint64_t machine_stamp(void)
{
    return ++stamps;
}

void machine_forget_threads(void)
{
    memset(__start_gm_local, 0, local_size());
    memset(main_local, 0, sizeof main_local);
    memset(__start_gm_wide, 0, (size_t)(__stop_gm_wide - __start_gm_wide));
    arena_lane(mainLane);
    stamps = 0;
}

bool machine_alone(void (*what)(void *ctx), void *ctx, machine_result *out)
{
    result = out;
    accesses_alone = 0;
    if (_setjmp(home) == 0) {
        what(ctx);
        result->found = FINE;
    }
    result = NULL;
    return out->found == FINE;
}

static uint64_t kept_stamps;

void machine_keep(void)
{
    arena_keep();
    memcpy(kept_wide, __start_gm_wide, (size_t)(__stop_gm_wide - __start_gm_wide));
    memcpy(main_local, __start_gm_local, local_size());
    kept_stamps = stamps;
}

void machine_restore(void)
{
    arena_restore();
    memcpy(__start_gm_wide, kept_wide, (size_t)(__stop_gm_wide - __start_gm_wide));
    memcpy(__start_gm_local, main_local, local_size());
    stamps = kept_stamps;
    arena_lane(mainLane);
}

void machine_replay(const segment *segments, uint32_t length)
{
    script = length ? segments : NULL;
    script_length = length;
}

static void begin_run(unsigned n, machine_result *out)
{
    out->found = FINE;
    out->accesses = out->switches = 0;
    out->points = out->segment_count = 0;
    out->says[0] = 0;
    count = n;
    script_at = 0;
    turn = 0;
    machine_row_count = 0;
    row_open = false;
    for (unsigned i = 0; i < n; i++) {
        thread *t = &threads[i];
        t->state = READY;
        t->behind = t->op = 0;
        t->clock_ns = 0;
        memset(t->local, 0, local_size());
    }
}

static unsigned first_thread(void)
{
    uint32_t all = (1u << count) - 1;
    if (script)
        return (unsigned)script[0].thread;
    return count > 1 ? search_choose(all, -1) : 0;
}

/* Back on the main lane, wherever the execution was left. */
static void come_home(void)
{
    if (current >= 0 && result->found != FINE)
        close_segment(current, untilItWaits);
    if (current >= 0)
        enter_lane(-1);
    machine_tracing = false;
    result = NULL;
}

void machine_run(unsigned n, thread_body run, bool slow_waits, machine_result *out)
{
    body = run;
    slow = slow_waits;
    begin_run(n, out);
    result = out;
    if (_setjmp(home) == 0) {
        unsigned first = first_thread();
        enter_lane((int)first);
        jump_to(&threads[first]);
    }
    come_home();
}
