/* check_matmul.c: matrix products and the expansion of panels, every weight type and level against C. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

static const suan__dtype types[] = {
#define TYPE(name) SUAN__##name,
    SUAN__WEIGHT_MAP(TYPE)
#undef TYPE
};

typedef struct shape {
    suan__dtype type;
    size_t k;
    int n_rows, n_cols, weights, activations;
    bool high;
} shape;

/* x: n_cols rows of activations, ldx apart. */
static void make_columns(check *ck, const shape *s, size_t block, uint8_t *x, size_t ldx) {
    for (int c = 0; c < s->n_cols; c++) {
        if (block)
            check_q8_row(ck, x + (size_t)c * ldx, s->k, block, s->activations);
        else
            check_floats(ck, (float *)(void *)(x + (size_t)c * ldx), s->k, s->activations);
    }
}

/* Results of C and of the level, each in a guarded buffer that starts equal; the columns' gaps must stay as they are. */
static void run_matmul(check *ck, const shape *s) {
    size_t block = (size_t)suan__activation_block(s->type), skew = (size_t)check_range(ck, 0, 15) * 4;
    size_t ldx = (block ? suan__q8_row_bytes(s->k, block) : s->k * 4) + (size_t)check_range(ck, 0, 3) * 4;
    size_t ldy = (size_t)s->n_rows + (size_t)check_range(ck, 0, 5), n_y = (size_t)(s->n_cols - 1) * ldy + (size_t)s->n_rows;
    size_t x_bytes = (size_t)(s->n_cols - 1) * ldx + (block ? suan__q8_row_bytes(s->k, block) : s->k * 4);
    check_buffer panel, x, y, expected;
    check_buffer_init(&panel, suan__panel_bytes(s->type, s->k), s->high, skew);
    check_buffer_init(&x, x_bytes, s->high, skew);
    check_buffer_init(&y, n_y * 4, s->high, skew);
    check_buffer_init(&expected, n_y * 4, s->high, skew);
    check_panel(ck, s->type, panel.data, s->k, s->n_rows, s->weights);
    make_columns(ck, s, block, x.data, ldx);
    check_buffer_seal(&panel);
    check_buffer_seal(&x);
    check_begin(ck, "matmul %s k=%zu rows=%d cols=%d weights=%d activations=%d skew=%zu", suan__dtype_get(s->type)->name, s->k, s->n_rows,
                s->n_cols, s->weights, s->activations, skew);
    ck->c->matmul[s->type]((float *)(void *)expected.data, ldy, panel.data, s->k, x.data, ldx, s->n_cols, s->n_rows);
    ck->k->matmul[s->type]((float *)(void *)y.data, ldy, panel.data, s->k, x.data, ldx, s->n_cols, s->n_rows);
    check_equal_floats(ck, (const float *)(void *)expected.data, (const float *)(void *)y.data, n_y);
    check_guards(ck, &y, "y");
    check_sealed(ck, &panel, "panel");
    check_sealed(ck, &x, "x");
    check_buffer_fini(&panel);
    check_buffer_fini(&x);
    check_buffer_fini(&y);
    check_buffer_fini(&expected);
}

/* Up to two f32 panels, from nothing and from what is there. */
static void run_acc(check *ck, const shape *s) {
    size_t ldx = s->k * 4 + (size_t)check_range(ck, 0, 3) * 4, skew = (size_t)check_range(ck, 0, 15) * 4;
    int n_rows = s->n_rows + check_range(ck, 0, 1) * SUAN__PANEL;
    size_t ldy = (size_t)n_rows + (size_t)check_range(ck, 0, 5), n_y = (size_t)(s->n_cols - 1) * ldy + (size_t)n_rows;
    bool more = check_range(ck, 0, 1);
    check_buffer panels[2], x, y, expected;
    for (int p = 0; p < 2; p++) {
        check_buffer_init(&panels[p], suan__panel_bytes(SUAN__F32, s->k), s->high, skew);
        check_panel(ck, SUAN__F32, panels[p].data, s->k, SUAN__PANEL, s->weights);
        check_buffer_seal(&panels[p]);
    }
    const float *w[2] = {(const float *)(void *)panels[0].data, n_rows > SUAN__PANEL ? (const float *)(void *)panels[1].data : NULL};
    check_buffer_init(&x, (size_t)(s->n_cols - 1) * ldx + s->k * 4, s->high, skew);
    make_columns(ck, s, 0, x.data, ldx);
    check_buffer_seal(&x);
    check_buffer_init(&y, n_y * 4, s->high, skew);
    check_buffer_init(&expected, n_y * 4, s->high, skew);
    check_floats(ck, (float *)(void *)y.data, n_y, s->activations);
    memcpy(expected.data, y.data, n_y * 4);
    check_begin(ck, "matmul_acc k=%zu rows=%d cols=%d weights=%d activations=%d skew=%zu more=%d", s->k, n_rows, s->n_cols, s->weights,
                s->activations, skew, more);
    ck->c->matmul_acc((float *)(void *)expected.data, ldy, w, s->k, (float *)(void *)x.data, ldx, s->n_cols, n_rows, more);
    ck->k->matmul_acc((float *)(void *)y.data, ldy, w, s->k, (float *)(void *)x.data, ldx, s->n_cols, n_rows, more);
    check_equal_floats(ck, (const float *)(void *)expected.data, (const float *)(void *)y.data, n_y);
    check_guards(ck, &y, "y");
    for (int p = 0; p < 2; p++) check_buffer_fini(&panels[p]);
    check_buffer_fini(&x);
    check_buffer_fini(&y);
    check_buffer_fini(&expected);
}

static void run_expand(check *ck, const shape *s, size_t k0, size_t n) {
    size_t bytes = n * SUAN__PANEL * 4, skew = (size_t)check_range(ck, 0, 15) * 4;
    check_buffer panel, y;
    float *expected = malloc(bytes);
    if (!expected) abort();
    check_buffer_init(&panel, suan__panel_bytes(s->type, s->k), s->high, skew);
    check_buffer_init(&y, bytes, s->high, skew);
    check_panel(ck, s->type, panel.data, s->k, s->n_rows, s->weights);
    check_buffer_seal(&panel);
    check_begin(ck, "expand %s k=%zu k0=%zu n=%zu rows=%d weights=%d", suan__dtype_get(s->type)->name, s->k, k0, n, s->n_rows, s->weights);
    ck->c->expand[s->type](expected, panel.data, s->k, k0, n);
    ck->k->expand[s->type]((float *)(void *)y.data, panel.data, s->k, k0, n);
    check_equal_floats(ck, expected, (const float *)(void *)y.data, n * SUAN__PANEL);
    check_guards(ck, &y, "dst");
    check_sealed(ck, &panel, "panel");
    check_buffer_fini(&panel);
    check_buffer_fini(&y);
    free(expected);
}

/* Every number of columns to beyond three times what a level works on at once, with few and with several chunks of k. */
static void check_edges(check *ck, suan__dtype type) {
    size_t block = suan__dtype_get(type)->block;
    for (int n_cols = 1; n_cols <= 40; n_cols++) {
        shape s = {.type = type, .n_cols = n_cols, .n_rows = n_cols % 3 ? check_range(ck, 1, 16) : 16, .high = n_cols % 2};
        s.k = block == 1    ? (size_t)check_range(ck, 1, 300)
              : block == 32 ? 32 * (size_t)check_range(ck, 1, 36)
                            : 256 * (size_t)(n_cols % 5 + 1);
        s.weights = n_cols % CHECK_WEIGHTS_KINDS;
        s.activations = check_range(ck, 0, CHECK_KINDS - 1);
        run_matmul(ck, &s);
        if (s.type == SUAN__F32) run_acc(ck, &s);
    }
}

static void check_type(check *ck, suan__dtype type) {
    static const int columns[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 33};
    static const size_t float_k[] = {1, 2, 3, 7, 16, 31, 64, 100, 257}, block_k[] = {1, 2, 3, 5, 37};
    size_t block = suan__dtype_get(type)->block;
    size_t n_k = block == 1 ? sizeof(float_k) / sizeof(float_k[0]) : block == 32 ? 5 : 4;
    int turn = 0;
    for (size_t i_k = 0; i_k < n_k; i_k++) {
        for (size_t i_c = 0; i_c < sizeof(columns) / sizeof(columns[0]); i_c++) {
            for (int rep = 0; rep < 4; rep++, turn++) {
                shape s = {.type = type, .k = block == 1 ? float_k[i_k] : block * block_k[i_k], .n_cols = columns[i_c]};
                s.n_rows = turn % 16 + 1;
                s.weights = turn % CHECK_WEIGHTS_KINDS;
                s.activations = check_range(ck, 0, CHECK_KINDS - 1);
                s.high = turn % 3 != 0;
                run_matmul(ck, &s);
                if (s.type == SUAN__F32) run_acc(ck, &s);
            }
        }
    }
    check_edges(ck, type);
    for (int rep = 0; rep < 30; rep++) {
        shape s = {.type = type, .n_rows = rep % 16 + 1, .weights = rep % CHECK_WEIGHTS_KINDS, .high = rep % 2};
        size_t n_blocks = (size_t)check_range(ck, 1, 5), first = check_random(ck) % n_blocks;
        s.k = n_blocks * block;
        run_expand(ck, &s, first * block, (1 + check_random(ck) % (n_blocks - first)) * block);
    }
}

static void run(check *ck) {
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) check_type(ck, types[i]);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, run);
}
