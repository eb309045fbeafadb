/* ask.c: the life of an ask: made, prepared, submitted, ended.
 *
 * It belongs to its exchange, and holds a reference to it from submit to the end of the request. The batch's thread hands over events; the client's going and slowness come on any
 * thread: the lock guards the request against being freed under their hands, and makes the first event wait until submit knows the request.
 */
#include "serve/ask.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/utf8.h"
#include "serve/ask_internal.h"
#include "serve/fields.h"

static suan__ask_state *state_of(suan__ask *ask) {
    return (suan__ask_state *)ask;
}

/* ---- making ---- */

static void free_state(void *p) {
    suan__ask_state *a = p;
    suan__ask_choices_fini(a);
    json_decref(a->ask.messages);
    json_decref(a->ask.tools);
    json_decref(a->ask.template_extra);
    suan_free(a->prompt);
    suan_free(a->ids);
    suan_grammar_free(a->grammar);
    free(a->tools);
    suan__free(a->stop);
    if (a->free_ctx) a->free_ctx(a->ctx);
    suan__free(a);
}

static void free_group(void *p) {
    suan__ask_group *group = p;
    pthread_mutex_destroy(&group->lock);
    suan__free(group);
}

/* 53 bits, which every reader of JSON keeps whole. Without random numbers the seed stays. */
static void draw_seed(uint64_t *seed) {
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, 0) == (ssize_t)sizeof bits) *seed = bits >> 11;
}

static suan__ask_group *group_of(suan__exchange *x) {
    suan__ask_group *group = suan__exchange_kept(x, free_group);
    if (group) return group;
    group = suan__calloc(1, sizeof *group);
    if (!group) return NULL;
    pthread_mutex_init(&group->lock, NULL);
    group->seed = suan__exchange_server(x)->config.sampling.seed;
    if (suan__exchange_server(x)->config.draws_seeds) draw_seed(&group->seed);
    return suan__exchange_keep(x, group, free_group) ? group : NULL;
}

suan__ask *suan__ask_new(suan__exchange *x, suan__ask_fn *fn, void *ctx, void (*free_ctx)(void *)) {
    static const suan__problem no_memory = {.kind = SUAN__PROBLEM_BUSY, .message = "Out of memory.", .retry_after = 1};
    suan__ask_group *group = group_of(x);
    suan__ask_state *a = group ? suan__calloc(1, sizeof *a) : NULL;
    if (!a) {
        if (free_ctx) free_ctx(ctx);
        suan__reply_problem(x, &no_memory);
        return NULL;
    }
    a->x = x;
    a->fn = fn;
    a->ctx = ctx;
    a->free_ctx = free_ctx;
    a->group = group;
    suan_request_params_init(&a->ask.params);
    a->ask.params.sampling = suan__exchange_server(x)->config.sampling;
    a->ask.params.sampling.seed = group->seed;
    a->ask.params.n_choices = 1;
    a->ask.think = -1;
    a->ask.think_budget = -1;
    if (!suan__exchange_keep(x, a, free_state)) { /* it has been freed */
        suan__reply_problem(x, &no_memory);
        return NULL;
    }
    return &a->ask;
}

/* ---- what interfaces have in common ---- */

bool suan__ask_model(suan__exchange *x, const json_t *name, const char *where, suan__problem *problem) {
    if (!json_is_string(name)) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is missing.", where);
    if (suan__server_is_model(suan__exchange_server(x), json_string_value(name))) return true;
    return suan__problem_set(problem, SUAN__PROBLEM_NOT_FOUND, where, "The model \"%.200s\" was not found; this server has \"%s\".",
                             json_string_value(name), suan__exchange_server(x)->config.model_name);
}

static bool add_stop(suan__ask_state *a, const json_t *v, const char *where, suan__problem *problem) {
    size_t n = json_string_length(v);
    if (!json_is_string(v) || n == 0 || n > SUAN__MAX_STOP_STRING_BYTES)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is no stop string, expected a string of 1 to %d bytes.", where,
                                 SUAN__MAX_STOP_STRING_BYTES);
    a->stop[a->ask.params.n_stop++] = json_string_value(v);
    return true;
}

bool suan__ask_stop(suan__exchange *x, suan__ask *ask, const json_t *v, const char *where, suan__problem *problem) {
    suan__ask_state *a = state_of(ask);
    char path[SUAN__PATH_BYTES];
    if (!v || json_is_null(v)) return true;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > SUAN__MAX_STOP_STRINGS)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s has %zu strings, expected at most %d.", where, n,
                                 SUAN__MAX_STOP_STRINGS);
    suan__free(a->stop);
    a->stop = suan__calloc(SUAN__MAX_STOP_STRINGS, sizeof *a->stop);
    if (!a->stop) return suan__problem_set(problem, SUAN__PROBLEM_BUSY, where, "Out of memory.");
    ask->params.n_stop = 0;
    ask->params.stop = a->stop;
    if (!json_is_array(v)) return add_stop(a, v, where, problem);
    for (size_t i = 0; i < n; i++)
        if (!add_stop(a, json_array_get(v, i), suan__item_path(path, where, i), problem)) return false;
    return true;
}

static bool has_left(suan__ask_group *group) {
    if (!group) return false;
    pthread_mutex_lock(&group->lock);
    bool is_gone = group->is_gone;
    pthread_mutex_unlock(&group->lock);
    return is_gone;
}

void suan__ask_fail(suan__exchange *x, const suan__problem *problem) {
    if (has_left(suan__exchange_kept(x, free_group))) return; /* nobody listens: the log says that the client left, and nothing else */
    if (!suan__reply_has_begun(x)) {
        suan__reply_problem(x, problem);
        return;
    }
    suan__exchange_route(x)->dialect->stream_error(x, problem);
    suan__stream_end(x);
}

const char *suan__ask_token_bytes(const suan__exchange *x, int32_t id, size_t *n) {
    const suan_tokenizer *t = suan_model_tokenizer(suan__exchange_server(x)->model);
    const char *bytes = t ? suan_tokenizer_token_bytes(t, id, n) : NULL;
    if (!bytes) *n = 0;
    return bytes ? bytes : "";
}

/* ---- what the asks of an exchange cost together ---- */

void suan__usage_add(suan_usage *sum, const suan_usage *u) {
    bool had_any = sum->n_prompt > 0;
    sum->n_prompt += u->n_prompt;
    sum->n_cached += u->n_cached;
    sum->n_completion += u->n_completion;
    if (u->queue_seconds > sum->queue_seconds) sum->queue_seconds = u->queue_seconds;
    if (u->prompt_seconds > sum->prompt_seconds) sum->prompt_seconds = u->prompt_seconds;
    if (u->decode_seconds > sum->decode_seconds) sum->decode_seconds = u->decode_seconds;
    sum->busy_seconds += u->busy_seconds;
    sum->bytes_read += u->bytes_read;
    sum->operations += u->operations;
    if (u->joules < 0 || (had_any && sum->joules < 0))
        sum->joules = -1;
    else
        sum->joules += u->joules;
}

static void settle(suan__exchange *x, suan__ask_group *group, const suan_usage *usage, uint32_t n_reasoning, int status) {
    static const suan_usage nothing = {.joules = -1};
    pthread_mutex_lock(&group->lock);
    suan__usage_add(&group->usage, usage ? usage : &nothing);
    group->n_reasoning += n_reasoning;
    if (status > group->status) group->status = status;
    bool is_last = --group->n_open == 0;
    pthread_mutex_unlock(&group->lock);
    if (is_last) suan__server_account(suan__exchange_server(x), x, &group->usage, group->n_reasoning, group->status);
}

/* ---- preparing and submitting ---- */

bool suan__ask_prepare(suan__exchange *x, suan__ask *ask, suan__problem *problem) {
    suan__ask_state *a = state_of(ask);
    pthread_mutex_lock(&a->group->lock);
    a->group->n_open++;
    pthread_mutex_unlock(&a->group->lock);
    a->is_prepared = true;
    bool is_good = suan__ask_render(a, problem) && suan__ask_compile(a, problem) && suan__ask_choices_init(a, problem);
    if (!is_good) settle(x, a->group, NULL, 0, suan__problem_status(problem->kind));
    a->is_prepared = is_good;
    return is_good;
}

void suan__ask_drop(suan__exchange *x, suan__ask *ask, int status) {
    suan__ask_state *a = state_of(ask);
    if (!a->is_prepared) return;
    a->is_prepared = false;
    settle(x, a->group, NULL, 0, status);
}

static void on_gone(void *ctx) {
    suan__ask_group *group = ctx;
    pthread_mutex_lock(&group->lock);
    group->is_gone = true;
    for (suan__ask_state *a = group->active; a; a = a->next) suan_request_cancel(a->request);
    pthread_mutex_unlock(&group->lock);
}

static void on_slow(void *ctx, bool is_full) {
    suan__ask_group *group = ctx;
    pthread_mutex_lock(&group->lock);
    group->is_slow = is_full;
    for (suan__ask_state *a = group->active; a; a = a->next) suan_request_pause(a->request, is_full);
    pthread_mutex_unlock(&group->lock);
}

void suan__ask_cancel(suan__ask *ask) {
    suan__ask_state *a = state_of(ask);
    pthread_mutex_lock(&a->group->lock);
    if (a->request) suan_request_cancel(a->request);
    pthread_mutex_unlock(&a->group->lock);
}

/* When asking again may help: a quarter of the time that what waits will take, by the work of requests so far. */
static double retry_seconds(const suan__server *s) {
    suan_batch_stats stats;
    suan_batch_get_stats(s->batch, &stats);
    double each = stats.n_finished > 0 ? stats.busy_seconds / (double)stats.n_finished : 1;
    double seconds = each * ((double)stats.n_queued + 1) / 4;
    return seconds < 1 ? 1 : seconds > 100 ? 100 : seconds; /* clients do not wait for more than 120 */
}

/* Half of the queue: the rest is for requests of their own. */
bool suan__ask_may_submit(const suan__exchange *x) {
    suan_batch_stats stats;
    suan_batch_get_stats(suan__exchange_server(x)->batch, &stats);
    return 2 * (uint64_t)stats.n_queued < stats.max_queued;
}

bool suan__ask_may_later(const suan__problem *problem) {
    return problem->kind == SUAN__PROBLEM_BUSY || problem->kind == SUAN__PROBLEM_RATE;
}

/* For want of room the ask stays prepared. */
static void refuse(suan__ask_state *a, const suan_error *err, suan__problem *problem) {
    suan__ask_engine_problem(a, problem, a->ask.messages ? "messages" : "prompt", err);
    a->is_prepared = true;
    if (suan__ask_may_later(problem)) {
        problem->retry_after = retry_seconds(suan__exchange_server(a->x));
        problem->param[0] = 0;
    } else {
        suan__ask_drop(a->x, &a->ask, suan__problem_status(problem->kind));
    }
}

/* With one reference to the exchange for the request and, where that was taken, one more for the caller: the first event may be the last. */
static bool hand_in(suan__ask_state *a, const suan_request_params *params, suan_error *err) {
    suan__ask_group *group = a->group;
    pthread_mutex_lock(&group->lock);
    bool is_watched = group->is_watched;
    bool is_good = suan_batch_submit(suan__exchange_server(a->x)->batch, params, &a->request, err) == SUAN_OK;
    if (is_good) {
        suan__exchange_ref(a->x);
        a->next = group->active;
        group->active = a;
        group->is_watched = true;
        if (group->is_slow) suan_request_pause(a->request, true);
        if (group->is_gone) suan_request_cancel(a->request);
        if (a->ask.stream_type) suan__stream_begin(a->x, a->ask.stream_type);
        if (a->ask.stream_type && a->ask.stream_keep_alive) suan__stream_keep_alive(a->x, a->ask.stream_keep_alive);
    }
    pthread_mutex_unlock(&group->lock);
    if (is_good && !is_watched) suan__exchange_watch(a->x, on_gone, on_slow, group);
    return is_good;
}

/* What repeats the answer, bit by bit, besides the request: for whoever asked without a seed. */
static void tell_seed(suan__exchange *x, const suan_request_params *params) {
    char text[24];
    if (params->only_prompt || params->pooling != SUAN_POOLING_NONE || suan__reply_has_begun(x)) return;
    snprintf(text, sizeof text, "%llu", (unsigned long long)params->sampling.seed);
    suan__reply_header(x, "x-suan-seed", text);
}

bool suan__ask_submit(suan__exchange *x, suan__ask *ask, suan__problem *problem) {
    suan__ask_state *a = state_of(ask);
    const suan__server *s = suan__exchange_server(x);
    suan_request_params params = ask->params;
    suan_error err = {0};
    params.ids = a->ids;
    params.n_ids = a->n_ids;
    tell_seed(x, &params);
    if (!ask->plain) params.stop = NULL, params.n_stop = 0; /* they are found in what is visible, see ask_text.h; all of a plain text is */
    params.grammar = a->grammar;
    suan_think_limit think;
    if (suan__ask_think_limit(a, &think)) params.think = &think;
    params.keep_control = !ask->plain; /* marks of reasoning and calls are control tokens in some vocabularies */
    params.owner = suan__exchange_owner(x);
    params.on_event = suan__ask_on_event;
    params.ctx = a;
    if (params.max_seconds == 0) params.max_seconds = s->config.max_seconds;
    a->is_prepared = false;
    suan__exchange_ref(x);
    bool is_good = hand_in(a, &params, &err);
    if (!is_good) refuse(a, &err, problem);
    suan__exchange_free(x); /* the reference of this call, or that of a request that there is not */
    return is_good;
}

bool suan__ask_start(suan__exchange *x, suan__ask *ask, suan__problem *problem) {
    if (!suan__ask_prepare(x, ask, problem)) return false;
    if (suan__ask_submit(x, ask, problem)) return true;
    suan__ask_drop(x, ask, suan__problem_status(problem->kind));
    return false;
}

bool suan__ask_count(suan__exchange *x, suan__ask *ask, size_t *n_tokens, suan__problem *problem) {
    suan__ask_state *a = state_of(ask);
    if (!suan__ask_render(a, problem)) return false;
    *n_tokens = a->n_ids;
    return true;
}

/* ---- the end ---- */

static void find_problem(suan__ask_state *a, const suan_event *event, bool is_gone) {
    if (a->has_failed || event->status == SUAN_OK) return;
    if (event->status == SUAN_STOPPED && a->n_choices > 0 && a->n_over == a->n_choices) return; /* it was answered before that */
    a->has_failed = true;
    if (event->status == SUAN_STOPPED) {
        suan__problem_set(&a->problem, SUAN__PROBLEM_BUSY, "", "%s",
                          is_gone ? "The client has gone." : "The request was cancelled: the server stops.");
        a->problem.retry_after = 1;
    } else if (event->error) {
        suan__ask_engine_problem(a, &a->problem, "", event->error);
    } else {
        suan__problem_set(&a->problem, SUAN__PROBLEM_INTERNAL, "", "The request failed: %s.", suan_status_text(event->status));
    }
}

void suan__ask_ended(suan__ask_state *a, const suan_event *event) {
    suan__exchange *x = a->x;
    suan__ask_event end = {.kind = SUAN__ASK_END, .usage = event->usage};
    for (uint32_t i = 0; i < a->n_choices; i++) end.n_reasoning += a->choices[i].n_reasoning;
    pthread_mutex_lock(&a->group->lock);
    suan_request *request = a->request;
    bool is_gone = a->group->is_gone;
    a->request = NULL;
    for (suan__ask_state **at = &a->group->active; *at; at = &(*at)->next) {
        if (*at != a) continue;
        *at = a->next;
        break;
    }
    pthread_mutex_unlock(&a->group->lock);
    find_problem(a, event, is_gone);
    if (a->has_failed) end.problem = &a->problem;
    settle(x, a->group, &end.usage, end.n_reasoning, is_gone ? 499 : a->has_failed ? suan__problem_status(a->problem.kind) : 200);
    static const suan__problem none = {.kind = SUAN__PROBLEM_NONE};
    if (!end.problem) end.problem = &none;
    a->fn(a->ctx, x, &end);
    suan_request_free(&request);
    suan__exchange_free(x); /* `a` may be gone now */
}
