/* test_round_trips.c: round trips through e4m3 and e2m1 against a search over all their codes, and the Hadamard rotation against its matrix. */
#include "inputs.h"
#include "kernels/rounding.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* The values of a small float with so many bits of exponent (bias as given) and mantissa, up to the greatest. */
static int list_codes(double *codes, int e_bits, int m_bits, int bias, double greatest) {
    int n = 0;
    for (int e = 0; e < 1 << e_bits; e++)
        for (int m = 0; m < 1 << m_bits; m++) {
            double v = e ? ldexp(1 + m / (double)(1 << m_bits), e - bias) : ldexp(m / (double)(1 << m_bits), 1 - bias);
            if (v <= greatest) codes[n++] = v;
        }
    return n;
}

/* The nearest code; of two as near the one with an even number. */
static double nearest(const double *codes, int n, double v) {
    int best = 0;
    for (int i = 1; i < n; i++) {
        double d = fabs(codes[i] - fabs(v)), least = fabs(codes[best] - fabs(v));
        if (d < least || (d == least && i % 2 == 0)) best = i;
    }
    return copysign(codes[best], v);
}

typedef void round_fn(float *x, size_t n, size_t block);

static void check_round(round_fn *round, size_t block, const double *codes, int n_codes, double floor, const char *name) {
    enum { N = 300 };
    inputs in;
    inputs_init(&in, 21);
    double greatest = codes[n_codes - 1];
    for (int turn = 0; turn < 60; turn++) {
        float x[N], y[N];
        inputs_f32(&in, turn % 2 ? INPUTS_WIDE : INPUTS_NORMAL, x, N);
        if (turn % 3 == 0) /* ties: halves of steps */
            for (int i = 0; i < N; i++) x[i] = rintf(x[i] * 64) / 16;
        if (turn == 5) memset(x, 0, sizeof x);
        for (int i = 0; i < N; i++) /* near the greatest a code may be an infinity */
            if (!(fabsf(x[i]) < 1e30f)) x[i] = 1;
        memcpy(y, x, sizeof x);
        round(y, N, block);
        for (size_t at = 0; at < N; at += block) {
            size_t m = N - at < block ? N - at : block;
            double amax = floor;
            for (size_t i = at; i < at + m; i++) {
                double a = fabs((double)x[i]);
                if (a > amax) amax = a;
            }
            int e = -200;
            while (ldexp(greatest, e) < amax) e++;
            for (size_t i = at; i < at + m; i++) {
                double expected = ldexp(nearest(codes, n_codes, ldexp((double)x[i], -e)), e);
                if ((double)y[i] != expected)
                    fail_msg("%s: %.9g with scale 2^%d gives %.9g, expected %.9g", name, (double)x[i], e, (double)y[i], expected);
            }
        }
    }
}

static void test_round_trips_find_the_nearest_code(void **state) {
    (void)state;
    double e4m3[128], e2m1[8];
    int n8 = list_codes(e4m3, 4, 3, 7, 448), n4 = list_codes(e2m1, 2, 1, 1, 6);
    assert_int_equal(n8, 127);
    assert_int_equal(n4, 8);
    check_round(suan__round_fp8, 128, e4m3, n8, 1e-4f, "e4m3");
    check_round(suan__round_fp8, 64, e4m3, n8, 1e-4f, "e4m3");
    check_round(suan__round_fp4, 32, e2m1, n4, 6 * ldexp(1, -126), "e2m1");
}

static void test_hadamard_is_its_matrix(void **state) {
    (void)state;
    inputs in;
    inputs_init(&in, 22);
    for (size_t n = 1; n <= 128; n *= 2) {
        float x[128], y[128];
        inputs_f32(&in, INPUTS_NORMAL, x, n);
        memcpy(y, x, sizeof x);
        suan__hadamard(y, n);
        for (size_t i = 0; i < n; i++) {
            double sum = 0, size = 0;
            for (size_t j = 0; j < n; j++) {
                sum += __builtin_parity((unsigned)(i & j)) ? -(double)x[j] : (double)x[j];
                size += fabs((double)x[j]);
            }
            assert_true(fabs((double)y[i] - sum / sqrt((double)n)) <= 1e-6 * size);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips_find_the_nearest_code),
        cmocka_unit_test(test_hadamard_is_its_matrix),
    };
    return cmocka_run_group_tests_name("round_trips", tests, NULL, NULL);
}
