/* grammar_schema_rows.c: the schemas of a document, found and checked: every keyword is supported, an annotation, or refused by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json.h"
#include "text/grammar_schema.h"

/* ---- failing ---- */

bool suan__schema_failed(const suan__schema *c) {
    return suan__builder_status(c->b, NULL) != SUAN_OK;
}

/* "#/properties/a": from the end to the beginning, as far as there is room. */
static const char *pointer_text(const suan__schema *c, uint32_t row, const char *keyword, char *text, size_t size) {
    size_t at = size - 1;
    text[at] = 0;
    for (bool first = true;; first = false) {
        const suan__schema_row *r = row < c->n_row ? &c->row[row] : NULL;
        if (!first && !r) break;
        char part[200];
        if (first)
            snprintf(part, sizeof part, "%s%s", keyword ? "/" : "", keyword ? keyword : "");
        else if (r->key)
            snprintf(part, sizeof part, "/%s/%.100s", r->keyword, r->key);
        else if (r->index != SIZE_MAX)
            snprintf(part, sizeof part, "/%s/%zu", r->keyword, r->index);
        else
            snprintf(part, sizeof part, "%s%s", r->keyword[0] ? "/" : "", r->keyword);
        size_t n = strlen(part);
        if (n > at - 4) {
            memcpy(text + (at -= 3), "...", 3);
            break;
        }
        memcpy(text + (at -= n), part, n);
        if (!first) row = r->parent;
    }
    text[--at] = '#';
    return text + at;
}

static void fail_args(suan__schema *c, uint32_t row, const char *keyword, suan_status status, const char *format, va_list args) {
    char pointer[400], sentence[400];
    suan__message_format(sentence, sizeof sentence, format, args);
    suan__builder_fail(c->b, status, "%s: %s: %s", c->what, pointer_text(c, row, keyword, pointer, sizeof pointer), sentence);
}

void suan__schema_fail(suan__schema *c, uint32_t row, const char *keyword, suan_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail_args(c, row, keyword, status, format, args);
    va_end(args);
}

void suan__schema_refuse(suan__schema *c, uint32_t row, const char *keyword, const char *format, ...) {
    if (c->is_lenient) return;
    va_list args;
    va_start(args, format);
    fail_args(c, row, keyword, SUAN_EUNSUPPORTED, format, args);
    va_end(args);
}

bool suan__schema_may_go_on(suan__schema *c, uint64_t work) {
    if (suan__schema_failed(c)) return false;
    c->work += work;
    if (c->work <= SUAN__SCHEMA_MAX_WORK && c->arena.used_bytes <= SUAN__SCHEMA_MAX_MEMORY) return true;
    suan__builder_fail(c->b, SUAN_ELIMIT, "%s: too large when its alternatives and references are multiplied out", c->what);
    return false;
}

bool suan__schema_grow(suan__schema *c, void **array, uint32_t *capacity, size_t size, uint32_t n) {
    if (n <= *capacity) return true;
    uint32_t grown = n < 16 ? 16 : n + n / 2;
    void *p = suan__realloc(*array, grown, size);
    if (!p) {
        suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
        return false;
    }
    *array = p;
    *capacity = grown;
    return true;
}

/* ---- rows by their JSON ---- */

static uint32_t *row_slot(const suan__schema *c, uint32_t *slots, uint32_t mask, const json_t *json) {
    for (uint32_t i = (uint32_t)((uintptr_t)json >> 4) * 2654435761u >> 7;; i++) {
        uint32_t *slot = &slots[i & mask];
        if (*slot == 0 || c->row[*slot - 1].json == json) return slot;
    }
}

static bool grow_row_slots(suan__schema *c) {
    if (c->row_slot && c->n_row < c->row_mask / 2) return true;
    uint32_t mask = c->row_slot ? c->row_mask * 2 + 1 : 63, *slots = suan__calloc((size_t)mask + 1, sizeof *slots);
    if (!slots) {
        suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
        return false;
    }
    for (uint32_t i = 0; i < c->n_row; i++) *row_slot(c, slots, mask, c->row[i].json) = i + 1;
    suan__free(c->row_slot);
    c->row_slot = slots;
    c->row_mask = mask;
    return true;
}

uint32_t suan__schema_row_of(suan__schema *c, const json_t *json, bool *is_false) {
    *is_false = json_is_false(json);
    if (!json_is_object(json) || !c->row_slot) return UINT32_MAX;
    return *row_slot(c, c->row_slot, c->row_mask, json) - 1; /* an empty slot gives UINT32_MAX */
}

/* Takes a schema in; its keywords are read later. */
static void add_row(suan__schema *c, const json_t *json, uint32_t parent, const char *keyword, const char *key, size_t index) {
    if (json_is_boolean(json) || suan__schema_failed(c)) return;
    if (!grow_row_slots(c) || !suan__schema_grow(c, (void **)&c->row, &c->c_row, sizeof *c->row, c->n_row + 1)) return;
    uint32_t *slot = json_is_object(json) ? row_slot(c, c->row_slot, c->row_mask, json) : NULL;
    if (slot && *slot) return;
    c->row[c->n_row++] = (suan__schema_row){.json = json, .parent = parent, .keyword = keyword, .key = key, .index = index};
    if (slot)
        *slot = c->n_row;
    else
        suan__schema_fail(c, c->n_row - 1, NULL, SUAN_EINVAL, "expected a schema (an object, true or false), found %s",
                          suan__json_type_name(json));
}

/* ---- the keywords ---- */

/* Reads one keyword of a row: checks its form. */
typedef void keyword_fn(suan__schema *c, uint32_t row, const char *name, const json_t *value);

static void expected(suan__schema *c, uint32_t row, const char *name, const char *what, const json_t *found) {
    suan__schema_fail(c, row, name, SUAN_EINVAL, "expected %s, found %s", what, suan__json_type_name(found));
}

static void read_schema(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (json_is_array(value) && strcmp(name, "items") == 0)
        suan__schema_fail(c, row, name, SUAN_EINVAL,
                          "expected a schema, found an array: what it says is written `prefixItems` since 2020-12");
    else
        add_row(c, value, row, name, NULL, SIZE_MAX);
}

static void read_schemas(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_array(value) || json_array_size(value) == 0)
        suan__schema_fail(c, row, name, SUAN_EINVAL, "expected an array of at least one schema");
    for (size_t i = 0; i < json_array_size(value); i++) add_row(c, json_array_get(value, i), row, name, NULL, i);
}

static void read_schema_map(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_object(value)) return expected(c, row, name, "an object of schemas", value);
    const char *key;
    json_t *schema;
    json_object_foreach((json_t *)value, key, schema) {
        add_row(c, schema, row, name, key, 0);
        if (strcmp(name, "patternProperties") == 0) suan__schema_check_pattern(c, row, name, key);
    }
}

static void read_count(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    double real = json_number_value(value);
    if (!json_is_number(value) || real < 0 || rint(real) != real)
        suan__schema_fail(c, row, name, SUAN_EINVAL, "expected an integer that is not negative");
    else if (real > SUAN__SCHEMA_MAX_COUNT)
        suan__schema_fail(c, row, name, SUAN_ELIMIT, "%.17g is more than the greatest count, %d", real, SUAN__SCHEMA_MAX_COUNT);
}

static void read_number(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_number(value))
        expected(c, row, name, "a number", value);
    else if (fabs(json_number_value(value)) > 1e40)
        suan__schema_refuse(c, row, name, "a bound beyond 1e40");
}

static void read_multiple(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_number(value) || json_number_value(value) <= 0)
        suan__schema_fail(c, row, name, SUAN_EINVAL, "expected a number above 0");
    else if (json_number_value(value) != 1)
        suan__schema_refuse(c, row, name, "multiples of other numbers than 1 are not supported");
    else
        c->row[row].types &= ~(unsigned)SUAN__T_FRACTION;
}

static unsigned type_of_name(const json_t *name) {
    static const struct {
        const char *name;
        unsigned types;
    } names[] = {{"null", SUAN__T_NULL},     {"boolean", SUAN__T_BOOLEAN}, {"integer", SUAN__T_INTEGER}, {"number", SUAN__T_NUMBER},
                 {"string", SUAN__T_STRING}, {"array", SUAN__T_ARRAY},     {"object", SUAN__T_OBJECT}};
    for (size_t i = 0; json_is_string(name) && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, json_string_value(name)) == 0) return names[i].types;
    return 0;
}

static void read_type(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    unsigned types = type_of_name(value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned one = type_of_name(json_array_get(value, i));
        if (!one) return suan__schema_fail(c, row, name, SUAN_EINVAL, "element %zu names no type", i);
        types |= one;
    }
    if (types)
        c->row[row].types &= types;
    else if (json_is_string(value))
        suan__schema_fail(c, row, name, SUAN_EINVAL, "'%.100s' is no type", json_string_value(value));
    else
        suan__schema_fail(c, row, name, SUAN_EINVAL, "expected the name of a type or an array of some");
}

static void read_enum(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_array(value) || json_array_size(value) == 0)
        suan__schema_fail(c, row, name, SUAN_EINVAL, "expected an array of at least one value");
    else if (json_array_size(value) > SUAN__SCHEMA_MAX_ENUM)
        suan__schema_fail(c, row, name, SUAN_ELIMIT, "%zu values, expected at most %d", json_array_size(value), SUAN__SCHEMA_MAX_ENUM);
}

static void read_names(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_array(value)) return expected(c, row, name, "an array of strings", value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i))) return suan__schema_fail(c, row, name, SUAN_EINVAL, "element %zu is no string", i);
}

static void read_string(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_string(value))
        expected(c, row, name, "a string", value);
    else if (strcmp(name, "pattern") == 0)
        suan__schema_check_pattern(c, row, name, json_string_value(value));
}

static void read_false(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_boolean(value))
        expected(c, row, name, "true or false", value);
    else if (json_is_true(value) && strcmp(name, "nullable") == 0)
        suan__schema_refuse(c, row, name, "not a keyword of JSON Schema; `type` may be an array with \"null\"");
    else if (json_is_true(value))
        suan__schema_refuse(c, row, name, "not supported");
}

static void read_boolean(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_boolean(value)) expected(c, row, name, "true or false", value);
}

static void read_refused(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    (void)value;
    suan__schema_refuse(c, row, name, "not supported");
}

static void read_id(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_string(value))
        expected(c, row, name, "a string", value);
    else if (row != 0)
        suan__schema_refuse(c, row, name, "supported for the whole schema only");
}

static void read_unevaluated(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    if (!json_is_true(value)) suan__schema_refuse(c, row, name, "not supported but for true");
}

/* The next token of a JSON pointer behind a '/', unescaped (~0, ~1, percent signs) into text. */
static const char *pointer_token(const char *s, char *text, size_t size, bool *is_good) {
    size_t n = 0;
    *is_good = true;
    while (*s && *s != '/') {
        char ch = *s++;
        if (ch == '%') {
            char hex[3] = {s[0], s[0] ? s[1] : 0, 0}, *end;
            ch = (char)strtoul(hex, &end, 16);
            *is_good &= end == hex + 2 && ch != 0;
            if (!*is_good) return s;
            s += 2;
        }
        if (ch == '~') {
            *is_good &= *s == '0' || *s == '1';
            if (!*is_good) return s;
            ch = *s++ == '0' ? '~' : '/';
        }
        if (n + 1 < size) text[n] = ch;
        n++;
    }
    *is_good &= n < size;
    text[n < size ? n : size - 1] = 0;
    return s;
}

static const json_t *resolve(const json_t *at, const char *s) {
    char token[512];
    while (at && *s == '/') {
        bool is_good;
        s = pointer_token(s + 1, token, sizeof token, &is_good);
        if (!is_good) return NULL;
        if (json_is_object(at)) {
            at = json_object_get(at, token);
        } else {
            char *end;
            unsigned long i = strtoul(token, &end, 10);
            at = *end || end == token ? NULL : json_array_get(at, i);
        }
    }
    return *s ? NULL : at;
}

/* Where a $ref of this document leads; NULL: nowhere. */
static const json_t *target_of(const suan__schema *c, const char *ref) {
    const char *id = json_string_value(json_object_get(c->root, "$id"));
    size_t n_id = id ? strlen(id) : 0;
    if (n_id > 0 && id[n_id - 1] == '#') n_id--;
    if (n_id > 0 && strncmp(ref, id, n_id) == 0 && (ref[n_id] == '#' || ref[n_id] == 0)) ref += n_id;
    if (*ref == 0) return c->root;
    return *ref == '#' ? resolve(c->root, ref + 1) : NULL;
}

static void read_ref(suan__schema *c, uint32_t row, const char *name, const json_t *value) {
    const char *ref = json_string_value(value);
    if (!ref) return expected(c, row, name, "a string", value);
    const json_t *target = target_of(c, ref);
    if (!target && (ref[0] != '#' || (ref[1] != '/' && ref[1] != 0)))
        suan__schema_refuse(c, row, name, "'%.200s': references are to this document, as #/$defs/NAME", ref);
    else if (!target)
        suan__schema_fail(c, row, name, SUAN_EINVAL, "'%.200s' leads to nothing", ref);
    else
        add_row(c, target, row, name, NULL, SIZE_MAX);
}

typedef struct keyword {
    const char *name;
    keyword_fn *read; /* NULL: an annotation */
    bool is_own;      /* says something of the value itself */
} keyword;

static const keyword keywords[] = {
    {"type", read_type, true},
    {"properties", read_schema_map, true},
    {"required", read_names, true},
    {"description", NULL, false},
    {"items", read_schema, true},
    {"enum", read_enum, true},
    {"const", NULL, false},
    {"$ref", read_ref, false},
    {"anyOf", read_schemas, false},
    {"oneOf", read_schemas, false},
    {"allOf", read_schemas, false},
    {"additionalProperties", read_schema, true},
    {"patternProperties", read_schema_map, true},
    {"propertyNames", read_schema, true},
    {"prefixItems", read_schemas, true},
    {"$defs", read_schema_map, false},
    {"definitions", read_schema_map, false},
    {"minLength", read_count, true},
    {"maxLength", read_count, true},
    {"minItems", read_count, true},
    {"maxItems", read_count, true},
    {"minProperties", read_count, true},
    {"maxProperties", read_count, true},
    {"minimum", read_number, true},
    {"maximum", read_number, true},
    {"exclusiveMinimum", read_number, true},
    {"exclusiveMaximum", read_number, true},
    {"multipleOf", read_multiple, true},
    {"pattern", read_string, true},
    {"format", read_string, true},
    {"uniqueItems", read_boolean, true},
    {"nullable", read_false, false},
    {"$id", read_id, false},
    {"unevaluatedProperties", read_unevaluated, false},
    {"unevaluatedItems", read_unevaluated, false},
    {"not", read_refused, false},
    {"if", read_refused, false},
    {"then", read_refused, false},
    {"else", read_refused, false},
    {"contains", read_refused, false},
    {"minContains", read_refused, false},
    {"maxContains", read_refused, false},
    {"dependentRequired", read_refused, false},
    {"dependentSchemas", read_refused, false},
    {"dependencies", read_refused, false},
    {"additionalItems", read_refused, false},
    {"$dynamicRef", read_refused, false},
    {"$recursiveRef", read_refused, false},
    {"title", NULL, false},
    {"default", NULL, false},
    {"examples", NULL, false},
    {"example", NULL, false},
    {"$comment", NULL, false},
    {"deprecated", NULL, false},
    {"readOnly", NULL, false},
    {"writeOnly", NULL, false},
    {"$schema", NULL, false},
    {"$anchor", NULL, false},
    {"$dynamicAnchor", NULL, false},
    {"$recursiveAnchor", NULL, false},
    {"$vocabulary", NULL, false},
    {"contentEncoding", NULL, false},
    {"contentMediaType", NULL, false},
    {"contentSchema", NULL, false},
    {"discriminator", NULL, false},
    {"externalDocs", NULL, false},
    {"xml", NULL, false},
    {"propertyOrdering", NULL, false},
    {"markdownDescription", NULL, false},
    {"enumDescriptions", NULL, false},
    {"strict", NULL, false},
};

static const keyword *find_keyword(const char *name) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0) return &keywords[i];
    return NULL;
}

static void read_row(suan__schema *c, uint32_t row) {
    const char *name;
    json_t *value;
    c->row[row].types = SUAN__T_ALL;
    json_object_foreach((json_t *)c->row[row].json, name, value) {
        const keyword *k = find_keyword(name);
        if (!k && strncmp(name, "x-", 2) != 0) suan__schema_refuse(c, row, name, "not a known keyword");
        if (!k) continue;
        if (k->read) k->read(c, row, name, value);
        c->row[row].has_own |= k->is_own;
    }
}

void suan__schema_read(suan__schema *c) {
    add_row(c, c->root, UINT32_MAX, "", NULL, SIZE_MAX);
    for (uint32_t i = 0; i < c->n_row && suan__schema_may_go_on(c, 1); i++) read_row(c, i);
}

/* The row that a $ref of a row leads to, as a schema. */
const json_t *suan__schema_target(const suan__schema *c, uint32_t row) {
    const char *ref = json_string_value(json_object_get(c->row[row].json, "$ref"));
    return ref ? target_of(c, ref) : NULL;
}
