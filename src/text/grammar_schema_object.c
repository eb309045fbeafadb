/* grammar_schema_object.c: objects: the names that a schema speaks of, in its order, and others behind them.
 *
 * Where a schema lists properties and does not say a word about additional ones, none are written: such schemas mean the list. No name that
 * is listed comes twice; of names that are not, nothing keeps a model from writing one twice (no automaton could).
 */
#include <string.h>

#include "text/grammar_language.h"
#include "text/grammar_schema.h"

/* ---- what a property must obey ---- */

static void add_property(suan__schema *c, const suan__schema_row *row, const char *key, size_t n, suan__schema_set *out) {
    const json_t *schema = json_object_get(json_object_get(row->json, "properties"), key);
    const json_t *patterns = json_object_get(row->json, "patternProperties"), *rest = json_object_get(row->json, "additionalProperties");
    bool is_found = schema != NULL;
    if (schema) suan__set_add_schema(c, out, schema, UINT32_MAX);
    const char *pattern;
    json_object_foreach((json_t *)patterns, pattern, schema) {
        if (!suan__schema_pattern_has(c, (uint32_t)(row - c->row), pattern, key, n)) continue;
        suan__set_add_schema(c, out, schema, UINT32_MAX);
        is_found = true;
    }
    if (!is_found && rest) suan__set_add_schema(c, out, rest, UINT32_MAX);
}

void suan__set_property(suan__schema *c, const suan__schema_set *s, const char *key, size_t n, suan__schema_set *out) {
    for (uint32_t i = 0; i < s->n; i++)
        if (SUAN__ITEM_WHAT(s->item[i]) == SUAN__ITEM_ROW) add_property(c, &c->row[SUAN__ITEM_INDEX(s->item[i])], key, n, out);
    const json_t *names;
    for (uint32_t at = 0, row; (names = suan__set_keyword(c, s, "propertyNames", &at, &row));) {
        suan__schema_set name = {0};
        json_t *text = json_stringn(key, n);
        suan__set_add_schema(c, &name, names, UINT32_MAX);
        uint32_t choice;
        if (text && !suan__set_choice(&name, &choice) && !suan__set_fits(c, &name, text))
            suan__set_add(c, out, SUAN__ITEM(SUAN__ITEM_NEVER, 0), UINT32_MAX);
        json_decref(text);
    }
}

/* Adds a name, or marks the one that is there as required. places: name -> index. */
static void add_name(suan__schema *c, json_t *places, suan__schema_name **names, uint32_t *n_names, uint32_t *c_names, const char *name,
                     bool is_required) {
    const json_t *place = json_object_get(places, name);
    if (place) {
        (*names)[json_integer_value(place)].is_required |= is_required;
        return;
    }
    if (!suan__schema_grow(c, (void **)names, c_names, sizeof **names, *n_names + 1)) return;
    if (json_object_set_new(places, name, json_integer(*n_names)) != 0) suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
    (*names)[(*n_names)++] = (suan__schema_name){name, strlen(name), is_required};
}

suan__schema_name *suan__set_names(suan__schema *c, const suan__schema_set *s, uint32_t *n_names) {
    suan__schema_name *names = NULL;
    uint32_t c_names = 0;
    json_t *places = json_object(), *schema;
    const json_t *value;
    const char *key;
    *n_names = 0;
    if (!places) suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
    for (uint32_t at = 0, row; (value = suan__set_keyword(c, s, "properties", &at, &row));)
        json_object_foreach((json_t *)value, key, schema) add_name(c, places, &names, n_names, &c_names, key, false);
    for (uint32_t at = 0, row; (value = suan__set_keyword(c, s, "required", &at, &row));)
        for (size_t i = 0; i < json_array_size(value); i++)
            add_name(c, places, &names, n_names, &c_names, json_string_value(json_array_get(value, i)), true);
    json_decref(places);
    suan__schema_may_go_on(c, *n_names);
    return names;
}

/* ---- emptiness ---- */

bool suan__set_has_no_object(suan__schema *c, const suan__schema_set *s, int depth) {
    uint32_t n_names;
    const json_t *value = suan__set_value(c, s);
    suan__schema_name *names = suan__set_names(c, s, &n_names);
    bool is_empty = false;
    for (uint32_t i = 0; i < n_names && !is_empty && suan__schema_may_go_on(c, 1); i++) {
        json_t *member = value ? json_object_get(value, names[i].name) : NULL;
        if (value ? !member : !names[i].is_required) continue;
        suan__schema_set property = {0};
        uint32_t n_frame = c->n_frame;
        suan__set_property(c, s, names[i].name, names[i].n, &property);
        if (member) suan__set_add_value(c, &property, member);
        is_empty = property.is_never || (depth > 0 && suan__set_is_empty(c, &property, depth - 1));
        c->n_frame = n_frame;
    }
    suan__free(names);
    return is_empty;
}

/* ---- members that are not listed ---- */

/* A part of all names that are not listed, and what the values behind them must obey. */
typedef struct region {
    suan__language names; /* quoted */
    suan__schema_set set;
} region;

typedef struct others {
    bool is_open;
    region *region;
    uint32_t n, c;
} others;

static void others_fini(others *o) {
    for (uint32_t i = 0; i < o->n; i++) suan__language_fini(&o->region[i].names);
    suan__free(o->region);
}

/* Splits every region by whether its names match the pattern; `rows` names say nothing else than patterns. */
static void split(suan__schema *c, others *o, uint32_t row, const char *pattern, const json_t *schema, bool *matched) {
    const suan__language *p = suan__schema_pattern_language(c, row, pattern);
    uint32_t n = o->n;
    for (uint32_t i = 0; p && i < n && suan__schema_may_go_on(c, 64); i++) {
        suan__language inside = {0}, outside = {0};
        if (o->n >= 63) return suan__schema_refuse(c, row, "patternProperties", "too many patterns");
        if (!suan__schema_grow(c, (void **)&o->region, &o->c, sizeof *o->region, o->n + 1)) return;
        suan__language_combine(&inside, &o->region[i].names, p, true, c->b);
        suan__language_combine(&outside, &o->region[i].names, p, false, c->b);
        suan__language_fini(&o->region[i].names);
        o->region[i].names = outside;
        region *r = &o->region[o->n];
        *r = (region){.names = inside};
        suan__set_copy(c, &r->set, &o->region[i].set);
        suan__set_add_schema(c, &r->set, schema, UINT32_MAX);
        matched[o->n++] = true;
    }
}

/* Row by row: its patterns, then what it says of names that none of them matches. */
static void add_row(suan__schema *c, others *o, uint32_t row) {
    const json_t *patterns = json_object_get(c->row[row].json, "patternProperties"),
                 *rest = json_object_get(c->row[row].json, "additionalProperties");
    bool matched[64] = {false};
    const char *pattern;
    json_t *schema;
    json_object_foreach((json_t *)patterns, pattern, schema) split(c, o, row, pattern, schema, matched);
    for (uint32_t i = 0; i < o->n && rest && i < 64; i++)
        if (!matched[i]) suan__set_add_schema(c, &o->region[i].set, rest, UINT32_MAX);
}

/* Whether names that are not listed may be written where no row but those with a say has one. */
static bool is_open_set(const suan__schema *c, const suan__schema_set *s) {
    uint32_t at = 0, row;
    bool has_list = suan__set_keyword(c, s, "properties", &at, &row) != NULL;
    at = 0;
    has_list |= suan__set_keyword(c, s, "patternProperties", &at, &row) != NULL;
    at = 0;
    return !has_list || suan__set_keyword(c, s, "additionalProperties", &at, &row) != NULL;
}

/* The regions; those that no text or no value is in are left out. */
static void find_others(suan__schema *c, const suan__schema_set *s, const suan__schema_name *names, uint32_t n_names, others *o) {
    uint32_t at = 0, row;
    bool is_open = is_open_set(c, s), has_patterns = suan__set_keyword(c, s, "patternProperties", &at, &row) != NULL;
    if (!is_open && !has_patterns) return;
    if (!suan__schema_grow(c, (void **)&o->region, &o->c, sizeof *o->region, 1)) return;
    o->region[o->n++] = (region){0};
    suan__schema_names_language(c, s, names, n_names, &o->region[0].names);
    for (uint32_t i = 0; i < s->n && !suan__schema_failed(c); i++)
        if (SUAN__ITEM_WHAT(s->item[i]) == SUAN__ITEM_ROW) add_row(c, o, SUAN__ITEM_INDEX(s->item[i]));
    if (!is_open && o->n > 0) o->region[0].set.is_never = true;
}

/* One member that is not listed. */
static suan__node other_member(suan__schema *c, others *o) {
    suan__node node = suan__json_nothing(c->b);
    for (uint32_t i = 0; i < o->n && suan__schema_may_go_on(c, 1); i++) {
        region *r = &o->region[i];
        if (r->set.is_never || r->names.n_rows == 0 || suan__set_is_empty(c, &r->set, 1)) continue;
        suan__node name = SUAN__SEQ(c->b, c->j->quote, suan__language_node(&r->names, c->b));
        node = SUAN__ALT(c->b, node, SUAN__SEQ(c->b, name, c->j->colon, suan__schema_rule_of(c, &r->set)));
        o->is_open = true;
    }
    return node;
}

/* ---- the object ---- */

/* Keeps what may be written: drops optional names without a value; false when a required one has none. */
static bool prune(suan__schema *c, const suan__schema_set *s, suan__schema_name *names, uint32_t *n_names, suan__node *member) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < *n_names && suan__schema_may_go_on(c, 1); i++) {
        suan__schema_set set = {0};
        suan__set_property(c, s, names[i].name, names[i].n, &set);
        bool is_empty = set.is_never || suan__set_is_empty(c, &set, 1);
        if (is_empty && names[i].is_required) return false;
        if (is_empty) continue;
        member[n] = SUAN__SEQ(c->b, suan__json_key(c->j, names[i].name, names[i].n), suan__schema_rule_of(c, &set));
        names[n++] = names[i];
    }
    *n_names = n;
    return true;
}

/* From the last name to the first: what may follow when nothing was written yet, and when something was. At least one member is written.
 * other SUAN__NO_NODE: none but those listed; most: of others. */
static suan__node members(suan__schema *c, const suan__schema_name *names, const suan__node *member, uint32_t n, suan__node other,
                          uint32_t most) {
    suan__builder *b = c->b;
    suan__node more = suan__json_empty(b), first = suan__json_nothing(b);
    if (other != SUAN__NO_NODE) {
        suan__node following = SUAN__SEQ(b, c->j->comma, other);
        more = suan__node_repeat(b, following, 0, most);
        first = SUAN__SEQ(b, other, suan__node_repeat(b, following, 0, most == SUAN__NO_END ? most : most - 1));
    }
    for (uint32_t i = n; i-- > 0 && suan__schema_may_go_on(c, 1);) {
        suan__node with_comma = SUAN__SEQ(b, c->j->comma, member[i], more), alone = SUAN__SEQ(b, member[i], more);
        first = names[i].is_required ? alone : SUAN__ALT(b, alone, first);
        more = names[i].is_required ? with_comma : SUAN__ALT(b, with_comma, more);
    }
    return first;
}

/* minProperties as far as what is required implies it, or 1: whether there must be a member. *most: of those that are not listed. */
static bool read_counts(suan__schema *c, const suan__schema_set *s, const suan__schema_name *names, uint32_t n, uint32_t *most) {
    uint32_t n_required = 0, at = 0, row = 0;
    for (uint32_t i = 0; i < n; i++) n_required += names[i].is_required;
    uint64_t min = suan__set_count(c, s, "minProperties", true, 0), max = suan__set_count(c, s, "maxProperties", false, UINT64_MAX);
    if (min > 1 && min > n_required && suan__set_keyword(c, s, "minProperties", &at, &row))
        suan__schema_refuse(c, row, "minProperties", "supported up to the number of required properties, and 1");
    at = 0;
    if (max < n && suan__set_keyword(c, s, "maxProperties", &at, &row))
        suan__schema_refuse(c, row, "maxProperties", "supported from the number of listed properties on");
    *most = max == UINT64_MAX ? SUAN__NO_END : max > n ? (uint32_t)(max - n) : 0;
    return min > 0 || n_required > 0;
}

suan__node suan__schema_object(suan__schema *c, const suan__schema_set *s) {
    suan__builder *b = c->b;
    uint32_t n, most;
    suan__schema_name *names = suan__set_names(c, s, &n);
    suan__node *member = suan__calloc((size_t)n + 1, sizeof *member), node = suan__json_nothing(b);
    others o = {0};
    if (!member) suan__builder_fail(b, SUAN_ENOMEM, "%s: out of memory", c->what);
    if (suan__schema_failed(c)) goto done;
    find_others(c, s, names, n, &o);
    if (!prune(c, s, names, &n, member)) goto done;
    suan__node other = other_member(c, &o);
    bool has_member = read_counts(c, s, names, n, &most), has_others = o.is_open && most > 0;
    if (n > 0 || has_others)
        node = suan__json_enclose(c->j, "{", members(c, names, member, n, has_others ? other : SUAN__NO_NODE, most), "}");
    if (!has_member) node = SUAN__ALT(b, suan__json_bytes(b, "{}"), node);
done:
    others_fini(&o);
    suan__free(names);
    suan__free(member);
    return suan__schema_failed(c) ? SUAN__NO_NODE : node;
}
