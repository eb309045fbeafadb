/* model.h: a model as the engine sees it: hyperparameters, bound and packed weights, and the forward pass of one step.
 *
 * A family (llama.c, qwen.c, deepseek.c) is one row of suan__families: how its hyperparameters are read from either container, which
 * tensors it has, and what a layer computes, put together from the shared parts of graph.h. Nothing outside src/model knows families by
 * name.
 */
#ifndef SUAN_MODEL_MODEL_H
#define SUAN_MODEL_MODEL_H

#include <stdatomic.h>

#include "base/memory.h"
#include "base/thread.h"
#include "formats/checkpoint.h"
#include "kernels/kernels.h"
#include "model/kv.h"

typedef enum suan__rope_style { SUAN__ROPE_HALF = 0, SUAN__ROPE_INTERLEAVED } suan__rope_style;
typedef enum suan__gating {
    SUAN__GATING_SOFTMAX = 1,
    SUAN__GATING_SIGMOID = 2,
    SUAN__GATING_CHOSEN = 3, /* softmax over the chosen */
    SUAN__GATING_SQRT_SOFTPLUS = 4
} suan__gating;
typedef enum suan__group_score { SUAN__GROUP_MAX = 0, SUAN__GROUP_TOP2 } suan__group_score;

/* config.json key / GGUF key (behind "<arch>.") in the comments. */
typedef struct suan__hparams {
    uint32_t n_layer;     /* num_hidden_layers / block_count - nextn_predict_layers */
    uint32_t n_embd;      /* hidden_size / embedding_length */
    uint32_t n_vocab;     /* vocab_size / rows of token_embd */
    uint32_t n_ctx_train; /* max_position_embeddings / context_length */
    uint32_t n_head;      /* num_attention_heads / attention.head_count */
    uint32_t n_head_kv;   /* num_key_value_heads / attention.head_count_kv; 1 for MLA */
    uint32_t head_dim;    /* head_dim / attention.key_length; MLA: kv_lora + rope, the width of a cached row */
    uint32_t n_ff;        /* intermediate_size / feed_forward_length (dense layers) */
    uint32_t n_nextn;     /* num_nextn_predict_layers / nextn_predict_layers: modules behind the trunk (ahead.h) */
    float rms_eps;        /* rms_norm_eps / attention.layer_norm_rms_epsilon */
    float attn_scale;     /* what scores are multiplied by */
    bool has_qkv_bias, has_qk_norm, tied;
    uint32_t
        *layer_window; /* [n_layer]: the latest positions that a token attends to, its own included, 0: all; NULL: all in every layer */

    /* RoPE */
    suan__rope_style rope_style;
    uint32_t n_rot;     /* values of a head that are rotated */
    double rope_theta;  /* rope_theta / rope.freq_base */
    double rope_factor; /* what cos and sin are multiplied by (YaRN's magnitude); 1 for none */
    float *rope_freq;   /* f_j, n_rot / 2 of them, scaling applied; in the model's arena */

    /* MLA (kv_lora 0: none) */
    uint32_t q_lora;            /* q_lora_rank / attention.q_lora_rank; 0: one plain query matrix */
    uint32_t kv_lora;           /* kv_lora_rank */
    uint32_t nope, rope, v_dim; /* qk_nope_head_dim, qk_rope_head_dim, v_head_dim */
    float inner_eps;            /* of q_a and kv_a norms: 1e-6 as in the reference, whatever rms_eps is */

    /* mixture of experts (n_expert 0: none) */
    uint32_t n_expert, n_expert_used, n_expert_shared; /* n_routed_experts or num_experts; num_experts_per_tok; n_shared_experts */
    uint32_t n_ff_exp;                                 /* moe_intermediate_size / expert_feed_forward_length */
    uint32_t n_group, n_group_used;                    /* n_group, topk_group; 1 and 1 for none */
    suan__group_score group_score;
    suan__gating gating;
    bool norm_topk;          /* norm_topk_prob / expert_weights_norm */
    float norm_topk_epsilon; /* added to the sum: 1e-20 for sigmoid routers, 0 otherwise */
    float expert_scale;      /* routed_scaling_factor / expert_weights_scale */
    bool *layer_is_moe;      /* [n_layer], in the model's arena; NULL without experts */

    /* lightning indexer and sparse attention (index_topk 0: none) */
    uint32_t n_index_head; /* index_n_heads / attention.indexer.head_count */
    uint32_t index_dim;    /* index_head_dim / attention.indexer.key_length; a power of two */
    uint32_t index_topk;   /* index_topk / attention.indexer.top_k */
    suan__rope_style index_rope_style;
    bool *layer_has_index; /* [n_layer]: others take what the latest layer with an indexer chose; NULL: every layer has one */

    /* DeepSeek-V4: hyper-connections (n_stream 0: a plain residual), compressed attention (window 0: none), grouped output, hash-routed layers */
    uint32_t n_stream, sinkhorn_iters; /* hc_mult, hc_sinkhorn_iters / hyper_connection.count, .sinkhorn_iterations */
    float hyper_eps;                   /* hc_eps / hyper_connection.epsilon */
    uint32_t window;                   /* sliding_window / attention.sliding_window */
    uint32_t *layer_ratio;             /* [n_layer]: positions a compressed row, 0: none; compress_ratios / attention.compress_ratios */
    float *far_freq;                   /* frequencies of layers with a ratio: compress_rope_theta and YaRN */
    uint32_t n_out_group, out_lora;    /* o_groups, o_lora_rank / attention.output_group_count, .output_lora_rank */
    uint32_t n_hash_layer;             /* num_hash_layers / hash_layer_count: the first layers choose experts by the token's id */
    float swiglu_limit;                /* swiglu_limit / swiglu_clamp_exp; 0: none */
    float swiglu_alpha;                /* not 0: gate * sigmoid(alpha * gate) * (up + 1) in place of SwiGLU (gpt-oss) */

    bool has_rounding; /* the published code makes round trips through fp8 or fp4 (--rounding published) */
    bool is_ahead;     /* of the module behind the trunk that guesses ahead (ahead.h) */
} suan__hparams;

/* A matrix [n_slices][n_rows][n_cols] packed in panels (kernels.h), ready for matmul. data NULL: the model has none. */
typedef struct suan__weight {
    suan__dtype type;        /* of the packed data */
    uint32_t n_rows, n_cols; /* outputs, inputs */
    uint32_t n_slices;       /* experts or heads; 1 for a plain matrix */
    size_t slice_bytes;
    unsigned char *data;
    float *bias;      /* [n_slices][n_rows], added to the product; or NULL */
    bool exact;       /* meets f32 activations whatever the session asks for (router) */
    const char *name; /* of the first tensor it came from, for messages */
} suan__weight;

/* The three mixings of a hyper-connection (hyper.h): fn [(2 + n) n, n * n_embd] for n streams, base of as many values, scale of 3; the head's: [n, n * n_embd], n and 1. */
typedef struct suan__hyper {
    suan__weight fn;
    float *base, *scale;
} suan__hyper;

/* A compressor (compress.h) of vectors of `dim` values: kv and gate [coff * dim, n_embd], ape [ratio][coff * dim], norm [dim]. kv.data NULL: none. */
typedef struct suan__compressor {
    suan__weight kv, gate;
    float *ape, *norm;
} suan__compressor;

typedef struct suan__layer {
    float *attn_norm, *ffn_norm; /* [n_embd] */
    suan__weight wq, wk, wv, wo;
    float *bq, *bk, *bv;                           /* biases or NULL */
    float *q_norm, *k_norm;                        /* [head_dim] or NULL */
    suan__weight wq_a, wq_b;                       /* MLA with q_lora; without: wq */
    float *q_a_norm;                               /* [q_lora] */
    suan__weight wkv_a;                            /* [kv_lora + rope, n_embd] */
    float *kv_a_norm;                              /* [kv_lora] */
    suan__weight wk_b;                             /* n_head slices [kv_lora, nope]: q_nope to the latent */
    suan__weight wv_b;                             /* n_head slices [v_dim, kv_lora]: the latent to values */
    suan__weight gate, up, down;                   /* dense, or the shared expert of a MoE layer */
    suan__weight router;                           /* [n_expert, n_embd]; data NULL: a dense layer */
    float *router_bias;                            /* [n_expert] or NULL: selection only */
    suan__weight index_q, index_k, index_w;        /* indexer: [heads * dim, q_lora], [dim, n_embd], [heads, n_embd]; data NULL: none */
    suan__hyper hyper_attn, hyper_ffn, hyper_head; /* hyper_head: in the last layer only */
    suan__compressor compress, index_compress;
    suan__weight wo_a;                          /* n_out_group slices [out_lora, n_head * head_dim / n_out_group]; then wo */
    float *sinks;                               /* [n_head] */
    int32_t *hash_experts;                      /* [n_vocab][n_expert_used]: the experts of each token, or NULL */
    float *index_norm, *index_norm_bias;        /* [index_dim]: LayerNorm of the indexer's keys */
    suan__weight gate_exps, up_exps, down_exps; /* n_expert slices */
} suan__layer;

typedef struct suan__family suan__family;

typedef struct suan__model {
    const suan__family *family;
    suan__hparams hp;
    char *name;       /* general.name or the directory's name */
    const char *arch; /* GGUF's name of the architecture */
    const suan__kernels *kernels;
    suan__pool *pool;
    suan__arena arena; /* names, norms, layers */
    suan__layer *layers;
    suan__weight embd; /* [n_vocab, n_embd]; rows are expanded one by one, and it is the head of a tied model */
    suan__weight head; /* [n_vocab, n_embd]; data is embd's when tied */
    float *out_norm;
    float *ahead_norm_e, *ahead_norm_h;        /* of a module that guesses ahead: [n_embd] both, and what joins the two (ahead.h) */
    suan__weight ahead_join, ahead_e, ahead_h; /* [n_embd, 2 * n_embd]; or two of [n_embd, n_embd] */
    bool h_wants_32, h_wants_256;              /* whether products of a layer's normed input take activations in blocks of 32, of 256 */
    unsigned char *pages;                      /* all weights that were packed at load */
    size_t pages_bytes;
    suan__map *maps; /* files whose packed weights are used as they lie */
    uint32_t n_maps;
    uint64_t mapped_bytes; /* of weights in them */
    char *path;            /* of the checkpoint, for messages */
    uint64_t n_params;
} suan__model;

/* ---- reading: no weights touched ---- */

/* The family that a checkpoint belongs to (SUAN_EUNSUPPORTED names the architecture and lists those known), and its hyperparameters, all
 * relations between them checked. arena: where hp's tables go. */
suan_status suan__family_find(const suan__family **family, const suan__checkpoint *ck, suan_error *err);
suan_status suan__hparams_read(suan__hparams *hp, const suan__family *family, const suan__checkpoint *ck, suan__arena *arena,
                               suan_error *err);
/* GGUF's name of the architecture ("deepseek2"). */
const char *suan__family_arch(const suan__family *family);

/* Checks that every tensor of the graph is there with its shape and a usable type; adds up what packed weights take. as_type: compute as if
 * every block-quantisable matrix were of this type (for "what would fit"), -1: as stored. */
suan_status suan__model_measure(const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck, int as_type,
                                uint64_t *weight_bytes, uint64_t *n_params, suan_error *err);
/* Bytes of the buffers of a session; UINT64_MAX when 64 bits cannot hold them. The cache's: suan__kv_bytes. */
uint64_t suan__scratch_bytes(const suan__hparams *hp, uint32_t chunk, uint32_t n_ctx, int n_threads);
/* Of suan__step_create_many's. */
uint64_t suan__scratch_bytes_many(const suan__hparams *hp, uint32_t max_tokens, uint32_t n_ctx, uint32_t n_rows, int n_threads);

/* ---- loading ---- */

typedef void suan__progress_fn(void *ctx, uint64_t done, uint64_t total);
/* Binds and packs all weights on the pool (borrowed until free). On failure *model is NULL. */
suan_status suan__model_load(suan__model **model, const suan__checkpoint *ck, const suan__kernels *kernels, suan__pool *pool,
                             suan__progress_fn *progress, void *progress_ctx, suan_error *err);
void suan__model_free(suan__model *model);
/* SUAN_EIO when a mapped file was cut or changed since: what was computed from it may be wrong. */
suan_status suan__model_check(const suan__model *model, suan_error *err);

/* ---- a step ---- */

/* Buffers for steps of up to max_tokens tokens in a cache of n_ctx positions, made once a session. */
typedef struct suan__step suan__step;
suan_status suan__step_create(suan__step **step, const suan__model *model, uint32_t max_tokens, uint32_t n_ctx, suan_error *err);
/* The same with room for n_rows rows of logits that are computed together, 1 to max_tokens of use; n_ctx: of the longest cache. */
suan_status suan__step_create_many(suan__step **step, const suan__model *model, uint32_t max_tokens, uint32_t n_ctx, uint32_t n_rows,
                                   suan_error *err);
void suan__step_free(suan__step *step);

/* Rows of logits: f(ctx, i_row, logits [n_vocab]) is called on the calling thread, in order; other than 0 stops with SUAN_STOPPED. */
typedef int suan__row_fn(void *ctx, uint32_t i_row, const float *logits);

/* Runs the tokens ids[0..n_tokens) (inside the vocabulary) at positions pos0.. through the model, fills the cache at those positions, and
 * leaves the last row's logits in suan__step_logits (want_logits). on_row: also hand out each row's. Positions pos0 + n_tokens <=
 * kv->n_ctx. cancel (may be NULL) is looked at between layers: SUAN_STOPPED. Allocates nothing. */
suan_status suan__step_run(suan__step *step, suan__kv *kv, const int32_t *ids, uint32_t n_tokens, uint32_t pos0, bool exact,
                           bool want_logits, suan__row_fn *on_row, void *ctx, const atomic_bool *cancel, suan_error *err);
const float *suan__step_logits(const suan__step *step);
/* Whether nothing is wanted of the runs to come but the cache and the rows of logits that they are asked for. Then the last layer's network is computed for those rows alone, where
 * the family's layers allow it, and suan__step_rows, _normed and _state have nothing to work on. At first: no. */
void suan__step_only_logits(suan__step *step, bool only);
/* Behind a run that did not want them: the logits of its first n_tokens tokens (at most SUAN__LOGIT_ROWS), one row after the other in suan__step_logits. */
#define SUAN__LOGIT_ROWS 16 /* rows of logits computed together */
suan_status suan__step_rows(suan__step *step, uint32_t n_tokens, suan_error *err);

/* One sequence's tokens in a step of several. */
typedef struct suan__segment {
    suan__kv *kv;
    const int32_t *ids; /* [n_tokens], inside the vocabulary */
    uint32_t n_tokens, pos0;
    uint32_t n_logits;  /* rows of logits wanted, of its last tokens: 0 to n_tokens */
    suan_status status; /* out: a value that is not finite in this sequence's tokens fails this sequence alone */
    suan_error error;
} suan__segment;
/* n_rows rows of logits [n_rows][n_vocab], which stand in the step's buffer during the call: the segment of each, and its token in the segment. Segments in order, and their
 * tokens; none of a failed one. Other than 0 stops the run with SUAN_STOPPED. */
typedef int suan__rows_fn(void *ctx, uint32_t n_rows, const float *logits, const uint32_t *segment, const uint32_t *token);
/* Runs all segments in one pass over the weights: n_segments >= 1, n_tokens >= 1 each and max_tokens in all (with DeepSeek-V4, at most SUAN__PAST_STEP of a segment). The
 * caches are of one type and rounding; they may share pages that none of these segments writes. The bits of each sequence are those of a run of its own. The status is of the
 * step as a whole (SUAN_STOPPED, SUAN_EIO, or SUAN_EINVAL where the above does not hold); positions of a segment that failed are not to be used. Rows are handed out on the
 * calling thread, which may use the model's pool meanwhile, in groups as large as the buffer. Allocates nothing. */
suan_status suan__step_run_many(suan__step *step, suan__segment *segments, uint32_t n_segments, bool exact, suan__rows_fn *on_rows,
                                void *ctx, const atomic_bool *cancel, suan_error *err);
/* Behind a run: what the head is multiplied with, before it is rounded (the residual stream behind the last norm), of tokens [first_token, first_token + n) of that run,
 * counted over its segments: out [n][n_embd]. SUAN_ENUMERIC when it is not finite. */
suan_status suan__step_normed(suan__step *step, uint32_t first_token, uint32_t n, float *out, suan_error *err);
/* How many tokens each expert was given, added up over all steps (modulo 2^32): [n_layer][n_expert]; NULL: the model has no experts. */
const uint32_t *suan__step_expert_use(const suan__step *step);
/* The residual stream (or streams) behind the last layer of the last run's tokens: rows of n_embd * max(1, n_stream), until the next run. */
const float *suan__step_state(const suan__step *step);

#endif
