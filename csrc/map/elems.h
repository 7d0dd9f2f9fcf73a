/* elems.h: reading and writing elem slots, by kind.
 *
 *   GM_MEM, GM_FLOAT64   the bytes; over 128 bytes a pointer to a box: overwriting writes through the pointer
 *   GM_STRING            a string header
 *   GM_PTR               nil or a pointer: every assignment brings a new box, as &x would in Go
 *   GM_HELD              nil or a pointer to an object of the collector's, as stored in a map[K]*T: nothing is made or freed
 *   GM_REF               the caller's number; who overwrites or deletes is handed the old one
 */
#ifndef GM_ELEMS_H
#define GM_ELEMS_H

#include "map/hmap.h"
#include "map/keys.h"

static inline bool gm_elem_plain(const gm_map *m)
{
    return !m->t.elem_indirect && (m->t.elem_kind == GM_MEM || m->t.elem_kind == GM_FLOAT64 || m->t.elem_kind == GM_REF);
}

static GM_APART void gm_elem_load_other(const gm_map *m, const void *slot, void *to)
{
    switch (m->t.elem_kind) {
    case GM_STRING:
        *(gm_view *)to = gm_string_view(slot);
        break;
    case GM_PTR: {
        void *p = gm_slot_ptr(slot);
        *(gm_view *)to = (gm_view){p, p ? 8 : 0};
        break;
    }
    default: {
        const void *from = m->t.elem_indirect ? gm_slot_ptr(slot) : slot;
        if (from) /* NULL: a racing delete has just cleared the box */
            gm_shared_load(to, from, m->t.elem_size);
    }
    }
}

static GM_INLINE void gm_elem_load_word(const void *slot, void *to)
{
    uint64_t w = gm_load_rlx((const _Atomic uint64_t *)slot);
    memcpy(to, &w, 8);
}

/* The content of a slot, as gomap.h gives elems to callers. */
static GM_INLINE void gm_elem_load(const gm_map *m, const void *slot, void *to)
{
    if (gm_unlikely(!m->t.elem_word)) {
        gm_elem_load_other(m, slot, to);
        return;
    }
    gm_elem_load_word(slot, to);
}

/* A cell's slot where cells lie as in Go: without a multiplication where elems are words. */
static GM_INLINE unsigned char *gm_elem_slot(const gm_map *m, bmap *b, unsigned cell)
{
    return gm_likely(m->t.elem_word) ? (unsigned char *)b + m->t.elem_off + (size_t)8 * cell : goElemSlot(m, b, cell);
}

/* Memory that a new elem needs, if any. elem NULL with GM_PTR is nil. */
static inline int gm_elem_make(gm_map *m, const void *elem, size_t n, void **block)
{
    *block = NULL;
    if (m->t.elem_kind == GM_STRING)
        return gm_string_make(m, elem, n, block);
    if (m->t.elem_kind == GM_PTR)
        return gm_string_make(m, elem, elem ? 8 : 0, block);
    if (m->t.elem_kind == GM_HELD) {
        memcpy(block, elem, sizeof *block);
        return GM_OK;
    }
    return m->t.elem_indirect ? gm_string_make(m, elem, m->t.elem_size, block) : GM_OK;
}

static inline void gm_elem_fill(const gm_map *m, void *slot, const void *elem, size_t n, void *block)
{
    if (gm_likely(m->t.elem_word))
        gm_store_rlx((_Atomic uint64_t *)slot, key8_from(m, elem, 8));
    else if (m->t.elem_kind == GM_STRING)
        gm_string_fill(slot, n, block);
    else if (gm_elem_points(m))
        gm_slot_set_ptr(slot, block);
    else
        gm_shared_store(slot, elem, m->t.elem_size);
}

static inline uint64_t gm_elem_ref(const gm_map *m, const void *slot)
{
    return m->t.elem_kind == GM_REF ? gm_load_rlx((const _Atomic uint64_t *)slot) : 0;
}

static GM_APART int gm_elem_overwrite_other(gm_map *m, void *slot, const void *elem, size_t n, uint64_t *old_ref)
{
    if (old_ref)
        *old_ref = gm_elem_ref(m, slot);
    if (m->t.elem_indirect) {
        gm_shared_store(gm_slot_ptr(slot), elem, m->t.elem_size);
        return GM_OK;
    }
    void *block = NULL, *old = NULL;
    if (!gm_elem_plain(m)) {
        int status = gm_elem_make(m, elem, n, &block);
        if (status != GM_OK)
            return status;
        old = gm_elem_owned(m) ? gm_slot_ptr(slot) : NULL;
    }
    gm_elem_fill(m, slot, elem, n, block);
    gm_retire(m, old);
    return GM_OK;
}

/* Puts another elem into a slot that has one; nothing changes if memory is refused. */
static GM_INLINE int gm_elem_overwrite(gm_map *m, void *slot, const void *elem, size_t n, uint64_t *old_ref)
{
    if (gm_unlikely(!m->t.elem_word))
        return gm_elem_overwrite_other(m, slot, elem, n, old_ref);
    if (gm_unlikely(old_ref != NULL))
        *old_ref = gm_elem_ref(m, slot);
    gm_store_rlx((_Atomic uint64_t *)slot, key8_from(m, elem, 8));
    return GM_OK;
}

/* To another bucket, as it lies there. */
static GM_INLINE void gm_elem_move(const gm_map *m, void *to, const void *from)
{
    if (gm_likely(m->t.elem_word))
        gm_word_move(to, from);
    else
        gm_shared_copy(to, from, m->t.elemslot);
}

/* On deleting: hands the content out if `to` is given, then zeroes the slot. */
static inline void gm_elem_wipe(gm_map *m, void *slot, void *to)
{
    if (to)
        gm_elem_load(m, slot, to);
    void *old = gm_elem_plain(m) ? NULL : gm_slot_ptr(slot);
    if (old)
        gm_tell_store(slot, NULL);
    gm_shared_zero(slot, m->t.elemslot);
    if (old && gm_elem_owned(m))
        gm_retire(m, old);
}

#endif
