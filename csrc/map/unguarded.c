/* unguarded.c: the operations of map/variant.h on one gm_map, for whoever keeps others out (a lock, or one thread).
 *
 * Go's map has get, assign and delete; what sync.Map has beyond these is put together from them, as a Go program would under
 * its own lock. Whether an assign found its key shows in the count: no second search.
 */
#include "map/unguarded.h"

enum { smallElem = 256 };

int gm_ung_get(gm_map *m, const void *key, size_t len, void *elem)
{
    return m->path->get(m, key, len, elem);
}

int gm_ung_assign(gm_map *m, const void *key, size_t len, const void *elem, void *old)
{
    if (old) {
        int status = m->path->get(m, key, len, old);
        if (status < 0)
            return status;
    }
    uint64_t before = gm_load_rlx(&m->h.count), ref;
    int status = m->path->assign(m, key, len, elem, m->t.elem_size, &ref);
    return status == GM_OK && gm_load_rlx(&m->h.count) != before ? GM_MISS : status;
}

int gm_ung_del(gm_map *m, const void *key, size_t len, void *old)
{
    return m->path->del(m, key, len, old);
}

int gm_ung_load_or_store(gm_map *m, const void *key, size_t len, const void *elem, void *actual)
{
    int status = m->path->get(m, key, len, actual);
    if (status != GM_MISS)
        return status;
    memcpy(actual, elem, m->t.elem_size);
    return gm_ung_assign(m, key, len, elem, NULL);
}

static int swap_if_equal(gm_map *m, const void *key, size_t len, const void *expected, const void *elem, void *now)
{
    int status = m->path->get(m, key, len, now);
    if (status != GM_OK)
        return status;
    if (memcmp(now, expected, m->t.elem_size) != 0)
        return GM_MISS;
    return elem ? gm_ung_assign(m, key, len, elem, NULL) : m->path->del(m, key, len, NULL);
}

int gm_ung_compare_and_swap(gm_map *m, const void *key, size_t len, const void *expected, const void *elem)
{
    _Alignas(16) unsigned char small[smallElem];
    if (m->t.elem_size <= smallElem)
        return swap_if_equal(m, key, len, expected, elem, small);
    void *large = m->outer.zalloc(m->outer.ctx, m->t.elem_size);
    if (!large)
        return GM_E_NOMEM;
    int status = swap_if_equal(m, key, len, expected, elem, large);
    m->outer.release(m->outer.ctx, large, m->t.elem_size);
    return status;
}

int gm_ung_add(gm_map *m, const void *key, size_t len, int64_t delta, int64_t *sum)
{
    int64_t now = 0;
    if (m->t.elem_kind == GM_REF || m->t.elem_size != sizeof now)
        return GM_E_ARGUMENT;
    int status = m->path->get(m, key, len, &now);
    if (status < 0)
        return status;
    now = (int64_t)((uint64_t)now + (uint64_t)delta);
    if (sum)
        *sum = now;
    return gm_ung_assign(m, key, len, &now, NULL);
}
