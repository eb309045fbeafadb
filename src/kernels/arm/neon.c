/* neon.c: the operations of ../simd for Advanced SIMD, which every AArch64 processor has: 4 lanes. */
#include "kernels/isa.h"
#include "kernels/simd/vec_neon.h"

#include "kernels/simd/fill.h"

void suan__kernels_overlay_neon(suan__kernels *t) {
    t->name = "neon";
    fill(t);
}
