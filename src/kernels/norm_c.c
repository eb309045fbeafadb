/* norm_c.c: RMSNorm and softmax, the definitions. Their sums have one output: 64 partial sums, element k into partial sum k mod 64. */
#include "kernels/c.h"
#include "kernels/fold.h"
#include "kernels/math.h"

#include <math.h>

float suan__rms_c(const float *x, size_t n, float eps) {
    float partial[SUAN__PARTIALS] = {0};
    for (size_t i = 0; i < n; i++) partial[i % SUAN__PARTIALS] = fmaf(x[i], x[i], partial[i % SUAN__PARTIALS]);
    float mean = suan__fold(partial) / (float)n;
    return 1.0f / sqrtf(mean + eps);
}

void suan__rms_norm_c(float *y, const float *x, const float *w, size_t n, float eps) {
    float r = suan__rms_c(x, n, eps);
    for (size_t i = 0; i < n; i++) {
        float scaled = x[i] * r;
        y[i] = scaled * w[i];
    }
}

/* The greatest of x; a zero comes out as +0, so that the order of comparisons cannot show. */
static float greatest(const float *x, size_t n) {
    float max = x[0];
    for (size_t i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
    return max + 0.0f;
}

/* y[i] = exp(x[i] - max); returns their sum by rule 4. */
static float exponentials(float *y, const float *x, size_t n, float max) {
    float partial[SUAN__PARTIALS] = {0};
    for (size_t i = 0; i < n; i++) {
        y[i] = suan__expf(x[i] - max);
        partial[i % SUAN__PARTIALS] = partial[i % SUAN__PARTIALS] + y[i];
    }
    return suan__fold(partial);
}

void suan__softmax_c(float *y, const float *x, size_t n) {
    float sum = exponentials(y, x, n, greatest(x, n));
    for (size_t i = 0; i < n; i++) y[i] = y[i] / sum;
}

void suan__attn_softmax_c(float *s, int n, float *max, float *sum) {
    *max = greatest(s, (size_t)n);
    *sum = exponentials(s, s, (size_t)n, *max);
}
