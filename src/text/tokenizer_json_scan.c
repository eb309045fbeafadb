/* tokenizer_json_scan.c: a small reader for the tables of tokenizer.json. */
#include "text/tokenizer_json_scan.h"

#include <string.h>

#include "base/utf8.h"

static suan_status bad(const suan__json_reader *r, const char *what) {
    return suan__fail_at(r->err, SUAN_EFORMAT, (int64_t)r->at, "%s: %s at byte %zu", r->path, what, r->at);
}

static void skip_space(suan__json_reader *r) {
    while (r->at < r->n && (r->s[r->at] == ' ' || r->s[r->at] == '\n' || r->s[r->at] == '\r' || r->s[r->at] == '\t')) r->at++;
}

static bool take(suan__json_reader *r, char c) {
    skip_space(r);
    if (r->at >= r->n || r->s[r->at] != c) return false;
    r->at++;
    return true;
}

/* ---- Strings ---- */

static suan_status read_hex4(suan__json_reader *r, uint32_t *v) {
    *v = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->n ? r->s[r->at] : 0;
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) return bad(r, "bad \\u escape");
        *v = *v << 4 | (uint32_t)d;
    }
    return SUAN_OK;
}

static suan_status read_escape(suan__json_reader *r, char **out) {
    if (r->at >= r->n) return bad(r, "a string is cut short");
    char c = r->s[r->at++];
    uint32_t cp, low;
    switch (c) {
    case '"':
    case '\\':
    case '/':
        break;
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    case 'u':
        SUAN_TRY(read_hex4(r, &cp));
        if (cp >= 0xD800 && cp < 0xDC00) {
            if (r->n - r->at < 6 || r->s[r->at] != '\\' || r->s[r->at + 1] != 'u') return bad(r, "half of a surrogate pair");
            r->at += 2;
            SUAN_TRY(read_hex4(r, &low));
            if (low < 0xDC00 || low > 0xDFFF) return bad(r, "half of a surrogate pair");
            cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        } else if (cp >= 0xDC00 && cp < 0xE000) {
            return bad(r, "half of a surrogate pair");
        }
        *out += suan__utf8_encode(cp, *out); /* never longer than the escape */
        return SUAN_OK;
    default:
        return bad(r, "bad escape in a string");
    }
    *(*out)++ = c;
    return SUAN_OK;
}

/* A string: borrowed from the text when it has no escapes, else unescaped into the pool. */
static suan_status read_string(suan__json_reader *r, const char **text, size_t *n) {
    if (!take(r, '"')) return bad(r, "expected a string");
    size_t begin = r->at;
    while (r->at < r->n && r->s[r->at] != '"' && r->s[r->at] != '\\') {
        if ((unsigned char)r->s[r->at] < 0x20) return bad(r, "control character in a string");
        r->at++;
    }
    if (r->at < r->n && r->s[r->at] == '"') {
        *text = r->s + begin;
        *n = r->at++ - begin;
        return SUAN_OK;
    }
    char *out = r->pool;
    memcpy(out, r->s + begin, r->at - begin);
    *text = out;
    out += r->at - begin;
    while (r->at < r->n && r->s[r->at] != '"') {
        char c = r->s[r->at++];
        if ((unsigned char)c < 0x20) return bad(r, "control character in a string");
        if (c == '\\')
            SUAN_TRY(read_escape(r, &out));
        else
            *out++ = c;
    }
    if (r->at >= r->n) return bad(r, "a string is cut short");
    r->at++;
    *n = (size_t)(out - *text);
    r->pool = out;
    return SUAN_OK;
}

static suan_status skip_string(suan__json_reader *r) {
    if (!take(r, '"')) return bad(r, "expected a string");
    for (;;) {
        const char *quote = r->at < r->n ? memchr(r->s + r->at, '"', r->n - r->at) : NULL;
        if (!quote) return bad(r, "a string is cut short");
        size_t end = (size_t)(quote - r->s), slashes = 0;
        while (slashes < end - r->at && r->s[end - 1 - slashes] == '\\') slashes++;
        r->at = end + 1;
        if (slashes % 2 == 0) return SUAN_OK; /* else the quote is escaped, and nothing of it is left for the next round */
    }
}

bool suan__json_is_utf8(const char *s, size_t n) {
    for (size_t at = 0; at < n;) {
        uint64_t w;
        uint32_t cp;
        if (n - at >= 8 && (memcpy(&w, s + at, 8), (w & 0x8080808080808080u) == 0)) {
            at += 8;
        } else if ((unsigned char)s[at] < 0x80) {
            at++;
        } else {
            size_t k = suan__utf8_decode(s + at, n - at, &cp);
            if (k == 0) return false;
            at += k;
        }
    }
    return true;
}

/* ---- Finding the tables ---- */

/* Skips a value: brackets are counted, strings are skipped, the rest is jansson's to check. */
static suan_status skip_value(suan__json_reader *r) {
    size_t depth = 0;
    skip_space(r);
    while (r->at < r->n) {
        char c = r->s[r->at];
        if (c == '"') {
            SUAN_TRY(skip_string(r));
        } else if (c == '{' || c == '[') {
            depth++;
            r->at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return SUAN_OK;
            depth--;
            r->at++;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            return SUAN_OK;
        } else {
            r->at++;
            continue;
        }
        if (depth == 0) return SUAN_OK;
    }
    return depth ? bad(r, "a value is cut short") : SUAN_OK;
}

static bool key_is(const suan__json_reader *r, size_t begin, size_t end, const char *key) {
    size_t n = strlen(key);
    return end - begin == n + 2 && memcmp(r->s + begin + 1, key, n) == 0;
}

/* What to do with one member of an object: r->at is at its value, and is moved behind it. */
typedef suan_status member_fn(suan__json_reader *r, size_t key, size_t key_end, suan__json_span *vocab, suan__json_span *merges);

static suan_status walk_object(suan__json_reader *r, member_fn *member, suan__json_span *vocab, suan__json_span *merges) {
    if (!take(r, '{')) return bad(r, "expected an object");
    if (take(r, '}')) return SUAN_OK;
    do {
        skip_space(r);
        size_t key = r->at;
        SUAN_TRY(skip_string(r));
        size_t key_end = r->at;
        if (!take(r, ':')) return bad(r, "expected ':'");
        skip_space(r);
        SUAN_TRY(member(r, key, key_end, vocab, merges));
    } while (take(r, ','));
    return take(r, '}') ? SUAN_OK : bad(r, "expected ',' or '}'");
}

static suan_status model_member(suan__json_reader *r, size_t key, size_t key_end, suan__json_span *vocab, suan__json_span *merges) {
    bool is_vocab = key_is(r, key, key_end, "vocab"), is_merges = key_is(r, key, key_end, "merges");
    size_t begin = r->at;
    SUAN_TRY(skip_value(r));
    if (begin >= r->n || !((is_vocab && r->s[begin] == '{') || (is_merges && r->s[begin] == '['))) return SUAN_OK;
    suan__json_span *span = is_vocab ? vocab : merges;
    if (span->end == 0) *span = (suan__json_span){begin, r->at}; /* a second one stays in the text, where jansson refuses it */
    return SUAN_OK;
}

static suan_status top_member(suan__json_reader *r, size_t key, size_t key_end, suan__json_span *vocab, suan__json_span *merges) {
    bool model = key_is(r, key, key_end, "model") && r->at < r->n && r->s[r->at] == '{';
    return model ? walk_object(r, model_member, vocab, merges) : skip_value(r);
}

suan_status suan__json_find_tables(const char *s, size_t n, suan__json_span *vocab, suan__json_span *merges, const char *path,
                                   suan_error *err) {
    suan__json_reader r = {.s = s, .n = n, .path = path, .err = err};
    *vocab = *merges = (suan__json_span){0};
    return walk_object(&r, top_member, vocab, merges);
}

/* ---- Reading them ---- */

static suan_status read_integer(suan__json_reader *r, int64_t *value) {
    skip_space(r);
    int64_t v = 0;
    size_t begin = r->at;
    for (; r->at < r->n && r->s[r->at] >= '0' && r->s[r->at] <= '9'; r->at++) {
        v = v * 10 + (r->s[r->at] - '0');
        if (v > INT32_MAX) return bad(r, "a token id above 2147483647");
    }
    if (r->at == begin || (r->s[begin] == '0' && r->at > begin + 1)) return bad(r, "expected a token id");
    *value = v;
    return SUAN_OK;
}

/* Behind an element: ',' or the closing bracket; *more says whether another follows. */
static suan_status separator(suan__json_reader *r, char close, bool first, bool *more) {
    *more = true;
    if (take(r, close)) {
        *more = false;
        return SUAN_OK;
    }
    if (first) return SUAN_OK;
    return take(r, ',') ? SUAN_OK : bad(r, "expected ','");
}

suan_status suan__json_next_entry(suan__json_reader *r, bool *more, const char **text, size_t *n_text, int64_t *id) {
    SUAN_TRY(separator(r, '}', r->first, more));
    r->first = false;
    if (!*more) return SUAN_OK;
    SUAN_TRY(read_string(r, text, n_text));
    if (!take(r, ':')) return bad(r, "expected ':'");
    return read_integer(r, id);
}

suan_status suan__json_next_merge(suan__json_reader *r, bool *more, const char **left, size_t *n_left, const char **right,
                                  size_t *n_right) {
    SUAN_TRY(separator(r, ']', r->first, more));
    r->first = false;
    if (!*more) return SUAN_OK;
    if (take(r, '[')) {
        SUAN_TRY(read_string(r, left, n_left));
        if (!take(r, ',')) return bad(r, "expected ','");
        SUAN_TRY(read_string(r, right, n_right));
        return take(r, ']') ? SUAN_OK : bad(r, "a merge of more than two parts");
    }
    SUAN_TRY(read_string(r, left, n_left));
    const char *space = *n_left > 1 ? memchr(*left + 1, ' ', *n_left - 1) : NULL;
    if (!space || space + 1 == *left + *n_left) return bad(r, "a merge without a space between its parts");
    *right = space + 1;
    *n_right = *n_left - (size_t)(space + 1 - *left);
    *n_left = (size_t)(space - *left);
    return SUAN_OK;
}
