/* names.h: a hash table from names to numbers, for keys and tensor names out of files.
 *
 * The hash is keyed with random bits, so no file can be made that sends all its names to one slot. The numbers that come out do not
 * depend on the key.
 */
#ifndef SUAN_FORMATS_NAMES_H
#define SUAN_FORMATS_NAMES_H

#include "base/memory.h"

#define SUAN__NAME_NONE UINT64_MAX

typedef struct suan__name_slot {
    const char *name; /* borrowed; NULL: free */
    uint32_t n;
    uint32_t i;
} suan__name_slot;

typedef struct suan__names {
    suan__name_slot *slots;
    uint64_t mask;
    uint64_t key[2];
} suan__names;

/* Room for n names (n < 2^31), in the arena; false when out of memory. */
bool suan__names_init(suan__names *t, suan__arena *arena, uint64_t n);
/* Adds a name (kept: must outlive the table) unless it is there; returns the number of the one that was there, SUAN__NAME_NONE if it is
 * new. At most as many as announced may be added. */
uint64_t suan__names_add(suan__names *t, const char *name, uint32_t n, uint32_t i);
uint64_t suan__names_find(const suan__names *t, const char *name, uint32_t n);

#endif
