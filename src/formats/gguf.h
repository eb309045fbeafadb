/* gguf.h: the GGUF container, versions 2 and 3, little-endian. Layout and rules: docs/formats.md.
 *
 * A parse reads header, metadata and tensor list of one file from (pointer, length) and checks everything before it returns. Strings may
 * hold any bytes (tokens): use their lengths.
 */
#ifndef SUAN_FORMATS_GGUF_H
#define SUAN_FORMATS_GGUF_H

#include "base/file.h"
#include "base/memory.h"
#include "formats/tensor.h"

/* Limits of what we read; real files stay far below each. */
#define SUAN__GGUF_MAX_HEADER (UINT64_C(256) << 20) /* bytes before the data section */
#define SUAN__GGUF_MAX_VALUES (UINT64_C(1) << 16)
#define SUAN__GGUF_MAX_TENSORS (UINT64_C(1) << 20)
#define SUAN__GGUF_MAX_NAME 63   /* bytes of a tensor name, as in ggml */
#define SUAN__GGUF_MAX_KEY 65535 /* bytes of a key */
#define SUAN__GGUF_MIN_ALIGNMENT 8
#define SUAN__GGUF_MAX_ALIGNMENT (UINT64_C(1) << 20)
#define SUAN__GGUF_DEFAULT_ALIGNMENT 32

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
    void *buffer_;         /* private: what open read */
} suan__gguf;

/* data stays borrowed until the arena ends (values point into it); file_size may be larger than n (n bytes hold everything up to the data
 * section, at least). */
suan_status suan__gguf_parse(suan__gguf *g, suan__arena *arena, const void *data, uint64_t n, uint64_t file_size, const char *path,
                             suan_error *err);
/* Reads the header of an open file into memory of its own (so a file that changes later changes nothing here) and parses it. On failure *g
 * is zeroed. */
suan_status suan__gguf_open(suan__gguf *g, suan__arena *arena, const suan__file *f, suan_error *err);
void suan__gguf_close(suan__gguf *g); /* frees what open read, before the arena goes; a zeroed one is fine */

/* NULL if absent. key is NUL-terminated. */
const suan__gguf_value *suan__gguf_find(const suan__gguf *g, const char *key);
const suan__tensor *suan__gguf_find_tensor(const suan__gguf *g, const char *name);

/* Typed reads. *out keeps its value and SUAN_OK comes back when the key is absent (`required` false); a wrong type or a value that does not
 * fit names the key. Integers accept every integer type (bool is none); floats accept f32 and f64 (rounded once) and must be finite;
 * arrays are refused: use find and the _at forms. */
suan_status suan__gguf_u32(const suan__gguf *g, const char *key, bool required, uint32_t *out, suan_error *err);
suan_status suan__gguf_f32(const suan__gguf *g, const char *key, bool required, float *out, suan_error *err);
suan_status suan__gguf_bool(const suan__gguf *g, const char *key, bool required, bool *out, suan_error *err);
suan_status suan__gguf_str(const suan__gguf *g, const char *key, bool required, suan__gguf_string *out, suan_error *err);
/* Element i of an array, or the scalar itself for i = 0 (i < v->n is the caller's duty); false when the (element) type is another or the
 * value does not fit. So a key that may be a scalar or one value a layer is read with `i % v->n`-like indices of the caller's choice. */
bool suan__gguf_int_at(const suan__gguf_value *v, uint64_t i, int64_t *out);
bool suan__gguf_float_at(const suan__gguf_value *v, uint64_t i, double *out);
bool suan__gguf_bool_at(const suan__gguf_value *v, uint64_t i, bool *out);
/* "u32", "string", "array"; NULL for a number that is no type. */
const char *suan__gguf_type_name(uint32_t type);
/* Bytes of a value of a fixed size; 0 for strings, arrays and unknown types. */
uint64_t suan__gguf_type_bytes(uint32_t type);

/* Walks an array of strings: start with zeroed it; false at the end. */
typedef struct suan__gguf_iter {
    const unsigned char *next;
    uint64_t i;
} suan__gguf_iter;
bool suan__gguf_next_string(const suan__gguf_value *v, suan__gguf_iter *it, suan__gguf_string *out);

#endif
