/* llama.c: Llama 2 and 3, and Mistral, with a sliding window in every layer or without one.
 *
 * Rows of q and k: half-split rotation in Hugging Face's files, interleaved in GGUF's (the converter permutes them).
 * Source: transformers models/llama; architectures.md section 3. */
#include <stddef.h>
#include <string.h>

#include "kernels/math.h"
#include "model/family.h"

static void read_llama(suan__reader *r, suan__hparams *hp) {
    hp->head_dim = hp->n_head ? hp->n_embd / hp->n_head : 0;
    suan__read_u32(r, "head_dim", "attention.key_length", false, 1, 65536, &hp->head_dim);
    uint32_t v_length = hp->head_dim, window = 0;
    bool bias = false, mlp_bias = false;
    suan__read_u32(r, NULL, "attention.value_length", false, 1, 65536, &v_length);
    suan__read_u32(r, "sliding_window", NULL, false, 1, UINT32_MAX, &window);
    suan__read_u32(r, NULL, "attention.sliding_window", false, 0, UINT32_MAX, &window);
    suan__read_bool(r, "attention_bias", NULL, false, &bias);
    suan__read_bool(r, "mlp_bias", NULL, false, &mlp_bias);
    suan__read_u32(r, NULL, "expert_count", false, 0, 0, &hp->n_expert);
    if (r->status == SUAN_OK && v_length != hp->head_dim)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "value_length %u is not key_length %u", v_length, hp->head_dim);
    const char *type = suan__read_hf_str(r, "model_type");
    if (r->status == SUAN_OK && window < hp->n_ctx_train && window && type && strcmp(type, "llama") == 0)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "sliding_window is %u, below the context of %u, but model_type \"llama\" has no windows",
                          window, hp->n_ctx_train);
    if (window) suan__read_windows(r, hp, window, suan__window_from, 0);
    if (bias || mlp_bias) suan__reader_fail(r, SUAN_EUNSUPPORTED, "%s is true, expected false", bias ? "attention_bias" : "mlp_bias");
    double partial = 1;
    suan__read_f64(r, "rope_parameters.partial_rotary_factor|partial_rotary_factor", NULL, false, 1e-3, 1, &partial);
    hp->n_rot = (uint32_t)(hp->head_dim * partial);
    suan__read_u32(r, NULL, "rope.dimension_count", false, 2, 65536, &hp->n_rot);
    hp->rope_style = suan__reader_is_gguf(r) ? SUAN__ROPE_INTERLEAVED : SUAN__ROPE_HALF;
    suan__read_rope(r, hp, false, NULL);
    hp->attn_scale = (float)(1 / __builtin_sqrt((double)hp->head_dim));
}

static void bind_llama(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    suan__bind_gqa(b, hp, l, i);
    suan__bind_ffn(b, hp, l, i);
}

const suan__family suan__family_llama = {
    .name = "Llama",
    .model_types = (const char *const[]){"llama", "mistral", NULL},
    .gguf_arch = "llama",
    .gguf_interleaves = true,
    .read = read_llama,
    .bind = bind_llama,
    .layer = suan__layer_gqa,
};
