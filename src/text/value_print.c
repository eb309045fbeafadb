/* value_print.c: str() and repr() of values as Python prints them, floats in the shortest form that reads back.
 *
 * What is printed of a container that holds anything of the request counts as the request's, brackets and commas included.
 */
#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_run.h"
#include "text/unicode.h"

/* ---- floats. printf and strtod use the process's locale, whose decimal point is put in and taken out here. */

static size_t replace_point(char *s, const char *from, const char *to) {
    char *at = strstr(s, from);
    size_t n = strlen(s), nf = strlen(from), nt = strlen(to);
    if (!at || nf > 8 || nt > 8) return n;
    memmove(at + nt, at + nf, n - (size_t)(at - s) - nf + 1);
    memcpy(at, to, nt);
    return n - nf + nt;
}

bool suan__j_parse_double(const char *p, size_t n, double *f) {
    char s[416];
    char *end;
    if (!n || n > 400) return false;
    for (size_t i = 0; i < n; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || p[i] == '.' || p[i] == 'e' || p[i] == 'E' || p[i] == '+' || p[i] == '-')) return false;
    memcpy(s, p, n);
    s[n] = 0;
    size_t len = replace_point(s, ".", nl_langinfo(RADIXCHAR));
    *f = strtod(s, &end);
    return end == s + len;
}

/* Digits of the shortest decimal that reads back as f (finite, > 0): d.ddd x 10^*exponent; returns their number. */
static int shortest_digits(double f, char digits[24], int *exponent) {
    char s[48];
    const char *point = nl_langinfo(RADIXCHAR);
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(s, sizeof s, "%.*e", precision, f);
        if (precision < 16 && strtod(s, NULL) != f) continue;
        break;
    }
    replace_point(s, point, ".");
    int n = 0;
    const char *c = s;
    for (; *c && *c != 'e'; c++)
        if (*c >= '0' && *c <= '9' && n < 20) digits[n++] = *c;
    *exponent = *c ? (int)strtol(c + 1, NULL, 10) : 0;
    while (n > 1 && digits[n - 1] == '0') n--;
    return n;
}

size_t suan__j_format_double(double f, char out[40]) {
    char digits[24];
    int e, n, at = 0;
    if (isnan(f)) return (size_t)snprintf(out, 40, "nan");
    if (isinf(f)) return (size_t)snprintf(out, 40, f < 0 ? "-inf" : "inf");
    if (signbit(f)) out[at++] = '-';
    f = fabs(f);
    if (f == 0) {
        memcpy(out + at, "0.0", 4);
        return (size_t)at + 3;
    }
    n = shortest_digits(f, digits, &e);
    if (e >= -4 && e < 16) {
        if (e < 0) {
            out[at++] = '0';
            out[at++] = '.';
            for (int i = -1; i > e; i--) out[at++] = '0';
        }
        for (int i = 0; i < n; i++) {
            out[at++] = digits[i];
            if (i == e && i + 1 < n) out[at++] = '.';
        }
        for (int i = n; i <= e; i++) out[at++] = '0';
        if (e >= n - 1) {
            out[at++] = '.';
            out[at++] = '0';
        }
        out[at] = 0;
        return (size_t)at;
    }
    out[at++] = digits[0];
    if (n > 1) {
        out[at++] = '.';
        memcpy(out + at, digits + 1, (size_t)n - 1);
        at += n - 1;
    }
    return (size_t)at + (size_t)snprintf(out + at, 40 - (size_t)at, "e%c%02d", e < 0 ? '-' : '+', e < 0 ? -e : e);
}

/* ---- repr */

static bool put_escape(jbuf *b, uint32_t cp, uint8_t taint) {
    char s[12];
    int n = cp < 0x100 ? snprintf(s, sizeof s, "\\x%02x", cp) : snprintf(s, sizeof s, cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
    return suan__j_buf_put(b, s, (size_t)n, taint);
}

static bool repr_str(jbuf *b, const jstr *s) {
    bool single = memchr(s->p, '\'', s->n) != NULL, dbl = memchr(s->p, '"', s->n) != NULL;
    char quote = single && !dbl ? '"' : '\'';
    if (s->markup && !suan__j_buf_c(b, "Markup(")) return false;
    if (!suan__j_buf_put(b, &quote, 1, 0)) return false;
    for (size_t i = 0; i < s->n;) {
        uint32_t cp;
        size_t n = suan__utf8_decode(s->p + i, s->n - i, &cp);
        uint8_t taint = s->t ? s->t[i] : s->taint;
        if (!n) return suan__j_fail(b->rt, "invalid UTF-8 in a string");
        const char *esc = cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : cp == '\t' ? "\\t" : cp == '\\' ? "\\\\" : NULL;
        char quoted[2] = {'\\', quote};
        bool ok;
        if (esc)
            ok = suan__j_buf_put(b, esc, 2, taint);
        else if (cp == (unsigned char)quote)
            ok = suan__j_buf_put(b, quoted, 2, taint);
        else if (suan__unicode_is_printable(cp))
            ok = suan__j_buf_put(b, s->p + i, n, taint);
        else
            ok = put_escape(b, cp, taint);
        if (!ok) return false;
        i += n;
    }
    return suan__j_buf_put(b, &quote, 1, 0) && (!s->markup || suan__j_buf_c(b, ")"));
}

static bool repr_items(jbuf *b, const jlist *l, const char *open, const char *close) {
    if (!suan__j_buf_c(b, open)) return false;
    for (uint32_t i = 0; i < l->n; i++) {
        if (!suan__j_charge(b->rt, 1) || (i && !suan__j_buf_c(b, ", ")) || !suan__j_repr(b, l->v[i])) return false;
    }
    return suan__j_buf_c(b, close);
}

static bool repr_dict(jbuf *b, const jdict *d) {
    if (!suan__j_buf_c(b, "{")) return false;
    for (uint32_t i = 0; i < d->n; i++) {
        if (!suan__j_charge(b->rt, 1) || (i && !suan__j_buf_c(b, ", "))) return false;
        if (!suan__j_repr(b, d->e[i].key) || !suan__j_buf_c(b, ": ") || !suan__j_repr(b, d->e[i].value)) return false;
    }
    return suan__j_buf_c(b, "}");
}

static bool repr_view(jbuf *b, jval v) {
    const jdict *d = v.u.d;
    if (!suan__j_buf_c(b, suan__j_type_name(v)) || !suan__j_buf_c(b, "([")) return false;
    for (uint32_t i = 0; i < d->n; i++) {
        if (!suan__j_charge(b->rt, 1) || (i && !suan__j_buf_c(b, ", "))) return false;
        if (v.aux == 'i' && !suan__j_buf_c(b, "(")) return false;
        if (v.aux != 'v' && !suan__j_repr(b, d->e[i].key)) return false;
        if (v.aux == 'i' && !suan__j_buf_c(b, ", ")) return false;
        if (v.aux != 'k' && !suan__j_repr(b, d->e[i].value)) return false;
        if (v.aux == 'i' && !suan__j_buf_c(b, ")")) return false;
    }
    return suan__j_buf_c(b, "])");
}

static __attribute__((noinline)) bool repr_scalar(jbuf *b, jval v) {
    char s[96];
    size_t n;
    switch ((jtag)v.tag) {
    case J_INT:
        n = (size_t)snprintf(s, sizeof s, "%lld", (long long)v.u.i);
        break;
    case J_FLOAT:
        n = suan__j_format_double(v.u.f, s);
        break;
    case J_RANGE:
        if (v.u.range->step == 1)
            n = (size_t)snprintf(s, sizeof s, "range(%lld, %lld)", (long long)v.u.range->start, (long long)v.u.range->stop);
        else
            n = (size_t)snprintf(s, sizeof s, "range(%lld, %lld, %lld)", (long long)v.u.range->start, (long long)v.u.range->stop,
                                 (long long)v.u.range->step);
        break;
    default: /* Python would print an address here. */
        n = (size_t)snprintf(s, sizeof s, "<%s object>", suan__j_type_name(v));
        break;
    }
    return suan__j_buf_put(b, s, n, v.taint);
}

bool suan__j_repr(jbuf *b, jval v) {
    size_t from = b->n;
    bool ok;
    if (!suan__j_stack_ok(b->rt)) return false;
    switch ((jtag)v.tag) {
    case J_UNDEFINED:
        return suan__j_buf_c(b, "Undefined");
    case J_NONE:
        return suan__j_buf_put(b, "None", 4, v.taint);
    case J_BOOL:
        return v.u.b ? suan__j_buf_put(b, "True", 4, v.taint) : suan__j_buf_put(b, "False", 5, v.taint);
    case J_STR:
        return repr_str(b, v.u.s);
    case J_LIST:
        ok = repr_items(b, v.u.l, "[", "]");
        break;
    case J_TUPLE:
        ok = repr_items(b, v.u.l, "(", v.u.l->n == 1 ? ",)" : ")");
        break;
    case J_DICT:
        ok = repr_dict(b, v.u.d);
        break;
    case J_VIEW:
        ok = repr_view(b, v);
        break;
    case J_NAMESPACE:
        ok = suan__j_buf_c(b, "<Namespace ") && repr_dict(b, v.u.d) && suan__j_buf_c(b, ">");
        break;
    default:
        return repr_scalar(b, v);
    }
    if (ok && (v.taint || suan__j_buf_has_taint(b, from))) ok = suan__j_buf_taint(b, from);
    return ok;
}

bool suan__j_print(jbuf *b, jval v) {
    if (v.tag == J_STR) return suan__j_buf_str(b, v.u.s);
    if (v.tag == J_UNDEFINED) return true;
    return suan__j_repr(b, v);
}

bool suan__j_to_str(jrt *rt, jval v, jval *out) {
    jbuf b;
    if (v.tag == J_STR) {
        *out = v;
        return true;
    }
    suan__j_buf_init(&b, rt);
    return suan__j_print(&b, v) && suan__j_buf_finish(&b, out);
}
