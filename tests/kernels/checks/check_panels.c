/* check_panels.c: products of several panels, against C's products of one: on tiles, real and emulated ones, and cut to fit the caches. */
#include "check.h"
#include "emulated.h"

#include "kernels/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const suan__dtype types[] = {
#define TYPE(name) SUAN__##name,
    SUAN__WEIGHT_MAP(TYPE)
#undef TYPE
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

typedef struct shape {
    suan__dtype type;
    size_t k;
    int n_rows, n_cols, weights, activations;
    bool high, exact;
} shape;

/* What a product needs; y and expected begin equal. */
typedef struct setting {
    check_buffer panels, x, y, expected, scratch;
    size_t ldx, ldy;
} setting;

static void set_up(check *ck, const shape *s, setting *t) {
    size_t block = s->exact ? 0 : (size_t)suan__activation_block(s->type), panel_bytes = suan__panel_bytes(s->type, s->k);
    size_t x_bytes = block ? suan__q8_row_bytes(s->k, block) : s->k * 4, skew = (size_t)check_range(ck, 0, 15) * 4;
    t->ldx = x_bytes + (size_t)check_range(ck, 0, 3) * 4;
    t->ldy = (size_t)s->n_rows + (size_t)check_range(ck, 0, 5);
    size_t n_y = (size_t)(s->n_cols - 1) * t->ldy + (size_t)s->n_rows;
    check_buffer_init(&t->panels, (size_t)(s->n_rows + 15) / 16 * panel_bytes, s->high, skew);
    check_buffer_init(&t->x, (size_t)(s->n_cols - 1) * t->ldx + x_bytes, s->high, skew);
    check_buffer_init(&t->y, n_y * 4, s->high, skew);
    check_buffer_init(&t->expected, n_y * 4, s->high, skew);
    check_buffer_init(&t->scratch, SUAN__EXPAND_SCRATCH * sizeof(float), s->high, 0);
    memset(t->scratch.data, 0xff, t->scratch.n);
    for (int r = 0; r < s->n_rows; r += SUAN__PANEL)
        check_panel(ck, s->type, t->panels.data + (size_t)(r / SUAN__PANEL) * panel_bytes, s->k,
                    s->n_rows - r < SUAN__PANEL ? s->n_rows - r : SUAN__PANEL, s->weights);
    for (int c = 0; c < s->n_cols; c++) {
        if (block)
            check_q8_row(ck, t->x.data + (size_t)c * t->ldx, s->k, block, s->activations);
        else
            check_floats(ck, (float *)(void *)(t->x.data + (size_t)c * t->ldx), s->k, s->activations);
    }
    check_buffer_seal(&t->panels);
    check_buffer_seal(&t->x);
}

/* One panel after the other, by the definition. */
static void expect(check *ck, const shape *s, const setting *t) {
    float *expanded = s->exact ? malloc(s->k * SUAN__PANEL * sizeof(float)) : NULL;
    if (s->exact && !expanded) abort();
    for (int r = 0; r < s->n_rows; r += SUAN__PANEL) {
        const uint8_t *panel = t->panels.data + (size_t)(r / SUAN__PANEL) * suan__panel_bytes(s->type, s->k);
        suan__dtype type = s->exact ? SUAN__F32 : s->type;
        if (s->exact) ck->c->expand[s->type](expanded, panel, s->k, 0, s->k);
        ck->c->matmul[type]((float *)(void *)t->expected.data + r, t->ldy, s->exact ? (const void *)expanded : panel, s->k, t->x.data,
                            t->ldx, s->n_cols, s->n_rows - r < SUAN__PANEL ? s->n_rows - r : SUAN__PANEL);
    }
    free(expanded);
}

static void compare(check *ck, setting *t) {
    check_equal_floats(ck, (const float *)(void *)t->expected.data, (const float *)(void *)t->y.data, t->y.n / 4);
    check_guards(ck, &t->y, "y");
    check_guards(ck, &t->scratch, "scratch");
    check_sealed(ck, &t->panels, "panels");
    check_sealed(ck, &t->x, "x");
    check_buffer_fini(&t->panels);
    check_buffer_fini(&t->x);
    check_buffer_fini(&t->y);
    check_buffer_fini(&t->expected);
    check_buffer_fini(&t->scratch);
}

static void describe(check *ck, const shape *s, const char *what) {
    check_begin(ck, "%s %s k=%zu rows=%d cols=%d weights=%d activations=%d", what, suan__dtype_get(s->type)->name, s->k, s->n_rows,
                s->n_cols, s->weights, s->activations);
}

static void run_tiles(check *ck, const shape *s) {
    setting t;
    set_up(ck, s, &t);
    describe(ck, s, "tiles");
    expect(ck, s, &t);
    ck->k->matmul_tiles[s->type]((float *)(void *)t.y.data, t.ldy, t.panels.data, s->k, t.x.data, t.ldx, s->n_cols, s->n_rows,
                                 t.scratch.data);
    compare(ck, &t);
}

/* The first half of the panels, then the others. */
static void run_panels(check *ck, const shape *s) {
    setting t;
    set_up(ck, s, &t);
    describe(ck, s, s->exact ? "panels, expanded," : "panels");
    expect(ck, s, &t);
    size_t n_panels = ((size_t)s->n_rows + 15) / 16, half = n_panels / 2;
    for (int i = 0; i < 2; i++)
        suan__matmul_panels(ck->k, s->type, t.panels.data, (size_t)s->n_rows, s->k, i ? half : 0, i ? n_panels - half : half,
                            (float *)(void *)t.y.data, t.ldy, t.x.data, t.ldx, s->n_cols, s->exact, (float *)(void *)t.scratch.data);
    compare(ck, &t);
}

/* Two panels, which change places: the first one stands behind the second. */
static void run_pair(check *ck, const shape *s) {
    setting t;
    set_up(ck, s, &t);
    describe(ck, s, "two panels");
    expect(ck, s, &t);
    const void *const panels[2] = {t.panels.data + suan__panel_bytes(s->type, s->k), t.panels.data};
    float *y = (float *)(void *)t.y.data;
    ck->k->matmul_pair[s->type]((float *const[2]){y + SUAN__PANEL, y}, t.ldy, panels, (const int[2]){s->n_rows - SUAN__PANEL, SUAN__PANEL},
                                s->k, t.x.data, t.ldx, s->n_cols);
    compare(ck, &t);
}

/* Every number of columns to beyond six times what is worked on at once, and of rows; k of one block, of a chunk, and of more than two. */
static void check_pair(check *ck, suan__dtype type) {
    static const int k[] = {256, 512, 768, 1280};
    size_t block = suan__dtype_get(type)->block;
    for (int n = 1; n <= 40 && n <= ck->k->pair_cols; n++) {
        shape s = {.type = type, .k = n % 5 ? (size_t)k[n % 5 - 1] : block, .n_cols = n, .n_rows = 17 + (n + n / 16) % 16, .high = n % 2};
        if (block == 32 && n % 3 == 0) s.k += 32;
        s.weights = n % CHECK_WEIGHTS_KINDS;
        s.activations = check_range(ck, 0, CHECK_KINDS - 1);
        run_pair(ck, &s);
    }
}

/* One panel, two, odd numbers of them, the last one whole or not, with numbers of columns of every remainder. */
static void check_numbers_of_panels(check *ck, suan__dtype type) {
    static const int rows[] = {16, 32, 48, 80, 5, 31, 33, 49, 95};
    size_t block = suan__dtype_get(type)->block;
    for (int i = 0; i < 27; i++) {
        shape s = {.type = type, .k = block * (size_t)(1 + i % 3), .n_cols = 6 + i / 2, .n_rows = rows[i % 9], .high = i % 2};
        s.weights = i % CHECK_WEIGHTS_KINDS;
        run_panels(ck, &s);
    }
}

static void check_tiles(check *ck, suan__dtype type) {
    static const int block_k[] = {1, 2, 3, 4, 5, 7};
    size_t block = suan__dtype_get(type)->block;
    if (!ck->k->matmul_tiles[type]) return;
    for (int n = 1; n <= 70; n++) {
        shape s = {.type = type, .k = block * (size_t)block_k[n % 6], .n_cols = n, .n_rows = check_range(ck, 1, 40)};
        s.weights = n % CHECK_WEIGHTS_KINDS;
        s.activations = check_range(ck, 0, CHECK_KINDS - 1);
        s.high = n % 3 != 0;
        run_tiles(ck, &s);
    }
    /* more columns than are taken at once, and more of k than a chunk */
    run_tiles(ck, &(shape){.type = type, .k = block, .n_cols = 530, .n_rows = 17, .high = true});
    run_tiles(ck, &(shape){.type = type, .k = block == 32 ? 1184 : 1280, .n_cols = 19, .n_rows = 17, .high = true});
}

static void check_cut(check *ck, suan__dtype type) {
    static const int columns[] = {1, 7, 9, 40};
    size_t block = suan__dtype_get(type)->block;
    for (int i = 0; i < 4; i++) {
        for (int exact = 0; exact < 2; exact++) {
            shape s = {.type = type, .k = block == 1 ? 513 : block == 32 ? 544 : 512, .n_cols = columns[i], .n_rows = 70, .exact = exact};
            s.high = i % 2;
            run_panels(ck, &s);
        }
    }
    for (int n_rows = 33; n_rows < 64; n_rows += 3) /* pairs of panels, the last ones not whole */
        run_panels(ck, &(shape){.type = type, .k = block * 3, .n_cols = 1 + (n_rows - 33) / 3 % 9, .n_rows = n_rows, .high = n_rows % 2});
    for (int n_cols = 1; n_cols < 12; n_cols++)
        run_panels(ck, &(shape){.type = type, .k = block * 2, .n_cols = n_cols, .n_rows = 64, .high = n_cols % 2});
    /* columns that do not fit the second-level cache */
    if (block == 32) run_panels(ck, &(shape){.type = type, .k = 65536, .n_cols = 19, .n_rows = 17, .high = true});
}

static void run(check *ck) {
    for (size_t i = 0; i < N_TYPES; i++) check_tiles(ck, types[i]);
    for (size_t i = 0; i < N_TYPES; i++) {
        if (ck->k->matmul_pair[types[i]]) check_pair(ck, types[i]);
        check_numbers_of_panels(ck, types[i]);
        check_cut(ck, types[i]);
    }
}

__attribute__((unused)) static int run_emulated(const char *name, void (*fill)(suan__kernels *t)) {
    suan__kernels k = {.name = name};
    check ck = {.k = &k, .state = 20240};
    suan_error err = {0};
    if (suan__kernels_get(&ck.c, "c", &err) != SUAN_OK) return 1;
    fill(&k);
    for (size_t i = 0; i < N_TYPES; i++) {
        if (suan__activation_block(types[i])) check_true(&ck, k.matmul_tiles[types[i]] != NULL, "a type without a product of tiles");
        check_tiles(&ck, types[i]);
    }
    printf("%s: %d runs, %d failures\n", name, ck.n_run, ck.n_failed);
    return ck.n_failed != 0;
}

int main(int argc, char **argv) {
    int status = check_main(argc, argv, run);
#if defined(SUAN__HAVE_AVX512)
    if (suan__cpu_has_avx512()) status |= run_emulated("emulated tiles, avx512", emulated_tiles_avx512);
#endif
#if defined(SUAN__HAVE_AVX2)
    if (suan__cpu_has_avx2()) status |= run_emulated("emulated tiles, avx2", emulated_tiles_avx2);
#endif
    return status;
}
