/* engine.h: what the files of the engine share. */
#ifndef SUAN_ENGINE_ENGINE_H
#define SUAN_ENGINE_ENGINE_H

#include <stdatomic.h>

#include "model/model.h"
#include "suan/session.h"
#include "text/tokenizer.h"

struct suan_model {
    suan__model *graph;
    suan__pool *pool;
    suan_tokenizer *tokenizer;  /* NULL: the files carry none */
    struct suan_template *chat; /* NULL: no chat template */
    char *path;
    suan_sampling sampling; /* of generation_config.json */
    uint32_t sampling_set;  /* bit i: field i of SUAN__SAMPLING_KEYS was there */
    int32_t *eos_ids;       /* generation_config's eos_token_id list, on top of the tokenizer's */
    size_t n_eos_ids;
    uint64_t memory_bytes; /* what the options allow; 0: no limit of theirs */
};

struct suan_session {
    suan_model *model;
    suan__kv kv;
    suan__step *step;
    uint32_t n_ctx, position, chunk;
    bool exact, has_logits;
    int32_t *ids; /* [n_ctx] fed so far */
    atomic_bool cancel;
    suan_logits_fn *on_logits;
    void *on_logits_ctx;
    suan_progress_fn *on_progress;
    void *on_progress_ctx;
    char profile[64];
    struct suan__sampler *sampler; /* buffers of generate, made once */
};

/* As suan_session_feed, but a cancel stays set (generate clears it at its own end). */
suan_status suan__session_feed(suan_session *session, const int32_t *ids, size_t n, suan_error *err);
/* The chunk that is used for what the options ask. */
uint32_t suan__session_chunk(uint32_t asked);
/* The greatest context, at most `most`, whose cache takes at most `have` bytes; 0 when not even one block does. */
uint32_t suan__context_that_fits(const suan__hparams *hp, suan_kv_type kv, uint64_t have, uint32_t most);

/* Whether id ends an answer: the tokenizer's end-of-generation ids and generation_config's. */
bool suan__model_is_eog(const suan_model *model, int32_t id);

#endif
