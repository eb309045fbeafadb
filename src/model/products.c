/* products.c: matrix products of a step: activations rounded once, tiles of panels handed out. */
#include "model/step.h"

#include <string.h>

static void round_row(const suan__step *st, unsigned char *q8, const float *x, size_t k, int block) {
    (block == 32 ? st->model->kernels->quantize_q8_32 : st->model->kernels->quantize_q8_256)(q8, x, k);
}

typedef struct rounding {
    const suan__acts *a;
    bool want_32, want_256;
} rounding;

static void round_tile(suan__worker *w, const void *ctx, uint32_t t) {
    const rounding *r = ctx;
    const suan__acts *a = r->a;
    suan__step *st = w->st;
    const float *x = a->x + t % a->n_cols * a->ld + t / a->n_cols * a->slice_ld;
    if (r->want_32) round_row(st, st->q8_32 + t * suan__q8_row_bytes(a->k, 32), x, a->k, 32);
    if (r->want_256) round_row(st, st->q8_256 + t * suan__q8_row_bytes(a->k, 256), x, a->k, 256);
}

/* What of the activations has to be rounded for these products. */
static rounding rounding_for(const suan__step *st, const suan__acts *a, const suan__product *products, int n) {
    rounding r = {.a = a};
    for (int i = 0; i < n; i++) {
        int block = suan__weight_block(st, products[i].w);
        r.want_32 |= block == 32 && !a->q8_32;
        r.want_256 |= block == 256 && !a->q8_256;
    }
    return r;
}

/* Rounds values [at, at + n) (whole blocks, at most SUAN__PIECE) of a row of k into their places in its q8 row. */
static void round_piece(suan__worker *w, unsigned char *q8_row, const float *x, size_t k, size_t at, size_t n, int block) {
    size_t b = (size_t)block, per_sum = block == 32 ? 32 : 16;
    unsigned char *q8 = w->scratch->q8;
    round_row(w->st, q8, x, n, block);
    memcpy(q8_row + at, q8, n);
    memcpy(q8_row + suan__q8_d_offset(k) + at / b * sizeof(float), q8 + suan__q8_d_offset(n), n / b * sizeof(float));
    memcpy(q8_row + suan__q8_sum_offset(k, b) + at / per_sum * sizeof(int16_t), q8 + suan__q8_sum_offset(n, b),
           n / per_sum * sizeof(int16_t));
}

void suan__round_row_for(suan__step *st, const suan__weight *weight, uint32_t i, const float *x, size_t k) {
    int block = suan__weight_block(st, weight);
    if (block) round_row(st, (block == 32 ? st->q8_32 : st->q8_256) + i * suan__q8_row_bytes(k, (size_t)block), x, k, block);
}

/* y = (gate * sigmoid(alpha * gate)) * (up + 1). */
static void gate_shifted(const suan__model *m, float *y, const float *gate, const float *up, size_t n) {
    float share[SUAN__PIECE], alpha = m->hp.swiglu_alpha;
    if (n == 0) return;
    for (size_t i = 0; i < n; i++) share[i] = alpha * gate[i];
    m->kernels->sigmoid(share, share, n);
    for (size_t i = 0; i < n; i++) {
        float open = gate[i] * share[i], shifted = up[i] + 1.0f;
        y[i] = open * shifted;
    }
}

void suan__gate_and_up(const suan__model *m, float *y, float *gate, float *up, size_t n) {
    float limit = m->hp.swiglu_limit;
    for (size_t i = 0; limit > 0 && i < n; i++) {
        gate[i] = gate[i] > limit ? limit : gate[i];
        up[i] = up[i] > limit ? limit : up[i] < -limit ? -limit : up[i];
    }
    if (m->hp.swiglu_alpha == 0)
        m->kernels->swiglu(y, gate, up, n);
    else
        gate_shifted(m, y, gate, up, n);
}

uint32_t suan__swiglu_tiles(uint32_t n_rows, uint32_t width) {
    return n_rows * ((width + SUAN__PIECE - 1) / SUAN__PIECE);
}

void suan__swiglu_piece(suan__worker *w, const suan__weight *down, uint32_t width, uint32_t begin, uint32_t n, float *g, float *u,
                        unsigned char *q8_32, unsigned char *q8_256) {
    int block = suan__weight_block(w->st, down);
    suan__gate_and_up(w->st->model, g + begin, g + begin, u + begin, n);
    if (block) round_piece(w, block == 32 ? q8_32 : q8_256, g + begin, width, begin, n, block);
}

void suan__swiglu_tile(suan__worker *w, const suan__weight *down, uint32_t width, uint32_t tile) {
    suan__step *st = w->st;
    uint32_t pieces = (width + SUAN__PIECE - 1) / SUAN__PIECE, begin = tile % pieces * SUAN__PIECE,
             n = width - begin < SUAN__PIECE ? width - begin : SUAN__PIECE;
    size_t row = tile / pieces;
    suan__swiglu_piece(w, down, width, begin, n, st->gate + row * width, st->up + row * width,
                       st->q8_32 + row * suan__q8_row_bytes(width, 32), st->q8_256 + row * suan__q8_row_bytes(width, 256));
}

void suan__add_bias(const suan__step *st, const suan__weight *w, uint32_t slice, uint32_t panel, uint32_t n_panels, float *y, size_t ldy,
                    uint32_t n) {
    size_t begin = (size_t)panel * SUAN__PANEL, end = begin + (size_t)n_panels * SUAN__PANEL;
    if (!w->bias) return;
    if (end > w->n_rows) end = w->n_rows;
    for (uint32_t i = 0; i < n; i++) st->model->kernels->add(y + i * ldy + begin, w->bias + (size_t)slice * w->n_rows + begin, end - begin);
}

static void product_tile(suan__worker *w, const suan__acts *a, const suan__product *p, uint32_t slice, uint32_t panel, uint32_t n_panels) {
    suan__step *st = w->st;
    int block = suan__weight_block(st, p->w);
    const void *x = a->x + slice * a->slice_ld;
    size_t ldx = a->ld * sizeof(float);
    if (block) {
        ldx = suan__q8_row_bytes(a->k, (size_t)block);
        const unsigned char *made = block == 32 ? a->q8_32 : a->q8_256;
        x = (made ? made : block == 32 ? st->q8_32 : st->q8_256) + (size_t)slice * a->n_cols * ldx;
    }
    suan__matmul_panels(st->model->kernels, p->w->type, p->w->data + slice * p->w->slice_bytes, p->w->n_rows, a->k, panel, n_panels,
                        p->y + slice * p->slice_ldy, p->ldy, x, ldx, (int)a->n_cols, block == 0, w->scratch->expand);
    suan__add_bias(st, p->w, slice, panel, n_panels, p->y + slice * p->slice_ldy, p->ldy, a->n_cols);
}

/* A product's tiles: some panels of a slice each. */
typedef struct tiling {
    uint32_t at_once, per_slice, n;
} tiling;

static tiling tiling_of(const suan__product *p, uint32_t n_cols, int n_threads) {
    uint32_t panels = suan__weight_panels(p->w);
    tiling t = {.at_once = suan__panels_at_once((uint64_t)panels * p->w->n_slices, n_cols, n_threads)};
    t.per_slice = (panels + t.at_once - 1) / t.at_once;
    t.n = t.per_slice * p->w->n_slices;
    return t;
}

static void multiply(suan__worker *w, const suan__acts *a, const suan__product *products, int n) {
    uint32_t n_tiles = 0;
    for (int i = 0; i < n; i++) n_tiles += tiling_of(&products[i], a->n_cols, w->n_threads).n;
    for (uint32_t t; suan__next_tile(w, n_tiles, &t);) {
        const suan__product *p = products;
        tiling of = tiling_of(p, a->n_cols, w->n_threads);
        while (t >= of.n) t -= of.n, of = tiling_of(++p, a->n_cols, w->n_threads);
        product_tile(w, a, p, t / of.per_slice, t % of.per_slice * of.at_once, of.at_once);
    }
}

void suan__multiply(suan__worker *w, const suan__acts *a, const suan__product *products, int n) {
    rounding r = rounding_for(w->st, a, products, n);
    if (r.want_32 || r.want_256) {
        for (uint32_t t; suan__next_tile(w, a->n_cols * a->n_slices, &t);) round_tile(w, &r, t);
        suan__end_op(w);
    }
    multiply(w, a, products, n);
}

void suan__then_multiply(suan__worker *w, suan__op kind, const suan__acts *a, const suan__product *products, int n) {
    rounding r = rounding_for(w->st, a, products, n);
    if (r.want_32 || r.want_256)
        suan__end_op_then(w, SUAN__OP_NORM, a->n_cols * a->n_slices, round_tile, &r);
    else
        suan__end_op(w);
    w->kind = kind;
    multiply(w, a, products, n);
}

void suan__products(suan__worker *w, const suan__acts *a, const suan__product *products, int n) {
    suan__multiply(w, a, products, n);
    suan__end_op(w);
}
