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
#include "map/unguarded.h"

static int plain_make(const gm_config *c, const gm_guard_config *g, void **self)
{
    gm_config own = *c;
    own.padded = g->padded;
    return gm_map_new(&own, (gm_map **)self);
}

static void plain_drop(void *self)
{
    gm_map_free(self);
}

static int plain_enter(void *self)
{
    return gm_enter_write(self);
}

static void plain_leave(void *self)
{
    gm_leave_write(self);
}

static int plain_get(void *self, const void *key, size_t len, void *elem)
{
    return gm_ung_get(self, key, len, elem);
}

static int plain_assign(void *self, const void *key, size_t len, const void *elem, void *old)
{
    return gm_ung_assign(self, key, len, elem, old);
}

static int plain_del(void *self, const void *key, size_t len, void *old)
{
    return gm_ung_del(self, key, len, old);
}

static int plain_load_or_store(void *self, const void *key, size_t len, const void *elem, void *actual)
{
    return gm_ung_load_or_store(self, key, len, elem, actual);
}

static int plain_compare_and_swap(void *self, const void *key, size_t len, const void *expected, const void *elem)
{
    return gm_ung_compare_and_swap(self, key, len, expected, elem);
}

static int plain_add(void *self, const void *key, size_t len, int64_t delta, int64_t *sum)
{
    return gm_ung_add(self, key, len, delta, sum);
}

static int plain_len(void *self, uint64_t *n)
{
    *n = gm_map_len(self);
    return GM_OK;
}

static int plain_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    return gm_range(self, limit, visit, ctx);
}

static int plain_clear(void *self)
{
    if (gm_map_len(self))
        gm_clear(self);
    return GM_OK;
}

static int plain_growing_to(void *self)
{
    gm_map *m = self;
    return growing(m) ? gm_load_rlx(&m->h.B) : -1;
}

static gm_map *plain_part(void *self, unsigned i)
{
    return i == 0 ? self : NULL;
}

static int plain_check(void *self, gm_broken *broken)
{
    return gm_map_check(self, broken);
}

static void plain_stats(void *self, gm_stats *out)
{
    gm_map *m = self;
    *out = (gm_stats){.entries = gm_map_len(m), .bytes = m->extra.bytes};
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

static int alone_assign(void *self, const void *key, size_t len, const void *elem, void *old)
{
    int status = enter_alone(self);
    return status == GM_OK ? leave_alone(self, gm_ung_assign(self, key, len, elem, old)) : status;
}

static int alone_del(void *self, const void *key, size_t len, void *old)
{
    int status = enter_alone(self);
    return status == GM_OK ? leave_alone(self, gm_ung_del(self, key, len, old)) : status;
}

static int alone_load_or_store(void *self, const void *key, size_t len, const void *elem, void *actual)
{
    int status = enter_alone(self);
    return status == GM_OK ? leave_alone(self, gm_ung_load_or_store(self, key, len, elem, actual)) : status;
}

static int alone_compare_and_swap(void *self, const void *key, size_t len, const void *expected, const void *elem)
{
    int status = enter_alone(self);
    return status == GM_OK ? leave_alone(self, gm_ung_compare_and_swap(self, key, len, expected, elem)) : status;
}

static int alone_add(void *self, const void *key, size_t len, int64_t delta, int64_t *sum)
{
    int status = enter_alone(self);
    return status == GM_OK ? leave_alone(self, gm_ung_add(self, key, len, delta, sum)) : status;
}

static int alone_clear(void *self)
{
    int status = enter_alone(self);
    return status == GM_OK ? leave_alone(self, plain_clear(self)) : status;
}

static int beside_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    gm_map *m = self;
    if (gm_guard_read(&m->among) != GM_OK)
        return GM_E_ITERATE;
    int status = gm_range(m, limit, visit, ctx);
    gm_unguard_read(&m->among);
    return status;
}

/* ------------------------------------------------------------------ the tables */

static const gm_variant *plain_begin(void *self, const gm_usage_plan *plan);

static void plain_end(void *self)
{
    gm_map *m = self;
    m->extra.defer_all = false;
    gm_map_probe(m, false);
    gm_collect_garbage(m, UINT32_MAX);
}

#define WHAT_BOTH_SHARE                                                                                                        \
    .make = plain_make, .drop = plain_drop, .enter = plain_enter, .leave = plain_leave, .begin = plain_begin,                  \
    .end = plain_end, .get = plain_get, .len = plain_len, .growing_to = plain_growing_to, .part = plain_part,                  \
    .check = plain_check, .stats = plain_stats

const gm_variant gm_plain = {
    WHAT_BOTH_SHARE,
    .assign = plain_assign,
    .del = plain_del,
    .load_or_store = plain_load_or_store,
    .compare_and_swap = plain_compare_and_swap,
    .add = plain_add,
    .range = plain_range,
    .clear = plain_clear,
};

static const gm_variant plain_shared = {
    WHAT_BOTH_SHARE,
    .assign = alone_assign,
    .del = alone_del,
    .load_or_store = alone_load_or_store,
    .compare_and_swap = alone_compare_and_swap,
    .add = alone_add,
    .range = beside_range,
    .clear = alone_clear,
};

static const gm_variant *plain_begin(void *self, const gm_usage_plan *plan)
{
    gm_map *m = self;
    m->extra.defer_all = plan->threads > 1;
    gm_map_probe(m, plan->probed);
    return plan->exclusive > 1 ? &plain_shared : &gm_plain;
}

/* ------------------------------------------------------------------ nothing */

static int empty_enter(void *self)
{
    (void)self;
    return GM_OK;
}

static void empty_leave(void *self)
{
    (void)self;
}

static const gm_variant *empty_begin(void *self, const gm_usage_plan *plan)
{
    (void)self;
    (void)plan;
    return &gm_empty;
}

static int empty_get(void *self, const void *key, size_t len, void *elem)
{
    (void)self;
    (void)key;
    (void)len;
    (void)elem;
    return GM_OK;
}

static int empty_assign(void *self, const void *key, size_t len, const void *elem, void *old)
{
    (void)elem;
    return empty_get(self, key, len, old);
}

static int empty_compare_and_swap(void *self, const void *key, size_t len, const void *expected, const void *elem)
{
    (void)expected;
    return empty_assign(self, key, len, elem, NULL);
}

static int empty_add(void *self, const void *key, size_t len, int64_t delta, int64_t *sum)
{
    (void)delta;
    return empty_get(self, key, len, sum);
}

static int empty_len(void *self, uint64_t *n)
{
    *n = 0;
    return empty_enter(self);
}

static int empty_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    (void)limit;
    (void)visit;
    (void)ctx;
    return empty_enter(self);
}

static int empty_growing_to(void *self)
{
    (void)self;
    return -1;
}

static gm_map *empty_part(void *self, unsigned i)
{
    (void)self;
    (void)i;
    return NULL;
}

const gm_variant gm_empty = {
    .enter = empty_enter,
    .leave = empty_leave,
    .begin = empty_begin,
    .end = empty_leave,
    .get = empty_get,
    .assign = empty_assign,
    .del = empty_get,
    .load_or_store = empty_assign,
    .compare_and_swap = empty_compare_and_swap,
    .add = empty_add,
    .len = empty_len,
    .range = empty_range,
    .clear = empty_enter,
    .growing_to = empty_growing_to,
    .part = empty_part,
};
