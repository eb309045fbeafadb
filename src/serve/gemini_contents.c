/* gemini_contents.c: contents of a Gemini request, in the form that templates take. */
#include <stdio.h>
#include <string.h>

#include "serve/gemini.h"
#include "serve/talk.h"

typedef struct reader {
    suan__exchange *x;
    suan__talk talk;
    json_t *calls; /* name to {"ids": [..], "next": n}: of the calls so far; responses need not repeat the id */
    json_t *names; /* id to name */
    size_t n_calls;
    suan__problem *problem;
} reader;

static json_t *part_get(const json_t *part, const char *name) {
    return suan__field_get(part, &suan__gemini_part_fields, name);
}

static bool invalid(reader *r, const char *where, const char *what) {
    return suan__problem_set(r->problem, SUAN__PROBLEM_INVALID, where, "%s: %s.", where, what);
}

static bool remember_call(reader *r, const char *name, const char *id) {
    json_t *entry = json_object_get(r->calls, name);
    if (!entry) {
        entry = json_pack("{s:[], s:i}", "ids", "next", 0);
        if (json_object_set_new(r->calls, name, entry) != 0) return suan__no_memory(r->problem);
    }
    bool done = json_array_append_new(json_object_get(entry, "ids"), json_string(id)) == 0 &&
                json_object_set_new(r->names, id, json_string(name)) == 0;
    return done || suan__no_memory(r->problem);
}

static bool read_call(reader *r, const json_t *call, const char *where) {
    const suan__fields *fields = &suan__gemini_call_fields;
    if (!suan__fields_check(r->x, call, fields, where, r->problem)) return false;
    const char *name = json_string_value(suan__field_get(call, fields, "name")),
               *id = json_string_value(suan__field_get(call, fields, "id"));
    char made[32];
    snprintf(made, sizeof made, "call_%zu", r->n_calls++);
    if (!id || !*id) id = made;
    suan__talk_call(&r->talk, id, name, suan__field_get(call, fields, "args"));
    return remember_call(r, name, id);
}

/* The id of the call that a response belongs to; NULL: there is none. */
static const char *id_of(reader *r, const char *id, const char *name) {
    if (id && *id) {
        const char *named = json_string_value(json_object_get(r->names, id));
        return named && strcmp(named, name) == 0 ? id : NULL;
    }
    json_t *entry = json_object_get(r->calls, name), *next = json_object_get(entry, "next");
    const char *first = json_string_value(json_array_get(json_object_get(entry, "ids"), (size_t)json_integer_value(next)));
    if (first) json_integer_set(next, json_integer_value(next) + 1);
    return first;
}

static bool read_response(reader *r, const json_t *response, const char *where) {
    const suan__fields *fields = &suan__gemini_response_fields;
    if (!suan__fields_check(r->x, response, fields, where, r->problem)) return false;
    const char *name = json_string_value(suan__field_get(response, fields, "name"));
    const char *id = id_of(r, json_string_value(suan__field_get(response, fields, "id")), name);
    if (!id)
        return suan__problem_set(r->problem, SUAN__PROBLEM_INVALID, where,
                                 "%s: no functionCall of \"%.100s\" before it waits for a response.", where, name);
    size_t n = 0;
    char *text = suan__json_text(suan__field_get(response, fields, "response"), &n);
    if (!text) return suan__no_memory(r->problem);
    suan__talk_result(&r->talk, id, name, text, n);
    suan_free(text);
    return true;
}

static bool read_part(reader *r, const json_t *part, bool by_model, const char *where) {
    char path[SUAN__PATH_BYTES];
    if (!suan__fields_check(r->x, part, &suan__gemini_part_fields, where, r->problem)) return false;
    const json_t *text = part_get(part, "text"), *call = part_get(part, "functionCall"), *response = part_get(part, "functionResponse");
    bool is_thought = json_is_true(part_get(part, "thought"));
    int n = (text != NULL) + (call != NULL) + (response != NULL);
    if (n > 1) return invalid(r, where, "a part is one of text, functionCall and functionResponse");
    if (n == 0 && by_model && (is_thought || part_get(part, "thoughtSignature"))) return true; /* a signature alone */
    if (n == 0) return invalid(r, where, "there is no text, functionCall or functionResponse in it");
    if (by_model ? response != NULL : call != NULL || is_thought)
        return invalid(r, where, "functionCall and thoughts are the model's, functionResponse is the user's");
    if (call) return read_call(r, call, suan__field_path(path, where, "functionCall"));
    if (response) return read_response(r, response, suan__field_path(path, where, "functionResponse"));
    const char *s = json_string_value(text);
    size_t n_text = json_string_length(text);
    if (is_thought)
        suan__talk_reasoning(&r->talk, s, n_text);
    else /* clients send a streamed answer back as the pieces that it came in */
        suan__talk_text(&r->talk, by_model ? "assistant" : "user", s, n_text, by_model ? "" : "\n");
    return true;
}

static bool read_content(reader *r, const json_t *content, const char *where) {
    char path[SUAN__PATH_BYTES];
    const suan__fields *fields = &suan__gemini_content_fields;
    if (!suan__fields_check(r->x, content, fields, where, r->problem)) return false;
    const json_t *role = suan__field_get(content, fields, "role"), *parts = suan__field_get(content, fields, "parts");
    if (role && !*json_string_value(role)) role = NULL;
    if (!suan__field_word(role, "user|model|function", suan__field_path(path, where, "role"), r->problem)) return false;
    bool by_model = role && strcmp(json_string_value(role), "model") == 0;
    suan__field_path(path, where, "parts");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        char item[SUAN__PATH_BYTES];
        if (!read_part(r, json_array_get(parts, i), by_model, suan__item_path(item, path, i))) return false;
    }
    return json_array_size(parts) > 0 || by_model || invalid(r, path, "there is nothing in it");
}

bool suan__gemini_text(suan__exchange *x, const json_t *content, const char *where, suan__buf *b, suan__problem *problem) {
    char path[SUAN__PATH_BYTES], item[SUAN__PATH_BYTES];
    if (!suan__fields_check(x, content, &suan__gemini_content_fields, where, problem)) return false;
    const json_t *parts = suan__field_get(content, &suan__gemini_content_fields, "parts");
    suan__field_path(path, where, "parts");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        if (!suan__fields_check(x, part, &suan__gemini_part_fields, suan__item_path(item, path, i), problem)) return false;
        const json_t *text = part_get(part, "text");
        if (!text) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, item, "%s: there is no text in it.", item);
        if (i > 0) suan__buf_append(b, "\n", 1);
        suan__buf_append(b, json_string_value(text), json_string_length(text));
    }
    return !b->failed || suan__no_memory(problem);
}

static bool read_system(reader *r, const json_t *system) {
    suan__buf b = {0};
    bool good = !system || suan__gemini_text(r->x, system, "systemInstruction", &b, r->problem);
    if (good && b.n) suan__talk_text(&r->talk, "system", b.data, b.n, "\n");
    suan__buf_fini(&b);
    return good;
}

bool suan__gemini_read_contents(suan__exchange *x, suan__ask *ask, const json_t *body, const suan__fields *fields, suan__problem *problem) {
    reader r = {.x = x, .calls = json_object(), .names = json_object(), .problem = problem};
    const json_t *contents = suan__field_get(body, fields, "contents");
    const json_t *last = json_array_get(contents, json_array_size(contents) - 1);
    const char *role = json_string_value(suan__field_get(last, &suan__gemini_content_fields, "role"));
    bool good = r.calls && r.names ? read_system(&r, suan__field_get(body, fields, "systemInstruction")) : suan__no_memory(problem);
    for (size_t i = 0; good && i < json_array_size(contents); i++) {
        char where[SUAN__PATH_BYTES];
        good = read_content(&r, json_array_get(contents, i), suan__item_path(where, "contents", i));
    }
    ask->continues_last = role && strcmp(role, "model") == 0;
    if (good && ask->continues_last && r.talk.calls)
        good = invalid(&r, "contents", "the last functionCall has no functionResponse behind it");
    ask->messages = good ? suan__talk_end(&r.talk) : NULL;
    if (good && !ask->messages) good = suan__no_memory(problem);
    suan__talk_fini(&r.talk);
    json_decref(r.calls);
    json_decref(r.names);
    return good;
}
