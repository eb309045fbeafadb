/* http_server.c: the HTTP part with routes that play a model: for the tests of sockets, which need no weights.
 *
 *     http_server NAME=VALUE...      prints its port, then serves until stdin ends or SIGTERM comes
 *     http_server routes             prints all routes: METHOD PATH FLAGS
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/accesslog.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/own.h"
#include "serve/serve.h"

static atomic_int n_at_work, n_gone, n_paused;

/* ---- routes ---- */

/* Work that goes on until the client leaves or it has written all: "writes" times "size" bytes, "ms" apart, after a wait of "wait" ms; stream=0: one reply at the end. */
typedef struct job {
    suan__exchange *x;
    long n, size, ms, wait;
    bool is_stream;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_gone, is_paused;
} job;

static long number(suan__exchange *x, const char *name, long absent) {
    const char *text = suan__exchange_query(x, name);
    return text ? strtol(text, NULL, 10) : absent;
}

static void on_gone(void *ctx) {
    job *j = ctx;
    pthread_mutex_lock(&j->lock);
    j->is_gone = true;
    atomic_fetch_add(&n_gone, 1);
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

static void on_slow(void *ctx, bool is_full) {
    job *j = ctx;
    pthread_mutex_lock(&j->lock);
    j->is_paused = is_full;
    atomic_fetch_add(&n_paused, is_full);
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

static void free_job(void *p) {
    free(p);
}

/* Waits for so long, unless the client leaves; true: it is there. */
static bool pause_for(job *j, long ms) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&j->lock);
    while (!j->is_gone && pthread_cond_timedwait(&j->changed, &j->lock, &until) == 0) {}
    while (!j->is_gone && j->is_paused) pthread_cond_wait(&j->changed, &j->lock);
    bool is_there = !j->is_gone;
    pthread_mutex_unlock(&j->lock);
    return is_there;
}

static void *do_job(void *ctx) {
    job *j = ctx;
    suan__exchange *x = j->x;
    char *text = malloc((size_t)j->size + 1);
    memset(text, 'x', (size_t)j->size);
    text[j->size] = 0;
    bool is_there = pause_for(j, j->wait);
    for (long i = 0; i < j->n && is_there; i++) {
        if (j->is_stream) suan__stream_event(x, NULL, json_pack("{s:i, s:s}", "i", (int)i, "text", text));
        is_there = pause_for(j, j->ms);
    }
    if (j->is_stream)
        suan__stream_end(x);
    else
        suan__reply_json(x, 200, json_pack("{s:s}", "text", text));
    free(text);
    atomic_fetch_sub(&n_at_work, 1);
    suan__exchange_free(x);
    return NULL;
}

static void work(suan__exchange *x) {
    job *j = calloc(1, sizeof *j);
    pthread_t thread;
    *j = (job){.x = suan__exchange_ref(x),
               .n = number(x, "writes", 1),
               .size = number(x, "size", 10),
               .ms = number(x, "ms", 0),
               .wait = number(x, "wait", 0),
               .is_stream = number(x, "stream", 1)};
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    if (!suan__exchange_keep(x, j, free_job)) abort();
    atomic_fetch_add(&n_at_work, 1);
    if (j->is_stream) {
        suan__stream_keep_alive(x, ": \n\n");
        suan__stream_begin(x, "text/event-stream");
    }
    suan__exchange_watch(x, on_gone, on_slow, j);
    if (pthread_create(&thread, NULL, do_job, j) != 0) abort();
    pthread_detach(thread);
}

static void block(suan__exchange *x) { /* keeps a worker busy */
    usleep((useconds_t)number(x, "ms", 0) * 1000);
    suan__reply(x, 200, "text/plain", "blocked\n", 8);
}

static void echo(suan__exchange *x) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    const char *header = suan__exchange_header(x, "authorization");
    if (!body) {
        suan__reply_problem(x, &problem);
        return;
    }
    suan__reply_json(x, 200,
                     json_pack("{s:O, s:s, s:s, s:s?}", "body", body, "key", suan__exchange_key_name(x), "capture",
                               suan__exchange_capture(x), "authorization", header));
}

static void counts(suan__exchange *x) {
    suan__reply_json(x, 200,
                     json_pack("{s:i, s:i, s:i, s:i, s:I}", "work", atomic_load(&n_at_work), "gone", atomic_load(&n_gone), "paused",
                               atomic_load(&n_paused), "connections", (int)atomic_load(&suan__exchange_server(x)->http->n_connections),
                               "rss", (json_int_t)suan__resident_bytes()));
}

static void forget(suan__exchange *x) {}

#define QUICK (SUAN__ROUTE_QUICK | SUAN__ROUTE_ALWAYS)
static const suan__route rows[] = {
    {"POST", "/test/work", &suan__own_dialect, work, 0, NULL, ""},     {"GET", "/test/work", &suan__own_dialect, work, 0, NULL, ""},
    {"GET", "/test/block", &suan__own_dialect, block, 0, NULL, ""},    {"POST", "/test/echo/{*}", &suan__own_dialect, echo, 0, NULL, ""},
    {"POST", "/test/forget", &suan__own_dialect, forget, 0, NULL, ""}, {"GET", "/test/counts", &suan__own_dialect, counts, QUICK, NULL, ""},
};
const suan__routes suan__test_routes = {rows, sizeof rows / sizeof *rows};

/* ---- the server ---- */

static void set(suan__serve_config *c, const char *word) {
    static const char *hosts[8], *origins[8];
    size_t n = strcspn(word, "=");
    const char *value = word[n] ? word + n + 1 : "";
    const struct {
        const char *name;
        double *seconds;
    } times[] = {{"header", &c->header_seconds}, {"body", &c->body_seconds}, {"idle", &c->idle_seconds}, {"write", &c->write_seconds}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (strncmp(word, times[i].name, n) == 0 && !times[i].name[n]) *times[i].seconds = strtod(value, NULL);
    if (strncmp(word, "keys=", 5) == 0) c->keys_file = value;
    if (strncmp(word, "log=", 4) == 0) c->log_file = value;
    if (strncmp(word, "cert=", 5) == 0) c->tls_cert = value;
    if (strncmp(word, "key=", 4) == 0) c->tls_key = value;
    if (strncmp(word, "max_body=", 9) == 0) c->max_body = strtoul(value, NULL, 10);
    if (strncmp(word, "connections=", 12) == 0) c->max_connections = (uint32_t)strtoul(value, NULL, 10);
    if (strncmp(word, "per_address=", 12) == 0) c->max_connections_per_address = (uint32_t)strtoul(value, NULL, 10);
    if (strncmp(word, "host=", 5) == 0) (c->hosts = hosts), (hosts[c->n_hosts++] = value);
    if (strncmp(word, "origin=", 7) == 0) (c->origins = origins), (origins[c->n_origins++] = value);
}

static int listen_somewhere(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0) return -1;
    return fd;
}

static int print_routes(void) {
    const suan__route *r;
    for (size_t i = 0; (r = suan__route_at(i)); i++) printf("%s %s %u %s\n", r->method, r->path, r->flags, r->dialect->name);
    return 0;
}

static void on_signal(int which) { /* it is enough that the wait ends */
}

int main(int argc, char **argv) {
    static suan__server server;
    suan_error err = {0};
    suan__auth *auth = NULL;
    suan__http *http = NULL;
    char byte;
    if (argc == 2 && strcmp(argv[1], "routes") == 0) return print_routes();
    suan__serve_config_init(&server.config);
    server.config.model_name = "test";
    for (int i = 1; i < argc; i++) set(&server.config, argv[i]);
    signal(SIGPIPE, SIG_IGN);
    sigset_t term, none;
    sigemptyset(&none);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    pthread_sigmask(SIG_BLOCK, &term, NULL); /* it comes only where this thread waits for it */
    pthread_rwlock_init(&server.batch_lock, NULL);
    server.metrics = suan__metrics_create();
    if (suan__access_log_open(server.config.log_file, &err) != SUAN_OK ||
        suan__auth_open(&auth, server.config.keys_file, NULL, &err) != SUAN_OK ||
        suan__http_start(&http, &server, listen_somewhere(), auth, &err) != SUAN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    atomic_store(&server.ready, true);
    printf("%d\n", http->port);
    fflush(stdout);
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    while (ppoll(&in, 1, NULL, &none) > 0 && read(STDIN_FILENO, &byte, 1) > 0) {}
    atomic_store(&server.stopping, true);
    suan__http_quiesce(http);
    for (int i = 0; i < 500 && suan__http_unanswered(http) > 0; i++) usleep(10000);
    suan__http_free(&http);
    for (int i = 0; i < 500 && atomic_load(&n_at_work) > 0; i++) usleep(10000);
    suan__auth_close(&auth);
    suan__metrics_free(server.metrics);
    suan__access_log_close();
    return 0;
}
