/* test_json_text.c: JSON as replies and templates have it: what comes back when it is read, and how numbers look. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "serve/exchange.h"

static char *text_of(json_t *json) {
    size_t n = 0;
    char *text = suan__json_text(json, &n);
    assert_non_null(text);
    assert_int_equal(strlen(text), n);
    json_decref(json);
    return text;
}

static void test_texts(void **state) {
    static const char *const same[] = {"{}",
                                       "[]",
                                       "null",
                                       "true",
                                       "false",
                                       "{\"a\":[1,{\"b\":null},[]],\"\":{}}",
                                       "\"\\\"\\\\\\n\\u0001\xc3\xa9\xe7\xae\x97\"",
                                       "0.1",
                                       "1.0",
                                       "-0.0",
                                       "21.5",
                                       "1e+300",

                                       "0.3333333333333333",
                                       "0.30000000000000004",
                                       "1.7976931348623157e+308",
                                       "123456.789",
                                       "9007199254740993",
                                       "-9223372036854775808",
                                       "{\"n\":[0.7,1e-07,100000.0,1e+20]}"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char *text = text_of(json_loads(same[i], JSON_DECODE_ANY, NULL));
        assert_string_equal(text, same[i]);
        suan_free(text);
    }
    char *text = text_of(json_pack("{s:s}", "a\xe2\x80\xa8",
                                   "b\xc2\x85\xe2\x80\xa9"
                                   "c\xe2\x80\xaa")); /* line ends, and a neighbour */
    assert_string_equal(text, "{\"a\\u2028\":\"b\\u0085\\u2029c\xe2\x80\xaa\"}");
    suan_free(text);
    size_t n = 7;
    assert_null(suan__json_text(NULL, &n));
    assert_int_equal(n, 0);
}

static void test_numbers_read_back(void **state) {
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        double d;
        float f;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&d, &x, 8);
        memcpy(&f, &x, 4);
        if (!isfinite(d) || !isfinite(f)) continue;
        char *text = text_of(json_real(d));
        assert_true(strtod(text, NULL) == d);
        suan_free(text);
        text = text_of(json_real(suan__short_decimal(f)));
        assert_true(strtof(text, NULL) == f && (float)strtod(text, NULL) == f);
        size_t n_digits = 0;
        for (const char *s = text; *s && *s != 'e'; s++) n_digits += *s >= '0' && *s <= '9';
        if (fabsf(f) >= 1 && fabsf(f) < 1e6f) assert_true(n_digits <= 10); /* nine, or a whole number's .0 */
        suan_free(text);
    }
    assert_true(suan__short_decimal(0.7f) == 0.7 && suan__short_decimal(1) == 1 && suan__short_decimal(16777216) == 16777216);
    assert_true(isinf(suan__short_decimal(-INFINITY)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_numbers_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
