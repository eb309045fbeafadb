/* gguf.h: the GGUF container, versions 2 and 3, little-endian. Layout and rules: docs/formats.md.
 *
 * A parse reads header, metadata and tensor list of one file from (pointer, length) and checks everything before it returns. Strings may
 * hold any bytes (tokens): use their lengths.
 */
#ifndef SUAN_FORMATS_GGUF_H
#define SUAN_FORMATS_GGUF_H

#include "base/memory.h"
#include "formats/tensor.h"

typedef enum suan__gguf_type {
    SUAN__GGUF_U8 = 0,
    SUAN__GGUF_I8,
    SUAN__GGUF_U16,
    SUAN__GGUF_I16,
    SUAN__GGUF_U32,
    SUAN__GGUF_I32,
    SUAN__GGUF_F32,
    SUAN__GGUF_BOOL,
    SUAN__GGUF_STRING,
    SUAN__GGUF_ARRAY,
    SUAN__GGUF_U64,
    SUAN__GGUF_I64,
    SUAN__GGUF_F64
} suan__gguf_type;

typedef struct suan__gguf_string {
    const char *data; /* not NUL-terminated */
    uint64_t n;
} suan__gguf_string;

typedef struct suan__gguf_value {
    suan__gguf_string key;
    suan__gguf_type type; /* ARRAY: see element_type */
    suan__gguf_type element_type;
    uint64_t n;                /* elements of an array; 1 otherwise */
    const unsigned char *data; /* raw little-endian element(s), unaligned; for strings: u64 length + bytes, one after the other */
    uint64_t n_bytes;          /* of data */
} suan__gguf_value;

typedef struct suan__gguf {
    uint32_t version;
    uint64_t alignment;
    uint64_t data_offset; /* of the data section, from the beginning of the file */
    uint64_t n_values, n_tensors;
    suan__gguf_value *values;
    suan__tensor *tensors; /* in file order; offset is from the beginning of the file */
    const char *path;      /* for messages */
    void *index_;          /* private: name tables */
} suan__gguf;

/* data stays borrowed until the arena ends (values point into it); file_size may be larger than n (n bytes hold everything up to the data
 * section, at least). */
suan_status suan__gguf_parse(suan__gguf *g, suan__arena *arena, const void *data, uint64_t n, uint64_t file_size, const char *path,
                             suan_error *err);

/* NULL if absent. key is NUL-terminated. */
const suan__gguf_value *suan__gguf_find(const suan__gguf *g, const char *key);
const suan__tensor *suan__gguf_find_tensor(const suan__gguf *g, const char *name);

/* Typed reads. *out keeps its value and SUAN_OK comes back when the key is absent (`required` false); a wrong type or a value that does not
 * fit names the key. Integers accept every integer type (bool is none); floats accept f32 and f64; a scalar also accepts index 0 of...
 * nothing: arrays are refused, use the _at form. */
suan_status suan__gguf_u32(const suan__gguf *g, const char *key, bool required, uint32_t *out, suan_error *err);
suan_status suan__gguf_f32(const suan__gguf *g, const char *key, bool required, float *out, suan_error *err);
suan_status suan__gguf_bool(const suan__gguf *g, const char *key, bool required, bool *out, suan_error *err);
suan_status suan__gguf_str(const suan__gguf *g, const char *key, bool required, suan__gguf_string *out, suan_error *err);
/* Element i of an array of integers or floats (i < v->n is the caller's duty); false when the element type is another or the value does not
 * fit. */
bool suan__gguf_int_at(const suan__gguf_value *v, uint64_t i, int64_t *out);
bool suan__gguf_float_at(const suan__gguf_value *v, uint64_t i, double *out);

/* Walks an array of strings: start with zeroed it; false at the end. */
typedef struct suan__gguf_iter {
    const unsigned char *next;
    uint64_t i;
} suan__gguf_iter;
bool suan__gguf_next_string(const suan__gguf_value *v, suan__gguf_iter *it, suan__gguf_string *out);

#endif
