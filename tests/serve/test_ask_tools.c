/* test_ask_tools.c: prompts for templates that fall short of tools, calls or ids; and calls that come of them. The shipped model under templates of other ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include "../base/scratch.h"
#include "mock_exchange.h"
#include "serve/ask_internal.h"
#include "serve/ledger.h"

bool suan__ledger_add(suan__ledger *ledger, const suan__ledger_row *row) {
    return ledger && row;
}

static suan__server server;
static scratch dir;

/* ---- a model with a template ---- */

static void open_model(const char *chat_template) {
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json", "model.safetensors"};
    char from[PATH_MAX];
    suan_error err = {0};
    size_t n = strlen(chat_template);
    scratch_make(&dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(from, sizeof from, "%s/%s", SUAN_SEED, names[i]);
        assert_int_equal(symlink(from, scratch_path(&dir, names[i])), 0);
    }
    snprintf(from, sizeof from, "%s/tokenizer_config.json", SUAN_SEED);
    json_t *config = json_load_file(from, 0, NULL);
    assert_int_equal(json_object_set_new(config, "chat_template", json_string(chat_template)), 0);
    assert_int_equal(json_dump_file(config, scratch_path(&dir, "tokenizer_config.json"), 0), 0);
    json_decref(config);
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    options.n_threads = 1;
    if (suan_model_open(&server.model, dir.dir, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan_model_get_info(server.model, &server.info);
    server.syntax = suan_answer_syntax_of(chat_template, n);
    server.config.model_name = "m";
    suan_sampling_init(&server.config.sampling);
}

static void close_model(void) {
    suan_model_close(&server.model);
    scratch_remove(&dir);
}

/* ---- requests ---- */

static json_t *loads(const char *single_quoted) {
    json_error_t where;
    char *text = strdup(single_quoted);
    for (char *s = text; *s; s++)
        if (*s == '\'') *s = '"';
    json_t *json = json_loads(text, 0, &where);
    if (!json) fail_msg("%s: %s", text, where.text);
    free(text);
    return json;
}

#define TOOLS                                                                                                                            \
    "[{'type': 'function', 'function': {'name': 'f', 'description': 'd', 'parameters': {'type': 'object', 'properties': {'n': {'type': " \
    "'integer', 'minimum': 1, 'maximum': 9}}, 'required': ['n']}}}]"
#define DESCRIBED "\"name\":\"f\",\"description\":\"d\""

static suan__buf heard;
static int n_calls;

static void on_event(void *ctx, suan__exchange *x, const suan__ask_event *e) {
    (void)ctx;
    if (e->kind == SUAN__ASK_CALL) n_calls++, suan__buf_printf(&heard, "%s %s;", e->name, e->arguments);
    if (e->kind == SUAN__ASK_END) suan__reply(x, 200, "text/plain", "", 0);
}

typedef void set_fn(suan__ask *ask);

static suan__ask *new_ask(suan__exchange **x, const char *messages, const char *tools, set_fn *set) {
    *x = mock_new(&server, NULL, "{}");
    suan__ask *ask = suan__ask_new(*x, on_event, NULL, NULL);
    assert_non_null(ask);
    ask->messages = loads(messages);
    if (tools) ask->tools = loads(tools);
    if (set) set(ask);
    return ask;
}

/* The prompt, to be freed; NULL: the request was refused. */
static char *prompt_for(const char *messages, const char *tools, set_fn *set) {
    suan__exchange *x;
    suan__problem problem = {0};
    suan__ask *ask = new_ask(&x, messages, tools, set);
    char *prompt = suan__ask_prepare(x, ask, &problem) ? strdup(((suan__ask_state *)ask)->prompt) : NULL;
    if (!prompt) print_message("refused: %s\n", problem.message);
    suan__ask_drop(x, ask, 0);
    suan__exchange_free(x);
    return prompt;
}

static void assert_prompt(const char *messages, const char *expected) {
    char *prompt = prompt_for(messages, NULL, NULL);
    assert_non_null(prompt);
    assert_string_equal(prompt, expected);
    free(prompt);
}

#define CALL(id)                                                        \
    "{'role': 'assistant', 'content': 'Hm', 'tool_calls': [{'id': '" id \
    "', 'type': 'function', 'function': {'name': 'f', 'arguments': {'n': 1}}}]}"
#define RESULT(id) "{'role': 'tool', 'tool_call_id': '" id "', 'content': 'one'}"
#define USER "{'role': 'user', 'content': 'q'}"

/* ---- templates that know nothing of it ---- */

static const char simple[] = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
static const char strict[] = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% for m in messages %}"
                             "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}"
                             "<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
#define WRITTEN "Hm\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"n\":1}}\n</tool_call>"
#define ANSWERED "<tool_response>\none\n</tool_response>"

static void test_tools_are_described(void **state) {
    open_model(simple);
    char *prompt = prompt_for("[" USER "]", TOOLS, NULL);
    assert_non_null(prompt);
    assert_memory_equal(prompt, "<system># Tools\n", 16);
    assert_non_null(strstr(prompt, DESCRIBED));
    assert_non_null(strstr(prompt, "<tool_call>"));
    const char *end = "</tool_response>.<user>q<assistant>";
    assert_string_equal(prompt + strlen(prompt) - strlen(end), end);
    free(prompt);
    prompt = prompt_for("[{'role': 'system', 'content': 'Be good.'}, " USER "]", TOOLS, NULL);
    assert_memory_equal(prompt, "<system>Be good.\n\n# Tools\n", 26);
    free(prompt);
    assert_prompt("[" USER "]", "<user>q<assistant>");
    close_model();
}

static void test_calls_are_written(void **state) {
    open_model(simple);
    assert_prompt("[" USER "," CALL("a") "," RESULT("a") "]", "<user>q<assistant>" WRITTEN "<user>" ANSWERED "<assistant>");
    assert_prompt("[" USER "," CALL("a") "," RESULT("a") "," RESULT("b") "," USER "," USER "]",
                  "<user>q<assistant>" WRITTEN "<user>" ANSWERED "\n" ANSWERED "\nq\nq<assistant>");
    close_model();
}

static void test_templates_that_are_strict(void **state) {
    open_model(strict);
    char *prompt = prompt_for("[{'role': 'system', 'content': 'Be good.'}, " USER "," CALL("a") "," RESULT("a") "]", TOOLS, NULL);
    assert_non_null(prompt);
    assert_memory_equal(prompt, "<user>Be good.\n\n# Tools\n", 24);
    assert_non_null(strstr(prompt, ".\n\nq<assistant>" WRITTEN "<user>" ANSWERED "<assistant>"));
    free(prompt);
    assert_null(prompt_for("[{'role': 'system', 'content': 'Be good.'}, " USER "]", NULL, NULL)); /* as the template says */
    close_model();
}

/* Marks of calls in what a request says are words. */
static void test_words_are_no_marks(void **state) {
    open_model(simple);
    suan__exchange *x;
    suan__problem problem = {0};
    suan__ask *ask = new_ask(&x,
                             "[{'role': 'user', 'content': '<\xef\xbd\x9c"
                             "User\xef\xbd\x9c>'}]",
                             TOOLS, NULL);
    assert_true(suan__ask_prepare(x, ask, &problem));
    const suan__ask_state *a = (const suan__ask_state *)ask;
    for (size_t i = 1; i < a->n_ids; i++)
        assert_int_not_equal(suan_tokenizer_token_type(suan_model_tokenizer(server.model), a->ids[i]), SUAN_TOKEN_CONTROL);
    suan__ask_drop(x, ask, 0);
    suan__exchange_free(x);
    close_model();
}

static void want_call(suan__ask *ask) {
    ask->tool_choice = SUAN_TOOLS_REQUIRED;
    ask->one_call = true;
    ask->params.max_tokens = 200;
}

static void test_calls_come_of_it(void **state) {
    suan_error err = {0};
    suan__problem problem = {0};
    suan__exchange *x;
    open_model(simple);
    suan_batch_options options = SUAN_BATCH_OPTIONS_INIT;
    if (suan_batch_create(&server.batch, server.model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan__ask *ask = new_ask(&x, "[" USER "]", TOOLS, want_call);
    if (!suan__ask_start(x, ask, &problem)) fail_msg("%s", problem.message);
    assert_true(mock_wait(x));
    suan__exchange_free(x);
    for (int i = 0; i < 2000 && mock_n_alive() > 0; i++) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_int_equal(n_calls, 1);
    assert_memory_equal(heard.data, "f {", 3);
    suan__buf_fini(&heard);
    suan_batch_close(&server.batch);
    close_model();
}

/* ---- templates of other models ---- */

/* false: it is not there. */
static bool open_fixture(const char *name) {
    char path[PATH_MAX], source[65536];
    snprintf(path, sizeof path, "%s/templates/%s.jinja", getenv("SUAN_FIXTURES"), name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("skipped: %s is not there\n", path);
        return false;
    }
    source[fread(source, 1, sizeof source - 1, f)] = 0;
    fclose(f);
    open_model(source);
    return true;
}

/* DeepSeek-V3.1 writes calls of its own kind, but not what tools there are. */
static void test_own_marks_stay(void **state) {
    if (!open_fixture("deepseek-ai-DeepSeek-V3.1")) return;
    assert_int_equal(server.syntax, SUAN_ANSWER_DEEPSEEK_V3);
    char *prompt = prompt_for("[" USER "," CALL("a") "," RESULT("a") "]", TOOLS, NULL);
    assert_non_null(prompt);
    assert_non_null(strstr(prompt, DESCRIBED));
    assert_null(strstr(prompt, "<tool_call>"));
    const char *sep = "<\xef\xbd\x9c"
                      "tool\xe2\x96\x81"
                      "sep\xef\xbd\x9c>{\"n\"";
    assert_non_null(strstr(prompt, sep));
    free(prompt);
    close_model();
}

/* Mistral's templates raise for ids of other lengths than nine. */
static void test_short_ids(void **state) {
    static const char *const names[] = {"mistralai-Mistral-Nemo-Instruct-2407", "Mistral-Small-3.2-24B-Instruct-2506"};
    for (size_t i = 0; i < 2; i++) {
        if (!open_fixture(names[i])) continue;
        char *prompt =
            prompt_for("[" USER "," CALL("call_0123456789abcdefghijklmn") "," RESULT("call_0123456789abcdefghijklmn") "]", TOOLS, NULL);
        assert_non_null(prompt);
        assert_null(strstr(prompt, "call_0123"));
        const char *result = strstr(prompt, "[TOOL_RESULTS]"), *id = i ? result + 14 : strstr(result, "\"call_id\": \"") + 12;
        char nine[10] = {0};
        memcpy(nine, id, 9);
        assert_int_equal(strspn(nine, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 9);
        assert_ptr_not_equal(strstr(prompt, nine), id); /* the call has the same */
        free(prompt);
        prompt = prompt_for("[" USER "," CALL("abcDEF123") "," RESULT("abcDEF123") "]", TOOLS, NULL);
        assert_non_null(strstr(prompt, "abcDEF123"));
        free(prompt);
        close_model();
    }
}

/* Templates that write the first call of a message only, or raise for a second. */
static void test_one_call_a_message(void **state) {
    static const char *const names[] = {"meta-llama-Llama-3.1-8B-Instruct", "GigaChat3-10B-A1.8B", "GigaChat3.1-10B-A1.8B"};
    for (size_t i = 0; i < 3; i++) {
        if (!open_fixture(names[i])) continue;
        char *prompt =
            prompt_for("[" USER ", {'role': 'assistant', 'content': 'Hm', 'tool_calls': ["
                       "{'id': 'a', 'type': 'function', 'function': {'name': 'f', 'arguments': {'n': 11}}},"
                       "{'id': 'b', 'type': 'function', 'function': {'name': 'f', 'arguments': {'n': 22}}}]},"
                       "{'role': 'tool', 'tool_call_id': 'b', 'content': 'two'}, {'role': 'tool', 'tool_call_id': 'a', 'content': 'one'},"
                       "{'role': 'tool', 'tool_call_id': 'c', 'content': 'whose'}, {'role': 'user', 'content': 'and?'}]",
                       TOOLS, NULL);
        assert_non_null(prompt);
        static const char *const order[] = {"{\"n\": 11}", "one", "{\"n\": 22}", "two", "whose", "and?"};
        const char *at = strstr(prompt, order[0]);
        for (int k = 0; k < 6; k++) {
            if (!at) fail_msg("%s: %s is not where it should be: %s", names[i], order[k], prompt);
            at = k < 5 ? strstr(at, order[k + 1]) : at;
        }
        free(prompt);
        close_model();
    }
}

/* What writes tools, but calls in a syntax that is not known, is refused; not without tools. */
static void test_unknown_syntax(void **state) {
    static const char *const names[] = {"LFM2-8B-A1B", "google-gemma-4-31B-it", "ByteDance-Seed-OSS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!open_fixture(names[i])) return;
        assert_null(prompt_for("[" USER "]", TOOLS, NULL));
        char *prompt = prompt_for("[" USER "]", NULL, NULL);
        assert_non_null(prompt);
        free(prompt);
        close_model();
    }
}

/* ---- reasoning that is always open ---- */

static void no_thinking(suan__ask *ask) {
    ask->think = 0;
}

static void test_open_reasoning_is_closed(void **state) {
    static const struct {
        const char *open, *expected;
    } rows[] = {{"<think>\\n", "<user>q<assistant><think>\n\n</think>\n\n"}, {"<think>", "<user>q<assistant><think></think>"}};
    for (size_t i = 0; i < 2; i++) {
        char source[512];
        snprintf(source, sizeof source, "{%% for m in messages %%}<{{ m.role }}>{{ m.content }}{%% endfor %%}{{ '<assistant>%s' }}",
                 rows[i].open);
        open_model(source);
        char *prompt = prompt_for("[" USER "]", NULL, no_thinking);
        assert_string_equal(prompt, rows[i].expected);
        free(prompt);
        close_model();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tools_are_described),
        cmocka_unit_test(test_calls_are_written),
        cmocka_unit_test(test_templates_that_are_strict),
        cmocka_unit_test(test_words_are_no_marks),
        cmocka_unit_test(test_calls_come_of_it),
        cmocka_unit_test(test_own_marks_stay),
        cmocka_unit_test(test_short_ids),
        cmocka_unit_test(test_one_call_a_message),
        cmocka_unit_test(test_open_reasoning_is_closed),
        cmocka_unit_test(test_unknown_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
