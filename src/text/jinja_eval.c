/* jinja_eval.c: evaluates expressions.
 *
 * Undefined values behave as jinja2.Undefined: they print as nothing, iterate as nothing and are false; any other use is an error that names
 * what was not there. Attributes that start with an underscore and the methods that change lists and dicts are undefined, as in Jinja's
 * immutable sandbox.
 */
#include <string.h>

#include "text/jinja_run.h"

/* ---- scopes */

jscope *suan__j_push_scope(jinja *in, jscope *parent) {
    jscope *s = in->free_scopes;
    if (s) {
        in->free_scopes = s->parent;
        s->n = 0;
    } else {
        s = J_NEW(&in->rt, jscope, 1);
        if (!s) return NULL;
        *s = (jscope){0};
    }
    s->parent = parent;
    in->scope = s;
    return s;
}

void suan__j_pop_scope(jinja *in, jscope *scope, jscope *back) {
    in->scope = back;
    if (scope->captured) return;
    scope->parent = in->free_scopes;
    in->free_scopes = scope;
}

void suan__j_set_var(jinja *in, uint32_t sym, jval value) {
    jscope *s = in->scope;
    if (!s) {
        in->globals[sym] = value;
        return;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->vars[i].sym == sym) {
            s->vars[i].value = value;
            return;
        }
    }
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 4;
        jvar *vars = J_NEW(&in->rt, jvar, cap);
        if (!vars) return; /* the failure is recorded and ends the statement */
        if (s->n) memcpy(vars, s->vars, s->n * sizeof *vars);
        s->vars = vars;
        s->cap = cap;
    }
    s->vars[s->n++] = (jvar){sym, value};
}

static bool eval_name(jinja *in, const jnode *node, jval *out) {
    for (jscope *s = in->scope; s; s = s->parent) {
        if (!suan__j_charge(&in->rt, s->n >> 3)) return false;
        for (uint32_t i = 0; i < s->n; i++) {
            if (s->vars[i].sym == node->sym) {
                *out = s->vars[i].value;
                return true;
            }
        }
    }
    *out = in->globals[node->sym];
    return out->tag != J_MISSING || suan__j_undefined(&in->rt, node->name, NULL, out);
}

/* ---- subscripts and attributes */

static bool undefined_item(jinja *in, jval obj, jval key, jval *out) {
    jundef *u = J_NEW(&in->rt, jundef, 1);
    jval *copy = J_NEW(&in->rt, jval, 1);
    if (!u || !copy) return false;
    *copy = key;
    *u = (jundef){.name = key.tag == J_STR ? key.u.s : NULL, .key = copy, .owner = suan__j_object_name(obj)};
    *out = (jval){.tag = J_UNDEFINED, .u.undef = u};
    return true;
}

static bool is_unsafe(jval obj, const jstr *name) {
    static const char *const list[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
    static const char *const dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    if (name->n >= 4 && memcmp(name->p, "__", 2) == 0 && memcmp(name->p + name->n - 2, "__", 2) == 0) return true;
    if (obj.tag == J_LIST) {
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)
            if (suan__j_str_eq(name, list[i])) return true;
    }
    if (obj.tag == J_DICT) {
        for (size_t i = 0; i < sizeof dict / sizeof *dict; i++)
            if (suan__j_str_eq(name, dict[i])) return true;
    }
    return false;
}

static bool undefined_unsafe(jinja *in, jval obj, const jstr *name, jval *out) {
    jbuf b;
    jval hint;
    suan__j_buf_init(&b, &in->rt);
    if (!suan__j_buf_c(&b, "access to attribute '") || !suan__j_buf_str(&b, name) || !suan__j_buf_c(&b, "' of '") ||
        !suan__j_buf_c(&b, suan__j_type_name(obj)) || !suan__j_buf_c(&b, "' object is unsafe.") || !suan__j_buf_put(&b, "", 1, 0) ||
        !suan__j_buf_finish(&b, &hint))
        return false;
    return suan__j_undefined_hint(&in->rt, hint.u.s->p, out);
}

/* Data attributes of numbers, ranges, groups and loops; *found = false when there is none. */
static bool data_attribute(jinja *in, jval obj, const jstr *name, jval *out, bool *found) {
    *found = true;
    if (obj.tag == J_INT || obj.tag == J_BOOL || obj.tag == J_FLOAT) {
        if (suan__j_str_eq(name, "real") || (obj.tag != J_FLOAT && suan__j_str_eq(name, "numerator"))) {
            *out = obj;
            if (obj.tag == J_BOOL) *out = suan__j_int(obj.u.b);
            return true;
        }
        if (suan__j_str_eq(name, "imag")) {
            *out = obj.tag == J_FLOAT ? suan__j_float(0) : suan__j_int(0);
            return true;
        }
        if (obj.tag != J_FLOAT && suan__j_str_eq(name, "denominator")) {
            *out = suan__j_int(1);
            return true;
        }
    } else if (obj.tag == J_RANGE) {
        const jrange *r = obj.u.range;
        bool start = suan__j_str_eq(name, "start"), stop = suan__j_str_eq(name, "stop"), step = suan__j_str_eq(name, "step");
        if (start || stop || step) {
            *out = suan__j_int(start ? r->start : stop ? r->stop : r->step);
            return true;
        }
    } else if (obj.tag == J_TUPLE && obj.aux == 1 && obj.u.l->n == 2) {
        bool grouper = suan__j_str_eq(name, "grouper");
        if (grouper || suan__j_str_eq(name, "list")) {
            *out = obj.u.l->v[grouper ? 0 : 1];
            return true;
        }
    } else if (obj.tag == J_LOOP) {
        return suan__j_loop_attribute(in, obj, name, out, found);
    } else if (obj.tag == J_CYCLER && suan__j_str_eq(name, "current")) {
        *out = obj.u.cycler->items->v[obj.u.cycler->pos];
        return true;
    } else if (obj.tag == J_MACRO) {
        const jmacro *m = obj.u.p;
        if (suan__j_str_eq(name, "name")) {
            if (!m->node->name) {
                *out = suan__j_none();
                return true;
            }
            return suan__j_str_borrow(&in->rt, m->node->name->p, m->node->name->n, 0, out);
        }
    }
    *found = false;
    return true;
}

/* getattr(obj, name): *found = false when Python would raise AttributeError. */
static bool attribute(jinja *in, jval obj, const jstr *name, jval *out, bool *found) {
    *found = true;
    if (obj.tag == J_NAMESPACE) {
        jval *v = suan__j_dict_get_str(&in->rt, obj.u.d, name);
        *found = v != NULL;
        if (v) *out = *v;
        return !in->rt.failed;
    }
    if (is_unsafe(obj, name)) return undefined_unsafe(in, obj, name, out);
    if (!data_attribute(in, obj, name, out, found) || *found) return !in->rt.failed;
    const jdef *def = suan__j_find_method(obj, name);
    if (!def) return true;
    *found = true;
    jmethod *m = J_NEW(&in->rt, jmethod, 1);
    if (!m) return false;
    *m = (jmethod){obj, def};
    *out = (jval){.tag = J_METHOD, .u.method = m};
    return true;
}

/* obj[key]: *found = false where Python would raise TypeError or LookupError. */
static bool subscript(jinja *in, jval obj, jval key, jval *out, bool *found) {
    int64_t i = 0, n;
    *found = false;
    if (obj.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, obj);
    if (obj.tag == J_DICT) {
        jval *v;
        if (!suan__j_is_hashable(key)) return true;
        if (!suan__j_dict_get(&in->rt, obj.u.d, key, &v)) return false;
        if (v) *out = *v;
        *found = v != NULL;
        return true;
    }
    if (key.tag == J_INT)
        i = key.u.i;
    else if (key.tag == J_BOOL)
        i = key.u.b;
    else
        return true;
    if (obj.tag != J_STR && obj.tag != J_LIST && obj.tag != J_TUPLE && obj.tag != J_RANGE) return true;
    if (!suan__j_length(&in->rt, obj, &n)) return false;
    if (i < 0) i += n;
    if (i < 0 || i >= n) return true;
    *found = true;
    if (obj.tag == J_STR) {
        const jstr *s = obj.u.s;
        if (s->n != s->n_cp && !suan__j_charge_bytes(&in->rt, s->n)) return false;
        size_t begin = suan__j_cp_offset(s, (size_t)i), end = begin + 1;
        while (end < s->n && ((unsigned char)s->p[end] & 0xc0) == 0x80) end++;
        return suan__j_str_slice(&in->rt, s, begin, end, out);
    }
    if (obj.tag == J_RANGE)
        *out = suan__j_int(obj.u.range->start + i * obj.u.range->step);
    else
        *out = obj.u.l->v[i];
    return true;
}

bool suan__j_get_item(jinja *in, jval obj, jval key, jval *out) {
    bool found;
    if (!subscript(in, obj, key, out, &found)) return false;
    if (found) return true;
    if (key.tag == J_STR) {
        if (!attribute(in, obj, key.u.s, out, &found)) return false;
        if (found) return true;
    }
    return undefined_item(in, obj, key, out);
}

bool suan__j_get_attr(jinja *in, jval obj, const jstr *name, jval *out) {
    bool found;
    jval key = {.tag = J_STR, .u.s = name};
    if (obj.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, obj);
    if (!attribute(in, obj, name, out, &found)) return false;
    if (found) return true;
    if (!subscript(in, obj, key, out, &found)) return false;
    return found || undefined_item(in, obj, key, out);
}

/* Python's slice.indices: clips start and stop to a sequence of n. */
static bool slice_bound(jinja *in, jval v, int64_t n, int64_t step, bool is_stop, int64_t *r) {
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    *r = 0;
    if (v.tag == J_MISSING || v.tag == J_NONE) {
        *r = (step < 0) != is_stop ? high : low;
        return true;
    }
    if (v.tag == J_UNDEFINED || (v.tag != J_INT && v.tag != J_BOOL))
        return suan__j_fail(&in->rt, "slice indices must be integers or None or have an __index__ method");
    int64_t i = v.tag == J_BOOL ? v.u.b : v.u.i;
    if (i < 0) i = i < -n ? low : i + n;
    *r = i < low ? low : i > high ? high : i;
    return true;
}

static bool slice_string(jinja *in, const jstr *s, int64_t start, int64_t count, int64_t step, jval *out) {
    if (step == 1) {
        if (s->n != s->n_cp && !suan__j_charge_bytes(&in->rt, s->n)) return false;
        size_t begin = suan__j_cp_offset(s, (size_t)start), end = suan__j_cp_offset(s, (size_t)(start + count));
        return suan__j_str_slice(&in->rt, s, begin, end, out);
    }
    /* The offsets of all code points, so that each step is one look-up. */
    uint32_t *at = J_NEW(&in->rt, uint32_t, (size_t)s->n_cp + 1), k = 0;
    jbuf b;
    if (!at || !suan__j_charge(&in->rt, s->n / 8 + (uint64_t)count)) return false;
    for (uint32_t i = 0; i < s->n; i++)
        if (((unsigned char)s->p[i] & 0xc0) != 0x80) at[k++] = i;
    at[k] = s->n;
    suan__j_buf_init(&b, &in->rt);
    for (int64_t i = 0; i < count; i++) {
        uint32_t begin = at[start + i * step], end = at[start + i * step + 1];
        bool ok = s->t ? suan__j_buf_put_flags(&b, s->p + begin, s->t + begin, end - begin)
                       : suan__j_buf_put(&b, s->p + begin, end - begin, s->taint);
        if (!ok) return false;
    }
    if (!suan__j_buf_finish(&b, out)) return false;
    return !s->markup || suan__j_mark_safe(&in->rt, *out, out);
}

bool suan__j_slice(jinja *in, jval obj, jval start, jval stop, jval step, jval *out) {
    int64_t n, from, to, by = 1;
    if (obj.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, obj);
    if (obj.tag == J_DICT) return suan__j_fail(&in->rt, "unhashable type: 'slice'");
    if (obj.tag != J_STR && obj.tag != J_LIST && obj.tag != J_TUPLE && obj.tag != J_RANGE)
        return suan__j_fail(&in->rt, "'%s' object is not subscriptable", suan__j_type_name(obj));
    if (step.tag == J_INT || step.tag == J_BOOL)
        by = step.tag == J_BOOL ? step.u.b : step.u.i;
    else if (step.tag != J_MISSING && step.tag != J_NONE)
        return suan__j_fail(&in->rt, "slice indices must be integers or None or have an __index__ method");
    if (by == 0) return suan__j_fail(&in->rt, "slice step cannot be zero");
    if (by > INT32_MAX) by = INT32_MAX; /* beyond any sequence here */
    if (by < -INT32_MAX) by = -INT32_MAX;
    if (!suan__j_length(&in->rt, obj, &n) || !slice_bound(in, start, n, by, false, &from) || !slice_bound(in, stop, n, by, true, &to))
        return false;
    int64_t count = by > 0 ? (to > from ? (to - from - 1) / by + 1 : 0) : (from > to ? (from - to - 1) / -by + 1 : 0);
    if (!count) from = 0;
    if (obj.tag == J_STR) return slice_string(in, obj.u.s, from, count, by, out);
    if (!suan__j_charge(&in->rt, (uint64_t)count)) return false;
    if (obj.tag == J_RANGE) {
        jrange *r = J_NEW(&in->rt, jrange, 1);
        if (!r) return false;
        const jrange *o = obj.u.range;
        *r = (jrange){.start = o->start + from * o->step, .step = o->step * by, .n = count};
        r->stop = r->start + count * r->step;
        *out = (jval){.tag = J_RANGE, .taint = obj.taint, .u.range = r};
        return true;
    }
    jlist *l = suan__j_list_new(&in->rt, (uint32_t)count);
    if (!l) return false;
    for (int64_t i = 0; i < count; i++) l->v[i] = obj.u.l->v[from + i * by];
    l->n = (uint32_t)count;
    *out = (jval){.tag = obj.tag, .taint = obj.taint, .u.l = l};
    return true;
}

/* ---- calls */

static bool push_kwarg(jinja *in, jkeyword **kw, uint32_t *n, uint32_t *cap, const jstr *name, jval value) {
    for (uint32_t i = 0; i < *n && *n <= 256; i++)
        if ((*kw)[i].name->n == name->n && memcmp((*kw)[i].name->p, name->p, name->n) == 0)
            return suan__j_fail(&in->rt, "got multiple values for keyword argument '%.*s'", (int)name->n, name->p);
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        jkeyword *grown = J_NEW(&in->rt, jkeyword, *cap);
        if (!grown) return false;
        if (*n) memcpy(grown, *kw, *n * sizeof *grown);
        *kw = grown;
    }
    (*kw)[(*n)++] = (jkeyword){name, value};
    return suan__j_charge(&in->rt, 1);
}

static bool eval_dynamic(jinja *in, const jcall *call, jargs *args) {
    if (call->dyn_args) {
        jval v;
        jlist *more;
        if (!suan__j_eval(in, call->dyn_args, &v) || !suan__j_to_list(in, v, &more)) return false;
        jval *pos = J_NEW(&in->rt, jval, (size_t)args->n_pos + more->n);
        if (!pos) return false;
        if (args->n_pos) memcpy(pos, args->pos, args->n_pos * sizeof *pos);
        if (more->n) memcpy(pos + args->n_pos, more->v, more->n * sizeof *pos);
        args->pos = pos;
        args->n_pos += more->n;
    }
    uint32_t cap = args->n_kw;
    for (uint32_t i = 0; i < call->n_kwargs; i++) {
        jval v;
        if (!suan__j_eval(in, call->values[i], &v) || !push_kwarg(in, &args->kw, &args->n_kw, &cap, call->names[i], v)) return false;
    }
    if (call->dyn_kwargs) {
        jval v;
        if (!suan__j_eval(in, call->dyn_kwargs, &v)) return false;
        if (v.tag != J_DICT) return suan__j_fail(&in->rt, "argument after ** must be a mapping, not %s", suan__j_type_name(v));
        for (uint32_t i = 0; i < v.u.d->n; i++) {
            if (v.u.d->e[i].key.tag != J_STR) return suan__j_fail(&in->rt, "keywords must be strings");
            if (!push_kwarg(in, &args->kw, &args->n_kw, &cap, v.u.d->e[i].key.u.s, v.u.d->e[i].value)) return false;
        }
    }
    return true;
}

static bool eval_args(jinja *in, const jcall *call, jargs *args) {
    *args = (jargs){0};
    if (call->n_args) {
        args->pos = J_NEW(&in->rt, jval, call->n_args);
        if (!args->pos) return false;
        for (uint32_t i = 0; i < call->n_args; i++)
            if (!suan__j_eval(in, call->args[i], &args->pos[i])) return false;
        args->n_pos = call->n_args;
    }
    return (!call->n_kwargs && !call->dyn_args && !call->dyn_kwargs) || eval_dynamic(in, call, args);
}

bool suan__j_call_value(jinja *in, jval fn, const jargs *args, jval *out) {
    switch ((jtag)fn.tag) {
    case J_METHOD:
        return fn.u.method->def->fn(in, fn.u.method->self, args, out);
    case J_FUNCTION:
        return fn.u.fn->fn(in, suan__j_missing(), args, out);
    case J_MACRO:
        return suan__j_call_macro(in, fn.u.p, args, out);
    case J_LOOP:
        return suan__j_loop_call(in, fn, args, out);
    case J_JOINER: {
        jjoiner *j = fn.u.joiner;
        if (args->n_pos || args->n_kw) return suan__j_fail(&in->rt, "a joiner takes no arguments");
        if (j->used) {
            *out = j->separator;
            return true;
        }
        j->used = true;
        return suan__j_str_c(&in->rt, "", out);
    }
    case J_UNDEFINED:
        return suan__j_fail_undefined(&in->rt, fn);
    default:
        return suan__j_fail(&in->rt, "'%s' object is not callable", suan__j_type_name(fn));
    }
}

static bool eval_call(jinja *in, const jnode *node, jval *out) {
    jval fn;
    jargs args;
    if (!suan__j_eval(in, node->a, &fn) || !eval_args(in, node->call, &args)) return false;
    in->rt.line = node->line;
    return suan__j_call_value(in, fn, &args, out);
}

bool suan__j_eval_call_with(jinja *in, const jnode *node, jval caller, jval *out) {
    jval fn;
    jargs args;
    uint32_t cap;
    if (!suan__j_eval(in, node->a, &fn) || !eval_args(in, node->call, &args)) return false;
    cap = args.n_kw;
    if (!push_kwarg(in, &args.kw, &args.n_kw, &cap, in->program->symbols[SYM_CALLER], caller)) return false;
    in->rt.line = node->line;
    return suan__j_call_value(in, fn, &args, out);
}

static bool eval_filter(jinja *in, const jnode *node, jval *out) {
    jval value;
    jargs args;
    if (node->a) {
        if (!suan__j_eval(in, node->a, &value)) return false;
    } else {
        value = in->filter_input;
    }
    if (!eval_args(in, node->call, &args)) return false;
    in->rt.line = node->line;
    return suan__j_call_filter(in, node->name, node->def, value, &args, out);
}

static bool eval_test(jinja *in, const jnode *node, jval *out) {
    jval value;
    jargs args;
    bool r;
    if (!suan__j_eval(in, node->a, &value) || !eval_args(in, node->call, &args)) return false;
    in->rt.line = node->line;
    if (!suan__j_call_test(in, node->name, node->def, value, &args, &r)) return false;
    *out = suan__j_bool(r);
    return true;
}

/* ---- literals and operators */

static bool eval_sequence(jinja *in, const jnode *node, jval *out) {
    jlist *l = suan__j_list_new(&in->rt, node->n);
    if (!l) return false;
    for (uint32_t i = 0; i < node->n; i++)
        if (!suan__j_eval(in, node->list[i], &l->v[i])) return false;
    l->n = node->n;
    *out = (jval){.tag = node->kind == N_LIST ? J_LIST : J_TUPLE, .u.l = l};
    return true;
}

static bool eval_dict(jinja *in, const jnode *node, jval *out) {
    jdict *d = suan__j_dict_new(&in->rt, node->n / 2);
    if (!d) return false;
    for (uint32_t i = 0; i < node->n; i += 2) {
        jval k, v;
        if (!suan__j_eval(in, node->list[i], &k) || !suan__j_eval(in, node->list[i + 1], &v)) return false;
        if (!suan__j_dict_set(&in->rt, d, k, v)) return false;
    }
    *out = suan__j_dict_value(d);
    return true;
}

static bool compare_one(jinja *in, char op, jval a, jval b, bool *r) {
    int c;
    switch (op) {
    case '=':
    case '!':
        if (!suan__j_equal(&in->rt, a, b, r)) return false;
        if (op == '!') *r = !*r;
        return true;
    case 'i':
    case 'n':
        if (!suan__j_contains(in, b, a, r)) return false;
        if (op == 'n') *r = !*r;
        return true;
    default:
        break;
    }
    if (!suan__j_compare(&in->rt, a, b, op == 'l' ? "<=" : op == 'g' ? ">=" : op == '<' ? "<" : ">", &c)) return false;
    *r = op == '<' ? c == -1 : op == '>' ? c == 1 : op == 'l' ? c == -1 || c == 0 : c == 1 || c == 0;
    return true;
}

static bool eval_compare(jinja *in, const jnode *node, jval *out) {
    jval left, right;
    if (!suan__j_eval(in, node->a, &left)) return false;
    for (uint32_t i = 0; i < node->n; i++) {
        bool r;
        if (!suan__j_eval(in, node->list[i], &right)) return false;
        in->rt.line = node->line;
        if (!compare_one(in, node->ops[i], left, right, &r)) return false;
        *out = suan__j_bool(r);
        if (!r) return true;
        left = right;
    }
    return true;
}

static bool eval_concat(jinja *in, const jnode *node, jval *out) {
    if (!suan__j_eval(in, node->list[0], out) || !suan__j_to_str(&in->rt, *out, out)) return false;
    for (uint32_t i = 1; i < node->n; i++) {
        jval v;
        if (!suan__j_eval(in, node->list[i], &v) || !suan__j_to_str(&in->rt, v, &v)) return false;
        if (!suan__j_str_concat(&in->rt, out->u.s, v.u.s, out)) return false;
    }
    return true;
}

static bool eval_item(jinja *in, const jnode *node, jval *out) {
    jval obj, key;
    if (!suan__j_eval(in, node->a, &obj)) return false;
    if (node->b->kind != N_SLICE) {
        if (!suan__j_eval(in, node->b, &key)) return false;
        in->rt.line = node->line;
        return suan__j_get_item(in, obj, key, out);
    }
    jval part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = suan__j_missing();
        if (node->b->list[i] && !suan__j_eval(in, node->b->list[i], &part[i])) return false;
    }
    in->rt.line = node->line;
    return suan__j_slice(in, obj, part[0], part[1], part[2], out);
}

static bool eval_condition(jinja *in, const jnode *node, jval *out) {
    jval test;
    if (!suan__j_eval(in, node->b, &test)) return false;
    if (suan__j_truth(test)) return suan__j_eval(in, node->a, out);
    if (node->c) return suan__j_eval(in, node->c, out);
    return suan__j_undefined_hint(&in->rt, "the inline if-expression evaluated to false and no else section was defined.", out);
}

static bool eval_binary(jinja *in, const jnode *node, jval *out) {
    jval a, b;
    if (!suan__j_eval(in, node->a, &a) || !suan__j_eval(in, node->b, &b)) return false;
    in->rt.line = node->line;
    return suan__j_binary(in, node->op, a, b, out);
}

static bool eval_sign(jinja *in, const jnode *node, jval *out) {
    jval v;
    if (!suan__j_eval(in, node->a, &v)) return false;
    if (node->kind == N_NEG) return suan__j_negate(&in->rt, v, out);
    if (v.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, v);
    if (v.tag != J_INT && v.tag != J_FLOAT && v.tag != J_BOOL)
        return suan__j_fail(&in->rt, "bad operand type for unary +: '%s'", suan__j_type_name(v));
    *out = v.tag == J_BOOL ? suan__j_int(v.u.b) : v;
    out->taint = v.taint;
    return true;
}

bool suan__j_eval(jinja *in, const jnode *node, jval *out) {
    if (!suan__j_charge(&in->rt, 1)) return false;
    switch ((jkind)node->kind) {
    case N_CONST:
        *out = node->val;
        return true;
    case N_NAME:
        return eval_name(in, node, out);
    default:
        break;
    }
    if (!suan__j_stack_ok(&in->rt)) return false;
    in->rt.line = node->line;
    switch ((jkind)node->kind) {
    case N_ATTR: {
        jval obj;
        if (!suan__j_eval(in, node->a, &obj)) return false;
        in->rt.line = node->line;
        return suan__j_get_attr(in, obj, node->val.u.s, out);
    }
    case N_ITEM:
        return eval_item(in, node, out);
    case N_CALL:
        return eval_call(in, node, out);
    case N_FILTER:
        return eval_filter(in, node, out);
    case N_TEST:
        return eval_test(in, node, out);
    case N_TUPLE:
    case N_LIST:
        return eval_sequence(in, node, out);
    case N_DICT:
        return eval_dict(in, node, out);
    case N_COND:
        return eval_condition(in, node, out);
    case N_OR:
        if (!suan__j_eval(in, node->a, out)) return false;
        return suan__j_truth(*out) || suan__j_eval(in, node->b, out);
    case N_AND:
        if (!suan__j_eval(in, node->a, out)) return false;
        return !suan__j_truth(*out) || suan__j_eval(in, node->b, out);
    case N_NOT: {
        jval v;
        if (!suan__j_eval(in, node->a, &v)) return false;
        *out = suan__j_bool(!suan__j_truth(v));
        return true;
    }
    case N_COMPARE:
        return eval_compare(in, node, out);
    case N_CONCAT:
        return eval_concat(in, node, out);
    case N_BINARY:
        return eval_binary(in, node, out);
    case N_NEG:
    case N_POS:
        return eval_sign(in, node, out);
    default:
        return suan__j_fail(&in->rt, "this is no expression");
    }
}

/* ---- assignment */

static bool assign_tuple(jinja *in, const jnode *target, jval value) {
    jlist *l;
    if (value.tag == J_UNDEFINED || !suan__j_is_iterable(value)) {
        if (value.tag != J_UNDEFINED) return suan__j_fail(&in->rt, "cannot unpack non-iterable %s object", suan__j_type_name(value));
    }
    if (!suan__j_to_list(in, value, &l)) return false;
    if (l->n < target->n) return suan__j_fail(&in->rt, "not enough values to unpack (expected %u, got %u)", target->n, l->n);
    if (l->n > target->n) return suan__j_fail(&in->rt, "too many values to unpack (expected %u)", target->n);
    for (uint32_t i = 0; i < target->n; i++)
        if (!suan__j_assign(in, target->list[i], l->v[i])) return false;
    return true;
}

bool suan__j_assign(jinja *in, const jnode *target, jval value) {
    if (target->kind == N_NAME) {
        suan__j_set_var(in, target->sym, value);
        return !in->rt.failed;
    }
    if (target->kind == N_TUPLE) return suan__j_stack_ok(&in->rt) && assign_tuple(in, target, value);
    jval ns;
    if (!eval_name(in, target, &ns)) return false;
    if (ns.tag != J_NAMESPACE) return suan__j_fail(&in->rt, "cannot assign attribute on non-namespace object");
    const jstr *name = target->val.u.s;
    if (name->n && name->p[0] == '_')
        return suan__j_fail(&in->rt, "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%.*s'.",
                            (int)name->n, name->p);
    return suan__j_dict_set(&in->rt, ns.u.d, target->val, value);
}
