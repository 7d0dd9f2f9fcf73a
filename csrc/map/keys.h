/* keys.h: what the key paths know of their keys; the parameters of path.inc.h.
 *
 * Four families with the same functions: key4 (fast32), key8 (fast64), keystr (faststr) and keyany (the slow path: floats,
 * other byte sizes, indirect keys, and any key beside an elem over 128 bytes). A family F gives
 *
 *   F_t                         a key as the path carries it
 *   F_from(m, p, len)           the key whose content lies at p          F_at(m, batch, i)    the i-th of a batch
 *   F_slot(m, b, i)             the slot of cell i, without a multiplication where its size is known
 *   F_of_slot(m, slot)          the key that lies in a slot              F_eq(m, slot, k)     Go's ==
 *   F_hash_any, F_hash_ni       its hash under a seed                    F_reflexive(m, k)    k == k
 *   F_make(m, k, &block)        memory that a new cell needs, if any     F_fill(m, slot, k, block)
 *   F_move(m, to, from)         a slot to another bucket
 *   F_rewrite(m, slot, k)       on overwriting: floats store the new key, since +0 == -0
 *   F_wipe(m, slot)             on deleting, as Go leaves the slot behind
 */
#ifndef GM_KEYS_H
#define GM_KEYS_H

#include "map/hmap.h"

/* How Go's read path of each family looks through a chain: at the key before the tophash, and no further than emptyRest. */
enum { key4_key_first = 1, key8_key_first = 1, keystr_key_first = 0, keyany_key_first = 0 };
enum { key4_stops = 0, key8_stops = 0, keystr_stops = 0, keyany_stops = 1 };

/* ------------------------------------------------------------------ 4 and 8 bytes */

#define WORD_KEYS(F, T, HASH)                                                                                                  \
    typedef T F##_t;                                                                                                           \
    static inline T F##_from(const gm_map *m, const void *p, size_t len)                                                       \
    {                                                                                                                          \
        T k;                                                                                                                   \
        (void)m;                                                                                                               \
        (void)len;                                                                                                             \
        memcpy(&k, p, sizeof k);                                                                                               \
        return k;                                                                                                              \
    }                                                                                                                          \
    static inline T F##_at(const gm_map *m, gm_key_batch keys, size_t i)                                                       \
    {                                                                                                                          \
        return F##_from(m, (const unsigned char *)keys.data + i * sizeof(T), sizeof(T));                                       \
    }                                                                                                                          \
    static GM_INLINE unsigned char *F##_slot(const gm_map *m, bmap *b, unsigned i)                                             \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        return (unsigned char *)b + bucketCnt + sizeof(T) * i;                                                                 \
    }                                                                                                                          \
    static inline T F##_of_slot(const gm_map *m, const void *slot)                                                             \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        return gm_load_rlx((const _Atomic T *)slot);                                                                           \
    }                                                                                                                          \
    static GM_INLINE void F##_move(const gm_map *m, void *to, const void *from)                                                \
    {                                                                                                                          \
        gm_store_rlx((_Atomic T *)to, F##_of_slot(m, from));                                                                   \
    }                                                                                                                          \
    static inline bool F##_eq(const gm_map *m, const void *slot, T k)                                                          \
    {                                                                                                                          \
        return F##_of_slot(m, slot) == k;                                                                                      \
    }                                                                                                                          \
    static inline uint64_t F##_hash_any(gm_map *m, T k, uint32_t seed)                                                         \
    {                                                                                                                          \
        return HASH(&m->hk, k, seed);                                                                                          \
    }                                                                                                                          \
    static inline bool F##_reflexive(const gm_map *m, T k)                                                                     \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        (void)k;                                                                                                               \
        return true;                                                                                                           \
    }                                                                                                                          \
    static inline int F##_make(gm_map *m, T k, void **block)                                                                   \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        (void)k;                                                                                                               \
        *block = NULL;                                                                                                         \
        return GM_OK;                                                                                                          \
    }                                                                                                                          \
    static inline void F##_fill(const gm_map *m, void *slot, T k, void *block)                                                 \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        (void)block;                                                                                                           \
        gm_store_rlx((_Atomic T *)slot, k);                                                                                    \
    }                                                                                                                          \
    static inline void F##_rewrite(const gm_map *m, void *slot, T k)                                                           \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        (void)slot;                                                                                                            \
        (void)k;                                                                                                               \
    }                                                                                                                          \
    static inline void F##_wipe(gm_map *m, void *slot) /* integers keep their bytes */                                         \
    {                                                                                                                          \
        (void)m;                                                                                                               \
        (void)slot;                                                                                                            \
    }

WORD_KEYS(key4, uint32_t, gm_hash4_any)
WORD_KEYS(key8, uint64_t, gm_hash8_any)

/* ------------------------------------------------------------------ strings */

/* A string slot: {pointer to the bytes of a block, or NULL; length}. */
static inline _Atomic uint64_t *gm_string_len(void *slot)
{
    return (_Atomic uint64_t *)slot + 1;
}

/* What a string slot shows. The length is the block's, which cannot be torn from the pointer (O4). */
static inline gm_view gm_string_view(const void *slot)
{
    void *p = gm_slot_ptr(slot);
    return p ? (gm_view){p, gm_block_of(p)->size} : (gm_view){NULL, 0};
}

static inline int gm_string_make(gm_map *m, const void *p, size_t n, void **block)
{
    *block = NULL;
    if (n == 0)
        return GM_OK;
    *block = gm_mem_new(m, n);
    if (!*block)
        return GM_E_NOMEM;
    memcpy(*block, p, n);
    return GM_OK;
}

static inline void gm_string_fill(void *slot, size_t n, void *block)
{
    gm_store_rlx(gm_string_len(slot), n);
    gm_slot_set_ptr(slot, block);
}

typedef gm_view keystr_t;

static inline keystr_t keystr_from(const gm_map *m, const void *p, size_t len)
{
    (void)m;
    return (keystr_t){p, len};
}

static inline keystr_t keystr_at(const gm_map *m, gm_key_batch keys, size_t i)
{
    (void)m;
    int64_t at = keys.offsets[i];
    return (keystr_t){(const unsigned char *)keys.data + at, (size_t)(keys.offsets[i + 1] - at)};
}

static inline keystr_t keystr_of_slot(const gm_map *m, const void *slot)
{
    (void)m;
    return gm_string_view(slot);
}

static GM_INLINE unsigned char *keystr_slot(const gm_map *m, bmap *b, unsigned i)
{
    (void)m;
    return (unsigned char *)b + bucketCnt + (size_t)16 * i;
}

static GM_INLINE void keystr_move(const gm_map *m, void *to, const void *from)
{
    (void)m;
    gm_word_move(to, from);
    gm_word_move((unsigned char *)to + 8, (const unsigned char *)from + 8);
}

/* The length in the slot decides most comparisons without touching the bytes. */
static inline bool keystr_eq(const gm_map *m, void *slot, keystr_t k)
{
    (void)m;
    if (gm_load_rlx(gm_string_len(slot)) != k.n)
        return false;
    if (k.n == 0)
        return true;
    gm_view v = gm_string_view(slot);
    return v.n == k.n && memcmp(v.p, k.p, k.n) == 0;
}

static inline uint64_t keystr_hash_any(gm_map *m, keystr_t k, uint32_t seed)
{
    return gm_hashbytes_any(&m->hk, k.p, k.n, seed);
}

static inline bool keystr_reflexive(const gm_map *m, keystr_t k)
{
    (void)m;
    (void)k;
    return true;
}

static inline int keystr_make(gm_map *m, keystr_t k, void **block)
{
    return gm_string_make(m, k.p, k.n, block);
}

static inline void keystr_fill(const gm_map *m, void *slot, keystr_t k, void *block)
{
    (void)m;
    gm_string_fill(slot, k.n, block);
}

static inline void keystr_rewrite(const gm_map *m, void *slot, keystr_t k)
{
    (void)m;
    (void)slot;
    (void)k;
}

/* mapdelete_faststr clears only the pointer: the length word stays behind. */
static inline void keystr_wipe(gm_map *m, void *slot)
{
    void *p = gm_slot_ptr(slot);
    gm_slot_set_ptr(slot, NULL);
    gm_retire(m, p);
}

/* ------------------------------------------------------------------ all the rest */

/* A key of the caller's, or one that lies in a cell or in the block that a cell points to: those other threads may write. */
typedef struct keyany_t {
    const void *p;
    size_t n;
    bool shared;
} keyany_t;

static inline gm_view keyany_view(keyany_t k)
{
    return (gm_view){k.p, k.n};
}

static inline keyany_t keyany_from(const gm_map *m, const void *p, size_t len)
{
    return (keyany_t){p, m->t.key_kind == GM_STRING ? len : m->t.key_size, false};
}

static inline keyany_t keyany_at(const gm_map *m, gm_key_batch keys, size_t i)
{
    if (m->t.key_kind == GM_STRING) {
        gm_view v = keystr_at(m, keys, i);
        return (keyany_t){v.p, v.n, false};
    }
    return (keyany_t){(const unsigned char *)keys.data + i * m->t.key_size, m->t.key_size, false};
}

static inline keyany_t keyany_of_slot(const gm_map *m, const void *slot)
{
    if (m->t.key_kind == GM_STRING) {
        gm_view v = gm_string_view(slot);
        return (keyany_t){v.p, v.n, true};
    }
    return (keyany_t){m->t.key_indirect ? gm_slot_ptr(slot) : slot, m->t.key_size, true};
}

static GM_INLINE unsigned char *keyany_slot(const gm_map *m, bmap *b, unsigned i)
{
    return goKeySlot(m, b, i);
}

static GM_INLINE void keyany_move(const gm_map *m, void *to, const void *from)
{
    gm_shared_copy(to, from, m->t.keyslot);
}

static inline double keyany_float(const void *p)
{
    double d;
    gm_shared_load(&d, p, sizeof d);
    return d;
}

static inline bool keyany_eq(const gm_map *m, void *slot, keyany_t k)
{
    if (m->t.key_kind == GM_STRING)
        return keystr_eq(m, slot, keyany_view(k));
    keyany_t have = keyany_of_slot(m, slot);
    if (!have.p) /* an indirect key that a racing delete has just cleared */
        return false;
    if (m->t.key_kind == GM_FLOAT64)
        return keyany_float(have.p) == keyany_float(k.p);
    return gm_shared_equal(have.p, k.p, k.n);
}

static inline bool keyany_reflexive(const gm_map *m, keyany_t k)
{
    if (m->t.key_kind != GM_FLOAT64)
        return true;
    double d = keyany_float(k.p);
    return d == d;
}

/* NaN: a random number at every use, so that NaN keys spread over the buckets. Contents of a cell are read once into a
 * private copy, since another thread may be writing them; a copy made byte by byte and read by words would hold up a lookup. */
static inline uint64_t keyany_hash_any(gm_map *m, keyany_t k, uint32_t seed)
{
    unsigned char own[maxKeyBytes];
    const void *p = k.p;
    if (!k.p && m->t.key_indirect) /* wiped by a racing delete */
        return 0;
    if (k.shared && k.n <= sizeof own && m->t.key_kind != GM_STRING) {
        gm_shared_load(own, k.p, k.n);
        p = own;
    }
    if (m->t.key_kind == GM_FLOAT64) {
        double d;
        memcpy(&d, p, sizeof d);
        if (d == 0)
            return gm_hash_float_zero(seed);
        if (d != d)
            return m->rng.draw(m->rng.ctx, GM_DRAW_NAN);
    } else if (m->t.key_kind == GM_MEM && k.n == 4) {
        return gm_hash4_any(&m->hk, key4_from(m, p, 4), seed);
    } else if (m->t.key_kind == GM_MEM && k.n == 8) {
        return gm_hash8_any(&m->hk, key8_from(m, p, 8), seed);
    }
    return gm_hashbytes_any(&m->hk, p, k.n, seed);
}

static inline int keyany_make(gm_map *m, keyany_t k, void **block)
{
    *block = NULL;
    return m->t.key_kind == GM_STRING || m->t.key_indirect ? gm_string_make(m, k.p, k.n, block) : GM_OK;
}

static inline void keyany_fill(const gm_map *m, void *slot, keyany_t k, void *block)
{
    if (m->t.key_kind == GM_STRING)
        gm_string_fill(slot, k.n, block);
    else if (m->t.key_indirect)
        gm_slot_set_ptr(slot, block);
    else
        gm_shared_store(slot, k.p, k.n);
}

static inline void keyany_rewrite(const gm_map *m, void *slot, keyany_t k)
{
    if (m->t.key_kind == GM_FLOAT64)
        gm_shared_store(slot, k.p, k.n);
}

/* mapdelete clears whatever holds a pointer, the length of a string too. */
static inline void keyany_wipe(gm_map *m, void *slot)
{
    if (m->t.key_kind != GM_STRING && !m->t.key_indirect)
        return;
    keystr_wipe(m, slot);
    if (m->t.key_kind == GM_STRING)
        gm_store_rlx(gm_string_len(slot), 0);
}

/* ------------------------------------------------------------------ the hashes, for code compiled for AES-NI */

#if GM_HAVE_NI
GM_TARGET_AES static inline uint64_t key4_hash_ni(gm_map *m, key4_t k, uint32_t seed)
{
    return aes_hash_word_ni(&m->hk, k, seed);
}
GM_TARGET_AES static inline uint64_t key8_hash_ni(gm_map *m, key8_t k, uint32_t seed)
{
    return aes_hash_word_ni(&m->hk, k, seed);
}
GM_TARGET_AES static inline uint64_t keystr_hash_ni(gm_map *m, keystr_t k, uint32_t seed)
{
    return aes_hash_bytes_ni(&m->hk, k.p, k.n, seed);
}
#endif

#endif
