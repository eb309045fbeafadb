/* grammar_gbnf.c: reader of GBNF, the notation of llama.cpp's grammars.
 *
 *     rule      name ::= sequence | sequence ...     to the end of the line; a line goes on behind '|' and inside parentheses
 *     item      "text"  [a-z]  [^a-z]  .  name  ( ... )  <token text>  <[token id]>  !<token>
 *     behind it *  +  ?  {m}  {m,}  {m,n}
 *     comment   # to the end of the line
 *
 * Groups may nest to SUAN__GRAMMAR_MAX_DEPTH.
 */
#include <string.h>

#include "base/utf8.h"
#include "text/grammar_groups.h"
#include "text/grammar_internal.h"

typedef struct parser {
    suan__builder *b;
    suan_error *err;
    const char *s;
    size_t n, at;
    suan__groups groups;
    suan__unicode_range *range; /* of the set at work */
    uint32_t n_range, c_range;
} parser;

static suan_status fail(const parser *p, suan_status status, const char *what) {
    size_t line = 1;
    char found[5];
    for (size_t i = 0; i < p->at; i++) line += p->s[i] == '\n';
    if (p->at >= p->n) return suan__fail_at(p->err, status, (int64_t)p->at, "grammar: line %zu: %s, found the end of the text", line, what);
    uint32_t cp;
    size_t k = suan__utf8_decode(p->s + p->at, p->n - p->at, &cp);
    memcpy(found, p->s + p->at, k ? k : 1);
    found[k ? k : 1] = 0;
    return suan__fail_at(p->err, status, (int64_t)p->at, "grammar: line %zu: %s, found '%s'", line, what, found);
}

static bool is_at(const parser *p, char c) {
    return p->at < p->n && p->s[p->at] == c;
}

static bool is_newline(const parser *p) {
    return is_at(p, '\n') || is_at(p, '\r');
}

static void skip_space(parser *p, bool newlines) {
    for (; p->at < p->n; p->at++) {
        if (is_at(p, '#')) {
            while (p->at < p->n && !is_newline(p)) p->at++;
            p->at--;
        } else if (!is_at(p, ' ') && !is_at(p, '\t') && !(newlines && is_newline(p))) {
            return;
        }
    }
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static size_t name_length(const parser *p) {
    size_t n = 0;
    while (p->at + n < p->n && is_name_char(p->s[p->at + n])) n++;
    return n;
}

/* ---- characters ---- */

static suan_status read_hex(parser *p, int digits, uint32_t *cp) {
    if (!suan__read_hex(p->s + p->at, p->n - p->at, (size_t)digits, cp))
        return fail(p, SUAN_EINVAL, "expected hexadecimal digits (2 behind \\x, 4 behind \\u, 8 behind \\U)");
    if (*cp > 0x10FFFF || (*cp >= 0xD800 && *cp <= 0xDFFF)) return fail(p, SUAN_EINVAL, "an escape that is no character");
    p->at += (size_t)digits;
    return SUAN_OK;
}

/* One character of a literal or a set, escapes undone. */
static suan_status read_char(parser *p, uint32_t *cp) {
    if (!is_at(p, '\\')) {
        size_t k = suan__utf8_decode(p->s + p->at, p->n - p->at, cp);
        if (k == 0) return fail(p, SUAN_EINVAL, "expected a character in UTF-8");
        p->at += k;
        return SUAN_OK;
    }
    p->at++;
    char c = p->at < p->n ? p->s[p->at] : 0;
    if (!c || !strchr("xuUtrn\\\"[]-", c)) return fail(p, SUAN_EINVAL, "expected one of xuUtrn\\\"[]- behind a backslash");
    p->at++;
    if (c == 'x' || c == 'u' || c == 'U') return read_hex(p, c == 'x' ? 2 : c == 'u' ? 4 : 8, cp);
    *cp = c == 't' ? '\t' : c == 'r' ? '\r' : c == 'n' ? '\n' : (unsigned char)c;
    return SUAN_OK;
}

static suan_status read_literal(parser *p, suan__node *node) {
    suan__buf text = {.limit = SUAN__GRAMMAR_MAX_BYTES};
    suan_status status = SUAN_OK;
    p->at++;
    while (status == SUAN_OK && !is_at(p, '"')) {
        uint32_t cp;
        char utf8[4];
        status = p->at < p->n ? read_char(p, &cp) : fail(p, SUAN_EINVAL, "expected '\"'");
        if (status == SUAN_OK && !suan__buf_append(&text, utf8, suan__utf8_encode(cp, utf8)))
            status = fail(p, text.n < SUAN__GRAMMAR_MAX_BYTES - 4 ? SUAN_ENOMEM : SUAN_ELIMIT, "no room for a literal");
    }
    p->at++;
    if (status == SUAN_OK) *node = suan__node_bytes(p->b, text.data, text.n);
    suan__buf_fini(&text);
    return status;
}

static suan_status add_range(parser *p, uint32_t first, uint32_t last) {
    if (!suan__ir_reserve(p->b, (void **)&p->range, &p->c_range, sizeof *p->range, (uint64_t)p->n_range + 1, SUAN__GRAMMAR_MAX_NODES,
                          "ranges of a set"))
        return suan__builder_status(p->b, p->err);
    p->range[p->n_range++] = (suan__unicode_range){first, last};
    return SUAN_OK;
}

static suan_status read_set(parser *p, suan__node *node) {
    p->at++;
    bool negated = is_at(p, '^');
    p->at += negated;
    p->n_range = 0;
    while (!is_at(p, ']')) {
        uint32_t first, last;
        if (p->at >= p->n) return fail(p, SUAN_EINVAL, "expected ']'");
        SUAN_TRY(read_char(p, &first));
        last = first;
        if (is_at(p, '-') && p->at + 1 < p->n && p->s[p->at + 1] != ']') {
            p->at++;
            SUAN_TRY(read_char(p, &last));
            if (last < first) return fail(p, SUAN_EINVAL, "a range of characters whose end is before its beginning");
        }
        SUAN_TRY(add_range(p, first, last));
    }
    p->at++;
    *node = suan__node_set(p->b, p->range, p->n_range, negated);
    return SUAN_OK;
}

/* ---- tokens ---- */

static suan_status read_number(parser *p, uint32_t *value) {
    size_t digits = suan__read_number(p->s + p->at, p->n - p->at, value);
    if (digits == 0) return fail(p, SUAN_EINVAL, "expected a number");
    if (*value == SUAN__NO_END) return fail(p, SUAN_ELIMIT, "a number above 4294967294");
    p->at += digits;
    return SUAN_OK;
}

static suan_status read_token(parser *p, suan__node *node) {
    bool negated = is_at(p, '!');
    p->at += negated;
    if (!is_at(p, '<')) return fail(p, SUAN_EINVAL, "expected '<'");
    p->at++;
    if (is_at(p, '[')) {
        uint32_t id;
        p->at++;
        SUAN_TRY(read_number(p, &id));
        if (id > INT32_MAX) return fail(p, SUAN_ERANGE, "a token id above 2147483647");
        if (p->n - p->at < 2 || memcmp(p->s + p->at, "]>", 2) != 0) return fail(p, SUAN_EINVAL, "expected ']>'");
        p->at += 2;
        *node = suan__node_token_id(p->b, (int32_t)id, negated);
        return SUAN_OK;
    }
    /* The token's text is what stands here, with < and >. */
    size_t from = p->at - 1;
    while (p->at < p->n && !is_at(p, '>') && !is_newline(p)) p->at++;
    if (!is_at(p, '>')) return fail(p, SUAN_EINVAL, "expected '>'");
    p->at++;
    *node = negated ? suan__node_token_not(p->b, p->s + from, p->at - from) : suan__node_token(p->b, p->s + from, p->at - from);
    return SUAN_OK;
}

/* ---- sequences ---- */

/* {m}, {m,}, {m,n} */
static suan_status read_counts(parser *p, uint32_t *min, uint32_t *max) {
    bool newlines = p->groups.depth > 1;
    p->at++;
    skip_space(p, newlines);
    SUAN_TRY(read_number(p, min));
    *max = *min;
    skip_space(p, newlines);
    if (is_at(p, ',')) {
        p->at++;
        skip_space(p, newlines);
        *max = SUAN__NO_END;
        if (!is_at(p, '}')) SUAN_TRY(read_number(p, max));
        skip_space(p, newlines);
    }
    if (!is_at(p, '}')) return fail(p, SUAN_EINVAL, "expected '}'");
    p->at++;
    return SUAN_OK;
}

static suan_status repeat_last(parser *p) {
    uint32_t min = 0, max = SUAN__NO_END;
    char c = p->s[p->at];
    suan__node *last = suan__groups_last(&p->groups);
    if (!last) return fail(p, SUAN_EINVAL, "expected something to repeat");
    if (c == '{') {
        SUAN_TRY(read_counts(p, &min, &max));
    } else {
        min = c == '+';
        max = c == '?' ? 1 : SUAN__NO_END;
        p->at++;
    }
    *last = suan__node_repeat(p->b, *last, min, max);
    return SUAN_OK;
}

static suan_status read_item(parser *p) {
    suan__node node = SUAN__NO_NODE;
    size_t n = name_length(p);
    char c = p->s[p->at];
    if (n > 0) {
        node = suan__node_rule(p->b, p->s + p->at, n);
        p->at += n;
    } else if (c == '"') {
        SUAN_TRY(read_literal(p, &node));
    } else if (c == '[') {
        SUAN_TRY(read_set(p, &node));
    } else if (c == '.') {
        node = suan__node_set(p->b, NULL, 0, true);
        p->at++;
    } else if (c == '<' || c == '!') {
        SUAN_TRY(read_token(p, &node));
    } else {
        return fail(p, SUAN_EINVAL, "expected an item of a rule");
    }
    suan__groups_push(&p->groups, node);
    return SUAN_OK;
}

/* One step of a rule's right side: a group's beginning or end, a '|', a repetition, an item. */
static suan_status read_step(parser *p) {
    char c = p->s[p->at];
    if (c == '|') {
        suan__groups_alternative(&p->groups);
        p->at++;
        skip_space(p, true);
        return SUAN_OK;
    }
    if (c == '(') {
        if (!suan__groups_open(&p->groups)) return fail(p, SUAN_ELIMIT, "more than 256 open parentheses");
        p->at++;
        return SUAN_OK;
    }
    if (c == ')') {
        if (p->groups.depth == 1) return fail(p, SUAN_EINVAL, "a parenthesis that was not opened");
        suan__node node = suan__groups_close(&p->groups);
        suan__groups_push(&p->groups, node);
        p->at++;
        return SUAN_OK;
    }
    return c == '*' || c == '+' || c == '?' || c == '{' ? repeat_last(p) : read_item(p);
}

/* What stands behind ::=, to the end of the line. */
static suan_status read_body(parser *p, suan__node *body) {
    suan__groups_open(&p->groups);
    skip_space(p, true);
    while (p->at < p->n && (p->groups.depth > 1 || !is_newline(p))) {
        SUAN_TRY(read_step(p));
        SUAN_TRY(suan__builder_status(p->b, p->err));
        skip_space(p, p->groups.depth > 1);
    }
    if (p->groups.depth > 1) return fail(p, SUAN_EINVAL, "expected ')'");
    *body = suan__groups_close(&p->groups);
    return SUAN_OK;
}

static suan_status read_rules(parser *p) {
    for (skip_space(p, true); p->at < p->n; skip_space(p, true)) {
        size_t n = name_length(p);
        if (n == 0) return fail(p, SUAN_EINVAL, "expected the name of a rule");
        suan__node rule = suan__node_rule(p->b, p->s + p->at, n), body = SUAN__NO_NODE;
        if (suan__node_is_defined(p->b, rule)) return fail(p, SUAN_EINVAL, "a rule that is defined already");
        p->at += n;
        skip_space(p, false);
        if (p->n - p->at < 3 || memcmp(p->s + p->at, "::=", 3) != 0) return fail(p, SUAN_EINVAL, "expected '::='");
        p->at += 3;
        SUAN_TRY(read_body(p, &body));
        suan__builder_define(p->b, rule, body);
        SUAN_TRY(suan__builder_status(p->b, p->err));
    }
    return SUAN_OK;
}

suan_status suan_grammar_from_gbnf(suan_grammar **g, const char *text, size_t n, suan_error *err) {
    *g = NULL;
    SUAN_CHECK(n <= SUAN__GRAMMAR_MAX_TEXT, SUAN_ELIMIT, "grammar: %zu bytes, at most %d are read", n, SUAN__GRAMMAR_MAX_TEXT);
    suan__builder *b;
    SUAN_TRY(suan__builder_create(&b, err));
    parser *p = suan__calloc(1, sizeof *p);
    suan_status status = SUAN_ENOMEM;
    if (p) {
        p->b = p->groups.b = b;
        p->err = err;
        p->s = text;
        p->n = n;
        status = read_rules(p);
    } else {
        suan__fail(err, status, "grammar: out of memory");
    }
    if (p) {
        suan__groups_fini(&p->groups);
        suan__free(p->range);
    }
    suan__free(p);
    suan__node root = status == SUAN_OK ? suan__node_rule(b, "root", 4) : SUAN__NO_NODE;
    if (status == SUAN_OK && !suan__node_is_defined(b, root))
        status = suan__fail(err, SUAN_EINVAL, "grammar: no rule 'root', where texts would begin");
    if (status == SUAN_OK) return suan__builder_finish(g, &b, root, err);
    suan__builder_free(b);
    return status;
}
