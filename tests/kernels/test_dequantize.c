/* test_dequantize: every block type against the values of ggml's C code, bit for bit. */
#include "fixture.h"
#include "kernels/kernels.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static void check_type(suan__dtype type) {
    const suan__dtype_info *info = suan__dtype_get(type);
    fixture f;
    size_t shape[2], expected_shape[2];
    fixture_open(&f, info->name);
    uint8_t *blocks = fixture_tensor(&f, "blocks", shape);
    float *expected = fixture_tensor(&f, "expected", expected_shape), *found = malloc(shape[0] * info->block * sizeof(float));
    assert_non_null(found);
    assert_int_equal(shape[1], info->bytes);
    assert_int_equal(expected_shape[1], info->block);
    assert_int_equal(expected_shape[0], shape[0]);
    assert_true(suan__dequantize_known(type));
    suan__dequantize_row(type, found, blocks, shape[0] * info->block);
    for (size_t i = 0; i < shape[0] * info->block; i++) {
        if (memcmp(&found[i], &expected[i], 4) != 0) {
            fail_msg("%s: block %zu, value %zu: found %a, expected %a", info->name, i / info->block, i % info->block, (double)found[i],
                     (double)expected[i]);
        }
    }
    free(found);
    free(expected);
    free(blocks);
    fixture_close(&f);
}

/* Infinite and NaN scales: nothing may break; the values are not promised. */
static void check_nonfinite(suan__dtype type) {
    const suan__dtype_info *info = suan__dtype_get(type);
    fixture f;
    size_t shape[2];
    fixture_open(&f, info->name);
    uint8_t *blocks = fixture_tensor(&f, "nonfinite_blocks", shape);
    float *found = malloc(shape[0] * info->block * sizeof(float));
    assert_non_null(found);
    suan__dequantize_row(type, found, blocks, shape[0] * info->block);
    free(found);
    free(blocks);
    fixture_close(&f);
}

static const suan__dtype types[] = {SUAN__F16,   SUAN__BF16,  SUAN__Q4_0,    SUAN__Q4_1,   SUAN__Q5_0,  SUAN__Q5_1,    SUAN__Q8_0,
                                    SUAN__Q2_K,  SUAN__Q3_K,  SUAN__Q4_K,    SUAN__Q5_K,   SUAN__Q6_K,  SUAN__IQ4_NL,  SUAN__IQ4_XS,
                                    SUAN__MXFP4, SUAN__NVFP4, SUAN__IQ2_XXS, SUAN__IQ2_XS, SUAN__IQ2_S, SUAN__IQ3_XXS, SUAN__IQ3_S,
                                    SUAN__IQ1_S, SUAN__IQ1_M, SUAN__TQ1_0,   SUAN__TQ2_0,  SUAN__Q1_0,  SUAN__Q2_0};

static void test_dequantize_blocks_equal_reference(void **state) {
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) check_type(types[i]);
}

static void test_dequantize_nonfinite_blocks_do_no_harm(void **state) {
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) check_nonfinite(types[i]);
}

static void test_dequantize_floats_are_exact(void **state) {
    float x[3] = {1.5f, -0.0f, 0x1p-149f}, y[3];
    double wide[3] = {1.5, -0.0, 0x1.000001p0};
    suan__dequantize_row(SUAN__F32, y, x, 3);
    assert_memory_equal(x, y, sizeof(x));
    suan__dequantize_row(SUAN__F64, y, wide, 3);
    for (int i = 0; i < 3; i++) assert_true(y[i] == (float)wide[i]);
}

static void test_dequantize_known_is_every_type_with_values(void **state) {
    static const suan__dtype unknown[] = {SUAN__I8, SUAN__I32, SUAN__I64, SUAN__Q8_1, SUAN__Q8_K, SUAN__U8, SUAN__F8_E4M3, SUAN__F4};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) assert_false(suan__dequantize_known(unknown[i]));
    assert_true(suan__dequantize_known(SUAN__F32));
    assert_true(suan__dequantize_known(SUAN__F64));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dequantize_blocks_equal_reference),
        cmocka_unit_test(test_dequantize_nonfinite_blocks_do_no_harm),
        cmocka_unit_test(test_dequantize_floats_are_exact),
        cmocka_unit_test(test_dequantize_known_is_every_type_with_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
