/* test_tok_api.c: spans, flags, roles, streams and limits, on small vocabularies made here and on our own files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/tokenizer_internal.h"

static suan_tokenizer *open_data(const char *name) {
    char path[4096];
    suan_tokenizer *t;
    suan_error err = {0};
    snprintf(path, sizeof path, "%s/tokenizers/%s", getenv("SUAN_TEST_DATA"), name);
    if (suan_tokenizer_open(&t, path, &err) != SUAN_OK) fail_msg("%s", err.message);
    return t;
}

static suan_tokenizer *from_json(const char *json) {
    suan_tokenizer *t;
    suan_error err = {0};
    if (suan__tokenizer_from_json(&t, json, strlen(json), "test.json", &err) != SUAN_OK) fail_msg("%s", err.message);
    return t;
}

/* Ids as "1 2 3". */
static void encode_is(const suan_tokenizer *t, const char *text, unsigned flags, const char *want) {
    int32_t ids[256];
    size_t n;
    suan__buf got = {0};
    suan_error err = {0};
    if (suan_tokenizer_encode(t, text, strlen(text), flags, ids, 256, &n, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) suan__buf_printf(&got, i ? " %d" : "%d", ids[i]);
    assert_string_equal(got.n ? got.data : "", want);
    suan__buf_fini(&got);
}

/* a 0, b 1, c 2, space 3, ab 4; <s> 5 special, <x> 6 not special. */
#define TINY(flags)                                                                                                                    \
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["                                                     \
    "{\"id\":5,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true},"    \
    "{\"id\":6,\"content\":\"<x>\"," flags "\"special\":false}],"                                                                      \
    "\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,"                                             \
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"?\",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null," \
    "\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\" \":3,\"ab\":4,\"?\":7},\"merges\":[\"a b\"]}}"
#define PLAIN_FLAGS "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"

static void test_added_tokens_by_flag(void **state) {
    (void)state;
    suan_tokenizer *t = from_json(TINY(PLAIN_FLAGS));
    encode_is(t, "ab<x>c", 0, "4 6 2");
    encode_is(t, "a<s>", SUAN_TOKENIZE_PARSE_SPECIAL, "0 5");
    encode_is(t, "a<s>", 0, "0 7 7 7");
    suan_tokenizer_close(&t);
    assert_null(t);
    t = from_json(TINY("\"single_word\":true,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"));
    encode_is(t, "a<x>", 0, "0 7 7 7");
    encode_is(t, "a <x> b", 0, "0 3 6 3 1");
    suan_tokenizer_close(&t);
    t = from_json(TINY("\"single_word\":false,\"lstrip\":true,\"rstrip\":true,\"normalized\":false,"));
    encode_is(t, "a  <x>  b", 0, "0 6 1");
    suan_tokenizer_close(&t);
}

static suan_status spans_of(const suan_tokenizer *t, const char *text, const char *trust, int32_t *ids, size_t *n) {
    suan_text_span spans[64];
    size_t k = 0, length = strlen(text);
    assert_int_equal(strlen(trust), length);
    for (size_t i = 0; i < length; i++) spans[k++] = (suan_text_span){i, i + 1, trust[i] == 'T'};
    return suan_tokenizer_encode_spans(t, text, length, spans, k, 0, ids, 64, n, NULL);
}

static void test_untrusted_bytes_form_no_added_token(void **state) {
    (void)state;
    static const struct {
        const char *text, *trust, *ids;
    } cases[] = {
        {"a<s>b", "TTTTT", "0 5 1 "},     {"a<s>b", "T...T", "0 7 7 7 1 "}, {"a<s>b", "TTT.T", "0 7 7 7 1 "},
        {"a<x>b", ".....", "0 7 7 7 1 "}, {"a<x>b", ".TTT.", "0 6 1 "},     {"ab", "T.", "4 "}, /* merges cross the boundary */
        {"<x><s>", "TTT...", "6 7 7 7 "},
    };
    suan_tokenizer *t = from_json(TINY(PLAIN_FLAGS));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t ids[64];
        size_t n;
        char got[256] = "";
        assert_int_equal(spans_of(t, cases[i].text, cases[i].trust, ids, &n), SUAN_OK);
        for (size_t k = 0; k < n; k++) snprintf(got + strlen(got), sizeof got - strlen(got), "%d ", ids[k]);
        assert_string_equal(got, cases[i].ids);
    }
    suan_text_span wrong[2] = {{0, 2, true}, {1, 3, true}};
    size_t n;
    assert_int_equal(suan_tokenizer_encode_spans(t, "abc", 3, wrong, 2, 0, NULL, 0, &n, NULL), SUAN_EINVAL);
    wrong[0].end = 9;
    assert_int_equal(suan_tokenizer_encode_spans(t, "abc", 3, wrong, 1, 0, NULL, 0, &n, NULL), SUAN_EINVAL);
    suan_tokenizer_close(&t);
}

/* Trust follows text through a normaliser: a token found in normalised text needs trusted bytes too. */
static void test_trust_survives_normalisation(void **state) {
    (void)state;
    static const char json[] =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"<a>\",\"normalized\":true,\"special\":true}],\"normalizer\":{\"type\":\"Sequence\","
        "\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Lowercase\"}]},\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,"
        "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"a\":0,\"<\":1,\">\":2,\"?\":4},\"merges\":[]}}";
    suan_tokenizer *t = from_json(json);
    int32_t ids[64];
    size_t n;
    encode_is(t, "<A>", SUAN_TOKENIZE_PARSE_SPECIAL, "3");
    encode_is(t, "<A>", 0, "1 0 2");
    assert_int_equal(spans_of(t, "<A>", "TTT", ids, &n), SUAN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(spans_of(t, "<A>", "T.T", ids, &n), SUAN_OK);
    assert_int_equal(n, 3);
    /* U+FF21 FULLWIDTH A: three bytes, of which one is not trusted */
    assert_int_equal(spans_of(t, "<\xEF\xBC\xA1>", "TTT.T", ids, &n), SUAN_OK);
    assert_int_equal(n, 3);
    assert_int_equal(spans_of(t, "<\xEF\xBC\xA1>", "TTTTT", ids, &n), SUAN_OK);
    assert_int_equal(n, 1);
    suan_tokenizer_close(&t);
}

static void test_counting_and_room(void **state) {
    (void)state;
    suan_tokenizer *t = from_json(TINY(PLAIN_FLAGS));
    int32_t ids[2] = {77, 77};
    size_t n;
    assert_int_equal(suan_tokenizer_encode(t, "abc a", 5, 0, NULL, 0, &n, NULL), SUAN_OK);
    assert_int_equal(n, 4);
    assert_int_equal(suan_tokenizer_encode(t, "abc a", 5, 0, ids, 2, &n, NULL), SUAN_ERANGE);
    assert_int_equal(n, 4);
    assert_int_equal(ids[0], 77);
    assert_int_equal(suan_tokenizer_encode(t, "a", 1, 64, ids, 2, &n, NULL), SUAN_EINVAL);
    assert_int_equal(suan_tokenizer_encode(t, "", 0, 0, ids, 2, &n, NULL), SUAN_OK);
    assert_int_equal(n, 0);
    int32_t bad[] = {0, 9};
    char out[4];
    assert_int_equal(suan_tokenizer_decode(t, bad, 2, false, out, 4, &n, NULL), SUAN_ERANGE);
    assert_int_equal(suan_tokenizer_decode(t, (int32_t[]){-1}, 1, false, out, 4, &n, NULL), SUAN_ERANGE);
    assert_int_equal(suan_tokenizer_decode(t, (int32_t[]){4, 4, 4}, 3, false, out, 4, &n, NULL), SUAN_ERANGE);
    assert_int_equal(n, 6);
    suan_tokenizer_close(&t);
}

static void test_roles_of_llama3(void **state) {
    (void)state;
    suan_tokenizer *t = open_data("ours-llama3/tokenizer.json");
    size_t n;
    assert_int_equal(suan_tokenizer_n_vocab(t), 2007);
    assert_int_equal(suan_tokenizer_find(t, "<|eot_id|>", 10), 2005);
    assert_int_equal(suan_tokenizer_token_type(t, 2005), SUAN_TOKEN_CONTROL);
    assert_int_equal(suan_tokenizer_token_type(t, 39), SUAN_TOKEN_NORMAL);
    assert_int_equal(suan_tokenizer_token_type(t, 999999), SUAN_TOKEN_UNUSED);
    assert_int_equal(suan_tokenizer_role_id(t, SUAN_ROLE_EOT), 2005);
    assert_true(suan_tokenizer_is_eog(t, 2005));
    assert_true(suan_tokenizer_is_eog(t, 2001));
    assert_true(suan_tokenizer_is_eog(t, 2004));
    assert_false(suan_tokenizer_is_eog(t, 2000));
    assert_null(suan_tokenizer_chat_template(t, NULL, &n));
    assert_string_equal(suan_tokenizer_role_text(t, SUAN_ROLE_PAD, &n), "");
    encode_is(t, "Hello world", SUAN_TOKENIZE_ADD_SPECIAL, "2000 39 961 1625");
    encode_is(t, "Hello world", 0, "39 961 1625");
    suan_tokenizer_close(&t);
}

static void test_directory_with_config(void **state) {
    (void)state;
    char path[4096];
    suan_tokenizer *t;
    suan_error err = {0};
    size_t n;
    snprintf(path, sizeof path, "%s/../../models/seed", getenv("SUAN_TEST_DATA"));
    if (suan_tokenizer_open(&t, path, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_true(suan_tokenizer_adds_bos(t));
    assert_false(suan_tokenizer_adds_eos(t));
    assert_int_equal(suan_tokenizer_role_id(t, SUAN_ROLE_BOS), 0);
    assert_int_equal(suan_tokenizer_role_id(t, SUAN_ROLE_EOS), 1);
    assert_true(suan_tokenizer_is_eog(t, 1));
    const char *eos = suan_tokenizer_role_text(t, SUAN_ROLE_EOS, &n);
    assert_int_equal(n, strlen("<｜end▁of▁sentence｜>"));
    assert_string_equal(eos, "<｜end▁of▁sentence｜>");
    assert_non_null(suan_tokenizer_chat_template(t, NULL, &n));
    assert_null(suan_tokenizer_chat_template(t, "tool_use", &n));
    suan_tokenizer_close(&t);
    assert_int_equal(suan_tokenizer_open(&t, "/nonexistent/x.gguf", &err), SUAN_ENOTFOUND);
    assert_null(t);
}

/* Half a character waits; flush hands it out raw or as U+FFFD. */
static void test_stream_holds_half_a_character(void **state) {
    (void)state;
    suan_tokenizer *t = open_data("ours-512/tokenizer.json");
    suan_detokenizer *d;
    int32_t ids[16];
    size_t n_ids, n;
    const char *text;
    assert_int_equal(suan_tokenizer_encode(t, "\xF0\x9F\x98\x80", 4, 0, ids, 16, &n_ids, NULL), SUAN_OK);
    assert_true(n_ids >= 2);
    assert_int_equal(suan_detokenizer_open(&d, t, true, NULL), SUAN_OK);
    for (size_t i = 0; i < n_ids; i++) {
        assert_int_equal(suan_detokenizer_push(d, ids[i], &text, &n, NULL), SUAN_OK);
        assert_int_equal(n, i + 1 < n_ids ? 0 : 4);
    }
    assert_memory_equal(text, "\xF0\x9F\x98\x80", 4);
    for (int raw = 0; raw < 2; raw++) {
        assert_int_equal(suan_detokenizer_push(d, ids[0], &text, &n, NULL), SUAN_OK);
        assert_int_equal(n, 0);
        suan_detokenizer_flush(d, raw, &text, &n);
        if (raw)
            assert_memory_equal(text, "\xF0\x9F\x98\x80", n);
        else
            assert_memory_equal(text, "\xEF\xBF\xBD", 3);
        assert_true(raw ? n < 4 && n > 0 : n == 3);
    }
    assert_int_equal(suan_detokenizer_push(d, 100000, &text, &n, NULL), SUAN_ERANGE);
    assert_int_equal(suan_detokenizer_push(d, 0, &text, &n, NULL), SUAN_OK); /* BOS is skipped */
    assert_int_equal(n, 0);
    suan_detokenizer_close(&d);
    assert_null(d);
    suan_tokenizer_close(&t);
}

/* Bytes that are not UTF-8 survive a byte-level vocabulary and byte fallback. */
static void test_invalid_utf8_round_trips(void **state) {
    (void)state;
    static const char *const names[] = {"ours-512/tokenizer.json", "ours-llama3/vocab.gguf", "ours-spm-bpe/tokenizer.model"};
    static const char text[] = "a\xFF\xC3 \xE4\xB8 b\x00\x80\xED\xA0\x80";
    for (int i = 0; i < 3; i++) {
        suan_tokenizer *t = open_data(names[i]);
        int32_t ids[64];
        char back[64];
        size_t n_ids, n;
        assert_int_equal(suan_tokenizer_encode(t, text, sizeof text - 1, 0, ids, 64, &n_ids, NULL), SUAN_OK);
        assert_int_equal(suan_tokenizer_decode(t, ids, n_ids, false, back, 64, &n, NULL), SUAN_OK);
        assert_int_equal(n, sizeof text - 1);
        assert_memory_equal(back, text, n);
        suan_tokenizer_close(&t);
    }
}

/* Long pieces go another way than short ones: a piece of any length must merge alike, cut or not, whatever the order of ranks. */
static void long_equals_short(const char *merges) {
    char json[2048];
    snprintf(json, sizeof json,
             "{\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},"
             "\"behavior\":\"Isolated\",\"invert\":false},\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\"BPE\",\"vocab\":"
             "{\"a\":0,\"b\":1,\"-\":2,\"aa\":3,\"ab\":4,\"aab\":5,\"ba\":6,\"abba\":7,\"aaaa\":8,\"bb\":9},\"merges\":%s}}",
             merges);
    suan_tokenizer *t = from_json(json);
    uint32_t rng = 1;
    for (int round = 0; round < 60; round++) {
        char text[400];
        int32_t one[400], two[800];
        size_t n = 41 + (size_t)round, n_one, n_two = 0;
        if (n > 300) n = 300;
        for (size_t i = 0; i < n; i++) text[i] = "ab"[(rng = rng * 1664525 + 1013904223) >> 31];
        assert_int_equal(suan_tokenizer_encode(t, text, n, 0, one, 400, &n_one, NULL), SUAN_OK);
        /* The definition, spelled out: lowest rank first, leftmost on ties. */
        static const struct {
            int left, right, id;
        } pairs[] = {{0, 0, 3}, {0, 1, 4}, {3, 1, 5}, {1, 0, 6}, {4, 6, 7}, {3, 3, 8}, {1, 1, 9}, {0, 4, 5}};
        static const char *const spelled[] = {"a a", "a b", "aa b", "b a", "ab ba", "aa aa", "b b", "a ab"};
        for (size_t i = 0; i < n; i++) two[n_two++] = text[i] == 'a' ? 0 : 1;
        for (;;) {
            size_t best = SIZE_MAX, best_pair = 0;
            ptrdiff_t best_rank = PTRDIFF_MAX;
            for (size_t i = 0; i + 1 < n_two; i++) {
                for (size_t p = 0; p < 8; p++) {
                    char quoted[16];
                    snprintf(quoted, sizeof quoted, "\"%s\"", spelled[p]);
                    const char *at = strstr(merges, quoted);
                    if (at && two[i] == pairs[p].left && two[i + 1] == pairs[p].right && at - merges < best_rank) {
                        best_rank = at - merges;
                        best = i;
                        best_pair = p;
                    }
                }
            }
            if (best == SIZE_MAX) break;
            two[best] = pairs[best_pair].id;
            memmove(two + best + 1, two + best + 2, (n_two - best - 2) * sizeof *two);
            n_two--;
        }
        assert_int_equal(n_one, n_two);
        assert_memory_equal(one, two, n_one * sizeof *one);
    }
    suan_tokenizer_close(&t);
}

static void test_long_pieces_merge_as_short_ones(void **state) {
    (void)state;
    long_equals_short("[\"a a\",\"a b\",\"aa b\",\"b a\",\"ab ba\",\"aa aa\",\"b b\"]");
    long_equals_short("[\"aa aa\",\"aa b\",\"ab ba\",\"b b\",\"b a\",\"a b\",\"a a\"]"); /* new pairs rank below old ones */
    long_equals_short("[\"a ab\",\"b a\",\"a a\",\"ab ba\",\"a b\",\"aa b\"]");
}

static void test_tiktoken_file(void **state) {
    (void)state;
    /* a b c " " ab " c": ranks 0 to 5 */
    static const char file[] = "YQ== 0\nYg== 1\nYw== 2\nIA== 3\nYWI= 4\nIGM= 5\n";
    suan_tokenizer *t;
    suan_error err = {0};
    if (suan__tokenizer_from_tiktoken(&t, file, sizeof file - 1, "tiktoken.model", &err) != SUAN_OK) fail_msg("%s", err.message);
    encode_is(t, "abc c", 0, "4 2 5");
    suan_tokenizer_close(&t);
    static const char *const bad[] = {"YQ== 0\nYQ== 0\n", "YQ= 0\n", "YQ== x\n", "YQ== 5\n", "\n", "YQ==0\n", "", "Y*== 0\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(suan__tokenizer_from_tiktoken(&t, bad[i], strlen(bad[i]), "tiktoken.model", NULL), SUAN_EFORMAT);
        assert_null(t);
    }
}

/* The N-th allocation fails, for every N until none does: an error, no leak, no crash. */
static void test_out_of_memory_is_an_error(void **state) {
    (void)state;
    static const char json[] = TINY(PLAIN_FLAGS);
    for (uint64_t n = 1;; n++) {
        suan_tokenizer *t = NULL;
        suan_error err = {0};
        size_t k;
        suan__alloc_fail_at(n);
        suan_status status = suan__tokenizer_from_json(&t, json, sizeof json - 1, "test.json", &err);
        if (status == SUAN_OK) status = suan_tokenizer_encode(t, "abc<s>ab", 8, SUAN_TOKENIZE_PARSE_SPECIAL, NULL, 0, &k, &err);
        suan__alloc_fail_at(0);
        suan_tokenizer_close(&t);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_true(n < 10000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_added_tokens_by_flag),
        cmocka_unit_test(test_untrusted_bytes_form_no_added_token),
        cmocka_unit_test(test_trust_survives_normalisation),
        cmocka_unit_test(test_counting_and_room),
        cmocka_unit_test(test_roles_of_llama3),
        cmocka_unit_test(test_directory_with_config),
        cmocka_unit_test(test_stream_holds_half_a_character),
        cmocka_unit_test(test_invalid_utf8_round_trips),
        cmocka_unit_test(test_long_pieces_merge_as_short_ones),
        cmocka_unit_test(test_tiktoken_file),
        cmocka_unit_test(test_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
