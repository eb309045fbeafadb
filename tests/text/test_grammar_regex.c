/* test_grammar_regex.c: regular expressions against Python's re (tests/data/regex_cases.txt, written by scripts/gen_regex_cases.py), errors,
 * and characters that a caller writes in its own way. */
#include "base/file.h"
#include "grammar_test.h"
#include "text/grammar.h"

enum { N_UNSUPPORTED = 7 }; /* of the table: \b, \1, three that look around, a++, (?x:) */

static words bytes;

static int setup(void **state) {
    (void)state;
    words_open(&bytes, no_words, end_only);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    words_close(&bytes);
    return 0;
}

static suan_status make(suan_grammar **g, const char *s, size_t n, const suan__regex_form *form, suan_error *err) {
    suan__builder *b;
    suan__node node;
    *g = NULL;
    assert_int_equal(suan__builder_create(&b, err), SUAN_OK);
    suan_status status = suan__regex_to_node(&node, b, s, n, form, err);
    if (status == SUAN_OK) return suan__builder_finish(g, &b, node, err);
    suan__builder_free(b);
    return status;
}

/* A field of the table, escapes undone in place; returns its length and moves *at to the tab or newline behind it. */
static size_t field(char **at) {
    char *to = *at, *s = *at;
    while (*s != '\t' && *s != '\n') {
        char c = *s++;
        if (c == '\\') {
            c = *s++;
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
        *to++ = c;
    }
    size_t n = (size_t)(to - *at);
    *at = s;
    return n;
}

static void test_regex_equals_python(void **state) {
    (void)state;
    char path[4096], *table;
    size_t n_table;
    suan_error err = {0};
    int n_texts = 0, n_expressions = 0, n_unsupported[2] = {0}, n_refused = 0;
    snprintf(path, sizeof path, "%s/regex_cases.txt", getenv("SUAN_TEST_DATA"));
    if (suan__file_slurp(path, 1 << 24, &table, &n_table, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (char *at = table; at < table + n_table; at++) {
        char *expression = at;
        size_t n = field(&at);
        suan_grammar *g[2];
        bool is_valid = *at == '\t';
        for (int search = 0; search < 2; search++) {
            suan__regex_form form = {.search = search};
            suan_status status = make(&g[search], expression, n, search ? &form : NULL, &err);
            n_unsupported[search] += status == SUAN_EUNSUPPORTED && is_valid;
            n_refused += status != SUAN_OK && !is_valid;
            if (status != SUAN_OK && status != SUAN_EUNSUPPORTED && is_valid && !strstr(err.message, "no text"))
                fail_msg("%.*s: %s", (int)n, expression, err.message);
            if (status == SUAN_OK && !is_valid) fail_msg("%.*s is valid", (int)n, expression);
        }
        n_expressions++;
        while (*at == '\t') {
            char *text = ++at + 2, expected[2] = {at[0], at[1]};
            at += 2;
            size_t k = field(&at);
            n_texts++;
            for (int search = 0; search < 2; search++) {
                if (g[search] && has_text(g[search], &bytes, text, k) != (expected[search] == '1'))
                    fail_msg("%.*s (search %d): '%.*s': expected %c", (int)n, expression, search, (int)k, text, expected[search]);
            }
        }
        suan_grammar_free(g[0]);
        suan_grammar_free(g[1]);
    }
    print_message("%d expressions, %d texts; %d and %d not supported, %d refused as Python does\n", n_expressions, n_texts,
                  n_unsupported[0], n_unsupported[1], n_refused);
    assert_int_equal(n_expressions, 400);
    assert_true(n_texts > 10000 && n_refused > 10);
    assert_int_equal(n_unsupported[0], N_UNSUPPORTED);
    assert_int_equal(n_unsupported[1], N_UNSUPPORTED + 1); /* an anchor in one alternative of a group */
    suan__free(table);
}

static void test_regex_texts(void **state) {
    (void)state;
    static const struct {
        const char *expression, *text;
        bool has;
    } cases[] = {
        {"\\p{Lu}\\p{Ll}+", "\xc3\x89t\xc3\xa9", true},
        {"\\p{Lu}\\p{Ll}+", "\xc3\xa9t\xc3\xa9", false},
        {"\\P{L}+", "12 -", true},
        {"\\P{L}+", "1a", false},
        {"[\\p{Han}a]+", "\xe4\xb8\xad\x61", true},
        {"\\u{1F600}\\uD83D\\uDE00", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", true},
        {"(?<year>\\d{4})-(?P<m>\\d\\d)", "2024-05", true},
        {"a{1000}{1000}{1000}", "aaa", false},
        {"(?i:stra\xc3\x9f"
         "e)",
         "STRA\xe1\xba\x9e"
         "E",
         true},
        {"(?i-s:.)|x", "\n", false},
        {"(?-i:a(?i)b)c", "aBc", true},
        {"(?-i:a(?i)b)c", "aBC", false},
        {"[\\b]", "\b", true},
        {"\\/\\-", "/-", true},
        {"[^\\d\\s]", "\xc2\xa0", true},
        {"\\0", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        suan_grammar *g;
        suan_error err = {0};
        if (suan_grammar_from_regex(&g, cases[i].expression, strlen(cases[i].expression), &err) != SUAN_OK)
            fail_msg("%s: %s", cases[i].expression, err.message);
        if (has_text(g, &bytes, cases[i].text, strlen(cases[i].text)) != cases[i].has)
            fail_msg("%s: %s", cases[i].expression, cases[i].text);
        suan_grammar_free(g);
    }
}

static void test_regex_errors(void **state) {
    (void)state;
    static const struct {
        const char *expression;
        suan_status status;
        int64_t offset;
        const char *says;
    } cases[] = {
        {"ab(", SUAN_EINVAL, 3, "expected ')'"},
        {"ab)", SUAN_EINVAL, 2, "not opened"},
        {"a|*", SUAN_EINVAL, 3, "nothing stands before"},
        {"(?i)*", SUAN_EINVAL, 5, "nothing stands before"},
        {"^*", SUAN_EINVAL, 2, "nothing stands before"},
        {"a**", SUAN_EINVAL, 2, "repetition of a repetition"},
        {"a{3,2}", SUAN_EINVAL, 6, "minimum"},
        {"a{4294967295}", SUAN_ELIMIT, 13, "more than"},
        {"[a", SUAN_EINVAL, 2, "expected ']'"},
        {"[]", SUAN_EINVAL, -2, "expected ']'"},
        {"[b-a]", SUAN_EINVAL, 4, "range"},
        {"[a-\\d]", SUAN_EINVAL, 5, "range"},
        {"\\", SUAN_EINVAL, 1, "backslash"},
        {"\\y", SUAN_EINVAL, 1, "escape"},
        {"\\xg0", SUAN_EINVAL, 2, "hexadecimal"},
        {"\\ud800", SUAN_EINVAL, 6, "no character"},
        {"\\u{110000}", SUAN_EINVAL, 10, "no character"},
        {"\\p{Nope}", SUAN_EUNSUPPORTED, 7, "property"},
        {"\\p{Lu", SUAN_EINVAL, 2, "expected '}'"},
        {"(a)\\1", SUAN_EUNSUPPORTED, 4, "back reference"},
        {"(?=a)", SUAN_EUNSUPPORTED, 2, "look around"},
        {"(?<!a)", SUAN_EUNSUPPORTED, 2, "look around"},
        {"(?>a)", SUAN_EUNSUPPORTED, 2, "group"},
        {"\\ba", SUAN_EUNSUPPORTED, 1, "word boundary"},
        {"a++", SUAN_EUNSUPPORTED, 2, "possessive"},
        {"a^", SUAN_EUNSUPPORTED, 2, "anchor of the beginning"},
        {"$a", SUAN_EUNSUPPORTED, 1, "anchor of the end"},
        {"a\xff", SUAN_EINVAL, 1, "UTF-8"},
        {"[^\\s\\S]", SUAN_EINVAL, -1, "no text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        suan_grammar *g;
        suan_error err = {0};
        suan_status status = suan_grammar_from_regex(&g, cases[i].expression, strlen(cases[i].expression), &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].says) || (cases[i].offset != -2 && err.offset != cases[i].offset))
            fail_msg("%s: %d, %s (%d)", cases[i].expression, status, err.message, (int)err.offset);
        assert_null(g);
    }
}

/* As a reader of JSON strings would: a quote is written with a backslash. */
static suan__node quoted(void *ctx, suan__builder *b, const suan__unicode_range *r, size_t n) {
    bool has_quote = false;
    suan__unicode_range plain[8];
    size_t k = 0;
    ++*(int *)ctx;
    for (size_t i = 0; i < n && k < 7; i++) {
        if (r[i].first > '"' || r[i].last < '"') {
            plain[k++] = r[i];
            continue;
        }
        has_quote = true;
        if (r[i].first < '"') plain[k++] = (suan__unicode_range){r[i].first, '"' - 1};
        if (r[i].last > '"') plain[k++] = (suan__unicode_range){'"' + 1, r[i].last};
    }
    suan__node parts[2] = {suan__node_set(b, plain, k, false), suan__node_bytes(b, "\\\"", 2)};
    return suan__node_alt(b, parts, has_quote ? 2 : 1);
}

static void test_regex_characters_of_the_caller(void **state) {
    (void)state;
    int n_calls = 0;
    suan_grammar *g;
    suan_error err = {0};
    suan__regex_form form = {.set = quoted, .ctx = &n_calls, .search = true};
    assert_int_equal(make(&g, "^a[\"x]|\"$", 9, &form, &err), SUAN_OK);
    assert_true(n_calls >= 3);
    assert_true(has_text(g, &bytes, "a\\\"tail", 7) && has_text(g, &bytes, "ax", 2) && has_text(g, &bytes, "head\\\"", 6));
    assert_false(has_text(g, &bytes, "a\"", 2) || has_text(g, &bytes, "head\"", 5) || has_text(g, &bytes, "xax", 3));
    suan_grammar_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regex_equals_python),
        cmocka_unit_test(test_regex_texts),
        cmocka_unit_test(test_regex_errors),
        cmocka_unit_test(test_regex_characters_of_the_caller),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
