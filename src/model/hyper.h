/* hyper.h: manifold-constrained hyper-connections: the residual is n streams, and every part of a layer reads a mixture of them and writes to all.
 *
 *   m = (fn . flat) * r, flat the streams one after the other, r their reciprocal root mean square
 *   a_i = sigmoid(fma(m_i, scale_0, base_i)) + eps; b_i = 2 * sigmoid(fma(m_{n + i}, scale_1, base_{n + i})); C from the rest by Sinkhorn's iteration
 *   input of the part: sum over i of a_i X_i; afterwards X'_j = b_j out + sum over i of C_ij X_i. Each sum is a chain of fma from +0 in this order.
 *
 * C: row softmax of fma(m, scale_2, base), plus eps; columns divided by their sums + eps; then (iterations - 1) times rows, then columns. Sums in ascending index.
 * Source: mHC, arXiv:2512.24880; the published inference code; architectures.md 11.3. */
#ifndef SUAN_MODEL_HYPER_H
#define SUAN_MODEL_HYPER_H

#include "model/layout.h"
#include "model/step.h"

#define SUAN__MAX_STREAMS 8
#define SUAN__HYPER_MIX (SUAN__MAX_STREAMS * (2 + SUAN__MAX_STREAMS)) /* values of a mixing at most */

/* Values of a layer's mixing. */
static inline uint32_t suan__hyper_mix(const suan__hparams *hp) {
    return hp->n_stream * (2 + hp->n_stream);
}

void suan__hyper_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T);
void suan__hyper_place_thread(suan__layout *l, const suan__hparams *hp, suan__thread_scratch *sc);
/* The streams of token t are copies of the embedding that stands in the first. */
void suan__hyper_start(const suan__step *st, uint32_t t);
/* All threads: st->h becomes the norm of the streams' mixture; what the part's output is mixed with is kept. */
void suan__part_hyper_in(suan__worker *w, const suan__hyper *hy, const float *norm);
/* The part's output st->out goes into the streams. l: combine its experts' outputs first; NULL: no. Ends the layer's part: see suan__part_end_layer for `is_end`. */
void suan__part_hyper_out(suan__worker *w, const suan__layer *experts, bool is_end);
/* All threads: the head's mixture and the last norm of the tokens of the rows at hand, into rows of st->h. */
void suan__hyper_head(suan__worker *w);

#endif
