/* ring.h: the newest events of a map, oldest first. */
#ifndef GM_RING_H
#define GM_RING_H

#include "gomap.h"

typedef struct gm_ring {
    gm_event *v;
    uint64_t pushed, lost; /* events ever pushed; of them, those that no memory could be had for */
    uint32_t size, cap;    /* room now; room at most (0: events are off) */
} gm_ring;

void gm_ring_init(gm_ring *r, uint32_t cap);
void gm_ring_free(gm_ring *r);
void gm_ring_push(gm_ring *r, const gm_event *e);
size_t gm_ring_read(const gm_ring *r, gm_event *out, size_t cap, uint64_t *dropped);

#endif
