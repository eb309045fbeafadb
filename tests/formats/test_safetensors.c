/* test_safetensors.c: safetensors files that are right, read and written; JSON helpers. */
#include "../base/scratch.h"
#include "forge.h"
#include "formats/json.h"

static void test_tensors_come_by_place_with_reversed_shape(void **state) {
    static const char json[] = "{\"__metadata__\":{\"format\":\"pt\",\"\xe2\x82\xac\":\"\\n\"},"
                               "\"second\":{\"data_offsets\":[24,28],\"shape\":[2],\"dtype\":\"BF16\"},"
                               "\"first\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                               "\"empty\":{\"dtype\":\"I64\",\"shape\":[0,4],\"data_offsets\":[24,24]},"
                               "\"scalar\":{\"dtype\":\"F8_E4M3\",\"shape\":[],\"data_offsets\":[28,29]}}   ";
    suan__arena arena;
    suan__safetensors s;
    suan_error err;
    suan__arena_init(&arena, 1 << 12);
    if (suan__safetensors_parse(&s, &arena, json, sizeof json - 1, 8 + sizeof json - 1 + 29, "t", &err) != SUAN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(s.n_tensors, 4);
    assert_int_equal(s.data_offset, 8 + sizeof json - 1);
    const char *const names[] = {"first", "empty", "second", "scalar"};
    const uint64_t offsets[] = {0, 24, 24, 28};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(s.tensors[i].name, names[i]);
        assert_int_equal(s.tensors[i].offset, s.data_offset + offsets[i]);
    }
    assert_int_equal(s.tensors[0].n_dims, 2);
    assert_int_equal(s.tensors[0].ne[0], 3);
    assert_int_equal(s.tensors[0].ne[1], 2);
    assert_int_equal(s.tensors[0].ne[2], 1);
    assert_int_equal(s.tensors[1].n_bytes, 0);
    assert_int_equal(s.tensors[2].type, SUAN__BF16);
    assert_int_equal(s.tensors[3].n_dims, 0);
    assert_int_equal(s.tensors[3].n_bytes, 1);
    assert_int_equal(s.n_metadata, 2);
    assert_string_equal(s.metadata_keys[1], "\xe2\x82\xac");
    assert_string_equal(s.metadata_values[1], "\n");
    suan__arena_fini(&arena);
}

static void test_what_is_written_is_read(void **state) {
    static const suan__st_entry entries[] = {{"a \"quoted\" \\ name\n", "F32", 2, {2, 3}, 24},
                                             {"scalar", "I32", 0, {0}, 4},
                                             {"none", "F16", 1, {0}, 0},
                                             {"f4", "F4", 2, {3, 4}, 6}};
    static const char *const metadata[] = {"made", "by \t tests", "\xc3\xa9", "", NULL};
    scratch s;
    suan__out o;
    suan__file f;
    suan_error err;
    suan__safetensors st;
    suan__arena arena;
    unsigned char data[34], got[24];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 3);
    scratch_make(&s);
    suan__arena_init(&arena, 1 << 12);
    for (int with = 0; with < 2; with++) {
        const char *const *m = with ? metadata : NULL;
        assert_int_equal(suan__out_open(&o, scratch_path(&s, "m.safetensors"), &err), SUAN_OK);
        assert_int_equal(suan__safetensors_write_header(&o, entries, 4, m, &err), SUAN_OK);
        assert_int_equal(suan__out_write(&o, data, sizeof data, &err), SUAN_OK);
        assert_int_equal(suan__safetensors_write_finish(&o, entries, 4, m, &err), SUAN_OK);
        assert_int_equal(suan__file_open(&f, s.path, &err), SUAN_OK);
        if (suan__safetensors_open(&st, &arena, &f, &err) != SUAN_OK) fail_msg("%s", err.message);
        assert_int_equal(st.n_tensors, 4);
        assert_int_equal(st.data_offset % 8, 0);
        assert_string_equal(st.tensors[0].name, entries[0].name);
        assert_int_equal(suan__file_read(&f, st.tensors[0].offset, got, 24, &err), SUAN_OK);
        assert_memory_equal(got, data, 24);
        assert_int_equal(st.n_metadata, with ? 2 : 0);
        if (with) assert_string_equal(st.metadata_values[0], "by \t tests");
        suan__file_close(&f);
    }
    /* Too little data: the old file stays. */
    assert_int_equal(suan__out_open(&o, s.path, &err), SUAN_OK);
    assert_int_equal(suan__safetensors_write_header(&o, entries, 2, NULL, &err), SUAN_OK);
    assert_int_equal(suan__safetensors_write_finish(&o, entries, 2, NULL, &err), SUAN_EINVAL);
    assert_true(suan__path_exists(s.path));
    suan__arena_fini(&arena);
    scratch_remove(&s);
}

static void test_the_writer_refuses_wrong_entries(void **state) {
    static const suan__st_entry bad[] = {
        {"w", "F32", 1, {2}, 4},   {"w", "F33", 1, {1}, 4}, {"", "F32", 1, {1}, 4}, {"__metadata__", "U8", 1, {1}, 1},
        {"\xff", "U8", 1, {1}, 1}, {"w", "U8", 5, {1}, 1},  {"w", "F4", 1, {3}, 2}, {"w", "U8", -1, {1}, 1}};
    suan_error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        suan__buf b = {0};
        assert_int_equal(suan__safetensors_format_header(&b, &bad[i], 1, NULL, &err), SUAN_EINVAL);
        suan__buf_fini(&b);
    }
}

static void test_dtype_names(void **state) {
    suan__dtype type;
    assert_string_equal(suan__safetensors_dtype_name(SUAN__F8_E4M3), "F8_E4M3");
    assert_null(suan__safetensors_dtype_name(SUAN__Q4_0));
    assert_true(suan__safetensors_dtype_from_name("BF16", &type) && type == SUAN__BF16);
    assert_false(suan__safetensors_dtype_from_name("Q4_0", &type));
}

/* Integers beyond 64 bits become reals, in whatever place; all others stay exact. */
static void test_wide_integers(void **state) {
    static const struct {
        const char *text;
        bool is_integer;
        double real;
        int64_t integer;
    } rows[] = {{"9223372036854775807", true, 0, INT64_MAX},
                {"-9223372036854775808", true, 0, INT64_MIN},
                {"9223372036854775808", false, 0x1p63, 0},
                {"-9223372036854775809", false, -0x1p63, 0},
                {"1000000000000000019884624838656", false, 1e30, 0},
                {"9007199254740993", true, 0, 9007199254740993},
                {"-0", true, 0, 0}};
    char text[128];
    suan_error err;
    json_t *json;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int n = snprintf(text, sizeof text, "[%s,\"%s\",%s,1]", rows[i].text, rows[i].text, rows[i].text);
        if (suan__json_load(text, (size_t)n, "text", &json, &err) != SUAN_OK) fail_msg("%s", err.message);
        for (size_t k = 0; k < 3; k += 2) {
            const json_t *v = json_array_get(json, k);
            assert_int_equal(json_is_integer(v), rows[i].is_integer);
            if (rows[i].is_integer) assert_int_equal(json_integer_value(v), rows[i].integer);
            if (!rows[i].is_integer) assert_true(json_real_value(v) == rows[i].real);
        }
        assert_string_equal(json_string_value(json_array_get(json, 1)), rows[i].text);
        json_decref(json);
    }
}

static void test_json_files_and_errors(void **state) {
    scratch s;
    suan_error err;
    json_t *json;
    scratch_make(&s);
    scratch_text(&s, "a.json", "{\n \"a\": tru\n}");
    assert_int_equal(suan__json_load_file(s.path, 100, &json, &err), SUAN_EFORMAT);
    assert_null(json);
    assert_non_null(strstr(err.message, "a.json: line 2"));
    assert_int_equal(suan__json_load_file(s.path, 5, &json, &err), SUAN_ELIMIT);
    assert_int_equal(suan__json_load_file(scratch_path(&s, "none.json"), 5, &json, &err), SUAN_ENOTFOUND);
    assert_string_equal(suan__json_type_name(NULL), "nothing");
    assert_int_equal(suan__json_scan("[1,2,[3]]", 9, "t", 1, 99, &err), SUAN_EFORMAT);
    assert_int_equal(suan__json_scan("[1,2,[3]]", 9, "t", 2, 5, &err), SUAN_OK);
    assert_int_equal(suan__json_scan("[1,2,[3]]", 9, "t", 2, 4, &err), SUAN_EFORMAT);
    assert_int_equal(suan__json_scan("{\"a\":true,\"b\":null}", 19, "t", 2, 5, &err), SUAN_OK);
    assert_int_equal(suan__json_scan("{\"a\":true,\"b\":null}", 19, "t", 2, 4, &err), SUAN_EFORMAT);
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_come_by_place_with_reversed_shape),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_the_writer_refuses_wrong_entries),
        cmocka_unit_test(test_dtype_names),
        cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_json_files_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
