/* dispatch.c: the tables of the levels. Each is filled once, from C upward; after that they are constant. */
#include "kernels/c.h"
#include "kernels/isa.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

void suan__kernels_fill_c(suan__kernels *t) {
    *t = (suan__kernels){.name = "c"};
#define FILL(field, type) t->field = suan__##field##_c;
    SUAN__KERNEL_MAP(FILL)
#undef FILL
#define FILL(type)                                     \
    t->matmul[SUAN__##type] = suan__matmul_##type##_c; \
    t->expand[SUAN__##type] = suan__expand_##type##_c;
    SUAN__WEIGHT_MAP(FILL)
#undef FILL
}

/* Best first; n_tables of them, and their names with a NULL behind. Written once, under the guard. */
#define MAX_LEVELS 6
static suan__kernels tables[MAX_LEVELS];
static const char *names[MAX_LEVELS + 1];
static int n_tables;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* What this build holds beyond C, from the bottom up. */
static const struct level {
    bool (*has)(void);
    void (*overlay)(suan__kernels *t);
} levels[] = {
#if defined(SUAN__HAVE_AVX2)
    {suan__cpu_has_avx2, suan__kernels_overlay_avx2},
#endif
#if defined(SUAN__HAVE_AVXVNNI)
    {suan__cpu_has_avxvnni, suan__kernels_overlay_avxvnni},
#endif
#if defined(SUAN__HAVE_AVX512)
    {suan__cpu_has_avx512, suan__kernels_overlay_avx512},
#endif
#if defined(SUAN__HAVE_AMX)
    {suan__cpu_has_amx, suan__kernels_overlay_amx},
#endif
#if defined(SUAN__HAVE_NEON)
    {suan__cpu_has_neon, suan__kernels_overlay_neon},
#endif
#if defined(SUAN__HAVE_DOTPROD)
    {suan__cpu_has_dotprod, suan__kernels_overlay_dotprod},
#endif
#if defined(SUAN__HAVE_I8MM)
    {suan__cpu_has_i8mm, suan__kernels_overlay_i8mm},
#endif
    {NULL, NULL},
};

/* Each level that the processor has starts as a copy of the best one so far and takes its place at the head. */
static void fill(void) {
    suan__kernels_fill_c(&tables[0]);
    n_tables = 1;
    for (const struct level *l = levels; l->has; l++) {
        if (!l->has()) continue;
        memmove(tables + 1, tables, (size_t)n_tables * sizeof(tables[0]));
        l->overlay(&tables[0]);
        n_tables++;
    }
    for (int i = 0; i < n_tables; i++) names[i] = tables[i].name;
}

const char *const *suan__kernels_levels(void) {
    pthread_once(&once, fill);
    return names;
}

suan_status suan__kernels_get(const suan__kernels **table, const char *name, suan_error *err) {
    *table = NULL;
    pthread_once(&once, fill);
    if (!name || !*name) {
        *table = &tables[0];
        return SUAN_OK;
    }
    char list[80] = "";
    for (int i = 0, n = 0; i < n_tables; i++) {
        if (strcmp(names[i], name) == 0) {
            *table = &tables[i];
            return SUAN_OK;
        }
        n += snprintf(list + n, sizeof(list) - (size_t)n, "%s%s", n ? ", " : "", names[i]);
    }
    return suan__fail(err, SUAN_EUNSUPPORTED, "instruction set \"%s\": this build on this processor can run: %s", name, list);
}
