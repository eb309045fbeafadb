/* attention.h: blocked online softmax of some query rows over the cache (design.md, rule 5), shared by grouped-query and latent attention.
 */
#ifndef SUAN_MODEL_ATTENTION_H
#define SUAN_MODEL_ATTENTION_H

#include "model/step.h"

/* Where the keys and values of the query rows stand. */
typedef struct suan__attn_source {
    const unsigned char *k, *v;
    size_t k_block_bytes, v_block_bytes; /* of 256 positions */
    size_t ldv;                          /* values between two positions */
    size_t ldk;                          /* latent rows: values between two positions; 0: keys in panels */
    int d, dv;                           /* widths of key and value */
} suan__attn_source;

/* n_tokens tokens (first at position pos) times n_head heads: queries in scratch->q, rows (token, head); for latent rows transposed
 * [d][SUAN__ATTN_ROWS]. The result, divided by the sum, is left in scratch->o [rows][dv]. */
void suan__attend(suan__worker *w, const suan__attn_source *src, uint32_t n_tokens, uint32_t n_head, uint32_t pos);

#endif
