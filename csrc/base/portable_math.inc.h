/* portable_math.inc.h: the functions of portable_math.h, for one number or for two at a time.
 *
 * The includer defines
 *
 *   M(name)          the function's name        M_REAL, M_BITS   double and uint64_t, or vectors of them
 *   M_AS_BITS(x)     the same bits as M_BITS    M_AS_REAL(b)     and back
 *   M_SELECT(c, a, b)   a where the comparison c holds, else b (both are computed)
 *
 * Whatever the width, each lane does the same IEEE operations in the same order: the same bits come out.
 */

/* 2 atanh(s) for |s| < 0.21: the rest of the series is below a 2^-53th of the sum. */
static inline M_REAL M(twice_atanh)(M_REAL s)
{
    M_REAL s2 = s * s, s4 = s2 * s2;
    M_REAL odd = s4 * (1.0 / 25) + 1.0 / 21, even = s4 * (1.0 / 23) + 1.0 / 19;
    odd = odd * s4 + 1.0 / 17;
    even = even * s4 + 1.0 / 15;
    odd = odd * s4 + 1.0 / 13;
    even = even * s4 + 1.0 / 11;
    odd = odd * s4 + 1.0 / 9;
    even = even * s4 + 1.0 / 7;
    odd = odd * s4 + 1.0 / 5;
    even = even * s4 + 1.0 / 3;
    M_REAL sum = odd * s2 + even;
    return 2 * s + 2 * s * (sum * s2);
}

/* x > 0, finite and normal. The exponent becomes a number by way of the bits of 2^52 + exponent. */
static inline M_REAL M(log)(M_REAL x)
{
    M_BITS bits = M_AS_BITS(x);
    M_REAL e = M_AS_REAL((bits >> 52) | UINT64_C(0x4330000000000000)) - 0x1p52 - 1023;
    M_REAL m = M_AS_REAL((bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000));
    e = M_SELECT(m > 1.4142135623730951, e + 1, e);
    m = M_SELECT(m > 1.4142135623730951, m * 0.5, m);
    return e * GM_LN2_HIGH + (M(twice_atanh)((m - 1) / (m + 1)) + e * GM_LN2_LOW);
}

/* x > -1 */
static inline M_REAL M(log1p)(M_REAL x)
{
    M_REAL near = M(twice_atanh)(x / (2 + x)), far = M(log)(1 + x);
    return M_SELECT((x > -0.29) & (x < 0.5), near, far);
}

/* exp r - 1 for |r| < 0.36: Taylor from 1 / 15! on, in two chains so that neither waits for the other. */
static inline M_REAL M(small_expm1)(M_REAL r)
{
    M_REAL r2 = r * r;
    M_REAL odd = r2 * 0x1.ae7f3e733b81fp-41 + 0x1.6124613a86d09p-33;
    M_REAL even = r2 * 0x1.93974a8c07c9dp-37 + 0x1.1eed8eff8d898p-29;
    odd = odd * r2 + 0x1.ae64567f544e4p-26;
    even = even * r2 + 0x1.27e4fb7789f5cp-22;
    odd = odd * r2 + 0x1.71de3a556c734p-19;
    even = even * r2 + 0x1.a01a01a01a01ap-16;
    odd = odd * r2 + 0x1.a01a01a01a01ap-13;
    even = even * r2 + 0x1.6c16c16c16c17p-10;
    odd = odd * r2 + 0x1.1111111111111p-7;
    even = even * r2 + 0x1.5555555555555p-5;
    odd = odd * r2 + 0x1.5555555555555p-3;
    even = even * r2 + 0.5;
    M_REAL sum = odd * r + even;
    return r + r * (sum * r);
}

/* -700 <= x <= 700. Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits. */
static inline M_REAL M(exp)(M_REAL x)
{
    M_REAL shifted = x * 0x1.71547652b82fep+0 + 0x1.8p52, k = shifted - 0x1.8p52;
    M_REAL r = (x - k * GM_LN2_HIGH) - k * GM_LN2_LOW;
    M_REAL power = M_AS_REAL((M_AS_BITS(shifted) + 1023) << 52);
    return power + power * M(small_expm1)(r);
}

static inline M_REAL M(expm1)(M_REAL x)
{
    M_REAL near = M(small_expm1)(x), far = M(exp)(x) - 1;
    return M_SELECT((x > -0.35) & (x < 0.35), near, far);
}

/* log(1 + x) / x, at 0 too. */
static inline M_REAL M(log1p_over_x)(M_REAL x)
{
    M_REAL slope = M(log1p)(x) / x, near = 1 - x * 0.5;
    return M_SELECT((x > -1e-8) & (x < 1e-8), near, slope);
}

/* (exp x - 1) / x, at 0 too. */
static inline M_REAL M(expm1_over_x)(M_REAL x)
{
    M_REAL slope = M(expm1)(x) / x, near = 1 + x * 0.5;
    return M_SELECT((x > -1e-8) & (x < 1e-8), near, slope);
}

#undef M
#undef M_REAL
#undef M_BITS
#undef M_AS_BITS
#undef M_AS_REAL
#undef M_SELECT
