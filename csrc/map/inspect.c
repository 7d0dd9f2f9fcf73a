/* inspect.c: a look inside: header, layout, chains, events, and the byte string that the digests are over.
 *
 * Nothing here changes a map. The functions take the reader's side of the guard; addresses that gm_map_chain gives out hold
 * only while their user keeps it too (gm_map_pin).
 *
 * THE DIGEST is defined in vectors/FORMAT.md: two byte strings over the whole state, `raw` with what deleted and evacuated
 * cells leave behind, `log` without. They are hashed by the caller. Writing goes through a sink that counts every byte and
 * stores what fits, so one pass tells the size and a second one fills.
 *
 *   slot   fixed: the bytes; string: u8 0 zero or empty, 1 present, 2 pointer cleared, u64 length, bytes if present;
 *          box: u8 0, or u8 1 and the content; GM_REF: u8 0 or 1 (which object it is, is not the map's business)
 */
#include "map/elems.h"
#include "map/hmap.h"

static void read_header(gm_map *m, gm_header *out)
{
    *out = (gm_header){
        .count = gm_load_rlx(&m->h.count),
        .flags = gm_load_rlx(&m->h.flags),
        .B = gm_load_rlx(&m->h.B),
        .noverflow = gm_load_rlx(&m->h.noverflow),
        .hash0 = gm_load_rlx(&m->h.hash0),
        .nevacuate = gm_load_rlx(&m->h.nevacuate),
        .clear_seq = gm_load_rlx(&m->h.clearSeq),
        .growing = growing(m),
        .allocated = gm_load_rlx(&m->h.buckets) != NULL,
        .next_prealloc = -1,
        .nbuckets = m->extra.nbuckets,
        .nold = growing(m) ? noldbuckets(m) : 0,
        .bytes = m->extra.bytes,
    };
    if (m->extra.nextOverflow)
        out->next_prealloc =
            preallocIndex(m, gm_load_rlx(&m->h.buckets), bucketMask(out->B) + 1, m->extra.nbuckets, m->extra.nextOverflow);
}

int gm_map_header(gm_map *m, gm_header *out)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    read_header(m, out);
    gm_leave_read(m);
    return GM_OK;
}

int gm_map_layout(gm_map *m, gm_layout *out)
{
    const maptype *t = &m->t;
    *out = (gm_layout){t->keyslot,   t->elemslot,     t->bucketsize,   bucketCnt,        t->elem_off,        m->step.key,
                       m->step.elem, t->overflow_off, t->key_indirect, t->elem_indirect, t->bucket_pointers, t->path};
    return GM_OK;
}

/* An array as a look inside wants it: the current one, or the old one. */
typedef struct array {
    bmap *buckets;
    uint64_t regular, total;
} array;

static array array_of(const gm_map *m, int old)
{
    if (old)
        return growing(m) ? (array){gm_load_rlx(&m->h.oldbuckets), noldbuckets(m), m->extra.nold} : (array){0};
    bmap *buckets = gm_load_rlx(&m->h.buckets);
    return buckets ? (array){buckets, bucketMask(gm_load_rlx(&m->h.B)) + 1, m->extra.nbuckets} : (array){0};
}

int64_t gm_map_chain(gm_map *m, uint64_t i, int old, const uint8_t **buckets, int64_t *prealloc, size_t cap)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    array a = array_of(m, old);
    size_t n = 0;
    for (bmap *b = i < a.regular ? bucketAt(m, a.buckets, i) : NULL; b; b = overflow(m, b), n++) {
        if (n >= cap)
            continue;
        buckets[n] = (const uint8_t *)b;
        prealloc[n] = n == 0 ? -2 : preallocIndex(m, a.buckets, a.regular, a.total, b);
    }
    gm_leave_read(m);
    return (int64_t)n;
}

int64_t gm_map_chain_lengths(gm_map *m, uint64_t *counts, size_t cap)
{
    int status = cap ? gm_enter_read(m) : GM_E_ARGUMENT;
    if (status != GM_OK)
        return status;
    array a = array_of(m, 0);
    size_t longest = 0;
    for (uint64_t i = 0; i < a.regular; i++) {
        size_t n = 0;
        for (bmap *b = bucketAt(m, a.buckets, i); b; b = overflow(m, b))
            n++;
        counts[n <= cap ? n - 1 : cap - 1]++;
        longest = n > longest ? n : longest;
    }
    gm_leave_read(m);
    return (int64_t)longest;
}

int64_t gm_map_evacuated(gm_map *m, uint8_t *done, size_t cap)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    array a = array_of(m, 1);
    for (uint64_t i = 0; i < a.regular && i < cap; i++)
        done[i] = evacuated(bucketAt(m, a.buckets, i));
    gm_leave_read(m);
    return (int64_t)a.regular;
}

int64_t gm_map_events(gm_map *m, gm_event *out, size_t cap, uint64_t *dropped)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    size_t n = gm_ring_read(&m->events, out, cap, dropped);
    gm_leave_read(m);
    return (int64_t)n;
}

/* ------------------------------------------------------------------ the whole map */

/* Calls visit for every bucket that holds live cells: the current array, and old chains not yet evacuated. */
typedef void (*visit_bucket)(gm_map *m, bmap *b, void *ctx);

static void each_bucket(gm_map *m, visit_bucket visit, void *ctx)
{
    for (int old = 0; old <= 1; old++) {
        array a = array_of(m, old);
        for (uint64_t i = 0; i < a.regular; i++) {
            bmap *b = bucketAt(m, a.buckets, i);
            for (bool live = !evacuated(b); live && b; b = overflow(m, b))
                visit(m, b, ctx);
        }
    }
}

static void add_key_bytes(gm_map *m, bmap *b, void *ctx)
{
    for (unsigned i = 0; i < bucketCnt; i++)
        if (tophashAt(b, i) >= minTopHash)
            *(uint64_t *)ctx += keyany_of_slot(m, keySlot(m, b, i)).n;
}

typedef struct collector {
    unsigned char *keys, *elems;
    int64_t *offsets, end;
    uint64_t n, limit;
} collector;

static void collect_bucket(gm_map *m, bmap *b, void *ctx)
{
    collector *c = ctx;
    for (unsigned i = 0; i < bucketCnt && c->n < c->limit; i++) {
        if (tophashAt(b, i) < minTopHash)
            continue;
        keyany_t k = keyany_of_slot(m, keySlot(m, b, i));
        if (c->keys && k.n > 0)
            memcpy(c->keys + c->end, k.p, k.n);
        c->end += (int64_t)k.n;
        if (c->offsets)
            c->offsets[c->n + 1] = c->end;
        if (c->elems)
            gm_elem_load(m, elemSlot(m, b, i), c->elems + c->n * m->t.elem_size);
        c->n++;
    }
}

/* The same of words where there is room for eight more: all cells are copied, and the next one over those that were free. With a
 * branch for each cell a map of 10^6 entries took 9.2 ns an entry, like this 5.2. */
static void collect_words(gm_map *m, bmap *b, void *ctx)
{
    collector *c = ctx;
    if (c->limit - c->n < bucketCnt) {
        collect_bucket(m, b, c);
        return;
    }
    const unsigned char *key = keySlot(m, b, 0), *elem = elemSlot(m, b, 0);
    uint64_t tops = tophash8(b), n = c->n;
    for (unsigned i = 0; i < bucketCnt; i++) {
        gm_elem_load_word(key + (size_t)m->step.key * i, c->keys + 8 * n);
        gm_elem_load_word(elem + (size_t)m->step.elem * i, c->elems + 8 * n);
        n += (uint8_t)(tops >> (8 * i)) >= minTopHash;
    }
    c->end += (int64_t)(8 * (n - c->n));
    c->n = n;
}

/* The first n entries; the caller has seen to it that there is room. */
void gm_collect(gm_map *m, void *keys, int64_t *offsets, void *elems, uint64_t n)
{
    collector c = {.keys = keys, .elems = elems, .offsets = offsets, .limit = n};
    if (offsets)
        offsets[0] = 0;
    bool words = m->t.path == pathFast64 && m->t.elem_word && keys && elems && !offsets;
    each_bucket(m, words ? collect_words : collect_bucket, &c);
}

int gm_map_collect(gm_map *m, void *keys, int64_t *offsets, void *elems, uint64_t *n, uint64_t *key_bytes)
{
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    uint64_t count = gm_load_rlx(&m->h.count), bytes = 0;
    if (m->t.key_kind == GM_STRING)
        each_bucket(m, add_key_bytes, &bytes);
    bool fits = count == *n && bytes == *key_bytes;
    if (fits)
        gm_collect(m, keys, offsets, elems, count);
    *n = count;
    *key_bytes = bytes;
    gm_leave_read(m);
    return fits ? GM_OK : GM_MISS;
}

int gm_map_pin(gm_map *m)
{
    return gm_enter_read(m);
}

void gm_map_unpin(gm_map *m)
{
    gm_leave_read(m);
}

/* ------------------------------------------------------------------ the digests' byte string */

typedef struct sink {
    uint8_t *buf;
    size_t n, cap;
} sink;

static void put(sink *s, const void *p, size_t n)
{
    if (s->n < s->cap && n > 0)
        memcpy(s->buf + s->n, p, n < s->cap - s->n ? n : s->cap - s->n);
    s->n += n;
}

/* An integer of n bytes, little-endian as all of FORMAT.md. */
static void put_int(sink *s, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    put(s, bytes, n);
}

static void put_string(sink *s, const unsigned char *slot)
{
    gm_view v = gm_string_view(slot);
    uint64_t length;
    memcpy(&length, slot + 8, 8);
    unsigned tag = v.n ? 1 : length ? 2 : 0;
    put_int(s, tag, 1);
    put_int(s, tag == 2 ? length : v.n, 8);
    put(s, v.p, v.n);
}

static void put_slot(sink *s, const unsigned char *slot, int kind, size_t size, bool indirect)
{
    if (kind == GM_STRING) {
        put_string(s, slot);
    } else if (kind == GM_PTR || kind == GM_REF || kind == GM_HELD || indirect) {
        void *p = gm_slot_ptr(slot);
        put_int(s, p != NULL, 1);
        put(s, p, p && kind != GM_REF && kind != GM_HELD ? size : 0);
    } else {
        put(s, slot, size);
    }
}

static void put_key(const gm_map *m, sink *s, bmap *b, unsigned i)
{
    put_slot(s, keySlot(m, b, i), m->t.key_kind, m->t.key_size, m->t.key_indirect);
}

static void put_elem(const gm_map *m, sink *s, bmap *b, unsigned i)
{
    put_slot(s, elemSlot(m, b, i), m->t.elem_kind, m->t.elem_size, m->t.elem_indirect);
}

static void put_bucket(const gm_map *m, sink *s, bmap *b, bool raw)
{
    put(s, b, bucketCnt);
    if (raw) {
        for (unsigned i = 0; i < bucketCnt; i++)
            put_key(m, s, b, i);
        for (unsigned i = 0; i < bucketCnt; i++)
            put_elem(m, s, b, i);
        return;
    }
    for (unsigned i = 0; i < bucketCnt; i++) {
        if (tophashAt(b, i) < minTopHash)
            continue;
        put_key(m, s, b, i);
        put_elem(m, s, b, i);
    }
}

static void put_chain(const gm_map *m, sink *s, array a, uint64_t i, bool raw)
{
    bmap *first = bucketAt(m, a.buckets, i);
    for (bmap *b = first; b; b = overflow(m, b)) {
        if (b != first) {
            put_int(s, 1, 1);
            if (raw)
                put_int(s, (uint64_t)preallocIndex(m, a.buckets, a.regular, a.total, b), 4);
        }
        put_bucket(m, s, b, raw);
    }
    put_int(s, 0, 1);
}

static void put_header(sink *s, const gm_header *h, bool raw)
{
    put(s, raw ? "GOMAPRAW" : "GOMAPLOG", 8);
    put_int(s, h->count, 8);
    put_int(s, h->flags, 1);
    put_int(s, h->B, 1);
    put_int(s, h->B >= 16 ? 0 : h->noverflow, 2);
    put_int(s, h->hash0, 4);
    put_int(s, h->nevacuate, 8);
    put_int(s, (uint64_t)h->growing, 1);
    put_int(s, (uint64_t)h->allocated, 1);
    if (raw)
        put_int(s, (uint64_t)h->next_prealloc, 4);
}

static void put_old_chains(const gm_map *m, sink *s, array a, bool raw)
{
    for (uint64_t i = 0; i < a.regular; i++) {
        bool done = evacuated(bucketAt(m, a.buckets, i));
        if (!raw)
            put_int(s, done ? 2 : 3, 1);
        if (!raw && done)
            put(s, bucketAt(m, a.buckets, i), bucketCnt);
        else
            put_chain(m, s, a, i, raw);
    }
}

int64_t gm_map_serialise(gm_map *m, int raw, uint8_t *buf, size_t cap)
{
    sink s = {buf, 0, buf ? cap : 0};
    gm_header h;
    int status = gm_enter_read(m);
    if (status != GM_OK)
        return status;
    read_header(m, &h);
    put_header(&s, &h, raw);
    array now = array_of(m, 0);
    for (uint64_t i = 0; i < now.regular; i++)
        put_chain(m, &s, now, i, raw);
    put_old_chains(m, &s, array_of(m, 1), raw);
    gm_leave_read(m);
    return (int64_t)s.n;
}
