/* avx512.c: the operations of ../simd for AVX-512 (F, BW, VL, DQ, VNNI): 16 lanes. */
#include "kernels/isa.h"
#include "kernels/simd/vec_avx512.h"

#include "kernels/simd/fill.h"

void suan__kernels_overlay_avx512(suan__kernels *t) {
    t->name = "avx512";
    fill(t);
}
