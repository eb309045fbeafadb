/* test_safetensors.c: safetensors files made to harm a reader: rows S-01 to S-07 of the list of published flaws. */
#include "../base/scratch.h"
#include "../formats/forge.h"
#include "formats/checkpoint.h"

#define W(dtype, shape, begin, end) "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}}"

static void test_valid_is_accepted(void **state) {
    FORGE_ST_ACCEPTED(W("F32", "[2,3]", "0", "24"), 24);
    FORGE_ST_ACCEPTED(W("F32", "[]", "0", "4"), 4);
    FORGE_ST_ACCEPTED(W("F32", "[0,3]", "0", "0"), 0);
    FORGE_ST_ACCEPTED("{}", 0);
    FORGE_ST_ACCEPTED("{}      ", 0);
    FORGE_ST_ACCEPTED("{\"__metadata__\":{\"format\":\"pt\"}}", 0);
}

static void test_s_01_shape_against_span(void **state) {
    FORGE_ST_REFUSED(W("F32", "[1000,1000]", "0", "4"), 4, "need 4000000");
    FORGE_ST_REFUSED(W("F32", "[1]", "0", "8"), 8, "need 4");
    FORGE_ST_REFUSED(W("F32", "[2]", "0", "4"), 8, "need 8");
    FORGE_ST_REFUSED(W("F32", "[1]", "4", "0"), 4, "data_offsets");
    FORGE_ST_REFUSED(W("F32", "[1]", "0", "4"), 3, "data_offsets");
    FORGE_ST_REFUSED(W("F32", "[1]", "9223372036854775803", "9223372036854775807"), 4, "data_offsets");
    FORGE_ST_REFUSED(W("F32", "[0]", "0", "4"), 4, "need 0");
}

static void test_s_01_header_lengths(void **state) {
    static const char json[] = W("U8", "[8]", "0", "8");
    const uint64_t n = sizeof json - 1,
                   lengths[] = {0, 1, 7, n - 1, n + 1, n + 9, UINT64_C(1) << 63, UINT64_MAX - 7, UINT64_MAX, 100000001};
    suan__arena arena;
    suan__safetensors st;
    suan_error err;
    suan__file f;
    scratch s;
    scratch_make(&s);
    suan__arena_init(&arena, 1 << 12);
    for (size_t i = 0; i <= sizeof lengths / sizeof lengths[0]; i++) {
        suan__buf b = {0};
        bool good = i == sizeof lengths / sizeof lengths[0];
        forge_int(&b, good ? n : lengths[i], 8);
        forge_bytes(&b, json, n);
        forge_data(&b, 8);
        assert_int_equal(suan__file_open(&f, scratch_write(&s, "m.safetensors", b.data, b.n), &err), SUAN_OK);
        assert_int_equal(suan__safetensors_open(&st, &arena, &f, &err), good ? SUAN_OK : SUAN_EFORMAT);
        suan__file_close(&f);
        suan__buf_fini(&b);
    }
    /* A file cut at every byte. */
    for (size_t cut = 0; cut < 8 + n + 8; cut++) {
        suan__buf b = {0};
        forge_int(&b, n, 8);
        forge_bytes(&b, json, n);
        forge_data(&b, 8);
        assert_int_equal(suan__file_open(&f, scratch_write(&s, "m.safetensors", b.data, cut), &err), SUAN_OK);
        assert_int_equal(suan__safetensors_open(&st, &arena, &f, &err), SUAN_EFORMAT);
        suan__file_close(&f);
        suan__buf_fini(&b);
    }
    suan__arena_fini(&arena);
    scratch_remove(&s);
}

static void test_s_02_products_that_wrap(void **state) {
    FORGE_ST_REFUSED(W("U8", "[4194305,4194305,211106198978564]", "0", "4"), 4, "overflows");
    FORGE_ST_REFUSED(W("F32", "[4611686018427387905]", "0", "4"), 4, "overflows");
    FORGE_ST_REFUSED(W("F32", "[4294967296,4294967296]", "0", "0"), 0, "overflows");
    FORGE_ST_REFUSED(W("F32", "[0,4294967296,4294967296]", "0", "0"), 0, "overflows"); /* empty, but rows that wrap */
    FORGE_ST_REFUSED(W("F64", "[2305843009213693952]", "0", "0"), 0, "overflows");
}

static void test_s_03_dtypes(void **state) {
    static const struct {
        const char *name;
        int bits;
    } dtypes[] = {{"BOOL", 8},    {"U8", 8},      {"I8", 8},          {"I16", 16},       {"U16", 16}, {"F16", 16},
                  {"BF16", 16},   {"I32", 32},    {"U32", 32},        {"F32", 32},       {"I64", 64}, {"U64", 64},
                  {"F64", 64},    {"C64", 64},    {"F8_E4M3", 8},     {"F8_E5M2", 8},    {"F4", 4},   {"F8_E8M0", 8},
                  {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
    static const char *const unknown[] = {"", "f32", "F32 ", "F128", "Q4_0", "I4", "INT8", "U1", "BF8", "float32"};
    char json[256];
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        int n_bytes = 24 * dtypes[i].bits / 8;
        snprintf(json, sizeof json, "{\"w\":{\"dtype\":\"%s\",\"shape\":[3,8],\"data_offsets\":[0,%d]}}", dtypes[i].name, n_bytes);
        FORGE_ST_ACCEPTED(json, (uint64_t)n_bytes);
        snprintf(json, sizeof json, "{\"w\":{\"dtype\":\"%s\",\"shape\":[3,8],\"data_offsets\":[0,%d]}}", dtypes[i].name, n_bytes + 1);
        FORGE_ST_REFUSED(json, (uint64_t)n_bytes + 1, "need");
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        snprintf(json, sizeof json, "{\"w\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,4]}}", unknown[i]);
        FORGE_ST_REFUSED(json, 4, "unknown dtype");
    }
    FORGE_ST_REFUSED(W("F4", "[3]", "0", "2"), 2, "whole bytes");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype");
}

static void test_s_03_numbers(void **state) {
    static const char *const bad[] = {"1.0",
                                      "1e0",
                                      "1E3",
                                      "1.5",
                                      "1e300",
                                      "-1",
                                      "-0.0",
                                      "9223372036854775808",
                                      "18446744073709551617",
                                      "\"1\"",
                                      "null",
                                      "true",
                                      "[1]",
                                      "{}",
                                      "01",
                                      "+1",
                                      "0x1",
                                      "1e400",
                                      "NaN",
                                      "Infinity",
                                      ""};
    char json[256];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(json, sizeof json, "{\"w\":{\"dtype\":\"U8\",\"shape\":[%s,1],\"data_offsets\":[0,1]}}", bad[i]);
        FORGE_ST_REFUSED(json, 1, "forged.safetensors");
        snprintf(json, sizeof json, "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,%s]}}", bad[i]);
        FORGE_ST_REFUSED(json, 1, "forged.safetensors");
    }
    /* 2^53 + 1 is no binary64: read exactly, or the two offsets would look equal. */
    FORGE_ST_REFUSED(W("U8", "[9007199254740993]", "0", "9007199254740993"), 8, "are 0 and 9007199254740993");
}

static void test_s_04_duplicate_keys(void **state) {
    FORGE_ST_REFUSED(
        "{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
        "the tensor w occurs twice");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"\\u0077\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
                     "offsets\":[0,4]}}",
                     4, "the tensor w occurs twice");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "duplicate");
    FORGE_ST_REFUSED("{\"__metadata__\":{},\"__metadata_\\u005f\":{}}", 0, "occurs twice");
    FORGE_ST_REFUSED("{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", 0, "duplicate");
}

static void test_s_05_cover_without_holes_or_overlap(void **state) {
#define TWO(a, b, c, d, n)                                                  \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[" n "],\"data_offsets\":[" a "," b \
    "]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" c "," d "]}}"
    FORGE_ST_ACCEPTED(TWO("0", "4", "4", "8", "4"), 8);
    FORGE_ST_ACCEPTED(TWO("4", "8", "0", "4", "4"), 8);
    FORGE_ST_REFUSED(TWO("0", "4", "2", "6", "4"), 8, "overlap");
    FORGE_ST_REFUSED(TWO("0", "4", "0", "4", "4"), 4, "overlap");
    FORGE_ST_REFUSED(TWO("0", "4", "5", "9", "4"), 9, "a hole");
    FORGE_ST_REFUSED(TWO("1", "5", "5", "9", "4"), 9, "a hole");
    FORGE_ST_REFUSED(TWO("0", "4", "4", "8", "4"), 9, "its tensors take 8");
    /* An empty tensor may stand where another begins or ends, not within it. */
    FORGE_ST_ACCEPTED(TWO("0", "0", "0", "4", "0"), 4);
    FORGE_ST_ACCEPTED(TWO("4", "4", "0", "4", "0"), 4);
    FORGE_ST_REFUSED(TWO("2", "2", "0", "4", "0"), 4, "overlap");
    FORGE_ST_REFUSED(TWO("0", "0", "0", "4", "0"), 5, "its tensors take 4");
    FORGE_ST_REFUSED("{}", 1, "its tensors take 0");
}

/* A header of a million entries is refused by the documented limit, quickly; one at the limit is read. */
static void test_s_06_many_tensors(void **state) {
    suan__buf b = {0};
    suan_error err;
    for (int round = 0; round < 2; round++) {
        uint64_t n = round ? SUAN__SAFETENSORS_MAX_TENSORS : 1000000;
        b.n = 0;
        forge_bytes(&b, "{", 1);
        for (uint64_t i = 0; i < n; i++)
            assert_true(suan__buf_printf(&b, "%s\"t%llu\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%llu,%llu]}", i ? "," : "",
                                         (unsigned long long)i, (unsigned long long)i, (unsigned long long)i + 1));
        forge_bytes(&b, "}", 1);
        double begin = forge_milliseconds();
        assert_int_equal(forge_st_parse_n(b.data, b.n, n, &err), round ? SUAN_OK : SUAN_EFORMAT);
        double ms = forge_milliseconds() - begin;
        print_message("%llu tensors: %s in %.0f ms\n", (unsigned long long)n, round ? "read" : "refused", ms);
        assert_true(ms < 30000); /* with room for sanitizers and busy machines; 2 s is the aim without */
    }
    suan__buf_fini(&b);
}

static void test_s_06_deep_json(void **state) {
    suan__buf b = {0};
    suan_error err;
    forge_bytes(&b, "{\"w\":", 5);
    for (int i = 0; i < 1000000; i++) forge_bytes(&b, "[", 1);
    assert_int_equal(forge_st_parse_n(b.data, b.n, 0, &err), SUAN_EFORMAT);
    for (int i = 0; i < 1000000; i++) forge_bytes(&b, "]", 1);
    forge_bytes(&b, "}", 1);
    assert_int_equal(forge_st_parse_n(b.data, b.n, 0, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "deeper"));
    suan__buf_fini(&b);
}

/* One entry that would make a large tree is refused before it is parsed. */
static void test_s_06_large_entry(void **state) {
    suan__buf b = {0};
    suan_error err;
    for (int metadata = 0; metadata < 2; metadata++) {
        b.n = 0;
        assert_true(suan__buf_printf(&b, "{\"%s\":{\"shape\":[1", metadata ? "__metadata__" : "w"));
        for (int i = 0; i < 1000000; i++) forge_bytes(&b, ",1", 2);
        forge_bytes(&b, "]}}", 3);
        assert_int_equal(forge_st_parse_n(b.data, b.n, 0, &err), SUAN_EFORMAT);
        assert_non_null(strstr(err.message, metadata ? "more than 65536 values" : "more than 64 values"));
    }
    suan__buf_fini(&b);
}

/* Nothing is guessed: no member may be missing, none may be added, no dtype follows from a byte count. */
static void test_s_07_nothing_is_inferred(void **state) {
    FORGE_ST_REFUSED("{\"w\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "tensor w");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4, "tensor w");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, "tensor w");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"scale\":1}}", 4, "tensor w");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,8]}}", 8, "array of two");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", 4, "array of two");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "shape of tensor w");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,4],\"data_offsets\":[0,4]}}", 4, "5 dimensions");
    FORGE_ST_REFUSED("{\"w\":[]}", 0, "expected an object");
    FORGE_ST_REFUSED("{\"\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "name");
    FORGE_ST_REFUSED("{\"__metadata__\":{\"a\":1}}", 0, "expected a string");
    FORGE_ST_REFUSED("{\"__metadata__\":[]}", 0, "expected an object");
    FORGE_ST_REFUSED("[]", 0, "expected {");
    FORGE_ST_REFUSED(" {}", 0, "expected {");
    FORGE_ST_REFUSED("{}x", 0, "goes on behind its closing }, at byte 10");
    FORGE_ST_REFUSED("{} {}", 0, "goes on behind");
    FORGE_ST_REFUSED("{}}", 0, "goes on behind");
    FORGE_ST_REFUSED("{,}", 0, "comma");
    FORGE_ST_REFUSED("{\"__metadata__\":{},}", 0, "comma");
    FORGE_ST_REFUSED("{\"__metadata__\":{},,\"w\":{}}", 0, "comma");
    FORGE_ST_REFUSED("{\"__metadata__\":{}]}", 0, "line 1");
    FORGE_ST_REFUSED("{\"__metadata__\":{]}}", 0, "goes on behind");
    FORGE_ST_REFUSED("{\"__metadata__\":{}", 0, "does not end");
    FORGE_ST_REFUSED("{\"__metadata__\" {}}", 0, "line 1");
    FORGE_ST_REFUSED("{\"__metadata__\":{} \"w\":{}}", 0, "line 1");
    FORGE_ST_REFUSED("{\"w}", 0, "does not end");
    FORGE_ST_REFUSED("{\"w\\", 0, "does not end");
    FORGE_ST_REFUSED("{\"w\":{\"dtype\":\"U8\",\"shape\":[4x],\"data_offsets\":[0,4]}}", 4, "byte 9: in a member of the header");
    FORGE_ST_ACCEPTED("{ }", 0);
    FORGE_ST_ACCEPTED("{\n\"__metadata__\" : { } , \"a}\\\",{\" : {\"dtype\":\"U8\",\"shape\":[ 4 ],\"data_offsets\":[0 , 4]} } \n\t\r", 4);
    FORGE_ST_REFUSED("{\"\xff\":{}}", 0, "decode");
    FORGE_ST_REFUSED("{\"a\\u0000\":{}}", 0, "line 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_is_accepted),   cmocka_unit_test(test_s_01_shape_against_span),
        cmocka_unit_test(test_s_01_header_lengths), cmocka_unit_test(test_s_02_products_that_wrap),
        cmocka_unit_test(test_s_03_dtypes),         cmocka_unit_test(test_s_03_numbers),
        cmocka_unit_test(test_s_04_duplicate_keys), cmocka_unit_test(test_s_05_cover_without_holes_or_overlap),
        cmocka_unit_test(test_s_06_many_tensors),   cmocka_unit_test(test_s_06_deep_json),
        cmocka_unit_test(test_s_06_large_entry),    cmocka_unit_test(test_s_07_nothing_is_inferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
