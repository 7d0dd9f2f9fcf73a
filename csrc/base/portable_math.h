/* portable_math.h: logarithm and exponential that give the same bits on every machine; the design is told in
 * portable_math.c. m1_* take one number, m2_* two at once. */
#ifndef GM_PORTABLE_MATH_H
#define GM_PORTABLE_MATH_H

#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the high one has 32 trailing zero bits, so that a product with a small integer is exact. */
#define GM_LN2_HIGH 6.93147180369123816490e-01
#define GM_LN2_LOW 1.90821492927058770002e-10

typedef double gm_real2 __attribute__((vector_size(16)));
typedef uint64_t gm_bits2 __attribute__((vector_size(16)));

/* a where the comparison c holds, else b. */
#define GM_SELECT1(c, a, b) ((c) ? (a) : (b))
#define GM_SELECT2(c, a, b) ((gm_real2)(((gm_bits2)(a) & (gm_bits2)(c)) | ((gm_bits2)(b) & ~(gm_bits2)(c))))

static inline uint64_t gm_bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits;
}

static inline double gm_double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

#define M(name) m1_##name
#define M_REAL double
#define M_BITS uint64_t
#define M_AS_BITS(x) gm_bits_of(x)
#define M_AS_REAL(b) gm_double_of(b)
#define M_SELECT(c, a, b) GM_SELECT1(c, a, b)
#include "base/portable_math.inc.h"

#define M(name) m2_##name
#define M_REAL gm_real2
#define M_BITS gm_bits2
#define M_AS_BITS(x) ((gm_bits2)(x))
#define M_AS_REAL(b) ((gm_real2)(b))
#define M_SELECT(c, a, b) GM_SELECT2(c, a, b)
#include "base/portable_math.inc.h"

#endif
