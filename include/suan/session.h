/* session.h: one sequence of tokens at work: prompt in (prefill), tokens out (decode), positions taken back (rewind).
 *
 *     suan_session_create(&session, model, NULL, &err);
 *     suan_generate(session, ids, n_ids, &params, &result, &err);
 *
 * A session is used by one thread at a time; only suan_session_cancel may be called from another. The bits of the logits do not depend on
 * the number of threads, the chunks, the instruction set, or how the session got to its position.
 */
#ifndef SUAN_SESSION_H
#define SUAN_SESSION_H

#include "suan/answer.h"
#include "suan/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct suan_session suan_session;

typedef enum suan_activations {
    SUAN_ACTIVATIONS_Q8 = 0, /* integer block weights meet activations rounded to 8 bits (the default) */
    SUAN_ACTIVATIONS_EXACT   /* every weight is expanded to f32, activations stay f32: slower, equal to outside references */
} suan_activations;

/* Round trips through 8 and 4 bits that the published code of some models (DeepSeek-V3.2, V4) makes inside their attention; models without them have none. */
typedef enum suan_rounding {
    SUAN_ROUNDING_PUBLISHED = 0, /* as published (the default) */
    SUAN_ROUNDING_NONE           /* left out: slightly more precise, and other entries are selected */
} suan_rounding;

/* Drafting: tokens are guessed ahead and checked together in one step, so that the weights are read once for several tokens. The answer is the same bits as without, whatever
 * is guessed and whatever the sampling options; what was guessed wrong is forgotten. How many are guessed, and whether any are, follows from times measured while running. */
typedef enum suan_draft {
    SUAN_DRAFT_NONE = 0, /* the default */
    SUAN_DRAFT_LOOKUP,   /* by what followed the same tokens earlier in the sequence: for texts that repeat themselves */
    SUAN_DRAFT_MTP,      /* by the checkpoint's own module for multi-token prediction (suan_model_options.mtp) */
    SUAN_DRAFT_MODEL     /* by another, smaller model with the same vocabulary */
} suan_draft;

typedef struct suan_session_options {
    uint32_t n_ctx; /* positions; 0: the model's context or what memory allows */
    suan_kv_type kv;
    suan_activations activations;
    uint32_t chunk; /* tokens a prefill step; 0: 256. Changes speed and memory, not bits */
    suan_rounding rounding;
    suan_draft draft;
    uint32_t draft_max;      /* tokens that are guessed at once at most; 0: 8; at most 15 */
    suan_model *draft_model; /* SUAN_DRAFT_MODEL: borrowed until the session closes; may be used by others between the calls */
} suan_session_options;
#define SUAN_SESSION_OPTIONS_INIT \
    { 0 }

SUAN_API suan_status suan_session_create(suan_session **session, suan_model *model, const suan_session_options *options, suan_error *err);
SUAN_API void suan_session_close(suan_session **session); /* NULL is fine */

SUAN_API uint32_t suan_session_n_ctx(const suan_session *session);
/* Tokens fed so far: the position of the next one. */
SUAN_API uint32_t suan_session_position(const suan_session *session);
/* The ids fed so far, suan_session_position of them; borrowed until the next call. */
SUAN_API const int32_t *suan_session_ids(const suan_session *session);
/* The greatest position at or before `position` that the session can be rewound to: `position` itself, except for models with compressed attention (DeepSeek-V4), which keep
 * the last positions, and marks far apart behind them. */
SUAN_API uint32_t suan_session_reach(const suan_session *session, uint32_t position);
/* Forgets everything from position `position` on (<= the present one). The logits are gone until the next feed. SUAN_ERANGE names the
 * nearest position where this one is out of reach. */
SUAN_API suan_status suan_session_rewind(suan_session *session, uint32_t position, suan_error *err);
/* "suan-1 act=q8 kv=f16 round=none": contract version, activations, cache, rounding ("none" for every model without round trips). Kept until the session closes. */
SUAN_API const char *suan_session_profile(const suan_session *session);

/* Called for each token fed, in order, with the logits [n_vocab] that follow it. A value other than 0 stops (SUAN_STOPPED). */
typedef int suan_logits_fn(void *ctx, uint32_t position, int32_t id, const float *logits);
/* NULL turns it off (then logits are computed for the last token of a feed only). */
SUAN_API void suan_session_on_logits(suan_session *session, suan_logits_fn *fn, void *ctx);
/* done of total prompt tokens; called between the chunks of a feed. NULL turns it off. */
SUAN_API void suan_session_on_progress(suan_session *session, suan_progress_fn *fn, void *ctx);

/* Feeds n tokens (n >= 1). SUAN_ECONTEXT when they do not fit (nothing is fed then), SUAN_ERANGE for an id outside the vocabulary,
 * SUAN_ENUMERIC for a non-finite value (names layer and position), SUAN_STOPPED after a cancel: the session then stands behind the last
 * whole chunk. */
SUAN_API suan_status suan_session_feed(suan_session *session, const int32_t *ids, size_t n, suan_error *err);
/* Logits [n_vocab] after the last token fed; NULL when there are none. Borrowed until the next call. */
SUAN_API const float *suan_session_logits(const suan_session *session);
/* From any thread or signal handler: the running feed or generate stops at the next layer or token, and the request is forgotten when that call returns. A cancel
 * between two calls stops the next one. */
SUAN_API void suan_session_cancel(suan_session *session);

/* ---- sampling
 * ---------------------------------------------------------------------------------------------------------------------------------- The
 * chain, in this order: logit bias, repetition penalty, presence and frequency penalties, then temperature 0: the greatest (lowest id on
 * ties); otherwise temperature, top-k, typical, top-p, min-p on the softmax of what is left, and the draw: the first in the order
 * (probability descending, id ascending) whose cumulative sum exceeds u * total; u from Philox keyed by (seed, choice index, position).
 * Logprobs are those of the logits as the model gave them. */
typedef struct suan_logit_bias {
    int32_t id;
    float bias;
} suan_logit_bias;
typedef struct suan_sampling {
    float temperature;                         /* 0: greedy. 0 .. 100 */
    int32_t top_k;                             /* 0: off */
    float top_p;                               /* 1: off; (0, 1] */
    float min_p;                               /* 0: off; [0, 1] */
    float typical_p;                           /* 1: off; (0, 1] */
    float repetition_penalty;                  /* 1: off; > 0. Divides positive, multiplies negative logits of tokens seen */
    float presence_penalty, frequency_penalty; /* 0: off; -2 .. 2 */
    int32_t penalty_last_n;                    /* how many of the last tokens (prompt included) penalties look at; -1: all; default 64 */
    uint64_t seed;
    uint32_t choice;                   /* index of the choice (OpenAI's n) */
    const suan_logit_bias *logit_bias; /* borrowed for the call */
    size_t n_logit_bias;
} suan_sampling;
/* The defaults: greedy = temperature 0, everything else off. */
SUAN_API void suan_sampling_init(suan_sampling *sampling);
/* What the model's generation_config.json asks for (temperature 0.7, top_p 0.95, ...), on top of the present values; keys that are absent
 * change nothing. */
SUAN_API suan_status suan_model_sampling(const suan_model *model, suan_sampling *sampling, suan_error *err);

/* ---- generating ---- */
typedef struct suan_logprob {
    int32_t id;
    float logprob;
} suan_logprob;

typedef struct suan_piece {
    int32_t id;       /* the token drawn; -1 in a last piece that only flushes held bytes */
    const char *text; /* bytes that are complete and past every possible stop string; may be empty; not NUL-terminated */
    size_t n_text;
    float logprob;           /* of id, natural logarithm */
    const suan_logprob *top; /* n_top most probable, descending */
    size_t n_top;
} suan_piece;
/* Borrowed for the call. A value other than 0 stops generating (finish: cancelled). */
typedef int suan_piece_fn(void *ctx, const suan_piece *piece);

/* A limit on the reasoning of an answer. Once the model has drawn `budget` tokens of it and not ended it, the tokens of `close` come next, whatever the model would have
 * drawn, and it goes on behind them. They are tokens of the answer like all others: reported, counted, the same in every run. A grammar goes before: what it does not
 * allow is not forced. Marks that open and end reasoning are no tokens of it. */
typedef struct suan_think_limit {
    uint32_t budget;           /* 0: reasoning is closed as soon as it is open */
    suan_answer_syntax syntax; /* how reasoning is marked */
    const char *prompt;        /* the rendered prompt or its end, which may have opened the reasoning; NULL: it has not */
    size_t n_prompt;           /* borrowed for the call, as all pointers are */
    const char *close,
        *reopen; /* NUL-terminated, see suan_answer_think_end; reopen: instead of close where reasoning begins again behind it */
} suan_think_limit;

typedef enum suan_finish { SUAN_FINISH_STOP = 0, SUAN_FINISH_LENGTH, SUAN_FINISH_CANCELLED } suan_finish;

typedef struct suan_generate_params {
    suan_sampling sampling;
    uint32_t max_tokens;     /* 0: until the context is full */
    bool ignore_eos;         /* end-of-generation tokens are tokens like others */
    const char *const *stop; /* n_stop strings (UTF-8) that end the answer; they are not part of it */
    size_t n_stop;           /* <= 64 */
    uint32_t n_logprobs;     /* most probable tokens to report with each; <= 256 */
    bool want_logprobs;      /* compute piece.logprob */
    suan_piece_fn *on_piece; /* NULL: none */
    void *ctx;
    struct suan_matcher
        *matcher; /* what form the answer has (suan/grammar.h); used up by one answer. End tokens are ends then, whatever ignore_eos
                                     says, and the answer ends where nothing may follow. NULL: none */
    const suan_think_limit *think; /* NULL: reasoning ends where the model ends it. Needs a tokenizer */
} suan_generate_params;
SUAN_API void suan_generate_params_init(suan_generate_params *params);

typedef struct suan_result {
    int32_t *ids; /* tokens drawn, n_ids; an end-of-generation token that ended the answer is the last of them. Owned by the result */
    size_t n_ids;
    char *
        text; /* the answer (without the end token's text and without the stop string), NUL-terminated; n_text bytes. Owned by the result */
    size_t n_text;
    suan_finish finish;
    bool context_full;                     /* finish is LENGTH because the context is full */
    size_t n_prompt, n_prompt_cached;      /* prompt tokens; of these, tokens that were in the cache already */
    double prompt_seconds, decode_seconds; /* wall clock */
    uint64_t n_drafted, n_accepted;        /* tokens guessed and checked; of these, tokens that were drawn */
} suan_result;
/* Brings the session to `ids` (the common prefix with what it holds is kept, the rest rewound and fed; at least one token is fed), then
 * draws tokens. Needs a tokenizer only for text, stop strings and end tokens. On SUAN_STOPPED from a cancel: SUAN_OK with finish CANCELLED.
 * *result is zeroed on failure. The last token drawn is not fed. */
SUAN_API suan_status suan_generate(suan_session *session, const int32_t *ids, size_t n_ids, const suan_generate_params *params,
                                   suan_result *result, suan_error *err);
SUAN_API void suan_result_fini(suan_result *result);

#ifdef __cplusplus
}
#endif
#endif
