/* value_ops.c: what Python's operators do with values: truth, equality, order, arithmetic, `in`, hashing, sorting. */
#include "text/value.h"

#include <math.h>
#include <string.h>

#include "text/jinja_run.h"

/* ---- types */

const char *suan__j_type_name(jval v) {
    switch ((jtag)v.tag) {
    case J_UNDEFINED:
        return "Undefined";
    case J_NONE:
        return "NoneType";
    case J_BOOL:
        return "bool";
    case J_INT:
        return "int";
    case J_FLOAT:
        return "float";
    case J_STR:
        return v.u.s->markup ? "Markup" : "str";
    case J_LIST:
        return "list";
    case J_TUPLE:
        return "tuple";
    case J_DICT:
        return "dict";
    case J_VIEW:
        return v.aux == 'k' ? "dict_keys" : v.aux == 'v' ? "dict_values" : "dict_items";
    case J_RANGE:
        return "range";
    case J_ITER:
        return v.u.iter->type;
    case J_NAMESPACE:
        return "Namespace";
    case J_MACRO:
        return "Macro";
    case J_METHOD:
        return "builtin_function_or_method";
    case J_FUNCTION:
        return "function";
    case J_LOOP:
        return "LoopContext";
    case J_CYCLER:
        return "Cycler";
    case J_JOINER:
        return "Joiner";
    case J_MISSING:
        break;
    }
    return "object";
}

const char *suan__j_object_name(jval v) {
    switch ((jtag)v.tag) {
    case J_NONE:
        return "None";
    case J_BOOL:
        return "bool object";
    case J_INT:
        return "int object";
    case J_FLOAT:
        return "float object";
    case J_STR:
        return v.u.s->markup ? "markupsafe.Markup object" : "str object";
    case J_LIST:
        return "list object";
    case J_TUPLE:
        return "tuple object";
    case J_DICT:
        return "dict object";
    case J_VIEW:
        return v.aux == 'k' ? "dict_keys object" : v.aux == 'v' ? "dict_values object" : "dict_items object";
    case J_RANGE:
        return "range object";
    case J_ITER:
        return "generator object";
    case J_NAMESPACE:
        return "jinja2.utils.Namespace object";
    case J_MACRO:
        return "jinja2.runtime.Macro object";
    case J_LOOP:
        return "jinja2.runtime.LoopContext object";
    case J_CYCLER:
        return "jinja2.utils.Cycler object";
    case J_JOINER:
        return "jinja2.utils.Joiner object";
    default:
        return "function object";
    }
}

bool suan__j_truth(jval v) {
    switch ((jtag)v.tag) {
    case J_UNDEFINED:
    case J_MISSING:
    case J_NONE:
        return false;
    case J_BOOL:
        return v.u.b;
    case J_INT:
        return v.u.i != 0;
    case J_FLOAT:
        return v.u.f != 0;
    case J_STR:
        return v.u.s->n != 0;
    case J_LIST:
    case J_TUPLE:
        return v.u.l->n != 0;
    case J_DICT:
    case J_VIEW:
        return v.u.d->n != 0;
    case J_RANGE:
        return v.u.range->n != 0;
    default:
        return true;
    }
}

/* ---- hash and equality */

bool suan__j_is_hashable(jval v) {
    if (v.tag == J_TUPLE) {
        /* Depth is bounded by the hash function itself, which fails on what is too deep. */
        for (uint32_t i = 0; i < v.u.l->n; i++)
            if (v.u.l->v[i].tag == J_LIST || v.u.l->v[i].tag == J_DICT) return false;
        return true;
    }
    return v.tag != J_LIST && v.tag != J_DICT && !(v.tag == J_VIEW && v.aux != 'v');
}

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

static uint64_t hash_bytes(uint64_t h, const char *p, size_t n) {
    while (n >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        h = mix(h, x);
        p += 8;
        n -= 8;
    }
    uint64_t x = n;
    for (size_t i = 0; i < n; i++) x = x << 8 | (unsigned char)p[i];
    return mix(h, x);
}

/* 2^63 as a double; an int64 is smaller. */
#define TWO_63 9223372036854775808.0

bool suan__j_hash(jrt *rt, jval v, uint64_t *h) {
    uint64_t seed = rt->hash_seed;
    switch ((jtag)v.tag) {
    case J_STR:
        if (!suan__j_charge_bytes(rt, v.u.s->n)) return false;
        *h = hash_bytes(seed, v.u.s->p, v.u.s->n);
        return true;
    case J_BOOL:
        *h = mix(seed, (uint64_t)v.u.b);
        return true;
    case J_INT:
        *h = mix(seed, (uint64_t)v.u.i);
        return true;
    case J_FLOAT:
        /* Equal numbers have equal hashes, whatever their type. */
        if (v.u.f >= -TWO_63 && v.u.f < TWO_63 && (double)(int64_t)v.u.f == v.u.f) {
            *h = mix(seed, (uint64_t)(int64_t)v.u.f);
        } else {
            uint64_t bits;
            memcpy(&bits, &v.u.f, 8);
            *h = mix(seed ^ 1, bits);
        }
        return true;
    case J_NONE:
    case J_UNDEFINED:
        *h = mix(seed, 0x9e00u + v.tag);
        return true;
    case J_TUPLE: {
        uint64_t t = mix(seed, 0x7u);
        if (!suan__j_stack_ok(rt) || !suan__j_charge(rt, v.u.l->n)) return false;
        for (uint32_t i = 0; i < v.u.l->n; i++) {
            uint64_t one;
            if (!suan__j_hash(rt, v.u.l->v[i], &one)) return false;
            t = mix(t, one);
        }
        *h = t;
        return true;
    }
    case J_LIST:
    case J_DICT:
        return suan__j_fail(rt, "unhashable type: '%s'", suan__j_type_name(v));
    default:
        *h = mix(seed, (uint64_t)(uintptr_t)v.u.p);
        return true;
    }
}

static bool is_number(jval v) {
    return v.tag == J_BOOL || v.tag == J_INT || v.tag == J_FLOAT;
}
static int64_t as_int(jval v) {
    return v.tag == J_BOOL ? v.u.b : v.u.i;
}
static double as_double(jval v) {
    return v.tag == J_FLOAT ? v.u.f : (double)as_int(v);
}

/* -1, 0, 1 exactly, also where an int is no double; 2 with a NaN. */
static int compare_numbers(jval a, jval b) {
    if (a.tag != J_FLOAT && b.tag != J_FLOAT) {
        int64_t x = as_int(a), y = as_int(b);
        return (x > y) - (x < y);
    }
    if (a.tag == J_FLOAT && b.tag == J_FLOAT) return isnan(a.u.f) || isnan(b.u.f) ? 2 : (a.u.f > b.u.f) - (a.u.f < b.u.f);
    if (a.tag == J_FLOAT) {
        int r = compare_numbers(b, a);
        return r == 2 ? 2 : -r;
    }
    double f = b.u.f;
    if (isnan(f)) return 2;
    if (f >= TWO_63) return -1;
    if (f < -TWO_63) return 1;
    int64_t x = as_int(a), whole = (int64_t)f; /* toward zero */
    if (x != whole) return x > whole ? 1 : -1;
    double rest = f - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static bool equal_lists(jrt *rt, const jlist *a, const jlist *b, bool *r) {
    *r = false;
    if (a->n != b->n) return true;
    for (uint32_t i = 0; i < a->n; i++) {
        if (!suan__j_charge(rt, 1) || !suan__j_equal(rt, a->v[i], b->v[i], r)) return false;
        if (!*r) return true;
    }
    *r = true;
    return true;
}

static bool equal_dicts(jrt *rt, const jdict *a, const jdict *b, bool *r) {
    *r = false;
    if (a->n != b->n) return true;
    for (uint32_t i = 0; i < a->n; i++) {
        jval *other;
        if (!suan__j_charge(rt, 1) || !suan__j_dict_get(rt, b, a->e[i].key, &other)) return false;
        if (!other) return true;
        if (!suan__j_equal(rt, a->e[i].value, *other, r)) return false;
        if (!*r) return true;
    }
    *r = true;
    return true;
}

bool suan__j_equal(jrt *rt, jval a, jval b, bool *r) {
    *r = false;
    if (is_number(a) && is_number(b)) {
        *r = compare_numbers(a, b) == 0;
        return true;
    }
    if (a.tag != b.tag) return true;
    switch ((jtag)a.tag) {
    case J_UNDEFINED:
    case J_NONE:
        *r = true;
        return true;
    case J_STR:
        if (a.u.s == b.u.s) {
            *r = true;
            return true;
        }
        if (a.u.s->n != b.u.s->n) return true;
        if (!suan__j_charge_bytes(rt, a.u.s->n)) return false;
        *r = memcmp(a.u.s->p, b.u.s->p, a.u.s->n) == 0;
        return true;
    case J_LIST:
    case J_TUPLE:
        return suan__j_stack_ok(rt) && equal_lists(rt, a.u.l, b.u.l, r);
    case J_DICT:
        return suan__j_stack_ok(rt) && equal_dicts(rt, a.u.d, b.u.d, r);
    case J_RANGE:
        *r = a.u.range->n == b.u.range->n &&
             (a.u.range->n == 0 || (a.u.range->start == b.u.range->start && (a.u.range->n == 1 || a.u.range->step == b.u.range->step)));
        return true;
    case J_METHOD: {
        struct jmethod *m = a.u.method, *k = b.u.method;
        *r = m->def == k->def && m->self.u.p == k->self.u.p;
        return true;
    }
    case J_VIEW:
        *r = a.u.d == b.u.d && a.aux == b.aux;
        return true;
    default:
        *r = a.u.p == b.u.p;
        return true;
    }
}

bool suan__j_compare(jrt *rt, jval a, jval b, const char *op, int *r) {
    if (is_number(a) && is_number(b)) {
        *r = compare_numbers(a, b);
        return true;
    }
    if (a.tag == J_STR && b.tag == J_STR) {
        uint32_t n = a.u.s->n < b.u.s->n ? a.u.s->n : b.u.s->n;
        if (!suan__j_charge_bytes(rt, n)) return false;
        int c = memcmp(a.u.s->p, b.u.s->p, n); /* UTF-8 sorts as its code points do */
        *r = c ? (c > 0 ? 1 : -1) : (a.u.s->n > b.u.s->n) - (a.u.s->n < b.u.s->n);
        return true;
    }
    if (a.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, a);
    if (b.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, b);
    if ((a.tag == J_LIST || a.tag == J_TUPLE) && a.tag == b.tag) {
        if (!suan__j_stack_ok(rt)) return false;
        for (uint32_t i = 0; i < a.u.l->n && i < b.u.l->n; i++) {
            bool eq;
            if (!suan__j_charge(rt, 1) || !suan__j_equal(rt, a.u.l->v[i], b.u.l->v[i], &eq)) return false;
            if (!eq) return suan__j_compare(rt, a.u.l->v[i], b.u.l->v[i], op, r);
        }
        *r = (a.u.l->n > b.u.l->n) - (a.u.l->n < b.u.l->n);
        return true;
    }
    return suan__j_fail(rt, "'%s' not supported between instances of '%s' and '%s'", op, suan__j_type_name(a), suan__j_type_name(b));
}

/* ---- arithmetic */

static bool fail_operands(jrt *rt, const char *op, jval a, jval b) {
    return suan__j_fail(rt, "unsupported operand type(s) for %s: '%s' and '%s'", op, suan__j_type_name(a), suan__j_type_name(b));
}

static bool fail_overflow(jrt *rt) {
    return suan__j_fail(rt, "integer overflow: the result does not fit in 64 bits");
}

static double floor_mod(double a, double b) {
    double m = fmod(a, b); /* exact by definition */
    if (m != 0) {
        if ((b < 0) != (m < 0)) m += b;
    } else {
        m = copysign(0.0, b);
    }
    return m;
}

static double floor_div(double a, double b) {
    double m = fmod(a, b), d = (a - m) / b;
    if (m != 0 && (b < 0) != (m < 0)) d -= 1.0;
    if (d == 0) return copysign(0.0, a / b);
    double f = floor(d);
    return d - f > 0.5 ? f + 1.0 : f;
}

static bool power(jrt *rt, jval a, jval b, jval *out) {
    if (a.tag != J_FLOAT && b.tag != J_FLOAT && as_int(b) >= 0) {
        int64_t base = as_int(a), e = as_int(b), r = 1;
        while (e > 0) {
            if ((e & 1) && __builtin_mul_overflow(r, base, &r)) return fail_overflow(rt);
            e >>= 1;
            if (e > 0 && __builtin_mul_overflow(base, base, &base)) return fail_overflow(rt);
        }
        *out = suan__j_int(r);
        return true;
    }
    double x = as_double(a), y = as_double(b), r = 1;
    if (x == 0 && y < 0) return suan__j_fail(rt, "0.0 cannot be raised to a negative power");
    if (y == 0.5) {
        *out = suan__j_float(sqrt(x));
        return true;
    }
    /* Whole exponents by repeated squaring; no libm decides a bit. */
    if (floor(y) != y || fabs(y) > 1100) return suan__j_fail(rt, "** with this exponent is not supported");
    int e = (int)fabs(y);
    for (double p = x; e; e >>= 1, p *= p)
        if (e & 1) r *= p;
    *out = suan__j_float(y < 0 ? 1.0 / r : r);
    return true;
}

static bool int_arithmetic(jrt *rt, char op, int64_t a, int64_t b, jval *out) {
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &r);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case 'f':
    case '%':
        if (!b) return suan__j_fail(rt, "integer division or modulo by zero");
        if (b == -1) { /* the one quotient that overflows */
            over = op == 'f' && __builtin_sub_overflow((int64_t)0, a, &r);
            break;
        }
        r = op == 'f' ? a / b : a % b;
        if (a % b != 0 && (a % b < 0) != (b < 0)) r += op == 'f' ? -1 : b;
        break;
    default:
        break;
    }
    if (over) return fail_overflow(rt);
    *out = suan__j_int(r);
    return true;
}

static bool number_arithmetic(jrt *rt, char op, jval a, jval b, jval *out) {
    if (op == 'p') return power(rt, a, b, out);
    if (op != '/' && a.tag != J_FLOAT && b.tag != J_FLOAT) return int_arithmetic(rt, op, as_int(a), as_int(b), out);
    double x = as_double(a), y = as_double(b), r;
    if ((op == '/' || op == 'f' || op == '%') && y == 0)
        return suan__j_fail(rt, op == '/' ? "division by zero" : "float floor division by zero");
    switch (op) {
    case '+':
        r = x + y;
        break;
    case '-':
        r = x - y;
        break;
    case '*':
        r = x * y;
        break;
    case '/':
        r = x / y;
        break;
    case 'f':
        r = floor_div(x, y);
        break;
    default:
        r = floor_mod(x, y);
        break;
    }
    *out = suan__j_float(r);
    return true;
}

static bool repeat(jrt *rt, jval v, int64_t times, jval *out) {
    if (times < 0) times = 0;
    if (v.tag == J_STR) {
        const jstr *s = v.u.s;
        if (s->n && (uint64_t)times > rt->limit_bytes / s->n)
            return suan__j_fail_status(rt, SUAN_ELIMIT, "a repeated string would pass the limit of %zu bytes", rt->limit_bytes);
        jbuf b;
        suan__j_buf_init(&b, rt);
        for (int64_t i = 0; i < times && s->n; i++)
            if (!suan__j_charge(rt, 1) || !suan__j_buf_str(&b, s)) return false;
        return suan__j_buf_finish(&b, out);
    }
    const jlist *l = v.u.l;
    if (l->n && (uint64_t)times > rt->limit_bytes / sizeof(jval) / l->n)
        return suan__j_fail_status(rt, SUAN_ELIMIT, "a repeated list would pass the limit of %zu bytes", rt->limit_bytes);
    jlist *r = suan__j_list_new(rt, (uint32_t)(l->n * (uint64_t)times));
    if (!r || !suan__j_charge(rt, l->n * (uint64_t)times)) return false;
    for (int64_t i = 0; i < times; i++) {
        if (l->n) memcpy(r->v + r->n, l->v, l->n * sizeof(jval));
        r->n += l->n;
    }
    *out = (jval){.tag = v.tag, .taint = v.taint, .u.l = r};
    return true;
}

static bool add_lists(jrt *rt, jval a, jval b, jval *out) {
    uint64_t n = (uint64_t)a.u.l->n + b.u.l->n;
    if (n > INT32_MAX || !suan__j_charge(rt, n)) return suan__j_fail_steps(rt);
    jlist *r = suan__j_list_new(rt, (uint32_t)n);
    if (!r) return false;
    if (a.u.l->n) memcpy(r->v, a.u.l->v, a.u.l->n * sizeof(jval));
    if (b.u.l->n) memcpy(r->v + a.u.l->n, b.u.l->v, b.u.l->n * sizeof(jval));
    r->n = (uint32_t)n;
    *out = (jval){.tag = a.tag, .taint = a.taint | b.taint, .u.l = r};
    return true;
}

/* Markup + str escapes the str, and str + Markup too. */
static bool add_strings(struct jinja *in, jval a, jval b, jval *out) {
    jrt *rt = &in->rt;
    bool markup = a.u.s->markup || b.u.s->markup;
    if (markup && (!suan__j_escape(rt, a, &a) || !suan__j_escape(rt, b, &b))) return false;
    if (!suan__j_str_concat(rt, a.u.s, b.u.s, out)) return false;
    return !markup || suan__j_mark_safe(rt, *out, out);
}

static bool add(struct jinja *in, jval a, jval b, jval *out) {
    if (a.tag == J_STR && b.tag == J_STR) return add_strings(in, a, b, out);
    if ((a.tag == J_LIST || a.tag == J_TUPLE) && a.tag == b.tag) return add_lists(&in->rt, a, b, out);
    if (a.tag == J_STR || a.tag == J_LIST || a.tag == J_TUPLE) {
        const char *t = a.tag == J_STR ? "str" : suan__j_type_name(a);
        return suan__j_fail(&in->rt, "can only concatenate %s (not \"%s\") to %s", t, suan__j_type_name(b), t);
    }
    return fail_operands(&in->rt, "+", a, b);
}

bool suan__j_binary(struct jinja *in, char op, jval a, jval b, jval *out) {
    jrt *rt = &in->rt;
    if (is_number(a) && is_number(b)) {
        if (!number_arithmetic(rt, op, a, b, out)) return false;
        out->taint = a.taint | b.taint;
        return true;
    }
    if (op == '%' && a.tag == J_STR) return suan__j_percent_format(in, a, b, out);
    if (a.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, a);
    if (b.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, b);
    if (op == '+') return add(in, a, b, out);
    if (op == '*') {
        bool a_seq = a.tag == J_STR || a.tag == J_LIST || a.tag == J_TUPLE, b_seq = b.tag == J_STR || b.tag == J_LIST || b.tag == J_TUPLE;
        jval seq = a_seq ? a : b, times = a_seq ? b : a;
        if ((a_seq || b_seq) && (times.tag == J_INT || times.tag == J_BOOL)) return repeat(rt, seq, as_int(times), out);
        if (a_seq || b_seq) return suan__j_fail(rt, "can't multiply sequence by non-int of type '%s'", suan__j_type_name(times));
    }
    if (op == '-' && a.tag == J_VIEW) return suan__j_fail(rt, "set operations on views are not supported");
    const char *name = op == 'f'   ? "//"
                       : op == 'p' ? "** or pow()"
                       : op == '-' ? "-"
                       : op == '*' ? "*"
                       : op == '/' ? "/"
                       : op == '%' ? "%"
                                   : "+";
    return fail_operands(rt, name, a, b);
}

bool suan__j_negate(jrt *rt, jval v, jval *out) {
    uint8_t taint = v.taint;
    if (v.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, v);
    if (v.tag == J_FLOAT) {
        *out = suan__j_float(-v.u.f);
    } else if (v.tag == J_INT || v.tag == J_BOOL) {
        if (as_int(v) == INT64_MIN) return fail_overflow(rt);
        *out = suan__j_int(-as_int(v));
    } else {
        return suan__j_fail(rt, "bad operand type for unary -: '%s'", suan__j_type_name(v));
    }
    out->taint = taint;
    return true;
}

/* ---- containers */

bool suan__j_length(jrt *rt, jval v, int64_t *n) {
    switch ((jtag)v.tag) {
    case J_UNDEFINED:
        *n = 0;
        return true;
    case J_STR:
        *n = v.u.s->n_cp;
        return true;
    case J_LIST:
    case J_TUPLE:
        *n = v.u.l->n;
        return true;
    case J_DICT:
    case J_VIEW:
        *n = v.u.d->n;
        return true;
    case J_RANGE:
        *n = v.u.range->n;
        return true;
    default:
        return suan__j_fail(rt, "object of type '%s' has no len()", suan__j_type_name(v));
    }
}

static bool contains_range(jval haystack, jval needle) {
    const jrange *g = haystack.u.range;
    if (needle.tag != J_INT && needle.tag != J_BOOL && needle.tag != J_FLOAT) return false;
    if (needle.tag == J_FLOAT && (double)(int64_t)needle.u.f != needle.u.f) return false;
    int64_t i = needle.tag == J_FLOAT ? (int64_t)needle.u.f : as_int(needle), d;
    if (__builtin_sub_overflow(i, g->start, &d) || d % g->step != 0) return false;
    return d / g->step >= 0 && d / g->step < g->n;
}

bool suan__j_contains(struct jinja *in, jval haystack, jval needle, bool *r) {
    jrt *rt = &in->rt;
    *r = false;
    switch ((jtag)haystack.tag) {
    case J_STR:
        if (needle.tag != J_STR)
            return suan__j_fail(rt, "'in <string>' requires string as left operand, not %s", suan__j_type_name(needle));
        if (!suan__j_charge_search(rt, haystack.u.s->n, needle.u.s->n)) return false;
        *r = !needle.u.s->n || memmem(haystack.u.s->p, haystack.u.s->n, needle.u.s->p, needle.u.s->n) != NULL;
        return true;
    case J_DICT: {
        jval *found;
        if (!suan__j_dict_get(rt, haystack.u.d, needle, &found)) return false;
        *r = found != NULL;
        return true;
    }
    case J_RANGE:
        *r = contains_range(haystack, needle);
        return true;
    default:
        break;
    }
    jcursor c;
    if (!suan__j_is_iterable(haystack)) return suan__j_fail(rt, "argument of type '%s' is not iterable", suan__j_type_name(haystack));
    if (!suan__j_iter_begin(in, haystack, &c)) return false;
    for (;;) {
        jval item;
        bool more;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) return true;
        if (!suan__j_equal(rt, item, needle, r)) return false;
        if (*r) return true;
    }
}

bool suan__j_is_iterable(jval v) {
    switch ((jtag)v.tag) {
    case J_UNDEFINED:
    case J_STR:
    case J_LIST:
    case J_TUPLE:
    case J_DICT:
    case J_VIEW:
    case J_RANGE:
    case J_ITER:
    case J_LOOP:
        return true;
    default:
        return false;
    }
}

bool suan__j_iter_begin(struct jinja *in, jval v, jcursor *c) {
    *c = (jcursor){.in = in, .v = v};
    if (!suan__j_is_iterable(v)) return suan__j_fail(&in->rt, "'%s' object is not iterable", suan__j_type_name(v));
    if (v.tag == J_DICT || v.tag == J_VIEW) c->n = v.u.d->n;
    if (v.tag == J_ITER && !v.u.iter->items) {
        v.u.iter->items = suan__j_list_new(&in->rt, 0);
        if (!v.u.iter->items || !v.u.iter->make(in, v.u.iter)) return false;
    }
    return true;
}

bool suan__j_iter_next(jcursor *c, jval *item, bool *more) {
    jrt *rt = &c->in->rt;
    *more = false;
    if (!suan__j_charge(rt, 1)) return false;
    switch ((jtag)c->v.tag) {
    case J_LIST:
    case J_TUPLE:
        if (c->pos >= c->v.u.l->n) return true;
        *item = c->v.u.l->v[c->pos++];
        break;
    case J_STR: {
        const jstr *s = c->v.u.s;
        if (c->pos >= s->n) return true;
        size_t end = c->pos + 1;
        while (end < s->n && ((unsigned char)s->p[end] & 0xc0) == 0x80) end++;
        if (!suan__j_str_slice(rt, s, c->pos, end, item)) return false;
        c->pos = end;
        break;
    }
    case J_DICT:
    case J_VIEW: {
        if (c->pos >= c->n) return true;
        const jentry *e = &c->v.u.d->e[c->pos++];
        if (c->v.tag == J_VIEW && c->v.aux == 'i') {
            if (!suan__j_tuple2(rt, e->key, e->value, item)) return false;
        } else {
            *item = c->v.tag == J_VIEW && c->v.aux == 'v' ? e->value : e->key;
        }
        break;
    }
    case J_RANGE:
        if (c->pos >= (size_t)c->v.u.range->n) return true;
        *item = suan__j_int(c->v.u.range->start + (int64_t)c->pos++ * c->v.u.range->step);
        item->taint = c->v.taint;
        break;
    case J_ITER: {
        jiter *it = c->v.u.iter;
        if (it->pos >= it->items->n) return true;
        *item = it->items->v[it->pos++];
        break;
    }
    case J_LOOP:
        return suan__j_loop_next(c->in, c->v, item, more);
    default:
        return true;
    }
    *more = true;
    return true;
}

bool suan__j_to_list(struct jinja *in, jval v, jlist **l) {
    jcursor c;
    *l = suan__j_list_new(&in->rt, 0);
    if (!*l || !suan__j_iter_begin(in, v, &c)) return false;
    for (;;) {
        jval item;
        bool more;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) return true;
        if (!suan__j_list_push(&in->rt, *l, item)) return false;
    }
}

/* Bottom-up merge sort: no recursion, n log n comparisons, stable. With reverse, equal items keep their order too, as Python's do. */
bool suan__j_sort(jrt *rt, jval *items, jval *keys, uint32_t n, bool reverse) {
    jval *ti = J_NEW(rt, jval, n), *tk = J_NEW(rt, jval, n);
    if (!ti || !tk) return false;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t lo = 0; lo < n; lo += 2 * width) {
            uint64_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            uint64_t i = lo, j = mid;
            for (uint64_t k = lo; k < hi; k++) {
                bool right = i >= mid;
                if (!right && j < hi) {
                    int r;
                    if (!suan__j_charge(rt, 1)) return false;
                    if (!suan__j_compare(rt, reverse ? keys[i] : keys[j], reverse ? keys[j] : keys[i], "<", &r)) return false;
                    right = r < 0;
                }
                uint64_t from = right ? j++ : i++;
                ti[k] = items[from];
                tk[k] = keys[from];
            }
        }
        memcpy(items, ti, n * sizeof(jval));
        memcpy(keys, tk, n * sizeof(jval));
    }
    return true;
}
