/* test_barriers.c: how often the threads meet in a decode step: the budget of docs/performance.md, counted. Whoever adds an operation to a
 * layer changes a number here. */
#include "../base/scratch.h"
#include "engine/engine.h"
#include "fixture.h"
#include "forge_model.h"
#include "rows.h"

/* Per layer; and per step: the embedding, the norm before the head, the head, and the ends of two runs. */
enum { GQA = 3, MLA = 5, MLA_Q_LORA = 6, DENSE = 2, MOE = 3, MORE_BLOCKS = 1, STEP = 5 };

/* Barriers of one more token at a depth of n tokens. */
static int barriers(const char *path, suan__dtype type, int n_threads, int n) {
    scratch s;
    suan_error err;
    int32_t ids[400];
    for (int i = 0; i < n; i++) ids[i] = i % FORGE_N_VOCAB;
    scratch_make(&s);
    const char *typed = scratch_path(&s, "typed.gguf");
    forge_requantize(path, typed, type);
    suan_model *model = open_model(typed, NULL, n_threads);
    suan_session *session = open_session(model, 512, SUAN_KV_F16, SUAN_ACTIVATIONS_Q8, 0);
    if (suan_session_feed(session, ids, (size_t)n, &err) != SUAN_OK) fail_msg("%s", err.message);
    uint64_t before = suan__pool_n_barriers(model->pool);
    if (suan_session_feed(session, ids, 1, &err) != SUAN_OK) fail_msg("%s", err.message);
    int met = (int)(suan__pool_n_barriers(model->pool) - before);
    suan_session_close(&session);
    suan_model_close(&model);
    scratch_remove(&s);
    return met;
}

static void test_decode_keeps_the_budget(void **state) {
    static const struct {
        forge_kind kind;
        int n; /* a step's, and those of two layers */
        int n_layers;
    } cases[] = {
        {FORGE_LLAMA, STEP + 2 * (GQA + DENSE), 2},
        {FORGE_DEEPSEEK, STEP + 2 * MLA_Q_LORA + DENSE + MOE, 2},
        {FORGE_DEEPSEEK_SPLIT, STEP + 2 * MLA + DENSE + MOE, 2},
    };
    static const suan__dtype types[] = {SUAN__F32, SUAN__Q8_0, SUAN__Q4_K};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch s;
        scratch_make(&s);
        const char *path = scratch_path(&s, "model.gguf");
        forge_generate(cases[i].kind, path);
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            assert_int_equal(barriers(path, types[k], 2, 8), cases[i].n);
            assert_int_equal(barriers(path, types[k], 3, 300), cases[i].n + cases[i].n_layers * MORE_BLOCKS);
        }
        scratch_remove(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode_keeps_the_budget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
