/* safetensors_write.c: the header of a safetensors file, from a list of tensors that will follow in the same order. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/utf8.h"
#include "formats/bytes.h"
#include "formats/safetensors.h"

static suan_status append_string(suan__buf *b, const char *s, suan_error *err) {
    SUAN_CHECK(suan__utf8_valid(s, strlen(s)), SUAN_EINVAL, "a name or value of the safetensors header is not valid UTF-8: %s", s);
    suan__buf_append(b, "\"", 1);
    for (const char *p = s; *p; p++) {
        if (*p == '"' || *p == '\\') suan__buf_append(b, "\\", 1);
        if ((unsigned char)*p < 32)
            suan__buf_printf(b, "\\u%04x", (unsigned)(unsigned char)*p);
        else
            suan__buf_append(b, p, 1);
    }
    suan__buf_append(b, "\"", 1);
    return SUAN_OK;
}

static suan_status append_metadata(suan__buf *b, const char *const *metadata, suan_error *err) {
    suan__buf_printf(b, "\"__metadata__\":{");
    for (size_t i = 0; metadata[i]; i += 2) {
        SUAN_CHECK(metadata[i + 1], SUAN_EINVAL, "metadata %s has no value", metadata[i]);
        if (i > 0) suan__buf_append(b, ",", 1);
        SUAN_TRY(append_string(b, metadata[i], err));
        suan__buf_append(b, ":", 1);
        SUAN_TRY(append_string(b, metadata[i + 1], err));
    }
    suan__buf_append(b, "}", 1);
    return SUAN_OK;
}

static suan_status check_entry(const suan__st_entry *e, suan_error *err) {
    uint64_t ne[SUAN__MAX_DIMS], n_values, n_bytes;
    suan__dtype type;
    SUAN_CHECK(e->name[0] && strlen(e->name) <= SUAN__SAFETENSORS_MAX_NAME && strcmp(e->name, "__metadata__") != 0, SUAN_EINVAL,
               "a tensor cannot be named \"%s\"", e->name);
    SUAN_CHECK(suan__safetensors_dtype_from_name(e->dtype, &type), SUAN_EINVAL, "tensor %s: safetensors has no dtype \"%s\"", e->name,
               e->dtype);
    SUAN_CHECK(e->n_dims >= 0 && e->n_dims <= SUAN__MAX_DIMS, SUAN_EINVAL, "tensor %s: %d dimensions", e->name, e->n_dims);
    for (int i = 0; i < e->n_dims; i++) ne[i] = e->shape[e->n_dims - 1 - i];
    SUAN_CHECK(suan__tensor_size(type, e->n_dims, ne, &n_values, &n_bytes) == SUAN_OK && n_bytes == e->n_bytes, SUAN_EINVAL,
               "tensor %s: %" PRIu64 " bytes do not match its shape and dtype %s", e->name, e->n_bytes, e->dtype);
    return SUAN_OK;
}

/* `end` is where the data of the tensors up to this one ends. */
static suan_status append_entry(suan__buf *b, const suan__st_entry *e, uint64_t *end, suan_error *err) {
    uint64_t begin = *end;
    SUAN_TRY(check_entry(e, err));
    SUAN_CHECK(suan__add_u64(begin, e->n_bytes, end) && *end <= INT64_MAX, SUAN_ERANGE, "tensor %s: the file would be too large", e->name);
    SUAN_TRY(append_string(b, e->name, err));
    suan__buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", e->dtype);
    for (int i = 0; i < e->n_dims; i++) suan__buf_printf(b, i ? ",%" PRIu64 : "%" PRIu64, e->shape[i]);
    suan__buf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, *end);
    return SUAN_OK;
}

/* Appends the header; *data_bytes is what has to follow. */
static suan_status format_header(suan__buf *b, const suan__st_entry *entries, size_t n, const char *const *metadata, uint64_t *data_bytes,
                                 suan_error *err) {
    unsigned char length[8] = {0};
    size_t start = b->n;
    *data_bytes = 0;
    suan__buf_append(b, length, 8);
    suan__buf_append(b, "{", 1);
    if (metadata && metadata[0]) SUAN_TRY(append_metadata(b, metadata, err));
    for (size_t i = 0; i < n; i++) {
        if (i > 0 || (metadata && metadata[0])) suan__buf_append(b, ",", 1);
        SUAN_TRY(append_entry(b, &entries[i], data_bytes, err));
    }
    suan__buf_append(b, "}", 1);
    while ((b->n - start) % 8 != 0 && suan__buf_append(b, " ", 1)) continue;
    SUAN_CHECK(!b->failed, SUAN_ENOMEM, "out of memory for a safetensors header");
    uint64_t n_json = b->n - start - 8;
    SUAN_CHECK(n_json <= SUAN__SAFETENSORS_MAX_HEADER, SUAN_ELIMIT, "a safetensors header of %" PRIu64 " bytes, at most %u are allowed",
               n_json, SUAN__SAFETENSORS_MAX_HEADER);
    suan__store_u64((unsigned char *)b->data + start, n_json);
    return SUAN_OK;
}

suan_status suan__safetensors_format_header(suan__buf *b, const suan__st_entry *entries, size_t n, const char *const *metadata,
                                            suan_error *err) {
    uint64_t data_bytes;
    return format_header(b, entries, n, metadata, &data_bytes, err);
}

suan_status suan__safetensors_write_header(suan__out *o, const suan__st_entry *entries, size_t n, const char *const *metadata,
                                           suan_error *err) {
    suan__buf b = {0};
    suan_status status = suan__safetensors_format_header(&b, entries, n, metadata, err);
    if (status == SUAN_OK) status = suan__out_write(o, b.data, b.n, err);
    suan__buf_fini(&b);
    return status;
}

/* The header is made once more rather than remembered: the caller has its ingredients, and the writer needs no object of its own. */
suan_status suan__safetensors_write_finish(suan__out *o, const suan__st_entry *entries, size_t n, const char *const *metadata,
                                           suan_error *err) {
    suan__buf b = {0};
    uint64_t data_bytes;
    suan_status status = format_header(&b, entries, n, metadata, &data_bytes, err);
    uint64_t expected = b.n + data_bytes;
    suan__buf_fini(&b);
    if (status == SUAN_OK && o->offset != expected)
        status =
            suan__fail(err, SUAN_EINVAL, "%s: %" PRIu64 " bytes were written, the header announces %" PRIu64, o->path, o->offset, expected);
    if (status != SUAN_OK) {
        suan__out_abort(o);
        return status;
    }
    return suan__out_commit(o, err);
}
