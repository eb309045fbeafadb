/* math.h: elementary functions of the contract (design.md, rule 2): the same bits everywhere, within 2 ulp (f32) of the true value.
 * Only + - * / sqrt fma, conversions and integer operations; the vector variants repeat the same steps lane by lane. */
#ifndef SUAN_KERNELS_MATH_H
#define SUAN_KERNELS_MATH_H

float suan__expf(float x); /* +0 below the smallest subnormal, +inf above the largest finite */
float suan__logf(float x); /* x > 0 finite */
/* binary64, for tables: within 1 ulp of binary64 up to |x| < 2^31 */
void suan__sincos(double x, double *s, double *c);
double suan__exp(double x);
double suan__log(double x);           /* x > 0 finite */
double suan__pow(double x, double y); /* x > 0: for frequencies theta^(-2j/R); error below 2^-45 relative */

#endif
