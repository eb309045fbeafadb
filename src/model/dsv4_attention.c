/* dsv4_attention.c: the attention of DeepSeek-V4: one key a position, which is its value too; a window of them, compressed rows of everything before, a sink.
 *
 * A query sees the window, numbered by absolute position, then compressed rows, numbered from 0: all that are complete, or the indexer's selection by rank; blocks of 256 of the
 * one, then of the other, then the sink, as an entry without a value, merge in this order. The result is rotated back, since values carry the rotation of their keys, and
 * goes through a grouped low-rank matrix.
 * Source: the published inference code; transformers models/deepseek_v4; architectures.md 11.4 to 11.6. */
#include <string.h>

#include "kernels/rounding.h"
#include "model/compress.h"
#include "model/dsv4.h"
#include "model/sparse.h"

#define QUERY_HEADS 8 /* that one tile makes ready */

/* Cosines and sines of token t in a layer. */
typedef struct angles {
    const float *cos, *sin;
} angles;

static angles angles_of(const suan__step *st, uint32_t ratio, uint32_t t) {
    size_t at = (size_t)t * st->model->hp.n_rot / 2;
    return ratio ? (angles){st->far_cos + at, st->far_sin + at} : (angles){st->cos + at, st->sin + at};
}

/* ---- a token's inputs ---- */

/* Its key into the ring. */
static void finish_key(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    const suan__kv *kv = st->tokens[t].kv;
    size_t width = hp->head_dim, nope = width - hp->n_rot;
    uint32_t slot = suan__past_slot(kv->past, st->tokens[t].pos);
    float *row = st->kv_new + t * width;
    angles a = angles_of(st, hp->layer_ratio[i_layer], t);
    kn->rms_norm(row, row, l->kv_a_norm, width, hp->rms_eps);
    kn->rope_interleaved(row + nope, width, 1, hp->n_rot, a.cos, a.sin);
    bool finite = kn->all_finite(row, width);
    if (finite && kv->rounding) suan__round_fp8(row, nope, 64);
    unsigned char *block =
        kv->past->layers[i_layer].ring + slot / SUAN__ATTN_BLOCK * SUAN__ATTN_BLOCK * suan__kv_row_bytes(kv->type, width);
    if (!suan__kv_store_row(kn, kv->type, block, slot % SUAN__ATTN_BLOCK, row, width, w->scratch->kv_row))
        suan__step_fault(st, finite ? SUAN__FAULT_RANGE : SUAN__FAULT_CACHE, i_layer, t);
}

static void finish_inputs(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    float *q_a = st->q_a + (size_t)t * hp->q_lora;
    uint32_t ratio = hp->layer_ratio[i_layer];
    st->model->kernels->rms_norm(q_a, q_a, l->q_a_norm, hp->q_lora, hp->rms_eps);
    suan__round_row_for(st, &l->wq_b, t, q_a, hp->q_lora);
    finish_key(w, l, i_layer, t);
    if (!ratio) return;
    suan__compress_input(st, l, i_layer, t, st->compressed + (size_t)t * 2 * suan__compress_width(ratio, hp->head_dim), false);
    if (!l->index_q.data) return;
    suan__compress_input(st, l, i_layer, t, st->index_compressed + (size_t)t * 2 * suan__compress_width(ratio, hp->index_dim), true);
    if (suan__weight_block(st, &l->index_q) != suan__weight_block(st, &l->wq_b)) suan__round_row_for(st, &l->index_q, t, q_a, hp->q_lora);
    suan__index_scale_weights(st, t);
}

/* ---- queries ---- */

static uint32_t parts_of(uint32_t n, uint32_t each) {
    return (n + each - 1) / each;
}

static void finish_queries(suan__worker *w, uint32_t i_layer, uint32_t tile) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    uint32_t parts = parts_of(hp->n_head, QUERY_HEADS), t = tile / parts, h0 = tile % parts * QUERY_HEADS,
             n = hp->n_head - h0 < QUERY_HEADS ? hp->n_head - h0 : QUERY_HEADS;
    size_t width = hp->head_dim;
    float *q = st->q + ((size_t)t * hp->n_head + h0) * width;
    angles a = angles_of(st, hp->layer_ratio[i_layer], t);
    for (uint32_t h = 0; h < n; h++) kn->rms_norm(q + h * width, q + h * width, st->ones, width, hp->rms_eps);
    kn->rope_interleaved(q + width - hp->n_rot, width, n, hp->n_rot, a.cos, a.sin);
}

static void finish_index_queries(suan__worker *w, uint32_t tile) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t parts = parts_of(hp->n_index_head, SUAN__INDEX_HEADS), t = tile / parts, h0 = tile % parts * SUAN__INDEX_HEADS,
             n = hp->n_index_head - h0 < SUAN__INDEX_HEADS ? hp->n_index_head - h0 : SUAN__INDEX_HEADS;
    float *q = st->index_q + ((size_t)t * hp->n_index_head + h0) * hp->index_dim;
    angles a = angles_of(st, SUAN__OVERLAP, t);
    st->model->kernels->rope_interleaved(q + hp->index_dim - hp->n_rot, hp->index_dim, n, hp->n_rot, a.cos, a.sin);
    for (uint32_t h = 0; h < n; h++) {
        float *head = q + (size_t)h * hp->index_dim;
        if (st->model->kernels->all_finite(head, hp->index_dim)) suan__index_round(st, head, true); /* else the scores show it */
    }
}

/* Products of the normed input, then of the query latent; keys, inputs and rows on their way into the past. */
static void project(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t T = st->n_tokens, ratio = hp->layer_ratio[i_layer], width = suan__compress_width(ratio, hp->head_dim),
             index_width = suan__compress_width(ratio, hp->index_dim);
    bool has_index = l->index_q.data != NULL, has_queries = has_index && suan__index_is_needed(st, ratio);
    suan__acts h = suan__acts_h(st);
    suan__product of_h[] = {{&l->wq_a, st->q_a, hp->q_lora, 0},
                            {&l->wkv_a, st->kv_new, hp->head_dim, 0},
                            {&l->compress.kv, st->compressed, 2 * width, 0},
                            {&l->compress.gate, st->compressed + width, 2 * width, 0},
                            {&l->index_compress.kv, st->index_compressed, 2 * index_width, 0},
                            {&l->index_compress.gate, st->index_compressed + index_width, 2 * index_width, 0},
                            {&l->index_w, st->index_weight, hp->n_index_head, 0}};
    w->kind = SUAN__OP_QKV;
    suan__products(w, &h, of_h, has_index ? 7 : ratio ? 4 : 2);
    w->kind = SUAN__OP_NORM;
    for (uint32_t t; suan__next_tile(w, T, &t);) finish_inputs(w, l, i_layer, t);
    suan__end_op(w);
    w->kind = SUAN__OP_QKV;
    suan__acts a = suan__acts_rounded(st, (suan__acts){.x = st->q_a, .ld = hp->q_lora, .n_cols = T, .n_slices = 1, .k = hp->q_lora});
    suan__product of_q_a[] = {{&l->wq_b, st->q, (size_t)hp->n_head * hp->head_dim, 0},
                              {&l->index_q, st->index_q, (size_t)hp->n_index_head * hp->index_dim, 0}};
    suan__products(w, &a, of_q_a, has_queries ? 2 : 1);
    w->kind = SUAN__OP_NORM;
    uint32_t n_rows = suan__compress_rows(st, i_layer), n_queries = T * parts_of(hp->n_head, QUERY_HEADS),
             n_index = has_queries ? T * parts_of(hp->n_index_head, SUAN__INDEX_HEADS) : 0, n_all_rows = has_index ? 2 * n_rows : n_rows;
    for (uint32_t t; suan__next_tile(w, n_all_rows + n_queries + n_index, &t);) {
        if (t < n_all_rows) {
            suan__new_row row = suan__compress_row_at(st, i_layer, t % n_rows);
            suan__compress_row(w, l, i_layer, &row, t >= n_rows);
        } else if (t < n_all_rows + n_queries) {
            finish_queries(w, i_layer, t - n_all_rows);
        } else {
            finish_index_queries(w, t - n_all_rows - n_queries);
        }
    }
    suan__end_op(w);
}

/* ---- attention ---- */

/* The queries of heads [h0, h0 + n) of token t into the scratch, as suan__attend_scores wants them for rows. */
static void place_queries(suan__worker *w, uint32_t t, uint32_t h0, uint32_t n) {
    const suan__step *st = w->st;
    size_t width = st->model->hp.head_dim, padded = suan__attn_q8_width(width), row_bytes = suan__q8_row_bytes(padded, 32),
           ld = suan__attn_ld(n);
    const float *q = st->q + ((size_t)t * st->model->hp.n_head + h0) * width;
    float *qt = w->scratch->q;
    if (st->kv_type == SUAN__Q8_0) {
        for (uint32_t h = 0; h < n; h++)
            suan__kv_round_query(st->model->kernels, w->scratch->q_rows + h * row_bytes, q + h * width, width, w->scratch->kv_row);
        suan__attn_q8_panels(w->scratch->q_panels, w->scratch->q_rows, row_bytes, padded, (int)n);
        return;
    }
    memset(qt, 0, width * ld * sizeof *qt);
    for (uint32_t h = 0; h < n; h++)
        for (size_t j = 0; j < width; j++) qt[j * ld + h] = q[h * width + j];
}

/* The window of token t: from the ring, block by block of absolute positions. What counts of a number is its place among the 64 partial sums. */
static void attend_window(suan__worker *w, const suan__attn_source *src, uint32_t i_layer, uint32_t n_rows, uint32_t t) {
    const suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__past *past = st->tokens[t].kv->past;
    const unsigned char *ring = past->layers[i_layer].ring;
    uint32_t pos = st->tokens[t].pos;
    uint32_t first = pos + 1 > hp->window ? pos + 1 - hp->window : 0;
    suan__attn_source gathered = *src;
    gathered.k = gathered.v = w->scratch->gathered;
    for (uint32_t begin = first; begin <= pos;) {
        uint32_t end = (begin / SUAN__ATTN_BLOCK + 1) * SUAN__ATTN_BLOCK;
        if (end > pos + 1) end = pos + 1;
        for (uint32_t p = begin; p < end; p++) {
            uint32_t slot = suan__past_slot(past, p);
            suan__kv_copy_row(st->kv_type, w->scratch->gathered, p - begin, ring + slot / SUAN__ATTN_BLOCK * src->block_bytes,
                              slot % SUAN__ATTN_BLOCK, hp->head_dim);
        }
        suan__attend_entries(w, &gathered, n_rows, begin % 64, end - begin, begin == first);
        begin = end;
    }
}

static void attend_rows(suan__worker *w, const suan__attn_source *src, const suan__layer *l, uint32_t i_layer, uint32_t n_rows,
                        uint32_t t) {
    const suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t n = suan__index_visible(st->tokens[t].pos, hp->layer_ratio[i_layer]);
    suan__attn_source rows = *src;
    rows.k = rows.v = st->tokens[t].kv->past->layers[i_layer].rows;
    if (l->index_q.data && n > hp->index_topk) {
        suan__attend_selected(w, &rows, hp->head_dim, n_rows, st->select + (size_t)t * st->ld_select, hp->index_topk, false);
        return;
    }
    for (uint32_t begin = 0; begin < n; begin += SUAN__ATTN_BLOCK) {
        suan__attend_entries(w, &rows, n_rows, 0, n - begin < SUAN__ATTN_BLOCK ? n - begin : SUAN__ATTN_BLOCK, false);
        rows.k = rows.v += rows.block_bytes;
    }
}

static void attend_tile(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t, uint32_t h0, uint32_t n) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    size_t width = hp->head_dim, ld = suan__kv_width(st->kv_type, width), block = SUAN__ATTN_BLOCK * suan__kv_row_bytes(st->kv_type, width);
    suan__attn_source src = {.block_bytes = block, .ldv = ld, .ldk = ld, .d = (int)ld, .dv = (int)width};
    place_queries(w, t, h0, n);
    attend_window(w, &src, i_layer, n, t);
    if (hp->layer_ratio[i_layer]) attend_rows(w, &src, l, i_layer, n, t);
    suan__attend_sinks(w, src.dv, n, l->sinks + h0);
    suan__attend_finish(w, src.dv, n);
    float *o = st->att + ((size_t)t * hp->n_head + h0) * width, minus_sin[SUAN__DSV4_MAX_ROT / 2];
    angles a = angles_of(st, hp->layer_ratio[i_layer], t);
    for (uint32_t j = 0; j < hp->n_rot / 2; j++) minus_sin[j] = -a.sin[j];
    memcpy(o, w->scratch->o, n * width * sizeof *o);
    st->model->kernels->rope_interleaved(o + width - hp->n_rot, width, n, hp->n_rot, a.cos, minus_sin);
    if (!st->model->kernels->all_finite(o, n * width)) suan__step_fault(st, SUAN__FAULT_ATTENTION, i_layer, t);
}

void suan__part_dsv4_attention(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t T = st->n_tokens, H = hp->n_head,
             heads = T < SUAN__SPARSE_MANY && H > SUAN__SPARSE_FEW_HEADS ? SUAN__SPARSE_FEW_HEADS : SUAN__ATTN_ROWS,
             parts = parts_of(H, heads), group = H / hp->n_out_group * hp->head_dim, low = hp->n_out_group * hp->out_lora;
    project(w, l, i_layer);
    w->kind = SUAN__OP_ATTENTION;
    if (l->index_q.data && suan__index_is_needed(st, hp->layer_ratio[i_layer])) suan__index_select(w, i_layer);
    for (uint32_t i; suan__next_tile(w, T * parts, &i);) {
        uint32_t h0 = i % parts * heads;
        attend_tile(w, l, i_layer, i / parts, h0, H - h0 < heads ? H - h0 : heads);
    }
    suan__end_op(w);
    w->kind = SUAN__OP_OUT;
    suan__acts a = {.x = st->att, .ld = (size_t)H * hp->head_dim, .slice_ld = group, .n_cols = T, .n_slices = hp->n_out_group, .k = group};
    suan__products(w, &a, (suan__product[]){{&l->wo_a, st->out_low, low, hp->out_lora}}, 1);
    suan__acts u = {.x = st->out_low, .ld = low, .n_cols = T, .n_slices = 1, .k = low};
    suan__products(w, &u, (suan__product[]){{&l->wo, st->out, hp->n_embd, 0}}, 1);
}
