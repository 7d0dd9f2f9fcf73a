/* portable_math.h: logarithm and exponential that give the same bits on every machine. */
#ifndef GM_PORTABLE_MATH_H
#define GM_PORTABLE_MATH_H

double gm_log(double x);   /* x > 0, finite and normal */
double gm_exp(double x);   /* -700 <= x <= 700 */
double gm_log1p(double x); /* x > -1 */
double gm_expm1(double x); /* -700 <= x <= 700 */

#endif
