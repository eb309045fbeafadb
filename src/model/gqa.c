/* gqa.c: grouped-query attention: projections, norms of heads, RoPE, the cache, and the attention of each group of heads that shares keys
 * and values. */
#include <string.h>

#include "model/attention.h"

/* Puts one head's key and value of token t into its cache. */
static bool store(suan__worker *w, uint32_t i_layer, uint32_t g, uint32_t t, const float *k, const float *v) {
    const suan__step *st = w->st;
    const suan__kv *kv = st->tokens[t].kv;
    uint32_t pos = st->tokens[t].pos;
    size_t hd = st->model->hp.head_dim;
    const suan__kernels *kn = st->model->kernels;
    uint32_t i = pos % SUAN__ATTN_BLOCK;
    unsigned char *page = suan__kv_page_of(kv, pos);
    bool fits = suan__kv_store_column(kn, kv->type, page + suan__kv_k_at(kv, i_layer, g), i, k, hd, w->scratch->kv_row);
    return fits & suan__kv_store_row(kn, kv->type, page + suan__kv_v_at(kv, i_layer, g), i, v, hd, w->scratch->kv_row);
}

/* Biases, norms and RoPE of one token's heads; its keys and values go into the cache. */
static void finish_token(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    size_t hd = hp->head_dim, nq = hp->n_head * hd, nkv = hp->n_head_kv * hd;
    float *q = st->q + t * nq, *k = st->kv_new + t * nkv, *v = st->kv_new + (st->n_tokens + t) * nkv;
    if (l->bq) {
        kn->add(q, l->bq, nq);
        kn->add(k, l->bk, nkv);
        kn->add(v, l->bv, nkv);
    }
    if (l->q_norm) {
        for (uint32_t h = 0; h < hp->n_head; h++) kn->rms_norm(q + h * hd, q + h * hd, l->q_norm, hd, hp->rms_eps);
        for (uint32_t h = 0; h < hp->n_head_kv; h++) kn->rms_norm(k + h * hd, k + h * hd, l->k_norm, hd, hp->rms_eps);
    }
    const float *cos = st->cos + (size_t)t * hp->n_rot / 2, *sin = st->sin + (size_t)t * hp->n_rot / 2;
    suan__rope_fn *rope = hp->rope_style == SUAN__ROPE_HALF ? kn->rope_half : kn->rope_interleaved;
    rope(q, hd, hp->n_head, hp->n_rot, cos, sin);
    rope(k, hd, hp->n_head_kv, hp->n_rot, cos, sin);
    bool fits = true;
    for (uint32_t g = 0; g < hp->n_head_kv; g++) fits &= store(w, i_layer, g, t, k + g * hd, v + g * hd);
    if (!fits) {
        bool finite = kn->all_finite(k, nkv) && kn->all_finite(v, nkv);
        suan__step_fault(st, finite ? SUAN__FAULT_RANGE : SUAN__FAULT_CACHE, i_layer, t);
    }
}

static uint32_t window_of(const suan__step *st, uint32_t i_layer) {
    return st->model->hp.layer_window ? st->model->hp.layer_window[i_layer] : 0;
}

/* Of the sequence of token t. */
static suan__attn_source source_of(const suan__step *st, uint32_t i_layer, uint32_t g, uint32_t t) {
    const suan__kv *kv = st->tokens[t].kv;
    size_t hd = st->model->hp.head_dim, width = suan__kv_width(kv->type, hd);
    return (suan__attn_source){
        .pages = kv->pages,
        .k_at = suan__kv_k_at(kv, i_layer, g),
        .v_at = suan__kv_v_at(kv, i_layer, g),
        .block_bytes = kv->block_bytes,
        .ldv = width,
        .d = (int)width,
        .dv = (int)hd,
        .window = window_of(st, i_layer),
    };
}

/* Queries of heads [h0, h0 + n) of tokens [t0, t0 + nt) as suan__attend takes them. */
static void gather_queries(suan__worker *w, uint32_t h0, uint32_t n, uint32_t t0, uint32_t nt) {
    const suan__step *st = w->st;
    size_t hd = st->model->hp.head_dim, H = st->model->hp.n_head, row_bytes = suan__q8_row_bytes(suan__attn_q8_width(hd), 32);
    for (size_t t = 0; t < nt; t++) {
        const float *q = st->q + ((t0 + t) * H + h0) * hd;
        if (st->kv_type != SUAN__Q8_0) memcpy(w->scratch->q + t * n * hd, q, n * hd * sizeof(float));
        for (size_t i = 0; st->kv_type == SUAN__Q8_0 && i < n; i++)
            suan__kv_round_query(st->model->kernels, w->scratch->q_rows + (t * n + i) * row_bytes, q + i * hd, hd, w->scratch->kv_row);
    }
}

/* Heads [h0, h0 + n) of tokens [t0, t0 + nt), all of key/value head g. */
static void attend_tile(suan__worker *w, uint32_t i_layer, uint32_t g, uint32_t h0, uint32_t n, uint32_t t0, uint32_t nt) {
    suan__step *st = w->st;
    size_t hd = st->model->hp.head_dim, H = st->model->hp.n_head;
    suan__attn_source src = source_of(st, i_layer, g, t0);
    const float *sinks = st->model->layers[i_layer].sinks;
    src.sinks = sinks ? sinks + h0 : NULL;
    gather_queries(w, h0, n, t0, nt);
    suan__attend(w, &src, nt, n, st->tokens[t0].pos);
    for (uint32_t t = 0; t < nt; t++) {
        float *o = st->att + ((t0 + t) * H + h0) * hd;
        memcpy(o, w->scratch->o + t * n * hd, n * hd * sizeof(float));
        if (!st->model->kernels->all_finite(o, n * hd)) suan__step_fault(st, SUAN__FAULT_ATTENTION, i_layer, t0 + t);
    }
}

/* Up to ATTN_ROWS rows of one key/value head make a tile: `heads` heads of its group, in `parts` parts. */
typedef struct tiling {
    uint32_t group, heads, parts;
} tiling;

static void part_of(const tiling *g, uint32_t i, uint32_t *kv_head, uint32_t *h0, uint32_t *n) {
    uint32_t first = i % g->parts * g->heads;
    *kv_head = i / g->parts;
    *h0 = *kv_head * g->group + first;
    *n = g->group - first < g->heads ? g->group - first : g->heads;
}

/* The attention of a single token, block by block. */
static void attend_split(suan__worker *w, uint32_t i_layer, const tiling *g, uint32_t n_tiles) {
    suan__step *st = w->st;
    size_t hd = st->model->hp.head_dim;
    uint32_t blocks = suan__attention_blocks(st), kv_head, h0, n, have = UINT32_MAX;
    for (uint32_t i; suan__next_tile(w, n_tiles * blocks, &i); have = i / blocks) {
        part_of(g, i / blocks, &kv_head, &h0, &n);
        suan__attn_source src = source_of(st, i_layer, kv_head, 0);
        if (have != i / blocks) gather_queries(w, h0, n, 0, 1);
        suan__attend_split(w, &src, h0, n, i % blocks);
    }
    suan__end_op(w);
    for (uint32_t h; suan__next_tile(w, st->model->hp.n_head, &h);) {
        const float *sinks = st->model->layers[i_layer].sinks;
        suan__attend_merge(w, h, st->att + h * hd, (int)hd, sinks ? sinks + h : NULL);
        if (!st->model->kernels->all_finite(st->att + h * hd, hd)) suan__step_fault(st, SUAN__FAULT_ATTENTION, i_layer, 0);
    }
}

/* Not ended. */
void suan__gqa_attend(suan__worker *w, uint32_t i_layer) {
    const suan__hparams *hp = &w->st->model->hp;
    uint32_t group = hp->n_head / hp->n_head_kv, heads = suan__attend_heads(group);
    tiling g = {group, heads, (group + heads - 1) / heads};
    uint32_t n_tiles = hp->n_head_kv * g.parts, kv_head, h0, n;
    if (suan__attention_splits(w, n_tiles, window_of(w->st, i_layer))) {
        attend_split(w, i_layer, &g, n_tiles);
        return;
    }
    for (uint32_t i; suan__next_tile(w, w->st->n_strips * n_tiles, &i);) {
        const suan__strip *s = &w->st->strips[i / n_tiles];
        part_of(&g, i % n_tiles, &kv_head, &h0, &n);
        attend_tile(w, i_layer, kv_head, h0, n, s->t0, s->n);
    }
}

static void finish_tile(suan__worker *w, const void *ctx, uint32_t t) {
    const suan__layer_at *at = ctx;
    finish_token(w, at->l, at->i_layer, t);
}

void suan__part_gqa(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t d = hp->n_embd, hd = hp->head_dim, nq = hp->n_head * hd, nkv = hp->n_head_kv * hd, T = st->n_tokens;
    suan__acts h = suan__acts_h(st);
    w->kind = SUAN__OP_QKV;
    suan__multiply(
        w, &h, (suan__product[]){{&l->wq, st->q, nq, 0}, {&l->wk, st->kv_new, nkv, 0}, {&l->wv, st->kv_new + (size_t)T * nkv, nkv, 0}}, 3);
    suan__end_op_then(w, SUAN__OP_NORM, T, finish_tile, &(suan__layer_at){l, i_layer});
    w->kind = SUAN__OP_ATTENTION;
    suan__gqa_attend(w, i_layer);
    suan__acts a = {.x = st->att, .ld = nq, .n_cols = T, .n_slices = 1, .k = nq};
    suan__then_multiply(w, SUAN__OP_OUT, &a, (suan__product[]){{&l->wo, st->out, d, 0}}, 1);
}
