/* engine.h: what the files of the engine share. */
#ifndef SUAN_ENGINE_ENGINE_H
#define SUAN_ENGINE_ENGINE_H

#include <stdatomic.h>

#include "engine/draft.h"
#include "model/model.h"
#include "suan/session.h"
#include "text/tokenizer.h"

/* What a generation_config.json asks for; a field counts where its flag is set. */
typedef struct suan__sampling_defaults {
    bool has_temperature, has_top_k, has_top_p, has_min_p, has_typical_p, has_repetition_penalty;
    float temperature, top_p, min_p, typical_p, repetition_penalty;
    uint32_t top_k;
} suan__sampling_defaults;

struct suan_model {
    suan__model *graph;
    suan__model *ahead; /* its module for multi-token prediction, when it was asked for */
    suan__pool *pool;
    suan_tokenizer *tokenizer;        /* NULL: the files carry none */
    struct suan_template *chat;       /* NULL: no chat template, or one that is malformed: chat_error says which */
    struct suan_template *chat_tools; /* for requests with tools, where the model has one of its own for them */
    suan_error chat_error;            /* status SUAN_OK: the model has no template */
    char *path;
    suan__sampling_defaults defaults; /* of generation_config.json */
    int32_t *eos_ids;                 /* config's eos_token_id where there is no tokenizer to say it */
    size_t n_eos_ids;
    uint64_t memory_bytes; /* what the options allow; 0: no limit of theirs */
};

#define SUAN__MAX_TOP 256 /* most probable tokens that are reported with one */

/* The numeric profile as one string. */
#define SUAN__PROFILE_TEXT 64
void suan__profile_text(char text[SUAN__PROFILE_TEXT], bool exact, const suan__kv *kv);
/* Seconds of the clock that only goes on. */
double suan__seconds(void);

struct suan_session {
    suan_model *model;
    suan__kv kv;
    suan__step *step;
    uint32_t n_ctx, position, chunk;
    bool exact, has_logits;
    uint32_t logit_row; /* of the step's rows of logits, the one that follows the last token */
    suan__draft draft;
    int32_t *ids; /* [n_ctx] fed so far */
    atomic_bool cancel;
    suan_logits_fn *on_logits;
    void *on_logits_ctx;
    suan_progress_fn *on_progress;
    void *on_progress_ctx;
    char profile[SUAN__PROFILE_TEXT];
    struct suan__sampler *sampler; /* buffers of generate, made once */
};

/* As suan_session_feed, but a cancel stays set (generate clears it at its own end). */
suan_status suan__session_feed(suan_session *session, const int32_t *ids, size_t n, suan_error *err);
/* Runs the n tokens (<= SUAN__LOGIT_ROWS) that stand in ids from the session's position on, all their logits wanted. The position stays. */
suan_status suan__session_try(suan_session *session, uint32_t n, suan_error *err);
/* The type of a cache's elements. */
suan__dtype suan__kv_dtype(suan_kv_type kv);
/* What a session and a batch are told of numbers. */
suan_status suan__check_numbers(uint32_t n_ctx, suan_kv_type kv, suan_activations activations, suan_rounding rounding, suan_error *err);
/* Memory that is left beside the weights, by the machine and by the model's limit. Mapped weights count as available memory while nothing else wants it; they are wanted. */
uint64_t suan__memory_beside(const suan_model *model);
/* The chunk that is used for what the options ask. */
uint32_t suan__session_chunk(uint32_t asked);
/* The greatest context, at most `most`, whose cache takes at most `have` bytes; 0 when not even one block does. */
uint32_t suan__context_that_fits(const suan__hparams *hp, suan_kv_type kv, uint64_t have, uint32_t most);

/* As suan_model_open; the checkpoint may be given (borrowed for the call), NULL: the one at path. */
suan_status suan__model_open(suan_model **model, const char *path, const suan__checkpoint *given, const suan_model_options *options,
                             suan_error *err);

/* Whether id ends an answer: the tokenizer's end-of-generation ids and generation_config's. */
bool suan__model_is_eog(const suan_model *model, int32_t id);

#endif
