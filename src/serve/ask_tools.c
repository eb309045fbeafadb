/* ask_tools.c: tools and calls where the model's template falls short of them.
 *
 * A template that does not speak of tools gets them described in words, in the system message; calls are asked for, and read, as JSON in <tool_call> tags (the syntax hermes), or in the
 * template's own marks where it has some. A template that does not speak of calls gets those of earlier turns, and their results, as text in the same tags. Some templates want short ids, some write only the
 * first call of a message (or raise for a second).
 */
#include <stdlib.h>
#include <string.h>

#include "serve/ask_internal.h"

bool suan__ask_wants_tools(const suan__ask_state *a) {
    return json_array_size(a->ask.tools) > 0 && a->ask.tool_choice != SUAN_TOOLS_NONE;
}

/* Whether calls of a template without tools have marks of its own all the same. */
static bool has_own_marks(const suan__server *s) {
    return s->syntax == SUAN_ANSWER_DEEPSEEK_V3;
}

bool suan__ask_has_tools(const suan__server *s) {
    return s->syntax != SUAN_ANSWER_PLAIN || !suan__ask_mentions(s->model, "tools");
}

suan_answer_syntax suan__ask_syntax(const suan__ask_state *a) {
    const suan__server *s = suan__exchange_server(a->x);
    bool is_own = has_own_marks(s) || suan__ask_mentions(s->model, "tools") || !suan__ask_wants_tools(a);
    return is_own ? s->syntax : SUAN_ANSWER_HERMES;
}

/* ---- tools in words ---- */

static const char head[] = "# Tools\n\nYou can call tools. Each of them is described by one line of JSON:\n<tools>\n";
static const char tags[] =
    "</tools>\n\nTo call a tool, write its name and its arguments as JSON within <tool_call></tool_call>, like this:\n"
    "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"PARAMETER\": \"VALUE\"}}\n</tool_call>\n"
    "Further calls may follow. The results will be given to you within <tool_response></tool_response>.";
#define MARK(words) "<\xef\xbd\x9c" words "\xef\xbd\x9c>"
#define LOW "\xe2\x96\x81"
static const char marks[] =
    "</tools>\n\nTo call a tool, write its name and its arguments as JSON, like this:\n" MARK("tool" LOW "calls" LOW "begin")
        MARK("tool" LOW "call" LOW "begin") "NAME" MARK("tool" LOW "sep") "{\"PARAMETER\": \"VALUE\"}" MARK("tool" LOW "call" LOW "end")
            MARK("tool" LOW "calls" LOW "end");

bool suan__ask_describes_tools(const suan__ask_state *a) {
    return suan__ask_wants_tools(a) && !suan__ask_mentions(suan__exchange_server(a->x)->model, "tools");
}

static bool append_json(suan__buf *text, const json_t *value) {
    size_t n = 0;
    char *line = suan__json_text(value, &n);
    bool is_good = line && suan__buf_append(text, line, n);
    suan_free(line);
    return is_good;
}

static bool describe(const suan__ask_state *a, suan__buf *text) {
    size_t i;
    const json_t *tool;
    suan__buf_append(text, head, sizeof head - 1);
    json_array_foreach(a->ask.tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        if (!append_json(text, function ? function : tool)) return false;
        suan__buf_append(text, "\n", 1);
    }
    const char *form = has_own_marks(suan__exchange_server(a->x)) ? marks : tags;
    return suan__buf_append(text, form, strlen(form));
}

static bool set_content(json_t *message, const suan__buf *text) {
    return !text->failed && json_object_set_new(message, "content", json_stringn(text->data ? text->data : "", text->n)) == 0;
}

static bool append_content(suan__buf *text, const json_t *message) {
    const json_t *content = json_object_get(message, "content");
    return suan__buf_append(text, json_is_string(content) ? json_string_value(content) : "", json_string_length(content));
}

static const char *role_of(const json_t *message) {
    const char *role = json_string_value(json_object_get(message, "role"));
    return role ? role : "";
}

/* The first message of that role; NULL: none. */
static json_t *first_of(const json_t *messages, const char *role) {
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (strcmp(role_of(json_array_get(messages, i)), role) == 0) return json_array_get(messages, i);
    return NULL;
}

bool suan__ask_describe_tools(const suan__ask_state *a, json_t *messages, bool in_user) {
    suan__buf text = {0};
    json_t *system = first_of(messages, "system"), *user = in_user ? first_of(messages, "user") : NULL;
    json_t *into = user ? user : system;
    bool is_good = true;
    if (system) is_good = append_content(&text, system) && suan__buf_append(&text, "\n\n", 2);
    is_good = is_good && describe(a, &text);
    if (user) is_good = is_good && suan__buf_append(&text, "\n\n", 2) && append_content(&text, user);
    if (is_good && into) is_good = set_content(into, &text);
    if (is_good && !into)
        is_good = json_array_insert_new(messages, 0, json_pack("{s:s, s:s%}", "role", "system", "content", text.data, text.n)) == 0;
    for (size_t i = 0; user && system && i < json_array_size(messages); i++) {
        if (json_array_get(messages, i) != system) continue;
        json_array_remove(messages, i);
        break;
    }
    suan__buf_fini(&text);
    return is_good;
}

/* ---- calls of earlier turns as text ---- */

static bool write_calls(json_t *message, const json_t *calls) {
    suan__buf text = {0};
    size_t i;
    const json_t *call;
    bool is_good = append_content(&text, message);
    json_array_foreach((json_t *)calls, i, call) {
        const json_t *function = json_object_get(call, "function");
        json_t *object =
            json_pack("{s:O?, s:O?}", "name", json_object_get(function, "name"), "arguments", json_object_get(function, "arguments"));
        if (text.n > 0) suan__buf_append(&text, "\n", 1);
        suan__buf_append(&text, "<tool_call>\n", 12);
        is_good = is_good && append_json(&text, object) && suan__buf_append(&text, "\n</tool_call>", 13);
        json_decref(object);
    }
    is_good = is_good && set_content(message, &text) && json_object_del(message, "tool_calls") == 0;
    suan__buf_fini(&text);
    return is_good;
}

/* A result becomes a message of the user, or a part of the one before, if that is a result too; what the user says behind it joins them: many templates insist that roles take turns. */
static bool write_result(json_t *message, json_t *before, bool is_result) {
    suan__buf text = {0};
    bool is_good = true;
    if (before) is_good = append_content(&text, before) && suan__buf_append(&text, "\n", 1);
    if (is_result) suan__buf_append(&text, "<tool_response>\n", 16);
    is_good = is_good && append_content(&text, message);
    if (is_result) suan__buf_append(&text, "\n</tool_response>", 17);
    is_good = is_good && set_content(before ? before : message, &text);
    if (!before) is_good = is_good && json_object_set_new(message, "role", json_string("user")) == 0;
    suan__buf_fini(&text);
    return is_good;
}

bool suan__ask_write_calls(json_t *messages) {
    json_t *results = NULL; /* the message before, if it holds results */
    bool is_good = true;
    for (size_t i = 0; is_good && i < json_array_size(messages);) {
        json_t *message = json_array_get(messages, i), *calls = json_object_get(message, "tool_calls");
        bool is_result = strcmp(role_of(message), "tool") == 0;
        if (calls) is_good = write_calls(message, calls);
        if (is_result || (results && strcmp(role_of(message), "user") == 0)) {
            is_good = write_result(message, results, is_result);
            if (results) {
                json_array_remove(messages, i);
                continue;
            }
            results = message;
        } else {
            results = NULL;
        }
        i++;
    }
    return is_good;
}

/* ---- one call a message ---- */

bool suan__ask_has_single_calls(const suan__server *s) {
    return s->syntax == SUAN_ANSWER_LLAMA3 || s->syntax == SUAN_ANSWER_GIGACHAT3 || s->syntax == SUAN_ANSWER_GIGACHAT31;
}

static bool is_result_of(const json_t *result, const json_t *call) {
    const char *id = json_string_value(json_object_get(call, "id")), *of = json_string_value(json_object_get(result, "tool_call_id"));
    return id && of && strcmp(id, of) == 0;
}

/* The message with its call i alone; what else it says stands in the first. */
static json_t *with_call(json_t *message, const json_t *calls, size_t i) {
    json_t *one = i == 0 ? json_copy(message) : json_pack("{s:O, s:s}", "role", json_object_get(message, "role"), "content", "");
    if (!one || json_object_set_new(one, "tool_calls", json_pack("[O]", json_array_get(calls, i))) == 0) return one;
    json_decref(one);
    return NULL;
}

/* Appends the message for each of its calls, and behind each what it resulted in; then what is left of the results. */
static bool split(json_t *out, json_t *message, json_t *results) {
    const json_t *calls = json_object_get(message, "tool_calls");
    bool is_good = true;
    for (size_t i = 0; i < json_array_size(calls); i++) {
        is_good = is_good && json_array_append_new(out, with_call(message, calls, i)) == 0;
        for (size_t k = 0; is_good && k < json_array_size(results);) {
            json_t *result = json_array_get(results, k);
            if (!is_result_of(result, json_array_get(calls, i))) {
                k++;
                continue;
            }
            is_good = json_array_append(out, result) == 0 && json_array_remove(results, k) == 0;
        }
    }
    return is_good && json_array_extend(out, results) == 0;
}

bool suan__ask_split_calls(json_t *messages) {
    json_t *out = json_array();
    bool is_good = out != NULL;
    for (size_t i = 0, n = json_array_size(messages); is_good && i < n; i++) {
        json_t *message = json_array_get(messages, i), *results = json_array();
        if (json_array_size(json_object_get(message, "tool_calls")) < 2) {
            is_good = json_array_append(out, message) == 0;
        } else {
            for (; is_good && i + 1 < n && strcmp(role_of(json_array_get(messages, i + 1)), "tool") == 0; i++)
                is_good = json_array_append(results, json_array_get(messages, i + 1)) == 0;
            is_good = is_good && split(out, message, results);
        }
        json_decref(results);
    }
    is_good = is_good && json_array_clear(messages) == 0 && json_array_extend(messages, out) == 0;
    json_decref(out);
    return is_good;
}

/* ---- short ids ---- */

bool suan__ask_has_short_ids(const suan__server *s) {
    return s->syntax == SUAN_ANSWER_MISTRAL || s->syntax == SUAN_ANSWER_MISTRAL_V3;
}

/* Nine letters and digits stay; of anything else nine are made, the same for the same id. */
static bool shorten(json_t *object, const char *key) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *id = json_string_value(json_object_get(object, key));
    char made[SUAN__SHORT_ID + 1] = {0};
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    if (!id || (strlen(id) == SUAN__SHORT_ID && strspn(id, letters) == SUAN__SHORT_ID)) return true;
    for (const char *s = id; *s; s++) hash = (hash ^ (unsigned char)*s) * 1099511628211u;
    for (int i = 0; i < SUAN__SHORT_ID; i++, hash /= 62) made[i] = letters[hash % 62];
    return json_object_set_new(object, key, json_string(made)) == 0;
}

bool suan__ask_shorten_ids(json_t *message) {
    bool is_good = shorten(message, "tool_call_id");
    json_t *calls = json_object_get(message, "tool_calls") ? json_deep_copy(json_object_get(message, "tool_calls")) : NULL, *call;
    size_t i;
    if (!calls) return is_good;
    json_array_foreach(calls, i, call) is_good = is_good && shorten(call, "id");
    return json_object_set_new(message, "tool_calls", calls) == 0 && is_good;
}
