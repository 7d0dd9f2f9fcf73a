/* content.h: what the keys and elems of a concurrent map are: how they look, hash, compare, and where their memory is from.
 *
 * The maps of csrc/sync that keep keys and elems in immutable blocks of their own share this, and nothing else. A map has one
 * gm_content, which does not change after it is made but for its counters.
 *
 *   key      GM_MEM: key_size bytes; GM_FLOAT64: a double; GM_STRING: any number of bytes
 *   elem     elem_size bytes, whatever the kind (GM_STRING and GM_PTR elems are refused)
 *
 * K1  Equal keys hash alike: +0 and -0 by a constant, everything else by its bytes, as Go does (F1 in map/hash.c).
 * K2  A NaN equals nothing, itself neither, and gets a random hash at every use. So it is never found, and each store adds an
 *     entry. What remembers a hash must remember the drawn one: it cannot be computed again.
 * K3  Blocks are immutable once published, so keys and elems are compared and copied plainly: only pointers to them are shared
 *     words.
 *
 * Counters that every write touches would be a cache line that all writers fight for, which Go's maps do not have: gm_tally
 * spreads a sum over lanes, each thread adding to the lane of its own. The sum is exact when nobody is inside.
 */
#ifndef GM_CONTENT_H
#define GM_CONTENT_H

#include "base/alloc.h"
#include "base/atomics.h"
#include "base/local.h"
#include "base/rng.h"
#include "gomap.h"
#include "map/hash.h"

enum { tallyLanes = 8 };

typedef struct gm_tally {
    struct {
        _Atomic int64_t n;
        char apart[56]; /* lanes lie on lines of their own */
    } lane[tallyLanes];
} gm_tally;

/* Threads have their thread-local memory far apart: its address tells them apart. */
static inline unsigned gm_tally_lane(void)
{
    static GM_THREAD_LOCAL char here;
    return (unsigned)(((uint64_t)(uintptr_t)&here * UINT64_C(0x9E3779B97F4A7C15)) >> 61);
}

static inline void gm_tally_add(gm_tally *t, int64_t d)
{
    gm_add_rlx(&t->lane[gm_tally_lane()].n, d); /* a number, ordering nothing */
}

/* Lanes are read one after the other, so beside writers the sum may be of no one instant, even negative. */
static inline uint64_t gm_tally_sum(gm_tally *t)
{
    int64_t n = 0;
    for (int i = 0; i < tallyLanes; i++)
        n += gm_load_rlx(&t->lane[i].n);
    return n < 0 ? 0 : (uint64_t)n;
}

typedef struct gm_content {
    gm_hashkeys hk;
    uint32_t seed;
    int key_kind, elem_kind;
    size_t key_size, elem_size;
    gm_alloc alloc;
    gm_rng rng;
    gm_counter_rng own_rng;
    gm_tally bytes; /* held by the map */
} gm_content;

/* ------------------------------------------------------------------ making */

static inline bool gm_content_types(gm_content *t, const gm_config *c)
{
    const size_t most = 1u << 24;
    bool elem_ok = c->elem_kind == GM_MEM || c->elem_kind == GM_FLOAT64 || c->elem_kind == GM_REF;
    bool key_ok = c->key_kind == GM_STRING || c->key_kind == GM_FLOAT64 || (c->key_kind == GM_MEM && c->key_size > 0);
    if (!elem_ok || !key_ok || c->key_size > most || c->elem_size > most)
        return false;
    t->key_kind = c->key_kind;
    t->elem_kind = c->elem_kind;
    t->key_size = c->key_kind == GM_FLOAT64 ? 8 : c->key_kind == GM_STRING ? 0 : c->key_size;
    t->elem_size = c->elem_kind == GM_MEM ? c->elem_size : 8;
    return true;
}

/* As a plain map with the same configuration draws them, so that both hash alike. */
static inline void gm_content_hash_keys(gm_content *t, const gm_config *c)
{
    gm_xoshiro keys;
    gm_xoshiro_seed(&keys, c->seed);
    for (size_t i = 0; i < sizeof t->hk.aeskeysched; i += 8) {
        uint64_t w = gm_xoshiro_next(&keys);
        memcpy(t->hk.aeskeysched + i, &w, 8);
    }
    for (int i = 0; i < 4; i++)
        t->hk.hashkey[i] = gm_xoshiro_next(&keys);
    if (c->aeskeysched)
        memcpy(t->hk.aeskeysched, c->aeskeysched, sizeof t->hk.aeskeysched);
    if (c->hashkey)
        memcpy(t->hk.hashkey, c->hashkey, sizeof t->hk.hashkey);
    t->hk.hasher = c->hasher == GM_HASH_AES && !gm_cpu_has_aes() ? GM_HASH_AES_PORTABLE : c->hasher;
}

/* t lies in zeroed memory and stays where it is. */
static inline int gm_content_init(gm_content *t, const gm_config *c)
{
    if (!gm_content_types(t, c) || c->hasher < GM_HASH_AES || c->hasher > GM_HASH_MEM)
        return GM_E_ARGUMENT;
    t->alloc = c->alloc ? *c->alloc : gm_alloc_default();
    gm_content_hash_keys(t, c);
    t->rng = c->rng ? *c->rng : gm_counter_rng_of(&t->own_rng, c->seed);
    t->seed = c->hash0 ? *c->hash0 : (uint32_t)t->rng.draw(t->rng.ctx, GM_DRAW_HASH0);
    return GM_OK;
}

/* ------------------------------------------------------------------ memory */

static inline void *gm_content_new(gm_content *t, size_t size)
{
    void *p = t->alloc.zalloc(t->alloc.ctx, size);
    if (p)
        gm_tally_add(&t->bytes, (int64_t)size);
    return p;
}

static inline void gm_content_free(gm_content *t, void *p, size_t size)
{
    if (!p)
        return;
    gm_tally_add(&t->bytes, -(int64_t)size);
    t->alloc.release(t->alloc.ctx, p, size);
}

/* ------------------------------------------------------------------ keys and elems */

/* The length of a key as it is stored: the caller's is looked at for strings only. */
static inline size_t gm_content_len(const gm_content *t, size_t len)
{
    return t->key_kind == GM_STRING ? len : t->key_size;
}

static inline bool gm_bytes_equal(const void *a, const void *b, size_t n)
{
    return n == 0 || memcmp(a, b, n) == 0;
}

/* Either side may be NULL where there is nothing to copy, or to be told; a caller may pass the same room for both. */
static inline void gm_bytes_copy(void *to, const void *from, size_t n)
{
    if (to && n)
        memmove(to, from, n);
}

static inline double gm_key_float(const void *key)
{
    double d;
    memcpy(&d, key, sizeof d);
    return d;
}

static inline bool gm_key_equal(const gm_content *t, const void *a, size_t alen, const void *b, size_t blen)
{
    if (t->key_kind == GM_FLOAT64)
        return gm_key_float(a) == gm_key_float(b);
    return alen == blen && gm_bytes_equal(a, b, alen);
}

/* k == k in Go's sense: false for NaN. */
static inline bool gm_key_reflexive(const gm_content *t, const void *key)
{
    return t->key_kind != GM_FLOAT64 || gm_key_float(key) == gm_key_float(key);
}

static inline uint64_t gm_key_hash_float(gm_content *t, const void *key)
{
    double d = gm_key_float(key);
    if (d == 0)
        return gm_hash_float_zero(t->seed);
    if (d != d)
        return t->rng.draw(t->rng.ctx, GM_DRAW_NAN);
    return gm_hashbytes_any(&t->hk, key, sizeof d, t->seed);
}

static inline uint64_t gm_key_hash(gm_content *t, const void *key, size_t len)
{
    if (t->key_kind == GM_FLOAT64)
        return gm_key_hash_float(t, key);
    if (t->key_kind == GM_MEM && len == 8) {
        uint64_t w;
        memcpy(&w, key, 8);
        return gm_hash8_any(&t->hk, w, t->seed);
    }
    if (t->key_kind == GM_MEM && len == 4) {
        uint32_t w;
        memcpy(&w, key, 4);
        return gm_hash4_any(&t->hk, w, t->seed);
    }
    return gm_hashbytes_any(&t->hk, key, len, t->seed);
}

/* What add can be asked of: the elem is eight bytes and not somebody's reference. */
static inline bool gm_content_adds(const gm_content *t)
{
    return t->elem_size == 8 && t->elem_kind != GM_REF;
}

/* ------------------------------------------------------------------ one write */

enum gm_write_kind { GM_WRITE_SWAP, GM_WRITE_LOAD_OR_STORE, GM_WRITE_COMPARE, GM_WRITE_DELETE, GM_WRITE_ADD };

/* What a caller of one of the writing functions of variant.h wants. */
typedef struct gm_write {
    int kind;
    const void *key;
    size_t len;
    uint64_t hash;
    const void *elem;     /* to be stored; GM_WRITE_COMPARE: NULL deletes */
    const void *expected; /* GM_WRITE_COMPARE */
    void *out;            /* for the elem that was there (load_or_store: that is there afterwards), or NULL */
    int64_t delta, sum;   /* GM_WRITE_ADD */
} gm_write;

enum gm_step { GM_KEEP, GM_PUT, GM_REMOVE };

/* What a write does to its key, given the elem that is there now (present false: none). */
static inline int gm_write_step(const gm_content *t, const gm_write *w, bool present, const void *elem)
{
    switch (w->kind) {
    case GM_WRITE_LOAD_OR_STORE:
        return present ? GM_KEEP : GM_PUT;
    case GM_WRITE_COMPARE:
        if (!present || !gm_bytes_equal(elem, w->expected, t->elem_size))
            return GM_KEEP;
        return w->elem ? GM_PUT : GM_REMOVE;
    case GM_WRITE_DELETE:
        return present ? GM_REMOVE : GM_KEEP;
    default:
        return GM_PUT;
    }
}

/* Fills the elem of a block that nobody sees yet; `now` is the elem that it replaces, or NULL. */
static inline void gm_write_fill(const gm_content *t, gm_write *w, bool present, const void *now, void *fresh)
{
    if (w->kind != GM_WRITE_ADD) {
        gm_bytes_copy(fresh, w->elem, t->elem_size);
        return;
    }
    int64_t sum = 0;
    if (present)
        memcpy(&sum, now, sizeof sum);
    w->sum = (int64_t)((uint64_t)sum + (uint64_t)w->delta); /* wraps, as in Go */
    memcpy(fresh, &w->sum, sizeof w->sum);
}

/* The status of a write that is done, and its answer; elem is what was there before. */
static inline int gm_write_answer(const gm_content *t, const gm_write *w, int step, bool present, const void *elem)
{
    if (w->kind == GM_WRITE_COMPARE)
        return step == GM_KEEP ? GM_MISS : GM_OK;
    if (present)
        gm_bytes_copy(w->out, elem, t->elem_size);
    else if (w->kind == GM_WRITE_LOAD_OR_STORE)
        gm_bytes_copy(w->out, w->elem, t->elem_size);
    return present ? GM_OK : GM_MISS;
}

/* Whether the write stores its key where it is missing. */
static inline bool gm_write_creates(const gm_write *w)
{
    return w->kind == GM_WRITE_SWAP || w->kind == GM_WRITE_LOAD_OR_STORE || w->kind == GM_WRITE_ADD;
}

/* The writing functions of variant.h in terms of one `int write(void *self, gm_write *w)`. */
#define GM_WRITE_FUNCTIONS(map, content_of, write)                                                                             \
    static int map##_assign(void *self, const void *key, size_t len, const void *elem, void *old)                              \
    {                                                                                                                          \
        return write(self, &(gm_write){.kind = GM_WRITE_SWAP, .key = key, .len = len, .elem = elem, .out = old});              \
    }                                                                                                                          \
    static int map##_del(void *self, const void *key, size_t len, void *old)                                                   \
    {                                                                                                                          \
        return write(self, &(gm_write){.kind = GM_WRITE_DELETE, .key = key, .len = len, .out = old});                          \
    }                                                                                                                          \
    static int map##_load_or_store(void *self, const void *key, size_t len, const void *elem, void *actual)                    \
    {                                                                                                                          \
        return write(self, &(gm_write){.kind = GM_WRITE_LOAD_OR_STORE, .key = key, .len = len, .elem = elem, .out = actual});  \
    }                                                                                                                          \
    static int map##_compare_and_swap(void *self, const void *key, size_t len, const void *expected, const void *elem)         \
    {                                                                                                                          \
        return write(self, &(gm_write){.kind = GM_WRITE_COMPARE, .key = key, .len = len, .expected = expected, .elem = elem}); \
    }                                                                                                                          \
    static int map##_add(void *self, const void *key, size_t len, int64_t delta, int64_t *sum)                                 \
    {                                                                                                                          \
        gm_write w = {.kind = GM_WRITE_ADD, .key = key, .len = len, .delta = delta};                                           \
        if (!gm_content_adds(content_of(self)))                                                                                \
            return GM_E_ARGUMENT;                                                                                              \
        int status = write(self, &w);                                                                                          \
        if (status >= 0 && sum)                                                                                                \
            *sum = w.sum;                                                                                                      \
        return status;                                                                                                         \
    }

#endif
