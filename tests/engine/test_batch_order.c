/* A batch step by step: who gets what when, what is shared, limits, and that whatever ends gives everything back within a step. The test takes the turns itself. */
#include "base/memory.h"
#include "batch.h"
#include "engine/batch_internal.h"

static suan_model *model;

static int setup(void **state) {
    model = seed_open_path(seed_path(""), 2);
    return 0;
}

static int teardown(void **state) {
    suan_model_close(&model);
    return 0;
}

static suan_batch *still(suan_batch_options o, uint64_t n_pages) {
    suan_batch *batch;
    suan_error err = {0};
    if (n_pages) o.cache_bytes = n_pages * suan__kv_page_bytes(&model->graph->hp, suan__kv_dtype(o.kv));
    if (suan__batch_create_still(&batch, model, &o, &err) != SUAN_OK) fail_msg("%s", err.message);
    return batch;
}

/* n ids of which the first n_common are those of all clients of that text. */
static client *make(uint64_t text, size_t n_common, uint64_t seed, size_t n) {
    client *c = malloc(sizeof *c);
    int32_t ids[4096];
    random_ids(&text, ids, n_common);
    random_ids(&seed, ids + n_common, n - n_common);
    client_init(c, ids, n);
    c->params.ignore_eos = true;
    c->params.max_tokens = 10;
    return c;
}

static suan_batch_stats stats_of(suan_batch *batch) {
    suan_batch_stats s;
    suan_batch_get_stats(batch, &s);
    return s;
}

static int turns_until(suan_batch *batch, const atomic_bool *flag, int most) {
    int n = 0;
    for (; !atomic_load(flag); n++) {
        if (n == most) fail_msg("not after %d turns", most);
        suan__batch_turn(batch);
    }
    return n;
}

static void finish(suan_batch *batch, client **c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        turns_until(batch, &c[i]->is_over, 10000);
        client_wait(c[i]);
        free(c[i]);
    }
    assert_int_equal(stats_of(batch).pages_used, 0);
    assert_false(suan__batch_turn(batch));
    suan_batch_close(&batch);
}

/* 16 clients with one system prompt at once: it is computed once. Of texts shorter than a page, too. */
static void test_companions_wait_for_a_common_prefix(void **state) {
    for (size_t n_common = 100; n_common <= 700; n_common += 300) {
        suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 16}, 0);
        client *c[16];
        for (uint64_t i = 0; i < 16; i++) {
            c[i] = make(1, n_common, 100 + i, n_common + 20);
            client_submit(c[i], batch);
        }
        for (size_t i = 0; i < 16; i++) turns_until(batch, &c[i]->is_over, 1000);
        suan_batch_stats s = stats_of(batch);
        assert_int_equal(s.prompt_tokens + s.cached_tokens, 16 * (n_common + 20));
        assert_int_equal(s.prompt_tokens, n_common + 16 * 20);
        finish(batch, c, 16);
    }
}

/* I-03: not across owners. */
static void test_owners_do_not_share(void **state) {
    for (int share = 0; share < 2; share++) {
        suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 4, .share_between_owners = share}, 0);
        client *c[4];
        for (uint64_t i = 0; i < 4; i++) {
            c[i] = make(1, 600, 100 + i, 620);
            c[i]->params.owner = i;
            client_submit(c[i], batch);
            turns_until(batch, &c[i]->is_over, 1000);
            assert_int_equal(c[i]->usage.n_cached, share && i > 0 ? 600 : 0);
        }
        assert_int_equal(stats_of(batch).cross_owner_hits > 0, share);
        finish(batch, c, 4);
    }
}

/* I-04: one id decides, wherever it stands: what is taken from the cache ends before it. */
static void test_prefixes_are_compared_whole(void **state) {
    static const size_t places[] = {0, 1, 63, 127, 128, 255, 256, 257, 511, 512, 598};
    suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 2}, 0);
    client *c[1 + sizeof places / sizeof *places];
    const size_t n = sizeof c / sizeof *c;
    for (size_t i = 0; i < n; i++) {
        c[i] = make(1, 600, 1, 600);
        if (i > 0) c[i]->ids[places[i - 1]] ^= 1;
        client_submit(c[i], batch);
        turns_until(batch, &c[i]->is_over, 1000);
        size_t most = i > 0 ? places[i - 1] : 0;
        assert_true(c[i]->usage.n_cached <= most && c[i]->usage.n_cached + 1 >= most); /* a page is not copied for one position */
    }
    finish(batch, c, n);
}

/* Somebody with one request does not wait for another one's hundred. */
static void test_one_request_beside_a_hundred(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 4, .step_tokens = 128}, 0);
    client *c[41];
    for (uint64_t i = 0; i < 40; i++) {
        c[i] = make(i, 0, i, 200);
        c[i]->params.owner = 5;
        c[i]->params.max_tokens = 300;
        client_submit(c[i], batch);
    }
    for (int i = 0; i < 20; i++) suan__batch_turn(batch);
    c[40] = make(99, 0, 99, 200);
    c[40]->params.owner = 3;
    client_submit(c[40], batch);
    int n = turns_until(batch, &c[40]->has_started, 8); /* half of each step, and what is left over */
    assert_true(n >= 2);
    turns_until(batch, &c[40]->is_over, 12);
    assert_true(stats_of(batch).n_preempted == 1);
    for (size_t i = 0; i < 41; i++) suan_request_cancel(c[i]->request);
    finish(batch, c, 41);
}

/* Owners that come in a row: slots go around, and nobody has two before all have one. */
static void test_turns(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 512, .n_sequences = 3}, 0);
    client *c[12];
    for (uint64_t i = 0; i < 12; i++) {
        c[i] = make(i, 0, i, 20);
        c[i]->params.owner = i / 4;
        client_submit(c[i], batch);
    }
    for (size_t i = 0; i < 12; i++) turns_until(batch, &c[i]->is_over, 1000);
    for (int k = 0; k < 3; k++) /* the first of each before the second of any, and so on */
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) assert_true(c[a * 4 + k]->order < c[b * 4 + k + 1]->order);
    finish(batch, c, 12);
}

/* O2: prompts take no more of a step than is left; those who write lose no step. */
static void test_a_long_prompt_stops_nobody(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 4096, .n_sequences = 4, .step_tokens = 64}, 0);
    client *c[2] = {make(1, 0, 1, 10), make(2, 0, 2, 3000)};
    c[0]->params.max_tokens = 60;
    client_submit(c[0], batch);
    turns_until(batch, &c[0]->has_started, 2);
    client_submit(c[1], batch);
    turns_until(batch, &c[0]->is_over, 60);
    int n = turns_until(batch, &c[1]->has_started, 60);
    assert_true(n + 60 <= 3000 / 48);
    finish(batch, c, 2);
}

typedef enum moment { QUEUED, PROMPT, DECODE, PAUSED, PREEMPTED, N_PHASES } moment;

static void bring_to(suan_batch *batch, client *c, client *other, moment phase) {
    if (phase == PROMPT) suan__batch_turn(batch);
    if (phase == DECODE || phase == PAUSED) turns_until(batch, &c->has_started, 20);
    if (phase == PAUSED) {
        suan_request_pause(c->request, true);
        suan__batch_turn(batch);
        size_t n = c->n_pieces;
        for (int i = 0; i < 5; i++) suan__batch_turn(batch);
        assert_int_equal(c->n_pieces, n);
    }
    if (phase == PREEMPTED) {
        turns_until(batch, &c->has_started, 20);
        for (int i = 0; stats_of(batch).n_preempted == 0 && i < 1000; i++) suan__batch_turn(batch);
        assert_int_equal(stats_of(batch).n_preempted, 1);
        assert_true(other->n_ends == 0 && c->n_ends == 0);
    }
}

/* Whatever a request is at, a cancel ends it within a turn, and its pages are back. */
static void test_cancel_in_each_phase(void **state) {
    for (moment phase = QUEUED; phase < N_PHASES; phase++) {
        suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 2, .step_tokens = 100}, 5);
        client *other = make(7, 0, 7, 200), *c = make(8, 0, 8, 500);
        other->params.max_tokens = c->params.max_tokens = phase == PREEMPTED ? 500 : 5;
        if (phase == PREEMPTED) client_submit(other, batch);
        if (phase == PREEMPTED) suan__batch_turn(batch);
        client_submit(c, batch);
        bring_to(batch, c, other, phase);
        suan_request_cancel(c->request);
        suan__batch_turn(batch);
        assert_int_equal(c->n_ends, 1);
        assert_int_equal(c->status, SUAN_STOPPED);
        suan_request_free(&c->request);
        if (phase == PREEMPTED)
            finish(batch, &other, 1);
        else {
            free(other);
            assert_int_equal(stats_of(batch).pages_used, 0);
            assert_int_equal(stats_of(batch).n_cancelled, 1);
            suan_batch_close(&batch);
        }
        free(c);
    }
}

static void test_paused_ones_give_way(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 512, .n_sequences = 1}, 0);
    client *c[2] = {make(1, 0, 1, 20), make(2, 0, 2, 20)};
    client_submit(c[0], batch);
    client_submit(c[1], batch);
    turns_until(batch, &c[0]->has_started, 2);
    suan_request_pause(c[0]->request, true);
    turns_until(batch, &c[1]->is_over, 20);
    assert_false(suan__batch_turn(batch));
    assert_int_equal(stats_of(batch).n_paused, 1);
    suan_request_pause(c[0]->request, false);
    turns_until(batch, &c[0]->is_over, 20);
    assert_int_equal(c[0]->n_pieces, 10);
    finish(batch, c, 2);
}

static void test_time_is_over(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 1}, 0);
    client *c[3] = {make(1, 0, 1, 20), make(2, 0, 2, 20), make(3, 0, 3, 20)};
    c[0]->params.max_tokens = 0;
    c[2]->params.only_prompt = true;
    for (int i = 0; i < 3; i++) {
        c[i]->params.max_seconds = 0.05;
        c[i]->params.n_choices = 2;
        client_submit(c[i], batch);
    }
    turns_until(batch, &c[0]->has_started, 3);
    usleep(60000);
    suan__batch_turn(batch);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(c[i]->n_ends, 1);
        assert_int_equal(c[i]->status, SUAN_OK);
        for (int k = 0; k < 2; k++) assert_true(c[i]->answers[k].time_over && c[i]->answers[k].finish == SUAN_FINISH_LENGTH);
    }
    assert_true(c[0]->n_pieces > 0 && c[1]->n_pieces == 0);
    assert_int_equal(c[2]->status, SUAN_ELIMIT);
    finish(batch, c, 3);
}

static suan_status submit(suan_batch *batch, client *c, const char *sentence) {
    suan_error err = {0};
    suan_status status = suan_batch_submit(batch, &c->params, &c->request, &err);
    if (status != SUAN_OK) assert_null(c->request);
    if (sentence && !strstr(err.message, sentence)) fail_msg("\"%s\", expected \"%s\"", err.message, sentence);
    return status;
}

static void test_limits(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 500, .n_sequences = 1, .n_queued = 3, .queued_tokens = 300, .n_owner = 2}, 0);
    client *c[3], *extra = make(9, 0, 9, 20);
    for (uint64_t i = 0; i < 3; i++) {
        c[i] = make(i, 0, i, 20);
        c[i]->params.owner = i;
        assert_int_equal(submit(batch, c[i], NULL), SUAN_OK);
    }
    extra->params.owner = 3;
    assert_int_equal(submit(batch, extra, "3 requests wait, at most 3 may"), SUAN_ELIMIT);
    suan__batch_turn(batch); /* one is at work */
    extra->params.n_ids = 270;
    assert_int_equal(submit(batch, extra, "prompts of 40 tokens wait, this one has 270, at most 300 may"), SUAN_ELIMIT);
    extra->params.n_ids = 500;
    assert_int_equal(submit(batch, extra, "500 tokens, and one more is to be written, the context of a request holds 500"), SUAN_ECONTEXT);
    assert_int_equal(stats_of(batch).n_refused, 2); /* a request that is wrong is not one that was refused */
    assert_int_equal(stats_of(batch).n_queued, 2);
    assert_int_equal(stats_of(batch).queued_tokens, 40);
    finish(batch, c, 3);
    batch = still((suan_batch_options){.n_ctx = 500, .n_sequences = 1, .n_owner = 2}, 0);
    for (uint64_t i = 0; i < 2; i++) {
        c[i] = make(i, 0, i, 20);
        assert_int_equal(submit(batch, c[i], NULL), SUAN_OK);
    }
    extra->params.n_ids = 20;
    extra->params.owner = 0;
    assert_int_equal(submit(batch, extra, "2 requests of this owner wait or run, at most 2 may"), SUAN_EQUOTA);
    extra->params.owner = 1;
    assert_int_equal(submit(batch, extra, NULL), SUAN_OK);
    c[2] = extra;
    finish(batch, c, 3);
    /* What goes on with work that was taken is bound by none of them, and what comes behind it is, as before. */
    batch = still((suan_batch_options){.n_ctx = 500, .n_sequences = 1, .n_queued = 1, .queued_tokens = 20, .n_owner = 1}, 0);
    c[0] = make(1, 0, 1, 20);
    c[1] = make(2, 0, 1, 20);
    c[1]->params.is_continued = true;
    assert_int_equal(submit(batch, c[0], NULL), SUAN_OK);
    assert_int_equal(submit(batch, c[1], NULL), SUAN_OK);
    extra = make(3, 0, 2, 20);
    assert_int_equal(submit(batch, extra, "2 requests wait, at most 1 may"), SUAN_ELIMIT);
    suan__batch_turn(batch);
    assert_int_equal(submit(batch, extra, "1 requests wait, at most 1 may"), SUAN_ELIMIT);
    free(extra);
    finish(batch, c, 2);
}

static void test_wrong_fields(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 500, .n_sequences = 1}, 0);
    client *c = make(1, 0, 1, 20);
    const suan_request_params good = c->params;
    static const char *const empty[] = {""};
#define WRONG(status, sentence, ...)                                 \
    do {                                                             \
        c->params = good;                                            \
        __VA_ARGS__;                                                 \
        assert_int_equal(submit(batch, c, sentence), SUAN_##status); \
    } while (0)
    WRONG(EINVAL, "the prompt is empty", c->params.n_ids = 0);
    WRONG(ERANGE, "token 3 is -1", c->ids[3] = -1);
    WRONG(ERANGE, "token 3 is 99999999", c->ids[3] = 99999999);
    c->ids[3] = 20;
    WRONG(ERANGE, "n_choices is 0", c->params.n_choices = 0);
    WRONG(ERANGE, "n_choices is 129", c->params.n_choices = 129);
    WRONG(ERANGE, "choice is 4294967295", c->params.sampling.choice = UINT32_MAX);
    WRONG(ERANGE, "n_logprobs is 257", c->params.n_logprobs = 257);
    WRONG(ERANGE, "top_p", c->params.sampling.top_p = 0);
    WRONG(ERANGE, "max_seconds", c->params.max_seconds = NAN);
    WRONG(EINVAL, "stop string 0 is empty", c->params.stop = empty, c->params.n_stop = 1);
    WRONG(EINVAL, "pooling is 3", c->params.pooling = (suan_pooling)3);
    WRONG(EINVAL, "prompt_logprobs", c->params.pooling = SUAN_POOLING_MEAN, c->params.prompt_logprobs = true);
    suan_batch_close(&batch);
    free(c);
}

static void test_options(void **state) {
    suan_batch *batch;
    suan_error err;
    assert_int_equal(suan_batch_create(&batch, model, &(suan_batch_options){.cache_bytes = UINT64_MAX}, &err), SUAN_ENOMEM);
    assert_null(batch);
    assert_non_null(strstr(err.message, "the cache needs"));
    assert_int_equal(suan_batch_create(&batch, model, &(suan_batch_options){.n_ctx = 4096, .cache_bytes = 1 << 20}, &err), SUAN_ENOMEM);
    assert_non_null(strstr(err.message, "a cache for the context needs"));
    assert_int_equal(suan_batch_create(&batch, model, &(suan_batch_options){.n_sequences = 5000}, &err), SUAN_ERANGE);
    assert_int_equal(suan_batch_create(&batch, model, &(suan_batch_options){.kv = (suan_kv_type)9}, &err), SUAN_EINVAL);
    assert_int_equal(suan_batch_create(&batch, model, NULL, &err), SUAN_OK);
    suan_batch_stats s = stats_of(batch);
    assert_int_equal(s.n_ctx, 512);
    assert_int_equal(s.n_sequences, 32);
    assert_int_equal(s.step_tokens, 512);
    assert_string_equal(s.profile, "suan-1 act=q8 kv=f16 round=none");
    assert_int_equal(suan_batch_expert_use(batch, NULL, 0), 6 * 16);
    suan_batch_close(&batch);
    suan_batch_close(&batch); /* nothing is fine */
}

/* However the N-th allocation fails: an error or a failed request, and the batch goes on. */
static void test_out_of_memory(void **state) {
    for (uint64_t n = 1, failed = 1; failed > 0; n++) {
        suan_batch *batch = NULL;
        suan_error err = {0};
        suan__alloc_fail_at(n);
        suan_status status = suan__batch_create_still(&batch, model, &(suan_batch_options){.n_ctx = 512, .n_sequences = 2}, &err);
        suan__alloc_fail_at(0);
        failed = status != SUAN_OK;
        if (failed) assert_int_equal(status, SUAN_ENOMEM);
        suan_batch_close(&batch);
    }
    suan_batch *batch = still((suan_batch_options){.n_ctx = 512, .n_sequences = 2}, 0);
    const char *stops[] = {"never this"};
    int n_refused = 0, n_failed = 0;
    for (uint64_t n = 1;; n++) {
        client *c = make(n, 0, n, 20);
        c->params.stop = stops, c->params.n_stop = 1;
        c->params.n_choices = 2;
        c->params.prompt_logprobs = true;
        c->params.owner = n; /* a new one each time */
        suan__alloc_fail_at(n);
        suan_status status = submit(batch, c, NULL);
        if (status == SUAN_OK) turns_until(batch, &c->is_over, 50);
        suan__alloc_fail_at(0);
        bool is_well = status == SUAN_OK && c->status == SUAN_OK;
        n_refused += status == SUAN_ENOMEM;
        n_failed += status == SUAN_OK && c->status == SUAN_ENOMEM;
        assert_true(is_well || status == SUAN_ENOMEM || c->status == SUAN_ENOMEM);
        suan_request_free(&c->request);
        free(c);
        if (is_well) break;
    }
    assert_true(n_refused > 5 && n_failed > 3);
    client *c = make(1, 0, 1, 20);
    client_submit(c, batch);
    finish(batch, &c, 1);
}

/* Once an answer has begun nothing is allocated for it. */
static void test_no_memory_is_taken_while_answers_are_written(void **state) {
    suan_batch *batch = still((suan_batch_options){.n_ctx = 1024, .n_sequences = 4}, 0);
    const char *stops[] = {"never this", "nor this"};
    client *c[3];
    for (uint64_t i = 0; i < 3; i++) {
        c[i] = make(i, 0, i, 230);
        c[i]->params.stop = stops, c[i]->params.n_stop = 2;
        c[i]->params.sampling.temperature = 1;
        c[i]->params.n_logprobs = 5;
        c[i]->params.max_tokens = 60;
        client_submit(c[i], batch);
    }
    for (size_t i = 0; i < 3; i++) turns_until(batch, &c[i]->has_started, 10);
    uint64_t before = suan__alloc_count();
    for (int i = 0; i < 40; i++) suan__batch_turn(batch);
    assert_int_equal(suan__alloc_count(), before);
    finish(batch, c, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_companions_wait_for_a_common_prefix),
        cmocka_unit_test(test_owners_do_not_share),
        cmocka_unit_test(test_prefixes_are_compared_whole),
        cmocka_unit_test(test_one_request_beside_a_hundred),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_a_long_prompt_stops_nobody),
        cmocka_unit_test(test_cancel_in_each_phase),
        cmocka_unit_test(test_paused_ones_give_way),
        cmocka_unit_test(test_time_is_over),
        cmocka_unit_test(test_no_memory_is_taken_while_answers_are_written),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_wrong_fields),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
