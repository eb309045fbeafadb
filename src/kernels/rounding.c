/* rounding.c: round trips through e4m3 and e2m1 with power-of-two scales, and the Hadamard rotation. */
#include "kernels/rounding.h"

#include <math.h>

#include "kernels/f16.h"

/* The least power of two s with a <= top * 2^top_exp * s; top in [1, 2), a so large that s is normal: the floors see to it. */
static float scale_of(float a, float top, int top_exp) {
    uint32_t u = suan__f32_bits(a);
    float mantissa = suan__f32_from_bits((u & 0x7fffff) | 0x3f800000);
    int e = (int)(u >> 23) - 127 - top_exp + (mantissa > top ? 1 : 0);
    return suan__f32_from_bits((uint32_t)(e + 127) << 23);
}

static float greatest_magnitude(const float *x, size_t n, float floor) {
    float most = floor;
    for (size_t i = 0; i < n; i++) {
        float a = fabsf(x[i]);
        most = a > most ? a : most;
    }
    return most;
}

/* |v| <= 448. Normal numbers keep three bits of the mantissa; below 2^-6 the step is 2^-9: adding 1.5 * 2^14 leaves whole steps. */
static float to_e4m3(float v) {
    uint32_t u = suan__f32_bits(v), sign = u & 0x80000000, a = u & 0x7fffffff;
    if (a < 0x3c800000) {
        float r = (suan__f32_from_bits(a) + 0x1.8p14f) - 0x1.8p14f;
        return suan__f32_from_bits(suan__f32_bits(r) | sign);
    }
    a += 0x7ffff + (a >> 20 & 1);
    return suan__f32_from_bits((a & ~0xfffffu) | sign);
}

/* |v| <= 6. One bit of the mantissa; below 1 the step is a half. */
static float to_e2m1(float v) {
    uint32_t u = suan__f32_bits(v), sign = u & 0x80000000, a = u & 0x7fffffff;
    if (a < 0x3f800000) {
        float r = (suan__f32_from_bits(a) + 0x1.8p22f) - 0x1.8p22f;
        return suan__f32_from_bits(suan__f32_bits(r) | sign);
    }
    a += 0x1fffff + (a >> 22 & 1);
    return suan__f32_from_bits((a & ~0x3fffffu) | sign);
}

void suan__round_fp8(float *x, size_t n, size_t block) {
    for (size_t at = 0; at < n; at += block) {
        size_t m = n - at < block ? n - at : block;
        float s = scale_of(greatest_magnitude(x + at, m, 1e-4f), 1.75f, 8); /* 448 = 1.75 * 2^8 */
        for (size_t i = at; i < at + m; i++) x[i] = to_e4m3(x[i] / s) * s;
    }
}

void suan__round_fp4(float *x, size_t n, size_t block) {
    for (size_t at = 0; at < n; at += block) {
        size_t m = n - at < block ? n - at : block;
        float s = scale_of(greatest_magnitude(x + at, m, 0x1.8p-124f), 1.5f, 2); /* 6 = 1.5 * 2^2 */
        for (size_t i = at; i < at + m; i++) x[i] = to_e2m1(x[i] / s) * s;
    }
}

void suan__hadamard(float *x, size_t n) {
    for (size_t step = 1; step < n; step *= 2)
        for (size_t i = 0; i < n; i += 2 * step)
            for (size_t j = i; j < i + step; j++) {
                float a = x[j], b = x[j + step];
                x[j] = a + b;
                x[j + step] = a - b;
            }
    float scale = (float)(1 / sqrt((double)n));
    for (size_t i = 0; i < n; i++) x[i] = x[i] * scale;
}
