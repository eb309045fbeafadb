/* quantize_affine.c: Q2_K, Q4_K, Q5_K: x ~ (d * scale) * q - (dmin * min), q >= 0. The method is that of quantize_k.c with two unknowns. */
#include "kernels/kernels.h"
#include "kernels/quantize_lanes.h"
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

/* Eight pairs a, b, and what comes of them: the squared error of x[n] as a * q - b with the nearest levels q, and the sums of q, q q, x q. */
typedef struct trials {
    float a[TRIALS], b[TRIALS];
    float error[TRIALS], q[TRIALS], qq[TRIALS], xq[TRIALS];
} trials;

static void run_trials(const float *x, int n, float q_max, trials *t) {
    vec4 low = vec4_all(0), high = vec4_all(q_max);
    for (int h = 0; h < TRIALS; h += 4) {
        float inverses[4];
        for (int j = 0; j < 4; j++) inverses[j] = inverse_of(t->a[h + j]);
        vec4 a = vec4_load(t->a + h), b = vec4_load(t->b + h), inverse = vec4_load(inverses);
        vec4 error = low, sum_q = low, sum_qq = low, sum_xq = low;
        for (int i = 0; i < n; i++) {
            vec4 xi = vec4_all(x[i]), shifted = xi + b, q = vec4_round_limited(shifted * inverse, low, high), e = shifted - a * q;
            error += e * e;
            sum_q += q;
            sum_qq += q * q;
            sum_xq += xi * q;
        }
        memcpy(t->error + h, &error, sizeof error);
        memcpy(t->q + h, &sum_q, sizeof sum_q);
        memcpy(t->qq + h, &sum_qq, sizeof sum_qq);
        memcpy(t->xq + h, &sum_xq, sizeof sum_xq);
    }
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
#define FIT_ROUNDS 3

static void best_fit(const float *x, int n, float q_max, float *best_a, float *best_b) {
    static const float shares[TRIALS / 2] = {1.04f, 0.98f, 0.91f, 0.82f};
    float low = 0, high = x[0], best = -1, total = sum_of(x, n);
    trials t;
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *best_a = 0;
    *best_b = -low;
    if (!(high - low > 0x1p-60f)) return; /* nothing beside the block's largest value, which is one or more */
    for (int j = 0; j < TRIALS; j++) {
        t.a[j] = (high - low) * shares[j / 2] / q_max;
        t.b[j] = j % 2 ? -low * shares[j / 2] : -low;
    }
    for (int round = 0; round < FIT_ROUNDS; round++) {
        run_trials(x, n, q_max, &t);
        for (int j = 0; j < TRIALS; j++) {
            if (best < 0 || t.error[j] < best) {
                best = t.error[j];
                *best_a = t.a[j];
                *best_b = t.b[j];
            }
            if (round + 1 < FIT_ROUNDS) solve(&(sums){.uu = t.qq[j], .uv = t.q[j], .vv = n, .xu = t.xq[j], .xv = total}, &t.a[j], &t.b[j]);
        }
    }
}

/* One sub-block: for given d, dmin the best pair of integers; returns the error. Scale and minimum depend on each other: each of the four
 * scales around that of the free optimum brings its own minimum, of which the integers below and above are tried. */
static float choose_sub(const affine_type *t, const float *x, float a, float b, affine *f, int i) {
    int n = 256 / t->n_sub, mins[TRIALS], scales[TRIALS];
    float best = -1, total = sum_of(x, n), place = f->d > 0 ? a / f->d : 0;
    int middle = f->d > 0 ? (int)round_limited(place, 0, (float)t->sub_max) : 0, first = place < (float)middle ? middle - 2 : middle - 1;
    trials r;
    for (int j = 0; j < TRIALS; j++) { /* the second half looks farther away, for the minimum only */
        int scale = first + j % 4;
        scales[j] = scale < 0 ? 0 : scale > t->sub_max ? t->sub_max : scale;
        r.a[j] = f->d * (float)scales[j];
        r.b[j] = b;
    }
    run_trials(x, n, t->q_max, &r);
    for (int j = 0; j < TRIALS; j++) {
        float sum = r.a[j] * r.q[j] - total, own = sum > 0 && f->dmin > 0 ? sum / (float)n / f->dmin : 0;
        int min = (int)round_limited(own, 0, (float)t->sub_max);
        if (j >= 4) min += own > (float)min ? 1 : -1;
        mins[j] = min < 0 ? 0 : min > t->sub_max ? t->sub_max : min;
        r.b[j] = f->dmin * (float)mins[j];
    }
    run_trials(x, n, t->q_max, &r);
    for (int j = 0; j < TRIALS; j++) {
        if (best >= 0 && r.error[j] >= best) continue;
        best = r.error[j];
        f->scale[i] = scales[j];
        f->min[i] = mins[j];
    }
    return best;
}

/* From d, dmin on; the better of both replaces *best. */
static void refine(const affine_type *t, const float *x, double unit, const float a[MAX_SUBS], const float b[MAX_SUBS], float d, float dmin,
                   affine *best) {
    int n = 256 / t->n_sub;
    affine f = {.d = stored_value(d, unit), .d_bits = stored_half(d, unit)};
    f.dmin = stored_value(dmin, unit);
    f.dmin_bits = stored_half(dmin, unit);
    for (int i = 0; i < t->n_sub; i++) f.error += choose_sub(t, x + i * n, a[i], b[i], &f, i);
    if (best->error < 0 || f.error < best->error) *best = f;
}

/* The largest scale becomes the largest integer, or the ones just below it: other roundings of d. Where all sub-blocks are alike these are all
 * the error there is, and more of them are tried. */
#define STARTS 2
#define STARTS_ALIKE 8

static void fit_affine(const affine_type *t, const float *values, affine *best) {
    float x[256], a[MAX_SUBS], b[MAX_SUBS], a_max = 0, b_max = 0;
    double unit = normalize(values, x, 256);
    int n = 256 / t->n_sub;
    bool is_alike = true;
    for (int i = 0; i < t->n_sub; i++) {
        best_fit(x + i * n, n, t->q_max, &a[i], &b[i]);
        a_max = a[i] > a_max ? a[i] : a_max;
        b_max = b[i] > b_max ? b[i] : b_max;
        is_alike = is_alike && a[i] == a[0] && b[i] == b[0];
    }
    *best = (affine){.error = -1};
    for (int start = 0; start < (is_alike ? STARTS_ALIKE : STARTS); start++) {
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
