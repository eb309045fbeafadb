/* sampler.h: from logits to a token: the chain of include/suan/session.h, with buffers that are made once.
 *
 * All of it is in the numeric contract (design.md, section 3, rules 8 and 9). l are the logits, in f32:
 *
 *   bias           l[id] = l[id] + bias, in the order of the list
 *   penalties      for each distinct id among the last penalty_last_n ids seen (count: how often it is there):
 *                  l = l < 0 ? l * repetition : l / repetition (infinities become the greatest finite value of their sign), then
 *                  l = l - presence, then l = l - count * frequency
 *   mask           tokens that a grammar forbids are out: they count as tokens whose weight is 0
 *   temperature    0: the greatest l, the lowest id on ties. Otherwise z = (l - max) / temperature + 0
 *   order          z descending, then id ascending; "first" below means first in this order
 *   top-k          the first k
 *   weight         w = floor(exp(z) * 2^40), an integer, exp in f32; tokens whose weight is 0 are out. Sums of weights are exact, so no
 * order of summation exists; total is the sum over what is left before each of the next three typical        (Meister et al. 2022, as
 * Hugging Face has it) in binary64: s = log(total) - log(w); H = sum of (w / total) * s in ascending id from 0; d = |s - H|. What stays:
 * every token with d <= t, where t is the d at which the weights, by ascending d, first reach typical_p * total top-p          the first
 * tokens, until their weights reach top_p * total min-p          the tokens with w >= min_p * (the greatest w left) draw           the
 * first token whose cumulative weight exceeds floor(x * total / 2^64), x = out[1] * 2^32 + out[0] of Philox4x32-10 with counter word 0: the
 * position that the token will have; 1: the choice's index; 2: 0; 3: 0x73616d70 ("samp"); key word 0: the low, 1: the high half of the seed
 *
 * The products with typical_p, top_p and min_p are rounded to binary64 and compared with the integers exactly; each filter leaves at least
 * one token. Both functions set the floating point environment of the contract and give the caller's back.
 * Selection is by one pass of buckets and a weighted quickselect, linear in the vocabulary; pivots change its time, never its result.
 */
#ifndef SUAN_ENGINE_SAMPLER_H
#define SUAN_ENGINE_SAMPLER_H

#include "kernels/kernels.h"
#include "suan/session.h"

typedef struct suan__sampler suan__sampler;

#define SUAN__SAMPLER_MAX_VOCAB (1u << 22) /* so that sums of 2^40 fit into 63 bits */
#define SUAN__MAX_LOGIT_BIAS 1e6f

suan_status suan__sampler_create(suan__sampler **sampler, uint32_t n_vocab, suan_error *err);
void suan__sampler_free(suan__sampler *sampler); /* NULL is fine */
/* From now on exponentials are the table's (kept until the sampler is freed): faster, the same bits. NULL: the scalar function, as after
 * create. */
void suan__sampler_use(suan__sampler *sampler, const suan__kernels *kernels);
/* Checks every field's range; names the field that is wrong. */
suan_status suan__sampling_check(const suan_sampling *sampling, uint32_t n_vocab, suan_error *err);
/* Draws the token for `position` (the position it will have). seen: the n_seen ids of the sequence so far, for penalties; sampling has
 * passed the check, logits [n_vocab] are finite. Allocates nothing. */
int32_t suan__sampler_draw(suan__sampler *sampler, const suan_sampling *sampling, const float *logits, const int32_t *seen, size_t n_seen,
                           uint32_t position);
/* The same among the tokens whose bit in the mask is 1 (id % 32 of word id / 32; (n_vocab + 31) / 32 words for the n_vocab of the sampler: rows of
 * a model beyond its tokenizer's vocabulary have bits of 0). mask NULL: all. -1 when the mask allows none. Allocates nothing. */
int32_t suan__sampler_draw_masked(suan__sampler *sampler, const suan_sampling *sampling, const uint32_t *mask, const float *logits,
                                  const int32_t *seen, size_t n_seen, uint32_t position);
/* Log-probabilities of the logits as they are: returned for id, and for the *n_top greatest into top (value descending, then id ascending;
 * *n_top is lowered when the vocabulary is smaller; NULL: none). logprob = (l - max) - log(sum of exp(l - max)), f32, the sum by rule 4 of
 * the contract: 64 partial sums over the ids, folded pairwise. Allocates nothing. */
float suan__sampler_logprobs(suan__sampler *sampler, const float *logits, int32_t id, suan_logprob *top, uint32_t *n_top);

#endif
