/* heap.h: the types of the heap model, as csrc/heap sees them. What they do is told in the files that own them:
 *
 *   pages.c    arenas, the page heap, which span an address lies in        world.c    Ps, stopping the world
 *   span.c     a span's bits: allocating, marking, sweeping                work.c     grey objects in buffers
 *   central.c  spans of one class, swept and not                           mark.c     marking, scanning, the write barrier
 *   cache.c    a P's spans: the allocation itself                          gc.c       cycles, workers, pacing, assists
 *   heap.c     making and freeing a heap; what maps and callers see
 *
 *   P --> cache: a span a class --> central: spans with room, spans without --> page heap: runs of pages --> arenas
 *
 * Names follow Go (mspan, mcentral, sweepgen, freeindex), so that a reader can lay the two side by side.
 */
#ifndef GM_HEAP_H
#define GM_HEAP_H

#include "base/alloc.h"
#include "base/atomics.h"
#include "base/sizes.h"
#include "gomap.h"
#include "map/collector.h"

#include <pthread.h>

enum {
    pageShift = 13,
    pageSize = 1 << pageShift,
    arenaShift = 26,
    arenaPages = 1 << (arenaShift - pageShift),
    addressBits = 48,
    spanClasses = 2 * gm_size_classes, /* class * 2 + 1 if its objects hold no pointers */
    mostObjects = pageSize / 8,
    runLists = 129, /* free runs by their length; the last list: all longer ones */
    obletBytes = 128 << 10,
    zeroPiece = 256 << 10,
    mostPs = 256,
    mostShapes = 256,
    workEntries = 253,
    workBufs = 1 << 20,
    overAssistWork = 64 << 10,
    creditStep = 2000, /* bytes of scan work that a worker keeps to itself at most */
    keptCycles = 64,
    lookupBytes = 1024, /* up to here the class of a size is looked up */
    largeKept = 16,     /* GM_ALLOC_CACHE: lengths of large spans, in powers of two of pages */
};

enum spanState { SPAN_FREE = 0, SPAN_IN_USE = 1 };

typedef struct mspan {
    uintptr_t base;
    uint32_t npages, nelems, divmul;
    uint8_t spanclass;
    bool needzero; /* its memory has been used */
    _Atomic uint8_t state;
    _Atomic uint32_t sweepgen; /* see central.c */
    size_t elemsize;
    struct mspan *next, *prev; /* in a list of central.c or of pages.c */
    _Atomic uint32_t freeindex;
    uint32_t allocCount;
    uint64_t allocCache; /* free slots from the last multiple of 64 below freeindex on; bit 0: freeindex */
    _Atomic uint8_t *allocBits, *markBits, *checkBits;    /* a part of bits each */
    _Atomic uint8_t *shapes;                              /* of each object; NULL where they hold no pointers */
    _Atomic uint8_t own_shape;                            /* of a span of one object */
    _Atomic uint32_t reader;                              /* taken by gets under read_span_lock */
    _Alignas(8) _Atomic uint8_t bits[3][mostObjects / 8]; /* read as words, too */
} mspan;

typedef struct arena {
    mspan *_Atomic spans[arenaPages];
} arena;

typedef struct spanlist {
    mspan *head;
} spanlist;

typedef struct mcentral {
    pthread_mutex_t lock;
    spanlist partial[2], full[2]; /* swept and unswept in turn, see central.c */
    char apart[gm_line_bytes];
} mcentral;

typedef struct pageheap {
    pthread_mutex_t lock;
    mspan *runs[runLists]; /* free, doubly linked */
    mspan *unused;         /* structures */
    arena *_Atomic *arenas;
    struct region *regions; /* all that was mapped or allocated */
    uint64_t limit;         /* bytes of pages in use, at most */
    _Atomic uint64_t in_use, mapped;
} pageheap;

typedef struct workbuf {
    _Atomic uint32_t next; /* index + 1 */
    uint32_t n;
    uintptr_t entries[workEntries];
} workbuf;

typedef struct workstack {
    _Alignas(gm_line_bytes) _Atomic uint64_t head; /* tag << 32 | index + 1 */
} workstack;

/* An owner adds, anybody reads. */
typedef _Atomic uint64_t counts[GM_HEAP_COUNTS];

static inline void count(counts c, enum gm_heap_count what, uint64_t n)
{
    gm_store_rlx(&c[what], gm_load_rlx(&c[what]) + n); /* the owner's alone; a number to look at */
}

/* Who marks: a worker, or a P that assists or flushes. */
typedef struct marker {
    struct gm_heap *h;
    workbuf *buf;
    int64_t credit; /* scan work done and not yet handed on */
    uint64_t bytes; /* marked, and not yet added to the cycle's */
    bool checking;  /* marks once more, with other bits */
    counts count;
} marker;

enum pStatus { P_IDLE = 0, P_RUNNING = 1, P_STOPPED = 2, P_PARKED = 3 };

typedef struct gm_p {
    _Alignas(gm_line_bytes) _Atomic uint32_t status; /* see world.c */
    uint32_t depth;
    struct gm_p *held_next; /* other worlds that the same thread is in */
    struct gm_heap *heap;
    uint32_t flushGen; /* the sweepgen that its cache is of */
    int64_t assistBytes;
    uint32_t stores; /* since the last assist of every_store */
    marker mark;
    mspan *cache[spanClasses];
    mspan *large[2][largeKept]; /* GM_ALLOC_CACHE: one of each length, for the next large object; [1]: without pointers */
    uint64_t parks;             /* times that it was stopped while its thread was inside */
    gm_barrier barrier;
} gm_p;

enum phase { PHASE_OFF = 0, PHASE_MARK = 1, PHASE_SWEEP = 2 };

struct gm_heap {
    uint64_t id; /* never given twice */
    gm_heap_config config;
    gm_collector collector;
    void *poison;                          /* a page of zeroes; see span.c */
    uint8_t class_of[lookupBytes / 8 + 1]; /* the class of a size, by its multiples of 8 */
    pageheap pages;
    mcentral central[spanClasses];

    /* world.c */
    pthread_mutex_t world; /* held while the world is stopped, and while Ps are added */
    _Atomic uint32_t stopping;
    gm_p *_Atomic ps[mostPs];
    _Atomic uint32_t nps, running;

    /* work.c */
    workbuf *bufs;
    _Atomic uint32_t nbufs;
    workstack full, empty;
    _Atomic uint32_t work_seq, work_waiters; /* workers sleep on the first */
    _Atomic uint32_t active, activations, idle_seq;

    /* gc.c */
    _Atomic uint32_t phase, sweepgen;
    _Atomic uint64_t live, trigger, goal; /* bytes */
    _Atomic uint64_t marked;              /* bytes, of this cycle */
    _Atomic int64_t bgCredit;
    _Atomic uint64_t scanDone, scanExpected;
    uint64_t assist_per_1024; /* scan work owed for 1,024 allocated bytes; changes only while the world is stopped */
    pthread_mutex_t control;
    pthread_cond_t changed;
    uint64_t wanted, begun, done; /* cycles, under control */
    pthread_t collecting;
    bool collects;              /* that thread was made */
    _Atomic uint32_t requested; /* somebody wants one and the collector has not begun it */
    bool closing;               /* under control */
    unsigned nthreads, dedicated, fractional, idlers;
    uint32_t fraction_permille; /* of one CPU, for the fractional worker */
    struct gc_thread *threads;
    _Atomic uint32_t mark_gen; /* odd while there is something to mark; workers sleep on it */
    _Atomic uint64_t mark_began_ns;
    _Atomic uint32_t quit;
    marker own; /* the collecting thread's */
    _Atomic uint64_t cycles, stopped_ns, longest_stop_ns, mark_ns;
    _Atomic uint64_t worker_ns[3];
    pthread_mutex_t flush_lock;     /* knob */
    gm_heap_cycle ring[keptCycles]; /* under control */

    /* heap.c */
    pthread_mutex_t members_lock;
    gm_member *members;
    gm_shape shapes[mostShapes]; /* from 1 on */
    uint32_t nshapes;            /* under members_lock */
};

/* pages.c */
bool gm_pages_init(pageheap *ph, uint64_t limit);
void gm_pages_destroy(pageheap *ph);
mspan *gm_pages_alloc(pageheap *ph, uint32_t npages, uint8_t spanclass, size_t elemsize);
void gm_pages_free(pageheap *ph, mspan *s);
mspan *gm_span_of(pageheap *ph, uintptr_t address); /* NULL: no object's */

/* span.c */
static inline uint32_t objectIndex(const mspan *s, uintptr_t address)
{
    return (uint32_t)((uint64_t)(address - s->base) * s->divmul >> 32);
}

static inline uintptr_t objectBase(const mspan *s, uint32_t i)
{
    return s->base + (uintptr_t)i * s->elemsize;
}

static inline bool holdsPointers(const mspan *s)
{
    return !(s->spanclass & 1);
}

void gm_span_init(mspan *s, uint8_t spanclass, size_t elemsize);
bool gm_span_is_free(mspan *s, uint32_t i);
bool gm_set_marked(marker *k, mspan *s, uint32_t i);
uintptr_t gm_span_next(mspan *s); /* the next free object; 0: none */
uint32_t gm_span_sweep_bits(mspan *s, bool poison, uintptr_t poison_word);

/* central.c */
bool gm_central_init(mcentral *c);
mspan *gm_central_cacheSpan(gm_heap *h, gm_p *p, uint8_t spanclass);
void gm_central_uncacheSpan(gm_heap *h, marker *k, mspan *s);
void gm_central_put_large(gm_heap *h, mspan *s);
bool gm_sweepone(gm_heap *h, marker *k, unsigned *at);

/* cache.c */
void *gm_heap_take(gm_p *p, size_t size, uint32_t shape);
void gm_cache_flush(gm_p *p);

/* world.c */
gm_p *gm_world_enter(gm_heap *h);
gm_p *gm_world_enter_other(gm_heap *h, const gm_p *before);
gm_p *gm_world_inside(gm_heap *h);
void gm_world_leave(gm_p *p);
void gm_world_safe(gm_p *p);
void gm_world_stop(gm_heap *h, gm_p *self);
void gm_world_start(gm_heap *h);
void gm_world_flush_idle(gm_heap *h);

/* work.c */
bool gm_work_init(gm_heap *h);
void gm_work_destroy(gm_heap *h);
void gm_work_push(marker *k, uintptr_t object);
bool gm_work_take(marker *k, uintptr_t *object);
void gm_work_hand_on(marker *k);
bool gm_work_none(gm_heap *h);
void gm_work_wait(gm_heap *h);
void gm_active_begin(gm_heap *h);
void gm_active_end(gm_heap *h);
bool gm_work_done(gm_heap *h); /* while the world is stopped */

/* heap.c */
uintptr_t gm_heap_poison(const gm_heap *h);

/* mark.c */
void gm_mark(marker *k, uintptr_t address);
int64_t gm_drain(marker *k, int64_t most);
void gm_born_black(marker *k, mspan *s, uint32_t i);
void gm_barrier_flush(gm_p *p);
void gm_barrier_full(gm_barrier *b);
void gm_barrier_init(gm_p *p);
void gm_barrier_flush_all(gm_heap *h);
int64_t gm_drain_for_all(marker *k, int64_t most);
void gm_mark_roots(gm_heap *h, marker *k);
void gm_check_marks(gm_heap *h, marker *k);

/* gc.c */
bool gm_heap_sound(const gm_heap_config *c);
int gm_gc_start(gm_heap *h);
void gm_gc_close(gm_heap *h);
void gm_gc_request(gm_heap *h);
void gm_gc_pace(gm_heap *h);
void gm_assist(gm_p *p, enum gm_heap_count site);
void gm_gc_wait(gm_heap *h);
void gm_gc_wait_inside(gm_p *p);
uint64_t gm_gc_count(gm_heap *h, enum gm_heap_count what);

static inline bool gm_marking(gm_heap *h)
{
    return gm_load_rlx(&h->phase) == PHASE_MARK; /* to and from PHASE_MARK only while the world is stopped: status orders it */
}

#endif
