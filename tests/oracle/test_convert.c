/* test_convert.c: what `suan convert` makes of the oracle cases: the same logits to the bit from the GGUF file as from the directory, the same
 * tensors as in the files that llama.cpp's converter wrote, and every type opens and runs.
 *
 * Llama's rows of q and k lie in another order in GGUF files, and sums run in the order of the rows, so there the logits agree as closely as
 * they agree with the oracle. */
#include <stdio.h>

#include "../base/scratch.h"
#include "fixture.h"
#include "formats/checkpoint.h"
#include "rows.h"
#include "suan/convert.h"

#define N_TOKENS 24

static void convert(const char *in, const char *out, const char *type, bool split) {
    suan_convert_options o = {.type = type, .split_kv_b = split, .n_threads = test_threads()};
    suan_error err;
    if (suan_convert(in, out, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
}

static rows logits(const char *path, const fixture_prompt *p, size_t n_vocab) {
    suan_model *model = open_model(path, NULL, test_threads());
    uint32_t n = (uint32_t)(p->n < N_TOKENS ? p->n : N_TOKENS);
    suan_session *session = open_session(model, n, SUAN_KV_F32, SUAN_ACTIVATIONS_EXACT, 0);
    rows r = rows_make(n, (uint32_t)n_vocab);
    rows_feed(&r, session, p->ids, 0, n);
    suan_session_close(&session);
    suan_model_close(&model);
    return r;
}

static bool is_llama(const char *name) {
    return strncmp(name, "llama", 5) == 0 || strncmp(name, "mistral", 7) == 0;
}

static void check_logits(const fixture *f, const char *path, const rows *want, const char *type) {
    rows got = logits(path, &f->prompts[0], f->n_vocab);
    size_t n = (size_t)got.n_rows * f->n_vocab;
    if (is_llama(f->name)) {
        for (size_t i = 0; i < n; i++)
            if (fabsf(got.data[i] - want->data[i]) > f->tolerance) fail_msg("%s: %s: logit %zu differs", f->name, type, i);
    } else if (memcmp(got.data, want->data, n * sizeof(float)) != 0) {
        fail_msg("%s: %s: other logits than from the directory", f->name, type);
    }
    test_free(got.data);
}

/* Checkpoints of codes and scales: their weights are no BF16 values, and the other converter's files hold them in types of its own choice. */
static bool is_quantised(const char *name) {
    return strstr(name, "-fp8") || strstr(name, "-int4");
}

/* Types that hold the weights exactly: as stored, F32 and BF16 (the cases' weights are BF16 values). */
static void test_convert_directory_keeps_the_logits(void **state) {
    (void)state;
    static const char *const types[] = {NULL, "f32", "bf16"};
    scratch s;
    int n_missing = 0;
    scratch_make(&s);
    for (int i = 0; i < FIXTURE_CASES; i++) {
        fixture f;
        if (strcmp(fixture_cases[i], "qwen3_moe") == 0) continue;
        if (!fixture_open(&f, fixture_cases[i])) {
            n_missing++;
            continue;
        }
        rows want = logits(f.dir, &f.prompts[0], f.n_vocab);
        for (int k = 0; k < (is_quantised(f.name) ? 2 : 3); k++) {
            char out[PATH_MAX];
            snprintf(out, sizeof out, "%s", scratch_path(&s, "model.gguf"));
            convert(f.dir, out, types[k], false);
            check_logits(&f, out, &want, types[k] ? types[k] : "as stored");
        }
        test_free(want.data);
        fixture_close(&f);
    }
    scratch_remove(&s);
    print_message("%d of %d cases skipped\n", n_missing, FIXTURE_CASES);
}

/* GGUF has one count of leading dense layers for Qwen3-MoE: none. */
static void test_convert_dense_layers_of_qwen3_moe_are_refused(void **state) {
    (void)state;
    fixture f;
    scratch s;
    suan_error err;
    if (!fixture_open(&f, "qwen3_moe")) skip();
    scratch_make(&s);
    assert_int_equal(suan_convert(f.dir, scratch_path(&s, "x.gguf"), NULL, NULL, &err), SUAN_EUNSUPPORTED);
    assert_false(suan__path_exists(s.path));
    scratch_remove(&s);
    fixture_close(&f);
}

static void compare_tensor(const suan__checkpoint *ours, const suan__checkpoint *theirs, const suan__tensor *t) {
    suan_error err;
    const suan__tensor *u = suan__checkpoint_find(ours, t->name);
    if (!u) fail_msg("%s: %s is missing", theirs->path, t->name);
    if (u->type != t->type || u->n_dims != t->n_dims || memcmp(u->ne, t->ne, sizeof t->ne) != 0)
        fail_msg("%s: %s has type %d in %d dimensions, expected %d in %d", theirs->path, t->name, (int)u->type, u->n_dims, (int)t->type,
                 t->n_dims);
    void *a = test_malloc(t->n_bytes), *b = test_malloc(t->n_bytes);
    if (suan__checkpoint_read(theirs, t, 0, a, t->n_bytes, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan__checkpoint_read(ours, u, 0, b, t->n_bytes, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (strcmp(t->name, "rope_freqs.weight") == 0) { /* their frequencies are computed in F32 */
        for (uint64_t i = 0; i < t->ne[0]; i++) assert_true(fabsf(((float *)a)[i] - ((float *)b)[i]) <= 1e-4f * ((float *)a)[i]);
    } else if (memcmp(a, b, t->n_bytes) != 0) {
        fail_msg("%s: %s has other data", theirs->path, t->name);
    }
    test_free(a);
    test_free(b);
}

/* Keys that both files have say the same, but names, the tokenizer's pre-tokenizer (found by trying), and the scale of YaRN's logarithm, which
 * may be some units in the last place beside theirs. */
static void compare_metadata(const suan__gguf *ours, const suan__gguf *theirs) {
    static const char *const all[] = {"block_count",
                                      "context_length",
                                      "embedding_length",
                                      "feed_forward_length",
                                      "attention.head_count",
                                      "attention.head_count_kv",
                                      "attention.layer_norm_rms_epsilon",
                                      "rope.freq_base",
                                      "rope.scaling.type",
                                      "rope.scaling.factor",
                                      "rope.scaling.original_context_length",
                                      "expert_count",
                                      "expert_used_count",
                                      "attention.kv_lora_rank",
                                      "attention.q_lora_rank",
                                      "attention.key_length_mla",
                                      "attention.value_length_mla",
                                      "expert_weights_scale",
                                      "expert_gating_func",
                                      "expert_group_count",
                                      "leading_dense_block_count",
                                      "rope.dimension_count",
                                      "expert_shared_count",
                                      "vocab_size",
                                      "attention.key_length",
                                      "attention.value_length",
                                      "expert_feed_forward_length",
                                      "expert_weights_norm",
                                      "rope.scaling.yarn_beta_fast",
                                      "rope.scaling.yarn_beta_slow",
                                      "attention.indexer.head_count",
                                      "attention.indexer.key_length",
                                      "attention.indexer.top_k",
                                      "attention.sliding_window",
                                      "attention.output_group_count",
                                      "attention.output_lora_rank",
                                      "attention.compress_rope_freq_base",
                                      "hyper_connection.count",
                                      "hyper_connection.sinkhorn_iterations",
                                      "hyper_connection.epsilon",
                                      "hash_layer_count",
                                      "swiglu_clamp_exp",
                                      "swiglu_clamp_shexp",
                                      "embedding_length_out"};
    suan__gguf_string arch = {0};
    assert_int_equal(suan__gguf_str(theirs, "general.architecture", true, &arch, NULL), SUAN_OK);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s.%s", (int)arch.n, arch.data, all[i]);
        const suan__gguf_value *a = suan__gguf_find(theirs, key), *b = suan__gguf_find(ours, key);
        if (!a) continue;
        if (!b || a->type != b->type || a->n_bytes != b->n_bytes || memcmp(a->data, b->data, a->n_bytes) != 0)
            fail_msg("%s: %s is missing or differs", theirs->path, key);
    }
}

static void test_convert_directory_equals_the_other_converter(void **state) {
    (void)state;
    scratch s;
    int n_missing = 0;
    scratch_make(&s);
    for (int i = 0; i < FIXTURE_CASES; i++) {
        fixture f;
        if (is_quantised(fixture_cases[i])) continue;
        suan__checkpoint *ours, *theirs;
        suan_error err;
        char out[PATH_MAX];
        if (!fixture_open(&f, fixture_cases[i])) {
            n_missing++;
            continue;
        }
        if (f.gguf[0]) {
            snprintf(out, sizeof out, "%s", scratch_path(&s, "model.gguf"));
            convert(f.dir, out, "bf16", true);
            if (suan__checkpoint_open(&ours, out, &err) != SUAN_OK) fail_msg("%s", err.message);
            if (suan__checkpoint_open(&theirs, f.gguf, &err) != SUAN_OK) fail_msg("%s", err.message);
            assert_int_equal(ours->n_tensors, theirs->n_tensors);
            for (uint64_t t = 0; t < theirs->n_tensors; t++) compare_tensor(ours, theirs, &theirs->tensors[t]);
            compare_metadata(ours->gguf, theirs->gguf);
            suan__checkpoint_close(&ours);
            suan__checkpoint_close(&theirs);
        } else {
            n_missing++;
        }
        fixture_close(&f);
    }
    scratch_remove(&s);
    print_message("%d of %d cases skipped\n", n_missing, FIXTURE_CASES);
}

/* Every type, from the directory and from the GGUF file made of it: both files hold the same, and they run. */
static void test_convert_every_type_runs(void **state) {
    (void)state;
    static const char *const cases[] = {"qwen3", "deepseek_v3"};
    scratch s;
    scratch_make(&s);
    for (size_t c = 0; c < 2; c++) {
        fixture f;
        char whole[PATH_MAX], a[PATH_MAX], b[PATH_MAX];
        if (!fixture_open(&f, cases[c])) continue;
        snprintf(whole, sizeof whole, "%s", scratch_path(&s, "f32.gguf"));
        snprintf(a, sizeof a, "%s", scratch_path(&s, "a.gguf"));
        snprintf(b, sizeof b, "%s", scratch_path(&s, "b.gguf"));
        convert(f.dir, whole, "f32", false);
        for (size_t k = 0; suan_convert_type(k); k++) {
            suan__checkpoint *x = NULL, *y = NULL;
            suan_error err;
            convert(f.dir, a, suan_convert_type(k), false);
            convert(whole, b, suan_convert_type(k), false);
            if (suan__checkpoint_open(&x, a, &err) != SUAN_OK || suan__checkpoint_open(&y, b, &err) != SUAN_OK) fail_msg("%s", err.message);
            assert_int_equal(x->n_tensors, y->n_tensors);
            for (uint64_t t = 0; t < x->n_tensors; t++) compare_tensor(x, y, &y->tensors[t]);
            suan__checkpoint_close(&x);
            suan__checkpoint_close(&y);
            test_free(logits(a, &f.prompts[0], f.n_vocab).data); /* a value that is not finite would fail */
        }
        fixture_close(&f);
    }
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_directory_keeps_the_logits),
        cmocka_unit_test(test_convert_dense_layers_of_qwen3_moe_are_refused),
        cmocka_unit_test(test_convert_directory_equals_the_other_converter),
        cmocka_unit_test(test_convert_every_type_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
