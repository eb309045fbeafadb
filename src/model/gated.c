/* gated.c: gate, up, their activation and its rounding as one operation, for a few tokens.
 *
 * A tile computes one panel of gate and the same of up. Whoever completes a unit of panels, wide enough for whole blocks of rounded
 * activations, goes on with the activation of these values and their rounding, while the values are near. The counters of panels end as
 * they began, at zero.
 */
#include "model/step.h"

#define UNIT 256                         /* values: a block of either kind, or several */
#define UNIT_PANELS (UNIT / SUAN__PANEL) /* fits into a counter's byte */

uint32_t suan__gated_units(uint32_t width) {
    return (width + UNIT - 1) / UNIT;
}

/* The form of the rows that weights of this kind want; their distance in bytes in *ldx. */
static const void *activations(const suan__rows *rows, int block, size_t *ldx) {
    *ldx = block ? suan__q8_row_bytes(rows->k, (size_t)block) : rows->k * sizeof(float);
    return block == 32 ? rows->q8_32 : block == 256 ? rows->q8_256 : (const unsigned char *)rows->f32;
}

void suan__panels_product(suan__worker *w, const suan__weight *weight, uint32_t slice, uint32_t panel, uint32_t n_panels,
                          const suan__rows *rows, float *y) {
    const suan__step *st = w->st;
    int block = suan__weight_block(st, weight);
    size_t ldx;
    const void *x = activations(rows, block, &ldx);
    suan__matmul_panels(st->model->kernels, weight->type, weight->data + slice * weight->slice_bytes, weight->n_rows, rows->k, panel,
                        n_panels, y, weight->n_rows, x, ldx, (int)rows->n, block == 0, w->scratch->expand);
    suan__add_bias(st, weight, slice, panel, n_panels, y, weight->n_rows, rows->n);
}

/* A panel of gate and the same of up together; false where there is no such product for so many tokens. */
static bool paired_product(suan__worker *w, const suan__gated *g, uint32_t slice, uint32_t panel, const suan__rows *rows, float *gate,
                           float *up) {
    const suan__step *st = w->st;
    const suan__weight *a = g->gate, *b = g->up;
    int block = suan__weight_block(st, a), n = (int)(a->n_rows - panel * SUAN__PANEL);
    const suan__kernels *kn = st->model->kernels;
    if (a->type != b->type || !suan__takes_pairs(kn, a->type, (int)rows->n, block == 0)) return false;
    if (n > SUAN__PANEL) n = SUAN__PANEL;
    size_t first = (size_t)panel * SUAN__PANEL, at = panel * suan__panel_bytes(a->type, rows->k);
    size_t ldx;
    const void *x = activations(rows, block, &ldx);
    kn->matmul_pair[a->type]((float *const[2]){gate + first, up + first}, a->n_rows,
                             (const void *const[2]){a->data + slice * a->slice_bytes + at, b->data + slice * b->slice_bytes + at},
                             (const int[2]){n, n}, rows->k, x, ldx, (int)rows->n);
    suan__add_bias(st, a, slice, panel, 1, gate, a->n_rows, rows->n);
    suan__add_bias(st, b, slice, panel, 1, up, b->n_rows, rows->n);
    return true;
}

/* The unit that begins at `first`, n values wide, of rows [row0, row0 + n_rows). */
static void finish_unit(suan__worker *w, const suan__gated *g, uint32_t first, uint32_t n, uint32_t row0, uint32_t n_rows) {
    uint32_t width = g->gate->n_rows;
    for (size_t row = row0; row < row0 + n_rows; row++)
        suan__swiglu_piece(w, g->down, width, first, n, g->g + row * width, g->u + row * width,
                           g->q8_32 + row * suan__q8_row_bytes(width, 32), g->q8_256 + row * suan__q8_row_bytes(width, 256));
}

void suan__gated_panel(suan__worker *w, const suan__gated *g, uint32_t slice, uint32_t i_slice, uint32_t panel, const suan__rows *rows,
                       uint32_t row0) {
    uint32_t width = g->gate->n_rows, unit = panel / UNIT_PANELS, first = unit * UNIT, n = width - first < UNIT ? width - first : UNIT;
    float *gate = g->g + (size_t)row0 * width, *up = g->u + (size_t)row0 * width;
    if (!paired_product(w, g, slice, panel, rows, gate, up)) {
        suan__panels_product(w, g->gate, slice, panel, 1, rows, gate);
        suan__panels_product(w, g->up, slice, panel, 1, rows, up);
    }
    atomic_uchar *n_there = &g->units[(size_t)i_slice * suan__gated_units(width) + unit];
    uint32_t n_panels = (n + SUAN__PANEL - 1) / SUAN__PANEL;
    if (atomic_fetch_add_explicit(n_there, 1, memory_order_acq_rel) + 1u < n_panels) return;
    atomic_store_explicit(n_there, 0, memory_order_relaxed);
    finish_unit(w, g, first, n, row0, rows->n);
}
