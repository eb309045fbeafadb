/* batch_draw.c: rows of logits become tokens and logprobs, on all threads; then those they belong to are told. */
#include <string.h>

#include "engine/batch_internal.h"

/* ---- one draw, on any thread ---- */

static suan_status draw_freely(suan_batch *b, suan__draw *d, int i_thread) {
    suan__choice *c = d->choice;
    suan_error *err = &d->error;
    const uint32_t *mask = NULL;
    if (c->matcher) {
        bool is_free = false;
        SUAN_TRY(suan_matcher_mask(c->matcher, b->masks[i_thread], &is_free, err));
        if (!is_free) mask = b->masks[i_thread];
    }
    d->id = suan__sampler_draw_masked(b->samplers[i_thread], &c->sampling, mask, d->logits, c->ids, c->n_ids, c->n_ids);
    SUAN_CHECK(d->id >= 0, SUAN_EUNSUPPORTED, "grammar: no token of the model's vocabulary can come next");
    return c->matcher ? suan_matcher_accept(c->matcher, d->id, err) : SUAN_OK;
}

static suan_status draw_token(suan_batch *b, suan__draw *d, int i_thread) {
    suan__choice *c = d->choice;
    const suan_request *r = c->request;
    suan_error *err = &d->error;
    d->id = suan__think_forced(&c->think, c->matcher);
    if (d->id < 0) SUAN_TRY(draw_freely(b, d, i_thread));
    SUAN_TRY(suan__think_take(&c->think, d->id, err));
    d->is_end = (!r->ignore_eos || c->matcher) && suan__model_is_eog(b->model, d->id);
    if (!d->is_end) SUAN_TRY(suan__output_push(&c->output, d->id, err));
    d->text = suan__output_take(&c->output, false, &d->n_text);
    return SUAN_OK;
}

/* Tokens that are reported for a prompt have their text as it becomes whole. */
static suan_status echo_token(suan__draw *d) {
    suan_request *r = d->choice->request;
    SUAN_TRY(suan__output_push(&r->echo, d->id, &d->error));
    d->text = suan__output_take(&r->echo, false, &d->n_text);
    return SUAN_OK;
}

static void draw(void *ctx, int i_thread, int n_threads) {
    suan_batch *b = ctx;
    for (uint32_t i; (i = atomic_fetch_add(&b->next_draw, 1)) < b->n_draws;) {
        suan__draw *d = &b->draws[i];
        const suan_request *r = d->choice->request;
        d->status = d->is_prompt ? SUAN_OK : draw_token(b, d, i_thread);
        if (d->status != SUAN_OK || !d->logits || !(d->is_prompt || r->want_logprobs)) continue;
        d->n_top = r->n_logprobs;
        d->logprob = suan__sampler_logprobs(b->samplers[i_thread], d->logits, d->id, d->top, &d->n_top);
    }
}

/* ---- what follows from it ---- */

static void choice_failed(suan__choice *c, suan_status status, const suan_error *why) {
    c->is_over = true;
    c->status = status;
    if (c->request->error.status == SUAN_OK) c->request->error = *why;
}

static void take_token(suan_batch *b, suan__draw *d) {
    suan__choice *c = d->choice;
    suan_request *r = c->request;
    d->i_token = c->n_drawn++;
    c->ids[c->n_ids++] = d->id;
    r->usage.n_completion++;
    if (d->is_end || c->output.found_stop || (c->matcher && suan_matcher_is_over(c->matcher))) {
        c->is_over = true;
        c->finish = SUAN_FINISH_STOP;
    } else if (c->n_drawn == r->max_tokens) {
        c->is_over = true;
        c->finish = SUAN_FINISH_LENGTH;
        c->context_full = r->to_the_end;
    }
}

static void take_draw(suan_batch *b, suan__draw *d) {
    suan_request *r = d->choice->request;
    if (atomic_load(&r->cancelled)) return;
    suan__batch_tell_start(r);
    if (d->is_prompt && d->status == SUAN_OK) d->status = echo_token(d);
    if (d->status != SUAN_OK && d->is_prompt) {
        suan__batch_fail(r, &d->error);
        return;
    }
    if (d->status != SUAN_OK) {
        choice_failed(d->choice, d->status, &d->error);
        return;
    }
    if (d->is_prompt)
        r->n_echoed = d->i_token + 1;
    else
        take_token(b, d);
    suan__batch_tell_draw(d);
}

static void do_draws(suan_batch *b) {
    atomic_store(&b->next_draw, 0);
    if (b->n_draws > 0) suan__pool_run(b->model->pool, draw, b);
    for (uint32_t i = 0; i < b->n_draws; i++) take_draw(b, &b->draws[i]);
    b->n_draws = 0;
}

static suan__draw *add_draw(suan_batch *b, suan__choice *c, const float *logits) {
    if (b->n_draws == SUAN__DRAWS) do_draws(b);
    suan__draw *d = &b->draws[b->n_draws++];
    *d = (suan__draw){.choice = c, .logits = logits, .top = d->top};
    return d;
}

static void add_echo(suan_batch *b, suan__choice *c, uint32_t i_token, const float *logits) {
    suan__draw *d = add_draw(b, c, logits);
    d->is_prompt = true;
    d->i_token = i_token;
    d->id = c->ids[i_token];
    if (!logits) d->logprob = __builtin_nanf("");
}

/* The end of a prompt: its choice draws, and those that go on from the same row. */
static void add_first_draws(suan_batch *b, suan__slot *s, const float *logits) {
    suan_request *r = s->choice->request;
    uint32_t n = s->n_forks;
    add_draw(b, s->choice, logits);
    for (s->n_forks = 0; s->n_forks < n; s->n_forks++) {
        suan__choice *c = &r->choices[1 + s->n_forks];
        suan_error why;
        if (suan__batch_begin(c, &why) != SUAN_OK) {
            suan__batch_fail(r, &why);
            return;
        }
        r->n_begun++;
        add_draw(b, c, logits);
    }
}

int suan__batch_on_rows(void *ctx, uint32_t n_rows, const float *logits, const uint32_t *segment, const uint32_t *token) {
    suan_batch *b = ctx;
    double begin = suan__seconds();
    for (uint32_t i = 0; i < n_rows; i++) {
        suan__slot *s = b->planned[segment[i]];
        suan__choice *c = s->choice;
        const float *row = logits + (size_t)i * b->model->graph->hp.n_vocab;
        uint32_t next = s->n_computed + token[i] + 1; /* the position that the row is about */
        if (atomic_load(&c->request->cancelled) || c->request->has_failed) continue;
        if (c->request->prompt_logprobs && !c->request->has_prompt && next <= c->request->n_ids) {
            if (next == 1 && c->request->n_echoed == 0) add_echo(b, c, 0, NULL);
            if (next < c->request->n_ids) add_echo(b, c, next, row);
        }
        if (next < c->n_ids || c->request->only_prompt) continue;
        if (c->index == 0 && c->n_drawn == 0)
            add_first_draws(b, s, row);
        else
            add_draw(b, c, row);
    }
    do_draws(b);
    b->draw_seconds += suan__seconds() - begin;
    return 0;
}
