/* test_tok_vectors.c: ids of the reference implementations (HF tokenizers, sentencepiece, llama.cpp) for every vocabulary there is, and
 * the way back: whole, one token at a time, and over whole books. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "base/memory.h"
#include "suan/tokenizer.h"

enum { PARSE = SUAN_TOKENIZE_PARSE_SPECIAL, NOT_NFC = 512 };

typedef struct vector_set {
    const char *vocabulary, *vectors; /* under SUAN_FIXTURES */
    unsigned flags; /* tokenize flags; NOT_NFC: 20 lines differ, as the vocabulary has no NFC */
    bool lossless;  /* decoding gives the text back */
} vector_set;

static const vector_set sets[] = {
    {"tokenizers/ggml-vocab-gpt-2.gguf", "tokenizers/vectors-gpt-2.jsonl", 0, true},
    {"tokenizers/ggml-vocab-gpt-2.gguf", "tokenizers/special-gpt-2.jsonl", PARSE, true},
    {"tokenizers/ggml-vocab-deepseek-coder.gguf", "tokenizers/vectors-deepseek-coder.jsonl", 0, true},
    {"tokenizers/ggml-vocab-deepseek-coder.gguf", "tokenizers/special-deepseek-coder.jsonl", PARSE, true},
    {"tokenizers/ggml-vocab-deepseek-llm.gguf", "tokenizers/vectors-deepseek-llm.jsonl", 0, true},
    {"tokenizers/ggml-vocab-deepseek-llm.gguf", "tokenizers/special-deepseek-llm.jsonl", PARSE, true},
    {"tokenizers/ggml-vocab-llama-spm.gguf", "tokenizers/vectors-llama-spm.jsonl", 0, false},
    {"tokenizers/ggml-vocab-llama-spm.gguf", "tokenizers/special-llama-spm.jsonl", PARSE, false},
    {"tokenizers/ours-512/tokenizer.json", "tokenizers/ours-512/vectors.jsonl", 0, true},
    {"tokenizers/ours-512/tokenizer.json", "tokenizers/ours-512/special.jsonl", PARSE, true},
    {"tokenizers/ours-deepseek-v3/tokenizer.json", "tokenizers/ours-deepseek-v3/vectors.jsonl", 0, true},
    {"tokenizers/ours-deepseek-v3/tokenizer.json", "tokenizers/ours-deepseek-v3/special.jsonl", PARSE, true},
    {"tokenizers/ours-deepseek-v3/vocab.gguf", "tokenizers/ours-deepseek-v3/vectors.jsonl", 0, true},
    {"tokenizers/ours-deepseek-v3/vocab.gguf", "tokenizers/ours-deepseek-v3/special.jsonl", PARSE, true},
    {"tokenizers/ours-glm4/tokenizer.json", "tokenizers/ours-glm4/vectors.jsonl", 0, true},
    {"tokenizers/ours-glm4/tokenizer.json", "tokenizers/ours-glm4/special.jsonl", PARSE, true},
    {"tokenizers/ours-glm4/vocab.gguf", "tokenizers/ours-glm4/vectors.jsonl", 0, true},
    {"tokenizers/ours-gpt4o/tokenizer.json", "tokenizers/ours-gpt4o/vectors.jsonl", 0, true},
    {"tokenizers/ours-gpt4o/tokenizer.json", "tokenizers/ours-gpt4o/special.jsonl", PARSE, true},
    {"tokenizers/ours-gpt4o/vocab.gguf", "tokenizers/ours-gpt4o/vectors.jsonl", 0, true},
    {"tokenizers/ours-kimi-k2/tokenizer.json", "tokenizers/ours-kimi-k2/vectors.jsonl", 0, true},
    {"tokenizers/ours-kimi-k2/tokenizer.json", "tokenizers/ours-kimi-k2/special.jsonl", PARSE, true},
    {"tokenizers/ours-kimi-k2/vocab.gguf", "tokenizers/ours-kimi-k2/vectors.jsonl", 0, true},
    {"tokenizers/ours-llama3/tokenizer.json", "tokenizers/ours-llama3/vectors.jsonl", 0, true},
    {"tokenizers/ours-llama3/tokenizer.json", "tokenizers/ours-llama3/special.jsonl", PARSE, true},
    {"tokenizers/ours-llama3/vocab.gguf", "tokenizers/ours-llama3/vectors.jsonl", 0, true},
    {"tokenizers/ours-llama3/vocab.gguf", "tokenizers/ours-llama3/special.jsonl", PARSE, true},
    {"tokenizers/ours-qwen2/tokenizer.json", "tokenizers/ours-qwen2/vectors.jsonl", 0, false},
    {"tokenizers/ours-qwen2/tokenizer.json", "tokenizers/ours-qwen2/special.jsonl", PARSE, false},
    {"tokenizers/ours-qwen2/vocab.gguf", "tokenizers/ours-qwen2/vectors.jsonl", NOT_NFC, true},
    {"tokenizers/ours-spm-bpe/tokenizer.model", "tokenizers/ours-spm-bpe/vectors.jsonl", 0, false},
    {"tokenizers/ours-spm-unigram/tokenizer.model", "tokenizers/ours-spm-unigram/vectors.jsonl", 0, false},
    {"weights/stories260k/stories260k-f32.gguf", "weights/stories260k/tokenizer-vectors.jsonl", 0, false},
    {"weights/stories260k/hf", "weights/stories260k/tokenizer-vectors.jsonl", 0, false},
};

static char *fixture(const char *name) {
    const char *root = getenv("SUAN_FIXTURES");
    if (!root) return NULL;
    size_t n = strlen(root) + strlen(name) + 2;
    char *path = malloc(n);
    snprintf(path, n, "%s/%s", root, name);
    if (suan__path_exists(path)) return path;
    free(path);
    return NULL;
}

/* Pushing one id at a time gives the same bytes as decoding whole. */
static void check_stream(const suan_tokenizer *t, const int32_t *ids, size_t n_ids, const char *whole, size_t n_whole) {
    suan_detokenizer *d;
    assert_int_equal(suan_detokenizer_open(&d, t, false, NULL), SUAN_OK);
    uint64_t allocations = suan__alloc_count();
    size_t at = 0, n;
    const char *text;
    for (size_t i = 0; i < n_ids; i++) {
        assert_int_equal(suan_detokenizer_push(d, ids[i], &text, &n, NULL), SUAN_OK);
        assert_true(n <= n_whole - at);
        assert_memory_equal(text, whole + at, n);
        at += n;
    }
    suan_detokenizer_flush(d, true, &text, &n);
    assert_int_equal(at + n, n_whole);
    assert_memory_equal(text, whole + at, n);
    assert_int_equal(suan__alloc_count(), allocations);
    suan_detokenizer_close(&d);
}

/* 1: equal, 0: not, -1: skipped. */
static int check_line(const suan_tokenizer *t, const vector_set *set, const json_t *line, int number) {
    const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids"), *decoded = json_object_get(line, "decoded");
    bool wrap = json_is_true(json_object_get(line, "add_special"));
    size_t n = json_string_length(text), n_ids, n_out, room = n + 16;
    int32_t *got = malloc(room * 4 * sizeof *got);
    char *out = malloc(room * 16);
    suan_error err = {0};
    unsigned flags = (set->flags & PARSE) | (wrap ? SUAN_TOKENIZE_ADD_SPECIAL : 0);
    assert_int_equal(suan_tokenizer_encode(t, json_string_value(text), n, flags, got, room * 4, &n_ids, &err), SUAN_OK);
    bool equal = n_ids == json_array_size(ids);
    for (size_t i = 0; equal && i < n_ids; i++) equal = got[i] == (int32_t)json_integer_value(json_array_get(ids, i));
    if (!equal && !(set->flags & NOT_NFC)) print_message("%s line %d: ids differ\n", set->vectors, number);
    assert_int_equal(suan_tokenizer_decode(t, got, n_ids, false, out, room * 16, &n_out, &err), SUAN_OK);
    check_stream(t, got, n_ids, out, n_out);
    if (!wrap && (set->lossless || decoded)) {
        const json_t *want = decoded ? decoded : text;
        assert_int_equal(n_out, json_string_length(want));
        assert_memory_equal(out, json_string_value(want), n_out);
    }
    free(got);
    free(out);
    return equal;
}

static void test_vectors_of_every_vocabulary_equal(void **state) {
    (void)state;
    int n_missing = 0, n_lines = 0;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char *vocabulary = fixture(sets[i].vocabulary), *vectors = fixture(sets[i].vectors), *line = NULL;
        FILE *f = vectors ? fopen(vectors, "r") : NULL;
        suan_tokenizer *t = NULL;
        suan_error err = {0};
        if (!vocabulary || !f) {
            n_missing++;
        } else {
            if (suan_tokenizer_open(&t, vocabulary, &err) != SUAN_OK) fail_msg("%s", err.message);
            size_t room = 0;
            int number = 0, n_bad = 0;
            while (getline(&line, &room, f) > 0) {
                json_t *root = json_loads(line, 0, NULL);
                assert_non_null(root);
                int equal = check_line(t, &sets[i], root, ++number);
                n_bad += equal == 0;
                n_lines += equal >= 0;
                json_decref(root);
            }
            assert_int_equal(n_bad, sets[i].flags & NOT_NFC ? 20 : 0);
        }
        if (f) fclose(f);
        suan_tokenizer_close(&t);
        free(line);
        free(vocabulary);
        free(vectors);
    }
    print_message("%d lines; %d of %zu files skipped (SUAN_FIXTURES)\n", n_lines, n_missing, sizeof sets / sizeof sets[0]);
}

static char *slurp(const char *name, size_t *n) {
    char *path = fixture(name), *data = NULL;
    if (path && suan__file_slurp(path, 1u << 30, &data, n, NULL) != SUAN_OK) data = NULL;
    free(path);
    return data;
}

/* llama.cpp's own lists: texts in .inp, ids in .out, one line a text. */
static void test_published_lists_equal(void **state) {
    (void)state;
    static const char *const names[] = {"gpt-2", "deepseek-coder", "deepseek-llm", "llama-spm"};
    static const char mark[] = "\n__ggml_vocab_test__\n";
    int n_texts = 0, n_missing = 0;
    for (int i = 0; i < 4; i++) {
        char name[128];
        size_t n_in, n_out;
        snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf.inp", names[i]);
        char *in = slurp(name, &n_in);
        snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf.out", names[i]);
        char *out = slurp(name, &n_out);
        snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf", names[i]);
        char *path = fixture(name);
        suan_tokenizer *t = NULL;
        if (in && out && path) {
            assert_int_equal(suan_tokenizer_open(&t, path, NULL), SUAN_OK);
            char *ids_at = out;
            for (char *s = in; s && s < in + n_in;) {
                char *end = strstr(s, mark);
                size_t n = end ? (size_t)(end - s) : (size_t)(in + n_in - s), n_ids;
                int32_t ids[4096];
                assert_int_equal(suan_tokenizer_encode(t, s, n, 0, ids, 4096, &n_ids, NULL), SUAN_OK);
                char *line_end = strchr(ids_at, '\n');
                size_t k = 0;
                for (char *p = ids_at; line_end && p < line_end; k++) {
                    char *next;
                    long id = strtol(p, &next, 10);
                    if (next == p || next > line_end) break;
                    assert_true(k < n_ids);
                    assert_int_equal(ids[k], id);
                    p = next;
                }
                assert_int_equal(k, n_ids);
                n_texts++;
                ids_at = line_end ? line_end + 1 : out + n_out;
                s = end ? end + sizeof mark - 1 : NULL;
            }
        } else {
            n_missing++;
        }
        suan_tokenizer_close(&t);
        suan__free(in);
        suan__free(out);
        free(path);
    }
    print_message("%d texts; %d of 4 lists skipped\n", n_texts, n_missing);
}

static void test_books_round_trip(void **state) {
    (void)state;
    static const char *const vocabularies[] = {"tokenizers/ggml-vocab-gpt-2.gguf",           "tokenizers/ggml-vocab-deepseek-llm.gguf",
                                               "tokenizers/ours-deepseek-v3/tokenizer.json", "tokenizers/ours-kimi-k2/tokenizer.json",
                                               "tokenizers/ggml-vocab-llama-spm.gguf",       "tokenizers/ours-spm-bpe/tokenizer.model"};
    static const char *const texts[] = {"text/tinyshakespeare.txt", "text/promessi_sposi.txt", "text/tinystories_sample.txt"};
    int n_missing = 0;
    for (size_t i = 0; i < sizeof vocabularies / sizeof vocabularies[0]; i++) {
        char *path = fixture(vocabularies[i]);
        suan_tokenizer *t = NULL;
        if (path) assert_int_equal(suan_tokenizer_open(&t, path, NULL), SUAN_OK);
        for (int k = 0; k < 3; k++) {
            size_t n, n_ids, n_back;
            char *text = slurp(texts[k], &n);
            if (!text || !t) {
                n_missing++;
                continue;
            }
            int32_t *ids = malloc(4 * n * sizeof *ids);
            char *back = malloc(n + 64);
            assert_int_equal(suan_tokenizer_encode(t, text, n, 0, ids, 4 * n, &n_ids, NULL), SUAN_OK);
            assert_int_equal(suan_tokenizer_decode(t, ids, n_ids, false, back, n + 64, &n_back, NULL), SUAN_OK);
            assert_int_equal(n_back, n);
            assert_memory_equal(back, text, n);
            free(ids);
            free(back);
            suan__free(text);
        }
        suan_tokenizer_close(&t);
        free(path);
    }
    print_message("%d round trips skipped\n", n_missing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_every_vocabulary_equal),
        cmocka_unit_test(test_published_lists_equal),
        cmocka_unit_test(test_books_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
