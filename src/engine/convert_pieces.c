/* convert_pieces.c: one piece of a tensor: read, put in order, expanded, checked, quantised, packed.
 *
 * Rows are whole blocks of both types, so a tensor whose rows keep their order can be cut anywhere at multiples of 256 values. Where rows
 * change places a piece is a number of rows, or one head when they are transposed. A packed tensor's pieces are whole panels of one matrix;
 * they are made of the rows that a plain tensor would have, so packing changes no value.
 */
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/convert.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"
#include "model/packed.h"

#define PIECE (UINT64_C(1) << 18) /* values */
#define RANDOM_STEP 256           /* values that random bits come for together */

static uint64_t source_values(const suan__convert_tensor *t) {
    return t->n_sources > 1 ? t->n_values / t->n_sources : t->n_values;
}

static uint64_t divide_up(uint64_t a, uint64_t b) {
    return a / b + (a % b != 0);
}

static size_t bytes_of(suan__dtype type, uint64_t n) {
    const suan__dtype_info *info = suan__dtype_get(type);
    return (size_t)(n / info->block * info->bytes);
}

/* Rows of one matrix that a piece of a packed tensor takes: whole panels; all of them where rows are transposed. */
static uint64_t packed_rows(const suan__convert_tensor *t) {
    uint64_t n = PIECE / t->ne[0] / SUAN__PANEL * SUAN__PANEL;
    if (t->part == SUAN__PLAN_KEYS || n > t->ne[1]) return t->ne[1];
    return n ? n : SUAN__PANEL < t->ne[1] ? SUAN__PANEL : t->ne[1];
}

static suan_status cut_packed(suan__convert_tensor *t, suan_error *err) {
    uint64_t unused;
    suan_status status = suan__packed_size(t->type, t->n_dims, t->ne, &t->n_values, &t->n_bytes);
    if (status == SUAN_OK) status = suan__packed_stride(t->type, t->ne[0], t->ne[1], &unused, &t->stride);
    SUAN_CHECK(status == SUAN_OK && t->n_values > 0 && suan__add_u64(t->n_values, PIECE, &unused), SUAN_ERANGE,
               "tensor %s: its dimensions are zero, too large, or no whole blocks of %s", t->name, suan__dtype_get(t->type)->name);
    t->piece_values = packed_rows(t) * t->ne[0];
    t->n_pieces = divide_up(t->ne[1], packed_rows(t)) * t->ne[2];
    return SUAN_OK;
}

suan_status suan__convert_cut(suan__convert_tensor *t, suan_error *err) {
    if (t->is_packed) return cut_packed(t, err);
    suan_status status = suan__tensor_size(t->type, t->n_dims, t->ne, &t->n_values, &t->n_bytes);
    SUAN_CHECK(status == SUAN_OK && t->n_values > 0, SUAN_ERANGE, "tensor %s: its dimensions are zero, too large, or no whole blocks of %s",
               t->name, suan__dtype_get(t->type)->name);
    switch (t->part) {
    case SUAN__PLAN_ROWS: {
        uint64_t n = source_values(t);
        t->piece_values = PIECE;
        t->n_pieces = divide_up(n, PIECE) * (t->n_sources > 1 ? t->n_sources : 1);
        return SUAN_OK;
    }
    case SUAN__PLAN_KEYS:
        t->piece_values = t->ne[0] * t->ne[1];
        break;
    default:
        t->piece_values = t->ne[0] * (t->ne[0] < PIECE ? PIECE / t->ne[0] : 1);
        break;
    }
    t->n_pieces = divide_up(t->n_values, t->piece_values);
    return SUAN_OK;
}

suan__convert_scratch suan__convert_needs(const suan__convert_tensor *t) {
    const suan__convert_tensor *from = t->whole ? t->whole : t;
    uint64_t n = t->piece_values < t->n_values ? t->piece_values : t->n_values;
    bool is_read = !from->is_random && !from->is_ones && !from->values;
    bool transposes = t->part == SUAN__PLAN_KEYS;
    suan__convert_scratch needs = {.n_out = bytes_of(t->type, n)};
    if (t->is_packed)
        needs.n_out =
            (size_t)(divide_up(n / t->ne[0], SUAN__PANEL) * suan__panel_bytes(t->type, (size_t)t->ne[0])) + SUAN__PACKED_ALIGNMENT;
    if (is_read) needs.n_raw = bytes_of(from->sources[0]->type, n) + 64;
    if (from->is_random) needs.n_raw = bytes_of(from->type, n + 2 * RANDOM_STEP);
    needs.n_x = is_read || t->whole ? (size_t)n : 0;
    needs.n_y = transposes ? (size_t)n : 0;
    needs.n_rows = t->is_packed ? bytes_of(from->type, n) : 0;
    return needs;
}

/* The row of the source that is row r of the output. */
static uint64_t source_row(const suan__convert_tensor *t, uint64_t r) {
    if (t->part == SUAN__PLAN_VALUES) return r / t->ne[1] * t->head_rows + (t->head_rows - t->ne[1]) + r % t->ne[1];
    uint64_t i = r % t->head_rows;
    return i < t->n_rot ? r - i + i % 2 * (t->n_rot / 2) + i / 2 : r;
}

/* The source's bytes for the values [begin, begin + n), in the order of the output; for KEYS in that of the file. */
static suan_status read_raw(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t begin, uint64_t n, unsigned char *raw,
                            suan_error *err) {
    const suan__tensor *s = t->sources[0];
    if (t->part == SUAN__PLAN_ROWS) {
        uint64_t per_source = source_values(t);
        return suan__tensor_read(ck, t->sources[begin / per_source], begin % per_source, n, raw, err);
    }
    if (t->part == SUAN__PLAN_KEYS) {
        uint64_t head = begin / (t->ne[0] * t->ne[1]);
        return suan__tensor_read(ck, s, head * t->head_rows * t->ne[1], n, raw, err);
    }
    uint64_t row0 = begin / t->ne[0], rows = n / t->ne[0];
    size_t row_bytes = bytes_of(s->type, t->ne[0]);
    for (uint64_t r = 0; r < rows; r++)
        SUAN_TRY(suan__tensor_read(ck, s, source_row(t, row0 + r) * t->ne[0], t->ne[0], raw + r * row_bytes, err));
    return SUAN_OK;
}

static void transpose(float *y, const float *x, uint64_t n_rows, uint64_t n_cols) {
    for (uint64_t r = 0; r < n_rows; r++)
        for (uint64_t c = 0; c < n_cols; c++) y[c * n_rows + r] = x[r * n_cols + c];
}

/* Where the values come from, for messages. */
static const char *origin(const suan__convert_tensor *t) {
    return t->n_sources ? t->sources[0]->name : t->name;
}

static suan_status check_finite(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t begin, const float *x, uint64_t n,
                                suan_error *err) {
    uint32_t bad = 0;
    for (uint64_t j = 0; j < n; j++) bad |= (suan__f32_bits(x[j]) & 0x7f800000u) == 0x7f800000u;
    if (!bad) return SUAN_OK;
    for (uint64_t j = 0; j < n; j++)
        if ((suan__f32_bits(x[j]) & 0x7f800000u) == 0x7f800000u)
            return suan__fail(err, SUAN_ENUMERIC, "%s: tensor %s: value %llu is not finite", ck->path, origin(t),
                              (unsigned long long)(begin + j));
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
    SUAN_CHECK(!infinite, SUAN_ENUMERIC, "%s: tensor %s holds a value that is too large for %s", ck->path, origin(t),
               suan__dtype_get(t->type)->name);
    return SUAN_OK;
}

/* int4 in Q4_0: the same nibbles under a scale of binary16. What that cannot hold is an error: nothing is rounded in silence. */
static suan_status put_int4(const suan__checkpoint *ck, const suan__convert_tensor *t, const unsigned char *raw, uint64_t n, unsigned char *out,
                            suan_error *err) {
    size_t bytes = bytes_of(SUAN__Q4_0, 32);
    for (uint64_t i = 0; i < n; i += 32, raw += bytes, out += bytes) {
        float scale = suan__bf16_to_f32((uint16_t)(raw[0] | raw[1] << 8));
        uint16_t h = suan__f32_to_f16(scale);
        SUAN_CHECK(suan__f16_to_f32(h) == scale, SUAN_ENUMERIC,
                   "%s: tensor %s has the scale %.9g, which Q4_0 cannot hold: give another type, or write a packed file", ck->path, origin(t),
                   (double)scale);
        memcpy(out, raw, bytes);
        memcpy(out, &h, 2);
    }
    return SUAN_OK;
}

/* Random bits come for RANDOM_STEP values at a time: a range that begins between is cut out of a longer one. */
static void make_random(const suan__convert_tensor *t, uint64_t begin, uint64_t n, unsigned char *raw, unsigned char *out) {
    uint64_t before = begin % RANDOM_STEP;
    if (before == 0) {
        suan__random_weights(t->type, out, t->random_rows, begin, (size_t)n, t->key);
        return;
    }
    suan__random_weights(t->type, raw, t->random_rows, begin - before, (size_t)(before + n), t->key);
    memcpy(out, raw + bytes_of(t->type, before), bytes_of(t->type, n));
}

/* Integers of a table, narrowed. */
static suan_status make_ids(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t begin, uint64_t n, unsigned char *raw,
                            unsigned char *out, suan_error *err) {
    bool is_wide = t->sources[0]->type == SUAN__I64;
    SUAN_TRY(suan__tensor_read(ck, t->sources[0], begin, n, is_wide ? raw : out, err));
    for (uint64_t j = 0; j < n; j++) {
        int64_t wide = 0;
        int32_t id = 0;
        memcpy(is_wide ? (void *)&wide : (void *)&id, is_wide ? raw + 8 * j : out + 4 * j, is_wide ? 8 : 4);
        if (!is_wide) wide = id;
        SUAN_CHECK(wide >= 0 && wide < t->n_ids, SUAN_ERANGE, "%s: tensor %s: value %llu is %lld, expected 0 to %u", ck->path, origin(t),
                   (unsigned long long)(begin + j), (long long)wide, t->n_ids - 1);
        id = (int32_t)wide;
        memcpy(out + 4 * j, &id, 4);
    }
    return SUAN_OK;
}

/* Values that no file is read for. */
static bool make_values(const suan__convert_tensor *t, uint64_t begin, uint64_t n, unsigned char *raw, unsigned char *out) {
    if (!t->is_random && !t->is_ones && !t->values) return false;
    if (t->is_random && t->n_ids)
        suan__random_ids((int32_t *)(void *)out, t->ne[0], begin, (size_t)n, t->n_ids, t->key);
    else if (t->is_random)
        make_random(t, begin, n, raw, out);
    for (uint64_t j = 0; t->is_ones && j < n; j++) memcpy(out + 4 * j, &(float){1}, 4);
    if (t->values) memcpy(out, t->values + begin, bytes_of(t->type, n));
    return true;
}

/* Values [begin, begin + n) as they stand in a plain file: of one source, whole rows where they change places, a head for KEYS. */
static suan_status make_rows(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t begin, uint64_t n,
                             const suan__convert_scratch *s, unsigned char *out, suan_error *err) {
    if (make_values(t, begin, n, s->raw, out)) return SUAN_OK;
    if (t->n_ids) return make_ids(ck, t, begin, n, s->raw, out, err);
    suan__dtype type = t->sources[0]->type;
    bool is_copy = type == t->type && t->part != SUAN__PLAN_KEYS;
    SUAN_TRY(read_raw(ck, t, begin, n, is_copy ? out : s->raw, err));
    if (is_copy) return SUAN_OK;
    if (type == SUAN__I4_BF16 && t->type == SUAN__Q4_0) return put_int4(ck, t, s->raw, n, out, err);
    suan__dequantize_row(type, s->x, s->raw, (size_t)n);
    const float *x = s->x;
    SUAN_TRY(check_finite(ck, t, begin, x, n, err));
    if (t->part == SUAN__PLAN_KEYS) {
        transpose(s->y, s->x, t->ne[0], t->ne[1]);
        x = s->y;
    }
    return put(ck, t, x, n, out, err);
}

/* Half of a kv_b, rows [row0, row0 + n_rows) of head i, in the form that load.c gives it: made of the rows that the whole one has in this file. */
static suan_status make_half(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, uint64_t row0, uint64_t n_rows,
                             const suan__convert_scratch *s, const unsigned char **rows, suan_error *err) {
    const suan__convert_tensor *w = t->whole;
    bool is_keys = t->part == SUAN__PLAN_KEYS;
    uint64_t first = i * w->head_rows + (is_keys ? 0 : w->head_rows - t->ne[1] + row0), n = n_rows * t->ne[0];
    SUAN_TRY(make_rows(ck, w, first * w->ne[0], n, s, s->rows, err));
    *rows = s->rows;
    if (w->type == t->type && !is_keys) return SUAN_OK;
    suan__dequantize_row(w->type, s->x, s->rows, (size_t)n);
    if (is_keys) transpose(s->y, s->x, t->ne[0], t->ne[1]);
    *rows = (const unsigned char *)(is_keys ? s->y : s->x);
    if (t->type == SUAN__F32) return SUAN_OK;
    *rows = s->rows; /* F16 and BF16 stay what they are */
    return put(ck, t, is_keys ? s->y : s->x, n, s->rows, err);
}

static suan_status make_panels(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, const suan__convert_scratch *s,
                               unsigned char *out, size_t *n_out, suan_error *err) {
    uint64_t rows_a_piece = packed_rows(t), a_matrix = divide_up(t->ne[1], rows_a_piece);
    uint64_t matrix = i / a_matrix, row0 = i % a_matrix * rows_a_piece, n_rows = t->ne[1] - row0;
    if (n_rows > rows_a_piece) n_rows = rows_a_piece;
    const unsigned char *rows = s->rows;
    if (t->whole)
        SUAN_TRY(make_half(ck, t, matrix, row0, n_rows, s, &rows, err));
    else
        SUAN_TRY(make_rows(ck, t, (matrix * t->ne[1] + row0) * t->ne[0], n_rows * t->ne[0], s, s->rows, err));
    suan__panels_pack(t->type, out, rows, bytes_of(t->type, t->ne[0]), (size_t)t->ne[0], n_rows);
    size_t panel_bytes = suan__panel_bytes(t->type, (size_t)t->ne[0]);
    *n_out = (size_t)divide_up(n_rows, SUAN__PANEL) * panel_bytes;
    if (row0 + n_rows < t->ne[1] || matrix + 1 == t->ne[2]) return SUAN_OK;
    size_t filling = (size_t)(t->stride - divide_up(t->ne[1], SUAN__PANEL) * panel_bytes); /* up to the next matrix */
    memset(out + *n_out, 0, filling);
    *n_out += filling;
    return SUAN_OK;
}

suan_status suan__convert_piece(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, const suan__convert_scratch *s,
                                unsigned char *out, size_t *n_out, suan_error *err) {
    if (t->is_packed) return make_panels(ck, t, i, s, out, n_out, err);
    uint64_t a_source = t->part == SUAN__PLAN_ROWS ? source_values(t) : t->n_values, pieces = divide_up(a_source, t->piece_values);
    uint64_t in_source = i % pieces * t->piece_values, begin = i / pieces * a_source + in_source;
    uint64_t n = a_source - in_source < t->piece_values ? a_source - in_source : t->piece_values;
    *n_out = bytes_of(t->type, n);
    return make_rows(ck, t, begin, n, s, out, err);
}
