/* jinja_run.h: the state of one rendering, and what the parts of the interpreter call in each other. */
#ifndef SUAN_TEXT_JINJA_RUN_H
#define SUAN_TEXT_JINJA_RUN_H

#include "suan/template.h"
#include "text/jinja_ast.h"
#include "text/value.h"

/* How deep macros, callers and recursive loops may call each other. */
#define SUAN__J_MAX_CALLS 200
/* As Jinja's sandbox has it. */
#define SUAN__J_MAX_RANGE 100000

typedef struct jvar {
    uint32_t sym;
    jval value;
} jvar;

/* The names of a loop body, a macro call, a {% with %}. `captured`: a macro made here may outlive it, so it is not used again. */
typedef struct jscope {
    struct jscope *parent; /* NULL: the outermost names, jinja.globals */
    jvar *vars;
    uint32_t n, cap;
    bool captured;
} jscope;

typedef struct jmacro {
    const jnode *node;
    jscope *scope; /* where it was defined */
} jmacro;

typedef struct jloop {
    const jnode *node;
    jscope *scope; /* around the loop */
    jcursor source;
    jval iterable;
    jval current, before, after;
    jval changed;           /* what loop.changed() saw last */
    int64_t index0, length; /* length < 0: not known yet */
    uint32_t depth0;
    bool has_after, at_end;
} jloop;

typedef struct jinja {
    jrt rt; /* first */
    const jprogram *program;
    jval *globals; /* by symbol; J_MISSING where there is none */
    jscope *scope; /* NULL: outermost */
    jscope *free_scopes;
    jbuf *out;
    jval filter_input; /* what the innermost filter of a {% filter %} gets */
    const suan_template_time *now;
    suan_template_time local_now;
    uint32_t n_calls;
} jinja;

/* ---- jinja_exec.c */
bool suan__j_run(jinja *in); /* the whole program into in->out */
bool suan__j_call_macro(jinja *in, const jmacro *m, const jargs *args, jval *out);
bool suan__j_loop_next(jinja *in, jval loop, jval *item, bool *more);
bool suan__j_loop_attribute(jinja *in, jval loop, const jstr *name, jval *out, bool *found);
bool suan__j_loop_call(jinja *in, jval loop, const jargs *args, jval *out);
bool suan__j_loop_cycle(jinja *in, jval loop, const jargs *args, jval *out);
bool suan__j_loop_changed(jinja *in, jval loop, const jargs *args, jval *out);

/* ---- jinja_eval.c */
bool suan__j_eval(jinja *in, const jnode *node, jval *out);
/* A call node with one more keyword argument, `caller`. */
bool suan__j_eval_call_with(jinja *in, const jnode *node, jval caller, jval *out);
bool suan__j_assign(jinja *in, const jnode *target, jval value);
bool suan__j_call_value(jinja *in, jval fn, const jargs *args, jval *out);
/* obj[key] and obj.name with the sandbox's rules. */
bool suan__j_get_item(jinja *in, jval obj, jval key, jval *out);
bool suan__j_get_attr(jinja *in, jval obj, const jstr *name, jval *out);
bool suan__j_slice(jinja *in, jval obj, jval start, jval stop, jval step, jval *out);
void suan__j_set_var(jinja *in, uint32_t sym, jval value);
jscope *suan__j_push_scope(jinja *in, jscope *parent);
void suan__j_pop_scope(jinja *in, jscope *scope, jscope *back);

/* ---- arguments */
/* Sorts args into out[0..n) by the names in `spec` ("a,b,c"; "/a,b": by position only); what was not given is J_MISSING. Fails for too many or unknown ones. */
bool suan__j_bind(jinja *in, const char *fn, const jargs *args, const char *spec, jval *out);
bool suan__j_arg_int(jinja *in, const char *fn, jval v, int64_t *i);
bool suan__j_arg_str(jinja *in, const char *fn, jval v, const jstr **s);

/* ---- tables of functions */
const jdef *suan__j_find_filter(const jstr *name);
const jdef *suan__j_find_test(const jstr *name);
/* The method `name` of a value's type, or NULL. */
const jdef *suan__j_find_method(jval v, const jstr *name);
const jdef *suan__j_find_string_method(const jstr *name);
/* The functions every template has: range, dict, namespace, ...; n of them. */
extern const jdef suan__j_globals[];
extern const size_t suan__j_n_globals;
extern const jdef suan__j_filters_text[], suan__j_filters_list[];
extern const size_t suan__j_n_filters_text, suan__j_n_filters_list;
const jdef *suan__j_find(const jdef *table, size_t n, const jstr *name);
bool suan__j_call_filter(jinja *in, const jstr *name, const jdef *def, jval value, const jargs *args, jval *out);
bool suan__j_call_test(jinja *in, const jstr *name, const jdef *def, jval value, const jargs *args, bool *out);

/* ---- jinja_str.c: strings as Python's methods treat them */
bool suan__j_mark_safe(jrt *rt, jval v, jval *out);
bool suan__j_escape(jrt *rt, jval v, jval *out); /* HTML; Markup stays */
typedef enum jcase { CASE_UPPER, CASE_LOWER, CASE_SWAP, CASE_CAPITALIZE, CASE_TITLE, CASE_JINJA_TITLE } jcase;
bool suan__j_change_case(jrt *rt, const jstr *s, jcase how, jval *out);
/* side: 1 left, 2 right, 3 both; chars NULL: white space */
bool suan__j_strip(jrt *rt, const jstr *s, const jstr *chars, int side, jval *out);
/* sep NULL: white space; max < 0: no limit. A list of strings. */
bool suan__j_split(jrt *rt, const jstr *s, const jstr *sep, int64_t max, jval *out);
bool suan__j_rsplit(jrt *rt, const jstr *s, const jstr *sep, int64_t max, jval *out);
bool suan__j_splitlines(jrt *rt, const jstr *s, bool keep_ends, jval *out);
bool suan__j_replace(jrt *rt, const jstr *s, const jstr *old, const jstr *new_, int64_t max, jval *out);
/* side: 0 left-justified, 1 right-justified, 2 centred */
bool suan__j_pad(jrt *rt, const jstr *s, int64_t width, const jstr *fill, int side, jval *out);
bool suan__j_join(jinja *in, const jstr *sep, jval items, bool strings_only, jval *out);
bool suan__j_is_alnum(uint32_t cp);
bool suan__j_is_word(uint32_t cp); /* \w: narrower than suan__unicode_is_word, without marks */
bool suan__j_is_lower_str(const jstr *s);
bool suan__j_is_upper_str(const jstr *s);

/* ---- jinja_format.c */
bool suan__j_percent_format(jinja *in, jval format, jval args, jval *out);
bool suan__j_brace_format(jinja *in, const jstr *format, const jargs *args, jval *out);
/* Rounds to `digits` decimals as Python's round(): correctly, half to even. */
bool suan__j_round(jrt *rt, double f, int64_t digits, double *r);
/* [sign]d.ddd with `precision` decimals. */
bool suan__j_put_fixed(jbuf *b, double f, int precision, uint8_t taint);

/* ---- jinja_json.c */
bool suan__j_from_json(jrt *rt, const void *json, uint8_t taint, jval *out); /* json_t; borrows its strings */
bool suan__j_tojson(jinja *in, jval value, const jargs *args, jval *out);

/* ---- jinja_time.c */
bool suan__j_strftime(jrt *rt, const suan_template_time *t, const jstr *format, jval *out);

#endif
