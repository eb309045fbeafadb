/* attention.h: values weighted by probabilities, of one block of positions, and the merge of blocks. Lanes run over the values' dimensions.
 *
 * Up to PV_C queries share each value in a register. With more of them the values are expanded once, in pieces of a few dimensions that stay
 * in the first-level cache, and every group of PV_C queries uses them.
 */
#ifndef SUAN_KERNELS_SIMD_ATTENTION_H
#define SUAN_KERNELS_SIMD_ATTENTION_H

#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/simd/attention_keys.h"

typedef enum value_type { VALUE_F32, VALUE_F16, VALUE_Q8 } value_type;

#define PV_SCALES 2048   /* scales expanded at once: those of a row at least, which has 65536 values at most */
#define PV_POSITIONS 128 /* positions expanded at once */
#define PV_WIDE 2        /* vectors of dimensions expanded at once */

/* Rows of values from one position on. */
typedef struct values {
    const uint8_t *rows;
    size_t ld;      /* bytes from one position to the next */
    const float *d; /* q8: [position][blocks] scales, and PV_SCALES further Q8_ZERO times them */
    size_t blocks;
    int n_pos;
} values;

/* Vector j of the row at p, d its first block's scale; n: values left there. */
VEC vf load_value(const uint8_t *p, const float *d, int j, size_t n, value_type e) {
    if (e == VALUE_Q8) {
        const float *scale = d + j * VL / 32;
        return vf_fms(vf_load_q8(p + j * VL), vf_set1(scale[0]), vf_set1(scale[PV_SCALES]));
    }
    if (e == VALUE_F16) return n >= VL ? vf_load_f16(p + j * VL * 2) : vf_load_f16_n(p, n);
    return n >= VL ? vf_load((const float *)(const void *)p + j * VL) : vf_load_n((const float *)(const void *)p, n);
}

/* J vectors of C queries from dimension j0 on; n: dimensions left. more: the sums go on from o. whole: all J vectors can be read though
 * fewer may count. */
VEC void pv_tile(float *o, size_t ldo, const float *p, size_t ldp, const values *v, size_t j0, size_t n, bool more, bool whole,
                 asking *asked, value_type e, int C, int J) {
    asking a = *asked;
    vf acc[PV_C][8];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++)
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) {
            size_t at = (size_t)j * VL, left = n > at ? n - at : 0;
            acc[c][j] = vf_zero();
            if (more && left) acc[c][j] = left >= VL ? vf_load(o + (size_t)c * ldo + at) : vf_load_n(o + (size_t)c * ldo + at, left);
        }
    const uint8_t *row = v->rows + j0 * (e == VALUE_F32 ? 4 : e == VALUE_F16 ? 2 : 1);
    const float *d = v->d + j0 / 32;
    const float *probability[PV_C];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) probability[c] = own_register(p + (size_t)c * ldp);
    for (size_t t = 0; t < (size_t)v->n_pos; t++, row += whole ? (size_t)J * VL * 4 : v->ld, d += v->blocks) {
        vf x[8];
        if (!whole || t % 2 == 0) ask(&a, whole ? 1 : (J * VL * (e == VALUE_F32 ? 4 : e == VALUE_F16 ? 2 : 1) + 63) / 64);
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) x[j] = load_value(row, d, j, whole || J > 1 ? VL : n, e);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            vf b = vf_set1(probability[c][t]);
#pragma GCC unroll 8
            for (int j = 0; j < J; j++) acc[c][j] = vf_fma(x[j], b, acc[c][j]);
        }
    }
    *asked = a;
#pragma GCC unroll 8
    for (int c = 0; c < C; c++)
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) {
            size_t at = (size_t)j * VL;
            if (n >= at + VL)
                vf_store(o + (size_t)c * ldo + at, acc[c][j]);
            else if (n > at)
                vf_store_n(o + (size_t)c * ldo + at, acc[c][j], n - at);
        }
}

/* C queries, values straight from the cache. */
VEC void pv_few(float *o, size_t ldo, const float *p, size_t ldp, const values *v, size_t dv, bool more, asking *asked, value_type e, int C,
                int J) {
    size_t j = 0;
    for (; dv - j >= (size_t)J * VL; j += (size_t)J * VL) pv_tile(o + j, ldo, p, ldp, v, j, dv - j, more, false, asked, e, C, J);
    for (; j < dv; j += VL) pv_tile(o + j, ldo, p, ldp, v, j, dv - j, more, false, asked, e, C, 1);
}

#define PV_COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define PV_CASE_few(c)                                                                                     \
    case c:                                                                                                \
        if (c <= PV_C) pv_few(o, ldo, p, ldp, v, dv, more, asked, e, c <= PV_C ? c : PV_C, PV_VECTORS(c)); \
        break;
#define PV_FEW(stem, type)                                                                                                        \
    static __attribute__((noinline)) void pv_few_##stem(int C, float *o, size_t ldo, const float *p, size_t ldp, const values *v, \
                                                        size_t dv, bool more, asking *asked) {                                    \
        const value_type e = type;                                                                                                \
        switch (C) { PV_COUNTS(PV_CASE_few) }                                                                                     \
    }
PV_FEW(f32, VALUE_F32)
PV_FEW(f16, VALUE_F16)
PV_FEW(q8, VALUE_Q8)
#undef PV_FEW
#undef PV_CASE_few

/* The tile on expanded values: PV_WIDE vectors, of which n dimensions count. */
static __attribute__((noinline)) void pv_expanded(int C, float *o, size_t ldo, const float *p, size_t ldp, const values *v, size_t n,
                                                  bool more, asking *asked) {
#define PV_CASE(c)                                                                                                    \
    case c:                                                                                                           \
        if (c <= PV_C) pv_tile(o, ldo, p, ldp, v, 0, n, more, true, asked, VALUE_F32, c <= PV_C ? c : PV_C, PV_WIDE); \
        break;
    switch (C) { PV_COUNTS(PV_CASE) }
#undef PV_CASE
}

VEC void pv_many(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const values *v, size_t dv, bool more, asking *asked,
                 value_type e) {
    const size_t width = PV_WIDE * VL;
    float x[PV_POSITIONS * PV_WIDE * VL];
    values expanded = {.rows = (const uint8_t *)x, .ld = width * 4, .n_pos = v->n_pos};
    for (size_t j = 0; j < dv; j += width) {
        const uint8_t *row = v->rows + j * (e == VALUE_F32 ? 4 : e == VALUE_F16 ? 2 : 1);
        for (size_t t = 0; t < (size_t)v->n_pos; t++, row += v->ld) {
            const float *d = v->d + t * v->blocks;
#pragma GCC unroll 2
            for (size_t i = 0; i < PV_WIDE; i++) {
                size_t at = j + i * VL;
                vf value = vf_zero();
                if (at < dv) value = load_value(row + i * VL * (e == VALUE_F32 ? 4 : e == VALUE_F16 ? 2 : 1), d + at / 32, 0, dv - at, e);
                vf_store(x + t * width + i * VL, value);
            }
        }
        for (int c = 0; c < n_q; c += PV_C)
            pv_expanded(n_q - c < PV_C ? n_q - c : PV_C, o + (size_t)c * ldo + j, ldo, p + (size_t)c * ldp, ldp, &expanded, dv - j, more,
                        asked);
    }
}

/* The scales of n values' blocks, and Q8_ZERO times them. */
VEC void expand_scales(float *d, const uint8_t *scales, size_t n) {
    for (size_t i = 0; i < n; i += VL) {
        vf x = n - i >= VL ? vf_load_f16(scales + i * 2) : vf_load_f16_n(scales + i * 2, n - i);
        vf_store(d + i, x);
        vf_store(d + PV_SCALES + i, vf_mul(x, vf_set1(Q8_ZERO)));
    }
}

VEC void pv(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int first, int n_pos, int dv,
            suan__soon soon, value_type e) {
    asking asked = ask_for(soon);
    float d[2 * PV_SCALES + VL]; /* the scales, then Q8_ZERO times them */
    size_t bytes = ldv * (e == VALUE_F32 ? 4 : e == VALUE_F16 ? 2 : 1), blocks = e == VALUE_Q8 ? ldv / 32 : 0;
    int most = n_q > PV_C ? PV_POSITIONS : SUAN__ATTN_BLOCK;
    if (blocks && (size_t)most > PV_SCALES / blocks) most = (int)(PV_SCALES / blocks);
    for (int t = first, n; t < n_pos; t += n) {
        n = n_pos - t < most ? n_pos - t : most;
        values part = {(const uint8_t *)v + (size_t)t * bytes, bytes, d, blocks, n};
        if (e == VALUE_Q8) expand_scales(d, (const uint8_t *)v + SUAN__ATTN_BLOCK * ldv + (size_t)t * blocks * 2, (size_t)n * blocks);
        if (n_q > PV_C)
            pv_many(o, ldo, p + t, ldp, n_q, &part, (size_t)dv, t > 0, &asked, e);
        else if (e == VALUE_Q8)
            pv_few_q8(n_q, o, ldo, p + t, ldp, &part, (size_t)dv, t > 0, &asked);
        else if (e == VALUE_F16)
            pv_few_f16(n_q, o, ldo, p + t, ldp, &part, (size_t)dv, t > 0, &asked);
        else
            pv_few_f32(n_q, o, ldo, p + t, ldp, &part, (size_t)dv, t > 0, &asked);
    }
    ask_rest(asked);
}
#define PV(stem, e)                                                                                                                  \
    static void ISA(attn_pv_##stem)(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int first, \
                                    int n_pos, int dv, suan__soon soon) {                                                            \
        pv(o, ldo, p, ldp, n_q, v, ldv, first, n_pos, dv, soon, e);                                                                  \
    }
PV(f32, VALUE_F32)
PV(f16, VALUE_F16)
PV(q8, VALUE_Q8)
#undef PV

static void ISA(attn_merge)(float *o, float *m, float *s, const float *o2, float m2, float s2, int dv) {
    float max = m2 > *m ? m2 : *m;
    float a = suan__expf(*m - max), b = suan__expf(m2 - max);
    vf va = vf_set1(a), vb = vf_set1(b);
    size_t j = 0, n = (size_t)dv;
    float sb = s2 * b;
    *s = __builtin_fmaf(*s, a, sb);
    for (; j + VL <= n; j += VL) vf_store(o + j, vf_fma(vf_load(o + j), va, vf_mul(vf_load(o2 + j), vb)));
    if (j < n) vf_store_n(o + j, vf_fma(vf_load_n(o + j, n - j), va, vf_mul(vf_load_n(o2 + j, n - j), vb)), n - j);
    *m = max;
}

#endif
