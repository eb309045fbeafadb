/* ollama_read.c: messages, tools, options and form of an Ollama request. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "serve/ollama.h"
#include "serve/talk.h"

typedef struct reader {
    suan__exchange *x;
    suan__talk talk;
    json_t *names;   /* id to name, of the calls so far */
    char last[1100]; /* id of the last call: results without an id belong to the calls in order */
    size_t n_calls, n_results;
    suan__problem *problem;
} reader;

static json_t *get(const json_t *object, const char *name) {
    json_t *v = json_object_get(object, name);
    return json_is_null(v) ? NULL : v;
}

static bool invalid(reader *r, const char *where, const char *what) {
    return suan__problem_set(r->problem, SUAN__PROBLEM_INVALID, where, "%s: %s.", where, what);
}

/* ---- messages ---- */

static void call_id(char id[32], size_t i) {
    snprintf(id, 32, "call_%zu", i);
}

static bool read_call(reader *r, const json_t *call, const char *where) {
    char path[SUAN__PATH_BYTES], made[32];
    if (!suan__fields_check(r->x, call, &suan__ollama_call_fields, where, r->problem)) return false;
    const json_t *function = get(call, "function");
    if (!suan__field_word(get(call, "type"), "function", suan__field_path(path, where, "type"), r->problem)) return false;
    if (!suan__fields_check(r->x, function, &suan__ollama_function_fields, suan__field_path(path, where, "function"), r->problem))
        return false;
    const char *id = json_string_value(get(call, "id")), *name = json_string_value(get(function, "name"));
    call_id(made, r->n_calls++);
    if (!id || !*id) id = made;
    suan__talk_call(&r->talk, id, name, get(function, "arguments"));
    return (json_object_set_new(r->names, made, json_pack("[s, s]", id, name)) == 0 &&
            json_object_set_new(r->names, id, json_pack("[s, s]", id, name)) == 0) ||
           suan__no_memory(r->problem);
}

/* A result names its call, or is that of the next call without one. */
static bool read_result(reader *r, const json_t *message, const char *where) {
    char made[32];
    const json_t *content = get(message, "content");
    const char *id = json_string_value(get(message, "tool_call_id")), *name = json_string_value(get(message, "tool_name"));
    if (!name) name = json_string_value(get(message, "name"));
    call_id(made, r->n_results++);
    const json_t *call = json_object_get(r->names, id && *id ? id : made);
    if (!call && id && *id) return invalid(r, where, "no call before it has this tool_call_id");
    if (!call) call = json_object_get(r->names, r->last);
    const char *its_id = json_string_value(json_array_get(call, 0)), *its_name = json_string_value(json_array_get(call, 1));
    if (!its_id) return invalid(r, where, "there is no call before it");
    suan__talk_result(&r->talk, its_id, name && *name ? name : its_name, content ? json_string_value(content) : "",
                      json_string_length(content));
    return true;
}

static bool read_message(reader *r, const json_t *message, const char *where) {
    char path[SUAN__PATH_BYTES], item[SUAN__PATH_BYTES];
    static const char *const roles[] = {"system", "user", "assistant"};
    if (!suan__fields_check(r->x, message, &suan__ollama_message_fields, where, r->problem)) return false;
    const json_t *role = get(message, "role"), *content = get(message, "content"), *thinking = get(message, "thinking"),
                 *calls = get(message, "tool_calls");
    if (!suan__field_word(role, "system|user|assistant|tool", suan__field_path(path, where, "role"), r->problem)) return false;
    const char *word = json_string_value(role);
    if (strcmp(word, "tool") == 0) return read_result(r, message, where);
    bool by_assistant = strcmp(word, "assistant") == 0;
    if ((thinking || json_array_size(calls)) && !by_assistant) return invalid(r, where, "thinking and tool_calls are the assistant's");
    if (thinking) suan__talk_reasoning(&r->talk, json_string_value(thinking), json_string_length(thinking));
    for (size_t k = 0; k < 3; k++)
        if (strcmp(word, roles[k]) == 0)
            suan__talk_text(&r->talk, roles[k], content ? json_string_value(content) : "", json_string_length(content),
                            by_assistant ? "" : "\n");
    suan__field_path(path, where, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++)
        if (!read_call(r, json_array_get(calls, i), suan__item_path(item, path, i))) return false;
    if (json_array_size(calls)) call_id(r->last, r->n_calls - 1);
    return true;
}

static bool read_tool(suan__exchange *x, json_t *tools, const json_t *tool, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    if (!suan__fields_check(x, tool, &suan__ollama_tool_fields, where, problem)) return false;
    if (!suan__field_word(get(tool, "type"), "function", suan__field_path(path, where, "type"), problem)) return false;
    json_t *function = get(tool, "function");
    if (!suan__fields_check(x, function, &suan__ollama_declaration_fields, suan__field_path(path, where, "function"), problem))
        return false;
    json_t *copy = json_pack("{s:O, s:O}", "name", get(function, "name"), "description",
                             get(function, "description") ? get(function, "description") : json_null());
    if (!get(function, "description")) json_object_del(copy, "description");
    json_t *parameters = get(function, "parameters");
    if (parameters)
        json_object_set(copy, "parameters", parameters);
    else
        json_object_set_new(copy, "parameters", json_pack("{s:s, s:{}}", "type", "object", "properties"));
    return json_array_append_new(tools, json_pack("{s:s, s:o}", "type", "function", "function", copy)) == 0 || suan__no_memory(problem);
}

bool suan__ollama_read_chat(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    reader r = {.x = x, .names = json_object(), .problem = problem};
    const json_t *messages = get(body, "messages"), *tools = get(body, "tools");
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *role = json_string_value(get(last, "role"));
    char where[SUAN__PATH_BYTES];
    bool good = r.names || suan__no_memory(problem);
    for (size_t i = 0; good && i < json_array_size(messages); i++)
        good = read_message(&r, json_array_get(messages, i), suan__item_path(where, "messages", i));
    ask->messages = good ? suan__talk_end(&r.talk) : NULL;
    if (good && !ask->messages) good = suan__no_memory(problem);
    suan__talk_fini(&r.talk);
    json_decref(r.names);
    ask->continues_last = role && strcmp(role, "assistant") == 0;
    if (!good || !json_array_size(tools)) return good;
    ask->tools = json_array();
    for (size_t i = 0; good && i < json_array_size(tools); i++)
        good = read_tool(x, ask->tools, json_array_get(tools, i), suan__item_path(where, "tools", i), problem);
    return good;
}

/* ---- options ---- */

/* A neutral value where the option has another than the library. */
static float above_zero(double v) {
    return v > 0 ? (float)v : 1e-9f;
}

static void set_sampling(suan__ask *ask, const json_t *options) {
    suan_sampling *s = &ask->params.sampling;
    int64_t n = suan__field_integer(get(options, "num_predict"), 0);
    ask->params.max_tokens = n > 0 ? (uint32_t)n : 0;
    ask->params.only_prompt = n == 0 && get(options, "num_predict");
    s->seed = (uint64_t)suan__field_integer(get(options, "seed"), (int64_t)s->seed);
    s->temperature = (float)suan__field_number(get(options, "temperature"), (double)s->temperature);
    s->top_k = (int32_t)suan__field_integer(get(options, "top_k"), s->top_k);
    s->top_p = above_zero(suan__field_number(get(options, "top_p"), (double)s->top_p));
    s->min_p = (float)suan__field_number(get(options, "min_p"), (double)s->min_p);
    s->typical_p = above_zero(suan__field_number(get(options, "typical_p"), (double)s->typical_p));
    s->penalty_last_n = (int32_t)suan__field_integer(get(options, "repeat_last_n"), s->penalty_last_n);
    s->repetition_penalty = (float)suan__field_number(get(options, "repeat_penalty"), (double)s->repetition_penalty);
    s->presence_penalty = (float)suan__field_number(get(options, "presence_penalty"), (double)s->presence_penalty);
    s->frequency_penalty = (float)suan__field_number(get(options, "frequency_penalty"), (double)s->frequency_penalty);
}

bool suan__ollama_read_options(suan__exchange *x, suan__ask *ask, const json_t *options, suan__problem *problem) {
    const suan__fields *fields = &suan__ollama_options_fields;
    char path[SUAN__PATH_BYTES];
    const char *name;
    json_t *v, *known = json_object();
    json_object_foreach((json_t *)options, name, v) {
        bool is_known = false;
        for (size_t i = 0; ask && i < fields->n; i++) is_known |= strcmp(fields->rows[i].name, name) == 0;
        if (is_known)
            json_object_set(known, name, v);
        else if (!json_is_null(v))
            suan__note_advisory(x, suan__field_path(path, "options", name));
    }
    bool good = known ? suan__fields_check(x, known, fields, "options", problem) : suan__no_memory(problem);
    if (good && ask) {
        set_sampling(ask, known);
        good = suan__ask_stop(x, ask, get(options, "stop"), "options.stop", problem);
    }
    json_decref(known);
    return good;
}

/* ---- form ---- */

static bool read_format(suan__exchange *x, suan__ask *ask, const json_t *format, suan__problem *problem) {
    if (!format) return true;
    if (json_is_object(format)) return suan__ask_schema(x, ask, format, "format", problem);
    if (!suan__field_word(format, "|json", "format", problem)) return false;
    if (*json_string_value(format)) ask->format = SUAN__FORMAT_JSON_OBJECT;
    return true;
}

static bool read_think(suan__ask *ask, const json_t *think, suan__problem *problem) {
    if (!think) return true;
    if (json_is_boolean(think)) {
        ask->think = json_is_true(think);
        return true;
    }
    if (!suan__field_word(think, "low|medium|high|max", "think", problem)) return false;
    ask->think = 1;
    return suan__ask_extra(ask, "reasoning_effort", json_string(json_string_value(think)), problem);
}

bool suan__ollama_read_common(suan__exchange *x, suan__ask *ask, const json_t *body, const suan__fields *fields, suan__ollama *o,
                              suan__problem *problem) {
    const json_t *options = suan__field_get(body, fields, "options"), *logprobs = suan__field_get(body, fields, "logprobs");
    ask->params.want_logprobs = o->has_logprobs = json_is_true(logprobs);
    ask->params.n_logprobs = (uint32_t)suan__field_integer(suan__field_get(body, fields, "top_logprobs"), 0);
    if (ask->params.n_logprobs && !o->has_logprobs)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "top_logprobs", "top_logprobs wants logprobs true.");
    return suan__ollama_read_options(x, ask, options, problem) && read_format(x, ask, suan__field_get(body, fields, "format"), problem) &&
           read_think(ask, suan__field_get(body, fields, "think"), problem);
}
