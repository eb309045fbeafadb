/* second_reader.h: a second reader of GGUF and safetensors, written from docs/formats.md alone, for files that are known to be right.
 *
 * It shares no table and no line with the library, so that a slip in one of them shows as a difference. It checks nothing beyond what it
 * needs in order to walk; a file that it cannot follow fails the test.
 */
#ifndef TESTS_FORMATS_SECOND_READER_H
#define TESTS_FORMATS_SECOND_READER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cmocka_all.h"

typedef struct second_tensor {
    char name[1100];
    char dtype[16]; /* safetensors */
    unsigned type;  /* GGUF */
    int n_dims;
    uint64_t dims[4];    /* as they stand in the file */
    uint64_t begin, end; /* in the file */
} second_tensor;

typedef struct second_value {
    const unsigned char *key, *data; /* data: behind the type, and behind element type and count of an array */
    uint64_t n_key, n_data, n;
    unsigned type, element_type;
} second_value;

typedef struct second_file {
    unsigned char *bytes;
    uint64_t n_bytes, n_tensors, n_values;
    second_tensor *tensors;
    second_value *values;
} second_file;

static inline void second_free(second_file *f) {
    free(f->bytes);
    free(f->tensors);
    free(f->values);
}

/* false when the file does not exist. */
static inline int second_slurp(second_file *f, const char *path) {
    FILE *in = fopen(path, "rb");
    memset(f, 0, sizeof *f);
    if (!in) return 0;
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    f->n_bytes = (uint64_t)ftell(in);
    rewind(in);
    f->bytes = malloc(f->n_bytes + 1);
    assert_non_null(f->bytes);
    assert_int_equal(fread(f->bytes, 1, f->n_bytes, in), f->n_bytes);
    f->bytes[f->n_bytes] = 0;
    fclose(in);
    return 1;
}

static inline uint64_t second_number(const second_file *f, uint64_t *at, int n) {
    uint64_t v = 0;
    assert_true(*at + (uint64_t)n <= f->n_bytes);
    for (int i = n; i-- > 0;) v = v * 256 + f->bytes[*at + (uint64_t)i];
    *at += (uint64_t)n;
    return v;
}

/* Section 1.2: the size of a value that begins at `at`. */
static inline uint64_t second_value_size(const second_file *f, unsigned type, uint64_t at) {
    static const int sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, -1, -1, 8, 8, 8};
    assert_true(type <= 12 && type != 9);
    if (type != 8) return (uint64_t)sizes[type];
    uint64_t n = second_number(f, &at, 8);
    return 8 + n;
}

static inline void second_read_value(const second_file *f, second_value *v, uint64_t *at) {
    v->n_key = second_number(f, at, 8);
    v->key = f->bytes + *at;
    *at += v->n_key;
    v->type = v->element_type = (unsigned)second_number(f, at, 4);
    v->n = 1;
    if (v->type == 9) {
        v->element_type = (unsigned)second_number(f, at, 4);
        v->n = second_number(f, at, 8);
    }
    v->data = f->bytes + *at;
    for (uint64_t i = 0; i < v->n; i++) *at += second_value_size(f, v->element_type, *at);
    v->n_data = (uint64_t)(f->bytes + *at - v->data);
}

/* Section 1.3, the table: values and bytes of a block, as text so that it can be compared with the page by eye. */
static inline void second_block(unsigned type, unsigned *values, unsigned *bytes) {
    static const char table[] =
        "0:1,4 1:1,2 2:32,18 3:32,20 6:32,22 7:32,24 8:32,34 9:32,36 10:256,84 11:256,110 12:256,144 13:256,176 14:256,210 "
        "15:256,292 16:256,66 17:256,74 18:256,98 19:256,50 20:32,18 21:256,110 22:256,82 23:256,136 24:1,1 25:1,2 "
        "26:1,4 27:1,8 28:1,8 29:256,56 30:1,2 34:256,54 35:256,66 39:32,17 40:64,36 41:128,18 42:64,18 ";
    for (const char *p = table; p && *p; p = strchr(p, ' ') + 1) {
        unsigned t;
        if (sscanf(p, "%u:%u,%u", &t, values, bytes) == 3 && t == type) return;
    }
    fail_msg("type %u is not in the table", type);
}

static inline void second_read_gguf(second_file *f) {
    uint64_t at = 8, alignment = 32;
    assert_memory_equal(f->bytes, "GGUF", 4);
    f->n_tensors = second_number(f, &at, 8);
    f->n_values = second_number(f, &at, 8);
    f->values = calloc(f->n_values + 1, sizeof *f->values);
    f->tensors = calloc(f->n_tensors + 1, sizeof *f->tensors);
    for (uint64_t i = 0; i < f->n_values; i++) {
        second_value *v = &f->values[i];
        second_read_value(f, v, &at);
        if (v->n_key == 17 && memcmp(v->key, "general.alignment", 17) == 0) {
            uint64_t there = (uint64_t)(v->data - f->bytes);
            alignment = second_number(f, &there, 4);
        }
    }
    for (uint64_t i = 0; i < f->n_tensors; i++) {
        second_tensor *t = &f->tensors[i];
        uint64_t n = second_number(f, &at, 8), product = 1;
        unsigned values, bytes;
        memcpy(t->name, f->bytes + at, n);
        at += n;
        t->n_dims = (int)second_number(f, &at, 4);
        for (int d = 0; d < t->n_dims; d++) product *= t->dims[d] = second_number(f, &at, 8);
        t->type = (unsigned)second_number(f, &at, 4);
        t->begin = second_number(f, &at, 8);
        second_block(t->type, &values, &bytes);
        t->end = t->begin + product / values * bytes;
    }
    while (at % alignment != 0) at++;
    for (uint64_t i = 0; i < f->n_tensors; i++) {
        f->tensors[i].begin += at;
        f->tensors[i].end += at;
    }
}

/* The few words of JSON that headers consist of. */
static inline const char *second_skip(const char *p) {
    return p + strspn(p, " \t\r\n,:");
}

static inline const char *second_text(const char *p, char *out, size_t room) {
    assert_int_equal(*p, '"');
    size_t n = strcspn(p + 1, "\"");
    if (n >= room || memchr(p + 1, '\\', n)) {
        fail_msg("a string that is too long or has escapes: %.40s", p);
        n = 0;
    }
    memcpy(out, p + 1, n);
    out[n] = 0;
    return second_skip(p + n + 2);
}

static inline const char *second_list(const char *p, uint64_t *out, int *n) {
    assert_int_equal(*p, '[');
    *n = 0;
    for (p = second_skip(p + 1); *p != ']';) {
        char *end;
        assert_true(*n < 4);
        out[(*n)++] = strtoull(p, &end, 10);
        assert_true(end != p);
        p = second_skip(end);
    }
    return second_skip(p + 1);
}

static inline const char *second_entry(const char *p, second_tensor *t, uint64_t data) {
    char member[32];
    uint64_t offsets[4];
    int two;
    assert_int_equal(*p, '{');
    for (p = second_skip(p + 1); *p != '}';) {
        p = second_text(p, member, sizeof member);
        if (strcmp(member, "dtype") == 0) {
            p = second_text(p, t->dtype, sizeof t->dtype);
        } else if (strcmp(member, "shape") == 0) {
            p = second_list(p, t->dims, &t->n_dims);
        } else {
            assert_string_equal(member, "data_offsets");
            p = second_list(p, offsets, &two);
            assert_int_equal(two, 2);
            t->begin = data + offsets[0];
            t->end = data + offsets[1];
        }
    }
    return second_skip(p + 1);
}

static inline void second_read_safetensors(second_file *f) {
    uint64_t at = 0, n = second_number(f, &at, 8);
    char name[1100];
    char *header = malloc(n + 1);
    memcpy(header, f->bytes + 8, n);
    header[n] = 0;
    f->tensors = calloc(n / 40 + 2, sizeof *f->tensors);
    for (const char *p = second_skip(header + 1); *p != '}';) {
        p = second_text(p, name, sizeof name);
        if (strcmp(name, "__metadata__") == 0) {
            p = second_skip(strchr(p, '}') + 1);
            continue;
        }
        second_tensor *t = &f->tensors[f->n_tensors++];
        memcpy(t->name, name, sizeof name);
        p = second_entry(p, t, 8 + n);
    }
    free(header);
}

#endif
