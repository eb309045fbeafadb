/* openai_request.c: from members of OpenAI's requests to an ask. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "serve/openai.h"

/* ---- sampling ---- */

#define MAX_BIASES 1024

static void free_biases(void *p) {
    suan__free(p);
}

static bool read_bias(const suan__exchange *x, const char *name, const json_t *v, suan_logit_bias *bias, suan__problem *problem) {
    char *end = NULL, path[SUAN__PATH_BYTES];
    uint32_t n_vocab = suan__exchange_server(x)->info.n_vocab;
    suan__field_path(path, "logit_bias", name);
    unsigned long id = name[0] >= '0' && name[0] <= '9' && strlen(name) <= 9 ? strtoul(name, &end, 10) : n_vocab;
    if ((end && *end) || id >= n_vocab)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "logit_bias", "\"%.40s\" is no token id, expected 0 to %u.", name,
                                 n_vocab - 1);
    double value = json_number_value(v);
    if (!json_is_number(v) || value < -100 || value > 100)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s is not a number from -100 to 100.", path);
    *bias = (suan_logit_bias){(int32_t)id, (float)value};
    return true;
}

static bool read_biases(suan__exchange *x, suan__ask *ask, const json_t *v, suan__problem *problem) {
    const char *name;
    json_t *value;
    size_t n = json_object_size(v);
    if (n == 0) return true;
    if (n > MAX_BIASES)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "logit_bias", "logit_bias has %zu tokens, expected at most %d.", n,
                                 MAX_BIASES);
    suan_logit_bias *biases = suan__calloc(n, sizeof *biases);
    if (!biases || !suan__exchange_keep(x, biases, free_biases)) return suan__no_memory(problem);
    ask->params.sampling.logit_bias = biases;
    json_object_foreach((json_t *)v, name, value) {
        if (!read_bias(x, name, value, &biases[ask->params.sampling.n_logit_bias++], problem)) return false;
    }
    return true;
}

/* A probability as the engine takes it, greater than 0: at 0 only the most probable token is left. */
static float probability(double p) {
    return p < FLT_MIN ? FLT_MIN : (float)p;
}

bool suan__openai_sampling(suan__exchange *x, suan__ask *ask, const json_t *body, const suan__fields *fields, suan__problem *problem) {
    suan_sampling *s = &ask->params.sampling;
    const json_t *v;
    if (!suan__ask_model(x, suan__field_get(body, fields, "model"), "model", problem)) return false;
    s->temperature = (float)suan__field_number(suan__field_get(body, fields, "temperature"), s->temperature);
    if ((v = suan__field_get(body, fields, "top_p"))) s->top_p = probability(json_number_value(v));
    if ((v = suan__field_get(body, fields, "typical_p"))) s->typical_p = probability(json_number_value(v));
    s->min_p = (float)suan__field_number(suan__field_get(body, fields, "min_p"), s->min_p);
    s->presence_penalty = (float)suan__field_number(suan__field_get(body, fields, "presence_penalty"), s->presence_penalty);
    s->frequency_penalty = (float)suan__field_number(suan__field_get(body, fields, "frequency_penalty"), s->frequency_penalty);
    s->repetition_penalty = (float)suan__field_number(suan__field_get(body, fields, "repetition_penalty"), s->repetition_penalty);
    int64_t top_k = suan__field_integer(suan__field_get(body, fields, "top_k"), s->top_k);
    s->top_k = top_k < 0 ? 0 : (int32_t)top_k;
    if ((v = suan__field_get(body, fields, "seed"))) s->seed = (uint64_t)suan__field_integer(v, 0);
    ask->params.n_choices = (uint32_t)suan__field_integer(suan__field_get(body, fields, "n"), 1);
    ask->params.ignore_eos = json_is_true(suan__field_get(body, fields, "ignore_eos"));
    return read_biases(x, ask, suan__field_get(body, fields, "logit_bias"), problem) &&
           suan__ask_stop(x, ask, suan__field_get(body, fields, "stop"), "stop", problem);
}

/* ---- formats ---- */

bool suan__openai_format(suan__exchange *x, suan__ask *ask, const json_t *format, const json_t *schema, const char *where,
                         suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const json_t *type = json_object_get(format, "type");
    suan__field_path(path, where, "type");
    if (!suan__field_word(type, "text|json_object|json_schema", path, problem)) return false;
    const char *word = json_string_value(type);
    if (strcmp(word, "text") == 0) return true;
    if (strcmp(word, "json_object") == 0) {
        ask->format = SUAN__FORMAT_JSON_OBJECT;
        return true;
    }
    suan__field_path(path, where, schema == format ? "schema" : "json_schema.schema");
    const json_t *content = json_object_get(schema, "schema");
    if (!content || json_is_null(content)) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s is missing.", path);
    return suan__ask_schema(x, ask, content, path, problem);
}

bool suan__openai_extensions(suan__ask *ask, const json_t *body, const suan__fields *fields, suan__problem *problem) {
    static const struct {
        const char *name;
        suan__format_kind kind;
    } rows[] = {{"grammar", SUAN__FORMAT_GBNF}, {"regex", SUAN__FORMAT_REGEX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *v = suan__field_get(body, fields, rows[i].name);
        if (!v) continue;
        if (ask->format != SUAN__FORMAT_FREE)
            return suan__problem_set(problem, SUAN__PROBLEM_INVALID, rows[i].name,
                                     "An answer has one form: response_format, grammar or regex.");
        ask->format = rows[i].kind;
        ask->format_text = json_string_value(v);
        ask->n_format_text = json_string_length(v);
    }
    return true;
}

/* ---- reasoning and tools ---- */

bool suan__openai_effort(suan__exchange *x, suan__ask *ask, const json_t *effort, const char *where, suan__problem *problem) {
    if (!effort || json_is_null(effort)) return true;
    if (!suan__field_word(effort, "none|minimal|low|medium|high|xhigh|max", where, problem)) return false;
    const char *word = json_string_value(effort);
    if (strcmp(word, "none") == 0) {
        ask->think = 0;
        return true;
    }
    if (!suan__ask_has_thinking(suan__exchange_server(x))) {
        suan__note_advisory(x, where);
        return true;
    }
    if (ask->think_budget != 0) ask->think = 1;
    if (strcmp(word, "minimal") == 0) word = "low"; /* templates know three words */
    if (strcmp(word, "xhigh") == 0 || strcmp(word, "max") == 0) word = "high";
    return suan__ask_extra(ask, "reasoning_effort", json_string(word), problem);
}

void suan__openai_budget(suan__ask *ask, const json_t *budget) {
    ask->think_budget = suan__field_integer(budget, -1);
    if (ask->think_budget == 0) ask->think = 0;
}

bool suan__openai_tool_choice(suan__ask *ask, const char *word, const char *name, const char *where, suan__problem *problem) {
    size_t i;
    const json_t *tool;
    bool has_tools = json_array_size(ask->tools) > 0;
    if (word && strcmp(word, "none") == 0)
        ask->tool_choice = SUAN_TOOLS_NONE;
    else if (word && strcmp(word, "required") == 0)
        ask->tool_choice = SUAN_TOOLS_REQUIRED;
    else if (word && strcmp(word, "auto") != 0)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is \"%.64s\", expected none, auto, required or a function.",
                                 where, word);
    if (!name && (has_tools || ask->tool_choice != SUAN_TOOLS_REQUIRED)) return true;
    if (name) {
        ask->tool_choice = SUAN_TOOLS_NAMED;
        ask->tool_name = name;
        json_array_foreach(ask->tools, i, tool) {
            const char *other = json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
            if (other && strcmp(other, name) == 0) return true;
        }
    }
    return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s names a tool that is not in tools.", where);
}

json_t *suan__openai_arguments(const json_t *arguments, const char *where, suan__problem *problem) {
    json_t *object = NULL;
    if (!arguments || json_is_null(arguments)) return json_object();
    if (json_is_object(arguments)) return json_incref((json_t *)arguments);
    if (json_is_string(arguments)) {
        const char *text = json_string_value(arguments);
        size_t n = json_string_length(arguments);
        if (strspn(text, " \t\r\n") == n) return json_object(); /* some clients send "" for no arguments */
        object = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    }
    if (json_is_object(object)) return object;
    json_decref(object);
    suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is not the text of a JSON object.", where);
    return NULL;
}
