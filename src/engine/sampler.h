/* sampler.h: from logits to a token: the chain of include/suan/session.h, with buffers that are made once. */
#ifndef SUAN_ENGINE_SAMPLER_H
#define SUAN_ENGINE_SAMPLER_H

#include "suan/session.h"

typedef struct suan__sampler suan__sampler;

suan_status suan__sampler_create(suan__sampler **sampler, uint32_t n_vocab, suan_error *err);
void suan__sampler_free(suan__sampler *sampler);
/* Checks every field's range; names the field that is wrong. */
suan_status suan__sampling_check(const suan_sampling *sampling, uint32_t n_vocab, suan_error *err);
/* Draws the token for `position` (the position it will have). seen: the n_seen ids of the sequence so far, for penalties. Allocates
 * nothing. */
int32_t suan__sampler_draw(suan__sampler *sampler, const suan_sampling *sampling, const float *logits, const int32_t *seen, size_t n_seen,
                           uint32_t position);
/* Log-probabilities of the logits as they are: of id, and of the n_top greatest (value descending, then id ascending; fewer when the
 * vocabulary is smaller). */
float suan__sampler_logprobs(suan__sampler *sampler, const float *logits, int32_t id, suan_logprob *top, uint32_t *n_top);

#endif
