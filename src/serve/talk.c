/* talk.c: conversations for templates. */
#include "serve/talk.h"

#include <string.h>

static void append(suan__talk *t, json_t *message) {
    if (!t->messages) t->messages = json_array();
    if (json_array_append_new(t->messages, message) != 0) t->has_failed = true;
}

/* Sets a member that may be missing. */
static void set(suan__talk *t, json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, value) != 0) t->has_failed = true;
}

static json_t *buf_json(const suan__buf *b) {
    return json_stringn(b->data ? b->data : "", b->n);
}

/* Ends the message that is being made. */
static void flush(suan__talk *t) {
    if (!t->role) return;
    json_t *message = json_object();
    set(t, message, "role", json_string(t->role));
    if (t->reasoning.n) set(t, message, "reasoning_content", buf_json(&t->reasoning));
    if (t->content.n || !t->calls) set(t, message, "content", buf_json(&t->content));
    if (t->calls) set(t, message, "tool_calls", t->calls);
    append(t, message);
    t->has_failed |= t->content.failed || t->reasoning.failed;
    suan__buf_fini(&t->content);
    suan__buf_fini(&t->reasoning);
    t->calls = NULL;
    t->role = NULL;
}

static void turn_to(suan__talk *t, const char *role) {
    if (t->role && strcmp(t->role, role) == 0) return;
    flush(t);
    t->role = role;
}

void suan__talk_text(suan__talk *t, const char *role, const char *text, size_t n, const char *glue) {
    turn_to(t, role);
    if (t->content.n && n) suan__buf_append(&t->content, glue, strlen(glue));
    suan__buf_append(&t->content, text, n);
}

void suan__talk_reasoning(suan__talk *t, const char *text, size_t n) {
    turn_to(t, "assistant");
    suan__buf_append(&t->reasoning, text, n);
}

void suan__talk_call(suan__talk *t, const char *id, const char *name, const json_t *arguments) {
    turn_to(t, "assistant");
    if (!t->calls) t->calls = json_array();
    json_t *copy = arguments ? json_deep_copy(arguments) : json_object();
    json_t *call = json_pack("{s:s, s:{s:s, s:o}}", "type", "function", "function", "name", name, "arguments", copy);
    if (id) set(t, call, "id", json_string(id));
    if (json_array_append_new(t->calls, call) != 0) t->has_failed = true;
}

void suan__talk_result(suan__talk *t, const char *id, const char *name, const char *text, size_t n) {
    flush(t);
    json_t *message = json_pack("{s:s, s:s%}", "role", "tool", "content", text, n);
    if (id) set(t, message, "tool_call_id", json_string(id));
    if (name) set(t, message, "name", json_string(name));
    append(t, message);
}

json_t *suan__talk_end(suan__talk *t) {
    flush(t);
    json_t *messages = t->messages ? t->messages : json_array();
    if (t->has_failed) {
        json_decref(messages);
        messages = NULL;
    }
    *t = (suan__talk){0};
    return messages;
}

void suan__talk_fini(suan__talk *t) {
    suan__buf_fini(&t->content);
    suan__buf_fini(&t->reasoning);
    json_decref(t->calls);
    json_decref(t->messages);
    *t = (suan__talk){0};
}
