/* Tensors expanded to F32: every block type against the fixtures, integers and F64 exactly or not at all, and files that appear whole. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "../base/scratch.h"
#include "formats/gguf_write.h"
#include "loaded.h"
#include "suan/inspect.h"

static const suan__tensor *find(const loaded *l, const char *name) {
    for (uint64_t i = 0; i < l->st.n_tensors; i++)
        if (strcmp(l->st.tensors[i].name, name) == 0) return &l->st.tensors[i];
    return NULL;
}

/* A GGUF file of one tensor. */
static void write_gguf(const char *path, suan__dtype type, int n_dims, const uint64_t *ne, const void *data, uint64_t n) {
    suan__gguf_writer w;
    suan__out out;
    assert_int_equal(suan__gguf_writer_init(&w, 32, NULL), SUAN_OK);
    assert_int_equal(suan__gguf_put_str(&w, "general.architecture", "none", 4, NULL), SUAN_OK);
    assert_int_equal(suan__gguf_put_tensor(&w, "t", type, n_dims, ne, NULL), SUAN_OK);
    assert_int_equal(suan__out_open(&out, path, NULL), SUAN_OK);
    assert_int_equal(suan__gguf_write_header(&w, &out, NULL), SUAN_OK);
    assert_int_equal(suan__gguf_write_data(&w, &out, data, n, NULL), SUAN_OK);
    assert_int_equal(suan__gguf_write_finish(&w, &out, NULL), SUAN_OK);
    suan__gguf_writer_fini(&w);
}

/* A directory with a config and one tensor "t". */
static void write_hf(scratch *s, const char *dtype, int n_dims, const uint64_t *shape, const void *data, uint64_t n) {
    char path[PATH_MAX];
    scratch_text(s, "hf/config.json", "{\"model_type\": \"none\"}");
    snprintf(path, sizeof path, "%s", scratch_path(s, "hf/model.safetensors"));
    suan__st_entry e = {.name = "t", .dtype = dtype, .n_dims = n_dims, .n_bytes = n};
    for (int i = 0; i < n_dims; i++) e.shape[i] = shape[i];
    suan__out out;
    assert_int_equal(suan__out_open(&out, path, NULL), SUAN_OK);
    assert_int_equal(suan__safetensors_write_header(&out, &e, 1, NULL, NULL), SUAN_OK);
    assert_int_equal(suan__out_write(&out, data, n, NULL), SUAN_OK);
    assert_int_equal(suan__safetensors_write_finish(&out, &e, 1, NULL, NULL), SUAN_OK);
}

/* The values of tensor "t" of hf/, or the error's message. */
static float *expand_hf(scratch *s, suan_error *err) {
    char dir[PATH_MAX], out[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", scratch_path(s, "hf"));
    snprintf(out, sizeof out, "%s", scratch_path(s, "out.safetensors"));
    remove(out);
    if (suan_inspect_tensor(dir, "t", out, err) != SUAN_OK) {
        assert_int_not_equal(access(out, F_OK), 0);
        return NULL;
    }
    loaded l;
    load(&l, out);
    const suan__tensor *t = find(&l, "t");
    assert_non_null(t);
    assert_int_equal(t->type, SUAN__F32);
    float *values = data_of(&l, t);
    unload(&l);
    return values;
}

static void test_inspect_tensor_every_block_type_equals_fixture(void **state) {
    (void)state;
    scratch s;
    scratch_make(&s);
    int n_types = 0;
    for (uint32_t type = 0; type < 64; type++) {
        const suan__dtype_info *info = suan__dtype_get(type);
        char fixture[PATH_MAX], gguf[PATH_MAX], out[PATH_MAX];
        if (!info) continue;
        snprintf(fixture, sizeof fixture, "%s/quants/ggml/%s.safetensors", getenv("SUAN_TEST_DATA"), info->name);
        if (access(fixture, R_OK) != 0) continue;
        loaded in, got;
        load(&in, fixture);
        const suan__tensor *blocks = find(&in, "blocks"), *expected = find(&in, "expected");
        assert_non_null(blocks);
        assert_non_null(expected);
        unsigned char *b = data_of(&in, blocks);
        float *e = data_of(&in, expected);
        uint64_t n_values = blocks->n_bytes / info->bytes * info->block;
        snprintf(gguf, sizeof gguf, "%s", scratch_path(&s, "t.gguf"));
        snprintf(out, sizeof out, "%s", scratch_path(&s, "out.safetensors"));
        write_gguf(gguf, (suan__dtype)type, 1, &n_values, b, blocks->n_bytes);
        suan_error err = {0};
        if (suan_inspect_tensor(gguf, "t", out, &err) != SUAN_OK) fail_msg("%s", err.message);
        load(&got, out);
        const suan__tensor *t = find(&got, "t");
        assert_int_equal(t->n_bytes, n_values * 4);
        float *v = data_of(&got, t);
        for (uint64_t i = 0; i < n_values; i++)
            if (memcmp(&v[i], &e[i], 4) != 0) fail_msg("%s value %d: %a, expected %a", info->name, (int)i, (double)v[i], (double)e[i]);
        suan__free(v);
        suan__free(e);
        suan__free(b);
        unload(&got);
        unload(&in);
        n_types++;
    }
    assert_in_range(n_types, 16, 64);
    scratch_remove(&s);
}

static void test_inspect_tensor_integers_are_exact_or_refused(void **state) {
    (void)state;
    scratch s;
    scratch_make(&s);
    suan_error err = {0};
    const uint64_t shape[2] = {3, 2};
    const int32_t i32[6] = {0, -1, 16777216, -16777216, 16777218, INT32_MIN};
    write_hf(&s, "I32", 2, shape, i32, sizeof i32);
    float *v = expand_hf(&s, &err);
    assert_non_null(v);
    for (int i = 0; i < 6; i++) assert_true((double)v[i] == (double)i32[i]);
    assert_false(signbit(v[0]));
    suan__free(v);
    const int32_t odd[6] = {0, 0, 0, -16777217, 0, 0};
    write_hf(&s, "I32", 2, shape, odd, sizeof odd);
    assert_null(expand_hf(&s, &err));
    assert_int_equal(err.status, SUAN_ERANGE);
    assert_non_null(strstr(err.message, "tensor t: value 3 is -16777217, which no F32 equals"));
    const int64_t i64[6] = {INT64_MIN, INT64_C(1) << 62, -3, 0, 1, 2};
    write_hf(&s, "I64", 2, shape, i64, sizeof i64);
    assert_non_null(v = expand_hf(&s, &err));
    assert_true(v[0] == -0x1p63f && v[1] == 0x1p62f && v[2] == -3);
    suan__free(v);
    const uint64_t u64[6] = {0, 1, 2, 3, 4, UINT64_MAX};
    write_hf(&s, "U64", 2, shape, u64, sizeof u64);
    assert_null(expand_hf(&s, &err));
    assert_non_null(strstr(err.message, "value 5 is 18446744073709551615"));
    const int8_t i8[6] = {-128, 127, 0, -1, 1, 5};
    write_hf(&s, "I8", 2, shape, i8, sizeof i8);
    assert_non_null(v = expand_hf(&s, &err));
    for (int i = 0; i < 6; i++) assert_true(v[i] == (float)i8[i]);
    suan__free(v);
    const unsigned char flags[6] = {0, 1, 1, 0, 2, 0};
    write_hf(&s, "BOOL", 2, shape, flags, sizeof flags);
    assert_null(expand_hf(&s, &err));
    assert_int_equal(err.status, SUAN_EFORMAT);
    write_hf(&s, "U8", 2, shape, flags, sizeof flags);
    assert_non_null(v = expand_hf(&s, &err));
    assert_true(v[4] == 2);
    suan__free(v);
    scratch_remove(&s);
}

static void test_inspect_tensor_f64_is_exact_or_refused(void **state) {
    (void)state;
    scratch s;
    scratch_make(&s);
    suan_error err = {0};
    const uint64_t shape[1] = {4};
    const double good[4] = {0.5, -0.0, 0x1p-149, INFINITY}, bad[4] = {0.5, 1, 0.1, 1e300};
    write_hf(&s, "F64", 1, shape, good, sizeof good);
    float *v = expand_hf(&s, &err);
    assert_non_null(v);
    assert_true(v[0] == 0.5f && signbit(v[1]) && v[2] == 0x1p-149f && isinf(v[3]));
    suan__free(v);
    write_hf(&s, "F64", 1, shape, bad, sizeof bad);
    assert_null(expand_hf(&s, &err));
    assert_non_null(strstr(err.message, "value 2 is 0.10000000000000001, which no F32 equals"));
    scratch_remove(&s);
}

static void test_inspect_tensor_refuses_what_it_cannot_expand(void **state) {
    (void)state;
    scratch s;
    scratch_make(&s);
    suan_error err = {0};
    const uint64_t shape[1] = {2};
    write_hf(&s, "F8_E4M3", 1, shape, "ab", 2);
    assert_null(expand_hf(&s, &err));
    assert_int_equal(err.status, SUAN_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "F8_E4M3"));
    char dir[PATH_MAX], out[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", scratch_path(&s, "hf"));
    snprintf(out, sizeof out, "%s", scratch_path(&s, "out.safetensors"));
    assert_int_equal(suan_inspect_tensor(dir, "u", out, &err), SUAN_ENOTFOUND);
    assert_non_null(strstr(err.message, "no tensor named u"));
    assert_int_equal(suan_inspect_tensor(out, "t", out, &err), SUAN_ENOTFOUND);
    assert_int_equal(suan_inspect_tensor(NULL, "t", out, &err), SUAN_EINVAL);
    scratch_remove(&s);
}

/* Shape and order of a tensor that is larger than a piece of the stream. */
static void test_inspect_tensor_keeps_shape_and_order(void **state) {
    (void)state;
    enum { N = 3 * 100003 };
    scratch s;
    scratch_make(&s);
    char dir[PATH_MAX], out[PATH_MAX];
    uint16_t *data = suan__malloc(N * sizeof *data);
    for (uint32_t i = 0; i < N; i++) data[i] = (uint16_t)(0x3f80 + i % 127); /* BF16 of 1 and a little more */
    const uint64_t shape[3] = {3, 1, 100003};
    write_hf(&s, "BF16", 3, shape, data, N * sizeof *data);
    snprintf(dir, sizeof dir, "%s", scratch_path(&s, "hf"));
    snprintf(out, sizeof out, "%s", scratch_path(&s, "out.safetensors"));
    assert_int_equal(suan_inspect_tensor(dir, "t", out, NULL), SUAN_OK);
    loaded l;
    load(&l, out);
    const suan__tensor *t = find(&l, "t");
    assert_int_equal(t->n_dims, 3);
    assert_int_equal(t->ne[0], 100003);
    assert_int_equal(t->ne[2], 3);
    uint32_t *bits = data_of(&l, t);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(bits[i], (uint32_t)data[i] << 16);
    unload(&l);
    suan__free(bits);
    suan__free(data);
    scratch_remove(&s);
}

static int count_files(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    if (strstr(path, "out.safetensors")) fail_msg("%s was left behind", path);
    return 0;
}

/* A limit of the file's size is as good as a full disk. */
static void test_inspect_tensor_disk_full_leaves_no_file(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    scratch s;
    scratch_make(&s);
    char dir[PATH_MAX], out[PATH_MAX];
    void *data = suan__calloc(N, 1);
    const uint64_t shape[1] = {N / 2};
    write_hf(&s, "F16", 1, shape, data, N);
    suan__free(data);
    snprintf(dir, sizeof dir, "%s", scratch_path(&s, "hf"));
    snprintf(out, sizeof out, "%s", scratch_path(&s, "out.safetensors"));
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = N;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    suan_error err = {0};
    suan_status status = suan_inspect_tensor(dir, "t", out, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, SUAN_EIO);
    assert_int_equal(nftw(s.dir, count_files, 16, FTW_PHYS), 0);
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect_tensor_every_block_type_equals_fixture),
        cmocka_unit_test(test_inspect_tensor_integers_are_exact_or_refused),
        cmocka_unit_test(test_inspect_tensor_f64_is_exact_or_refused),
        cmocka_unit_test(test_inspect_tensor_refuses_what_it_cannot_expand),
        cmocka_unit_test(test_inspect_tensor_keeps_shape_and_order),
        cmocka_unit_test(test_inspect_tensor_disk_full_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
