/* test_grammar_limits.c: rows of the list of attacks and bombs of repetition: grammars and expressions that try to use up
 * stack, memory or time. Everything runs on a thread with a stack of 64 KiB. */
#include <pthread.h>
#include <time.h>

#include "grammar_test.h"
#include "text/grammar_internal.h"

/* The address sanitizer's red zones need more of it. */
#if defined(__SANITIZE_ADDRESS__)
enum { SMALL_STACK = 512 << 10 };
#else
enum { SMALL_STACK = 64 << 10 };
#endif

static words bytes;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What a small thread does: reads a grammar or an expression, goes through a text, makes masks on the way. */
typedef struct job {
    const char *source;
    size_t n_source;
    bool is_regex;
    const char *text;
    size_t n_text;
    suan_status read, went; /* results: of reading; of the first step that failed */
    size_t taken;           /* bytes of the text */
    bool is_complete;
    size_t bytes; /* of states at the end */
    double seconds;
    suan_error err;
} job;

static void *work(void *ctx) {
    job *j = ctx;
    suan_grammar *g;
    suan_matcher *m = NULL;
    uint32_t *mask = suan__malloc(suan_mask_words(bytes.n_vocab) * sizeof *mask);
    double start = now();
    j->read = (j->is_regex ? suan_grammar_from_regex : suan_grammar_from_gbnf)(&g, j->source, j->n_source, &j->err);
    if (j->read == SUAN_OK) j->went = suan_matcher_create(&m, g, bytes.vocabulary, &j->err);
    while (j->read == SUAN_OK && j->went == SUAN_OK && j->taken < j->n_text) {
        if (j->taken % 16 == 0) j->went = suan_matcher_mask(m, mask, NULL, &j->err);
        if (j->went == SUAN_OK) j->went = suan_matcher_accept(m, (unsigned char)j->text[j->taken], &j->err);
        j->taken += j->went == SUAN_OK;
    }
    if (m) {
        j->is_complete = suan_matcher_is_complete(m);
        j->bytes = suan__automaton_bytes(m->automaton);
    }
    suan_matcher_free(m);
    suan_grammar_free(g);
    suan__free(mask);
    j->seconds = now() - start;
    return NULL;
}

static job run(const char *source, size_t n, bool is_regex, const char *text, size_t n_text) {
    job j = {.source = source, .n_source = n, .is_regex = is_regex, .text = text, .n_text = n_text};
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attr, work, &j), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    return j;
}
static job run_gbnf(const char *source, const char *text) {
    return run(source, strlen(source), false, text, strlen(text));
}

/* n times `part` between head and tail. */
static char *repeated(const char *head, const char *part, size_t n, const char *tail, size_t *length) {
    size_t k = strlen(part), a = strlen(head);
    *length = a + n * k + strlen(tail);
    char *s = malloc(*length + 1);
    assert_non_null(s);
    memcpy(s, head, a);
    for (size_t i = 0; i < n; i++) memcpy(s + a + i * k, part, k);
    memcpy(s + a + n * k, tail, strlen(tail) + 1);
    return s;
}

static void test_R01_nullable_repetitions_and_left_recursion(void **state) {
    (void)state;
    static const struct {
        const char *grammar, *text; /* text NULL: refused as left-recursive */
    } cases[] = {
        {"root ::= (\"a\"* )*", "aaaa"},
        {"root ::= ((\"a\"* )* (\"b\"?)+)* \"c\"", "aabbac"},
        {"root ::= a*\na ::= \"\"*", ""},
        {"root ::= a a* \"x\"\na ::= \"\" | (\"\" \"\")+", "x"},
        {"root ::= (a{0,5}){0,7} \"x\"\na ::= (\"\" | \"y\"?){3,9}", "yyx"},
        {"root ::= (a{2147483647}){2147483647} \"x\"\na ::= \"\"?", "x"},
        {"root ::= root", NULL},
        {"root ::= root \"a\" | \"b\"", NULL},
        {"root ::= a\na ::= a", NULL},
        {"root ::= \"x\"\na ::= a", NULL},
        {"root ::= a \"x\"\na ::= b\nb ::= c \"y\"\nc ::= a | \"z\"", NULL},
        {"root ::= e root | \"x\"\ne ::= \"\" | \"y\"", NULL},
        {"root ::= e* root | \"x\"\ne ::= \"y\"", NULL},
        {"root ::= (((root)))", NULL},
        {"root ::= root{0,3} \"a\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        job j = run_gbnf(cases[i].grammar, cases[i].text ? cases[i].text : "");
        if (!cases[i].text) {
            if (j.read != SUAN_EINVAL || !strstr(j.err.message, "begins with itself"))
                fail_msg("%s: %d %s", cases[i].grammar, j.read, j.err.message);
            continue;
        }
        if (j.read != SUAN_OK || j.went != SUAN_OK || j.taken != j.n_text || !j.is_complete)
            fail_msg("%s: %s", cases[i].grammar, j.err.message);
        assert_true(j.seconds < 1.0);
    }
    /* A circle through very many rules, and a chain of as many that is none. */
    suan__buf text = {0};
    for (int circle = 0; circle < 2; circle++) {
        text.n = 0;
        suan__buf_printf(&text, "root ::= r0\n");
        for (int i = 0; i < 50000; i++) suan__buf_printf(&text, "r%d ::= r%d\n", i, i + 1);
        suan__buf_printf(&text, circle ? "r50000 ::= r0 | \"x\"\n" : "r50000 ::= \"x\"\n");
        job j = run(text.data, text.n, false, "x", 1);
        assert_int_equal(j.read, circle ? SUAN_EINVAL : SUAN_OK);
        assert_true(circle || j.is_complete);
        assert_true(j.seconds < 5.0);
    }
    suan__buf_fini(&text);
}

static void test_R02_depth(void **state) {
    (void)state;
    static const struct {
        const char *head, *part, *tail;
        bool is_regex;
        suan_status status;
    } cases[] = {
        {"root ::= ", "(", "", false, SUAN_ELIMIT},
        {"root ::= ", "(\"a\" ", "", false, SUAN_ELIMIT},
        {"", "(", "", true, SUAN_ELIMIT},
        {"", "(?:a|", "", true, SUAN_ELIMIT},
        {"", "[", "", true, SUAN_EINVAL},
        {"root ::= ", "[", "", false, SUAN_EINVAL},
        {"root ::= ", "\"a\" | ", "", false, SUAN_OK},
        {"", "a?", "", true, SUAN_OK},
        {"", "(a)", "", true, SUAN_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t n = 60000; n <= 1000000; n += 940000) {
            size_t length;
            char *s = repeated(cases[i].head, cases[i].part, n, cases[i].tail, &length);
            if (!cases[i].is_regex || length < 65536) {
                job j = run(s, length, cases[i].is_regex, "", 0);
                bool too_long = length > SUAN__GRAMMAR_MAX_TEXT || (n == 1000000 && cases[i].status == SUAN_OK);
                if (j.read != cases[i].status && !(too_long && j.read == SUAN_ELIMIT))
                    fail_msg("%s: %d %s", cases[i].part, j.read, j.err.message);
                if (j.seconds > 5.0) fail_msg("%s: %.1f s", cases[i].part, j.seconds);
            } else {
                assert_int_equal(run(s, length, true, "", 0).read, SUAN_ELIMIT);
                assert_int_equal(run(s, 65536 - 65536 % strlen(cases[i].part), true, "", 0).read, cases[i].status);
            }
            free(s);
        }
    }
    /* The documented depth is allowed. */
    size_t length;
    char *opens = repeated("root ::= ", "(", SUAN__GRAMMAR_MAX_DEPTH, "\"a\"", &length),
         *all = repeated(opens, ")", SUAN__GRAMMAR_MAX_DEPTH, "", &length);
    job allowed = run(all, length, false, "a", 1);
    if (allowed.read != SUAN_OK) fail_msg("%s", allowed.err.message);
    assert_true(allowed.is_complete);
    free(opens);
    free(all);
    /* A text that nests deeper than the stack may be: forbidden at the limit, closed below it. */
    char *deep = repeated("", "[", SUAN__GRAMMAR_MAX_STACK + 10, "", &length);
    job j = run("root ::= \"[\" root \"]\" | \"x\"", 27, false, deep, length);
    assert_int_equal(j.went, SUAN_EINVAL);
    assert_int_equal(j.taken, SUAN__GRAMMAR_MAX_STACK);
    free(deep);
}

static void test_R03_missing_and_undefined_rules(void **state) {
    (void)state;
    static const char *const cases[] = {"",
                                        " \n # only a comment\n",
                                        "start ::= \"a\"",
                                        "root ::= x",
                                        "root ::= \"a\" | (x | y)*\nx ::= \"b\"",
                                        "root ::= x{0}",
                                        "root ::= \"a\"\nb ::= c"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        job j = run_gbnf(cases[i], "");
        if (j.read != SUAN_EINVAL) fail_msg("%s: %d %s", cases[i], j.read, j.err.message);
        assert_true(strstr(j.err.message, "no rule 'root'") || strstr(j.err.message, "not defined"));
    }
}

static void test_R05_automata_that_grow(void **state) {
    (void)state;
    size_t n_a, n_x, n_w;
    char *a = repeated("", "a", 3000, "", &n_a), *x = repeated("", "x", 3000, "y", &n_x), *w = repeated("", "aB9_", 700, "", &n_w);
    const struct {
        const char *expression, *text;
        size_t n;
        bool is_complete;
    } cases[] = {
        {"a{1000}{1000}{1000}", a, n_a, false},
        {"(a{1,1000}){1,1000}b?", a, n_a, true},
        {"(x+x+)+y", x, n_x, true},
        {"(a|a)*", a, n_a, true},
        {"(a*)*(a*)*(a*)*", a, n_a, true},
        {"(a|aa)+", a, n_a, true},
        {"(.*a.*){40}", a, n_a, true},
        {".*a.{200}", a, n_a, true},
        {"[\\w\\p{L}\\p{N}]{1,5000}", w, n_w, true},
        {"(\\p{L}|\\p{Lu}|\\p{Ll}|\\p{N}|\\w)+", w, n_w, true},
        {"(?i:[\\p{L}\\p{N}_])*", w, n_w, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        job j = run(cases[i].expression, strlen(cases[i].expression), true, cases[i].text, cases[i].n);
        if (j.read != SUAN_OK) fail_msg("%s: %s", cases[i].expression, j.err.message);
        /* Either it gets through, or a limit of the automaton forbids the text at some place; never more than the cap. */
        if (j.taken == cases[i].n && j.is_complete != cases[i].is_complete) fail_msg("%s: complete %d", cases[i].expression, j.is_complete);
        if (j.taken < cases[i].n && j.went != SUAN_EINVAL && j.went != SUAN_ELIMIT) fail_msg("%s: %s", cases[i].expression, j.err.message);
        if (j.seconds > 20.0) fail_msg("%s: %.1f s", cases[i].expression, j.seconds);
        assert_true(j.bytes < 4 * (size_t)SUAN__GRAMMAR_CACHE_BYTES);
        print_message("%-32s %5zu of %5zu bytes, %.2f s, %zu KiB\n", cases[i].expression, j.taken, cases[i].n, j.seconds, j.bytes / 1024);
    }
    /* 250 ways at each of many places, and rules that double. */
    suan__buf text = {0};
    suan__buf_printf(&text, "root ::= r0\n");
    for (int i = 0; i < 40; i++) suan__buf_printf(&text, "r%d ::= r%d \"x\" | r%d \"y\"\n", i, i + 1, i + 1);
    suan__buf_printf(&text, "r40 ::= \"a\"\n");
    job j = run(text.data, text.n, false, "ax", 2);
    assert_int_equal(j.read, SUAN_OK);
    assert_int_equal(j.went, SUAN_ELIMIT);
    assert_non_null(strstr(j.err.message, "4096 ways"));
    assert_true(j.seconds < 2.0);
    suan__buf_fini(&text);
    free(a);
    free(x);
    free(w);
}

static void test_bombs_of_repetition(void **state) {
    (void)state;
    size_t n;
    char *many = repeated("", "x", 20000, "", &n);
    job j = run("root ::= \"x\"{0,2147483647}", 26, false, many, n);
    assert_int_equal(j.went, SUAN_OK);
    assert_true(j.taken == n && j.is_complete && j.seconds < 5.0);
    j = run("root ::= \"x\"{20000,4294967294}", 30, false, many, n);
    assert_true(j.taken == n && j.is_complete);
    j = run("root ::= \"x\"{20001,}", 20, false, many, n);
    assert_true(j.taken == n && !j.is_complete);
    j = run("root ::= ((\"x\"{0,2147483647}){0,2147483647}){0,2147483647}", 58, false, many, 40);
    assert_int_equal(j.read, SUAN_OK);
    assert_true(j.taken == 40 || j.went == SUAN_EINVAL || j.went == SUAN_ELIMIT);
    assert_true(j.seconds < 20.0);
    free(many);
    char *nested = repeated("root ::= \"x\"", "{0,2147483647}", 5000, "", &n);
    j = run(nested, n, false, "xxxx", 4);
    assert_true(j.read == SUAN_OK || j.read == SUAN_ELIMIT);
    assert_true(j.seconds < 20.0);
    free(nested);
    char *sets = repeated("root ::= ", "[a-z\xc3\xa9-\xe4\xb8\xad] ", 40000, "", &n); /* equal sets are one table */
    j = run(sets, n, false, "a", 1);
    assert_int_equal(j.went, SUAN_OK);
    free(sets);
}

static int setup(void **state) {
    (void)state;
    static const char *const some[] = {"ab", "xx", "xxxx", "aaaa", "[[[[", NULL};
    words_open(&bytes, some, end_only);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    words_close(&bytes);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R01_nullable_repetitions_and_left_recursion),
        cmocka_unit_test(test_R02_depth),
        cmocka_unit_test(test_R03_missing_and_undefined_rules),
        cmocka_unit_test(test_R05_automata_that_grow),
        cmocka_unit_test(test_bombs_of_repetition),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
