/* convert.h: writing a model as one GGUF file, plain, as llama.cpp and this library read it, or packed: from a Hugging Face directory, from a
 * GGUF file (plain, packed, or the first of a split), or of random weights in a published shape.
 *
 *     suan_convert_options options = SUAN_CONVERT_OPTIONS_INIT;
 *     options.type = "q4_k";
 *     if (suan_convert("models/qwen3-8b", "qwen3-8b-q4_k.gguf", &options, NULL, &err) != SUAN_OK) puts(err.message);
 *
 * Matrices (embedding and head too) get the type asked for; norms, biases and routers are F32. Where rows are no whole blocks of the type, a
 * type with blocks of 256 gives way to Q8_0, one with blocks of 32 to BF16. A model that is quantised already is expanded and quantised
 * again, which costs accuracy twice. A packed file gives the same answers to the bit as the plain one, and becomes it again when it is
 * converted without `packed`. The file appears whole or not at all; memory stays bounded whatever the size of the model.
 */
#ifndef SUAN_CONVERT_H
#define SUAN_CONVERT_H

#include <stdbool.h>
#include <stddef.h>

#include "suan/model.h"
#include "suan/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct suan_convert_options {
    const char *type;  /* of matrices, as suan_convert_type names it; NULL: as they are stored (random: "bf16") */
    int n_threads;     /* 0: as many as the affinity mask and the cgroup quota allow */
    bool split_kv_b;   /* MLA from a directory or random: write kv_b as attn_k_b and attn_v_b. Another model for the numeric contract. */
    bool no_tokenizer; /* leave the tokenizer out */
    bool packed;       /* matrices packed as this library's kernels take them: mapped and used as they lie. Nothing else reads such a file. */
    uint32_t n_layer;  /* random: the first layers only; 0: all */
    uint64_t seed;     /* random */
    bool (*cancelled)(void *ctx); /* asked now and then on the calling thread: true stops (SUAN_STOPPED, no file left); may be NULL */
    suan_progress_fn *progress;   /* bytes of the output; may be NULL */
    void *ctx;                    /* of both */
} suan_convert_options;

/* All zero: the defaults. */
#define SUAN_CONVERT_OPTIONS_INIT \
    { 0 }

typedef struct suan_convert_result {
    uint64_t n_tensors, n_bytes; /* of the file; bytes of tensors */
    uint64_t n_fallback;         /* matrices whose rows the type does not divide */
    uint64_t n_unused;           /* tensors of a directory that the model's graph does not use, left out */
    char unused[256];            /* the name of the first of them */
} suan_convert_result;

/* Converts the model at `in` into the GGUF file `out`. options NULL: the defaults; result may be NULL. What cannot be said in GGUF or read by
 * this library is SUAN_EUNSUPPORTED; a value that is not finite, or too large for F16, is SUAN_ENUMERIC and names tensor and place. */
SUAN_API suan_status suan_convert(const char *in, const char *out, const suan_convert_options *options, suan_convert_result *result,
                                  suan_error *err);
/* A model of random weights: shape is a name (suan_convert_shape) or the path of a config.json. The same seed gives the same file. There is
 * no tokenizer. Activations keep a natural size, so that speed can be measured; what such a model writes means nothing. */
SUAN_API suan_status suan_convert_random(const char *shape, const char *out, const suan_convert_options *options,
                                         suan_convert_result *result, suan_error *err);

/* The i-th type ("f32", "q4_k", ...) and shape ("deepseek-v3", ...) known by name; NULL behind the last. Static strings. */
SUAN_API const char *suan_convert_type(size_t i);
SUAN_API const char *suan_convert_shape(size_t i);

#ifdef __cplusplus
}
#endif
#endif
