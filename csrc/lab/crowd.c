/* crowd.c: one write that makes a map grow, behind a lock, and goroutines that read.
 *
 *     readers   lock for reading, get, unlock, Gosched; again and again, until they have got through once after the write
 *     writer    after 20,000 gets, when all Ps are at it: lock for writing, insert, unlock
 *
 *               |<-- hold: lock taken to released -->|<------- drain ------->|
 *     writer    lock          insert (grows)     unlock
 *     readers           wait, one after the other, the others run on         the last of those that waited has got its value
 *
 * The lock is of goroutines, after sync.RWMutex: from the moment that the writer asks, later readers wait; it waits for those
 * inside; at its end all that wait may go. Whether it is the program's own, or one that the map would take to grow, is the same
 * to those who wait for it.
 *
 *   K1  The lock's words are under its runtime mutex. Who waits is linked by a word on its own stack, and is made ready by who
 *       lets it in, after its link has been read: it may be gone at once.
 *   K2  A reader that has waited is let in as a reader: it is counted before it runs.
 *   K3  The map's own guard stays on: an overlap of the write with a get would be refused, and is counted.
 *
 * Divergence: no starvation rules or spinning; sync.RWMutex has none for readers either.
 */
#include "base/alloc.h"
#include "map/hmap.h"
#include "sched/sched.h"

enum { mostCrowd = 1 << 16, getsBefore = 20000 };

typedef struct waiter {
    struct waiter *next;
    gm_g *g;
} waiter;

typedef struct rwlock {
    gm_rt_mutex lock;
    uint32_t readers, waiting;
    bool held; /* or asked for */
    gm_g *writer;
    waiter *first;
} rwlock;

typedef struct crowd {
    gm_crowd_config c;
    rwlock lock;
    _Alignas(128) _Atomic uint64_t gets; /* before the write, and all others */
    _Atomic uint64_t refused;
    _Atomic uint32_t written;
    _Atomic uint32_t left; /* of those that waited for the write */
    uint64_t released_ns;
    gm_crowd_times times;
    int made, status; /* the goroutines: main's; the write: the writer's */
} crowd;

/* ------------------------------------------------------------------ the lock */

/* Whether it had to wait. */
static bool lock_read(gm_g *g, rwlock *l)
{
    waiter w = {NULL, g};
    gm_safepoint(g);
    gm_enter(g);
    gm_rt_lock(&l->lock);
    bool waits = l->held;
    if (waits) {
        w.next = l->first;
        l->first = &w;
        l->waiting++;
        gm_park(g, &l->lock); /* K2 */
    } else {
        l->readers++;
        gm_rt_unlock(&l->lock);
    }
    gm_leave(g);
    return waits;
}

static void unlock_read(gm_g *g, rwlock *l)
{
    gm_enter(g);
    gm_rt_lock(&l->lock);
    gm_g *w = --l->readers == 0 ? l->writer : NULL;
    gm_rt_unlock(&l->lock);
    if (w)
        gm_ready(g, w);
    gm_leave(g);
}

/* In a region without signals until unlock_write: nobody is to wait for a slice besides. */
static void lock_write(gm_g *g, rwlock *l)
{
    gm_enter(g);
    gm_rt_lock(&l->lock);
    l->held = true;
    if (l->readers) {
        l->writer = g;
        gm_park(g, &l->lock);
    } else {
        gm_rt_unlock(&l->lock);
    }
}

/* Lets all in that wait; `released` is called before any of them runs. */
static void unlock_write(gm_g *g, rwlock *l, void (*released)(crowd *c, uint32_t depth), crowd *c)
{
    gm_rt_lock(&l->lock);
    waiter *w = l->first;
    released(c, l->waiting);
    l->readers += l->waiting;
    l->waiting = 0;
    l->first = NULL;
    l->writer = NULL;
    l->held = false;
    gm_rt_unlock(&l->lock);
    while (w) {
        gm_g *next = w->g;
        w = w->next; /* K1 */
        gm_ready(g, next);
    }
    gm_leave(g);
}

/* ------------------------------------------------------------------ who takes it */

static void get(gm_g *g, crowd *c, uint64_t i)
{
    uint64_t elem;
    gm_enter(g);
    int status = gm_map_get(c->c.map, c->c.keys + i % c->c.nkeys, sizeof(uint64_t), &elem);
    if (status < 0)
        gm_add_rlx(&c->refused, 1); /* K3; relaxed: read when all are joined */
    gm_leave(g);
}

/* By one that has waited and has its value: the last of them ends the drain. */
static void drained(gm_g *g, crowd *c)
{
    if (gm_sub_acq_rel(&c->left, 1) != 1) /* acquire and release: behind all others */
        return;
    gm_enter(g);
    c->times.drain_ns = gm_now_ns() - c->released_ns;
    gm_leave(g);
}

static void reader(gm_g *g, void *of)
{
    crowd *c = of;
    for (bool last = false; !last;) {
        last = gm_load_acq(&c->written); /* pairs with note_release */
        bool waited = lock_read(g, &c->lock);
        uint64_t i = gm_add_rlx(&c->gets, 1); /* relaxed: a number; the writer looks at it */
        get(g, c, i);
        unlock_read(g, &c->lock);
        if (waited)
            drained(g, c);
        gm_gosched(g);
    }
}

static void note_release(crowd *c, uint32_t depth)
{
    c->released_ns = gm_now_ns();
    c->times.depth = depth;
    gm_store_rlx(&c->left, depth); /* under the lock, before any of them is let in */
    gm_store_rel(&c->written, 1);  /* pairs with reader */
}

static void writer(gm_g *g, void *of)
{
    crowd *c = of;
    uint64_t elem = 1;
    while (gm_load_rlx(&c->gets) < getsBefore) /* relaxed: a number to look at */
        gm_gosched(g);
    lock_write(g, &c->lock);
    uint64_t began = gm_now_ns();
    c->status = gm_map_assign(c->c.map, &c->c.new_key, sizeof c->c.new_key, &elem, sizeof elem, NULL);
    c->times.hold_ns = gm_now_ns() - began;
    unlock_write(g, &c->lock, note_release, c);
}

/* ------------------------------------------------------------------ the scene */

static void crowd_main(gm_g *g, void *of)
{
    crowd *c = of;
    int status = gm_go(g, writer, c);
    for (uint32_t made = 0; made < c->c.readers && status == GM_OK; made++)
        status = gm_go(g, reader, c);
    if (status != GM_OK) {                      /* the writer would wait for those that there are not */
        gm_store_rlx(&c->gets, UINT64_MAX / 2); /* relaxed: as reader's */
        c->made = status;
    }
    while (gm_goroutines(g) > 1)
        gm_gosched(g);
}

static bool valid(const gm_crowd_config *c)
{
    const gm_map *m = c->map;
    return c->readers && c->readers <= mostCrowd && c->nkeys && m->t.path == pathFast64 && m->t.elem_kind == GM_MEM &&
           m->t.elem_size == sizeof(uint64_t);
}

static int play(const gm_sched_config *how, crowd *c)
{
    gm_sched *sched;
    int status = gm_sched_new(how, &sched);
    if (status != GM_OK)
        return status;
    status = gm_sched_start(sched, crowd_main, c);
    if (status == GM_OK)
        status = gm_sched_wait(sched);
    gm_sched_free(sched);
    if (status == GM_OK)
        status = c->made != GM_OK ? c->made : c->status < 0 ? c->status : GM_OK;
    return status;
}

int gm_crowd(const gm_sched_config *how, const gm_crowd_config *c, gm_crowd_times *out)
{
    gm_alloc a = gm_alloc_default();
    if (!valid(c))
        return GM_E_ARGUMENT;
    crowd *all = gm_zalloc_lines(&a, sizeof *all);
    if (!all)
        return GM_E_NOMEM;
    all->c = *c;
    int status = play(how, all);
    all->times.refused = gm_load_rlx(&all->refused); /* relaxed: all threads have been joined */
    *out = all->times;
    gm_release_lines(&a, all, sizeof *all);
    return status;
}
