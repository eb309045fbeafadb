/* json.c: JSON of requests, read with bounds, and of replies, written so that every client's line reader copes. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "serve/http.h"

#define MAX_DEPTH 64

/* Whether brackets outside of strings nest too deep: read before the parser, in one pass. Where the text is no JSON, the parser says so. */
static bool is_too_deep(const char *s, size_t n) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH) return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* The parser's sentences quote the text around: that stays out of replies. */
static void say_why(suan__problem *problem, const json_error_t *err) {
    const char *near = strstr(err->text, " near ");
    int n = near ? (int)(near - err->text) : (int)strlen(err->text);
    if (json_error_code(err) == json_error_duplicate_key)
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, "", "The body has a member twice (line %d, column %d).", err->line, err->column);
    else
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, "", "The body is not JSON: %.*s (line %d, column %d).", n > 100 ? 100 : n,
                          err->text, err->line, err->column);
}

json_t *suan__exchange_json(suan__exchange *x, suan__problem *problem) {
    json_error_t err;
    if (x->json) return x->json;
    if (x->body.n == 0) {
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, "", "The request has no body; expected a JSON object.");
        return NULL;
    }
    if (is_too_deep(x->body.data, x->body.n)) {
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, "", "The body nests deeper than %d levels.", MAX_DEPTH);
        return NULL;
    }
    json_t *json = json_loadb(x->body.data, x->body.n, JSON_REJECT_DUPLICATES, &err);
    if (!json) {
        say_why(problem, &err);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, "", "The body is JSON, but not an object.");
        return NULL;
    }
    return x->json = json;
}

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

/* In JSON text all characters outside ASCII are in strings, so an escape is right wherever one is found. */
char *suan__json_text(const json_t *json, size_t *n) {
    *n = 0;
    char *raw = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    suan__buf b = {0};
    const char *from = raw, *escape = NULL;
    if (!raw) return NULL;
    for (const char *s = raw; *s; s++) {
        size_t n_cut = (unsigned char)*s >= 0xC2 ? line_end(s, strnlen(s, 3), &escape) : 0;
        if (n_cut == 0) continue;
        suan__buf_append(&b, from, (size_t)(s - from));
        suan__buf_append(&b, escape, strlen(escape));
        from = s + n_cut;
        s = from - 1;
    }
    suan__buf_append(&b, from, strlen(from));
    free(raw);
    if (b.failed) {
        suan__buf_fini(&b);
        return NULL;
    }
    *n = b.n;
    return b.data;
}
