/* api.c: the guarded functions of gomap.h.
 *
 * Go's misuse checks are a flag that a racing thread usually, not always, sees; the process dies of it. From Python a
 * missed race would be a corrupt heap, so every call from outside passes a guard first: one word that counts the readers
 * inside or says that a writer is. It is a try-lock that never waits. Who finds it taken is refused with the sentence Go
 * would have printed, and nothing has happened.
 *
 *   E1  A writer is alone: its entry needs 0 and sets guardWriter. Readers add 1, and step back if a writer is inside.
 *   E2  acquire at entry pairs with release at exit: who enters sees all that those before did.
 *   E3  One entry per call, not per key. Inside, the unguarded functions of path.inc.h run, with Go's own flag check. The
 *       engine enters once for a whole run and calls those directly, and so measures what Go has.
 */
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"

#define guardWriter UINT32_C(0x80000000)

int gm_guard_read(gm_guard *g)
{
    if (gm_likely(!(gm_add_acq(g, 1) & guardWriter)))
        return GM_OK;
    gm_sub_rel(g, 1);
    return GM_E_READ_WRITE;
}

void gm_unguard_read(gm_guard *g)
{
    gm_sub_rel(g, 1);
}

int gm_guard_write(gm_guard *g)
{
    uint32_t found = 0;
    if (gm_likely(gm_cas_acq(g, &found, guardWriter)))
        return GM_OK;
    return found & guardWriter ? GM_E_WRITES : GM_E_READ_WRITE;
}

/* Readers that came and are about to step back may have added to the word: only the writer's bit is taken off. */
void gm_unguard_write(gm_guard *g)
{
    gm_and_rel(g, ~guardWriter);
}

int gm_enter_read(gm_map *m)
{
    return gm_guard_read(&m->guard);
}

void gm_leave_read(gm_map *m)
{
    gm_unguard_read(&m->guard);
}

int gm_enter_write(gm_map *m)
{
    return gm_guard_write(&m->guard);
}

void gm_leave_write(gm_map *m)
{
    gm_unguard_write(&m->guard);
}

static bool batchable(const gm_map *m)
{
    return m->t.elem_kind != GM_STRING && m->t.elem_kind != GM_PTR;
}

uint64_t gm_map_len(gm_map *m)
{
    return gm_load_rlx(&m->h.count);
}

int gm_map_get(gm_map *m, const void *key, size_t len, void *elem)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    status = m->path->get(m, key, len, elem);
    gm_leave_read(m);
    return status;
}

int gm_map_assign(gm_map *m, const void *key, size_t len, const void *elem, size_t elem_len, uint64_t *old_ref)
{
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    if (old_ref)
        *old_ref = 0;
    status = m->path->assign(m, key, len, elem, elem_len, old_ref);
    gm_leave_write(m);
    return status;
}

int gm_map_delete(gm_map *m, const void *key, size_t len, void *old_elem)
{
    if (old_elem && !batchable(m))
        return GM_E_ARGUMENT;
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    status = m->path->del(m, key, len, old_elem);
    gm_leave_write(m);
    return status;
}

int gm_map_clear(gm_map *m, uint64_t *refs, uint64_t cap, uint64_t *n)
{
    if (refs && m->t.elem_kind != GM_REF)
        return GM_E_ARGUMENT;
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    uint64_t count = gm_load_rlx(&m->h.count);
    if (n)
        *n = count;
    if (refs && count > cap) {
        status = GM_MISS;
    } else if (count > 0) {
        if (refs)
            gm_collect(m, NULL, NULL, refs, count);
        gm_clear(m);
    }
    if (status == GM_OK)
        gm_collect_garbage(m, UINT32_MAX);
    gm_leave_write(m);
    return status;
}

int gm_map_get_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, void *elems, uint8_t *found, size_t *done)
{
    *done = 0;
    if (elems && !batchable(m))
        return GM_E_ARGUMENT;
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    status = m->path->get_many(m, (gm_key_batch){keys, offsets}, n, elems, found, done);
    gm_leave_read(m);
    return status;
}

int gm_map_assign_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, const void *elems, uint64_t *old_refs,
                       size_t *done)
{
    *done = 0;
    if (!batchable(m))
        return GM_E_ARGUMENT;
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    status = m->path->assign_many(m, (gm_key_batch){keys, offsets}, n, elems, old_refs, done);
    gm_leave_write(m);
    return status;
}

int gm_map_delete_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, uint64_t *old_refs, size_t *done)
{
    *done = 0;
    if (old_refs && m->t.elem_kind != GM_REF)
        return GM_E_ARGUMENT;
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    status = m->path->delete_many(m, (gm_key_batch){keys, offsets}, n, old_refs, done);
    gm_leave_write(m);
    return status;
}

int gm_map_freeze(gm_map *m, int64_t at)
{
    if (at < -2)
        return GM_E_ARGUMENT;
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    uint64_t mark = growing(m) ? gm_load_rlx(&m->h.nevacuate) : 0;
    m->extra.freeze_at = at == -2 ? UINT64_MAX : at == -1 || (uint64_t)at < mark ? mark : (uint64_t)at;
    m->extra.freeze_next = at == -2 ? UINT64_MAX : at == -1 ? 0 : (uint64_t)at;
    gm_leave_write(m);
    return GM_OK;
}

int gm_map_evacuate(gm_map *m, uint64_t n)
{
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    if (!growing(m))
        status = GM_MISS;
    gm_enter_world(m);
    while (status == GM_OK && n-- > 0 && growing(m)) {
        uint64_t mark = gm_load_rlx(&m->h.nevacuate);
        if (m->extra.freeze_at <= mark)
            m->extra.freeze_at = mark + 1;
        status = m->path->evacuate(m, mark);
    }
    gm_leave_world(m);
    gm_leave_write(m);
    return status;
}

uint64_t gm_map_hash(gm_map *m, const void *key, size_t len, uint32_t seed)
{
    return m->path->hash_key(m, key, len, seed);
}

int gm_map_hash_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, uint64_t *hashes)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    uint32_t seed = gm_load_rlx(&m->h.hash0); /* O5; a writer draws it anew, and none is inside (E1) */
    for (size_t i = 0; i < n; i++) {
        keyany_t key = keyany_at(m, (gm_key_batch){keys, offsets}, i);
        hashes[i] = m->path->hash_key(m, key.p, key.n, seed);
    }
    gm_leave_read(m);
    return GM_OK;
}
