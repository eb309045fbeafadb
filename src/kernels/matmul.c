/* matmul.c: one tile of a matrix product, by the quantised path or the exact one. */
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

/* Chunks of k are expanded and multiplied while they are in the cache; the sums go through y, which changes no bit of them. */
static void tile_expanded(const suan__kernels *kn, suan__dtype type, const void *panel, size_t k, float *y, size_t ldy, const void *x,
                          size_t ldx, int n_cols, int n_rows, float *scratch) {
    for (size_t k0 = 0; k0 < k; k0 += SUAN__EXPAND_CHUNK) {
        size_t n = k - k0 < SUAN__EXPAND_CHUNK ? k - k0 : SUAN__EXPAND_CHUNK;
        const float *x0 = (const float *)x + k0;
        kn->expand[type](scratch, panel, k, k0, n);
        if (k0 == 0)
            kn->matmul[SUAN__F32](y, ldy, scratch, n, x0, ldx, n_cols, n_rows);
        else
            kn->matmul_acc(y, ldy, scratch, n, x0, ldx, n_cols, n_rows);
    }
}

void suan__matmul_tile(const suan__kernels *kn, suan__dtype type, const void *packed, size_t n_rows, size_t k, size_t i_panel, float *y,
                       size_t ldy, const void *x, size_t ldx, int n_cols, bool exact, float *scratch) {
    size_t first = i_panel * SUAN__PANEL;
    int rows = n_rows - first < SUAN__PANEL ? (int)(n_rows - first) : SUAN__PANEL;
    const char *panel = (const char *)packed + i_panel * suan__panel_bytes(type, k);
    if (exact && suan__activation_block(type))
        tile_expanded(kn, type, panel, k, y + first, ldy, x, ldx, n_cols, rows, scratch);
    else
        kn->matmul[type](y + first, ldy, panel, k, x, ldx, n_cols, rows);
}
