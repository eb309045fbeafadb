/* kv.h: the key/value cache: its memory, and how the row of a position is stored and found.
 *
 * A page holds one block of 256 positions of all layers, so that sequences which begin alike can share the pages of their beginning: pages[position / 256], and in it for each
 * layer keys [kv head], values [kv head], keys of the indexer. GQA: keys of a head in panels of 16 positions, values in rows of head_dim. MLA: rows [kv_lora + rope], stored once,
 * in the place of keys; no values. A model with compressed attention has no pages but a past (compress.h).
 *
 *   f32, f16   panels [position / 16][width][16]; rows [position][width]
 *   q8_0       blocks of 32 values with a binary16 scale, as kernels.h has them ("q8"); widths are rounded up to 32
 *   indexer    panels [position / 16][index_dim][16], f32 or (q8_0 too) f16
 *
 * A position's row is stored whole and depends on nothing but its values, so that a rewind is only a smaller count of positions.
 */
#ifndef SUAN_MODEL_KV_H
#define SUAN_MODEL_KV_H

#include "base/memory.h"
#include "kernels/kernels.h"

struct suan__hparams;
typedef struct suan__past suan__past; /* compress.h */

typedef struct suan__kv {
    suan__dtype type;      /* SUAN__F32, SUAN__F16 or SUAN__Q8_0 */
    uint32_t n_ctx;        /* rounded up to 256 */
    unsigned char **pages; /* [n_ctx / 256]; NULL: a model without pages */
    size_t block_bytes;    /* of a head's keys in a page; its values take as many */
    size_t v_offset, index_offset,
        layer_bytes;       /* in a page: of a layer's first values and its indexer's keys behind its keys; from layer to layer */
    suan__past *past;      /* what a model with compressed attention keeps instead of pages; NULL for others */
    unsigned char *memory; /* what the cache owns: its pages or its past, in one allocation; NULL: pages are borrowed */
    size_t bytes;          /* of it */
    bool rounding;         /* the published round trips are made; set before the first step */
} suan__kv;

/* Bytes of cache for n_ctx positions; UINT64_MAX when 64 bits cannot hold them. */
uint64_t suan__kv_bytes(const struct suan__hparams *hp, uint32_t n_ctx, suan__dtype type);
/* Bytes of a page that somebody else owns, a multiple of 4096; 0: the model's cache has no pages; UINT64_MAX as above. */
uint64_t suan__kv_page_bytes(const struct suan__hparams *hp, suan__dtype type);
/* A cache that owns its memory. */
suan_status suan__kv_create(suan__kv *kv, const struct suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err);
/* A table alone: pages are all NULL until they are set, before a step that reads or writes them. For a model without pages the same as suan__kv_create. */
suan_status suan__kv_create_table(suan__kv *kv, const struct suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err);
/* page: suan__kv_page_bytes at a multiple of 64, borrowed; what is in it counts for nothing until steps have written it. */
static inline void suan__kv_set_page(suan__kv *kv, uint32_t block, unsigned char *page) {
    kv->pages[block] = page;
}
void suan__kv_free(suan__kv *kv);

/* Where in a page the keys of a head, its values, and the indexer's keys begin. */
static inline size_t suan__kv_k_at(const suan__kv *kv, uint32_t i_layer, uint32_t head) {
    return i_layer * kv->layer_bytes + head * kv->block_bytes;
}
static inline size_t suan__kv_v_at(const suan__kv *kv, uint32_t i_layer, uint32_t head) {
    return i_layer * kv->layer_bytes + kv->v_offset + head * kv->block_bytes;
}
static inline size_t suan__kv_index_at(const suan__kv *kv, uint32_t i_layer) {
    return i_layer * kv->layer_bytes + kv->index_offset;
}
/* The page of a position. */
static inline unsigned char *suan__kv_page_of(const suan__kv *kv, uint32_t pos) {
    return kv->pages[pos / SUAN__ATTN_BLOCK];
}

/* "f32", "f16" or "q8_0". */
const char *suan__kv_type_name(suan__dtype type);
/* What a position of `width` values takes: values (f32, f16: width; q8_0: rounded up to 32, which is the ld of rows), and bytes. A block
 * has 256 times those bytes. */
size_t suan__kv_width(suan__dtype type, size_t width);
size_t suan__kv_row_bytes(suan__dtype type, size_t width);

/* Stores x [width] as position `at` (0..255) of a block of rows or of panels. false: a value was not finite or is too large for the type.
 * scratch: suan__kv_scratch_bytes(width), aligned to 64. */
bool suan__kv_store_row(const suan__kernels *kn, suan__dtype type, unsigned char *block, uint32_t at, const float *x, size_t width,
                        void *scratch);
bool suan__kv_store_column(const suan__kernels *kn, suan__dtype type, unsigned char *block, uint32_t at, const float *x, size_t width,
                           void *scratch);
size_t suan__kv_scratch_bytes(size_t width);
/* Row `pos` (0..255) of a block to place `at` of another. */
void suan__kv_copy_row(suan__dtype type, unsigned char *to, uint32_t at, const unsigned char *block, uint32_t pos, size_t width);

/* x [width], filled up with zeros, as a q8 row of blocks of 32 (a query for a q8_0 cache); scratch as above. */
void suan__kv_round_query(const suan__kernels *kn, void *q8, const float *x, size_t width, void *scratch);

#endif
