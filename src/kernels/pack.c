/* pack.c: the field table of the block types, and the way of 16 rows into a panel and back. */
#include "kernels/blocks.h"
#include "kernels/kernels.h"

#include <string.h>

#define BYTES(offset, n) \
    { offset, 4, (n) / 4 }
#define HALF(offset) \
    { offset, 2, 1 }

static const suan__field fields[SUAN__DTYPE_END][SUAN__MAX_FIELDS + 1] = {
    [SUAN__F32] = {{0, 4, 1}},
    [SUAN__F16] = {HALF(0)},
    [SUAN__BF16] = {HALF(0)},
    [SUAN__Q8_0] = {HALF(0), BYTES(2, 32)},
    [SUAN__Q4_0] = {HALF(0), BYTES(2, 16)},
    [SUAN__Q4_1] = {HALF(0), HALF(2), BYTES(4, 16)},
    [SUAN__Q5_0] = {HALF(0), BYTES(2, 4), BYTES(6, 16)},
    [SUAN__Q5_1] = {HALF(0), HALF(2), BYTES(4, 4), BYTES(8, 16)},
    [SUAN__Q2_K] = {BYTES(0, 16), BYTES(16, 64), HALF(80), HALF(82)},
    [SUAN__Q3_K] = {BYTES(0, 32), BYTES(32, 64), BYTES(96, 12), HALF(108)},
    [SUAN__Q4_K] = {HALF(0), HALF(2), BYTES(4, 12), BYTES(16, 128)},
    [SUAN__Q5_K] = {HALF(0), HALF(2), BYTES(4, 12), BYTES(16, 32), BYTES(48, 128)},
    [SUAN__Q6_K] = {BYTES(0, 128), BYTES(128, 64), BYTES(192, 16), HALF(208)},
    [SUAN__IQ4_NL] = {HALF(0), BYTES(2, 16)},
    [SUAN__IQ4_XS] = {HALF(0), HALF(2), BYTES(4, 4), BYTES(8, 128)},
    [SUAN__MXFP4] = {{0, 1, 1}, BYTES(1, 16)},
    [SUAN__F8_128] = {BYTES(0, 4), {4, 1, 128}},
    [SUAN__F8_32] = {BYTES(0, 4), {4, 1, 32}},
    [SUAN__I4_BF16] = {HALF(0), BYTES(2, 16)},
};

const suan__field *suan__block_fields(suan__dtype type) {
    return (uint32_t)type < SUAN__DTYPE_END && fields[type][0].n_units ? fields[type] : NULL;
}

size_t suan__panel_bytes(suan__dtype type, size_t k) {
    const suan__dtype_info *info = suan__dtype_get(type);
    return k / info->block * info->bytes * SUAN__PANEL;
}

/* Units are copied with constant sizes, so that the compiler makes them single moves. */
static void copy_unit(uint8_t *dst, const uint8_t *src, int unit) {
    if (unit == 4)
        memcpy(dst, src, 4);
    else if (unit == 2)
        memcpy(dst, src, 2);
    else
        *dst = *src;
}

void suan__panel_pack(suan__dtype type, void *panel, const void *rows, size_t row_bytes, size_t k, int n_rows) {
    const suan__dtype_info *info = suan__dtype_get(type);
    const suan__field *field = suan__block_fields(type);
    uint8_t *dst = panel;
    if (n_rows < SUAN__PANEL) memset(panel, 0, suan__panel_bytes(type, k));
    for (size_t b = 0; b < k / info->block; b++, dst += info->bytes * SUAN__PANEL) {
        for (const suan__field *f = field; f->n_units; f++) {
            for (int r = 0; r < n_rows; r++) {
                const uint8_t *src = (const uint8_t *)rows + (size_t)r * row_bytes + b * info->bytes + f->offset;
                uint8_t *units = dst + f->offset * SUAN__PANEL + r * f->unit;
                for (int u = 0; u < f->n_units; u++) copy_unit(units + u * SUAN__PANEL * f->unit, src + u * f->unit, f->unit);
            }
        }
    }
}

void suan__panel_unpack_row(suan__dtype type, void *row, const void *panel, size_t k, int i_row) {
    const suan__dtype_info *info = suan__dtype_get(type);
    const suan__field *field = suan__block_fields(type);
    const uint8_t *src = panel;
    uint8_t *dst = row;
    for (size_t b = 0; b < k / info->block; b++, src += info->bytes * SUAN__PANEL, dst += info->bytes) {
        for (const suan__field *f = field; f->n_units; f++) {
            const uint8_t *units = src + f->offset * SUAN__PANEL + i_row * f->unit;
            for (int u = 0; u < f->n_units; u++) copy_unit(dst + f->offset + u * f->unit, units + u * SUAN__PANEL * f->unit, f->unit);
        }
    }
}
