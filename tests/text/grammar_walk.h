/* grammar_walk.h: a grammar's texts without a vocabulary: whether it accepts one, and random ones, byte by byte. For tests only. */
#ifndef SUAN_TESTS_GRAMMAR_WALK_H
#define SUAN_TESTS_GRAMMAR_WALK_H

#include <string.h>

#include "text/grammar_internal.h"

typedef struct walker {
    const suan_grammar *g;
    suan__automaton *a;
    suan_vocabulary nothing;
} walker;

static inline bool walker_open(walker *w, const suan_grammar *g) {
    suan_error err;
    *w = (walker){.g = g};
    return suan__automaton_create(&w->a, g, &w->nothing, &err) == SUAN_OK;
}
static inline void walker_close(walker *w) {
    suan__automaton_free(w->a);
}

/* 1: a whole text; 0: the beginning of one; -1: neither. */
static inline int walker_takes(walker *w, const char *s, size_t n) {
    uint32_t state = suan__automaton_start(w->a);
    w->a->work = 0;
    for (size_t i = 0; i < n && state >= STATE_FIRST; i++) {
        state = suan__automaton_next(w->a, state, w->g->program.class_of[(unsigned char)s[i]]);
        w->a->work = 0;
    }
    return state < STATE_FIRST ? -1 : w->a->pool.state[state].is_complete;
}

static inline uint32_t walker_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* A byte of a class: letters, digits and marks rather than what nobody reads. */
static inline unsigned char walker_byte(const walker *w, uint32_t class, uint64_t *seed) {
    for (int tries = 0; tries < 40; tries++) {
        unsigned char c = (unsigned char)(0x20 + walker_random(seed) % 95);
        if (w->g->program.class_of[c] == class) return c;
    }
    return w->g->program.example[class];
}

/* A random text into s: up to `most` bytes freely, then towards the end by the classes in `closing` (NUL-terminated, the first that may come is taken).
 * Ends early with a chance of one in `patience` where the text is complete. Returns its length; -1: it did not end. */
static inline long walker_text(walker *w, char *s, size_t most, size_t capacity, const char *closing, uint32_t patience, uint64_t *seed) {
    uint32_t state = suan__automaton_start(w->a), n_classes = w->g->program.n_classes;
    for (size_t n = 0; n < capacity; n++) {
        w->a->work = 0;
        bool ends = n >= most, is_complete = w->a->pool.state[state].is_complete;
        if (is_complete && (ends || walker_random(seed) % patience == 0)) return (long)n;
        int chosen = -1;
        for (const char *c = closing; ends && *c && chosen < 0; c++)
            if (suan__automaton_next(w->a, state, w->g->program.class_of[(unsigned char)*c]) >= STATE_FIRST) chosen = (unsigned char)*c;
        if (chosen < 0) {
            uint32_t n_open = 0, class = 0;
            for (uint32_t k = 0; k < n_classes; k++) {
                if (suan__automaton_next(w->a, state, k) < STATE_FIRST) continue;
                if (walker_random(seed) % ++n_open == 0) class = k;
            }
            if (n_open == 0) return is_complete ? (long)n : -1;
            chosen = walker_byte(w, class, seed);
        }
        s[n] = (char)chosen;
        state = suan__automaton_next(w->a, state, w->g->program.class_of[(unsigned char)chosen]);
    }
    return -1;
}

#endif
