/* fuzz_tokenizer_model.c: the input is a SentencePiece model, a tiktoken file or a GGUF file, by its first bytes; what loads encodes and
 * decodes a fixed text. */
#include "fuzz.h"

#include "fuzz_tokenizer.h"

static suan_status load(suan_tokenizer **t, const uint8_t *data, size_t n, suan_error *err) {
    if (n > 2 && memcmp(data, "tk", 2) == 0) return suan__tokenizer_from_tiktoken(t, (const char *)data + 2, n - 2, "fuzz", err);
    if (n < 4 || memcmp(data, "GGUF", 4) != 0) return suan__tokenizer_from_spm(t, (const char *)data, n, "fuzz.model", err);
    suan__arena arena;
    suan__gguf g;
    suan__arena_init(&arena, 0);
    *t = NULL;
    suan_status status = suan__gguf_parse(&g, &arena, data, n, n, "fuzz.gguf", err);
    if (status == SUAN_OK) status = suan__tokenizer_from_gguf(t, &g, err);
    suan__arena_fini(&arena);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    suan_tokenizer *t;
    suan_error err = {0};
    if (load(&t, data, n, &err) == SUAN_OK) fuzz_use_tokenizer(t);
    suan_tokenizer_close(&t);
    return 0;
}
