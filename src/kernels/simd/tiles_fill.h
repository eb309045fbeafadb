/* tiles_fill.h: blocks of panels as tiles of bytes, for matmul_tiles.h. A panel's units of four bytes, 16 rows side by side, are such a tile
 * already; what is left is to make whole bytes of them.
 *
 * Sub-scales (blocks of 256) are multiplied in, exactly. A product of four bytes with a factor is one multiplication of 16-bit halves as
 * long as no byte's product reaches the next byte. Bounds:
 *
 *   Q2_K          3 * 15 = 45                        one plane
 *   Q3_K          -(-4..3) * (-32..31): -128..124    one plane, negated (128 is no byte)
 *   Q4_K, Q5_K    15 or 31 times 63: the scale is 8 * high + low, each at most 7: planes of at most 217, unsigned
 *   Q6_K, IQ4_XS  |product| <= 4096: 128 * high + low, low 0..127, high -32..32
 */
#ifndef SUAN_KERNELS_SIMD_TILES_FILL_H
#define SUAN_KERNELS_SIMD_TILES_FILL_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"

#define SUAN__TILES_BYTES 16384 /* weights of a chunk, in bytes of tiles: a third of the first-level cache */

/* The weights of one panel's chunk. Unit u of block b (of plane q): bytes[(b * planes + q) * (block / 4) + u], 16 rows of 4 bytes. */
typedef struct tiles_weights {
    uint8_t bytes[SUAN__TILES_BYTES / 64][64];
    uint8_t mins[2][4][64]; /* [block of 256]: for each 16 values the minimum, unsigned, below 64 */
    float d[32][SUAN__PANEL], min[32][SUAN__PANEL];
} tiles_weights;

/* Block b of the chunk, which stands at p in the panel. */
typedef void tiles_fill_fn(tiles_weights *w, int b, const uint8_t *p);

VEC vi each_byte(unsigned x) {
    return vi_set1((int)(x * 0x01010101u));
}
VEC vi load_unit(const uint8_t *field, int u, int g) {
    return vi_load(field + 64 * u + 4 * g);
}
/* g: the first of VL rows. */
VEC void put_unit(uint8_t dst[64], int g, vi x) {
    memcpy(dst + 4 * g, &x, sizeof(x));
}
VEC vi nibble(vi x, int i) {
    return vi_and(i ? vi_shr(x, 4) : x, each_byte(15));
}
/* Bits `mask` of each byte, moved down by n or up by -n. */
VEC vi bits_down(vi x, int n, unsigned mask) {
    return vi_and(n < 0 ? vi_shl(x, -n) : vi_shr(x, n), each_byte(mask));
}
VEC void put_scale(float dst[SUAN__PANEL], const uint8_t *halves) {
    for (int g = 0; g < SUAN__PANEL; g += VL) vf_store(dst + g, vf_load_f16(halves + 2 * g));
}
#define FOR_ROWS(g) for (int g = 0; g < SUAN__PANEL; g += VL)

/* ---- blocks of 32 */

static void fill_q8_0(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    memcpy(w->bytes[8 * b], p + 32, 512);
}

/* 32 nibbles of a row, less `offset`, or looked up in a table. */
VEC void fill_nibbles(tiles_weights *w, int b, const uint8_t *field, int offset, const int8_t *table) {
    FOR_ROWS(g) {
#pragma GCC unroll 8
        for (int u = 0; u < 8; u++) {
            vi x = nibble(load_unit(field, u % 4, g), u / 4);
            put_unit(w->bytes[8 * b + u], g,
                     table    ? vi_lookup(vi_table(table), x)
                     : offset ? vi_sub_bytes(x, each_byte((unsigned)offset))
                              : x);
        }
    }
}
static void fill_q4_0(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    fill_nibbles(w, b, p + 32, 8, NULL);
}
static void fill_i4_bf16(tiles_weights *w, int b, const uint8_t *p) {
    FOR_ROWS(g) vf_store(w->d[b] + g, vf_load_bf16(p + 2 * g));
    fill_nibbles(w, b, p + 32, 8, NULL);
}
static void fill_q4_1(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    put_scale(w->min[b], p + 32);
    fill_nibbles(w, b, p + 64, 0, NULL);
}
static void fill_iq4_nl(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    fill_nibbles(w, b, p + 32, 0, suan__iq4_values);
}
/* The scale 2^(e - 128): bits of a float, below e = 2 a subnormal. */
static void fill_mxfp4(tiles_weights *w, int b, const uint8_t *p) {
    for (int r = 0; r < SUAN__PANEL; r++) {
        uint32_t bits = p[r] >= 2 ? (uint32_t)(p[r] - 1) << 23 : 0x00200000u << p[r];
        memcpy(&w->d[b][r], &bits, 4);
    }
    fill_nibbles(w, b, p + 16, 0, suan__fp4_values);
}

/* Bits 4u .. 4u + 3 of `fifth` are the fifth bits of unit u: spread to a byte each by a product. */
VEC void fill_five(tiles_weights *w, int b, const uint8_t *fifth, const uint8_t *field, int offset) {
    FOR_ROWS(g) {
        vi flags = load_unit(fifth, 0, g);
#pragma GCC unroll 8
        for (int u = 0; u < 8; u++) {
            vi four = vi_and(vi_shr(flags, 4 * u), vi_set1(15));
            vi x = vi_or(nibble(load_unit(field, u % 4, g), u / 4), vi_and(vi_mul(four, vi_set1(0x02040810)), each_byte(16)));
            put_unit(w->bytes[8 * b + u], g, offset ? vi_sub_bytes(x, each_byte((unsigned)offset)) : x);
        }
    }
}
static void fill_q5_0(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    fill_five(w, b, p + 32, p + 96, 16);
}
static void fill_q5_1(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    put_scale(w->min[b], p + 32);
    fill_five(w, b, p + 64, p + 128, 0);
}

/* ---- blocks of 256 */

/* Byte i of each lane in both halves: a factor for bytes that leave room (zero-extended), or as a number (sign-extended). */
VEC vi factor_u8(vi scales, int i) {
    return vi_pick(scales, i, -1, i, -1);
}
VEC vi factor_s8(vi scales, int i) {
    vi x = vi_sra(vi_shl(scales, 24 - 8 * i), 24);
    return vi_or(vi_shl(x, 16), vi_and(x, vi_set1(0xffff)));
}

/* Sixteen bytes of minimums, four to a lane, as they are. */
VEC void put_mins(tiles_weights *w, int b, int g, const vi mins[4]) {
    for (int i = 0; i < 4; i++) put_unit(w->mins[b][i], g, mins[i]);
}

static void fill_q2_k(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p + 1280);
    put_scale(w->min[b], p + 1312);
    FOR_ROWS(g) {
        vi mins[4];
#pragma GCC unroll 16
        for (int s = 0; s < 16; s++) {
            vi both = load_unit(p, s / 4, g), factor = factor_u8(nibble(both, 0), s % 4);
            mins[s / 4] = nibble(both, 1);
            for (int u = 0; u < 4; u++) {
                vi x = bits_down(load_unit(p + 256, s / 8 * 8 + s % 2 * 4 + u, g), s / 2 % 4 * 2, 3);
                put_unit(w->bytes[64 * b + 4 * s + u], g, vi_mul_16(x, factor));
            }
        }
        put_mins(w, b, g, mins);
    }
}

/* (4 - x) * scale in each byte, x 0..7: modulo 256, in which the even bytes' products are right as they are, and the odd ones' where the
 * even byte is zero. */
VEC vi negated_q3(vi x, vi factor) {
    vi four_less = vi_sub_bytes(each_byte(4), x), high = vi_set1((int)0xff00ff00u), low = vi_set1(0x00ff00ff);
    return vi_or(vi_and(vi_mul_16(four_less, factor), low), vi_mul_16(vi_and(four_less, high), factor));
}
static void fill_q3_k(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p + 1728);
    FOR_ROWS(g) {
        vi s0 = load_unit(p + 1536, 0, g), s1 = load_unit(p + 1536, 1, g), s2 = load_unit(p + 1536, 2, g);
        const vi scale[4] = {vi_or(nibble(s0, 0), bits_down(s2, -4, 48)), vi_or(nibble(s1, 0), bits_down(s2, -2, 48)),
                             vi_or(nibble(s0, 1), bits_down(s2, 0, 48)), vi_or(nibble(s1, 1), bits_down(s2, 2, 48))};
#pragma GCC unroll 16
        for (int s = 0; s < 16; s++) {
            vi factor = factor_u8(vi_sub_bytes(scale[s / 4], each_byte(32)), s % 4);
            for (int u = 0; u < 4; u++) {
                vi two = bits_down(load_unit(p + 512, s / 8 * 8 + s % 2 * 4 + u, g), s / 2 % 4 * 2, 3);
                vi third = bits_down(load_unit(p, s % 2 * 4 + u, g), s / 2 - 2, 4);
                put_unit(w->bytes[64 * b + 4 * s + u], g, negated_q3(vi_or(two, third), factor));
            }
        }
    }
}

/* Q4_K and Q5_K: eight scales and minimums of six bits; a minimum serves two of the sixteen sums. */
VEC void fill_q45_k(tiles_weights *w, int b, const uint8_t *p, bool five) {
    const uint8_t *qs = p + (five ? 768 : 256);
    put_scale(w->d[b], p);
    put_scale(w->min[b], p + 32);
    FOR_ROWS(g) {
        vi s0 = load_unit(p + 64, 0, g), s1 = load_unit(p + 64, 1, g), s2 = load_unit(p + 64, 2, g);
        const vi scale[2] = {bits_down(s0, 0, 63), vi_or(nibble(s2, 0), bits_down(s0, 2, 48))};
        const vi min[2] = {bits_down(s1, 0, 63), vi_or(nibble(s2, 1), bits_down(s1, 2, 48))};
        const vi mins[4] = {vi_pick(min[0], 0, 0, 1, 1), vi_pick(min[0], 2, 2, 3, 3), vi_pick(min[1], 0, 0, 1, 1),
                            vi_pick(min[1], 2, 2, 3, 3)};
        put_mins(w, b, g, mins);
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            vi both = factor_u8(scale[j / 4], j % 4), low = vi_and(both, vi_set1(0x00070007)), high = vi_shr(both, 3);
            high = vi_and(high, vi_set1(0x00070007));
            for (int u = 0; u < 8; u++) {
                vi x = nibble(load_unit(qs, j / 2 * 8 + u, g), j % 2);
                if (five) x = vi_or(x, bits_down(load_unit(p + 256, u, g), j - 4, 16));
                put_unit(w->bytes[128 * b + 8 * j + u], g, vi_mul_16(x, low));
                put_unit(w->bytes[128 * b + 64 + 8 * j + u], g, vi_mul_16(x, high));
            }
        }
    }
}
static void fill_q4_k(tiles_weights *w, int b, const uint8_t *p) {
    fill_q45_k(w, b, p, false);
}
static void fill_q5_k(tiles_weights *w, int b, const uint8_t *p) {
    fill_q45_k(w, b, p, true);
}

/* The signed bytes of x times the factor, cut into planes: even and odd bytes as 16-bit numbers. */
VEC void put_two_planes(tiles_weights *w, int b, int u, int g, vi x, vi factor) {
    vi byte = vi_set1(0x00ff00ff), seven = vi_set1(0x007f007f);
    vi even = vi_mul_16(vi_sra_16(vi_shl(vi_and(x, byte), 8), 8), factor), odd = vi_mul_16(vi_sra_16(x, 8), factor);
    put_unit(w->bytes[128 * b + u], g, vi_or(vi_and(even, seven), vi_shl(vi_and(odd, seven), 8)));
    put_unit(w->bytes[128 * b + 64 + u], g, vi_or(vi_and(vi_shr(even, 7), byte), vi_shl(vi_and(vi_shr(odd, 7), byte), 8)));
}

static void fill_q6_k(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p + 3328);
    FOR_ROWS(g) {
#pragma GCC unroll 16
        for (int s = 0; s < 16; s++) {
            vi factor = factor_s8(load_unit(p + 3072, s / 4, g), s % 4);
            for (int u = 0; u < 4; u++) {
                vi four = nibble(load_unit(p, s / 8 * 16 + s / 2 % 2 * 8 + s % 2 * 4 + u, g), s / 4 % 2);
                vi two = bits_down(load_unit(p + 2048, s / 8 * 8 + s % 2 * 4 + u, g), s / 2 % 4 * 2 - 4, 48);
                put_two_planes(w, b, 4 * s + u, g, vi_sub_bytes(vi_or(four, two), each_byte(32)), factor);
            }
        }
    }
}

static void fill_iq4_xs(tiles_weights *w, int b, const uint8_t *p) {
    put_scale(w->d[b], p);
    FOR_ROWS(g) {
        vi high = vi_load_u16(p + 32 + 2 * g), low = load_unit(p + 64, 0, g), table = vi_table(suan__iq4_values);
        for (int j = 0; j < 8; j++) {
            vi scale = vi_or(vi_and(vi_shr(low, 4 * j), vi_set1(15)), vi_shl(vi_and(vi_shr(high, 2 * j), vi_set1(3)), 4));
            scale = vi_sub(scale, vi_set1(32));
            vi factor = vi_or(vi_shl(scale, 16), vi_and(scale, vi_set1(0xffff)));
            for (int u = 0; u < 8; u++)
                put_two_planes(w, b, 8 * j + u, g, vi_lookup(table, nibble(load_unit(p + 128 + 256 * j, u % 4, g), u / 4)), factor);
        }
    }
}

#endif
