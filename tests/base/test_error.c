/* Errors and the log: what a message may hold, where it is cut, who is called. */
#include "base/error.h"

#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "cmocka_all.h"

static void test_status_name_and_text_cover_all(void **state) {
#define ROW(name, value, text)                          \
    assert_int_equal(name, value);                      \
    assert_string_equal(suan_status_name(name), #name); \
    assert_string_equal(suan_status_text(name), text);
    SUAN_STATUS_MAP(ROW)
#undef ROW
    assert_string_equal(suan_status_name((suan_status)-999), "unknown status");
    assert_string_equal(suan_status_text((suan_status)77), "unknown status");
}

static void test_fail_fills_all_fields(void **state) {
    suan_error err = {.offset = 7};
    assert_int_equal(suan__fail(&err, SUAN_EFORMAT, "%s: %d", "a.gguf", 42), SUAN_EFORMAT);
    assert_int_equal(err.status, SUAN_EFORMAT);
    assert_int_equal(err.offset, -1);
    assert_string_equal(err.message, "a.gguf: 42");
    assert_int_equal(suan__fail_at(&err, SUAN_EIO, 123, "x"), SUAN_EIO);
    assert_int_equal(err.offset, 123);
    assert_int_equal(suan__fail(NULL, SUAN_ENOMEM, "unseen"), SUAN_ENOMEM);
    assert_int_equal(suan__fail_at(NULL, SUAN_ENOMEM, 1, "unseen"), SUAN_ENOMEM);
}

static void test_fail_takes_its_own_message_as_argument(void **state) {
    suan_error err;
    suan__fail(&err, SUAN_EIO, "inner");
    suan__fail(&err, SUAN_EFORMAT, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
}

static void test_fail_cuts_at_a_whole_character(void **state) {
    enum { CAPACITY = sizeof(((suan_error *)0)->message) };
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE7\xAE\x97", "\xF0\x9F\x98\x80"};
    for (size_t width = 1; width <= 4; width++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[2 * CAPACITY];
            size_t n = 0;
            while (n < shift) text[n++] = '-';
            while (n + width < sizeof text - 1) {
                memcpy(text + n, characters[width - 1], width);
                n += width;
            }
            text[n] = 0;
            suan_error err;
            suan__fail(&err, SUAN_EIO, "%s", text);
            size_t expected = shift + (CAPACITY - 1 - shift) / width * width;
            assert_int_equal(strlen(err.message), expected);
            assert_memory_equal(err.message, text, expected);
        }
    }
}

static void test_fail_replaces_what_is_no_text(void **state) {
    suan_error err;
    suan__fail(&err, SUAN_EIO, "%s", "a\nb\x1b[31m\x7f\xff\xc3(\xed\xa0\x80\xe7\xae\x97\xe7\xae");
    assert_string_equal(err.message, "a?b?[31m??"
                                     "?(???\xe7\xae\x97??");
    assert_true(suan__utf8_valid(err.message, strlen(err.message)));
}

static void test_prefix_keeps_status_and_offset(void **state) {
    suan_error err = {0};
    suan__fail_at(&err, SUAN_ERANGE, 99, "n is 3");
    assert_int_equal(suan__fail_prefix(&err, SUAN_EIO, "a.gguf"), SUAN_ERANGE);
    assert_string_equal(err.message, "a.gguf: n is 3");
    assert_int_equal(err.offset, 99);
    assert_int_equal(suan__fail_prefix(NULL, SUAN_EIO, "a.gguf"), SUAN_EIO);
    suan_error empty = {0};
    assert_int_equal(suan__fail_prefix(&empty, SUAN_EIO, "a.gguf"), SUAN_EIO);
    assert_string_equal(empty.message, "a.gguf: input or output failed");
    char prefix[3000];
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = 0;
    suan__fail_prefix(&err, SUAN_EIO, prefix);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static suan_status checked(int n, suan_error *err) {
    SUAN_CHECK(n > 0, SUAN_ERANGE, "n is %d, expected more than 0", n);
    return SUAN_OK;
}

static suan_status with_goto(int n, int *n_closed, suan_error *err) {
    suan_status status = SUAN_OK;
    SUAN_TRY_GOTO(checked(n, err));
    SUAN_CHECK_GOTO(n < 10, SUAN_ELIMIT, "n is %d, expected less than 10", n);
fail:
    ++*n_closed;
    return status;
}

static void test_macros_forward(void **state) {
    suan_error err;
    int n_closed = 0;
    assert_int_equal(checked(1, &err), SUAN_OK);
    assert_int_equal(with_goto(0, &n_closed, &err), SUAN_ERANGE);
    assert_string_equal(err.message, "n is 0, expected more than 0");
    assert_int_equal(with_goto(10, &n_closed, &err), SUAN_ELIMIT);
    assert_int_equal(with_goto(5, &n_closed, &err), SUAN_OK);
    assert_int_equal(n_closed, 3);
}

typedef struct heard {
    int n;
    suan_log_level level;
    char message[4096];
} heard;

static void listen(void *ctx, suan_log_level level, const char *message) {
    heard *h = ctx;
    h->n++;
    h->level = level;
    strncpy(h->message, message, sizeof h->message - 1);
}

static void test_log_passes_on_up_to_its_level(void **state) {
    heard h = {0};
    suan__log_message(SUAN_LOG_ERROR, "before anybody listens");
    suan_log_set(listen, &h, SUAN_LOG_WARN);
    suan__log_message(SUAN_LOG_INFO, "too quiet");
    assert_int_equal(h.n, 0);
    suan__log_message(SUAN_LOG_WARN, "two\nlines %d", 2);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.level, SUAN_LOG_WARN);
    assert_string_equal(h.message, "two?lines 2");
    suan__log_message(SUAN_LOG_ERROR, "%5000s", "x");
    assert_int_equal(h.n, 2);
    assert_int_equal(strlen(h.message), 2047);
    suan__log_message(SUAN_LOG_NONE, "no level");
    suan_log_set(NULL, NULL, SUAN_LOG_DEBUG);
    suan__log_message(SUAN_LOG_ERROR, "nobody listens");
    assert_int_equal(h.n, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_name_and_text_cover_all),
        cmocka_unit_test(test_fail_fills_all_fields),
        cmocka_unit_test(test_fail_takes_its_own_message_as_argument),
        cmocka_unit_test(test_fail_cuts_at_a_whole_character),
        cmocka_unit_test(test_fail_replaces_what_is_no_text),
        cmocka_unit_test(test_prefix_keeps_status_and_offset),
        cmocka_unit_test(test_macros_forward),
        cmocka_unit_test(test_log_passes_on_up_to_its_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
