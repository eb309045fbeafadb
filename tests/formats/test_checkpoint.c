/* test_checkpoint.c: models as they lie on the disk: directories with and without an index, split GGUF files, and what is no model. */
#include "../base/scratch.h"
#include "forge.h"
#include "formats/checkpoint.h"

/* A safetensors file with U8 tensors of four bytes; names are separated by spaces. The data are 10, 11, ... */
static void write_shard(scratch *s, const char *file, const char *names) {
    suan__buf json = {0}, b = {0};
    int n = 0;
    char list[128], *rest = NULL;
    snprintf(list, sizeof list, "%s", names);
    forge_bytes(&json, "{", 1);
    for (const char *name = strtok_r(list, " ", &rest); name; name = strtok_r(NULL, " ", &rest), n++)
        suan__buf_printf(&json, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[%d,%d]}", n ? "," : "", name, 4 * n, 4 * n + 4);
    forge_bytes(&json, "}", 1);
    forge_int(&b, json.n, 8);
    forge_bytes(&b, json.data, json.n);
    for (int i = 0; i < 4 * n; i++) forge_int(&b, 10 + (uint64_t)i, 1);
    scratch_write(s, file, b.data, b.n);
    suan__buf_fini(&json);
    suan__buf_fini(&b);
}

static suan_status try_open(const char *path, suan_error *err) {
    suan__checkpoint *ck;
    memset(err, 0, sizeof *err);
    suan_status status = suan__checkpoint_open(&ck, path, err);
    assert_int_equal(status == SUAN_OK, ck != NULL);
    suan__checkpoint_close(&ck);
    return status;
}

#define REFUSED(path, status, word)                                                                                           \
    do {                                                                                                                      \
        suan_error refused_error_;                                                                                            \
        suan_status refused_status_ = try_open((path), &refused_error_);                                                      \
        if (refused_status_ != (status) || !strstr(refused_error_.message, (word)))                                           \
            fail_msg("status %d, \"%s\", expected %d and \"%s\"", refused_status_, refused_error_.message, (status), (word)); \
    } while (0)

static void test_a_directory_with_an_index(void **state) {
    scratch s;
    suan__checkpoint *ck;
    suan_error err;
    unsigned char got[4];
    char with_slash[PATH_MAX];
    scratch_make(&s);
    scratch_text(&s, "config.json", "{\"hidden_size\":64,\"rope_scaling\":{\"factor\":8}}");
    scratch_text(&s, "generation_config.json", "{\"eos_token_id\":[1,2]}");
    write_shard(&s, "b.safetensors", "c");
    write_shard(&s, "a.safetensors", "x a");
    write_shard(&s, "unnamed.safetensors", "z");
    scratch_text(
        &s, "model.safetensors.index.json",
        "{\"metadata\":{\"total_size\":12},\"weight_map\":{\"c\":\"b.safetensors\",\"a\":\"a.safetensors\",\"x\":\"a.safetensors\"}}");
    snprintf(with_slash, sizeof with_slash, "%s//", s.dir);
    if (suan__checkpoint_open(&ck, with_slash, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(ck->kind, SUAN__CHECKPOINT_HF);
    assert_string_equal(ck->path, with_slash);
    assert_string_equal(ck->dir, s.dir);
    assert_int_equal(ck->n_files, 2);
    assert_int_equal(ck->n_tensors, 3);
    assert_string_equal(ck->tensors[2].name, "c");
    assert_non_null(ck->generation_config);
    assert_null(ck->tokenizer_config);
    assert_null(ck->gguf);
    const suan__tensor *t = suan__checkpoint_find(ck, "a");
    assert_int_equal(t->i_file, 0);
    assert_int_equal(suan__checkpoint_read(ck, t, 1, got, 3, &err), SUAN_OK);
    assert_memory_equal(got, "\x0f\x10\x11", 3);
    assert_null(suan__checkpoint_find(ck, "z"));
    uint32_t u;
    double d;
    assert_int_equal(suan__config_u32(ck, "hidden_size", true, &u, &err), SUAN_OK);
    assert_int_equal(u, 64);
    assert_int_equal(suan__config_f64(ck, "rope_scaling.factor", true, &d, &err), SUAN_OK);
    assert_true(d == 8);
    assert_int_equal(suan__config_f64(ck, "hidden_size.factor", false, &d, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "hidden_size is an integer, expected an object"));
    suan__checkpoint_close(&ck);
    scratch_remove(&s);
}

static void test_an_index_that_lies(void **state) {
    static const struct {
        const char *map;
        suan_status status;
        const char *word;
    } rows[] = {
        {"{\"a\":\"a.safetensors\",\"b\":\"b.safetensors\"}", SUAN_OK, ""},
        {"{\"a\":\"a.safetensors\"}", SUAN_OK, ""},
        {"{\"a\":\"b.safetensors\",\"b\":\"a.safetensors\"}", SUAN_EFORMAT,
         "tensor a is said to be in b.safetensors, but is in a.safetensors"},
        {"{\"a\":\"a.safetensors\",\"q\":\"b.safetensors\"}", SUAN_EFORMAT, "tensor q is said to be in b.safetensors, but is in none"},
        {"{\"a\":\"a.safetensors\",\"b\":\"none.safetensors\"}", SUAN_ENOTFOUND, "none.safetensors"},
        {"{\"a\":\"a.safetensors\",\"b\":\"../b.safetensors\"}", SUAN_EFORMAT, "../b.safetensors"},
        {"{\"a\":\"/etc/passwd\"}", SUAN_EFORMAT, "/etc/passwd"},
        {"{\"a\":\"..\"}", SUAN_EFORMAT, "file name"},
        {"{\"a\":\"\"}", SUAN_EFORMAT, "file name"},
        {"{\"a\":\"sub\\\\a.safetensors\"}", SUAN_EFORMAT, "file name"},
        {"{\"a\":7}", SUAN_EFORMAT, "tensor a is in an integer"},
        {"{\"a\":\"a.safetensors\",\"b\":\"twice.safetensors\"}", SUAN_EFORMAT, "is in "},
        {"{}", SUAN_EFORMAT, "weight_map is empty"},
        {"[]", SUAN_EFORMAT, "weight_map is an array"},
        {"null", SUAN_EFORMAT, "weight_map is null"},
    };
    scratch s;
    char index[512];
    scratch_make(&s);
    scratch_text(&s, "config.json", "{}");
    write_shard(&s, "a.safetensors", "a");
    write_shard(&s, "b.safetensors", "b");
    write_shard(&s, "twice.safetensors", "b a");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        suan_error err;
        snprintf(index, sizeof index, "{\"weight_map\":%s}", rows[i].map);
        scratch_text(&s, "model.safetensors.index.json", index);
        suan_status status = try_open(s.dir, &err);
        if (status != rows[i].status || !strstr(err.message, rows[i].word))
            fail_msg("%s: status %d, \"%s\"", rows[i].map, status, err.message);
    }
    scratch_text(&s, "model.safetensors.index.json", "{\"weights\":{}}");
    REFUSED(s.dir, SUAN_EFORMAT, "weight_map is nothing");
    /* One file beside an index of others: which is the model? */
    scratch_text(&s, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"a.safetensors\"}}");
    write_shard(&s, "model.safetensors", "a");
    REFUSED(s.dir, SUAN_EFORMAT, "which are meant");
    scratch_remove(&s);
}

static void test_a_directory_without_an_index(void **state) {
    scratch s;
    suan__checkpoint *ck;
    suan_error err;
    scratch_make(&s);
    REFUSED(s.dir, SUAN_ENOTFOUND, "config.json: is missing");
    scratch_text(&s, "config.json", "{}");
    REFUSED(s.dir, SUAN_ENOTFOUND, "holds no weights");
    scratch_text(&s, "pytorch_model.bin", "\x80\x02");
    REFUSED(s.dir, SUAN_EUNSUPPORTED, "pytorch_model.bin");
    write_shard(&s, "consolidated.safetensors", "k");
    assert_int_equal(try_open(s.dir, &err), SUAN_OK);
    write_shard(&s, "model-00002-of-00003.safetensors", "b");
    write_shard(&s, "model-00001-of-00003.safetensors", "a");
    REFUSED(s.dir, SUAN_ENOTFOUND, "is one of 3");
    write_shard(&s, "model-00003-of-00003.safetensors", "c");
    write_shard(&s, "adapter_model.safetensors", "d");
    if (suan__checkpoint_open(&ck, s.dir, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(ck->n_files, 3);
    assert_int_equal(suan__checkpoint_find(ck, "b")->i_file, 1);
    assert_null(suan__checkpoint_find(ck, "k"));
    assert_null(suan__checkpoint_find(ck, "d"));
    suan__checkpoint_close(&ck);
    write_shard(&s, "model-00002-of-00003.safetensors", "b c");
    REFUSED(s.dir, SUAN_EFORMAT, "tensor c is in ");
    /* model.safetensors comes before all of them. */
    write_shard(&s, "model.safetensors", "single");
    if (suan__checkpoint_open(&ck, s.dir, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(ck->n_tensors, 1);
    suan__checkpoint_close(&ck);
    scratch_text(&s, "generation_config.json", "[1]");
    REFUSED(s.dir, SUAN_EFORMAT, "generation_config.json: is an array");
    scratch_remove(&s);
}

static void test_what_is_no_model(void **state) {
    scratch s;
    scratch_make(&s);
    REFUSED("", SUAN_EINVAL, "path");
    REFUSED(scratch_path(&s, "none"), SUAN_ENOTFOUND, "none");
    REFUSED(scratch_text(&s, "empty", ""), SUAN_EFORMAT, "not a model");
    REFUSED(scratch_text(&s, "text.gguf", "hello"), SUAN_EFORMAT, "not a model");
    REFUSED(scratch_text(&s, "GG", "GGU"), SUAN_EFORMAT, "not a model");
    REFUSED(scratch_text(&s, "short", "GGUF"), SUAN_EFORMAT, "the file ends");
    REFUSED(scratch_write(&s, "w.gguf", "\x80\x02\x8a\x0a", 4), SUAN_EUNSUPPORTED, "pickle"); /* whatever it is called */
    REFUSED(scratch_write(&s, "w.pt", "\x80\x04\x95\x00", 4), SUAN_EUNSUPPORTED, "pickle");
    REFUSED(scratch_write(&s, "w.bin", "PK\3\4xxxx", 8), SUAN_EUNSUPPORTED, "zip");
    REFUSED(scratch_write(&s, "w.ggml", "lmggxxxx", 8), SUAN_EUNSUPPORTED, "before GGUF");
    REFUSED(scratch_text(&s, "config.json", "{\"a\":1}"), SUAN_EINVAL, "JSON");
    write_shard(&s, "model.safetensors", "a");
    REFUSED(s.path, SUAN_EINVAL, "give the directory");
    assert_int_equal(mkfifo(scratch_path(&s, "pipe"), 0600), 0);
    REFUSED(s.path, SUAN_EINVAL, "pipe");
    scratch_remove(&s);
}

/* Part i of n with one tensor named `name`; `said_no` and `said_n` are what the metadata say. */
static const char *write_part(scratch *s, const char *file, uint64_t said_no, uint64_t said_n, uint64_t total, const char *name) {
    static const uint64_t ne[] = {8};
    suan__buf b = {0};
    forge_header(&b, 3, 1, total ? 3 : 2);
    forge_value(&b, "split.no", SUAN__GGUF_U16, said_no, 2);
    forge_value(&b, "split.count", SUAN__GGUF_U16, said_n, 2);
    if (total) forge_value(&b, "split.tensors.count", SUAN__GGUF_I32, total, 4);
    forge_tensor(&b, name, 1, ne, SUAN__F32, 0);
    forge_pad(&b, 32);
    for (int i = 0; i < 32; i++) forge_int(&b, said_no, 1);
    const char *path = scratch_write(s, file, b.data, b.n);
    suan__buf_fini(&b);
    return path;
}

static void test_split_files(void **state) {
    scratch s;
    suan__checkpoint *ck;
    suan_error err;
    unsigned char got[32];
    char first[PATH_MAX];
    scratch_make(&s);
    write_part(&s, "m-00002-of-00003.gguf", 1, 3, 0, "b");
    REFUSED(s.path, SUAN_EINVAL, "m-00001-of-00003.gguf");
    write_part(&s, "m-00003-of-00003.gguf", 2, 3, 0, "c");
    snprintf(first, sizeof first, "%s", write_part(&s, "m-00001-of-00003.gguf", 0, 3, 3, "a"));
    if (suan__checkpoint_open(&ck, first, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(ck->n_files, 3);
    assert_int_equal(ck->n_tensors, 3);
    assert_int_equal(ck->gguf->n_values, 3);
    assert_int_equal(suan__checkpoint_read(ck, suan__checkpoint_find(ck, "c"), 0, got, 32, &err), SUAN_OK);
    assert_int_equal(got[31], 2);
    suan__checkpoint_close(&ck);
    /* Wrong parts. */
    write_part(&s, "m-00001-of-00003.gguf", 0, 3, 4, "a");
    REFUSED(first, SUAN_EFORMAT, "split.tensors.count is 4");
    write_part(&s, "m-00001-of-00003.gguf", 0, 3, 0, "a");
    REFUSED(first, SUAN_EFORMAT, "split.tensors.count is missing");
    write_part(&s, "m-00001-of-00003.gguf", 0, 3, 3, "a");
    write_part(&s, "m-00003-of-00003.gguf", 1, 3, 0, "c");
    REFUSED(first, SUAN_EFORMAT, "part 2 of 3 by its metadata, expected 3 of 3");
    write_part(&s, "m-00003-of-00003.gguf", 2, 3, 0, "a");
    REFUSED(first, SUAN_EFORMAT, "tensor a is in ");
    assert_int_equal(remove(scratch_path(&s, "m-00003-of-00003.gguf")), 0);
    REFUSED(first, SUAN_ENOTFOUND, "m-00003-of-00003.gguf");
    REFUSED(write_part(&s, "renamed.gguf", 0, 3, 3, "a"), SUAN_EFORMAT, "names must end in -00001-of-00003.gguf");
    REFUSED(write_part(&s, "x-00001-of-00002.gguf", 0, 3, 3, "a"), SUAN_EFORMAT, "1 of 2 by its name");
    REFUSED(write_part(&s, "y-00001-of-65535.gguf", 0, 65535, 3, "a"), SUAN_ELIMIT, "65535 files");
    REFUSED(write_part(&s, "one.gguf", 1, 1, 1, "a"), SUAN_EFORMAT, "split.no is 1");
    assert_int_equal(try_open(write_part(&s, "alone.gguf", 0, 1, 1, "a"), &err), SUAN_OK);
    scratch_remove(&s);
}

static void test_each_allocation_may_fail(void **state) {
    scratch s;
    suan_error err;
    suan__checkpoint *ck;
    suan_status status;
    uint64_t n = 0;
    scratch_make(&s);
    scratch_text(&s, "config.json", "{\"a\":1000000000000000019884624838656}");
    write_shard(&s, "a.safetensors", "a b");
    write_shard(&s, "c.safetensors", "c d");
    scratch_text(&s, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"a.safetensors\",\"d\":\"c.safetensors\"}}");
    do {
        suan__alloc_fail_at(++n);
        status = suan__checkpoint_open(&ck, s.dir, &err);
        suan__alloc_fail_at(0);
        assert_true(status == SUAN_OK || (status == SUAN_ENOMEM && !ck));
    } while (status != SUAN_OK && n < 1000);
    assert_int_equal(status, SUAN_OK);
    assert_true(n > 10);
    suan__checkpoint_close(&ck);
    suan__checkpoint_close(&ck); /* twice is fine */
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_directory_with_an_index),
        cmocka_unit_test(test_an_index_that_lies),
        cmocka_unit_test(test_a_directory_without_an_index),
        cmocka_unit_test(test_what_is_no_model),
        cmocka_unit_test(test_split_files),
        cmocka_unit_test(test_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
