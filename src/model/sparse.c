/* sparse.c: attention over selected entries. */
#include "model/sparse.h"

#include <math.h>
#include <string.h>

/* Numbers of the block before the first are entries that are not there: minus infinity is an exponential of exactly zero, which changes no sum. */
void suan__attend_entries(suan__worker *w, const suan__attn_source *src, uint32_t n_rows, uint32_t first, uint32_t n, bool is_first) {
    const suan__kernels *kn = w->st->model->kernels;
    const suan__thread_scratch *sc = w->scratch;
    size_t dv = (size_t)src->dv;
    float max[SUAN__ATTN_ROWS], sum[SUAN__ATTN_ROWS], *o = is_first ? sc->o : sc->o2;
    suan__attend_scores(w, src, src->k, sc->s + first, n_rows, n, SUAN__NOTHING_SOON);
    for (uint32_t i = 0; i < n_rows; i++) {
        float *s = sc->s + (size_t)i * SUAN__ATTN_BLOCK;
        for (uint32_t j = 0; j < first; j++) s[j] = -INFINITY;
        kn->attn_softmax(s, (int)(first + n), is_first ? &sc->m[i] : &max[i], is_first ? &sc->sum[i] : &sum[i]);
    }
    suan__attend_values(w)(o, dv, sc->s + first, SUAN__ATTN_BLOCK, (int)n_rows, src->v, src->ldv, 0, (int)n, src->dv, SUAN__NOTHING_SOON);
    for (uint32_t i = 0; i < n_rows && !is_first; i++)
        kn->attn_merge(sc->o + i * dv, &sc->m[i], &sc->sum[i], o + i * dv, max[i], sum[i], src->dv);
}

/* The block of selected row i. */
static const unsigned char *block_of(const suan__attn_source *src, uint32_t i) {
    uint32_t block = i / SUAN__ATTN_BLOCK;
    return src->pages ? src->pages[block] + src->k_at : src->k + block * src->block_bytes;
}

void suan__attend_selected(suan__worker *w, const suan__attn_source *src, uint32_t width, uint32_t n_rows, const uint32_t *select,
                           uint32_t n, bool is_first) {
    suan__dtype type = w->st->kv_type;
    suan__attn_source gathered = *src;
    gathered.k = gathered.v = w->scratch->gathered;
    for (uint32_t begin = 0; begin < n; begin += SUAN__ATTN_BLOCK) {
        uint32_t m = n - begin < SUAN__ATTN_BLOCK ? n - begin : SUAN__ATTN_BLOCK;
        for (uint32_t i = 0; i < m; i++) {
            uint32_t row = select[begin + i];
            suan__kv_copy_row(type, w->scratch->gathered, i, block_of(src, row), row % SUAN__ATTN_BLOCK, width);
        }
        suan__attend_entries(w, &gathered, n_rows, 0, m, is_first && begin == 0);
    }
}

void suan__attend_sinks(suan__worker *w, int dv, uint32_t n_rows, const float *sinks) {
    const suan__thread_scratch *sc = w->scratch;
    memset(sc->o2, 0, (size_t)dv * sizeof *sc->o2);
    for (uint32_t i = 0; i < n_rows; i++)
        w->st->model->kernels->attn_merge(sc->o + i * (size_t)dv, &sc->m[i], &sc->sum[i], sc->o2, sinks[i], 1.0f, dv);
}

void suan__attend_finish(suan__worker *w, int dv, uint32_t n_rows) {
    const suan__thread_scratch *sc = w->scratch;
    for (uint32_t i = 0; i < n_rows; i++) w->st->model->kernels->div(sc->o + i * (size_t)dv, sc->sum[i], (size_t)dv);
}
