/* grammar_json.h: the parts of JSON texts as nodes of a grammar.
 *
 * White space is bounded, so that a model cannot write it for ever: none, one space, or a newline and an indentation behind `{`, `[` and
 * `,` and before `}` and `]`; none or one space behind `:`; none elsewhere.
 */
#ifndef SUAN_TEXT_GRAMMAR_JSON_H
#define SUAN_TEXT_GRAMMAR_JSON_H

#include <jansson.h>

#include "text/grammar.h"

typedef struct suan__json_nodes {
    suan__builder *b;
    suan__node space, colon, comma; /* what may stand between tokens; the sign and what may stand behind it */
    suan__node lead;                /* what may stand before the whole text */
    suan__node any;                 /* any value */
    suan__node object, array, string, number, integer, boolean, null;
    suan__node character; /* of a string: itself or any escape of it, pairs of surrogates as one; U+0000 has no spelling */
    suan__node
        plain; /* of a string, in one spelling: itself, or the short escape, or \u00XX where there is none. So are keys, constants and patterns */
    suan__node quote; /* " */
} suan__json_nodes;

/* All of them; errors stick to b. */
void suan__json_nodes_init(suan__json_nodes *j, suan__builder *b);

#define SUAN__NODES(...) (const suan__node[]){__VA_ARGS__}, sizeof((const suan__node[]){__VA_ARGS__}) / sizeof(suan__node)
#define SUAN__SEQ(b, ...) suan__node_seq((b), SUAN__NODES(__VA_ARGS__))
#define SUAN__ALT(b, ...) suan__node_alt((b), SUAN__NODES(__VA_ARGS__))
suan__node suan__json_bytes(suan__builder *b, const char *text); /* a literal, NUL-terminated */
suan__node suan__json_optional(suan__builder *b, suan__node part);
suan__node suan__json_empty(suan__builder *b);
suan__node suan__json_nothing(suan__builder *b); /* no text at all, not even the empty one */

/* One character of these sorted ranges within a JSON string, spelled as `plain`. Has the form of suan__regex_form's `set`; ctx is not used. */
suan__node suan__json_set(void *ctx, suan__builder *b, const suan__unicode_range *ranges, size_t n);

/* `open` elements `close`: nothing between them, or space and what `inner` holds and space. */
suan__node suan__json_enclose(const suan__json_nodes *j, const char *open, suan__node inner, const char *close);
/* A quoted key in its spelling, and the colon. */
suan__node suan__json_key(const suan__json_nodes *j, const char *key, size_t n);
/* A scalar in one spelling; integral reals as integers. */
suan__node suan__json_scalar(const suan__json_nodes *j, const json_t *value);

/* Appends the string in quotes, in the spelling of `plain`; a scalar. */
bool suan__json_quote(suan__buf *out, const char *s, size_t n);
bool suan__json_scalar_text(suan__buf *out, const json_t *value);
/* The fewest digits that read back the same, as printf's %g writes them. Returns text. */
#define SUAN__REAL_TEXT 32
const char *suan__json_real_text(char text[SUAN__REAL_TEXT], double value);

#endif
