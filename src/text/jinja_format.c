/* jinja_format.c: the % operator of str, str.format, and rounding.
 *
 * Source: Python 3 library reference, "printf-style String Formatting" and "Format Specification Mini-Language". The exponent, general and
 * locale forms are there for both; width and precision are limited by the memory limit.
 */
#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_run.h"

#define MAX_PRECISION 300

/* ---- numbers as text */

/* snprintf of one double, with a point whatever the locale. Returns the length. */
static size_t print_double(char *s, size_t size, char conversion, bool alternate, int precision, double f) {
    char format[8] = {'%', '#', '.', '*', conversion, 0};
    const char *point = nl_langinfo(RADIXCHAR);
    if (!alternate) memmove(format + 1, format + 2, 5);
    snprintf(s, size, format, precision, f);
    char *at = strcmp(point, ".") != 0 ? strstr(s, point) : NULL;
    if (at) {
        memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
        *at = '.';
    }
    return strlen(s);
}

bool suan__j_put_fixed(jbuf *b, double f, int precision, uint8_t taint) {
    char s[700];
    return suan__j_buf_put(b, s, print_double(s, sizeof s, 'f', false, precision > MAX_PRECISION ? MAX_PRECISION : precision, f), taint);
}

__attribute__((noinline)) bool suan__j_round(jrt *rt, double f, int64_t digits, double *r) {
    char s[700], *end;
    *r = f;
    if (!isfinite(f) || digits > 323) return true;
    if (digits < -308) {
        *r = copysign(0.0, f);
        return true;
    }
    if (digits >= 0) {
        /* printf rounds the exact binary value correctly, half to even. */
        snprintf(s, sizeof s, "%.*f", (int)digits, f);
        *r = strtod(s, &end);
        return true;
    }
    /* To tens, hundreds, ...: cut the exact integer part in decimal. */
    int e = (int)-digits;
    snprintf(s, sizeof s, "%.*e", 40, f);
    char *mark = strchr(s, 'e');
    int exponent = mark ? (int)strtol(mark + 1, NULL, 10) : 0;
    if (exponent < e - 1) {
        *r = copysign(0.0, f);
        return true;
    }
    if (exponent == e - 1) { /* one unit or none: half goes to even, which is none */
        double unit = 1;
        for (int i = 0; i < e; i++) unit *= 10;
        *r = fabs(f) > unit / 2 ? copysign(unit, f) : copysign(0.0, f);
        return true;
    }
    snprintf(s, sizeof s, "%.*e", exponent - e, f);
    *r = strtod(s, &end);
    (void)rt;
    return true;
}

/* ---- a field: text with sign, digits and padding */

typedef struct jfield {
    char align; /* '<' '>' '^' '=' or 0 */
    char sign;  /* '-' '+' ' ' */
    char type;  /* conversion, 0: none given */
    bool alternate, has_precision;
    char group; /* ',' '_' or 0 */
    int64_t width, precision;
    char fill[5];
} jfield;

static bool put_fill(jbuf *b, const char *fill, int64_t n) {
    size_t len = strlen(fill);
    for (int64_t i = 0; i < n; i++)
        if (((i & 7) == 0 && !suan__j_charge(b->rt, 1)) || !suan__j_buf_put(b, fill, len, 0)) return false;
    return true;
}

static bool check_width(jrt *rt, const jfield *f) {
    if (f->width > (int64_t)(rt->limit_bytes / 4) || f->width < 0)
        return suan__j_fail_status(rt, SUAN_ELIMIT, "a field of %lld characters is too wide", (long long)f->width);
    return true;
}

/* prefix (sign, 0x) and body, padded. */
static bool put_field(jbuf *b, const jfield *f, const char *prefix, const jstr *body, char default_align) {
    int64_t have = (int64_t)strlen(prefix) + body->n_cp, pad = f->width > have ? f->width - have : 0;
    char align = f->align ? f->align : default_align;
    int64_t left = align == '>' ? pad : align == '^' ? pad / 2 : 0, mid = align == '=' ? pad : 0, right = pad - left - mid;
    const char *fill = f->fill[0] ? f->fill : " ";
    if (!check_width(b->rt, f)) return false;
    uint8_t taint = body->t ? 1 : body->taint;
    return put_fill(b, fill, left) && suan__j_buf_put(b, prefix, strlen(prefix), taint) && put_fill(b, fill, mid) &&
           suan__j_buf_str(b, body) && put_fill(b, fill, right);
}

static const char *sign_text(const jfield *f, bool negative) {
    return negative ? "-" : f->sign == '+' ? "+" : f->sign == ' ' ? " " : "";
}

/* Digits with separators every three (or four for hex). The result has at most twice the length. */
static size_t group_digits(char *out, const char *digits, size_t n, char separator, size_t every) {
    size_t k = 0, whole = 0;
    while (whole < n && digits[whole] != '.' && digits[whole] != 'e' && digits[whole] != 'E') whole++;
    for (size_t i = 0; i < n; i++) {
        if (separator && i && i < whole && (whole - i) % every == 0) out[k++] = separator;
        out[k++] = digits[i];
    }
    return k;
}

static __attribute__((noinline)) bool put_int(jbuf *b, const jfield *f, int64_t v, uint8_t taint) {
    char s[80], g[160], prefix[4];
    uint64_t u = v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v;
    size_t n = 0;
    int base = f->type == 'x' || f->type == 'X' ? 16 : f->type == 'o' ? 8 : f->type == 'b' ? 2 : 10;
    char t[72];
    do {
        t[n++] = (f->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % (unsigned)base];
        u /= (unsigned)base;
    } while (u);
    for (size_t i = 0; i < n; i++) s[i] = t[n - 1 - i];
    snprintf(prefix, sizeof prefix, "%s%s", sign_text(f, v < 0),
             !f->alternate || base == 10 ? ""
             : f->type == 'x'            ? "0x"
             : f->type == 'X'            ? "0X"
             : base == 8                 ? "0o"
                                         : "0b");
    if (f->has_precision && f->precision > (int64_t)n) { /* % only: at least so many digits */
        if (f->precision > 70) return suan__j_fail(b->rt, "a precision of %lld is not supported for integers", (long long)f->precision);
        memmove(s + f->precision - n, s, n);
        memset(s, '0', (size_t)f->precision - n);
        n = (size_t)f->precision;
    }
    n = group_digits(g, s, n, f->group, base == 10 ? 3 : 4);
    jstr body = {.p = g, .n = (uint32_t)n, .n_cp = (uint32_t)n, .taint = taint};
    return put_field(b, f, prefix, &body, '>');
}

/* str.format without a type: repr, but with at least one digit behind the point and the precision as for g. */
static size_t print_repr(char *s, double v) {
    return suan__j_format_double(v, s);
}

static __attribute__((noinline)) bool put_float(jbuf *b, const jfield *f, double v, uint8_t taint) {
    char s[720], g[1500];
    size_t n;
    char type = f->type ? f->type : f->has_precision ? 'g' : 'r';
    int precision = f->has_precision ? (int)(f->precision > MAX_PRECISION ? MAX_PRECISION : f->precision) : 6;
    bool negative = signbit(v) && !isnan(v), upper = type == 'F' || type == 'E' || type == 'G';
    if (f->has_precision && f->precision > MAX_PRECISION)
        return suan__j_fail(b->rt, "a precision of %lld digits is more than %d", (long long)f->precision, MAX_PRECISION);
    v = fabs(v);
    if (type == '%') v *= 100;
    if (isnan(v) || isinf(v))
        n = (size_t)snprintf(s, sizeof s, "%s", isnan(v) ? (upper ? "NAN" : "nan") : upper ? "INF" : "inf");
    else if (type == 'r')
        n = print_repr(s, v);
    else
        n = print_double(s, sizeof s, type == '%' ? 'f' : type == 'n' ? 'g' : type, f->alternate, precision, v);
    if (!f->type && f->has_precision && !strpbrk(s, ".en")) { /* "{:.3}".format(1e2) is 1e+02, of 100.0 with more digits 100.0 */
        n += (size_t)snprintf(s + n, sizeof s - n, ".0");
    }
    if (type == '%' && n + 2 < sizeof s) {
        s[n++] = '%';
        s[n] = 0;
    }
    n = group_digits(g, s, n, f->group, 3);
    jstr body = {.p = g, .n = (uint32_t)n, .n_cp = (uint32_t)n, .taint = taint};
    return put_field(b, f, sign_text(f, negative), &body, '>');
}

static bool put_string(jinja *in, jbuf *b, const jfield *f, jval s) {
    if (f->has_precision && s.u.s->n_cp > f->precision &&
        !suan__j_slice(in, s, suan__j_missing(), suan__j_int(f->precision), suan__j_missing(), &s))
        return false;
    return put_field(b, f, "", s.u.s, '<');
}

static bool is_number(jval v) {
    return v.tag == J_INT || v.tag == J_BOOL || v.tag == J_FLOAT;
}
static double to_double(jval v) {
    return v.tag == J_FLOAT ? v.u.f : v.tag == J_BOOL ? v.u.b : (double)v.u.i;
}

/* ---- "..." % args */

typedef struct jpercent {
    jinja *in;
    jbuf b;
    const jstr *s;
    size_t i;
    jval args;
    uint32_t i_arg;
    bool used_mapping, is_markup;
} jpercent;

static bool next_arg(jpercent *p, jval *v) {
    *v = suan__j_missing();
    if (p->args.tag == J_TUPLE) {
        if (p->i_arg >= p->args.u.l->n) return suan__j_fail(p->b.rt, "not enough arguments for format string");
        *v = p->args.u.l->v[p->i_arg++];
        return true;
    }
    if (p->i_arg++) return suan__j_fail(p->b.rt, "not enough arguments for format string");
    *v = p->args;
    return true;
}

static bool read_number(jpercent *p, int64_t *n) {
    if (p->i < p->s->n && p->s->p[p->i] == '*') {
        jval v;
        p->i++;
        if (!next_arg(p, &v)) return false;
        if (v.tag != J_INT && v.tag != J_BOOL) return suan__j_fail(p->b.rt, "* wants int");
        *n = v.tag == J_BOOL ? v.u.b : v.u.i;
        return true;
    }
    for (*n = 0; p->i < p->s->n && p->s->p[p->i] >= '0' && p->s->p[p->i] <= '9'; p->i++) {
        *n = *n * 10 + (p->s->p[p->i] - '0');
        if (*n > INT32_MAX) return suan__j_fail(p->b.rt, "a width or precision in a format is too big");
    }
    return true;
}

static bool percent_key(jpercent *p, jval *v) {
    const jstr *s = p->s;
    size_t begin = ++p->i;
    int open = 1;
    for (; p->i < s->n; p->i++) {
        if (s->p[p->i] == '(') open++;
        if (s->p[p->i] == ')' && --open == 0) break;
    }
    if (p->i >= s->n) return suan__j_fail(p->b.rt, "incomplete format key");
    if (p->args.tag != J_DICT) return suan__j_fail(p->b.rt, "format requires a mapping");
    jval key, *found;
    if (!suan__j_str_slice(p->b.rt, s, begin, p->i, &key) || !suan__j_dict_get(p->b.rt, p->args.u.d, key, &found)) return false;
    if (!found) return suan__j_fail(p->b.rt, "a format names the key '%.*s', which is not there", (int)key.u.s->n, key.u.s->p);
    p->i++;
    p->used_mapping = true;
    *v = *found;
    return true;
}

static bool put_conversion(jpercent *p, jfield *f, jval v) {
    jrt *rt = p->b.rt;
    switch (f->type) {
    case 's':
    case 'r':
    case 'a': {
        jbuf b;
        jval s;
        suan__j_buf_init(&b, rt);
        if (f->type == 's') {
            if (!suan__j_to_str(rt, v, &s)) return false;
        } else if (!suan__j_repr(&b, v) || !suan__j_buf_finish(&b, &s)) {
            return false;
        }
        if (p->is_markup && !suan__j_escape(rt, s, &s)) return false;
        if (!f->align) f->align = '>';
        memcpy(f->fill, " ", 2);
        return put_string(p->in, &p->b, f, s);
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
        if (v.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, v);
        bool hex = f->type == 'x' || f->type == 'X' || f->type == 'o';
        if (!is_number(v) || (hex && v.tag == J_FLOAT))
            return suan__j_fail(rt, "%%%c format: %s is required, not %s", f->type, hex ? "an integer" : "a real number",
                                suan__j_type_name(v));
        if (v.tag == J_FLOAT && !(v.u.f > -9.2e18 && v.u.f < 9.2e18))
            return suan__j_fail(rt, "integer overflow: the result does not fit in 64 bits");
        return put_int(&p->b, f, v.tag == J_FLOAT ? (int64_t)v.u.f : v.tag == J_BOOL ? v.u.b : v.u.i, v.taint);
    }
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (v.tag == J_UNDEFINED) return suan__j_fail_undefined(rt, v);
        if (!is_number(v)) return suan__j_fail(rt, "must be real number, not %s", suan__j_type_name(v));
        return put_float(&p->b, f, to_double(v), v.taint);
    case 'c': {
        char c[4];
        jval s = v;
        if (v.tag == J_INT) {
            if (v.u.i < 0 || v.u.i > 0x10ffff || (v.u.i >= 0xd800 && v.u.i < 0xe000))
                return suan__j_fail(rt, "%%c arg not in range(0x110000)");
            if (!suan__j_str_copy(rt, c, suan__utf8_encode((uint32_t)v.u.i, c), v.taint, &s)) return false;
        } else if (v.tag != J_STR || v.u.s->n_cp != 1) {
            return suan__j_fail(rt, "%%c requires int or char");
        }
        if (!f->align) f->align = '>';
        memcpy(f->fill, " ", 2);
        return put_string(p->in, &p->b, f, s);
    }
    default:
        return suan__j_fail(rt, "unsupported format character '%c' (0x%x)", f->type > 0x20 && f->type < 0x7f ? f->type : '?',
                            (unsigned char)f->type);
    }
}

/* One conversion behind its %. */
static bool percent_one(jpercent *p) {
    const jstr *s = p->s;
    jfield f = {0};
    jval v = suan__j_missing();
    bool zero = false;
    if (p->i < s->n && s->p[p->i] == '(' && !percent_key(p, &v)) return false;
    for (; p->i < s->n && strchr("#0- +", s->p[p->i]) && s->p[p->i]; p->i++) {
        char c = s->p[p->i];
        if (c == '#') f.alternate = true;
        if (c == '0') zero = true;
        if (c == '-') f.align = '<';
        if (c == '+' || (c == ' ' && f.sign != '+')) f.sign = c;
    }
    if (!read_number(p, &f.width)) return false;
    if (f.width < 0) {
        f.align = '<';
        f.width = f.width < -INT32_MAX ? INT32_MAX : -f.width;
    }
    if (p->i < s->n && s->p[p->i] == '.') {
        p->i++;
        f.has_precision = true;
        if (!read_number(p, &f.precision)) return false;
        if (f.precision < 0) f.precision = 0;
    }
    while (p->i < s->n && s->p[p->i] && strchr("hlL", s->p[p->i])) p->i++;
    if (p->i >= s->n) return suan__j_fail(p->b.rt, "incomplete format");
    f.type = s->p[p->i++];
    if (f.type == '%') return suan__j_buf_put(&p->b, "%", 1, s->t ? s->t[p->i - 1] : s->taint);
    if (zero && !f.align) {
        f.align = '=';
        memcpy(f.fill, "0", 2);
    }
    if (v.tag == J_MISSING && !next_arg(p, &v)) return false;
    if (strchr("src", f.type) && f.align == '=') f.align = '>';
    return suan__j_charge(p->b.rt, 2) && put_conversion(p, &f, v);
}

bool suan__j_percent_format(jinja *in, jval format, jval args, jval *out) {
    jpercent p = {.in = in, .s = format.u.s, .args = args, .is_markup = format.u.s->markup};
    suan__j_buf_init(&p.b, &in->rt);
    while (p.i < p.s->n) {
        const char *c = memchr(p.s->p + p.i, '%', p.s->n - p.i);
        size_t end = c ? (size_t)(c - p.s->p) : p.s->n;
        bool ok = p.s->t ? suan__j_buf_put_flags(&p.b, p.s->p + p.i, p.s->t + p.i, end - p.i)
                         : suan__j_buf_put(&p.b, p.s->p + p.i, end - p.i, p.s->taint);
        if (!ok) return false;
        p.i = end;
        if (!c) break;
        p.i++;
        if (!percent_one(&p)) return false;
    }
    /* What was not used is an error, except a mapping (or a list, which has items too). */
    bool rest = args.tag == J_TUPLE ? p.i_arg < args.u.l->n : !p.i_arg && args.tag != J_DICT && args.tag != J_LIST;
    if (rest && !p.used_mapping) return suan__j_fail(&in->rt, "not all arguments converted during string formatting");
    if (!suan__j_buf_finish(&p.b, out)) return false;
    return !p.is_markup || suan__j_mark_safe(&in->rt, *out, out);
}

/* ---- "...".format() */

typedef struct jbrace {
    jinja *in;
    const jargs *args;
    int64_t next; /* the next automatic argument; -1: arguments are numbered */
} jbrace;

static bool brace(jbrace *f, const jstr *s, int depth, jval *out);

static bool positional(jbrace *f, int64_t i, jval *v) {
    if (i < 0 || i >= f->args->n_pos)
        return suan__j_fail(&f->in->rt, "Replacement index %lld out of range for positional args tuple", (long long)i);
    *v = f->args->pos[i];
    return true;
}

/* name, 0, name.attr, 0[key], or nothing */
static bool field_value(jbrace *f, const jstr *s, jval *v) {
    jrt *rt = &f->in->rt;
    size_t i = 0, end = 0;
    while (end < s->n && s->p[end] != '.' && s->p[end] != '[') end++;
    bool digits = end > 0 && end < 10;
    int64_t index = 0;
    for (i = 0; i < end && digits; i++) {
        digits = s->p[i] >= '0' && s->p[i] <= '9';
        index = index * 10 + (s->p[i] - '0');
    }
    if (end == 0) {
        if (f->next < 0) return suan__j_fail(rt, "cannot switch from manual field specification to automatic field numbering");
        if (!positional(f, f->next++, v)) return false;
    } else if (digits) {
        if (f->next > 0) return suan__j_fail(rt, "cannot switch from automatic field numbering to manual field specification");
        f->next = -1;
        if (!positional(f, index, v)) return false;
    } else {
        bool found = false;
        for (uint32_t k = 0; k < f->args->n_kw && !found; k++) {
            found = f->args->kw[k].name->n == end && memcmp(f->args->kw[k].name->p, s->p, end) == 0;
            if (found) *v = f->args->kw[k].value;
        }
        if (!found) return suan__j_fail(rt, "format() has no argument '%.*s'", (int)end, s->p);
    }
    while (end < s->n) {
        jval key;
        size_t begin = end + 1;
        bool is_item = s->p[end] == '[';
        for (end = begin; end < s->n && (is_item ? s->p[end] != ']' : s->p[end] != '.' && s->p[end] != '[');) end++;
        if (is_item && end >= s->n) return suan__j_fail(rt, "Missing ']' in format string");
        if (begin == end) return suan__j_fail(rt, "Empty attribute in format string");
        if (!suan__j_charge(rt, 1) || !suan__j_str_slice(rt, s, begin, end, &key)) return false;
        index = 0;
        digits = is_item && end - begin < 10;
        for (i = begin; i < end && digits; i++) {
            digits = s->p[i] >= '0' && s->p[i] <= '9';
            index = index * 10 + (s->p[i] - '0');
        }
        if (is_item ? !suan__j_get_item(f->in, *v, digits ? suan__j_int(index) : key, v) : !suan__j_get_attr(f->in, *v, key.u.s, v))
            return false;
        if (is_item) end++;
    }
    return true;
}

static bool parse_spec(jrt *rt, const jstr *s, jfield *f) {
    size_t i = 0;
    uint32_t cp;
    size_t n = s->n ? suan__utf8_decode(s->p, s->n, &cp) : 0;
    if (n && n < s->n && strchr("<>^=", s->p[n]) && s->p[n]) {
        memcpy(f->fill, s->p, n);
        f->align = s->p[n];
        i = n + 1;
    } else if (s->n && s->p[0] && strchr("<>^=", s->p[0])) {
        f->align = s->p[i++];
    }
    if (i < s->n && (s->p[i] == '+' || s->p[i] == '-' || s->p[i] == ' ')) f->sign = s->p[i++];
    if (i < s->n && s->p[i] == '#') {
        f->alternate = true;
        i++;
    }
    if (i < s->n && s->p[i] == '0') {
        if (!f->align) {
            f->align = '=';
            memcpy(f->fill, "0", 2);
        }
        i++;
    }
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9' && f->width < INT32_MAX / 10; i++) f->width = f->width * 10 + (s->p[i] - '0');
    if (i < s->n && (s->p[i] == ',' || s->p[i] == '_')) f->group = s->p[i++];
    if (i < s->n && s->p[i] == '.') {
        f->has_precision = true;
        for (i++; i < s->n && s->p[i] >= '0' && s->p[i] <= '9' && f->precision < INT32_MAX / 10; i++)
            f->precision = f->precision * 10 + (s->p[i] - '0');
    }
    if (i < s->n) f->type = s->p[i++];
    return i == s->n || suan__j_fail(rt, "Invalid format specifier");
}

static bool format_value(jbrace *bf, jbuf *b, jval v, const jstr *spec) {
    jfield f = {0};
    jinja *in = bf->in;
    if (!parse_spec(&in->rt, spec, &f)) return false;
    if (v.tag == J_STR || !spec->n) {
        jval s;
        if (v.tag == J_STR && f.type && f.type != 's')
            return suan__j_fail(&in->rt, "Unknown format code '%c' for object of type 'str'", f.type);
        if (v.tag == J_STR && f.align == '=' && f.fill[0] != '0')
            return suan__j_fail(&in->rt, "'=' alignment not allowed in string format specifier");
        if (f.align == '=') f.align = '<';
        return suan__j_to_str(&in->rt, v, &s) && put_string(in, b, &f, s);
    }
    if (v.tag == J_UNDEFINED || !is_number(v))
        return suan__j_fail(&in->rt, "unsupported format string passed to %s.__format__", suan__j_type_name(v));
    if (v.tag != J_FLOAT && (!f.type || strchr("dxXobnc", f.type))) {
        if (f.type == 'c' || f.type == 'n') return suan__j_fail(&in->rt, "the format codes 'c' and 'n' are not supported");
        if (f.has_precision) return suan__j_fail(&in->rt, "Precision not allowed in integer format specifier");
        return put_int(b, &f, v.tag == J_BOOL ? v.u.b : v.u.i, v.taint);
    }
    if (f.type && !strchr("eEfFgGn%", f.type))
        return suan__j_fail(&in->rt, "Unknown format code '%c' for object of type '%s'", f.type > 0x20 && f.type < 0x7f ? f.type : '?',
                            suan__j_type_name(v));
    return put_float(b, &f, to_double(v), v.taint);
}

/* {field!conversion:spec}; s is what is between the braces. */
static bool brace_field(jbrace *f, jbuf *b, const jstr *s, int depth) {
    jrt *rt = &f->in->rt;
    size_t end = 0;
    int open = 0;
    for (; end < s->n; end++) {
        if (s->p[end] == '[') open++;
        if (s->p[end] == ']') open--;
        if (open <= 0 && (s->p[end] == '!' || s->p[end] == ':')) break;
    }
    jval name, v, spec;
    char conversion = 0;
    if (!suan__j_str_slice(rt, s, 0, end, &name) || !field_value(f, name.u.s, &v)) return false;
    if (end < s->n && s->p[end] == '!') {
        if (end + 1 >= s->n) return suan__j_fail(rt, "end of string while looking for conversion specifier");
        conversion = s->p[end + 1];
        end += 2;
        if (end < s->n && s->p[end] != ':') return suan__j_fail(rt, "expected ':' after conversion specifier");
    }
    bool has_spec = end < s->n;
    if (!suan__j_str_slice(rt, s, has_spec ? end + 1 : s->n, s->n, &spec)) return false;
    if (has_spec && memchr(spec.u.s->p, '{', spec.u.s->n)) {
        if (depth >= 1) return suan__j_fail(rt, "Max string recursion exceeded");
        if (!brace(f, spec.u.s, depth + 1, &spec)) return false;
    }
    if (conversion == 'r' || conversion == 'a') {
        jbuf r;
        suan__j_buf_init(&r, rt);
        if (!suan__j_repr(&r, v) || !suan__j_buf_finish(&r, &v)) return false;
    } else if (conversion == 's') {
        if (!suan__j_to_str(rt, v, &v)) return false;
    } else if (conversion) {
        return suan__j_fail(rt, "Unknown conversion specifier");
    }
    return format_value(f, b, v, spec.u.s);
}

static bool brace(jbrace *f, const jstr *s, int depth, jval *out) {
    jbuf b;
    suan__j_buf_init(&b, &f->in->rt);
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        while (end < s->n && s->p[end] != '{' && s->p[end] != '}') end++;
        bool twice = end + 1 < s->n && s->p[end] == s->p[end + 1];
        size_t text_end = twice ? end + 1 : end;
        bool ok =
            s->t ? suan__j_buf_put_flags(&b, s->p + i, s->t + i, text_end - i) : suan__j_buf_put(&b, s->p + i, text_end - i, s->taint);
        if (!ok || !suan__j_charge(b.rt, 1)) return false;
        if (end >= s->n) break;
        if (twice) {
            i = end + 2;
            continue;
        }
        if (s->p[end] == '}') return suan__j_fail(b.rt, "Single '}' encountered in format string");
        int open = 1;
        size_t close = end + 1;
        for (; close < s->n; close++) {
            if (s->p[close] == '{') open++;
            if (s->p[close] == '}' && --open == 0) break;
        }
        if (close >= s->n) return suan__j_fail(b.rt, "expected '}' before end of string");
        jval inner;
        if (!suan__j_str_slice(b.rt, s, end + 1, close, &inner) || !brace_field(f, &b, inner.u.s, depth)) return false;
        i = close + 1;
    }
    return suan__j_buf_finish(&b, out);
}

bool suan__j_brace_format(jinja *in, const jstr *format, const jargs *args, jval *out) {
    jbrace f = {.in = in, .args = args};
    if (!brace(&f, format, 0, out)) return false;
    return !format->markup || suan__j_mark_safe(&in->rt, *out, out);
}
