/* hmap.c: making a map, its arrays and overflow buckets, growth, clear.
 *
 * Mirrors makemap, makeBucketArray, newoverflow, hashGrow, growWork, advanceEvacuationMark and mapclear of
 * runtime/map_noswiss.go (Go 1.25), and roundupsize of runtime/msize.go, whose size classes decide how many buckets an
 * array gets beyond those asked for.
 *
 * GROWTH. A map grows when an insert would bring it over 6.5 entries a bucket (to twice the size), or when it has about as
 * many overflow buckets as buckets (to the same size, which packs thin chains). hashGrow only allocates; each later write
 * moves two old buckets at most:
 *
 *     old   [e e e . . e . .]      e: evacuated   .: not yet
 *                  ^nevacuate      all below it are evacuated; it skips at most 1,024 done ones at a time
 *     write to a key of old bucket 4:  evacuate 4, then evacuate the bucket at nevacuate
 *
 *   W1  nevacuate counts up through a growth and keeps its last value when it ends.
 *   W2  Array lengths: B >= 4 asks for 2^(B-4) buckets of reserve and takes what the allocator's size class leaves over;
 *       a request over 512 bytes that holds pointers carries an 8-byte header (Go 1.22+).
 *   W3  The reserve is handed out in order. Its last bucket is marked by a non-NULL overflow pointer (to bucket 0).
 *   W4  hashGrow stores oldbuckets, buckets, then B (O2 in hmap.h).
 *   W5  Deleting the last key and clear() draw a new hash0; neither ends an iteration.
 *   W6  An evacuation can be held: the mark stops at freeze_at, so the growth cannot end. A write still evacuates the bucket
 *       it needs, since a key must not live in two arrays.
 *
 * Divergence: Go takes a hint too large for memory as 0; we refuse it.
 */
#include "map/hmap.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sizes.h"

/* ------------------------------------------------------------------ events */

void gm_event_push(gm_map *m, int kind, uint64_t n, uint64_t took_ns, uint8_t from_B, uint8_t to_B)
{
    if (!(m->event_kinds >> kind & 1))
        return;
    gm_event e = {m->clock.now_ns(m->clock.ctx), m->op, n, took_ns, kind, from_B, to_B};
    gm_ring_push(&m->events, &e);
}

/* ------------------------------------------------------------------ arrays */

enum { mallocHeaderSize = 8, minSizeForMallocHeader = 512 };

/* Usable bytes that Go's allocator gives for a request. */
static uint64_t roundupsize(uint64_t size, bool pointers)
{
    if (size > gm_max_small - mallocHeaderSize)
        return (size + gm_go_page - 1) / gm_go_page * gm_go_page;
    uint64_t header = pointers && size > minSizeForMallocHeader ? mallocHeaderSize : 0;
    return gm_class_bytes[gm_size_class(size + header)] - header;
}

/* The length of the array for 2^B buckets (W2); 0 if no memory can be that large. */
static uint64_t array_length(const maptype *t, uint8_t B)
{
    if (B >= 48)
        return 0;
    uint64_t n = (uint64_t)1 << B;
    if (B < 4)
        return n;
    n += n >> 4;
    if (n > (UINT64_MAX >> 1) / t->bucketsize)
        return 0;
    uint64_t size = n * t->bucketsize, got = roundupsize(size, t->bucket_pointers);
    return got == size ? n : got / t->bucketsize;
}

static void adopt_reserve(gm_map *m, bmap *buckets, uint8_t B)
{
    uint64_t regular = (uint64_t)1 << B, total = m->extra.nbuckets;
    m->extra.nextOverflow = NULL;
    if (total > regular) {
        m->extra.nextOverflow = bucketAt(m, buckets, regular);
        setoverflow(m, bucketAt(m, buckets, total - 1), buckets); /* W3 */
    }
}

static bmap *makeBucketArray(gm_map *m, uint8_t B, uint64_t *length)
{
    *length = array_length(&m->t, B);
    uint64_t size = *length * m->t.bucketsize;
    if (size == 0 || size > SIZE_MAX / 2)
        return NULL;
    uint64_t start = m->event_kinds ? m->clock.now_ns(m->clock.ctx) : 0;
    gm_span span = gm_span_enter(GM_CAUSE_ARRAY_ALLOCATION);
    bmap *buckets = gm_mem_new_buckets(m, (size_t)size);
    gm_span_leave(span);
    if (buckets && m->event_kinds)
        gm_event_push(m, GM_EV_ARRAY_ALLOC, size, m->clock.now_ns(m->clock.ctx) - start, B, B);
    return buckets;
}

/* A map made without a hint, or with one up to 8, gets its bucket at the first insert. */
int gm_first_bucket(gm_map *m)
{
    uint64_t length;
    bmap *buckets = makeBucketArray(m, 0, &length);
    if (!buckets)
        return GM_E_NOMEM;
    m->extra.nbuckets = length;
    gm_store_rel(&m->h.buckets, buckets); /* pairs with find's acquire */
    return GM_OK;
}

/* ------------------------------------------------------------------ overflow buckets */

/* Has memory for n more overflow buckets set aside, so that taking them cannot fail. */
int gm_ensure_overflow(gm_map *m, uint64_t n)
{
    if (n <= m->extra.nspare)
        return GM_OK;
    uint64_t reserve = 0;
    if (m->extra.nextOverflow) {
        unsigned char *end = (unsigned char *)bucketAt(m, gm_load_rlx(&m->h.buckets), m->extra.nbuckets);
        reserve = (uint64_t)(end - (unsigned char *)m->extra.nextOverflow) / m->t.bucketsize;
    }
    while (m->extra.nspare + reserve < n) {
        void *b = gm_mem_new_overflow(m);
        if (!b)
            return GM_E_NOMEM;
        gm_blocklist_push(&m->extra.spare, gm_block_of(b));
        m->extra.nspare++;
    }
    return GM_OK;
}

/* Exact below B = 16; from there on one in 2^(B-15) is counted, so that 16 bits do. */
static void incrnoverflow(gm_map *m)
{
    uint8_t B = gm_load_rlx(&m->h.B);
    if (B >= 16) {
        uint64_t mask = ((uint64_t)1 << ((B - 15) & 63)) - 1;
        if (m->rng.draw(m->rng.ctx, GM_DRAW_NOVERFLOW) & mask)
            return;
    }
    gm_store_rlx(&m->h.noverflow, (uint16_t)(gm_load_rlx(&m->h.noverflow) + 1));
}

/* Appends an overflow bucket to b: from the reserve, else from what gm_ensure_overflow set aside. Cannot fail. */
bmap *gm_newoverflow(gm_map *m, bmap *b)
{
    bmap *next = m->extra.nextOverflow;
    bool heap = next == NULL;
    if (heap) {
        next = (bmap *)(gm_blocklist_pop(&m->extra.spare) + 1);
        m->extra.nspare--;
        m->extra.nheap++;
    } else if (overflow(m, next) == NULL) {
        m->extra.nextOverflow = (bmap *)((unsigned char *)next + m->t.bucketsize);
    } else {
        setoverflow(m, next, NULL);
        m->extra.nextOverflow = NULL;
    }
    incrnoverflow(m);
    setoverflow(m, b, next); /* publishes a zeroed bucket (O3) */
    gm_event_push(m, GM_EV_OVERFLOW, heap, 0, 0, 0);
    return next;
}

/* Turns emptyOne into emptyRest where nothing follows in the chain: in cell i of b, just emptied, and before it. */
void gm_settle_emptyRest(gm_map *m, bmap *first, bmap *b, unsigned i)
{
    bmap *next = overflow(m, b);
    uint8_t behind = i < bucketCnt - 1 ? tophashAt(b, i + 1) : next ? tophashAt(next, 0) : emptyRest;
    if (behind != emptyRest)
        return;
    while (tophashAt(b, i) == emptyOne) {
        setTophash(b, i, emptyRest);
        if (i > 0) {
            i--;
        } else if (b == first) {
            return;
        } else {
            bmap *before = first;
            while (overflow(m, before) != b)
                before = overflow(m, before);
            b = before;
            i = bucketCnt - 1;
        }
    }
}

/* ------------------------------------------------------------------ growth */

int gm_hashGrow(gm_map *m)
{
    uint8_t B = gm_load_rlx(&m->h.B), flags = gm_load_rlx(&m->h.flags), bigger = 1;
    if (!gm_grows_bigger(m)) {
        bigger = 0;
        flags |= sameSizeGrow;
    }
    uint8_t to_B = (uint8_t)(B + bigger);
    uint64_t length;
    bmap *buckets = makeBucketArray(m, to_B, &length);
    if (!buckets)
        return GM_E_NOMEM;
    bool iterating = flags & iterator;
    flags &= (uint8_t) ~(iterator | oldIterator);
    gm_store_rel(&m->h.flags, (uint8_t)(iterating ? flags | oldIterator : flags)); /* pairs with find's acquire */
    gm_store_rlx(&m->h.nevacuate, 0);
    gm_store_rlx(&m->h.noverflow, 0);
    m->extra.nold = m->extra.nbuckets;
    m->extra.nbuckets = length;
    gm_store_rel(&m->h.oldbuckets, gm_load_rlx(&m->h.buckets)); /* these three in this order pair with find's */
    gm_store_rel(&m->h.buckets, buckets);                       /* acquires in the opposite order (O2, W4) */
    gm_store_rel(&m->h.B, to_B);
    adopt_reserve(m, buckets, to_B);
    gm_event_push(m, GM_EV_GROW_START, gm_load_rlx(&m->h.count), 0, B, to_B);
    return GM_OK;
}

/* The growth work of one write: the old bucket it lands in, then the next one in line unless the mark is held (W6). */
int gm_growWork(gm_map *m, uint64_t bucket)
{
    gm_span span = gm_span_enter(GM_CAUSE_EVACUATION);
    int status = m->path->evacuate(m, bucket & (noldbuckets(m) - 1));
    if (status == GM_OK && growing(m)) {
        uint64_t next = gm_load_rlx(&m->h.nevacuate);
        gm_span_switch(span, GM_CAUSE_SECOND_EVACUATION);
        if (next < m->extra.freeze_at)
            status = m->path->evacuate(m, next);
    }
    gm_span_leave(span);
    return status;
}

static void end_growth(gm_map *m)
{
    bmap *old = gm_load_rlx(&m->h.oldbuckets);
    uint8_t B = gm_load_rlx(&m->h.B), flags = gm_load_rlx(&m->h.flags);
    gm_store_rel(&m->h.oldbuckets, NULL);                        /* readers turn to `buckets`, complete by now */
    gm_store_rel(&m->h.flags, (uint8_t)(flags & ~sameSizeGrow)); /* pairs with find's acquire */
    m->extra.freeze_at = m->extra.freeze_next;
    gm_span span = gm_span_enter(GM_CAUSE_RECLAMATION);
    gm_retire(m, old);
    gm_span_leave(span);
    gm_event_push(m, GM_EV_GROW_END, gm_load_rlx(&m->h.count), 0, (uint8_t)(flags & sameSizeGrow ? B : B - 1), B);
}

void gm_advanceEvacuationMark(gm_map *m, uint64_t newbit)
{
    uint64_t mark = gm_load_rlx(&m->h.nevacuate), limit = m->extra.freeze_at;
    if (mark >= limit)
        return;
    bmap *old = gm_load_rlx(&m->h.oldbuckets);
    uint64_t stop = ++mark + 1024; /* as in Go: keeps the skipping short */
    stop = stop < newbit ? stop : newbit;
    stop = stop < limit ? stop : limit;
    while (mark < stop && evacuated(bucketAt(m, old, mark)))
        mark++;
    gm_store_rlx(&m->h.nevacuate, mark);
    if (mark == newbit)
        end_growth(m);
}

/* ------------------------------------------------------------------ clear, new, free */

/* A bucket of a live chain that is leaving the map: gives back what its cells point to. */
static void retire_contents(gm_map *m, bmap *b)
{
    for (unsigned i = 0; i < bucketCnt; i++) {
        if (tophashAt(b, i) < minTopHash)
            continue;
        if (gm_key_points(m))
            gm_retire(m, gm_slot_ptr(keySlot(m, b, i)));
        if (gm_elem_owned(m))
            gm_retire(m, gm_slot_ptr(elemSlot(m, b, i)));
    }
}

/* All chains of an array leave the map. Evacuated chains have given everything back already. */
static void retire_chains(gm_map *m, bmap *array, uint64_t regular, uint64_t total)
{
    for (uint64_t i = 0; array && i < regular; i++) {
        bmap *first = bucketAt(m, array, i), *next;
        if (evacuated(first))
            continue;
        for (bmap *b = first; b; b = next) {
            next = overflow(m, b);
            if (m->t.bucket_pointers)
                retire_contents(m, b);
            if (b != first && preallocIndex(m, array, regular, total, b) < 0)
                gm_retire(m, b);
        }
    }
}

static void retire_everything(gm_map *m)
{
    bmap *buckets = gm_load_rlx(&m->h.buckets), *old = gm_load_rlx(&m->h.oldbuckets);
    uint64_t nold = old ? noldbuckets(m) : 0;
    if (!old && m->extra.nheap == 0 && gm_load_rlx(&m->h.count) == 0)
        return;                           /* nothing hangs on the array: no need to walk a large one */
    gm_store_rel(&m->h.oldbuckets, NULL); /* pairs with find's acquire */
    retire_chains(m, old, nold, m->extra.nold);
    gm_retire(m, old);
    retire_chains(m, buckets, (uint64_t)1 << gm_load_rlx(&m->h.B), m->extra.nbuckets);
    m->extra.nheap = 0;
}

void gm_reset_hash0(gm_map *m)
{
    uint32_t hash0 = (uint32_t)m->rng.draw(m->rng.ctx, GM_DRAW_HASH0);
    gm_store_rlx(&m->h.hash0, hash0);
    gm_event_push(m, GM_EV_HASH_RESET, hash0, 0, 0, 0);
}

/* mapclear on a map that is not empty: the array and its reserve are wiped and used again, heap buckets are let go of as
 * they are (an iterator standing in one still sees its cells). */
void gm_clear(gm_map *m)
{
    bmap *buckets = gm_load_rlx(&m->h.buckets);
    if (growing(m))
        gm_event_push(m, GM_EV_GROW_DROP, gm_load_rlx(&m->h.count), 0, 0, gm_load_rlx(&m->h.B));
    gm_enter_world(m);
    retire_everything(m);
    m->extra.freeze_at = m->extra.freeze_next;
    gm_store_rel(&m->h.flags, (uint8_t)(gm_load_rlx(&m->h.flags) & ~sameSizeGrow)); /* pairs with find's acquire */
    gm_store_rlx(&m->h.nevacuate, 0);
    gm_store_rlx(&m->h.clearSeq, gm_load_rlx(&m->h.clearSeq) + 1);
    gm_store_rlx(&m->h.noverflow, 0);
    gm_store_rlx(&m->h.count, 0);
    gm_reset_hash0(m);
    if (m->member.collector)
        m->member.collector->wipe(m->member.collector->ctx, buckets);
    uint64_t size = m->extra.nbuckets * m->t.bucketsize;
    for (uint64_t at = 0; at < size; at += 8)
        gm_store_rlx((_Atomic uint64_t *)(void *)((unsigned char *)buckets + at), 0);
    adopt_reserve(m, buckets, gm_load_rlx(&m->h.B));
    gm_collect_garbage(m, UINT32_MAX);
    gm_leave_world(m);
}

static uint32_t roundup(uint32_t n, uint32_t step)
{
    return (n + step - 1) / step * step;
}

/* From a bucket's address to the next one's. */
static uint32_t stride_of(uint32_t bucketsize, uint32_t knob)
{
    if (knob == GM_STRIDE_192 && bucketsize <= 192)
        return 192;
    return knob == GM_STRIDE_ALIGNED ? roundup(bucketsize, alignedStride) : bucketsize;
}

/* Where keys and elems lie in a bucket, and its natural size. */
static cellstep lay_out(maptype *t, const gm_knobs *k)
{
    uint32_t key = k->key_stride == GM_KEYS_NATURAL ? t->keyslot : roundup(t->keyslot, keyStride);
    uint32_t cell = key + t->elemslot;
    bool pairs = k->cells == GM_CELLS_PAIRS;
    t->elem_off = bucketCnt + (pairs ? key : bucketCnt * key);
    t->overflow_off = bucketCnt + bucketCnt * cell;
    t->bucketsize = t->overflow_off + (uint32_t)sizeof(bmap *);
    if (k->key_stride == GM_KEYS_ALIGNED)
        t->bucketsize = roundup(t->bucketsize, keyStride);
    return pairs ? (cellstep){cell, cell} : (cellstep){key, t->elemslot};
}

static bool set_type(maptype *t, const gm_config *c)
{
    const size_t most = 1u << 24;
    if (c->key_size > most || c->elem_size > most || c->elem_kind < GM_MEM || c->elem_kind > GM_HELD)
        return false;
    if (c->elem_kind == GM_HELD && !c->collector)
        return false;
    if (c->key_kind != GM_STRING && c->key_kind != GM_FLOAT64 && (c->key_kind != GM_MEM || c->key_size == 0))
        return false;
    t->key_kind = (uint8_t)c->key_kind;
    t->elem_kind = (uint8_t)c->elem_kind;
    t->key_size = c->key_kind == GM_FLOAT64 ? 8 : c->key_kind == GM_STRING ? 0 : (uint32_t)c->key_size;
    t->elem_size = c->elem_kind == GM_STRING ? 0 : c->elem_kind == GM_MEM ? (uint32_t)c->elem_size : 8;
    t->key_indirect = t->key_size > maxKeyBytes;
    t->elem_indirect = t->elem_size > maxKeyBytes;
    t->keyslot = t->key_kind == GM_STRING ? 16 : t->key_indirect ? 8 : t->key_size;
    t->elemslot = t->elem_kind == GM_STRING ? 16 : t->elem_indirect ? 8 : t->elem_size;
    t->bucket_pointers = t->key_kind == GM_STRING || t->key_indirect || t->elem_kind == GM_STRING || t->elem_kind == GM_PTR ||
                         t->elem_kind == GM_REF || t->elem_kind == GM_HELD || t->elem_indirect;
    t->elem_word = t->elemslot == 8 && !t->elem_indirect && t->elem_kind != GM_PTR && t->elem_kind != GM_HELD;
    if (t->elem_indirect)
        t->path = pathSlow;
    else if (t->key_kind == GM_MEM && (t->key_size == 4 || t->key_size == 8))
        t->path = t->key_size == 4 ? pathFast32 : pathFast64;
    else
        t->path = t->key_kind == GM_STRING ? pathFastStr : pathSlow;
    return true;
}

/* Whether the operations charge their time to causes (base/probe.h). Between operations only. A map with scalar search is
 * there to be timed as a whole: it charges nothing. */
void gm_map_probe(gm_map *m, bool on)
{
    if (m->member.collector)
        m->path = gm_heap_paths[m->t.path];
    else if (!gm_knobs_are_go(&m->knobs))
        m->path = gm_knob_paths[m->t.path];
    else
        m->path = m->scalar ? gm_scalar_paths[m->t.path] : gm_paths[on][m->t.path][m->hk.hasher == GM_HASH_AES];
}

static void set_hash(gm_map *m, const gm_config *c)
{
    gm_xoshiro keys;
    gm_xoshiro_seed(&keys, c->seed);
    for (int i = 0; i < 16; i++) {
        uint64_t w = gm_xoshiro_next(&keys);
        memcpy(m->hk.aeskeysched + 8 * i, &w, 8);
    }
    for (int i = 0; i < 4; i++)
        m->hk.hashkey[i] = gm_xoshiro_next(&keys);
    if (c->aeskeysched)
        memcpy(m->hk.aeskeysched, c->aeskeysched, sizeof m->hk.aeskeysched);
    if (c->hashkey)
        memcpy(m->hk.hashkey, c->hashkey, sizeof m->hk.hashkey);
    m->hk.hasher = c->hasher == GM_HASH_AES && !gm_cpu_has_aes() ? GM_HASH_AES_PORTABLE : c->hasher;
    m->scalar = c->search == GM_SEARCH_SCALAR;
    gm_map_probe(m, false);
}

/* The array that the hint asks for, if it asks for any. */
static int presize(gm_map *m, uint64_t hint)
{
    uint8_t B = 0;
    while (B < 60 && (m->knobs.load_num ? gm_over_load(m, hint, B) : overLoadFactor(hint, B)))
        B++; /* without a limit: what Go would make */
    gm_store_rlx(&m->h.B, B);
    if (B == 0)
        return GM_OK;
    uint64_t length;
    bmap *buckets = makeBucketArray(m, B, &length);
    if (!buckets)
        return GM_E_NOMEM;
    m->extra.nbuckets = length;
    adopt_reserve(m, buckets, B);
    gm_store_rel(&m->h.buckets, buckets); /* pairs with find's acquire */
    return GM_OK;
}

/* The same in a collector's world. */
static int presize_collected(gm_map *m, const gm_config *c)
{
    c->collector->enter(c->collector->ctx);
    int status = gm_join_collector(m, c->collector);
    if (status == GM_OK) {
        gm_map_probe(m, false);
        status = presize(m, c->hint);
    }
    c->collector->leave(c->collector->ctx);
    return status;
}

static uint64_t default_now_ns(void *ctx)
{
    (void)ctx;
    return gm_now_ns();
}

/* A map in zeroed memory, on lines as the layout wants it (LINES in hmap.h); NULL: no memory. */
static gm_map *place_map(const gm_alloc *alloc, bool padded)
{
    unsigned char *memory = alloc->zalloc(alloc->ctx, mapBlock);
    if (!memory)
        return NULL;
    size_t skip = -(uintptr_t)memory % gm_line_bytes + gm_line_bytes - (padded ? mapReadersAt : mapHeaderAt);
    gm_map *m = (gm_map *)(void *)(memory + skip);
    m->memory = memory;
    m->alloc = m->outer = *alloc;
    return m;
}

int gm_map_new(const gm_config *c, gm_map **out)
{
    maptype t = {0};
    gm_knobs knobs;
    *out = NULL;
    gm_knobs_go(&knobs);
    if (c->knobs)
        knobs = *c->knobs;
    if (!set_type(&t, c) || c->hasher < GM_HASH_AES || c->hasher > GM_HASH_MEM)
        return GM_E_ARGUMENT;
    cellstep step = lay_out(&t, &knobs);
    if (!gm_knobs_allowed(&knobs, &t))
        return GM_E_ARGUMENT;
    if (c->search == GM_SEARCH_SCALAR && (!gm_knobs_are_go(&knobs) || c->collector))
        return GM_E_ARGUMENT;
    if (c->collector && knobs.bucket_stride == GM_STRIDE_ALIGNED) /* its blocks begin where an object does */
        return GM_E_ARGUMENT;
    t.bucketsize = stride_of(t.bucketsize, knobs.bucket_stride);
    if (knobs.key_path == GM_KEY_PATH_GENERIC)
        t.path = pathSlow;
    gm_alloc alloc = c->alloc ? *c->alloc : c->pages == GM_PAGES_HUGE ? gm_alloc_huge() : gm_alloc_default();
    gm_map *m = place_map(&alloc, c->padded);
    if (!m)
        return GM_E_NOMEM;
    m->t = t;
    m->step = step;
    m->knobs = knobs;
    if (knobs.bucket_stride == GM_STRIDE_ALIGNED || knobs.key_stride == GM_KEYS_ALIGNED)
        gm_align_buckets(m);
    m->arrays = m->alloc;
    m->h.extra = &m->extra;
    m->extra.freeze_at = m->extra.freeze_next = UINT64_MAX;
    m->clock = c->clock ? *c->clock : (gm_clock){default_now_ns, NULL};
    gm_store_rlx(&m->refs, 1);
    gm_ring_init(&m->events, c->events);
    m->event_kinds = !c->events ? 0 : c->event_kinds ? c->event_kinds : UINT32_MAX;
    set_hash(m, c);
    m->rng = c->rng ? *c->rng : gm_counter_rng_of(&m->own_rng, c->seed);
    gm_store_rlx(&m->h.hash0, c->hash0 ? *c->hash0 : (uint32_t)m->rng.draw(m->rng.ctx, GM_DRAW_HASH0));
    int status = c->collector ? presize_collected(m, c) : presize(m, c->hint);
    if (status != GM_OK)
        gm_map_free(m);
    else
        *out = m;
    return status;
}

static void free_list(gm_map *m, blocklist *l)
{
    while (l->head)
        gm_mem_free(m, gm_blocklist_pop(l) + 1);
}

static void free_blocks(gm_map *m)
{
    retire_everything(m);
    gm_mem_free(m, gm_load_rlx(&m->h.buckets));
    free_list(m, &m->extra.limbo);
    free_list(m, &m->extra.garbage);
    free_list(m, &m->extra.spare);
    gm_mem_free_slabs(m);
}

/* Drops one reference: the handle's, or an iterator's. The last one frees; acq_rel orders all uses before that. */
void gm_map_free(gm_map *m)
{
    if (!m || gm_sub_acq_rel(&m->refs, 1) != 1)
        return;
    if (m->member.collector)
        m->member.collector->detach(m->member.collector->ctx, &m->member);
    else
        free_blocks(m);
    gm_ring_free(&m->events);
    gm_alloc outer = m->outer;
    outer.release(outer.ctx, m->memory, mapBlock);
}
