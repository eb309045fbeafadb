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

/* A small float: bits of the mantissa that are dropped, its least normal number, and what leaves whole steps below that when it is added and taken off again: 1.5 * 2^23 steps. */
typedef struct small_float {
    uint32_t dropped;
    float normal, whole;
} small_float;
static const small_float e4m3 = {20, 0x1p-6f, 0x1.8p14f}, e2m1 = {22, 1.0f, 0x1.8p22f};

/* v within the range of the small float, to the nearest, ties to even. */
static inline float nearest(float v, const small_float *f) {
    uint32_t u = suan__f32_bits(v), sign = u & 0x80000000, a = u & 0x7fffffff;
    if (suan__f32_from_bits(a) < f->normal)
        a = suan__f32_bits((suan__f32_from_bits(a) + f->whole) - f->whole);
    else
        a = (a + (1u << (f->dropped - 1)) - 1 + (a >> f->dropped & 1)) & ~((1u << f->dropped) - 1);
    return suan__f32_from_bits(a | sign);
}

void suan__round_fp8(float *x, size_t n, size_t block) {
    for (size_t at = 0; at < n; at += block) {
        size_t m = n - at < block ? n - at : block;
        float s = scale_of(greatest_magnitude(x + at, m, 1e-4f), 1.75f, 8); /* 448 = 1.75 * 2^8 */
        for (size_t i = at; i < at + m; i++) x[i] = nearest(x[i] / s, &e4m3) * s;
    }
}

void suan__round_fp4(float *x, size_t n, size_t block) {
    for (size_t at = 0; at < n; at += block) {
        size_t m = n - at < block ? n - at : block;
        float s = scale_of(greatest_magnitude(x + at, m, 0x1.8p-124f), 1.5f, 2); /* 6 = 1.5 * 2^2 */
        for (size_t i = at; i < at + m; i++) x[i] = nearest(x[i] / s, &e2m1) * s;
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
