/* zipf.inc.h: h, its integral H and the inverse of H (keystream.c), for one number or for two at a time.
 *
 * The includer defines M(name), M_REAL and M_SELECT as for base/portable_math.inc.h, whose functions are used.
 */

static inline M_REAL M(h)(double theta, M_REAL x)
{
    return M(exp)(-theta * M(log)(x));
}

static inline M_REAL M(h_integral)(double theta, M_REAL x)
{
    M_REAL log_x = M(log)(x);
    return M(expm1_over_x)((1 - theta) * log_x) * log_x;
}

/* For theta > 1 rounding could bring 1 + area (1 - theta) to 0 or below, just above the largest n: never below 2^-53. */
static inline M_REAL M(h_inverse)(double theta, M_REAL area)
{
    M_REAL t = area * (1 - theta), least = 0 * t - (1 - 0x1p-53);
    t = M_SELECT(t < least, least, t);
    return M(exp)(M(log1p_over_x)(t) * area);
}

#undef M
#undef M_REAL
#undef M_SELECT
