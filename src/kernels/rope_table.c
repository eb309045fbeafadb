/* rope_table.c: cosines and sines of a position. The angle is rounded to f32 first, as the reference implementations do. */
#include "kernels/kernels.h"
#include "kernels/math.h"

void suan__rope_table(float *cos, float *sin, const float *f, size_t n, int64_t pos, float factor) {
    for (size_t j = 0; j < n; j++) {
        float angle = (float)pos * f[j];
        double s, c;
        suan__sincos((double)angle, &s, &c);
        cos[j] = (float)c * factor;
        sin[j] = (float)s * factor;
    }
}
