/* openai_prompts.c: the four forms of a prompt or an input: a string, strings, token ids, lists of token ids. */
#include "serve/openai_prompts.h"

#include "serve/fields.h"
#include "serve/gather.h"

static bool read_ids(suan__exchange *x, const json_t *list, suan__openai_prompt *prompt, const char *where, suan__problem *problem) {
    size_t i, n = json_array_size(list);
    const json_t *v;
    int32_t *ids = suan__calloc(n, sizeof *ids);
    if (!ids || !suan__exchange_keep(x, ids, suan_free)) return suan__no_memory(problem);
    json_array_foreach((json_t *)list, i, v) {
        int64_t id = suan__field_integer(v, -1);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: element %zu is no token id.", where, i);
        ids[i] = (int32_t)id;
    }
    prompt->ids = ids;
    prompt->n_ids = n;
    return true;
}

static bool read_one(suan__exchange *x, const json_t *v, suan__openai_prompt *prompt, const char *where, suan__problem *problem) {
    if (json_is_string(v)) {
        prompt->text = json_string_value(v);
        prompt->n_text = json_string_length(v);
        return true;
    }
    if (!json_is_array(v) || json_array_size(v) == 0)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is neither a string nor a list of token ids.", where);
    return read_ids(x, v, prompt, where, problem);
}

bool suan__openai_prompts(suan__exchange *x, const json_t *v, suan__openai_prompt **prompts, size_t *n, const char *where,
                          suan__problem *problem) {
    bool is_list = json_is_array(v) && !json_is_number(json_array_get(v, 0));
    *n = is_list ? json_array_size(v) : 1;
    if (*n == 0 || *n > SUAN__LIST_MAX)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s has %zu elements, expected 1 to %d.", where, *n,
                                 SUAN__LIST_MAX);
    suan__openai_prompt *list = suan__calloc(*n, sizeof *list);
    if (!list || !suan__exchange_keep(x, list, suan_free)) return suan__no_memory(problem);
    *prompts = list;
    if (!is_list) return read_one(x, v, list, where, problem);
    for (size_t i = 0; i < *n; i++) {
        char path[SUAN__PATH_BYTES];
        if (!read_one(x, json_array_get(v, i), &list[i], suan__item_path(path, where, i), problem)) return false;
    }
    return true;
}

void suan__openai_set_prompt(suan__ask *ask, const suan__openai_prompt *prompt) {
    ask->text = prompt->text;
    ask->n_text = prompt->n_text;
    ask->ids = prompt->ids;
    ask->n_ids = prompt->n_ids;
}
