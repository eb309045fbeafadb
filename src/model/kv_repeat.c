/* kv_repeat.c: a cache that looks long: the entries of its first block of positions over and over, for measurements. */
#include <string.h>

#include "model/cost.h"

typedef struct repeat {
    const suan__model *model;
    suan__kv *kv;
    uint32_t n_pos;
} repeat;

/* Copies the first `bytes` of a run of positions behind themselves until `all` bytes are there. */
static void copy_on(unsigned char *p, size_t bytes, size_t all) {
    for (size_t at = bytes; at < all; at += bytes) memcpy(p + at, p, all - at < bytes ? all - at : bytes);
}

/* Blocks of positions follow each other in every head of every layer, whatever is inside them; see suan__kv. Threads take layers. */
static void repeat_thread(void *ctx, int i_thread, int n_threads) {
    const repeat *r = ctx;
    const suan__hparams *hp = &r->model->hp;
    const suan__kv *kv = r->kv;
    uint32_t n_heads = hp->kv_lora ? 1 : hp->n_head_kv, all = kv->n_ctx / SUAN__ATTN_BLOCK,
             n = (r->n_pos + SUAN__ATTN_BLOCK - 1) / SUAN__ATTN_BLOCK;
    size_t k_head = kv->k_layer_bytes / n_heads, v_head = kv->v_layer_bytes / n_heads;
    size_t k_block = k_head / all, v_block = v_head / all;
    size_t index_block = kv->index_layer_bytes / all;
    for (uint32_t i = (uint32_t)i_thread; i < hp->n_layer; i += (uint32_t)n_threads) {
        if (kv->index) copy_on(kv->index + i * kv->index_layer_bytes, index_block, index_block * n);
        for (uint32_t h = 0; h < n_heads; h++) {
            copy_on(kv->k + i * kv->k_layer_bytes + h * k_head, k_block, k_block * n);
            if (kv->v) copy_on(kv->v + i * kv->v_layer_bytes + h * v_head, v_block, v_block * n);
        }
    }
}

void suan__kv_repeat(suan__kv *kv, const suan__model *model, uint32_t n_pos) {
    repeat r = {model, kv, n_pos};
    suan__pool_run(model->pool, repeat_thread, &r);
}
