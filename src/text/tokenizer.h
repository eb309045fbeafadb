/* tokenizer.h: opening a tokenizer from what other rooms hold. */
#ifndef SUAN_TEXT_TOKENIZER_H
#define SUAN_TEXT_TOKENIZER_H

#include "formats/checkpoint.h"
#include "suan/tokenizer.h"

/* From an open checkpoint: GGUF metadata, or the tokenizer files in its directory. The checkpoint may close afterwards. */
suan_status suan__tokenizer_from_checkpoint(suan_tokenizer **t, const suan__checkpoint *ck, suan_error *err);

/* From bytes, for tests and fuzzing: `name` is for messages. */
suan_status suan__tokenizer_from_gguf(suan_tokenizer **t, const suan__gguf *g, suan_error *err);
suan_status suan__tokenizer_from_json(suan_tokenizer **t, const char *json, size_t n, const char *name, suan_error *err);
suan_status suan__tokenizer_from_spm(suan_tokenizer **t, const char *data, size_t n, const char *name, suan_error *err);
suan_status suan__tokenizer_from_tiktoken(suan_tokenizer **t, const char *data, size_t n, const char *name, suan_error *err);

/* A growing list of ids. */
typedef struct suan__ids {
    int32_t *v;
    size_t n, capacity;
} suan__ids;
void suan__ids_fini(suan__ids *ids);

/* Encodes and appends. spans NULL: plain text with flags as in suan_tokenizer_encode. */
suan_status suan__tokenizer_encode(const suan_tokenizer *t, const char *text, size_t n, const suan_text_span *spans, size_t n_spans,
                                   unsigned flags, suan__ids *ids, suan_error *err);

#endif
