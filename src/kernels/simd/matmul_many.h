/* matmul_many.h: one panel of block-quantised weights times many columns, for levels that define MANY_COLS; or two panels at once, for levels
 * that define WIDE_COLS too.
 *
 * The panel is worked on in chunks of MANY_CHUNK values of k. A chunk's weights are unpacked once, into bytes that the dot products take as
 * they are, with their scales: a stretch that stays in the first-level cache while all columns meet it, MANY_COLS at a time. Sums go
 * from chunk to chunk through y, which changes no bit of them. Inside a block everything is exact, so that only the order of the blocks
 * matters (see matmul_quant.h).
 *
 * Dot products are told apart by the weights' bits: DOT_GROUP(bits, n) units of the n with the same scale are added up by dot_step before
 * dot_finish takes them, times their factor, into the sum of the block.
 *
 * P is the number of panels; blocks of two panels stand in turn. One panel meets more columns at once than two do: sums are kept in registers.
 *
 * A few columns (up to WIDE_STORED) meet two panels as they are stored: each unit of weights is unpacked between the dot products, once for
 * each WIDE_COLS of columns. That costs more operations than writing what is unpacked and reading it, but writing is what takes the time then.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_MANY_H
#define SUAN_KERNELS_SIMD_MATMUL_MANY_H

#include "kernels/simd/weights_quant.h"

#ifdef MANY_COLS

#define GROUPS (SUAN__PANEL / VL) /* vectors of a panel's rows */
#ifdef WIDE_COLS
#define MOST_AT_ONCE 2 /* panels */
#else
#define MOST_AT_ONCE 1
#endif
#define MOST_GROUPS (MOST_AT_ONCE * GROUPS)
#define MANY_CHUNK 512
#define MANY_32 (MANY_CHUNK / 32)
#define MANY_256 (MANY_CHUNK / 256)

/* A block made ready. Rows stand side by side as in the panel. */
typedef struct many_32 {
    uint8_t w[8][64];
    float d[SUAN__PANEL], m[SUAN__PANEL];
} many_32;

typedef struct many_256 {
    uint8_t w[64][64];
    int32_t factor[16][SUAN__PANEL]; /* of each sub-block, as dot_finish wants it */
    int32_t pair[8][SUAN__PANEL];    /* two 16-bit factors of the activations' sums: minimums, or scales */
    float d[SUAN__PANEL], dmin[SUAN__PANEL];
} many_256;

/* Where the results of each panel go: of column 0; column c is ldy further. Sums begin at zero in the first chunk, at y's values later. */
typedef struct many_y {
    float *y[MOST_AT_ONCE];
    size_t ldy;
    int n_rows[MOST_AT_ONCE];
    bool first;
} many_y;

/* Where columns' activations of a chunk begin: of column 0; column c is c * ldx bytes further. And the weights of the next chunk, of which each block asks for one: memory works
 * while products are made. */
typedef struct many_x {
    const uint8_t *q, *d, *sum;
    size_t ldx;
    const uint8_t *next[MOST_AT_ONCE];
    size_t next_bytes;       /* of a block */
    size_t ask_from, ask_to; /* which bytes of a block these columns ask for */
} many_x;

VEC void many_ask_ahead(const many_x *x, size_t block, int P) {
    for (size_t at = x->ask_from; at < x->ask_to; at += 64)
        for (int i = 0; i < P; i++) vec_prefetch_far(x->next[i] + block * x->next_bytes + at);
}
/* The next columns ask for the next share of n. */
VEC void many_next_share(many_x *x, size_t n) {
    x->ask_from = x->ask_to;
    x->ask_to += (x->next_bytes / n + 63) / 64 * 64;
    if (x->ask_to > x->next_bytes) x->ask_to = x->next_bytes;
}

VEC void many_begin(vf acc[MOST_GROUPS][MANY_COLS], const many_y *y, int P, int C) {
#pragma GCC unroll 4
    for (int g = 0; g < P * GROUPS; g++) {
        int n = y->n_rows[g / GROUPS] - g % GROUPS * VL;
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) {
            const float *src = y->y[g / GROUPS] + (size_t)c * y->ldy + g % GROUPS * VL;
            acc[g][c] = vf_zero();
            if (!y->first && n > 0) acc[g][c] = vf_load_n(src, n < VL ? (size_t)n : VL);
        }
    }
}
VEC void many_end(const many_y *y, vf acc[MOST_GROUPS][MANY_COLS], int P, int C) {
#pragma GCC unroll 4
    for (int g = 0; g < P * GROUPS; g++) {
        int n = y->n_rows[g / GROUPS] - g % GROUPS * VL;
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) {
            float *dst = y->y[g / GROUPS] + (size_t)c * y->ldy + g % GROUPS * VL;
            if (n >= VL)
                vf_store(dst, acc[g][c]);
            else if (n > 0)
                vf_store_n(dst, acc[g][c], (size_t)n);
        }
    }
}
/* On to the columns behind n of them. */
VEC void many_next_columns(many_y *y, many_x *x, size_t n, int P) {
    x->q += n * x->ldx, x->d += n * x->ldx, x->sum += n * x->ldx;
    for (int i = 0; i < P; i++) y->y[i] += n * y->ldy;
}

#define BASES ((MANY_COLS + 3) / 4)

/* Where the activations of every fourth column are, and three times the distance between columns, for dot_step. They are hidden from the
 * compiler: otherwise it makes an offset of each column and unit, and reads all those from the stack. */
typedef struct many_at {
    const uint8_t *base[BASES];
    size_t ldx, ldx3;
} many_at;

VEC void many_bases(many_at *at, const uint8_t *q, size_t ldx, int C) {
    at->ldx = ldx;
    at->ldx3 = 3 * ldx;
    __asm__("" : "+r"(at->ldx3));
#pragma GCC unroll 4
    for (int i = 0; i < (C + 3) / 4; i++) {
        at->base[i] = q + (size_t)i * 4 * ldx;
        __asm__("" : "+r"(at->base[i]));
    }
}

/* Sums t of C columns meet m units of weights at w (of each panel); their activations are at byte `from` of each column's. With `stored` they
 * are those of sub-block s, from its unit u0 on, of blocks as they are stored. Each is unpacked when it is wanted: the compiler does not know
 * that it is the same block again. With all of them at once it would run out of registers, and what is written to memory for a moment holds
 * up reading of weights and activations. */
VEC void many_steps(vi t[MOST_GROUPS][MANY_COLS], const uint8_t **w, weights_fn *stored, int s, int u0, const many_at *at, int from, int m,
                    int P, int C, int bits) {
#pragma GCC unroll 8
    for (int u = 0; u < m; u++) {
        vi wu[MOST_GROUPS];
#pragma GCC unroll 4
        for (int g = 0; g < P * GROUPS; g++) {
            int h = g % GROUPS * VL;
            if (stored) __asm__("" : "+r"(w[g / GROUPS]));
            wu[g] = stored ? stored(w[g / GROUPS], h, s, u0 + u) : vi_load(w[g / GROUPS] + 64 * u + 4 * h);
        }
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) {
#ifdef WIDE_COLS
            if (P == 2) {
                vi a = dot_activations(at->base[c / 4], at->ldx, at->ldx3, c % 4, from + 4 * u);
#pragma GCC unroll 4
                for (int g = 0; g < P * GROUPS; g++) t[g][c] = dot_step_of(t[g][c], wu[g], a, bits);
                continue;
            }
#endif
#pragma GCC unroll 4
            for (int g = 0; g < P * GROUPS; g++)
                t[g][c] = dot_step(t[g][c], wu[g], at->base[c / 4], at->ldx, at->ldx3, c % 4, from + 4 * u, bits);
        }
    }
}

/* ---- blocks of 32 */

/* For each block of the chunk and column what the sums of activations give: the start of the integer sum (-offset * sum), or the sum as a
 * float, for types with minimums. */
typedef union many_sums {
    int32_t start[MANY_COLS][MANY_32];
    float f[MANY_COLS][MANY_32];
} many_sums;

VEC void many_take_sums(many_sums *s, const many_x *x, size_t n, int C, int offset, bool min) {
    for (int c = 0; c < C; c++) {
        const uint8_t *p = x->sum + (size_t)c * x->ldx;
        for (size_t i = 0; i < n; i += VL) {
            vi sum = vi_load_s16_n(p + 2 * i, n - i < VL ? n - i : VL);
            if (min)
                vf_store(s->f[c] + i, vf_from_vi(sum));
            else
                vf_store(s->f[c] + i, vf_bits(vi_mul(sum, vi_set1(-offset))));
        }
    }
}

VEC void many_ready_32(many_32 *dst, const uint8_t *p, load_32_fn *load) {
#pragma GCC unroll 1
    for (int h = 0; h < SUAN__PANEL; h += VL) {
        vi w[8];
        vf d, m = vf_zero();
        load(w, &d, &m, p, h);
#pragma GCC unroll 12
        for (int u = 0; u < 8; u++) vi_store(dst->w[u] + 4 * h, w[u]);
        vf_store(dst->d + h, d);
        vf_store(dst->m + h, m);
    }
}

/* With `stored`, and `load` for scales, blocks come as they are stored, at x.next, instead of b. */
VEC void many_columns_32(many_y y, const many_32 *b, size_t n, many_x x, int P, int C, int bits, int offset, bool min, load_32_fn *load,
                         weights_fn *stored) {
    const int m = DOT_GROUP(bits, 8);
    many_sums sums;
    vf acc[MOST_GROUPS][MANY_COLS];
    many_take_sums(&sums, &x, n, C, offset, min);
    many_begin(acc, &y, P, C);
    for (size_t i = 0; i < n; i++, b += stored ? 0 : P) {
        __asm__("" : "+r"(x.q), "+r"(x.d));
        if (stored) {
            for (int p = 0; p < P; p++) prefetch_part(x.next[p], x.next_bytes, 0, 1);
        } else
            many_ask_ahead(&x, i, P);
        many_at at;
        vi s[MOST_GROUPS][MANY_COLS];
        many_bases(&at, x.q, x.ldx, C);
#pragma GCC unroll 4
        for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
            for (int c = 0; c < C; c++) s[g][c] = min || !offset ? vi_zero() : vi_set1(sums.start[c][i]);
#pragma GCC unroll 12
        for (int u = 0; u < 8; u += m) {
            vi t[MOST_GROUPS][MANY_COLS];
#pragma GCC unroll 4
            for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
                for (int c = 0; c < C; c++) t[g][c] = DOT_DIRECT ? s[g][c] : vi_zero();
            many_steps(t, stored ? x.next : (const uint8_t *[]){b->w[u], b[P - 1].w[u]}, stored, 0, u, &at, 4 * u, m, P, C, bits);
#pragma GCC unroll 4
            for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
                for (int c = 0; c < C; c++) s[g][c] = DOT_DIRECT ? t[g][c] : dot_finish(s[g][c], t[g][c], dot_factor_one(), bits);
        }
        vf d[MOST_GROUPS], mins[MOST_GROUPS];
#pragma GCC unroll 4
        for (int g = 0; g < P * GROUPS; g++) {
            vi w[8];
            if (stored) {
                load(w, &d[g], &mins[g], x.next[g / GROUPS], g % GROUPS * VL);
                continue;
            }
            d[g] = vf_load(b[g / GROUPS].d + g % GROUPS * VL);
            mins[g] = vf_load(b[g / GROUPS].m + g % GROUPS * VL);
        }
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) {
            float column_d;
            memcpy(&column_d, x.d + (size_t)c * x.ldx, 4);
            vf da = vf_set1(column_d);
#pragma GCC unroll 4
            for (int g = 0; g < P * GROUPS; g++) {
                acc[g][c] = vf_fma(vf_from_vi(s[g][c]), vf_mul(d[g], da), acc[g][c]);
                if (min) acc[g][c] = vf_fma(vf_mul(mins[g], da), vf_set1(sums.f[c][i]), acc[g][c]);
            }
        }
        for (int p = 0; p < P && stored; p++) x.next[p] += x.next_bytes;
        x.q += 32;
        x.d += 4;
    }
    many_end(&y, acc, P, C);
}

/* ---- blocks of 256 */

/* Everything of a block but the weights. */
typedef void scales_256_fn(many_256 *dst, const uint8_t *p, int h);

VEC void scales_q45_k(many_256 *dst, const uint8_t *p, int h, bool five) {
    vi sc[2], mn[2];
    vf_store(dst->d + h, vf_load_f16(p + 2 * h));
    vf_store(dst->dmin + h, vf_load_f16(p + 32 + 2 * h));
    load_k4_scales(sc, mn, p + 64, h);
#pragma GCC unroll 12
    for (int j = 0; j < 8; j++) {
        vi_store(dst->factor[j] + h, dot_factor(dot_scale_u8(sc[j / 4], j % 4), five ? 5 : 4));
        vi_store(dst->pair[j] + h, dot_pair_u8(mn[j / 4], j % 4, j % 4));
    }
}
VEC void scales_q4_k(many_256 *dst, const uint8_t *p, int h) {
    scales_q45_k(dst, p, h, false);
}
VEC void scales_q5_k(many_256 *dst, const uint8_t *p, int h) {
    scales_q45_k(dst, p, h, true);
}

VEC void scales_q2_k(many_256 *dst, const uint8_t *p, int h) {
    vf_store(dst->d + h, vf_load_f16(p + 1280 + 2 * h));
    vf_store(dst->dmin + h, vf_load_f16(p + 1312 + 2 * h));
#pragma GCC unroll 16
    for (int s = 0; s < 16; s++) {
        vi both = unit(p, s / 4, h);
        vi_store(dst->factor[s] + h, dot_factor(dot_scale_u8(low_nibbles(both), s % 4), 2));
        if (s % 2 == 0) vi_store(dst->pair[s / 2] + h, dot_pair_u8(high_nibbles(both), s % 4, s % 4 + 1));
    }
}

VEC void scales_q36_k(many_256 *dst, const uint8_t *p, int h, bool six) {
    vi sc[4];
    vf_store(dst->d + h, vf_load_f16(p + (six ? 3328 : 1728) + 2 * h));
    if (six) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sc[i] = unit(p + 3072, i, h);
    } else
        load_q3_scales(sc, p + 1536, h);
#pragma GCC unroll 16
    for (int s = 0; s < 16; s++) {
        vi_store(dst->factor[s] + h, dot_factor(dot_scale_s8(sc[s / 4], s % 4), six ? 6 : 3));
        if (s % 2 == 0) vi_store(dst->pair[s / 2] + h, dot_pair_s8(sc[s / 4], s % 4, s % 4 + 1));
    }
}
VEC void scales_q3_k(many_256 *dst, const uint8_t *p, int h) {
    scales_q36_k(dst, p, h, false);
}
VEC void scales_q6_k(many_256 *dst, const uint8_t *p, int h) {
    scales_q36_k(dst, p, h, true);
}

VEC void scales_iq4_xs(many_256 *dst, const uint8_t *p, int h) {
    vi sh = vi_load_u16(p + 32 + 2 * h), sl = unit(p + 64, 0, h);
    vf_store(dst->d + h, vf_load_f16(p + 2 * h));
#pragma GCC unroll 12
    for (int j = 0; j < 8; j++) {
        vi s = iq4_xs_scale(sl, sh, j);
        vi_store(dst->factor[j] + h, dot_factor(dot_scale_s8(s, 0), 8));
        vi_store(dst->pair[j] + h, dot_pair_s8(s, 0, 0));
    }
}

VEC void many_ready_256(many_256 *dst, const uint8_t *p, int h, int n_same, scales_256_fn *scales, weights_fn *weights) {
    scales(dst, p, h);
#pragma GCC unroll 16
    for (int s = 0; s < 64 / n_same; s++)
#pragma GCC unroll 8
        for (int u = 0; u < n_same; u++) vi_store(dst->w[s * n_same + u] + 4 * h, weights(p, h, s, u));
}

/* acc of C columns from the sums of a block: isum, and the sums of activations with the factors in pair. */
VEC void many_finish_256(vf acc[MOST_GROUPS][MANY_COLS], const many_256 *b, const many_x *x, vi isum[MOST_GROUPS][MANY_COLS], int P, int C,
                         int offset, bool min) {
    vi extra[MOST_GROUPS][MANY_COLS];
#pragma GCC unroll 4
    for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) extra[g][c] = vi_zero();
    if (min || offset) {
#pragma GCC unroll 12
        for (int i = 0; i < 8; i++) {
#pragma GCC unroll 12
            for (int c = 0; c < C; c++) {
#pragma GCC unroll 4
                for (int g = 0; g < P * GROUPS; g++)
                    extra[g][c] =
                        dot_pair(extra[g][c], vi_load(b[g / GROUPS].pair[i] + g % GROUPS * VL), x->sum + (size_t)c * x->ldx + 4 * i);
            }
        }
    }
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        float column_d;
        memcpy(&column_d, x->d + (size_t)c * x->ldx, 4);
        vf da = vf_set1(column_d);
#pragma GCC unroll 4
        for (int g = 0; g < P * GROUPS; g++) {
            vf *a = &acc[g][c];
            vi s = min || !offset ? isum[g][c] : vi_sub(isum[g][c], vi_mul(extra[g][c], vi_set1(offset)));
            *a = vf_fma(vf_from_vi(s), vf_mul(vf_load(b[g / GROUPS].d + g % GROUPS * VL), da), *a);
            if (min) *a = vf_fnma(vf_mul(vf_load(b[g / GROUPS].dmin + g % GROUPS * VL), da), vf_from_vi(extra[g][c]), *a);
        }
    }
}

/* n_same: units of four values with the same scale, 4 or 8. With `stored`, and `scales`, blocks come as they are stored. */
VEC void many_columns_256(many_y y, const many_256 *b, size_t n, many_x x, int P, int C, int bits, int n_same, int offset, bool min,
                          scales_256_fn *scales, weights_fn *stored) {
    const int m = DOT_GROUP(bits, n_same), n_unrolled = stored ? 64 / n_same : 1;
    many_256 now[MOST_AT_ONCE] __attribute__((aligned(64)));
    vf acc[MOST_GROUPS][MANY_COLS];
    many_begin(acc, &y, P, C);
    for (size_t i = 0; i < n; i++, b += P) {
        vi isum[MOST_GROUPS][MANY_COLS];
#pragma GCC unroll 4
        for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
            for (int c = 0; c < C; c++) isum[g][c] = vi_zero();
        if (P == 2) __asm__("" : "+m"(acc)); /* in memory meanwhile: isum and t want the registers */
        if (stored) {
            for (int g = 0; g < P * GROUPS; g++) scales(&now[g / GROUPS], x.next[g / GROUPS], g % GROUPS * VL);
            b = now;
            __asm__("" : "+m"(now)); /* in memory until they are wanted */
        }
        for (int s0 = 0; s0 < 64 / n_same; s0 += n_unrolled) {
#pragma GCC unroll 16
            for (int s = s0; s < s0 + n_unrolled; s++) {
                __asm__("" : "+r"(x.q));
                many_at at;
                many_bases(&at, x.q, x.ldx, C);
                if (stored)
                    for (int p = 0; p < P; p++) prefetch_part_far(x.next[p], x.next_bytes, (size_t)s, (size_t)n_unrolled);
#pragma GCC unroll 12
                for (int u = 0; u < n_same; u += m) {
                    vi t[MOST_GROUPS][MANY_COLS];
#pragma GCC unroll 4
                    for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
                        for (int c = 0; c < C; c++) t[g][c] = vi_zero();
                    many_steps(t, stored ? x.next : (const uint8_t *[]){b->w[s * n_same + u], b[P - 1].w[s * n_same + u]}, stored, s, u,
                               &at, 4 * u, m, P, C, bits);
#pragma GCC unroll 4
                    for (int g = 0; g < P * GROUPS; g++)
#pragma GCC unroll 12
                        for (int c = 0; c < C; c++)
                            isum[g][c] = dot_finish(isum[g][c], t[g][c], vi_load(b[g / GROUPS].factor[s] + g % GROUPS * VL), bits);
                }
                x.q += 4 * n_same;
            }
        }
        for (int p = 0; p < P && stored; p++) x.next[p] += x.next_bytes;
        __asm__("" : "+r"(x.d), "+r"(x.sum));
        if (!stored) many_ask_ahead(&x, i, P);
        many_finish_256(acc, b, &x, isum, P, C, offset, min);
        x.d += 4;
        x.sum += 32;
    }
    many_end(&y, acc, P, C);
}

/* ---- the product, for a multiple of four columns */

typedef void many_32_fn(many_y y, const many_32 *b, size_t n, many_x x, int n_cols, int offset);
typedef void many_256_fn(many_y y, const many_256 *b, size_t n, many_x x, int n_cols);

/* A chunk that is ready meets all columns: `columns` is called with a constant number of them. */
#define MANY_ALL_COLUMNS(columns, ...)                                  \
    const size_t shares = (size_t)(n_cols + MANY_COLS - 1) / MANY_COLS; \
    for (int done; n_cols > 0; n_cols -= done) {                        \
        many_next_share(&x, shares);                                    \
        done = n_cols >= MANY_COLS ? MANY_COLS : n_cols >= 8 ? 8 : 4;   \
        if (MANY_COLS > 8 && done == MANY_COLS)                         \
            columns(y, b, n, x, 1, MANY_COLS, __VA_ARGS__);             \
        else if (MANY_COLS >= 8 && done == 8)                           \
            columns(y, b, n, x, 1, 8, __VA_ARGS__);                     \
        else                                                            \
            columns(y, b, n, x, 1, 4, __VA_ARGS__);                     \
        many_next_columns(&y, &x, (size_t)done, 1);                     \
    }

#ifdef WIDE_COLS
/* Two panels; any number of columns, as even as they go: a few sums are not enough to hide how long a dot product takes. */
#define WIDE_CASE(n_columns, columns, ...)              \
    case n_columns:                                     \
        columns(y, b, n, x, 2, n_columns, __VA_ARGS__); \
        break;
#define WIDE_CASES(...)       \
    WIDE_CASE(2, __VA_ARGS__) \
    WIDE_CASE(3, __VA_ARGS__) \
    WIDE_CASE(4, __VA_ARGS__) \
    WIDE_CASE(5, __VA_ARGS__) \
    WIDE_CASE(6, __VA_ARGS__)
#define WIDE_ALL_COLUMNS(...)                                         \
    const int shares = (n_cols + WIDE_COLS - 1) / WIDE_COLS;          \
    for (int left = shares, done; left > 0; left--, n_cols -= done) { \
        done = (n_cols + left - 1) / left;                            \
        many_next_share(&x, (size_t)shares);                          \
        switch (done) { WIDE_CASES(__VA_ARGS__) }                     \
        many_next_columns(&y, &x, (size_t)done, 2);                   \
    }
#endif

/* A function of its own, and one only: gcc would make copies for constant arguments. */
#ifdef __clang__
#define ONE_COPY __attribute__((noinline))
#else
#define ONE_COPY __attribute__((noinline, noclone))
#endif

#define MANY_32_FN(stem, bits, min)                                                                               \
    static ONE_COPY void many_32_##stem(many_y y, const many_32 *b, size_t n, many_x x, int n_cols, int offset) { \
        MANY_ALL_COLUMNS(many_columns_32, bits, min ? 0 : offset, min, NULL, NULL)                                \
    }
#define WIDE_32_FN(stem, bits, min)                                                                               \
    static ONE_COPY void wide_32_##stem(many_y y, const many_32 *b, size_t n, many_x x, int n_cols, int offset) { \
        WIDE_ALL_COLUMNS(many_columns_32, bits, min ? 0 : offset, min, NULL, NULL)                                \
    }
/* Where dot_step does not care for the bits there is one function for all. */
MANY_32_FN(4, 4, false)
MANY_32_FN(4_min, 4, true)
#if DOT_DIRECT
#define many_32_5 many_32_4
#define many_32_8 many_32_4
#define many_32_5_min many_32_4_min
#else
MANY_32_FN(5, 5, false)
MANY_32_FN(8, 8, false)
MANY_32_FN(5_min, 5, true)
#endif
#ifdef WIDE_COLS
WIDE_32_FN(4, 4, false)
WIDE_32_FN(4_min, 4, true)
#endif

VEC many_x many_first(const uint8_t *const *w, size_t k, const uint8_t *q8, size_t ldx, int P, size_t block, size_t block_bytes) {
    many_x x = {q8, q8 + suan__q8_d_offset(k), q8 + suan__q8_sum_offset(k, block), ldx, {w[0]}, block_bytes, 0, 0};
    if (P > 1) x.next[P - 1] = w[P - 1];
    return x;
}

/* The panels' blocks of a chunk are made ready, and meet the columns; or meet as they are stored the columns of `stored`, if that is not NULL. */
VEC void many_matmul_32(many_y y, const uint8_t *const *w, size_t k, const uint8_t *q8, size_t ldx, int n_cols, int P, size_t block_bytes,
                        load_32_fn *load, many_32_fn *columns, many_32_fn *stored, int offset) {
    many_32 ready[MOST_AT_ONCE * MANY_32] __attribute__((aligned(64)));
    many_x x = many_first(w, k, q8, ldx, P, 32, block_bytes);
    for (size_t i = 0, n; i < k / 32; i += n, y.first = false) {
        n = k / 32 - i < MANY_32 ? k / 32 - i : MANY_32;
        if (stored) stored(y, NULL, n, x, n_cols, offset);
        for (int p = 0; p < P; p++, x.next[p - 1] += n * block_bytes)
            for (size_t j = 0; j < n && !stored; j++) many_ready_32(&ready[j * (size_t)P + (size_t)p], x.next[p] + j * block_bytes, load);
        if (!stored) columns(y, ready, n, x, n_cols, offset);
        x.q += 32 * n, x.d += 4 * n, x.sum += 2 * n;
    }
}

VEC void many_matmul_256(many_y y, const uint8_t *const *w, size_t k, const uint8_t *q8, size_t ldx, int n_cols, int P, size_t block_bytes,
                         int n_same, scales_256_fn *scales, weights_fn *weights, many_256_fn *columns, many_256_fn *stored) {
    many_256 ready[MOST_AT_ONCE * MANY_256] __attribute__((aligned(64)));
    many_x x = many_first(w, k, q8, ldx, P, 256, block_bytes);
    for (size_t i = 0, n; i < k / 256; i += n, y.first = false) {
        n = k / 256 - i < MANY_256 ? k / 256 - i : MANY_256;
        if (stored) stored(y, NULL, n, x, n_cols);
        for (size_t j = 0; j < n * (size_t)P && !stored; j++) {
            const uint8_t *block = x.next[j % (size_t)P] + j / (size_t)P * block_bytes;
#pragma GCC unroll 1
            for (int h = 0; h < SUAN__PANEL; h += VL) many_ready_256(&ready[j], block, h, n_same, scales, weights);
        }
        for (int p = 0; p < P; p++) x.next[p] += n * block_bytes;
        if (!stored) columns(y, ready, n, x, n_cols);
        x.q += 256 * n, x.d += 4 * n, x.sum += 32 * n;
    }
}

#endif
#endif
