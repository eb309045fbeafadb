/* binder.h: the list of what has to be read from a checkpoint, made by one walk over the graph (bind.c) and carried out by load.c. */
#ifndef SUAN_MODEL_BINDER_H
#define SUAN_MODEL_BINDER_H

#include "model/family.h"
#include "model/plan.h"

typedef struct suan__vector_job {
    struct suan__vector_job *next;
    const suan__tensor *tensor;
    float **target;
    uint32_t n;
} suan__vector_job;

/* Where slice s of a packed matrix comes from: row_begin + s * slice_rows of one tensor, or whole tensors. */
typedef struct suan__matrix_job {
    struct suan__matrix_job *next;
    suan__weight *weight;
    const suan__tensor **tensors; /* one, or one a slice */
    uint32_t n_tensors;
    uint64_t row_begin, slice_rows; /* in rows of the (flattened) tensor; with one tensor a slice both are 0 */
    bool transpose;                 /* the tensor has n_cols rows of n_rows values for each slice */
    uint64_t bytes;                 /* packed, all slices */
} suan__matrix_job;

/* A table of integers below `limit`. */
typedef struct suan__ids_job {
    struct suan__ids_job *next;
    const suan__tensor *tensor;
    int32_t **target;
    uint64_t n;
    uint32_t limit;
} suan__ids_job;

struct suan__binder {
    const suan__checkpoint *ck;
    const suan__hparams *hp;
    suan__arena *arena; /* of the lists */
    suan_error *err;
    suan_status status;
    suan__vector_job *vectors, **last_vector;
    suan__matrix_job *matrices, **last_matrix;
    suan__ids_job *ids;
    const suan__family *family;
    bool *used; /* [n_tensors of the checkpoint] */
    uint64_t n_params, weight_bytes;
    int as_type; /* measure as if matrices were of this type; -1: as stored */
    /* Recording what is bound under GGUF's names (plan.h); plan NULL: not asked for. */
    suan__plan *plan;
    suan__plan_tensor **last_plan;
    bool is_invented, split_kv_b, is_measured, is_ahead; /* is_measured: nothing is loaded; is_ahead: of the module behind the trunk; hp has its layer as the last */
    suan__layer *layers;
    suan__weight *embd, *head;
    float **out_norm;
};

void suan__binder_init(suan__binder *b, const suan__checkpoint *ck, const suan__hparams *hp, suan__arena *arena, suan_error *err);
/* Reads all of the list into what it names, whose memory is the model's. */
suan_status suan__binder_load(suan__binder *b, suan__model *m, suan__progress_fn *progress, void *progress_ctx, suan_error *err);
/* The type a tensor's data is packed in: its own where there are kernels, F32 otherwise. */
suan__dtype suan__packed_type(suan__dtype stored);

#endif
