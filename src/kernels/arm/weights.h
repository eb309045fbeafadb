/* weights.h: four rows of a panel's block as signed bytes, for the dot products of matmul_dot.h.
 *
 * Two arrangements of the rows' bytes. A *unit* is four bytes of each of four rows, one row a lane, as the panel has them: what SDOT
 * takes. A *pair* is eight bytes of two rows: what SMMLA takes. Two units u, u + 1 become two pairs by zip: rows 0 and 1 in vector u, rows
 * 2 and 3 in vector u + 1. Unpacking works byte by byte, so that it is the same for both, and the packed bytes are zipped, not the
 * unpacked ones: half as many or fewer.
 *
 * p is the panel's block, h the first of the four rows. Units of 16 rows stand side by side: unit u of rows h.. is 16 bytes at
 * field + 64 * u + 4 * h.
 */
#ifndef SUAN_KERNELS_ARM_WEIGHTS_H
#define SUAN_KERNELS_ARM_WEIGHTS_H

#include <arm_neon.h>
#include <string.h>

#include "kernels/blocks.h"

#define VEC static inline __attribute__((always_inline))

typedef uint8x16_t bytes;

VEC bytes byte_set(int x) {
    return vdupq_n_u8((uint8_t)x);
}
VEC bytes zip_low(bytes a, bytes b) {
    return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
VEC bytes zip_high(bytes a, bytes b) {
    return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
/* Vector u of a field, in either arrangement. */
VEC bytes unit(const uint8_t *field, int u, int h, bool pair) {
    const uint8_t *p = field + 4 * h;
    if (!pair) return vld1q_u8(p + 64 * u);
    bytes a = vld1q_u8(p + 64 * (u & ~1)), b = vld1q_u8(p + 64 * (u | 1));
    return u % 2 ? zip_high(a, b) : zip_low(a, b);
}
/* n units that were made from others than a field's. */
VEC void arrange(bytes *v, int n, bool pair) {
#pragma GCC unroll 4
    for (int i = 0; i < n && pair; i += 2) {
        bytes a = v[i], b = v[i + 1];
        v[i] = zip_low(a, b);
        v[i + 1] = zip_high(a, b);
    }
}
/* n is a constant where this is used; the instruction wants it written down. */
VEC bytes shift_down(bytes x, int n) {
    switch (n) {
    case 1:
        return vshrq_n_u8(x, 1);
    case 2:
        return vshrq_n_u8(x, 2);
    case 3:
        return vshrq_n_u8(x, 3);
    case 4:
        return vshrq_n_u8(x, 4);
    case 5:
        return vshrq_n_u8(x, 5);
    case 6:
        return vshrq_n_u8(x, 6);
    case 7:
        return vshrq_n_u8(x, 7);
    default:
        return x;
    }
}
VEC bytes low_nibble(bytes x) {
    return vandq_u8(x, byte_set(15));
}
VEC bytes high_nibble(bytes x) {
    return vshrq_n_u8(x, 4);
}

/* ---- blocks of 32: eight vectors */

/* Four units of nibbles: the low ones are values 0..15 of the block, the high ones 16..31. */
VEC void load_nibbles(bytes w[8], const uint8_t *field, int h, bool pair) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
        bytes x = unit(field, u, h, pair);
        w[u] = low_nibble(x);
        w[u + 4] = high_nibble(x);
    }
}
VEC void load_looked_up(bytes w[8], const int8_t table[16], const uint8_t *field, int h, bool pair) {
    bytes values = vreinterpretq_u8_s8(vld1q_s8(table));
    load_nibbles(w, field, h, pair);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) w[u] = vqtbl1q_u8(values, w[u]);
}
/* Adds the fifth bits: bit i of the four bytes of a row belongs to value i. Vector u of units takes nibble u of them, of pairs byte u / 2
 * of its two rows. */
VEC void add_fifth_bits(bytes w[8], const uint8_t *field, int h, bool pair) {
    static const uint8_t units[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
    static const uint8_t pairs[16] = {0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4};
    static const uint64_t bit[2] = {0x0804020108040201, 0x8040201080402010}, bit_pairs[2] = {0x8040201008040201, 0x8040201008040201};
    bytes qh = vld1q_u8(field + 4 * h);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        int first = pair ? u / 2 + u % 2 * 8 : u / 2;
        bytes flags = vqtbl1q_u8(qh, vaddq_u8(vld1q_u8(pair ? pairs : units), byte_set(first)));
        bytes mask = vreinterpretq_u8_u64(pair ? vld1q_u64(bit_pairs) : vdupq_n_u64(bit[u % 2]));
        w[u] = vorrq_u8(w[u], vandq_u8(vtstq_u8(flags, mask), byte_set(16)));
    }
}

typedef void weights_fn(bytes w[8], const uint8_t *p, int h, bool pair);
VEC void weights_q8_0(bytes w[8], const uint8_t *p, int h, bool pair) {
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) w[u] = unit(p + 32, u, h, pair);
}
VEC void weights_q4_0(bytes w[8], const uint8_t *p, int h, bool pair) {
    load_nibbles(w, p + 32, h, pair);
}
VEC void weights_q4_1(bytes w[8], const uint8_t *p, int h, bool pair) {
    load_nibbles(w, p + 64, h, pair);
}
VEC void weights_q5_0(bytes w[8], const uint8_t *p, int h, bool pair) {
    load_nibbles(w, p + 96, h, pair);
    add_fifth_bits(w, p + 32, h, pair);
}
VEC void weights_q5_1(bytes w[8], const uint8_t *p, int h, bool pair) {
    load_nibbles(w, p + 128, h, pair);
    add_fifth_bits(w, p + 64, h, pair);
}
VEC void weights_iq4_nl(bytes w[8], const uint8_t *p, int h, bool pair) {
    load_looked_up(w, suan__iq4_values, p + 32, h, pair);
}
VEC void weights_mxfp4(bytes w[8], const uint8_t *p, int h, bool pair) {
    load_looked_up(w, suan__fp4_values, p + 16, h, pair);
}

/* ---- blocks of 256: the vectors of sub-block s, four for sub-blocks of 16 values and eight for those of 32
 *
 * Shifting a field down leaves bits of its neighbours above; where the next step is a shift with insertion (sli), one mask at the end
 * takes them away. */
typedef void sub_weights_fn(bytes *w, const uint8_t *p, int h, int s, bool pair);

VEC void sub_weights_q2_k(bytes *w, const uint8_t *p, int h, int s, bool pair) {
    int k = s / 2 % 4;
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
        bytes x = unit(p + 256, s / 8 * 8 + s % 2 * 4 + u, h, pair);
        w[u] = k == 3 ? vshrq_n_u8(x, 6) : vandq_u8(shift_down(x, 2 * k), byte_set(3));
    }
}
VEC void sub_weights_q3_k(bytes *w, const uint8_t *p, int h, int s, bool pair) { /* 4 more than the value */
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
        bytes x = unit(p + 512, s / 8 * 8 + s % 2 * 4 + u, h, pair), high = unit(p, s % 2 * 4 + u, h, pair);
        x = vsliq_n_u8(shift_down(x, s / 2 % 4 * 2), shift_down(high, s / 2), 2);
        w[u] = vandq_u8(x, byte_set(7));
    }
}
VEC void sub_weights_q6_k(bytes *w, const uint8_t *p, int h, int s, bool pair) { /* 32 more than the value */
    int k = s / 2 % 4;
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
        bytes x = unit(p, s / 8 * 16 + s / 2 % 2 * 8 + s % 2 * 4 + u, h, pair), high = unit(p + 2048, s / 8 * 8 + s % 2 * 4 + u, h, pair);
        x = vsliq_n_u8(s / 4 % 2 ? high_nibble(x) : x, shift_down(high, 2 * k), 4);
        w[u] = k == 3 ? x : vandq_u8(x, byte_set(63));
    }
}
VEC void sub_weights_q4_k(bytes *w, const uint8_t *p, int h, int s, bool pair) {
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        bytes x = unit(p + 256, s / 2 * 8 + u, h, pair);
        w[u] = s % 2 ? high_nibble(x) : low_nibble(x);
    }
}
VEC void sub_weights_q5_k(bytes *w, const uint8_t *p, int h, int s, bool pair) {
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        bytes x = unit(p + 768, s / 2 * 8 + u, h, pair), high = unit(p + 256, u, h, pair);
        x = vsliq_n_u8(s % 2 ? high_nibble(x) : x, shift_down(high, s), 4);
        w[u] = s == 7 ? x : vandq_u8(x, byte_set(31));
    }
}
VEC void sub_weights_iq4_xs(bytes *w, const uint8_t *p, int h, int s, bool pair) {
    load_looked_up(w, suan__iq4_values, p + 128 + 256 * s, h, pair);
}

/* ---- sub-scales: byte s % 4 of the lanes of vector s / 4, or in pairs byte s % 8 of each row of vectors s / 8 * 2 (rows 0 and 1) and
 * s / 8 * 2 + 1; sc multiplies the weights, mn (where there is one) the sums of the activations */
typedef void scales_fn(bytes sc[4], bytes mn[4], const uint8_t *p, int h, bool pair);

VEC void scales_q2_k(bytes sc[4], bytes mn[4], const uint8_t *p, int h, bool pair) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        bytes both = unit(p, i, h, pair);
        sc[i] = low_nibble(both);
        mn[i] = high_nibble(both);
    }
}
VEC void scales_q3_k(bytes sc[4], bytes mn[4], const uint8_t *p, int h, bool pair) {
    bytes s0 = unit(p + 1536, 0, h, false), s1 = unit(p + 1536, 1, h, false), s2 = unit(p + 1536, 2, h, false), two = byte_set(48);
    sc[0] = vorrq_u8(low_nibble(s0), vandq_u8(vshlq_n_u8(s2, 4), two));
    sc[1] = vorrq_u8(low_nibble(s1), vandq_u8(vshlq_n_u8(s2, 2), two));
    sc[2] = vorrq_u8(high_nibble(s0), vandq_u8(s2, two));
    sc[3] = vorrq_u8(high_nibble(s1), vandq_u8(vshrq_n_u8(s2, 2), two));
    arrange(sc, 4, pair);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) mn[i] = sc[i] = vsubq_u8(sc[i], byte_set(32));
}
VEC void scales_q6_k(bytes sc[4], bytes mn[4], const uint8_t *p, int h, bool pair) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) mn[i] = sc[i] = unit(p + 3072, i, h, pair);
}
VEC void scales_q4_k(bytes sc[4], bytes mn[4], const uint8_t *p, int h, bool pair) {
    bytes s0 = unit(p + 64, 0, h, false), s1 = unit(p + 64, 1, h, false), s2 = unit(p + 64, 2, h, false);
    sc[0] = vandq_u8(s0, byte_set(63));
    mn[0] = vandq_u8(s1, byte_set(63));
    sc[1] = vorrq_u8(low_nibble(s2), vshlq_n_u8(vshrq_n_u8(s0, 6), 4));
    mn[1] = vorrq_u8(high_nibble(s2), vshlq_n_u8(vshrq_n_u8(s1, 6), 4));
    arrange(sc, 2, pair);
    arrange(mn, 2, pair);
}
/* Four bits of each of the eight scales in four bytes, two bits in two more. */
VEC void scales_iq4_xs(bytes sc[4], bytes mn[4], const uint8_t *p, int h, bool pair) {
    static const uint8_t halves[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static const int8_t down[4] = {0, -2, -4, -6};
    bytes sl = unit(p + 64, 0, h, false), low = low_nibble(sl), high = high_nibble(sl), order = vld1q_u8(halves), sh;
    int32_t four;
    memcpy(&four, down, 4);
    sh = vcombine_u8(vld1_u8(p + 32 + 2 * h), vdup_n_u8(0));
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        bytes top = vqtbl1q_u8(sh, vaddq_u8(order, byte_set(4 * i)));
        top = vandq_u8(vshlq_u8(top, vreinterpretq_s8_s32(vdupq_n_s32(four))), byte_set(3));
        sc[i] = vorrq_u8(i ? vzip2q_u8(low, high) : vzip1q_u8(low, high), vshlq_n_u8(top, 4));
        sc[i] = vsubq_u8(sc[i], byte_set(32));
    }
    if (!pair) {
        uint32x4_t a = vreinterpretq_u32_u8(sc[0]), b = vreinterpretq_u32_u8(sc[1]);
        sc[0] = vreinterpretq_u8_u32(vuzp1q_u32(a, b));
        sc[1] = vreinterpretq_u8_u32(vuzp2q_u32(a, b));
    }
}

#endif
