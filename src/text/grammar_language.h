/* grammar_language.h: regular languages as deterministic automata: what is in both of two, what is in one and not in the other.
 *
 * A language holds texts that end with a quote and have no other (the inside of a JSON string in its `plain` spelling, and the closing quote),
 * or, for suan__language_until, with a marker. So no text is the beginning of another, and an automaton is a table of the builder's.
 */
#ifndef SUAN_TEXT_GRAMMAR_LANGUAGE_H
#define SUAN_TEXT_GRAMMAR_LANGUAGE_H

#include "text/grammar_internal.h"

enum { SUAN__LANGUAGE_MAX_ROWS = 4096 };

typedef struct suan__language {
    suan__row *row;  /* entries as suan__ir_table has them, with one exit; the first row is where it starts */
    uint32_t n_rows; /* 0: no text */
    bool is_cut;     /* too many rows: nothing is known */
} suan__language;

/* *scratch is a builder of its own, which is freed; `node` its texts. Failures go to b, but for too many rows: is_cut. */
void suan__language_of(suan__language *l, suan__builder **scratch, suan__node node, suan__builder *b);
/* Texts of x that are in y (or that are not). */
void suan__language_combine(suan__language *l, const suan__language *x, const suan__language *y, bool in_both, suan__builder *b);
/* UTF-8 text without control characters but \t, \n and \r, up to the first marker, with it. The marker has no control characters. */
void suan__language_until(suan__language *l, const char *marker, size_t n, suan__builder *b);
bool suan__language_has(const suan__language *l, const char *s, size_t n);
suan__node suan__language_node(const suan__language *l, suan__builder *b);
void suan__language_fini(suan__language *l);

#endif
