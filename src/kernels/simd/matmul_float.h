/* matmul_float.h: panels of floating point weights times f32 columns. Lanes run over the panels' rows; each column's reduction index goes up
 * one by one.
 *
 * A vector of weights meets a column's value repeated in all lanes. With two panels one load of the value serves two multiply-adds; with one
 * panel there are as many loads as multiply-adds, and the loads bound it.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_FLOAT_H
#define SUAN_KERNELS_SIMD_MATMUL_FLOAT_H

#include "kernels/kernels.h"

#include <string.h>

#define FLOAT_GROUPS (SUAN__PANEL / VL)

typedef enum element { ELEMENT_F32, ELEMENT_F16, ELEMENT_BF16 } element;

/* VL elements from element i of p on, as f32. */
VEC vf load_elements(const void *p, size_t i, element e) {
    if (e == ELEMENT_F16) return vf_load_f16((const uint8_t *)p + i * 2);
    if (e == ELEMENT_BF16) return vf_load_bf16((const uint8_t *)p + i * 2);
    return vf_load((const float *)p + i);
}

/* One panel or two that meet the same columns, wherever they lie: y[i] gets n_rows[i] rows of each column. */
typedef struct float_panels {
    const uint8_t *at[2];
    float *y[2];
    int n_rows[2];
    bool is_near; /* nothing of them has to be asked for */
} float_panels;

/* The most vectors of sums, without those of a panel's groups. */
#define FLOAT_SUMS \
    (FLOAT_PANELS * FLOAT_COLS_OF(FLOAT_PANELS) > FLOAT_COLS_OF(1) ? FLOAT_PANELS * FLOAT_COLS_OF(FLOAT_PANELS) : FLOAT_COLS_OF(1))

/* Where every fourth column is, and three times the distance between columns: addresses that the processor adds up by itself. They are hidden
 * from the compiler, which would keep one for each column and run out of registers. */
typedef struct float_at {
    const uint8_t *base[4];
    size_t ldx, ldx3;
} float_at;

VEC float_at float_bases(const void *x, size_t ldx, int C) {
    float_at at = {.ldx = ldx, .ldx3 = 3 * ldx};
    __asm__("" : "+r"(at.ldx3));
#pragma GCC unroll 4
    for (int i = 0; i < (C + 3) / 4; i++) {
        at.base[i] = (const uint8_t *)x + (size_t)i * 4 * ldx;
        __asm__("" : "+r"(at.base[i]));
    }
    return at;
}
VEC float float_value(const float_at *at, int c, size_t i) {
    float value;
    size_t column = c % 4 == 3 ? at->ldx3 : (size_t)(c % 4) * at->ldx;
    memcpy(&value, at->base[c / 4] + column + i * 4, 4);
    return value;
}

/* Rows of group g (all panels' groups counted on), and where their results of column c go. */
VEC int float_rows(const float_panels *w, int g) {
    return w->n_rows[g / FLOAT_GROUPS] - g % FLOAT_GROUPS * VL;
}
VEC float *float_y(const float_panels *w, size_t ldy, int g, int c) {
    return w->y[g / FLOAT_GROUPS] + (size_t)c * ldy + g % FLOAT_GROUPS * VL;
}

/* C columns, x [c][k] ldx bytes apart, times P panels; more: the sums start at y's values. All sums stay in registers. */
VEC void float_columns(const float_panels *w, size_t ldy, element e, size_t k, const void *x, size_t ldx, int C, int P, bool more) {
    vf acc[FLOAT_SUMS][FLOAT_GROUPS];
#pragma GCC unroll 16
    for (int c = 0; c < C; c++)
#pragma GCC unroll 8
        for (int g = 0; g < P * FLOAT_GROUPS; g++) {
            int n = float_rows(w, g);
            vf *a = &acc[c * P + g / FLOAT_GROUPS][g % FLOAT_GROUPS];
            *a = vf_zero();
            if (more && n > 0) *a = vf_load_n(float_y(w, ldy, g, c), n < VL ? (size_t)n : VL);
        }
    float_at at = float_bases(x, ldx, C);
    const size_t bytes = e == ELEMENT_F32 ? 4 : 2;
    const uint8_t *panel[2];
#pragma GCC unroll 2
    for (int p = 0; p < P; p++) panel[p] = w->at[p];
    for (size_t i = 0; i < k; i++) {
        vf v[2][FLOAT_GROUPS];
#pragma GCC unroll 2
        for (int p = 0; p < P; p++) {
            if (!w->is_near && (e == ELEMENT_F32 || i % 2 == 0)) vec_prefetch(panel[p] + 2048);
#pragma GCC unroll 4
            for (int g = 0; g < FLOAT_GROUPS; g++) v[p][g] = load_elements(panel[p], (size_t)g * VL, e);
            panel[p] += SUAN__PANEL * bytes;
        }
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            vf b = vf_set1(float_value(&at, c, i));
#pragma GCC unroll 8
            for (int g = 0; g < P * FLOAT_GROUPS; g++) {
                vf *a = &acc[c * P + g / FLOAT_GROUPS][g % FLOAT_GROUPS];
                *a = vf_fma(v[g / FLOAT_GROUPS][g % FLOAT_GROUPS], b, *a);
            }
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < C; c++)
#pragma GCC unroll 8
        for (int g = 0; g < P * FLOAT_GROUPS; g++) {
            int n = float_rows(w, g);
            vf r = acc[c * P + g / FLOAT_GROUPS][g % FLOAT_GROUPS];
            if (n >= VL)
                vf_store(float_y(w, ldy, g, c), r);
            else if (n > 0)
                vf_store_n(float_y(w, ldy, g, c), r, (size_t)n);
        }
}

/* How many of n columns to take next, of 1, 2, multiples of 4 and `most`: tiles of about the same size, since a small one keeps the units less
 * busy. */
VEC int float_step(int n, int most) {
    int n_tiles = (n + most - 1) / most, c = ((n + n_tiles - 1) / n_tiles + 3) / 4 * 4;
    if (c > most) c = most;
    return c <= n ? c : n >= 4 ? n / 4 * 4 : n >= 2 ? 2 : 1;
}

VEC void float_product(float_panels w, size_t ldy, element e, size_t k, const void *x, size_t ldx, int n_cols, int P, int most, bool more) {
    const uint8_t *col = x;
    for (int c; n_cols > 0; n_cols -= c, col += (size_t)c * ldx) {
        c = float_step(n_cols, most);
        if (c == most)
            float_columns(&w, ldy, e, k, col, ldx, most, P, more);
        else if (most > 12 && c == 12)
            float_columns(&w, ldy, e, k, col, ldx, 12, P, more);
        else if (most > 8 && c == 8)
            float_columns(&w, ldy, e, k, col, ldx, 8, P, more);
        else if (most > 4 && c == 4)
            float_columns(&w, ldy, e, k, col, ldx, 4, P, more);
        else if (most > 2 && c == 2)
            float_columns(&w, ldy, e, k, col, ldx, 2, P, more);
        else
            float_columns(&w, ldy, e, k, col, ldx, 1, P, more);
        for (int p = 0; p < P; p++) w.y[p] += (size_t)c * ldy;
    }
}

#define FLOAT_MATMUL(stem, e)                                                                                                              \
    static void ISA(matmul_##stem)(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows) { \
                                                                                                                                           \
        float_panels w = {.at = {panel}, .y = {y}, .n_rows = {n_rows}};                                                                    \
        float_product(w, ldy, e, k, x, ldx, n_cols, 1, FLOAT_COLS_OF(1), false);                                                           \
    }
FLOAT_MATMUL(f32, ELEMENT_F32)
FLOAT_MATMUL(f16, ELEMENT_F16)
FLOAT_MATMUL(bf16, ELEMENT_BF16)
#undef FLOAT_MATMUL

#ifdef PAIR_COLS
#define FLOAT_PAIR_COLS (PAIR_COLS < 4 ? PAIR_COLS : 4)
/* Few columns: each sum is a chain of multiply-adds, of which a single panel has too few to keep a core busy. */
#define FLOAT_PAIR(stem, e)                                                                                                                \
    static void ISA(pair_##stem)(float *const y[2], size_t ldy, const void *const panels[2], const int n_rows[2], size_t k, const void *x, \
                                 size_t ldx, int n_cols) {                                                                                 \
        float_panels w = {.at = {panels[0], panels[1]}, .y = {y[0], y[1]}, .n_rows = {n_rows[0], n_rows[1]}};                              \
        float_product(w, ldy, e, k, x, ldx, n_cols, 2, FLOAT_PAIR_COLS, false);                                                            \
    }
FLOAT_PAIR(f32, ELEMENT_F32)
FLOAT_PAIR(f16, ELEMENT_F16)
FLOAT_PAIR(bf16, ELEMENT_BF16)
#undef FLOAT_PAIR
#endif

static void ISA(matmul_acc)(float *y, size_t ldy, const float *const panels[2], size_t k, const float *x, size_t ldx, int n_cols,
                            int n_rows, bool more) {
    const uint8_t *first = (const uint8_t *)panels[0], *second = (const uint8_t *)panels[1];
#if FLOAT_PANELS > 1
    if (n_rows > SUAN__PANEL) {
        float_panels w = {{first, second}, {y, y + SUAN__PANEL}, {SUAN__PANEL, n_rows - SUAN__PANEL}, true};
        float_product(w, ldy, ELEMENT_F32, k, x, ldx, n_cols, 2, FLOAT_COLS_OF(2), more);
        return;
    }
#endif
    for (; n_rows > 0; first = second, n_rows -= SUAN__PANEL, y += SUAN__PANEL) {
        float_panels w = {{first}, {y}, {n_rows < SUAN__PANEL ? n_rows : SUAN__PANEL}, false};
        float_product(w, ldy, ELEMENT_F32, k, x, ldx, n_cols, 1, FLOAT_COLS_OF(1), more);
    }
}

#endif
