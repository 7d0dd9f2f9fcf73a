/* eight.h: looks at the eight bytes of a word at once: which of them are wanted.
 *
 * Bit i of a result is set where byte i, the lowest first, satisfies the condition, and no other bit is. Maps keep a byte of
 * each cell's hash in such a word.
 */
#ifndef GM_EIGHT_H
#define GM_EIGHT_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

static inline unsigned gm_eight_equal(uint64_t word, uint8_t byte)
{
    __m128i equal = _mm_cmpeq_epi8(_mm_cvtsi64_si128((long long)word), _mm_set1_epi8((char)byte));
    return (unsigned)_mm_movemask_epi8(equal) & 0xFF;
}

/* Bytes that are 0 or 1. */
static inline unsigned gm_eight_at_most_one(uint64_t word)
{
    __m128i v = _mm_cvtsi64_si128((long long)word);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(1)), v)) & 0xFF;
}
#else
/* Exact zero-byte test (no carry crosses a byte), its marks gathered into the low eight bits by one multiplication. */
static inline unsigned gm_eight_zero(uint64_t word)
{
    const uint64_t low7 = UINT64_C(0x7F7F7F7F7F7F7F7F);
    uint64_t marks = ~(((word & low7) + low7) | word | low7) >> 7;
    return (unsigned)((marks * UINT64_C(0x0102040810204080)) >> 56);
}

static inline unsigned gm_eight_equal(uint64_t word, uint8_t byte)
{
    return gm_eight_zero(word ^ (UINT64_C(0x0101010101010101) * byte));
}

static inline unsigned gm_eight_at_most_one(uint64_t word)
{
    return gm_eight_zero(word & UINT64_C(0xFEFEFEFEFEFEFEFE));
}
#endif

#endif
