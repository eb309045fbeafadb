/* attention_c.c: one block of attention, the definitions. attn_softmax stands in norm_c.c, beside its sum. */
#include "kernels/c.h"
#include "kernels/f16.h"
#include "kernels/math.h"

#include <math.h>

typedef float load_fn(const void *p, size_t i);

static float load_f32(const void *p, size_t i) {
    return ((const float *)p)[i];
}
static float load_f16(const void *p, size_t i) {
    return suan__f16_to_f32(((const uint16_t *)p)[i]);
}

static inline void qk(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                      load_fn *load) {
    for (int i = 0; i < n_q; i++) {
        for (int t = 0; t < n_pos; t++) {
            size_t first = (size_t)(t / SUAN__PANEL) * (size_t)d * SUAN__PANEL + (size_t)(t % SUAN__PANEL);
            float acc = 0;
            for (int j = 0; j < d; j++) acc = fmaf(q[(size_t)i * ldq + j], load(k, first + (size_t)j * SUAN__PANEL), acc);
            s[(size_t)i * lds + t] = acc * scale;
        }
    }
}

void suan__attn_qk_f32_c(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale) {
    qk(s, lds, q, ldq, n_q, d, k, n_pos, scale, load_f32);
}
void suan__attn_qk_f16_c(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale) {
    qk(s, lds, q, ldq, n_q, d, k, n_pos, scale, load_f16);
}

static inline void qk_rows(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                           float scale, load_fn *load) {
    for (int i = 0; i < n_q; i++) {
        for (int t = 0; t < n_pos; t++) {
            float acc = 0;
            for (int j = 0; j < d; j++) acc = fmaf(qt[(size_t)j * ldqt + i], load(c, (size_t)t * ldc + j), acc);
            s[(size_t)i * lds + t] = acc * scale;
        }
    }
}

void suan__attn_qk_rows_f32_c(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                              float scale) {
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, load_f32);
}
void suan__attn_qk_rows_f16_c(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                              float scale) {
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, load_f16);
}

static inline void pv(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int n_pos, int dv,
                      load_fn *load) {
    for (int i = 0; i < n_q; i++) {
        for (int j = 0; j < dv; j++) {
            float acc = 0;
            for (int t = 0; t < n_pos; t++) acc = fmaf(p[(size_t)i * ldp + t], load(v, (size_t)t * ldv + j), acc);
            o[(size_t)i * ldo + j] = acc;
        }
    }
}

void suan__attn_pv_f32_c(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int n_pos, int dv) {
    pv(o, ldo, p, ldp, n_q, v, ldv, n_pos, dv, load_f32);
}
void suan__attn_pv_f16_c(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int n_pos, int dv) {
    pv(o, ldo, p, ldp, n_q, v, ldv, n_pos, dv, load_f16);
}

void suan__attn_merge_c(float *o, float *m, float *s, const float *o2, float m2, float s2, int dv) {
    float max = m2 > *m ? m2 : *m;
    float a = suan__expf(*m - max), b = suan__expf(m2 - max);
    float sb = s2 * b;
    *s = fmaf(*s, a, sb);
    for (int j = 0; j < dv; j++) {
        float ob = o2[j] * b;
        o[j] = fmaf(o[j], a, ob);
    }
    *m = max;
}
