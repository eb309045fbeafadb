/* jinja_parser.h: what the two halves of the parser (statements, expressions) share. */
#ifndef SUAN_TEXT_JINJA_PARSER_H
#define SUAN_TEXT_JINJA_PARSER_H

#include "text/jinja_ast.h"

typedef struct jparser {
    jrt *rt;
    jprogram *program;
    jlexer lexer;
    jtoken tok, ahead;
    bool has_ahead;
    uint32_t depth;
    jdict *symbols;
    jlist *symbol_names;
    struct jmacro_scope *macro; /* the innermost macro being parsed */
} jparser;

/* Which of the special names a macro's body mentions. */
typedef struct jmacro_scope {
    struct jmacro_scope *outer;
    jsig *sig;
} jmacro_scope;

bool suan__j_advance(jparser *p);
bool suan__j_peek(jparser *p);
bool suan__j_fail_expected(jparser *p, const char *what);
static inline bool suan__j_is_word_token(const jtoken *t, const char *word) {
    size_t n = __builtin_strlen(word);
    return t->type == T_NAME && t->n == n && __builtin_memcmp(t->p, word, n) == 0;
}
/* Skips the token if it is this one. */
bool suan__j_skip_word(jparser *p, const char *word, bool *skipped);
bool suan__j_skip_char(jparser *p, int type, bool *skipped);
bool suan__j_expect(jparser *p, int type, const char *what);
jnode *suan__j_node(jparser *p, jkind kind, uint32_t line);
bool suan__j_symbol(jparser *p, const char *s, size_t n, uint32_t *sym, const jstr **name);
bool suan__j_enter(jparser *p);

/* A growing array of nodes (entries may be NULL). */
typedef struct jnodes {
    jnode **v;
    uint32_t n, cap;
} jnodes;
bool suan__j_nodes_push(jrt *rt, jnodes *l, jnode *node);

/* Each returns NULL on failure. */
jnode *suan__j_parse_expression(jparser *p, bool with_condition);
/* A tuple without parentheses, or one expression. end_word: a word that ends it ("in", "recursive"), or NULL. */
jnode *suan__j_parse_tuple(jparser *p, bool with_condition, const char *end_word);
jnode *suan__j_parse_target(jparser *p, bool with_namespace, const char *end_word);
/* | f | g ... around `node`; start_inline: the first filter comes without its bar. */
jnode *suan__j_parse_filters(jparser *p, jnode *node, bool start_inline);

#endif
