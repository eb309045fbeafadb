/* forge.h: GGUF and safetensors files put together byte by byte, right and wrong ones, for the tests of readers.
 *
 * All that is here is written from docs/formats.md and shares nothing with the project's own writers.
 */
#ifndef TESTS_FORMATS_FORGE_H
#define TESTS_FORMATS_FORGE_H

#include <string.h>
#include <time.h>

#include "../base/cmocka_all.h"
#include "base/memory.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

static inline void forge_bytes(suan__buf *b, const void *p, size_t n) {
    assert_true(suan__buf_append(b, p, n));
}

static inline void forge_int(suan__buf *b, uint64_t v, int n_bytes) {
    unsigned char p[8];
    for (int i = 0; i < n_bytes; i++) p[i] = (unsigned char)(v >> (8 * i));
    forge_bytes(b, p, (size_t)n_bytes);
}

static inline void forge_string_n(suan__buf *b, const char *s, uint64_t n_said, size_t n) {
    forge_int(b, n_said, 8);
    forge_bytes(b, s, n);
}

static inline void forge_string(suan__buf *b, const char *s) {
    forge_string_n(b, s, strlen(s), strlen(s));
}

static inline void forge_header(suan__buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_values) {
    forge_bytes(b, "GGUF", 4);
    forge_int(b, version, 4);
    forge_int(b, n_tensors, 8);
    forge_int(b, n_values, 8);
}

/* A metadata value of a fixed size. */
static inline void forge_value(suan__buf *b, const char *key, uint32_t type, uint64_t v, int n_bytes) {
    forge_string(b, key);
    forge_int(b, type, 4);
    forge_int(b, v, n_bytes);
}

static inline void forge_array_head(suan__buf *b, const char *key, uint32_t element_type, uint64_t n) {
    forge_string(b, key);
    forge_int(b, SUAN__GGUF_ARRAY, 4);
    forge_int(b, element_type, 4);
    forge_int(b, n, 8);
}

static inline void forge_tensor(suan__buf *b, const char *name, uint32_t n_dims, const uint64_t *ne, uint32_t type, uint64_t offset) {
    forge_string(b, name);
    forge_int(b, n_dims, 4);
    for (uint32_t i = 0; i < n_dims && i < 8; i++) forge_int(b, ne[i], 8);
    forge_int(b, type, 4);
    forge_int(b, offset, 8);
}

static inline void forge_pad(suan__buf *b, size_t alignment) {
    while (b->n % alignment != 0) forge_int(b, 0, 1);
}

static inline void forge_data(suan__buf *b, size_t n) {
    for (size_t i = 0; i < n; i++) forge_int(b, i * 7 + 1, 1);
}

/* A file with something of everything: it is valid. */
static inline void forge_valid_gguf(suan__buf *b, uint32_t version) {
    static const uint64_t a[] = {32, 3}, c[] = {5, 1, 2}, d[] = {256};
    forge_header(b, version, 3, 16);
    forge_string(b, "general.architecture");
    forge_int(b, SUAN__GGUF_STRING, 4);
    forge_string(b, "llama");
    forge_value(b, "v.u8", SUAN__GGUF_U8, 200, 1);
    forge_value(b, "v.i8", SUAN__GGUF_I8, 0xff, 1);
    forge_value(b, "v.u16", SUAN__GGUF_U16, 65535, 2);
    forge_value(b, "v.i16", SUAN__GGUF_I16, 0x8000, 2);
    forge_value(b, "v.u32", SUAN__GGUF_U32, 4294967295u, 4);
    forge_value(b, "v.i32", SUAN__GGUF_I32, 0xffffffffu, 4);
    forge_value(b, "v.f32", SUAN__GGUF_F32, 0x3fc00000u, 4);
    forge_value(b, "v.true", SUAN__GGUF_BOOL, 1, 1);
    forge_value(b, "v.u64", SUAN__GGUF_U64, UINT64_MAX, 8);
    forge_value(b, "v.i64", SUAN__GGUF_I64, 77, 8);
    forge_value(b, "v.f64", SUAN__GGUF_F64, UINT64_C(0x3fb999999999999a), 8); /* 0.1 */
    forge_array_head(b, "tokens", SUAN__GGUF_STRING, 3);
    forge_string(b, "a");
    forge_string_n(b, "\0\xff", 2, 2);
    forge_string(b, "");
    forge_array_head(b, "types", SUAN__GGUF_I32, 2);
    forge_int(b, 1, 4);
    forge_int(b, 0xfffffffe, 4);
    forge_array_head(b, "flags", SUAN__GGUF_BOOL, 2);
    forge_int(b, 0x0100, 2);
    forge_array_head(b, "empty", SUAN__GGUF_F32, 0);
    forge_tensor(b, "a.weight", 2, a, 2, 0);    /* Q4_0: 54 bytes */
    forge_tensor(b, "c.weight", 3, c, 0, 64);   /* F32: 40 bytes */
    forge_tensor(b, "d.weight", 1, d, 12, 128); /* Q4_K: 144 bytes */
    forge_pad(b, 32);
    forge_data(b, 128 + 144);
}

/* Parses a copy that ends exactly with its block of memory, so that a sanitizer sees every byte read behind it. */
static inline suan_status forge_parse_n(const void *data, size_t n, uint64_t file_size, suan_error *err) {
    suan__arena own;
    suan__gguf g;
    suan__arena_init(&own, 1 << 12);
    void *copy = test_malloc(n ? n : 1);
    memcpy(copy, data ? data : "", n);
    memset(err, 0, sizeof *err);
    suan_status status = suan__gguf_parse(&g, &own, copy, n, file_size, "forged.gguf", err);
    if (status != SUAN_OK) assert_true(strlen(err->message) > 12 && err->status == status);
    suan__arena_fini(&own);
    test_free(copy);
    return status;
}

static inline suan_status forge_parse(const suan__buf *b, suan_error *err) {
    return forge_parse_n(b->data, b->n, b->n, err);
}

/* Asserts that a forged file is refused with a sentence that holds `word`, and empties the buffer. */
#define FORGE_REFUSED(b, word)                                                                                                    \
    do {                                                                                                                          \
        suan_error refused_error_;                                                                                                \
        suan_status refused_status_ = forge_parse((b), &refused_error_);                                                          \
        if (refused_status_ >= 0) fail_msg("accepted, expected a refusal about \"%s\"", (word));                                  \
        if (!strstr(refused_error_.message, (word))) fail_msg("\"%s\" does not speak of \"%s\"", refused_error_.message, (word)); \
        (b)->n = 0;                                                                                                               \
    } while (0)
#define FORGE_ACCEPTED(b)                                                                                    \
    do {                                                                                                     \
        suan_error accepted_error_;                                                                          \
        if (forge_parse((b), &accepted_error_) != SUAN_OK) fail_msg("refused: %s", accepted_error_.message); \
        (b)->n = 0;                                                                                          \
    } while (0)

/* A safetensors file: the length (by default the true one), the JSON text, zeros as data. */
static inline suan_status forge_st_parse_n(const char *json, size_t n, uint64_t n_data, suan_error *err) {
    suan__arena own;
    suan__safetensors s;
    suan__arena_init(&own, 1 << 12);
    char *copy = test_malloc(n ? n : 1);
    memcpy(copy, json, n);
    memset(err, 0, sizeof *err);
    suan_status status = suan__safetensors_parse(&s, &own, copy, n, 8 + n + n_data, "forged.safetensors", err);
    if (status != SUAN_OK) assert_true(strlen(err->message) > 12 && err->status == status);
    suan__arena_fini(&own);
    test_free(copy);
    return status;
}

#define FORGE_ST_REFUSED(json, n_data, word)                                                                                      \
    do {                                                                                                                          \
        suan_error refused_error_;                                                                                                \
        suan_status refused_status_ = forge_st_parse_n((json), strlen(json), (n_data), &refused_error_);                          \
        if (refused_status_ >= 0) fail_msg("accepted, expected a refusal about \"%s\": %s", (word), (json));                      \
        if (!strstr(refused_error_.message, (word))) fail_msg("\"%s\" does not speak of \"%s\"", refused_error_.message, (word)); \
    } while (0)
#define FORGE_ST_ACCEPTED(json, n_data)                                                    \
    do {                                                                                   \
        suan_error accepted_error_;                                                        \
        if (forge_st_parse_n((json), strlen(json), (n_data), &accepted_error_) != SUAN_OK) \
            fail_msg("refused: %s", accepted_error_.message);                              \
    } while (0)

static inline double forge_milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

#endif
