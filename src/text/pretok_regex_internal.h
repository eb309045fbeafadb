/* pretok_regex_internal.h: what the parser, the compiler and the matcher of regular expressions share. */
#ifndef SUAN_TEXT_PRETOK_REGEX_INTERNAL_H
#define SUAN_TEXT_PRETOK_REGEX_INTERNAL_H

#include "text/pretok_regex.h"
#include "text/pretok_set.h"

/* Limits; beyond them an expression is refused. */
enum {
    SUAN__REGEX_MAX_PATTERN = 65536, /* bytes */
    SUAN__REGEX_MAX_DEPTH = 100,     /* nested groups, classes and quantifiers */
    SUAN__REGEX_MAX_SETS = 250,
    SUAN__REGEX_MAX_CLASSES = 250,
    SUAN__REGEX_MAX_PROGRAM = 4096, /* instructions */
    SUAN__REGEX_MAX_COUNT = 1000,   /* in {m,n} */
    SUAN__REGEX_MAX_STATES = 4096   /* of the automaton; beyond it there is none */
};

typedef enum node_type { NODE_EMPTY, NODE_SET, NODE_CAT, NODE_ALT, NODE_REPEAT, NODE_LOOK, NODE_CONTEXT } node_type;
/* Conditions on what lies before a position. */
typedef enum context_type { CONTEXT_TEXT_BEGIN, CONTEXT_LINE_BEGIN, CONTEXT_WORD_EDGE, CONTEXT_NOT_WORD_EDGE } context_type;

typedef struct regex_node {
    node_type type;
    int depth;
    int set;                  /* SET, LOOK */
    bool negative, or_end;    /* LOOK: the next character is (not) in the set, or the text ends */
    context_type context;     /* CONTEXT */
    int min, max;             /* REPEAT; max -1: no end */
    bool lazy;                /* REPEAT */
    struct regex_node **kids; /* CAT, ALT: n_kids; REPEAT: one */
    uint32_t n_kids;
} regex_node;

typedef struct regex_sets {
    suan__cpset set[SUAN__REGEX_MAX_SETS];
    int n;
    int word, newline; /* indices of \w and "\n" where CONTEXT nodes need them, else -1 */
} regex_sets;

/* Parses into nodes and sets, all in `scratch`. */
suan_status suan__regex_parse(regex_node **root, regex_sets *sets, suan__arena *scratch, const char *pattern, size_t n, suan_error *err);

typedef enum inst_op { INST_CHAR, INST_SPLIT, INST_LOOK, INST_CONTEXT, INST_MATCH } inst_op;
typedef struct regex_inst {
    uint8_t op;
    uint8_t arg;  /* CHAR, LOOK: set; CONTEXT: kind */
    uint8_t flag; /* LOOK: 1 negative, 2 or the end */
    uint16_t x;   /* next; SPLIT: the preferred branch */
    uint16_t y;   /* SPLIT: the other branch */
} regex_inst;

/* What lies before a position: bits, masked by what the program asks for. */
enum { BEFORE_TEXT = 1, BEFORE_NEWLINE = 2, BEFORE_WORD = 4 };
#define REGEX_MATCH 0x8000u /* in an automaton entry: a match ends before the character */

struct suan__regex {
    uint8_t ascii[128]; /* class of each ASCII character */
    uint16_t *page;     /* [0x110000 >> 8]: index of a page of classes */
    uint8_t *pages;     /* [n_pages][256] */
    uint32_t n_classes; /* the end of the text is class n_classes */
    uint32_t n_sets;
    uint8_t *member;     /* [n_sets][n_classes]: whether the class is inside the set */
    uint8_t *before;     /* [n_classes]: bits that hold behind a character of the class */
    uint8_t before_used; /* bits that the program asks for */
    uint32_t n_program;
    uint16_t entry;
    regex_inst *program;
    uint16_t *table;   /* [n_states << shift]: next state | REGEX_MATCH; state 0 is dead; NULL: no automaton */
    unsigned shift;    /* log2 of the row length */
    uint16_t start[8]; /* start state for each combination of BEFORE bits */
};

/* Whether the condition of a LOOK or CONTEXT instruction holds between `before` bits and the class of the next character. */
static inline bool regex_condition(const struct suan__regex *re, const regex_inst *in, unsigned before, uint32_t next_class) {
    bool end = next_class == re->n_classes;
    if (in->op == INST_LOOK) {
        bool hit = end ? (in->flag & 2) != 0 : re->member[(size_t)in->arg * re->n_classes + next_class] != 0;
        return hit != ((in->flag & 1) != 0);
    }
    bool word_next = !end && (re->before[next_class] & BEFORE_WORD);
    bool word_before = (before & BEFORE_WORD) != 0;
    switch ((context_type)in->arg) {
    case CONTEXT_TEXT_BEGIN:
        return (before & BEFORE_TEXT) != 0;
    case CONTEXT_LINE_BEGIN:
        return (before & (BEFORE_TEXT | BEFORE_NEWLINE)) != 0;
    case CONTEXT_WORD_EDGE:
        return word_before != word_next;
    case CONTEXT_NOT_WORD_EDGE:
        return word_before == word_next;
    }
    return false;
}

/* Builds the automaton; without one (too many states) re->table stays NULL. False: out of memory. */
bool suan__regex_build_table(struct suan__regex *re, suan__arena *arena);

#endif
