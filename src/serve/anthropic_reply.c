/* anthropic_reply.c: answers in the form of the Messages interface: events of a stream, or one message.
 *
 * A stream is message_start, then for each block content_block_start, content_block_delta .., content_block_stop, then message_delta and message_stop. Blocks are numbered without
 * gaps and come one after the other.
 */
#include <string.h>

#include "serve/anthropic.h"
#include "serve/server.h"

static void send(suan__exchange *x, const char *event, json_t *data) {
    suan__stream_event(x, event, data);
}

/* ---- the message ---- */

static json_t *usage_json(const suan__exchange *x, const suan__anthropic *a, bool is_last) {
    const suan_usage *u = &a->usage;
    json_t *usage =
        json_pack("{s:I, s:i, s:I, s:I}", "input_tokens", (json_int_t)(u->n_prompt - u->n_cached), "cache_creation_input_tokens", 0,
                  "cache_read_input_tokens", (json_int_t)u->n_cached, "output_tokens", (json_int_t)(is_last ? u->n_completion : 0));
    if (!is_last) return usage;
    if (a->n_reasoning)
        json_object_set_new(usage, "output_tokens_details", json_pack("{s:I}", "thinking_tokens", (json_int_t)a->n_reasoning));
    json_object_set_new(usage, "suan", suan__usage_json(x, u));
    return usage;
}

static const char *stop_reason(const suan__gathered *choice) {
    switch (choice->finish) {
    case SUAN__ASK_STOP_STRING:
        return "stop_sequence";
    case SUAN__ASK_CALLS:
        return "tool_use";
    case SUAN__ASK_LENGTH:
        return "max_tokens";
    case SUAN__ASK_CONTEXT:
        return "model_context_window_exceeded";
    default:
        return "end_turn";
    }
}

/* With max_tokens 0 there is no choice that could end. */
static json_t *stop_json(const suan__gathered *choice) {
    return json_string(choice->has_ended ? stop_reason(choice) : "max_tokens");
}

static json_t *message_json(const suan__exchange *x, const suan__anthropic *a, json_t *content, json_t *reason, json_t *sequence,
                            bool is_last) {
    json_t *message =
        json_pack("{s:s+, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", "msg_", suan__exchange_id(x) + strcspn(suan__exchange_id(x), "_") + 1,
                  "type", "message", "role", "assistant", "model", suan__exchange_server(x)->config.model_name, "content", content,
                  "stop_reason", reason, "stop_sequence", sequence, "usage", usage_json(x, a, is_last));
    if (a->has_edits) json_object_set_new(message, "context_management", json_pack("{s:[]}", "applied_edits"));
    return message;
}

static json_t *block_json(const suan__anthropic *a, const suan__part *part) {
    switch (part->kind) {
    case SUAN__PART_TEXT:
        return json_pack("{s:s, s:o}", "type", "text", "text", suan__part_json(part));
    case SUAN__PART_REASONING:
        return json_pack("{s:s, s:o, s:s}", "type", "thinking", "thinking", a->hides_thinking ? json_string("") : suan__part_json(part),
                         "signature", SUAN__ANTHROPIC_SIGNATURE);
    default:
        return json_pack("{s:s, s:s, s:s, s:o}", "type", "tool_use", "id", part->id, "name", part->name, "input",
                         part->is_broken ? suan__cut_arguments_json(part->text.data, part->text.n)
                                         : suan__arguments_json(part->text.data, part->text.n));
    }
}

static void reply_whole(suan__anthropic *a, suan__exchange *x) {
    const suan__gathered *choice = &a->gather.choices[0];
    json_t *content = json_array();
    for (size_t i = 0; i < choice->n_parts; i++) json_array_append_new(content, block_json(a, &choice->parts[i]));
    json_t *sequence = choice->stop ? suan__text_json(choice->stop, strlen(choice->stop)) : json_null();
    suan__reply_json(x, 200, message_json(x, a, content, stop_json(choice), sequence, true));
}

/* ---- the stream ---- */

static void send_start(suan__anthropic *a, suan__exchange *x) {
    a->has_started = true;
    send(x, "message_start",
         json_pack("{s:s, s:o}", "type", "message_start", "message", message_json(x, a, json_array(), json_null(), json_null(), false)));
    send(x, "ping", json_pack("{s:s}", "type", "ping"));
}

static void send_delta(suan__anthropic *a, suan__exchange *x, const char *type, const char *member, json_t *value) {
    send(x, "content_block_delta",
         json_pack("{s:s, s:I, s:{s:s, s:o}}", "type", "content_block_delta", "index", (json_int_t)a->i_block, "delta", "type", type,
                   member, value));
}

static void end_block(suan__anthropic *a, suan__exchange *x) {
    if (a->open < 0) return;
    if (a->open == SUAN__PART_REASONING) send_delta(a, x, "signature_delta", "signature", json_string(SUAN__ANTHROPIC_SIGNATURE));
    send(x, "content_block_stop", json_pack("{s:s, s:I}", "type", "content_block_stop", "index", (json_int_t)a->i_block));
    a->open = -1;
    a->i_block++;
}

static void begin_block(suan__anthropic *a, suan__exchange *x, int kind, json_t *block) {
    a->open = kind;
    send(x, "content_block_start",
         json_pack("{s:s, s:I, s:o}", "type", "content_block_start", "index", (json_int_t)a->i_block, "content_block", block));
}

static void send_text(suan__anthropic *a, suan__exchange *x, const suan__ask_event *event) {
    bool is_text = event->kind == SUAN__ASK_TEXT;
    int kind = is_text ? SUAN__PART_TEXT : SUAN__PART_REASONING;
    if (!event->n_text) return;
    if (a->open != kind) {
        end_block(a, x);
        begin_block(a, x, kind,
                    is_text ? json_pack("{s:s, s:s}", "type", "text", "text", "")
                            : json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""));
    }
    if (!is_text && a->hides_thinking) return;
    send_delta(a, x, is_text ? "text_delta" : "thinking_delta", is_text ? "text" : "thinking", suan__text_json(event->text, event->n_text));
}

static void send_call(suan__anthropic *a, suan__exchange *x, const suan__ask_event *event) {
    end_block(a, x);
    begin_block(a, x, SUAN__PART_CALL,
                json_pack("{s:s, s:s, s:s, s:{}}", "type", "tool_use", "id", event->id, "name", event->name, "input"));
}

static void send_end(suan__anthropic *a, suan__exchange *x) {
    const suan__gathered *choice = &a->gather.choices[0];
    if (!a->has_started) send_start(a, x);
    end_block(a, x);
    json_t *sequence = choice->stop ? suan__text_json(choice->stop, strlen(choice->stop)) : json_null();
    json_t *delta = json_pack("{s:s, s:{s:o, s:o}, s:o}", "type", "message_delta", "delta", "stop_reason", stop_json(choice),
                              "stop_sequence", sequence, "usage", usage_json(x, a, true));
    if (a->has_edits) json_object_set_new(delta, "context_management", json_pack("{s:[]}", "applied_edits"));
    send(x, "message_delta", delta);
    send(x, "message_stop", json_pack("{s:s}", "type", "message_stop"));
    suan__stream_end(x);
}

/* A stream keeps nothing but how it ends. */
static bool take(suan__anthropic *a, suan__exchange *x, const suan__ask_event *event) {
    if (!a->is_stream) return suan__gather_take(&a->gather, event);
    switch (event->kind) {
    case SUAN__ASK_START:
        send_start(a, x);
        return true;
    case SUAN__ASK_REASONING:
    case SUAN__ASK_TEXT:
        send_text(a, x, event);
        return true;
    case SUAN__ASK_CALL_BEGIN:
        send_call(a, x, event);
        return true;
    case SUAN__ASK_CALL_MORE:
        send_delta(a, x, "input_json_delta", "partial_json", suan__text_json(event->arguments, event->n_arguments));
        return true;
    case SUAN__ASK_CALL_END:
        end_block(a, x);
        return true;
    default:
        return suan__gather_take(&a->gather, event);
    }
}

void suan__anthropic_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    suan__anthropic *a = ctx;
    if (event->kind == SUAN__ASK_START) a->usage = event->usage;
    if (event->kind != SUAN__ASK_END) {
        a->has_failed |= !take(a, x, event);
        return;
    }
    a->usage = event->usage, a->n_reasoning = event->n_reasoning;
    if (!suan__gather_is_good(x, event, a->has_failed)) return;
    if (a->is_stream) {
        send_end(a, x);
    } else {
        reply_whole(a, x);
    }
}
