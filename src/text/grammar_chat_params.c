/* grammar_chat_params.c: calls that write their parameters one by one: Qwen3-Coder, GLM, DSML. Parameters come in the order of the schema; those
 * that it does not list are not written.
 *
 * What a value is depends on what the reader (answer_params.c) makes of its text. It takes the text as a string where the tool declares a
 * string, or where DSML marks it as one. Elsewhere it takes what reads as JSON for JSON, and the rest for a string; then a string may be
 * written as it is only if it does not read as JSON.
 */
#include <string.h>

#include "text/grammar_chat.h"

#define BAR "\xef\xbd\x9c"
#define DSML BAR "DSML" BAR

enum { MAX_LEAVES = 64 };

typedef struct form {
    const char *before_name, *behind_name, *end; /* of the call; end: without the call's own end mark */
    const char *key, *behind_key, *value;        /* behind_key: what ends the key; value: what opens the value (NULL: behind_key does) */
    const char *close;
    const char *forbidden; /* in names and keys */
    bool has_lines;        /* a newline at each end is not part of the value */
    bool is_marked;
} form;

static const form coder = {"<function=", ">", "</function>", "<parameter=", ">", NULL, "</parameter>", "<>\"", true, false};
static const form glm = {NULL, NULL, NULL, "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", " <>\"", false, false};
static const form dsml = {NULL,   "\">", NULL, "<" DSML "parameter name=\"", "\" string=\"", NULL, "</" DSML "parameter>",
                          "<>\"", false, true};

/* ---- strings as they are ---- */

/* One character that a string may have, but for these. */
static suan__node other_than(suan__chat *c, const uint32_t *except, size_t n) {
    static const suan__unicode_range legal[] = {{'\t', '\n'}, {'\r', '\r'}, {0x20, 0x7e}, {0x80, 0x10ffff}};
    suan__unicode_range ranges[64];
    size_t k = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t from = legal[i].first;
        while (from <= legal[i].last && k < 64) {
            uint32_t next = legal[i].last + 1;
            for (size_t e = 0; e < n; e++)
                if (except[e] >= from && except[e] < next) next = except[e];
            if (next > from) ranges[k++] = (suan__unicode_range){from, next - 1};
            from = next + 1;
        }
    }
    return suan__node_set(c->b, ranges, k, false);
}

/* The code point at s; its length. */
static size_t decode(const char *s, uint32_t *cp) {
    unsigned char u = (unsigned char)*s;
    *cp = u;
    if (u < 0x80) return 1;
    size_t n = u < 0xe0 ? 2 : u < 0xf0 ? 3 : 4;
    *cp = u & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) *cp = *cp << 6 | ((unsigned char)s[i] & 0x3f);
    return n;
}

/* Text in which the mark does not occur, and the mark; it has '<' at its beginning and nowhere else. Beginnings of the mark may come, with what does not
 * go on with it behind them, or another beginning. */
static suan__node text_until(suan__chat *c, const char *mark) {
    suan__builder *b = c->b;
    suan__node begins[64], breaks[64];
    size_t n = 0;
    uint32_t cp, less = '<';
    for (size_t at = decode(mark, &cp); mark[at] && n < 64;) {
        begins[n] = suan__node_bytes(b, mark, at);
        size_t length = decode(mark + at, &cp);
        uint32_t except[2] = {cp, '<'};
        breaks[n] = SUAN__SEQ(b, begins[n], other_than(c, except, 2));
        n++;
        at += length;
    }
    suan__node begun = suan__node_repeat(b, suan__node_alt(b, begins, n), 0, SUAN__NO_END);
    suan__node unit = SUAN__ALT(b, other_than(c, &less, 1), SUAN__SEQ(b, begun, suan__node_alt(b, breaks, n)));
    return SUAN__SEQ(b, suan__node_repeat(b, unit, 0, SUAN__NO_END), begun, suan__chat_marked(c, mark));
}

/* A word of JSON as the beginning of text that does not read as JSON: cut short, or with more behind it. */
static suan__node beyond_word(suan__chat *c, const char *word, suan__node rest, suan__node close) {
    suan__builder *b = c->b;
    static const uint32_t space[] = {'\t', '\n', '\r', ' ', '<'};
    suan__node parts[8];
    size_t n = 0;
    for (size_t k = 1; k < strlen(word); k++) {
        uint32_t except[2] = {(unsigned char)word[k], '<'};
        parts[n++] = SUAN__SEQ(b, suan__node_bytes(b, word, k), SUAN__ALT(b, SUAN__SEQ(b, other_than(c, except, 2), rest), close));
    }
    suan__node blanks = suan__node_repeat(b, suan__json_bytes(b, " "), 0, 4);
    parts[n++] = SUAN__SEQ(b, suan__json_bytes(b, word), blanks, other_than(c, space, 5), rest);
    return suan__node_alt(b, parts, n);
}

/* A string that does not read as JSON, and the mark. Not all of them: none begins with a brace, a bracket, a quote or white space. */
static suan__node text_not_json(suan__chat *c, const char *mark) {
    suan__builder *b = c->b;
    static const uint32_t first[] = {'\t', '\n', '\r', ' ', '{', '[', '"', '-', '<', 't', 'f',
                                     'n',  '0',  '1',  '2', '3', '4', '5', '6', '7', '8', '9'};
    static const uint32_t in_number[] = {'\t', '\n', '\r', ' ', '<', '.', 'e', 'E', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'};
    static const uint32_t space[] = {'\t', '\n', '\r', ' ', '<'}, tag[] = {'/', '<'};
    suan__node rest = text_until(c, mark), close = suan__chat_marked(c, mark),
               blanks = suan__node_repeat(b, suan__json_bytes(b, " "), 1, 4);
    suan__node behind_number = SUAN__ALT(b, other_than(c, in_number, 18), SUAN__SEQ(b, blanks, other_than(c, space, 5)));
    suan__node parts[] = {close,
                          SUAN__SEQ(b, other_than(c, first, sizeof first / sizeof *first), rest),
                          beyond_word(c, "true", rest, close),
                          beyond_word(c, "false", rest, close),
                          beyond_word(c, "null", rest, close),
                          SUAN__SEQ(b, c->j.number, behind_number, rest),
                          SUAN__SEQ(b, suan__json_bytes(b, "-"), other_than(c, in_number, 18), rest),
                          SUAN__SEQ(b, suan__json_bytes(b, "<"), other_than(c, tag, 2), rest)};
    return suan__node_alt(b, parts, sizeof parts / sizeof *parts);
}

/* ---- what a parameter may be ---- */

/* The sets of a property with all choices made. */
typedef struct leaves {
    suan__schema_set set[MAX_LEAVES];
    size_t n;
    unsigned types; /* of all */
    bool is_cut;
} leaves;

static void find_leaves(suan__schema *s, const suan__schema_set *from, leaves *l) {
    suan__schema_set todo[MAX_LEAVES], chosen;
    size_t n = 0;
    uint32_t at;
    *l = (leaves){0};
    suan__set_copy(s, &todo[n++], from);
    while (n > 0 && suan__schema_may_go_on(s, 1)) {
        suan__schema_set one = todo[--n];
        if (one.is_never) continue;
        if (!suan__set_choice(&one, &at)) {
            if (l->n == MAX_LEAVES) {
                l->is_cut = true;
                return;
            }
            l->types |= suan__set_types(s, &one);
            l->set[l->n++] = one;
            continue;
        }
        for (size_t k = 0; suan__set_choose(s, &chosen, &one, at, k); k++) {
            if (n == MAX_LEAVES) {
                l->is_cut = true;
                return;
            }
            todo[n++] = chosen;
        }
    }
}

static bool has_keyword(const suan__schema *s, const suan__schema_set *set, const char *keyword) {
    uint32_t at = 0, row;
    return suan__set_keyword(s, set, keyword, &at, &row) != NULL;
}

/* Whether any string obeys. */
static bool is_any_string(const suan__schema *s, const suan__schema_set *set) {
    return !suan__set_value(s, set) && !has_keyword(s, set, "enum") && !has_keyword(s, set, "pattern") && !has_keyword(s, set, "format") &&
           !has_keyword(s, set, "minLength") && !has_keyword(s, set, "maxLength");
}

/* Strings as they are, with the mark, of all leaves that have some. SUAN__NO_NODE: there are none. `before`: stands between string and mark. */
static suan__node raw_strings(suan__chat *c, suan__schema *s, leaves *l, const char *before, const char *mark) {
    suan__node node = SUAN__NO_NODE;
    for (size_t i = 0; i < l->n; i++) {
        if (!(suan__set_types(s, &l->set[i]) & SUAN__T_STRING)) continue;
        if (is_any_string(s, &l->set[i])) return text_until(c, mark);
    }
    for (size_t i = 0; i < l->n && !suan__schema_failed(s); i++) {
        if (!(suan__set_types(s, &l->set[i]) & SUAN__T_STRING)) continue;
        suan__node one = SUAN__SEQ(c->b, suan__json_bytes(c->b, before), suan__schema_raw_string(s, &l->set[i], before, mark));
        node = node == SUAN__NO_NODE ? one : SUAN__ALT(c->b, node, one);
    }
    return node;
}

/* Of an enum or a constant: the strings that do not read as JSON, each with the mark. */
static suan__node raw_words(suan__chat *c, suan__schema *s, const suan__schema_set *set, const form *f) {
    uint32_t at = 0, row;
    suan__node node = SUAN__NO_NODE, line = f->has_lines ? c->newline : suan__json_empty(c->b);
    const json_t *value = suan__set_value(s, set), *values = suan__set_keyword(s, set, "enum", &at, &row);
    size_t n = value ? 1 : json_array_size(values);
    for (size_t i = 0; i < n; i++) {
        const json_t *word = value ? value : json_array_get(values, i);
        const char *text = json_string_value(word);
        size_t n_text = json_string_length(word);
        if (!text || suan__json_is_value(text, n_text) || strchr(text, '<') || strchr(text, '\n') || !suan__set_fits(s, set, word))
            continue;
        suan__node one = SUAN__SEQ(c->b, line, suan__node_bytes(c->b, text, n_text), line, suan__chat_marked(c, f->close));
        node = node == SUAN__NO_NODE ? one : SUAN__ALT(c->b, node, one);
    }
    return node;
}

/* JSON, with the newlines that may stand around it, and the mark. */
static suan__node json_value(suan__chat *c, suan__schema *s, const suan__schema_set *set, const leaves *l, const form *f, bool has_python) {
    suan__builder *b = c->b;
    suan__node line = f->has_lines ? c->newline : suan__json_empty(b), value = suan__schema_rule_of(s, set), parts[3] = {value};
    for (size_t i = 0; has_python && i < l->n; i++) {
        if (suan__set_value(s, &l->set[i]) || has_keyword(s, &l->set[i], "enum")) continue;
        unsigned types = suan__set_types(s, &l->set[i]);
        if (types & SUAN__T_BOOLEAN) parts[1] = SUAN__ALT(b, suan__json_bytes(b, "True"), suan__json_bytes(b, "False"));
        if (types & SUAN__T_NULL) parts[2] = suan__json_bytes(b, "None");
    }
    return SUAN__SEQ(b, line, suan__chat_alt(b, parts, 3), line, suan__chat_marked(c, f->close));
}

/* What the reader takes the tool to declare: 's' a string, 'o' something else, 0 nothing. */
static char declared(const suan__chat_tool *tool, const char *key) {
    const json_t *type = json_object_get(json_object_get(json_object_get(tool->parameters, "properties"), key), "type");
    bool is_string = json_is_string(type) && strcmp(json_string_value(type), "string") == 0;
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *name = json_string_value(json_array_get(type, i));
        is_string |= name && strcmp(name, "string") == 0;
    }
    return is_string ? 's' : type ? 'o' : 0;
}

static suan__node unmarked_value(suan__chat *c, suan__chat_tool *tool, const char *key, const suan__schema_set *set, leaves *l,
                                 const form *f) {
    suan__schema *s = &tool->schema;
    char type = declared(tool, key);
    if (type == 's') return raw_strings(c, s, l, f->has_lines ? "\n" : "", f->close);
    suan__node parts[MAX_LEAVES + 1] = {json_value(c, s, set, l, f, type == 'o')};
    size_t n = 1;
    bool has_any = false;
    for (size_t i = 0; i < l->n; i++) {
        if (type == 'o' || !(suan__set_types(s, &l->set[i]) & SUAN__T_STRING)) continue;
        if (suan__set_value(s, &l->set[i]) || has_keyword(s, &l->set[i], "enum"))
            parts[n++] = raw_words(c, s, &l->set[i], f);
        else
            has_any |= is_any_string(s, &l->set[i]);
    }
    if (has_any) {
        suan__node line = f->has_lines ? c->newline : suan__json_empty(c->b);
        parts[0] = SUAN__ALT(c->b, parts[0], SUAN__SEQ(c->b, line, text_not_json(c, f->close)));
    }
    return suan__chat_alt(c->b, parts, n);
}

static suan__node marked_value(suan__chat *c, suan__chat_tool *tool, const suan__schema_set *set, leaves *l, const form *f) {
    suan__schema *s = &tool->schema;
    suan__node raw = raw_strings(c, s, l, "", f->close), parts[2] = {SUAN__NO_NODE, SUAN__NO_NODE};
    if (raw != SUAN__NO_NODE) parts[0] = SUAN__SEQ(c->b, suan__json_bytes(c->b, "true\">"), raw);
    if (l->types & ~(unsigned)SUAN__T_STRING)
        parts[1] = SUAN__SEQ(c->b, suan__json_bytes(c->b, "false\">"), json_value(c, s, set, l, f, false));
    return suan__chat_alt(c->b, parts, 2);
}

/* One parameter with its marks; SUAN__NO_NODE: it has no value. */
static suan__node parameter(suan__chat *c, suan__chat_tool *tool, const suan__schema_set *object, const char *key, size_t n,
                            const form *f) {
    suan__schema *s = &tool->schema;
    suan__builder *b = c->b;
    suan__schema_set set = {0};
    leaves l;
    suan__set_property(s, object, key, n, &set);
    find_leaves(s, &set, &l);
    if (l.is_cut) suan__builder_fail(b, SUAN_ELIMIT, "%s: more than %d alternatives of '%.100s'", tool->what, MAX_LEAVES, key);
    if (l.n == 0 || suan__schema_failed(s) || !suan__chat_check_word(c, tool, "parameter", key, f->forbidden)) return SUAN__NO_NODE;
    suan__node value = f->is_marked ? marked_value(c, tool, &set, &l, f) : unmarked_value(c, tool, key, &set, &l, f);
    if (value == SUAN__NO_NODE) return SUAN__NO_NODE;
    suan__node open = f->value ? SUAN__SEQ(b, suan__chat_marked(c, f->behind_key), c->newline, suan__chat_marked(c, f->value))
                               : suan__chat_marked(c, f->behind_key);
    return SUAN__SEQ(b, suan__chat_marked(c, f->key), suan__json_bytes(b, key), open, value, c->newline);
}

/* All parameters, each with the newline that may stand behind it. */
static suan__node parameters(suan__chat *c, suan__chat_tool *tool, const form *f) {
    suan__builder *b = c->b;
    suan__schema *s = &tool->schema;
    suan__schema_set object = {0};
    uint32_t n, at;
    if (!tool->parameters) return suan__json_empty(b);
    suan__set_add(s, &object, SUAN__ITEM(SUAN__ITEM_TYPES, SUAN__T_OBJECT), UINT32_MAX);
    suan__set_add_schema(s, &object, tool->parameters, UINT32_MAX);
    if (!suan__schema_failed(s) && suan__set_is_empty(s, &object, 2))
        return suan__builder_fail(b, SUAN_EINVAL, "%s: no object obeys the schema", tool->what);
    if (suan__set_choice(&object, &at) && s->n_row > 0)
        suan__schema_refuse(s, 0, NULL, "alternatives of all parameters cannot be written by the calls of this model (%s)",
                            c->syntax->name);
    suan__schema_name *names = suan__set_names(s, &object, &n);
    suan__node node = suan__json_empty(b);
    for (uint32_t i = 0; i < n && !suan__schema_failed(s); i++) {
        suan__node one = parameter(c, tool, &object, names[i].name, names[i].n, f);
        if (one == SUAN__NO_NODE && names[i].is_required && !suan__schema_failed(s))
            suan__builder_fail(b, SUAN_EINVAL, "%s: the required '%.100s' can have no value", tool->what, names[i].name);
        if (one == SUAN__NO_NODE) continue;
        node = SUAN__SEQ(b, node, names[i].is_required ? one : suan__json_optional(b, one));
    }
    suan__free(names);
    return node;
}

suan__node suan__chat_call_params(suan__chat *c, suan__chat_tool *tool) {
    suan__builder *b = c->b;
    const form *f = c->syntax->read == suan__call_read_coder ? &coder : c->syntax->read == suan__call_read_glm ? &glm : &dsml;
    if (!suan__chat_check_word(c, tool, "name", tool->name, " <>\"")) return SUAN__NO_NODE;
    suan__node name = suan__json_bytes(b, tool->name), end = suan__chat_marked(c, c->syntax->end);
    if (f->before_name) name = SUAN__SEQ(b, c->newline, suan__json_bytes(b, f->before_name), name);
    if (f->behind_name) name = SUAN__SEQ(b, name, suan__json_bytes(b, f->behind_name));
    if (f->end) end = SUAN__SEQ(b, suan__json_bytes(b, f->end), c->newline, end);
    return SUAN__SEQ(b, name, c->newline, parameters(c, tool, f), end);
}
