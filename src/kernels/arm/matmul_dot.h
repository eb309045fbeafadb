/* matmul_dot.h: one panel of block-quantised weights times quantised activations by SDOT (FEAT_DotProd) and SMMLA (FEAT_I8MM).
 *
 * Both work on four rows and C columns at a time, in one of two shapes. *Units* (SDOT): a vector of sums is four rows of one column; a step
 * is four values. *Pairs* (SMMLA): a vector of sums is two rows times two columns, {row 0 column 0, row 0 column 1, row 1 column 0, row 1
 * column 1}; a step is eight values and twice the products, but weights and activations have to be zipped first (weights.h says how). Either
 * way C columns need C vectors of sums for four rows: vector c in units; in pairs 2 * i + j, columns 2 * i and 2 * i + 1 of rows 2 * j and
 * 2 * j + 1. The lanes stay where they are until the panel is done, scales and floating point sums have the same shape.
 *
 * The integers of a block are exact in any order. What the contract orders is the product of the scales and the fma of each block.
 */
#ifndef SUAN_KERNELS_ARM_MATMUL_DOT_H
#define SUAN_KERNELS_ARM_MATMUL_DOT_H

#include "kernels/arm/weights.h"
#include "kernels/kernels.h"

#define GROUPS (SUAN__PANEL / 4)
#define MAX_COLS 8 /* eight vectors of sums, eight of weights, eight that are scaled: with 16 columns half of them would be in memory */

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef int8x16_t vb;

/* One block of the columns' activations: of column 0; column c is c * ldx bytes further. */
typedef struct cols {
    const uint8_t *q, *d, *sum;
    size_t ldx;
} cols;

/* What all rows of the panel share: made once a block. In pairs entry i of d, asum and start is of columns 2 * i and 2 * i + 1, and so are
 * the entries [step][i] of q, high and low. */
typedef struct acts {
    const uint8_t *x; /* units: the activations where they lie, ldx apart */
    size_t ldx;
    vb q[32 * MAX_COLS / 2];          /* pairs: eight values of two columns */
    vb high[MAX_COLS], low[MAX_COLS]; /* blocks of 256: the sums of sub-blocks, as 128 * high + low */
    vf d[MAX_COLS], asum[MAX_COLS];   /* scales; blocks of 32: sums */
    vi start[MAX_COLS];               /* blocks of 32: -offset * sum */
} acts;

/* ---- dot products */

VEC void zero_sums(vi *sums, int C) {
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) sums[c] = vdupq_n_s32(0);
}

#if defined(__ARM_FEATURE_MATMUL_INT8)
/* sums [n_cols] += w . activations; n vectors of weights; a: the steps' entries of the first two columns, a step is C / 2 entries. */
VEC void dot_pairs(vi *sums, const bytes *w, const vb *a, int n, int n_cols, int C) {
#pragma GCC unroll 8
    for (int u = 0; u < n; u++) {
#pragma GCC unroll 4
        for (int i = 0; i < n_cols / 2; i++)
            sums[2 * i + u % 2] = vmmlaq_s32(sums[2 * i + u % 2], vreinterpretq_s8_u8(w[u]), a[u / 2 * (C / 2) + i]);
    }
}
#else
VEC void dot_pairs(vi *sums, const bytes *w, const vb *a, int n, int n_cols, int C) {}
#endif

/* n (2, 4 or 8) vectors of weights of one column; a has the activations of four units. */
VEC vi dot_four(vi sum, const bytes *w, vb a, int n) {
    sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(w[0]), a, 0);
    sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(w[1]), a, 1);
    if (n == 2) return sum;
    sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(w[2]), a, 2);
    return vdotq_laneq_s32(sum, vreinterpretq_s8_u8(w[3]), a, 3);
}

/* sums [n_cols] += w . activations of columns c.. of C, from value `from` of the block on; n vectors of weights, 4 or 8. */
VEC void dot(vi *sums, const bytes *w, const acts *a, int from, int n, int c, int n_cols, int C, bool pair) {
    if (pair) {
        dot_pairs(sums, w, a->q + (from / 8 * C + c) / 2, n, n_cols, C);
        return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < n_cols; i++) {
        const int8_t *x = (const int8_t *)a->x + (size_t)(c + i) * a->ldx + from;
#pragma GCC unroll 2
        for (int u = 0; u < n; u += 4) sums[i] = dot_four(sums[i], w + u, vld1q_s8(x + 4 * u), 4);
    }
}

/* sums = sub-scales . sums of the activations; n vectors of sub-scales. */
VEC void dot_sums(vi *sums, const bytes *scales, const acts *a, int n, int C, bool pair) {
    zero_sums(sums, C);
    if (pair) {
        dot_pairs(sums, scales, a->high, n, C, C);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) sums[c] = vshlq_n_s32(sums[c], 7);
        dot_pairs(sums, scales, a->low, n, C, C);
        return;
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        sums[c] = vshlq_n_s32(dot_four(sums[c], scales, a->high[c], n), 7);
        sums[c] = dot_four(sums[c], scales, a->low[c], n);
    }
}

/* ---- what the rows of a panel share */

VEC vf load_d(const uint8_t *d) {
    return vld1q_dup_f32((const float *)(const void *)d);
}
VEC float one_sum(const uint8_t *p) {
    int16_t sum;
    memcpy(&sum, p, 2);
    return sum;
}
VEC vb zip_steps(vb a, vb b, int step) {
    int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);
    return vreinterpretq_s8_s64(step ? vzip2q_s64(x, y) : vzip1q_s64(x, y));
}
/* {a, b, a, b} */
VEC vf alternate(vf a, vf b) {
    return vzip1q_f32(a, b);
}

VEC void share_values(acts *a, const cols *x, int block, int C, bool pair) {
    a->x = x->q;
    a->ldx = x->ldx;
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        a->d[c] = load_d(x->d + (size_t)c * x->ldx);
        if (pair && c % 2) a->d[c / 2] = alternate(a->d[c - 1], a->d[c]);
    }
    if (!pair) return;
#pragma GCC unroll 4
    for (int i = 0; i < C / 2; i++) {
        const int8_t *p = (const int8_t *)x->q + (size_t)(2 * i) * x->ldx;
        for (int t = 0; t < block / 16; t++) {
            vb even = vld1q_s8(p + 16 * t), odd = vld1q_s8(p + x->ldx + 16 * t);
            a->q[2 * t * (C / 2) + i] = zip_steps(even, odd, 0);
            a->q[(2 * t + 1) * (C / 2) + i] = zip_steps(even, odd, 1);
        }
    }
}

/* Blocks of 32. */
VEC void share_32(acts *a, const cols *x, int offset, bool has_min, int C, bool pair) {
    share_values(a, x, 32, C, pair);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        float sum = offset || has_min ? one_sum(x->sum + (size_t)c * x->ldx) : 0;
        a->asum[c] = vdupq_n_f32(sum);
        a->start[c] = vdupq_n_s32((int32_t)sum * -offset);
        if (pair && c % 2) {
            a->asum[c / 2] = alternate(a->asum[c - 1], a->asum[c]);
            a->start[c / 2] = vzip1q_s32(a->start[c - 1], a->start[c]);
        }
    }
}

/* Blocks of 256. The 16 sums of 16 values, or the 8 of 32, are at most 4064: two signed digits of base 128 are bytes again. */
VEC void share_256(acts *a, const cols *x, int n_sums, bool negative, int C, bool pair) {
    share_values(a, x, 256, C, pair);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        const int16_t *sum = (const int16_t *)(const void *)(x->sum + (size_t)c * x->ldx);
        int16x8_t s = vld1q_s16(sum), t = vld1q_s16(sum + 8);
        if (n_sums == 8) s = t = vpaddq_s16(s, t);
        if (negative) s = vnegq_s16(s), t = vnegq_s16(t);
        int16x8_t s_high = vrshrq_n_s16(s, 7), t_high = vrshrq_n_s16(t, 7);
        int8x8_t s_low = vmovn_s16(vsubq_s16(s, vshlq_n_s16(s_high, 7))), t_low = vmovn_s16(vsubq_s16(t, vshlq_n_s16(t_high, 7)));
        a->high[c] = vcombine_s8(vmovn_s16(s_high), vmovn_s16(t_high));
        a->low[c] = vcombine_s8(s_low, t_low);
    }
    if (!pair) return;
    vb high[MAX_COLS], low[MAX_COLS]; /* [n_sums / 8][C / 2] */
#pragma GCC unroll 8
    for (int i = 0; i < n_sums / 8 * (C / 2); i++) {
        int c = i % (C / 2) * 2, step = i / (C / 2);
        high[i] = zip_steps(a->high[c], a->high[c + 1], step);
        low[i] = zip_steps(a->low[c], a->low[c + 1], step);
    }
#pragma GCC unroll 8
    for (int i = 0; i < n_sums / 8 * (C / 2); i++) a->high[i] = high[i], a->low[i] = low[i];
}

/* ---- a block of four rows */

/* A number of each row in the shape of the sums: [0] in units, [0] and [1] in pairs. */
VEC void rows_shape(vf out[2], vf x, bool pair) {
    out[0] = pair ? vzip1q_f32(x, x) : x;
    out[1] = pair ? vzip2q_f32(x, x) : x;
}
VEC void load_halves(vf out[2], const uint8_t *p, bool pair) {
    float16x4_t x;
    memcpy(&x, p, 8);
    rows_shape(out, vcvt_f32_f16(x), pair);
}
VEC void load_bfloats(vf out[2], const uint8_t *p, bool pair) {
    uint16x4_t x;
    memcpy(&x, p, 8);
    rows_shape(out, vreinterpretq_f32_u32(vshll_n_u16(x, 16)), pair);
}
/* 2^(e - 128) for four exponent bytes: below 2 a subnormal, which is why it is put together from bits. */
VEC void load_exponents(vf out[2], const uint8_t *p, bool pair) {
    uint32_t four;
    memcpy(&four, p, 4);
    uint32x4_t e = vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))), d = vshlq_n_u32(vsubq_u32(e, vdupq_n_u32(1)), 23);
    uint32x4_t small = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e));
    d = vbslq_u32(vcltq_u32(e, vdupq_n_u32(2)), small, d);
    rows_shape(out, vreinterpretq_f32_u32(d), pair);
}

typedef struct kind {
    int bytes;      /* of a row's block */
    int d, dmin;    /* where the scales are in a panel's block; dmin -1: there is none */
    int offset;     /* what the weights are too large by */
    int n_sub;      /* blocks of 256: sub-blocks */
    bool is_signed; /* and their scales' sign */
    bool exponent;  /* d is a byte */
    bool bfloat;    /* d is a bfloat16 */
    weights_fn *weights;
    sub_weights_fn *sub_weights;
    scales_fn *scales;
} kind;

/* acc [C] gets a block of 32 */
VEC void add_32(vf *acc, const uint8_t *p, int h, const acts *a, const kind *k, int C, bool pair) {
    bytes w[8];
    vi sums[MAX_COLS];
    vf d[2], m[2];
    k->weights(w, p, h, pair);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) sums[c] = k->offset ? a->start[pair ? c / 2 : c] : vdupq_n_s32(0);
    dot(sums, w, a, 0, 8, 0, C, C, pair);
    if (k->exponent)
        load_exponents(d, p + h, pair);
    else if (k->bfloat)
        load_bfloats(d, p + 2 * h, pair);
    else
        load_halves(d, p + k->d + 2 * h, pair);
    if (k->dmin >= 0) load_halves(m, p + k->dmin + 2 * h, pair);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        int row = pair ? c % 2 : 0, col = pair ? c / 2 : c;
        acc[c] = vfmaq_f32(acc[c], vcvtq_f32_s32(sums[c]), vmulq_f32(d[row], a->d[col]));
        if (k->dmin >= 0) acc[c] = vfmaq_f32(acc[c], vmulq_f32(m[row], a->d[col]), a->asum[col]);
    }
}

/* Sub-scale s of each row in the shape of the sums. */
VEC void spread_scale(vi out[2], const bytes *scales, int s, bool is_signed, bool pair) {
    int first = pair ? s % 8 : s % 4;
    /* Bytes of the source for the first byte of each lane (signed: the last), and a place beyond it, which gives zero, for the others. */
    uint32_t i = is_signed ? (uint32_t)first << 24 | 0x00ffffff : (uint32_t)first | 0xffffff00, step = is_signed ? 1u << 24 : 1;
    const uint32x4_t units = {i, i + 4 * step, i + 8 * step, i + 12 * step}, pairs = {i, i, i + 8 * step, i + 8 * step};
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        bytes from = scales[pair ? s / 8 * 2 + j : s / 4];
        out[j] = vreinterpretq_s32_u8(vqtbl1q_u8(from, vreinterpretq_u8_u32(pair ? pairs : units)));
        if (is_signed) out[j] = vshrq_n_s32(out[j], 24);
    }
}

/* acc [C] gets a block of 256 */
VEC void add_256(vf *acc, const uint8_t *p, int h, const acts *a, const kind *k, int C, bool pair) {
    bytes sc[4], mn[4];
    vi isum[MAX_COLS], msum[MAX_COLS];
    vf d[2], dmin[2];
    const int n = 64 / k->n_sub; /* vectors of a sub-block */
    k->scales(sc, mn, p, h, pair);
    if (k->offset || k->dmin >= 0) dot_sums(msum, mn, a, k->n_sub / 4, C, pair);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) isum[c] = k->offset ? vshlq_n_s32(msum[c], 2) : vdupq_n_s32(0);
    if (k->offset == 32) {
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) isum[c] = vshlq_n_s32(msum[c], 5);
    }
#pragma GCC unroll 16
    for (int i = 0; i < k->n_sub; i++) {
        /* Sub-blocks of 16 whose bytes are the same come one after the other. */
        const int s = k->n_sub == 8 ? i : i / 8 * 8 + i / 4 % 2 + i % 4 * 2;
        bytes w[8];
        vi scale[2];
        k->sub_weights(w, p, h, s, pair);
        spread_scale(scale, sc, s, k->is_signed, pair);
        /* As few sums at a time as hide the latency: the other registers are taken. */
#pragma GCC unroll 8
        for (int c = 0, m = pair && C >= 4 ? 4 : pair ? 2 : 1; c < C; c += m) {
            vi sums[4];
            zero_sums(sums, m);
            dot(sums, w, a, 4 * n * s, n, c, m, C, pair);
#pragma GCC unroll 4
            for (int j = 0; j < m; j++) isum[c + j] = vmlaq_s32(isum[c + j], sums[j], scale[pair ? j % 2 : 0]);
        }
    }
    load_halves(d, p + k->d + 2 * h, pair);
    if (k->dmin >= 0) load_halves(dmin, p + k->dmin + 2 * h, pair);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        int row = pair ? c % 2 : 0, col = pair ? c / 2 : c;
        acc[c] = vfmaq_f32(acc[c], vcvtq_f32_s32(isum[c]), vmulq_f32(d[row], a->d[col]));
        if (k->dmin >= 0) acc[c] = vfmsq_f32(acc[c], vmulq_f32(dmin[row], a->d[col]), vcvtq_f32_s32(msum[c]));
    }
}

/* ---- a panel */

/* y [C] gets n_rows of the panel's rows. */
VEC void store_columns(float *y, size_t ldy, vf acc[GROUPS][MAX_COLS], int C, int n_rows, bool pair) {
#pragma GCC unroll 8
    for (int c = 0; c < C; c++, y += ldy) {
        float all[SUAN__PANEL], *dst = n_rows == SUAN__PANEL ? y : all;
#pragma GCC unroll 4
        for (int g = 0; g < GROUPS; g++) {
            vf x = acc[g][c];
            if (pair) x = c % 2 ? vuzp2q_f32(acc[g][c - 1], x) : vuzp1q_f32(x, acc[g][c + 1]);
            vst1q_f32(dst + 4 * g, x);
        }
        if (n_rows != SUAN__PANEL) memcpy(y, all, (size_t)n_rows * sizeof(float));
    }
}

#define PREFETCH_AHEAD 2048 /* bytes */

/* The weights some way ahead: where a column or two cannot hide the wait for memory behind arithmetic. */
VEC void prefetch(const uint8_t *p, int n) {
    for (int at = 0; at < n; at += 64) __builtin_prefetch(p + PREFETCH_AHEAD + at);
}

VEC void dot_columns(float *y, size_t ldy, const uint8_t *p, size_t n_blocks, cols x, int C, int n_rows, const kind *k, bool pair) {
    vf acc[GROUPS][MAX_COLS];
    int n_groups = GROUPS, block = k->n_sub ? 256 : 32;
    if (k->n_sub || C > 1) __asm__("" : "+r"(n_groups)); /* hides the number: unrolled, the loop over groups would be long */
#pragma GCC unroll 4
    for (int g = 0; g < GROUPS; g++)
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) acc[g][c] = vdupq_n_f32(0);
    for (size_t b = 0; b < n_blocks; b++, p += k->bytes * SUAN__PANEL) {
        acts a;
        if (k->n_sub)
            share_256(&a, &x, k->n_sub, k->offset != 0, C, pair);
        else
            share_32(&a, &x, k->offset, k->dmin >= 0, C, pair);
        if (!k->n_sub && C <= 2) prefetch(p, k->bytes * SUAN__PANEL);
        for (int g = 0; g < n_groups; g++) {
            if (k->n_sub && C <= 2) prefetch(p + g * k->bytes * 4, k->bytes * 4);
            if (k->n_sub)
                add_256(acc[g], p, 4 * g, &a, k, C, pair);
            else
                add_32(acc[g], p, 4 * g, &a, k, C, pair);
        }
        x.q += block;
        x.d += 4;
        x.sum += k->n_sub ? 32 : 2;
    }
    store_columns(y, ldy, acc, C, n_rows, pair);
}

VEC void dot_matmul(float *y, size_t ldy, const void *panel, size_t k, const uint8_t *x, size_t ldx, int n_cols, int n_rows, const kind *t,
                    bool i8mm) {
    size_t block = t->n_sub ? 256 : 32, n = k / block;
    while (n_cols > 0) {
        cols columns = {x, x + suan__q8_d_offset(k), x + suan__q8_sum_offset(k, block), ldx};
        int done = n_cols >= 8 ? 8 : n_cols >= 4 ? 4 : n_cols >= 2 ? 2 : 1;
        if (done == 8)
            dot_columns(y, ldy, panel, n, columns, 8, n_rows, t, i8mm);
        else if (done == 4)
            dot_columns(y, ldy, panel, n, columns, 4, n_rows, t, i8mm);
        else if (done == 2)
            dot_columns(y, ldy, panel, n, columns, 2, n_rows, t, i8mm);
        else
            dot_columns(y, ldy, panel, n, columns, 1, n_rows, t, false);
        n_cols -= done;
        x += (size_t)done * ldx;
        y += (size_t)done * ldy;
    }
}

/* X(name, stem, what it is) */
#define DOT_MAP(X)                                                                                                                    \
    X(Q8_0, q8_0, .bytes = 34, .dmin = -1, .weights = weights_q8_0)                                                                   \
    X(Q4_0, q4_0, .bytes = 18, .dmin = -1, .offset = 8, .weights = weights_q4_0)                                                      \
    X(Q4_1, q4_1, .bytes = 20, .dmin = 32, .weights = weights_q4_1)                                                                   \
    X(Q5_0, q5_0, .bytes = 22, .dmin = -1, .offset = 16, .weights = weights_q5_0)                                                     \
    X(Q5_1, q5_1, .bytes = 24, .dmin = 32, .weights = weights_q5_1)                                                                   \
    X(IQ4_NL, iq4_nl, .bytes = 18, .dmin = -1, .weights = weights_iq4_nl)                                                             \
    X(MXFP4, mxfp4, .bytes = 17, .dmin = -1, .exponent = true, .weights = weights_mxfp4)                                              \
    X(I4_BF16, i4_bf16, .bytes = 18, .dmin = -1, .offset = 8, .bfloat = true, .weights = weights_q4_0)                                \
    X(Q2_K, q2_k, .bytes = 84, .d = 1280, .dmin = 1312, .n_sub = 16, .sub_weights = sub_weights_q2_k, .scales = scales_q2_k)          \
    X(Q3_K, q3_k, .bytes = 110, .d = 1728, .dmin = -1, .offset = 4, .n_sub = 16, .is_signed = true, .sub_weights = sub_weights_q3_k,  \
      .scales = scales_q3_k)                                                                                                          \
    X(Q4_K, q4_k, .bytes = 144, .dmin = 32, .n_sub = 8, .sub_weights = sub_weights_q4_k, .scales = scales_q4_k)                       \
    X(Q5_K, q5_k, .bytes = 176, .dmin = 32, .n_sub = 8, .sub_weights = sub_weights_q5_k, .scales = scales_q4_k)                       \
    X(Q6_K, q6_k, .bytes = 210, .d = 3328, .dmin = -1, .offset = 32, .n_sub = 16, .is_signed = true, .sub_weights = sub_weights_q6_k, \
      .scales = scales_q6_k)                                                                                                          \
    X(IQ4_XS, iq4_xs, .bytes = 136, .dmin = -1, .n_sub = 8, .is_signed = true, .sub_weights = sub_weights_iq4_xs, .scales = scales_iq4_xs)

#define DOT_MATMUL(name, stem, ...)                                                                                                   \
    static void matmul_##stem(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        const kind t = {__VA_ARGS__};                                                                                                 \
        dot_matmul(y, ldy, panel, k, x, ldx, n_cols, n_rows, &t, SMMLA);                                                              \
    }
DOT_MAP(DOT_MATMUL)
#undef DOT_MATMUL

static void fill(suan__kernels *t) {
#define ENTRY(name, stem, ...) t->matmul[SUAN__##name] = matmul_##stem;
    DOT_MAP(ENTRY)
#undef ENTRY
}

#endif
