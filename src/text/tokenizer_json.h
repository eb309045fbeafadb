/* tokenizer_json.h: the parts of the tokenizer.json loader. */
#ifndef SUAN_TEXT_TOKENIZER_JSON_H
#define SUAN_TEXT_TOKENIZER_JSON_H

#include <jansson.h>

#include "text/tokenizer_internal.h"

/* What the loader needs to know until the vocabulary is complete. */
typedef struct suan__json_loader {
    suan_tokenizer *t;
    suan_error *err;
    const json_t *root;
} suan__json_loader;

/* Fails unless v is an object whose keys are all in the list (NULL-terminated): nothing in the file is ignored. */
suan_status suan__json_check(suan__json_loader *l, const json_t *v, const char *where, ...) __attribute__((sentinel));
/* Typed members; an absent one keeps *out. */
suan_status suan__json_bool(suan__json_loader *l, const json_t *v, const char *where, const char *key, bool *out);
suan_status suan__json_string(suan__json_loader *l, const json_t *v, const char *where, const char *key, const char **out, size_t *n);
suan_status suan__json_int(suan__json_loader *l, const json_t *v, const char *where, const char *key, int64_t min, int64_t max,
                           int64_t *out);
suan_status suan__json_type(suan__json_loader *l, const json_t *v, const char *where, const char **type);
/* {"Regex": ...} or {"String": ...}: a compiled expression, or a literal (regex NULL). */
suan_status suan__json_pattern(suan__json_loader *l, const json_t *v, const char *where, const suan__regex **regex, const char **literal,
                               size_t *n);

/* tokenizer_json_steps.c */
suan_status suan__json_normalizers(suan__json_loader *l);
suan_status suan__json_pretokenizers(suan__json_loader *l);
/* tokenizer_json_decode.c: needs the vocabulary. */
suan_status suan__json_decoder(suan__json_loader *l);
suan_status suan__json_post_processor(suan__json_loader *l);

#endif
