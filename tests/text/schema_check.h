/* schema_check.h: a small validator of JSON Schema, for tests: written from the specification, with nothing in common with the library's walker. It knows no
 * patterns and no formats. */
#ifndef SUAN_TESTS_SCHEMA_CHECK_H
#define SUAN_TESTS_SCHEMA_CHECK_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool schema_same(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return json_equal((json_t *)a, (json_t *)b);
}

static inline bool schema_is_type(const char *type, const json_t *v) {
    if (strcmp(type, "integer") == 0) return json_is_number(v) && rint(json_number_value(v)) == json_number_value(v);
    return (strcmp(type, "null") == 0 && json_is_null(v)) || (strcmp(type, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(type, "number") == 0 && json_is_number(v)) || (strcmp(type, "string") == 0 && json_is_string(v)) ||
           (strcmp(type, "array") == 0 && json_is_array(v)) || (strcmp(type, "object") == 0 && json_is_object(v));
}

static inline double schema_length(const json_t *v) {
    double n = 0;
    for (const char *s = json_string_value(v); *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static inline bool schema_between(const json_t *s, const char *least, const char *most, double x) {
    const json_t *min = json_object_get(s, least), *max = json_object_get(s, most);
    return (!min || x >= json_number_value(min)) && (!max || x <= json_number_value(max));
}

/* #/a/b only, without escapes. */
static inline const json_t *schema_target(const json_t *root, const char *ref) {
    char part[128];
    for (ref++; root && *ref == '/';) {
        size_t n = strcspn(++ref, "/");
        if (n >= sizeof part) return NULL;
        memcpy(part, ref, n);
        part[n] = 0;
        root = json_is_array(root) ? json_array_get(root, strtoul(part, NULL, 10)) : json_object_get(root, part);
        ref += n;
    }
    return root;
}

static bool schema_obeys(const json_t *root, const json_t *s, const json_t *v);

static inline bool schema_object_obeys(const json_t *root, const json_t *s, const json_t *v) {
    const json_t *properties = json_object_get(s, "properties"), *rest = json_object_get(s, "additionalProperties"),
                 *required = json_object_get(s, "required");
    const char *key;
    json_t *member;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!json_object_get(v, json_string_value(json_array_get(required, i)))) return false;
    json_object_foreach((json_t *)v, key, member) {
        const json_t *one = json_object_get(properties, key);
        if (!one) one = rest;
        if (one && !schema_obeys(root, one, member)) return false;
    }
    return schema_between(s, "minProperties", "maxProperties", (double)json_object_size(v));
}

static inline bool schema_array_obeys(const json_t *root, const json_t *s, const json_t *v) {
    const json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (one && !schema_obeys(root, one, json_array_get(v, i))) return false;
    }
    return schema_between(s, "minItems", "maxItems", (double)json_array_size(v));
}

static inline bool schema_number_obeys(const json_t *s, double x) {
    const json_t *above = json_object_get(s, "exclusiveMinimum"), *below = json_object_get(s, "exclusiveMaximum");
    return schema_between(s, "minimum", "maximum", x) && (!above || x > json_number_value(above)) &&
           (!below || x < json_number_value(below));
}

static inline size_t schema_count(const json_t *root, const json_t *all, const json_t *v) {
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(all); i++) n += schema_obeys(root, json_array_get(all, i), v);
    return n;
}

static inline bool schema_obeys(const json_t *root, const json_t *s, const json_t *v) {
    if (json_is_boolean(s)) return json_is_true(s);
    const json_t *type = json_object_get(s, "type"), *values = json_object_get(s, "enum"), *one = json_object_get(s, "const"), *all;
    bool fits = !type || (json_is_string(type) && schema_is_type(json_string_value(type), v));
    for (size_t i = 0; i < json_array_size(type); i++) fits |= schema_is_type(json_string_value(json_array_get(type, i)), v);
    if (!fits || (one && !schema_same(one, v))) return false;
    fits = !values;
    for (size_t i = 0; i < json_array_size(values); i++) fits |= schema_same(json_array_get(values, i), v);
    if (!fits) return false;
    const char *ref = json_string_value(json_object_get(s, "$ref"));
    if (ref && !schema_obeys(root, schema_target(root, ref), v)) return false;
    if ((all = json_object_get(s, "allOf")) && schema_count(root, all, v) != json_array_size(all)) return false;
    if ((all = json_object_get(s, "anyOf")) && schema_count(root, all, v) == 0) return false;
    if ((all = json_object_get(s, "oneOf")) && schema_count(root, all, v) != 1) return false;
    if (json_is_object(v)) return schema_object_obeys(root, s, v);
    if (json_is_array(v)) return schema_array_obeys(root, s, v);
    if (json_is_string(v)) return schema_between(s, "minLength", "maxLength", schema_length(v));
    return !json_is_number(v) || schema_number_obeys(s, json_number_value(v));
}

#endif
