/* check_weights.c: panels of weights and rows of quantised activations for the checks. */
#include "check.h"

#include "kernels/blocks.h"

#include <stdlib.h>
#include <string.h>

/* A half for a scale: finite; the extremes are the largest value, the smallest subnormal and the zeros. */
static uint16_t scale_half(check *ck, int kind) {
    static const uint16_t extremes[] = {0x7bff, 0xfbff, 0x0001, 0x8001, 0x0000, 0x8000, 0x3c00, 0x03ff};
    uint16_t h;
    if (kind == CHECK_WEIGHTS_ONES || kind == CHECK_WEIGHTS_SIGNS) return extremes[check_random(ck) % 8];
    if (kind == CHECK_WEIGHTS_TINY) return (uint16_t)(check_random(ck) & 0x83ff);
    check_halves(ck, &h, 1, check_random(ck) % 4 ? CHECK_NORMAL : CHECK_ANY_FINITE);
    return h;
}

static uint8_t weight_byte(check *ck, int kind) {
    static const uint8_t signs[] = {0x80, 0x7f, 0x81, 0xf0, 0x0f, 0xff, 0x00, 0x88};
    if (kind == CHECK_WEIGHTS_ONES) return 0xff;
    if (kind == CHECK_WEIGHTS_ZERO) return 0;
    if (kind == CHECK_WEIGHTS_SIGNS) return signs[check_random(ck) % 8];
    return (uint8_t)check_random(ck);
}

/* What the bytes are no e4m3 block for: the scale is below 2^120, and no code is a NaN. */
static void make_f8(check *ck, uint8_t *block, size_t n, int kind) {
    float scale;
    check_floats(ck, &scale, 1, kind == CHECK_WEIGHTS_TINY ? CHECK_SUBNORMAL : kind == CHECK_WEIGHTS_SIGNS ? CHECK_MIXED : CHECK_NORMAL);
    if (kind == CHECK_WEIGHTS_ONES) scale = check_random(ck) & 1 ? -0x1.fffffep119f : 0x1p118f;
    if (!(scale < 0x1p120f && scale > -0x1p120f)) scale = 0x1p-20f;
    memcpy(block, &scale, 4);
    for (uint8_t *p = block + 4; p < block + 4 + n; p++)
        if ((*p & 0x7f) == 0x7f) *p ^= check_random(ck) % 2 ? 1 : 0x70;
}

/* One block in the order of the file; the fields of two bytes are halves, but for the scale bits of IQ4_XS. */
static void make_block(check *ck, suan__dtype type, uint8_t *block, int kind) {
    for (const suan__field *f = suan__block_fields(type); f->n_units; f++) {
        uint8_t *p = block + f->offset;
        if (f->unit == 2 && !(type == SUAN__IQ4_XS && f->offset == 2)) {
            uint16_t h = scale_half(ck, kind);
            memcpy(p, &h, 2);
        } else {
            for (int i = 0; i < f->unit * f->n_units; i++) p[i] = weight_byte(ck, kind);
        }
    }
    if (type == SUAN__F8_128 || type == SUAN__F8_32) make_f8(ck, block, suan__dtype_get(type)->block, kind);
    if (type == SUAN__MXFP4 && block[0] >= 250) block[0] = 249; /* keeps d * (sum of products) finite, mostly */
}

static void make_row(check *ck, suan__dtype type, uint8_t *row, size_t k, int kind) {
    const suan__dtype_info *info = suan__dtype_get(type);
    static const int float_kinds[CHECK_WEIGHTS_KINDS] = {CHECK_NORMAL, CHECK_NEAR_MAX, CHECK_NEAR_ZERO, CHECK_ALTERNATING, CHECK_SUBNORMAL};
    if (type == SUAN__F32) {
        check_floats(ck, (float *)(void *)row, k, float_kinds[kind]);
    } else if (type == SUAN__F16) {
        check_halves(ck, (uint16_t *)(void *)row, k, float_kinds[kind]);
    } else if (type == SUAN__BF16) {
        for (size_t i = 0; i < k; i++) {
            float f;
            check_floats(ck, &f, 1, float_kinds[kind]);
            memcpy(row + 2 * i, (uint8_t *)&f + 2, 2); /* the upper half: little-endian */
        }
    } else {
        for (size_t b = 0; b < k / info->block; b++) make_block(ck, type, row + b * info->bytes, kind);
    }
}

void check_panel(check *ck, suan__dtype type, void *panel, size_t k, int n_rows, int kind) {
    const suan__dtype_info *info = suan__dtype_get(type);
    size_t row_bytes = k / info->block * info->bytes;
    uint8_t *rows = malloc(row_bytes * SUAN__PANEL);
    if (!rows) abort();
    for (int r = 0; r < n_rows; r++) make_row(ck, type, rows + (size_t)r * row_bytes, k, kind);
    suan__panel_pack(type, panel, rows, row_bytes, k, n_rows);
    free(rows);
}

void check_q8_row(check *ck, void *q8, size_t k, size_t block, int kind) {
    float *x = malloc(k * sizeof(float));
    if (!x) abort();
    check_floats(ck, x, k, kind);
    if (block == 32)
        ck->c->quantize_q8_32(q8, x, k);
    else
        ck->c->quantize_q8_256(q8, x, k);
    free(x);
    if (kind != CHECK_ALTERNATING && kind != CHECK_ANY_FINITE) return;
    /* The greatest sums there are: all values at one end, or at the ends in turn. */
    size_t group = block == 32 ? 32 : 16;
    int8_t *q = q8;
    int16_t *sum = (int16_t *)((char *)q8 + suan__q8_sum_offset(k, block));
    for (size_t i = 0; i < k; i++) q[i] = kind == CHECK_ANY_FINITE ? 127 : (check_random(ck) & 1 ? 127 : -127);
    for (size_t g = 0; g < k / group; g++) {
        int s = 0;
        for (size_t i = 0; i < group; i++) s += q[g * group + i];
        sum[g] = (int16_t)s;
    }
}
