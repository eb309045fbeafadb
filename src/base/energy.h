/* energy.h: what the processor's own counters say about energy (RAPL, as Linux shows it in /sys/class/powercap). Where there are none, or
 * they may be read by root only, nothing is known: that is no error.
 */
#ifndef SUAN_BASE_ENERGY_H
#define SUAN_BASE_ENERGY_H

#include <stdbool.h>
#include <stdint.h>

#define SUAN__MAX_ENERGY_ZONES 32

/* One counter of microjoules that begins anew behind `range`. */
typedef struct suan__energy_zone {
    char path[96];
    uint64_t range, last;
} suan__energy_zone;

/* Processor packages, and memory where it is counted apart from them. */
typedef struct suan__energy {
    suan__energy_zone zones[SUAN__MAX_ENERGY_ZONES];
    int n_zones;   /* 0: nothing is known */
    double joules; /* since open */
} suan__energy;

/* root is put before the paths that are read, "" for this machine (tests bring their own). */
void suan__energy_open(suan__energy *e, const char *root);
/* Joules since open; below 0: nothing is known. Counters may pass their range once between two calls. */
double suan__energy_read(suan__energy *e);

#endif
