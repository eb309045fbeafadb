/* attention_c.c: one block of attention, the definitions. attn_softmax stands in norm_c.c, beside its sum. */
#include "kernels/c.h"
#include "kernels/f16.h"
#include "kernels/math.h"

#include <math.h>
#include <string.h>

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

void suan__attn_qk_f32_c(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                         suan__soon soon) {
    (void)soon;
    qk(s, lds, q, ldq, n_q, d, k, n_pos, scale, load_f32);
}
void suan__attn_qk_f16_c(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                         suan__soon soon) {
    (void)soon;
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
                              float scale, suan__soon soon) {
    (void)soon;
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, load_f32);
}
void suan__attn_qk_rows_f16_c(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                              float scale, suan__soon soon) {
    (void)soon;
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, load_f16);
}

/* One block of 32: query i of q8 rows of d values, and the position's bytes, 4 at each of 8 places `stride` apart. */
static float q8_step(float acc, const uint8_t *row, size_t d, size_t block, const uint8_t *k, size_t stride, uint16_t scale) {
    const int8_t *q = (const int8_t *)row + block * 32;
    int32_t isum = 0;
    float dq;
    memcpy(&dq, row + suan__q8_d_offset(d) + block * 4, 4);
    for (size_t j = 0; j < 32; j++) isum += q[j] * (k[j / 4 * stride + j % 4] - 128);
    return fmaf((float)isum, dq * suan__f16_to_f32(scale), acc);
}

void suan__attn_qk_q8_c(float *s, size_t lds, const void *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                        suan__soon soon) {
    (void)soon;
    size_t width = (size_t)d, blocks = width / 32, panel_bytes = SUAN__PANEL * (width + blocks * 2);
    for (int i = 0; i < n_q; i++) {
        for (int t = 0; t < n_pos; t++) {
            const uint8_t *panel = (const uint8_t *)k + (size_t)(t / SUAN__PANEL) * panel_bytes,
                          *row = (const uint8_t *)q + (size_t)i * ldq;
            size_t at = (size_t)(t % SUAN__PANEL);
            float acc = 0;
            for (size_t b = 0; b < blocks; b++) {
                uint16_t dk;
                memcpy(&dk, panel + SUAN__PANEL * width + (b * SUAN__PANEL + at) * 2, 2);
                acc = q8_step(acc, row, width, b, panel + b * 32 * SUAN__PANEL + at * 4, (size_t)4 * SUAN__PANEL, dk);
            }
            s[(size_t)i * lds + t] = acc * scale;
        }
    }
}

void suan__attn_q8_panels(void *panels, const void *rows, size_t row_bytes, size_t d, int n_q) {
    size_t blocks = d / 32, panel_bytes = blocks * SUAN__ATTN_Q8_PANEL_BLOCK;
    memset(panels, 0, (size_t)((n_q + SUAN__PANEL - 1) / SUAN__PANEL) * panel_bytes);
    for (int i = 0; i < n_q; i++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)i * row_bytes, *scales = row + suan__q8_d_offset(d),
                      *sums = row + suan__q8_sum_offset(d, 32);
        uint8_t *panel = (uint8_t *)panels + (size_t)(i / SUAN__PANEL) * panel_bytes;
        size_t at = (size_t)(i % SUAN__PANEL);
        for (size_t b = 0; b < blocks; b++, panel += SUAN__ATTN_Q8_PANEL_BLOCK) {
            int16_t sum;
            memcpy(&sum, sums + b * 2, 2);
            int32_t offset = 128 * sum;
            memcpy(panel + at * 4, scales + b * 4, 4);
            memcpy(panel + 64 + at * 4, &offset, 4);
            for (size_t u = 0; u < 8; u++) memcpy(panel + 128 + u * 64 + at * 4, row + b * 32 + u * 4, 4);
        }
    }
}

void suan__attn_qk_rows_q8_c(float *s, size_t lds, const void *panels, int n_q, int d, const void *c, size_t ldc, int n_pos, float scale,
                             suan__soon soon) {
    (void)soon;
    size_t blocks = (size_t)d / 32;
    const uint8_t *bytes = c, *scales = bytes + SUAN__ATTN_BLOCK * ldc;
    for (int i = 0; i < n_q; i++) {
        const uint8_t *panel =
            (const uint8_t *)panels + (size_t)(i / SUAN__PANEL) * blocks * SUAN__ATTN_Q8_PANEL_BLOCK + i % SUAN__PANEL * 4;
        for (int t = 0; t < n_pos; t++) {
            float acc = 0;
            for (size_t b = 0; b < blocks; b++) {
                const uint8_t *q = panel + b * SUAN__ATTN_Q8_PANEL_BLOCK, *k = bytes + (size_t)t * ldc + b * 32;
                int32_t isum = 0;
                uint16_t dk;
                float dq;
                memcpy(&dk, scales + ((size_t)t * (ldc / 32) + b) * 2, 2);
                memcpy(&dq, q, 4);
                for (size_t j = 0; j < 32; j++) isum += (int8_t)q[128 + j / 4 * 64 + j % 4] * (k[j] - 128);
                acc = fmaf((float)isum, dq * suan__f16_to_f32(dk), acc);
            }
            s[(size_t)i * lds + t] = acc * scale;
        }
    }
}

/* Value j of position t in rows of a block. */
typedef float value_fn(const void *v, size_t ldv, size_t t, size_t j);

static float value_f32(const void *v, size_t ldv, size_t t, size_t j) {
    return load_f32(v, t * ldv + j);
}
static float value_f16(const void *v, size_t ldv, size_t t, size_t j) {
    return load_f16(v, t * ldv + j);
}
static float value_q8(const void *v, size_t ldv, size_t t, size_t j) {
    const uint8_t *bytes = v;
    uint16_t scale;
    memcpy(&scale, bytes + SUAN__ATTN_BLOCK * ldv + (t * (ldv / 32) + j / 32) * 2, 2);
    float d = suan__f16_to_f32(scale);
    return fmaf((float)bytes[t * ldv + j], d, -(128 * d));
}

static inline void pv(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int first, int n_pos, int dv,
                      value_fn *value) {
    for (int i = 0; i < n_q; i++) {
        for (int j = 0; j < dv; j++) {
            float acc = first ? o[(size_t)i * ldo + j] : 0;
            for (int t = first; t < n_pos; t++) acc = fmaf(p[(size_t)i * ldp + t], value(v, ldv, (size_t)t, (size_t)j), acc);
            o[(size_t)i * ldo + j] = acc;
        }
    }
}

#define PV(e)                                                                                                                              \
    void suan__attn_pv_##e##_c(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int first, int n_pos, \
                               int dv, suan__soon soon) {                                                                                  \
        (void)soon;                                                                                                                        \
        pv(o, ldo, p, ldp, n_q, v, ldv, first, n_pos, dv, value_##e);                                                                      \
    }
PV(f32)
PV(f16)
PV(q8)
#undef PV

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
