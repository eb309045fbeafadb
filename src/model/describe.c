/* describe.c: a model's hyperparameters as GGUF metadata, in the words of llama.cpp's converter.
 *
 * Values that the reader of config.json already made one of (hparams.c) are taken from there; scalings of RoPE are read again, since
 * frequencies are all that is left of them. Source of keys and types: gguf-py constants, convert_hf_to_gguf.py; architectures.md section 16.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/f16.h"
#include "kernels/math.h"
#include "model/family.h"
#include "model/plan.h"

typedef struct describer {
    suan__gguf_writer *w;
    const suan__family *family;
    const suan__hparams *hp;
    const suan__checkpoint *ck;
    suan_error *err;
    suan_status status; /* the first failure; later calls do nothing */
} describer;

static const char *key(const describer *d, const char *name, char text[128]) {
    snprintf(text, 128, "%s.%s", d->family->gguf_arch, name);
    return text;
}

static void put_u32(describer *d, const char *name, uint32_t v) {
    char text[128];
    if (d->status == SUAN_OK) d->status = suan__gguf_put_u32(d->w, key(d, name, text), v, d->err);
}

static void put_f32(describer *d, const char *name, double v) {
    char text[128];
    if (d->status == SUAN_OK) d->status = suan__gguf_put_f32(d->w, key(d, name, text), (float)v, d->err);
}

static void put_bool(describer *d, const char *name, bool v) {
    char text[128];
    if (d->status == SUAN_OK) d->status = suan__gguf_put_bool(d->w, key(d, name, text), v, d->err);
}

static void put_str(describer *d, const char *name, const char *v) {
    char text[128];
    if (d->status == SUAN_OK) d->status = suan__gguf_put_str(d->w, key(d, name, text), v, strlen(v), d->err);
}

static void no_key(describer *d, const char *what) {
    if (d->status == SUAN_OK) d->status = suan__fail(d->err, SUAN_EUNSUPPORTED, "%s: %s, which a GGUF file cannot say", d->ck->path, what);
}

/* ---- RoPE ---- */

/* The value of a scaling's key, wherever the scaling stands; `missing` when it is not there. */
static double scaling_value(describer *d, const char *name, double missing) {
    static const char *const bases[] = {"rope_parameters", "rope_scaling"};
    double v = missing;
    for (int i = 1; i >= 0 && d->status == SUAN_OK; i--) { /* the newer spelling wins */
        char text[128];
        snprintf(text, sizeof text, "%s.%s", bases[i], name);
        d->status = suan__config_f64(d->ck, text, false, &v, d->err);
    }
    return v;
}

static const char *scaling_type(describer *d) {
    static const char *const keys[] = {"rope_parameters.rope_type", "rope_parameters.type", "rope_scaling.rope_type", "rope_scaling.type"};
    const char *type = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !type && d->status == SUAN_OK; i++)
        d->status = suan__config_str(d->ck, keys[i], false, &type, d->err);
    return type ? type : "default";
}

static double magnitude(double s, double k) {
    return s <= 1 ? 1.0 : 0.1 * k * suan__log(s) + 1.0;
}

/* What the reader of a GGUF file makes of the key, f32, must be the scale of the softmax that config.json gives, to the bit: of the f32
 * values around 0.1 * all_dim the first that does it. */
static float log_multiplier(const suan__hparams *hp, double factor, double all_dim) {
    float nearest = (float)(0.1 * all_dim);
    for (int i = 0; i < 16; i++) {
        float f = suan__f32_from_bits(suan__f32_bits(nearest) + (uint32_t)(i % 2 ? (i + 1) / 2 : -(i / 2)));
        double m = magnitude(factor, 10 * (double)f);
        if ((float)(m * m / sqrt((double)(hp->nope + hp->rope))) == hp->attn_scale) return f;
    }
    return nearest;
}

static void put_yarn(describer *d) {
    const suan__hparams *hp = d->hp;
    double factor = scaling_value(d, "factor", 1), original = scaling_value(d, "original_max_position_embeddings", 0);
    double fast = scaling_value(d, "beta_fast", 32), slow = scaling_value(d, "beta_slow", 1);
    double all_dim = scaling_value(d, "mscale_all_dim", 0);
    bool truncate = true;
    if (d->status == SUAN_OK) d->status = suan__config_bool(d->ck, "rope_scaling.truncate", false, &truncate, d->err);
    if (d->status == SUAN_OK) d->status = suan__config_bool(d->ck, "rope_parameters.truncate", false, &truncate, d->err);
    /* There is no key: readers of gpt-oss take one for granted, those of all others the other. */
    if (truncate && hp->gating == SUAN__GATING_CHOSEN) no_key(d, "gpt-oss's YaRN with truncate true");
    if (!truncate && hp->gating != SUAN__GATING_CHOSEN) no_key(d, "YaRN with truncate false");
    if (original < 1 || original > UINT32_MAX) no_key(d, "YaRN's original_max_position_embeddings is no length");
    if (d->status != SUAN_OK) return;
    put_str(d, "rope.scaling.type", "yarn");
    put_f32(d, "rope.scaling.factor", factor);
    put_u32(d, "rope.scaling.original_context_length", (uint32_t)original);
    if (hp->kv_lora || hp->window || hp->gating == SUAN__GATING_CHOSEN || fast != 32 || slow != 1) {
        put_f32(d, "rope.scaling.yarn_beta_fast", fast);
        put_f32(d, "rope.scaling.yarn_beta_slow", slow);
    }
    /* DeepSeek's way: the magnitude goes into the scale of the softmax, and cos and sin keep theirs. */
    if (hp->kv_lora && all_dim > 0) {
        if (hp->rope_factor != 1) no_key(d, "YaRN with mscale other than mscale_all_dim");
        put_f32(d, "rope.scaling.yarn_log_multiplier", log_multiplier(hp, factor, all_dim));
    } else if (!hp->window && fabs(hp->rope_factor - magnitude(factor, 1)) > 1e-12) {
        put_f32(d, "rope.scaling.attn_factor", hp->rope_factor / magnitude(factor, 1));
    }
}

static void put_rope(describer *d) {
    const char *type = scaling_type(d);
    put_f32(d, "rope.freq_base", d->hp->rope_theta);
    put_u32(d, "rope.dimension_count", d->hp->n_rot);
    if (strcmp(type, "linear") == 0) {
        put_str(d, "rope.scaling.type", "linear");
        put_f32(d, "rope.scaling.factor", scaling_value(d, "factor", 1));
    } else if (strcmp(type, "yarn") == 0) {
        put_yarn(d);
    }
}

/* ---- attention and experts ---- */

static void put_attention(describer *d, bool split_kv_b) {
    const suan__hparams *hp = d->hp;
    put_u32(d, "attention.head_count", hp->n_head);
    put_f32(d, "attention.layer_norm_rms_epsilon", hp->rms_eps);
    if (!hp->kv_lora) {
        put_u32(d, "attention.head_count_kv", hp->n_head_kv);
        put_u32(d, "attention.key_length", hp->head_dim);
        put_u32(d, "attention.value_length", hp->head_dim);
        return;
    }
    put_u32(d, "attention.head_count_kv", split_kv_b ? 1 : hp->n_head);
    if (hp->q_lora) put_u32(d, "attention.q_lora_rank", hp->q_lora);
    put_u32(d, "attention.kv_lora_rank", hp->kv_lora);
    put_u32(d, "attention.key_length", split_kv_b ? hp->kv_lora + hp->rope : hp->nope + hp->rope);
    put_u32(d, "attention.value_length", split_kv_b ? hp->kv_lora : hp->v_dim);
    if (!split_kv_b) return;
    put_u32(d, "attention.key_length_mla", hp->nope + hp->rope);
    put_u32(d, "attention.value_length_mla", hp->v_dim);
}

/* A value for each layer. */
static void put_array(describer *d, const char *name, suan__gguf_type type, const void *values) {
    char text[128];
    if (d->status == SUAN_OK) d->status = suan__gguf_put(d->w, key(d, name, text), SUAN__GGUF_ARRAY, type, values, d->hp->n_layer, d->err);
}

/* The window, and the layers that have it where those are not the ones that the architecture takes for granted. */
static void put_windows(describer *d) {
    const suan__hparams *hp = d->hp;
    uint32_t window = 0, n_windowed = 0, n_alternating = 0;
    for (uint32_t i = 0; hp->layer_window && i < hp->n_layer; i++) {
        if (hp->layer_window[i]) window = hp->layer_window[i];
        n_windowed += hp->layer_window[i] != 0;
        n_alternating += (hp->layer_window[i] != 0) == (i % 2 == 0);
    }
    if (!window) return;
    put_u32(d, "attention.sliding_window", window);
    if (hp->gating == SUAN__GATING_CHOSEN ? n_alternating == hp->n_layer : n_windowed == hp->n_layer) return;
    bool *pattern = suan__malloc(hp->n_layer * sizeof *pattern);
    for (uint32_t i = 0; pattern && i < hp->n_layer; i++) pattern[i] = hp->layer_window[i] != 0;
    if (pattern)
        put_array(d, "attention.sliding_window_pattern", SUAN__GGUF_BOOL, pattern);
    else if (d->status == SUAN_OK)
        d->status = suan__fail(d->err, SUAN_ENOMEM, "%s: out of memory", d->ck->path);
    suan__free(pattern);
}

static void put_indexer(describer *d) {
    const suan__hparams *hp = d->hp;
    if (!hp->index_topk) return;
    if (hp->layer_has_index) put_array(d, "attention.indexer.types", SUAN__GGUF_BOOL, hp->layer_has_index);
    put_u32(d, "attention.indexer.head_count", hp->n_index_head);
    put_u32(d, "attention.indexer.key_length", hp->index_dim);
    put_u32(d, "attention.indexer.top_k", hp->index_topk);
}

/* What only DeepSeek-V4 has. */
static void put_compressed(describer *d) {
    const suan__hparams *hp = d->hp;
    if (!hp->window) return;
    double far_base = 0;
    if (d->status == SUAN_OK) d->status = suan__config_f64(d->ck, "compress_rope_theta", true, &far_base, d->err);
    float *limits = suan__malloc(hp->n_layer * sizeof *limits);
    if (!limits) {
        if (d->status == SUAN_OK) d->status = suan__fail(d->err, SUAN_ENOMEM, "%s: out of memory", d->ck->path);
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer; i++) limits[i] = hp->swiglu_limit;
    put_u32(d, "attention.q_lora_rank", hp->q_lora);
    put_u32(d, "attention.sliding_window", hp->window);
    put_u32(d, "attention.output_group_count", hp->n_out_group);
    put_u32(d, "attention.output_lora_rank", hp->out_lora);
    put_array(d, "attention.compress_ratios", SUAN__GGUF_I32, hp->layer_ratio);
    put_f32(d, "attention.compress_rope_freq_base", far_base);
    put_u32(d, "hyper_connection.count", hp->n_stream);
    put_u32(d, "hyper_connection.sinkhorn_iterations", hp->sinkhorn_iters);
    put_f32(d, "hyper_connection.epsilon", (double)hp->hyper_eps);
    put_u32(d, "hash_layer_count", hp->n_hash_layer);
    put_array(d, "swiglu_clamp_exp", SUAN__GGUF_F32, limits);
    put_array(d, "swiglu_clamp_shexp", SUAN__GGUF_F32, limits);
    put_u32(d, "embedding_length_out", hp->n_embd * hp->n_stream);
    suan__free(limits);
}

static void put_experts(describer *d) {
    const suan__hparams *hp = d->hp;
    uint32_t first = 0;
    if (!hp->layer_is_moe) return;
    while (first < hp->n_layer && !hp->layer_is_moe[first]) first++;
    for (uint32_t i = first; i < hp->n_layer; i++)
        if (!hp->layer_is_moe[i]) no_key(d, "dense layers behind layers with experts");
    if (!hp->kv_lora && first > 0) no_key(d, "dense layers before layers with experts");
    put_u32(d, "expert_count", hp->n_expert);
    put_u32(d, "expert_used_count", hp->n_expert_used);
    put_u32(d, "expert_feed_forward_length", hp->n_ff_exp);
    if (!hp->kv_lora && !hp->window) { /* Qwen3-MoE: what the keys below would say is what its readers take for granted */
        if (!hp->norm_topk) put_bool(d, "expert_weights_norm", false);
        return;
    }
    if (!hp->window) put_u32(d, "leading_dense_block_count", first);
    put_u32(d, "expert_shared_count", hp->n_expert_shared);
    put_f32(d, "expert_weights_scale", hp->expert_scale);
    if (hp->norm_topk || hp->gating != SUAN__GATING_SOFTMAX) put_bool(d, "expert_weights_norm", hp->norm_topk);
    put_u32(d, "expert_gating_func", hp->gating);
    if (hp->window) return;
    put_u32(d, "expert_group_count", hp->n_group);
    put_u32(d, "expert_group_used_count", hp->n_group_used);
}

suan_status suan__plan_describe(suan__gguf_writer *w, const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck,
                                bool split_kv_b, suan_error *err) {
    describer d = {.w = w, .family = family, .hp = hp, .ck = ck, .err = err, .status = SUAN_OK};
    SUAN_TRY(suan__gguf_put_str(w, "general.architecture", family->gguf_arch, strlen(family->gguf_arch), err));
    SUAN_TRY(suan__gguf_put_str(w, "general.type", "model", 5, err));
    put_u32(&d, "vocab_size", hp->n_vocab);
    put_u32(&d, "block_count", hp->n_layer);
    put_u32(&d, "context_length", hp->n_ctx_train);
    put_u32(&d, "embedding_length", hp->n_embd);
    /* A model with experts in every layer may do without, but not its readers. */
    put_u32(&d, "feed_forward_length", hp->n_ff ? hp->n_ff : hp->n_ff_exp);
    put_attention(&d, split_kv_b);
    put_windows(&d);
    put_indexer(&d);
    put_compressed(&d);
    put_experts(&d);
    put_rope(&d);
    return d.status;
}
