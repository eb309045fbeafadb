/* own.c: the routes that are no interface's. */
#include "serve/own.h"

#include <string.h>

#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/openapi.h"

/* ---- how errors look ---- */

static json_t *own_error(const suan__exchange *x, const suan__problem *problem) {
    return json_pack("{s:{s:s, s:i, s:o}}", "error", "message", problem->message, "code", suan__problem_status(problem->kind), "param",
                     *problem->param ? json_string(problem->param) : json_null());
}

static void own_stream_error(suan__exchange *x, const suan__problem *problem) {
    suan__stream_event(x, "error", own_error(x, problem));
}

const suan__dialect suan__own_dialect = {
    .name = "suan", .error = own_error, .stream_error = own_stream_error, .request_id_header = "x-request-id"};

/* ---- is it well ---- */

/* Lives, unless the engine does not come on. With ?probe=1 it is asked for a token: for those only who may ask. */
static void health(suan__exchange *x) {
    suan__server *s = suan__exchange_server(x);
    suan_batch_stats stats = {0};
    const char *state = atomic_load(&s->stopping) ? "stopping" : atomic_load(&s->ready) ? "ok" : "loading", *trouble = NULL;
    bool may_ask = *suan__exchange_key_name(x) || !suan__auth_is_needed(s->http->auth);
    if (suan__server_stats(s, &stats)) {
        trouble = atomic_load(&s->trouble);
        if (!trouble && may_ask && suan__exchange_query(x, "probe") && suan__engine_probe(x)) return;
    }
    json_t *body = json_pack("{s:s, s:f, s:i, s:i}", "status", trouble ? "stuck" : state, "step_seconds", stats.step_seconds, "active",
                             (int)stats.n_active, "queued", (int)stats.n_queued);
    if (trouble && body) json_object_set_new(body, "reason", json_string(trouble));
    suan__reply_json(x, trouble ? 503 : 200, body);
}

static void ready(suan__exchange *x) {
    suan__server *s = suan__exchange_server(x);
    bool is_stopping = atomic_load(&s->stopping), is_ready = atomic_load(&s->ready) && !is_stopping;
    if (!is_ready) suan__reply_header(x, "Retry-After", "2");
    suan__reply_json(x, is_ready ? 200 : 503,
                     json_pack("{s:b, s:s}", "ready", is_ready, "status",
                               is_stopping ? "stopping"
                               : is_ready  ? "ok"
                                           : "loading"));
}

/* ---- figures ---- */

static void metrics(suan__exchange *x) {
    suan__buf b = {0};
    suan__metrics_text(suan__exchange_server(x), &b);
    if (b.failed)
        suan__reply_json(x, 500, NULL);
    else
        suan__reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", b.data, b.n);
    suan__buf_fini(&b);
}

/* {"n_layer", "n_expert", "use": [[..]]}: how often each expert was used; null without experts. */
static json_t *experts(const suan__server *s) {
    size_t n = suan_batch_expert_use(s->batch, NULL, 0), n_expert = s->info.n_expert;
    uint64_t *use = n > 0 && n_expert > 0 ? suan__calloc(n, sizeof *use) : NULL;
    if (!use) return json_null();
    suan_batch_expert_use(s->batch, use, n);
    json_t *layers = json_array();
    for (size_t i = 0; i + n_expert <= n; i += n_expert) {
        json_t *layer = json_array();
        for (size_t k = 0; k < n_expert; k++) json_array_append_new(layer, json_integer((json_int_t)use[i + k]));
        json_array_append_new(layers, layer);
    }
    suan__free(use);
    return json_pack("{s:i, s:i, s:o}", "n_layer", (int)(n / n_expert), "n_expert", (int)n_expert, "use", layers);
}

static void live(suan__exchange *x) {
    suan__server *s = suan__exchange_server(x);
    suan_batch_stats t;
    suan__server_stats(s, &t);
    json_t *requests = json_pack("{s:i, s:i}", "active", (int)t.n_active, "queued", (int)t.n_queued);
    json_t *memory =
        json_pack("{s:I, s:I, s:I, s:I}", "rss_bytes", (json_int_t)suan__resident_bytes(), "cache_bytes", (json_int_t)t.cache_bytes,
                  "cache_used_bytes", (json_int_t)(t.pages_used * t.page_bytes), "weights_bytes", (json_int_t)t.weight_bytes);
    suan__reply_json(x, 200,
                     json_pack("{s:s, s:f, s:o, s:o, s:i, s:o}", "model", s->config.model_name, "tokens_per_second", t.tokens_per_second,
                               "requests", requests, "memory", memory, "context", (int)t.n_ctx, "experts", experts(s)));
}

static void openapi(suan__exchange *x) {
    suan__reply_json(x, 200, suan__openapi(suan__exchange_server(x)));
}

#define PROBE (SUAN__ROUTE_PUBLIC | SUAN__ROUTE_NO_BODY | SUAN__ROUTE_ALWAYS | SUAN__ROUTE_QUICK | SUAN__ROUTE_UNLOGGED)
static const suan__route rows[] = {
    {"GET", "/health", &suan__own_dialect, health, PROBE, NULL, "Whether the server lives: 503 where a step of the engine is stuck"},
    {"GET", "/ready", &suan__own_dialect, ready, PROBE, NULL,
     "Whether it takes requests: 503 while the model is loaded, and while it stops"},
    {"GET", "/metrics", &suan__own_dialect, metrics, SUAN__ROUTE_NO_BODY | SUAN__ROUTE_ALWAYS | SUAN__ROUTE_QUICK | SUAN__ROUTE_UNLOGGED,
     NULL, "Counters as Prometheus reads them"},
    {"GET", "/live", &suan__own_dialect, live, SUAN__ROUTE_NO_BODY | SUAN__ROUTE_UNLOGGED, NULL,
     "Speed, memory and experts in use, for the page"},
    {"GET", "/openapi.json", &suan__own_dialect, openapi, SUAN__ROUTE_NO_BODY | SUAN__ROUTE_UNLOGGED, NULL, "This description"},
};
const suan__routes suan__own_routes = {rows, sizeof rows / sizeof *rows};
