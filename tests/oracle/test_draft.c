/* test_draft.c: multi-token prediction against the outside oracles, and drafting: with it and without the answer is the same bits. */
#include <stdio.h>

#include "base/random.h"
#include "engine/engine.h"
#include "fixture.h"
#include "formats/safetensors.h"
#include "rows.h"

#define CONTEXT 128

static suan_model *open_with_mtp(const char *path, bool mtp) {
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_model *model;
    suan_error err;
    options.n_threads = test_threads();
    options.mtp = mtp;
    if (suan_model_open(&model, path, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return model;
}

static suan_session *open_drafting(suan_model *model, const suan_session_options *o, bool is_fixed) {
    suan_session *session;
    suan_error err;
    if (suan_session_create(&session, model, o, &err) != SUAN_OK) fail_msg("%s", err.message);
    session->draft.pace.is_fixed = is_fixed;
    return session;
}

/* ---- the module's logits ---- */

/* [n][n_vocab] of a case; NULL: it has none. */
static float *expected_rows(const fixture *f, const char *name, size_t n) {
    char path[1100];
    suan__file file;
    suan__arena arena;
    suan__safetensors s;
    suan_error err;
    float *expected = NULL;
    snprintf(path, sizeof path, "%s/expected.safetensors", f->dir);
    suan__arena_init(&arena, 1 << 14);
    if (suan__file_open(&file, path, &err) != SUAN_OK || suan__safetensors_open(&s, &arena, &file, &err) != SUAN_OK)
        fail_msg("%s", err.message);
    for (uint64_t i = 0; i < s.n_tensors; i++) {
        const suan__tensor *t = &s.tensors[i];
        if (strcmp(t->name, name) != 0) continue;
        assert_int_equal(t->n_bytes, n * f->n_vocab * sizeof *expected);
        expected = test_malloc(t->n_bytes);
        assert_int_equal(suan__file_read(&file, t->offset, expected, t->n_bytes, &err), SUAN_OK);
    }
    suan__arena_fini(&arena);
    suan__file_close(&file);
    return expected;
}

static double distance(const float *a, const float *b, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

/* Row by row, in batches whose length follows from the chunks, and the last row after a prompt in one piece. */
static double check_prompt(const fixture *f, suan_model *model, const fixture_prompt *p, const float *expected) {
    static const uint32_t chunks[] = {1, 7, 100};
    double most = 0;
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
        suan_session_options o = {.n_ctx = CONTEXT,
                                  .kv = SUAN_KV_F32,
                                  .activations = SUAN_ACTIVATIONS_EXACT,
                                  .chunk = chunks[c],
                                  .rounding = SUAN_ROUNDING_NONE,
                                  .draft = SUAN_DRAFT_MTP};
        suan_session *session = open_drafting(model, &o, true);
        suan_error err;
        for (size_t at = 0; at + 1 < p->n;) {
            size_t n = c == 0 ? 1 : p->n - 1 - at < 10 ? p->n - 1 - at : 10;
            assert_int_equal(suan_session_feed(session, p->ids + at, n, &err), SUAN_OK);
            at += n;
            const float *logits = suan__ahead_first(session->draft.ahead, p->ids, (uint32_t)at);
            assert_non_null(logits);
            most = fmax(most, distance(logits, expected + (at - 1) * f->n_vocab, f->n_vocab));
        }
        suan_session_close(&session);
    }
    return most;
}

static void check_ahead(const char *name, const char *tensor, double tolerance) {
    fixture f;
    if (!fixture_open(&f, name)) {
        print_message("%s: no such fixture, skipped\n", name);
        skip();
    }
    suan_model *model = open_with_mtp(f.dir, true);
    double most = 0;
    int n_checked = 0;
    for (int k = 0; k < FIXTURE_PROMPTS; k++) {
        char at[64];
        snprintf(at, sizeof at, "prompt.%d.%s", k, tensor);
        float *expected = expected_rows(&f, at, f.prompts[k].n - 1);
        if (!expected) continue;
        most = fmax(most, check_prompt(&f, model, &f.prompts[k], expected));
        test_free(expected);
        n_checked++;
    }
    assert_int_equal(n_checked, 2);
    print_message("%s: the module is off by %.2e, tolerance %.2e\n", name, most, tolerance);
    if (!(most <= tolerance)) fail_msg("%s: off by %g, tolerance %g", name, most, tolerance);
    suan_model_close(&model);
    fixture_close(&f);
}

static void test_ahead_v3(void **state) {
    (void)state;
    check_ahead("deepseek_v3", "mtp_normed", 0.00045956);
}

static void test_ahead_v4(void **state) {
    (void)state;
    check_ahead("deepseek_v4", "mtp", 0.00017566);
}

static void test_ahead_missing(void **state) {
    (void)state;
    fixture f;
    suan_model *model;
    suan_session *session;
    suan_error err = {0};
    if (!fixture_open(&f, "llama3")) skip();
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    options.mtp = true;
    assert_int_equal(suan_model_open(&model, f.dir, &options, &err), SUAN_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "multi-token prediction"));
    model = open_with_mtp(f.dir, false);
    suan_session_options o = {.n_ctx = CONTEXT, .draft = SUAN_DRAFT_MTP};
    assert_int_equal(suan_session_create(&session, model, &o, &err), SUAN_EINVAL);
    o.draft = SUAN_DRAFT_MODEL;
    assert_int_equal(suan_session_create(&session, model, &o, &err), SUAN_EINVAL);
    o.draft = SUAN_DRAFT_LOOKUP;
    o.draft_max = 16;
    assert_int_equal(suan_session_create(&session, model, &o, &err), SUAN_ERANGE);
    suan_model_close(&model);
    fixture_close(&f);
}

/* A model with another vocabulary is refused by name. */
static void test_other_vocabulary(void **state) {
    (void)state;
    fixture f;
    char seed[4096];
    suan_error err = {0};
    suan_session *session;
    if (!fixture_open(&f, "llama3")) skip();
    snprintf(seed, sizeof seed, "%s/../../models/seed", getenv("SUAN_TEST_DATA"));
    suan_model *model = open_with_mtp(f.dir, false), *other = open_with_mtp(seed, false);
    suan_session_options o = {.n_ctx = CONTEXT, .draft = SUAN_DRAFT_MODEL, .draft_model = other};
    assert_int_equal(suan_session_create(&session, model, &o, &err), SUAN_EINVAL);
    assert_non_null(strstr(err.message, "vocabulary"));
    suan_model_close(&other);
    suan_model_close(&model);
    fixture_close(&f);
}

/* ---- the same answer ---- */

/* All that a caller sees of an answer, as one hash. */
typedef struct seen {
    suan_session *session;
    uint64_t hash;
    size_t n_pieces, stop_after, cancel_at;
} seen;

static void add(seen *s, const void *data, size_t n) {
    for (size_t i = 0; i < n; i++) s->hash = (s->hash ^ ((const unsigned char *)data)[i]) * FNV1A_PRIME;
}

static int see_piece(void *ctx, const suan_piece *piece) {
    seen *s = ctx;
    uint32_t position = suan_session_position(s->session);
    add(s, &piece->id, sizeof piece->id);
    add(s, piece->text, piece->n_text);
    add(s, &piece->logprob, sizeof piece->logprob);
    for (size_t i = 0; i < piece->n_top; i++) {
        add(s, &piece->top[i].id, sizeof piece->top[i].id);
        add(s, &piece->top[i].logprob, sizeof piece->top[i].logprob);
    }
    add(s, &position, sizeof position);
    s->n_pieces++;
    if (s->n_pieces == s->cancel_at) suan_session_cancel(s->session);
    return s->n_pieces == s->stop_after;
}

static int see_row(void *ctx, uint32_t position, int32_t id, const float *logits) {
    seen *s = ctx;
    add(s, &position, sizeof position);
    add(s, &id, sizeof id);
    add(s, logits, suan_model_tokenizer(s->session->model) ? 64 : 4);
    return 0;
}

static uint32_t random_state[2];
static uint32_t draw(uint32_t n) {
    uint32_t counter[4] = {random_state[0]++, random_state[1], 0, 0}, key[2] = {1, 2}, out[4];
    suan__philox4x32(counter, key, out);
    return (uint32_t)((uint64_t)out[0] * n >> 32);
}

typedef struct request {
    int32_t ids[CONTEXT], after[3];
    size_t n;
    suan_generate_params p;
    suan_logit_bias bias;
    const char *stop[2];
    size_t stop_after, cancel_at;
    bool watches_rows;
    uint32_t rewind;
} request;

/* Prompts repeat themselves, go on from each other, and come near the end of the context. */
static void make_request(request *r, const request *last, uint32_t n_vocab) {
    static const float temperatures[] = {0, 0, 0.3f, 1, 1};
    uint32_t keep = last->n && draw(2) ? draw((uint32_t)last->n) : 0, period = 1 + draw(12);
    *r = (request){.n = draw(8) ? keep + 1 + draw(40) : CONTEXT - draw(6)};
    if (r->n > CONTEXT) r->n = CONTEXT;
    for (uint32_t i = 0; i < r->n; i++)
        r->ids[i] = i < keep ? last->ids[i] : i >= keep + period && draw(8) ? r->ids[i - period] : (int32_t)draw(n_vocab);
    suan_generate_params_init(&r->p);
    suan_sampling *s = &r->p.sampling;
    s->temperature = temperatures[draw(5)];
    s->seed = draw(1000);
    s->choice = draw(3);
    if (draw(2)) s->top_k = 1 + (int32_t)draw(40);
    if (draw(3) == 0) s->top_p = 0.3f + 0.01f * (float)draw(70);
    if (draw(4) == 0) s->min_p = 0.01f * (float)draw(20);
    if (draw(6) == 0) s->typical_p = 0.8f;
    if (draw(3) == 0) s->repetition_penalty = 1.3f;
    if (draw(4) == 0) s->presence_penalty = 0.5f;
    if (draw(4) == 0) s->frequency_penalty = -0.4f;
    if (draw(3) == 0) s->penalty_last_n = (int32_t)draw(20) - 1;
    if (draw(4) == 0) {
        r->bias = (suan_logit_bias){.id = (int32_t)draw(n_vocab), .bias = 3};
        s->logit_bias = &r->bias;
        s->n_logit_bias = 1;
    }
    r->p.max_tokens = draw(5) ? 1 + draw(50) : 0;
    r->p.ignore_eos = draw(2);
    r->p.want_logprobs = draw(3) == 0;
    r->p.n_logprobs = r->p.want_logprobs ? draw(4) : 0;
    if (draw(4) == 0) {
        r->stop[0] = "e";
        r->stop[1] = " th";
        r->p.stop = r->stop + draw(2);
        r->p.n_stop = 1;
    }
    if (draw(6) == 0) r->stop_after = 1 + draw(20);
    if (draw(6) == 0) r->cancel_at = 1 + draw(20);
    r->watches_rows = draw(5) == 0;
    r->rewind = draw(20);
    for (int i = 0; i < 3; i++) r->after[i] = (int32_t)draw(n_vocab);
}

typedef struct outcome {
    suan_result r;
    uint64_t hash;
    uint32_t position;
    bool has_rewound;
} outcome;

/* The answer, the state behind it, and what follows a rewind. */
static outcome answer(suan_session *session, const request *q) {
    outcome o = {0};
    suan_error err = {0};
    suan_generate_params p = q->p;
    seen s = {.session = session, .hash = FNV1A_BASIS, .stop_after = q->stop_after, .cancel_at = q->cancel_at};
    p.on_piece = see_piece;
    p.ctx = &s;
    suan_session_on_logits(session, q->watches_rows ? see_row : NULL, &s);
    if (suan_generate(session, q->ids, q->n, &p, &o.r, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan_session_on_logits(session, NULL, NULL);
    uint32_t n_vocab = session->model->graph->hp.n_vocab;
    o.position = suan_session_position(session);
    add(&s, suan_session_ids(session), o.position * sizeof(int32_t));
    if (suan_session_logits(session)) add(&s, suan_session_logits(session), n_vocab * sizeof(float));
    uint32_t to = o.position > q->rewind ? o.position - q->rewind : 1;
    if (suan_session_reach(session, to) == to && to + 3 <= CONTEXT) {
        o.has_rewound = true;
        assert_int_equal(suan_session_rewind(session, to, &err), SUAN_OK);
        assert_int_equal(suan_session_feed(session, q->after, 3, &err), SUAN_OK);
        add(&s, suan_session_logits(session), n_vocab * sizeof(float));
    }
    o.hash = s.hash;
    return o;
}

typedef struct totals {
    uint64_t n_answers, n_tokens, drafted, accepted;
} totals;

static void compare(const char *what, suan_session *plain, suan_session *drafting, uint32_t n_requests, totals *t) {
    request last = {0}, q;
    for (uint32_t i = 0; i < n_requests; i++) {
        make_request(&q, &last, plain->model->graph->hp.n_vocab);
        outcome a = answer(plain, &q), b = answer(drafting, &q);
        assert_int_equal(a.r.n_drafted, 0);
        if (a.r.n_ids != b.r.n_ids || memcmp(a.r.ids, b.r.ids, a.r.n_ids * sizeof *a.r.ids) != 0 || strcmp(a.r.text, b.r.text) != 0)
            fail_msg("%s: request %u has another answer", what, i);
        if (a.r.finish != b.r.finish || a.r.context_full != b.r.context_full || a.position != b.position ||
            a.has_rewound != b.has_rewound || a.hash != b.hash)
            fail_msg("%s: request %u leaves another state (finish %d, %d; position %u, %u)", what, i, a.r.finish, b.r.finish, a.position,
                     b.position);
        assert_true(b.r.n_accepted <= b.r.n_drafted);
        t->n_answers++;
        t->n_tokens += b.r.n_ids;
        t->drafted += b.r.n_drafted;
        t->accepted += b.r.n_accepted;
        suan_result_fini(&a.r);
        suan_result_fini(&b.r);
        last = q;
    }
}

#ifdef SANITIZED
#define REQUESTS 2
#else
#define REQUESTS 5
#endif

/* All caches and activations, and drafting as it would be in earnest. */
static void check_drafts(const char *name, const char *path, suan_draft kind, const char *other_path) {
    suan_model *model = open_with_mtp(path, kind == SUAN_DRAFT_MTP), *other = other_path ? open_with_mtp(other_path, false) : NULL;
    totals t = {0};
    char what[200];
    for (int i = 0; i < 8; i++) {
        bool is_fixed = i < 6;
        suan_session_options o = {.n_ctx = CONTEXT,
                                  .kv = (suan_kv_type)(i % 3),
                                  .activations = (suan_activations)(i / 3 % 2),
                                  .chunk = i % 2 ? 0 : 5,
                                  .rounding = (suan_rounding)(i / 4 % 2)};
        suan_session *plain = open_drafting(model, &o, false);
        o.draft = kind;
        o.draft_max = i == 2 ? 15 : i == 3 ? 1 : (uint32_t)i;
        o.draft_model = other;
        suan_session *drafting = open_drafting(model, &o, is_fixed);
        random_state[1] = (uint32_t)(kind * 100 + i);
        snprintf(what, sizeof what, "%s, drafts %d, options %d", name, (int)kind, i);
        compare(what, plain, drafting, REQUESTS, &t);
        suan_session_close(&plain);
        suan_session_close(&drafting);
    }
    print_message("%s, drafts %d: %llu answers, %llu tokens, %llu drafted, %llu accepted\n", name, (int)kind,
                  (unsigned long long)t.n_answers, (unsigned long long)t.n_tokens, (unsigned long long)t.drafted,
                  (unsigned long long)t.accepted);
    assert_true(t.drafted > 0 && (t.accepted > 0 || REQUESTS < 5)); /* few requests may be without luck */
    suan_model_close(&other);
    suan_model_close(&model);
}

typedef struct pair {
    const char *model, *other;
    suan_draft kind;
} pair;

static void test_same(void **state) {
    const pair *p = *state;
    fixture f, g;
    if (!fixture_open(&f, p->model)) skip();
    if (p->other && !fixture_open(&g, p->other)) skip();
    check_drafts(f.name, f.dir, p->kind, p->other ? g.dir : NULL);
    if (p->other) fixture_close(&g);
    fixture_close(&f);
}

static void test_same_seed(void **state) {
    (void)state;
    char seed[4096];
    snprintf(seed, sizeof seed, "%s/../../models/seed", getenv("SUAN_TEST_DATA"));
    check_drafts("seed", seed, SUAN_DRAFT_MTP, NULL);
}

static const pair pairs[] = {
    {"deepseek_v3", NULL, SUAN_DRAFT_LOOKUP},         {"deepseek_v3", NULL, SUAN_DRAFT_MTP},
    {"deepseek_v3", "deepseek_v3", SUAN_DRAFT_MODEL}, {"deepseek_v3", "deepseek_v2_lite", SUAN_DRAFT_MODEL},
    {"deepseek_v32", NULL, SUAN_DRAFT_LOOKUP},        {"deepseek_v32", "deepseek_v3", SUAN_DRAFT_MODEL},
    {"deepseek_v4", NULL, SUAN_DRAFT_LOOKUP},         {"deepseek_v4", NULL, SUAN_DRAFT_MTP},
    {"llama3", "deepseek_v4", SUAN_DRAFT_MODEL},      {"qwen3_moe", NULL, SUAN_DRAFT_LOOKUP},
};
#define N_PAIRS (sizeof pairs / sizeof *pairs)

/* An argument: a pattern for the names of the tests to run. */
int main(int argc, char **argv) {
    struct CMUnitTest tests[5 + N_PAIRS] = {cmocka_unit_test(test_ahead_v3), cmocka_unit_test(test_ahead_v4),
                                            cmocka_unit_test(test_ahead_missing), cmocka_unit_test(test_other_vocabulary),
                                            cmocka_unit_test(test_same_seed)};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    for (size_t i = 0; i < N_PAIRS; i++)
        tests[5 + i] = (struct CMUnitTest){.name = pairs[i].model, .test_func = test_same, .initial_state = (void *)(uintptr_t)&pairs[i]};
    return cmocka_run_group_tests_name("drafts", tests, NULL, NULL);
}
