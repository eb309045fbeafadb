/* fields.c: checking the members of a request's objects against tables, and noting those that only advise. */
#include "serve/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define MAX_ELEMENTS 1048576.0       /* 2^20: of an array whose row gives no range */
#define MAX_EXACT 9007199254740992.0 /* 2^53: the integers that a JSON number means without doubt */

/* ---- paths ---- */

const char *suan__field_path(char path[SUAN__PATH_BYTES], const char *where, const char *name) {
    char text[SUAN__PATH_BYTES]; /* where may be the same memory as path */
    snprintf(text, sizeof text, "%s%s%s", where, *where ? "." : "", name);
    memcpy(path, text, sizeof text);
    return path;
}

const char *suan__item_path(char path[SUAN__PATH_BYTES], const char *where, size_t i) {
    char text[SUAN__PATH_BYTES];
    snprintf(text, sizeof text, "%s[%zu]", where, i);
    memcpy(path, text, sizeof text);
    return path;
}

/* ---- names ---- */

/* Whether `name` is the row's name, or, where both spellings count, its snake_case form: "topP" and "top_p". */
static bool is_name(const char *row, const char *name, bool both) {
    if (strcmp(row, name) == 0) return true;
    if (!both) return false;
    for (; *row; row++) {
        if (*row >= 'A' && *row <= 'Z') {
            if (*name++ != '_' || *name++ != *row - 'A' + 'a') return false;
        } else if (*name++ != *row) {
            return false;
        }
    }
    return *name == 0;
}

static const suan__field *find_row(const suan__fields *fields, const char *name) {
    for (size_t i = 0; i < fields->n; i++)
        if (is_name(fields->rows[i].name, name, fields->both_spellings)) return &fields->rows[i];
    return NULL;
}

json_t *suan__field_get(const json_t *object, const suan__fields *fields, const char *name) {
    json_t *v = json_object_get(object, name);
    if (v && !json_is_null(v)) return v;
    if (!fields->both_spellings) return NULL;
    const char *key;
    json_object_foreach((json_t *)object, key, v) {
        if (!json_is_null(v) && is_name(name, key, true)) return v;
    }
    return NULL;
}

/* ---- values ---- */

static unsigned type_of(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return SUAN__FIELD_BOOL;
    case JSON_INTEGER:
        return SUAN__FIELD_INTEGER | SUAN__FIELD_NUMBER;
    case JSON_REAL:
        return SUAN__FIELD_NUMBER | (json_real_value(v) == rint(json_real_value(v)) ? SUAN__FIELD_INTEGER : 0u);
    case JSON_STRING:
        return SUAN__FIELD_STRING;
    case JSON_ARRAY:
        return SUAN__FIELD_ARRAY;
    case JSON_OBJECT:
        return SUAN__FIELD_OBJECT;
    default:
        return 0;
    }
}

static const char *found_name(const json_t *v) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",     [JSON_NULL] = "null"};
    return names[json_typeof(v)];
}

static void expected_names(unsigned types, char text[96]) {
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {{SUAN__FIELD_BOOL, "a boolean"},  {SUAN__FIELD_INTEGER, "an integer"}, {SUAN__FIELD_NUMBER, "a number"},
                 {SUAN__FIELD_STRING, "a string"}, {SUAN__FIELD_ARRAY, "an array"},     {SUAN__FIELD_OBJECT, "an object"}};
    text[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(text);
        if (types & names[i].type) snprintf(text + n, 96 - n, "%s%s", n ? " or " : "", names[i].name);
    }
}

static bool check_range(const suan__field *row, const json_t *v, const char *path, suan__problem *problem) {
    bool has_range = row->min != 0 || row->max != 0;
    if (json_is_number(v)) {
        double x = json_number_value(v), min = has_range ? row->min : -MAX_EXACT, max = has_range ? row->max : MAX_EXACT;
        if (x >= min && x <= max) return true;
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s is %.17g, expected %.17g to %.17g.", path, x, min, max);
    }
    bool is_array = json_is_array(v);
    if (!is_array && !(json_is_string(v) && has_range)) return true;
    double n = (double)(is_array ? json_array_size(v) : json_string_length(v));
    double min = has_range ? row->min : 0, max = has_range ? row->max : MAX_ELEMENTS;
    if (n >= min && n <= max) return true;
    return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s has %.0f %s, expected %.0f to %.0f.", path, n,
                             is_array ? "elements" : "bytes", min, max);
}

static bool is_neutral(const suan__field *row, const json_t *v) {
    json_t *neutral = json_loads(row->neutral, JSON_DECODE_ANY, NULL);
    bool is_same = neutral && (json_is_number(neutral) && json_is_number(v) ? json_number_value(neutral) == json_number_value(v)
                                                                            : json_equal(neutral, v));
    json_decref(neutral);
    return is_same;
}

static bool check_value(suan__exchange *x, const suan__field *row, const json_t *v, const char *path, suan__problem *problem) {
    char expected[96];
    switch (row->use) {
    case SUAN__FIELD_REFUSED:
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, path, "%s is not supported here%s%s.", path, row->note ? ": " : "",
                                 row->note ? row->note : "");
    case SUAN__FIELD_NEUTRAL:
        if (is_neutral(row, v)) return true;
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, path, "%s is only supported as %s%s%s.", path, row->neutral,
                                 row->note ? ": " : "", row->note ? row->note : "");
    case SUAN__FIELD_ADVISES:
        suan__note_advisory(x, path);
        break;
    default:
        break;
    }
    if (row->type == SUAN__FIELD_ANY) return true;
    if (!(type_of(v) & row->type)) {
        expected_names(row->type, expected);
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s is %s, expected %s.", path, found_name(v), expected);
    }
    return check_range(row, v, path, problem);
}

/* The member that says the same as `key` in the other spelling, if it is not null. */
static const char *twin_of(const json_t *object, const suan__field *row, const char *key) {
    const char *other;
    const json_t *v;
    json_object_foreach((json_t *)object, other, v) {
        if (!json_is_null(v) && strcmp(other, key) != 0 && is_name(row->name, other, true)) return other;
    }
    return NULL;
}

static bool check_member(suan__exchange *x, const json_t *object, const suan__fields *fields, const char *key, const json_t *v,
                         const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const suan__field *row = find_row(fields, key);
    suan__field_path(path, where, key);
    if (!row) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "Unknown member \"%s\"; it is not taken silently.", path);
    if (json_is_null(v)) return true;
    const char *twin = fields->both_spellings ? twin_of(object, row, key) : NULL;
    if (twin) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "\"%s\" and \"%s\" are the same member.", key, twin);
    return check_value(x, row, v, path, problem);
}

bool suan__fields_check(suan__exchange *x, const json_t *object, const suan__fields *fields, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    const char *key;
    const json_t *v;
    if (!json_is_object(object)) {
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is %s, expected an object.", *where ? where : "The body",
                                 object ? found_name(object) : "absent");
    }
    json_object_foreach((json_t *)object, key, v) {
        if (!check_member(x, object, fields, key, v, where, problem)) return false;
    }
    for (size_t i = 0; i < fields->n; i++) {
        const suan__field *row = &fields->rows[i];
        if (!row->is_required || suan__field_get(object, fields, row->name)) continue;
        suan__field_path(path, where, row->name);
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s is missing.", path);
    }
    return true;
}

bool suan__field_word(const json_t *v, const char *words, const char *where, suan__problem *problem) {
    if (!json_is_string(v)) return true;
    const char *word = json_string_value(v);
    size_t n = json_string_length(v);
    for (const char *at = words;; at++) {
        size_t n_at = strcspn(at, "|");
        if (n_at == n && memcmp(at, word, n) == 0) return true;
        at += n_at;
        if (!*at) break;
    }
    return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is \"%.64s\", expected one of %s.", where, word, words);
}

int64_t suan__field_integer(const json_t *v, int64_t absent) {
    if (json_is_integer(v)) return json_integer_value(v);
    if (!json_is_real(v)) return absent;
    double x = json_real_value(v);
    return x >= -MAX_EXACT && x <= MAX_EXACT ? (int64_t)x : absent;
}

double suan__field_number(const json_t *v, double absent) {
    return json_is_number(v) ? json_number_value(v) : absent;
}

/* ---- what only advises ---- */

#define ADVISORY_BYTES 1000

typedef struct advisory {
    char text[ADVISORY_BYTES + 1];
    size_t n;
} advisory;

/* A function of its own: it tells what is kept. */
static void free_advisory(void *p) {
    suan__free(p);
}

/* Whether the list has the name already: two messages may bring the same. */
static bool has_name(const advisory *a, const char *name, size_t n) {
    for (const char *at = a->text; *at;) {
        size_t n_at = strcspn(at, ",");
        if (n_at == n && memcmp(at, name, n) == 0) return true;
        at += n_at;
        while (*at == ',' || *at == ' ') at++;
    }
    return false;
}

void suan__note_advisory(suan__exchange *x, const char *name) {
    char clean[3 * SUAN__PATH_BYTES];
    size_t n = 0;
    for (const char *s = name; *s && n + 4 < sizeof clean; s++) {
        bool is_plain = *s > ' ' && *s < 0x7f && *s != ',' && *s != '%';
        n += (size_t)snprintf(clean + n, sizeof clean - n, is_plain ? "%c" : "%%%02X", is_plain ? *s : (unsigned char)*s);
    }
    advisory *a = suan__exchange_kept(x, free_advisory);
    if (!a) {
        a = suan__calloc(1, sizeof *a);
        if (!a || !suan__exchange_keep(x, a, free_advisory)) return; /* out of memory: the answer is worth more than the note */
    }
    if (has_name(a, clean, n) || a->n + n + 2 > ADVISORY_BYTES) return;
    if (a->n > 0) memcpy(a->text + a->n, ", ", 2), a->n += 2;
    memcpy(a->text + a->n, clean, n);
    a->text[a->n += n] = 0;
    suan__reply_header(x, "x-suan-advisory", a->text);
}
