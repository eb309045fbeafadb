/* version.c: what the library is, what the processor has, and giving memory back. */
#include "base/memory.h"
#include "kernels/kernels.h"
#include "suan/model.h"

#ifndef SUAN_VERSION
#error "the build defines SUAN_VERSION"
#endif

const char *suan_version(void) {
    return SUAN_VERSION;
}

const char *suan_cpu_level(const char *cpu) {
    const suan__kernels *table;
    return suan__kernels_get(&table, cpu, NULL) == SUAN_OK ? table->name : NULL;
}

const char *suan_cpu_features(void) {
    return suan__cpu_features();
}

void suan_free(void *p) {
    suan__free(p);
}
