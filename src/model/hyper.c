/* hyper.c: streams mixed before and after each part of a layer. */
#include "model/hyper.h"

#include <math.h>
#include <string.h>

#include "kernels/math.h"

void suan__hyper_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T) {
    SUAN__PUT(l, st->stream_mix, T, suan__hyper_mix(hp));
}

void suan__hyper_place_thread(suan__layout *l, const suan__hparams *hp, suan__thread_scratch *sc) {
    SUAN__PUT(l, sc->streams, hp->n_stream, SUAN__PIECE);
}

void suan__hyper_start(const suan__step *st, uint32_t t) {
    size_t d = st->model->hp.n_embd, n = st->model->hp.n_stream;
    float *x = st->x + t * n * d;
    for (size_t i = 1; i < n; i++) memcpy(x + i * d, x, d * sizeof *x);
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + suan__expf(-x));
}

/* C [n][n], row = source stream: of its values before the softmax to what streams are mixed with. */
static void sinkhorn(const suan__hparams *hp, float *C) {
    uint32_t n = hp->n_stream;
    for (uint32_t r = 0; r < n; r++) {
        float *row = C + r * n, max = row[0], sum = 0;
        for (uint32_t c = 1; c < n; c++) max = row[c] > max ? row[c] : max;
        for (uint32_t c = 0; c < n; c++) sum = sum + (row[c] = suan__expf(row[c] - max));
        for (uint32_t c = 0; c < n; c++) row[c] = row[c] / sum + hp->hyper_eps;
    }
    for (uint32_t turn = 0; turn < hp->sinkhorn_iters; turn++) {
        for (uint32_t r = 0; r < n && turn > 0; r++) {
            float sum = 0;
            for (uint32_t c = 0; c < n; c++) sum = sum + C[r * n + c];
            sum = sum + hp->hyper_eps;
            for (uint32_t c = 0; c < n; c++) C[r * n + c] = C[r * n + c] / sum;
        }
        for (uint32_t c = 0; c < n; c++) {
            float sum = 0;
            for (uint32_t r = 0; r < n; r++) sum = sum + C[r * n + c];
            sum = sum + hp->hyper_eps;
            for (uint32_t r = 0; r < n; r++) C[r * n + c] = C[r * n + c] / sum;
        }
    }
}

/* y = sum over the streams of a_i X_i, a_i in mix[0..n). */
static void mix_in(const suan__step *st, float *y, const float *x, const float *mix) {
    size_t d = st->model->hp.n_embd;
    memset(y, 0, d * sizeof *y);
    for (uint32_t i = 0; i < st->model->hp.n_stream; i++) st->model->kernels->axpy(y, x + i * d, mix[i], d);
}

/* a_i of the mixing in place: m to sigmoid(fma(m * r, scale, base)) + eps. */
static void gates_in(const suan__hparams *hp, float *mix, const suan__hyper *hy, float r) {
    for (uint32_t i = 0; i < hp->n_stream; i++) {
        float m = mix[i] * r;
        mix[i] = sigmoid(fmaf(m, hy->scale[0], hy->base[i])) + hp->hyper_eps;
    }
}

/* The mixing of token t out of its products, and the part's input. */
static void mix_token(const suan__step *st, const suan__hyper *hy, const float *norm, uint32_t t) {
    const suan__model *m = st->model;
    const suan__hparams *hp = &m->hp;
    uint32_t n = hp->n_stream;
    size_t d = hp->n_embd;
    float *mix = st->stream_mix + (size_t)t * suan__hyper_mix(hp), *x = st->x + (size_t)t * n * d, *y = st->out + (size_t)t * d,
          *h = st->h + t * d;
    float r = m->kernels->rms(x, n * d, hp->rms_eps);
    gates_in(hp, mix, hy, r);
    for (uint32_t i = n; i < n * (2 + n); i++) {
        float v = fmaf(mix[i] * r, hy->scale[i < 2 * n ? 1 : 2], hy->base[i]);
        mix[i] = i < 2 * n ? 2.0f * sigmoid(v) : v;
    }
    sinkhorn(hp, mix + 2 * n);
    mix_in(st, y, x, mix);
    m->kernels->rms_norm(h, y, norm, d, hp->rms_eps);
    if (!st->exact && m->h_wants_32) m->kernels->quantize_q8_32(st->h_32 + t * suan__q8_row_bytes(d, 32), h, d);
    if (!st->exact && m->h_wants_256) m->kernels->quantize_q8_256(st->h_256 + t * suan__q8_row_bytes(d, 256), h, d);
}

void suan__part_hyper_in(suan__worker *w, const suan__hyper *hy, const float *norm) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t k = hp->n_stream * hp->n_embd;
    suan__acts x = {.x = st->x, .ld = k, .n_cols = st->n_tokens, .n_slices = 1, .k = k};
    w->kind = SUAN__OP_NORM;
    suan__products(w, &x, (suan__product[]){{&hy->fn, st->stream_mix, suan__hyper_mix(hp), 0}}, 1);
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);) mix_token(st, hy, norm, t);
    suan__end_op(w);
}

/* Values [begin, begin + m) of all streams of token t: old ones are read until the last new one is made. */
static void mix_piece(suan__worker *w, uint32_t t, size_t begin, size_t m) {
    const suan__step *st = w->st;
    const suan__kernels *kn = st->model->kernels;
    const suan__hparams *hp = &st->model->hp;
    uint32_t n = hp->n_stream;
    size_t d = hp->n_embd;
    const float *mix = st->stream_mix + (size_t)t * suan__hyper_mix(hp), *b = mix + n, *C = mix + 2 * n;
    float *x = st->x + (size_t)t * n * d + begin, *made = w->scratch->streams;
    memset(made, 0, n * SUAN__PIECE * sizeof *made);
    for (uint32_t j = 0; j < n; j++) {
        kn->axpy(made + j * SUAN__PIECE, st->out + t * d + begin, b[j], m);
        for (uint32_t i = 0; i < n; i++) kn->axpy(made + j * SUAN__PIECE, x + i * d, C[i * n + j], m);
    }
    for (uint32_t j = 0; j < n; j++) memcpy(x + j * d, made + j * SUAN__PIECE, m * sizeof *x);
}

void suan__part_hyper_out(suan__worker *w, const suan__layer *experts, bool is_end) {
    suan__step *st = w->st;
    size_t d = st->model->hp.n_embd;
    uint32_t pieces = (uint32_t)((d + SUAN__PIECE - 1) / SUAN__PIECE);
    w->kind = SUAN__OP_NORM;
    if (experts) {
        for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);) suan__combine_experts(st, experts, t);
        suan__end_op(w);
    }
    for (uint32_t i; suan__next_tile(w, st->n_tokens * pieces, &i);) {
        size_t begin = (size_t)(i % pieces) * SUAN__PIECE;
        mix_piece(w, i / pieces, begin, d - begin < SUAN__PIECE ? d - begin : SUAN__PIECE);
    }
    /* One thread looks at the flag for all, before the barrier, so that all leave at the same layer. */
    if (is_end && w->i_thread == 0 && st->cancel) st->stopped = atomic_load_explicit(st->cancel, memory_order_relaxed);
    suan__end_op(w);
}

/* How many rows from row i on are of neighbouring tokens. */
static uint32_t neighbours(const suan__step *st, uint32_t i) {
    uint32_t n = 1;
    while (i + n < st->n_rows && st->row_token[i + n] == st->row_token[i] + n) n++;
    return n;
}

void suan__hyper_head(suan__worker *w) {
    suan__step *st = w->st;
    const suan__model *m = st->model;
    const suan__hyper *hy = &m->layers[m->hp.n_layer - 1].hyper_head;
    uint32_t k = m->hp.n_stream * m->hp.n_embd;
    size_t d = m->hp.n_embd;
    for (uint32_t i = 0, n; i < st->n_rows; i += n) {
        n = neighbours(st, i);
        suan__acts x = {.x = st->x + (size_t)st->row_token[i] * k, .ld = k, .n_cols = n, .n_slices = 1, .k = k};
        suan__products(w, &x, (suan__product[]){{&hy->fn, st->stream_mix + (size_t)i * m->hp.n_stream, m->hp.n_stream, 0}}, 1);
    }
    for (uint32_t t; suan__next_tile(w, st->n_rows, &t);) {
        float *mix = st->stream_mix + (size_t)t * m->hp.n_stream, *y = st->out + t * d;
        const float *rows = st->x + (size_t)st->row_token[t] * k;
        gates_in(&m->hp, mix, hy, m->kernels->rms(rows, k, m->hp.rms_eps));
        mix_in(st, y, rows, mix);
        m->kernels->rms_norm(st->h + t * d, y, m->out_norm, d, m->hp.rms_eps);
        suan__round_row_for(st, &m->head, t, st->h + t * d, d);
    }
    suan__end_op(w);
}
