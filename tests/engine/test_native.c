/* Quantised matrices as publishers store them: their values bit for bit, and what is refused, by name. Each matrix becomes a directory with a
 * config.json, as it would be downloaded, and is read through the public interface. */
#include <math.h>

#include "../base/scratch.h"
#include "kernels/f16.h"
#include "loaded.h"
#include "suan/inspect.h"

#define FP8_CONFIG "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128]}}"
#define INT4_CONFIG(format, weights)                                                                                       \
    "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"" format "\", \"config_groups\": " \
    "{\"group_0\": {\"weights\": {" weights "}}}}}"
#define INT4_WEIGHTS \
    "\"num_bits\": 4, \"type\": \"int\", \"symmetric\": true, \"strategy\": \"group\", \"group_size\": 32, \"actorder\": null"

static const suan__tensor *find(const loaded *l, const char *name, const char *end) {
    char text[256];
    snprintf(text, sizeof text, "%s%s", name, end);
    for (uint64_t i = 0; i < l->st.n_tensors; i++)
        if (strcmp(l->st.tensors[i].name, text) == 0) return &l->st.tensors[i];
    return NULL;
}
/* One tensor of a directory. */
typedef struct part {
    const char *name, *dtype;
    uint64_t rows, cols; /* cols 0: one dimension */
    const void *data;
} part;

static uint64_t bytes_of(const part *p) {
    suan__dtype type;
    assert_true(suan__safetensors_dtype_from_name(p->dtype, &type));
    return p->rows * (p->cols ? p->cols : 1) * suan__dtype_get(type)->bytes;
}

static void write_dir(scratch *s, const char *config, const part *parts, size_t n) {
    suan__st_entry entries[4];
    char path[PATH_MAX];
    suan__out out;
    scratch_text(s, "hf/config.json", config);
    snprintf(path, sizeof path, "%s", scratch_path(s, "hf/model.safetensors"));
    assert_true(n <= 4);
    for (size_t i = 0; i < n; i++)
        entries[i] = (suan__st_entry){.name = parts[i].name,
                                      .dtype = parts[i].dtype,
                                      .n_dims = parts[i].cols ? 2 : 1,
                                      .shape = {parts[i].rows, parts[i].cols},
                                      .n_bytes = bytes_of(&parts[i])};
    assert_int_equal(suan__out_open(&out, path, NULL), SUAN_OK);
    assert_int_equal(suan__safetensors_write_header(&out, entries, n, NULL, NULL), SUAN_OK);
    for (size_t i = 0; i < n; i++) assert_int_equal(suan__out_write(&out, parts[i].data, entries[i].n_bytes, NULL), SUAN_OK);
    assert_int_equal(suan__safetensors_write_finish(&out, entries, n, NULL, NULL), SUAN_OK);
}

/* The values of a tensor of the directory (the caller's to free), or NULL and the message. */
static float *expand(scratch *s, const char *name, uint64_t n_values, suan_error *err) {
    char dir[PATH_MAX], out[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", scratch_path(s, "hf"));
    snprintf(out, sizeof out, "%s", scratch_path(s, "out.safetensors"));
    remove(out);
    if (suan_inspect_tensor(dir, name, out, err) != SUAN_OK) return NULL;
    loaded l;
    load(&l, out);
    assert_int_equal(l.st.n_tensors, 1);
    assert_int_equal(l.st.tensors[0].n_bytes, n_values * sizeof(float));
    float *values = data_of(&l, &l.st.tensors[0]);
    unload(&l);
    return values;
}

/* ---- the fixtures ---- */

typedef struct format {
    const char *file, *config, *codes, *scale, *codes_dtype, *scale_dtype;
    uint64_t values_a_code;
} format;
static const format formats[] = {
    {"fp8-f32", FP8_CONFIG, "a.b.weight", "a.b.weight_scale_inv", "F8_E4M3", "F32", 1},
    {"fp8-e8m0", FP8_CONFIG, "a.b.weight", "a.b.scale", "F8_E4M3", "F8_E8M0", 1},
    {"fp4-e8m0", FP8_CONFIG, "a.b.weight", "a.b.scale", "I8", "F8_E8M0", 2},
    {"int4-bf16", INT4_CONFIG("pack-quantized", INT4_WEIGHTS), "a.b.weight_packed", "a.b.weight_scale", "I32", "BF16", 8},
};

static bool find_fixture(char path[PATH_MAX], const char *file) {
    static const char *const variables[] = {"SUAN_FIXTURES", "SUAN_TEST_DATA"};
    for (size_t i = 0; i < 2; i++) {
        const char *dir = getenv(variables[i]);
        snprintf(path, PATH_MAX, "%s/quants/checkpoint/%s.safetensors", dir ? dir : "tests/data", file);
        if (access(path, R_OK) == 0) return true;
    }
    return false;
}

static void check_matrix(scratch *s, const loaded *l, const format *f, const char *name) {
    const suan__tensor *c = find(l, name, ".packed"), *sc = find(l, name, ".scale"), *e = find(l, name, ".expected"),
                       *sh = find(l, name, ".shape");
    void *codes = data_of(l, c), *scale = data_of(l, sc), *shape = sh ? data_of(l, sh) : NULL;
    float *expected = data_of(l, e), *found;
    uint64_t n = e->ne[0] * e->ne[1], n_nan = 0;
    suan_error err = {0};
    const part parts[] = {{f->codes, f->codes_dtype, c->ne[1], c->ne[0], codes},
                          {f->scale, f->scale_dtype, sc->ne[1], sc->ne[0], scale},
                          {"a.b.weight_shape", "I64", 2, 0, shape}};
    assert_int_equal(c->ne[0] * f->values_a_code, e->ne[0]);
    write_dir(s, f->config, parts, sh ? 3 : 2);
    for (uint64_t i = 0; i < n; i++) n_nan += isnan(expected[i]);
    found = expand(s, "a.b.weight", n, &err);
    if (n_nan) {
        assert_null(found);
        if (!strstr(err.message, "a.b.weight") || !strstr(err.message, "NaN")) fail_msg("%s", err.message);
    } else {
        if (!found) fail_msg("%s %s: %s", f->file, name, err.message);
        for (uint64_t i = 0; i < n; i++)
            if (memcmp(&expected[i], &found[i], 4) != 0)
                fail_msg("%s %s: value %llu is %a, expected %a", f->file, name, (unsigned long long)i, (double)found[i],
                         (double)expected[i]);
    }
    suan__free(found);
    suan__free(expected);
    suan__free(shape);
    suan__free(scale);
    suan__free(codes);
}

static void test_native_matrices_bit_for_bit(void **state) {
    const format *f = *state;
    char path[PATH_MAX];
    size_t n = 0;
    loaded l;
    scratch s;
    if (!find_fixture(path, f->file)) {
        print_message("%s: no such fixture, skipped\n", f->file);
        skip();
    }
    scratch_make(&s);
    load(&l, path);
    for (uint64_t i = 0; i < l.st.n_tensors; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s", l.st.tensors[i].name);
        char *end = strstr(name, ".packed");
        if (!end) continue;
        *end = 0;
        check_matrix(&s, &l, f, name);
        n++;
    }
    assert_true(n >= 7);
    unload(&l);
    scratch_remove(&s);
}

static void test_native_all_codes_of_e4m3(void **state) {
    char path[PATH_MAX];
    loaded l;
    assert_true(find_fixture(path, "codes"));
    load(&l, path);
    uint8_t *codes = data_of(&l, find(&l, "e4m3", ".codes"));
    float *values = data_of(&l, find(&l, "e4m3", ".values"));
    for (int i = 0; i < 256; i++) {
        float found = suan__e4m3_to_f32(codes[i]);
        if (memcmp(&found, &values[i], 4) != 0 && !(isnan(found) && isnan(values[i])))
            fail_msg("code %d is %a, expected %a", codes[i], (double)found, (double)values[i]);
    }
    suan__free(values);
    suan__free(codes);
    unload(&l);
}

/* ---- rows that no block divides, and scales of other types ---- */

static void test_native_rows_of_any_length(void **state) {
    enum { ROWS = 130, COLS = 141 };
    static uint8_t codes[ROWS * COLS];
    static const float scales[4] = {0.3f, -0.001f, 7.0f, 0x1p-130f};
    static const uint16_t halves[4] = {0x3555, 0x9400, 0x4700, 0x0001}; /* binary16 */
    scratch s;
    suan_error err;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof codes; i++) codes[i] = (uint8_t)(i * 37 % 127 | (i % 3 ? 0 : 0x80));
    for (int type = 0; type < 3; type++) {
        uint16_t bf16[4];
        for (int i = 0; i < 4; i++) bf16[i] = (uint16_t)(suan__f32_bits(scales[i]) >> 16);
        const part parts[] = {{"w.weight", "F8_E4M3", ROWS, COLS, codes},
                              {"w.weight_scale_inv",
                               type == 0   ? "F32"
                               : type == 1 ? "BF16"
                                           : "F16",
                               2, 2,
                               type == 0   ? (const void *)scales
                               : type == 1 ? bf16
                                           : halves}};
        write_dir(&s, "{}", parts, 2);
        float *found = expand(&s, "w.weight", ROWS * COLS, &err);
        if (!found) fail_msg("%s", err.message);
        for (int i = 0; i < ROWS * COLS; i++) {
            int b = i / COLS / 128 * 2 + i % COLS / 128;
            float scale = type == 0 ? scales[b] : type == 1 ? suan__bf16_to_f32(bf16[b]) : suan__f16_to_f32(halves[b]);
            float expected = suan__e4m3_to_f32(codes[i]) * scale;
            assert_memory_equal(&found[i], &expected, 4);
        }
        suan__free(found);
    }
    scratch_remove(&s);
}

/* ---- what is refused ---- */

static void refuse(scratch *s, const char *config, const part *parts, size_t n, const char *name, const char *says) {
    suan_error err = {0};
    write_dir(s, config, parts, n);
    float *found = expand(s, name, 1, &err);
    assert_null(found);
    if (!strstr(err.message, says)) fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void test_native_refuses_bad_fp8(void **state) {
    uint8_t codes[2 * 128];
    float scale = 1, nan_scale = NAN, infinite = INFINITY, large = 0x1p120f, overflows = 0x1.8p119f, two[2] = {1, 1};
    const part w = {"w.weight", "F8_E4M3", 2, 128, codes};
    scratch s;
    memset(codes, 0x7e, sizeof codes); /* 448 */
    scratch_make(&s);
    refuse(&s, "{}", &w, 1, "w.weight", "w.weight_scale_inv) are missing");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 2, two}}, 2, "w.weight", "has the shape [1, 2], expected [1, 1]");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 0, &scale}}, 2, "w.weight", "w.weight_scale_inv has the shape");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "I32", 1, 1, &scale}}, 2, "w.weight", "w.weight_scale_inv is of type I32");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 1, &nan_scale}}, 2, "w.weight",
           "w.weight: row 0, column 0: its scale is a NaN");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 1, &infinite}}, 2, "w.weight", "2^120 or more");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 1, &large}}, 2, "w.weight", "2^120 or more");
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 1, &overflows}}, 2, "w.weight", "larger than a 32-bit float");
    refuse(&s, "{\"quantization_config\": {\"weight_block_size\": [64, 64]}}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 1, &scale}}, 2,
           "w.weight", "quantization_config.weight_block_size is [64,64], expected [128,128]");
    codes[131] = 0xff;
    refuse(&s, "{}", (part[]){w, {"w.weight_scale_inv", "F32", 1, 1, &scale}}, 2, "w.weight",
           "w.weight: row 1, column 3: its code is a NaN");
    scratch_remove(&s);
}

static void test_native_refuses_bad_nibbles(void **state) {
    uint8_t codes[16], exponents[2] = {254, 255};
    uint16_t scale = 0x3f80, infinite = 0x7f80;
    int64_t shape[2] = {1, 32}, other[2] = {2, 32};
    const part fp4 = {"w.weight", "I8", 1, 16, codes}, packed = {"w.weight_packed", "I32", 1, 4, codes},
               scales = {"w.weight_scale", "BF16", 1, 1, &scale}, shapes = {"w.weight_shape", "I64", 2, 0, shape};
    const char *config = INT4_CONFIG("pack-quantized", INT4_WEIGHTS);
    scratch s;
    memset(codes, 0x77, sizeof codes); /* 6 in FP4, -1 in int4 */
    scratch_make(&s);
    refuse(&s, "{}", (part[]){fp4, {"w.scale", "F8_E8M0", 1, 1, exponents}}, 2, "w.weight", "w.weight: row 0, column 0: code times scale");
    refuse(&s, "{}", (part[]){fp4, {"w.scale", "F8_E8M0", 1, 1, exponents + 1}}, 2, "w.weight", "its scale is a NaN");
    refuse(&s, "{}", (part[]){fp4, {"w.scale", "F8_E8M0", 1, 2, exponents}}, 2, "w.weight",
           "w.scale has the shape [1, 2], expected [1, 1]");
    refuse(&s, config, (part[]){packed, shapes}, 2, "w.weight", "w.weight_packed has no weight_scale");
    refuse(&s, config, (part[]){packed, scales}, 2, "w.weight", "w.weight_packed has no weight_shape");
    refuse(&s, config, (part[]){packed, scales, {"w.weight_shape", "I64", 2, 0, other}}, 3, "w.weight", "w.weight_shape says [2, 32]");
    refuse(&s, config, (part[]){packed, {"w.weight_scale", "BF16", 1, 1, &infinite}, shapes}, 3, "w.weight", "its scale is not finite");
    refuse(&s, config, (part[]){packed, {"w.weight_scale", "F16", 1, 1, &scale}, shapes}, 3, "w.weight", "w.weight_scale is of type F16");
    refuse(&s, config, (part[]){packed, scales, shapes, {"w.weight_zero_point", "I32", 1, 1, codes}}, 4, "w.weight", "zero points");
    scratch_remove(&s);
}

static void test_native_refuses_other_schemes(void **state) {
    uint8_t codes[16] = {0};
    uint16_t scale = 0x3f80;
    int32_t shape[2] = {1, 32};
    const part parts[] = {
        {"w.weight_packed", "I32", 1, 4, codes}, {"w.weight_scale", "BF16", 1, 1, &scale}, {"w.weight_shape", "I32", 2, 0, shape}};
    scratch s;
    suan_error err;
    scratch_make(&s);
    refuse(&s, "{}", parts, 3, "w.weight", "quantization_config is missing");
    refuse(&s, INT4_CONFIG("float-quantized", INT4_WEIGHTS), parts, 3, "w.weight", "quantization_config.format is \"float-quantized\"");
    static const char *const others[][2] = {
        {INT4_CONFIG("pack-quantized", "\"num_bits\": 8"), "config_groups.group_0.weights.num_bits is 8, expected 4"},
        {INT4_CONFIG("pack-quantized", "\"num_bits\": 4, \"type\": \"float\""), "weights.type is \"float\", expected \"int\""},
        {INT4_CONFIG("pack-quantized", "\"num_bits\": 4, \"type\": \"int\", \"symmetric\": false"), "weights.symmetric is false"},
        {INT4_CONFIG("pack-quantized", "\"num_bits\": 4, \"type\": \"int\", \"symmetric\": true, \"strategy\": \"channel\""),
         "weights.strategy is"},
        {INT4_CONFIG("pack-quantized",
                     "\"num_bits\": 4, \"type\": \"int\", \"symmetric\": true, \"strategy\": \"group\", \"group_size\": 128"),
         "weights.group_size is 128, expected 32"},
        {INT4_CONFIG("pack-quantized", INT4_WEIGHTS ", \"dynamic\": true"), "weights.dynamic is true"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) refuse(&s, others[i][0], parts, 3, "w.weight", others[i][1]);
    write_dir(&s, INT4_CONFIG("pack-quantized", INT4_WEIGHTS), parts, 3); /* shapes of 32 bits are fine */
    float *found = expand(&s, "w.weight", 32, &err);
    if (!found) fail_msg("%s", err.message);
    for (int i = 0; i < 32; i++) assert_true(found[i] == -8.0f);
    suan__free(found);
    scratch_remove(&s);
}

int main(void) {
    struct CMUnitTest tests[16];
    size_t n = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        tests[n++] = (struct CMUnitTest){
            .name = formats[i].file, .test_func = test_native_matrices_bit_for_bit, .initial_state = (void *)(uintptr_t)&formats[i]};
    const struct CMUnitTest others[] = {cmocka_unit_test(test_native_all_codes_of_e4m3), cmocka_unit_test(test_native_rows_of_any_length),
                                        cmocka_unit_test(test_native_refuses_bad_fp8), cmocka_unit_test(test_native_refuses_bad_nibbles),
                                        cmocka_unit_test(test_native_refuses_other_schemes)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) tests[n++] = others[i];
    return _cmocka_run_group_tests("native", tests, n, NULL, NULL);
}
