/* Philox against the known answers of the Random123 distribution (kat_vectors, philox4x32 10 rounds), and checked arithmetic. */
#include "base/random.h"

#include <string.h>

#include "base/checked.h"
#include "cmocka_all.h"

static void test_philox_known_answers(void **state) {
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t out[4];
        suan__philox4x32(rows[i].counter, rows[i].key, out);
        assert_memory_equal(out, rows[i].expected, sizeof out);
        memcpy(out, rows[i].counter, sizeof out); /* in place */
        suan__philox4x32(out, rows[i].key, out);
        assert_memory_equal(out, rows[i].expected, sizeof out);
    }
}

static void test_unit_stays_below_one(void **state) {
    assert_true(suan__unit_f32(0) == 0.0f);
    assert_true(suan__unit_f32(0xff) == 0.0f);
    assert_true(suan__unit_f32(0x100) == 0x1p-24f);
    assert_true(suan__unit_f32(0x80000000u) == 0.5f);
    assert_true(suan__unit_f32(0xffffffffu) == 1.0f - 0x1p-24f);
}

/* Values around every power of two, and some others. */
static size_t interesting(uint64_t v[256]) {
    size_t n = 0;
    for (int i = 0; i < 64; i++)
        for (int d = -1; d <= 1; d++) v[n++] = ((uint64_t)1 << i) + (uint64_t)d;
    v[n++] = UINT64_MAX;
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t out[4];
        suan__philox4x32((uint32_t[4]){i}, (uint32_t[2]){1, 2}, out);
        v[n++] = ((uint64_t)out[0] << 32 | out[1]) >> out[2] % 64;
    }
    return n;
}

static void test_checked_arithmetic_equals_128_bits(void **state) {
    uint64_t v[256];
    size_t n = interesting(v);
    const unsigned __int128 end = (unsigned __int128)1 << 64;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            uint64_t r = 12345;
            unsigned __int128 exact = (unsigned __int128)v[i] + v[j];
            assert_int_equal(suan__add_u64(v[i], v[j], &r), exact < end);
            assert_true(r == (exact < end ? (uint64_t)exact : 12345));
            r = 12345;
            exact = (unsigned __int128)v[i] * v[j];
            assert_int_equal(suan__mul_u64(v[i], v[j], &r), exact < end);
            assert_true(r == (exact < end ? (uint64_t)exact : 12345));
            for (size_t k = 0; k < n; k += 7) assert_int_equal(suan__inside(v[i], v[j], v[k]), (unsigned __int128)v[i] + v[j] <= v[k]);
        }
        for (int shift = 0; shift < 64; shift++) {
            uint64_t align = (uint64_t)1 << shift, r = 12345;
            unsigned __int128 exact = ((unsigned __int128)v[i] + align - 1) / align * align;
            assert_int_equal(suan__align_u64(v[i], align, &r), exact < end);
            assert_true(r == (exact < end ? (uint64_t)exact : 12345));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_unit_stays_below_one),
        cmocka_unit_test(test_checked_arithmetic_equals_128_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
