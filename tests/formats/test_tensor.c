/* test_tensor.c: sizes of tensors, the order of spans, the table of names. */
#include <stdio.h>
#include <string.h>

#include "../base/cmocka_all.h"
#include "base/memory.h"
#include "base/random.h"
#include "formats/names.h"
#include "formats/spans.h"
#include "formats/tensor.h"

static void test_size_of_each_kind(void **state) {
    static const struct {
        suan__dtype type;
        int n_dims;
        uint64_t ne[4], n_values, n_bytes;
        suan_status status;
    } rows[] = {
        {SUAN__F32, 0, {0}, 1, 4, SUAN_OK},
        {SUAN__F32, 1, {7}, 7, 28, SUAN_OK},
        {SUAN__BF16, 4, {2, 3, 4, 5}, 120, 240, SUAN_OK},
        {SUAN__Q4_0, 2, {64, 3}, 192, 108, SUAN_OK},
        {SUAN__Q4_K, 2, {512, 2}, 1024, 576, SUAN_OK},
        {SUAN__MXFP4, 1, {32}, 32, 17, SUAN_OK},
        {SUAN__NVFP4, 1, {64}, 64, 36, SUAN_OK},
        {SUAN__F4, 2, {2, 3}, 6, 3, SUAN_OK},
        {SUAN__F6_E2M3, 1, {8}, 8, 6, SUAN_OK},
        {SUAN__F32, 3, {5, 0, 2}, 0, 0, SUAN_OK},
        {SUAN__Q8_0, 2, {0, 2}, 0, 0, SUAN_OK},
        {SUAN__Q4_0, 2, {31, 32}, 0, 0, SUAN_EFORMAT},
        {SUAN__F4, 0, {0}, 0, 0, SUAN_EFORMAT},
        {SUAN__I8, 1, {INT64_MAX}, INT64_MAX, INT64_MAX, SUAN_OK},
        {SUAN__I8, 1, {UINT64_C(1) << 63}, 0, 0, SUAN_ERANGE},
        {SUAN__F16, 1, {INT64_MAX}, 0, 0, SUAN_ERANGE},
        {SUAN__I8, 3, {0, UINT64_C(1) << 32, UINT64_C(1) << 31}, 0, 0, SUAN_ERANGE},
        {SUAN__F32, 5, {1, 1, 1, 1}, 0, 0, SUAN_EINVAL},
        {SUAN__F32, -1, {1}, 0, 0, SUAN_EINVAL},
        {(suan__dtype)4, 1, {32}, 0, 0, SUAN_EINVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t n_values = 99, n_bytes = 99;
        assert_int_equal(suan__tensor_size(rows[i].type, rows[i].n_dims, rows[i].ne, &n_values, &n_bytes), rows[i].status);
        assert_int_equal(n_values, rows[i].status == SUAN_OK ? rows[i].n_values : 99);
        assert_int_equal(n_bytes, rows[i].status == SUAN_OK ? rows[i].n_bytes : 99);
    }
}

static void test_spans_sort_is_stable_and_complete(void **state) {
    uint32_t counter[4] = {0}, key[2] = {1, 2}, r[4];
    suan__span spans[600];
    for (size_t n = 0; n < 600; n = n < 20 ? n + 1 : n * 3 / 2) {
        bool seen[600] = {false};
        for (size_t i = 0; i < n; i++) {
            counter[0]++;
            suan__philox4x32(counter, key, r);
            spans[i] = (suan__span){r[0] % 40, r[0] % 40 + r[1] % 3, i};
        }
        assert_int_equal(suan__spans_sort(spans, n, NULL), SUAN_OK);
        for (size_t i = 0; i < n; i++) {
            assert_false(seen[spans[i].i]);
            seen[spans[i].i] = true;
            if (i == 0) continue;
            const suan__span *a = &spans[i - 1], *b = &spans[i];
            assert_true(a->begin < b->begin || (a->begin == b->begin && (a->end < b->end || (a->end == b->end && a->i < b->i))));
        }
    }
    spans[0] = (suan__span){2, 3, 0};
    spans[1] = (suan__span){1, 2, 1};
    suan__alloc_fail_at(1);
    assert_int_equal(suan__spans_sort(spans, 2, NULL), SUAN_ENOMEM);
    suan__alloc_fail_at(0);
}

static void test_names_are_found_again(void **state) {
    enum { N = 5000 };
    static char names[N][12];
    suan__arena arena;
    suan__names t = {0};
    assert_int_equal(suan__names_find(&t, "x", 1), SUAN__NAME_NONE); /* a zeroed table is empty */
    suan__arena_init(&arena, 1 << 12);
    assert_true(suan__names_init(&t, &arena, N + 1));
    for (uint32_t i = 0; i < N; i++) {
        uint32_t n = (uint32_t)snprintf(names[i], sizeof names[i], "name.%u", i * 7);
        assert_int_equal(suan__names_add(&t, names[i], n, i), SUAN__NAME_NONE);
    }
    assert_int_equal(suan__names_add(&t, "", 0, N), SUAN__NAME_NONE);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t n = (uint32_t)strlen(names[i]);
        assert_int_equal(suan__names_find(&t, names[i], n), i);
        assert_int_equal(suan__names_add(&t, names[i], n, 77), i);
        assert_int_equal(suan__names_find(&t, names[i], n - 1), n > 6 && i * 7 / 10 % 7 == 0 ? i * 7 / 10 / 7 : SUAN__NAME_NONE);
    }
    assert_int_equal(suan__names_find(&t, "", 0), N);
    assert_false(suan__names_init(&t, &arena, UINT64_C(1) << 31));
    suan__arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_of_each_kind),
        cmocka_unit_test(test_spans_sort_is_stable_and_complete),
        cmocka_unit_test(test_names_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
