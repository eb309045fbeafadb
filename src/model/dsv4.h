/* dsv4.h: what the files of DeepSeek-V4 share. */
#ifndef SUAN_MODEL_DSV4_H
#define SUAN_MODEL_DSV4_H

#include "model/layout.h"
#include "model/step.h"

#define SUAN__DSV4_MAX_ROT 1024

/* Buffers of a step for T tokens in a cache of n_ctx positions; and what they hold from the start. */
void suan__dsv4_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T, uint32_t n_ctx);
void suan__dsv4_init(suan__step *st);
/* The widest set of q8 rows that its products take, in bytes, for T tokens. */
uint64_t suan__dsv4_q8_bytes(const suan__hparams *hp, uint64_t T);

/* st->h to st->out; keys and rows into the past. */
void suan__part_dsv4_attention(suan__worker *w, const suan__layer *l, uint32_t i_layer);

/* score[i] = sqrt(ln(1 + e^score[i])), the logarithm in binary64 and rounded once. */
void suan__sqrt_softplus(float *score, uint32_t n);

#endif
