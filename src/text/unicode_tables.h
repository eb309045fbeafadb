/* unicode_tables.h: the tables that scripts/unicode_tables.py writes. Only unicode*.c and the regex compiler read them. */
#ifndef SUAN_TEXT_UNICODE_TABLES_H
#define SUAN_TEXT_UNICODE_TABLES_H

#include <stdint.h>

typedef struct suan__unicode_range {
    uint32_t first, last; /* both inside */
} suan__unicode_range;

typedef struct suan__unicode_decomposition {
    uint32_t cp;
    uint16_t at, n; /* place in the pool */
} suan__unicode_decomposition;

typedef struct suan__unicode_pair {
    uint32_t a, b, composed;
} suan__unicode_pair;

/* first, first + step, ... last map to themselves + delta. */
typedef struct suan__unicode_map {
    uint32_t first, last, step;
    int32_t delta;
} suan__unicode_map;

typedef struct suan__unicode_full {
    uint32_t from;
    uint32_t to[3]; /* zeros behind the last */
} suan__unicode_full;

extern const char suan__unicode_version[];
extern const uint32_t suan__unicode_category_runs[]; /* first code point << 5 | category; the last run ends at U+10FFFF */
extern const uint32_t suan__unicode_category_runs_n;
extern const suan__unicode_range suan__unicode_white_space[];
extern const uint32_t suan__unicode_white_space_n;
extern const suan__unicode_range suan__unicode_han[];
extern const uint32_t suan__unicode_han_n;
extern const suan__unicode_range suan__unicode_other_lowercase[]; /* lower case beyond Ll */
extern const uint32_t suan__unicode_other_lowercase_n;
extern const suan__unicode_range suan__unicode_other_uppercase[]; /* upper case beyond Lu */
extern const uint32_t suan__unicode_other_uppercase_n;
extern const suan__unicode_range suan__unicode_digit[]; /* digits beyond Nd: superscripts, circled ones */
extern const uint32_t suan__unicode_digit_n;
extern const suan__unicode_range suan__unicode_numeral[]; /* letters with a numeric value: Han numerals */
extern const uint32_t suan__unicode_numeral_n;
extern const uint32_t suan__unicode_ccc_runs[]; /* first code point << 8 | combining class */
extern const uint32_t suan__unicode_ccc_runs_n;
extern const uint32_t suan__unicode_decomposition_pool[];
extern const uint32_t suan__unicode_decomposition_pool_n;
extern const suan__unicode_decomposition suan__unicode_canonical[]; /* full canonical decompositions */
extern const uint32_t suan__unicode_canonical_n;
extern const suan__unicode_decomposition suan__unicode_compatible[]; /* full compatibility ones, where they differ */
extern const uint32_t suan__unicode_compatible_n;
extern const suan__unicode_pair suan__unicode_compositions[]; /* sorted by a, then b */
extern const uint32_t suan__unicode_compositions_n;
extern const suan__unicode_map suan__unicode_lower_map[]; /* simple mappings, sorted, disjoint */
extern const uint32_t suan__unicode_lower_map_n;
extern const suan__unicode_map suan__unicode_upper_map[];
extern const uint32_t suan__unicode_upper_map_n;
extern const suan__unicode_map suan__unicode_title_map[]; /* where it is not that of upper case; delta may be 0 */
extern const uint32_t suan__unicode_title_map_n;
extern const suan__unicode_map suan__unicode_fold_map[];
extern const uint32_t suan__unicode_fold_map_n;
extern const suan__unicode_full suan__unicode_full_lower[]; /* mappings to several code points */
extern const uint32_t suan__unicode_full_lower_n;
extern const suan__unicode_full suan__unicode_full_upper[];
extern const uint32_t suan__unicode_full_upper_n;
extern const suan__unicode_full suan__unicode_full_title[]; /* where it is not that of upper case */
extern const uint32_t suan__unicode_full_title_n;

#endif
