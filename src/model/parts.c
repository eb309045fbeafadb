/* parts.c: norms, residual sums and the dense feed-forward network. */
#include "model/step.h"

void suan__part_norm(suan__worker *w, const float *norm) {
    suan__step *st = w->st;
    size_t d = st->model->hp.n_embd;
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);)
        st->model->kernels->rms_norm(st->h + t * d, st->x + t * d, norm, d, st->model->hp.rms_eps);
    suan__end_op(w);
}

void suan__part_residual_norm(suan__worker *w, const float *norm) {
    suan__step *st = w->st;
    size_t d = st->model->hp.n_embd;
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);) {
        st->model->kernels->add(st->x + t * d, st->out + t * d, d);
        if (norm) st->model->kernels->rms_norm(st->h + t * d, st->x + t * d, norm, d, st->model->hp.rms_eps);
    }
    /* One thread looks at the flag for all, before the barrier, so that all leave at the same layer. */
    if (!norm && w->i_thread == 0 && st->cancel) st->stopped = atomic_load_explicit(st->cancel, memory_order_relaxed);
    suan__end_op(w);
}

/* out = down(silu(gate(h)) * up(h)) with the weights of the layer's dense (or shared) network. */
void suan__part_ffn(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    uint32_t d = st->model->hp.n_embd, n = l->gate.n_rows;
    suan__acts h = {.x = st->h, .ld = d, .n_cols = st->n_tokens, .n_slices = 1, .k = d};
    suan__products(w, &h, (suan__product[]){{&l->gate, st->gate, n, 0}, {&l->up, st->up, n, 0}}, 2);
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);)
        st->model->kernels->swiglu(st->gate + (size_t)t * n, st->gate + (size_t)t * n, st->up + (size_t)t * n, n);
    suan__end_op(w);
    suan__acts g = {.x = st->gate, .ld = n, .n_cols = st->n_tokens, .n_slices = 1, .k = n};
    suan__products(w, &g, (suan__product[]){{&l->down, st->out, d, 0}}, 1);
}
