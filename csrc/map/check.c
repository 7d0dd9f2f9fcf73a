/* check.c: the invariants of a map at rest, each with a letter, and a checker that says which broke and where.
 *
 * A map at rest is one that no writer is inside. The checker walks every chain once and looks every live key up again:
 * O(n) time, no memory, nothing changed.
 *
 *   H1   flags: only known bits; hashWriting is clear; same-size growth only while growing; a map with keys has an array.
 *   H2   count is the number of live cells in the current array and in old chains not evacuated.
 *   H3   tophash: in the current array emptyRest, emptyOne or >= minTopHash; an old chain is evacuated in all its cells or
 *        in none.
 *   H4   behind an emptyRest in a chain everything is emptyRest.
 *   H5   an emptyOne has something behind it: it is never followed by emptyRest or by the end of the chain.
 *   H6   a live key lies in the bucket that its hash names, under its tophash (not NaN: its hash is new every time).
 *   H7   looking a live key up finds this very cell: no key is in two places, none is out of reach (not NaN).
 *   H8   below B = 16, noverflow is the number of overflow buckets in the current array (modulo 2^16).
 *   H9   the reserve is handed out in order: chains use exactly its buckets below the next free one (where deletes unlink
 *        buckets, see knobs.c: at most those).
 *   H10  while growing, nevacuate is below the number of old buckets, and every old bucket below it is evacuated.
 *   H11  new buckets are empty as long as their old bucket is not evacuated.
 *   H12  cells that own memory have it: no live string, indirect key or indirect elem without its block.
 */
#include "map/hmap.h"
#include "map/keys.h"

typedef struct checker {
    gm_map *m;
    gm_broken *at;
    bmap *buckets;
    uint64_t regular, total; /* of the array being walked */
    uint64_t live, overflows;
    uint64_t reserve_used; /* highest index of the current array's reserve in a chain, + 1 */
    uint64_t reserve_seen;
    bool old;
} checker;

static bool broken(checker *c, int invariant, uint64_t got, uint64_t want)
{
    c->at->invariant = invariant;
    c->at->got = got;
    c->at->want = want;
    return false;
}

static bool check_flags(checker *c)
{
    gm_map *m = c->m;
    uint8_t flags = gm_load_rlx(&m->h.flags), known = iterator | oldIterator | sameSizeGrow;
    if (flags & ~known)
        return broken(c, 1, flags, flags & known);
    if ((flags & sameSizeGrow) && !growing(m))
        return broken(c, 1, flags, flags & (known & ~sameSizeGrow));
    if (gm_load_rlx(&m->h.count) > 0 && !gm_load_rlx(&m->h.buckets))
        return broken(c, 1, 0, 1);
    return true;
}

static bool owns_memory(const gm_map *m, bmap *b, unsigned i)
{
    bool key_points = m->t.key_indirect;
    if (m->t.key_kind == GM_STRING && gm_load_rlx(gm_string_len(keySlot(m, b, i))) > 0)
        key_points = true;
    if (key_points && !gm_slot_ptr(keySlot(m, b, i)))
        return false;
    return !m->t.elem_indirect || gm_slot_ptr(elemSlot(m, b, i));
}

/* H6, H7 and H12 for one live cell of chain i. */
static bool check_live_cell(checker *c, bmap *b, uint64_t bucket, unsigned cell)
{
    gm_map *m = c->m;
    unsigned char *slot = keySlot(m, b, cell);
    if (!owns_memory(m, b, cell))
        return broken(c, 12, 0, 1);
    if (!keyany_reflexive(m, keyany_of_slot(m, slot)))
        return true;
    uint64_t hash = m->path->hash_slot(m, slot);
    if ((hash & (c->regular - 1)) != bucket)
        return broken(c, 6, hash & (c->regular - 1), bucket);
    if (tophash(hash) != tophashAt(b, cell))
        return broken(c, 6, tophashAt(b, cell), tophash(hash));
    unsigned found;
    bmap *where = m->path->find_slot(m, slot, &found);
    if (where != b || found != cell)
        return broken(c, 7, where != NULL, 1);
    return true;
}

/* H3, H4, H5 for one cell, given the one before it in the chain. */
static bool check_state(checker *c, uint8_t before, uint8_t top, bool evacuated_chain)
{
    bool evacuated_cell = top > emptyOne && top < minTopHash;
    if (evacuated_cell != evacuated_chain)
        return broken(c, 3, top, evacuated_chain ? evacuatedEmpty : emptyOne);
    if (before == emptyRest && top != emptyRest)
        return broken(c, 4, top, emptyRest);
    if (before == emptyOne && top == emptyRest)
        return broken(c, 5, top, emptyOne);
    return true;
}

static void count_overflow(checker *c, bmap *b)
{
    c->overflows++;
    int64_t index = preallocIndex(c->m, c->buckets, c->regular, c->total, b);
    if (index < 0)
        return;
    c->reserve_seen++;
    if ((uint64_t)index >= c->reserve_used)
        c->reserve_used = (uint64_t)index + 1;
}

static bool check_chain(checker *c, uint64_t bucket)
{
    bmap *first = bucketAt(c->m, c->buckets, bucket);
    bool done = evacuated(first);
    uint8_t before = minTopHash;
    c->at->bucket = bucket;
    c->at->depth = 0;
    if (done && !c->old)
        return broken(c, 3, tophashAt(first, 0), emptyRest);
    for (bmap *b = first; b; b = overflow(c->m, b), c->at->depth++) {
        if (b != first && !c->old)
            count_overflow(c, b);
        for (unsigned i = 0; i < bucketCnt; i++) {
            uint8_t top = tophashAt(b, i);
            c->at->cell = i;
            if (!check_state(c, before, top, done))
                return false;
            before = top;
            if (top < minTopHash)
                continue;
            c->live++;
            if (!check_live_cell(c, b, bucket, i))
                return false;
        }
    }
    return before != emptyOne || broken(c, 5, emptyOne, emptyRest);
}

/* H11: nothing has been put into the halves of an old bucket that still holds its keys. */
static bool check_untouched(checker *c, uint64_t oldbucket, uint64_t nold)
{
    bmap *buckets = gm_load_rlx(&c->m->h.buckets);
    uint64_t n = bucketMask(gm_load_rlx(&c->m->h.B)) + 1;
    for (uint64_t i = oldbucket; i < n; i += nold) {
        bmap *b = bucketAt(c->m, buckets, i);
        if (tophash8(b) != 0 || overflow(c->m, b))
            return broken(c, 11, i, oldbucket);
    }
    return true;
}

static bool check_old(checker *c)
{
    gm_map *m = c->m;
    uint64_t mark = gm_load_rlx(&m->h.nevacuate);
    c->old = true;
    c->at->in_old = 1;
    c->buckets = gm_load_rlx(&m->h.oldbuckets);
    c->regular = noldbuckets(m);
    c->total = m->extra.nold;
    if (mark >= c->regular)
        return broken(c, 10, mark, c->regular - 1);
    for (uint64_t i = 0; i < c->regular; i++) {
        bool done = evacuated(bucketAt(m, c->buckets, i));
        c->at->bucket = i;
        if (i < mark && !done)
            return broken(c, 10, i, mark);
        if (!check_chain(c, i) || (!done && !check_untouched(c, i, c->regular)))
            return false;
    }
    return true;
}

static bool check_reserve(checker *c)
{
    mapextra *x = &c->m->extra;
    int64_t next = x->nextOverflow ? preallocIndex(c->m, c->buckets, c->regular, c->total, x->nextOverflow)
                                   : (int64_t)(c->total - c->regular);
    if (c->m->knobs.delete_mode == GM_DELETE_UNLINK && c->reserve_used <= (uint64_t)next)
        return true;
    if ((uint64_t)next != c->reserve_used || c->reserve_seen != c->reserve_used)
        return broken(c, 9, c->reserve_seen, (uint64_t)next);
    return true;
}

static bool check_current(checker *c)
{
    gm_map *m = c->m;
    c->buckets = gm_load_rlx(&m->h.buckets);
    c->regular = bucketMask(gm_load_rlx(&m->h.B)) + 1;
    c->total = m->extra.nbuckets;
    for (uint64_t i = 0; i < c->regular; i++)
        if (!check_chain(c, i))
            return false;
    uint16_t noverflow = gm_load_rlx(&m->h.noverflow);
    if (gm_load_rlx(&m->h.B) < 16 && noverflow != (uint16_t)c->overflows)
        return broken(c, 8, noverflow, c->overflows);
    return check_reserve(c);
}

static bool check_all(checker *c)
{
    gm_map *m = c->m;
    if (!check_flags(c))
        return false;
    if (gm_load_rlx(&m->h.buckets) && !check_current(c))
        return false;
    if (growing(m) && !check_old(c))
        return false;
    uint64_t count = gm_load_rlx(&m->h.count);
    return c->live == count || broken(c, 2, count, c->live);
}

int gm_map_check(gm_map *m, gm_broken *at)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    *at = (gm_broken){0};
    checker c = {.m = m, .at = at};
    status = check_all(&c) ? GM_OK : GM_E_CORRUPT;
    gm_leave_read(m);
    return status;
}
