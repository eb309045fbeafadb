/* quantize_k.c: f32 to the block types whose scales are searched for: K-quants, IQ4_XS, MXFP4 (IQ4_NL: quantize_iq4_nl.c).
 *
 * The aim is the least squared error. A block is approximated by t * q (symmetric) or a * q - b (affine, quantize_affine.c), q from a small
 * set of levels:
 *
 *   1. Each sub-block by itself: for eight trial scales levels are the nearest ones, and the scale that fits those levels best is the
 *      least-squares one. The best trial wins.
 *   2. The scales of the superblock are integers times d (and dmin), a binary16. For a few d each sub-block tries the integers around its
 *      own optimum; the d with the least error wins.
 *
 * Trials run side by side (quantize_lanes.h). Only + - * / and comparisons, in this order: the same bytes everywhere.
 */
#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/quantize_lanes.h"
#include "kernels/quantize_search.h"

#define MAX_SUBS 16

/* The levels of a symmetric type: all integers low..high, or the 16 of IQ4 in rising order. */
typedef struct levels {
    float low, high;
    bool is_iq4;
} levels;

/* The value of IQ4 that is nearest to v, for v from -127 to 113 in steps of a half; halfway the larger one. */
static const float iq4_nearest[481] = {
    [0 ... 22] = -127,   [23 ... 66] = -104,  [67 ... 105] = -83, [106 ... 139] = -65, [140 ... 169] = -49, [170 ... 196] = -35,
    [197 ... 221] = -22, [222 ... 244] = -10, [245 ... 267] = 1,  [268 ... 291] = 13,  [292 ... 316] = 25,  [317 ... 344] = 38,
    [345 ... 375] = 53,  [376 ... 411] = 69,  [412 ... 455] = 89, [456 ... 480] = 113,
};

/* The levels nearest to v. */
static inline vec4 nearest_levels(const levels *l, vec4 v) {
    vec4 low = vec4_all(l->low), high = vec4_all(l->high);
    if (!l->is_iq4) return vec4_round_limited(v, low, high);
    vec4 halves = (vec4_smaller(vec4_larger(v, low), high) - low) * vec4_all(2);
    vec4_mask i = __builtin_convertvector(halves, vec4_mask);
    return (vec4){iq4_nearest[i[0]], iq4_nearest[i[1]], iq4_nearest[i[2]], iq4_nearest[i[3]]};
}

static inline float inverse_of(float t) {
    return t != 0.0f ? 1.0f / t : 0.0f;
}

/* ---- symmetric: x ~ t * q, eight or four scales t at once */

typedef struct trials {
    float t[TRIALS], inverse[TRIALS];            /* given; levels are those nearest to x * inverse */
    float error[TRIALS], xq[TRIALS], qq[TRIALS]; /* the squared error of x[n], the sums of x q and of q q */
} trials;

static inline void run_with(const levels *l, const float *x, int n, int n_trials, trials *r) {
    for (int h = 0; h < n_trials; h += 4) {
        vec4 t = vec4_load(r->t + h), inverse = vec4_load(r->inverse + h), error = vec4_all(0), xq = error, qq = error;
        for (int i = 0; i < n; i++) {
            vec4 xi = vec4_all(x[i]), q = nearest_levels(l, xi * inverse), e = xi - t * q;
            error += e * e;
            xq += xi * q;
            qq += q * q;
        }
        memcpy(r->error + h, &error, sizeof error);
        memcpy(r->xq + h, &xq, sizeof xq);
        memcpy(r->qq + h, &qq, sizeof qq);
    }
}

/* Two copies of the loop, so that neither asks for the kind of its levels at every value. */
static void run_trials(const levels *l, const float *x, int n, int n_trials, trials *r) {
    if (l->is_iq4)
        run_with(&(levels){l->low, l->high, true}, x, n, n_trials, r);
    else
        run_with(&(levels){l->low, l->high, false}, x, n, n_trials, r);
}

/* What is stored for the level nearest to x[i] at scale t: its number from the lowest one. n is a multiple of 4. */
static void level_indices(const levels *l, const float *x, int n, float t, uint8_t *q) {
    for (int i = 0; i < n; i += 4) {
        vec4 level = nearest_levels(l, vec4_load(x + i) * vec4_all(inverse_of(t)));
        for (int j = 0; j < 4; j++) {
            int index = (int)(level[j] - l->low);
            if (l->is_iq4)
                for (index = 0; (float)suan__iq4_values[index] < level[j];) index++;
            q[i + j] = (uint8_t)index;
        }
    }
}

/* The best scale by itself. Half of the trials map the extreme value near to the lowest level, or beyond it, half to the highest. */
static float best_scale(const levels *l, const float *x, int n) {
    static const float shares[TRIALS / 2] = {1.06f, 0.99f, 0.93f, 0.84f};
    float extreme = 0, best_gain = 0, best = 0;
    trials r;
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    }
    if (!(fabsf(extreme) > 0x1p-60f)) return 0; /* nothing beside the block's largest value, which is one or more */
    for (int j = 0; j < TRIALS; j++) {
        r.inverse[j] = (j < TRIALS / 2 ? l->low : l->high) * shares[j % (TRIALS / 2)] / extreme;
        r.t[j] = 0;
    }
    run_trials(l, x, n, TRIALS, &r);
    for (int j = 0; j < TRIALS; j++) {
        /* Gains that only rounding tells apart are equal, and the first of equals is taken. */
        if (!(r.qq[j] > 0 && r.xq[j] * r.xq[j] > best_gain * (r.qq[j] * 1.000001f))) continue;
        best_gain = r.xq[j] * r.xq[j] / r.qq[j];
        best = r.xq[j] / r.qq[j];
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
        float place = s->d != 0.0f ? scale[i] / s->d : 0, best = -1;
        int middle = (int)round_limited(place, (float)t->sub_low, (float)t->sub_high),
            first = place < (float)middle ? middle - 2 : middle - 1;
        trials r;
        for (int j = 0; j < 4; j++) {
            int sub = first + j < t->sub_low ? t->sub_low : first + j > t->sub_high ? t->sub_high : first + j;
            r.t[j] = s->d * (float)sub;
            r.inverse[j] = inverse_of(r.t[j]);
        }
        run_trials(&t->l, x + i * n, n, 4, &r);
        for (int j = 0; j < 4; j++) {
            if (best >= 0 && r.error[j] >= best) continue;
            best = r.error[j];
            s->sub[i] = first + j < t->sub_low ? t->sub_low : first + j > t->sub_high ? t->sub_high : first + j;
        }
        s->error += best;
    }
}

/* The extreme scale becomes the integer at either end, or one just inside: other roundings of d. Where all sub-blocks are alike these are all
 * the error there is, and more of them are tried. */
#define STARTS 2
#define STARTS_ALIKE 32

static void fit_symmetric(const symmetric_type *t, const float *values, symmetric *best) {
    float x[256], scale[MAX_SUBS], extreme = 0;
    double unit = normalize(values, x, 256);
    int n = 256 / t->n_sub;
    bool is_alike = true;
    for (int i = 0; i < t->n_sub; i++) {
        scale[i] = best_scale(&t->l, x + i * n, n);
        if (fabsf(scale[i]) > fabsf(extreme)) extreme = scale[i];
        is_alike = is_alike && scale[i] == scale[0];
    }
    *best = (symmetric){.error = -1};
    for (int start = 0; start < (is_alike ? STARTS_ALIKE : STARTS); start++) {
        float d = extreme / (float)(start % 2 ? t->sub_high - start / 2 : t->sub_low + start / 2);
        symmetric s = {.d = stored_value(d, unit), .d_bits = stored_half(d, unit)};
        choose_subs(t, x, scale, &s);
        if (best->error < 0 || s.error < best->error) *best = s;
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
