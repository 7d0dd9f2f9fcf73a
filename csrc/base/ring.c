/* ring.c: a ring of events that starts small.
 *
 * Most maps never grow and need no room for events; a large one wants hundreds. The buffer doubles from 16 entries up to
 * the capacity asked for and only then begins to overwrite the oldest. Where memory for doubling is refused the ring goes
 * on with what it has: an event is never worth failing an operation, and `dropped` tells.
 *
 * One writer at a time (the map's writer); read when no writer runs (the map's guard sees to it).
 */
#include "base/ring.h"

#include <stdlib.h>
#include <string.h>

void gm_ring_init(gm_ring *r, uint32_t cap)
{
    *r = (gm_ring){.cap = cap};
}

void gm_ring_free(gm_ring *r)
{
    free(r->v);
    *r = (gm_ring){.cap = r->cap};
}

/* Only while nothing has been overwritten yet, so the entries lie in order from 0. */
static void enlarge(gm_ring *r)
{
    uint32_t size = r->size ? r->size : 8;
    size = size > r->cap / 2 ? r->cap : 2 * size;
    gm_event *v = realloc(r->v, size * sizeof *v);
    if (!v) {
        r->cap = r->size;
        return;
    }
    r->v = v;
    r->size = size;
}

void gm_ring_push(gm_ring *r, const gm_event *e)
{
    if (r->pushed - r->lost == r->size && r->size < r->cap)
        enlarge(r);
    if (r->size == 0) {
        r->lost++;
        r->pushed++;
        return;
    }
    r->v[(r->pushed++ - r->lost) % r->size] = *e;
}

size_t gm_ring_read(const gm_ring *r, gm_event *out, size_t cap, uint64_t *dropped)
{
    uint64_t stored = r->pushed - r->lost, kept = stored < r->size ? stored : r->size;
    for (uint64_t i = 0; i < kept && i < cap; i++)
        out[i] = r->v[(stored - kept + i) % r->size];
    if (dropped)
        *dropped = r->pushed - kept;
    return (size_t)kept;
}
