/* expand_c.c: panels to f32, the definition: each row unpacked as in a file, dequantised, and put side by side with the others. */
#include "kernels/c.h"

static void expand(suan__dtype type, float *dst, const void *panel, size_t k0, size_t n) {
    const suan__dtype_info *info = suan__dtype_get(type);
    const uint8_t *src = (const uint8_t *)panel + k0 / info->block * info->bytes * SUAN__PANEL;
    uint8_t row[256];
    float values[256];
    for (size_t i = 0; i < n; i += info->block, src += (size_t)info->bytes * SUAN__PANEL) {
        for (int r = 0; r < SUAN__PANEL; r++) {
            suan__panel_unpack_row(type, row, src, info->block, r);
            suan__dequantize_row(type, values, row, info->block);
            for (int j = 0; j < info->block; j++) dst[(i + (size_t)j) * SUAN__PANEL + (size_t)r] = values[j];
        }
    }
}

#define EXPAND(name)                                                                             \
    void suan__expand_##name##_c(float *dst, const void *panel, size_t k, size_t k0, size_t n) { \
        (void)k;                                                                                 \
        expand(SUAN__##name, dst, panel, k0, n);                                                 \
    }
SUAN__WEIGHT_MAP(EXPAND)
