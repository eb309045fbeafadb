/* kv.c: the memory of the key/value cache, and rows on their way into it. */
#include "model/kv.h"

#include <string.h>

#include "base/checked.h"
#include "model/compress.h"
#include "model/model.h"

static uint64_t round_up(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

/* A product that stays at its greatest value: no memory is that large, so whoever compares refuses. */
static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t r;
    return suan__mul_u64(a, b, &r) ? r : UINT64_MAX;
}

const char *suan__kv_type_name(suan__dtype type) {
    return type == SUAN__F32 ? "f32" : type == SUAN__F16 ? "f16" : "q8_0";
}

size_t suan__kv_width(suan__dtype type, size_t width) {
    return type == SUAN__Q8_0 ? suan__attn_q8_width(width) : width;
}

size_t suan__kv_row_bytes(suan__dtype type, size_t width) {
    size_t n = suan__kv_width(type, width);
    return type == SUAN__F32 ? n * 4 : type == SUAN__F16 ? n * 2 : n + n / 16;
}

/* Bytes of one layer's keys (or latent rows), which values take again where they are stored apart. */
static uint64_t layer_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype type) {
    uint64_t row = (uint64_t)hp->n_head_kv * suan__kv_row_bytes(type, hp->head_dim); /* both below 2^17 (hparams.c) */
    return times(round_up(n_ctx, SUAN__ATTN_BLOCK), row);
}

/* Bytes of one layer's keys of the indexer. */
static uint64_t index_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype type) {
    return hp->index_topk ? suan__index_layer_bytes(hp, round_up(n_ctx, SUAN__ATTN_BLOCK), type == SUAN__F32) : 0;
}

uint64_t suan__kv_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype type) {
    if (hp->window) {
        suan__layout l = {.base = NULL};
        suan__past past;
        suan__past_place(&l, &past, hp, n_ctx, type);
        return l.overflow ? UINT64_MAX : l.at;
    }
    uint64_t rows = times(layer_bytes(hp, n_ctx, type), (uint64_t)hp->n_layer * (hp->kv_lora ? 1 : 2)), sum;
    return suan__add_u64(rows, times(index_bytes(hp, n_ctx, type), hp->n_layer), &sum) ? sum : UINT64_MAX;
}

suan_status suan__kv_create(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err) {
    uint64_t bytes = suan__kv_bytes(hp, n_ctx, type);
    memset(kv, 0, sizeof *kv);
    kv->k = bytes <= SIZE_MAX / 2 ? suan__pages_alloc((size_t)bytes) : NULL;
    char text[SUAN__BYTES_TEXT];
    SUAN_CHECK(kv->k, SUAN_ENOMEM, "a cache of %s for %u positions cannot be had", suan__bytes_text(text, bytes), n_ctx);
    kv->type = type;
    if (hp->window) {
        suan__layout l = {.base = kv->k};
        kv->past = suan__calloc(1, sizeof *kv->past);
        if (kv->past) suan__past_place(&l, kv->past, hp, n_ctx, type);
        kv->n_ctx = (uint32_t)round_up(n_ctx, SUAN__ATTN_BLOCK);
        kv->bytes = (size_t)bytes;
        if (kv->past) return SUAN_OK;
        suan__kv_free(kv);
        return suan__fail(err, SUAN_ENOMEM, "out of memory for a cache");
    }
    kv->n_ctx = (uint32_t)round_up(n_ctx, SUAN__ATTN_BLOCK);
    kv->bytes = (size_t)bytes;
    kv->k_layer_bytes = (size_t)layer_bytes(hp, n_ctx, type);
    kv->v_layer_bytes = hp->kv_lora ? 0 : kv->k_layer_bytes;
    kv->v = hp->kv_lora ? NULL : kv->k + hp->n_layer * kv->k_layer_bytes;
    kv->index_layer_bytes = (size_t)index_bytes(hp, n_ctx, type);
    kv->index = hp->index_topk ? kv->k + hp->n_layer * (kv->k_layer_bytes + kv->v_layer_bytes) : NULL;
    return SUAN_OK;
}

void suan__kv_free(suan__kv *kv) {
    if (kv->k) suan__pages_free(kv->k, kv->bytes);
    suan__free(kv->past);
    memset(kv, 0, sizeof *kv);
}

/* ---- rows ---- */

size_t suan__kv_scratch_bytes(size_t width) {
    size_t n = suan__attn_q8_width(width);
    return n * sizeof(float) + suan__q8_row_bytes(n, 32);
}

void suan__kv_round_query(const suan__kernels *kn, void *q8, const float *x, size_t width, void *scratch) {
    size_t n = suan__attn_q8_width(width);
    if (n > width) {
        float *padded = scratch;
        memcpy(padded, x, width * sizeof *x);
        memset(padded + width, 0, (n - width) * sizeof *x);
        x = padded;
    }
    kn->quantize_q8_32(q8, x, n);
}

/* The row rounded to q8_0: bytes 128 + q [n] at *bytes, scales [n / 32] at *scales, both in scratch. */
static bool round_q8(const suan__kernels *kn, const float *x, size_t width, void *scratch, unsigned char **bytes, uint16_t **scales) {
    size_t n = suan__attn_q8_width(width);
    unsigned char *q8 = (unsigned char *)scratch + n * sizeof(float);
    if (!kn->all_finite(x, width)) return false;
    suan__kv_round_query(kn, q8, x, width, scratch);
    for (size_t i = 0; i < n; i++) q8[i] ^= 128;
    *bytes = q8;
    *scales = scratch;
    return kn->f32_to_f16(*scales, (const float *)(const void *)(q8 + suan__q8_d_offset(n)), n / 32);
}

bool suan__kv_store_row(const suan__kernels *kn, suan__dtype type, unsigned char *block, uint32_t at, const float *x, size_t width,
                        void *scratch) {
    if (type == SUAN__F32) {
        memcpy(block + at * width * sizeof *x, x, width * sizeof *x);
        return kn->all_finite(x, width);
    }
    if (type == SUAN__F16) return kn->f32_to_f16((uint16_t *)(void *)block + at * width, x, width);
    unsigned char *bytes;
    uint16_t *scales;
    if (!round_q8(kn, x, width, scratch, &bytes, &scales)) return false;
    size_t n = suan__attn_q8_width(width);
    memcpy(block + at * n, bytes, n);
    memcpy(block + SUAN__ATTN_BLOCK * n + at * (n / 16), scales, n / 16);
    return true;
}

bool suan__kv_store_column(const suan__kernels *kn, suan__dtype type, unsigned char *block, uint32_t at, const float *x, size_t width,
                           void *scratch) {
    unsigned char *panel = block + at / SUAN__PANEL * SUAN__PANEL * suan__kv_row_bytes(type, width), *bytes;
    uint32_t column = at % SUAN__PANEL;
    uint16_t *halves = scratch;
    if (type == SUAN__F32) {
        float *to = (float *)(void *)panel + column;
        for (size_t j = 0; j < width; j++) to[j * SUAN__PANEL] = x[j];
        return kn->all_finite(x, width);
    }
    if (type == SUAN__F16) {
        bool fits = kn->f32_to_f16(halves, x, width);
        uint16_t *to = (uint16_t *)(void *)panel + column;
        for (size_t j = 0; j < width; j++) to[j * SUAN__PANEL] = halves[j];
        return fits;
    }
    if (!round_q8(kn, x, width, scratch, &bytes, &halves)) return false;
    size_t n = suan__attn_q8_width(width);
    for (size_t u = 0; u < n / 4; u++) memcpy(panel + (u * SUAN__PANEL + column) * 4, bytes + u * 4, 4);
    for (size_t b = 0; b < n / 32; b++) memcpy(panel + SUAN__PANEL * n + (b * SUAN__PANEL + column) * 2, &halves[b], 2);
    return true;
}

void suan__kv_copy_row(suan__dtype type, unsigned char *to, uint32_t at, const unsigned char *from, uint32_t pos, size_t width) {
    size_t n = suan__kv_width(type, width), row = type == SUAN__Q8_0 ? n : suan__kv_row_bytes(type, width);
    const unsigned char *block = from + pos / SUAN__ATTN_BLOCK * SUAN__ATTN_BLOCK * suan__kv_row_bytes(type, width);
    pos %= SUAN__ATTN_BLOCK;
    memcpy(to + at * row, block + pos * row, row);
    if (type == SUAN__Q8_0) memcpy(to + SUAN__ATTN_BLOCK * n + at * (n / 16), block + SUAN__ATTN_BLOCK * n + pos * (n / 16), n / 16);
}
