/* server.h: what the whole server shares: model, batch, configuration, counters. */
#ifndef SUAN_SERVE_SERVER_H
#define SUAN_SERVE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "serve/exchange.h"

typedef struct suan__ledger suan__ledger; /* ledger.h */

/* suan serve's options; their defaults and ranges are in serve/config.c, documented in suan(1). */
typedef struct suan__serve_config {
    const char *host;               /* "127.0.0.1" */
    int port;                       /* 8080; 0: any free one, which is printed */
    const char *tls_cert, *tls_key; /* PEM files; NULL: none */
    const char
        *keys_file; /* name and SHA-256 of keys; NULL: `keys` in the state directory, if it is there; "none": none, on loopback only */
    const char *const *hosts; /* further names that Host may have */
    size_t n_hosts;
    const char *const *origins; /* CORS; none: no other origin */
    size_t n_origins;
    const char *model_name;                              /* as clients name it: --alias, else the file's */
    const char *ledger_file;                             /* NULL: ledger.db in the state directory; "none" */
    double price_prompt, price_completion, price_cached; /* of a million tokens; 0: none */
    const char *currency;
    const char *log_file; /* NULL: stderr */
    bool log_prompts, allow_core;
    size_t max_body;
    uint32_t max_connections, max_connections_per_address;
    double header_seconds, body_seconds, idle_seconds, write_seconds, stop_seconds, max_seconds;
    double watch_seconds;   /* a step that runs longer is stuck */
    suan_sampling sampling; /* what a request has that says nothing */
    bool draws_seeds;       /* .. but for the seed: each such request has one of its own */
} suan__serve_config;

/* The engine's steps as they were last seen to move, or as work was seen to begin. */
typedef struct suan__engine_seen {
    bool has_work;
    uint64_t steps;
    double since; /* monotonic seconds */
} suan__engine_seen;

struct suan__server {
    suan__serve_config config;
    suan_model *model;
    suan_model_info info;
    suan_batch *batch;
    pthread_rwlock_t batch_lock; /* batch_ends; held while somebody outside of a handler looks at the batch */
    bool batch_ends;             /* it is being closed */
    suan_answer_syntax syntax;   /* of the model's template */
    suan__ledger *ledger;        /* NULL: none */
    int64_t started;             /* seconds since 1970: of the start, for `created` of the model */
    atomic_bool ready;           /* the model is loaded: what is above does not change any more */
    atomic_bool stopping;
    suan__engine_seen seen;        /* the watcher's */
    _Atomic(const char *) trouble; /* why the engine does not come on, as the watcher saw it last; NULL: it does. Static */
    struct suan__metrics *metrics; /* metrics.h */
    struct suan__http *http;       /* http.c's own */
};

/* Whether `name` is what clients call the model here: the configured name, the model's own, or either with ":latest". */
bool suan__server_is_model(const suan__server *s, const char *name);

/* The batch's figures; false, and zeros: there is none yet, or no more. Handlers on workers may ask the batch itself. */
bool suan__server_stats(suan__server *s, suan_batch_stats *stats);

#endif
