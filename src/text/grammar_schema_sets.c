/* grammar_schema_sets.c: conjunctions of schemas: what a value must obey at one place. */
#include <string.h>

#include "text/grammar_schema.h"

#define NO_FRAME UINT32_MAX

/* ---- items ---- */

static bool has_item(const suan__schema_set *s, uint32_t item) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->item[i] == item) return true;
    return false;
}

static bool grow_set(suan__schema *c, suan__schema_set *s, uint32_t n) {
    if (n <= s->capacity) return true;
    uint32_t capacity = n < 4 ? 4 : n + n / 2;
    uint32_t *items = SUAN_ARENA_NEW(&c->arena, uint32_t, 2 * (size_t)capacity);
    if (!items) {
        suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
        return false;
    }
    if (s->n) {
        memcpy(items, s->item, s->n * sizeof *items);
        memcpy(items + capacity, s->frame, s->n * sizeof *items);
    }
    s->item = items;
    s->frame = items + capacity;
    s->capacity = capacity;
    return true;
}

void suan__set_add(suan__schema *c, suan__schema_set *s, uint32_t item, uint32_t frame) {
    if (SUAN__ITEM_WHAT(item) == SUAN__ITEM_NEVER) s->is_never = true;
    if (!suan__schema_may_go_on(c, 1 + s->n / 16) || has_item(s, item) || !grow_set(c, s, s->n + 1)) return;
    s->item[s->n] = item;
    s->frame[s->n++] = frame;
}

void suan__set_copy(suan__schema *c, suan__schema_set *to, const suan__schema_set *from) {
    *to = (suan__schema_set){.is_never = from->is_never};
    if (from->n == 0 || !grow_set(c, to, from->n)) return;
    memcpy(to->item, from->item, from->n * sizeof *to->item);
    memcpy(to->frame, from->frame, from->n * sizeof *to->frame);
    to->n = from->n;
}

void suan__set_add_value(suan__schema *c, suan__schema_set *s, const json_t *value) {
    for (uint32_t i = c->n_value; i > 0 && i + 64 > c->n_value; i--)
        if (c->value[i - 1] == value) return suan__set_add(c, s, SUAN__ITEM(SUAN__ITEM_VALUE, i - 1), NO_FRAME);
    if (!suan__schema_grow(c, (void **)&c->value, &c->c_value, sizeof *c->value, c->n_value + 1)) return;
    c->value[c->n_value++] = value;
    suan__set_add(c, s, SUAN__ITEM(SUAN__ITEM_VALUE, c->n_value - 1), NO_FRAME);
}

/* ---- schemas ---- */

/* Whether the chain of frames holds the row already: it would lead to itself without a step into the value. */
static bool is_circle(suan__schema *c, uint32_t row, uint32_t up) {
    uint32_t n = 0;
    for (; up != NO_FRAME; up = c->frame[up].up, n++) {
        if (c->frame[up].row != row) continue;
        suan__schema_fail(c, row, NULL, SUAN_EINVAL, "leads to itself by references without a step into the value");
        return true;
    }
    if (n <= SUAN__SCHEMA_MAX_CHAIN) return false;
    suan__schema_fail(c, row, NULL, SUAN_ELIMIT, "behind more than %d references and alternatives", SUAN__SCHEMA_MAX_CHAIN);
    return true;
}

/* Puts a schema at the end of the frames, to be taken apart in its turn. */
static void push_frame(suan__schema *c, suan__schema_set *s, const json_t *schema, uint32_t up) {
    bool is_false;
    uint32_t row = suan__schema_row_of(c, schema, &is_false);
    if (is_false) suan__set_add(c, s, SUAN__ITEM(SUAN__ITEM_NEVER, 0), NO_FRAME);
    if (row == UINT32_MAX || !suan__schema_may_go_on(c, 1) || is_circle(c, row, up)) return;
    if (!suan__schema_grow(c, (void **)&c->frame, &c->c_frame, sizeof *c->frame, c->n_frame + 1)) return;
    c->frame[c->n_frame++] = (suan__schema_frame){row, up};
}

void suan__set_add_schema(suan__schema *c, suan__schema_set *s, const json_t *schema, uint32_t up) {
    uint32_t first = c->n_frame;
    push_frame(c, s, schema, up);
    for (uint32_t i = first; i < c->n_frame && !suan__schema_failed(c); i++) {
        uint32_t row = c->frame[i].row;
        const json_t *json = c->row[row].json, *constant = json_object_get(json, "const"), *all = json_object_get(json, "allOf");
        if (c->row[row].has_own) suan__set_add(c, s, SUAN__ITEM(SUAN__ITEM_ROW, row), NO_FRAME);
        if (constant) suan__set_add_value(c, s, constant);
        const json_t *target = suan__schema_target(c, row);
        if (target) push_frame(c, s, target, i);
        for (size_t k = 0; k < json_array_size(all); k++) push_frame(c, s, json_array_get(all, k), i);
        if (json_object_get(json, "anyOf")) suan__set_add(c, s, SUAN__ITEM(SUAN__ITEM_ANY_OF, row), i);
        if (json_object_get(json, "oneOf")) suan__set_add(c, s, SUAN__ITEM(SUAN__ITEM_ONE_OF, row), i);
    }
}

/* ---- alternatives ---- */

bool suan__set_choice(const suan__schema_set *s, uint32_t *at) {
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t what = SUAN__ITEM_WHAT(s->item[i]);
        if (what != SUAN__ITEM_ANY_OF && what != SUAN__ITEM_ONE_OF) continue;
        *at = i;
        return true;
    }
    return false;
}

bool suan__set_choose(suan__schema *c, suan__schema_set *to, const suan__schema_set *from, uint32_t at, size_t k) {
    uint32_t item = from->item[at], row = SUAN__ITEM_INDEX(item), up = from->frame[at];
    const json_t *all = json_object_get(c->row[row].json, SUAN__ITEM_WHAT(item) == SUAN__ITEM_ANY_OF ? "anyOf" : "oneOf");
    if (k >= json_array_size(all)) return false;
    *to = (suan__schema_set){.is_never = from->is_never};
    for (uint32_t i = 0; i < from->n; i++)
        if (i != at) suan__set_add(c, to, from->item[i], from->frame[i]);
    if (up == NO_FRAME && suan__schema_grow(c, (void **)&c->frame, &c->c_frame, sizeof *c->frame, c->n_frame + 1)) {
        up = c->n_frame++;
        c->frame[up] = (suan__schema_frame){row, NO_FRAME};
    }
    suan__schema_set chosen = {0};
    suan__set_add_schema(c, &chosen, json_array_get(all, k), up);
    for (uint32_t i = 0; i < chosen.n; i++)
        if (chosen.item[i] != item) suan__set_add(c, to, chosen.item[i], chosen.frame[i]);
    return true;
}

/* ---- sets without alternatives ---- */

const json_t *suan__set_keyword(const suan__schema *c, const suan__schema_set *s, const char *keyword, uint32_t *at, uint32_t *row) {
    for (; *at < s->n; ++*at) {
        if (SUAN__ITEM_WHAT(s->item[*at]) != SUAN__ITEM_ROW) continue;
        *row = SUAN__ITEM_INDEX(s->item[*at]);
        const json_t *value = json_object_get(c->row[*row].json, keyword);
        if (!value) continue;
        ++*at;
        return value;
    }
    return NULL;
}

uint64_t suan__set_count(const suan__schema *c, const suan__schema_set *s, const char *keyword, bool greatest, uint64_t none) {
    uint64_t r = none;
    bool is_first = true;
    const json_t *value;
    for (uint32_t at = 0, row; (value = suan__set_keyword(c, s, keyword, &at, &row)); is_first = false) {
        uint64_t count = (uint64_t)json_number_value(value);
        if (is_first || (greatest ? count > r : count < r)) r = count;
    }
    return r;
}

unsigned suan__set_types(const suan__schema *c, const suan__schema_set *s) {
    unsigned types = s->is_never ? 0 : SUAN__T_ALL;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t what = SUAN__ITEM_WHAT(s->item[i]), index = SUAN__ITEM_INDEX(s->item[i]);
        if (what == SUAN__ITEM_ROW) types &= c->row[index].types;
        if (what == SUAN__ITEM_TYPES) types &= index;
    }
    return types;
}

const json_t *suan__set_value(const suan__schema *c, const suan__schema_set *s) {
    for (uint32_t i = 0; i < s->n; i++)
        if (SUAN__ITEM_WHAT(s->item[i]) == SUAN__ITEM_VALUE) return c->value[SUAN__ITEM_INDEX(s->item[i])];
    return NULL;
}

/* ---- emptiness ---- */

/* None of an enum fits. */
static bool has_no_enum_value(suan__schema *c, const suan__schema_set *s) {
    uint32_t at = 0, row;
    const json_t *values = suan__set_keyword(c, s, "enum", &at, &row);
    if (!values) return false;
    for (size_t i = 0; i < json_array_size(values); i++)
        if (suan__set_fits(c, s, json_array_get(values, i))) return false;
    return true;
}

static bool leaf_is_empty(suan__schema *c, const suan__schema_set *s, int depth) {
    unsigned types = suan__set_types(c, s);
    const json_t *value = suan__set_value(c, s);
    if (types == 0) return true;
    if (value ? !suan__set_fits(c, s, value) : has_no_enum_value(c, s)) return true;
    if (value) types &= suan__json_types(value);
    if (types & SUAN__T_NUMBER && !value && suan__set_has_no_number(c, s)) types &= ~(unsigned)SUAN__T_NUMBER;
    if (types & SUAN__T_STRING && !value && suan__set_has_no_string(c, s)) types &= ~(unsigned)SUAN__T_STRING;
    if (types & SUAN__T_ARRAY && suan__set_has_no_array(c, s, depth)) types &= ~(unsigned)SUAN__T_ARRAY;
    if (types & SUAN__T_OBJECT && suan__set_has_no_object(c, s, depth)) types &= ~(unsigned)SUAN__T_OBJECT;
    return types == 0;
}

/* Alternatives one after the other; what has too many is taken for not empty. Depth bounds the recursion through objects and arrays. */
bool suan__set_is_empty(suan__schema *c, const suan__schema_set *s, int depth) {
    enum { MOST = 256 };
    uint32_t n_frame = c->n_frame, n = 0, n_seen = 0, at;
    suan__schema_set *todo = SUAN_ARENA_NEW(&c->arena, suan__schema_set, MOST);
    if (!todo || !suan__schema_may_go_on(c, 1)) return false;
    bool is_empty = true;
    suan__set_copy(c, &todo[n++], s);
    while (n > 0 && is_empty && suan__schema_may_go_on(c, 1)) {
        suan__schema_set one = todo[--n], chosen;
        if (one.is_never) continue;
        if (!suan__set_choice(&one, &at)) {
            is_empty = leaf_is_empty(c, &one, depth);
            continue;
        }
        for (size_t k = 0; suan__set_choose(c, &chosen, &one, at, k); k++) {
            if (n == MOST || ++n_seen > MOST) {
                is_empty = false;
                break;
            }
            todo[n++] = chosen;
        }
    }
    c->n_frame = n_frame;
    return is_empty && !suan__schema_failed(c);
}
