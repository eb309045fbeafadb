/* matmul_tiles.h: several panels of quantised weights times many columns, on a unit that multiplies tiles of bytes (suan__matmul_tiles_fn).
 *
 * Whoever includes this has a vector (vec_*.h), vi_mul_16, and eight tile registers of 16 rows of 64 bytes with the operations of AMX:
 *
 *   TILE_CONFIG(c)       sets rows and bytes of a row of each tile (tile_config), TILE_RELEASE() gives the unit back
 *   TILE_ZERO(t)         TILE_LOAD(t, p, stride)  TILE_STORE(t, p, stride): rows `stride` bytes apart
 *   TILE_DOT(c, a, b)    c[i][j] += sum over u, e of a[i][4u + e] * b[u][4j + e]: int32, signed bytes; TILE_DOT_SU: those of b unsigned
 *
 * So a tile of activations is 16 columns of up to 64 bytes as they lie in their q8 rows, a tile of weights is up to 16 units of a panel
 * (see kernels.h) once they are whole bytes, and the product has a row for each column: 16 vectors, which are scaled and added as
 * everywhere.
 *
 * Where a block is 256 long its weights are multiplied with their sub-scales before they become bytes, so that all of the block stays in
 * the unit. What that does to the range: blocks of tiles_fill.h. A product too large for a byte is cut into two planes, and the integers of
 * the planes are put together before the one rounding: exact, like every order of integer sums.
 *
 * The work: for each 512 columns, for each chunk of k, for each panel: the chunk's weights become tiles (in the first-level cache), which
 * meet all columns. The running sums pass through y between chunks, which changes no bit. The activations of a chunk stay in the
 * second-level cache, the weights are read once.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_TILES_H
#define SUAN_KERNELS_SIMD_MATMUL_TILES_H

#include "kernels/simd/tiles_fill.h"

#define TILE_COLS 16 /* columns of a tile of activations */
#define LANE_GROUPS (SUAN__PANEL / VL)

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* What the columns bring for one block, beside their bytes, for 16 columns. */
typedef struct cols_32 {
    float d[TILE_COLS];
    float sum[TILE_COLS]; /* types with minimums: the block's sum, as a number */
} cols_32;
typedef struct cols_256 {
    float d[TILE_COLS];
    uint8_t sum[2][TILE_COLS][16]; /* types with minimums: the sixteen sums as 16 * high + low; tiles of low and high parts */
} cols_256;

/* A chunk of one panel meets 16 columns, or the last n of them: their sums are started, or continued from y, and left in y. */
typedef struct meeting {
    const tiles_weights *w;
    const uint8_t *x; /* of column 0, at the chunk */
    size_t ldx;
    const uint8_t *cols; /* cols_32 or cols_256 of the chunk's blocks, cols_bytes apart */
    size_t cols_bytes;
    int n_blocks, n, n_rows;
    const uint8_t *next; /* what is read next: a share for each block of each meeting */
    size_t next_bytes;
    bool first;
    float *y;
    size_t ldy;
    int32_t (*sums)[4][TILE_COLS * SUAN__PANEL]; /* [2] where tiles are stored */
} meeting;
typedef void meet_fn(const meeting *m);

VEC void start_sums(vf acc[TILE_COLS][LANE_GROUPS], const meeting *m, int C) {
#pragma GCC unroll 16
    for (int c = 0; c < C; c++) {
#pragma GCC unroll 4
        for (int g = 0; g < LANE_GROUPS; g++) {
            int n = m->n_rows - g * VL;
            acc[c][g] = vf_zero();
            if (!m->first && c < m->n && n > 0) acc[c][g] = vf_load_n(m->y + (size_t)c * m->ldy + g * VL, n < VL ? (size_t)n : VL);
        }
    }
}

VEC void leave_sums(const meeting *m, vf acc[TILE_COLS][LANE_GROUPS], int C) {
#pragma GCC unroll 16
    for (int c = 0; c < C; c++) {
#pragma GCC unroll 4
        for (int g = 0; g < LANE_GROUPS; g++) {
            int n = m->n_rows - g * VL;
            if (c < m->n && n > 0) vf_store_n(m->y + (size_t)c * m->ldy + g * VL, acc[c][g], n < VL ? (size_t)n : VL);
        }
    }
}

/* ---- blocks of 32: one product a block, four blocks in turn
 *
 * The products of four blocks come first, then their scaling: while tiles are at work a core that was measured issues 512-bit arithmetic from
 * one port instead of two, so mixing them gains nothing. A tile is stored one product later, when it is nearly done. */

#define PRODUCT_32(name, c, a, b)                                \
    VEC void name(const uint8_t *x, size_t ldx, const void *w) { \
        TILE_LOAD(a, x, ldx);                                    \
        TILE_LOAD(b, w, 64);                                     \
        TILE_ZERO(c);                                            \
        TILE_DOT(c, a, b);                                       \
    }
PRODUCT_32(product_0, 0, 4, 5)
PRODUCT_32(product_1, 1, 6, 7)
PRODUCT_32(product_2, 2, 4, 5)
PRODUCT_32(product_3, 3, 6, 7)
#undef PRODUCT_32

/* n <= 4 blocks: of the columns at x, of the weights at w. */
VEC void products_32(const uint8_t *x, size_t ldx, const uint8_t (*w)[64], int n, int32_t (*out)[TILE_COLS * SUAN__PANEL]) {
    product_0(x, ldx, w[0]);
    if (n > 1) product_1(x + 32, ldx, w[8]);
    TILE_STORE(0, out[0], 64);
    if (n > 2) product_2(x + 64, ldx, w[16]);
    if (n > 1) TILE_STORE(1, out[1], 64);
    if (n > 3) product_3(x + 96, ldx, w[24]);
    if (n > 2) TILE_STORE(2, out[2], 64);
    if (n > 3) TILE_STORE(3, out[3], 64);
}

/* Block b of every column: acc = fma(isum, d_w * d_a, acc), then fma(m * d_a, sum, acc). */
VEC void scale_32(vf acc[TILE_COLS][LANE_GROUPS], const meeting *m, int b, const int32_t *sums, int C, bool has_min) {
    const cols_32 *x = (const cols_32 *)(const void *)(m->cols + (size_t)b * m->cols_bytes);
#pragma GCC unroll 4
    for (int g = 0; g < LANE_GROUPS; g++) {
        vf d = vf_load(m->w->d[b] + g * VL), min = has_min ? vf_load(m->w->min[b] + g * VL) : vf_zero();
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            vf isum = vf_from_vi(vi_load(sums + c * SUAN__PANEL + g * VL)), da = vf_set1(x->d[c]);
            acc[c][g] = vf_fma(isum, vf_mul(d, da), acc[c][g]);
            if (has_min) acc[c][g] = vf_fma(vf_mul(min, da), vf_set1(x->sum[c]), acc[c][g]);
        }
    }
}

/* Asks for what blocks [b, b + n) of a meeting are to ask for: memory works while tiles do. */
VEC void ask_ahead(const meeting *m, int b, int n) {
    for (size_t at = (size_t)b * m->next_bytes; at < (size_t)(b + n) * m->next_bytes; at += 64) vec_prefetch_far(m->next + at);
}

VEC void meet_32(const meeting *m, int C, bool has_min) {
    vf acc[TILE_COLS][LANE_GROUPS];
    start_sums(acc, m, C);
    const uint8_t *x = m->x;
    size_t ldx = m->ldx;
    int32_t(*sums)[TILE_COLS * SUAN__PANEL] = m->sums[0];
    for (int b = 0; b < m->n_blocks; b += 4, x += 128) {
        int n = m->n_blocks - b;
        if (n >= 4) {
            products_32(x, ldx, m->w->bytes + 8 * b, 4, sums);
            n = 4;
        } else
            products_32(x, ldx, m->w->bytes + 8 * b, n, sums);
        ask_ahead(m, b, n);
        for (int t = 0; t < n; t++) scale_32(acc, m, b + t, sums[t], C, has_min);
    }
    leave_sums(m, acc, C);
}

/* ---- blocks of 256: one or two planes, 64 of k at a time, in tiles c0 and c1 */

#define PLANES_256(name, c0, c1, DOT)                                                                  \
    VEC void name(const meeting *m, int block, int n_planes, int32_t(*out)[TILE_COLS * SUAN__PANEL]) { \
        const uint8_t(*w)[64] = m->w->bytes + block * n_planes * 64;                                   \
        TILE_ZERO(c0);                                                                                 \
        if (n_planes > 1) TILE_ZERO(c1);                                                               \
        for (int i = 0; i < 4; i++) {                                                                  \
            TILE_LOAD(4, m->x + (size_t)block * 256 + 64 * i, m->ldx);                                 \
            TILE_LOAD(5, w[16 * i], 64);                                                               \
            DOT(c0, 4, 5);                                                                             \
            if (n_planes == 1) continue;                                                               \
            TILE_LOAD(5, w[64 + 16 * i], 64);                                                          \
            DOT(c1, 4, 5);                                                                             \
        }                                                                                              \
        TILE_STORE(c0, out[0], 64);                                                                    \
        if (n_planes > 1) TILE_STORE(c1, out[1], 64);                                                  \
    }
PLANES_256(planes_signed, 0, 1, TILE_DOT)
PLANES_256(planes_signed_2, 2, 3, TILE_DOT)
PLANES_256(planes_unsigned, 0, 1, TILE_DOT_SU)
#undef PLANES_256

/* The minimums of a block times the columns' sums: low and high parts. */
VEC void mins_256(const meeting *m, int block, int32_t (*out)[TILE_COLS * SUAN__PANEL]) {
    const cols_256 *x = (const cols_256 *)(const void *)(m->cols + (size_t)block * m->cols_bytes);
    TILE_LOAD(7, m->w->mins[block], 64);
    TILE_LOAD(6, x->sum[0], 16);
    TILE_ZERO(2);
    TILE_DOT(2, 6, 7);
    TILE_STORE(2, out[0], 64);
    TILE_LOAD(6, x->sum[1], 16);
    TILE_ZERO(3);
    TILE_DOT(3, 6, 7);
    TILE_STORE(3, out[1], 64);
}

/* How a type's planes become isum. */
typedef enum planes {
    PLANES_ONE,      /* isum = plane */
    PLANES_NEGATED,  /* isum = -plane */
    PLANES_SEVEN,    /* isum = low + 2^7 * high */
    PLANES_UNSIGNED, /* isum = low + 2^3 * high, bytes without sign */
} planes;

VEC void products_256(const meeting *m, int b, int32_t (*out)[TILE_COLS * SUAN__PANEL], planes how, bool has_min) {
    if (how == PLANES_UNSIGNED)
        planes_unsigned(m, b, 2, out);
    else if (!has_min && b % 2)
        planes_signed_2(m, b, how == PLANES_SEVEN ? 2 : 1, out);
    else
        planes_signed(m, b, how == PLANES_SEVEN ? 2 : 1, out);
    if (has_min) mins_256(m, b, out + 2);
}

/* -(x as f32) may be taken inside the fma, which rounds once: no sum is ever -0, so the sign of a zero decides nothing. */
VEC void scale_256(vf acc[TILE_COLS][LANE_GROUPS], const meeting *m, int b, int32_t (*sums)[TILE_COLS * SUAN__PANEL], int C, planes how,
                   bool has_min) {
    const cols_256 *x = (const cols_256 *)(const void *)(m->cols + (size_t)b * m->cols_bytes);
#pragma GCC unroll 4
    for (int g = 0; g < LANE_GROUPS; g++) {
        vf d = vf_load(m->w->d[b] + g * VL), min = has_min ? vf_load(m->w->min[b] + g * VL) : vf_zero();
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            size_t at = (size_t)c * SUAN__PANEL + g * VL;
            vi isum = vi_load(sums[0] + at);
            vf da = vf_set1(x->d[c]), scale = vf_mul(d, da);
            if (how == PLANES_SEVEN || how == PLANES_UNSIGNED)
                isum = vi_add(isum, vi_shl(vi_load(sums[1] + at), how == PLANES_SEVEN ? 7 : 3));
            acc[c][g] = how == PLANES_NEGATED ? vf_fnma(vf_from_vi(isum), scale, acc[c][g]) : vf_fma(vf_from_vi(isum), scale, acc[c][g]);
            if (!has_min) continue;
            vi msum = vi_add(vi_load(sums[2] + at), vi_shl(vi_load(sums[3] + at), 4));
            acc[c][g] = vf_fnma(vf_from_vi(msum), vf_mul(min, da), acc[c][g]);
        }
    }
}

VEC void meet_256(const meeting *m, int C, planes how, bool has_min) {
    vf acc[TILE_COLS][LANE_GROUPS];
    start_sums(acc, m, C);
    products_256(m, 0, m->sums[0], how, has_min);
    for (int b = 0; b < m->n_blocks; b++) {
        if (b + 1 < m->n_blocks) products_256(m, b + 1, m->sums[(b + 1) % 2], how, has_min);
        ask_ahead(m, b, 1);
        scale_256(acc, m, b, m->sums[b % 2], C, how, has_min);
    }
    leave_sums(m, acc, C);
}

/* One function for each kind; columns in steps of four, so that the sums stay in registers and few columns cost little. */
#define MEET(name, call)                 \
    static void name(const meeting *m) { \
        if (m->n > 12) {                 \
            enum { C = 16 };             \
            call;                        \
        } else if (m->n > 8) {           \
            enum { C = 12 };             \
            call;                        \
        } else if (m->n > 4) {           \
            enum { C = 8 };              \
            call;                        \
        } else {                         \
            enum { C = 4 };              \
            call;                        \
        }                                \
    }
MEET(meet_plain, meet_32(m, C, false))
MEET(meet_min, meet_32(m, C, true))
MEET(meet_two_bits, meet_256(m, C, PLANES_ONE, true))
MEET(meet_three_bits, meet_256(m, C, PLANES_NEGATED, false))
MEET(meet_k4, meet_256(m, C, PLANES_UNSIGNED, true))
MEET(meet_two_planes, meet_256(m, C, PLANES_SEVEN, false))
#undef MEET

/* ---- the columns' scales and sums, 16 columns for each block */

/* Rows of VL values become columns: VL vectors in place, by rounds that each move the top bit of the row's number to the bottom of the
 * lane's. */
VEC void transpose(vf r[VL]) {
#pragma GCC unroll 4
    for (int round = 1; round < VL; round *= 2) {
        vf next[VL];
#pragma GCC unroll 16
        for (int i = 0; i < VL / 2; i++) vf_zip(r[i], r[i + VL / 2], &next[2 * i], &next[2 * i + 1]);
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) r[i] = next[i];
    }
}

/* dst[b][c], `stride` bytes a block, = value b of column c; n blocks, n_cols of the 16 columns (the others are zero). Values: floats, or
 * int16 as floats. */
VEC void spread(uint8_t *dst, size_t stride, const uint8_t *src, size_t ldx, int n, int n_cols, bool is_int16) {
    for (int b = 0; b < n; b += VL) {
        size_t some = n - b < VL ? (size_t)(n - b) : VL;
        for (int g = 0; g < LANE_GROUPS; g++) {
            vf r[VL];
#pragma GCC unroll 16
            for (int i = 0; i < VL; i++) {
                int c = g * VL + i;
                const uint8_t *p = src + (size_t)c * ldx;
                int16_t sums[VL] = {0};
                r[i] = vf_zero();
                if (c >= n_cols) continue;
                if (!is_int16) {
                    r[i] = vf_load_n((const float *)(const void *)p + b, some);
                    continue;
                }
                memcpy(sums, p + 2 * b, 2 * some);
                r[i] = vf_from_vi(vi_sra(vi_shl(vi_load_u16(sums), 16), 16));
            }
            transpose(r);
            for (size_t i = 0; i < some; i++) vf_store((float *)(void *)(dst + (size_t)(b + (int)i) * stride) + g * VL, r[i]);
        }
    }
}

/* The sixteen sums of a block of a column as low and high parts: |sum| <= 16 * 128. */
VEC void split_sums(cols_256 *dst, int c, const uint8_t *src) {
#pragma GCC unroll 4
    for (int g = 0; g < LANE_GROUPS; g++) {
        vi s = vi_shl(vi_load_u16(src + 2 * g * VL), 16);
        vi_store_s8(dst->sum[0][c] + g * VL, vi_and(vi_shr(s, 16), vi_set1(15)));
        vi_store_s8(dst->sum[1][c] + g * VL, vi_sra(s, 20));
    }
}

/* ---- types */

typedef struct tiles_type {
    uint16_t block, bytes; /* of a row's block */
    uint16_t chunk;        /* of k: SUAN__TILES_BYTES weights at most */
    bool has_min;
    tiles_fill_fn *fill;
    meet_fn *meet;
} tiles_type;

#define TILES_MAP(X)                                           \
    X(Q8_0, 32, 34, 1024, false, fill_q8_0, meet_plain)        \
    X(Q4_0, 32, 18, 1024, false, fill_q4_0, meet_plain)        \
    X(Q4_1, 32, 20, 512, true, fill_q4_1, meet_min)            \
    X(Q5_0, 32, 22, 1024, false, fill_q5_0, meet_plain)        \
    X(Q5_1, 32, 24, 512, true, fill_q5_1, meet_min)            \
    X(IQ4_NL, 32, 18, 1024, false, fill_iq4_nl, meet_plain)    \
    X(MXFP4, 32, 17, 1024, false, fill_mxfp4, meet_plain)      \
    X(I4_BF16, 32, 18, 1024, false, fill_i4_bf16, meet_plain)  \
    X(Q2_K, 256, 84, 512, true, fill_q2_k, meet_two_bits)      \
    X(Q3_K, 256, 110, 1024, false, fill_q3_k, meet_three_bits) \
    X(Q4_K, 256, 144, 512, true, fill_q4_k, meet_k4)           \
    X(Q5_K, 256, 176, 512, true, fill_q5_k, meet_k4)           \
    X(Q6_K, 256, 210, 512, false, fill_q6_k, meet_two_planes)  \
    X(IQ4_XS, 256, 136, 512, false, fill_iq4_xs, meet_two_planes)

/* ---- the whole */

#define COLS_AT_ONCE 512
#define FEW_COLS 64 /* so few, and a short chunk of them, stay in the first-level cache beside the weights' tiles */
#define FEW_CHUNK 512

typedef struct tiles_scratch {
    tiles_weights w;
    int32_t sums[2][4][TILE_COLS * SUAN__PANEL];
    uint8_t cols[COLS_AT_ONCE / TILE_COLS * 32 * sizeof(float[TILE_COLS])]; /* chunk / block * cols_bytes for each 16 columns */
} tiles_scratch;
_Static_assert(sizeof(tiles_scratch) <= SUAN__TILES_SCRATCH, "scratch of products of tiles");

static void configure(const tiles_type *t, int n) {
    tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        bool is_b = i == 5 || i == 7;
        c.rows[i] = (uint8_t)n;
        c.row_bytes[i] = 64;
        if (is_b) c.rows[i] = t->block == 32 ? 8 : i == 7 ? 4 : 16;
        if (!is_b && i >= 4 && t->block == 32) c.row_bytes[i] = 32;
        if (i == 6 && t->block == 256) c.row_bytes[i] = 16;
    }
    TILE_CONFIG(&c);
}

static size_t cols_bytes(const tiles_type *t) {
    return t->has_min ? t->block == 32 ? sizeof(cols_32) : sizeof(cols_256) : sizeof(float[TILE_COLS]);
}

/* What the columns bring for values k0 .. k0 + n, for all groups of 16 columns. */
static void gather_columns(uint8_t *dst, const tiles_type *t, size_t k, size_t k0, int n_blocks, const uint8_t *x, size_t ldx, int n_cols) {
    size_t stride = cols_bytes(t), b0 = k0 / t->block;
    const uint8_t *d = x + suan__q8_d_offset(k) + 4 * b0, *sum = x + suan__q8_sum_offset(k, t->block) + (t->block == 32 ? 2 : 32) * b0;
    for (int c = 0; c < n_cols; c += TILE_COLS, dst += (size_t)n_blocks * stride) {
        int n = n_cols - c < TILE_COLS ? n_cols - c : TILE_COLS;
        spread(dst, stride, d + (size_t)c * ldx, ldx, n_blocks, n, false);
        if (t->has_min && t->block == 32) spread(dst + offsetof(cols_32, sum), stride, sum + (size_t)c * ldx, ldx, n_blocks, n, true);
        if (t->has_min && t->block == 256)
            for (int i = 0; i < n * n_blocks; i++)
                split_sums((cols_256 *)(void *)dst + i / n, i % n, sum + (size_t)(c + i % n) * ldx + 32 * (size_t)(i / n));
    }
}

/* One panel's chunk, in s->w, meets the columns of the block. */
static void meet_columns(const tiles_type *t, meeting m, const tiles_scratch *s, int n_cols) {
    m.cols = s->cols;
    for (int c = 0; c < n_cols; c += TILE_COLS) {
        m.n = n_cols - c < TILE_COLS ? n_cols - c : TILE_COLS;
        if (m.n < TILE_COLS) configure(t, m.n);
        t->meet(&m);
        if (m.n < TILE_COLS) configure(t, TILE_COLS);
        m.x += TILE_COLS * m.ldx;
        m.y += TILE_COLS * m.ldy;
        m.cols += (size_t)m.n_blocks * m.cols_bytes;
        m.next += (size_t)m.n_blocks * m.next_bytes;
    }
}

static void multiply(const tiles_type *t, float *y, size_t ldy, const uint8_t *panels, size_t k, const uint8_t *x, size_t ldx, int n_cols,
                     int n_rows, tiles_scratch *s) {
    size_t block_bytes = (size_t)t->bytes * SUAN__PANEL, panel_bytes = k / t->block * block_bytes;
    size_t chunk = n_cols <= FEW_COLS && t->chunk > FEW_CHUNK ? FEW_CHUNK : t->chunk;
    configure(t, TILE_COLS);
    for (int c0 = 0; c0 < n_cols; c0 += COLS_AT_ONCE) {
        int n = n_cols - c0 < COLS_AT_ONCE ? n_cols - c0 : COLS_AT_ONCE;
        const uint8_t *xc = x + (size_t)c0 * ldx;
        for (size_t k0 = 0; k0 < k; k0 += chunk) {
            int n_blocks = (int)((k - k0 < chunk ? k - k0 : chunk) / t->block);
            meeting m = {.w = &s->w, .x = xc + k0, .ldx = ldx, .cols_bytes = cols_bytes(t), .n_blocks = n_blocks};
            m.first = k0 == 0;
            m.ldy = ldy;
            m.sums = s->sums;
            m.next_bytes = block_bytes / (size_t)((n + TILE_COLS - 1) / TILE_COLS);
            gather_columns(s->cols, t, k, k0, n_blocks, xc, ldx, n);
            for (int r = 0; r < n_rows; r += SUAN__PANEL) {
                const uint8_t *p = panels + (size_t)(r / SUAN__PANEL) * panel_bytes + k0 / t->block * block_bytes;
                for (int b = 0; b < n_blocks; b++) t->fill(&s->w, b, p + (size_t)b * block_bytes);
                m.n_rows = n_rows - r < SUAN__PANEL ? n_rows - r : SUAN__PANEL;
                m.y = y + (size_t)c0 * ldy + r;
                /* The same chunk of the next panel; behind the last one, the next chunk of the first, or what stands behind them all. */
                m.next = r + SUAN__PANEL < n_rows ? p + panel_bytes
                         : k0 + chunk < k         ? panels + (k0 + chunk) / t->block * block_bytes
                                                  : p + (size_t)n_blocks * block_bytes;
                meet_columns(t, m, s, n);
            }
        }
    }
    TILE_RELEASE();
}

#define TILES_MATMUL(name, block, bytes, chunk, has_min, fill, meet)                                                                \
    static void tiles_##name(float *y, size_t ldy, const void *panels, size_t k, const void *x, size_t ldx, int n_cols, int n_rows, \
                             void *scratch) {                                                                                       \
        static const tiles_type t = {block, bytes, chunk, has_min, fill, meet};                                                     \
        multiply(&t, y, ldy, panels, k, x, ldx, n_cols, n_rows, scratch);                                                           \
    }
TILES_MAP(TILES_MATMUL)
#undef TILES_MATMUL

/* Making tiles of weights has to pay. Measured: equal to AVX-512 at 12 columns. */
#define TILES_FROM 13

static void fill_tiles(suan__kernels *t) {
#define ENTRY(name, ...)                          \
    t->matmul_tiles[SUAN__##name] = tiles_##name; \
    t->tiles_from[SUAN__##name] = TILES_FROM;
    TILES_MAP(ENTRY)
#undef ENTRY
}

#endif
