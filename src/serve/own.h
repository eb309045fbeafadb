/* own.h: the routes that are no interface's: health, metrics, live figures, the description of them all. */
#ifndef SUAN_SERVE_OWN_H
#define SUAN_SERVE_OWN_H

#include "serve/exchange.h"

extern const suan__dialect suan__own_dialect;
extern const suan__routes suan__test_routes; /* of tests only */
/* Why the engine is not well; NULL: it is, as far as its steps tell. */
const char *suan__engine_trouble(suan__server *s, const suan_batch_stats *stats);
/* Asks the engine for one token and replies when it is there. false: it takes no requests now; nothing is replied. */
bool suan__engine_probe(suan__exchange *x);
/* Row i of all routes; NULL: there are no more. */
const suan__route *suan__route_at(size_t i);

#endif
