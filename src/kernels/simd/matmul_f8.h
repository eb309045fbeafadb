/* matmul_f8.h: one panel of e4m3 codes with scales times f32 columns, and its expansion. A weight is code * scale, rounded once; lanes run
 * over the panel's rows, and each column's reduction index goes up one by one.
 *
 * Few columns, as in decode: where weights are shared by many, they are expanded first (kernels/matmul.c).
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_F8_H
#define SUAN_KERNELS_SIMD_MATMUL_F8_H

#include "kernels/simd/matmul_float.h"

#define F8_COLS 4

/* The scales of a block's rows, times 2^8 for vf_load_e4m3; exact, as they are below 2^120. p: the panel's block. */
VEC void f8_scales(vf s[FLOAT_GROUPS], const uint8_t *p) {
#pragma GCC unroll 4
    for (int g = 0; g < FLOAT_GROUPS; g++) s[g] = vf_mul(vf_load((const float *)(const void *)p + g * VL), vf_set1(256.0f));
}

/* C columns times P panels. */
VEC void f8_columns(const float_panels *w, size_t ldy, size_t block, size_t n_blocks, const uint8_t *x, size_t ldx, int C, int P) {
    vf acc[2 * FLOAT_GROUPS][F8_COLS];
#pragma GCC unroll 4
    for (int g = 0; g < P * FLOAT_GROUPS; g++)
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) acc[g][c] = vf_zero();
    const uint8_t *p[2] = {w->at[0], w->at[1]};
    for (size_t b = 0; b < n_blocks; b++, x += block * sizeof(float)) {
        vf s[2][FLOAT_GROUPS];
#pragma GCC unroll 2
        for (int j = 0; j < P; j++) {
            f8_scales(s[j], p[j]);
            p[j] += sizeof(float) * SUAN__PANEL;
        }
#pragma GCC unroll 4
        for (size_t i = 0; i < block; i++) {
            vf v[F8_COLS];
#pragma GCC unroll 4
            for (int c = 0; c < C; c++) v[c] = vf_set1(((const float *)(const void *)(x + (size_t)c * ldx))[i]);
#pragma GCC unroll 2
            for (int j = 0; j < P; j++) {
                if (i % 4 == 0) vec_prefetch(p[j] + 2048);
#pragma GCC unroll 4
                for (int g = 0; g < FLOAT_GROUPS; g++) {
                    vf weight = vf_mul(vf_load_e4m3(p[j] + g * VL), s[j][g]), *a = acc[j * FLOAT_GROUPS + g];
#pragma GCC unroll 4
                    for (int c = 0; c < C; c++) a[c] = vf_fma(weight, v[c], a[c]);
                }
                p[j] += SUAN__PANEL;
            }
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < P * FLOAT_GROUPS; g++) {
        int n = float_rows(w, g);
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) {
            if (n > 0) vf_store_n(float_y(w, ldy, g, c), acc[g][c], n < VL ? (size_t)n : VL);
        }
    }
}

VEC void f8_matmul(float_panels w, size_t ldy, size_t block, size_t k, const void *x, size_t ldx, int n_cols, int P, int most) {
    const uint8_t *column = x;
    for (int c; n_cols > 0; n_cols -= c, column += (size_t)c * ldx) {
        c = n_cols < most ? n_cols : most;
        if (c == 3) c = 2;
        if (most >= 4 && c == 4)
            f8_columns(&w, ldy, block, k / block, column, ldx, 4, P);
        else if (most >= 2 && c == 2)
            f8_columns(&w, ldy, block, k / block, column, ldx, 2, P);
        else
            f8_columns(&w, ldy, block, k / block, column, ldx, 1, P);
        for (int p = 0; p < P; p++) w.y[p] += (size_t)c * ldy;
    }
}

VEC void f8_expand(float *dst, const void *panel, size_t block, size_t k0, size_t n) {
    const uint8_t *p = (const uint8_t *)panel + k0 / block * (block + sizeof(float)) * SUAN__PANEL;
    for (; n; n -= block) {
        vf s[FLOAT_GROUPS];
        f8_scales(s, p);
        p += sizeof(float) * SUAN__PANEL;
#pragma GCC unroll 4
        for (size_t i = 0; i < block; i++, p += SUAN__PANEL, dst += SUAN__PANEL) {
#pragma GCC unroll 4
            for (int g = 0; g < FLOAT_GROUPS; g++) vf_store(dst + g * VL, vf_mul(vf_load_e4m3(p + g * VL), s[g]));
        }
    }
}

#define F8_ENTRIES(stem, block)                                                                                                            \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
        float_panels w = {.at = {panel}, .y = {y}, .n_rows = {n_rows}};                                                                    \
        f8_matmul(w, ldy, block, k, x, ldx, n_cols, 1, F8_COLS);                                                                           \
    }                                                                                                                                      \
    static void ISA(expand_##stem)(float *dst, const void *panel, size_t k, size_t k0, size_t n) {                                         \
        (void)k;                                                                                                                           \
        f8_expand(dst, panel, block, k0, n);                                                                                               \
    }
F8_ENTRIES(f8_128, 128)
F8_ENTRIES(f8_32, 32)
#undef F8_ENTRIES

#ifdef PAIR_COLS
#define F8_PAIR(stem, block)                                                                                                               \
    static void ISA(pair_##stem)(float *const y[2], size_t ldy, const void *const panels[2], const int n_rows[2], size_t k, const void *x, \
                                 size_t ldx, int n_cols) {                                                                                 \
        float_panels w = {.at = {panels[0], panels[1]}, .y = {y[0], y[1]}, .n_rows = {n_rows[0], n_rows[1]}};                              \
        f8_matmul(w, ldy, block, k, x, ldx, n_cols, 2, FLOAT_PAIR_COLS);                                                                   \
    }
F8_PAIR(f8_128, 128)
F8_PAIR(f8_32, 32)
#undef F8_PAIR
#endif

#endif
