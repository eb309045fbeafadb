/* own.h: the routes that are no interface's: health, metrics, live figures, the description of them all. */
#ifndef SUAN_SERVE_OWN_H
#define SUAN_SERVE_OWN_H

#include "serve/exchange.h"

extern const suan__dialect suan__own_dialect;
extern const suan__routes suan__test_routes; /* of tests only */
/* Row i of all routes; NULL: there are no more. */
const suan__route *suan__route_at(size_t i);

#endif
