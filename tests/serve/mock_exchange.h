/* mock_exchange.h: an exchange without HTTP: requests are given, replies are kept. For tests of what lies above exchange.h. */
#ifndef SUAN_TESTS_MOCK_EXCHANGE_H
#define SUAN_TESTS_MOCK_EXCHANGE_H

#include "base/memory.h"
#include "serve/exchange.h"
#include "serve/server.h"

/* A request with a body; freed when all references are back. route NULL: one that says nothing. */
suan__exchange *mock_new(suan__server *s, const suan__route *route, const char *body);
/* Waits until the reply is complete; false: that took more than a minute. */
bool mock_wait(suan__exchange *x);
/* The client goes, as soon as somebody watches (5 s at most). */
void mock_go(suan__exchange *x);
/* It reads slowly, or again. */
void mock_slow(suan__exchange *x, bool is_full);

/* After mock_wait. */
int mock_status(const suan__exchange *x);
const char *mock_text(const suan__exchange *x, size_t *n);
const char *mock_reply_header(const suan__exchange *x, const char *name); /* NULL: none */
const suan__problem *mock_problem(const suan__exchange *x);               /* of suan__reply_problem; kind NONE: none */
int mock_n_replies(const suan__exchange *x);                              /* more than one is a mistake */
/* How many exchanges there are. */
int mock_n_alive(void);

#endif
