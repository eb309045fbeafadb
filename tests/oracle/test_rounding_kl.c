/* test_rounding_kl.c: what rounding activations to 8 bits costs: the mean Kullback-Leibler divergence of the next-token distribution with
 * `q8` from the one with `exact` activations, in nats, over the same weights and text, for each weight type.
 *
 * Models: stories260k (fixtures) over the story that it writes; the model that ships with the project over the prompts and answers of its
 * greedy.json. Types whose blocks divide their rows; both models are trained, so their distributions are those of text. K-quants need rows
 * of 256, which neither has: they are measured on a random model of test_bits, which makes more of every error. The table is in
 * docs/numerics.md; the test fails where a mean is 0 (nothing was rounded) or above a bound that a wrong kernel would break.
 *
 * The same for caches of f16 and q8_0 against one of f32, with exact activations, and how far logits move at most. */
#include <stdio.h>

#include "../base/scratch.h"
#include "fixture.h"
#include "forge_model.h"
#include "greedy.h"
#include "kernels/kernels.h"
#include "rows.h"

#define MEAN_BOUND 0.01 /* nats; several times the greatest that was measured */

static const suan__dtype types[] = {SUAN__Q8_0, SUAN__Q5_1, SUAN__Q5_0, SUAN__Q4_1, SUAN__Q4_0, SUAN__IQ4_NL, SUAN__MXFP4,
                                    SUAN__Q6_K, SUAN__Q5_K, SUAN__Q4_K, SUAN__Q3_K, SUAN__Q2_K, SUAN__IQ4_XS};
#define N_TYPES (sizeof types / sizeof *types)

typedef struct divergence {
    double sum, most;
    double farthest; /* the greatest difference of two logits, in units of the row's root mean square */
    size_t n, n_same_top;
} divergence;

static size_t top(const float *x, uint32_t n) {
    size_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static double log_sum(const float *x, uint32_t n) {
    double most = x[top(x, n)], sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += exp(x[i] - most);
    return most + log(sum);
}

/* KL(exact || q8) of one position. */
static void compare(divergence *d, const float *exact, const float *q8, uint32_t n) {
    double a = log_sum(exact, n), b = log_sum(q8, n), kl = 0;
    for (uint32_t i = 0; i < n; i++) kl += exp(exact[i] - a) * ((exact[i] - a) - (q8[i] - b));
    if (kl < 0) kl = 0; /* rounding of the sum itself */
    d->sum += kl;
    if (kl > d->most) d->most = kl;
    double square = 0, farthest = 0;
    for (uint32_t i = 0; i < n; i++) {
        square += (double)exact[i] * exact[i];
        farthest = fmax(farthest, fabs((double)exact[i] - q8[i]));
    }
    d->farthest = fmax(d->farthest, farthest / sqrt(square / n));
    d->n++;
    d->n_same_top += top(exact, n) == top(q8, n);
}

/* What is compared: with the second from with the first. */
typedef struct profiles {
    suan_activations activations[2];
    suan_kv_type kv[2];
} profiles;

static void add_text(divergence *d, suan_model *model, const profiles *p, const id_list *t) {
    suan_model_info info;
    assert_int_equal(suan_model_get_info(model, &info), SUAN_OK);
    rows r[2];
    for (int i = 0; i < 2; i++) {
        suan_session *session = open_session(model, (uint32_t)t->n, p->kv[i], p->activations[i], 0);
        r[i] = rows_make((uint32_t)t->n, info.n_vocab);
        rows_feed(&r[i], session, t->v, 0, t->n);
        suan_session_close(&session);
    }
    for (size_t i = 0; i < t->n; i++) compare(d, r[0].data + i * info.n_vocab, r[1].data + i * info.n_vocab, info.n_vocab);
    test_free(r[0].data);
    test_free(r[1].data);
}

#define LOGIT_BOUND 0.5        /* of a row's root mean square; twice what was measured */
#define LOGIT_BOUND_RANDOM 2.0 /* where nothing learned damps an error and routers choose other experts */

/* Caches of f16 and q8_0 against f32. */
static void measure_caches(const char *name, const char *path, const id_list *texts, size_t n_texts, double bound) {
    static const suan_kv_type caches[] = {SUAN_KV_F16, SUAN_KV_Q8_0};
    suan_model *model = open_model(path, NULL, test_threads());
    for (size_t i = 0; i < 2; i++) {
        profiles p = {{SUAN_ACTIVATIONS_EXACT, SUAN_ACTIVATIONS_EXACT}, {SUAN_KV_F32, caches[i]}};
        divergence d = {0};
        for (size_t t = 0; t < n_texts; t++) add_text(&d, model, &p, &texts[t]);
        double mean = d.sum / (double)d.n;
        print_message("%-20s cache %-4s mean KL %.3e, greatest %.3e, same first choice %5.1f%%, farthest logit %.1e\n", name,
                      i ? "q8_0" : "f16", mean, d.most, 100.0 * (double)d.n_same_top / (double)d.n, d.farthest);
        assert_true(d.farthest > 0 && mean < MEAN_BOUND && d.farthest < bound);
    }
    suan_model_close(&model);
}

static void measure(const char *name, scratch *s, const char *path, const id_list *texts, size_t n_texts) {
    static const profiles p = {{SUAN_ACTIVATIONS_EXACT, SUAN_ACTIVATIONS_Q8}, {SUAN_KV_F16, SUAN_KV_F16}};
    measure_caches(name, path, texts, n_texts, LOGIT_BOUND);
    for (size_t i = 0; i < N_TYPES; i++) {
        divergence d = {0};
        const char *file = scratch_path(s, "typed.gguf");
        bool small = suan__dtype_get(types[i])->block == 32;
        if (!small && !forge_divides(path, types[i])) continue;
        int n_kept = forge_requantize(path, file, types[i]);
        suan_model *model = open_model(file, NULL, test_threads());
        for (size_t t = 0; t < n_texts; t++) add_text(&d, model, &p, &texts[t]);
        suan_model_close(&model);
        double mean = d.sum / (double)d.n;
        print_message("%-20s %-7s mean KL %.3e, greatest %.3e, same first choice %5.1f%%, %zu positions%s\n", name,
                      suan__dtype_get(types[i])->name, mean, d.most, 100.0 * (double)d.n_same_top / (double)d.n, d.n,
                      n_kept ? " (rows that do not divide kept their type)" : "");
        assert_true(mean > 0 && mean < MEAN_BOUND);
    }
}

static void test_stories260k(void **state) {
    char path[1024];
    scratch s;
    id_list t = {0};
    if (!fixture_find(path, sizeof path, "weights/stories260k/expected.json")) {
        print_message("stories260k is not here, skipped\n");
        skip();
    }
    json_t *json = load_json(path);
    append_ids(&t, json_object_get(json, "prompt"));
    append_ids(&t, json_object_get(json, "greedy_ids"));
    json_decref(json);
    assert_true(fixture_find(path, sizeof path, "weights/stories260k/stories260k-f32.gguf"));
    scratch_make(&s);
    measure("stories260k", &s, path, &t, 1);
    scratch_remove(&s);
    test_free(t.v);
}

static void test_seed(void **state) {
    char path[PATH_MAX], dir[1024];
    scratch s;
    id_list texts[64] = {{0}};
    const char *data = getenv("SUAN_TEST_DATA");
    snprintf(dir, sizeof dir, "%s/../../models/seed", data ? data : "tests/data");
    snprintf(path, sizeof path, "%s/greedy.json", dir);
    json_t *json = load_json(path), *cases = json_object_get(json, "cases");
    size_t n = json_array_size(cases);
    assert_true(n > 0 && n <= 64);
    for (size_t i = 0; i < n; i++) {
        append_ids(&texts[i], json_object_get(json_array_get(cases, i), "prompt_ids"));
        append_ids(&texts[i], json_object_get(json_array_get(cases, i), "greedy_ids"));
    }
    json_decref(json);
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/seed.gguf", s.dir);
    forge_from_deepseek(dir, path);
    measure("seed", &s, path, texts, n);
    scratch_remove(&s);
    for (size_t i = 0; i < n; i++) test_free(texts[i].v);
}

static void test_random_rows_of_256(void **state) {
    char path[PATH_MAX];
    int32_t ids[128];
    scratch s;
    id_list t = {ids, 128};
    for (int i = 0; i < 128; i++) ids[i] = (i * i * 7 + i * 13 + 5) % FORGE_N_VOCAB;
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/base.gguf", s.dir);
    forge_generate(FORGE_LLAMA, path);
    measure("random", &s, path, &t, 1);
    forge_generate(FORGE_DEEPSEEK, path);
    measure_caches("random, latent", path, &t, 1, LOGIT_BOUND_RANDOM);
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories260k),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_random_rows_of_256),
    };
    return cmocka_run_group_tests_name("rounding", tests, NULL, NULL);
}
