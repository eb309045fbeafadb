/* dsv4.c: DeepSeek-V4 Flash and Pro: hyper-connections around every part, a window of keys with compressed rows behind it, experts in every layer, the first layers' chosen by
 * the token's id.
 *
 * The published safetensors have names of their own, without "model."; GGUF's architecture is deepseek4.
 * Source: the published inference code; transformers models/deepseek_v4; llama.cpp's converter; architectures.md section 11. */
#include "model/dsv4.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels/math.h"
#include "model/compress.h"
#include "model/hyper.h"

/* ---- buffers ---- */

void suan__dsv4_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T, uint32_t n_ctx) {
    SUAN__PUT(l, st->q_a, T, hp->q_lora);
    SUAN__PUT(l, st->far_cos, T, hp->n_rot / 2);
    SUAN__PUT(l, st->far_sin, T, hp->n_rot / 2);
    SUAN__PUT(l, st->compressed, T, 2 * (uint64_t)suan__compress_width(SUAN__OVERLAP, hp->head_dim));
    SUAN__PUT(l, st->index_compressed, T, 2 * (uint64_t)suan__compress_width(SUAN__OVERLAP, hp->index_dim));
    SUAN__PUT(l, st->out_low, T, (uint64_t)hp->n_out_group * hp->out_lora);
    SUAN__PUT(l, st->ones, hp->head_dim, 1);
    suan__hyper_place(l, hp, st, T);
    suan__index_place(l, hp, st, T, ((uint64_t)n_ctx / SUAN__OVERLAP + SUAN__ATTN_BLOCK) / SUAN__ATTN_BLOCK * SUAN__ATTN_BLOCK);
}

void suan__dsv4_init(suan__step *st) {
    for (uint32_t i = 0; i < st->model->hp.head_dim; i++) st->ones[i] = 1.0f;
}

uint64_t suan__dsv4_q8_bytes(const suan__hparams *hp, uint64_t T) {
    uint64_t a = T * suan__q8_row_bytes(hp->q_lora, 32), b = T * suan__q8_row_bytes((size_t)hp->n_out_group * hp->out_lora, 32),
             c = T * hp->n_out_group * suan__q8_row_bytes((size_t)hp->n_head / hp->n_out_group * hp->head_dim, 32);
    return a > b ? a > c ? a : c : b > c ? b : c;
}

/* ---- hyperparameters ---- */

/* The i-th of a list of numbers; false when there is none. */
static bool list_at(suan__reader *r, const char *hf, const char *gguf_key, uint64_t i, double *out) {
    if (!suan__reader_is_gguf(r)) {
        const json_t *v = json_array_get(suan__config_get(r->ck, hf), i);
        *out = json_number_value(v);
        return json_is_number(v);
    }
    int64_t integer;
    const suan__gguf_value *v = suan__gguf_find(r->ck->gguf, gguf_key);
    if (!v || i >= v->n) return false;
    if (!suan__gguf_int_at(v, i, &integer)) return suan__gguf_float_at(v, i, out);
    *out = (double)integer;
    return true;
}

/* Entries behind the trunk's layers (for modules that guess ahead) are ignored. */
static void read_ratios(suan__reader *r, suan__hparams *hp) {
    if (r->status != SUAN_OK) return;
    hp->layer_ratio = SUAN_ARENA_NEW(r->arena, uint32_t, hp->n_layer);
    if (!hp->layer_ratio) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer && r->status == SUAN_OK; i++) {
        double ratio;
        if (!list_at(r, "compress_ratios", "deepseek4.attention.compress_ratios", i, &ratio))
            suan__reader_fail(r, SUAN_EFORMAT, "compress_ratios has no number for layer %u", i);
        else if (ratio != 0 && ratio != SUAN__OVERLAP && ratio != SUAN__MARK_UNIT)
            suan__reader_fail(r, SUAN_ERANGE, "compress_ratios[%u] is %g, expected 0, %d or %d", i, ratio, SUAN__OVERLAP, SUAN__MARK_UNIT);
        else
            hp->layer_ratio[i] = (uint32_t)ratio;
    }
}

/* GGUF files say the limit of gated units for each layer, and for shared experts apart; published models have one. */
static void read_limits(suan__reader *r, suan__hparams *hp) {
    suan__read_f32(r, "swiglu_limit", NULL, false, 0, 1e6, &hp->swiglu_limit);
    if (!suan__reader_is_gguf(r)) return;
    static const char *const keys[] = {"deepseek4.swiglu_clamp_exp", "deepseek4.swiglu_clamp_shexp"};
    double limit = 0, other;
    list_at(r, NULL, keys[0], 0, &limit);
    for (int k = 0; k < 2; k++)
        for (uint64_t i = 0; list_at(r, NULL, keys[k], i, &other); i++)
            if (other != limit)
                suan__reader_fail(r, SUAN_EUNSUPPORTED, "%s[%llu] is %g, but others are %g", keys[k], (unsigned long long)i, other, limit);
    if (!(limit >= 0 && limit <= 1e6)) suan__reader_fail(r, SUAN_ERANGE, "%s is %g, expected 0 to 1e6", keys[0], limit);
    hp->swiglu_limit = (float)limit;
}

static void read_experts(suan__reader *r, suan__hparams *hp) {
    uint32_t gating = SUAN__GATING_SQRT_SOFTPLUS;
    hp->norm_topk = true;
    hp->norm_topk_epsilon = 1e-20f;
    suan__read_u32(r, "n_routed_experts", "expert_count", true, 1, 65536, &hp->n_expert);
    suan__read_u32(r, "num_experts_per_tok", "expert_used_count", true, 1, 65536, &hp->n_expert_used);
    suan__read_u32(r, "n_shared_experts", "expert_shared_count", false, 0, 1024, &hp->n_expert_shared);
    suan__read_u32(r, "moe_intermediate_size", "expert_feed_forward_length", true, 1, 1u << 24, &hp->n_ff_exp);
    suan__read_f32(r, "routed_scaling_factor", "expert_weights_scale", false, -1e6, 1e6, &hp->expert_scale);
    suan__read_bool(r, "norm_topk_prob", "expert_weights_norm", false, &hp->norm_topk);
    suan__read_u32(r, NULL, "expert_gating_func", false, SUAN__GATING_SQRT_SOFTPLUS, SUAN__GATING_SQRT_SOFTPLUS, &gating);
    const char *scoring = suan__read_hf_str(r, "scoring_func");
    if (scoring && strcmp(scoring, "sqrtsoftplus") != 0)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "scoring_func is \"%.40s\", expected \"sqrtsoftplus\"", scoring);
    const char *method = suan__read_hf_str(r, "topk_method");
    if (method && strcmp(method, "noaux_tc") != 0)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "topk_method is \"%.40s\", expected \"noaux_tc\"", method);
    hp->gating = SUAN__GATING_SQRT_SOFTPLUS;
    suan__read_u32(r, "num_hash_layers", "hash_layer_count", false, 0, 4096, &hp->n_hash_layer);
    if (r->status == SUAN_OK && hp->n_hash_layer > hp->n_layer)
        suan__reader_fail(r, SUAN_ERANGE, "num_hash_layers is %u, the model has %u layers", hp->n_hash_layer, hp->n_layer);
    suan__set_moe_layers(r, hp, 0, 1);
}

static void read_v4(suan__reader *r, suan__hparams *hp) {
    uint32_t v_length = 0;
    bool has_bias = false;
    read_experts(r, hp);
    suan__read_u32(r, "head_dim", "attention.key_length", true, 2, 32768, &hp->head_dim);
    v_length = hp->head_dim;
    suan__read_u32(r, NULL, "attention.value_length", false, 1, 65536, &v_length);
    suan__read_u32(r, "qk_rope_head_dim", "rope.dimension_count", true, 2, SUAN__DSV4_MAX_ROT, &hp->n_rot);
    suan__read_u32(r, "q_lora_rank", "attention.q_lora_rank", true, 1, 1u << 20, &hp->q_lora);
    suan__read_u32(r, "o_groups", "attention.output_group_count", true, 1, 65536, &hp->n_out_group);
    suan__read_u32(r, "o_lora_rank", "attention.output_lora_rank", true, 1, 1u << 20, &hp->out_lora);
    suan__read_u32(r, "sliding_window", "attention.sliding_window", true, 1, 16384, &hp->window);
    suan__read_u32(r, "hc_mult", "hyper_connection.count", true, 1, SUAN__MAX_STREAMS, &hp->n_stream);
    suan__read_u32(r, "hc_sinkhorn_iters", "hyper_connection.sinkhorn_iterations", true, 1, 1000, &hp->sinkhorn_iters);
    suan__read_f32(r, "hc_eps", "hyper_connection.epsilon", true, 0, 1, &hp->hyper_eps);
    read_limits(r, hp);
    suan__read_indexer(r, hp);
    read_ratios(r, hp);
    if (r->status != SUAN_OK) return;
    suan__read_bool(r, "attention_bias", NULL, false, &has_bias);
    if (has_bias) suan__reader_fail(r, SUAN_EUNSUPPORTED, "attention_bias is true, expected false");
    if (v_length != hp->head_dim) suan__reader_fail(r, SUAN_EUNSUPPORTED, "value_length %u is not key_length %u", v_length, hp->head_dim);
    if (hp->n_head_kv != 1) suan__reader_fail(r, SUAN_EUNSUPPORTED, "the number of key/value heads is %u, expected 1", hp->n_head_kv);
    if (hp->n_head % hp->n_out_group != 0)
        suan__reader_fail(r, SUAN_ERANGE, "the number of attention heads %u is no multiple of o_groups %u", hp->n_head, hp->n_out_group);
    hp->rope_style = hp->index_rope_style = SUAN__ROPE_INTERLEAVED;
    hp->has_rounding = true;
    suan__read_rope_pair(r, hp);
    hp->attn_scale = (float)(1 / sqrt((double)hp->head_dim));
}

/* ---- tensors ---- */

/* Of several names that GGUF files have for a tensor, the one that is there; the first otherwise. */
static suan__names known_as(const suan__binder *b, uint32_t i, suan__names first, const char *gguf2, const char *gguf3) {
    const char *const others[] = {gguf2, gguf3};
    for (int k = 0; k < 2 && !suan__binder_has(b, i, first); k++)
        if (others[k] && suan__binder_has(b, i, SUAN_NAMES(NULL, others[k]))) return SUAN_NAMES(first.hf, others[k]);
    return first;
}

static void bind_hyper(suan__binder *b, const suan__hparams *hp, suan__hyper *hy, uint32_t i, suan__names fn, suan__names base,
                       suan__names scale, bool is_head) {
    uint32_t n = is_head ? hp->n_stream : suan__hyper_mix(hp);
    suan__bind_matrix(b, &hy->fn, i, fn, n, hp->n_stream * hp->n_embd, true);
    suan__bind_vector(b, &hy->base, i, base, n, false);
    suan__bind_vector(b, &hy->scale, i, scale, is_head ? 1 : 3, false);
}

static void bind_attention(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, hd = hp->head_dim;
    suan__bind_vector(b, &l->attn_norm, i, SUAN_NAMES("layers.%u.attn_norm.weight", "blk.%u.attn_norm.weight"), d, false);
    suan__bind_matrix(b, &l->wq_a, i, SUAN_NAMES("layers.%u.attn.wq_a.weight", "blk.%u.attn_q_a.weight"), hp->q_lora, d, false);
    suan__bind_vector(b, &l->q_a_norm, i, SUAN_NAMES("layers.%u.attn.q_norm.weight", "blk.%u.attn_q_a_norm.weight"), hp->q_lora, false);
    suan__bind_matrix(b, &l->wq_b, i, SUAN_NAMES("layers.%u.attn.wq_b.weight", "blk.%u.attn_q_b.weight"), hp->n_head * hd, hp->q_lora,
                      false);
    suan__bind_matrix(b, &l->wkv_a, i,
                      known_as(b, i, SUAN_NAMES("layers.%u.attn.wkv.weight", "blk.%u.attn_kv.weight"), "blk.%u.attn_kv_latent.weight",
                               "blk.%u.attn_kv_a_mqa.weight"),
                      hd, d, false);
    suan__bind_vector(b, &l->kv_a_norm, i, SUAN_NAMES("layers.%u.attn.kv_norm.weight", "blk.%u.attn_kv_a_norm.weight"), hd, false);
    suan__bind_vector(b, &l->sinks, i, SUAN_NAMES("layers.%u.attn.attn_sink", "blk.%u.attn_sinks.weight"), hp->n_head, false);
    suan__bind_slices(b, &l->wo_a, i, SUAN_NAMES("layers.%u.attn.wo_a.weight", "blk.%u.attn_output_a.weight"), hp->n_out_group,
                      hp->out_lora, hp->n_head / hp->n_out_group * hd);
    suan__bind_matrix(b, &l->wo, i, SUAN_NAMES("layers.%u.attn.wo_b.weight", "blk.%u.attn_output_b.weight"), d,
                      hp->n_out_group * hp->out_lora, false);
}

/* The names of a compressor's tensors. */
typedef struct compressor_names {
    suan__names kv, gate, ape, norm;
    const char *kv2, *gate2, *ape2, *norm2; /* GGUF's other ones */
} compressor_names;
static const compressor_names row_names = {
    {"layers.%u.attn.compressor.wkv.weight", "blk.%u.attn_compressor_kv.weight"},
    {"layers.%u.attn.compressor.wgate.weight", "blk.%u.attn_compressor_gate.weight"},
    {"layers.%u.attn.compressor.ape", "blk.%u.attn_compressor_ape.weight"},
    {"layers.%u.attn.compressor.norm.weight", "blk.%u.attn_compressor_norm.weight"},
    "blk.%u.attn_compress_kv.weight",
    "blk.%u.attn_compress_gate.weight",
    "blk.%u.attn_compress_ape.weight",
    "blk.%u.attn_compress_norm.weight",
};
static const compressor_names index_names = {
    {"layers.%u.attn.indexer.compressor.wkv.weight", "blk.%u.indexer_compressor_kv.weight"},
    {"layers.%u.attn.indexer.compressor.wgate.weight", "blk.%u.indexer_compressor_gate.weight"},
    {"layers.%u.attn.indexer.compressor.ape", "blk.%u.indexer_compressor_ape.weight"},
    {"layers.%u.attn.indexer.compressor.norm.weight", "blk.%u.indexer_compressor_norm.weight"},
    "blk.%u.indexer.compress_kv.weight",
    "blk.%u.indexer.compress_gate.weight",
    "blk.%u.indexer.compress_ape.weight",
    "blk.%u.indexer.compress_norm.weight",
};

static void bind_compressor(suan__binder *b, suan__compressor *c, uint32_t i, const compressor_names *n, uint32_t ratio, uint32_t dim,
                            uint32_t d) {
    uint32_t w = suan__compress_width(ratio, dim);
    suan__bind_precise(b, &c->kv, i, known_as(b, i, n->kv, n->kv2, NULL), w, d);
    suan__bind_precise(b, &c->gate, i, known_as(b, i, n->gate, n->gate2, NULL), w, d);
    suan__bind_table(b, &c->ape, i, known_as(b, i, n->ape, n->ape2, NULL), ratio, w);
    suan__bind_vector(b, &c->norm, i, known_as(b, i, n->norm, n->norm2, NULL), dim, false);
}

static void bind_compressors(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, ratio = hp->layer_ratio[i];
    if (ratio) bind_compressor(b, &l->compress, i, &row_names, ratio, hp->head_dim, d);
    if (ratio != SUAN__OVERLAP) return;
    suan__bind_matrix(b, &l->index_q, i, SUAN_NAMES("layers.%u.attn.indexer.wq_b.weight", "blk.%u.indexer.attn_q_b.weight"),
                      hp->n_index_head * hp->index_dim, hp->q_lora, false);
    suan__bind_precise(b, &l->index_w, i, SUAN_NAMES("layers.%u.attn.indexer.weights_proj.weight", "blk.%u.indexer.proj.weight"),
                       hp->n_index_head, d);
    bind_compressor(b, &l->index_compress, i, &index_names, ratio, hp->index_dim, d);
}

static void bind_experts(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, m = hp->n_ff_exp, e = hp->n_expert, s = hp->n_expert_shared * m;
    suan__bind_vector(b, &l->ffn_norm, i, SUAN_NAMES("layers.%u.ffn_norm.weight", "blk.%u.ffn_norm.weight"), d, false);
    suan__bind_matrix(b, &l->router, i, SUAN_NAMES("layers.%u.ffn.gate.weight", "blk.%u.ffn_gate_inp.weight"), e, d, true);
    if (i < hp->n_hash_layer)
        suan__bind_ids(b, &l->hash_experts, i, SUAN_NAMES("layers.%u.ffn.gate.tid2eid", "blk.%u.ffn_gate_tid2eid.weight"), hp->n_vocab,
                       hp->n_expert_used, e);
    else
        suan__bind_vector(b, &l->router_bias, i, SUAN_NAMES("layers.%u.ffn.gate.bias", "blk.%u.exp_probs_b.bias"), e, false);
    suan__bind_experts(b, &l->gate_exps, i, SUAN_NAMES("layers.%u.ffn.experts.%u.w1.weight", "blk.%u.ffn_gate_exps.weight"), e, m, d);
    suan__bind_experts(b, &l->up_exps, i, SUAN_NAMES("layers.%u.ffn.experts.%u.w3.weight", "blk.%u.ffn_up_exps.weight"), e, m, d);
    suan__bind_experts(b, &l->down_exps, i, SUAN_NAMES("layers.%u.ffn.experts.%u.w2.weight", "blk.%u.ffn_down_exps.weight"), e, d, m);
    if (!s) return;
    suan__bind_matrix(b, &l->gate, i, SUAN_NAMES("layers.%u.ffn.shared_experts.w1.weight", "blk.%u.ffn_gate_shexp.weight"), s, d, false);
    suan__bind_matrix(b, &l->up, i, SUAN_NAMES("layers.%u.ffn.shared_experts.w3.weight", "blk.%u.ffn_up_shexp.weight"), s, d, false);
    suan__bind_matrix(b, &l->down, i, SUAN_NAMES("layers.%u.ffn.shared_experts.w2.weight", "blk.%u.ffn_down_shexp.weight"), d, s, false);
}

static void bind_v4(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    bind_hyper(b, hp, &l->hyper_attn, i, SUAN_NAMES("layers.%u.hc_attn_fn", "blk.%u.hc_attn_fn.weight"),
               SUAN_NAMES("layers.%u.hc_attn_base", "blk.%u.hc_attn_base.weight"),
               SUAN_NAMES("layers.%u.hc_attn_scale", "blk.%u.hc_attn_scale.weight"), false);
    bind_hyper(b, hp, &l->hyper_ffn, i, SUAN_NAMES("layers.%u.hc_ffn_fn", "blk.%u.hc_ffn_fn.weight"),
               SUAN_NAMES("layers.%u.hc_ffn_base", "blk.%u.hc_ffn_base.weight"),
               SUAN_NAMES("layers.%u.hc_ffn_scale", "blk.%u.hc_ffn_scale.weight"), false);
    bind_attention(b, hp, l, i);
    bind_compressors(b, hp, l, i);
    bind_experts(b, hp, l, i);
    if (i + 1 < hp->n_layer) return;
    bind_hyper(b, hp, &l->hyper_head, i, SUAN_NAMES("hc_head_fn", "output_hc_fn.weight"),
               SUAN_NAMES("hc_head_base", "output_hc_base.weight"), SUAN_NAMES("hc_head_scale", "output_hc_scale.weight"), true);
}

/* ---- experts ---- */

void suan__sqrt_softplus(float *score, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        double z = (double)score[i], e = suan__exp(z), sum = z > 20 ? z : e < 1e-5 ? e - e * e / 2 : suan__log(1 + e);
        score[i] = sqrtf((float)sum);
    }
}

static void layer_v4(suan__worker *w, const suan__layer *l, uint32_t i) {
    suan__part_hyper_in(w, &l->hyper_attn, l->attn_norm);
    suan__part_dsv4_attention(w, l, i);
    suan__part_hyper_out(w, NULL, false);
    suan__part_hyper_in(w, &l->hyper_ffn, l->ffn_norm);
    suan__part_moe(w, l, i);
    suan__end_op(w);
    suan__part_hyper_out(w, l, true);
}

const suan__family suan__family_deepseek_v4 = {
    .name = "DeepSeek-V4",
    .model_types = (const char *const[]){"deepseek_v4", NULL},
    .gguf_arch = "deepseek4",
    .hf_embd = "embed.weight",
    .hf_norm = "norm.weight",
    .hf_head = "head.weight",
    .hf_layers = "layers.",
    .hf_ahead = "mtp.",
    .has_ahead = true,
    .read = read_v4,
    .bind = bind_v4,
    .layer = layer_v4,
};
