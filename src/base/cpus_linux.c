/* cpus_linux.c: the affinity mask, the cores below it and the quota above it. */
#include "base/cpus.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/memory.h"
#include "base/thread.h"

enum { N_CPUS_MAX = 1 << 16, HYPER_THREADS_CORES = 4 };

/* The processors we may run on; owned by the caller afterwards. NULL, with *n_cpus those online, when the kernel does not say. */
static cpu_set_t *affinity(size_t *bytes, int *n_cpus) {
    for (size_t n = 1024; n <= N_CPUS_MAX; n *= 2) {
        *bytes = CPU_ALLOC_SIZE(n);
        cpu_set_t *set = suan__calloc(1, *bytes);
        if (!set) break;
        if (sched_getaffinity(0, *bytes, set) == 0) {
            *n_cpus = CPU_COUNT_S(*bytes, set);
            return set;
        }
        int e = errno;
        suan__free(set);
        if (e != EINVAL) break; /* EINVAL: the kernel's mask is longer */
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    *bytes = 0;
    *n_cpus = online > 0 && online <= N_CPUS_MAX ? (int)online : 1;
    return NULL;
}

/* Whether a list like "0-1,64" names a processor that is below `cpu` and in the set: then its core is counted already. */
static bool core_is_counted(const char *list, int cpu, const cpu_set_t *set, size_t bytes) {
    for (const char *p = list; *p >= '0' && *p <= '9';) {
        long range[2] = {0, 0};
        int n_ends = 0;
        do {
            if (n_ends) p++; /* the dash */
            long v = 0;
            for (; *p >= '0' && *p <= '9'; p++)
                if (v < N_CPUS_MAX) v = v * 10 + (*p - '0');
            range[n_ends++] = v;
        } while (n_ends < 2 && *p == '-');
        if (n_ends == 1) range[1] = range[0];
        for (long i = range[0]; i <= range[1] && i < cpu; i++)
            if (CPU_ISSET_S((size_t)i, bytes, set)) return true;
        if (*p == ',') p++;
    }
    return false;
}

/* Whether the processor is the first of its core in the set. One whose siblings cannot be read counts as a core. */
static bool is_first_of_core(const char *root, int cpu, const cpu_set_t *set, size_t bytes) {
    char path[PATH_MAX], list[256];
    int n = snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, cpu);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    bool is_counted = f && fgets(list, sizeof list, f) && core_is_counted(list, cpu, set, bytes);
    if (f) fclose(f);
    return !is_counted;
}

/* The processors come in two rounds: those that are the first of their core, then the others. */
int suan__cpus_sysfs(const char *root, const cpu_set_t *set, size_t bytes, int *cpus, int capacity, int *n_cores) {
    int n_cpus = CPU_COUNT_S(bytes, set), n = 0, n_others = 0;
    if (n_cpus > capacity) n_cpus = capacity;
    for (int cpu = 0, n_seen = 0; n_seen < n_cpus; cpu++) {
        if (!CPU_ISSET_S((size_t)cpu, bytes, set)) continue;
        n_seen++;
        if (is_first_of_core(root, cpu, set, bytes))
            cpus[n++] = cpu;
        else
            cpus[n_cpus - ++n_others] = cpu;
    }
    for (int i = n, k = n_cpus - 1; i < k; i++, k--) { /* the others were put down backwards */
        int cpu = cpus[i];
        cpus[i] = cpus[k];
        cpus[k] = cpu;
    }
    if (n_cores) *n_cores = n;
    return n_cpus;
}

static int order(const cpu_set_t *set, size_t bytes, int *cpus, int capacity, int *n_cores) {
    int n = 0, unused;
    if (!n_cores) n_cores = &unused;
#ifdef SUAN__HAVE_HWLOC
    n = suan__cpus_hwloc(NULL, set, bytes, cpus, capacity, n_cores);
    int n_cpus = CPU_COUNT_S(bytes, set);
    if (n != (n_cpus < capacity ? n_cpus : capacity)) n = 0; /* hwloc was shown another machine than the kernel gives us */
#endif
    return n ? n : suan__cpus_sysfs("", set, bytes, cpus, capacity, n_cores);
}

int suan__cpus_order(int *cpus, int capacity, int *n_cores) {
    size_t bytes;
    int n_cpus;
    cpu_set_t *set = affinity(&bytes, &n_cpus);
    int n = set ? order(set, bytes, cpus, capacity, n_cores) : 0;
    suan__free(set);
    return n;
}

static int count_cores(const char *root, const cpu_set_t *set, size_t bytes, int n_cpus) {
    int n_cores = 0, *cpus = suan__calloc((size_t)n_cpus, sizeof *cpus);
    if (!cpus) return n_cpus;
    if (*root)
        suan__cpus_sysfs(root, set, bytes, cpus, n_cpus, &n_cores);
    else
        order(set, bytes, cpus, n_cpus, &n_cores);
    suan__free(cpus);
    return n_cores;
}

/* Whole processors of the quota only: a thread that is throttled in the middle of a period holds up all others at the next barrier. */
static int limit_threads(const char *root, int n) {
    uint64_t quota = suan__cgroup_cpu_quota(root) / 1000;
    if (quota < (uint64_t)n) n = (int)quota;
    if (n > SUAN__MAX_THREADS) n = SUAN__MAX_THREADS;
    return n < 1 ? 1 : n;
}

int suan__cpus_threads(const char *root, const cpu_set_t *set, size_t set_bytes) {
    int n = CPU_COUNT_S(set_bytes, set);
    if (n > HYPER_THREADS_CORES) {
        int n_cores = count_cores(root, set, set_bytes, n);
        if (n_cores > HYPER_THREADS_CORES) n = n_cores;
    }
    return limit_threads(root, n);
}

int suan__threads_default(void) {
    size_t bytes;
    int n;
    cpu_set_t *set = affinity(&bytes, &n);
    n = set ? suan__cpus_threads("", set, bytes) : limit_threads("", n);
    suan__free(set);
    return n;
}

int suan__cpus_allowed(void) {
    size_t bytes;
    int n;
    suan__free(affinity(&bytes, &n));
    uint64_t quota = suan__cgroup_cpu_quota("");
    quota = quota / 1000 + (quota % 1000 != 0);
    if (quota < (uint64_t)n) n = (int)quota;
    return n < 1 ? 1 : n;
}
