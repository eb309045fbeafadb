/* talk.h: a conversation in the form that chat templates take, made message by message.
 *
 * Interfaces cut a turn differently: several messages of one role in a row, several blocks of text, results of tools in the middle. Here pieces of one role that follow each other
 * become one message, because many templates insist that roles take turns.
 *
 * Cost  linear in the bytes that are added
 */
#ifndef SUAN_SERVE_TALK_H
#define SUAN_SERVE_TALK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/memory.h"

typedef struct suan__talk {
    json_t *messages;             /* what is finished */
    const char *role;             /* of the message that is being made; NULL: none. Static */
    suan__buf content, reasoning; /* of it */
    json_t *calls;                /* of it; NULL: none */
    bool has_failed;              /* out of memory; sticky */
} suan__talk;

/* Text of a role; glue comes between it and what that message has already. */
void suan__talk_text(suan__talk *t, const char *role, const char *text, size_t n, const char *glue);
void suan__talk_reasoning(suan__talk *t, const char *text, size_t n);                           /* of the assistant */
void suan__talk_call(suan__talk *t, const char *id, const char *name, const json_t *arguments); /* of the assistant; id may be NULL */
/* The result of a call; id and name may be NULL. */
void suan__talk_result(suan__talk *t, const char *id, const char *name, const char *text, size_t n);
/* The messages, an array; the caller's. NULL: out of memory. t is empty afterwards. */
json_t *suan__talk_end(suan__talk *t);
void suan__talk_fini(suan__talk *t); /* a zeroed or ended one is fine */

#endif
