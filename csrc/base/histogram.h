/* histogram.h: what the recorder needs beyond the functions in gomap.h; the design is told in histogram.c. */
#ifndef GM_HISTOGRAM_H
#define GM_HISTOGRAM_H

#include "gomap.h"

struct gm_hist {
    gm_alloc alloc;
    uint64_t total, min, max, sum;
    unsigned half_bits; /* log2(half) */
    size_t len;
    uint64_t counts[];
};

/* The bucket of a value; k is its octave, 0 where buckets are one wide. */
static inline size_t gm_hist_index(unsigned half_bits, uint64_t v)
{
    uint64_t floor = ((uint64_t)2 << half_bits) - 1;
    unsigned k = 64 - (unsigned)__builtin_clzll(v | floor) - (half_bits + 1);
    return ((size_t)k << half_bits) + (size_t)(v >> k);
}

/* gm_hist_record, for the measured path: half_bits is the histogram's, known to the compiler. */
static inline void gm_hist_count(gm_hist *h, unsigned half_bits, uint64_t value)
{
    size_t i = gm_hist_index(half_bits, value);
    h->counts[i < h->len ? i : h->len - 1]++; /* B1 */
    h->total++;
    h->sum += value;
    h->min = value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
}

enum { gm_hist_half_bits_3 = 10 }; /* with 3 significant digits */

gm_hist *gm_hist_make(const gm_alloc *alloc, int significant_digits, uint64_t highest);
void gm_hist_reset(gm_hist *h);                       /* empty again; all its memory has been touched */
void gm_hist_add(gm_hist *into, const gm_hist *from); /* of one shape */

#endif
