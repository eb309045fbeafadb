/* ahead.c: what goes into the module that guesses ahead, and how it keeps up with a sequence. */
#include "model/ahead.h"

#include <string.h>

#include "model/compress.h"
#include "model/step.h"

#define ROWS 64 /* that are made in one step at most */

/* ---- its input ---- */

static uint32_t n_states(const suan__hparams *hp) {
    return hp->n_stream ? hp->n_stream : 1;
}

/* Without streams [T][embedding, state]; with streams [T] embeddings, then [T][n_stream] states. */
void suan__ahead_place(suan__layout *l, const suan__hparams *hp, suan__step *st, uint64_t T) {
    SUAN__PUT(l, st->joined, T * (1 + n_states(hp)), hp->n_embd);
}

uint64_t suan__ahead_q8_bytes(const suan__hparams *hp, uint64_t T) {
    return T * (hp->n_stream ? hp->n_stream * suan__q8_row_bytes(hp->n_embd, 32) : suan__q8_row_bytes(2 * (size_t)hp->n_embd, 32));
}

void suan__step_hidden(suan__step *step, const float *rows, const float *norm) {
    step->hidden = rows;
    step->hidden_norm = norm;
}

void suan__ahead_token(suan__step *st, uint32_t t) {
    const suan__model *m = st->model;
    const suan__kernels *kn = m->kernels;
    uint32_t n = m->hp.n_stream;
    size_t d = m->hp.n_embd;
    float *e = st->joined + t * (n ? d : 2 * d), *h = n ? st->joined + ((size_t)st->max_tokens + (size_t)t * n) * d : e + d;
    suan__embed(st, t, e);
    kn->rms_norm(e, e, m->ahead_norm_e, d, m->hp.rms_eps);
    for (uint32_t i = 0; i < n_states(&m->hp); i++) {
        const float *state = st->hidden + ((size_t)t * n_states(&m->hp) + i) * d;
        if (st->hidden_norm) kn->rms_norm(h + i * d, state, st->hidden_norm, d, m->hp.rms_eps);
        kn->rms_norm(h + i * d, st->hidden_norm ? h + i * d : state, m->ahead_norm_h, d, m->hp.rms_eps);
    }
}

static void join_streams(suan__worker *w) {
    suan__step *st = w->st;
    const suan__model *m = st->model;
    uint32_t d = m->hp.n_embd, n = m->hp.n_stream, T = st->n_tokens;
    suan__acts e = {.x = st->joined, .ld = d, .n_cols = T, .n_slices = 1, .k = d};
    suan__acts h = {.x = st->joined + (size_t)st->max_tokens * d, .ld = d, .n_cols = T * n, .n_slices = 1, .k = d};
    suan__products(w, &e, (suan__product[]){{&m->ahead_e, st->out, d, 0}}, 1);
    suan__products(w, &h, (suan__product[]){{&m->ahead_h, st->x, d, 0}}, 1);
    for (uint32_t i; suan__next_tile(w, T * n, &i);) m->kernels->add(st->x + (size_t)i * d, st->out + (size_t)(i / n) * d, d);
    suan__end_op(w);
}

void suan__ahead_join(suan__worker *w) {
    suan__step *st = w->st;
    const suan__model *m = st->model;
    uint32_t d = m->hp.n_embd;
    if (m->hp.n_stream) {
        join_streams(w);
        return;
    }
    suan__acts a = {.x = st->joined, .ld = 2 * (size_t)d, .n_cols = st->n_tokens, .n_slices = 1, .k = 2 * d};
    suan__products(w, &a, (suan__product[]){{&m->ahead_join, st->x, d, 0}}, 1);
    for (uint32_t t; suan__next_tile(w, st->n_tokens, &t);) suan__first_norm(st, t);
    suan__end_op(w);
}

/* ---- in a session ---- */

struct suan__ahead {
    const suan__model *module, *trunk;
    suan__kv kv;
    suan__step *step;
    bool exact, has_failed;
    uint32_t n_done, n_held, capacity; /* rows [0, n_done) are made; states of the n_held positions behind them wait for their tokens */
    size_t width;                      /* of a state */
    float *held;                       /* [capacity][width] */
};

static uint32_t step_rows(const suan__ahead_options *o) {
    uint32_t n = o->chunk < ROWS ? o->chunk : ROWS;
    return n < o->n_ctx ? n : o->n_ctx;
}

static size_t state_width(const suan__hparams *hp) {
    return (size_t)n_states(hp) * hp->n_embd;
}

uint64_t suan__ahead_bytes(const suan__ahead_options *o) {
    const suan__hparams *hp = &o->module->hp;
    uint64_t kv = suan__kv_bytes(hp, o->n_ctx, o->kv), sum;
    uint64_t scratch = suan__scratch_bytes(hp, step_rows(o), o->n_ctx, suan__pool_n_threads(o->module->pool));
    if (!suan__add_u64(kv, scratch, &sum) || !suan__add_u64(sum, step_rows(o) * state_width(hp) * sizeof(float), &sum)) return UINT64_MAX;
    return sum;
}

suan_status suan__ahead_create(suan__ahead **ahead, const suan__ahead_options *o, suan_error *err) {
    suan_status status = SUAN_OK;
    suan__ahead *a = suan__calloc(1, sizeof *a);
    *ahead = NULL;
    SUAN_CHECK(a, SUAN_ENOMEM, "out of memory for a session");
    a->module = o->module;
    a->trunk = o->trunk;
    a->exact = o->exact;
    a->capacity = step_rows(o);
    a->width = state_width(&o->module->hp);
    a->held = suan__malloc_aligned(a->capacity * a->width * sizeof *a->held);
    SUAN_CHECK_GOTO(a->held, SUAN_ENOMEM, "out of memory for the states of %u positions", a->capacity);
    SUAN_TRY_GOTO(suan__kv_create(&a->kv, &o->module->hp, o->n_ctx, o->kv, err));
    a->kv.rounding = o->rounding;
    SUAN_TRY_GOTO(suan__step_create(&a->step, o->module, a->capacity, o->n_ctx, err));
    *ahead = a;
    return SUAN_OK;
fail:
    suan__ahead_free(a);
    return status;
}

void suan__ahead_free(suan__ahead *a) {
    if (!a) return;
    suan__step_free(a->step);
    suan__kv_free(&a->kv);
    suan__free(a->held);
    suan__free(a);
}

/* Streams go in as they are. */
static const float *norm_of(const suan__model *m) {
    return m->hp.n_stream ? NULL : m->out_norm;
}

static bool run(suan__ahead *a, const float *states, const float *norm, const int32_t *ids, uint32_t n, uint32_t pos, bool want_logits) {
    suan__step_hidden(a->step, states, norm);
    if (suan__step_run(a->step, &a->kv, ids, n, pos, a->exact, want_logits, NULL, NULL, NULL, NULL) != SUAN_OK) a->has_failed = true;
    return !a->has_failed;
}

/* Makes the rows of all states held; ids reaches one position behind the last of them. */
static bool make_rows(suan__ahead *a, const int32_t *ids, bool want_logits) {
    bool is_fine = run(a, a->held, norm_of(a->trunk), ids + a->n_done + 1, a->n_held, a->n_done, want_logits);
    a->n_done += a->n_held;
    a->n_held = 0;
    return is_fine;
}

void suan__ahead_take(suan__ahead *a, const float *states, uint32_t n, const int32_t *ids) {
    while (n > 0 && !a->has_failed) {
        if (a->n_held == a->capacity && !make_rows(a, ids, false)) return;
        uint32_t k = a->capacity - a->n_held < n ? a->capacity - a->n_held : n;
        memcpy(a->held + a->n_held * a->width, states, k * a->width * sizeof *states);
        a->n_held += k;
        states += k * a->width;
        n -= k;
    }
}

void suan__ahead_rewind(suan__ahead *a, uint32_t pos) {
    if (pos == 0) a->has_failed = false;
    if (pos < a->n_done) {
        if (suan__past_reach(&a->kv, pos) == pos) suan__past_rewind(&a->kv, &a->module->hp, pos);
        a->n_done = pos;
        a->n_held = 0;
    } else if (pos - a->n_done < a->n_held) {
        a->n_held = pos - a->n_done;
    }
}

const float *suan__ahead_first(suan__ahead *a, const int32_t *ids, uint32_t pos) {
    if (a->has_failed || a->n_held == 0 || a->n_done + a->n_held != pos) return NULL;
    uint32_t n = a->n_held;
    if (!make_rows(a, ids, true)) return NULL;
    /* The last row's state moves to the front, where suan__ahead_next looks for it. */
    memcpy(a->held, suan__step_state(a->step) + (n - 1) * a->width, a->width * sizeof *a->held);
    return suan__step_logits(a->step);
}

const float *suan__ahead_next(suan__ahead *a, int32_t id, uint32_t pos) {
    if (a->has_failed || !run(a, a->held, norm_of(a->module), &id, 1, pos, true)) return NULL;
    memcpy(a->held, suan__step_state(a->step), a->width * sizeof *a->held);
    return suan__step_logits(a->step);
}
