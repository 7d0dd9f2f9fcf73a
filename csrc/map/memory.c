/* memory.c: the memory of a map, and when it may be freed.
 *
 * Go leaves this to its collector. Here every piece (bucket array, overflow bucket, string, box) is a block with a header
 * that has room for a list link, so that giving memory back can never fail for want of memory:
 *
 *     in the map  --gm_retire-->  limbo  --nobody can hold it-->  garbage  --a few blocks a write-->  freed
 *                       \------------------ quiet ------------------------------------------------>  freed
 *
 * M1  A block in limbo is intact. The cells of an evacuated old bucket still show its strings and boxes (the `raw` digest
 *     reads them), and an open iterator may stand in a retired array. Limbo empties only in a quiet moment: no growth, no
 *     open iterator, not defer_all. Then no cell and no iterator leads to any block in it: blocks enter limbo unlinked from
 *     the live map, and what else leads to them (old cells, iterators) is gone.
 * M2  Only the writer touches the lists. A reader that closes an iterator merely lowers open_iters (release; the acquire
 *     load in quiet() pairs with it): its last use of a block happens before the block is freed.
 * M3  The bytes in use are counted, headers included.
 *
 * Garbage is freed a few blocks with each write because the overflow buckets of a large array are many (a fifth of all
 * buckets at full load): freed at once, they would make the write that ends a growth stall as no write in Go does.
 *
 * Divergence: while an iterator stays open, what is deleted stays in memory; Go's collector would keep only what the
 * iterator can reach.
 */
#include "map/hmap.h"

void gm_blocklist_push(blocklist *l, gm_block *b)
{
    b->next = l->head;
    l->head = b;
    if (!l->tail)
        l->tail = b;
}

gm_block *gm_blocklist_pop(blocklist *l)
{
    gm_block *b = l->head;
    if (b) {
        l->head = b->next;
        if (!l->head)
            l->tail = NULL;
    }
    return b;
}

/* Moves all of `from` to the front of `to`. */
static void splice(blocklist *to, blocklist *from)
{
    if (!from->head)
        return;
    from->tail->next = to->head;
    if (!to->tail)
        to->tail = from->tail;
    to->head = from->head;
    *from = (blocklist){NULL, NULL};
}

/* Zeroed memory of `size` bytes, or NULL. */
void *gm_mem_new(gm_map *m, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    gm_block *b = m->alloc.zalloc(m->alloc.ctx, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    m->extra.bytes += sizeof *b + size;
    return b + 1;
}

static void free_block(gm_map *m, gm_block *b)
{
    size_t size = sizeof *b + b->size;
    m->extra.bytes -= size;
    m->alloc.release(m->alloc.ctx, b, size);
}

/* For memory that was never published. */
void gm_mem_free(gm_map *m, void *p)
{
    if (p)
        free_block(m, gm_block_of(p));
}

static bool quiet(gm_map *m)
{
    /* acquire pairs with the release in gm_iter_free (M2) */
    return !growing(m) && !m->extra.defer_all && gm_load_acq(&m->extra.open_iters) == 0;
}

/* For memory that has just been unlinked from the map. */
void gm_retire(gm_map *m, void *p)
{
    if (!p)
        return;
    if (quiet(m))
        free_block(m, gm_block_of(p));
    else
        gm_blocklist_push(&m->extra.limbo, gm_block_of(p));
}

/* Frees up to `limit` blocks that nobody can hold any more. */
void gm_collect_garbage(gm_map *m, unsigned limit)
{
    if (m->extra.limbo.head && quiet(m))
        splice(&m->extra.garbage, &m->extra.limbo);
    while (limit-- > 0 && m->extra.garbage.head)
        free_block(m, gm_blocklist_pop(&m->extra.garbage));
}
