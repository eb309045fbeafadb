/* dsv32.c: DeepSeek-V3.2: DeepSeek-V3 with a lightning indexer in every layer, which chooses the positions that the latent attention sees.
 *
 * The indexer rotates the first values of its vectors in halves, while the main attention rotates neighbours. The published code makes round trips: the indexer's
 * vectors through a Hadamard rotation and fp8, the latent through fp8. GGUF's architecture is deepseek32; older conversions are deepseek2 files without the indexer.
 * Source: transformers models/deepseek_v32; the published inference code; architectures.md section 10. */
#include <stddef.h>

#include "model/family.h"
#include "model/indexer.h"

void suan__read_indexer(suan__reader *r, suan__hparams *hp) {
    suan__read_u32(r, "index_n_heads", "attention.indexer.head_count", true, 1, 1024, &hp->n_index_head);
    suan__read_u32(r, "index_head_dim", "attention.indexer.key_length", true, 2, SUAN__INDEX_MAX_DIM, &hp->index_dim);
    suan__read_u32(r, "index_topk", "attention.indexer.top_k", true, 1, 1u << 20, &hp->index_topk);
}

void suan__bind_indexer(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, dim = hp->index_dim;
    suan__bind_matrix(b, &l->index_q, i, SUAN_NAMES("model.layers.%u.self_attn.indexer.wq_b.weight", "blk.%u.indexer.attn_q_b.weight"),
                      hp->n_index_head * dim, hp->q_lora, false);
    suan__bind_matrix(b, &l->index_k, i, SUAN_NAMES("model.layers.%u.self_attn.indexer.wk.weight", "blk.%u.indexer.attn_k.weight"), dim, d,
                      false);
    suan__bind_precise(b, &l->index_w, i, SUAN_NAMES("model.layers.%u.self_attn.indexer.weights_proj.weight", "blk.%u.indexer.proj.weight"),
                       hp->n_index_head, d);
    suan__bind_vector(b, &l->index_norm, i, SUAN_NAMES("model.layers.%u.self_attn.indexer.k_norm.weight", "blk.%u.indexer.k_norm.weight"),
                      dim, false);
    suan__bind_vector(b, &l->index_norm_bias, i, SUAN_NAMES("model.layers.%u.self_attn.indexer.k_norm.bias", "blk.%u.indexer.k_norm.bias"),
                      dim, false);
}

static void read_v32(suan__reader *r, suan__hparams *hp) {
    suan__read_deepseek_v3(r, hp);
    suan__read_indexer(r, hp);
    if (r->status == SUAN_OK && !hp->q_lora)
        suan__reader_fail(r, SUAN_EFORMAT, "q_lora_rank is missing: the indexer's queries are made from it");
    hp->index_rope_style = SUAN__ROPE_HALF;
    hp->has_rounding = true;
}

static void bind_v32(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    suan__bind_deepseek(b, hp, l, i);
    suan__bind_indexer(b, hp, l, i);
}

const suan__family suan__family_deepseek_v32 = {
    .name = "DeepSeek-V3.2",
    .model_types = (const char *const[]){"deepseek_v32", NULL},
    .gguf_arch = "deepseek32",
    .has_ahead = true,
    .read = read_v32,
    .bind = bind_v32,
    .layer = suan__layer_deepseek,
};
