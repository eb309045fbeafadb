/* responses.c: POST /v1/responses, and the routes for stored responses, of which there are none. */
#include "serve/responses.h"

const suan__dialect suan__responses_dialect = {
    .name = "openai", .error = suan__openai_error, .stream_error = suan__responses_stream_error, .request_id_header = "x-request-id"};

static void free_response(void *p) {
    suan__response *r = p;
    json_decref(r->echo);
    json_decref(r->output);
    json_decref(r->logprobs);
    json_decref(r->call_id);
    json_decref(r->call_name);
    suan__buf_fini(&r->text);
    suan__free(r);
}

/* A member of the request, or what it is by default (stolen). */
static void echo(suan__response *r, const char *name, json_t *absent) {
    json_t *v = suan__field_get(r->body, &suan__responses_fields, name);
    if (v)
        json_object_set(r->echo, name, v);
    else
        json_object_set(r->echo, name, absent);
    json_decref(absent);
}

/* What every response object repeats of its request. */
static bool make_echo(suan__response *r, const suan__exchange *x, const suan__ask *ask) {
    r->echo = json_pack("{s:s, s:s, s:I, s:s, s:b, s:n, s:b, s:s}", "id", r->id, "object", "response", "created_at", (json_int_t)r->created,
                        "model", suan__exchange_server(x)->config.model_name, "background", 0, "previous_response_id", "store", 0,
                        "truncation", "disabled");
    if (!r->echo) return false;
    echo(r, "instructions", json_null());
    echo(r, "max_output_tokens", json_null());
    echo(r, "metadata", json_object());
    echo(r, "parallel_tool_calls", json_true());
    echo(r, "reasoning", json_pack("{s:n, s:n}", "effort", "summary"));
    echo(r, "temperature", json_real(suan__short_decimal(ask->params.sampling.temperature)));
    echo(r, "top_p", json_real(suan__short_decimal(ask->params.sampling.top_p)));
    echo(r, "text", json_pack("{s:{s:s}}", "format", "type", "text"));
    echo(r, "tool_choice", json_string("auto"));
    echo(r, "tools", json_array());
    echo(r, "top_logprobs", json_integer(0));
    echo(r, "user", json_null());
    return true;
}

static void create(suan__exchange *x) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    if (!body || !suan__fields_check(x, body, &suan__responses_fields, "", &problem)) {
        suan__reply_problem(x, &problem);
        return;
    }
    suan__response *r = suan__calloc(1, sizeof *r);
    if (!r || !(r->output = json_array())) {
        suan__free(r);
        suan__no_memory(&problem);
        suan__reply_problem(x, &problem);
        return;
    }
    r->body = body;
    r->created = suan__openai_now();
    suan__openai_id(r->id, x, "resp_");
    suan__ask *ask = suan__ask_new(x, suan__responses_event, r, free_response);
    if (!ask) return;
    bool is_good = suan__responses_read(x, ask, r, &problem) && (make_echo(r, x, ask) || suan__no_memory(&problem)) &&
                   suan__ask_start(x, ask, &problem);
    if (!is_good) suan__reply_problem(x, &problem);
}

static void not_stored(suan__exchange *x) {
    suan__problem problem;
    suan__problem_set(&problem, SUAN__PROBLEM_NOT_FOUND, "response_id", "The response \"%.100s\" was not found: this server stores none.",
                      suan__exchange_capture(x));
    suan__reply_problem(x, &problem);
}

static const suan__route rows[] = {
    {"POST", "/v1/responses", &suan__responses_dialect, create, SUAN__ROUTE_COUNTED, NULL, "An answer as a list of items"},
    {"GET", "/v1/responses/{*}", &suan__responses_dialect, not_stored, SUAN__ROUTE_NO_BODY, NULL, "Responses are not stored: 404"},
    {"DELETE", "/v1/responses/{*}", &suan__responses_dialect, not_stored, 0, NULL, "Responses are not stored: 404"},
};
const suan__routes suan__responses_routes = {rows, sizeof rows / sizeof *rows};
