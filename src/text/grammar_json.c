/* grammar_json.c: JSON as RFC 8259 has it, made of nodes. */
#include "text/grammar_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INDENT 48 /* spaces; tabs: a quarter */

typedef suan__unicode_range range;

suan__node suan__json_bytes(suan__builder *b, const char *text) {
    return suan__node_bytes(b, text, strlen(text));
}

suan__node suan__json_empty(suan__builder *b) {
    return suan__node_bytes(b, "", 0);
}

suan__node suan__json_nothing(suan__builder *b) {
    return suan__node_alt(b, NULL, 0);
}

suan__node suan__json_optional(suan__builder *b, suan__node part) {
    return suan__node_repeat(b, part, 0, 1);
}

/* One byte out of a string of pairs, first and last. */
static suan__node set_of(suan__builder *b, const char *pairs) {
    range r[8];
    size_t n = 0;
    for (; pairs[2 * n]; n++) r[n] = (range){(unsigned char)pairs[2 * n], (unsigned char)pairs[2 * n + 1]};
    return suan__node_set(b, r, n, false);
}

/* ---- strings ---- */

static char short_escape(uint32_t c) {
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* The spelling of a character that must be escaped; 0 for all others, and for U+0000. */
static size_t escape_text(char text[8], uint32_t c) {
    if (c == 0 || (c >= 0x20 && c != '"' && c != '\\')) return 0;
    char s = short_escape(c);
    return (size_t)(s ? snprintf(text, 8, "\\%c", s) : snprintf(text, 8, "\\u%04x", c));
}

static bool has_point(const range *r, size_t n, uint32_t c) {
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last) return true;
    return false;
}

/* Cuts the ranges to [first, last]. Returns how many are left. */
static size_t cut(const range *r, size_t n, uint32_t first, uint32_t last, range *out) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (r[i].last < first || r[i].first > last) continue;
        out[k++] = (range){r[i].first > first ? r[i].first : first, r[i].last < last ? r[i].last : last};
    }
    return k;
}

/* The characters of ASCII that stand for themselves: at most 96 of them, one range each is enough. */
static suan__node ascii_set(suan__builder *b, const range *ranges, size_t n) {
    range r[96];
    size_t k = 0;
    for (uint32_t c = 0x20; c < 0x80; c++) {
        if (c == '"' || c == '\\' || !has_point(ranges, n, c)) continue;
        if (k > 0 && r[k - 1].last == c - 1)
            r[k - 1].last = c;
        else
            r[k++] = (range){c, c};
    }
    return suan__node_set(b, r, k, false);
}

/* ASCII and the rest are sets of their own: the rest is most often the same, and then has one table. */
suan__node suan__json_set(void *ctx, suan__builder *b, const range *ranges, size_t n) {
    (void)ctx;
    suan__word escapes[34];
    char text[34][8];
    size_t n_escapes = 0;
    for (uint32_t c = 1; c <= '\\'; c++) {
        size_t n_text = has_point(ranges, n, c) ? escape_text(text[n_escapes], c) : 0;
        if (n_text) escapes[n_escapes] = (suan__word){text[n_escapes], n_text}, n_escapes++;
    }
    range *wide = suan__malloc(n * sizeof *wide);
    if (!wide) return suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for a set of %zu ranges", n);
    size_t n_wide = cut(ranges, n, 0x80, 0x10ffff, wide);
    suan__node parts[3], ascii = ascii_set(b, ranges, n);
    size_t k = 0;
    parts[k++] = ascii;
    if (n_escapes) parts[k++] = suan__node_words(b, escapes, n_escapes);
    if (n_wide) parts[k++] = suan__node_set(b, wide, n_wide, false);
    suan__free(wide);
    return suan__node_alt(b, parts, k);
}

/* \uXXXX but for 0000 and halves of pairs, and whole pairs. */
static suan__node unicode_escape(suan__builder *b) {
    suan__node hex = set_of(b, "09afAF"), some = set_of(b, "19afAF"), zero = suan__json_bytes(b, "0");
    suan__node d = set_of(b, "ddDD"), not_d = set_of(b, "19acefACEF");
    suan__node hex2 = suan__node_repeat(b, hex, 2, 2), hex3 = suan__node_repeat(b, hex, 3, 3);
    suan__node behind_zero = SUAN__ALT(b, SUAN__SEQ(b, some, hex2), SUAN__SEQ(b, zero, some, hex), SUAN__SEQ(b, zero, zero, some));
    suan__node single = SUAN__ALT(b, SUAN__SEQ(b, not_d, hex3), SUAN__SEQ(b, zero, behind_zero), SUAN__SEQ(b, d, set_of(b, "07"), hex2));
    suan__node pair = SUAN__SEQ(b, d, set_of(b, "89abAB"), hex2, suan__json_bytes(b, "\\u"), d, set_of(b, "cfCF"), hex2);
    return SUAN__SEQ(b, suan__json_bytes(b, "\\u"), SUAN__ALT(b, single, pair));
}

static void make_strings(suan__json_nodes *j) {
    suan__builder *b = j->b;
    static const range themselves[] = {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0x10ffff}}, all[] = {{1, 0x10ffff}};
    j->quote = suan__json_bytes(b, "\"");
    suan__node itself = suan__json_set(NULL, b, themselves, 3);
    suan__node escape = SUAN__SEQ(b, suan__json_bytes(b, "\\"), set_of(b, "\"\"\\\\//bbffnnrrtt"));
    j->character = SUAN__ALT(b, itself, escape, unicode_escape(b));
    j->plain = suan__json_set(NULL, b, all, 1);
    j->string = SUAN__SEQ(b, j->quote, suan__node_repeat(b, j->character, 0, SUAN__NO_END), j->quote);
}

bool suan__json_quote(suan__buf *out, const char *s, size_t n) {
    suan__buf_append(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        char text[8];
        size_t n_text = escape_text(text, (unsigned char)s[i]);
        suan__buf_append(out, n_text ? text : s + i, n_text ? n_text : 1);
    }
    return suan__buf_append(out, "\"", 1);
}

/* ---- scalars ---- */

const char *suan__json_real_text(char text[SUAN__REAL_TEXT], double value) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, SUAN__REAL_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return text;
}

bool suan__json_scalar_text(suan__buf *out, const json_t *value) {
    char text[SUAN__REAL_TEXT];
    double real = json_real_value(value);
    switch (json_typeof(value)) {
    case JSON_STRING:
        return suan__json_quote(out, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return suan__buf_printf(out, "%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        if (rint(real) == real && fabs(real) < 1e15) return suan__buf_printf(out, "%lld", (long long)real);
        return suan__buf_printf(out, "%s", suan__json_real_text(text, real));
    case JSON_TRUE:
        return suan__buf_append(out, "true", 4);
    case JSON_FALSE:
        return suan__buf_append(out, "false", 5);
    default:
        return suan__buf_append(out, "null", 4);
    }
}

/* The text of a buffer as a node; the buffer is freed. */
static suan__node take_text(suan__builder *b, suan__buf *text) {
    suan__node node = text->failed ? suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for a text of %zu bytes", text->n)
                                   : suan__node_bytes(b, text->data, text->n);
    suan__buf_fini(text);
    return node;
}

suan__node suan__json_scalar(const suan__json_nodes *j, const json_t *value) {
    suan__buf text = {0};
    suan__json_scalar_text(&text, value);
    return take_text(j->b, &text);
}

static void make_scalars(suan__json_nodes *j) {
    suan__builder *b = j->b;
    suan__node digit = set_of(b, "09"), digits = suan__node_repeat(b, digit, 0, SUAN__NO_END), zero = suan__json_bytes(b, "0");
    suan__node minus = suan__json_optional(b, suan__json_bytes(b, "-")), natural = SUAN__SEQ(b, set_of(b, "19"), digits);
    suan__node fraction = SUAN__SEQ(b, suan__json_bytes(b, "."), suan__node_repeat(b, digit, 1, SUAN__NO_END));
    suan__node exponent = SUAN__SEQ(b, set_of(b, "eeEE"), suan__json_optional(b, set_of(b, "++--")), suan__node_repeat(b, digit, 1, 2));
    j->integer = SUAN__ALT(b, zero, SUAN__SEQ(b, minus, natural));
    j->number = SUAN__SEQ(b, minus, SUAN__ALT(b, zero, natural), suan__json_optional(b, fraction), suan__json_optional(b, exponent));
    j->boolean = SUAN__ALT(b, suan__json_bytes(b, "true"), suan__json_bytes(b, "false"));
    j->null = suan__json_bytes(b, "null");
}

/* ---- objects, arrays ---- */

static void make_space(suan__json_nodes *j) {
    suan__builder *b = j->b;
    suan__node blank = suan__json_bytes(b, " "), newline = suan__json_bytes(b, "\n"), tab = suan__json_bytes(b, "\t");
    suan__node indent = SUAN__ALT(b, suan__node_repeat(b, blank, 0, MAX_INDENT), suan__node_repeat(b, tab, 1, MAX_INDENT / 4));
    j->space = SUAN__ALT(b, suan__json_empty(b), blank, SUAN__SEQ(b, newline, indent));
    j->colon = SUAN__SEQ(b, suan__json_bytes(b, ":"), suan__json_optional(b, blank));
    j->comma = SUAN__SEQ(b, suan__json_bytes(b, ","), j->space);
    j->lead = SUAN__ALT(b, suan__json_optional(b, blank), suan__node_repeat(b, newline, 1, 2));
}

suan__node suan__json_enclose(const suan__json_nodes *j, const char *open, suan__node inner, const char *close) {
    suan__builder *b = j->b;
    return SUAN__SEQ(b, suan__json_bytes(b, open), j->space, inner, j->space, suan__json_bytes(b, close));
}

suan__node suan__json_key(const suan__json_nodes *j, const char *key, size_t n) {
    suan__buf text = {0};
    suan__json_quote(&text, key, n);
    return SUAN__SEQ(j->b, take_text(j->b, &text), j->colon);
}

/* part (comma part)* */
static suan__node list_of(const suan__json_nodes *j, suan__node part) {
    return SUAN__SEQ(j->b, part, suan__node_repeat(j->b, SUAN__SEQ(j->b, j->comma, part), 0, SUAN__NO_END));
}

static void make_values(suan__json_nodes *j) {
    suan__builder *b = j->b;
    j->any = suan__node_rule(b, NULL, 0);
    j->object = suan__node_rule(b, NULL, 0);
    j->array = suan__node_rule(b, NULL, 0);
    suan__node member = SUAN__SEQ(b, j->string, j->colon, j->any);
    suan__builder_define(b, j->any, SUAN__ALT(b, j->object, j->array, j->string, j->number, j->boolean, j->null));
    suan__builder_define(b, j->object, SUAN__ALT(b, suan__json_bytes(b, "{}"), suan__json_enclose(j, "{", list_of(j, member), "}")));
    suan__builder_define(b, j->array, SUAN__ALT(b, suan__json_bytes(b, "[]"), suan__json_enclose(j, "[", list_of(j, j->any), "]")));
}

void suan__json_nodes_init(suan__json_nodes *j, suan__builder *b) {
    *j = (suan__json_nodes){.b = b};
    make_space(j);
    make_scalars(j);
    make_strings(j);
    make_values(j);
}
