/* gptoss.c: gpt-oss: grouped-query attention with a sink for each head and a window on every other layer, biases everywhere, a mixture in every layer whose weights are a softmax
 * over the chosen, and experts with a clamped activation of their own.
 *
 * Directories have all experts of a layer in one tensor, gate and up interleaved, as MXFP4 blocks or floats (formats/views.h). YaRN's range is not rounded to whole pairs, which
 * GGUF files have no key for. Source: transformers models/gpt_oss; families.md section 4. */
#include <stddef.h>

#include "model/family.h"

#define ALPHA 1.702 /* swiglu_alpha where nothing says it */
#define LIMIT 7.0   /* swiglu_limit, which GGUF files leave out */

static bool is_even(uint32_t i_layer, uint32_t arg) {
    return i_layer % 2 == arg;
}

static void read_gpt_oss(suan__reader *r, suan__hparams *hp) {
    uint32_t v_length, window = 0;
    suan__read_u32(r, "head_dim", "attention.key_length", true, 1, 65536, &hp->head_dim);
    v_length = hp->head_dim;
    suan__read_u32(r, NULL, "attention.value_length", false, 1, 65536, &v_length);
    if (r->status == SUAN_OK && v_length != hp->head_dim)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "value_length %u is not key_length %u", v_length, hp->head_dim);
    hp->has_qkv_bias = true;
    if (!suan__reader_is_gguf(r)) suan__read_bool(r, "attention_bias", NULL, false, &hp->has_qkv_bias);
    if (!hp->has_qkv_bias) suan__reader_fail(r, SUAN_EUNSUPPORTED, "attention_bias is false, expected true");
    suan__read_u32(r, "num_local_experts|num_experts", "expert_count", true, 1, 65536, &hp->n_expert);
    suan__read_u32(r, "num_experts_per_tok|experts_per_token", "expert_used_count", true, 1, 65536, &hp->n_expert_used);
    suan__read_u32(r, "intermediate_size", "expert_feed_forward_length", true, 1, 1u << 24, &hp->n_ff_exp);
    hp->n_ff = 0; /* no layer is dense */
    hp->gating = SUAN__GATING_CHOSEN;
    hp->swiglu_alpha = (float)ALPHA;
    hp->swiglu_limit = (float)LIMIT;
    suan__read_f32(r, "swiglu_alpha", NULL, false, 1e-3, 1e3, &hp->swiglu_alpha);
    suan__read_f32(r, "swiglu_limit", NULL, false, 1e-3, 1e6, &hp->swiglu_limit);
    suan__set_moe_layers(r, hp, 0, 1);
    suan__read_u32(r, "sliding_window", "attention.sliding_window", true, 1, UINT32_MAX, &window);
    suan__read_windows(r, hp, window, is_even, 0);
    hp->n_rot = hp->head_dim;
    suan__read_u32(r, NULL, "rope.dimension_count", false, 2, 65536, &hp->n_rot);
    hp->rope_style = SUAN__ROPE_HALF;
    suan__read_rope(r, hp, false, NULL);
    hp->attn_scale = (float)(1 / __builtin_sqrt((double)hp->head_dim));
}

static void bind_experts(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, m = hp->n_ff_exp, e = hp->n_expert;
    suan__bind_matrix(b, &l->router, i, SUAN_NAMES("model.layers.%u.mlp.router.weight", "blk.%u.ffn_gate_inp.weight"), e, d, true);
    suan__bind_vector(b, &l->router.bias, i, SUAN_NAMES("model.layers.%u.mlp.router.bias", "blk.%u.ffn_gate_inp.bias"), e, false);
    suan__bind_experts(b, &l->gate_exps, i, SUAN_NAMES("model.layers.%u.mlp.experts.gate_proj.weight", "blk.%u.ffn_gate_exps.weight"), e, m,
                       d);
    suan__bind_table(b, &l->gate_exps.bias, i, SUAN_NAMES("model.layers.%u.mlp.experts.gate_proj.bias", "blk.%u.ffn_gate_exps.bias"), e, m);
    suan__bind_experts(b, &l->up_exps, i, SUAN_NAMES("model.layers.%u.mlp.experts.up_proj.weight", "blk.%u.ffn_up_exps.weight"), e, m, d);
    suan__bind_table(b, &l->up_exps.bias, i, SUAN_NAMES("model.layers.%u.mlp.experts.up_proj.bias", "blk.%u.ffn_up_exps.bias"), e, m);
    suan__bind_experts(b, &l->down_exps, i, SUAN_NAMES("model.layers.%u.mlp.experts.down_proj.weight", "blk.%u.ffn_down_exps.weight"), e, d,
                       m);
    suan__bind_table(b, &l->down_exps.bias, i, SUAN_NAMES("model.layers.%u.mlp.experts.down_proj_bias", "blk.%u.ffn_down_exps.bias"), e, d);
}

static void bind_gpt_oss(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    suan__bind_gqa(b, hp, l, i);
    suan__bind_vector(b, &l->wo.bias, i, SUAN_NAMES("model.layers.%u.self_attn.o_proj.bias", "blk.%u.attn_output.bias"), hp->n_embd, false);
    suan__bind_vector(b, &l->sinks, i, SUAN_NAMES("model.layers.%u.self_attn.sinks", "blk.%u.attn_sinks.weight"), hp->n_head, false);
    suan__bind_vector(b, &l->ffn_norm, i,
                      SUAN_NAMES("model.layers.%u.post_attention_layernorm.weight", "blk.%u.post_attention_norm.weight"), hp->n_embd,
                      false);
    bind_experts(b, hp, l, i);
}

const suan__family suan__family_gpt_oss = {
    .name = "gpt-oss",
    .model_types = (const char *const[]){"gpt_oss", NULL},
    .gguf_arch = "gpt-oss",
    .read = read_gpt_oss,
    .bind = bind_gpt_oss,
    .layer = suan__layer_gqa,
};
