/* test_templates.c: chat templates and requests made to harm: rows J-01 to J-05 of the list of published flaws. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/cmocka_all.h"
#include "base/memory.h"
#include "suan/template.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOWDOWN 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOWDOWN 10
#endif
#endif
#ifndef SLOWDOWN
#define SLOWDOWN 1
#endif
#define MAX_MS (100 * SLOWDOWN)

static suan_status render(const char *source, const char *request, const suan_template_options *o, suan_rendered *r, suan_error *err) {
    suan_template *t;
    *r = (suan_rendered){0};
    suan_status status = suan_template_create(&t, source, strlen(source), "t", err);
    if (status != SUAN_OK) return status;
    status = suan_template_render(t, request, strlen(request), o, r, err);
    suan_template_free(t);
    return status;
}

/* Processor time of this thread, in milliseconds. */
static double now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* An error, with a message, in less than 100 ms of processor time. */
static void expect_quick_error(const char *name, const char *source, suan_status status) {
    suan_rendered r;
    suan_error err = {0};
    double begin = now_ms();
    suan_status got = render(source, "{}", NULL, &r, &err);
    double took = now_ms() - begin;
    suan_rendered_free(&r);
    if (got == SUAN_OK) fail_msg("%s: rendered", name);
    if (status != SUAN_OK && got != status) fail_msg("%s: status %d (%s), expected %d", name, got, err.message, status);
    assert_true(err.message[0] != 0);
    if (getenv("SUAN_TEST_VERBOSE")) print_message("%6.1f ms %.90s\n", took, name);
    if (took >= MAX_MS) fail_msg("%s: %.1f ms", name, took);
}

/* CVE-2024-34359: a template reaches through attributes for the interpreter around it. */
static void test_J_01_nothing_of_the_host_is_reachable(void **state) {
    static const char *const sources[] = {
        "{{ lipsum.__globals__[\"os\"].popen('id').read() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ().__class__.__bases__[0].__subclasses__() }}",
        "{{ x.__class__.__init__.__globals__ }}",
        "{{ ''|attr('__class__')|attr('__mro__')|list|first|attr('x') + 1 }}",
        "{{ (''|attr('__class__')).y }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ cycler('a').__init__.__globals__.os }}",
        "{{ joiner.__init__.__globals__.os }}",
        "{{ joiner().__init__.__globals__.os }}",
        "{{ namespace.__init__.__globals__.os }}",
        "{{ namespace().__class__.__init__ }}",
        "{{ range.__self__.x }}",
        "{{ dict.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context.x }}",
        "{{ request.application.__globals__ }}",
        "{{ config.items() }}",
        "{{ get_flashed_messages.__globals__ }}",
        "{{ raise_exception.__globals__.x }}",
        "{{ strftime_now.__globals__.x }}",
        "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ }}",
        "{% macro m() %}{{ caller.__globals__.x }}{% endmacro %}{% call m() %}{% endcall %}",
        "{% for a in [1] %}{{ loop.__class__.x }}{{ loop._iterator.x }}{% endfor %}",
        "{{ '{0.__class__.__mro__.x}'.format('') }}",
        "{{ '{0.__class__.x}'.format_map({'0': ''}) }}",
        "{{ ['__class__']|map('attr', 'x')|list|first + 1 }}",
        "{{ [1]|map(attribute='__class__.__mro__.x')|list }}",
        "{{ [1]|sort(attribute='__class__.__mro__.x') }}",
        "{{ [].append(1) }}",
        "{{ {}.update({'a': 1}) }}",
        "{% set x = namespace() %}{% set x.__class__ = 1 %}",
        "{{ namespace(__init__=1) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% extends '/etc/passwd' %}",
    };
    suan_rendered r;
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) expect_quick_error(sources[i], sources[i], SUAN_ETEMPLATE);
    /* What is not there is undefined, not present and quiet. */
    assert_int_equal(render("{{ lipsum is defined }}{{ ''.__class__ is defined }}{{ cycler.__init__ is defined }}", "{}", NULL, &r, NULL),
                     SUAN_OK);
    assert_string_equal(r.text, "FalseFalseFalse");
    suan_rendered_free(&r);
}

/* CVE-2024-2952, CVE-2026-5760: a second way from a request to a prompt without the first one's walls. The library exports one function
 * that renders. (tests/cli lists the symbols of the built library; here, that the public header offers one.) */
static void test_J_02_one_entry_point(void **state) {
    char path[1024], line[512];
    const char *data = getenv("SUAN_TEST_DATA");
    unsigned n_render = 0, n_functions = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/../../include/suan/template.h", data ? data : "tests/data");
    FILE *f = fopen(path, "r");
    if (!f) skip();
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "SUAN_API", 8) != 0) continue;
        n_functions++;
        n_render += strstr(line, "render(") != NULL;
    }
    fclose(f);
    assert_int_equal(n_render, 1);
    assert_int_equal(n_functions, 4); /* create, free, render, free of the result */
}

/* CVE-2025-62426: extra variables of a request override the engine's. */
static void test_J_03_extra_variables_cannot_shadow_the_engine(void **state) {
    static const char *const refused[] = {"{\"messages\": []}",
                                          "{\"a\": 1, \"tools\": null}",
                                          "{\"add_generation_prompt\": false}",
                                          "{\"chat_template\": \"x\"}",
                                          "{\"bos_token\": \"x\"}",
                                          "[1]",
                                          "{",
                                          "{\"a\": 1, \"a\": 2}"};
    static const suan_template_token tokens[] = {{"bos_token", "<s>"}};
    suan_rendered r;
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        suan_error err = {0};
        suan_template_options o = {.tokens = tokens, .n_tokens = 1, .extra = refused[i], .n_extra = strlen(refused[i])};
        assert_int_equal(render("{{ messages }}", "{\"messages\": [1]}", &o, &r, &err), SUAN_EINVAL);
        assert_null(r.text);
        assert_non_null(strstr(err.message, "chat_template_kwargs"));
    }
    suan_template_options o = {.extra = "{\"enable_thinking\": true}", .n_extra = 25};
    assert_int_equal(render("{{ enable_thinking }}", "{}", &o, &r, NULL), SUAN_OK);
    assert_string_equal(r.text, "True");
    suan_rendered_free(&r);
}

/* PYSEC-2026-2013: a request brings its own template. */
static void test_J_04_a_request_brings_no_template(void **state) {
    suan_rendered r;
    suan_error err = {0};
    (void)state;
    assert_int_equal(render("mine", "{\"chat_template\": \"{{ 1 }}\"}", NULL, &r, &err), SUAN_EINVAL);
    assert_null(r.text);
    assert_non_null(strstr(err.message, "chat_template"));
    /* Template syntax in the request's strings is text. */
    assert_int_equal(render("{{ m }}", "{\"m\": \"{{ 7*7 }}{% raw %}\"}", NULL, &r, &err), SUAN_OK);
    assert_string_equal(r.text, "{{ 7*7 }}{% raw %}");
    suan_rendered_free(&r);
}

static void expect_quick_repeated(const char *begin, const char *open, const char *middle, const char *close, const char *end) {
    suan__buf b = {0};
    suan__buf_append(&b, begin, strlen(begin));
    for (int i = 0; i < 100000; i++) suan__buf_append(&b, open, strlen(open));
    suan__buf_append(&b, middle, strlen(middle));
    for (int i = 0; i < 100000; i++) suan__buf_append(&b, close, strlen(close));
    suan__buf_append(&b, end, strlen(end));
    assert_false(b.failed);
    expect_quick_error(open[0] ? open : close, b.data, SUAN_ELIMIT);
    suan__buf_fini(&b);
}

/* CVE-2026-115911, -115918, llama.cpp PR 24140, vLLM #52025: time, memory and depth without bounds. */
static void test_J_05_every_bomb_ends_quickly(void **state) {
    static const struct {
        const char *source;
        suan_status status;
    } bombs[] = {
        {"{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}",
         SUAN_ELIMIT},
        {"{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
         SUAN_ELIMIT},
        {"{{ 'a' * 10**9 }}", SUAN_ELIMIT},
        {"{{ ('a' * 10**6) * 10**3 }}", SUAN_ELIMIT},
        {"{{ [0] * 10**9 }}", SUAN_ELIMIT},
        {"{{ 'a' * 10**30 }}", SUAN_ETEMPLATE},
        {"{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", SUAN_ELIMIT},
        {"{% set x = 'ab' %}{% for i in range(99) %}{% set x = x ~ x %}{{ x }}{% endfor %}{% set ns = namespace(x=[1]) %}"
         "{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
         SUAN_ELIMIT},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", SUAN_ELIMIT},
        {"{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", SUAN_ELIMIT},
        {"{% macro m(k) %}{% if k %}{{ m(k - 1) }}{{ m(k - 1) }}{% endif %}{% endmacro %}{{ m(99) }}", SUAN_ELIMIT},
        {"{% macro m() %}{{ caller() }}{% endmacro %}{% macro f() %}{% call m() %}{{ f() }}{% endcall %}{% endmacro %}{{ f() }}",
         SUAN_ELIMIT},
        {"{% set t = [[1]] %}{% for a in t recursive %}{{ loop(t) }}{% endfor %}", SUAN_ELIMIT},
        {"{{ range(10**9)|list }}", SUAN_ETEMPLATE},
        {"{% for i in range(10**9) %}{% endfor %}", SUAN_ETEMPLATE},
        {"{% set s = 'ab' * 100000 %}{% for i in range(99999) %}{% set t = s.upper() %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.replace('aaaaaaaab', 'b') %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.rfind('a' * 1000 ~ 'b') %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.rpartition('b' ~ 'a' * 1000) %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.rsplit('b' ~ 'a' * 30) %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.find('b' ~ 'a' * 1000) %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.find('b' ~ 'a' * 200) %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.find('a' * 100 ~ 'b' ~ 'a' * 100) %}{% endfor %}",
         SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.count('aab') %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set t = s.strip('b' * 1000 ~ 'a') %}{% endfor %}", SUAN_ELIMIT},
        {"{% set s = '\u00e9' * 500000 %}{% for i in range(99999) %}{% set t = s[i] ~ s.upper() %}{% endfor %}", SUAN_ELIMIT},
        {"{% for i in range(99999) %}{% set t = ('a ' * 10000).split() %}{% endfor %}", SUAN_ELIMIT},
        {"{% for i in range(99999) %}{% set t = range(99999)|sort %}{% endfor %}", SUAN_ELIMIT},
        {"{% for i in range(99999) %}{{ 'zz' in 'a' * 100000 }}{% endfor %}", SUAN_ELIMIT},
        {"{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}", SUAN_ELIMIT},
        {"{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}", SUAN_ELIMIT},
        {"{% set ns = namespace(x=[1, 1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
         SUAN_ELIMIT},
        {"{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}"
         "{% endfor %}{{ ns.x == ns.y }}",
         SUAN_ELIMIT},
        {"{{ range(99999)|join('a' * 100000) }}", SUAN_ELIMIT},
        {"{{ 'a'|center(10**9) }}", SUAN_ELIMIT},
        {"{{ 'a'.rjust(10**18) }}", SUAN_ELIMIT},
        {"{{ '%1000000000d' % 1 }}", SUAN_ELIMIT},
        {"{{ '{:>1000000000}'.format(1) }}", SUAN_ELIMIT},
        {"{{ '%.1000000000f' % 1 }}", SUAN_ETEMPLATE},
        {"{{ ('a\n' * 100000)|indent(100000) }}", SUAN_ELIMIT},
        {"{{ [1]|batch(10**9, 1)|list }}", SUAN_ELIMIT},
        {"{{ [1]|slice(10**9)|list }}", SUAN_ELIMIT},
        {"{{ [[1] * 1000]|tojson(indent=1000000) }}", SUAN_ELIMIT},
        {"{% for i in range(99999) %}{% set x %}{% for j in range(99999) %}aaaaaaaaaaaaaaaa{% endfor %}{% endset %}{% endfor %}",
         SUAN_ELIMIT},
        {"{{ 2 ** 10 ** 9 }}", SUAN_ETEMPLATE},
        {"{{ ('a' * 1000000).replace('', 'b' * 1000) }}", SUAN_ELIMIT},
        {"{{ ('\t' * 100000).expandtabs(10**9) }}", SUAN_ELIMIT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) expect_quick_error(bombs[i].source, bombs[i].source, bombs[i].status);
    expect_quick_repeated("", "{% if 1 %}", "", "{% endif %}", "");
    expect_quick_repeated("", "{% for x in y %}", "", "{% endfor %}", "");
    expect_quick_repeated("", "{% macro m() %}", "", "{% endmacro %}", "");
    expect_quick_repeated("{{ ", "(", "1", ")", " }}");
    expect_quick_repeated("{{ ", "[", "", "]", " }}");
    expect_quick_repeated("{{ ", "{1: ", "1", "}", " }}");
    expect_quick_repeated("{{ ", "x(", "1", ")", " }}");
    expect_quick_repeated("{{ ", "-", "1", "", " }}");
    expect_quick_repeated("{{ ", "not ", "1", "", " }}");
    expect_quick_repeated("{{ ", "1 if 1 else ", "1", "", " }}");
    expect_quick_repeated("{{ ", "1 + ", "1", "", " }}");
    expect_quick_repeated("{{ ", "1 or ", "1", "", " }}");
    expect_quick_repeated("{{ 1", "", "", "|abs", " }}");
    expect_quick_repeated("{{ x", "", "", ".a", " }}");
    expect_quick_repeated("{{ x", "", "", "[0]", " }}");
    expect_quick_repeated("{{ x", "", "", "()", " }}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_J_01_nothing_of_the_host_is_reachable),
        cmocka_unit_test(test_J_02_one_entry_point),
        cmocka_unit_test(test_J_03_extra_variables_cannot_shadow_the_engine),
        cmocka_unit_test(test_J_04_a_request_brings_no_template),
        cmocka_unit_test(test_J_05_every_bomb_ends_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
