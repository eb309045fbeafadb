/* gguf.c: reads the header, the metadata and the tensor list of a GGUF file. All numbers are little-endian, nothing is aligned.
 *
 *     offset  size  meaning
 *     0       4     "GGUF"
 *     4       4     version, 2 or 3 (same layout)
 *     8       8     number of tensors
 *     16      8     number of metadata values
 *     24            values:  string key, u32 type, value
 *                   tensors: string name, u32 n_dims, u64 ne[n_dims], u32 type, u64 offset in the data section
 *                   padding up to the alignment, then the data section
 *
 *     string        u64 length, bytes
 *     array         u32 type of the elements, u64 count, elements
 *
 * Every length is compared with what the file still holds before anything of that length is touched or allocated.
 */
#include "formats/gguf.h"

#include <string.h>

#include "base/checked.h"
#include "base/utf8.h"
#include "formats/bytes.h"
#include "formats/gguf_internal.h"
#include "formats/spans.h"

/* The least bytes that an entry takes: a key of one byte and a value of one; a name of one byte and one dimension. */
#define MIN_VALUE_BYTES (8 + 1 + 4 + 1)
#define MIN_TENSOR_BYTES (8 + 1 + 4 + 8 + 4 + 8)
#define FIRST_READ (UINT64_C(1) << 20)

typedef struct reader {
    const unsigned char *data;
    uint64_t n;         /* bytes at data */
    uint64_t file_size; /* bytes of the file: n or more */
    uint64_t pos;
    uint64_t n_needed; /* set when data ends too early although the file goes on: at least so many bytes are needed */
    const char *path;
    suan_error *err;
} reader;

#define BAD(r, ...) suan__fail_at((r)->err, SUAN_EFORMAT, (int64_t)(r)->pos, __VA_ARGS__)
#define ULL(x) ((unsigned long long)(x))

/* Checks that `length` bytes follow and says where they are. */
static suan_status take(reader *r, uint64_t length, const char *what, const unsigned char **p) {
    *p = r->data;
    if (!suan__inside(r->pos, length, r->file_size)) {
        return BAD(r, "%s: %s needs %llu bytes at byte %llu, but the file ends after %llu", r->path, what, ULL(length), ULL(r->pos),
                   ULL(r->file_size));
    }
    if (!suan__inside(r->pos, length, r->n)) {
        r->n_needed = r->pos + length;
        return BAD(r, "%s: the header goes on behind the %llu bytes that were read", r->path, ULL(r->n));
    }
    *p = r->data + r->pos;
    r->pos += length;
    return SUAN_OK;
}

static suan_status take_u32(reader *r, const char *what, uint32_t *v) {
    const unsigned char *p;
    SUAN_TRY(take(r, 4, what, &p));
    *v = suan__load_u32(p);
    return SUAN_OK;
}

static suan_status take_u64(reader *r, const char *what, uint64_t *v) {
    const unsigned char *p;
    SUAN_TRY(take(r, 8, what, &p));
    *v = suan__load_u64(p);
    return SUAN_OK;
}

static suan_status take_string(reader *r, const char *what, suan__gguf_string *s) {
    const unsigned char *p;
    SUAN_TRY(take_u64(r, what, &s->n));
    SUAN_TRY(take(r, s->n, what, &p));
    s->data = (const char *)p;
    return SUAN_OK;
}

/* A key or a tensor's name becomes part of messages and is looked up as a C string. */
static suan_status check_name(reader *r, const char *what, uint64_t i, const suan__gguf_string *s, uint64_t max) {
    if (s->n == 0) return BAD(r, "%s: %s %llu is empty", r->path, what, ULL(i));
    if (s->n > max) return BAD(r, "%s: %s %llu has %llu bytes, expected at most %llu", r->path, what, ULL(i), ULL(s->n), ULL(max));
    if (memchr(s->data, 0, s->n) || !suan__utf8_valid(s->data, s->n))
        return BAD(r, "%s: %s %llu is not valid UTF-8 without NUL", r->path, what, ULL(i));
    return SUAN_OK;
}

static suan_status check_version(reader *r, uint32_t version) {
    if (version == 2 || version == 3) return SUAN_OK;
    if (version == 1)
        return suan__fail_at(r->err, SUAN_EUNSUPPORTED, 4,
                             "%s: GGUF version 1 has another layout; versions 2 and 3 are read: convert it anew", r->path);
    uint32_t swapped = __builtin_bswap32(version);
    if (swapped >= 1 && swapped <= 3)
        return suan__fail_at(r->err, SUAN_EUNSUPPORTED, 4, "%s: a big-endian GGUF file; only little-endian files are read", r->path);
    return suan__fail_at(r->err, SUAN_EUNSUPPORTED, 4, "%s: GGUF version %lu, expected 2 or 3", r->path, (unsigned long)version);
}

static suan_status read_magic_and_counts(reader *r, suan__gguf *g) {
    const unsigned char *p;
    if (r->file_size < 4 || r->n < 4 || memcmp(r->data, "GGUF", 4) != 0)
        return BAD(r, "%s: not a GGUF file: it does not begin with \"GGUF\"", r->path);
    SUAN_TRY(take(r, 4, "the magic", &p));
    SUAN_TRY(take_u32(r, "the version", &g->version));
    SUAN_TRY(check_version(r, g->version));
    SUAN_TRY(take_u64(r, "the number of tensors", &g->n_tensors));
    SUAN_TRY(take_u64(r, "the number of metadata values", &g->n_values));
    uint64_t left = r->file_size - r->pos;
    if (g->n_values > SUAN__GGUF_MAX_VALUES || g->n_values > left / MIN_VALUE_BYTES)
        return BAD(r, "%s: the header announces %llu metadata values, more than its %llu bytes (or our limit of %llu) allow", r->path,
                   ULL(g->n_values), ULL(left), ULL(SUAN__GGUF_MAX_VALUES));
    left -= g->n_values * MIN_VALUE_BYTES;
    if (g->n_tensors > SUAN__GGUF_MAX_TENSORS || g->n_tensors > left / MIN_TENSOR_BYTES)
        return BAD(r, "%s: the header announces %llu tensors, more than its %llu bytes (or our limit of %llu) allow", r->path,
                   ULL(g->n_tensors), ULL(left), ULL(SUAN__GGUF_MAX_TENSORS));
    /* The entries are there before their tables are allocated, so a table is never much larger than what was read. */
    uint64_t least = r->pos + g->n_values * MIN_VALUE_BYTES + g->n_tensors * MIN_TENSOR_BYTES;
    if (least > r->n) {
        r->n_needed = least;
        return BAD(r, "%s: the header goes on behind the %llu bytes that were read", r->path, ULL(r->n));
    }
    return SUAN_OK;
}

static suan_status check_bools(reader *r, const suan__gguf_value *v) {
    for (uint64_t i = 0; i < v->n; i++) {
        if (v->data[i] > 1) return BAD(r, "%s: key %.*s: a bool is %u, expected 0 or 1", r->path, (int)v->key.n, v->key.data, v->data[i]);
    }
    return SUAN_OK;
}

static suan_status read_strings(reader *r, suan__gguf_value *v) {
    suan__gguf_string s;
    /* The loop ends at the end of the file even if the count lies; checking it first makes the message better. */
    if (v->n > (r->file_size - r->pos) / 8)
        return BAD(r, "%s: key %.*s announces %llu strings, more than the rest of the file can hold", r->path, (int)v->key.n, v->key.data,
                   ULL(v->n));
    for (uint64_t i = 0; i < v->n; i++) SUAN_TRY(take_string(r, "a string of the metadata", &s));
    return SUAN_OK;
}

static suan_status read_array_head(reader *r, suan__gguf_value *v) {
    uint32_t type;
    SUAN_TRY(take_u32(r, "the element type of an array", &type));
    if (!suan__gguf_type_name(type))
        return BAD(r, "%s: key %.*s: an array of the unknown type %lu", r->path, (int)v->key.n, v->key.data, (unsigned long)type);
    if (type == SUAN__GGUF_ARRAY) return BAD(r, "%s: key %.*s: arrays of arrays are not accepted", r->path, (int)v->key.n, v->key.data);
    v->element_type = (suan__gguf_type)type;
    return take_u64(r, "the count of an array", &v->n);
}

static suan_status read_value(reader *r, suan__gguf_value *v, uint64_t i) {
    uint32_t type;
    SUAN_TRY(take_string(r, "a metadata key", &v->key));
    SUAN_TRY(check_name(r, "metadata key", i, &v->key, SUAN__GGUF_MAX_KEY));
    SUAN_TRY(take_u32(r, "the type of a metadata value", &type));
    if (!suan__gguf_type_name(type))
        return BAD(r, "%s: key %.*s has the unknown type %lu", r->path, (int)v->key.n, v->key.data, (unsigned long)type);
    v->type = v->element_type = (suan__gguf_type)type;
    v->n = 1;
    if (type == SUAN__GGUF_ARRAY) SUAN_TRY(read_array_head(r, v));
    uint64_t begin = r->pos, bytes;
    if (v->element_type == SUAN__GGUF_STRING) {
        SUAN_TRY(read_strings(r, v));
        v->data = r->data + begin;
    } else {
        if (!suan__mul_u64(v->n, suan__gguf_type_bytes(v->element_type), &bytes))
            return BAD(r, "%s: key %.*s announces %llu elements, more than any file can hold", r->path, (int)v->key.n, v->key.data,
                       ULL(v->n));
        SUAN_TRY(take(r, bytes, "a metadata value", &v->data));
    }
    v->n_bytes = r->pos - begin;
    return v->element_type == SUAN__GGUF_BOOL ? check_bools(r, v) : SUAN_OK;
}

static suan_status read_values(reader *r, suan__gguf *g, suan__arena *arena, suan__names *keys) {
    g->values = SUAN_ARENA_NEW(arena, suan__gguf_value, g->n_values);
    if (!g->values || !suan__names_init(keys, arena, g->n_values)) return suan__fail(r->err, SUAN_ENOMEM, "%s: out of memory", r->path);
    for (uint64_t i = 0; i < g->n_values; i++) {
        suan__gguf_value *v = &g->values[i];
        SUAN_TRY(read_value(r, v, i));
        if (suan__names_add(keys, v->key.data, (uint32_t)v->key.n, (uint32_t)i) != SUAN__NAME_NONE)
            return BAD(r, "%s: the key %.*s occurs twice", r->path, (int)v->key.n, v->key.data);
    }
    return SUAN_OK;
}

static suan_status read_alignment(reader *r, suan__gguf *g) {
    g->alignment = SUAN__GGUF_DEFAULT_ALIGNMENT;
    const suan__gguf_value *v = suan__gguf_find(g, "general.alignment");
    if (!v) return SUAN_OK;
    if (v->type != SUAN__GGUF_U32)
        return BAD(r, "%s: general.alignment has type %s, expected u32", r->path, suan__gguf_type_name((uint32_t)v->type));
    uint64_t a = suan__load_u32(v->data);
    if (a < SUAN__GGUF_MIN_ALIGNMENT || a > SUAN__GGUF_MAX_ALIGNMENT || (a & (a - 1)) != 0)
        return BAD(r, "%s: general.alignment is %llu, expected a power of two from %d to %llu", r->path, ULL(a), SUAN__GGUF_MIN_ALIGNMENT,
                   ULL(SUAN__GGUF_MAX_ALIGNMENT));
    g->alignment = a;
    return SUAN_OK;
}

/* Panels are made of ggml's types, and of those that quantised checkpoints become. */
static bool has_panels(uint32_t type) {
    return (type < 256 || type >= SUAN__F8_128) && suan__dtype_get(type);
}

static suan_status check_type(reader *r, const char *name, uint32_t type) {
    const char *why = "no type that is known here";
    if (type < 256 && suan__dtype_get(type)) return SUAN_OK;
    if (type >= SUAN__PACKED_TYPE && type - SUAN__PACKED_TYPE < SUAN__DTYPE_END) why = "a packed type that is not known here";
    if (type == 4 || type == 5) why = "removed from ggml years ago (Q4_2, Q4_3): convert the model anew";
    if (type >= 31 && type <= 33) why = "a repacked Q4_0 that ggml removed: use the plain Q4_0 file of the model";
    if (type >= 36 && type <= 38) why = "a repacked IQ4_NL that ggml removed: use the plain IQ4_NL file of the model";
    if ((type >= 97 && type <= 158) || (type >= 202 && type <= 399))
        why = "of the ik_llama.cpp fork alone: use a file in one of ggml's types";
    return suan__fail_at(r->err, SUAN_EUNSUPPORTED, (int64_t)r->pos, "%s: tensor %s has type %lu, %s", r->path, name, (unsigned long)type,
                         why);
}

static suan_status read_tensor(reader *r, suan__tensor *t, suan__arena *arena, uint64_t i) {
    suan__gguf_string s;
    SUAN_TRY(take_string(r, "a tensor name", &s));
    SUAN_TRY(check_name(r, "the name of tensor", i, &s, SUAN__GGUF_MAX_NAME));
    t->name = suan__arena_strndup(arena, s.data, s.n);
    if (!t->name) return suan__fail(r->err, SUAN_ENOMEM, "%s: out of memory", r->path);
    uint32_t n_dims, type;
    SUAN_TRY(take_u32(r, "the number of dimensions of a tensor", &n_dims));
    if (n_dims < 1 || n_dims > SUAN__MAX_DIMS)
        return BAD(r, "%s: tensor %s has %lu dimensions, expected 1 to %d", r->path, t->name, (unsigned long)n_dims, SUAN__MAX_DIMS);
    t->n_dims = (int)n_dims;
    for (int d = 0; d < SUAN__MAX_DIMS; d++) {
        t->ne[d] = 1;
        if (d < t->n_dims) SUAN_TRY(take_u64(r, "a dimension of a tensor", &t->ne[d]));
        if (t->ne[d] == 0) return BAD(r, "%s: dimension %d of tensor %s is 0", r->path, d, t->name);
    }
    SUAN_TRY(take_u32(r, "the type of a tensor", &type));
    t->is_packed = type >= SUAN__PACKED_TYPE && has_panels(type - SUAN__PACKED_TYPE);
    if (t->is_packed)
        type -= SUAN__PACKED_TYPE;
    else
        SUAN_TRY(check_type(r, t->name, type));
    t->type = (suan__dtype)type;
    SUAN_TRY(take_u64(r, "the offset of a tensor", &t->offset));
    uint64_t n_values;
    const suan__dtype_info *info = suan__dtype_get(type);
    switch ((t->is_packed ? suan__packed_size : suan__tensor_size)(t->type, t->n_dims, t->ne, &n_values, &t->n_bytes)) {
    case SUAN_OK:
        return SUAN_OK;
    case SUAN_EINVAL:
        return BAD(r, "%s: packed tensor %s has %d dimensions, expected 2 or 3", r->path, t->name, t->n_dims);
    case SUAN_EFORMAT:
        return BAD(r, "%s: tensor %s has rows of %llu values, no whole number of %s blocks of %u", r->path, t->name, ULL(t->ne[0]),
                   info->name, info->block);
    default:
        return BAD(r, "%s: tensor %s is %llu x %llu x %llu x %llu, which overflows", r->path, t->name, ULL(t->ne[0]), ULL(t->ne[1]),
                   ULL(t->ne[2]), ULL(t->ne[3]));
    }
}

static suan_status read_tensors(reader *r, suan__gguf *g, suan__arena *arena, suan__names *names) {
    g->tensors = SUAN_ARENA_NEW(arena, suan__tensor, g->n_tensors);
    if (!g->tensors || !suan__names_init(names, arena, g->n_tensors)) return suan__fail(r->err, SUAN_ENOMEM, "%s: out of memory", r->path);
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        suan__tensor *t = &g->tensors[i];
        SUAN_TRY(read_tensor(r, t, arena, i));
        if (suan__names_add(names, t->name, (uint32_t)strlen(t->name), (uint32_t)i) != SUAN__NAME_NONE)
            return BAD(r, "%s: the tensor %s occurs twice", r->path, t->name);
    }
    return SUAN_OK;
}

/* What packed tensors are made of is said once for the file. */
static suan_status check_packing(reader *r, const suan__gguf *g) {
    const suan__tensor *packed = NULL;
    uint32_t version = 0;
    suan__gguf_string layout = {0};
    for (uint64_t i = 0; i < g->n_tensors && !packed; i++)
        if (g->tensors[i].is_packed) packed = &g->tensors[i];
    if (!packed) return SUAN_OK;
    SUAN_TRY(suan__gguf_u32(g, "suan.packed.version", true, &version, r->err));
    SUAN_TRY(suan__gguf_str(g, "suan.packed.layout", true, &layout, r->err));
    if (version != SUAN__PACKED_VERSION || layout.n != strlen(SUAN__PACKED_LAYOUT) ||
        memcmp(layout.data, SUAN__PACKED_LAYOUT, layout.n) != 0)
        return suan__fail(r->err, SUAN_EUNSUPPORTED,
                          "%s: packed weights of version %lu, layout \"%.*s\"; expected %d, \"%s\": pack the model anew with this program",
                          r->path, (unsigned long)version, (int)(layout.n < 64 ? layout.n : 64), layout.data, SUAN__PACKED_VERSION,
                          SUAN__PACKED_LAYOUT);
    if (g->alignment % SUAN__PACKED_ALIGNMENT != 0)
        return BAD(r, "%s: general.alignment is %llu, but packed tensors (%s) need %d", r->path, ULL(g->alignment), packed->name,
                   SUAN__PACKED_ALIGNMENT);
    return SUAN_OK;
}

/* Turns offsets in the data section into offsets in the file. */
static suan_status place_tensors(reader *r, suan__gguf *g) {
    if (!suan__align_u64(r->pos, g->alignment, &g->data_offset)) return BAD(r, "%s: the header is too long", r->path);
    if (g->n_tensors == 0) return SUAN_OK;
    if (g->data_offset > r->file_size)
        return BAD(r, "%s: the file ends after %llu bytes, before its data section at %llu", r->path, ULL(r->file_size),
                   ULL(g->data_offset));
    uint64_t room = r->file_size - g->data_offset;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        suan__tensor *t = &g->tensors[i];
        if (t->offset % g->alignment != 0)
            return BAD(r, "%s: tensor %s begins at %llu of the data section, no multiple of the alignment %llu", r->path, t->name,
                       ULL(t->offset), ULL(g->alignment));
        if (!suan__inside(t->offset, t->n_bytes, room))
            return BAD(r, "%s: tensor %s takes %llu bytes from %llu of the data section, which has %llu: the file is cut short or damaged",
                       r->path, t->name, ULL(t->n_bytes), ULL(t->offset), ULL(room));
        t->offset += g->data_offset;
    }
    return SUAN_OK;
}

static suan_status check_overlap(reader *r, const suan__gguf *g) {
    suan__span *spans = suan__calloc(g->n_tensors, sizeof *spans);
    if (!spans) return suan__fail(r->err, SUAN_ENOMEM, "%s: out of memory", r->path);
    for (uint64_t i = 0; i < g->n_tensors; i++)
        spans[i] = (suan__span){g->tensors[i].offset, g->tensors[i].offset + g->tensors[i].n_bytes, i};
    suan_status status = suan__spans_sort(spans, g->n_tensors, r->err);
    for (uint64_t i = 1; status == SUAN_OK && i < g->n_tensors; i++) {
        if (spans[i].begin < spans[i - 1].end)
            status =
                BAD(r, "%s: the data of tensors %s and %s overlap", r->path, g->tensors[spans[i - 1].i].name, g->tensors[spans[i].i].name);
    }
    suan__free(spans);
    return status;
}

static suan_status parse(reader *r, suan__gguf *g, suan__arena *arena) {
    suan__gguf_index *index = SUAN_ARENA_NEW(arena, suan__gguf_index, 1);
    if (!index) return suan__fail(r->err, SUAN_ENOMEM, "%s: out of memory", r->path);
    g->index_ = index;
    g->path = suan__arena_strndup(arena, r->path, strlen(r->path));
    if (!g->path) return suan__fail(r->err, SUAN_ENOMEM, "%s: out of memory", r->path);
    SUAN_TRY(read_magic_and_counts(r, g));
    SUAN_TRY(read_values(r, g, arena, &index->keys));
    SUAN_TRY(read_alignment(r, g));
    SUAN_TRY(read_tensors(r, g, arena, &index->tensors));
    SUAN_TRY(check_packing(r, g));
    SUAN_TRY(place_tensors(r, g));
    return check_overlap(r, g);
}

suan_status suan__gguf_parse(suan__gguf *g, suan__arena *arena, const void *data, uint64_t n, uint64_t file_size, const char *path,
                             suan_error *err) {
    reader r = {.data = data, .n = n < file_size ? n : file_size, .file_size = file_size, .path = path, .err = err};
    memset(g, 0, sizeof *g);
    suan_status status = parse(&r, g, arena);
    if (status != SUAN_OK) memset(g, 0, sizeof *g);
    return status;
}

/* How long a header is shows only in reading it. So the file is read from its beginning and parsed; when the header goes on, more is read
 * (four times as much at least, so that all parses together cost little more than the last). */
suan_status suan__gguf_open(suan__gguf *g, suan__arena *arena, const suan__file *f, suan_error *err) {
    unsigned char *buffer = NULL;
    uint64_t n = 0, want = FIRST_READ;
    suan_status status;
    memset(g, 0, sizeof *g);
    for (;;) {
        if (want > f->size) want = f->size;
        unsigned char *grown = suan__realloc(buffer, want, 1);
        SUAN_CHECK_GOTO(grown, SUAN_ENOMEM, "%s: out of memory for %llu bytes of header", f->path, ULL(want));
        buffer = grown;
        SUAN_TRY_GOTO(suan__file_read(f, n, buffer + n, want - n, err));
        n = want;
        suan_error why = {0};
        reader r = {.data = buffer, .n = n, .file_size = f->size, .path = f->path, .err = &why};
        memset(g, 0, sizeof *g);
        status = parse(&r, g, arena);
        if (status == SUAN_OK) break;
        if (r.n_needed <= n) {
            if (err) *err = why;
            goto fail;
        }
        SUAN_CHECK_GOTO(r.n_needed <= SUAN__GGUF_MAX_HEADER, SUAN_EFORMAT, "%s: the header needs %llu bytes, our limit is %llu", f->path,
                        ULL(r.n_needed), ULL(SUAN__GGUF_MAX_HEADER));
        want = n * 4 > r.n_needed ? n * 4 : r.n_needed;
        if (want > SUAN__GGUF_MAX_HEADER) want = SUAN__GGUF_MAX_HEADER;
    }
    g->buffer_ = buffer;
    return SUAN_OK;
fail:
    suan__free(buffer);
    memset(g, 0, sizeof *g);
    return status;
}

void suan__gguf_close(suan__gguf *g) {
    if (!g) return;
    suan__free(g->buffer_);
    memset(g, 0, sizeof *g);
}
