/* Descriptions of models: the one that ships here, files with metadata of every type, files that cannot run, vocabularies without tensors. */
#include <jansson.h>

#include "../base/scratch.h"
#include "../formats/forge.h"
#include "suan/inspect.h"
#include "suan/model.h"

static json_t *inspect(const char *path, uint32_t n_ctx) {
    char *text;
    suan_error err = {0};
    if (suan_inspect(path, n_ctx, &text, &err) != SUAN_OK) fail_msg("%s", err.message);
    json_error_t where;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!json) fail_msg("line %d: %s", where.line, where.text);
    suan_free(text);
    return json;
}

/* The node at "a.b"; names with dots are looked up by the caller. */
static json_t *at(const json_t *json, const char *path) {
    char name[128];
    while (json && *path) {
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof name);
        memcpy(name, path, n);
        name[n] = 0;
        json = json_object_get(json, name);
        path += n + (path[n] == '.');
    }
    return (json_t *)(uintptr_t)json;
}

static void test_inspect_seed_model(void **state) {
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s/../../models/seed/", getenv("SUAN_TEST_DATA"));
    json_t *j = inspect(path, 0);
    assert_string_equal(json_string_value(at(j, "name")), "seed");
    assert_string_equal(json_string_value(at(j, "format")), "safetensors");
    assert_string_equal(json_string_value(at(j, "architecture")), "deepseek_v3");
    if (!json_is_true(at(j, "supported"))) fail_msg("%s", json_string_value(at(j, "reason")));
    assert_int_equal(json_integer_value(at(j, "hyperparameters.n_layer")), 6);
    assert_int_equal(json_integer_value(at(j, "hyperparameters.n_embd")), 192);
    assert_int_equal(json_integer_value(at(j, "hyperparameters.n_vocab")), 4096);
    assert_int_equal(json_integer_value(at(j, "hyperparameters.n_expert")), 16);
    assert_int_equal(json_integer_value(at(j, "hyperparameters.n_layer_moe")), 5);
    assert_int_equal(json_integer_value(at(j, "hyperparameters.kv_lora")), 64);
    assert_int_equal(json_integer_value(at(j, "config.hidden_size")), 192);
    assert_int_equal(json_integer_value(at(j, "tokenizer.n_vocab")), 4096);
    assert_int_equal(json_integer_value(at(j, "tokenizer.bos.id")), 0);
    assert_int_equal(json_integer_value(at(j, "tokenizer.eos.id")), 1);
    assert_true(json_is_string(at(j, "chat_template")));
    /* 6 layers of a latent row of 64 + 16 values; f32 takes twice the bytes of f16. */
    assert_int_equal(json_integer_value(at(j, "memory.n_ctx")), 512);
    assert_int_equal(json_integer_value(at(j, "memory.kv.f16")), 6 * 80 * 2 * 512);
    assert_int_equal(json_integer_value(at(j, "memory.kv.f32")), 6 * 80 * 4 * 512);
    assert_int_equal(json_integer_value(at(j, "memory.kv.q8_0")), 6 * (96 + 3 * 2) * 512); /* three blocks of 32 with a scale */
    assert_int_equal(json_integer_value(at(j, "memory.kv_per_1k_tokens.f16")), 6 * 80 * 2 * 1024);
    assert_int_equal(json_integer_value(at(j, "memory.total.f32")), json_integer_value(at(j, "memory.weights")) +
                                                                        json_integer_value(at(j, "memory.kv.f32")) +
                                                                        json_integer_value(at(j, "memory.scratch")));
    /* Tensors: all of the file, the sums by type equal to the sums over all. */
    json_int_t n = 0, bytes = 0;
    const char *type;
    json_t *value;
    json_object_foreach(at(j, "types"), type, value) {
        n += json_integer_value(at(value, "tensors"));
        bytes += json_integer_value(at(value, "bytes"));
    }
    assert_int_equal(n, json_array_size(at(j, "tensors")));
    assert_int_equal(bytes, json_integer_value(at(j, "bytes")));
    assert_in_range(json_integer_value(at(j, "parameters")), 9500000, 9700000);
    bool found = false;
    size_t i;
    json_array_foreach(at(j, "tensors"), i, value) {
        if (strcmp(json_string_value(at(value, "name")), "model.embed_tokens.weight") != 0) continue;
        found = true;
        assert_string_equal(json_string_value(at(value, "type")), "BF16");
        assert_int_equal(json_integer_value(json_array_get(at(value, "shape"), 0)), 4096);
        assert_int_equal(json_integer_value(json_array_get(at(value, "shape"), 1)), 192);
        assert_int_equal(json_integer_value(at(value, "bytes")), 4096 * 192 * 2);
    }
    assert_true(found);
    json_decref(j);
    j = inspect(path, 1000);
    assert_int_equal(json_integer_value(at(j, "memory.n_ctx")), 1000);
    json_decref(j);
}

static void test_inspect_gguf_with_every_type_of_value(void **state) {
    (void)state;
    scratch s;
    scratch_make(&s);
    suan__buf b = {0};
    forge_valid_gguf(&b, 3);
    json_t *j = inspect(scratch_write(&s, "all.gguf", b.data, b.n), 0);
    suan__buf_fini(&b);
    json_t *m = at(j, "metadata");
    assert_string_equal(json_string_value(at(j, "format")), "gguf");
    assert_string_equal(json_string_value(at(j, "name")), "all.gguf");
    assert_string_equal(json_string_value(at(j, "architecture")), "llama");
    assert_true(json_is_false(at(j, "supported"))); /* its graph's tensors are not there */
    assert_true(json_string_length(at(j, "reason")) > 10);
    assert_null(at(j, "memory"));
    assert_true(json_is_null(at(j, "chat_template")));
    assert_int_equal(json_integer_value(json_object_get(m, "v.u8")), 200);
    assert_int_equal(json_integer_value(json_object_get(m, "v.i8")), -1);
    assert_int_equal(json_integer_value(json_object_get(m, "v.i16")), -32768);
    assert_int_equal(json_integer_value(json_object_get(m, "v.u32")), 4294967295);
    assert_int_equal(json_integer_value(json_object_get(m, "v.i64")), 77);
    assert_string_equal(json_string_value(json_object_get(m, "v.u64")), "18446744073709551615");
    assert_true(json_real_value(json_object_get(m, "v.f32")) == 1.5);
    assert_true(json_real_value(json_object_get(m, "v.f64")) == 0.1);
    assert_true(json_is_true(json_object_get(m, "v.true")));
    json_t *tokens = json_object_get(m, "tokens");
    assert_int_equal(json_array_size(tokens), 3);
    assert_string_equal(json_string_value(json_array_get(tokens, 1)), "\xef\xbf\xbd\xef\xbf\xbd"); /* a NUL and FF */
    assert_int_equal(json_integer_value(json_array_get(json_object_get(m, "types"), 1)), -2);
    assert_true(json_is_true(json_array_get(json_object_get(m, "flags"), 1)));
    assert_int_equal(json_array_size(json_object_get(m, "empty")), 0);
    assert_int_equal(json_array_size(at(j, "tensors")), 3);
    assert_int_equal(json_integer_value(at(j, "types.Q4_K.bytes")), 144);
    assert_string_equal(json_string_value(at(json_array_get(at(j, "tensors"), 1), "name")), "c.weight");
    assert_int_equal(json_integer_value(json_array_get(at(json_array_get(at(j, "tensors"), 1), "shape"), 0)), 2);
    json_decref(j);
    scratch_remove(&s);
}

static void test_inspect_gguf_long_values_are_described(void **state) {
    (void)state;
    enum { N = 1000, N_TEXT = 300000 };
    scratch s;
    scratch_make(&s);
    suan__buf b = {0};
    forge_header(&b, 3, 0, 5);
    forge_string(&b, "general.architecture");
    forge_int(&b, SUAN__GGUF_STRING, 4);
    forge_string(&b, "martian");
    forge_array_head(&b, "tokens", SUAN__GGUF_STRING, N);
    for (int i = 0; i < N; i++) forge_string(&b, "word");
    forge_array_head(&b, "scores", SUAN__GGUF_F32, N);
    for (int i = 0; i < N; i++) forge_int(&b, 0x3dcccccd, 4); /* 0.1f */
    forge_string(&b, "long");
    forge_int(&b, SUAN__GGUF_STRING, 4);
    char *text = malloc(N_TEXT);
    memset(text, 'x', N_TEXT);
    memcpy(text + 1022, "\xe2\x82\xac", 3); /* a character across the place where it is cut */
    forge_string_n(&b, text, N_TEXT, N_TEXT);
    free(text);
    forge_value(&b, "nan", SUAN__GGUF_F32, 0x7fc00000, 4);
    forge_pad(&b, 32);
    json_t *j = inspect(scratch_write(&s, "long.gguf", b.data, b.n), 0);
    suan__buf_fini(&b);
    json_t *m = at(j, "metadata"), *tokens = json_object_get(m, "tokens");
    assert_string_equal(json_string_value(at(tokens, "type")), "array");
    assert_string_equal(json_string_value(at(tokens, "of")), "string");
    assert_int_equal(json_integer_value(at(tokens, "n")), N);
    assert_int_equal(json_array_size(at(tokens, "first")), 8);
    assert_string_equal(json_string_value(json_array_get(at(tokens, "first"), 7)), "word");
    assert_true(json_real_value(json_array_get(at(m, "scores.first"), 0)) == 0.1); /* the shortest of the same F32 */
    assert_int_equal(json_integer_value(at(m, "long.bytes")), N_TEXT);
    assert_int_equal(json_string_length(at(m, "long.first")), 1022);
    assert_string_equal(json_string_value(at(m, "nan")), "nan");
    assert_int_equal(json_array_size(at(j, "tensors")), 0);
    assert_true(json_is_false(at(j, "supported")));
    assert_non_null(strstr(json_string_value(at(j, "reason")), "no tensors"));
    json_decref(j);
    scratch_remove(&s);
}

static void test_inspect_unknown_architecture_gives_the_reason(void **state) {
    (void)state;
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "hf/config.json", "{\"model_type\": \"martian\", \"eps\": 1e-06, \"odd\": 0.30000000000000004}");
    suan_error err = {0};
    char *text = (char *)&s;
    assert_int_not_equal(suan_inspect(scratch_path(&s, "none"), 0, &text, &err), SUAN_OK);
    assert_null(text);
    assert_non_null(strstr(err.message, "none"));
    static const char file[] = "\x58\0\0\0\0\0\0\0{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
                               "                                  12345678";
    size_t header = 8 + 0x58;
    assert_int_equal(sizeof file - 1, header + 8);
    scratch_write(&s, "hf/model.safetensors", file, sizeof file - 1);
    json_t *j = inspect(scratch_path(&s, "hf"), 0);
    assert_true(json_is_false(at(j, "supported")));
    assert_non_null(strstr(json_string_value(at(j, "reason")), "martian"));
    assert_string_equal(json_string_value(at(j, "architecture")), "martian");
    assert_true(json_real_value(at(j, "config.eps")) == 1e-6);
    assert_true(json_real_value(at(j, "config.odd")) == 0.30000000000000004);
    assert_true(json_is_null(at(j, "tokenizer")));
    json_decref(j);
    scratch_remove(&s);
}

/* Real vocabularies: GGUF files without tensors. */
static void test_inspect_vocabulary_files(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int n_vocab;
    } files[] = {{"deepseek-llm", 102400}, {"deepseek-coder", 32256}, {"gpt-2", 50257}, {"llama-spm", 32000}};
    int n_skipped = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-%s.gguf", getenv("SUAN_FIXTURES"), files[i].name);
        if (access(path, R_OK) != 0) {
            n_skipped++;
            continue;
        }
        json_t *j = inspect(path, 0);
        assert_true(json_is_false(at(j, "supported")));
        json_t *tokens = json_object_get(at(j, "metadata"), "tokenizer.ggml.tokens");
        assert_int_equal(json_integer_value(at(tokens, "n")), files[i].n_vocab);
        assert_int_equal(json_integer_value(at(j, "tokenizer.n_vocab")), files[i].n_vocab);
        json_decref(j);
    }
    if (n_skipped) print_message("%d of 4 vocabularies are not there: skipped\n", n_skipped);
}

static void test_inspect_out_of_memory_fails_cleanly(void **state) {
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s/../../models/seed", getenv("SUAN_TEST_DATA"));
    int n_failed = 0;
    for (uint64_t n = 1;; n += 1 + n / 8) {
        char *text = NULL;
        suan_error err = {0};
        suan__alloc_fail_at(n);
        uint64_t before = suan__alloc_count();
        suan_status status = suan_inspect(path, 0, &text, &err);
        bool reached = suan__alloc_count() - before >= n;
        suan__alloc_fail_at(0);
        if (status == SUAN_OK)
            suan_free(text);
        else
            assert_int_equal(status, SUAN_ENOMEM);
        n_failed += status != SUAN_OK;
        if (!reached) break;
    }
    assert_true(n_failed > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect_seed_model),
        cmocka_unit_test(test_inspect_gguf_with_every_type_of_value),
        cmocka_unit_test(test_inspect_gguf_long_values_are_described),
        cmocka_unit_test(test_inspect_unknown_architecture_gives_the_reason),
        cmocka_unit_test(test_inspect_vocabulary_files),
        cmocka_unit_test(test_inspect_out_of_memory_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
