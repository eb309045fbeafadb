/* attention_keys.h: scores of queries against the keys of one block of positions: keys in panels (lanes over positions), and keys in rows
 * (lanes over queries), in f32, f16 and q8.
 *
 * What has to be expanded is expanded once and used by all queries; with few queries it stays in registers instead.
 */
#ifndef SUAN_KERNELS_SIMD_ATTENTION_KEYS_H
#define SUAN_KERNELS_SIMD_ATTENTION_KEYS_H

#include "kernels/kernels.h"
#include "kernels/simd/matmul_float.h"

/* Memory that is asked for line by line, into the second-level cache, while something else is computed: about as fast as what is worked on is
 * read, and the rest at the end. One line at a time: a core that asks for many at once waits until it may ask for the next. */
typedef struct asking {
    const uint8_t *p, *end;
} asking;

VEC asking ask_for(suan__soon soon) {
    const uint8_t *p = soon.p;
    return (asking){p, p ? p + soon.bytes : NULL};
}
VEC void ask(asking *a, int lines) {
#pragma GCC unroll 16
    for (int i = 0; i < lines; i++) {
        if (a->p >= a->end) return;
        vec_prefetch_far(a->p);
        a->p += 64;
    }
}
VEC void ask_rest(asking a) {
    for (; a.p < a.end; a.p += 64) vec_prefetch_far(a.p);
}

/* The same pointer, of which the compiler no longer knows how it came about: it stays in a register instead of being added up again in every
 * step of a loop, where additions take the place of fma. */
VEC const float *own_register(const float *p) {
    __asm__("" : "+r"(p));
    return p;
}

/* ---- keys in panels */

#define QK_CHUNK 128                    /* values of a half-precision key expanded at once */
#define QK_GROUPS (QK_P * FLOAT_GROUPS) /* vectors of positions */

/* C queries against QK_P panels, n values of each. more: the sums go on from s; last: they end here and are scaled. */
VEC void qk_tile(float *s, size_t lds, const float *q, size_t ldq, const uint8_t *const k[QK_P], size_t n, int n_pos, bool more, bool last,
                 float scale, asking *asked, element e, int C) {
    asking a = *asked;
    vf acc[QK_GROUPS][QK_C];
#pragma GCC unroll 4
    for (int g = 0; g < QK_GROUPS; g++) {
        int left = n_pos - g * VL;
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            acc[g][c] = vf_zero();
            if (more && left > 0) acc[g][c] = vf_load_n(s + (size_t)c * lds + g * VL, left < VL ? (size_t)left : VL);
        }
    }
    const float *query[QK_C];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) query[c] = own_register(q + (size_t)c * ldq);
    for (size_t i = 0; i < n; i++) {
        vf w[QK_GROUPS];
        if (e == ELEMENT_F32 || QK_P % 2 == 0 || i % 2 == 0) ask(&a, e == ELEMENT_F32 ? QK_P : (QK_P + 1) / 2);
#pragma GCC unroll 4
        for (int g = 0; g < QK_GROUPS; g++) w[g] = load_elements(k[g / FLOAT_GROUPS], i * SUAN__PANEL + (size_t)(g % FLOAT_GROUPS) * VL, e);
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            vf b = vf_set1(query[c][i]);
#pragma GCC unroll 4
            for (int g = 0; g < QK_GROUPS; g++) acc[g][c] = vf_fma(w[g], b, acc[g][c]);
        }
    }
    *asked = a;
    vf factor = vf_set1(last ? scale : 1.0f);
#pragma GCC unroll 4
    for (int g = 0; g < QK_GROUPS; g++) {
        int left = n_pos - g * VL;
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            vf r = last ? vf_mul(acc[g][c], factor) : acc[g][c];
            if (left >= VL)
                vf_store(s + (size_t)c * lds + g * VL, r);
            else if (left > 0)
                vf_store_n(s + (size_t)c * lds + g * VL, r, (size_t)left);
        }
    }
}

/* One function for each number of queries up to QK_C. */
#define QK_COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define QK_TILE(e)                                                                                                                        \
    static                                                                                                                                \
        __attribute__((noinline)) void qk_tile_##e(int C, float *s, size_t lds, const float *q, size_t ldq, const uint8_t *const k[QK_P], \
                                                   size_t n, int n_pos, bool more, bool last, float scale, asking *asked) {               \
        switch (C) { QK_COUNTS(QK_CASE_##e) }                                                                                             \
    }
#define QK_CASE_f32(c)                                                                                                    \
    case c:                                                                                                               \
        if (c <= QK_C) qk_tile(s, lds, q, ldq, k, n, n_pos, more, last, scale, asked, ELEMENT_F32, c <= QK_C ? c : QK_C); \
        break;
#define QK_CASE_f16(c)                                                                                                    \
    case c:                                                                                                               \
        if (c <= QK_C) qk_tile(s, lds, q, ldq, k, n, n_pos, more, last, scale, asked, ELEMENT_F16, c <= QK_C ? c : QK_C); \
        break;
QK_TILE(f32)
QK_TILE(f16)
#undef QK_TILE
#undef QK_CASE_f32
#undef QK_CASE_f16

/* Many queries against QK_P panels, which are expanded first. */
VEC void qk_many(float *s, size_t lds, const float *q, size_t ldq, int n_q, size_t d, const uint8_t *const k[QK_P], int n_pos, float scale,
                 asking *asked, element e) {
    float x[QK_P][QK_CHUNK * SUAN__PANEL];
    for (size_t j = 0; j < d; j += QK_CHUNK) {
        size_t n = d - j < QK_CHUNK ? d - j : QK_CHUNK;
        const uint8_t *expanded[QK_P];
        for (int p = 0; p < QK_P; p++) {
            expanded[p] = k[p] + j * SUAN__PANEL * 4;
            if (e == ELEMENT_F32) continue;
            for (size_t i = 0; i < n * SUAN__PANEL; i += VL) vf_store(x[p] + i, load_elements(k[p], j * SUAN__PANEL + i, e));
            expanded[p] = (const uint8_t *)x[p];
        }
        for (int c = 0; c < n_q; c += QK_C)
            qk_tile_f32(n_q - c < QK_C ? n_q - c : QK_C, s + (size_t)c * lds, lds, q + (size_t)c * ldq + j, ldq, expanded, n, n_pos, j > 0,
                        j + n == d, scale, asked);
    }
}

VEC void qk(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale, suan__soon soon,
            element e) {
    asking asked = ask_for(soon);
    size_t panel_bytes = (size_t)d * SUAN__PANEL * (e == ELEMENT_F32 ? 4 : 2);
    for (int t = 0; t < n_pos; t += QK_P * SUAN__PANEL) {
        const uint8_t *panels[QK_P];
        for (int p = 0; p < QK_P; p++) { /* where there is no second one the first is taken twice */
            size_t at = (size_t)(t / SUAN__PANEL) + (size_t)(t + p * SUAN__PANEL < n_pos ? p : 0);
            panels[p] = (const uint8_t *)k + at * panel_bytes;
        }
        if (n_q > QK_C)
            qk_many(s + t, lds, q, ldq, n_q, (size_t)d, panels, n_pos - t, scale, &asked, e);
        else if (e == ELEMENT_F32)
            qk_tile_f32(n_q, s + t, lds, q, ldq, panels, (size_t)d, n_pos - t, false, true, scale, &asked);
        else
            qk_tile_f16(n_q, s + t, lds, q, ldq, panels, (size_t)d, n_pos - t, false, true, scale, &asked);
    }
    ask_rest(asked);
}
static void ISA(attn_qk_f32)(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                             suan__soon soon) {
    qk(s, lds, q, ldq, n_q, d, k, n_pos, scale, soon, ELEMENT_F32);
}
static void ISA(attn_qk_f16)(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                             suan__soon soon) {
    qk(s, lds, q, ldq, n_q, d, k, n_pos, scale, soon, ELEMENT_F16);
}

/* C queries against the VL positions from h on of a panel of q8 keys. */
VEC void qk_q8_tile(float *s, size_t lds, const uint8_t *q, size_t ldq, size_t d, const uint8_t *panel, int h, int n_pos, float scale,
                    asking *asked, int C) {
    asking a = *asked;
    const uint8_t *scales = panel + d * SUAN__PANEL;
    size_t d_at = suan__q8_d_offset(d), sum_at = suan__q8_sum_offset(d, 32);
    vf acc[QK_C];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) acc[c] = vf_zero();
    for (size_t b = 0; b < d / 32; b++) {
        vi w[8];
        vf dk = vf_load_f16(scales + (b * SUAN__PANEL + (size_t)h) * 2);
#pragma GCC unroll 8
        for (int u = 0; u < 8; u++) {
            const uint8_t *unit = panel + (b * 8 + (size_t)u) * 64 + 4 * h;
            if (h == 0) ask(&a, 1);
            w[u] = dot_s_stored(vi_load(unit));
        }
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            const uint8_t *row = q + (size_t)c * ldq;
            float dq;
            memcpy(&dq, row + d_at + b * 4, 4);
            vi isum = DOT_S_OFFSET ? dot_sum(row + sum_at + b * 2, -DOT_S_OFFSET) : vi_zero();
            isum = dot_s(isum, w, (const int8_t *)row + b * 32, 8);
            acc[c] = vf_fma(vf_from_vi(isum), vf_mul(dk, vf_set1(dq)), acc[c]);
        }
    }
    *asked = a;
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        vf r = vf_mul(acc[c], vf_set1(scale));
        if (n_pos >= VL)
            vf_store(s + (size_t)c * lds, r);
        else
            vf_store_n(s + (size_t)c * lds, r, (size_t)n_pos);
    }
}

static __attribute__((noinline)) void qk_q8_some(int C, float *s, size_t lds, const uint8_t *q, size_t ldq, size_t d, const uint8_t *panel,
                                                 int h, int n_pos, float scale, asking *asked) {
#define QK_CASE(c)                                                                                         \
    case c:                                                                                                \
        if (c <= QK_C) qk_q8_tile(s, lds, q, ldq, d, panel, h, n_pos, scale, asked, c <= QK_C ? c : QK_C); \
        break;
    switch (C) { QK_COUNTS(QK_CASE) }
#undef QK_CASE
}

static void ISA(attn_qk_q8)(float *s, size_t lds, const void *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                            suan__soon soon) {
    size_t panel_bytes = SUAN__PANEL * ((size_t)d + (size_t)d / 16);
    asking asked = ask_for(soon);
    for (int t = 0; t < n_pos; t += VL) {
        const uint8_t *panel = (const uint8_t *)k + (size_t)(t / SUAN__PANEL) * panel_bytes;
        for (int c = 0; c < n_q; c += QK_C)
            qk_q8_some(n_q - c < QK_C ? n_q - c : QK_C, s + (size_t)c * lds + t, lds, (const uint8_t *)q + (size_t)c * ldq, ldq, (size_t)d,
                       panel, t % SUAN__PANEL, n_pos - t, scale, &asked);
    }
    ask_rest(asked);
}

/* ---- keys in rows: lanes over queries, QR_SUMS vectors of sums */

#define QR_SUMS (QR_V * QR_T)
#define QR_FEW 4    /* positions of a tile where there are not enough for a whole one */
#define QR_CHUNK 64 /* values of a half-precision row expanded at once */

/* V vectors of queries from qt on against T rows from c on. rows: T f32 rows of n values each, ld values apart. period: values
 * from one line that is asked for to the next. */
VEC void qk_rows_chunk(vf acc[QR_SUMS], const float *qt, size_t ldqt, const float *rows, size_t ld, size_t n, asking *asked, size_t period,
                       int T, int V) {
    asking a = *asked;
    for (size_t i = 0; i < n; i++, rows++, qt += ldqt) {
        if (i % period == 0) ask(&a, 1);
        vf q[QR_V];
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) q[v] = vf_load(qt + (size_t)v * VL);
#pragma GCC unroll 16
        for (int t = 0; t < T; t++) {
            vf b = vf_set1(rows[(size_t)t * ld]);
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) acc[t * V + v] = vf_fma(q[v], b, acc[t * V + v]);
        }
    }
    *asked = a;
}

/* s[i][t] of what the tile holds: lanes are queries there, of which n count. */
VEC void qk_rows_finish(float *s, size_t lds, vf acc[QR_SUMS], int n, float scale, int T, int V) {
    float out[QR_SUMS * VL];
#pragma GCC unroll 16
    for (int i = 0; i < T * V; i++) vf_store(out + i * VL, vf_mul(acc[i], vf_set1(scale)));
    if (n > V * VL) n = V * VL;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < T; t++) s[(size_t)i * lds + (size_t)t] = out[t * V * VL + i];
}

/* next: the rows of the next tile, which nobody may have asked for yet (a block that no other came before); NULL: none. */
VEC void qk_rows_tile(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, const uint8_t *next, size_t ldc,
                      float scale, asking *asked, element e, int T, int V) {
    vf acc[QR_SUMS];
#pragma GCC unroll 16
    for (int i = 0; i < T * V; i++) acc[i] = vf_zero();
    float expanded[QR_SUMS * QR_CHUNK];
    const size_t bytes = e == ELEMENT_F32 ? 4 : 2, period = (size_t)T * bytes > 64 ? 1 : 128 / ((size_t)T * bytes);
    for (size_t j = 0; j < (size_t)d; j += QR_CHUNK) {
        size_t n = (size_t)d - j < QR_CHUNK ? (size_t)d - j : QR_CHUNK;
        for (int t = 0; t < T && e != ELEMENT_F32; t++) {
            const uint8_t *row = (const uint8_t *)c + ((size_t)t * ldc + j) * bytes;
            for (size_t i = 0; i < n; i += VL) {
                vf x = n - i >= VL ? vf_load_f16(row + i * 2) : vf_load_f16_n(row + i * 2, n - i);
                vf_store(expanded + (size_t)t * QR_CHUNK + i, x);
            }
        }
        for (int t = 0; t < T && next; t++)
            for (size_t at = 0; at < n * bytes; at += 64) vec_prefetch_far(next + ((size_t)t * ldc + j) * bytes + at);
        const float *rows = e == ELEMENT_F32 ? (const float *)c + j : expanded;
        qk_rows_chunk(acc, qt + j * ldqt, ldqt, rows, e == ELEMENT_F32 ? ldc : QR_CHUNK, n, asked, period, T, V);
    }
    qk_rows_finish(s, lds, acc, n_q, scale, T, V);
}

/* The last tile ends with the last position: what it shares with the one before is computed twice, to the same bits, which is faster than
 * single rows, whose sums wait for each other. Queries are padded to 16, so a row of QR_V vectors may be too wide for the last of them:
 * SUAN__PANEL / VL vectors never are, and meet more rows at once. */
VEC void qk_rows(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos, float scale,
                 suan__soon soon, element e) {
#define TILE(T, V) qk_rows_tile(to, lds, qt + i, ldqt, n_q - i, d, rows, next, ldc, scale, &asked, e, T, V)
    asking asked = ask_for(soon);
    size_t row_bytes = ldc * (e == ELEMENT_F32 ? 4 : 2);
    for (int i = 0, step; i < n_q; i += step) {
        const int narrow = SUAN__PANEL / VL;
        bool wide = n_q - i > SUAN__PANEL && QR_V > narrow;
        step = wide ? QR_V * VL : SUAN__PANEL;
        for (int t = 0, n; t < n_pos; t += n) {
            n = wide ? QR_T : QR_SUMS / narrow;
            if (n_pos < n) n = n_pos < QR_FEW ? 1 : QR_FEW;
            if (n_pos - t < n) t = n_pos - n;
            const uint8_t *rows = (const uint8_t *)c + (size_t)t * row_bytes;
            const uint8_t *next = i == 0 && t + n < n_pos ? rows + (size_t)n * row_bytes : NULL;
            float *to = s + (size_t)i * lds + t;
            if (n == 1)
                wide ? TILE(1, QR_V) : TILE(1, narrow);
            else if (n == QR_FEW)
                wide ? TILE(QR_FEW, QR_V) : TILE(QR_FEW, narrow);
            else
                wide ? TILE(QR_T, QR_V) : TILE(QR_SUMS / narrow, narrow);
        }
    }
    ask_rest(asked);
#undef TILE
}
static void ISA(attn_qk_rows_f32)(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                  float scale, suan__soon soon) {
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, soon, ELEMENT_F32);
}
static void ISA(attn_qk_rows_f16)(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                  float scale, suan__soon soon) {
    qk_rows(s, lds, qt, ldqt, n_q, d, c, ldc, n_pos, scale, soon, ELEMENT_F16);
}

#define QR8_V (SUAN__PANEL / VL) /* vectors of a panel of queries */
#define QR8_BLOCKS 64            /* blocks of a row whose scales are expanded at once */

/* A panel of queries (at its block 0) against T rows. */
VEC void qk_rows_q8_tile(float *s, size_t lds, const uint8_t *panel, int n_q, size_t d, const uint8_t *c, const uint8_t *next,
                         const uint8_t *scales, size_t ldc, float scale, asking *asked, int T) {
    asking a = *asked;
    vf acc[QR_SUMS];
    float dk[QR_T * QR8_BLOCKS];
    uint8_t copy[QR_T * 32];
#pragma GCC unroll 8
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int v = 0; v < QR8_V; v++) acc[t * QR8_V + v] = vf_zero();
    for (size_t b = 0; b < d / 32; b++, panel += SUAN__ATTN_Q8_PANEL_BLOCK) {
        const uint8_t *rows = c + b * 32;
        size_t ld = ldc, at = b % QR8_BLOCKS, left = d / 32 - b;
        for (int t = 0; t < T && at == 0; t++) {
            const uint8_t *from = scales + ((size_t)t * (ldc / 32) + b) * 2;
            for (size_t i = 0; i < left && i < QR8_BLOCKS; i += VL)
                vf_store(dk + (size_t)t * QR8_BLOCKS + i,
                         left - i >= VL ? vf_load_f16(from + i * 2) : vf_load_f16_n(from + i * 2, left - i));
        }
        ask(&a, QR_T / 2);
        for (int t = 0; t < T && next && b % 2 == 0; t++) vec_prefetch_far(next + (size_t)t * ldc + b * 32);
        if (!ROW_BYTES_OFFSET) {
            for (int t = 0; t < T; t++)
                for (size_t i = 0; i < 32; i++) copy[(size_t)t * 32 + i] = rows[(size_t)t * ldc + i] ^ 128;
            rows = copy;
            ld = 32;
        }
#pragma GCC unroll 4
        for (int v = 0; v < QR8_V; v++) {
            vi q[8], offset = ROW_BYTES_OFFSET ? vi_sub(vi_zero(), vi_load(panel + 64 + v * VL * 4)) : vi_zero();
            vf dq = vf_load((const float *)(const void *)(panel + v * VL * 4));
#pragma GCC unroll 8
            for (int u = 0; u < 8; u++) q[u] = vi_load(panel + 128 + u * 64 + v * VL * 4);
#pragma GCC unroll 8
            for (int t = 0; t < T; t++)
                acc[t * QR8_V + v] = vf_fma(vf_from_vi(dot_row(offset, q, rows + (size_t)t * ld)),
                                            vf_mul(dq, vf_set1(dk[(size_t)t * QR8_BLOCKS + at])), acc[t * QR8_V + v]);
        }
    }
    *asked = a;
    qk_rows_finish(s, lds, acc, n_q, scale, T, QR8_V);
}

static void ISA(attn_qk_rows_q8)(float *s, size_t lds, const void *panels, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                 float scale, suan__soon soon) {
    asking asked = ask_for(soon);
    size_t panel_bytes = (size_t)d / 32 * SUAN__ATTN_Q8_PANEL_BLOCK;
    const uint8_t *scales = (const uint8_t *)c + SUAN__ATTN_BLOCK * ldc;
    for (int i = 0; i < n_q; i += SUAN__PANEL) {
        const uint8_t *panel = (const uint8_t *)panels + (size_t)(i / SUAN__PANEL) * panel_bytes;
        float *to = s + (size_t)i * lds;
        for (int t = 0, n; t < n_pos; t += n) {
            n = n_pos < QR_T ? 1 : QR_T;
            if (n_pos - t < n) t = n_pos - n;
            const uint8_t *rows = (const uint8_t *)c + (size_t)t * ldc, *of_rows = scales + (size_t)t * (ldc / 16);
            const uint8_t *next = i == 0 && t + n < n_pos ? rows + (size_t)n * ldc : NULL;
            if (n == 1)
                qk_rows_q8_tile(to + t, lds, panel, n_q - i, (size_t)d, rows, next, of_rows, ldc, scale, &asked, 1);
            else
                qk_rows_q8_tile(to + t, lds, panel, n_q - i, (size_t)d, rows, next, of_rows, ldc, scale, &asked, QR_T);
        }
    }
    ask_rest(asked);
}

#endif
