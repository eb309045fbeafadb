/* test_pack: panels hold what the rows held, and expand to the same values. */
#include "inputs.h"
#include "kernels/kernels.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define K 1024

static const suan__dtype types[] = {
#define ROW(name) SUAN__##name,
    SUAN__WEIGHT_MAP(ROW)
#undef ROW
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static void test_pack_unpack_gives_rows_back(void **state) {
    inputs in;
    inputs_init(&in, 1);
    for (size_t t = 0; t < N_TYPES; t++) {
        const suan__dtype_info *info = suan__dtype_get(types[t]);
        for (int n_rows = 1; n_rows <= SUAN__PANEL; n_rows += 5) {
            size_t row_bytes = K / info->block * info->bytes, stride = row_bytes + 6;
            assert_int_equal(suan__panel_bytes(types[t], K), 16 * row_bytes);
            uint8_t *rows = malloc(16 * stride), *panel = malloc(16 * row_bytes), *row = malloc(row_bytes), *zeros = calloc(row_bytes, 1);
            memset(panel, 0xaa, 16 * row_bytes);
            for (int r = 0; r < n_rows; r++) inputs_row(&in, types[t], INPUTS_BLOCK_ANY, rows + (size_t)r * stride, K);
            suan__panel_pack(types[t], panel, rows, stride, K, n_rows);
            for (int r = 0; r < SUAN__PANEL; r++) {
                suan__panel_unpack_row(types[t], row, panel, K, r);
                assert_memory_equal(row, r < n_rows ? rows + (size_t)r * stride : zeros, row_bytes);
            }
            free(zeros), free(row), free(panel), free(rows);
        }
    }
}

/* The documented place of a byte: one field of each unit size, written out. */
static void test_pack_places_units_as_documented(void **state) {
    uint8_t rows[16][176], panel[16 * 176];
    for (int r = 0; r < 16; r++) {
        for (int i = 0; i < 176; i++) rows[r][i] = (uint8_t)(r * 13 + i * 7);
    }
    suan__panel_pack(SUAN__Q5_K, panel, rows, 176, 256, 16);
    for (int r = 0; r < 16; r++) {
        assert_memory_equal(panel + 2 * r, rows[r], 2);                                  /* d */
        assert_memory_equal(panel + 32 + 2 * r, rows[r] + 2, 2);                         /* dmin */
        assert_memory_equal(panel + 64 + (2 * 16 + r) * 4, rows[r] + 4 + 8, 4);          /* the third unit of scales */
        assert_memory_equal(panel + 16 * 48 + (31 * 16 + r) * 4, rows[r] + 48 + 124, 4); /* the last of qs */
    }
    suan__panel_pack(SUAN__MXFP4, panel, rows, 176, 32, 16);
    for (int r = 0; r < 16; r++) {
        assert_int_equal(panel[r], rows[r][0]);
        assert_memory_equal(panel + 16 + (3 * 16 + r) * 4, rows[r] + 1 + 12, 4);
    }
}

/* At every level: expand in chunks equals dequantising the rows. */
static void test_pack_expand_equals_dequantize(void **state) {
    inputs in;
    inputs_init(&in, 2);
    float *values = malloc(K * sizeof(float)), *chunk = malloc(256 * 16 * sizeof(float));
    for (size_t t = 0; t < N_TYPES; t++) {
        const suan__dtype_info *info = suan__dtype_get(types[t]);
        size_t row_bytes = K / info->block * info->bytes;
        uint8_t *rows = malloc(16 * row_bytes), *panel = malloc(16 * row_bytes);
        for (int kind = 0; kind < INPUTS_N_BLOCK_KINDS; kind++) {
            for (size_t r = 0; r < 16; r++) inputs_row(&in, types[t], kind, rows + r * row_bytes, K);
            suan__panel_pack(types[t], panel, rows, row_bytes, K, 16);
            for (const char *const *level = suan__kernels_levels(); *level; level++) {
                const suan__kernels *kn;
                assert_int_equal(suan__kernels_get(&kn, *level, NULL), SUAN_OK);
                for (size_t k0 = 0; k0 < K; k0 += 256) {
                    kn->expand[types[t]](chunk, panel, K, k0, 256);
                    for (size_t r = 0; r < 16; r++) {
                        suan__dequantize_row(types[t], values, rows + r * row_bytes, K);
                        for (size_t i = 0; i < 256; i++) {
                            if (memcmp(&chunk[i * 16 + r], &values[k0 + i], 4) != 0) {
                                fail_msg("%s %s kind %d: row %zu, value %zu: %a, expected %a", *level, info->name, kind, r, k0 + i,
                                         (double)chunk[i * 16 + r], (double)values[k0 + i]);
                            }
                        }
                    }
                }
            }
        }
        free(panel), free(rows);
    }
    free(chunk), free(values);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_unpack_gives_rows_back),
        cmocka_unit_test(test_pack_places_units_as_documented),
        cmocka_unit_test(test_pack_expand_equals_dequantize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
