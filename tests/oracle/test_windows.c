/* test_windows.c: sliding windows of models whose oracle cases have none: the logits behind the last token of 100 as transformers gives them for these weights with a window of 16,
 * the same bits whatever the chunks, and from the GGUF file that convert makes. tests/data/windows.json: float64, eager attention. */
#include <stdio.h>
#include <unistd.h>

#include "../base/scratch.h"
#include "fixture.h"
#include "formats/json.h"
#include "rows.h"
#include "suan/convert.h"

typedef struct window_case {
    const char *name, *changes;
    double tolerance; /* the oracle case's */
    bool permutes;    /* rows of q and k have another order in GGUF files, so sums have too */
} window_case;
static window_case cases[] = {
    {"mistral", "{\"sliding_window\":16}", 2e-4, true},
    {"qwen2", "{\"use_sliding_window\":true,\"sliding_window\":16,\"max_window_layers\":1}", 4e-4, false},
};

static json_t *load(const char *path) {
    suan_error err;
    json_t *json;
    if (suan__json_load_file(path, 1 << 20, &json, &err) != SUAN_OK) fail_msg("%s", err.message);
    return json;
}

static void make_folder(scratch *s, const fixture *f, const window_case *c) {
    char path[1200], link[PATH_MAX];
    snprintf(path, sizeof path, "%s/config.json", f->dir);
    json_t *config = load(path), *changes = json_loads(c->changes, 0, NULL);
    json_object_update(config, changes);
    char *text = json_dumps(config, 0);
    scratch_text(s, "config.json", text);
    snprintf(path, sizeof path, "%s/model.safetensors", f->dir);
    snprintf(link, sizeof link, "%s/model.safetensors", s->dir);
    assert_int_equal(symlink(path, link), 0);
    free(text);
    json_decref(config);
    json_decref(changes);
}

static rows run(const char *path, const fixture_prompt *p, size_t n_vocab, uint32_t chunk) {
    suan_model *model = open_model(path, NULL, test_threads());
    suan_session *session = open_session(model, (uint32_t)p->n, SUAN_KV_F32, SUAN_ACTIVATIONS_EXACT, chunk);
    rows r = rows_make((uint32_t)p->n, (uint32_t)n_vocab);
    rows_feed(&r, session, p->ids, 0, p->n);
    suan_session_close(&session);
    suan_model_close(&model);
    return r;
}

static double off_by(const float *got, const json_t *want) {
    double most = 0;
    for (size_t i = 0; i < json_array_size(want); i++) most = fmax(most, fabs((double)got[i] - json_number_value(json_array_get(want, i))));
    return most;
}

static void test_window(void **state) {
    const window_case *c = *state;
    char path[PATH_MAX];
    fixture f;
    scratch s;
    suan_error err;
    if (!fixture_open(&f, c->name)) skip();
    const char *data = getenv("SUAN_TEST_DATA");
    snprintf(path, sizeof path, "%s/windows.json", data ? data : "tests/data");
    json_t *all = load(path), *want = json_object_get(all, c->name);
    assert_int_equal(json_array_size(want), f.n_vocab);
    scratch_make(&s);
    make_folder(&s, &f, c);
    const fixture_prompt *p = &f.prompts[2];
    size_t n = p->n * f.n_vocab, last = n - f.n_vocab;
    rows whole = run(s.dir, p, f.n_vocab, 256);
    double off = off_by(whole.data + last, want);
    if (!(off <= c->tolerance)) fail_msg("%s: off by %g, tolerance %g", c->name, off, c->tolerance);
    static const uint32_t chunks[] = {1, 7, 33};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        rows r = run(s.dir, p, f.n_vocab, chunks[i]);
        assert_memory_equal(r.data, whole.data, n * sizeof(float));
        test_free(r.data);
    }
    snprintf(path, sizeof path, "%s/model.gguf", s.dir);
    suan_convert_options o = {.n_threads = 1, .no_tokenizer = true};
    if (suan_convert(s.dir, path, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    rows r = run(path, p, f.n_vocab, 256);
    assert_true(off_by(r.data + last, want) <= c->tolerance);
    if (!c->permutes) assert_memory_equal(r.data, whole.data, n * sizeof(float));
    test_free(r.data);
    test_free(whole.data);
    json_decref(all);
    scratch_remove(&s);
    fixture_close(&f);
}

int main(void) {
    struct CMUnitTest tests[sizeof cases / sizeof *cases];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name, .test_func = test_window, .initial_state = &cases[i]};
    return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
