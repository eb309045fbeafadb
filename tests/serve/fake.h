/* fake.h: an exchange without a connection and an ask without a model: what an interface makes of a request, and what it writes for events, can be looked at. */
#ifndef SUAN_TESTS_SERVE_FAKE_H
#define SUAN_TESTS_SERVE_FAKE_H

#include "base/memory.h"
#include "serve/ask.h"
#include "serve/server.h"

struct suan__exchange {
    suan__server server;
    const suan__route *route;
    json_t *body;
    const char *capture, *alt; /* alt: the query's only parameter */
    struct fake_kept {
        void *p;
        void (*fn)(void *);
    } kept[64];
    size_t n_kept;
    char advisory[2048];

    suan__ask *ask; /* the last */
    suan__ask_fn *fn;
    void *ctx;
    size_t n_started;

    int status; /* 0: nothing was replied */
    suan__problem problem;
    json_t *reply;
    bool is_stream, has_ended;
    suan__buf out;
};

/* A request with this body goes to the route. single quotes stand for double quotes. */
suan__exchange *fake_request(const suan__routes *routes, const char *path, const char *capture, const char *body);
void fake_free(suan__exchange *x);
/* An event of the answer. */
void fake_event(suan__exchange *x, const suan__ask_event *event);
void fake_text(suan__exchange *x, suan__ask_event_kind kind, const char *text);
/* In two parts where the interface wants parts; arguments that do not end in a brace break off. */
void fake_call(suan__exchange *x, const char *id, const char *name, const char *arguments);
void fake_end(suan__exchange *x, suan__ask_finish finish, const char *stop); /* CHOICE and END */
/* Fails the test unless `found` is the JSON `expected` (single quotes stand for double ones). */
void assert_json(const json_t *found, const char *expected);
/* Requests whose messages become `expected`, or that are refused so. */
typedef struct fake_path {
    const suan__routes *routes;
    const char *path, *capture;
} fake_path;
void fake_messages(const fake_path *to, const char *body, const char *expected);
void fake_refused(const fake_path *to, const char *body, suan__problem_kind kind, const char *param);
/* Fails the test unless a problem was replied that names the field. */
void assert_problem(const suan__exchange *x, suan__problem_kind kind, const char *param);

#endif
