/* test_grammar_gbnf.c: what GBNF says: texts that a grammar has and has not, errors and where they are. */
#include "grammar_test.h"

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

/* Lists of texts are separated by '|'; "" between two is the empty text. */
static void check_list(suan_grammar *g, const char *grammar, const char *list, bool expected) {
    for (const char *s = list;; s++) {
        size_t n = strcspn(s, "|");
        if (has_text(g, &bytes, s, n) != expected) fail_msg("%s: '%.*s' %s", grammar, (int)n, s, expected ? "is missing" : "is there");
        s += n;
        if (!*s) return;
    }
}

static void test_gbnf_texts(void **state) {
    (void)state;
    static const struct {
        const char *grammar, *yes, *no;
    } cases[] = {
        {"root ::= \"abc\"", "abc", "|ab|abcd|abC"},
        {"root ::= \"\"", "", "a"},
        {"root ::= \"a\" \"b\"", "ab", "a|b|ba"},
        {"root ::= \"a\" | \"b\" | \"cd\"", "a|b|cd", "|c|d|ab"},
        {"root ::= \"a\" |", "a|", "b"},
        {"root ::= | \"a\"", "|a", "b"},
        {"root ::= (\"a\" | \"b\") \"c\"", "ac|bc", "a|c|abc"},
        {"root ::= \"a\"*", "|a|aaaa", "b|ab"},
        {"root ::= \"a\"+", "a|aa", "|b"},
        {"root ::= \"a\"?", "|a", "aa"},
        {"root ::= \"ab\"* \"c\"", "c|abc|ababc", "ac|abbc|bc"},
        {"root ::= \"a\"{2}", "aa", "|a|aaa"},
        {"root ::= \"a\"{2,}", "aa|aaaaaaaa", "|a"},
        {"root ::= \"a\"{1,3}", "a|aa|aaa", "|aaaa"},
        {"root ::= \"a\"{0,2}", "|a|aa", "aaa"},
        {"root ::= \"a\"{0}", "", "a"},
        {"root ::= (\"a\" | \"bc\"){2}", "aa|abc|bca|bcbc", "a|bc|aaa"},
        {"root ::= \"a\"{2}{3}", "aaaaaa", "aa|aaaaa|aaaaaaa"},
        {"root ::= ( \"a\" { 1 , 2 } )", "a|aa", "|aaa"},
        {"root ::= [a-c]", "a|b|c", "|d|ab"},
        {"root ::= [abx-z]+", "abxyz", "c|-"},
        {"root ::= [^a-c]", "d|Z|\xc3\xa9|\xf0\x9f\x98\x80", "a|b||\xc3|\x80"},
        {"root ::= [a-]", "a|-", "b"},
        {"root ::= [-a]", "a|-", "b"},
        {"root ::= [a\\-z]+", "a-z", "b"},
        {"root ::= [\\]\\[\\\\\"]+", "]|[|\\|\"", "a"},
        {"root ::= \"\\t\\n\\r\\\"\\\\\\[\\]\"", "\t\n\r\"\\[]", "t"},
        {"root ::= \"\\x41\\u00e9\\U0001F600\"", "A\xc3\xa9\xf0\x9f\x98\x80", "A"},
        {"root ::= \"h\xc3\xa9\"", "h\xc3\xa9", "h\xc3|h"},
        {"root ::= [\xe3\x81\x81-\xe3\x82\x9f]+", "\xe3\x81\x82\xe3\x82\x8a", "\xe3\x82\xa0|\xe3\x81|a"},
        {"root ::= .", "a|\n|\xc3\xa9|\xf4\x8f\xbf\xbf", "|ab|\xff|\xed\xa0\x80|\xc0\x80|\xf4\x90\x80\x80"},
        {"root ::= .*", "|anything at all", "\xff"},
        {"root ::= x\nx ::= \"a\" y\ny ::= \"b\"", "ab", "a|b"},
        {"root ::= \"(\" root \")\" | \"x\"", "x|(x)|((((x))))", "(|(x|x)|()"},
        {"root ::= \"a\" root \"b\" |", "|ab|aaabbb", "a|b|aab|abb"},
        {"root ::= \"a\" root | \"b\"", "b|ab|aaaaab", "|a|ba"},
        {"root ::= (\n  \"a\" # in a group lines go on\n  | \"b\"\n)\n# end", "a|b", "|ab"},
        {"root ::= \"a\" |\n \"b\"", "a|b", ""},
        {"root ::=\n \"a\"\r\n\r\nother ::= \"b\"\r\n", "a", "b"},
        {"a-b_3 ::= \"q\"\nroot::=a-b_3 a-b_3", "qq", "q"},
        {"root ::= \"a\" [] | \"b\"", "b", "a|ab"},
        {"root ::= [^]", "a|]", "|\xff"},
        {"root ::= (\"a\"* )* \"b\"", "b|aab", "a"},
        {"root ::= ((\"a\"? \"b\"?)* \"c\"?)+", "|abcab|ccc", "d"},
        {"root ::= e{3,5} \"x\"\ne ::= \"a\"?", "x|ax|aaax|aaaaax", "aaaaaax|a"},
        {"root ::= (\"a\"{0,2}){3} \"b\"", "b|ab|aaaaaab", "aaaaaaab"},
        {"root ::= <none>", "<none>", "<none|none>"},
        {"root ::= \"a\" bad | \"b\"\nbad ::= \"x\" bad", "b", "a|ax"}, /* what can never end is not begun */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        suan_grammar *g = gbnf(cases[i].grammar);
        check_list(g, cases[i].grammar, cases[i].yes, true);
        if (cases[i].no[0]) check_list(g, cases[i].grammar, cases[i].no, false);
        suan_grammar_free(g);
    }
}

static void test_gbnf_errors(void **state) {
    (void)state;
    static const struct {
        const char *grammar;
        suan_status status;
        const char *says;
    } cases[] = {
        {"", SUAN_EINVAL, "no rule 'root'"},
        {"# nothing", SUAN_EINVAL, "no rule 'root'"},
        {"a ::= \"x\"", SUAN_EINVAL, "no rule 'root'"},
        {"root ::= a", SUAN_EINVAL, "'a' is used, but not defined"},
        {"root ::= \"a\" b-c*\n", SUAN_EINVAL, "'b-c' is used, but not defined"},
        {"root ::= \"a\nb\"", SUAN_OK, ""},
        {"root ::= \"a", SUAN_EINVAL, "line 1: expected '\"', found the end of the text"},
        {"root ::= [a", SUAN_EINVAL, "expected ']'"},
        {"root ::= [z-a]", SUAN_EINVAL, "range"},
        {"root ::= (\"a\"", SUAN_EINVAL, "expected ')'"},
        {"root ::= \"a\")", SUAN_EINVAL, "not opened"},
        {"root ::= *", SUAN_EINVAL, "something to repeat"},
        {"root ::= \"a\" | +", SUAN_EINVAL, "something to repeat"},
        {"root ::= (*)", SUAN_EINVAL, "something to repeat"},
        {"root ::= \"a\"{", SUAN_EINVAL, "expected a number"},
        {"root ::= \"a\"{,3}", SUAN_EINVAL, "expected a number"},
        {"root ::= \"a\"{2", SUAN_EINVAL, "expected '}'"},
        {"root ::= \"a\"{3,2}", SUAN_EINVAL, "minimum is above the maximum"},
        {"root ::= \"a\"{99999999999}", SUAN_ELIMIT, "a number above"},
        {"root ::= \"\\q\"", SUAN_EINVAL, "behind a backslash"},
        {"root ::= \"\\x4\"", SUAN_EINVAL, "hexadecimal"},
        {"root ::= \"\\ud800\"", SUAN_EINVAL, "no character"},
        {"root ::= \"\\U00110000\"", SUAN_EINVAL, "no character"},
        {"root ::= \"\xff\"", SUAN_EINVAL, "UTF-8"},
        {"root ::= \"a\"\n\nroot ::= \"b\"", SUAN_EINVAL, "line 3: a rule that is defined already"},
        {"root = \"a\"", SUAN_EINVAL, "expected '::='"},
        {"root ::= \"a\"\n\"b\"", SUAN_EINVAL, "line 2: expected the name of a rule, found '\"'"},
        {"root ::= \"a\" & \"b\"", SUAN_EINVAL, "expected an item of a rule, found '&'"},
        {"root ::= <think", SUAN_EINVAL, "expected '>'"},
        {"root ::= <[x]>", SUAN_EINVAL, "expected a number"},
        {"root ::= <[1>", SUAN_EINVAL, "expected ']>'"},
        {"root ::= !x", SUAN_EINVAL, "expected '<'"},
        {"root ::= []", SUAN_EINVAL, "no text can ever be complete"},
        {"root ::= \"a\" root", SUAN_EINVAL, "no text can ever be complete"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        suan_grammar *g = (suan_grammar *)&bytes;
        suan_error err = {0};
        suan_status status = suan_grammar_from_gbnf(&g, cases[i].grammar, strlen(cases[i].grammar), &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].says)) fail_msg("%s: %d, %s", cases[i].grammar, status, err.message);
        if (status != SUAN_OK) {
            assert_null(g);
            assert_int_equal(err.status, status);
        }
        suan_grammar_free(g);
    }
    /* A NUL is a character like others: it ends nothing. */
    suan_grammar *g;
    suan_error err;
    assert_int_equal(suan_grammar_from_gbnf(&g, "root ::= \"a\"\0", 13, &err), SUAN_EINVAL);
    assert_int_equal(suan_grammar_from_gbnf(&g, "root ::= \"a\0b\"", 14, &err), SUAN_OK);
    assert_true(has_text(g, &bytes, "a\0b", 3));
    suan_grammar_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gbnf_texts),
        cmocka_unit_test(test_gbnf_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
