/* gather.h: what an answer holds so far, shared by the interfaces whose replies are made of parts (Anthropic, Gemini, Ollama), and small pieces that they have in common.
 *
 * Ownership  everything is copied; a gather belongs to one request
 */
#ifndef SUAN_SERVE_GATHER_H
#define SUAN_SERVE_GATHER_H

#include "base/memory.h"
#include "serve/ask.h"

typedef enum suan__part_kind { SUAN__PART_TEXT = 0, SUAN__PART_REASONING, SUAN__PART_CALL } suan__part_kind;

typedef struct suan__part {
    suan__part_kind kind;
    suan__buf text;  /* CALL: the arguments, a JSON object */
    char *name, *id; /* CALL */
    bool is_broken;  /* CALL: the arguments break off */
} suan__part;

typedef struct suan__gathered { /* a choice */
    suan__part *parts;          /* in the order of the answer; neighbours of TEXT or REASONING differ in kind */
    size_t n_parts, capacity;
    json_t *tokens; /* an array that the interface fills where logprobs are wanted; NULL before */
    bool has_ended;
    suan__ask_finish finish;
    char *stop; /* STOP_STRING */
} suan__gathered;

typedef struct suan__gather {
    suan__gathered *choices;
    uint32_t n_choices;
} suan__gather;

/* false: out of memory; then fini is all that may follow. */
bool suan__gather_init(suan__gather *g, uint32_t n_choices);
void suan__gather_fini(suan__gather *g); /* a zeroed one is fine */
/* Takes a REASONING, TEXT, CALL (whole or in parts) or CHOICE event in; others change nothing. false: out of memory. */
bool suan__gather_take(suan__gather *g, const suan__ask_event *event);

/* At END: false where the request failed or memory ran out on the way; then that has been replied. */
bool suan__gather_is_good(suan__exchange *x, const suan__ask_event *end, bool has_failed);

/* A JSON string of any bytes: what is not UTF-8 is U+FFFD. NULL: out of memory. */
json_t *suan__text_json(const char *s, size_t n);
json_t *suan__part_json(const suan__part *part); /* its text */
/* The arguments as an object; {} where they are none. */
json_t *suan__arguments_json(const char *s, size_t n);
/* The same of arguments that break off: the members that are whole. */
json_t *suan__cut_arguments_json(const char *s, size_t n);
/* A time as "2026-01-02T03:04:05Z", with nanoseconds where `nanoseconds` is not below 0. */
#define SUAN__TIME_TEXT 40
const char *suan__time_text(char text[SUAN__TIME_TEXT], int64_t seconds, long nanoseconds);

/* Answers in the form of a JSON Schema. */
bool suan__ask_schema(suan__exchange *x, suan__ask *ask, const json_t *schema, const char *where, suan__problem *problem);
/* Adds a variable for the template (steals value). */
bool suan__ask_extra(suan__ask *ask, const char *name, json_t *value, suan__problem *problem);
bool suan__no_memory(suan__problem *problem); /* false, for `return suan__no_memory(p)` */

#endif
