/* pretok_regex_parse.c: the text of a regular expression becomes a tree.
 *
 * alternatives := sequence ('|' sequence)*
 * sequence     := (atom quantifier*)*
 * atom         := literal | '.' | class | escape | group | '^' | '$'
 */
#include <string.h>

#include "base/utf8.h"
#include "text/pretok_regex_internal.h"

typedef struct parser {
    const char *s;
    size_t n, at;
    suan__arena *arena;
    regex_sets *sets;
    suan_error *err;
    bool fold;    /* (?i) is on */
    bool dot_all; /* (?m) of Ruby: '.' takes "\n" too */
} parser;

static suan_status bad(parser *p, size_t at, const char *what) {
    int n = p->n - at > 24 ? 24 : (int)(p->n - at);
    return suan__fail_at(p->err, SUAN_EUNSUPPORTED, (int64_t)at, "regular expression: %s at byte %zu (\"%.*s\")", what, at, n, p->s + at);
}
static suan_status no_memory(parser *p) {
    return suan__fail(p->err, SUAN_ENOMEM, "out of memory for a regular expression");
}

static bool more(const parser *p) {
    return p->at < p->n;
}
static bool looking_at(const parser *p, const char *t) {
    size_t n = strlen(t);
    return p->n - p->at >= n && memcmp(p->s + p->at, t, n) == 0;
}
static bool take(parser *p, const char *t) {
    if (!looking_at(p, t)) return false;
    p->at += strlen(t);
    return true;
}
static suan_status take_cp(parser *p, uint32_t *cp) {
    size_t k = suan__utf8_decode(p->s + p->at, p->n - p->at, cp);
    if (k == 0) return bad(p, p->at, "invalid UTF-8");
    p->at += k;
    return SUAN_OK;
}

static regex_node *new_node(parser *p, node_type type) {
    regex_node *node = SUAN_ARENA_NEW(p->arena, regex_node, 1);
    if (node) {
        node->type = type;
        node->depth = 1;
    }
    return node;
}

/* The index of a finished set, shared with an equal one. */
static suan_status intern_set(parser *p, const suan__cpset *set, int *index) {
    if (set->failed) return no_memory(p);
    for (int i = 0; i < p->sets->n; i++) {
        if (suan__cpset_equal(&p->sets->set[i], set)) {
            *index = i;
            return SUAN_OK;
        }
    }
    if (p->sets->n == SUAN__REGEX_MAX_SETS) return bad(p, p->at, "too many different classes");
    p->sets->set[ *index = p->sets->n++] = *set;
    return SUAN_OK;
}

static suan_status set_node(parser *p, suan__cpset *set, regex_node **out) {
    suan__cpset_finish(set);
    if (p->fold) suan__cpset_fold(set);
    regex_node *node = new_node(p, NODE_SET);
    if (!node) return no_memory(p);
    *out = node;
    return intern_set(p, set, &node->set);
}

static suan_status hex_digits(parser *p, int min, int max, uint32_t *value) {
    uint32_t v = 0;
    int k = 0;
    for (; k < max && more(p); k++, p->at++) {
        char c = p->s[p->at];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) break;
        v = v * 16 + (uint32_t)d;
    }
    if (k < min || v > 0x10FFFF) return bad(p, p->at, "bad hexadecimal escape");
    *value = v;
    return SUAN_OK;
}

/* Behind "\p" or "\P": {Name}, {^Name}. */
static suan_status parse_property(parser *p, bool negative, suan__cpset *set) {
    size_t start = p->at;
    if (!take(p, "{")) return bad(p, start, "\\p without {name}");
    if (take(p, "^")) negative = !negative;
    const char *close = memchr(p->s + p->at, '}', p->n - p->at);
    if (!close) return bad(p, start, "\\p{ without }");
    suan__cpset one;
    suan__cpset_init(&one, p->arena);
    size_t n = (size_t)(close - (p->s + p->at));
    if (!suan__cpset_add_property(&one, p->s + p->at, n)) return bad(p, start, "unknown property");
    p->at += n + 1;
    suan__cpset_finish(&one);
    if (negative) suan__cpset_negate(&one);
    suan__cpset_add_set(set, &one);
    return SUAN_OK;
}

static suan_status add_named(parser *p, suan__cpset *set, const char *name, bool negative) {
    suan__cpset one;
    suan__cpset_init(&one, p->arena);
    if (!suan__cpset_add_property(&one, name, strlen(name))) return bad(p, p->at, "unknown class");
    suan__cpset_finish(&one);
    if (negative) suan__cpset_negate(&one);
    suan__cpset_add_set(set, &one);
    return SUAN_OK;
}

/* An escape that stands for characters (the '\' is taken). *single is the code point when it stands for one, else UINT32_MAX. */
static suan_status parse_escape(parser *p, suan__cpset *set, uint32_t *single) {
    size_t start = p->at;
    if (!more(p)) return bad(p, start, "'\\' at the end");
    *single = UINT32_MAX;
    uint32_t cp;
    SUAN_TRY(take_cp(p, &cp));
    switch (cp) {
    case 's':
        return add_named(p, set, "space", false);
    case 'S':
        return add_named(p, set, "space", true);
    case 'd':
        return add_named(p, set, "digit", false);
    case 'D':
        return add_named(p, set, "digit", true);
    case 'w':
        return add_named(p, set, "word", false);
    case 'W':
        return add_named(p, set, "word", true);
    case 'p':
        return parse_property(p, false, set);
    case 'P':
        return parse_property(p, true, set);
    case 'n':
        cp = '\n';
        break;
    case 'r':
        cp = '\r';
        break;
    case 't':
        cp = '\t';
        break;
    case 'f':
        cp = '\f';
        break;
    case 'v':
        cp = '\v';
        break;
    case 'a':
        cp = 7;
        break;
    case 'e':
        cp = 27;
        break;
    case 'x':
        if (take(p, "{")) {
            SUAN_TRY(hex_digits(p, 1, 8, &cp));
            if (!take(p, "}")) return bad(p, start, "\\x{ without }");
        } else {
            SUAN_TRY(hex_digits(p, 1, 2, &cp));
            if (cp > 0x7F) return bad(p, start, "\\x above 7F stands for a byte, not a character");
        }
        break;
    case 'u':
        SUAN_TRY(hex_digits(p, 4, 4, &cp));
        break;
    default:
        if (cp < 0x80 && ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || (cp >= '0' && cp <= '9'))) {
            return bad(p, start, "unsupported escape");
        }
    }
    *single = cp;
    suan__cpset_add(set, cp, cp);
    return SUAN_OK;
}

/* "[:name:]" inside a class. */
static suan_status parse_posix(parser *p, suan__cpset *set) {
    static const struct {
        const char *posix, *property;
    } names[] = {{"alpha", "L"}, {"space", "space"}, {"digit", "Nd"}, {"punct", "P"}, {"upper", "Lu"}, {"lower", "Ll"}, {"word", "word"}};
    size_t start = p->at;
    p->at += 2;
    bool negative = take(p, "^");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i].posix);
        if (looking_at(p, names[i].posix) && p->n - p->at >= n + 2 && memcmp(p->s + p->at + n, ":]", 2) == 0) {
            p->at += n + 2;
            return add_named(p, set, names[i].property, negative);
        }
    }
    return bad(p, start, "unknown POSIX class");
}

static suan_status parse_class(parser *p, suan__cpset *set, int depth);

/* One member of a class: a character, a range, an escape, a nested class. */
static suan_status parse_class_item(parser *p, suan__cpset *set, int depth) {
    size_t start = p->at;
    if (looking_at(p, "[:")) return parse_posix(p, set);
    if (take(p, "[")) {
        suan__cpset inner;
        suan__cpset_init(&inner, p->arena);
        SUAN_TRY(parse_class(p, &inner, depth + 1));
        suan__cpset_add_set(set, &inner);
        return SUAN_OK;
    }
    uint32_t first;
    if (take(p, "\\")) {
        if (take(p, "b")) {
            first = 8;
            suan__cpset_add(set, 8, 8);
        } else {
            SUAN_TRY(parse_escape(p, set, &first));
        }
        if (first == UINT32_MAX) return SUAN_OK;
    } else {
        SUAN_TRY(take_cp(p, &first));
        suan__cpset_add(set, first, first);
    }
    if (!looking_at(p, "-") || p->n - p->at < 2 || p->s[p->at + 1] == ']' || p->s[p->at + 1] == '[') return SUAN_OK;
    p->at++;
    uint32_t last;
    if (take(p, "\\"))
        SUAN_TRY(parse_escape(p, set, &last));
    else
        SUAN_TRY(take_cp(p, &last));
    if (last == UINT32_MAX || last < first) return bad(p, start, "bad range");
    suan__cpset_add(set, first, last);
    return SUAN_OK;
}

/* Behind '[': fills *set (finished, folded when (?i) is on). '&&' intersects what stands on both sides. */
static suan_status parse_class(parser *p, suan__cpset *set, int depth) {
    size_t start = p->at;
    if (depth > SUAN__REGEX_MAX_DEPTH) return bad(p, start, "too deeply nested");
    bool negative = take(p, "^"), have_left = false, first = true;
    suan__cpset left, part;
    suan__cpset_init(&left, p->arena);
    suan__cpset_init(&part, p->arena);
    for (;; first = false) {
        if (!more(p)) return bad(p, start, "'[' without ']'");
        bool end = looking_at(p, "]") && !first, both = looking_at(p, "&&");
        if (!end && !both) {
            SUAN_TRY(parse_class_item(p, &part, depth));
            continue;
        }
        suan__cpset_finish(&part);
        if (p->fold) suan__cpset_fold(&part);
        if (have_left)
            suan__cpset_intersect(&left, &part);
        else
            left = part;
        have_left = true;
        suan__cpset_init(&part, p->arena);
        p->at += end ? 1 : 2;
        if (end) break;
    }
    suan__cpset_finish(&left);
    if (negative) suan__cpset_negate(&left);
    *set = left;
    return SUAN_OK;
}

static suan_status parse_alternatives(parser *p, int depth, regex_node **out);

/* A lookahead's body must be alternatives of single classes or the end of the text. */
static suan_status look_node(parser *p, size_t start, regex_node *body, bool negative, regex_node **out) {
    regex_node **kids = body->type == NODE_ALT ? body->kids : &body;
    uint32_t n = body->type == NODE_ALT ? body->n_kids : 1;
    suan__cpset all;
    suan__cpset_init(&all, p->arena);
    bool or_end = false;
    for (uint32_t i = 0; i < n; i++) {
        bool end = kids[i]->type == NODE_LOOK && !kids[i]->negative && kids[i]->or_end;
        if (kids[i]->type != NODE_SET && !end) return bad(p, start, "lookahead at more than one character is not supported");
        suan__cpset_add_set(&all, &p->sets->set[kids[i]->set]);
        or_end = or_end || end;
    }
    suan__cpset_finish(&all);
    regex_node *node = new_node(p, NODE_LOOK);
    if (!node) return no_memory(p);
    node->negative = negative;
    node->or_end = or_end;
    *out = node;
    return intern_set(p, &all, &node->set);
}

/* "(?i-m:" or "(?i)": sets the flags; *scoped says that a group follows. */
static suan_status parse_flags(parser *p, size_t start, bool *scoped) {
    bool on = true;
    for (; more(p); p->at++) {
        switch (p->s[p->at]) {
        case 'i':
            p->fold = on;
            break;
        case 'm':
            p->dot_all = on;
            break;
        case '-':
            on = false;
            break;
        case ':':
        case ')':
            *scoped = p->s[p->at++] == ':';
            return SUAN_OK;
        default:
            return bad(p, start, "unsupported group");
        }
    }
    return bad(p, start, "'(' without ')'");
}

static suan_status parse_group(parser *p, int depth, regex_node **out) {
    size_t start = p->at - 1;
    bool fold = p->fold, dot_all = p->dot_all, look = false, negative = false, scoped = true;
    if (take(p, "?")) {
        if (take(p, "="))
            look = true;
        else if (take(p, "!"))
            look = negative = true;
        else if (looking_at(p, "<") && !looking_at(p, "<=") && !looking_at(p, "<!")) {
            const char *close = memchr(p->s + p->at, '>', p->n - p->at);
            if (!close) return bad(p, start, "group name without '>'");
            p->at = (size_t)(close - p->s) + 1;
        } else
            SUAN_TRY(parse_flags(p, start, &scoped));
    }
    if (!scoped) { /* "(?i)" holds to the end of the enclosing group, which restores the flags */
        *out = new_node(p, NODE_EMPTY);
        return *out ? SUAN_OK : no_memory(p);
    }
    SUAN_TRY(parse_alternatives(p, depth + 1, out));
    if (!take(p, ")")) return bad(p, start, "'(' without ')'");
    p->fold = fold;
    p->dot_all = dot_all;
    return look ? look_node(p, start, *out, negative, out) : SUAN_OK;
}

static suan_status context_node(parser *p, context_type type, regex_node **out) {
    *out = new_node(p, NODE_CONTEXT);
    if (!*out) return no_memory(p);
    (*out)->context = type;
    suan__cpset set;
    suan__cpset_init(&set, p->arena);
    if (type == CONTEXT_LINE_BEGIN) {
        suan__cpset_add(&set, '\n', '\n');
        return intern_set(p, &set, &p->sets->newline);
    }
    if (type == CONTEXT_TEXT_BEGIN) return SUAN_OK;
    SUAN_TRY(add_named(p, &set, "word", false));
    suan__cpset_finish(&set);
    return intern_set(p, &set, &p->sets->word);
}

/* '$' (newline true: before "\n" or at the end) and '\z'. */
static suan_status end_node(parser *p, bool newline, regex_node **out) {
    *out = new_node(p, NODE_LOOK);
    if (!*out) return no_memory(p);
    suan__cpset set;
    suan__cpset_init(&set, p->arena);
    if (newline) suan__cpset_add(&set, '\n', '\n');
    (*out)->or_end = true;
    return intern_set(p, &set, &(*out)->set);
}

static suan_status parse_atom(parser *p, int depth, regex_node **out) {
    suan__cpset set;
    suan__cpset_init(&set, p->arena);
    uint32_t cp;
    if (take(p, "(")) return parse_group(p, depth, out);
    if (take(p, "^")) return context_node(p, CONTEXT_LINE_BEGIN, out);
    if (take(p, "$")) return end_node(p, true, out);
    if (take(p, "\\A")) return context_node(p, CONTEXT_TEXT_BEGIN, out);
    if (take(p, "\\b")) return context_node(p, CONTEXT_WORD_EDGE, out);
    if (take(p, "\\B")) return context_node(p, CONTEXT_NOT_WORD_EDGE, out);
    if (take(p, "\\z")) return end_node(p, false, out);
    if (take(p, "[")) {
        SUAN_TRY(parse_class(p, &set, depth + 1));
        regex_node *node = new_node(p, NODE_SET); /* already folded: folding a negated class again would be wrong */
        if (!node) return no_memory(p);
        *out = node;
        return intern_set(p, &set, &node->set);
    }
    if (take(p, ".")) {
        bool fold = p->fold;
        suan__cpset_add(&set, 0, p->dot_all ? 0x10FFFF : '\n' - 1);
        if (!p->dot_all) suan__cpset_add(&set, '\n' + 1, 0x10FFFF);
        p->fold = false;
        suan_status status = set_node(p, &set, out);
        p->fold = fold;
        return status;
    }
    if (take(p, "\\")) {
        SUAN_TRY(parse_escape(p, &set, &cp));
        bool fold = p->fold;
        p->fold = fold && cp != UINT32_MAX;
        suan_status status = set_node(p, &set, out);
        p->fold = fold;
        return status;
    }
    if (strchr("*+?", p->s[p->at])) return bad(p, p->at, "quantifier without anything before it");
    SUAN_TRY(take_cp(p, &cp));
    suan__cpset_add(&set, cp, cp);
    return set_node(p, &set, out);
}

static bool take_number(parser *p, int *value) {
    int v = 0;
    size_t start = p->at;
    for (; more(p) && p->s[p->at] >= '0' && p->s[p->at] <= '9'; p->at++) {
        v = v * 10 + (p->s[p->at] - '0');
        if (v > SUAN__REGEX_MAX_COUNT) v = SUAN__REGEX_MAX_COUNT + 1;
    }
    *value = v;
    return p->at > start;
}

/* Reads a quantifier; *found false when there is none ('{' that begins none is a literal, as in Oniguruma). */
static suan_status parse_quantifier(parser *p, int *min, int *max, bool *counted, bool *found) {
    size_t start = p->at;
    *found = true;
    *counted = false;
    if (take(p, "*")) return *min = 0, *max = -1, SUAN_OK;
    if (take(p, "+")) return *min = 1, *max = -1, SUAN_OK;
    if (take(p, "?")) return *min = 0, *max = 1, SUAN_OK;
    *found = false;
    if (!take(p, "{")) return SUAN_OK;
    bool low = take_number(p, min), comma = take(p, ","), high = comma && take_number(p, max);
    if (!take(p, "}") || (!low && !high)) {
        p->at = start;
        return SUAN_OK;
    }
    if (!low) *min = 0;
    if (!comma)
        *max = *min;
    else if (!high)
        *max = -1;
    if (*min > SUAN__REGEX_MAX_COUNT || *max > SUAN__REGEX_MAX_COUNT) return bad(p, start, "repeat count above 1000");
    if (*max >= 0 && *max < *min) return bad(p, start, "repeat counts in the wrong order");
    return *found = *counted = true, SUAN_OK;
}

/* X?+ X*+ X++ on a single class: greedy, and what follows is not in the class unless the count is exhausted. */
static suan_status possessive(parser *p, size_t at, regex_node *repeat, regex_node **out) {
    regex_node *set = repeat->kids[0];
    if (set->type != NODE_SET) return bad(p, at, "possessive quantifier on more than one class is not supported");
    regex_node *look = new_node(p, NODE_LOOK), *both = new_node(p, NODE_CAT);
    regex_node **kids = SUAN_ARENA_NEW(p->arena, regex_node *, 2);
    if (!look || !both || !kids) return no_memory(p);
    look->set = set->set;
    look->negative = true;
    both->n_kids = 2;
    both->kids = kids;
    both->depth = repeat->depth + 1;
    *out = both;
    if (repeat->max < 0) { /* X* or X+, then not X */
        kids[0] = repeat;
        kids[1] = look;
        return SUAN_OK;
    }
    both->type = NODE_ALT; /* X, or nothing when X does not follow */
    kids[0] = set;
    kids[1] = look;
    return SUAN_OK;
}

static suan_status parse_quantified(parser *p, int depth, regex_node **out) {
    SUAN_TRY(parse_atom(p, depth, out));
    for (;;) {
        int min = 0, max = 0;
        bool found, counted;
        size_t at = p->at;
        SUAN_TRY(parse_quantifier(p, &min, &max, &counted, &found));
        if (!found) return SUAN_OK;
        regex_node *node = new_node(p, NODE_REPEAT), **kid = SUAN_ARENA_NEW(p->arena, regex_node *, 1);
        if (!node || !kid) return no_memory(p);
        *kid = *out;
        node->kids = kid;
        node->n_kids = 1;
        node->min = min;
        node->max = max;
        node->depth = (*out)->depth + 1;
        if (node->depth > SUAN__REGEX_MAX_DEPTH) return bad(p, at, "too deeply nested");
        *out = node;
        if (take(p, "?")) {
            if (counted && max == min) return bad(p, at, "'?' behind {n} is not supported");
            node->lazy = true;
        } else if (!counted && take(p, "+"))
            SUAN_TRY(possessive(p, at, node, out));
    }
}

typedef struct node_list {
    regex_node **kids;
    uint32_t n, capacity;
    int depth;
} node_list;

static bool push(parser *p, node_list *l, regex_node *node) {
    if (l->n == l->capacity) {
        uint32_t capacity = l->capacity ? l->capacity * 2 : 4;
        regex_node **kids = SUAN_ARENA_NEW(p->arena, regex_node *, capacity);
        if (!kids) return false;
        if (l->n) memcpy(kids, l->kids, l->n * sizeof *kids);
        l->kids = kids;
        l->capacity = capacity;
    }
    l->kids[l->n++] = node;
    if (node->depth > l->depth) l->depth = node->depth;
    return true;
}

static suan_status close_list(parser *p, node_list *l, node_type type, regex_node **out) {
    if (l->n == 1) {
        *out = l->kids[0];
        return SUAN_OK;
    }
    *out = new_node(p, l->n ? type : NODE_EMPTY);
    if (!*out) return no_memory(p);
    (*out)->kids = l->kids;
    (*out)->n_kids = l->n;
    (*out)->depth = l->depth + 1;
    return (*out)->depth > SUAN__REGEX_MAX_DEPTH ? bad(p, p->at, "too deeply nested") : SUAN_OK;
}

static suan_status parse_alternatives(parser *p, int depth, regex_node **out) {
    if (depth > SUAN__REGEX_MAX_DEPTH) return bad(p, p->at, "too deeply nested");
    node_list alternatives = {0};
    do {
        node_list sequence = {0};
        while (more(p) && !looking_at(p, "|") && !looking_at(p, ")")) {
            regex_node *node = NULL;
            SUAN_TRY(parse_quantified(p, depth, &node));
            if (!push(p, &sequence, node)) return no_memory(p);
        }
        regex_node *cat = NULL;
        SUAN_TRY(close_list(p, &sequence, NODE_CAT, &cat));
        if (!push(p, &alternatives, cat)) return no_memory(p);
    } while (take(p, "|"));
    return close_list(p, &alternatives, NODE_ALT, out);
}

suan_status suan__regex_parse(regex_node **root, regex_sets *sets, suan__arena *scratch, const char *pattern, size_t n, suan_error *err) {
    SUAN_CHECK(n <= SUAN__REGEX_MAX_PATTERN, SUAN_ELIMIT, "regular expression of %zu bytes, expected at most %d", n,
               SUAN__REGEX_MAX_PATTERN);
    parser p = {.s = pattern, .n = n, .arena = scratch, .sets = sets, .err = err};
    sets->n = 0;
    sets->word = sets->newline = -1;
    SUAN_TRY(parse_alternatives(&p, 0, root));
    return more(&p) ? bad(&p, p.at, "')' without '('") : SUAN_OK;
}
