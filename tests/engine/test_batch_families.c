/* Batches of every kind of cache and attention, over the small models of the outside references: answers are as alone (I-06, experts too). And models that fail: one sequence, or all. */
#include <fcntl.h>
#include <sys/stat.h>

#include "../base/scratch.h"
#include "base/file.h"
#include "base/memory.h"
#include "batch.h"
#include "engine/batch_internal.h"
#include "loaded.h"
#include "suan/convert.h"

#define REQUESTS 14

/* A model of the fixtures, or of those that are kept with the project. */
static bool find(char *path, size_t capacity, const char *name) {
    const char *roots[] = {getenv("SUAN_FIXTURES"), getenv("SUAN_TEST_DATA")};
    for (int i = 0; i < 2; i++) {
        struct stat st;
        if (!roots[i]) continue;
        snprintf(path, capacity, "%s/oracle/%s", roots[i], name);
        if (stat(path, &st) == 0) return true;
    }
    return false;
}

static client *random_client(uint64_t *state, uint32_t n_vocab, const suan_batch_options *o) {
    client *c = malloc(sizeof *c);
    int32_t ids[1024];
    size_t n_common = chance(state, 4) ? 40 + chance(state, 500) : 0, n = n_common + 1 + chance(state, 40);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(i < n_common ? (i * 7 + i / 64) % n_vocab : chance(state, n_vocab));
    client_init(c, ids, n);
    c->params.sampling.temperature = chance(state, 3) ? 0.8f : 0;
    c->params.sampling.seed = chance(state, 100);
    c->params.n_choices = chance(state, 4) == 0 ? 3 : 1;
    c->params.max_tokens = 1 + chance(state, 30);
    c->params.want_logprobs = true;
    c->params.ignore_eos = chance(state, 2);
    c->params.owner = chance(state, 2);
    return c;
}

static void run(const char *path, suan_batch_options o, uint64_t seed) {
    suan_model *model = seed_open_path(path, 2);
    suan_batch *batch = batch_open(model, &o);
    batch->pages.is_poisoned = true;
    client *c[REQUESTS];
    uint64_t state = 77 + seed * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < REQUESTS; i++) {
        c[i] = random_client(&state, model->graph->hp.n_vocab, &o);
        client_submit(c[i], batch);
        if (i == REQUESTS / 2) wait_for(&c[i]->has_started);
    }
    for (int i = 0; i < REQUESTS; i++) client_wait(c[i]);
    suan_batch_stats stats;
    suan_batch_get_stats(batch, &stats);
    suan_batch_close(&batch);
    assert_int_equal(stats.cross_owner_hits, 0);
    assert_int_equal(stats.pages_used, 0);
    if (stats.page_positions == 256 && stats.cached_tokens == 0) fail_msg("%s: nothing was shared", path);
    suan_session *session = session_like(model, &o);
    for (int i = 0; i < REQUESTS; i++) {
        for (uint32_t k = 0; k < c[i]->params.n_choices; k++) {
            answer alone;
            answer_alone(c[i], session, k, &alone);
            assert_same_answer(&c[i]->answers[k], &alone);
        }
        free(c[i]);
    }
    suan_session_close(&session);
    suan_model_close(&model);
}

static void test_families(void **state) {
    static const char *const names[] = {"deepseek_v3", "llama3-tied", "deepseek_v4", "deepseek_v4-fp8fp4", "deepseek_v32",
                                        "gpt_oss",     "glm_moe_dsa", "deepseek_v2", "qwen3_moe",          "long_gqa"};
    int n_skipped = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[4096];
        if (!find(path, sizeof path, names[i])) {
            n_skipped++;
            continue;
        }
        run(path, (suan_batch_options){.n_ctx = 640, .n_sequences = 3, .step_tokens = 200, .kv = i % 2 ? SUAN_KV_F32 : SUAN_KV_F16}, i);
    }
    if (n_skipped) print_message("%d models are not there, skipped\n", n_skipped);
}

/* The cache of a free slot is for who goes on from it: of the same owner. */
static void test_slots_are_kept_for_their_owner(void **state) {
    char path[4096];
    if (!find(path, sizeof path, "deepseek_v4")) skip();
    suan_model *model = seed_open_path(path, 2);
    suan_batch_options o = {.n_ctx = 640, .n_sequences = 2};
    suan_batch *batch = batch_open(model, &o);
    uint32_t cached[5];
    for (int i = 0; i < 5; i++) {
        client *c = malloc(sizeof *c);
        int32_t ids[300];
        for (int k = 0; k < 300; k++) ids[k] = k;
        client_init(c, ids, 300);
        c->params.max_tokens = 4;
        c->params.owner = i == 1 || i == 3;
        client_submit(c, batch);
        client_wait(c);
        cached[i] = c->usage.n_cached;
        free(c);
    }
    assert_int_equal(cached[0], 0);
    assert_int_equal(cached[1], 0);
    for (int i = 2; i < 5; i++) assert_true(cached[i] > 0 && cached[i] < 300);
    suan_batch_close(&batch);
    suan_model_close(&model);
}

/* ---- failures ---- */

/* A copy of a checkpoint in which the embedding of one token is not finite. */
static void poison(scratch *s, int32_t id) {
    char from[4096];
    char *text;
    size_t n;
    suan_error err;
    loaded l;
    assert_true(find(from, sizeof from, "deepseek_v3/config.json"));
    assert_int_equal(suan__file_slurp(from, 1 << 20, &text, &n, &err), SUAN_OK);
    scratch_write(s, "config.json", text, n);
    suan__free(text);
    assert_true(find(from, sizeof from, "deepseek_v3/model.safetensors"));
    assert_int_equal(suan__file_slurp(from, 1 << 28, &text, &n, &err), SUAN_OK);
    scratch_write(s, "model.safetensors", text, n);
    suan__free(text);
    load(&l, scratch_path(s, "model.safetensors"));
    const suan__tensor *t = NULL;
    for (size_t i = 0; i < l.st.n_tensors; i++)
        if (strcmp(l.st.tensors[i].name, "model.embed_tokens.weight") == 0) t = &l.st.tensors[i];
    assert_non_null(t);
    size_t row = t->n_bytes / t->ne[1];
    unsigned char nan[4096];
    memset(nan, 0xff, sizeof nan);
    int fd = open(s->path, O_WRONLY);
    assert_true(row <= sizeof nan && fd >= 0 && pwrite(fd, nan, row, (off_t)(t->offset + (uint64_t)id * row)) == (ssize_t)row);
    close(fd);
    unload(&l);
}

/* What is not finite fails who has it, not his company. */
static void test_one_sequence_fails_alone(void **state) {
    scratch s;
    scratch_make(&s);
    poison(&s, 300);
    suan_model *model = seed_open_path(s.dir, 2);
    suan_batch_options o = {.n_ctx = 512, .n_sequences = 6};
    suan_batch *batch = batch_open(model, &o);
    client *c[6];
    for (int i = 0; i < 6; i++) {
        int32_t ids[40];
        for (int k = 0; k < 40; k++) ids[k] = 10 + k + i;
        if (i == 2) ids[20] = 300;
        c[i] = malloc(sizeof *c[i]);
        client_init(c[i], ids, 40);
        c[i]->params.max_tokens = 30;
        c[i]->params.ignore_eos = true;
        c[i]->params.sampling.logit_bias = &(suan_logit_bias){300, i == 4 ? 1e6f : -1e6f};
        c[i]->params.sampling.n_logit_bias = 1;
        c[i]->params.n_choices = i == 4 ? 2 : 1; /* draws it, and fails in the middle of the answer */
        client_submit(c[i], batch);
    }
    for (int i = 0; i < 6; i++) {
        client_wait(c[i]);
        bool fails = i == 2 || i == 4;
        assert_int_equal(c[i]->status, fails ? SUAN_ENUMERIC : SUAN_OK);
        assert_int_equal(c[i]->answers[0].n_ids, i == 2 ? 0 : i == 4 ? 1 : 30);
        if (fails) assert_non_null(strstr(c[i]->message, "layer 0 at position"));
    }
    suan_batch_stats stats;
    suan_batch_get_stats(batch, &stats);
    assert_int_equal(stats.n_failed, 2);
    assert_int_equal(stats.n_finished, 4);
    for (int i = 0; i < 6; i++) free(c[i]);
    suan_batch_close(&batch);
    suan_model_close(&model);
    scratch_remove(&s);
}

/* A mapped file that is cut ends all requests, and those that come later, with its name. */
static void test_a_file_that_is_cut_fails_all(void **state) {
    scratch s;
    char from[4096], packed[PATH_MAX];
    suan_error err = {0};
    scratch_make(&s);
    snprintf(packed, sizeof packed, "%s", scratch_path(&s, "packed.gguf"));
    assert_true(find(from, sizeof from, "deepseek_v3"));
    suan_convert_options convert = SUAN_CONVERT_OPTIONS_INIT;
    convert.type = "q8_0";
    convert.packed = true;
    if (suan_convert(from, packed, &convert, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(suan__map_guard_install(&err), SUAN_OK);
    suan_model *model = seed_open_path(packed, 2);
    suan_batch_options o = {.n_ctx = 512, .n_sequences = 2};
    suan_batch *batch = batch_open(model, &o);
    client *c[4];
    for (int i = 0; i < 4; i++) {
        int32_t ids[40];
        for (int k = 0; k < 40; k++) ids[k] = 10 + k + i;
        c[i] = malloc(sizeof *c[i]);
        client_init(c[i], ids, 40);
        c[i]->params.max_tokens = 0;
        c[i]->params.ignore_eos = true;
        client_submit(c[i], batch);
    }
    wait_for(&c[1]->has_started);
    assert_int_equal(truncate(packed, 4096), 0);
    for (int i = 0; i < 4; i++) {
        client_wait(c[i]);
        assert_int_equal(c[i]->status, SUAN_EIO);
        assert_non_null(strstr(c[i]->message, "packed.gguf"));
    }
    assert_int_equal(suan_batch_submit(batch, &c[0]->params, &c[0]->request, &err), SUAN_EIO);
    assert_non_null(strstr(err.message, "cut or changed"));
    for (int i = 0; i < 4; i++) free(c[i]);
    suan_batch_close(&batch);
    suan_model_close(&model);
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_slots_are_kept_for_their_owner),
        cmocka_unit_test(test_one_sequence_fails_alone),
        cmocka_unit_test(test_a_file_that_is_cut_fails_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
