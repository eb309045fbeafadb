/* quantize.c: f32 rows to the types with plain blocks; Q4_0 to Q8_0 give the bytes of ggml's reference quantiser.
 *
 * These take one scale from the block's extremes and round. Quotients come from the scale before it is rounded to binary16, as ggml's do.
 * Two cases where ggml's result has no meaning are ours: a scale beyond binary16 becomes its largest value (ggml: an infinity), and a scale
 * whose inverse is not finite gives zeros.
 */
#include "kernels/quantize.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#define F16_MAX 65504.0f

/* The value to multiply with instead of dividing by d. */
static float inverse(float d) {
    float i = d != 0.0f ? 1.0f / d : 0.0f;
    return isfinite(i) ? i : 0.0f;
}

static float limited(float d) {
    return d > F16_MAX ? F16_MAX : d < -F16_MAX ? -F16_MAX : d;
}

/* The integer part of v, at most q_max and at least 0; v is finite. */
static int cut(float v, int q_max) {
    return v >= (float)q_max + 1.0f ? q_max : v > 0.0f ? (int)v : 0;
}

/* The value of the greatest size, with its sign; the first of equals. */
static float extreme(const float *x) {
    float found = 0;
    for (int j = 0; j < 32; j++) {
        if (fabsf(x[j]) > fabsf(found)) found = x[j];
    }
    return found;
}

/* Elements 0..15 in the low nibbles, 16..31 in the high ones; fifth bits in qh when there is one. */
static void put_nibbles(uint8_t *qs, uint8_t *qh, const int q[32]) {
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
    if (!qh) return;
    memset(qh, 0, 4);
    for (int j = 0; j < 32; j++) qh[j / 8] |= (uint8_t)(q[j] >> 4 << (j % 8));
}

/* Q4_0, Q5_0: the extreme value becomes the lowest level, -half. */
static void symmetric(const float *x, int half, float *d, int q[32]) {
    *d = limited(extreme(x) / (float)-half);
    float id = inverse(*d);
    for (int j = 0; j < 32; j++) {
        float scaled = x[j] * id;
        q[j] = cut(scaled + ((float)half + 0.5f), 2 * half - 1);
    }
}
static void q4_0(uint8_t *p, const float *x) {
    float d;
    int q[32];
    symmetric(x, 8, &d, q);
    suan__put_u16(p, suan__scale_bits(d));
    put_nibbles(p + 2, NULL, q);
}
static void q5_0(uint8_t *p, const float *x) {
    float d;
    int q[32];
    symmetric(x, 16, &d, q);
    suan__put_u16(p, suan__scale_bits(d));
    put_nibbles(p + 6, p + 2, q);
}

/* Q4_1, Q5_1: level 0 is the minimum, level q_max the maximum. The difference of large values may overflow. */
static void affine(const float *x, int q_max, float *d, float *min, int q[32]) {
    float max = x[0];
    *min = x[0];
    for (int j = 1; j < 32; j++) {
        *min = x[j] < *min ? x[j] : *min;
        max = x[j] > max ? x[j] : max;
    }
    float range = max - *min;
    *d = limited(isfinite(range) ? range / (float)q_max : F16_MAX);
    float id = inverse(*d);
    for (int j = 0; j < 32; j++) {
        float difference = x[j] - *min;
        float scaled = (isfinite(difference) ? difference : 3e38f) * id;
        q[j] = cut(scaled + 0.5f, q_max);
    }
}
static void q4_1(uint8_t *p, const float *x) {
    float d, min;
    int q[32];
    affine(x, 15, &d, &min, q);
    suan__put_u16(p, suan__scale_bits(d));
    suan__put_u16(p + 2, suan__scale_bits(min));
    put_nibbles(p + 4, NULL, q);
}
static void q5_1(uint8_t *p, const float *x) {
    float d, min;
    int q[32];
    affine(x, 31, &d, &min, q);
    suan__put_u16(p, suan__scale_bits(d));
    suan__put_u16(p + 2, suan__scale_bits(min));
    put_nibbles(p + 8, p + 4, q);
}

/* Halves are rounded away from zero, as C's roundf does. */
static void q8_0(uint8_t *p, const float *x) {
    float d = limited(fabsf(extreme(x)) / 127.0f), id = inverse(d);
    for (int j = 0; j < 32; j++) {
        float size = fabsf(x[j] * id);
        int whole = cut(size, 127), q = whole < 127 && size - (float)whole >= 0.5f ? whole + 1 : whole;
        p[2 + j] = (uint8_t)(x[j] < 0 ? -q : q);
    }
    suan__put_u16(p, suan__scale_bits(d));
}

static void f16(uint8_t *p, const float *x) {
    suan__put_u16(p, suan__f32_to_f16(*x));
}
static void bf16(uint8_t *p, const float *x) {
    suan__put_u16(p, suan__f32_to_bf16(*x));
}
static void f32(uint8_t *p, const float *x) {
    memcpy(p, x, 4);
}

static suan__quantize_block_fn *const functions[64] = {
    [SUAN__F32] = f32,
    [SUAN__F16] = f16,
    [SUAN__BF16] = bf16,
    [SUAN__Q4_0] = q4_0,
    [SUAN__Q4_1] = q4_1,
    [SUAN__Q5_0] = q5_0,
    [SUAN__Q5_1] = q5_1,
    [SUAN__Q8_0] = q8_0,
    [SUAN__Q2_K] = suan__quantize_q2_k,
    [SUAN__Q3_K] = suan__quantize_q3_k,
    [SUAN__Q4_K] = suan__quantize_q4_k,
    [SUAN__Q5_K] = suan__quantize_q5_k,
    [SUAN__Q6_K] = suan__quantize_q6_k,
    [SUAN__IQ4_NL] = suan__quantize_iq4_nl,
    [SUAN__IQ4_XS] = suan__quantize_iq4_xs,
    [SUAN__MXFP4] = suan__quantize_mxfp4,
};

bool suan__quantize_row(suan__dtype type, void *dst, const float *x, size_t k) {
    if ((uint32_t)type >= 64 || !functions[type]) return false;
    const suan__dtype_info *info = suan__dtype_get(type);
    uint8_t *p = dst;
    for (size_t i = 0; i < k; i += info->block, p += info->bytes) functions[type](p, x + i);
    return true;
}
