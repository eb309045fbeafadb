/* test_quantize: the quantisers against ggml's: bytes where they are defined by a formula, error where they are a search. */
#include "fixture.h"
#include "kernels/kernels.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K 256

static void test_quantize_plain_types_equal_reference(void **state) {
    static const suan__dtype types[] = {SUAN__Q4_0, SUAN__Q4_1, SUAN__Q5_0, SUAN__Q5_1, SUAN__Q8_0};
    fixture f;
    size_t shape[2], q_shape[2];
    fixture_open(&f, "quantize");
    float *x = fixture_tensor(&f, "x", shape);
    assert_int_equal(shape[1], K);
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        const suan__dtype_info *info = suan__dtype_get(types[t]);
        char name[16];
        snprintf(name, sizeof(name), "%s.q", info->name);
        uint8_t *expected = fixture_tensor(&f, name, q_shape), found[K * 4];
        assert_int_equal(q_shape[1], K / info->block * info->bytes);
        for (size_t r = 0; r < shape[0]; r++) {
            assert_true(suan__quantize_row(types[t], found, x + r * K, K));
            for (size_t i = 0; i < q_shape[1]; i++) {
                if (found[i] != expected[r * q_shape[1] + i]) {
                    fail_msg("%s: row %zu, byte %zu of block %zu: found %u, expected %u", info->name, r, i % info->bytes, i / info->bytes,
                             found[i], expected[r * q_shape[1] + i]);
                }
            }
        }
        free(expected);
    }
    free(x);
    fixture_close(&f);
}

static double rmse_of(suan__dtype type, const float *x) {
    uint8_t q[K * 4];
    float y[K];
    double sum = 0;
    assert_true(suan__quantize_row(type, q, x, K));
    suan__dequantize_row(type, y, q, K);
    for (int i = 0; i < K; i++) sum += ((double)y[i] - x[i]) * ((double)y[i] - x[i]);
    return sqrt(sum / K);
}

static void test_quantize_searched_types_within_two_percent_of_reference(void **state) {
    static const suan__dtype types[] = {SUAN__Q2_K, SUAN__Q3_K,   SUAN__Q4_K,   SUAN__Q5_K,
                                        SUAN__Q6_K, SUAN__IQ4_NL, SUAN__IQ4_XS, SUAN__MXFP4};
    fixture f;
    size_t shape[2], e_shape[2];
    int n_bad = 0;
    fixture_open(&f, "quantize");
    float *x = fixture_tensor(&f, "x", shape);
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        const suan__dtype_info *info = suan__dtype_get(types[t]);
        char name[16];
        snprintf(name, sizeof(name), "%s.rmse", info->name);
        float *expected = fixture_tensor(&f, name, e_shape);
        double sum = 0;
        int n = 0;
        for (size_t r = 0; r < shape[0]; r++) {
            double found = rmse_of(types[t], x + r * K);
            if (found > 1.02 * (double)expected[r]) {
                print_message("%s: row %zu: error %.6g, reference %.6g\n", info->name, r, found, (double)expected[r]);
                n_bad++;
            }
            if (expected[r] > 0) sum += found / (double)expected[r], n++;
        }
        print_message("%s: mean of error / reference's error %.4f\n", info->name, sum / n);
        free(expected);
    }
    free(x);
    fixture_close(&f);
    assert_int_equal(n_bad, 0);
}

/* The searches give these bytes on every machine: FNV-1a over the blocks of the fixture's rows. */
static void test_quantize_searched_types_give_the_same_bytes_everywhere(void **state) {
    static const struct {
        suan__dtype type;
        uint64_t hash;
    } known[] = {
        {SUAN__Q2_K, 0x51253c55665b542b},   {SUAN__Q3_K, 0xc8db5079edccb969},  {SUAN__Q4_K, 0x6126872c8a550a05},
        {SUAN__Q5_K, 0x1437b72b87cc5e2d},   {SUAN__Q6_K, 0x5eb6a46630c86984},  {SUAN__IQ4_NL, 0xeef13ba7c2b5eeb0},
        {SUAN__IQ4_XS, 0x5f36ee10800f6ead}, {SUAN__MXFP4, 0x0005e2428e69882b},
    };
    fixture f;
    size_t shape[2];
    int n_bad = 0;
    fixture_open(&f, "quantize");
    float *x = fixture_tensor(&f, "x", shape);
    for (size_t t = 0; t < sizeof(known) / sizeof(known[0]); t++) {
        const suan__dtype_info *info = suan__dtype_get(known[t].type);
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t r = 0; r < shape[0]; r++) {
            uint8_t q[K * 4];
            assert_true(suan__quantize_row(known[t].type, q, x + r * K, K));
            for (size_t i = 0; i < K / info->block * info->bytes; i++) hash = (hash ^ q[i]) * 0x100000001b3u;
        }
        if (hash != known[t].hash) print_message("%s: hash 0x%016llx\n", info->name, (unsigned long long)hash), n_bad++;
    }
    free(x);
    fixture_close(&f);
    assert_int_equal(n_bad, 0);
}

static const suan__dtype all_types[] = {
#define ROW(name) SUAN__##name,
    SUAN__GGUF_WEIGHT_MAP(ROW)
#undef ROW
};

/* Whatever the row, the values that come back are finite and no farther from it than from zero (but for the steps of binary16 at zero). */
static void test_quantize_extreme_rows_stay_finite(void **state) {
    static const float sizes[] = {0.0f, 0x1p-149f, 0x1p-130f, 1e-30f, 1e-7f, 6e-8f, 1e-5f, 1.0f, 60000.0f, 1e6f, 1e30f, 3.3e38f};
    for (size_t t = 0; t < sizeof(all_types) / sizeof(all_types[0]); t++) {
        const suan__dtype_info *info = suan__dtype_get(all_types[t]);
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            for (int kind = 0; kind < 5; kind++) {
                uint8_t q[K * 4];
                float x[K], y[K];
                for (int i = 0; i < K; i++) {
                    float shape[5] = {1, -1, i % 2 ? 1 : -1, (float)i / K, i == 77 ? 1 : 0};
                    x[i] = shape[kind] * sizes[s];
                }
                if (info->block == 1 && sizes[s] > 65000.0f && all_types[t] == SUAN__F16) continue;
                assert_true(suan__quantize_row(all_types[t], q, x, K));
                suan__dequantize_row(all_types[t], y, q, K);
                for (int i = 0; i < K; i++) {
                    if (!isfinite(y[i]) || fabs((double)y[i] - x[i]) > 1.001 * (double)sizes[s] + 0x1p-20) {
                        fail_msg("%s: size %g, kind %d, value %d: %g became %g", info->name, (double)sizes[s], kind, i, (double)x[i],
                                 (double)y[i]);
                    }
                }
            }
        }
    }
}

static void test_quantize_unknown_types_are_refused(void **state) {
    float x[K] = {0};
    uint8_t q[K * 4];
    assert_false(suan__quantize_row(SUAN__IQ2_XXS, q, x, K));
    assert_false(suan__quantize_row(SUAN__I8, q, x, K));
    assert_false(suan__quantize_row(SUAN__F8_E4M3, q, x, K));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantize_plain_types_equal_reference),
        cmocka_unit_test(test_quantize_searched_types_within_two_percent_of_reference),
        cmocka_unit_test(test_quantize_searched_types_give_the_same_bytes_everywhere),
        cmocka_unit_test(test_quantize_extreme_rows_stay_finite),
        cmocka_unit_test(test_quantize_unknown_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
