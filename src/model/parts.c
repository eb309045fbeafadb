/* parts.c: norms, residual sums and the dense feed-forward network. */
#include <string.h>

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

static void residual_tile(suan__worker *w, const void *ctx, uint32_t t) {
    const suan__step *st = w->st;
    size_t d = st->model->hp.n_embd;
    st->model->kernels->add(st->x + t * d, st->out + t * d, d);
    norm_token(st, ctx, t);
}

void suan__part_residual_norm(suan__worker *w, const float *norm) {
    suan__end_op_then(w, SUAN__OP_NORM, w->st->n_tokens, residual_tile, norm);
}

/* The wanted tokens are the last of each segment. */
static void leave_out_tile(suan__worker *w, const void *ctx, uint32_t tile) {
    suan__step *st = w->st;
    size_t d = st->model->hp.n_embd, row = d * sizeof(float), n = 0, t0 = 0;
    for (uint32_t i = 0; i < st->n_segments; t0 += st->segments[i++].n_tokens) {
        const suan__segment *s = &st->segments[i];
        for (size_t t = t0 + s->n_tokens - s->n_logits; t < t0 + s->n_tokens; t++, n++) {
            memmove(st->x + n * d, st->x + t * d, row);
            memmove(st->out + n * d, st->out + t * d, row);
            st->tokens[n] = st->tokens[t];
        }
    }
    st->n_tokens = (uint32_t)n;
}

bool suan__part_leave_out(suan__worker *w, uint32_t i_layer) {
    const suan__step *st = w->st;
    if (i_layer + 1 < st->model->hp.n_layer || st->n_kept == st->n_tokens) return true;
    suan__end_op_then(w, SUAN__OP_NORM, 1, leave_out_tile, NULL);
    return st->n_kept > 0;
}

/* ctx: the layer. One thread looks at the flag for all, before a barrier, so that all leave behind the same layer. */
static void end_tile(suan__worker *w, const void *ctx, uint32_t t) {
    suan__step *st = w->st;
    const suan__layer *l = ctx, *layers = st->model->layers;
    size_t d = st->model->hp.n_embd;
    if (l->router.data) suan__combine_experts(st, l, t);
    st->model->kernels->add(st->x + t * d, st->out + t * d, d);
    if (l + 1 < layers + st->model->hp.n_layer) norm_token(st, l[1].attn_norm, t);
    if (t == 0 && st->cancel) st->stopped = atomic_load_explicit(st->cancel, memory_order_relaxed);
}

void suan__part_end_layer(suan__worker *w, const suan__layer *l) {
    suan__end_op_then(w, SUAN__OP_NORM, w->st->n_tokens, end_tile, l);
}

typedef struct swiglu_of {
    const suan__weight *down;
    uint32_t width;
} swiglu_of;

static void swiglu_tile(suan__worker *w, const void *ctx, uint32_t t) {
    const swiglu_of *s = ctx;
    suan__swiglu_tile(w, s->down, s->width, t);
}

/* silu(gate(h)) * up(h), ended. */
static void gated(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    uint32_t n = l->gate.n_rows, T = st->n_tokens;
    w->kind = SUAN__OP_GATE_UP;
    if (T > SUAN__GATED_TOKENS) {
        suan__acts h = suan__acts_h(st);
        suan__multiply(w, &h, (suan__product[]){{&l->gate, st->gate, n, 0}, {&l->up, st->up, n, 0}}, 2);
        suan__end_op_then(w, SUAN__OP_NORM, suan__swiglu_tiles(T, n), swiglu_tile, &(swiglu_of){&l->down, n});
        return;
    }
    suan__gated g = {&l->gate, &l->up, &l->down, st->gate, st->up, st->q8_32, st->q8_256, st->units};
    suan__rows h = suan__rows_h(st);
    for (uint32_t t; suan__next_tile(w, suan__weight_panels(&l->gate), &t);) suan__gated_panel(w, &g, 0, 0, t, &h, 0);
    suan__end_op(w);
}

/* out = down(silu(gate(h)) * up(h)). */
void suan__part_ffn(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    uint32_t d = st->model->hp.n_embd, n = l->gate.n_rows;
    gated(w, l);
    w->kind = SUAN__OP_DOWN;
    suan__acts g = suan__acts_rounded(st, (suan__acts){.x = st->gate, .ld = n, .n_cols = st->n_tokens, .n_slices = 1, .k = n});
    suan__multiply(w, &g, (suan__product[]){{&l->down, st->out, d, 0}}, 1);
}
