/* cache.c: a P's cache of spans, and the allocation itself.
 *
 * Mirrors mallocgc and its parts (runtime/malloc.go, mcache.go).
 *
 *     size up to 32 KB:   cache[class] --has room--> the next free slot, zeroed if its span has been used
 *                               `--full--> central.c for another span (a refill)
 *     above:              pages of its own from the page heap, zeroed in pieces of 256 KB
 *
 *   L1  A P allocates for the thread that is inside with it: the fast path takes no lock and no atomic instruction.
 *   L2  Before the object exists the P pays for it: while marking, an allocation that finds the P's credit used up assists.
 *   L3  What is allocated while marking is marked at once (born black): it is not scanned, and what is stored into it was
 *       reachable when marking began, is told to the barrier, or is black itself.
 *   L4  The address is published after the object: zeroes, bits and shape stand before the fence, every store of the address
 *       behind it.
 *   L5  At the end of a refill or a large object the pacer is asked whether a collection is due.
 *
 * The knob `path` (C1.5): with GM_ALLOC_HEAP every small object takes the page heap's lock on its way. With GM_ALLOC_CACHE
 * large objects come from the P's cache, too: for each length that was asked for, a power of two of pages, it keeps a run
 * ready, and one of twice that length.
 */
#include "base/probe.h"
#include "heap/heap.h"

#include <string.h>

static bool refill(gm_p *p, uint8_t spanclass)
{
    gm_heap *h = p->heap;
    gm_span span = gm_span_enter(GM_CAUSE_REFILL);
    mspan *s = p->cache[spanclass];
    p->cache[spanclass] = NULL;
    if (s)
        gm_central_uncacheSpan(h, &p->mark, s);
    p->cache[spanclass] = gm_central_cacheSpan(h, p, spanclass);
    count(p->mark.count, GM_HEAP_REFILLS, 1);
    gm_gc_pace(h);
    gm_span_leave(span);
    return p->cache[spanclass] != NULL;
}

static void zero_in_pieces(gm_p *p, uintptr_t at, size_t size)
{
    for (size_t n; size > 0; at += n, size -= n) {
        n = size < zeroPiece ? size : zeroPiece;
        memset((void *)at, 0, n);
        count(p->mark.count, GM_HEAP_ZERO_PIECES, 1);
    }
}

/* L3 and L4. */
static void *born(gm_p *p, mspan *s, uintptr_t object, uint32_t shape)
{
    bool marking = gm_marking(p->heap);
    if (shape || marking) {
        uint32_t i = objectIndex(s, object);
        if (shape)
            gm_store_rlx(&s->shapes[i], (uint8_t)shape); /* published by the fence */
        if (marking)
            gm_born_black(&p->mark, s, i);
    }
    gm_fence_rel(); /* pairs with the acquire loads of pointers in mark.c (L4) */
    return (void *)object;
}

static mspan *new_large(gm_heap *h, uint64_t npages, bool plain)
{
    return gm_pages_alloc(&h->pages, (uint32_t)npages, (uint8_t)plain, (size_t)npages << pageShift);
}

/* Has one of that length ready. Without memory for it there is none next time. */
static void keep_large(gm_p *p, unsigned length, bool plain)
{
    if (length < largeKept && !p->large[plain][length])
        p->large[plain][length] = new_large(p->heap, UINT64_C(1) << length, plain);
}

/* GM_ALLOC_CACHE: the span that was kept; and another in its place, and one of twice the length, as a growth will want. */
static mspan *large_of_cache(gm_p *p, uint64_t npages, bool plain)
{
    unsigned length = npages > 1 ? 64 - (unsigned)__builtin_clzll(npages - 1) : 0;
    if (length >= largeKept)
        return new_large(p->heap, npages, plain);
    mspan **kept = &p->large[plain][length], *s = *kept;
    count(p->mark.count, GM_HEAP_LARGE_CACHED, s != NULL);
    if (!s)
        s = new_large(p->heap, UINT64_C(1) << length, plain);
    else
        *kept = NULL;
    keep_large(p, length, plain);
    keep_large(p, length + 1, plain);
    return s;
}

static void *take_large(gm_p *p, size_t size, uint32_t shape)
{
    gm_heap *h = p->heap;
    uint64_t npages = ((uint64_t)size + pageSize - 1) >> pageShift;
    if (npages > UINT32_MAX / 2)
        return NULL;
    mspan *s = h->config.path == GM_ALLOC_CACHE ? large_of_cache(p, npages, shape == 0) : new_large(h, npages, shape == 0);
    if (!s)
        return NULL;
    if (s->needzero)
        zero_in_pieces(p, s->base, s->elemsize);
    gm_span_next(s);
    gm_add_rlx(&h->live, s->elemsize); /* a number */
    void *object = born(p, s, s->base, shape);
    gm_central_put_large(h, s);
    count(p->mark.count, GM_HEAP_LARGE, 1);
    gm_gc_pace(h);
    return object;
}

static void *take_small(gm_p *p, unsigned class, uint32_t shape)
{
    uint8_t spanclass = (uint8_t)(2 * class + (shape == 0));
    mspan *s = p->cache[spanclass];
    uintptr_t object = gm_likely(s != NULL) ? gm_span_next(s) : 0;
    while (gm_unlikely(!object)) {
        if (!refill(p, spanclass))
            return NULL;
        s = p->cache[spanclass];
        object = gm_span_next(s);
    }
    if (s->needzero)
        memset((void *)object, 0, s->elemsize);
    count(p->mark.count, GM_HEAP_SMALL, 1);
    return born(p, s, object, shape);
}

/* Every small object by way of the page heap's lock. */
static void *take_locked(gm_p *p, unsigned class, uint32_t shape)
{
    pthread_mutex_lock(&p->heap->pages.lock);
    pthread_mutex_unlock(&p->heap->pages.lock);
    return take_small(p, class, shape);
}

static unsigned class_for(const gm_heap *h, size_t size)
{
    if (size > h->config.large_limit)
        return 0;
    return gm_likely(size <= lookupBytes) ? h->class_of[(size + 7) / 8] : gm_size_class(size);
}

/* A zeroed object of that shape (0: it holds no pointers); NULL: no memory, or over the limit. Inside. */
void *gm_heap_take(gm_p *p, size_t size, uint32_t shape)
{
    gm_heap *h = p->heap;
    if (gm_unlikely(gm_marking(h)) && h->config.assist == GM_ASSIST_BYTES) {
        p->assistBytes -= (int64_t)size;
        if (p->assistBytes < 0 && h->config.assist_site == GM_SITE_MALLOC)
            gm_assist(p, GM_HEAP_ASSISTS_MALLOC);
    }
    unsigned class = class_for(h, size);
    if (gm_unlikely(!class))
        return take_large(p, size, shape);
    return gm_unlikely(h->config.path == GM_ALLOC_HEAP) ? take_locked(p, class, shape) : take_small(p, class, shape);
}

/* All spans back to where they came from; those of an earlier sweepgen are swept (T3). */
void gm_cache_flush(gm_p *p)
{
    for (unsigned i = 0; i < spanClasses; i++) {
        mspan *s = p->cache[i];
        p->cache[i] = NULL;
        if (s)
            gm_central_uncacheSpan(p->heap, &p->mark, s);
    }
    for (unsigned i = 0; i < 2 * largeKept; i++) {
        mspan **kept = &p->large[i / largeKept][i % largeKept];
        if (*kept)
            gm_pages_free(&p->heap->pages, *kept);
        *kept = NULL;
    }
    p->flushGen = gm_load_rlx(&p->heap->sweepgen); /* changes only while the world is stopped */
}
