/* ask_list.h: one exchange with many asks: several prompts of a completion, many texts to embed.
 *
 * The worker prepares all of them and submits the first; from then on everything happens on the batch's thread, in their events: a few are in work at a time, the next one goes in when
 * one ends. The first problem ends all.
 */
#ifndef SUAN_SERVE_ASK_LIST_H
#define SUAN_SERVE_ASK_LIST_H

#include "serve/ask.h"

#define SUAN__LIST_MAX 2048 /* asks */

typedef struct suan__ask_list {
    suan__ask **asks; /* made by the interface, in order; the list's memory is its own */
    size_t n;
    size_t n_submitted, n_ended;
    suan_usage usage; /* of those that have ended, together */
    uint32_t n_reasoning;
    suan__problem problem; /* kind NONE: all is well */
} suan__ask_list;

/* false: out of memory. */
bool suan__ask_list_init(suan__ask_list *list, size_t n);
void suan__ask_list_fini(suan__ask_list *list); /* a zeroed one is fine */
/* All asks are there: false: *problem, and no event comes. Afterwards the caller touches nothing any more. */
bool suan__ask_list_start(suan__exchange *x, suan__ask_list *list, suan__problem *problem);
/* For each event of each ask, before the interface's own work. true: it was the last END: list->problem says how it went, usage is complete. */
bool suan__ask_list_event(suan__exchange *x, suan__ask_list *list, const suan__ask_event *event);

#endif
