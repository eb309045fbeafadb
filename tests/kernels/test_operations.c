/* test_operations: each operation of every level against the same formula in binary64, and the choice of a level. That levels agree to the
 * bit is the matter of the checks. */
#include "inputs.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"
#include "kernels/math.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N 777

static void close_to(const char *what, double found, double expected, double size, double tolerance) {
    if (!(fabs(found - expected) <= tolerance * size)) fail_msg("%s: %.9g, expected %.9g", what, found, expected);
}

static const suan__kernels *level_at(int i) {
    const suan__kernels *kn = NULL;
    if (!suan__kernels_levels()[i]) return NULL;
    assert_int_equal(suan__kernels_get(&kn, suan__kernels_levels()[i], NULL), SUAN_OK);
    return kn;
}

static void test_operations_norm_and_softmax(void **state) {
    inputs in;
    inputs_init(&in, 11);
    const suan__kernels *kn;
    for (int l = 0; (kn = level_at(l)); l++) {
        for (size_t n = 1; n <= N; n += n < 70 ? 1 : 101) {
            float x[N], w[N], y[N];
            double squares = 0, max = -INFINITY, sum = 0;
            inputs_f32(&in, INPUTS_NORMAL, x, n);
            inputs_f32(&in, INPUTS_NORMAL, w, n);
            for (size_t i = 0; i < n; i++) squares += (double)x[i] * x[i], max = fmax(max, x[i]);
            for (size_t i = 0; i < n; i++) sum += exp(x[i] - max);
            kn->rms_norm(y, x, w, n, 1e-5f);
            for (size_t i = 0; i < n; i++) {
                double expected = x[i] / sqrt(squares / (double)n + 1e-5) * w[i];
                close_to("rms_norm", y[i], expected, fabs(expected), 1e-6);
            }
            kn->softmax(y, x, n);
            for (size_t i = 0; i < n; i++) close_to("softmax", y[i], exp(x[i] - max) / sum, exp(x[i] - max) / sum, 1e-6);
        }
    }
}

/* Element k goes into partial sum k mod 64, which then fold i with i + 32, + 16, ...: done by indices here. */
static void test_operations_sums_fold_as_the_contract_says(void **state) {
    inputs in;
    inputs_init(&in, 12);
    const suan__kernels *kn;
    for (int l = 0; (kn = level_at(l)); l++) {
        for (int n = 1; n <= 256; n++) {
            float s[256], e[256], partial[64] = {0}, max, sum;
            inputs_f32(&in, INPUTS_NORMAL, s, (size_t)n);
            float expected_max = s[0];
            for (int i = 0; i < n; i++) expected_max = fmaxf(expected_max, s[i]);
            for (int i = 0; i < n; i++) e[i] = suan__expf(s[i] - expected_max), partial[i & 63] += e[i];
            for (int i = 0; i < 32; i++) partial[i] += partial[i + 32];
            for (int i = 0; i < 16; i++) partial[i] += partial[i + 16];
            for (int i = 0; i < 8; i++) partial[i] += partial[i + 8];
            for (int i = 0; i < 4; i++) partial[i] += partial[i + 4];
            float expected = (partial[0] + partial[2]) + (partial[1] + partial[3]);
            kn->attn_softmax(s, n, &max, &sum);
            assert_memory_equal(s, e, (size_t)n * sizeof(float));
            assert_true(max == expected_max && sum == expected);
        }
    }
}

static void test_operations_elementwise(void **state) {
    inputs in;
    inputs_init(&in, 13);
    const suan__kernels *kn;
    for (int l = 0; (kn = level_at(l)); l++) {
        float x[N], u[N], y[N];
        inputs_f32(&in, INPUTS_WIDE, x, N);
        inputs_f32(&in, INPUTS_NORMAL, u, N);
        kn->swiglu(y, x, u, N);
        for (int i = 0; i < N; i++) {
            double expected = (double)x[i] / (1 + exp(-(double)x[i])) * u[i];
            /* Where exp(-z) overflows, the formula of kernels.h gives zero for what is below 2^-121 times `up`. */
            close_to("swiglu", y[i], expected, 1, 1e-6 * fabs(expected) + 0x1p-121 * fabs((double)u[i]));
        }
        kn->sigmoid(y, x, N);
        for (int i = 0; i < N; i++) {
            double expected = 1 / (1 + exp(-(double)x[i]));
            close_to("sigmoid", y[i], expected, 1, 1e-6 * expected + 0x1p-126);
        }
        memcpy(y, u, sizeof(y));
        kn->add(y, x, N);
        for (int i = 0; i < N; i++) assert_true(y[i] == u[i] + x[i]);
        memcpy(y, u, sizeof(y));
        kn->axpy(y, x, 0.7f, N);
        for (int i = 0; i < N; i++) assert_true(y[i] == fmaf(0.7f, x[i], u[i]));
        memcpy(y, u, sizeof(y));
        kn->div(y, 3.0f, N);
        for (int i = 0; i < N; i++) assert_true(y[i] == u[i] / 3.0f);
    }
}

static void test_operations_halves_and_finite(void **state) {
    const suan__kernels *kn;
    for (int l = 0; (kn = level_at(l)); l++) {
        float x[70], back[70];
        uint16_t h[70];
        for (int i = 0; i < 70; i++) x[i] = (float)(i - 35) * 1.01f;
        assert_true(kn->f32_to_f16(h, x, 70));
        kn->f16_to_f32(back, h, 70);
        for (int i = 0; i < 70; i++) assert_true(back[i] == suan__f16_to_f32(suan__f32_to_f16(x[i])));
        for (int i = 0; i < 70; i++) {
            static const float bad[] = {INFINITY, -INFINITY, NAN, 65520.0f};
            for (int b = 0; b < 4; b++) {
                float saved = x[i];
                x[i] = bad[b];
                assert_false(kn->f32_to_f16(h, x, 70));
                assert_true(kn->all_finite(x, 70) == (b == 3));
                x[i] = saved;
            }
        }
        x[69] = 65519.0f;
        assert_true(kn->f32_to_f16(h, x, 70) && kn->all_finite(x, 70) && kn->all_finite(x, 0));
    }
}

/* A rotation keeps the length of a pair and turns it by the table's angle. */
static void test_operations_rope(void **state) {
    float f[32], cos_table[32], sin_table[32];
    for (int j = 0; j < 32; j++) f[j] = (float)suan__pow(10000.0, -2.0 * j / 64);
    suan__rope_table(cos_table, sin_table, f, 32, 123456, 1.0f);
    for (int j = 0; j < 32; j++) {
        double angle = (double)(123456.0f * f[j]);
        close_to("cos", cos_table[j], cos(angle), 1, 6e-8);
        close_to("sin", sin_table[j], sin(angle), 1, 6e-8);
    }
    inputs in;
    inputs_init(&in, 14);
    const suan__kernels *kn;
    for (int l = 0; (kn = level_at(l)); l++) {
        for (int half = 0; half < 2; half++) {
            float x[3 * 80], y[3 * 80];
            inputs_f32(&in, INPUTS_NORMAL, x, 240);
            memcpy(y, x, sizeof(y));
            (half ? kn->rope_half : kn->rope_interleaved)(y, 80, 3, 64, cos_table, sin_table);
            for (int i = 0; i < 240; i++) {
                int h = i / 80, e = i % 80;
                if (e >= 64) assert_memory_equal(&x[i], &y[i], sizeof(float));
                if (e >= 32) continue;
                int u = h * 80 + (half ? e : 2 * e), v = h * 80 + (half ? e + 32 : 2 * e + 1);
                close_to("rope u", y[u], (double)x[u] * cos_table[e] - (double)x[v] * sin_table[e], 4, 1e-7);
                close_to("rope v", y[v], (double)x[u] * sin_table[e] + (double)x[v] * cos_table[e], 4, 1e-7);
            }
        }
    }
}

#define D 40
#define POS 300
#define QUERIES 3

/* Softmax attention over two blocks, merged, with keys in panels or rows, in f32 or f16, against the plain formula. */
static void attend(const suan__kernels *kn, bool f16, bool rows, inputs *in) {
    float q[QUERIES][D], qt[D][16] = {{0}}, v[POS][D], k[POS][D], o[QUERIES][D], m[QUERIES], s[QUERIES], scale = 0.2f;
    static float panels[(POS + 15) / 16 * 16 * D];
    static uint16_t v16[POS * D], k16[POS * D], panels16[(POS + 15) / 16 * 16 * D];
    inputs_f32(in, INPUTS_NORMAL, q[0], QUERIES * D);
    inputs_f32(in, INPUTS_NORMAL, v[0], POS * D);
    inputs_f32(in, INPUTS_NORMAL, k[0], POS * D);
    float *v_all = (float *)v, *k_all = (float *)k;
    for (int i = 0; i < POS * D; i++) {
        v16[i] = suan__f32_to_f16(v_all[i]), k16[i] = suan__f32_to_f16(k_all[i]);
        if (f16) v_all[i] = suan__f16_to_f32(v16[i]), k_all[i] = suan__f16_to_f32(k16[i]);
    }
    for (int t = 0; t < POS; t++) {
        for (int j = 0; j < D; j++) {
            panels[(t / 16 * D + j) * 16 + t % 16] = k[t][j];
            panels16[(t / 16 * D + j) * 16 + t % 16] = k16[t * D + j];
        }
    }
    for (int i = 0; i < QUERIES; i++) {
        for (int j = 0; j < D; j++) qt[j][i] = q[i][j];
    }
    for (int t0 = 0; t0 < POS; t0 += SUAN__ATTN_BLOCK) {
        int n = POS - t0 < SUAN__ATTN_BLOCK ? POS - t0 : SUAN__ATTN_BLOCK;
        float p[QUERIES][SUAN__ATTN_BLOCK], o2[QUERIES][D], m2[QUERIES], s2[QUERIES];
        const void *key_rows = f16 ? (const void *)(k16 + t0 * D) : k[t0], *values = f16 ? (const void *)(v16 + t0 * D) : v[t0];
        const void *key_panels = f16 ? (const void *)(panels16 + t0 * D) : panels + t0 * D;
        if (rows) {
            (f16 ? kn->attn_qk_rows_f16 : kn->attn_qk_rows_f32)(p[0], SUAN__ATTN_BLOCK, qt[0], 16, QUERIES, D, key_rows, D, n, scale,
                                                                SUAN__NOTHING_SOON);
        } else {
            (f16 ? kn->attn_qk_f16 : kn->attn_qk_f32)(p[0], SUAN__ATTN_BLOCK, q[0], D, QUERIES, D, key_panels, n, scale,
                                                      SUAN__NOTHING_SOON);
        }
        for (int i = 0; i < QUERIES; i++) kn->attn_softmax(p[i], n, &m2[i], &s2[i]);
        (f16 ? kn->attn_pv_f16 : kn->attn_pv_f32)(o2[0], D, p[0], SUAN__ATTN_BLOCK, QUERIES, values, D, 0, n, D, SUAN__NOTHING_SOON);
        for (int i = 0; i < QUERIES; i++) {
            if (t0)
                kn->attn_merge(o[i], &m[i], &s[i], o2[i], m2[i], s2[i], D);
            else
                memcpy(o[i], o2[i], sizeof(o[i])), m[i] = m2[i], s[i] = s2[i];
        }
    }
    for (int i = 0; i < QUERIES; i++) {
        double e[POS], sum = 0, max = -INFINITY;
        kn->div(o[i], s[i], D);
        for (int t = 0; t < POS; t++) {
            e[t] = 0;
            for (int j = 0; j < D; j++) e[t] += (double)q[i][j] * k[t][j];
            max = fmax(max, e[t] *= (double)scale);
        }
        for (int t = 0; t < POS; t++) sum += e[t] = exp(e[t] - max);
        for (int j = 0; j < D; j++) {
            double expected = 0;
            for (int t = 0; t < POS; t++) expected += e[t] / sum * v[t][j];
            close_to("attention", o[i][j], expected, 1, 2e-6);
        }
    }
}

static void test_operations_attention(void **state) {
    inputs in;
    inputs_init(&in, 15);
    const suan__kernels *kn;
    for (int l = 0; (kn = level_at(l)); l++) {
        for (int kind = 0; kind < 4; kind++) attend(kn, kind & 1, kind & 2, &in);
    }
}

static void test_operations_levels_are_chosen_by_name(void **state) {
    const suan__kernels *kn, *best;
    suan_error err = {0};
    assert_int_equal(suan__kernels_get(&kn, "c", &err), SUAN_OK);
    assert_string_equal(kn->name, "c");
    assert_int_equal(suan__kernels_get(&best, NULL, &err), SUAN_OK);
    assert_string_equal(best->name, suan__kernels_levels()[0]);
    assert_int_equal(suan__kernels_get(&kn, "", &err), SUAN_OK);
    assert_ptr_equal(kn, best);
    assert_int_equal(suan__kernels_get(&kn, "sse9", &err), SUAN_EUNSUPPORTED);
    assert_null(kn);
    assert_non_null(strstr(err.message, "sse9"));
    assert_true(strlen(suan__cpu_features()) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations_norm_and_softmax),
        cmocka_unit_test(test_operations_sums_fold_as_the_contract_says),
        cmocka_unit_test(test_operations_elementwise),
        cmocka_unit_test(test_operations_halves_and_finite),
        cmocka_unit_test(test_operations_rope),
        cmocka_unit_test(test_operations_attention),
        cmocka_unit_test(test_operations_levels_are_chosen_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
