/* plan.h: a model under GGUF's names: every tensor that the graph uses, its shape, and where its values come from; and the metadata that
 * goes with it. Made by the same walk over the graph that loads a model (bind.c), over a Hugging Face checkpoint or over hyperparameters
 * alone.
 */
#ifndef SUAN_MODEL_PLAN_H
#define SUAN_MODEL_PLAN_H

#include "formats/gguf_write.h"
#include "model/model.h"

/* How the rows of a tensor come from the rows of its sources. */
typedef enum suan__plan_part {
    SUAN__PLAN_ROWS = 0, /* as they lie, the sources one after the other */
    SUAN__PLAN_PAIRS,    /* Llama's q and k: in each head half-split rows become interleaved ones: row 2j + s is row s * n_rot / 2 + j */
    SUAN__PLAN_KEYS,     /* the first ne[0] rows of each head of kv_b, transposed */
    SUAN__PLAN_VALUES    /* the last ne[1] rows of each head of kv_b */
} suan__plan_part;

typedef struct suan__plan_tensor {
    struct suan__plan_tensor *next;
    const char *name; /* GGUF's */
    int n_dims;
    uint64_t ne[SUAN__MAX_DIMS];
    const suan__tensor *const *sources; /* one, or one for each ne[2]; without a checkpoint they are no tensors of a file */
    uint32_t n_sources;
    const float *values; /* not NULL: the values themselves, F32 */
    suan__plan_part part;
    uint32_t head_rows;   /* PAIRS, KEYS, VALUES: rows of a head in the source */
    uint32_t n_rot;       /* PAIRS: rows of a head that are rotated, the first ones */
    uint32_t n_ids;       /* not 0: integers below it, I32 */
    bool is_precise;      /* a matrix that decides what is selected: floats as stored, or as asked for; no blocks */
    bool is_matrix;       /* may be quantised; otherwise (norms, biases, routers) F32 */
    bool has_panels;      /* a matrix, or one for each ne[2], as the kernels take them: may be packed */
    uint32_t head_values; /* a whole kv_b: how many of a head's head_rows rows make values, the last ones; otherwise 0 */
} suan__plan_tensor;

typedef struct suan__plan {
    suan__plan_tensor *first;
    uint64_t n_tensors, n_params;
} suan__plan;

/* ck: a checkpoint of either kind. Of a GGUF file the plan has what the graph uses, as it lies. is_invented: it has hyperparameters (config) only, and all tensors come out as F32 of the right shape.
 * split_kv_b: MLA's kv_b as its two halves attn_k_b and attn_v_b. The plan lives in the arena, and as long as ck. */
suan_status suan__plan_make(suan__plan *plan, const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck,
                            bool is_invented, bool split_kv_b, suan__arena *arena, suan_error *err);
/* general.architecture and the architecture's keys, as llama.cpp's converter writes them, from ck's config.json. What GGUF has no key for is
 * SUAN_EUNSUPPORTED. */
suan_status suan__plan_describe(suan__gguf_writer *w, const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck,
                                bool split_kv_b, suan_error *err);

/* The config.json of a published shape ("deepseek-v3"), the caller's to json_decref. SUAN_ENOTFOUND lists the names. */
suan_status suan__shape_config(const char *name, json_t **config, suan_error *err);
/* The i-th name, NULL behind the last. */
const char *suan__shape_name(size_t i);

/* Random weights: n values (whole blocks) from value `begin` on of a tensor whose rows have k values. Their mean is 0 and their standard
 * deviation close to 1 / sqrt(k), so that activations keep their size. The same bytes for the same key, whatever the pieces. Types of
 * SUAN__WEIGHT_MAP; begin a multiple of 256. Source of the bits: Philox. */
void suan__random_weights(suan__dtype type, void *dst, uint64_t k, uint64_t begin, size_t n, uint64_t key);

/* Random integers in [0, limit), values [begin, begin + n) of a table with rows of k, all different within a row (k <= limit). */
void suan__random_ids(int32_t *dst, uint64_t k, uint64_t begin, size_t n, uint32_t limit, uint64_t key);

#endif
