/* grammar_groups.h: sequences and alternatives in nested groups, as readers of notations meet them: the nesting is a stack here, not recursion.
 *
 * Failures stick in the builder; functions do nothing then.
 */
#ifndef SUAN_TEXT_GRAMMAR_GROUPS_H
#define SUAN_TEXT_GRAMMAR_GROUPS_H

#include "text/grammar.h"

typedef struct suan__group {
    uint32_t first_alt, first_item; /* where its alternatives and the items of its present sequence begin */
} suan__group;

typedef struct suan__groups {
    suan__builder *b;
    suan__group group[SUAN__GRAMMAR_MAX_DEPTH + 1];
    uint32_t depth; /* open groups */
    suan__node *item, *alt;
    uint32_t n_item, c_item, n_alt, c_alt;
} suan__groups;

/* False when the limit of depth is reached. */
bool suan__groups_open(suan__groups *g);
void suan__groups_push(suan__groups *g, suan__node item);
/* The last item of the present sequence, NULL when it has none. */
suan__node *suan__groups_last(suan__groups *g);
/* What was pushed since the group or its last alternative began, taken off as one node. */
suan__node suan__groups_sequence(suan__groups *g);
/* What was pushed since the group or its last alternative began is an alternative now. */
void suan__groups_alternative(suan__groups *g);
/* Ends the group that was opened last: its node. */
suan__node suan__groups_close(suan__groups *g);
void suan__groups_fini(suan__groups *g);

/* A number as decimal digits, at s[0..n): how many digits; values above UINT32_MAX become UINT32_MAX. */
size_t suan__read_number(const char *s, size_t n, uint32_t *value);
/* Exactly so many hexadecimal digits (at most 8): false when there are others. */
bool suan__read_hex(const char *s, size_t n, size_t digits, uint32_t *value);

#endif
