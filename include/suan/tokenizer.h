/* tokenizer.h: text to token ids and back.
 *
 * A tokenizer is opened from a GGUF file, a model directory, a tokenizer.json, a SentencePiece tokenizer.model, or a tiktoken.model. It is
 * constant afterwards: any number of threads may use one at the same time.
 *
 *     suan_tokenizer *t;
 *     suan_error err;
 *     if (suan_tokenizer_open(&t, "model.gguf", &err) != SUAN_OK) { puts(err.message); return 1; }
 *     int32_t ids[64];
 *     size_t n;
 *     suan_tokenizer_encode(t, "Hello", 5, SUAN_TOKENIZE_ADD_SPECIAL, ids, 64, &n, &err);
 *     suan_tokenizer_close(&t);
 *
 * Control tokens are not text: unless a caller asks (SUAN_TOKENIZE_PARSE_SPECIAL), "<|im_end|>" in a text is encoded as the ten characters
 * it is made of. A chat prompt, where a template's own markers must become control tokens and what users typed must not, is encoded with
 * suan_tokenizer_encode_spans.
 */
#ifndef SUAN_TOKENIZER_H
#define SUAN_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct suan_tokenizer suan_tokenizer;

/* What a token is; values as in GGUF files. */
typedef enum suan_token_type {
    SUAN_TOKEN_NORMAL = 1,
    SUAN_TOKEN_UNKNOWN = 2,
    SUAN_TOKEN_CONTROL = 3,
    SUAN_TOKEN_USER_DEFINED = 4, /* an added token that is not special: cut out of plain text too */
    SUAN_TOKEN_UNUSED = 5,       /* also ids that the vocabulary leaves out */
    SUAN_TOKEN_BYTE = 6
} suan_token_type;

/* Opens by path: a GGUF file, a directory (tokenizer.json, else tokenizer.model or tiktoken.model, with tokenizer_config.json and
 * generation_config.json), or one of those files. Owned by the caller afterwards; *t is NULL on failure. */
SUAN_API suan_status suan_tokenizer_open(suan_tokenizer **t, const char *path, suan_error *err);
/* Closes and sets *t to NULL; NULL is fine. */
SUAN_API void suan_tokenizer_close(suan_tokenizer **t);

/* ---- Text to ids ---- */

enum {
    SUAN_TOKENIZE_ADD_SPECIAL = 1,  /* put BOS and EOS where the tokenizer's file says so */
    SUAN_TOKENIZE_PARSE_SPECIAL = 2 /* cut control tokens out of the text */
};

/* The most bytes one call encodes; longer text is SUAN_ELIMIT before anything is read. */
#define SUAN_TOKENIZE_MAX_BYTES ((size_t)INT32_MAX)

/* Encodes text[0..n). *n_ids is the number of ids that the text has. ids NULL with capacity 0 only counts; a capacity that is too small is
 * SUAN_ERANGE, and nothing is written to ids. Bytes that are not UTF-8 are kept where the vocabulary has bytes. */
SUAN_API suan_status suan_tokenizer_encode(const suan_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t *ids,
                                           size_t capacity, size_t *n_ids, suan_error *err);

/* A part of a text: [begin, end) in bytes. */
typedef struct suan_text_span {
    size_t begin, end;
    bool trusted;
} suan_text_span;

/* Encodes a text of which some spans are trusted (the template's) and the rest is not (a user's). Added tokens, special or not, form only
 * from bytes that are all trusted; everything else is encoded as one text, so merges work across the boundaries. Spans ascend and do not
 * overlap; bytes outside all spans are not trusted. flags: SUAN_TOKENIZE_ADD_SPECIAL or 0. */
SUAN_API suan_status suan_tokenizer_encode_spans(const suan_tokenizer *t, const char *text, size_t n, const suan_text_span *spans,
                                                 size_t n_spans, unsigned flags, int32_t *ids, size_t capacity, size_t *n_ids,
                                                 suan_error *err);

/* ---- Ids to text ---- */

/* Decodes whole: *n is the number of bytes; out NULL with capacity 0 only counts, too little room is SUAN_ERANGE. The bytes are those the
 * tokens stand for, which need not be UTF-8. skip_special leaves out control tokens. An id outside the vocabulary is SUAN_ERANGE. */
SUAN_API suan_status suan_tokenizer_decode(const suan_tokenizer *t, const int32_t *ids, size_t n_ids, bool skip_special, char *out,
                                           size_t capacity, size_t *n, suan_error *err);

/* Decodes one id at a time and hands out whole characters only. Used by one thread at a time; nothing is allocated after creation. */
typedef struct suan_detokenizer suan_detokenizer;
/* t is borrowed until the detokenizer closes. */
SUAN_API suan_status suan_detokenizer_open(suan_detokenizer **d, const suan_tokenizer *t, bool skip_special, suan_error *err);
SUAN_API void suan_detokenizer_close(suan_detokenizer **d);
/* Takes an id; *text (kept until the next call on d) and *n are the bytes that are complete now. The first bytes of a character that is
 * not complete wait. Bytes that can never be a character are handed out as they are. */
SUAN_API suan_status suan_detokenizer_push(suan_detokenizer *d, int32_t id, const char **text, size_t *n, suan_error *err);
/* The end of the text: hands out what still waits, as raw bytes (raw true) or as one U+FFFD; then d is as new. */
SUAN_API void suan_detokenizer_flush(suan_detokenizer *d, bool raw, const char **text, size_t *n);
/* Forgets everything pushed so far. */
SUAN_API void suan_detokenizer_reset(suan_detokenizer *d);

/* ---- The vocabulary ---- */

SUAN_API uint32_t suan_tokenizer_n_vocab(const suan_tokenizer *t);
/* The token as its file spells it ("Ġthe"), and the bytes it stands for (" the"). Kept until close. An id outside: NULL and *n 0. */
SUAN_API const char *suan_tokenizer_token_text(const suan_tokenizer *t, int32_t id, size_t *n);
SUAN_API const char *suan_tokenizer_token_bytes(const suan_tokenizer *t, int32_t id, size_t *n);
/* SUAN_TOKEN_UNUSED for an id outside the vocabulary. */
SUAN_API suan_token_type suan_tokenizer_token_type(const suan_tokenizer *t, int32_t id);
/* The id of an added or other token by its text, -1 when there is none. */
SUAN_API int32_t suan_tokenizer_find(const suan_tokenizer *t, const char *text, size_t n);

/* Tokens with a role; -1 when the vocabulary has none. */
typedef enum suan_token_role {
    SUAN_ROLE_BOS,
    SUAN_ROLE_EOS,
    SUAN_ROLE_EOT, /* end of turn */
    SUAN_ROLE_PAD,
    SUAN_ROLE_UNK,
    SUAN_N_ROLES
} suan_token_role;
SUAN_API int32_t suan_tokenizer_role_id(const suan_tokenizer *t, suan_token_role role);
/* The text of bos_token, eos_token, ... as templates see it; "" when there is none. */
SUAN_API const char *suan_tokenizer_role_text(const suan_tokenizer *t, suan_token_role role, size_t *n);

/* Whether an id ends a generation, and all those that do (kept until close). */
SUAN_API bool suan_tokenizer_is_eog(const suan_tokenizer *t, int32_t id);
SUAN_API const int32_t *suan_tokenizer_eog_ids(const suan_tokenizer *t, size_t *n);

/* What SUAN_TOKENIZE_ADD_SPECIAL does. */
SUAN_API bool suan_tokenizer_adds_bos(const suan_tokenizer *t);
SUAN_API bool suan_tokenizer_adds_eos(const suan_tokenizer *t);

/* The chat template of that name ("default", "tool_use", ...; NULL: the default one), NULL when there is none. Kept until close. */
SUAN_API const char *suan_tokenizer_chat_template(const suan_tokenizer *t, const char *name, size_t *n);
/* Further special token strings of tokenizer_config.json (additional_special_tokens), i from 0; NULL behind the last. */
SUAN_API const char *suan_tokenizer_additional_token(const suan_tokenizer *t, size_t i, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
