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

/* The mapping of cp in m; false: m does not name cp, and *to is cp. */
static bool find_map(const suan__unicode_map *m, uint32_t n, uint32_t cp, uint32_t *to) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (m[mid].last < cp)
            low = mid + 1;
        else
            high = mid;
    }
    *to = cp;
    if (low == n || cp < m[low].first || (cp - m[low].first) % m[low].step) return false;
    *to = cp + (uint32_t)m[low].delta; /* modulo 2^32: the delta may be negative */
    return true;
}

static uint32_t map_to(const suan__unicode_map *m, uint32_t n, uint32_t cp) {
    uint32_t to;
    find_map(m, n, cp, &to);
    return to;
}

/* Writes the mapping of cp in m to out, returns its length; 0: m does not name cp. */
static size_t find_full(const suan__unicode_full *m, uint32_t n, uint32_t cp, uint32_t out[3]) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (m[mid].from < cp)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == n || m[low].from != cp) return 0;
    size_t k = 0;
    while (k < 3 && m[low].to[k]) {
        out[k] = m[low].to[k];
        k++;
    }
    return k;
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

bool suan__unicode_is_decimal(uint32_t cp) {
    return suan__unicode_category(cp) == SUAN__ND;
}

bool suan__unicode_is_digit(uint32_t cp) {
    return suan__unicode_is_decimal(cp) || in_ranges(suan__unicode_digit, suan__unicode_digit_n, cp);
}

bool suan__unicode_is_numeric(uint32_t cp) {
    return suan__unicode_is_number(cp) || in_ranges(suan__unicode_numeral, suan__unicode_numeral_n, cp);
}

bool suan__unicode_is_printable(uint32_t cp) {
    if (cp < 0x80) return cp >= 0x20 && cp != 0x7F;
    suan__category c = suan__unicode_category(cp);
    return c >= SUAN__LL && c < SUAN__ZL;
}

bool suan__unicode_is_lower(uint32_t cp) {
    if (cp < 0x80) return cp - 'a' < 26u;
    return suan__unicode_category(cp) == SUAN__LL || in_ranges(suan__unicode_other_lowercase, suan__unicode_other_lowercase_n, cp);
}

bool suan__unicode_is_upper(uint32_t cp) {
    if (cp < 0x80) return cp - 'A' < 26u;
    return suan__unicode_category(cp) == SUAN__LU || in_ranges(suan__unicode_other_uppercase, suan__unicode_other_uppercase_n, cp);
}

bool suan__unicode_is_cased(uint32_t cp) {
    return suan__unicode_is_lower(cp) || suan__unicode_is_upper(cp) || suan__unicode_category(cp) == SUAN__LT;
}

/* Unicode 16.0, section 3.13, D136: besides five categories, the punctuation inside words (WordBreakProperty.txt: Single_Quote, MidLetter
 * and MidNumLet). */
bool suan__unicode_is_case_ignorable(uint32_t cp) {
    static const uint16_t inside_words[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                            0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    suan__category c = suan__unicode_category(cp);
    if (c == SUAN__MN || c == SUAN__ME || c == SUAN__CF || c == SUAN__LM || c == SUAN__SK) return true;
    if (c != SUAN__PO && c != SUAN__PI && c != SUAN__PF) return false;
    for (size_t i = 0; i < sizeof inside_words / sizeof *inside_words; i++)
        if (inside_words[i] == cp) return true;
    return false;
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
    size_t n = find_full(suan__unicode_full_lower, suan__unicode_full_lower_n, cp, out);
    if (n) return n;
    out[0] = suan__unicode_lower(cp);
    return 1;
}

size_t suan__unicode_upper_full(uint32_t cp, uint32_t out[3]) {
    size_t n = cp < 0x80 ? 0 : find_full(suan__unicode_full_upper, suan__unicode_full_upper_n, cp, out);
    if (n) return n;
    out[0] = suan__unicode_upper(cp);
    return 1;
}

size_t suan__unicode_title_full(uint32_t cp, uint32_t out[3]) {
    if (cp >= 0x80) {
        size_t n = find_full(suan__unicode_full_title, suan__unicode_full_title_n, cp, out);
        if (n) return n;
        if (find_map(suan__unicode_title_map, suan__unicode_title_map_n, cp, &out[0])) return 1;
    }
    return suan__unicode_upper_full(cp, out);
}

unsigned suan__unicode_combining_class(uint32_t cp) {
    if (cp < 0x300 || cp > 0x10FFFF) return 0;
    return run_value(suan__unicode_ccc_runs, suan__unicode_ccc_runs_n, 8, cp);
}
