/* openai_messages.c: messages and tools of a chat, checked to the last member. */
#include <string.h>

#include "serve/openai.h"

/* ---- messages ---- */

static bool check_parts(suan__exchange *x, const json_t *parts, const char *where, suan__problem *problem) {
    size_t i;
    const json_t *part;
    char path[SUAN__PATH_BYTES];
    json_array_foreach((json_t *)parts, i, part) {
        suan__item_path(path, where, i);
        if (!suan__fields_check(x, part, &suan__openai_part_fields, path, problem)) return false;
        if (!json_is_string(json_object_get(part, "text")))
            return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s has no text.", path);
    }
    return true;
}

/* One call as templates take it: its arguments an object. */
static json_t *read_call(suan__exchange *x, const json_t *call, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const json_t *function = json_object_get(call, "function");
    suan__field_path(path, where, "function");
    if (!suan__fields_check(x, call, &suan__openai_call_fields, where, problem) ||
        !suan__fields_check(x, function, &suan__openai_call_function_fields, path, problem))
        return NULL;
    json_t *arguments = suan__openai_arguments(json_object_get(function, "arguments"), suan__field_path(path, path, "arguments"), problem);
    if (!arguments) return NULL;
    json_t *id = json_object_get(call, "id");
    json_t *copy =
        json_pack("{s:s, s:{s:O, s:o}}", "type", "function", "function", "name", json_object_get(function, "name"), "arguments", arguments);
    if (copy && id && !json_is_null(id)) json_object_set(copy, "id", id);
    if (!copy) suan__no_memory(problem);
    return copy;
}

static bool read_calls(suan__exchange *x, json_t *message, const json_t *calls, const char *where, suan__problem *problem) {
    size_t i;
    const json_t *call;
    char path[SUAN__PATH_BYTES];
    json_t *list = json_array();
    suan__field_path(path, where, "tool_calls");
    json_array_foreach((json_t *)calls, i, call) {
        char item[SUAN__PATH_BYTES];
        json_t *copy = read_call(x, call, suan__item_path(item, path, i), problem);
        if (!copy || json_array_append_new(list, copy) != 0) {
            json_decref(list);
            return false;
        }
    }
    return json_object_set_new(message, "tool_calls", list) == 0 || suan__no_memory(problem);
}

/* A copy without what only advises; NULL: *problem. */
static json_t *read_message(suan__exchange *x, const json_t *message, const char *where, suan__problem *problem) {
    static const char *const kept[] = {"role", "content", "name", "reasoning_content", "tool_call_id"};
    char path[SUAN__PATH_BYTES];
    if (!suan__fields_check(x, message, &suan__openai_message_fields, where, problem)) return NULL;
    const json_t *content = json_object_get(message, "content"), *calls = json_object_get(message, "tool_calls");
    if (json_is_array(content) && !check_parts(x, content, suan__field_path(path, where, "content"), problem)) return NULL;
    json_t *copy = json_object();
    for (size_t i = 0; copy && i < sizeof kept / sizeof *kept; i++) {
        json_t *v = json_object_get(message, kept[i]);
        if (v && !json_is_null(v) && json_object_set(copy, kept[i], v) != 0) json_decref(copy), copy = NULL;
    }
    if (!copy) {
        suan__no_memory(problem);
        return NULL;
    }
    if (json_array_size(calls) == 0 || read_calls(x, copy, calls, where, problem)) return copy;
    json_decref(copy);
    return NULL;
}

bool suan__openai_messages(suan__exchange *x, suan__ask *ask, const json_t *messages, suan__problem *problem) {
    size_t i;
    const json_t *message;
    ask->messages = json_array();
    json_array_foreach((json_t *)messages, i, message) {
        char path[SUAN__PATH_BYTES];
        json_t *copy = read_message(x, message, suan__item_path(path, "messages", i), problem);
        if (!copy) return false;
        if (json_array_append_new(ask->messages, copy) != 0) return suan__no_memory(problem);
    }
    return true;
}

/* ---- tools ---- */

static bool read_tool_choice(suan__exchange *x, suan__ask *ask, const json_t *choice, suan__problem *problem) {
    if (!choice) return true;
    if (json_is_string(choice)) return suan__openai_tool_choice(ask, json_string_value(choice), NULL, "tool_choice", problem);
    const json_t *function = json_object_get(choice, "function");
    if (!suan__fields_check(x, choice, &suan__openai_choice_fields, "tool_choice", problem) ||
        !suan__field_word(json_object_get(choice, "type"), "function", "tool_choice.type", problem) ||
        !suan__fields_check(x, function, &suan__openai_choice_function_fields, "tool_choice.function", problem))
        return false;
    return suan__openai_tool_choice(ask, NULL, json_string_value(json_object_get(function, "name")), "tool_choice.function", problem);
}

bool suan__openai_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    size_t i;
    const json_t *tool;
    json_t *tools = suan__field_get(body, &suan__openai_chat_fields, "tools");
    json_array_foreach(tools, i, tool) {
        char path[SUAN__PATH_BYTES], function[SUAN__PATH_BYTES];
        suan__item_path(path, "tools", i);
        suan__field_path(function, path, "function");
        if (!suan__fields_check(x, tool, &suan__openai_tool_fields, path, problem) ||
            !suan__fields_check(x, json_object_get(tool, "function"), &suan__openai_function_fields, function, problem))
            return false;
    }
    if (json_array_size(tools) > 0) ask->tools = json_incref(tools);
    ask->one_call = json_is_false(suan__field_get(body, &suan__openai_chat_fields, "parallel_tool_calls"));
    return read_tool_choice(x, ask, suan__field_get(body, &suan__openai_chat_fields, "tool_choice"), problem);
}
