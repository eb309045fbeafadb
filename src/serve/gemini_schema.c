/* gemini_schema.c: the vendor's Schema (a part of OpenAPI 3.0) as a JSON Schema.
 *
 *     {"type": "OBJECT", "nullable": true, "properties": {..}, "propertyOrdering": ["b", "a"]}
 *     {"type": ["object", "null"], "properties": {"b": .., "a": ..}, "additionalProperties": false}
 *
 * Objects that list properties have no others unless the schema says so, because that is what the vendor's models write. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "serve/gemini.h"

enum { MAX_DEPTH = 64 };

typedef struct converter {
    suan__exchange *x;
    suan__problem *problem;
    int depth;
} converter;

static json_t *convert(converter *c, const json_t *schema, const char *where);

static json_t *get(const json_t *schema, const char *name) {
    return suan__field_get(schema, &suan__gemini_schema_fields, name);
}

static bool invalid(converter *c, const char *where, const char *what) {
    return suan__problem_set(c->problem, SUAN__PROBLEM_INVALID, where, "%s: %s.", where, what);
}

/* The type in small letters; "": there is none. */
static bool read_type(converter *c, const json_t *schema, const char *where, char type[16]) {
    static const char *const types[] = {"string", "number", "integer", "boolean", "array", "object", "null"};
    const char *word = json_string_value(get(schema, "type"));
    type[0] = 0;
    if (!word || strcmp(word, "TYPE_UNSPECIFIED") == 0) return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(word, types[i]) != 0) continue;
        memcpy(type, types[i], strlen(types[i]) + 1);
        return true;
    }
    return suan__problem_set(c->problem, SUAN__PROBLEM_INVALID, where, "%s: its type is \"%.64s\", which is none.", where, word);
}

/* Members that a JSON Schema has under the same name; counts may be strings, as protobuf writes 64-bit integers. */
static bool copy_members(converter *c, const json_t *schema, json_t *out, const char *where) {
    static const char *const names[] = {"title", "description", "required", "pattern", "format", "minimum", "maximum", "default"};
    static const char *const counts[] = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *v = get(schema, names[i]);
        if (v) json_object_set(out, names[i], v);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const json_t *v = get(schema, counts[i]);
        const char *text = json_string_value(v);
        if (!v) continue;
        char *end = NULL;
        long long n = text ? strtoll(text, &end, 10) : suan__field_integer(v, -1);
        if (n < 0 || n > INT32_MAX || (text && (!*text || *end))) return invalid(c, where, "a count is no integer from 0 to 2147483647");
        json_object_set_new(out, counts[i], json_integer(n));
    }
    json_t *example = get(schema, "example");
    if (example) json_object_set_new(out, "examples", json_pack("[O]", example));
    return true;
}

/* Values of an enum are strings even where the type is a number. */
static void copy_enum(const json_t *schema, json_t *out, const char *type, bool is_nullable) {
    const json_t *values = get(schema, "enum");
    if (!json_is_array(values)) return;
    bool is_number = strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(values); i++) {
        json_t *v = json_array_get(values, i);
        json_t *number =
            is_number && json_is_string(v) ? json_loadb(json_string_value(v), json_string_length(v), JSON_DECODE_ANY, NULL) : NULL;
        if (json_is_number(number))
            json_array_append(list, number);
        else
            json_array_append(list, v);
        json_decref(number);
    }
    if (is_nullable) json_array_append_new(list, json_null());
    json_object_set_new(out, "enum", list);
}

static json_t *convert_map(converter *c, const json_t *map, const json_t *order, const char *where) {
    json_t *out = json_object();
    const char *name;
    json_t *v;
    char path[SUAN__PATH_BYTES];
    for (size_t i = 0; out && i < json_array_size(order); i++) { /* holds the places */
        name = json_string_value(json_array_get(order, i));
        if (name && json_object_get(map, name)) json_object_set_new(out, name, json_null());
    }
    json_object_foreach((json_t *)map, name, v) {
        json_t *converted = convert(c, v, suan__field_path(path, where, name));
        if (converted && json_object_set_new(out, name, converted) == 0) continue;
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *convert_list(converter *c, const json_t *list, const char *where) {
    json_t *out = json_array();
    char path[SUAN__PATH_BYTES];
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *v = convert(c, json_array_get(list, i), suan__item_path(path, where, i));
        if (v && json_array_append_new(out, v) == 0) continue;
        json_decref(out);
        return NULL;
    }
    return out;
}

/* A member that holds schemas. false: *problem says why. */
static bool nest(converter *c, json_t *out, const char *name, json_t *value) {
    if (!value && c->problem->kind == SUAN__PROBLEM_NONE) return suan__no_memory(c->problem);
    return value && (json_object_set_new(out, name, value) == 0 || suan__no_memory(c->problem));
}

static bool copy_nested(converter *c, const json_t *schema, json_t *out, const char *where) {
    char path[SUAN__PATH_BYTES];
    json_t *properties = get(schema, "properties"), *items = get(schema, "items"), *more = get(schema, "additionalProperties"),
           *defs = get(schema, "defs");
    const json_t *any = get(schema, "anyOf");
    const char *ref = json_string_value(get(schema, "ref"));
    if (properties && !nest(c, out, "properties",
                            convert_map(c, properties, get(schema, "propertyOrdering"), suan__field_path(path, where, "properties"))))
        return false;
    if (items && !nest(c, out, "items", convert(c, items, suan__field_path(path, where, "items")))) return false;
    if (any && !nest(c, out, "anyOf", convert_list(c, any, suan__field_path(path, where, "anyOf")))) return false;
    if (defs && !nest(c, out, "$defs", convert_map(c, defs, NULL, suan__field_path(path, where, "defs")))) return false;
    if (json_is_object(more) &&
        !nest(c, out, "additionalProperties", convert(c, more, suan__field_path(path, where, "additionalProperties"))))
        return false;
    if (json_is_boolean(more)) json_object_set(out, "additionalProperties", more);
    if (properties && !more) json_object_set_new(out, "additionalProperties", json_false());
    if (!ref) return true;
    if (strncmp(ref, "#/defs/", 7) != 0) return invalid(c, where, "a ref begins with #/defs/");
    return nest(c, out, "$ref", json_pack("s+", "#/$defs/", ref + 7));
}

static bool convert_into(converter *c, const json_t *schema, json_t *out, const char *where) {
    char type[16];
    if (!suan__fields_check(c->x, schema, &suan__gemini_schema_fields, where, c->problem)) return false;
    if (!read_type(c, schema, where, type)) return false;
    bool is_nullable = json_is_true(get(schema, "nullable"));
    if (*type) json_object_set_new(out, "type", is_nullable ? json_pack("[s, s]", type, "null") : json_string(type));
    copy_enum(schema, out, type, is_nullable);
    if (!copy_members(c, schema, out, where) || !copy_nested(c, schema, out, where)) return false;
    json_t *any = json_object_get(out, "anyOf");
    if (is_nullable && any) json_array_append_new(any, json_pack("{s:s}", "type", "null"));
    return true;
}

static json_t *convert(converter *c, const json_t *schema, const char *where) {
    if (c->depth >= MAX_DEPTH) {
        invalid(c, where, "schemas are nested more than 64 levels deep");
        return NULL;
    }
    c->depth++;
    json_t *out = json_object();
    if (!out) suan__no_memory(c->problem);
    bool good = out && convert_into(c, schema, out, where);
    c->depth--;
    if (good) return out;
    json_decref(out);
    return NULL;
}

json_t *suan__gemini_schema(suan__exchange *x, const json_t *schema, const char *where, suan__problem *problem) {
    converter c = {.x = x, .problem = problem};
    *problem = (suan__problem){0};
    return convert(&c, schema, where);
}
