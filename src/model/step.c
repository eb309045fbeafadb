/* step.c: the buffers of a step, and the run of a step through all layers. */
#include "model/step.h"

#include <stdio.h>
#include <string.h>

#include "model/ahead.h"
#include "model/compress.h"
#include "model/dsv4.h"
#include "model/hyper.h"
#include "model/layout.h"

#define FINITE_PIECE 16384 /* logits that one tile looks at */

/* ---- buffers ---- */

typedef suan__layout layout;
#define PUT(field, n, width) SUAN__PUT(l, field, n, width)

static uint64_t max64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void place_thread(layout *l, const suan__hparams *hp, suan__thread_scratch *sc) {
    uint64_t dv = hp->kv_lora ? hp->kv_lora : hp->head_dim;
    PUT(sc->expand, SUAN__EXPAND_SCRATCH, 1);
    PUT(sc->q, (uint64_t)hp->head_dim + 2, SUAN__ATTN_ROWS); /* two rows more: vectors at the end of the transposed form reach beyond */
    PUT(sc->s, SUAN__ATTN_ROWS, SUAN__ATTN_BLOCK);
    PUT(sc->o, SUAN__ATTN_ROWS, dv);
    PUT(sc->o2, SUAN__ATTN_ROWS, dv);
    PUT(sc->m, SUAN__ATTN_ROWS, 1);
    PUT(sc->sum, SUAN__ATTN_ROWS, 1);
    PUT(sc->q_rows, SUAN__ATTN_ROWS, suan__q8_row_bytes(suan__attn_q8_width(hp->head_dim), 32));
    PUT(sc->q_panels, SUAN__ATTN_ROWS / SUAN__PANEL * (suan__attn_q8_width(hp->head_dim) / 32), SUAN__ATTN_Q8_PANEL_BLOCK);
    PUT(sc->kv_row, suan__kv_scratch_bytes(hp->head_dim), 1);
    PUT(sc->q8, suan__q8_row_bytes(SUAN__PIECE, 32), 1);
    if (hp->index_topk) suan__index_place_thread(l, hp, sc);
    if (hp->n_stream) suan__hyper_place_thread(l, hp, sc);
    if (hp->window) PUT(sc->row, max64(hp->head_dim, hp->index_dim), 1);
}

static void place_moe(layout *l, const suan__hparams *hp, suan__step *st, uint64_t T) {
    uint64_t slots = T * hp->n_expert_used;
    PUT(st->expert_out, slots, hp->n_embd);
    PUT(st->gathered, slots, hp->n_embd);
    PUT(st->moe_sum, T, hp->n_embd);
    PUT(st->router, T, hp->n_expert);
    PUT(st->router_key, T, 2 * (uint64_t)hp->n_expert);
    PUT(st->group_scratch, T, hp->n_group);
    PUT(st->selected, slots, 1);
    PUT(st->selected_weight, slots, 1);
    PUT(st->slot_of, slots, 1);
    PUT(st->slot_token, slots, 1);
    PUT(st->expert_begin, (uint64_t)hp->n_expert + 1, 1);
    PUT(st->expert_fill, hp->n_expert, 1);
    PUT(st->busy, hp->n_expert, 1);
    PUT(st->q8_gather_32, slots, suan__q8_row_bytes(hp->n_embd, 32));
    PUT(st->q8_gather_256, slots, suan__q8_row_bytes(hp->n_embd, 256));
}

static void place_shared(layout *l, uint64_t width, suan__step *st, uint64_t n_tokens) {
    PUT(st->shared_gate, n_tokens, width);
    PUT(st->shared_up, n_tokens, width);
    PUT(st->shared_32, n_tokens, suan__q8_row_bytes(width, 32));
    PUT(st->shared_256, n_tokens, suan__q8_row_bytes(width, 256));
}

/* The widest set of q8 rows that a part makes: rows times bytes of a row, for blocks of 32 (those of 256 are smaller). */
static uint64_t q8_bytes(const suan__hparams *hp, uint64_t T) {
    uint64_t n = T * suan__q8_row_bytes(hp->n_embd, 32);
    n = max64(n, T * suan__q8_row_bytes(hp->n_ff, 32));
    n = max64(n, T * suan__q8_row_bytes((size_t)hp->n_head * (hp->kv_lora ? hp->v_dim : hp->head_dim), 32));
    if (hp->n_expert) {
        n = max64(n, T * hp->n_expert_used * suan__q8_row_bytes(hp->n_ff_exp, 32));
        n = max64(n, T * suan__q8_row_bytes((size_t)hp->n_expert_shared * hp->n_ff_exp, 32));
    }
    if (hp->kv_lora) {
        n = max64(n, T * suan__q8_row_bytes(hp->q_lora, 32));
        n = max64(n, T * hp->n_head * suan__q8_row_bytes(hp->nope, 32));
        n = max64(n, T * hp->n_head * suan__q8_row_bytes(hp->kv_lora, 32));
    }
    if (hp->is_ahead) n = max64(n, suan__ahead_q8_bytes(hp, T));
    return hp->window ? max64(n, suan__dsv4_q8_bytes(hp, T)) : n;
}

/* Blocks of a long cache are kept apart for one token, up to this many positions: as much memory as one layer's cache at most. */
#define SPLIT_POSITIONS 65536

static void place_split(layout *l, const suan__hparams *hp, suan__step *st, uint32_t n_ctx, int n_threads) {
    uint64_t blocks = ((uint64_t)(n_ctx < SPLIT_POSITIONS ? n_ctx : SPLIT_POSITIONS) + SUAN__ATTN_BLOCK - 1) / SUAN__ATTN_BLOCK;
    st->split_blocks = n_threads > 1 && !hp->window ? (uint32_t)blocks : 0;
    PUT(st->split_o, (uint64_t)hp->n_head * st->split_blocks, hp->kv_lora ? hp->kv_lora : hp->head_dim);
    PUT(st->split_m, hp->n_head, st->split_blocks);
    PUT(st->split_sum, hp->n_head, st->split_blocks);
}

static void place(layout *l, const suan__hparams *hp, suan__step *st, uint64_t T, uint32_t n_ctx, int n_threads) {
    uint64_t H = hp->n_head, qk = hp->kv_lora ? hp->nope + hp->rope : hp->head_dim, dv = hp->kv_lora ? hp->v_dim : hp->head_dim;
    uint64_t ff = hp->n_ff, few = T < SUAN__GATED_TOKENS ? T : SUAN__GATED_TOKENS;
    PUT(st->x, T * (hp->n_stream ? hp->n_stream : 1), hp->n_embd);
    PUT(st->h, T, hp->n_embd);
    PUT(st->out, T, hp->n_embd);
    PUT(st->h_32, T, suan__q8_row_bytes(hp->n_embd, 32));
    PUT(st->h_256, T, suan__q8_row_bytes(hp->n_embd, 256));
    PUT(st->cos, T, hp->n_rot / 2);
    PUT(st->sin, T, hp->n_rot / 2);
    PUT(st->q, T, H * qk);
    PUT(st->kv_new, T, hp->kv_lora ? hp->head_dim : 2 * (uint64_t)hp->n_head_kv * hp->head_dim);
    PUT(st->att, T, H * dv);
    if (hp->kv_lora) {
        PUT(st->q_a, T, hp->q_lora);
        PUT(st->latent_q, T, H * hp->kv_lora);
        PUT(st->latent_o, T, H * hp->kv_lora);
    }
    if (hp->n_expert) {
        ff = max64(ff, (uint64_t)max64(hp->n_expert_used, hp->n_expert_shared) * hp->n_ff_exp);
        place_moe(l, hp, st, T);
        place_shared(l, (uint64_t)hp->n_expert_shared * hp->n_ff_exp, st, few);
    }
    PUT(st->gate, T, ff);
    PUT(st->up, T, ff);
    PUT(st->units, few * hp->n_expert_used * suan__gated_units(hp->n_ff_exp) + suan__gated_units((uint32_t)ff), 1);
    st->q8_bytes = (size_t)q8_bytes(hp, T);
    PUT(st->q8_32, st->q8_bytes, 1);
    PUT(st->q8_256, st->q8_bytes, 1);
    place_split(l, hp, st, n_ctx, n_threads);
    if (hp->window)
        suan__dsv4_place(l, hp, st, T, n_ctx);
    else if (hp->index_topk)
        suan__index_place(l, hp, st, T, ((uint64_t)n_ctx + SUAN__ATTN_BLOCK - 1) / SUAN__ATTN_BLOCK * SUAN__ATTN_BLOCK);
    if (hp->is_ahead) suan__ahead_place(l, hp, st, T);
    PUT(st->logits, SUAN__LOGIT_ROWS, hp->n_vocab);
    PUT(st->stretches, (uint64_t)n_threads, 1);
    PUT(st->threads, (uint64_t)n_threads, 1);
    suan__thread_scratch none;
    for (int i = 0; i < n_threads; i++) place_thread(l, hp, l->base ? &st->threads[i] : &none);
}

uint64_t suan__scratch_bytes(const suan__hparams *hp, uint32_t chunk, uint32_t n_ctx, int n_threads) {
    layout l = {0};
    suan__step none;
    place(&l, hp, &none, chunk, n_ctx, n_threads);
    return l.overflow ? UINT64_MAX : l.at;
}

suan_status suan__step_create(suan__step **step, const suan__model *model, uint32_t max_tokens, uint32_t n_ctx, suan_error *err) {
    int n_threads = suan__pool_n_threads(model->pool);
    uint64_t bytes = suan__scratch_bytes(&model->hp, max_tokens, n_ctx, n_threads);
    *step = NULL;
    suan__step *st = suan__calloc(1, sizeof *st);
    SUAN_CHECK(st, SUAN_ENOMEM, "out of memory for a session");
    st->pages = bytes <= SIZE_MAX / 2 ? suan__pages_alloc((size_t)bytes) : NULL;
    if (!st->pages) {
        suan__free(st);
        char text[SUAN__BYTES_TEXT];
        return suan__fail(err, SUAN_ENOMEM, "%s of buffers for chunks of %u tokens cannot be had", suan__bytes_text(text, bytes),
                          max_tokens);
    }
    st->model = model;
    st->max_tokens = max_tokens;
    st->pages_bytes = (size_t)bytes;
    layout l = {.base = st->pages};
    place(&l, &model->hp, st, max_tokens, n_ctx, n_threads);
    if (model->hp.window) suan__dsv4_init(st);
    *step = st;
    return SUAN_OK;
}

void suan__step_free(suan__step *step) {
    if (!step) return;
    suan__pages_free(step->pages, step->pages_bytes);
    suan__free(step);
}

const float *suan__step_logits(const suan__step *step) {
    return step->logits;
}

const float *suan__step_state(const suan__step *step) {
    return step->x;
}

/* ---- faults ---- */

/* layer + 1 in the upper half, then the token, then the kind: the smallest number is the first fault. */
void suan__step_fault(suan__step *st, suan__fault what, uint32_t i_layer, uint32_t i_token) {
    unsigned long long fault = ((unsigned long long)i_layer + 1) << 32 | (unsigned long long)i_token << 4 | (unsigned)what,
                       seen = atomic_load(&st->fault);
    while ((seen == 0 || fault < seen) && !atomic_compare_exchange_weak(&st->fault, &seen, fault)) {}
}

static suan_status report_fault(suan__step *st, suan_error *err) {
    unsigned long long fault = atomic_load(&st->fault);
    SUAN_TRY(suan__model_check(st->model, err)); /* first: zeros where weights were make other faults */
    if (!fault) return SUAN_OK;
    static const char *const what[] = {"", "a key or value", "", "the indexer", "the attention output", "the router", "the logits"};
    uint32_t kind = fault & 15, pos = st->pos0 + (uint32_t)(fault >> 4 & 0xfffffff), layer = (uint32_t)(fault >> 32) - 1;
    if (kind == SUAN__FAULT_LOGITS) return suan__fail(err, SUAN_ENUMERIC, "the logits of position %u hold a value that is not finite", pos);
    if (kind == SUAN__FAULT_RANGE)
        return suan__fail(err, SUAN_ENUMERIC, "a key or value of layer %u at position %u does not fit into the %s cache (use an f32 cache)",
                          layer, pos, suan__kv_type_name(st->kv->type));
    return suan__fail(err, SUAN_ENUMERIC, "%s of layer %u at position %u holds a value that is not finite", what[kind], layer, pos);
}

/* ---- the run ---- */

static suan__worker start_worker(suan__step *st, int i_thread, int n_threads, suan__op kind) {
    if (i_thread == 0 && st->profile) suan__stamp(st, SUAN__N_OPS);
    return (suan__worker){.st = st, .i_thread = i_thread, .n_threads = n_threads, .kind = kind, .scratch = &st->threads[i_thread]};
}

void suan__embed(suan__step *st, uint32_t t, float *to) {
    const suan__weight *e = &st->model->embd;
    size_t panel_bytes = suan__panel_bytes(e->type, e->n_cols);
    unsigned char *row =
        (unsigned char *)(st->out + (size_t)t * e->n_cols); /* free at this time, and a stored row is not larger than F32 */
    uint32_t id = (uint32_t)st->ids[t];
    suan__panel_unpack_row(e->type, row, e->data + id / SUAN__PANEL * panel_bytes, e->n_cols, (int)(id % SUAN__PANEL));
    suan__dequantize_row(e->type, to, row, e->n_cols);
}

static void embed(suan__step *st, uint32_t t) {
    uint32_t n = st->model->hp.n_stream;
    suan__embed(st, t, st->x + (size_t)t * (n ? n : 1) * st->model->hp.n_embd);
    if (n)
        suan__hyper_start(st, t);
    else
        suan__first_norm(st, t);
}

static void run_layers(void *ctx, int i_thread, int n_threads) {
    suan__step *st = ctx;
    const suan__hparams *hp = &st->model->hp;
    suan__worker w = start_worker(st, i_thread, n_threads, SUAN__OP_EMBED);
    for (uint32_t t; suan__next_tile(&w, st->n_tokens, &t);) {
        if (hp->is_ahead)
            suan__ahead_token(st, t);
        else
            embed(st, t);
        suan__rope_table(st->cos + (size_t)t * hp->n_rot / 2, st->sin + (size_t)t * hp->n_rot / 2, hp->rope_freq, hp->n_rot / 2,
                         (int64_t)st->pos0 + t, (float)hp->rope_factor);
        if (hp->far_freq)
            suan__rope_table(st->far_cos + (size_t)t * hp->n_rot / 2, st->far_sin + (size_t)t * hp->n_rot / 2, hp->far_freq, hp->n_rot / 2,
                             (int64_t)st->pos0 + t, 1.0f);
    }
    suan__end_op(&w);
    if (hp->is_ahead) suan__ahead_join(&w);
    for (uint32_t i = 0; i < hp->n_layer && !st->stopped; i++) st->model->family->layer(&w, &st->model->layers[i], i);
}

static void run_head(void *ctx, int i_thread, int n_threads) {
    suan__step *st = ctx;
    const suan__model *m = st->model;
    suan__worker w = start_worker(st, i_thread, n_threads, SUAN__OP_HEAD);
    size_t d = m->hp.n_embd, v = m->hp.n_vocab;
    if (m->hp.n_stream) suan__hyper_head(&w, st->logit_row0, st->n_logit_rows);
    for (uint32_t t; !m->hp.n_stream && suan__next_tile(&w, st->n_logit_rows, &t);) {
        m->kernels->rms_norm(st->h + t * d, st->x + (st->logit_row0 + t) * d, m->out_norm, d, m->hp.rms_eps);
        suan__round_row_for(st, &m->head, t, st->h + t * d, d);
    }
    suan__end_op(&w);
    suan__acts h = suan__acts_rounded(st, (suan__acts){.x = st->h, .ld = d, .n_cols = st->n_logit_rows, .n_slices = 1, .k = (uint32_t)d});
    suan__products(&w, &h, (suan__product[]){{&m->head, st->logits, v, 0}}, 1);
    uint32_t pieces = (uint32_t)((v + FINITE_PIECE - 1) / FINITE_PIECE);
    for (uint32_t i; suan__next_tile(&w, st->n_logit_rows * pieces, &i);) {
        uint32_t t = i / pieces;
        size_t begin = (size_t)(i % pieces) * FINITE_PIECE, n = v - begin < FINITE_PIECE ? v - begin : FINITE_PIECE;
        if (!m->kernels->all_finite(st->logits + t * v + begin, n))
            suan__step_fault(st, SUAN__FAULT_LOGITS, m->hp.n_layer, st->logit_row0 + t);
    }
}

static void run(suan__step *st, suan__pool_fn *fn) {
    suan__reset_tiles(st);
    suan__pool_run(st->model->pool, fn, st);
}

/* The rows [row0, row0 + n) of logits; the last row computed ends up in row 0 of the buffer when it is the last of the step. */
static suan_status head_rows(suan__step *st, uint32_t row0, uint32_t n, suan_error *err) {
    st->logit_row0 = row0;
    st->n_logit_rows = n;
    run(st, run_head);
    return report_fault(st, err);
}

suan_status suan__step_run(suan__step *st, suan__kv *kv, const int32_t *ids, uint32_t n_tokens, uint32_t pos0, bool exact, bool want_logits,
                           suan__row_fn *on_row, void *ctx, const atomic_bool *cancel, suan_error *err) {
    st->kv = kv;
    st->ids = ids;
    st->n_tokens = n_tokens;
    st->pos0 = pos0;
    st->exact = exact;
    st->cancel = cancel;
    st->stopped = false;
    atomic_store(&st->fault, 0);
    suan__past_begin(kv, pos0 + n_tokens);
    run(st, run_layers);
    if (st->stopped) return suan__fail(err, SUAN_STOPPED, "stopped by the caller");
    SUAN_TRY(report_fault(st, err));
    suan__past_end(kv, &st->model->hp, pos0, pos0 + n_tokens);
    size_t v = st->model->hp.n_vocab;
    if (!on_row) return want_logits ? head_rows(st, n_tokens - 1, 1, err) : SUAN_OK;
    for (uint32_t row = 0; row < n_tokens; row += SUAN__LOGIT_ROWS) {
        uint32_t n = n_tokens - row < SUAN__LOGIT_ROWS ? n_tokens - row : SUAN__LOGIT_ROWS;
        SUAN_TRY(head_rows(st, row, n, err));
        for (uint32_t i = 0; i < n; i++)
            if (on_row(ctx, row + i, st->logits + i * v)) return suan__fail(err, SUAN_STOPPED, "stopped by the caller");
        if (row + n == n_tokens && n > 1) memmove(st->logits, st->logits + (n - 1) * v, v * sizeof *st->logits);
    }
    return SUAN_OK;
}

suan_status suan__step_rows(suan__step *st, uint32_t n_tokens, suan_error *err) {
    return head_rows(st, 0, n_tokens, err);
}
