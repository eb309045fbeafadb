/* answer_json.c: a scanner for JSON: one pass, a stack of one byte a level, no recursion. */
#include "text/answer_json.h"

#include <stdint.h>
#include <string.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

size_t suan__json_space(const char *s, size_t n, size_t at) {
    while (at < n && is_space(s[at])) at++;
    return at;
}

/* s[*at] is the opening quote. */
static suan__scan scan_string(const char *s, size_t n, size_t *at) {
    for (size_t i = *at + 1; i < n; i++) {
        if ((unsigned char)s[i] < 0x20) return SUAN__SCAN_BAD;
        if (s[i] == '"') {
            *at = i + 1;
            return SUAN__SCAN_DONE;
        }
        if (s[i] != '\\') continue;
        if (++i == n) return SUAN__SCAN_MORE;
        if (s[i] == 'u') {
            for (int k = 0; k < 4; k++) {
                if (++i == n) return SUAN__SCAN_MORE;
                if (!is_hex(s[i])) return SUAN__SCAN_BAD;
            }
        } else if (!memchr("\"\\/bfnrt", s[i], 8)) {
            return SUAN__SCAN_BAD;
        }
    }
    return SUAN__SCAN_MORE;
}

static suan__scan scan_word(const char *s, size_t n, size_t *at, const char *word) {
    for (; *word; word++, (*at)++) {
        if (*at == n) return SUAN__SCAN_MORE;
        if (s[*at] != *word) return SUAN__SCAN_BAD;
    }
    return SUAN__SCAN_DONE;
}

/* At least one digit. */
static suan__scan scan_digits(const char *s, size_t n, size_t *at) {
    if (*at == n) return SUAN__SCAN_MORE;
    if (!is_digit(s[*at])) return SUAN__SCAN_BAD;
    while (*at < n && is_digit(s[*at])) ++*at;
    return SUAN__SCAN_DONE;
}

static suan__scan scan_number(const char *s, size_t n, size_t *at) {
    suan__scan r = SUAN__SCAN_DONE;
    if (s[*at] == '-') ++*at;
    if (*at < n && s[*at] == '0')
        ++*at;
    else
        r = scan_digits(s, n, at);
    if (r == SUAN__SCAN_DONE && *at < n && s[*at] == '.') {
        ++*at;
        r = scan_digits(s, n, at);
    }
    if (r == SUAN__SCAN_DONE && *at < n && (s[*at] == 'e' || s[*at] == 'E')) {
        ++*at;
        if (*at < n && (s[*at] == '+' || s[*at] == '-')) ++*at;
        r = scan_digits(s, n, at);
    }
    return r;
}

static suan__scan scan_scalar(const char *s, size_t n, size_t *at) {
    switch (s[*at]) {
    case '"':
        return scan_string(s, n, at);
    case 't':
        return scan_word(s, n, at, "true");
    case 'f':
        return scan_word(s, n, at, "false");
    case 'n':
        return scan_word(s, n, at, "null");
    default:
        return scan_number(s, n, at);
    }
}

typedef enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END } expect;

suan__scan suan__json_value(const char *s, size_t n, size_t *end) {
    char open[SUAN__JSON_DEPTH];
    size_t depth = 0, at = 0;
    expect next = VALUE;
    do {
        at = suan__json_space(s, n, at);
        if (at == n) return SUAN__SCAN_MORE;
        char c = s[at];
        bool ends = depth > 0 && c == open[depth - 1] && (next == VALUE_OR_END || next == KEY_OR_END || next == COMMA_OR_END);
        suan__scan r = SUAN__SCAN_DONE;
        if (ends) {
            depth--;
            at++;
            next = COMMA_OR_END;
        } else if (next == VALUE || next == VALUE_OR_END) {
            if (c == '{' || c == '[') {
                if (depth == SUAN__JSON_DEPTH) return SUAN__SCAN_BAD;
                open[depth++] = c == '{' ? '}' : ']';
                next = c == '{' ? KEY_OR_END : VALUE_OR_END;
                at++;
            } else {
                r = scan_scalar(s, n, &at);
                next = COMMA_OR_END;
            }
        } else if (next == KEY || next == KEY_OR_END) {
            r = c == '"' ? scan_string(s, n, &at) : SUAN__SCAN_BAD;
            next = COLON;
        } else if (next == COLON) {
            if (c != ':') return SUAN__SCAN_BAD;
            at++;
            next = VALUE;
        } else {
            if (c != ',') return SUAN__SCAN_BAD;
            at++;
            next = open[depth - 1] == '}' ? KEY : VALUE;
        }
        if (r != SUAN__SCAN_DONE) return r;
    } while (depth > 0);
    *end = at;
    return SUAN__SCAN_DONE;
}

bool suan__json_is_value(const char *s, size_t n) {
    size_t end;
    return suan__json_value(s, n, &end) == SUAN__SCAN_DONE && suan__json_space(s, n, end) == n;
}

bool suan__json_next_member(const char *s, size_t n, size_t *at, suan__json_member *m) {
    size_t i = suan__json_space(s, n, *at), end;
    if (i == n || s[i] == '}') return false;
    i = suan__json_space(s, n, i + 1); /* behind the brace or the comma */
    if (i == n || s[i] != '"') return false;
    end = i;
    if (scan_string(s, n, &end) != SUAN__SCAN_DONE) return false;
    m->key = s + i;
    m->n_key = end - i;
    i = suan__json_space(s, n, suan__json_space(s, n, end) + 1);
    if (i >= n || suan__json_value(s + i, n - i, &end) != SUAN__SCAN_DONE) return false;
    m->value = s + i;
    m->n_value = end;
    *at = i + end;
    return true;
}

bool suan__json_key_is(const suan__json_member *m, const char *name) {
    return m->n_key == strlen(name) + 2 && memcmp(m->key + 1, name, m->n_key - 2) == 0;
}
