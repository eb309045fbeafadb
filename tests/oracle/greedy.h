/* greedy.h: what a trained model writes greedily: ids and text, against a list that somebody else made. */
#ifndef TESTS_ORACLE_GREEDY_H
#define TESTS_ORACLE_GREEDY_H

#include <jansson.h>

#include "../base/cmocka_all.h"
#include "formats/json.h"
#include "rows.h"

typedef struct id_list {
    int32_t *v;
    size_t n;
} id_list;

static inline json_t *load_json(const char *path) {
    suan_error err;
    json_t *json;
    if (suan__json_load_file(path, 1 << 20, &json, &err) != SUAN_OK) fail_msg("%s", err.message);
    return json;
}

/* Appends the ids of a JSON array. */
static inline void append_ids(id_list *list, const json_t *array) {
    size_t n = json_array_size(array);
    assert_true(n > 0);
    list->v = test_realloc(list->v, (list->n + n) * sizeof *list->v);
    for (size_t i = 0; i < n; i++) list->v[list->n++] = (int32_t)json_integer_value(json_array_get(array, i));
}

/* Writes as many ids as `expected` has and compares; text NULL: not compared. */
static inline void check_greedy(suan_session *session, const char *name, const id_list *prompt, const id_list *expected, const char *text,
                                bool ignore_eos) {
    suan_generate_params params;
    suan_result result;
    suan_error err;
    suan_generate_params_init(&params);
    params.sampling.temperature = 0;
    params.ignore_eos = ignore_eos;
    params.max_tokens = (uint32_t)expected->n;
    if (suan_generate(session, prompt->v, prompt->n, &params, &result, &err) != SUAN_OK) fail_msg("%s: %s", name, err.message);
    for (size_t i = 0; i < expected->n && i < result.n_ids; i++)
        if (result.ids[i] != expected->v[i]) fail_msg("%s: token %zu is %d, expected %d", name, i, result.ids[i], expected->v[i]);
    assert_int_equal(result.n_ids, expected->n);
    if (text) assert_string_equal(result.text, text);
    suan_result_fini(&result);
}

#endif
