/* jinja_unicode.c: look-ups in the generated tables, with a short way for ASCII. */
#include "text/jinja_unicode.h"

static bool in_ranges(const jrange32 *r, size_t n, uint32_t cp) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cp > r[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && cp >= r[lo].first;
}

bool suan__j_is_space(uint32_t cp) {
    return (cp >= 9 && cp <= 13) || (cp >= 0x1c && cp <= 0x20) || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

bool suan__j_is_printable(uint32_t cp) {
    return cp < 0x7f ? cp >= 0x20 : in_ranges(suan__j_printable, suan__j_n_printable, cp);
}
bool suan__j_is_alpha(uint32_t cp) {
    return cp < 0x80 ? (cp | 32) - 'a' < 26 : in_ranges(suan__j_alpha, suan__j_n_alpha, cp);
}
bool suan__j_is_decimal(uint32_t cp) {
    return cp < 0x80 ? cp - '0' < 10 : in_ranges(suan__j_decimal, suan__j_n_decimal, cp);
}
bool suan__j_is_digit(uint32_t cp) {
    return cp < 0x80 ? cp - '0' < 10 : in_ranges(suan__j_digit, suan__j_n_digit, cp);
}
bool suan__j_is_numeric(uint32_t cp) {
    return cp < 0x80 ? cp - '0' < 10 : in_ranges(suan__j_numeric, suan__j_n_numeric, cp);
}
bool suan__j_is_lower(uint32_t cp) {
    return cp < 0x80 ? cp - 'a' < 26 : in_ranges(suan__j_lower, suan__j_n_lower, cp);
}
bool suan__j_is_upper(uint32_t cp) {
    return cp < 0x80 ? cp - 'A' < 26 : in_ranges(suan__j_upper, suan__j_n_upper, cp);
}
bool suan__j_is_cased(uint32_t cp) {
    return cp < 0x80 ? (cp | 32) - 'a' < 26 : in_ranges(suan__j_cased, suan__j_n_cased, cp);
}
bool suan__j_is_case_ignorable(uint32_t cp) {
    return in_ranges(suan__j_ignorable, suan__j_n_ignorable, cp);
}
bool suan__j_is_word(uint32_t cp) {
    return cp == '_' || suan__j_is_alpha(cp) || suan__j_is_numeric(cp);
}

static int map_case(uint32_t cp, uint32_t to[3], const jcase_range *r, size_t n, const jcase_special *s, size_t n_special) {
    size_t lo = 0, hi = n_special;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s[mid].from < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < n_special && s[lo].from == cp) {
        int k = 0;
        while (k < 3 && s[lo].to[k]) {
            to[k] = s[lo].to[k];
            k++;
        }
        return k;
    }
    to[0] = cp;
    lo = 0;
    hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cp > r[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < n && cp >= r[lo].first && (cp - r[lo].first) % r[lo].step == 0) to[0] = (uint32_t)((int32_t)cp + r[lo].delta);
    return 1;
}

int suan__j_upper_of(uint32_t cp, uint32_t to[3]) {
    if (cp < 0x80) {
        to[0] = cp - 'a' < 26 ? cp - 32 : cp;
        return 1;
    }
    return map_case(cp, to, suan__j_to_upper, suan__j_n_to_upper, suan__j_special_upper, suan__j_n_special_upper);
}

int suan__j_lower_of(uint32_t cp, uint32_t to[3]) {
    if (cp < 0x80) {
        to[0] = cp - 'A' < 26 ? cp + 32 : cp;
        return 1;
    }
    return map_case(cp, to, suan__j_to_lower, suan__j_n_to_lower, suan__j_special_lower, suan__j_n_special_lower);
}

int suan__j_title_of(uint32_t cp, uint32_t to[3]) {
    if (cp < 0x80) return suan__j_upper_of(cp, to);
    return map_case(cp, to, suan__j_to_title, suan__j_n_to_title, suan__j_special_title, suan__j_n_special_title);
}
