/* exchange.c: a request as handlers see it, and its life.
 *
 * References: libmicrohttpd's side holds one from the request's head to its completion, a worker one while the handler runs, and whoever works on holds one of its own.
 */
#include "serve/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/error.h"
#include "serve/accesslog.h"
#include "serve/http.h"
#include "serve/metrics.h"

double suan__now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "req_" and 24 letters and digits. */
static void make_id(char id[32]) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned char bytes[24] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) { /* cannot happen once the kernel has booted: then by the time */
        double now = suan__now();
        memcpy(bytes, &now, sizeof now);
    }
    memcpy(id, "req_", 4);
    for (size_t i = 0; i < sizeof bytes; i++) id[4 + i] = digits[bytes[i] % 62];
    id[28] = 0;
}

suan__exchange *suan__exchange_new(suan__http *http) {
    suan__exchange *x = suan__calloc(1, sizeof *x);
    struct timespec t;
    if (!x) return NULL;
    clock_gettime(CLOCK_REALTIME, &t);
    atomic_init(&x->n_refs, 1);
    x->http = http;
    x->owner = 1;
    x->came = suan__now();
    x->came_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    x->capture = x->method = "";
    make_id(x->id);
    pthread_mutex_init(&x->lock, NULL);
    suan__arena_init(&x->arena, 4096);
    atomic_fetch_add(&http->n_exchanges, 1);
    return x;
}

suan__exchange *suan__exchange_ref(suan__exchange *x) {
    atomic_fetch_add_explicit(&x->n_refs, 1, memory_order_relaxed);
    return x;
}

static void destroy(suan__exchange *x) {
    suan__http *http = x->http;
    suan__access_log(x);
    while (x->kept) {
        suan__kept *k = x->kept;
        x->kept = k->next;
        k->fn(k->p);
        suan__free(k);
    }
    while (x->watches) {
        suan__watch *w = x->watches;
        x->watches = w->next;
        suan__free(w);
    }
    json_decref(x->json);
    atomic_fetch_sub(&http->body_bytes, x->body.n);
    suan__buf_fini(&x->body);
    suan__buf_fini(&x->out);
    suan__arena_fini(&x->arena);
    pthread_mutex_destroy(&x->lock);
    suan__free(x);
    atomic_fetch_sub(&http->n_exchanges, 1);
}

void suan__exchange_free(suan__exchange *x) {
    if (x && atomic_fetch_sub_explicit(&x->n_refs, 1, memory_order_acq_rel) == 1) destroy(x);
}

void suan__exchange_refuse(suan__exchange *x, suan__problem_kind kind, const char *param, const char *format, ...) {
    char message[sizeof x->problem.message];
    va_list args;
    if (x->is_refused) return; /* the first reason counts */
    va_start(args, format);
    suan__message_format(message, sizeof message, format, args);
    va_end(args);
    x->is_refused = true;
    suan__problem_set(&x->problem, kind, param, "%s", message);
}

/* ---- the request ---- */

suan__server *suan__exchange_server(const suan__exchange *x) {
    return x->http->server;
}

const suan__route *suan__exchange_route(const suan__exchange *x) {
    return x->route;
}

const char *suan__exchange_id(const suan__exchange *x) {
    return x->id;
}

uint64_t suan__exchange_owner(const suan__exchange *x) {
    return x->owner;
}

const char *suan__exchange_key_name(const suan__exchange *x) {
    return x->key_name;
}

const char *suan__exchange_capture(const suan__exchange *x) {
    return x->capture;
}

const char *suan__exchange_header(const suan__exchange *x, const char *name) {
    for (size_t i = 0; i < x->n_headers; i++)
        if (strcasecmp(x->headers[i].name, name) == 0) return x->headers[i].value;
    return NULL;
}

const char *suan__exchange_query(const suan__exchange *x, const char *name) {
    for (size_t i = 0; i < x->n_query; i++)
        if (strcmp(x->query[i].name, name) == 0) return x->query[i].value;
    return NULL;
}

const char *suan__exchange_body(const suan__exchange *x, size_t *n) {
    *n = x->body.n;
    return x->body.data ? x->body.data : "";
}

void suan__exchange_account(suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning) {
    pthread_mutex_lock(&x->lock);
    x->n_prompt = usage->n_prompt;
    x->n_completion = usage->n_completion;
    pthread_mutex_unlock(&x->lock);
    suan__metrics_usage(x->http->server->metrics, usage, n_reasoning);
}

/* ---- what goes with it ---- */

bool suan__exchange_keep(suan__exchange *x, void *p, void (*fn)(void *p)) {
    suan__kept *k = suan__malloc(sizeof *k);
    if (!k) {
        fn(p);
        return false;
    }
    *k = (suan__kept){.p = p, .fn = fn, .next = x->kept};
    x->kept = k;
    return true;
}

void *suan__exchange_kept(const suan__exchange *x, void (*fn)(void *p)) {
    void *first = NULL;
    for (const suan__kept *k = x->kept; k; k = k->next)
        if (k->fn == fn) first = k->p;
    return first;
}

/* ---- the client ---- */

/* Watches are only added, and are freed with the exchange: a list that was read with the lock held can be walked without it. */
void suan__exchange_gone(suan__exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool is_news = !x->is_gone && !(x->has_ended && !x->connection);
    const suan__watch *watches = x->watches;
    x->is_gone = true;
    if (x->is_suspended && x->connection) {
        x->is_suspended = false;
        MHD_resume_connection(x->connection);
    }
    pthread_mutex_unlock(&x->lock);
    for (; is_news && watches; watches = watches->next)
        if (watches->gone) watches->gone(watches->ctx);
}

void suan__exchange_watch(suan__exchange *x, void (*gone)(void *ctx), void (*slow)(void *ctx, bool is_full), void *ctx) {
    suan__watch *w = suan__malloc(sizeof *w);
    bool is_gone = true; /* without memory there is nobody to tell: it ends */
    if (w) {
        *w = (suan__watch){.gone = gone, .slow = slow, .ctx = ctx};
        pthread_mutex_lock(&x->lock);
        w->next = x->watches;
        x->watches = w;
        is_gone = x->is_gone;
        pthread_mutex_unlock(&x->lock);
    }
    if (is_gone && gone) gone(ctx);
}
