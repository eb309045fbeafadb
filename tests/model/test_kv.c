/* test_kv.c: what a cache takes, up to sizes that 64 bits cannot hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "model/model.h"

static void test_bytes(void **state) {
    (void)state;
    suan__hparams gqa = {.n_layer = 3, .n_head_kv = 2, .head_dim = 10};
    assert_int_equal(suan__kv_bytes(&gqa, 256, SUAN__F16), 3 * 2 * 256 * 2 * 10 * 2);
    assert_int_equal(suan__kv_bytes(&gqa, 257, SUAN__F32), 3 * 2 * 512 * 2 * 10 * 4);
    suan__hparams mla = {.n_layer = 3, .n_head_kv = 1, .head_dim = 576, .kv_lora = 512};
    assert_int_equal(suan__kv_bytes(&mla, 1, SUAN__F16), 3 * 256 * 576 * 2);
}

/* Sizes whose product is 2^64 and more must not come out small: the cache would be written beyond its end. */
static void test_beyond_64_bits(void **state) {
    (void)state;
    suan__hparams hp = {.n_layer = 128, .n_head_kv = 4096, .head_dim = 4096};
    assert_true(suan__kv_bytes(&hp, 1u << 30, SUAN__F32) == UINT64_MAX);
    hp.n_head_kv = hp.head_dim = 65536;
    hp.n_layer = 4096;
    assert_true(suan__kv_bytes(&hp, UINT32_MAX, SUAN__F16) == UINT64_MAX);
    suan__kv kv;
    suan_error err;
    assert_int_equal(suan__kv_create(&kv, &hp, 1u << 30, SUAN__F16, &err), SUAN_ENOMEM);
    assert_null(kv.k);
    suan__kv_free(&kv);
}

static void test_layout(void **state) {
    (void)state;
    suan__kv kv;
    suan_error err;
    suan__hparams gqa = {.n_layer = 2, .n_head_kv = 2, .head_dim = 8};
    assert_int_equal(suan__kv_create(&kv, &gqa, 300, SUAN__F32, &err), SUAN_OK);
    assert_int_equal(kv.n_ctx, 512);
    assert_int_equal(kv.k_layer_bytes, 512 * 2 * 8 * 4);
    assert_int_equal(kv.v_layer_bytes, kv.k_layer_bytes);
    assert_ptr_equal(kv.v, kv.k + 2 * kv.k_layer_bytes);
    assert_int_equal(kv.bytes, 4 * kv.k_layer_bytes);
    suan__kv_free(&kv);
    suan__hparams mla = {.n_layer = 2, .n_head_kv = 1, .head_dim = 24, .kv_lora = 16};
    assert_int_equal(suan__kv_create(&kv, &mla, 256, SUAN__F16, &err), SUAN_OK);
    assert_null(kv.v);
    assert_int_equal(kv.bytes, 2 * 256 * 24 * 2);
    suan__kv_free(&kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_beyond_64_bits),
        cmocka_unit_test(test_layout),
    };
    return cmocka_run_group_tests_name("model_kv", tests, NULL, NULL);
}
