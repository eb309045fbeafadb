/* inputs.h: generators of test input: random and adversarial vectors, and valid random blocks of every weight type. All are functions of a
 * seed, so that a failing case can be repeated. */
#ifndef SUAN_TESTS_KERNELS_INPUTS_H
#define SUAN_TESTS_KERNELS_INPUTS_H

#include "base/dtype.h"

typedef struct inputs {
    uint64_t state;
} inputs;

/* A generator from a seed; the same everywhere. */
void inputs_init(inputs *in, uint64_t seed);
uint32_t inputs_u32(inputs *in);
/* 0 .. n - 1 */
uint32_t inputs_below(inputs *in, uint32_t n);
/* in [-1, 1) */
float inputs_unit(inputs *in);

/* Kinds of f32 vectors. All values are finite. X(kind): */
#define INPUTS_KINDS(X)                                                          \
    X(NORMAL)    /* about a bell of width 1 */                                   \
    X(WIDE)      /* any exponent from 2^-40 to 2^40 */                           \
    X(NEAR_ZERO) /* some 2^-120, below the threshold of the q8 rows and above */ \
    X(NEAR_MAX)  /* up to the largest finite value */                            \
    X(SUBNORMAL)                                                                 \
    X(ALTERNATING) /* signs alternate, sizes equal: sums cancel */               \
    X(ZEROS)       /* +0 and -0 */                                               \
    X(SPARSE)      /* zeros of both signs, and a few values */                   \
    X(TIES)        /* multiples of a half: roundings half way */                 \
    X(OUTLIER)     /* small ones, and one of 2^20 */
enum inputs_kind {
#define INPUTS_ENUM(kind) INPUTS_##kind,
    INPUTS_KINDS(INPUTS_ENUM)
#undef INPUTS_ENUM
        INPUTS_N_KINDS
};
const char *inputs_kind_name(int kind);
void inputs_f32(inputs *in, int kind, float *x, size_t n);
/* The same kinds as far as binary16 holds them (finite values). */
void inputs_f16(inputs *in, int kind, uint16_t *x, size_t n);

/* Kinds of blocks: random bytes everywhere, and for the scales: */
enum inputs_block_kind {
    INPUTS_BLOCK_NORMAL,    /* about 2^-7, either sign */
    INPUTS_BLOCK_ANY,       /* any finite binary16 of either sign, subnormal and zero too; any exponent for MXFP4 whose values are finite */
    INPUTS_BLOCK_SUBNORMAL, /* subnormal or zero */
    INPUTS_BLOCK_SET,       /* all other bits set */
    INPUTS_BLOCK_CLEAR,     /* all other bits clear */
    INPUTS_N_BLOCK_KINDS
};
/* k values of a row of a type with blocks of SUAN__WEIGHT_MAP (floats: INPUTS_BLOCK_NORMAL gives values near 2^-7, others any finite). */
void inputs_row(inputs *in, suan__dtype type, int kind, void *row, size_t k);

#endif
