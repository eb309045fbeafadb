/* blocks.h: the layouts of the block types that have kernels: fields, tables of values, the packed six-bit scales.
 *
 * A field is a run of units of the same size. In a file a block is its fields one after the other; in a panel unit u of row r of a field
 * that starts at byte `offset` of the file's block stands at byte 16 * offset + (16 * u + r) * unit of the panel's block, and a panel's
 * block is 16 * (bytes of the file's block) long.
 */
#ifndef SUAN_KERNELS_BLOCKS_H
#define SUAN_KERNELS_BLOCKS_H

#include "base/dtype.h"

typedef struct suan__field {
    uint8_t offset; /* bytes from the block's start in the file; behind the last field: 0 with n_units 0 */
    uint8_t unit;   /* bytes: 4 for byte arrays, 2 for halves, 1 for an exponent and for codes of F8 */
    uint8_t n_units;
} suan__field;

#define SUAN__MAX_FIELDS 5
/* The fields of a type of SUAN__WEIGHT_MAP; NULL for others. */
const suan__field *suan__block_fields(suan__dtype type);

/* Q4_K, Q5_K: twelve bytes `s` hold eight six-bit scales and eight six-bit minimums. */
static inline void suan__k4_scales(const uint8_t *s, uint8_t scale[8], uint8_t min[8]) {
    for (int g = 0; g < 4; g++) {
        scale[g] = s[g] & 63;
        min[g] = s[g + 4] & 63;
        scale[g + 4] = (uint8_t)((s[g + 8] & 15) | (s[g] >> 6) << 4);
        min[g + 4] = (uint8_t)(s[g + 8] >> 4 | (s[g + 4] >> 6) << 4);
    }
}

/* Q3_K: twelve bytes hold sixteen six-bit scales, stored plus 32. */
static inline void suan__q3k_scales(const uint8_t *s, int8_t scale[16]) {
    for (int i = 0; i < 16; i++) {
        int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4, high = s[8 + i % 4] >> (2 * (i / 4)) & 3;
        scale[i] = (int8_t)((low | high << 4) - 32);
    }
}

/* The sixteen values of IQ4_NL and IQ4_XS, and the doubled ones of MXFP4 and NVFP4. */
extern const int8_t suan__iq4_values[16];
extern const int8_t suan__fp4_values[16];

/* A block's integers. The value of element i is d * w[i] - dmin * m[i / 16] for K-quants, d * w[i] + min for Q4_1 and Q5_1, d * w[i] for
 * the rest; sub-scales are multiplied into w (at most 4096 in size). block: as in a file. Integer types of SUAN__WEIGHT_MAP only. */
typedef struct suan__block_ints {
    int16_t w[256];
    uint8_t m[16]; /* K-quants with minimums: for each 16 elements */
    float d, dmin; /* dmin: the scale of m; for Q4_1 and Q5_1 the minimum itself */
} suan__block_ints;
void suan__block_decode(suan__dtype type, const uint8_t *block, suan__block_ints *out);

typedef enum suan__min_kind { SUAN__MIN_NONE, SUAN__MIN_K, SUAN__MIN_FLOAT } suan__min_kind;
suan__min_kind suan__block_min_kind(suan__dtype type);

#endif
