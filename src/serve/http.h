/* http.h: what the files of the HTTP part share: connections, the exchange's inside, and the server of both.
 *
 * Threads: libmicrohttpd's one thread reads and writes all sockets and runs the checks of a request's head; `n_workers` threads run the handlers; the watcher looks at what
 * nobody reads: clients that left, deadlines, keep-alives. A connection whose handler works, or whose stream has nothing to send, is suspended.
 * Locks: http.lock (connections), then exchange.lock. No callback of anybody is called with either held.
 */
#ifndef SUAN_SERVE_HTTP_H
#define SUAN_SERVE_HTTP_H

#include <microhttpd.h>
#include <pthread.h>

#include "base/file.h"
#include "base/memory.h"
#include "serve/auth.h"
#include "serve/server.h"
#include "serve/tls.h"

#define SUAN__MAX_HEADERS 100
#define SUAN__MAX_URI_BYTES 8192
#define SUAN__MAX_QUERY 32              /* parameters of a query */
#define SUAN__CONNECTION_BYTES 32768    /* of a request's head and libmicrohttpd's buffers: more is 431 */
#define SUAN__STREAM_HIGH (1u << 20)    /* bytes that wait for a slow reader before its answer pauses */
#define SUAN__STREAM_LOW (1u << 18)     /* .. and goes on */
#define SUAN__STREAM_MAX (16u << 20)    /* .. and is dropped: whoever writes did not pause */
#define SUAN__BODIES_MIN (256ull << 20) /* bytes of all bodies at once at most, or of four of the largest */
#define SUAN__BODY_RATE 1024            /* bytes a second: a body may take that much longer than body_seconds */
#define SUAN__KEEP_ALIVE_SECONDS 10.0
#define SUAN__LINGER_SECONDS 2.0 /* how long a client that is refused may go on sending, so that it sees the refusal */

typedef struct suan__pair {
    const char *name, *value;
} suan__pair;

typedef struct suan__watch {
    void (*gone)(void *);
    void (*slow)(void *, bool);
    void *ctx;
    struct suan__watch *next;
} suan__watch;

typedef struct suan__kept {
    void *p;
    void (*fn)(void *);
    struct suan__kept *next; /* older */
} suan__kept;

struct suan__exchange {
    atomic_uint n_refs;
    struct suan__http *http;
    const suan__route *route;     /* NULL: none was found */
    const suan__dialect *dialect; /* how errors look */
    char id[32];
    uint64_t owner;
    char key_name[SUAN__KEY_NAME_BYTES];
    double came;     /* monotonic seconds */
    int64_t came_ms; /* since 1970 */

    /* the request; nothing here changes once the handler runs */
    suan__arena arena;
    const char *method, *capture;
    const char *uri; /* as it came, while the head is read */
    char *path;      /* decoded, for messages */
    suan__pair *headers, *query;
    size_t n_headers, n_query;
    bool is_head, is_tls, is_version_1_0, wants_continue;
    uint64_t content_length;
    bool has_length, is_chunked;
    suan__buf body;
    json_t *json;

    /* refused before a handler saw it */
    bool is_refused, must_close;
    suan__problem problem;
    int refused_status; /* 0: the problem's */

    pthread_mutex_t lock;              /* all below */
    struct MHD_Connection *connection; /* NULL: libmicrohttpd is done with it */
    bool is_dispatched, is_suspended, is_counted, is_lingering, was_answered;
    bool has_begun, is_stream, has_ended, is_queued;
    bool is_gone;
    int status;
    suan__pair reply_headers[32];
    size_t n_reply_headers;
    suan__buf out;
    size_t n_taken;
    const char *keep_alive;
    double wrote, took; /* when bytes were put into `out`, and when some left it */
    suan__watch *watches;
    bool is_full, told_full, is_telling;
    suan__kept *kept;

    /* for the log and the metrics */
    double first_byte;               /* seconds after it came; 0: none */
    uint32_t n_prompt, n_completion; /* tokens */
    struct suan__exchange *next;     /* in the workers' queue */
};

typedef enum suan__phase {
    SUAN__PHASE_HEAD = 0, /* waits for a request, or reads its head */
    SUAN__PHASE_BODY,
    SUAN__PHASE_REPLY,  /* a handler works, or a reply is on its way */
    SUAN__PHASE_LINGER, /* refused: what still comes is thrown away */
    SUAN__PHASE_CLOSED  /* shut down: libmicrohttpd will notice */
} suan__phase;

typedef struct suan__connection {
    struct suan__connection *next, *previous;
    struct suan__http *http;
    int fd;
    unsigned char address[16];
    suan__phase phase;
    double since; /* of the phase; HEAD: of the wait, then of the request line */
    uint64_t n_body;
    atomic_uint n_requests;
    bool in_head;            /* HEAD: the request line is there */
    atomic_bool peer_closed; /* no more comes from the client */
    char *uri;               /* of the request line, as it came */
    suan__exchange *x;       /* the present request */
} suan__connection;

typedef struct suan__http {
    suan__server *server;
    struct MHD_Daemon *daemon;
    int listen_fd;
    int port;
    bool is_loopback, is_quiet;
    suan__tls *tls; /* NULL: none */
    char bound[64]; /* the address, as Host has it: "192.0.2.1", "[2001:db8::1]" */
    suan__auth *auth;

    pthread_mutex_t lock;
    suan__connection *connections; /* newest first */
    atomic_uint n_connections;
    atomic_uint_fast64_t body_bytes;
    atomic_uint n_exchanges;  /* alive */
    atomic_uint n_unanswered; /* taken, and not answered to the end */

    pthread_t watcher;
    bool has_watcher;
    int epoll_fd, wake_fd;
    atomic_bool is_ending;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_filled;
    suan__exchange *queue, **queue_end;
    pthread_t workers[8];
    uint32_t n_workers, n_working;
    bool workers_stop;
} suan__http;

/* http.c. server->config, ->stopping, ->ready are there. listen_fd: bound and listening; the http closes it. auth: kept. */
suan_status suan__http_start(suan__http **http, suan__server *server, int listen_fd, suan__auth *auth, suan_error *err);
/* In order: no new connections and requests; then, when running ones have ended or time is over, no connections at all. */
void suan__http_quiesce(suan__http *http);
/* Whether a listening socket takes connections of this machine only. */
bool suan__is_loopback(int listen_fd);
uint32_t suan__http_unanswered(const suan__http *http);
void suan__http_free(suan__http **http);
double suan__now(void); /* monotonic seconds */

/* http_head.c: everything that is decided on a request's head. Fills x; where the request is refused, x->is_refused. false: out of memory. */
bool suan__head_read(suan__exchange *x, suan__connection *c, struct MHD_Connection *connection, const char *method, const char *version);
/* routes.c: finds the route of x->method and the path's segments; sets x->route, x->dialect, x->capture, or the refusal. */
void suan__route_find(suan__exchange *x, const char *const *segments, size_t n_segments);
/* http_origin.c: Host and Origin; false: refused. */
bool suan__origin_check(suan__exchange *x, const char *host, const char *origin);
bool suan__origin_preflight(suan__exchange *x);

/* http_watch.c */
bool suan__watch_start(suan__http *http);
void suan__watch_stop(suan__http *http);
/* http_pool.c */
bool suan__workers_start(suan__http *http, uint32_t n);
void suan__workers_push(suan__http *http, suan__exchange *x); /* takes a reference over */
void suan__workers_stop(suan__http *http);

/* exchange.c */
suan__exchange *suan__exchange_new(suan__http *http);
void suan__exchange_refuse(suan__exchange *x, suan__problem_kind kind, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void suan__exchange_gone(suan__exchange *x); /* the client left */
/* reply.c: what libmicrohttpd sends. On its thread, once, when the reply has begun; without x->lock, which libmicrohttpd's own comes before. */
enum MHD_Result suan__reply_queue(suan__exchange *x);
void suan__reply_tick(suan__exchange *x, double now); /* keep-alives */

#endif
