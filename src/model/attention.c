/* attention.c: attention over the cache in blocks of 256 positions, merged in increasing order. */
#include "model/attention.h"

#include <math.h>
#include <string.h>

void suan__attend_scores(suan__worker *w, const suan__attn_source *src, const void *k, float *s, uint32_t n, uint32_t n_pos,
                         suan__soon soon) {
    const suan__step *st = w->st;
    const suan__kernels *kn = st->model->kernels;
    const suan__thread_scratch *sc = w->scratch;
    float scale = st->model->hp.attn_scale;
    size_t d = (size_t)src->d;
    if (st->kv_type == SUAN__Q8_0 && src->ldk)
        kn->attn_qk_rows_q8(s, SUAN__ATTN_BLOCK, sc->q_panels, (int)n, src->d, k, src->ldk, (int)n_pos, scale, soon);
    else if (st->kv_type == SUAN__Q8_0)
        kn->attn_qk_q8(s, SUAN__ATTN_BLOCK, sc->q_rows, suan__q8_row_bytes(d, 32), (int)n, src->d, k, (int)n_pos, scale, soon);
    else if (src->ldk)
        (st->kv_type == SUAN__F32 ? kn->attn_qk_rows_f32 : kn->attn_qk_rows_f16)(s, SUAN__ATTN_BLOCK, sc->q, suan__attn_ld(n), (int)n,
                                                                                 src->d, k, src->ldk, (int)n_pos, scale, soon);
    else
        (st->kv_type == SUAN__F32 ? kn->attn_qk_f32 : kn->attn_qk_f16)(s, SUAN__ATTN_BLOCK, sc->q, d, (int)n, src->d, k, (int)n_pos, scale,
                                                                       soon);
}

suan__attn_pv_fn *suan__attend_values(const suan__worker *w) {
    const suan__kernels *kn = w->st->model->kernels;
    suan__dtype type = w->st->kv_type;
    return type == SUAN__F32 ? kn->attn_pv_f32 : type == SUAN__F16 ? kn->attn_pv_f16 : kn->attn_pv_q8;
}

/* Some query rows of a tile: n_tokens tokens of n_head heads each, the first token at position pos. */
typedef struct rows {
    uint32_t n_tokens, n_head, pos, window;
} rows;

/* Where the outputs, maxima and sums of rows go, row by row. */
typedef struct results {
    float *o, *max, *sum;
    size_t ldo, ld;
} results;

/* Positions of the block that token t sees. */
static uint32_t n_seen(const rows *r, uint32_t t, uint32_t block) {
    uint32_t n = r->pos + t + 1 - block * SUAN__ATTN_BLOCK;
    return n < SUAN__ATTN_BLOCK ? n : SUAN__ATTN_BLOCK;
}

/* The first position that token t sees. */
static uint32_t first_seen(const rows *r, uint32_t t) {
    return r->window && r->pos + t >= r->window ? r->pos + t + 1 - r->window : 0;
}

/* Positions of the block before the first that is seen are entries that are not there: minus infinity is an exponential of exactly zero, which changes no sum. */
static void mask_before(const rows *r, uint32_t t, uint32_t block, float *s) {
    uint32_t begin = block * SUAN__ATTN_BLOCK, first = first_seen(r, t);
    for (uint32_t i = begin; i < first; i++) s[i - begin] = -INFINITY;
}

/* Positions of the block that lie before `end`. */
static uint32_t n_before(uint32_t end, uint32_t block) {
    uint32_t begin = block * SUAN__ATTN_BLOCK;
    return end <= begin ? 0 : end - begin < SUAN__ATTN_BLOCK ? end - begin : SUAN__ATTN_BLOCK;
}

/* What the two halves of a block's work ask the memory for: the scores for the block's values, the values for the next block's keys; where
 * both are the same rows, each for a half of the next block's. */
typedef struct asked {
    suan__soon by_scores, by_values;
} asked;

/* n, n_next: positions of the block and of the next one that are read. */
static asked what_follows(const suan__attn_source *src, uint32_t block, uint32_t n, uint32_t n_next) {
    const unsigned char *next = n_next ? src->pages[block + 1] + src->k_at : NULL;
    size_t bytes = src->block_bytes / SUAN__ATTN_BLOCK, half = bytes * n_next / 2;
    if (src->ldk) return (asked){{next, half}, {next ? next + half : NULL, half}};
    return (asked){{src->pages[block] + src->v_at, bytes * n}, {next, bytes * n_next}};
}

/* One block for the tokens from t0 on, which see some of it. Scores are computed for all as if they saw as much as the last; what a token
 * does not see goes into nothing. Values are weighted together as far as all tokens see, and then for each token alone. n_next: positions of
 * the next block, which will probably be the thread's next work. */
static void attend_block(suan__worker *w, const suan__attn_source *src, const rows *r, uint32_t t0, uint32_t block, uint32_t n_next,
                         const results *to) {
    const suan__kernels *kn = w->st->model->kernels;
    suan__attn_pv_fn *pv = suan__attend_values(w);
    const unsigned char *page = src->pages[block], *v = page + src->v_at;
    const float *s = w->scratch->s;
    size_t H = r->n_head;
    uint32_t n_all = n_seen(r, r->n_tokens - 1, block);
    asked ask = what_follows(src, block, n_all, n_next);
    suan__attend_scores(w, src, page + src->k_at, w->scratch->s, r->n_tokens * r->n_head, n_all, ask.by_scores);
    for (uint32_t t = t0; t < r->n_tokens; t++)
        for (size_t i = t * H; i < (t + 1) * H; i++) {
            mask_before(r, t, block, w->scratch->s + i * SUAN__ATTN_BLOCK);
            kn->attn_softmax(w->scratch->s + i * SUAN__ATTN_BLOCK, (int)n_seen(r, t, block), &to->max[i * to->ld], &to->sum[i * to->ld]);
        }
    int common = (int)n_seen(r, t0, block);
    pv(to->o + t0 * H * to->ldo, to->ldo, s + t0 * H * SUAN__ATTN_BLOCK, SUAN__ATTN_BLOCK, (int)((r->n_tokens - t0) * r->n_head), v,
       src->ldv, 0, common, src->dv, ask.by_values);
    for (uint32_t t = t0 + 1; t < r->n_tokens; t++) {
        int n = (int)n_seen(r, t, block);
        if (n > common)
            pv(to->o + t * H * to->ldo, to->ldo, s + t * H * SUAN__ATTN_BLOCK, SUAN__ATTN_BLOCK, (int)H, v, src->ldv, common, n, src->dv,
               SUAN__NOTHING_SOON);
    }
}

/* An entry of score `sink` without a value. zeros [dv]. */
static void merge_sink(const suan__kernels *kn, float *o, float *max, float *sum, const float *zeros, float sink, int dv) {
    kn->attn_merge(o, max, sum, zeros, sink, 1.0f, dv);
}

/* The block's results for tokens [t0, t1) in o2 go to o: by themselves where it is the first block that the token sees, else merged. */
static void take_block(suan__worker *w, const rows *r, uint32_t t0, uint32_t t1, uint32_t block, const results *next, size_t dv) {
    const suan__thread_scratch *sc = w->scratch;
    for (uint32_t t = t0; t < t1; t++) {
        bool is_first = first_seen(r, t) / SUAN__ATTN_BLOCK == block;
        for (size_t i = (size_t)t * r->n_head; i < (size_t)(t + 1) * r->n_head; i++) {
            if (!is_first) {
                w->st->model->kernels->attn_merge(sc->o + i * dv, &sc->m[i], &sc->sum[i], sc->o2 + i * dv, next->max[i], next->sum[i],
                                                  (int)dv);
                continue;
            }
            memcpy(sc->o + i * dv, sc->o2 + i * dv, dv * sizeof *sc->o);
            sc->m[i] = next->max[i];
            sc->sum[i] = next->sum[i];
        }
    }
}

void suan__attend(suan__worker *w, const suan__attn_source *src, uint32_t n_tokens, uint32_t n_head, uint32_t pos) {
    const suan__kernels *kn = w->st->model->kernels;
    const suan__thread_scratch *sc = w->scratch;
    size_t dv = (size_t)src->dv;
    float max[SUAN__ATTN_ROWS], sum[SUAN__ATTN_ROWS];
    rows r = {n_tokens, n_head, pos, src->window};
    results first = {sc->o, sc->m, sc->sum, dv, 1}, next = {sc->o2, max, sum, dv, 1};
    uint32_t block0 = first_seen(&r, 0) / SUAN__ATTN_BLOCK;
    for (uint32_t block = block0; block * SUAN__ATTN_BLOCK < pos + n_tokens; block++) {
        uint32_t begin = block * SUAN__ATTN_BLOCK, t0 = begin > pos ? begin - pos : 0, t1 = n_tokens;
        while (first_seen(&r, t1 - 1) >= begin + SUAN__ATTN_BLOCK) t1--;
        rows seeing = {t1, n_head, pos, src->window};
        attend_block(w, src, &seeing, t0, block, n_before(pos + n_tokens, block + 1), block == block0 ? &first : &next);
        if (block != block0) take_block(w, &r, t0, t1, block, &next, dv);
    }
    if (src->sinks) memset(sc->o2, 0, dv * sizeof *sc->o2);
    for (size_t i = 0; i < n_tokens * n_head; i++) {
        if (src->sinks) merge_sink(kn, sc->o + i * dv, &sc->m[i], &sc->sum[i], sc->o2, src->sinks[i % n_head], src->dv);
        kn->div(sc->o + i * dv, sc->sum[i], dv);
    }
}

bool suan__attention_splits(const suan__worker *w, uint32_t n_tiles, uint32_t window) {
    uint32_t blocks = suan__attention_blocks(w->st);
    if (window && window <= w->st->last_pos) return false; /* few blocks */
    return w->st->n_tokens == 1 && w->n_threads > 1 && blocks > 1 && blocks <= w->st->split_blocks && n_tiles < 4 * (uint32_t)w->n_threads;
}

void suan__attend_split(suan__worker *w, const suan__attn_source *src, uint32_t h0, uint32_t n, uint32_t block) {
    suan__step *st = w->st;
    size_t at = (size_t)h0 * st->split_blocks + block, dv = (size_t)src->dv;
    results to = {st->split_o + at * dv, st->split_m + at, st->split_sum + at, st->split_blocks * dv, st->split_blocks};
    attend_block(w, src, &(rows){1, n, st->last_pos, 0}, 0, block, n_before(st->last_pos + 1, block + 1), &to);
}

void suan__attend_merge(suan__worker *w, uint32_t h, float *o, int dv, const float *sink) {
    const suan__step *st = w->st;
    const suan__kernels *kn = st->model->kernels;
    size_t at = (size_t)h * st->split_blocks;
    const float *parts = st->split_o + at * (size_t)dv;
    float max = st->split_m[at], sum = st->split_sum[at];
    memcpy(o, parts, (size_t)dv * sizeof *o);
    for (uint32_t b = 1; b < suan__attention_blocks(st); b++)
        kn->attn_merge(o, &max, &sum, parts + b * (size_t)dv, st->split_m[at + b], st->split_sum[at + b], dv);
    if (sink) memset(w->scratch->o2, 0, (size_t)dv * sizeof *o);
    if (sink) merge_sink(kn, o, &max, &sum, w->scratch->o2, *sink, dv);
    kn->div(o, sum, (size_t)dv);
}
