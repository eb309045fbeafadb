/* unicode.c: look-ups in the generated tables. */
#include "text/unicode.h"

#include "text/unicode_tables.h"

/* The last run whose first code point is <= cp; runs hold first << shift | value and begin at 0. */
static uint32_t run_value(const uint32_t *runs, uint32_t n, unsigned shift, uint32_t cp) {
    uint32_t low = 0, high = n; /* runs[low].first <= cp < runs[high].first */
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (runs[mid] >> shift <= cp)
            low = mid;
        else
            high = mid;
    }
    return runs[low] & ((1u << shift) - 1);
}

static bool in_ranges(const suan__unicode_range *r, uint32_t n, uint32_t cp) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (cp < r[mid].first)
            high = mid;
        else if (cp > r[mid].last)
            low = mid + 1;
        else
            return true;
    }
    return false;
}

static uint32_t map_to(const suan__unicode_map *m, uint32_t n, uint32_t cp) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (m[mid].from < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && m[low].from == cp ? m[low].to : cp;
}

static size_t map_full(const suan__unicode_full *m, uint32_t n, uint32_t cp, uint32_t simple, uint32_t out[3]) {
    for (uint32_t i = 0; cp >= 0x80 && i < n; i++) {
        if (m[i].from != cp) continue;
        size_t k = 0;
        while (k < 3 && m[i].to[k]) {
            out[k] = m[i].to[k];
            k++;
        }
        return k;
    }
    out[0] = simple;
    return 1;
}

suan__category suan__unicode_category(uint32_t cp) {
    if (cp > 0x10FFFF) return SUAN__CN;
    return (suan__category)run_value(suan__unicode_category_runs, suan__unicode_category_runs_n, 5, cp);
}

bool suan__unicode_is_space(uint32_t cp) {
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13);
    return in_ranges(suan__unicode_white_space, suan__unicode_white_space_n, cp);
}

bool suan__unicode_is_han(uint32_t cp) {
    return cp >= 0x2E80 && in_ranges(suan__unicode_han, suan__unicode_han_n, cp);
}

bool suan__unicode_is_letter(uint32_t cp) {
    suan__category c = suan__unicode_category(cp);
    return c >= SUAN__LL && c <= SUAN__LU;
}

bool suan__unicode_is_number(uint32_t cp) {
    suan__category c = suan__unicode_category(cp);
    return c >= SUAN__ND && c <= SUAN__NO;
}

bool suan__unicode_is_word(uint32_t cp) {
    suan__category c = suan__unicode_category(cp);
    return (c >= SUAN__LL && c <= SUAN__ND) || c == SUAN__PC;
}

bool suan__unicode_is_punctuation(uint32_t cp) {
    suan__category c = suan__unicode_category(cp);
    return c >= SUAN__PC && c <= SUAN__PS;
}

uint32_t suan__unicode_lower(uint32_t cp) {
    if (cp < 0x80) return cp - 'A' < 26u ? cp + 32 : cp;
    return map_to(suan__unicode_lower_map, suan__unicode_lower_map_n, cp);
}

uint32_t suan__unicode_upper(uint32_t cp) {
    if (cp < 0x80) return cp - 'a' < 26u ? cp - 32 : cp;
    return map_to(suan__unicode_upper_map, suan__unicode_upper_map_n, cp);
}

uint32_t suan__unicode_fold(uint32_t cp) {
    if (cp < 0x80) return cp - 'A' < 26u ? cp + 32 : cp;
    return map_to(suan__unicode_fold_map, suan__unicode_fold_map_n, cp);
}

size_t suan__unicode_lower_full(uint32_t cp, uint32_t out[3]) {
    return map_full(suan__unicode_full_lower, suan__unicode_full_lower_n, cp, suan__unicode_lower(cp), out);
}

size_t suan__unicode_upper_full(uint32_t cp, uint32_t out[3]) {
    return map_full(suan__unicode_full_upper, suan__unicode_full_upper_n, cp, suan__unicode_upper(cp), out);
}

unsigned suan__unicode_combining_class(uint32_t cp) {
    if (cp < 0x300 || cp > 0x10FFFF) return 0;
    return run_value(suan__unicode_ccc_runs, suan__unicode_ccc_runs_n, 8, cp);
}
