/* iq_grids.h: the grids of ggml's IQ types. An entry is a small vector whose elements are indices, element 0 in the lowest bits:
 * IQ2_*: 8 elements of 2 bits for 8, 25, 43; IQ1_*: 8 of 2 bits for -1, 0, 1; IQ3_XXS: 4 of 3 bits for 4, 12, 20, 28, 36, 44, 52, 62;
 * IQ3_S: 4 of 3 bits for 1, 3, ..., 15. */
#ifndef SUAN_KERNELS_IQ_GRIDS_H
#define SUAN_KERNELS_IQ_GRIDS_H

#include <stdint.h>

extern const uint16_t suan__iq2_xxs_grid[256];
extern const uint16_t suan__iq2_xs_grid[512];
extern const uint16_t suan__iq2_s_grid[1024];
extern const uint16_t suan__iq3_xxs_grid[256];
extern const uint16_t suan__iq3_s_grid[512];
extern const uint16_t suan__iq1_grid[2048];

#endif
