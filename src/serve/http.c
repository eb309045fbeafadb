/* http.c: libmicrohttpd's callbacks: connections that come and go, heads, bodies, replies. */
#include "serve/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/metrics.h"

static void address_of(const struct sockaddr *address, unsigned char bytes[16]) {
    memset(bytes, 0, 16);
    if (!address) return;
    if (address->sa_family == AF_INET)
        memcpy(bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
}

/* ---- connections ---- */

static enum MHD_Result accept_policy(void *ctx, const struct sockaddr *address, socklen_t n) {
    suan__http *http = ctx;
    const suan__serve_config *config = &http->server->config;
    suan__connection *idle = NULL;
    unsigned char bytes[16];
    uint32_t n_same = 0;
    address_of(n > 0 ? address : NULL, bytes);
    pthread_mutex_lock(&http->lock);
    for (suan__connection *c = http->connections; c; c = c->next) {
        n_same += memcmp(c->address, bytes, 16) == 0;
        if (c->phase == SUAN__PHASE_HEAD && (!idle || c->since <= idle->since)) idle = c; /* the one that has waited longest */
    }
    bool is_full = http->n_connections + 8 >= config->max_connections; /* the newest find room as long as somebody only sits there */
    if (is_full && idle) {
        idle->phase = SUAN__PHASE_CLOSED;
        shutdown(idle->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&http->lock);
    return n_same < config->max_connections_per_address && !atomic_load(&http->server->stopping) ? MHD_YES : MHD_NO;
}

static suan__connection *connection_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void came(suan__http *http, struct MHD_Connection *connection, void **context) {
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const union MHD_ConnectionInfo *session = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    suan__connection *c = fd ? suan__calloc(1, sizeof *c) : NULL;
    *context = c;
    if (!c) return; /* its requests are dropped */
    if (http->tls && session) suan__tls_attach(http->tls, session->tls_session);
    c->http = http;
    c->fd = fd->connect_fd;
    c->since = suan__now();
    address_of(address ? address->client_addr : NULL, c->address);
    pthread_mutex_lock(&http->lock);
    c->next = http->connections;
    if (c->next) c->next->previous = c;
    http->connections = c;
    http->n_connections++;
    pthread_mutex_unlock(&http->lock);
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLET, .data.ptr = c};
    epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, c->fd, &event); /* without it the client's going is noticed when something is written */
}

static void went(suan__http *http, suan__connection *c) {
    epoll_ctl(http->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    pthread_mutex_lock(&http->lock);
    if (c->previous)
        c->previous->next = c->next;
    else
        http->connections = c->next;
    if (c->next) c->next->previous = c->previous;
    http->n_connections--;
    pthread_mutex_unlock(&http->lock);
    suan__free(c->uri);
    suan__free(c);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        came(ctx, connection, context);
    else if (*context)
        went(ctx, *context);
}

static void set_phase(suan__connection *c, suan__phase phase, suan__exchange *x) {
    pthread_mutex_lock(&c->http->lock);
    if (c->phase != SUAN__PHASE_CLOSED) c->phase = phase;
    c->since = suan__now();
    c->x = x;
    c->in_head = false;
    pthread_mutex_unlock(&c->http->lock);
}

/* The request line is there, as it came. */
static void *on_line(void *ctx, const char *uri, struct MHD_Connection *connection) {
    suan__http *http = ctx;
    suan__connection *c = connection_of(connection);
    if (!c) return NULL;
    suan__free(c->uri);
    c->uri = suan__strndup(uri, strnlen(uri, SUAN__MAX_URI_BYTES + 1));
    pthread_mutex_lock(&http->lock);
    c->in_head = true;
    if (c->n_requests > 0) c->since = suan__now();
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

/* libmicrohttpd is done with the request. */
static void on_completed(void *ctx, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code) {
    suan__exchange *x = *context;
    suan__connection *c = connection_of(connection);
    if (c) {
        c->n_requests++;
        set_phase(c, SUAN__PHASE_HEAD, NULL);
    }
    if (!x) return;
    *context = NULL;
    pthread_mutex_lock(&x->lock);
    x->connection = NULL;
    x->is_suspended = false;
    bool is_whole = code == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->has_ended;
    pthread_mutex_unlock(&x->lock);
    if (!is_whole) suan__exchange_gone(x);
    if (x->is_counted) atomic_fetch_sub(&x->http->n_unanswered, 1);
    suan__exchange_free(x);
}

/* ---- requests ---- */

/* A body that is too large: the reply goes out at once and the rest is thrown away for a moment, so that the client reads it before the connection ends. libmicrohttpd replies only
 * behind a whole body, so these bytes pass it by; over TLS the refusal waits for the end of the body or of the moment. */
static void refuse_now(suan__exchange *x, suan__connection *c) {
    static const char head[] = "HTTP/1.1 413 Content Too Large\r\nServer: suan\r\nContent-Type: application/json\r\nConnection: close\r\n"
                               "x-should-retry: false\r\nContent-Length: ";
    suan__buf b = {0};
    size_t n = 0;
    json_t *json = x->dialect->error(x, &x->problem);
    char *text = json ? suan__json_text(json, &n) : NULL;
    json_decref(json);
    set_phase(c, SUAN__PHASE_LINGER, x);
    x->is_lingering = true;
    x->status = 413;
    if (!x->is_tls && text && suan__buf_printf(&b, "%s%zu\r\n\r\n%s", head, n, text)) {
        if (send(c->fd, b.data, b.n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)b.n) shutdown(c->fd, SHUT_WR);
        x->was_answered = true;
    }
    suan_free(text);
    suan__buf_fini(&b);
}

static uint64_t bodies_max(const suan__http *http) {
    uint64_t four = 4 * (uint64_t)http->server->config.max_body;
    return four > SUAN__BODIES_MIN ? four : SUAN__BODIES_MIN;
}

static bool take_body(suan__exchange *x, suan__connection *c, const char *data, size_t n) {
    suan__http *http = x->http;
    size_t max = http->server->config.max_body;
    pthread_mutex_lock(&http->lock);
    c->n_body += n;
    pthread_mutex_unlock(&http->lock);
    if (x->is_lingering) return true;
    if (c->n_body > max) {
        x->is_refused = false; /* whatever was wrong before: this ends it */
        x->refused_status = 0;
        suan__exchange_refuse(x, SUAN__PROBLEM_TOO_LARGE, "", "The body has more than %zu bytes.", max);
        x->must_close = true;
        refuse_now(x, c);
        return true;
    }
    if (x->is_refused) return true;
    if (atomic_fetch_add(&http->body_bytes, n) + n > bodies_max(http)) {
        atomic_fetch_sub(&http->body_bytes, n);
        suan__exchange_refuse(x, SUAN__PROBLEM_BUSY, "", "Too many bytes of requests are waiting here.");
        return true;
    }
    if (suan__buf_append(&x->body, data, n)) return true;
    atomic_fetch_sub(&http->body_bytes, n);
    suan__exchange_refuse(x, SUAN__PROBLEM_BUSY, "", "Out of memory.");
    return true;
}

/* The request is whole: it is refused, or its handler runs: here, or on a worker while the connection is suspended. */
static void dispatch(suan__exchange *x, suan__connection *c) {
    set_phase(c, SUAN__PHASE_REPLY, x);
    x->is_dispatched = true;
    if (!x->is_refused && atomic_load(&x->http->server->stopping) && !(x->route && x->route->flags & SUAN__ROUTE_ALWAYS))
        suan__exchange_refuse(x, SUAN__PROBLEM_BUSY, "", "The server is stopping.");
    if (x->is_refused) {
        suan__reply_problem(x, &x->problem);
    } else if (!x->route) {
        suan__origin_preflight(x);
    } else if (x->route->flags & SUAN__ROUTE_QUICK) {
        x->route->handler(x);
    } else {
        atomic_fetch_add(&x->http->n_unanswered, 1);
        x->is_counted = true;
        pthread_mutex_lock(&x->lock);
        x->is_suspended = true;
        MHD_suspend_connection(x->connection);
        pthread_mutex_unlock(&x->lock);
        suan__workers_push(x->http, suan__exchange_ref(x));
        if (c->peer_closed) suan__exchange_gone(x); /* it left before anybody looked */
    }
}

static enum MHD_Result answer(suan__exchange *x, suan__connection *c) {
    if (x->is_lingering && x->was_answered) return MHD_NO;
    if (!x->is_dispatched) dispatch(x, c);
    pthread_mutex_lock(&x->lock);
    bool is_gone = x->is_gone, is_ready = x->has_begun && !x->is_queued && !is_gone;
    if (!is_ready && !is_gone && !x->is_suspended && !x->is_queued) { /* woken for nothing, or nothing is there yet */
        x->is_suspended = true;
        MHD_suspend_connection(x->connection);
    }
    pthread_mutex_unlock(&x->lock);
    return is_ready ? suan__reply_queue(x) : is_gone ? MHD_NO : MHD_YES;
}

static enum MHD_Result begin(suan__http *http, suan__connection *c, struct MHD_Connection *connection, const char *method,
                             const char *version, void **context) {
    suan__exchange *x = suan__exchange_new(http);
    if (!x) return MHD_NO;
    x->connection = connection;
    *context = x;
    if (!suan__head_read(x, c, connection, method, version)) return MHD_NO;
    c->n_body = 0;
    set_phase(c, SUAN__PHASE_BODY, x);
    bool has_body = x->is_chunked || x->content_length > 0;
    /* A client that waits for leave to send its body hears at once; so does one that ends its requests somewhere unclear. */
    if (x->is_refused && has_body && (x->wants_continue || (x->must_close && x->problem.kind != SUAN__PROBLEM_TOO_LARGE)))
        return answer(x, c);
    if (x->problem.kind == SUAN__PROBLEM_TOO_LARGE) {
        if (x->is_tls) return answer(x, c);
        refuse_now(x, c);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                  const char *data, size_t *n, void **context) {
    suan__connection *c = connection_of(connection);
    suan__exchange *x = *context;
    if (!c) return MHD_NO;
    if (!x) return begin(ctx, c, connection, method, version, context);
    if (*n == 0) return answer(x, c);
    bool is_fine = take_body(x, c, data, *n);
    *n = 0;
    return is_fine ? MHD_YES : MHD_NO;
}

/* The address is parsed from its raw bytes elsewhere: libmicrohttpd must not decode it first. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *connection, char *s) {
    return strlen(s);
}

static void swallow_log(void *ctx, const char *format, va_list args) {}

/* ---- the server ---- */

static suan_status look_at_socket(suan__http *http, suan_error *err) {
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";
    SUAN_CHECK(getsockname(http->listen_fd, (struct sockaddr *)&address, &n) == 0, SUAN_EIO, "the listening socket has no address");
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        http->port = ntohs(v4->sin_port);
        http->is_loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        inet_ntop(AF_INET, &v4->sin_addr, http->bound, sizeof http->bound);
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
        http->port = ntohs(v6->sin6_port);
        http->is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        snprintf(http->bound, sizeof http->bound, "[%s]", text);
    } else {
        http->is_loopback = address.ss_family == AF_UNIX;
    }
    return SUAN_OK;
}

/* Strictness is our own (http_head.c): what libmicrohttpd 0.9.75 refuses by itself, it says twice. */
static suan_status start_daemon(suan__http *http, suan_error *err) {
    const suan__serve_config *config = &http->server->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)suan__tls_retrieve},
                                   {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    if (http->tls) flags |= MHD_USE_TLS;
    http->daemon = MHD_start_daemon(
        flags, 0, accept_policy, http, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, swallow_log, NULL, MHD_OPTION_LISTEN_SOCKET,
        http->listen_fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_line, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SUAN__CONNECTION_BYTES, MHD_OPTION_ARRAY, http->tls ? tls : none, MHD_OPTION_END);
    SUAN_CHECK(http->daemon, SUAN_EIO, "the HTTP server does not start");
    return SUAN_OK;
}

suan_status suan__http_start(suan__http **out, suan__server *server, int listen_fd, suan__auth *auth, suan_error *err) {
    suan__http *http = suan__calloc(1, sizeof *http);
    suan_status status;
    *out = NULL;
    if (!http) close(listen_fd);
    SUAN_CHECK(http, SUAN_ENOMEM, "out of memory");
    http->server = server;
    http->auth = auth;
    http->listen_fd = listen_fd;
    http->epoll_fd = http->wake_fd = -1;
    pthread_mutex_init(&http->lock, NULL);
    pthread_mutex_init(&http->queue_lock, NULL);
    pthread_cond_init(&http->queue_filled, NULL);
    server->http = http;
    SUAN_TRY_GOTO(look_at_socket(http, err));
    if (server->config.tls_cert) SUAN_TRY_GOTO(suan__tls_open(&http->tls, server->config.tls_cert, server->config.tls_key, err));
    SUAN_CHECK_GOTO(suan__watch_start(http) && suan__workers_start(http, 2), SUAN_EIO, "the server's threads do not start");
    SUAN_TRY_GOTO(start_daemon(http, err));
    *out = http;
    return SUAN_OK;
fail:
    suan__http_free(&http);
    return status;
}

bool suan__is_loopback(int listen_fd) {
    suan__http look = {.listen_fd = listen_fd};
    return look_at_socket(&look, NULL) == SUAN_OK && look.is_loopback;
}

uint32_t suan__http_unanswered(const suan__http *http) {
    return atomic_load(&http->n_unanswered);
}

void suan__http_quiesce(suan__http *http) {
    if (!http->daemon || http->is_quiet) return;
    http->is_quiet = true;
    int fd = MHD_quiesce_daemon(http->daemon);
    if (fd >= 0) close(fd);
    http->listen_fd = -1;
}

/* libmicrohttpd must not be stopped while a connection is suspended: all are told that they are over, and given a moment to go. */
static void drop_connections(suan__http *http) {
    for (int round = 0; round < 200; round++) {
        suan__exchange *x = NULL;
        pthread_mutex_lock(&http->lock);
        bool is_empty = !http->connections;
        for (suan__connection *c = http->connections; c; c = c->next) {
            shutdown(c->fd, SHUT_RDWR);
            if (c->x && !x && c->phase != SUAN__PHASE_CLOSED) {
                x = suan__exchange_ref(c->x);
                c->phase = SUAN__PHASE_CLOSED;
            }
        }
        pthread_mutex_unlock(&http->lock);
        if (is_empty) return;
        if (x) {
            suan__exchange_gone(x);
            suan__exchange_free(x);
            round = 0;
        } else {
            usleep(5000);
        }
    }
}

void suan__http_free(suan__http **http_) {
    suan__http *http = *http_;
    if (!http) return;
    suan__http_quiesce(http);
    suan__workers_stop(http);
    if (http->daemon) {
        drop_connections(http);
        MHD_stop_daemon(http->daemon);
    }
    suan__watch_stop(http);
    /* Whoever still works on a request looks at it until it gives it back. */
    for (int round = 0; round < 1000 && atomic_load(&http->n_exchanges) > 0; round++) usleep(5000);
    if (http->listen_fd >= 0) close(http->listen_fd);
    suan__tls_close(&http->tls);
    pthread_mutex_destroy(&http->lock);
    pthread_mutex_destroy(&http->queue_lock);
    pthread_cond_destroy(&http->queue_filled);
    http->server->http = NULL;
    if (atomic_load(&http->n_exchanges) == 0) suan__free(http); /* else it is lost, and nothing breaks */
    *http_ = NULL;
}
