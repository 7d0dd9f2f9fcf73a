/* heap.c: making and freeing a heap, and what maps and callers see of it.
 *
 * A heap is a world of its own: spans, Ps, and the threads that collect. Maps come into it (attach) with the shape of the
 * blocks that hold pointers and with their roots, and leave it (detach); a heap is freed when no map is left.
 *
 *   E1  A map's blocks begin with a header that the map's pointers point behind: any address inside of an object is as good as
 *       its first.
 *   E2  Shapes are kept for as long as the heap, equal ones once: an object carries the number of its shape, a byte. When 255
 *       are in use, a map with another one is refused.
 *   E3  Maps are refused where lost objects are freed: a map does not survive that.
 *
 * The knobs' hooks are called by the paths for heaps at each get and growth; at Go's settings they return at once.
 */
#define _GNU_SOURCE
#include "heap/heap.h"

#include "base/clock.h"
#include "base/thread.h"

#include <stdlib.h>
#include <unistd.h>

enum { shapeHeader = 16 };

static _Atomic uint64_t heaps; /* numbers given out so far */

/* ------------------------------------------------------------------ settings */

void gm_heap_config_go(gm_heap_config *out)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *out = (gm_heap_config){.gogc = 100,
                            .procs = cpus < 1        ? 1
                                     : cpus > mostPs ? mostPs
                                                     : (uint32_t)cpus,
                            .workers = -1,
                            .poison = 1,
                            .large_limit = gm_max_small,
                            .sweep_budget = 100,
                            .assist_every = 8};
}

static bool allowed(const gm_heap_config *c)
{
    return c->gogc >= -1 && c->procs >= 1 && c->procs <= mostPs && c->workers >= -1 && c->workers <= mostPs && c->poison <= 1 &&
           c->path <= GM_ALLOC_CACHE && c->large_limit <= gm_max_small && c->mcache_flush <= GM_FLUSH_AT_MARK &&
           c->read_span_lock <= 1 && c->wb <= GM_WB_OFF && c->wbbuf_flush <= GM_WBBUF_HASHGROW && c->flush_lock <= 1 &&
           c->assist <= GM_ASSIST_OFF && c->assist_every >= 1 && c->assist_site <= GM_SITE_BARRIER &&
           c->markbits <= GM_MARKBITS_CAS && c->get_marks <= 1 && c->via_span <= 1 && c->check <= 1 && c->lost <= GM_LOST_FREE;
}

uintptr_t gm_heap_poison(const gm_heap *h)
{
    return (uintptr_t)h->poison + pageSize / 2;
}

/* ------------------------------------------------------------------ members */

static bool same_shape(const gm_shape *a, const gm_shape *b)
{
    return a->first == b->first && a->stride == b->stride && a->n == b->n && memcmp(a->at, b->at, a->n * sizeof *a->at) == 0;
}

/* The number of a shape (E2), 0: there are too many. Under members_lock. */
static uint32_t shape_number(gm_heap *h, const gm_shape *shape)
{
    for (uint32_t i = 1; i <= h->nshapes; i++)
        if (same_shape(&h->shapes[i], shape))
            return i;
    if (h->nshapes == mostShapes - 1)
        return 0;
    h->shapes[++h->nshapes] = *shape;
    return h->nshapes;
}

static int attach(void *ctx, gm_member *m)
{
    gm_heap *h = ctx;
    if (m->frail && h->config.lost == GM_LOST_FREE) /* E3 */
        return GM_E_ARGUMENT;
    pthread_mutex_lock(&h->members_lock);
    m->shape_id = shape_number(h, &m->shape);
    if (m->shape_id) {
        m->prev = NULL;
        m->next = h->members;
        if (m->next)
            m->next->prev = m;
        h->members = m;
    }
    pthread_mutex_unlock(&h->members_lock);
    return m->shape_id ? GM_OK : GM_E_ARGUMENT;
}

static void detach(void *ctx, gm_member *m)
{
    gm_heap *h = ctx;
    pthread_mutex_lock(&h->members_lock);
    if (m->prev)
        m->prev->next = m->next;
    else
        h->members = m->next;
    if (m->next)
        m->next->prev = m->prev;
    pthread_mutex_unlock(&h->members_lock);
}

/* ------------------------------------------------------------------ what a map calls */

static void enter(void *ctx)
{
    gm_world_enter(ctx);
}

static void leave(void *ctx)
{
    gm_world_leave(gm_world_inside(ctx));
}

static void safe(void *ctx)
{
    gm_world_safe(gm_world_inside(ctx));
}

static void *pointers(void *ctx, const gm_member *m, size_t size)
{
    return gm_heap_take(gm_world_inside(ctx), size, m->shape_id);
}

static void *plain(void *ctx, size_t size)
{
    return gm_heap_take(gm_world_inside(ctx), size, 0);
}

/* Whether a collection has given pages back. */
static bool make_room(void *ctx)
{
    gm_p *p = gm_world_inside(ctx);
    pageheap *pages = &p->heap->pages;
    uint64_t before = gm_load_rlx(&pages->in_use);
    gm_gc_wait_inside(p);
    return gm_load_rlx(&pages->in_use) < before;
}

static void keep(void *ctx, void *object)
{
    gm_p *p = gm_world_inside(ctx);
    if (!gm_marking(p->heap))
        return;
    gm_mark(&p->mark, (uintptr_t)object);
    gm_work_hand_on(&p->mark);
}

/* Go's bulk barrier. */
static void wipe(void *ctx, void *block)
{
    gm_p *p = gm_world_inside(ctx);
    mspan *s = gm_barrier_now ? gm_span_of(&p->heap->pages, (uintptr_t)block) : NULL;
    if (!s || !holdsPointers(s))
        return;
    uint32_t i = objectIndex(s, (uintptr_t)block);
    const gm_shape *shape = &p->heap->shapes[gm_load_rlx(&s->shapes[i])];
    size_t n = (s->elemsize - shape->first) / shape->stride;
    for (size_t e = 0; e < n; e++)
        for (uint32_t j = 0; j < shape->n; j++) {
            uintptr_t at = objectBase(s, i) + shape->first + e * shape->stride + shape->at[j];
            gm_barrier_put(gm_barrier_now, gm_load_acq((void *_Atomic *)at), NULL);
        }
}

/* ------------------------------------------------------------------ the knobs' hooks */

/* The article's way to a bucket: P, cache, span. The array's span is there if it was the last of its class that this P took;
 * all spans that it ever took are not, and a large array's never was: then the page table has to tell. */
static void look_up_span(gm_p *p, uintptr_t address)
{
    count(p->mark.count, GM_HEAP_GET_SPANS, 1);
    for (unsigned i = 0; i < spanClasses; i++) {
        const mspan *s = p->cache[i];
        if (s && address - s->base < (uintptr_t)s->npages << pageShift) {
            count(p->mark.count, GM_HEAP_GET_SPAN_HITS, 1);
            return;
        }
    }
    const mspan *s = gm_span_of(&p->heap->pages, address);
    __asm__ volatile("" : : "r"(s)); /* looked up, and of no use to a get */
}

static void before_get(void *ctx, const void *address)
{
    gm_p *p = gm_world_inside(ctx);
    if (p->heap->config.via_span && address)
        look_up_span(p, (uintptr_t)address);
    mspan *s = p->heap->config.read_span_lock ? gm_span_of(&p->heap->pages, (uintptr_t)address) : NULL;
    if (!s)
        return;
    count(p->mark.count, GM_HEAP_GET_LOCKS, 1);
    if (!gm_swap_acq(&s->reader, 1)) /* pairs with the release in after_get and in central.c */
        return;
    count(p->mark.count, GM_HEAP_GET_LOCK_WAITS, 1);
    while (gm_swap_acq(&s->reader, 1))
        gm_relax();
}

static void after_get(void *ctx, const void *address, const void *found)
{
    gm_p *p = gm_world_inside(ctx);
    gm_heap *h = p->heap;
    mspan *s = h->config.read_span_lock ? gm_span_of(&h->pages, (uintptr_t)address) : NULL;
    if (s)
        gm_store_rel(&s->reader, 0); /* pairs with before_get */
    if (!h->config.get_marks || !gm_marking(h) || !found)
        return;
    gm_mark(&p->mark, (uintptr_t)found);
    gm_work_hand_on(&p->mark);
    count(p->mark.count, GM_HEAP_GET_MARKS, 1);
}

/* The article's flush of all Ps, by whoever grows a map. */
static void flush_all(gm_p *p, uint32_t when)
{
    gm_heap *h = p->heap;
    if (h->config.wbbuf_flush != when || !gm_marking(h))
        return;
    gm_world_stop(h, p);
    gm_barrier_flush_all(h);
    gm_world_start(h);
    count(p->mark.count, GM_HEAP_ALL_P_FLUSHES, 1);
}

static void grow_work(void *ctx)
{
    flush_all(gm_world_inside(ctx), GM_WBBUF_GROWWORK);
}

static void grow(void *ctx)
{
    flush_all(gm_world_inside(ctx), GM_WBBUF_HASHGROW);
}

/* ------------------------------------------------------------------ making and freeing */

static bool init_locks(gm_heap *h)
{
    bool ok = pthread_mutex_init(&h->world, NULL) == 0 && pthread_mutex_init(&h->control, NULL) == 0 &&
              pthread_mutex_init(&h->flush_lock, NULL) == 0 && pthread_mutex_init(&h->members_lock, NULL) == 0 &&
              pthread_cond_init(&h->changed, NULL) == 0;
    for (int i = 0; i < spanClasses; i++)
        ok = ok && gm_central_init(&h->central[i]);
    return ok;
}

static void destroy(gm_heap *h)
{
    for (uint32_t i = 0; i < gm_load_acq(&h->nps); i++) /* pairs with add_p */
        free(gm_load_rlx(&h->ps[i]));
    gm_pages_destroy(&h->pages);
    gm_work_destroy(h);
    free(h->poison);
    free(h);
}

static gm_collector collector_of(gm_heap *h)
{
    return (gm_collector){.ctx = h,
                          .attach = attach,
                          .detach = detach,
                          .enter = enter,
                          .leave = leave,
                          .safe = safe,
                          .pointers = pointers,
                          .plain = plain,
                          .make_room = make_room,
                          .keep = keep,
                          .wipe = wipe,
                          .before_get = before_get,
                          .after_get = after_get,
                          .grow_work = grow_work,
                          .grow = grow};
}

static bool init_memory(gm_heap *h)
{
    h->poison = calloc(1, pageSize);
    return h->poison && gm_work_init(h) && gm_pages_init(&h->pages, h->config.limit ? h->config.limit : UINT64_MAX) &&
           init_locks(h);
}

int gm_heap_new(const gm_heap_config *c, gm_heap **out)
{
    *out = NULL;
    if (!allowed(c))
        return GM_E_ARGUMENT;
    gm_heap *h;
    if (posix_memalign((void **)&h, gm_line_bytes, sizeof *h) != 0)
        return GM_E_NOMEM;
    memset(h, 0, sizeof *h);
    h->id = gm_add_rlx(&heaps, 1) + 1; /* relaxed: a number, ordering nothing */
    h->config = *c;
    h->config.poison |= !gm_heap_sound(c); /* what is lost is to be seen */
    h->own.h = h;
    for (unsigned i = 0; i < sizeof h->class_of; i++)
        h->class_of[i] = (uint8_t)gm_size_class(8 * i);
    h->collector = collector_of(h);
    int status = init_memory(h) ? gm_gc_start(h) : GM_E_NOMEM;
    if (status == GM_OK) {
        *out = h;
        return GM_OK;
    }
    gm_gc_close(h);
    destroy(h);
    return status;
}

/* Nobody else may use the heap any more. */
int gm_heap_free(gm_heap *h)
{
    if (!h)
        return GM_OK;
    pthread_mutex_lock(&h->members_lock);
    bool used = h->members != NULL;
    pthread_mutex_unlock(&h->members_lock);
    if (used || gm_load_acq(&h->running) > 0) /* a hint: of threads that should not be there */
        return GM_E_ARGUMENT;
    gm_gc_close(h);
    destroy(h);
    return GM_OK;
}

const gm_collector *gm_heap_collector(gm_heap *h)
{
    return &h->collector;
}

void gm_heap_collect(gm_heap *h)
{
    gm_gc_wait(h);
}

/* ------------------------------------------------------------------ numbers */

void gm_heap_read_stats(gm_heap *h, gm_heap_stats *out)
{
    *out = (gm_heap_stats){
        .cycles = gm_load_rlx(&h->cycles), /* numbers to look at, all */
        .live = gm_load_rlx(&h->live),
        .goal = gm_load_rlx(&h->goal),
        .trigger = gm_load_rlx(&h->trigger),
        .in_use = gm_load_rlx(&h->pages.in_use),
        .mapped = gm_load_rlx(&h->pages.mapped),
        .stopped_ns = gm_load_rlx(&h->stopped_ns),
        .longest_stop_ns = gm_load_rlx(&h->longest_stop_ns),
        .mark_ns = gm_load_rlx(&h->mark_ns),
        .ps = gm_load_acq(&h->nps), /* pairs with add_p */
        .procs = h->config.procs,
        .dedicated = h->dedicated,
        .fractional = h->fractional,
    };
    for (int i = 0; i < 3; i++)
        out->worker_ns[i] = gm_load_rlx(&h->worker_ns[i]);
    for (int i = 0; i < GM_HEAP_COUNTS; i++)
        out->counts[i] = gm_gc_count(h, (enum gm_heap_count)i);
}

size_t gm_heap_cycles(gm_heap *h, gm_heap_cycle *out, size_t cap)
{
    pthread_mutex_lock(&h->control);
    uint64_t done = h->done, n = done < keptCycles ? done : keptCycles;
    n = n < cap ? n : cap;
    for (uint64_t i = 0; i < n; i++)
        out[i] = h->ring[(done - n + i) % keptCycles];
    pthread_mutex_unlock(&h->control);
    return (size_t)n;
}

/* ------------------------------------------------------------------ a race against the C library */

/* The last `live` objects, oldest first to go: in a table that is an object itself, and the only root. */
typedef struct holder {
    gm_member member;
    void *_Atomic *held;
    size_t live;
} holder;

static void holder_roots(gm_member *m, gm_root_visit visit, void *ctx)
{
    const holder *r = (const holder *)(const void *)m;
    visit(ctx, (void *)r->held);
}

/* As Go stores a pointer: told to the collector while it marks. */
static void hold(void *_Atomic *slot, void *object)
{
    if (gm_unlikely(gm_barrier_now != NULL))
        gm_barrier_put(gm_barrier_now, gm_load_rlx(slot), object); /* relaxed: this thread stored it */
    gm_store_rel(slot, object);                                    /* pairs with the marking of the table (L4) */
}

static int time_heap(gm_heap *h, holder *r, size_t size, uint64_t n, uint64_t *ns)
{
    gm_p *p = gm_world_enter(h);
    r->held = gm_heap_take(p, r->live * sizeof *r->held, r->member.shape_id);
    uint64_t began = gm_now_ns(), i = 0;
    for (size_t at = 0; r->held && i < n; i++, at = at + 1 == r->live ? 0 : at + 1) {
        void *object = gm_heap_take(p, size, 0);
        if (!object)
            break;
        hold(&r->held[at], object);
        gm_world_safe(p);
    }
    *ns = gm_now_ns() - began;
    gm_world_leave(p);
    return i == n ? GM_OK : GM_E_NOMEM;
}

static int time_libc(size_t live, size_t size, uint64_t n, uint64_t *ns)
{
    void *_Atomic *held = calloc(live, sizeof *held);
    uint64_t began = gm_now_ns(), i = 0;
    for (size_t at = 0; held && i < n; i++, at = at + 1 == live ? 0 : at + 1) {
        free(gm_load_rlx(&held[at]));
        void *object = calloc(1, size);
        gm_store_rel(&held[at], object); /* as in hold, to cost the same */
        if (!object)
            break;
    }
    *ns = gm_now_ns() - began;
    for (size_t at = 0; held && at < live; at++)
        free(gm_load_rlx(&held[at]));
    free((void *)held);
    return i == n ? GM_OK : GM_E_NOMEM;
}

int gm_heap_time(gm_heap *h, size_t size, uint64_t n, size_t live, uint64_t *heap_ns, uint64_t *libc_ns)
{
    if (live == 0 || size == 0)
        return GM_E_ARGUMENT;
    holder r = {.member = {.collector = &h->collector, .roots = holder_roots, .shape = {0, sizeof(void *), 1, {0}}},
                .live = live};
    int status = attach(h, &r.member);
    if (status != GM_OK)
        return status;
    status = time_heap(h, &r, size, n, heap_ns);
    detach(h, &r.member);
    return status == GM_OK ? time_libc(live, size, n, libc_ns) : status;
}
