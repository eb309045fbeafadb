/* math.h: elementary functions of the contract (design.md, rule 2): the same bits everywhere, within 2 ulp (f32) of the true value.
 * Only + - * / sqrt fma, conversions and integer operations; the vector variants repeat the same steps lane by lane. */
#ifndef SUAN_KERNELS_MATH_H
#define SUAN_KERNELS_MATH_H

/* The steps of expf, for the variants too:
 *   x = min(x, HIGH), max(x, LOW); t = fma(x, LOG2E, ROUND); n = t - ROUND; r = fma(n, -LN2_0, x); r = fma(n, -LN2_1, r);
 *   p = C6, then p = fma(p, r, C) for C5 C4 C3 C2 1 1; i = bits(t) - ROUND_BITS; i0 = i >> 1 (arithmetic), i1 = i - i0;
 *   (p * 2^i0) * 2^i1. */
#define SUAN__EXPF_HIGH 89.0f
#define SUAN__EXPF_LOW -104.0f
#define SUAN__EXPF_LOG2E 0x1.715476p+0f
#define SUAN__EXPF_ROUND 0x1.8p23f
#define SUAN__EXPF_ROUND_BITS 0x4b400000
#define SUAN__EXPF_LN2_0 0x1.62e43p-1f
#define SUAN__EXPF_LN2_1 -0x1.05c61p-29f
#define SUAN__EXPF_C2 0x1.fffffcp-2f
#define SUAN__EXPF_C3 0x1.555492p-3f
#define SUAN__EXPF_C4 0x1.5558f2p-5f
#define SUAN__EXPF_C5 0x1.123a2p-7f
#define SUAN__EXPF_C6 0x1.6a23cep-10f

float suan__expf(float x); /* +0 below the smallest subnormal, +inf above the largest finite */
float suan__logf(float x); /* x > 0 finite */
/* binary64, for tables: within 1 ulp of binary64 up to |x| < 2^31 */
void suan__sincos(double x, double *s, double *c);
double suan__exp(double x);
double suan__log(double x);           /* x > 0 finite */
double suan__pow(double x, double y); /* x > 0: for frequencies theta^(-2j/R); error below 2^-45 relative */

#endif
