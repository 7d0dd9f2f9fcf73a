/* hash.c: Go's hash functions for map keys, value for value.
 *
 * Mirrors runtime/asm_amd64.s (aeshash, memhash32, memhash64, strhash), runtime/hash64.go (the fallback) and runtime/alg.go
 * (f64hash) of Go 1.25. Go draws 128 random bytes (aeskeysched) and four random words (hashkey) once a process; here they
 * belong to a map, so that two maps, and a recorded one, can differ.
 *
 *   AES, 4 or 8 bytes   [seed | key]  -> 3 rounds, keys sched[0..2] -> low half
 *   AES, n bytes        lane i starts from scramble([seed | n n n n] ^ sched[i]); `scramble` is a round keyed by itself
 *        0              seed scrambled once more
 *        1..16          one lane, zero-padded            17..32 two lanes      33..64 four      65..128 eight
 *        129..          eight lanes from the last 128 bytes, then the rest in front in steps of 128
 *                       all lanes: 3 more rounds, xored together, low half
 *   memhash             wyhash's construction: multiply to 128 bits, fold high into low; 48-byte strides in three lanes
 *
 * AES on x86-64 is the AESENC instruction (hash_aes.inc.h compiled for it in hash.h); elsewhere, and on demand, one round is
 * four table look-ups and an xor a column, from a table that holds S-box times the first column of MixColumns. The table is
 * written out as constant expressions over the S-box: nothing is initialised at run time, so there is no hidden state.
 *
 * F1  Equal keys hash alike: the two zeros of float64 by constants, everything else by its bytes.
 * F2  NaN is not hashed here: keys.h draws a random number at every use.
 *
 * Divergence: Go hashes [4]byte and [8]byte keys as words only where the machine allows unaligned words; we always do.
 */
#include "map/hash.h"

#include <string.h>

/* ------------------------------------------------------------------ AES in portable C */

/* clang-format off */
#define SBOX(X) \
    X(0x63) X(0x7c) X(0x77) X(0x7b) X(0xf2) X(0x6b) X(0x6f) X(0xc5) X(0x30) X(0x01) X(0x67) X(0x2b) X(0xfe) X(0xd7) \
    X(0xab) X(0x76) X(0xca) X(0x82) X(0xc9) X(0x7d) X(0xfa) X(0x59) X(0x47) X(0xf0) X(0xad) X(0xd4) X(0xa2) X(0xaf) \
    X(0x9c) X(0xa4) X(0x72) X(0xc0) X(0xb7) X(0xfd) X(0x93) X(0x26) X(0x36) X(0x3f) X(0xf7) X(0xcc) X(0x34) X(0xa5) \
    X(0xe5) X(0xf1) X(0x71) X(0xd8) X(0x31) X(0x15) X(0x04) X(0xc7) X(0x23) X(0xc3) X(0x18) X(0x96) X(0x05) X(0x9a) \
    X(0x07) X(0x12) X(0x80) X(0xe2) X(0xeb) X(0x27) X(0xb2) X(0x75) X(0x09) X(0x83) X(0x2c) X(0x1a) X(0x1b) X(0x6e) \
    X(0x5a) X(0xa0) X(0x52) X(0x3b) X(0xd6) X(0xb3) X(0x29) X(0xe3) X(0x2f) X(0x84) X(0x53) X(0xd1) X(0x00) X(0xed) \
    X(0x20) X(0xfc) X(0xb1) X(0x5b) X(0x6a) X(0xcb) X(0xbe) X(0x39) X(0x4a) X(0x4c) X(0x58) X(0xcf) X(0xd0) X(0xef) \
    X(0xaa) X(0xfb) X(0x43) X(0x4d) X(0x33) X(0x85) X(0x45) X(0xf9) X(0x02) X(0x7f) X(0x50) X(0x3c) X(0x9f) X(0xa8) \
    X(0x51) X(0xa3) X(0x40) X(0x8f) X(0x92) X(0x9d) X(0x38) X(0xf5) X(0xbc) X(0xb6) X(0xda) X(0x21) X(0x10) X(0xff) \
    X(0xf3) X(0xd2) X(0xcd) X(0x0c) X(0x13) X(0xec) X(0x5f) X(0x97) X(0x44) X(0x17) X(0xc4) X(0xa7) X(0x7e) X(0x3d) \
    X(0x64) X(0x5d) X(0x19) X(0x73) X(0x60) X(0x81) X(0x4f) X(0xdc) X(0x22) X(0x2a) X(0x90) X(0x88) X(0x46) X(0xee) \
    X(0xb8) X(0x14) X(0xde) X(0x5e) X(0x0b) X(0xdb) X(0xe0) X(0x32) X(0x3a) X(0x0a) X(0x49) X(0x06) X(0x24) X(0x5c) \
    X(0xc2) X(0xd3) X(0xac) X(0x62) X(0x91) X(0x95) X(0xe4) X(0x79) X(0xe7) X(0xc8) X(0x37) X(0x6d) X(0x8d) X(0xd5) \
    X(0x4e) X(0xa9) X(0x6c) X(0x56) X(0xf4) X(0xea) X(0x65) X(0x7a) X(0xae) X(0x08) X(0xba) X(0x78) X(0x25) X(0x2e) \
    X(0x1c) X(0xa6) X(0xb4) X(0xc6) X(0xe8) X(0xdd) X(0x74) X(0x1f) X(0x4b) X(0xbd) X(0x8b) X(0x8a) X(0x70) X(0x3e) \
    X(0xb5) X(0x66) X(0x48) X(0x03) X(0xf6) X(0x0e) X(0x61) X(0x35) X(0x57) X(0xb9) X(0x86) X(0xc1) X(0x1d) X(0x9e) \
    X(0xe1) X(0xf8) X(0x98) X(0x11) X(0x69) X(0xd9) X(0x8e) X(0x94) X(0x9b) X(0x1e) X(0x87) X(0xe9) X(0xce) X(0x55) \
    X(0x28) X(0xdf) X(0x8c) X(0xa1) X(0x89) X(0x0d) X(0xbf) X(0xe6) X(0x42) X(0x68) X(0x41) X(0x99) X(0x2d) X(0x0f) \
    X(0xb0) X(0x54) X(0xbb) X(0x16)
/* clang-format on */

#define TIMES2(s) (((s) << 1 ^ ((s)&0x80 ? 0x11Bu : 0u)) & 0xFFu)
#define COLUMN(s) (TIMES2(s) | (uint32_t)(s) << 8 | (uint32_t)(s) << 16 | (uint32_t)(TIMES2(s) ^ (s)) << 24),

/* What a byte of row 0 contributes to its column; rows 1 to 3 contribute the same, rotated by 8, 16 and 24 bits. */
static const uint32_t column[256] = {SBOX(COLUMN)};

typedef struct block {
    uint32_t w[4];
} block;

static inline uint32_t rot(uint32_t v, int k)
{
    return v << k | v >> (32 - k);
}

/* One column of SubBytes, ShiftRows and MixColumns: its bytes come from four different columns of the state. */
static inline uint32_t mixed(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return column[a & 255] ^ rot(column[b >> 8 & 255], 8) ^ rot(column[c >> 16 & 255], 16) ^ rot(column[d >> 24], 24);
}

#define AES(name) name##_portable
#define AES_FN static inline
#define aes_t block
AES_FN aes_t AES(aes_word)(uint64_t lo, uint64_t hi)
{
    return (block){{(uint32_t)lo, (uint32_t)(lo >> 32), (uint32_t)hi, (uint32_t)(hi >> 32)}};
}
AES_FN aes_t AES(aes_load)(const void *p)
{
    block b;
    memcpy(&b, p, 16);
    return b;
}
AES_FN aes_t AES(aes_load_aligned)(const void *p)
{
    return AES(aes_load)(p);
}
AES_FN aes_t AES(aes_xor)(aes_t a, aes_t b)
{
    for (int i = 0; i < 4; i++)
        a.w[i] ^= b.w[i];
    return a;
}
AES_FN aes_t AES(aes_round)(aes_t s, aes_t key)
{
    const uint32_t *w = s.w;
    block r = {{mixed(w[0], w[1], w[2], w[3]), mixed(w[1], w[2], w[3], w[0]), mixed(w[2], w[3], w[0], w[1]),
                mixed(w[3], w[0], w[1], w[2])}};
    return AES(aes_xor)(r, key);
}
AES_FN uint64_t AES(aes_low)(aes_t s)
{
    return s.w[0] | (uint64_t)s.w[1] << 32;
}
#include "map/hash_aes.inc.h"

/* ------------------------------------------------------------------ memhash */

static inline uint64_t read_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)(p >> 64) ^ (uint64_t)p;
}

/* Strides of 48 bytes in three lanes; returns the seed and moves *p and *n to the rest of at most 48 bytes. */
static uint64_t memhash_strides(const uint64_t *k, const uint8_t **p, size_t *n, uint64_t seed)
{
    uint64_t s1 = seed, s2 = seed;
    for (; *n > 48; *p += 48, *n -= 48) {
        seed = fold(read_le(*p, 8) ^ k[1], read_le(*p + 8, 8) ^ seed);
        s1 = fold(read_le(*p + 16, 8) ^ k[2], read_le(*p + 24, 8) ^ s1);
        s2 = fold(read_le(*p + 32, 8) ^ k[3], read_le(*p + 40, 8) ^ s2);
    }
    return seed ^ s1 ^ s2;
}

static uint64_t memhash(const uint64_t *k, const void *data, size_t length, uint64_t seed)
{
    const uint8_t *p = data;
    size_t n = length;
    uint64_t a, b = 0;
    seed ^= k[0];
    if (n == 0)
        return seed;
    if (n < 4) {
        a = p[0] | (uint64_t)p[n >> 1] << 8 | (uint64_t)p[n - 1] << 16;
    } else if (n <= 16) {
        size_t width = n < 8 ? 4 : 8;
        a = read_le(p, width);
        b = read_le(p + n - width, width);
    } else {
        if (n > 48)
            seed = memhash_strides(k, &p, &n, seed);
        for (; n > 16; p += 16, n -= 16)
            seed = fold(read_le(p, 8) ^ k[1], read_le(p + 8, 8) ^ seed);
        a = read_le(p + n - 16, 8);
        b = read_le(p + n - 8, 8);
    }
    return fold(UINT64_C(0x1D8E4E27C47D124F) ^ length, fold(a ^ k[1], b ^ seed));
}

/* ------------------------------------------------------------------ by the map's hasher */

#if GM_HAVE_NI
/* Out of line, so that callers that are not compiled for AES-NI can reach the instruction. */
static GM_TARGET_AES uint64_t hash_word_ni(const gm_hashkeys *hk, uint64_t key, uint64_t seed)
{
    return aes_hash_word_ni(hk, key, seed);
}
static GM_TARGET_AES uint64_t hash_bytes_ni(const gm_hashkeys *hk, const void *p, size_t n, uint64_t seed)
{
    return aes_hash_bytes_ni(hk, p, n, seed);
}
#else
#define hash_word_ni aes_hash_word_portable
#define hash_bytes_ni aes_hash_bytes_portable
#endif

static uint64_t hash_word(const gm_hashkeys *hk, uint64_t key, size_t n, uint64_t seed)
{
    switch (hk->hasher) {
    case GM_HASH_AES:
        return hash_word_ni(hk, key, seed);
    case GM_HASH_AES_PORTABLE:
        return aes_hash_word_portable(hk, key, seed);
    default:
        return memhash(hk->hashkey, &key, n, seed);
    }
}

uint64_t gm_hash4_any(const gm_hashkeys *hk, uint32_t key, uint64_t seed)
{
    return hash_word(hk, key, 4, seed);
}

uint64_t gm_hash8_any(const gm_hashkeys *hk, uint64_t key, uint64_t seed)
{
    return hash_word(hk, key, 8, seed);
}

uint64_t gm_hashbytes_any(const gm_hashkeys *hk, const void *p, size_t n, uint64_t seed)
{
    switch (hk->hasher) {
    case GM_HASH_AES:
        return hash_bytes_ni(hk, p, n, seed);
    case GM_HASH_AES_PORTABLE:
        return aes_hash_bytes_portable(hk, p, n, seed);
    default:
        return memhash(hk->hashkey, p, n, seed);
    }
}

int gm_cpu_has_aes(void)
{
#if GM_HAVE_NI
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("bmi2");
#else
    return 0;
#endif
}
