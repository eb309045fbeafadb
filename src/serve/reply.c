/* reply.c: what a handler says, on its way to libmicrohttpd: whole replies and streams alike go through the exchange's buffer, from which the I/O thread takes.
 *
 * A reader that is slower than the writer fills the buffer: above SUAN__STREAM_HIGH the writer is asked to pause, below SUAN__STREAM_LOW to go on. A buffer that has nothing
 * suspends its connection.
 */
#include <stdio.h>
#include <string.h>

#include "serve/http.h"

/* With x->lock held. */
static void wake(suan__exchange *x) {
    if (!x->is_suspended || !x->connection) return;
    x->is_suspended = false;
    MHD_resume_connection(x->connection);
}

/* Tells the watches whether the buffer is full, each change once and in order, whichever threads see them. */
static void tell_slow(suan__exchange *x) {
    pthread_mutex_lock(&x->lock);
    while (x->is_full != x->told_full && !x->is_telling) {
        bool is_full = x->told_full = x->is_full;
        const suan__watch *watches = x->watches;
        x->is_telling = true;
        pthread_mutex_unlock(&x->lock);
        for (; watches; watches = watches->next)
            if (watches->slow) watches->slow(watches->ctx, is_full);
        pthread_mutex_lock(&x->lock);
        x->is_telling = false;
    }
    pthread_mutex_unlock(&x->lock);
}

/* ---- headers ---- */

static bool is_header_text(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7F) return false;
    return true;
}

/* With x->lock held. */
static void set_header(suan__exchange *x, const char *name, const char *value) {
    size_t i = 0, n_slots = sizeof x->reply_headers / sizeof *x->reply_headers;
    if (!is_header_text(name) || !is_header_text(value) || !*name) return;
    while (i < x->n_reply_headers && strcasecmp(x->reply_headers[i].name, name) != 0) i++;
    const char *copy = suan__arena_strndup(&x->arena, value, strlen(value));
    if (i == n_slots || !copy) return;
    if (i == x->n_reply_headers) {
        x->reply_headers[i].name = suan__arena_strndup(&x->arena, name, strlen(name));
        if (!x->reply_headers[i].name) return;
        x->n_reply_headers++;
    }
    x->reply_headers[i].value = copy;
}

void suan__reply_header(suan__exchange *x, const char *name, const char *value) {
    pthread_mutex_lock(&x->lock);
    if (!x->has_begun) set_header(x, name, value);
    pthread_mutex_unlock(&x->lock);
}

bool suan__reply_has_begun(const suan__exchange *x) {
    suan__exchange *mine = (suan__exchange *)x; /* only the lock changes */
    pthread_mutex_lock(&mine->lock);
    bool has_begun = mine->has_begun;
    pthread_mutex_unlock(&mine->lock);
    return has_begun;
}

/* ---- whole replies ---- */

void suan__reply(suan__exchange *x, int status, const char *content_type, const void *text, size_t n) {
    pthread_mutex_lock(&x->lock);
    if (!x->has_begun) {
        x->has_begun = x->has_ended = true;
        x->status = status;
        if (content_type) set_header(x, "Content-Type", content_type);
        if (!suan__buf_append(&x->out, text, n)) {
            x->status = 500;
            x->out.n = 0;
        }
        x->wrote = x->took = suan__now();
        wake(x);
    }
    pthread_mutex_unlock(&x->lock);
}

void suan__reply_json(suan__exchange *x, int status, json_t *body) {
    static const char failure[] = "{\"error\":{\"message\":\"Out of memory.\",\"type\":\"server_error\"}}";
    size_t n = 0;
    char *text = body ? suan__json_text(body, &n) : NULL;
    json_decref(body);
    if (text)
        suan__reply(x, status, "application/json", text, n);
    else
        suan__reply(x, 500, "application/json", failure, sizeof failure - 1);
    suan_free(text);
}

/* Whether the same request may succeed a little later: clients ask again by themselves after 408, 409, 429 and 5xx. */
static bool may_help(suan__problem_kind kind) {
    return kind == SUAN__PROBLEM_RATE || kind == SUAN__PROBLEM_BUSY || kind == SUAN__PROBLEM_TIMEOUT;
}

void suan__reply_problem(suan__exchange *x, const suan__problem *problem) {
    char text[32];
    int status = x->refused_status ? x->refused_status : suan__problem_status(problem->kind);
    if (problem->retry_after > 0 || status == 503 || status == 429) {
        double seconds = problem->retry_after > 1 ? problem->retry_after : 1;
        snprintf(text, sizeof text, "%.0f", seconds > 3600 ? 3600 : seconds);
        suan__reply_header(x, "Retry-After", text);
    }
    if (!may_help(problem->kind)) suan__reply_header(x, "x-should-retry", "false");
    if (status == 401) suan__reply_header(x, "WWW-Authenticate", "Bearer");
    suan__reply_json(x, status, x->dialect->error(x, problem));
}

/* ---- streams ---- */

void suan__stream_begin(suan__exchange *x, const char *content_type) {
    pthread_mutex_lock(&x->lock);
    if (!x->has_begun) {
        x->has_begun = x->is_stream = true;
        x->status = 200;
        set_header(x, "Content-Type", content_type);
        set_header(x, "X-Accel-Buffering", "no"); /* nginx passes events on as they come */
        x->wrote = x->took = suan__now();
        wake(x);
    }
    pthread_mutex_unlock(&x->lock);
}

/* With x->lock held; whether the client has to go. */
static bool put(suan__exchange *x, const void *text, size_t n) {
    if (!x->is_stream || x->has_ended || x->is_gone || n == 0) return false;
    if (x->out.n == x->n_taken) x->took = suan__now(); /* the reader owes nothing until now */
    if (x->out.n - x->n_taken + n > SUAN__STREAM_MAX || !suan__buf_append(&x->out, text, n)) return true;
    x->wrote = suan__now();
    if (x->first_byte == 0) x->first_byte = x->wrote - x->came;
    if (x->out.n - x->n_taken > SUAN__STREAM_HIGH) x->is_full = true;
    wake(x);
    return false;
}

void suan__stream_write(suan__exchange *x, const void *text, size_t n) {
    pthread_mutex_lock(&x->lock);
    bool is_too_much = put(x, text, n);
    bool has_news = x->is_full != x->told_full;
    pthread_mutex_unlock(&x->lock);
    if (is_too_much) suan__exchange_gone(x); /* nothing of a stream is ever left out: it breaks off instead */
    if (has_news) tell_slow(x);
}

/* One write, so that no keep-alive gets between. */
static void write_parts(suan__exchange *x, const char *event, json_t *data, const char *before, const char *after) {
    suan__buf b = {0};
    size_t n = 0;
    char *text = data ? suan__json_text(data, &n) : NULL;
    json_decref(data);
    if (event) suan__buf_printf(&b, "event: %s\n", event);
    suan__buf_append(&b, before, strlen(before));
    if (text) suan__buf_append(&b, text, n);
    suan__buf_append(&b, after, strlen(after));
    suan_free(text);
    if (!text || b.failed)
        suan__exchange_gone(x);
    else
        suan__stream_write(x, b.data, b.n);
    suan__buf_fini(&b);
}

void suan__stream_event(suan__exchange *x, const char *event, json_t *data) {
    write_parts(x, event, data, "data: ", "\n\n");
}

void suan__stream_line(suan__exchange *x, json_t *data) {
    write_parts(x, NULL, data, "", "\n");
}

void suan__stream_keep_alive(suan__exchange *x, const char *bytes) {
    pthread_mutex_lock(&x->lock);
    x->keep_alive = bytes;
    pthread_mutex_unlock(&x->lock);
}

void suan__stream_end(suan__exchange *x) {
    pthread_mutex_lock(&x->lock);
    if (x->is_stream && !x->has_ended) {
        x->has_ended = true;
        if (x->out.n == x->n_taken) x->took = suan__now();
        wake(x);
    }
    pthread_mutex_unlock(&x->lock);
}

void suan__reply_tick(suan__exchange *x, double now) {
    pthread_mutex_lock(&x->lock);
    const char *bytes = x->keep_alive;
    if (x->is_stream && bytes && x->out.n == x->n_taken && now - x->wrote >= SUAN__KEEP_ALIVE_SECONDS) put(x, bytes, strlen(bytes));
    pthread_mutex_unlock(&x->lock);
}

/* ---- to libmicrohttpd ---- */

/* Takes from the buffer; on the I/O thread. Nothing there: suspends, so that nobody asks again before there is. */
static ssize_t read_out(void *ctx, uint64_t position, char *to, size_t capacity) {
    suan__exchange *x = ctx;
    ssize_t result;
    pthread_mutex_lock(&x->lock);
    size_t n = x->out.n - x->n_taken;
    if (x->is_gone) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (n > 0) {
        if (n > capacity) n = capacity;
        memcpy(to, x->out.data + x->n_taken, n);
        x->n_taken += n;
        x->took = suan__now();
        if (x->n_taken == x->out.n) x->n_taken = x->out.n = 0;
        if (x->n_taken >= SUAN__STREAM_LOW) { /* what is left moves to the front: the buffer stays bounded */
            memmove(x->out.data, x->out.data + x->n_taken, x->out.n - x->n_taken);
            x->out.n -= x->n_taken;
            x->n_taken = 0;
        }
        if (x->out.n - x->n_taken < SUAN__STREAM_LOW) x->is_full = false;
        result = (ssize_t)n;
    } else if (x->has_ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        x->is_suspended = true;
        MHD_suspend_connection(x->connection);
        result = 0;
    }
    bool has_news = x->is_full != x->told_full;
    pthread_mutex_unlock(&x->lock);
    if (has_news) tell_slow(x);
    return result;
}

/* Nothing of this changes once the reply has begun. */
static void add_headers(suan__exchange *x, struct MHD_Response *response) {
    static const suan__pair always[] = {
        {"Server", "suan"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    const char *id_header = x->dialect->request_id_header;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) MHD_add_response_header(response, always[i].name, always[i].value);
    bool has_cache = false, has_policy = false;
    for (size_t i = 0; i < x->n_reply_headers; i++) {
        has_cache |= strcasecmp(x->reply_headers[i].name, "Cache-Control") == 0;
        has_policy |= strcasecmp(x->reply_headers[i].name, "Content-Security-Policy") == 0;
        MHD_add_response_header(response, x->reply_headers[i].name, x->reply_headers[i].value);
    }
    if (!has_cache) MHD_add_response_header(response, "Cache-Control", "no-store");
    if (!has_policy) MHD_add_response_header(response, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    if (id_header) MHD_add_response_header(response, id_header, x->id);
    if (x->must_close || atomic_load(&x->http->server->stopping)) MHD_add_response_header(response, "Connection", "close");
}

static void release(void *ctx) {
    suan__exchange_free(ctx);
}

enum MHD_Result suan__reply_queue(suan__exchange *x) {
    pthread_mutex_lock(&x->lock);
    uint64_t size = x->is_stream ? MHD_SIZE_UNKNOWN : x->out.n;
    if (x->first_byte == 0 && !x->is_stream) x->first_byte = suan__now() - x->came;
    x->is_queued = true;
    pthread_mutex_unlock(&x->lock);
    struct MHD_Response *response = MHD_create_response_from_callback(size, 16384, read_out, suan__exchange_ref(x), release);
    if (!response) {
        suan__exchange_free(x); /* the reference above: not the last */
        return MHD_NO;
    }
    add_headers(x, response);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->status, response);
    MHD_destroy_response(response);
    return result;
}
