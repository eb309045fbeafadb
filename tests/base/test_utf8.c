/* UTF-8 against an oracle that does not share its method: the set of all proper beginnings and all encodings of all code points. */
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

/* One bit for each string of 1, 2, 3 bytes that begins a longer character, and the code point + 1 of those that are one. */
static unsigned char *begins[4];

static uint32_t key(const unsigned char *s, size_t n) {
    uint32_t k = 0;
    for (size_t i = 0; i < n; i++) k = k << 8 | s[i];
    return k;
}

/* Section 3 of RFC 3629, spelled out. */
static size_t spell(uint32_t cp, unsigned char s[4]) {
    if (cp <= 0x7F) return s[0] = (unsigned char)cp, 1;
    if (cp <= 0x7FF) return s[0] = (unsigned char)(0xC0 + cp / 64), s[1] = (unsigned char)(0x80 + cp % 64), 2;
    if (cp <= 0xFFFF) {
        s[0] = (unsigned char)(0xE0 + cp / 4096);
        s[1] = (unsigned char)(0x80 + cp / 64 % 64);
        s[2] = (unsigned char)(0x80 + cp % 64);
        return 3;
    }
    s[0] = (unsigned char)(0xF0 + cp / 262144);
    s[1] = (unsigned char)(0x80 + cp / 4096 % 64);
    s[2] = (unsigned char)(0x80 + cp / 64 % 64);
    s[3] = (unsigned char)(0x80 + cp % 64);
    return 4;
}

static bool is_scalar(uint32_t cp) {
    return cp < 0xD800 || (cp > 0xDFFF && cp <= 0x10FFFF);
}

static int setup(void **state) {
    for (size_t n = 1; n <= 3; n++) begins[n] = calloc(1, (size_t)1 << (8 * n - 3));
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        unsigned char s[4];
        if (!is_scalar(cp)) continue;
        size_t length = spell(cp, s);
        for (size_t n = 1; n < length; n++) begins[n][key(s, n) >> 3] |= (unsigned char)(1 << (key(s, n) & 7));
    }
    return 0;
}

static int teardown(void **state) {
    for (size_t n = 1; n <= 3; n++) free(begins[n]);
    return 0;
}

static void test_every_code_point_round_trips(void **state) {
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        unsigned char expected[4];
        char s[5];
        if (!is_scalar(cp)) continue;
        size_t length = spell(cp, expected);
        assert_int_equal(suan__utf8_encode(cp, s), length);
        assert_memory_equal(s, expected, length);
        uint32_t back = UINT32_MAX;
        assert_int_equal(suan__utf8_decode(s, length, &back), length);
        assert_int_equal(back, cp);
        s[length] = (char)0x80; /* what follows does not matter */
        assert_int_equal(suan__utf8_decode(s, length + 1, &back), length);
        for (size_t n = 0; n < length; n++) {
            assert_int_equal(suan__utf8_decode(s, n, &back), 0);
            assert_int_equal(suan__utf8_incomplete_tail(s, n), n);
        }
        assert_int_equal(suan__utf8_incomplete_tail(s, length), 0);
    }
}

/* The value that the bits would have, whether that is allowed or not: then the code point must spell the same bytes. */
static size_t oracle_decode(const unsigned char *s, size_t n, uint32_t *cp) {
    for (size_t length = 1; length <= n && length <= 4; length++) {
        static const unsigned char mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
        uint32_t v = s[0] & mask[length];
        for (size_t i = 1; i < length; i++) v = v << 6 | (s[i] & 0x3F);
        unsigned char again[4];
        if (is_scalar(v) && spell(v, again) == length && memcmp(s, again, length) == 0) {
            *cp = v;
            return length;
        }
    }
    return 0;
}

static size_t oracle_tail(const unsigned char *s, size_t n) {
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        uint32_t i = key(s + n - k, k);
        if (begins[k][i >> 3] >> (i & 7) & 1) return k;
    }
    return 0;
}

static void check(const unsigned char *s, size_t n) {
    uint32_t got = 1, expected = 1;
    size_t length = oracle_decode(s, n, &expected), tail = oracle_tail(s, n);
    if (suan__utf8_decode((const char *)s, n, &got) != length || got != expected || suan__utf8_incomplete_tail((const char *)s, n) != tail)
        fail_msg("%08X, %zu bytes: expected length %zu, U+%X, tail %zu", key(s, n), n, length, expected, tail);
}

static void test_all_strings_of_up_to_three_bytes(void **state) {
    for (uint32_t k = 0; k < 1u << 24; k++) {
        unsigned char s[3] = {(unsigned char)(k >> 16), (unsigned char)(k >> 8), (unsigned char)k};
        check(s, 3);
        if (k < 1u << 16) check(s + 1, 2);
        if (k < 1u << 8) check(s + 2, 1);
    }
}

/* Bytes at both ends of every range of the grammar. */
static void test_all_classes_of_four_bytes(void **state) {
    static const unsigned char ends[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                                         0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF};
    enum { N = sizeof ends };
    for (int i = 0; i < N * N * N * N; i++) {
        unsigned char s[4] = {ends[i % N], ends[i / N % N], ends[i / (N * N) % N], ends[i / (N * N * N)]};
        check(s, 4);
    }
}

static void test_valid_looks_at_every_character(void **state) {
    assert_true(suan__utf8_valid("", 0));
    assert_true(suan__utf8_valid("\0a\xE7\xAE\x97\xF4\x8F\xBF\xBF", 9));
    assert_false(suan__utf8_valid("abc\x80", 4));
    assert_false(suan__utf8_valid("abc\xE7\xAE", 5));
    assert_false(suan__utf8_valid("\xF4\x90\x80\x80", 4));
    assert_false(suan__utf8_valid("\xED\xA0\x80", 3));
    assert_false(suan__utf8_valid("\xC0\x80", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_round_trips),
        cmocka_unit_test(test_all_strings_of_up_to_three_bytes),
        cmocka_unit_test(test_all_classes_of_four_bytes),
        cmocka_unit_test(test_valid_looks_at_every_character),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
