/* emulated.c: AMX's tiles in C, and the kernels that use them compiled against it: their arithmetic is tested where no processor has AMX.
 *
 * Eight tiles of 16 rows of 64 bytes under a configuration, as in Intel's SDM vol. 2 (LDTILECFG, TILELOADD, TILESTORED, TDPBSSD,
 * TDPBSUD). What the processor would refuse ends the program: tiles used without a configuration, a product of tiles whose shapes do not
 * fit. Tiles hold noise after a configuration, where the processor gives zeros, so that nothing rests on that.
 */
#include "emulated.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__AVX512VNNI__)
#include "kernels/simd/vec_avx512.h"
VEC vi vi_mul_16(vi a, vi b) {
    return _mm512_mullo_epi16(a, b);
}
VEC vi vi_sra_16(vi a, int n) {
    return _mm512_srai_epi16(a, (unsigned)n);
}
#else
#include "kernels/simd/vec_avx2.h"
VEC vi vi_mul_16(vi a, vi b) {
    return _mm256_mullo_epi16(a, b);
}
VEC vi vi_sra_16(vi a, int n) {
    return _mm256_srai_epi16(a, n);
}
#endif

#define N_TILES 8

static struct unit {
    bool is_configured;
    int rows[N_TILES], row_bytes[N_TILES];
    uint8_t tile[N_TILES][16][64];
} unit;

static void require(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "tile unit: %s\n", what);
    abort();
}

/* config: 64 bytes: palette, start row, 14 reserved, row bytes of 16 tiles, rows of 16 tiles. */
static void emulate_config(const void *config) {
    const uint8_t *p = config;
    require(p[0] == 1 && p[1] == 0, "palette or start row");
    memset(&unit, 0xa5, sizeof(unit));
    for (int t = 0; t < 16; t++) {
        int rows = p[48 + t], row_bytes = p[16 + 2 * t] | p[17 + 2 * t] << 8;
        require(t < N_TILES ? rows >= 1 && rows <= 16 && row_bytes >= 1 && row_bytes <= 64 : rows == 0 && row_bytes == 0,
                "shape of a tile");
        if (t < N_TILES) unit.rows[t] = rows, unit.row_bytes[t] = row_bytes;
    }
    unit.is_configured = true;
}
static void emulate_release(void) {
    unit.is_configured = false;
}
static void emulate_zero(int t) {
    require(unit.is_configured, "zero without configuration");
    memset(unit.tile[t], 0, sizeof(unit.tile[t]));
}
static void emulate_load(int t, const void *p, size_t stride) {
    require(unit.is_configured, "load without configuration");
    memset(unit.tile[t], 0, sizeof(unit.tile[t]));
    for (int r = 0; r < unit.rows[t]; r++) memcpy(unit.tile[t][r], (const uint8_t *)p + (size_t)r * stride, (size_t)unit.row_bytes[t]);
}
static void emulate_store(int t, void *p, size_t stride) {
    require(unit.is_configured, "store without configuration");
    for (int r = 0; r < unit.rows[t]; r++) memcpy((uint8_t *)p + (size_t)r * stride, unit.tile[t][r], (size_t)unit.row_bytes[t]);
}
static void emulate_dot(int c, int a, int b, bool b_is_signed) {
    require(unit.is_configured, "product without configuration");
    require(unit.rows[c] == unit.rows[a] && unit.row_bytes[a] == 4 * unit.rows[b] && unit.row_bytes[c] == unit.row_bytes[b] && a != b &&
                b != c && a != c,
            "shapes of a product");
    for (int i = 0; i < unit.rows[c]; i++) {
        for (int j = 0; j < unit.row_bytes[c] / 4; j++) {
            int32_t sum;
            memcpy(&sum, unit.tile[c][i] + 4 * j, 4);
            for (int k = 0; k < unit.row_bytes[a]; k++) {
                int x = (int8_t)unit.tile[a][i][k], w = unit.tile[b][k / 4][4 * j + k % 4];
                sum += x * (b_is_signed ? (int8_t)w : w);
            }
            memcpy(unit.tile[c][i] + 4 * j, &sum, 4);
        }
    }
}

#define TILE_CONFIG(c) emulate_config(c)
#define TILE_RELEASE() emulate_release()
#define TILE_ZERO(t) emulate_zero(t)
#define TILE_LOAD(t, p, stride) emulate_load(t, p, stride)
#define TILE_STORE(t, p, stride) emulate_store(t, p, stride)
#define TILE_DOT(c, a, b) emulate_dot(c, a, b, true)
#define TILE_DOT_SU(c, a, b) emulate_dot(c, a, b, false)

#include "kernels/simd/matmul_tiles.h"

void ISA(emulated_tiles)(suan__kernels *t) {
    fill_tiles(t);
}
