/* calls.c: the guarded functions of a plain map, behind the table of variant.h; and those of an iterator.
 *
 *     gomap._core (this library)            gomap._fast (gomap/native)
 *     gm_map_variant() ------ address ----> calls->get(map, ..)       gm_map *
 *     gm_cmap_variant(c) ---- address ----> calls->get(target, ..)    a design of csrc/sync
 *
 * Python has two extension modules and one copy of the core: what is in one shared library may not be found by name in the
 * other (the core shows nothing but its module's entry), so it is passed by address. The table is the one that designs for
 * many threads have anyway: whoever holds one calls a plain map and any of them alike.
 *
 *   C1  What is called here is what gomap.h says, guard and all (map/api.c): two paths to one map exclude each other as two
 *       calls of one path do.
 *   C2  Elems are GM_MEM, GM_FLOAT64 or GM_REF. assign says GM_OK for a new key, too, unlike variant.h's; its `old` is a
 *       reference, or 0: there was none, or the kind is another.
 *   C3  Only get, assign, del and len are there: a plain map has no others in Python.
 */
#include "map/calls.h"

static int calls_get(void *self, const void *key, size_t len, void *elem)
{
    return gm_map_get(self, key, len, elem);
}

static int calls_assign(void *self, const void *key, size_t len, const void *elem, void *old)
{
    return gm_map_assign(self, key, len, elem, 0, old); /* the length of an elem is looked at for GM_STRING only */
}

static int calls_del(void *self, const void *key, size_t len, void *old)
{
    return gm_map_delete(self, key, len, old);
}

static int calls_len(void *self, uint64_t *n)
{
    *n = gm_map_len(self);
    return GM_OK;
}

const gm_variant *gm_map_variant(void)
{
    static const gm_variant guarded = {.get = calls_get, .assign = calls_assign, .del = calls_del, .len = calls_len};
    return &guarded;
}

const gm_iter_calls *gm_map_iter_calls(void)
{
    static const gm_iter_calls iteration = {gm_iter_new, gm_iter_free, gm_iter_init, gm_iter_next};
    return &iteration;
}
