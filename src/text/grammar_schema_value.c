/* grammar_schema_value.c: const and enum: values that are there, compared with what else is asked of them. */
#include <math.h>
#include <string.h>

#include "text/grammar_schema.h"

#define MAX_DEPTH 128 /* of values: the loader's limit */

unsigned suan__json_types(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return SUAN__T_OBJECT;
    case JSON_ARRAY:
        return SUAN__T_ARRAY;
    case JSON_STRING:
        return SUAN__T_STRING;
    case JSON_INTEGER:
        return SUAN__T_INTEGER;
    case JSON_REAL:
        return rint(json_real_value(value)) == json_real_value(value) ? SUAN__T_INTEGER : SUAN__T_FRACTION;
    case JSON_NULL:
        return SUAN__T_NULL;
    default:
        return SUAN__T_BOOLEAN;
    }
}

static bool same_number(const json_t *a, const json_t *b) {
    if (json_is_integer(a) && json_is_integer(b)) return json_integer_value(a) == json_integer_value(b);
    return json_number_value(a) == json_number_value(b);
}

bool suan__json_same(const json_t *a, const json_t *b, int depth) {
    if (depth > MAX_DEPTH || !(suan__json_types(a) & suan__json_types(b))) return false;
    if (json_is_number(a)) return same_number(a, b);
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b)) return false;
        for (size_t i = 0; i < json_array_size(a); i++)
            if (!suan__json_same(json_array_get(a, i), json_array_get(b, i), depth + 1)) return false;
        return true;
    }
    if (!json_is_object(a)) return json_equal((json_t *)a, (json_t *)b) != 0;
    if (json_object_size(a) != json_object_size(b)) return false;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)a, key, value) {
        const json_t *other = json_object_get(b, key);
        if (!other || !suan__json_same(value, other, depth + 1)) return false;
    }
    return true;
}

static bool is_in(const json_t *values, const json_t *value) {
    for (size_t i = 0; i < json_array_size(values); i++)
        if (suan__json_same(json_array_get(values, i), value, 0)) return true;
    return false;
}

/* Whether a size is within the counts of the keywords. */
static bool is_between(const json_t *row, const char *least, const char *most, size_t n) {
    const json_t *min = json_object_get(row, least), *max = json_object_get(row, most);
    return (!min || (double)n >= json_number_value(min)) && (!max || (double)n <= json_number_value(max));
}

static size_t n_characters(const char *s, size_t n) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) k += ((unsigned char)s[i] & 0xc0) != 0x80;
    return k;
}

static bool has_required(const json_t *row, const json_t *value) {
    const json_t *required = json_object_get(row, "required");
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!json_object_get(value, json_string_value(json_array_get(required, i)))) return false;
    return true;
}

/* is_listed: the value is one of the row's enum. */
static bool row_fits(suan__schema *c, uint32_t i_row, const json_t *value, bool is_listed) {
    const json_t *row = c->row[i_row].json, *values = is_listed ? NULL : json_object_get(row, "enum");
    if (!(c->row[i_row].types & suan__json_types(value)) || (values && !is_in(values, value))) return false;
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);
    switch (json_typeof(value)) {
    case JSON_STRING:
        return is_between(row, "minLength", "maxLength", n_characters(s, n)) && suan__schema_string_fits(c, i_row, s, n);
    case JSON_ARRAY:
        return is_between(row, "minItems", "maxItems", json_array_size(value));
    case JSON_OBJECT:
        return is_between(row, "minProperties", "maxProperties", json_object_size(value)) && has_required(row, value);
    case JSON_INTEGER:
    case JSON_REAL:
        return suan__schema_number_fits(&c->row[i_row], value);
    default:
        return true;
    }
}

/* from: the row whose enum the value is of, if any. */
static bool set_fits(suan__schema *c, const suan__schema_set *s, const json_t *value, const uint32_t *from) {
    if (s->is_never || !(suan__set_types(c, s) & suan__json_types(value))) return false;
    for (uint32_t i = 0; i < s->n && suan__schema_may_go_on(c, 1); i++) {
        uint32_t what = SUAN__ITEM_WHAT(s->item[i]), index = SUAN__ITEM_INDEX(s->item[i]);
        if (what == SUAN__ITEM_ROW && !row_fits(c, index, value, from && index == *from)) return false;
        if (what == SUAN__ITEM_VALUE && !suan__json_same(c->value[index], value, 0)) return false;
    }
    return true;
}

bool suan__set_fits(suan__schema *c, const suan__schema_set *s, const json_t *value) {
    return set_fits(c, s, value, NULL);
}

/* The rule of a part of a value: this value, and what the set asks of the part. */
static suan__node part_rule(suan__schema *c, suan__schema_set *part, const json_t *value) {
    suan__set_add_value(c, part, value);
    return suan__schema_rule_of(c, part);
}

static suan__node value_members(suan__schema *c, const suan__schema_set *s, const json_t *value) {
    suan__node node = SUAN__NO_NODE;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) {
        suan__schema_set part = {0};
        suan__set_property(c, s, key, strlen(key), &part);
        suan__node one = SUAN__SEQ(c->b, suan__json_key(c->j, key, strlen(key)), part_rule(c, &part, member));
        node = node == SUAN__NO_NODE ? one : SUAN__SEQ(c->b, node, c->j->comma, one);
    }
    return node;
}

static suan__node value_elements(suan__schema *c, const suan__schema_set *s, const json_t *value) {
    suan__node node = SUAN__NO_NODE;
    for (size_t i = 0; i < json_array_size(value); i++) {
        suan__schema_set part = {0};
        suan__set_element(c, s, i, &part);
        suan__node one = part_rule(c, &part, json_array_get(value, i));
        node = i == 0 ? one : SUAN__SEQ(c->b, node, c->j->comma, one);
    }
    return node;
}

suan__node suan__schema_value(suan__schema *c, const suan__schema_set *s, const json_t *value) {
    if (!suan__set_fits(c, s, value)) return suan__json_nothing(c->b);
    if (json_is_object(value) && json_object_size(value) == 0) return suan__json_bytes(c->b, "{}");
    if (json_is_array(value) && json_array_size(value) == 0) return suan__json_bytes(c->b, "[]");
    if (json_is_object(value)) return suan__json_enclose(c->j, "{", value_members(c, s, value), "}");
    if (json_is_array(value)) return suan__json_enclose(c->j, "[", value_elements(c, s, value), "]");
    return suan__json_scalar(c->j, value);
}

/* Scalars become one list of words; what has parts, rules of its own. */
suan__node suan__schema_enum(suan__schema *c, const suan__schema_set *s, const json_t *values, uint32_t row) {
    size_t n = json_array_size(values), n_words = 0, n_parts = 0;
    suan__word *words = suan__calloc(n, sizeof *words);
    suan__node *parts = suan__calloc(n + 1, sizeof *parts), node = SUAN__NO_NODE;
    suan__buf text = {0};
    if (!words || !parts) suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
    for (size_t i = 0; i < n && suan__schema_may_go_on(c, 1 + n / 64); i++) {
        const json_t *value = json_array_get(values, i);
        if (!set_fits(c, s, value, &row)) continue;
        if (json_is_object(value) || json_is_array(value)) {
            suan__schema_set one;
            suan__set_copy(c, &one, s);
            parts[n_parts++] = part_rule(c, &one, value);
        } else {
            size_t begin = text.n;
            suan__json_scalar_text(&text, value);
            words[n_words++].n = text.n - begin;
        }
    }
    if (text.failed) suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
    if (!suan__schema_failed(c)) {
        for (size_t i = 0, at = 0; i < n_words; at += words[i++].n) words[i].text = text.data + at;
        if (n_words) parts[n_parts++] = suan__node_words(c->b, words, n_words);
        node = suan__node_alt(c->b, parts, n_parts);
    }
    suan__free(words);
    suan__free(parts);
    suan__buf_fini(&text);
    return node;
}
