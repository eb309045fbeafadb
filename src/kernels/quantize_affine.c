/* quantize_affine.c: Q2_K, Q4_K, Q5_K: x ~ (d * scale) * q - (dmin * min), q >= 0. The method is that of quantize_k.c with two unknowns. */
#include "kernels/kernels.h"
#include "kernels/quantize_search.h"

#define MAX_SUBS 16

typedef struct affine_type {
    int n_sub, sub_max; /* sub-blocks of a superblock; largest integer scale and minimum */
    float q_max;
} affine_type;

/* A superblock of normalised values: those of sub-block s are (d * scale[s]) * q - dmin * min[s]. */
typedef struct affine {
    float d, dmin, error;
    int scale[MAX_SUBS], min[MAX_SUBS];
    uint16_t d_bits, dmin_bits;
    uint8_t q[256];
} affine;

/* Least squares for a and b >= 0, u the factor of a and v that of -b: x ~ a u - b v. */
typedef struct sums {
    double uu, uv, vv, xu, xv;
} sums;

/* False when the terms do not determine a. */
static bool solve(const sums *s, float *a, float *b) {
    double det = s->uu * s->vv - s->uv * s->uv;
    if (det > 0) {
        *a = (float)((s->xu * s->vv - s->xv * s->uv) / det);
        *b = (float)((s->xu * s->uv - s->xv * s->uu) / det);
        if (*a >= 0 && *b >= 0) return true;
    }
    if (!(s->uu > 0) || s->xu < 0) return false;
    *a = (float)(s->xu / s->uu);
    *b = 0;
    return true;
}

static float inverse_of(float a) {
    return a != 0.0f ? 1.0f / a : 0.0f;
}

/* Error of x[n] as a * q - b with the nearest levels q; n is a multiple of LANES. */
static float error_at(const float *x, int n, float q_max, float a, float b) {
    float error[LANES] = {0}, inverse = inverse_of(a);
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float shifted = x[i + j] + b, e = shifted - a * round_limited(shifted * inverse, 0, q_max);
            error[j] += e * e;
        }
    }
    return fold_lanes(error);
}

/* The sums of q, q q, x q for the levels nearest at a, b. */
static void level_sums(const float *x, int n, float q_max, float a, float b, float out[3]) {
    float q1[LANES] = {0}, qq[LANES] = {0}, xq[LANES] = {0}, inverse = inverse_of(a);
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float q = round_limited((x[i + j] + b) * inverse, 0, q_max);
            q1[j] += q;
            qq[j] += q * q;
            xq[j] += x[i + j] * q;
        }
    }
    out[0] = fold_lanes(q1);
    out[1] = fold_lanes(qq);
    out[2] = fold_lanes(xq);
}

static float sum_of(const float *x, int n) {
    float s[LANES] = {0};
    for (int i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) s[j] += x[i + j];
    }
    return fold_lanes(s);
}

/* The best a, b of a sub-block by itself. A trial spreads the levels over a part of the range, or a little more than all of it, from the
 * lowest value or about zero, and is then improved: levels, least squares, levels, least squares. */
#define SHARES 12

static void best_fit(const float *x, int n, float q_max, float *best_a, float *best_b) {
    float low = 0, high = x[0], best = -1, total = sum_of(x, n);
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *best_a = 0;
    *best_b = -low;
    if (!(high - low > 0x1p-60f)) return; /* nothing beside the block's largest value, which is one or more */
    for (int trial = 0; trial < 2 * SHARES; trial++) {
        float share = 1.0f + (float)(3 - trial / 2) * 0.03f, a = (high - low) * share / q_max, b = trial % 2 ? -low * share : -low;
        for (int round = 0; round < 3; round++) {
            float error = error_at(x, n, q_max, a, b), s[3];
            if (best < 0 || error < best) {
                best = error;
                *best_a = a;
                *best_b = b;
            }
            if (round == 2) break;
            level_sums(x, n, q_max, a, b, s);
            if (!solve(&(sums){.uu = s[1], .uv = s[0], .vv = n, .xu = s[2], .xv = total}, &a, &b)) break;
        }
    }
}

/* What b is best when x[n] is quantised with a, starting from b. */
static float best_b(const float *x, int n, float q_max, float a, float b, float total) {
    float s[3];
    level_sums(x, n, q_max, a, b, s);
    float sum = a * s[0] - total;
    return sum > 0 ? sum / (float)n : 0;
}

/* One sub-block: for given d, dmin the best pair of integers; returns the error. Scale and minimum depend on each other: each scale near
 * that of the free optimum brings its own minimum, whose neighbours are tried. */
static float choose_sub(const affine_type *t, const float *x, float a, float b, affine *f, int i) {
    int n = 256 / t->n_sub, middle = f->d > 0 ? (int)round_limited(a / f->d, 0, (float)t->sub_max) : 0;
    float best = -1, total = sum_of(x, n);
    for (int scale = middle > 2 ? middle - 2 : 0; scale <= middle + 2 && scale <= t->sub_max; scale++) {
        float own_a = f->d * (float)scale, own_b = best_b(x, n, t->q_max, own_a, b, total);
        int min = f->dmin > 0 ? (int)round_limited(own_b / f->dmin, 0, (float)t->sub_max) : 0, last = min < t->sub_max ? min + 1 : min;
        for (min = min > 0 ? min - 1 : 0; min <= last; min++) {
            float error = error_at(x, n, t->q_max, own_a, f->dmin * (float)min);
            if (best >= 0 && error >= best) continue;
            best = error;
            f->scale[i] = scale;
            f->min[i] = min;
        }
    }
    return best;
}

/* The d, dmin that fit the integers, and the levels that they bring, best. */
static bool refit(const affine_type *t, const float *x, const affine *f, float *d, float *dmin) {
    sums s = {0};
    int n = 256 / t->n_sub;
    for (int i = 0; i < t->n_sub; i++) {
        float l[3];
        double scale = f->scale[i], min = f->min[i];
        level_sums(x + i * n, n, t->q_max, f->d * (float)f->scale[i], f->dmin * (float)f->min[i], l);
        s.uu += scale * scale * l[1];
        s.uv += scale * min * l[0];
        s.vv += min * min * n;
        s.xu += scale * l[2];
        s.xv += min * sum_of(x + i * n, n);
    }
    return solve(&s, d, dmin);
}

#define ROUNDS 3

/* From d, dmin on, while the error falls; *best is replaced by what is better. */
static void refine(const affine_type *t, const float *x, double unit, const float a[MAX_SUBS], const float b[MAX_SUBS], float d, float dmin,
                   affine *best) {
    float last = -1;
    int n = 256 / t->n_sub;
    for (int round = 0; round < ROUNDS; round++) {
        affine f = {.d = stored_value(d, unit), .d_bits = stored_half(d, unit)};
        f.dmin = stored_value(dmin, unit);
        f.dmin_bits = stored_half(dmin, unit);
        for (int i = 0; i < t->n_sub; i++) f.error += choose_sub(t, x + i * n, a[i], b[i], &f, i);
        if (best->error < 0 || f.error < best->error) *best = f;
        if (last >= 0 && f.error >= last) break;
        last = f.error;
        if (!refit(t, x, &f, &d, &dmin)) break;
    }
}

/* The largest scale becomes the largest integer, or the ones just below it: other roundings of d. */
#define STARTS 3

static void fit_affine(const affine_type *t, const float *values, affine *best) {
    float x[256], a[MAX_SUBS], b[MAX_SUBS], a_max = 0, b_max = 0;
    double unit = normalize(values, x, 256);
    int n = 256 / t->n_sub;
    for (int i = 0; i < t->n_sub; i++) {
        best_fit(x + i * n, n, t->q_max, &a[i], &b[i]);
        a_max = a[i] > a_max ? a[i] : a_max;
        b_max = b[i] > b_max ? b[i] : b_max;
    }
    *best = (affine){.error = -1};
    for (int start = 0; start < STARTS; start++) {
        refine(t, x, unit, a, b, a_max / (float)(t->sub_max - start), b_max / (float)(t->sub_max - start), best);
    }
    for (int e = 0; e < 256; e++) {
        int i = e / n;
        float inverse = inverse_of(best->d * (float)best->scale[i]);
        best->q[e] = (uint8_t)round_limited((x[e] + best->dmin * (float)best->min[i]) * inverse, 0, t->q_max);
    }
}

static const affine_type q2_k_type = {16, 15, 3};
static const affine_type q4_k_type = {8, 63, 15};
static const affine_type q5_k_type = {8, 63, 31};

void suan__quantize_q2_k(uint8_t *p, const float *x) {
    affine f;
    fit_affine(&q2_k_type, x, &f);
    memset(p, 0, 84);
    for (int i = 0; i < 16; i++) p[i] = (uint8_t)(f.scale[i] | f.min[i] << 4);
    for (int e = 0; e < 256; e++) p[16 + e / 128 * 32 + e % 32] |= (uint8_t)(f.q[e] << (e / 32 % 4 * 2));
    suan__put_u16(p + 80, f.d_bits);
    suan__put_u16(p + 82, f.dmin_bits);
}

/* d, dmin and the twelve bytes of six-bit scales and minimums (the inverse of suan__k4_scales). */
static void put_k4_head(uint8_t *p, const affine *f) {
    suan__put_u16(p, f->d_bits);
    suan__put_u16(p + 2, f->dmin_bits);
    for (int g = 0; g < 4; g++) {
        p[4 + g] = (uint8_t)(f->scale[g] | (f->scale[g + 4] >> 4) << 6);
        p[8 + g] = (uint8_t)(f->min[g] | (f->min[g + 4] >> 4) << 6);
        p[12 + g] = (uint8_t)((f->scale[g + 4] & 15) | (f->min[g + 4] & 15) << 4);
    }
}

void suan__quantize_q4_k(uint8_t *p, const float *x) {
    affine f;
    fit_affine(&q4_k_type, x, &f);
    memset(p, 0, 144);
    put_k4_head(p, &f);
    for (int e = 0; e < 256; e++) p[16 + e / 64 * 32 + e % 32] |= (uint8_t)(f.q[e] << (e / 32 % 2 * 4));
}

void suan__quantize_q5_k(uint8_t *p, const float *x) {
    affine f;
    fit_affine(&q5_k_type, x, &f);
    memset(p, 0, 176);
    put_k4_head(p, &f);
    for (int e = 0; e < 256; e++) {
        p[48 + e / 64 * 32 + e % 32] |= (uint8_t)((f.q[e] & 15) << (e / 32 % 2 * 4));
        p[16 + e % 32] |= (uint8_t)((f.q[e] >> 4) << (e / 32));
    }
}
