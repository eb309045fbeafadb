/* kv.c: the memory of the key/value cache. Layout: model.h. */
#include <string.h>

#include "base/checked.h"
#include "model/model.h"

static uint64_t round_up(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

/* A product that stays at its greatest value: no memory is that large, so whoever compares refuses. */
static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t r;
    return suan__mul_u64(a, b, &r) ? r : UINT64_MAX;
}

/* Bytes of one layer's keys (or latent rows), which values take again where they are stored apart. */
static uint64_t layer_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype kv) {
    uint64_t row = (uint64_t)hp->n_head_kv * hp->head_dim * (kv == SUAN__F32 ? 4 : 2); /* both below 2^17 (hparams.c) */
    return times(round_up(n_ctx, SUAN__ATTN_BLOCK), row);
}

uint64_t suan__kv_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype kv) {
    return times(layer_bytes(hp, n_ctx, kv), (uint64_t)hp->n_layer * (hp->kv_lora ? 1 : 2));
}

suan_status suan__kv_create(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err) {
    uint64_t bytes = suan__kv_bytes(hp, n_ctx, type);
    memset(kv, 0, sizeof *kv);
    kv->k = bytes <= SIZE_MAX / 2 ? suan__pages_alloc((size_t)bytes) : NULL;
    char text[SUAN__BYTES_TEXT];
    SUAN_CHECK(kv->k, SUAN_ENOMEM, "a cache of %s for %u positions cannot be had", suan__bytes_text(text, bytes), n_ctx);
    kv->type = type;
    kv->n_ctx = (uint32_t)round_up(n_ctx, SUAN__ATTN_BLOCK);
    kv->bytes = (size_t)bytes;
    kv->k_layer_bytes = (size_t)layer_bytes(hp, n_ctx, type);
    kv->v_layer_bytes = hp->kv_lora ? 0 : kv->k_layer_bytes;
    kv->v = hp->kv_lora ? NULL : kv->k + hp->n_layer * kv->k_layer_bytes;
    return SUAN_OK;
}

void suan__kv_free(suan__kv *kv) {
    if (kv->k) suan__pages_free(kv->k, kv->bytes);
    memset(kv, 0, sizeof *kv);
}
