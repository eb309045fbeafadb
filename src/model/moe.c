/* moe.c: the mixture of experts: router, tokens gathered by expert so that each expert's weights are read once a step, outputs combined in
 * ascending expert index. */
#include <string.h>

#include "model/dsv4.h"

/* Whether expert a comes before b: key descending, then index ascending (design.md, rule 8). */
static bool before(const float *key, uint32_t a, uint32_t b) {
    return key[a] > key[b] || (key[a] == key[b] && a < b);
}

/* The n best of indices [begin, end) by key into best[], in order; insertion, n is small. */
static uint32_t top_n(const float *key, uint32_t begin, uint32_t end, uint32_t *best, uint32_t have, uint32_t n) {
    for (uint32_t i = begin; i < end; i++) {
        if (have == n && !before(key, i, best[n - 1])) continue;
        uint32_t at = have < n ? have++ : n - 1;
        while (at > 0 && before(key, i, best[at - 1])) {
            best[at] = best[at - 1];
            at--;
        }
        best[at] = i;
    }
    return have;
}

/* A group's score: its best key, or the sum of its two best. */
static float group_score(const suan__hparams *hp, const float *key, uint32_t begin, uint32_t end) {
    uint32_t best[2];
    top_n(key, begin, end, best, 0, hp->group_score == SUAN__GROUP_TOP2 ? 2 : 1);
    return hp->group_score == SUAN__GROUP_TOP2 ? key[best[0]] + key[best[1]] : key[best[0]];
}

/* Selects n_expert_used experts by key, within the best groups where the model has groups. group_key: scratch of n_group floats. */
static void select_experts(const suan__hparams *hp, const float *key, float *group_key, uint32_t *group, uint32_t *selected) {
    uint32_t have = 0, size = hp->n_expert / hp->n_group;
    if (hp->n_group == 1 || hp->n_group_used == hp->n_group) {
        top_n(key, 0, hp->n_expert, selected, 0, hp->n_expert_used);
        return;
    }
    for (uint32_t g = 0; g < hp->n_group; g++) group_key[g] = group_score(hp, key, g * size, (g + 1) * size);
    top_n(group_key, 0, hp->n_group, group, 0, hp->n_group_used);
    for (uint32_t i = 0; i < hp->n_group_used; i++)
        have = top_n(key, group[i] * size, (group[i] + 1) * size, selected, have, hp->n_expert_used);
}

static void sort_ascending(uint32_t *v, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && v[j] < v[j - 1]; j--) {
            uint32_t t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
}

/* Scores, selection and weights of one token. Weights: the scores (never biased) of the selected experts in ascending index, their sum from
 * +0 in that order. */
static void route_token(suan__step *st, const suan__layer *l, uint32_t i_layer, uint32_t t) {
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    uint32_t n = hp->n_expert, used = hp->n_expert_used;
    float *score = st->router + (size_t)t * n, *key = st->router_key + (size_t)t * 2 * n, *weight = st->selected_weight + (size_t)t * used;
    uint32_t *selected = st->selected + (size_t)t * used;
    if (!kn->all_finite(score, n)) {
        suan__step_fault(st, SUAN__FAULT_ROUTER, i_layer, t);
        memset(score, 0, n * sizeof *score);
    }
    if (hp->gating == SUAN__GATING_SIGMOID)
        kn->sigmoid(score, score, n);
    else if (hp->gating == SUAN__GATING_SQRT_SOFTPLUS)
        suan__sqrt_softplus(score, n);
    else if (hp->gating == SUAN__GATING_SOFTMAX)
        kn->softmax(score, score, n);
    memcpy(key, score, n * sizeof *key);
    if (l->router_bias) kn->add(key, l->router_bias, n);
    if (l->hash_experts)
        memcpy(selected, l->hash_experts + (size_t)st->tokens[t].id * used, used * sizeof *selected);
    else
        select_experts(hp, key, key + n, st->group_scratch + (size_t)t * hp->n_group, selected);
    sort_ascending(selected, used);
    float sum = 0;
    for (uint32_t i = 0; i < used; i++) sum = sum + (weight[i] = score[selected[i]]);
    if (hp->gating == SUAN__GATING_CHOSEN) kn->softmax(weight, weight, used);
    if (hp->norm_topk) sum = sum + hp->norm_topk_epsilon;
    for (uint32_t i = 0; i < used; i++) {
        if (hp->norm_topk) weight[i] = weight[i] / sum;
        weight[i] = weight[i] * hp->expert_scale;
    }
}

/* Lists of tokens by expert: slots of expert e are expert_begin[e] .. expert_begin[e + 1), tokens ascending; and of the experts that have
 * tokens. */
static void gather_slots(suan__step *st, uint32_t i_layer) {
    const suan__hparams *hp = &st->model->hp;
    uint32_t n = st->n_tokens * hp->n_expert_used, *use = st->expert_use + (size_t)i_layer * hp->n_expert;
    memset(st->expert_begin, 0, (hp->n_expert + 1) * sizeof *st->expert_begin);
    for (uint32_t i = 0; i < n; i++) {
        st->expert_begin[st->selected[i] + 1]++;
        use[st->selected[i]]++;
    }
    for (uint32_t e = 0; e < hp->n_expert; e++) st->expert_begin[e + 1] += st->expert_begin[e];
    memcpy(st->expert_fill, st->expert_begin, hp->n_expert * sizeof *st->expert_fill);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = st->expert_fill[st->selected[i]]++;
        st->slot_of[i] = slot;
        st->slot_token[slot] = i / hp->n_expert_used;
    }
    st->n_busy = 0;
    for (uint32_t e = 0; e < hp->n_expert; e++)
        if (st->expert_begin[e + 1] > st->expert_begin[e]) st->busy[st->n_busy++] = e;
    st->experts_read += st->n_busy;
}

/* Copies each slot's activations (in every form that gate and up want) beside those of the same expert. */
static void gather_acts(suan__worker *w, bool want_32, bool want_256, bool want_f32) {
    suan__step *st = w->st;
    uint32_t d = st->model->hp.n_embd, n = st->n_tokens * st->model->hp.n_expert_used;
    size_t row_32 = suan__q8_row_bytes(d, 32), row_256 = suan__q8_row_bytes(d, 256);
    for (uint32_t i; suan__next_tile(w, n, &i);) {
        size_t t = st->slot_token[i];
        if (want_32) memcpy(st->q8_gather_32 + i * row_32, st->h_32 + t * row_32, row_32);
        if (want_256) memcpy(st->q8_gather_256 + i * row_256, st->h_256 + t * row_256, row_256);
        if (want_f32) memcpy(st->gathered + (size_t)i * d, st->h + t * d, d * sizeof(float));
    }
    suan__end_op(w);
}

/* out = sum over the token's experts, ascending, of weight * expert, from +0; then the shared expert (in out already) is added. */
void suan__combine_experts(suan__step *st, const suan__layer *l, uint32_t t) {
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    size_t d = hp->n_embd;
    float *y = st->moe_sum + t * d, *out = st->out + t * d;
    memset(y, 0, d * sizeof *y);
    for (uint32_t i = 0; i < hp->n_expert_used; i++) {
        size_t at = (size_t)t * hp->n_expert_used + i;
        kn->axpy(y, st->expert_out + st->slot_of[at] * d, st->selected_weight[at], d);
    }
    if (l->gate.data) kn->add(y, out, d);
    memcpy(out, y, d * sizeof *y);
}

/* All of a few tokens, by one thread. */
static void route_few(suan__worker *w, const void *ctx, uint32_t tile) {
    const suan__layer_at *at = ctx;
    (void)tile;
    for (uint32_t t = 0; t < w->st->n_tokens; t++) route_token(w->st, at->l, at->i_layer, t);
    gather_slots(w->st, at->i_layer);
}

/* The router beside the shared expert's gate and up; then the routing, by whoever is last. */
static void route_beside_shared(suan__worker *w, const suan__layer *l, uint32_t i_layer, const suan__gated *shared) {
    suan__rows h = suan__rows_h(w->st);
    uint32_t n_router = suan__weight_panels(&l->router), n = n_router + (l->gate.data ? suan__weight_panels(&l->gate) : 0);
    w->kind = SUAN__OP_ROUTER;
    for (uint32_t t; suan__next_tile(w, n, &t);) {
        if (t < n_router)
            suan__panels_product(w, &l->router, 0, t, 1, &h, w->st->router);
        else
            suan__gated_panel(w, shared, 0, 0, t - n_router, &h, 0);
    }
    suan__end_op_then(w, SUAN__OP_ROUTER, 1, route_few, &(suan__layer_at){l, i_layer});
}

/* What expert e's tokens give to a weight: rows of `all`, one a slot, or the only token's, which all experts share. */
static suan__rows rows_of(const suan__step *st, const suan__rows *all, uint32_t e, bool is_shared) {
    size_t begin = is_shared ? 0 : st->expert_begin[e];
    suan__rows r = *all;
    r.f32 += begin * r.k;
    r.q8_32 += begin * suan__q8_row_bytes(r.k, 32);
    r.q8_256 += begin * suan__q8_row_bytes(r.k, 256);
    r.n = st->expert_begin[e + 1] - st->expert_begin[e];
    return r;
}

/* The activations of the experts' gate and up: rows of h, gathered when there are several tokens. */
static suan__rows gather(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    int bg = suan__weight_block(st, &l->gate_exps), bu = suan__weight_block(st, &l->up_exps);
    if (st->n_tokens == 1) return suan__rows_h(st);
    w->kind = SUAN__OP_ROUTER;
    gather_acts(w, bg == 32 || bu == 32, bg == 256 || bu == 256, !bg || !bu);
    return (suan__rows){st->gathered, st->q8_gather_32, st->q8_gather_256, 0, st->model->hp.n_embd};
}

/* A few tokens: the experts' gate and up with their activation, beside the shared expert's down. */
static void experts_beside_shared(suan__worker *w, const suan__layer *l, const suan__gated *shared) {
    suan__step *st = w->st;
    suan__gated g = {&l->gate_exps, &l->up_exps, &l->down_exps, st->gate,
                     st->up,        st->q8_32,   st->q8_256,    st->units + suan__gated_units(l->gate.n_rows)};
    suan__rows all = gather(w, l), mid = {shared->g, shared->q8_32, shared->q8_256, st->n_tokens, l->gate.n_rows};
    uint32_t per = suan__weight_panels(&l->gate_exps), n_experts = st->n_busy * per,
             n = n_experts + (l->gate.data ? suan__weight_panels(&l->down) : 0);
    w->kind = SUAN__OP_GATE_UP;
    for (uint32_t t; suan__next_tile(w, n, &t);) {
        if (t >= n_experts) {
            suan__panels_product(w, &l->down, 0, t - n_experts, 1, &mid, st->out);
            continue;
        }
        uint32_t e = st->busy[t / per];
        suan__rows rows = rows_of(st, &all, e, st->n_tokens == 1);
        suan__gated_panel(w, &g, e, t / per, t % per, &rows, st->expert_begin[e]);
    }
    suan__end_op(w);
}

/* ---- many tokens: one operation after the other ---- */

/* The shared expert's gate and up with the router, then its activation with the routing of tokens, then its down while one thread lists the
 * tokens by expert. */
static void route_and_share(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    uint32_t n = l->gate.n_rows, T = st->n_tokens, n_shared = l->gate.data ? suan__swiglu_tiles(T, n) : 0;
    suan__acts h = suan__acts_h(st);
    w->kind = SUAN__OP_ROUTER;
    suan__product products[] = {{&l->router, st->router, hp->n_expert, 0}, {&l->gate, st->gate, n, 0}, {&l->up, st->up, n, 0}};
    suan__products(w, &h, products, l->gate.data ? 3 : 1);
    for (uint32_t t; suan__next_tile(w, T + n_shared, &t);) {
        if (t < T)
            route_token(st, l, i_layer, t);
        else
            suan__swiglu_tile(w, &l->down, n, t - T);
    }
    suan__end_op(w);
    if (w->i_thread == 0) gather_slots(st, i_layer);
    if (!l->gate.data) {
        suan__end_op(w);
        return;
    }
    suan__acts g = suan__acts_rounded(st, (suan__acts){.x = st->gate, .ld = n, .n_cols = T, .n_slices = 1, .k = n});
    suan__products(w, &g, (suan__product[]){{&l->down, st->out, hp->n_embd, 0}}, 1);
}

/* All experts' panels of a product, each for its tokens; not ended. */
static void expert_tiles(suan__worker *w, const suan__weight *a, float *y_a, const suan__weight *b, float *y_b, const suan__rows *all) {
    const suan__step *st = w->st;
    uint32_t panels = suan__weight_panels(a), at_once = suan__panels_at_once((uint64_t)panels * st->n_busy, st->n_tokens, w->n_threads);
    uint32_t per = (panels + at_once - 1) / at_once;
    for (uint32_t t; suan__next_tile(w, st->n_busy * per, &t);) {
        uint32_t e = st->busy[t / per], panel = t % per * at_once;
        size_t y0 = (size_t)st->expert_begin[e] * a->n_rows;
        suan__rows rows = rows_of(st, all, e, false);
        suan__panels_product(w, a, e, panel, at_once, &rows, y_a + y0);
        if (b) suan__panels_product(w, b, e, panel, at_once, &rows, y_b + y0);
    }
}

static void experts(suan__worker *w, const suan__layer *l) {
    suan__step *st = w->st;
    suan__rows all = gather(w, l);
    w->kind = SUAN__OP_GATE_UP;
    expert_tiles(w, &l->gate_exps, st->gate, &l->up_exps, st->up, &all);
    suan__end_op(w);
    w->kind = SUAN__OP_NORM;
    uint32_t m = st->model->hp.n_ff_exp;
    for (uint32_t t; suan__next_tile(w, suan__swiglu_tiles(st->n_tokens * st->model->hp.n_expert_used, m), &t);)
        suan__swiglu_tile(w, &l->down_exps, m, t);
    suan__end_op(w);
}

/* What is left in out and expert_out is put together at the end of the layer. */
void suan__part_moe(suan__worker *w, const suan__layer *l, uint32_t i_layer) {
    suan__step *st = w->st;
    if (st->n_tokens <= SUAN__GATED_TOKENS) {
        suan__gated shared = {&l->gate, &l->up, &l->down, st->shared_gate, st->shared_up, st->shared_32, st->shared_256, st->units};
        route_beside_shared(w, l, i_layer, &shared);
        experts_beside_shared(w, l, &shared);
    } else {
        route_and_share(w, l, i_layer);
        experts(w, l);
    }
    suan__rows mid = {st->gate, st->q8_32, st->q8_256, 0, st->model->hp.n_ff_exp};
    w->kind = SUAN__OP_DOWN;
    expert_tiles(w, &l->down_exps, st->expert_out, NULL, NULL, &mid);
}
