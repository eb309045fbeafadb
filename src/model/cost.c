/* cost.c: time stamps of operations, and what operations need at least. */
#include "model/cost.h"

#include <time.h>

#include "model/indexer.h"
#include "model/step.h"

const char *suan__op_name(suan__op op) {
    static const char *const names[] = {
#define NAME(id, name) name,
        SUAN__OP_MAP(NAME)
#undef NAME
    };
    return names[op];
}

void suan__step_profile(suan__step *step, suan__profile *profile) {
    step->profile = profile;
}

void suan__stamp(suan__step *st, suan__op kind) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    if (kind < SUAN__N_OPS) st->profile->ns[kind] += now - st->profile->last;
    st->profile->last = now;
}

uint64_t suan__step_experts_read(const suan__step *step) {
    return step->experts_read;
}

/* ---- counting ---- */

typedef struct counter {
    const suan__model *model;
    const suan__step_shape *shape; /* tokens and rows of logits of all segments */
    const suan__segment *segments;
    uint32_t n_segments;
    double n_tokens;
    const suan__rates *rates;
    suan__cost *cost;
} counter;

static double slower(double a, double b) {
    return a > b ? a : b;
}

/* One operation. */
static void add(const counter *c, suan__op op, double bytes, double int8_ops, double f32_ops) {
    suan__cost *to = &c->cost[op];
    to->bytes += bytes;
    to->int8_ops += int8_ops;
    to->f32_ops += f32_ops;
    to->seconds += slower(bytes / c->rates->bytes, int8_ops / c->rates->int8_ops + f32_ops / c->rates->f32_ops);
}

/* Weights of one operation: n_slices of each are read (negative: all), n_cols columns meet every slice that is read. */
static void add_weights(const counter *c, suan__op op, const suan__weight *const *w, int n, double n_slices, double n_cols) {
    double bytes = 0, int8_ops = 0, f32_ops = 0;
    for (int i = 0; i < n; i++) {
        if (!w[i]->data) continue;
        double slices = n_slices < 0 ? w[i]->n_slices : n_slices;
        double ops = 2.0 * w[i]->n_rows * w[i]->n_cols * slices * n_cols;
        bytes += (double)w[i]->slice_bytes * slices;
        if (c->shape->exact || w[i]->exact || !suan__activation_block(w[i]->type))
            f32_ops += ops;
        else
            int8_ops += ops;
    }
    add(c, op, bytes, int8_ops, f32_ops);
}
#define ADD_WEIGHTS(c, op, n_slices, n_cols, ...)                                                                                         \
    add_weights(c, op, (const suan__weight *const[]){__VA_ARGS__}, (int)(sizeof((const suan__weight *[]){__VA_ARGS__}) / sizeof(void *)), \
                n_slices, n_cols)

/* Pairs of token and position that attention of a sequence looks at, each token at most at `most`. */
static double pairs(const suan__segment *s, uint32_t most) {
    double seen = 0;
    for (uint32_t i = 0; i < s->n_tokens; i++) seen += s->pos0 + i < most ? s->pos0 + i + 1 : most;
    return seen;
}

/* The choice of positions, where there are more than attention looks at. */
static void add_indexer(const counter *c, const suan__layer *l) {
    const suan__hparams *hp = &c->model->hp;
    double row = (double)suan__index_layer_bytes(hp, SUAN__ATTN_BLOCK, c->shape->kv == SUAN__F32) / SUAN__ATTN_BLOCK;
    double n_choosing = 0, rows = 0, scored = 0;
    ADD_WEIGHTS(c, SUAN__OP_QKV, -1, c->n_tokens, &l->index_k);
    for (const suan__segment *s = c->segments; s < c->segments + c->n_segments; s++) {
        if (s->pos0 + s->n_tokens <= hp->index_topk) continue;
        n_choosing += s->n_tokens;
        rows += (double)s->pos0 + 2.0 * s->n_tokens;
        scored += pairs(s, UINT32_MAX);
    }
    if (n_choosing == 0) return;
    ADD_WEIGHTS(c, SUAN__OP_QKV, -1, n_choosing, &l->index_q, &l->index_w);
    add(c, SUAN__OP_ATTENTION, row * rows, 0, 2 * scored * hp->n_index_head * hp->index_dim);
}

static void add_attention(const counter *c, uint32_t window) {
    const suan__hparams *hp = &c->model->hp;
    uint32_t most = hp->index_topk ? hp->index_topk : window ? window : UINT32_MAX;
    double row = (double)suan__kv_row_bytes(c->shape->kv, hp->head_dim) * hp->n_head_kv * (hp->kv_lora ? 1 : 2), seen = 0, rows = 0;
    for (const suan__segment *s = c->segments; s < c->segments + c->n_segments; s++) {
        double of_this = pairs(s, most), last = (double)s->pos0 + s->n_tokens;
        seen += of_this;
        rows += last < of_this ? last : of_this; /* few tokens that choose read no more than they chose */
    }
    double d = hp->head_dim, dv = hp->kv_lora ? hp->kv_lora : hp->head_dim;
    double scores = 2 * seen * hp->n_head * d, values = 2 * seen * hp->n_head * dv;
    bool is_rounded = c->shape->kv != SUAN__F32 && c->shape->kv != SUAN__F16; /* then queries are too, and scores are integer products */
    add(c, SUAN__OP_ATTENTION, row * (rows + c->n_tokens), is_rounded ? scores : 0, values + (is_rounded ? 0 : scores));
}

/* Experts that get tokens when each token chooses `used` of n at random. */
static double expected_busy(const suan__hparams *hp, uint32_t n_tokens) {
    double none = 1;
    for (uint32_t i = 0; i < n_tokens && none > 1e-12; i++) none *= 1 - (double)hp->n_expert_used / hp->n_expert;
    return hp->n_expert * (1 - none);
}

/* n: tokens. A number of busy experts that is an average counts in every layer. */
static void add_experts(const counter *c, const suan__layer *l, uint32_t n) {
    const suan__hparams *hp = &c->model->hp;
    double busy = c->shape->n_busy >= 0 ? c->shape->n_busy : expected_busy(hp, n);
    double each = busy > 0 ? (double)n * hp->n_expert_used / busy : 0; /* tokens of an expert that has some */
    if (n > 0) ADD_WEIGHTS(c, SUAN__OP_ROUTER, -1, n, &l->router, &l->gate, &l->up);
    if (n > 0) ADD_WEIGHTS(c, n <= SUAN__GATED_TOKENS ? SUAN__OP_GATE_UP : SUAN__OP_ROUTER, -1, n, &l->down); /* see suan__part_moe */
    ADD_WEIGHTS(c, SUAN__OP_GATE_UP, busy, each, &l->gate_exps, &l->up_exps);
    ADD_WEIGHTS(c, SUAN__OP_DOWN, busy, each, &l->down_exps);
}

static void add_network(const counter *c, const suan__layer *l, uint32_t n) {
    if (l->router.data) {
        add_experts(c, l, n);
    } else if (n > 0) {
        ADD_WEIGHTS(c, SUAN__OP_GATE_UP, -1, n, &l->gate, &l->up);
        ADD_WEIGHTS(c, SUAN__OP_DOWN, -1, n, &l->down);
    }
}

/* DeepSeek-V4: a window of keys, which are values too, and compressed rows: all of them, or those that the indexer chooses. Compressors and mixings have weights too. */
static void add_compressed(const counter *c, const suan__layer *l, uint32_t ratio) {
    const suan__hparams *hp = &c->model->hp;
    bool is_rounded = c->shape->kv != SUAN__F32 && c->shape->kv != SUAN__F16;
    double n = c->n_tokens, row = (double)suan__kv_row_bytes(c->shape->kv, hp->head_dim), seen = 0, read = 0, scored = 0, keys = 0;
    for (const suan__segment *s = c->segments; s < c->segments + c->n_segments; s++) {
        double looked_at = pairs(s, hp->window), of_this = 0;
        for (uint32_t t = 0; t < s->n_tokens && ratio; t++) {
            uint32_t all = suan__index_visible(s->pos0 + t, ratio), some = l->index_q.data && all > hp->index_topk ? hp->index_topk : all;
            looked_at += some;
            of_this += some < all ? all : 0;
        }
        seen += looked_at;
        read += looked_at / s->n_tokens + s->n_tokens;
        scored += of_this;
        keys += of_this / s->n_tokens;
    }
    double pairs_of_heads = 2 * seen * hp->n_head * hp->head_dim;
    ADD_WEIGHTS(c, SUAN__OP_NORM, -1, n, &l->hyper_attn.fn, &l->hyper_ffn.fn);
    ADD_WEIGHTS(c, SUAN__OP_QKV, -1, n, &l->compress.kv, &l->compress.gate, &l->index_compress.kv, &l->index_compress.gate, &l->index_w);
    if (scored > 0) ADD_WEIGHTS(c, SUAN__OP_QKV, -1, n, &l->index_q);
    if (scored > 0)
        add(c, SUAN__OP_ATTENTION, keys * hp->index_dim * (c->shape->kv == SUAN__F32 ? 4 : 2), 0,
            2 * scored * hp->n_index_head * hp->index_dim);
    add(c, SUAN__OP_ATTENTION, row * read, is_rounded ? pairs_of_heads : 0, is_rounded ? pairs_of_heads : 2 * pairs_of_heads);
    ADD_WEIGHTS(c, SUAN__OP_OUT, -1, n, &l->wo_a);
}

void suan__step_cost(const suan__model *model, const suan__step_shape *shape, const suan__rates *rates, suan__cost *cost) {
    suan__segment all = {.n_tokens = shape->n_tokens, .pos0 = shape->pos0, .n_logits = shape->n_logits};
    suan__step_cost_many(model, shape, &all, 1, rates, cost);
}

void suan__step_cost_many(const suan__model *model, const suan__step_shape *kind, const suan__segment *segments, uint32_t n_segments,
                          const suan__rates *rates, suan__cost *cost) {
    suan__step_shape shape = *kind;
    shape.n_tokens = shape.n_logits = 0;
    for (uint32_t i = 0; i < n_segments; i++) {
        shape.n_tokens += segments[i].n_tokens;
        shape.n_logits += segments[i].n_logits;
    }
    double n = shape.n_tokens;
    const counter c = {model, &shape, segments, n_segments, n, rates, cost};
    const suan__weight *e = &model->embd;
    add(&c, SUAN__OP_EMBED, n * (double)suan__panel_bytes(e->type, e->n_cols) / SUAN__PANEL, 0, 0);
    for (uint32_t i = 0; i < model->hp.n_layer; i++) {
        const suan__layer *l = &model->layers[i];
        ADD_WEIGHTS(&c, SUAN__OP_QKV, -1, n, &l->wq, &l->wk, &l->wv, &l->wq_a, &l->wkv_a);
        ADD_WEIGHTS(&c, SUAN__OP_QKV, -1, n, &l->wq_b);
        ADD_WEIGHTS(&c, SUAN__OP_QKV, -1, n, &l->wk_b);
        if (l->index_k.data) add_indexer(&c, l);
        if (model->hp.window)
            add_compressed(&c, l, model->hp.layer_ratio[i]);
        else
            add_attention(&c, model->hp.layer_window ? model->hp.layer_window[i] : 0);
        ADD_WEIGHTS(&c, SUAN__OP_OUT, -1, n, &l->wv_b);
        ADD_WEIGHTS(&c, SUAN__OP_OUT, -1, n, &l->wo);
        bool leaves_out = shape.only_logits && i + 1 == model->hp.n_layer && suan__may_leave_out(model);
        add_network(&c, l, leaves_out ? shape.n_logits : shape.n_tokens);
    }
    if (shape.n_logits) ADD_WEIGHTS(&c, SUAN__OP_HEAD, -1, shape.n_logits, &model->head);
}
