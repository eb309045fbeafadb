/* What a request gets is what it would get alone, bit for bit: random requests in random company, in little memory (I-01, I-02, I-06). Pages that are given back are filled
 * with values that would show (I2). */
#include "../oracle/rows.h"
#include "base/memory.h"
#include "batch.h"
#include "engine/batch_internal.h"

#ifdef SANITIZED
#define REQUESTS 14
#else
#define REQUESTS 36
#endif
#define PREFIXES 4
#define PREFIX 600

static int32_t prefixes[PREFIXES][PREFIX];
static const char *const stops[] = {"e", "the", ".", "qq", " a", "on"};

typedef struct plan {
    suan_batch_options options;
    int n_threads, n_owners;
    bool disturbs; /* cancels, pauses, frees */
    uint64_t seed;
} plan;

static void random_sampling(uint64_t *state, suan_sampling *s) {
    if (chance(state, 4) == 0) return;
    s->temperature = 0.25f * (float)(1 + chance(state, 8));
    s->seed = chance(state, 1000);
    s->choice = chance(state, 3);
    if (chance(state, 2)) s->top_k = (int32_t)chance(state, 60);
    if (chance(state, 2)) s->top_p = 0.1f * (float)(1 + chance(state, 10));
    if (chance(state, 4) == 0) s->min_p = 0.05f;
    if (chance(state, 4) == 0) s->typical_p = 0.9f;
    if (chance(state, 3) == 0) s->repetition_penalty = 1.2f;
    if (chance(state, 4) == 0) s->presence_penalty = 0.5f, s->frequency_penalty = 0.25f;
    if (chance(state, 3) == 0) s->penalty_last_n = -1;
}

static client *random_client(uint64_t *state, const plan *p) {
    client *c = malloc(sizeof *c);
    int32_t ids[4096];
    size_t n = chance(state, 3) == 0 ? 0 : chance(state, PREFIX), suffix = 1 + chance(state, 60);
    if (n + suffix >= p->options.n_ctx) n = p->options.n_ctx - suffix - 1;
    memcpy(ids, prefixes[chance(state, PREFIXES)], n * sizeof *ids);
    if (chance(state, 4) == 0)
        memcpy(ids + n, prefixes[0], suffix * sizeof *ids);
    else
        random_ids(state, ids + n, suffix);
    client_init(c, ids, n + suffix);
    random_sampling(state, &c->params.sampling);
    c->params.n_choices = chance(state, 4) == 0 ? 2 + chance(state, 4) : 1;
    c->params.max_tokens = chance(state, 12) == 0 ? 0 : 1 + chance(state, 60);
    c->params.ignore_eos = chance(state, 2);
    c->params.want_logprobs = chance(state, 2);
    c->params.n_logprobs = chance(state, 3) == 0 ? chance(state, 6) : 0;
    c->params.stop = stops + chance(state, 6);
    c->params.n_stop = c->params.stop == stops + 5 ? 1 : chance(state, 3) == 0;
    c->params.owner = chance(state, (uint32_t)p->n_owners);
    if (chance(state, 7) == 0) {
        c->params.prompt_logprobs = true;
        c->params.only_prompt = chance(state, 2);
    } else if (chance(state, 8) == 0) {
        c->params.pooling = chance(state, 2) ? SUAN_POOLING_MEAN : SUAN_POOLING_LAST;
    }
    if (p->disturbs && chance(state, 6) == 0) c->cancel_after = 1 + chance(state, 10);
    return c;
}

/* What no session does: beside the same request in a batch of its own. */
static void check_prompt(const client *c, suan_model *model, const plan *p) {
    client *alone = malloc(sizeof *alone);
    suan_batch_options o = p->options;
    o.cache_bytes = 0;
    suan_batch *batch = batch_open(model, &o);
    client_init(alone, c->ids, c->params.n_ids);
    void *ctx = alone->params.ctx;
    alone->params = c->params;
    alone->params.ids = alone->ids;
    alone->params.ctx = ctx;
    client_submit(alone, batch);
    client_wait(alone);
    assert_int_equal(alone->status, SUAN_OK);
    if (c->status == SUAN_OK && c->n_ends == 1) {
        assert_int_equal(c->echo.n_ids, alone->echo.n_ids);
        assert_int_equal(c->echo.n_text, alone->echo.n_text);
        assert_int_equal(c->n_values, alone->n_values);
        assert_memory_equal(c->values, alone->values, c->n_values * sizeof(float));
    }
    assert_memory_equal(c->echo.ids, alone->echo.ids, c->echo.n_ids * sizeof(int32_t));
    assert_memory_equal(c->echo.logprobs, alone->echo.logprobs, c->echo.n_ids * sizeof(uint32_t));
    assert_memory_equal(c->echo.tops, alone->echo.tops, c->echo.n_ids * sizeof(uint32_t));
    assert_memory_equal(c->echo.text, alone->echo.text, c->echo.n_text);
    suan_batch_close(&batch);
    free(alone);
}

/* A cancelled one has got the beginning of its answers. */
static void check(const client *c, suan_session *session) {
    if (c->params.only_prompt || c->params.pooling != SUAN_POOLING_NONE) return;
    answer *alone = malloc(sizeof *alone);
    bool is_whole = c->n_ends == 1 && c->status == SUAN_OK;
    for (uint32_t k = 0; k < c->params.n_choices; k++) {
        const answer *is = &c->answers[k];
        answer_alone(c, session, k, alone);
        if (is_whole) {
            assert_true(is->is_over);
            assert_same_answer(is, alone);
        }
        assert_true(is->n_ids <= alone->n_ids && is->n_text <= alone->n_text);
        assert_memory_equal(is->ids, alone->ids, is->n_ids * sizeof *is->ids);
        assert_memory_equal(is->logprobs, alone->logprobs, is->n_ids * sizeof *is->logprobs);
        assert_memory_equal(is->text, alone->text, is->n_text);
    }
    free(alone);
}

static void disturb(uint64_t *state, client **c, size_t n) {
    client *one = c[chance(state, (uint32_t)n)];
    if (!one->request) return;
    switch (chance(state, 5)) {
    case 0:
        suan_request_cancel(one->request);
        break;
    case 1:
        suan_request_pause(one->request, true);
        break;
    case 2:
        suan_request_pause(one->request, false);
        break;
    case 3:
        if (chance(state, 4) == 0) suan_request_free(&one->request);
        break;
    default:
        usleep(chance(state, 2000));
    }
}

static void run(const plan *p, suan_batch_stats *stats) {
    uint64_t state = p->seed;
    suan_model *model = seed_open_path(seed_path(""), p->n_threads);
    suan_batch *batch = batch_open(model, &p->options);
    batch->pages.is_poisoned = true;
    client *c[REQUESTS];
    for (int i = 0; i < PREFIXES; i++) random_ids(&state, prefixes[i], PREFIX);
    for (int i = 1; i < PREFIXES; i++) memcpy(prefixes[i], prefixes[0], (size_t)i * 130 * sizeof(int32_t)); /* alike for a while */
    for (size_t i = 0; i < REQUESTS; i++) {
        c[i] = random_client(&state, p);
        client_submit(c[i], batch);
        if (chance(&state, 4) == 0) usleep(chance(&state, 4000));
        if (p->disturbs) disturb(&state, c, i + 1);
    }
    for (int i = 0; p->disturbs && i < 60; i++) disturb(&state, c, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++)
        if (c[i]->request) suan_request_pause(c[i]->request, false);
    for (size_t i = 0; i < REQUESTS; i++)
        if (c[i]->request) client_wait(c[i]);
    suan_batch_get_stats(batch, stats);
    suan_batch_close(&batch);
    for (size_t i = 0; i < REQUESTS; i++)
        if (c[i]->params.prompt_logprobs || c[i]->params.pooling != SUAN_POOLING_NONE) check_prompt(c[i], model, p);
    suan_session *session = session_like(model, &p->options);
    for (size_t i = 0; i < REQUESTS; i++) {
        check(c[i], session);
        free(c[i]);
    }
    suan_session_close(&session);
    suan_model_close(&model);
}

/* The bytes of so many pages. */
static uint64_t pages(suan_kv_type kv, uint64_t n) {
    suan_model *model = seed_open_path(seed_path(""), 1);
    uint64_t bytes = n * suan__kv_page_bytes(&model->graph->hp, suan__kv_dtype(kv));
    suan_model_close(&model);
    return bytes;
}

static void test_much_memory(void **state) {
    suan_batch_stats stats;
    run(&(plan){.options = {.n_ctx = 768, .n_sequences = 8}, .n_threads = 2, .n_owners = 2, .seed = 1}, &stats);
    assert_int_equal(stats.n_finished, REQUESTS);
    assert_int_equal(stats.cross_owner_hits, 0);
    assert_int_equal(stats.pages_used, 0);
    assert_true(stats.cached_tokens > 0);
}

static void test_little_memory(void **state) {
    suan_batch_stats stats;
    run(&(plan){.options = {.n_ctx = 768, .n_sequences = 6, .cache_bytes = pages(SUAN_KV_F16, 5), .step_tokens = 70},
                .n_threads = 3,
                .n_owners = 3,
                .seed = 2},
        &stats);
    assert_int_equal(stats.n_finished, REQUESTS);
    assert_int_equal(stats.cross_owner_hits, 0);
    assert_int_equal(stats.pages, 5);
    assert_int_equal(stats.pages_used, 0);
    if (REQUESTS == 36) assert_true(stats.n_preempted > 0);
}

static void test_disturbed(void **state) {
    for (uint64_t seed = 0; seed < 4; seed++) {
        suan_batch_stats stats;
        run(&(plan){.options = {.n_ctx = 640,
                                .n_sequences = 2 + (uint32_t)seed * 2,
                                .cache_bytes = pages(SUAN_KV_Q8_0, 4 + 3 * seed),
                                .kv = SUAN_KV_Q8_0,
                                .step_tokens = 24 + 90 * (uint32_t)seed,
                                .share_between_owners = seed == 3,
                                .no_prefix_cache = seed == 2},
                    .n_threads = 1 + (int)seed % 3,
                    .n_owners = 1 + (int)seed,
                    .disturbs = true,
                    .seed = 100 + seed},
            &stats);
        assert_int_equal(stats.n_finished + stats.n_cancelled, REQUESTS);
        assert_int_equal(stats.pages_used, 0);
        assert_int_equal(stats.n_failed, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_much_memory),
        cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_disturbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
