/* emulated.h: products of tiles on an emulated tile unit, each compiled for a vector that this machine may have. */
#ifndef TESTS_KERNELS_EMULATED_H
#define TESTS_KERNELS_EMULATED_H

#include "kernels/kernels.h"

/* They fill matmul_tiles. */
void emulated_tiles_avx2(suan__kernels *t);
void emulated_tiles_avx512(suan__kernels *t);

#endif
