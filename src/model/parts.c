/* parts.c: norms, residual sums and the dense feed-forward network. */
#include "model/step.h"

/* h of token t, and its rounded forms. */
static void norm_token(const suan__step *st, const float *norm, uint32_t t) {
    const suan__model *m = st->model;
    size_t d = m->hp.n_embd;
    float *h = st->h + t * d;
    m->kernels->rms_norm(h, st->x + t * d, norm, d, m->hp.rms_eps);
    if (st->exact) return;
    if (m->h_wants_32) m->kernels->quantize_q8_32(st->h_32 + t * suan__q8_row_bytes(d, 32), h, d);
    if (m->h_wants_256) m->kernels->quantize_q8_256(st->h_256 + t * suan__q8_row_bytes(d, 256), h, d);
}

void suan__first_norm(const suan__step *st, uint32_t t) {
    norm_token(st, st->model->layers[0].attn_norm, t);
}

void suan__part_residual_norm(suan__worker *w, const float *norm) {
    suan__step *st = w->st;
    size_t d = st->model->hp.n_embd;
    w->kind = SUAN__OP_NORM;
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);) {
        st->model->kernels->add(st->x + t * d, st->out + t * d, d);
        norm_token(st, norm, t);
    }
    suan__end_op(w);
}

void suan__part_end_layer(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    size_t d = st->model->hp.n_embd;
    bool is_last = i_layer + 1 == st->model->hp.n_layer;
    w->kind = SUAN__OP_NORM;
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);) {
        if (l->router.data) suan__combine_experts(st, l, t);
        st->model->kernels->add(st->x + t * d, st->out + t * d, d);
        if (!is_last) norm_token(st, st->model->layers[i_layer + 1].attn_norm, t);
    }
    /* One thread looks at the flag for all, before the barrier, so that all leave at the same layer. */
    if (w->i_thread == 0 && st->cancel) st->stopped = atomic_load_explicit(st->cancel, memory_order_relaxed);
    suan__end_op(w);
}

/* out = down(silu(gate(h)) * up(h)). */
void suan__part_ffn(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    uint32_t d = st->model->hp.n_embd, n = l->gate.n_rows;
    suan__acts h = suan__acts_h(st);
    w->kind = SUAN__OP_GATE_UP;
    suan__products(w, &h, (suan__product[]){{&l->gate, st->gate, n, 0}, {&l->up, st->up, n, 0}}, 2);
    w->kind = SUAN__OP_NORM;
    for (uint32_t t; suan__next_tile(w, suan__swiglu_tiles(st->n_tokens, n), &t);) suan__swiglu_tile(w, &l->down, n, t);
    suan__end_op(w);
    w->kind = SUAN__OP_DOWN;
    suan__acts g = suan__acts_rounded(st, (suan__acts){.x = st->gate, .ld = n, .n_cols = st->n_tokens, .n_slices = 1, .k = n});
    suan__products(w, &g, (suan__product[]){{&l->down, st->out, d, 0}}, 1);
}
