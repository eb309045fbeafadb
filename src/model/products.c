/* products.c: matrix products of a step: activations rounded once, tiles of panels handed out. */
#include "model/step.h"

bool suan__next_tile(suan__worker *w, uint32_t n_tiles, uint32_t *tile) {
    *tile = atomic_fetch_add_explicit(&w->st->counter[w->op % 3], 1, memory_order_relaxed);
    return *tile < n_tiles;
}

/* Three counters in turn: while operation n uses its own, the one of n + 1 is zeroed by thread 0; all threads left it at the end of
 * operation n - 2. */
void suan__end_op(suan__worker *w) {
    if (w->i_thread == 0) atomic_store_explicit(&w->st->counter[(w->op + 1) % 3], 0, memory_order_relaxed);
    suan__pool_barrier(w->st->model->pool);
    w->op++;
}

void suan__quantize_acts(suan__worker *w, const suan__acts *a, bool want_32, bool want_256) {
    suan__step *st = w->st;
    const suan__kernels *kn = st->model->kernels;
    size_t row_32 = suan__q8_row_bytes(a->k, 32), row_256 = suan__q8_row_bytes(a->k, 256);
    uint32_t n = a->n_cols * a->n_slices;
    for (uint32_t t; suan__next_tile(w, n, &t);) {
        const float *x = a->x + t % a->n_cols * a->ld + t / a->n_cols * a->slice_ld;
        if (want_32) kn->quantize_q8_32(st->q8_32 + t * row_32, x, a->k);
        if (want_256) kn->quantize_q8_256(st->q8_256 + t * row_256, x, a->k);
    }
    suan__end_op(w);
}

static void product_tile(suan__worker *w, const suan__acts *a, const suan__product *p, uint32_t slice, uint32_t panel) {
    suan__step *st = w->st;
    int block = suan__weight_block(st, p->w);
    const void *x = a->x + slice * a->slice_ld;
    size_t ldx = a->ld * sizeof(float);
    if (block) {
        ldx = suan__q8_row_bytes(a->k, (size_t)block);
        x = (block == 32 ? st->q8_32 : st->q8_256) + (size_t)slice * a->n_cols * ldx;
    }
    suan__matmul_tile(st->model->kernels, p->w->type, p->w->data + slice * p->w->slice_bytes, p->w->n_rows, a->k, panel,
                      p->y + slice * p->slice_ldy, p->ldy, x, ldx, (int)a->n_cols, block == 0, w->scratch->expand);
}

void suan__products(suan__worker *w, const suan__acts *a, const suan__product *products, int n) {
    bool want_32 = false, want_256 = false;
    uint32_t n_tiles = 0;
    for (int i = 0; i < n; i++) {
        int block = suan__weight_block(w->st, products[i].w);
        want_32 |= block == 32;
        want_256 |= block == 256;
        n_tiles += suan__weight_panels(products[i].w) * products[i].w->n_slices;
    }
    if (want_32 || want_256) suan__quantize_acts(w, a, want_32, want_256);
    for (uint32_t t; suan__next_tile(w, n_tiles, &t);) {
        const suan__product *p = products;
        while (t >= suan__weight_panels(p->w) * p->w->n_slices) t -= suan__weight_panels(p->w) * p->w->n_slices, p++;
        product_tile(w, a, p, t / suan__weight_panels(p->w), t % suan__weight_panels(p->w));
    }
    suan__end_op(w);
}
