/* collector.h: what a map and a garbage collector that owns its memory tell each other.
 *
 * A map knows no collector, and csrc/heap knows maps only by this. A map that is made with one (gm_config.collector)
 *
 *   - runs the paths of paths_heap.c, which are inside the collector's world from the beginning of an operation to its end:
 *     between two operations the world may stop, and then the map holds no pointer but those in its header and its lists;
 *   - takes its blocks from it: those that hold pointers by their shape, all others by size;
 *   - frees nothing: what it has unlinked is found by nobody, and the collector takes it back;
 *   - tells pointer stores into its blocks before it makes them, while gm_barrier_now says so.
 *
 *   Y1  A pointer that a store overwrites is told before it is overwritten: what was reachable when marking began is marked.
 *   Y2  The pointers of the header and its lists are roots: told all at once while the world is stopped, stored untold.
 */
#ifndef GM_COLLECTOR_H
#define GM_COLLECTOR_H

#include "base/atomics.h"
#include "base/local.h"
#include "gomap.h"

enum { gm_barrier_entries = 512, gm_shape_pointers = 17 };

/* Where pointers lie in a block: elements of `stride` bytes from `first` on, each with pointers at `at`. */
typedef struct gm_shape {
    uint32_t first, stride, n;
    uint32_t at[gm_shape_pointers];
} gm_shape;

typedef void (*gm_root_visit)(void *ctx, void *p);

/* One map in a collector's world. */
typedef struct gm_member {
    struct gm_member *next, *prev; /* the collector's */
    const gm_collector *collector; /* NULL: the map has its memory from elsewhere */
    void (*roots)(struct gm_member *member, gm_root_visit visit, void *ctx);
    bool frail; /* does not survive the loss of an object */
    gm_shape shape;
    uint32_t shape_id; /* the collector's name for it */
} gm_member;

/* Pointers that were overwritten and stored, two and two, until the collector looks at them. */
typedef struct gm_barrier {
    uint32_t n, room;
    void (*full)(struct gm_barrier *b);
    void *entries[gm_barrier_entries];
} gm_barrier;

struct gm_collector {
    void *ctx;
    /* From inside; shape and roots are set. GM_E_ARGUMENT: it cannot be had here. */
    int (*attach)(void *ctx, gm_member *member);
    void (*detach)(void *ctx, gm_member *member);
    /* Into the world and out of it; nests. All below is for threads inside. */
    void (*enter)(void *ctx);
    void (*leave)(void *ctx);
    void (*safe)(void *ctx); /* the caller holds no pointer: the world may stop here */
    /* Zeroed blocks, with pointers of the member's shape or without any. NULL: none left. */
    void *(*pointers)(void *ctx, const gm_member *member, size_t size);
    void *(*plain)(void *ctx, size_t size);
    bool (*make_room)(void *ctx);         /* after a NULL, holding no pointer: collects; false: it is in vain */
    void (*keep)(void *ctx, void *p);     /* p is about to be kept in a list of the header's */
    void (*wipe)(void *ctx, void *block); /* all pointers in a block are about to be overwritten */
    /* For knobs: a get is going to look at the chain that begins at p; it has, and found what is in that block (or NULL). */
    void (*before_get)(void *ctx, const void *p);
    void (*after_get)(void *ctx, const void *p, const void *found);
    void (*grow_work)(void *ctx); /* for knobs, holding no pointer: growth work, */
    void (*grow)(void *ctx);      /* a growth is about to be done */
};

/* The barrier of the thread inside, while stores are to be told; else NULL. */
extern GM_THREAD_LOCAL gm_barrier *gm_barrier_now;

static inline void gm_barrier_put(gm_barrier *b, void *old, void *now)
{
    b->entries[b->n] = old;
    b->entries[b->n + 1] = now;
    b->n += 2;
    if (gm_unlikely(b->n >= b->room))
        b->full(b);
}

#endif
