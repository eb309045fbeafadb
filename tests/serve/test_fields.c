/* test_fields.c: tables of members: every row of every table does what it says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mock_exchange.h"
#include "serve/fields.h"

static suan__server server = {.config = {.model_name = "m"}};

static const suan__field rows[] = {
    {"count", SUAN__FIELD_HONOURED, SUAN__FIELD_INTEGER, 1, 10, false, NULL, ""},
    {"topP", SUAN__FIELD_HONOURED, SUAN__FIELD_NUMBER, 0, 1, false, NULL, ""},
    {"name", SUAN__FIELD_HONOURED, SUAN__FIELD_STRING, 1, 4, true, NULL, ""},
    {"user", SUAN__FIELD_ADVISES, SUAN__FIELD_STRING, 0, 0, false, NULL, ""},
    {"audio", SUAN__FIELD_REFUSED, SUAN__FIELD_ANY, 0, 0, false, NULL, "no ears"},
    {"store", SUAN__FIELD_NEUTRAL, SUAN__FIELD_ANY, 0, 0, false, "false", "nothing is stored"},
    {"best", SUAN__FIELD_NEUTRAL, SUAN__FIELD_ANY, 0, 0, false, "1", ""},
    {"many", SUAN__FIELD_HONOURED, SUAN__FIELD_STRING | SUAN__FIELD_ARRAY, 0, 0, false, NULL, ""},
};
static const suan__fields table = {"test", rows, sizeof rows / sizeof *rows, false};
static const suan__fields both = {"test.both", rows, sizeof rows / sizeof *rows, true};

/* Checks text against a table; the problem's param, or "" where all is well. */
static const char *check(const suan__fields *fields, const char *text, suan__problem_kind *kind) {
    static suan__problem problem;
    suan__exchange *x = mock_new(&server, NULL, "{}");
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    problem = (suan__problem){0};
    bool is_good = suan__fields_check(x, json, fields, "", &problem);
    assert_int_equal(is_good, problem.kind == SUAN__PROBLEM_NONE);
    if (!is_good) assert_true(strlen(problem.message) > 0);
    if (kind) *kind = problem.kind;
    json_decref(json);
    suan__exchange_free(x);
    return problem.param;
}

static void test_fields_types_and_ranges_are_checked(void **state) {
    suan__problem_kind kind;
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": 3, \"topP\": 0.5}", NULL), "");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": 3.0}", NULL), "");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": 3.5}", &kind), "count");
    assert_int_equal(kind, SUAN__PROBLEM_INVALID);
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": 0}", NULL), "count");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": 11}", NULL), "count");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": \"3\"}", NULL), "count");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": 1e300}", NULL), "count");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"topP\": -0.0}", NULL), "");
    assert_string_equal(check(&table, "{\"name\": \"abcde\"}", NULL), "name");
    assert_string_equal(check(&table, "{\"name\": \"\"}", NULL), "name");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"many\": 1}", NULL), "many");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"many\": []}", NULL), "");
    assert_string_equal(check(&table, "[]", NULL), "");
    assert_string_equal(check(&table, "[]", &kind), "");
    assert_int_equal(kind, SUAN__PROBLEM_INVALID);
}

static void test_fields_absent_and_null_are_the_same(void **state) {
    assert_string_equal(check(&table, "{}", NULL), "name");
    assert_string_equal(check(&table, "{\"name\": null}", NULL), "name");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"count\": null, \"audio\": null, \"store\": null}", NULL), "");
}

static void test_fields_unknown_refused_and_neutral(void **state) {
    suan__problem_kind kind;
    assert_string_equal(check(&table, "{\"name\": \"a\", \"other\": 1}", &kind), "other");
    assert_int_equal(kind, SUAN__PROBLEM_INVALID);
    assert_string_equal(check(&table, "{\"name\": \"a\", \"audio\": {}}", &kind), "audio");
    assert_int_equal(kind, SUAN__PROBLEM_UNSUPPORTED);
    assert_string_equal(check(&table, "{\"name\": \"a\", \"store\": false, \"best\": 1.0}", NULL), "");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"store\": true}", &kind), "store");
    assert_int_equal(kind, SUAN__PROBLEM_UNSUPPORTED);
    assert_string_equal(check(&table, "{\"name\": \"a\", \"best\": 2}", NULL), "best");
    assert_string_equal(check(&table, "{\"name\": \"a\", \"top_p\": 0.5}", NULL), "top_p"); /* only where both spellings count */
}

static void test_fields_both_spellings(void **state) {
    assert_string_equal(check(&both, "{\"name\": \"a\", \"top_p\": 0.5}", NULL), "");
    assert_string_equal(check(&both, "{\"name\": \"a\", \"top_p\": 2}", NULL), "top_p");
    assert_string_equal(check(&both, "{\"name\": \"a\", \"top_P\": 2}", NULL), "top_P");
    assert_string_not_equal(check(&both, "{\"name\": \"a\", \"top_p\": 0.5, \"topP\": 0.5}", NULL), "");
    json_t *json = json_loads("{\"top_p\": 0.25}", 0, NULL);
    assert_true(json_number_value(suan__field_get(json, &both, "topP")) == 0.25);
    assert_null(suan__field_get(json, &table, "topP"));
    json_decref(json);
}

static void test_fields_advisory_header(void **state) {
    suan__exchange *x = mock_new(&server, NULL, "{}");
    assert_null(mock_reply_header(x, "x-suan-advisory"));
    suan__note_advisory(x, "user");
    suan__note_advisory(x, "metadata");
    suan__note_advisory(x, "user");
    assert_string_equal(mock_reply_header(x, "x-suan-advisory"), "user, metadata");
    suan__note_advisory(x, "a\r\nb: \xc3\xa9");
    assert_string_equal(mock_reply_header(x, "x-suan-advisory"), "user, metadata, a%0D%0Ab:%20%C3%A9");
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "member_%d", i);
        suan__note_advisory(x, name);
    }
    assert_true(strlen(mock_reply_header(x, "x-suan-advisory")) <= 1000);
    suan__exchange_free(x);
}

static void test_fields_words(void **state) {
    suan__problem problem = {0};
    json_t *word = json_string("low"), *part = json_string("lo"), *number = json_integer(1);
    assert_true(suan__field_word(word, "high|low", "w", &problem));
    assert_false(suan__field_word(part, "high|low", "w", &problem));
    assert_string_equal(problem.param, "w");
    assert_true(suan__field_word(NULL, "high|low", "w", &problem));
    assert_true(suan__field_word(number, "high|low", "w", &problem));
    json_decref(word), json_decref(part), json_decref(number);
}

/* ---- every row of every table ---- */

static json_t *value_for(unsigned type, double number) {
    if (type & SUAN__FIELD_BOOL) return json_true();
    if (type & (SUAN__FIELD_INTEGER | SUAN__FIELD_NUMBER)) return json_real(number);
    if (type & SUAN__FIELD_STRING) return json_string("x");
    if (type & SUAN__FIELD_ARRAY) return json_array();
    return json_object();
}

/* An object with what the table requires, and a member. */
static json_t *object_with(const suan__fields *fields, const char *name, json_t *v) {
    json_t *object = json_object();
    for (size_t i = 0; i < fields->n; i++) {
        const suan__field *row = &fields->rows[i];
        if (!row->is_required) continue;
        json_t *needed = value_for(row->type, row->min);
        for (double n = json_is_array(needed) ? 0 : row->min; json_is_array(needed) && n < row->min; n++)
            json_array_append_new(needed, json_integer(1));
        if (!(row->type & SUAN__FIELD_STRING) && row->type & SUAN__FIELD_ARRAY)
            for (double n = 0; n < row->min; n++) json_array_append_new(needed, json_integer(1));
        json_object_set_new(object, row->name, needed);
    }
    if (name) json_object_set_new(object, name, v);
    return object;
}

static bool passes(const suan__fields *fields, json_t *object, const char *name, suan__problem_kind expected) {
    suan__exchange *x = mock_new(&server, NULL, "{}");
    suan__problem problem = {0};
    bool is_good = suan__fields_check(x, object, fields, "", &problem);
    if (!is_good && name && strcmp(problem.param, name) != 0)
        fail_msg("%s: %s is refused for %s: %s", fields->name, name, problem.param, problem.message);
    if (!is_good && problem.kind != expected) fail_msg("%s: %s: %s", fields->name, name, problem.message);
    json_decref(object);
    suan__exchange_free(x);
    return is_good;
}

/* What is behind the ends of a row's range must be refused by its name. */
static void check_range_of(const suan__fields *fields, const suan__field *row) {
    if (!(row->type & (SUAN__FIELD_INTEGER | SUAN__FIELD_NUMBER))) return;
    bool has_range = row->min != 0 || row->max != 0;
    double min = has_range ? row->min : -9007199254740992.0, max = has_range ? row->max : 9007199254740992.0;
    double wrong[] = {nextafter(min, -INFINITY), nextafter(max, INFINITY), -1e300, 1e300, 1e18};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (wrong[i] >= min && wrong[i] <= max) continue;
        if (passes(fields, object_with(fields, row->name, json_real(wrong[i])), row->name, SUAN__PROBLEM_INVALID))
            fail_msg("%s: %s takes %g", fields->name, row->name, wrong[i]);
    }
    if (!passes(fields, object_with(fields, row->name, json_real(min)), row->name, SUAN__PROBLEM_INVALID))
        fail_msg("%s: %s does not take its least value", fields->name, row->name);
}

static void check_row(const suan__fields *fields, const suan__field *row) {
    static const unsigned types[] = {SUAN__FIELD_BOOL, SUAN__FIELD_INTEGER, SUAN__FIELD_STRING, SUAN__FIELD_ARRAY, SUAN__FIELD_OBJECT};
    if (row->use == SUAN__FIELD_REFUSED) {
        assert_false(passes(fields, object_with(fields, row->name, json_true()), row->name, SUAN__PROBLEM_UNSUPPORTED));
        return;
    }
    if (row->use == SUAN__FIELD_NEUTRAL) {
        json_t *neutral = json_loads(row->neutral, JSON_DECODE_ANY, NULL);
        if (!neutral) fail_msg("%s: %s: %s is no JSON", fields->name, row->name, row->neutral);
        assert_true(passes(fields, object_with(fields, row->name, neutral), row->name, SUAN__PROBLEM_UNSUPPORTED));
        assert_false(passes(fields, object_with(fields, row->name, json_string("something else")), row->name, SUAN__PROBLEM_UNSUPPORTED));
        return;
    }
    check_range_of(fields, row);
    for (size_t i = 0; row->type && i < sizeof types / sizeof *types; i++) {
        bool fits = (row->type & types[i]) || (types[i] == SUAN__FIELD_INTEGER && row->type & SUAN__FIELD_NUMBER);
        if (!fits && passes(fields, object_with(fields, row->name, value_for(types[i], 1)), row->name, SUAN__PROBLEM_INVALID))
            fail_msg("%s: %s takes a value of type %u", fields->name, row->name, types[i]);
    }
}

static void test_fields_all_tables(void **state) {
    const suan__fields *fields;
    size_t n = 0, n_rows = 0;
    for (; (fields = suan__fields_table(n)); n++) {
        for (size_t i = 0; i < fields->n; i++) {
            for (size_t k = 0; k < i; k++) assert_string_not_equal(fields->rows[i].name, fields->rows[k].name);
            check_row(fields, &fields->rows[i]);
            n_rows++;
        }
        assert_false(passes(fields, object_with(fields, "no_such_member", json_true()), "no_such_member", SUAN__PROBLEM_INVALID));
        for (size_t k = 0; k < n; k++) assert_string_not_equal(fields->name, suan__fields_table(k)->name);
    }
    print_message("%zu tables, %zu rows\n", n, n_rows);
    assert_true(n >= 40 && n_rows >= 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_types_and_ranges_are_checked),
        cmocka_unit_test(test_fields_absent_and_null_are_the_same),
        cmocka_unit_test(test_fields_unknown_refused_and_neutral),
        cmocka_unit_test(test_fields_both_spellings),
        cmocka_unit_test(test_fields_advisory_header),
        cmocka_unit_test(test_fields_words),
        cmocka_unit_test(test_fields_all_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
