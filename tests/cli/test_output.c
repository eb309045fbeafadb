/* test_output.c: what a model writes cannot drive a terminal, and JSON stays valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/output.h"
#include "cli/progress.h"

static void check_visible(const char *text, size_t n, const char *expected) {
    size_t n_out = 0;
    char *visible = cli_visible(text, n, &n_out);
    assert_non_null(visible);
    assert_int_equal(n_out, strlen(expected));
    assert_memory_equal(visible, expected, n_out);
    suan__free(visible);
}

static void test_output_control_characters_become_visible(void **state) {
    check_visible("a\n\tb", 4, "a\n\tb");
    check_visible("\x1b[2J", 4, "^[[2J");
    check_visible("\r\x07\x08", 3, "^M^G^H");
    check_visible("\x7f", 1, "^?");
    check_visible("\0", 1, "^@");
    check_visible("\xc2\x9b"
                  "31m",
                  5, "<U+009B>31m"); /* the one-character CSI */
    check_visible("\x9b", 1, "\xef\xbf\xbd");
    check_visible("\xe7\xae\x97 \xf0\x9f\xa6\x8a", 8, "\xe7\xae\x97 \xf0\x9f\xa6\x8a");
    check_visible("", 0, "");
}

static void test_output_no_byte_of_control_is_left(void **state) {
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char text[2] = {(char)a, (char)b};
            size_t n = 0;
            char *visible = cli_visible(text, 2, &n);
            assert_non_null(visible);
            assert_true(suan__utf8_valid(visible, n));
            for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)visible[i];
                assert_true((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
            }
            suan__free(visible);
        }
    }
}

static void test_output_json_text_is_always_valid(void **state) {
    json_t *value = cli_json_text("a\xff\0b\xe2\x82", 6);
    assert_non_null(value);
    static const char expected[] = "a\xef\xbf\xbd\0b\xef\xbf\xbd\xef\xbf\xbd";
    assert_int_equal(json_string_length(value), sizeof expected - 1);
    assert_memory_equal(json_string_value(value), expected, sizeof expected - 1);
    json_decref(value);
}

static void test_output_amounts_read_well(void **state) {
    char s[32];
    assert_string_equal(cli_bytes(s, 0), "0 bytes");
    assert_string_equal(cli_bytes(s, 1023), "1023 bytes");
    assert_string_equal(cli_bytes(s, 1536), "1.5 KiB");
    assert_string_equal(cli_bytes(s, 61.3 * 1048576), "61.3 MiB");
    assert_string_equal(cli_duration(s, 3.2), "3 s");
    assert_string_equal(cli_duration(s, 130), "2 min 10 s");
    assert_string_equal(cli_duration(s, 3900), "1 h 5 min");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_control_characters_become_visible),
        cmocka_unit_test(test_output_no_byte_of_control_is_left),
        cmocka_unit_test(test_output_json_text_is_always_valid),
        cmocka_unit_test(test_output_amounts_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
