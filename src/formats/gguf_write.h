/* gguf_write.h: writes GGUF files, version 3.
 *
 *     suan__gguf_writer w;
 *     suan__gguf_writer_init(&w, 32);
 *     suan__gguf_put_str(&w, "general.architecture", "llama", 5, err) ...      metadata, any order, no key twice
 *     suan__gguf_put_tensor(&w, "output.weight", SUAN__F32, 2, ne, err) ...    all tensors, in the order of their data
 *     suan__gguf_write_header(&w, &out, err);
 *     suan__gguf_write_data(&w, &out, data, n, err) ...                        the tensors' bytes one after the other, in pieces of any
 * size suan__gguf_write_finish(&w, &out, err);                                  checks that all came, commits (out is closed in any case)
 *     suan__gguf_writer_fini(&w);
 *
 * Padding between tensors is the writer's business. The output must be freshly opened. general.alignment is written when it is not 32.
 */
#ifndef SUAN_FORMATS_GGUF_WRITE_H
#define SUAN_FORMATS_GGUF_WRITE_H

#include "base/file.h"
#include "formats/gguf.h"

struct suan__gguf_place {
    uint64_t offset, n_bytes; /* in the data section */
};

typedef struct suan__gguf_writer {
    uint64_t alignment, n_values, n_tensors;
    suan__buf values, tensors; /* as they will stand in the file */
    suan__buf places;          /* struct suan__gguf_place[n_tensors] */
    uint64_t data_bytes;       /* padded size of the data section so far announced */
    uint64_t i_tensor;         /* whose data is being written */
    uint64_t n_done;           /* bytes of it that were written */
    uint64_t at;               /* place in the data section */
} suan__gguf_writer;

suan_status suan__gguf_writer_init(suan__gguf_writer *w, uint64_t alignment, suan_error *err);
void suan__gguf_writer_fini(suan__gguf_writer *w);

suan_status suan__gguf_put_u32(suan__gguf_writer *w, const char *key, uint32_t v, suan_error *err);
suan_status suan__gguf_put_f32(suan__gguf_writer *w, const char *key, float v, suan_error *err);
suan_status suan__gguf_put_bool(suan__gguf_writer *w, const char *key, bool v, suan_error *err);
suan_status suan__gguf_put_str(suan__gguf_writer *w, const char *key, const char *s, uint64_t n, suan_error *err);
suan_status suan__gguf_put_strings(suan__gguf_writer *w, const char *key, const suan__gguf_string *strings, uint64_t n, suan_error *err);
/* A scalar or an array of any type of fixed size, little-endian at data: type ARRAY takes n elements of element_type. */
suan_status suan__gguf_put(suan__gguf_writer *w, const char *key, suan__gguf_type type, suan__gguf_type element_type, const void *data,
                           uint64_t n, suan_error *err);
/* A value as it was read from another file (key included). general.alignment is refused: it is the writer's. */
suan_status suan__gguf_put_value(suan__gguf_writer *w, const suan__gguf_value *v, suan_error *err);

suan_status suan__gguf_put_tensor(suan__gguf_writer *w, const char *name, suan__dtype type, int n_dims, const uint64_t *ne,
                                  suan_error *err);
/* A packed one (tensor.h); put_packing, once, says how. The alignment must be a multiple of SUAN__PACKED_ALIGNMENT. */
suan_status suan__gguf_put_packed(suan__gguf_writer *w, const char *name, suan__dtype type, int n_dims, const uint64_t *ne,
                                  suan_error *err);
suan_status suan__gguf_put_packing(suan__gguf_writer *w, suan_error *err);

/* The header and its padding, appended to a buffer. */
suan_status suan__gguf_format_header(const suan__gguf_writer *w, suan__buf *b, suan_error *err);
suan_status suan__gguf_write_header(suan__gguf_writer *w, suan__out *o, suan_error *err);
suan_status suan__gguf_write_data(suan__gguf_writer *w, suan__out *o, const void *data, uint64_t n, suan_error *err);
suan_status suan__gguf_write_finish(suan__gguf_writer *w, suan__out *o, suan_error *err);

#endif
