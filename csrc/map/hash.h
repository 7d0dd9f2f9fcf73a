/* hash.h: Go's two hash functions for maps; the design is told in hash.c.
 *
 * Functions ending in _any choose by the map's hasher and run everywhere; those ending in _ni are the AES-NI ones, to be
 * inlined into code that is itself compiled for AES-NI (GM_TARGET_AES). Both give the same values.
 */
#ifndef GM_HASH_H
#define GM_HASH_H

#include "gomap.h"

#include <stdbool.h>
#include <string.h>

typedef struct gm_hashkeys {
    _Alignas(16) uint8_t aeskeysched[128]; /* eight 16-byte words, as in memory */
    uint64_t hashkey[4];
    int hasher; /* enum gm_hasher; GM_HASH_AES only where the CPU has AES-NI */
} gm_hashkeys;

uint64_t gm_hash4_any(const gm_hashkeys *hk, uint32_t key, uint64_t seed);
uint64_t gm_hash8_any(const gm_hashkeys *hk, uint64_t key, uint64_t seed);
uint64_t gm_hashbytes_any(const gm_hashkeys *hk, const void *p, size_t n, uint64_t seed);

/* Go's hash of +0 and -0. */
static inline uint64_t gm_hash_float_zero(uint64_t seed)
{
    return UINT64_C(23344194077549503) * (UINT64_C(33054211828000289) ^ seed);
}

#if defined(__x86_64__) && !defined(GM_EXPLORE) /* whose maps hash alike on every machine */
#define GM_HAVE_NI 1
#define GM_TARGET_AES __attribute__((target("aes,sse4.1,bmi,bmi2")))

#include <immintrin.h>

#define AES(name) name##_ni
#define AES_FN static inline GM_TARGET_AES
#define aes_t __m128i
AES_FN aes_t AES(aes_word)(uint64_t lo, uint64_t hi)
{
    return _mm_set_epi64x((long long)hi, (long long)lo);
}
AES_FN aes_t AES(aes_load)(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}
AES_FN aes_t AES(aes_load_aligned)(const void *p)
{
    return _mm_load_si128((const __m128i *)p);
}
AES_FN aes_t AES(aes_xor)(aes_t a, aes_t b)
{
    return _mm_xor_si128(a, b);
}
AES_FN aes_t AES(aes_round)(aes_t s, aes_t key)
{
    return _mm_aesenc_si128(s, key);
}
AES_FN uint64_t AES(aes_low)(aes_t s)
{
    return (uint64_t)_mm_cvtsi128_si64(s);
}
#include "map/hash_aes.inc.h"
#undef AES
#undef AES_FN
#undef aes_t
#else
#define GM_HAVE_NI 0
#endif

#endif
