/* The heap and its switch, arenas, byte buffers, large pages. */
#include "base/memory.h"

#include <string.h>

#include "cmocka_all.h"

static bool is_zero(const void *p, size_t n) {
    const unsigned char *u = p;
    for (size_t i = 0; i < n; i++)
        if (u[i]) return false;
    return true;
}

static void test_heap_gives_memory_also_for_nothing(void **state) {
    void *p[6] = {suan__malloc(0),         suan__calloc(0, 8),        suan__calloc(8, 0),
                  suan__malloc_aligned(0), suan__realloc(NULL, 0, 4), suan__strndup(NULL, 0)};
    for (size_t i = 0; i < 6; i++) {
        assert_non_null(p[i]);
        suan__free(p[i]);
    }
    suan__free(NULL);
}

static void test_heap_refuses_what_overflows(void **state) {
    assert_null(suan__calloc(SIZE_MAX / 2, 3));
    assert_null(suan__calloc(SIZE_MAX / 2, 2));
    assert_null(suan__malloc(SIZE_MAX - 1));
    assert_null(suan__malloc_aligned(SIZE_MAX - 10));
    assert_null(suan__strndup("x", SIZE_MAX));
    char *p = suan__malloc(4);
    memcpy(p, "abc", 4);
    assert_null(suan__realloc(p, SIZE_MAX / 2, 3));
    assert_string_equal(p, "abc"); /* a failed realloc leaves the old block */
    suan__free(p);
}

static void test_heap_contents(void **state) {
    for (size_t n = 1; n < 300; n += 13) {
        char *aligned = suan__malloc_aligned(n);
        assert_int_equal((uintptr_t)aligned % SUAN__ALIGN, 0);
        memset(aligned, 1, n);
        suan__free(aligned);
        char *zero = suan__calloc(n, 3);
        assert_true(is_zero(zero, 3 * n));
        zero = suan__realloc(zero, n, 9);
        assert_true(is_zero(zero, 3 * n));
        suan__free(zero);
    }
    char *copy = suan__strndup("ab\0cd", 5);
    assert_memory_equal(copy, "ab\0cd", 6);
    suan__free(copy);
}

static void test_nth_allocation_fails_once(void **state) {
    uint64_t before = suan__alloc_count();
    suan__alloc_fail_at(3);
    void *a = suan__malloc(1), *b = suan__calloc(1, 1), *c = suan__malloc_aligned(1), *d = suan__malloc(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_non_null(d);
    assert_int_equal(suan__alloc_count() - before, 4);
    suan__alloc_fail_at(1);
    assert_null(suan__realloc(a, 2, 2));
    suan__alloc_fail_at(1);
    assert_null(suan__strndup("x", 1));
    suan__alloc_fail_at(1);
    assert_null(suan__pages_alloc(1));
    suan__alloc_fail_at(1);
    suan__alloc_fail_at(0);
    void *e = suan__malloc(1);
    assert_non_null(e);
    void *all[] = {a, b, d, e};
    for (size_t i = 0; i < 4; i++) suan__free(all[i]);
}

static void test_pages_are_zero_and_writable(void **state) {
    static const size_t sizes[] = {0, 1, 4096, 4097, 2 << 20, (2 << 20) + 1, 9 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        unsigned char *p = suan__pages_alloc(n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (n >= 2 << 20 ? 2 << 20 : 4096), 0);
        assert_true(is_zero(p, n));
        memset(p, 0xA5, n);
        suan__pages_free(p, n);
    }
    suan__pages_free(NULL, 5);
    assert_null(suan__pages_alloc(SIZE_MAX));
    assert_null(suan__pages_alloc((size_t)1 << 62));
}

static void test_arena_objects_are_zero_aligned_and_apart(void **state) {
    suan__arena a;
    suan__arena_init(&a, 256);
    enum { N = 300 };
    unsigned char *p[N];
    size_t total = 0;
    for (int round = 0; round < 3; round++) {
        total = 0;
        for (size_t i = 0; i < N; i++) {
            p[i] = suan__arena_alloc(&a, i, 3);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % (3 * i >= SUAN__ALIGN ? SUAN__ALIGN : 16), 0);
            assert_true(is_zero(p[i], 3 * i));
            if (i) memset(p[i], (int)(i % 255 + 1), 3 * i);
            total += 3 * i;
        }
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < 3 * i; k++) assert_int_equal(p[i][k], i % 255 + 1);
        assert_int_equal(a.used_bytes, total);
        suan__arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
    suan__arena_fini(&a);
    suan__arena_fini(&a);
    suan__arena zeroed = {0};
    suan__arena_reset(&zeroed);
    assert_non_null(SUAN_ARENA_NEW(&zeroed, double, 5));
    suan__arena_fini(&zeroed);
}

static void test_arena_settles_after_resets(void **state) {
    suan__arena a;
    suan__arena_init(&a, 64);
    uint64_t before = 0;
    for (int round = 0; round < 5; round++) {
        if (round == 3) before = suan__alloc_count();
        for (size_t i = 0; i < 100; i++) assert_non_null(suan__arena_alloc(&a, 1000 + i, 8));
        suan__arena_reset(&a);
    }
    assert_int_equal(suan__alloc_count(), before);
    suan__arena_fini(&a);
}

static void test_arena_refuses_and_goes_on(void **state) {
    suan__arena a;
    suan__arena_init(&a, 64);
    assert_null(suan__arena_alloc(&a, SIZE_MAX, 2));
    assert_null(suan__arena_alloc(&a, SIZE_MAX, 1));
    assert_null(suan__arena_alloc(&a, SIZE_MAX - 100, 1));
    assert_null(suan__arena_strndup(&a, "x", SIZE_MAX));
    suan__alloc_fail_at(1);
    assert_null(suan__arena_alloc(&a, 1, 1));
    suan__alloc_fail_at(0);
    char *s = suan__arena_strndup(&a, "hello", 4);
    assert_string_equal(s, "hell");
    suan__arena_fini(&a);
}

static void test_buf_grows_and_ends_in_nul(void **state) {
    suan__buf b = {0};
    assert_true(suan__buf_append(&b, NULL, 0));
    assert_string_equal(b.data, "");
    for (int i = 0; i < 1000; i++) {
        assert_true(suan__buf_printf(&b, "%d,", i));
        assert_int_equal(b.data[b.n], 0);
    }
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.data, "0,1,2,3,", 8);
    assert_string_equal(b.data + b.n - 8, "998,999,");
    assert_true(suan__buf_append(&b, "a\0b", 3));
    assert_memory_equal(b.data + b.n - 3, "a\0b", 4);
    suan__buf_fini(&b);
    suan__buf_fini(&b);
}

static void test_buf_limit_is_sticky(void **state) {
    suan__buf b = {.limit = 5};
    assert_true(suan__buf_append(&b, "abc", 3));
    assert_true(suan__buf_append(&b, "de", 2));
    assert_false(suan__buf_append(&b, "f", 1));
    assert_true(b.failed);
    assert_false(suan__buf_append(&b, "", 0));
    assert_false(suan__buf_printf(&b, "x"));
    assert_string_equal(b.data, "abcde");
    suan__buf_fini(&b);
    assert_false(b.failed);
    assert_false(suan__buf_printf(&b, "%s", "abcdef")); /* the limit stays */
    suan__buf_fini(&b);
    assert_false(suan__buf_append(&b, "x", SIZE_MAX));
    suan__buf_fini(&b);
}

static void test_buf_out_of_memory_keeps_what_it_has(void **state) {
    suan__buf b = {0};
    assert_true(suan__buf_append(&b, "abc", 3));
    char big[1000] = {0};
    suan__alloc_fail_at(1);
    assert_false(suan__buf_append(&b, big, sizeof big));
    suan__alloc_fail_at(0);
    assert_true(b.failed);
    assert_string_equal(b.data, "abc");
    assert_false(suan__buf_append(&b, "d", 1));
    suan__buf_fini(&b);
}

static void test_machine_has_some_memory(void **state) {
    assert_true(suan__memory_available() > 0);
    assert_true(suan__memory_peak() > 100 * 1024);
    assert_true(suan__memory_peak() < (uint64_t)1 << 50);
}

static void test_bytes_in_words(void **state) {
    (void)state;
    char text[SUAN__BYTES_TEXT];
    assert_string_equal(suan__bytes_text(text, 0), "0.00 KiB");
    assert_string_equal(suan__bytes_text(text, 512), "0.50 KiB");
    assert_string_equal(suan__bytes_text(text, 21957632), "20.94 MiB");
    assert_string_equal(suan__bytes_text(text, UINT64_C(5) << 30), "5.00 GiB");
    assert_string_equal(suan__bytes_text(text, UINT64_MAX), "16.00 EiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_gives_memory_also_for_nothing),
        cmocka_unit_test(test_heap_refuses_what_overflows),
        cmocka_unit_test(test_heap_contents),
        cmocka_unit_test(test_nth_allocation_fails_once),
        cmocka_unit_test(test_pages_are_zero_and_writable),
        cmocka_unit_test(test_arena_objects_are_zero_aligned_and_apart),
        cmocka_unit_test(test_arena_settles_after_resets),
        cmocka_unit_test(test_arena_refuses_and_goes_on),
        cmocka_unit_test(test_buf_grows_and_ends_in_nul),
        cmocka_unit_test(test_buf_limit_is_sticky),
        cmocka_unit_test(test_buf_out_of_memory_keeps_what_it_has),
        cmocka_unit_test(test_machine_has_some_memory),
        cmocka_unit_test(test_bytes_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
