/* amx.c: matrix products of many columns on AMX's tiles (int8). Everything else at this level is AVX-512's.
 *
 * The instructions are written out: what the compilers' functions for them promise about memory differs between versions. Each product
 * configures the tiles and gives them back, so that no thread carries them through a switch without need.
 */
#include "kernels/isa.h"
#include "kernels/simd/vec_avx512.h"

VEC vi vi_mul_16(vi a, vi b) {
    return _mm512_mullo_epi16(a, b);
}
VEC vi vi_sra_16(vi a, int n) {
    return _mm512_srai_epi16(a, (unsigned)n);
}

#define TILE_CONFIG(c) __asm__ volatile("ldtilecfg %0" : : "m"(*(c)))
#define TILE_RELEASE() __asm__ volatile("tilerelease" : :)
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : :)
#define TILE_LOAD(t, p, stride) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(p), "r"((size_t)(stride)) : "memory")
#define TILE_STORE(t, p, stride) __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(p), "r"((size_t)(stride)) : "memory")
#define TILE_DOT(c, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)
#define TILE_DOT_SU(c, a, b) __asm__ volatile("tdpbsud %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)

#include "kernels/simd/matmul_tiles.h"

void suan__kernels_overlay_amx(suan__kernels *t) {
    t->name = "amx";
    fill_tiles(t);
}
