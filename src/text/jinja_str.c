/* jinja_str.c: what Python's str does: case, strip, split, replace, pad, join, HTML escapes. Positions count code points; every result keeps
 * the provenance of the bytes it is made of. */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_run.h"
#include "text/unicode.h"

static inline uint8_t taint_at(const jstr *s, size_t i) {
    return s->t ? s->t[i] : s->taint;
}

static bool put_part(jbuf *b, const jstr *s, size_t begin, size_t end) {
    if (s->t) return suan__j_buf_put_flags(b, s->p + begin, s->t + begin, end - begin);
    return suan__j_buf_put(b, s->p + begin, end - begin, s->taint);
}

static bool finish_like(jbuf *b, const jstr *s, jval *out) {
    if (!suan__j_buf_finish(b, out)) return false;
    return !s->markup || suan__j_mark_safe(b->rt, *out, out);
}

bool suan__j_mark_safe(jrt *rt, jval v, jval *out) {
    if (!suan__j_to_str(rt, v, &v)) return false;
    jstr *s = J_NEW(rt, jstr, 1);
    if (!s) return false;
    *s = *v.u.s;
    s->markup = 1;
    s->room = NULL;
    *out = (jval){.tag = J_STR, .u.s = s};
    return true;
}

bool suan__j_escape(jrt *rt, jval v, jval *out) {
    jbuf b;
    if (!suan__j_to_str(rt, v, &v)) return false;
    const jstr *s = v.u.s;
    if (s->markup) {
        *out = v;
        return true;
    }
    suan__j_buf_init(&b, rt);
    size_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];
        const char *e = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '\'' ? "&#39;" : c == '"' ? "&#34;" : NULL;
        if (!e) continue;
        if (!put_part(&b, s, from, i) || !suan__j_buf_put(&b, e, strlen(e), taint_at(s, i))) return false;
        from = i + 1;
    }
    if (!put_part(&b, s, from, s->n) || !suan__j_buf_finish(&b, out)) return false;
    return suan__j_mark_safe(rt, *out, out);
}

bool suan__j_is_space(uint32_t cp) {
    return suan__unicode_is_space(cp) || (cp >= 0x1c && cp <= 0x1f);
}
bool suan__j_is_alnum(uint32_t cp) {
    return suan__unicode_is_letter(cp) || suan__unicode_is_number(cp);
}
bool suan__j_is_word(uint32_t cp) {
    return cp == '_' || suan__j_is_alnum(cp);
}

/* ---- case */

/* A sigma at the end of a word: a cased letter before it (ignorable ones skipped) and none behind. */
static bool is_final_sigma(const jstr *s, size_t i, size_t n) {
    uint32_t cp = 0;
    bool cased = false;
    for (size_t p = i; p > 0;) {
        do p--;
        while (p > 0 && ((unsigned char)s->p[p] & 0xc0) == 0x80);
        suan__utf8_decode(s->p + p, i - p, &cp);
        if (suan__unicode_is_case_ignorable(cp)) continue;
        cased = suan__unicode_is_cased(cp);
        break;
    }
    if (!cased) return false;
    for (size_t p = i + n; p < s->n;) {
        size_t k = suan__utf8_decode(s->p + p, s->n - p, &cp);
        if (!k) break;
        p += k;
        if (suan__unicode_is_case_ignorable(cp)) continue;
        return !suan__unicode_is_cased(cp);
    }
    return true;
}

/* Where a word begins for Jinja's |title: behind blanks, "-", and opening brackets. */
static bool is_title_break(uint32_t cp) {
    return cp == '-' || cp == '(' || cp == '{' || cp == '[' || cp == '<' || suan__j_is_space(cp);
}

static bool change_ascii(jrt *rt, const jstr *s, jcase how, jval *out) {
    char *p = J_NEW(rt, char, s->n);
    jstr *r = J_NEW(rt, jstr, 1);
    bool up = how != CASE_LOWER, begin = true;
    if (!p || !r || !suan__j_charge_bytes(rt, 4 * (size_t)s->n)) return false;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];
        bool alpha = (unsigned char)((c | 32) - 'a') < 26, is_upper = alpha && !(c & 32);
        if (how == CASE_SWAP) up = !is_upper;
        if (how == CASE_CAPITALIZE) up = i == 0;
        if (how == CASE_TITLE || how == CASE_JINJA_TITLE) up = begin;
        begin = how == CASE_TITLE ? !alpha : is_title_break((unsigned char)c);
        p[i] = !alpha ? c : (char)(up ? c & ~32 : c | 32);
    }
    *r = *s;
    r->p = p;
    r->room = NULL;
    *out = (jval){.tag = J_STR, .u.s = r};
    return true;
}

bool suan__j_change_case(jrt *rt, const jstr *s, jcase how, jval *out) {
    if (s->n == s->n_cp) return change_ascii(rt, s, how, out);
    jbuf b;
    bool begin = true;
    if (!suan__j_charge(rt, s->n / 4)) return false;
    suan__j_buf_init(&b, rt);
    for (size_t i = 0, n; i < s->n; i += n) {
        uint32_t cp, to[3];
        n = suan__utf8_decode(s->p + i, s->n - i, &cp);
        if (!n) return suan__j_fail(rt, "invalid UTF-8 in a string");
        bool up = how == CASE_UPPER || (how == CASE_SWAP && suan__unicode_is_lower(cp)) || (how == CASE_JINJA_TITLE && begin);
        bool title = (how == CASE_CAPITALIZE && i == 0) || (how == CASE_TITLE && begin);
        bool keep = how == CASE_SWAP && !suan__unicode_is_lower(cp) && !suan__unicode_is_upper(cp);
        size_t k = 1;
        to[0] = cp;
        if (up)
            k = suan__unicode_upper_full(cp, to);
        else if (title)
            k = suan__unicode_title_full(cp, to);
        else if (!keep && cp == 0x3a3)
            to[0] = suan__j_charge(rt, 1) && is_final_sigma(s, i, n) ? 0x3c2 : 0x3c3;
        else if (!keep)
            k = suan__unicode_lower_full(cp, to);
        for (size_t j = 0; j < k; j++)
            if (!suan__j_buf_cp(&b, to[j], taint_at(s, i))) return false;
        begin = how == CASE_TITLE ? !suan__unicode_is_cased(cp) : is_title_break(cp);
    }
    return finish_like(&b, s, out);
}

static bool has_only_case(const jstr *s, bool upper) {
    bool any = false;
    for (size_t i = 0, n; i < s->n; i += n) {
        uint32_t cp;
        n = suan__utf8_decode(s->p + i, s->n - i, &cp);
        if (!n) return false;
        bool wanted = upper ? suan__unicode_is_upper(cp) : suan__unicode_is_lower(cp);
        if (!wanted && suan__unicode_is_cased(cp)) return false; /* of the other case, or a title-case letter */
        any |= wanted;
    }
    return any;
}
bool suan__j_is_lower_str(const jstr *s) {
    return has_only_case(s, false);
}
bool suan__j_is_upper_str(const jstr *s) {
    return has_only_case(s, true);
}

/* ---- strip and split */

static bool is_stripped(const jstr *chars, const char *p, size_t n, uint32_t cp) {
    if (!chars) return suan__j_is_space(cp);
    return memmem(chars->p, chars->n, p, n) != NULL; /* valid UTF-8: a match begins at a code point */
}

static size_t previous(const jstr *s, size_t begin, size_t end) {
    do end--;
    while (end > begin && ((unsigned char)s->p[end] & 0xc0) == 0x80);
    return end;
}

bool suan__j_strip(jrt *rt, const jstr *s, const jstr *chars, int side, jval *out) {
    size_t begin = 0, end = s->n;
    uint32_t cp;
    uint64_t work = 0, each = 1 + (chars ? chars->n / 16 : 0);
    while ((side & 1) && begin < end) {
        size_t n = suan__utf8_decode(s->p + begin, end - begin, &cp);
        if (!n || !is_stripped(chars, s->p + begin, n, cp)) break;
        begin += n;
        if ((work++ & 15) == 0 && !suan__j_charge(rt, each)) return false;
    }
    while ((side & 2) && end > begin) {
        size_t p = previous(s, begin, end), n = suan__utf8_decode(s->p + p, end - p, &cp);
        if (!n || !is_stripped(chars, s->p + p, n, cp)) break;
        end = p;
        if ((work++ & 15) == 0 && !suan__j_charge(rt, each)) return false;
    }
    return suan__j_str_slice(rt, s, begin, end, out);
}

static bool push_slice(jrt *rt, jlist *l, const jstr *s, size_t begin, size_t end) {
    jval v;
    return suan__j_charge(rt, 1) && suan__j_str_slice(rt, s, begin, end, &v) && suan__j_list_push(rt, l, v);
}

static size_t skip_spaces(const jstr *s, size_t i, bool want_space) {
    while (i < s->n) {
        uint32_t cp;
        size_t n = suan__utf8_decode(s->p + i, s->n - i, &cp);
        if (!n || suan__j_is_space(cp) != want_space) break;
        i += n;
    }
    return i;
}

static bool split_spaces(jrt *rt, const jstr *s, int64_t max, jlist *l) {
    size_t i = skip_spaces(s, 0, true);
    while (i < s->n) {
        size_t end = max < 0 || (int64_t)l->n < max ? skip_spaces(s, i, false) : s->n;
        if (!push_slice(rt, l, s, i, end)) return false;
        i = skip_spaces(s, end, true);
    }
    return true;
}

static size_t find(const jstr *s, size_t from, const jstr *sub) {
    const char *c = memmem(s->p + from, s->n - from, sub->p, sub->n);
    return c ? (size_t)(c - s->p) : s->n + 1;
}

bool suan__j_split(jrt *rt, const jstr *s, const jstr *sep, int64_t max, jval *out) {
    jlist *l = suan__j_list_new(rt, 0);
    if (!l || !suan__j_charge_search(rt, s->n, sep ? sep->n : 0)) return false;
    *out = suan__j_list_value(l);
    if (!sep) return split_spaces(rt, s, max, l);
    if (!sep->n) return suan__j_fail(rt, "empty separator");
    size_t begin = 0;
    while (max < 0 || (int64_t)l->n < max) {
        size_t end = find(s, begin, sep);
        if (end > s->n) break;
        if (!push_slice(rt, l, s, begin, end)) return false;
        begin = end + sep->n;
    }
    return push_slice(rt, l, s, begin, s->n);
}

static void reverse_list(jlist *l) {
    for (uint32_t i = 0; i < l->n / 2; i++) {
        jval v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
}

static bool rsplit_spaces(jrt *rt, const jstr *s, int64_t max, jlist *l) {
    size_t end = s->n;
    uint32_t cp;
    for (;;) {
        while (end > 0) {
            size_t p = previous(s, 0, end);
            if (!suan__utf8_decode(s->p + p, end - p, &cp) || !suan__j_is_space(cp)) break;
            end = p;
        }
        if (!end) return true;
        if (max >= 0 && (int64_t)l->n >= max) return push_slice(rt, l, s, 0, end);
        size_t begin = end;
        while (begin > 0) {
            size_t p = previous(s, 0, begin);
            if (!suan__utf8_decode(s->p + p, begin - p, &cp) || suan__j_is_space(cp)) break;
            begin = p;
        }
        if (!push_slice(rt, l, s, begin, end)) return false;
        end = begin;
    }
}

bool suan__j_rsplit(jrt *rt, const jstr *s, const jstr *sep, int64_t max, jval *out) {
    jlist *l = suan__j_list_new(rt, 0);
    if (!l || !suan__j_charge_bytes(rt, 4 * (size_t)s->n)) return false;
    *out = suan__j_list_value(l);
    if (!sep) {
        if (!rsplit_spaces(rt, s, max, l)) return false;
    } else if (!sep->n) {
        return suan__j_fail(rt, "empty separator");
    } else {
        size_t end = s->n;
        while (max < 0 || (int64_t)l->n < max) {
            if (end < sep->n) break;
            size_t p = end - sep->n;
            while (memcmp(s->p + p, sep->p, sep->n) != 0 && p > 0) {
                p--;
                if (!suan__j_charge(rt, ((p & 31) == 0) + (sep->n >> 5))) return false;
            }
            if (memcmp(s->p + p, sep->p, sep->n) != 0) break;
            if (!push_slice(rt, l, s, p + sep->n, end)) return false;
            end = p;
        }
        if (!push_slice(rt, l, s, 0, end)) return false;
    }
    reverse_list(l);
    return true;
}

/* Python's line ends: \n \r \r\n \v \f \x1c \x1d \x1e \x85 U+2028 U+2029 */
static size_t line_end_at(const jstr *s, size_t i) {
    unsigned char c = (unsigned char)s->p[i];
    uint32_t cp;
    if (c == '\r') return i + 1 < s->n && s->p[i + 1] == '\n' ? 2 : 1;
    if ((c >= 10 && c <= 12) || (c >= 0x1c && c <= 0x1e)) return 1;
    if (c < 0x80) return 0;
    size_t n = suan__utf8_decode(s->p + i, s->n - i, &cp);
    return n && (cp == 0x85 || cp == 0x2028 || cp == 0x2029) ? n : 0;
}

bool suan__j_splitlines(jrt *rt, const jstr *s, bool keep_ends, jval *out) {
    jlist *l = suan__j_list_new(rt, 0);
    size_t begin = 0;
    if (!l || !suan__j_charge_bytes(rt, 4 * (size_t)s->n)) return false;
    *out = suan__j_list_value(l);
    for (size_t i = 0; i < s->n;) {
        size_t n = line_end_at(s, i);
        if (!n) {
            i++;
            continue;
        }
        if (!push_slice(rt, l, s, begin, keep_ends ? i + n : i)) return false;
        i += n;
        begin = i;
    }
    return begin >= s->n || push_slice(rt, l, s, begin, s->n);
}

/* ---- replace, pad, join */

bool suan__j_replace(jrt *rt, const jstr *s, const jstr *old, const jstr *new_, int64_t max, jval *out) {
    jbuf b;
    size_t from = 0;
    suan__j_buf_init(&b, rt);
    if (!suan__j_charge_search(rt, s->n, old->n)) return false;
    for (int64_t k = 0; max < 0 || k < max; k++) {
        if (!old->n) { /* between all code points, and at both ends */
            if (!suan__j_charge(rt, 1) || !suan__j_buf_str(&b, new_)) return false;
            if (from >= s->n) break;
            size_t end = from + 1;
            while (end < s->n && ((unsigned char)s->p[end] & 0xc0) == 0x80) end++;
            if (!put_part(&b, s, from, end)) return false;
            from = end;
            continue;
        }
        size_t i = find(s, from, old);
        if (i > s->n) break;
        if (!suan__j_charge(rt, 1) || !put_part(&b, s, from, i) || !suan__j_buf_str(&b, new_)) return false;
        from = i + old->n;
    }
    return put_part(&b, s, from, s->n) && finish_like(&b, s, out);
}

bool suan__j_pad(jrt *rt, const jstr *s, int64_t width, const jstr *fill, int side, jval *out) {
    static const jstr space = {.p = " ", .n = 1, .n_cp = 1};
    jbuf b;
    if (!fill) fill = &space;
    if (fill->n_cp != 1) return suan__j_fail(rt, "The fill character must be exactly one character long");
    int64_t total = width > s->n_cp ? width - s->n_cp : 0;
    if ((uint64_t)total > rt->limit_bytes)
        return suan__j_fail_status(rt, SUAN_ELIMIT, "a padded string would pass the limit of %zu bytes", rt->limit_bytes);
    int64_t left = side == 0 ? 0 : side == 1 ? total : total / 2 + (total & width & 1);
    suan__j_buf_init(&b, rt);
    for (int64_t i = 0; i <= total; i++) {
        if (i == left && !suan__j_buf_str(&b, s)) return false;
        if (i == total) break;
        if ((i & 7) == 0 && !suan__j_charge(rt, 1)) return false;
        if (!suan__j_buf_str(&b, fill)) return false;
    }
    return finish_like(&b, s, out);
}

bool suan__j_join(jinja *in, const jstr *sep, jval items, bool strings_only, jval *out) {
    jcursor c;
    jbuf b;
    if (!suan__j_iter_begin(in, items, &c)) return false;
    suan__j_buf_init(&b, &in->rt);
    for (uint32_t i = 0;; i++) {
        jval item;
        bool more;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) break;
        if (strings_only && item.tag != J_STR)
            return suan__j_fail(&in->rt, "sequence item %u: expected str instance, %s found", i, suan__j_type_name(item));
        if (sep->markup && !suan__j_escape(&in->rt, item, &item)) return false;
        if ((i && !suan__j_buf_str(&b, sep)) || !suan__j_print(&b, item)) return false;
    }
    return finish_like(&b, sep, out);
}
