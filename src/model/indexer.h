/* indexer.h: the lightning indexer: cheap scores that choose which entries of a long context a query attends to. Shared by every family with sparse attention over an
 * index: positions (DeepSeek-V3.2, GLM-5) or compressed rows (DeepSeek-V4).
 *
 * Entry s has the score sum over heads h, ascending, of fma(w_h, relu(q_h . k_s), acc) from +0; the dot product is one chain of fma. Of the entries that a query sees, the
 * index_topk best are kept, ties to the lower number (design.md, rule 8), and attended to in ascending order. While a query sees no more than that many, nothing is scored.
 * Source: DeepSeek-V3.2 technical report; the published inference code; architectures.md 10.2 and 11.6. */
#ifndef SUAN_MODEL_INDEXER_H
#define SUAN_MODEL_INDEXER_H

#include "model/layout.h"
#include "model/step.h"

#define SUAN__INDEX_TOKENS 16    /* tokens whose scores are kept at a time */
#define SUAN__INDEX_HEADS 8      /* heads that one tile makes ready */
#define SUAN__SELECT_BINS 2048u  /* of the histogram that finds the threshold */
#define SUAN__INDEX_MAX_DIM 1024 /* index_dim at most */

/* Entries that a query at position pos sees, one for each `ratio` positions. */
static inline uint32_t suan__index_visible(uint32_t pos, uint32_t ratio) {
    return (pos + 1) / ratio;
}
/* Whether some token of the step sees more entries than are kept. */
static inline bool suan__index_is_needed(const suan__step *st, uint32_t ratio) {
    return suan__index_visible(st->last_pos, ratio) > st->model->hp.index_topk;
}

/* Buffers of a step (n_entries: of a whole context) and of a thread. */
void suan__index_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T, uint64_t n_entries);
void suan__index_place_thread(suan__layout *l, const suan__hparams *hp, suan__thread_scratch *sc);

/* Keys of one layer and sequence: panels of 16 entries, elements f32 or f16. Positions in pages[block] + at; compressed rows at panels, one block behind the other. */
typedef struct suan__index_keys {
    unsigned char *const *pages; /* NULL: in panels */
    size_t at, block_bytes;      /* block_bytes: of 256 entries */
    unsigned char *panels;
    bool is_f32;
    uint32_t ratio; /* positions an entry */
} suan__index_keys;
/* Bytes of one layer's keys. */
uint64_t suan__index_layer_bytes(const suan__hparams *hp, uint64_t n_entries, bool is_f32);
/* Where a sequence has a layer's: over positions, or over compressed rows. */
suan__index_keys suan__index_of_layer(const suan__step *st, const suan__kv *kv, uint32_t i_layer);
/* Puts entry i's key [index_dim] into its panel; false when it is not finite or does not fit into f16. */
bool suan__index_store(const suan__step *st, const suan__index_keys *keys, uint32_t i, const float *k);

/* Round trip of a query's or key's vector, where the session asks for the published ones: Hadamard, then fp8 (fp4 false) or fp4. */
void suan__index_round(const suan__step *st, float *x, bool fp4);

/* All threads: scores and selections of the tokens that need them, from st->index_q [T][head][dim] and st->index_weight [T][head], into st->select [T][topk], ascending.
 * Several operations. */
void suan__index_select(suan__worker *w, uint32_t i_layer);

/* The k greatest of score[0..n), n > k, ascending indices into out[k]; ties to the lower index. bins: scratch of SUAN__SELECT_BINS. score finite. */
void suan__select_top(uint32_t *out, const float *score, uint32_t n, uint32_t k, uint32_t *bins);

/* ---- the indexer over positions of DeepSeek-V3.2 and GLM-5 */

/* Token t's key st->index_key: LayerNorm, rotation, round trip, into the cache; and its weights of heads. */
void suan__index_finish_key(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t);
/* Token t's weights of heads, times (heads * dim)^-0.5 rounded to f32. */
void suan__index_scale_weights(const suan__step *st, uint32_t t);
/* Tiles that make the queries ready, and one of them: rotation and round trip of some heads of a token. */
uint32_t suan__index_query_tiles(const suan__step *st);
void suan__index_finish_queries(suan__worker *w, uint32_t tile);

#endif
