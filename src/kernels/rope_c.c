/* rope_c.c: rotation of pairs, the definition. Pairs are neighbours (interleaved) or n_rot / 2 apart (half). */
#include "kernels/c.h"

#include <math.h>

static inline void rotate(float *u, float *v, float c, float s) {
    float vs = *v * s, vc = *v * c, u0 = *u;
    *u = fmaf(u0, c, -vs);
    *v = fmaf(u0, s, vc);
}

void suan__rope_interleaved_c(float *x, size_t stride, size_t n_head, size_t n_rot, const float *cos, const float *sin) {
    for (size_t h = 0; h < n_head; h++, x += stride) {
        for (size_t j = 0; j < n_rot / 2; j++) rotate(x + 2 * j, x + 2 * j + 1, cos[j], sin[j]);
    }
}

void suan__rope_half_c(float *x, size_t stride, size_t n_head, size_t n_rot, const float *cos, const float *sin) {
    for (size_t h = 0; h < n_head; h++, x += stride) {
        for (size_t j = 0; j < n_rot / 2; j++) rotate(x + j, x + n_rot / 2 + j, cos[j], sin[j]);
    }
}
