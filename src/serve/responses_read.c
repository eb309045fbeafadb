/* responses_read.c: from a Responses request to an ask: items become messages. */
#include <string.h>

#include "serve/responses.h"
#include "serve/talk.h"

/* ---- items ---- */

/* Text parts as one string, free with suan__buf_fini. */
static bool read_parts(suan__exchange *x, const json_t *content, suan__buf *text, const char *words, const char *where,
                       suan__problem *problem) {
    size_t i;
    const json_t *part;
    char path[SUAN__PATH_BYTES], type[SUAN__PATH_BYTES];
    if (json_is_string(content))
        return json_string_length(content) == 0 || suan__buf_append(text, json_string_value(content), json_string_length(content)) ||
               suan__no_memory(problem);
    json_array_foreach((json_t *)content, i, part) {
        suan__item_path(path, where, i);
        const json_t *s = json_object_get(part, "text");
        if (!suan__fields_check(x, part, &suan__responses_part_fields, path, problem) ||
            !suan__field_word(json_object_get(part, "type"), words, suan__field_path(type, path, "type"), problem))
            return false;
        if (!json_is_string(s)) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s has no text.", path);
        if (i > 0) suan__buf_append(text, "\n", 1);
        if (json_string_length(s) > 0) suan__buf_append(text, json_string_value(s), json_string_length(s));
    }
    return !text->failed || suan__no_memory(problem);
}

static bool read_message(suan__exchange *x, suan__talk *talk, const json_t *item, const char *where, suan__problem *problem) {
    static const char *const roles[] = {"system", "developer", "user", "assistant"};
    char path[SUAN__PATH_BYTES];
    suan__buf text = {0};
    if (!suan__fields_check(x, item, &suan__responses_message_fields, where, problem) ||
        !suan__field_word(json_object_get(item, "role"), "system|developer|user|assistant", suan__field_path(path, where, "role"),
                          problem) ||
        !read_parts(x, json_object_get(item, "content"), &text, "input_text|output_text|text", suan__field_path(path, where, "content"),
                    problem)) {
        suan__buf_fini(&text);
        return false;
    }
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i], json_string_value(json_object_get(item, "role"))) == 0)
            suan__talk_text(talk, roles[i], text.data ? text.data : "", text.n, "\n");
    suan__buf_fini(&text);
    return true;
}

static bool read_call(suan__exchange *x, suan__talk *talk, const json_t *item, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    if (!suan__fields_check(x, item, &suan__responses_call_fields, where, problem)) return false;
    json_t *arguments = suan__openai_arguments(json_object_get(item, "arguments"), suan__field_path(path, where, "arguments"), problem);
    if (!arguments) return false;
    suan__talk_call(talk, json_string_value(json_object_get(item, "call_id")), json_string_value(json_object_get(item, "name")), arguments);
    json_decref(arguments);
    return true;
}

static bool read_output(suan__exchange *x, suan__talk *talk, const json_t *item, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    suan__buf text = {0};
    bool is_good = suan__fields_check(x, item, &suan__responses_output_fields, where, problem) &&
                   read_parts(x, json_object_get(item, "output"), &text, "input_text|output_text|text",
                              suan__field_path(path, where, "output"), problem);
    if (is_good)
        suan__talk_result(talk, json_string_value(json_object_get(item, "call_id")), json_string_value(json_object_get(item, "name")),
                          text.data ? text.data : "", text.n);
    suan__buf_fini(&text);
    return is_good;
}

static bool read_reasoning(suan__exchange *x, suan__talk *talk, const json_t *item, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    suan__buf text = {0};
    if (!suan__fields_check(x, item, &suan__responses_reasoning_fields, where, problem)) return false;
    bool has_content = json_array_size(json_object_get(item, "content")) > 0;
    const char *name = has_content ? "content" : "summary";
    bool is_good = read_parts(x, json_object_get(item, name), &text, has_content ? "reasoning_text" : "summary_text",
                              suan__field_path(path, where, name), problem);
    if (is_good && text.n > 0) suan__talk_reasoning(talk, text.data, text.n);
    suan__buf_fini(&text);
    return is_good;
}

static bool read_item(suan__exchange *x, suan__talk *talk, const json_t *item, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const char *type = json_string_value(json_object_get(item, "type"));
    if (!json_is_object(item)) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is no object.", where);
    if (!type || strcmp(type, "message") == 0) return read_message(x, talk, item, where, problem);
    if (strcmp(type, "function_call") == 0) return read_call(x, talk, item, where, problem);
    if (strcmp(type, "function_call_output") == 0) return read_output(x, talk, item, where, problem);
    if (strcmp(type, "reasoning") == 0) return read_reasoning(x, talk, item, where, problem);
    suan__field_path(path, where, "type");
    return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, path,
                             "%s is \"%.64s\"; this server takes message, function_call, function_call_output and reasoning.", path, type);
}

static bool read_input(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *input = json_object_get(body, "input"), *instructions = suan__field_get(body, &suan__responses_fields, "instructions");
    suan__talk talk = {0};
    bool is_good = true;
    if (instructions) suan__talk_text(&talk, "system", json_string_value(instructions), json_string_length(instructions), "\n");
    if (json_is_string(input)) suan__talk_text(&talk, "user", json_string_value(input), json_string_length(input), "\n");
    for (size_t i = 0; is_good && json_is_array(input) && i < json_array_size(input); i++) {
        char path[SUAN__PATH_BYTES];
        is_good = read_item(x, &talk, json_array_get(input, i), suan__item_path(path, "input", i), problem);
    }
    if (json_is_array(input) && json_array_size(input) == 0)
        is_good = suan__problem_set(problem, SUAN__PROBLEM_INVALID, "input", "input is empty, expected at least one item.");
    if (is_good && !(ask->messages = suan__talk_end(&talk))) is_good = suan__no_memory(problem);
    suan__talk_fini(&talk);
    return is_good;
}

/* ---- tools ---- */

/* {"type": "function", "name": ..} becomes {"type": "function", "function": {"name": ..}}, as templates take it. */
static json_t *tool_json(const json_t *tool) {
    static const char *const kept[] = {"name", "description", "parameters", "strict"};
    json_t *function = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *v = json_object_get(tool, kept[i]);
        if (v && !json_is_null(v)) json_object_set(function, kept[i], v);
    }
    return json_pack("{s:s, s:o}", "type", "function", "function", function);
}

static bool read_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    size_t i;
    const json_t *tool, *tools = suan__field_get(body, &suan__responses_fields, "tools");
    char path[SUAN__PATH_BYTES], type[SUAN__PATH_BYTES];
    ask->one_call = json_is_false(suan__field_get(body, &suan__responses_fields, "parallel_tool_calls"));
    if (json_array_size(tools) == 0) return true;
    ask->tools = json_array();
    json_array_foreach((json_t *)tools, i, tool) {
        suan__item_path(path, "tools", i);
        suan__field_path(type, path, "type");
        const char *word = json_string_value(json_object_get(tool, "type"));
        if (word && strcmp(word, "function") != 0)
            return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, type, "%s is \"%.64s\"; this server takes functions only.", type,
                                     word);
        if (!suan__fields_check(x, tool, &suan__responses_tool_fields, path, problem)) return false;
        if (json_array_append_new(ask->tools, tool_json(tool)) != 0) return suan__no_memory(problem);
    }
    return true;
}

static bool read_tool_choice(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *choice = suan__field_get(body, &suan__responses_fields, "tool_choice");
    if (!choice) return true;
    if (json_is_string(choice)) return suan__openai_tool_choice(ask, json_string_value(choice), NULL, "tool_choice", problem);
    if (!suan__fields_check(x, choice, &suan__responses_choice_fields, "tool_choice", problem) ||
        !suan__field_word(json_object_get(choice, "type"), "function", "tool_choice.type", problem))
        return false;
    const char *name = json_string_value(json_object_get(choice, "name"));
    return suan__openai_tool_choice(ask, NULL, name ? name : "", "tool_choice.name", problem);
}

/* ---- the rest ---- */

static bool read_text(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *text = suan__field_get(body, &suan__responses_fields, "text");
    if (!text) return true;
    if (!suan__fields_check(x, text, &suan__responses_text_fields, "text", problem)) return false;
    const json_t *format = suan__field_get(text, &suan__responses_text_fields, "format");
    return !format || (suan__fields_check(x, format, &suan__responses_format_fields, "text.format", problem) &&
                       suan__openai_format(x, ask, format, format, "text.format", problem));
}

static bool read_reasoning_options(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *reasoning = suan__field_get(body, &suan__responses_fields, "reasoning");
    suan__openai_budget(ask, suan__field_get(body, &suan__responses_fields, "thinking_budget"));
    if (!reasoning) return true;
    return suan__fields_check(x, reasoning, &suan__responses_effort_fields, "reasoning", problem) &&
           suan__openai_effort(x, ask, json_object_get(reasoning, "effort"), "reasoning.effort", problem);
}

static bool read_include(suan__exchange *x, suan__response *r, const json_t *body, suan__problem *problem) {
    size_t i;
    const json_t *word;
    char path[SUAN__PATH_BYTES];
    json_array_foreach(suan__field_get(body, &suan__responses_fields, "include"), i, word) {
        const char *text = json_string_value(word);
        suan__item_path(path, "include", i);
        if (text && strcmp(text, "message.output_text.logprobs") == 0)
            r->want_logprobs = true;
        else if (text && strcmp(text, "reasoning.encrypted_content") == 0)
            suan__note_advisory(x, "include.reasoning.encrypted_content");
        else
            return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, path, "%s: \"%.64s\" is nothing that this server could include.",
                                     path, text ? text : "");
    }
    return true;
}

static bool read_flags(suan__exchange *x, suan__ask *ask, suan__response *r, suan__problem *problem) {
    const suan__fields *f = &suan__responses_fields;
    const json_t *truncation = suan__field_get(r->body, f, "truncation"), *options = suan__field_get(r->body, f, "stream_options");
    const json_t *top = suan__field_get(r->body, f, "top_logprobs"), *extra = suan__field_get(r->body, f, "chat_template_kwargs");
    if (!suan__field_word(truncation, "disabled|auto", "truncation", problem)) return false;
    if (truncation && strcmp(json_string_value(truncation), "auto") == 0)
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "truncation",
                                 "truncation is only supported as \"disabled\": nothing is cut silently.");
    if (options && !suan__fields_check(x, options, &suan__responses_stream_fields, "stream_options", problem)) return false;
    if (!read_include(x, r, r->body, problem)) return false;
    if (extra) ask->template_extra = json_copy((json_t *)extra);
    r->is_stream = json_is_true(suan__field_get(r->body, f, "stream"));
    r->want_logprobs |= suan__field_integer(top, 0) > 0;
    ask->params.want_logprobs = r->want_logprobs;
    ask->params.n_logprobs = (uint32_t)suan__field_integer(top, 0);
    ask->params.max_tokens = (uint32_t)suan__field_integer(suan__field_get(r->body, f, "max_output_tokens"), 0);
    ask->streams_calls = true;
    if (r->is_stream) ask->stream_type = SUAN__EVENT_STREAM, ask->stream_keep_alive = SUAN__OPENAI_KEEP_ALIVE;
    return true;
}

bool suan__responses_read(suan__exchange *x, suan__ask *ask, suan__response *r, suan__problem *problem) {
    const json_t *body = r->body;
    return read_flags(x, ask, r, problem) && suan__openai_sampling(x, ask, body, &suan__responses_fields, problem) &&
           read_input(x, ask, body, problem) && read_tools(x, ask, body, problem) && read_tool_choice(x, ask, body, problem) &&
           read_text(x, ask, body, problem) && suan__openai_extensions(ask, body, &suan__responses_fields, problem) &&
           read_reasoning_options(x, ask, body, problem);
}
