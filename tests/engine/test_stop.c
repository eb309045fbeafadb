/* Stop strings: where they end, what is held back, against a search that looks at the whole text each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "engine/stop.h"

/* Feeds text; returns what comes out before the first stop string (or all that is not held at the end). */
static void expect(const char *const *stops, size_t n, const char *text, const char *answer, size_t held) {
    suan__stop stop;
    assert_int_equal(suan__stop_init(&stop, stops, n, NULL), SUAN_OK);
    size_t length = 0;
    for (size_t i = 0; text[i]; i++) {
        size_t found = suan__stop_feed(&stop, text[i]);
        length = i + 1;
        if (!found) continue;
        length -= found;
        assert_int_equal(held, 0);
        assert_int_equal(length, strlen(answer));
        assert_memory_equal(text, answer, length);
        suan__stop_fini(&stop);
        return;
    }
    assert_int_equal(suan__stop_held(&stop), held);
    assert_int_equal(length - held, strlen(answer));
    assert_memory_equal(text, answer, length - held);
    suan__stop_fini(&stop);
}

static void test_stop_cases(void **state) {
    (void)state;
    expect((const char *[]){"END"}, 1, "the END of", "the ", 0);
    expect((const char *[]){"END"}, 1, "the EN", "the ", 2);
    expect((const char *[]){"END"}, 1, "the ENE", "the EN", 1);
    expect((const char *[]){"aab"}, 1, "aaaab", "aa", 0); /* needs the failure function */
    expect((const char *[]){"aab"}, 1, "aaaa", "aa", 2);
    expect((const char *[]){"ab", "xab"}, 2, "1xab", "1", 0); /* both end here: the longest is cut */
    expect((const char *[]){"b", "abc"}, 2, "1abc", "1a", 0); /* the first to end wins */
    expect((const char *[]){"bc", "abcd"}, 2, "1abx", "1abx", 0);
    expect((const char *[]){"\n\n", "\nUser:"}, 2, "hi\nUse", "hi", 4);
    expect((const char *[]){"\xe2\x82\xac"}, 1, "5 \xe2\x82\xac", "5 ", 0);
    expect(NULL, 0, "anything", "anything", 0);
}

static uint32_t random_state = 7;
static uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

/* The longest stop string that is a suffix of text[0..n), and the longest proper prefix of one that is. */
static void look(const char *const *stops, size_t n_stops, const char *text, size_t n, size_t *found, size_t *held) {
    *found = *held = 0;
    for (size_t i = 0; i < n_stops; i++) {
        size_t length = strlen(stops[i]);
        for (size_t k = 1; k <= length && k <= n; k++) {
            if (memcmp(stops[i], text + n - k, k) != 0) continue;
            size_t *best = k == length ? found : held;
            if (k > *best) *best = k;
        }
    }
}

static void test_stop_random_equals_search(void **state) {
    (void)state;
    int n_found = 0;
    for (int round = 0; round < 300; round++) {
        char strings[4][8];
        const char *stops[4];
        size_t n_stops = 1 + random_below(4);
        for (size_t i = 0; i < n_stops; i++) {
            size_t length = 1 + random_below(7);
            for (size_t k = 0; k < length; k++) strings[i][k] = (char)('a' + random_below(2));
            strings[i][length] = 0;
            stops[i] = strings[i];
        }
        suan__stop stop;
        assert_int_equal(suan__stop_init(&stop, stops, n_stops, NULL), SUAN_OK);
        char text[200];
        for (size_t n = 0; n < sizeof text;) {
            text[n++] = (char)('a' + random_below(2));
            size_t found, held;
            look(stops, n_stops, text, n, &found, &held);
            assert_int_equal(suan__stop_feed(&stop, text[n - 1]), found);
            assert_int_equal(suan__stop_held(&stop), held);
            n_found += found > 0;
        }
        suan__stop_reset(&stop);
        assert_int_equal(suan__stop_held(&stop), 0);
        suan__stop_fini(&stop);
    }
    assert_true(n_found > 1000);
}

static void test_stop_init_bad_strings_fails(void **state) {
    (void)state;
    suan__stop stop;
    suan_error err = {0};
    assert_int_equal(suan__stop_init(&stop, (const char *[]){"a", ""}, 2, &err), SUAN_EINVAL);
    assert_string_equal(err.message, "stop: stop string 1 is empty");
    assert_int_equal(suan__stop_init(&stop, (const char *[]){NULL}, 1, &err), SUAN_EINVAL);
    assert_int_equal(suan__stop_init(&stop, NULL, 1, &err), SUAN_EINVAL);
    assert_int_equal(suan__stop_init(&stop, (const char *[]){"\xff"}, 1, &err), SUAN_EINVAL);
    assert_string_equal(err.message, "stop: stop string 0 is not UTF-8");
    const char *many[SUAN__MAX_STOPS + 1];
    for (size_t i = 0; i <= SUAN__MAX_STOPS; i++) many[i] = "x";
    assert_int_equal(suan__stop_init(&stop, many, SUAN__MAX_STOPS + 1, &err), SUAN_ERANGE);
    assert_int_equal(suan__stop_init(&stop, many, SUAN__MAX_STOPS, &err), SUAN_OK);
    suan__stop_fini(&stop);
    static char large[SUAN__MAX_STOP_BYTES + 2];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(suan__stop_init(&stop, (const char *[]){large}, 1, &err), SUAN_ERANGE);
    suan__alloc_fail_at(1);
    assert_int_equal(suan__stop_init(&stop, many, 1, &err), SUAN_ENOMEM);
    suan__alloc_fail_at(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_cases),
        cmocka_unit_test(test_stop_random_equals_search),
        cmocka_unit_test(test_stop_init_bad_strings_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
