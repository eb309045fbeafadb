/* pretok_set.h: sets of code points as sorted ranges, for the classes of regular expressions. */
#ifndef SUAN_TEXT_PRETOK_SET_H
#define SUAN_TEXT_PRETOK_SET_H

#include "base/memory.h"
#include "text/unicode_tables.h"

typedef struct suan__cpset {
    suan__unicode_range *r; /* sorted, disjoint and not adjacent after suan__cpset_finish */
    uint32_t n, capacity;
    suan__arena *arena; /* owns r */
    bool failed;        /* out of memory; sticky */
} suan__cpset;

void suan__cpset_init(suan__cpset *s, suan__arena *arena);
void suan__cpset_add(suan__cpset *s, uint32_t first, uint32_t last);
void suan__cpset_add_set(suan__cpset *s, const suan__cpset *other);
/* Sorts and joins; the operations below need finished sets and leave finished ones. */
void suan__cpset_finish(suan__cpset *s);
void suan__cpset_negate(suan__cpset *s);
void suan__cpset_intersect(suan__cpset *s, const suan__cpset *other);
/* Adds every code point whose simple case folding equals that of a member. */
void suan__cpset_fold(suan__cpset *s);
bool suan__cpset_has(const suan__cpset *s, uint32_t cp);
bool suan__cpset_equal(const suan__cpset *a, const suan__cpset *b);
/* Adds a property by its name as \p{...} spells it: a general category ("L", "Lu", "Letter", ...), "Han", "White_Space". Case, '_', '-' and spaces in the name do not matter. False: unknown. */
bool suan__cpset_add_property(suan__cpset *s, const char *name, size_t n);

#endif
