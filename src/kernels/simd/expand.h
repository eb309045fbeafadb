/* expand.h: values of a panel's 16 rows as f32, [k][16]: what suan__dequantize_row gives for each row, bit for bit.
 *
 * Lanes are rows. The products of a scale (11 bits), a sub-scale and an integer are exact, but the order of the factors decides the sign
 * of a zero: it is (scale * sub-scale) * integer, as in dequantize.c. The minimum is added or taken away with a rounding of its own.
 */
#ifndef SUAN_KERNELS_SIMD_EXPAND_H
#define SUAN_KERNELS_SIMD_EXPAND_H

#include "kernels/kernels.h"
#include "kernels/simd/matmul_float.h"
#include "kernels/simd/weights_quant.h"

/* How the four bytes of a lane become values. */
typedef struct expansion {
    vf scale, plus; /* plus: added behind */
    int offset;     /* taken from each integer */
    bool sign;      /* bytes are signed */
    bool has_plus;
} expansion;

VEC vi lane_u8(vi a, int i) {
    return vi_and(vi_shr(a, 8 * i), vi_set1(255));
}
VEC vi lane_s8(vi a, int i) {
    return vi_sra(vi_shl(a, 24 - 8 * i), 24);
}

/* Four values of VL rows; dst: row h of the first. */
VEC void expand_unit(float *dst, vi w, const expansion *e) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++, dst += SUAN__PANEL) {
        vi q = e->sign ? lane_s8(w, i) : lane_u8(w, i);
        if (e->offset) q = vi_sub(q, vi_set1(e->offset));
        vf v = vf_mul(e->scale, vf_from_vi(q));
        vf_store(dst, e->has_plus ? vf_add(v, e->plus) : v);
    }
}

/* The 32 values of a block whose weights are in w. */
VEC void expand_32(float *dst, const vi w[8], const expansion *e) {
    for (int u = 0; u < 8; u++) expand_unit(dst + 4 * u * SUAN__PANEL, w[u], e);
}

VEC void expand_q8_0(float *dst, const uint8_t *p, int h) {
    expansion e = {.scale = vf_load_f16(p + 2 * h), .sign = true};
    for (int u = 0; u < 8; u++) expand_unit(dst + 4 * u * SUAN__PANEL, unit(p + 32, u, h), &e);
}
VEC void expand_q4_0(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = vf_load_f16(p + 2 * h), .offset = 8};
    load_nibbles(w, p + 32, h);
    expand_32(dst, w, &e);
}
VEC void expand_q4_1(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = vf_load_f16(p + 2 * h), .plus = vf_load_f16(p + 32 + 2 * h), .has_plus = true};
    load_nibbles(w, p + 64, h);
    expand_32(dst, w, &e);
}
VEC void expand_q5_0(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = vf_load_f16(p + 2 * h), .offset = 16};
    load_nibbles(w, p + 96, h);
    add_fifth_bits(w, p + 32, h);
    expand_32(dst, w, &e);
}
VEC void expand_q5_1(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = vf_load_f16(p + 2 * h), .plus = vf_load_f16(p + 32 + 2 * h), .has_plus = true};
    load_nibbles(w, p + 128, h);
    add_fifth_bits(w, p + 64, h);
    expand_32(dst, w, &e);
}
VEC void expand_iq4_nl(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = vf_load_f16(p + 2 * h), .sign = true};
    load_table_values(w, vi_table(suan__iq4_values), p + 32, h);
    expand_32(dst, w, &e);
}
VEC void expand_i4_bf16(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = vf_load_bf16(p + 2 * h), .offset = 8};
    load_nibbles(w, p + 32, h);
    expand_32(dst, w, &e);
}
VEC void expand_mxfp4(float *dst, const uint8_t *p, int h) {
    vi w[8];
    expansion e = {.scale = load_e8m0_half(p + h), .sign = true};
    load_table_values(w, vi_table(suan__fp4_values), p + 16, h);
    expand_32(dst, w, &e);
}

/* d * (scale i of a sub-block) */
VEC vf sub_scale(vf d, vi scale) {
    return vf_mul(d, vf_from_vi(scale));
}

VEC void expand_q45_k(float *dst, const uint8_t *p, int h, bool five) {
    vi sc[2], mn[2];
    vf d = vf_load_f16(p + 2 * h), dmin = vf_load_f16(p + 32 + 2 * h);
    load_k4_scales(sc, mn, p + 64, h);
    for (int j = 0; j < 8; j++) {
        expansion e = {.scale = sub_scale(d, lane_u8(sc[j / 4], j % 4)), .has_plus = true};
        e.plus = vf_neg(sub_scale(dmin, lane_u8(mn[j / 4], j % 4)));
        for (int u = 0; u < 8; u++) {
            vi w = five ? weights_q5_k(p, h, j, u) : weights_q4_k(p, h, j, u);
            expand_unit(dst + (32 * j + 4 * u) * SUAN__PANEL, w, &e);
        }
    }
}
VEC void expand_q4_k(float *dst, const uint8_t *p, int h) {
    expand_q45_k(dst, p, h, false);
}
VEC void expand_q5_k(float *dst, const uint8_t *p, int h) {
    expand_q45_k(dst, p, h, true);
}

VEC void expand_q2_k(float *dst, const uint8_t *p, int h) {
    vf d = vf_load_f16(p + 1280 + 2 * h), dmin = vf_load_f16(p + 1312 + 2 * h);
    for (int s = 0; s < 16; s++) {
        vi both = unit(p, s / 4, h);
        expansion e = {.scale = sub_scale(d, lane_u8(low_nibbles(both), s % 4)), .has_plus = true};
        e.plus = vf_neg(sub_scale(dmin, lane_u8(high_nibbles(both), s % 4)));
        for (int u = 0; u < 4; u++) expand_unit(dst + (16 * s + 4 * u) * SUAN__PANEL, weights_q2_k(p, h, s, u), &e);
    }
}

VEC void expand_q3_k(float *dst, const uint8_t *p, int h) {
    vi sc[4];
    vf d = vf_load_f16(p + 1728 + 2 * h);
    load_q3_scales(sc, p + 1536, h);
    for (int s = 0; s < 16; s++) {
        expansion e = {.scale = sub_scale(d, lane_s8(sc[s / 4], s % 4)), .offset = 4};
        for (int u = 0; u < 4; u++) expand_unit(dst + (16 * s + 4 * u) * SUAN__PANEL, weights_q3_k(p, h, s, u), &e);
    }
}

VEC void expand_q6_k(float *dst, const uint8_t *p, int h) {
    vf d = vf_load_f16(p + 3328 + 2 * h);
    for (int s = 0; s < 16; s++) {
        expansion e = {.scale = sub_scale(d, lane_s8(unit(p + 3072, s / 4, h), s % 4)), .offset = 32};
        for (int u = 0; u < 4; u++) expand_unit(dst + (16 * s + 4 * u) * SUAN__PANEL, weights_q6_k(p, h, s, u), &e);
    }
}

VEC void expand_iq4_xs(float *dst, const uint8_t *p, int h) {
    vi table = vi_table(suan__iq4_values), sh = vi_load_u16(p + 32 + 2 * h), sl = unit(p + 64, 0, h);
    vf d = vf_load_f16(p + 2 * h);
    for (int j = 0; j < 8; j++) {
        vi w[8];
        expansion e = {.scale = sub_scale(d, iq4_xs_scale(sl, sh, j)), .sign = true};
        load_table_values(w, table, p + 128 + 256 * j, h);
        expand_32(dst + 32 * j * SUAN__PANEL, w, &e);
    }
}

#define EXPAND_BLOCKS(name, stem, block, bytes)                                                    \
    static void ISA(expand_##stem)(float *dst, const void *panel, size_t k, size_t k0, size_t n) { \
        const uint8_t *p = (const uint8_t *)panel + k0 / (block) * (bytes)*SUAN__PANEL;            \
        for (; n; n -= (block), dst += (block)*SUAN__PANEL, p += (bytes)*SUAN__PANEL) {            \
            for (int h = 0; h < SUAN__PANEL; h += VL) expand_##stem(dst + h, p, h);                \
        }                                                                                          \
    }
#define SIMD_QUANT_ENTRY EXPAND_BLOCKS
SIMD_QUANT_MAP
#undef SIMD_QUANT_ENTRY
#undef EXPAND_BLOCKS

/* Floats: the panel's layout is the result's. */
#define EXPAND_FLOATS(stem, e)                                                                                             \
    static void ISA(expand_##stem)(float *dst, const void *panel, size_t k, size_t k0, size_t n) {                         \
        for (size_t i = 0; i < n * SUAN__PANEL; i += VL) vf_store(dst + i, load_elements(panel, k0 * SUAN__PANEL + i, e)); \
    }
EXPAND_FLOATS(f32, ELEMENT_F32)
EXPAND_FLOATS(f16, ELEMENT_F16)
EXPAND_FLOATS(bf16, ELEMENT_BF16)
#undef EXPAND_FLOATS

#endif
