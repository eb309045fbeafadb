/* value.h: the values of a chat template: Python's None, bool, int, float, str, list, tuple, dict and what Jinja adds to them.
 *
 * Provenance. Every string knows, byte by byte, whether it comes from the template (trusted: literals of the source, special tokens of
 * the model) or from the request (tainted). A string is either uniform (`t` is NULL and `taint` holds for all of it) or carries a
 * parallel array of one flag a byte. Slices share the bytes and the flags, concatenations copy both, so no operation can lose them.
 * Numbers and containers carry one flag: it decides what their printed form is.
 *
 * Budget. All memory of one rendering comes from one heap with a byte limit and goes in one piece; every step of work is charged to a
 * counter. Nothing here is freed one by one. A failing function records the first error in the runtime and returns false.
 *
 * The types are short (jval, jstr) because they are local to the chat template sources; the functions carry the library's prefix.
 * Threads: a runtime belongs to one thread.
 */
#ifndef SUAN_TEXT_VALUE_H
#define SUAN_TEXT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum jtag {
    J_UNDEFINED, /* u.undef */
    J_NONE,
    J_BOOL,      /* u.b */
    J_INT,       /* u.i */
    J_FLOAT,     /* u.f */
    J_STR,       /* u.s */
    J_LIST,      /* u.l */
    J_TUPLE,     /* u.l; aux = 1: a group of |groupby with attributes grouper and list */
    J_DICT,      /* u.d */
    J_VIEW,      /* u.d; aux: 'k' keys, 'v' values, 'i' items */
    J_RANGE,     /* u.range */
    J_ITER,      /* u.iter: a generator, consumed once */
    J_NAMESPACE, /* u.d */
    J_MACRO,     /* u.p: a macro or a caller (jinja_run.h) */
    J_METHOD,    /* u.method: a method bound to its value */
    J_FUNCTION,  /* u.fn: a global function */
    J_LOOP,      /* u.p: the loop variable (jinja_run.h) */
    J_CYCLER,    /* u.cycler */
    J_JOINER,    /* u.joiner */
    J_MISSING    /* no value: an argument that was not given; never visible to a template */
} jtag;

typedef struct jstr {
    const char *p;      /* UTF-8, always valid, not NUL-terminated */
    const uint8_t *t;   /* NULL, or n flags: 1 = tainted */
    uint32_t n;         /* bytes */
    uint32_t n_cp;      /* code points; n == n_cp means ASCII */
    uint8_t taint;      /* for t == NULL */
    uint8_t markup;     /* markupsafe.Markup: the result of |safe and |escape */
    struct jroom *room; /* where appending in place may go on; or NULL */
} jstr;

struct jinja;
struct jnode;
typedef struct jval jval;
typedef struct jlist jlist;
typedef struct jdict jdict;
typedef struct jargs jargs;

/* A function that templates can call: fills *out or fails. self is the bound value, the filtered value or nothing. */
typedef bool jfunction(struct jinja *in, jval self, const jargs *args, jval *out);

typedef struct jundef {
    const char *hint;  /* the whole message, or NULL */
    const jstr *name;  /* what was looked up */
    jval *key;         /* the subscript when it was no string */
    const char *owner; /* type of the object it was looked up in ("'dict object'"), NULL: a variable */
} jundef;

typedef struct jrange {
    int64_t start, step, n; /* n items */
    int64_t stop;
} jrange;

typedef struct jdef {
    const char *name;
    jfunction *fn;
} jdef;

struct jval {
    uint8_t tag;
    uint8_t taint; /* scalars and containers: comes from the request */
    uint16_t aux;
    union {
        bool b;
        int64_t i;
        double f;
        const jstr *s;
        jlist *l;
        jdict *d;
        jrange *range;
        struct jiter *iter;
        jundef *undef;
        struct jmethod *method;
        const jdef *fn;
        struct jcycler *cycler;
        struct jjoiner *joiner;
        void *p;
    } u;
};

struct jlist {
    jval *v;
    uint32_t n, cap;
};

typedef struct jentry {
    jval key, value;
    uint64_t hash;
} jentry;

/* Insertion-ordered; built once and then constant, except namespaces, which only add and replace. */
struct jdict {
    jentry *e;
    uint32_t *index; /* open addressing, n_index a power of two, UINT32_MAX = empty; NULL while there are few entries */
    uint32_t n, cap, n_index;
};

/* What a generator will yield. `make` computes all of it at the first use, so errors come when Python's would. */
typedef struct jiter {
    bool (*make)(struct jinja *in, struct jiter *it);
    const char *type; /* Python's name of its type */
    jval source;
    jargs *args;
    uint32_t mode;
    jlist *items; /* NULL until made */
    uint32_t pos;
} jiter;

typedef struct jmethod {
    jval self;
    const jdef *def;
} jmethod;

typedef struct jcycler {
    jlist *items;
    uint32_t pos;
} jcycler;

typedef struct jjoiner {
    jval separator;
    bool used;
} jjoiner;

typedef struct jkeyword {
    const jstr *name;
    jval value;
} jkeyword;

struct jargs {
    jval *pos;
    jkeyword *kw;
    uint32_t n_pos, n_kw;
};

/* The budget and the memory of one rendering (or of one parse). */
typedef struct jrt {
    struct jchunk *chunks;
    char *bump, *bump_end;
    size_t used_bytes, limit_bytes;
    int64_t steps;           /* left */
    const char *stack_limit; /* the lowest address that a recursion may reach */
    uint64_t hash_seed;
    uint32_t line; /* of the node at work, for messages */
    bool failed;
    bool is_raised; /* the message is the template's own (raise_exception) */
    suan_status status;
    char message[1000];
} jrt;

/* ---- budget, memory, errors */

/* stack_limit is taken from the calling thread's stack, so a runtime is used by the thread that made it. */
void suan__j_init(jrt *rt, size_t limit_bytes, int64_t steps);
void suan__j_fini(jrt *rt);
/* Memory that lives as long as the runtime: not zeroed, aligned to 16. NULL after a failure was recorded. */
void *suan__j_alloc(jrt *rt, size_t n, size_t size);
#define J_NEW(rt, type, n) ((type *)suan__j_alloc((rt), (n), sizeof(type)))
/* Both return false. The first error stays. */
bool suan__j_fail(jrt *rt, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool suan__j_fail_status(jrt *rt, suan_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool suan__j_fail_steps(jrt *rt);
bool suan__j_fail_depth(jrt *rt);

static inline bool suan__j_charge(jrt *rt, uint64_t units) {
    rt->steps -= (int64_t)units;
    return __builtin_expect(rt->steps >= 0, 1) ? true : suan__j_fail_steps(rt);
}
/* Work on bytes costs a unit for 32 of them. */
static inline bool suan__j_charge_bytes(jrt *rt, size_t n) {
    return suan__j_charge(rt, n >> 5);
}
/* Searching n bytes for m: glibc's memmem compares up to 256 bytes of the needle at a place. */
static inline bool suan__j_charge_search(jrt *rt, size_t n, size_t m) {
    return suan__j_charge(rt, (n >> 4) * (1 + ((m < 256 ? m : 256) >> 4)));
}
static inline bool suan__j_stack_ok(jrt *rt) {
    return __builtin_expect((const char *)__builtin_frame_address(0) > rt->stack_limit, 1) ? true : suan__j_fail_depth(rt);
}

/* ---- constructors */

static inline jval suan__j_none(void) {
    return (jval){.tag = J_NONE};
}
static inline jval suan__j_bool(bool b) {
    return (jval){.tag = J_BOOL, .u.b = b};
}
static inline jval suan__j_int(int64_t i) {
    return (jval){.tag = J_INT, .u.i = i};
}
static inline jval suan__j_float(double f) {
    return (jval){.tag = J_FLOAT, .u.f = f};
}
static inline jval suan__j_missing(void) {
    return (jval){.tag = J_MISSING};
}
static inline jval suan__j_list_value(jlist *l) {
    return (jval){.tag = J_LIST, .u.l = l};
}
static inline jval suan__j_dict_value(jdict *d) {
    return (jval){.tag = J_DICT, .u.d = d};
}
/* Borrows p for the life of the runtime. False when out of budget. */
bool suan__j_str_borrow(jrt *rt, const char *p, size_t n, uint8_t taint, jval *out);
bool suan__j_str_copy(jrt *rt, const char *p, size_t n, uint8_t taint, jval *out);
/* Bytes [begin, end) of s, at code point boundaries; shares the bytes; keeps Markup. */
bool suan__j_str_slice(jrt *rt, const jstr *s, size_t begin, size_t end, jval *out);
/* a + b, without Markup; extends a in place where there is room behind it. */
bool suan__j_str_concat(jrt *rt, const jstr *a, const jstr *b, jval *out);
/* A constant string of the program: trusted. */
bool suan__j_str_c(jrt *rt, const char *s, jval *out);
bool suan__j_str_eq(const jstr *s, const char *c);
uint32_t suan__j_count_cp(const char *p, size_t n);
/* The byte offset of code point i (0..n_cp) of s. */
size_t suan__j_cp_offset(const jstr *s, size_t i);
/* Whether any byte of s is tainted. */
bool suan__j_str_tainted(const jstr *s);

jlist *suan__j_list_new(jrt *rt, uint32_t cap);
bool suan__j_list_push(jrt *rt, jlist *l, jval v);
jdict *suan__j_dict_new(jrt *rt, uint32_t cap);
/* Adds or replaces; fails for a key that is not hashable. */
bool suan__j_dict_set(jrt *rt, jdict *d, jval key, jval value);
/* *found = NULL when there is none. Fails for a key that is not hashable. */
bool suan__j_dict_get(jrt *rt, const jdict *d, jval key, jval **found);
/* By a string key; NULL when there is none. */
jval *suan__j_dict_get_str(jrt *rt, const jdict *d, const jstr *key);
jval *suan__j_dict_get_c(jrt *rt, const jdict *d, const char *key);
bool suan__j_tuple2(jrt *rt, jval a, jval b, jval *out);
bool suan__j_undefined(jrt *rt, const jstr *name, const char *owner, jval *out);
bool suan__j_undefined_hint(jrt *rt, const char *hint, jval *out); /* borrows hint */

/* ---- a growing string */

typedef struct jbuf {
    jrt *rt;
    char *p;
    uint8_t *t;           /* NULL while all bytes have the same taint */
    size_t n, cap, limit; /* limit 0: only the heap's */
    uint8_t taint;
    bool failed;
} jbuf;

void suan__j_buf_init(jbuf *b, jrt *rt);
bool suan__j_buf_put(jbuf *b, const char *p, size_t n, uint8_t taint);
bool suan__j_buf_put_flags(jbuf *b, const char *p, const uint8_t *t, size_t n);
bool suan__j_buf_str(jbuf *b, const jstr *s);
bool suan__j_buf_c(jbuf *b, const char *s); /* trusted */
bool suan__j_buf_cp(jbuf *b, uint32_t cp, uint8_t taint);
/* Marks everything from byte `from` on as tainted. */
bool suan__j_buf_taint(jbuf *b, size_t from);
bool suan__j_buf_has_taint(const jbuf *b, size_t from);
/* The string; the buffer must not be used afterwards. */
bool suan__j_buf_finish(jbuf *b, jval *out);

/* ---- what Python does with values (value_ops.c, value_print.c, jinja_str.c) */

const char *suan__j_type_name(jval v);   /* "str", "NoneType", ... */
const char *suan__j_object_name(jval v); /* "'str object'" as Jinja's messages have it */
bool suan__j_truth(jval v);
bool suan__j_is_hashable(jval v);
bool suan__j_hash(jrt *rt, jval v, uint64_t *h);
bool suan__j_equal(jrt *rt, jval a, jval b, bool *r);
/* *r = -1, 0, 1, or 2 where a NaN has no order; fails with Python's TypeError, whose text names `op`. */
bool suan__j_compare(jrt *rt, jval a, jval b, const char *op, int *r);
/* Whether `needle in haystack`. */
bool suan__j_contains(struct jinja *in, jval haystack, jval needle, bool *r);
/* len(v); fails with TypeError where Python has none. */
bool suan__j_length(jrt *rt, jval v, int64_t *n);
/* op: '+' '-' '*' '/' 'f' (//) '%' 'p' (**) */
bool suan__j_binary(struct jinja *in, char op, jval a, jval b, jval *out);
bool suan__j_negate(jrt *rt, jval v, jval *out);
/* Fails with the message of an undefined value ("'x' is undefined"). */
bool suan__j_fail_undefined(jrt *rt, jval v);

/* str(v) and repr(v), appended. */
bool suan__j_print(jbuf *b, jval v);
bool suan__j_repr(jbuf *b, jval v);
bool suan__j_to_str(jrt *rt, jval v, jval *out); /* as soft_str: a str stays what it is */
/* Python's repr of a double; returns the length. */
size_t suan__j_format_double(double f, char out[40]);
/* What str.isspace and \s take for a blank: White_Space and U+001C to U+001F. */
bool suan__j_is_space(uint32_t cp);
/* Parses all of p[0..n) as a C-locale double; false when it is none. */
bool suan__j_parse_double(const char *p, size_t n, double *f);

/* ---- iteration */

typedef struct jcursor {
    struct jinja *in;
    jval v;
    size_t pos; /* byte position or index */
    size_t n;   /* dicts: the number of entries at the start */
} jcursor;

/* Fails with Python's TypeError when v cannot be iterated. */
bool suan__j_iter_begin(struct jinja *in, jval v, jcursor *c);
/* *more = false at the end. Charges a step an item. */
bool suan__j_iter_next(jcursor *c, jval *item, bool *more);
/* list(v) */
bool suan__j_to_list(struct jinja *in, jval v, jlist **l);
bool suan__j_is_iterable(jval v);
/* A stable merge sort of l by keys (as many as items), both reordered; fails when keys do not compare. */
bool suan__j_sort(jrt *rt, jval *items, jval *keys, uint32_t n, bool reverse);

#endif
