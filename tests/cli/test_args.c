/* test_args.c: numbers, option tables and the nearest name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/args.h"

typedef struct values {
    bool flag, is_given;
    const char *text;
    cli_texts texts;
    uint32_t u;
    int32_t i;
    uint64_t seed;
    float f;
    int choice;
} values;

static const cli_command command = {.name = "test", .usage = "", .summary = "Tests"};

static cli_parsed parse(values *v, int argc, const char *const *argv, cli_texts *words) {
    const cli_option options[] = {CLI_FLAG('v', "flag", &v->flag, "a flag"),
                                  CLI_TEXT('p', "prompt", &v->text, "TEXT", "a text"),
                                  CLI_TEXTS(0, "stop", &v->texts, "TEXT", "texts"),
                                  CLI_U32('n', "tokens", &v->u, &v->is_given, 1, 4000000000.0, "N", "a number"),
                                  CLI_I32(0, "last", &v->i, NULL, -1, 100, "N", "a signed number"),
                                  CLI_U64(0, "seed", &v->seed, NULL, "N", "a seed"),
                                  CLI_F32(0, "temp", &v->f, NULL, 0, 2, "T", "a float"),
                                  CLI_CHOICE(0, "kv", &v->choice, "f16|f32", "a choice"),
                                  CLI_END};
    char copies[16][64], *args[16] = {copies[0]};
    snprintf(copies[0], sizeof copies[0], "test");
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i + 1], sizeof copies[i + 1], "%s", argv[i]);
        args[i + 1] = copies[i + 1];
    }
    return cli_parse(&command, options, argc + 1, args, words, 2);
}
#define PARSE(v, words, ...) \
    parse(v, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__}, words)

static void test_args_all_kinds_are_read(void **state) {
    values v = {0};
    cli_texts words = {0};
    assert_int_equal(PARSE(&v, &words, "-v", "-n24", "--last", "-1", "--seed=9223372036854775807", "--temp", "0.7", "--kv=f32", "--stop",
                           "a", "--stop", "b", "one", "--", "-two"),
                     CLI_PARSED_OK);
    assert_true(v.flag && v.is_given);
    assert_int_equal(v.u, 24);
    assert_int_equal(v.i, -1);
    assert_true(v.seed == INT64_MAX);
    assert_true(v.f == 0.7f);
    assert_int_equal(v.choice, 1);
    assert_int_equal(v.texts.n, 2);
    assert_int_equal(words.n, 2);
    cli_texts_fini(&v.texts);
    cli_texts_fini(&words);
}

static void check_bad(const char *a, const char *b) {
    values v = {0};
    cli_texts words = {0};
    cli_parsed parsed = b ? PARSE(&v, &words, a, b) : PARSE(&v, &words, a);
    if (parsed != CLI_PARSED_BAD) fail_msg("\"%s %s\" was taken", a, b ? b : "");
    assert_false(v.is_given);
    cli_texts_fini(&v.texts);
    cli_texts_fini(&words);
}

static void test_args_mistakes_are_refused(void **state) {
    static const char *const bad[][2] = {
        {"-n", "0"},        {"-n", "-1"},        {"-n", "4000000001"},
        {"-n", "1e3"},      {"-n", "0x10"},      {"-n", " 1"},
        {"-n", "1 "},       {"-n", ""},          {"-n", "99999999999999999999999"},
        {"-n", NULL},       {"--temp", "nan"},   {"--temp", "inf"},
        {"--temp", "2.1"},  {"--temp", "-0.1"},  {"--temp", "0,7"},
        {"--temp", "."},    {"--temp", "1e"},    {"--temp", "0x1p0"},
        {"--last", "-2"},   {"--seed", "-1"},    {"--seed", "9223372036854775808"},
        {"--kv", "f"},      {"--kv", "f16|f32"}, {"--kv", ""},
        {"--flag=1", NULL}, {"--nothing", NULL}, {"-x", NULL},
        {"--prompt", NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_bad(bad[i][0], bad[i][1]);
}

static void test_args_twice_is_refused_but_for_lists(void **state) {
    values v = {0};
    cli_texts words = {0};
    assert_int_equal(PARSE(&v, &words, "-n", "1", "-n", "2"), CLI_PARSED_BAD);
    assert_int_equal(PARSE(&v, &words, "a", "b", "c"), CLI_PARSED_BAD);
    cli_texts_fini(&words);
}

static const char *name(const void *ctx, size_t i) {
    static const char *const names[] = {"prompt", "top-k", "top-p", "temp", "seed"};
    return i < 5 ? names[i] : NULL;
}

static void test_args_nearest_name(void **state) {
    assert_string_equal(cli_nearest("promt", name, NULL), "prompt");
    assert_string_equal(cli_nearest("tmep", name, NULL), "temp");
    assert_string_equal(cli_nearest("prom", name, NULL), "prompt");
    assert_null(cli_nearest("elephant", name, NULL));
    assert_null(cli_nearest("a-very-long-word-that-is-no-option-at-all", name, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args_all_kinds_are_read),
        cmocka_unit_test(test_args_mistakes_are_refused),
        cmocka_unit_test(test_args_twice_is_refused_but_for_lists),
        cmocka_unit_test(test_args_nearest_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
