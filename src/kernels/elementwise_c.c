/* elementwise_c.c: operations on vectors element by element, the definitions. */
#include "kernels/c.h"
#include "kernels/f16.h"
#include "kernels/math.h"

#include <math.h>

void suan__add_c(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = y[i] + x[i];
}

void suan__axpy_c(float *y, const float *x, float a, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

void suan__relu_axpy_c(float *y, const float *x, float a, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i] > 0 ? x[i] : 0.0f, y[i]);
}

/* exp(-z) may be an infinity: z / inf is then a zero with the sign of z, as it should be. */
void suan__swiglu_c(float *y, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float silu = gate[i] / (1.0f + suan__expf(-gate[i]));
        y[i] = silu * up[i];
    }
}

void suan__sigmoid_c(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = 1.0f / (1.0f + suan__expf(-x[i]));
}

void suan__div_c(float *y, float a, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = y[i] / a;
}

void suan__f16_to_f32_c(float *y, const uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = suan__f16_to_f32(x[i]);
}

bool suan__f32_to_f16_c(uint16_t *y, const float *x, size_t n) {
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        y[i] = suan__f32_to_f16(x[i]);
        if ((y[i] & 0x7c00) == 0x7c00) ok = false;
    }
    return ok;
}

bool suan__all_finite_c(const float *x, size_t n) {
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) found |= (suan__f32_bits(x[i]) & 0x7f800000) == 0x7f800000;
    return !found;
}
