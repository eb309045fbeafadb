/* test_unicode.c: properties and case mappings against the totals and the entries of the Unicode Character Database, version 16.0.0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/unicode.h"

static uint32_t count(bool (*property)(uint32_t cp)) {
    uint32_t n = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) n += property(cp);
    return n;
}

static void the_version_is_pinned(void **state) {
    (void)state;
    assert_string_equal(suan__unicode_version, "16.0.0");
}

/* The totals that DerivedCoreProperties.txt, DerivedNumericType.txt and DerivedGeneralCategory.txt state, or that follow from them. */
static void properties_have_the_published_totals(void **state) {
    (void)state;
    assert_int_equal(count(suan__unicode_is_lower), 2569);
    assert_int_equal(count(suan__unicode_is_upper), 1978);
    assert_int_equal(count(suan__unicode_is_cased), 4578);
    assert_int_equal(count(suan__unicode_is_case_ignorable), 2749);
    assert_int_equal(count(suan__unicode_is_decimal), 760);
    assert_int_equal(count(suan__unicode_is_digit), 760 + 128);
    assert_int_equal(count(suan__unicode_is_numeric), 2002);
    assert_int_equal(count(suan__unicode_is_letter), 141028);
    assert_int_equal(count(suan__unicode_is_space), 25);
    assert_int_equal(count(suan__unicode_is_printable), 154810);
}

static void kinds_of_numbers_differ(void **state) {
    static const struct {
        uint32_t cp;
        bool decimal, digit, numeric;
    } cases[] = {
        {'7', true, true, true},      {0x663, true, true, true},     {0x16D75, true, true, true},  {0xB2, false, true, true},
        {0x2460, false, true, true},  {0xBD, false, false, true},    {0x2169, false, false, true}, {0x4E09, false, false, true},
        {0x4E24, false, false, true}, {0x4E08, false, false, false}, {'a', false, false, false},   {0x110000, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(suan__unicode_is_decimal(cases[i].cp), cases[i].decimal);
        assert_int_equal(suan__unicode_is_digit(cases[i].cp), cases[i].digit);
        assert_int_equal(suan__unicode_is_numeric(cases[i].cp), cases[i].numeric);
    }
}

static void what_is_no_character_is_nothing(void **state) {
    static const uint32_t none[] = {0xD800, 0xDFFF, 0x378, 0xFFFF, 0x10FFFF, 0x110000, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        uint32_t to[3];
        assert_false(suan__unicode_is_printable(none[i]) || suan__unicode_is_cased(none[i]) || suan__unicode_is_case_ignorable(none[i]));
        assert_int_equal(suan__unicode_title_full(none[i], to), 1);
        assert_int_equal(to[0], none[i]);
    }
    assert_true(suan__unicode_is_printable(' '));
    assert_false(suan__unicode_is_printable(0x7F) || suan__unicode_is_printable(0xA0) || suan__unicode_is_printable(0xAD));
}

/* UnicodeData.txt and SpecialCasing.txt. */
static void full_mappings_are_those_of_the_database(void **state) {
    static const struct {
        uint32_t cp, lower[3], upper[3], title[3];
    } cases[] = {
        {'a', {'a'}, {'A'}, {'A'}},
        {'Z', {'z'}, {'Z'}, {'Z'}},
        {'@', {'@'}, {'@'}, {'@'}},
        {'[', {'['}, {'['}, {'['}},
        {0xD7, {0xD7}, {0xD7}, {0xD7}}, /* between capital letters */
        {0xDF, {0xDF}, {'S', 'S'}, {'S', 's'}},
        {0xFF, {0xFF}, {0x178}, {0x178}},
        {0x100, {0x101}, {0x100}, {0x100}}, /* every other one */
        {0x101, {0x101}, {0x100}, {0x100}},
        {0x12F, {0x12F}, {0x12E}, {0x12E}},
        {0x130, {'i', 0x307}, {0x130}, {0x130}},
        {0x149, {0x149}, {0x2BC, 'N'}, {0x2BC, 'N'}},
        {0x19B, {0x19B}, {0xA7DC}, {0xA7DC}}, /* since 16.0 */
        {0x1C4, {0x1C6}, {0x1C4}, {0x1C5}},
        {0x1C5, {0x1C6}, {0x1C4}, {0x1C5}},
        {0x1C6, {0x1C6}, {0x1C4}, {0x1C5}},
        {0x390, {0x390}, {0x399, 0x308, 0x301}, {0x399, 0x308, 0x301}},
        {0x3A3, {0x3C3}, {0x3A3}, {0x3A3}},
        {0x587, {0x587}, {0x535, 0x552}, {0x535, 0x582}},
        {0x10D0, {0x10D0}, {0x1C90}, {0x10D0}},
        {0x1E9E, {0xDF}, {0x1E9E}, {0x1E9E}},
        {0x1F80, {0x1F80}, {0x1F08, 0x399}, {0x1F88}},
        {0x1F88, {0x1F80}, {0x1F08, 0x399}, {0x1F88}},
        {0x1FB7, {0x1FB7}, {0x391, 0x342, 0x399}, {0x391, 0x342, 0x345}},
        {0x1FBC, {0x1FB3}, {0x391, 0x399}, {0x1FBC}},
        {0xFB03, {0xFB03}, {'F', 'F', 'I'}, {'F', 'f', 'i'}},
        {0x10D50, {0x10D70}, {0x10D50}, {0x10D50}}, /* Garay, since 16.0 */
        {0x10D85, {0x10D85}, {0x10D65}, {0x10D65}},
        {0x1E943, {0x1E943}, {0x1E921}, {0x1E921}},
        {0x1F600, {0x1F600}, {0x1F600}, {0x1F600}},
    };
    size_t (*const map[])(uint32_t cp, uint32_t out[3]) = {suan__unicode_lower_full, suan__unicode_upper_full, suan__unicode_title_full};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint32_t *expected[] = {cases[i].lower, cases[i].upper, cases[i].title};
        for (size_t k = 0; k < 3; k++) {
            uint32_t to[3];
            size_t n = map[k](cases[i].cp, to);
            assert_int_equal(n, expected[k][2] ? 3 : expected[k][1] ? 2 : 1);
            assert_memory_equal(to, expected[k], n * sizeof *to);
        }
    }
}

/* CaseFolding.txt, status C and S. */
static void simple_folding_is_that_of_the_database(void **state) {
    static const uint32_t cases[][2] = {{'K', 'k'},       {0x212A, 'k'},    {0x17F, 's'},     {0xB5, 0x3BC},
                                        {0x130, 0x130},   {0x1E9E, 0xDF},   {0x3C2, 0x3C3},   {0x13A0, 0x13A0},
                                        {0xAB70, 0x13A0}, {0x1F88, 0x1F80}, {0x1FD3, 0x390},  {0x1FE3, 0x3B0},
                                        {0xFB05, 0xFB06}, {0xA7CB, 0x264},  {0x1C89, 0x1C8A}, {0x10D65, 0x10D85}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(suan__unicode_fold(cases[i][0]), cases[i][1]);
}

/* Only a character with a mapping has case, and mapping twice changes nothing. */
static void mappings_agree_with_the_properties(void **state) {
    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        uint32_t lower = suan__unicode_lower(cp), upper = suan__unicode_upper(cp), fold = suan__unicode_fold(cp);
        if ((lower != cp || upper != cp) && !suan__unicode_is_cased(cp)) fail_msg("U+%04X has a mapping and no case", (unsigned)cp);
        if (suan__unicode_lower(lower) != lower || suan__unicode_upper(upper) != upper || suan__unicode_fold(fold) != fold)
            fail_msg("U+%04X: a mapping of a mapping", (unsigned)cp);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_pinned),
        cmocka_unit_test(properties_have_the_published_totals),
        cmocka_unit_test(kinds_of_numbers_differ),
        cmocka_unit_test(what_is_no_character_is_nothing),
        cmocka_unit_test(full_mappings_are_those_of_the_database),
        cmocka_unit_test(simple_folding_is_that_of_the_database),
        cmocka_unit_test(mappings_agree_with_the_properties),
    };
    return cmocka_run_group_tests_name("text/unicode", tests, NULL, NULL);
}
