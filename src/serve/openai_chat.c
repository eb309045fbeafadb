/* openai_chat.c: POST /v1/chat/completions.
 *
 * The stream has the order that the SDKs' helpers need: for each choice a first chunk with the role, in ascending order; text, reasoning and calls; a chunk with the finish; at the end
 * one with usage and no choices, if it was asked for; [DONE]. A call's id and name are sent once.
 */
#include <string.h>

#include "serve/openai.h"

typedef struct chat {
    bool is_stream, has_usage, want_logprobs;
    int64_t created;
    char id[SUAN__OPENAI_ID];
    const char *fingerprint;
    suan__gather gather; /* the choices of a reply that is no stream */
    bool has_failed;
} chat;

static void free_chat(void *p) {
    chat *c = p;
    suan__gather_fini(&c->gather);
    suan__free(c);
}

static const char *finish_word(suan__ask_finish finish) {
    switch (finish) {
    case SUAN__ASK_CALLS:
        return "tool_calls";
    case SUAN__ASK_LENGTH:
    case SUAN__ASK_CONTEXT:
        return "length";
    default:
        return "stop";
    }
}

/* ---- the stream ---- */

static json_t *chunk_json(const chat *c, const suan__exchange *x, json_t *choices) {
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "id", c->id, "object", "chat.completion.chunk", "created", (json_int_t)c->created,
                     "model", suan__exchange_server(x)->config.model_name, "system_fingerprint", c->fingerprint, "choices", choices);
}

/* Steals delta and logprobs (may be NULL). */
static void send_delta(const chat *c, suan__exchange *x, uint32_t choice, json_t *delta, json_t *logprobs, const char *finish) {
    json_t *row =
        json_pack("{s:I, s:o, s:o*, s:s?}", "index", (json_int_t)choice, "delta", delta, "logprobs", logprobs, "finish_reason", finish);
    suan__stream_event(x, NULL, chunk_json(c, x, json_pack("[o]", row)));
}

static void send_call(const chat *c, suan__exchange *x, const suan__ask_event *e) {
    send_delta(c, x, e->choice,
               json_pack("{s:[{s:I, s:s, s:s, s:{s:s, s:s}}]}", "tool_calls", "index", (json_int_t)e->index, "id", e->id, "type",
                         "function", "function", "name", e->name, "arguments", ""),
               NULL, NULL);
}

static void send_arguments(const chat *c, suan__exchange *x, const suan__ask_event *e) {
    send_delta(c, x, e->choice,
               json_pack("{s:[{s:I, s:{s:o}}]}", "tool_calls", "index", (json_int_t)e->index, "function", "arguments",
                         suan__text_json(e->arguments, e->n_arguments)),
               NULL, NULL);
}

static json_t *logprobs_json(const chat *c, const suan__exchange *x, const suan__ask_event *e) {
    if (!c->want_logprobs || e->n_tokens == 0) return NULL;
    return json_pack("{s:o, s:n}", "content", suan__openai_tokens(x, e->tokens, e->n_tokens), "refusal");
}

static void send_end(chat *c, suan__exchange *x, const suan__ask_event *e) {
    if (e->problem->kind != SUAN__PROBLEM_NONE) {
        suan__ask_fail(x, e->problem);
        return;
    }
    if (c->has_usage) {
        json_t *chunk = chunk_json(c, x, json_array());
        if (chunk) json_object_set_new(chunk, "usage", suan__openai_usage(x, &e->usage, e->n_reasoning));
        suan__stream_event(x, NULL, chunk);
    }
    suan__stream_write(x, "data: [DONE]\n\n", 14);
    suan__stream_end(x);
}

static void send_event(chat *c, suan__exchange *x, const suan__ask_event *e) {
    switch (e->kind) {
    case SUAN__ASK_START:
        for (uint32_t i = 0; i < c->gather.n_choices; i++)
            send_delta(c, x, i, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL, NULL);
        break;
    case SUAN__ASK_TEXT:
        send_delta(c, x, e->choice, json_pack("{s:o}", "content", suan__text_json(e->text, e->n_text)), logprobs_json(c, x, e), NULL);
        break;
    case SUAN__ASK_REASONING:
        send_delta(c, x, e->choice, json_pack("{s:o}", "reasoning_content", suan__text_json(e->text, e->n_text)), NULL, NULL);
        break;
    case SUAN__ASK_CALL_BEGIN:
        send_call(c, x, e);
        break;
    case SUAN__ASK_CALL_MORE:
        send_arguments(c, x, e);
        break;
    case SUAN__ASK_CHOICE:
        send_delta(c, x, e->choice, json_object(), NULL, finish_word(e->finish));
        break;
    case SUAN__ASK_END:
        send_end(c, x, e);
        break;
    default:
        break;
    }
}

/* ---- the whole reply ---- */

static bool is_part(const suan__part *part, suan__part_kind kind) {
    return part->kind == kind;
}

/* All parts of a kind as one string; NULL: there are none. */
static json_t *joined(const suan__gathered *choice, suan__part_kind kind) {
    suan__buf text = {0};
    bool has_any = false;
    for (size_t i = 0; i < choice->n_parts; i++) {
        if (!is_part(&choice->parts[i], kind)) continue;
        has_any = true;
        suan__buf_append(&text, choice->parts[i].text.data, choice->parts[i].text.n);
    }
    json_t *json = has_any && !text.failed ? suan__text_json(text.data, text.n) : NULL;
    suan__buf_fini(&text);
    return json;
}

static json_t *calls_json(const suan__gathered *choice) {
    json_t *calls = json_array();
    for (size_t i = 0; i < choice->n_parts; i++) {
        const suan__part *part = &choice->parts[i];
        if (!is_part(part, SUAN__PART_CALL)) continue;
        json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", part->id, "type", "function", "function", "name",
                                               part->name, "arguments", suan__part_json(part)));
    }
    return calls;
}

static json_t *message_json(const suan__gathered *choice) {
    json_t *text = joined(choice, SUAN__PART_TEXT), *reasoning = joined(choice, SUAN__PART_REASONING), *calls = calls_json(choice);
    bool has_calls = json_array_size(calls) > 0;
    if (!text) text = has_calls ? json_null() : json_string("");
    json_t *message = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", text, "refusal");
    if (reasoning) json_object_set_new(message, "reasoning_content", reasoning);
    if (has_calls) json_object_set(message, "tool_calls", calls);
    json_decref(calls);
    return message;
}

static json_t *choice_json(const chat *c, uint32_t i) {
    suan__gathered *choice = &c->gather.choices[i];
    json_t *logprobs = c->want_logprobs
                           ? json_pack("{s:o, s:n}", "content", choice->tokens ? json_incref(choice->tokens) : json_array(), "refusal")
                           : json_null();
    return json_pack("{s:I, s:o, s:o, s:s}", "index", (json_int_t)i, "message", message_json(choice), "logprobs", logprobs, "finish_reason",
                     finish_word(choice->finish));
}

static void reply(chat *c, suan__exchange *x, const suan__ask_event *e) {
    json_t *choices = json_array();
    for (uint32_t i = 0; i < c->gather.n_choices; i++) json_array_append_new(choices, choice_json(c, i));
    suan__reply_json(x, 200,
                     json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:o}", "id", c->id, "object", "chat.completion", "created",
                               (json_int_t)c->created, "model", suan__exchange_server(x)->config.model_name, "system_fingerprint",
                               c->fingerprint, "choices", choices, "usage", suan__openai_usage(x, &e->usage, e->n_reasoning)));
}

static void gather_event(chat *c, suan__exchange *x, const suan__ask_event *e) {
    static const suan__problem no_memory = {.kind = SUAN__PROBLEM_BUSY, .message = "Out of memory.", .retry_after = 1};
    if (e->kind == SUAN__ASK_END) {
        if (e->problem->kind != SUAN__PROBLEM_NONE)
            suan__ask_fail(x, e->problem);
        else if (c->has_failed)
            suan__ask_fail(x, &no_memory);
        else
            reply(c, x, e);
        return;
    }
    if (!suan__gather_take(&c->gather, e)) c->has_failed = true;
    if (e->kind != SUAN__ASK_TEXT || !c->want_logprobs) return;
    suan__gathered *choice = &c->gather.choices[e->choice];
    json_t *tokens = suan__openai_tokens(x, e->tokens, e->n_tokens);
    if (!choice->tokens) choice->tokens = json_array();
    if (json_array_extend(choice->tokens, tokens) != 0) c->has_failed = true;
    json_decref(tokens);
}

static void on_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    chat *c = ctx;
    if (c->is_stream)
        send_event(c, x, event);
    else
        gather_event(c, x, event);
}

/* ---- the request ---- */

static bool read_lengths(suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *newer = suan__field_get(body, &suan__openai_chat_fields, "max_completion_tokens");
    const json_t *older = suan__field_get(body, &suan__openai_chat_fields, "max_tokens");
    if (newer && older && suan__field_integer(newer, 0) != suan__field_integer(older, 0))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "max_tokens",
                                 "max_tokens and max_completion_tokens differ; they mean the same.");
    ask->params.max_tokens = (uint32_t)suan__field_integer(newer ? newer : older, 0);
    return true;
}

static bool read_stream(suan__exchange *x, chat *c, const json_t *body, suan__problem *problem) {
    const json_t *options = suan__field_get(body, &suan__openai_chat_fields, "stream_options");
    c->is_stream = json_is_true(suan__field_get(body, &suan__openai_chat_fields, "stream"));
    if (!options) return true;
    if (!c->is_stream)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "stream_options", "stream_options is for streams: stream is not true.");
    if (!suan__fields_check(x, options, &suan__openai_stream_fields, "stream_options", problem)) return false;
    c->has_usage = json_is_true(json_object_get(options, "include_usage"));
    return true;
}

static bool read_logprobs(suan__ask *ask, chat *c, const json_t *body, suan__problem *problem) {
    const json_t *top = suan__field_get(body, &suan__openai_chat_fields, "top_logprobs");
    c->want_logprobs = json_is_true(suan__field_get(body, &suan__openai_chat_fields, "logprobs"));
    if (suan__field_integer(top, 0) > 0 && !c->want_logprobs)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "top_logprobs", "top_logprobs needs logprobs to be true.");
    ask->params.want_logprobs = c->want_logprobs;
    ask->params.n_logprobs = (uint32_t)suan__field_integer(top, 0);
    return true;
}

static bool read_prefill(suan__ask *ask, const json_t *body, suan__problem *problem) {
    if (!json_is_true(suan__field_get(body, &suan__openai_chat_fields, "continue_final_message"))) return true;
    const json_t *last = json_array_get(ask->messages, json_array_size(ask->messages) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    ask->continues_last = true;
    return (role && strcmp(role, "assistant") == 0) ||
           suan__problem_set(problem, SUAN__PROBLEM_INVALID, "continue_final_message", "The last message is not the assistant's.");
}

static bool read_format(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *format = suan__field_get(body, &suan__openai_chat_fields, "response_format");
    if (!format) return true;
    const json_t *schema = json_object_get(format, "json_schema");
    if (!suan__fields_check(x, format, &suan__openai_format_fields, "response_format", problem)) return false;
    if (schema && !json_is_null(schema) &&
        !suan__fields_check(x, schema, &suan__openai_schema_fields, "response_format.json_schema", problem))
        return false;
    return suan__openai_format(x, ask, format, schema, "response_format", problem);
}

static bool read_request(suan__exchange *x, suan__ask *ask, chat *c, const json_t *body, suan__problem *problem) {
    const suan__fields *f = &suan__openai_chat_fields;
    json_t *extra = suan__field_get(body, f, "chat_template_kwargs");
    if (extra) ask->template_extra = json_copy(extra);
    suan__openai_budget(ask, suan__field_get(body, f, "thinking_budget"));
    bool is_good =
        suan__openai_sampling(x, ask, body, f, problem) && suan__openai_messages(x, ask, suan__field_get(body, f, "messages"), problem) &&
        suan__openai_tools(x, ask, body, problem) && read_format(x, ask, body, problem) && suan__openai_extensions(ask, body, f, problem) &&
        suan__openai_effort(x, ask, suan__field_get(body, f, "reasoning_effort"), "reasoning_effort", problem) &&
        read_lengths(ask, body, problem) && read_stream(x, c, body, problem) && read_logprobs(ask, c, body, problem) &&
        read_prefill(ask, body, problem);
    if (!is_good) return false;
    ask->streams_calls = true;
    if (c->is_stream) ask->stream_type = SUAN__EVENT_STREAM, ask->stream_keep_alive = SUAN__OPENAI_KEEP_ALIVE;
    return suan__gather_init(&c->gather, ask->params.n_choices) || suan__no_memory(problem);
}

void suan__openai_chat(suan__exchange *x) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    if (!body || !suan__fields_check(x, body, &suan__openai_chat_fields, "", &problem)) {
        suan__reply_problem(x, &problem);
        return;
    }
    chat *c = suan__calloc(1, sizeof *c);
    if (!c) {
        suan__no_memory(&problem);
        suan__reply_problem(x, &problem);
        return;
    }
    c->created = suan__openai_now();
    c->fingerprint = suan__openai_fingerprint(x);
    suan__openai_id(c->id, x, "chatcmpl-");
    suan__ask *ask = suan__ask_new(x, on_event, c, free_chat);
    if (!ask) return;
    if (!read_request(x, ask, c, body, &problem) || !suan__ask_start(x, ask, &problem)) suan__reply_problem(x, &problem);
}
