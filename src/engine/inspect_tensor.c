/* inspect_tensor.c: one tensor of a model, expanded to F32 exactly, as a safetensors file.
 *
 * A tensor's data is a sequence of whole blocks, so it is read, expanded and written in pieces of a fixed size, whatever its shape. Types
 * whose every value is an F32 (floats up to 32 bits, block types, whose definition is the F32 that ggml computes) go through
 * suan__dequantize_row. Integers and F64 can hold values that no F32 equals: each is compared after conversion, and the first that differs
 * is an error. The rest is refused: complex numbers, and codes of 8 bits and less that mean something only with the scales of another
 * tensor.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"
#include "formats/bytes.h"
#include "formats/native.h"
#include "model/packed.h"
#include "suan/inspect.h"

#define PIECE 65536 /* values; a multiple of every block size */

typedef struct source {
    const suan__checkpoint *ck;
    const suan__tensor *t;
    const char *path;
    unsigned char *bytes; /* [PIECE * 8] */
    float *values;        /* [PIECE] */
} source;

static bool is_integer(suan__dtype type) {
    switch (type) {
    case SUAN__I8:
    case SUAN__I16:
    case SUAN__I32:
    case SUAN__I64:
    case SUAN__U8:
    case SUAN__U16:
    case SUAN__U32:
    case SUAN__U64:
    case SUAN__BOOL:
        return true;
    default:
        return false;
    }
}

/* The magnitude and sign of an integer element. */
static uint64_t load_integer(suan__dtype type, const unsigned char *p, bool *negative) {
    int64_t v;
    *negative = false;
    switch (type) {
    case SUAN__I8:
        v = (int8_t)p[0];
        break;
    case SUAN__I16:
        v = (int16_t)suan__load_u16(p);
        break;
    case SUAN__I32:
        v = (int32_t)suan__load_u32(p);
        break;
    case SUAN__I64:
        v = (int64_t)suan__load_u64(p);
        break;
    case SUAN__U16:
        return suan__load_u16(p);
    case SUAN__U32:
        return suan__load_u32(p);
    case SUAN__U64:
        return suan__load_u64(p);
    default:
        return p[0];
    }
    *negative = v < 0;
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* A float has 24 significant bits: a magnitude is exact when nothing stands below them. */
static bool fits_f32(uint64_t magnitude) {
    if (magnitude == 0) return true;
    int top = 63 - __builtin_clzll(magnitude);
    return top < 24 || (magnitude & ((UINT64_C(1) << (top - 23)) - 1)) == 0;
}

static suan_status expand_integers(const source *s, uint64_t first, size_t n, suan_error *err) {
    size_t bytes = suan__dtype_get(s->t->type)->bytes;
    for (size_t i = 0; i < n; i++) {
        bool negative;
        uint64_t magnitude = load_integer(s->t->type, s->bytes + i * bytes, &negative);
        SUAN_CHECK(s->t->type != SUAN__BOOL || magnitude <= 1, SUAN_EFORMAT, "%s: tensor %s: value %llu is %llu, a BOOL is 0 or 1", s->path,
                   s->t->name, (unsigned long long)(first + i), (unsigned long long)magnitude);
        SUAN_CHECK(fits_f32(magnitude), SUAN_ERANGE, "%s: tensor %s: value %llu is %s%llu, which no F32 equals", s->path, s->t->name,
                   (unsigned long long)(first + i), negative ? "-" : "", (unsigned long long)magnitude);
        s->values[i] = negative ? -(float)magnitude : (float)magnitude;
    }
    return SUAN_OK;
}

static suan_status expand_f64(const source *s, uint64_t first, size_t n, suan_error *err) {
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = suan__load_u64(s->bytes + 8 * i);
        double v;
        memcpy(&v, &bits, sizeof v);
        s->values[i] = (float)v;
        SUAN_CHECK((double)s->values[i] == v || isnan(v), SUAN_ERANGE, "%s: tensor %s: value %llu is %.17g, which no F32 equals", s->path,
                   s->t->name, (unsigned long long)(first + i), v);
    }
    return SUAN_OK;
}

/* ggml's MXFP4 has one zero; published FP4 codes have two. */
static void restore_signs(const source *s, size_t n) {
    size_t bytes = suan__dtype_get(s->t->type)->bytes;
    for (size_t i = 0; i < n; i++) {
        unsigned nibbles = s->bytes[i / 32 * bytes + 1 + i % 16], code = i % 32 < 16 ? nibbles & 15 : nibbles >> 4;
        if (code == 8) s->values[i] = -0.0f;
    }
}

static suan_status expand(const source *s, uint64_t first, size_t n, suan_error *err) {
    if (is_integer(s->t->type)) return expand_integers(s, first, n, err);
    if (s->t->type == SUAN__F64) return expand_f64(s, first, n, err);
    suan__dequantize_row(s->t->type, s->values, s->bytes, n);
    if (s->t->native && s->t->native->kind == SUAN__NATIVE_FP4) restore_signs(s, n);
    return SUAN_OK;
}

static suan_status stream(const source *s, uint64_t n_values, suan__out *out, suan_error *err) {
    for (uint64_t first = 0; first < n_values;) {
        size_t n = n_values - first < PIECE ? (size_t)(n_values - first) : PIECE;
        SUAN_TRY(suan__tensor_read(s->ck, s->t, first, n, s->bytes, err));
        SUAN_TRY(expand(s, first, n, err));
        SUAN_TRY(suan__out_write(out, s->values, n * sizeof *s->values, err));
        first += n;
    }
    return SUAN_OK;
}

static suan_status write_file(const source *s, uint64_t n_values, const char *out_path, suan_error *err) {
    suan__st_entry entry = {.name = s->t->name, .dtype = "F32", .n_dims = s->t->n_dims, .n_bytes = n_values * sizeof(float)};
    for (int i = 0; i < s->t->n_dims; i++) entry.shape[i] = s->t->ne[s->t->n_dims - 1 - i];
    suan__out out;
    SUAN_TRY(suan__out_open(&out, out_path, err));
    suan_status status = suan__safetensors_write_header(&out, &entry, 1, NULL, err);
    if (status == SUAN_OK) status = stream(s, n_values, &out, err);
    if (status == SUAN_OK) status = suan__safetensors_write_finish(&out, &entry, 1, NULL, err);
    if (status != SUAN_OK) suan__out_abort(&out);
    return status;
}

static suan_status inspect_tensor(const suan__checkpoint *ck, const char *path, const char *name, const char *out_path, suan_error *err) {
    const suan__tensor *t = suan__checkpoint_find(ck, name);
    SUAN_TRY(suan__native_explain(ck, name, err));
    SUAN_CHECK(t, SUAN_ENOTFOUND, "%s: there is no tensor named %s", path, name);
    SUAN_CHECK(suan__dequantize_known(t->type) || is_integer(t->type), SUAN_EUNSUPPORTED,
               "%s: tensor %s: %s cannot be expanded to F32 by itself", path, name, suan__dtype_get(t->type)->name);
    uint64_t n_values, n_bytes;
    SUAN_CHECK(suan__tensor_size(t->type, t->n_dims, t->ne, &n_values, &n_bytes) == SUAN_OK, SUAN_ERANGE,
               "%s: tensor %s: its size overflows", path, name);
    SUAN_CHECK(n_values <= UINT64_MAX / sizeof(float), SUAN_ERANGE, "%s: tensor %s: has %llu values", path, name,
               (unsigned long long)n_values);
    source s = {.ck = ck, .t = t, .path = path};
    s.bytes = suan__malloc_aligned(PIECE * 8);
    s.values = suan__malloc_aligned(PIECE * sizeof *s.values);
    suan_status status = s.bytes && s.values ? write_file(&s, n_values, out_path, err)
                                             : suan__fail(err, SUAN_ENOMEM, "%s: tensor %s: out of memory", path, name);
    suan__free(s.bytes);
    suan__free(s.values);
    return status;
}

suan_status suan_inspect_tensor(const char *path, const char *name, const char *out_path, suan_error *err) {
    SUAN_CHECK(path && name && out_path, SUAN_EINVAL, "inspect: path, name and out_path must not be NULL");
    suan__checkpoint *ck;
    SUAN_TRY(suan__checkpoint_open(&ck, path, err));
    uint64_t saved = suan__fp_enter();
    suan_status status = inspect_tensor(ck, path, name, out_path, err);
    suan__fp_leave(saved);
    suan__checkpoint_close(&ck);
    return status;
}
