/* grammar_walk.h: a grammar's texts without a vocabulary: whether it accepts one, and random ones, byte by byte. For tests only. */
#ifndef SUAN_TESTS_GRAMMAR_WALK_H
#define SUAN_TESTS_GRAMMAR_WALK_H

#include <stdlib.h>
#include <string.h>

#include "text/grammar_internal.h"
#include "text/tokenizer_internal.h"

typedef struct walker {
    const suan_grammar *g;
    suan__automaton *a;
    suan_vocabulary vocabulary; /* of no tokens: what may be a token of its own is bytes */
    suan_tokenizer tokenizer;
} walker;

static inline bool walker_open(walker *w, const suan_grammar *g) {
    suan_error err;
    *w = (walker){.g = g};
    w->vocabulary.tokenizer = &w->tokenizer;
    return suan__automaton_create(&w->a, g, &w->vocabulary, &err) == SUAN_OK;
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

/* The bytes of a shortest way from a state to a complete one, behind s[n]: the new length, -1 when none was found. */
static inline long walker_end(walker *w, uint32_t state, char *s, size_t n, size_t capacity) {
    enum { MOST = 60000 };
    typedef struct step {
        uint32_t state, before, class;
    } step;
    step *queue = malloc(MOST * sizeof *queue);
    uint8_t *is_seen = calloc(4 * MOST, 1);
    uint32_t n_queue = 1, found = UINT32_MAX, n_path = 0;
    queue[0] = (step){state, UINT32_MAX, 0};
    for (uint32_t i = 0; i < n_queue && found == UINT32_MAX; i++) {
        if (w->a->pool.state[queue[i].state].is_complete) found = i;
        for (uint32_t k = 0; k < w->g->program.n_classes && n_queue < MOST && found == UINT32_MAX; k++) {
            uint32_t to = suan__automaton_next(w->a, queue[i].state, k);
            w->a->work = 0;
            if (to < STATE_FIRST || to >= 4 * MOST || is_seen[to]) continue;
            is_seen[to] = 1;
            queue[n_queue++] = (step){to, i, k};
        }
    }
    for (uint32_t i = found; found != UINT32_MAX && queue[i].before != UINT32_MAX; i = queue[i].before) n_path++;
    bool fits = found != UINT32_MAX && n + n_path <= capacity;
    for (uint32_t i = found, at = n_path; fits && at > 0; i = queue[i].before) s[n + --at] = (char)w->g->program.example[queue[i].class];
    free(queue);
    free(is_seen);
    return fits ? (long)(n + n_path) : -1;
}

/* A random text into s: up to `most` bytes freely, then the shortest end. Ends early with a chance of one in `patience` where the text is complete. Returns its
 * length; -1: no end was found. */
static inline long walker_text(walker *w, char *s, size_t most, size_t capacity, uint32_t patience, uint64_t *seed) {
    uint32_t state = suan__automaton_start(w->a), n_classes = w->g->program.n_classes;
    for (size_t n = 0; n < most; n++) {
        w->a->work = 0;
        if (w->a->pool.state[state].is_complete && walker_random(seed) % patience == 0) return (long)n;
        uint32_t n_open = 0, class = 0;
        for (uint32_t k = 0; k < n_classes; k++) {
            if (suan__automaton_next(w->a, state, k) < STATE_FIRST) continue;
            if (walker_random(seed) % ++n_open == 0) class = k;
        }
        if (n_open == 0) return w->a->pool.state[state].is_complete ? (long)n : -1;
        s[n] = (char)walker_byte(w, class, seed);
        state = suan__automaton_next(w->a, state, class);
    }
    return walker_end(w, state, s, most, capacity);
}

#endif
