/* tokenizer_json_scan.h: the two large tables of tokenizer.json, read without building a node for each of their strings.
 *
 * A vocabulary of 128,000 tokens and 280,000 merges takes jansson longer than everything else together. So model.vocab (when it is an
 * object) and model.merges are found in the text and read here, and jansson reads a copy of the file in which they are null.
 */
#ifndef SUAN_TEXT_TOKENIZER_JSON_SCAN_H
#define SUAN_TEXT_TOKENIZER_JSON_SCAN_H

#include "text/tokenizer_internal.h"

typedef struct suan__json_span {
    size_t begin, end; /* of the value; empty: there is none */
} suan__json_span;

/* Finds the tables. Only as much of the syntax is checked as is needed to skip values; jansson checks the rest. */
suan_status suan__json_find_tables(const char *s, size_t n, suan__json_span *vocab, suan__json_span *merges, const char *path,
                                   suan_error *err);

/* As suan__utf8_valid, faster where most is ASCII. */
bool suan__json_is_utf8(const char *s, size_t n);

typedef struct suan__json_reader {
    const char *s;
    size_t n, at;
    char *pool; /* where unescaped strings go: as many bytes as the file is enough */
    bool first; /* nothing of the table has been read */
    const char *path;
    suan_error *err;
} suan__json_reader;

/* The next entry of an object {"text": id, ...}: *more false at its end. Start with at behind the '{' and first true. */
suan_status suan__json_next_entry(suan__json_reader *r, bool *more, const char **text, size_t *n_text, int64_t *id);
/* The next merge of an array of "a b" or ["a", "b"]. Likewise. */
suan_status suan__json_next_merge(suan__json_reader *r, bool *more, const char **left, size_t *n_left, const char **right, size_t *n_right);

#endif
