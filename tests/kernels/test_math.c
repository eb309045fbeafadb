/* test_math: the project's own functions against the C library in higher precision. */
#include "kernels/f16.h"
#include "kernels/math.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

/* The distance of y from the truth in units of the last place of binary32 at the truth (2^-149 among subnormals). */
static double ulps_f32(float y, double truth) {
    int exponent;
    frexp(truth, &exponent);
    if (exponent < -125) exponent = -125;
    return fabs((double)y - truth) / ldexp(1.0, exponent - 24);
}

static double ulps_f64(double y, long double truth) {
    int exponent;
    frexpl(truth, &exponent);
    if (exponent < -1021) exponent = -1021;
    return (double)(fabsl((long double)y - truth) / ldexpl(1.0L, exponent - 53));
}

/* A step through the floats: every one with SUAN_TEST_FULL set, else every 61st (a prime, so that all low bits occur). */
static uint32_t stride(void) {
    return getenv("SUAN_TEST_FULL") ? 1 : 61;
}

static void test_expf_within_two_ulp_on_its_range(void **state) {
    double worst = 0;
    float at = 0;
    for (uint32_t sign = 0; sign < 2; sign++) {
        uint32_t end = suan__f32_bits(sign ? 104.5f : 88.72283f);
        for (uint32_t u = 0; u < end; u += stride()) {
            float x = suan__f32_from_bits(u | sign << 31);
            double error = ulps_f32(suan__expf(x), exp((double)x));
            if (error > worst) worst = error, at = x;
        }
    }
    print_message("expf: worst %.4f ulp at %a\n", worst, (double)at);
    assert_true(worst < 0.9); /* over all floats: 0.8912 at 0x1.4ce7a6p+2; the contract allows 2 */
}

static void test_expf_ends(void **state) {
    assert_true(suan__expf(88.73f) == INFINITY && suan__expf(3e38f) == INFINITY);
    assert_true(isfinite(suan__expf(0x1.62e42ep+6f)));
    assert_int_equal(suan__f32_bits(suan__expf(-104.0f)), 0);
    assert_int_equal(suan__f32_bits(suan__expf(-3e38f)), 0);
    assert_true(suan__expf(-103.0f) == 0x1p-149f);
    assert_true(suan__expf(0.0f) == 1.0f && suan__expf(-0.0f) == 1.0f);
    assert_true(isnan(suan__expf(NAN)));
}

static void test_logf_within_one_ulp(void **state) {
    double worst = 0;
    for (uint32_t u = 1; u < 0x7f800000; u += 16 * stride()) {
        float x = suan__f32_from_bits(u);
        double error = ulps_f32(suan__logf(x), log((double)x));
        if (error > worst) worst = error;
    }
    print_message("logf: worst %.4f ulp\n", worst);
    assert_true(worst < 0.51);
}

/* A plain generator of 64-bit words: a counter through an invertible mix. */
static uint64_t random_word(uint64_t i) {
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static double unit(uint64_t i) {
    return (double)(random_word(i) >> 11) * 0x1p-53;
}

#define SAMPLES 300000

static void test_exp_log_within_one_ulp(void **state) {
    double worst_exp = 0, worst_log = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        double x = (unit(i) - 0.5) * (i % 2 ? 1400 : 4), y = ldexp(0.5 + unit(i) / 2, i % 2 ? (int)(i % 2000) - 1000 : (int)(i % 5) - 2);
        double error = ulps_f64(suan__exp(x), expl((long double)x));
        if (error > worst_exp) worst_exp = error;
        error = ulps_f64(suan__log(y), logl((long double)y));
        if (error > worst_log) worst_log = error;
    }
    print_message("exp: worst %.4f ulp, log: worst %.4f ulp\n", worst_exp, worst_log);
    assert_true(worst_exp < 1.0 && worst_log < 1.0);
    assert_true(suan__log(1.0) == 0.0 && suan__exp(0.0) == 1.0);
    assert_true(suan__exp(800.0) == (double)INFINITY && suan__exp(-800.0) == 0.0);
}

/* Angles of rope tables, random ones up to 2^31, and the neighbours of multiples of pi / 2, where the reduction cancels. */
static void test_sincos_within_one_ulp(void **state) {
    double worst = 0, at = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        double x = (unit(i) - 0.5) * ldexp(1.0, 2 + (int)(i % 31));
        if (i % 3 == 0) x = (double)(float)x;
        if (i % 3 == 1) x = rint(x) * 1.5707963267948966;
        double s, c;
        suan__sincos(x, &s, &c);
        double error = fmax(ulps_f64(s, sinl((long double)x)), ulps_f64(c, cosl((long double)x)));
        if (error > worst) worst = error, at = x;
    }
    print_message("sincos: worst %.4f ulp at %a\n", worst, at);
    assert_true(worst < 1.0);
    double s, c;
    suan__sincos(0.0, &s, &c);
    assert_true(s == 0.0 && c == 1.0);
}

static void test_pow_of_rope_bases_is_close(void **state) {
    static const double bases[] = {10000.0, 50000.0, 500000.0, 1000000.0, 10000000.0, 150000.0, 2.0};
    double worst = 0;
    for (size_t b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {
        for (int j = 0; j < 256; j++) {
            double y = -2.0 * j / 256.0;
            long double truth = powl((long double)bases[b], (long double)y);
            double error = (double)fabsl(((long double)suan__pow(bases[b], y) - truth) / truth);
            if (error > worst) worst = error;
        }
    }
    print_message("pow: worst relative error 2^%.2f\n", log2(worst));
    assert_true(worst < 0x1p-45);
    assert_true(suan__pow(10000.0, 0.0) == 1.0);
}

static void test_f16_round_trip_and_rounding(void **state) {
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = suan__f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff)) {
            assert_true(isnan(f));
            continue;
        }
        assert_int_equal(suan__f32_to_f16(f), h);
        int exponent = (int)(h >> 10 & 31);
        double magnitude = exponent == 31 ? (double)INFINITY : exponent ? ldexp(1024 + (h & 1023), exponent - 25) : ldexp(h & 1023, -24);
        assert_true((double)f == (h & 0x8000 ? -magnitude : magnitude));
        if ((h & 0x7fff) < 0x7bff) { /* half way to the next: to the even one */
            float next = suan__f16_to_f32((uint16_t)(h + 1)), half = (f + next) / 2;
            assert_int_equal(suan__f32_to_f16(half), h + (h & 1));
            assert_int_equal(suan__f32_to_f16(nextafterf(half, f)), h);
            assert_int_equal(suan__f32_to_f16(nextafterf(half, next)), h + 1);
        }
    }
    assert_int_equal(suan__f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(suan__f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(suan__f32_to_bf16(suan__f32_from_bits(0x3f808000)), 0x3f80);
    assert_int_equal(suan__f32_to_bf16(suan__f32_from_bits(0x3f818000)), 0x3f82);
    assert_int_equal(suan__f32_to_bf16(suan__f32_from_bits(0x3f808001)), 0x3f81);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expf_within_two_ulp_on_its_range),
        cmocka_unit_test(test_expf_ends),
        cmocka_unit_test(test_logf_within_one_ulp),
        cmocka_unit_test(test_exp_log_within_one_ulp),
        cmocka_unit_test(test_sincos_within_one_ulp),
        cmocka_unit_test(test_pow_of_rope_bases_is_close),
        cmocka_unit_test(test_f16_round_trip_and_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
