/* ollama_reply.c: answers in the form of the Ollama interface: one object a line, or one object. The last has done true and the numbers; durations are nanoseconds. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "serve/ollama.h"
#include "serve/server.h"

double suan__ollama_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

json_int_t suan__ollama_ns(double seconds) {
    return seconds > 0 && seconds < 9e9 ? (json_int_t)(seconds * 1e9) : 0;
}

json_t *suan__ollama_reply(const suan__exchange *x) {
    char text[SUAN__TIME_TEXT];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return json_pack("{s:s, s:s}", "model", suan__exchange_server(x)->config.model_name, "created_at",
                     suan__time_text(text, t.tv_sec, t.tv_nsec));
}

/* ---- pieces ---- */

static const char *done_reason(const suan__gathered *choice) {
    bool is_cut = !choice->has_ended || choice->finish == SUAN__ASK_LENGTH || choice->finish == SUAN__ASK_CONTEXT;
    return is_cut ? "length" : "stop";
}

static json_t *one_logprob(const char *text, size_t n, float logprob) {
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    return json_pack("{s:o, s:f, s:o}", "token", suan__text_json(text, n), "logprob", isfinite(logprob) ? suan__short_decimal(logprob) : -1e9, "bytes",
                     bytes);
}

static bool add_tokens(const suan__exchange *x, json_t *list, const suan__ask_event *event) {
    for (size_t i = 0; i < event->n_tokens; i++) {
        const suan__token *token = &event->tokens[i];
        json_t *object = one_logprob(token->text, token->n, token->logprob), *top = json_array();
        for (size_t k = 0; k < token->n_top; k++) {
            size_t n = 0;
            const char *bytes = suan__ask_token_bytes(x, token->top[k].id, &n);
            json_array_append_new(top, one_logprob(bytes, n, token->top[k].logprob));
        }
        if (token->n_top)
            json_object_set_new(object, "top_logprobs", top);
        else
            json_decref(top);
        if (json_array_append_new(list, object) != 0) return false;
    }
    return true;
}

static json_t *call_json(const char *id, const char *name, const char *arguments, size_t n, json_int_t index) {
    return json_pack("{s:s, s:{s:I, s:s, s:o}}", "id", id, "function", "index", index, "name", name, "arguments",
                     suan__arguments_json(arguments, n));
}

/* What a reply says: a message, or response and thinking. Steals all; NULL: none. */
static json_t *piece_json(const suan__exchange *x, const suan__ollama *o, json_t *text, json_t *thinking, json_t *calls, json_t *logprobs) {
    json_t *reply = suan__ollama_reply(x), *into = o->is_chat ? json_pack("{s:s}", "role", "assistant") : reply;
    json_object_set_new(into, o->is_chat ? "content" : "response", text ? text : json_string(""));
    if (thinking) json_object_set_new(into, "thinking", thinking);
    if (calls) json_object_set_new(into, "tool_calls", calls);
    if (o->is_chat) json_object_set_new(reply, "message", into);
    json_object_set_new(reply, "done", json_false());
    if (logprobs) json_object_set_new(reply, "logprobs", logprobs);
    return reply;
}

static void set_done(json_t *reply, const suan__exchange *x, const suan__ollama *o, const char *reason) {
    const suan_usage *u = &o->usage;
    json_object_set_new(reply, "done", json_true());
    json_object_set_new(reply, "done_reason", json_string(reason));
    json_t *numbers = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "total_duration", suan__ollama_ns(suan__ollama_now() - o->begun),
                                "load_duration", suan__ollama_ns(u->queue_seconds), "prompt_eval_count", (json_int_t)u->n_prompt,
                                "prompt_eval_duration", suan__ollama_ns(u->prompt_seconds), "eval_count", (json_int_t)u->n_completion,
                                "eval_duration", suan__ollama_ns(u->decode_seconds));
    json_object_update(reply, numbers);
    json_decref(numbers);
    json_object_set_new(reply, "suan", suan__usage_json(x, u));
}

void suan__ollama_loaded(suan__exchange *x, const suan__ollama *o, bool is_unload) {
    json_t *reply = piece_json(x, o, NULL, NULL, NULL, NULL);
    json_object_set_new(reply, "done", json_true());
    json_object_set_new(reply, "done_reason", json_string(is_unload ? "unload" : "load"));
    if (!o->is_stream) {
        suan__reply_json(x, 200, reply);
        return;
    }
    suan__stream_begin(x, "application/x-ndjson");
    suan__stream_line(x, reply);
    suan__stream_end(x);
}

/* ---- whole ---- */

static bool gather(suan__ollama *o, const suan__exchange *x, const suan__ask_event *event) {
    suan__gathered *choice = &o->gather.choices[0];
    if (o->has_logprobs && event->n_tokens) {
        if (!choice->tokens) choice->tokens = json_array();
        if (!add_tokens(x, choice->tokens, event)) return false;
    }
    return suan__gather_take(&o->gather, event);
}

static json_t *join(const suan__gathered *choice, suan__part_kind kind) {
    suan__buf b = {0};
    for (size_t i = 0; i < choice->n_parts; i++)
        if (choice->parts[i].kind == kind && choice->parts[i].text.n)
            suan__buf_append(&b, choice->parts[i].text.data, choice->parts[i].text.n);
    json_t *text = b.n && !b.failed ? suan__text_json(b.data, b.n) : NULL;
    suan__buf_fini(&b);
    return text;
}

static void reply_whole(suan__ollama *o, suan__exchange *x) {
    const suan__gathered *choice = &o->gather.choices[0];
    json_t *calls = NULL;
    for (size_t i = 0; i < choice->n_parts; i++) {
        const suan__part *part = &choice->parts[i];
        if (part->kind != SUAN__PART_CALL) continue;
        if (!calls) calls = json_array();
        json_array_append_new(calls, call_json(part->id, part->name, part->text.data, part->text.n, (json_int_t)json_array_size(calls)));
    }
    json_t *reply = piece_json(x, o, join(choice, SUAN__PART_TEXT), join(choice, SUAN__PART_REASONING), calls, json_incref(choice->tokens));
    set_done(reply, x, o, done_reason(choice));
    suan__reply_json(x, 200, reply);
}

/* ---- stream ---- */

static void send_piece(suan__ollama *o, suan__exchange *x, const suan__ask_event *event) {
    json_t *text = NULL, *thinking = NULL, *calls = NULL, *logprobs = NULL;
    if (o->has_logprobs && event->n_tokens) {
        logprobs = json_array();
        add_tokens(x, logprobs, event);
    }
    if (event->kind == SUAN__ASK_CALL)
        calls = json_pack("[o]", call_json(event->id, event->name, event->arguments, event->n_arguments, event->index));
    else if (event->kind == SUAN__ASK_REASONING && event->n_text)
        thinking = suan__text_json(event->text, event->n_text);
    else if (event->kind == SUAN__ASK_TEXT && event->n_text)
        text = suan__text_json(event->text, event->n_text);
    if (text || thinking || calls || logprobs) suan__stream_line(x, piece_json(x, o, text, thinking, calls, logprobs));
}

static bool take(suan__ollama *o, suan__exchange *x, const suan__ask_event *event) {
    if (!o->is_stream) return gather(o, x, event);
    bool is_piece = event->kind == SUAN__ASK_REASONING || event->kind == SUAN__ASK_TEXT || event->kind == SUAN__ASK_CALL;
    if (is_piece || (event->kind == SUAN__ASK_CHOICE && event->n_tokens)) send_piece(o, x, event);
    return is_piece || suan__gather_take(&o->gather, event);
}

void suan__ollama_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    suan__ollama *o = ctx;
    if (event->kind != SUAN__ASK_END) {
        o->has_failed |= !take(o, x, event);
        return;
    }
    o->usage = event->usage;
    if (!suan__gather_is_good(x, event, o->has_failed)) return;
    if (o->is_stream) {
        json_t *reply = piece_json(x, o, NULL, NULL, NULL, NULL);
        set_done(reply, x, o, done_reason(&o->gather.choices[0]));
        suan__stream_line(x, reply);
        suan__stream_end(x);
    } else {
        reply_whole(o, x);
    }
}
