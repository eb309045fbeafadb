/* quantize.h: the functions behind suan__quantize_row, one block each. */
#ifndef SUAN_KERNELS_QUANTIZE_H
#define SUAN_KERNELS_QUANTIZE_H

#include "kernels/f16.h"

/* The bytes of a block from its values, finite ones. */
typedef void suan__quantize_block_fn(uint8_t *p, const float *x);

suan__quantize_block_fn suan__quantize_q2_k, suan__quantize_q3_k, suan__quantize_q4_k, suan__quantize_q5_k, suan__quantize_q6_k,
    suan__quantize_iq4_nl, suan__quantize_iq4_xs, suan__quantize_mxfp4;

/* A scale as binary16: nearest even, but never an infinity: what is too large becomes the largest finite value. */
static inline uint16_t suan__scale_bits(float f) {
    uint16_t h = suan__f32_to_f16(f);
    return (h & 0x7fff) == 0x7c00 ? (uint16_t)(h - 1) : h;
}
static inline void suan__put_u16(uint8_t *p, uint16_t h) {
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

#endif
