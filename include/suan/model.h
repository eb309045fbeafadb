/* model.h: opening a model: a GGUF file (or the first of a split), or a directory with config.json, tokenizer.json and *.safetensors.
 *
 * Opening checks everything that the files say, computes the memory that weights, cache and buffers will take, refuses what does not fit
 * before anything is packed, and then packs the weights in parallel. Several sessions may share a model; they run one after the other on
 * its threads.
 */
#ifndef SUAN_MODEL_H
#define SUAN_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "suan/status.h"
#include "suan/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct suan_model suan_model;

/* The type of the key/value cache. F16 is the default; Q8_0 rounds to blocks of 32 integers of 8 bits with a scale, and queries likewise. */
typedef enum suan_kv_type { SUAN_KV_F16 = 0, SUAN_KV_F32 = 1, SUAN_KV_Q8_0 = 2 } suan_kv_type;

/* done of total bytes of weights are ready. Called from the thread that opens. */
typedef void suan_progress_fn(void *ctx, uint64_t done, uint64_t total);

typedef struct suan_model_options {
    int n_threads;              /* 0: as many as the affinity mask and the cgroup quota allow */
    const char *cpu;            /* limit of the instruction set: "c", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"; NULL: the best there is */
    uint32_t n_ctx;             /* context that has to fit beside the weights; 0: the model's own or what memory allows */
    suan_kv_type kv;            /* for the same computation */
    uint64_t memory_bytes;      /* what may be used; 0: what the machine and its cgroups have left */
    suan_progress_fn *progress; /* NULL: none */
    void *progress_ctx;
    bool mtp; /* also load the module for multi-token prediction (SUAN_DRAFT_MTP); SUAN_EUNSUPPORTED: there is none */
    bool pin; /* bind each thread to a core of its own (the caller's only while the model works); changes no bit */
} suan_model_options;

/* All zero: the defaults. */
#define SUAN_MODEL_OPTIONS_INIT \
    { 0 }

/* options NULL: the defaults. path is borrowed for the call. On failure *model is NULL and err says what is wrong with which file, tensor
 * or field. SUAN_ENOMEM: it does not fit; the message gives need, have, and the weight type that would fit. */
SUAN_API suan_status suan_model_open(suan_model **model, const char *path, const suan_model_options *options, suan_error *err);
/* Sessions of the model must be closed before. Sets *model to NULL; NULL is fine. */
SUAN_API void suan_model_close(suan_model **model);

typedef struct suan_model_info {
    const char *path, *name, *architecture; /* architecture: "llama", "qwen2", "qwen3", "qwen3moe", "deepseek2" as GGUF names it */
    uint64_t n_params;                      /* values of all tensors that the graph uses (a tied head counts once) */
    uint64_t weight_bytes;                  /* packed, in memory */
    uint32_t n_layer, n_embd, n_head, n_head_kv, n_vocab;
    uint32_t n_ctx_train;             /* the model's context */
    uint32_t n_expert, n_expert_used; /* 0 where there are none */
    const char *cpu;                  /* the kernels' level in use */
    int n_threads;
    uint64_t kv_bytes_per_token_f16, kv_bytes_per_token_f32, kv_bytes_per_token_q8_0;
} suan_model_info;
/* The strings are kept until the model closes. */
SUAN_API suan_status suan_model_get_info(const suan_model *model, suan_model_info *info);
/* Borrowed, until the model closes. NULL when the files carry no tokenizer (such a model takes and gives ids only). */
SUAN_API const suan_tokenizer *suan_model_tokenizer(const suan_model *model);

/* ---- chat: messages to ids ---- */

/* Whether the model has a chat template. */
SUAN_API bool suan_model_has_chat(const suan_model *model);
/* Renders the model's chat template over `request`, a JSON object whose keys are the template's variables (messages, tools,
 * add_generation_prompt, ...), and encodes the result; only bytes that the template itself wrote form control tokens. now:
 * "2026-01-02T03:04:05" or NULL (the present local time). *ids: owned by the caller afterwards (suan_free). *text (may be NULL): the
 * rendered prompt, owned by the caller (suan_free). */
SUAN_API suan_status suan_model_chat_encode(const suan_model *model, const char *request, size_t n_request, const char *now, int32_t **ids,
                                            size_t *n_ids, char **text, suan_error *err);
/* Frees what the library gave to the caller. NULL is fine. */
SUAN_API void suan_free(void *p);

/* "0.1.0"; the name of the instruction set chosen for `cpu` (as in the options; NULL when it cannot run here) and what the processor has,
 * in words. */
SUAN_API const char *suan_version(void);
SUAN_API const char *suan_cpu_level(const char *cpu);
SUAN_API const char *suan_cpu_features(void);

#ifdef __cplusplus
}
#endif
#endif
