/* template.h: chat templates: from messages to the text that a model reads.
 *
 * A chat template is a program in Jinja, shipped with a model, that writes a conversation in the model's own form. This is an interpreter of
 * that language as Hugging Face transformers sets it up (Jinja 3.1 in its immutable sandbox, trim_blocks and lstrip_blocks, loop controls,
 * {% generation %}, tojson without HTML escapes, raise_exception, strftime_now). A template cannot reach anything but the request, and works
 * under a budget of steps, memory, output and depth.
 *
 *     suan_template *t;
 *     suan_rendered r;
 *     if (suan_template_create(&t, source, n_source, "chat_template", &err) != SUAN_OK) ...
 *     if (suan_template_render(t, request, n_request, NULL, &r, &err) == SUAN_OK) {
 *         fwrite(r.text, 1, r.n, stdout);
 *         suan_rendered_free(&r);
 *     }
 *     suan_template_free(t);
 *
 * Provenance: the result says of every byte whether the template wrote it (trusted) or it comes from the request. Only trusted bytes may
 * form control tokens; whoever turns the text into ids must hold to that.
 *
 * Threads: a template may be rendered by several threads at once.
 */
#ifndef SUAN_TEMPLATE_H
#define SUAN_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct suan_template suan_template;

/* Reads a template from UTF-8 text. name (NULL: "chat template") is for messages. Errors: SUAN_ETEMPLATE with the line of a mistake,
 * SUAN_ELIMIT for a source that is too long or nested too deeply. *t is NULL on failure. */
SUAN_API suan_status suan_template_create(suan_template **t, const char *source, size_t n, const char *name, suan_error *err);
SUAN_API void suan_template_free(suan_template *t); /* NULL is fine */

/* A special token of the model, a variable for the template: bos_token, eos_token, ... Trusted. */
typedef struct suan_template_token {
    const char *name; /* of the variable */
    const char *text; /* UTF-8 */
} suan_template_token;

typedef struct suan_template_time {
    int year;   /* 1..9999 */
    int month;  /* 1..12 */
    int day;    /* 1..31 */
    int hour;   /* 0..23 */
    int minute; /* 0..59 */
    int second; /* 0..59 */
} suan_template_time;

/* Zeroed options are the defaults. All pointers are borrowed for the call. */
typedef struct suan_template_options {
    const suan_template_token *tokens; /* used where the request has no key of that name */
    size_t n_tokens;
    const suan_template_time *now; /* for strftime_now; NULL: the present local time */
    /* More variables from the request (its "chat_template_kwargs"), a JSON object. messages, tools, add_generation_prompt, chat_template and
     * the names of `tokens` are refused; a name that the request has already is replaced. NULL: none. */
    const char *extra;
    size_t n_extra;
    /* Limits; 0 means the default. Reached: SUAN_ELIMIT. */
    uint64_t max_steps;        /* nodes evaluated, items made, probes, and one for 32 bytes moved: 1,000,000 + 4 a byte of the request */
    uint64_t max_output_bytes; /* 4 MiB + 4 a byte of the request */
    uint64_t max_value_bytes;  /* memory for values: 32 MiB + 64 a byte of the request */
} suan_template_options;

typedef struct suan_template_span {
    size_t begin, end; /* bytes [begin, end) */
    bool trusted;      /* written by the template itself */
} suan_template_span;

typedef struct suan_rendered {
    char *text; /* UTF-8 with a NUL behind it; may hold NULs when the request does */
    size_t n;
    suan_template_span *spans; /* in order, without gaps, neighbours differ; none for an empty text */
    size_t n_spans;
} suan_rendered;

/* Renders with `request`, a JSON object each key of which is a variable. The one way from a request to a prompt: a request cannot bring a
 * template along (a key chat_template is refused). options may be NULL. *out is owned by the caller on success and empty on failure.
 * Errors: SUAN_ETEMPLATE (the template failed; the message of raise_exception is passed on as it is, others name the line), SUAN_EINVAL (the
 * request is no such JSON), SUAN_ELIMIT, SUAN_ENOMEM. */
SUAN_API suan_status suan_template_render(const suan_template *t, const char *request, size_t n, const suan_template_options *options,
                                          suan_rendered *out, suan_error *err);
SUAN_API void suan_rendered_free(suan_rendered *r); /* NULL and an empty one are fine */

#ifdef __cplusplus
}
#endif
#endif
