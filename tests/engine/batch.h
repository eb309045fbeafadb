/* batch.h: for tests of batches: a request with what it was told, and the same answer made alone. */
#ifndef TESTS_ENGINE_BATCH_H
#define TESTS_ENGINE_BATCH_H

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "seed.h"
#include "suan/batch.h"

#define MAX_ANSWER 1024
#define MAX_CHOICES 8

/* One answer: tokens, bits of logprobs (and of the most probable token's), text, end. */
typedef struct answer {
    int32_t ids[MAX_ANSWER];
    uint32_t logprobs[MAX_ANSWER], tops[MAX_ANSWER];
    size_t n_ids, n_text;
    char text[16384];
    char stop[64];
    suan_finish finish;
    bool context_full, time_over, is_over;
    suan_status status;
} answer;

typedef struct client {
    suan_request_params params;
    int32_t ids[4096];
    suan_request *request;
    answer answers[MAX_CHOICES];
    answer echo; /* of the prompt */
    float values[1024];
    uint32_t n_values;
    suan_usage usage;
    suan_status status;
    char message[1024];
    int n_starts, n_ends;
    size_t cancel_after; /* pieces; 0: never */
    size_t n_pieces;
    uint64_t order; /* in which it ended */
    atomic_bool has_started, is_over;
} client;

static _Atomic uint64_t client_order;

static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline void answer_add(answer *a, const suan_piece *p) {
    assert_true(a->n_text + p->n_text < sizeof a->text);
    memcpy(a->text + a->n_text, p->text, p->n_text);
    a->n_text += p->n_text;
    if (p->id < 0) return;
    assert_true(a->n_ids < MAX_ANSWER);
    a->logprobs[a->n_ids] = isnan(p->logprob) ? 1 : bits_of(p->logprob);
    a->tops[a->n_ids] = p->n_top ? bits_of(p->top[0].logprob) ^ (uint32_t)p->top[p->n_top - 1].id : 0;
    a->ids[a->n_ids++] = p->id;
}

static inline int client_event(void *ctx, const suan_event *e) {
    client *c = ctx;
    assert_int_equal(c->n_ends, 0);
    assert_true(e->kind == SUAN_EVENT_START || e->kind == SUAN_EVENT_END || c->n_starts == 1);
    switch (e->kind) {
    case SUAN_EVENT_START:
        c->n_starts++;
        atomic_store(&c->has_started, true);
        break;
    case SUAN_EVENT_PROMPT:
        assert_int_equal(e->i_token, c->echo.n_ids);
        answer_add(&c->echo, &e->piece);
        break;
    case SUAN_EVENT_PIECE:
        assert_false(c->answers[e->choice].is_over);
        assert_int_equal(e->i_token, c->answers[e->choice].n_ids);
        answer_add(&c->answers[e->choice], &e->piece);
        c->n_pieces++;
        break;
    case SUAN_EVENT_CHOICE: {
        answer *a = &c->answers[e->choice];
        assert_false(a->is_over);
        a->is_over = true;
        a->finish = e->finish;
        a->context_full = e->context_full;
        a->time_over = e->time_over;
        a->status = e->status;
        if (e->stop) snprintf(a->stop, sizeof a->stop, "%s", e->stop);
        break;
    }
    case SUAN_EVENT_EMBEDDING:
        assert_true(e->n_values <= 1024);
        memcpy(c->values, e->values, e->n_values * sizeof(float));
        c->n_values = e->n_values;
        break;
    case SUAN_EVENT_END:
        c->n_ends++;
        c->status = e->status;
        c->usage = e->usage;
        if (e->error) snprintf(c->message, sizeof c->message, "%s", e->error->message);
        c->order = atomic_fetch_add(&client_order, 1);
        atomic_store(&c->is_over, true);
        return 0;
    }
    return c->cancel_after && c->n_pieces >= c->cancel_after;
}

static inline void client_init(client *c, const int32_t *ids, size_t n) {
    memset(c, 0, sizeof *c);
    suan_request_params_init(&c->params);
    assert_true(n <= 4096);
    if (n) memcpy(c->ids, ids, n * sizeof *ids);
    c->params.ids = c->ids;
    c->params.n_ids = n;
    c->params.on_event = client_event;
    c->params.ctx = c;
}

static inline void client_submit(client *c, suan_batch *batch) {
    suan_error err = {0};
    if (suan_batch_submit(batch, &c->params, &c->request, &err) != SUAN_OK) fail_msg("%s", err.message);
}

/* Until a flag is set; a minute at most. */
static inline void wait_for(const atomic_bool *flag) {
    for (int i = 0; i < 600000 && !atomic_load(flag); i++) usleep(100);
    assert_true(atomic_load(flag));
}

static inline void client_wait(client *c) {
    wait_for(&c->is_over);
    suan_request_free(&c->request);
    assert_int_equal(c->n_ends, 1);
}

static inline int alone_piece(void *ctx, const suan_piece *piece) {
    answer_add(ctx, piece);
    return 0;
}

/* The i-th choice of the client's request as suan_generate makes it. */
static inline void answer_alone(const client *c, suan_session *session, uint32_t choice, answer *a) {
    suan_generate_params p;
    suan_result r;
    suan_error err = {0};
    memset(a, 0, sizeof *a);
    suan_generate_params_init(&p);
    p.sampling = c->params.sampling;
    p.sampling.choice += choice;
    p.max_tokens = c->params.max_tokens;
    p.ignore_eos = c->params.ignore_eos;
    p.stop = c->params.stop;
    p.n_stop = c->params.n_stop;
    p.think = c->params.think;
    p.want_logprobs = c->params.want_logprobs;
    p.n_logprobs = c->params.n_logprobs;
    p.on_piece = alone_piece;
    p.ctx = a;
    if (suan_generate(session, c->ids, c->params.n_ids, &p, &r, &err) != SUAN_OK) fail_msg("%s", err.message);
    a->finish = r.finish;
    a->context_full = r.context_full;
    assert_int_equal(r.n_ids, a->n_ids);
    suan_result_fini(&r);
}

static inline void assert_same_answer(const answer *is, const answer *should) {
    assert_int_equal(is->n_ids, should->n_ids);
    assert_memory_equal(is->ids, should->ids, is->n_ids * sizeof *is->ids);
    assert_memory_equal(is->logprobs, should->logprobs, is->n_ids * sizeof *is->logprobs);
    assert_memory_equal(is->tops, should->tops, is->n_ids * sizeof *is->tops);
    assert_int_equal(is->n_text, should->n_text);
    assert_memory_equal(is->text, should->text, is->n_text);
    assert_int_equal(is->finish, should->finish);
    assert_int_equal(is->context_full, should->context_full);
}

static inline suan_batch *batch_open(suan_model *model, const suan_batch_options *options) {
    suan_batch *batch;
    suan_error err = {0};
    if (suan_batch_create(&batch, model, options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return batch;
}

static inline suan_session *session_like(suan_model *model, const suan_batch_options *o) {
    suan_session *session;
    suan_session_options options = {.n_ctx = o->n_ctx, .kv = o->kv, .activations = o->activations, .rounding = o->rounding};
    suan_error err = {0};
    if (suan_session_create(&session, model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return session;
}

/* Numbers that are the same in every run. */
static inline uint32_t chance(uint64_t *state, uint32_t n) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % n);
}

/* n ids of words: no control tokens of the model that ships here. */
static inline void random_ids(uint64_t *state, int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) ids[i] = 16 + (int32_t)chance(state, 1500);
}

#endif
