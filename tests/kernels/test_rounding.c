/* test_rounding: the two ways through a matrix product.
 *
 * q8 against exact: rounding an activation moves it by at most d_a / 2, so a product differs by at most the sum over blocks of
 * (d_a / 2) * sum |w|, and by the rounding of f32: each of the two chains has at most K + 8 roundings that an output's terms pass through,
 * each of 2^-24 of the sum of the terms' sizes. A minimum is a term of its own, as it may cancel the rest of its weight.
 */
#include "inputs.h"
#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define K 1024
#define N_ROWS 21
#define N_COLS 3

static const suan__dtype types[] = {
#define ROW(name) SUAN__##name,
    SUAN__WEIGHT_MAP(ROW)
#undef ROW
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

typedef struct matrix {
    suan__dtype type;
    size_t row_bytes;
    uint8_t *rows, *packed;
} matrix;

static void matrix_init(matrix *m, suan__dtype type, inputs *in, int kind) {
    const suan__dtype_info *info = suan__dtype_get(type);
    m->type = type;
    m->row_bytes = K / info->block * info->bytes;
    m->rows = malloc(N_ROWS * m->row_bytes);
    m->packed = malloc((N_ROWS + 15) / 16 * suan__panel_bytes(type, K));
    for (size_t r = 0; r < N_ROWS; r++) inputs_row(in, type, kind, m->rows + r * m->row_bytes, K);
    for (size_t p = 0; p * 16 < N_ROWS; p++) {
        int n = N_ROWS - p * 16 < 16 ? (int)(N_ROWS - p * 16) : 16;
        suan__panel_pack(type, m->packed + p * suan__panel_bytes(type, K), m->rows + p * 16 * m->row_bytes, m->row_bytes, K, n);
    }
}
static void matrix_fini(matrix *m) {
    free(m->rows), free(m->packed);
}

static void product(const suan__kernels *kn, const matrix *m, float *y, const void *x, size_t ldx, bool exact) {
    float *scratch = malloc(SUAN__EXPAND_SCRATCH * sizeof(float));
    suan__matmul_panels(kn, m->type, m->packed, N_ROWS, K, 0, 1, y, N_ROWS, x, ldx, N_COLS, exact, scratch);
    suan__matmul_panels(kn, m->type, m->packed, N_ROWS, K, 1, 1, y, N_ROWS, x, ldx, N_COLS, exact, scratch);
    free(scratch);
}

/* The exact path, value by value: increasing k, one fma a step. */
static void test_rounding_exact_path_is_a_chain_of_fma(void **state) {
    inputs in;
    inputs_init(&in, 3);
    const suan__kernels *kn;
    assert_int_equal(suan__kernels_get(&kn, "c", NULL), SUAN_OK);
    for (size_t t = 0; t < N_TYPES; t++) {
        matrix m;
        float *x = malloc(N_COLS * K * sizeof(float)), *w = malloc(K * sizeof(float)), y[N_COLS][N_ROWS];
        matrix_init(&m, types[t], &in, INPUTS_BLOCK_NORMAL);
        inputs_f32(&in, INPUTS_NORMAL, x, N_COLS * K);
        product(kn, &m, y[0], x, K * sizeof(float), true);
        for (int r = 0; r < N_ROWS; r++) {
            suan__dequantize_row(types[t], w, m.rows + (size_t)r * m.row_bytes, K);
            for (int c = 0; c < N_COLS; c++) {
                float acc = 0;
                for (int i = 0; i < K; i++) acc = fmaf(w[i], x[c * K + i], acc);
                assert_memory_equal(&acc, &y[c][r], sizeof(float));
            }
        }
        matrix_fini(&m);
        free(w), free(x);
    }
}

/* Sizes of the terms of a row's weights: |d w| + |minimum|. */
static void term_sizes(const matrix *m, size_t r, double *size) {
    const suan__dtype_info *info = suan__dtype_get(m->type);
    suan__min_kind kind = suan__block_min_kind(m->type);
    for (size_t i = 0; i < K; i++) {
        suan__block_ints ints = {0};
        suan__block_decode(m->type, m->rows + r * m->row_bytes + i / info->block * info->bytes, &ints);
        size_t j = i % info->block;
        double min = kind == SUAN__MIN_K ? (double)ints.dmin * ints.m[j / 16] : kind == SUAN__MIN_FLOAT ? (double)ints.dmin : 0;
        size[i] = fabs((double)ints.d * ints.w[j]) + fabs(min);
    }
}

static void check_bound(const suan__kernels *kn, const matrix *m, inputs *in, int kind) {
    size_t block = (size_t)suan__activation_block(m->type), q8_bytes = suan__q8_row_bytes(K, block);
    float *x = malloc(N_COLS * K * sizeof(float)), *w = malloc(K * sizeof(float)), q8_y[N_COLS][N_ROWS], exact_y[N_COLS][N_ROWS];
    char *q8 = malloc(N_COLS * q8_bytes);
    double *size = malloc(K * sizeof(double));
    for (size_t c = 0; c < N_COLS; c++) {
        inputs_f32(in, kind, x + c * K, K);
        (block == 32 ? kn->quantize_q8_32 : kn->quantize_q8_256)(q8 + c * q8_bytes, x + c * K, K);
    }
    product(kn, m, q8_y[0], q8, q8_bytes, false);
    product(kn, m, exact_y[0], x, K * sizeof(float), true);
    for (size_t r = 0; r < N_ROWS; r++) {
        suan__dequantize_row(m->type, w, m->rows + r * m->row_bytes, K);
        term_sizes(m, r, size);
        for (size_t c = 0; c < N_COLS; c++) {
            const float *d = (const float *)(q8 + c * q8_bytes + suan__q8_d_offset(K));
            double bound = 0, sizes = 0;
            for (size_t i = 0; i < K; i++) {
                double d_a = d[i / block];
                bound += d_a / 2 * fabs((double)w[i]) * (1 + 0x1p-16);
                sizes += size[i] * (fabs((double)x[c * K + i]) + d_a / 2);
            }
            bound += 2 * (K + 8) * 0x1p-24 * sizes;
            double miss = fabs((double)q8_y[c][r] - (double)exact_y[c][r]);
            if (!(miss <= bound)) {
                fail_msg("%s %s %s: row %zu, column %zu: %g against %g, bound %g", kn->name, suan__dtype_get(m->type)->name,
                         inputs_kind_name(kind), r, c, (double)q8_y[c][r], (double)exact_y[c][r], bound);
            }
        }
    }
    free(size), free(q8), free(w), free(x);
}

static void test_rounding_of_activations_stays_within_its_bound(void **state) {
    static const int kinds[] = {INPUTS_NORMAL, INPUTS_WIDE, INPUTS_ALTERNATING, INPUTS_SPARSE, INPUTS_TIES, INPUTS_OUTLIER, INPUTS_ZEROS};
    inputs in;
    inputs_init(&in, 4);
    for (const char *const *level = suan__kernels_levels(); *level; level++) {
        const suan__kernels *kn;
        assert_int_equal(suan__kernels_get(&kn, *level, NULL), SUAN_OK);
        for (size_t t = 0; t < N_TYPES; t++) {
            if (!suan__activation_block(types[t])) continue;
            matrix m;
            matrix_init(&m, types[t], &in, INPUTS_BLOCK_NORMAL);
            for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) check_bound(kn, &m, &in, kinds[i]);
            matrix_fini(&m);
        }
    }
}

/* A q8 row: scale, levels, sums and the zeros below 2^-100. */
static void test_rounding_q8_rows_are_as_documented(void **state) {
    static const size_t blocks[] = {32, 256};
    inputs in;
    inputs_init(&in, 5);
    const suan__kernels *kn;
    assert_int_equal(suan__kernels_get(&kn, "c", NULL), SUAN_OK);
    for (int b = 0; b < 2; b++) {
        size_t block = blocks[b], n = suan__q8_row_bytes(K, block), group = block == 32 ? 32 : 16;
        assert_int_equal(n % 64, 0);
        for (int kind = 0; kind < INPUTS_N_KINDS; kind++) {
            float *x = malloc(K * sizeof(float));
            char *q8 = malloc(n);
            inputs_f32(&in, kind, x, K);
            (block == 32 ? kn->quantize_q8_32 : kn->quantize_q8_256)(q8, x, K);
            const int8_t *q = (const int8_t *)q8;
            const float *d = (const float *)(q8 + suan__q8_d_offset(K));
            const int16_t *sum = (const int16_t *)(q8 + suan__q8_sum_offset(K, block));
            for (size_t i = 0; i < K / block; i++) {
                float amax = 0;
                for (size_t j = 0; j < block; j++) amax = fmaxf(amax, fabsf(x[i * block + j]));
                bool zero = amax < 0x1p-100f;
                assert_true(d[i] == (zero ? 0.0f : amax / 127.0f) && !signbit(d[i]));
                for (size_t j = 0; j < block; j++) {
                    float level = zero ? 0.0f : rintf(x[i * block + j] * (127.0f / amax));
                    assert_true(fabsf(level) <= 127.0f);
                    assert_int_equal(q[i * block + j], (int)level);
                }
            }
            for (size_t g = 0; g < K / group; g++) {
                int s = 0;
                for (size_t j = 0; j < group; j++) s += q[g * group + j];
                assert_int_equal(sum[g], s);
            }
            free(q8), free(x);
        }
    }
}

/* One product by hand: a Q8_0 block against a q8 block, and a Q4_1 block for the minimum. */
static void test_rounding_scales_multiply_as_documented(void **state) {
    const suan__kernels *kn;
    assert_int_equal(suan__kernels_get(&kn, "c", NULL), SUAN_OK);
    float x[32], y;
    for (int i = 0; i < 32; i++) x[i] = (float)(i - 9) * 0.37f;
    _Alignas(64) char q8[192];
    kn->quantize_q8_32(q8, x, 32);
    float d_a = *(const float *)(q8 + suan__q8_d_offset(32));
    int16_t asum = *(const int16_t *)(q8 + suan__q8_sum_offset(32, 32));
    inputs in;
    inputs_init(&in, 6);
    uint8_t row[64], panel[16 * 64];
    float w[32];
    inputs_row(&in, SUAN__Q4_1, INPUTS_BLOCK_NORMAL, row, 32);
    suan__panel_pack(SUAN__Q4_1, panel, row, 20, 32, 1);
    kn->matmul[SUAN__Q4_1](&y, 1, panel, 32, q8, 192, 1, 1);
    row[2] = row[3] = 0;
    suan__dequantize_row(SUAN__Q4_1, w, row, 32);
    float d_w = 0;
    int32_t isum = 0;
    for (int i = 0; i < 32; i++) isum += (i < 16 ? row[4 + i] & 15 : row[4 + i - 16] >> 4) * ((const int8_t *)q8)[i];
    for (int i = 0; i < 32; i++) {
        int level = i < 16 ? row[4 + i] & 15 : row[4 + i - 16] >> 4;
        if (level) d_w = w[i] / (float)level;
    }
    uint8_t minimum_row[20];
    float minimum[32];
    suan__panel_unpack_row(SUAN__Q4_1, minimum_row, panel, 32, 0);
    memset(minimum_row, 0, 2);
    suan__dequantize_row(SUAN__Q4_1, minimum, minimum_row, 32);
    float scale = d_w * d_a, min_scale = minimum[0] * d_a;
    float expected = fmaf(min_scale, (float)asum, fmaf((float)isum, scale, 0.0f));
    assert_memory_equal(&y, &expected, sizeof(float));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding_exact_path_is_a_chain_of_fma),
        cmocka_unit_test(test_rounding_of_activations_stays_within_its_bound),
        cmocka_unit_test(test_rounding_q8_rows_are_as_documented),
        cmocka_unit_test(test_rounding_scales_multiply_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
