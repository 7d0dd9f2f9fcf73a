/* mark.c: marking: from roots and barriers to objects, from objects to what they point to.
 *
 * Mirrors greyobject, scanobject, gcDrain (runtime/mgcmark.go), wbBufFlush1 (mwbbuf.go) and gcmarknewobject.
 *
 *     white: not marked      grey: marked, in a work buffer      black: marked, and scanned, or without pointers, or born so
 *
 *   D1  Only the pointers of an object's shape are followed (precise); what they hold is loaded with acquire, which pairs with
 *       the release, or the fence of the allocation (L4), before they were stored.
 *   D2  What was reachable when marking began is marked: roots are marked while the world is stopped, and a pointer that is
 *       overwritten is told to the barrier first (Y1). New objects are black. So whatever a running operation holds is safe.
 *   D3  The barrier keeps the old and the new pointer (Go's hybrid barrier): for the first half of this the old alone would
 *       do; the second costs what it costs in Go.
 *   D4  A P's barrier buffer is emptied by its own P when it is full, and by who ends marking while the world is stopped.
 *   D5  Objects over 128 KB are scanned in pieces: the first to take one puts the others' beginnings into the work buffers.
 *   D6  A pointer to a free object is counted (dangling) and not followed: at Go's settings there is none.
 *
 * CHECKING. Where a knob makes marking unsound (mark bits that are not atomic, no barrier) or asks for it, the whole graph is
 * marked once more with other bits while the world is stopped at the end. What this finds and the marking did not is counted as
 * lost; it is kept, or with `lost` set to free it is freed and poisoned, and seen later as a dangling pointer.
 */
#include "base/clock.h"
#include "base/probe.h"
#include "base/thread.h"
#include "heap/heap.h"

static bool check_mark(marker *k, mspan *s, uint32_t i)
{
    _Atomic uint8_t *byte = &s->checkBits[i / 8], *marked = &s->markBits[i / 8];
    uint8_t mask = (uint8_t)(1u << i % 8);
    if (gm_load_rlx(byte) & mask) /* the world is stopped: nobody else is here */
        return false;
    gm_store_rlx(byte, gm_load_rlx(byte) | mask);
    if (!(gm_load_rlx(marked) & mask)) {
        count(k->count, GM_HEAP_LOST, 1);
        if (k->h->config.lost == GM_LOST_KEEP)
            gm_store_rlx(marked, gm_load_rlx(marked) | mask);
    }
    return true;
}

/* Marks what lies at an address, and makes it grey if it may point to something. */
void gm_mark(marker *k, uintptr_t address)
{
    mspan *s = gm_span_of(&k->h->pages, address);
    uint32_t i = s ? objectIndex(s, address) : 0;
    if (!s || gm_span_is_free(s, i)) {
        count(k->count, GM_HEAP_DANGLING, 1); /* D6 */
        return;
    }
    if (k->checking ? !check_mark(k, s, i) : !gm_set_marked(k, s, i)) {
        count(k->count, GM_HEAP_MARKED_ALREADY, 1);
        return;
    }
    if (!k->checking) {
        count(k->count, GM_HEAP_MARKED, 1);
        k->bytes += s->elemsize;
    }
    if (holdsPointers(s))
        gm_work_push(k, objectBase(s, i));
}

void gm_born_black(marker *k, mspan *s, uint32_t i)
{
    gm_set_marked(k, s, i);
    k->bytes += s->elemsize;
}

/* ------------------------------------------------------------------ scanning */

static void scan_elements(marker *k, const gm_shape *shape, uintptr_t object, size_t from, size_t until)
{
    for (size_t e = from; e < until; e++) {
        uintptr_t element = object + shape->first + e * shape->stride;
        for (uint32_t j = 0; j < shape->n; j++) {
            void *p = gm_load_acq((void *_Atomic *)(element + shape->at[j])); /* D1 */
            if (p)
                gm_mark(k, (uintptr_t)p);
        }
    }
}

/* The first element that begins at that offset of an object or behind it. */
static size_t element_from(const gm_shape *shape, size_t offset)
{
    return offset <= shape->first ? 0 : (offset - shape->first + shape->stride - 1) / shape->stride;
}

/* Scans a grey object, or one piece of it (D5); returns the bytes looked at. */
static size_t scan(marker *k, uintptr_t at)
{
    mspan *s = gm_span_of(&k->h->pages, at);
    uint32_t i = objectIndex(s, at);
    uintptr_t object = objectBase(s, i);
    const gm_shape *shape = &k->h->shapes[gm_load_rlx(&s->shapes[i])]; /* published with the object (L4) */
    size_t begin = at - object, size = s->elemsize, end = size - begin > obletBytes ? begin + obletBytes : size;
    if (begin == 0 && size > obletBytes) {
        for (size_t piece = obletBytes; piece < size; piece += obletBytes)
            gm_work_push(k, object + piece);
        gm_work_hand_on(k); /* or the others would wait for this piece */
    }
    if (size < shape->first + shape->stride)
        return 0;
    size_t all = (size - shape->first) / shape->stride, until = element_from(shape, end);
    scan_elements(k, shape, object, element_from(shape, begin), until < all ? until : all);
    return end - begin;
}

/* Hands on what a marker has counted for itself. */
static void settle(marker *k)
{
    gm_add_rlx(&k->h->bgCredit, k->credit); /* both: numbers */
    gm_add_rlx(&k->h->marked, k->bytes);
    k->credit = 0;
    k->bytes = 0;
}

/* Scans grey objects until about `most` bytes are looked at, or none is left; returns how many were. The credit is the
 * caller's: a worker gives it to all. */
int64_t gm_drain(marker *k, int64_t most)
{
    int64_t work = 0;
    uintptr_t object;
    while (work < most && gm_work_take(k, &object))
        work += (int64_t)scan(k, object) + 1;
    gm_add_rlx(&k->h->scanDone, (uint64_t)work); /* a number */
    return work;
}

int64_t gm_drain_for_all(marker *k, int64_t most)
{
    int64_t all = 0;
    for (int64_t work = creditStep; work >= creditStep && all < most; all += work) {
        work = gm_drain(k, creditStep);
        k->credit += work;
        settle(k);
    }
    return all;
}

static void visit_root(void *ctx, void *p)
{
    if (p)
        gm_mark(ctx, (uintptr_t)p);
}

/* While the world is stopped. */
void gm_mark_roots(gm_heap *h, marker *k)
{
    pthread_mutex_lock(&h->members_lock);
    for (gm_member *m = h->members; m; m = m->next)
        m->roots(m, visit_root, k);
    pthread_mutex_unlock(&h->members_lock);
}

/* CHECKING, while the world is stopped and nothing is grey. */
void gm_check_marks(gm_heap *h, marker *k)
{
    k->checking = true;
    gm_mark_roots(h, k);
    while (gm_drain(k, INT64_MAX) > 0)
        ;
    gm_work_hand_on(k);
    k->checking = false;
}

/* ------------------------------------------------------------------ the write barrier */

static uint32_t first_room(const gm_heap_config *c)
{
    bool every = c->assist == GM_ASSIST_STORES || c->assist_site == GM_SITE_BARRIER;
    return every ? 2 : gm_barrier_entries;
}

void gm_barrier_init(gm_p *p)
{
    p->barrier.full = gm_barrier_full;
    p->barrier.room = first_room(&p->heap->config);
}

static void mark_entries(gm_p *p)
{
    for (uint32_t i = 0; i < p->barrier.n; i++)
        if (p->barrier.entries[i])
            gm_mark(&p->mark, (uintptr_t)p->barrier.entries[i]);
    gm_work_hand_on(&p->mark);
}

/* Marks what a P's barrier holds; for its own P, or while the world is stopped (D4). */
void gm_barrier_flush(gm_p *p)
{
    gm_heap *h = p->heap;
    gm_span span = gm_span_enter(GM_CAUSE_BARRIER_FLUSH);
    bool lock = h->config.flush_lock && gm_marking(h);
    if (lock && pthread_mutex_trylock(&h->flush_lock) != 0) {
        count(p->mark.count, GM_HEAP_FLUSH_WAITS, 1);
        pthread_mutex_lock(&h->flush_lock);
    }
    if (gm_marking(h)) /* else GM_WB_ALWAYS: nobody wants them */
        mark_entries(p);
    if (lock)
        pthread_mutex_unlock(&h->flush_lock);
    count(p->mark.count, GM_HEAP_BARRIER_ENTRIES, p->barrier.n);
    count(p->mark.count, GM_HEAP_BARRIER_FLUSHES, p->barrier.n > 0);
    p->barrier.n = 0;
    p->barrier.room = first_room(&h->config);
    settle(&p->mark);
    gm_span_leave(span);
}

/* The article's rules: a store may start an assist. */
static void after_store(gm_p *p)
{
    const gm_heap_config *c = &p->heap->config;
    if (c->assist == GM_ASSIST_STORES && ++p->stores >= c->assist_every) {
        p->stores = 0;
        p->assistBytes = -1;
        gm_assist(p, GM_HEAP_ASSISTS_BARRIER);
    } else if (c->assist == GM_ASSIST_BYTES && c->assist_site == GM_SITE_BARRIER && p->assistBytes < 0) {
        gm_assist(p, GM_HEAP_ASSISTS_BARRIER);
    }
}

void gm_barrier_full(gm_barrier *b)
{
    gm_p *p = (gm_p *)(void *)((unsigned char *)b - offsetof(gm_p, barrier));
    if (b->n >= gm_barrier_entries)
        gm_barrier_flush(p);
    if (first_room(&p->heap->config) == gm_barrier_entries || !gm_marking(p->heap))
        return;
    after_store(p);
    b->room = b->n + 2;
}

/* All Ps at once, with the world stopped: what the article sees in a growth. */
void gm_barrier_flush_all(gm_heap *h)
{
    uint32_t n = gm_load_acq(&h->nps); /* pairs with add_p */
    for (uint32_t i = 0; i < n; i++)
        gm_barrier_flush(gm_load_rlx(&h->ps[i]));
}
