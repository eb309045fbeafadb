/* routes.c: one table of all routes, and which row a request takes. */
#include <stdio.h>
#include <string.h>

#include "serve/http.h"
#include "serve/own.h"

#define ALLOW_BYTES 80

/* Only the tests' server has some. */
#pragma weak suan__test_routes

/* OpenAI's last: three interfaces have GET /v1/models, and the others know their requests by a header. */
static const suan__routes *const tables[] = {&suan__own_routes,    &suan__page_routes,   &suan__anthropic_routes, &suan__gemini_routes,
                                             &suan__ollama_routes, &suan__openai_routes, &suan__responses_routes, &suan__test_routes};

const suan__route *suan__route_at(size_t i) {
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        if (!tables[t]) continue;
        if (i < tables[t]->n) return &tables[t]->rows[i];
        i -= tables[t]->n;
    }
    return NULL;
}

/* Whether the pattern takes the segments. *first: the segment that "{}" took, *is_rest: "{*}" took it and all behind. */
static bool matches(const char *pattern, const char *const *segments, size_t n, size_t *first, bool *is_rest) {
    size_t i = 0;
    *first = n;
    *is_rest = false;
    for (const char *s = pattern + 1;; i++) {
        size_t n_part = strcspn(s, "/");
        if (n_part == 3 && memcmp(s, "{*}", 3) == 0) {
            *first = i;
            *is_rest = true;
            return i < n && *segments[i];
        }
        if (i == n) return false;
        if (n_part == 2 && memcmp(s, "{}", 2) == 0) {
            if (!*segments[i]) return false;
            *first = i;
        } else if (strlen(segments[i]) != n_part || memcmp(segments[i], s, n_part) != 0) {
            return false;
        }
        if (!s[n_part]) return i + 1 == n;
        s += n_part + 1;
    }
}

/* What was captured: one segment, or the rest with slashes between. */
static const char *capture(suan__exchange *x, const char *const *segments, size_t n, size_t first, bool is_rest) {
    suan__buf b = {0};
    if (first == n) return "";
    for (size_t i = first; i < (is_rest ? n : first + 1); i++) suan__buf_printf(&b, "%s%s", i > first ? "/" : "", segments[i]);
    const char *copy = b.failed ? NULL : suan__arena_strndup(&x->arena, b.data, b.n);
    suan__buf_fini(&b);
    return copy;
}

static const suan__dialect *dialect_named(const char *name) {
    const suan__route *r;
    for (size_t i = 0; (r = suan__route_at(i)); i++)
        if (strcmp(r->dialect->name, name) == 0) return r->dialect;
    return &suan__own_dialect;
}

/* How errors look where no route says it. */
static const suan__dialect *guess_dialect(const suan__exchange *x) {
    const char *path = x->path ? x->path : x->uri ? x->uri : "";
    if (suan__exchange_header(x, "anthropic-version") || strncmp(path, "/v1/messages", 12) == 0) return dialect_named("anthropic");
    if (suan__exchange_header(x, "x-goog-api-key") || suan__exchange_header(x, "x-goog-api-client") || strncmp(path, "/v1beta/", 8) == 0 ||
        (strncmp(path, "/v1/models/", 11) == 0 && strchr(path, ':')))
        return dialect_named("gemini");
    if (strncmp(path, "/page/", 6) == 0) return &suan__own_dialect;
    return dialect_named(strncmp(path, "/api/", 5) == 0 ? "ollama" : "openai");
}

/* Adds a method to the list of those that a path takes. */
static void allow(char list[ALLOW_BYTES], const char *method) {
    size_t n = strlen(list);
    if (!strstr(list, method)) snprintf(list + n, ALLOW_BYTES - n, "%s%s", n ? ", " : "", method);
}

void suan__route_find(suan__exchange *x, const char *const *segments, size_t n_segments) {
    char allowed[ALLOW_BYTES] = "";
    const char *method = x->is_head ? "GET" : x->method;
    bool has_path = false, is_preflight = strcmp(method, "OPTIONS") == 0;
    const suan__route *r;
    x->dialect = guess_dialect(x);
    if (!segments) return;
    for (size_t i = 0; (r = suan__route_at(i)); i++) {
        size_t first;
        bool is_rest;
        if (!matches(r->path, segments, n_segments, &first, &is_rest)) continue;
        has_path = true;
        allow(allowed, r->method);
        if (strcmp(r->method, "GET") == 0) allow(allowed, "HEAD");
        bool takes = strcmp(r->method, method) == 0 || (x->is_head && strcmp(r->method, "HEAD") == 0);
        if (!takes || (r->wants && !r->wants(x))) continue;
        x->route = r;
        x->dialect = r->dialect;
        x->capture = capture(x, segments, n_segments, first, is_rest);
        if (!x->capture) suan__exchange_refuse(x, SUAN__PROBLEM_BUSY, "", "Out of memory.");
        return;
    }
    if (has_path && is_preflight) return;
    if (has_path) {
        allow(allowed, "OPTIONS");
        suan__reply_header(x, "Allow", allowed);
    }
    if (has_path)
        suan__exchange_refuse(x, SUAN__PROBLEM_METHOD, "", "This method is not offered for this path.");
    else
        suan__exchange_refuse(x, SUAN__PROBLEM_NOT_FOUND, "", "There is no such path here.");
}
