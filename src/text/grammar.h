/* grammar.h: making a grammar out of parts.
 *
 * What reads a notation (GBNF, regular expressions, JSON Schema, the syntax of a model's tool calls) makes nodes with a builder; a node
 * stands for a set of texts:
 *
 *     suan__builder *b;
 *     SUAN_TRY(suan__builder_create(&b, err));
 *     suan__node digit = suan__node_set(b, &(suan__unicode_range){'0', '9'}, 1, false);
 *     suan__node number = suan__node_repeat(b, digit, 1, SUAN__NO_END);
 *     suan__node list = suan__node_rule(b, "list", 4);
 *     suan__node more = suan__node_seq(b, (suan__node[]){suan__node_bytes(b, ",", 1), list}, 2);
 *     suan__builder_define(b, list, suan__node_seq(b, (suan__node[]){number, suan__node_repeat(b, more, 0, 1)}, 2));
 *     return suan__builder_finish(grammar, &b, list, err);
 *
 * Errors stick: a function that cannot make its node returns SUAN__NO_NODE, takes SUAN__NO_NODE for a part without harm, and
 * suan__builder_finish reports the first failure. So nothing in between needs a check; suan__builder_status tells early.
 *
 * A node may be a part of any number of others; that costs a few bytes each, whatever its size. Nodes are made from parts, so there are no
 * circles but through rules.
 *
 * Threads: a builder is used by one thread at a time.
 */
#ifndef SUAN_TEXT_GRAMMAR_H
#define SUAN_TEXT_GRAMMAR_H

#include "base/error.h"
#include "base/memory.h"
#include "suan/grammar.h"
#include "text/unicode_tables.h"

typedef struct suan__builder suan__builder;
typedef uint32_t suan__node;

#define SUAN__NO_NODE 0u
#define SUAN__NO_END UINT32_MAX /* of a repetition */

/* Limits; beyond them a grammar is SUAN_ELIMIT. */
enum {
    SUAN__GRAMMAR_MAX_TEXT = 4 << 20,    /* bytes of GBNF; a regular expression has its own, smaller limit */
    SUAN__GRAMMAR_MAX_DEPTH = 256,       /* nested groups in GBNF and in expressions */
    SUAN__GRAMMAR_MAX_NODES = 1 << 20,   /* nodes and their parts */
    SUAN__GRAMMAR_MAX_BYTES = 2 << 20,   /* of literals, markers and words together */
    SUAN__GRAMMAR_MAX_TABLES = 16384,    /* rows of tables, 512 bytes each: of sets that need more than one byte, and of markers */
    SUAN__GRAMMAR_MAX_CONFIGS = 4096,    /* ways to read one text at once */
    SUAN__GRAMMAR_MAX_STACK = 4096,      /* rules and counted repetitions that are open at once: texts that nest deeper are forbidden */
    SUAN__GRAMMAR_MAX_WORK = 1 << 24,    /* steps of the automaton to make one mask */
    SUAN__GRAMMAR_CACHE_BYTES = 48 << 20 /* states, transitions and masks of one grammar with one vocabulary */
};

suan_status suan__builder_create(suan__builder **b, suan_error *err);
void suan__builder_free(suan__builder *b); /* NULL is fine */
/* The first failure so far, SUAN_OK without one; its sentence goes into err. */
suan_status suan__builder_status(const suan__builder *b, suan_error *err);
/* Makes b fail with this status and sentence, if it has not failed yet (for what a caller finds wrong while it makes nodes). Returns SUAN__NO_NODE. */
suan__node suan__builder_fail(suan__builder *b, suan_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* These bytes; the empty text when n is 0. Copied. */
suan__node suan__node_bytes(suan__builder *b, const char *s, size_t n);
/* One character (in UTF-8) of these code points, in any order; negated: one of all others. Surrogates are never matched. An empty set
 * matches nothing. */
suan__node suan__node_set(suan__builder *b, const suan__unicode_range *ranges, size_t n, bool negated);
/* One after the other (n 0: the empty text); one of these (n 0: nothing matches). */
suan__node suan__node_seq(suan__builder *b, const suan__node *parts, size_t n);
suan__node suan__node_alt(suan__builder *b, const suan__node *parts, size_t n);
/* One of these texts: as an alternative of bytes, but what texts have in common at their beginning is read once, so there may be very many. */
typedef struct suan__word {
    const char *text;
    size_t n;
} suan__word;
suan__node suan__node_words(suan__builder *b, const suan__word *words, size_t n);
/* min to max times (max SUAN__NO_END: no end). Counted, not copied: {0,2147483646} costs as much as {0,1}. */
suan__node suan__node_repeat(suan__builder *b, suan__node part, uint32_t min, uint32_t max);
/* The rule of that name: the same node for the same name; it may be defined before or after. A NULL name makes a new rule without a name. */
suan__node suan__node_rule(suan__builder *b, const char *name, size_t n);
/* Says what a rule is; once only. */
void suan__builder_define(suan__builder *b, suan__node rule, suan__node body);
bool suan__node_is_defined(const suan__builder *b, suan__node rule);

/* Any text up to a marker: a text in which no marker occurs, then a marker, then its `then`. The first marker to be complete counts (of several that end at
 * one byte the longest); of a marker that is one token of its own (below) that token is the same as its bytes. may_end: the text without a marker may also be all of it, then the node
 * ends there and what follows the node comes next (the end of everything when nothing follows). All tokens may come inside such a text, other control tokens too.
 * No marker is empty; n 0 with may_end: any text. */
typedef struct suan__marker {
    const char *text;
    size_t n;
    suan__node then; /* SUAN__NO_NODE with is_last: nothing */
    bool is_last;    /* nothing comes behind the marker within this node */
} suan__marker;
suan__node suan__node_until(suan__builder *b, const suan__marker *markers, size_t n, bool may_end);

/* A marker that is one token: a control or user-defined token with this text when the vocabulary has one (then nothing else will do), else its bytes. */
suan__node suan__node_token(suan__builder *b, const char *text, size_t n);
/* The same, but nothing when the vocabulary has no such token. */
suan__node suan__node_token_only(suan__builder *b, const char *text, size_t n);

/* All texts of a finished grammar. */
suan__node suan__node_grammar(suan__builder *b, const suan_grammar *g);

/* The grammar whose texts are those of `start`. *b is freed and set to NULL in any case; *g is NULL on failure. Errors beside those that stuck: SUAN_EINVAL for a rule that is used and not
 * defined, for one that begins with itself, and for a grammar without a text; SUAN_ELIMIT. */
suan_status suan__builder_finish(suan_grammar **g, suan__builder **b, suan__node start, suan_error *err);

/* ---- regular expressions as parts ---- */

/* How an expression is read. set: makes the node for one character out of finished, sorted ranges; within a JSON string, say, where some are written as escapes. NULL:
 * suan__node_set. search: the expression needs to match somewhere in the text only (as `pattern` of JSON Schema), unless it says ^ or $. */
typedef struct suan__regex_form {
    suan__node (*set)(void *ctx, suan__builder *b, const suan__unicode_range *ranges, size_t n);
    void *ctx;
    bool search;
} suan__regex_form;
/* *node for the expression text[0..n). form NULL: characters as they are, the whole text. Errors: SUAN_EINVAL (no valid expression), SUAN_EUNSUPPORTED (look-around, back references, anchors
 * inside), SUAN_ELIMIT, SUAN_ENOMEM; the offset is that in the expression. */
suan_status suan__regex_to_node(suan__node *node, suan__builder *b, const char *text, size_t n, const suan__regex_form *form,
                                suan_error *err);

#endif
