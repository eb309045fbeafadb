/* gguf_write.c: GGUF files, version 3, little-endian. */
#include "formats/gguf_write.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/utf8.h"
#include "formats/bytes.h"

#define ULL(x) ((unsigned long long)(x))

static void append_u32(suan__buf *b, uint32_t v) {
    unsigned char p[4];
    suan__store_u32(p, v);
    suan__buf_append(b, p, sizeof p);
}

static void append_u64(suan__buf *b, uint64_t v) {
    unsigned char p[8];
    suan__store_u64(p, v);
    suan__buf_append(b, p, sizeof p);
}

static void append_string(suan__buf *b, const char *s, uint64_t n) {
    append_u64(b, n);
    suan__buf_append(b, s, n);
}

static suan_status done(const suan__buf *b, suan_error *err) {
    SUAN_CHECK(!b->failed, SUAN_ENOMEM, "out of memory for the header of a GGUF file");
    return SUAN_OK;
}

suan_status suan__gguf_writer_init(suan__gguf_writer *w, uint64_t alignment, suan_error *err) {
    memset(w, 0, sizeof *w);
    SUAN_CHECK(alignment >= SUAN__GGUF_MIN_ALIGNMENT && alignment <= SUAN__GGUF_MAX_ALIGNMENT && (alignment & (alignment - 1)) == 0,
               SUAN_EINVAL, "an alignment of %llu, expected a power of two from %d to %llu", ULL(alignment), SUAN__GGUF_MIN_ALIGNMENT,
               ULL(SUAN__GGUF_MAX_ALIGNMENT));
    w->alignment = alignment;
    if (alignment == SUAN__GGUF_DEFAULT_ALIGNMENT) return SUAN_OK;
    append_string(&w->values, "general.alignment", 17);
    append_u32(&w->values, SUAN__GGUF_U32);
    append_u32(&w->values, (uint32_t)alignment);
    w->n_values = 1;
    return done(&w->values, err);
}

void suan__gguf_writer_fini(suan__gguf_writer *w) {
    suan__buf_fini(&w->values);
    suan__buf_fini(&w->tensors);
    suan__buf_fini(&w->places);
    memset(w, 0, sizeof *w);
}

static suan_status check_key(const char *key, uint64_t n, suan_error *err) {
    SUAN_CHECK(n > 0 && n <= SUAN__GGUF_MAX_KEY && suan__utf8_valid(key, n) && !memchr(key, 0, n), SUAN_EINVAL,
               "a metadata key of %llu bytes is no valid key", ULL(n));
    SUAN_CHECK(n != 17 || memcmp(key, "general.alignment", n) != 0, SUAN_EINVAL, "general.alignment is written by the writer itself");
    return SUAN_OK;
}

static suan_status put(suan__gguf_writer *w, const char *key, uint64_t n_key, uint32_t type, uint32_t element_type, uint64_t n,
                       const void *data, uint64_t n_bytes, suan_error *err) {
    SUAN_TRY(check_key(key, n_key, err));
    append_string(&w->values, key, n_key);
    append_u32(&w->values, type);
    if (type == SUAN__GGUF_ARRAY) {
        append_u32(&w->values, element_type);
        append_u64(&w->values, n);
    }
    suan__buf_append(&w->values, data, n_bytes);
    w->n_values++;
    return done(&w->values, err);
}

suan_status suan__gguf_put_value(suan__gguf_writer *w, const suan__gguf_value *v, suan_error *err) {
    return put(w, v->key.data, v->key.n, (uint32_t)v->type, (uint32_t)v->element_type, v->n, v->data, v->n_bytes, err);
}

suan_status suan__gguf_put(suan__gguf_writer *w, const char *key, suan__gguf_type type, suan__gguf_type element_type, const void *data,
                           uint64_t n, suan_error *err) {
    uint64_t n_bytes, size = suan__gguf_type_bytes((uint32_t)(type == SUAN__GGUF_ARRAY ? element_type : type));
    SUAN_CHECK(size > 0 && (type == SUAN__GGUF_ARRAY || n == 1) && suan__mul_u64(n, size, &n_bytes), SUAN_EINVAL,
               "metadata key %s: %llu elements of type %d in %d", key, ULL(n), (int)element_type, (int)type);
    return put(w, key, strlen(key), (uint32_t)type, (uint32_t)element_type, n, data, n_bytes, err);
}

suan_status suan__gguf_put_u32(suan__gguf_writer *w, const char *key, uint32_t v, suan_error *err) {
    unsigned char p[4];
    suan__store_u32(p, v);
    return suan__gguf_put(w, key, SUAN__GGUF_U32, SUAN__GGUF_U32, p, 1, err);
}

suan_status suan__gguf_put_f32(suan__gguf_writer *w, const char *key, float v, suan_error *err) {
    uint32_t bits;
    unsigned char p[4];
    memcpy(&bits, &v, sizeof bits);
    suan__store_u32(p, bits);
    return suan__gguf_put(w, key, SUAN__GGUF_F32, SUAN__GGUF_F32, p, 1, err);
}

suan_status suan__gguf_put_bool(suan__gguf_writer *w, const char *key, bool v, suan_error *err) {
    unsigned char p = v;
    return suan__gguf_put(w, key, SUAN__GGUF_BOOL, SUAN__GGUF_BOOL, &p, 1, err);
}

suan_status suan__gguf_put_str(suan__gguf_writer *w, const char *key, const char *s, uint64_t n, suan_error *err) {
    SUAN_TRY(check_key(key, strlen(key), err));
    append_string(&w->values, key, strlen(key));
    append_u32(&w->values, SUAN__GGUF_STRING);
    append_string(&w->values, s, n);
    w->n_values++;
    return done(&w->values, err);
}

suan_status suan__gguf_put_strings(suan__gguf_writer *w, const char *key, const suan__gguf_string *strings, uint64_t n, suan_error *err) {
    SUAN_TRY(put(w, key, strlen(key), SUAN__GGUF_ARRAY, SUAN__GGUF_STRING, n, NULL, 0, err));
    for (uint64_t i = 0; i < n; i++) append_string(&w->values, strings[i].data, strings[i].n);
    return done(&w->values, err);
}

static suan_status put_tensor(suan__gguf_writer *w, const char *name, suan__dtype type, bool is_packed, int n_dims, const uint64_t *ne,
                              suan_error *err) {
    struct suan__gguf_place place = {.offset = w->data_bytes};
    uint64_t n_values, n = strlen(name);
    SUAN_CHECK(n > 0 && n <= SUAN__GGUF_MAX_NAME && suan__utf8_valid(name, n), SUAN_EINVAL,
               "tensor %s: the name must have 1 to %d bytes of UTF-8", name, SUAN__GGUF_MAX_NAME);
    SUAN_CHECK(((uint32_t)type < 256 || is_packed) && n_dims >= 1, SUAN_EINVAL, "tensor %s: GGUF has no type %d in %d dimensions", name, (int)type,
               n_dims);
    suan_status status = (is_packed ? suan__packed_size : suan__tensor_size)(type, n_dims, ne, &n_values, &place.n_bytes);
    SUAN_CHECK(status == SUAN_OK && n_values > 0, SUAN_EINVAL, "tensor %s: its dimensions are zero, too large, or no whole blocks", name);
    SUAN_CHECK(suan__add_u64(w->data_bytes, place.n_bytes, &w->data_bytes) &&
                   suan__align_u64(w->data_bytes, w->alignment, &w->data_bytes) && w->data_bytes <= INT64_MAX,
               SUAN_ERANGE, "tensor %s: the file would be too large", name);
    append_string(&w->tensors, name, n);
    append_u32(&w->tensors, (uint32_t)n_dims);
    for (int i = 0; i < n_dims; i++) append_u64(&w->tensors, ne[i]);
    append_u32(&w->tensors, (uint32_t)type + (is_packed ? SUAN__PACKED_TYPE : 0));
    append_u64(&w->tensors, place.offset);
    suan__buf_append(&w->places, &place, sizeof place);
    w->n_tensors++;
    SUAN_TRY(done(&w->places, err));
    return done(&w->tensors, err);
}

suan_status suan__gguf_put_tensor(suan__gguf_writer *w, const char *name, suan__dtype type, int n_dims, const uint64_t *ne,
                                  suan_error *err) {
    return put_tensor(w, name, type, false, n_dims, ne, err);
}

suan_status suan__gguf_put_packed(suan__gguf_writer *w, const char *name, suan__dtype type, int n_dims, const uint64_t *ne,
                                  suan_error *err) {
    return put_tensor(w, name, type, true, n_dims, ne, err);
}

suan_status suan__gguf_put_packing(suan__gguf_writer *w, suan_error *err) {
    SUAN_TRY(suan__gguf_put_u32(w, "suan.packed.version", SUAN__PACKED_VERSION, err));
    return suan__gguf_put_str(w, "suan.packed.layout", SUAN__PACKED_LAYOUT, strlen(SUAN__PACKED_LAYOUT), err);
}

suan_status suan__gguf_format_header(const suan__gguf_writer *w, suan__buf *b, suan_error *err) {
    static const char zeros[64];
    size_t start = b->n;
    suan__buf_append(b, "GGUF", 4);
    append_u32(b, 3);
    append_u64(b, w->n_tensors);
    append_u64(b, w->n_values);
    suan__buf_append(b, w->values.data, w->values.n);
    suan__buf_append(b, w->tensors.data, w->tensors.n);
    while (!b->failed && (b->n - start) % w->alignment != 0) {
        uint64_t left = w->alignment - (b->n - start) % w->alignment;
        suan__buf_append(b, zeros, left < sizeof zeros ? left : sizeof zeros);
    }
    return done(b, err);
}

/* The finished header goes through our own parser: duplicates and whatever else a reader would refuse are found before data is written. */
static suan_status check_header(const suan__gguf_writer *w, const suan__buf *b, const char *path, suan_error *err) {
    suan__gguf g;
    suan__arena arena;
    suan__arena_init(&arena, 64 << 10);
    suan_status status = suan__gguf_parse(&g, &arena, b->data, b->n, b->n + w->data_bytes, path, err);
    suan__arena_fini(&arena);
    return status;
}

suan_status suan__gguf_write_header(suan__gguf_writer *w, suan__out *o, suan_error *err) {
    suan__buf b = {0};
    suan_status status = suan__gguf_format_header(w, &b, err);
    if (status == SUAN_OK) status = check_header(w, &b, o->path, err);
    if (status == SUAN_OK) status = suan__out_write(o, b.data, b.n, err);
    suan__buf_fini(&b);
    return status;
}

static suan_status pad(suan__gguf_writer *w, suan__out *o, suan_error *err) {
    static const char zeros[4096];
    while (w->at % w->alignment != 0) {
        uint64_t left = w->alignment - w->at % w->alignment, n = left < sizeof zeros ? left : sizeof zeros;
        SUAN_TRY(suan__out_write(o, zeros, n, err));
        w->at += n;
    }
    return SUAN_OK;
}

suan_status suan__gguf_write_data(suan__gguf_writer *w, suan__out *o, const void *data, uint64_t n, suan_error *err) {
    const struct suan__gguf_place *places = (const void *)w->places.data;
    const unsigned char *p = data;
    while (n > 0) {
        SUAN_CHECK(w->i_tensor < w->n_tensors, SUAN_EINVAL, "%s: more data than the tensors announced", o->path);
        uint64_t left = places[w->i_tensor].n_bytes - w->n_done, now = n < left ? n : left;
        SUAN_TRY(suan__out_write(o, p, now, err));
        p += now;
        n -= now;
        w->at += now;
        w->n_done += now;
        if (now == left) {
            SUAN_TRY(pad(w, o, err));
            w->i_tensor++;
            w->n_done = 0;
        }
    }
    return SUAN_OK;
}

suan_status suan__gguf_write_finish(suan__gguf_writer *w, suan__out *o, suan_error *err) {
    if (w->i_tensor == w->n_tensors && w->at == w->data_bytes) return suan__out_commit(o, err);
    suan_status status =
        suan__fail(err, SUAN_EINVAL, "%s: the data of %llu of %llu tensors was written", o->path, ULL(w->i_tensor), ULL(w->n_tensors));
    suan__out_abort(o);
    return status;
}
