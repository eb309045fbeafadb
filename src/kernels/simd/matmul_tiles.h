/* matmul_tiles.h: several panels of quantised weights times many columns, on a unit that multiplies tiles of bytes (suan__matmul_tiles_fn).
 *
 * Whoever includes this has a vector (vec_*.h), vi_mul_16, and eight tile registers of 16 rows of 64 bytes with the operations of AMX:
 *
 *   TILE_CONFIG(c)       sets rows and bytes of a row of each tile (tile_config), TILE_RELEASE() gives the unit back
 *   TILE_ZERO(t)         TILE_LOAD(t, p, stride)  TILE_STORE(t, p, stride): rows `stride` bytes apart
 *   TILE_DOT(c, a, b)    c[i][j] += sum over u, e of a[i][4u + e] * b[u][4j + e]: int32, signed bytes; TILE_DOT_SU: those of b unsigned
 *
 * So a tile of activations is a group of columns, 16 or fewer, of up to 64 bytes as they lie in their q8 rows, a tile of weights is up to 16
 * units of a panel (see kernels.h) once they are whole bytes, and the product has a row for each column: vectors of 16 rows, which are scaled
 * and added as everywhere.
 *
 * Where a block is 256 long its weights are multiplied with their sub-scales before they become bytes, so that all of the block stays in
 * the unit. What that does to the range: blocks of tiles_fill.h. A product too large for a byte is cut into two planes, and the integers of
 * the planes are put together before the one rounding: exact, like every order of integer sums.
 *
 * The work: for each 256 columns, for each chunk of k, for each panel: the chunk's weights become tiles (in the first-level cache), which
 * meet all columns. The running sums pass through y between chunks, which changes no bit. The weights are read once. For blocks of 32 the
 * columns' bytes are put in the order in which the tiles are loaded first: read from their rows they came too slowly.
 */
#ifndef SUAN_KERNELS_SIMD_MATMUL_TILES_H
#define SUAN_KERNELS_SIMD_MATMUL_TILES_H

#include "kernels/simd/tiles_fill.h"

#define TILE_COLS 16 /* columns of a tile of activations, at most */
#define LANE_GROUPS (SUAN__PANEL / VL)

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

typedef int32_t tile_sums[TILE_COLS * SUAN__PANEL];

/* What the columns of a group bring for one block, beside their bytes. */
typedef struct cols_32 {
    float d[TILE_COLS];
    float sum[TILE_COLS]; /* types with minimums: the block's sum, as a number */
} cols_32;
typedef struct cols_256 {
    float d[TILE_COLS];
    uint8_t sum[2][TILE_COLS][16]; /* types with minimums: the sixteen sums as 16 * high + low; tiles of low and high parts */
} cols_256;

/* A chunk of one panel meets the columns, a group at a time: their sums are started, or continued from y, and left in y. */
typedef struct meeting {
    const tiles_weights *w;
    const uint8_t *x; /* blocks of 32: tiles; blocks of 256: rows, ldx apart, at the chunk */
    size_t ldx;
    const uint8_t *cols;    /* cols_32 or cols_256 [group][block], cols_bytes apart */
    int n_blocks, n_padded; /* of the chunk; as many as the tiles of weights hold */
    int n_cols, n_rows;
    const uint8_t *next; /* what is read next: a share for each block of each group */
    size_t next_bytes;
    bool first;
    float *y;
    size_t ldy;
    tile_sums *sums; /* [8] where tiles are stored */
} meeting;
typedef void meet_fn(const meeting *m);

/* The sums of a group: y of its first column, and which of its columns are to be written. */
typedef struct group {
    float *y;
    int begin, end;
} group;

VEC void start_sums(vf acc[TILE_COLS][LANE_GROUPS], const meeting *m, const group *of, int C) {
#pragma GCC unroll 16
    for (int c = 0; c < C; c++) {
#pragma GCC unroll 4
        for (int g = 0; g < LANE_GROUPS; g++) {
            int rows = m->n_rows - g * VL;
            acc[c][g] = vf_zero();
            if (!m->first && c < of->end && rows > 0)
                acc[c][g] = vf_load_n(of->y + (size_t)c * m->ldy + g * VL, rows < VL ? (size_t)rows : VL);
        }
    }
}

VEC void leave_sums(const group *of, const meeting *m, vf acc[TILE_COLS][LANE_GROUPS], int C) {
#pragma GCC unroll 16
    for (int c = 0; c < C; c++) {
#pragma GCC unroll 4
        for (int g = 0; g < LANE_GROUPS; g++) {
            int rows = m->n_rows - g * VL;
            if (c >= of->begin && c < of->end && rows > 0)
                vf_store_n(of->y + (size_t)c * m->ldy + g * VL, acc[c][g], rows < VL ? (size_t)rows : VL);
        }
    }
}

/* Asks for a block's share of what is read next: memory works while tiles do. */
VEC void ask_ahead(const meeting *m, const uint8_t **next) {
    for (size_t at = 0; at < m->next_bytes; at += 64) vec_prefetch_far(*next + at);
    *next += m->next_bytes;
}

/* ---- blocks of 32: a product each
 *
 * A block's tile is stored one product later and scaled two products after that, so that the unit's work, the stores and the scaling go on
 * beside each other; from the last blocks of a group the products run on into the next one, and behind the last group into what lies there. */

#define PRODUCT_32(name, c, a, b)                            \
    VEC void name(const uint8_t *x, const uint8_t(*w)[64]) { \
        TILE_LOAD(a, x, 64);                                 \
        TILE_LOAD(b, w, 64);                                 \
        TILE_ZERO(c);                                        \
        TILE_DOT(c, a, b);                                   \
    }
PRODUCT_32(product_0, 0, 4, 5)
PRODUCT_32(product_1, 1, 6, 7)
PRODUCT_32(product_2, 2, 4, 5)
PRODUCT_32(product_3, 3, 6, 7)
#undef PRODUCT_32

/* Block b of every column: acc = fma(isum, d_w * d_a, acc), then fma(m * d_a, sum, acc). */
VEC void scale_32(vf acc[TILE_COLS][LANE_GROUPS], const tiles_weights *w, int b, const uint8_t *cols, const int32_t *sums, int C,
                  bool has_min) {
    const cols_32 *x = (const cols_32 *)(const void *)cols;
#pragma GCC unroll 4
    for (int g = 0; g < LANE_GROUPS; g++) {
        vf d = vf_load(w->d[b] + g * VL), min = has_min ? vf_load(w->min[b] + g * VL) : vf_zero();
#pragma GCC unroll 16
        for (int c = 0; c < C; c++) {
            vf isum = vf_from_vi(vi_load(sums + c * SUAN__PANEL + g * VL)), da = vf_set1(x->d[c]);
            acc[c][g] = vf_fma(isum, vf_mul(d, da), acc[c][g]);
            if (has_min) acc[c][g] = vf_fma(vf_mul(min, da), vf_set1(x->sum[c]), acc[c][g]);
        }
    }
}

/* The columns are tiles [group][k / 64][C][64] here; n_padded is a multiple of four. */
VEC void meet_32(const meeting *m, int C, bool has_min) {
    vf acc[TILE_COLS][LANE_GROUPS];
    const tiles_weights *w = m->w;
    const uint8_t *x = m->x, *cols = m->cols, *next = m->next;
    const size_t two = (size_t)C * 64, of_cols = has_min ? sizeof(cols_32) : sizeof(float[TILE_COLS]);
    tile_sums *sums = m->sums;
    product_0(x, w->bytes);
    product_1(x + 32, w->bytes + 8);
    TILE_STORE(0, sums[0], 64);
    product_2(x + two, w->bytes + 16);
    TILE_STORE(1, sums[1], 64);
    for (int c = 0; c < m->n_cols; c += C) {
        group of = {m->y + (size_t)c * m->ldy, 0, m->n_cols - c};
        start_sums(acc, m, &of, C);
        for (int b = 0; b < m->n_padded; b += 4, x += 2 * two, cols += 4 * of_cols) {
            const uint8_t(*then)[64] = w->bytes + (b + 4 < m->n_padded ? 8 * (b + 4) : 0);
            product_3(x + two + 32, w->bytes + 8 * b + 24);
            TILE_STORE(2, sums[2], 64);
            scale_32(acc, w, b, cols, sums[0], C, has_min);
            product_0(x + 2 * two, then);
            TILE_STORE(3, sums[3], 64);
            scale_32(acc, w, b + 1, cols + of_cols, sums[1], C, has_min);
            product_1(x + 2 * two + 32, then + 8);
            TILE_STORE(0, sums[0], 64);
            scale_32(acc, w, b + 2, cols + 2 * of_cols, sums[2], C, has_min);
            product_2(x + 3 * two, then + 16);
            TILE_STORE(1, sums[1], 64);
            scale_32(acc, w, b + 3, cols + 3 * of_cols, sums[3], C, has_min);
            for (int i = 0; i < 4; i++) ask_ahead(m, &next);
        }
        leave_sums(&of, m, acc, C);
    }
}

/* ---- blocks of 256: one or two planes, 64 of k at a time, in tiles 0 and 1 */

#define PLANES_256(name, DOT)                                                                          \
    VEC void name(const uint8_t *x, size_t ldx, const uint8_t(*w)[64], int n_planes, tile_sums *out) { \
        TILE_ZERO(0);                                                                                  \
        if (n_planes > 1) TILE_ZERO(1);                                                                \
        for (int i = 0; i < 4; i++) {                                                                  \
            TILE_LOAD(4, x + 64 * i, ldx);                                                             \
            TILE_LOAD(5, w[16 * i], 64);                                                               \
            DOT(0, 4, 5);                                                                              \
            if (n_planes == 1) continue;                                                               \
            TILE_LOAD(5, w[64 + 16 * i], 64);                                                          \
            DOT(1, 4, 5);                                                                              \
        }                                                                                              \
        TILE_STORE(0, out[0], 64);                                                                     \
        if (n_planes > 1) TILE_STORE(1, out[1], 64);                                                   \
    }
PLANES_256(planes_signed, TILE_DOT)
PLANES_256(planes_unsigned, TILE_DOT_SU)
#undef PLANES_256

/* The minimums of a block times the columns' sums: low and high parts. */
VEC void mins_256(const uint8_t (*mins)[64], const cols_256 *x, tile_sums *out) {
    TILE_LOAD(7, mins, 64);
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

/* Block b of the weights times the group's columns, there at x. */
VEC void products_256(const meeting *m, int b, const uint8_t *x, const uint8_t *cols, tile_sums *out, planes how, bool has_min) {
    int n_planes = how == PLANES_UNSIGNED || how == PLANES_SEVEN ? 2 : 1;
    (how == PLANES_UNSIGNED ? planes_unsigned : planes_signed)(x, m->ldx, m->w->bytes + b * n_planes * 64, n_planes, out);
    if (has_min) mins_256(m->w->mins[b], (const cols_256 *)(const void *)cols, out + 2);
}

/* -(x as f32) may be taken inside the fma, which rounds once: no sum is ever -0, so the sign of a zero decides nothing. */
VEC void scale_256(vf acc[TILE_COLS][LANE_GROUPS], const tiles_weights *w, int b, const uint8_t *cols, tile_sums *sums, int C, planes how,
                   bool has_min) {
    const cols_256 *x = (const cols_256 *)(const void *)cols;
#pragma GCC unroll 4
    for (int g = 0; g < LANE_GROUPS; g++) {
        vf d = vf_load(w->d[b] + g * VL), min = has_min ? vf_load(w->min[b] + g * VL) : vf_zero();
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

/* The last group of C columns ends with the last column: its first ones may be another group's too. */
VEC int first_column(int n_cols, int c, int C) {
    return c + C > n_cols && c > 0 ? n_cols - C : c;
}

/* The products are one block ahead of the scaling, from group to group. */
VEC void meet_256(const meeting *m, int C, planes how, bool has_min) {
    vf acc[TILE_COLS][LANE_GROUPS];
    const size_t of_cols = has_min ? sizeof(cols_256) : sizeof(float[TILE_COLS]);
    const uint8_t *x = m->x, *cols = m->cols, *next = m->next;
    tile_sums *sums = m->sums;
    int odd = 0;
    products_256(m, 0, x, cols, sums, how, has_min);
    for (int c = 0; c < m->n_cols; c += C) {
        int from = first_column(m->n_cols, c, C);
        bool is_last = c + C >= m->n_cols;
        const uint8_t *then = m->x + (size_t)first_column(m->n_cols, c + C, C) * m->ldx;
        group of = {m->y + (size_t)from * m->ldy, c - from, m->n_cols - from};
        start_sums(acc, m, &of, C);
        for (int b = 0; b < m->n_blocks; b++, cols += of_cols, odd ^= 4) {
            int ahead = b + 1 < m->n_blocks ? b + 1 : 0;
            if (ahead || !is_last) products_256(m, ahead, ahead ? x + 256 * ahead : then, cols + of_cols, sums + (odd ^ 4), how, has_min);
            ask_ahead(m, &next);
            scale_256(acc, m->w, b, cols, sums + odd, C, how, has_min);
        }
        leave_sums(&of, m, acc, C);
        x = then;
    }
}

/* One function for each kind and number of columns of a group. */
#define MEET(name, call)                      \
    static void name##_8(const meeting *m) {  \
        enum { C = 8 };                       \
        call;                                 \
    }                                         \
    static void name##_12(const meeting *m) { \
        enum { C = 12 };                      \
        call;                                 \
    }                                         \
    static void name##_16(const meeting *m) { \
        enum { C = 16 };                      \
        call;                                 \
    }                                         \
    static meet_fn *const name[] = {name##_8, name##_12, name##_16};
MEET(meet_plain, meet_32(m, C, false))
MEET(meet_min, meet_32(m, C, true))
MEET(meet_two_bits, meet_256(m, C, PLANES_ONE, true))
MEET(meet_three_bits, meet_256(m, C, PLANES_NEGATED, false))
MEET(meet_k4, meet_256(m, C, PLANES_UNSIGNED, true))
MEET(meet_two_planes, meet_256(m, C, PLANES_SEVEN, false))
#undef MEET

/* ---- the columns' scales and sums, by groups */

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
    bool has_min;
    tiles_fill_fn *fill;
    meet_fn *const *meet; /* [3]: 8, 12, 16 columns */
} tiles_type;

#define TILES_MAP(X)                                     \
    X(Q8_0, 32, 34, false, fill_q8_0, meet_plain)        \
    X(Q4_0, 32, 18, false, fill_q4_0, meet_plain)        \
    X(Q4_1, 32, 20, true, fill_q4_1, meet_min)           \
    X(Q5_0, 32, 22, false, fill_q5_0, meet_plain)        \
    X(Q5_1, 32, 24, true, fill_q5_1, meet_min)           \
    X(IQ4_NL, 32, 18, false, fill_iq4_nl, meet_plain)    \
    X(MXFP4, 32, 17, false, fill_mxfp4, meet_plain)      \
    X(I4_BF16, 32, 18, false, fill_i4_bf16, meet_plain)  \
    X(Q2_K, 256, 84, true, fill_q2_k, meet_two_bits)     \
    X(Q3_K, 256, 110, false, fill_q3_k, meet_three_bits) \
    X(Q4_K, 256, 144, true, fill_q4_k, meet_k4)          \
    X(Q5_K, 256, 176, true, fill_q5_k, meet_k4)          \
    X(Q6_K, 256, 210, false, fill_q6_k, meet_two_planes) \
    X(IQ4_XS, 256, 136, false, fill_iq4_xs, meet_two_planes)

/* ---- the whole */

#define COLS_AT_ONCE 256
#define GROUPS_AT_ONCE (COLS_AT_ONCE / TILE_COLS)
#define CHUNK_32 1024 /* of k; SUAN__TILES_BYTES weights */
#define CHUNK_256 512 /* the same in two planes */

typedef struct tiles_scratch {
    tiles_weights w;
    tile_sums sums[8];
    uint8_t cols[GROUPS_AT_ONCE * (CHUNK_32 / 32) * sizeof(cols_32)];
    uint8_t x[(COLS_AT_ONCE + TILE_COLS) * CHUNK_32]; /* a group more, for products behind the last one */
} tiles_scratch;
_Static_assert(sizeof(tiles_scratch) <= SUAN__TILES_SCRATCH, "scratch of products of tiles");
_Static_assert(CHUNK_256 / 256 * sizeof(cols_256) <= CHUNK_32 / 32 * sizeof(cols_32), "room for columns");

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

/* A stretch of k: some whole blocks, and as many as the tiles hold. */
typedef struct stretch {
    size_t k0;
    int n_blocks, n_padded;
} stretch;

/* What n columns of a group, at x in their rows, bring for a stretch beside their bytes. */
static void gather_group(uint8_t *cols, const tiles_type *t, size_t k, const stretch *of, const uint8_t *x, size_t ldx, int n) {
    size_t stride = cols_bytes(t), b0 = of->k0 / t->block;
    const uint8_t *d = x + suan__q8_d_offset(k) + 4 * b0, *sum = x + suan__q8_sum_offset(k, t->block) + (t->block == 32 ? 2 : 32) * b0;
    spread(cols, stride, d, ldx, of->n_blocks, n, false);
    if (t->has_min && t->block == 32) spread(cols + offsetof(cols_32, sum), stride, sum, ldx, of->n_blocks, n, true);
    if (t->has_min && t->block == 256)
        for (int i = 0; i < n * of->n_blocks; i++)
            split_sums((cols_256 *)(void *)cols + i / n, i % n, sum + (size_t)(i % n) * ldx + 32 * (size_t)(i / n));
    memset(cols + (size_t)of->n_blocks * stride, 0, (size_t)(of->n_padded - of->n_blocks) * stride);
}

/* The group's tiles; columns that are missing repeat the last. A row is padded to 64 bytes, so the last tile finds them. */
static void gather_tiles(uint8_t *tiles, const stretch *of, const uint8_t *x, size_t ldx, int n, int C) {
    for (size_t at = 0; at < (size_t)of->n_blocks * 32; at += 64)
        for (int c = 0; c < C; c++, tiles += 64) memcpy(tiles, x + (size_t)(c < n ? c : n - 1) * ldx + of->k0 + at, 64);
}

static void gather_columns(tiles_scratch *s, const tiles_type *t, size_t k, const stretch *of, const uint8_t *x, size_t ldx, int n_cols,
                           int C) {
    uint8_t *cols = s->cols;
    for (int c = 0; c < n_cols; c += C, cols += (size_t)of->n_padded * cols_bytes(t)) {
        int from = t->block == 32 ? c : first_column(n_cols, c, C), n = n_cols - from < C ? n_cols - from : C;
        const uint8_t *group_x = x + (size_t)from * ldx;
        gather_group(cols, t, k, of, group_x, ldx, n);
        if (t->block == 32) gather_tiles(s->x + (size_t)(c * of->n_padded) * 32, of, group_x, ldx, n, C);
    }
}

/* Blocks of zeros behind those of the panel: they add +0 to sums that are never -0. */
static void fill_weights(tiles_weights *w, const tiles_type *t, const uint8_t *p, const stretch *of) {
    for (int b = 0; b < of->n_blocks; b++) t->fill(w, b, p + (size_t)b * t->bytes * SUAN__PANEL);
    for (int b = of->n_blocks; b < of->n_padded; b++) {
        memset(w->bytes[8 * b], 0, 512);
        memset(w->d[b], 0, sizeof w->d[b]);
        memset(w->min[b], 0, sizeof w->min[b]);
    }
}

/* All panels for as many columns as are taken at once: groups as even as they can be, of C columns. */
static void multiply_columns(const tiles_type *t, float *y, size_t ldy, const uint8_t *panels, size_t k, const uint8_t *x, size_t ldx,
                             int n_cols, int n_rows, tiles_scratch *s) {
    size_t block_bytes = (size_t)t->bytes * SUAN__PANEL, panel_bytes = k / t->block * block_bytes,
           chunk = t->block == 32 ? CHUNK_32 : CHUNK_256;
    int n_groups = (n_cols + TILE_COLS - 1) / TILE_COLS, C = ((n_cols + n_groups - 1) / n_groups + 3) / 4 * 4;
    if (C < 8) C = 8;
    configure(t, t->block == 256 && n_cols < C ? n_cols : C);
    for (size_t k0 = 0; k0 < k; k0 += chunk) {
        stretch of = {.k0 = k0, .n_blocks = (int)((k - k0 < chunk ? k - k0 : chunk) / t->block)};
        of.n_padded = t->block == 32 ? (of.n_blocks + 3) / 4 * 4 : of.n_blocks;
        meeting m = {.w = &s->w, .cols = s->cols, .n_blocks = of.n_blocks, .n_padded = of.n_padded, .n_cols = n_cols, .ldy = ldy};
        m.x = t->block == 32 ? s->x : x + k0;
        m.ldx = ldx;
        m.sums = s->sums;
        m.first = k0 == 0;
        m.next_bytes = block_bytes / (size_t)n_groups;
        gather_columns(s, t, k, &of, x, ldx, n_cols, C);
        for (int r = 0; r < n_rows; r += SUAN__PANEL) {
            const uint8_t *p = panels + (size_t)(r / SUAN__PANEL) * panel_bytes + k0 / t->block * block_bytes;
            fill_weights(&s->w, t, p, &of);
            m.n_rows = n_rows - r < SUAN__PANEL ? n_rows - r : SUAN__PANEL;
            m.y = y + r;
            /* The same chunk of the next panel; behind the last one, the next chunk of the first, or what stands behind them all. */
            m.next = r + SUAN__PANEL < n_rows ? p + panel_bytes
                     : k0 + chunk < k         ? panels + (k0 + chunk) / t->block * block_bytes
                                              : p + (size_t)of.n_blocks * block_bytes;
            t->meet[C / 4 - 2](&m);
        }
    }
    TILE_RELEASE();
}

static void multiply(const tiles_type *t, float *y, size_t ldy, const uint8_t *panels, size_t k, const uint8_t *x, size_t ldx, int n_cols,
                     int n_rows, tiles_scratch *s) {
    for (; n_cols > 0; n_cols -= COLS_AT_ONCE, y += COLS_AT_ONCE * ldy, x += COLS_AT_ONCE * ldx)
        multiply_columns(t, y, ldy, panels, k, x, ldx, n_cols < COLS_AT_ONCE ? n_cols : COLS_AT_ONCE, n_rows, s);
}

#define TILES_MATMUL(name, block, bytes, has_min, fill, meet)                                                                       \
    static void tiles_##name(float *y, size_t ldy, const void *panels, size_t k, const void *x, size_t ldx, int n_cols, int n_rows, \
                             void *scratch) {                                                                                       \
        static const tiles_type t = {block, bytes, has_min, fill, meet};                                                            \
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
    if (t->pair_cols >= TILES_FROM) t->pair_cols = TILES_FROM - 1;
}

#endif
