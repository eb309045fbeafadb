/* responses_reply.c: the events of a response, and the object that they lead to.
 *
 * Items come one after the other: reasoning, a message, calls. Each is added, filled by deltas, and done; every event repeats the ids of its item, and the last one repeats all items,
 * because clients differ in which of them they read.
 */
#include <stdio.h>
#include <string.h>

#include "serve/responses.h"

/* Steals data; it becomes an event, if this is a stream. */
static void send(suan__response *r, suan__exchange *x, const char *type, json_t *data) {
    if (!r->is_stream || !data) {
        json_decref(data);
        return;
    }
    json_object_set_new(data, "type", json_string(type));
    json_object_set_new(data, "sequence_number", json_integer(r->n_events++));
    suan__stream_event(x, type, data);
}

/* ---- the response object ---- */

static json_t *usage_json(const suan__exchange *x, const suan_usage *u, uint32_t n_reasoning) {
    return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I, s:o}", "input_tokens", (json_int_t)u->n_prompt, "input_tokens_details",
                     "cached_tokens", (json_int_t)u->n_cached, "output_tokens", (json_int_t)u->n_completion, "output_tokens_details",
                     "reasoning_tokens", (json_int_t)n_reasoning, "total_tokens", (json_int_t)u->n_prompt + u->n_completion, "suan",
                     suan__usage_json(x, u));
}

/* status: "in_progress", "completed", "incomplete", "failed". e: of END, NULL before. */
static json_t *response_json(const suan__response *r, const suan__exchange *x, const char *status, const suan__ask_event *e) {
    json_t *json = json_copy(r->echo);
    if (!json) return NULL;
    bool is_cut = strcmp(status, "incomplete") == 0, has_failed = strcmp(status, "failed") == 0;
    json_object_set_new(json, "status", json_string(status));
    json_object_set_new(json, "output", json_copy(r->output)); /* events are sent at once: what comes later must not show in them */
    json_object_set_new(json, "incomplete_details", is_cut ? json_pack("{s:s}", "reason", "max_output_tokens") : json_null());
    json_object_set_new(json, "error",
                        has_failed ? json_pack("{s:s, s:s}", "code", "server_error", "message", e->problem->message) : json_null());
    json_object_set_new(json, "usage", e ? usage_json(x, &e->usage, e->n_reasoning) : json_null());
    return json;
}

/* ---- items ---- */

static json_int_t output_index(const suan__response *r) {
    return (json_int_t)json_array_size(r->output);
}

static void name_item(suan__response *r, const suan__exchange *x, const char *prefix) {
    char id[SUAN__OPENAI_ID];
    suan__openai_id(id, x, prefix);
    snprintf(r->item_id, sizeof r->item_id, "%.48s_%zu", id, json_array_size(r->output));
}

/* Steals content and summary; NULL: none. */
static json_t *item_json(const suan__response *r, const char *status, json_t *content) {
    if (r->open == SUAN__RESPONSE_REASONING)
        return json_pack("{s:s, s:s, s:s, s:[], s:o}", "id", r->item_id, "type", "reasoning", "status", status, "summary", "content",
                         content);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", r->item_id, "type", "message", "status", status, "role", "assistant", "content",
                     content);
}

static json_t *part_json(const suan__response *r, json_t *text) {
    if (r->open == SUAN__RESPONSE_REASONING) return json_pack("{s:s, s:o}", "type", "reasoning_text", "text", text);
    return json_pack("{s:s, s:o, s:[], s:o}", "type", "output_text", "text", text, "annotations", "logprobs",
                     r->logprobs ? json_copy(r->logprobs) : json_array());
}

/* An event of the item's only part, with one member more (stolen). */
static void send_part(suan__response *r, suan__exchange *x, const char *type, const char *name, json_t *value) {
    send(r, x, type,
         json_pack("{s:s, s:I, s:I, s:o}", "item_id", r->item_id, "output_index", output_index(r), "content_index", (json_int_t)0, name,
                   value));
}

static void open_item(suan__response *r, suan__exchange *x, suan__response_item kind) {
    r->open = kind;
    r->text.n = 0;
    json_decref(r->logprobs);
    r->logprobs = NULL;
    name_item(r, x, kind == SUAN__RESPONSE_REASONING ? "rs_" : "msg_");
    send(r, x, "response.output_item.added",
         json_pack("{s:I, s:o}", "output_index", output_index(r), "item", item_json(r, "in_progress", json_array())));
    send_part(r, x, "response.content_part.added", "part", part_json(r, json_string("")));
}

static void close_item(suan__response *r, suan__exchange *x, const char *status) {
    if (r->open == SUAN__RESPONSE_NOTHING) return;
    bool is_message = r->open == SUAN__RESPONSE_MESSAGE;
    json_t *text = suan__text_json(r->text.data ? r->text.data : "", r->text.n);
    json_t *done = json_pack("{s:s, s:I, s:I, s:O}", "item_id", r->item_id, "output_index", output_index(r), "content_index", (json_int_t)0,
                             "text", text);
    if (is_message && done) json_object_set_new(done, "logprobs", r->logprobs ? json_copy(r->logprobs) : json_array());
    send(r, x, is_message ? "response.output_text.done" : "response.reasoning_text.done", done);
    json_t *part = part_json(r, text);
    send_part(r, x, "response.content_part.done", "part", json_incref(part));
    json_t *item = item_json(r, status, json_pack("[o]", part));
    send(r, x, "response.output_item.done", json_pack("{s:I, s:O}", "output_index", output_index(r), "item", item));
    if (json_array_append_new(r->output, item) != 0) r->has_failed = true;
    r->open = SUAN__RESPONSE_NOTHING;
}

static void take_text(suan__response *r, suan__exchange *x, const suan__ask_event *e, suan__response_item kind) {
    bool is_message = kind == SUAN__RESPONSE_MESSAGE;
    if (r->open != kind) {
        close_item(r, x, "completed");
        open_item(r, x, kind);
    }
    if (e->n_text > 0 && !suan__buf_append(&r->text, e->text, e->n_text)) r->has_failed = true;
    json_t *logprobs = is_message && r->want_logprobs ? suan__openai_tokens(x, e->tokens, e->n_tokens) : NULL;
    if (logprobs) {
        if (!r->logprobs) r->logprobs = json_array();
        json_array_extend(r->logprobs, logprobs);
    }
    json_t *delta = json_pack("{s:s, s:I, s:I, s:o}", "item_id", r->item_id, "output_index", output_index(r), "content_index",
                              (json_int_t)0, "delta", suan__text_json(e->text, e->n_text));
    if (delta && is_message)
        json_object_set_new(delta, "logprobs", logprobs ? logprobs : json_array());
    else
        json_decref(logprobs);
    send(r, x, is_message ? "response.output_text.delta" : "response.reasoning_text.delta", delta);
}

/* The open call as an item. */
static json_t *call_json(const suan__response *r, const char *status, json_t *arguments) {
    return json_pack("{s:s, s:s, s:s, s:O, s:O, s:o}", "id", r->item_id, "type", "function_call", "status", status, "call_id", r->call_id,
                     "name", r->call_name, "arguments", arguments);
}

static void begin_call(suan__response *r, suan__exchange *x, const suan__ask_event *e) {
    close_item(r, x, "completed");
    name_item(r, x, "fc_");
    json_decref(r->call_id);
    json_decref(r->call_name);
    r->call_id = json_string(e->id);
    r->call_name = json_string(e->name);
    r->text.n = 0;
    send(r, x, "response.output_item.added",
         json_pack("{s:I, s:o}", "output_index", output_index(r), "item", call_json(r, "in_progress", json_string(""))));
}

static void take_arguments(suan__response *r, suan__exchange *x, const suan__ask_event *e) {
    if (!suan__buf_append(&r->text, e->arguments, e->n_arguments)) r->has_failed = true;
    send(r, x, "response.function_call_arguments.delta",
         json_pack("{s:s, s:I, s:o}", "item_id", r->item_id, "output_index", output_index(r), "delta",
                   suan__text_json(e->arguments, e->n_arguments)));
}

static void end_call(suan__response *r, suan__exchange *x, bool is_broken) {
    json_t *arguments = suan__text_json(r->text.data ? r->text.data : "", r->text.n);
    send(r, x, "response.function_call_arguments.done",
         json_pack("{s:s, s:I, s:O, s:O}", "item_id", r->item_id, "output_index", output_index(r), "name", r->call_name, "arguments",
                   arguments));
    json_t *item = call_json(r, is_broken ? "incomplete" : "completed", arguments);
    send(r, x, "response.output_item.done", json_pack("{s:I, s:O}", "output_index", output_index(r), "item", item));
    if (!item || json_array_append_new(r->output, item) != 0) r->has_failed = true;
}

/* ---- the whole ---- */

static void start(suan__response *r, suan__exchange *x) {
    r->has_started = true;
    send(r, x, "response.created", json_pack("{s:o}", "response", response_json(r, x, "in_progress", NULL)));
    send(r, x, "response.in_progress", json_pack("{s:o}", "response", response_json(r, x, "in_progress", NULL)));
}

static bool is_cut(const suan__response *r) {
    return r->finish == SUAN__ASK_LENGTH || r->finish == SUAN__ASK_CONTEXT;
}

/* A message without text stands for an answer that is empty. */
static void end_answer(suan__response *r, suan__exchange *x, suan__ask_finish finish) {
    r->finish = finish;
    if (r->open == SUAN__RESPONSE_NOTHING && json_array_size(r->output) == 0) open_item(r, x, SUAN__RESPONSE_MESSAGE);
    close_item(r, x, is_cut(r) ? "incomplete" : "completed");
}

static void end(suan__response *r, suan__exchange *x, const suan__ask_event *e) {
    static const suan__problem no_memory = {.kind = SUAN__PROBLEM_BUSY, .message = "Out of memory.", .retry_after = 1};
    suan__ask_event last = *e;
    if (r->has_failed && last.problem->kind == SUAN__PROBLEM_NONE) last.problem = &no_memory;
    if (last.problem->kind != SUAN__PROBLEM_NONE && (!r->is_stream || !r->has_started)) {
        suan__ask_fail(x, last.problem);
        return;
    }
    bool has_failed = last.problem->kind != SUAN__PROBLEM_NONE;
    json_t *response = response_json(r, x, has_failed ? "failed" : is_cut(r) ? "incomplete" : "completed", &last);
    if (!r->is_stream) {
        suan__reply_json(x, 200, response);
        return;
    }
    send(r, x,
         has_failed  ? "response.failed"
         : is_cut(r) ? "response.incomplete"
                     : "response.completed",
         json_pack("{s:o}", "response", response));
    suan__stream_end(x);
}

void suan__responses_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    suan__response *r = ctx;
    switch (event->kind) {
    case SUAN__ASK_START:
        start(r, x);
        break;
    case SUAN__ASK_REASONING:
        take_text(r, x, event, SUAN__RESPONSE_REASONING);
        break;
    case SUAN__ASK_TEXT:
        if (event->n_text > 0 || r->open == SUAN__RESPONSE_MESSAGE) take_text(r, x, event, SUAN__RESPONSE_MESSAGE);
        break;
    case SUAN__ASK_CALL_BEGIN:
        begin_call(r, x, event);
        break;
    case SUAN__ASK_CALL_MORE:
        take_arguments(r, x, event);
        break;
    case SUAN__ASK_CALL_END:
        end_call(r, x, event->is_broken);
        break;
    case SUAN__ASK_CHOICE:
        end_answer(r, x, event->finish);
        break;
    case SUAN__ASK_END:
        end(r, x, event);
        break;
    default:
        break;
    }
}

/* The member `error` makes the SDK raise an error; without it the event would pass as one among others. */
void suan__responses_stream_error(suan__exchange *x, const suan__problem *problem) {
    json_t *data = suan__openai_error(x, problem);
    if (data) {
        json_object_set_new(data, "type", json_string("error"));
        json_object_set_new(data, "code", json_string(suan__openai_error_code(problem)));
        json_object_set_new(data, "message", json_string(problem->message));
    }
    suan__stream_event(x, "error", data);
}
