/* compress.h: the past of a model with compressed attention (DeepSeek-V4): for each layer the last keys as they are, and rows that stand for a run of positions each.
 *
 *   ring          rows of keys (which are values too) of the cache's type, position p in place p mod n_ring, in blocks of 256 as kv.h has them
 *   inputs        what the compressor makes of a position: kv [w], then gate + ape [w], f32, in the same places; index_inputs likewise
 *   rows          compressed rows, row i in place i, in blocks of 256
 *   index         the indexer's compressed rows, in panels (indexer.h)
 *
 * The ring holds so many positions that a step (SUAN__PAST_STEP tokens at most) that fails leaves what the positions before it need, and that a session can go back by a whole
 * window. Beyond, it can go back to marks: at multiples of a spacing the last keys of every layer are copied aside. Compressed rows stay for all positions.
 * Source: the published inference code; architectures.md 11.4 to 11.6 and 11.10. */
#ifndef SUAN_MODEL_COMPRESS_H
#define SUAN_MODEL_COMPRESS_H

#include "model/indexer.h"
#include "model/layout.h"
#include "model/step.h"

#define SUAN__PAST_STEP 256 /* tokens of a step at most */
#define SUAN__OVERLAP 4     /* the ratio whose rows take in the run before, too */
#define SUAN__PAST_MARKS 32
#define SUAN__MARK_UNIT 128 /* marks stand at multiples of it: no run of either ratio is open there */

typedef struct suan__past_layer {
    unsigned char *ring, *rows, *index;
    float *inputs, *index_inputs;
    unsigned char *marks; /* [n_marks]: keys of window - 1 positions in blocks, then inputs of the last SUAN__OVERLAP positions (ratio 4) */
} suan__past_layer;

struct suan__past {
    suan__past_layer *layers;                /* [n_layer] */
    uint32_t n_ring, n_marks, spacing, back; /* back: positions before one that going on from it needs */
    uint32_t low, high;                      /* the ring is whole for going on from positions >= low; it was written up to high */
    bool has_mark[SUAN__PAST_MARKS];         /* at position (i + 1) * spacing */
};

/* Values of a compressor's kv for vectors of dim. */
static inline uint32_t suan__compress_width(uint32_t ratio, uint32_t dim) {
    return ratio == SUAN__OVERLAP ? 2 * dim : dim;
}

/* All of it for n_ctx positions, by a layout. */
void suan__past_place(suan__layout *l, suan__past *past, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type);

/* ---- going back ---- */

/* The greatest position at or before `pos` that a session can go back to: pos itself where there is no past but the cache. */
uint32_t suan__past_reach(const suan__kv *kv, uint32_t pos);
/* Goes back to one of those. */
void suan__past_rewind(suan__kv *kv, const suan__hparams *hp, uint32_t pos);
/* Before a step that ends at `end`; after one from pos0 to end. */
void suan__past_begin(suan__kv *kv, uint32_t end);
void suan__past_end(suan__kv *kv, const suan__hparams *hp, uint32_t pos0, uint32_t end);

/* ---- rows ---- */

/* Where position pos stands in the ring. */
static inline uint32_t suan__past_slot(const suan__past *past, uint32_t pos) {
    return pos % past->n_ring;
}
/* Token t's part in a compressor: kv_gate [2 w] of its products, whose gate half gets its position's ape. index: the indexer's. */
void suan__compress_input(const suan__step *st, const suan__layer *l, uint32_t i_layer, uint32_t t, const float *kv_gate, bool index);
/* Rows whose last position is in the step, over all its segments; and which row of a past the i-th of them is, with the token of its last position. */
typedef struct suan__new_row {
    uint32_t row, token;
} suan__new_row;
uint32_t suan__compress_rows(const suan__step *st, uint32_t i_layer);
suan__new_row suan__compress_row_at(const suan__step *st, uint32_t i_layer, uint32_t i);
/* Makes one of them out of the inputs: into the rows, or (index) the indexer's keys. */
void suan__compress_row(suan__worker *w, const suan__layer *l, uint32_t i_layer, const suan__new_row *made, bool index);

#endif
