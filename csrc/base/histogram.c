/* histogram.c: a log-linear histogram with HdrHistogram's bucket layout.
 *
 * Source: Gil Tene's HdrHistogram (the layout; counts can be exchanged with its tools). A value keeps its leading bits: with
 * d significant digits a bucket is never wider than 10^-d of its values.
 *
 *     half = sub-buckets of one octave, the power of two from 10^d up           (d = 3: 1,024)
 *     values 0 .. 2*half-1                one bucket each
 *     values [2*half*2^k, 2*half*2^(k+1)) `half` buckets, each 2^(k+1) wide      k = 0, 1, 2, ...
 *
 *   index(v)   k = octave of v above the first;  (k + 1) * half + (v >> k) - half
 *
 *   B1  No value is lost: those above `highest` are counted in one last bucket; minimum and maximum are kept exactly.
 *   B2  A percentile is the highest value that its bucket cannot tell from the one asked for, at most the exact maximum.
 *   B3  Recording is a shift, a count of leading zeros and an increment: no branch on the value, no allocation.
 *
 * One writer; merging (gm_hist_add) and reading happen when it is done.
 */
#include "base/histogram.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

/* The highest value that falls into bucket i. */
static uint64_t highest_in(const gm_hist *h, size_t i)
{
    uint64_t half = (uint64_t)1 << h->half_bits;
    if (i < 2 * half)
        return i;
    unsigned k = (unsigned)(i >> h->half_bits) - 1;
    uint64_t sub = (i & (half - 1)) + half;
    return ((sub + 1) << k) - 1;
}

static size_t bytes_of(size_t len)
{
    return sizeof(gm_hist) + len * sizeof(uint64_t);
}

gm_hist *gm_hist_make(const gm_alloc *alloc, int significant_digits, uint64_t highest)
{
    if (significant_digits < 1 || significant_digits > 5 || highest < 2 || highest > (UINT64_C(1) << 62))
        return NULL;
    uint64_t units = 1;
    for (int i = 0; i < significant_digits; i++)
        units *= 10;
    gm_hist shape = {.alloc = *alloc, .min = UINT64_MAX};
    while (((uint64_t)1 << shape.half_bits) < units)
        shape.half_bits++;
    shape.len = gm_hist_index(shape.half_bits, highest) + 2; /* one more for what lies above (B1) */
    gm_hist *h = alloc->zalloc(alloc->ctx, bytes_of(shape.len));
    if (h)
        *h = shape;
    return h;
}

gm_hist *gm_hist_new(int significant_digits, uint64_t highest)
{
    gm_alloc alloc = gm_alloc_default();
    return gm_hist_make(&alloc, significant_digits, highest);
}

void gm_hist_free(gm_hist *h)
{
    if (!h)
        return;
    gm_alloc alloc = h->alloc;
    alloc.release(alloc.ctx, h, bytes_of(h->len));
}

void gm_hist_reset(gm_hist *h)
{
    h->total = h->max = h->sum = 0;
    h->min = UINT64_MAX;
    memset(h->counts, 0, h->len * sizeof h->counts[0]);
}

void gm_hist_add(gm_hist *into, const gm_hist *from)
{
    for (size_t i = 0; i < into->len; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    into->sum += from->sum;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
}

void gm_hist_record(gm_hist *h, uint64_t value)
{
    gm_hist_count(h, h->half_bits, value);
}

uint64_t gm_hist_total(const gm_hist *h)
{
    return h->total;
}

uint64_t gm_hist_max(const gm_hist *h)
{
    return h->max;
}

uint64_t gm_hist_min(const gm_hist *h)
{
    return h->total ? h->min : 0;
}

double gm_hist_mean(const gm_hist *h)
{
    return h->total ? (double)h->sum / (double)h->total : 0;
}

uint64_t gm_hist_percentile(const gm_hist *h, double percent)
{
    double rank = ceil(nextafter(percent, -INFINITY) * (double)h->total / 100); /* 99.9 % of 1,000 is 999, not 1,000 */
    uint64_t wanted = !(rank >= 1) ? 1 : rank > (double)h->total ? h->total : (uint64_t)rank, seen = 0;
    for (size_t i = 0; i + 1 < h->len; i++) {
        seen += h->counts[i];
        if (seen >= wanted)
            return highest_in(h, i) < h->max ? highest_in(h, i) : h->max; /* B2 */
    }
    return h->max;
}

size_t gm_hist_counts(const gm_hist *h, uint64_t *values, uint64_t *counts, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < h->len; i++) {
        if (h->counts[i] == 0)
            continue;
        if (n < cap) {
            values[n] = i + 1 < h->len ? highest_in(h, i) : h->max;
            counts[n] = h->counts[i];
        }
        n++;
    }
    return n;
}
