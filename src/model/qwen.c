/* qwen.c: Qwen2 and Qwen2.5 (biases on q, k, v), Qwen3 (norms on the heads of q and k), Qwen3-MoE.
 *
 * Half-split rotation in both containers.
 * Source: transformers models/qwen2, qwen3, qwen3_moe; architectures.md sections 4 to 6. */
#include <jansson.h>
#include <stddef.h>

#include "model/family.h"

/* The first layers see everything; of mixtures all layers have the window. */
static void read_qwen_windows(suan__reader *r, suan__hparams *hp) {
    bool has_window = false;
    uint32_t window = 4096, first = hp->n_expert ? 0 : 28; /* transformers' class defaults */
    suan__read_bool(r, "use_sliding_window", NULL, false, &has_window);
    if (has_window) suan__read_u32(r, "sliding_window", NULL, false, 1, UINT32_MAX, &window);
    if (has_window && !hp->n_expert) suan__read_u32(r, "max_window_layers", NULL, false, 0, 65536, &first);
    if (suan__reader_is_gguf(r)) {
        window = first = 0;
        suan__read_u32(r, NULL, "attention.sliding_window", false, 0, UINT32_MAX, &window);
        has_window = window > 0;
    }
    if (has_window) suan__read_windows(r, hp, window, suan__window_from, first);
}

static void read_qwen(suan__reader *r, suan__hparams *hp) {
    hp->head_dim = hp->n_head ? hp->n_embd / hp->n_head : 0;
    suan__read_u32(r, "head_dim", "attention.key_length", false, 1, 65536, &hp->head_dim);
    uint32_t v_length = hp->head_dim;
    suan__read_u32(r, NULL, "attention.value_length", false, 1, 65536, &v_length);
    if (r->status == SUAN_OK && v_length != hp->head_dim)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "value_length %u is not key_length %u", v_length, hp->head_dim);
    read_qwen_windows(r, hp);
    double partial = 1;
    suan__read_f64(r, "rope_parameters.partial_rotary_factor|partial_rotary_factor", NULL, false, 1e-3, 1, &partial);
    hp->n_rot = (uint32_t)(hp->head_dim * partial);
    suan__read_u32(r, NULL, "rope.dimension_count", false, 2, 65536, &hp->n_rot);
    hp->rope_style = SUAN__ROPE_HALF;
    suan__read_rope(r, hp, false, NULL);
    hp->attn_scale = (float)(1 / __builtin_sqrt((double)hp->head_dim));
}

static void read_qwen2(suan__reader *r, suan__hparams *hp) {
    hp->has_qkv_bias = true;
    read_qwen(r, hp);
}

static void read_qwen3(suan__reader *r, suan__hparams *hp) {
    hp->has_qk_norm = true;
    bool bias = false;
    suan__read_bool(r, "attention_bias", NULL, false, &bias);
    if (bias) suan__reader_fail(r, SUAN_EUNSUPPORTED, "attention_bias is true, expected false");
    /* transformers' class default where config.json has no head_dim */
    read_qwen(r, hp);
    if (r->status == SUAN_OK && !suan__reader_is_gguf(r) && !suan__config_get(r->ck, "head_dim"))
        suan__reader_fail(r, SUAN_EFORMAT, "head_dim is missing");
}

/* mlp_only_layers lists dense layers; of the others every decoder_sparse_step-th is a mixture. */
static void read_mlp_only_layers(suan__reader *r, suan__hparams *hp, uint32_t step) {
    if (r->status != SUAN_OK || !hp->layer_is_moe) return;
    for (uint32_t i = 0; i < hp->n_layer; i++) hp->layer_is_moe[i] = (i + 1) % step == 0;
    const json_t *list = suan__reader_is_gguf(r) ? NULL : suan__config_get(r->ck, "mlp_only_layers");
    if (!list) return;
    size_t i;
    json_t *item;
    if (!json_is_array(list)) suan__reader_fail(r, SUAN_EFORMAT, "mlp_only_layers is no list");
    json_array_foreach((json_t *)list, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 || json_integer_value(item) >= hp->n_layer)
            suan__reader_fail(r, SUAN_ERANGE, "mlp_only_layers[%zu] is no layer", i);
        else
            hp->layer_is_moe[json_integer_value(item)] = false;
    }
}

static void read_qwen3_moe(suan__reader *r, suan__hparams *hp) {
    uint32_t step = 1;
    suan__read_u32(r, "num_experts|n_routed_experts", "expert_count", true, 1, 65536, &hp->n_expert);
    suan__read_u32(r, "num_experts_per_tok", "expert_used_count", true, 1, 65536, &hp->n_expert_used);
    suan__read_u32(r, "moe_intermediate_size", "expert_feed_forward_length", true, 1, 1u << 24, &hp->n_ff_exp);
    suan__read_u32(r, "decoder_sparse_step", NULL, false, 1, 4096, &step);
    hp->gating = SUAN__GATING_SOFTMAX;
    /* GGUF has no key for it; every released model has it on. config.json's absent key means off, as in transformers. */
    hp->norm_topk = suan__reader_is_gguf(r);
    suan__read_bool(r, "norm_topk_prob", "expert_weights_norm", false, &hp->norm_topk);
    suan__set_moe_layers(r, hp, 0, 1);
    read_mlp_only_layers(r, hp, step);
    read_qwen3(r, hp);
}

static void bind_qwen(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    suan__bind_gqa(b, hp, l, i);
    suan__bind_ffn(b, hp, l, i);
}

const suan__family suan__family_qwen2 = {
    .name = "Qwen2",
    .model_types = (const char *const[]){"qwen2", NULL},
    .gguf_arch = "qwen2",
    .read = read_qwen2,
    .bind = bind_qwen,
    .layer = suan__layer_gqa,
};
const suan__family suan__family_qwen3 = {
    .name = "Qwen3",
    .model_types = (const char *const[]){"qwen3", NULL},
    .gguf_arch = "qwen3",
    .read = read_qwen3,
    .bind = bind_qwen,
    .layer = suan__layer_gqa,
};
const suan__family suan__family_qwen3_moe = {
    .name = "Qwen3-MoE",
    .model_types = (const char *const[]){"qwen3_moe", NULL},
    .gguf_arch = "qwen3moe",
    .read = read_qwen3_moe,
    .bind = bind_qwen,
    .layer = suan__layer_gqa,
};
