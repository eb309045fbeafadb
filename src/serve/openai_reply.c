/* openai_reply.c: what OpenAI's replies have in common, its errors, and its list of models. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "serve/openai.h"

const char *suan__openai_id(char id[SUAN__OPENAI_ID], const suan__exchange *x, const char *prefix) {
    const char *own = suan__exchange_id(x);
    snprintf(id, SUAN__OPENAI_ID, "%s%s", prefix, strncmp(own, "req_", 4) == 0 ? own + 4 : own);
    return id;
}

int64_t suan__openai_now(void) {
    return (int64_t)time(NULL);
}

const char *suan__openai_fingerprint(const suan__exchange *x) {
    suan_batch_stats stats;
    suan_batch_get_stats(suan__exchange_server(x)->batch, &stats);
    return stats.profile;
}

json_t *suan__openai_usage(const suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning) {
    return json_pack("{s:I, s:I, s:I, s:{s:I}, s:{s:I}, s:o}", "prompt_tokens", (json_int_t)usage->n_prompt, "completion_tokens",
                     (json_int_t)usage->n_completion, "total_tokens", (json_int_t)usage->n_prompt + usage->n_completion,
                     "prompt_tokens_details", "cached_tokens", (json_int_t)usage->n_cached, "completion_tokens_details", "reasoning_tokens",
                     (json_int_t)n_reasoning, "suan", suan__usage_json(x, usage));
}

/* ---- logprobs ---- */

static json_t *bytes_json(const char *s, size_t n) {
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(bytes, json_integer((unsigned char)s[i]));
    return bytes;
}

/* JSON knows no minus infinity, which a token that cannot be drawn has. */
static json_t *logprob_json(float logprob) {
    return json_real(isfinite(logprob) ? suan__short_decimal(logprob) : -9999.0);
}

static json_t *one_token(const char *text, size_t n, float logprob) {
    return json_pack("{s:o, s:o, s:o}", "token", suan__text_json(text, n), "logprob", logprob_json(logprob), "bytes", bytes_json(text, n));
}

json_t *suan__openai_token(const suan__exchange *x, const suan__token *token) {
    json_t *json = one_token(token->text, token->n, token->logprob), *top = json_array();
    for (size_t i = 0; i < token->n_top; i++) {
        size_t n = 0;
        const char *text = suan__ask_token_bytes(x, token->top[i].id, &n);
        json_array_append_new(top, one_token(text, n, token->top[i].logprob));
    }
    json_object_set_new(json, "top_logprobs", top);
    return json;
}

json_t *suan__openai_tokens(const suan__exchange *x, const suan__token *tokens, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, suan__openai_token(x, &tokens[i]));
    return list;
}

/* ---- errors ---- */

static const char *error_type(suan__problem_kind kind) {
    switch (kind) {
    case SUAN__PROBLEM_KEY:
        return "authentication_error";
    case SUAN__PROBLEM_FORBIDDEN:
        return "permission_error";
    case SUAN__PROBLEM_RATE:
        return "rate_limit_error";
    case SUAN__PROBLEM_BUSY:
    case SUAN__PROBLEM_INTERNAL:
        return "server_error";
    case SUAN__PROBLEM_TIMEOUT:
        return "timeout_error";
    default:
        return "invalid_request_error";
    }
}

const char *suan__openai_error_code(const suan__problem *problem) {
    switch (problem->kind) {
    case SUAN__PROBLEM_INVALID:
        return "invalid_value";
    case SUAN__PROBLEM_UNSUPPORTED:
        return "unsupported_parameter";
    case SUAN__PROBLEM_CONTEXT:
        return "context_length_exceeded";
    case SUAN__PROBLEM_KEY:
        return "invalid_api_key";
    case SUAN__PROBLEM_NOT_FOUND:
        return strcmp(problem->param, "model") == 0 ? "model_not_found" : "not_found";
    case SUAN__PROBLEM_RATE:
        return "rate_limit_exceeded";
    case SUAN__PROBLEM_BUSY:
        return "server_busy";
    case SUAN__PROBLEM_INTERNAL:
        return "internal_error";
    default:
        return NULL;
    }
}

json_t *suan__openai_error(const suan__exchange *x, const suan__problem *problem) {
    return json_pack("{s:{s:s, s:s, s:s?, s:s?}}", "error", "message", problem->message, "type", error_type(problem->kind), "param",
                     *problem->param ? problem->param : NULL, "code", suan__openai_error_code(problem));
}

static void stream_error(suan__exchange *x, const suan__problem *problem) {
    suan__stream_event(x, NULL, suan__openai_error(x, problem));
}

const suan__dialect suan__openai_dialect = {
    .name = "openai", .error = suan__openai_error, .stream_error = stream_error, .request_id_header = "x-request-id"};

/* ---- models ---- */

static json_t *model_json(const suan__exchange *x) {
    const suan__server *s = suan__exchange_server(x);
    suan_batch_stats stats;
    suan_batch_get_stats(s->batch, &stats);
    return json_pack("{s:s, s:s, s:I, s:s, s:I, s:{s:s, s:I, s:s}}", "id", s->config.model_name, "object", "model", "created",
                     (json_int_t)s->started, "owned_by", "suan", "max_model_len", (json_int_t)stats.n_ctx, "suan", "architecture",
                     s->info.architecture ? s->info.architecture : "", "parameters", (json_int_t)s->info.n_params, "profile",
                     stats.profile);
}

void suan__openai_models(suan__exchange *x) {
    suan__reply_json(x, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", model_json(x)));
}

void suan__openai_model(suan__exchange *x) {
    suan__problem problem;
    json_t *name = json_string(suan__exchange_capture(x));
    bool is_good = suan__ask_model(x, name, "model", &problem);
    json_decref(name);
    if (is_good)
        suan__reply_json(x, 200, model_json(x));
    else
        suan__reply_problem(x, &problem);
}

/* ---- routes ---- */

static const suan__route rows[] = {
    {"GET", "/v1/models", &suan__openai_dialect, suan__openai_models, SUAN__ROUTE_NO_BODY, NULL, "The model that is served"},
    {"GET", "/v1/models/{*}", &suan__openai_dialect, suan__openai_model, SUAN__ROUTE_NO_BODY, NULL, "The model by its name"},
    {"POST", "/v1/chat/completions", &suan__openai_dialect, suan__openai_chat, SUAN__ROUTE_COUNTED, NULL, "An answer to a conversation"},
    {"POST", "/v1/completions", &suan__openai_dialect, suan__openai_completions, SUAN__ROUTE_COUNTED, NULL, "A text gone on with"},
    {"POST", "/v1/embeddings", &suan__openai_dialect, suan__openai_embeddings, SUAN__ROUTE_COUNTED, NULL, "Texts as vectors"},
};
const suan__routes suan__openai_routes = {rows, sizeof rows / sizeof *rows};
