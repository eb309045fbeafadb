/* f16.h: binary16 and bfloat16 to and from binary32 by integer operations: exact one way, nearest even the other, on any compiler. */
#ifndef SUAN_KERNELS_F16_H
#define SUAN_KERNELS_F16_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline float suan__f32_from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline uint32_t suan__f32_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* Exact. The exponent is moved by a multiplication, which also normalises subnormals; infinities and NaNs get the top exponent back. */
static inline float suan__f16_to_f32(uint16_t h) {
    uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    if (magnitude >= 0x7c00u << 13) return suan__f32_from_bits(sign | 0x7f800000u | (magnitude & 0x7fffff));
    return suan__f32_from_bits(sign | suan__f32_bits(suan__f32_from_bits(magnitude) * 0x1p112f));
}

/* Nearest even; above 65519.99 an infinity; a NaN stays one. */
static inline uint16_t suan__f32_to_f16(float f) {
    uint32_t u = suan__f32_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520: half way between the largest finite value and 2^16 */
    if (a < 0x38800000) {                                  /* below 2^-14: adding 0.5 leaves the rounded count of 2^-24 in the low bits */
        return (uint16_t)(sign | (suan__f32_bits(suan__f32_from_bits(a) + 0.5f) - 0x3f000000));
    }
    a += 0xfff + (a >> 13 & 1);
    return (uint16_t)(sign | (a - 0x38000000) >> 13);
}

static inline float suan__bf16_to_f32(uint16_t h) {
    return suan__f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t suan__f32_to_bf16(float f) {
    uint32_t u = suan__f32_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 64);
    return (uint16_t)((u + (0x7fff + (u >> 16 & 1))) >> 16);
}

/* The value of an e4m3 code, exact: exponent and mantissa go where binary32 has them, and the bias is a multiplication, which also normalises
 * subnormals. The code of all ones is a NaN; there are no infinities. */
static inline float suan__e4m3_to_f32(uint8_t code) {
    uint32_t sign = (uint32_t)(code & 0x80) << 24;
    if ((code & 0x7f) == 0x7f) return suan__f32_from_bits(sign | 0x7fc00000);
    return suan__f32_from_bits(sign | suan__f32_bits(suan__f32_from_bits((uint32_t)(code & 0x7f) << 20) * 0x1p120f));
}

/* 2^(e - 128): the scale that meets the doubled integers of MXFP4; exact, subnormal for e < 2. */
static inline float suan__e8m0_half(uint8_t e) {
    return suan__f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

#endif
