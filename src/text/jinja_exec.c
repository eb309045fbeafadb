/* jinja_exec.c: runs statements: output, conditions, loops, assignments, macros. */
#include <string.h>

#include "text/jinja_run.h"

typedef enum jflow { FLOW_OK, FLOW_FAIL, FLOW_BREAK, FLOW_CONTINUE } jflow;

static jflow exec(jinja *in, const jnode *node);

static inline jflow flow(bool ok) {
    return ok ? FLOW_OK : FLOW_FAIL;
}

/* A macro made in `s` keeps all scopes around it. */
static void capture_scope(jscope *s) {
    for (; s && !s->captured; s = s->parent) s->captured = true;
}

static jflow exec_body(jinja *in, const jnode *body) {
    for (uint32_t i = 0; i < body->n; i++) {
        jflow f = exec(in, body->list[i]);
        if (f != FLOW_OK) return f;
    }
    return FLOW_OK;
}

/* Runs body in a scope of its own below `parent` and gives back what it wrote. */
static bool capture(jinja *in, const jnode *body, jscope *parent, jval *out) {
    jbuf b, *saved = in->out;
    jscope *back = in->scope, *scope = suan__j_push_scope(in, parent);
    if (!scope) return false;
    suan__j_buf_init(&b, &in->rt);
    in->out = &b;
    jflow f = exec_body(in, body);
    in->out = saved;
    suan__j_pop_scope(in, scope, back);
    return f == FLOW_OK && suan__j_buf_finish(&b, out);
}

/* ---- loops */

/* The next item of the source that passes the loop's filter. */
static bool pull(jinja *in, jloop *loop, jval *item, bool *more) {
    *more = false;
    while (!loop->at_end) {
        if (!suan__j_iter_next(&loop->source, item, more)) return false;
        if (!*more) {
            loop->at_end = true;
            return true;
        }
        if (!loop->node->c) return true;
        jval test;
        jscope *back = in->scope, *scope = suan__j_push_scope(in, loop->scope);
        if (!scope) return false;
        bool ok = suan__j_assign(in, loop->node->a, *item) && suan__j_eval(in, loop->node->c, &test);
        suan__j_pop_scope(in, scope, back);
        if (!ok) return false;
        *more = suan__j_truth(test);
        if (*more) return true;
    }
    return true;
}

static bool peek(jinja *in, jloop *loop, bool *more) {
    if (!loop->has_after && !pull(in, loop, &loop->after, &loop->has_after)) return false;
    *more = loop->has_after;
    return true;
}

static bool advance(jinja *in, jloop *loop, bool *more) {
    jval item = loop->after;
    *more = loop->has_after;
    if (!*more && !pull(in, loop, &item, more)) return false;
    if (!*more) return true;
    loop->has_after = false;
    loop->index0++;
    loop->before = loop->current;
    loop->current = item;
    return true;
}

bool suan__j_loop_next(jinja *in, jval loop, jval *item, bool *more) {
    jloop *l = loop.u.p;
    if (!advance(in, l, more)) return false;
    if (*more) *item = l->current;
    return true;
}

/* len() of what the loop goes over; a generator or a filtered loop is read to its end first. */
static bool loop_length(jinja *in, jloop *loop, int64_t *n) {
    if (loop->length < 0) {
        if (!loop->node->c && loop->iterable.tag != J_ITER && loop->iterable.tag != J_LOOP) {
            if (!suan__j_length(&in->rt, loop->iterable, &loop->length)) return false;
        } else {
            jlist *rest = suan__j_list_new(&in->rt, 0);
            jval item;
            bool more;
            if (!rest) return false;
            for (;;) {
                if (!pull(in, loop, &item, &more)) return false;
                if (!more) break;
                if (!suan__j_list_push(&in->rt, rest, item)) return false;
            }
            jnode *plain = J_NEW(&in->rt, jnode, 1); /* the filter has been applied */
            if (!plain) return false;
            *plain = *loop->node;
            plain->c = NULL;
            loop->node = plain;
            loop->at_end = false;
            loop->length = rest->n + loop->index0 + 1 + loop->has_after;
            if (!suan__j_iter_begin(in, suan__j_list_value(rest), &loop->source)) return false;
        }
    }
    *n = loop->length;
    return true;
}

bool suan__j_loop_attribute(jinja *in, jval value, const jstr *name, jval *out, bool *found) {
    jloop *loop = value.u.p;
    int64_t n;
    bool more;
    *found = true;
    if (suan__j_str_eq(name, "index")) {
        *out = suan__j_int(loop->index0 + 1);
    } else if (suan__j_str_eq(name, "index0")) {
        *out = suan__j_int(loop->index0);
    } else if (suan__j_str_eq(name, "first")) {
        *out = suan__j_bool(loop->index0 == 0);
    } else if (suan__j_str_eq(name, "last")) {
        if (!peek(in, loop, &more)) return false;
        *out = suan__j_bool(!more);
    } else if (suan__j_str_eq(name, "length")) {
        if (!loop_length(in, loop, &n)) return false;
        *out = suan__j_int(n);
    } else if (suan__j_str_eq(name, "revindex") || suan__j_str_eq(name, "revindex0")) {
        if (!loop_length(in, loop, &n)) return false;
        *out = suan__j_int(n - loop->index0 - (name->n == 9));
    } else if (suan__j_str_eq(name, "depth") || suan__j_str_eq(name, "depth0")) {
        *out = suan__j_int((int64_t)loop->depth0 + (name->n == 5));
    } else if (suan__j_str_eq(name, "previtem")) {
        if (loop->index0 == 0) return suan__j_undefined_hint(&in->rt, "there is no previous item", out);
        *out = loop->before;
    } else if (suan__j_str_eq(name, "nextitem")) {
        if (!peek(in, loop, &more)) return false;
        if (!more) return suan__j_undefined_hint(&in->rt, "there is no next item", out);
        *out = loop->after;
    } else {
        *found = false;
    }
    return true;
}

bool suan__j_loop_cycle(jinja *in, jval value, const jargs *args, jval *out) {
    const jloop *loop = value.u.p;
    if (!args->n_pos || loop->index0 < 0) return suan__j_fail(&in->rt, "no items for cycling given");
    *out = args->pos[loop->index0 % args->n_pos];
    return true;
}

bool suan__j_loop_changed(jinja *in, jval value, const jargs *args, jval *out) {
    jloop *loop = value.u.p;
    jlist *l = suan__j_list_new(&in->rt, args->n_pos);
    bool equal;
    if (!l) return false;
    if (args->n_pos) memcpy(l->v, args->pos, args->n_pos * sizeof(jval));
    l->n = args->n_pos;
    jval now = {.tag = J_TUPLE, .u.l = l};
    if (!suan__j_equal(&in->rt, loop->changed, now, &equal)) return false;
    loop->changed = now;
    *out = suan__j_bool(!equal);
    return true;
}

static jflow loop_iterations(jinja *in, const jnode *node, jloop *loop, jscope *around) {
    for (;;) {
        bool more;
        if (!advance(in, loop, &more)) return FLOW_FAIL;
        if (!more) return FLOW_OK;
        jscope *scope = suan__j_push_scope(in, around);
        if (!scope) return FLOW_FAIL;
        suan__j_set_var(in, SYM_LOOP, (jval){.tag = J_LOOP, .u.p = loop});
        jflow f = flow(suan__j_assign(in, node->a, loop->current));
        if (f == FLOW_OK) f = exec_body(in, node->list[0]);
        suan__j_pop_scope(in, scope, around);
        if (f == FLOW_BREAK) return FLOW_OK;
        if (f == FLOW_FAIL) return f;
    }
}

static jflow run_loop(jinja *in, const jnode *node, jval iterable, uint32_t depth0) {
    jscope *around = in->scope;
    jloop *loop = J_NEW(&in->rt, jloop, 1);
    if (!loop) return FLOW_FAIL;
    *loop = (jloop){.node = node, .scope = around, .iterable = iterable, .index0 = -1, .length = -1, .depth0 = depth0};
    loop->changed = suan__j_missing();
    /* The loop variable may live on in a namespace and would then use the scope again. */
    if (node->c || node->flag) capture_scope(around);
    if (!suan__j_iter_begin(in, iterable, &loop->source)) return FLOW_FAIL;
    jflow f = loop_iterations(in, node, loop, around);
    if (f != FLOW_OK || loop->index0 >= 0 || !node->list[1]) return f;
    jscope *scope = suan__j_push_scope(in, around);
    if (!scope) return FLOW_FAIL;
    f = exec_body(in, node->list[1]);
    suan__j_pop_scope(in, scope, around);
    return f;
}

static jflow exec_for(jinja *in, const jnode *node) {
    jval iterable;
    if (!suan__j_eval(in, node->b, &iterable)) return FLOW_FAIL;
    in->rt.line = node->line;
    return run_loop(in, node, iterable, 0);
}

static bool enter_call(jinja *in) {
    if (in->n_calls >= SUAN__J_MAX_CALLS)
        return suan__j_fail_status(&in->rt, SUAN_ELIMIT, "more than %d calls within each other", SUAN__J_MAX_CALLS);
    in->n_calls++;
    return suan__j_stack_ok(&in->rt);
}

bool suan__j_loop_call(jinja *in, jval value, const jargs *args, jval *out) {
    jloop *loop = value.u.p;
    jbuf b, *saved = in->out;
    jscope *back = in->scope;
    jval iterable;
    if (!loop->node->flag) return suan__j_fail(&in->rt, "The loop must have the 'recursive' marker to be called recursively.");
    if (!suan__j_bind(in, "loop", args, "iterable", &iterable)) return false;
    if (iterable.tag == J_MISSING) return suan__j_fail(&in->rt, "loop() takes one argument");
    if (!enter_call(in)) return false;
    suan__j_buf_init(&b, &in->rt);
    in->out = &b;
    in->scope = loop->scope;
    jflow f = run_loop(in, loop->node, iterable, loop->depth0 + 1);
    in->scope = back;
    in->out = saved;
    in->n_calls--;
    return f == FLOW_OK && suan__j_buf_finish(&b, out);
}

/* ---- macros */

static bool take_kwarg(const jargs *args, const jstr *name, bool *used, jval *out) {
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (used[i] || args->kw[i].name->n != name->n || memcmp(args->kw[i].name->p, name->p, name->n) != 0) continue;
        used[i] = true;
        *out = args->kw[i].value;
        return true;
    }
    return false;
}

static bool bind_parameter(jinja *in, const jsig *sig, uint32_t i, const jargs *args, bool *used) {
    jval v;
    if (i < args->n_pos) {
        v = args->pos[i];
    } else if (!take_kwarg(args, sig->names[i], used, &v)) {
        if (sig->defaults[i]) {
            if (!suan__j_eval(in, sig->defaults[i], &v)) return false;
        } else if (!suan__j_undefined(&in->rt, sig->names[i], NULL, &v)) {
            return false;
        }
    }
    suan__j_set_var(in, sig->syms[i], v);
    return !in->rt.failed;
}

/* What is left after the parameters: caller, varargs, kwargs, or an error. */
static bool bind_rest(jinja *in, const jmacro *m, const jargs *args, bool *used) {
    const jsig *sig = m->node->sig;
    const jstr *name = m->node->name;
    jrt *rt = &in->rt;
    if (sig->uses_caller && !sig->has_caller_parameter) {
        jval caller;
        if (!take_kwarg(args, in->program->symbols[SYM_CALLER], used, &caller) && !suan__j_undefined_hint(rt, "No caller defined", &caller))
            return false;
        suan__j_set_var(in, SYM_CALLER, caller);
    }
    jdict *rest = suan__j_dict_new(rt, 0);
    if (!rest) return false;
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (used[i]) continue;
        if (!sig->uses_kwargs)
            return suan__j_fail(rt, "macro '%.*s' takes no keyword argument '%.*s'", name ? (int)name->n : 6, name ? name->p : "caller",
                                (int)args->kw[i].name->n, args->kw[i].name->p);
        if (!suan__j_dict_set(rt, rest, (jval){.tag = J_STR, .u.s = args->kw[i].name}, args->kw[i].value)) return false;
    }
    if (sig->uses_kwargs) suan__j_set_var(in, SYM_KWARGS, suan__j_dict_value(rest));
    if (!sig->uses_varargs) {
        if (args->n_pos <= sig->n) return !rt->failed;
        return suan__j_fail(rt, "macro '%.*s' takes not more than %u argument(s)", name ? (int)name->n : 6, name ? name->p : "caller",
                            sig->n);
    }
    uint32_t n = args->n_pos > sig->n ? args->n_pos - sig->n : 0;
    jlist *more = suan__j_list_new(rt, n);
    if (!more) return false;
    if (n) memcpy(more->v, args->pos + sig->n, n * sizeof(jval));
    more->n = n;
    suan__j_set_var(in, SYM_VARARGS, (jval){.tag = J_TUPLE, .u.l = more});
    return !rt->failed;
}

bool suan__j_call_macro(jinja *in, const jmacro *m, const jargs *args, jval *out) {
    const jsig *sig = m->node->sig;
    jbuf b, *saved = in->out;
    jscope *back = in->scope;
    bool *used = J_NEW(&in->rt, bool, args->n_kw);
    if (!used || !suan__j_charge(&in->rt, sig->n + args->n_kw) || !enter_call(in)) return false;
    memset(used, 0, args->n_kw);
    jscope *scope = suan__j_push_scope(in, m->scope);
    if (!scope) return false;
    suan__j_buf_init(&b, &in->rt);
    in->out = &b;
    bool ok = true;
    for (uint32_t i = 0; i < sig->n && ok; i++) ok = bind_parameter(in, sig, i, args, used);
    ok = ok && bind_rest(in, m, args, used) && exec_body(in, m->node->b) == FLOW_OK;
    in->out = saved;
    suan__j_pop_scope(in, scope, back);
    in->n_calls--;
    return ok && suan__j_buf_finish(&b, out);
}

static bool make_macro(jinja *in, const jnode *node, jval *out) {
    jmacro *m = J_NEW(&in->rt, jmacro, 1);
    if (!m) return false;
    *m = (jmacro){node, in->scope};
    capture_scope(in->scope);
    *out = (jval){.tag = J_MACRO, .u.p = m};
    return true;
}

/* ---- the other statements */

static jflow exec_if(jinja *in, const jnode *node) {
    for (uint32_t i = 0; i < node->n; i += 2) {
        jval test;
        if (!suan__j_eval(in, node->list[i], &test)) return FLOW_FAIL;
        if (suan__j_truth(test)) return exec_body(in, node->list[i + 1]);
    }
    return node->c ? exec_body(in, node->c) : FLOW_OK;
}

static bool exec_output(jinja *in, const jnode *node) {
    jval v;
    return suan__j_eval(in, node->a, &v) && suan__j_print(in->out, v);
}

static bool exec_set(jinja *in, const jnode *node) {
    jval v;
    if (!suan__j_eval(in, node->b, &v)) return false;
    in->rt.line = node->line;
    return suan__j_assign(in, node->a, v);
}

/* Text of a block through the filters behind its tag. */
static bool filtered(jinja *in, const jnode *node, jval *v) {
    if (!node->c) return true;
    jval saved = in->filter_input;
    in->filter_input = *v;
    bool ok = suan__j_eval(in, node->c, v);
    in->filter_input = saved;
    return ok;
}

static bool exec_with(jinja *in, const jnode *node, jflow *f) {
    jscope *back = in->scope;
    jval *values = J_NEW(&in->rt, jval, node->n / 2);
    if (!values) return false;
    for (uint32_t i = 0; i < node->n / 2; i++)
        if (!suan__j_eval(in, node->list[2 * i + 1], &values[i])) return false;
    jscope *scope = suan__j_push_scope(in, back);
    if (!scope) return false;
    bool ok = true;
    for (uint32_t i = 0; i < node->n / 2 && ok; i++) ok = suan__j_assign(in, node->list[2 * i], values[i]);
    if (ok) *f = exec_body(in, node->b);
    suan__j_pop_scope(in, scope, back);
    return ok;
}

static jflow exec_scope(jinja *in, const jnode *node) {
    jscope *back = in->scope, *scope = suan__j_push_scope(in, node->flag ? NULL : back);
    if (!scope) return FLOW_FAIL;
    jflow f = exec_body(in, node->b);
    suan__j_pop_scope(in, scope, back);
    return f;
}

static bool exec_call_block(jinja *in, const jnode *node) {
    jval caller, v;
    return make_macro(in, node, &caller) && suan__j_eval_call_with(in, node->a, caller, &v) && suan__j_print(in->out, v);
}

static jflow exec(jinja *in, const jnode *node) {
    jval v;
    jflow f = FLOW_OK;
    if (!suan__j_charge(&in->rt, 1) || !suan__j_stack_ok(&in->rt)) return FLOW_FAIL;
    in->rt.line = node->line;
    switch ((jkind)node->kind) {
    case N_DATA:
        return flow(suan__j_buf_put(in->out, node->val.u.s->p, node->val.u.s->n, 0));
    case N_OUTPUT:
        return flow(exec_output(in, node));
    case N_BODY:
        return exec_body(in, node);
    case N_IF:
        return exec_if(in, node);
    case N_FOR:
        return exec_for(in, node);
    case N_SET:
        return flow(exec_set(in, node));
    case N_SETBLOCK:
        return flow(capture(in, node->b, in->scope, &v) && filtered(in, node, &v) && suan__j_assign(in, node->a, v));
    case N_FILTERBLOCK:
        return flow(capture(in, node->b, in->scope, &v) && filtered(in, node, &v) && suan__j_print(in->out, v));
    case N_MACRO:
        if (!make_macro(in, node, &v)) return FLOW_FAIL;
        suan__j_set_var(in, node->sym, v);
        return flow(!in->rt.failed);
    case N_CALLBLOCK:
        return flow(exec_call_block(in, node));
    case N_WITH:
        return exec_with(in, node, &f) ? f : FLOW_FAIL;
    case N_SCOPE:
        return exec_scope(in, node);
    case N_BREAK:
        return FLOW_BREAK;
    case N_CONTINUE:
        return FLOW_CONTINUE;
    default:
        return flow(suan__j_fail(&in->rt, "this is no statement"));
    }
}

bool suan__j_run(jinja *in) {
    return exec_body(in, in->program->body) == FLOW_OK;
}
