/* plain.c: Go's map as it is, unguarded, behind the table of variant.h; and a map that does nothing.
 *
 * The functions of path.inc.h are called without the guard of api.c: a get costs what it costs in Go, with Go's own check of
 * hashWriting. Beside a writer a get may miss a key that is there, or be refused as "concurrent map read and map write";
 * memory stays sound, since a run of several threads keeps what leaves the map until it is over (O6 in hmap.h).
 *
 *   V1  One thread that writes or iterates, any number that get: nothing is added to what Go does.
 *   V2  Several threads that write or iterate: in Go that corrupts the map. Here each of these operations enters a guard
 *       first and is refused, with the sentence that Go would have died of, if another one is inside. It is counted, and
 *       nothing has happened.
 *   V3  A run holds the map's own guard from filling it to its end: calls from outside are refused meanwhile.
 *
 * `empty` answers every call at once: what is measured with it is the engine's own cost.
 */
#include "map/hmap.h"
#include "map/variant.h"

static int plain_get(void *self, const void *key, size_t len, int64_t *elem)
{
    gm_map *m = self;
    return m->path->get(m, key, len, elem);
}

/* Whether an assign found its key shows in the count: no second search. */
static int plain_assign(void *self, const void *key, size_t len, int64_t elem)
{
    gm_map *m = self;
    uint64_t before = gm_load_rlx(&m->h.count);
    int status = m->path->assign(m, key, len, &elem, sizeof elem, NULL);
    return status == GM_OK && gm_load_rlx(&m->h.count) != before ? GM_MISS : status;
}

static int plain_del(void *self, const void *key, size_t len)
{
    gm_map *m = self;
    return m->path->del(m, key, len, NULL);
}

static int plain_load_or_store(void *self, const void *key, size_t len, int64_t elem, int64_t *actual)
{
    int status = plain_get(self, key, len, actual);
    if (status != GM_MISS)
        return status;
    *actual = elem;
    return plain_assign(self, key, len, elem);
}

static int plain_add(void *self, const void *key, size_t len, int64_t delta)
{
    int64_t sum = 0;
    int status = plain_get(self, key, len, &sum);
    if (status < 0)
        return status;
    return plain_assign(self, key, len, (int64_t)((uint64_t)sum + (uint64_t)delta));
}

static int plain_len(void *self, uint64_t *n)
{
    *n = gm_map_len(self);
    return GM_OK;
}

static int plain_range(void *self, uint64_t limit, uint64_t *seen)
{
    return gm_range(self, limit, seen);
}

static int plain_growing_to(void *self)
{
    gm_map *m = self;
    return growing(m) ? gm_load_rlx(&m->h.B) : -1;
}

/* ------------------------------------------------------------------ V2 */

/* Only ranges hold the reader's side here. */
static int enter_alone(gm_map *m)
{
    int status = gm_guard_write(&m->among);
    return status == GM_E_READ_WRITE ? GM_E_ITERATE : status;
}

static int leave_alone(gm_map *m, int status)
{
    gm_unguard_write(&m->among);
    return status;
}

static int alone_assign(void *self, const void *key, size_t len, int64_t elem)
{
    int status = enter_alone(self);
    if (status != GM_OK)
        return status;
    return leave_alone(self, plain_assign(self, key, len, elem));
}

static int alone_del(void *self, const void *key, size_t len)
{
    int status = enter_alone(self);
    if (status != GM_OK)
        return status;
    return leave_alone(self, plain_del(self, key, len));
}

static int alone_load_or_store(void *self, const void *key, size_t len, int64_t elem, int64_t *actual)
{
    int status = enter_alone(self);
    if (status != GM_OK)
        return status;
    return leave_alone(self, plain_load_or_store(self, key, len, elem, actual));
}

static int alone_add(void *self, const void *key, size_t len, int64_t delta)
{
    int status = enter_alone(self);
    if (status != GM_OK)
        return status;
    return leave_alone(self, plain_add(self, key, len, delta));
}

static int beside_range(void *self, uint64_t limit, uint64_t *seen)
{
    gm_map *m = self;
    *seen = 0;
    if (gm_guard_read(&m->among) != GM_OK)
        return GM_E_ITERATE;
    int status = plain_range(m, limit, seen);
    gm_unguard_read(&m->among);
    return status;
}

/* ------------------------------------------------------------------ the tables */

static int plain_enter(void *self);
static void plain_leave(void *self);
static const gm_variant *plain_begin(void *self, const gm_usage_plan *plan);
static void plain_end(void *self);

const gm_variant gm_plain = {
    plain_enter, plain_leave,         plain_begin, plain_end, plain_get,   plain_assign,
    plain_del,   plain_load_or_store, plain_add,   plain_len, plain_range, plain_growing_to,
};

static const gm_variant plain_shared = {
    plain_enter, plain_leave,         plain_begin, plain_end, plain_get,    alone_assign,
    alone_del,   alone_load_or_store, alone_add,   plain_len, beside_range, plain_growing_to,
};

static int plain_enter(void *self)
{
    return gm_enter_write(self);
}

static void plain_leave(void *self)
{
    gm_leave_write(self);
}

static const gm_variant *plain_begin(void *self, const gm_usage_plan *plan)
{
    gm_map *m = self;
    m->extra.defer_all = plan->threads > 1;
    gm_map_probe(m, plan->probed);
    return plan->exclusive > 1 ? &plain_shared : &gm_plain;
}

static void plain_end(void *self)
{
    gm_map *m = self;
    m->extra.defer_all = false;
    gm_map_probe(m, false);
    gm_collect_garbage(m, UINT32_MAX);
}

static int empty_enter(void *self)
{
    (void)self;
    return GM_OK;
}

static const gm_variant *empty_begin(void *self, const gm_usage_plan *plan)
{
    (void)self;
    (void)plan;
    return &gm_empty;
}

static void empty_end(void *self)
{
    (void)self;
}

static int empty_get(void *self, const void *key, size_t len, int64_t *elem)
{
    (void)self;
    (void)key;
    (void)len;
    (void)elem;
    return GM_OK;
}

static int empty_assign(void *self, const void *key, size_t len, int64_t elem)
{
    (void)self;
    (void)key;
    (void)len;
    (void)elem;
    return GM_OK;
}

static int empty_del(void *self, const void *key, size_t len)
{
    (void)self;
    (void)key;
    (void)len;
    return GM_OK;
}

static int empty_load_or_store(void *self, const void *key, size_t len, int64_t elem, int64_t *actual)
{
    *actual = elem;
    return empty_get(self, key, len, actual);
}

static int empty_len(void *self, uint64_t *n)
{
    (void)self;
    *n = 0;
    return GM_OK;
}

static int empty_range(void *self, uint64_t limit, uint64_t *seen)
{
    (void)limit;
    return empty_len(self, seen);
}

static int empty_growing_to(void *self)
{
    (void)self;
    return -1;
}

const gm_variant gm_empty = {
    empty_enter, empty_end,           empty_begin,  empty_end, empty_get,   empty_assign,
    empty_del,   empty_load_or_store, empty_assign, empty_len, empty_range, empty_growing_to,
};

const gm_variant *gm_variant_of(int id)
{
    static const gm_variant *const all[GM_VARIANTS] = {[GM_VARIANT_EMPTY] = &gm_empty, [GM_VARIANT_PLAIN] = &gm_plain};
    return id >= 0 && id < GM_VARIANTS ? all[id] : NULL;
}
