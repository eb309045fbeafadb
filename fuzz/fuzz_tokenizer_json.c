/* fuzz_tokenizer_json.c: the input is a tokenizer.json; what loads encodes and decodes a fixed text. */
#include "fuzz.h"

#include "fuzz_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    suan_tokenizer *t;
    suan_error err = {0};
    if (suan__tokenizer_from_json(&t, (const char *)data, n, "fuzz.json", &err) == SUAN_OK) fuzz_use_tokenizer(t);
    suan_tokenizer_close(&t);
    return 0;
}
