/* on_locks.c: Go's two locks by themselves.
 *
 *   lock    a critical section that raises two shared words, one after the other
 *   rlock   (RWMutex) one that reads both
 *
 *   J1  Inside of a lock's section nobody else may be who it excludes; both words are equal then, and at the end both are the
 *       number of sections. The words are what makes a section a place where others can come.
 */
#include "targets.h"

#include "sync/mutex.h"

/* What a lock guards. */
typedef struct guarded {
    gm_mutex mutex;
    gm_rwmutex rwmutex;
    gm_lock_counters seen;
    _Atomic uint64_t first, second;
} guarded;

static guarded *lock;
static bool exclusive;                     /* Mutex */
static unsigned inside_write, inside_read; /* of the lock's sections */

static bool is_mutex(const target *t)
{
    return strcmp(t->name, "Mutex") == 0;
}

static const char *lock_refuses(const target *t, const scenario *s, unsigned thread, const operation *o)
{
    (void)s;
    (void)thread;
    return is(o, "lock") || (is(o, "rlock") && !is_mutex(t)) ? NULL : "a lock has no such operation";
}

static int lock_make(const target *t, const scenario *s)
{
    gm_alloc alloc = arena_alloc();
    (void)s;
    exclusive = is_mutex(t);
    lock = alloc.zalloc(alloc.ctx, sizeof *lock);
    return lock ? GM_OK : GM_E_NOMEM;
}

static void lock_restart(void)
{
    inside_write = inside_read = 0;
}

static void raise_word(_Atomic uint64_t *word)
{
    gm_store_rlx(word, gm_load_rlx(word) + 1); /* the lock orders it */
}

static void write_section(void)
{
    if (exclusive)
        gm_mutex_lock(&lock->mutex, &lock->seen);
    else
        gm_rwmutex_lock(&lock->rwmutex, &lock->seen);
    if (inside_write++ || inside_read)
        machine_fail(NOT_EXCLUSIVE, "has the lock, and another one has it too");
    raise_word(&lock->first);
    raise_word(&lock->second);
    inside_write--;
    if (exclusive)
        gm_mutex_unlock(&lock->mutex);
    else
        gm_rwmutex_unlock(&lock->rwmutex);
}

static void read_section(void)
{
    gm_rwmutex_rlock(&lock->rwmutex, &lock->seen);
    inside_read++;
    if (inside_write)
        machine_fail(NOT_EXCLUSIVE, "reads beside a writer");
    if (gm_load_rlx(&lock->first) != gm_load_rlx(&lock->second)) /* the lock orders it */
        machine_fail(NOT_EXCLUSIVE, "reads what is half written");
    inside_read--;
    gm_rwmutex_runlock(&lock->rwmutex);
}

static void lock_run(const operation *o, unsigned thread, answer *a)
{
    (void)thread;
    (void)a;
    if (is(o, "lock"))
        write_section();
    else
        read_section();
}

static uint64_t sections_of(const scenario *s)
{
    uint64_t sections = 0;
    for (unsigned t = 0; t < s->threads; t++)
        for (unsigned i = 0; i < s->op_count[t]; i++)
            sections += is(&s->ops[t][i], "lock");
    return sections;
}

static void lock_check(const scenario *s)
{
    gm_alloc alloc = arena_alloc();
    uint64_t sections = sections_of(s);
    uint64_t first = gm_load_rlx(&lock->first), second = gm_load_rlx(&lock->second); /* nobody else is inside */
    if (first != sections || second != sections)
        machine_fail(NOT_EXCLUSIVE, "%llu sections have raised the words to %llu and %llu", (unsigned long long)sections,
                     (unsigned long long)first, (unsigned long long)second);
    alloc.release(alloc.ctx, lock, sizeof *lock);
}

const target_kind on_locks = {
    .refuses = lock_refuses,
    .make = lock_make,
    .restart = lock_restart,
    .run = lock_run,
    .check = lock_check,
};
