/* A limit on reasoning: what is forced, that nothing else changes, that all ways to an answer agree; and choices that end by themselves. */
#include "batch.h"
#include "suan/grammar.h"

static suan_model *model;
static suan_session *session;
static const suan_batch_options small = {.n_ctx = 1024, .n_sequences = 4};
static const char closing[] = "\n</think>\n\n";

static suan_think_limit limit_of(uint32_t budget, const char *prompt) {
    return (suan_think_limit){budget, SUAN_ANSWER_HERMES, prompt, strlen(prompt), closing, closing};
}

static client *new_client(uint64_t seed, const suan_think_limit *think) {
    client *c = malloc(sizeof *c);
    int32_t ids[48];
    random_ids(&seed, ids, 48);
    client_init(c, ids, 48);
    c->params.max_tokens = 60;
    c->params.ignore_eos = c->params.want_logprobs = true;
    c->params.sampling.temperature = 1;
    c->params.think = think;
    return c;
}

static size_t ids_of(const char *text, int32_t ids[32]) {
    size_t n;
    suan_error err;
    assert_int_equal(suan_tokenizer_encode(suan_model_tokenizer(model), text, strlen(text), SUAN_TOKENIZE_PARSE_SPECIAL, ids, 32, &n, &err),
                     SUAN_OK);
    return n;
}

/* Up to the budget the answer is the same as without; then the closing's tokens come, then something of the model's own, with the budget or not. */
static void test_closed_at_the_budget(void **state) {
    static const uint32_t budgets[] = {0, 1, 7, 33};
    int32_t close[32];
    size_t n_close = ids_of(closing, close);
    suan_batch *batch = batch_open(model, &small);
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        suan_think_limit think = limit_of(budgets[i], "Q: ..\n<think>\n");
        client *free_one = new_client(9, NULL), *limited = new_client(9, &think);
        answer alone;
        client_submit(free_one, batch);
        client_submit(limited, batch);
        client_wait(free_one);
        client_wait(limited);
        const answer *a = &limited->answers[0], *f = &free_one->answers[0];
        assert_int_equal(a->n_ids, 60);
        assert_memory_equal(a->ids, f->ids, budgets[i] * sizeof *a->ids);
        assert_memory_equal(a->ids + budgets[i], close, n_close * sizeof *close);
        assert_memory_not_equal(a->ids, f->ids, 60 * sizeof *a->ids);
        assert_int_equal(limited->usage.n_completion, 60);
        answer_alone(limited, session, 0, &alone);
        assert_same_answer(a, &alone);
        free(free_one), free(limited);
    }
    suan_batch_close(&batch);
}

/* Answers that have not opened their reasoning, or closed it, are left alone. */
static void test_text_is_not_limited(void **state) {
    static const char *const prompts[] = {"Q: ..\n", "<think>\n\n</think>\n\n", "<think> is what I said"};
    suan_batch *batch = batch_open(model, &small);
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        suan_think_limit think = limit_of(3, prompts[i]);
        client *free_one = new_client(5, NULL), *limited = new_client(5, &think);
        client_submit(free_one, batch);
        client_submit(limited, batch);
        client_wait(free_one);
        client_wait(limited);
        assert_same_answer(&limited->answers[0], &free_one->answers[0]);
        free(free_one), free(limited);
    }
    suan_batch_close(&batch);
}

/* Reasoning that the model opens itself counts from behind its mark: the mark is made to come by a grammar. */
static void test_opened_by_the_model(void **state) {
    static const char gbnf[] = "root ::= \"<think>\" [a-z ]{100} \"!\" | \"<think>\" [a-z ]* \"\\n</think>\\n\\n\" [0-9]{5}";
    suan_batch *batch = batch_open(model, &small);
    suan_think_limit think = limit_of(4, "Q:");
    suan_grammar *g;
    suan_error err = {0};
    if (suan_grammar_from_gbnf(&g, gbnf, sizeof gbnf - 1, &err) != SUAN_OK) fail_msg("%s", err.message);
    client *c = new_client(6, &think);
    c->params.grammar = g;
    client_submit(c, batch);
    client_wait(c);
    const char *text = c->answers[0].text, *end = strstr(text, closing);
    assert_memory_equal(text, "<think>", 7);
    assert_non_null(end);
    size_t n_text = (size_t)(end - text), n_tokens = 0, at = 0;
    while (at < n_text) {
        size_t n;
        assert_non_null(suan_tokenizer_token_bytes(suan_model_tokenizer(model), c->answers[0].ids[n_tokens], &n));
        n_tokens++;
        at += n;
    }
    int32_t open[32];
    size_t n_open = ids_of("<think>", open);
    assert_true(n_tokens >= 4 + 1 && n_tokens <= 4 + (n_open > 7 ? n_open : 7));
    assert_int_equal(strspn(end + sizeof closing - 1, "0123456789"), 5);
    assert_int_equal(c->answers[0].n_text, n_text + sizeof closing - 1 + 5);
    suan_grammar_free(g);
    free(c);
    suan_batch_close(&batch);
}

/* Tokens that begin with < are not drawn where another one may come. */
static size_t bias_against_marks(suan_logit_bias bias[256]) {
    const suan_tokenizer *t = suan_model_tokenizer(model);
    size_t n_bias = 0;
    for (uint32_t id = 0; id < suan_tokenizer_n_vocab(t); id++) {
        size_t n;
        const char *bytes = suan_tokenizer_token_bytes(t, (int32_t)id, &n);
        if (n > 0 && bytes[0] == '<' && n_bias < 256) bias[n_bias++] = (suan_logit_bias){(int32_t)id, -1000};
    }
    return n_bias;
}

/* Harmony: the channel analysis is closed, and closed again where the model opens it again. The marks come by a grammar: one analysis or two, then the final message. */
static void test_channels(void **state) {
    static const char *const gbnf[] = {"root ::= think \"<|channel|>final<|message|>\" [0-9]{5}\n"
                                       "think ::= \"<|channel|>analysis<|message|>\" [a-z ]* \"<|end|><|start|>assistant\"",
                                       "root ::= think think \"<|channel|>final<|message|>\" [0-9]{5}\n"
                                       "think ::= \"<|channel|>analysis<|message|>\" [a-z ]* \"<|end|><|start|>assistant\""};
    static const char start[] = "<|start|>assistant", final[] = "<|channel|>final<|message|>";
    const size_t n_marks[] = {strlen("<|channel|>analysis<|message|><|end|><|start|>assistant"),
                              2 * strlen("<|channel|>analysis<|message|><|end|><|start|>assistant")};
    suan_batch *batch = batch_open(model, &small);
    for (int i = 0; i < 2; i++) {
        suan_think_limit think = {.budget = 3, .syntax = SUAN_ANSWER_HARMONY, .prompt = start, .n_prompt = sizeof start - 1};
        think.close = suan_answer_think_end(SUAN_ANSWER_HARMONY, NULL, 0, i == 1, &think.reopen);
        suan_grammar *g;
        suan_error err = {0};
        if (suan_grammar_from_gbnf(&g, gbnf[i], strlen(gbnf[i]), &err) != SUAN_OK) fail_msg("%s", err.message);
        suan_logit_bias bias[256];
        size_t n_bias = bias_against_marks(bias);
        for (uint64_t seed = 1; seed <= 2; seed++) { /* without the limit, then with it */
            client *whole = new_client(seed, NULL), *c = new_client(seed, &think);
            whole->params.grammar = c->params.grammar = g;
            whole->params.sampling.logit_bias = c->params.sampling.logit_bias = bias;
            whole->params.sampling.n_logit_bias = c->params.sampling.n_logit_bias = n_bias;
            whole->params.max_tokens = c->params.max_tokens = 200;
            client_submit(whole, batch);
            client_submit(c, batch);
            client_wait(whole);
            client_wait(c);
            const char *end = strstr(c->answers[0].text, final);
            assert_non_null(end);
            assert_int_equal(strspn(end + sizeof final - 1, "0123456789"), 5);
            assert_true((size_t)(end - c->answers[0].text) <= n_marks[i] + 60); /* tokens are of 20 bytes at most */
            assert_int_equal(whole->answers[0].finish, SUAN_FINISH_LENGTH);
            free(whole), free(c);
        }
        suan_grammar_free(g);
    }
    suan_batch_close(&batch);
}

/* A grammar that does not let the reasoning end goes before. */
static void test_grammars_go_before(void **state) {
    suan_batch *batch = batch_open(model, &small);
    suan_think_limit think = limit_of(2, "<think>");
    suan_grammar *g;
    suan_error err = {0};
    assert_int_equal(suan_grammar_from_regex(&g, "[a-z]{40}", 9, &err), SUAN_OK);
    client *c = new_client(6, &think);
    c->params.grammar = g;
    client_submit(c, batch);
    client_wait(c);
    assert_int_equal(c->status, SUAN_OK);
    assert_int_equal(strspn(c->answers[0].text, "abcdefghijklmnopqrstuvwxyz"), 40);
    suan_grammar_free(g);
    free(c);
    suan_batch_close(&batch);
}

static void test_what_is_refused(void **state) {
    suan_batch *batch = batch_open(model, &small);
    suan_think_limit think = limit_of(2, "<think>");
    suan_error err = {0};
    think.close = "";
    client *c = new_client(6, &think);
    assert_int_equal(suan_batch_submit(batch, &c->params, &c->request, &err), SUAN_EINVAL);
    assert_non_null(strstr(err.message, "think"));
    free(c);
    suan_batch_close(&batch);
}

/* ---- choices that end by themselves ---- */

typedef struct ender {
    client c;
    size_t lengths[MAX_CHOICES];
} ender;

static int end_some(void *ctx, const suan_event *e) {
    ender *d = ctx;
    int r = client_event(&d->c, e);
    if (e->kind == SUAN_EVENT_PIECE && d->lengths[e->choice] && d->c.answers[e->choice].n_ids == d->lengths[e->choice])
        suan_request_end_choice(d->c.request, e->choice);
    return r;
}

static void test_choices_end_by_themselves(void **state) {
    static const size_t lengths[MAX_CHOICES] = {5, 0, 1, 30, 0, 12, 0};
    suan_batch *batch = batch_open(model, &small);
    ender *d = malloc(sizeof *d);
    client *c = new_client(11, NULL);
    d->c = *c;
    d->c.params.ids = d->c.ids;
    memcpy(d->lengths, lengths, sizeof lengths);
    d->c.params.n_choices = c->params.n_choices = 7;
    d->c.params.on_event = end_some;
    d->c.params.ctx = d;
    client_submit(&d->c, batch);
    client_wait(&d->c);
    client_submit(c, batch);
    client_wait(c);
    assert_int_equal(d->c.status, SUAN_OK);
    size_t total = 0;
    for (uint32_t i = 0; i < 7; i++) {
        const answer *a = &d->c.answers[i], *whole = &c->answers[i];
        size_t n = lengths[i] ? lengths[i] : 60;
        total += n;
        assert_true(a->is_over);
        assert_int_equal(a->n_ids, n);
        assert_memory_equal(a->ids, whole->ids, n * sizeof *a->ids);
        assert_int_equal(a->finish, lengths[i] ? SUAN_FINISH_STOP : SUAN_FINISH_LENGTH);
    }
    assert_int_equal(d->c.usage.n_completion, total);
    free(c), free(d);
    suan_batch_close(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_at_the_budget),      cmocka_unit_test(test_text_is_not_limited),
        cmocka_unit_test(test_opened_by_the_model),       cmocka_unit_test(test_grammars_go_before),
        cmocka_unit_test(test_what_is_refused),           cmocka_unit_test(test_channels),
        cmocka_unit_test(test_choices_end_by_themselves),
    };
    model = seed_open_path(seed_path(""), 2);
    session = session_like(model, &small);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    suan_session_close(&session);
    suan_model_close(&model);
    return n_failed;
}
