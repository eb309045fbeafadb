/* jinja_test.h: helpers of the chat template tests: files of cases, rendering from values of jansson. */
#ifndef TESTS_TEXT_JINJA_TEST_H
#define TESTS_TEXT_JINJA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "suan/template.h"

static const suan_template_time jinja_now = {2026, 1, 2, 3, 4, 5};

/* $variable/path, as text in the caller's buffer. */
__attribute__((unused)) static const char *jinja_path(char out[1024], const char *variable, const char *path) {
    const char *root = getenv(variable);
    snprintf(out, 1024, "%s/%s", root ? root : ".", path);
    return out;
}

__attribute__((unused)) static char *jinja_read(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    size_t cap = 1 << 16;
    char *s = malloc(cap + 1);
    *n = 0;
    if (!f) {
        free(s);
        return NULL;
    }
    for (size_t k; (k = fread(s + *n, 1, cap - *n, f)) > 0;) {
        *n += k;
        if (*n == cap) s = realloc(s, (cap *= 2) + 1);
    }
    s[*n] = 0;
    fclose(f);
    return s;
}

/* Renders source over the JSON text; *out is zeroed on failure. */
__attribute__((unused)) static suan_status jinja_render_text(const char *source, size_t n, const char *request,
                                                             const suan_template_options *o, suan_rendered *out, suan_error *err) {
    suan_template *t;
    *out = (suan_rendered){0};
    suan_status status = suan_template_create(&t, source, n, "t", err);
    if (status != SUAN_OK) return status;
    status = suan_template_render(t, request, strlen(request), o, out, err);
    suan_template_free(t);
    return status;
}

__attribute__((unused)) static suan_status jinja_render(const char *source, const char *request, suan_rendered *out, suan_error *err) {
    suan_template_options o = {.now = &jinja_now};
    return jinja_render_text(source, strlen(source), request, &o, out, err);
}

#endif
