/* quantize_q8_c.c: activations in blocks of 32 or 256, the definition (design.md, rule 6). */
#include "kernels/c.h"

#include <math.h>
#include <string.h>

/* Nearest even for |x| < 2^22: at 1.5 * 2^23 the unit in the last place is one. */
static inline float round_even(float x) {
    float t = x + 0x1.8p23f;
    return t - 0x1.8p23f;
}

/* One block: q[block]; returns d. |x * (127 / amax)| rounds to 127 at most, as two roundings move it by less than a half. */
static float quantize_block(int8_t *q, const float *x, size_t block) {
    float amax = 0;
    for (size_t i = 0; i < block; i++) {
        float a = fabsf(x[i]);
        amax = a > amax ? a : amax;
    }
    if (!(amax >= 0x1p-100f)) {
        memset(q, 0, block);
        return 0.0f;
    }
    float inverse = 127.0f / amax;
    for (size_t i = 0; i < block; i++) q[i] = (int8_t)round_even(x[i] * inverse);
    return amax / 127.0f;
}

static void quantize_row(void *q8, const float *x, size_t k, size_t block) {
    int8_t *q = q8;
    float *d = (float *)((char *)q8 + suan__q8_d_offset(k));
    int16_t *sum = (int16_t *)((char *)q8 + suan__q8_sum_offset(k, block));
    size_t group = block == 32 ? 32 : 16;
    for (size_t b = 0; b < k / block; b++) d[b] = quantize_block(q + b * block, x + b * block, block);
    for (size_t g = 0; g < k / group; g++) {
        int s = 0;
        for (size_t i = 0; i < group; i++) s += q[g * group + i];
        sum[g] = (int16_t)s;
    }
    size_t used = suan__q8_sum_offset(k, block) + k / group * 2;
    memset((char *)q8 + used, 0, suan__q8_row_bytes(k, block) - used);
}

void suan__quantize_q8_32_c(void *q8, const float *x, size_t k) {
    quantize_row(q8, x, k, 32);
}
void suan__quantize_q8_256_c(void *q8, const float *x, size_t k) {
    quantize_row(q8, x, k, 256);
}
