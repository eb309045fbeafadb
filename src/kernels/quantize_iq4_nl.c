/* quantize_iq4_nl.c: f32 to IQ4_NL: one scale for 32 values, searched for more widely than those of superblocks (quantize_k.c).
 *
 * Only + - * / and comparisons, in this order: the same bytes everywhere.
 */
#include "kernels/blocks.h"
#include "kernels/quantize_search.h"

#define LOW (-127.0f)
#define HIGH 113.0f

/* The midpoints between the values of IQ4, and how far apart the values are. */
static const float iq4_middles[15] = {-115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101};
static const float iq4_steps[15] = {23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24};

/* The values of IQ4 nearest to v: each midpoint that v lies above adds a step. */
static inline void nearest_levels(const float v[LANES], float level[LANES]) {
    for (int j = 0; j < LANES; j++) level[j] = LOW;
    for (int i = 0; i < 15; i++) {
        for (int j = 0; j < LANES; j++) level[j] += v[j] > iq4_middles[i] ? iq4_steps[i] : 0.0f;
    }
}

static inline float inverse_of(float t) {
    return t != 0.0f ? 1.0f / t : 0.0f;
}

/* Error of x[n] at scale t with the nearest levels. n is a multiple of LANES. */
static float error_at(const float *x, int n, float t) {
    float error[LANES] = {0}, inverse = inverse_of(t), v[LANES], q[LANES];
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) v[j] = x[i + j] * inverse;
        nearest_levels(v, q);
        for (int j = 0; j < LANES; j++) {
            float e = x[i + j] - t * q[j];
            error[j] += e * e;
        }
    }
    return fold_lanes(error);
}

/* sums: of x q and of q q, q the levels nearest to x * inverse. */
static void fit_at(const float *x, int n, float inverse, float sums[2]) {
    float xq[LANES] = {0}, qq[LANES] = {0}, v[LANES], q[LANES];
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) v[j] = x[i + j] * inverse;
        nearest_levels(v, q);
        for (int j = 0; j < LANES; j++) {
            xq[j] += x[i + j] * q[j];
            qq[j] += q[j] * q[j];
        }
    }
    sums[0] = fold_lanes(xq);
    sums[1] = fold_lanes(qq);
}

/* What is stored for the level nearest to x[i] at scale t: its number from the lowest one. */
static void level_indices(const float *x, int n, float t, uint8_t *q) {
    float inverse = inverse_of(t), v[LANES], level[LANES];
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) v[j] = x[i + j] * inverse;
        nearest_levels(v, level);
        for (int j = 0; j < LANES; j++) {
            int index = 0;
            while ((float)suan__iq4_values[index] < level[j]) index++;
            q[i + j] = (uint8_t)index;
        }
    }
}

/* The best scale by itself. Trials map the extreme value to the levels between 1.2 times and half of each end of the range. */
#define SHARES 24

static float best_scale(const float *x, int n) {
    float extreme = 0, best_gain = 0, best = 0;
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    }
    if (!(fabsf(extreme) > 0x1p-60f)) return 0; /* nothing beside the block's largest value, which is one or more */
    for (int trial = 0; trial < 2 * SHARES; trial++) {
        float edge = trial % 2 ? HIGH : LOW, sums[2];
        float share = (float)(40 - trial / 2) * 0.03f;
        fit_at(x, n, edge * share / extreme, sums);
        if (sums[1] > 0 && sums[0] * sums[0] > best_gain * sums[1]) {
            best_gain = sums[0] * sums[0] / sums[1];
            best = sums[0] / sums[1];
        }
    }
    return best;
}

static void put_nibbles(uint8_t *qs, const uint8_t *q) {
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)(q[j] | q[j + 16] << 4);
}

/* One scale, a binary16: the best one and its neighbours (near zero the steps of binary16 are coarse). */
void suan__quantize_iq4_nl(uint8_t *p, const float *values) {
    float x[32], best = -1;
    double unit = normalize(values, x, 32);
    uint16_t middle = stored_half(best_scale(x, 32), unit);
    for (int step = -1; step <= 1; step++) {
        int size = (middle & 0x7fff) + step;
        if (size < 0 || size > 0x7bff) continue;
        uint16_t bits = (uint16_t)((middle & 0x8000) | size);
        float t = (float)((double)suan__f16_to_f32(bits) / unit), error = error_at(x, 32, t);
        uint8_t q[32];
        if (best >= 0 && error >= best) continue;
        best = error;
        level_indices(x, 32, t, q);
        suan__put_u16(p, bits);
        put_nibbles(p + 2, q);
    }
}
