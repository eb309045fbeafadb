/* jinja_ast.h: tokens and the syntax tree of a chat template.
 *
 * A tree is built once, never changes afterwards and may be read by several threads. It lives in the template's own runtime (value.h), as do
 * the symbols: every name in the source has a number, by which scopes find it.
 */
#ifndef SUAN_TEXT_JINJA_AST_H
#define SUAN_TEXT_JINJA_AST_H

#include "text/value.h"

/* How deep statements and brackets may nest, and how deep the tree may be (a chain of operators is a deep tree without nesting). The stack of
 * the thread is checked besides (suan__j_stack_ok). */
#define SUAN__J_MAX_NESTING 200
#define SUAN__J_MAX_TREE 600
/* Source size: far above any real template (the longest known has 17 KB). */
#define SUAN__J_MAX_SOURCE ((size_t)8 << 20)

typedef enum jtok {
    T_EOF,
    T_DATA,
    T_VAR_BEGIN,
    T_VAR_END,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_NAME,
    T_STRING,
    T_INT,
    T_FLOAT,
    T_EQ, /* operators of two characters; those of one are their character code */
    T_NE,
    T_LE,
    T_GE,
    T_FLOORDIV,
    T_POW
} jtok;

typedef struct jtoken {
    int type; /* jtok or a character */
    uint32_t line;
    const char *p; /* T_NAME, T_DATA: the text */
    size_t n;
    jval val; /* T_STRING, T_INT, T_FLOAT */
} jtoken;

typedef struct jlexer {
    jrt *rt;
    const char *src; /* newlines normalised, the last one removed */
    size_t n, pos;
    uint32_t line;
    char mode;       /* 0: text, '%' or '{': inside that tag */
    char queued;     /* a tag opening that follows the text just returned */
    uint32_t n_open; /* brackets open in this tag */
    char open[SUAN__J_MAX_NESTING];
} jlexer;

/* The source with \r\n and \r as \n and without one final newline, in rt's memory. */
bool suan__j_lex_begin(jlexer *x, jrt *rt, const char *source, size_t n);
bool suan__j_lex_next(jlexer *x, jtoken *t);

typedef enum jkind {
    N_BODY,        /* list */
    N_OUTPUT,      /* a: the expression to print */
    N_DATA,        /* val */
    N_IF,          /* list: test, body, test, body, ...; c: else */
    N_FOR,         /* a: target, b: iterable, c: filter; list: body, else; flag: recursive */
    N_SET,         /* a: target, b: value */
    N_SETBLOCK,    /* a: target, b: body, c: filters */
    N_MACRO,       /* sym, name, sig, b: body */
    N_CALLBLOCK,   /* a: call, b: body, sig */
    N_FILTERBLOCK, /* c: filters, b: body */
    N_WITH,        /* list: target, value, ...; b: body */
    N_SCOPE,       /* b: body in a scope of its own; flag: the scope sees only the outermost names ({% block %}) */
    N_BREAK,
    N_CONTINUE,
    N_CONST, /* val */
    N_NAME,  /* sym, name */
    N_NSREF, /* sym, name: the namespace; val: the attribute */
    N_TUPLE, /* list */
    N_LIST,  /* list */
    N_DICT,  /* list: key, value, ... */
    N_COND,  /* a: value, b: condition, c: other value or NULL */
    N_OR,    /* a, b */
    N_AND,
    N_NOT,     /* a */
    N_COMPARE, /* a; list: operands; ops: one character each: = ! < > l(<=) g(>=) i(in) n(not in) */
    N_CONCAT,  /* list */
    N_BINARY,  /* op, a, b */
    N_NEG,     /* a */
    N_POS,
    N_ATTR,   /* a, val: the name */
    N_ITEM,   /* a, b */
    N_SLICE,  /* list: start, stop, step, each may be NULL */
    N_CALL,   /* a, call */
    N_FILTER, /* a (NULL: the text of the block), name, def, call */
    N_TEST    /* a, name, def, call */
} jkind;

typedef struct jcall {
    struct jnode **args;
    const jstr **names; /* of the keyword arguments */
    struct jnode **values;
    struct jnode *dyn_args, *dyn_kwargs;
    uint32_t n_args, n_kwargs;
} jcall;

/* Parameters of a macro or of a call block's body. */
typedef struct jsig {
    uint32_t *syms;
    const jstr **names;
    struct jnode **defaults; /* NULL: none */
    uint32_t n;
    bool uses_caller, uses_varargs, uses_kwargs, has_caller_parameter;
} jsig;

typedef struct jnode {
    uint8_t kind;
    char op;
    bool flag;
    uint32_t line, sym, n;
    struct jnode *a, *b, *c;
    struct jnode **list;
    union {
        jcall *call;
        jsig *sig;
        const char *ops;
    };
    const jstr *name;
    const jdef *def; /* NULL: no such filter or test, an error when it is reached */
    jval val;
} jnode;

/* Numbers of the names that the interpreter itself knows. */
enum { SYM_LOOP, SYM_CALLER, SYM_VARARGS, SYM_KWARGS, SUAN__J_N_SYMS };

typedef struct jprogram {
    jrt rt; /* owns the tree */
    jnode *body;
    const jstr **symbols;
    uint32_t n_symbols;
} jprogram;

/* Parses; on failure the program's rt holds the error. Finish with suan__j_fini(&p->rt) in both cases. */
bool suan__j_parse(jprogram *p, const char *source, size_t n);
/* Checks what Jinja's compiler checks (unknown filters and tests outside conditions, break outside loops) and the depth of the tree. */
bool suan__j_check(jprogram *p);

#endif
