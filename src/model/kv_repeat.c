/* kv_repeat.c: a cache that looks long: the entries of its first block of positions over and over, for measurements. */
#include <string.h>

#include "model/cost.h"

typedef struct repeat {
    const suan__model *model;
    suan__kv *kv;
    uint32_t n_pos;
} repeat;

/* The first page into the others; threads take pages. */
static void repeat_thread(void *ctx, int i_thread, int n_threads) {
    const repeat *r = ctx;
    uint32_t n = (r->n_pos + SUAN__ATTN_BLOCK - 1) / SUAN__ATTN_BLOCK;
    for (uint32_t i = 1 + (uint32_t)i_thread; i < n; i += (uint32_t)n_threads)
        memcpy(r->kv->pages[i], r->kv->pages[0], r->model->hp.n_layer * r->kv->layer_bytes);
}

void suan__kv_repeat(suan__kv *kv, const suan__model *model, uint32_t n_pos) {
    repeat r = {model, kv, n_pos};
    if (kv->pages) suan__pool_run(model->pool, repeat_thread, &r);
}
