/* seed.h: the model that ships with the project, opened for a test, and its expected answers (greedy.json). */
#ifndef TESTS_ENGINE_SEED_H
#define TESTS_ENGINE_SEED_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cmocka_all.h"
#include "suan/session.h"

static inline const char *seed_path(const char *file) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/../../models/seed%s%s", getenv("SUAN_TEST_DATA"), *file ? "/" : "", file);
    return path;
}

static inline suan_model *seed_open_path(const char *path, int n_threads) {
    suan_model *model;
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_error err = {0};
    options.n_threads = n_threads;
    if (suan_model_open(&model, path, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return model;
}

static inline suan_session *seed_session(suan_model *model, uint32_t n_ctx, uint32_t chunk) {
    suan_session *session;
    suan_session_options options = {.n_ctx = n_ctx, .kv = SUAN_KV_F32, .activations = SUAN_ACTIVATIONS_EXACT, .chunk = chunk};
    suan_error err = {0};
    if (suan_session_create(&session, model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return session;
}

static inline json_t *seed_cases(void) {
    json_error_t where;
    json_t *json = json_load_file(seed_path("greedy.json"), 0, &where);
    assert_non_null(json);
    return json;
}

/* A list of ids; returns how many. */
static inline size_t seed_ids(const json_t *list, int32_t *ids, size_t capacity) {
    size_t n = json_array_size(list);
    assert_true(n > 0 && n <= capacity);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

#endif
