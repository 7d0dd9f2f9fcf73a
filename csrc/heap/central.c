/* central.c: all spans of one class: with room and without, swept and not yet swept.
 *
 * Mirrors runtime/mcentral.go and the rules of sweepgen in runtime/mheap.go. Four lists a class, two of which change sides with
 * every collection:
 *
 *     swept    partial  full          which of the two is which:  heap sweepgen / 2 % 2
 *     unswept  partial  full
 *
 *   a span's sweepgen, compared with the heap's, which goes up by 2 in the stop that ends marking
 *     -2  in an unswept list                    +1  in a cache since before the collection: is swept when it leaves it
 *      0  swept, in a swept list                +3  in a cache, and swept
 *
 * A P whose span is full asks for another: one with room that is swept; else one that can be swept and then has room; else new
 * pages. It sweeps at most as many as the budget says (100, as in Go) in front of one allocation.
 *
 *   T1  Who takes a span out of a list owns it, sweeps it and puts it into a list or into its cache: there is no other claim to
 *       a span, and no count of those who sweep. Before marking begins the lists are swept empty and then the world stops: a P
 *       that took a span out has put it away by then.
 *   T2  A span that a sweep finds empty goes back to the page heap, unless it was swept for an allocation.
 *   T3  A cache of an earlier sweepgen is flushed before its P allocates again (world.c): what would be allocated in such a
 *       span has no mark, and the sweep to come would free it.
 *
 * Divergence: lists under a lock, where Go has lock-free sets of blocks.
 */
#include "base/probe.h"
#include "base/thread.h"
#include "heap/heap.h"

static void push(spanlist *l, mspan *s)
{
    s->next = l->head;
    l->head = s;
}

static mspan *pop(spanlist *l)
{
    mspan *s = l->head;
    if (s)
        l->head = s->next;
    return s;
}

bool gm_central_init(mcentral *c)
{
    return pthread_mutex_init(&c->lock, NULL) == 0;
}

/* Which of the two lists is the swept one. */
static unsigned swept(const gm_heap *h)
{
    return gm_load_rlx(&h->sweepgen) / 2 % 2; /* changes only while the world is stopped */
}

/* Takes the first span out of the unswept (partial, full) or swept lists; NULL: there is none. */
static mspan *take(mcentral *c, unsigned side, bool full)
{
    pthread_mutex_lock(&c->lock);
    mspan *s = pop(full ? &c->full[side] : &c->partial[side]);
    pthread_mutex_unlock(&c->lock);
    return s;
}

static void put_swept(gm_heap *h, mspan *s)
{
    mcentral *c = &h->central[s->spanclass];
    gm_store_rlx(&s->sweepgen, gm_load_rlx(&h->sweepgen)); /* under T1 */
    pthread_mutex_lock(&c->lock);
    push(s->allocCount == s->nelems ? &c->full[swept(h)] : &c->partial[swept(h)], s);
    pthread_mutex_unlock(&c->lock);
}

/* A large object's span, which no cache ever holds. */
void gm_central_put_large(gm_heap *h, mspan *s)
{
    put_swept(h, s);
}

/* Under read_span_lock gets take the same lock. Acquire pairs with the release below. */
static void sweep(gm_heap *h, marker *k, mspan *s)
{
    gm_span span = gm_span_enter(GM_CAUSE_SWEEP);
    while (h->config.read_span_lock && gm_swap_acq(&s->reader, 1))
        gm_relax();
    uint32_t freed = gm_span_sweep_bits(s, h->config.poison, gm_heap_poison(h));
    if (h->config.read_span_lock)
        gm_store_rel(&s->reader, 0);
    gm_span_leave(span);
    count(k->count, GM_HEAP_SWEPT, 1);
    count(k->count, GM_HEAP_FREED, freed);
    count(k->count, GM_HEAP_FREED_BYTES, freed * s->elemsize);
}

static void settle_swept(gm_heap *h, mspan *s)
{
    if (s->allocCount == 0)
        gm_pages_free(&h->pages, s);
    else
        put_swept(h, s);
}

/* A span with room out of the unswept ones, at the cost of at most *budget sweeps. */
static mspan *sweep_for_room(gm_heap *h, gm_p *p, mcentral *c, bool full, uint32_t *budget)
{
    while (*budget > 0) {
        mspan *s = take(c, 1 - swept(h), full);
        if (!s)
            return NULL;
        --*budget;
        sweep(h, &p->mark, s);
        count(p->mark.count, GM_HEAP_SWEPT_IN_REFILL, 1);
        if (s->allocCount < s->nelems)
            return s;
        put_swept(h, s);
    }
    return NULL;
}

static mspan *new_pages(gm_heap *h, uint8_t spanclass)
{
    unsigned class = spanclass / 2;
    return gm_pages_alloc(&h->pages, gm_class_pages[class], spanclass, gm_class_bytes[class]);
}

/* A span with room for the cache of a P; NULL: no memory. */
mspan *gm_central_cacheSpan(gm_heap *h, gm_p *p, uint8_t spanclass)
{
    mcentral *c = &h->central[spanclass];
    uint32_t budget = h->config.sweep_budget;
    mspan *s = take(c, swept(h), false);
    if (!s)
        s = sweep_for_room(h, p, c, false, &budget);
    if (!s)
        s = sweep_for_room(h, p, c, true, &budget);
    if (!s)
        s = new_pages(h, spanclass);
    if (!s)
        return NULL;
    gm_store_rlx(&s->sweepgen, gm_load_rlx(&h->sweepgen) + 3);                 /* under T1 */
    gm_add_rlx(&h->live, (uint64_t)(s->nelems - s->allocCount) * s->elemsize); /* as if all of it were taken, as Go has it */
    return s;
}

/* A span leaves a cache. */
void gm_central_uncacheSpan(gm_heap *h, marker *k, mspan *s)
{
    if (gm_load_rlx(&s->sweepgen) == gm_load_rlx(&h->sweepgen) + 1) {
        sweep(h, k, s);
        settle_swept(h, s);
        return;
    }
    gm_sub_rlx(&h->live, (uint64_t)(s->nelems - s->allocCount) * s->elemsize);
    put_swept(h, s);
}

/* Sweeps one span, looking from list *at on; false: none is left to be swept. Nothing comes into these lists meanwhile. */
bool gm_sweepone(gm_heap *h, marker *k, unsigned *at)
{
    for (; *at < 2 * spanClasses; ++*at) {
        mspan *s = take(&h->central[*at / 2], 1 - swept(h), *at % 2);
        if (!s)
            continue;
        sweep(h, k, s);
        settle_swept(h, s);
        return true;
    }
    return false;
}
