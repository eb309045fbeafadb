/* grammar_schema.c: sets become rules of a grammar, one after the other out of a queue. */
#include "text/grammar_schema.h"

#include <string.h>

#include "formats/json.h"

#define DISJOINT_DEPTH 3 /* steps into the value that tell alternatives of oneOf apart */

/* ---- rules by their sets ---- */

static uint32_t hash_set(const suan__schema_set *s) {
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < s->n; i++) h = (h ^ s->item[i]) * 16777619u;
    return h ^ h >> 15;
}

static uint32_t *rule_slot(const suan__schema *c, uint32_t *slots, uint32_t mask, const suan__schema_set *s, uint32_t hash) {
    for (uint32_t i = hash;; i++) {
        uint32_t *slot = &slots[i & mask];
        if (*slot == 0) return slot;
        const suan__schema_rule *r = &c->rule[*slot - 1];
        if (r->hash == hash && r->set.n == s->n && (s->n == 0 || memcmp(r->set.item, s->item, s->n * sizeof *s->item) == 0)) return slot;
    }
}

static bool grow_rule_slots(suan__schema *c) {
    if (c->rule_slot && c->n_rule < c->rule_mask / 2) return true;
    uint32_t mask = c->rule_slot ? c->rule_mask * 2 + 1 : 63, *slots = suan__calloc((size_t)mask + 1, sizeof *slots);
    if (!slots) {
        suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
        return false;
    }
    for (uint32_t i = 0; i < c->n_rule; i++) *rule_slot(c, slots, mask, &c->rule[i].set, c->rule[i].hash) = i + 1;
    suan__free(c->rule_slot);
    c->rule_slot = slots;
    c->rule_mask = mask;
    return true;
}

suan__node suan__schema_rule_of(suan__schema *c, const suan__schema_set *s) {
    if (!suan__schema_may_go_on(c, 1)) return SUAN__NO_NODE;
    if (s->is_never) return suan__json_nothing(c->b);
    if (s->n == 0) return c->j->any;
    uint32_t hash = hash_set(s);
    if (!grow_rule_slots(c)) return SUAN__NO_NODE;
    uint32_t *slot = rule_slot(c, c->rule_slot, c->rule_mask, s, hash);
    if (*slot) return c->rule[*slot - 1].node;
    if (c->n_rule == SUAN__SCHEMA_MAX_RULES)
        return suan__builder_fail(c->b, SUAN_ELIMIT, "%s: more than %d different places", c->what, SUAN__SCHEMA_MAX_RULES);
    if (!suan__schema_grow(c, (void **)&c->rule, &c->c_rule, sizeof *c->rule, c->n_rule + 1)) return SUAN__NO_NODE;
    suan__schema_rule *r = &c->rule[c->n_rule];
    *r = (suan__schema_rule){.node = suan__node_rule(c->b, NULL, 0), .hash = hash};
    suan__set_copy(c, &r->set, s);
    for (uint32_t i = 0; i < r->set.n; i++) r->set.frame[i] = UINT32_MAX; /* the rule begins chains of its own */
    *slot = ++c->n_rule;
    return r->node;
}

/* ---- what a rule is ---- */

/* The texts of a set without alternatives. */
static suan__node leaf(suan__schema *c, const suan__schema_set *s) {
    unsigned types = suan__set_types(c, s);
    const json_t *value = suan__set_value(c, s);
    uint32_t at = 0, row;
    if (value) return suan__schema_value(c, s, value);
    const json_t *values = suan__set_keyword(c, s, "enum", &at, &row);
    if (values) return suan__schema_enum(c, s, values, row);
    suan__node parts[7];
    size_t n = 0;
    if (types & SUAN__T_OBJECT) parts[n++] = suan__schema_object(c, s);
    if (types & SUAN__T_ARRAY) parts[n++] = suan__schema_array(c, s);
    if (types & SUAN__T_STRING) parts[n++] = suan__schema_string(c, s);
    if (types & SUAN__T_NUMBER) parts[n++] = suan__schema_number(c, s, !(types & SUAN__T_FRACTION));
    if (types & SUAN__T_BOOLEAN) parts[n++] = c->j->boolean;
    if (types & SUAN__T_NULL) parts[n++] = c->j->null;
    return suan__node_alt(c->b, parts, n);
}

/* The alternatives of oneOf must exclude one another: texts that obey two obey none. */
static void check_one_of(suan__schema *c, uint32_t row) {
    const json_t *all = json_object_get(c->row[row].json, "oneOf");
    if (c->row[row].is_checked) return;
    c->row[row].is_checked = true;
    for (size_t i = 0; i < json_array_size(all); i++) {
        for (size_t k = 0; k < i && suan__schema_may_go_on(c, 1); k++) {
            suan__schema_set both = {0};
            uint32_t n_frame = c->n_frame;
            suan__set_add(c, &both, SUAN__ITEM(SUAN__ITEM_ROW, row), UINT32_MAX);
            suan__set_add_schema(c, &both, json_array_get(all, i), UINT32_MAX);
            suan__set_add_schema(c, &both, json_array_get(all, k), UINT32_MAX);
            c->n_frame = n_frame;
            for (uint32_t f = 0; f < both.n; f++) both.frame[f] = UINT32_MAX;
            if (!suan__set_is_empty(c, &both, DISJOINT_DEPTH))
                return suan__schema_refuse(c, row, "oneOf",
                                           "alternatives %zu and %zu are not known to exclude one another (by type, or by a required "
                                           "property with different constants); anyOf says what is meant most often",
                                           k, i);
        }
    }
}

/* Makes the body of a rule: alternatives multiplied out, each a rule of its own when there are several. */
static void make_rule(suan__schema *c, uint32_t i_rule) {
    suan__schema_set first, *todo = NULL;
    uint32_t n_todo = 0, c_todo = 0, at, n_part = 0, c_part = 0;
    suan__node *part = NULL, node = c->rule[i_rule].node;
    c->n_frame = 0;
    suan__set_copy(c, &first, &c->rule[i_rule].set);
    if (!suan__set_choice(&first, &at)) {
        suan__builder_define(c->b, node, leaf(c, &first));
        return;
    }
    if (suan__schema_grow(c, (void **)&todo, &c_todo, sizeof *todo, 1)) todo[n_todo++] = first;
    while (n_todo > 0 && suan__schema_may_go_on(c, 1)) {
        suan__schema_set one = todo[--n_todo], chosen;
        if (!suan__set_choice(&one, &at)) {
            if (suan__set_is_empty(c, &one, 1)) continue;
            if (n_part == SUAN__SCHEMA_MAX_ALTERNATIVES) {
                suan__builder_fail(c->b, SUAN_ELIMIT, "%s: more than %d alternatives at one place", c->what, SUAN__SCHEMA_MAX_ALTERNATIVES);
                break;
            }
            if (suan__schema_grow(c, (void **)&part, &c_part, sizeof *part, n_part + 1)) part[n_part++] = suan__schema_rule_of(c, &one);
            continue;
        }
        if (SUAN__ITEM_WHAT(one.item[at]) == SUAN__ITEM_ONE_OF) check_one_of(c, SUAN__ITEM_INDEX(one.item[at]));
        uint32_t begin = n_todo;
        for (size_t k = 0; suan__set_choose(c, &chosen, &one, at, k); k++)
            if (!chosen.is_never && suan__schema_grow(c, (void **)&todo, &c_todo, sizeof *todo, n_todo + 1)) todo[n_todo++] = chosen;
        for (uint32_t end = n_todo; begin + 1 < end; begin++, end--) { /* the first alternative is taken first */
            suan__schema_set t = todo[begin];
            todo[begin] = todo[end - 1];
            todo[end - 1] = t;
        }
    }
    if (!suan__schema_failed(c)) suan__builder_define(c->b, node, suan__node_alt(c->b, part, n_part));
    suan__free(todo);
    suan__free(part);
}

/* ---- a document ---- */

void suan__schema_init(suan__schema *c, const suan__json_nodes *j, const json_t *root, const char *what, bool is_lenient) {
    *c = (suan__schema){.b = j->b, .j = j, .root = root, .what = what, .is_lenient = is_lenient};
    suan__arena_init(&c->arena, 1 << 14);
    suan__schema_read(c);
}

suan__node suan__schema_root(suan__schema *c, unsigned types) {
    suan__schema_set s = {0};
    if (types != SUAN__T_ALL) suan__set_add(c, &s, SUAN__ITEM(SUAN__ITEM_TYPES, types), UINT32_MAX);
    suan__set_add_schema(c, &s, c->root, UINT32_MAX);
    if (!suan__schema_failed(c) && suan__set_is_empty(c, &s, 2))
        return suan__builder_fail(c->b, SUAN_EINVAL, "%s: no %s obeys the schema", c->what, types == SUAN__T_OBJECT ? "object" : "value");
    c->n_frame = 0;
    return suan__schema_rule_of(c, &s);
}

void suan__schema_finish(suan__schema *c) {
    while (c->n_made < c->n_rule && suan__schema_may_go_on(c, 1)) make_rule(c, c->n_made++);
}

void suan__schema_fini(suan__schema *c) {
    suan__schema_forget_languages(c);
    suan__arena_fini(&c->arena);
    suan__free(c->row);
    suan__free(c->row_slot);
    suan__free(c->value);
    suan__free(c->rule);
    suan__free(c->rule_slot);
    suan__free(c->frame);
}

/* ---- the public functions ---- */

/* Whether the text is a boolean: a schema, but no JSON that the loader takes. */
static bool is_word(const char *s, size_t n, const char *word) {
    while (n > 0 && memchr(" \t\r\n", s[0], 4)) s++, n--;
    while (n > 0 && memchr(" \t\r\n", s[n - 1], 4)) n--;
    return n == strlen(word) && memcmp(s, word, n) == 0;
}

static suan_status load(const char *schema, size_t n, json_t **root, suan_error *err) {
    suan_error why = {0};
    *root = NULL;
    SUAN_CHECK(n <= SUAN__SCHEMA_MAX_BYTES, SUAN_ELIMIT, "schema: %zu bytes, expected at most %d", n, SUAN__SCHEMA_MAX_BYTES);
    if (is_word(schema, n, "true") || is_word(schema, n, "false")) {
        *root = json_boolean(is_word(schema, n, "true"));
        return SUAN_OK;
    }
    if (suan__json_scan(schema, n, "schema", SUAN__JSON_MAX_DEPTH, SUAN__SCHEMA_MAX_VALUES, &why) != SUAN_OK)
        return suan__fail(err, SUAN_ELIMIT, "%s", why.message);
    suan_status status = suan__json_load(schema, n, "schema", root, &why);
    if (status == SUAN_OK) return SUAN_OK;
    return suan__fail(err, status == SUAN_ENOMEM ? status : SUAN_EINVAL, "%s", why.message);
}

suan_status suan_grammar_from_json_schema(suan_grammar **g, const char *schema, size_t n, suan_error *err) {
    json_t *root;
    suan__builder *b;
    *g = NULL;
    SUAN_TRY(load(schema, n, &root, err));
    suan_status status = suan__builder_create(&b, err);
    if (status != SUAN_OK) {
        json_decref(root);
        return status;
    }
    suan__json_nodes j;
    suan__schema c;
    suan__json_nodes_init(&j, b);
    suan__schema_init(&c, &j, root, "schema", false);
    suan__node start = SUAN__SEQ(b, j.lead, suan__schema_root(&c, SUAN__T_ALL));
    suan__schema_finish(&c);
    suan__schema_fini(&c);
    json_decref(root);
    return suan__builder_finish(g, &b, start, err);
}

suan_status suan_grammar_any_json_object(suan_grammar **g, suan_error *err) {
    suan__builder *b;
    suan__json_nodes j;
    *g = NULL;
    SUAN_TRY(suan__builder_create(&b, err));
    suan__json_nodes_init(&j, b);
    return suan__builder_finish(g, &b, SUAN__SEQ(b, j.lead, j.object), err);
}
