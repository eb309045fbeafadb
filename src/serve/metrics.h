/* metrics.h: counters of the server, and their Prometheus text.
 *
 * Labels come from fixed lists (route patterns, statuses), so their number does not grow with what clients send.
 * Threads  all calls: any
 */
#ifndef SUAN_SERVE_METRICS_H
#define SUAN_SERVE_METRICS_H

#include "base/memory.h"
#include "serve/server.h"

typedef struct suan__metrics suan__metrics;

/* NULL: out of memory. */
suan__metrics *suan__metrics_create(void);
void suan__metrics_free(suan__metrics *m); /* NULL is fine */
/* A request has been answered: route NULL: there was none. NULL as m is fine, here and below. */
void suan__metrics_request(suan__metrics *m, const suan__route *route, int status, double seconds);
/* An answer of the model has ended. */
void suan__metrics_usage(suan__metrics *m, const suan_usage *usage, uint32_t n_reasoning);
double suan__resident_bytes(void);
/* The text of GET /metrics into b. */
void suan__metrics_text(suan__server *s, suan__buf *b);

#endif
