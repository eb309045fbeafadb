/* weights_quant.h: the blocks of packed integer weights, unpacked into vectors of four bytes a row.
 *
 * p is the panel's block, h the first of the VL rows. Units (see kernels.h) of 16 rows stand side by side: unit u of rows h.. of a field is
 * 4 * VL bytes at field + 64 * u + 4 * h. Weights are unsigned bytes below 2^bits that stand for themselves minus an offset; weights of
 * eight bits are in the form of dot_s_weights, and their offset is DOT_S_OFFSET.
 */
#ifndef SUAN_KERNELS_SIMD_WEIGHTS_QUANT_H
#define SUAN_KERNELS_SIMD_WEIGHTS_QUANT_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* Asks for part i of n of the memory that a block further on takes. Large blocks do it piece by piece, between their sub-blocks: all at once
 * there are more lines than a core can wait for. */
VEC void prefetch_part(const uint8_t *p, size_t block_bytes, size_t i, size_t n) {
#pragma GCC unroll 64
    for (size_t at = (block_bytes * i / n + 63) / 64 * 64; at < block_bytes * (i + 1) / n; at += 64)
        vec_prefetch(p + QUANT_AHEAD(block_bytes) + at);
}
/* The same for several columns, which take long: further on, and not into the first-level cache, where the columns are. */
VEC void prefetch_part_far(const uint8_t *p, size_t block_bytes, size_t i, size_t n) {
#pragma GCC unroll 64
    for (size_t at = (block_bytes * i / n + 63) / 64 * 64; at < block_bytes * (i + 1) / n; at += 64) vec_prefetch_far(p + 4096 + at);
}

/* Unit u of sub-block s of the block at p. */
typedef vi weights_fn(const uint8_t *p, int h, int s, int u);

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

/* ---- types with blocks of 32: the weights of a block, its scale and, for types that have one, its minimum (others leave it alone) */

typedef void load_32_fn(vi w[8], vf *d, vf *m, const uint8_t *p, int h);

VEC void load_q8_0(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_f16(p + 2 * h);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) w[u] = dot_s_weights(unit(p + 32, u, h));
}
VEC void load_q4_0(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_f16(p + 2 * h);
    load_nibbles(w, p + 32, h);
}
VEC void load_q4_1(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_f16(p + 2 * h);
    *m = vf_load_f16(p + 32 + 2 * h);
    load_nibbles(w, p + 64, h);
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

VEC void load_q5_0(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_f16(p + 2 * h);
    load_nibbles(w, p + 96, h);
    add_fifth_bits(w, p + 32, h);
}
VEC void load_q5_1(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_f16(p + 2 * h);
    *m = vf_load_f16(p + 32 + 2 * h);
    load_nibbles(w, p + 128, h);
    add_fifth_bits(w, p + 64, h);
}

VEC void load_table_values(vi w[8], vi table, const uint8_t *field, int h) {
    load_nibbles(w, field, h);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) w[u] = vi_lookup(table, w[u]);
}

VEC void load_iq4_nl(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_f16(p + 2 * h);
    load_table_values(w, dot_s_weights(vi_table(suan__iq4_values)), p + 32, h);
}

/* 2^(e - 128) for the exponent bytes of rows h..: below 2 a subnormal, which is why it is put together from bits. */
VEC vf load_e8m0_half(const uint8_t *p) {
    vi e = vi_load_u8(p);
    vf scale = vf_bits(vi_shl(vi_sub(e, vi_set1(1)), 23));
    scale = vf_select(vi_eq(e, vi_zero()), vf_bits(vi_set1(0x00200000)), scale);
    return vf_select(vi_eq(e, vi_set1(1)), vf_bits(vi_set1(0x00400000)), scale);
}

/* The doubled values are -12..12; with 12 added they are unsigned and small, which is what the dot products like. */
VEC void load_mxfp4(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = load_e8m0_half(p + h);
    load_table_values(w, vi_sub_bytes(vi_table(suan__fp4_values), bytes4(0x100 - 12)), p + 16, h);
}

VEC void load_i4_bf16(vi w[8], vf *d, vf *m, const uint8_t *p, int h) {
    *d = vf_load_bf16(p + 2 * h);
    load_nibbles(w, p + 32, h);
}

/* X(name, stem, bytes of a block, bits of a weight, offset, whether it has a minimum) */
#define SIMD_QUANT_32_MAP(X)                      \
    X(Q8_0, q8_0, 34, 8, DOT_S_OFFSET, false)     \
    X(Q4_0, q4_0, 18, 4, 8, false)                \
    X(Q4_1, q4_1, 20, 4, 0, true)                 \
    X(Q5_0, q5_0, 22, 5, 16, false)               \
    X(Q5_1, q5_1, 24, 5, 0, true)                 \
    X(IQ4_NL, iq4_nl, 18, 8, DOT_S_OFFSET, false) \
    X(MXFP4, mxfp4, 17, 5, 12, false)             \
    X(I4_BF16, i4_bf16, 18, 4, 8, false)

#define WEIGHTS(name, stem, bytes, bits, offset, min)              \
    VEC vi weights_##stem(const uint8_t *p, int h, int s, int u) { \
        vi w[8];                                                   \
        vf d, m;                                                   \
        load_##stem(w, &d, &m, p, h);                              \
        return w[u];                                               \
    }
SIMD_QUANT_32_MAP(WEIGHTS)
#undef WEIGHTS

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

VEC vi weights_iq4_xs(const uint8_t *p, int h, int j, int u) {
    vi x = unit(p + 128 + 256 * j, u % 4, h);
    return vi_lookup(dot_s_weights(vi_table(suan__iq4_values)), u < 4 ? low_nibbles(x) : high_nibbles(x));
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

/* X(name, stem, bytes of a block, bits of a weight, units of four weights with the same scale, offset, whether it has minimums) */
#define SIMD_QUANT_256_MAP(X)           \
    X(Q2_K, q2_k, 84, 2, 4, 0, true)    \
    X(Q3_K, q3_k, 110, 3, 4, 4, false)  \
    X(Q4_K, q4_k, 144, 4, 8, 0, true)   \
    X(Q5_K, q5_k, 176, 5, 8, 0, true)   \
    X(Q6_K, q6_k, 210, 6, 4, 32, false) \
    X(IQ4_XS, iq4_xs, 136, 8, 8, DOT_S_OFFSET, false)

/* X(name, stem, values of a block, bytes of a block) */
#define SIMD_QUANT_32_ENTRY(name, stem, bytes, bits, offset, min) SIMD_QUANT_ENTRY(name, stem, 32, bytes)
#define SIMD_QUANT_256_ENTRY(name, stem, bytes, bits, n_same, offset, min) SIMD_QUANT_ENTRY(name, stem, 256, bytes)
#define SIMD_QUANT_MAP SIMD_QUANT_32_MAP(SIMD_QUANT_32_ENTRY) SIMD_QUANT_256_MAP(SIMD_QUANT_256_ENTRY)

#endif
