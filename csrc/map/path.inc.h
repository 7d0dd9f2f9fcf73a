/* path.inc.h: access, assign, delete and evacuate of Go's classic map, written once for all key paths.
 *
 * Mirrors runtime/map_noswiss.go, map_fast32_noswiss.go, map_fast64_noswiss.go and map_faststr_noswiss.go of Go 1.25, which
 * are four copies of one algorithm. Here it is one body, compiled by paths.c for each family of keys (keys.h) and each way
 * of hashing. The includer defines
 *
 *   PATH_NAME, PATH_SUFFIX   what a function is called: P(get) is PATH_NAME PATH_SUFFIX _get
 *   PATH_KEYS    the family of keys: K(eq) is its function (keys.h)
 *   PATH_FN      `static` with the target attribute        PATH_HASH    the family's hash function
 *   PATH_HOT     PATH_FN for what every get goes through
 *   PATH_PROBED  1: charges its time to causes (base/probe.h); 0: knows nothing of it
 *   PATH_SCALAR  1: reads look at one cell after the other, as Go's do; 0: at the eight tophash bytes at once
 *   PATH_KNOBS   1: does what the map's knobs say (knobs.c); 0: what Go's settings say, which are constants then
 *   HDR(word)    where a word of the map's header lies, and KNOB(name): if not in the map, and not as PATH_KNOBS says
 *                (lab/headers.c)
 *   GM_COLLECTED 1: lives in a collector's world (told.h, collector.h); 0: knows nothing of one
 *
 * ALGORITHM. A key's hash has two uses: its low B bits choose the bucket, its top byte (tophash) stands in the bucket so
 * that most cells are ruled out eight at a time, with one vector compare and no branch per cell.
 *
 *   access    search the chain of the key's bucket, or of its old bucket while that is not evacuated
 *   assign    growWork; search; overwrite if found; else start a growth if one is due and none runs, and begin anew;
 *             else into the first free cell seen, or into a new overflow bucket
 *   delete    growWork; search; wipe the cell; emptyOne, or emptyRest with all free cells before it (hmap.c)
 *   evacuate  the cells of one old chain in order, packed, into bucket i (X) or i + 2^oldB (Y) of the new array
 *
 * WHAT MUST HOLD
 *   G1  Overwriting never starts a growth; the test uses count + 1, before the insert.
 *   G2  Every assign and every delete on a map that is not empty does growth work first, whether it finds its key or not.
 *   G3  A write that fails for want of memory changes no key and no elem. All memory that an insert needs is had before
 *       the first store; an evacuation has its overflow buckets set aside before it moves the first cell (at most one less
 *       than the chain has buckets, since the cells move packed). What may remain of a failed write is growth work done.
 *   G4  hashWriting is set through every store to buckets and cleared at every way out; who enters and finds it, or leaves
 *       and misses it, says so. NaN is hashed (drawn) exactly once at each use.
 *   G5  The search stops at emptyRest: behind it there is nothing (H4 in check.c).
 *
 * What a get or an overwrite goes through is inlined by force (but for PATH_SCALAR, where gets are to take Go's time), what it
 * seldom needs is kept out of line (GM_APART). Left to itself the compiler made three calls of a get: 117 instructions with the
 * guard of api.c instead of 89, and twice the time in a map that fits the caches (`python -m bench.guard` counts them). Many
 * keys in one call: batch.inc.h.
 */

#ifndef P
#define JOIN_(a, b, c) a##b##_##c
#define JOIN(a, b, c) JOIN_(a, b, c)
#define P(name) JOIN(PATH_NAME, PATH_SUFFIX, name)
#define K_(a, b) a##_##b
#define K__(a, b) K_(a, b)
#define K(name) K__(PATH_KEYS, name)
#endif
#ifndef KNOB
#define KNOB(name) (PATH_KNOBS ? m->knobs.name : (uint32_t)go_##name)
#endif
#ifndef HDR
#define HDR(word) (&m->h.word)
#endif
#undef KEY_SLOT
#undef ELEM_SLOT
#if PATH_KNOBS
#define KEY_SLOT(b, i) keySlot(m, b, i)
#define ELEM_SLOT(b, i) elemSlot(m, b, i)
#elif PATH_SCALAR
#define KEY_SLOT(b, i) goKeySlot(m, b, i)
#define ELEM_SLOT(b, i) goElemSlot(m, b, i)
#else
#define KEY_SLOT(b, i) K(slot)(m, b, i)
#define ELEM_SLOT(b, i) gm_elem_slot(m, b, i)
#endif
#define GROWING (gm_load_rlx(HDR(oldbuckets)) != NULL)

#if PATH_KNOBS
/* The key's hash; skewed (knobs.c) where the knob says so. */
PATH_FN inline uint64_t P(hash)(gm_map *m, K(t) k, uint32_t seed)
{
    uint64_t hash = K(hash_any)(m, k, seed);
    return KNOB(chain) == 1 ? hash : gm_skewed(hash, KNOB(chain));
}
#endif

/* The time spent beyond a chain's first bucket is the overflow walk: entered at the second, left once at the end. */
PATH_HOT bmap *P(next_bucket)(const gm_map *m, bmap *b, gm_span *walk)
{
    b = overflow(m, b);
    if (PATH_PROBED && b && !walk->probe)
        *walk = gm_span_enter(GM_CAUSE_OVERFLOW_WALK);
    return b;
}

#if PATH_SCALAR
/* Cell by cell, in the order and with the ends of Go's own read path of the family (keys.h). What it finds is the same; what
 * it costs is about what it costs in Go (`gomap verify gate`). */
PATH_HOT bmap *P(search_chain)(const gm_map *m, bmap *b, K(t) k, uint8_t top, unsigned *cell, gm_span *walk)
{
    for (; b; b = P(next_bucket)(m, b, walk)) {
        for (unsigned i = 0; i < bucketCnt; i++) {
            *cell = i;
            if (K(key_first) ? K(eq)(m, KEY_SLOT(b, i), k) && tophashAt(b, i) > emptyOne
                             : tophashAt(b, i) == top && K(eq)(m, KEY_SLOT(b, i), k))
                return b;
            if (K(stops) && tophashAt(b, i) == emptyRest)
                return NULL;
        }
    }
    return NULL;
}
#else
PATH_HOT bmap *P(search_chain)(const gm_map *m, bmap *b, K(t) k, uint8_t top, unsigned *cell, gm_span *walk)
{
    for (; b; b = P(next_bucket)(m, b, walk)) {
        uint64_t tops = tophash8(b);
        for (unsigned hits = matchTop(tops, top); hits; hits &= hits - 1) {
            unsigned i = (unsigned)__builtin_ctz(hits);
            if (gm_likely(K(eq)(m, KEY_SLOT(b, i), k))) {
                *cell = i;
                return b;
            }
        }
        if (PATH_KNOBS && gm_unlikely(tops == unlinkedTops)) { /* goes on to the chain that this bucket was in */
            gm_count_stale(m);
            continue;
        }
        if (KNOB(emptyrest) == GM_EMPTYREST_STOP && matchTop(tops, emptyRest))
            return NULL;
    }
    return NULL;
}
#endif

/* The cell of the chain starting at b that holds k: its bucket, or NULL. */
PATH_HOT bmap *P(search)(const gm_map *m, bmap *b, K(t) k, uint8_t top, unsigned *cell)
{
    gm_span walk = {NULL, GM_CAUSE_REST};
    b = P(search_chain)(m, b, k, top, cell, &walk);
    gm_span_leave(walk);
    return b;
}

/* The array, as a reader gets hold of it. Each pairs with hashGrow's and gm_first_bucket's release. */
PATH_HOT bmap *P(load_buckets)(gm_map *m)
{
    if (KNOB(buckets_load) == GM_LOAD_SEQ_CST)
        return gm_load_seq_cst(HDR(buckets));
    bmap *buckets = gm_load_acq(HDR(buckets));
    if (KNOB(buckets_load) == GM_LOAD_RMW)
        gm_cas_acq(HDR(buckets), &buckets, buckets); /* finds what is there now, whether it succeeds or not */
    return buckets;
}

/* Asks for the lines behind a bucket's first: which of them the key and the elem are in is known when that one has come. With
 * it a get hit in 10^7 entries takes 50 instead of 61 ns, in 10^5 11.4 instead of 12. */
PATH_HOT void P(fetch)(bmap *b)
{
    if (PATH_SCALAR)
        return;
    __builtin_prefetch((unsigned char *)b + gm_line_bytes / 2);
    __builtin_prefetch((unsigned char *)b + gm_line_bytes);
}

/* mapaccess: where k is, or NULL. The order of the loads is O2's. */
PATH_HOT bmap *P(find)(gm_map *m, K(t) k, unsigned *cell)
{
    if (gm_load_rlx(HDR(count)) == 0)
        return NULL;
    uint64_t hash = PATH_HASH(m, k, gm_load_rlx(HDR(hash0)));
    uint64_t mask = bucketMask(gm_load_acq(HDR(B))); /* pairs with hashGrow's release of B */
    uint8_t flags = gm_load_acq(HDR(flags));
    bmap *buckets = P(load_buckets)(m);
    if (gm_unlikely(!buckets))
        return NULL;
    bmap *b = bucketAt(m, buckets, hash & mask);
    P(fetch)(b);
    bmap *old = gm_load_acq(HDR(oldbuckets)); /* pairs with hashGrow's release */
    if (gm_unlikely(old != NULL)) {
        bmap *oldb = bucketAt(m, old, hash & (flags & sameSizeGrow ? mask : mask >> 1));
        if (!evacuated(oldb))
            b = oldb;
    }
    return P(search)(m, b, k, tophash(hash), cell);
}

/* The locked instruction that the article sees at the beginning of a get; it orders nothing. */
PATH_FN inline void P(enter)(gm_map *m)
{
    uint32_t hash0 = gm_load_rlx(HDR(hash0));
    if (KNOB(entry) == GM_ENTRY_CMPXCHG)
        gm_cas_rlx(HDR(hash0), &hash0, hash0); /* a word of the header's line, which it leaves as it is */
    else if (KNOB(entry) == GM_ENTRY_XADD)
        gm_add_rlx(&m->counts.entered, 1);
}

#if GM_COLLECTED
/* A get that the collector is told of: its knobs lock the array's span, or mark what was found. */
PATH_FN inline bmap *P(find_told)(gm_map *m, K(t) k, unsigned *cell)
{
    const gm_collector *c = m->member.collector;
    const void *array = gm_load_acq(HDR(buckets)); /* pairs with hashGrow's release */
    c->before_get(c->ctx, array);
    bmap *b = P(find)(m, k, cell);
    c->after_get(c->ctx, array, b && gm_elem_points(m) ? gm_slot_ptr(elemSlot(m, b, *cell)) : b);
    return b;
}
#endif

PATH_HOT int P(get_key)(gm_map *m, K(t) k, void *elem)
{
    unsigned cell;
    if (PATH_KNOBS)
        P(enter)(m);
    if (KNOB(check_writing) == GM_CHECK_ON && gm_unlikely(gm_load_rlx(HDR(flags)) & hashWriting))
        return GM_E_READ_WRITE;
#if GM_COLLECTED
    bmap *b = P(find_told)(m, k, &cell);
#else
    bmap *b = P(find)(m, k, &cell);
#endif
    if (!b)
        return GM_MISS;
    if (elem)
        gm_elem_load(m, ELEM_SLOT(b, cell), elem);
    return GM_OK;
}

/* ------------------------------------------------------------------ assign */

/* What a search for insertion finds in a chain: the key's cell or NULL; the first free cell or NULL; the last bucket. */
typedef struct P(place) {
    bmap *hit, *free, *last;
    unsigned hit_cell, free_cell;
} P(place);

PATH_HOT P(place) P(search_place_chain)(const gm_map *m, bmap *b, K(t) k, uint8_t top, gm_span *walk)
{
    P(place) at = {0};
    for (; b; at.last = b, b = P(next_bucket)(m, b, walk)) {
        uint64_t tops = tophash8(b);
        for (unsigned hits = matchTop(tops, top); hits; hits &= hits - 1) {
            at.hit_cell = (unsigned)__builtin_ctz(hits);
            if (gm_likely(K(eq)(m, KEY_SLOT(b, at.hit_cell), k))) {
                at.hit = b;
                return at;
            }
        }
        unsigned empty = matchEmpty(tops);
        if (empty && !at.free) {
            at.free = b;
            at.free_cell = (unsigned)__builtin_ctz(empty);
        }
        if (matchTop(tops, emptyRest))
            break;
    }
    return at;
}

PATH_HOT P(place) P(search_place)(const gm_map *m, bmap *b, K(t) k, uint8_t top)
{
    gm_span walk = {NULL, GM_CAUSE_REST};
    P(place) at = P(search_place_chain)(m, b, k, top, &walk);
    gm_span_leave(walk);
    return at;
}

/* The memory of a new entry: an overflow bucket set aside if it needs one, what its key and elem point to. */
PATH_FN inline int P(obtain)(gm_map *m, K(t) k, bool bucket, const void *elem, size_t elem_len, void **key_block,
                             void **elem_block)
{
    if (gm_unlikely(bucket) && gm_ensure_overflow(m, 1) != GM_OK)
        return GM_E_NOMEM;
    if (K(make)(m, k, key_block) != GM_OK)
        return GM_E_NOMEM;
    if (gm_elem_make(m, elem, elem_len, elem_block) == GM_OK)
        return GM_OK;
    gm_mem_free(m, *key_block);
    return GM_E_NOMEM;
}

/* A new key into its place. G3: everything that can fail comes first. */
PATH_FN GM_APART int P(insert)(gm_map *m, K(t) k, uint8_t top, P(place) at, const void *elem, size_t elem_len)
{
    void *key_block, *elem_block;
    gm_span span = gm_span_enter_if(PATH_PROBED && (!at.free || m->t.bucket_pointers), GM_CAUSE_ALLOCATION);
    int status = P(obtain)(m, k, !at.free, elem, elem_len, &key_block, &elem_block);
    gm_span_leave(span);
    if (status != GM_OK)
        return status;
    if (gm_unlikely(!at.free)) {
        at.free = gm_newoverflow(m, at.last);
        at.free_cell = 0;
    }
    K(fill)(m, KEY_SLOT(at.free, at.free_cell), k, key_block);
    gm_elem_fill(m, ELEM_SLOT(at.free, at.free_cell), elem, elem_len, elem_block);
    setTophash(at.free, at.free_cell, top); /* publishes the cell (O1) */
    gm_store_rlx(HDR(count), gm_load_rlx(HDR(count)) + 1);
    return GM_OK;
}

#if PATH_KNOBS
/* Whether the insert of a new key is to start a growth first, if none runs (G1). One an operation: K4 in knobs.c. */
#define GROWTH_DUE(B, grown) (!(grown) && gm_growth_due(m))
#else
#define GROWTH_DUE(B, grown)                                                                                                   \
    (overLoadFactor(gm_load_rlx(HDR(count)) + 1, B) || tooManyOverflowBuckets(gm_load_rlx(HDR(noverflow)), B))
#endif

PATH_FN inline int P(grow_work)(gm_map *m, uint64_t bucket)
{
    if (GM_COLLECTED)
        m->member.collector->grow_work(m->member.collector->ctx);
    return PATH_KNOBS ? gm_growWork_knobs(m, bucket) : gm_growWork(m, bucket);
}

/* The place of a key where that is easily said: while no growth runs, the cell that holds it in the first bucket of its chain; or
 * the first free one there, if the chain ends with that bucket and no growth is due. Else neither: P(put) looks at everything.
 * Apart from it the instructions are fewer by a tenth, and a processor that looks ahead so many has more writes under way:
 * overwrites take 10 to 20 % less time from 10^6 entries on. Asking for the elem's line to write to it, before the key is
 * compared: another 3 %, no more. */
PATH_HOT P(place) P(easy_place)(gm_map *m, K(t) k, uint64_t hash)
{
    P(place) at = {0};
    bmap *buckets = gm_load_rlx(HDR(buckets));
    if (gm_unlikely(!buckets || GROWING))
        return at;
    uint8_t B = gm_load_rlx(HDR(B));
    bmap *b = bucketAt(m, buckets, hash & bucketMask(B));
    P(fetch)(b);
    uint64_t tops = tophash8(b);
    for (unsigned hits = matchTop(tops, tophash(hash)); hits; hits &= hits - 1) {
        at.hit_cell = (unsigned)__builtin_ctz(hits);
        if (gm_likely(K(eq)(m, KEY_SLOT(b, at.hit_cell), k))) {
            at.hit = b;
            return at;
        }
    }
    if (matchTop(tops, emptyRest) && !GROWTH_DUE(B, false)) {
        at.free = b;
        at.free_cell = (unsigned)__builtin_ctz(matchEmpty(tops));
    }
    return at;
}

/* The part of mapassign between setting and clearing hashWriting. */
PATH_FN GM_APART int P(put)(gm_map *m, K(t) k, uint64_t hash, const void *elem, size_t elem_len, uint64_t *old_ref)
{
    if (gm_unlikely(!gm_load_rlx(HDR(buckets))) && gm_first_bucket(m) != GM_OK)
        return GM_E_NOMEM;
    bool grown __attribute__((unused)) = false; /* asked for with knobs only */
    for (;;) {
        uint8_t B = gm_load_rlx(HDR(B));
        uint64_t bucket = hash & bucketMask(B);
        if (gm_unlikely(GROWING) && P(grow_work)(m, bucket) != GM_OK)
            return GM_E_NOMEM;
        bmap *first = bucketAt(m, gm_load_rlx(HDR(buckets)), bucket);
        P(place) at = P(search_place)(m, first, k, tophash(hash));
        if (at.hit) {
            K(rewrite)(m, keySlot(m, at.hit, at.hit_cell), k);
            return gm_elem_overwrite(m, ELEM_SLOT(at.hit, at.hit_cell), elem, elem_len, old_ref);
        }
        if (GROWING || !GROWTH_DUE(B, grown))
            return P(insert)(m, k, tophash(hash), at, elem, elem_len);
        if (GM_COLLECTED)
            m->member.collector->grow(m->member.collector->ctx);
        if (gm_hashGrow(m) != GM_OK)
            return GM_E_NOMEM;
        grown = true;
    }
}

/* Clears hashWriting; a write that finds it cleared already was not alone (G4). Every write gives some memory back. */
PATH_HOT int P(end_write)(gm_map *m, int status)
{
    if (gm_unlikely(gm_pending(m))) {
        gm_span span = gm_span_enter_if(PATH_PROBED, GM_CAUSE_RECLAMATION);
        gm_collect_garbage(m, 4);
        gm_span_leave(span);
    }
    uint8_t flags = gm_load_rlx(HDR(flags));
    if (gm_unlikely(!(flags & hashWriting)))
        return GM_E_WRITES;
    gm_store_rlx(HDR(flags), (uint8_t)(flags & ~hashWriting));
    return status;
}

/* hash: k's, under the hash0 of now. */
PATH_HOT int P(assign_hashed)(gm_map *m, K(t) k, uint64_t hash, const void *elem, size_t elem_len, uint64_t *old_ref)
{
    uint8_t flags = gm_load_rlx(HDR(flags));
    if (gm_unlikely(flags & hashWriting))
        return GM_E_WRITES;
    gm_store_rlx(HDR(flags), (uint8_t)(flags ^ hashWriting));
    P(place) at = P(easy_place)(m, k, hash);
    if (!at.hit && !at.free)
        return P(end_write)(m, P(put)(m, k, hash, elem, elem_len, old_ref));
    if (!at.hit)
        return P(end_write)(m, P(insert)(m, k, tophash(hash), at, elem, elem_len));
    K(rewrite)(m, KEY_SLOT(at.hit, at.hit_cell), k);
    return P(end_write)(m, gm_elem_overwrite(m, ELEM_SLOT(at.hit, at.hit_cell), elem, elem_len, old_ref));
}

PATH_HOT int P(assign_key)(gm_map *m, K(t) k, const void *elem, size_t elem_len, uint64_t *old_ref)
{
    return P(assign_hashed)(m, k, PATH_HASH(m, k, gm_load_rlx(HDR(hash0))), elem, elem_len, old_ref);
}

/* ------------------------------------------------------------------ delete */

/* A delete that is going to find its key makes the test of an insert (GM_DELETE_STARTS); Go's never does. */
PATH_FN int P(grow_before_delete)(gm_map *m, K(t) k)
{
    unsigned cell;
    if (GROWING || !gm_growth_due(m) || !K(reflexive)(m, k) || !P(find)(m, k, &cell))
        return GM_OK;
    return gm_hashGrow(m);
}

/* The part of mapdelete between setting and clearing hashWriting. */
PATH_HOT int P(remove)(gm_map *m, K(t) k, uint64_t hash, void *old_elem)
{
    if (KNOB(delete_grows) == GM_DELETE_STARTS && P(grow_before_delete)(m, k) != GM_OK)
        return GM_E_NOMEM;
    uint64_t bucket = hash & bucketMask(gm_load_rlx(HDR(B)));
    if (gm_unlikely(GROWING) && P(grow_work)(m, bucket) != GM_OK)
        return GM_E_NOMEM;
    unsigned cell;
    bmap *first = bucketAt(m, gm_load_rlx(HDR(buckets)), bucket);
    bmap *b = P(search)(m, first, k, tophash(hash), &cell);
    if (!b)
        return GM_MISS;
    K(wipe)(m, KEY_SLOT(b, cell));
    gm_elem_wipe(m, ELEM_SLOT(b, cell), old_elem);
    setTophash(b, cell, emptyOne);
    gm_settle_emptyRest(m, first, b, cell);
    if (KNOB(delete_mode) == GM_DELETE_UNLINK && b != first)
        gm_unlink_if_empty(m, first, b);
    uint64_t count = gm_load_rlx(HDR(count)) - 1;
    gm_store_rlx(HDR(count), count);
    if (gm_unlikely(count == 0))
        gm_reset_hash0(m);
    return GM_OK;
}

/* hash: k's, under the hash0 of now. The map is not empty. */
PATH_HOT int P(delete_hashed)(gm_map *m, K(t) k, uint64_t hash, void *old_elem)
{
    uint8_t flags = gm_load_rlx(HDR(flags));
    if (gm_unlikely(flags & hashWriting))
        return GM_E_WRITES;
    gm_store_rlx(HDR(flags), (uint8_t)(flags ^ hashWriting));
    return P(end_write)(m, P(remove)(m, k, hash, old_elem));
}

PATH_HOT int P(delete_key)(gm_map *m, K(t) k, void *old_elem)
{
    if (gm_load_rlx(HDR(count)) == 0)
        return GM_MISS;
    return P(delete_hashed)(m, k, PATH_HASH(m, k, gm_load_rlx(HDR(hash0))), old_elem);
}

/* ------------------------------------------------------------------ evacuate */

typedef struct P(dest) {
    bmap *b;
    unsigned i; /* next free cell */
} P(dest);

PATH_FN inline void P(move_cell)(gm_map *m, bmap *from, unsigned i, uint8_t top, P(dest) * to)
{
    if (to->i == bucketCnt) {
        to->b = gm_newoverflow(m, to->b);
        to->i = 0;
    }
    if (GM_COLLECTED)
        gm_tell_move(m, to->b, to->i, from, i);
    K(move)(m, KEY_SLOT(to->b, to->i), KEY_SLOT(from, i));
    gm_elem_move(m, ELEM_SLOT(to->b, to->i), ELEM_SLOT(from, i));
    setTophash(to->b, to->i, top);
    to->i++;
}

/* Whether a cell goes to Y. A NaN's hash is new every time and says nothing about its old place: while an iterator may be
 * running, the low bit of the old tophash decides, so that the iterator can tell which half the key belongs to. */
PATH_FN inline unsigned P(goes_to_y)(gm_map *m, bmap *b, unsigned i, uint64_t newbit, uint8_t *top)
{
    K(t) k = K(of_slot)(m, KEY_SLOT(b, i));
    uint64_t hash = PATH_HASH(m, k, gm_load_rlx(HDR(hash0)));
    if ((gm_load_rlx(HDR(flags)) & iterator) && !K(reflexive)(m, k)) {
        unsigned y = *top & 1;
        *top = tophash(hash);
        return y;
    }
    return (hash & newbit) != 0;
}

PATH_FN void P(move_chain)(gm_map *m, bmap *first, uint64_t oldbucket, uint64_t newbit)
{
    bool same = gm_load_rlx(HDR(flags)) & sameSizeGrow;
    bmap *buckets = gm_load_rlx(HDR(buckets));
    P(dest) to[2] = {{bucketAt(m, buckets, oldbucket), 0}, {same ? NULL : bucketAt(m, buckets, oldbucket + newbit), 0}};
    for (bmap *b = first; b; b = overflow(m, b)) {
        for (unsigned i = 0; i < bucketCnt; i++) {
            uint8_t top = tophashAt(b, i);
            if (top <= emptyOne) {
                setTophash(b, i, evacuatedEmpty);
                continue;
            }
            unsigned y = same ? 0 : P(goes_to_y)(m, b, i, newbit, &top);
            setTophash(b, i, (uint8_t)(evacuatedX + y));
            P(move_cell)(m, b, i, top, &to[y]);
        }
    }
}

/* What Go's collector could free after an evacuation: the chain's heap buckets, and what the first bucket points to. */
PATH_FN void P(let_go_chain)(gm_map *m, bmap *first, uint64_t newbit)
{
    bmap *old = gm_load_rlx(HDR(oldbuckets));
    for (bmap *b = overflow(m, first); b; b = overflow(m, b))
        if (preallocIndex(m, old, newbit, m->extra.nold, b) < 0) {
            m->extra.nheap--;
            gm_retire(m, b);
        }
    if (m->t.bucket_pointers && !(gm_load_rlx(HDR(flags)) & oldIterator)) {
        unsigned char *p = (unsigned char *)first;
        if (GM_COLLECTED)
            gm_tell_wipe(m, first);
        for (size_t at = bucketCnt; at < m->t.bucketsize; at += 8)
            gm_shared_zero(p + at, 8);
    }
}

/* Asks for the lines of an old bucket and of those that it goes to, before the first of them is waited for: filling a map with
 * 10^6 keys takes 5 to 15 % less time. (Asking for those of the next one in line, too, gains nothing more.) */
PATH_FN inline void P(fetch_to_move)(gm_map *m, bmap *from, uint64_t oldbucket, uint64_t newbit)
{
    if (PATH_SCALAR)
        return;
    unsigned targets = gm_load_rlx(HDR(flags)) & sameSizeGrow ? 1 : 2;
    P(fetch)(from);
    for (unsigned i = 0; i < targets; i++) {
        bmap *to = bucketAt(m, gm_load_rlx(HDR(buckets)), oldbucket + i * newbit);
        __builtin_prefetch(to);
        P(fetch)(to);
    }
}

PATH_FN int P(evacuate)(gm_map *m, uint64_t oldbucket)
{
    uint64_t newbit = noldbuckets(m);
    bmap *first = bucketAt(m, gm_load_rlx(HDR(oldbuckets)), oldbucket);
    if (!evacuated(first)) {
        P(fetch_to_move)(m, first, oldbucket, newbit);
        uint64_t more = 0;
        for (bmap *b = overflow(m, first); b; b = overflow(m, b))
            more++;
        gm_span span = gm_span_enter_if(PATH_PROBED && more > 0, GM_CAUSE_ALLOCATION);
        int status = gm_unlikely(more > 0) ? gm_ensure_overflow(m, more) : GM_OK;
        gm_span_leave(span);
        if (status != GM_OK)
            return status;
        P(move_chain)(m, first, oldbucket, newbit);
        P(let_go_chain)(m, first, newbit);
        gm_event_push(m, GM_EV_EVACUATE, oldbucket, 0, 0, 0);
    }
    if (oldbucket == gm_load_rlx(HDR(nevacuate)))
        gm_advanceEvacuationMark(m, newbit);
    return GM_OK;
}

/* ------------------------------------------------------------------ the functions of the table */

PATH_FN int P(get)(gm_map *m, const void *key, size_t len, void *elem)
{
    gm_begin_told(m);
    int status = P(get_key)(m, K(from)(m, key, len), elem);
    gm_end_told(m);
    return status;
}

PATH_FN int P(assign)(gm_map *m, const void *key, size_t len, const void *elem, size_t elem_len, uint64_t *old_ref)
{
    gm_begin_told(m);
    int status;
    do
        status = P(assign_key)(m, K(from)(m, key, len), elem, elem_len, old_ref);
    while (gm_again_told(m, status));
    gm_end_told(m);
    return status;
}

PATH_FN int P(del)(gm_map *m, const void *key, size_t len, void *old_elem)
{
    gm_begin_told(m);
    int status;
    do
        status = P(delete_key)(m, K(from)(m, key, len), old_elem);
    while (gm_again_told(m, status));
    gm_end_told(m);
    return status;
}

#if PATH_KNOBS || PATH_SCALAR || PATH_PROBED
/* One after the other: measured as Go does it, or charged to causes one by one. */
PATH_FN int P(get_many)(gm_map *m, gm_key_batch keys, size_t n, void *elems, uint8_t *found, size_t *done)
{
    unsigned char *to = elems;
    size_t hits = 0, step = m->t.elem_size;
    int status = GM_OK;
    gm_begin_told(m);
    for (size_t i = 0; i < n && status >= 0; i++) {
        status = P(get_key)(m, K(at)(m, keys, i), to ? to + i * step : NULL);
        hits += status == GM_OK;
        if (found)
            found[i] = status == GM_OK;
        gm_between_told(m);
    }
    gm_end_told(m);
    *done = hits;
    return status < 0 ? status : GM_OK;
}

PATH_FN int P(assign_many)(gm_map *m, gm_key_batch keys, size_t n, const void *elems, uint64_t *old_refs, size_t *done)
{
    const unsigned char *from = elems;
    size_t i = 0, step = m->t.elem_size;
    int status = GM_OK;
    gm_begin_told(m);
    for (; i < n && status == GM_OK; i++) {
        do
            status = P(assign_key)(m, K(at)(m, keys, i), from ? from + i * step : NULL, step, old_refs ? old_refs + i : NULL);
        while (gm_again_told(m, status));
        gm_between_told(m);
    }
    gm_end_told(m);
    *done = status == GM_OK ? i : i - 1;
    return status;
}

PATH_FN int P(delete_many)(gm_map *m, gm_key_batch keys, size_t n, uint64_t *old_refs, size_t *done)
{
    size_t hits = 0;
    int status = GM_OK;
    gm_begin_told(m);
    for (size_t i = 0; i < n && status >= 0; i++) {
        do
            status = P(delete_key)(m, K(at)(m, keys, i), old_refs ? old_refs + i : NULL);
        while (gm_again_told(m, status));
        hits += status == GM_OK;
        gm_between_told(m);
    }
    gm_end_told(m);
    *done = hits;
    return status < 0 ? status : GM_OK;
}
#else
#include "map/batch.inc.h"
#endif

PATH_FN bmap *P(find_slot)(gm_map *m, const void *slot, unsigned *cell)
{
    return P(find)(m, K(of_slot)(m, slot), cell);
}

PATH_FN uint64_t P(hash_slot)(gm_map *m, const void *slot)
{
    return PATH_HASH(m, K(of_slot)(m, slot), gm_load_rlx(HDR(hash0)));
}

PATH_FN uint64_t P(hash_key)(gm_map *m, const void *key, size_t len, uint32_t seed)
{
    return PATH_HASH(m, K(from)(m, key, len), seed);
}

static const gm_path P(table) = {
    P(get),         P(assign),   P(del),       P(get_many),  P(assign_many),
    P(delete_many), P(evacuate), P(find_slot), P(hash_slot), P(hash_key),
};
