/* energy_linux.c: zones are folders intel-rapl:0 (a package), intel-rapl:0:0 (a part of it), each with name, energy_uj and
 * max_energy_range_uj; AMD's processors show theirs under the same names. Source: Linux, Documentation/power/powercap/powercap.rst. */
#include "base/energy.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static bool read_text(const char *path, const char *file, char *text, int size) {
    char full[160];
    int n = snprintf(full, sizeof full, "%s/%s", path, file);
    FILE *f = n > 0 && (size_t)n < sizeof full ? fopen(full, "re") : NULL;
    if (!f) return false;
    bool is_read = fgets(text, size, f) != NULL;
    fclose(f);
    if (is_read) text[strcspn(text, "\n")] = 0;
    return is_read;
}

static bool read_number(const char *path, const char *file, uint64_t *value) {
    char text[32];
    uint64_t v = 0;
    if (!read_text(path, file, text, sizeof text) || !*text) return false;
    for (const char *p = text; *p; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    *value = v;
    return true;
}

/* Packages count their cores and graphics already; memory beside them they do not. */
static bool is_wanted(const char *name) {
    return strncmp(name, "package-", 8) == 0 || strcmp(name, "dram") == 0;
}

void suan__energy_open(suan__energy *e, const char *root) {
    char folder[64], name[32];
    *e = (suan__energy){.n_zones = 0};
    int n = snprintf(folder, sizeof folder, "%s/sys/class/powercap", root);
    DIR *dir = n > 0 && (size_t)n < sizeof folder ? opendir(folder) : NULL;
    if (!dir) return;
    for (const struct dirent *d; (d = readdir(dir)) && e->n_zones < SUAN__MAX_ENERGY_ZONES;) {
        suan__energy_zone *z = &e->zones[e->n_zones];
        if (strncmp(d->d_name, "intel-rapl:", 11) != 0) continue; /* not intel-rapl-mmio: the same counters again */
        n = snprintf(z->path, sizeof z->path, "%s/%s", folder, d->d_name);
        if (n < 0 || (size_t)n >= sizeof z->path || !read_text(z->path, "name", name, sizeof name) || !is_wanted(name)) continue;
        if (!read_number(z->path, "max_energy_range_uj", &z->range) || !read_number(z->path, "energy_uj", &z->last)) continue;
        e->n_zones++;
    }
    closedir(dir);
}

double suan__energy_read(suan__energy *e) {
    for (int i = 0; i < e->n_zones; i++) {
        suan__energy_zone *z = &e->zones[i];
        uint64_t now;
        if (!read_number(z->path, "energy_uj", &now)) {
            e->n_zones = 0;
            break;
        }
        uint64_t used = now >= z->last ? now - z->last : z->range >= z->last ? z->range - z->last + now : 0;
        e->joules += (double)used * 1e-6;
        z->last = now;
    }
    return e->n_zones ? e->joules : -1;
}
