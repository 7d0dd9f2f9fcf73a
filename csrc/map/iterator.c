/* iterator.c: Go's hiter.
 *
 * Mirrors mapiterinit and mapiternext of runtime/map_noswiss.go (Go 1.25). An iteration visits the buckets of the array that
 * was current when it began, from a random bucket on and once around, and in each chain the cells from a random offset on.
 * It may be mixed with writes. What makes that work:
 *
 *   I1  While the map grows and its B is the iteration's, the bucket to visit may still be in the old array: if it is not
 *       evacuated, its chain there is read instead, and keys that will go to the other new bucket are passed over
 *       (`check`): by hash, or for NaN by the low bit of the tophash, the same bit that evacuate will use.
 *   I2  In a same-size growth no key changes its bucket: nothing is passed over.
 *   I3  A cell that was evacuated after the iteration began, or any cell once clear() has run, is stale: its key is looked up
 *       in the live map and yielded as it is there, or not at all. An evacuated NaN cannot be looked up, nor deleted or
 *       changed: it is yielded as it stands.
 *       (Two growths to the same size after its start, the iterator flags are gone and evacuation wipes old buckets under
 *       it: it then misses keys, in Go too. A wiped slot that is a pointer is passed over; Go would fault on it.)
 *   I4  Each key present throughout is yielded exactly once; one added meanwhile may or may not be; one deleted before it is
 *       reached is not. (After clear() and reinsertion a key can come twice, as in Go.)
 *   I5  At the end only `wrapped` changes; all other fields keep the values of the last step.
 *   I6  Both iterator flags are set at the start and stay until a growth.
 *   I7  One step at a time: a second thread that finds one under way is refused.
 *   I8  A step goes on from what the last one found out about its bucket (`tops`, `left`) only while the eight tophash bytes
 *       are the same, the map was not cleared, and no cell to come was evacuated; a whole range goes on to the next bucket
 *       like that only while the map does not grow. In all other cases the step looks at everything anew.
 *
 * Tried: cell by cell, as Go looks, each free cell costs a branch that cannot be foretold: a range took half as long again. By
 * bits of a vector compare, and with all of a range's state in registers (visit_words), 10^5 entries take 7.6 ns each and
 * classic Go's 10.8 (`python -m bench.table --only single --sizes 1e5`).
 *
 * An open iterator keeps retired memory alive (M1 in memory.c) until it comes to its end or is freed.
 */
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"

#define noCheck UINT64_MAX

enum { smallRange = 256 }; /* larger contents take memory of their own in gm_range */

typedef struct hiter {
    bmap *buckets; /* the array at the start */
    bmap *bptr;    /* the bucket the last step was in */
    uint64_t startBucket, bucket, checkBucket, clearSeq;
    uint8_t B, offset, i;
    bool wrapped;
    uint64_t tops; /* of bptr, at the last step: not Go's, see step_on */
    unsigned left; /* of its cells those to come; 0: none, or not all of them plain */
} hiter;

struct gm_iter {
    gm_map *m;
    hiter it;
    bool live;            /* set up on a map that was not empty */
    bool open;            /* counted in open_iters */
    _Atomic uint8_t busy; /* a step is under way (I7) */
};

int gm_iter_new(gm_map *m, gm_iter **out)
{
    *out = m->outer.zalloc(m->outer.ctx, sizeof **out);
    if (!*out)
        return GM_E_NOMEM;
    (*out)->m = m;
    gm_add_rlx(&m->refs, 1); /* the caller's own reference keeps the map alive */
    return GM_OK;
}

static void close_iter(gm_iter *it)
{
    if (it->open)
        gm_sub_rel(&it->m->extra.open_iters, 1); /* pairs with the acquire in memory.c's quiet() (M2) */
    it->open = false;
}

void gm_iter_free(gm_iter *it)
{
    if (!it)
        return;
    gm_map *m = it->m;
    gm_alloc alloc = m->outer;
    close_iter(it);
    alloc.release(alloc.ctx, it, sizeof *it);
    gm_map_free(m);
}

/* ------------------------------------------------------------------ one step */

/* A position in the iteration that becomes the iterator's only if it yields (I5). */
typedef struct cursor {
    bmap *b;
    uint64_t bucket, check;
    unsigned i;
} cursor;

/* The chain to visit for bucket at->bucket (I1). */
static void enter_bucket(gm_map *m, hiter *it, cursor *at)
{
    at->b = bucketAt(m, it->buckets, at->bucket);
    at->check = noCheck;
    if (growing(m) && it->B == gm_load_rlx(&m->h.B)) {
        bmap *oldb = bucketAt(m, gm_load_rlx(&m->h.oldbuckets), at->bucket & (noldbuckets(m) - 1));
        if (!evacuated(oldb)) {
            at->b = oldb;
            at->check = at->bucket;
        }
    }
    at->i = 0;
    if (++at->bucket == bucketMask(it->B) + 1) {
        at->bucket = 0;
        it->wrapped = true;
    }
}

/* Whether a cell of an old bucket will go to the new bucket that is not being visited. */
static bool belongs_elsewhere(gm_map *m, const hiter *it, const cursor *at, const void *slot, uint8_t top, bool reflexive)
{
    if (at->check == noCheck || gm_load_rlx(&m->h.flags) & sameSizeGrow)
        return false;
    if (reflexive)
        return (m->path->hash_slot(m, slot) & bucketMask(it->B)) != at->check;
    return at->check >> (it->B - 1) != (uint64_t)(top & 1);
}

static GM_APART void yield_other_key(const gm_map *m, const void *slot, void *key)
{
    keyany_t k = keyany_of_slot(m, slot);
    if (m->t.key_kind == GM_STRING)
        *(gm_view *)key = keyany_view(k);
    else if (k.p)
        gm_shared_load(key, k.p, k.n);
}

static GM_INLINE void yield(const gm_map *m, bmap *b, unsigned cell, void *key, void *elem)
{
    const void *slot = keySlot(m, b, cell);
    if (gm_likely(m->t.path == pathFast64))
        gm_elem_load_word(slot, key);
    else
        yield_other_key(m, slot, key);
    gm_elem_load(m, elemSlot(m, b, cell), elem);
}

static bool cell_is_reflexive(const gm_map *m, const void *slot)
{
    return m->t.key_kind != GM_FLOAT64 || keyany_reflexive(m, keyany_of_slot(m, slot));
}

/* Yields cell `cell` of at->b if it is to be yielded, when that is not plain to see. */
static GM_APART bool try_cell(gm_map *m, hiter *it, const cursor *at, unsigned cell, uint8_t top, void *key, void *elem)
{
    bmap *b = at->b;
    const void *slot = keySlot(m, b, cell);
    if (m->t.key_indirect && !gm_slot_ptr(slot))
        return false; /* wiped under us, see I3 */
    bool reflexive = cell_is_reflexive(m, slot);
    if (belongs_elsewhere(m, it, at, slot, top, reflexive))
        return false;
    bool cleared = it->clearSeq != gm_load_rlx(&m->h.clearSeq);
    if (cleared || ((top == evacuatedX || top == evacuatedY) && reflexive)) { /* stale (I3) */
        b = m->path->find_slot(m, slot, &cell);
        if (!b)
            return false;
    }
    yield(m, b, cell, key, elem);
    return true;
}

/* Most cells: full, in an array that is not an old one, of a map that was not cleared under the iterator. */
static GM_INLINE bool is_plain_cell(const gm_map *m, const hiter *it, const cursor *at, uint8_t top)
{
    return top >= minTopHash && at->check == noCheck && !m->t.key_indirect && it->clearSeq == gm_load_rlx(&m->h.clearSeq);
}

/* Cells by their place in the iteration's order, not by that in the bucket. */
static GM_INLINE unsigned in_order(unsigned cells, unsigned offset)
{
    return (cells >> offset | cells << (bucketCnt - offset)) & 0xFF;
}

/* The cells that are not free, a bit each: all but emptyRest, emptyOne and evacuatedEmpty. */
static GM_INLINE unsigned shown(uint64_t tops)
{
    return ~(matchEmpty(tops) | matchTop(tops, evacuatedEmpty)) & 0xFF;
}

static GM_INLINE unsigned moved(uint64_t tops)
{
    return matchTop(tops, evacuatedX) | matchTop(tops, evacuatedY);
}

/* The cell that comes `i`-th in a bucket. */
static GM_INLINE unsigned cell_of(const hiter *it, unsigned i)
{
    return (i + it->offset) & (bucketCnt - 1);
}

/* The next cell of the bucket of the last step, if nothing has changed in it since and all cells to come are plain. */
static GM_INLINE bool step_on(gm_map *m, hiter *it, void *key, void *elem)
{
    if (!it->left || tophash8(it->bptr) != it->tops || it->clearSeq != gm_load_rlx(&m->h.clearSeq))
        return false;
    unsigned i = (unsigned)__builtin_ctz(it->left);
    it->left &= it->left - 1;
    it->i = (uint8_t)(i + 1);
    yield(m, it->bptr, cell_of(it, i), key, elem);
    return true;
}

/* Yields the next cell of at->b that is to be yielded, from at->i on. */
static bool step_into(gm_map *m, hiter *it, cursor *at, void *key, void *elem)
{
    uint64_t tops = tophash8(at->b);
    unsigned left = in_order(shown(tops), it->offset) >> at->i << at->i;
    while (left) {
        unsigned i = (unsigned)__builtin_ctz(left), cell = cell_of(it, i);
        uint8_t top = (uint8_t)(tops >> 8 * cell);
        left &= left - 1;
        at->i = i + 1;
        if (gm_likely(is_plain_cell(m, it, at, top)))
            yield(m, at->b, cell, key, elem);
        else if (!try_cell(m, it, at, cell, top, key, elem))
            continue;
        it->tops = tops;
        it->left = at->check == noCheck && !m->t.key_indirect && !moved(tops) ? left : 0;
        return true;
    }
    return false;
}

/* The next cell of another bucket, or of this one when step_on does not do. */
static GM_APART int step_further(gm_map *m, hiter *it, void *key, void *elem)
{
    cursor at = {it->bptr, it->bucket, it->checkBucket, it->i};
    for (;;) {
        if (!at.b) {
            if (at.bucket == it->startBucket && it->wrapped)
                return GM_END;
            enter_bucket(m, it, &at);
        }
        if (step_into(m, it, &at, key, elem)) {
            it->bptr = at.b;
            it->bucket = at.bucket;
            it->checkBucket = at.check;
            it->i = (uint8_t)at.i;
            return GM_OK;
        }
        at.b = overflow(m, at.b);
        at.i = 0;
    }
}

static GM_INLINE int mapiternext(gm_map *m, hiter *it, void *key, void *elem)
{
    if (gm_unlikely(gm_load_rlx(&m->h.flags) & hashWriting))
        return GM_E_ITERATE;
    return step_on(m, it, key, elem) ? GM_OK : step_further(m, it, key, elem);
}

/* ------------------------------------------------------------------ the functions of gomap.h */

/* The guard's reader side and the iterator itself, or neither. Acquire pairs with leave_iter's release. */
static bool enter_iter(gm_iter *it)
{
    if (gm_swap_acq(&it->busy, 1))
        return false;
    if (gm_enter_read(it->m) == GM_OK)
        return true;
    gm_store_rel(&it->busy, 0);
    return false;
}

static int leave_iter(gm_iter *it, int status)
{
    gm_leave_read(it->m);
    if (status == GM_END)
        close_iter(it);
    gm_store_rel(&it->busy, 0);
    return status;
}

/* GM_ITER_OR_EVERY: a step sets the flags once more, set or not. */
static void or_again(gm_map *m)
{
    gm_or_rlx(&m->h.flags, iterator | oldIterator);
}

int gm_iter_next(gm_iter *it, void *key, void *elem)
{
    if (!enter_iter(it))
        return GM_E_ITERATE;
    if (gm_unlikely(it->m->knobs.iter_flag_or == GM_ITER_OR_EVERY) && it->live && it->open)
        or_again(it->m);
    return leave_iter(it, it->live && it->open ? mapiternext(it->m, &it->it, key, elem) : GM_END);
}

static void mapiterinit(gm_map *m, hiter *it, uint64_t start, uint8_t offset)
{
    uint8_t B = gm_load_acq(&m->h.B); /* before the array (O2) */
    *it = (hiter){.B = B, .buckets = gm_load_acq(&m->h.buckets), .clearSeq = gm_load_rlx(&m->h.clearSeq)};
    it->startBucket = it->bucket = start & bucketMask(it->B);
    it->offset = offset & (bucketCnt - 1);
    uint8_t both = iterator | oldIterator;
    if (m->knobs.iter_flag_or != GM_ITER_OR_OFF && (gm_load_rlx(&m->h.flags) & both) != both)
        gm_or_rlx(&m->h.flags, both);
}

static int begin(gm_iter *it, int64_t start, int offset, void *key, void *elem)
{
    gm_map *m = it->m;
    uint8_t B = gm_load_rlx(&m->h.B);
    if (start < -1 || start > (int64_t)bucketMask(B) || offset < -1 || offset >= bucketCnt)
        return GM_E_ARGUMENT;
    close_iter(it);
    it->live = gm_load_rlx(&m->h.count) != 0;
    if (!it->live)
        return GM_END;
    uint64_t r = start < 0 || offset < 0 ? m->rng.draw(m->rng.ctx, GM_DRAW_ITER) : 0;
    mapiterinit(m, &it->it, start < 0 ? r : (uint64_t)start, (uint8_t)(offset < 0 ? r >> B : (uint64_t)offset));
    it->open = true;
    gm_add_acq(&m->extra.open_iters, 1);
    return mapiternext(m, &it->it, key, elem);
}

/* A range: where entries go, and how many may and did. */
typedef struct ranging {
    gm_visit visit;
    void *ctx;
    unsigned char *key, *elem; /* room for one */
    uint64_t limit, seen;
    bool on; /* the visitor wants more */
} ranging;

static GM_INLINE void visit(const gm_map *m, ranging *r)
{
    const gm_view *text = (const gm_view *)(const void *)r->key;
    bool string = m->t.key_kind == GM_STRING;
    r->seen++;
    if (r->visit)
        r->on = r->visit(r->ctx, string ? text->p : r->key, string ? text->n : m->t.key_size, r->elem);
}

/* Whether step_on would go on in b: nobody has changed it, has cleared the map, or is writing. */
static GM_INLINE bool is_as_it_was(const gm_map *m, const hiter *it, bmap *b, uint64_t tops)
{
    return tophash8(b) == tops && it->clearSeq == gm_load_rlx(&m->h.clearSeq) && !(gm_load_rlx(&m->h.flags) & hashWriting);
}

/* The bucket after b, if no growth makes that a question; NULL: mapiternext has to say. */
static GM_INLINE bmap *bucket_after(const gm_map *m, hiter *it, bmap *b)
{
    bmap *next = overflow(m, b);
    if (next || growing(m) || (it->bucket == it->startBucket && it->wrapped))
        return next;
    next = bucketAt(m, it->buckets, it->bucket);
    it->bucket = (it->bucket + 1) & bucketMask(it->B);
    it->wrapped |= it->bucket == 0;
    return next;
}

/* Visits what mapiternext would yield, as long as all cells are plain, words all, and no visitor changes the map: the same steps
 * with all that they go by in registers. */
static GM_APART void visit_words(gm_map *m, hiter *it, ranging *r)
{
    const unsigned key_step = m->step.key, elem_step = m->step.elem, elem_off = m->t.elem_off, offset = it->offset;
    unsigned char *key = r->key, *elem = r->elem;
    bmap *b = it->bptr;
    uint64_t tops = it->tops, seen = r->seen, limit = r->limit;
    unsigned left = it->left;
    do {
        while (left) {
            unsigned i = (unsigned)__builtin_ctz(left), cell = (i + offset) & (bucketCnt - 1);
            gm_elem_load_word((unsigned char *)b + bucketCnt + key_step * cell, key);
            gm_elem_load_word((unsigned char *)b + elem_off + elem_step * cell, elem);
            left &= left - 1;
            seen++;
            r->on = r->visit(r->ctx, key, sizeof(uint64_t), elem);
            if (gm_unlikely(!r->on || seen == limit || !is_as_it_was(m, it, b, tops))) {
                it->i = (uint8_t)(i + 1);
                goto out;
            }
        }
        it->i = bucketCnt;
        bmap *next = bucket_after(m, it, b);
        if (!next)
            break;
        b = next;
        it->i = 0;
        tops = tophash8(b);
        left = in_order(shown(tops), offset);
    } while (!moved(tops));
out:
    it->bptr = b;
    it->left = 0; /* the next step looks again */
    r->seen = seen;
}

/* Yields entries from a random start on, as a Go program's range does; unguarded, and the iterator is nobody else's. */
static int range_into(gm_map *m, ranging *r)
{
    hiter it;
    uint64_t start = m->rng.draw(m->rng.ctx, GM_DRAW_ITER);
    int status = GM_OK;
    bool words = m->t.path == pathFast64 && m->t.elem_word && r->visit;
    mapiterinit(m, &it, start, (uint8_t)(start >> gm_load_rlx(&m->h.B)));
    while (r->on && r->seen < r->limit && (status = mapiternext(m, &it, r->key, r->elem)) == GM_OK) {
        visit(m, r);
        if (words && it.left && r->on && r->seen < r->limit && is_as_it_was(m, &it, it.bptr, it.tops))
            visit_words(m, &it, r);
    }
    return status < 0 ? status : GM_OK;
}

/* What a range calls with every entry under GM_ITER_OR_EVERY, so that other ranges need not ask at every step. */
typedef struct or_visit {
    gm_map *m;
    gm_visit visit;
    void *ctx;
} or_visit;

static bool visit_and_or(void *ctx, const void *key, size_t len, const void *elem)
{
    const or_visit *v = ctx;
    or_again(v->m);
    return !v->visit || v->visit(v->ctx, key, len, elem);
}

int gm_range(gm_map *m, uint64_t limit, gm_visit each, void *ctx)
{
    _Alignas(16) unsigned char small[2 * smallRange];
    or_visit every = {m, each, ctx};
    if (gm_load_rlx(&m->h.count) == 0 || limit == 0)
        return GM_OK;
    if (m->knobs.iter_flag_or == GM_ITER_OR_EVERY) {
        each = visit_and_or;
        ctx = &every;
    }
    ranging r = {each, ctx, small, small + smallRange, limit, 0, true};
    if (m->t.key_size <= smallRange && m->t.elem_size <= smallRange)
        return range_into(m, &r);
    size_t room = ((size_t)m->t.key_size + 31) / 16 * 16, size = room + m->t.elem_size + 16;
    unsigned char *large = m->outer.zalloc(m->outer.ctx, size);
    if (!large)
        return GM_E_NOMEM;
    r.key = large;
    r.elem = large + room;
    int status = range_into(m, &r);
    m->outer.release(m->outer.ctx, large, size);
    return status;
}

int gm_iter_init(gm_iter *it, int64_t start, int offset, void *key, void *elem)
{
    return enter_iter(it) ? leave_iter(it, begin(it, start, offset, key, elem)) : GM_E_ITERATE;
}

int gm_iter_fields(gm_iter *it, int64_t *fields)
{
    if (!it->live)
        return GM_END;
    const hiter *h = &it->it;
    fields[0] = h->B;
    fields[1] = (int64_t)h->bucket;
    fields[2] = h->i;
    fields[3] = h->wrapped;
    fields[4] = h->checkBucket == noCheck ? -1 : (int64_t)h->checkBucket;
    return GM_OK;
}
