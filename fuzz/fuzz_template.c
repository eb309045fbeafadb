/* fuzz_template.c: a chat template and a request: the source, a NUL, the request's JSON (none: an empty object).
 *
 * Promises beyond memory: an error comes with a message; the spans of a result cover the text without gaps; its text is UTF-8; nothing
 * passes the limits; and the same input gives the same result twice. */
#include <string.h>

#include "base/utf8.h"
#include "fuzz.h"
#include "suan/template.h"

#define MAX_OUTPUT 65536

static void check_spans(const suan_rendered *r) {
    size_t at = 0;
    FUZZ_ASSERT((r->n_spans == 0) == (r->n == 0));
    for (size_t i = 0; i < r->n_spans; i++) {
        FUZZ_ASSERT(r->spans[i].begin == at && r->spans[i].end > at);
        FUZZ_ASSERT(i == 0 || r->spans[i].trusted != r->spans[i - 1].trusted);
        at = r->spans[i].end;
    }
    FUZZ_ASSERT(at == r->n && r->n <= MAX_OUTPUT && r->text[r->n] == 0 && suan__utf8_valid(r->text, r->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const suan_template_time now = {2026, 1, 2, 3, 4, 5};
    static const suan_template_token tokens[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    const uint8_t *end = n ? memchr(data, 0, n) : NULL;
    size_t n_source = end ? (size_t)(end - data) : n;
    const char *request = end ? (const char *)end + 1 : "{}";
    size_t n_request = end ? n - n_source - 1 : 2;
    suan_template *t;
    suan_rendered r, again;
    suan_error err = {0};
    suan_template_options o = {
        .tokens = tokens, .n_tokens = 2, .now = &now, .max_steps = 50000, .max_output_bytes = MAX_OUTPUT, .max_value_bytes = 1 << 22};
    suan_status status = suan_template_create(&t, (const char *)data, n_source, "t", &err);
    FUZZ_ASSERT((status == SUAN_OK) == (t != NULL));
    FUZZ_ASSERT(status == SUAN_OK || (err.status == status && err.message[0]));
    if (!t) return 0;
    status = suan_template_render(t, request, n_request, &o, &r, &err);
    if (status == SUAN_OK) {
        check_spans(&r);
        FUZZ_ASSERT(suan_template_render(t, request, n_request, &o, &again, &err) == SUAN_OK);
        FUZZ_ASSERT(again.n == r.n && memcmp(again.text, r.text, r.n) == 0 && again.n_spans == r.n_spans);
        suan_rendered_free(&again);
        suan_rendered_free(&r);
    } else {
        FUZZ_ASSERT(!r.text && !r.spans && err.status == status);
    }
    suan_template_free(t);
    return 0;
}
