/* batch_request.c: requests come in, are cancelled, are freed. */
#include <string.h>

#include "base/checked.h"
#include "engine/batch_internal.h"

#define MAX_CHOICES 128
#define MAX_SECONDS 1e9

void suan_request_params_init(suan_request_params *params) {
    *params = (suan_request_params){.n_choices = 1};
    suan_sampling_init(&params->sampling);
}

/* ---- checks ---- */

static suan_status check_prompt(const suan_batch *b, const suan_request_params *p, suan_error *err) {
    uint32_t n_vocab = b->model->graph->hp.n_vocab;
    bool draws = p->pooling == SUAN_POOLING_NONE && !p->only_prompt;
    SUAN_CHECK(p->ids && p->n_ids > 0, SUAN_EINVAL, "ids: the prompt is empty, expected at least one token");
    SUAN_CHECK(p->n_ids + draws <= b->n_ctx, SUAN_ECONTEXT, "the prompt has %zu tokens%s, the context of a request holds %u", p->n_ids,
               draws ? ", and one more is to be written" : "", b->n_ctx);
    for (size_t i = 0; i < p->n_ids; i++)
        SUAN_CHECK(p->ids[i] >= 0 && (uint32_t)p->ids[i] < n_vocab, SUAN_ERANGE, "ids: token %zu is %d, expected 0 to %u", i, p->ids[i],
                   n_vocab - 1);
    return SUAN_OK;
}

static suan_status check(const suan_batch *b, const suan_request_params *p, suan_error *err) {
    SUAN_TRY(check_prompt(b, p, err));
    SUAN_TRY(suan__sampling_check(&p->sampling, b->model->graph->hp.n_vocab, err));
    SUAN_CHECK(p->n_choices >= 1 && p->n_choices <= MAX_CHOICES, SUAN_ERANGE, "n_choices is %u, expected 1 to %d", p->n_choices,
               MAX_CHOICES);
    SUAN_CHECK(p->sampling.choice <= UINT32_MAX - p->n_choices, SUAN_ERANGE, "sampling: choice is %u, too large for %u choices",
               p->sampling.choice, p->n_choices);
    SUAN_CHECK(p->n_logprobs <= SUAN__MAX_TOP, SUAN_ERANGE, "n_logprobs is %u, expected at most %d", p->n_logprobs, SUAN__MAX_TOP);
    SUAN_CHECK(p->n_stop == 0 || b->model->tokenizer, SUAN_EINVAL, "stop: stop strings need a tokenizer, the model has none");
    SUAN_CHECK(!p->grammar || b->model->tokenizer, SUAN_EINVAL, "grammar: a grammar needs a tokenizer, the model has none");
    SUAN_CHECK((int)p->pooling >= SUAN_POOLING_NONE && p->pooling <= SUAN_POOLING_LAST, SUAN_EINVAL,
               "pooling is %d, expected none, mean or last", (int)p->pooling);
    SUAN_CHECK(p->pooling == SUAN_POOLING_NONE || !p->prompt_logprobs, SUAN_EINVAL, "prompt_logprobs: an embedding has none");
    SUAN_CHECK(p->max_seconds >= 0 && p->max_seconds <= MAX_SECONDS, SUAN_ERANGE, "max_seconds is %g, expected 0 (no limit) to %g",
               p->max_seconds, MAX_SECONDS);
    return SUAN_OK;
}

/* ---- copies ---- */

static suan_status copy_stops(suan_request *r, const suan_request_params *p, suan_error *err) {
    suan__stop checked;
    SUAN_TRY(suan__stop_init(&checked, p->stop, p->n_stop, err));
    suan__stop_fini(&checked);
    if (p->n_stop == 0) return SUAN_OK;
    size_t bytes = p->n_stop * sizeof *r->stop;
    for (size_t i = 0; i < p->n_stop; i++) bytes += strlen(p->stop[i]) + 1;
    r->stop = suan__malloc(bytes);
    SUAN_CHECK(r->stop, SUAN_ENOMEM, "out of memory for a request");
    char *to = (char *)(r->stop + p->n_stop);
    for (size_t i = 0; i < p->n_stop; i++) {
        size_t n = strlen(p->stop[i]) + 1;
        memcpy(to, p->stop[i], n);
        r->stop[i] = to;
        to += n;
    }
    r->n_stop = p->n_stop;
    return SUAN_OK;
}

static suan_status copy_arrays(suan_request *r, const suan_request_params *p, suan_error *err) {
    SUAN_TRY(copy_stops(r, p, err));
    r->ids = suan__malloc(p->n_ids * sizeof *r->ids);
    r->choices = suan__calloc(p->n_choices, sizeof *r->choices);
    r->bias = suan__malloc(p->sampling.n_logit_bias * sizeof *r->bias);
    if (p->pooling != SUAN_POOLING_NONE) r->pooled = suan__calloc(r->batch->model->graph->hp.n_embd, sizeof *r->pooled);
    SUAN_CHECK(r->ids && r->choices && r->bias && (r->pooled || p->pooling == SUAN_POOLING_NONE), SUAN_ENOMEM,
               "out of memory for a request");
    memcpy(r->ids, p->ids, p->n_ids * sizeof *r->ids);
    if (p->sampling.n_logit_bias) memcpy(r->bias, p->sampling.logit_bias, p->sampling.n_logit_bias * sizeof *r->bias);
    r->sampling.logit_bias = r->bias;
    if (p->prompt_logprobs) SUAN_TRY(suan__output_init(&r->echo, r->batch->model->tokenizer, NULL, 0, !p->keep_control, err));
    for (uint32_t i = 0; i < p->n_choices; i++) {
        suan__choice *c = &r->choices[i];
        *c = (suan__choice){.request = r, .index = i, .sampling = r->sampling};
        c->sampling.choice += i;
    }
    return SUAN_OK;
}

/* The vocabulary of the model for grammars: made when the first one comes, by whoever brings it. */
static suan_status need_vocabulary(suan_batch *b, suan_error *err) {
    suan_status status = SUAN_OK;
    pthread_mutex_lock(&b->vocabulary_lock);
    if (!b->vocabulary) status = suan_vocabulary_create(&b->vocabulary, b->model->tokenizer, err);
    pthread_mutex_unlock(&b->vocabulary_lock);
    return status;
}

/* The first choice's matcher and its first mask are made by the caller's thread: what cannot be matched is refused at once, and the batch finds the mask with the grammar. */
static suan_status start_grammar(suan_request *r, suan_grammar *g, suan_error *err) {
    suan_batch *b = r->batch;
    if (r->only_prompt) return SUAN_OK;
    SUAN_TRY(need_vocabulary(b, err));
    r->grammar = suan_grammar_ref(g);
    SUAN_TRY(suan_matcher_create(&r->choices[0].matcher, g, b->vocabulary, err));
    uint32_t *mask = suan__calloc(b->n_mask_words, sizeof *mask);
    SUAN_CHECK(mask, SUAN_ENOMEM, "out of memory for a request");
    suan_status status = suan_matcher_mask(r->choices[0].matcher, mask, NULL, err);
    suan__free(mask);
    return status;
}

static suan_status make_request(suan_request **request, suan_batch *b, const suan_request_params *p, suan_error *err) {
    suan_status status = SUAN_OK;
    suan_request *r = suan__calloc(1, sizeof *r);
    SUAN_CHECK(r, SUAN_ENOMEM, "out of memory for a request");
    /* As in suan_generate: the token behind the last position can be drawn, but not fed. */
    uint32_t room = b->n_ctx - (uint32_t)p->n_ids + 1;
    *r = (suan_request){.batch = b,
                        .n_refs = 2,
                        .n_ids = (uint32_t)p->n_ids,
                        .n_choices = p->only_prompt || p->pooling != SUAN_POOLING_NONE ? 1 : p->n_choices,
                        .to_the_end = p->max_tokens == 0 || p->max_tokens > room,
                        .max_tokens = p->max_tokens == 0 || p->max_tokens > room ? room : p->max_tokens,
                        .n_logprobs = p->n_logprobs,
                        .ignore_eos = p->ignore_eos,
                        .want_logprobs = p->want_logprobs || p->n_logprobs,
                        .prompt_logprobs = p->prompt_logprobs,
                        .keep_control = p->keep_control,
                        .only_prompt = p->only_prompt || p->pooling != SUAN_POOLING_NONE,
                        .pooling = p->pooling,
                        .sampling = p->sampling,
                        .on_event = p->on_event,
                        .ctx = p->ctx,
                        .usage = {.n_prompt = (uint32_t)p->n_ids, .joules = -1},
                        .submitted = suan__seconds()};
    if (p->max_seconds > 0) r->deadline = r->submitted + p->max_seconds;
    SUAN_TRY_GOTO(copy_arrays(r, p, err));
    if (p->grammar) SUAN_TRY_GOTO(start_grammar(r, p->grammar, err));
    if (!r->only_prompt) SUAN_TRY_GOTO(suan__think_rule_init(&r->think, p->think, b->model->tokenizer, err));
    *request = r;
    return SUAN_OK;
fail:
    suan__request_free(r);
    return status;
}

void suan__request_free(suan_request *r) {
    for (uint32_t i = 0; r->choices && i < r->n_choices; i++) {
        suan__output_fini(&r->choices[i].output);
        suan_matcher_free(r->choices[i].matcher);
        suan__think_fini(&r->choices[i].think);
        suan__free(r->choices[i].ids);
    }
    suan__output_fini(&r->echo);
    suan_grammar_free(r->grammar);
    suan__think_rule_fini(&r->think);
    suan__free(r->choices);
    suan__free(r->pooled);
    suan__free(r->stop);
    suan__free(r->bias);
    suan__free(r->ids);
    suan__free(r);
}

/* ---- owners ---- */

suan__owner *suan__batch_owner(suan_batch *b, uint64_t id, bool make) {
    size_t lo = 0, hi = b->n_owners;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (b->owners[middle]->id < id)
            lo = middle + 1;
        else
            hi = middle;
    }
    if (lo < b->n_owners && b->owners[lo]->id == id) return b->owners[lo];
    if (!make) return NULL;
    if (b->n_owners == b->owners_capacity) {
        size_t capacity = b->owners_capacity ? 2 * b->owners_capacity : 16;
        suan__owner **owners = suan__realloc(b->owners, capacity, sizeof *owners);
        if (!owners) return NULL;
        b->owners = owners;
        b->owners_capacity = capacity;
    }
    suan__owner *o = suan__calloc(1, sizeof *o);
    if (!o) return NULL;
    *o = (suan__owner){.id = id, .queue_end = &o->queue, .root = {.first = SUAN__NO_PAGE}};
    memmove(b->owners + lo + 1, b->owners + lo, (b->n_owners - lo) * sizeof *b->owners);
    b->owners[lo] = o;
    b->n_owners++;
    return o;
}

/* ---- in and out ---- */

/* Under the lock. */
static suan_status enqueue(suan_batch *b, suan_request *r, const suan_request_params *params, suan_error *err) {
    const suan_batch_options *o = &b->options;
    if (b->broken.status != SUAN_OK) {
        if (err) *err = b->broken;
        return b->broken.status;
    }
    SUAN_CHECK(!b->is_closing, SUAN_ELIMIT, "the batch is closing");
    bool is_bound = !params->is_continued;
    SUAN_CHECK(!is_bound || b->n_queued < o->n_queued, SUAN_ELIMIT, "the queue is full: %u requests wait, at most %u may", b->n_queued,
               o->n_queued);
    SUAN_CHECK(!is_bound || b->queued_tokens + r->n_ids <= o->queued_tokens, SUAN_ELIMIT,
               "the queue is full: prompts of %llu tokens wait, this one has %u, at most %llu may", (unsigned long long)b->queued_tokens,
               r->n_ids, (unsigned long long)o->queued_tokens);
    suan__owner *w = suan__batch_owner(b, params->owner, true);
    SUAN_CHECK(w, SUAN_ENOMEM, "out of memory for a request");
    SUAN_CHECK(!is_bound || o->n_owner == 0 || w->n_requests < o->n_owner, SUAN_EQUOTA,
               "%u requests of this owner wait or run, at most %u may", w->n_requests, o->n_owner);
    r->owner = w;
    r->number = b->n_numbers++;
    w->n_requests++;
    *w->queue_end = r;
    w->queue_end = &r->next_queued;
    r->is_queued = true;
    r->before = b->last;
    *(b->last ? &b->last->next : &b->first) = r;
    b->last = r;
    b->n_queued++;
    b->queued_tokens += r->n_ids;
    b->stats.n_requests++;
    b->is_awake = true;
    pthread_cond_signal(&b->wake);
    return SUAN_OK;
}

suan_status suan_batch_submit(suan_batch *batch, const suan_request_params *params, suan_request **request, suan_error *err) {
    suan_request *r = NULL;
    *request = NULL;
    SUAN_TRY(check(batch, params, err));
    SUAN_TRY(make_request(&r, batch, params, err));
    *request = r; /* before the first event can come */
    pthread_mutex_lock(&batch->lock);
    suan_status status = enqueue(batch, r, params, err);
    if (status != SUAN_OK) batch->stats.n_refused++;
    pthread_mutex_unlock(&batch->lock);
    if (status == SUAN_OK) return SUAN_OK;
    *request = NULL;
    suan__request_free(r);
    return status;
}

void suan__batch_cancel(suan_request *r) {
    suan_batch *b = r->batch;
    pthread_mutex_lock(&b->lock);
    if (!atomic_load(&r->cancelled)) {
        atomic_store(&r->cancelled, true);
        if (r->in_step && --b->n_step_live == 0) atomic_store(&b->step_cancel, true);
        b->is_awake = true;
        pthread_cond_signal(&b->wake);
    }
    pthread_mutex_unlock(&b->lock);
}

void suan_request_cancel(suan_request *request) {
    suan__batch_cancel(request);
}

void suan_request_end_choice(suan_request *request, uint32_t choice) {
    suan__choice *c = &request->choices[choice];
    if (c->is_over) return; /* the draw has ended it by itself */
    c->is_over = true;
    c->finish = SUAN_FINISH_STOP;
}

void suan_request_pause(suan_request *request, bool paused) {
    suan_batch *b = request->batch;
    pthread_mutex_lock(&b->lock);
    atomic_store(&request->paused, paused);
    b->is_awake = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void suan_request_free(suan_request **request) {
    suan_request *r = *request;
    *request = NULL;
    if (!r) return;
    suan_batch *b = r->batch;
    suan__batch_cancel(r);
    pthread_mutex_lock(&b->lock);
    r->is_freed = true;
    if (!pthread_equal(pthread_self(), b->thread))
        while (b->talking == r) pthread_cond_wait(&b->told, &b->lock);
    bool is_last = --r->n_refs == 0;
    pthread_mutex_unlock(&b->lock);
    if (is_last) suan__request_free(r);
}
