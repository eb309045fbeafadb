/* block_ints.c: the integers of a block, by the layouts of ggml (docs of each type: the comment at its function; j, l index elements). */
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"

#include <string.h>

const int8_t suan__iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t suan__fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

suan__min_kind suan__block_min_kind(suan__dtype type) {
    switch (type) {
    case SUAN__Q2_K:
    case SUAN__Q4_K:
    case SUAN__Q5_K:
        return SUAN__MIN_K;
    case SUAN__Q4_1:
    case SUAN__Q5_1:
        return SUAN__MIN_FLOAT;
    default:
        return SUAN__MIN_NONE;
    }
}

static uint16_t half_at(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

/* 32 elements in 16 bytes: the low nibbles are elements 0..15, the high ones 16..31; qh: a fifth bit each, or NULL. */
static void decode_nibbles(const uint8_t *qs, const uint8_t *qh, int offset, int16_t *w) {
    for (int j = 0; j < 32; j++) {
        int q = j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
        if (qh) q |= (qh[j / 8] >> (j % 8) & 1) << 4;
        w[j] = (int16_t)(q - offset);
    }
}

/* The same through a table of 16 values, times a scale. */
static void decode_table(const uint8_t *qs, const int8_t *values, int scale, int16_t *w) {
    for (int j = 0; j < 32; j++) w[j] = (int16_t)(values[j < 16 ? qs[j] & 15 : qs[j - 16] >> 4] * scale);
}

/* scales[16]; qs[64]; d; dmin. Element 128 a + 32 b + l: bits 2b, 2b + 1 of qs[32 a + l]; a scale (low nibble) and a minimum (high) for
 * each 16. */
static void decode_q2_k(const uint8_t *p, suan__block_ints *out) {
    for (int e = 0; e < 256; e++) {
        int q = p[16 + e / 128 * 32 + e % 32] >> (e / 32 % 4 * 2) & 3;
        out->w[e] = (int16_t)(q * (p[e / 16] & 15));
    }
    for (int i = 0; i < 16; i++) out->m[i] = p[i] >> 4;
    out->d = suan__f16_to_f32(half_at(p + 80));
    out->dmin = suan__f16_to_f32(half_at(p + 82));
}

/* hmask[32]; qs[64]; scales[12]; d. Two bits as in Q2_K; less 4 where bit e / 32 of hmask[e % 32] is clear. */
static void decode_q3_k(const uint8_t *p, suan__block_ints *out) {
    int8_t scale[16];
    suan__q3k_scales(p + 96, scale);
    for (int e = 0; e < 256; e++) {
        int q = p[32 + e / 128 * 32 + e % 32] >> (e / 32 % 4 * 2) & 3;
        if (!(p[e % 32] >> (e / 32) & 1)) q -= 4;
        out->w[e] = (int16_t)(q * scale[e / 16]);
    }
    out->d = suan__f16_to_f32(half_at(p + 108));
}

/* d; dmin; scales[12]; (Q5_K: qh[32];) qs[128]. Group g of 32: nibble g % 2 of qs[32 (g / 2) + l], fifth bit g of qh[l]. */
static void decode_q45_k(const uint8_t *p, bool five, suan__block_ints *out) {
    uint8_t scale[8], min[8];
    const uint8_t *qh = p + 16, *qs = five ? p + 48 : p + 16;
    suan__k4_scales(p + 4, scale, min);
    for (int e = 0; e < 256; e++) {
        int g = e / 32, l = e % 32, q = qs[g / 2 * 32 + l] >> (g % 2 * 4) & 15;
        if (five) q |= (qh[l] >> g & 1) << 4;
        out->w[e] = (int16_t)(q * scale[g]);
    }
    for (int i = 0; i < 16; i++) out->m[i] = min[i / 2];
    out->d = suan__f16_to_f32(half_at(p));
    out->dmin = suan__f16_to_f32(half_at(p + 2));
}

/* ql[128]; qh[64]; scales[16]; d. Half a, quarter b of 32: nibble b / 2 of ql[64 a + 32 (b % 2) + l], bits 2b, 2b + 1 of qh[32 a + l]. */
static void decode_q6_k(const uint8_t *p, suan__block_ints *out) {
    for (int e = 0; e < 256; e++) {
        int a = e / 128, b = e / 32 % 4, l = e % 32;
        int q = (p[64 * a + 32 * (b % 2) + l] >> (b / 2 * 4) & 15) | (p[128 + 32 * a + l] >> (2 * b) & 3) << 4;
        out->w[e] = (int16_t)((q - 32) * (int8_t)p[192 + e / 16]);
    }
    out->d = suan__f16_to_f32(half_at(p + 208));
}

/* d; scales_h u16; scales_l[4]; qs[128]. Group g: a six-bit scale less 32, nibbles as in IQ4_NL. */
static void decode_iq4_xs(const uint8_t *p, suan__block_ints *out) {
    for (int g = 0; g < 8; g++) {
        int scale = (p[4 + g / 2] >> (g % 2 * 4) & 15) | (half_at(p + 2) >> (2 * g) & 3) << 4;
        decode_table(p + 8 + 16 * g, suan__iq4_values, scale - 32, out->w + 32 * g);
    }
    out->d = suan__f16_to_f32(half_at(p));
}

void suan__block_decode(suan__dtype type, const uint8_t *p, suan__block_ints *out) {
    switch (type) {
    case SUAN__Q8_0:
        for (int j = 0; j < 32; j++) out->w[j] = (int8_t)p[2 + j];
        break;
    case SUAN__Q4_0:
        decode_nibbles(p + 2, NULL, 8, out->w);
        break;
    case SUAN__I4_BF16:
        decode_nibbles(p + 2, NULL, 8, out->w);
        out->d = suan__bf16_to_f32(half_at(p));
        return;
    case SUAN__Q4_1:
        decode_nibbles(p + 4, NULL, 0, out->w);
        break;
    case SUAN__Q5_0:
        decode_nibbles(p + 6, p + 2, 16, out->w);
        break;
    case SUAN__Q5_1:
        decode_nibbles(p + 8, p + 4, 0, out->w);
        break;
    case SUAN__IQ4_NL:
        decode_table(p + 2, suan__iq4_values, 1, out->w);
        break;
    case SUAN__MXFP4:
        decode_table(p + 1, suan__fp4_values, 1, out->w);
        out->d = suan__e8m0_half(p[0]);
        return;
    case SUAN__Q2_K:
        decode_q2_k(p, out);
        return;
    case SUAN__Q3_K:
        decode_q3_k(p, out);
        return;
    case SUAN__Q4_K:
        decode_q45_k(p, false, out);
        return;
    case SUAN__Q5_K:
        decode_q45_k(p, true, out);
        return;
    case SUAN__Q6_K:
        decode_q6_k(p, out);
        return;
    case SUAN__IQ4_XS:
        decode_iq4_xs(p, out);
        return;
    default:
        return;
    }
    out->d = suan__f16_to_f32(half_at(p));
    if (suan__block_min_kind(type) == SUAN__MIN_FLOAT) out->dmin = suan__f16_to_f32(half_at(p + 2));
}
