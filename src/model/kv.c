/* kv.c: the memory of the key/value cache, and rows on their way into it. */
#include "model/kv.h"

#include <string.h>

#include "base/checked.h"
#include "model/compress.h"
#include "model/model.h"

#define PAGE_UNIT 4096 /* pages that others own begin and end with those of the memory */

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

/* The parts of a layer in a page: `heads` of keys and, where they are stored apart, of values, then the indexer's keys. Widths are below 2^17 and heads too (hparams.c). */
static uint64_t block_bytes(const suan__hparams *hp, suan__dtype type) {
    return SUAN__ATTN_BLOCK * (uint64_t)suan__kv_row_bytes(type, hp->head_dim);
}
static uint64_t heads_bytes(const suan__hparams *hp, suan__dtype type) {
    return (hp->kv_lora ? 1 : 2 * (uint64_t)hp->n_head_kv) * block_bytes(hp, type);
}
static uint64_t layer_bytes(const suan__hparams *hp, suan__dtype type) {
    return heads_bytes(hp, type) + (hp->index_topk ? suan__index_layer_bytes(hp, SUAN__ATTN_BLOCK, type == SUAN__F32) : 0);
}

static uint64_t n_blocks(uint32_t n_ctx) {
    return round_up(n_ctx, SUAN__ATTN_BLOCK) / SUAN__ATTN_BLOCK;
}

uint64_t suan__kv_bytes(const suan__hparams *hp, uint32_t n_ctx, suan__dtype type) {
    if (!hp->window) return times(times(layer_bytes(hp, type), hp->n_layer), n_blocks(n_ctx));
    suan__layout l = {.base = NULL};
    suan__past past;
    suan__past_place(&l, &past, hp, n_ctx, type);
    return l.overflow ? UINT64_MAX : l.at;
}

uint64_t suan__kv_page_bytes(const suan__hparams *hp, suan__dtype type) {
    uint64_t n = hp->window ? 0 : times(layer_bytes(hp, type), hp->n_layer);
    return n > UINT64_MAX - PAGE_UNIT ? UINT64_MAX : round_up(n, PAGE_UNIT);
}

static suan_status create_past(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan_error *err) {
    suan__layout l = {.base = kv->memory};
    kv->past = suan__calloc(1, sizeof *kv->past);
    SUAN_CHECK(kv->past, SUAN_ENOMEM, "out of memory for a cache");
    suan__past_place(&l, kv->past, hp, n_ctx, kv->type);
    return SUAN_OK;
}

static suan_status create_pages(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan_error *err) {
    kv->block_bytes = (size_t)block_bytes(hp, kv->type);
    kv->v_offset = hp->n_head_kv * kv->block_bytes;
    kv->index_offset = (size_t)heads_bytes(hp, kv->type);
    kv->layer_bytes = (size_t)layer_bytes(hp, kv->type);
    kv->pages = suan__calloc(n_blocks(n_ctx), sizeof *kv->pages);
    SUAN_CHECK(kv->pages, SUAN_ENOMEM, "out of memory for a cache");
    for (uint64_t i = 0; kv->memory && i < n_blocks(n_ctx); i++) kv->pages[i] = kv->memory + i * hp->n_layer * kv->layer_bytes;
    return SUAN_OK;
}

static suan_status create(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type, bool owns, suan_error *err) {
    uint64_t bytes = suan__kv_bytes(hp, n_ctx, type);
    memset(kv, 0, sizeof *kv);
    char text[SUAN__BYTES_TEXT];
    kv->type = type;
    kv->n_ctx = (uint32_t)round_up(n_ctx, SUAN__ATTN_BLOCK);
    if (owns) {
        kv->memory = bytes <= SIZE_MAX / 2 ? suan__pages_alloc((size_t)bytes) : NULL;
        SUAN_CHECK(kv->memory, SUAN_ENOMEM, "a cache of %s for %u positions cannot be had", suan__bytes_text(text, bytes), n_ctx);
        kv->bytes = (size_t)bytes;
    }
    suan_status status = hp->window ? create_past(kv, hp, n_ctx, err) : create_pages(kv, hp, n_ctx, err);
    if (status != SUAN_OK) suan__kv_free(kv);
    return status;
}

suan_status suan__kv_create(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err) {
    return create(kv, hp, n_ctx, type, true, err);
}

suan_status suan__kv_create_table(suan__kv *kv, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err) {
    return create(kv, hp, n_ctx, type, hp->window > 0, err);
}

void suan__kv_free(suan__kv *kv) {
    if (kv->memory) suan__pages_free(kv->memory, kv->bytes);
    suan__free(kv->pages);
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

void suan__kv_copy_row(suan__dtype type, unsigned char *to, uint32_t at, const unsigned char *block, uint32_t pos, size_t width) {
    size_t n = suan__kv_width(type, width), row = type == SUAN__Q8_0 ? n : suan__kv_row_bytes(type, width);
    memcpy(to + at * row, block + pos * row, row);
    if (type == SUAN__Q8_0) memcpy(to + SUAN__ATTN_BLOCK * n + at * (n / 16), block + SUAN__ATTN_BLOCK * n + pos * (n / 16), n / 16);
}
