/* compress.c: memory of the past, marks to go back to, and compressed rows. */
#include "model/compress.h"

#include <math.h>
#include <string.h>

#include "kernels/math.h"
#include "kernels/rounding.h"

#define MAX_ROT 1024 /* dsv4.c reads no more */
#define CHANNELS 64  /* of a row that are weighted together */

/* ---- memory ---- */

static uint64_t round_up(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

static uint64_t blocks_bytes(suan__dtype type, uint64_t n_rows, uint32_t width) {
    return round_up(n_rows, SUAN__ATTN_BLOCK) * suan__kv_row_bytes(type, width); /* below 2^31 * 2^19 */
}

/* Floats that a layer with overlapping rows keeps of its last positions at a mark. */
static size_t mark_inputs(const suan__hparams *hp) {
    return (size_t)SUAN__OVERLAP * 2 *
           (suan__compress_width(SUAN__OVERLAP, hp->head_dim) + suan__compress_width(SUAN__OVERLAP, hp->index_dim));
}

static uint64_t mark_bytes(const suan__hparams *hp, suan__dtype type, uint32_t ratio) {
    return blocks_bytes(type, hp->window, hp->head_dim) + (ratio == SUAN__OVERLAP ? mark_inputs(hp) * sizeof(float) : 0);
}

static void place_layer(suan__layout *l, suan__past_layer *p, const suan__past *past, const suan__hparams *hp, uint32_t n_ctx,
                        suan__dtype type, uint32_t ratio) {
    SUAN__PUT(l, p->ring, blocks_bytes(type, past->n_ring, hp->head_dim), 1);
    SUAN__PUT(l, p->marks, mark_bytes(hp, type, ratio), past->n_marks);
    if (!ratio) return;
    SUAN__PUT(l, p->inputs, past->n_ring, 2 * (uint64_t)suan__compress_width(ratio, hp->head_dim));
    SUAN__PUT(l, p->rows, blocks_bytes(type, n_ctx / ratio + 1, hp->head_dim), 1);
    if (ratio != SUAN__OVERLAP) return;
    SUAN__PUT(l, p->index_inputs, past->n_ring, 2 * (uint64_t)suan__compress_width(ratio, hp->index_dim));
    SUAN__PUT(l, p->index, suan__index_layer_bytes(hp, round_up(n_ctx / ratio + 1, SUAN__ATTN_BLOCK), type == SUAN__F32), 1);
}

void suan__past_place(suan__layout *l, suan__past *past, const suan__hparams *hp, uint32_t n_ctx, suan__dtype type) {
    memset(past, 0, sizeof *past);
    past->back = hp->window - 1;
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        uint32_t ratio = hp->layer_ratio[i], needs = ratio == SUAN__OVERLAP ? 2 * ratio - 1 : ratio ? ratio - 1 : 0;
        if (needs > past->back) past->back = needs;
    }
    past->n_ring = (uint32_t)round_up((uint64_t)past->back + hp->window + SUAN__PAST_STEP, SUAN__ATTN_BLOCK);
    past->spacing = (uint32_t)round_up((uint64_t)n_ctx / SUAN__PAST_MARKS + 1, SUAN__MARK_UNIT);
    past->n_marks = n_ctx / past->spacing < SUAN__PAST_MARKS ? n_ctx / past->spacing : SUAN__PAST_MARKS;
    SUAN__PUT(l, past->layers, hp->n_layer, 1);
    suan__past_layer none;
    for (uint32_t i = 0; i < hp->n_layer; i++)
        place_layer(l, l->base ? &past->layers[i] : &none, past, hp, n_ctx, type, hp->layer_ratio[i]);
}

/* ---- going back ---- */

/* Whether the ring alone is enough to go on from pos. */
static bool ring_reaches(const suan__past *past, uint32_t pos) {
    uint32_t oldest = past->high > past->n_ring ? past->high - past->n_ring : 0; /* position that the ring still holds */
    return pos >= past->low && (pos <= past->back ? oldest == 0 : pos - past->back >= oldest);
}

uint32_t suan__past_reach(const suan__kv *kv, uint32_t pos) {
    const suan__past *past = kv->past;
    if (!past || pos == 0 || ring_reaches(past, pos)) return pos;
    for (uint32_t i = pos / past->spacing; i > 0; i--)
        if (i <= past->n_marks && past->has_mark[i - 1]) return i * past->spacing;
    return 0;
}

/* Between the ring and the mark at `pos`: keys of the window before it, and inputs of the open run's forerunner. */
static void copy_mark(suan__kv *kv, const suan__hparams *hp, uint32_t i_mark, bool restore) {
    const suan__past *past = kv->past;
    uint32_t pos = (i_mark + 1) * past->spacing, n = hp->window - 1 < pos ? hp->window - 1 : pos;
    size_t block = SUAN__ATTN_BLOCK * suan__kv_row_bytes(kv->type, hp->head_dim);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const suan__past_layer *p = &past->layers[i];
        uint32_t ratio = hp->layer_ratio[i];
        unsigned char *mark = p->marks + i_mark * mark_bytes(hp, kv->type, ratio);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t slot = suan__past_slot(past, pos - n + k), to = restore ? slot : k, from = restore ? k : slot;
            suan__kv_copy_row(kv->type, (restore ? p->ring : mark) + to / SUAN__ATTN_BLOCK * block, to % SUAN__ATTN_BLOCK,
                              (restore ? mark : p->ring) + from / SUAN__ATTN_BLOCK * block, from % SUAN__ATTN_BLOCK, hp->head_dim);
        }
        if (ratio != SUAN__OVERLAP) continue;
        float *kept = (float *)(void *)(mark + blocks_bytes(kv->type, hp->window, hp->head_dim));
        size_t widths[2] = {2 * suan__compress_width(ratio, hp->head_dim), 2 * suan__compress_width(ratio, hp->index_dim)};
        for (uint32_t k = 0; k < SUAN__OVERLAP; k++)
            for (int j = 0; j < 2; kept += widths[j], j++) {
                float *input = (j ? p->index_inputs : p->inputs) + suan__past_slot(past, pos - SUAN__OVERLAP + k) * widths[j];
                memcpy(restore ? input : kept, restore ? kept : input, widths[j] * sizeof *input);
            }
    }
}

void suan__past_rewind(suan__kv *kv, const suan__hparams *hp, uint32_t pos) {
    suan__past *past = kv->past;
    if (!past) return;
    for (uint32_t i = 0; i < past->n_marks; i++)
        if ((uint64_t)(i + 1) * past->spacing > pos) past->has_mark[i] = false;
    if (pos == 0) {
        past->low = past->high = 0;
    } else if (!ring_reaches(past, pos)) {
        copy_mark(kv, hp, pos / past->spacing - 1, true);
        past->low = past->high = pos;
    }
}

void suan__past_begin(suan__kv *kv, uint32_t end) {
    if (kv->past && end > kv->past->high) kv->past->high = end;
}

void suan__past_end(suan__kv *kv, const suan__hparams *hp, uint32_t pos0, uint32_t end) {
    suan__past *past = kv->past;
    if (!past) return;
    for (uint32_t i = pos0 / past->spacing; i < end / past->spacing && i < past->n_marks; i++) {
        copy_mark(kv, hp, i, false);
        past->has_mark[i] = true;
    }
}

/* ---- rows ---- */

void suan__compress_input(const suan__step *st, const suan__layer *l, uint32_t i_layer, uint32_t t, const float *kv_gate, bool index) {
    const suan__hparams *hp = &st->model->hp;
    const suan__past *past = st->tokens[t].kv->past;
    uint32_t pos = st->tokens[t].pos;
    uint32_t ratio = hp->layer_ratio[i_layer], w = suan__compress_width(ratio, index ? hp->index_dim : hp->head_dim);
    const suan__past_layer *p = &past->layers[i_layer];
    float *to = (index ? p->index_inputs : p->inputs) + (size_t)suan__past_slot(past, pos) * 2 * w;
    memcpy(to, kv_gate, 2 * w * sizeof *to);
    st->model->kernels->add(to + w, (index ? &l->index_compress : &l->compress)->ape + (size_t)(pos % ratio) * w, w);
}

/* One position's share in a row: channels begin at its kv and gate. */
typedef struct item {
    const float *kv, *gate;
} item;

/* Channels [c0, c0 + n): softmax over the items of their gates, weights of their kv; each chain in order of the items. */
static void pool(float *row, const item *items, uint32_t n_items, size_t c0, size_t n) {
    float max[CHANNELS], sum[CHANNELS] = {0}, acc[CHANNELS] = {0};
    memcpy(max, items[0].gate + c0, n * sizeof *max);
    for (uint32_t i = 1; i < n_items; i++)
        for (size_t c = 0; c < n; c++) max[c] = items[i].gate[c0 + c] > max[c] ? items[i].gate[c0 + c] : max[c];
    for (uint32_t i = 0; i < n_items; i++)
        for (size_t c = 0; c < n; c++) {
            float e = suan__expf(items[i].gate[c0 + c] - max[c]);
            sum[c] = sum[c] + e;
            acc[c] = fmaf(e, items[i].kv[c0 + c], acc[c]);
        }
    for (size_t c = 0; c < n; c++) row[c0 + c] = acc[c] / sum[c];
}

/* The items of row i: the run's positions; with overlap the run before with the first half of its channels, then the run with the second. */
static uint32_t list_items(const suan__past *past, const float *inputs, uint32_t ratio, uint32_t dim, uint32_t i, item *items) {
    uint32_t w = suan__compress_width(ratio, dim), n = 0, first = ratio == SUAN__OVERLAP && i > 0 ? (i - 1) * ratio : i * ratio;
    for (uint32_t pos = first; pos < (i + 1) * ratio; pos++) {
        const float *input = inputs + (size_t)suan__past_slot(past, pos) * 2 * w;
        size_t half = ratio == SUAN__OVERLAP && pos >= i * ratio ? dim : 0;
        items[n++] = (item){input + half, input + w + half};
    }
    return n;
}

void suan__compress_row(suan__worker *w, const suan__layer *l, uint32_t i_layer, const suan__new_row *made, bool index) {
    suan__step *st = w->st;
    const suan__hparams *hp = &st->model->hp;
    const suan__kernels *kn = st->model->kernels;
    suan__kv *kv = st->tokens[made->token].kv;
    const suan__past_layer *p = &kv->past->layers[i_layer];
    uint32_t ratio = hp->layer_ratio[i_layer], dim = index ? hp->index_dim : hp->head_dim, nope = dim - hp->n_rot, i = made->row;
    item items[SUAN__MARK_UNIT];
    float *row = w->scratch->row, cos[MAX_ROT / 2], sin[MAX_ROT / 2];
    uint32_t n = list_items(kv->past, index ? p->index_inputs : p->inputs, ratio, dim, i, items);
    for (size_t c = 0; c < dim; c += CHANNELS) pool(row, items, n, c, dim - c < CHANNELS ? dim - c : CHANNELS);
    kn->rms_norm(row, row, (index ? &l->index_compress : &l->compress)->norm, dim, hp->rms_eps);
    suan__rope_table(cos, sin, hp->far_freq, hp->n_rot / 2, (int64_t)i * ratio, 1.0f);
    kn->rope_interleaved(row + nope, dim, 1, hp->n_rot, cos, sin);
    bool finite = kn->all_finite(row, dim), fits;
    if (index) {
        suan__index_keys keys = suan__index_of_layer(st, kv, i_layer);
        if (finite) suan__index_round(st, row, true);
        fits = suan__index_store(st, &keys, i, row);
    } else {
        if (finite && kv->rounding) suan__round_fp8(row, nope, 64);
        unsigned char *block = p->rows + i / SUAN__ATTN_BLOCK * SUAN__ATTN_BLOCK * suan__kv_row_bytes(kv->type, dim);
        fits = suan__kv_store_row(kn, kv->type, block, i % SUAN__ATTN_BLOCK, row, dim, w->scratch->kv_row);
    }
    if (!fits) suan__step_fault(st, finite ? SUAN__FAULT_RANGE : SUAN__FAULT_CACHE, i_layer, made->token);
}

/* Rows whose last position is in segment s. */
static uint32_t rows_of(const suan__segment *s, uint32_t ratio) {
    return (s->pos0 + s->n_tokens) / ratio - s->pos0 / ratio;
}

uint32_t suan__compress_rows(const suan__step *st, uint32_t i_layer) {
    uint32_t ratio = st->model->hp.layer_ratio[i_layer], n = 0;
    for (uint32_t i = 0; ratio && i < st->n_segments; i++) n += rows_of(&st->segments[i], ratio);
    return n;
}

suan__new_row suan__compress_row_at(const suan__step *st, uint32_t i_layer, uint32_t i) {
    uint32_t ratio = st->model->hp.layer_ratio[i_layer], t0 = 0;
    const suan__segment *s = st->segments;
    for (; i >= rows_of(s, ratio); t0 += s++->n_tokens) i -= rows_of(s, ratio);
    uint32_t row = s->pos0 / ratio + i;
    return (suan__new_row){row, t0 + (row + 1) * ratio - 1 - s->pos0};
}
