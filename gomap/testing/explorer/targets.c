/* targets.c: what is explored: the map designs behind their one table, and the two locks by themselves.
 *
 *   a map     operations of map/variant.h on int64 keys and elems; range goes over all entries
 *   a lock    lock: a critical section that raises two shared words, one after the other; rlock (RWMutex): one that reads both
 *
 *   J1  Inside of a lock's section nobody else may be who it excludes; both words are equal then, and at the end both are the
 *       number of sections. The words are what makes a section a place where others can come.
 *   J2  A range gives no key twice, and of the keys that no thread touches, all. (Not of the plain map beside a writer: there
 *       Go promises nothing.)
 *
 *   J3  No call is refused. The plain map does so beside a writer, if it sees one: reads and iterations may be refused; writes
 *       only if there are two writers.
 *
 *   J4  At the end the map's own check finds nothing, and when the map is gone so is all memory.
 */
#include "targets.h"

#include "lab/call.inc.h"
#include "sync/mutex.h"
#include "sync/sync.h"

#include <string.h>

static const target targets[] = {
    {"plain", GM_VARIANT_PLAIN, false},
    {"mutex", GM_VARIANT_MUTEX, true},
    {"rwmutex", GM_VARIANT_RWMUTEX, true},
    {"growlock", GM_VARIANT_GROWLOCK, true},
    {"sharded", GM_VARIANT_SHARDED, true},
    {"syncmap", GM_VARIANT_SYNCMAP, true},
    {"hashtrie", GM_VARIANT_HASHTRIE, true},
    {"lockfree", GM_VARIANT_LOCKFREE, true},
    {"Mutex", 0, false},
    {"RWMutex", 0, false},
};

static const char *const kinds[GM_HISTORY_OPS] = {
    "load", "store", "delete", "load_or_store", "compare_and_swap", "compare_and_delete", "add"};

/* What a lock guards. */
typedef struct guarded {
    gm_mutex mutex;
    gm_rwmutex rwmutex;
    gm_lock_counters seen;
    _Atomic uint64_t first, second;
} guarded;

static const target *what;
static const gm_variant *variant;
static void *map;
static guarded *lock;
static unsigned alone;                     /* writers of this execution */
static unsigned inside_write, inside_read; /* of the lock's sections */

const target *target_named(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

static int kind_of(const operation *o)
{
    for (int i = 0; i < GM_HISTORY_OPS; i++)
        if (strcmp(kinds[i], o->kind) == 0)
            return i;
    return -1;
}

static bool is(const operation *o, const char *kind)
{
    return strcmp(o->kind, kind) == 0;
}

const char *target_refuses(const target *t, const operation *o)
{
    bool locks = is(o, "lock") || (is(o, "rlock") && strcmp(t->name, "RWMutex") == 0);
    if (t->variant == 0)
        return locks ? NULL : "a lock has no such operation";
    return kind_of(o) >= 0 || is(o, "range") ? NULL : "a map has no such operation";
}

/* ------------------------------------------------------------------ making */

int target_make(const target *t, const scenario *s)
{
    gm_alloc alloc = arena_alloc();
    gm_config c = {.key_size = 8, .elem_size = 8, .hint = s->hint, .hasher = GM_HASH_AES_PORTABLE, .seed = s->seed};
    gm_guard_config guard = {.shards = 2};
    what = t;
    variant = gm_variant_of(t->variant);
    c.alloc = &alloc;
    c.knobs = s->has_knobs ? &s->knobs : NULL;
    if (t->variant)
        return variant->make(&c, &guard, &map);
    lock = alloc.zalloc(alloc.ctx, sizeof *lock);
    return lock ? GM_OK : GM_E_NOMEM;
}

/* The threads are about to run. */
void target_begin(unsigned writers, unsigned threads)
{
    alone = writers;
    if (what->variant)
        variant = variant->begin(map, &(gm_usage_plan){.threads = threads, .exclusive = writers});
}

void target_restart(void)
{
    inside_write = inside_read = 0;
}

/* ------------------------------------------------------------------ operations */

static void raise_word(_Atomic uint64_t *word)
{
    gm_store_rlx(word, gm_load_rlx(word) + 1); /* the lock orders it */
}

static void write_section(void)
{
    bool exclusive = strcmp(what->name, "Mutex") == 0;
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

typedef struct seen_keys {
    int64_t keys[mostSetup + mostThreads * mostOps];
    unsigned n;
} seen_keys;

static bool saw(const seen_keys *seen, int64_t key)
{
    for (unsigned i = 0; i < seen->n; i++)
        if (seen->keys[i] == key)
            return true;
    return false;
}

static bool visit(void *ctx, const void *key, size_t len, const void *elem)
{
    seen_keys *seen = ctx;
    int64_t k;
    (void)len;
    (void)elem;
    memcpy(&k, key, sizeof k);
    if (saw(seen, k) && what->linearizable)
        machine_fail(WRONG_RANGE, "key %lld comes twice", (long long)k);
    if (seen->n < sizeof seen->keys / sizeof *seen->keys)
        seen->keys[seen->n++] = k;
    return true;
}

static const scenario *played;

static bool lasts(int64_t key)
{
    for (unsigned t = 0; t < played->threads; t++)
        for (unsigned i = 0; i < played->op_count[t]; i++)
            if (!is(&played->ops[t][i], "range") && played->ops[t][i].key == key)
                return false;
    return true;
}

static int go_over_all(void)
{
    seen_keys seen = {.n = 0};
    int status = variant->range(map, UINT64_MAX, visit, &seen);
    for (unsigned i = 0; what->linearizable && i < played->setup_count; i++) {
        const operation *o = &played->setup[i];
        if (is(o, "store") && lasts(o->key) && !saw(&seen, o->key))
            machine_fail(WRONG_RANGE, "key %lld is left out", (long long)o->key);
    }
    return status;
}

/* J3 */
static bool may_be_refused(const operation *o, int status)
{
    if (status >= 0)
        return true;
    bool reads = is(o, "load") || is(o, "range");
    return what->variant == GM_VARIANT_PLAIN && (status == GM_E_WRITES ? alone > 1 : reads || alone > 1);
}

void target_do(const operation *o, unsigned thread, answer *a)
{
    *a = (answer){.is_event = kind_of(o) >= 0, .status = GM_OK};
    if (is(o, "lock")) {
        write_section();
    } else if (is(o, "rlock")) {
        read_section();
    } else if (is(o, "range")) {
        a->status = go_over_all();
    } else {
        gm_history_event *e = &a->event;
        *e = (gm_history_event){.key = o->key, .value = o->value, .expected = o->expected, .thread = thread};
        e->op = (uint8_t)kind_of(o);
        e->start = machine_stamp();
        a->status = gm_event_call(variant, map, e, &o->key, sizeof o->key);
        e->status = (int8_t)a->status;
        e->end = machine_stamp();
    }
    if (a->status == GM_E_NOMEM)
        machine_fail(NO_MEMORY, "the arena is too small for this scenario");
    if (!may_be_refused(o, a->status))
        machine_fail(REFUSED, "%s(%lld) was refused with status %d", o->kind, (long long)o->key, a->status);
}

/* ------------------------------------------------------------------ afterwards */

static void check_lock(uint64_t sections)
{
    gm_alloc alloc = arena_alloc();
    uint64_t first = gm_load_rlx(&lock->first), second = gm_load_rlx(&lock->second); /* nobody else is inside */
    if (first != sections || second != sections)
        machine_fail(NOT_EXCLUSIVE, "%llu sections have raised the words to %llu and %llu", (unsigned long long)sections,
                     (unsigned long long)first, (unsigned long long)second);
    alloc.release(alloc.ctx, lock, sizeof *lock);
}

static void check_map(void)
{
    gm_broken b = {0};
    if (variant->check(map, &b) != GM_OK)
        machine_fail(BROKEN, "the map's check: invariant %d, %s bucket %llu, depth %u, cell %u: %llu, not %llu", b.invariant,
                     b.in_old ? "old" : "its", (unsigned long long)b.bucket, b.depth, b.cell, (unsigned long long)b.got,
                     (unsigned long long)b.want);
    variant->end(map);
    variant->drop(map);
}

void target_check(const scenario *s)
{
    uint64_t sections = 0;
    for (unsigned t = 0; t < s->threads; t++)
        for (unsigned i = 0; i < s->op_count[t]; i++)
            sections += is(&s->ops[t][i], "lock");
    if (what->variant)
        check_map();
    else
        check_lock(sections);
    if (arena_live())
        machine_fail(LEAK, "%llu blocks are left when the map is gone", (unsigned long long)arena_live());
}

void target_plays(const scenario *s)
{
    played = s;
}
