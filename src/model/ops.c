/* ops.c: the operations of a step: tiles handed out, and the barrier behind them. */
#include "model/step.h"

/* A thread takes this share of what is left for each thread, so that it walks along neighbouring weights and asks the counter seldom, and
 * the last tiles, taken one by one, even out what the threads need. */
#define TAKE_SHARE 4

/* ---- tiles ---- */

bool suan__next_tile(suan__worker *w, uint32_t n_tiles, uint32_t *tile) {
    if (w->tile == w->tile_end) {
        atomic_uint *counter = &w->st->counter[w->op % 3];
        unsigned begin = atomic_load_explicit(counter, memory_order_relaxed), n;
        do {
            if (begin >= n_tiles) return false;
            n = (n_tiles - begin) / (TAKE_SHARE * (unsigned)w->n_threads);
            n += n == 0;
        } while (!atomic_compare_exchange_weak_explicit(counter, &begin, begin + n, memory_order_relaxed, memory_order_relaxed));
        w->tile = begin;
        w->tile_end = begin + n;
    }
    *tile = w->tile++;
    return true;
}

/* ---- the end of an operation ---- */

/* Three counters in turn: while operation n uses its own, the one of n + 1 is zeroed by thread 0; all threads left it at the end of
 * operation n - 2. */
static void prepare_next(const suan__worker *w) {
    if (w->i_thread == 0) atomic_store_explicit(&w->st->counter[(w->op + 1) % 3], 0, memory_order_relaxed);
}

/* The end of an operation whose tiles are gone. The thread that arrives last runs tile 0 of fn (NULL: nothing) while the others wait, and
 * lets them go. The clock is read by thread 0 only; what another thread does alone is waiting for it. */
static void meet(suan__worker *w, suan__op kind, suan__tile_fn *fn, const void *ctx) {
    suan__step *st = w->st;
    bool is_timed = st->profile && w->i_thread == 0;
    prepare_next(w);
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
