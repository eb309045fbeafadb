/* safetensors.h: the safetensors container, read and written. Layout and rules: docs/formats.md.
 *
 * Reading: parse takes the header (8 bytes of length and the JSON). Entries must cover the data section without holes or overlap; zero-size
 * tensors may share an offset. Duplicate keys at any depth, unknown dtypes, numbers that are no plain integers, and shapes that do not
 * match the byte span are errors.
 */
#ifndef SUAN_FORMATS_SAFETENSORS_H
#define SUAN_FORMATS_SAFETENSORS_H

#include "base/file.h"
#include "base/memory.h"
#include "formats/tensor.h"

#define SUAN__SAFETENSORS_MAX_HEADER 100000000u
#define SUAN__SAFETENSORS_MAX_TENSORS 262144u /* in one file; the largest published models have some 200,000 in all their files */
#define SUAN__SAFETENSORS_MAX_NAME 1024u      /* bytes of a tensor name */

typedef struct suan__safetensors {
    uint64_t data_offset; /* 8 + header length */
    uint64_t n_tensors;
    suan__tensor *tensors; /* by offset; dims reversed into ne order; more than 4 dimensions are an error */
    uint64_t n_metadata;   /* __metadata__: pairs of strings, NUL-terminated */
    const char **metadata_keys, **metadata_values;
} suan__safetensors;

/* header_length must be <= SUAN__SAFETENSORS_MAX_HEADER and 8 + it <= file_size (checked here too); json is the header text. */
suan_status suan__safetensors_parse(suan__safetensors *s, suan__arena *arena, const char *json, uint64_t header_length, uint64_t file_size,
                                    const char *path, suan_error *err);
/* Reads length and header from the file and parses. */
suan_status suan__safetensors_open(suan__safetensors *s, suan__arena *arena, const suan__file *f, suan_error *err);

/* Writing: write_header with all tensors (name, dtype name as safetensors spells it, shape outermost first), then suan__out_write the data
 * in the same order and without gaps, then write_finish with the same arguments: it compares what was written with what was announced and
 * commits. The output must be freshly opened. n_bytes is checked against dtype and shape. */
typedef struct suan__st_entry {
    const char *name;
    const char *dtype;
    int n_dims;
    uint64_t shape[SUAN__MAX_DIMS];
    uint64_t n_bytes;
} suan__st_entry;
suan_status suan__safetensors_write_header(suan__out *o, const suan__st_entry *entries, size_t n,
                                           const char *const *metadata /* key, value, ..., NULL; or NULL */, suan_error *err);
suan_status suan__safetensors_write_finish(suan__out *o, const suan__st_entry *entries, size_t n, const char *const *metadata,
                                           suan_error *err);
/* The same header (8 bytes of length and the padded JSON) appended to a buffer. */
suan_status suan__safetensors_format_header(suan__buf *b, const suan__st_entry *entries, size_t n, const char *const *metadata,
                                            suan_error *err);
/* "F32" for SUAN__F32 and so on; NULL for types that safetensors does not have. */
const char *suan__safetensors_dtype_name(suan__dtype type);
/* The other way; false for a name that is none. */
bool suan__safetensors_dtype_from_name(const char *name, suan__dtype *type);

#endif
