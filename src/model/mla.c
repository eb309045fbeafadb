/* mla.c: multi-head latent attention in absorbed form: queries meet the cached latent rows directly, and values are unfolded from the
 * weighted latent. Source: DeepSeek-V2, arXiv:2405.04434, section 2.1; architectures.md 7.4. */
#include <string.h>

#include "kernels/rounding.h"
#include "model/indexer.h"
#include "model/sparse.h"

/* RoPE of one token's queries, whose other part is rounded for the product with the latent; norm and RoPE of its latent row, which goes into
 * the cache. */
static void finish_token(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t t) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    const suan__kv *kv = st->tokens[t].kv;
    size_t width = hp->head_dim, qk = hp->nope + hp->rope;
    uint32_t pos = st->tokens[t].pos;
    float *q = st->q + t * hp->n_head * qk, *row = st->kv_new + t * width;
    const float *cos = st->cos + (size_t)t * hp->n_rot / 2, *sin = st->sin + (size_t)t * hp->n_rot / 2;
    suan__rope_fn *rope = hp->rope_style == SUAN__ROPE_HALF ? kn->rope_half : kn->rope_interleaved;
    rope(q + hp->nope, qk, hp->n_head, hp->n_rot, cos, sin);
    kn->rms_norm(row, row, l->kv_a_norm, hp->kv_lora, hp->inner_eps);
    if (kv->rounding && kn->all_finite(row, hp->kv_lora)) suan__round_fp8(row, hp->kv_lora, 128);
    rope(row + hp->kv_lora, width, 1, hp->n_rot, cos, sin);
    unsigned char *block = suan__kv_page_of(kv, pos) + suan__kv_k_at(kv, i_layer, 0);
    bool fits = suan__kv_store_row(kn, kv->type, block, pos % SUAN__ATTN_BLOCK, row, width, w->scratch->kv_row);
    if (!fits) suan__step_fault(st, kn->all_finite(row, width) ? SUAN__FAULT_RANGE : SUAN__FAULT_CACHE, i_layer, t);
    if (l->index_k.data) suan__index_finish_key(w, l, i_layer, t);
    for (uint32_t h = 0; h < hp->n_head; h++) suan__round_row_for(st, &l->wk_b, h * st->n_tokens + t, q + h * qk, hp->nope);
}

/* Of the sequence of token t. */
static suan__attn_source source_of(const suan__step *st, uint32_t i_layer, uint32_t t) {
    const suan__kv *kv = st->tokens[t].kv;
    size_t width = suan__kv_width(kv->type, st->model->hp.head_dim), at = suan__kv_k_at(kv, i_layer, 0);
    return (suan__attn_source){
        .pages = kv->pages,
        .k_at = at,
        .v_at = at,
        .block_bytes = kv->block_bytes,
        .ldv = width,
        .ldk = width,
        .d = (int)width,
        .dv = (int)st->model->hp.kv_lora,
    };
}

/* Rounded queries of heads [h0, h0 + n) of tokens [t0, t0 + nt), for a q8_0 cache. A row is put together in the room of the f32 queries. */
static void round_queries(suan__worker *w, uint32_t h0, uint32_t n, uint32_t t0, uint32_t nt) {
    const suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    size_t lora = hp->kv_lora, qk = hp->nope + hp->rope, width = suan__attn_q8_width(hp->head_dim),
           row_bytes = suan__q8_row_bytes(width, 32);
    float *x = w->scratch->q;
    for (uint32_t t = 0; t < nt; t++)
        for (uint32_t h = 0; h < n; h++) {
            size_t token_head = (t0 + t) * (size_t)hp->n_head + h0 + h;
            memcpy(x, st->latent_q + token_head * lora, lora * sizeof *x);
            memcpy(x + lora, st->q + token_head * qk + hp->nope, hp->rope * sizeof *x);
            suan__kv_round_query(st->model->kernels, w->scratch->q_rows + (t * n + h) * row_bytes, x, hp->head_dim, w->scratch->kv_row);
        }
    suan__attn_q8_panels(w->scratch->q_panels, w->scratch->q_rows, row_bytes, width, (int)(n * nt));
}

/* The queries of heads [h0, h0 + n) of tokens [t0, t0 + nt), transposed: latent part, then rotary part. */
static void transpose_queries(suan__worker *w, uint32_t h0, uint32_t n, uint32_t t0, uint32_t nt) {
    const suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    size_t lora = hp->kv_lora, qk = hp->nope + hp->rope, ld = suan__attn_ld((size_t)n * nt);
    float *qt = w->scratch->q;
    if (st->kv_type == SUAN__Q8_0) {
        round_queries(w, h0, n, t0, nt);
        return;
    }
    memset(qt, 0, hp->head_dim * ld * sizeof *qt);
    for (uint32_t t = 0; t < nt; t++)
        for (uint32_t h = 0; h < n; h++) {
            size_t token_head = (t0 + t) * (size_t)hp->n_head + h0 + h, r = t * n + h;
            const float *latent = st->latent_q + token_head * lora, *pe = st->q + token_head * qk + hp->nope;
            for (size_t j = 0; j < lora; j++) qt[j * ld + r] = latent[j];
            for (size_t j = 0; j < hp->rope; j++) qt[(lora + j) * ld + r] = pe[j];
        }
}

/* The weighted latent of a token's head is there: looked at, and rounded for the product that unfolds it. */
static void finish_latent(suan__step *st, const suan__layer *l, uint32_t i_layer, uint32_t t, uint32_t h) {
    size_t lora = st->model->hp.kv_lora;
    const float *o = st->latent_o + ((size_t)t * st->model->hp.n_head + h) * lora;
    if (!st->model->kernels->all_finite(o, lora)) suan__step_fault(st, SUAN__FAULT_ATTENTION, i_layer, t);
    suan__round_row_for(st, &l->wv_b, h * st->n_tokens + t, o, lora);
}

/* What is left in the scratch of heads [h0, h0 + n) of tokens [t0, t0 + nt). */
static void take_latent(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t h0, uint32_t n, uint32_t t0, uint32_t nt) {
    suan__step *st = w->st;
    size_t lora = st->model->hp.kv_lora;
    for (uint32_t t = 0; t < nt; t++) {
        memcpy(st->latent_o + ((t0 + t) * (size_t)st->model->hp.n_head + h0) * lora, w->scratch->o + t * n * lora,
               n * lora * sizeof(float));
        for (uint32_t h = 0; h < n; h++) finish_latent(st, l, i_layer, t0 + t, h0 + h);
    }
}

/* Heads [h0, h0 + n) of tokens [t0, t0 + nt). */
static void attend_tile(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t h0, uint32_t n, uint32_t t0, uint32_t nt) {
    suan__attn_source src = source_of(w->st, i_layer, t0);
    transpose_queries(w, h0, n, t0, nt);
    suan__attend(w, &src, nt, n, w->st->tokens[t0].pos);
    take_latent(w, l, i_layer, h0, n, t0, nt);
}

/* The same for one token that sees more positions than it selects. */
static void attend_selected_tile(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t h0, uint32_t n, uint32_t t) {
    suan__step *st = w->st;
    suan__attn_source src = source_of(st, i_layer, t);
    transpose_queries(w, h0, n, t, 1);
    suan__attend_selected(w, &src, st->model->hp.head_dim, n, st->select + (size_t)t * st->ld_select, st->model->hp.index_topk, true);
    suan__attend_finish(w, src.dv, n);
    take_latent(w, l, i_layer, h0, n, t, 1);
}

/* The attention of a single token, block by block. */
static void attend_split(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t heads, uint32_t n_tiles) {
    suan__step *st = w->st;
    uint32_t blocks = suan__attention_blocks(st), H = st->model->hp.n_head;
    uint32_t have = UINT32_MAX; /* the part whose queries stand in scratch */
    suan__attn_source src = source_of(st, i_layer, 0);
    for (uint32_t i; suan__next_tile(w, n_tiles * blocks, &i); have = i / blocks) {
        uint32_t h0 = i / blocks * heads, n = H - h0 < heads ? H - h0 : heads;
        if (have != i / blocks) transpose_queries(w, h0, n, 0, 1);
        suan__attend_split(w, &src, h0, n, i % blocks);
    }
    suan__end_op(w);
    for (uint32_t h; suan__next_tile(w, H, &h);) {
        suan__attend_merge(w, h, st->latent_o + (size_t)h * st->model->hp.kv_lora, src.dv, NULL);
        finish_latent(st, l, i_layer, 0, h);
    }
}

/* Every token by itself: each has a selection of its own, or sees all positions still. */
static void attend_selected(suan__worker *w, const suan__layer *l, uint32_t i_layer, uint32_t heads, uint32_t parts) {
    const suan__step *st = w->st;
    uint32_t H = st->model->hp.n_head;
    for (uint32_t i; suan__next_tile(w, st->n_tokens * parts, &i);) {
        uint32_t t = i / parts, h0 = i % parts * heads, n = H - h0 < heads ? H - h0 : heads;
        if (suan__index_visible(st->tokens[t].pos, 1) > st->model->hp.index_topk)
            attend_selected_tile(w, l, i_layer, h0, n, t);
        else
            attend_tile(w, l, i_layer, h0, n, t, 1);
    }
}

/* Not ended. */
void suan__mla_attend(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    uint32_t H = w->st->model->hp.n_head, T = w->st->n_tokens, heads = suan__attend_heads(H), parts = (H + heads - 1) / heads;
    if (w->st->model->hp.index_topk && suan__index_is_needed(w->st, 1)) {
        if (T < SUAN__SPARSE_MANY && heads > SUAN__SPARSE_FEW_HEADS) heads = SUAN__SPARSE_FEW_HEADS;
        attend_selected(w, l, i_layer, heads, (H + heads - 1) / heads);
        return;
    }
    if (suan__attention_splits(w, parts, 0)) {
        attend_split(w, l, i_layer, heads, parts);
        return;
    }
    for (uint32_t i; suan__next_tile(w, w->st->n_strips * parts, &i);) {
        const suan__strip *s = &w->st->strips[i / parts];
        uint32_t h0 = i % parts * heads;
        attend_tile(w, l, i_layer, h0, H - h0 < heads ? H - h0 : heads, s->t0, s->n);
    }
}

/* ctx: the layer. The inner norm of a token's queries, rounded for what takes them. */
static void norm_queries(suan__worker *w, const void *ctx, uint32_t t) {
    suan__step *st = w->st;
    const suan__layer *l = ctx;
    const suan__hparams *hp = &st->model->hp;
    float *q_a = st->q_a + (size_t)t * hp->q_lora;
    st->model->kernels->rms_norm(q_a, q_a, l->q_a_norm, hp->q_lora, hp->inner_eps);
    suan__round_row_for(st, &l->wq_b, t, q_a, hp->q_lora);
    if (l->index_k.data && suan__index_is_needed(st, 1) && suan__weight_block(st, &l->index_q) != suan__weight_block(st, &l->wq_b))
        suan__round_row_for(st, &l->index_q, t, q_a, hp->q_lora);
}

/* Queries and the new latent rows of all tokens; not ended. */
static void project(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t T = st->n_tokens, nq = hp->n_head * (hp->nope + hp->rope);
    suan__acts h = suan__acts_h(st);
    if (!hp->q_lora) {
        suan__multiply(w, &h, (suan__product[]){{&l->wq, st->q, nq, 0}, {&l->wkv_a, st->kv_new, hp->head_dim, 0}}, 2);
        return;
    }
    suan__product of_h[] = {{&l->wq_a, st->q_a, hp->q_lora, 0},
                            {&l->wkv_a, st->kv_new, hp->head_dim, 0},
                            {&l->index_k, st->index_key, hp->index_dim, 0},
                            {&l->index_w, st->index_weight, hp->n_index_head, 0}};
    suan__multiply(w, &h, of_h, l->index_k.data ? 4 : 2);
    bool has_queries = l->index_k.data && suan__index_is_needed(st, 1);
    suan__end_op_then(w, SUAN__OP_NORM, T, norm_queries, l);
    w->kind = SUAN__OP_QKV;
    suan__acts a = suan__acts_rounded(st, (suan__acts){.x = st->q_a, .ld = hp->q_lora, .n_cols = T, .n_slices = 1, .k = hp->q_lora});
    suan__product of_q_a[] = {{&l->wq_b, st->q, nq, 0}, {&l->index_q, st->index_q, (size_t)hp->n_index_head * hp->index_dim, 0}};
    suan__multiply(w, &a, of_q_a, has_queries ? 2 : 1);
}

/* Tokens first, then the queries of the indexer. */
static void finish_tile(suan__worker *w, const void *ctx, uint32_t t) {
    const suan__layer_at *at = ctx;
    if (t < w->st->n_tokens)
        finish_token(w, at->l, at->i_layer, t);
    else
        suan__index_finish_queries(w, t - w->st->n_tokens);
}

void suan__part_mla(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t T = st->n_tokens, H = hp->n_head, qk = hp->nope + hp->rope, lora = hp->kv_lora;
    w->kind = SUAN__OP_QKV;
    project(w, l);
    uint32_t n_queries = l->index_k.data ? suan__index_query_tiles(st) : 0;
    suan__end_op_then(w, SUAN__OP_NORM, T + n_queries, finish_tile, &(suan__layer_at){l, i_layer});
    if (n_queries) {
        w->kind = SUAN__OP_ATTENTION;
        suan__index_select(w, i_layer);
    }
    w->kind = SUAN__OP_QKV;
    suan__acts nope =
        suan__acts_rounded(st, (suan__acts){.x = st->q, .ld = (size_t)H * qk, .slice_ld = qk, .n_cols = T, .n_slices = H, .k = hp->nope});
    suan__products(w, &nope, (suan__product[]){{&l->wk_b, st->latent_q, (size_t)H * lora, lora}}, 1);

    w->kind = SUAN__OP_ATTENTION;
    suan__mla_attend(w, l, i_layer);
    suan__acts u = suan__acts_rounded(
        st, (suan__acts){.x = st->latent_o, .ld = (size_t)H * lora, .slice_ld = lora, .n_cols = T, .n_slices = H, .k = lora});
    suan__then_multiply(w, SUAN__OP_OUT, &u, (suan__product[]){{&l->wv_b, st->att, (size_t)H * hp->v_dim, hp->v_dim}}, 1);
    suan__acts a = {.x = st->att, .ld = (size_t)H * hp->v_dim, .n_cols = T, .n_slices = 1, .k = H * hp->v_dim};
    suan__then_multiply(w, SUAN__OP_OUT, &a, (suan__product[]){{&l->wo, st->out, hp->n_embd, 0}}, 1);
}
