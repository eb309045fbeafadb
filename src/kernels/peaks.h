/* peaks.h: what a core can do at best, measured: sums in registers that do not wait for each other, and reading. What suan bench divides by.
 *
 * A level's peak is that of the instructions its kernels are made of, and of nothing around them: no kernel can be faster.
 */
#ifndef SUAN_KERNELS_PEAKS_H
#define SUAN_KERNELS_PEAKS_H

#include <stddef.h>
#include <stdint.h>

/* Does some 10^7 operations of one kind and says how many; a multiply-add counts as two. */
typedef uint64_t suan__peak_fn(void);
/* Reads n bytes (a multiple of 1024) in `streams` parts side by side (1, 2 or 4); ahead: how many bytes before its use a line is asked for, 0:
 * left to the processor. The result depends on all bytes. */
typedef uint64_t suan__peak_read_fn(const void *p, size_t n, int streams, size_t ahead);

typedef struct suan__peaks {
    const char *level;       /* of the kernels */
    const char *int8_name;   /* the instruction for integer products, for people */
    suan__peak_fn *int8;     /* products of bytes with sums of 32 bits; AVX2's of 16 bits, what widens them is left out */
    const char *vector_name; /* the same within vectors, where int8 is a matrix instruction; NULL: there is no other */
    suan__peak_fn *vector;
    suan__peak_fn *f32; /* fma */
    suan__peak_read_fn *read;
} suan__peaks;

/* Of the level of this name, which the processor must have; of C for an unknown one. */
const suan__peaks *suan__peaks_get(const char *level);

#endif
