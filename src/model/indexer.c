/* indexer.c: keys, scores and selection of the lightning indexer. */
#include "model/indexer.h"

#include <math.h>
#include <string.h>

#include "kernels/f16.h"
#include "kernels/fold.h"
#include "kernels/rounding.h"
#include "model/compress.h"

/* ---- memory ---- */

void suan__index_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T, uint64_t n_entries) {
    uint64_t keep = hp->index_topk < n_entries ? hp->index_topk : n_entries;
    st->ld_select = (uint32_t)keep;
    st->ld_score = (size_t)n_entries;
    SUAN__PUT(l, st->index_q, T * hp->n_index_head, hp->index_dim);
    SUAN__PUT(l, st->index_weight, T, hp->n_index_head);
    SUAN__PUT(l, st->index_key, T, hp->index_dim);
    SUAN__PUT(l, st->index_score, SUAN__INDEX_TOKENS, n_entries);
    SUAN__PUT(l, st->select, T, keep);
}

void suan__index_place_thread(suan__layout *l, const suan__hparams *hp, suan__thread_scratch *sc) {
    SUAN__PUT(l, sc->gathered, SUAN__ATTN_BLOCK * (uint64_t)suan__kv_width(SUAN__Q8_0, hp->head_dim), sizeof(float));
    SUAN__PUT(l, sc->bins, SUAN__SELECT_BINS, 1);
}

uint64_t suan__index_layer_bytes(const suan__hparams *hp, uint64_t n_entries, bool is_f32) {
    uint64_t panels = (n_entries + SUAN__PANEL - 1) / SUAN__PANEL;
    return panels * SUAN__PANEL * hp->index_dim * (is_f32 ? 4 : 2); /* below 2^31 * 2^10 * 4 */
}

static unsigned char *block_of(const suan__index_keys *keys, uint32_t block) {
    return keys->pages ? keys->pages[block] + keys->at : keys->panels + block * keys->block_bytes;
}

suan__index_keys suan__index_of_layer(const suan__step *st, const suan__kv *kv, uint32_t i_layer) {
    const suan__hparams *hp = &st->model->hp;
    bool is_f32 = kv->type == SUAN__F32;
    if (!kv->past) return (suan__index_keys){.pages = kv->pages, .at = suan__kv_index_at(kv, i_layer), .is_f32 = is_f32, .ratio = 1};
    return (suan__index_keys){.panels = kv->past->layers[i_layer].index,
                              .block_bytes = (size_t)suan__index_layer_bytes(hp, SUAN__ATTN_BLOCK, is_f32),
                              .is_f32 = is_f32,
                              .ratio = hp->layer_ratio[i_layer]};
}

bool suan__index_store(const suan__step *st, const suan__index_keys *keys, uint32_t i, const float *k) {
    uint32_t i_row = i % SUAN__ATTN_BLOCK;
    size_t dim = st->model->hp.index_dim, at = (size_t)(i_row / SUAN__PANEL) * dim * SUAN__PANEL + i_row % SUAN__PANEL;
    unsigned char *block = block_of(keys, i / SUAN__ATTN_BLOCK);
    if (keys->is_f32) {
        float *panel = (float *)(void *)block + at;
        for (size_t j = 0; j < dim; j++) panel[j * SUAN__PANEL] = k[j];
        return st->model->kernels->all_finite(k, dim);
    }
    uint16_t *panel = (uint16_t *)(void *)block + at, row[SUAN__INDEX_MAX_DIM];
    bool fits = st->model->kernels->f32_to_f16(row, k, dim);
    for (size_t j = 0; j < dim; j++) panel[j * SUAN__PANEL] = row[j];
    return fits;
}

void suan__index_round(const suan__step *st, float *x, bool fp4) {
    size_t dim = st->model->hp.index_dim;
    if (!st->rounding) return;
    suan__hadamard(x, dim);
    if (fp4)
        suan__round_fp4(x, dim, 32);
    else
        suan__round_fp8(x, dim, 128);
}

/* ---- scores ---- */

/* Block `block` of 256 entries for token t, of which it sees n. */
static void score_tile(suan__worker *w, const suan__index_keys *keys, uint32_t t, uint32_t block, uint32_t n) {
    const suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    size_t dim = hp->index_dim, begin = (size_t)block * SUAN__ATTN_BLOCK;
    const unsigned char *k = block_of(keys, block);
    const float *q = st->index_q + (size_t)t * hp->n_index_head * dim, *weight = st->index_weight + (size_t)t * hp->n_index_head;
    float *y = st->index_score + t % SUAN__INDEX_TOKENS * st->ld_score + begin, *s = w->scratch->s;
    memset(y, 0, n * sizeof *y);
    for (uint32_t h0 = 0; h0 < hp->n_index_head; h0 += SUAN__ATTN_ROWS) {
        uint32_t heads = hp->n_index_head - h0 < SUAN__ATTN_ROWS ? hp->n_index_head - h0 : SUAN__ATTN_ROWS;
        (keys->is_f32 ? kn->attn_qk_f32 : kn->attn_qk_f16)(s, SUAN__ATTN_BLOCK, q + h0 * dim, dim, (int)heads, (int)dim, k, (int)n, 1.0f,
                                                           SUAN__NOTHING_SOON);
        for (uint32_t h = 0; h < heads; h++) kn->relu_axpy(y, s + (size_t)h * SUAN__ATTN_BLOCK, weight[h0 + h], n);
    }
}

/* ---- selection ---- */

/* Integers in the order of the values; both zeros are one value. */
static inline uint32_t order_of(float x) {
    uint32_t u = suan__f32_bits(x + 0.0f);
    return u & 0x80000000 ? ~u : u | 0x80000000;
}

/* Narrows the order of the k-th greatest by `bits` bits at `shift`: of those whose bits above are `prefix`, counts each value of these bits and goes down from the top. Takes
 * what lies above off *k. */
static uint32_t narrow(const float *score, uint32_t n, uint32_t prefix, int shift, int bits, uint32_t *k, uint32_t *bins) {
    uint32_t mask = (1u << bits) - 1, bin = mask;
    memset(bins, 0, (mask + 1) * sizeof *bins);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t o = order_of(score[i]);
        if (o >> (shift + bits) == prefix) bins[o >> shift & mask]++;
    }
    while (bins[bin] < *k) *k -= bins[bin--];
    return prefix << bits | bin;
}

void suan__select_top(uint32_t *out, const float *score, uint32_t n, uint32_t k, uint32_t *bins) {
    uint32_t equal = k; /* how many of those equal to the k-th greatest are kept: the first ones */
    uint32_t least = narrow(score, n, 0, 21, 11, &equal, bins);
    least = narrow(score, n, least, 10, 11, &equal, bins);
    least = narrow(score, n, least, 0, 10, &equal, bins);
    for (uint32_t i = 0, have = 0; i < n && have < k; i++) {
        uint32_t o = order_of(score[i]);
        if (o < least || (o == least && equal == 0)) continue;
        equal -= o == least;
        out[have++] = i;
    }
}

static void select_token(suan__worker *w, uint32_t i_layer, uint32_t t, uint32_t n) {
    suan__step *st = w->st;
    float *score = st->index_score + t % SUAN__INDEX_TOKENS * st->ld_score;
    if (!st->model->kernels->all_finite(score, n)) {
        suan__step_fault(st, SUAN__FAULT_INDEX, i_layer, t);
        memset(score, 0, n * sizeof *score);
    }
    suan__select_top(st->select + (size_t)t * st->ld_select, score, n, st->model->hp.index_topk, w->scratch->bins);
}

/* Entries that token t sees. */
static uint32_t n_seen(const suan__step *st, uint32_t t, uint32_t ratio) {
    return suan__index_visible(st->tokens[t].pos, ratio);
}

void suan__index_select(suan__worker *w, uint32_t i_layer) {
    suan__step *st = w->st;
    uint32_t T = st->n_tokens, keep = st->model->hp.index_topk, ratio = st->model->hp.window ? st->model->hp.layer_ratio[i_layer] : 1;
    for (uint32_t t0 = 0; t0 < T; t0 += SUAN__INDEX_TOKENS) {
        uint32_t nt = T - t0 < SUAN__INDEX_TOKENS ? T - t0 : SUAN__INDEX_TOKENS, most = 0;
        for (uint32_t t = t0; t < t0 + nt; t++) most = n_seen(st, t, ratio) > most ? n_seen(st, t, ratio) : most;
        if (most <= keep) continue;
        uint32_t blocks = (most + SUAN__ATTN_BLOCK - 1) / SUAN__ATTN_BLOCK;
        for (uint32_t i; suan__next_tile(w, nt * blocks, &i);) {
            uint32_t t = t0 + i % nt, begin = i / nt * SUAN__ATTN_BLOCK, n = n_seen(st, t, ratio);
            suan__index_keys keys = suan__index_of_layer(st, st->tokens[t].kv, i_layer);
            if (n > keep && n > begin) score_tile(w, &keys, t, i / nt, n - begin < SUAN__ATTN_BLOCK ? n - begin : SUAN__ATTN_BLOCK);
        }
        suan__end_op(w);
        for (uint32_t i; suan__next_tile(w, nt, &i);) {
            uint32_t n = n_seen(st, t0 + i, ratio);
            if (n > keep) select_token(w, i_layer, t0 + i, n);
        }
        suan__end_op(w);
    }
}

/* ---- over positions ---- */

/* y = fma((x - mean) * r, w, b), r = 1 / sqrt(sum of (x - mean)^2 / n + eps); both sums by rule 4. */
static void layer_norm(float *x, const float *w, const float *b, size_t n, float eps) {
    float partial[SUAN__PARTIALS] = {0}, squares[SUAN__PARTIALS] = {0};
    for (size_t i = 0; i < n; i++) partial[i % SUAN__PARTIALS] = partial[i % SUAN__PARTIALS] + x[i];
    float mean = suan__fold(partial) / (float)n;
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] - mean;
        squares[i % SUAN__PARTIALS] = fmaf(x[i], x[i], squares[i % SUAN__PARTIALS]);
    }
    float r = 1.0f / sqrtf(suan__fold(squares) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float scaled = x[i] * r;
        x[i] = fmaf(scaled, w[i], b[i]);
    }
}

/* Rotates the first n_rot values of n vectors. */
static void rotate(const suan__step *st, float *x, uint32_t n, uint32_t t) {
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    const float *cos = st->cos + (size_t)t * hp->n_rot / 2, *sin = st->sin + (size_t)t * hp->n_rot / 2;
    (hp->index_rope_style == SUAN__ROPE_HALF ? kn->rope_half : kn->rope_interleaved)(x, hp->index_dim, n, hp->n_rot, cos, sin);
}

void suan__index_scale_weights(const suan__step *st, uint32_t t) {
    const suan__hparams *hp = &st->model->hp;
    float *weight = st->index_weight + (size_t)t * hp->n_index_head, scale = (float)(1 / sqrt((double)hp->n_index_head * hp->index_dim));
    for (uint32_t h = 0; h < hp->n_index_head; h++) weight[h] = weight[h] * scale;
}

void suan__index_finish_key(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    float *k = st->index_key + (size_t)t * hp->index_dim;
    layer_norm(k, l->index_norm, l->index_norm_bias, hp->index_dim, 1e-6f);
    rotate(st, k, 1, t);
    bool finite = st->model->kernels->all_finite(k, hp->index_dim);
    if (finite) suan__index_round(st, k, false);
    suan__index_keys keys = suan__index_of_layer(st, st->tokens[t].kv, i_layer);
    if (!suan__index_store(st, &keys, st->tokens[t].pos, k))
        suan__step_fault(st, finite ? SUAN__FAULT_RANGE : SUAN__FAULT_CACHE, i_layer, t);
    suan__index_scale_weights(st, t);
}

static uint32_t query_parts(const suan__hparams *hp) {
    return (hp->n_index_head + SUAN__INDEX_HEADS - 1) / SUAN__INDEX_HEADS;
}

uint32_t suan__index_query_tiles(const suan__step *st) {
    return suan__index_is_needed(st, 1) ? st->n_tokens * query_parts(&st->model->hp) : 0;
}

void suan__index_finish_queries(suan__worker *w, uint32_t tile) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t parts = query_parts(hp), t = tile / parts, h0 = tile % parts * SUAN__INDEX_HEADS,
             n = hp->n_index_head - h0 < SUAN__INDEX_HEADS ? hp->n_index_head - h0 : SUAN__INDEX_HEADS;
    float *q = st->index_q + ((size_t)t * hp->n_index_head + h0) * hp->index_dim;
    rotate(st, q, n, t);
    for (uint32_t h = 0; h < n; h++) {
        float *head = q + (size_t)h * hp->index_dim;
        if (st->model->kernels->all_finite(head, hp->index_dim)) suan__index_round(st, head, false); /* else the scores show it */
    }
}
