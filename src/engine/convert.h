/* convert.h: what the files of the converter share: a list of tensors to write, each cut into pieces that threads make ready one by one. */
#ifndef SUAN_ENGINE_CONVERT_H
#define SUAN_ENGINE_CONVERT_H

#include "formats/checkpoint.h"
#include "model/plan.h"

/* One tensor of the output. */
typedef struct suan__convert_tensor {
    const char *name;
    int n_dims;
    uint64_t ne[SUAN__MAX_DIMS];
    suan__dtype type;                         /* as it is written */
    bool is_packed;                           /* in panels (formats/tensor.h) */
    bool has_panels;                          /* may be packed */
    const struct suan__convert_tensor *whole; /* a half of this kv_b, in the form that a loaded model has; part says which: KEYS, VALUES */
    const suan__tensor *const *sources;       /* see plan.h; unused when values or random */
    uint32_t n_sources;
    const float *values;
    suan__plan_part part;
    uint32_t head_rows, n_rot, head_values; /* see plan.h */
    uint32_t n_ids;                         /* see plan.h: integers below it */
    bool is_random, is_ones;                /* is_ones: F32 ones */
    uint64_t random_rows;                   /* what random weights take as the length of a row */
    uint64_t key;                           /* of the random bits */
    uint64_t n_values, n_bytes;
    uint64_t piece_values, n_pieces; /* values of a piece (the last of a source may have fewer), pieces of the tensor */
    uint64_t stride;                 /* packed: bytes from one matrix to the next */
} suan__convert_tensor;

/* Buffers of one thread, and how long they are; n_out: bytes of a finished piece. */
typedef struct suan__convert_scratch {
    unsigned char *raw, *rows; /* source bytes; rows to pack */
    float *x, *y;              /* expanded; transposed */
    size_t n_raw, n_rows, n_x, n_y, n_out;
} suan__convert_scratch;

/* Fills n_values, n_bytes and the pieces. SUAN_ERANGE: too large. */
suan_status suan__convert_cut(suan__convert_tensor *t, suan_error *err);
/* How much of each buffer one piece of it needs. */
suan__convert_scratch suan__convert_needs(const suan__convert_tensor *t);
/* Makes piece i ready: *n_out bytes at out. */
suan_status suan__convert_piece(const suan__checkpoint *ck, const suan__convert_tensor *t, uint64_t i, const suan__convert_scratch *s,
                                unsigned char *out, size_t *n_out, suan_error *err);

/* A config.json by the name of a published shape or by path, with its first n_layer layers only (0: all). *config: the caller's to
 * json_decref. */
suan_status suan__shape_load(const char *shape, uint32_t n_layer, json_t **config, suan_error *err);

/* ---- types ---- */

/* The type that suan_convert_type calls by this name; SUAN_EINVAL lists the names. */
suan_status suan__convert_type_find(const char *name, suan__dtype *type, suan_error *err);
/* The type in which rows of k values are written when `type` is asked for. */
suan__dtype suan__convert_type_for(suan__dtype type, uint64_t k);
/* The type of ggml's that holds the values of this one: itself, but for those of published checkpoints (formats/native.h): F32 for F8, Q4_0 for
 * int4. */
suan__dtype suan__convert_plain_type(suan__dtype type);
/* general.file_type of a file whose matrices are mostly of this type, as llama.cpp numbers them. */
uint32_t suan__convert_file_type(suan__dtype type);

#endif
