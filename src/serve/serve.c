/* serve.c: a server's parts in the order in which they begin and end. */
#include "serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/accesslog.h"
#include "serve/http.h"
#include "serve/ledger.h"
#include "serve/metrics.h"
#include "serve/state.h"
#include "serve/systemd.h"

#define FLUSH_SECONDS 2.0 /* for the last bytes of answers that were cut short */

struct suan__serve {
    suan__server server;
    suan__auth *auth;
    char *keys_file, *model_name;
    char address[128];
};

/* ---- listening ---- */

static suan_status bind_to(const struct addrinfo *a, int *fd, suan_error *err, const suan__serve_config *config) {
    int one = 1;
    *fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    SUAN_CHECK(*fd >= 0, SUAN_EIO, "no socket can be had: %s", strerror(errno));
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(*fd, a->ai_addr, a->ai_addrlen) == 0 && listen(*fd, 1024) == 0) return SUAN_OK;
    int why = errno;
    close(*fd);
    *fd = -1;
    return suan__fail(err, SUAN_EIO, "cannot listen at %s, port %d: %s%s", config->host, config->port, strerror(why),
                      why == EADDRINUSE ? "; --port names another (0: any that is free)" : "");
}

static suan_status listen_at(const suan__serve_config *config, int *fd, suan_error *err) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    char port[16];
    SUAN_TRY(suan__systemd_socket(fd, err));
    if (*fd >= 0) return SUAN_OK;
    snprintf(port, sizeof port, "%d", config->port);
    int why = getaddrinfo(config->host, port, &hints, &list);
    SUAN_CHECK(why == 0, SUAN_EINVAL, "--host: \"%s\" is no address of this machine: %s", config->host, gai_strerror(why));
    suan_status status = suan__fail(err, SUAN_EIO, "there is no address for %s", config->host);
    for (const struct addrinfo *a = list; a && status != SUAN_OK; a = a->ai_next) status = bind_to(a, fd, err, config);
    freeaddrinfo(list);
    return status;
}

/* ---- keys ---- */

/* Shown once, on the terminal and nowhere else: a log would keep it. */
static suan_status make_first_key(const char *file, suan_error *err) {
    char key[SUAN__KEY_BYTES];
    SUAN_CHECK(isatty(STDERR_FILENO), SUAN_EINVAL,
               "beyond loopback every request needs an API key, and there is none: make one with \"suan key add NAME\"");
    SUAN_TRY(suan__key_add(file, "default", key, err));
    fprintf(stderr, "Beyond loopback every request needs an API key. This one was made now and is not shown again:\n  %s\n", key);
    explicit_bzero(key, sizeof key);
    return SUAN_OK;
}

/* The environment's key is wiped where it stands: other programs of this user could read it in /proc. */
static char *take_environment_key(void) {
    char *value = getenv("SUAN_API_KEY");
    char *copy = value && *value ? suan__strndup(value, strlen(value)) : NULL;
    if (value) explicit_bzero(value, strlen(value));
    unsetenv("SUAN_API_KEY");
    return copy;
}

/* Keys of the file that is named, else of the one in the state directory if it is there: whoever made keys means them. */
static suan_status find_keys_file(suan__serve *s, bool is_loopback, bool has_key, suan_error *err) {
    const char *named = s->server.config.keys_file;
    bool is_none = named && strcmp(named, "none") == 0;
    SUAN_CHECK(!is_none || is_loopback, SUAN_EINVAL, "--keys none: only on loopback, where nobody else can connect");
    if (is_none) return SUAN_OK;
    if (named) {
        s->keys_file = suan__strndup(named, strlen(named));
        SUAN_CHECK(s->keys_file, SUAN_ENOMEM, "out of memory");
        return SUAN_OK;
    }
    bool must_have = !is_loopback && !has_key;
    suan_status status = suan__state_path(&s->keys_file, "keys", must_have, err);
    if (status != SUAN_OK) return must_have ? status : SUAN_OK;
    if (suan__path_exists(s->keys_file)) return SUAN_OK;
    if (must_have) return make_first_key(s->keys_file, err);
    suan__free(s->keys_file);
    s->keys_file = NULL;
    return SUAN_OK;
}

static suan_status open_keys(suan__serve *s, int listen_fd, suan_error *err) {
    bool is_loopback = suan__is_loopback(listen_fd);
    char *key = take_environment_key();
    suan_status status = find_keys_file(s, is_loopback, key != NULL, err);
    if (status == SUAN_OK) status = suan__auth_open(&s->auth, s->keys_file, key, err);
    if (key) explicit_bzero(key, strlen(key));
    suan__free(key);
    if (status == SUAN_OK && !is_loopback && !suan__auth_is_needed(s->auth))
        status = suan__fail(err, SUAN_EINVAL, "beyond loopback every request needs an API key, and there is none");
    return status;
}

/* ---- begin ---- */

static suan_status open_ledger(suan__serve *s, suan_error *err) {
    const char *named = s->server.config.ledger_file;
    char *path = NULL;
    if (named && strcmp(named, "none") == 0) return SUAN_OK;
    if (named) return suan__ledger_open(&s->server.ledger, named, err);
    SUAN_TRY(suan__state_path(&path, "ledger.db", true, err));
    suan_status status = suan__ledger_open(&s->server.ledger, path, err);
    suan__free(path);
    return status;
}

/* A connection is a descriptor: the limit is raised as far as it goes, and no more connections are taken than it lets. */
static void make_room(suan__serve_config *config) {
    struct rlimit limit;
    const rlim_t others = 128; /* files, logs, the model, the ledger */
    rlim_t want = (rlim_t)config->max_connections + others;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    if (limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want) return;
    config->max_connections = limit.rlim_cur > 2 * others ? (uint32_t)(limit.rlim_cur - others) : (uint32_t)others;
}

suan_status suan__serve_open(suan__serve **serve, const suan__serve_config *config, suan_error *err) {
    suan__serve *s = suan__calloc(1, sizeof *s);
    suan__http *http;
    suan_status status;
    int fd = -1;
    *serve = NULL;
    SUAN_CHECK(s, SUAN_ENOMEM, "out of memory");
    s->server.config = *config;
    make_room(&s->server.config);
    s->server.started = (int64_t)time(NULL);
    pthread_rwlock_init(&s->server.batch_lock, NULL);
    if (!config->allow_core)
        prctl(PR_SET_DUMPABLE, 0); /* keys and prompts stay out of core files and away from other programs of this user */
    SUAN_TRY_GOTO(suan__serve_config_check(config, err));
    SUAN_TRY_GOTO(suan__access_log_open(config->log_file, err));
    SUAN_TRY_GOTO(listen_at(config, &fd, err));
    SUAN_TRY_GOTO(open_keys(s, fd, err));
    SUAN_TRY_GOTO(open_ledger(s, err));
    s->server.metrics = suan__metrics_create();
    SUAN_CHECK_GOTO(s->server.metrics, SUAN_ENOMEM, "out of memory");
    int mine = fd;
    fd = -1; /* now it is the HTTP server's */
    SUAN_TRY_GOTO(suan__http_start(&http, &s->server, mine, s->auth, err));
    snprintf(s->address, sizeof s->address, "%s://%s:%d", http->tls ? "https" : "http", *http->bound ? http->bound : "localhost",
             http->port);
    *serve = s;
    return SUAN_OK;
fail:
    if (fd >= 0) close(fd);
    suan__serve_close(&s);
    return status;
}

/* The last part of the path, without the ending of a file: what people call a model that has no name. */
static char *name_of_path(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    const char *slash = memrchr(path, '/', n), *from = slash ? slash + 1 : path;
    n -= (size_t)(from - path);
    if (n > 5 && memcmp(from + n - 5, ".gguf", 5) == 0) n -= 5;
    return suan__strndup(from, n);
}

suan_status suan__serve_begin(suan__serve *s, suan_model *model, suan_batch **batch, const suan_sampling *sampling, suan_error *err) {
    suan__server *server = &s->server;
    size_t n = 0;
    server->model = model;
    server->batch = *batch;
    *batch = NULL;
    SUAN_TRY(suan_model_get_info(model, &server->info));
    if (sampling) server->config.sampling = *sampling;
    if (!server->config.model_name) {
        const char *name = server->info.name;
        s->model_name = name && *name ? suan__strndup(name, strlen(name)) : name_of_path(server->info.path);
        SUAN_CHECK(s->model_name, SUAN_ENOMEM, "out of memory");
        server->config.model_name = s->model_name;
    }
    const suan_tokenizer *tokenizer = suan_model_tokenizer(model);
    const char *source = tokenizer ? suan_tokenizer_chat_template(tokenizer, NULL, &n) : NULL;
    server->syntax = source ? suan_answer_syntax_of(source, n) : SUAN_ANSWER_PLAIN;
    const char *for_tools = tokenizer ? suan_tokenizer_chat_template(tokenizer, "tool_use", &n) : NULL;
    if (for_tools && server->syntax == SUAN_ANSWER_PLAIN) server->syntax = suan_answer_syntax_of(for_tools, n);
    atomic_store(&server->ready, true);
    suan__systemd_notify("READY=1");
    suan__event_log("ready", "%s serves %s", s->address, server->config.model_name);
    return SUAN_OK;
}

bool suan__server_is_model(const suan__server *s, const char *name) {
    const char *names[] = {s->config.model_name, s->info.name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = names[i] ? strlen(names[i]) : 0;
        if (n > 0 && strncmp(name, names[i], n) == 0 && (!name[n] || strcmp(name + n, ":latest") == 0)) return true;
    }
    return false;
}

bool suan__server_stats(suan__server *s, suan_batch_stats *stats) {
    bool is_there = false;
    *stats = (suan_batch_stats){0};
    pthread_rwlock_rdlock(&s->batch_lock);
    if (atomic_load(&s->ready) && !s->batch_ends && s->batch) {
        suan_batch_get_stats(s->batch, stats);
        is_there = true;
    }
    pthread_rwlock_unlock(&s->batch_lock);
    return is_there;
}

const char *suan__serve_address(const suan__serve *s) {
    return s->address;
}

const char *suan__serve_keys_file(const suan__serve *s) {
    return s->keys_file;
}

const char *suan__serve_model_name(const suan__serve *s) {
    return s->server.config.model_name;
}

suan_status suan__serve_reload(suan__serve *s, suan_error *err) {
    suan_error why = {0};
    bool has_log = suan__access_log_reopen();
    if (!has_log) suan__event_log("reload", "the log's file cannot be opened anew: lines go on to where they went");
    suan_status status = suan__auth_reload(s->auth, err);
    if (status == SUAN_OK)
        suan__event_log("reload", "the keys were read anew");
    else
        suan__event_log("reload", "the keys stay as they were: the file cannot be used");
    suan__tls *tls = s->server.http->tls;
    if (!tls) return status;
    suan_status changed = suan__tls_reload(tls, &why);
    suan__event_log("reload", "%s",
                    changed == SUAN_OK ? "the certificate was read anew" : "the certificate stays as it was: the files cannot be used");
    if (status == SUAN_OK && changed != SUAN_OK && err) *err = why;
    return status == SUAN_OK ? changed : status;
}

/* ---- end ---- */

static void wait_for_answers(const suan__http *http, double seconds) {
    double until = suan__now() + seconds;
    while (suan__http_unanswered(http) > 0 && suan__now() < until) usleep(10000);
}

void suan__serve_stop(suan__serve *s) {
    suan__server *server = &s->server;
    if (atomic_exchange(&server->stopping, true)) return;
    suan__systemd_notify("STOPPING=1");
    suan__event_log("stopping", "%u requests are at work", (unsigned)suan__http_unanswered(server->http));
    suan__http_quiesce(server->http);
    wait_for_answers(server->http, server->config.stop_seconds);
    suan__workers_stop(server->http); /* nothing more is submitted */
    pthread_rwlock_wrlock(&server->batch_lock);
    server->batch_ends = true;
    pthread_rwlock_unlock(&server->batch_lock);
    suan_batch *batch = server->batch; /* its events look for it in the server until the last one: a list would go on */
    suan_batch_close(&batch);          /* every answer that is left gets its end */
    server->batch = NULL;
    wait_for_answers(server->http, FLUSH_SECONDS);
}

void suan__serve_close(suan__serve **serve) {
    suan__serve *s = *serve;
    if (!s) return;
    if (s->server.http) {
        suan__serve_stop(s);
        suan__http_free(&s->server.http);
    }
    suan_batch_close(&s->server.batch);
    suan__ledger_close(&s->server.ledger);
    suan__metrics_free(s->server.metrics);
    suan__auth_close(&s->auth);
    suan__access_log_close();
    pthread_rwlock_destroy(&s->server.batch_lock);
    suan__free(s->keys_file);
    suan__free(s->model_name);
    suan__free(s);
    *serve = NULL;
}
