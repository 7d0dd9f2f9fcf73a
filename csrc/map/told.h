/* told.h: what the operations of path.inc.h tell the collector, if there is one. In builds without, all of it is nothing.
 *
 *   F1  An operation begins inside of the collector's world and ends there. At its end, and between two of a batch, it holds no
 *       pointer into the heap: there the world may stop.
 *   F2  An operation that found no memory holds none either: it has the collector make room and begins anew, for as long as
 *       that gains something.
 *   F3  What an evacuation copies is told as stored, what it wipes as overwritten (Go's bulk barriers): two entries a pointer.
 */
#ifndef GM_TOLD_H
#define GM_TOLD_H

#include "map/hmap.h"

static inline void gm_begin_told(const gm_map *m)
{
    if (GM_COLLECTED)
        m->member.collector->enter(m->member.collector->ctx);
}

static inline void gm_between_told(const gm_map *m)
{
    if (GM_COLLECTED)
        m->member.collector->safe(m->member.collector->ctx);
}

static inline void gm_end_told(const gm_map *m)
{
    gm_between_told(m);
    if (GM_COLLECTED)
        m->member.collector->leave(m->member.collector->ctx);
}

/* F2. */
static inline bool gm_again_told(const gm_map *m, int status)
{
    return GM_COLLECTED && gm_unlikely(status == GM_E_NOMEM) && m->member.collector->make_room(m->member.collector->ctx);
}

static inline void gm_tell_move(const gm_map *m, bmap *to, unsigned j, bmap *from, unsigned i)
{
    if (gm_key_points(m))
        gm_tell_store(keySlot(m, to, j), gm_slot_ptr(keySlot(m, from, i)));
    if (gm_elem_points(m))
        gm_tell_store(elemSlot(m, to, j), gm_slot_ptr(elemSlot(m, from, i)));
}

static inline void gm_tell_wipe(const gm_map *m, bmap *b)
{
    for (unsigned i = 0; i < bucketCnt; i++) {
        if (gm_key_points(m))
            gm_tell_store(keySlot(m, b, i), NULL);
        if (gm_elem_points(m))
            gm_tell_store(elemSlot(m, b, i), NULL);
    }
    gm_tell_store((unsigned char *)b + m->t.overflow_off, NULL);
}

#endif
