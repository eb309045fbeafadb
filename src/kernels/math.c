/* math.c: elementary functions from correctly rounded operations. Constants: ln 2 and pi / 2 cut into words of the type's precision
 * (mpmath, 80 digits); the polynomial of expf is a minimax fit, the binary64 ones are Taylor series long enough for their interval. */
#include "kernels/math.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static double f64_from_bits(uint64_t u) {
    double f;
    memcpy(&f, &u, 8);
    return f;
}
static uint64_t f64_bits(double f) {
    uint64_t u;
    memcpy(&u, &f, 8);
    return u;
}

/* x = n ln 2 + r, exp(x) = 2^n (1 + r + r^2 q(r)). Adding 1.5 * 2^23 rounds x log2(e) to n and leaves n in the low bits. The clamp makes
 * the results beyond come out by themselves: exp(89) overflows, exp(-104) is below half of the smallest subnormal. 2^n is multiplied in as
 * two normal factors; the first product is exact, so a subnormal result is rounded once. */
float suan__expf(float x) {
    x = x > SUAN__EXPF_HIGH ? SUAN__EXPF_HIGH : x;
    x = x < SUAN__EXPF_LOW ? SUAN__EXPF_LOW : x;
    float t = fmaf(x, SUAN__EXPF_LOG2E, SUAN__EXPF_ROUND);
    float n = t - SUAN__EXPF_ROUND;
    float r = fmaf(n, -SUAN__EXPF_LN2_0, x);
    r = fmaf(n, -SUAN__EXPF_LN2_1, r);
    float p = SUAN__EXPF_C6;
    p = fmaf(p, r, SUAN__EXPF_C5);
    p = fmaf(p, r, SUAN__EXPF_C4);
    p = fmaf(p, r, SUAN__EXPF_C3);
    p = fmaf(p, r, SUAN__EXPF_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    int32_t i;
    memcpy(&i, &t, 4);
    i -= SUAN__EXPF_ROUND_BITS;
    int32_t i0 = i >> 1, i1 = i - i0;
    uint32_t u0 = (uint32_t)(i0 + 127) << 23, u1 = (uint32_t)(i1 + 127) << 23;
    float s0, s1;
    memcpy(&s0, &u0, 4);
    memcpy(&s1, &u1, 4);
    p = p * s0;
    return p * s1;
}

/* The binary64 logarithm is far below half a unit of binary32 away from the truth, so one rounding is left. */
float suan__logf(float x) {
    return (float)suan__log((double)x);
}

#define LN2_0 0x1.62e42fefa39efp-1
#define LN2_1 0x1.abc9e3b39803fp-56

/* exp(r + low) for |r| <= 0.3466 as 1 + (r + ...): Taylor to degree 13, whose remainder is below 2^-57. */
double suan__exp(double x) {
    if (x > 710.0) x = 710.0;
    if (x < -746.0) x = -746.0;
    double t = fma(x, 0x1.71547652b82fep+0, 0x1.8p52);
    double n = t - 0x1.8p52;
    /* n * LN2_0 is cut at the bits of x: the fma is exact but for its last bit, which `low` carries no more than 2^-54 of. */
    double r = fma(n, -LN2_0, x);
    r = fma(n, -LN2_1, r);
    static const double c[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
                               1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,      1.0 / 24.0,      1.0 / 6.0,      0.5};
    double p = c[0];
    for (int i = 1; i < 12; i++) p = fma(p, r, c[i]);
    double r2 = r * r;
    p = 1.0 + fma(p, r2, r);
    int64_t i = (int64_t)(f64_bits(t) - f64_bits(0x1.8p52)), i0 = i >> 1, i1 = i - i0;
    p = p * f64_from_bits((uint64_t)(i0 + 1023) << 52);
    return p * f64_from_bits((uint64_t)(i1 + 1023) << 52);
}

/* x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)); with s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - (f^2 / 2 - s (f^2 / 2 + R)),
 * R = 2 s^2 / 3 + 2 s^4 / 5 + ..., |s| < 0.1716. */
double suan__log(double x) {
    int e = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        e = -54;
    }
    uint64_t u = f64_bits(x);
    uint64_t fraction = u & 0xfffffffffffff;
    bool upper = fraction > 0x6a09e667f3bcd; /* above sqrt(2): the half of it, one exponent higher */
    e += (int)(u >> 52) - 1023 + upper;
    double f = f64_from_bits(fraction | (uint64_t)(1023 - upper) << 52) - 1.0;
    double s = f / (2.0 + f), z = s * s, p = 2.0 / 27.0;
    for (int i = 25; i >= 3; i -= 2) p = fma(p, z, 2.0 / i);
    double half = 0.5 * f * f;
    double low = fma((double)e, LN2_1, s * (half + z * p));
    return fma((double)e, LN2_0, f - (half - low));
}

/* y log(x) as a double word: what its product lost is multiplied in behind. The error is that of log: |y log x| 2^-53. */
double suan__pow(double x, double y) {
    double l = suan__log(x), high = y * l, low = fma(y, l, -high);
    double p = suan__exp(high);
    return fma(p, low, p);
}

/* x = n pi / 2 + r + low, |r| <= pi / 4. The first fma is exact: its result is below 1 and a multiple of the last bit of either word. */
void suan__sincos(double x, double *s, double *c) {
    double t = fma(x, 0x1.45f306dc9c883p-1, 0x1.8p52);
    double n = t - 0x1.8p52;
    double a = fma(n, -0x1.921fb54442d18p+0, x);
    double w = n * 0x1.1a62633145c07p-54, w_low = fma(n, 0x1.1a62633145c07p-54, -w);
    double r = a - w, low = ((a - r) - w) - (w_low - n * 0x1.f1976b7ed8fbcp-110);
    double z = r * r, r3 = r * z;
    static const double sines[] = {1.0 / 355687428096000.0, -1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800.0,
                                   1.0 / 362880.0,          -1.0 / 5040.0,          1.0 / 120.0,        -1.0 / 6.0};
    static const double cosines[] = {-1.0 / 6402373705728000.0, 1.0 / 20922789888000.0, -1.0 / 87178291200.0, 1.0 / 479001600.0,
                                     -1.0 / 3628800.0,          1.0 / 40320.0,          -1.0 / 720.0,         1.0 / 24.0};
    double ps = sines[0], pc = cosines[0];
    for (int i = 1; i < 8; i++) {
        ps = fma(ps, z, sines[i]);
        pc = fma(pc, z, cosines[i]);
    }
    double sine = r + fma(r3, ps, low * (1.0 - 0.5 * z));
    double half = 0.5 * z, one = 1.0 - half;
    double cosine = one + (((1.0 - one) - half) + fma(z * z, pc, -(r * low)));
    uint64_t quadrant = f64_bits(t) & 3;
    double sine_out = quadrant & 1 ? cosine : sine, cosine_out = quadrant & 1 ? sine : cosine;
    *s = quadrant & 2 ? -sine_out : sine_out;
    *c = (quadrant + 1) & 2 ? -cosine_out : cosine_out;
}
