/* on_maps.c: the map designs behind their one table: operations of map/variant.h on int64 keys and elems.
 *
 * range goes over all entries.
 *
 *   J2  A range gives no key twice, and of the keys that no thread touches, all. (Not of the plain map beside a writer: there
 *       Go promises nothing.)
 *
 *   J3  No call is refused. The plain map does so beside a writer, if it sees one: reads and iterations may be refused; writes
 *       only if there are two writers.
 *
 *   J4  At the end the map's own check finds nothing, and when the map is gone so is all memory.
 *
 * That the answers can be put in an order is looked for in scenario.c.
 */
#include "targets.h"

#include "lab/call.inc.h"
#include "sync/sync.h"

static const char *const kinds[GM_HISTORY_OPS] = {
    "load", "store", "delete", "load_or_store", "compare_and_swap", "compare_and_delete", "add"};

static const target *what;
static const gm_variant *variant;
static const scenario *played;
static void *map;
static unsigned alone; /* writers of this execution */

static int kind_of(const operation *o)
{
    for (int i = 0; i < GM_HISTORY_OPS; i++)
        if (strcmp(kinds[i], o->kind) == 0)
            return i;
    return -1;
}

static const char *map_refuses(const target *t, const scenario *s, unsigned thread, const operation *o)
{
    (void)t;
    (void)s;
    (void)thread;
    return kind_of(o) >= 0 || is(o, "range") ? NULL : "a map has no such operation";
}

static int map_make(const target *t, const scenario *s)
{
    gm_alloc alloc = arena_alloc();
    gm_config c = {.key_size = 8, .elem_size = 8, .hint = s->hint, .hasher = GM_HASH_AES_PORTABLE, .seed = s->seed};
    gm_guard_config guard = {.shards = 2};
    what = t;
    played = s;
    variant = gm_variant_of(t->which);
    c.alloc = &alloc;
    c.knobs = s->has_knobs ? &s->knobs : NULL;
    return variant->make(&c, &guard, &map);
}

static void map_begin(unsigned writers, unsigned threads)
{
    alone = writers;
    variant = variant->begin(map, &(gm_usage_plan){.threads = threads, .exclusive = writers});
}

/* ------------------------------------------------------------------ operations */

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
    return what->which == GM_VARIANT_PLAIN && (status == GM_E_WRITES ? alone > 1 : reads || alone > 1);
}

static void call(const operation *o, unsigned thread, answer *a)
{
    gm_history_event *e = &a->event;
    *e = (gm_history_event){.key = o->key, .value = o->value, .expected = o->expected, .thread = thread};
    e->op = (uint8_t)kind_of(o);
    e->start = machine_stamp();
    a->status = gm_event_call(variant, map, e, &o->key, sizeof o->key);
    e->status = (int8_t)a->status;
    e->end = machine_stamp();
    a->tells = true;
}

static void map_run(const operation *o, unsigned thread, answer *a)
{
    if (is(o, "range"))
        a->status = go_over_all();
    else
        call(o, thread, a);
    if (a->status == GM_E_NOMEM)
        machine_fail(NO_MEMORY, "the arena is too small for this scenario");
    if (!may_be_refused(o, a->status))
        machine_fail(REFUSED, "%s(%lld) was refused with status %d", o->kind, (long long)o->key, a->status);
}

/* J4 */
static void map_check(const scenario *s)
{
    gm_broken b = {0};
    (void)s;
    if (variant->check(map, &b) != GM_OK)
        machine_fail(BROKEN, "the map's check: invariant %d, %s bucket %llu, depth %u, cell %u: %llu, not %llu", b.invariant,
                     b.in_old ? "old" : "its", (unsigned long long)b.bucket, b.depth, b.cell, (unsigned long long)b.got,
                     (unsigned long long)b.want);
    variant->end(map);
    variant->drop(map);
}

const target_kind on_maps = {
    .on_keys = true,
    .refuses = map_refuses,
    .make = map_make,
    .begin = map_begin,
    .run = map_run,
    .check = map_check,
};
