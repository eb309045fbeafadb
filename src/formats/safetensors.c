/* safetensors.c: reads the header of a safetensors file.
 *
 *     offset  size  meaning
 *     0       8     N, length of the header, little-endian
 *     8       N     a JSON object; each member is a tensor, or "__metadata__" with strings
 *     8 + N         the data section, up to the end of the file
 *
 * A tensor is {"dtype": "BF16", "shape": [outermost first], "data_offsets": [begin, end]}, offsets from the beginning of the data section.
 * The tensors cover the data section exactly: sorted by place, each begins where the one before it ends.
 */
#include "formats/safetensors.h"

#include <string.h>

#include "base/checked.h"
#include "formats/bytes.h"
#include "formats/json.h"
#include "formats/names.h"
#include "formats/spans.h"

#define ULL(x) ((unsigned long long)(x))
/* A tensor of four dimensions is 15 values and keys as the scan counts them; with room for a message about what is wrong with a larger one. */
#define MAX_TENSOR_VALUES 64
#define MAX_METADATA_VALUES 65536
#define METADATA "__metadata__"
#define MAX_DEPTH 4 /* header, entry, shape; one more so that the message is about the entry */

static const struct {
    const char *name;
    suan__dtype type;
} dtypes[] = {
    {"BOOL", SUAN__BOOL},
    {"U8", SUAN__U8},
    {"I8", SUAN__I8},
    {"I16", SUAN__I16},
    {"U16", SUAN__U16},
    {"F16", SUAN__F16},
    {"BF16", SUAN__BF16},
    {"I32", SUAN__I32},
    {"U32", SUAN__U32},
    {"F32", SUAN__F32},
    {"I64", SUAN__I64},
    {"U64", SUAN__U64},
    {"F64", SUAN__F64},
    {"C64", SUAN__C64},
    {"F8_E4M3", SUAN__F8_E4M3},
    {"F8_E5M2", SUAN__F8_E5M2},
    {"F8_E8M0", SUAN__F8_E8M0},
    {"F8_E4M3FNUZ", SUAN__F8_E4M3FNUZ},
    {"F8_E5M2FNUZ", SUAN__F8_E5M2FNUZ},
    {"F4", SUAN__F4},
    {"F6_E2M3", SUAN__F6_E2M3},
    {"F6_E3M2", SUAN__F6_E3M2},
};
#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])

const char *suan__safetensors_dtype_name(suan__dtype type) {
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (dtypes[i].type == type) return dtypes[i].name;
    }
    return NULL;
}

bool suan__safetensors_dtype_from_name(const char *name, suan__dtype *type) {
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *type = dtypes[i].type;
            return true;
        }
    }
    return false;
}

typedef struct reader {
    suan__safetensors *s;
    suan__arena *arena;
    uint64_t data_bytes;
    const char *path;
    suan_error *err;
} reader;

#define BAD(r, ...) suan__fail((r)->err, SUAN_EFORMAT, __VA_ARGS__)
#define NO_MEMORY(r) suan__fail((r)->err, SUAN_ENOMEM, "%s: out of memory", (r)->path)

static suan_status read_metadata(reader *r, const json_t *json) {
    const char *key;
    const json_t *value;
    suan__safetensors *s = r->s;
    if (!json_is_object(json)) return BAD(r, "%s: " METADATA " is %s, expected an object of strings", r->path, suan__json_type_name(json));
    size_t n = json_object_size(json);
    s->metadata_keys = SUAN_ARENA_NEW(r->arena, const char *, n);
    s->metadata_values = SUAN_ARENA_NEW(r->arena, const char *, n);
    if (!s->metadata_keys || !s->metadata_values) return NO_MEMORY(r);
    for (void *it = json_object_iter((json_t *)json); it; it = json_object_iter_next((json_t *)json, it)) {
        key = json_object_iter_key(it);
        value = json_object_iter_value(it);
        if (!json_is_string(value))
            return BAD(r, "%s: " METADATA " member \"%s\" is %s, expected a string", r->path, key, suan__json_type_name(value));
        s->metadata_keys[s->n_metadata] = suan__arena_strndup(r->arena, key, strlen(key));
        s->metadata_values[s->n_metadata] = suan__arena_strndup(r->arena, json_string_value(value), json_string_length(value));
        if (!s->metadata_keys[s->n_metadata] || !s->metadata_values[s->n_metadata]) return NO_MEMORY(r);
        s->n_metadata++;
    }
    return SUAN_OK;
}

/* An element of shape or data_offsets: an integer, not negative. jansson's integers are 64 bits; larger ones arrive here as reals. */
static suan_status read_number(reader *r, const char *name, const char *field, const json_t *json, uint64_t *v) {
    if (!json_is_integer(json))
        return BAD(r, "%s: %s of tensor %s holds %s, expected integers below 2^63", r->path, field, name, suan__json_type_name(json));
    if (json_integer_value(json) < 0)
        return BAD(r, "%s: %s of tensor %s holds %lld, expected no negative numbers", r->path, field, name,
                   (long long)json_integer_value(json));
    *v = (uint64_t)json_integer_value(json);
    return SUAN_OK;
}

/* Our ne[0] is the last element of shape. */
static suan_status read_shape(reader *r, suan__tensor *t, const json_t *shape) {
    if (!json_is_array(shape))
        return BAD(r, "%s: shape of tensor %s is %s, expected an array", r->path, t->name, suan__json_type_name(shape));
    size_t n = json_array_size(shape);
    if (n > SUAN__MAX_DIMS)
        return suan__fail(r->err, SUAN_EUNSUPPORTED, "%s: tensor %s has %zu dimensions, at most %d are read", r->path, t->name, n,
                          SUAN__MAX_DIMS);
    t->n_dims = (int)n;
    for (size_t i = 0; i < SUAN__MAX_DIMS; i++) {
        t->ne[i] = 1;
        if (i < n) SUAN_TRY(read_number(r, t->name, "shape", json_array_get(shape, n - 1 - i), &t->ne[i]));
    }
    return SUAN_OK;
}

static suan_status read_offsets(reader *r, suan__tensor *t, const json_t *offsets) {
    uint64_t end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return BAD(r, "%s: data_offsets of tensor %s is not an array of two", r->path, t->name);
    SUAN_TRY(read_number(r, t->name, "data_offsets", json_array_get(offsets, 0), &t->offset));
    SUAN_TRY(read_number(r, t->name, "data_offsets", json_array_get(offsets, 1), &end));
    if (t->offset > end || end > r->data_bytes)
        return BAD(r, "%s: data_offsets of tensor %s are %llu and %llu, expected ascending numbers up to %llu", r->path, t->name,
                   ULL(t->offset), ULL(end), ULL(r->data_bytes));
    if (t->n_bytes != end - t->offset)
        return BAD(r, "%s: tensor %s has %llu bytes of data, its shape and dtype need %llu", r->path, t->name, ULL(end - t->offset),
                   ULL(t->n_bytes));
    return SUAN_OK;
}

static suan_status read_tensor(reader *r, suan__tensor *t, const char *name, const json_t *entry) {
    size_t n_name = strlen(name);
    if (n_name == 0 || n_name > SUAN__SAFETENSORS_MAX_NAME)
        return BAD(r, "%s: a tensor's name has %zu bytes, expected 1 to %u", r->path, n_name, SUAN__SAFETENSORS_MAX_NAME);
    t->name = suan__arena_strndup(r->arena, name, n_name);
    if (!t->name) return NO_MEMORY(r);
    if (!json_is_object(entry)) return BAD(r, "%s: tensor %s is %s, expected an object", r->path, name, suan__json_type_name(entry));
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape"),
                 *offsets = json_object_get(entry, "data_offsets");
    if (!dtype || !shape || !offsets || json_object_size(entry) != 3)
        return BAD(r, "%s: tensor %s has other members than dtype, shape and data_offsets, or lacks one of them", r->path, name);
    if (!json_is_string(dtype))
        return BAD(r, "%s: dtype of tensor %s is %s, expected a string", r->path, name, suan__json_type_name(dtype));
    if (!suan__safetensors_dtype_from_name(json_string_value(dtype), &t->type))
        return suan__fail(r->err, SUAN_EUNSUPPORTED, "%s: tensor %s has the unknown dtype \"%s\"", r->path, name, json_string_value(dtype));
    SUAN_TRY(read_shape(r, t, shape));
    uint64_t n_values;
    switch (suan__tensor_size(t->type, t->n_dims, t->ne, &n_values, &t->n_bytes)) {
    case SUAN_OK:
        return read_offsets(r, t, offsets);
    case SUAN_EFORMAT:
        return BAD(r, "%s: tensor %s has rows of %llu values of dtype %s, which do not fill whole bytes", r->path, name, ULL(t->ne[0]),
                   json_string_value(dtype));
    default:
        return BAD(r, "%s: tensor %s is %llu x %llu x %llu x %llu, which overflows", r->path, name, ULL(t->ne[3]), ULL(t->ne[2]),
                   ULL(t->ne[1]), ULL(t->ne[0]));
    }
}

/* Sorts the tensors by place and checks that they cover the data section: no holes, no overlap. Empty tensors take no room: one may stand
 * wherever another tensor begins or ends. */
static suan_status place_tensors(reader *r, suan__tensor *unsorted) {
    suan__safetensors *s = r->s;
    suan__span *spans = suan__calloc(s->n_tensors, sizeof *spans);
    if (!spans) return NO_MEMORY(r);
    for (uint64_t i = 0; i < s->n_tensors; i++) spans[i] = (suan__span){unsorted[i].offset, unsorted[i].offset + unsorted[i].n_bytes, i};
    suan_status status = suan__spans_sort(spans, s->n_tensors, r->err);
    uint64_t end = 0;
    for (uint64_t i = 0; status == SUAN_OK && i < s->n_tensors; i++) {
        s->tensors[i] = unsorted[spans[i].i];
        if (spans[i].begin != end)
            status = BAD(r, "%s: tensor %s begins at %llu of the data section, but the one before it ends at %llu (%s)", r->path,
                         s->tensors[i].name, ULL(spans[i].begin), ULL(end), spans[i].begin < end ? "they overlap" : "a hole");
        end = spans[i].end;
        s->tensors[i].offset += s->data_offset;
    }
    if (status == SUAN_OK && end != r->data_bytes)
        status = BAD(r, "%s: the data section has %llu bytes, its tensors take %llu", r->path, ULL(r->data_bytes), ULL(end));
    suan__free(spans);
    return status;
}

/* One member of the header, in an object of its own. */
static suan_status read_member(reader *r, suan__names *seen, suan__tensor *unsorted, const json_t *object) {
    void *it = json_object_iter((json_t *)object);
    if (json_object_size(object) != 1) return BAD(r, "%s: the header has a comma too many", r->path);
    const char *name = json_object_iter_key(it);
    const json_t *entry = json_object_iter_value(it);
    if (strcmp(name, METADATA) == 0) {
        if (suan__names_add(seen, METADATA, sizeof METADATA - 1, 0) != SUAN__NAME_NONE)
            return BAD(r, "%s: " METADATA " occurs twice", r->path);
        return read_metadata(r, entry);
    }
    suan__tensor *t = &unsorted[r->s->n_tensors];
    SUAN_TRY(read_tensor(r, t, name, entry));
    if (suan__names_add(seen, t->name, (uint32_t)strlen(t->name), 0) != SUAN__NAME_NONE)
        return BAD(r, "%s: the tensor %s occurs twice", r->path, t->name);
    r->s->n_tensors++;
    return SUAN_OK;
}

/* The end of the member that begins at i: the comma or the closing brace behind it, or n. The scan needs to know strings and brackets only;
 * whatever else may be wrong within the member, the parser finds. */
static uint64_t member_end(const char *json, uint64_t n, uint64_t i) {
    for (uint64_t depth = 0; i < n; i++) {
        char c = json[i];
        if (c == '"') {
            for (i++; i < n && json[i] != '"'; i++) i += json[i] == '\\';
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == '}')) {
            return i;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return n;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Counts the members, and checks what is around them: one object, nothing but spaces behind it. */
static suan_status count_members(reader *r, const char *json, uint64_t n, uint64_t *n_members) {
    uint64_t i = 1;
    while (i < n && is_space(json[i])) i++;
    *n_members = i < n && json[i] == '}' ? 0 : 1;
    for (i = member_end(json, n, i); i < n && json[i] == ','; i = member_end(json, n, i + 1)) ++*n_members;
    if (i >= n) return BAD(r, "%s: the header does not end with }", r->path);
    for (i++; i < n && is_space(json[i]); i++) continue;
    if (i < n)
        return suan__fail_at(r->err, SUAN_EFORMAT, 8 + (int64_t)i, "%s: the header goes on behind its closing }, at byte %llu", r->path,
                             ULL(8 + i));
    return SUAN_OK;
}

/* `text` is "{" member "}". Sizes are limited before the parser makes a tree of it. */
static suan_status load_member(reader *r, const suan__buf *text, json_t **object) {
    static const char what[] = "in a member of the header", metadata[] = "{\"" METADATA "\"";
    bool is_metadata = text->n >= sizeof metadata && memcmp(text->data, metadata, sizeof metadata - 1) == 0;
    SUAN_TRY(suan__json_scan(text->data, text->n, what, MAX_DEPTH, is_metadata ? MAX_METADATA_VALUES : MAX_TENSOR_VALUES, r->err));
    return suan__json_load(text->data, text->n, what, object, r->err);
}

/* Member by member: a tree of the whole header would take twenty times its size in memory, and most of the time to build and free. */
static suan_status read_members(reader *r, suan__tensor *unsorted, const char *json, uint64_t n, uint64_t n_members) {
    suan__buf text = {0};
    suan__names seen = {0};
    suan_status status = suan__names_init(&seen, r->arena, n_members) ? SUAN_OK : NO_MEMORY(r);
    for (uint64_t begin = 1; n_members-- > 0 && status == SUAN_OK;) {
        uint64_t end = member_end(json, n, begin);
        json_t *object = NULL;
        while (begin < end && is_space(json[begin])) begin++;
        text.n = 0;
        suan__buf_append(&text, "{", 1);
        suan__buf_append(&text, json + begin, end - begin);
        suan__buf_append(&text, "}", 1);
        status = text.failed ? NO_MEMORY(r) : load_member(r, &text, &object);
        if (status != SUAN_OK && !text.failed) {
            text.n = 0;
            suan__buf_printf(&text, "%s: byte %llu", r->path, ULL(8 + begin));
            suan__fail_prefix(r->err, status, text.failed ? r->path : text.data);
        }
        if (status == SUAN_OK) status = read_member(r, &seen, unsorted, object);
        json_decref(object);
        begin = end + 1;
    }
    suan__buf_fini(&text);
    return status;
}

static suan_status read_header(reader *r, const char *json, uint64_t n) {
    uint64_t n_members;
    SUAN_TRY(count_members(r, json, n, &n_members));
    if (n_members > SUAN__SAFETENSORS_MAX_TENSORS + 1)
        return BAD(r, "%s: the header lists %llu tensors, our limit is %u", r->path, ULL(n_members), SUAN__SAFETENSORS_MAX_TENSORS);
    r->s->tensors = SUAN_ARENA_NEW(r->arena, suan__tensor, n_members);
    suan__tensor *unsorted = suan__calloc(n_members, sizeof *unsorted);
    suan_status status = r->s->tensors && unsorted ? SUAN_OK : NO_MEMORY(r);
    if (status == SUAN_OK) status = read_members(r, unsorted, json, n, n_members);
    if (status == SUAN_OK) status = place_tensors(r, unsorted);
    suan__free(unsorted);
    return status;
}

static suan_status check_length(uint64_t header_length, uint64_t file_size, const char *path, suan_error *err) {
    SUAN_CHECK(header_length <= SUAN__SAFETENSORS_MAX_HEADER, SUAN_EFORMAT,
               "%s: not a safetensors file: a header of %llu bytes, at most %u are allowed", path, ULL(header_length),
               SUAN__SAFETENSORS_MAX_HEADER);
    SUAN_CHECK(header_length >= 2 && suan__inside(8, header_length, file_size), SUAN_EFORMAT,
               "%s: the header has %llu bytes, the file %llu: it is cut short or no safetensors file", path, ULL(header_length),
               ULL(file_size));
    return SUAN_OK;
}

suan_status suan__safetensors_parse(suan__safetensors *s, suan__arena *arena, const char *json, uint64_t header_length, uint64_t file_size,
                                    const char *path, suan_error *err) {
    memset(s, 0, sizeof *s);
    SUAN_TRY(check_length(header_length, file_size, path, err));
    SUAN_CHECK(json[0] == '{', SUAN_EFORMAT, "%s: the header begins with byte %u, expected {", path, (unsigned char)json[0]);
    s->data_offset = 8 + header_length;
    reader r = {.s = s, .arena = arena, .data_bytes = file_size - s->data_offset, .path = path, .err = err};
    suan_status status = read_header(&r, json, header_length);
    if (status != SUAN_OK) memset(s, 0, sizeof *s);
    return status;
}

suan_status suan__safetensors_open(suan__safetensors *s, suan__arena *arena, const suan__file *f, suan_error *err) {
    unsigned char length_bytes[8];
    memset(s, 0, sizeof *s);
    SUAN_CHECK(f->size >= 8, SUAN_EFORMAT, "%s: has %llu bytes, too few for a safetensors file", f->path, ULL(f->size));
    SUAN_TRY(suan__file_read(f, 0, length_bytes, sizeof length_bytes, err));
    uint64_t length = suan__load_u64(length_bytes);
    SUAN_TRY(check_length(length, f->size, f->path, err));
    char *json = suan__malloc(length);
    SUAN_CHECK(json, SUAN_ENOMEM, "%s: out of memory for %llu bytes of header", f->path, ULL(length));
    suan_status status = suan__file_read(f, 8, json, length, err);
    if (status == SUAN_OK) status = suan__safetensors_parse(s, arena, json, length, f->size, f->path, err);
    suan__free(json);
    return status;
}
