/* pages.c: arenas, runs of pages, and which span an address lies in.
 *
 * Mirrors what runtime/mheap.go and runtime/mpagealloc.go do for their callers; the structure that finds free pages is simpler.
 *
 *     address:  | arena number (22 bits) | page in the arena (13) | offset (13) |
 *                     |                        |
 *     arenas --> [ . . * . . ]   arena --> spans [ s s s f . . f t t ]      s, t: spans in use, at each of their pages
 *                                                                           f: a free run, at its first and last page
 *
 * Memory comes from the system in arenas of 64 MB (or as many together as one object needs) that are never given back before
 * the heap is. A free run is an mspan in the list of its length. Taking pages: the first run that is long enough from the
 * shortest list on, cut at its end. Giving back: joined with the free runs beside it, found by the arena's table.
 *
 *   A1  Everything here but gm_span_of is done under one lock, Go's mheap.lock.
 *   A2  gm_span_of takes no lock: the table's entry is stored (release) when all else of the span is set, and is loaded with
 *       acquire. An entry may be out of date inside of a free run, so who looks checks state and bounds.
 *   A3  mspan structures are never given back before the heap is: a late look at one is a look at a span.
 *   A4  A run knows whether its memory has been used (needzero); fresh memory is zero.
 *   A5  Pages in use never exceed the limit; who asks for more gets NULL and nothing has changed.
 *
 * Divergences: Go keeps free pages in a radix tree of bitmaps with a cache of 64 pages in each P, and gives memory back to the
 * system (the scavenger).
 */
#define _GNU_SOURCE
#include "heap/heap.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    spansAtOnce = 64,
    noReserve =
#ifdef MAP_NORESERVE
        MAP_NORESERVE
#else
        0
#endif
};

/* What is to be given back in the end: a mapping, or so many spans (size 0). */
typedef struct region {
    struct region *next;
    void *p;
    size_t size;
} region;

static const size_t arenaBytes = (size_t)1 << arenaShift;
static const size_t tableBytes = sizeof(arena *) << (addressBits - arenaShift);

static void *map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | noReserve, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool remember(pageheap *ph, void *p, size_t size)
{
    region *r = malloc(sizeof *r);
    if (!r)
        return false;
    *r = (region){ph->regions, p, size};
    ph->regions = r;
    return true;
}

bool gm_pages_init(pageheap *ph, uint64_t limit)
{
    ph->limit = limit;
    ph->arenas = map_pages(tableBytes);
    return ph->arenas && pthread_mutex_init(&ph->lock, NULL) == 0;
}

static void free_spans(mspan *many)
{
    for (int i = 0; i < spansAtOnce; i++)
        if (many[i].shapes != &many[i].own_shape)
            free((void *)many[i].shapes);
    free(many);
}

void gm_pages_destroy(pageheap *ph)
{
    for (region *r = ph->regions, *next; r; r = next) {
        next = r->next;
        if (r->size)
            munmap(r->p, r->size);
        else
            free_spans(r->p);
        free(r);
    }
    munmap(ph->arenas, tableBytes);
    pthread_mutex_destroy(&ph->lock);
}

/* ------------------------------------------------------------------ spans and their place in the table */

static mspan *new_span(pageheap *ph)
{
    if (!ph->unused) {
        mspan *many = calloc(spansAtOnce, sizeof *many);
        if (!many || !remember(ph, many, 0)) {
            free(many);
            return NULL;
        }
        for (int i = 0; i < spansAtOnce; i++) {
            many[i].next = ph->unused;
            ph->unused = &many[i];
        }
    }
    mspan *s = ph->unused;
    ph->unused = s->next;
    s->next = s->prev = NULL;
    return s;
}

static void drop_span(pageheap *ph, mspan *s)
{
    s->next = ph->unused;
    ph->unused = s;
}

static mspan *_Atomic *entry_of(pageheap *ph, uintptr_t address)
{
    if (address >> addressBits)
        return NULL;
    arena *a = gm_load_acq(&ph->arenas[address >> arenaShift]); /* pairs with grow */
    return a ? &a->spans[address >> pageShift & (arenaPages - 1)] : NULL;
}

static void set_entry(pageheap *ph, uintptr_t address, mspan *s)
{
    gm_store_rel(entry_of(ph, address), s); /* pairs with gm_span_of (A2) */
}

mspan *gm_span_of(pageheap *ph, uintptr_t address)
{
    mspan *_Atomic *entry = entry_of(ph, address);
    mspan *s = entry ? gm_load_acq(entry) : NULL;    /* pairs with set_entry (A2) */
    if (!s || gm_load_acq(&s->state) != SPAN_IN_USE) /* pairs with gm_pages_alloc and gm_pages_free */
        return NULL;
    return address >= s->base && address - s->base < (uintptr_t)s->npages << pageShift ? s : NULL;
}

/* ------------------------------------------------------------------ free runs */

static mspan **list_for(pageheap *ph, uint32_t npages)
{
    return &ph->runs[npages < runLists ? npages - 1 : runLists - 1];
}

static void link_run(pageheap *ph, mspan *s)
{
    mspan **list = list_for(ph, s->npages);
    s->prev = NULL;
    s->next = *list;
    if (*list)
        (*list)->prev = s;
    *list = s;
    set_entry(ph, s->base, s);
    set_entry(ph, s->base + ((uintptr_t)(s->npages - 1) << pageShift), s);
}

static void unlink_run(pageheap *ph, mspan *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        *list_for(ph, s->npages) = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

/* The free run that has a page at that address, at its beginning or end. */
static mspan *run_at(pageheap *ph, uintptr_t address)
{
    mspan *_Atomic *entry = entry_of(ph, address);
    mspan *s = entry ? gm_load_rlx(entry) : NULL; /* relaxed: under the lock (A1) */
    bool inside = s && address >= s->base && address - s->base < (uintptr_t)s->npages << pageShift;
    return inside && gm_load_rlx(&s->state) == SPAN_FREE ? s : NULL;
}

/* Makes s a free run, joined with those beside it. */
static void add_run(pageheap *ph, mspan *s)
{
    mspan *before = run_at(ph, s->base - 1), *behind = run_at(ph, s->base + ((uintptr_t)s->npages << pageShift));
    if (before) {
        unlink_run(ph, before);
        s->base = before->base;
        s->npages += before->npages;
        s->needzero |= before->needzero;
        drop_span(ph, before);
    }
    if (behind) {
        unlink_run(ph, behind);
        s->npages += behind->npages;
        s->needzero |= behind->needzero;
        drop_span(ph, behind);
    }
    link_run(ph, s);
}

/* One more arena, or as many side by side as npages take. */
static bool grow(pageheap *ph, uint32_t npages)
{
    size_t narenas = ((size_t)npages + arenaPages - 1) / arenaPages, size = narenas * arenaBytes;
    unsigned char *raw = map_pages(size + arenaBytes);
    arena *tables = map_pages(narenas * sizeof(arena));
    mspan *s = new_span(ph);
    if (!raw || !tables || !s || !remember(ph, raw, size + arenaBytes) || !remember(ph, tables, narenas * sizeof(arena)))
        return false; /* what was had stays with the heap; there is no memory left for lists of it */
    s->base = ((uintptr_t)raw + arenaBytes - 1) & ~(arenaBytes - 1);
    s->npages = (uint32_t)(size >> pageShift);
    s->needzero = false;
    gm_store_rlx(&s->state, SPAN_FREE);
    for (size_t i = 0; i < narenas; i++)
        gm_store_rel(&ph->arenas[(s->base >> arenaShift) + i], &tables[i]); /* pairs with entry_of */
    gm_add_rlx(&ph->mapped, size);                                          /* a number to look at */
    add_run(ph, s);
    return true;
}

static mspan *find_run(pageheap *ph, uint32_t npages)
{
    for (uint32_t n = npages; n < runLists; n++)
        if (ph->runs[n - 1])
            return ph->runs[n - 1];
    mspan *best = NULL;
    for (mspan *s = ph->runs[runLists - 1]; s; s = s->next)
        if (s->npages >= npages && (!best || s->npages < best->npages))
            best = s;
    return best;
}

/* The last npages of a run, as a span of their own. */
static mspan *cut(pageheap *ph, mspan *run, uint32_t npages)
{
    if (run->npages == npages) {
        unlink_run(ph, run);
        return run;
    }
    mspan *s = new_span(ph);
    if (!s)
        return NULL;
    unlink_run(ph, run);
    run->npages -= npages;
    link_run(ph, run);
    s->base = run->base + ((uintptr_t)run->npages << pageShift);
    s->npages = npages;
    s->needzero = run->needzero;
    return s;
}

static mspan *take_pages(pageheap *ph, uint32_t npages)
{
    uint64_t bytes = (uint64_t)npages << pageShift, in_use = gm_load_rlx(&ph->in_use); /* changed under the lock only */
    if (bytes > ph->limit || in_use > ph->limit - bytes)
        return NULL;
    mspan *run = find_run(ph, npages);
    if (!run && grow(ph, npages))
        run = find_run(ph, npages);
    mspan *s = run ? cut(ph, run, npages) : NULL;
    if (s)
        gm_store_rlx(&ph->in_use, in_use + bytes);
    return s;
}

/* A span in use, its objects all free; NULL: no memory, or over the limit. */
mspan *gm_pages_alloc(pageheap *ph, uint32_t npages, uint8_t spanclass, size_t elemsize)
{
    _Atomic uint8_t *shapes = NULL;
    bool many = elemsize < (size_t)npages << pageShift && !(spanclass & 1);
    if (many && !(shapes = calloc(((size_t)npages << pageShift) / elemsize, 1)))
        return NULL;
    pthread_mutex_lock(&ph->lock);
    mspan *s = take_pages(ph, npages);
    if (s) {
        s->shapes = shapes;
        gm_span_init(s, spanclass, elemsize);
        gm_store_rel(&s->state, SPAN_IN_USE); /* pairs with gm_span_of */
        for (uint32_t i = 0; i < npages; i++)
            set_entry(ph, s->base + ((uintptr_t)i << pageShift), s);
    }
    pthread_mutex_unlock(&ph->lock);
    if (!s)
        free(shapes);
    return s;
}

void gm_pages_free(pageheap *ph, mspan *s)
{
    _Atomic uint8_t *shapes = s->shapes == &s->own_shape ? NULL : s->shapes;
    pthread_mutex_lock(&ph->lock);
    gm_store_rel(&s->state, SPAN_FREE); /* pairs with gm_span_of */
    gm_store_rlx(&ph->in_use, gm_load_rlx(&ph->in_use) - ((uint64_t)s->npages << pageShift));
    s->needzero = true;
    s->shapes = NULL;
    add_run(ph, s);
    pthread_mutex_unlock(&ph->lock);
    free(shapes);
}
