/* test_numeric.c: weights that are not finite, and values beyond an f16 cache, are refused, with the place named: at once where a vector is
 * concerned, else when a token is fed. */
#include <math.h>

#include "../base/scratch.h"
#include "model_image.h"
#include "suan/session.h"

#define KEY_A "model.layers.0.self_attn.kv_a_layernorm.weight"

typedef struct folder {
    scratch s;
    image im;
} folder;

static void folder_make(folder *f) {
    char path[PATH_MAX];
    const char *data = getenv("SUAN_TEST_DATA");
    char *text;
    size_t n;
    suan_error err;
    assert_non_null(data);
    scratch_make(&f->s);
    snprintf(path, sizeof path, "%s/oracle/deepseek_v3/model.safetensors", data);
    image_read(&f->im, path);
    snprintf(path, sizeof path, "%s/oracle/deepseek_v3/config.json", data);
    if (suan__file_slurp(path, 1 << 20, &text, &n, &err) != SUAN_OK) fail_msg("%s", err.message);
    scratch_write(&f->s, "config.json", text, n);
    suan__free(text);
}

static void folder_remove(folder *f) {
    image_free(&f->im);
    scratch_remove(&f->s);
}

static image_tensor *tensor(folder *f, const char *name) {
    for (size_t i = 0; i < f->im.n_tensors; i++)
        if (strcmp(f->im.tensors[i].name, name) == 0) return &f->im.tensors[i];
    fail_msg("the model has no tensor %s", name);
    return NULL;
}

/* The tensor filled with one value; it comes back with restore. */
static float *fill(image_tensor *t, float value, image_tensor *saved) {
    uint64_t n = t->ne[0] * (t->n_dims > 1 ? t->ne[1] : 1);
    float *values = suan__malloc((size_t)n * sizeof *values);
    assert_non_null(values);
    for (uint64_t i = 0; i < n; i++) values[i] = value;
    *saved = *t;
    t->type = SUAN__F32;
    t->data = (const char *)values;
    t->n_bytes = n * sizeof *values;
    return values;
}

static suan_status attempt(folder *f, const char *name, float value, suan_kv_type kv, suan_error *err) {
    image_tensor *t = tensor(f, name), saved;
    float *values = fill(t, value, &saved);
    suan_model *model;
    suan_session *session = NULL;
    suan_model_options options = {.n_threads = 2, .n_ctx = 16};
    suan_session_options session_options = {.n_ctx = 16, .kv = kv};
    memset(err, 0, sizeof *err);
    image_write(&f->im, scratch_path(&f->s, "model.safetensors"), 0, 1);
    suan_status status = suan_model_open(&model, f->s.dir, &options, err);
    if (status == SUAN_OK) status = suan_session_create(&session, model, &session_options, err);
    if (status == SUAN_OK) {
        status = suan_session_feed(session, (const int32_t[]){1, 2, 3}, 3, err);
        if (status != SUAN_OK) assert_int_equal(suan_session_position(session), 0);
    }
    if (session) suan_session_close(&session);
    if (model) suan_model_close(&model);
    suan__free(values);
    *t = saved;
    return status;
}

static void check(folder *f, const char *name, float value, suan_kv_type kv, const char *sentence) {
    suan_error err;
    suan_status status = attempt(f, name, value, kv, &err);
    if (status != SUAN_ENUMERIC) fail_msg("%s of %g: status %d, %s", name, (double)value, (int)status, err.message);
    if (!strstr(err.message, sentence)) fail_msg("%s of %g: \"%s\", expected \"%s\"", name, (double)value, err.message, sentence);
}

/* Nothing that is computed later would show a router's bias: it only chooses. */
static void test_vectors(void **state) {
    (void)state;
    static const char *const names[] = {"model.norm.weight", KEY_A, "model.layers.1.mlp.gate.e_score_correction_bias"};
    folder f;
    folder_make(&f);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        check(&f, names[i], NAN, SUAN_KV_F16, names[i]);
        check(&f, names[i], -INFINITY, SUAN_KV_F32, names[i]);
    }
    folder_remove(&f);
}

static void test_matrices(void **state) {
    (void)state;
    folder f;
    folder_make(&f);
    check(&f, "model.embed_tokens.weight", NAN, SUAN_KV_F16, "a key or value of layer 0 at position 0 holds a value that is not finite");
    check(&f, "model.layers.0.self_attn.kv_b_proj.weight", INFINITY, SUAN_KV_F16, "the attention output of layer 0 at position 0 holds");
    check(&f, "model.layers.0.mlp.down_proj.weight", NAN, SUAN_KV_F32, "a key or value of layer 1 at position 0 holds");
    check(&f, "model.layers.1.mlp.gate.weight", NAN, SUAN_KV_F32, "the router of layer 1 at position 0 holds");
    check(&f, "lm_head.weight", NAN, SUAN_KV_F32, "the logits of position 2 hold");
    folder_remove(&f);
}

/* A cache of f16 or q8_0 has to name itself and its cure, not the attention that would stumble over it. */
static void test_f16_cache(void **state) {
    (void)state;
    folder f;
    suan_error err;
    folder_make(&f);
    check(&f, KEY_A, 1e7f, SUAN_KV_F16, "a key or value of layer 0 at position 0 does not fit into the f16 cache (use an f32 cache)");
    if (attempt(&f, KEY_A, 1e7f, SUAN_KV_F32, &err) != SUAN_OK) fail_msg("with an f32 cache: %s", err.message);
    check(&f, KEY_A, 1e9f, SUAN_KV_Q8_0, "a key or value of layer 0 at position 0 does not fit into the q8_0 cache (use an f32 cache)");
    check(&f, "model.embed_tokens.weight", NAN, SUAN_KV_Q8_0, "a key or value of layer 0 at position 0 holds a value that is not finite");
    folder_remove(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_matrices),
        cmocka_unit_test(test_f16_cache),
    };
    return cmocka_run_group_tests_name("adversarial_numeric", tests, NULL, NULL);
}
