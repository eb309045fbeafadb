/* grammar_schema_string.c: strings: pattern, format and length, alone and together.
 *
 * One constraint becomes nodes as it is written. Several are intersected as automata, which works for all that have few states.
 */
#include <string.h>

#include "text/grammar_language.h"
#include "text/grammar_schema.h"

#define NONE UINT64_MAX

/* ---- formats ---- */

/* Years 0001 to 9999; those of them that are leap years. */
#define YEAR "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define LEAP "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
#define DATE                                                                                               \
    "(" YEAR "-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|" YEAR "-(0[469]|11)-(0[1-9]|[12][0-9]|30)|" YEAR \
    "-02-(0[1-9]|1[0-9]|2[0-8])|" LEAP "-02-29)"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define LABEL "[A-Za-z0-9]{1,20}(-[A-Za-z0-9]{1,20}){0,2}" /* "xn--" would promise more */
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define HEX4 "[0-9A-Fa-f]{1,4}"
#define CLOCK "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"

static const struct format {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration", "^P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)(" CLOCK ")?|" CLOCK ")$"},
    {"uuid", "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"},
    {"ipv4", "^" BYTE "(\\." BYTE "){3}$"},
    {"ipv6", "^((" HEX4 ":){7}" HEX4 "|(" HEX4 ":){1,7}:|(" HEX4 ":){1,6}:" HEX4 "|(" HEX4 ":){1,5}(:" HEX4 "){1,2}|(" HEX4 ":){1,4}(:" HEX4
             "){1,3}|(" HEX4 ":){1,3}(:" HEX4 "){1,4}|(" HEX4 ":){1,2}(:" HEX4 "){1,5}|" HEX4 ":(:" HEX4 "){1,6}|:((:" HEX4 "){1,7}|:))$"},
    {"hostname", "^" LABEL "(\\." LABEL "){0,3}$"},
    {"email", "^" ATOM "(\\." ATOM ")*@" LABEL "(\\." LABEL "){1,3}$"},
};

/* The expression of a format; NULL: it says nothing (an annotation). */
static const char *format_pattern(const json_t *format) {
    for (size_t i = 0; json_is_string(format) && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, json_string_value(format)) == 0) return formats[i].pattern;
    return NULL;
}

/* The k-th expression of a row: 0 its pattern, 1 that of its format; NULL: none. */
static const char *expression(const suan__schema *c, uint32_t row, int k) {
    const json_t *json = c->row[row].json;
    return k == 0 ? json_string_value(json_object_get(json, "pattern")) : format_pattern(json_object_get(json, "format"));
}

/* ---- languages of expressions ---- */

/* How strings are written: within JSON (tail: the closing quote), or as they are (tail: a marker, with what stands before it). */
typedef struct spelling {
    bool is_raw;
    const char *tail;
} spelling;
static const spelling quoted = {false, "\""};

struct suan__schema_language {
    struct suan__schema_language *following;
    const char *pattern;
    suan__language language;
    bool is_bad; /* outside of the subset, and passed over */
};

void suan__schema_forget_languages(suan__schema *c) {
    for (struct suan__schema_language *l = c->languages, *following; l; l = following) {
        following = l->following;
        suan__language_fini(&l->language);
        suan__free(l);
    }
    c->languages = NULL;
}

static const suan__unicode_range raw_characters[] = {{'\t', '\n'}, {'\r', '\r'}, {0x20, 0x7e}, {0x80, 0x10ffff}};

static suan__node any_character(suan__builder *b, bool is_raw) {
    static const suan__unicode_range all[] = {{1, 0x10ffff}};
    return is_raw ? suan__node_set(b, raw_characters, 4, false) : suan__json_set(NULL, b, all, 1);
}

static suan__builder *scratch_builder(suan__schema *c) {
    suan__builder *b = NULL;
    suan_error why = {0};
    if (suan__builder_create(&b, &why) != SUAN_OK) suan__builder_fail(c->b, why.status, "%s", why.message);
    return b;
}

/* Reads an expression; false when there is no node: c has failed, or the expression is passed over. */
static bool read_expression(suan__schema *c, uint32_t row, const char *keyword, suan__builder *b, const char *pattern, bool is_raw,
                            suan__node *node) {
    suan_error why = {0};
    suan__regex_form form = {.set = is_raw ? NULL : suan__json_set, .search = true};
    suan_status status = suan__regex_to_node(node, b, pattern, strlen(pattern), &form, &why);
    if (status == SUAN_OK) return true;
    if (status == SUAN_EUNSUPPORTED)
        suan__schema_refuse(c, row, keyword, "%s", why.message);
    else
        suan__schema_fail(c, row, keyword, status, "%s", why.message);
    return false;
}

void suan__schema_check_pattern(suan__schema *c, uint32_t row, const char *keyword, const char *pattern) {
    suan__builder *b = scratch_builder(c);
    suan__node node;
    if (b) read_expression(c, row, keyword, b, pattern, false, &node);
    suan__builder_free(b);
}

static bool expression_language(suan__schema *c, uint32_t row, const char *keyword, const char *pattern, spelling x, suan__language *l) {
    suan__builder *b = scratch_builder(c);
    suan__node node;
    *l = (suan__language){0};
    if (!b || !read_expression(c, row, keyword, b, pattern, x.is_raw, &node)) {
        suan__builder_free(b);
        return false;
    }
    suan__language_of(l, &b, SUAN__SEQ(b, node, suan__json_bytes(b, x.tail)), c->b);
    suan__schema_may_go_on(c, 16 + l->n_rows);
    return true;
}

const suan__language *suan__schema_pattern_language(suan__schema *c, uint32_t row, const char *pattern) {
    struct suan__schema_language *l = c->languages;
    while (l && l->pattern != pattern) l = l->following;
    if (!l && !suan__schema_failed(c)) {
        l = suan__calloc(1, sizeof *l);
        if (!l) {
            suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
            return NULL;
        }
        *l = (struct suan__schema_language){.following = c->languages, .pattern = pattern};
        c->languages = l;
        l->is_bad = !expression_language(c, row, "pattern", pattern, quoted, &l->language);
        if (l->language.is_cut) suan__schema_refuse(c, row, NULL, "a pattern with too many states to be compared with other keywords");
        l->is_bad |= l->language.is_cut;
    }
    return !l || l->is_bad || suan__schema_failed(c) ? NULL : &l->language;
}

bool suan__schema_pattern_has(suan__schema *c, uint32_t row, const char *pattern, const char *s, size_t n) {
    const suan__language *l = suan__schema_pattern_language(c, row, pattern);
    suan__buf text = {0};
    suan__json_quote(&text, s, n);
    bool has = l && !text.failed && suan__language_has(l, text.data + 1, text.n - 1);
    if (text.failed) suan__builder_fail(c->b, SUAN_ENOMEM, "%s: out of memory", c->what);
    suan__buf_fini(&text);
    return has;
}

bool suan__schema_string_fits(suan__schema *c, uint32_t row, const char *s, size_t n) {
    for (int k = 0; k < 2; k++) {
        const char *pattern = expression(c, row, k);
        if (pattern && suan__schema_pattern_language(c, row, pattern) && !suan__schema_pattern_has(c, row, pattern, s, n)) return false;
    }
    return true;
}

/* ---- all that a set says ---- */

/* l: its texts that x has too. The memory of both ends in l. */
static void narrow(suan__schema *c, suan__language *l, suan__language *x, bool in_both) {
    suan__language both;
    suan__language_combine(&both, l, x, in_both, c->b);
    suan__language_fini(l);
    suan__language_fini(x);
    *l = both;
    suan__schema_may_go_on(c, 16 + l->n_rows);
}

static void length_language(suan__schema *c, uint64_t min, uint64_t max, spelling x, suan__language *l) {
    suan__builder *b = scratch_builder(c);
    *l = (suan__language){.is_cut = true};
    if (!b) return;
    if (min > SUAN__LANGUAGE_MAX_ROWS || (max != NONE && max > SUAN__LANGUAGE_MAX_ROWS)) {
        suan__builder_free(b);
        return;
    }
    suan__node node = suan__node_repeat(b, any_character(b, x.is_raw), (uint32_t)min, max == NONE ? SUAN__NO_END : (uint32_t)max);
    suan__language_of(l, &b, SUAN__SEQ(b, node, suan__json_bytes(b, x.tail)), c->b);
}

/* Strings of a list that fit, spelled and with the tail. */
static void words_language(suan__schema *c, const suan__schema_set *s, const json_t *values, spelling x, suan__language *l) {
    suan__builder *b = scratch_builder(c);
    suan__node node = b ? suan__json_nothing(b) : SUAN__NO_NODE;
    for (size_t i = 0; b && i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        suan__buf text = {0};
        if (!json_is_string(value) || (s && !suan__set_fits(c, s, value))) continue;
        if (x.is_raw) {
            suan__buf_append(&text, json_string_value(value), json_string_length(value));
        } else {
            suan__json_quote(&text, json_string_value(value), json_string_length(value));
            text.n--; /* the closing quote is the tail */
        }
        suan__buf_append(&text, x.tail, strlen(x.tail));
        if (!text.failed) node = SUAN__ALT(b, node, suan__node_bytes(b, text.data + !x.is_raw, text.n - !x.is_raw));
        suan__buf_fini(&text);
    }
    if (b) suan__language_of(l, &b, node, c->b);
}

/* Narrows l by all that the set says of strings. what: a keyword that took part, for messages. */
static void narrow_by_set(suan__schema *c, const suan__schema_set *s, spelling x, suan__language *l) {
    suan__language other;
    uint64_t min = suan__set_count(c, s, "minLength", true, 0), max = suan__set_count(c, s, "maxLength", false, NONE);
    uint32_t at = 0, row = 0;
    const json_t *value = suan__set_value(c, s), *values = suan__set_keyword(c, s, "enum", &at, &row);
    if (value || values) {
        json_t *list = value ? json_pack("[O]", value) : json_incref((json_t *)values);
        words_language(c, s, list, x, &other);
        json_decref(list);
        narrow(c, l, &other, true);
        return;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (SUAN__ITEM_WHAT(s->item[i]) != SUAN__ITEM_ROW) continue;
        row = SUAN__ITEM_INDEX(s->item[i]);
        for (int k = 0; k < 2; k++) {
            const char *pattern = expression(c, row, k);
            if (!pattern || !expression_language(c, row, k ? "format" : "pattern", pattern, x, &other)) continue;
            suan__language before = *l;
            if (other.is_cut) {
                suan__schema_refuse(c, row, k ? "format" : "pattern", "too many states together with other keywords");
                continue;
            }
            *l = before;
            narrow(c, l, &other, true);
        }
    }
    if (min == 0 && max == NONE) return;
    length_language(c, min, max, x, &other);
    if (other.is_cut && !l->is_cut) {
        at = 0;
        suan__set_keyword(c, s, max == NONE ? "minLength" : "maxLength", &at, &row);
        suan__schema_refuse(c, row, max == NONE ? "minLength" : "maxLength", "too many states together with other keywords");
        return;
    }
    narrow(c, l, &other, true);
}

/* How many expressions a set has; one of them. */
static int n_expressions(const suan__schema *c, const suan__schema_set *s, uint32_t *row, int *which) {
    int n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (SUAN__ITEM_WHAT(s->item[i]) != SUAN__ITEM_ROW) continue;
        for (int k = 0; k < 2; k++) {
            if (!expression(c, SUAN__ITEM_INDEX(s->item[i]), k)) continue;
            *row = SUAN__ITEM_INDEX(s->item[i]);
            *which = k;
            n++;
        }
    }
    return n;
}

static void all_language(suan__schema *c, spelling x, suan__language *l) {
    length_language(c, 0, NONE, x, l);
}

bool suan__set_has_no_string(suan__schema *c, const suan__schema_set *s) {
    uint64_t min = suan__set_count(c, s, "minLength", true, 0), max = suan__set_count(c, s, "maxLength", false, NONE);
    uint32_t row;
    int which;
    if (min > max) return true;
    if (n_expressions(c, s, &row, &which) < 1 + (min == 0 && max == NONE)) return false;
    suan__language l;
    all_language(c, quoted, &l);
    narrow_by_set(c, s, quoted, &l);
    bool is_empty = l.n_rows == 0 && !l.is_cut;
    suan__language_fini(&l);
    return is_empty;
}

suan__node suan__schema_string(suan__schema *c, const suan__schema_set *s) {
    suan__builder *b = c->b;
    uint64_t min = suan__set_count(c, s, "minLength", true, 0), max = suan__set_count(c, s, "maxLength", false, NONE);
    bool has_length = min > 0 || max != NONE;
    uint32_t row = 0;
    int which = 0, n = n_expressions(c, s, &row, &which);
    if (min > max) return suan__json_nothing(b);
    suan__node inside = suan__node_repeat(b, c->j->character, (uint32_t)min, max == NONE ? SUAN__NO_END : (uint32_t)max), node;
    if (n == 0) return has_length ? SUAN__SEQ(b, c->j->quote, inside, c->j->quote) : c->j->string;
    if (n == 1 && !has_length) {
        const char *keyword = which ? "format" : "pattern";
        if (!read_expression(c, row, keyword, b, expression(c, row, which), false, &node))
            return suan__schema_failed(c) ? SUAN__NO_NODE : c->j->string;
        return SUAN__SEQ(b, c->j->quote, node, c->j->quote);
    }
    suan__language l;
    all_language(c, quoted, &l);
    narrow_by_set(c, s, quoted, &l);
    if (l.is_cut) suan__schema_refuse(c, row, which ? "format" : "pattern", "too many states together with other keywords");
    node = l.is_cut ? SUAN__SEQ(b, inside, c->j->quote) : suan__language_node(&l, b);
    suan__language_fini(&l);
    return SUAN__SEQ(b, c->j->quote, node);
}

suan__node suan__schema_raw_string(suan__schema *c, const suan__schema_set *s, const char *before, const char *marker) {
    suan__language l;
    char tail[128];
    size_t n = strlen(before);
    memcpy(tail, before, n);
    memcpy(tail + n, marker, strlen(marker) + 1);
    suan__language_until(&l, marker, strlen(marker), c->b);
    if (s) {
        suan__language with_tail;
        spelling x = {true, tail};
        all_language(c, x, &with_tail);
        narrow(c, &l, &with_tail, true);
        narrow_by_set(c, s, x, &l);
    }
    suan__node node = suan__language_node(&l, c->b);
    suan__language_fini(&l);
    return node;
}

/* ---- names of properties ---- */

void suan__schema_names_language(suan__schema *c, const suan__schema_set *s, const suan__schema_name *names, uint32_t n_names,
                                 suan__language *l) {
    all_language(c, quoted, l);
    json_t *list = json_array();
    for (uint32_t i = 0; i < n_names; i++) json_array_append_new(list, json_stringn(names[i].name, names[i].n));
    if (n_names > 0) {
        suan__language listed = {0};
        words_language(c, NULL, list, quoted, &listed);
        narrow(c, l, &listed, false);
    }
    json_decref(list);
    const json_t *schema;
    for (uint32_t at = 0, row; (schema = suan__set_keyword(c, s, "propertyNames", &at, &row));) {
        suan__schema_set set = {0};
        uint32_t choice;
        suan__set_add(c, &set, SUAN__ITEM(SUAN__ITEM_TYPES, SUAN__T_STRING), UINT32_MAX);
        suan__set_add_schema(c, &set, schema, UINT32_MAX);
        if (set.is_never || suan__set_types(c, &set) == 0)
            suan__language_fini(l);
        else if (suan__set_choice(&set, &choice))
            suan__schema_refuse(c, row, "propertyNames", "anyOf and oneOf are not supported here");
        else
            narrow_by_set(c, &set, quoted, l);
    }
    if (l->is_cut) suan__builder_fail(c->b, SUAN_ELIMIT, "%s: too many names of properties beside additional ones", c->what);
}
