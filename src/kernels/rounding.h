/* rounding.h: the round trips through 8 and 4 bits, and the Hadamard rotation, that the published code of DeepSeek-V3.2 and V4 makes between two operations (--rounding
 * published). Plain C at every level: a few thousand values a token.
 *
 * Scales are powers of two, so dividing by one and multiplying with it is exact; the rounding to the small type is the only one.
 * Source: the published inference code (act_quant, fp4 act_quant, rotate_activation); architectures.md 10.2 and 11.4 to 11.6. */
#ifndef SUAN_KERNELS_ROUNDING_H
#define SUAN_KERNELS_ROUNDING_H

#include <stddef.h>

/* In place, for each `block` values (the last block may be shorter): s the least power of two with max(amax, 1e-4) <= 448 s, x = e4m3(x / s) * s, nearest even. x finite. */
void suan__round_fp8(float *x, size_t n, size_t block);
/* The same with s the least power of two with max(amax, 6 * 2^-126) <= 6 s, and the values 0 0.5 1 1.5 2 3 4 6 with sign, ties to the even code. */
void suan__round_fp4(float *x, size_t n, size_t block);
/* In place: the Walsh-Hadamard transform in natural order of n (a power of two) values, times n^-0.5 rounded to f32. Steps of 1, 2, 4, ...: (a, b) -> (a + b, a - b). */
void suan__hadamard(float *x, size_t n);

#endif
