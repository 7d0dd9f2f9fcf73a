/* portable_math.c: logarithm and exponential that give the same bits on every machine.
 *
 * C libraries differ in the last place of log and exp, and a random stream that branches on such a place differs with them.
 * The functions here use additions, multiplications and divisions only, which IEEE 754 defines to the bit, in one fixed
 * order; the build forbids the compiler to fuse them (-ffp-contract=off). They are within two units in the last place.
 *
 *   log x = e ln 2 + 2 atanh(s),  x = m 2^e with m in [sqrt 1/2, sqrt 2),  s = (m - 1) / (m + 1), |s| < 0.172
 *   exp x = 2^k exp r,            k the nearest integer to x / ln 2,       |r| < 0.347, Taylor
 *
 * Rejected: the C library's functions (not the same everywhere); a table of all n weights (12 bytes a key, and made with
 * the same functions).
 */
#include "base/portable_math.h"

#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the high one has 32 trailing zero bits, so that a product with a small integer is exact. */
static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;

/* 2 atanh(s) for |s| < 0.21: the rest of the series is below a 2^-53th of the sum. */
static double twice_atanh(double s)
{
    double s2 = s * s, sum = 0;
    for (int k = 25; k >= 3; k -= 2)
        sum = (sum + 1.0 / k) * s2;
    return 2 * s + 2 * s * sum;
}

double gm_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000);
    double m;
    memcpy(&m, &bits, 8);
    if (m > 1.4142135623730951) {
        m /= 2;
        e++;
    }
    return e * ln2_high + (twice_atanh((m - 1) / (m + 1)) + e * ln2_low);
}

double gm_log1p(double x)
{
    if (x > -0.29 && x < 0.5)
        return twice_atanh(x / (2 + x));
    return gm_log(1 + x);
}

/* exp r - 1 for |r| < 0.36. */
static double small_expm1(double r)
{
    double sum = 0;
    for (int k = 15; k >= 2; k--)
        sum = (sum + 1) * (r / k);
    return r * (sum + 1);
}

double gm_exp(double x)
{
    double scaled = x / (ln2_high + ln2_low);
    int k = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double r = (x - k * ln2_high) - k * ln2_low;
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double power;
    memcpy(&power, &bits, 8);
    return power + power * small_expm1(r);
}

double gm_expm1(double x)
{
    return x > -0.35 && x < 0.35 ? small_expm1(x) : gm_exp(x) - 1;
}
