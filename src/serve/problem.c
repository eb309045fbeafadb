/* problem.c: what went wrong with a request: its kinds, and sentences from the library's errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "serve/exchange.h"

int suan__problem_status(suan__problem_kind kind) {
    static const int statuses[SUAN__N_PROBLEM_KINDS] = {
        [SUAN__PROBLEM_NONE] = 200,    [SUAN__PROBLEM_INVALID] = 400,   [SUAN__PROBLEM_UNSUPPORTED] = 400, [SUAN__PROBLEM_CONTEXT] = 400,
        [SUAN__PROBLEM_KEY] = 401,     [SUAN__PROBLEM_FORBIDDEN] = 403, [SUAN__PROBLEM_NOT_FOUND] = 404,   [SUAN__PROBLEM_METHOD] = 405,
        [SUAN__PROBLEM_TIMEOUT] = 408, [SUAN__PROBLEM_TOO_LARGE] = 413, [SUAN__PROBLEM_HEADERS] = 431,     [SUAN__PROBLEM_RATE] = 429,
        [SUAN__PROBLEM_BUSY] = 503,    [SUAN__PROBLEM_INTERNAL] = 500};
    return kind < SUAN__N_PROBLEM_KINDS ? statuses[kind] : 500;
}

static void set_param(suan__problem *p, const char *param) {
    size_t n = param ? strlen(param) : 0;
    if (n >= sizeof p->param) n = sizeof p->param - 1;
    if (n > 0) memcpy(p->param, param, n);
    p->param[suan__message_clean(p->param, n, param && param[n])] = 0;
}

bool suan__problem_set(suan__problem *p, suan__problem_kind kind, const char *param, const char *format, ...) {
    va_list args;
    va_start(args, format);
    *p = (suan__problem){.kind = kind};
    suan__message_format(p->message, sizeof p->message, format, args);
    va_end(args);
    set_param(p, param);
    return false;
}

/* Messages of the library name the file that is wrong; a client has no business with this machine's paths. */
static const char *without_path(const char *message) {
    size_t n = strcspn(message, ": ");
    bool is_path = memchr(message, '/', n) != NULL;
    return is_path && message[n] == ':' && message[n + 1] == ' ' ? message + n + 2 : message;
}

bool suan__problem_from(suan__problem *p, const char *param, const suan_error *err) {
    suan__problem_kind kind = SUAN__PROBLEM_INTERNAL;
    switch (err->status) {
    case SUAN_EINVAL:
    case SUAN_ERANGE:
    case SUAN_EFORMAT:
    case SUAN_ETEMPLATE:
    case SUAN_ENOTFOUND:
        kind = SUAN__PROBLEM_INVALID;
        break;
    case SUAN_EUNSUPPORTED:
        kind = SUAN__PROBLEM_UNSUPPORTED;
        break;
    case SUAN_ECONTEXT:
        kind = SUAN__PROBLEM_CONTEXT;
        break;
    case SUAN_EQUOTA: /* others may still have room */
        kind = SUAN__PROBLEM_RATE;
        break;
    case SUAN_ELIMIT:
    case SUAN_ENOMEM:
    case SUAN_STOPPED:
        kind = SUAN__PROBLEM_BUSY;
        break;
    default:
        break;
    }
    const char *message = without_path(err->message);
    suan__problem_set(p, kind, param, "%s", *message ? message : suan_status_text(err->status));
    if (kind == SUAN__PROBLEM_BUSY || kind == SUAN__PROBLEM_RATE) p->retry_after = 1;
    return false;
}
