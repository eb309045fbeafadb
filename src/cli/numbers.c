/* numbers.c: numbers as people write them in flags, read strictly: what is not wholly a number in range is none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"

enum { MAX_NUMBER = 63 }; /* bytes of the longest number that anybody would type */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool cli_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *value) {
    uint64_t v = 0;
    if (n == 0) return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i])) return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v)) return false;
    }
    if (v > max) return false;
    *value = v;
    return true;
}

bool cli_parse_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *value) {
    bool is_negative = n > 0 && s[0] == '-';
    uint64_t v;
    if (!cli_parse_u64(s + is_negative, n - is_negative, INT64_MAX, &v)) return false;
    int64_t signed_v = is_negative ? -(int64_t)v : (int64_t)v;
    if (signed_v < min || signed_v > max) return false;
    *value = signed_v;
    return true;
}

static size_t skip_digits(const char *s, size_t n, size_t i) {
    while (i < n && is_digit(s[i])) i++;
    return i;
}

bool cli_parse_f64(const char *s, size_t n, double *value) {
    size_t i = n > 0 && (s[0] == '-' || s[0] == '+'), start = i;
    char copy[MAX_NUMBER + 1];
    if (n > MAX_NUMBER) return false;
    i = skip_digits(s, n, i);
    size_t n_digits = i - start;
    if (i < n && s[i] == '.') {
        start = i + 1;
        i = skip_digits(s, n, start);
        n_digits += i - start;
    }
    if (n_digits == 0) return false;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < n && (s[i] == '-' || s[i] == '+')) i++;
        start = i;
        i = skip_digits(s, n, i);
        if (i == start) return false;
    }
    if (i != n) return false;
    memcpy(copy, s, n);
    copy[n] = 0;
    double v = strtod(copy, NULL); /* the program never sets LC_NUMERIC, so the point is a point */
    if (!isfinite(v)) return false;
    *value = v;
    return true;
}
