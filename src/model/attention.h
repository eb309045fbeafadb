/* attention.h: blocked online softmax of some query rows over the cache (design.md, rule 5), shared by grouped-query and latent attention.
 */
#ifndef SUAN_MODEL_ATTENTION_H
#define SUAN_MODEL_ATTENTION_H

#include "model/step.h"

/* Where the keys and values of the query rows stand, in blocks of 256 as kv.h has them: positions in pages[block] + k_at and + v_at; other entries (sparse.h) at k and v, blocks
 * one behind the other, pages being NULL. */
typedef struct suan__attn_source {
    unsigned char *const *pages;
    size_t k_at, v_at;
    const unsigned char *k, *v;
    size_t block_bytes;
    size_t ldv;         /* values between two positions */
    size_t ldk;         /* latent rows: values between two positions; 0: keys in panels */
    int d, dv;          /* widths of key (q8_0: rounded up to 32) and value */
    uint32_t window;    /* the latest positions that a token sees, its own included; 0: all */
    const float *sinks; /* [heads of the rows]: scores of entries without a value, which come last; NULL: none */
} suan__attn_source;

/* Heads that a tile takes together of `group` that read the same keys, and tokens. */
static inline uint32_t suan__attend_heads(uint32_t group) {
    return group < SUAN__ATTN_ROWS ? group : SUAN__ATTN_ROWS;
}
static inline uint32_t suan__attend_tokens(const suan__hparams *hp) {
    return SUAN__ATTN_ROWS / suan__attend_heads(hp->n_head / hp->n_head_kv);
}

/* Between two values of a transposed query. */
static inline size_t suan__attn_ld(size_t n_rows) {
    return (n_rows + SUAN__PANEL - 1) / SUAN__PANEL * SUAN__PANEL;
}

/* n_tokens tokens (first at position pos) times n_head heads, SUAN__ATTN_ROWS rows (token, head) at most. Their queries:
 *   f32, f16   scratch->q, rows [d]; for latent rows transposed [d][suan__attn_ld(rows)], zeros where there is no row
 *   q8_0       scratch->q_rows, q8 rows of d values; for latent rows suan__attn_q8_panels of them in scratch->q_panels
 * The result, divided by the sum, is left in scratch->o [rows][dv]. */
void suan__attend(suan__worker *w, const suan__attn_source *src, uint32_t n_tokens, uint32_t n_head, uint32_t pos);

/* The two halves of a block's work, for parts with blocks of their own: scores s[n][256] of the first n rows of the scratch's queries against the first n_pos positions of
 * the block whose keys are at k; and the function that weights values of the cache's type. */
void suan__attend_scores(suan__worker *w, const suan__attn_source *src, const void *k, float *s, uint32_t n, uint32_t n_pos,
                         suan__soon soon);
suan__attn_pv_fn *suan__attend_values(const suan__worker *w);

/* The attention of a layer, cache and queries being ready: from st->q into st->att; from st->q and latent_q into latent_o, which is also
 * rounded for the product that unfolds it. All threads. */
void suan__gqa_attend(suan__worker *w, uint32_t i_layer);
void suan__mla_attend(suan__worker *w, const suan__layer *l, uint32_t i_layer);

/* A single token over a long cache: its blocks are spread over the threads, kept apart, and merged in increasing order afterwards: the same operations in the same order for
 * every output. Whether it pays (and fits into the buffers) for n_tiles tiles. */
bool suan__attention_splits(const suan__worker *w, uint32_t n_tiles, uint32_t window);
/* Blocks that the single token sees. */
static inline uint32_t suan__attention_blocks(const suan__step *st) {
    return st->last_pos / SUAN__ATTN_BLOCK + 1;
}
/* Block `block` for the single token's heads [h0, h0 + n), queries in scratch->q as above. */
void suan__attend_split(suan__worker *w, const suan__attn_source *src, uint32_t h0, uint32_t n, uint32_t block);
/* Merges the blocks of head h, and then its sink if it has one, into o [dv]. */
void suan__attend_merge(suan__worker *w, uint32_t h, float *o, int dv, const float *sink);

#endif
