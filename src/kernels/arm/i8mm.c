/* i8mm.c: integer products of two columns and more by SMMLA (FEAT_I8MM, from Armv8.6 on), of one by SDOT. */
#include "kernels/isa.h"

#define SMMLA true
#include "kernels/arm/matmul_dot.h"

void suan__kernels_overlay_i8mm(suan__kernels *t) {
    t->name = "i8mm";
    fill(t);
}
