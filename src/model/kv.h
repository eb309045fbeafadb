/* kv.h: the key/value cache: its memory, and how the row of a position is stored and found.
 *
 * GQA: k[layer][kv head][block] and v[layer][kv head][block], a block being 256 positions of head_dim values: keys in panels of 16
 * positions, values in rows. MLA: k[layer][block] of rows [kv_lora + rope], stored once; v is NULL.
 *
 *   f32, f16   panels [position / 16][width][16]; rows [position][width]
 *   q8_0       blocks of 32 values with a binary16 scale, as kernels.h has them ("q8"); widths are rounded up to 32
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
    suan__dtype type; /* SUAN__F32, SUAN__F16 or SUAN__Q8_0 */
    uint32_t n_ctx;   /* rounded up to 256 */
    unsigned char *k, *v;
    size_t k_layer_bytes, v_layer_bytes;
    unsigned char
        *index; /* keys of the indexer in panels, f32 or (q8_0 too) f16: index[layer][position / 16][index_dim][16]; NULL: no indexer */
    size_t index_layer_bytes;
    suan__past *past; /* what a model with compressed attention keeps instead of k and v; NULL for others */
    size_t bytes;     /* of the one allocation behind k */
    bool rounding;    /* the published round trips are made; set before the first step */
} suan__kv;

/* Bytes of cache for n_ctx positions; UINT64_MAX when 64 bits cannot hold them. */
uint64_t suan__kv_bytes(const struct suan__hparams *hp, uint32_t n_ctx, suan__dtype type);
suan_status suan__kv_create(suan__kv *kv, const struct suan__hparams *hp, uint32_t n_ctx, suan__dtype type, suan_error *err);
void suan__kv_free(suan__kv *kv);

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
/* Row `pos` of a run of blocks to place `at` of a block. */
void suan__kv_copy_row(suan__dtype type, unsigned char *to, uint32_t at, const unsigned char *from, uint32_t pos, size_t width);

/* x [width], filled up with zeros, as a q8 row of blocks of 32 (a query for a q8_0 cache); scratch as above. */
void suan__kv_round_query(const suan__kernels *kn, void *q8, const float *x, size_t width, void *scratch);

#endif
