/* dequantize.h: the functions behind suan__dequantize_row, one block each. */
#ifndef SUAN_KERNELS_DEQUANTIZE_H
#define SUAN_KERNELS_DEQUANTIZE_H

#include "kernels/f16.h"

/* y[values of a block] from the bytes of a block. */
typedef void suan__dequantize_block_fn(float *y, const uint8_t *p);

suan__dequantize_block_fn suan__dequantize_iq2_xxs, suan__dequantize_iq2_xs, suan__dequantize_iq2_s, suan__dequantize_iq3_xxs,
    suan__dequantize_iq3_s, suan__dequantize_iq1_s, suan__dequantize_iq1_m;

static inline uint32_t suan__u16_at(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t suan__u32_at(const uint8_t *p) {
    return suan__u16_at(p) | suan__u16_at(p + 2) << 16;
}
static inline float suan__half_at(const uint8_t *p) {
    return suan__f16_to_f32((uint16_t)suan__u16_at(p));
}

#endif
