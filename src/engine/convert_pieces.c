/* convert_pieces.c: one piece of a tensor: read, put in order, expanded, checked, quantised.
 *
 * Rows are whole blocks of both types, so a tensor whose rows keep their order can be cut anywhere at multiples of 256 values. Where rows
 * change places a piece is a number of rows, or one head when they are transposed.
 */
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/convert.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"

#define PIECE (UINT64_C(1) << 18) /* values */

static uint64_t source_values(const suan__convert_tensor *t) {
    return t->n_sources > 1 ? t->n_values / t->n_sources : t->n_values;
}

suan_status suan__convert_cut(suan__convert_tensor *t, suan_error *err) {
    suan_status status = suan__tensor_size(t->type, t->n_dims, t->ne, &t->n_values, &t->n_bytes);
    SUAN_CHECK(status == SUAN_OK && t->n_values > 0, SUAN_ERANGE, "tensor %s: its dimensions are zero, too large, or no whole blocks of %s",
               t->name, suan__dtype_get(t->type)->name);
    switch (t->part) {
    case SUAN__PLAN_ROWS: {
        uint64_t n = source_values(t);
        t->piece_values = PIECE;
        t->n_pieces = (n + PIECE - 1) / PIECE * (t->n_sources > 1 ? t->n_sources : 1);
        return SUAN_OK;
    }
    case SUAN__PLAN_KEYS:
        t->piece_values = t->ne[0] * t->ne[1];
        break;
    default:
        t->piece_values = t->ne[0] * (t->ne[0] < PIECE ? PIECE / t->ne[0] : 1);
        break;
    }
    t->n_pieces = (t->n_values + t->piece_values - 1) / t->piece_values;
    return SUAN_OK;
}

static size_t bytes_of(suan__dtype type, uint64_t n) {
    const suan__dtype_info *info = suan__dtype_get(type);
    return (size_t)(n / info->block * info->bytes);
}

void suan__convert_needs(const suan__convert_tensor *t, size_t *raw, size_t *x, size_t *y, size_t *out) {
    uint64_t n = t->piece_values < t->n_values ? t->piece_values : t->n_values;
    bool has_file = !t->is_random && !t->is_ones && !t->values;
    *raw = has_file ? bytes_of(t->sources[0]->type, n) + 64 : 0;
    *x = has_file ? (size_t)n : 0;
    *y = t->part == SUAN__PLAN_KEYS ? (size_t)n : 0;
    *out = bytes_of(t->type, n);
}

/* The row of the source that is row r of the output. */
static uint64_t source_row(const suan__convert_tensor *t, uint64_t r) {
    if (t->part == SUAN__PLAN_VALUES) return r / t->ne[1] * t->head_rows + (t->head_rows - t->ne[1]) + r % t->ne[1];
    uint64_t i = r % t->head_rows;
    return i < t->n_rot ? r - i + i % 2 * (t->n_rot / 2) + i / 2 : r;
}

/* The bytes that piece i is made of, in the order of the output; for KEYS in that of the file. */
static suan_status read_raw(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, uint64_t *n, unsigned char *raw,
                            suan_error *err) {
    const suan__tensor *s = t->sources[0];
    if (t->part == SUAN__PLAN_ROWS) {
        uint64_t per_source = source_values(t), pieces = (per_source + PIECE - 1) / PIECE, begin = i % pieces * PIECE;
        s = t->sources[i / pieces];
        *n = per_source - begin < PIECE ? per_source - begin : PIECE;
        return suan__checkpoint_read(ck, s, bytes_of(s->type, begin), raw, bytes_of(s->type, *n), err);
    }
    if (t->part == SUAN__PLAN_KEYS) {
        *n = t->piece_values;
        return suan__checkpoint_read(ck, s, bytes_of(s->type, i * t->head_rows * t->ne[1]), raw, bytes_of(s->type, *n), err);
    }
    uint64_t row0 = i * (t->piece_values / t->ne[0]), rows = t->piece_values / t->ne[0], all = t->n_values / t->ne[0];
    size_t row_bytes = bytes_of(s->type, t->ne[0]);
    if (rows > all - row0) rows = all - row0;
    *n = rows * t->ne[0];
    for (uint64_t r = 0; r < rows; r++)
        SUAN_TRY(suan__checkpoint_read(ck, s, source_row(t, row0 + r) * row_bytes, raw + r * row_bytes, row_bytes, err));
    return SUAN_OK;
}

static void transpose(float *y, const float *x, uint64_t n_rows, uint64_t n_cols) {
    for (uint64_t r = 0; r < n_rows; r++)
        for (uint64_t c = 0; c < n_cols; c++) y[c * n_rows + r] = x[r * n_cols + c];
}

static suan_status check_finite(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, const float *x, uint64_t n,
                                suan_error *err) {
    uint32_t bad = 0;
    for (uint64_t j = 0; j < n; j++) bad |= (suan__f32_bits(x[j]) & 0x7f800000u) == 0x7f800000u;
    if (!bad) return SUAN_OK;
    for (uint64_t j = 0; j < n; j++)
        if ((suan__f32_bits(x[j]) & 0x7f800000u) == 0x7f800000u)
            return suan__fail(err, SUAN_ENUMERIC, "%s: tensor %s: a value of piece %llu, number %llu in it, is not finite", ck->path,
                              t->sources[0]->name, (unsigned long long)i, (unsigned long long)j);
    return SUAN_OK;
}

static suan_status put(const suan__checkpoint *ck, const suan__convert_tensor *t, const float *x, uint64_t n, unsigned char *out,
                       suan_error *err) {
    uint32_t infinite = 0;
    switch (t->type) {
    case SUAN__F32:
        memcpy(out, x, (size_t)n * sizeof *x);
        break;
    case SUAN__BF16:
    case SUAN__F16:
        for (uint64_t j = 0; j < n; j++) {
            uint16_t h = t->type == SUAN__F16 ? suan__f32_to_f16(x[j]) : suan__f32_to_bf16(x[j]);
            infinite |= (h & 0x7fff) == (t->type == SUAN__F16 ? 0x7c00 : 0x7f80);
            memcpy(out + 2 * j, &h, 2);
        }
        break;
    default:
        if (!suan__quantize_row(t->type, out, x, (size_t)n))
            return suan__fail(err, SUAN_EUNSUPPORTED, "tensor %s: %s cannot be written", t->name, suan__dtype_get(t->type)->name);
    }
    SUAN_CHECK(!infinite, SUAN_ENUMERIC, "%s: tensor %s holds a value that is too large for %s", ck->path, t->sources[0]->name,
               suan__dtype_get(t->type)->name);
    return SUAN_OK;
}

/* A piece that no file is read for. */
static bool make_piece(const suan__convert_tensor *t, uint64_t i, unsigned char *out, size_t *n_out) {
    if (!t->is_random && !t->is_ones && !t->values) return false;
    uint64_t begin = i * t->piece_values, n = t->n_values - begin < t->piece_values ? t->n_values - begin : t->piece_values;
    *n_out = bytes_of(t->type, n);
    if (t->is_random) suan__random_weights(t->type, out, t->random_rows, begin, (size_t)n, t->key);
    for (uint64_t j = 0; t->is_ones && j < n; j++) memcpy(out + 4 * j, &(float){1}, 4);
    if (t->values) memcpy(out, t->values + begin, *n_out);
    return true;
}

suan_status suan__convert_piece(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, const suan__convert_scratch *s,
                                unsigned char *out, size_t *n_out, suan_error *err) {
    uint64_t n;
    if (make_piece(t, i, out, n_out)) return SUAN_OK;
    suan__dtype type = t->sources[0]->type;
    bool is_copy = type == t->type && t->part != SUAN__PLAN_KEYS;
    SUAN_TRY(read_raw(ck, t, i, &n, is_copy ? out : s->raw, err));
    *n_out = bytes_of(t->type, n);
    if (is_copy) return SUAN_OK;
    suan__dequantize_row(type, s->x, s->raw, (size_t)n);
    const float *x = s->x;
    SUAN_TRY(check_finite(ck, t, i, x, n, err));
    if (t->part == SUAN__PLAN_KEYS) {
        transpose(s->y, s->x, t->ne[0], t->ne[1]);
        x = s->y;
    }
    return put(ck, t, x, n, out, err);
}
