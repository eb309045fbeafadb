/* grammar_schema_array.c: arrays: prefixItems, items and how many. */
#include "text/grammar_schema.h"

#define NONE UINT64_MAX

void suan__set_element(suan__schema *c, const suan__schema_set *s, uint64_t index, suan__schema_set *out) {
    for (uint32_t i = 0; i < s->n; i++) {
        if (SUAN__ITEM_WHAT(s->item[i]) != SUAN__ITEM_ROW) continue;
        const json_t *row = c->row[SUAN__ITEM_INDEX(s->item[i])].json, *prefix = json_object_get(row, "prefixItems");
        const json_t *schema = index < json_array_size(prefix) ? json_array_get(prefix, index) : json_object_get(row, "items");
        if (schema) suan__set_add_schema(c, out, schema, UINT32_MAX);
    }
}

/* How many elements have a schema of their own. */
static uint64_t n_prefix(const suan__schema *c, const suan__schema_set *s) {
    uint64_t n = 0;
    const json_t *prefix;
    for (uint32_t at = 0, row; (prefix = suan__set_keyword(c, s, "prefixItems", &at, &row));)
        if (json_array_size(prefix) > n) n = json_array_size(prefix);
    return n;
}

/* The counts, the greatest lowered where no further element is possible. */
static void limits(suan__schema *c, const suan__schema_set *s, uint64_t *min, uint64_t *max, int depth) {
    uint64_t n = n_prefix(c, s);
    *min = suan__set_count(c, s, "minItems", true, 0);
    *max = suan__set_count(c, s, "maxItems", false, NONE);
    for (uint64_t i = 0; i <= n && i < *max && suan__schema_may_go_on(c, 1); i++) {
        suan__schema_set element = {0};
        uint32_t n_frame = c->n_frame;
        suan__set_element(c, s, i, &element);
        if (element.is_never || (depth > 0 && suan__set_is_empty(c, &element, depth - 1))) *max = i;
        c->n_frame = n_frame;
    }
}

bool suan__set_has_no_array(suan__schema *c, const suan__schema_set *s, int depth) {
    uint64_t min, max;
    limits(c, s, &min, &max, depth);
    if (min > max) return true;
    const json_t *value = suan__set_value(c, s);
    bool is_empty = false;
    for (size_t i = 0; depth > 0 && !is_empty && i < json_array_size(value); i++) {
        suan__schema_set element = {0};
        uint32_t n_frame = c->n_frame;
        suan__set_element(c, s, i, &element);
        suan__set_add_value(c, &element, json_array_get(value, i));
        is_empty = suan__set_is_empty(c, &element, depth - 1);
        c->n_frame = n_frame;
    }
    return is_empty;
}

static suan__node element(suan__schema *c, const suan__schema_set *s, uint64_t i) {
    suan__schema_set set = {0};
    suan__set_element(c, s, i, &set);
    return suan__schema_rule_of(c, &set);
}

static uint32_t as_count(uint64_t n) {
    return n == NONE ? SUAN__NO_END : (uint32_t)n;
}

suan__node suan__schema_array(suan__schema *c, const suan__schema_set *s) {
    suan__builder *b = c->b;
    uint64_t min, max, n = n_prefix(c, s);
    limits(c, s, &min, &max, 1);
    if (min > max) return suan__json_nothing(b);
    for (uint32_t at = 0, row; suan__set_keyword(c, s, "uniqueItems", &at, &row);)
        if (max > 1 && json_is_true(json_object_get(c->row[row].json, "uniqueItems")))
            suan__schema_refuse(c, row, "uniqueItems", "not supported where there may be more than one element");
    if (max == 0) return suan__json_bytes(b, "[]");
    if (n > max) n = max;
    /* From the end: what may follow after i elements, i >= 1. */
    uint64_t behind = n > 0 ? n : 1;
    suan__node tail = suan__json_empty(b);
    if (max > behind) {
        suan__node more = SUAN__SEQ(b, c->j->comma, element(c, s, n));
        tail = suan__node_repeat(b, more, as_count(min > behind ? min - behind : 0), as_count(max == NONE ? max : max - behind));
    }
    for (uint64_t i = behind; i-- > 1 && suan__schema_may_go_on(c, 1);) {
        tail = SUAN__SEQ(b, c->j->comma, element(c, s, i), tail);
        if (i >= min) tail = suan__json_optional(b, tail);
    }
    suan__node whole = suan__json_enclose(c->j, "[", SUAN__SEQ(b, element(c, s, 0), tail), "]");
    return min == 0 ? SUAN__ALT(b, suan__json_bytes(b, "[]"), whole) : whole;
}
