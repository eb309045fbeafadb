/* fake.c: what the interfaces need of the HTTP part and of asks, without either. */
#include "fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "serve/ask_list.h"

/* ---- the exchange ---- */

suan__server *suan__exchange_server(const suan__exchange *x) {
    return (suan__server *)&x->server;
}
const suan__route *suan__exchange_route(const suan__exchange *x) {
    return x->route;
}
const char *suan__exchange_id(const suan__exchange *x) {
    return "req_1";
}
const char *suan__exchange_capture(const suan__exchange *x) {
    return x->capture;
}
const char *suan__exchange_header(const suan__exchange *x, const char *name) {
    return NULL;
}
const char *suan__exchange_query(const suan__exchange *x, const char *name) {
    return strcmp(name, "alt") == 0 ? x->alt : NULL;
}
json_t *suan__exchange_json(suan__exchange *x, suan__problem *problem) {
    return x->body;
}
bool suan__exchange_keep(suan__exchange *x, void *p, void (*fn)(void *)) {
    assert_true(x->n_kept < sizeof x->kept / sizeof *x->kept);
    x->kept[x->n_kept].p = p;
    x->kept[x->n_kept++].fn = fn;
    return true;
}
void *suan__exchange_kept(const suan__exchange *x, void (*fn)(void *)) {
    for (size_t i = 0; i < x->n_kept; i++)
        if (x->kept[i].fn == fn) return x->kept[i].p;
    return NULL;
}

/* ---- replies ---- */

void suan__reply_header(suan__exchange *x, const char *name, const char *value) {
    if (strcmp(name, "x-suan-advisory") == 0) snprintf(x->advisory, sizeof x->advisory, "%s", value);
}
void suan__reply_json(suan__exchange *x, int status, json_t *body) {
    assert_int_equal(x->status, 0);
    assert_non_null(body);
    x->status = status;
    x->reply = body;
}
void suan__reply_problem(suan__exchange *x, const suan__problem *problem) {
    assert_int_not_equal(problem->kind, SUAN__PROBLEM_NONE);
    x->problem = *problem;
    suan__reply_json(x, suan__problem_status(problem->kind), x->route->dialect->error(x, problem));
}
bool suan__reply_has_begun(const suan__exchange *x) {
    return x->status != 0;
}
void suan__stream_begin(suan__exchange *x, const char *content_type) {
    assert_int_equal(x->status, 0);
    x->status = 200;
    x->is_stream = true;
}
void suan__stream_keep_alive(suan__exchange *x, const char *bytes) {
    assert_true(x->is_stream);
}
void suan__stream_write(suan__exchange *x, const void *text, size_t n) {
    assert_true(x->is_stream && !x->has_ended);
    suan__buf_append(&x->out, text, n);
}
void suan__stream_line(suan__exchange *x, json_t *data) {
    assert_non_null(data);
    size_t n = 0;
    char *text = suan__json_text(data, &n);
    assert_non_null(text);
    suan__stream_write(x, text, n);
    suan__stream_write(x, "\n", 1);
    suan_free(text);
    json_decref(data);
}
void suan__stream_event(suan__exchange *x, const char *event, json_t *data) {
    suan__buf_printf(&x->out, event ? "event: %s\ndata: " : "data: ", event);
    suan__stream_line(x, data);
    suan__stream_write(x, "\n", 1);
}
void suan__stream_end(suan__exchange *x) {
    assert_true(x->is_stream && !x->has_ended);
    x->has_ended = true;
}

/* ---- asks ---- */

static void free_ask(void *p) {
    suan__ask *ask = p;
    json_decref(ask->messages);
    json_decref(ask->tools);
    json_decref(ask->template_extra);
    suan__free((void *)ask->params.stop);
    suan__free(ask);
}

suan__ask *suan__ask_new(suan__exchange *x, suan__ask_fn *fn, void *ctx, void (*free_ctx)(void *)) {
    x->fn = fn;
    x->ctx = ctx;
    x->ask = suan__calloc(1, sizeof *x->ask);
    suan_request_params_init(&x->ask->params);
    suan_sampling_init(&x->ask->params.sampling);
    x->ask->think = -1;
    suan__exchange_keep(x, x->ask, free_ask);
    if (free_ctx) suan__exchange_keep(x, ctx, free_ctx);
    return x->ask;
}
bool suan__ask_start(suan__exchange *x, suan__ask *ask, suan__problem *problem) {
    x->n_started++;
    if (ask->stream_type) suan__stream_begin(x, ask->stream_type);
    return true;
}
bool suan__ask_list_init(suan__ask_list *list, size_t n) {
    *list = (suan__ask_list){.asks = suan__calloc(n, sizeof *list->asks), .n = n};
    return list->asks;
}
void suan__ask_list_fini(suan__ask_list *list) {
    suan__free(list->asks);
}
bool suan__ask_list_start(suan__exchange *x, suan__ask_list *list, suan__problem *problem) {
    x->n_started += list->n;
    return true;
}
bool suan__ask_list_event(suan__exchange *x, suan__ask_list *list, const suan__ask_event *event) {
    if (event->kind == SUAN__ASK_END) list->n_ended++;
    return event->kind == SUAN__ASK_END && list->n_ended == list->n;
}
bool suan__ask_count(suan__exchange *x, suan__ask *ask, size_t *n_tokens, suan__problem *problem) {
    *n_tokens = json_array_size(ask->messages);
    return true;
}
bool suan__ask_stop(suan__exchange *x, suan__ask *ask, const json_t *v, const char *where, suan__problem *problem) {
    size_t n = json_is_string(v) ? 1 : json_array_size(v);
    const char **stop = suan__calloc(n, sizeof *stop);
    for (size_t i = 0; i < n; i++) stop[i] = json_string_value(json_is_string(v) ? v : json_array_get(v, i));
    ask->params.stop = stop, ask->params.n_stop = n;
    return true;
}
bool suan__ask_model(suan__exchange *x, const json_t *name, const char *where, suan__problem *problem) {
    if (json_is_string(name) && strcmp(json_string_value(name), "m") == 0) return true;
    return suan__problem_set(problem, SUAN__PROBLEM_NOT_FOUND, where, "The model was not found.");
}
void suan__ask_fail(suan__exchange *x, const suan__problem *problem) {
    if (!x->is_stream) {
        suan__reply_problem(x, problem);
        return;
    }
    x->route->dialect->stream_error(x, problem);
    suan__stream_end(x);
}
const char *suan__ask_token_bytes(const suan__exchange *x, int32_t id, size_t *n) {
    *n = 1;
    return id == 7 ? "\xff" : "t";
}
bool suan__ask_has_tools(const suan__server *s) {
    return true;
}
bool suan__ask_has_thinking(const suan__server *s) {
    return true;
}
json_t *suan__usage_json(const suan__exchange *x, const suan_usage *usage) {
    return json_object();
}

/* ---- for tests ---- */

static json_t *loads(const char *text) {
    char *copy = suan__strndup(text, strlen(text));
    for (char *s = copy; *s; s++)
        if (*s == '\'') *s = '"';
    json_error_t error;
    json_t *json = json_loads(copy, JSON_DECODE_ANY, &error);
    if (!json) fail_msg("%s: %s", error.text, copy);
    suan__free(copy);
    return json;
}

suan__exchange *fake_request(const suan__routes *routes, const char *path, const char *capture, const char *body) {
    suan__exchange *x = suan__calloc(1, sizeof *x);
    x->server.config.model_name = "m";
    x->server.info.n_embd = 4;
    x->capture = capture;
    x->body = loads(body);
    const char *alt = strstr(path, "?alt=");
    if (alt) x->alt = alt + 5;
    size_t n_path = alt ? (size_t)(alt - path) : strlen(path);
    for (size_t i = 0; i < routes->n; i++)
        if (strlen(routes->rows[i].path) == n_path && memcmp(routes->rows[i].path, path, n_path) == 0 &&
            strcmp(routes->rows[i].method, "POST") == 0)
            x->route = &routes->rows[i];
    assert_non_null(x->route);
    x->route->handler(x);
    assert_true(x->status != 0 || x->n_started > 0);
    return x;
}

void fake_free(suan__exchange *x) {
    while (x->n_kept > 0) {
        x->n_kept--;
        x->kept[x->n_kept].fn(x->kept[x->n_kept].p);
    }
    json_decref(x->body);
    json_decref(x->reply);
    suan__buf_fini(&x->out);
    suan__free(x);
}

void fake_event(suan__exchange *x, const suan__ask_event *event) {
    static const suan__problem none = {.kind = SUAN__PROBLEM_NONE};
    suan__ask_event copy = *event;
    if (!copy.problem) copy.problem = &none;
    x->fn(x->ctx, x, &copy);
}

void fake_text(suan__exchange *x, suan__ask_event_kind kind, const char *text) {
    suan__ask_event event = {.kind = kind, .text = text, .n_text = text ? strlen(text) : 0, .usage = {.n_prompt = 10, .n_cached = 4}};
    fake_event(x, &event);
}

void fake_call(suan__exchange *x, const char *id, const char *name, const char *arguments) {
    size_t n = strlen(arguments);
    suan__ask_event event = {.kind = SUAN__ASK_CALL, .id = id, .name = name, .arguments = arguments, .n_arguments = n};
    if (!x->ask->streams_calls) {
        fake_event(x, &event);
        return;
    }
    event = (suan__ask_event){.kind = SUAN__ASK_CALL_BEGIN, .id = id, .name = name};
    fake_event(x, &event);
    event = (suan__ask_event){.kind = SUAN__ASK_CALL_MORE, .arguments = arguments, .n_arguments = n / 2};
    fake_event(x, &event);
    event = (suan__ask_event){.kind = SUAN__ASK_CALL_MORE, .arguments = arguments + n / 2, .n_arguments = n - n / 2};
    fake_event(x, &event);
    event = (suan__ask_event){.kind = SUAN__ASK_CALL_END, .is_broken = n == 0 || arguments[n - 1] != '}'};
    fake_event(x, &event);
}

void fake_end(suan__exchange *x, suan__ask_finish finish, const char *stop) {
    suan__ask_event choice = {.kind = SUAN__ASK_CHOICE, .finish = finish, .stop = stop};
    suan__ask_event end = {.kind = SUAN__ASK_END, .usage = {.n_prompt = 10, .n_cached = 4, .n_completion = 5}, .n_reasoning = 2};
    fake_event(x, &choice);
    fake_event(x, &end);
}

void assert_json(const json_t *found, const char *expected) {
    json_t *want = loads(expected);
    char *a = found ? json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL,
         *b = json_dumps(want, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (!json_equal((json_t *)found, want)) fail_msg("found    %s\nexpected %s", a ? a : "nothing", b);
    free(a);
    free(b);
    json_decref(want);
}

void assert_problem(const suan__exchange *x, suan__problem_kind kind, const char *param) {
    if (x->problem.kind != kind || strcmp(x->problem.param, param) != 0)
        fail_msg("found a problem of kind %d with \"%s\" (%s), expected %d with \"%s\"", (int)x->problem.kind, x->problem.param,
                 x->problem.message, (int)kind, param);
}

void fake_messages(const fake_path *to, const char *body, const char *expected) {
    suan__exchange *x = fake_request(to->routes, to->path, to->capture, body);
    if (x->status) fail_msg("%s: %s", body, x->problem.message);
    assert_json(x->ask->messages, expected);
    fake_free(x);
}

void fake_refused(const fake_path *to, const char *body, suan__problem_kind kind, const char *param) {
    suan__exchange *x = fake_request(to->routes, to->path, to->capture, body);
    assert_problem(x, kind, param);
    fake_free(x);
}
