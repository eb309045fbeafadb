/* kernels.h: the operations that decide bits, and the table through which everyone calls them.
 *
 * For each operation the C function (`*_c`) is the definition; a variant for an instruction set must give the same bits for all finite
 * input (design.md, section 3). Lanes run over outputs, never inside a reduction; a reduction with a single output uses 64 partial sums.
 *
 * Weights are packed in panels: 16 rows (outputs) of a matrix side by side, so that a vector holds one reduction index (or four bytes of
 * it) of 16 rows.
 *
 *   float types   panel[k][16] elements of the stored type
 *   F8            for each block: float scale[16], codes [k of the block][16]
 *   block types   for each block of the row, its fields in the order of the file format; a field of bytes is cut into units of 4 bytes
 *                 (scales: their own size: 2 for halves, 1 for an exponent byte; codes of F8: 1) and unit u of row r stands at [u][r]. A panel has as many
 *                 bytes as its 16 rows in the file; blocks.h has the table of fields.
 *
 * Rows missing in the last panel are zero bytes. The quantised activations of a column ("q8 row") lie one after the other in one stretch,
 * see suan__q8_*.
 *
 * Ownership: kernels borrow everything for the call. Threads: any number, on disjoint outputs. Alignment: panels, q8 rows and y need none
 * beyond their element, 64 bytes is faster. Errors: none; shapes are checked when a model is loaded.
 */
#ifndef SUAN_KERNELS_KERNELS_H
#define SUAN_KERNELS_KERNELS_H

#include "base/dtype.h"
#include "base/error.h"

#define SUAN__PANEL 16       /* rows of a packed panel, positions of a key panel */
#define SUAN__ATTN_BLOCK 256 /* positions of an attention block (design.md, rule 5) */

/* ---- quantised activations: one row of k values in blocks of 32 or 256
 *
 *   offset 0     int8 q[k]
 *   offset k     float d[k / block]   amax / 127, or +0 when amax < 2^-100
 *   behind d     int16 sum[]          block 32: the sum of each 32 q; block 256: the sum of each 16 q
 *
 * A row is padded with zero bytes to a multiple of 64. */
static inline size_t suan__q8_d_offset(size_t k) {
    return k;
}
static inline size_t suan__q8_sum_offset(size_t k, size_t block) {
    return k + k / block * 4;
}
static inline size_t suan__q8_row_bytes(size_t k, size_t block) {
    size_t n = suan__q8_sum_offset(k, block) + k / (block == 32 ? 32 : 16) * 2;
    return (n + 63) & ~(size_t)63;
}
/* 32 or 256: the block of activations that meets weights of this type; 0 when the type meets f32 activations (floats, and types without
 * kernels of their own). */
int suan__activation_block(suan__dtype type);

/* ---- signatures */

/* y[c * ldy + r] = sum over k of W[r][k] * x[c][k], for r < n_rows (1..16), c < n_cols; k > 0. Order: acc starts at +0, increasing k, one
 * fma a step. For block types x points to q8 rows (ldx in bytes), otherwise to f32 rows (ldx in bytes too). A step for block types, per
 * block: isum = sum of q_w * q_a (with integer sub-scales inside, exact in int32), acc = fma((f32)isum, d_w * d_a, acc); types with
 * minimums then: acc = fma(-(dmin * d_a), (f32)(sum of m * asum), acc) for K-quants, acc = fma(m * d_a, (f32)asum, acc) for Q4_1 and Q5_1.
 * The product of the scales is rounded to f32 first. MXFP4: q_w are the doubled integers 0 1 2 3 4 6 8 12 with sign, d_w = 2^(e - 128). */
typedef void suan__matmul_fn(float *y, size_t ldy, const void *panel, size_t k, const void *x, size_t ldx, int n_cols, int n_rows);

/* The same for several panels that stand one after the other, n_rows rows in all, and many columns: for units that multiply tiles, which want
 * weights made ready for them once for all columns. scratch: SUAN__TILES_SCRATCH bytes, at a multiple of 64. */
#define SUAN__TILES_SCRATCH (384 << 10)
typedef void suan__matmul_tiles_fn(float *y, size_t ldy, const void *panels, size_t k, const void *x, size_t ldx, int n_cols, int n_rows,
                                   void *scratch);

/* The same for two panels of one length that may lie anywhere: y[i] gets n_rows[i] rows; n_cols is at most pair_cols. Memory that is read at two
 * places at once comes faster than at one, and what columns share is done once for both. */
typedef void suan__matmul_pair_fn(float *const y[2], size_t ldy, const void *const panels[2], const int n_rows[2], size_t k, const void *x,
                                  size_t ldx, int n_cols);

/* The same for f32 panels, which the exact path works through in chunks of k: up to two (rows 16 and above are those of the second, which is
 * not looked at for fewer), starting at y's present values instead of +0 when `more` is true. */
typedef void suan__matmul_acc_fn(float *y, size_t ldy, const float *const panels[2], size_t k, const float *x, size_t ldx, int n_cols,
                                 int n_rows, bool more);

/* Expands values k0 .. k0 + n (whole blocks) of a panel's 16 rows: dst[n][16]. The values are those of suan__dequantize_row, bit for bit. k
 * is the row's length. */
typedef void suan__expand_fn(float *dst, const void *panel, size_t k, size_t k0, size_t n);

/* A q8 row from f32 values: d = amax / 127 (a division), q = round to nearest even(x * (127 / amax)); amax < 2^-100 gives zeros and d = +0.
 */
typedef void suan__quantize_q8_fn(void *q8, const float *x, size_t k);

/* y[i] = (x[i] * r) * w[i], r = 1 / sqrt(sum / n + eps), sum of squares by rule 4 with fma into each partial sum. y may be x. */
typedef void suan__rms_norm_fn(float *y, const float *x, const float *w, size_t n, float eps);
/* The r of rms_norm. */
typedef float suan__rms_fn(const float *x, size_t n, float eps);
typedef void suan__add_fn(float *y, const float *x, size_t n); /* y[i] = y[i] + x[i] */
typedef void suan__axpy_fn(float *y, const float *x, float a,
                           size_t n); /* y[i] = fma(a, x[i], y[i]); relu_axpy: with x[i] > 0 ? x[i] : +0 */
typedef void suan__swiglu_fn(float *y, const float *gate, const float *up,
                             size_t n); /* y = silu(gate) * up, silu(z) = z / (1 + exp(-z)); y may be gate or up */
typedef void suan__sigmoid_fn(float *y, const float *x, size_t n); /* 1 / (1 + exp(-x)) */
/* y[i] = exp(x[i] - max) / sum, sum by rule 4, adding; y may be x; n >= 1. */
typedef void suan__softmax_fn(float *y, const float *x, size_t n);
/* In place on n_head vectors of n_rot values, `stride` values apart; cos, sin [n_rot / 2]. (u, v) -> (fma(u, c, -(v * s)), fma(u, s, v *
 * c)). */
typedef void suan__rope_fn(float *x, size_t stride, size_t n_head, size_t n_rot, const float *cos, const float *sin);
typedef void suan__f16_to_f32_fn(float *y, const uint16_t *x, size_t n);
/* Round to nearest even; returns false when a value became an infinity or was not finite (all of y is written all the same). */
typedef bool suan__f32_to_f16_fn(uint16_t *y, const float *x, size_t n);
typedef bool suan__all_finite_fn(const float *x, size_t n);

/* ---- attention: one block of n_pos <= 256 positions
 *
 * Elements of the caches are f32, f16 or q8 (by the entry), expanded exactly.
 *
 * q8: a row of d values in blocks of 32, the last one filled up with zeros; a block has a scale, binary16, and a value is q * scale, which
 * f32 holds exactly (8 and 11 bits). A byte is 128 + q, 1..255.
 *   keys in panels   bytes [width / 4][16][4], then scales uint16 [width / 32][16]
 *   rows             256 positions together: bytes [256][ld], then scales uint16 [256][ld / 32]; ld a multiple of 32 */
static inline size_t suan__attn_q8_width(size_t d) {
    return (d + 31) & ~(size_t)31;
}

/* What is read after a call: the memory is asked for it bit by bit while the call works. */
typedef struct suan__soon {
    const void *p;
    size_t bytes;
} suan__soon;
#define SUAN__NOTHING_SOON ((suan__soon){NULL, 0})

/* Keys in panels of 16 positions: k[pos / 16][d][pos % 16]. s[i * lds + t] = (sum over d of q[i][d] * k[t][d]) * scale, the sum in order
 * from +0 by fma, i < n_q, t < n_pos. */
typedef void suan__attn_qk_fn(float *s, size_t lds, const float *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                              suan__soon soon);
/* The same for keys in rows (the latent cache of MLA): c[t * ldc + j]; the queries are transposed: qt[j * ldqt + i] (ldqt >= n_q rounded up
 * to 16, zero-filled). */
typedef void suan__attn_qk_rows_fn(float *s, size_t lds, const float *qt, size_t ldqt, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                   float scale, suan__soon soon);
/* q8 keys: queries are q8 rows too (blocks of 32, f32 scales), d a multiple of 32. Per block: isum = sum of q_q * q_k, exact;
 * acc = fma((f32)isum, d_q * d_k, acc), from +0 in order of the blocks; s = acc * scale. q: q8 rows, ldq bytes apart. */
typedef void suan__attn_qk_q8_fn(float *s, size_t lds, const void *q, size_t ldq, int n_q, int d, const void *k, int n_pos, float scale,
                                 suan__soon soon);
/* For q8 keys in rows; the queries are what suan__attn_q8_panels makes. */
typedef void suan__attn_qk_rows_q8_fn(float *s, size_t lds, const void *panels, int n_q, int d, const void *c, size_t ldc, int n_pos,
                                      float scale, suan__soon soon);
/* n_q q8 rows, row_bytes apart, of d values (a multiple of 32) side by side: for each 16 queries (missing ones zero) and each block float
 * d[16], int32 128 * sum[16], int8 q[8][16][4]. */
#define SUAN__ATTN_Q8_PANEL_BLOCK 640 /* bytes of 16 queries' block */
void suan__attn_q8_panels(void *panels, const void *rows, size_t row_bytes, size_t d, int n_q);
/* In place: s[t] = exp(s[t] - max); *max is the greatest s (a zero is given as +0, whichever zeros there were), *sum the sum of the results
 * by rule 4 (partial sum t mod 64). n >= 1. */
typedef void suan__attn_softmax_fn(float *s, int n, float *max, float *sum);
/* o[i * ldo + j] = sum over t of p[i * ldp + t] * v[t * ldv + j], in order of t from +0 by fma; j < dv. first > 0: the sums go on from o's
 * present values with t = first. q8: v is the block of rows, ldv its ld (at most 65536), and a value is fma(byte, d, -(128 * d)). */
typedef void suan__attn_pv_fn(float *o, size_t ldo, const float *p, size_t ldp, int n_q, const void *v, size_t ldv, int first, int n_pos,
                              int dv, suan__soon soon);
/* Merges block (o2, m2, s2) into the running (o, *m, *s): M = max(*m, m2); a = exp(*m - M); b = exp(m2 - M); *s = fma(*s, a, s2 * b);
 * o[j] = fma(o[j], a, o2[j] * b); *m = M. */
typedef void suan__attn_merge_fn(float *o, float *m, float *s, const float *o2, float m2, float s2, int dv);
typedef void suan__div_fn(float *y, float a, size_t n); /* y[i] = y[i] / a */

/* Weight types with kernels of their own: X(name). Every other ggml type is expanded to F32 when a model is loaded. */
#define SUAN__GGUF_WEIGHT_MAP(X) \
    X(F32) X(F16) X(BF16) X(Q8_0) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS) X(MXFP4)
/* Of published checkpoints: e4m3 codes behind their scale, an f32, which are floating point (a weight is the product, rounded once); Q4_0 with
 * a bfloat16 scale. No quantiser makes them. */
#define SUAN__NATIVE_WEIGHT_MAP(X) X(F8_128) X(F8_32) X(I4_BF16)
#define SUAN__WEIGHT_MAP(X) SUAN__GGUF_WEIGHT_MAP(X) SUAN__NATIVE_WEIGHT_MAP(X)

/* X(field, type): every other operation of the table. */
#define SUAN__KERNEL_MAP(X)                      \
    X(matmul_acc, suan__matmul_acc_fn)           \
    X(quantize_q8_32, suan__quantize_q8_fn)      \
    X(quantize_q8_256, suan__quantize_q8_fn)     \
    X(rms_norm, suan__rms_norm_fn)               \
    X(rms, suan__rms_fn)                         \
    X(add, suan__add_fn)                         \
    X(axpy, suan__axpy_fn)                       \
    X(relu_axpy, suan__axpy_fn)                  \
    X(swiglu, suan__swiglu_fn)                   \
    X(sigmoid, suan__sigmoid_fn)                 \
    X(softmax, suan__softmax_fn)                 \
    X(rope_interleaved, suan__rope_fn)           \
    X(rope_half, suan__rope_fn)                  \
    X(f16_to_f32, suan__f16_to_f32_fn)           \
    X(f32_to_f16, suan__f32_to_f16_fn)           \
    X(all_finite, suan__all_finite_fn)           \
    X(attn_qk_f32, suan__attn_qk_fn)             \
    X(attn_qk_f16, suan__attn_qk_fn)             \
    X(attn_qk_rows_f32, suan__attn_qk_rows_fn)   \
    X(attn_qk_rows_f16, suan__attn_qk_rows_fn)   \
    X(attn_qk_q8, suan__attn_qk_q8_fn)           \
    X(attn_qk_rows_q8, suan__attn_qk_rows_q8_fn) \
    X(attn_softmax, suan__attn_softmax_fn)       \
    X(attn_pv_f32, suan__attn_pv_fn)             \
    X(attn_pv_f16, suan__attn_pv_fn)             \
    X(attn_pv_q8, suan__attn_pv_fn)              \
    X(attn_merge, suan__attn_merge_fn)           \
    X(div, suan__div_fn)

typedef struct suan__kernels {
    const char *name; /* "c", "avx2", "avx512", "amx", "neon", "dotprod", "i8mm" */
#define SUAN__KERNEL_FIELD(field, type) type *field;
    SUAN__KERNEL_MAP(SUAN__KERNEL_FIELD)
#undef SUAN__KERNEL_FIELD
    suan__matmul_fn *matmul[SUAN__DTYPE_END];             /* the types of SUAN__WEIGHT_MAP; NULL for others */
    suan__expand_fn *expand[SUAN__DTYPE_END];             /* the same types */
    suan__matmul_pair_fn *matmul_pair[SUAN__DTYPE_END];   /* NULL where it gains nothing */
    int pair_cols;                                        /* how many columns it takes, at most: with more it is not the faster one */
    suan__matmul_tiles_fn *matmul_tiles[SUAN__DTYPE_END]; /* NULL where the level has no unit for it */
    uint8_t tiles_from[SUAN__DTYPE_END];                  /* the number of columns from which matmul_tiles is the faster one */
} suan__kernels;

/* The level that `name` asks for ("c", "avx2", "avx512", "amx", "neon"; NULL or "": the best this processor has). An unknown name, or one this
 * processor cannot run, is an error that lists what it can. The table is filled once and constant afterwards. Threads: safe. */
suan_status suan__kernels_get(const suan__kernels **table, const char *name, suan_error *err);
/* Names of the levels this build and processor can run, best first, NULL at the end. */
const char *const *suan__kernels_levels(void);
/* What the processor has, in words ("avx2 fma f16c avx512f avx512vnni amx-int8"); static. */
const char *suan__cpu_features(void);

/* ---- weights: packing, exact expansion, quantisers (C only, used at load and by tools) */

/* Bytes of a packed panel of 16 rows of k values (k whole blocks). */
size_t suan__panel_bytes(suan__dtype type, size_t k);
/* rows: n_rows (1..16) rows as in the file, row_bytes apart. Types of SUAN__WEIGHT_MAP. */
void suan__panel_pack(suan__dtype type, void *panel, const void *rows, size_t row_bytes, size_t k, int n_rows);
/* The inverse for one row. */
void suan__panel_unpack_row(suan__dtype type, void *row, const void *panel, size_t k, int i_row);

/* Whether dequantize knows the type: every ggml type of base/dtype.h but I* and Q8_1, Q8_K; also F64, BF16. */
bool suan__dequantize_known(suan__dtype type);
/* dst[k] from a row of whole blocks: exact, as ggml's C code gives it. */
void suan__dequantize_row(suan__dtype type, float *dst, const void *src, size_t k);
/* Quantises a row: F32 (a copy), F16, BF16 (nearest even; values too large become infinities), and the block types of
 * SUAN__GGUF_WEIGHT_MAP. Q4_0 .. Q8_0 give ggml's bytes; the others search for the least squared error. Scales beyond binary16 become its largest value, so block
 * types come back finite whatever x is. The same bytes on every machine. x finite. false: the type has no quantiser. */
bool suan__quantize_row(suan__dtype type, void *dst, const float *x, size_t k);

/* ---- a tile of a matrix product: some panels, all columns */

/* Whether so many columns meet panels of this type by twos (matmul_pair). */
bool suan__takes_pairs(const suan__kernels *kn, suan__dtype type, int n_cols, bool exact);

/* Panels [i_panel, i_panel + n_panels) of matrix W [n_rows, k] times n_cols columns, y as in suan__matmul_fn but y points to column 0, row 0 of
 * the whole result (ldy its row length). exact false: x are what suan__activation_block says (q8 rows or f32). exact true: x are f32 rows
 * and the weights are expanded. scratch: SUAN__EXPAND_SCRATCH floats, faster at a multiple of 64 bytes. Work is cut so that what many
 * columns share stays in the caches; how, changes no bit. */
#define SUAN__EXPAND_CHUNK 256
#define SUAN__EXPAND_SCRATCH (SUAN__TILES_SCRATCH / 4)
void suan__matmul_panels(const suan__kernels *kn, suan__dtype type, const void *packed, size_t n_rows, size_t k, size_t i_panel,
                         size_t n_panels, float *y, size_t ldy, const void *x, size_t ldx, int n_cols, bool exact, float *scratch);
/* How many panels such a tile should have in a product of n_panels panels (of all its slices) with n_cols columns: more share what is done
 * once for the columns, but all threads want some. */
uint32_t suan__panels_at_once(uint64_t n_panels, uint32_t n_cols, int n_threads);

/* ---- RoPE tables */
/* cos[j], sin[j] of fl32(pos * f[j]) for n pairs, times `factor` (1 for none): reduction, sin and cos in binary64, rounded to f32, then the
 * f32 product. */
void suan__rope_table(float *cos, float *sin, const float *f, size_t n, int64_t pos, float factor);

#endif
