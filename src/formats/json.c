/* json.c: scans JSON text for depth and size, then has jansson parse it. */
#include "formats/json.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

/* What the scan finds beside the limits. `fixed` stays empty unless a number had to be rewritten. */
typedef struct scan {
    const char *text;
    size_t n, i;
    uint64_t n_values;
    unsigned depth;
    suan__buf *fixed; /* NULL: numbers are left alone */
    size_t copied;    /* text[0..copied) is in `fixed` */
} scan;

/* Skips a string whose opening quote is at i; escapes matter only in that \" does not end it. An unfinished one ends with the text, which
 * the parser then reports. */
static void skip_string(scan *s) {
    for (s->i++; s->i < s->n && s->text[s->i] != '"'; s->i++) {
        if (s->text[s->i] == '\\') s->i++;
    }
    s->i++;
}

static bool is_number_byte(char c) {
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/* Whether text is an integer outside of int64: more digits than INT64_MAX has, or as many and larger in string order (the least int64
 * itself is let through: its magnitude is INT64_MAX + 1). */
static bool is_wide_integer(const char *text, size_t n) {
    bool negative = n > 0 && text[0] == '-';
    const char *limit = negative ? "9223372036854775808" : "9223372036854775807";
    text += negative;
    n -= negative;
    if (n < 19 || text[0] == '0') return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
    }
    return n > 19 || memcmp(text, limit, 19) > 0;
}

static void skip_number(scan *s) {
    size_t begin = s->i;
    while (s->i < s->n && is_number_byte(s->text[s->i])) s->i++;
    if (!s->fixed || !is_wide_integer(s->text + begin, s->i - begin)) return;
    suan__buf_append(s->fixed, s->text + s->copied, s->i - s->copied);
    suan__buf_append(s->fixed, ".0", 2);
    s->copied = s->i;
}

static suan_status scan_text(scan *s, const char *name, unsigned max_depth, uint64_t max_values, suan_error *err) {
    while (s->i < s->n) {
        char c = s->text[s->i];
        bool value = true;
        if (c == '"') {
            skip_string(s);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            skip_number(s);
        } else {
            s->i++;
            if ((c == '[' || c == '{') && ++s->depth > max_depth)
                return suan__fail_at(err, SUAN_EFORMAT, (int64_t)s->i - 1, "%s: JSON nested deeper than %u levels", name, max_depth);
            if ((c == ']' || c == '}') && s->depth > 0) s->depth--;
            /* The first letter of true, false and null stands for it; other letters, commas, colons and spaces are no values. */
            value = c == '[' || c == '{' || c == 't' || c == 'f' || c == 'n';
        }
        if (value && ++s->n_values > max_values)
            return suan__fail_at(err, SUAN_EFORMAT, (int64_t)s->i, "%s: JSON with more than %llu values", name,
                                 (unsigned long long)max_values);
    }
    return SUAN_OK;
}

suan_status suan__json_scan(const char *text, size_t n, const char *name, unsigned max_depth, uint64_t max_values, suan_error *err) {
    scan s = {.text = text, .n = n};
    return scan_text(&s, name, max_depth, max_values, err);
}

suan_status suan__json_load(const char *text, size_t n, const char *name, json_t **json, suan_error *err) {
    suan__buf fixed = {0};
    scan s = {.text = text, .n = n, .fixed = &fixed};
    json_error_t why;
    *json = NULL;
    suan_status status = scan_text(&s, name, SUAN__JSON_MAX_DEPTH, SUAN__JSON_MAX_VALUES, err);
    if (status != SUAN_OK) goto done;
    if (s.copied > 0) {
        suan__buf_append(&fixed, text + s.copied, n - s.copied);
        text = fixed.data;
        n = fixed.n;
    }
    if (fixed.failed) {
        status = suan__fail(err, SUAN_ENOMEM, "%s: out of memory", name);
        goto done;
    }
    *json = json_loadb(text ? text : "", n, JSON_REJECT_DUPLICATES, &why);
    if (!*json) {
        bool memory = json_error_code(&why) == json_error_out_of_memory;
        status = suan__fail_at(err, memory ? SUAN_ENOMEM : SUAN_EFORMAT, why.position, "%s: line %d, column %d: %s", name, why.line,
                               why.column, why.text);
    }
done:
    suan__buf_fini(&fixed);
    return status;
}

suan_status suan__json_load_file(const char *path, uint64_t max, json_t **json, suan_error *err) {
    char *text;
    size_t n;
    *json = NULL;
    SUAN_TRY(suan__file_slurp(path, max, &text, &n, err));
    suan_status status = suan__json_load(text, n, path, json, err);
    suan__free(text);
    return status;
}

const char *suan__json_type_name(const json_t *json) {
    if (!json) return "nothing";
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with fraction or exponent";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    default:
        return "null";
    }
}
