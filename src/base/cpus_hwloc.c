/* cpus_hwloc.c: cores, their threads and their kinds as hwloc finds them.
 *
 * Only what is needed is looked for: no caches, no devices. Built where hwloc is (meson option "hwloc"); everywhere else, and where hwloc
 * cannot read the machine, cpus_linux.c reads sysfs itself.
 */
#include "base/cpus.h"

#include <hwloc.h>
#include <stdlib.h>

#include "base/memory.h"

/* A processor on its place in the order. */
typedef struct place {
    int cpu;
    int i_sibling;  /* which thread of its core it is, among those allowed */
    int efficiency; /* hwloc's rank of its kind: larger is faster; -1 when all are of one kind */
    int at;
} place;

static int compare(const void *va, const void *vb) {
    const place *a = va, *b = vb;
    if (a->i_sibling != b->i_sibling) return a->i_sibling < b->i_sibling ? -1 : 1;
    if (a->efficiency != b->efficiency) return a->efficiency > b->efficiency ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static bool is_allowed(const cpu_set_t *set, size_t set_bytes, unsigned cpu) {
    return !set || CPU_ISSET_S(cpu, set_bytes, set);
}

static int efficiency_of(hwloc_topology_t topology, hwloc_const_cpuset_t cpus) {
    int kind = hwloc_cpukinds_get_by_cpuset(topology, cpus, 0), efficiency = -1;
    if (kind < 0 || hwloc_cpukinds_get_info(topology, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0) != 0) return -1;
    return efficiency;
}

/* The allowed processors of one core, behind the n there are. */
static int add_core(hwloc_topology_t topology, hwloc_obj_t core, const cpu_set_t *set, size_t set_bytes, place *places, int n,
                    int capacity) {
    int i_sibling = 0, efficiency = efficiency_of(topology, core->cpuset);
    for (int cpu = hwloc_bitmap_first(core->cpuset); cpu >= 0 && n < capacity; cpu = hwloc_bitmap_next(core->cpuset, cpu)) {
        if (!is_allowed(set, set_bytes, (unsigned)cpu)) continue;
        places[n] = (place){cpu, i_sibling++, efficiency, n};
        n++;
    }
    return n;
}

static hwloc_topology_t load(const char *synthetic) {
    hwloc_topology_t t;
    if (hwloc_topology_init(&t) != 0) return NULL;
    hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if ((synthetic && hwloc_topology_set_synthetic(t, synthetic) != 0) || hwloc_topology_load(t) != 0) {
        hwloc_topology_destroy(t);
        return NULL;
    }
    return t;
}

int suan__cpus_hwloc(const char *synthetic, const cpu_set_t *set, size_t set_bytes, int *cpus, int capacity, int *n_cores) {
    static const int most = 1 << 16;
    hwloc_topology_t topology = load(synthetic);
    if (!topology) return 0;
    place *places = capacity > 0 && capacity <= most ? suan__calloc((size_t)capacity, sizeof *places) : NULL;
    int n = 0;
    *n_cores = 0;
    for (hwloc_obj_t core = NULL; places && (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core));)
        n = add_core(topology, core, set, set_bytes, places, n, capacity);
    if (places) qsort(places, (size_t)n, sizeof *places, compare);
    for (int i = 0; i < n; i++) {
        cpus[i] = places[i].cpu;
        *n_cores += places[i].i_sibling == 0;
    }
    suan__free(places);
    hwloc_topology_destroy(topology);
    return n;
}
