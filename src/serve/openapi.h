/* openapi.h: the description of all interfaces in OpenAPI 3.1, made from the tables of routes and members, so that it cannot say anything else than the checks do. */
#ifndef SUAN_SERVE_OPENAPI_H
#define SUAN_SERVE_OPENAPI_H

#include "serve/fields.h"
#include "serve/server.h"

/* What a table of members (fields.h) cannot say by itself: what a member is made of. A row with member NULL says that the table is one of several forms of another. */
typedef enum suan__shape_kind {
    SUAN__SHAPE_ONE = 1,      /* an object of that table */
    SUAN__SHAPE_LIST,         /* an array of them */
    SUAN__SHAPE_TEXT_OR_LIST, /* a string, or an array of them */
    SUAN__SHAPE_WORDS,        /* a string, one of "a|b" */
    SUAN__SHAPE_WORDS_OR_ONE, /* one of "a|b", or (behind a blank) an object of that table */
    SUAN__SHAPE_STRINGS,      /* an array of strings */
    SUAN__SHAPE_TEXT_OR_STRINGS,
    SUAN__SHAPE_MODEL, /* the name of the server's model */
    SUAN__SHAPE_JSON   /* a schema as JSON text */
} suan__shape_kind;
typedef struct suan__shape {
    const char *table, *member;
    suan__shape_kind kind;
    const char *of;
} suan__shape;

/* What goes in and out where a route's row does not say it. */
typedef struct suan__operation {
    const char *method, *path; /* as in the route */
    const char *shown;         /* the path in the description; NULL: the route's. A route may have several */
    const char *body;          /* a table; NULL: none */
    const char *reply;         /* "json", "stream" (JSON or server-sent events), "lines" (JSON or lines of it), "text", "page" */
} suan__operation;

extern const suan__shape suan__shapes[];         /* ends with table NULL */
extern const suan__operation suan__operations[]; /* ends with path NULL */

/* The description; new reference. NULL: out of memory. */
json_t *suan__openapi(const suan__server *s);
/* The shape of a member; NULL: what its row says is all. */
const suan__shape *suan__shape_find(const char *table, const char *member);

#endif
