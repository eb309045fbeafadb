/* deepseek.c: DeepSeek-V2 and V2-Lite (softmax router), DeepSeek-V3, R1, V3.1, Moonlight and Kimi K2 (sigmoid router): multi-head latent
 * attention in absorbed form and a mixture of experts with shared ones.
 *
 * GGUF has two dialects of the same weights: attn_kv_b, or its two halves attn_k_b and attn_v_b (then head_count_kv is 1 and key_length the
 * cached row). Source: transformers models/deepseek_v2 and deepseek_v3; the published inference code; architectures.md sections 7 to 9. */
#include <stddef.h>
#include <string.h>

#include "model/family.h"

static void read_mla(suan__reader *r, suan__hparams *hp) {
    suan__read_u32(r, "q_lora_rank", "attention.q_lora_rank", false, 1, 1u << 20, &hp->q_lora);
    suan__read_u32(r, "kv_lora_rank", "attention.kv_lora_rank", true, 1, 65536 - 1024, &hp->kv_lora);
    suan__read_u32(r, "qk_rope_head_dim", "rope.dimension_count", true, 2, 1024, &hp->rope);
    suan__read_u32(r, "qk_nope_head_dim", NULL, true, 1, 32768, &hp->nope);
    suan__read_u32(r, "v_head_dim", NULL, true, 1, 32768, &hp->v_dim);
    if (suan__reader_is_gguf(r)) {
        uint32_t key = 0;
        suan__read_u32(r, NULL, "attention.key_length", true, 1, 65536, &key);
        suan__read_u32(r, NULL, "attention.value_length", true, 1, 65536, &hp->v_dim);
        suan__read_u32(r, NULL, "attention.key_length_mla", false, 1, 65536, &key);
        suan__read_u32(r, NULL, "attention.value_length_mla", false, 1, 65536, &hp->v_dim);
        if (r->status == SUAN_OK && key <= hp->rope)
            suan__reader_fail(r, SUAN_ERANGE, "the key length %u is not above rope.dimension_count %u", key, hp->rope);
        hp->nope = key - hp->rope;
    }
    if (r->status != SUAN_OK) return;
    bool bias = false;
    suan__read_bool(r, "attention_bias", NULL, false, &bias);
    if (bias) suan__reader_fail(r, SUAN_EUNSUPPORTED, "attention_bias is true, expected false");
    hp->n_head_kv = 1;
    hp->head_dim = hp->kv_lora + hp->rope;
    hp->n_rot = hp->rope;
    hp->rope_style = SUAN__ROPE_INTERLEAVED;
    double m = 1;
    suan__read_rope(r, hp, true, &m);
    hp->attn_scale = (float)(m * m / __builtin_sqrt((double)(hp->nope + hp->rope)));
}

/* Group counts that GGUF files of published models leave out. */
static void guess_groups(suan__hparams *hp) {
    if (hp->n_expert == 160) {
        hp->n_group = 8;
        hp->n_group_used = 3;
    } else if (hp->n_expert == 256 && hp->n_layer == 61) {
        hp->n_group = 8;
        hp->n_group_used = 4;
    }
}

static void read_experts(suan__reader *r, suan__hparams *hp) {
    uint32_t first = 0, freq = 1;
    suan__read_u32(r, "n_routed_experts", "expert_count", false, 0, 65536, &hp->n_expert);
    if (r->status != SUAN_OK || hp->n_expert == 0) return;
    suan__read_u32(r, "num_experts_per_tok", "expert_used_count", true, 1, 65536, &hp->n_expert_used);
    suan__read_u32(r, "n_shared_experts", "expert_shared_count", false, 0, 1024, &hp->n_expert_shared);
    suan__read_u32(r, "moe_intermediate_size", "expert_feed_forward_length", true, 1, 1u << 24, &hp->n_ff_exp);
    suan__read_u32(r, "first_k_dense_replace", "leading_dense_block_count", true, 0, 4096, &first);
    suan__read_u32(r, "moe_layer_freq", NULL, false, 1, 4096, &freq);
    /* The family was chosen by it (hparams.c); a kind of router that nobody here knows must not pass for one of the two. */
    uint32_t gating = 0;
    suan__read_u32(r, NULL, "expert_gating_func", false, 0, SUAN__GATING_SIGMOID, &gating);
    if (suan__reader_is_gguf(r)) guess_groups(hp);
    suan__read_u32(r, "n_group", "expert_group_count", false, 1, 65536, &hp->n_group);
    suan__read_u32(r, "topk_group", "expert_group_used_count", false, 1, 65536, &hp->n_group_used);
    suan__read_f32(r, "routed_scaling_factor", "expert_weights_scale", false, -1e6, 1e6, &hp->expert_scale);
    if (hp->expert_scale == 0) hp->expert_scale = 1; /* written by converters for models without one */
    suan__read_bool(r, "norm_topk_prob", "expert_weights_norm", false, &hp->norm_topk);
    suan__set_moe_layers(r, hp, first, freq);
}

static void check_scoring(suan__reader *r, const char *expected, const char *const *methods) {
    const char *s = suan__read_hf_str(r, "scoring_func"), *m = suan__read_hf_str(r, "topk_method");
    if (s && strcmp(s, expected) != 0) suan__reader_fail(r, SUAN_EUNSUPPORTED, "scoring_func is \"%.40s\", expected \"%s\"", s, expected);
    for (; m && *methods; methods++)
        if (strcmp(m, *methods) == 0) return;
    if (m) suan__reader_fail(r, SUAN_EUNSUPPORTED, "topk_method is \"%.40s\", which this model type does not have", m);
}

static void read_v2(suan__reader *r, suan__hparams *hp) {
    hp->gating = SUAN__GATING_SOFTMAX;
    hp->group_score = SUAN__GROUP_MAX;
    read_experts(r, hp);
    read_mla(r, hp);
    const char *method = suan__read_hf_str(r, "topk_method");
    check_scoring(r, "softmax", (const char *const[]){"greedy", "group_limited_greedy", NULL});
    if (!suan__reader_is_gguf(r) && (!method || strcmp(method, "greedy") == 0)) hp->n_group = hp->n_group_used = 1;
}

void suan__read_deepseek_v3(suan__reader *r, suan__hparams *hp) {
    hp->gating = SUAN__GATING_SIGMOID;
    hp->group_score = SUAN__GROUP_TOP2;
    hp->norm_topk = true;
    hp->norm_topk_epsilon = 1e-20f;
    read_experts(r, hp);
    read_mla(r, hp);
    check_scoring(r, "sigmoid", (const char *const[]){"noaux_tc", NULL});
}

void suan__bind_deepseek(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, nq = hp->n_head * (hp->nope + hp->rope);
    suan__bind_vector(b, &l->attn_norm, i, SUAN_NAMES("model.layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight"), d, false);
    if (hp->q_lora) {
        suan__bind_matrix(b, &l->wq_a, i, SUAN_NAMES("model.layers.%u.self_attn.q_a_proj.weight", "blk.%u.attn_q_a.weight"), hp->q_lora, d,
                          false);
        suan__bind_vector(b, &l->q_a_norm, i, SUAN_NAMES("model.layers.%u.self_attn.q_a_layernorm.weight", "blk.%u.attn_q_a_norm.weight"),
                          hp->q_lora, false);
        suan__bind_matrix(b, &l->wq_b, i, SUAN_NAMES("model.layers.%u.self_attn.q_b_proj.weight", "blk.%u.attn_q_b.weight"), nq, hp->q_lora,
                          false);
    } else {
        suan__bind_matrix(b, &l->wq, i, SUAN_NAMES("model.layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight"), nq, d, false);
    }
    suan__bind_matrix(b, &l->wkv_a, i, SUAN_NAMES("model.layers.%u.self_attn.kv_a_proj_with_mqa.weight", "blk.%u.attn_kv_a_mqa.weight"),
                      hp->head_dim, d, false);
    suan__bind_vector(b, &l->kv_a_norm, i, SUAN_NAMES("model.layers.%u.self_attn.kv_a_layernorm.weight", "blk.%u.attn_kv_a_norm.weight"),
                      hp->kv_lora, false);
    suan__bind_kv_b(b, &l->wk_b, &l->wv_b, i);
    suan__bind_matrix(b, &l->wo, i, SUAN_NAMES("model.layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight"), d,
                      hp->n_head * hp->v_dim, false);
    suan__bind_ffn(b, hp, l, i);
}

void suan__layer_deepseek(suan__worker *w, const suan__layer *l, uint32_t i) {
    suan__layer_standard(w, l, i, suan__part_mla);
}

const suan__family suan__family_deepseek_v2 = {
    .name = "DeepSeek-V2",
    .model_types = (const char *const[]){"deepseek_v2", NULL},
    .gguf_arch = "deepseek2",
    .read = read_v2,
    .bind = suan__bind_deepseek,
    .layer = suan__layer_deepseek,
};
const suan__family suan__family_deepseek_v3 = {
    .name = "DeepSeek-V3",
    .model_types = (const char *const[]){"deepseek_v3", "kimi_k2", NULL},
    .gguf_arch = "deepseek2",
    .has_ahead = true,
    .read = suan__read_deepseek_v3,
    .bind = suan__bind_deepseek,
    .layer = suan__layer_deepseek,
};
