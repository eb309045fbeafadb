/* mock_exchange.c: exchange.h for tests. */
#include "mock_exchange.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_HEADERS 16

typedef struct kept {
    void *p;
    void (*fn)(void *p);
    struct kept *next;
} kept;

struct suan__exchange {
    suan__server *server;
    const suan__route *route;
    char *body;
    json_t *json;
    kept *kept;
    atomic_int n_refs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    suan__buf out;
    int status, n_replies;
    bool has_begun, is_over;
    suan__problem problem;
    char *names[MAX_HEADERS], *values[MAX_HEADERS];
    size_t n_headers;
    void (*gone)(void *ctx);
    void (*slow)(void *ctx, bool is_full);
    void *ctx;
    char id[32];
};

static const suan__route no_route = {.method = "POST", .path = "/"};
static atomic_int n_alive, n_made;

int mock_n_alive(void) {
    return atomic_load(&n_alive);
}

suan__exchange *mock_new(suan__server *s, const suan__route *route, const char *body) {
    suan__exchange *x = suan__calloc(1, sizeof *x);
    x->server = s;
    x->route = route ? route : &no_route;
    x->body = suan__strndup(body, strlen(body));
    atomic_init(&x->n_refs, 1);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    snprintf(x->id, sizeof x->id, "req_%024d", atomic_fetch_add(&n_made, 1));
    atomic_fetch_add(&n_alive, 1);
    return x;
}

bool mock_wait(suan__exchange *x) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    int rc = 0;
    pthread_mutex_lock(&x->lock);
    while (!x->is_over && rc == 0) rc = pthread_cond_timedwait(&x->changed, &x->lock, &until);
    bool is_over = x->is_over;
    pthread_mutex_unlock(&x->lock);
    return is_over;
}

static void (*watcher_of(suan__exchange *x))(void *) {
    pthread_mutex_lock(&x->lock);
    void (*gone)(void *) = x->gone;
    pthread_mutex_unlock(&x->lock);
    return gone;
}

void mock_go(suan__exchange *x) {
    void (*gone)(void *) = watcher_of(x);
    for (int i = 0; i < 5000 && !gone; i++, gone = watcher_of(x)) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (gone) gone(x->ctx);
}

void mock_slow(suan__exchange *x, bool is_full) {
    if (x->slow) x->slow(x->ctx, is_full);
}

int mock_status(const suan__exchange *x) {
    return x->status;
}

const char *mock_text(const suan__exchange *x, size_t *n) {
    if (n) *n = x->out.n;
    return x->out.data ? x->out.data : "";
}

const char *mock_reply_header(const suan__exchange *x, const char *name) {
    for (size_t i = 0; i < x->n_headers; i++)
        if (strcasecmp(x->names[i], name) == 0) return x->values[i];
    return NULL;
}

const suan__problem *mock_problem(const suan__exchange *x) {
    return &x->problem;
}

int mock_n_replies(const suan__exchange *x) {
    return x->n_replies;
}

/* ---- exchange.h ---- */

suan__server *suan__exchange_server(const suan__exchange *x) {
    return x->server;
}
const suan__route *suan__exchange_route(const suan__exchange *x) {
    return x->route;
}
const char *suan__exchange_id(const suan__exchange *x) {
    return x->id;
}
uint64_t suan__exchange_owner(const suan__exchange *x) {
    return 1;
}
const char *suan__exchange_key_name(const suan__exchange *x) {
    return "";
}
const char *suan__exchange_capture(const suan__exchange *x) {
    return "";
}
const char *suan__exchange_header(const suan__exchange *x, const char *name) {
    return NULL;
}
const char *suan__exchange_query(const suan__exchange *x, const char *name) {
    return NULL;
}
const char *suan__exchange_body(const suan__exchange *x, size_t *n) {
    *n = strlen(x->body);
    return x->body;
}

json_t *suan__exchange_json(suan__exchange *x, suan__problem *problem) {
    if (!x->json) x->json = json_loads(x->body, JSON_REJECT_DUPLICATES, NULL);
    if (!x->json) suan__problem_set(problem, SUAN__PROBLEM_INVALID, "", "The body is no JSON.");
    return x->json;
}

bool suan__exchange_keep(suan__exchange *x, void *p, void (*fn)(void *p)) {
    kept *k = suan__malloc(sizeof *k);
    *k = (kept){p, fn, x->kept};
    x->kept = k;
    return true;
}

void *suan__exchange_kept(const suan__exchange *x, void (*fn)(void *p)) {
    void *first = NULL;
    for (const kept *k = x->kept; k; k = k->next)
        if (k->fn == fn) first = k->p;
    return first;
}

suan__exchange *suan__exchange_ref(suan__exchange *x) {
    atomic_fetch_add(&x->n_refs, 1);
    return x;
}

void suan__exchange_free(suan__exchange *x) {
    if (!x || atomic_fetch_sub(&x->n_refs, 1) != 1) return;
    while (x->kept) {
        kept *k = x->kept;
        x->kept = k->next;
        k->fn(k->p);
        suan__free(k);
    }
    for (size_t i = 0; i < x->n_headers; i++) {
        suan__free(x->names[i]);
        suan__free(x->values[i]);
    }
    json_decref(x->json);
    suan__free(x->body);
    suan__buf_fini(&x->out);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    suan__free(x);
    atomic_fetch_sub(&n_alive, 1);
}

void suan__reply_header(suan__exchange *x, const char *name, const char *value) {
    size_t i = 0;
    while (i < x->n_headers && strcasecmp(x->names[i], name) != 0) i++;
    if (i == MAX_HEADERS) return;
    if (i == x->n_headers) {
        x->n_headers++;
        x->names[i] = suan__strndup(name, strlen(name));
    } else {
        suan__free(x->values[i]);
    }
    x->values[i] = suan__strndup(value, strlen(value));
}

static void finish(suan__exchange *x) {
    pthread_mutex_lock(&x->lock);
    x->is_over = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

void suan__reply(suan__exchange *x, int status, const char *content_type, const void *text, size_t n) {
    x->has_begun = true;
    x->status = status;
    x->n_replies++;
    if (n > 0) suan__buf_append(&x->out, text, n);
    finish(x);
}

void suan__reply_json(suan__exchange *x, int status, json_t *body) {
    char *text = json_dumps(body, JSON_COMPACT);
    suan__reply(x, text ? status : 500, "application/json", text ? text : "", text ? strlen(text) : 0);
    free(text);
    json_decref(body);
}

void suan__reply_problem(suan__exchange *x, const suan__problem *problem) {
    x->problem = *problem;
    suan__reply(x, suan__problem_status(problem->kind), "application/json", problem->message, strlen(problem->message));
}

void suan__stream_begin(suan__exchange *x, const char *content_type) {
    x->has_begun = true;
    x->status = 200;
    x->n_replies++;
}

void suan__stream_write(suan__exchange *x, const void *text, size_t n) {
    suan__buf_append(&x->out, text, n);
}

void suan__stream_event(suan__exchange *x, const char *event, json_t *data) {
    char *text = json_dumps(data, JSON_COMPACT);
    if (event) suan__buf_printf(&x->out, "event: %s\n", event);
    suan__buf_append(&x->out, "data: ", 6);
    if (text) suan__buf_append(&x->out, text, strlen(text));
    suan__buf_append(&x->out, "\n\n", 2);
    free(text);
    json_decref(data);
}

void suan__stream_line(suan__exchange *x, json_t *data) {
    char *text = json_dumps(data, JSON_COMPACT);
    if (text) suan__buf_append(&x->out, text, strlen(text));
    suan__buf_append(&x->out, "\n", 1);
    free(text);
    json_decref(data);
}

void suan__stream_keep_alive(suan__exchange *x, const char *bytes) {}

void suan__stream_end(suan__exchange *x) {
    finish(x);
}

bool suan__reply_has_begun(const suan__exchange *x) {
    return x->has_begun;
}

void suan__exchange_watch(suan__exchange *x, void (*gone)(void *ctx), void (*slow)(void *ctx, bool is_full), void *ctx) {
    pthread_mutex_lock(&x->lock);
    x->gone = gone;
    x->slow = slow;
    x->ctx = ctx;
    pthread_mutex_unlock(&x->lock);
}

bool suan__server_is_model(const suan__server *s, const char *name) {
    return strcmp(name, s->config.model_name) == 0;
}

void suan__exchange_account(suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning) {}
