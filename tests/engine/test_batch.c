/* A batch with few requests: what they are told, in which order, and every way in which they end. */
#include "batch.h"
#include "engine/engine.h"
#include "engine/sampler.h"

static suan_model *model;
static suan_session *session;
static const suan_batch_options small = {.n_ctx = 1024, .n_sequences = 4};

static int setup(void **state) {
    model = seed_open_path(seed_path(""), 2);
    session = session_like(model, &small);
    return 0;
}

static int teardown(void **state) {
    suan_session_close(&session);
    suan_model_close(&model);
    return 0;
}

static client *new_client(size_t n_ids, uint64_t seed) {
    client *c = malloc(sizeof *c);
    int32_t ids[4096];
    uint64_t state = seed;
    random_ids(&state, ids, n_ids);
    client_init(c, ids, n_ids);
    return c;
}

static void test_one_request_is_as_alone(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *c = new_client(40, 1);
    answer alone;
    c->params.max_tokens = 24;
    c->params.want_logprobs = true;
    c->params.n_logprobs = 5;
    client_submit(c, batch);
    client_wait(c);
    answer_alone(c, session, 0, &alone);
    assert_same_answer(&c->answers[0], &alone);
    assert_int_equal(c->status, SUAN_OK);
    assert_int_equal(c->usage.n_prompt, 40);
    assert_int_equal(c->usage.n_cached, 0);
    assert_int_equal(c->usage.n_completion, alone.n_ids);
    assert_true(c->usage.bytes_read > 0 && c->usage.operations > 0 && c->usage.busy_seconds > 0);
    free(c);
    suan_batch_close(&batch);
}

static void test_a_prompt_is_not_computed_twice(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *first = new_client(600, 2), *again = new_client(600, 2), *other = new_client(600, 2);
    answer alone;
    first->params.max_tokens = again->params.max_tokens = other->params.max_tokens = 8;
    other->params.owner = 7;
    client_submit(first, batch);
    client_wait(first);
    client_submit(again, batch);
    client_wait(again);
    client_submit(other, batch);
    client_wait(other);
    answer_alone(first, session, 0, &alone);
    assert_int_equal(first->usage.n_cached, 0);
    assert_int_equal(again->usage.n_cached, 599);
    assert_int_equal(other->usage.n_cached, 0);
    assert_same_answer(&first->answers[0], &alone);
    assert_same_answer(&again->answers[0], &alone);
    assert_same_answer(&other->answers[0], &alone);
    suan_batch_stats stats;
    suan_batch_get_stats(batch, &stats);
    assert_int_equal(stats.n_finished, 3);
    assert_int_equal(stats.cross_owner_hits, 0);
    assert_int_equal(stats.pages_used, 0);
    assert_true(stats.pages_cached >= 6);
    free(first), free(again), free(other);
    suan_batch_close(&batch);
}

static void test_choices_share_a_prompt(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *c = new_client(300, 3);
    answer alone;
    c->params.max_tokens = 20;
    c->params.n_choices = 7; /* more than there are slots */
    c->params.sampling.temperature = 1;
    c->params.sampling.seed = 11;
    c->params.sampling.choice = 3;
    client_submit(c, batch);
    client_wait(c);
    for (uint32_t i = 0; i < 7; i++) {
        answer_alone(c, session, i, &alone);
        assert_same_answer(&c->answers[i], &alone);
        assert_true(c->answers[i].is_over);
    }
    suan_batch_stats stats;
    suan_batch_get_stats(batch, &stats);
    assert_true(stats.prompt_tokens < 300 + 7);
    free(c);
    suan_batch_close(&batch);
}

static void test_stop_strings_and_lengths(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *c = new_client(1000, 4), *s = new_client(30, 5);
    const char *stops[] = {"zzzz", " the", "e"};
    answer alone;
    c->params.ignore_eos = true; /* the context ends it */
    s->params.stop = stops, s->params.n_stop = 3;
    s->params.ignore_eos = true;
    s->params.max_tokens = 200;
    client_submit(c, batch);
    client_submit(s, batch);
    client_wait(c);
    client_wait(s);
    answer_alone(c, session, 0, &alone);
    assert_same_answer(&c->answers[0], &alone);
    assert_true(c->answers[0].context_full);
    assert_int_equal(c->answers[0].n_ids, 25);
    answer_alone(s, session, 0, &alone);
    assert_same_answer(&s->answers[0], &alone);
    assert_true(alone.finish == SUAN_FINISH_STOP && (strcmp(s->answers[0].stop, "e") == 0 || strcmp(s->answers[0].stop, " the") == 0));
    free(c), free(s);
    suan_batch_close(&batch);
}

/* Logprobs of the prompt: those that an answer of the same tokens has. */
static void test_prompt_logprobs(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *c = new_client(20, 6), *e = new_client(20, 6);
    c->params.max_tokens = 300;
    c->params.ignore_eos = c->params.want_logprobs = true;
    c->params.n_logprobs = 2;
    client_submit(c, batch);
    client_wait(c);
    memcpy(e->ids + 20, c->answers[0].ids, 300 * sizeof(int32_t));
    e->params.n_ids = 320;
    e->params.only_prompt = e->params.prompt_logprobs = e->params.want_logprobs = true;
    e->params.n_logprobs = 2;
    client_submit(e, batch);
    client_wait(e);
    assert_int_equal(e->status, SUAN_OK);
    assert_int_equal(e->echo.n_ids, 320);
    assert_int_equal(e->echo.logprobs[0], 1); /* none */
    assert_memory_equal(e->echo.ids, e->ids, 320 * sizeof(int32_t));
    assert_memory_equal(e->echo.logprobs + 20, c->answers[0].logprobs, 300 * sizeof(uint32_t));
    assert_memory_equal(e->echo.tops + 20, c->answers[0].tops, 300 * sizeof(uint32_t));
    assert_int_equal(e->answers[0].n_ids, 0);
    assert_false(e->answers[0].is_over);
    free(c), free(e);
    suan_batch_close(&batch);
}

static void embed(const suan_batch_options *o, suan_pooling pooling, client **made) {
    suan_batch *batch = batch_open(model, o);
    client *c = new_client(500, 8);
    c->params.pooling = pooling;
    client_submit(c, batch);
    client_wait(c);
    assert_int_equal(c->status, SUAN_OK);
    assert_int_equal(c->n_values, 192);
    double sum = 0;
    for (uint32_t i = 0; i < c->n_values; i++) sum += (double)c->values[i] * (double)c->values[i];
    assert_true(fabs(sum - 1) < 1e-5);
    *made = c;
    suan_batch_close(&batch);
}

static void test_embeddings_do_not_depend_on_steps(void **state) {
    client *a, *b;
    for (int pooling = SUAN_POOLING_MEAN; pooling <= SUAN_POOLING_LAST; pooling++) {
        embed(&small, (suan_pooling)pooling, &a);
        embed(&(suan_batch_options){.n_ctx = 512, .n_sequences = 1, .step_tokens = 17}, (suan_pooling)pooling, &b);
        assert_memory_equal(a->values, b->values, 192 * sizeof(float));
        free(a), free(b);
    }
}

static void test_cancels(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *c = new_client(30, 9), *d = new_client(30, 10);
    c->params.ignore_eos = d->params.ignore_eos = true;
    c->cancel_after = 5;
    client_submit(c, batch);
    client_submit(d, batch);
    wait_for(&d->has_started);
    suan_request_cancel(d->request);
    client_wait(c);
    client_wait(d);
    assert_int_equal(c->status, SUAN_STOPPED);
    assert_int_equal(d->status, SUAN_STOPPED);
    assert_int_equal(c->answers[0].n_ids, 5);
    free(c), free(d);
    suan_batch_close(&batch);
}

static void test_close_ends_what_runs(void **state) {
    suan_batch *batch = batch_open(model, &small);
    client *c[8];
    for (int i = 0; i < 8; i++) {
        c[i] = new_client(300, 20);
        c[i]->params.ignore_eos = true;
        client_submit(c[i], batch);
    }
    wait_for(&c[0]->has_started);
    for (int i = 0; i < 8; i += 2) suan_request_free(&c[i]->request);
    int n_ends = c[0]->n_ends;
    for (int i = 1; i < 8; i += 2) {
        suan_request_cancel(c[i]->request);
        client_wait(c[i]);
        assert_int_equal(c[i]->status, SUAN_STOPPED);
    }
    assert_int_equal(c[0]->n_ends, n_ends);
    suan_batch_close(&batch);
    for (int i = 0; i < 8; i++) free(c[i]);
}

/* A draw by hand: masks, the sampler, a feed. */
static void write_by_hand(const client *c, const suan_vocabulary *v, uint32_t choice, answer *a) {
    suan_matcher *matcher;
    suan__sampler *sampler;
    suan_error err = {0};
    suan_sampling sampling = c->params.sampling;
    uint32_t n_vocab = session->model->graph->hp.n_vocab, *mask = calloc(suan_mask_words(n_vocab), sizeof *mask);
    memset(a, 0, sizeof *a);
    sampling.choice += choice;
    assert_int_equal(suan__sampler_create(&sampler, n_vocab, &err), SUAN_OK);
    assert_int_equal(suan_matcher_create(&matcher, c->params.grammar, v, &err), SUAN_OK);
    assert_int_equal(suan_session_rewind(session, 0, &err), SUAN_OK);
    assert_int_equal(suan_session_feed(session, c->ids, c->params.n_ids, &err), SUAN_OK);
    for (;;) {
        bool is_free;
        uint32_t at = suan_session_position(session);
        assert_int_equal(suan_matcher_mask(matcher, mask, &is_free, &err), SUAN_OK);
        int32_t id = suan__sampler_draw_masked(sampler, &sampling, is_free ? NULL : mask, suan_session_logits(session),
                                               suan_session_ids(session), at, at);
        a->ids[a->n_ids++] = id;
        assert_int_equal(suan_matcher_accept(matcher, id, &err), SUAN_OK);
        if (suan__model_is_eog(session->model, id) || suan_matcher_is_over(matcher) || a->n_ids == c->params.max_tokens) break;
        assert_int_equal(suan_session_feed(session, &id, 1, &err), SUAN_OK);
    }
    suan_matcher_free(matcher);
    suan__sampler_free(sampler);
    free(mask);
}

static void test_grammars(void **state) {
    suan_batch *batch = batch_open(model, &small);
    suan_vocabulary *v;
    suan_error err = {0};
    static const char *const forms[] = {"(red|green|blue)( and (red|green|blue)){2,5}", "[0-9]{3}-[0-9]{4}", "[a-z ]{1,30}[.]"};
    client *c[6];
    assert_int_equal(suan_vocabulary_create(&v, model->tokenizer, &err), SUAN_OK);
    for (size_t i = 0; i < 6; i++) {
        c[i] = new_client(30 + 7 * i, 40 + i);
        c[i]->params.n_choices = 1 + (uint32_t)i % 3;
        c[i]->params.max_tokens = 40;
        c[i]->params.sampling.temperature = i % 2 ? 1 : 0;
        c[i]->params.ignore_eos = i == 2;
        if (suan_grammar_from_regex(&c[i]->params.grammar, forms[i % 3], strlen(forms[i % 3]), &err) != SUAN_OK)
            fail_msg("%s", err.message);
        client_submit(c[i], batch);
    }
    for (size_t i = 0; i < 6; i++) client_wait(c[i]);
    for (size_t i = 0; i < 6; i++) {
        answer alone;
        assert_int_equal(c[i]->status, SUAN_OK);
        for (uint32_t k = 0; k < c[i]->params.n_choices; k++) {
            write_by_hand(c[i], v, k, &alone);
            assert_int_equal(c[i]->answers[k].n_ids, alone.n_ids);
            assert_memory_equal(c[i]->answers[k].ids, alone.ids, alone.n_ids * sizeof *alone.ids);
        }
        if (i % 3 == 1) assert_true(c[i]->answers[0].n_text == 8 && c[i]->answers[0].text[3] == '-');
        suan_grammar_free(c[i]->params.grammar);
        free(c[i]);
    }
    suan_batch_close(&batch);
    suan_vocabulary_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_request_is_as_alone),
        cmocka_unit_test(test_a_prompt_is_not_computed_twice),
        cmocka_unit_test(test_choices_share_a_prompt),
        cmocka_unit_test(test_stop_strings_and_lengths),
        cmocka_unit_test(test_prompt_logprobs),
        cmocka_unit_test(test_embeddings_do_not_depend_on_steps),
        cmocka_unit_test(test_grammars),
        cmocka_unit_test(test_cancels),
        cmocka_unit_test(test_close_ends_what_runs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
