/* variant.h: what a map offers to those who drive it, whatever its design: one small table of functions.
 *
 * The engine (csrc/lab) and Python's concurrent classes know maps by this table only, so each design is measured and tested by
 * the same code. Keys and elems are contents as in gomap.h: a key is (pointer, length), an elem the fixed bytes of its kind
 * (GM_MEM, GM_FLOAT64, or a GM_REF number).
 *
 *   status   GM_OK: the key was there; GM_MISS: it was not (for assign, load_or_store and add: it is now); a negative one:
 *            refused or failed, and nothing was done
 *   old      where a call may push out an elem: room for it, or NULL; written only if the key was there
 *
 * Every function from get on may be called by any number of threads at once. What happens where a design does not allow that
 * (the plain map) is told at its table. A call on one key takes effect at one instant between its beginning and its end
 * (linearizable). What len, clear and range are beside writers is told at each design's table: of several shards, and of the
 * designs that keep striped counters, they are sums and sequences.
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

/* One entry of a range; false ends it. key and elem are valid during the call. */
typedef bool (*gm_visit)(void *ctx, const void *key, size_t len, const void *elem);

typedef struct gm_variant {
    int (*make)(const gm_config *c, const gm_guard_config *g, void **self);
    void (*drop)(void *self); /* nobody is inside any more */
    /* Around a whole run of the engine, filling included: keeps out whoever is not of it, or says that somebody is in. */
    int (*enter)(void *self);
    void (*leave)(void *self);
    /* Between runs; begin says which table the run is to use. */
    const struct gm_variant *(*begin)(void *self, const gm_usage_plan *plan);
    void (*end)(void *self);

    int (*get)(void *self, const void *key, size_t len, void *elem);
    /* n gets at one call where keys (GM_MEM) and elems are of eight bytes, each at an instant of its own; found (or NULL): a
     * byte for each; done: how many were. NULL: get, one by one. */
    int (*get_words)(void *self, const void *keys, size_t n, void *elems, uint8_t *found, size_t *done);
    int (*assign)(void *self, const void *key, size_t len, const void *elem, void *old);
    int (*del)(void *self, const void *key, size_t len, void *old);
    int (*load_or_store)(void *self, const void *key, size_t len, const void *elem, void *actual);
    /* Stores elem (NULL: deletes) if the key is there with exactly the bytes `expected`: GM_OK; else GM_MISS. */
    int (*compare_and_swap)(void *self, const void *key, size_t len, const void *expected, const void *elem);
    int (*add)(void *self, const void *key, size_t len, int64_t delta, int64_t *sum); /* int64; an absent key counts as 0 */
    int (*len)(void *self, uint64_t *n);
    /* Up to `limit` entries from a random start. A key comes at most once; one that is there throughout comes. */
    int (*range)(void *self, uint64_t limit, gm_visit visit, void *ctx);
    int (*clear)(void *self);      /* not for GM_REF elems, their owner deletes them one by one: gm_cmap_clear */
    int (*growing_to)(void *self); /* B of the growth in progress, -1 if none */
    struct gm_map *(*part)(void *self, unsigned i); /* the i-th gm_map that it is made of; NULL, or no function: none */
    int (*check)(void *self, gm_broken *broken);    /* nobody else is inside */
    void (*stats)(void *self, gm_stats *out);
    /* Growths of a design that is not made of gm_maps, oldest first; returns how many there are. NULL: it keeps none. */
    size_t (*events)(void *self, gm_event *out, size_t cap, uint64_t *dropped);
} gm_variant;

extern const gm_variant gm_plain, gm_empty; /* map/plain.c */

#endif
