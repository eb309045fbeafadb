/* test_tok_write.c: every kind of tokenizer, written as GGUF metadata and read again, gives the ids it gave before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cmocka_all.h"
#include "base/file.h"
#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/tokenizer_write.h"

static char *fixture(const char *name) {
    static char path[1024];
    const char *root = getenv("SUAN_FIXTURES");
    if (!root) return NULL;
    snprintf(path, sizeof path, "%s/%s", root, name);
    return suan__path_exists(path) ? path : NULL;
}

/* Header bytes of a GGUF file with t's metadata; *g points into them and into the arena. */
static suan_status written(const suan_tokenizer *t, uint32_t n_vocab, suan__buf *header, suan__arena *arena, suan__gguf *g,
                           suan_error *err) {
    suan__gguf_writer w;
    assert_int_equal(suan__gguf_writer_init(&w, 32, err), SUAN_OK);
    suan_status status = suan__tokenizer_write_gguf(t, n_vocab, &w, err);
    if (status == SUAN_OK) status = suan__gguf_format_header(&w, header, err);
    if (status == SUAN_OK) status = suan__gguf_parse(g, arena, header->data, header->n, header->n, "written", err);
    suan__gguf_writer_fini(&w);
    return status;
}

static void check_ids(const char *name, const suan_tokenizer *a, const suan_tokenizer *b, const char *text, size_t n, unsigned flags) {
    suan_error err;
    size_t n_a, n_b, room = 2 * n + 16;
    int32_t *ids_a = test_malloc(room * sizeof *ids_a), *ids_b = test_malloc(room * sizeof *ids_b);
    if (suan_tokenizer_encode(a, text, n, flags, ids_a, room, &n_a, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan_tokenizer_encode(b, text, n, flags, ids_b, room, &n_b, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < n_a || i < n_b; i++)
        if (i >= n_a || i >= n_b || ids_a[i] != ids_b[i]) fail_msg("%s: id %zu differs", name, i);
    test_free(ids_a);
    test_free(ids_b);
}

static const char *const names[] = {
    "tokenizers/ours-512/tokenizer.json",      "tokenizers/ours-deepseek-v3/tokenizer.json", "tokenizers/ours-glm4/tokenizer.json",
    "tokenizers/ours-gpt4o/tokenizer.json",    "tokenizers/ours-kimi-k2/tokenizer.json",     "tokenizers/ours-llama3/tokenizer.json",
    "tokenizers/ours-qwen2/tokenizer.json",    "tokenizers/ours-spm-bpe/tokenizer.model",    "weights/stories260k/hf",
    "tokenizers/ggml-vocab-deepseek-llm.gguf", "tokenizers/ggml-vocab-deepseek-coder.gguf",  "tokenizers/ggml-vocab-gpt-2.gguf",
    "tokenizers/ggml-vocab-llama-spm.gguf",
};
enum { N_NAMES = sizeof names / sizeof *names };

static void test_tok_write_every_vocabulary_keeps_its_ids(void **state) {
    (void)state;
    int n_missing = 0;
    char *text = NULL;
    size_t n_text = 0;
    const char *book = fixture("text/tinyshakespeare.txt");
    if (book) assert_int_equal(suan__file_slurp(book, 1 << 26, &text, &n_text, NULL), SUAN_OK);
    for (int i = 0; i < N_NAMES; i++) {
        const char *path = fixture(names[i]);
        suan_tokenizer *t, *other;
        suan_error err;
        suan__buf header = {0};
        suan__arena arena;
        suan__gguf g;
        if (!path) {
            n_missing++;
            continue;
        }
        suan__arena_init(&arena, 1 << 16);
        if (suan_tokenizer_open(&t, path, &err) != SUAN_OK) fail_msg("%s", err.message);
        uint32_t n = suan_tokenizer_n_vocab(t);
        if (written(t, n + 7, &header, &arena, &g, &err) != SUAN_OK) fail_msg("%s: %s", names[i], err.message);
        if (suan__tokenizer_from_gguf(&other, &g, &err) != SUAN_OK) fail_msg("%s: %s", names[i], err.message);
        assert_int_equal(suan_tokenizer_n_vocab(other), n + 7);
        assert_int_equal(suan_tokenizer_token_type(other, (int32_t)n + 6), SUAN_TOKEN_UNUSED);
        for (uint32_t id = 0; id < n; id++) {
            size_t n_a, n_b;
            const char *a = suan_tokenizer_token_text(t, (int32_t)id, &n_a), *b = suan_tokenizer_token_text(other, (int32_t)id, &n_b);
            if (n_a == 0) continue; /* an id that the vocabulary leaves out got a name */
            assert_int_equal(n_a, n_b);
            assert_memory_equal(a, b, n_a);
        }
        for (int role = 0; role < SUAN_N_ROLES; role++) { /* what the file does not say may be found by name in the other */
            int32_t id = suan_tokenizer_role_id(t, (suan_token_role)role);
            if (id >= 0) assert_int_equal(id, suan_tokenizer_role_id(other, (suan_token_role)role));
        }
        if (text) check_ids(names[i], t, other, text, n_text < 100000 ? n_text : 100000, SUAN_TOKENIZE_ADD_SPECIAL);
        check_ids(names[i], t, other, "<|im_start|>user\n<s>\xe2\x96\x81 a  b</s><\xef\xbd\x9cUser\xef\xbd\x9c>", 33,
                  SUAN_TOKENIZE_PARSE_SPECIAL);
        suan_tokenizer_close(&t);
        suan_tokenizer_close(&other);
        suan__buf_fini(&header);
        suan__arena_fini(&arena);
    }
    suan__free(text);
    print_message("%d of %d vocabularies skipped (SUAN_FIXTURES)\n", n_missing, N_NAMES);
}

static const char small[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":4,\"content\":\"<e>\",\"special\":true,\"single_word\":false,"
    "\"lstrip\":false,\"rstrip\":false,\"normalized\":false}],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,"
    "\"c\":2,\"ab\":3},\"merges\":[\"a b\"]}}";

/* A vocabulary that splits text as no preset does, and rows too few for it. */
static void test_tok_write_what_gguf_cannot_say_is_refused(void **state) {
    (void)state;
    suan_tokenizer *t;
    suan_error err;
    suan__buf header = {0};
    suan__arena arena;
    suan__gguf g;
    suan__arena_init(&arena, 4096);
    assert_int_equal(suan__tokenizer_from_json(&t, small, sizeof small - 1, "small", &err), SUAN_OK);
    assert_int_equal(written(t, 4, &header, &arena, &g, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "5 tokens, the embedding 4 rows"));
    assert_int_not_equal(written(t, 5, &header, &arena, &g, &err), SUAN_OK);
    suan_tokenizer_close(&t);
    suan__buf_fini(&header);
    suan__arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_write_every_vocabulary_keeps_its_ids),
        cmocka_unit_test(test_tok_write_what_gguf_cannot_say_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
