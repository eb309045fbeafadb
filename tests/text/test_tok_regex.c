/* test_tok_regex.c: the regular expressions of pre-tokenizers: what they match, that both ways of matching agree, that work is linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/pretok.h"

static const char *const presets[] = {"default",        "llama-bpe",   "qwen2",     "qwen35",    "deepseek-llm",
                                      "deepseek-coder", "deepseek-v3", "joyai-llm", "gpt-4o",    "kimi-k2",
                                      "glm4",           "gpt-2",       "tekken",    "starcoder", "falcon"};

static suan__regex *compile(suan__arena *a, const char *pattern) {
    suan__regex *re;
    suan_error err = {0};
    if (suan__regex_compile(&re, a, pattern, strlen(pattern), &err) != SUAN_OK) fail_msg("%s: %s", pattern, err.message);
    return re;
}

/* All matches as "begin-end,...". */
static void matches(const suan__regex *re, const char *text, size_t n, bool slow, suan__buf *out) {
    suan__regex_scan scan;
    size_t begin, end;
    int found;
    out->n = 0;
    suan__regex_begin(&scan, re, text, n);
    if (slow) suan__regex_force_slow(&scan);
    while ((found = suan__regex_next(&scan, &begin, &end)) > 0) suan__buf_printf(out, "%zu-%zu,", begin, end);
    assert_int_equal(found, 0);
    suan__buf_append(out, "", 0);
    suan__regex_end(&scan);
}

static void check(const char *pattern, const char *text, const char *want) {
    suan__arena a;
    suan__buf got = {0};
    suan__arena_init(&a, 0);
    suan__regex *re = compile(&a, pattern);
    for (int slow = 0; slow < 2; slow++) {
        matches(re, text, strlen(text), slow, &got);
        assert_string_equal(got.n ? got.data : "", want);
    }
    suan__buf_fini(&got);
    suan__arena_fini(&a);
}

static void test_matches_are_those_of_a_backtracking_engine(void **state) {
    (void)state;
    check("a|ab", "ab", "0-1,");
    check("ab|a", "aab", "0-1,1-3,");
    check("a*?b", "aab", "0-3,");
    check("(a|ab)(c|bcd)", "abcd", "0-4,");
    check("x{2,3}", "xxxxxxx", "0-3,3-6,");
    check("x{2,3}?", "xxxxx", "0-2,2-4,");
    check("x{2}", "xxxxx", "0-2,2-4,");
    check("x{,2}y", "xxxy", "1-4,");
    check("a{b", "a{b", "0-3,");
    check("\\s+(?!\\S)|\\s+", "a   b", "1-3,3-4,");
    check("\\s+$", "a  \n b ", "1-3,6-7,");
    check("^b", "b\nb", "0-1,2-3,");
    check("\\Ab", "b\nb", "0-1,");
    check("a\\z", "a\na", "2-3,");
    check("\\bfoo\\b", "foo food foo", "0-3,9-12,");
    check("o\\B", "foo fo", "1-2,");
    check("(?i:'S|'t)", "'s'T'\xC5\xBF", "0-2,2-4,4-7,"); /* U+017F folds to s */
    check("(?i)k", "K\xE2\x84\xAA", "0-1,1-4,");          /* U+212A folds to k */
    check("[a-c&&[^b]]+", "aabca", "0-2,3-5,");
    check("[^\\p{L}]", "a1", "1-2,");
    check("[]a]+", "]a", "0-2,");
    check("[a\\-z]+", "a-zb", "0-3,");
    check("\\p{Han}+", "\xE4\xB8\xAD\xE6\x96\x87 x", "0-6,");
    check("\\P{L}|\\p{^N}", "a1", "0-1,1-2,");
    check("a++b", "aab", "0-3,");
    check("a?+b", "ab", "0-2,");
    check("[a-z]*+z", "abcz", "");
    check(".",
          "\n\xFF"
          "a",
          "1-2,2-3,"); /* not UTF-8: one byte, one character */
    check("a*", "baa", "0-0,1-3,");
    check("(a*)*", "aab", "0-2,3-3,");
    check("(?:)", "ab", "0-0,1-1,2-2,");
    check("a(?=b|$)", "abaca", "0-1,4-5,");
    check("\\x{61}\\u0062\\x63", "abc", "0-3,");
    check("[[:alpha:]]+", "ab1", "0-2,");
}

static void test_what_is_not_supported_is_an_error(void **state) {
    (void)state;
    static const char *const bad[] = {"(a)\\1", "(?<=a)b",  "(?<!a)b",         "(?>a)",  "a(?!bc)",  "[a",     "(a",    "a)",
                                      "*a",     "\\p{Foo}", "\\k<n>",          "a{2,1}", "a{99999}", "\\",     "[b-a]", "[[:x:]]",
                                      "(?#x)",  "\\xZZ",    "(a{1000}){1000}", "(?x) a", "\\p{L",    "(ab)++", "\xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        suan__arena a;
        suan__regex *re;
        suan_error err = {0};
        suan__arena_init(&a, 0);
        assert_true(suan__regex_compile(&re, &a, bad[i], strlen(bad[i]), &err) < 0);
        assert_null(re);
        assert_true(err.message[0] != 0);
        suan__arena_fini(&a);
    }
    char deep[1000];
    suan__arena a;
    suan__regex *re;
    for (int k = 0; k < 2; k++) {
        memset(deep, k ? '[' : '(', sizeof deep);
        suan__arena_init(&a, 0);
        assert_true(suan__regex_compile(&re, &a, deep, sizeof deep, NULL) < 0);
        suan__arena_fini(&a);
    }
}

/* Nested counts of nothing must not take time. */
static void test_counted_nothing_compiles_at_once(void **state) {
    (void)state;
    check("((((((((((){1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000}a", "a", "0-1,");
}

static uint64_t rng = 1;
static uint32_t next_random(uint32_t n) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 33) % n;
}

/* Random text of characters that the patterns tell apart, and some bytes that are no UTF-8. */
static size_t random_text(char *out, size_t room) {
    static const char *const parts[] = {"a",
                                        "B",
                                        "z",
                                        "'",
                                        "'s",
                                        "'LL",
                                        "1",
                                        "23",
                                        " ",
                                        "  ",
                                        "\n",
                                        "\r\n",
                                        "\t",
                                        "!",
                                        "$",
                                        "/",
                                        "\xC3\xA9",
                                        "\xCC\x81",
                                        "\xE4\xB8\xAD",
                                        "\xE3\x81\x82",
                                        "\xE0\xB8\x81",
                                        "\xE0\xB8\xB4",
                                        "\xC2\xA0",
                                        "\xE3\x80\x80",
                                        "\xF0\x9F\x98\x80",
                                        "\xC2\xBD",
                                        "\xFF",
                                        "\xE4",
                                        "_",
                                        "\xC5\xBF",
                                        "\xC7\x85",
                                        "\xCA\xB0",
                                        "\xEF\xBC\x81"};
    size_t n = 0, k = next_random(60);
    for (size_t i = 0; i < k; i++) {
        const char *s = parts[next_random(sizeof parts / sizeof parts[0])];
        if (n + strlen(s) > room) break;
        memcpy(out + n, s, strlen(s));
        n += strlen(s);
    }
    return n;
}

static void check_both_ways(const suan__regex *re, const char *name, int rounds) {
    suan__buf fast = {0}, slow = {0};
    for (int i = 0; i < rounds; i++) {
        char text[512];
        size_t n = random_text(text, sizeof text);
        matches(re, text, n, false, &fast);
        matches(re, text, n, true, &slow);
        if (fast.n != slow.n || (fast.n && memcmp(fast.data, slow.data, fast.n) != 0)) {
            fail_msg("%s: round %d: %.*s and %.*s", name, i, (int)fast.n, fast.data, (int)slow.n, slow.data);
        }
    }
    suan__buf_fini(&fast);
    suan__buf_fini(&slow);
}

static void test_both_ways_of_matching_agree(void **state) {
    (void)state;
    static const char *const more[] = {"\\s+$", "(a|B)*?z", "^\\s*|\\bz", "(\\p{L}+\\d?)+!", "(?i:z|\xC5\xBF)+", "(a*)*B|.", "[^a]*a|\\s"};
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        const suan__pretok_preset *p = suan__pretok_find_preset(presets[i], strlen(presets[i]));
        assert_non_null(p);
        for (int k = 0; p->patterns[k]; k++) {
            suan__arena a;
            suan__arena_init(&a, 0);
            check_both_ways(compile(&a, p->patterns[k]), presets[i], 200);
            suan__arena_fini(&a);
        }
    }
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        suan__arena a;
        suan__arena_init(&a, 0);
        check_both_ways(compile(&a, more[i]), more[i], 1000);
        suan__arena_fini(&a);
    }
}

static uint64_t work_of(const suan__regex *re, const char *unit, size_t n) {
    char *text = malloc(n);
    size_t k = strlen(unit), begin, end;
    for (size_t i = 0; i < n; i++) text[i] = unit[i % k];
    text[n - 1] = '!';
    suan__regex_scan scan;
    suan__regex_begin(&scan, re, text, n);
    while (suan__regex_next(&scan, &begin, &end) > 0) {}
    uint64_t work = suan__regex_work(&scan);
    suan__regex_end(&scan);
    free(text);
    return work;
}

/* K-08: expressions that make backtracking engines hang, and searches that are quadratic even without backtracking. */
static void test_k08_work_is_linear(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *unit;
    } cases[] = {
        {"(a+)+$", "a"},
        {"(a|aa)+$", "a"},
        {"(a|a?)+$", "a"},
        {"(.*a){20}$", "a"},
        {"(a*)*$", "a"},
        {"([a-zA-Z]+)*$", "a"},
        {"a*a*a*a*a*$", "a"},
        {"(a?){30}a{30}$", "a"},
        {"(x+x+)+y", "x"},
        {"(.*)*=", "a"},
        {"\\s+$", " "},
        {"\\s*\\s*\\s*$", " "},
        {"(\\s|\\n)+$", " \n"},
        {"a+b|a", "a"},
        {"(a|b|ab)*c", "ab"},
        {"(0|1|01)*2", "01"},
        {"(.+)+x$", "ab"},
        {"\\p{L}+\\d", "a"},
        {"(\\p{L}+\\s?)+$", "ab "},
        {"(\\w+\\s?)*$", "ab "},
        {"[^,]*,[^,]*;", "a"},
        {"(a{1,20}){1,20}b", "a"},
        {"(a|b)*a(a|b){12}x", "ab"},
        {"(\"(\\\\\"|[^\"])*)+z", "\""},
        {"(<[^>]*)+>", "<"},
        {"(a+a+a+)+b", "a"},
        {"((a+)+)+b", "a"},
        {"(\\d+)+x", "1"},
        {"(1+)+\\.(1+)+x", "1"},
        {"(.*?,){11}P", "1,"},
        {"^(a+)+$", "a"},
        {"(a*?)*?b", "a"},
        {"(?:a|b|c|d)*e", "abcd"},
        {"(ab?)*c", "ab"},
        {"(a+|b+)*c", "ab"},
        {"\\s+(?!\\S)|\\s+x", " "},
        {"(.|\\n)*z", "a\n"},
        {"[a-z]+@[a-z]+\\.", "a@"},
        {"(\\w|\\d)+-", "a1"},
        {"a.*b.*c.*d", "abc"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        suan__arena a;
        suan__arena_init(&a, 0);
        suan__regex *re = compile(&a, cases[i].pattern);
        uint64_t one = work_of(re, cases[i].unit, 1 << 15), two = work_of(re, cases[i].unit, 1 << 16);
        if (two * 2 > one * 5) fail_msg("%s: work %llu, %llu", cases[i].pattern, (unsigned long long)one, (unsigned long long)two);
        suan__arena_fini(&a);
    }
}

/* Splits: each behaviour, both ways around. */
static void check_split(const char *pattern, suan__split behavior, bool invert, const char *text, const char *want) {
    suan__arena a;
    suan__pieces p = {0};
    suan__buf got = {0};
    suan__arena_init(&a, 0);
    suan__pretok_step step = {.type = SUAN__PRETOK_SPLIT, .regex = compile(&a, pattern), .behavior = behavior, .invert = invert};
    assert_int_equal(suan__pretok_apply(&step, 1, text, strlen(text), true, &p, NULL), SUAN_OK);
    for (size_t i = 0; i < p.n; i++) suan__buf_printf(&got, "[%.*s]", (int)(p.v[i].end - p.v[i].begin), p.text + p.v[i].begin);
    assert_string_equal(got.n ? got.data : "", want);
    suan__buf_fini(&got);
    suan__pieces_fini(&p);
    suan__arena_fini(&a);
}

static void test_split_behaviours(void **state) {
    (void)state;
    const char *s = "the-final--countdown-"; /* the example of HF's documentation and its results */
    check_split("-", SUAN__SPLIT_REMOVED, false, s, "[the][final][countdown]");
    check_split("-", SUAN__SPLIT_ISOLATED, false, s, "[the][-][final][-][-][countdown][-]");
    check_split("-", SUAN__SPLIT_MERGED_PREVIOUS, false, s, "[the-][final-][-][countdown-]");
    check_split("-", SUAN__SPLIT_MERGED_NEXT, false, s, "[the][-final][-][-countdown][-]");
    check_split("-", SUAN__SPLIT_CONTIGUOUS, false, s, "[the][-][final][--][countdown][-]");
    check_split("[a-z]+", SUAN__SPLIT_REMOVED, true, s, "[the][final][countdown]");
    check_split("[a-z]+", SUAN__SPLIT_ISOLATED, true, s, "[the][-][final][--][countdown][-]");
}

static void test_unknown_preset_is_null(void **state) {
    (void)state;
    assert_null(suan__pretok_find_preset("no-such-name", 12));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches_are_those_of_a_backtracking_engine),
        cmocka_unit_test(test_what_is_not_supported_is_an_error),
        cmocka_unit_test(test_counted_nothing_compiles_at_once),
        cmocka_unit_test(test_both_ways_of_matching_agree),
        cmocka_unit_test(test_k08_work_is_linear),
        cmocka_unit_test(test_split_behaviours),
        cmocka_unit_test(test_unknown_preset_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
