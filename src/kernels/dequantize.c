/* dequantize.c: rows of every type to f32, as ggml's C code gives them. Scales are multiplied in ggml's order: the products are exact, but
 * the sign of a zero depends on it. */
#include "kernels/dequantize.h"
#include "kernels/blocks.h"
#include "kernels/kernels.h"

#include <string.h>

/* Element j of 32 in 16 bytes: low nibbles first, then the high ones. */
static int nibble(const uint8_t *qs, int j) {
    return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
}
/* The fifth bit of element j, as 0 or 16. */
static int fifth(const uint8_t *qh, int j) {
    return (qh[j / 8] >> (j % 8) & 1) << 4;
}
static float product(float d, int q) {
    return d * (float)q;
}

static void q4_0(float *y, const uint8_t *p) {
    for (int j = 0; j < 32; j++) y[j] = product(suan__half_at(p), nibble(p + 2, j) - 8);
}
static void q4_1(float *y, const uint8_t *p) {
    float m = suan__half_at(p + 2);
    for (int j = 0; j < 32; j++) y[j] = product(suan__half_at(p), nibble(p + 4, j)) + m;
}
static void q5_0(float *y, const uint8_t *p) {
    for (int j = 0; j < 32; j++) y[j] = product(suan__half_at(p), (nibble(p + 6, j) | fifth(p + 2, j)) - 16);
}
static void q5_1(float *y, const uint8_t *p) {
    float m = suan__half_at(p + 2);
    for (int j = 0; j < 32; j++) y[j] = product(suan__half_at(p), nibble(p + 8, j) | fifth(p + 4, j)) + m;
}
static void q8_0(float *y, const uint8_t *p) {
    for (int j = 0; j < 32; j++) y[j] = product(suan__half_at(p), (int8_t)p[2 + j]);
}
static void iq4_nl(float *y, const uint8_t *p) {
    for (int j = 0; j < 32; j++) y[j] = product(suan__half_at(p), suan__iq4_values[nibble(p + 2, j)]);
}
static void mxfp4(float *y, const uint8_t *p) {
    for (int j = 0; j < 32; j++) y[j] = product(suan__e8m0_half(p[0]), suan__fp4_values[nibble(p + 1, j)]);
}

/* Two bits of element e of a superblock: 128 elements share 32 bytes, 32 elements a pair of bits. */
static int two_bits(const uint8_t *qs, int e) {
    return qs[e / 128 * 32 + e % 32] >> (e / 32 % 4 * 2) & 3;
}

static void q2_k(float *y, const uint8_t *p) {
    float d = suan__half_at(p + 80), dmin = suan__half_at(p + 82);
    for (int e = 0; e < 256; e++) {
        float scale = product(d, p[e / 16] & 15), min = product(dmin, p[e / 16] >> 4);
        y[e] = product(scale, two_bits(p + 16, e)) - min;
    }
}

static void q3_k(float *y, const uint8_t *p) {
    int8_t scale[16];
    float d = suan__half_at(p + 108);
    suan__q3k_scales(p + 96, scale);
    for (int e = 0; e < 256; e++) {
        int q = two_bits(p + 32, e) - (p[e % 32] >> (e / 32) & 1 ? 0 : 4);
        y[e] = product(product(d, scale[e / 16]), q);
    }
}

/* Q4_K and Q5_K: group g of 32, nibble g % 2 of qs[32 (g / 2) + l], fifth bit g of qh[l]. */
static void q45_k(float *y, const uint8_t *p, const uint8_t *qh, const uint8_t *qs) {
    uint8_t scales[8], mins[8];
    float d = suan__half_at(p), dmin = suan__half_at(p + 2);
    suan__k4_scales(p + 4, scales, mins);
    for (int e = 0; e < 256; e++) {
        int g = e / 32, l = e % 32, q = qs[g / 2 * 32 + l] >> (g % 2 * 4) & 15;
        if (qh) q |= (qh[l] >> g & 1) << 4;
        y[e] = product(product(d, scales[g]), q) - product(dmin, mins[g]);
    }
}
static void q4_k(float *y, const uint8_t *p) {
    q45_k(y, p, NULL, p + 16);
}
static void q5_k(float *y, const uint8_t *p) {
    q45_k(y, p, p + 16, p + 48);
}

static void q6_k(float *y, const uint8_t *p) {
    float d = suan__half_at(p + 208);
    for (int e = 0; e < 256; e++) {
        int a = e / 128, b = e / 32 % 4, l = e % 32;
        int q = (p[64 * a + 32 * (b % 2) + l] >> (b / 2 * 4) & 15) | (p[128 + 32 * a + l] >> (2 * b) & 3) << 4;
        y[e] = product(product(d, (int8_t)p[192 + e / 16]), q - 32);
    }
}

static void iq4_xs(float *y, const uint8_t *p) {
    for (int g = 0; g < 8; g++) {
        int scale = (p[4 + g / 2] >> (g % 2 * 4) & 15) | (int)(suan__u16_at(p + 2) >> (2 * g) & 3) << 4;
        float dl = product(suan__half_at(p), scale - 32);
        for (int j = 0; j < 32; j++) y[32 * g + j] = product(dl, suan__iq4_values[nibble(p + 8 + 16 * g, j)]);
    }
}

/* Five (four in the last bytes) base-3 digits a byte, as a fraction of 256: digit i is the integer part of 3 * (byte * 3^i mod 256) / 256.
 */
static float ternary(uint8_t byte, int i) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    uint8_t rest = (uint8_t)(byte * power[i]);
    return (float)((rest * 3 >> 8) - 1);
}
/* qs[48]; qh[4]; d. 32 bytes of five runs of 32, 16 bytes of five runs of 16, 4 bytes of four runs of 4. */
static void tq1_0(float *y, const uint8_t *p) {
    float d = suan__half_at(p + 52);
    for (int e = 0; e < 160; e++) y[e] = ternary(p[e % 32], e / 32) * d;
    for (int e = 0; e < 80; e++) y[160 + e] = ternary(p[32 + e % 16], e / 16) * d;
    for (int e = 0; e < 16; e++) y[240 + e] = ternary(p[48 + e % 4], e / 4) * d;
}
/* qs[64]; d. Two bits an element, less 1. */
static void tq2_0(float *y, const uint8_t *p) {
    for (int e = 0; e < 256; e++) y[e] = product(suan__half_at(p + 64), two_bits(p, e) - 1);
}

/* Unsigned E4M3, halved for the doubled integers; 0x7f counts as zero, the top bit is not looked at but for that. */
static float ue4m3_half(uint8_t b) {
    int exponent = b >> 3 & 15, mantissa = b & 7;
    if (b == 0x7f) return 0.0f;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return suan__f32_from_bits((uint32_t)(exponent - 8 + 127) << 23) * (1.0f + (float)mantissa / 8.0f);
}
/* d[4], one for each 16; qs[32]: 8 bytes for each 16, low nibbles first. */
static void nvfp4(float *y, const uint8_t *p) {
    for (int g = 0; g < 4; g++) {
        const uint8_t *qs = p + 4 + 8 * g;
        for (int j = 0; j < 16; j++) {
            y[16 * g + j] = product(ue4m3_half(p[g]), suan__fp4_values[j < 8 ? qs[j] & 15 : qs[j - 8] >> 4]);
        }
    }
}
/* d; one bit an element: set is d, clear is -d. */
static void q1_0(float *y, const uint8_t *p) {
    float d = suan__half_at(p);
    for (int j = 0; j < 128; j++) y[j] = p[2 + j / 8] >> (j % 8) & 1 ? d : -d;
}
/* d; two bits an element, four neighbours a byte, less 1. */
static void q2_0(float *y, const uint8_t *p) {
    for (int j = 0; j < 64; j++) y[j] = product(suan__half_at(p), (p[2 + j / 4] >> (j % 4 * 2) & 3) - 1);
}

/* A scale, an f32, before e4m3 codes. */
static void f8(float *y, const uint8_t *p, int n) {
    float d = suan__f32_from_bits(suan__u32_at(p));
    for (int j = 0; j < n; j++) y[j] = suan__e4m3_to_f32(p[4 + j]) * d;
}
static void f8_128(float *y, const uint8_t *p) {
    f8(y, p, 128);
}
static void f8_32(float *y, const uint8_t *p) {
    f8(y, p, 32);
}
static void i4_bf16(float *y, const uint8_t *p) {
    for (int j = 0; j < 32; j++) y[j] = product(suan__bf16_to_f32((uint16_t)suan__u16_at(p)), nibble(p + 2, j) - 8);
}

static void f16(float *y, const uint8_t *p) {
    *y = suan__half_at(p);
}
static void bf16(float *y, const uint8_t *p) {
    *y = suan__bf16_to_f32((uint16_t)suan__u16_at(p));
}
static void f32(float *y, const uint8_t *p) {
    memcpy(y, p, 4);
}
static void f64(float *y, const uint8_t *p) {
    double d;
    memcpy(&d, p, 8);
    *y = (float)d;
}

static suan__dequantize_block_fn *const functions[SUAN__DTYPE_END] = {
    [SUAN__F32] = f32,
    [SUAN__F16] = f16,
    [SUAN__BF16] = bf16,
    [SUAN__F64] = f64,
    [SUAN__Q4_0] = q4_0,
    [SUAN__Q4_1] = q4_1,
    [SUAN__Q5_0] = q5_0,
    [SUAN__Q5_1] = q5_1,
    [SUAN__Q8_0] = q8_0,
    [SUAN__Q2_K] = q2_k,
    [SUAN__Q3_K] = q3_k,
    [SUAN__Q4_K] = q4_k,
    [SUAN__Q5_K] = q5_k,
    [SUAN__Q6_K] = q6_k,
    [SUAN__IQ4_NL] = iq4_nl,
    [SUAN__IQ4_XS] = iq4_xs,
    [SUAN__MXFP4] = mxfp4,
    [SUAN__NVFP4] = nvfp4,
    [SUAN__TQ1_0] = tq1_0,
    [SUAN__TQ2_0] = tq2_0,
    [SUAN__Q1_0] = q1_0,
    [SUAN__Q2_0] = q2_0,
    [SUAN__IQ2_XXS] = suan__dequantize_iq2_xxs,
    [SUAN__IQ2_XS] = suan__dequantize_iq2_xs,
    [SUAN__IQ2_S] = suan__dequantize_iq2_s,
    [SUAN__IQ3_XXS] = suan__dequantize_iq3_xxs,
    [SUAN__IQ3_S] = suan__dequantize_iq3_s,
    [SUAN__IQ1_S] = suan__dequantize_iq1_s,
    [SUAN__IQ1_M] = suan__dequantize_iq1_m,
    [SUAN__F8_128] = f8_128,
    [SUAN__F8_32] = f8_32,
    [SUAN__I4_BF16] = i4_bf16,
};

bool suan__dequantize_known(suan__dtype type) {
    return (uint32_t)type < SUAN__DTYPE_END && functions[type];
}

void suan__dequantize_row(suan__dtype type, float *dst, const void *src, size_t k) {
    const suan__dtype_info *info = suan__dtype_get(type);
    const uint8_t *p = src;
    for (size_t i = 0; i < k; i += info->block, p += info->bytes) functions[type](dst + i, p);
}
