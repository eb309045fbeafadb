/* draft.h: tokens guessed ahead, to be checked in one step: where they come from.
 *
 *   lookup  what followed the last tokens when they stood in the sequence before
 *   mtp     the checkpoint's own module (model/ahead.h)
 *   model   another model with the same vocabulary, in a session of its own
 *
 * The latter two draw with the same sampler and the same random numbers as the answer will, so that where their logits are like the model's the draws agree at any temperature. */
#ifndef SUAN_ENGINE_DRAFT_H
#define SUAN_ENGINE_DRAFT_H

#include "engine/pace.h"
#include "model/ahead.h"
#include "suan/session.h"

#define SUAN__DEFAULT_DRAFT 8

/* Where pairs of tokens stood: a chain of positions for each hash, the latest first. Positions leave in the reverse order of their coming. */
typedef struct suan__lookup {
    uint32_t *heads;     /* [mask + 1] position + 1 of a pair's second token, 0: none */
    uint32_t *before;    /* [n_ctx] the next of the chain */
    uint32_t mask, n_in; /* positions [0, n_in) are in it */
} suan__lookup;

uint64_t suan__lookup_bytes(uint32_t n_ctx);
suan_status suan__lookup_create(suan__lookup *lookup, uint32_t n_ctx, suan_error *err);
void suan__lookup_free(suan__lookup *lookup);
/* The sequence is now what it was before position n. */
void suan__lookup_rewind(suan__lookup *lookup, const int32_t *ids, uint32_t n);
/* Writes up to `most` guesses behind the n ids of the sequence, which it takes in first; returns how many. */
uint32_t suan__lookup_guess(suan__lookup *lookup, int32_t *ids, uint32_t n, uint32_t most);

typedef struct suan__draft {
    suan_draft kind;
    uint32_t most;
    suan__lookup lookup;
    suan__ahead *ahead;
    suan_session *other; /* owned; its model is the caller's */
    uint32_t n_agreed;   /* ids that the other session has in common with this one, at least */
    suan__pace pace;
    /* the round at work: rows [0, n_rows) of the last step are of positions from the session's on; n_taken of them have been found right */
    uint32_t n_rows, n_taken;
    bool has_missed;                /* the round ends because a guess was wrong */
    uint64_t n_drafted, n_accepted; /* of the answer at work */
} suan__draft;

/* Checks the options, and whether the models fit together. */
suan_status suan__draft_check(const suan_model *model, const suan_session_options *o, suan_error *err);
/* Memory beside the session's own, for a context of n_ctx. */
uint64_t suan__draft_bytes(const suan_model *model, const suan_session_options *o, uint32_t n_ctx, uint32_t chunk);
suan_status suan__draft_create(suan__draft *draft, const suan_session *s, const suan_session_options *o, suan_error *err);
void suan__draft_free(suan__draft *draft);
/* What the session does is told: the trunk's states of n positions behind its present one; positions forgotten. */
void suan__draft_take(suan__draft *draft, const suan_session *s, uint32_t n);
void suan__draft_rewind(suan__draft *draft, const int32_t *ids, uint32_t position);
/* Writes up to `most` guesses behind s->ids[s->position], which is there but not fed; returns how many. */
uint32_t suan__draft_guess(suan__draft *draft, suan_session *s, const suan_sampling *sampling, uint32_t most);

/* Feeds `id`, the token just drawn: by a step that checks guesses where that pays, or out of such a step. n_left: tokens that the answer may still have. */
suan_status suan__draft_feed(suan_session *s, const suan_sampling *sampling, bool ignore_eos, int32_t id, uint64_t n_left, suan_error *err);
/* The answer is over, or the next token is none of those guessed: what was computed beyond the session's position is forgotten. */
void suan__draft_settle(suan_session *s);

#endif
