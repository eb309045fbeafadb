/* jinja.c: the public face of the template interpreter (suan/template.h): the one place where a template meets a request. */
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "suan/template.h"
#include "text/jinja_run.h"

struct suan_template {
    jprogram program;
    char *name;
};

/* The request's own nesting; what is deeper is no conversation. jansson reads recursively, so this also bounds its stack. */
#define MAX_JSON_NESTING 100
#define MAX_REQUEST ((size_t)1 << 30)

/* ---- templates */

static suan_status report(const jrt *rt, const char *name, suan_error *err) {
    if (rt->is_raised) return suan__fail(err, rt->status, "%s", rt->message);
    return suan__fail(err, rt->status, "%s, line %u: %s", name, rt->line, rt->message);
}

suan_status suan_template_create(suan_template **out, const char *source, size_t n, const char *name, suan_error *err) {
    *out = NULL;
    SUAN_CHECK(source || !n, SUAN_EINVAL, "a template needs a source");
    suan_template *t = suan__calloc(1, sizeof *t);
    SUAN_CHECK(t, SUAN_ENOMEM, "out of memory for a chat template");
    if (!name) name = "chat template";
    t->name = suan__strndup(name, strlen(name));
    if (!t->name) {
        suan_template_free(t);
        return suan__fail(err, SUAN_ENOMEM, "out of memory for a chat template");
    }
    if (!suan__j_parse(&t->program, source ? source : "", n)) {
        suan_status status = report(&t->program.rt, name, err);
        suan_template_free(t);
        return status;
    }
    *out = t;
    return SUAN_OK;
}

void suan_template_free(suan_template *t) {
    if (!t) return;
    suan__j_fini(&t->program.rt);
    suan__free(t->name);
    suan__free(t);
}

/* ---- variables */

/* How deep the brackets of a JSON text go, outside of strings. */
static uint32_t json_nesting(const char *p, size_t n) {
    uint32_t depth = 0, max = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                in_string = false;
        } else if (p[i] == '"') {
            in_string = true;
        } else if (p[i] == '[' || p[i] == '{') {
            if (++depth > max) max = depth;
        } else if ((p[i] == ']' || p[i] == '}') && depth) {
            depth--;
        }
    }
    return max;
}

static suan_status load_object(json_t **json, const char *text, size_t n, const char *what, suan_error *err) {
    json_error_t e;
    *json = NULL;
    SUAN_CHECK(n <= MAX_REQUEST, SUAN_ELIMIT, "%s: %zu bytes are more than %zu", what, n, MAX_REQUEST);
    SUAN_CHECK(json_nesting(text, n) <= MAX_JSON_NESTING, SUAN_ELIMIT, "%s: JSON nested deeper than %d", what, MAX_JSON_NESTING);
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!j) return suan__fail_at(err, SUAN_EINVAL, e.position, "%s: not the JSON it should be: %s (line %d)", what, e.text, e.line);
    if (!json_is_object(j)) {
        json_decref(j);
        return suan__fail(err, SUAN_EINVAL, "%s: expected a JSON object", what);
    }
    *json = j;
    return SUAN_OK;
}

/* Names of the engine that extra variables must not take. */
static suan_status check_extra(const json_t *extra, const suan_template_options *o, suan_error *err) {
    static const char *const reserved[] = {"messages", "tools", "add_generation_prompt", "chat_template"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        SUAN_CHECK(!json_object_get(extra, reserved[i]), SUAN_EINVAL, "chat_template_kwargs: '%s' cannot be set here", reserved[i]);
    for (size_t i = 0; i < o->n_tokens; i++)
        SUAN_CHECK(!json_object_get(extra, o->tokens[i].name), SUAN_EINVAL, "chat_template_kwargs: '%s' cannot be set here",
                   o->tokens[i].name);
    return SUAN_OK;
}

static bool set_global(jinja *in, uint32_t sym, const json_t *request, const json_t *extra, const suan_template_options *o) {
    const jstr *name = in->program->symbols[sym];
    const json_t *value = extra ? json_object_getn(extra, name->p, name->n) : NULL;
    if (!value) value = json_object_getn(request, name->p, name->n);
    if (value) return suan__j_from_json(&in->rt, value, 1, &in->globals[sym]);
    for (size_t i = 0; i < o->n_tokens; i++) {
        const char *text = o->tokens[i].text;
        if (!suan__j_str_eq(name, o->tokens[i].name)) continue;
        if (!suan__utf8_valid(text, strlen(text)))
            return suan__j_fail(&in->rt, "the special token %s is not valid UTF-8", o->tokens[i].name);
        return suan__j_str_c(&in->rt, text, &in->globals[sym]);
    }
    const jdef *fn = suan__j_find(suan__j_globals, suan__j_n_globals, name);
    if (fn) in->globals[sym] = (jval){.tag = J_FUNCTION, .u.fn = fn};
    return true;
}

static bool set_globals(jinja *in, const json_t *request, const json_t *extra, const suan_template_options *o) {
    uint32_t n = in->program->n_symbols;
    in->globals = J_NEW(&in->rt, jval, n);
    if (!in->globals) return false;
    for (uint32_t i = 0; i < n; i++) in->globals[i] = suan__j_missing();
    for (uint32_t i = 0; i < n; i++)
        if (!suan__j_charge(&in->rt, 1) || !set_global(in, i, request, extra, o)) return false;
    return true;
}

static suan_status set_time(jinja *in, const suan_template_options *o, suan_error *err) {
    in->now = o->now ? o->now : &in->local_now;
    if (!o->now) {
        time_t seconds = time(NULL);
        struct tm tm;
        SUAN_CHECK(localtime_r(&seconds, &tm), SUAN_EINTERNAL, "the local time cannot be read");
        in->local_now =
            (suan_template_time){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec < 60 ? tm.tm_sec : 59};
    }
    const suan_template_time *t = in->now;
    SUAN_CHECK(t->year >= 1 && t->year <= 9999 && t->month >= 1 && t->month <= 12 && t->day >= 1 && t->day <= 31 && t->hour >= 0 &&
                   t->hour <= 23 && t->minute >= 0 && t->minute <= 59 && t->second >= 0 && t->second <= 59,
               SUAN_EINVAL, "the time for the template is out of range");
    return SUAN_OK;
}

/* ---- the result */

static suan_status take_output(const jbuf *b, suan_rendered *out, suan_error *err) {
    size_t n_spans = b->n > 0;
    for (size_t i = 1; b->t && i < b->n; i++) n_spans += b->t[i] != b->t[i - 1];
    out->text = suan__strndup(b->p ? b->p : "", b->n);
    out->spans = suan__calloc(n_spans, sizeof *out->spans);
    if (!out->text || !out->spans) {
        suan_rendered_free(out);
        return suan__fail(err, SUAN_ENOMEM, "out of memory for a rendered prompt of %zu bytes", b->n);
    }
    out->n = b->n;
    size_t k = 0, begin = 0;
    for (size_t i = 1; i <= b->n; i++) {
        if (i < b->n && (!b->t || b->t[i] == b->t[i - 1])) continue;
        out->spans[k++] = (suan_template_span){begin, i, !(b->t ? b->t[begin] : b->taint)};
        begin = i;
    }
    out->n_spans = k;
    return SUAN_OK;
}

void suan_rendered_free(suan_rendered *r) {
    if (!r) return;
    suan__free(r->text);
    suan__free(r->spans);
    *r = (suan_rendered){0};
}

static uint64_t limit_or(uint64_t given, uint64_t base, uint64_t per_byte, size_t n) {
    return given ? given : base + per_byte * n;
}

static suan_status render(const suan_template *t, const json_t *request, const json_t *extra, size_t n, const suan_template_options *o,
                          suan_rendered *out, suan_error *err) {
    jinja in = {.program = &t->program};
    jbuf b;
    uint64_t steps = limit_or(o->max_steps, 1000000, 4, n), bytes = limit_or(o->max_value_bytes, (uint64_t)32 << 20, 64, n);
    SUAN_TRY(set_time(&in, o, err));
    suan__j_init(&in.rt, bytes < SIZE_MAX / 2 ? (size_t)bytes : SIZE_MAX / 2, steps < INT64_MAX / 2 ? (int64_t)steps : INT64_MAX / 2);
    suan__j_buf_init(&b, &in.rt);
    uint64_t output = limit_or(o->max_output_bytes, (uint64_t)4 << 20, 4, n);
    b.limit = output < INT32_MAX ? (size_t)output : INT32_MAX;
    in.out = &b;
    bool ok = set_globals(&in, request, extra, o) && suan__j_run(&in);
    suan_status status = ok && !in.rt.failed ? take_output(&b, out, err) : report(&in.rt, t->name, err);
    suan__j_fini(&in.rt);
    return status;
}

suan_status suan_template_render(const suan_template *t, const char *request, size_t n, const suan_template_options *options,
                                 suan_rendered *out, suan_error *err) {
    static const suan_template_options defaults;
    const suan_template_options *o = options ? options : &defaults;
    json_t *json = NULL, *extra = NULL;
    suan_status status;
    *out = (suan_rendered){0};
    SUAN_CHECK(t && (request || !n), SUAN_EINVAL, "rendering needs a template and a request");
    SUAN_TRY(load_object(&json, request ? request : "", n, "request", err));
    SUAN_CHECK_GOTO(!json_object_get(json, "chat_template"), SUAN_EINVAL, "request: a request cannot bring a chat_template");
    if (o->extra) {
        SUAN_TRY_GOTO(load_object(&extra, o->extra, o->n_extra, "chat_template_kwargs", err));
        SUAN_TRY_GOTO(check_extra(extra, o, err));
    }
    status = render(t, json, extra, n + (o->extra ? o->n_extra : 0), o, out, err);
fail:
    json_decref(json);
    json_decref(extra);
    return status;
}
