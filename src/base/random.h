/* random.h: Philox4x32-10, a counter-based generator: the same counter and key give the same bits, in any order, on any machine.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; vectors of the Random123 distribution. */
#ifndef SUAN_BASE_RANDOM_H
#define SUAN_BASE_RANDOM_H
#include <stdint.h>
void suan__philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* The top 24 bits of x as a float in [0, 1). */
static inline float suan__unit_f32(uint32_t x) {
    return (float)(x >> 8) * 0x1p-24f;
}
#endif
