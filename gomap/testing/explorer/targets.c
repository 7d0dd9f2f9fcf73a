/* targets.c: what is explored, by name. Each target is of a kind, which has a file of its own:
 *
 *   on_maps.c     the map designs behind their one table
 *   on_locks.c    Go's two locks by themselves
 *   on_queues.c   the queues of the scheduler
 *
 * What must hold in all of them are the lettered guarantees J1, J2 ... in those files.
 */
#include "targets.h"

static const target targets[] = {
    {"plain", &on_maps, GM_VARIANT_PLAIN, false},
    {"mutex", &on_maps, GM_VARIANT_MUTEX, true},
    {"rwmutex", &on_maps, GM_VARIANT_RWMUTEX, true},
    {"growlock", &on_maps, GM_VARIANT_GROWLOCK, true},
    {"sharded", &on_maps, GM_VARIANT_SHARDED, true},
    {"syncmap", &on_maps, GM_VARIANT_SYNCMAP, true},
    {"hashtrie", &on_maps, GM_VARIANT_HASHTRIE, true},
    {"lockfree", &on_maps, GM_VARIANT_LOCKFREE, true},
    {"Mutex", &on_locks, 0, false},
    {"RWMutex", &on_locks, 0, false},
    {"runq", &on_queues, runQueues, false},
    {"globq_list", &on_queues, GM_GLOBQ_LIST, false},
    {"globq_ring", &on_queues, GM_GLOBQ_RING, false},
};

static const target_kind *kind;

const target *target_named(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

const char *target_refuses(const target *t, const scenario *s, unsigned thread, const operation *o)
{
    return t->kind->refuses(t, s, thread, o);
}

int target_make(const target *t, const scenario *s)
{
    kind = t->kind;
    return kind->make(t, s);
}

void target_begin(unsigned writers, unsigned threads)
{
    if (kind->begin)
        kind->begin(writers, threads);
}

void target_restart(void)
{
    if (kind->restart)
        kind->restart();
}

void target_do(const operation *o, unsigned thread, answer *a)
{
    *a = (answer){.status = GM_OK};
    kind->run(o, thread, a);
}

void target_check(const scenario *s)
{
    kind->check(s);
    if (arena_live())
        machine_fail(LEAK, "%llu blocks are left when all is over", (unsigned long long)arena_live());
}
