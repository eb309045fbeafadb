/* ahead.h: the module of a checkpoint that guesses the token after the next (multi-token prediction): one more layer behind the trunk, with a cache of its own.
 *
 *   row t   from the trunk's state at position t and the token at t + 1; it stands at position t of the module's cache, and its logits are of the token at t + 2
 *   input   DeepSeek-V3: join [norm_e(embedding) ; norm_h(state behind the trunk's last norm)]; V4: e norm_e(embedding) + h norm_h(stream) for each stream, not normed before
 *   further guesses run the module again on its own output in the state's place
 *
 * The module is a suan__model of one layer; embedding and head are the trunk's (checkpoints hold copies of them). Its bits decide no token: every guess is checked.
 * Source: DeepSeek-V3's README_WEIGHTS; transformers' MtpModel; architectures.md 8.5 and 11.8. */
#ifndef SUAN_MODEL_AHEAD_H
#define SUAN_MODEL_AHEAD_H

#include "model/layout.h"
#include "model/model.h"

/* ---- the module ---- */

/* SUAN_EUNSUPPORTED: the checkpoint has none, or none that is known here. */
suan_status suan__ahead_measure(const suan__family *family, const suan__hparams *trunk, const suan__checkpoint *ck, uint64_t *weight_bytes,
                                suan_error *err);
/* Reads it from the trunk's checkpoint. The trunk must outlive it. */
suan_status suan__ahead_load(suan__model **module, const suan__model *trunk, const suan__checkpoint *ck, suan__progress_fn *progress,
                             void *progress_ctx, suan_error *err);
/* For the next run of a step of the module: the states of its tokens, rows of n_embd * max(1, n_stream), borrowed; norm: the one that they still need, or NULL. */
void suan__step_hidden(suan__step *step, const float *rows, const float *norm);

/* For step.c: buffers; the widest set of q8 rows; the norms of token t, and then what joins them (all threads). */
void suan__ahead_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T);
uint64_t suan__ahead_q8_bytes(const suan__hparams *hp, uint64_t T);
void suan__ahead_token(suan__step *st, uint32_t t);
struct suan__worker;
void suan__ahead_join(struct suan__worker *w);

/* ---- at work in a session ---- */

/* Keeps up with a sequence: the trunk's states are handed to it, and it makes its rows in batches. It cannot fail a session: when a step of its own fails it guesses no more. */
typedef struct suan__ahead suan__ahead;

typedef struct suan__ahead_options {
    const suan__model *module, *trunk;
    uint32_t n_ctx, chunk;
    suan__dtype kv;
    bool exact, rounding;
} suan__ahead_options;

uint64_t suan__ahead_bytes(const suan__ahead_options *o);
suan_status suan__ahead_create(suan__ahead **ahead, const suan__ahead_options *o, suan_error *err);
void suan__ahead_free(suan__ahead *ahead); /* NULL is fine */
/* The trunk's states of the next n positions. ids: the sequence, these positions included. */
void suan__ahead_take(suan__ahead *ahead, const float *states, uint32_t n, const int32_t *ids);
/* Forgets positions from pos on. The row of the last one left, if it was made, stays as its forgotten neighbour had it: a guess may be worse for it. */
void suan__ahead_rewind(suan__ahead *ahead, uint32_t pos);
/* Logits [n_vocab] of the token behind ids[pos], where states of all positions before pos have been taken; then of the one behind the token `id` that was made of them,
 * at `pos` (n_guess counts from 0). NULL: no guess. */
const float *suan__ahead_first(suan__ahead *ahead, const int32_t *ids, uint32_t pos);
const float *suan__ahead_next(suan__ahead *ahead, int32_t id, uint32_t pos);

#endif
