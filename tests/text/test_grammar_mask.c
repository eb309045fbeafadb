/* test_grammar_mask.c: control tokens, free text up to markers, parts of the builder, memory: what masks do beyond plain texts; and masks of
 * a real vocabulary against trying every token. */
#include <pthread.h>

#include "grammar_test.h"
#include "text/grammar_internal.h"

enum { END = 256 + 3, THINK, OTHER, TOOL };
static const char *const texts[] = {"ab", "</", "think>x", NULL};
static const char *const specials[] = {"<|im_end|>", "</think>", "<|other|>", "!<tool>", NULL};
static words w;

static int setup(void **state) {
    (void)state;
    words_open(&w, texts, specials);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    words_close(&w);
    return 0;
}

static suan_matcher *matcher(suan_grammar *g) {
    suan_matcher *m;
    suan_error err = {0};
    if (suan_matcher_create(&m, g, w.vocabulary, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan_grammar_free(g); /* the matcher keeps it */
    return m;
}

/* The ids that may come, as "97 98 ..."; ranges of more than two as "97-122". */
static void mask_is(suan_matcher *m, const char *expected) {
    uint32_t mask[16];
    suan_error err = {0};
    suan__buf got = {0};
    if (suan_matcher_mask(m, mask, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (int32_t id = 0, last; id < (int32_t)w.n_vocab; id++) {
        if (!mask_has(mask, id)) continue;
        for (last = id; last + 1 < (int32_t)w.n_vocab && mask_has(mask, last + 1);) last++;
        suan__buf_printf(&got, last > id ? "%s%d-%d" : "%s%d", got.n ? " " : "", id, last);
        id = last;
    }
    assert_string_equal(got.n ? got.data : "", expected);
    suan__buf_fini(&got);
}

static void accept(suan_matcher *m, int32_t id) {
    suan_error err = {0};
    if (suan_matcher_accept(m, id, &err) != SUAN_OK) fail_msg("%d: %s", id, err.message);
}
static void accept_text(suan_matcher *m, const char *s) {
    for (; *s; s++) accept(m, (unsigned char)*s);
}
static void refuse(suan_matcher *m, int32_t id) {
    suan_error err = {0};
    assert_int_equal(suan_matcher_accept(m, id, &err), SUAN_EINVAL);
}

static void test_mask_control_tokens_only_where_wanted(void **state) {
    (void)state;
    suan_matcher *m = matcher(gbnf("root ::= .*"));
    mask_is(m, "0-127 194-244 256-259 262"); /* no control token but the end; an added token that is no control token is its bytes */
    accept(m, TOOL);
    refuse(m, OTHER);
    refuse(m, -1);
    refuse(m, (int32_t)w.n_vocab);
    suan_matcher_free(m);
    m = matcher(gbnf("root ::= \"a\" <|other|> \"b\"?"));
    mask_is(m, "97");
    refuse(m, OTHER);
    accept(m, 'a');
    mask_is(m, "261");
    refuse(m, '<');
    accept(m, OTHER);
    mask_is(m, "98 259");
    assert_true(suan_matcher_is_complete(m) && !suan_matcher_is_over(m));
    accept(m, 'b');
    mask_is(m, "259");
    assert_true(suan_matcher_is_over(m));
    accept(m, END);
    mask_is(m, "259");
    suan_matcher_free(m);
    m = matcher(gbnf("root ::= <tool> <absent>")); /* an added token counts as one, what is no token is its bytes */
    mask_is(m, "262");
    accept(m, TOOL);
    mask_is(m, "60");
    accept_text(m, "<absent>");
    assert_true(suan_matcher_is_over(m));
    suan_matcher_free(m);
    m = matcher(gbnf("root ::= (!</think>)* </think> <[98]>")); /* any token but that one and the end */
    mask_is(m, "0-258 260-262");
    accept(m, OTHER);
    accept(m, 0xff);
    refuse(m, END);
    accept(m, THINK);
    mask_is(m, "98");
    suan_matcher_free(m);
    m = matcher(gbnf("root ::= \"<tool>\" | <tool> \"x\"")); /* one token by two ways */
    mask_is(m, "60 262");
    accept(m, TOOL);
    mask_is(m, "120 259");
    suan_matcher_free(m);
    suan_error err = {0};
    suan_grammar *g = gbnf("root ::= <[263]>");
    assert_int_equal(suan_matcher_create(&m, g, w.vocabulary, &err), SUAN_ERANGE);
    assert_non_null(strstr(err.message, "token 263"));
    assert_null(m);
    suan_grammar_free(g);
}

static suan_grammar *until(const char *const *markers, size_t n, bool may_end, const char *then) {
    suan__builder *b;
    suan__marker list[8];
    suan_grammar *g;
    suan_error err = {0};
    assert_int_equal(suan__builder_create(&b, &err), SUAN_OK);
    for (size_t i = 0; i < n; i++)
        list[i] = (suan__marker){markers[i], strlen(markers[i]), suan__node_bytes(b, then, strlen(then)), !then[0]};
    if (suan__builder_finish(&g, &b, suan__node_until(b, list, n, may_end), &err) != SUAN_OK) fail_msg("%s", err.message);
    return g;
}

static void test_mask_free_text_to_its_marker(void **state) {
    (void)state;
    const char *const think[] = {"</think>"};
    uint32_t mask[16];
    bool is_free;
    suan_error err = {0};
    suan_matcher *m = matcher(until(think, 1, false, "ok")); /* the marker must come: all but the end and what holds the marker wrongly */
    mask_is(m, "0-258 260-262");
    accept_text(m, "a < b </thin");
    accept(m, OTHER);
    accept_text(m, "</");
    mask_is(m, "0-257 260-262"); /* "think>x" would go on wrongly behind the marker */
    accept_text(m, "think>");
    mask_is(m, "111");
    suan_matcher_free(m);
    m = matcher(until(think, 1, false, "x"));
    accept(m, 257);
    accept(m, 258); /* here it goes on rightly */
    assert_true(suan_matcher_is_over(m));
    suan_matcher_free(m);
    m = matcher(until(think, 1, false, ""));
    accept(m, THINK); /* the token is the same as its bytes */
    assert_true(suan_matcher_is_over(m));
    suan_matcher_free(m);
    m = matcher(until(think, 1, true, "ok")); /* the text may end anywhere: free */
    assert_int_equal(suan_matcher_mask(m, mask, &is_free, &err), SUAN_OK);
    assert_true(is_free && suan_matcher_is_complete(m) && !suan_matcher_is_over(m));
    mask_is(m, "0-262");
    accept_text(m, "</");
    assert_int_equal(suan_matcher_mask(m, mask, &is_free, &err), SUAN_OK);
    assert_false(is_free);
    accept(m, THINK);
    refuse(m, END);
    accept_text(m, "ok");
    mask_is(m, "259");
    suan_matcher_free(m);
    m = matcher(until(think, 1, true, "ok"));
    accept(m, END);
    assert_true(suan_matcher_is_over(m));
    suan_matcher_free(m);
    const char *const end[] = {"<|im_end|>"}; /* a marker that is an end token */
    m = matcher(until(end, 1, false, ""));
    accept_text(m, "hello");
    accept(m, END);
    assert_true(suan_matcher_is_over(m));
    suan_matcher_free(m);
}

/* Against strstr: texts of few letters with markers that overlap. */
static void test_until_equals_search(void **state) {
    (void)state;
    static const char *const lists[][3] = {{"aab", "ab", "bb"}, {"aaa", "aa", "b"}, {"abab", "ba", "bbb"}, {"a", "ab", "b"}};
    for (size_t l = 0; l < 4; l++) {
        suan_grammar *g = until(lists[l], 3, true, "!");
        for (uint32_t bits = 0; bits < 1u << 9; bits++) {
            char s[12];
            size_t n = 8, first = SIZE_MAX;
            for (size_t i = 0; i < n; i++) s[i] = bits >> i & 1 ? 'b' : 'a';
            s[n] = 0;
            for (int i = 0; i < 3; i++) { /* where the first marker is complete */
                const char *at = strstr(s, lists[l][i]);
                size_t end = at ? (size_t)(at - s) + strlen(lists[l][i]) : SIZE_MAX;
                if (end < first) first = end;
            }
            assert_int_equal(has_text(g, &w, s, n), first == SIZE_MAX);
            if (first == SIZE_MAX) continue;
            s[first] = '!';
            assert_true(has_text(g, &w, s, first + 1));
            s[first] = 'a';
            assert_false(has_text(g, &w, s, first + 1));
        }
        suan_grammar_free(g);
    }
}

static void test_builder_parts(void **state) {
    (void)state;
    suan__builder *b;
    suan_grammar *g, *outer;
    suan_error err = {0};
    static const suan__word list[] = {{"banana", 6}, {"ban", 3}, {"", 0}, {"bandana", 7}, {"apple", 5}, {"ban", 3}, {"ba\xc3\xa9", 4}};
    assert_int_equal(suan__builder_create(&b, &err), SUAN_OK);
    suan__node word = suan__node_words(b, list, 7), twice = suan__node_seq(b, (suan__node[]){word, suan__node_bytes(b, ",", 1), word}, 3);
    assert_int_equal(suan__builder_finish(&g, &b, twice, &err), SUAN_OK);
    for (int i = 0; i < 7; i++) {
        for (int k = 0; k < 7; k++) {
            char s[32];
            int n = snprintf(s, sizeof s, "%s,%s", list[i].text, list[k].text);
            assert_true(has_text(g, &w, s, (size_t)n));
            assert_false(has_text(g, &w, s, (size_t)n - (list[k].n == 6)) && list[k].n == 6);
        }
    }
    assert_false(has_text(g, &w, "banan,", 6) || has_text(g, &w, "bandan,ban", 10) || has_text(g, &w, "b,b", 3));
    assert_int_equal(suan__builder_create(&b, &err), SUAN_OK); /* a grammar inside another, twice */
    suan__node inner = suan__node_grammar(b, g), again = suan__node_grammar(b, g);
    suan__node parts[] = {suan__node_bytes(b, "(", 1), inner, suan__node_bytes(b, ")", 1), again, suan__node_bytes(b, ";", 1)};
    suan__node all = suan__node_repeat(b, suan__node_seq(b, parts, 5), 2, 2);
    assert_int_equal(suan__builder_finish(&outer, &b, all, &err), SUAN_OK);
    suan_grammar_free(g);
    assert_true(has_text(outer, &w, "(ban,apple),;(,)ban,bandana;", 28));
    assert_false(has_text(outer, &w, "(ban,apple),;", 13));
    suan_grammar_free(outer);
    assert_int_equal(suan__builder_create(&b, &err), SUAN_OK); /* failures stick, the first is told */
    suan__node bad = suan__node_repeat(b, suan__node_bytes(b, "a", 1), 3, 2);
    assert_int_equal(bad, SUAN__NO_NODE);
    suan__node_seq(b, &bad, 1);
    suan__builder_fail(b, SUAN_EUNSUPPORTED, "too late");
    assert_int_equal(suan__builder_finish(&g, &b, bad, &err), SUAN_EINVAL);
    assert_non_null(strstr(err.message, "minimum"));
    assert_null(b);
    assert_null(g);
}

/* ---- memory ---- */

#define NESTED "root ::= \"[\" (root (\",\" root)*)? \"]\" | [0-9]{1,40}"

/* States are forgotten again and again; three matchers stay where they are. */
static void test_states_are_forgotten_and_matchers_go_on(void **state) {
    (void)state;
    suan_grammar *g = gbnf(NESTED);
    suan_matcher *m[3];
    suan_error err = {0};
    int32_t expected[] = {'[', '[', '1', '2', ']', ',', '[', ']', ']'};
    for (int i = 0; i < 3; i++) assert_int_equal(suan_matcher_create(&m[i], g, w.vocabulary, &err), SUAN_OK);
    suan__automaton *a = m[0]->automaton;
    uint32_t mask[16], other[16];
    for (int round = 0; round < 9; round++) {
        for (int i = 0; i < 3; i++) {
            a->trim_at = 1;
            assert_int_equal(suan_matcher_mask(m[i], mask, NULL, &err), SUAN_OK);
            a->trim_at = SIZE_MAX;
            assert_int_equal(suan_matcher_mask(m[i], other, NULL, &err), SUAN_OK);
            assert_memory_equal(mask, other, suan_mask_words(w.n_vocab) * 4);
            assert_true(mask_has(mask, expected[round]));
            accept(m[i], expected[round]);
        }
    }
    a->trim_at = 1;
    for (int i = 0; i < 3; i++) assert_int_equal(suan_matcher_mask(m[i], mask, NULL, &err), SUAN_OK);
    assert_true(a->pool.n_state < 10);
    for (int i = 0; i < 3; i++) assert_true(suan_matcher_is_over(m[i]));
    for (int i = 0; i < 3; i++) suan_matcher_free(m[i]);
    suan_grammar_free(g);
}

/* An answer that never ends keeps within the cap. */
static void test_cache_stays_under_its_cap(void **state) {
    (void)state;
    suan_matcher *m = matcher(gbnf("root ::= \"a\"{1,1000000} \"b\""));
    uint32_t mask[16];
    suan_error err = {0};
    m->automaton->trim_at = 1 << 18;
    size_t most = 0;
    for (int i = 0; i < 20000; i++) {
        m->automaton->trim_at = 1 << 18;
        assert_int_equal(suan_matcher_mask(m, mask, NULL, &err), SUAN_OK);
        accept(m, 'a');
        if (suan__automaton_bytes(m->automaton) > most) most = suan__automaton_bytes(m->automaton);
    }
    assert_true(most > 1 << 17 && most < 1 << 19);
    suan_matcher_free(m);
}

static suan_status whole_life(suan_error *err) {
    static const char text[] = "root ::= x{2,3} [^a-c\xc3\xa9]* | \"end\" <|other|>\nx ::= \"a\" (\"b\" | x)?";
    suan_vocabulary *v = NULL;
    suan_grammar *g = NULL;
    suan_matcher *m = NULL;
    uint32_t mask[16];
    suan_status status = suan_vocabulary_create(&v, w.tokenizer, err);
    if (status == SUAN_OK) status = suan_grammar_from_gbnf(&g, text, sizeof text - 1, err);
    if (status == SUAN_OK) status = suan_matcher_create(&m, g, v, err);
    for (const char *s = "abaz"; *s && status == SUAN_OK; s++) {
        m->automaton->trim_at = 1;
        status = suan_matcher_mask(m, mask, NULL, err);
        for (int i = 0; status == SUAN_ENOMEM && i < 2; i++) { /* a matcher that failed for want of memory can go on */
            suan__alloc_fail_at(0);
            assert_int_equal(suan_matcher_mask(m, mask, NULL, err), SUAN_OK);
        }
        if (status == SUAN_OK) status = suan_matcher_accept(m, (unsigned char)*s, err);
    }
    suan_matcher_free(m);
    suan_grammar_free(g);
    suan_vocabulary_free(v);
    return status;
}

static void test_out_of_memory_is_an_error(void **state) {
    (void)state;
    uint64_t n = 1;
    for (;; n++) {
        suan_error err = {0};
        suan__alloc_fail_at(n);
        suan_status status = whole_life(&err);
        suan__alloc_fail_at(0);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_int_equal(err.status, SUAN_ENOMEM);
    }
    assert_true(n > 50);
}

static void *go_on(void *ctx) {
    suan_matcher *m = ctx;
    uint32_t mask[16];
    suan_error err = {0};
    uint32_t random = (uint32_t)(uintptr_t)ctx | 1;
    for (int i = 0; i < 3000; i++) {
        if (suan_matcher_mask(m, mask, NULL, &err) != SUAN_OK) return (void *)1;
        int32_t id = 0;
        do {
            random = random * 1664525u + 1013904223u;
            id = (int32_t)(random >> 16) % (int32_t)w.n_vocab;
        } while (!mask_has(mask, id));
        if (suan_matcher_accept(m, id, &err) != SUAN_OK) return (void *)1;
    }
    return NULL;
}

static void test_threads_share_a_grammar(void **state) {
    (void)state;
    suan_grammar *g = gbnf(NESTED);
    pthread_t thread[4];
    suan_matcher *m[4];
    suan_error err = {0};
    for (int i = 0; i < 4; i++) assert_int_equal(suan_matcher_create(&m[i], g, w.vocabulary, &err), SUAN_OK);
    m[0]->automaton->trim_at = 100000;
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, go_on, m[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_null(result);
        suan_matcher_free(m[i]);
    }
    suan_grammar_free(g);
}

/* Another vocabulary has its own states; the same content at another address does not. */
static void test_vocabularies_are_told_apart(void **state) {
    (void)state;
    words same, other;
    words_open(&same, texts, specials);
    words_open(&other, no_words, end_only);
    suan_grammar *g = gbnf("root ::= (\"a\" | <|other|>)*");
    suan_matcher *a, *b, *c;
    suan_error err = {0};
    assert_int_equal(suan_matcher_create(&a, g, w.vocabulary, &err), SUAN_OK);
    assert_int_equal(suan_matcher_create(&b, g, same.vocabulary, &err), SUAN_OK);
    assert_int_equal(suan_matcher_create(&c, g, other.vocabulary, &err), SUAN_OK);
    assert_ptr_equal(a->automaton, b->automaton);
    assert_ptr_not_equal(a->automaton, c->automaton);
    accept(a, OTHER);
    accept_text(c, "a<|other|>a");
    suan_matcher_free(a);
    suan_matcher_free(b);
    suan_matcher_free(c);
    suan_grammar_free(g);
    words_close(&same);
    words_close(&other);
}

/* ---- a real vocabulary ---- */

#define JSON                                                                                                  \
    "root ::= object\nws ::= [ \\n]{0,3}\nvalue ::= object | array | string | number | \"true\" | \"null\"\n" \
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\npair ::= string ws \":\" ws value ws\n"              \
    "array ::= \"[\" ws (value ws (\",\" ws value ws)*)? \"]\"\n"                                             \
    "string ::= \"\\\"\" ([^\"\\\\\\x00-\\x1f] | \"\\\\\" [\"\\\\/bfnrt])* \"\\\"\"\nnumber ::= \"-\"? [0-9]{1,9} (\".\" [0-9]+)?\n"

static void test_real_vocabulary_equals_trying_every_token(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {JSON, ""},
        {JSON, "{\"na"},
        {JSON, "{\"a\": [1"},
        {JSON, "{\"caf\xc3"},
        {"root ::= [^\"]{2,9} \"\\\"\"", "abc"},
        {"root ::= ([^\"\\\\] | \"\\\\\" [nt]){0,60} \"\\\"\"", "ab"},
        {"root ::= ([a-z]+ \" \"){2}", "ab c"},
        {"root ::= [^<]*", ""},
        {"root ::= ([\xe4\xb8\x80-\xe9\xbf\xbf] | [a-z])* \".\"", ""},
        {"root ::= (. | \"ab\"{3}){1,20}", "x"},
    };
    enum { N_CASES = sizeof cases / sizeof cases[0] };
    char path[4096];
    suan_error err = {0};
    suan_tokenizer *t;
    suan_vocabulary *v;
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-deepseek-llm.gguf", getenv("SUAN_FIXTURES"));
    if (suan_tokenizer_open(&t, path, &err) != SUAN_OK) {
        print_message("skipped %d cases: %s\n", N_CASES, err.message);
        skip();
    }
    assert_int_equal(suan_vocabulary_create(&v, t, &err), SUAN_OK);
    uint32_t n_vocab = suan_tokenizer_n_vocab(t), *mask = calloc(suan_mask_words(n_vocab), 4);
    for (size_t i = 0; i < N_CASES; i++) {
        suan_grammar *g = gbnf(cases[i][0]);
        suan_matcher *m;
        int32_t byte_id[256];
        uint32_t n_allowed = 0;
        for (int c = 0; c < 256; c++) byte_id[c] = -1;
        for (uint32_t id = 0; id < n_vocab; id++) {
            size_t n;
            const char *s = suan_tokenizer_token_bytes(t, (int32_t)id, &n);
            if (n == 1 && suan_tokenizer_token_type(t, (int32_t)id) == SUAN_TOKEN_NORMAL) byte_id[(unsigned char)s[0]] = (int32_t)id;
        }
        assert_int_equal(suan_matcher_create(&m, g, v, &err), SUAN_OK);
        for (const char *s = cases[i][1]; *s; s++) accept(m, byte_id[(unsigned char)*s]);
        assert_int_equal(suan_matcher_mask(m, mask, NULL, &err), SUAN_OK);
        uint32_t at = m->state;
        for (uint32_t id = 0; id < n_vocab; id++) {
            m->state = at;
            m->is_over = false;
            bool may = suan_matcher_accept(m, (int32_t)id, &err) == SUAN_OK;
            if (may != mask_has(mask, (int32_t)id)) fail_msg("case %zu: token %u", i, id);
            n_allowed += may;
        }
        assert_true(n_allowed > 0);
        m->state = at;
        suan_matcher_free(m);
        suan_grammar_free(g);
    }
    free(mask);
    suan_vocabulary_free(v);
    suan_tokenizer_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask_control_tokens_only_where_wanted),
        cmocka_unit_test(test_mask_free_text_to_its_marker),
        cmocka_unit_test(test_until_equals_search),
        cmocka_unit_test(test_builder_parts),
        cmocka_unit_test(test_states_are_forgotten_and_matchers_go_on),
        cmocka_unit_test(test_cache_stays_under_its_cap),
        cmocka_unit_test(test_out_of_memory_is_an_error),
        cmocka_unit_test(test_threads_share_a_grammar),
        cmocka_unit_test(test_vocabularies_are_told_apart),
        cmocka_unit_test(test_real_vocabulary_equals_trying_every_token),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
