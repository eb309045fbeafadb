/* test_ask.c: asks on the shipped model, without HTTP: prompts, events, stop strings, logprobs, ends. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mock_exchange.h"
#include "serve/ask_list.h"
#include "serve/ask_text.h"
#include "serve/ledger.h"
#include "serve/openai.h"

static suan__server server;
static int n_rows;
static suan__ledger_row last_row;

bool suan__ledger_add(suan__ledger *ledger, const suan__ledger_row *row) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the batch's thread and the test's own */
    pthread_mutex_lock(&lock);
    n_rows++;
    last_row = *row;
    pthread_mutex_unlock(&lock);
    return true;
}

/* ---- what an ask says ---- */

#define MAX_EVENTS 1024

typedef struct heard {
    suan__ask_event_kind kinds[MAX_EVENTS];
    size_t n, n_tokens, n_starts, n_ends, n_choices;
    suan__buf text[8], reasoning[8], token_text[8];
    suan__ask_finish finish[8];
    const char *stop[8];
    suan_usage usage;
    suan__problem problem;
    suan__exchange *leave_at_text; /* the client goes at the first text */
    uint32_t n_values;
    double norm;
} heard;

static void on_event(void *ctx, suan__exchange *x, const suan__ask_event *e) {
    heard *h = ctx;
    assert_true(h->n < MAX_EVENTS && e->choice < 8 && h->n_ends == 0);
    h->kinds[h->n++] = e->kind;
    for (size_t i = 0; i < e->n_tokens; i++) suan__buf_append(&h->token_text[e->choice], e->tokens[i].text, e->tokens[i].n);
    h->n_tokens += e->n_tokens;
    switch (e->kind) {
    case SUAN__ASK_START:
        h->n_starts++;
        break;
    case SUAN__ASK_TEXT:
        suan__buf_append(&h->text[e->choice], e->text, e->n_text);
        if (h->leave_at_text) mock_go(h->leave_at_text);
        break;
    case SUAN__ASK_REASONING:
        suan__buf_append(&h->reasoning[e->choice], e->text, e->n_text);
        break;
    case SUAN__ASK_CHOICE:
        h->n_choices++;
        h->finish[e->choice] = e->finish;
        h->stop[e->choice] = e->stop;
        break;
    case SUAN__ASK_EMBEDDING:
        h->n_values = e->n_values;
        for (uint32_t i = 0; i < e->n_values; i++) h->norm += (double)e->values[i] * (double)e->values[i];
        break;
    case SUAN__ASK_END:
        h->n_ends++;
        h->usage = e->usage;
        h->problem = *e->problem;
        suan__reply(x, 200, "text/plain", "", 0);
        break;
    default:
        break;
    }
}

static void heard_fini(heard *h) {
    for (int i = 0; i < 8; i++) {
        suan__buf_fini(&h->text[i]);
        suan__buf_fini(&h->reasoning[i]);
        suan__buf_fini(&h->token_text[i]);
    }
    *h = (heard){0};
}

static const char *text_of(const suan__buf *b) {
    return b->data ? b->data : "";
}

static json_t *one_message(const char *text) {
    return json_pack("[{s:s, s:s}]", "role", "user", "content", text);
}

/* Until the exchange and what goes with it are gone. */
static void wait_for_none(void) {
    for (int i = 0; i < 2000 && mock_n_alive() > 0; i++) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_int_equal(mock_n_alive(), 0);
}

typedef void set_fn(suan__ask *ask, const void *arg);

static void run(heard *h, set_fn *set, const void *arg) {
    suan__problem problem = {0};
    suan__exchange *x = mock_new(&server, NULL, "{}");
    suan__ask *ask = suan__ask_new(x, on_event, h, NULL);
    assert_non_null(ask);
    ask->params.max_tokens = 40;
    set(ask, arg);
    if (!suan__ask_start(x, ask, &problem)) fail_msg("start: %s", problem.message);
    assert_true(mock_wait(x));
    suan__exchange_free(x);
    wait_for_none();
    assert_int_equal(h->n_ends, 1);
}

static void ask_fox(suan__ask *ask, const void *arg) {
    ask->messages = one_message("Tell me a story about a fox.");
}

/* ---- whole answers ---- */

static void test_ask_events_come_in_order(void **state) {
    heard h = {0};
    n_rows = 0;
    run(&h, ask_fox, NULL);
    assert_int_equal(h.problem.kind, SUAN__PROBLEM_NONE);
    assert_int_equal(h.kinds[0], SUAN__ASK_START);
    assert_int_equal(h.kinds[h.n - 2], SUAN__ASK_CHOICE);
    assert_int_equal(h.kinds[h.n - 1], SUAN__ASK_END);
    assert_int_equal(h.n_choices, 1);
    assert_true(h.text[0].n > 40);
    assert_true(h.usage.n_prompt > 5 && h.usage.n_completion > 5 && h.usage.n_completion <= 40);
    assert_int_equal(n_rows, 1);
    assert_int_equal(last_row.status, 200);
    assert_int_equal(last_row.n_completion, h.usage.n_completion);
    heard_fini(&h);
}

static void ask_with_stop(suan__ask *ask, const void *arg) {
    ask_fox(ask, NULL);
    ask->params.stop = arg;
    ask->params.n_stop = 1;
    ask->params.want_logprobs = true;
}

static void test_ask_stop_string_cuts_the_visible_text(void **state) {
    heard all = {0};
    run(&all, ask_fox, NULL);
    for (size_t from = 4; from + 6 < all.text[0].n; from += 9) {
        char stop[7] = {0};
        const char *stops[1] = {stop};
        memcpy(stop, all.text[0].data + from, 6);
        const char *first = strstr(all.text[0].data, stop);
        heard h = {0};
        run(&h, ask_with_stop, stops);
        assert_int_equal(h.problem.kind, SUAN__PROBLEM_NONE);
        assert_int_equal(h.finish[0], SUAN__ASK_STOP_STRING);
        assert_string_equal(h.stop[0], stop);
        assert_int_equal(h.text[0].n, first - all.text[0].data);
        assert_memory_equal(text_of(&h.text[0]), all.text[0].data, h.text[0].n);
        assert_true(h.usage.n_completion <= all.usage.n_completion);
        /* The tokens end with the one that holds the last byte before the stop string. */
        assert_true(h.token_text[0].n >= h.text[0].n && h.token_text[0].n < h.text[0].n + 16);
        heard_fini(&h);
    }
    heard_fini(&all);
}

static void ask_for_three(suan__ask *ask, const void *arg) {
    ask_fox(ask, NULL);
    ask->params.n_choices = 3;
    ask->params.sampling.temperature = 1;
    ask->params.sampling.seed = 7;
    ask->params.stop = arg;
    ask->params.n_stop = arg ? 1 : 0;
}

static void test_ask_one_finish_for_each_choice(void **state) {
    static const char *const stops[] = {"e"};
    heard all = {0}, h = {0};
    run(&all, ask_for_three, NULL);
    suan_batch_stats before, behind;
    suan_batch_get_stats(server.batch, &before);
    run(&h, ask_for_three, stops);
    suan_batch_get_stats(server.batch, &behind);
    assert_int_equal(behind.completion_tokens - before.completion_tokens, h.usage.n_completion); /* nothing is drawn behind a stop string */
    assert_int_equal(all.n_choices, 3);
    assert_int_equal(h.n_choices, 3);
    assert_string_not_equal(text_of(&all.text[0]), text_of(&all.text[1]));
    for (int i = 0; i < 3; i++) {
        const char *e = strchr(text_of(&all.text[i]), 'e');
        assert_int_equal(h.finish[i], e ? SUAN__ASK_STOP_STRING : all.finish[i]);
        assert_int_equal(h.text[i].n, e ? (size_t)(e - all.text[i].data) : all.text[i].n);
    }
    assert_true(h.usage.n_completion < all.usage.n_completion);
    heard_fini(&all);
    heard_fini(&h);
}

static void ask_plain_three(suan__ask *ask, const void *arg) {
    ask_for_three(ask, arg);
    json_decref(ask->messages);
    ask->messages = NULL;
    ask->text = "Once upon a time";
    ask->n_text = strlen(ask->text);
    ask->plain = true;
    ask->params.want_logprobs = true;
}

static void test_ask_plain_choices_stop_one_by_one(void **state) {
    static const char *const stops[] = {"e"};
    heard all = {0}, h = {0};
    run(&all, ask_plain_three, NULL);
    run(&h, ask_plain_three, stops);
    for (int i = 0; i < 3; i++) {
        const char *e = strchr(text_of(&all.text[i]), 'e');
        assert_int_equal(h.finish[i], e ? SUAN__ASK_STOP_STRING : all.finish[i]);
        assert_int_equal(h.text[i].n, e ? (size_t)(e - all.text[i].data) : all.text[i].n);
        assert_int_equal(strncmp(text_of(&h.token_text[i]), text_of(&h.text[i]), h.text[i].n), 0);
    }
    assert_true(h.usage.n_completion < all.usage.n_completion);
    heard_fini(&all);
    heard_fini(&h);
}

static void ask_plain(suan__ask *ask, const void *arg) {
    ask->text = "Once upon a time";
    ask->n_text = strlen(ask->text);
    ask->plain = true;
    ask->params.want_logprobs = true;
    ask->params.n_logprobs = 2;
    ask->params.prompt_logprobs = arg != NULL;
}

static void test_ask_logprobs_spell_the_text(void **state) {
    heard h = {0}, with_prompt = {0};
    run(&h, ask_plain, NULL);
    assert_int_equal(strncmp(text_of(&h.token_text[0]), text_of(&h.text[0]), h.text[0].n), 0); /* an end token may stand behind it */
    assert_int_equal(h.n_tokens, h.usage.n_completion);
    run(&with_prompt, ask_plain, "prompt");
    suan__buf both = {0};
    suan__buf_printf(&both, "Once upon a time%s", text_of(&h.text[0]));
    const char *spelled = text_of(&with_prompt.token_text[0]);
    assert_non_null(strstr(spelled, both.data)); /* a BOS may stand in front */
    assert_string_equal(text_of(&h.text[0]), text_of(&with_prompt.text[0]));
    suan__buf_fini(&both);
    heard_fini(&h);
    heard_fini(&with_prompt);
}

static void ask_prefilled(suan__ask *ask, const void *arg) {
    ask_fox(ask, NULL);
    json_array_append_new(ask->messages, json_pack("{s:s, s:s}", "role", "assistant", "content", "The fox said"));
    ask->continues_last = true;
}

static void test_ask_prefill_goes_on(void **state) {
    heard plain = {0}, h = {0};
    run(&plain, ask_fox, NULL);
    run(&h, ask_prefilled, NULL);
    assert_true(h.usage.n_prompt > plain.usage.n_prompt);
    assert_true(h.text[0].n > 0);
    assert_string_not_equal(text_of(&h.text[0]), text_of(&plain.text[0]));
    heard_fini(&plain);
    heard_fini(&h);
}

static void ask_embedding(suan__ask *ask, const void *arg) {
    ask->text = "A fox in the snow";
    ask->n_text = strlen(ask->text);
    ask->plain = true;
    ask->params.pooling = SUAN_POOLING_MEAN;
}

static void test_ask_embedding(void **state) {
    heard h = {0};
    run(&h, ask_embedding, NULL);
    assert_int_equal(h.n_values, server.info.n_embd);
    assert_true(fabs(h.norm - 1) < 1e-4);
    assert_int_equal(h.n_choices, 0);
    heard_fini(&h);
}

/* ---- ends ---- */

static void test_ask_client_gone_ends_it(void **state) {
    heard h = {0};
    suan__problem problem = {0};
    suan__exchange *x = mock_new(&server, NULL, "{}");
    suan__ask *ask = suan__ask_new(x, on_event, &h, NULL);
    ask_fox(ask, NULL);
    ask->params.ignore_eos = true;
    h.leave_at_text = x;
    n_rows = 0;
    assert_true(suan__ask_start(x, ask, &problem));
    assert_true(mock_wait(x));
    suan__exchange_free(x);
    wait_for_none();
    assert_int_equal(h.n_ends, 1);
    assert_int_not_equal(h.problem.kind, SUAN__PROBLEM_NONE);
    assert_true(h.usage.n_completion < 10);
    assert_int_equal(n_rows, 1);
    assert_int_equal(last_row.status, 499);
    heard_fini(&h);
}

static void test_ask_slow_reader_pauses_and_goes_on(void **state) {
    heard all = {0}, h = {0};
    suan__problem problem = {0};
    run(&all, ask_fox, NULL);
    suan__exchange *x = mock_new(&server, NULL, "{}");
    suan__ask *ask = suan__ask_new(x, on_event, &h, NULL);
    ask_fox(ask, NULL);
    ask->params.max_tokens = 40;
    assert_true(suan__ask_start(x, ask, &problem));
    for (int i = 0; i < 10; i++) {
        mock_slow(x, true);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        mock_slow(x, false);
    }
    assert_true(mock_wait(x));
    suan__exchange_free(x);
    wait_for_none();
    assert_string_equal(text_of(&h.text[0]), text_of(&all.text[0]));
    heard_fini(&all);
    heard_fini(&h);
}

#define MANY 400

static void ask_a_little(suan__ask *ask, const void *arg) {
    ask_fox(ask, NULL);
    ask->params.ignore_eos = true;
    ask->params.max_tokens = 4;
}

/* More than the queue holds: what is too much is told when to come again, the rest is answered. */
static void test_ask_full_queue_says_when_to_come_again(void **state) {
    heard *h = suan__calloc(MANY, sizeof *h);
    suan__exchange *x[MANY];
    bool is_taken[MANY];
    int n_refused = 0;
    for (int i = 0; i < MANY; i++) {
        suan__problem problem = {0};
        x[i] = mock_new(&server, NULL, "{}");
        suan__ask *ask = suan__ask_new(x[i], on_event, &h[i], NULL);
        ask_a_little(ask, NULL);
        is_taken[i] = suan__ask_start(x[i], ask, &problem);
        if (is_taken[i]) continue;
        n_refused++;
        assert_int_equal(problem.kind, SUAN__PROBLEM_BUSY);
        assert_true(problem.retry_after >= 1 && problem.retry_after <= 100);
    }
    for (int i = 0; i < MANY; i++) {
        if (is_taken[i]) {
            assert_true(mock_wait(x[i]));
            assert_int_equal(h[i].problem.kind, SUAN__PROBLEM_NONE);
            assert_int_equal(h[i].usage.n_completion, 4);
        }
        suan__exchange_free(x[i]);
    }
    wait_for_none();
    for (int i = 0; i < MANY; i++) heard_fini(&h[i]);
    suan__free(h);
    print_message("%d of %d refused\n", n_refused, MANY);
}

/* ---- problems ---- */

static void refused(set_fn *set, const void *arg, suan__problem_kind kind, const char *part) {
    heard h = {0};
    suan__problem problem = {0};
    suan__exchange *x = mock_new(&server, NULL, "{}");
    suan__ask *ask = suan__ask_new(x, on_event, &h, NULL);
    n_rows = 0;
    set(ask, arg);
    assert_false(suan__ask_start(x, ask, &problem));
    assert_int_equal(problem.kind, kind);
    if (!strstr(problem.message, part)) fail_msg("\"%s\" does not say \"%s\"", problem.message, part);
    assert_null(strstr(problem.message, SUAN_SEED));
    suan__exchange_free(x);
    wait_for_none();
    assert_int_equal(h.n, 0);
    assert_int_equal(n_rows, 1);
    assert_int_equal(last_row.status, suan__problem_status(kind));
}

static void ask_too_long(suan__ask *ask, const void *arg) {
    static int32_t ids[600];
    for (int i = 0; i < 600; i++) ids[i] = 100;
    ask->ids = ids;
    ask->n_ids = 600;
    ask->plain = true;
}
static void ask_wrong_id(suan__ask *ask, const void *arg) {
    static const int32_t ids[] = {100, 4096};
    ask->ids = ids;
    ask->n_ids = 2;
    ask->plain = true;
}
static void ask_for_template(suan__ask *ask, const void *arg) {
    ask_fox(ask, NULL);
    ask->template_extra = json_pack("{s:s}", (const char *)arg, "x");
}
static void ask_role(suan__ask *ask, const void *arg) {
    ask->messages = json_pack("[{s:s, s:s}]", "role", "robot", "content", "x");
}
static void ask_image(suan__ask *ask, const void *arg) {
    ask->messages = json_pack("[{s:s, s:[{s:s, s:{s:s}}]}]", "role", "user", "content", "type", "image_url", "image_url", "url", "x");
}
static void ask_bad_schema(suan__ask *ask, const void *arg) {
    ask_fox(ask, NULL);
    ask->format = SUAN__FORMAT_JSON_SCHEMA;
    ask->format_text = "{\"type\": 7}";
    ask->n_format_text = strlen(ask->format_text);
}

/* Marks of reasoning in a request are words, and cost what words cost. */
static void ask_marks(suan__ask *ask, const void *arg) {
    suan__buf text = {0};
    for (int i = 0; i < 200000; i++) suan__buf_append(&text, "<think>", 7);
    ask->messages = one_message(text.data);
    ask->think = 0;
    suan__buf_fini(&text);
}

static void test_ask_problems_are_named(void **state) {
    refused(ask_too_long, NULL, SUAN__PROBLEM_CONTEXT, "600");
    refused(ask_too_long, NULL, SUAN__PROBLEM_CONTEXT, "512");
    refused(ask_marks, NULL, SUAN__PROBLEM_CONTEXT, "512");
    refused(ask_wrong_id, NULL, SUAN__PROBLEM_INVALID, "4096");
    static const char *const shadows[] = {"messages", "tools", "chat_template", "bos_token", "add_generation_prompt"};
    for (size_t i = 0; i < sizeof shadows / sizeof *shadows; i++) refused(ask_for_template, shadows[i], SUAN__PROBLEM_INVALID, shadows[i]);
    refused(ask_role, NULL, SUAN__PROBLEM_INVALID, "messages[0]");
    refused(ask_image, NULL, SUAN__PROBLEM_UNSUPPORTED, "image_url");
    refused(ask_bad_schema, NULL, SUAN__PROBLEM_INVALID, "type");
}

/* ---- text on its way ---- */

/* Feeds text cut at random; the text that came through. */
static suan__buf through(const char *text, size_t n, const suan__stops *stops, unsigned seed, const char **stop) {
    suan__ask_text t;
    suan__buf out = {0};
    srand(seed);
    assert_true(suan__ask_text_init(&t, stops));
    for (size_t at = 0; at < n;) {
        size_t k = 1 + (size_t)rand() % 5;
        if (k > n - at) k = n - at;
        assert_true(suan__ask_text_feed(&t, text + at, k));
        suan__buf_append(&out, t.buf.data ? t.buf.data : "", t.n_ready);
        suan__ask_text_taken(&t);
        at += k;
    }
    if (!t.stop) {
        assert_true(suan__ask_text_flush(&t));
        suan__buf_append(&out, t.buf.data ? t.buf.data : "", t.n_ready);
    }
    if (stop) *stop = t.stop;
    suan__ask_text_fini(&t);
    return out;
}

static void test_ask_text_makes_characters_whole(void **state) {
    static const char bytes[] = "a\xc3\xa9\xe2\x98\x83\xf0\x9f\xa6\x8a\xff"
                                "b\xe2\x98"
                                "c\xf0\x9f\xa6";
    static const char clean[] = "a\xc3\xa9\xe2\x98\x83\xf0\x9f\xa6\x8a\xef\xbf\xbd"
                                "b\xef\xbf\xbd";
    for (unsigned seed = 0; seed < 300; seed++) {
        suan__buf out = through(bytes, sizeof bytes - 1, NULL, seed, NULL);
        assert_memory_equal(out.data, clean, sizeof clean - 1);
        assert_memory_equal(out.data + out.n - 3, "\xef\xbf\xbd", 3);
        assert_non_null(memchr(out.data, 'c', out.n));
        suan__buf_fini(&out);
    }
}

static void test_ask_text_stops_do_not_depend_on_cuts(void **state) {
    static const char *const strings[] = {"abcabd", "cab", "\xe2\x98\x83!", "zz"};
    static const struct {
        const char *text, *visible, *stop;
    } cases[] = {{"xxabcabcabdyy", "xxab", "cab"},
                 {"xxabxab", "xxabxab", NULL},
                 {"\xe2\x98\x83\xe2\x98\x83!", "\xe2\x98\x83", "\xe2\x98\x83!"},
                 {"z", "z", NULL},
                 {"zzz", "", "zz"},
                 {"", "", NULL}};
    suan__stops stops;
    assert_true(suan__stops_init(&stops, strings, 4));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned seed = 0; seed < 100; seed++) {
            const char *stop;
            suan__buf out = through(cases[i].text, strlen(cases[i].text), &stops, seed, &stop);
            assert_int_equal(out.n, strlen(cases[i].visible));
            assert_memory_equal(text_of(&out), cases[i].visible, out.n);
            if (cases[i].stop)
                assert_string_equal(stop, cases[i].stop);
            else
                assert_null(stop);
            suan__buf_fini(&out);
        }
    }
    suan__stops_fini(&stops);
}

/* ---- handlers without HTTP ---- */

static suan__exchange *request(suan__handler *handler, const char *body) {
    static const suan__route route = {"POST", "/", &suan__openai_dialect, NULL, 0, NULL, ""};
    suan__exchange *x = mock_new(&server, &route, body);
    handler(x);
    assert_true(mock_wait(x));
    assert_int_equal(mock_n_replies(x), 1);
    return x;
}

/* Any body gets one reply, whatever is left out of it or put into it. */
static void test_ask_mutated_requests_get_one_reply(void **state) {
    static const char *const seeds[] = {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,\"stop\":["
                                        "\"a\"],\"n\":2,\"logit_bias\":{\"5\":1}}",
                                        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,"
                                        "\"stream\":true,\"logprobs\":true,\"top_logprobs\":2}"};
    static const char *const values[] = {"null", "-1",     "1e300", "[]", "{}", "\"\"", "true", "[[[[]]]]", "9007199254740993",
                                         "0.5",  "[null]", "[{}]"};
    size_t n = 0;
    for (size_t s = 0; s < 2; s++) {
        json_t *seed = json_loads(seeds[s], 0, NULL), *member;
        const char *name;
        json_object_foreach(seed, name, member) {
            for (size_t v = 0; v < sizeof values / sizeof *values; v++, n++) {
                json_t *body = json_deep_copy(seed);
                json_object_set_new(body, name, json_loads(values[v], JSON_DECODE_ANY, NULL));
                char *text = json_dumps(body, JSON_COMPACT);
                suan__exchange *x = request(suan__openai_chat, text);
                assert_true(mock_status(x) == 200 || mock_status(x) == 400 || mock_status(x) == 404);
                suan__exchange_free(x);
                free(text);
                json_decref(body);
            }
        }
        json_decref(seed);
    }
    wait_for_none();
    print_message("%zu requests\n", n);
}

static void test_ask_completion_of_many_prompts(void **state) {
    suan__buf body = {0};
    suan__buf_printf(&body, "{\"model\":\"m\",\"max_tokens\":1,\"echo\":true,\"logprobs\":1,\"prompt\":[");
    for (int i = 0; i < 100; i++) suan__buf_printf(&body, "%s[%d,%d,%d]", i ? "," : "", 100 + i, 200 + i, 300);
    suan__buf_printf(&body, "]}");
    suan__exchange *x = request(suan__openai_completions, body.data);
    assert_int_equal(mock_status(x), 200);
    json_error_t why;
    json_t *reply = json_loads(mock_text(x, NULL), JSON_ALLOW_NUL, &why);
    if (!reply) fail_msg("%s: %.300s", why.text, mock_text(x, NULL));
    json_t *choices = json_object_get(reply, "choices");
    assert_int_equal(json_array_size(choices), 100);
    for (size_t i = 0; i < 100; i++) {
        json_t *choice = json_array_get(choices, i), *logprobs = json_object_get(choice, "logprobs");
        assert_int_equal(json_integer_value(json_object_get(choice, "index")), i);
        size_t n = json_array_size(json_object_get(logprobs, "token_logprobs"));
        assert_int_equal(n, 4); /* the token that was drawn is there even where it ends the text */
        assert_true(json_is_null(json_array_get(json_object_get(logprobs, "token_logprobs"), 0)));
        assert_int_equal(json_array_size(json_object_get(logprobs, "top_logprobs")), n);
    }
    json_decref(reply);
    suan__exchange_free(x);
    suan__buf_fini(&body);
    wait_for_none();
}

/* ---- */

static int open_all(void **state) {
    suan_error err = {0};
    size_t n = 0;
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    options.n_threads = 1;
    if (suan_model_open(&server.model, SUAN_SEED, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan_model_get_info(server.model, &server.info);
    const char *source = suan_tokenizer_chat_template(suan_model_tokenizer(server.model), NULL, &n);
    server.syntax = suan_answer_syntax_of(source, n);
    server.config.model_name = "m";
    server.config.currency = "EUR";
    suan_sampling_init(&server.config.sampling);
    server.ledger = (suan__ledger *)&server; /* suan__ledger_add is this test's own */
    suan_batch_options batch = SUAN_BATCH_OPTIONS_INIT;
    if (suan_batch_create(&server.batch, server.model, &batch, &err) != SUAN_OK) fail_msg("%s", err.message);
    return 0;
}

static int close_all(void **state) {
    suan_batch_close(&server.batch);
    suan_model_close(&server.model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ask_events_come_in_order),
        cmocka_unit_test(test_ask_stop_string_cuts_the_visible_text),
        cmocka_unit_test(test_ask_one_finish_for_each_choice),
        cmocka_unit_test(test_ask_plain_choices_stop_one_by_one),
        cmocka_unit_test(test_ask_logprobs_spell_the_text),
        cmocka_unit_test(test_ask_prefill_goes_on),
        cmocka_unit_test(test_ask_embedding),
        cmocka_unit_test(test_ask_client_gone_ends_it),
        cmocka_unit_test(test_ask_slow_reader_pauses_and_goes_on),
        cmocka_unit_test(test_ask_full_queue_says_when_to_come_again),
        cmocka_unit_test(test_ask_problems_are_named),
        cmocka_unit_test(test_ask_text_makes_characters_whole),
        cmocka_unit_test(test_ask_text_stops_do_not_depend_on_cuts),
        cmocka_unit_test(test_ask_mutated_requests_get_one_reply),
        cmocka_unit_test(test_ask_completion_of_many_prompts),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
