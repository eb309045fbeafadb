/* embed.h: texts as vectors, for the interfaces that take strings (Gemini, Ollama).
 *
 * Ownership  belongs to the exchange; texts are copied
 */
#ifndef SUAN_SERVE_EMBED_H
#define SUAN_SERVE_EMBED_H

#include "serve/ask_list.h"

typedef struct suan__embed suan__embed;

/* All vectors are there: replies. Problems have been replied. */
typedef void suan__embed_fn(suan__exchange *x, suan__embed *e);

struct suan__embed {
    suan__ask_list list; /* .usage is what all of them cost */
    struct suan__embed_item {
        suan__embed *embed;
        char *text;
        json_t *values; /* a list of numbers */
    } * items;
    size_t n_added;
    suan__embed_fn *fn;
};

/* n: of texts, 1 or more. NULL: out of memory. */
suan__embed *suan__embed_new(suan__exchange *x, size_t n, suan__embed_fn *fn);
/* The next text. false: *problem says why, or has kind NONE where a reply was made. */
bool suan__embed_add(suan__exchange *x, suan__embed *e, const char *text, size_t n, suan__problem *problem);
/* When all are added. false: *problem says why, and fn is not called. */
bool suan__embed_start(suan__exchange *x, suan__embed *e, suan__problem *problem);

#endif
