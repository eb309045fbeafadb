/* quantize_search.h: what the searching quantisers share.
 *
 * They work on a copy of the block that is divided by a power of two, so that its largest value lies in [1, 2) and sums of squares in
 * binary32 neither overflow nor vanish. Sums run in LANES partial sums, which compilers turn into vectors, folded in a fixed order.
 */
#ifndef SUAN_KERNELS_QUANTIZE_SEARCH_H
#define SUAN_KERNELS_QUANTIZE_SEARCH_H

#include "kernels/quantize.h"

#include <math.h>
#include <string.h>

#define LANES 8

static inline float fold_lanes(const float s[LANES]) {
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Nearest integer, halves to even, limited to low..high; low for a NaN. |low|, |high| < 2^22. */
static inline float round_limited(float v, float low, float high) {
    v = v > low ? v : low;
    v = v < high ? v : high;
    float t = v + 0x1.8p23f;
    return t - 0x1.8p23f;
}

/* y[n] = x[n] / unit; unit, the power of two, is returned. */
static inline double normalize(const float *x, float *y, int n) {
    uint32_t amax = 0;
    for (int i = 0; i < n; i++) {
        uint32_t a = suan__f32_bits(x[i]) & 0x7fffffff;
        amax = a > amax ? a : amax;
    }
    uint64_t exponent = amax >> 23 ? amax >> 23 : 1, bits = (exponent + 1023 - 127) << 52;
    double unit;
    memcpy(&unit, &bits, 8);
    for (int i = 0; i < n; i++) y[i] = (float)(x[i] / unit);
    return unit;
}

/* A normalised scale as the binary16 that will be stored, and the value that this stands for. */
static inline uint16_t stored_half(double d, double unit) {
    return suan__scale_bits((float)(d * unit));
}
static inline float stored_value(double d, double unit) {
    return (float)((double)suan__f16_to_f32(stored_half(d, unit)) / unit);
}

#endif
