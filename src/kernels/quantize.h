/* quantize.h: the functions behind suan__quantize_row, one block each. */
#ifndef SUAN_KERNELS_QUANTIZE_H
#define SUAN_KERNELS_QUANTIZE_H

#include <stdint.h>

/* The bytes of a block from its values, finite ones. */
typedef void suan__quantize_block_fn(uint8_t *p, const float *x);

#endif
