/* stop.h: finding stop strings in text that arrives in pieces.
 *
 * One automaton (Knuth, Morris, Pratt 1977) for each stop string, all fed byte by byte. What they tell at any moment: whether a stop string
 * has just ended, and how many bytes at the end of the text could still be the beginning of one, which are all that must be held back.
 * Cost: the number of stop strings for each byte (amortised).
 */
#ifndef SUAN_ENGINE_STOP_H
#define SUAN_ENGINE_STOP_H

#include <stddef.h>

#include "base/error.h"

#define SUAN__MAX_STOPS 64
#define SUAN__MAX_STOP_BYTES (1u << 16) /* of all stop strings together */

typedef struct suan__stop_pattern {
    const char *text; /* in the finder's memory, as failure is */
    uint32_t n;
    uint32_t state;          /* bytes of it that match the end of what was fed */
    const uint32_t *failure; /* [n] failure[i]: length of the longest proper prefix that ends text[0..i] */
} suan__stop_pattern;

typedef struct suan__stop {
    size_t n;
    suan__stop_pattern patterns[SUAN__MAX_STOPS];
    void *memory;
} suan__stop;

/* Copies n NUL-terminated strings (UTF-8, none empty, n <= SUAN__MAX_STOPS). On failure *stop is empty. */
suan_status suan__stop_init(suan__stop *stop, const char *const *strings, size_t n, suan_error *err);
void suan__stop_fini(suan__stop *stop); /* a zeroed or finished one is fine */
/* Back to the beginning of a text. */
void suan__stop_reset(suan__stop *stop);
/* Feeds one byte. Returns the length of the stop string that ends with it (the longest, if several do), or 0. */
size_t suan__stop_feed(suan__stop *stop, char byte);
/* How many of the last bytes fed are the beginning of a stop string. */
size_t suan__stop_held(const suan__stop *stop);

#endif
