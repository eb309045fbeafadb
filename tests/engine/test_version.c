/* Version, instruction sets, and freeing. */
#include <string.h>

#include "../base/cmocka_all.h"
#include "base/memory.h"
#include "suan/model.h"

static void test_version_names(void **state) {
    (void)state;
    assert_string_equal(suan_version(), EXPECTED_VERSION);
    assert_string_equal(suan_cpu_level("c"), "c");
    assert_non_null(suan_cpu_level(NULL));
    assert_null(suan_cpu_level("abacus"));
    assert_non_null(suan_cpu_features());
    suan_free(NULL);
    suan_free(suan__malloc(10));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_version_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
