/* serve.h: a server from its options to its end.
 *
 *     suan__serve_config_init(&config);
 *     suan__serve_open(&serve, &config, &err);               listens; everything but /health and the page is answered with 503
 *     suan__serve_begin(serve, model, &batch, &sampling, &err);   .. now everything is answered
 *     suan__serve_stop(serve);                               running answers end, at the latest after stop_seconds
 *     suan__serve_close(&serve);
 *
 * Threads  open, begin, stop, close: one; reload: any
 */
#ifndef SUAN_SERVE_SERVE_H
#define SUAN_SERVE_SERVE_H

#include "serve/server.h"

typedef struct suan__serve suan__serve;

void suan__serve_config_init(suan__serve_config *config);
/* Ranges, and what excludes what; SUAN_EINVAL names the option. */
suan_status suan__serve_config_check(const suan__serve_config *config, suan_error *err);

/* config: borrowed until close. Beyond loopback a key is needed: where there is none, one is made and shown once on the terminal; SUAN_EINVAL: there is no terminal. */
suan_status suan__serve_open(suan__serve **serve, const suan__serve_config *config, suan_error *err);
/* model: borrowed until close; *batch is taken over. sampling: of requests that say nothing. */
suan_status suan__serve_begin(suan__serve *serve, suan_model *model, suan_batch **batch, const suan_sampling *sampling, suan_error *err);
/* "http://127.0.0.1:8080"; and the file of its keys, NULL: none. Until close. */
const char *suan__serve_address(const suan__serve *serve);
const char *suan__serve_keys_file(const suan__serve *serve);
const char *suan__serve_model_name(const suan__serve *serve);
/* Keys and certificates are read anew and the log is opened anew: each of them, even if another fails; the first failure is told. */
suan_status suan__serve_reload(suan__serve *serve, suan_error *err);
void suan__serve_stop(suan__serve *serve);
void suan__serve_close(suan__serve **serve);

#endif
