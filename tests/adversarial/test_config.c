/* test_config.c: configurations made to harm a reader: rows C-01 and C-03 of the list of published flaws. (That fields agree with each
 * other and with the tensors, C-04 to C-06, is the business of the models.) */
#include "../base/scratch.h"
#include "../formats/forge.h"
#include "formats/checkpoint.h"
#include "formats/json.h"

static const char *const keys[] = {"hidden_size", "rms_norm_eps", "tie_word_embeddings", "model_type", "rope_scaling.factor"};

/* config.json with the value of key i put in the place of the good one (NULL: left out), beside an empty weight file. */
static suan_status open_with(scratch *s, size_t i_key, const char *value, suan__checkpoint **ck, suan_error *err) {
    static const char *const good[] = {"64", "1e-5", "true", "\"llama\"", "{\"factor\":8}"};
    static const char st[] = "\2\0\0\0\0\0\0\0{}";
    suan__buf b = {0};
    forge_bytes(&b, "{", 1);
    bool first = true;
    for (size_t i = 0; i < 5; i++) {
        const char *v = i == i_key ? value : good[i];
        if (!v) continue;
        suan__buf_printf(&b, "%s\"%.*s\":%s", first ? "" : ",", (int)strcspn(keys[i], "."), keys[i], v);
        first = false;
    }
    forge_bytes(&b, "}", 1);
    scratch_write(s, "config.json", b.data, b.n);
    scratch_write(s, "model.safetensors", st, 10);
    suan__buf_fini(&b);
    return suan__checkpoint_open(ck, s->dir, err);
}

static suan_status read_key(const suan__checkpoint *ck, size_t i, bool required, suan_error *err) {
    uint32_t u = 7;
    float f = 7;
    double d = 7;
    bool flag = true;
    const char *text = "seven";
    suan_status status;
    switch (i) {
    case 0:
        status = suan__config_u32(ck, keys[i], required, &u, err);
        if (status != SUAN_OK) assert_int_equal(u, 7);
        return status;
    case 1:
        status = suan__config_f32(ck, keys[i], required, &f, err);
        if (status != SUAN_OK) assert_true(f == 7);
        return status;
    case 2:
        status = suan__config_bool(ck, keys[i], required, &flag, err);
        if (status != SUAN_OK) assert_true(flag);
        return status;
    case 3:
        status = suan__config_str(ck, keys[i], required, &text, err);
        if (status != SUAN_OK) assert_string_equal(text, "seven");
        return status;
    default:
        status = suan__config_f64(ck, keys[i], required, &d, err);
        if (status != SUAN_OK) assert_true(d == 7);
        return status;
    }
}

static void test_c_01_each_key_missing(void **state) {
    scratch s;
    suan_error err;
    suan__checkpoint *ck;
    scratch_make(&s);
    for (size_t i = 0; i < 5; i++) {
        for (int null = 0; null < 2; null++) {
            assert_int_equal(open_with(&s, i, null ? "null" : NULL, &ck, &err), SUAN_OK);
            for (size_t k = 0; k < 5; k++) {
                assert_int_equal(read_key(ck, k, false, &err), SUAN_OK);
                suan_status status = read_key(ck, k, true, &err);
                assert_int_equal(status, k == i ? SUAN_EFORMAT : SUAN_OK);
                if (k == i) assert_non_null(strstr(err.message, keys[i]));
                if (k == i) assert_non_null(strstr(err.message, "/config.json"));
            }
            suan__checkpoint_close(&ck);
        }
    }
    scratch_remove(&s);
}

static void test_c_01_each_key_of_wrong_type(void **state) {
    static const char *const values[] = {"1",
                                         "0",
                                         "1.0",
                                         "1.5",
                                         "-1",
                                         "1e308",
                                         "4294967295",
                                         "4294967296",
                                         "true",
                                         "\"1\"",
                                         "\"x\"",
                                         "[]",
                                         "[1]",
                                         "{}",
                                         "-0",
                                         "1e3",
                                         "1e30",
                                         "1e-400",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "{\"factor\":1}",
                                         "{\"factor\":\"1\"}"};
    /* Which of them are right for each key. */
    static const char *const right[] = {" 1 0 4294967295 -0 ",
                                        " 1 0 1.0 1.5 -1 4294967295 4294967296 -0 1e3 1e30 1e-400 9223372036854775807 9223372036854775808 ",
                                        " true ", " \"1\" \"x\" ", " {\"factor\":1} {} "};
    scratch s;
    suan_error err;
    suan__checkpoint *ck;
    char needle[64];
    scratch_make(&s);
    for (size_t i = 0; i < 5; i++) {
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            if (open_with(&s, i, values[v], &ck, &err) != SUAN_OK) fail_msg("%s: %s", values[v], err.message);
            snprintf(needle, sizeof needle, " %s ", values[v]);
            bool expected = strstr(right[i], needle) != NULL;
            suan_status status = read_key(ck, i, false, &err);
            if ((status == SUAN_OK) != expected) fail_msg("%s: %s gave status %d", keys[i], values[v], status);
            if (status != SUAN_OK) assert_non_null(strstr(err.message, i == 4 ? "rope_scaling" : keys[i]));
            suan__checkpoint_close(&ck);
        }
    }
    scratch_remove(&s);
}

static void test_c_01_files_that_are_no_config(void **state) {
    static const struct {
        const char *text, *word;
    } rows[] = {{"", "config.json"},
                {"[]", "expected an object"},
                {"1", "config.json"},
                {"null", "config.json"},
                {"{\"a\":1,\"a\":2}", "duplicate"},
                {"{\"a\":{\"b\":1,\"b\":2}}", "duplicate"},
                {"{\"a\":1}}", "line 1"},
                {"{\"a\":NaN}", "line 1"},
                {"{\"a\":1e999}", "line 1"},
                {"\xef\xbb\xbf{}", "line 1"},
                {"{'a':1}", "line 1"},
                {"{\"a\":1,}", "line 1"},
                {"{\"a\":\"\\u0000\"}", "line 1"},
                {"{\"a\":\"\\ud800\"}", "line 1"}};
    scratch s;
    suan_error err;
    suan__checkpoint *ck;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scratch_text(&s, "config.json", rows[i].text);
        assert_int_equal(suan__checkpoint_open(&ck, s.dir, &err), SUAN_EFORMAT);
        assert_null(ck);
        if (!strstr(err.message, rows[i].word)) fail_msg("\"%s\" does not speak of %s", err.message, rows[i].word);
    }
    scratch_remove(&s);
}

static void test_c_01_huge_file(void **state) {
    scratch s;
    suan_error err;
    suan__checkpoint *ck;
    scratch_make(&s);
    scratch_text(&s, "config.json", "{}");
    assert_int_equal(truncate(s.path, 300 << 20), 0); /* 300 MB that take no room on the disk */
    uint64_t allocations = suan__alloc_count();
    double begin = forge_milliseconds();
    assert_int_equal(suan__checkpoint_open(&ck, s.dir, &err), SUAN_ELIMIT);
    assert_true(forge_milliseconds() - begin < 2000);
    assert_true(suan__alloc_count() - allocations < 32);
    assert_non_null(strstr(err.message, "config.json"));
    scratch_remove(&s);
}

/* Each text is parsed from a block of memory that ends with it, whole and cut at every byte: a byte read behind it is a finding of the
 * address sanitizer. Only the whole text may be accepted, and only where it is right. */
static void test_c_03_json_is_bounded_by_its_length(void **state) {
    static const char *const good[] = {"{\"a\":1}",
                                       "[1,-2,3.5e-7]",
                                       "{\"\":{\"x\":[true,false,null]},\"y\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac\\ud83d\\ude00\"}",
                                       "[\"\xe2\x82\xac\"]",
                                       "{\"n\":1000000000000000019884624838656}",
                                       "[[[[[[[[[[]]]]]]]]]]"};
    static const char *const bad[] = {"{\"a\" 1}",
                                      "{a\":1}",
                                      "{\"a:1}",
                                      "{\"a\":1",
                                      "[1",
                                      "\"",
                                      "{\"",
                                      "{\"a\":\"\\",
                                      "{\"a\":\"\\u12",
                                      "[-",
                                      "[1e",
                                      "[1.",
                                      "[tru",
                                      "[nul]",
                                      "]",
                                      "}",
                                      "{]",
                                      "[}",
                                      "{\"a\":}",
                                      "{,}",
                                      "[,]",
                                      "[1 2]",
                                      "[1]]",
                                      "{}{}",
                                      "[\"\x1f\"]",
                                      "[\"\xed\xa0\x80\"]",
                                      "[\"\xc0\x80\"]",
                                      "[\"\\x\"]",
                                      "[01]",
                                      "[.5]",
                                      "[0x1]",
                                      "// {}",
                                      "{/**/}"};
    suan_error err;
    json_t *json;
    for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
        bool is_good = i < sizeof good / sizeof good[0];
        const char *text = is_good ? good[i] : bad[i - sizeof good / sizeof good[0]];
        for (size_t n = 0; n <= strlen(text); n++) {
            char *copy = test_malloc(n ? n : 1);
            memcpy(copy, text, n);
            suan_status status = suan__json_load(copy, n, "text", &json, &err);
            /* The beginning of a wrong text may be right ("{}{}"): there it is enough that nothing is read behind the end. */
            if ((is_good || n == strlen(text)) && (status == SUAN_OK) != (is_good && n == strlen(text)))
                fail_msg("%.*s: status %d", (int)n, text, status);
            assert_int_equal(status == SUAN_OK, json != NULL);
            json_decref(json);
            test_free(copy);
        }
    }
}

static void test_c_03_depth(void **state) {
    suan__buf b = {0};
    suan_error err;
    json_t *json;
    for (int depth = 126; depth <= 130; depth++) {
        b.n = 0;
        for (int i = 0; i < depth; i++) forge_bytes(&b, i % 2 ? "[" : "{\"a\":", i % 2 ? 1 : 5);
        forge_bytes(&b, "1", 1);
        for (int i = depth; i-- > 0;) forge_bytes(&b, i % 2 ? "]" : "}", 1);
        suan_status status = suan__json_load(b.data, b.n, "text", &json, &err);
        assert_int_equal(status, depth <= 128 ? SUAN_OK : SUAN_EFORMAT);
        json_decref(json);
    }
    /* Brackets in strings are text, also behind escaped quotes. */
    b.n = 0;
    forge_bytes(&b, "[\"\\\"", 4);
    for (int i = 0; i < 1000; i++) forge_bytes(&b, "[", 1);
    forge_bytes(&b, "\"]", 2);
    assert_int_equal(suan__json_load(b.data, b.n, "text", &json, &err), SUAN_OK);
    json_decref(json);
    suan__buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c_01_each_key_missing),
        cmocka_unit_test(test_c_01_each_key_of_wrong_type),
        cmocka_unit_test(test_c_01_files_that_are_no_config),
        cmocka_unit_test(test_c_01_huge_file),
        cmocka_unit_test(test_c_03_json_is_bounded_by_its_length),
        cmocka_unit_test(test_c_03_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
