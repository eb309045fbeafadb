/* test_logits.c: every case of the outside oracles, from safetensors and from GGUF, through the public interface: logits at all positions
 * within the case's tolerance, the greedy continuation token for token, and the same bits whichever way a position was reached.
 *
 * Activations are exact; the cache is f32 where numbers are compared with the reference, f32 and f16 where bits are compared. One line a
 * case says how far it was off. */
#include <stdio.h>

#include "fixture.h"
#include "rows.h"

#define CONTEXT 1024 /* holds the longest prompt (700) and what is written after it */

static suan_session *open_rounding(suan_model *model, suan_kv_type kv, uint32_t chunk, suan_rounding rounding) {
    suan_session_options options = {
        .n_ctx = CONTEXT, .kv = kv, .activations = SUAN_ACTIVATIONS_EXACT, .chunk = chunk, .rounding = rounding};
    suan_session *session;
    suan_error err;
    if (suan_session_create(&session, model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return session;
}

static double greatest_difference(const rows *r, const float *expected) {
    double most = 0;
    for (size_t i = 0; i < (size_t)r->n_rows * r->n_vocab; i++) {
        double d = fabs((double)r->data[i] - (double)expected[i]);
        if (!(d <= most)) most = d; /* also when d is no number */
    }
    return most;
}

static void check_greedy(const fixture *f, const char *path, suan_session *session, const fixture_prompt *p) {
    suan_generate_params params;
    suan_result result;
    suan_error err;
    suan_generate_params_init(&params);
    params.sampling.temperature = 0;
    params.ignore_eos = true;
    params.max_tokens = (uint32_t)p->n_greedy;
    if (suan_generate(session, p->ids, p->n, &params, &result, &err) != SUAN_OK) fail_msg("%s: %s", path, err.message);
    assert_int_equal(result.n_ids, p->n_greedy);
    for (size_t i = 0; i < p->n_greedy; i++)
        if (result.ids[i] != p->greedy[i])
            fail_msg("%s: prompt of %zu: greedy token %zu is %d, expected %d", f->name, p->n, i, result.ids[i], p->greedy[i]);
    assert_int_equal(result.finish, SUAN_FINISH_LENGTH);
    suan_result_fini(&result);
}

static void same(const rows *r, const fixture *f, const char *how, uint32_t n) {
    if (r->n_different)
        fail_msg("%s: prompt of %u, %s %u: %u rows have other bits, the first at position %u", f->name, r->n_rows, how, n, r->n_different,
                 r->first_different);
}

/* All ways through a prompt give the rows of `r`, bit for bit. */
static void check_ways(const fixture *f, suan_model *model, rows *r, const fixture_prompt *p, suan_kv_type kv, suan_rounding rounding) {
    static const uint32_t chunks[] = {1, 7, 64, 255, 256, 257};
    suan_error err;
    r->compare = true;
    r->n_different = 0;
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        if (c && chunks[c - 1] >= p->n) break; /* the same as one piece */
        suan_session *session = open_rounding(model, kv, chunks[c], rounding);
        rows_feed(r, session, p->ids, 0, p->n);
        same(r, f, "chunks of", chunks[c]);
        suan_session_close(&session);
    }
    /* Decoding one by one, then going back and taking the rest again in another way. */
    suan_session *session = open_rounding(model, kv, 100, rounding);
    for (size_t i = 0; i < p->n; i++) rows_feed(r, session, p->ids, i, i + 1);
    same(r, f, "one by one", 1);
    static const uint32_t positions[] = {257, 256, 255, 31, 1, 0};
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        uint32_t at = positions[i];
        if (at >= p->n) continue;
        uint32_t reach = suan_session_reach(session, at);
        if (reach < at) { /* compressed attention: refused, with the nearest position that is left */
            assert_int_equal(suan_session_rewind(session, at, &err), SUAN_ERANGE);
            assert_int_equal(suan_session_position(session), p->n);
            at = reach;
        }
        assert_int_equal(suan_session_rewind(session, at, &err), SUAN_OK);
        assert_null(suan_session_logits(session));
        /* Something else first: what is forgotten must leave no trace. */
        int32_t other[3] = {p->ids[0], p->ids[p->n - 1], 7};
        assert_int_equal(suan_session_feed(session, other, 3, &err), SUAN_OK);
        if (suan_session_reach(session, at) < at) fail_msg("%s: three tokens after %u it is out of reach", f->name, at);
        assert_int_equal(suan_session_rewind(session, at, &err), SUAN_OK);
        rows_feed(r, session, p->ids, at, p->n);
        same(r, f, "after a rewind to", at);
    }
    suan_session_close(&session);
}

/* The rows of a prompt in one way; how far they are from those of the reference. */
static double check_rows(const fixture *f, const char *path, suan_model *model, rows *r, const fixture_prompt *p, suan_rounding rounding) {
    bool rounded = rounding == SUAN_ROUNDING_PUBLISHED && p->rounded;
    suan_session *session = open_rounding(model, SUAN_KV_F32, 4096, rounding);
    r->compare = false;
    rows_feed(r, session, p->ids, 0, p->n);
    double off = greatest_difference(r, rounded ? p->rounded : p->logits), tolerance = rounded ? f->tolerance_rounded : f->tolerance;
    if (!(off <= tolerance))
        fail_msg("%s: prompt of %zu%s is off by %g, tolerance %g", path, p->n, rounded ? " with round trips" : "", off, tolerance);
    assert_memory_equal(suan_session_logits(session), r->data + (p->n - 1) * f->n_vocab, f->n_vocab * sizeof(float));
    if (!rounded) check_greedy(f, path, session, p);
    suan_session_close(&session);
    check_ways(f, model, r, p, SUAN_KV_F32, rounding);
    return off;
}

/* with_f16: also look at the bits with the other cache. */
static double check_file(const fixture *f, const char *path, bool with_f16, double *off_rounded) {
    double most = 0;
    suan_model *model = open_model(path, NULL, test_threads());
    for (int k = 0; k < FIXTURE_PROMPTS; k++) {
        const fixture_prompt *p = &f->prompts[k];
        rows r = rows_make((uint32_t)p->n, (uint32_t)f->n_vocab);
        double off = check_rows(f, path, model, &r, p, SUAN_ROUNDING_NONE);
        most = fmax(off, most);
        if (p->rounded) *off_rounded = fmax(*off_rounded, check_rows(f, path, model, &r, p, SUAN_ROUNDING_PUBLISHED));
        if (with_f16) { /* another cache gives other bits, and those are the same in every way too */
            suan_session *session = open_rounding(model, SUAN_KV_F16, 4096, SUAN_ROUNDING_PUBLISHED);
            r.compare = false;
            rows_feed(&r, session, p->ids, 0, p->n);
            suan_session_close(&session);
            check_ways(f, model, &r, p, SUAN_KV_F16, SUAN_ROUNDING_PUBLISHED);
        }
        test_free(r.data);
    }
    suan_model_close(&model);
    return most;
}

static void test_case(void **state) {
    fixture f;
    if (!fixture_open(&f, *state)) {
        print_message("%s: no such fixture, skipped\n", (const char *)*state);
        skip();
    }
    bool with_f16 = true;
#ifdef SANITIZED
    with_f16 = false;
#endif
    double rounded = -1, hf = check_file(&f, f.dir, with_f16, &rounded), gguf = f.gguf[0] ? check_file(&f, f.gguf, false, &rounded) : -1;
    print_message("%s: off by %.2e from safetensors", f.name, hf);
    if (gguf >= 0) print_message(", %.2e from GGUF", gguf);
    print_message(", tolerance %.2e", f.tolerance);
    if (rounded >= 0) print_message("; with round trips %.2e, tolerance %.2e", rounded, f.tolerance_rounded);
    print_message("\n");
    fixture_close(&f);
}

/* An argument: a pattern for the names of the cases to look at. */
int main(int argc, char **argv) {
    struct CMUnitTest tests[FIXTURE_CASES];
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    for (size_t i = 0; i < FIXTURE_CASES; i++)
        tests[i] = (struct CMUnitTest){.name = fixture_cases[i], .test_func = test_case, .initial_state = (void *)fixture_cases[i]};
    return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}
