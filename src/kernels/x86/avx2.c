/* avx2.c: the operations of ../simd for AVX2 with FMA and F16C: 8 lanes. */
#include "kernels/isa.h"
#include "kernels/simd/vec_avx2.h"

#include "kernels/simd/fill.h"

void suan__kernels_overlay_avx2(suan__kernels *t) {
    t->name = "avx2";
    fill(t);
}
