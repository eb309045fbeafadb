/* own.h: the routes that are no interface's: health, metrics, live figures, the description of them all. */
#ifndef SUAN_SERVE_OWN_H
#define SUAN_SERVE_OWN_H

#include "serve/server.h"

extern const suan__dialect suan__own_dialect;
extern const suan__routes suan__test_routes; /* of tests only */
/* Why the engine is not well; NULL: it is, as far as its steps tell: the model can be used, none lasts longer than `limit` seconds, nor is that long none made while there is work. To be asked often. */
const char *suan__engine_trouble(suan__engine_seen *seen, const suan_batch_stats *stats, double limit, double now);
/* Keeps s->trouble. The watcher's: it looks whether anybody asks for /health or not, so that a long rest between two such requests does not pass for a long wait. */
void suan__engine_watch(suan__server *s, double now);
/* Asks the engine for one token and replies when it is there, or that it cannot be computed. false: the queue is full; nothing is replied. */
bool suan__engine_probe(suan__exchange *x);
/* Row i of all routes; NULL: there are no more. */
const suan__route *suan__route_at(size_t i);

#endif
