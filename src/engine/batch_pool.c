/* batch_pool.c: embeddings: the normed states of a prompt become one vector of length 1.
 *
 * mean: for each channel the sum over the positions, ascending, from +0, each addition rounded to f32; divided by the number of positions. last: the state of the last position.
 * Then the sum of squares by rule 4 of the contract (64 partial sums, folded pairwise), and each value divided by its square root; zeros stay zeros. */
#include <math.h>
#include <string.h>

#include "engine/batch_internal.h"

static void normalise(float *x, size_t n) {
    float sums[64] = {0};
    for (size_t i = 0; i < n; i++) sums[i % 64] = fmaf(x[i], x[i], sums[i % 64]);
    for (size_t half = 32; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) sums[i] = sums[i] + sums[i + half];
    float norm = sqrtf(sums[0]);
    for (size_t i = 0; i < n && norm > 0; i++) x[i] = x[i] / norm;
}

suan_status suan__batch_pool(suan_batch *b, const suan__slot *s, suan_error *err) {
    suan_request *r = s->choice->request;
    size_t d = b->model->graph->hp.n_embd;
    uint32_t begin = s->n_computed, end = begin + s->n_planned; /* of the step */
    if (r->pooling == SUAN_POOLING_LAST) {
        if (end == r->n_ids) SUAN_TRY(suan__step_normed(b->step, s->first_token + s->n_planned - 1, 1, r->pooled, err));
    } else {
        for (uint32_t at = r->n_pooled; at < end;) {
            uint32_t n = end - at < SUAN__DRAWS ? end - at : SUAN__DRAWS;
            SUAN_TRY(suan__step_normed(b->step, s->first_token + (at - begin), n, b->states, err));
            for (uint32_t t = 0; t < n; t++)
                for (size_t i = 0; i < d; i++) r->pooled[i] = r->pooled[i] + b->states[t * d + i];
            at += n;
            r->n_pooled = at;
        }
        for (size_t i = 0; i < d && end == r->n_ids; i++) r->pooled[i] = r->pooled[i] / (float)r->n_ids;
    }
    if (end == r->n_ids) normalise(r->pooled, d);
    return SUAN_OK;
}
