/* kv.c: the memory of the key/value cache. Layout: model.h. */
#include <string.h>

#include "base/checked.h"
#include "model/model.h"

static uint64_t round_up(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

/* Values of one layer: keys (or latent rows), and values. */
static void layer_values(const suan__hparams *hp, uint64_t n_ctx, uint64_t *k, uint64_t *v) {
    *k = n_ctx * hp->n_head_kv * hp->head_dim;
    *v = hp->kv_lora ? 0 : *k;
}

uint64_t suan__kv_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype kv) {
    uint64_t k, v;
    layer_values(hp, round_up(n_ctx, SUAN__ATTN_BLOCK), &k, &v);
    return hp->n_layer * (k + v) * (kv == SUAN__F32 ? 4 : 2);
}

suan_status suan__kv_create(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err) {
    uint64_t k, v, size = type == SUAN__F32 ? 4 : 2;
    memset(kv, 0, sizeof *kv);
    kv->type = type;
    kv->n_ctx = (uint32_t)round_up(n_ctx, SUAN__ATTN_BLOCK);
    layer_values(hp, kv->n_ctx, &k, &v);
    kv->k_layer_bytes = (size_t)(k * size);
    kv->v_layer_bytes = (size_t)(v * size);
    uint64_t bytes = suan__kv_bytes(hp, n_ctx, type);
    kv->k = bytes <= SIZE_MAX / 2 ? suan__pages_alloc((size_t)bytes) : NULL;
    SUAN_CHECK(kv->k, SUAN_ENOMEM, "a cache of %.2f GiB for %u positions cannot be had", (double)bytes / (1 << 30), n_ctx);
    kv->bytes = (size_t)bytes;
    kv->v = v ? kv->k + hp->n_layer * kv->k_layer_bytes : NULL;
    return SUAN_OK;
}

void suan__kv_free(suan__kv *kv) {
    if (kv->k) suan__pages_free(kv->k, kv->bytes);
    memset(kv, 0, sizeof *kv);
}
