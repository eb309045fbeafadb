/* ask_text.h: text on its way to a client: bytes of a model become whole UTF-8 characters, and stop strings are found in them. */
#ifndef SUAN_SERVE_ASK_TEXT_H
#define SUAN_SERVE_ASK_TEXT_H

#include "base/memory.h"

#define SUAN__MAX_STOP_STRINGS 64
#define SUAN__MAX_STOP_STRING_BYTES 4096

/* The strings of a request, shared by its choices. */
typedef struct suan__stops {
    const char *const *strings;  /* UTF-8, none empty */
    uint32_t *lengths;           /* owned */
    uint32_t *failure, *offsets; /* of the automata: those of string i from offsets[i] on; owned */
    size_t n;
} suan__stops;

/* strings: kept until fini. false: out of memory. */
bool suan__stops_init(suan__stops *stops, const char *const *strings, size_t n);
void suan__stops_fini(suan__stops *stops);

typedef struct suan__ask_text {
    const suan__stops *stops; /* NULL: none */
    uint32_t *states;         /* bytes of each stop string that match the end of the text */
    suan__buf buf;            /* text that was not taken; its first n_ready bytes can be */
    size_t n_ready;
    size_t n_cut; /* bytes behind n_ready that a stop string took */
    char carry[4];
    size_t n_carry;
    const char *stop; /* the one that ended the text */
} suan__ask_text;

/* stops: kept, or NULL. false: out of memory. */
bool suan__ask_text_init(suan__ask_text *t, const suan__stops *stops);
void suan__ask_text_fini(suan__ask_text *t);
/* Appends bytes; those that cannot be UTF-8 become U+FFFD. Behind a stop string nothing is taken any more. false: out of memory. */
bool suan__ask_text_feed(suan__ask_text *t, const char *bytes, size_t n);
/* What waited is ready: the end of the text, or of this stretch of it. */
bool suan__ask_text_flush(suan__ask_text *t);
/* The ready bytes have been used. */
void suan__ask_text_taken(suan__ask_text *t);
/* Bytes of the text that are not ready. */
size_t suan__ask_text_waiting(const suan__ask_text *t);

#endif
