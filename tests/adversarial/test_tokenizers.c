/* test_tokenizers.c: rows K-01 to K-11 of the list of published flaws: what other engines' tokenizers fell to. */
#include <stdio.h>
#include <stdlib.h>

#include "../formats/forge.h"
#include "suan/tokenizer.h"
#include "text/tokenizer.h"

static suan_status load_gguf(const suan__buf *b, suan_tokenizer **t, suan_error *err) {
    suan__arena a;
    suan__gguf g;
    suan__arena_init(&a, 0);
    *t = NULL;
    suan_status status = suan__gguf_parse(&g, &a, b->data, b->n, b->n, "forged.gguf", err);
    if (status == SUAN_OK) status = suan__tokenizer_from_gguf(t, &g, err);
    suan__arena_fini(&a);
    return status;
}

static void forge_text(suan__buf *b, const char *key, const char *text) {
    forge_string(b, key);
    forge_int(b, SUAN__GGUF_STRING, 4);
    forge_string(b, text);
}

static void forge_tokens(suan__buf *b, const char *const *tokens, size_t n) {
    forge_array_head(b, "tokenizer.ggml.tokens", SUAN__GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) forge_string(b, tokens[i]);
}

static const char *const spm_tokens[] = {"<unk>", "<s>", "</s>", "a", "b", "\xE2\x96\x81"};

/* ---- K-01, K-02: sizes ---- */

static void test_k01_long_token_is_an_error(void **state) {
    (void)state;
    suan__buf b = {0};
    suan_tokenizer *t;
    suan_error err = {0};
    forge_header(&b, 3, 0, 2);
    forge_text(&b, "tokenizer.ggml.model", "llama");
    forge_array_head(&b, "tokenizer.ggml.tokens", SUAN__GGUF_STRING, 1);
    char *text = calloc(1, 100000);
    memset(text, 'a', 99999);
    forge_string(&b, text);
    assert_true(load_gguf(&b, &t, &err) < 0);
    assert_null(t);
    assert_non_null(strstr(err.message, "99999 bytes"));
    b.n = 0;
    forge_header(&b, 3, 0, 2);
    forge_text(&b, "tokenizer.ggml.model", "llama");
    forge_array_head(&b, "tokenizer.ggml.tokens", SUAN__GGUF_STRING, 1);
    forge_string_n(&b, text, (1ull << 31) + 1, 1000); /* says 2 GiB and a byte */
    assert_true(load_gguf(&b, &t, &err) < 0);
    assert_null(t);
    free(text);
    suan__buf_fini(&b);
}

static suan_tokenizer *small_bpe(void) {
    static const char json[] =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"<|im_end|>\",\"normalized\":false,\"special\":true},"
        "{\"id\":4,\"content\":\"<think>\",\"normalized\":false,\"special\":false}],\"normalizer\":null,\"pre_tokenizer\":null,"
        "\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"a\":0,\"aa\":1,\"?\":2},"
        "\"merges\":[[\"a\",\"a\"]]}}";
    suan_tokenizer *t;
    suan_error err = {0};
    if (suan__tokenizer_from_json(&t, json, sizeof json - 1, "small.json", &err) != SUAN_OK) fail_msg("%s", err.message);
    return t;
}

static void test_k01_one_byte_of_room_is_respected(void **state) {
    (void)state;
    suan_tokenizer *t = small_bpe();
    char out[2] = {0, 'x'};
    size_t n;
    assert_int_equal(suan_tokenizer_decode(t, (int32_t[]){1}, 1, false, out, 1, &n, NULL), SUAN_ERANGE);
    assert_int_equal(n, 2);
    assert_int_equal(out[1], 'x');
    suan_tokenizer_close(&t);
}

static void test_k02_length_is_checked_before_the_text_is_read(void **state) {
    (void)state;
    suan_tokenizer *t = small_bpe();
    size_t n;
    suan_error err = {0};
    assert_int_equal(suan_tokenizer_encode(t, "a", (size_t)1 << 31, 0, NULL, 0, &n, &err), SUAN_ELIMIT);
    assert_int_equal(suan_tokenizer_encode(t, "a", SIZE_MAX, 0, NULL, 0, &n, &err), SUAN_ELIMIT);
    assert_int_equal(n, 0);
    suan_tokenizer_close(&t);
}

/* ---- K-03: arrays of the wrong type or count ---- */

static int element_bytes(uint32_t type) {
    static const int bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return bytes[type];
}

static void forge_typed_array(suan__buf *b, const char *key, uint32_t type, size_t n) {
    forge_array_head(b, key, type, n);
    for (size_t i = 0; i < n; i++) {
        if (type == SUAN__GGUF_STRING)
            forge_string(b, "a");
        else if (type == SUAN__GGUF_F32)
            forge_int(b, 0x3F800000, 4);
        else
            forge_int(b, 1, element_bytes(type));
    }
}

static void test_k03_every_array_in_every_type_and_count(void **state) {
    (void)state;
    static const char *const keys[] = {"tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.tokens",
                                       "tokenizer.ggml.merges", "tokenizer.ggml.precompiled_charsmap"};
    static const char *const models[] = {"llama", "gpt2", "t5"};
    int n_good = 0;
    for (int m = 0; m < 3; m++) {
        for (int k = 0; k < 5; k++) {
            for (uint32_t type = 0; type <= SUAN__GGUF_F64; type++) {
                for (int count = 5; count <= 7; count++) {
                    if (type == SUAN__GGUF_ARRAY) continue;
                    suan__buf b = {0};
                    suan_tokenizer *t;
                    suan_error err = {0};
                    size_t n;
                    forge_header(&b, 3, 0, k == 2 ? 2 : 3);
                    forge_text(&b, "tokenizer.ggml.model", models[m]);
                    if (k != 2) forge_tokens(&b, spm_tokens, 6);
                    forge_typed_array(&b, keys[k], type, (size_t)count);
                    suan_status status = load_gguf(&b, &t, &err);
                    bool want_type = (k == 0 && type == SUAN__GGUF_F32) || (k == 1 && type == SUAN__GGUF_I32);
                    if (k < 2) assert_int_equal(status == SUAN_OK, want_type && count == 6);
                    if (status == SUAN_OK) {
                        suan_status s = suan_tokenizer_encode(t, "ab a", 4, 0, NULL, 0, &n, &err);
                        assert_true(s == SUAN_OK || s == SUAN_EFORMAT);
                        n_good++;
                    } else {
                        assert_true(status < 0 && err.message[0]);
                        assert_null(t);
                    }
                    suan_tokenizer_close(&t);
                    suan__buf_fini(&b);
                }
            }
        }
    }
    assert_true(n_good > 0);
}

/* ---- K-04: charsmap ---- */

static suan_status load_charsmap(const unsigned char *map, size_t n, suan_tokenizer **t) {
    suan__buf b = {0};
    suan_error err = {0};
    forge_header(&b, 3, 0, 3);
    forge_text(&b, "tokenizer.ggml.model", "t5");
    forge_tokens(&b, spm_tokens, 6);
    forge_array_head(&b, "tokenizer.ggml.precompiled_charsmap", SUAN__GGUF_U8, n);
    forge_bytes(&b, map, n);
    suan_status status = load_gguf(&b, t, &err);
    suan__buf_fini(&b);
    return status;
}

static void test_k04_charsmap_lengths_and_offsets(void **state) {
    (void)state;
    unsigned char map[64];
    for (size_t n = 0; n <= 8; n++) {
        for (int fill = 0; fill < 256; fill += 51) {
            suan_tokenizer *t;
            memset(map, fill, sizeof map);
            suan_status status = load_charsmap(map, n, &t);
            if (n > 0 && n < 4) assert_true(status < 0);
            suan_tokenizer_close(&t);
        }
    }
    /* Units whose offsets, and values that point past the end. */
    uint32_t seed = 7;
    for (int round = 0; round < 500; round++) {
        suan_tokenizer *t;
        size_t n;
        for (size_t i = 0; i < sizeof map; i++) map[i] = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
        map[0] = 32, map[1] = map[2] = map[3] = 0;
        if (load_charsmap(map, sizeof map, &t) == SUAN_OK) {
            char text[256];
            for (int i = 0; i < 256; i++) text[i] = (char)i;
            suan_tokenizer_encode(t, text, sizeof text, 0, NULL, 0, &n, NULL);
        }
        suan_tokenizer_close(&t);
    }
}

/* ---- K-05: byte tokens ---- */

static void test_k05_byte_tokens_of_odd_spelling(void **state) {
    (void)state;
    static const char *const tokens[] = {"<unk>", "<0x-1>", "<0xZZ>", "<0x100>", "<0x>", "<0x 1>", "<0x0x>", "<0xFF>", "<0x+1>", "a"};
    suan__buf b = {0};
    suan_tokenizer *t;
    suan_error err = {0};
    forge_header(&b, 3, 0, 3);
    forge_text(&b, "tokenizer.ggml.model", "llama");
    forge_tokens(&b, tokens, 10);
    forge_array_head(&b, "tokenizer.ggml.token_type", SUAN__GGUF_I32, 10);
    for (int i = 0; i < 10; i++) forge_int(&b, i == 0 ? 2 : i == 9 ? 1 : 6, 4);
    assert_int_equal(load_gguf(&b, &t, &err), SUAN_OK);
    int32_t ids[64];
    size_t n;
    assert_int_equal(suan_tokenizer_encode(t, "\xFF\x01z", 3, 0, ids, 64, &n, &err), SUAN_OK);
    for (size_t i = 0; i < n; i++) assert_true(ids[i] == 7 || ids[i] == 0); /* <0xFF>, or unknown */
    suan_tokenizer_close(&t);
    suan__buf_fini(&b);
}

/* ---- K-06: protocol buffers ---- */

static char *data_file(const char *name, size_t *n) {
    char path[4096], *data;
    snprintf(path, sizeof path, "%s/tokenizers/%s", getenv("SUAN_TEST_DATA"), name);
    if (suan__file_slurp(path, 1 << 24, &data, n, NULL) != SUAN_OK) fail_msg("%s cannot be read", path);
    return data;
}

static void use(suan_tokenizer *t) {
    static const char text[] = "Hello, w\xC3\xB6rld <s> \xEF\xBC\xA1 a\xFF";
    int32_t ids[512];
    char out[4096];
    size_t n, k;
    if (!t) return;
    if (suan_tokenizer_encode(t, text, sizeof text - 1, SUAN_TOKENIZE_ADD_SPECIAL, ids, 512, &n, NULL) == SUAN_OK) {
        suan_tokenizer_decode(t, ids, n, false, out, sizeof out, &k, NULL);
    }
    suan_tokenizer_close(&t);
}

static void test_k06_mutated_models(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int file = 0; file < 2; file++) {
        size_t n;
        char *data = data_file(file ? "ours-spm-unigram/tokenizer.model" : "ours-spm-bpe/tokenizer.model", &n);
        char *copy = malloc(n);
        for (int round = 0; round < (file ? 60 : 300); round++) {
            suan_tokenizer *t;
            suan_error err = {0};
            memcpy(copy, data, n);
            for (int k = 0; k <= round % 5; k++) {
                seed = seed * 1664525 + 1013904223;
                copy[(seed >> 8) % n] = (char)(seed >> 24);
            }
            size_t cut = round % 3 == 0 ? (seed >> 4) % n : n;
            if (suan__tokenizer_from_spm(&t, copy, cut, "mutated.model", &err) != SUAN_OK) assert_null(t);
            use(t);
        }
        free(copy);
        suan__free(data);
    }
}

/* ---- K-07: classes of tokenizer.json that made others panic ---- */

static suan_status load_json(const char *json, suan_error *err) {
    suan_tokenizer *t;
    suan_status status = suan__tokenizer_from_json(&t, json, strlen(json), "forged.json", err);
    assert_int_equal(status == SUAN_OK, t != NULL);
    use(t);
    return status;
}

#define MODEL(vocab, merges) "\"model\":{\"type\":\"BPE\",\"unk_token\":null,\"vocab\":" vocab ",\"merges\":" merges "}"

static void test_k07_hostile_json(void **state) {
    (void)state;
    suan_error err = {0};
    /* a merge whose result is longer than every key, and not in the vocabulary */
    assert_int_equal(load_json("{" MODEL("{\"a\":0,\"b\":1}", "[\"a b\"]") "}", &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "merge 0"));
    /* stride >= max_length */
    assert_int_equal(
        load_json("{\"truncation\":{\"max_length\":4,\"stride\":4,\"strategy\":\"LongestFirst\",\"direction\":\"Right\"}," MODEL(
                      "{\"a\":0}", "[]") "}",
                  &err),
        SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "stride"));
    /* a template token that is not there */
    assert_int_equal(load_json("{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[X]\","
                               "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}," MODEL(
                                   "{\"a\":0}", "[]") "}",
                               &err),
                     SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "[X]"));
    /* pieces of a fixed length of 0 */
    assert_int_equal(load_json("{\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}," MODEL("{\"a\":0}", "[]") "}", &err),
                     SUAN_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "FixedLength"));
    /* Strip whose ends cross */
    assert_int_equal(
        load_json("{\"decoder\":{\"type\":\"Strip\",\"content\":\"a\",\"start\":9,\"stop\":9}," MODEL("{\"a\":0}", "[]") "}", &err),
        SUAN_OK);
    assert_int_equal(
        load_json("{\"decoder\":{\"type\":\"Strip\",\"content\":\"a\",\"start\":-1,\"stop\":0}," MODEL("{\"a\":0}", "[]") "}", &err),
        SUAN_EFORMAT);
    /* the scratch of a merge longer than the longest key: a result that exists but whose parts do not */
    assert_int_equal(load_json("{" MODEL("{\"ab\":0}", "[\"a b\"]") "}", &err), SUAN_EFORMAT);
}

static void test_k07_unknown_fields_and_bad_json(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"model\":{}}",
        "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}",
        "{\"surprise\":1," MODEL("{\"a\":0}", "[]") "}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"surprise\":1}}",
        "{" MODEL("{\"a\":0,\"b\":0}", "[]") "}",
        "{" MODEL("{\"a\":0,}", "[]") "}",
        "{" MODEL("{\"a\":-1}", "[]") "}",
        "{" MODEL("{\"a\":1.5}", "[]") "}",
        "{" MODEL("{\"a\":00}", "[]") "}",
        "{" MODEL("{\"a\":0}", "[\"ab\"]") "}",
        "{" MODEL("{\"a\":0}", "[[\"a\"]]") "}",
        "{" MODEL("{\"\\ud800\":0}", "[]") "}",
        "{" MODEL("{\"\\q\":0}", "[]") "}",
        "{" MODEL("{\"a\":0}", "[]") "," MODEL("{\"b\":0}", "[]") "}",
        "{\"added_tokens\":[1]," MODEL("{\"a\":0}", "[]") "}",
        "{\"normalizer\":{\"type\":\"BertNormalizer\"}," MODEL("{\"a\":0}", "[]") "}",
        "{\"normalizer\":{\"type\":\"NFC\",\"x\":1}," MODEL("{\"a\":0}", "[]") "}",
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\",\"invert\":false}," MODEL(
            "{\"a\":0}", "[]") "}",
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":\"Isolated\"}," MODEL("{\"a\":0}", "[]") "}",
        "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AA==\"}," MODEL("{\"a\":0}", "[]") "}",
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",-1.0]]}}",
        "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        suan_error err = {0};
        if (load_json(bad[i], &err) == SUAN_OK) fail_msg("accepted: %s", bad[i]);
        assert_true(err.message[0] != 0);
    }
    suan_error err = {0};
    assert_int_equal(load_json("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1.0]]}}", &err), SUAN_OK);
    suan__buf deep = {0};
    suan__buf_printf(&deep, "{\"normalizer\":");
    for (int i = 0; i < 60; i++) suan__buf_printf(&deep, "{\"type\":\"Sequence\",\"normalizers\":[");
    suan__buf_printf(&deep, "{\"type\":\"NFC\"}");
    for (int i = 0; i < 60; i++) suan__buf_printf(&deep, "]}");
    suan__buf_printf(&deep, "," MODEL("{\"a\":0}", "[]") "}");
    assert_int_equal(load_json(deep.data, &err), SUAN_ELIMIT);
    suan__buf_fini(&deep);
}

/* ---- K-09: repeats, and vocabularies that lack bytes ---- */

static void test_k09_a_million_of_each_byte(void **state) {
    (void)state;
    static const char *const names[] = {"ours-llama3/tokenizer.json", "ours-spm-bpe/tokenizer.model", "ours-spm-unigram/tokenizer.model"};
    enum { N = 1000000 };
    char *text = malloc(N), path[4096];
    for (int f = 0; f < 3; f++) {
        suan_tokenizer *t;
        suan_error err = {0};
        snprintf(path, sizeof path, "%s/tokenizers/%s", getenv("SUAN_TEST_DATA"), names[f]);
        if (suan_tokenizer_open(&t, path, &err) != SUAN_OK) fail_msg("%s", err.message);
        for (int b = 0; b < 128; b += f ? 31 : 1) { /* every ASCII byte for BPE, some for the others */
            size_t n;
            memset(text, f == 0 || b == '^' ? b : b ? b : '^', N);
            assert_int_equal(suan_tokenizer_encode(t, text, N, 0, NULL, 0, &n, &err), SUAN_OK);
            assert_true(n <= N + 1); /* SentencePiece may put a space in front */
        }
        suan_tokenizer_close(&t);
    }
    free(text);
}

static void test_k09_missing_byte_is_a_clear_error(void **state) {
    (void)state;
    static const char json[] = "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},\"decoder\":"
                               "{\"type\":\"ByteLevel\"}," MODEL("{\"a\":0}", "[]") "}";
    suan_tokenizer *t;
    suan_error err = {0};
    size_t n;
    assert_int_equal(suan__tokenizer_from_json(&t, json, sizeof json - 1, "forged.json", &err), SUAN_OK);
    assert_int_equal(suan_tokenizer_encode(t, "aa", 2, 0, NULL, 0, &n, &err), SUAN_OK);
    assert_int_equal(suan_tokenizer_encode(t, "ab", 2, 0, NULL, 0, &n, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "0x62"));
    suan_tokenizer_close(&t);
}

/* ---- K-10: large ids ---- */

static void test_k10_large_ids_size_nothing(void **state) {
    (void)state;
    suan_error err = {0};
    assert_true(load_json("{" MODEL("{\"a\":2147483647}", "[]") "}", &err) < 0);
    assert_true(load_json("{" MODEL("{\"a\":2147483648}", "[]") "}", &err) < 0);
    assert_true(load_json("{" MODEL("{\"a\":99999999999999999999}", "[]") "}", &err) < 0);
    assert_true(load_json("{\"added_tokens\":[{\"id\":2147483647,\"content\":\"x\"}]," MODEL("{\"a\":0}", "[]") "}", &err) < 0);
    assert_int_equal(load_json("{" MODEL("{\"a\":1000}", "[]") "}", &err), SUAN_OK); /* a hole of this size is one */
}

/* ---- K-11: text of added tokens typed by a user ---- */

static void test_k11_typed_control_tokens_stay_text(void **state) {
    (void)state;
    static const char *const names[] = {"ours-512/tokenizer.json", "ours-llama3/tokenizer.json", "ours-llama3/vocab.gguf",
                                        "ours-spm-bpe/tokenizer.model", "ours-spm-unigram/tokenizer.model"};
    for (size_t f = 0; f < 5; f++) {
        char path[4096];
        suan_tokenizer *t;
        suan_error err = {0};
        snprintf(path, sizeof path, "%s/tokenizers/%s", getenv("SUAN_TEST_DATA"), names[f]);
        if (suan_tokenizer_open(&t, path, &err) != SUAN_OK) fail_msg("%s", err.message);
        int n_added = 0;
        for (int32_t id = 0; id < (int32_t)suan_tokenizer_n_vocab(t); id++) {
            suan_token_type type = suan_tokenizer_token_type(t, id);
            if (type != SUAN_TOKEN_CONTROL && type != SUAN_TOKEN_USER_DEFINED) continue;
            size_t n_text, n;
            int32_t ids[512];
            const char *text = suan_tokenizer_token_text(t, id, &n_text);
            suan_text_span user = {0, n_text, false};
            assert_int_equal(suan_tokenizer_encode_spans(t, text, n_text, &user, 1, 0, ids, 512, &n, &err), SUAN_OK);
            for (size_t i = 0; i < n; i++) {
                suan_token_type got = suan_tokenizer_token_type(t, ids[i]);
                assert_true(got != SUAN_TOKEN_CONTROL && got != SUAN_TOKEN_USER_DEFINED);
            }
            assert_int_equal(suan_tokenizer_encode(t, text, n_text, 0, ids, 512, &n, &err), SUAN_OK);
            for (size_t i = 0; i < n; i++) assert_true(suan_tokenizer_token_type(t, ids[i]) != SUAN_TOKEN_CONTROL);
            n_added++;
        }
        assert_true(n_added > 0);
        suan_tokenizer_close(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k01_long_token_is_an_error),
        cmocka_unit_test(test_k01_one_byte_of_room_is_respected),
        cmocka_unit_test(test_k02_length_is_checked_before_the_text_is_read),
        cmocka_unit_test(test_k03_every_array_in_every_type_and_count),
        cmocka_unit_test(test_k04_charsmap_lengths_and_offsets),
        cmocka_unit_test(test_k05_byte_tokens_of_odd_spelling),
        cmocka_unit_test(test_k06_mutated_models),
        cmocka_unit_test(test_k07_hostile_json),
        cmocka_unit_test(test_k07_unknown_fields_and_bad_json),
        cmocka_unit_test(test_k09_a_million_of_each_byte),
        cmocka_unit_test(test_k09_missing_byte_is_a_clear_error),
        cmocka_unit_test(test_k10_large_ids_size_nothing),
        cmocka_unit_test(test_k11_typed_control_tokens_stay_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
