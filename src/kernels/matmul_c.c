/* matmul_c.c: matrix products, the definition. A panel of 16 rows meets columns; each of the 16 outputs is a chain of fma over k.
 *
 * Block types: a block of the panel becomes 16 blocks as in a file, those become integers, and the integers of all 16 rows stand side by
 * side (w[k][16]), so that the loop over k that they share with every column is one over lanes.
 */
#include "kernels/blocks.h"
#include "kernels/c.h"
#include "kernels/f16.h"

#include <math.h>
#include <string.h>

typedef float load_fn(const void *panel, size_t i);

static float load_f32(const void *panel, size_t i) {
    return ((const float *)panel)[i];
}
static float load_f16(const void *panel, size_t i) {
    return suan__f16_to_f32(((const uint16_t *)panel)[i]);
}
static float load_bf16(const void *panel, size_t i) {
    return suan__bf16_to_f32(((const uint16_t *)panel)[i]);
}

/* acc: the 16 running sums of one column. */
static inline void column_float(float acc[SUAN__PANEL], const void *panel, size_t k, const float *x, load_fn *load) {
    for (size_t i = 0; i < k; i++) {
        for (int r = 0; r < SUAN__PANEL; r++) acc[r] = fmaf(load(panel, i * SUAN__PANEL + r), x[i], acc[r]);
    }
}

static inline void matmul_float(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows,
                                load_fn *load) {
    for (int c = 0; c < n_cols; c++) {
        float acc[SUAN__PANEL] = {0};
        column_float(acc, panel, k, (const float *)((const char *)x + (size_t)c * ldx), load);
        memcpy(y + (size_t)c * ldy, acc, (size_t)n_rows * sizeof(float));
    }
}

void suan__matmul_F32_c(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) {
    matmul_float(y, ldy, panel, k, x, ldx, n_cols, n_rows, load_f32);
}
void suan__matmul_F16_c(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) {
    matmul_float(y, ldy, panel, k, x, ldx, n_cols, n_rows, load_f16);
}
void suan__matmul_BF16_c(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) {
    matmul_float(y, ldy, panel, k, x, ldx, n_cols, n_rows, load_bf16);
}

/* Blocks of e4m3 codes become f32 weights, which meet the columns as such. */
static void matmul_f8(suan__dtype type, float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols,
                      int n_rows) {
    size_t block = suan__dtype_get(type)->block, block_bytes = (size_t)suan__dtype_get(type)->bytes * SUAN__PANEL;
    float w[128 * SUAN__PANEL];
    for (int c = 0; c < n_cols; c++) {
        float acc[SUAN__PANEL] = {0};
        for (size_t b = 0; b < k / block; b++) {
            (type == SUAN__F8_128 ? suan__expand_F8_128_c : suan__expand_F8_32_c)(w, (const char *)panel + b * block_bytes, block, 0,
                                                                                  block);
            column_float(acc, w, block, (const float *)((const char *)x + (size_t)c * ldx) + b * block, load_f32);
        }
        memcpy(y + (size_t)c * ldy, acc, (size_t)n_rows * sizeof(float));
    }
}

void suan__matmul_F8_128_c(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) {
    matmul_f8(SUAN__F8_128, y, ldy, panel, k, x, ldx, n_cols, n_rows);
}
void suan__matmul_F8_32_c(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) {
    matmul_f8(SUAN__F8_32, y, ldy, panel, k, x, ldx, n_cols, n_rows);
}

void suan__matmul_acc_c(float *y, size_t ldy, const float *const panels[2], size_t k, const float *x, size_t ldx, int n_cols, int n_rows,
                        bool more) {
    for (int p = 0; n_rows > 0; p++, n_rows -= SUAN__PANEL, y += SUAN__PANEL) {
        size_t bytes = (size_t)(n_rows < SUAN__PANEL ? n_rows : SUAN__PANEL) * sizeof(float);
        for (int c = 0; c < n_cols; c++) {
            float acc[SUAN__PANEL] = {0};
            if (more) memcpy(acc, y + (size_t)c * ldy, bytes);
            column_float(acc, panels[p], k, (const float *)((const char *)x + (size_t)c * ldx), load_f32);
            memcpy(y + (size_t)c * ldy, acc, bytes);
        }
    }
}

/* One block of 16 rows, lanes over rows. */
typedef struct block_lanes {
    int16_t w[256][SUAN__PANEL];
    int16_t m[16][SUAN__PANEL];
    float d[SUAN__PANEL], dmin[SUAN__PANEL];
} block_lanes;

static void decode_lanes(suan__dtype type, const uint8_t *panel_block, size_t block, block_lanes *out) {
    uint8_t row[256];
    suan__block_ints ints = {0};
    for (int r = 0; r < SUAN__PANEL; r++) {
        suan__panel_unpack_row(type, row, panel_block, block, r);
        suan__block_decode(type, row, &ints);
        for (size_t i = 0; i < block; i++) out->w[i][r] = ints.w[i];
        for (int i = 0; i < 16; i++) out->m[i][r] = ints.m[i];
        out->d[r] = ints.d;
        out->dmin[r] = ints.dmin;
    }
}

/* Adds block b of one q8 row to the column's sums. |isum| < 256 * 4096 * 127 < 2^31. */
static void column_block(float acc[SUAN__PANEL], const block_lanes *bl, suan__min_kind kind, const void *q8, size_t k, size_t block,
                         size_t b) {
    const int8_t *q = (const int8_t *)q8 + b * block;
    float d = ((const float *)((const char *)q8 + suan__q8_d_offset(k)))[b];
    const int16_t *sum = (const int16_t *)((const char *)q8 + suan__q8_sum_offset(k, block));
    int32_t isum[SUAN__PANEL] = {0}, msum[SUAN__PANEL] = {0};
    for (size_t i = 0; i < block; i++) {
        for (int r = 0; r < SUAN__PANEL; r++) isum[r] += bl->w[i][r] * q[i];
    }
    for (int r = 0; r < SUAN__PANEL; r++) {
        float scale = bl->d[r] * d;
        acc[r] = fmaf((float)isum[r], scale, acc[r]);
    }
    if (kind == SUAN__MIN_K) {
        for (int i = 0; i < 16; i++) {
            for (int r = 0; r < SUAN__PANEL; r++) msum[r] += bl->m[i][r] * sum[b * 16 + i];
        }
        for (int r = 0; r < SUAN__PANEL; r++) {
            float scale = bl->dmin[r] * d;
            acc[r] = fmaf(-scale, (float)msum[r], acc[r]);
        }
    } else if (kind == SUAN__MIN_FLOAT) {
        for (int r = 0; r < SUAN__PANEL; r++) {
            float scale = bl->dmin[r] * d;
            acc[r] = fmaf(scale, (float)sum[b], acc[r]);
        }
    }
}

/* Columns are taken in groups so that a block is decoded once for the group. */
#define COLUMNS 64

static void matmul_block(suan__dtype type, float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols,
                         int n_rows) {
    const suan__dtype_info *info = suan__dtype_get(type);
    suan__min_kind kind = suan__block_min_kind(type);
    block_lanes bl;
    for (int c0 = 0; c0 < n_cols; c0 += COLUMNS) {
        float acc[COLUMNS][SUAN__PANEL] = {{0}};
        int n = n_cols - c0 < COLUMNS ? n_cols - c0 : COLUMNS;
        for (size_t b = 0; b < k / info->block; b++) {
            decode_lanes(type, (const uint8_t *)panel + b * info->bytes * SUAN__PANEL, info->block, &bl);
            for (int c = 0; c < n; c++) column_block(acc[c], &bl, kind, (const char *)x + (size_t)(c0 + c) * ldx, k, info->block, b);
        }
        for (int c = 0; c < n; c++) memcpy(y + (size_t)(c0 + c) * ldy, acc[c], (size_t)n_rows * sizeof(float));
    }
}

#define MATMUL_BLOCK(name)                                                                                                               \
    void suan__matmul_##name##_c(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        matmul_block(SUAN__##name, y, ldy, panel, k, x, ldx, n_cols, n_rows);                                                            \
    }
MATMUL_BLOCK(Q8_0)
MATMUL_BLOCK(Q4_0)
MATMUL_BLOCK(Q4_1)
MATMUL_BLOCK(Q5_0)
MATMUL_BLOCK(Q5_1)
MATMUL_BLOCK(Q2_K)
MATMUL_BLOCK(Q3_K)
MATMUL_BLOCK(Q4_K)
MATMUL_BLOCK(Q5_K)
MATMUL_BLOCK(Q6_K)
MATMUL_BLOCK(IQ4_NL)
MATMUL_BLOCK(IQ4_XS)
MATMUL_BLOCK(MXFP4)
MATMUL_BLOCK(I4_BF16)
