/* gemini.c: the Gemini interface: its routes, errors and list of models. It answers below /v1beta and below /v1: the vendor's clients changed from one to the other. */
#include <stdlib.h>
#include <string.h>

#include "serve/embed.h"
#include "serve/gemini.h"
#include "serve/server.h"

/* ---- errors ---- */

static const char *status_name(suan__problem_kind kind) {
    switch (kind) {
    case SUAN__PROBLEM_KEY:
        return "UNAUTHENTICATED";
    case SUAN__PROBLEM_FORBIDDEN:
        return "PERMISSION_DENIED";
    case SUAN__PROBLEM_NOT_FOUND:
        return "NOT_FOUND";
    case SUAN__PROBLEM_TIMEOUT:
        return "DEADLINE_EXCEEDED";
    case SUAN__PROBLEM_RATE:
        return "RESOURCE_EXHAUSTED";
    case SUAN__PROBLEM_BUSY:
        return "UNAVAILABLE";
    case SUAN__PROBLEM_INTERNAL:
        return "INTERNAL";
    default:
        return "INVALID_ARGUMENT";
    }
}

static json_t *error_json(const suan__exchange *x, const suan__problem *problem) {
    json_t *details = json_array();
    if (problem->param[0])
        json_array_append_new(details, json_pack("{s:s, s:[{s:s, s:s}]}", "@type", "type.googleapis.com/google.rpc.BadRequest",
                                                 "fieldViolations", "field", problem->param, "description", problem->message));
    return json_pack("{s:{s:i, s:s, s:s, s:o}}", "error", "code", suan__problem_status(problem->kind), "message", problem->message,
                     "status", status_name(problem->kind), "details", details);
}

static void free_request(void *p) {
    suan__gemini *g = p;
    suan__gather_fini(&g->gather);
    suan__free(g->sum_logprobs);
    suan__free(g->n_logprobs);
    suan__free(g);
}

static void stream_error(suan__exchange *x, const suan__problem *problem) {
    suan__gemini *g = suan__exchange_kept(x, free_request);
    if (!g) return;
    suan__gemini_send(g, x, error_json(x, problem));
    if (g->is_array) suan__stream_write(x, "]\n", 2);
}

const suan__dialect suan__gemini_dialect = {
    .name = "gemini", .error = error_json, .stream_error = stream_error, .request_id_header = "x-request-id"};

/* ---- what the path says ---- */

/* A model as the path or a body names it: with or without "models/". */
static bool check_model(suan__exchange *x, const char *name, suan__problem *problem) {
    json_t *v = json_string(strncmp(name, "models/", 7) == 0 ? name + 7 : name);
    bool good = v ? suan__ask_model(x, v, "model", problem) : suan__no_memory(problem);
    json_decref(v);
    return good;
}

static bool check_member_model(suan__exchange *x, const json_t *body, const suan__fields *fields, suan__problem *problem) {
    const char *name = json_string_value(suan__field_get(body, fields, "model"));
    return !name || check_model(x, name, problem);
}

/* ---- answers ---- */

static suan__gemini *new_request(suan__exchange *x, suan__problem *problem) {
    suan__gemini *g = suan__calloc(1, sizeof *g);
    if (g && suan__exchange_keep(x, g, free_request)) return g;
    suan__no_memory(problem);
    return NULL;
}

static bool make_room(suan__gemini *g, uint32_t n_choices, suan__problem *problem) {
    g->sum_logprobs = suan__calloc(n_choices, sizeof *g->sum_logprobs);
    g->n_logprobs = suan__calloc(n_choices, sizeof *g->n_logprobs);
    return (suan__gather_init(&g->gather, n_choices) && g->sum_logprobs && g->n_logprobs) || suan__no_memory(problem);
}

/* Whether a stream is an array of JSON or server-sent events. */
static bool read_alt(const suan__exchange *x, suan__gemini *g, suan__problem *problem) {
    const char *alt = suan__exchange_query(x, "alt");
    if (alt && strcmp(alt, "sse") != 0 && strcmp(alt, "json") != 0)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "alt", "alt is \"%.32s\", expected sse or json.", alt);
    g->is_array = !alt || strcmp(alt, "sse") != 0;
    return true;
}

static void generate(suan__exchange *x, bool is_stream) {
    suan__problem problem = {0};
    const suan__fields *fields = &suan__gemini_generate_fields;
    json_t *body = suan__exchange_json(x, &problem);
    suan__gemini *g = body ? new_request(x, &problem) : NULL;
    suan__ask *ask = g ? suan__ask_new(x, suan__gemini_event, g, NULL) : NULL;
    if (g && !ask) return; /* a reply was made */
    if (g) g->is_stream = is_stream;
    bool good = g && suan__fields_check(x, body, fields, "", &problem) && check_member_model(x, body, fields, &problem) &&
                (!is_stream || read_alt(x, g, &problem)) && suan__gemini_read(x, ask, body, g, &problem) &&
                make_room(g, ask->params.n_choices, &problem);
    /* Between events the vendor's clients take blank lines, and nothing else. */
    if (good && is_stream) ask->stream_type = g->is_array ? "application/json" : "text/event-stream", ask->stream_keep_alive = "\n";
    if (!good || !suan__ask_start(x, ask, &problem)) suan__reply_problem(x, &problem);
}

static void handle_generate(suan__exchange *x) {
    generate(x, false);
}

static void handle_stream(suan__exchange *x) {
    generate(x, true);
}

/* contents alone, or a whole request. */
static bool read_count(suan__exchange *x, suan__ask *ask, suan__gemini *g, const json_t *body, suan__problem *problem) {
    const suan__fields *fields = &suan__gemini_count_fields;
    if (!suan__fields_check(x, body, fields, "", problem) || !check_member_model(x, body, fields, problem)) return false;
    const json_t *request = suan__field_get(body, fields, "generateContentRequest"), *contents = suan__field_get(body, fields, "contents");
    if ((request != NULL) == (contents != NULL))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "contents", "Expected either contents or generateContentRequest.");
    if (contents && !json_array_size(contents)) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "contents", "contents is empty.");
    if (contents) return suan__gemini_read_contents(x, ask, body, fields, problem);
    return suan__fields_check(x, request, &suan__gemini_generate_fields, "generateContentRequest", problem) &&
           check_member_model(x, request, &suan__gemini_generate_fields, problem) && suan__gemini_read(x, ask, request, g, problem);
}

static void handle_count(suan__exchange *x) {
    suan__problem problem = {0};
    size_t n = 0;
    json_t *body = suan__exchange_json(x, &problem);
    suan__gemini *g = body ? new_request(x, &problem) : NULL;
    suan__ask *ask = g ? suan__ask_new(x, suan__gemini_event, g, NULL) : NULL;
    if (g && !ask) return;
    if (g && read_count(x, ask, g, body, &problem) && suan__ask_count(x, ask, &n, &problem))
        suan__reply_json(x, 200, json_pack("{s:I}", "totalTokens", (json_int_t)n));
    else
        suan__reply_problem(x, &problem);
}

/* ---- embeddings ---- */

static json_t *embedding_json(const suan__embed *e, size_t i) {
    return json_pack("{s:O}", "values", e->items[i].values);
}

static void reply_embedding(suan__exchange *x, suan__embed *e) {
    suan__reply_json(x, 200, json_pack("{s:o}", "embedding", embedding_json(e, 0)));
}

static void reply_embeddings(suan__exchange *x, suan__embed *e) {
    json_t *list = json_array();
    for (size_t i = 0; i < e->list.n; i++) json_array_append_new(list, embedding_json(e, i));
    suan__reply_json(x, 200, json_pack("{s:o}", "embeddings", list));
}

static bool add_text(suan__exchange *x, suan__embed *e, const json_t *request, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const suan__fields *fields = &suan__gemini_embed_fields;
    if (!suan__fields_check(x, request, fields, where, problem) || !check_member_model(x, request, fields, problem)) return false;
    int64_t n_embd = suan__exchange_server(x)->info.n_embd,
            n = suan__field_integer(suan__field_get(request, fields, "outputDimensionality"), n_embd);
    suan__field_path(path, where, "outputDimensionality");
    if (n != n_embd)
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, path, "%s is %lld; the vectors of this model have %lld numbers.", path,
                                 (long long)n, (long long)n_embd);
    suan__buf b = {0};
    bool good = suan__gemini_text(x, suan__field_get(request, fields, "content"), suan__field_path(path, where, "content"), &b, problem);
    if (good && !b.n) good = suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s: there is no text in it.", path);
    good = good && suan__embed_add(x, e, b.data, b.n, problem);
    suan__buf_fini(&b);
    return good;
}

static void embed(suan__exchange *x, const suan__fields *fields, suan__embed_fn *fn) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    bool good = body && suan__fields_check(x, body, fields, "", &problem) && check_member_model(x, body, fields, &problem);
    const json_t *list = good && fields == &suan__gemini_batch_embed_fields ? suan__field_get(body, fields, "requests") : NULL;
    suan__embed *e = good ? suan__embed_new(x, list ? json_array_size(list) : 1, fn) : NULL;
    if (good && !e) good = suan__no_memory(&problem);
    if (good && !list) good = add_text(x, e, body, "", &problem);
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        char where[SUAN__PATH_BYTES];
        good = add_text(x, e, json_array_get(list, i), suan__item_path(where, "requests", i), &problem);
    }
    if ((!good || !suan__embed_start(x, e, &problem)) && problem.kind != SUAN__PROBLEM_NONE) suan__reply_problem(x, &problem);
}

static void handle_embed(suan__exchange *x) {
    embed(x, &suan__gemini_embed_fields, reply_embedding);
}

static void handle_batch_embed(suan__exchange *x) {
    embed(x, &suan__gemini_batch_embed_fields, reply_embeddings);
}

/* ---- the path's verb ---- */

static const struct {
    const char *verb;
    suan__handler *handler;
} verbs[] = {{"generateContent", handle_generate},
             {"streamGenerateContent", handle_stream},
             {"countTokens", handle_count},
             {"embedContent", handle_embed},
             {"batchEmbedContents", handle_batch_embed}};

/* "a/b:4b:generateContent": names may hold slashes and colons, so the last colon counts. */
static void handle_post(suan__exchange *x) {
    suan__problem problem = {0};
    const char *path = suan__exchange_capture(x), *colon = strrchr(path, ':');
    suan__handler *handler = NULL;
    for (size_t i = 0; colon && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(colon + 1, verbs[i].verb) == 0) handler = verbs[i].handler;
    char *name = handler ? suan__strndup(path, (size_t)(colon - path)) : NULL;
    bool good = false;
    if (!handler)
        suan__problem_set(&problem, SUAN__PROBLEM_NOT_FOUND, "", "There is no method \"%.100s\" of models.", colon ? colon + 1 : path);
    else
        good = name ? check_model(x, name, &problem) : suan__no_memory(&problem);
    suan__free(name);
    if (good)
        handler(x);
    else
        suan__reply_problem(x, &problem);
}

/* ---- models ---- */

static bool wants_models(const suan__exchange *x) {
    return suan__exchange_header(x, "x-goog-api-key") || suan__exchange_header(x, "x-goog-api-client") || suan__exchange_query(x, "key");
}

static json_t *model_json(const suan__exchange *x) {
    const suan__server *s = suan__exchange_server(x);
    json_t *methods = json_array();
    suan_batch_stats stats;
    suan_batch_get_stats(s->batch, &stats);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) json_array_append_new(methods, json_string(verbs[i].verb));
    return json_pack("{s:s+, s:s, s:s, s:s, s:I, s:I, s:o, s:f, s:f, s:i, s:b}", "name", "models/", s->config.model_name, "displayName",
                     s->config.model_name, "version", "1", "description", s->info.architecture ? s->info.architecture : "",
                     "inputTokenLimit", (json_int_t)stats.n_ctx, "outputTokenLimit", (json_int_t)stats.n_ctx, "supportedGenerationMethods",
                     methods, "temperature", suan__short_decimal(s->config.sampling.temperature), "topP", suan__short_decimal(s->config.sampling.top_p), "topK",
                     (int)s->config.sampling.top_k, "thinking", suan__ask_has_thinking(s));
}

static void handle_models(suan__exchange *x) {
    suan__problem problem;
    const char *size = suan__exchange_query(x, "pageSize"), *token = suan__exchange_query(x, "pageToken");
    char *end = NULL;
    long n = size && *size ? strtol(size, &end, 10) : 1;
    if (n < 0 || (end && *end))
        suan__problem_set(&problem, SUAN__PROBLEM_INVALID, "pageSize", "pageSize is no number of models.");
    else if (token && *token)
        suan__problem_set(&problem, SUAN__PROBLEM_INVALID, "pageToken", "There is no such page.");
    else {
        suan__reply_json(x, 200, json_pack("{s:[o]}", "models", model_json(x)));
        return;
    }
    suan__reply_problem(x, &problem);
}

static void handle_model(suan__exchange *x) {
    suan__problem problem;
    if (check_model(x, suan__exchange_capture(x), &problem))
        suan__reply_json(x, 200, model_json(x));
    else
        suan__reply_problem(x, &problem);
}

#define DIALECT &suan__gemini_dialect
#define POST_SUMMARY "MODEL:generateContent, :streamGenerateContent, :countTokens, :embedContent, :batchEmbedContents"
static const suan__route rows[] = {
    {"POST", "/v1beta/models/{*}", DIALECT, handle_post, SUAN__ROUTE_COUNTED, NULL, POST_SUMMARY},
    {"POST", "/v1/models/{*}", DIALECT, handle_post, SUAN__ROUTE_COUNTED, NULL, POST_SUMMARY},
    {"GET", "/v1beta/models", DIALECT, handle_models, SUAN__ROUTE_NO_BODY, NULL, "The models"},
    {"GET", "/v1beta/models/{*}", DIALECT, handle_model, SUAN__ROUTE_NO_BODY, NULL, "A model"},
    {"GET", "/v1/models", DIALECT, handle_models, SUAN__ROUTE_NO_BODY, wants_models,
     "The models, for requests with a header x-goog-* or ?key"},
    {"GET", "/v1/models/{*}", DIALECT, handle_model, SUAN__ROUTE_NO_BODY, wants_models,
     "A model, for requests with a header x-goog-* or ?key"},
};
const suan__routes suan__gemini_routes = {rows, sizeof rows / sizeof *rows};
