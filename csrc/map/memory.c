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
 * M3  The bytes in use are counted, headers included: of slabs the buckets in use, not what is still to be cut or was given
 *     back.
 *
 * OVERFLOW BUCKETS, STRINGS AND BOXES are small and many: they are cut from slabs, each twice as large as the one before, up to
 * what fills a huge page. What is freed is the next of its size to be taken; a slab lives as long as the map.
 *
 *     slab  | link | bucket | string | string | bucket | ... not cut yet |      `cut` goes right
 *     cut_free[bytes / 16], [0] for what is larger: what was given back
 *
 * A string of 16 bytes takes 32 so, of one line, where the C library's memory takes 48, and one in four lies in two lines.
 *
 * M4  What is taken is zeroed: slabs come so, and what was given back is zeroed when it is taken again.
 * M5  Slabs are for maps whose memory is theirs alone and lies anywhere: not for a collector's, nor for aligned buckets, nor
 *     under AddressSanitizer and the explorer, which are to see each use of a bucket that was freed.
 *
 * Garbage is freed a few blocks with each write because the overflow buckets of a large array are many (a fifth of all
 * buckets at full load): freed at once, they would make the write that ends a growth stall as no write in Go does.
 *
 * With a collector (collector.h) the blocks are its. Nothing is given back: what is free of readers, and of old cells, is for
 * the collector to find, so only an open iterator makes blocks wait in limbo, whose blocks are roots.
 *
 * Divergence: while an iterator stays open, what is deleted stays in memory; Go's collector would keep only what the
 * iterator can reach.
 */
#include "map/hmap.h"

GM_THREAD_LOCAL gm_barrier *gm_barrier_now;

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

static void *begin_block(gm_map *m, gm_block *b, size_t size)
{
    if (!b)
        return NULL;
    b->size = size;
    m->extra.bytes += sizeof *b + size;
    return b + 1;
}

static void *new_block(gm_map *m, const gm_alloc *from, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    return begin_block(m, from->zalloc(from->ctx, sizeof(gm_block) + size), size);
}

/* ------------------------------------------------------------------ slabs */

enum { slabLeast = 4, slabMost = 2 << 20, slabHeader = 64 }; /* the first: overflow buckets that it holds; the others: bytes */

#if defined(__SANITIZE_ADDRESS__) || defined(GM_EXPLORE)
enum { slabsAllowed = 0 };
#else
enum { slabsAllowed = 1 };
#endif

static bool has_slabs(const gm_map *m)
{
    return slabsAllowed && !m->member.collector && m->alloc.zalloc == m->outer.zalloc; /* M5 */
}

/* What a block of so many bytes takes of a slab. */
static size_t cut_bytes(size_t size)
{
    return (sizeof(gm_block) + size + cutUnit - 1) / cutUnit * cutUnit;
}

static blocklist *given_back(gm_map *m, size_t bytes)
{
    return &m->extra.cut_free[bytes <= cutMost ? bytes / cutUnit : 0]; /* the first: only overflow buckets are so large */
}

static size_t next_slab(const gm_map *m)
{
    const gm_block *last = m->extra.slabs.head;
    size_t least = 2 * slabHeader + slabLeast * cut_bytes(m->t.bucketsize), size = last ? 2 * last->size : 2 * cutMost;
    if (size > slabMost)
        size = slabMost;
    while (size < least)
        size *= 2;
    return size;
}

static bool add_slab(gm_map *m)
{
    size_t size = next_slab(m);
    gm_block *slab = m->arrays.zalloc(m->arrays.ctx, size);
    if (!slab)
        return false;
    slab->size = size;
    gm_blocklist_push(&m->extra.slabs, slab);
    m->extra.cut = (unsigned char *)slab + slabHeader + -(uintptr_t)slab % slabHeader; /* at the beginning of a line */
    m->extra.cut_end = (unsigned char *)slab + size;
    return true;
}

static gm_block *cut_block(gm_map *m, size_t bytes)
{
    gm_block *b = gm_blocklist_pop(given_back(m, bytes));
    if (b)
        return memset(b, 0, bytes); /* M4 */
    if ((size_t)(m->extra.cut_end - m->extra.cut) < bytes && !add_slab(m))
        return NULL;
    b = (gm_block *)(void *)m->extra.cut;
    m->extra.cut += bytes;
    return b;
}

static void *new_cut(gm_map *m, size_t size)
{
    gm_block *b = cut_block(m, cut_bytes(size));
    if (b)
        b->cut = 1;
    return begin_block(m, b, size);
}

/* A zeroed overflow bucket that is in no chain yet, or NULL. */
void *gm_mem_new_overflow(gm_map *m)
{
    return has_slabs(m) ? new_cut(m, m->t.bucketsize) : new_block(m, &m->arrays, m->t.bucketsize);
}

void gm_mem_free_slabs(gm_map *m)
{
    for (gm_block *slab; (slab = gm_blocklist_pop(&m->extra.slabs));)
        m->arrays.release(m->arrays.ctx, slab, slab->size);
}

/* ------------------------------------------------------------------ blocks */

/* Zeroed memory of `size` bytes that holds no pointers, or NULL. */
void *gm_mem_new(gm_map *m, size_t size)
{
    return has_slabs(m) && size <= cutMost - sizeof(gm_block) ? new_cut(m, size) : new_block(m, &m->alloc, size);
}

/* The same for a bucket array. */
void *gm_mem_new_buckets(gm_map *m, size_t size)
{
    return new_block(m, &m->arrays, size);
}

static void free_block(gm_map *m, gm_block *b)
{
    size_t size = sizeof *b + b->size;
    m->extra.bytes -= size;
    if (has_slabs(m) && b->cut)
        gm_blocklist_push(given_back(m, cut_bytes(b->size)), b);
    else
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
    bool held = !m->member.collector && (growing(m) || m->extra.defer_all);
    /* acquire pairs with the release in gm_iter_free (M2) */
    return !held && gm_load_acq(&m->extra.open_iters) == 0;
}

/* For memory that has just been unlinked from the map. */
void gm_retire(gm_map *m, void *p)
{
    if (!p)
        return;
    if (quiet(m)) {
        free_block(m, gm_block_of(p));
        return;
    }
    if (m->member.collector)
        m->member.collector->keep(m->member.collector->ctx, p);
    gm_blocklist_push(&m->extra.limbo, gm_block_of(p));
}

/* Frees up to `limit` blocks that nobody can hold any more. */
void gm_collect_garbage(gm_map *m, unsigned limit)
{
    gm_enter_world(m); /* the lists are roots */
    if (m->extra.limbo.head && quiet(m))
        splice(&m->extra.garbage, &m->extra.limbo);
    while (limit-- > 0 && m->extra.garbage.head)
        free_block(m, gm_blocklist_pop(&m->extra.garbage));
    gm_leave_world(m);
}

/* ------------------------------------------------------------------ a collector's blocks */

static void *collected_plain(void *ctx, size_t size)
{
    const gm_map *m = ctx;
    gm_enter_world(m);
    void *p = m->member.collector->plain(m->member.collector->ctx, size);
    gm_leave_world(m);
    return p;
}

static void *collected_pointers(void *ctx, size_t size)
{
    const gm_map *m = ctx;
    gm_enter_world(m);
    void *p = m->member.collector->pointers(m->member.collector->ctx, &m->member, size);
    gm_leave_world(m);
    return p;
}

static void collected_release(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)p;
    (void)size;
}

static void visit_list(const blocklist *l, gm_root_visit visit, void *ctx)
{
    for (gm_block *b = l->head; b; b = b->next)
        visit(ctx, b);
}

static void roots(gm_member *member, gm_root_visit visit, void *ctx)
{
    gm_map *m = (gm_map *)(void *)((unsigned char *)member - offsetof(gm_map, member));
    visit(ctx, gm_load_rlx(&m->h.buckets)); /* the world is stopped: nobody writes */
    visit(ctx, gm_load_rlx(&m->h.oldbuckets));
    visit_list(&m->extra.spare, visit, ctx);
    visit_list(&m->extra.limbo, visit, ctx);
    visit_list(&m->extra.garbage, visit, ctx);
}

static void add_slots(gm_shape *s, uint32_t first, uint32_t stride)
{
    for (uint32_t i = 0; i < bucketCnt; i++)
        s->at[s->n++] = first + i * stride;
}

/* Buckets behind a block's header. GM_REF elems are numbers, not pointers. */
static gm_shape shape_of(const gm_map *m)
{
    gm_shape s = {.first = sizeof(gm_block), .stride = m->t.bucketsize};
    if (gm_key_points(m))
        add_slots(&s, bucketCnt, m->t.keyslot);
    if (gm_elem_points(m))
        add_slots(&s, m->t.elem_off, m->t.elemslot);
    s.at[s.n++] = m->t.overflow_off;
    return s;
}

/* From now on the map's blocks are the collector's. Before it has any, from inside of the collector's world. */
int gm_join_collector(gm_map *m, const gm_collector *c)
{
    m->member.shape = shape_of(m);
    m->member.roots = roots;
    m->member.frail = true;
    int status = c->attach(c->ctx, &m->member);
    if (status != GM_OK)
        return status;
    m->member.collector = c;
    m->alloc = (gm_alloc){collected_plain, collected_release, m};
    m->arrays = (gm_alloc){collected_pointers, collected_release, m};
    return GM_OK;
}
