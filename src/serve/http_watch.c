/* http_watch.c: the thread that looks at what nobody reads.
 *
 * libmicrohttpd does not look at a suspended connection, so a client that leaves while its answer is made would not be noticed: an epoll of our own waits for the end of
 * each socket. Four times a second the deadlines are checked (a connection that is late is shut down, which libmicrohttpd then sees as its
 * end), and whether the engine comes on.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/http.h"
#include "serve/own.h"

#define TICK_MS 250
#define MAX_EVENTS 64
#define MAX_BATCH 256

static void shut(suan__connection *c) {
    c->phase = SUAN__PHASE_CLOSED;
    shutdown(c->fd, SHUT_RDWR);
}

/* Whether the client has been waited for too long; with http->lock held. */
static bool is_late(const suan__http *http, const suan__connection *c, double now) {
    const suan__serve_config *config = &http->server->config;
    double waited = now - c->since;
    int n_unread = 0;
    /* It sends no more, all that came has been read, and it is not a whole request: it never will be. */
    if (c->peer_closed && c->phase != SUAN__PHASE_REPLY && waited > 0.5 && ioctl(c->fd, FIONREAD, &n_unread) == 0 && n_unread == 0)
        return true;
    switch (c->phase) {
    case SUAN__PHASE_HEAD:
        return waited > (c->in_head || c->n_requests == 0 ? config->header_seconds : config->idle_seconds);
    case SUAN__PHASE_BODY:
        return waited > config->body_seconds + (double)c->n_body / SUAN__BODY_RATE;
    case SUAN__PHASE_LINGER:
        return waited > SUAN__LINGER_SECONDS;
    default:
        return false;
    }
}

/* Whether bytes have waited for the client too long. */
static bool is_stuck(suan__exchange *x, double now) {
    pthread_mutex_lock(&x->lock);
    bool owes = x->has_begun && (x->out.n > x->n_taken || x->has_ended);
    bool result = owes && now - x->took > x->http->server->config.write_seconds;
    pthread_mutex_unlock(&x->lock);
    return result;
}

/* Takes references to at most MAX_BATCH exchanges from the connection *from on; they are looked at without the lock. */
static size_t collect(suan__http *http, double now, size_t skip, suan__exchange *batch[MAX_BATCH]) {
    size_t n = 0, i = 0;
    pthread_mutex_lock(&http->lock);
    for (suan__connection *c = http->connections; c && n < MAX_BATCH; c = c->next) {
        if (skip == 0 && is_late(http, c, now)) shut(c);
        if (c->phase != SUAN__PHASE_REPLY || !c->x || i++ < skip) continue;
        batch[n++] = suan__exchange_ref(c->x);
    }
    pthread_mutex_unlock(&http->lock);
    return n;
}

static void tick(suan__http *http) {
    suan__exchange *batch[MAX_BATCH];
    double now = suan__now();
    for (size_t skip = 0, n = MAX_BATCH; n == MAX_BATCH; skip += n) {
        n = collect(http, now, skip, batch);
        for (size_t i = 0; i < n; i++) {
            suan__exchange *x = batch[i];
            if (is_stuck(x, now)) {
                pthread_mutex_lock(&http->lock);
                for (suan__connection *c = http->connections; c; c = c->next)
                    if (c->x == x) shut(c);
                pthread_mutex_unlock(&http->lock);
                suan__exchange_gone(x);
            } else {
                suan__reply_tick(x, now);
            }
            suan__exchange_free(x);
        }
    }
}

/* The other side sends no more: whoever answers it should know. The connection may have gone in the meantime: then it is not in the list. */
static void peer_closed(suan__http *http, const void *which) {
    suan__exchange *x = NULL;
    pthread_mutex_lock(&http->lock);
    suan__connection *c = http->connections;
    while (c && c != which) c = c->next;
    if (c) {
        c->peer_closed = true;
        if (c->phase == SUAN__PHASE_REPLY && c->x) x = suan__exchange_ref(c->x);
    }
    pthread_mutex_unlock(&http->lock);
    if (!x) return;
    suan__exchange_gone(x);
    suan__exchange_free(x);
}

static void *watch(void *ctx) {
    suan__http *http = ctx;
    struct epoll_event events[MAX_EVENTS];
    double next = suan__now();
    pthread_setname_np(pthread_self(), "suan-watch");
    while (!atomic_load(&http->is_ending)) {
        int n = epoll_wait(http->epoll_fd, events, MAX_EVENTS, TICK_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) peer_closed(http, events[i].data.ptr);
        }
        if (suan__now() < next) continue;
        tick(http);
        suan__engine_watch(http->server, suan__now());
        next = suan__now() + TICK_MS * 1e-3;
    }
    return NULL;
}

bool suan__watch_start(suan__http *http) {
    struct epoll_event event = {.events = EPOLLIN};
    http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->epoll_fd < 0 || http->wake_fd < 0 || epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, http->wake_fd, &event) != 0) return false;
    http->has_watcher = pthread_create(&http->watcher, NULL, watch, http) == 0;
    return http->has_watcher;
}

void suan__watch_stop(suan__http *http) {
    uint64_t one = 1;
    atomic_store(&http->is_ending, true);
    if (http->has_watcher) {
        if (write(http->wake_fd, &one, sizeof one) < 0) {} /* then it ends at its next tick */
        pthread_join(http->watcher, NULL);
        http->has_watcher = false;
    }
    if (http->epoll_fd >= 0) close(http->epoll_fd);
    if (http->wake_fd >= 0) close(http->wake_fd);
    http->epoll_fd = http->wake_fd = -1;
}
