/* anthropic_read.c: tools, thinking, form and sampling of a Messages request. */
#include <math.h>
#include <string.h>

#include "serve/anthropic.h"

/* ---- tools ---- */

static bool is_tool_name(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n > 0 && name[n] == 0;
}

static bool read_tool(suan__exchange *x, json_t *tools, const json_t *tool, const char *where, suan__problem *problem) {
    const char *type = json_string_value(json_object_get(tool, "type"));
    if (type && strcmp(type, "custom") != 0)
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, where,
                                 "%s: tools of type \"%.64s\" are not supported here, only custom ones.", where, type);
    if (!suan__fields_check(x, tool, &suan__anthropic_tool_fields, where, problem)) return false;
    const char *name = json_string_value(json_object_get(tool, "name"));
    if (!is_tool_name(name))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: its name is \"%.130s\", expected letters, digits, _ and -.",
                                 where, name);
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *other = json_object_get(json_object_get(json_array_get(tools, i), "function"), "name");
        if (strcmp(json_string_value(other), name) == 0)
            return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: two tools are named \"%.130s\".", where, name);
    }
    json_t *function = json_pack("{s:s}", "name", name);
    const json_t *description = json_object_get(tool, "description");
    if (json_is_string(description)) json_object_set(function, "description", (json_t *)description);
    json_object_set(function, "parameters", json_object_get(tool, "input_schema"));
    return json_array_append_new(tools, json_pack("{s:s, s:o}", "type", "function", "function", function)) == 0 || suan__no_memory(problem);
}

static bool read_choice(suan__exchange *x, suan__ask *ask, const json_t *choice, suan__problem *problem) {
    if (!suan__fields_check(x, choice, &suan__anthropic_choice_fields, "tool_choice", problem)) return false;
    const json_t *type = json_object_get(choice, "type");
    if (!suan__field_word(type, "auto|any|tool|none", "tool_choice.type", problem)) return false;
    const char *word = json_string_value(type), *name = json_string_value(json_object_get(choice, "name"));
    bool is_named = strcmp(word, "tool") == 0;
    if (is_named != (name != NULL))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "tool_choice.name",
                                 "tool_choice.name belongs to type tool, and to no other.");
    ask->one_call = json_is_true(json_object_get(choice, "disable_parallel_tool_use"));
    if (strcmp(word, "auto") == 0) ask->tool_choice = SUAN_TOOLS_AUTO;
    if (strcmp(word, "none") == 0) ask->tool_choice = SUAN_TOOLS_NONE;
    if (strcmp(word, "any") == 0) ask->tool_choice = SUAN_TOOLS_REQUIRED;
    if (!is_named) return true;
    ask->tool_choice = SUAN_TOOLS_NAMED, ask->tool_name = name;
    for (size_t i = 0; i < json_array_size(ask->tools); i++) {
        const json_t *other = json_object_get(json_object_get(json_array_get(ask->tools, i), "function"), "name");
        if (strcmp(json_string_value(other), name) == 0) return true;
    }
    return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "tool_choice.name", "tool_choice.name is \"%.130s\", and no tool is named so.",
                             name);
}

bool suan__anthropic_read_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *tools = json_object_get(body, "tools"), *choice = json_object_get(body, "tool_choice");
    if (json_array_size(tools)) {
        ask->tools = json_array();
        if (!ask->tools) return suan__no_memory(problem);
    }
    for (size_t i = 0; i < json_array_size(tools); i++) {
        char where[SUAN__PATH_BYTES];
        if (!read_tool(x, ask->tools, json_array_get(tools, i), suan__item_path(where, "tools", i), problem)) return false;
    }
    if (!choice || json_is_null(choice)) return true;
    if (!read_choice(x, ask, choice, problem)) return false;
    if (ask->tools || ask->tool_choice == SUAN_TOOLS_NONE || ask->tool_choice == SUAN_TOOLS_AUTO) return true;
    return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "tool_choice", "tool_choice wants a call, and there are no tools.");
}

/* ---- thinking and form ---- */

static bool read_thinking(suan__exchange *x, suan__ask *ask, const json_t *thinking, suan__anthropic *a, suan__problem *problem) {
    if (!json_is_object(thinking)) {
        /* Programs that do not ask for thinking take the first block for the answer. */
        ask->think = -2;
        return true;
    }
    if (!suan__fields_check(x, thinking, &suan__anthropic_thinking_fields, "thinking", problem)) return false;
    const json_t *type = json_object_get(thinking, "type"), *display = json_object_get(thinking, "display");
    if (!suan__field_word(type, "enabled|disabled|adaptive", "thinking.type", problem)) return false;
    if (!suan__field_word(display, "summarized|omitted", "thinking.display", problem)) return false;
    ask->think = strcmp(json_string_value(type), "disabled") != 0;
    const json_t *budget = json_object_get(thinking, "budget_tokens");
    if (json_is_number(budget) && strcmp(json_string_value(type), "enabled") != 0)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "thinking.budget_tokens",
                                 "thinking.budget_tokens belongs to type enabled, and to no other.");
    if (json_is_number(budget)) ask->think_budget = suan__field_integer(budget, 0);
    a->hides_thinking = json_is_string(display) && strcmp(json_string_value(display), "omitted") == 0;
    return true;
}

static bool read_format(suan__exchange *x, suan__ask *ask, const json_t *format, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    if (!json_is_object(format)) return true;
    if (ask->format != SUAN__FORMAT_FREE)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s and output_config.format are the same member.", where);
    if (!suan__fields_check(x, format, &suan__anthropic_format_fields, where, problem)) return false;
    if (!suan__field_word(json_object_get(format, "type"), "json_schema", suan__field_path(path, where, "type"), problem)) return false;
    return suan__ask_schema(x, ask, json_object_get(format, "schema"), suan__field_path(path, where, "schema"), problem);
}

static bool read_output(suan__exchange *x, suan__ask *ask, const json_t *output, suan__problem *problem) {
    if (!json_is_object(output)) return true;
    if (!suan__fields_check(x, output, &suan__anthropic_output_fields, "output_config", problem)) return false;
    if (!read_format(x, ask, json_object_get(output, "format"), "output_config.format", problem)) return false;
    const json_t *effort = json_object_get(output, "effort");
    if (!json_is_string(effort)) return true;
    if (!suan__field_word(effort, "low|medium|high|xhigh|max", "output_config.effort", problem)) return false;
    /* Templates know low, medium and high, one also max. */
    const char *word = json_string_value(effort);
    return suan__ask_extra(ask, "reasoning_effort", json_string(strcmp(word, "xhigh") == 0 ? "high" : word), problem);
}

static bool read_sampling(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    suan_request_params *p = &ask->params;
    int64_t max_tokens = suan__field_integer(json_object_get(body, "max_tokens"), 0);
    p->max_tokens = (uint32_t)max_tokens;
    p->only_prompt = max_tokens == 0;
    p->sampling.temperature = (float)suan__field_number(json_object_get(body, "temperature"), (double)p->sampling.temperature);
    p->sampling.top_p = (float)suan__field_number(json_object_get(body, "top_p"), (double)p->sampling.top_p);
    p->sampling.top_k = (int32_t)suan__field_integer(json_object_get(body, "top_k"), p->sampling.top_k);
    return suan__ask_stop(x, ask, json_object_get(body, "stop_sequences"), "stop_sequences", problem);
}

bool suan__anthropic_read(suan__exchange *x, suan__ask *ask, const json_t *body, suan__anthropic *a, suan__problem *problem) {
    const json_t *metadata = json_object_get(body, "metadata");
    a->has_edits = json_is_object(json_object_get(body, "context_management"));
    return suan__ask_model(x, json_object_get(body, "model"), "model", problem) &&
           (!json_is_object(metadata) || suan__fields_check(x, metadata, &suan__anthropic_metadata_fields, "metadata", problem)) &&
           suan__anthropic_read_messages(x, ask, body, problem) && suan__anthropic_read_tools(x, ask, body, problem) &&
           read_thinking(x, ask, json_object_get(body, "thinking"), a, problem) &&
           read_output(x, ask, json_object_get(body, "output_config"), problem) &&
           read_format(x, ask, json_object_get(body, "output_format"), "output_format", problem) && read_sampling(x, ask, body, problem);
}
