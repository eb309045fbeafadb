/* quantize_k.c: f32 to the block types whose scales are searched for: K-quants, IQ4_NL, IQ4_XS, MXFP4.
 *
 * The aim is the least squared error. A block is approximated by t * q (symmetric) or a * q - b (affine), q from a small set of levels:
 *
 *   1. Each sub-block by itself: for a range of trial scales, levels are the nearest ones, and the scale that fits those levels best is the
 *      least-squares one. The best trial wins.
 *   2. The scales of the superblock are integers times d (and dmin), a binary16. With d given, each sub-block tries the integers near its
 *      own optimum; with the integers and levels given, d has a least-squares optimum again. The two steps alternate while the error falls.
 *
 * All is computed in binary64 with + - * / and comparisons, in this order: the same bytes everywhere.
 */
#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/quantize.h"

#include <math.h>
#include <string.h>

#define MAX_SUBS 16

/* Nearest integer, halves to even, limited to low..high. */
static int nearest_int(double v, int low, int high) {
    if (!(v > low)) return low;
    if (!(v < high)) return high;
    double t = v + 0x1.8p52;
    return (int)(t - 0x1.8p52);
}

/* The levels of a symmetric type: all integers low..high, or the 16 of a table in rising order. */
typedef struct levels {
    int low, high;
    const int8_t *table;
} levels;

/* The index of the level nearest to v: into the table, or from `low`. */
static int nearest_level(const levels *l, double v) {
    if (!l->table) return nearest_int(v, l->low, l->high) - l->low;
    int i = 0;
    for (int step = 8; step > 0; step /= 2) {
        if (2 * v > l->table[i + step - 1] + l->table[i + step]) i += step;
    }
    return i;
}
static int level_value(const levels *l, int index) {
    return l->table ? l->table[index] : l->low + index;
}

static double half_value(double v) {
    return (double)suan__f16_to_f32(suan__scale_bits((float)v));
}

/* ---- symmetric: x ~ t * q
 * ----------------------------------------------------------------------------------------------------------------- */

/* Error of x[n] at scale t with the nearest levels; their indices in q. */
static double error_at(const levels *l, const float *x, int n, double t, uint8_t *q) {
    double error = 0, inverse = t != 0 ? 1 / t : 0;
    for (int i = 0; i < n; i++) {
        q[i] = (uint8_t)nearest_level(l, x[i] * inverse);
        double e = x[i] - t * level_value(l, q[i]);
        error += e * e;
    }
    return error;
}

/* The best scale by itself. Trials map the extreme value to the levels between 1.2 times and half of each end of the range. */
static double best_scale(const levels *l, const float *x, int n) {
    double extreme = 0, best_gain = 0, best = 0;
    for (int i = 0; i < n; i++) {
        if (fabs((double)x[i]) > fabs(extreme)) extreme = x[i];
    }
    if (extreme == 0) return 0;
    for (int end = 0; end < 2; end++) {
        double edge = end ? l->high : l->low;
        for (int step = 0; step < 24; step++) {
            double inverse = edge * (1.2 - step * 0.03) / extreme, xq = 0, qq = 0;
            for (int i = 0; i < n; i++) {
                double q = level_value(l, nearest_level(l, x[i] * inverse));
                xq += x[i] * q;
                qq += q * q;
            }
            if (qq > 0 && xq * xq > best_gain * qq) {
                best_gain = xq * xq / qq;
                best = xq / qq;
            }
        }
    }
    return best;
}

/* A superblock: scale of sub-block s is d * sub[s]. */
typedef struct symmetric {
    double d, error;
    int sub[MAX_SUBS];
    uint8_t q[256]; /* indices of levels */
} symmetric;

typedef struct symmetric_type {
    levels l;
    int n_sub, sub_low, sub_high;
} symmetric_type;

/* For a given d the best integers near each sub-block's own optimum; fills all but d. */
static void choose_subs(const symmetric_type *t, const float *x, const double scale[MAX_SUBS], symmetric *s) {
    int n = 256 / t->n_sub;
    s->error = 0;
    for (int i = 0; i < t->n_sub; i++) {
        int middle = nearest_int(s->d != 0 ? scale[i] / s->d : 0, t->sub_low, t->sub_high);
        double best = -1;
        for (int sub = middle - 1; sub <= middle + 1; sub++) {
            uint8_t q[256];
            if (sub < t->sub_low || sub > t->sub_high) continue;
            double error = error_at(&t->l, x + i * n, n, s->d * sub, q);
            if (best >= 0 && error >= best) continue;
            best = error;
            s->sub[i] = sub;
            memcpy(s->q + i * n, q, (size_t)n);
        }
        s->error += best;
    }
}

/* The d that fits the integers and levels best. */
static double refit(const symmetric_type *t, const float *x, const symmetric *s) {
    double xw = 0, ww = 0;
    for (int i = 0; i < 256; i++) {
        double w = s->sub[i * t->n_sub / 256] * level_value(&t->l, s->q[i]);
        xw += x[i] * w;
        ww += w * w;
    }
    return ww > 0 ? xw / ww : 0;
}

#define ROUNDS 4

static void fit_symmetric(const symmetric_type *t, const float *x, symmetric *best) {
    double scale[MAX_SUBS], extreme = 0;
    int n = 256 / t->n_sub;
    for (int i = 0; i < t->n_sub; i++) {
        scale[i] = best_scale(&t->l, x + i * n, n);
        if (fabs(scale[i]) > fabs(extreme)) extreme = scale[i];
    }
    *best = (symmetric){.error = -1};
    for (int start = 0; start < 2; start++) {
        symmetric s = {.d = half_value(extreme / (start ? t->sub_high : t->sub_low))};
        for (int round = 0; round < ROUNDS; round++) {
            choose_subs(t, x, scale, &s);
            if (best->error >= 0 && s.error >= best->error && round > 0) break;
            if (best->error < 0 || s.error < best->error) *best = s;
            double d = half_value(refit(t, x, &s));
            if (d == s.d) break;
            s.d = d;
        }
    }
}

static const symmetric_type q3_k_type = {{-4, 3, NULL}, 16, -32, 31};
static const symmetric_type q6_k_type = {{-32, 31, NULL}, 16, -128, 127};
static const symmetric_type iq4_xs_type = {{-127, 113, suan__iq4_values}, 8, -32, 31};

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
    suan__put_u16(p + 108, suan__scale_bits((float)s.d));
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
    suan__put_u16(p + 208, suan__scale_bits((float)s.d));
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
    suan__put_u16(p, suan__scale_bits((float)s.d));
    suan__put_u16(p + 2, high);
}

/* One scale, a binary16: the best one and its neighbours (near zero the steps of binary16 are coarse). */
void suan__quantize_iq4_nl(uint8_t *p, const float *x) {
    double best = -1;
    uint16_t middle = suan__scale_bits((float)best_scale(&iq4_xs_type.l, x, 32));
    for (int step = -1; step <= 1; step++) {
        int size = (middle & 0x7fff) + step;
        if (size < 0 || size > 0x7bff) continue;
        uint16_t bits = (uint16_t)((middle & 0x8000) | size);
        uint8_t q[32];
        double error = error_at(&iq4_xs_type.l, x, 32, (double)suan__f16_to_f32(bits), q);
        if (best >= 0 && error >= best) continue;
        best = error;
        suan__put_u16(p, bits);
        put_nibbles(p + 2, q);
    }
}

/* The doubled values of FP4 are not evenly spaced, and the sign is a bit of its own: nearest magnitude by comparisons, ties to the smaller.
 */
static int nearest_fp4(double v) {
    double size = fabs(v);
    int i = 0;
    while (i < 7 && 2 * size > suan__fp4_values[i] + suan__fp4_values[i + 1]) i++;
    return v < 0 && i > 0 ? i | 8 : i;
}

#define MXFP4_TOP 252 /* 12 * 2^(252 - 128) is still finite */

/* Exponents around the one that brings the largest value under 12 (6, doubled). */
void suan__quantize_mxfp4(uint8_t *p, const float *x) {
    double amax = 0, best = -1;
    for (int i = 0; i < 32; i++) amax = fabs((double)x[i]) > amax ? fabs((double)x[i]) : amax;
    int fit = 0;
    while (fit < MXFP4_TOP && amax > 12 * (double)suan__e8m0_half((uint8_t)fit)) fit++;
    for (int e = fit > 1 ? fit - 2 : 0; e <= fit + 1 && e <= MXFP4_TOP; e++) {
        double error = 0, d = suan__e8m0_half((uint8_t)e);
        uint8_t q[32];
        for (int i = 0; i < 32; i++) {
            q[i] = (uint8_t)nearest_fp4(x[i] / d);
            double miss = x[i] - d * suan__fp4_values[q[i]];
            error += miss * miss;
        }
        if (best >= 0 && error >= best) continue;
        best = error;
        p[0] = (uint8_t)e;
        put_nibbles(p + 1, q);
    }
}
