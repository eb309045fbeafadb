/* Answers of the model that ships here: greedy ones as the reference gives them, and every way in which an answer can end. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "seed.h"

static suan_model *model;

/* What the callback saw. */
typedef struct seen {
    char text[8192];
    size_t n_text;
    int32_t ids[600];
    size_t n_ids, n_pieces, n_flush, n_empty;
    uint64_t allocs_at_first;
    size_t stop_after;       /* return 1 at this piece; 0: never */
    suan_session *cancel_at; /* call cancel at the third piece */
    bool check_logprobs;
} seen;

static void check_logprobs(const suan_piece *piece) {
    bool found = false;
    assert_int_equal(piece->n_top, 5);
    for (size_t i = 0; i < piece->n_top; i++) {
        assert_true(piece->top[i].logprob <= 0);
        if (i > 0) assert_true(piece->top[i].logprob <= piece->top[i - 1].logprob);
        if (piece->top[i].id == piece->id) {
            assert_true(piece->top[i].logprob == piece->logprob);
            found = true;
        }
    }
    assert_true(found && piece->top[0].id == piece->id); /* greedy */
}

static int on_piece(void *ctx, const suan_piece *piece) {
    seen *s = ctx;
    if (s->n_pieces == 0) s->allocs_at_first = suan__alloc_count();
    s->n_pieces++;
    assert_true(s->n_text + piece->n_text < sizeof s->text);
    memcpy(s->text + s->n_text, piece->text, piece->n_text);
    s->n_text += piece->n_text;
    s->n_empty += piece->n_text == 0;
    if (piece->id >= 0) {
        assert_int_equal(s->n_flush, 0);
        s->ids[s->n_ids++] = piece->id;
    } else {
        s->n_flush++;
    }
    if (s->check_logprobs && piece->id >= 0) check_logprobs(piece);
    if (s->cancel_at && s->n_pieces == 3) suan_session_cancel(s->cancel_at);
    return s->stop_after && s->n_pieces >= s->stop_after;
}

static suan_result generate(suan_session *session, const int32_t *ids, size_t n, suan_generate_params *p, seen *s) {
    suan_result r;
    suan_error err = {0};
    p->on_piece = on_piece;
    p->ctx = s;
    if (suan_generate(session, ids, n, p, &r, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(s->n_ids, r.n_ids);
    assert_memory_equal(s->ids, r.ids, r.n_ids * sizeof *r.ids);
    assert_int_equal(r.text[r.n_text], 0);
    if (!s->stop_after) {
        assert_int_equal(s->n_text, r.n_text);
        assert_memory_equal(s->text, r.text, r.n_text);
    }
    assert_true(s->n_flush <= 1);
    /* "Nothing is allocated after the first token." */
    if (s->n_pieces > 0) assert_int_equal(suan__alloc_count(), s->allocs_at_first);
    return r;
}

static size_t first_prompt(int32_t *ids, size_t capacity) {
    json_t *cases = seed_cases();
    size_t n = seed_ids(json_object_get(json_array_get(json_object_get(cases, "cases"), 0), "prompt_ids"), ids, capacity);
    json_decref(cases);
    return n;
}
#define FIRST_ANSWER ", and the king had been so much to him."

static void test_generate_greedy_equals_reference(void **state) {
    (void)state;
    json_t *json = seed_cases(), *c;
    suan_session *session = seed_session(model, 0, 7);
    size_t i;
    json_array_foreach(json_object_get(json, "cases"), i, c) {
        int32_t prompt[256], answer[256];
        size_t n_prompt = seed_ids(json_object_get(c, "prompt_ids"), prompt, 256);
        size_t n_answer = seed_ids(json_object_get(c, "greedy_ids"), answer, 256);
        suan_generate_params p;
        suan_generate_params_init(&p);
        p.max_tokens = 64;
        p.n_logprobs = 5;
        seen s = {.check_logprobs = true};
        suan_result r = generate(session, prompt, n_prompt, &p, &s);
        assert_int_equal(r.n_ids, n_answer);
        assert_memory_equal(r.ids, answer, n_answer * sizeof *answer);
        assert_string_equal(r.text, json_string_value(json_object_get(c, "text")));
        assert_int_equal(r.finish, answer[n_answer - 1] == 1 ? SUAN_FINISH_STOP : SUAN_FINISH_LENGTH);
        assert_false(r.context_full);
        assert_int_equal(r.n_prompt, n_prompt);
        suan_result_fini(&r);
    }
    json_decref(json);
    suan_session_close(&session);
}

static void test_generate_keeps_common_prefix(void **state) {
    (void)state;
    int32_t prompt[64];
    size_t n = first_prompt(prompt, 64);
    suan_session *session = seed_session(model, 0, 0);
    suan_generate_params p;
    suan_generate_params_init(&p);
    seen a = {0}, b = {0}, c = {0};
    suan_result first = generate(session, prompt, n, &p, &a), again = generate(session, prompt, n, &p, &b);
    assert_int_equal(first.n_prompt_cached, 0);
    assert_int_equal(again.n_prompt_cached, n - 1);
    assert_string_equal(again.text, first.text);
    assert_int_equal(suan_session_position(session), n + first.n_ids - 1); /* the last token is not fed */
    prompt[5] ^= 1;
    suan_result other = generate(session, prompt, n, &p, &c);
    assert_int_equal(other.n_prompt_cached, 5);
    suan_session *fresh = seed_session(model, 0, 1);
    seen d = {0};
    suan_result same = generate(fresh, prompt, n, &p, &d);
    assert_int_equal(same.n_ids, other.n_ids);
    assert_memory_equal(same.ids, other.ids, same.n_ids * sizeof *same.ids);
    suan_result_fini(&first);
    suan_result_fini(&again);
    suan_result_fini(&other);
    suan_result_fini(&same);
    suan_session_close(&fresh);
    suan_session_close(&session);
}

static void test_generate_length_and_full_context(void **state) {
    (void)state;
    int32_t prompt[64];
    size_t n = first_prompt(prompt, 64);
    suan_session *session = seed_session(model, 32, 0);
    suan_generate_params p;
    suan_generate_params_init(&p);
    p.ignore_eos = true;
    p.max_tokens = 3;
    seen a = {0}, b = {0}, c = {0};
    suan_result r = generate(session, prompt, n, &p, &a);
    assert_int_equal(r.n_ids, 3);
    assert_int_equal(r.finish, SUAN_FINISH_LENGTH);
    assert_false(r.context_full);
    suan_result_fini(&r);
    p.max_tokens = 0;
    r = generate(session, prompt, n, &p, &b); /* 15 are fed, 17 more fit, and one is drawn behind them */
    assert_int_equal(r.n_ids, 32 - n + 1);
    assert_int_equal(r.finish, SUAN_FINISH_LENGTH);
    assert_true(r.context_full);
    assert_int_equal(suan_session_position(session), 32);
    bool has_eos = false;
    for (size_t i = 0; i < r.n_ids; i++) has_eos |= r.ids[i] == 1;
    assert_true(has_eos);
    suan_result_fini(&r);
    int32_t full[33];
    for (int i = 0; i < 33; i++) full[i] = prompt[i % (int)n];
    r = generate(session, full, 32, &p, &c);
    assert_int_equal(r.n_ids, 1);
    assert_true(r.context_full);
    suan_result_fini(&r);
    suan_error err = {0};
    assert_int_equal(suan_generate(session, full, 33, &p, &r, &err), SUAN_ECONTEXT);
    assert_non_null(strstr(err.message, "33"));
    assert_null(r.ids);
    suan_session_close(&session);
}

static void test_generate_stop_strings_are_never_emitted(void **state) {
    (void)state;
    static const struct {
        const char *stops[3];
        size_t n;
        const char *text;
        suan_finish finish;
    } cases[] = {
        {{"king had"}, 1, ", and the ", SUAN_FINISH_STOP},
        {{"ng ha"}, 1, ", and the ki", SUAN_FINISH_STOP}, /* begins and ends inside tokens */
        {{"zebra", " so much to hi"}, 2, ", and the king had been", SUAN_FINISH_STOP},
        {{",", "and"}, 2, "", SUAN_FINISH_STOP},
        {{"him!", "him.."}, 2, FIRST_ANSWER, SUAN_FINISH_STOP}, /* held until the answer ends */
        {{"him.", "to him. And"}, 2, ", and the king had been so much to ", SUAN_FINISH_STOP},
    };
    int32_t prompt[64];
    size_t n = first_prompt(prompt, 64);
    suan_session *session = seed_session(model, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        suan_generate_params p;
        suan_generate_params_init(&p);
        p.stop = cases[i].stops;
        p.n_stop = cases[i].n;
        seen s = {0};
        suan_result r = generate(session, prompt, n, &p, &s);
        assert_string_equal(r.text, cases[i].text);
        assert_int_equal(r.finish, cases[i].finish);
        suan_result_fini(&r);
    }
    suan_session_close(&session);
}

static int32_t byte_token(unsigned char byte) {
    const suan_tokenizer *t = suan_model_tokenizer(model);
    for (uint32_t id = 0; id < suan_tokenizer_n_vocab(t); id++) {
        size_t n;
        const char *bytes = suan_tokenizer_token_bytes(t, (int32_t)id, &n);
        if (n == 1 && (unsigned char)bytes[0] == byte) return (int32_t)id;
    }
    fail();
    return -1;
}

/* Biases and a repetition penalty over the last two tokens make the model write the bytes of "€" in turn. */
static void test_generate_holds_half_characters(void **state) {
    (void)state;
    suan_logit_bias bias[3] = {{byte_token(0xe2), 1000}, {byte_token(0x82), 900}, {byte_token(0xac), 800}};
    suan_session *session = seed_session(model, 0, 0);
    suan_generate_params p;
    suan_generate_params_init(&p);
    p.sampling.logit_bias = bias;
    p.sampling.n_logit_bias = 3;
    p.sampling.repetition_penalty = 2;
    p.sampling.penalty_last_n = 0;
    int32_t prompt[1] = {0};
    /* Without a window there is no penalty: the first byte for ever, which never becomes a character. */
    p.max_tokens = 2;
    seen a = {0}, b = {0}, c = {0};
    suan_result r = generate(session, prompt, 1, &p, &a);
    assert_int_equal(r.ids[1], bias[0].id);
    assert_string_equal(r.text, "\xe2\xef\xbf\xbd"); /* the second could still have become one */
    suan_result_fini(&r);
    p.sampling.penalty_last_n = 2;
    p.max_tokens = 8;
    r = generate(session, prompt, 1, &p, &b);
    for (int i = 0; i < 8; i++) assert_int_equal(r.ids[i], bias[i % 3].id);
    assert_string_equal(r.text, "\xe2\x82\xac\xe2\x82\xac\xef\xbf\xbd");
    assert_int_equal(b.n_empty, 6);
    assert_int_equal(b.n_flush, 1);
    suan_result_fini(&r);
    const char *stop = "\xe2\x82\xac\xe2\x82\xac";
    p.stop = &stop;
    p.n_stop = 1;
    r = generate(session, prompt, 1, &p, &c);
    assert_int_equal(r.n_ids, 6);
    assert_int_equal(r.n_text, 0);
    assert_int_equal(r.finish, SUAN_FINISH_STOP);
    suan_result_fini(&r);
    suan_session_close(&session);
}

static void cancel_on_progress(void *ctx, uint64_t done, uint64_t total) {
    (void)total;
    if (done >= 4) suan_session_cancel(ctx);
}

static void test_generate_stops_when_told(void **state) {
    (void)state;
    int32_t prompt[64];
    size_t n = first_prompt(prompt, 64);
    suan_session *session = seed_session(model, 0, 2);
    suan_generate_params p;
    suan_generate_params_init(&p);
    seen a = {.stop_after = 4}, b = {.cancel_at = session}, c = {0}, d = {0};
    suan_result r = generate(session, prompt, n, &p, &a);
    assert_int_equal(r.finish, SUAN_FINISH_CANCELLED);
    assert_int_equal(r.n_ids, 4);
    assert_int_equal(a.n_pieces, 4);
    suan_result_fini(&r);
    r = generate(session, prompt, n, &p, &b);
    assert_int_equal(r.finish, SUAN_FINISH_CANCELLED);
    assert_int_equal(r.n_ids, 3);
    suan_result_fini(&r);
    assert_int_equal(suan_session_rewind(session, 0, NULL), SUAN_OK);
    suan_session_on_progress(session, cancel_on_progress, session);
    r = generate(session, prompt, n, &p, &c);
    assert_int_equal(r.finish, SUAN_FINISH_CANCELLED);
    assert_int_equal(r.n_ids, 0);
    assert_int_equal(suan_session_position(session), 4);
    suan_result_fini(&r);
    suan_session_on_progress(session, NULL, NULL);
    r = generate(session, prompt, n, &p, &d); /* and the session goes on as if nothing had been */
    assert_string_equal(r.text, FIRST_ANSWER);
    assert_int_equal(r.n_prompt_cached, 4);
    assert_int_equal(r.finish, SUAN_FINISH_STOP);
    suan_result_fini(&r);
    suan_session_close(&session);
}

/* Another thread cancels between two tokens: the callback waits until it has. */
typedef struct meeting {
    suan_session *session;
    atomic_int phase; /* 1: tokens come; 2: cancelled */
    size_t n_pieces;
} meeting;

static void *cancel_when_tokens_come(void *ctx) {
    meeting *m = ctx;
    while (atomic_load(&m->phase) < 1) {}
    suan_session_cancel(m->session);
    atomic_store(&m->phase, 2);
    return NULL;
}

static int meet(void *ctx, const suan_piece *piece) {
    meeting *m = ctx;
    m->n_pieces += piece->id >= 0;
    if (m->n_pieces == 3) atomic_store(&m->phase, 1);
    while (m->n_pieces == 3 && atomic_load(&m->phase) < 2) {}
    return 0;
}

static void test_generate_cancelled_by_another_thread(void **state) {
    (void)state;
    int32_t prompt[64];
    size_t n = first_prompt(prompt, 64);
    meeting m = {.session = seed_session(model, 0, 0)};
    suan_generate_params p;
    suan_generate_params_init(&p);
    p.on_piece = meet;
    p.ctx = &m;
    suan_result r;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_tokens_come, &m), 0);
    assert_int_equal(suan_generate(m.session, prompt, n, &p, &r, NULL), SUAN_OK);
    pthread_join(thread, NULL);
    assert_int_equal(r.finish, SUAN_FINISH_CANCELLED);
    assert_int_equal(r.n_ids, 3);
    suan_result_fini(&r);
    suan_session_close(&m.session);
}

static void test_generate_sampling_depends_on_seed_and_choice_only(void **state) {
    (void)state;
    int32_t prompt[64];
    size_t n = first_prompt(prompt, 64);
    suan_session *session = seed_session(model, 0, 0), *other = seed_session(model, 0, 1);
    suan_generate_params p;
    suan_generate_params_init(&p);
    assert_int_equal(suan_model_sampling(model, &p.sampling, NULL), SUAN_OK);
    assert_true(p.sampling.temperature == 0.7f && p.sampling.top_p == 0.95f);
    p.sampling.seed = 5;
    p.max_tokens = 40;
    seen a = {0}, b = {0}, c = {0}, d = {0};
    suan_result r = generate(session, prompt, n, &p, &a), same = generate(other, prompt, n, &p, &b);
    assert_int_equal(r.n_ids, same.n_ids);
    assert_memory_equal(r.ids, same.ids, r.n_ids * sizeof *r.ids);
    p.sampling.seed = 6;
    suan_result seeded = generate(session, prompt, n, &p, &c);
    assert_string_not_equal(seeded.text, r.text);
    p.sampling.seed = 5;
    p.sampling.choice = 1;
    suan_result chosen = generate(session, prompt, n, &p, &d);
    assert_string_not_equal(chosen.text, r.text);
    suan_result_fini(&r);
    suan_result_fini(&same);
    suan_result_fini(&seeded);
    suan_result_fini(&chosen);
    suan_session_close(&session);
    suan_session_close(&other);
}

static void test_generate_bad_parameters_fail(void **state) {
    (void)state;
    suan_session *session = seed_session(model, 0, 0);
    suan_generate_params p;
    suan_result r;
    suan_error err = {0};
    int32_t prompt[2] = {0, 4096};
    suan_generate_params_init(&p);
    assert_int_equal(suan_generate(session, prompt, 0, &p, &r, &err), SUAN_EINVAL);
    assert_int_equal(suan_generate(session, prompt, 2, &p, &r, &err), SUAN_ERANGE);
    assert_non_null(strstr(err.message, "4096"));
    p.n_logprobs = 257;
    assert_int_equal(suan_generate(session, prompt, 1, &p, &r, &err), SUAN_ERANGE);
    suan_generate_params_init(&p);
    p.sampling.top_p = 2;
    assert_int_equal(suan_generate(session, prompt, 1, &p, &r, &err), SUAN_ERANGE);
    suan_generate_params_init(&p);
    const char *empty = "";
    p.stop = &empty;
    p.n_stop = 1;
    assert_int_equal(suan_generate(session, prompt, 1, &p, &r, &err), SUAN_EINVAL);
    assert_null(r.text);
    suan_session_close(&session);
}

static void test_generate_out_of_memory_fails_cleanly(void **state) {
    (void)state;
    suan_session *session = seed_session(model, 0, 0);
    suan_generate_params p;
    suan_generate_params_init(&p);
    const char *stop = "zebra";
    p.stop = &stop;
    p.n_stop = 1;
    p.max_tokens = 2;
    int32_t prompt[1] = {0};
    int n_failed = 0;
    for (uint64_t n = 1;; n++) {
        suan_result r;
        suan_error err = {0};
        uint64_t before = suan__alloc_count();
        suan__alloc_fail_at(n);
        suan_status status = suan_generate(session, prompt, 1, &p, &r, &err);
        bool reached = suan__alloc_count() - before >= n;
        suan__alloc_fail_at(0);
        if (status == SUAN_OK)
            suan_result_fini(&r);
        else {
            assert_int_equal(status, SUAN_ENOMEM);
            assert_null(r.text);
            n_failed++;
        }
        if (!reached) break;
    }
    assert_true(n_failed >= 3);
    suan_session_close(&session);
}

static int open_model(void **state) {
    (void)state;
    model = seed_open_path(seed_path(""), 2);
    return 0;
}
static int close_model(void **state) {
    (void)state;
    suan_model_close(&model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate_greedy_equals_reference),
        cmocka_unit_test(test_generate_keeps_common_prefix),
        cmocka_unit_test(test_generate_length_and_full_context),
        cmocka_unit_test(test_generate_stop_strings_are_never_emitted),
        cmocka_unit_test(test_generate_holds_half_characters),
        cmocka_unit_test(test_generate_stops_when_told),
        cmocka_unit_test(test_generate_cancelled_by_another_thread),
        cmocka_unit_test(test_generate_sampling_depends_on_seed_and_choice_only),
        cmocka_unit_test(test_generate_bad_parameters_fail),
        cmocka_unit_test(test_generate_out_of_memory_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
