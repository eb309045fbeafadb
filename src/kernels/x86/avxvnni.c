/* avxvnni.c: the integer products of AVX2's level by AVX-VNNI, which adds up four products of bytes at once in vectors of 8 lanes. */
#include "kernels/isa.h"
#include "kernels/simd/vec_avx2.h"

#include "kernels/simd/matmul_quant.h"

void suan__kernels_overlay_avxvnni(suan__kernels *t) {
    t->name = "avxvnni";
    fill_quant(t);
}
