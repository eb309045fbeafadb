/* matmul_quant.h: one panel of block-quantised weights times quantised activations (the type suan__matmul_fn for integer types).
 *
 * Few columns, as in decode: for each type a function adds one block of VL rows to C columns. It unpacks the block's weights
 * (weights_quant.h) into registers and uses them for every column. The sums inside a block are exact, so that only the last two steps (the
 * product of the scales, the fma) must follow the contract's order. Many columns, and several of two panels: matmul_many.h.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_QUANT_H
#define SUAN_KERNELS_SIMD_MATMUL_QUANT_H

#include "kernels/simd/matmul_many.h"
#include "kernels/simd/weights_quant.h"

/* One block of the columns' quantised activations: of column 0; column c is c * ldx bytes further. */
typedef struct cols {
    const uint8_t *q, *d, *sum;
    size_t ldx;
} cols;

VEC const int8_t *cols_q(const cols *x, int c, size_t i) {
    return (const int8_t *)(x->q + (size_t)c * x->ldx + i);
}
VEC vf cols_d(const cols *x, int c) {
    float d;
    memcpy(&d, x->d + (size_t)c * x->ldx, 4);
    return vf_set1(d);
}
/* The i-th sum of the block and those behind it. */
VEC const uint8_t *cols_sums(const cols *x, int c, size_t i) {
    return x->sum + (size_t)c * x->ldx + i * 2;
}

VEC vf add_block(vf acc, vi isum, vf dw, vf da) {
    return vf_fma(vf_from_vi(isum), vf_mul(dw, da), acc);
}

/* ---- types with blocks of 32 */

/* acc = fma(m * d_a, sum of the activations, acc), behind the products of the block: Q4_1 and Q5_1 */
VEC vf add_min(vf acc, vf m, vf da, const void *sum) {
    return vf_fma(vf_mul(m, da), vf_from_vi(dot_sum(sum, 1)), acc);
}

VEC void block_32(const uint8_t *p, int h, const cols *x, vf *acc, int C, load_32_fn *load, int bits, int offset, bool min) {
    vi w[8];
    vf d, m;
    load(w, &d, &m, p, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        vf da = cols_d(x, c);
        vi start = offset && !min ? dot_sum(cols_sums(x, c, 0), -offset) : vi_zero();
        vi isum = bits == 8 ? dot_s(start, w, cols_q(x, c, 0), 8) : dot_u(start, w, cols_q(x, c, 0), 8, bits);
        acc[c] = add_block(acc[c], isum, d, da);
        if (min) acc[c] = add_min(acc[c], m, da, cols_sums(x, c, 0));
    }
}
#define BLOCK_32(name, stem, bytes, bits, offset, min)                              \
    VEC void block_##stem(const uint8_t *p, int h, const cols *x, vf *acc, int C) { \
        block_32(p, h, x, acc, C, load_##stem, bits, offset, min);                  \
    }
SIMD_QUANT_32_MAP(BLOCK_32)
#undef BLOCK_32

/* ---- types with blocks of 256 */

/* acc = fma(isum, d * d_a, acc), then fma(-(dmin * d_a), msum, acc) */
VEC vf add_block_min(vf acc, vi isum, vi msum, vf d, vf dmin, vf da) {
    return vf_fnma(vf_mul(dmin, da), vf_from_vi(msum), add_block(acc, isum, d, da));
}

VEC void block_q45_k(const uint8_t *p, int h, const cols *x, vf *acc, int C, bool five) {
    vi sc[2], mn[2], isum[QUANT_COLS], msum[QUANT_COLS];
    vf d = vf_load_f16(p + 2 * h), dmin = vf_load_f16(p + 32 + 2 * h);
    load_k4_scales(sc, mn, p + 64, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) isum[c] = msum[c] = vi_zero();
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        prefetch_part(p, (five ? 176 : 144) * SUAN__PANEL, (size_t)j, 8);
        vi w[8], scale = dot_scale_u8(sc[j / 4], j % 4), min = dot_pair_u8(mn[j / 4], j % 4, j % 4);
#pragma GCC unroll 8
        for (int u = 0; u < 8; u++) w[u] = five ? weights_q5_k(p, h, j, u) : weights_q4_k(p, h, j, u);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            isum[c] = dot_u_scaled(isum[c], w, cols_q(x, c, 32 * (size_t)j), 8, five ? 5 : 4, scale);
            msum[c] = dot_pair(msum[c], min, cols_sums(x, c, 2 * (size_t)j));
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block_min(acc[c], isum[c], msum[c], d, dmin, cols_d(x, c));
}
VEC void block_q4_k(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    block_q45_k(p, h, x, acc, C, false);
}
VEC void block_q5_k(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    block_q45_k(p, h, x, acc, C, true);
}

VEC void block_q2_k(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi isum[QUANT_COLS], msum[QUANT_COLS];
    vf d = vf_load_f16(p + 1280 + 2 * h), dmin = vf_load_f16(p + 1312 + 2 * h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) isum[c] = msum[c] = vi_zero();
#pragma GCC unroll 16
    for (int s = 0; s < 16; s++) {
        prefetch_part(p, 84 * SUAN__PANEL, (size_t)s, 16);
        vi w[4], both = unit(p, s / 4, h), scale = dot_scale_u8(low_nibbles(both), s % 4);
#pragma GCC unroll 4
        for (int u = 0; u < 4; u++) w[u] = weights_q2_k(p, h, s, u);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) isum[c] = dot_u_scaled(isum[c], w, cols_q(x, c, 16 * (size_t)s), 4, 2, scale);
        if (s % 2 == 0) {
            vi min = dot_pair_u8(high_nibbles(both), s % 4, s % 4 + 1);
#pragma GCC unroll 8
            for (int c = 0; c < C; c++) msum[c] = dot_pair(msum[c], min, cols_sums(x, c, (size_t)s));
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block_min(acc[c], isum[c], msum[c], d, dmin, cols_d(x, c));
}

/* Q3_K and Q6_K: weights are stored with 2^log_offset added; the same times the scales' share of the sums is taken away at the end. */
VEC void block_q36_k(const uint8_t *p, int h, const cols *x, vf *acc, int C, bool six) {
    vi sc[4], isum[QUANT_COLS], extra[QUANT_COLS];
    vf d = vf_load_f16(p + (six ? 3328 : 1728) + 2 * h);
    if (six) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sc[i] = unit(p + 3072, i, h);
    } else
        load_q3_scales(sc, p + 1536, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) isum[c] = extra[c] = vi_zero();
#pragma GCC unroll 16
    for (int s = 0; s < 16; s++) {
        prefetch_part(p, (six ? 210 : 110) * SUAN__PANEL, (size_t)s, 16);
        vi w[4], scale = dot_scale_s8(sc[s / 4], s % 4);
#pragma GCC unroll 4
        for (int u = 0; u < 4; u++) w[u] = six ? weights_q6_k(p, h, s, u) : weights_q3_k(p, h, s, u);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) isum[c] = dot_u_scaled(isum[c], w, cols_q(x, c, 16 * (size_t)s), 4, six ? 6 : 3, scale);
        if (s % 2 == 0) {
            vi pair = dot_pair_s8(sc[s / 4], s % 4, s % 4 + 1);
#pragma GCC unroll 8
            for (int c = 0; c < C; c++) extra[c] = dot_pair(extra[c], pair, cols_sums(x, c, (size_t)s));
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], vi_sub(isum[c], vi_shl(extra[c], six ? 5 : 2)), d, cols_d(x, c));
}
VEC void block_q3_k(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    block_q36_k(p, h, x, acc, C, false);
}
VEC void block_q6_k(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    block_q36_k(p, h, x, acc, C, true);
}

VEC void block_iq4_xs(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi table = dot_s_weights(vi_table(suan__iq4_values)), sh = vi_load_u16(p + 32 + 2 * h), sl = unit(p + 64, 0, h);
    vi isum[QUANT_COLS], extra[QUANT_COLS];
    vf d = vf_load_f16(p + 2 * h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) isum[c] = extra[c] = vi_zero();
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        prefetch_part(p, 136 * SUAN__PANEL, (size_t)j, 8);
        vi w[8], s = iq4_xs_scale(sl, sh, j), scale = dot_scale_s8(s, 0), pair = dot_pair_s8(s, 0, 0);
        load_table_values(w, table, p + 128 + 256 * j, h);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            isum[c] = dot_s_scaled(isum[c], w, cols_q(x, c, 32 * (size_t)j), 8, scale);
            if (DOT_S_OFFSET) extra[c] = dot_pair(extra[c], pair, cols_sums(x, c, 2 * (size_t)j));
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        if (DOT_S_OFFSET) isum[c] = vi_sub(isum[c], vi_mul(extra[c], vi_set1(DOT_S_OFFSET)));
        acc[c] = add_block(acc[c], isum[c], d, cols_d(x, c));
    }
}

/* ---- from blocks to the product */

typedef void block_fn(const uint8_t *p, int h, const cols *x, vf *acc, int C);

/* The rows' results of C columns; n_rows of the 16 are stored. */
VEC void store_columns(float *y, size_t ldy, vf acc[SUAN__PANEL / VL][QUANT_COLS], int C, int n_rows) {
#pragma GCC unroll 4
    for (int g = 0; g < SUAN__PANEL / VL; g++) {
        int n = n_rows - g * VL;
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            float *dst = y + (size_t)c * ldy + g * VL;
            if (n >= VL)
                vf_store(dst, acc[g][c]);
            else if (n > 0)
                vf_store_n(dst, acc[g][c], (size_t)n);
        }
    }
}

/* The places of a block's activations are kept in three registers, and the compiler is kept from turning them into three for each column:
 * there are not so many. */
VEC void quant_columns(float *y, size_t ldy, const uint8_t *p, size_t n_blocks, size_t block, size_t block_bytes, cols x, int C, int n_rows,
                       block_fn *add) {
    vf acc[SUAN__PANEL / VL][QUANT_COLS];
    int n_groups = SUAN__PANEL / VL;
    if (n_groups > 1) __asm__("" : "+r"(n_groups)); /* hides the number: unrolled, the loop over groups would not fit the code cache */
#pragma GCC unroll 4
    for (int g = 0; g < SUAN__PANEL / VL; g++)
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) acc[g][c] = vf_zero();
    for (size_t b = 0; b < n_blocks; b++, p += block_bytes) {
        if (block == 32) prefetch_part(p, block_bytes, 0, 1);
        __asm__("" : "+r"(x.q), "+r"(x.d), "+r"(x.sum));
        for (int g = 0; g < n_groups; g++) add(p, g * VL, &x, acc[g], C);
        x.q += block;
        x.d += 4;
        x.sum += block == 32 ? 2 : 32;
    }
    store_columns(y, ldy, acc, C, n_rows);
}

VEC void quant_matmul(float *y, size_t ldy, const uint8_t *p, size_t k, const uint8_t *x, size_t ldx, int n_cols, int n_rows, size_t block,
                      size_t block_bytes, block_fn *add) {
    size_t n = k / block;
    while (n_cols > 0) {
        cols columns = {x, x + suan__q8_d_offset(k), x + suan__q8_sum_offset(k, block), ldx};
        int done = n_cols >= QUANT_COLS ? QUANT_COLS : n_cols >= 4 ? 4 : n_cols;
        if (done == QUANT_COLS)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, QUANT_COLS, n_rows, add);
        else if (QUANT_COLS > 4 && done == 4)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 4, n_rows, add);
        else if (done == 3)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 3, n_rows, add);
        else if (done == 2)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 2, n_rows, add);
        else
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 1, n_rows, add);
        n_cols -= done;
        x += (size_t)done * ldx;
        y += (size_t)done * ldy;
    }
}

#ifdef PAIR_COLS
/* Two panels in turn, block by block. */
VEC void pair_columns(float *const y[2], size_t ldy, const void *const panels[2], const int n_rows[2], size_t k, const uint8_t *q8,
                      size_t ldx, int C, size_t block, size_t block_bytes, block_fn *add) {
    const uint8_t *p[2] = {panels[0], panels[1]};
    cols x = {q8, q8 + suan__q8_d_offset(k), q8 + suan__q8_sum_offset(k, block), ldx};
    vf acc[2][SUAN__PANEL / VL][QUANT_COLS];
    int n_groups = SUAN__PANEL / VL;
    if (n_groups > 1) __asm__("" : "+r"(n_groups));
#pragma GCC unroll 4
    for (int g = 0; g < SUAN__PANEL / VL; g++)
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) acc[0][g][c] = acc[1][g][c] = vf_zero();
    for (size_t b = 0; b < k / block; b++) {
        __asm__("" : "+r"(x.q), "+r"(x.d), "+r"(x.sum));
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            if (block == 32) prefetch_part(p[i], block_bytes, 0, 1);
            for (int g = 0; g < n_groups; g++) add(p[i], g * VL, &x, acc[i][g], C);
            p[i] += block_bytes;
        }
        x.q += block;
        x.d += 4;
        x.sum += block == 32 ? 2 : 32;
    }
    for (int i = 0; i < 2; i++) store_columns(y[i], ldy, acc[i], C, n_rows[i]);
}

#endif

#ifdef MANY_COLS
/* Many columns go another way, four at least; what is left over of the fours comes behind. */
#define MANY(call)                   \
    if (n_cols >= MANY_FROM) {       \
        int n_many = n_cols / 4 * 4; \
        call;                        \
        y += (size_t)n_many * ldy;   \
        q8 += (size_t)n_many * ldx;  \
        n_cols -= n_many;            \
    }
#define MANY_Y                   \
    (many_y) {                   \
        {y}, ldy, {n_rows}, true \
    }
#define MANY_PANEL              \
    (const uint8_t *const[1]) { \
        panel                   \
    }
#define MANY_MATMUL_32(stem, bytes, bits, offset, min)                                                                                 \
    MANY(many_matmul_32(MANY_Y, MANY_PANEL, k, q8, ldx, n_many, 1, (size_t)(bytes)*SUAN__PANEL, load_##stem, many_32_fn_of(bits, min), \
                        NULL, offset))
#define MANY_MATMUL_256(stem, bytes, n_same)                                                                                            \
    MANY(many_matmul_256(MANY_Y, MANY_PANEL, k, q8, ldx, n_many, 1, (size_t)(bytes)*SUAN__PANEL, n_same, scales_##stem, weights_##stem, \
                         many_256_##stem, NULL))

VEC many_32_fn *many_32_fn_of(int bits, bool min) {
    if (min) return bits == 4 ? many_32_4_min : many_32_5_min;
    return bits == 4 ? many_32_4 : bits == 5 ? many_32_5 : many_32_8;
}
#define MANY_256_FN(name, stem, bytes, bits, n_same, offset, min)                                                        \
    static __attribute__((noinline)) void many_256_##stem(many_y y, const many_256 *b, size_t n, many_x x, int n_cols) { \
        MANY_ALL_COLUMNS(many_columns_256, bits, n_same, offset, min, NULL, NULL)                                        \
    }
SIMD_QUANT_256_MAP(MANY_256_FN)
#undef MANY_256_FN
#else
#define MANY_MATMUL_32(stem, bytes, bits, offset, min)
#define MANY_MATMUL_256(stem, bytes, n_same)
#endif

#define SIMD_MATMUL_32(name, stem, bytes, bits, offset, min)                                                                               \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        const uint8_t *q8 = x;                                                                                                             \
        MANY_MATMUL_32(stem, bytes, bits, offset, min)                                                                                     \
        quant_matmul(y, ldy, panel, k, q8, ldx, n_cols, n_rows, 32, (size_t)(bytes)*SUAN__PANEL, block_##stem);                            \
    }
#define SIMD_MATMUL_256(name, stem, bytes, bits, n_same, offset, min)                                                                      \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        const uint8_t *q8 = x;                                                                                                             \
        MANY_MATMUL_256(stem, bytes, n_same)                                                                                               \
        quant_matmul(y, ldy, panel, k, q8, ldx, n_cols, n_rows, 256, (size_t)(bytes)*SUAN__PANEL, block_##stem);                           \
    }
SIMD_QUANT_32_MAP(SIMD_MATMUL_32)
SIMD_QUANT_256_MAP(SIMD_MATMUL_256)
#undef SIMD_MATMUL_32
#undef SIMD_MATMUL_256

#ifdef PAIR_COLS
#ifdef WIDE_COLS
/* Two panels and several columns. */
#define WIDE_FN_32(name, stem, bytes, bits, offset, min)                                                                             \
    static __attribute__((noinline)) void stored_32_##stem(many_y y, const many_32 *b, size_t n, many_x x, int n_cols, int unused) { \
        x.next_bytes = (size_t)(bytes)*SUAN__PANEL; /* now a constant */                                                             \
        WIDE_ALL_COLUMNS(many_columns_32, bits, min ? 0 : offset, min, load_##stem, weights_##stem)                                  \
    }
#define WIDE_FN_256(name, stem, bytes, bits, n_same, offset, min)                                                          \
    static __attribute__((noinline)) void stored_256_##stem(many_y y, const many_256 *b, size_t n, many_x x, int n_cols) { \
        x.next_bytes = (size_t)(bytes)*SUAN__PANEL;                                                                        \
        WIDE_ALL_COLUMNS(many_columns_256, bits, n_same, offset, min, scales_##stem, weights_##stem)                       \
    }                                                                                                                      \
    static __attribute__((noinline)) void wide_256_##stem(many_y y, const many_256 *b, size_t n, many_x x, int n_cols) {   \
        WIDE_ALL_COLUMNS(many_columns_256, bits, n_same, offset, min, NULL, NULL)                                          \
    }
SIMD_QUANT_32_MAP(WIDE_FN_32)
SIMD_QUANT_256_MAP(WIDE_FN_256)
#undef WIDE_FN_32
#undef WIDE_FN_256
#define WIDE_Y                                          \
    (many_y) {                                          \
        {y[0], y[1]}, ldy, {n_rows[0], n_rows[1]}, true \
    }
#define WIDE_PANELS             \
    (const uint8_t *const[2]) { \
        panels[0], panels[1]    \
    }
#define WIDE_32(stem, bytes, bits, offset, min)                                                                                          \
    many_matmul_32(WIDE_Y, WIDE_PANELS, k, x, ldx, n_cols, 2, (size_t)(bytes)*SUAN__PANEL, load_##stem, min ? wide_32_4_min : wide_32_4, \
                   n_cols <= WIDE_STORED(32, bits) ? stored_32_##stem : NULL, offset)
#define WIDE_256(stem, bytes, bits, n_same)                                                                                        \
    many_matmul_256(WIDE_Y, WIDE_PANELS, k, x, ldx, n_cols, 2, (size_t)(bytes)*SUAN__PANEL, n_same, scales_##stem, weights_##stem, \
                    wide_256_##stem, n_cols <= WIDE_STORED(256, bits) ? stored_256_##stem : NULL)
#else
#define WIDE_32(stem, bytes, bits, offset, min)
#define WIDE_256(stem, bytes, bits, n_same)
#endif

#define PAIR(stem, block, bytes, wide)                                                                                                     \
    static void ISA(pair_##stem)(float *const y[2], size_t ldy, const void *const panels[2], const int n_rows[2], size_t k, const void *x, \
                                 size_t ldx, int n_cols) {                                                                                 \
        if (n_cols == 1)                                                                                                                   \
            pair_columns(y, ldy, panels, n_rows, k, x, ldx, 1, block, (size_t)(bytes)*SUAN__PANEL, block_##stem);                          \
        else {                                                                                                                             \
            wide;                                                                                                                          \
        }                                                                                                                                  \
    }
#define PAIR_32(name, stem, bytes, bits, offset, min) PAIR(stem, 32, bytes, WIDE_32(stem, bytes, bits, offset, min))
#define PAIR_256(name, stem, bytes, bits, n_same, offset, min) PAIR(stem, 256, bytes, WIDE_256(stem, bytes, bits, n_same))
SIMD_QUANT_32_MAP(PAIR_32)
SIMD_QUANT_256_MAP(PAIR_256)
#undef PAIR_32
#undef PAIR_256
#undef PAIR
#endif

/* The level's entries of the table. */
static void fill_quant(suan__kernels *t) {
#define SIMD_QUANT_ENTRY(name, stem, block, bytes) t->matmul[SUAN__##name] = ISA(matmul_##stem);
    SIMD_QUANT_MAP
#undef SIMD_QUANT_ENTRY
#ifdef PAIR_COLS
    t->pair_cols = PAIR_COLS;
#define SIMD_QUANT_ENTRY(name, stem, block, bytes) t->matmul_pair[SUAN__##name] = ISA(pair_##stem);
    SIMD_QUANT_MAP
#undef SIMD_QUANT_ENTRY
#endif
}

#endif
