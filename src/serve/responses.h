/* responses.h: what the files of the Responses interface share. */
#ifndef SUAN_SERVE_RESPONSES_H
#define SUAN_SERVE_RESPONSES_H

#include "serve/openai.h"

typedef enum suan__response_item { SUAN__RESPONSE_NOTHING = 0, SUAN__RESPONSE_MESSAGE, SUAN__RESPONSE_REASONING } suan__response_item;

/* A response while it is made; freed with the exchange. A reply that is no stream goes the same way, only that nothing is written before the end. */
typedef struct suan__response {
    json_t *body; /* the request, borrowed */
    json_t *echo; /* members of the request as every response object repeats them */
    bool is_stream, want_logprobs;
    int64_t created;
    char id[SUAN__OPENAI_ID];

    int64_t n_events;
    json_t *output; /* finished items */
    suan__response_item open;
    char item_id[SUAN__OPENAI_ID];
    suan__buf text;              /* of the open item; of a call the arguments */
    json_t *logprobs;            /* of the open message */
    json_t *call_id, *call_name; /* of the open call */
    suan__ask_finish finish;
    bool has_started, has_failed;
} suan__response;

/* responses_read.c: from a request that was checked against its table to an ask. */
bool suan__responses_read(suan__exchange *x, suan__ask *ask, suan__response *r, suan__problem *problem);
/* responses_reply.c: suan__ask_fn; ctx is a suan__response. */
void suan__responses_event(void *ctx, suan__exchange *x, const suan__ask_event *event);
/* The error within a stream, as an event of its own. */
void suan__responses_stream_error(suan__exchange *x, const suan__problem *problem);

#endif
