/* grammar_internal.h: what the builder, the compiler, the automaton and the masks of grammars share.
 *
 * A grammar is kept twice: as nodes (what the builder made; other grammars may take them over) and as a program. The program is a
 * nondeterministic automaton over bytes with a stack: instructions that read a byte, a character table or a token, and instructions that
 * only choose, call and return. grammar_automaton.c makes a deterministic automaton of it, a state at a time, as texts need it.
 */
#ifndef SUAN_TEXT_GRAMMAR_INTERNAL_H
#define SUAN_TEXT_GRAMMAR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "text/grammar.h"

/* ---- nodes ---- */

typedef enum node_op {
    NODE_NONE,   /* node 0, SUAN__NO_NODE */
    NODE_BYTES,  /* a: offset in bytes, b: how many */
    NODE_SET,    /* a: table */
    NODE_SEQ,    /* a: offset in parts, b: how many */
    NODE_ALT,    /* the same */
    NODE_REPEAT, /* a: part, b: min, c: max */
    NODE_RULE,   /* a: rule */
    NODE_UNTIL,  /* a: table, b: offset in parts (one a marker, SUAN__NO_NODE: nothing behind it), c: how many; flag: may end */
    NODE_TOKEN   /* a: token; flag: not by its bytes */
} node_op;

typedef struct suan__ir_node {
    uint8_t op, flag;
    uint32_t a, b, c;
} suan__ir_node;

typedef struct suan__ir_rule {
    uint32_t name, n_name; /* in bytes; n_name 0: no name */
    suan__node node, body; /* body SUAN__NO_NODE: not defined yet */
} suan__ir_rule;

/* A deterministic automaton over bytes: rows first_row .. first_row + n_rows, the first is where it starts. An entry is TABLE_DEAD, TABLE_EXIT | number of the exit, or
 * 1 + the next row, counted from first_row. */
enum { TABLE_DEAD = 0, TABLE_EXIT = 0x8000, TABLE_MAX_ROWS = 0x7ffe };
typedef struct suan__ir_table {
    uint32_t first_row, n_rows, n_exits;
} suan__ir_table;
typedef uint16_t suan__row[256];

typedef struct suan__ir_token {
    uint32_t text, n; /* in bytes */
    int32_t id;       /* -1: by its text */
    bool negated;     /* any other token */
} suan__ir_token;

typedef struct suan__ir {
    suan__ir_node *node;
    suan__node *part;
    char *bytes;
    suan__ir_rule *rule;
    suan__ir_table *table;
    suan__row *row;
    suan__ir_token *token;
    uint32_t n_node, n_part, n_bytes, n_rule, n_table, n_row, n_token;
    uint32_t c_node, c_part, c_bytes, c_rule, c_table, c_row, c_token; /* capacities */
} suan__ir;

struct suan__builder {
    suan__ir ir;
    suan_error failure; /* of the first failure; status SUAN_OK: none */
    uint32_t *name;     /* rules by name: open addressing, 0: empty, else 1 + rule */
    uint32_t name_mask;
    uint32_t *known_set; /* tables of sets by content, the same way */
    uint32_t set_mask, n_sets;
};

/* Of one array to at least n elements: false (with b failed) when out of memory or above the limit. */
bool suan__ir_reserve(suan__builder *b, void **array, uint32_t *capacity, size_t size, uint64_t n, uint64_t limit, const char *what);
void suan__ir_fini(suan__ir *ir);
suan__node suan__ir_add_node(suan__builder *b, suan__ir_node node);
/* Offset of a copy in bytes or parts; UINT32_MAX on failure. */
uint32_t suan__ir_add_bytes(suan__builder *b, const char *s, size_t n);
uint32_t suan__ir_add_parts(suan__builder *b, const suan__node *parts, size_t n);
suan__row *suan__ir_add_row(suan__builder *b); /* zeroed */

/* A token by its id, or any token but that one (GBNF). */
suan__node suan__node_token_id(suan__builder *b, int32_t id, bool negated);
suan__node suan__node_token_not(suan__builder *b, const char *text, size_t n);

/* ---- programs ---- */

typedef enum inst_op {
    I_FAIL,
    I_JUMP,   /* x */
    I_SPLIT,  /* one of target[x .. x + y) */
    I_BYTE,   /* arg, then x */
    I_TABLE,  /* reads a byte by row x; the table's first row is at pc y, its exits go to target[z ..] */
    I_UNTIL,  /* the same; arg 1: it may end without a marker and go to target[z - 1] */
    I_CALL,   /* x, then y */
    I_RETURN, /* to the frame on top of the stack; without one the text is complete */
    I_REPEAT, /* the body at x, at least count[y].min and at most .max times, then z; arg 1: the body may be empty */
    I_TOKEN   /* token x, then y; z: its bytes when the vocabulary has no such token */
} inst_op;

typedef struct suan__inst {
    uint8_t op, arg;
    uint32_t x, y, z;
} suan__inst;

typedef struct suan__count {
    uint32_t min, max;
} suan__count;

typedef struct suan__program {
    suan__inst *inst;
    uint32_t *target;
    suan__count *count;
    uint32_t n_inst, n_target, n_count;
    uint32_t c_inst, c_target, c_count;
    uint32_t start;
    uint8_t class_of[256]; /* bytes that no instruction tells apart */
    uint8_t example[256];  /* a byte of each class */
    uint32_t n_classes;
} suan__program;

#define PC_RETURN 0u
#define PC_FAIL 1u

struct suan_grammar {
    atomic_uint references;
    suan__ir ir;
    suan__node start;
    suan__program program;
    pthread_mutex_t lock; /* guards the list */
    struct suan__automaton *automata;
};

/* Checks the nodes and writes the program. Every node that can be reached has a text: what leads nowhere is left out. */
suan_status suan__grammar_compile(suan_grammar *g, suan_error *err);

/* ---- vocabularies ---- */

typedef enum token_kind { TOKEN_TEXT, TOKEN_SPECIAL, TOKEN_END } token_kind;

/* A node of the trie of all tokens that are text, in depth-first order; node 0 is the root. */
typedef struct suan__vocab_node {
    uint32_t skip;       /* the next node that is not below this one */
    uint32_t token;      /* ids[token of this .. token of the next) end here; .. token of skip) end here or below */
    uint32_t depth_byte; /* depth << 8 | the last byte */
} suan__vocab_node;

struct suan_vocabulary {
    const suan_tokenizer *tokenizer;
    uint32_t n_vocab, n_nodes, n_ids, max_depth;
    uint64_t fingerprint[2];
    uint8_t *kind;          /* [n_vocab] token_kind */
    suan__vocab_node *node; /* [n_nodes + 1] */
    uint64_t *group;        /* [n_nodes]: groups of the characters that follow below a node */
    uint8_t *rest;          /* [n_nodes]: at most so many characters follow below it; 255: or more */
    int32_t *ids;           /* [n_ids] tokens that are text, in the order of nodes */
    int32_t *special;       /* [n_special] all others */
    uint32_t n_special;
};

/* Groups of characters, bits of suan_vocabulary's group: where all characters of the groups below a node lead on alike, all tokens below it are
 * allowed. */
enum {
    GROUP_TAB = 32,
    GROUP_NEWLINE,
    GROUP_RETURN,
    GROUP_CONTROL, /* other controls, DEL */
    GROUP_SPACE,
    GROUP_DIGIT,
    GROUP_LOWER,
    GROUP_UPPER,
    GROUP_TWO, /* characters of two, three and four bytes */
    GROUP_THREE,
    GROUP_FOUR,
    GROUP_BROKEN, /* bytes that are no whole character */
    N_GROUPS      /* groups 0 .. 31 are the marks of ASCII, one each */
};
/* The group of an ASCII character. */
unsigned suan__vocab_group(unsigned char c);

/* ---- the automaton ---- */

typedef struct suan__frame {
    uint32_t pc;    /* where to go on; of a repetition: the I_REPEAT */
    uint32_t count; /* how many rounds of it have begun; 0: the frame is a call's */
    uint32_t parent, depth;
} suan__frame;

typedef struct suan__state {
    uint32_t first, n; /* of its configurations */
    uint32_t hash;
    bool is_complete, has_token, has_until;
    bool knows_alike;
    uint32_t onward; /* every character of the groups `alike` leads to this one state */
    uint64_t alike;
    uint32_t *mask; /* NULL: not made yet */
    bool is_free;   /* the mask is all ones */
} suan__state;

enum { STATE_UNKNOWN = 0, STATE_DEAD = 1, STATE_FIRST = 2 };

/* What is forgotten when it grows too large. */
typedef struct suan__pool {
    suan__frame *frame; /* frame 0: the empty stack */
    suan__state *state;
    uint64_t *config; /* pc << 32 | frame, ascending within a state */
    uint32_t *next;   /* [state][class] */
    uint32_t *frame_slot, *state_slot;
    uint32_t frame_mask, state_mask;
    uint32_t n_frame, n_state, n_config, c_frame, c_state, c_config, c_next;
    size_t mask_bytes;
    uint32_t start; /* state; STATE_UNKNOWN before it is made */
} suan__pool;

typedef struct suan__automaton {
    struct suan__automaton *following; /* in the grammar's list */
    pthread_mutex_t lock;
    const suan_grammar *grammar;
    uint64_t fingerprint[2];
    uint32_t n_vocab;
    int32_t *token_id; /* [n_token]: -1: not in the vocabulary */
    suan__pool pool;
    struct suan_matcher *matchers; /* all that are alive */
    /* the closure at work */
    uint64_t *seen;
    uint32_t *seen_at;
    uint32_t seen_mask, stamp, n_seen;
    uint64_t *todo, *out;
    uint32_t n_todo, n_out, c_todo, c_out;
    uint32_t *frame_at; /* [c_frame] stamp of the closure that pushed a frame last */
    uint32_t c_frame_at;
    bool complete, overflow, no_memory;
    bool is_cut;    /* somewhere ways were left out because of a limit */
    uint64_t work;  /* steps since the start of a call */
    size_t trim_at; /* bytes */
} suan__automaton;

struct suan_matcher {
    suan_grammar *grammar;
    const suan_vocabulary *vocabulary;
    suan__automaton *automaton;
    struct suan_matcher *before, *behind;
    uint32_t state, moved; /* moved: its new number while others are forgotten */
    uint32_t *depth_state; /* [max_depth + 1] of a walk through the trie */
    bool is_over;          /* an end token was accepted */
};

/* All of these need the automaton's lock. A state is valid until suan__automaton_trim. no_memory and work say why a result is STATE_DEAD. */
suan_status suan__automaton_create(suan__automaton **a, const suan_grammar *g, const suan_vocabulary *v, suan_error *err);
void suan__automaton_free(suan__automaton *a);
uint32_t suan__automaton_start(suan__automaton *a);
/* The state behind one byte of a class, made if need be. */
uint32_t suan__automaton_make(suan__automaton *a, uint32_t state, uint32_t class);
static inline uint32_t suan__automaton_next(suan__automaton *a, uint32_t state, uint32_t class) {
    uint32_t to = a->pool.next[(size_t)state * a->grammar->program.n_classes + class];
    return to != STATE_UNKNOWN ? to : suan__automaton_make(a, state, class);
}
uint32_t suan__automaton_walk(suan__automaton *a, uint32_t state, const char *s, size_t n);
/* The state behind a token. */
uint32_t suan__automaton_token(suan__automaton *a, uint32_t state, const suan_vocabulary *v, int32_t id);
/* Whether a configuration at `in` takes a token as a whole. */
bool suan__automaton_wants(const suan__automaton *a, const suan__inst *in, const suan_vocabulary *v, int32_t id);
/* Whether a special token may come inside text that is free. */
bool suan__automaton_special(const suan__automaton *a, uint32_t state, const suan_vocabulary *v, int32_t id);
/* Whether every text of up to `rest` characters of these groups is allowed behind a state. A false may be wrong, a true is not. */
bool suan__automaton_takes_all(suan__automaton *a, uint32_t state, uint64_t groups, unsigned rest);
size_t suan__automaton_bytes(const suan__automaton *a);
/* Forgets all states but those of the matchers when there are too many. False: out of memory, nothing is forgotten. */
bool suan__automaton_trim(suan__automaton *a);
/* Makes the mask of a state, which stays with the state. depth_state: [max_depth + 1] of v, room to work in. */
suan_status suan__automaton_mask(suan__automaton *a, uint32_t state, const suan_vocabulary *v, uint32_t *depth_state, suan_error *err);
/* SUAN_OK, or why the last call failed. */
suan_status suan__automaton_check(const suan__automaton *a, suan_error *err);

#endif
