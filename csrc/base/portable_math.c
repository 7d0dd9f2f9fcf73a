/* portable_math.c: logarithm and exponential that give the same bits on every machine.
 *
 * C libraries differ in the last place of log and exp, and a random stream that branches on such a place differs with them.
 * The functions here use additions, multiplications and divisions only, which IEEE 754 defines to the bit, in one fixed
 * order; the build forbids the compiler to fuse them (-ffp-contract=off). They are within two units in the last place.
 *
 *   log x = e ln 2 + 2 atanh(s),  x = m 2^e with m in [sqrt 1/2, sqrt 2),  s = (m - 1) / (m + 1), |s| < 0.172
 *   exp x = 2^k exp r,            k the nearest integer to x / ln 2,       |r| < 0.347, Taylor
 *
 * The bodies stand once, in portable_math.inc.h, for one number and for two in a vector of 16 bytes, which every 64-bit
 * machine has.
 *
 * Rejected: vectors of 32 bytes where a CPU has them: a second copy of the streams for a third less time; the C library's
 * functions (not the same everywhere); a table of all n weights (12 bytes a key, and made with the same functions).
 */
#include "base/portable_math.h"

#include "gomap.h"

double gm_log(double x)
{
    return m1_log(x);
}

double gm_log1p(double x)
{
    return m1_log1p(x);
}

double gm_exp(double x)
{
    return m1_exp(x);
}

double gm_expm1(double x)
{
    return m1_expm1(x);
}
