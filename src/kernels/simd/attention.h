/* attention.h: scores against keys in rows, and values weighted by probabilities, of one block of positions.
 */
#ifndef SUAN_KERNELS_SIMD_ATTENTION_H
#define SUAN_KERNELS_SIMD_ATTENTION_H

#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/simd/matmul_float.h"

/* ---- keys in rows: lanes over queries, QR_T positions at once */

#define QR_CHUNK 64 /* values of a half-precision row expanded at once */

/* V vectors of queries from qt on against T rows from c on. rows: T f32 rows of n values each, ld values apart. */
VEC void qk_rows_chunk(vf acc[QR_T][QR_V], const float *qt, size_t ldqt, const float *rows, size_t ld, size_t n, int T, int V) {
    for (size_t j = 0; j < n; j++) {
        vf q[QR_V];
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) q[v] = vf_load(qt + j * ldqt + (size_t)v * VL);
#pragma GCC unroll 8
        for (int t = 0; t < T; t++) {
            vf b = vf_set1(rows[(size_t)t * ld + j]);
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) acc[t][v] = vf_fma(q[v], b, acc[t][v]);
        }
    }
}

VEC void qk_rows_tile(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, float scale, element e,
                      int T, int V) {
    vf acc[QR_T][QR_V];
#pragma GCC unroll 8
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) acc[t][v] = vf_zero();
    if (e == ELEMENT_F32) {
        qk_rows_chunk(acc, qt, ldqt, c, ldc, (size_t)d, T, V);
    } else {
        float rows[QR_T * QR_CHUNK];
        const uint16_t *half = c;
        for (size_t j = 0; j < (size_t)d; j += QR_CHUNK) {
            size_t n = (size_t)d - j < QR_CHUNK ? (size_t)d - j : QR_CHUNK;
            for (int t = 0; t < T; t++) {
                for (size_t i = 0; i < n; i += VL) {
                    vf x = n - i >= VL ? vf_load_f16(half + (size_t)t * ldc + j + i) : vf_load_f16_n(half + (size_t)t * ldc + j + i, n - i);
                    vf_store(rows + (size_t)t * QR_CHUNK + i, x);
                }
            }
            qk_rows_chunk(acc, qt + j * ldqt, ldqt, rows, QR_CHUNK, n, T, V);
        }
    }
    float out[QR_T][QR_V * VL];
#pragma GCC unroll 8
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) vf_store(out[t] + v * VL, vf_mul(acc[t][v], vf_set1(scale)));
    int n = n_q < V * VL ? n_q : V * VL;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < T; t++) s[(size_t)i * lds + (size_t)t] = out[t][i];
}

/* Queries are padded to 16, so a row of QR_V vectors may be too wide for the last of them: SUAN__PANEL / VL vectors never are. */
VEC void qk_rows(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos, float scale,
                 element e) {
    size_t bytes = e == ELEMENT_F32 ? 4 : 2;
    int step = 0;
    for (int i = 0; i < n_q; i += step) {
        bool wide = n_q - i > SUAN__PANEL && QR_V * VL > SUAN__PANEL;
        step = wide ? QR_V * VL : SUAN__PANEL;
        int t = 0;
        for (; t + QR_T <= n_pos; t += QR_T) {
            const uint8_t *rows = (const uint8_t *)c + (size_t)t * ldc * bytes;
            float *to = s + (size_t)i * lds + t;
            if (wide)
                qk_rows_tile(to, lds, qt + i, ldqt, n_q - i, d, rows, ldc, scale, e, QR_T, QR_V);
            else
                qk_rows_tile(to, lds, qt + i, ldqt, n_q - i, d, rows, ldc, scale, e, QR_T, SUAN__PANEL / VL);
        }
        for (; t < n_pos; t++) {
            const uint8_t *rows = (const uint8_t *)c + (size_t)t * ldc * bytes;
            float *to = s + (size_t)i * lds + t;
            if (wide)
                qk_rows_tile(to, lds, qt + i, ldqt, n_q - i, d, rows, ldc, scale, e, 1, QR_V);
            else
                qk_rows_tile(to, lds, qt + i, ldqt, n_q - i, d, rows, ldc, scale, e, 1, SUAN__PANEL / VL);
        }
    }
}
static void ISA(attn_qk_rows_f32)(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                  float scale) {
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, ELEMENT_F32);
}
static void ISA(attn_qk_rows_f16)(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                  float scale) {
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, ELEMENT_F16);
}

/* ---- values: lanes over the values' dimensions, C queries share each load */

VEC vf load_values(const void *v, size_t i, size_t n, element e) {
    if (n >= VL) return load_elements(v, i, e);
    return e == ELEMENT_F32 ? vf_load_n((const float *)v + i, n) : vf_load_f16_n((const uint16_t *)v + i, n);
}

/* J vectors of C queries; n: dimensions left, at least (J - 1) * VL + 1. */
VEC void pv_tile(float *o, size_t ldo, const float *p, size_t ldp, const void *v, size_t ldv, int n_pos, size_t n, element e, int C,
                 int J) {
    vf acc[PV_C][2 * PV_J];
#pragma GCC unroll 4
    for (int c = 0; c < C; c++)
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) acc[c][j] = vf_zero();
    for (int t = 0; t < n_pos; t++) {
        vf x[2 * PV_J];
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) x[j] = load_values(v, (size_t)t * ldv + (size_t)j * VL, J > 1 ? VL : n, e);
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) {
            vf b = vf_set1(p[(size_t)c * ldp + (size_t)t]);
#pragma GCC unroll 8
            for (int j = 0; j < J; j++) acc[c][j] = vf_fma(x[j], b, acc[c][j]);
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < C; c++)
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) {
            if (J > 1 || n >= VL)
                vf_store(o + (size_t)c * ldo + j * VL, acc[c][j]);
            else
                vf_store_n(o + (size_t)c * ldo, acc[c][j], n);
        }
}

VEC void pv_queries(float *o, size_t ldo, const float *p, size_t ldp, const void *v, size_t ldv, int n_pos, int dv, element e, int C,
                    int J) {
    size_t j = 0, n = (size_t)dv, bytes = e == ELEMENT_F32 ? 4 : 2;
    for (; n - j >= (size_t)J * VL; j += (size_t)J * VL) {
        pv_tile(o + j, ldo, p, ldp, (const uint8_t *)v + j * bytes, ldv, n_pos, n - j, e, C, J);
    }
    for (; j < n; j += VL) pv_tile(o + j, ldo, p, ldp, (const uint8_t *)v + j * bytes, ldv, n_pos, n - j, e, C, 1);
}

VEC void pv(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int n_pos, int dv, element e) {
    for (; n_q >= PV_C; n_q -= PV_C, o += PV_C * ldo, p += PV_C * ldp) pv_queries(o, ldo, p, ldp, v, ldv, n_pos, dv, e, PV_C, PV_J);
    for (; n_q >= 2; n_q -= 2, o += 2 * ldo, p += 2 * ldp) pv_queries(o, ldo, p, ldp, v, ldv, n_pos, dv, e, 2, PV_J);
    if (n_q) pv_queries(o, ldo, p, ldp, v, ldv, n_pos, dv, e, 1, 2 * PV_J);
}
static void ISA(attn_pv_f32)(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int n_pos, int dv) {
    pv(o, ldo, p, ldp, n_q, v, ldv, n_pos, dv, ELEMENT_F32);
}
static void ISA(attn_pv_f16)(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int n_pos, int dv) {
    pv(o, ldo, p, ldp, n_q, v, ldv, n_pos, dv, ELEMENT_F16);
}

static void ISA(attn_merge)(float *o, float *m, float *s, const float *o2, float m2, float s2, int dv) {
    float max = m2 > *m ? m2 : *m;
    float a = suan__expf(*m - max), b = suan__expf(m2 - max);
    vf va = vf_set1(a), vb = vf_set1(b);
    size_t j = 0, n = (size_t)dv;
    float sb = s2 * b;
    *s = __builtin_fmaf(*s, a, sb);
    for (; j + VL <= n; j += VL) vf_store(o + j, vf_fma(vf_load(o + j), va, vf_mul(vf_load(o2 + j), vb)));
    if (j < n) vf_store_n(o + j, vf_fma(vf_load_n(o + j, n - j), va, vf_mul(vf_load_n(o2 + j, n - j), vb)), n - j);
    *m = max;
}

#endif
