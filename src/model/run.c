/* run.c: a step through all layers and the head, for one sequence or several. */
#include <string.h>

#include "model/ahead.h"
#include "model/attention.h"
#include "model/compress.h"
#include "model/hyper.h"

#define FINITE_PIECE 16384 /* logits that one tile looks at */

/* ---- faults ---- */

/* layer + 1 in the upper half, then the position, then the kind: the smallest number is the first fault. */
void suan__step_fault(suan__step *st, suan__fault what, uint32_t i_layer, uint32_t i_token) {
    const suan__token *token = &st->tokens[i_token];
    unsigned long long fault = ((unsigned long long)i_layer + 1) << 32 | (unsigned long long)token->pos << 4 | (unsigned)what;
    atomic_ullong *first = &st->faults[token->segment];
    unsigned long long seen = atomic_load(first);
    while ((seen == 0 || fault < seen) && !atomic_compare_exchange_weak(first, &seen, fault)) {}
}

static suan_status describe_fault(const suan__step *st, uint32_t i_segment, suan_error *err) {
    unsigned long long fault = atomic_load(&st->faults[i_segment]);
    if (!fault) return SUAN_OK;
    static const char *const what[] = {"", "a key or value", "", "the indexer", "the attention output", "the router", "the logits"};
    uint32_t kind = fault & 15, pos = fault >> 4 & 0xfffffff, layer = (uint32_t)(fault >> 32) - 1;
    if (kind == SUAN__FAULT_LOGITS) return suan__fail(err, SUAN_ENUMERIC, "the logits of position %u hold a value that is not finite", pos);
    if (kind == SUAN__FAULT_RANGE)
        return suan__fail(err, SUAN_ENUMERIC, "a key or value of layer %u at position %u does not fit into the %s cache (use an f32 cache)",
                          layer, pos, suan__kv_type_name(st->kv_type));
    return suan__fail(err, SUAN_ENUMERIC, "%s of layer %u at position %u holds a value that is not finite", what[kind], layer, pos);
}

/* Each segment's status. What is of all of them comes first: zeros where weights were make other faults. */
static suan_status report_faults(suan__step *st, suan_error *err) {
    SUAN_TRY(suan__model_check(st->model, err));
    for (uint32_t i = 0; i < st->n_segments; i++) {
        suan__segment *s = &st->segments[i];
        if (s->status == SUAN_OK) s->status = describe_fault(st, i, &s->error);
    }
    return SUAN_OK;
}

/* ---- tables ---- */

void suan__step_begin(suan__step *st, suan__segment *segments, uint32_t n_segments, bool exact) {
    uint32_t at_once = suan__attend_tokens(&st->model->hp);
    st->segments = segments;
    st->n_segments = n_segments;
    st->exact = exact;
    st->kv_type = segments->kv->type;
    st->rounding = segments->kv->rounding;
    st->n_tokens = st->n_strips = st->last_pos = st->n_kept = 0;
    for (uint32_t i = 0; i < n_segments; i++) {
        suan__segment *s = &segments[i];
        s->status = SUAN_OK;
        atomic_store(&st->faults[i], 0);
        for (uint32_t t = 0; t < s->n_tokens; t += at_once)
            st->strips[st->n_strips++] = (suan__strip){st->n_tokens + t, s->n_tokens - t < at_once ? s->n_tokens - t : at_once};
        for (uint32_t t = 0; t < s->n_tokens; t++)
            st->tokens[st->n_tokens++] = (suan__token){s->ids ? s->ids[t] : 0, s->pos0 + t, i, s->kv};
        uint32_t last = s->pos0 + s->n_tokens - 1;
        if (last > st->last_pos) st->last_pos = last;
        st->n_kept += st->only_logits && suan__may_leave_out(st->model) ? s->n_logits : s->n_tokens;
    }
}

/* ---- layers ---- */

static suan__worker start_worker(suan__step *st, int i_thread, int n_threads, suan__op kind) {
    if (i_thread == 0 && st->profile) suan__stamp(st, SUAN__N_OPS);
    return (suan__worker){.st = st, .i_thread = i_thread, .n_threads = n_threads, .kind = kind, .scratch = &st->threads[i_thread]};
}

void suan__embed(suan__step *st, uint32_t t, float *to) {
    const suan__weight *e = &st->model->embd;
    size_t panel_bytes = suan__panel_bytes(e->type, e->n_cols);
    unsigned char *row =
        (unsigned char *)(st->out + (size_t)t * e->n_cols); /* free at this time, and a stored row is not larger than F32 */
    uint32_t id = (uint32_t)st->tokens[t].id;
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

static void set_angles(suan__step *st, uint32_t t) {
    const suan__hparams *hp = &st->model->hp;
    size_t n = hp->n_rot / 2, at = t * n;
    suan__rope_table(st->cos + at, st->sin + at, hp->rope_freq, n, st->tokens[t].pos, (float)hp->rope_factor);
    if (hp->far_freq) suan__rope_table(st->far_cos + at, st->far_sin + at, hp->far_freq, n, st->tokens[t].pos, 1.0f);
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
        set_angles(st, t);
    }
    suan__end_op(&w);
    if (hp->is_ahead) suan__ahead_join(&w);
    for (uint32_t i = 0; i < hp->n_layer && !st->stopped; i++) st->model->family->layer(&w, &st->model->layers[i], i);
}

static void run(suan__step *st, suan__pool_fn *fn) {
    suan__reset_tiles(st);
    suan__pool_run(st->model->pool, fn, st);
}

/* All layers; then segments have their status. */
static suan_status run_segments(suan__step *st, suan__segment *segments, uint32_t n, bool exact, const atomic_bool *cancel,
                                suan_error *err) {
    suan__step_begin(st, segments, n, exact);
    st->cancel = cancel;
    st->stopped = false;
    for (uint32_t i = 0; i < n; i++) suan__past_begin(segments[i].kv, segments[i].pos0 + segments[i].n_tokens);
    run(st, run_layers);
    if (st->stopped) return suan__fail(err, SUAN_STOPPED, "stopped by the caller");
    SUAN_TRY(report_faults(st, err));
    for (uint32_t i = 0; i < n; i++) {
        const suan__segment *s = &segments[i];
        if (s->status == SUAN_OK) suan__past_end(s->kv, &st->model->hp, s->pos0, s->pos0 + s->n_tokens);
    }
    return SUAN_OK;
}

/* ---- the head ---- */

static void set_row(suan__step *st, uint32_t i, uint32_t token, uint32_t place) {
    st->row_token[i] = token;
    st->row_segment[i] = st->tokens[token].segment;
    st->row_place[i] = place;
}

/* The last norm of the rows at hand, ended. */
static void norm_rows(suan__worker *w) {
    suan__step *st = w->st;
    const suan__model *m = st->model;
    size_t d = m->hp.n_embd;
    if (m->hp.n_stream) {
        suan__hyper_head(w);
        return;
    }
    for (uint32_t i; suan__next_tile(w, st->n_rows, &i);) {
        m->kernels->rms_norm(st->h + i * d, st->x + st->row_token[i] * d, m->out_norm, d, m->hp.rms_eps);
        suan__round_row_for(st, &m->head, i, st->h + i * d, d);
    }
    suan__end_op(w);
}

static void run_norms(void *ctx, int i_thread, int n_threads) {
    suan__worker w = start_worker(ctx, i_thread, n_threads, SUAN__OP_HEAD);
    norm_rows(&w);
}

static void run_head(void *ctx, int i_thread, int n_threads) {
    suan__step *st = ctx;
    const suan__model *m = st->model;
    suan__worker w = start_worker(st, i_thread, n_threads, SUAN__OP_HEAD);
    size_t d = m->hp.n_embd, v = m->hp.n_vocab;
    norm_rows(&w);
    suan__acts h = suan__acts_rounded(st, (suan__acts){.x = st->h, .ld = d, .n_cols = st->n_rows, .n_slices = 1, .k = (uint32_t)d});
    suan__products(&w, &h, (suan__product[]){{&m->head, st->logits, v, 0}}, 1);
    uint32_t pieces = (uint32_t)((v + FINITE_PIECE - 1) / FINITE_PIECE);
    for (uint32_t i; suan__next_tile(&w, st->n_rows * pieces, &i);) {
        uint32_t row = i / pieces;
        size_t begin = (size_t)(i % pieces) * FINITE_PIECE, n = v - begin < FINITE_PIECE ? v - begin : FINITE_PIECE;
        if (!m->kernels->all_finite(st->logits + row * v + begin, n))
            suan__step_fault(st, SUAN__FAULT_LOGITS, m->hp.n_layer, st->row_token[row]);
    }
}

/* ---- one sequence ---- */

/* Rows of logits of tokens [t0, t0 + n) of those that are left of the one segment. */
static suan_status head_rows(suan__step *st, uint32_t t0, uint32_t n, suan_error *err) {
    st->n_rows = n;
    for (uint32_t i = 0; i < n; i++) set_row(st, i, t0 + i, t0 + i);
    run(st, run_head);
    SUAN_TRY(suan__model_check(st->model, err));
    return describe_fault(st, 0, err);
}

void suan__step_only_logits(suan__step *st, bool only) {
    st->only_logits = only;
}

suan_status suan__step_run(suan__step *st, suan__kv *kv, const int32_t *ids, uint32_t n_tokens, uint32_t pos0, bool exact, bool want_logits,
                           suan__row_fn *on_row, void *ctx, const atomic_bool *cancel, suan_error *err) {
    st->one = (suan__segment){.kv = kv, .ids = ids, .n_tokens = n_tokens, .pos0 = pos0, .n_logits = on_row ? n_tokens : want_logits};
    SUAN_TRY(run_segments(st, &st->one, 1, exact, cancel, err));
    if (st->one.status != SUAN_OK) return describe_fault(st, 0, err);
    size_t v = st->model->hp.n_vocab;
    if (!on_row) return want_logits ? head_rows(st, st->n_kept - 1, 1, err) : SUAN_OK;
    for (uint32_t row = 0; row < n_tokens; row += st->max_rows) {
        uint32_t n = n_tokens - row < st->max_rows ? n_tokens - row : st->max_rows;
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

/* ---- several sequences ---- */

static suan_status check_segments(const suan__step *st, const suan__segment *segments, uint32_t n_segments, suan_error *err) {
    uint32_t left = st->max_tokens, most = st->model->hp.window ? SUAN__PAST_STEP : UINT32_MAX;
    SUAN_CHECK(n_segments > 0, SUAN_EINVAL, "a step of no sequences");
    for (uint32_t i = 0; i < n_segments; i++) {
        const suan__segment *s = &segments[i];
        SUAN_CHECK(s->n_tokens > 0 && s->n_tokens <= left && s->n_tokens <= most, SUAN_EINVAL,
                   "sequence %u of a step has %u tokens, expected 1 to %u", i, s->n_tokens, left < most ? left : most);
        SUAN_CHECK(s->n_logits <= s->n_tokens, SUAN_EINVAL, "sequence %u of a step wants %u rows of logits, it has %u tokens", i,
                   s->n_logits, s->n_tokens);
        uint32_t n_ctx = s->kv->n_ctx < st->n_ctx ? s->kv->n_ctx : st->n_ctx;
        SUAN_CHECK(s->pos0 <= n_ctx && s->n_tokens <= n_ctx - s->pos0, SUAN_EINVAL,
                   "sequence %u of a step has %u tokens at position %u, there are %u positions", i, s->n_tokens, s->pos0, n_ctx);
        SUAN_CHECK(s->kv->type == segments->kv->type && s->kv->rounding == segments->kv->rounding, SUAN_EINVAL,
                   "sequence %u of a step has a cache of another kind than the first", i);
        left -= s->n_tokens;
    }
    return SUAN_OK;
}

/* Hands out the rows at hand but those of segments that failed: stretches of rows between them. */
static suan_status hand_out(suan__step *st, suan__rows_fn *on_rows, void *ctx, suan_error *err) {
    for (uint32_t i = 0, n; i < st->n_rows; i += n + !n) {
        for (n = 0; i + n < st->n_rows && st->segments[st->row_segment[i + n]].status == SUAN_OK;) n++;
        if (n && on_rows(ctx, n, st->logits + (size_t)i * st->model->hp.n_vocab, st->row_segment + i, st->row_place + i))
            return suan__fail(err, SUAN_STOPPED, "stopped by the caller");
    }
    return SUAN_OK;
}

static uint32_t count_tokens(const suan__segment *segments, uint32_t n) {
    uint32_t n_tokens = 0;
    for (uint32_t i = 0; i < n; i++) n_tokens += segments[i].n_tokens;
    return n_tokens;
}

static suan_status run_rows(suan__step *st, suan__rows_fn *on_rows, void *ctx, suan_error *err) {
    if (!st->n_rows) return SUAN_OK;
    run(st, run_head);
    SUAN_TRY(report_faults(st, err));
    SUAN_TRY(hand_out(st, on_rows, ctx, err));
    st->n_rows = 0;
    return SUAN_OK;
}

suan_status suan__step_run_many(suan__step *st, suan__segment *segments, uint32_t n_segments, bool exact, suan__rows_fn *on_rows, void *ctx,
                                const atomic_bool *cancel, suan_error *err) {
    SUAN_TRY(check_segments(st, segments, n_segments, err));
    SUAN_TRY(run_segments(st, segments, n_segments, exact, cancel, err));
    st->n_rows = 0;
    bool are_left_out = st->n_kept < count_tokens(segments, n_segments);
    for (uint32_t i = 0, end = 0; i < n_segments; i++) {
        const suan__segment *s = &segments[i];
        end += are_left_out ? s->n_logits : s->n_tokens; /* behind the segment's last token of those that are left */
        for (uint32_t t = s->n_tokens - s->n_logits; t < s->n_tokens && s->status == SUAN_OK; t++) {
            set_row(st, st->n_rows++, end - (s->n_tokens - t), t);
            if (st->n_rows == st->max_rows) SUAN_TRY(run_rows(st, on_rows, ctx, err));
        }
    }
    return run_rows(st, on_rows, ctx, err);
}

suan_status suan__step_normed(suan__step *st, uint32_t first_token, uint32_t n, float *out, suan_error *err) {
    size_t d = st->model->hp.n_embd;
    for (uint32_t begin = 0; begin < n; begin += st->n_rows) {
        st->n_rows = n - begin < st->max_rows ? n - begin : st->max_rows;
        for (uint32_t i = 0; i < st->n_rows; i++) set_row(st, i, first_token + begin + i, 0);
        run(st, run_norms);
        memcpy(out + begin * d, st->h, st->n_rows * d * sizeof *out);
    }
    SUAN_TRY(suan__model_check(st->model, err));
    SUAN_CHECK(st->model->kernels->all_finite(out, n * d), SUAN_ENUMERIC,
               "the state behind the last layer holds a value that is not finite");
    return SUAN_OK;
}
