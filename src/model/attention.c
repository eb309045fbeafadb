/* attention.c: attention over the cache in blocks of 256 positions, merged in increasing order. */
#include "model/attention.h"

#include <string.h>

/* Scores of rows [row0, row0 + n) against n_pos positions of a block. */
static void scores(suan__worker *w, const suan__attn_source *src, uint32_t row0, uint32_t n, uint32_t block, int n_pos) {
    const suan__step *st = w->st;
    const suan__kernels *kn = st->model->kernels;
    const suan__thread_scratch *sc = w->scratch;
    const void *k = src->k + block * src->k_block_bytes;
    float *s = sc->s + (size_t)row0 * SUAN__ATTN_BLOCK, scale = st->model->hp.attn_scale;
    bool f32 = st->kv->type == SUAN__F32;
    if (src->ldk)
        (f32 ? kn->attn_qk_rows_f32 : kn->attn_qk_rows_f16)(s, SUAN__ATTN_BLOCK, sc->q + row0, SUAN__ATTN_ROWS, (int)n, src->d, k, src->ldk,
                                                            n_pos, scale);
    else
        (f32 ? kn->attn_qk_f32 : kn->attn_qk_f16)(s, SUAN__ATTN_BLOCK, sc->q + (size_t)row0 * (size_t)src->d, (size_t)src->d, (int)n,
                                                  src->d, k, n_pos, scale);
}

/* One block for rows [row0, row0 + n) that all see n_pos positions of it: outputs o[i * ldo], maximum and sum at [i * ld]. */
static void attend_block(suan__worker *w, const suan__attn_source *src, uint32_t row0, uint32_t n, uint32_t block, int n_pos, float *o,
                         size_t ldo, float *max, float *sum, size_t ld) {
    const suan__kernels *kn = w->st->model->kernels;
    float *s = w->scratch->s + (size_t)row0 * SUAN__ATTN_BLOCK;
    scores(w, src, row0, n, block, n_pos);
    for (uint32_t i = 0; i < n; i++) kn->attn_softmax(s + (size_t)i * SUAN__ATTN_BLOCK, n_pos, &max[i * ld], &sum[i * ld]);
    (w->st->kv->type == SUAN__F32 ? kn->attn_pv_f32 : kn->attn_pv_f16)(o, ldo, s, SUAN__ATTN_BLOCK, (int)n,
                                                                       src->v + block * src->v_block_bytes, src->ldv, 0, n_pos, src->dv);
}

/* The same, merged into what the rows have from the blocks before. */
static void attend_and_merge(suan__worker *w, const suan__attn_source *src, uint32_t row0, uint32_t n, uint32_t block, int n_pos) {
    const suan__thread_scratch *sc = w->scratch;
    size_t dv = (size_t)src->dv;
    if (block == 0) {
        attend_block(w, src, row0, n, 0, n_pos, sc->o + row0 * dv, dv, sc->m + row0, sc->sum + row0, 1);
        return;
    }
    float max[SUAN__ATTN_ROWS], sum[SUAN__ATTN_ROWS];
    attend_block(w, src, row0, n, block, n_pos, sc->o2 + row0 * dv, dv, max, sum, 1);
    for (uint32_t i = 0, r = row0; i < n; i++, r++)
        w->st->model->kernels->attn_merge(sc->o + r * dv, &sc->m[r], &sc->sum[r], sc->o2 + r * dv, max[i], sum[i], src->dv);
}

void suan__attend(suan__worker *w, const suan__attn_source *src, uint32_t n_tokens, uint32_t n_head, uint32_t pos) {
    uint32_t rows = n_tokens * n_head, last = pos + n_tokens - 1;
    for (uint32_t block = 0; block * SUAN__ATTN_BLOCK <= last; block++) {
        uint32_t begin = block * SUAN__ATTN_BLOCK;
        if (begin + SUAN__ATTN_BLOCK <= pos + 1) { /* seen whole by the first token, hence by all */
            attend_and_merge(w, src, 0, rows, block, SUAN__ATTN_BLOCK);
            continue;
        }
        for (uint32_t t = 0; t < n_tokens; t++) {
            if (pos + t < begin) continue;
            uint32_t n_pos = pos + t + 1 - begin;
            attend_and_merge(w, src, t * n_head, n_head, block, n_pos < SUAN__ATTN_BLOCK ? (int)n_pos : SUAN__ATTN_BLOCK);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        w->st->model->kernels->div(w->scratch->o + (size_t)r * (size_t)src->dv, w->scratch->sum[r], (size_t)src->dv);
}

bool suan__attention_splits(const suan__worker *w, uint32_t n_tiles) {
    uint32_t blocks = suan__attention_blocks(w->st);
    return w->st->n_tokens == 1 && w->n_threads > 1 && blocks > 1 && blocks <= w->st->split_blocks && n_tiles < 4 * (uint32_t)w->n_threads;
}

void suan__attend_split(suan__worker *w, const suan__attn_source *src, uint32_t h0, uint32_t n, uint32_t block) {
    suan__step *st = w->st;
    uint32_t n_pos = st->pos0 + 1 - block * SUAN__ATTN_BLOCK;
    size_t at = (size_t)h0 * st->split_blocks + block, dv = (size_t)src->dv;
    attend_block(w, src, 0, n, block, n_pos < SUAN__ATTN_BLOCK ? (int)n_pos : SUAN__ATTN_BLOCK, st->split_o + at * dv,
                 st->split_blocks * dv, st->split_m + at, st->split_sum + at, st->split_blocks);
}

void suan__attend_merge(suan__worker *w, uint32_t h, float *o, int dv) {
    const suan__step *st = w->st;
    const suan__kernels *kn = st->model->kernels;
    size_t at = (size_t)h * st->split_blocks;
    const float *parts = st->split_o + at * (size_t)dv;
    float max = st->split_m[at], sum = st->split_sum[at];
    memcpy(o, parts, (size_t)dv * sizeof *o);
    for (uint32_t b = 1; b < suan__attention_blocks(st); b++)
        kn->attn_merge(o, &max, &sum, parts + b * (size_t)dv, st->split_m[at + b], st->split_sum[at + b], dv);
    kn->div(o, sum, (size_t)dv);
}
