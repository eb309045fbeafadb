/* random.c: random weights, fast: blocks are filled with random bits and get scales for which the values come out right.
 *
 * Quantised values are uniform over their codes, so their deviation is known. Codes whose mean is not zero are centred by the block's
 * minimum where it has one, by the random sign of the scale otherwise: a mean would add up over inputs and layers.
 */
#include <string.h>

#include "base/random.h"
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "model/plan.h"

static void put_u16(uint8_t *p, uint16_t h) {
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

/* Byte i of the stream of bits: Philox block i / 16 of (key, i_block). */
static void fill(uint8_t *p, size_t n, uint64_t key, uint64_t i_block) {
    uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, out[4], counter[4] = {0, 0, (uint32_t)i_block, (uint32_t)(i_block >> 32)};
    for (; n >= sizeof out; n -= sizeof out, p += sizeof out, counter[0]++) {
        suan__philox4x32(counter, k, out);
        memcpy(p, out, sizeof out);
    }
    if (n == 0) return;
    suan__philox4x32(counter, k, out);
    memcpy(p, out, n);
}

/* A scale with a random sign: the sign of the low bit of r. */
static void put_signed(uint8_t *p, float d, uint8_t r) {
    put_u16(p, (uint16_t)(suan__f32_to_f16(d) ^ (uint16_t)(r & 1) << 15));
}

/* Twelve bytes of six-bit scales and minimums, all of them 8 to 15, each minimum equal to its scale. */
static void k4_scales(uint8_t *s) {
    for (int g = 0; g < 4; g++) {
        uint8_t a = (uint8_t)(8 | (s[g] & 7)), b = (uint8_t)(8 | (s[g + 4] & 7));
        s[g] = s[g + 4] = a;
        s[g + 8] = (uint8_t)(b | b << 4);
    }
}

/* Superblocks of 256 values, filled with random bits. one: the deviation that values must have. */
static bool fix_superblock(suan__dtype type, uint8_t *p, float one) {
    switch (type) {
    case SUAN__Q2_K: /* 16 bytes of scales and minimums, 64 of codes, d, dmin; scales 0..15: rms 8.8; codes: 1.5 +- 1.118 */
        for (int i = 0; i < 16; i++) p[i] = (uint8_t)((p[i] & 15) | p[i] << 4);
        put_u16(p + 80, suan__f32_to_f16(one / 9.84f));
        put_u16(p + 82, suan__f32_to_f16(1.5f * one / 9.84f));
        return true;
    case SUAN__Q3_K: /* scales -32..31: rms 18.5; codes -4..3: 2.35 */
        put_u16(p + 108, suan__f32_to_f16(one / 43.4f));
        return true;
    case SUAN__Q4_K: /* scales 8..15: rms 11.7; codes 7.5 +- 4.61 */
        k4_scales(p + 4);
        put_u16(p, suan__f32_to_f16(one / 54.1f));
        put_u16(p + 2, suan__f32_to_f16(7.5f * one / 54.1f));
        return true;
    case SUAN__Q5_K: /* codes 15.5 +- 9.23 */
        k4_scales(p + 4);
        put_u16(p, suan__f32_to_f16(one / 108.3f));
        put_u16(p + 2, suan__f32_to_f16(15.5f * one / 108.3f));
        return true;
    case SUAN__Q6_K: /* scales +-(2..5): rms 3.67; codes -32..31: 18.5 */
        for (int i = 192; i < 208; i++) p[i] = (uint8_t)(p[i] & 128 ? -(2 + (p[i] & 3)) : 2 + (p[i] & 3));
        put_u16(p + 208, suan__f32_to_f16(one / 67.8f));
        return true;
    case SUAN__IQ4_XS: { /* d, high bits of scales, low bits, codes; scales -2, -1, 1, 2: rms 1.58; values of the table: 67.4 */
        static const uint8_t scales[4] = {30, 31, 33, 34};
        uint32_t high = 0;
        for (int i = 0; i < 4; i++) {
            uint8_t a = scales[p[4 + i] & 3], b = scales[p[4 + i] >> 2 & 3];
            p[4 + i] = (uint8_t)((a & 15) | (b & 15) << 4);
            high |= (uint32_t)(a >> 4) << (4 * i) | (uint32_t)(b >> 4) << (4 * i + 2);
        }
        put_u16(p + 2, (uint16_t)high);
        put_u16(p, suan__f32_to_f16(one / 106.6f));
        return true;
    }
    default:
        return false;
    }
}

/* Blocks of 32 values. */
static bool fix_block(suan__dtype type, uint8_t *p, float one) {
    switch (type) {
    case SUAN__Q8_0: /* codes -127..127: 73.6 */
        for (int i = 2; i < 34; i++) p[i] = p[i] == 128 ? 0 : p[i];
        put_u16(p, suan__f32_to_f16(one / 73.6f));
        return true;
    case SUAN__Q4_0: /* codes -8..7: 4.64 */
        put_signed(p, one / 4.64f, p[0]);
        return true;
    case SUAN__Q4_1:
        put_u16(p, suan__f32_to_f16(one / 4.61f));
        put_u16(p + 2, suan__f32_to_f16(-7.5f * one / 4.61f));
        return true;
    case SUAN__Q5_0: /* codes -16..15: 9.25 */
        put_signed(p, one / 9.25f, p[0]);
        return true;
    case SUAN__Q5_1:
        put_u16(p, suan__f32_to_f16(one / 9.23f));
        put_u16(p + 2, suan__f32_to_f16(-15.5f * one / 9.23f));
        return true;
    case SUAN__IQ4_NL:
        put_signed(p, one / 67.4f, p[0]);
        return true;
    case SUAN__MXFP4: { /* the power of two nearest to one / 2.92, 2.92 the deviation of its codes */
        int e = 127;
        for (float x = one / 2.92f; x <= 0.7071f && e > 1; x *= 2) e--;
        p[0] = (uint8_t)e;
        return true;
    }
    default:
        return false;
    }
}

/* Uniform values between -a and a. Floats of 32 bits take four bytes of the stream each, others two. */
static void fill_float(suan__dtype type, uint8_t *dst, size_t n, uint64_t key, uint64_t i_block, float a) {
    uint8_t bits[1024];
    size_t size = type == SUAN__F32 ? 4 : 2, values = n < 256 ? n : 256;
    fill(bits, values * size, key, i_block);
    for (size_t i = 0; i < values; i++) {
        if (type == SUAN__F32) {
            uint32_t r;
            memcpy(&r, bits + 4 * i, 4);
            float x = ((float)(r >> 8) - 8388607.5f) * (a * 0x1p-23f);
            memcpy(dst + 4 * i, &x, 4);
        } else {
            float x = ((float)(bits[2 * i] | bits[2 * i + 1] << 8) - 32767.5f) * (a * 0x1p-15f);
            put_u16(dst + 2 * i, type == SUAN__F16 ? suan__f32_to_f16(x) : suan__f32_to_bf16(x));
        }
    }
}

void suan__random_weights(suan__dtype type, void *dst, uint64_t k, uint64_t begin, size_t n, uint64_t key) {
    const suan__dtype_info *info = suan__dtype_get(type);
    float one = (float)(1 / __builtin_sqrt((double)k));
    uint8_t *p = dst;
    if (info->block == 1) {
        for (size_t at = 0; at < n; at += 256) fill_float(type, p + at * info->bytes, n - at, key, (begin + at) / 256, 1.7320508f * one);
        return;
    }
    for (size_t at = 0; at < n; at += 256) { /* random bits for 256 values at a time: a block alone would leave part of its last 16 bytes */
        size_t n_blocks = (n - at < 256 ? n - at : 256) / info->block;
        fill(p, n_blocks * info->bytes, key, (begin + at) / 256);
        for (size_t i = 0; i < n_blocks; i++, p += info->bytes)
            if (!fix_block(type, p, one)) fix_superblock(type, p, one);
    }
}

void suan__random_ids(int32_t *dst, uint64_t k, uint64_t begin, size_t n, uint32_t limit, uint64_t key) {
    const uint32_t keys[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    for (size_t i = 0; i < n; i++) {
        uint64_t row = (begin + i) / k;
        uint32_t counter[4] = {(uint32_t)row, (uint32_t)(row >> 32), 0, 0}, out[4];
        suan__philox4x32(counter, keys, out);
        dst[i] = (int32_t)((out[0] % limit + (begin + i) % k) % limit);
    }
}
