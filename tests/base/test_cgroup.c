/* Limits of control groups and processors, read from trees of files as Linux shows them. */
#include "base/cgroup.h"

#include "base/cpus.h"
#include "base/memory.h"
#include "base/thread.h"
#include "scratch.h"

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

static void test_nothing_to_read_is_no_limit(void **state) {
    scratch s;
    scratch_make(&s);
    assert_true(suan__cgroup_memory_left(s.dir) == UINT64_MAX);
    assert_true(suan__cgroup_cpu_quota(s.dir) == UINT64_MAX);
    assert_true(suan__machine_memory_left(scratch_path(&s, "meminfo")) == UINT64_MAX);
    scratch_text(&s, "proc/self/cgroup", "nonsense\n0:\n\n::\n0::/x");
    scratch_text(&s, "proc/self/mountinfo", "1 2\n30 23 0:26 / \n- cgroup2 x\n30 23 0:26 / /p rw - cgroup2");
    assert_true(suan__cgroup_memory_left(s.dir) == UINT64_MAX);
    scratch_remove(&s);
}

static void test_v2_takes_the_tightest_ancestor(void **state) {
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "proc/self/cgroup", "0::/a/b/c\n");
    scratch_text(&s, "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" V2_MOUNT);
    scratch_text(&s, "sys/fs/cgroup/a/b/c/memory.max", "max\n");
    scratch_text(&s, "sys/fs/cgroup/a/b/c/memory.current", "1\n");
    scratch_text(&s, "sys/fs/cgroup/a/b/memory.max", "10000\n");
    scratch_text(&s, "sys/fs/cgroup/a/b/memory.current", "4000\n");
    scratch_text(&s, "sys/fs/cgroup/a/memory.max", "9000\n");
    scratch_text(&s, "sys/fs/cgroup/a/memory.current", "8000\n");
    scratch_text(&s, "sys/fs/cgroup/a/memory.stat", "anon 10\nactive_file 77\ninactive_file 500\nslab 3\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 1500);
    scratch_text(&s, "sys/fs/cgroup/a/b/memory.high", "4100\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 100);
    scratch_text(&s, "sys/fs/cgroup/a/b/memory.current", "20000\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 0);
    assert_true(suan__cgroup_cpu_quota(s.dir) == UINT64_MAX);
    scratch_text(&s, "sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    scratch_text(&s, "sys/fs/cgroup/a/b/cpu.max", "350000 100000\n");
    scratch_text(&s, "sys/fs/cgroup/a/cpu.max", "800000 100000\n");
    assert_int_equal(suan__cgroup_cpu_quota(s.dir), 3500);
    scratch_text(&s, "sys/fs/cgroup/a/b/cpu.max", "350000 0\n");
    assert_int_equal(suan__cgroup_cpu_quota(s.dir), 8000);
    scratch_remove(&s);
}

static void test_v2_inside_containers(void **state) {
    scratch s;
    scratch_make(&s);
    /* The host's path with our group at the mount point, whose name has a space. */
    scratch_text(&s, "proc/self/cgroup", "0::/docker/77/sub\n");
    scratch_text(&s, "proc/self/mountinfo", "30 23 0:26 /docker/77 /sys/fs/c\\040g rw shared:9 master:2 - cgroup2 cgroup rw\n");
    scratch_text(&s, "sys/fs/c g/sub/memory.max", "700\n");
    scratch_text(&s, "sys/fs/c g/sub/memory.current", "0\n");
    scratch_text(&s, "sys/fs/c g/memory.max", "600\n");
    scratch_text(&s, "sys/fs/c g/memory.current", "100\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 500);
    /* A group out of sight: the mount point counts. */
    scratch_text(&s, "proc/self/cgroup", "0::/../elsewhere\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 500);
    scratch_text(&s, "proc/self/cgroup", "0::/docker/777\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 500);
    scratch_text(&s, "proc/self/cgroup", "0::/docker/77\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 500);
    scratch_remove(&s);
}

static void test_v1_hierarchies(void **state) {
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "proc/self/cgroup", "5:cpu,cpuacct:/q\n4:memory:/m/n\n3:cpuset:/other\n1:name=systemd:/x\n0::/x\n");
    scratch_text(&s, "proc/self/mountinfo",
                 "31 23 0:27 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
                 "32 23 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                 "33 23 0:29 / /cg/memory rw - cgroup cgroup rw,memory\n");
    scratch_text(&s, "cg/memory/m/n/memory.limit_in_bytes", "9223372036854771712\n");
    scratch_text(&s, "cg/memory/m/n/memory.usage_in_bytes", "5\n");
    assert_true(suan__cgroup_memory_left(s.dir) == UINT64_MAX);
    scratch_text(&s, "cg/memory/m/memory.limit_in_bytes", "5000\n");
    scratch_text(&s, "cg/memory/m/memory.usage_in_bytes", "3000\n");
    scratch_text(&s, "cg/memory/m/memory.stat", "inactive_file 1\ntotal_inactive_file 1000\n");
    assert_int_equal(suan__cgroup_memory_left(s.dir), 3000);
    scratch_text(&s, "cg/cpu/q/cpu.cfs_quota_us", "-1\n");
    scratch_text(&s, "cg/cpu/q/cpu.cfs_period_us", "100000\n");
    assert_true(suan__cgroup_cpu_quota(s.dir) == UINT64_MAX);
    scratch_text(&s, "cg/cpu/q/cpu.cfs_quota_us", "50000\n");
    assert_int_equal(suan__cgroup_cpu_quota(s.dir), 500);
    scratch_remove(&s);
}

static void test_meminfo(void **state) {
    scratch s;
    scratch_make(&s);
    const char *path = scratch_text(&s, "meminfo", "MemTotal:       100 kB\nMemAvailable:    64 kB\n");
    assert_int_equal(suan__machine_memory_left(path), 65536);
    path = scratch_text(&s, "meminfo", "MemAvailable:  99999999999999999999999 kB\n");
    assert_true(suan__machine_memory_left(path) == UINT64_MAX);
    path = scratch_text(&s, "meminfo", "MemAvailable:  18446744073709551615 kB\n");
    assert_true(suan__machine_memory_left(path) == UINT64_MAX);
    scratch_remove(&s);
}

/* Out of memory in the middle means that a limit is not seen, and nothing leaks (address sanitizer). */
static void test_out_of_memory_is_survived(void **state) {
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "proc/self/cgroup", "0::/a\n");
    scratch_text(&s, "proc/self/mountinfo", V2_MOUNT);
    scratch_text(&s, "sys/fs/cgroup/a/memory.max", "10\n");
    scratch_text(&s, "sys/fs/cgroup/a/memory.current", "4\n");
    uint64_t left;
    for (uint64_t n = 1;; n++) {
        uint64_t end = suan__alloc_count() + n;
        suan__alloc_fail_at(n);
        left = suan__cgroup_memory_left(s.dir);
        if (suan__alloc_count() < end) break;
    }
    suan__alloc_fail_at(0);
    assert_int_equal(left, 6);
    scratch_remove(&s);
}

/* n_cores cores of two hyper-threads each, numbered as most machines do: core c has c and c + n_cores, or 2c and 2c + 1. */
static void siblings(scratch *s, int n_cores, bool is_adjacent) {
    for (int cpu = 0; cpu < 2 * n_cores; cpu++) {
        char name[128], list[32];
        int core = is_adjacent ? cpu / 2 : cpu % n_cores;
        snprintf(name, sizeof name, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        if (is_adjacent)
            snprintf(list, sizeof list, "%d-%d\n", 2 * core, 2 * core + 1);
        else
            snprintf(list, sizeof list, "%d,%d\n", core, core + n_cores);
        scratch_text(s, name, list);
    }
}

static int threads_for(scratch *s, int first, int last) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = first; i <= last; i++) CPU_SET((size_t)i, &set);
    return suan__cpus_threads(s->dir, &set, sizeof set);
}

static void test_hyper_threads_count_up_to_four_cores(void **state) {
    for (int is_adjacent = 0; is_adjacent < 2; is_adjacent++) {
        scratch s;
        scratch_make(&s);
        siblings(&s, 8, is_adjacent);
        assert_int_equal(threads_for(&s, 0, 15), 8);
        assert_int_equal(threads_for(&s, 0, 0), 1);
        assert_int_equal(threads_for(&s, 8, 15), 8);
        assert_int_equal(threads_for(&s, 0, 9), is_adjacent ? 5 : 8);
        assert_int_equal(threads_for(&s, 0, 7), 8); /* four cores, or eight with one thread each */
        scratch_remove(&s);
        scratch_make(&s);
        siblings(&s, 4, is_adjacent);
        assert_int_equal(threads_for(&s, 0, 7), 8);
        scratch_remove(&s);
    }
}

static void test_quota_limits_threads(void **state) {
    scratch s;
    scratch_make(&s);
    assert_int_equal(threads_for(&s, 0, 99), 100); /* nothing known of siblings */
    assert_int_equal(threads_for(&s, 0, 899), SUAN__MAX_THREADS);
    scratch_text(&s, "proc/self/cgroup", "0::/\n");
    scratch_text(&s, "proc/self/mountinfo", V2_MOUNT);
    scratch_text(&s, "sys/fs/cgroup/cpu.max", "290000 100000\n");
    assert_int_equal(threads_for(&s, 0, 9), 2);
    assert_int_equal(threads_for(&s, 0, 0), 1);
    scratch_text(&s, "sys/fs/cgroup/cpu.max", "10000 100000\n");
    assert_int_equal(threads_for(&s, 0, 9), 1);
    scratch_remove(&s);
    assert_in_range(suan__threads_default(), 1, SUAN__MAX_THREADS);
    assert_true(suan__cpus_allowed() >= 1);
}

/* One thread of each core first, whatever the numbering. */
static void test_order_takes_cores_first(void **state) {
    for (int is_adjacent = 0; is_adjacent < 2; is_adjacent++) {
        scratch s;
        cpu_set_t set;
        int cpus[8], n_cores;
        scratch_make(&s);
        siblings(&s, 4, is_adjacent);
        CPU_ZERO(&set);
        for (size_t i = 0; i < 8; i++) CPU_SET(i, &set);
        assert_int_equal(suan__cpus_sysfs(s.dir, &set, sizeof set, cpus, 8, &n_cores), 8);
        assert_int_equal(n_cores, 4);
        for (int i = 0; i < 8; i++) assert_int_equal(cpus[i], is_adjacent ? i < 4 ? 2 * i : 2 * (i - 4) + 1 : i);
        CPU_CLR(0, &set);
        assert_int_equal(suan__cpus_sysfs(s.dir, &set, sizeof set, cpus, 2, NULL), 2);
        assert_int_equal(cpus[0], 1);
        scratch_remove(&s);
    }
}

#ifdef SUAN__HAVE_HWLOC
static void test_hwloc_takes_cores_first(void **state) {
    cpu_set_t set;
    int cpus[16], n_cores;
    assert_int_equal(suan__cpus_hwloc("pack:2 core:4 pu:2", NULL, 0, cpus, 16, &n_cores), 16);
    assert_int_equal(n_cores, 8);
    for (int i = 0; i < 16; i++) assert_int_equal(cpus[i], i < 8 ? 2 * i : 2 * (i - 8) + 1);
    CPU_ZERO(&set);
    for (size_t i = 1; i < 6; i++) CPU_SET(i, &set); /* half a core, and two whole ones */
    assert_int_equal(suan__cpus_hwloc("pack:2 core:4 pu:2", &set, sizeof set, cpus, 16, &n_cores), 5);
    assert_int_equal(n_cores, 3);
    static const int expected[] = {1, 2, 4, 3, 5};
    assert_memory_equal(cpus, expected, sizeof expected);
    assert_int_equal(suan__cpus_hwloc("no machine", NULL, 0, cpus, 16, &n_cores), 0);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_read_is_no_limit),
        cmocka_unit_test(test_v2_takes_the_tightest_ancestor),
        cmocka_unit_test(test_v2_inside_containers),
        cmocka_unit_test(test_v1_hierarchies),
        cmocka_unit_test(test_meminfo),
        cmocka_unit_test(test_out_of_memory_is_survived),
        cmocka_unit_test(test_hyper_threads_count_up_to_four_cores),
        cmocka_unit_test(test_quota_limits_threads),
        cmocka_unit_test(test_order_takes_cores_first),
#ifdef SUAN__HAVE_HWLOC
        cmocka_unit_test(test_hwloc_takes_cores_first),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
