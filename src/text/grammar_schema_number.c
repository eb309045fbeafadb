/* grammar_schema_number.c: numbers between bounds, digit by digit.
 *
 * The texts are decimals without exponent: an integer part without leading zeros and, where integers are not asked for, a fraction. At each
 * length of the integer part the digits run along those of the lower and of the upper bound until they leave them.
 *
 * Readers keep numbers as binary64. Reading rounds, and never changes the order of two numbers, but it may make different ones equal, which an
 * exclusive bound must not suffer. Numbers of at most 15 significant digits stay different; so a fraction ends where they would be more. Bounds
 * count as the shortest decimal that reads back the same, which no other number of 15 digits is read as.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/grammar_schema.h"

enum { MAX_DIGITS = 96, EXACT_DIGITS = 15 };

/* A bound: not negative, digits without leading zeros (but for one before the point) and without trailing ones. */
typedef struct bound {
    bool is_there, is_negative, is_strict;
    int n_integer, n; /* digits before the point, all digits */
    char digit[MAX_DIGITS];
    double value;
} bound;

/* Digits and point of a number text of %g or %lld. */
static void set_digits(bound *x, const char *text) {
    char digits[64];
    int n = 0, point = -1, exponent = 0;
    x->is_negative = *text == '-';
    for (text += x->is_negative; *text && *text != 'e'; text++) {
        if (*text == '.')
            point = n;
        else if (n < 60)
            digits[n++] = *text;
    }
    if (*text == 'e') exponent = (int)strtol(text + 1, NULL, 10);
    if (point < 0) point = n;
    point += exponent;
    x->n_integer = point > 1 ? point : 1;
    x->n = 0;
    for (int i = point < 1 ? point - 1 : 0; i < n || x->n < x->n_integer; i++) {
        if (x->n == MAX_DIGITS) break;
        x->digit[x->n++] = i < 0 || i >= n ? '0' : digits[i];
    }
    while (x->n > x->n_integer && x->digit[x->n - 1] == '0') x->n--;
    if (x->n == 1 && x->digit[0] == '0') x->is_negative = false;
}

static int compare(const json_t *a, const json_t *b) {
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    double x = json_number_value(a), y = json_number_value(b);
    return (x > y) - (x < y);
}

/* The narrowest bound of a set: from below or from above. */
static void find_bound(const suan__schema *c, const suan__schema_set *s, bool is_lower, bound *x) {
    const json_t *narrowest = NULL;
    x->is_there = x->is_strict = false;
    for (int strict = 0; strict < 2; strict++) {
        const char *names[2][2] = {{"maximum", "exclusiveMaximum"}, {"minimum", "exclusiveMinimum"}};
        const json_t *value;
        for (uint32_t at = 0, row; (value = suan__set_keyword(c, s, names[is_lower][strict], &at, &row));) {
            if (fabs(json_number_value(value)) > 1e40) continue; /* refused, or passed over */
            int order = narrowest ? compare(value, narrowest) * (is_lower ? 1 : -1) : 1;
            if (order < 0 || (order == 0 && !strict)) continue;
            narrowest = value;
            x->is_strict = strict;
        }
    }
    if (!narrowest) return;
    char text[64];
    x->is_there = true;
    x->value = json_number_value(narrowest);
    if (fabs(x->value) < 1e-30 && x->value != 0) x->value = 0, x->is_strict = true;
    if (json_is_integer(narrowest))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(narrowest));
    else
        suan__json_real_text(text, x->value);
    set_digits(x, text);
}

/* ---- texts of one length of the integer part ---- */

typedef struct digits {
    const suan__json_nodes *j;
    const bound *lower, *upper; /* NULL: this length has nothing to do with it */
    int n_integer, n_fraction;
} digits;

static char digit_of(const bound *x, int i) {
    return i < x->n ? x->digit[i] : '0';
}

/* Whether digits [from, end) of the bound are all zero. */
static bool is_zero_from(const bound *x, int from) {
    for (int i = from; i < x->n; i++)
        if (x->digit[i] != '0') return false;
    return true;
}

/* Whether the number may end before digit i, having run along the bounds that are on. */
static bool may_stop(const digits *d, int i, bool on_lower, bool on_upper) {
    if (on_lower && (!is_zero_from(d->lower, i) || d->lower->is_strict)) return false;
    return !(on_upper && d->upper->is_strict && is_zero_from(d->upper, i));
}

static suan__node range_of(suan__builder *b, int first, int last) {
    return suan__node_set(b, &(suan__unicode_range){(uint32_t)first, (uint32_t)last}, first <= last, false);
}

/* One digit at place i, and behind it one of next[on_lower][on_upper]. */
static suan__node one_digit(const digits *d, int i, bool on_lower, bool on_upper, suan__node next[2][2]) {
    suan__builder *b = d->j->b;
    suan__node parts[10];
    size_t n = 0;
    int least = i == 0 && d->n_integer > 1 ? '1' : '0', low = on_lower ? digit_of(d->lower, i) : least;
    int high = on_upper ? digit_of(d->upper, i) : '9';
    if (low < least) low = least, on_lower = false;
    int inner_low = on_lower ? low + 1 : low, inner_high = on_upper ? high - 1 : high;
    if (on_lower && low <= high && !(on_upper && low == high)) parts[n++] = SUAN__SEQ(b, range_of(b, low, low), next[1][0]);
    if (inner_low <= inner_high) parts[n++] = SUAN__SEQ(b, range_of(b, inner_low, inner_high), next[0][0]);
    if (on_upper && low <= high) parts[n++] = SUAN__SEQ(b, range_of(b, high, high), next[on_lower && low == high][1]);
    return suan__node_alt(b, parts, n);
}

/* What may follow before digit i away from both bounds. */
static suan__node free_digits(const digits *d, int i) {
    suan__builder *b = d->j->b;
    suan__node digit = range_of(b, '0', '9'), fraction = suan__json_empty(b);
    if (i > d->n_integer) return suan__node_repeat(b, digit, 0, (uint32_t)(d->n_integer + d->n_fraction - i));
    if (d->n_fraction > 0)
        fraction = suan__json_optional(b, SUAN__SEQ(b, suan__json_bytes(b, "."), suan__node_repeat(b, digit, 1, (uint32_t)d->n_fraction)));
    if (i == d->n_integer) return fraction;
    uint32_t n = (uint32_t)(d->n_integer - i);
    if (i > 0 || n == 1) return SUAN__SEQ(b, suan__node_repeat(b, digit, n, n), fraction);
    return SUAN__SEQ(b, range_of(b, '1', '9'), suan__node_repeat(b, digit, n - 1, n - 1), fraction);
}

/* From the last digit to the first, for all ways to stand to the bounds. */
static suan__node of_length(const digits *d) {
    suan__builder *b = d->j->b;
    int end = d->n_integer + d->n_fraction;
    suan__node next[2][2], made[2][2];
    if (!d->lower && !d->upper) return free_digits(d, 0);
    for (int i = end; i >= 0; i--) {
        made[0][0] = free_digits(d, i);
        for (int k = 1; k < 4; k++) {
            bool on_lower = k & 1, on_upper = k & 2;
            made[on_lower][on_upper] = suan__json_nothing(b);
            if ((on_lower && !d->lower) || (on_upper && !d->upper)) continue;
            suan__node parts[2];
            size_t n = 0;
            if (i >= d->n_integer && may_stop(d, i, on_lower, on_upper)) parts[n++] = suan__json_empty(b);
            if (i < end) {
                suan__node digit = one_digit(d, i, on_lower, on_upper, next);
                parts[n++] = i == d->n_integer ? SUAN__SEQ(b, suan__json_bytes(b, "."), digit) : digit;
            }
            made[on_lower][on_upper] = suan__node_alt(b, parts, n);
        }
        memcpy(next, made, sizeof next);
    }
    return next[d->lower != NULL][d->upper != NULL];
}

/* Numbers of the magnitudes between two bounds that are not negative. */
static suan__node magnitudes(const suan__json_nodes *j, const bound *lower, const bound *upper, bool is_integer) {
    suan__builder *b = j->b;
    suan__node parts[MAX_DIGITS + 1];
    size_t n = 0;
    int last = upper ? upper->n_integer : lower->n_integer > EXACT_DIGITS ? lower->n_integer : EXACT_DIGITS;
    for (int length = lower->n_integer; length <= last && length < MAX_DIGITS - EXACT_DIGITS; length++) {
        digits d = {.j = j, .n_integer = length, .n_fraction = is_integer || length > EXACT_DIGITS ? 0 : EXACT_DIGITS - length};
        if (length == lower->n_integer && (lower->is_strict || !is_zero_from(lower, 0))) d.lower = lower;
        if (upper && length == upper->n_integer) d.upper = upper;
        parts[n++] = of_length(&d);
    }
    if (!upper) parts[n++] = SUAN__SEQ(b, range_of(b, '1', '9'), suan__node_repeat(b, range_of(b, '0', '9'), (uint32_t)last, SUAN__NO_END));
    return suan__node_alt(b, parts, n);
}

static bool is_zero(const bound *x) {
    return is_zero_from(x, 0);
}

suan__node suan__schema_number(suan__schema *c, const suan__schema_set *s, bool is_integer) {
    suan__builder *b = c->b;
    bound lower, upper, zero = {.is_there = true, .n_integer = 1, .n = 1, .digit = "0"}, above_zero = zero;
    above_zero.is_strict = true;
    find_bound(c, s, true, &lower);
    find_bound(c, s, false, &upper);
    if (!lower.is_there && !upper.is_there) return is_integer ? c->j->integer : c->j->number;
    suan__node parts[2];
    size_t n = 0;
    bool may_be_positive = !upper.is_there || !upper.is_negative,
         may_be_negative = !lower.is_there || (lower.is_negative && !is_zero(&lower));
    if (may_be_positive) {
        const bound *low = lower.is_there && !lower.is_negative ? &lower : &zero;
        parts[n++] = magnitudes(c->j, low, upper.is_there ? &upper : NULL, is_integer);
    }
    if (may_be_negative) {
        const bound *low = upper.is_there && upper.is_negative && !is_zero(&upper) ? &upper : &above_zero;
        suan__node m = magnitudes(c->j, low, lower.is_there ? &lower : NULL, is_integer);
        parts[n++] = SUAN__SEQ(b, suan__json_bytes(b, "-"), m);
    }
    return suan__node_alt(b, parts, n);
}

bool suan__set_has_no_number(suan__schema *c, const suan__schema_set *s) {
    bound lower, upper;
    find_bound(c, s, true, &lower);
    find_bound(c, s, false, &upper);
    if (!lower.is_there || !upper.is_there) return false;
    double low = lower.value, high = upper.value;
    if (!(suan__set_types(c, s) & SUAN__T_FRACTION)) {
        low = ceil(low), high = floor(high);
        if (lower.is_strict && low == lower.value) low += 1;
        if (upper.is_strict && high == upper.value) high -= 1;
        return low > high;
    }
    return low > high || (low == high && (lower.is_strict || upper.is_strict));
}

bool suan__schema_number_fits(const suan__schema_row *row, const json_t *value) {
    const json_t *minimum = json_object_get(row->json, "minimum"), *maximum = json_object_get(row->json, "maximum");
    const json_t *above = json_object_get(row->json, "exclusiveMinimum"), *below = json_object_get(row->json, "exclusiveMaximum");
    return (!minimum || compare(value, minimum) >= 0) && (!maximum || compare(value, maximum) <= 0) &&
           (!above || compare(value, above) > 0) && (!below || compare(value, below) < 0);
}
