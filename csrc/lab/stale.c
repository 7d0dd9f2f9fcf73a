/* stale.c: do goroutines that hold a bucket array across a switch find it gone, and is it because they came to another P?
 *
 *     writer    now and then: new array, published; the old one is given back      current --> array: generation | buckets
 *     readers   take current, give up the CPU, perhaps come to another P, and look at a bucket; some go through several
 *
 * The arrays are the scene's own, a small pool without keys: what is asked is what a pointer is worth, not what is behind it.
 * Every bucket is stamped with its array's generation. What is given back is poisoned, and may be an array again: a reader that
 * finds another stamp than that of the array it took has used a stale pointer. The memory stays the pool's: that is counted and
 * harmless.
 *
 *   free      An old array is given back as soon as the new one is published (the article's fear).
 *   collect   It is given back when no goroutine has it: each has a root, as its stack is in Go, that the writer looks at.
 *
 *   D1  collect: a reader writes its root and then looks whether the array is still current; the writer publishes and then
 *       looks at the roots; a full fence on both sides: one of the two sees the other. So an array that a reader has found
 *       current behind its root is not given back before the root changes. Only then it reads the stamp.
 *   D2  Whether a goroutine was moved is told by the P it is on before and after; the two kinds are counted apart.
 *   D3  There is always an array to be had: one current, one of each reader's, one more.
 *
 * Divergence: Go's collector finds roots by scanning stacks; here each reader has one word for it.
 */
#include "base/alloc.h"
#include "sched/sched.h"

enum { bucketCount = 64, mostReaders = 256, poison = 0 };

typedef struct array {
    _Atomic uint64_t stamps[bucketCount];
    bool in_use;
} array;

typedef struct reader {
    _Alignas(128) _Atomic(array *) root;
    struct stale *of;
    gm_xoshiro rng;
    uint64_t derefs[2], stale[2]; /* stayed, moved (D2) */
} reader;

typedef struct stale {
    gm_stale_config c;
    _Alignas(128) _Atomic(array *) current;
    _Atomic uint32_t reading; /* readers that have not ended */
    array *pool;
    uint32_t arrays;
    reader *readers;
    uint64_t generation, growths, reused;
    int status;
} stale;

/* ------------------------------------------------------------------ the writer */

static bool held(stale *s, const array *a)
{
    for (uint32_t i = 0; i < s->c.readers; i++) {
        if (gm_load_acq(&s->readers[i].root) == a) /* behind the fence (D1); pairs with read_on's release */
            return true;
    }
    return false;
}

static void give_back(stale *s, array *a)
{
    for (uint32_t i = 0; i < bucketCount; i++)
        gm_store_rlx(&a->stamps[i], poison); /* relaxed: who reads it is stale, or has no root to it (D1) */
    a->in_use = false;
    s->reused++;
}

/* Old arrays that may go. */
static void reclaim(stale *s)
{
    gm_fence_seq_cst(); /* what was published, before the look at the roots (D1) */
    for (uint32_t i = 0; i < s->arrays; i++) {
        array *a = &s->pool[i];
        bool old = a->in_use && a != gm_load_rlx(&s->current); /* the writer's own word */
        if (old && (s->c.reclaim == GM_RECLAIM_FREE || !held(s, a)))
            give_back(s, a);
    }
}

static void grow(stale *s)
{
    array *a = s->pool;
    while (a->in_use) /* D3 */
        a++;
    a->in_use = true;
    s->generation++;
    for (uint32_t i = 0; i < bucketCount; i++)
        gm_store_rlx(&a->stamps[i], s->generation); /* relaxed: current's release orders */
    gm_store_rel(&s->current, a);                   /* pairs with take */
    s->growths++;
    reclaim(s);
}

static void writer(gm_g *g, void *scene)
{
    stale *s = scene;
    for (uint64_t turn = 1; gm_load_acq(&s->reading); turn++) { /* pairs with the last reader's end */
        if (turn % s->c.grow_every == 0)
            grow(s);
        gm_gosched(g);
    }
}

/* ------------------------------------------------------------------ the readers */

/* The current array, rooted, and its generation. */
static array *take(stale *s, reader *r, uint64_t *generation)
{
    for (;;) {
        array *a = gm_load_acq(&s->current); /* pairs with grow */
        gm_store_rlx(&r->root, a);           /* relaxed: the fence orders; pairs with held */
        gm_fence_seq_cst();                  /* D1 */
        if (a != gm_load_acq(&s->current))   /* pairs with grow: its stamps are seen */
            continue;
        *generation = gm_load_rlx(&a->stamps[0]); /* relaxed: behind that acquire; with the root they stay (D1) */
        if (*generation != poison)                /* free: it may be gone already */
            return a;
    }
}

static uint32_t p_of(gm_g *g)
{
    gm_enter(g);
    uint32_t id = g->m->p->id;
    gm_leave(g);
    return id;
}

/* A switch, and then a look at a bucket of the array that was taken before. */
static void look(gm_g *g, reader *r, array *a, uint64_t generation)
{
    uint32_t before = p_of(g);
    gm_gosched(g);
    bool moved = p_of(g) != before;
    /* relaxed: take's acquire and root (D1) */
    uint64_t found = gm_load_rlx(&a->stamps[gm_xoshiro_next(&r->rng) % bucketCount]);
    r->derefs[moved]++;
    r->stale[moved] += found != generation;
}

static void read_on(gm_g *g, void *of)
{
    reader *r = of;
    stale *s = r->of;
    bool iterates = (r - s->readers) % 2;
    for (uint64_t n = 0; n < s->c.derefs;) {
        uint64_t generation;
        array *a = take(s, r, &generation);
        for (uint32_t i = 0; i < (iterates ? s->c.hold : 1); i++, n++)
            look(g, r, a, generation);
        gm_store_rel(&r->root, NULL); /* the looks come before it; pairs with held */
    }
    gm_sub_acq_rel(&s->reading, 1); /* release pairs with writer */
}

/* ------------------------------------------------------------------ the scene */

static void stale_main(gm_g *g, void *scene)
{
    stale *s = scene;
    uint32_t made = 0;
    while (made < s->c.readers && s->status == GM_OK) {
        s->status = gm_go(g, read_on, &s->readers[made]);
        made += s->status == GM_OK;
    }
    gm_sub_acq_rel(&s->reading, s->c.readers - made); /* as read_on's */
    if (s->status == GM_OK)
        s->status = gm_go(g, writer, s);
    while (gm_goroutines(g) > 1)
        gm_gosched(g);
}

static bool make_room(stale *s, const gm_alloc *a, uint64_t seed)
{
    s->arrays = s->c.readers + 2;
    s->pool = gm_zalloc_lines(a, s->arrays * sizeof *s->pool);
    s->readers = gm_zalloc_lines(a, s->c.readers * sizeof *s->readers);
    if (!s->pool || !s->readers)
        return false;
    for (uint32_t i = 0; i < s->c.readers; i++) {
        s->readers[i].of = s;
        gm_xoshiro_seed(&s->readers[i].rng, gm_seed_of(seed, i));
    }
    gm_store_rlx(&s->reading, s->c.readers); /* no goroutine is there yet */
    grow(s);
    return true;
}

static void add_up(const stale *s, gm_stale_counts *out)
{
    *out = (gm_stale_counts){.growths = s->growths, .reused = s->reused};
    for (uint32_t i = 0; i < s->c.readers; i++) {
        const reader *r = &s->readers[i];
        out->stayed += r->derefs[0];
        out->moved += r->derefs[1];
        out->stale_stayed += r->stale[0];
        out->stale_moved += r->stale[1];
    }
}

static int play(const gm_sched_config *how, stale *s)
{
    gm_sched *sched;
    int status = gm_sched_new(how, &sched);
    if (status != GM_OK)
        return status;
    status = gm_sched_start(sched, stale_main, s);
    if (status == GM_OK)
        status = gm_sched_wait(sched);
    gm_sched_free(sched);
    return status == GM_OK ? s->status : status;
}

int gm_hold_across(const gm_sched_config *how, const gm_stale_config *c, gm_stale_counts *out)
{
    if (!c->readers || c->readers > mostReaders || !c->grow_every || !c->hold || c->reclaim > GM_RECLAIM_FREE)
        return GM_E_ARGUMENT;
    gm_alloc a = gm_alloc_default();
    stale *s = gm_zalloc_lines(&a, sizeof *s);
    if (!s)
        return GM_E_NOMEM;
    s->c = *c;
    int status = make_room(s, &a, how->seed) ? play(how, s) : GM_E_NOMEM;
    if (status == GM_OK)
        add_up(s, out);
    if (s->readers)
        gm_release_lines(&a, s->readers, c->readers * sizeof *s->readers);
    if (s->pool)
        gm_release_lines(&a, s->pool, s->arrays * sizeof *s->pool);
    gm_release_lines(&a, s, sizeof *s);
    return status;
}
