/* test_chat_file.c: G-13: a saved conversation is untrusted input. Each test changes one thing of a good file and signs it anew where the
 * checksum is not what is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/chat_file.h"

static json_t *good(void) {
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:i}, s:n, s:[{s:s, s:s}, {s:s, s:s}], s:{s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i}}", "format",
                     "suan chat 1", "version", "0.1.0", "model", "name", "seed", "architecture", "deepseek2", "n_params", 9612288, "system",
                     "messages", "role", "user", "content", "Hello", "role", "assistant", "content", "Good day", "sampling", "temperature",
                     0.7, "top_k", 0, "top_p", 0.95, "min_p", 0.0, "typical_p", 1.0, "repetition_penalty", 1.0, "presence_penalty", 0.0,
                     "frequency_penalty", 0.0, "penalty_last_n", 64);
}

static void sign(json_t *root) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    char hex[65];
    unsigned n = 0;
    json_object_del(root, "sha256");
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    assert_non_null(text);
    assert_int_equal(EVP_Digest(text, strlen(text), bytes, &n, EVP_sha256(), NULL), 1);
    free(text);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
    json_object_set_new(root, "sha256", json_string(hex));
}

static suan_status parse(const char *text, size_t n, suan_error *err) {
    cli_conversation c = {0};
    /* A copy of exactly n bytes, so that a sanitizer sees every read beyond. */
    char *copy = suan__malloc(n ? n : 1);
    assert_non_null(copy);
    if (n) memcpy(copy, text, n);
    suan_status status = cli_chat_parse(&c, copy, n, "chat.json", err);
    suan__free(copy);
    if (status != SUAN_OK) {
        assert_null(c.messages);
        assert_non_null(strstr(err->message, "chat.json"));
    }
    cli_conversation_fini(&c);
    return status;
}

/* Takes the reference. */
static suan_status parse_json(json_t *root, suan_error *err) {
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    assert_non_null(text);
    suan_status status = parse(text, strlen(text), err);
    free(text);
    json_decref(root);
    return status;
}

static void test_chat_file_good_is_read(void **state) {
    suan_error err = {0};
    json_t *root = good();
    assert_non_null(root);
    sign(root);
    assert_int_equal(parse_json(root, &err), SUAN_OK);
}

static void test_chat_file_saved_is_loaded(void **state) {
    suan_error err = {0};
    cli_conversation c = {0}, back = {0};
    char path[] = "/tmp/suan_chat_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    suan_sampling_init(&c.sampling);
    c.sampling.temperature = 0.7f;
    c.sampling.top_p = 0.95f;
    c.sampling.top_k = 40;
    c.system = json_string("Be brief.");
    c.messages = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content", "\xe7\xae\x97?", "role", "assistant", "content", "\"\\\n");
    c.model = json_pack("{s:s, s:s, s:i}", "name", "seed", "architecture", "deepseek2", "n_params", 1);
    assert_int_equal(cli_chat_save(&c, path, &err), SUAN_OK);
    assert_int_equal(cli_chat_load(&back, path, &err), SUAN_OK);
    assert_true(json_equal(c.messages, back.messages));
    assert_true(json_equal(c.system, back.system));
    assert_true(json_equal(c.model, back.model));
    assert_true(back.sampling.temperature == 0.7f && back.sampling.top_p == 0.95f && back.sampling.top_k == 40);
    /* Without a system message the key is null. */
    json_decref(c.system);
    c.system = NULL;
    assert_int_equal(cli_chat_save(&c, path, &err), SUAN_OK);
    assert_int_equal(cli_chat_load(&back, path, &err), SUAN_OK);
    assert_null(back.system);
    unlink(path);
    cli_conversation_fini(&c);
    cli_conversation_fini(&back);
}

static void test_G_13_changed_content_fails_the_checksum(void **state) {
    suan_error err = {0};
    json_t *root = good();
    sign(root);
    json_object_set_new(json_array_get(json_object_get(root, "messages"), 1), "content", json_string("Bad day"));
    assert_int_equal(parse_json(root, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "checksum"));
}

static void test_G_13_every_flipped_byte_is_refused_or_harmless(void **state) {
    json_t *root = good();
    sign(root);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    size_t n = strlen(text), n_read = 0;
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            suan_error err = {0};
            text[i] = (char)(text[i] ^ (1 << bit));
            n_read += parse(text, n, &err) == SUAN_OK;
            text[i] = (char)(text[i] ^ (1 << bit));
        }
    }
    /* Compact text has no byte that means nothing, but a number can be spelt in two ways (0.0 and 0e0). */
    assert_true(n_read <= 16);
    free(text);
    json_decref(root);
}

static void test_G_13_every_cut_is_refused(void **state) {
    json_t *root = good();
    sign(root);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    for (size_t n = 0; n < strlen(text); n++) {
        suan_error err = {0};
        assert_int_equal(parse(text, n, &err), SUAN_EFORMAT);
    }
    free(text);
    json_decref(root);
}

static void test_G_13_each_missing_key_is_refused(void **state) {
    static const char *const keys[] = {"format", "version", "model", "system", "messages", "sampling"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        suan_error err = {0};
        json_t *root = good();
        json_object_del(root, keys[i]);
        sign(root);
        assert_int_equal(parse_json(root, &err), SUAN_EFORMAT);
        assert_non_null(strstr(err.message, keys[i]));
    }
}

static void test_G_13_each_wrong_type_is_refused(void **state) {
    static const char *const keys[] = {"format", "version", "model", "system", "messages", "sampling", "sha256"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        suan_error err = {0};
        json_t *root = good();
        sign(root);
        json_object_set_new(root, keys[i], json_integer(7));
        if (strcmp(keys[i], "sha256") != 0) {
            json_t *copy = json_deep_copy(root);
            sign(copy);
            json_decref(root);
            root = copy;
        }
        assert_true(parse_json(root, &err) != SUAN_OK);
    }
}

static void test_G_13_unknown_keys_are_refused(void **state) {
    suan_error err = {0};
    json_t *root = good();
    json_object_set_new(root, "chat_template", json_string("{{ 1 }}"));
    sign(root);
    assert_int_equal(parse_json(root, &err), SUAN_EFORMAT);
    root = good();
    json_object_set_new(json_array_get(json_object_get(root, "messages"), 0), "tool_calls", json_array());
    sign(root);
    assert_int_equal(parse_json(root, &err), SUAN_EFORMAT);
}

static void test_G_13_other_roles_are_refused(void **state) {
    static const char *const roles[] = {"system", "tool", "assistant", "USER", ""};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        suan_error err = {0};
        json_t *root = good();
        json_object_set_new(json_array_get(json_object_get(root, "messages"), 0), "role", json_string(roles[i]));
        sign(root);
        assert_int_equal(parse_json(root, &err), SUAN_EFORMAT);
    }
}

static void test_G_13_numbers_out_of_range_are_refused(void **state) {
    static const struct {
        const char *key;
        double value;
    } bad[] = {{"temperature", -1},       {"temperature", 1e308}, {"top_p", 0},          {"top_p", 1.5},
               {"min_p", -0.1},           {"typical_p", 0},       {"repetition_penalty", 0}, {"presence_penalty", 3},
               {"frequency_penalty", -3}, {"top_k", -1},          {"top_k", 4294967296.0},   {"penalty_last_n", -2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        suan_error err = {0};
        json_t *root = good(), *sampling = json_object_get(root, "sampling");
        bool is_integer = json_is_integer(json_object_get(sampling, bad[i].key));
        json_object_set_new(sampling, bad[i].key, is_integer ? json_integer((json_int_t)bad[i].value) : json_real(bad[i].value));
        sign(root);
        assert_int_equal(parse_json(root, &err), SUAN_ERANGE);
        assert_non_null(strstr(err.message, bad[i].key));
    }
}

static void test_G_13_sizes_have_caps(void **state) {
    suan_error err = {0};
    size_t n = CLI_CHAT_MAX_CONTENT + 1;
    char *long_text = suan__malloc(n + 1);
    assert_non_null(long_text);
    memset(long_text, 'a', n);
    long_text[n] = 0;
    json_t *root = good();
    json_object_set_new(json_array_get(json_object_get(root, "messages"), 0), "content", json_string(long_text));
    sign(root);
    assert_int_equal(parse_json(root, &err), SUAN_ELIMIT);
    suan__free(long_text);

    root = good();
    json_t *messages = json_object_get(root, "messages");
    for (int i = 0; i < CLI_CHAT_MAX_MESSAGES; i++) json_array_append(messages, json_array_get(messages, (size_t)i % 2));
    sign(root);
    assert_int_equal(parse_json(root, &err), SUAN_ELIMIT);
}

static void test_G_13_depth_duplicates_and_noise_are_refused(void **state) {
    suan_error err = {0};
    enum { DEPTH = 100000 };
    char *deep = suan__malloc(DEPTH);
    assert_non_null(deep);
    memset(deep, '[', DEPTH);
    assert_int_equal(parse(deep, DEPTH, &err), SUAN_EFORMAT);
    suan__free(deep);
    static const char *const texts[] = {"", "null", "[]", "{}", "{\"format\":1,\"format\":1}", "\xff\xfe", "{\"format\":\"\\u0000\"}", "1e999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_int_equal(parse(texts[i], strlen(texts[i]), &err), SUAN_EFORMAT);
}

static void test_chat_file_missing_says_so(void **state) {
    suan_error err = {0};
    cli_conversation c = {0};
    assert_true(cli_chat_load(&c, "/nonexistent/chat.json", &err) != SUAN_OK);
    assert_non_null(strstr(err.message, "/nonexistent/chat.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_file_good_is_read),
        cmocka_unit_test(test_chat_file_saved_is_loaded),
        cmocka_unit_test(test_G_13_changed_content_fails_the_checksum),
        cmocka_unit_test(test_G_13_every_flipped_byte_is_refused_or_harmless),
        cmocka_unit_test(test_G_13_every_cut_is_refused),
        cmocka_unit_test(test_G_13_each_missing_key_is_refused),
        cmocka_unit_test(test_G_13_each_wrong_type_is_refused),
        cmocka_unit_test(test_G_13_unknown_keys_are_refused),
        cmocka_unit_test(test_G_13_other_roles_are_refused),
        cmocka_unit_test(test_G_13_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_G_13_sizes_have_caps),
        cmocka_unit_test(test_G_13_depth_duplicates_and_noise_are_refused),
        cmocka_unit_test(test_chat_file_missing_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
