/* matmul.c: a tile of a matrix product, by the quantised path or the exact one, in pieces that fit the caches. */
#include "kernels/kernels.h"

int suan__activation_block(suan__dtype type) {
    switch (type) {
    case SUAN__Q8_0:
    case SUAN__Q4_0:
    case SUAN__Q4_1:
    case SUAN__Q5_0:
    case SUAN__Q5_1:
    case SUAN__IQ4_NL:
    case SUAN__MXFP4:
    case SUAN__I4_BF16:
        return 32;
    case SUAN__Q2_K:
    case SUAN__Q3_K:
    case SUAN__Q4_K:
    case SUAN__Q5_K:
    case SUAN__Q6_K:
    case SUAN__IQ4_XS:
        return 256;
    default:
        return 0;
    }
}

#define CACHED_BYTES (1u << 20) /* of activations: half of a second-level cache of today */
#define FEW_COLUMNS 8           /* so few share nothing that were worth a piece of its own */

/* f32 weights, or expanded ones, in chunks of k that stay in the first-level cache while all columns meet them; the columns' values of a
 * chunk stay in the second-level one for all panels, which are taken by twos. The sums go through y, which changes no bit of them. */
static void panels_expanded(const suan__kernels *kn, suan__dtype type, const char *panels, size_t k, float *y, size_t ldy, const void *x,
                            size_t ldx, int n_cols, size_t n_rows, float *scratch) {
    size_t panel_bytes = suan__panel_bytes(type, k);
    for (size_t k0 = 0; k0 < k; k0 += SUAN__EXPAND_CHUNK) {
        size_t n = k - k0 < SUAN__EXPAND_CHUNK ? k - k0 : SUAN__EXPAND_CHUNK;
        const float *x0 = (const float *)x + k0;
        for (size_t r = 0; r < n_rows; r += 2 * SUAN__PANEL) {
            int rows = n_rows - r < 2 * SUAN__PANEL ? (int)(n_rows - r) : 2 * SUAN__PANEL;
            const float *w[2] = {NULL, NULL};
            for (int p = 0; p * SUAN__PANEL < rows; p++) {
                const char *panel = panels + (r / SUAN__PANEL + (size_t)p) * panel_bytes;
                float *expanded = scratch + (size_t)p * SUAN__EXPAND_CHUNK * SUAN__PANEL;
                if (type != SUAN__F32) kn->expand[type](expanded, panel, k, k0, n);
                w[p] = type != SUAN__F32 ? expanded : (const float *)(const void *)panel + k0 * SUAN__PANEL;
            }
            kn->matmul_acc(y + r, ldy, w, n, x0, ldx, n_cols, rows, k0 > 0);
        }
    }
}

bool suan__takes_pairs(const suan__kernels *kn, suan__dtype type, int n_cols, bool exact) {
    bool is_float = suan__activation_block(type) == 0;
    return kn->matmul_pair[type] && n_cols <= kn->pair_cols && (is_float ? n_cols < FEW_COLUMNS : !exact);
}

/* Two panels together. */
static size_t pairs_as_stored(const suan__kernels *kn, suan__dtype type, const char *panels, size_t k, float *y, size_t ldy, const void *x,
                              size_t ldx, int n_cols, size_t n_rows) {
    size_t panel_bytes = suan__panel_bytes(type, k), r = 0;
    for (; n_rows - r > SUAN__PANEL; r += 2 * SUAN__PANEL, panels += 2 * panel_bytes) {
        size_t left = n_rows - r - SUAN__PANEL, second = left < SUAN__PANEL ? left : SUAN__PANEL;
        kn->matmul_pair[type]((float *const[2]){y + r, y + r + SUAN__PANEL}, ldy, (const void *const[2]){panels, panels + panel_bytes},
                              (const int[2]){SUAN__PANEL, (int)second}, k, x, ldx, n_cols);
        if (left <= SUAN__PANEL) return n_rows;
    }
    return r;
}

static void panels_as_stored(const suan__kernels *kn, suan__dtype type, const char *panels, size_t k, float *y, size_t ldy, const void *x,
                             size_t ldx, int n_cols, size_t n_rows) {
    size_t panel_bytes = suan__panel_bytes(type, k), r = 0;
    if (suan__takes_pairs(kn, type, n_cols, false)) r = pairs_as_stored(kn, type, panels, k, y, ldy, x, ldx, n_cols, n_rows);
    for (; r < n_rows; r += SUAN__PANEL)
        kn->matmul[type](y + r, ldy, panels + r / SUAN__PANEL * panel_bytes, k, x, ldx, n_cols,
                         n_rows - r < SUAN__PANEL ? (int)(n_rows - r) : SUAN__PANEL);
}

void suan__matmul_panels(const suan__kernels *kn, suan__dtype type, const void *packed, size_t n_rows, size_t k, size_t i_panel,
                         size_t n_panels, float *y, size_t ldy, const void *x, size_t ldx, int n_cols, bool exact, float *scratch) {
    size_t first = i_panel * SUAN__PANEL, rows = n_rows - first < n_panels * SUAN__PANEL ? n_rows - first : n_panels * SUAN__PANEL;
    const char *panels = (const char *)packed + i_panel * suan__panel_bytes(type, k), *column = x;
    bool is_float = suan__activation_block(type) == 0, expand = is_float ? n_cols >= FEW_COLUMNS : exact;
    y += first;
    if (!expand && !is_float && kn->matmul_tiles[type] && n_cols >= kn->tiles_from[type]) {
        kn->matmul_tiles[type](y, ldy, panels, k, x, ldx, n_cols, (int)rows, scratch);
        return;
    }
    size_t of_column = expand ? SUAN__EXPAND_CHUNK * sizeof(float) : ldx, at_once = CACHED_BYTES / of_column / FEW_COLUMNS * FEW_COLUMNS;
    if (at_once < FEW_COLUMNS) at_once = FEW_COLUMNS;
    while (n_cols > 0) {
        int n = (size_t)n_cols < at_once ? n_cols : (int)at_once;
        if (expand)
            panels_expanded(kn, type, panels, k, y, ldy, column, ldx, n, rows, scratch);
        else
            panels_as_stored(kn, type, panels, k, y, ldy, column, ldx, n, rows);
        n_cols -= n;
        column += (size_t)n * ldx;
        y += (size_t)n * ldy;
    }
}

#define TILES_EACH 8 /* for each thread, where there are so many: whoever is late leaves the others little to wait for */
#define MOST_PANELS 16

uint32_t suan__panels_at_once(uint64_t n_panels, uint32_t n_cols, int n_threads) {
    if (n_cols < FEW_COLUMNS) return n_panels >= 64 ? 2 : 1;
    uint64_t n = n_panels / TILES_EACH / (uint64_t)n_threads;
    return n > MOST_PANELS ? MOST_PANELS : n > 1 ? (uint32_t)n / 2 * 2 : 1; /* even: matmul_pair takes two */
}
