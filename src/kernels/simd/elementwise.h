/* elementwise.h: operations on vectors of values: sums with 64 partial sums, exponentials, rotations, conversions, quantised activations.
 */
#ifndef SUAN_KERNELS_SIMD_ELEMENTWISE_H
#define SUAN_KERNELS_SIMD_ELEMENTWISE_H

#include "kernels/fold.h"
#include "kernels/kernels.h"
#include "kernels/math.h"

#define SUM_GROUPS (SUAN__PARTIALS / VL) /* vectors of partial sums */

/* Runs `body` for whole vectors with n == VL, then once for what is left with n < VL; i is the first element. LOAD and STORE inside. */
#define FOR_VECTORS(i, n, total, ...)        \
    do {                                     \
        size_t i = 0;                        \
        for (; i + VL <= (total); i += VL) { \
            const size_t n = VL;             \
            __VA_ARGS__                      \
        }                                    \
        if (i < (total)) {                   \
            size_t n = (total)-i;            \
            __VA_ARGS__                      \
        }                                    \
    } while (0)

VEC vf load_first(const float *p, size_t n) {
    return n == VL ? vf_load(p) : vf_load_n(p, n);
}
VEC void store_first(float *p, vf x, size_t n) {
    if (n == VL)
        vf_store(p, x);
    else
        vf_store_n(p, x, n);
}

static void ISA(add)(float *y, const float *x, size_t n) {
    FOR_VECTORS(i, m, n, { store_first(y + i, vf_add(load_first(y + i, m), load_first(x + i, m)), m); });
}

static void ISA(axpy)(float *y, const float *x, float a, size_t n) {
    vf va = vf_set1(a);
    FOR_VECTORS(i, m, n, { store_first(y + i, vf_fma(va, load_first(x + i, m), load_first(y + i, m)), m); });
}

static void ISA(relu_axpy)(float *y, const float *x, float a, size_t n) {
    vf va = vf_set1(a);
    FOR_VECTORS(i, m, n, { store_first(y + i, vf_fma(va, vf_max(load_first(x + i, m), vf_zero()), load_first(y + i, m)), m); });
}

static void ISA(div)(float *y, float a, size_t n) {
    vf va = vf_set1(a);
    FOR_VECTORS(i, m, n, { store_first(y + i, vf_div(load_first(y + i, m), va), m); });
}

/* suan__expf step by step, for finite x. */
VEC vf vf_exp(vf x) {
    x = vf_min(x, vf_set1(SUAN__EXPF_HIGH));
    x = vf_max(x, vf_set1(SUAN__EXPF_LOW));
    vf t = vf_fma(x, vf_set1(SUAN__EXPF_LOG2E), vf_set1(SUAN__EXPF_ROUND));
    vf n = vf_sub(t, vf_set1(SUAN__EXPF_ROUND));
    vf r = vf_fma(n, vf_set1(-SUAN__EXPF_LN2_0), x);
    r = vf_fma(n, vf_set1(-SUAN__EXPF_LN2_1), r);
    vf p = vf_set1(SUAN__EXPF_C6);
    p = vf_fma(p, r, vf_set1(SUAN__EXPF_C5));
    p = vf_fma(p, r, vf_set1(SUAN__EXPF_C4));
    p = vf_fma(p, r, vf_set1(SUAN__EXPF_C3));
    p = vf_fma(p, r, vf_set1(SUAN__EXPF_C2));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    vi i = vi_sub(vi_bits(t), vi_set1(SUAN__EXPF_ROUND_BITS));
    vi i0 = vi_sra(i, 1), i1 = vi_sub(i, i0);
    p = vf_mul(p, vf_bits(vi_shl(vi_add(i0, vi_set1(127)), 23)));
    return vf_mul(p, vf_bits(vi_shl(vi_add(i1, vi_set1(127)), 23)));
}

static void ISA(swiglu)(float *y, const float *gate, const float *up, size_t n) {
    vf one = vf_set1(1.0f);
    FOR_VECTORS(i, m, n, {
        vf z = load_first(gate + i, m), u = load_first(up + i, m);
        vf silu = vf_div(z, vf_add(one, vf_exp(vf_neg(z))));
        store_first(y + i, vf_mul(silu, u), m);
    });
}

static void ISA(sigmoid)(float *y, const float *x, size_t n) {
    vf one = vf_set1(1.0f);
    FOR_VECTORS(i, m, n, { store_first(y + i, vf_div(one, vf_add(one, vf_exp(vf_neg(load_first(x + i, m))))), m); });
}

/* Folds the 64 partial sums: i with i + 32, then + 16, and so on. */
VEC float fold_vectors(vf p[SUM_GROUPS]) {
    float lanes[VL];
    for (int w = SUM_GROUPS / 2; w >= 1; w /= 2)
        for (int i = 0; i < w; i++) p[i] = vf_add(p[i], p[i + w]);
    vf_store(lanes, p[0]);
    for (int w = VL / 2; w >= 1; w /= 2)
        for (int i = 0; i < w; i++) lanes[i] = lanes[i] + lanes[i + w];
    return lanes[0];
}

/* A vector of fewer than VL values comes with zeros behind, and fma(0, 0, s) = s for the sums here, which are never -0: skipping the
 * lanes and adding these zeros are the same. */
static float ISA(rms)(const float *x, size_t n, float eps) {
    vf p[SUM_GROUPS];
    size_t i = 0;
    for (int g = 0; g < SUM_GROUPS; g++) p[g] = vf_zero();
    for (; i + SUAN__PARTIALS <= n; i += SUAN__PARTIALS) {
#pragma GCC unroll 16
        for (int g = 0; g < SUM_GROUPS; g++) {
            vf v = vf_load(x + i + g * VL);
            p[g] = vf_fma(v, v, p[g]);
        }
    }
    for (int g = 0; i < n; g++, i += VL) {
        vf v = n - i >= VL ? vf_load(x + i) : vf_load_n(x + i, n - i);
        p[g] = vf_fma(v, v, p[g]);
    }
    float mean = fold_vectors(p) / (float)n;
    return 1.0f / __builtin_sqrtf(mean + eps);
}

static void ISA(rms_norm)(float *y, const float *x, const float *w, size_t n, float eps) {
    vf r = vf_set1(ISA(rms)(x, n, eps));
    FOR_VECTORS(j, m, n, { store_first(y + j, vf_mul(vf_mul(load_first(x + j, m), r), load_first(w + j, m)), m); });
}

/* The greatest of x; a zero comes out as +0. */
VEC float greatest(const float *x, size_t n) {
    float max = x[0];
    size_t i = 0;
    if (n >= VL) {
        vf v = vf_load(x);
        for (i = VL; i + VL <= n; i += VL) v = vf_max(v, vf_load(x + i));
        max = vf_reduce_max(v);
    }
    for (; i < n; i++) max = x[i] > max ? x[i] : max;
    return max + 0.0f;
}

/* y = exp(x - max); the sum by rule 4. Lanes behind the end give +0 to their partial sum, which is not negative: as if skipped. */
VEC float exponentials(float *y, const float *x, size_t n, float max) {
    vf p[SUM_GROUPS], m = vf_set1(max);
    size_t i = 0;
    for (int g = 0; g < SUM_GROUPS; g++) p[g] = vf_zero();
    for (; i + SUAN__PARTIALS <= n; i += SUAN__PARTIALS) {
#pragma GCC unroll 4
        for (int g = 0; g < SUM_GROUPS; g++) {
            vf e = vf_exp(vf_sub(vf_load(x + i + g * VL), m));
            vf_store(y + i + g * VL, e);
            p[g] = vf_add(p[g], e);
        }
    }
    for (int g = 0; i < n; g++, i += VL) {
        size_t left = n - i < VL ? n - i : VL;
        vf e = vf_select(vm_first(left), vf_exp(vf_sub(vf_load_n(x + i, left), m)), vf_zero());
        vf_store_n(y + i, e, left);
        p[g] = vf_add(p[g], e);
    }
    return fold_vectors(p);
}

static void ISA(softmax)(float *y, const float *x, size_t n) {
    float sum = exponentials(y, x, n, greatest(x, n));
    ISA(div)(y, sum, n);
}

static void ISA(attn_softmax)(float *s, int n, float *max, float *sum) {
    *max = greatest(s, (size_t)n);
    *sum = exponentials(s, s, (size_t)n, *max);
}

/* (u, v) -> (fma(u, c, -(v * s)), fma(u, s, v * c)) */
VEC void rotate(vf *u, vf *v, vf c, vf s) {
    vf first = vf_fms(*u, c, vf_mul(*v, s)), second = vf_fma(*u, s, vf_mul(*v, c));
    *u = first;
    *v = second;
}
VEC void rotate_one(float *u, float *v, float c, float s) {
    float vs = *v * s, vc = *v * c, u0 = *u;
    *u = __builtin_fmaf(u0, c, -vs);
    *v = __builtin_fmaf(u0, s, vc);
}

static void ISA(rope_interleaved)(float *x, size_t stride, size_t n_head, size_t n_rot, const float *cos, const float *sin) {
    for (size_t h = 0; h < n_head; h++, x += stride) {
        size_t j = 0;
        for (; j + VL <= n_rot / 2; j += VL) {
            vf u, v, a, b;
            vf_unzip(vf_load(x + 2 * j), vf_load(x + 2 * j + VL), &u, &v);
            rotate(&u, &v, vf_load(cos + j), vf_load(sin + j));
            vf_zip(u, v, &a, &b);
            vf_store(x + 2 * j, a);
            vf_store(x + 2 * j + VL, b);
        }
        for (; j < n_rot / 2; j++) rotate_one(x + 2 * j, x + 2 * j + 1, cos[j], sin[j]);
    }
}

static void ISA(rope_half)(float *x, size_t stride, size_t n_head, size_t n_rot, const float *cos, const float *sin) {
    for (size_t h = 0; h < n_head; h++, x += stride) {
        float *y = x + n_rot / 2;
        FOR_VECTORS(j, m, n_rot / 2, {
            vf u = load_first(x + j, m), v = load_first(y + j, m);
            rotate(&u, &v, load_first(cos + j, m), load_first(sin + j, m));
            store_first(x + j, u, m);
            store_first(y + j, v, m);
        });
    }
}

static void ISA(f16_to_f32)(float *y, const uint16_t *x, size_t n) {
    FOR_VECTORS(i, m, n, { store_first(y + i, m == VL ? vf_load_f16(x + i) : vf_load_f16_n(x + i, m), m); });
}

/* A value of 65520 or more in size, and nothing less, becomes an infinity: it is half way between the largest half and 2^16. */
static bool ISA(f32_to_f16)(uint16_t *y, const float *x, size_t n) {
    vf limit = vf_set1(65520.0f), ok = vf_zero(), one = vf_set1(1.0f);
    FOR_VECTORS(i, m, n, {
        vf v = load_first(x + i, m);
        vf_store_f16_n(y + i, v, m);
        ok = vf_select(vf_lt(vf_abs(v), limit), ok, one);
    });
    return !vm_any(vf_lt(vf_zero(), ok));
}

static bool ISA(all_finite)(const float *x, size_t n) {
    vi top = vi_set1(0x7f800000), bad = vi_zero();
    FOR_VECTORS(i, m, n, {
        vi hit =
            vi_add(vi_and(vi_bits(load_first(x + i, m)), top), vi_set1(0x00800000)); /* the sign bit is set for the top exponent only */
        bad = vi_or(bad, hit);
    });
    return !vm_any(vf_lt(vf_from_vi(bad), vf_zero()));
}

/* ---- quantised activations */

/* One block; returns d. */
VEC float quantize_block(int8_t *q, int16_t *sums, const float *x, size_t block, size_t group) {
    vf greatest_size = vf_zero();
    for (size_t i = 0; i < block; i += VL) greatest_size = vf_max(greatest_size, vf_abs(vf_load(x + i)));
    float amax = vf_reduce_max(greatest_size);
    if (!(amax >= 0x1p-100f)) {
        memset(q, 0, block);
        memset(sums, 0, block / group * 2);
        return 0.0f;
    }
    vf inverse = vf_set1(127.0f / amax);
    for (size_t g = 0; g < block; g += group) {
        vi sum = vi_zero();
        for (size_t i = g; i < g + group; i += VL) {
            vi v = vi_round(vf_mul(vf_load(x + i), inverse));
            vi_store_s8(q + i, v);
            sum = vi_add(sum, v);
        }
        sums[g / group] = (int16_t)vi_reduce_add(sum);
    }
    return amax / 127.0f;
}

VEC void quantize_row(void *q8, const float *x, size_t k, size_t block, size_t group) {
    uint8_t *row = q8;
    size_t d = suan__q8_d_offset(k), sum = suan__q8_sum_offset(k, block), used = sum + k / group * 2;
    for (size_t b = 0; b < k / block; b++) {
        ((float *)(row + d))[b] =
            quantize_block((int8_t *)row + b * block, (int16_t *)(row + sum) + b * (block / group), x + b * block, block, group);
    }
    memset(row + used, 0, suan__q8_row_bytes(k, block) - used);
}
static void ISA(quantize_q8_32)(void *q8, const float *x, size_t k) {
    quantize_row(q8, x, k, 32, 32);
}
static void ISA(quantize_q8_256)(void *q8, const float *x, size_t k) {
    quantize_row(q8, x, k, 256, 16);
}

#endif
