/* gguf_values.c: metadata looked up by key and read as the type that the caller needs. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/bytes.h"
#include "formats/gguf.h"
#include "formats/gguf_internal.h"

static const struct {
    const char *name;
    uint64_t bytes;
} types[] = {
    [SUAN__GGUF_U8] = {"u8", 1},         [SUAN__GGUF_I8] = {"i8", 1},       [SUAN__GGUF_U16] = {"u16", 2}, [SUAN__GGUF_I16] = {"i16", 2},
    [SUAN__GGUF_U32] = {"u32", 4},       [SUAN__GGUF_I32] = {"i32", 4},     [SUAN__GGUF_F32] = {"f32", 4}, [SUAN__GGUF_BOOL] = {"bool", 1},
    [SUAN__GGUF_STRING] = {"string", 0}, [SUAN__GGUF_ARRAY] = {"array", 0}, [SUAN__GGUF_U64] = {"u64", 8}, [SUAN__GGUF_I64] = {"i64", 8},
    [SUAN__GGUF_F64] = {"f64", 8},
};
#define N_TYPES (sizeof types / sizeof types[0])

const char *suan__gguf_type_name(uint32_t type) {
    return type < N_TYPES ? types[type].name : NULL;
}

uint64_t suan__gguf_type_bytes(uint32_t type) {
    return type < N_TYPES ? types[type].bytes : 0;
}

const suan__gguf_value *suan__gguf_find(const suan__gguf *g, const char *key) {
    size_t n = strlen(key);
    if (!g->index_ || n > SUAN__GGUF_MAX_KEY) return NULL;
    uint64_t i = suan__names_find(&((const suan__gguf_index *)g->index_)->keys, key, (uint32_t)n);
    return i == SUAN__NAME_NONE ? NULL : &g->values[i];
}

const suan__tensor *suan__gguf_find_tensor(const suan__gguf *g, const char *name) {
    size_t n = strlen(name);
    if (!g->index_ || n > SUAN__GGUF_MAX_NAME) return NULL;
    uint64_t i = suan__names_find(&((const suan__gguf_index *)g->index_)->tensors, name, (uint32_t)n);
    return i == SUAN__NAME_NONE ? NULL : &g->tensors[i];
}

bool suan__gguf_int_at(const suan__gguf_value *v, uint64_t i, int64_t *out) {
    const unsigned char *p = v->data + i * suan__gguf_type_bytes((uint32_t)v->element_type);
    switch (v->element_type) {
    case SUAN__GGUF_U8:
        *out = *p;
        return true;
    case SUAN__GGUF_I8:
        *out = (int8_t)*p;
        return true;
    case SUAN__GGUF_U16:
        *out = suan__load_u16(p);
        return true;
    case SUAN__GGUF_I16:
        *out = (int16_t)suan__load_u16(p);
        return true;
    case SUAN__GGUF_U32:
        *out = suan__load_u32(p);
        return true;
    case SUAN__GGUF_I32:
        *out = (int32_t)suan__load_u32(p);
        return true;
    case SUAN__GGUF_U64:
        if (suan__load_u64(p) > INT64_MAX) return false;
        *out = (int64_t)suan__load_u64(p);
        return true;
    case SUAN__GGUF_I64:
        *out = (int64_t)suan__load_u64(p);
        return true;
    default:
        return false;
    }
}

bool suan__gguf_float_at(const suan__gguf_value *v, uint64_t i, double *out) {
    if (v->element_type == SUAN__GGUF_F32) {
        uint32_t bits = suan__load_u32(v->data + 4 * i);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = f;
        return true;
    }
    if (v->element_type == SUAN__GGUF_F64) {
        uint64_t bits = suan__load_u64(v->data + 8 * i);
        memcpy(out, &bits, sizeof bits);
        return true;
    }
    return false;
}

bool suan__gguf_bool_at(const suan__gguf_value *v, uint64_t i, bool *out) {
    if (v->element_type != SUAN__GGUF_BOOL) return false;
    *out = v->data[i] != 0;
    return true;
}

bool suan__gguf_next_string(const suan__gguf_value *v, suan__gguf_iter *it, suan__gguf_string *out) {
    if (v->element_type != SUAN__GGUF_STRING || it->i >= v->n) return false;
    if (!it->next) it->next = v->data;
    out->n = suan__load_u64(it->next); /* the parser walked the same bytes: both lengths are inside */
    out->data = (const char *)it->next + 8;
    it->next += 8 + out->n;
    it->i++;
    return true;
}

/* The scalar at a key; *v is NULL when it is absent and need not be there. */
static suan_status scalar(const suan__gguf *g, const char *key, bool required, const char *expected, const suan__gguf_value **v,
                          suan_error *err) {
    *v = suan__gguf_find(g, key);
    if (!*v) {
        SUAN_CHECK(!required, SUAN_EFORMAT, "%s: the metadata key %s is missing", g->path, key);
        return SUAN_OK;
    }
    SUAN_CHECK((*v)->type != SUAN__GGUF_ARRAY, SUAN_EFORMAT, "%s: the metadata key %s is an array, expected %s", g->path, key, expected);
    return SUAN_OK;
}

static suan_status wrong_type(const suan__gguf *g, const suan__gguf_value *v, const char *key, const char *expected, suan_error *err) {
    return suan__fail(err, SUAN_EFORMAT, "%s: the metadata key %s has type %s, expected %s", g->path, key,
                      suan__gguf_type_name((uint32_t)v->type), expected);
}

suan_status suan__gguf_u32(const suan__gguf *g, const char *key, bool required, uint32_t *out, suan_error *err) {
    static const char expected[] = "an integer from 0 to 4294967295";
    const suan__gguf_value *v;
    int64_t x;
    SUAN_TRY(scalar(g, key, required, expected, &v, err));
    if (!v) return SUAN_OK;
    if (!suan__gguf_int_at(v, 0, &x)) {
        if (v->type != SUAN__GGUF_U64) return wrong_type(g, v, key, expected, err);
        return suan__fail(err, SUAN_ERANGE, "%s: the metadata key %s is %" PRIu64 ", expected %s", g->path, key, suan__load_u64(v->data),
                          expected);
    }
    SUAN_CHECK(x >= 0 && x <= UINT32_MAX, SUAN_ERANGE, "%s: the metadata key %s is %" PRId64 ", expected %s", g->path, key, x, expected);
    *out = (uint32_t)x;
    return SUAN_OK;
}

suan_status suan__gguf_f32(const suan__gguf *g, const char *key, bool required, float *out, suan_error *err) {
    static const char expected[] = "a finite float";
    const suan__gguf_value *v;
    double x;
    SUAN_TRY(scalar(g, key, required, expected, &v, err));
    if (!v) return SUAN_OK;
    if (!suan__gguf_float_at(v, 0, &x)) return wrong_type(g, v, key, expected, err);
    SUAN_CHECK(isfinite(x) && isfinite((float)x), SUAN_ERANGE, "%s: the metadata key %s is %g, expected %s", g->path, key, x, expected);
    *out = (float)x;
    return SUAN_OK;
}

suan_status suan__gguf_bool(const suan__gguf *g, const char *key, bool required, bool *out, suan_error *err) {
    const suan__gguf_value *v;
    SUAN_TRY(scalar(g, key, required, "a bool", &v, err));
    if (v && !suan__gguf_bool_at(v, 0, out)) return wrong_type(g, v, key, "a bool", err);
    return SUAN_OK;
}

suan_status suan__gguf_str(const suan__gguf *g, const char *key, bool required, suan__gguf_string *out, suan_error *err) {
    const suan__gguf_value *v;
    suan__gguf_iter it = {0};
    SUAN_TRY(scalar(g, key, required, "a string", &v, err));
    if (v && !suan__gguf_next_string(v, &it, out)) return wrong_type(g, v, key, "a string", err);
    return SUAN_OK;
}
