/* ops.c: the operations of a step: tiles handed out, and the barrier behind them. */
#include "model/step.h"

/* ---- tiles
 *
 * Each thread begins with an equal stretch of the tiles, walks along it, and then takes half of what another one has left. So neighbouring
 * weights stay with a thread (memory likes long walks), the counters are hardly ever fought for, and a thread that is slow, or that the
 * kernel has put aside, holds up no more than the tile in its hands.
 *
 * A stretch is one word: 12 bits of the operation's number, 26 of the first tile, 26 of the end. One that bears another operation's number
 * is still as it was at the beginning: who comes first, its thread or a thief, writes it. Every thread asks for a tile at least once in
 * operations that have tiles, so numbers do not come round before they are overwritten; no step has 2^26 tiles in an operation. */

#define TILE_BITS 26
#define TILE_MASK ((1u << TILE_BITS) - 1)

typedef struct stretch {
    uint32_t begin, end;
} stretch;

static uint64_t pack(unsigned op, uint32_t begin, uint32_t end) {
    return (uint64_t)(op & 0xfff) << 2 * TILE_BITS | (uint64_t)begin << TILE_BITS | end;
}

/* What `word`, read from thread i's stretch, stands for in an operation of n tiles. */
static stretch unpack(const suan__worker *w, uint64_t word, int i, uint32_t n) {
    uint64_t threads = (uint64_t)w->n_threads;
    if (word >> 2 * TILE_BITS != (w->op & 0xfff))
        return (stretch){(uint32_t)(n * (uint64_t)i / threads), (uint32_t)(n * ((uint64_t)i + 1) / threads)};
    return (stretch){(uint32_t)(word >> TILE_BITS) & TILE_MASK, (uint32_t)word & TILE_MASK};
}

static bool exchange(_Atomic uint64_t *p, uint64_t *expected, uint64_t desired) {
    return atomic_compare_exchange_weak_explicit(p, expected, desired, memory_order_relaxed, memory_order_relaxed);
}

/* The next tile of the thread's own stretch. */
static bool take_own(suan__worker *w, uint32_t n, uint32_t *tile) {
    _Atomic uint64_t *mine = &w->st->stretches[w->i_thread].word;
    uint64_t word = atomic_load_explicit(mine, memory_order_relaxed);
    for (;;) {
        stretch s = unpack(w, word, w->i_thread, n);
        bool has_tile = s.begin < s.end;
        *tile = s.begin;
        if (exchange(mine, &word, pack(w->op, s.begin + has_tile, s.end))) return has_tile;
    }
}

/* Takes the second half of another thread's stretch: its first tile, the rest becomes the thread's own. */
static bool take_other(suan__worker *w, uint32_t n, uint32_t *tile) {
    suan__stretch *all = w->st->stretches;
    for (int k = 1; k < w->n_threads; k++) {
        int i = (w->i_thread + k) % w->n_threads;
        uint64_t word = atomic_load_explicit(&all[i].word, memory_order_relaxed);
        for (stretch s; s = unpack(w, word, i, n), s.begin < s.end;) {
            uint32_t middle = s.end - (s.end - s.begin + 1) / 2;
            if (!exchange(&all[i].word, &word, pack(w->op, s.begin, middle))) continue;
            atomic_store_explicit(&all[w->i_thread].word, pack(w->op, middle + 1, s.end), memory_order_relaxed);
            *tile = middle;
            return true;
        }
    }
    return false;
}

bool suan__next_tile(suan__worker *w, uint32_t n_tiles, uint32_t *tile) {
    return take_own(w, n_tiles, tile) || take_other(w, n_tiles, tile);
}

void suan__reset_tiles(suan__step *st) {
    int n = suan__pool_n_threads(st->model->pool);
    for (int i = 0; i < n; i++) atomic_store_explicit(&st->stretches[i].word, pack(0xfff, 0, 0), memory_order_relaxed);
}

/* ---- the end of an operation ---- */

/* The end of an operation whose tiles are gone. The thread that arrives last runs tile 0 of fn (NULL: nothing) while the others wait, and
 * lets them go. The clock is read by thread 0 only; what another thread does alone is waiting for it. */
static void meet(suan__worker *w, suan__op kind, suan__tile_fn *fn, const void *ctx) {
    suan__step *st = w->st;
    bool is_timed = st->profile && w->i_thread == 0;
    if (is_timed) suan__stamp(st, w->kind);
    if (suan__pool_arrive(st->model->pool)) {
        if (fn) fn(w, ctx, 0);
        suan__pool_open(st->model->pool);
        if (is_timed) suan__stamp(st, kind);
    } else if (is_timed) {
        suan__stamp(st, SUAN__OP_WAIT);
    }
    w->op++;
}

void suan__end_op(suan__worker *w) {
    meet(w, w->kind, NULL, NULL);
}

void suan__end_op_then(suan__worker *w, suan__op kind, uint32_t n_tiles, suan__tile_fn *fn, const void *ctx) {
    if (n_tiles == 1) {
        meet(w, kind, fn, ctx);
        return;
    }
    suan__end_op(w);
    w->kind = kind;
    for (uint32_t t; suan__next_tile(w, n_tiles, &t);) fn(w, ctx, t);
    suan__end_op(w);
}
