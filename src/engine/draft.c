/* draft.c: guesses and the steps that check them. */
#include "engine/draft.h"

#include <string.h>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "model/compress.h"

/* ---- made and freed ---- */

static suan_status check_vocabulary(const suan_model *model, const suan_model *other, suan_error *err) {
    const suan_tokenizer *a = model->tokenizer, *b = other->tokenizer;
    if (!a || !b) {
        SUAN_CHECK(model->graph->hp.n_vocab == other->graph->hp.n_vocab, SUAN_EINVAL,
                   "the draft model %s has a vocabulary of %u tokens, %s one of %u", other->path, other->graph->hp.n_vocab, model->path,
                   model->graph->hp.n_vocab);
        return SUAN_OK;
    }
    uint32_t n = suan_tokenizer_n_vocab(a);
    SUAN_CHECK(n == suan_tokenizer_n_vocab(b), SUAN_EINVAL, "the draft model %s has a vocabulary of %u tokens, %s one of %u", other->path,
               suan_tokenizer_n_vocab(b), model->path, n);
    for (uint32_t id = 0; id < n; id++) {
        size_t n_a, n_b;
        const char *x = suan_tokenizer_token_bytes(a, (int32_t)id, &n_a), *y = suan_tokenizer_token_bytes(b, (int32_t)id, &n_b);
        SUAN_CHECK(n_a == n_b && (n_a == 0 || memcmp(x, y, n_a) == 0), SUAN_EINVAL,
                   "the draft model %s has another vocabulary than %s: token %u differs", other->path, model->path, id);
    }
    return SUAN_OK;
}

suan_status suan__draft_check(const suan_model *model, const suan_session_options *o, suan_error *err) {
    SUAN_CHECK(o->draft >= SUAN_DRAFT_NONE && o->draft <= SUAN_DRAFT_MODEL, SUAN_EINVAL, "draft is %d, expected none, lookup, mtp or model",
               (int)o->draft);
    SUAN_CHECK(o->draft_max <= SUAN__MAX_DRAFT, SUAN_ERANGE, "draft_max is %u, expected at most %d", o->draft_max, SUAN__MAX_DRAFT);
    SUAN_CHECK(o->draft != SUAN_DRAFT_MTP || model->ahead, SUAN_EINVAL,
               "%s: drafting by mtp needs the model opened with its module for it (option mtp)", model->path);
    if (o->draft != SUAN_DRAFT_MODEL) return SUAN_OK;
    SUAN_CHECK(o->draft_model, SUAN_EINVAL, "drafting by a model needs draft_model, which is NULL");
    return check_vocabulary(model, o->draft_model, err);
}

static suan__ahead_options ahead_options(const suan_model *model, const suan_session_options *o, uint32_t n_ctx, uint32_t chunk) {
    return (suan__ahead_options){.module = model->ahead,
                                 .trunk = model->graph,
                                 .n_ctx = n_ctx,
                                 .chunk = chunk,
                                 .kv = suan__kv_dtype(o->kv),
                                 .exact = o->activations == SUAN_ACTIVATIONS_EXACT,
                                 .rounding = model->graph->hp.has_rounding && o->rounding == SUAN_ROUNDING_PUBLISHED};
}

uint64_t suan__draft_bytes(const suan_model *model, const suan_session_options *o, uint32_t n_ctx, uint32_t chunk) {
    suan__ahead_options a = ahead_options(model, o, n_ctx, chunk);
    switch (o->draft) {
    case SUAN_DRAFT_LOOKUP:
        return suan__lookup_bytes(n_ctx);
    case SUAN_DRAFT_MTP:
        return suan__ahead_bytes(&a);
    case SUAN_DRAFT_MODEL: {
        const suan__hparams *hp = &o->draft_model->graph->hp;
        uint64_t kv = suan__kv_bytes(hp, n_ctx, a.kv),
                 scratch = suan__scratch_bytes(hp, chunk, n_ctx, suan__pool_n_threads(o->draft_model->pool));
        return kv > UINT64_MAX - scratch ? UINT64_MAX : kv + scratch;
    }
    case SUAN_DRAFT_NONE:
        break;
    }
    return 0;
}

suan_status suan__draft_create(suan__draft *d, const suan_session *s, const suan_session_options *o, suan_error *err) {
    d->kind = o->draft;
    d->most = o->draft_max ? o->draft_max : SUAN__DEFAULT_DRAFT;
    suan__pace_init(&d->pace);
    if (d->kind == SUAN_DRAFT_LOOKUP) return suan__lookup_create(&d->lookup, s->n_ctx, err);
    if (d->kind == SUAN_DRAFT_MTP) {
        suan__ahead_options a = ahead_options(s->model, o, s->n_ctx, s->chunk);
        return suan__ahead_create(&d->ahead, &a, err);
    }
    if (d->kind != SUAN_DRAFT_MODEL) return SUAN_OK;
    suan_session_options other = *o;
    other.n_ctx = s->n_ctx;
    other.draft = SUAN_DRAFT_NONE;
    SUAN_TRY(suan_session_create(&d->other, o->draft_model, &other, err));
    suan__sampler_use(d->other->sampler, o->draft_model->graph->kernels);
    return SUAN_OK;
}

void suan__draft_free(suan__draft *d) {
    suan__lookup_free(&d->lookup);
    suan__ahead_free(d->ahead);
    suan_session_close(&d->other);
    *d = (suan__draft){0};
}

/* ---- what the session does ---- */

void suan__draft_take(suan__draft *d, const suan_session *s, uint32_t n) {
    if (d->ahead) suan__ahead_take(d->ahead, suan__step_state(s->step), n, s->ids);
}

void suan__draft_rewind(suan__draft *d, const int32_t *ids, uint32_t position) {
    if (d->kind == SUAN_DRAFT_LOOKUP) suan__lookup_rewind(&d->lookup, ids, position);
    if (d->ahead) suan__ahead_rewind(d->ahead, position);
    if (d->n_agreed > position) d->n_agreed = position;
}

/* ---- guesses ---- */

static uint32_t guess_ahead(suan__draft *d, suan_session *s, const suan_sampling *sampling, uint32_t most) {
    uint32_t at = s->position + 1, n = 0;
    const float *logits = suan__ahead_first(d->ahead, s->ids, s->position);
    while (logits) {
        s->ids[at] = suan__sampler_draw(s->sampler, sampling, logits, s->ids, at, at);
        if (++n == most) break;
        logits = suan__ahead_next(d->ahead, s->ids[at], at - 1);
        at++;
    }
    return n;
}

/* Brings the other session to the n ids of this one, in pieces, so that a cancel is seen between them. */
static bool follow(suan__draft *d, const suan_session *s, uint32_t n) {
    suan_session *other = d->other;
    while (d->n_agreed < n && d->n_agreed < other->position && other->ids[d->n_agreed] == s->ids[d->n_agreed]) d->n_agreed++;
    uint32_t common = d->n_agreed < n ? d->n_agreed : n - 1;
    if (suan_session_rewind(other, suan_session_reach(other, common), NULL) != SUAN_OK) return false;
    d->n_agreed = other->position;
    while (other->position < n) {
        uint32_t left = n - other->position, piece = left < other->chunk ? left : other->chunk;
        if (atomic_load(&s->cancel) || suan_session_feed(other, s->ids + other->position, piece, NULL) != SUAN_OK) return false;
    }
    d->n_agreed = n;
    return true;
}

static uint32_t guess_by_model(suan__draft *d, suan_session *s, const suan_sampling *sampling, uint32_t most) {
    suan_session *other = d->other;
    suan_sampling p = *sampling;
    uint32_t at = s->position + 1, n = 0, n_vocab = s->model->graph->hp.n_vocab;
    if (other->model->graph->hp.n_vocab < n_vocab) p.n_logit_bias = 0; /* biases may name tokens that it has not */
    if (!follow(d, s, at)) return 0;
    for (;;) {
        int32_t id = suan__sampler_draw(other->sampler, &p, suan_session_logits(other), s->ids, at, at);
        if ((uint32_t)id >= n_vocab) return n;
        s->ids[at] = id;
        if (++n == most || suan_session_feed(other, &id, 1, NULL) != SUAN_OK) return n;
        at++;
    }
}

uint32_t suan__draft_guess(suan__draft *d, suan_session *s, const suan_sampling *sampling, uint32_t most) {
    switch (d->kind) {
    case SUAN_DRAFT_LOOKUP:
        return suan__lookup_guess(&d->lookup, s->ids, s->position + 1, most);
    case SUAN_DRAFT_MTP:
        return guess_ahead(d, s, sampling, most);
    case SUAN_DRAFT_MODEL:
        return guess_by_model(d, s, sampling, most);
    case SUAN_DRAFT_NONE:
        break;
    }
    return 0;
}

/* ---- steps that check them ---- */

void suan__draft_settle(suan_session *s) {
    suan__draft *d = &s->draft;
    if (d->n_rows == 0) return;
    uint32_t n_right = d->n_taken ? d->n_taken - 1 : 0; /* the first row is of a token that was drawn, not guessed */
    bool was_wrong = d->has_missed && d->n_taken < d->n_rows;
    suan__pace_result(&d->pace, n_right + was_wrong, n_right);
    d->n_accepted += n_right;
    d->n_rows = 0;
    suan__past_rewind(&s->kv, &s->model->graph->hp, s->position);
    if (d->ahead) suan__ahead_take(d->ahead, suan__step_state(s->step), d->n_taken, s->ids);
}

/* The session goes on by a token whose row is there: what is seen from outside is as after a step over it alone. */
static suan_status take_row(suan_session *s, suan_error *err) {
    suan__draft *d = &s->draft;
    SUAN_CHECK(!atomic_load(&s->cancel), SUAN_STOPPED, "stopped by the caller");
    const float *logits = suan__step_logits(s->step) + (size_t)d->n_taken * s->model->graph->hp.n_vocab;
    s->has_logits = false;
    SUAN_CHECK(!s->on_logits || s->on_logits(s->on_logits_ctx, s->position, s->ids[s->position], logits) == 0, SUAN_STOPPED,
               "stopped by the caller");
    s->logit_row = d->n_taken++;
    s->position++;
    s->has_logits = true;
    if (s->on_progress) s->on_progress(s->on_progress_ctx, 1, 1);
    return SUAN_OK;
}

/* How many guesses there is room for, and use: one token of the answer comes out of the step anyway. */
static uint32_t most_guesses(const suan_session *s, uint64_t n_left) {
    uint64_t most = s->draft.most, room = s->n_ctx - s->position - 1;
    if (most > room) most = room;
    if (most > n_left - 1) most = n_left - 1;
    return (uint32_t)most;
}

/* Nothing is looked for behind an end of the answer. */
static uint32_t cut_at_end(const suan_session *s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (suan__model_is_eog(s->model, s->ids[s->position + 1 + i])) return i + 1;
    return n;
}

static suan_status feed_plain(suan_session *s, int32_t id, suan_error *err) {
    double begin = suan__seconds();
    SUAN_TRY(suan__session_feed(s, &id, 1, err));
    suan__pace_step(&s->draft.pace, 1, suan__seconds() - begin);
    return SUAN_OK;
}

/* n guesses stand behind the token. Where the step fails for them, a step without them decides. */
static suan_status feed_checked(suan_session *s, int32_t id, uint32_t n, suan_error *err) {
    suan__draft *d = &s->draft;
    suan_error why = {0};
    double begin = suan__seconds();
    suan_status status = suan__session_try(s, n + 1, &why);
    if (status != SUAN_OK) suan__past_rewind(&s->kv, &s->model->graph->hp, s->position);
    if (status != SUAN_OK && status != SUAN_STOPPED) return feed_plain(s, id, err);
    if (status != SUAN_OK) {
        if (err) *err = why;
        return status;
    }
    suan__pace_step(&d->pace, n + 1, suan__seconds() - begin);
    d->n_rows = n + 1;
    d->n_taken = 0;
    d->n_drafted += n;
    return take_row(s, err);
}

suan_status suan__draft_feed(suan_session *s, const suan_sampling *sampling, bool ignore_eos, int32_t id, uint64_t n_left,
                             suan_error *err) {
    suan__draft *d = &s->draft;
    if (d->kind == SUAN_DRAFT_NONE) return suan__session_feed(s, &id, 1, err);
    if (d->n_taken < d->n_rows && s->ids[s->position] == id) return take_row(s, err);
    d->has_missed = true;
    suan__draft_settle(s);
    d->has_missed = false;
    uint32_t most = s->position < s->n_ctx ? most_guesses(s, n_left) : 0, n = suan__pace_choose(&d->pace, most);
    if (n > 0) {
        double begin = suan__seconds();
        s->ids[s->position] = id;
        n = suan__draft_guess(d, s, sampling, n);
        suan__pace_guesses(&d->pace, n, suan__seconds() - begin);
    }
    if (n > 0 && !ignore_eos) n = cut_at_end(s, n);
    return n > 0 ? feed_checked(s, id, n, err) : feed_plain(s, id, err);
}
