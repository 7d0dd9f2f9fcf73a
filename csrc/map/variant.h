/* variant.h: what a map offers to those who drive it, whatever its design: one small table of functions.
 *
 * The engine (csrc/lab) knows maps by this table only, so each design is measured by the same loop. Keys are contents as in
 * gomap.h; elems are int64.
 *
 *   status   GM_OK: the key was there; GM_MISS: it was not (for assign, load_or_store and add: it is now); a negative one:
 *            refused or failed, and nothing was done
 *
 * Every function may be called by every thread of a run. What happens where a design does not allow that (the plain map) is
 * told at its table.
 */
#ifndef GM_VARIANT_H
#define GM_VARIANT_H

#include "gomap.h"

#include <stdbool.h>

/* What a run is going to do. */
typedef struct gm_usage_plan {
    unsigned threads;
    unsigned exclusive; /* threads that write or iterate */
    bool probed;        /* charge time to causes */
} gm_usage_plan;

typedef struct gm_variant {
    /* Around a whole run, filling included: keeps out whoever is not of it, or says by a status that somebody is in. */
    int (*enter)(void *self);
    void (*leave)(void *self);
    /* Between runs; begin says which table the run is to use. */
    const struct gm_variant *(*begin)(void *self, const gm_usage_plan *plan);
    void (*end)(void *self);
    int (*get)(void *self, const void *key, size_t len, int64_t *elem);
    int (*assign)(void *self, const void *key, size_t len, int64_t elem);
    int (*del)(void *self, const void *key, size_t len);
    int (*load_or_store)(void *self, const void *key, size_t len, int64_t elem, int64_t *actual);
    int (*add)(void *self, const void *key, size_t len, int64_t delta); /* an absent key counts as 0 */
    int (*len)(void *self, uint64_t *n);
    int (*range)(void *self, uint64_t limit, uint64_t *seen);
    int (*growing_to)(void *self); /* B of the growth in progress, -1 if none */
} gm_variant;

const gm_variant *gm_variant_of(int id); /* enum gm_variant_id; NULL: no such variant */
extern const gm_variant gm_plain, gm_empty;

#endif
