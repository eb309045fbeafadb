/* accesslog.c: lines of JSON, each written at once. */
#include "serve/accesslog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "suan/log.h"

/* The log belongs to the process, as stderr does. */
static struct {
    pthread_mutex_t lock;
    char *path; /* NULL: stderr */
    int fd;
    bool is_open;
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static int open_file(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
}

/* What the library has to say: the ledger's disk is full, say. */
static void library_message(void *ctx, suan_log_level level, const char *message) {
    suan__event_log(level == SUAN_LOG_ERROR ? "error" : level == SUAN_LOG_WARN ? "warning" : "note", "%s", message);
}

suan_status suan__access_log_open(const char *file, suan_error *err) {
    int fd = file ? open_file(file) : -1;
    SUAN_CHECK(!file || fd >= 0, SUAN_EIO, "%s: cannot open the log: %s", file, strerror(errno));
    char *copy = file ? suan__strndup(file, strlen(file)) : NULL;
    if (file && !copy) {
        close(fd);
        return suan__fail(err, SUAN_ENOMEM, "out of memory");
    }
    pthread_mutex_lock(&sink.lock);
    sink.path = copy;
    sink.fd = fd;
    sink.is_open = true;
    pthread_mutex_unlock(&sink.lock);
    suan_log_set(library_message, NULL, SUAN_LOG_INFO);
    return SUAN_OK;
}

bool suan__access_log_reopen(void) {
    pthread_mutex_lock(&sink.lock);
    int fd = sink.path ? open_file(sink.path) : -1;
    bool is_done = !sink.path || fd >= 0;
    if (fd >= 0) {
        close(sink.fd);
        sink.fd = fd;
    }
    pthread_mutex_unlock(&sink.lock);
    return is_done;
}

void suan__access_log_close(void) {
    suan_log_set(NULL, NULL, SUAN_LOG_NONE);
    pthread_mutex_lock(&sink.lock);
    if (sink.fd >= 0) close(sink.fd);
    suan__free(sink.path);
    sink.path = NULL;
    sink.fd = -1;
    sink.is_open = false;
    pthread_mutex_unlock(&sink.lock);
}

/* One write for a line: lines of several threads do not mix, and a log that cannot be written to stops nobody. */
static void put_line(json_t *line) {
    size_t n = 0;
    suan__buf b = {0};
    char *text = line ? suan__json_text(line, &n) : NULL;
    json_decref(line);
    if (text && suan__buf_append(&b, text, n) && suan__buf_append(&b, "\n", 1)) {
        pthread_mutex_lock(&sink.lock);
        if (sink.is_open && write(sink.fd >= 0 ? sink.fd : STDERR_FILENO, b.data, b.n) < 0) {}
        pthread_mutex_unlock(&sink.lock);
    }
    suan_free(text);
    suan__buf_fini(&b);
}

static json_t *line_of(int64_t ms, const char *event) {
    char text[64];
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
    return json_pack("{s:s, s:s}", "time", text, "event", event);
}

void suan__access_log(const suan__exchange *x) {
    double seconds = suan__now() - x->came;
    bool was_told = x->has_ended || x->was_answered; /* the reply was written, whatever the client did then */
    int status = (x->is_gone && !was_told) || !x->status ? 499 : x->status;
    suan__metrics_request(x->http->server->metrics, x->route, status, seconds);
    if (x->route && x->route->flags & SUAN__ROUTE_UNLOGGED && status < 400) return;
    json_t *line = line_of(x->came_ms, "request");
    if (!line) return;
    json_object_set_new(line, "id", json_string(x->id));
    json_object_set_new(line, "key", json_string(x->key_name));
    json_object_set_new(line, "method", json_string(x->method));
    json_object_set_new(line, "route", x->route ? json_string(x->route->path) : json_null());
    json_object_set_new(line, "status", json_integer(status));
    json_object_set_new(line, "ms", json_integer((json_int_t)(seconds * 1e3)));
    if (x->is_stream) json_object_set_new(line, "first_byte_ms", json_integer((json_int_t)(x->first_byte * 1e3)));
    if (x->n_prompt) {
        json_object_set_new(line, "prompt_tokens", json_integer(x->n_prompt));
        json_object_set_new(line, "completion_tokens", json_integer(x->n_completion));
    }
    if (x->http->server->config.log_prompts && x->body.n > 0 && x->route && x->route->flags & SUAN__ROUTE_COUNTED) {
        json_t *body = json_stringn(x->body.data, x->body.n);
        if (body) json_object_set_new(line, "request", body);
    }
    put_line(line);
}

void suan__event_log(const char *event, const char *format, ...) {
    char message[1024];
    struct timespec t;
    va_list args;
    clock_gettime(CLOCK_REALTIME, &t);
    va_start(args, format);
    suan__message_format(message, sizeof message, format, args);
    va_end(args);
    json_t *line = line_of((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, event);
    if (line) json_object_set_new(line, "message", json_string(message));
    put_line(line);
}
