/* jinja_lexer.c: a chat template's source as tokens, with trim_blocks and lstrip_blocks on.
 *
 * Source: Jinja 3.1 documentation, "Whitespace Control"; the order in which its lexer tries rules decides the corner cases:
 *   - text runs to the first {{, {% or {#; a {% raw %} is taken before a block
 *   - "-" at a tag removes all white space on that side; "+" keeps it; without a sign a block or comment that is alone at the start of its
 *     line loses the blanks before it, and the newline behind it
 *   - inside open brackets }} and %} do not end the tag
 * Every byte is looked at a constant number of times.
 */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"

bool suan__j_lex_begin(jlexer *x, jrt *rt, const char *source, size_t n) {
    *x = (jlexer){.rt = rt, .line = 1};
    rt->line = 1;
    if (n > SUAN__J_MAX_SOURCE)
        return suan__j_fail_status(rt, SUAN_ELIMIT, "a template of %zu bytes is longer than %zu", n, SUAN__J_MAX_SOURCE);
    if (!suan__utf8_valid(source, n)) return suan__j_fail(rt, "the template is not valid UTF-8");
    char *copy = J_NEW(rt, char, n + 1);
    if (!copy) return false;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r') {
            copy[k++] = '\n';
            if (i + 1 < n && source[i + 1] == '\n') i++;
        } else {
            copy[k++] = source[i];
        }
    }
    if (k && copy[k - 1] == '\n') k--;
    copy[k] = 0;
    x->src = copy;
    x->n = k;
    return true;
}

static void advance(jlexer *x, size_t to) {
    for (size_t i = x->pos; i < to; i++) x->line += x->src[i] == '\n';
    x->pos = to;
}

static bool at(const jlexer *x, size_t pos, const char *s) {
    size_t n = strlen(s);
    return x->n - pos >= n && memcmp(x->src + pos, s, n) == 0;
}

/* The end of the white space that begins at pos. */
static size_t skip_space(const jlexer *x, size_t pos) {
    while (pos < x->n) {
        uint32_t cp;
        size_t n = suan__utf8_decode(x->src + pos, x->n - pos, &cp);
        if (!n || !suan__j_is_space(cp)) break;
        pos += n;
    }
    return pos;
}

/* The beginning of the white space that ends at `end`, not before `begin`. */
static size_t skip_space_back(const jlexer *x, size_t begin, size_t end) {
    while (end > begin) {
        size_t p = end - 1;
        uint32_t cp;
        while (p > begin && ((unsigned char)x->src[p] & 0xc0) == 0x80) p--;
        if (!suan__utf8_decode(x->src + p, end - p, &cp) || !suan__j_is_space(cp)) break;
        end = p;
    }
    return end;
}

/* Where the text [begin, end) before a tag ends after white space control. */
static size_t trim_before(const jlexer *x, size_t begin, size_t end, char sign, bool is_variable) {
    if (sign == '-') return skip_space_back(x, begin, end);
    if (sign == '+' || is_variable) return end;
    size_t line = end;
    while (line > begin && x->src[line - 1] != '\n') line--;
    bool is_line_start = line > begin || begin == 0 || x->src[begin - 1] == '\n';
    return is_line_start && skip_space_back(x, line, end) == line ? line : end;
}

/* If a {% raw %} begins at pos: where its text begins. */
static bool match_raw(const jlexer *x, size_t pos, const char *word, char *sign, bool is_end, size_t *after) {
    size_t p = pos + 2;
    *sign = p < x->n && (x->src[p] == '-' || x->src[p] == '+') ? x->src[p++] : 0;
    p = skip_space(x, p);
    if (!at(x, p, word)) return false;
    p = skip_space(x, p + strlen(word));
    if (at(x, p, "-%}")) {
        *after = skip_space(x, p + 3);
        return true;
    }
    if (is_end && at(x, p, "+%}")) {
        *after = p + 3;
        return true;
    }
    if (!at(x, p, "%}")) return false;
    *after = p + 2;
    if (is_end && *after < x->n && x->src[*after] == '\n') ++*after;
    return true;
}

static bool make_data(jlexer *x, jtoken *t, size_t begin, size_t end) {
    *t = (jtoken){.type = T_DATA, .line = x->line, .p = x->src + begin, .n = end - begin};
    return true;
}

/* Behind a {% raw %}: its text up to {% endraw %}. */
static bool lex_raw(jlexer *x, jtoken *t, size_t begin) {
    for (size_t p = begin; p < x->n; p++) {
        const char *c = memchr(x->src + p, '{', x->n - p);
        char sign;
        size_t after;
        if (!c) break;
        p = (size_t)(c - x->src);
        if (!at(x, p, "{%") || !match_raw(x, p, "endraw", &sign, true, &after)) continue;
        make_data(x, t, begin, trim_before(x, begin, p, sign, false));
        advance(x, after);
        return true;
    }
    return suan__j_fail(x->rt, "Missing end of raw directive");
}

static bool skip_comment(jlexer *x, size_t begin) {
    for (size_t p = begin; p < x->n; p++) {
        const char *c = memchr(x->src + p, '#', x->n - p);
        if (!c) break;
        p = (size_t)(c - x->src);
        if (!at(x, p, "#}")) continue;
        size_t after = p + 2;
        char sign = p > begin ? x->src[p - 1] : 0;
        if (sign == '-')
            after = skip_space(x, after);
        else if (sign != '+' && after < x->n && x->src[after] == '\n')
            after++;
        advance(x, after);
        return true;
    }
    return suan__j_fail(x->rt, "Missing end of comment tag");
}

/* Text: returns a data token, or the opening of a tag, or the end. */
static bool lex_text(jlexer *x, jtoken *t) {
    for (;;) {
        size_t begin = x->pos, p = begin;
        const char *c;
        x->rt->line = x->line;
        if (begin >= x->n) {
            *t = (jtoken){.type = T_EOF, .line = x->line};
            return true;
        }
        for (;; p++) {
            c = memchr(x->src + p, '{', x->n - p);
            p = c ? (size_t)(c - x->src) : x->n;
            if (!c || (p + 1 < x->n && (x->src[p + 1] == '%' || x->src[p + 1] == '{' || x->src[p + 1] == '#'))) break;
        }
        if (!c) {
            make_data(x, t, begin, x->n);
            advance(x, x->n);
            return true;
        }
        char kind = x->src[p + 1], sign;
        size_t after;
        bool is_raw = kind == '%' && match_raw(x, p, "raw", &sign, false, &after);
        if (!is_raw) {
            after = p + 2;
            sign = after < x->n && (x->src[after] == '-' || x->src[after] == '+') ? x->src[after++] : 0;
        }
        size_t end = trim_before(x, begin, p, sign, kind == '{');
        make_data(x, t, begin, end);
        advance(x, after);
        x->rt->line = x->line;
        if (is_raw) {
            jtoken raw;
            if (!lex_raw(x, &raw, after)) return false;
            /* Two pieces of text in a row: join them unless one is empty. */
            if (t->n && raw.n) {
                char *both = J_NEW(x->rt, char, t->n + raw.n);
                if (!both) return false;
                memcpy(both, t->p, t->n);
                memcpy(both + t->n, raw.p, raw.n);
                t->p = both;
                t->n += raw.n;
            } else if (raw.n) {
                *t = raw;
            }
        } else if (kind == '#') {
            if (!skip_comment(x, after)) return false;
        } else {
            x->mode = kind;
            x->queued = kind;
            x->n_open = 0;
        }
        if (t->n) return true;
        if (x->queued) return suan__j_lex_next(x, t);
    }
}

/* ---- inside a tag */

static bool put_cp(jrt *rt, char *s, size_t *n, uint32_t cp) {
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) return suan__j_fail(rt, "a string holds an escape that is no character");
    *n += suan__utf8_encode(cp, s + *n);
    return true;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool read_hex(jrt *rt, const char *p, size_t n, size_t digits, uint32_t *cp) {
    *cp = 0;
    for (size_t i = 0; i < digits; i++) {
        int d = i < n ? hex_digit(p[i]) : -1;
        if (d < 0) return suan__j_fail(rt, "truncated \\x, \\u or \\U escape in a string");
        *cp = *cp << 4 | (uint32_t)d;
    }
    return true;
}

/* One escape at p[0] = '\\'; *used: how many bytes of the source it took. */
static bool unescape(jrt *rt, const char *p, size_t n, char *s, size_t *len, size_t *used) {
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *simple = p[1] ? strchr(from, p[1]) : NULL;
    uint32_t cp, low;
    *used = 2;
    if (simple) {
        s[(*len)++] = to[simple - from];
        return true;
    }
    if (p[1] == '\n') return true;
    if (p[1] >= '0' && p[1] <= '7') {
        cp = 0;
        for (*used = 1; *used < 4 && *used < n && p[*used] >= '0' && p[*used] <= '7'; ++*used) cp = cp * 8 + (uint32_t)(p[*used] - '0');
        return put_cp(rt, s, len, cp);
    }
    size_t digits = p[1] == 'x' ? 2 : p[1] == 'u' ? 4 : p[1] == 'U' ? 8 : 0;
    if (digits) {
        if (!read_hex(rt, p + 2, n - 2, digits, &cp)) return false;
        *used = 2 + digits;
        if (cp >= 0xd800 && cp < 0xdc00 && *used + 6 <= n && p[*used] == '\\' && p[*used + 1] == 'u') {
            if (!read_hex(rt, p + *used + 2, 4, 4, &low)) return false;
            if (low >= 0xdc00 && low < 0xe000) {
                cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                *used += 6;
            }
        }
        return put_cp(rt, s, len, cp);
    }
    if (p[1] == 'N') return suan__j_fail(rt, "\\N{...} escapes are not supported");
    s[(*len)++] = '\\'; /* an unknown escape stands for itself */
    *used = 1;
    return true;
}

static bool lex_string(jlexer *x, jtoken *t) {
    char quote = x->src[x->pos];
    size_t begin = x->pos + 1, end = begin, len = 0;
    bool has_escape = false;
    for (; end < x->n && x->src[end] != quote; end++) {
        if (x->src[end] == '\\') {
            has_escape = true;
            end++;
        }
    }
    if (end >= x->n) return suan__j_fail(x->rt, "a string is not closed");
    t->type = T_STRING;
    const char *p = x->src + begin;
    size_t n = end - begin;
    if (has_escape) {
        char *s = J_NEW(x->rt, char, n + 4);
        if (!s) return false;
        for (size_t i = 0; i < n;) {
            size_t used = 1;
            if (p[i] != '\\')
                s[len++] = p[i];
            else if (!unescape(x->rt, p + i, n - i, s, &len, &used))
                return false;
            i += used;
        }
        p = s;
        n = len;
    }
    advance(x, end + 1);
    return suan__j_str_borrow(x->rt, p, n, 0, &t->val);
}

/* (\d+_)*\d+ at pos; the end, or pos when there is none. */
static size_t skip_digits(const jlexer *x, size_t pos) {
    size_t p = pos;
    while (p < x->n && ((x->src[p] >= '0' && x->src[p] <= '9') || (x->src[p] == '_' && p > pos && x->src[p - 1] != '_' && p + 1 < x->n &&
                                                                   x->src[p + 1] >= '0' && x->src[p + 1] <= '9')))
        p++;
    return p;
}

static bool lex_float(jlexer *x, jtoken *t, size_t end) {
    char s[400];
    size_t n = 0;
    for (size_t i = x->pos; i < end; i++) {
        if (x->src[i] == '_') continue;
        if (n == sizeof s) return suan__j_fail(x->rt, "a number of more than %zu digits", sizeof s);
        s[n++] = x->src[i];
    }
    double f;
    if (!suan__j_parse_double(s, n, &f)) return suan__j_fail(x->rt, "a number that cannot be read");
    t->type = T_FLOAT;
    t->val = suan__j_float(f);
    advance(x, end);
    return true;
}

static bool lex_number(jlexer *x, jtoken *t) {
    size_t p = x->pos, whole = skip_digits(x, p), end = whole;
    if (p == 0 || x->src[p - 1] != '.') {
        if (end < x->n && x->src[end] == '.' && skip_digits(x, end + 1) > end + 1) end = skip_digits(x, end + 1);
        if (end < x->n && (x->src[end] | 32) == 'e') {
            size_t e = end + 1;
            if (e < x->n && (x->src[e] == '+' || x->src[e] == '-')) e++;
            if (skip_digits(x, e) > e) end = skip_digits(x, e);
        }
        if (end > whole) return lex_float(x, t, end);
    }
    int base = 10;
    char mark = p + 1 < x->n ? (char)(x->src[p + 1] | 32) : 0;
    if (x->src[p] == '0' && (mark == 'x' || mark == 'o' || mark == 'b')) {
        base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
        p += 2;
    }
    size_t first = p;
    int64_t value = 0;
    for (; p < x->n; p++) {
        if (x->src[p] == '_' && p + 1 < x->n && hex_digit(x->src[p + 1]) >= 0 && hex_digit(x->src[p + 1]) < base) continue;
        int d = hex_digit(x->src[p]);
        if (d < 0 || d >= base) break;
        if (base == 10 && p > first && x->src[first] == '0' && d != 0) break; /* 012 is no number */
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, d, &value))
            return suan__j_fail(x->rt, "an integer that does not fit in 64 bits");
    }
    if (p == first) return suan__j_fail(x->rt, "a number that cannot be read");
    t->type = T_INT;
    t->val = suan__j_int(value);
    advance(x, p);
    return true;
}

static bool is_name_byte(unsigned char c) {
    return c == '_' || c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The end of the tag at pos, or 0. */
static size_t match_tag_end(const jlexer *x, size_t p) {
    const char *close = x->mode == '%' ? "%}" : "}}";
    if (x->n_open) return 0;
    if (x->src[p] == '-' && at(x, p + 1, close)) return skip_space(x, p + 3);
    if (x->mode == '%' && x->src[p] == '+' && at(x, p + 1, close)) return p + 3;
    if (!at(x, p, close)) return 0;
    return x->mode == '%' && p + 2 < x->n && x->src[p + 2] == '\n' ? p + 3 : p + 2;
}

static bool lex_operator(jlexer *x, jtoken *t) {
    static const struct {
        char s[3];
        jtok type;
    } two[] = {{"==", T_EQ}, {"!=", T_NE}, {"<=", T_LE}, {">=", T_GE}, {"//", T_FLOORDIV}, {"**", T_POW}};
    char c = x->src[x->pos];
    for (size_t i = 0; i < sizeof two / sizeof *two; i++) {
        if (!at(x, x->pos, two[i].s)) continue;
        t->type = two[i].type;
        advance(x, x->pos + 2);
        return true;
    }
    if (!c || !strchr("+-/*%~[](){}<>=.:|,;", c)) {
        if ((unsigned char)c >= 0x20 && (unsigned char)c < 0x7f) return suan__j_fail(x->rt, "unexpected char '%c'", c);
        return suan__j_fail(x->rt, "unexpected byte 0x%02x", (unsigned char)c);
    }
    if (strchr("[({", c)) {
        if (x->n_open == SUAN__J_MAX_NESTING) return suan__j_fail_depth(x->rt);
        x->open[x->n_open++] = c == '[' ? ']' : c == '(' ? ')' : '}';
    } else if (strchr("])}", c)) {
        if (!x->n_open) return suan__j_fail(x->rt, "unexpected '%c'", c);
        if (x->open[--x->n_open] != c) return suan__j_fail(x->rt, "unexpected '%c', expected '%c'", c, x->open[x->n_open]);
    }
    t->type = c;
    advance(x, x->pos + 1);
    return true;
}

bool suan__j_lex_next(jlexer *x, jtoken *t) {
    if (x->queued) {
        *t = (jtoken){.type = x->queued == '%' ? T_BLOCK_BEGIN : T_VAR_BEGIN, .line = x->line};
        x->queued = 0;
        return true;
    }
    if (!x->mode) return lex_text(x, t);
    advance(x, skip_space(x, x->pos));
    x->rt->line = x->line;
    *t = (jtoken){.line = x->line};
    if (x->pos >= x->n) {
        t->type = T_EOF;
        return true;
    }
    size_t end = match_tag_end(x, x->pos);
    if (end) {
        t->type = x->mode == '%' ? T_BLOCK_END : T_VAR_END;
        advance(x, end);
        x->mode = 0;
        return true;
    }
    char c = x->src[x->pos];
    if (c == '"' || c == '\'') return lex_string(x, t);
    if (c >= '0' && c <= '9') return lex_number(x, t);
    if (is_name_byte((unsigned char)c)) {
        size_t p = x->pos;
        while (p < x->n && is_name_byte((unsigned char)x->src[p])) p++;
        *t = (jtoken){.type = T_NAME, .line = x->line, .p = x->src + x->pos, .n = p - x->pos};
        x->pos = p;
        return true;
    }
    return lex_operator(x, t);
}
