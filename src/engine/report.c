/* report.c: a JSON document whose strings come from anywhere. */
#include "engine/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

#define MAX_NUMBERS 256   /* elements of an array of numbers that is given in full (one a layer) */
#define MAX_STRINGS 16    /* the same for strings */
#define N_FIRST 8         /* elements shown of a longer one */
#define MAX_TEXT 262144   /* bytes of a text that is given in full (chat templates have up to some 30,000) */
#define N_FIRST_TEXT 1024 /* bytes shown of a longer one */

static json_t *made(suan__report *r, json_t *value) {
    if (!value) r->failed = true;
    return value;
}

json_t *suan__report_object(suan__report *r) {
    return made(r, json_object());
}

json_t *suan__report_array(suan__report *r) {
    return made(r, json_array());
}

/* Copies s with U+FFFD (EF BF BD) for each byte that begins no valid character, and for NULs, which many a reader of JSON refuses. dst has
 * room for 3 * n. */
static size_t replace_invalid(char *dst, const char *s, size_t n) {
    size_t length = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t step = s[i] ? suan__utf8_decode(s + i, n - i, &cp) : 0;
        memcpy(dst + length, step ? s + i : "\xef\xbf\xbd", step ? step : 3);
        length += step ? step : 3;
        i += step ? step : 1;
    }
    return length;
}

/* Valid text for jansson: s itself, or a copy in *copy. NULL when out of memory. */
static const char *valid_text(const char *s, size_t *n, char **copy) {
    *copy = NULL;
    if (suan__utf8_valid(s, *n) && !memchr(s, 0, *n)) return s;
    *copy = *n <= SIZE_MAX / 3 ? suan__malloc(3 * *n) : NULL;
    if (*copy) *n = replace_invalid(*copy, s, *n);
    return *copy;
}

json_t *suan__report_text(suan__report *r, const char *s, size_t n) {
    char *copy;
    const char *valid = valid_text(s, &n, &copy);
    json_t *value = valid ? json_stringn(valid, n) : NULL;
    suan__free(copy);
    return made(r, value);
}

json_t *suan__report_string(suan__report *r, const char *s) {
    return s ? suan__report_text(r, s, strlen(s)) : json_null();
}

json_t *suan__report_u64(suan__report *r, uint64_t v) {
    char digits[24];
    if (v <= INT64_MAX) return made(r, json_integer((json_int_t)v));
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    return made(r, json_string(digits));
}

json_t *suan__report_f64(suan__report *r, double v) {
    if (isfinite(v)) return made(r, json_real(v));
    return made(r, json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"));
}

json_t *suan__report_f32(suan__report *r, float v) {
    if (!isfinite(v)) return suan__report_f64(r, (double)v);
    for (int digits = 6; digits <= 9; digits++) {
        char text[48];
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        double shorter = strtod(text, NULL); /* of our own text, under the same locale */
        if ((float)shorter == v) return suan__report_f64(r, shorter);
    }
    return suan__report_f64(r, (double)v);
}

json_t *suan__report_bool(suan__report *r, bool v) {
    return made(r, json_boolean(v));
}

void suan__report_set(suan__report *r, json_t *object, const char *key, json_t *value) {
    suan__report_set_text(r, object, key, strlen(key), value);
}

void suan__report_set_text(suan__report *r, json_t *object, const char *key, size_t n_key, json_t *value) {
    char *copy;
    const char *valid = valid_text(key, &n_key, &copy);
    if (!valid || !object || !value) {
        json_decref(value);
        r->failed = true;
    } else if (json_object_setn_new(object, valid, n_key, value) != 0) {
        r->failed = true;
    }
    suan__free(copy);
}

void suan__report_append(suan__report *r, json_t *array, json_t *value) {
    if (!array || !value) {
        json_decref(value);
        r->failed = true;
    } else if (json_array_append_new(array, value) != 0) {
        r->failed = true;
    }
}

/* ---- GGUF values ---- */

/* A text, or {"type": "string", "bytes": n, "first": "..."} when it is very long. */
static json_t *gguf_string(suan__report *r, suan__gguf_string s) {
    if (s.n <= MAX_TEXT) return suan__report_text(r, s.data, s.n);
    json_t *o = suan__report_object(r);
    suan__report_set(r, o, "type", suan__report_string(r, "string"));
    suan__report_set(r, o, "bytes", suan__report_u64(r, s.n));
    suan__report_set(r, o, "first", suan__report_text(r, s.data, N_FIRST_TEXT - suan__utf8_incomplete_tail(s.data, N_FIRST_TEXT)));
    return o;
}

/* Element i of a value that is no string. */
static json_t *gguf_number(suan__report *r, const suan__gguf_value *v, uint64_t i) {
    suan__gguf_type type = v->type == SUAN__GGUF_ARRAY ? v->element_type : v->type;
    int64_t integer;
    double real;
    bool flag;
    if (type == SUAN__GGUF_U64) {
        uint64_t u = 0;
        for (int k = 7; k >= 0; k--) u = u << 8 | v->data[8 * i + (uint64_t)k];
        return suan__report_u64(r, u);
    }
    if (suan__gguf_int_at(v, i, &integer)) return made(r, json_integer(integer));
    if (suan__gguf_bool_at(v, i, &flag)) return suan__report_bool(r, flag);
    if (suan__gguf_float_at(v, i, &real)) return type == SUAN__GGUF_F32 ? suan__report_f32(r, (float)real) : suan__report_f64(r, real);
    return json_null();
}

/* The first n elements of an array. */
static json_t *gguf_elements(suan__report *r, const suan__gguf_value *v, uint64_t n) {
    json_t *list = suan__report_array(r);
    if (v->element_type == SUAN__GGUF_STRING) {
        suan__gguf_iter it = {0};
        suan__gguf_string s;
        while (n-- > 0 && suan__gguf_next_string(v, &it, &s)) suan__report_append(r, list, gguf_string(r, s));
        return list;
    }
    if (v->element_type == SUAN__GGUF_ARRAY) return list;
    for (uint64_t i = 0; i < n; i++) suan__report_append(r, list, gguf_number(r, v, i));
    return list;
}

static json_t *gguf_array(suan__report *r, const suan__gguf_value *v) {
    uint64_t whole = v->element_type == SUAN__GGUF_STRING ? MAX_STRINGS : MAX_NUMBERS;
    if (v->n <= whole && v->element_type != SUAN__GGUF_ARRAY) return gguf_elements(r, v, v->n);
    json_t *o = suan__report_object(r);
    suan__report_set(r, o, "type", suan__report_string(r, "array"));
    suan__report_set(r, o, "of", suan__report_string(r, suan__gguf_type_name(v->element_type)));
    suan__report_set(r, o, "n", suan__report_u64(r, v->n));
    suan__report_set(r, o, "first", gguf_elements(r, v, v->n < N_FIRST ? v->n : N_FIRST));
    return o;
}

json_t *suan__report_gguf_value(suan__report *r, const suan__gguf_value *v) {
    if (v->type == SUAN__GGUF_ARRAY) return gguf_array(r, v);
    if (v->type != SUAN__GGUF_STRING) return gguf_number(r, v, 0);
    suan__gguf_iter it = {0};
    suan__gguf_string s = {"", 0};
    suan__gguf_next_string(v, &it, &s);
    return gguf_string(r, s);
}

/* ---- printing ---- */

/* Whether every real in the document survives 16 digits (0.1 then prints as 0.1; 17 always suffice). Documents are at most as deep as what
 * the JSON reader lets in, plus a few levels. */
static bool survives_16_digits(const json_t *json, int depth) {
    char text[48];
    const char *key;
    json_t *value;
    size_t i;
    if (depth > 200) return false;
    if (json_is_real(json)) {
        snprintf(text, sizeof text, "%.16g", json_real_value(json));
        return strtod(text, NULL) == json_real_value(json);
    }
    if (json_is_object(json)) {
        json_object_foreach((json_t *)(uintptr_t)json, key, value) if (!survives_16_digits(value, depth + 1)) return false;
    }
    json_array_foreach(json, i, value) if (!survives_16_digits(value, depth + 1)) return false;
    return true;
}

static int print_piece(const char *text, size_t n, void *buf) {
    return suan__buf_append(buf, text, n) ? 0 : -1;
}

suan_status suan__report_print(suan__report *r, json_t *root, char **text, suan_error *err) {
    suan__buf buf = {0};
    size_t digits = root && survives_16_digits(root, 0) ? 16 : 17;
    if (r->failed || json_dump_callback(root, print_piece, &buf, JSON_INDENT(2) | JSON_REAL_PRECISION(digits)) != 0) {
        suan__buf_fini(&buf);
        json_decref(root);
        return suan__fail(err, SUAN_ENOMEM, "out of memory for the description");
    }
    json_decref(root);
    *text = buf.data;
    return SUAN_OK;
}
