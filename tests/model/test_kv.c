/* test_kv.c: what a cache takes, up to sizes that 64 bits cannot hold. */
#include <math.h>
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
    assert_int_equal(suan__kv_bytes(&gqa, 256, SUAN__Q8_0), 3 * 2 * 256 * 2 * (32 + 2));
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
    assert_null(kv.memory);
    suan__kv_free(&kv);
}

static void test_layout(void **state) {
    (void)state;
    suan__kv kv;
    suan_error err;
    suan__hparams gqa = {.n_layer = 2, .n_head_kv = 2, .head_dim = 8};
    assert_int_equal(suan__kv_create(&kv, &gqa, 300, SUAN__F32, &err), SUAN_OK);
    assert_int_equal(kv.n_ctx, 512);
    assert_int_equal(kv.block_bytes, 256 * 8 * 4);
    assert_int_equal(kv.layer_bytes, 2 * 2 * kv.block_bytes);
    assert_ptr_equal(kv.pages[1], kv.pages[0] + 2 * kv.layer_bytes);
    assert_int_equal(suan__kv_k_at(&kv, 1, 1), kv.layer_bytes + kv.block_bytes);
    assert_int_equal(suan__kv_v_at(&kv, 1, 1), kv.layer_bytes + 3 * kv.block_bytes);
    assert_int_equal(kv.bytes, 2 * 2 * kv.layer_bytes);
    suan__kv_free(&kv);
    suan__hparams mla = {.n_layer = 2, .n_head_kv = 1, .head_dim = 24, .kv_lora = 16};
    assert_int_equal(suan__kv_create(&kv, &mla, 256, SUAN__F16, &err), SUAN_OK);
    assert_int_equal(kv.layer_bytes, kv.block_bytes);
    assert_int_equal(kv.bytes, 2 * 256 * 24 * 2);
    suan__kv_free(&kv);
}

/* A row of 40 values in a q8_0 cache: two blocks, the second one filled up with zeros; 64 bytes of integers and two scales. */
static void test_q8_rows(void **state) {
    (void)state;
    enum { WIDTH = 40, PADDED = 64 };
    static unsigned char rows[SUAN__ATTN_BLOCK * (PADDED + 4)], panels[SUAN__ATTN_BLOCK * (PADDED + 4)];
    _Alignas(64) unsigned char scratch[1024];
    float x[WIDTH];
    suan_error err;
    const suan__kernels *kn;
    assert_int_equal(suan__kernels_get(&kn, NULL, &err), SUAN_OK);
    assert_int_equal(suan__kv_width(SUAN__Q8_0, WIDTH), PADDED);
    assert_int_equal(suan__kv_row_bytes(SUAN__Q8_0, WIDTH), PADDED + 4);
    assert_true(suan__kv_scratch_bytes(WIDTH) <= sizeof scratch);
    for (int i = 0; i < WIDTH; i++) x[i] = (float)(i - 7) * 0.5f;
    assert_true(suan__kv_store_row(kn, SUAN__Q8_0, rows, 19, x, WIDTH, scratch));
    assert_true(suan__kv_store_column(kn, SUAN__Q8_0, panels, 19, x, WIDTH, scratch));
    const uint16_t *row_scales = (const uint16_t *)(const void *)(rows + SUAN__ATTN_BLOCK * PADDED) + 19 * 2;
    const unsigned char *panel = panels + SUAN__PANEL * (PADDED + 4); /* the second: positions 16 to 31 */
    const uint16_t *panel_scales = (const uint16_t *)(const void *)(panel + SUAN__PANEL * PADDED);
    for (int i = 0; i < PADDED; i++) {
        int byte = rows[19 * PADDED + i];
        float d;
        kn->f16_to_f32(&d, &row_scales[i / 32], 1);
        assert_true(fabs((byte - 128) * (double)d - (i < WIDTH ? (double)x[i] : 0)) <= (double)d * 0.51);
        assert_int_equal(panel[(i / 4 * SUAN__PANEL + 3) * 4 + i % 4], byte);
        assert_int_equal(panel_scales[i / 32 * SUAN__PANEL + 3], row_scales[i / 32]);
    }
    x[3] = 1e9f; /* a scale beyond binary16 */
    assert_false(suan__kv_store_row(kn, SUAN__Q8_0, rows, 19, x, WIDTH, scratch));
    x[3] = NAN;
    assert_false(suan__kv_store_column(kn, SUAN__Q8_0, panels, 19, x, WIDTH, scratch));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_beyond_64_bits),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_q8_rows),
    };
    return cmocka_run_group_tests_name("model_kv", tests, NULL, NULL);
}
