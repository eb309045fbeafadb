/* test_energy.c: energy counters in a tree of files of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/energy.h"

static char root[64];

static void put(const char *zone, const char *file, const char *text) {
    char path[256];
    static const char *const parts[] = {"sys", "sys/class", "sys/class/powercap"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", root, parts[i]);
        mkdir(path, 0777);
    }
    snprintf(path, sizeof path, "%s/sys/class/powercap/%s", root, zone);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/sys/class/powercap/%s/%s", root, zone, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

static void put_zone(const char *zone, const char *name, const char *energy, const char *range) {
    put(zone, "name", name);
    put(zone, "energy_uj", energy);
    put(zone, "max_energy_range_uj", range);
}

static int set_up(void **state) {
    const char *dir = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/suan-energy-XXXXXX", dir && strlen(dir) < 32 ? dir : "/tmp");
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void test_energy_adds_packages_and_memory(void **state) {
    suan__energy e;
    put_zone("intel-rapl:0", "package-0", "1000000", "9000000");
    put_zone("intel-rapl:0:0", "core", "500", "9000000");
    put_zone("intel-rapl:0:1", "dram", "2000000", "9000000");
    put_zone("intel-rapl-mmio:0", "package-0", "1000000", "9000000");
    put("intel-rapl", "enabled", "1");
    suan__energy_open(&e, root);
    assert_int_equal(e.n_zones, 2);
    assert_true(suan__energy_read(&e) == 0);
    put("intel-rapl:0", "energy_uj", "3500000");
    put("intel-rapl:0:1", "energy_uj", "2500000");
    double j = suan__energy_read(&e);
    assert_true(j > 2.999999 && j < 3.000001);
}

static void test_energy_counters_begin_anew(void **state) {
    suan__energy e;
    put_zone("intel-rapl:0", "package-0", "8000000", "9000000");
    put("intel-rapl:0:1", "name", "uncore");
    suan__energy_open(&e, root);
    put("intel-rapl:0", "energy_uj", "500000");
    double j = suan__energy_read(&e);
    assert_true(j > 1.499999 && j < 1.500001);
}

static void test_energy_nothing_to_read_is_no_error(void **state) {
    suan__energy e;
    suan__energy_open(&e, "/nowhere");
    assert_int_equal(e.n_zones, 0);
    assert_true(suan__energy_read(&e) < 0);
    put_zone("intel-rapl:0", "package-0", "none of your business", "9000000");
    suan__energy_open(&e, root);
    assert_true(suan__energy_read(&e) < 0);
    put("intel-rapl:0", "energy_uj", "1");
    suan__energy_open(&e, root);
    assert_true(suan__energy_read(&e) == 0);
    put("intel-rapl:0", "energy_uj", "");
    assert_true(suan__energy_read(&e) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_energy_adds_packages_and_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_energy_counters_begin_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_energy_nothing_to_read_is_no_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
