/* quantize_affine.c: Q2_K, Q4_K, Q5_K: x ~ (d * scale) * q - (dmin * min), q >= 0. The method is that of quantize_k.c with two unknowns. */
#include "kernels/kernels.h"
#include "kernels/quantize.h"

#include <string.h>

#define MAX_SUBS 16

typedef struct affine_type {
    int n_sub, sub_max; /* sub-blocks of a superblock; largest integer scale and minimum */
    int q_max;
} affine_type;

typedef struct affine {
    double d, dmin, error;
    int scale[MAX_SUBS], min[MAX_SUBS];
    uint8_t q[256];
} affine;

static int nearest_int(double v, int high) {
    if (!(v > 0)) return 0;
    if (!(v < high)) return high;
    double t = v + 0x1.8p52;
    return (int)(t - 0x1.8p52);
}

static double half_value(double v) {
    return (double)suan__f16_to_f32(suan__scale_bits((float)v));
}

/* Error of x[n] as a * q - b with the nearest levels; the levels in q. */
static double error_at(const float *x, int n, int q_max, double a, double b, uint8_t *q) {
    double error = 0, inverse = a != 0 ? 1 / a : 0;
    for (int i = 0; i < n; i++) {
        q[i] = (uint8_t)nearest_int((x[i] + b) * inverse, q_max);
        double e = x[i] - (a * q[i] - b);
        error += e * e;
    }
    return error;
}

/* Least squares for a and b >= 0 with u the factor of a and v that of -b: x ~ a u - b v. */
typedef struct sums {
    double uu, uv, vv, xu, xv;
} sums;

static void add_term(sums *s, double x, double u, double v) {
    s->uu += u * u;
    s->uv += u * v;
    s->vv += v * v;
    s->xu += x * u;
    s->xv += x * v;
}

/* False when the terms do not determine a. */
static bool solve(const sums *s, double *a, double *b) {
    double det = s->uu * s->vv - s->uv * s->uv;
    if (det > 0) {
        *a = (s->xu * s->vv - s->xv * s->uv) / det;
        *b = (s->xu * s->uv - s->xv * s->uu) / det;
        if (*a >= 0 && *b >= 0) return true;
    }
    if (!(s->uu > 0) || s->xu < 0) return false;
    *a = s->xu / s->uu;
    *b = 0;
    return true;
}

/* The best a, b of a sub-block by itself. A trial spreads the levels over a part of the range, or a little more than all of it, from the
 * lowest value or about zero, and is then improved: levels, least squares, levels, least squares. */
#define SHARES 12

static void best_fit(const float *x, int n, int q_max, double *best_a, double *best_b) {
    double low = 0, high = x[0], best = -1;
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *best_a = 0;
    *best_b = -low;
    if (!(high > low)) return;
    for (int trial = 0; trial < 2 * SHARES; trial++) {
        double share = 1.09 - 0.03 * (trial / 2), a = (high - low) * share / q_max, b = trial % 2 ? -low * share : -low;
        for (int round = 0; round < 3; round++) {
            uint8_t q[256];
            double error = error_at(x, n, q_max, a, b, q);
            if (best < 0 || error < best) {
                best = error;
                *best_a = a;
                *best_b = b;
            }
            sums s = {0};
            for (int i = 0; i < n; i++) add_term(&s, x[i], q[i], 1);
            if (!solve(&s, &a, &b)) break;
        }
    }
}

/* What b is best when x[n] is quantised with a, starting from b. */
static double best_b(const float *x, int n, int q_max, double a, double b) {
    uint8_t q[256];
    double sum = 0;
    error_at(x, n, q_max, a, b, q);
    for (int i = 0; i < n; i++) sum += a * q[i] - x[i];
    return sum > 0 ? sum / n : 0;
}

/* One sub-block: for given d, dmin the best pair of integers. Scale and minimum depend on each other: around the scale of the free optimum
 * each scale brings its own minimum, whose neighbours are tried. Fills sub-block i of f; returns the error. */
static double choose_sub(const affine_type *t, const float *x, double a, double b, affine *f, int i) {
    int n = 256 / t->n_sub, middle = nearest_int(f->d > 0 ? a / f->d : 0, t->sub_max);
    double best = -1;
    for (int scale = middle > 2 ? middle - 2 : 0; scale <= middle + 2 && scale <= t->sub_max; scale++) {
        double own_b = best_b(x, n, t->q_max, f->d * scale, b);
        int min = nearest_int(f->dmin > 0 ? own_b / f->dmin : 0, t->sub_max), last = min < t->sub_max ? min + 1 : min;
        for (min = min > 0 ? min - 1 : 0; min <= last; min++) {
            uint8_t q[256];
            double error = error_at(x, n, t->q_max, f->d * scale, f->dmin * min, q);
            if (best >= 0 && error >= best) continue;
            best = error;
            f->scale[i] = scale;
            f->min[i] = min;
            memcpy(f->q + i * n, q, (size_t)n);
        }
    }
    return best;
}

static void choose_subs(const affine_type *t, const float *x, const double a[MAX_SUBS], const double b[MAX_SUBS], affine *f) {
    f->error = 0;
    for (int i = 0; i < t->n_sub; i++) f->error += choose_sub(t, x + i * (256 / t->n_sub), a[i], b[i], f, i);
}

#define ROUNDS 3

/* From d, dmin on, while the error falls; *best is replaced by what is better. */
static void refine(const affine_type *t, const float *x, const double a[MAX_SUBS], const double b[MAX_SUBS], double d, double dmin,
                   affine *best) {
    double last = -1;
    for (int round = 0; round < ROUNDS; round++) {
        affine f = {.d = half_value(d), .dmin = half_value(dmin)};
        choose_subs(t, x, a, b, &f);
        if (best->error < 0 || f.error < best->error) *best = f;
        if (last >= 0 && f.error >= last) break;
        last = f.error;
        sums s = {0};
        for (int i = 0; i < 256; i++) add_term(&s, x[i], f.scale[i * t->n_sub / 256] * f.q[i], f.min[i * t->n_sub / 256]);
        if (!solve(&s, &d, &dmin)) break;
    }
}

/* The largest scale becomes the largest integer, or the ones just below it: other roundings of d. */
#define STARTS 3

static void fit_affine(const affine_type *t, const float *x, affine *best) {
    double a[MAX_SUBS], b[MAX_SUBS], a_max = 0, b_max = 0;
    int n = 256 / t->n_sub;
    for (int i = 0; i < t->n_sub; i++) {
        best_fit(x + i * n, n, t->q_max, &a[i], &b[i]);
        a_max = a[i] > a_max ? a[i] : a_max;
        b_max = b[i] > b_max ? b[i] : b_max;
    }
    *best = (affine){.error = -1};
    for (int start = 0; start < STARTS; start++) refine(t, x, a, b, a_max / (t->sub_max - start), b_max / (t->sub_max - start), best);
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
    suan__put_u16(p + 80, suan__scale_bits((float)f.d));
    suan__put_u16(p + 82, suan__scale_bits((float)f.dmin));
}

/* d, dmin and the twelve bytes of six-bit scales and minimums (the inverse of suan__k4_scales). */
static void put_k4_head(uint8_t *p, const affine *f) {
    suan__put_u16(p, suan__scale_bits((float)f->d));
    suan__put_u16(p + 2, suan__scale_bits((float)f->dmin));
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
