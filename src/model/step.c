/* step.c: the buffers of a step. */
#include "model/step.h"

#include "model/ahead.h"
#include "model/compress.h"
#include "model/dsv4.h"
#include "model/hyper.h"
#include "model/layout.h"

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
    PUT(st->expert_use, hp->n_layer, hp->n_expert);
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

/* What a step is made for. */
typedef struct sizes {
    uint32_t n_tokens, n_ctx, n_rows; /* tokens and rows of logits at most */
    int n_threads;
} sizes;

static void place(layout *l, const suan__hparams *hp, suan__step *st, const sizes *of) {
    uint64_t T = of->n_tokens;
    uint32_t n_ctx = of->n_ctx;
    int n_threads = of->n_threads;
    uint64_t H = hp->n_head, qk = hp->kv_lora ? hp->nope + hp->rope : hp->head_dim, dv = hp->kv_lora ? hp->v_dim : hp->head_dim;
    uint64_t ff = hp->n_ff, few = T < SUAN__GATED_TOKENS ? T : SUAN__GATED_TOKENS;
    PUT(st->tokens, T, 1);
    PUT(st->strips, T, 1);
    PUT(st->faults, T, 1);
    PUT(st->row_token, of->n_rows, 1);
    PUT(st->row_segment, of->n_rows, 1);
    PUT(st->row_place, of->n_rows, 1);
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
    PUT(st->logits, of->n_rows, hp->n_vocab);
    PUT(st->stretches, (uint64_t)n_threads, 1);
    PUT(st->threads, (uint64_t)n_threads, 1);
    suan__thread_scratch none;
    for (int i = 0; i < n_threads; i++) place_thread(l, hp, l->base ? &st->threads[i] : &none);
}

static uint64_t bytes_for(const suan__hparams *hp, const sizes *of) {
    layout l = {0};
    suan__step none;
    place(&l, hp, &none, of);
    return l.overflow ? UINT64_MAX : l.at;
}

uint64_t suan__scratch_bytes(const suan__hparams *hp, uint32_t chunk, uint32_t n_ctx, int n_threads) {
    return suan__scratch_bytes_many(hp, chunk, n_ctx, SUAN__LOGIT_ROWS, n_threads);
}

uint64_t suan__scratch_bytes_many(const suan__hparams *hp, uint32_t max_tokens, uint32_t n_ctx, uint32_t n_rows, int n_threads) {
    return bytes_for(hp, &(sizes){max_tokens, n_ctx, n_rows, n_threads});
}

suan_status suan__step_create(suan__step **step, const suan__model *model, uint32_t max_tokens, uint32_t n_ctx, suan_error *err) {
    return suan__step_create_many(step, model, max_tokens, n_ctx, SUAN__LOGIT_ROWS, err);
}

suan_status suan__step_create_many(suan__step **step, const suan__model *model, uint32_t max_tokens, uint32_t n_ctx, uint32_t n_rows,
                                   suan_error *err) {
    sizes of = {max_tokens, n_ctx, n_rows, suan__pool_n_threads(model->pool)};
    uint64_t bytes = bytes_for(&model->hp, &of);
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
    st->max_rows = n_rows;
    st->n_ctx = (n_ctx + SUAN__ATTN_BLOCK - 1) / SUAN__ATTN_BLOCK * SUAN__ATTN_BLOCK;
    st->pages_bytes = (size_t)bytes;
    layout l = {.base = st->pages};
    place(&l, &model->hp, st, &of);
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

const uint32_t *suan__step_expert_use(const suan__step *step) {
    return step->model->hp.n_expert ? step->expert_use : NULL;
}
