/* quantize_k.c: f32 to the block types whose scales are searched for: K-quants, IQ4_NL, IQ4_XS, MXFP4.
 *
 * The aim is the least squared error. A block is approximated by t * q (symmetric) or a * q - b (affine), q from a small set of levels:
 *
 *   1. Each sub-block by itself: for a range of trial scales, levels are the nearest ones, and the scale that fits those levels best is the
 *      least-squares one. The best trial wins.
 *   2. The scales of the superblock are integers times d (and dmin), a binary16. With d given, each sub-block tries the integers near its
 *      own optimum; with the integers and levels given, d has a least-squares optimum again. The two steps alternate while the error falls.
 *
 * Only + - * / and comparisons, in this order: the same bytes everywhere.
 */
#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/quantize_search.h"

#define MAX_SUBS 16

/* The levels of a symmetric type: all integers low..high, or the 16 of IQ4 in rising order. */
typedef struct levels {
    float low, high;
    bool is_iq4;
} levels;

/* The midpoints between the values of IQ4, and how far apart the values are. */
static const float iq4_middles[15] = {-115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101};
static const float iq4_steps[15] = {23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24};

/* The levels nearest to v. Of IQ4: each midpoint that v lies above adds a step. */
static inline void nearest_levels(const levels *l, const float v[LANES], float level[LANES]) {
    if (!l->is_iq4) {
        for (int j = 0; j < LANES; j++) level[j] = round_limited(v[j], l->low, l->high);
        return;
    }
    for (int j = 0; j < LANES; j++) level[j] = l->low;
    for (int i = 0; i < 15; i++) {
        for (int j = 0; j < LANES; j++) level[j] += v[j] > iq4_middles[i] ? iq4_steps[i] : 0.0f;
    }
}

/* ---- symmetric: x ~ t * q */

static inline float inverse_of(float t) {
    return t != 0.0f ? 1.0f / t : 0.0f;
}

/* Error of x[n] at scale t with the nearest levels. n is a multiple of LANES. */
static float error_at(const levels *l, const float *x, int n, float t) {
    float error[LANES] = {0}, inverse = inverse_of(t), v[LANES], q[LANES];
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) v[j] = x[i + j] * inverse;
        nearest_levels(l, v, q);
        for (int j = 0; j < LANES; j++) {
            float e = x[i + j] - t * q[j];
            error[j] += e * e;
        }
    }
    return fold_lanes(error);
}

/* sums: of x q and of q q, q the levels nearest to x * inverse. */
static void fit_at(const levels *l, const float *x, int n, float inverse, float sums[2]) {
    float xq[LANES] = {0}, qq[LANES] = {0}, v[LANES], q[LANES];
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) v[j] = x[i + j] * inverse;
        nearest_levels(l, v, q);
        for (int j = 0; j < LANES; j++) {
            xq[j] += x[i + j] * q[j];
            qq[j] += q[j] * q[j];
        }
    }
    sums[0] = fold_lanes(xq);
    sums[1] = fold_lanes(qq);
}

/* What is stored for the level nearest to x[i] at scale t: its number from the lowest one. */
static void level_indices(const levels *l, const float *x, int n, float t, uint8_t *q) {
    float inverse = inverse_of(t), v[LANES], level[LANES];
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) v[j] = x[i + j] * inverse;
        nearest_levels(l, v, level);
        for (int j = 0; j < LANES; j++) {
            int index = (int)(level[j] - l->low);
            if (l->is_iq4)
                for (index = 0; (float)suan__iq4_values[index] < level[j];) index++;
            q[i + j] = (uint8_t)index;
        }
    }
}

/* The best scale by itself. Trials map the extreme value to the levels between 1.2 times and half of each end of the range. */
#define SHARES 24

static float best_scale(const levels *l, const float *x, int n) {
    float extreme = 0, best_gain = 0, best = 0;
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    }
    if (!(fabsf(extreme) > 0x1p-60f)) return 0; /* nothing beside the block's largest value, which is one or more */
    for (int trial = 0; trial < 2 * SHARES; trial++) {
        float edge = trial % 2 ? l->high : l->low, sums[2];
        float share = (float)(40 - trial / 2) * 0.03f;
        fit_at(l, x, n, edge * share / extreme, sums);
        if (sums[1] > 0 && sums[0] * sums[0] > best_gain * sums[1]) {
            best_gain = sums[0] * sums[0] / sums[1];
            best = sums[0] / sums[1];
        }
    }
    return best;
}

/* A superblock of normalised values: scale of sub-block s is d * sub[s]. */
typedef struct symmetric {
    float d, error;
    int sub[MAX_SUBS];
    uint16_t d_bits;
    uint8_t q[256];
} symmetric;

typedef struct symmetric_type {
    levels l;
    int n_sub, sub_low, sub_high;
} symmetric_type;

/* For a given d the best integers near each sub-block's own optimum, and the error. */
static void choose_subs(const symmetric_type *t, const float *x, const float scale[MAX_SUBS], symmetric *s) {
    int n = 256 / t->n_sub;
    s->error = 0;
    for (int i = 0; i < t->n_sub; i++) {
        int middle = s->d != 0.0f ? (int)round_limited(scale[i] / s->d, (float)t->sub_low, (float)t->sub_high) : 0;
        float best = -1;
        for (int sub = middle - 1; sub <= middle + 1; sub++) {
            if (sub < t->sub_low || sub > t->sub_high) continue;
            float error = error_at(&t->l, x + i * n, n, s->d * (float)sub);
            if (best >= 0 && error >= best) continue;
            best = error;
            s->sub[i] = sub;
        }
        s->error += best;
    }
}

/* The d that fits the integers, and the levels that they bring, best. */
static float refit(const symmetric_type *t, const float *x, const symmetric *s) {
    float xw = 0, ww = 0;
    int n = 256 / t->n_sub;
    for (int i = 0; i < t->n_sub; i++) {
        float sums[2], sub = (float)s->sub[i];
        if (s->sub[i] == 0) continue;
        fit_at(&t->l, x + i * n, n, inverse_of(s->d * sub), sums);
        xw += sums[0] * sub;
        ww += sums[1] * (sub * sub);
    }
    return ww > 0 ? xw / ww : 0;
}

#define ROUNDS 4

static void fit_symmetric(const symmetric_type *t, const float *values, symmetric *best) {
    float x[256], scale[MAX_SUBS], extreme = 0;
    double unit = normalize(values, x, 256);
    int n = 256 / t->n_sub;
    for (int i = 0; i < t->n_sub; i++) {
        scale[i] = best_scale(&t->l, x + i * n, n);
        if (fabsf(scale[i]) > fabsf(extreme)) extreme = scale[i];
    }
    *best = (symmetric){.error = -1};
    for (int start = 0; start < 2; start++) {
        float d = extreme / (float)(start ? t->sub_high : t->sub_low), last = -1;
        for (int round = 0; round < ROUNDS; round++) {
            symmetric s = {.d = stored_value(d, unit), .d_bits = stored_half(d, unit)};
            choose_subs(t, x, scale, &s);
            if (best->error < 0 || s.error < best->error) *best = s;
            if (last >= 0 && s.error >= last) break;
            last = s.error;
            d = refit(t, x, &s);
        }
    }
    for (int i = 0; i < t->n_sub; i++) level_indices(&t->l, x + i * n, n, best->d * (float)best->sub[i], best->q + i * n);
}

static const symmetric_type q3_k_type = {{-4, 3, false}, 16, -32, 31};
static const symmetric_type q6_k_type = {{-32, 31, false}, 16, -128, 127};
static const symmetric_type iq4_xs_type = {{-127, 113, true}, 8, -32, 31};

void suan__quantize_q3_k(uint8_t *p, const float *x) {
    symmetric s;
    fit_symmetric(&q3_k_type, x, &s);
    memset(p, 0, 110);
    for (int e = 0; e < 256; e++) {
        p[e % 32] |= (uint8_t)((s.q[e] >> 2) << (e / 32));
        p[32 + e / 128 * 32 + e % 32] |= (uint8_t)((s.q[e] & 3) << (e / 32 % 4 * 2));
    }
    for (int i = 0; i < 16; i++) {
        int sub = s.sub[i] + 32;
        p[96 + i % 8] |= (uint8_t)((sub & 15) << (i / 8 * 4));
        p[104 + i % 4] |= (uint8_t)((sub >> 4) << (i / 4 * 2));
    }
    suan__put_u16(p + 108, s.d_bits);
}

void suan__quantize_q6_k(uint8_t *p, const float *x) {
    symmetric s;
    fit_symmetric(&q6_k_type, x, &s);
    memset(p, 0, 210);
    for (int e = 0; e < 256; e++) {
        int a = e / 128, b = e / 32 % 4, l = e % 32;
        p[64 * a + 32 * (b % 2) + l] |= (uint8_t)((s.q[e] & 15) << (b / 2 * 4));
        p[128 + 32 * a + l] |= (uint8_t)((s.q[e] >> 4) << (2 * b));
    }
    for (int i = 0; i < 16; i++) p[192 + i] = (uint8_t)s.sub[i];
    suan__put_u16(p + 208, s.d_bits);
}

static void put_nibbles(uint8_t *qs, const uint8_t *q) {
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)(q[j] | q[j + 16] << 4);
}

void suan__quantize_iq4_xs(uint8_t *p, const float *x) {
    symmetric s;
    fit_symmetric(&iq4_xs_type, x, &s);
    memset(p, 0, 136);
    uint16_t high = 0;
    for (int g = 0; g < 8; g++) {
        int sub = s.sub[g] + 32;
        p[4 + g / 2] |= (uint8_t)((sub & 15) << (g % 2 * 4));
        high |= (uint16_t)((sub >> 4) << (2 * g));
        put_nibbles(p + 8 + 16 * g, s.q + 32 * g);
    }
    suan__put_u16(p, s.d_bits);
    suan__put_u16(p + 2, high);
}

/* One scale, a binary16: the best one and its neighbours (near zero the steps of binary16 are coarse). */
void suan__quantize_iq4_nl(uint8_t *p, const float *values) {
    float x[32], best = -1;
    double unit = normalize(values, x, 32);
    uint16_t middle = stored_half(best_scale(&iq4_xs_type.l, x, 32), unit);
    for (int step = -1; step <= 1; step++) {
        int size = (middle & 0x7fff) + step;
        if (size < 0 || size > 0x7bff) continue;
        uint16_t bits = (uint16_t)((middle & 0x8000) | size);
        float t = (float)((double)suan__f16_to_f32(bits) / unit), error = error_at(&iq4_xs_type.l, x, 32, t);
        uint8_t q[32];
        if (best >= 0 && error >= best) continue;
        best = error;
        level_indices(&iq4_xs_type.l, x, 32, t, q);
        suan__put_u16(p, bits);
        put_nibbles(p + 2, q);
    }
}

/* The doubled magnitudes of FP4 (0 1 2 3 4 6 8 12) nearest to |v|, ties to the smaller: their number. */
static int nearest_fp4(float v) {
    float size = fabsf(v);
    return (size > 0.5f) + (size > 1.5f) + (size > 2.5f) + (size > 3.5f) + (size > 5.0f) + (size > 7.0f) + (size > 10.0f);
}

#define MXFP4_TOP 252 /* 12 * 2^(252 - 128) is still finite */

/* Exponents around the one that brings the largest value under 12 (6, doubled). Scales are powers of two, so that products are exact. */
void suan__quantize_mxfp4(uint8_t *p, const float *x) {
    double amax = 0, best = -1;
    for (int i = 0; i < 32; i++) amax = fabs((double)x[i]) > amax ? fabs((double)x[i]) : amax;
    int fit = 0;
    while (fit < MXFP4_TOP && amax > 12 * (double)suan__e8m0_half((uint8_t)fit)) fit++;
    for (int e = fit > 1 ? fit - 2 : 0; e <= fit + 1 && e <= MXFP4_TOP; e++) {
        double error = 0, d = suan__e8m0_half((uint8_t)e), inverse = 1 / d;
        uint8_t q[32];
        for (int i = 0; i < 32; i++) {
            int index = nearest_fp4((float)(x[i] * inverse));
            q[i] = (uint8_t)(x[i] < 0 && index ? index | 8 : index);
            double miss = x[i] - d * suan__fp4_values[q[i]];
            error += miss * miss;
        }
        if (best >= 0 && error >= best) continue;
        best = error;
        p[0] = (uint8_t)e;
        put_nibbles(p + 1, q);
    }
}
