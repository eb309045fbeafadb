/* gemini_read.c: tools and generationConfig of a Gemini request. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "serve/gemini.h"

static json_t *config_get(const json_t *config, const char *name) {
    return suan__field_get(config, &suan__gemini_config_fields, name);
}

/* ---- tools ---- */

static bool is_function_name(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-");
    return n > 0 && name[n] == 0;
}

static const char *name_of(const json_t *tool) {
    return json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
}

static bool has_tool(const json_t *tools, const char *name) {
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (strcmp(name_of(json_array_get(tools, i)), name) == 0) return true;
    return false;
}

/* The parameters as a JSON Schema: new reference. NULL: *problem says why. */
static json_t *read_parameters(suan__exchange *x, const json_t *declaration, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const suan__fields *fields = &suan__gemini_declaration_fields;
    json_t *schema = suan__field_get(declaration, fields, "parameters"),
           *json_schema = suan__field_get(declaration, fields, "parametersJsonSchema");
    if (schema && json_schema) {
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: parameters and parametersJsonSchema exclude each other.", where);
        return NULL;
    }
    if (schema) return suan__gemini_schema(x, schema, suan__field_path(path, where, "parameters"), problem);
    json_t *out =
        json_schema ? json_incref(json_schema) : json_pack("{s:s, s:{}, s:b}", "type", "object", "properties", "additionalProperties", 0);
    if (!out) suan__no_memory(problem);
    return out;
}

static bool read_declaration(suan__exchange *x, json_t *tools, const json_t *declaration, const char *where, suan__problem *problem) {
    const suan__fields *fields = &suan__gemini_declaration_fields;
    if (!suan__fields_check(x, declaration, fields, where, problem)) return false;
    const char *name = json_string_value(suan__field_get(declaration, fields, "name"));
    json_t *description = suan__field_get(declaration, fields, "description");
    if (!is_function_name(name))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: its name is \"%.130s\", expected letters, digits, _ . : -",
                                 where, name);
    if (has_tool(tools, name))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: two functions are named \"%.130s\".", where, name);
    json_t *parameters = read_parameters(x, declaration, where, problem);
    if (!parameters) return false;
    json_t *function = json_pack("{s:s}", "name", name);
    if (description) json_object_set(function, "description", description);
    json_object_set_new(function, "parameters", parameters);
    return json_array_append_new(tools, json_pack("{s:s, s:o}", "type", "function", "function", function)) == 0 || suan__no_memory(problem);
}

static bool read_tool(suan__exchange *x, json_t *tools, const json_t *tool, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES], item[SUAN__PATH_BYTES];
    if (!suan__fields_check(x, tool, &suan__gemini_tool_fields, where, problem)) return false;
    const json_t *list = suan__field_get(tool, &suan__gemini_tool_fields, "functionDeclarations");
    suan__field_path(path, where, "functionDeclarations");
    if (json_array_size(tools) + json_array_size(list) > 1024)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s: there are more than 1024 functions.", path);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_declaration(x, tools, json_array_get(list, i), suan__item_path(item, path, i), problem)) return false;
    return true;
}

/* Keeps the tools that are named. */
static bool keep_allowed(suan__ask *ask, const json_t *allowed, suan__problem *problem) {
    static const char where[] = "toolConfig.functionCallingConfig.allowedFunctionNames";
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        const char *name = json_string_value(json_array_get(allowed, i));
        if (name && has_tool(ask->tools, name)) continue;
        json_decref(kept);
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s[%zu]: no function is named \"%.130s\".", where, i,
                                 name ? name : "");
    }
    for (size_t t = 0; t < json_array_size(ask->tools); t++) {
        json_t *tool = json_array_get(ask->tools, t);
        for (size_t i = 0; i < json_array_size(allowed); i++) {
            if (strcmp(json_string_value(json_array_get(allowed, i)), name_of(tool)) != 0) continue;
            json_array_append(kept, tool);
            break;
        }
    }
    json_decref(ask->tools);
    ask->tools = kept;
    return true;
}

static bool read_calling(suan__exchange *x, suan__ask *ask, const json_t *calling, suan__problem *problem) {
    static const char where[] = "toolConfig.functionCallingConfig";
    const suan__fields *fields = &suan__gemini_calling_fields;
    if (!suan__fields_check(x, calling, fields, where, problem)) return false;
    const json_t *mode = suan__field_get(calling, fields, "mode"), *allowed = suan__field_get(calling, fields, "allowedFunctionNames");
    if (!suan__field_word(mode, "AUTO|ANY|NONE|VALIDATED|MODE_UNSPECIFIED", "toolConfig.functionCallingConfig.mode", problem)) return false;
    const char *word = mode ? json_string_value(mode) : "AUTO";
    bool is_any = strcmp(word, "ANY") == 0;
    if (strcmp(word, "NONE") == 0) ask->tool_choice = SUAN_TOOLS_NONE;
    if (is_any) ask->tool_choice = SUAN_TOOLS_REQUIRED;
    if (is_any && !ask->tools)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: mode ANY wants a call, and there are no functions.", where);
    if (!json_array_size(allowed)) return true;
    if (!is_any && strcmp(word, "VALIDATED") != 0)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: allowedFunctionNames belongs to the modes ANY and VALIDATED.",
                                 where);
    if (json_array_size(allowed) > 1024)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: there are more than 1024 names.", where);
    return keep_allowed(ask, allowed, problem);
}

bool suan__gemini_read_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const json_t *list = suan__field_get(body, &suan__gemini_generate_fields, "tools"),
                 *config = suan__field_get(body, &suan__gemini_generate_fields, "toolConfig");
    json_t *tools = json_array();
    char where[SUAN__PATH_BYTES];
    bool good = tools || suan__no_memory(problem);
    for (size_t i = 0; good && i < json_array_size(list); i++)
        good = read_tool(x, tools, json_array_get(list, i), suan__item_path(where, "tools", i), problem);
    if (good && json_array_size(tools)) ask->tools = json_incref(tools);
    json_decref(tools);
    if (!good || !config) return good;
    if (!suan__fields_check(x, config, &suan__gemini_tool_config_fields, "toolConfig", problem)) return false;
    const json_t *calling = suan__field_get(config, &suan__gemini_tool_config_fields, "functionCallingConfig");
    return !calling || read_calling(x, ask, calling, problem);
}

/* ---- generationConfig ---- */

/* The values of an enum as a grammar: the answer is one of them, bare. */
static bool read_enum(suan__exchange *x, suan__ask *ask, const json_t *schema, suan__problem *problem) {
    const json_t *values = suan__field_get(schema, &suan__gemini_schema_fields, "enum");
    suan__buf b = {0};
    suan__buf_printf(&b, "root ::= ");
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        suan__buf_printf(&b, "%s\"", i ? " | " : "");
        for (const char *s = value ? value : ""; *s; s++) {
            if (*s == '\n')
                suan__buf_append(&b, "\\n", 2);
            else if (*s == '"' || *s == '\\')
                suan__buf_printf(&b, "\\%c", *s);
            else
                suan__buf_append(&b, s, 1);
        }
        suan__buf_append(&b, "\"", 1);
    }
    if (!json_array_size(values) || b.failed) {
        suan__buf_fini(&b);
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "generationConfig.responseSchema",
                                 "generationConfig.responseSchema: text/x.enum wants a schema with an enum.");
    }
    ask->format = SUAN__FORMAT_GBNF, ask->format_text = b.data, ask->n_format_text = b.n;
    return suan__exchange_keep(x, b.data, suan__free) || suan__no_memory(problem);
}

static const char any_json[] = "{\"type\":[\"object\",\"array\"]}";

static bool read_form(suan__exchange *x, suan__ask *ask, const json_t *config, suan__problem *problem) {
    static const char schema_name[] = "generationConfig.responseSchema", type_name[] = "generationConfig.responseMimeType";
    const json_t *mime = config_get(config, "responseMimeType"), *schema = config_get(config, "responseSchema");
    const json_t *json_schema = config_get(config, "responseJsonSchema");
    if (!json_schema) json_schema = config_get(config, "_responseJsonSchema");
    if (!suan__field_word(mime, "|text/plain|application/json|text/x.enum", type_name, problem)) return false;
    const char *type = mime ? json_string_value(mime) : "";
    bool is_json = strcmp(type, "application/json") == 0, is_enum = strcmp(type, "text/x.enum") == 0;
    if (schema && json_schema)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, schema_name, "%s and responseJsonSchema exclude each other.", schema_name);
    if ((schema || json_schema) && !is_json && !(schema && is_enum))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, type_name, "%s has to be application/json where there is a schema.",
                                 type_name);
    if (is_enum && schema) return read_enum(x, ask, schema, problem);
    if (is_enum)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, schema_name, "%s: text/x.enum wants a schema with an enum.", schema_name);
    if (json_schema) return suan__ask_schema(x, ask, json_schema, "generationConfig.responseJsonSchema", problem);
    if (!schema) {
        if (!is_json) return true;
        ask->format = SUAN__FORMAT_JSON_SCHEMA;
        ask->format_text = any_json, ask->n_format_text = sizeof any_json - 1;
        return true;
    }
    json_t *converted = suan__gemini_schema(x, schema, schema_name, problem);
    bool good = converted && suan__ask_schema(x, ask, converted, schema_name, problem);
    json_decref(converted);
    return good;
}

static bool read_thinking(suan__exchange *x, suan__ask *ask, const json_t *thinking, suan__gemini *g, suan__problem *problem) {
    static const char where[] = "generationConfig.thinkingConfig";
    const suan__fields *fields = &suan__gemini_thinking_fields;
    if (!thinking) return true;
    if (!suan__fields_check(x, thinking, fields, where, problem)) return false;
    const json_t *budget = suan__field_get(thinking, fields, "thinkingBudget"), *level = suan__field_get(thinking, fields, "thinkingLevel");
    g->has_thoughts = json_is_true(suan__field_get(thinking, fields, "includeThoughts"));
    if (budget) {
        int64_t n = suan__field_integer(budget, -1);
        ask->think = n == 0 ? 0 : n > 0 ? 1 : -1;
        ask->think_budget = n;
    }
    if (!level) return true;
    if (!suan__field_word(level, "THINKING_LEVEL_UNSPECIFIED|MINIMAL|LOW|MEDIUM|HIGH|minimal|low|medium|high",
                          "generationConfig.thinkingConfig.thinkingLevel", problem))
        return false;
    char word[32];
    snprintf(word, sizeof word, "%s", json_string_value(level));
    for (char *s = word; *s; s++)
        if (*s >= 'A' && *s <= 'Z') *s = (char)(*s - 'A' + 'a');
    if (strcmp(word, "thinking_level_unspecified") == 0) return true;
    return suan__ask_extra(ask, "reasoning_effort", json_string(strcmp(word, "minimal") == 0 ? "low" : word), problem);
}

static bool check_modalities(const json_t *modalities, suan__problem *problem) {
    static const char where[] = "generationConfig.responseModalities";
    for (size_t i = 0; i < json_array_size(modalities); i++) {
        const char *word = json_string_value(json_array_get(modalities, i));
        if (!word || (strcmp(word, "TEXT") != 0 && strcmp(word, "Text") != 0))
            return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, where, "%s: this model writes TEXT only.", where);
    }
    return true;
}

static void read_sampling(suan__ask *ask, const json_t *config) {
    suan_request_params *p = &ask->params;
    suan_sampling *s = &p->sampling;
    s->temperature = (float)suan__field_number(config_get(config, "temperature"), (double)s->temperature);
    s->top_p = fmaxf((float)suan__field_number(config_get(config, "topP"), (double)s->top_p), 1e-9f);
    s->top_k = (int32_t)suan__field_integer(config_get(config, "topK"), s->top_k);
    s->presence_penalty = (float)suan__field_number(config_get(config, "presencePenalty"), (double)s->presence_penalty);
    s->frequency_penalty = (float)suan__field_number(config_get(config, "frequencyPenalty"), (double)s->frequency_penalty);
    s->seed = (uint64_t)suan__field_integer(config_get(config, "seed"), (int64_t)s->seed);
    p->n_choices = (uint32_t)suan__field_integer(config_get(config, "candidateCount"), 1);
    p->max_tokens = (uint32_t)suan__field_integer(config_get(config, "maxOutputTokens"), p->max_tokens);
    p->want_logprobs = json_is_true(config_get(config, "responseLogprobs"));
    p->n_logprobs = (uint32_t)suan__field_integer(config_get(config, "logprobs"), 0);
}

bool suan__gemini_read_config(suan__exchange *x, suan__ask *ask, const json_t *config, suan__gemini *g, suan__problem *problem) {
    static const char where[] = "generationConfig";
    if (!config) return true;
    if (!suan__fields_check(x, config, &suan__gemini_config_fields, where, problem)) return false;
    read_sampling(ask, config);
    g->has_logprobs = ask->params.want_logprobs;
    if (ask->params.n_logprobs && !g->has_logprobs)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "generationConfig.logprobs",
                                 "generationConfig.logprobs wants responseLogprobs true.");
    return suan__ask_stop(x, ask, config_get(config, "stopSequences"), "generationConfig.stopSequences", problem) &&
           check_modalities(config_get(config, "responseModalities"), problem) && read_form(x, ask, config, problem) &&
           read_thinking(x, ask, config_get(config, "thinkingConfig"), g, problem);
}

static bool check_safety(suan__exchange *x, const json_t *settings, suan__problem *problem) {
    char where[SUAN__PATH_BYTES];
    for (size_t i = 0; i < json_array_size(settings); i++)
        if (!suan__fields_check(x, json_array_get(settings, i), &suan__gemini_safety_fields, suan__item_path(where, "safetySettings", i),
                                problem))
            return false;
    return true;
}

bool suan__gemini_read(suan__exchange *x, suan__ask *ask, const json_t *body, suan__gemini *g, suan__problem *problem) {
    const suan__fields *fields = &suan__gemini_generate_fields;
    return check_safety(x, suan__field_get(body, fields, "safetySettings"), problem) &&
           suan__gemini_read_contents(x, ask, body, fields, problem) && suan__gemini_read_tools(x, ask, body, problem) &&
           suan__gemini_read_config(x, ask, suan__field_get(body, fields, "generationConfig"), g, problem);
}
