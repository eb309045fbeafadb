/* quantize.c: f32 rows to the types with plain blocks; Q4_0 to Q8_0 give the bytes of ggml's reference quantiser. */
#include "kernels/quantize.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

static void put_half(uint8_t *p, float f) {
    uint16_t h = suan__f32_to_f16(f);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}
static void f16(uint8_t *p, const float *x) {
    put_half(p, *x);
}
static void bf16(uint8_t *p, const float *x) {
    uint16_t h = suan__f32_to_bf16(*x);
    memcpy(p, &h, 2);
}
static void f32(uint8_t *p, const float *x) {
    memcpy(p, x, 4);
}

static suan__quantize_block_fn *const functions[64] = {
    [SUAN__F32] = f32,
    [SUAN__F16] = f16,
    [SUAN__BF16] = bf16,
};

bool suan__quantize_row(suan__dtype type, void *dst, const float *x, size_t k) {
    if ((uint32_t)type >= 64 || !functions[type]) return false;
    const suan__dtype_info *info = suan__dtype_get(type);
    uint8_t *p = dst;
    for (size_t i = 0; i < k; i += info->block, p += info->bytes) functions[type](p, x + i);
    return true;
}
