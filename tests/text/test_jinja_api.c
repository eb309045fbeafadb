/* test_jinja_api.c: the public functions: messages with lines, variables and their precedence, limits, memory failures. */
#include "jinja_test.h"

#include <pthread.h>
#include <unistd.h>

#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER
#endif
#endif

static void expect_error(const char *source, const char *request, suan_status status, const char *part) {
    suan_rendered r;
    suan_error err = {0};
    assert_int_equal(jinja_render(source, request, &r, &err), status);
    assert_null(r.text);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, part)) fail_msg("%s: the message '%s' lacks '%s'", source, err.message, part);
}

static void test_jinja_errors_name_the_line(void **state) {
    (void)state;
    expect_error("a\nb\n{{ nope.x }}", "{}", SUAN_ETEMPLATE, "t, line 3: 'nope' is undefined");
    expect_error("a\n{% if x %}\n\n", "{}", SUAN_ETEMPLATE, "the {% if %} of line 2 is not closed");
    expect_error("{% for x in y %}\n{{ x + 1 }}\n{% endfor %}", "{\"y\": [1, \"a\"]}", SUAN_ETEMPLATE, "line 2: can only concatenate str");
    expect_error("{{ raise_exception('No ' ~ x) }}", "{\"x\": \"way\"}", SUAN_ETEMPLATE, "No way");
    expect_error("\n{% include 'x' %}", "{}", SUAN_ETEMPLATE, "line 2: {% include %} is not supported");
    expect_error("\xff", "{}", SUAN_ETEMPLATE, "not valid UTF-8");
}

static void test_jinja_raised_message_is_the_whole_message(void **state) {
    suan_rendered r;
    suan_error err = {0};
    (void)state;
    assert_int_equal(jinja_render("\n{{ raise_exception('Roles must alternate') }}", "{}", &r, &err), SUAN_ETEMPLATE);
    assert_string_equal(err.message, "Roles must alternate");
}

static void test_jinja_bad_requests_are_refused(void **state) {
    char deep[512];
    (void)state;
    expect_error("x", "", SUAN_EINVAL, "request");
    expect_error("x", "[]", SUAN_EINVAL, "expected a JSON object");
    expect_error("x", "{\"a\": 1, \"a\": 2}", SUAN_EINVAL, "duplicate");
    expect_error("x", "{\"a\": 99999999999999999999}", SUAN_EINVAL, "too big integer");
    expect_error("x", "{\"a\": \"\xff\"}", SUAN_EINVAL, "decode byte 0xff");
    memset(deep, '[', 200);
    memcpy(deep, "{\"a\":", 5);
    deep[200] = 0;
    expect_error("x", deep, SUAN_ELIMIT, "nested deeper");
}

static void test_jinja_request_wins_over_tokens(void **state) {
    static const suan_template_token tokens[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    suan_template_options o = {.tokens = tokens, .n_tokens = 2};
    suan_rendered r;
    (void)state;
    assert_int_equal(jinja_render_text("{{ bos_token }}{{ eos_token }}", 30, "{\"bos_token\": \"B\"}", &o, &r, NULL), SUAN_OK);
    assert_string_equal(r.text, "B</s>");
    assert_int_equal(r.n_spans, 2);
    assert_false(r.spans[0].trusted);
    assert_true(r.spans[1].trusted);
    suan_rendered_free(&r);
    suan_rendered_free(&r);
    suan_rendered_free(NULL);
    suan_template_free(NULL);
}

static void test_jinja_extra_variables_are_merged(void **state) {
    suan_template_options o = {.extra = "{\"thinking\": false, \"a\": 2}", .n_extra = 27};
    suan_rendered r;
    (void)state;
    assert_int_equal(jinja_render_text("{{ thinking }}{{ a }}{{ b }}", 28, "{\"a\": 1, \"b\": 3}", &o, &r, NULL), SUAN_OK);
    assert_string_equal(r.text, "False23");
    assert_int_equal(r.n_spans, 1);
    assert_false(r.spans[0].trusted);
    suan_rendered_free(&r);
}

static void test_jinja_limits_are_limits(void **state) {
    suan_error err = {0};
    suan_rendered r;
    static const char loop[] = "{% for i in range(1000) %}abcdefgh{% endfor %}";
    (void)state;
    suan_template_options steps = {.max_steps = 500}, output = {.max_output_bytes = 4000}, memory = {.max_value_bytes = 1000};
    assert_int_equal(jinja_render_text(loop, strlen(loop), "{}", &steps, &r, &err), SUAN_ELIMIT);
    assert_non_null(strstr(err.message, "steps"));
    assert_int_equal(jinja_render_text(loop, strlen(loop), "{}", &output, &r, &err), SUAN_ELIMIT);
    assert_non_null(strstr(err.message, "4000"));
    assert_int_equal(jinja_render_text(loop, strlen(loop), "{}", &memory, &r, &err), SUAN_ELIMIT);
    assert_non_null(strstr(err.message, "memory"));
    output.max_output_bytes = 8000;
    assert_int_equal(jinja_render_text(loop, strlen(loop), "{}", &output, &r, &err), SUAN_OK);
    assert_int_equal(r.n, 8000);
    suan_rendered_free(&r);
}

static void test_jinja_long_conversation_fits_default_limits(void **state) {
    /* 2,000 messages of 1,000 characters, with the scans over all messages that templates make. */
    static const char source[] =
        "{% set ns = namespace(last=-1, text='') %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif "
        "%}"
        "{% endfor %}{% for m in messages %}<|{{ m.role }}|>{% set c = m['content']|trim %}{% if '</think>' in c %}{% set c = "
        "c.split('</think>')[-1] %}{% endif %}{{ c }}{% set ns.text = ns.text + c %}{% endfor %}{{ ns.text|length }}";
    json_t *messages = json_array(), *request = json_object();
    char content[1001];
    suan_rendered r;
    suan_error err = {0};
    (void)state;
    memset(content, 'x', 1000);
    content[1000] = 0;
    for (int i = 0; i < 2000; i++)
        json_array_append_new(messages, json_pack("{s:s,s:s}", "role", i % 2 ? "assistant" : "user", "content", content));
    json_object_set_new(request, "messages", messages);
    char *text = json_dumps(request, 0);
    if (jinja_render(source, text, &r, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_true(r.n > 2000000);
    suan_rendered_free(&r);
    free(text);
    json_decref(request);
}

static void test_jinja_every_failed_allocation_is_an_error(void **state) {
    static const char source[] =
        "{% macro m(a) %}{{ a|upper }}{% endmacro %}{% for x in y %}{{ m(x) ~ x|tojson }}{% endfor %}{{ y|join(',') * 5000 }}";
    static const char request[] = "{\"y\": [\"a\", \"b\", {\"c\": 1.5}]}";
    (void)state;
    for (uint64_t n = 1; n < 10000; n++) {
        suan_template *t;
        suan_rendered r = {0};
        suan_error err = {0};
        suan__alloc_fail_at(n);
        suan_status status = suan_template_create(&t, source, strlen(source), "t", &err);
        if (status == SUAN_OK) status = suan_template_render(t, request, strlen(request), NULL, &r, &err);
        suan__alloc_fail_at(0);
        suan_template_free(t);
        bool done = status == SUAN_OK;
        if (!done) assert_int_equal(status, SUAN_ENOMEM);
        suan_rendered_free(&r);
        if (done) {
            assert_true(n > 4);
            return;
        }
    }
    fail_msg("never succeeded");
}

/* Deep nesting on a small stack: an error, not an overflow. */
static void *render_deep(void *arg) {
    static const char deep_equality[] = "{% set ns = namespace(x=[], y=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}"
                                        "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}";
    const char *const sources[] = {
        "{% macro m(k) %}{{ m(k + 1) }}{% endmacro %}{{ m(0) }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        deep_equality,
        "{% for a in t recursive %}{{ loop(t) }}{% endfor %}",
    };
    static const char *const repeated[][3] = {
        {"(", "1", ")"},           {"[", "", "]"},    {"-", "1", ""},  {"not ", "1", ""}, {"1+", "1", ""},
        {"1 if 1 else ", "1", ""}, {"", "x", "|abs"}, {"", "x", ".a"}, {"{1:", "2", "}"}, {"x(", "", ")"},
    };
    uintptr_t *n_wrong = arg;
    suan_rendered r;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        *n_wrong += jinja_render(sources[i], "{\"t\": [1]}", &r, NULL) != SUAN_ELIMIT;
        suan_rendered_free(&r);
    }
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        suan__buf b = {0};
        suan__buf_printf(&b, "{{ ");
        for (int k = 0; k < 100000; k++) suan__buf_append(&b, repeated[i][0], strlen(repeated[i][0]));
        suan__buf_append(&b, repeated[i][1], strlen(repeated[i][1]));
        for (int k = 0; k < 100000; k++) suan__buf_append(&b, repeated[i][2], strlen(repeated[i][2]));
        suan__buf_printf(&b, " }}");
        *n_wrong += jinja_render(b.data, "{}", &r, NULL) != SUAN_ELIMIT;
        suan_rendered_free(&r);
        suan__buf_fini(&b);
    }
    return NULL;
}

static void run_with_stack(size_t bytes) {
    pthread_attr_t attr;
    pthread_t thread;
    uintptr_t n_wrong = 0;
    assert_int_equal(pthread_attr_init(&attr), 0);
    /* Some systems want more for any thread. */
    long least = sysconf(_SC_THREAD_STACK_MIN);
    if (least > 0 && bytes < (size_t)least) bytes = (size_t)least;
    assert_int_equal(pthread_attr_setstacksize(&attr, bytes), 0);
    assert_int_equal(pthread_create(&thread, &attr, render_deep, &n_wrong), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    assert_int_equal(n_wrong, 0);
}

static void test_jinja_deep_nesting_fits_any_stack(void **state) {
    (void)state;
#ifdef HAS_ADDRESS_SANITIZER
    run_with_stack(256 << 10); /* the sanitizer's own functions need more than 64 KiB */
#else
    run_with_stack(64 << 10);
#endif
    run_with_stack(8 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja_errors_name_the_line),
        cmocka_unit_test(test_jinja_raised_message_is_the_whole_message),
        cmocka_unit_test(test_jinja_bad_requests_are_refused),
        cmocka_unit_test(test_jinja_request_wins_over_tokens),
        cmocka_unit_test(test_jinja_extra_variables_are_merged),
        cmocka_unit_test(test_jinja_limits_are_limits),
        cmocka_unit_test(test_jinja_long_conversation_fits_default_limits),
        cmocka_unit_test(test_jinja_every_failed_allocation_is_an_error),
        cmocka_unit_test(test_jinja_deep_nesting_fits_any_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
