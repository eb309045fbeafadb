/* answer_json.h: where a JSON value ends, in text that may go on with something else or break off.
 *
 * The grammar is RFC 8259's, without a check of UTF-8; values nest SUAN__JSON_DEPTH deep at most.
 */
#ifndef SUAN_TEXT_ANSWER_JSON_H
#define SUAN_TEXT_ANSWER_JSON_H

#include <stdbool.h>
#include <stddef.h>

#define SUAN__JSON_DEPTH 512

typedef enum suan__scan {
    SUAN__SCAN_DONE,
    SUAN__SCAN_MORE, /* right so far, but the text ends */
    SUAN__SCAN_BAD
} suan__scan;

size_t suan__json_space(const char *s, size_t n, size_t at); /* the first place from `at` on without white space */
/* The value that begins at s[0]; *end: behind it. A number at the end of the text counts as done. */
suan__scan suan__json_value(const char *s, size_t n, size_t *end);
/* Whether s is one value, white space around it allowed. */
bool suan__json_is_value(const char *s, size_t n);

typedef struct suan__json_member {
    const char *key, *value; /* key: with its quotes and escapes, as it stands */
    size_t n_key, n_value;
} suan__json_member;
/* Walks through a complete object s: *at is 0 at first; false at the end. */
bool suan__json_next_member(const char *s, size_t n, size_t *at, suan__json_member *m);
/* Whether the quoted key is `name` (ASCII, spelled without escapes). */
bool suan__json_key_is(const suan__json_member *m, const char *name);

#endif
