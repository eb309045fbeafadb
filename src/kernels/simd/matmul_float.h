/* matmul_float.h: one panel of floating point weights times f32 columns. Lanes run over the panel's rows; each column's reduction index
 * goes up one by one.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_FLOAT_H
#define SUAN_KERNELS_SIMD_MATMUL_FLOAT_H

#include "kernels/kernels.h"

#define FLOAT_GROUPS (SUAN__PANEL / VL)

typedef enum element { ELEMENT_F32, ELEMENT_F16, ELEMENT_BF16 } element;

/* VL elements from element i of p on, as f32. */
VEC vf load_elements(const void *p, size_t i, element e) {
    if (e == ELEMENT_F16) return vf_load_f16((const uint8_t *)p + i * 2);
    if (e == ELEMENT_BF16) return vf_load_bf16((const uint8_t *)p + i * 2);
    return vf_load((const float *)p + i);
}

/* C columns, x [c][k] ldx bytes apart; more: the sums start at y's values. The sums of all columns stay in registers: FLOAT_COLS is as many as the level has room for. */
VEC void float_columns(float *y, size_t ldy, const void *panel, element e, size_t k, const uint8_t *x, size_t ldx, int C, int n_rows,
                       bool more) {
    vf acc[FLOAT_GROUPS][FLOAT_COLS];
#pragma GCC unroll 4
    for (int g = 0; g < FLOAT_GROUPS; g++) {
        int n = n_rows - g * VL;
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            acc[g][c] = vf_zero();
            if (more && n > 0) acc[g][c] = vf_load_n(y + (size_t)c * ldy + g * VL, n < VL ? (size_t)n : VL);
        }
    }
    for (size_t i = 0; i < k; i++) {
        vf w[FLOAT_GROUPS];
        if (e == ELEMENT_F32 || i % 2 == 0) vec_prefetch((const uint8_t *)panel + i * SUAN__PANEL * (e == ELEMENT_F32 ? 4 : 2) + 2048);
#pragma GCC unroll 4
        for (int g = 0; g < FLOAT_GROUPS; g++) w[g] = load_elements(panel, i * SUAN__PANEL + (size_t)g * VL, e);
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            vf b = vf_set1(((const float *)(x + (size_t)c * ldx))[i]);
#pragma GCC unroll 4
            for (int g = 0; g < FLOAT_GROUPS; g++) acc[g][c] = vf_fma(w[g], b, acc[g][c]);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < FLOAT_GROUPS; g++) {
        int n = n_rows - g * VL;
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            vf r = acc[g][c];
            if (n >= VL)
                vf_store(y + (size_t)c * ldy + g * VL, r);
            else if (n > 0)
                vf_store_n(y + (size_t)c * ldy + g * VL, r, (size_t)n);
        }
    }
}

VEC void float_matmul(float *y, size_t ldy, const void *panel, element e, size_t k, const void *x, size_t ldx, int n_cols, int n_rows,
                      bool more) {
    const uint8_t *col = x;
    for (; n_cols >= FLOAT_COLS; n_cols -= FLOAT_COLS, col += FLOAT_COLS * ldx, y += FLOAT_COLS * ldy) {
        float_columns(y, ldy, panel, e, k, col, ldx, FLOAT_COLS, n_rows, more);
    }
    for (; n_cols >= 4; n_cols -= 4, col += 4 * ldx, y += 4 * ldy) {
        float_columns(y, ldy, panel, e, k, col, ldx, 4, n_rows, more);
    }
    if (n_cols >= 2) {
        float_columns(y, ldy, panel, e, k, col, ldx, 2, n_rows, more);
        n_cols -= 2, col += 2 * ldx, y += 2 * ldy;
    }
    if (n_cols) float_columns(y, ldy, panel, e, k, col, ldx, 1, n_rows, more);
}

#define FLOAT_MATMUL(stem, e)                                                                                                              \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        float_matmul(y, ldy, panel, e, k, x, ldx, n_cols, n_rows, false);                                                                  \
    }
FLOAT_MATMUL(f32, ELEMENT_F32)
FLOAT_MATMUL(f16, ELEMENT_F16)
FLOAT_MATMUL(bf16, ELEMENT_BF16)
#undef FLOAT_MATMUL

static void ISA(matmul_acc)(float *y, size_t ldy, const float *panel, size_t k, const float *x, size_t ldx, int n_cols, int n_rows) {
    float_matmul(y, ldy, panel, ELEMENT_F32, k, x, ldx, n_cols, n_rows, true);
}

#endif
