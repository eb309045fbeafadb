/* jinja_methods.c: the methods of Python's str, list, tuple, dict, range and numbers, and of loops and cyclers. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_run.h"
#include "text/unicode.h"

/* ---- arguments */

bool suan__j_bind(jinja *in, const char *fn, const jargs *args, const char *spec, jval *out) {
    uint32_t n = 0;
    if (*spec == '/') { /* by position only, as most methods of Python are */
        if (args->n_kw) return suan__j_fail(&in->rt, "%s() takes no keyword arguments", fn);
        spec++;
    }
    const char *name = spec;
    while (*name) {
        const char *comma = strchrnul(name, ',');
        size_t len = (size_t)(comma - name);
        out[n] = suan__j_missing();
        if (n < args->n_pos) out[n] = args->pos[n];
        for (uint32_t i = 0; i < args->n_kw; i++) {
            if (args->kw[i].name->n != len || memcmp(args->kw[i].name->p, name, len) != 0) continue;
            if (n < args->n_pos) return suan__j_fail(&in->rt, "%s() got multiple values for argument '%.*s'", fn, (int)len, name);
            out[n] = args->kw[i].value;
        }
        n++;
        name = *comma ? comma + 1 : comma;
    }
    if (args->n_pos > n) return suan__j_fail(&in->rt, "%s() takes at most %u arguments (%u given)", fn, n, args->n_pos);
    for (uint32_t i = 0; i < args->n_kw; i++) {
        bool known = false;
        for (name = spec; *name && !known;) {
            const char *comma = strchrnul(name, ',');
            known = args->kw[i].name->n == (size_t)(comma - name) && memcmp(args->kw[i].name->p, name, args->kw[i].name->n) == 0;
            name = *comma ? comma + 1 : comma;
        }
        if (!known)
            return suan__j_fail(&in->rt, "%s() got an unexpected keyword argument '%.*s'", fn, (int)args->kw[i].name->n,
                                args->kw[i].name->p);
    }
    return true;
}

bool suan__j_arg_int(jinja *in, const char *fn, jval v, int64_t *i) {
    *i = 0;
    if (v.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, v);
    if (v.tag != J_INT && v.tag != J_BOOL)
        return suan__j_fail(&in->rt, "%s(): '%s' object cannot be interpreted as an integer", fn, suan__j_type_name(v));
    *i = v.tag == J_BOOL ? v.u.b : v.u.i;
    return true;
}

bool suan__j_arg_str(jinja *in, const char *fn, jval v, const jstr **s) {
    *s = v.tag == J_STR ? v.u.s : NULL;
    if (v.tag == J_MISSING) return suan__j_fail(&in->rt, "%s() is missing an argument", fn);
    if (!*s) return suan__j_fail(&in->rt, "%s() argument must be str, not %s", fn, suan__j_type_name(v));
    *s = v.u.s;
    return true;
}

static bool is_given(jval v) {
    return v.tag != J_MISSING && v.tag != J_NONE;
}

#define METHOD(name) static bool name(jinja *in, jval self, const jargs *args, jval *out)
#define NO_ARGS(name)                                               \
    do {                                                            \
        jval none_[1];                                              \
        if (!suan__j_bind(in, name, args, "", none_)) return false; \
    } while (0)

/* ---- str: case and properties */

METHOD(str_upper) {
    NO_ARGS("upper");
    return suan__j_change_case(&in->rt, self.u.s, CASE_UPPER, out);
}
METHOD(str_lower) {
    NO_ARGS("lower");
    return suan__j_change_case(&in->rt, self.u.s, CASE_LOWER, out);
}
METHOD(str_title) {
    NO_ARGS("title");
    return suan__j_change_case(&in->rt, self.u.s, CASE_TITLE, out);
}
METHOD(str_capitalize) {
    NO_ARGS("capitalize");
    return suan__j_change_case(&in->rt, self.u.s, CASE_CAPITALIZE, out);
}
METHOD(str_swapcase) {
    NO_ARGS("swapcase");
    return suan__j_change_case(&in->rt, self.u.s, CASE_SWAP, out);
}
METHOD(str_casefold) {
    static const jstr sharp = {.p = "\xc3\x9f", .n = 2, .n_cp = 1}, ss = {.p = "ss", .n = 2, .n_cp = 2};
    NO_ARGS("casefold");
    /* Lower case, and sharp s as ss: the folding of the scripts in use; rarer foldings differ from Python's. */
    if (!suan__j_change_case(&in->rt, self.u.s, CASE_LOWER, out)) return false;
    return self.u.s->n == self.u.s->n_cp || suan__j_replace(&in->rt, out->u.s, &sharp, &ss, -1, out);
}

typedef bool property(uint32_t cp);
static bool is_ascii(uint32_t cp) {
    return cp < 0x80;
}

static bool all_of(jinja *in, jval self, const jargs *args, property *p, bool if_empty, jval *out) {
    const jstr *s = self.u.s;
    NO_ARGS("is...");
    bool r = s->n ? true : if_empty;
    if (!suan__j_charge(&in->rt, s->n / 16)) return false;
    for (size_t i = 0, n; i < s->n && r; i += n) {
        uint32_t cp;
        n = suan__utf8_decode(s->p + i, s->n - i, &cp);
        r = n && p(cp);
        if (!n) break;
    }
    *out = suan__j_bool(r);
    return true;
}
METHOD(str_isalnum) {
    return all_of(in, self, args, suan__j_is_alnum, false, out);
}
METHOD(str_isalpha) {
    return all_of(in, self, args, suan__unicode_is_letter, false, out);
}
METHOD(str_isascii) {
    return all_of(in, self, args, is_ascii, true, out);
}
METHOD(str_isdecimal) {
    return all_of(in, self, args, suan__unicode_is_decimal, false, out);
}
METHOD(str_isdigit) {
    return all_of(in, self, args, suan__unicode_is_digit, false, out);
}
METHOD(str_isnumeric) {
    return all_of(in, self, args, suan__unicode_is_numeric, false, out);
}
METHOD(str_isprintable) {
    return all_of(in, self, args, suan__unicode_is_printable, true, out);
}
METHOD(str_isspace) {
    return all_of(in, self, args, suan__j_is_space, false, out);
}
METHOD(str_isidentifier) {
    bool digit_first = self.u.s->n && self.u.s->p[0] >= '0' && self.u.s->p[0] <= '9';
    if (!all_of(in, self, args, suan__j_is_word, false, out)) return false;
    if (digit_first) *out = suan__j_bool(false);
    return true;
}
METHOD(str_islower) {
    NO_ARGS("islower");
    *out = suan__j_bool(suan__j_is_lower_str(self.u.s));
    return suan__j_charge(&in->rt, self.u.s->n / 16);
}
METHOD(str_isupper) {
    NO_ARGS("isupper");
    *out = suan__j_bool(suan__j_is_upper_str(self.u.s));
    return suan__j_charge(&in->rt, self.u.s->n / 16);
}
METHOD(str_istitle) {
    jval t;
    bool eq, cased = false;
    NO_ARGS("istitle");
    if (!suan__j_change_case(&in->rt, self.u.s, CASE_TITLE, &t) || !suan__j_equal(&in->rt, self, t, &eq)) return false;
    for (size_t i = 0, n; i < self.u.s->n && !cased; i += n) {
        uint32_t cp;
        n = suan__utf8_decode(self.u.s->p + i, self.u.s->n - i, &cp);
        if (!n) break;
        cased = suan__unicode_is_cased(cp);
    }
    *out = suan__j_bool(eq && cased);
    return true;
}

/* ---- str: strip, split, join, pad, replace */

static bool strip(jinja *in, jval self, const jargs *args, const char *fn, int side, jval *out) {
    jval a[1];
    if (!suan__j_bind(in, fn, args, "/chars", a)) return false;
    if (is_given(a[0]) && a[0].tag != J_STR) return suan__j_fail(&in->rt, "%s arg must be None or str", fn);
    return suan__j_strip(&in->rt, self.u.s, is_given(a[0]) ? a[0].u.s : NULL, side, out);
}
METHOD(str_strip) {
    return strip(in, self, args, "strip", 3, out);
}
METHOD(str_lstrip) {
    return strip(in, self, args, "lstrip", 1, out);
}
METHOD(str_rstrip) {
    return strip(in, self, args, "rstrip", 2, out);
}

static bool split(jinja *in, jval self, const jargs *args, bool right, jval *out) {
    jval a[2];
    int64_t max = -1;
    if (!suan__j_bind(in, "split", args, "sep,maxsplit", a)) return false;
    if (is_given(a[0]) && a[0].tag != J_STR) return suan__j_fail(&in->rt, "must be str or None, not %s", suan__j_type_name(a[0]));
    if (a[1].tag != J_MISSING && !suan__j_arg_int(in, "split", a[1], &max)) return false;
    const jstr *sep = is_given(a[0]) ? a[0].u.s : NULL;
    return right ? suan__j_rsplit(&in->rt, self.u.s, sep, max, out) : suan__j_split(&in->rt, self.u.s, sep, max, out);
}
METHOD(str_split) {
    return split(in, self, args, false, out);
}
METHOD(str_rsplit) {
    return split(in, self, args, true, out);
}
METHOD(str_splitlines) {
    jval a[1];
    if (!suan__j_bind(in, "splitlines", args, "keepends", a)) return false;
    return suan__j_splitlines(&in->rt, self.u.s, a[0].tag != J_MISSING && suan__j_truth(a[0]), out);
}
METHOD(str_join) {
    jval a[1];
    if (!suan__j_bind(in, "join", args, "/iterable", a)) return false;
    if (a[0].tag == J_MISSING || !suan__j_is_iterable(a[0])) return suan__j_fail(&in->rt, "can only join an iterable");
    return suan__j_join(in, self.u.s, a[0], true, out);
}
METHOD(str_replace) {
    jval a[3];
    const jstr *old, *new_;
    int64_t count = -1;
    if (!suan__j_bind(in, "replace", args, "/old,new,count", a)) return false;
    if (!suan__j_arg_str(in, "replace", a[0], &old) || !suan__j_arg_str(in, "replace", a[1], &new_)) return false;
    if (a[2].tag != J_MISSING && !suan__j_arg_int(in, "replace", a[2], &count)) return false;
    if (self.u.s->markup) {
        if (!suan__j_escape(&in->rt, a[1], &a[1])) return false;
        new_ = a[1].u.s;
    }
    return suan__j_replace(&in->rt, self.u.s, old, new_, count, out);
}

static bool pad(jinja *in, jval self, const jargs *args, const char *fn, int side, jval *out) {
    jval a[2];
    int64_t width;
    const jstr *fill = NULL;
    if (!suan__j_bind(in, fn, args, "/width,fillchar", a) || !suan__j_arg_int(in, fn, a[0], &width)) return false;
    if (a[1].tag != J_MISSING && !suan__j_arg_str(in, fn, a[1], &fill)) return false;
    return suan__j_pad(&in->rt, self.u.s, width, fill, side, out);
}
METHOD(str_ljust) {
    return pad(in, self, args, "ljust", 0, out);
}
METHOD(str_rjust) {
    return pad(in, self, args, "rjust", 1, out);
}
METHOD(str_center) {
    return pad(in, self, args, "center", 2, out);
}
METHOD(str_zfill) {
    static const jstr zero = {.p = "0", .n = 1, .n_cp = 1};
    jval a[1], sign, rest;
    int64_t width;
    const jstr *s = self.u.s;
    if (!suan__j_bind(in, "zfill", args, "/width", a) || !suan__j_arg_int(in, "zfill", a[0], &width)) return false;
    bool has_sign = s->n && (s->p[0] == '+' || s->p[0] == '-');
    if (!suan__j_str_slice(&in->rt, s, 0, has_sign, &sign) || !suan__j_str_slice(&in->rt, s, has_sign, s->n, &rest)) return false;
    if (!suan__j_pad(&in->rt, rest.u.s, width < INT64_MIN + 2 ? 0 : width - has_sign, &zero, 1, &rest)) return false;
    return suan__j_str_concat(&in->rt, sign.u.s, rest.u.s, out);
}
METHOD(str_expandtabs) {
    jval a[1];
    int64_t size = 8, column = 0;
    const jstr *s = self.u.s;
    jbuf b;
    if (!suan__j_bind(in, "expandtabs", args, "tabsize", a)) return false;
    if (a[0].tag != J_MISSING && !suan__j_arg_int(in, "expandtabs", a[0], &size)) return false;
    suan__j_buf_init(&b, &in->rt);
    for (size_t i = 0; i < s->n; i++) {
        uint8_t taint = s->t ? s->t[i] : s->taint;
        int64_t n = s->p[i] == '\t' ? (size > 0 ? size - column % size : 0) : 1;
        if (!suan__j_charge(&in->rt, 1 + (uint64_t)n / 32)) return false;
        if (s->p[i] == '\n' || s->p[i] == '\r')
            column = 0;
        else if (((unsigned char)s->p[i] & 0xc0) != 0x80)
            column += n;
        if (s->p[i] != '\t') {
            if (!suan__j_buf_put(&b, s->p + i, 1, taint)) return false;
            continue;
        }
        for (; n > 0; n--)
            if (!suan__j_buf_put(&b, " ", 1, taint)) return false;
    }
    return suan__j_buf_finish(&b, out);
}

static bool remove_affix(jinja *in, jval self, const jargs *args, bool is_prefix, jval *out) {
    jval a[1];
    const jstr *x, *s = self.u.s;
    if (!suan__j_bind(in, "removeprefix", args, "/affix", a) || !suan__j_arg_str(in, "removeprefix", a[0], &x)) return false;
    bool has = x->n <= s->n && memcmp(is_prefix ? s->p : s->p + s->n - x->n, x->p, x->n) == 0;
    size_t cut = has ? x->n : 0;
    return suan__j_str_slice(&in->rt, s, is_prefix ? cut : 0, is_prefix ? s->n : s->n - cut, out);
}
METHOD(str_removeprefix) {
    return remove_affix(in, self, args, true, out);
}
METHOD(str_removesuffix) {
    return remove_affix(in, self, args, false, out);
}

/* ---- str: search */

/* The bytes of s[start:end] by code points, as slice bounds. */
static bool window(jinja *in, const jstr *s, jval start, jval end, size_t *from, size_t *to, bool *past_end) {
    int64_t a = 0, b = s->n_cp, n = s->n_cp;
    if (is_given(start) && !suan__j_arg_int(in, "find", start, &a)) return false;
    if (is_given(end) && !suan__j_arg_int(in, "find", end, &b)) return false;
    if (a < 0) a = a + n < 0 ? 0 : a + n;
    if (b < 0) b = b + n < 0 ? 0 : b + n;
    if (b > n) b = n;
    *past_end = a > n || a > b;
    if (a > n) a = n;
    if (s->n != s->n_cp && !suan__j_charge_bytes(&in->rt, s->n)) return false;
    *from = suan__j_cp_offset(s, (size_t)a);
    *to = suan__j_cp_offset(s, (size_t)b);
    if (*to < *from) *to = *from;
    return suan__j_charge_bytes(&in->rt, *to - *from);
}

static bool affix_matches(jinja *in, const jstr *s, size_t from, size_t to, bool past_end, jval x, bool is_start, bool *r) {
    if (x.tag != J_STR)
        return suan__j_fail(&in->rt, "%s first arg must be str or a tuple of str, not %s", is_start ? "startswith" : "endswith",
                            suan__j_type_name(x));
    const jstr *a = x.u.s;
    *r = !past_end && a->n <= to - from && memcmp(is_start ? s->p + from : s->p + to - a->n, a->p, a->n) == 0;
    return true;
}

static bool has_affix(jinja *in, jval self, const jargs *args, bool is_start, jval *out) {
    jval a[3];
    size_t from, to;
    bool past_end, r = false;
    if (!suan__j_bind(in, is_start ? "startswith" : "endswith", args, "/prefix,start,end", a)) return false;
    if (!window(in, self.u.s, a[1], a[2], &from, &to, &past_end)) return false;
    if (a[0].tag != J_TUPLE) {
        if (!affix_matches(in, self.u.s, from, to, past_end, a[0], is_start, &r)) return false;
    } else {
        for (uint32_t i = 0; i < a[0].u.l->n && !r; i++)
            if (!suan__j_charge(&in->rt, 1) || !affix_matches(in, self.u.s, from, to, past_end, a[0].u.l->v[i], is_start, &r)) return false;
    }
    *out = suan__j_bool(r);
    return true;
}
METHOD(str_startswith) {
    return has_affix(in, self, args, true, out);
}
METHOD(str_endswith) {
    return has_affix(in, self, args, false, out);
}

static bool search(jinja *in, jval self, const jargs *args, bool right, bool must, jval *out) {
    jval a[3];
    const jstr *sub, *s = self.u.s;
    size_t from, to;
    bool past_end;
    const char *hit = NULL;
    if (!suan__j_bind(in, "find", args, "/sub,start,end", a) || !suan__j_arg_str(in, "find", a[0], &sub)) return false;
    if (!window(in, s, a[1], a[2], &from, &to, &past_end)) return false;
    if (!past_end && sub->n <= to - from) {
        if (!right && !suan__j_charge_search(&in->rt, to - from, sub->n)) return false;
        if (!right) hit = memmem(s->p + from, to - from, sub->p, sub->n);
        for (size_t p = to - sub->n + 1; right && p-- > from;) {
            if (!suan__j_charge(&in->rt, ((p & 31) == 0) + (sub->n >> 5))) return false;
            if (memcmp(s->p + p, sub->p, sub->n) == 0) {
                hit = s->p + p;
                break;
            }
        }
    }
    if (!hit && must) return suan__j_fail(&in->rt, "substring not found");
    *out = suan__j_int(hit ? (int64_t)suan__j_count_cp(s->p, (size_t)(hit - s->p)) : -1);
    return true;
}
METHOD(str_find) {
    return search(in, self, args, false, false, out);
}
METHOD(str_rfind) {
    return search(in, self, args, true, false, out);
}
METHOD(str_index) {
    return search(in, self, args, false, true, out);
}
METHOD(str_rindex) {
    return search(in, self, args, true, true, out);
}
METHOD(str_count) {
    jval a[3];
    const jstr *sub, *s = self.u.s;
    size_t from, to;
    bool past_end;
    int64_t n = 0;
    if (!suan__j_bind(in, "count", args, "/sub,start,end", a) || !suan__j_arg_str(in, "count", a[0], &sub)) return false;
    if (!window(in, s, a[1], a[2], &from, &to, &past_end)) return false;
    if (!sub->n) {
        n = past_end ? 0 : (int64_t)suan__j_count_cp(s->p + from, to - from) + 1;
    } else {
        const char *c;
        if (!suan__j_charge_search(&in->rt, to - from, sub->n)) return false;
        while (from <= to && (c = memmem(s->p + from, to - from, sub->p, sub->n)) != NULL) {
            from = (size_t)(c - s->p) + sub->n;
            n++;
            if (!suan__j_charge(&in->rt, 1)) return false;
        }
    }
    *out = suan__j_int(n);
    return true;
}

static bool partition(jinja *in, jval self, const jargs *args, bool right, jval *out) {
    jval a[1], v;
    const jstr *sep, *s = self.u.s;
    const char *hit = NULL;
    if (!suan__j_bind(in, "partition", args, "/sep", a) || !suan__j_arg_str(in, "partition", a[0], &sep)) return false;
    if (!sep->n) return suan__j_fail(&in->rt, "empty separator");
    if (!suan__j_charge_search(&in->rt, s->n, sep->n)) return false;
    if (!right) hit = memmem(s->p, s->n, sep->p, sep->n);
    for (size_t p = s->n >= sep->n ? s->n - sep->n + 1 : 0; right && !hit && p-- > 0;) {
        if (!suan__j_charge(&in->rt, sep->n >> 5)) return false;
        if (memcmp(s->p + p, sep->p, sep->n) == 0) hit = s->p + p;
    }
    size_t cut = hit ? (size_t)(hit - s->p) : right ? 0 : s->n, after = hit ? cut + sep->n : cut;
    jlist *l = suan__j_list_new(&in->rt, 3);
    if (!l) return false;
    size_t at[4] = {0, cut, after, s->n};
    for (int i = 0; i < 3; i++)
        if (!suan__j_str_slice(&in->rt, s, at[i], at[i + 1], &v) || !suan__j_list_push(&in->rt, l, v)) return false;
    *out = (jval){.tag = J_TUPLE, .u.l = l};
    return true;
}
METHOD(str_partition) {
    return partition(in, self, args, false, out);
}
METHOD(str_rpartition) {
    return partition(in, self, args, true, out);
}

METHOD(str_format) {
    return suan__j_brace_format(in, self.u.s, args, out);
}
METHOD(str_format_map) {
    jval a[1];
    jargs mapped = {0};
    if (!suan__j_bind(in, "format_map", args, "/mapping", a)) return false;
    if (a[0].tag != J_DICT) return suan__j_fail(&in->rt, "format_map() argument must be a mapping");
    mapped.kw = J_NEW(&in->rt, jkeyword, a[0].u.d->n);
    if (!mapped.kw || !suan__j_charge(&in->rt, a[0].u.d->n)) return false;
    for (uint32_t i = 0; i < a[0].u.d->n; i++)
        if (a[0].u.d->e[i].key.tag == J_STR) mapped.kw[mapped.n_kw++] = (jkeyword){a[0].u.d->e[i].key.u.s, a[0].u.d->e[i].value};
    return suan__j_brace_format(in, self.u.s, &mapped, out);
}
METHOD(str_unsupported) {
    return suan__j_fail(&in->rt, "encode, translate and maketrans are not supported in chat templates");
}

/* ---- lists, dicts, the rest */

METHOD(list_index) {
    jval a[3];
    int64_t start = 0, stop = INT64_MAX;
    if (!suan__j_bind(in, "index", args, "/value,start,stop", a)) return false;
    if (a[1].tag != J_MISSING && !suan__j_arg_int(in, "index", a[1], &start)) return false;
    if (a[2].tag != J_MISSING && !suan__j_arg_int(in, "index", a[2], &stop)) return false;
    if (start < 0) start = start + self.u.l->n < 0 ? 0 : start + self.u.l->n;
    if (stop < 0) stop += self.u.l->n;
    for (int64_t i = start; i < self.u.l->n && i < stop; i++) {
        bool eq;
        if (!suan__j_charge(&in->rt, 1) || !suan__j_equal(&in->rt, self.u.l->v[i], a[0], &eq)) return false;
        if (!eq) continue;
        *out = suan__j_int(i);
        return true;
    }
    return suan__j_fail(&in->rt, "%s.index(x): x not in %s", suan__j_type_name(self), suan__j_type_name(self));
}
METHOD(list_count) {
    jval a[1];
    int64_t n = 0;
    if (!suan__j_bind(in, "count", args, "/value", a)) return false;
    for (uint32_t i = 0; i < self.u.l->n; i++) {
        bool eq;
        if (!suan__j_charge(&in->rt, 1) || !suan__j_equal(&in->rt, self.u.l->v[i], a[0], &eq)) return false;
        n += eq;
    }
    *out = suan__j_int(n);
    return true;
}
METHOD(list_copy) {
    NO_ARGS("copy");
    *out = self; /* nothing can change a list, so a copy is the list */
    return true;
}
METHOD(dict_get) {
    jval a[2], *v;
    if (!suan__j_bind(in, "get", args, "/key,default", a)) return false;
    if (a[0].tag == J_MISSING) return suan__j_fail(&in->rt, "get expected at least 1 argument, got 0");
    if (!suan__j_dict_get(&in->rt, self.u.d, a[0], &v)) return false;
    *out = v ? *v : a[1].tag == J_MISSING ? suan__j_none() : a[1];
    return true;
}
static bool view(jinja *in, jval self, const jargs *args, char kind, jval *out) {
    NO_ARGS("items");
    *out = (jval){.tag = J_VIEW, .taint = self.taint, .aux = (uint16_t)kind, .u.d = self.u.d};
    return true;
}
METHOD(dict_items) {
    return view(in, self, args, 'i', out);
}
METHOD(dict_keys) {
    return view(in, self, args, 'k', out);
}
METHOD(dict_values) {
    return view(in, self, args, 'v', out);
}
METHOD(num_same) {
    NO_ARGS("conjugate");
    *out = self.tag == J_BOOL ? suan__j_int(self.u.b) : self;
    return true;
}
METHOD(int_bit_length) {
    NO_ARGS("bit_length");
    int64_t i = self.tag == J_BOOL ? self.u.b : self.u.i;
    uint64_t u = i < 0 ? (uint64_t)0 - (uint64_t)i : (uint64_t)i;
    *out = suan__j_int(u ? 64 - __builtin_clzll(u) : 0);
    return true;
}
METHOD(float_is_integer) {
    NO_ARGS("is_integer");
    *out = suan__j_bool(isfinite(self.u.f) && floor(self.u.f) == self.u.f);
    return true;
}
METHOD(range_index) {
    jval a[1];
    bool has;
    if (!suan__j_bind(in, "index", args, "/value", a) || !suan__j_contains(in, self, a[0], &has)) return false;
    if (!has) return suan__j_fail(&in->rt, "value is not in range");
    int64_t i = a[0].tag == J_INT ? a[0].u.i : a[0].tag == J_BOOL ? a[0].u.b : (int64_t)a[0].u.f;
    *out = suan__j_int((i - self.u.range->start) / self.u.range->step);
    return true;
}
METHOD(range_count) {
    jval a[1];
    bool has;
    if (!suan__j_bind(in, "count", args, "/value", a) || !suan__j_contains(in, self, a[0], &has)) return false;
    *out = suan__j_int(has);
    return true;
}
METHOD(cycler_next) {
    NO_ARGS("next");
    jcycler *c = self.u.cycler;
    *out = c->items->v[c->pos];
    c->pos = (c->pos + 1) % c->items->n;
    return true;
}
METHOD(cycler_reset) {
    NO_ARGS("reset");
    self.u.cycler->pos = 0;
    *out = suan__j_none();
    return true;
}
/* dict.fromkeys(keys, value) of the global `dict` */
METHOD(dict_fromkeys) {
    jval a[2], item;
    jcursor c;
    bool more;
    jdict *d = suan__j_dict_new(&in->rt, 0);
    if (!d || !suan__j_bind(in, "fromkeys", args, "/iterable,value", a) || !suan__j_iter_begin(in, a[0], &c)) return false;
    if (a[1].tag == J_MISSING) a[1] = suan__j_none();
    for (;;) {
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) break;
        if (!suan__j_dict_set(&in->rt, d, item, a[1])) return false;
    }
    *out = suan__j_dict_value(d);
    return true;
}

/* ---- tables, sorted by name */

static const jdef str_methods[] = {
    {"capitalize", str_capitalize},
    {"casefold", str_casefold},
    {"center", str_center},
    {"count", str_count},
    {"encode", str_unsupported},
    {"endswith", str_endswith},
    {"expandtabs", str_expandtabs},
    {"find", str_find},
    {"format", str_format},
    {"format_map", str_format_map},
    {"index", str_index},
    {"isalnum", str_isalnum},
    {"isalpha", str_isalpha},
    {"isascii", str_isascii},
    {"isdecimal", str_isdecimal},
    {"isdigit", str_isdigit},
    {"isidentifier", str_isidentifier},
    {"islower", str_islower},
    {"isnumeric", str_isnumeric},
    {"isprintable", str_isprintable},
    {"isspace", str_isspace},
    {"istitle", str_istitle},
    {"isupper", str_isupper},
    {"join", str_join},
    {"ljust", str_ljust},
    {"lower", str_lower},
    {"lstrip", str_lstrip},
    {"maketrans", str_unsupported},
    {"partition", str_partition},
    {"removeprefix", str_removeprefix},
    {"removesuffix", str_removesuffix},
    {"replace", str_replace},
    {"rfind", str_rfind},
    {"rindex", str_rindex},
    {"rjust", str_rjust},
    {"rpartition", str_rpartition},
    {"rsplit", str_rsplit},
    {"rstrip", str_rstrip},
    {"split", str_split},
    {"splitlines", str_splitlines},
    {"startswith", str_startswith},
    {"strip", str_strip},
    {"swapcase", str_swapcase},
    {"title", str_title},
    {"translate", str_unsupported},
    {"upper", str_upper},
    {"zfill", str_zfill},
};
static const jdef list_methods[] = {{"copy", list_copy}, {"count", list_count}, {"index", list_index}};
static const jdef tuple_methods[] = {{"count", list_count}, {"index", list_index}};
static const jdef dict_methods[] = {{"copy", list_copy},   {"fromkeys", dict_fromkeys}, {"get", dict_get},
                                    {"items", dict_items}, {"keys", dict_keys},         {"values", dict_values}};
static const jdef int_methods[] = {{"bit_length", int_bit_length}, {"conjugate", num_same}};
static const jdef float_methods[] = {{"conjugate", num_same}, {"is_integer", float_is_integer}};
static const jdef range_methods[] = {{"count", range_count}, {"index", range_index}};
static const jdef loop_methods[] = {{"changed", suan__j_loop_changed}, {"cycle", suan__j_loop_cycle}};
static const jdef cycler_methods[] = {{"next", cycler_next}, {"reset", cycler_reset}};
static const jdef dict_function_methods[] = {{"fromkeys", dict_fromkeys}};

const jdef *suan__j_find(const jdef *table, size_t n, const jstr *name) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2, len = strlen(table[mid].name), k = len < name->n ? len : name->n;
        int c = memcmp(table[mid].name, name->p, k);
        if (c == 0) c = (len > name->n) - (len < name->n);
        if (c == 0) return &table[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

#define FIND(table) suan__j_find(table, sizeof table / sizeof *table, name)
const jdef *suan__j_find_string_method(const jstr *name) {
    return FIND(str_methods);
}
const jdef *suan__j_find_method(jval v, const jstr *name) {
    switch ((jtag)v.tag) {
    case J_STR:
        return FIND(str_methods);
    case J_LIST:
        return FIND(list_methods);
    case J_TUPLE:
        return FIND(tuple_methods);
    case J_DICT:
        return FIND(dict_methods);
    case J_BOOL:
    case J_INT:
        return FIND(int_methods);
    case J_FLOAT:
        return FIND(float_methods);
    case J_RANGE:
        return FIND(range_methods);
    case J_LOOP:
        return FIND(loop_methods);
    case J_CYCLER:
        return FIND(cycler_methods);
    case J_FUNCTION:
        return strcmp(v.u.fn->name, "dict") == 0 ? FIND(dict_function_methods) : NULL;
    default:
        return NULL;
    }
}
