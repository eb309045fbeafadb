/* jinja_tests.c: what follows `is`, and the functions every template has. */
#include <string.h>

#include "text/jinja_run.h"

/* ---- tests. Each takes the value and at most one argument. */

static bool one_arg(jinja *in, const char *fn, const jargs *args, jval *a) {
    if (!suan__j_bind(in, fn, args, "other", a)) return false;
    return a->tag != J_MISSING || suan__j_fail(&in->rt, "test '%s' takes one argument", fn);
}

static bool result(jval *out, bool r) {
    *out = suan__j_bool(r);
    return true;
}

#define TEST(name) static bool name(jinja *in, jval self, const jargs *args, jval *out)
#define TEST_OF(name, expr)                                           \
    TEST(name) {                                                      \
        jval none_[1];                                                \
        if (!suan__j_bind(in, "test", args, "", none_)) return false; \
        return result(out, expr);                                     \
    }

TEST_OF(is_defined, self.tag != J_UNDEFINED)
TEST_OF(is_undefined, self.tag == J_UNDEFINED)
TEST_OF(is_none, self.tag == J_NONE)
TEST_OF(is_boolean, self.tag == J_BOOL)
TEST_OF(is_true, self.tag == J_BOOL && self.u.b)
TEST_OF(is_false, self.tag == J_BOOL && !self.u.b)
TEST_OF(is_integer, self.tag == J_INT)
TEST_OF(is_float, self.tag == J_FLOAT)
TEST_OF(is_number, self.tag == J_INT || self.tag == J_FLOAT || self.tag == J_BOOL)
TEST_OF(is_string, self.tag == J_STR)
TEST_OF(is_mapping, self.tag == J_DICT)
TEST_OF(is_iterable, suan__j_is_iterable(self))
TEST_OF(is_escaped, self.tag == J_STR && self.u.s->markup)
TEST_OF(is_sequence, self.tag == J_STR || self.tag == J_LIST || self.tag == J_TUPLE || self.tag == J_DICT || self.tag == J_RANGE ||
                         self.tag == J_UNDEFINED)
TEST_OF(is_callable, self.tag == J_MACRO || self.tag == J_METHOD || self.tag == J_FUNCTION || self.tag == J_LOOP || self.tag == J_JOINER ||
                         self.tag == J_UNDEFINED)
TEST_OF(is_filter, self.tag == J_STR && suan__j_find_filter(self.u.s) != NULL)
TEST_OF(is_test, self.tag == J_STR && suan__j_find_test(self.u.s) != NULL)

TEST(is_lower) {
    jval s;
    if (!suan__j_to_str(&in->rt, self, &s) || !suan__j_charge(&in->rt, s.u.s->n / 16)) return false;
    return result(out, suan__j_is_lower_str(s.u.s));
}
TEST(is_upper) {
    jval s;
    if (!suan__j_to_str(&in->rt, self, &s) || !suan__j_charge(&in->rt, s.u.s->n / 16)) return false;
    return result(out, suan__j_is_upper_str(s.u.s));
}

static bool modulo_is(jinja *in, jval v, jval by, int64_t rest, jval *out) {
    jval m;
    bool eq;
    if (!suan__j_binary(in, '%', v, by, &m) || !suan__j_equal(&in->rt, m, suan__j_int(rest), &eq)) return false;
    return result(out, eq);
}
TEST(is_odd) {
    return modulo_is(in, self, suan__j_int(2), 1, out);
}
TEST(is_even) {
    return modulo_is(in, self, suan__j_int(2), 0, out);
}
TEST(is_divisibleby) {
    jval a;
    if (!suan__j_bind(in, "divisibleby", args, "num", &a)) return false;
    if (a.tag == J_MISSING) return suan__j_fail(&in->rt, "test 'divisibleby' takes one argument");
    return modulo_is(in, self, a, 0, out);
}
TEST(is_in) {
    jval a;
    bool r;
    if (!suan__j_bind(in, "in", args, "seq", &a)) return false;
    if (a.tag == J_MISSING) return suan__j_fail(&in->rt, "test 'in' takes one argument");
    return suan__j_contains(in, a, self, &r) && result(out, r);
}
TEST(is_sameas) {
    jval a;
    bool r = false;
    if (!one_arg(in, "sameas", args, &a)) return false;
    if (self.tag == a.tag) {
        if (self.tag == J_NONE)
            r = true;
        else if (self.tag == J_BOOL || self.tag == J_INT || self.tag == J_FLOAT)
            r = self.u.i == a.u.i || (self.tag == J_BOOL && self.u.b == a.u.b);
        else
            r = self.u.p == a.u.p && self.aux == a.aux;
    }
    return result(out, r);
}
TEST(is_eq) {
    jval a;
    bool r;
    return one_arg(in, "eq", args, &a) && suan__j_equal(&in->rt, self, a, &r) && result(out, r);
}
TEST(is_ne) {
    jval a;
    bool r;
    return one_arg(in, "ne", args, &a) && suan__j_equal(&in->rt, self, a, &r) && result(out, !r);
}
TEST(is_lt) {
    jval a;
    int c;
    return one_arg(in, "lt", args, &a) && suan__j_compare(&in->rt, self, a, "<", &c) && result(out, c == -1);
}
TEST(is_le) {
    jval a;
    int c;
    return one_arg(in, "le", args, &a) && suan__j_compare(&in->rt, self, a, "<=", &c) && result(out, c == -1 || c == 0);
}
TEST(is_gt) {
    jval a;
    int c;
    return one_arg(in, "gt", args, &a) && suan__j_compare(&in->rt, self, a, ">", &c) && result(out, c == 1);
}
TEST(is_ge) {
    jval a;
    int c;
    return one_arg(in, "ge", args, &a) && suan__j_compare(&in->rt, self, a, ">=", &c) && result(out, c == 1 || c == 0);
}

static const jdef tests[] = {
    {"!=", is_ne},
    {"<", is_lt},
    {"<=", is_le},
    {"==", is_eq},
    {">", is_gt},
    {">=", is_ge},
    {"boolean", is_boolean},
    {"callable", is_callable},
    {"defined", is_defined},
    {"divisibleby", is_divisibleby},
    {"eq", is_eq},
    {"equalto", is_eq},
    {"escaped", is_escaped},
    {"even", is_even},
    {"false", is_false},
    {"filter", is_filter},
    {"float", is_float},
    {"ge", is_ge},
    {"greaterthan", is_gt},
    {"gt", is_gt},
    {"in", is_in},
    {"integer", is_integer},
    {"iterable", is_iterable},
    {"le", is_le},
    {"lessthan", is_lt},
    {"lower", is_lower},
    {"lt", is_lt},
    {"mapping", is_mapping},
    {"ne", is_ne},
    {"none", is_none},
    {"number", is_number},
    {"odd", is_odd},
    {"sameas", is_sameas},
    {"sequence", is_sequence},
    {"string", is_string},
    {"test", is_test},
    {"true", is_true},
    {"undefined", is_undefined},
    {"upper", is_upper},
};

const jdef *suan__j_find_test(const jstr *name) {
    return suan__j_find(tests, sizeof tests / sizeof *tests, name);
}

bool suan__j_call_test(jinja *in, const jstr *name, const jdef *def, jval value, const jargs *args, bool *r) {
    jval out;
    if (!def) return suan__j_fail(&in->rt, "No test named '%.*s' found.", (int)name->n, name->p);
    if (!suan__j_charge(&in->rt, 1) || !def->fn(in, value, args, &out)) return false;
    *r = out.u.b;
    return true;
}

/* ---- global functions */

TEST(global_range) {
    jval a[3];
    int64_t start = 0, stop, step = 1;
    (void)self;
    if (!suan__j_bind(in, "range", args, "start,stop,step", a) || !suan__j_arg_int(in, "range", a[0], &stop)) return false;
    if (a[1].tag != J_MISSING) {
        start = stop;
        if (!suan__j_arg_int(in, "range", a[1], &stop)) return false;
    }
    if (a[2].tag != J_MISSING && !suan__j_arg_int(in, "range", a[2], &step)) return false;
    if (!step) return suan__j_fail(&in->rt, "range() arg 3 must not be zero");
    /* The number of items in unsigned arithmetic, which cannot overflow. */
    uint64_t n = 0;
    if (step > 0 && stop > start) n = ((uint64_t)stop - (uint64_t)start - 1) / (uint64_t)step + 1;
    if (step < 0 && stop < start) n = ((uint64_t)start - (uint64_t)stop - 1) / ((uint64_t)0 - (uint64_t)step) + 1;
    if (n > SUAN__J_MAX_RANGE)
        return suan__j_fail(&in->rt, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", SUAN__J_MAX_RANGE);
    jrange *r = J_NEW(&in->rt, jrange, 1);
    if (!r) return false;
    *r = (jrange){.start = start, .stop = stop, .step = step, .n = (int64_t)n};
    *out = (jval){.tag = J_RANGE, .u.range = r};
    return true;
}

/* dict(mapping or pairs, **more) */
static bool make_dict(jinja *in, const char *fn, const jargs *args, jdict **out) {
    jrt *rt = &in->rt;
    jdict *d = suan__j_dict_new(rt, args->n_kw);
    if (!d) return false;
    if (args->n_pos > 1) return suan__j_fail(rt, "%s expected at most 1 argument, got %u", fn, args->n_pos);
    if (args->n_pos && (args->pos[0].tag == J_DICT || args->pos[0].tag == J_NAMESPACE)) {
        const jdict *from = args->pos[0].u.d;
        for (uint32_t i = 0; i < from->n; i++)
            if (!suan__j_charge(rt, 1) || !suan__j_dict_set(rt, d, from->e[i].key, from->e[i].value)) return false;
    } else if (args->n_pos) {
        jcursor c;
        if (!suan__j_iter_begin(in, args->pos[0], &c)) return false;
        for (;;) {
            jval pair;
            bool more;
            jlist *l;
            if (!suan__j_iter_next(&c, &pair, &more)) return false;
            if (!more) break;
            if (!suan__j_to_list(in, pair, &l)) return false;
            if (l->n != 2) return suan__j_fail(rt, "dictionary update sequence element has length %u; 2 is required", l->n);
            if (!suan__j_dict_set(rt, d, l->v[0], l->v[1])) return false;
        }
    }
    for (uint32_t i = 0; i < args->n_kw; i++)
        if (!suan__j_dict_set(rt, d, (jval){.tag = J_STR, .u.s = args->kw[i].name}, args->kw[i].value)) return false;
    *out = d;
    return true;
}

TEST(global_dict) {
    (void)self;
    jdict *d;
    if (!make_dict(in, "dict", args, &d)) return false;
    *out = suan__j_dict_value(d);
    return true;
}

TEST(global_namespace) {
    (void)self;
    jdict *d;
    if (!make_dict(in, "namespace", args, &d)) return false;
    for (uint32_t i = 0; i < d->n; i++) {
        const jstr *k = d->e[i].key.tag == J_STR ? d->e[i].key.u.s : NULL;
        if (k && k->n && k->p[0] == '_')
            return suan__j_fail(&in->rt, "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%.*s'.",
                                (int)k->n, k->p);
    }
    *out = (jval){.tag = J_NAMESPACE, .u.d = d};
    return true;
}

TEST(global_cycler) {
    (void)self;
    jcycler *c = J_NEW(&in->rt, jcycler, 1);
    if (!c) return false;
    if (!args->n_pos || args->n_kw) return suan__j_fail(&in->rt, "at least one item has to be provided");
    *c = (jcycler){.items = suan__j_list_new(&in->rt, args->n_pos)};
    if (!c->items) return false;
    memcpy(c->items->v, args->pos, args->n_pos * sizeof(jval));
    c->items->n = args->n_pos;
    *out = (jval){.tag = J_CYCLER, .u.cycler = c};
    return true;
}

TEST(global_joiner) {
    (void)self;
    jjoiner *j = J_NEW(&in->rt, jjoiner, 1);
    if (!j) return false;
    *j = (jjoiner){0};
    if (!suan__j_bind(in, "joiner", args, "sep", &j->separator)) return false;
    if (j->separator.tag == J_MISSING && !suan__j_str_c(&in->rt, ", ", &j->separator)) return false;
    *out = (jval){.tag = J_JOINER, .u.joiner = j};
    return true;
}

TEST(global_raise_exception) {
    (void)self;
    (void)out;
    jval m;
    if (!suan__j_bind(in, "raise_exception", args, "message", &m)) return false;
    if (m.tag == J_MISSING) return suan__j_fail(&in->rt, "raise_exception() is missing its message");
    if (!suan__j_to_str(&in->rt, m, &m)) return false;
    suan__j_fail(&in->rt, "%.*s", (int)m.u.s->n, m.u.s->p);
    in->rt.is_raised = true;
    return false;
}

TEST(global_strftime_now) {
    (void)self;
    jval f;
    const jstr *s;
    if (!suan__j_bind(in, "strftime_now", args, "format", &f) || !suan__j_arg_str(in, "strftime_now", f, &s)) return false;
    return suan__j_strftime(&in->rt, in->now, s, out);
}

const jdef suan__j_globals[] = {
    {"cycler", global_cycler},
    {"dict", global_dict},
    {"joiner", global_joiner},
    {"namespace", global_namespace},
    {"raise_exception", global_raise_exception},
    {"range", global_range},
    {"strftime_now", global_strftime_now},
};
const size_t suan__j_n_globals = sizeof suan__j_globals / sizeof *suan__j_globals;
