/* matmul_f8.h: one panel of e4m3 codes with scales times f32 columns, and its expansion. A weight is code * scale, rounded once; lanes run
 * over the panel's rows, and each column's reduction index goes up one by one.
 *
 * Few columns, as in decode: where weights are shared by many, they are expanded first (kernels/matmul.c).
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_F8_H
#define SUAN_KERNELS_SIMD_MATMUL_F8_H

#include "kernels/kernels.h"

#define F8_GROUPS (SUAN__PANEL / VL)
#define F8_COLS 4

/* The scales of a block's rows, times 2^8 for vf_load_e4m3; exact, as they are below 2^120. p: the panel's block. */
VEC void f8_scales(vf s[F8_GROUPS], const uint8_t *p) {
#pragma GCC unroll 4
    for (int g = 0; g < F8_GROUPS; g++) s[g] = vf_mul(vf_load((const float *)(const void *)p + g * VL), vf_set1(256.0f));
}

VEC void f8_columns(float *y, size_t ldy, const uint8_t *p, size_t block, size_t n_blocks, const uint8_t *x, size_t ldx, int C,
                    int n_rows) {
    vf acc[F8_GROUPS][F8_COLS];
#pragma GCC unroll 4
    for (int g = 0; g < F8_GROUPS; g++)
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) acc[g][c] = vf_zero();
    for (size_t b = 0; b < n_blocks; b++, x += block * sizeof(float)) {
        vf s[F8_GROUPS];
        f8_scales(s, p);
        p += sizeof(float) * SUAN__PANEL;
#pragma GCC unroll 4
        for (size_t i = 0; i < block; i++, p += SUAN__PANEL) {
            if (i % 4 == 0) vec_prefetch(p + 2048);
            vf w[F8_GROUPS];
#pragma GCC unroll 4
            for (int g = 0; g < F8_GROUPS; g++) w[g] = vf_mul(vf_load_e4m3(p + g * VL), s[g]);
#pragma GCC unroll 4
            for (int c = 0; c < C; c++) {
                vf v = vf_set1(((const float *)(const void *)(x + (size_t)c * ldx))[i]);
#pragma GCC unroll 4
                for (int g = 0; g < F8_GROUPS; g++) acc[g][c] = vf_fma(w[g], v, acc[g][c]);
            }
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < F8_GROUPS; g++) {
        int n = n_rows - g * VL;
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) {
            if (n > 0) vf_store_n(y + (size_t)c * ldy + g * VL, acc[g][c], n < VL ? (size_t)n : VL);
        }
    }
}

VEC void f8_matmul(float *y, size_t ldy, const void *panel, size_t block, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) {
    const uint8_t *column = x;
    for (; n_cols >= 4; n_cols -= 4, column += 4 * ldx, y += 4 * ldy) f8_columns(y, ldy, panel, block, k / block, column, ldx, 4, n_rows);
    if (n_cols >= 2) {
        f8_columns(y, ldy, panel, block, k / block, column, ldx, 2, n_rows);
        n_cols -= 2, column += 2 * ldx, y += 2 * ldy;
    }
    if (n_cols) f8_columns(y, ldy, panel, block, k / block, column, ldx, 1, n_rows);
}

VEC void f8_expand(float *dst, const void *panel, size_t block, size_t k0, size_t n) {
    const uint8_t *p = (const uint8_t *)panel + k0 / block * (block + sizeof(float)) * SUAN__PANEL;
    for (; n; n -= block) {
        vf s[F8_GROUPS];
        f8_scales(s, p);
        p += sizeof(float) * SUAN__PANEL;
#pragma GCC unroll 4
        for (size_t i = 0; i < block; i++, p += SUAN__PANEL, dst += SUAN__PANEL) {
#pragma GCC unroll 4
            for (int g = 0; g < F8_GROUPS; g++) vf_store(dst + g * VL, vf_mul(vf_load_e4m3(p + g * VL), s[g]));
        }
    }
}

#define F8_ENTRIES(stem, block)                                                                                                            \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        f8_matmul(y, ldy, panel, block, k, x, ldx, n_cols, n_rows);                                                                        \
    }                                                                                                                                      \
    static void ISA(expand_##stem)(float *dst, const void *panel, size_t k, size_t k0, size_t n) {                                         \
        (void)k;                                                                                                                           \
        f8_expand(dst, panel, block, k0, n);                                                                                               \
    }
F8_ENTRIES(f8_128, 128)
F8_ENTRIES(f8_32, 32)
#undef F8_ENTRIES

#endif
