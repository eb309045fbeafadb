/* matmul_quant.h: one panel of block-quantised weights times quantised activations (the type suan__matmul_fn for integer types).
 *
 * For each type a function adds one block of VL rows to C columns. It unpacks the block's weights into vectors of four bytes a row, then
 * uses them for every column: the work of unpacking is shared by up to QUANT_COLS columns. The sums inside a block are exact, so that only
 * the last two steps (the product of the scales, the fma) must follow the contract's order.
 *
 * p is the panel's block, h the first of the VL rows. Units (see kernels.h) of 16 rows stand side by side: unit u
 * of rows h.. of a field is 4 * VL bytes at field + 64 * u + 4 * h.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_QUANT_H
#define SUAN_KERNELS_SIMD_MATMUL_QUANT_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

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

VEC vi bytes4(int x) {
    return vi_set1((int)((unsigned)x * 0x01010101u));
}
VEC vi unit(const uint8_t *field, int u, int h) {
    return vi_load(field + 64 * u + 4 * h);
}
VEC vi low_nibbles(vi x) {
    return vi_and(x, bytes4(15));
}
VEC vi high_nibbles(vi x) {
    return vi_and(vi_shr(x, 4), bytes4(15));
}
/* Four units of nibbles: the low ones are values 0..15 of the block, the high ones 16..31. */
VEC void load_nibbles(vi w[8], const uint8_t *field, int h) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
        vi x = unit(field, u, h);
        w[u] = low_nibbles(x);
        w[u + 4] = high_nibbles(x);
    }
}
/* The bits of `mask` in each byte, moved up by n (down for negative n). */
VEC vi move_bits(vi x, int n, int mask) {
    return vi_and(n >= 0 ? vi_shl(x, n) : vi_shr(x, -n), bytes4(mask));
}

VEC vf add_block(vf acc, vi isum, vf dw, vf da) {
    return vf_fma(vf_from_vi(isum), vf_mul(dw, da), acc);
}

#define PREFETCH_AHEAD 2048 /* bytes */

/* Asks for part i of n of the memory some blocks ahead. Large blocks do it piece by piece, between their sub-blocks: all at once there are
 * more lines than a core can wait for. */
VEC void prefetch_part(const uint8_t *p, size_t block_bytes, size_t i, size_t n) {
    for (size_t at = (block_bytes * i / n + 63) / 64 * 64; at < block_bytes * (i + 1) / n; at += 64) vec_prefetch(p + PREFETCH_AHEAD + at);
}

/* ---- types with blocks of 32 */

/* The 32 weights w meet column c with `offset` taken from each. */
VEC vi dot_block(const vi *w, const cols *x, int c, int bits, int offset) {
    return dot_u(offset ? dot_sum(cols_sums(x, c, 0), -offset) : vi_zero(), w, cols_q(x, c, 0), 8, bits);
}
VEC vi dot_block_signed(const vi *w, const cols *x, int c) {
    vi start = DOT_S_OFFSET ? dot_sum(cols_sums(x, c, 0), -DOT_S_OFFSET) : vi_zero();
    return dot_s(start, w, cols_q(x, c, 0), 8);
}

VEC void block_q8_0(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_f16(p + 2 * h);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) w[u] = dot_s_weights(unit(p + 32, u, h));
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], dot_block_signed(w, x, c), d, cols_d(x, c));
}

VEC void block_q4_0(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_f16(p + 2 * h);
    load_nibbles(w, p + 32, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], dot_block(w, x, c, 4, 8), d, cols_d(x, c));
}

/* acc = fma(m * d_a, sum of the activations, acc), behind the products of the block: Q4_1 and Q5_1 */
VEC vf add_min(vf acc, vf m, vf da, const void *sum) {
    return vf_fma(vf_mul(m, da), vf_from_vi(dot_sum(sum, 1)), acc);
}

VEC void block_q4_1(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_f16(p + 2 * h), m = vf_load_f16(p + 32 + 2 * h);
    load_nibbles(w, p + 64, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        vf da = cols_d(x, c);
        acc[c] = add_block(acc[c], dot_block(w, x, c, 4, 0), d, da);
        acc[c] = add_min(acc[c], m, da, cols_sums(x, c, 0));
    }
}

/* Adds the fifth bits: bit i of the 32 bits of qh belongs to value i, so unit u has its four in byte u / 2, low or high half. */
VEC void add_fifth_bits(vi w[8], const uint8_t *field, int h) {
    vi qh = unit(field, 0, h), low = vi_set1(0x08040201), high = vi_set1((int)0x80402010u), value = bytes4(16);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        vi flags = vi_pick(qh, i, i, i, i);
        w[2 * i] = vi_add_where(w[2 * i], flags, low, value);
        w[2 * i + 1] = vi_add_where(w[2 * i + 1], flags, high, value);
    }
}

VEC void block_q5_0(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_f16(p + 2 * h);
    load_nibbles(w, p + 96, h);
    add_fifth_bits(w, p + 32, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], dot_block(w, x, c, 5, 16), d, cols_d(x, c));
}

VEC void block_q5_1(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_f16(p + 2 * h), m = vf_load_f16(p + 32 + 2 * h);
    load_nibbles(w, p + 128, h);
    add_fifth_bits(w, p + 64, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        vf da = cols_d(x, c);
        acc[c] = add_block(acc[c], dot_block(w, x, c, 5, 0), d, da);
        acc[c] = add_min(acc[c], m, da, cols_sums(x, c, 0));
    }
}

VEC void block_i4_bf16(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_bf16(p + 2 * h);
    load_nibbles(w, p + 32, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], dot_block(w, x, c, 4, 8), d, cols_d(x, c));
}

VEC void load_table_values(vi w[8], vi table, const uint8_t *field, int h) {
    load_nibbles(w, field, h);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) w[u] = vi_lookup(table, w[u]);
}

VEC void block_iq4_nl(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = vf_load_f16(p + 2 * h);
    load_table_values(w, dot_s_weights(vi_table(suan__iq4_values)), p + 32, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], dot_block_signed(w, x, c), d, cols_d(x, c));
}

/* 2^(e - 128) for the exponent bytes of rows h..: below 2 a subnormal, which is why it is put together from bits. */
VEC vf load_e8m0_half(const uint8_t *p) {
    vi e = vi_load_u8(p);
    vf scale = vf_bits(vi_shl(vi_sub(e, vi_set1(1)), 23));
    scale = vf_select(vi_eq(e, vi_zero()), vf_bits(vi_set1(0x00200000)), scale);
    return vf_select(vi_eq(e, vi_set1(1)), vf_bits(vi_set1(0x00400000)), scale);
}

/* The doubled values are -12..12; with 12 added they are unsigned and small, which is what the dot products like. */
VEC void block_mxfp4(const uint8_t *p, int h, const cols *x, vf *acc, int C) {
    vi w[8];
    vf d = load_e8m0_half(p + h);
    load_table_values(w, vi_sub_bytes(vi_table(suan__fp4_values), bytes4(0x100 - 12)), p + 16, h);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = add_block(acc[c], dot_block(w, x, c, 5, 12), d, cols_d(x, c));
}

/* ---- types with blocks of 256 */

/* Four weights of a row a unit, unit u of the 16 values (sub-block s) or 32 values (sub-block j) of a block. */
VEC vi weights_q4_k(const uint8_t *p, int h, int j, int u) {
    vi x = unit(p + 256, j / 2 * 8 + u, h);
    return j % 2 ? high_nibbles(x) : low_nibbles(x);
}
VEC vi weights_q5_k(const uint8_t *p, int h, int j, int u) {
    vi x = unit(p + 768, j / 2 * 8 + u, h);
    return vi_or(j % 2 ? high_nibbles(x) : low_nibbles(x), move_bits(unit(p + 256, u, h), 4 - j, 16));
}
VEC vi weights_q2_k(const uint8_t *p, int h, int s, int u) {
    return move_bits(unit(p + 256, s / 8 * 8 + s % 2 * 4 + u, h), -(s / 2 % 4 * 2), 3);
}
VEC vi weights_q3_k(const uint8_t *p, int h, int s, int u) { /* 4 more than the value */
    vi x = unit(p + 512, s / 8 * 8 + s % 2 * 4 + u, h);
    return vi_or(move_bits(x, -(s / 2 % 4 * 2), 3), move_bits(unit(p, s % 2 * 4 + u, h), 2 - s / 2, 4));
}
VEC vi weights_q6_k(const uint8_t *p, int h, int s, int u) { /* 32 more than the value */
    vi l = unit(p, s / 8 * 16 + s / 2 % 2 * 8 + s % 2 * 4 + u, h), x = unit(p + 2048, s / 8 * 8 + s % 2 * 4 + u, h);
    return vi_or(s / 4 % 2 ? high_nibbles(l) : low_nibbles(l), move_bits(x, 4 - s / 2 % 4 * 2, 48));
}

/* The eight scales and minimums of Q4_K and Q5_K: four in the bytes of each lane. */
VEC void load_k4_scales(vi sc[2], vi mn[2], const uint8_t *field, int h) {
    vi s0 = unit(field, 0, h), s1 = unit(field, 1, h), s2 = unit(field, 2, h);
    sc[0] = vi_and(s0, bytes4(63));
    mn[0] = vi_and(s1, bytes4(63));
    sc[1] = vi_or(low_nibbles(s2), move_bits(s0, -2, 48));
    mn[1] = vi_or(high_nibbles(s2), move_bits(s1, -2, 48));
}

/* The sixteen scales of Q3_K, -32..31. */
VEC void load_q3_scales(vi sc[4], const uint8_t *field, int h) {
    vi s0 = unit(field, 0, h), s1 = unit(field, 1, h), s2 = unit(field, 2, h);
    sc[0] = vi_or(low_nibbles(s0), move_bits(s2, 4, 48));
    sc[1] = vi_or(low_nibbles(s1), move_bits(s2, 2, 48));
    sc[2] = vi_or(high_nibbles(s0), move_bits(s2, 0, 48));
    sc[3] = vi_or(high_nibbles(s1), move_bits(s2, -2, 48));
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) sc[i] = vi_sub_bytes(sc[i], bytes4(32));
}

/* Scale j of IQ4_XS, -32..31, as a whole lane; sl, sh: the lanes of scales_l and scales_h. */
VEC vi iq4_xs_scale(vi sl, vi sh, int j) {
    vi low = vi_and(vi_shr(sl, 4 * j), vi_set1(15)), high = vi_and(vi_shr(sh, 2 * j), vi_set1(3));
    return vi_sub(vi_or(low, vi_shl(high, 4)), vi_set1(32));
}

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
        int done = n_cols >= QUANT_COLS ? QUANT_COLS : n_cols >= 4 ? 4 : n_cols >= 2 ? 2 : 1;
        if (done == QUANT_COLS)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, QUANT_COLS, n_rows, add);
        else if (QUANT_COLS > 4 && done == 4)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 4, n_rows, add);
        else if (done == 2)
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 2, n_rows, add);
        else
            quant_columns(y, ldy, p, n, block, block_bytes, columns, 1, n_rows, add);
        n_cols -= done;
        x += (size_t)done * ldx;
        y += (size_t)done * ldy;
    }
}

/* X(name, stem, values of a block, bytes of a block) */
#define SIMD_QUANT_MAP(X)   \
    X(Q8_0, q8_0, 32, 34)   \
    X(Q4_0, q4_0, 32, 18)   \
    X(Q4_1, q4_1, 32, 20)   \
    X(Q5_0, q5_0, 32, 22)   \
    X(Q5_1, q5_1, 32, 24)   \
    X(Q2_K, q2_k, 256, 84)  \
    X(Q3_K, q3_k, 256, 110) \
    X(Q4_K, q4_k, 256, 144) \
    X(Q5_K, q5_k, 256, 176) X(Q6_K, q6_k, 256, 210) X(IQ4_NL, iq4_nl, 32, 18) X(IQ4_XS, iq4_xs, 256, 136) X(MXFP4, mxfp4, 32, 17) \
    X(I4_BF16, i4_bf16, 32, 18)

#define SIMD_QUANT_MATMUL(name, stem, block, bytes)                                                                                        \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        quant_matmul(y, ldy, panel, k, x, ldx, n_cols, n_rows, block, (size_t)(bytes)*SUAN__PANEL, block_##stem);                          \
    }
SIMD_QUANT_MAP(SIMD_QUANT_MATMUL)
#undef SIMD_QUANT_MATMUL

#endif
