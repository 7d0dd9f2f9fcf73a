/* batch.inc.h: many keys in one call, so that the memory works on several at once. Included by path.inc.h, once a path.
 *
 * A get of a large map waits two or three times for memory: for the tophash bytes of its bucket, then for the lines of the
 * key and of the elem. One get after the other waits for each in turn, and a processor looks ahead no further than the next
 * few gets. Here a batch is a pipe that blocks of keys go through, a step each
 * at a time, so that what a step needs was asked for two or one block of keys before:
 *
 *      a block of keys          the block before it              the block before that
 *     +------------------+     +--------------------------+     +-------------------------+
 *     | hash, bucket     | --> | tophash: which cell?     | --> | compare, read the elem  | --> found, or not there
 *     | ask for tophash  |     | ask for its key and elem |     |                         |
 *     +------------------+     +--------------------------+     +-----------+-------------+
 *                                                                           | neither: the chain goes on
 *                                                               +-----------v-------------+
 *                                                               | ask for the next bucket,| --> later, in the order
 *                                                               | wait in the queue       |     in which they came
 *                                                               +-------------------------+
 *
 * Chains are not walked in the pipe: one in five buckets of a full map has an overflow bucket, and whoever waits for it
 * would hold up all behind it.
 *
 *   B1  A batch of gets is one read: it takes the header as it finds it once. Whoever calls it keeps writers away for that long
 *       (the guard of api.c, or a lock). A writer that is not kept away moves keys out of the reader's sight, as in Go; nothing
 *       is read that is not memory of the map (O6 in hmap.h).
 *   B2  Writes are made one after the other, in their order, by the same functions as single ones: the steps before only
 *       ask for memory, and what they found is not relied upon. Hashes are: hash0 changes with clear and with the delete of
 *       the last entry only, and after that one a batch of deletes has nothing left to find.
 *   B3  A key whose hash is drawn (NaN) draws it once, in the order of the keys.
 *
 * Rejected: a step more for strings, which asks for the bytes of a key one block ahead (10^6 keys of 16 bytes: 57 ns a get
 * instead of 53); setting and clearing hashWriting once for a run of writes instead of for each (overwrites in 10^6 entries:
 * 20.5 ns and 20.2); prefetchw for the lines of writes, which the compiler makes an ordinary prefetch of (43.1 ns and 41.6 on
 * a busy machine).
 */

enum { P(block) = 16, P(ring) = 4 * P(block), P(near) = 1 << 18 };

/* How many keys the j-th block of n has. */
static inline unsigned P(block_size)(size_t j, size_t n)
{
    size_t before = j * P(block);
    return before >= n ? 0 : n - before < P(block) ? (unsigned)(n - before) : P(block);
}

static inline size_t P(blocks)(size_t n)
{
    return n / P(block) + (n % P(block) != 0);
}

/* What the steps go by: gets find the header once, writes once a block. */
typedef struct P(batch) {
    gm_map *m;
    gm_key_batch keys;
    unsigned char *elems; /* or NULL */
    uint8_t *found;       /* or NULL */
    bmap *buckets, *old;
    uint64_t mask, old_mask;
    uint32_t hash0;
    bool words; /* elems are wanted, and are words: a constant where it matters */
} P(batch);

/* A key on its way. */
typedef struct P(traveller) {
    bmap *b;
    uint64_t hash;
    unsigned hits; /* cells with its tophash */
} P(traveller);

/* The key's bucket, unless the map grows. */
PATH_HOT P(traveller) P(set_out)(const P(batch) * a, size_t i)
{
    P(traveller) t = {.hash = PATH_HASH(a->m, K(at)(a->m, a->keys, i), a->hash0)};
    t.b = bucketAt(a->m, a->buckets, t.hash & a->mask);
    return t;
}

/* While it grows: the old bucket, if that has not moved. */
PATH_HOT void P(choose)(const P(batch) * a, P(traveller) * t)
{
    if (gm_likely(a->old == NULL))
        return;
    bmap *oldb = bucketAt(a->m, a->old, t->hash & a->old_mask);
    if (!evacuated(oldb))
        t->b = oldb;
}

PATH_HOT bool P(answer_hit)(const P(batch) * a, size_t i, bmap *b, unsigned cell)
{
    if (a->words)
        gm_elem_load_word(gm_elem_slot(a->m, b, cell), a->elems + 8 * i);
    else if (a->elems)
        gm_elem_load(a->m, gm_elem_slot(a->m, b, cell), a->elems + i * a->m->t.elem_size);
    if (a->found)
        a->found[i] = 1;
    return true;
}

PATH_HOT bool P(answer_miss)(const P(batch) * a, size_t i)
{
    if (a->found)
        a->found[i] = 0;
    return true;
}

/* Looks at one bucket of a chain. True: answered, and counted if it is there; false: *b is the next bucket. */
PATH_HOT bool P(arrive)(const P(batch) * a, size_t i, bmap **b, unsigned hits, size_t *count)
{
    K(t) k = K(at)(a->m, a->keys, i);
    for (; hits; hits &= hits - 1) {
        unsigned cell = (unsigned)__builtin_ctz(hits);
        if (gm_likely(K(eq)(a->m, K(slot)(a->m, *b, cell), k))) {
            ++*count;
            return P(answer_hit)(a, i, *b, cell);
        }
    }
    if (gm_likely(matchTop(tophash8(*b), emptyRest)) || !(*b = overflow(a->m, *b)))
        return P(answer_miss)(a, i);
    return false;
}

/* Where all is near, asking ahead only costs. */
PATH_HOT size_t P(get_near)(const P(batch) * a, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        P(traveller) t = P(set_out)(a, i);
        P(choose)(a, &t);
        while (!P(arrive)(a, i, &t.b, matchTop(tophash8(t.b), tophash(t.hash)), &count))
            ;
    }
    return count;
}

/* ------------------------------------------------------------------ the pipe */

/* Those whose chain goes on: number of the key, its next bucket and its tophash. */
typedef struct P(queue) {
    struct {
        size_t i;
        bmap *b;
        uint8_t top;
    } waiting[P(ring)];
    unsigned first, n;
} P(queue);

PATH_HOT void P(wait_in_queue)(P(queue) * q, size_t i, bmap *b, uint8_t top)
{
    __builtin_prefetch(b);
    unsigned at = (q->first + q->n++) % P(ring);
    q->waiting[at].i = i;
    q->waiting[at].b = b;
    q->waiting[at].top = top;
}

/* The first of the queue looks at its bucket; if that does not answer it, it is the last one then. */
PATH_HOT void P(serve_queue)(const P(batch) * a, P(queue) * q, size_t *count)
{
    size_t i = q->waiting[q->first].i;
    bmap *b = q->waiting[q->first].b;
    uint8_t top = q->waiting[q->first].top;
    q->first = (q->first + 1) % P(ring);
    q->n--;
    if (!P(arrive)(a, i, &b, matchTop(tophash8(b), top), count))
        P(wait_in_queue)(q, i, b, top);
}

PATH_HOT void P(set_out_block)(const P(batch) * a, P(traveller) * way, size_t first, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        way[i] = P(set_out)(a, first + i);
        __builtin_prefetch(way[i].b);
        if (gm_unlikely(a->old != NULL))
            __builtin_prefetch(bucketAt(a->m, a->old, way[i].hash & a->old_mask));
    }
}

/* Without a hit what is asked for is the word behind the last elem: the overflow pointer. */
PATH_HOT void P(look_ahead_block)(const P(batch) * a, P(traveller) * way, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        P(choose)(a, &way[i]);
        way[i].hits = matchTop(tophash8(way[i].b), tophash(way[i].hash));
        unsigned cell = (unsigned)__builtin_ctz(way[i].hits | 1u << bucketCnt);
        __builtin_prefetch(K(slot)(a->m, way[i].b, cell));
        __builtin_prefetch(gm_elem_slot(a->m, way[i].b, cell));
    }
}

PATH_HOT size_t P(arrive_block)(const P(batch) * a, P(queue) * q, P(traveller) * way, size_t first, unsigned size)
{
    size_t count = 0;
    for (unsigned i = 0; i < size; i++)
        if (gm_unlikely(!P(arrive)(a, first + i, &way[i].b, way[i].hits, &count)))
            P(wait_in_queue)(q, first + i, way[i].b, tophash(way[i].hash));
    for (unsigned waited = q->n > P(block) ? q->n - P(block) : 0; waited; waited--)
        P(serve_queue)(a, q, &count);
    return count;
}

PATH_HOT size_t P(get_piped)(const P(batch) * a, size_t n)
{
    P(traveller) way[3][P(block)];
    P(queue) q = {.first = 0, .n = 0};
    size_t count = 0;
    for (size_t j = 0; j < P(blocks)(n) + 2; j++) {
        P(set_out_block)(a, way[j % 3], j * P(block), P(block_size)(j, n));
        if (j >= 1)
            P(look_ahead_block)(a, way[(j - 1) % 3], P(block_size)(j - 1, n));
        if (j >= 2)
            count += P(arrive_block)(a, &q, way[(j - 2) % 3], (j - 2) * P(block), P(block_size)(j - 2, n));
    }
    while (q.n)
        P(serve_queue)(a, &q, &count);
    return count;
}

/* ------------------------------------------------------------------ the batch */

PATH_FN GM_APART size_t P(get_all)(P(batch) a, size_t n)
{
    bool near = (a.mask + 1) * a.m->t.bucketsize <= P(near);
    return near ? P(get_near)(&a, n) : P(get_piped)(&a, n);
}

/* The same with elems known to be words: a fifth of the instructions less. */
PATH_FN GM_APART size_t P(get_all_words)(P(batch) a, size_t n)
{
    a.words = true;
    bool near = (a.mask + 1) * a.m->t.bucketsize <= P(near);
    return near ? P(get_near)(&a, n) : P(get_piped)(&a, n);
}

/* The order of the loads is O2's; they pair with hashGrow's releases. */
PATH_HOT void P(look_at_header)(P(batch) * a)
{
    gm_map *m = a->m;
    a->hash0 = gm_load_rlx(HDR(hash0));
    a->mask = bucketMask(gm_load_acq(HDR(B)));
    a->old_mask = gm_load_acq(HDR(flags)) & sameSizeGrow ? a->mask : a->mask >> 1;
    a->buckets = P(load_buckets)(m);
    a->old = gm_load_acq(HDR(oldbuckets));
}

PATH_FN int P(get_many)(gm_map *m, gm_key_batch keys, size_t n, void *elems, uint8_t *found, size_t *done)
{
    if (gm_unlikely(gm_load_rlx(HDR(flags)) & hashWriting))
        return GM_E_READ_WRITE;
    P(batch) a = {.m = m, .keys = keys, .elems = elems, .found = found};
    P(look_at_header)(&a);
    if (gm_unlikely(!a.buckets || gm_load_rlx(HDR(count)) == 0)) {
        if (found)
            memset(found, 0, n);
        return GM_OK;
    }
    *done = m->t.elem_word && elems ? P(get_all_words)(a, n) : P(get_all)(a, n);
    return GM_OK;
}

/* ------------------------------------------------------------------ writes */

PATH_HOT void P(hash_block)(const P(batch) * a, uint64_t *hash, size_t first, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        hash[i] = PATH_HASH(a->m, K(at)(a->m, a->keys, first + i), a->hash0);
        if (gm_likely(a->buckets != NULL))
            __builtin_prefetch(bucketAt(a->m, a->buckets, hash[i] & a->mask), 1);
        if (gm_unlikely(a->old != NULL))
            __builtin_prefetch(bucketAt(a->m, a->old, hash[i] & a->old_mask), 1);
    }
}

/* Looks where a key would be found now, for its lines only: writes before it may still move it. Without a hit the lines are
 * those of the first free cell, or else the overflow pointer's. */
PATH_HOT void P(fetch_block)(const P(batch) * a, const uint64_t *hash, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        bmap *b = bucketAt(a->m, a->buckets, hash[i] & a->mask);
        uint64_t tops = tophash8(b);
        unsigned hits = matchTop(tops, tophash(hash[i]));
        unsigned cell = (unsigned)__builtin_ctz((hits ? hits : matchEmpty(tops)) | 1u << bucketCnt);
        __builtin_prefetch(K(slot)(a->m, b, cell), 1);
        __builtin_prefetch(gm_elem_slot(a->m, b, cell), 1);
    }
}

/* The steps before the writes of block j - 2, whose hashes are returned. The header is looked at anew: writes change it. */
PATH_HOT const uint64_t *P(before_writes)(P(batch) * a, uint64_t hash[3][P(block)], size_t j, size_t n)
{
    P(look_at_header)(a);
    P(hash_block)(a, hash[j % 3], j * P(block), P(block_size)(j, n));
    if (j >= 1 && a->buckets && (a->mask + 1) * a->m->t.bucketsize > P(near))
        P(fetch_block)(a, hash[(j - 1) % 3], P(block_size)(j - 1, n));
    return hash[(j + 1) % 3];
}

PATH_FN int P(assign_many)(gm_map *m, gm_key_batch keys, size_t n, const void *elems, uint64_t *old_refs, size_t *done)
{
    const unsigned char *from = elems;
    size_t step = m->t.elem_size;
    P(batch) a = {.m = m, .keys = keys};
    uint64_t hash[3][P(block)];
    for (size_t j = 0; j < P(blocks)(n) + 2; j++) {
        const uint64_t *h = P(before_writes)(&a, hash, j, n);
        size_t i = j < 2 ? 0 : (j - 2) * P(block), end = j < 2 ? 0 : i + P(block_size)(j - 2, n);
        for (; i < end; i++, h++) {
            int status =
                P(assign_hashed)(m, K(at)(m, keys, i), *h, from ? from + i * step : NULL, step, old_refs ? old_refs + i : NULL);
            if (gm_unlikely(status != GM_OK)) {
                *done = i;
                return status;
            }
        }
    }
    *done = n;
    return GM_OK;
}

PATH_FN int P(delete_many)(gm_map *m, gm_key_batch keys, size_t n, uint64_t *old_refs, size_t *done)
{
    P(batch) a = {.m = m, .keys = keys};
    uint64_t hash[3][P(block)];
    size_t hits = 0;
    int status = GM_OK;
    for (size_t j = 0; j < P(blocks)(n) + 2 && status >= 0; j++) {
        const uint64_t *h = P(before_writes)(&a, hash, j, n);
        size_t i = j < 2 ? 0 : (j - 2) * P(block), end = j < 2 ? 0 : i + P(block_size)(j - 2, n);
        for (; i < end && status >= 0 && gm_load_rlx(HDR(count)) != 0; i++, h++) {
            status = P(delete_hashed)(m, K(at)(m, keys, i), *h, old_refs ? old_refs + i : NULL);
            hits += status == GM_OK;
        }
    }
    *done = hits;
    return status < 0 ? status : GM_OK;
}
