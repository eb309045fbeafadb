/* anthropic_messages.c: the conversation of a Messages request, in the form that templates take. */
#include <stdio.h>
#include <string.h>

#include "serve/anthropic.h"
#include "serve/talk.h"

typedef struct reader {
    suan__exchange *x;
    suan__talk talk;
    const json_t *messages;
    json_t *calls;     /* id to name, of the calls so far */
    size_t i_thinking; /* thinking of messages before this one is left out: it belongs to turns that are over */
    suan__problem *problem;
} reader;

static bool invalid(reader *r, const char *where, const char *what) {
    return suan__problem_set(r->problem, SUAN__PROBLEM_INVALID, where, "%s: %s.", where, what);
}

/* The block's type, and its table checked; NULL: *problem says why. */
static const char *check_block(reader *r, const json_t *block, const char *where) {
    const char *type = json_string_value(json_object_get(block, "type")), *refusal;
    if (!type) {
        invalid(r, where, "expected a block, an object with a type");
        return NULL;
    }
    const suan__fields *fields = suan__anthropic_block_fields(type, &refusal);
    if (!fields) {
        suan__problem_set(r->problem, refusal ? SUAN__PROBLEM_UNSUPPORTED : SUAN__PROBLEM_INVALID, where,
                          "%s: blocks of type \"%.64s\" are %s%s.", where, type, refusal ? "not supported here: " : "unknown",
                          refusal ? refusal : "");
        return NULL;
    }
    return suan__fields_check(r->x, block, fields, where, r->problem) ? type : NULL;
}

/* Text, or blocks of text, into a buffer; `what` names the place for messages. */
static bool read_text(reader *r, const json_t *content, const char *where, suan__buf *b) {
    if (json_is_string(content))
        return suan__buf_append(b, json_string_value(content), json_string_length(content)) || suan__no_memory(r->problem);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        char path[SUAN__PATH_BYTES];
        const char *type = check_block(r, block, suan__item_path(path, where, i));
        if (!type) return false;
        if (strcmp(type, "text") != 0) return invalid(r, path, "expected a block of text");
        const json_t *text = json_object_get(block, "text");
        if (i > 0) suan__buf_append(b, "\n", 1);
        if (!suan__buf_append(b, json_string_value(text), json_string_length(text))) return suan__no_memory(r->problem);
    }
    return true;
}

static bool read_document(reader *r, const json_t *block, const char *where) {
    char path[SUAN__PATH_BYTES];
    const json_t *source = json_object_get(block, "source");
    const char *title = json_string_value(json_object_get(block, "title")), *context = json_string_value(json_object_get(block, "context"));
    suan__field_path(path, where, "source");
    const char *type = json_string_value(json_object_get(source, "type"));
    if (type && strcmp(type, "text") != 0 && strcmp(type, "content") != 0)
        return suan__problem_set(r->problem, SUAN__PROBLEM_UNSUPPORTED, path,
                                 "%s: documents of type \"%.64s\" are not supported here, only plain text.", path, type);
    if (!suan__fields_check(r->x, source, &suan__anthropic_source_fields, path, r->problem)) return false;
    const char *media = json_string_value(json_object_get(source, "media_type"));
    if (media && strcmp(media, "text/plain") != 0) return invalid(r, path, "media_type is not text/plain");
    const json_t *text = json_object_get(source, strcmp(type, "text") == 0 ? "data" : "content");
    if (!json_is_string(text) && !json_is_array(text)) return invalid(r, path, "there is no text in it");
    suan__buf b = {0};
    if (title && *title) suan__buf_printf(&b, "%s\n", title);
    if (context && *context) suan__buf_printf(&b, "%s\n", context);
    bool done = read_text(r, text, path, &b);
    if (done) suan__talk_text(&r->talk, "user", b.data ? b.data : "", b.n, "\n");
    suan__buf_fini(&b);
    return done;
}

static bool read_result(reader *r, const json_t *block, const char *where) {
    char path[SUAN__PATH_BYTES];
    const char *id = json_string_value(json_object_get(block, "tool_use_id")), *name = json_string_value(json_object_get(r->calls, id));
    if (!name)
        return suan__problem_set(r->problem, SUAN__PROBLEM_INVALID, where, "%s: no tool_use block before it has the id \"%.100s\".", where,
                                 id);
    suan__buf b = {0};
    if (json_is_true(json_object_get(block, "is_error"))) suan__buf_printf(&b, "Error: ");
    bool done = read_text(r, json_object_get(block, "content"), suan__field_path(path, where, "content"), &b);
    if (done) suan__talk_result(&r->talk, id, name, b.data ? b.data : "", b.n);
    suan__buf_fini(&b);
    return done;
}

static bool read_block(reader *r, const json_t *block, size_t i_message, const char *role, const char *where) {
    const char *type = check_block(r, block, where);
    if (!type) return false;
    bool by_user = strcmp(role, "user") == 0, by_assistant = strcmp(role, "assistant") == 0;
    if (strcmp(type, "text") == 0) {
        const json_t *text = json_object_get(block, "text");
        suan__talk_text(&r->talk,
                        by_user        ? "user"
                        : by_assistant ? "assistant"
                                       : "system",
                        json_string_value(text), json_string_length(text), by_assistant ? "" : "\n");
        return true;
    }
    bool of_user = strcmp(type, "tool_result") == 0 || strcmp(type, "document") == 0;
    if (!(of_user ? by_user : by_assistant))
        return suan__problem_set(r->problem, SUAN__PROBLEM_INVALID, where, "%s: a %s block cannot be in a message of role \"%s\".", where,
                                 type, role);
    if (strcmp(type, "document") == 0) return read_document(r, block, where);
    if (of_user) return read_result(r, block, where);
    if (strcmp(type, "tool_use") == 0) {
        const char *id = json_string_value(json_object_get(block, "id")), *name = json_string_value(json_object_get(block, "name"));
        suan__talk_call(&r->talk, id, name, json_object_get(block, "input"));
        if (json_object_set_new(r->calls, id, json_string(name)) != 0) return suan__no_memory(r->problem);
    } else if (strcmp(type, "thinking") == 0 && i_message >= r->i_thinking) {
        const json_t *text = json_object_get(block, "thinking");
        suan__talk_reasoning(&r->talk, json_string_value(text), json_string_length(text));
    }
    return true;
}

static bool read_message(reader *r, size_t i) {
    char where[SUAN__PATH_BYTES], path[SUAN__PATH_BYTES];
    const json_t *message = json_array_get(r->messages, i);
    suan__item_path(where, "messages", i);
    if (!suan__fields_check(r->x, message, &suan__anthropic_turn_fields, where, r->problem)) return false;
    const json_t *role = json_object_get(message, "role"), *content = json_object_get(message, "content");
    if (!suan__field_word(role, "user|assistant|system", suan__field_path(path, where, "role"), r->problem)) return false;
    bool by_assistant = strcmp(json_string_value(role), "assistant") == 0;
    suan__field_path(where, where, "content");
    if (json_is_string(content)) {
        const char *name = by_assistant ? "assistant" : strcmp(json_string_value(role), "user") == 0 ? "user" : "system";
        suan__talk_text(&r->talk, name, json_string_value(content), json_string_length(content), by_assistant ? "" : "\n");
        return true;
    }
    if (json_array_size(content) == 0 && !(by_assistant && i + 1 == json_array_size(r->messages)))
        return invalid(r, where, "there is nothing in it");
    for (size_t k = 0; k < json_array_size(content); k++)
        if (!read_block(r, json_array_get(content, k), i, json_string_value(role), suan__item_path(path, where, k))) return false;
    return true;
}

/* The message behind the last one in which the user says something of his own (results of tools are no such thing). */
static size_t first_of_turn(const json_t *messages) {
    for (size_t i = json_array_size(messages); i-- > 0;) {
        const json_t *message = json_array_get(messages, i), *content = json_object_get(message, "content");
        const char *role = json_string_value(json_object_get(message, "role"));
        if (!role || strcmp(role, "user") != 0) continue;
        if (!json_is_array(content)) return i + 1;
        for (size_t k = 0; k < json_array_size(content); k++) {
            const char *type = json_string_value(json_object_get(json_array_get(content, k), "type"));
            if (type && strcmp(type, "tool_result") != 0) return i + 1;
        }
    }
    return 0;
}

/* Whether the last message is the assistant's; one that ends in a call cannot be gone on with. */
static bool check_last(reader *r, bool *continues) {
    size_t i = json_array_size(r->messages) - 1;
    const json_t *message = json_array_get(r->messages, i), *content = json_object_get(message, "content");
    *continues = strcmp(json_string_value(json_object_get(message, "role")), "assistant") == 0;
    for (size_t k = 0; *continues && k < json_array_size(content); k++) {
        char where[SUAN__PATH_BYTES];
        const char *type = json_string_value(json_object_get(json_array_get(content, k), "type"));
        if (strcmp(type, "tool_use") == 0)
            return invalid(r, suan__item_path(where, "messages", i), "its tool_use block has no tool_result behind it");
    }
    return true;
}

bool suan__anthropic_read_messages(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    reader r = {.x = x, .messages = json_object_get(body, "messages"), .calls = json_object(), .problem = problem};
    const json_t *system = json_object_get(body, "system");
    suan__buf b = {0};
    bool good = read_text(&r, system, "system", &b);
    if (good && b.n) suan__talk_text(&r.talk, "system", b.data, b.n, "\n");
    suan__buf_fini(&b);
    r.i_thinking = first_of_turn(r.messages);
    for (size_t i = 0; good && i < json_array_size(r.messages); i++) good = read_message(&r, i);
    good = good && check_last(&r, &ask->continues_last);
    ask->messages = good ? suan__talk_end(&r.talk) : NULL;
    if (good && !ask->messages) good = suan__no_memory(problem);
    suan__talk_fini(&r.talk);
    json_decref(r.calls);
    return good;
}
