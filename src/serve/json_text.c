/* json_text.c: JSON of replies, and of what a template shows: written so that every client's line reader copes, numbers as people write them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "serve/exchange.h"

/* How many bytes of s, at its beginning, are a character at which some readers cut a line; *escape says how it is written instead. */
static size_t line_end(const char *s, size_t n, const char **escape) {
    const unsigned char *u = (const unsigned char *)s;
    if (n >= 2 && u[0] == 0xC2 && u[1] == 0x85) {
        *escape = "\\u0085";
        return 2;
    }
    if (n >= 3 && u[0] == 0xE2 && u[1] == 0x80 && (u[2] == 0xA8 || u[2] == 0xA9)) {
        *escape = u[2] == 0xA8 ? "\\u2028" : "\\u2029";
        return 3;
    }
    return 0;
}

double suan__short_decimal(float f) {
    char text[32];
    if (!isfinite(f)) return (double)f;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f) break;
    }
    return strtod(text, NULL);
}

/* jansson always writes 17 digits: 0.1 would be 0.10000000000000001, in what a template shows the model, too. */
static bool write_real(suan__buf *b, double value) {
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return suan__buf_append(b, text, strlen(text)) && (strpbrk(text, ".e") || suan__buf_append(b, ".0", 2));
}

/* In JSON text all characters outside ASCII are in strings. */
static bool write_string(suan__buf *b, const json_t *string) {
    char *raw = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    const char *from = raw, *escape = NULL;
    for (const char *s = raw; s && *s; s++) {
        size_t n_cut = (unsigned char)*s >= 0xC2 ? line_end(s, strnlen(s, 3), &escape) : 0;
        if (n_cut == 0) continue;
        suan__buf_append(b, from, (size_t)(s - from));
        suan__buf_append(b, escape, strlen(escape));
        from = s + n_cut;
        s = from - 1;
    }
    bool is_done = raw && suan__buf_append(b, from, strlen(from));
    free(raw);
    return is_done;
}

static bool write_json(suan__buf *b, const json_t *v) {
    const char *key, *before = "";
    size_t i;
    json_t *member;
    bool is_good = true;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        is_good = suan__buf_append(b, "{", 1);
        json_object_foreach((json_t *)v, key, member) {
            json_t *name = json_string(key);
            is_good = is_good && suan__buf_append(b, before, strlen(before)) && write_string(b, name) && suan__buf_append(b, ":", 1) &&
                      write_json(b, member);
            json_decref(name);
            before = ",";
        }
        return suan__buf_append(b, "}", 1) && is_good;
    case JSON_ARRAY:
        is_good = suan__buf_append(b, "[", 1);
        json_array_foreach(v, i, member) {
            is_good = is_good && suan__buf_append(b, before, strlen(before)) && write_json(b, member);
            before = ",";
        }
        return suan__buf_append(b, "]", 1) && is_good;
    case JSON_STRING:
        return write_string(b, v);
    case JSON_INTEGER:
        return suan__buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_REAL:
        return write_real(b, json_real_value(v));
    default:
        before = json_is_null(v) ? "null" : json_is_true(v) ? "true" : "false";
        return suan__buf_append(b, before, strlen(before));
    }
}

char *suan__json_text(const json_t *json, size_t *n) {
    suan__buf b = {0};
    *n = 0;
    if (!json || !write_json(&b, json)) {
        suan__buf_fini(&b);
        return NULL;
    }
    *n = b.n;
    return b.data;
}
