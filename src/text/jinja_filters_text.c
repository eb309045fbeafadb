/* jinja_filters_text.c: filters that make text or numbers of one value. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_run.h"

#define FILTER(name) static bool name(jinja *in, jval self, const jargs *args, jval *out)

/* soft_str(value), and no arguments or those of `spec`. */
static bool text_and(jinja *in, const char *fn, jval *self, const jargs *args, const char *spec, jval *a) {
    return suan__j_bind(in, fn, args, spec, a) && suan__j_to_str(&in->rt, *self, self);
}

static bool is_given(jval v) {
    return v.tag != J_MISSING && v.tag != J_NONE;
}

/* ---- case and blanks */

static bool change(jinja *in, const char *fn, jval self, const jargs *args, jcase how, jval *out) {
    jval a[1];
    return text_and(in, fn, &self, args, "", a) && suan__j_change_case(&in->rt, self.u.s, how, out);
}
FILTER(f_upper) {
    return change(in, "upper", self, args, CASE_UPPER, out);
}
FILTER(f_lower) {
    return change(in, "lower", self, args, CASE_LOWER, out);
}
FILTER(f_capitalize) {
    return change(in, "capitalize", self, args, CASE_CAPITALIZE, out);
}
FILTER(f_title) {
    return change(in, "title", self, args, CASE_JINJA_TITLE, out);
}
FILTER(f_trim) {
    jval a[1];
    if (!text_and(in, "trim", &self, args, "chars", a)) return false;
    if (is_given(a[0]) && a[0].tag != J_STR) return suan__j_fail(&in->rt, "strip arg must be None or str");
    return suan__j_strip(&in->rt, self.u.s, is_given(a[0]) ? a[0].u.s : NULL, 3, out);
}
FILTER(f_center) {
    jval a[1];
    int64_t width = 80;
    if (!text_and(in, "center", &self, args, "width", a)) return false;
    if (a[0].tag != J_MISSING && !suan__j_arg_int(in, "center", a[0], &width)) return false;
    return suan__j_pad(&in->rt, self.u.s, width, NULL, 2, out);
}
FILTER(f_string) {
    jval a[1];
    if (!text_and(in, "string", &self, args, "", a)) return false;
    *out = self;
    return true;
}
FILTER(f_safe) {
    jval a[1];
    return suan__j_bind(in, "safe", args, "", a) && suan__j_mark_safe(&in->rt, self, out);
}
FILTER(f_escape) {
    jval a[1];
    return suan__j_bind(in, "escape", args, "", a) && suan__j_escape(&in->rt, self, out);
}
/* str(value) without the mark of |safe */
static bool plain_text(jrt *rt, jval v, jval *out) {
    static const jstr empty = {.p = ""};
    if (!suan__j_to_str(rt, v, out)) return false;
    return !out->u.s->markup || suan__j_str_concat(rt, out->u.s, &empty, out);
}
FILTER(f_forceescape) {
    jval a[1];
    return suan__j_bind(in, "forceescape", args, "", a) && plain_text(&in->rt, self, &self) && suan__j_escape(&in->rt, self, out);
}

FILTER(f_replace) {
    jval a[3];
    int64_t count = -1;
    if (!suan__j_bind(in, "replace", args, "old,new,count", a)) return false;
    if (a[0].tag == J_MISSING || a[1].tag == J_MISSING) return suan__j_fail(&in->rt, "replace() takes the old and the new text");
    if (is_given(a[2]) && !suan__j_arg_int(in, "replace", a[2], &count)) return false;
    if (!plain_text(&in->rt, self, &self) || !suan__j_to_str(&in->rt, a[0], &a[0]) || !suan__j_to_str(&in->rt, a[1], &a[1])) return false;
    return suan__j_replace(&in->rt, self.u.s, a[0].u.s, a[1].u.s, count, out);
}

/* ---- lines and words */

FILTER(f_indent) {
    jval a[3], lines;
    int64_t width = 4;
    jrt *rt = &in->rt;
    static const jstr newline = {.p = "\n", .n = 1, .n_cp = 1};
    if (!suan__j_bind(in, "indent", args, "width,first,blank", a)) return false;
    if (self.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, self);
    if (self.tag != J_STR) return suan__j_fail(rt, "unsupported operand type(s) for +=: '%s' and 'str'", suan__j_type_name(self));
    bool first = a[1].tag != J_MISSING && suan__j_truth(a[1]), blank = a[2].tag != J_MISSING && suan__j_truth(a[2]);
    jval indention;
    if (a[0].tag == J_STR) {
        indention = a[0];
    } else {
        jval space;
        if (a[0].tag != J_MISSING && !suan__j_arg_int(in, "indent", a[0], &width)) return false;
        if (!suan__j_str_c(rt, " ", &space) || !suan__j_binary(in, '*', space, suan__j_int(width), &indention)) return false;
    }
    jval s;
    if (!suan__j_str_concat(rt, self.u.s, &newline, &s) || !suan__j_splitlines(rt, s.u.s, false, &lines)) return false;
    jbuf b;
    suan__j_buf_init(&b, rt);
    if (first && !suan__j_buf_str(&b, indention.u.s)) return false;
    for (uint32_t i = 0; i < lines.u.l->n; i++) {
        const jstr *line = lines.u.l->v[i].u.s;
        if (!suan__j_charge(rt, 1)) return false;
        if (i && (!suan__j_buf_c(&b, "\n") || ((blank || line->n) && !suan__j_buf_str(&b, indention.u.s)))) return false;
        if (!suan__j_buf_str(&b, line)) return false;
    }
    if (!suan__j_buf_finish(&b, out)) return false;
    return !self.u.s->markup || suan__j_mark_safe(rt, *out, out);
}

FILTER(f_truncate) {
    jval a[4], end, cut, words;
    int64_t length = 255, leeway = 5;
    jrt *rt = &in->rt;
    static const jstr space = {.p = " ", .n = 1, .n_cp = 1};
    if (!suan__j_bind(in, "truncate", args, "length,killwords,end,leeway", a)) return false;
    if (self.tag != J_STR) return suan__j_fail(rt, "truncate() needs a str, not %s", suan__j_type_name(self));
    if (a[0].tag != J_MISSING && !suan__j_arg_int(in, "truncate", a[0], &length)) return false;
    if (is_given(a[3]) && !suan__j_arg_int(in, "truncate", a[3], &leeway)) return false;
    end = a[2];
    if (end.tag == J_MISSING && !suan__j_str_c(rt, "...", &end)) return false;
    if (end.tag != J_STR) return suan__j_fail(rt, "truncate() needs a str as end, not %s", suan__j_type_name(end));
    if (length < end.u.s->n_cp) return suan__j_fail(rt, "expected length >= %u, got %lld", end.u.s->n_cp, (long long)length);
    if (leeway < 0) return suan__j_fail(rt, "expected leeway >= 0, got %lld", (long long)leeway);
    int64_t limit;
    if (__builtin_add_overflow(length, leeway, &limit) || self.u.s->n_cp <= limit) {
        *out = self;
        return true;
    }
    if (!suan__j_slice(in, self, suan__j_missing(), suan__j_int(length - end.u.s->n_cp), suan__j_missing(), &cut)) return false;
    if (!(a[1].tag != J_MISSING && suan__j_truth(a[1]))) {
        if (!suan__j_rsplit(rt, cut.u.s, &space, 1, &words)) return false;
        cut = words.u.l->v[0];
    }
    return suan__j_binary(in, '+', cut, end, out);
}

FILTER(f_wordcount) {
    jval a[1];
    int64_t n = 0;
    bool inside = false;
    if (!text_and(in, "wordcount", &self, args, "", a) || !suan__j_charge(&in->rt, self.u.s->n / 16)) return false;
    for (size_t i = 0, k; i < self.u.s->n; i += k) {
        uint32_t cp;
        k = suan__utf8_decode(self.u.s->p + i, self.u.s->n - i, &cp);
        if (!k) break;
        bool word = suan__j_is_word(cp);
        n += word && !inside;
        inside = word;
    }
    *out = suan__j_int(n);
    return true;
}

FILTER(f_striptags) {
    jval a[1];
    jbuf b;
    if (!text_and(in, "striptags", &self, args, "", a)) return false;
    const jstr *s = self.u.s;
    bool in_tag = false, pending = false;
    suan__j_buf_init(&b, &in->rt);
    for (size_t i = 0, k; i < s->n; i += k) {
        uint32_t cp;
        uint8_t taint = s->t ? s->t[i] : s->taint;
        k = suan__utf8_decode(s->p + i, s->n - i, &cp);
        if (!k) break;
        if (!in_tag && cp == '<' && memchr(s->p + i, '>', s->n - i)) in_tag = true;
        if (!in_tag && suan__j_is_space(cp)) {
            pending = b.n > 0;
        } else if (!in_tag) {
            if (pending && !suan__j_buf_put(&b, " ", 1, taint)) return false;
            pending = false;
            if (!suan__j_buf_put(&b, s->p + i, k, taint)) return false;
        } else if (cp == '>') {
            in_tag = false;
        }
        if (!suan__j_charge(&in->rt, 1)) return false;
    }
    return suan__j_buf_finish(&b, out);
}

/* ---- numbers */

/* int(text, base) of Python: blanks around, a sign, a prefix of the base, underscores between digits. */
static bool parse_int(const jstr *s, int64_t base, int64_t *value, bool *overflow) {
    size_t i = 0, n = s->n;
    bool negative = false, any = false;
    *overflow = false;
    *value = 0;
    while (i < n && suan__j_is_space((unsigned char)s->p[i])) i++;
    while (n > i && suan__j_is_space((unsigned char)s->p[n - 1])) n--;
    if (i < n && (s->p[i] == '+' || s->p[i] == '-')) negative = s->p[i++] == '-';
    char mark = i + 1 < n && s->p[i] == '0' ? (char)(s->p[i + 1] | 32) : 0;
    int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked && (base == marked || base == 0)) {
        i += 2;
        base = marked;
        if (i < n && s->p[i] == '_') i++;
    } else if (base == 0) {
        base = 10;
    }
    for (; i < n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10 : 99;
        if (c == '_' && any && i + 1 < n && s->p[i + 1] != '_') continue;
        if (d >= base) return false;
        any = true;
        if (__builtin_mul_overflow(*value, base, value) || __builtin_sub_overflow(*value, d, value)) *overflow = true;
    }
    if (!negative && *value == INT64_MIN) *overflow = true;
    if (!negative && !*overflow) *value = -*value;
    return any;
}

/* float(text): also inf, infinity, nan in any case. */
static bool parse_float(const jstr *s, double *f) {
    char t[400];
    size_t i = 0, n = s->n, k = 0;
    while (i < n && suan__j_is_space((unsigned char)s->p[i])) i++;
    while (n > i && suan__j_is_space((unsigned char)s->p[n - 1])) n--;
    for (; i < n; i++) {
        bool between = i > 0 && i + 1 < n && s->p[i - 1] >= '0' && s->p[i - 1] <= '9' && s->p[i + 1] >= '0' && s->p[i + 1] <= '9';
        if (s->p[i] == '_' && between) continue;
        if (k == sizeof t) return false;
        t[k++] = s->p[i];
    }
    const char *word = t;
    size_t len = k;
    bool negative = len && t[0] == '-';
    if (len && (t[0] == '-' || t[0] == '+')) {
        word++;
        len--;
    }
    if ((len == 3 && strncasecmp(word, "inf", 3) == 0) || (len == 8 && strncasecmp(word, "infinity", 8) == 0)) {
        *f = negative ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (len == 3 && strncasecmp(word, "nan", 3) == 0) {
        *f = NAN;
        return true;
    }
    return suan__j_parse_double(t, k, f);
}

static bool float_to_int(jinja *in, double f, jval *out) {
    if (!(f >= -9223372036854775808.0 && f < 9223372036854775808.0))
        return suan__j_fail(&in->rt, "integer overflow: the result does not fit in 64 bits");
    *out = suan__j_int((int64_t)f);
    return true;
}

FILTER(f_int) {
    jval a[2];
    int64_t base = 10, value;
    double f;
    bool overflow;
    uint8_t taint = self.taint;
    if (!suan__j_bind(in, "int", args, "default,base", a)) return false;
    if (self.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, self);
    if (a[1].tag != J_MISSING && !suan__j_arg_int(in, "int", a[1], &base)) return false;
    *out = a[0].tag == J_MISSING ? suan__j_int(0) : a[0];
    if (self.tag == J_INT || self.tag == J_BOOL) {
        *out = suan__j_int(self.tag == J_BOOL ? self.u.b : self.u.i);
    } else if (self.tag == J_FLOAT) {
        /* int(nan) is a ValueError and int(float(nan)) too: the default. int(inf) is an OverflowError, which the filter lets pass. */
        if (isnan(self.u.f)) return true;
        if (isinf(self.u.f)) return suan__j_fail(&in->rt, "cannot convert float infinity to integer");
        if (!float_to_int(in, self.u.f, out)) return false;
    } else if (self.tag == J_STR) {
        taint = suan__j_str_tainted(self.u.s);
        if (base != 0 && (base < 2 || base > 36)) base = 99; /* int() would raise ValueError */
        if (base != 99 && parse_int(self.u.s, base, &value, &overflow)) {
            if (overflow) return suan__j_fail(&in->rt, "integer overflow: the result does not fit in 64 bits");
            *out = suan__j_int(value);
        } else if (parse_float(self.u.s, &f) && isfinite(f)) {
            if (!float_to_int(in, f, out)) return false;
        } else {
            return true;
        }
    } else {
        return true;
    }
    out->taint = taint;
    return true;
}

FILTER(f_float) {
    jval a[1];
    double f;
    if (!suan__j_bind(in, "float", args, "default", a)) return false;
    if (self.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, self);
    *out = a[0].tag == J_MISSING ? suan__j_float(0) : a[0];
    if (self.tag == J_FLOAT)
        *out = self;
    else if (self.tag == J_INT || self.tag == J_BOOL)
        *out = (jval){.tag = J_FLOAT, .taint = self.taint, .u.f = self.tag == J_BOOL ? self.u.b : (double)self.u.i};
    else if (self.tag == J_STR && parse_float(self.u.s, &f))
        *out = (jval){.tag = J_FLOAT, .taint = suan__j_str_tainted(self.u.s), .u.f = f};
    return true;
}

FILTER(f_abs) {
    jval a[1];
    if (!suan__j_bind(in, "abs", args, "", a)) return false;
    if (self.tag == J_INT || self.tag == J_BOOL || self.tag == J_FLOAT) {
        bool negative = self.tag == J_FLOAT ? signbit(self.u.f) != 0 : self.tag == J_INT && self.u.i < 0;
        if (negative) return suan__j_negate(&in->rt, self, out);
        *out = self.tag == J_BOOL ? suan__j_int(self.u.b) : self;
        return true;
    }
    return suan__j_fail(&in->rt, "bad operand type for abs(): '%s'", suan__j_type_name(self));
}

/* round(int, digits) for negative digits: half to even in decimal. */
static bool round_int(jinja *in, int64_t v, int64_t digits, jval *out) {
    int64_t unit = 1, down, rest;
    for (; digits < 0; digits++) {
        if (__builtin_mul_overflow(unit, 10, &unit)) {
            *out = suan__j_int(0);
            return true;
        }
    }
    down = v - (v % unit + unit) % unit;
    rest = v - down;
    if (rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0)) {
        if (__builtin_add_overflow(down, unit, &down)) return suan__j_fail(&in->rt, "integer overflow: the result does not fit in 64 bits");
    }
    *out = suan__j_int(down);
    return true;
}

FILTER(f_round) {
    jval a[2];
    int64_t digits = 0;
    double f, scale = 1;
    if (!suan__j_bind(in, "round", args, "precision,method", a)) return false;
    if (a[0].tag != J_MISSING && !suan__j_arg_int(in, "round", a[0], &digits)) return false;
    bool common = a[1].tag == J_MISSING || (a[1].tag == J_STR && suan__j_str_eq(a[1].u.s, "common"));
    bool ceil_ = a[1].tag == J_STR && suan__j_str_eq(a[1].u.s, "ceil"), floor_ = a[1].tag == J_STR && suan__j_str_eq(a[1].u.s, "floor");
    if (!common && !ceil_ && !floor_) return suan__j_fail(&in->rt, "method must be common, ceil or floor");
    if (self.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, self);
    if (self.tag != J_FLOAT && self.tag != J_INT && self.tag != J_BOOL)
        return suan__j_fail(&in->rt, "type %s doesn't define __round__ method", suan__j_type_name(self));
    uint8_t taint = self.taint;
    if (common && self.tag != J_FLOAT) {
        int64_t v = self.tag == J_BOOL ? self.u.b : self.u.i;
        *out = suan__j_int(v);
        if (digits < 0 && v != INT64_MIN && !round_int(in, v, digits, out)) return false;
    } else if (common) {
        if (!suan__j_round(&in->rt, self.u.f, digits, &f)) return false;
        *out = suan__j_float(f);
    } else {
        if (digits < -300 || digits > 300) return suan__j_fail(&in->rt, "round() to %lld digits is out of range", (long long)digits);
        double v = self.tag == J_FLOAT ? self.u.f : self.tag == J_BOOL ? self.u.b : (double)self.u.i;
        for (int64_t i = digits < 0 ? digits : -digits; i < 0; i++) scale *= 10;
        f = digits < 0 ? v / scale : v * scale;
        f = ceil_ ? ceil(f) : floor(f);
        if (!isfinite(f)) return suan__j_fail(&in->rt, "cannot convert float infinity or NaN to integer");
        *out = suan__j_float(digits < 0 ? f * scale : f / scale);
    }
    out->taint = taint;
    return true;
}

FILTER(f_filesizeformat) {
    static const char *const units[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                            {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    jval a[1], v;
    jargs none = {0};
    jbuf b;
    if (!suan__j_bind(in, "filesizeformat", args, "binary", a) || !f_float(in, self, &none, &v)) return false;
    bool binary = a[0].tag != J_MISSING && suan__j_truth(a[0]);
    double f = v.u.f, base = binary ? 1024 : 1000, unit = base;
    int i = 0;
    suan__j_buf_init(&b, &in->rt);
    if (f == 1) return suan__j_str_c(&in->rt, "1 Byte", out);
    if (f < base) {
        char s[48];
        snprintf(s, sizeof s, "%lld Bytes", f > -1e15 ? (long long)f : 0);
        return suan__j_buf_put(&b, s, strlen(s), v.taint) && suan__j_buf_finish(&b, out);
    }
    while (i < 7 && f >= unit * base) {
        unit *= base;
        i++;
    }
    return suan__j_put_fixed(&b, base * f / (unit * base), 1, v.taint) && suan__j_buf_c(&b, " ") && suan__j_buf_c(&b, units[binary][i]) &&
           suan__j_buf_finish(&b, out);
}

/* ---- formats and URLs */

FILTER(f_format) {
    jval tuple;
    if (args->n_pos && args->n_kw) return suan__j_fail(&in->rt, "can't handle positional and keyword arguments at the same time");
    if (!suan__j_to_str(&in->rt, self, &self)) return false;
    if (args->n_kw) {
        jdict *d = suan__j_dict_new(&in->rt, args->n_kw);
        if (!d) return false;
        for (uint32_t i = 0; i < args->n_kw; i++)
            if (!suan__j_dict_set(&in->rt, d, (jval){.tag = J_STR, .u.s = args->kw[i].name}, args->kw[i].value)) return false;
        return suan__j_percent_format(in, self, suan__j_dict_value(d), out);
    }
    jlist *l = suan__j_list_new(&in->rt, args->n_pos);
    if (!l) return false;
    if (args->n_pos) memcpy(l->v, args->pos, args->n_pos * sizeof(jval));
    l->n = args->n_pos;
    tuple = (jval){.tag = J_TUPLE, .u.l = l};
    return suan__j_percent_format(in, self, tuple, out);
}

static bool put_quoted(jinja *in, jbuf *b, jval v, bool query) {
    if (!suan__j_to_str(&in->rt, v, &v)) return false;
    const jstr *s = v.u.s;
    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        uint8_t taint = s->t ? s->t[i] : s->taint;
        bool plain = (unsigned)((c | 32) - 'a') < 26 || (unsigned)(c - '0') < 10 || (c && strchr("_.-~", c)) || (c == '/' && !query);
        char hex[4];
        if ((i & 7) == 0 && !suan__j_charge(&in->rt, 1)) return false;
        if (query && c == ' ')
            snprintf(hex, sizeof hex, "+");
        else if (!plain)
            snprintf(hex, sizeof hex, "%%%02X", c);
        else
            snprintf(hex, sizeof hex, "%c", c);
        if (!suan__j_buf_put(b, hex, strlen(hex), taint)) return false;
    }
    return true;
}

FILTER(f_urlencode) {
    jval a[1], pairs = self;
    jbuf b;
    jcursor c;
    suan__j_buf_init(&b, &in->rt);
    if (!suan__j_bind(in, "urlencode", args, "", a)) return false;
    if (self.tag == J_STR || !suan__j_is_iterable(self)) return put_quoted(in, &b, self, false) && suan__j_buf_finish(&b, out);
    if (self.tag == J_DICT) pairs = (jval){.tag = J_VIEW, .aux = 'i', .u.d = self.u.d};
    if (!suan__j_iter_begin(in, pairs, &c)) return false;
    for (bool first = true;; first = false) {
        jval pair;
        bool more;
        jlist *l;
        if (!suan__j_iter_next(&c, &pair, &more)) return false;
        if (!more) return suan__j_buf_finish(&b, out);
        if (!suan__j_to_list(in, pair, &l)) return false;
        if (l->n != 2) return suan__j_fail(&in->rt, "urlencode() takes pairs of a name and a value");
        if ((!first && !suan__j_buf_c(&b, "&")) || !put_quoted(in, &b, l->v[0], true) || !suan__j_buf_c(&b, "=") ||
            !put_quoted(in, &b, l->v[1], true))
            return false;
    }
}

FILTER(f_xmlattr) {
    jval a[1];
    jbuf b;
    if (!suan__j_bind(in, "xmlattr", args, "autospace", a)) return false;
    if (self.tag != J_DICT) return suan__j_fail(&in->rt, "xmlattr() needs a mapping, not %s", suan__j_type_name(self));
    bool space = a[0].tag == J_MISSING || suan__j_truth(a[0]);
    suan__j_buf_init(&b, &in->rt);
    for (uint32_t i = 0; i < self.u.d->n; i++) {
        jval key = self.u.d->e[i].key, value = self.u.d->e[i].value;
        if (value.tag == J_NONE || value.tag == J_UNDEFINED) continue;
        if (key.tag != J_STR) return suan__j_fail(&in->rt, "xmlattr() needs strings as names");
        for (size_t k = 0; k < key.u.s->n; k++)
            if (memchr(" \t\n\r\f\v/>=", key.u.s->p[k], 9)) return suan__j_fail(&in->rt, "Invalid character in attribute name");
        if (!suan__j_charge(&in->rt, 1) || !suan__j_escape(&in->rt, key, &key) || !suan__j_escape(&in->rt, value, &value)) return false;
        if (((b.n || space) && !suan__j_buf_c(&b, " ")) || !suan__j_buf_str(&b, key.u.s) || !suan__j_buf_c(&b, "=\"") ||
            !suan__j_buf_str(&b, value.u.s) || !suan__j_buf_c(&b, "\""))
            return false;
    }
    return suan__j_buf_finish(&b, out);
}

FILTER(f_pprint) {
    jval a[1];
    jbuf b;
    if (!suan__j_bind(in, "pprint", args, "", a)) return false;
    /* pprint breaks what is wider than 80 columns into lines; here it stays on one. Short values, the use of it, are the same. */
    if (self.tag == J_DICT) { /* pprint sorts keys */
        jlist *keys;
        if (!suan__j_to_list(in, self, &keys)) return false;
        jlist *order = suan__j_list_new(&in->rt, keys->n);
        jdict *d = suan__j_dict_new(&in->rt, keys->n);
        if (!order || !d) return false;
        if (keys->n) memcpy(order->v, keys->v, keys->n * sizeof(jval));
        if (!suan__j_sort(&in->rt, keys->v, order->v, keys->n, false)) return false;
        for (uint32_t i = 0; i < keys->n; i++) {
            jval *v;
            if (!suan__j_dict_get(&in->rt, self.u.d, keys->v[i], &v) || !v || !suan__j_dict_set(&in->rt, d, keys->v[i], *v)) return false;
        }
        self.u.d = d;
    }
    suan__j_buf_init(&b, &in->rt);
    return suan__j_repr(&b, self) && suan__j_buf_finish(&b, out);
}

static bool is_letter(char c) {
    return (unsigned)((c | 32) - 'a') < 26;
}

FILTER(f_wordwrap) {
    jval a[4], lines;
    int64_t width = 79;
    jbuf b;
    jrt *rt = &in->rt;
    if (!suan__j_bind(in, "wordwrap", args, "width,break_long_words,wrapstring,break_on_hyphens", a)) return false;
    if (self.tag != J_STR) return suan__j_fail(rt, "wordwrap() needs a str, not %s", suan__j_type_name(self));
    if (a[0].tag != J_MISSING && !suan__j_arg_int(in, "wordwrap", a[0], &width)) return false;
    if (width <= 0) return suan__j_fail(rt, "invalid width %lld (must be > 0)", (long long)width);
    bool break_long = a[1].tag == J_MISSING || suan__j_truth(a[1]), on_hyphens = a[3].tag == J_MISSING || suan__j_truth(a[3]);
    if (is_given(a[2]) && a[2].tag != J_STR) return suan__j_fail(rt, "wordwrap() needs a str as wrapstring");
    static const jstr newline = {.p = "\n", .n = 1, .n_cp = 1};
    const jstr *wrap = is_given(a[2]) ? a[2].u.s : &newline;
    if (!suan__j_splitlines(rt, self.u.s, false, &lines)) return false;
    suan__j_buf_init(&b, rt);
    for (uint32_t i = 0; i < lines.u.l->n; i++) {
        const jstr *s = lines.u.l->v[i].u.s;
        int64_t column = 0;
        if (i && !suan__j_buf_str(&b, wrap)) return false;
        for (size_t at = 0; at < s->n;) {
            size_t gap = at, end;
            while (gap < s->n && s->p[gap] == ' ') gap++;
            for (end = gap; end < s->n && s->p[end] != ' ';) { /* a word may end behind a hyphen with two letters on each side */
                end++;
                if (s->p[end - 1] == '-' && end >= 3 + gap && end + 1 < s->n && is_letter(s->p[end]) && is_letter(s->p[end + 1]) &&
                    is_letter(s->p[end - 2]) && is_letter(s->p[end - 3]) && on_hyphens)
                    break;
            }
            int64_t blanks = (int64_t)(gap - at), len = suan__j_count_cp(s->p + gap, end - gap);
            jval word;
            if (!suan__j_charge(rt, 1)) return false;
            if (len == 0) break; /* blanks at the end of a line fall away */
            if (column && column + blanks + len > width) {
                if (!suan__j_buf_str(&b, wrap)) return false;
                column = 0;
                blanks = 0;
            }
            if (column == 0 && at != 0) blanks = 0;
            if (break_long && blanks + len > width - column) {
                jval part;
                int64_t room = width - column - blanks > 0 ? width - column - blanks : 1;
                if (!suan__j_str_slice(rt, s, gap, end, &word)) return false;
                if (!suan__j_slice(in, word, suan__j_missing(), suan__j_int(room), suan__j_missing(), &part)) return false;
                end = gap + part.u.s->n;
                len = part.u.s->n_cp;
            }
            if (!suan__j_str_slice(rt, s, gap - (size_t)blanks, end, &word) || !suan__j_buf_str(&b, word.u.s)) return false;
            column += blanks + len;
            at = end;
        }
    }
    return suan__j_buf_finish(&b, out);
}

const jdef suan__j_filters_text[] = {
    {"abs", f_abs},
    {"capitalize", f_capitalize},
    {"center", f_center},
    {"e", f_escape},
    {"escape", f_escape},
    {"filesizeformat", f_filesizeformat},
    {"float", f_float},
    {"forceescape", f_forceescape},
    {"format", f_format},
    {"indent", f_indent},
    {"int", f_int},
    {"lower", f_lower},
    {"pprint", f_pprint},
    {"replace", f_replace},
    {"round", f_round},
    {"safe", f_safe},
    {"string", f_string},
    {"striptags", f_striptags},
    {"title", f_title},
    {"tojson", suan__j_tojson},
    {"trim", f_trim},
    {"truncate", f_truncate},
    {"upper", f_upper},
    {"urlencode", f_urlencode},
    {"wordcount", f_wordcount},
    {"wordwrap", f_wordwrap},
    {"xmlattr", f_xmlattr},
};
const size_t suan__j_n_filters_text = sizeof suan__j_filters_text / sizeof *suan__j_filters_text;
