/* anthropic.c: the Messages interface: its routes, errors and list of models. */
#include <stdlib.h>
#include <string.h>

#include "serve/anthropic.h"
#include "serve/server.h"

/* ---- errors ---- */

static const char *error_type(suan__problem_kind kind) {
    switch (kind) {
    case SUAN__PROBLEM_KEY:
        return "authentication_error";
    case SUAN__PROBLEM_FORBIDDEN:
        return "permission_error";
    case SUAN__PROBLEM_NOT_FOUND:
        return "not_found_error";
    case SUAN__PROBLEM_TIMEOUT:
        return "timeout_error";
    case SUAN__PROBLEM_TOO_LARGE:
        return "request_too_large";
    case SUAN__PROBLEM_RATE:
        return "rate_limit_error";
    case SUAN__PROBLEM_BUSY:
        return "overloaded_error";
    case SUAN__PROBLEM_INTERNAL:
        return "api_error";
    default:
        return "invalid_request_error";
    }
}

static json_t *error_json(const suan__exchange *x, const suan__problem *problem) {
    /* Agents know by these words that they have to shorten the conversation. */
    const char *prefix = problem->kind == SUAN__PROBLEM_CONTEXT ? "prompt is too long: " : "";
    return json_pack("{s:s, s:{s:s, s:s+}, s:s}", "type", "error", "error", "type", error_type(problem->kind), "message", prefix,
                     problem->message, "request_id", suan__exchange_id(x));
}

static void stream_error(suan__exchange *x, const suan__problem *problem) {
    suan__stream_event(x, "error", error_json(x, problem));
}

const suan__dialect suan__anthropic_dialect = {
    .name = "anthropic", .error = error_json, .stream_error = stream_error, .request_id_header = "request-id"};

/* ---- messages ---- */

static void free_request(void *p) {
    suan__anthropic *a = p;
    suan__gather_fini(&a->gather);
    suan__free(a);
}

/* The request checked and read into an ask; NULL: *problem says why, or has kind NONE where a reply was made. */
static suan__ask *read_request(suan__exchange *x, const suan__fields *fields, suan__anthropic **request, suan__problem *problem) {
    *problem = (suan__problem){0};
    json_t *body = suan__exchange_json(x, problem);
    if (!body || !suan__fields_check(x, body, fields, "", problem)) return NULL;
    suan__anthropic *a = suan__calloc(1, sizeof *a);
    if (!a || !suan__gather_init(&a->gather, 1)) {
        if (a) free_request(a);
        suan__no_memory(problem);
        return NULL;
    }
    a->open = -1;
    a->is_stream = json_is_true(json_object_get(body, "stream"));
    suan__ask *ask = suan__ask_new(x, suan__anthropic_event, a, free_request);
    if (!ask) return NULL;
    *request = a;
    return suan__anthropic_read(x, ask, body, a, problem) ? ask : NULL;
}

static void reply_unless_done(suan__exchange *x, const suan__problem *problem) {
    if (problem->kind != SUAN__PROBLEM_NONE) suan__reply_problem(x, problem);
}

static void handle_messages(suan__exchange *x) {
    suan__problem problem;
    suan__anthropic *a;
    suan__ask *ask = read_request(x, &suan__anthropic_message_fields, &a, &problem);
    if (ask) ask->streams_calls = true;
    if (ask && a->is_stream) ask->stream_type = "text/event-stream", ask->stream_keep_alive = SUAN__ANTHROPIC_KEEP_ALIVE;
    if (!ask || !suan__ask_start(x, ask, &problem)) reply_unless_done(x, &problem);
}

static void handle_count(suan__exchange *x) {
    suan__problem problem;
    suan__anthropic *a;
    size_t n = 0;
    suan__ask *ask = read_request(x, &suan__anthropic_count_fields, &a, &problem);
    if (!ask || !suan__ask_count(x, ask, &n, &problem)) {
        reply_unless_done(x, &problem);
        return;
    }
    suan__reply_json(x, 200, json_pack("{s:I}", "input_tokens", (json_int_t)n));
}

/* ---- models ---- */

static bool wants_models(const suan__exchange *x) {
    return suan__exchange_header(x, "anthropic-version") != NULL;
}

static json_t *model_json(const suan__exchange *x) {
    const suan__server *s = suan__exchange_server(x);
    char time[SUAN__TIME_TEXT];
    suan_batch_stats stats;
    suan_batch_get_stats(s->batch, &stats);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "type", "model", "id", s->config.model_name, "display_name",
                     s->config.model_name, "created_at", suan__time_text(time, s->started, -1), "lifecycle", "active", "max_input_tokens",
                     (json_int_t)stats.n_ctx, "max_tokens", (json_int_t)stats.n_ctx);
}

/* limit, after_id and before_id page through a list of one. */
static void handle_models(suan__exchange *x) {
    suan__problem problem;
    const char *limit = suan__exchange_query(x, "limit"), *id = suan__exchange_server(x)->config.model_name;
    char *end = NULL;
    long n = limit ? strtol(limit, &end, 10) : 20;
    if (n < 1 || n > 1000 || (limit && *end)) {
        suan__problem_set(&problem, SUAN__PROBLEM_INVALID, "limit", "limit is no integer from 1 to 1000.");
        suan__reply_problem(x, &problem);
        return;
    }
    bool is_past = suan__exchange_query(x, "after_id") || suan__exchange_query(x, "before_id");
    if (is_past)
        suan__reply_json(x, 200, json_pack("{s:[], s:b, s:n, s:n}", "data", "has_more", 0, "first_id", "last_id"));
    else
        suan__reply_json(x, 200, json_pack("{s:[o], s:b, s:s, s:s}", "data", model_json(x), "has_more", 0, "first_id", id, "last_id", id));
}

static void handle_model(suan__exchange *x) {
    suan__problem problem;
    json_t *name = json_string(suan__exchange_capture(x));
    if (suan__ask_model(x, name, "model", &problem))
        suan__reply_json(x, 200, model_json(x));
    else
        suan__reply_problem(x, &problem);
    json_decref(name);
}

#define DIALECT &suan__anthropic_dialect
static const suan__route rows[] = {
    {"POST", "/v1/messages", DIALECT, handle_messages, SUAN__ROUTE_COUNTED, NULL, "An answer of the model, whole or as a stream"},
    {"POST", "/v1/messages/count_tokens", DIALECT, handle_count, 0, NULL, "How many tokens a prompt has"},
    {"GET", "/v1/models", DIALECT, handle_models, SUAN__ROUTE_NO_BODY, wants_models, "The models, for requests with anthropic-version"},
    {"GET", "/v1/models/{*}", DIALECT, handle_model, SUAN__ROUTE_NO_BODY, wants_models, "A model, for requests with anthropic-version"},
};
const suan__routes suan__anthropic_routes = {rows, sizeof rows / sizeof *rows};
