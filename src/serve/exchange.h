/* exchange.h: one HTTP request and its reply, as an interface (openai.c, anthropic.c, ...) sees them.
 *
 * The HTTP part (http.c) reads a request whole, decides on its parsed bytes who asks and which route it takes, and calls the route's handler on a worker thread. The handler
 * replies at once, or later from any thread. A handler that works on must hold a reference.
 */
#ifndef SUAN_SERVE_EXCHANGE_H
#define SUAN_SERVE_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/suan.h"

typedef struct suan__exchange suan__exchange;
typedef struct suan__server suan__server; /* server.h */

/* ---- what went wrong ---- */

typedef enum suan__problem_kind {
    SUAN__PROBLEM_NONE = 0,
    SUAN__PROBLEM_INVALID,     /* 400: the request is wrong; param names the field */
    SUAN__PROBLEM_UNSUPPORTED, /* 400: a field that this server knows and refuses */
    SUAN__PROBLEM_CONTEXT,     /* 400: it does not fit into the context; message has need and have */
    SUAN__PROBLEM_KEY,         /* 401 */
    SUAN__PROBLEM_FORBIDDEN,   /* 403: Host or Origin */
    SUAN__PROBLEM_NOT_FOUND,   /* 404: path or model */
    SUAN__PROBLEM_METHOD,      /* 405 */
    SUAN__PROBLEM_TIMEOUT,     /* 408 */
    SUAN__PROBLEM_TOO_LARGE,   /* 413 */
    SUAN__PROBLEM_HEADERS,     /* 431 */
    SUAN__PROBLEM_RATE,        /* 429: the owner has its share; retry_after */
    SUAN__PROBLEM_BUSY,        /* 503: the queue is full, or the server stops; retry_after */
    SUAN__PROBLEM_INTERNAL,    /* 500 */
    SUAN__N_PROBLEM_KINDS
} suan__problem_kind;

typedef struct suan__problem {
    suan__problem_kind kind;
    char param[128];    /* the field, as a path ("messages[2].content"); "" where there is none */
    char message[1024]; /* one sentence; no pointers, no paths of this machine */
    double retry_after; /* seconds; 0: not said */
} suan__problem;

int suan__problem_status(suan__problem_kind kind); /* the HTTP status */
/* Fills *p and returns false, for `return suan__problem_set(..)`. */
bool suan__problem_set(suan__problem *p, suan__problem_kind kind, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* From the library's error. */
bool suan__problem_from(suan__problem *p, const char *param, const suan_error *err);

/* ---- routes ---- */

/* An interface: how its errors look. */
typedef struct suan__dialect {
    const char *name;                                                        /* "openai", "anthropic", "gemini", "ollama", "suan" */
    json_t *(*error)(const suan__exchange *x, const suan__problem *problem); /* the body, new reference; NULL: out of memory */
    void (*stream_error)(
        suan__exchange *x,
        const suan__problem *problem); /* the same within a stream that has begun; then the stream is ended by the caller */
    const char *request_id_header;     /* "x-request-id", "request-id" */
} suan__dialect;

typedef void suan__handler(suan__exchange *x);

typedef enum suan__route_flags {
    SUAN__ROUTE_PUBLIC = 1,    /* needs no key */
    SUAN__ROUTE_NO_BODY = 2,   /* a body is refused */
    SUAN__ROUTE_COUNTED = 4,   /* counts as a request for a model (queue, ledger) */
    SUAN__ROUTE_ALWAYS = 8,    /* also while the model is being loaded, and while the server stops */
    SUAN__ROUTE_UNLOGGED = 32, /* the log has it only where it fails: probes */
    SUAN__ROUTE_QUICK = 16     /* the handler replies at once and waits for nothing: it runs on the I/O thread */
} suan__route_flags;

/* path: segments, "{}" takes one segment, "{*}" at the end takes the rest ("/v1/models/{*}"); captures are percent-decoded. Of several rows for one path and method the one
 * whose `wants` says true takes it (NULL: always); the first row counts. */
typedef struct suan__route {
    const char *method, *path;
    const suan__dialect *dialect;
    suan__handler *handler;
    unsigned flags;
    bool (*wants)(const suan__exchange *x);
    const char *summary; /* for /openapi.json */
} suan__route;

typedef struct suan__routes {
    const suan__route *rows;
    size_t n;
} suan__routes;
/* Each interface's rows; routes.c puts them into one table. */
extern const suan__routes suan__openai_routes, suan__responses_routes, suan__anthropic_routes, suan__gemini_routes, suan__ollama_routes,
    suan__own_routes, suan__page_routes;

/* ---- the request ---- */

suan__server *suan__exchange_server(const suan__exchange *x);
const suan__route *suan__exchange_route(const suan__exchange *x);
const char *suan__exchange_id(const suan__exchange *x); /* "req_" and 24 characters: in the log, the ledger, and the reply's headers */
uint64_t suan__exchange_owner(const suan__exchange *x); /* for suan_request_params.owner: of the key; one for all where there are no keys */
const char *suan__exchange_key_name(const suan__exchange *x); /* "" without keys */
const char *suan__exchange_capture(const suan__exchange *x);  /* what "{}" or "{*}" took; "" */
/* NULL: there is none. Header names in any case. Headers that carry keys, and the parameter "key", are there with the value "". */
const char *suan__exchange_header(const suan__exchange *x, const char *name);
const char *suan__exchange_query(const suan__exchange *x, const char *name);
const char *suan__exchange_body(const suan__exchange *x, size_t *n);
/* The body as a JSON object, borrowed (kept until the exchange is freed): depth, size, duplicate keys, NULs, UTF-8 and surrogates are checked. NULL: *problem says why. */
json_t *suan__exchange_json(suan__exchange *x, suan__problem *problem);

/* ---- the reply: once, whole or as a stream; any thread ---- */

/* Before the reply begins. name and value are copied; a value with control characters is refused (left out). A name that was set before gets the new value. */
void suan__reply_header(suan__exchange *x, const char *name, const char *value);
/* text is copied. */
void suan__reply(suan__exchange *x, int status, const char *content_type, const void *text, size_t n);
/* JSON in UTF-8 in which U+2028, U+2029 and U+0085 are escaped. Steals the reference; NULL: 500. */
void suan__reply_json(suan__exchange *x, int status, json_t *body);
/* In the form of the route's dialect, with Retry-After where it has one, and x-should-retry: false where asking again cannot help. */
void suan__reply_problem(suan__exchange *x, const suan__problem *problem);

/* Status 200, and the first bytes as soon as they are written. Cache-Control: no-store. */
void suan__stream_begin(suan__exchange *x, const char *content_type);
void suan__stream_write(suan__exchange *x, const void *text, size_t n);
/* "event: NAME\n" (NULL: none) "data: JSON\n\n"; one JSON object and a newline. Steal the reference. */
void suan__stream_event(suan__exchange *x, const char *event, json_t *data);
void suan__stream_line(suan__exchange *x, json_t *data);
/* The keep-alive of this stream: bytes that may be sent between two events when nothing else was for a while (": \n\n", "\n", " "). Static string. */
void suan__stream_keep_alive(suan__exchange *x, const char *bytes);
void suan__stream_end(suan__exchange *x);
bool suan__reply_has_begun(const suan__exchange *x);

/* The client has gone: fn is called once, on any thread, at once if it has gone already; from then on what is written goes nowhere. slow(ctx, true): the client reads so slowly that
 * the buffer is full: make no more until slow(ctx, false). Either may be NULL. */
void suan__exchange_watch(suan__exchange *x, void (*gone)(void *ctx), void (*slow)(void *ctx, bool is_full), void *ctx);

/* What the answer took, for the log and the metrics; once. */
void suan__exchange_account(suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning);

/* p goes with the exchange: fn frees it then (the last kept first). false: out of memory, and fn was called at once. kept: the first that was kept with this fn, NULL: none. Not while
 * another thread does either. */
bool suan__exchange_keep(suan__exchange *x, void *p, void (*fn)(void *p));
void *suan__exchange_kept(const suan__exchange *x, void (*fn)(void *p));

suan__exchange *suan__exchange_ref(suan__exchange *x);
void suan__exchange_free(suan__exchange *x); /* gives a reference back */

/* A float as the number with the fewest decimal digits that is read back as it. */
double suan__short_decimal(float f);
/* JSON as suan__reply_json writes it, numbers with as few digits as are read back as they are; suan_free(). NULL: out of memory. */
char *suan__json_text(const json_t *json, size_t *n);

#endif
