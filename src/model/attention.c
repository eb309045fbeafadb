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

/* One block for rows that all see n_pos positions of it. */
static void attend_block(suan__worker *w, const suan__attn_source *src, uint32_t row0, uint32_t n, uint32_t block, int n_pos) {
    const suan__kernels *kn = w->st->model->kernels;
    const suan__thread_scratch *sc = w->scratch;
    size_t dv = (size_t)src->dv;
    float max[SUAN__ATTN_ROWS], sum[SUAN__ATTN_ROWS];
    scores(w, src, row0, n, block, n_pos);
    for (uint32_t i = 0; i < n; i++) kn->attn_softmax(sc->s + (size_t)(row0 + i) * SUAN__ATTN_BLOCK, n_pos, &max[i], &sum[i]);
    float *o = block == 0 ? sc->o : sc->o2;
    (w->st->kv->type == SUAN__F32 ? kn->attn_pv_f32 : kn->attn_pv_f16)(o + row0 * dv, dv, sc->s + (size_t)row0 * SUAN__ATTN_BLOCK,
                                                                       SUAN__ATTN_BLOCK, (int)n, src->v + block * src->v_block_bytes,
                                                                       src->ldv, n_pos, src->dv);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = row0 + i;
        if (block == 0) {
            sc->m[r] = max[i];
            sc->sum[r] = sum[i];
        } else {
            kn->attn_merge(sc->o + r * dv, &sc->m[r], &sc->sum[r], sc->o2 + r * dv, max[i], sum[i], src->dv);
        }
    }
}

void suan__attend(suan__worker *w, const suan__attn_source *src, uint32_t n_tokens, uint32_t n_head, uint32_t pos) {
    uint32_t rows = n_tokens * n_head, last = pos + n_tokens - 1;
    for (uint32_t block = 0; block * SUAN__ATTN_BLOCK <= last; block++) {
        uint32_t begin = block * SUAN__ATTN_BLOCK;
        if (begin + SUAN__ATTN_BLOCK <= pos + 1) { /* seen whole by the first token, hence by all */
            attend_block(w, src, 0, rows, block, SUAN__ATTN_BLOCK);
            continue;
        }
        for (uint32_t t = 0; t < n_tokens; t++) {
            if (pos + t < begin) continue;
            uint32_t n_pos = pos + t + 1 - begin;
            attend_block(w, src, t * n_head, n_head, block, n_pos < SUAN__ATTN_BLOCK ? (int)n_pos : SUAN__ATTN_BLOCK);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        w->st->model->kernels->div(w->scratch->o + (size_t)r * (size_t)src->dv, w->scratch->sum[r], (size_t)src->dv);
}
