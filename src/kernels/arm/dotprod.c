/* dotprod.c: integer products by SDOT (FEAT_DotProd, from Armv8.2 on); everything else is NEON's. */
#include "kernels/isa.h"

#define SMMLA false
#include "kernels/arm/matmul_dot.h"

void suan__kernels_overlay_dotprod(suan__kernels *t) {
    t->name = "dotprod";
    fill(t);
}
