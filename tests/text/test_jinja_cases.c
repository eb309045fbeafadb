/* test_jinja_cases.c: what Jinja2 renders: over a thousand small templates (data/jinja_cases.json, made by scripts/gen_jinja_cases.py), and
 * published chat templates with conversations (fixtures/templates), text for text and error for error. */
#include "jinja_test.h"

static void check_case(const char *name, const char *source, size_t n_source, const json_t *request, const json_t *expected,
                       const suan_template_options *o, unsigned *n_bad) {
    suan_rendered r;
    suan_error err = {0};
    char *text = json_dumps(request, JSON_ENSURE_ASCII);
    const json_t *want = json_object_get(expected, "text");
    suan_status status = jinja_render_text(source, n_source, text, o, &r, &err);
    bool ok;
    if (want) {
        ok = status == SUAN_OK && r.n == json_string_length(want) && memcmp(r.text, json_string_value(want), r.n) == 0;
        if (!ok) print_error("%s\n  expected %s\n  got      %s\n", name, json_string_value(want), status == SUAN_OK ? r.text : err.message);
    } else {
        ok = status == SUAN_ETEMPLATE && err.message[0];
        if (!ok)
            print_error("%s\n  expected the error %s\n  got %s\n", name, json_string_value(json_object_get(expected, "error")),
                        status == SUAN_OK ? r.text : err.message);
    }
    *n_bad += !ok;
    suan_rendered_free(&r);
    free(text);
}

static void test_jinja_small_templates_render_as_reference(void **state) {
    char path[1024];
    json_error_t e;
    unsigned n_bad = 0;
    size_t i;
    json_t *file = json_load_file(jinja_path(path, "SUAN_TEST_DATA", "jinja_cases.json"), JSON_ALLOW_NUL, &e), *c;
    (void)state;
    assert_non_null(file);
    suan_template_options o = {.now = &jinja_now};
    const json_t *cases = json_object_get(file, "cases");
    assert_true(json_array_size(cases) > 1000);
    json_array_foreach((json_t *)(uintptr_t)cases, i, c) {
        const json_t *source = json_object_get(c, "template");
        check_case(json_string_value(source), json_string_value(source), json_string_length(source), json_object_get(file, "context"), c,
                   &o, &n_bad);
    }
    assert_int_equal(n_bad, 0);
    json_decref(file);
}

static void test_jinja_published_templates_render_as_reference(void **state) {
    char path[1024], name[256];
    json_error_t e;
    unsigned n_bad = 0, n = 0;
    json_t *file = json_load_file(jinja_path(path, "SUAN_FIXTURES", "templates/expected.json"), 0, &e);
    (void)state;
    if (!file) {
        print_message("skipped: 765 cases of 45 published templates (no fixtures)\n");
        skip();
    }
    suan_template_token tokens[8];
    suan_template_options o = {.now = &jinja_now, .tokens = tokens};
    const char *key;
    json_t *value, *expected;
    json_object_foreach(json_object_get(file, "special_tokens"), key, value) {
        assert_true(o.n_tokens < 8);
        tokens[o.n_tokens++] = (suan_template_token){key, json_string_value(value)};
    }
    json_object_foreach(json_object_get(file, "expected"), key, value) {
        size_t n_source;
        snprintf(name, sizeof name, "templates/%s", key);
        char *source = jinja_read(jinja_path(path, "SUAN_FIXTURES", name), &n_source);
        assert_non_null(source);
        const char *case_name;
        json_object_foreach(value, case_name, expected) {
            snprintf(name, sizeof name, "%s: %s", key, case_name);
            check_case(name, source, n_source, json_object_get(json_object_get(file, "cases"), case_name), expected, &o, &n_bad);
            n++;
        }
        free(source);
    }
    print_message("%u cases\n", n);
    assert_int_equal(n_bad, 0);
    assert_true(n >= 765);
    json_decref(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja_small_templates_render_as_reference),
        cmocka_unit_test(test_jinja_published_templates_render_as_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
