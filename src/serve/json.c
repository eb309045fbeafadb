/* json.c: JSON of requests, read with bounds. */
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
