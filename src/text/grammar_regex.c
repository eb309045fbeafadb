/* grammar_regex.c: reader of regular expressions: what Python's re and ECMAScript have in common, with \d, \w and \s in ASCII.
 *
 * Anchors hold at the two ends of the text only, so they may stand where nothing was read before, or nothing is read behind. In an
 * expression for the whole text they say what is so anyway; in one that searches, an alternative without them gets any text before or
 * behind.
 */
#include <string.h>

#include "base/utf8.h"
#include "text/grammar_groups.h"
#include "text/grammar_internal.h"
#include "text/pretok_set.h"

enum { MAX_TEXT = 65536 };

/* What an open group is about, beside suan__group. */
typedef struct scope {
    bool ignore_case, dot_all; /* inside */
    bool begins, ends;         /* the present sequence: an anchor stands at its beginning, at its end */
    bool all_begin, all_end;   /* of the alternatives before it */
    bool any_begin, any_end;
} scope;

typedef struct reader {
    suan__builder *b;
    suan_error *err;
    const char *s;
    size_t n, at;
    const suan__regex_form *form;
    suan__groups groups;
    scope scope[SUAN__GRAMMAR_MAX_DEPTH + 1];
    suan__arena arena;            /* of the set at work */
    bool can_repeat, is_repeated; /* about the last item: something repeats it already */
} reader;

static suan_status fail(const reader *r, suan_status status, const char *what) {
    return suan__fail_at(r->err, status, (int64_t)r->at, "regular expression: %s, at byte %zu of %zu", what, r->at, r->n);
}

static scope *now(reader *r) {
    return &r->scope[r->groups.depth - 1];
}

static bool is_at(const reader *r, const char *what) {
    size_t k = strlen(what);
    return r->n - r->at >= k && memcmp(r->s + r->at, what, k) == 0;
}

/* ---- characters ---- */

static bool add_shorthand(suan__cpset *set, char c, suan__arena *arena) {
    suan__cpset one;
    suan__cpset_init(&one, arena);
    switch (c | 32) {
    case 'd':
        suan__cpset_add(&one, '0', '9');
        break;
    case 'w':
        suan__cpset_add(&one, '0', '9');
        suan__cpset_add(&one, 'A', 'Z');
        suan__cpset_add(&one, '_', '_');
        suan__cpset_add(&one, 'a', 'z');
        break;
    case 's':
        suan__cpset_add(&one, '\t', '\r');
        suan__cpset_add(&one, ' ', ' ');
        break;
    default:
        return false;
    }
    if (!(c & 32)) suan__cpset_negate(&one);
    suan__cpset_add_set(set, &one);
    return true;
}

/* \p{Lu}, \pL, \P{..} */
static suan_status read_property(reader *r, suan__cpset *set, bool negated) {
    suan__cpset one;
    suan__cpset_init(&one, &r->arena);
    size_t from = r->at, n = 1;
    if (is_at(r, "{")) {
        const char *end = memchr(r->s + r->at, '}', r->n - r->at);
        if (!end) return fail(r, SUAN_EINVAL, "expected '}' behind the name of a property");
        from++;
        n = (size_t)(end - r->s) - from;
        r->at = from + n;
    }
    if (r->at >= r->n || !suan__cpset_add_property(&one, r->s + from, n))
        return fail(r, SUAN_EUNSUPPORTED, "a property of characters that is not known");
    r->at++;
    suan__cpset_finish(&one);
    if (negated) suan__cpset_negate(&one);
    suan__cpset_add_set(set, &one);
    return SUAN_OK;
}

static suan_status read_code(reader *r, size_t digits, uint32_t *cp) {
    if (is_at(r, "{")) {
        const char *end = memchr(r->s + r->at, '}', r->n - r->at);
        digits = end ? (size_t)(end - r->s) - r->at - 1 : 0;
        r->at++;
        if (digits < 1 || digits > 8 || !suan__read_hex(r->s + r->at, r->n - r->at, digits, cp))
            return fail(r, SUAN_EINVAL, "expected a code point and '}'");
        r->at++;
    } else if (!suan__read_hex(r->s + r->at, r->n - r->at, digits, cp)) {
        return fail(r, SUAN_EINVAL, "expected hexadecimal digits");
    }
    r->at += digits;
    /* A pair of surrogates is how ECMAScript writes a character beyond the first 65536. */
    uint32_t low;
    if (*cp >= 0xD800 && *cp < 0xDC00 && is_at(r, "\\u") && suan__read_hex(r->s + r->at + 2, r->n - r->at - 2, 4, &low) && low >= 0xDC00 &&
        low < 0xE000) {
        *cp = 0x10000 + ((*cp - 0xD800) << 10) + (low - 0xDC00);
        r->at += 6;
    }
    if (*cp > 0x10FFFF || (*cp >= 0xD800 && *cp < 0xE000)) return fail(r, SUAN_EINVAL, "an escape that is no character");
    return SUAN_OK;
}

/* Behind a backslash: one character (*one), or a set of them. */
static suan_status read_escape(reader *r, suan__cpset *set, bool *one, uint32_t *cp) {
    static const char names[] = "nrtfvae0", values[] = "\n\r\t\f\v\a\033";
    char c = r->at < r->n ? r->s[r->at] : 0;
    const char *name = c ? strchr(names, c) : NULL;
    *one = true;
    if (add_shorthand(set, c, &r->arena) || c == 'p' || c == 'P') {
        *one = false;
        r->at++;
        return c == 'p' || c == 'P' ? read_property(r, set, c == 'P') : SUAN_OK;
    }
    if (name || c == 'x' || c == 'u' || c == 'U') {
        r->at++;
        if (!name) return read_code(r, c == 'x' ? 2 : c == 'u' ? 4 : 8, cp);
        *cp = (unsigned char)values[name - names];
        return SUAN_OK;
    }
    if (c >= '1' && c <= '9') return fail(r, SUAN_EUNSUPPORTED, "a back reference");
    if (c == 'k') return fail(r, SUAN_EUNSUPPORTED, "a back reference");
    if (c == 'b' || c == 'B') return fail(r, SUAN_EUNSUPPORTED, "a word boundary");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return fail(r, SUAN_EINVAL, "an escape that is not known");
    size_t k = suan__utf8_decode(r->s + r->at, r->n - r->at, cp);
    if (k == 0) return fail(r, SUAN_EINVAL, "expected a character behind the backslash");
    r->at += k;
    return SUAN_OK;
}

/* One member of [...]: a character (*one) or a set. \b is a backspace here. */
static suan_status read_member(reader *r, suan__cpset *set, bool *one, uint32_t *cp) {
    *one = true;
    if (is_at(r, "\\b")) {
        *cp = '\b';
        r->at += 2;
        return SUAN_OK;
    }
    if (is_at(r, "\\")) {
        r->at++;
        return read_escape(r, set, one, cp);
    }
    size_t k = suan__utf8_decode(r->s + r->at, r->n - r->at, cp);
    if (k == 0) return fail(r, SUAN_EINVAL, r->at < r->n ? "expected a character in UTF-8" : "expected ']'");
    r->at += k;
    return SUAN_OK;
}

static suan_status read_members(reader *r, suan__cpset *set) {
    bool first = true;
    for (; first || !is_at(r, "]"); first = false) { /* a ']' right at the beginning is a member */
        bool one, to_one;
        uint32_t cp = 0, last;
        if (first && is_at(r, "]") && r->n - r->at > 1 && !memchr(r->s + r->at + 1, ']', r->n - r->at - 1))
            return fail(r, SUAN_EINVAL, "expected ']'");
        SUAN_TRY(read_member(r, set, &one, &cp));
        last = cp;
        if (is_at(r, "-") && r->n - r->at > 1 && r->s[r->at + 1] != ']') {
            r->at++;
            SUAN_TRY(read_member(r, set, &to_one, &last));
            if (!one || !to_one) return fail(r, SUAN_EINVAL, "a range that ends with a set of characters");
            if (last < cp) return fail(r, SUAN_EINVAL, "a range whose end is before its beginning");
        }
        if (one) suan__cpset_add(set, cp, last);
    }
    r->at++;
    return SUAN_OK;
}

/* A set becomes the next item. */
static suan_status push_set(reader *r, suan__cpset *set, bool negated) {
    suan__cpset_finish(set);
    if (now(r)->ignore_case) suan__cpset_fold(set);
    if (negated) suan__cpset_negate(set);
    suan_status status = set->failed ? fail(r, SUAN_ENOMEM, "out of memory for a set") : SUAN_OK;
    if (status == SUAN_OK) {
        bool is_special = r->form && r->form->set;
        suan__node node = is_special ? r->form->set(r->form->ctx, r->b, set->r, set->n) : suan__node_set(r->b, set->r, set->n, false);
        suan__groups_push(&r->groups, node);
        r->can_repeat = true;
        r->is_repeated = false;
    }
    return status;
}

static suan_status read_set(reader *r) {
    suan__cpset set;
    suan__cpset_init(&set, &r->arena);
    bool negated = false, one = true;
    uint32_t cp = 0;
    char c = r->s[r->at];
    if (c == '[') {
        negated = is_at(r, "[^");
        r->at += 1 + negated;
        SUAN_TRY(read_members(r, &set));
        one = false;
    } else if (c == '.') {
        r->at++;
        one = false;
        negated = true;
        if (!now(r)->dot_all) suan__cpset_add(&set, '\n', '\n');
    } else {
        SUAN_TRY(c == '\\' ? (r->at++, read_escape(r, &set, &one, &cp)) : read_member(r, &set, &one, &cp));
    }
    if (one) suan__cpset_add(&set, cp, cp);
    suan_status status = push_set(r, &set, negated);
    suan__arena_reset(&r->arena);
    return status;
}

/* ---- repetitions ---- */

/* {m}, {m,}, {,n}, {m,n}: false (and nothing is read) when the brace is a character. */
static bool read_braces(reader *r, uint32_t *min, uint32_t *max) {
    size_t at = r->at + 1, low, high = 0;
    low = suan__read_number(r->s + at, r->n - at, min);
    at += low;
    *max = *min;
    if (at < r->n && r->s[at] == ',') {
        at++;
        high = suan__read_number(r->s + at, r->n - at, max);
        at += high;
        if (high == 0) *max = SUAN__NO_END;
    }
    if (low + high == 0 || at >= r->n || r->s[at] != '}') return false;
    r->at = at + 1;
    return true;
}

static suan_status repeat(reader *r, uint32_t min, uint32_t max) {
    suan__node *last = suan__groups_last(&r->groups);
    if (!last || !r->can_repeat) return fail(r, SUAN_EINVAL, "nothing stands before the repetition");
    if (max < min) return fail(r, SUAN_EINVAL, "a repetition whose minimum is above its maximum");
    if (min == SUAN__NO_END) return fail(r, SUAN_ELIMIT, "a repetition of more than 4294967294 times");
    *last = suan__node_repeat(r->b, *last, min, max);
    r->is_repeated = true;
    if (is_at(r, "?")) r->at++; /* lazy: the same texts */
    if (is_at(r, "+")) return fail(r, SUAN_EUNSUPPORTED, "a possessive repetition");
    return SUAN_OK;
}

static suan_status read_repetition(reader *r) {
    char c = r->s[r->at];
    if (r->is_repeated) return fail(r, SUAN_EINVAL, "a repetition of a repetition");
    r->at++;
    return repeat(r, c == '+', c == '?' ? 1 : SUAN__NO_END);
}

/* ---- anchors and groups ---- */

static suan_status add_begin(reader *r) {
    for (uint32_t d = r->groups.depth; d-- > 0;) {
        uint32_t end = d + 1 < r->groups.depth ? r->groups.group[d + 1].first_item : r->groups.n_item;
        if (end > r->groups.group[d].first_item) return fail(r, SUAN_EUNSUPPORTED, "an anchor of the beginning behind other things");
    }
    now(r)->begins = true;
    r->can_repeat = false;
    return SUAN_OK;
}

static void add_end(reader *r) {
    now(r)->ends = true;
    r->can_repeat = false;
}

static suan_status open_group(reader *r) {
    scope inside = *now(r);
    r->at++;
    if (is_at(r, "?")) {
        r->at++;
        bool on = true, is_flags = false;
        if (is_at(r, "=") || is_at(r, "!") || is_at(r, "<=") || is_at(r, "<!")) return fail(r, SUAN_EUNSUPPORTED, "a look around");
        if (is_at(r, "P<") || is_at(r, "<")) { /* names mean nothing here */
            const char *end = memchr(r->s + r->at, '>', r->n - r->at);
            if (!end) return fail(r, SUAN_EINVAL, "expected '>' behind the name of a group");
            r->at = (size_t)(end - r->s);
        } else {
            for (; r->at < r->n && strchr("is-", r->s[r->at]) && r->s[r->at]; r->at++) {
                is_flags = true;
                if (is_at(r, "-")) on = false;
                if (is_at(r, "i")) inside.ignore_case = on;
                if (is_at(r, "s")) inside.dot_all = on;
            }
            if (is_flags && is_at(r, ")")) { /* (?i): for the rest of the group that it stands in */
                now(r)->ignore_case = inside.ignore_case;
                now(r)->dot_all = inside.dot_all;
                r->at++;
                r->can_repeat = false;
                return SUAN_OK;
            }
            if (!is_at(r, ":")) return fail(r, SUAN_EUNSUPPORTED, "a group of a kind that is not known");
        }
        r->at++;
    }
    if (!suan__groups_open(&r->groups)) return fail(r, SUAN_ELIMIT, "more than 256 open groups");
    *now(r) = (scope){.ignore_case = inside.ignore_case, .dot_all = inside.dot_all, .all_begin = true, .all_end = true};
    r->can_repeat = false;
    return SUAN_OK;
}

/* The present sequence counts among the alternatives of its group. */
static void end_sequence(reader *r) {
    scope *s = now(r);
    s->all_begin &= s->begins;
    s->all_end &= s->ends;
    s->any_begin |= s->begins;
    s->any_end |= s->ends;
    s->begins = s->ends = r->can_repeat = false;
}

static suan_status close_group(reader *r) {
    if (r->groups.depth == 1) return fail(r, SUAN_EINVAL, "a parenthesis that was not opened");
    end_sequence(r);
    scope inner = *now(r);
    bool search = r->form && r->form->search;
    if (search && (inner.any_begin != inner.all_begin || inner.any_end != inner.all_end))
        return fail(r, SUAN_EUNSUPPORTED, "an anchor in some alternatives of a group");
    suan__node node = suan__groups_close(&r->groups);
    now(r)->begins |= inner.any_begin;
    now(r)->ends |= inner.any_end;
    suan__groups_push(&r->groups, node);
    r->at++;
    r->can_repeat = !inner.any_begin && !inner.any_end;
    r->is_repeated = false;
    return SUAN_OK;
}

/* A whole alternative of the expression. */
static suan_status end_branch(reader *r) {
    scope s = *now(r);
    end_sequence(r);
    if (!r->form || !r->form->search) {
        suan__groups_alternative(&r->groups);
        return SUAN_OK;
    }
    suan__unicode_range all = {0, 0x10FFFF};
    suan__node any = r->form->set ? r->form->set(r->form->ctx, r->b, &all, 1) : suan__node_set(r->b, &all, 1, false);
    suan__node parts[3], some = suan__node_repeat(r->b, any, 0, SUAN__NO_END);
    size_t n = 0;
    if (!s.begins) parts[n++] = some;
    parts[n++] = suan__groups_sequence(&r->groups);
    if (!s.ends) parts[n++] = some;
    suan__groups_push(&r->groups, suan__node_seq(r->b, parts, n));
    suan__groups_alternative(&r->groups);
    return SUAN_OK;
}

static suan_status read_step(reader *r) {
    char c = r->s[r->at];
    uint32_t min, max;
    if (c == '|') {
        if (r->groups.depth == 1) {
            SUAN_TRY(end_branch(r));
        } else {
            end_sequence(r);
            suan__groups_alternative(&r->groups);
        }
        r->at++;
        return SUAN_OK;
    }
    if (c == ')') return close_group(r);
    if (c == '*' || c == '+' || c == '?') return read_repetition(r);
    if (c == '{' && read_braces(r, &min, &max)) return repeat(r, min, max);
    if (c == '$' || is_at(r, "\\z") || is_at(r, "\\Z")) {
        r->at += c == '$' ? 1 : 2;
        add_end(r);
        return SUAN_OK;
    }
    if (now(r)->ends) return fail(r, SUAN_EUNSUPPORTED, "something behind an anchor of the end");
    if (c == '^' || is_at(r, "\\A")) {
        r->at += c == '^' ? 1 : 2;
        return add_begin(r);
    }
    return c == '(' ? open_group(r) : read_set(r);
}

static suan_status read_all(reader *r, suan__node *node) {
    suan__groups_open(&r->groups);
    r->scope[0] = (scope){.all_begin = true, .all_end = true};
    while (r->at < r->n) {
        SUAN_TRY(read_step(r));
        SUAN_TRY(suan__builder_status(r->b, r->err));
    }
    if (r->groups.depth > 1) return fail(r, SUAN_EINVAL, "expected ')'");
    SUAN_TRY(end_branch(r));
    /* end_branch left the alternatives complete: the group's end would add an empty one. */
    *node = suan__node_alt(r->b, r->groups.alt, r->groups.n_alt);
    return suan__builder_status(r->b, r->err);
}

suan_status suan__regex_to_node(suan__node *node, suan__builder *b, const char *text, size_t n, const suan__regex_form *form,
                                suan_error *err) {
    *node = SUAN__NO_NODE;
    SUAN_CHECK(n <= MAX_TEXT, SUAN_ELIMIT, "regular expression: %zu bytes, at most %d are read", n, MAX_TEXT);
    reader *r = suan__calloc(1, sizeof *r);
    SUAN_CHECK(r, SUAN_ENOMEM, "regular expression: out of memory");
    r->b = r->groups.b = b;
    r->err = err;
    r->s = text;
    r->n = n;
    r->form = form;
    suan__arena_init(&r->arena, 4096);
    suan_status status = read_all(r, node);
    suan__groups_fini(&r->groups);
    suan__arena_fini(&r->arena);
    suan__free(r);
    return status;
}

suan_status suan_grammar_from_regex(suan_grammar **g, const char *text, size_t n, suan_error *err) {
    *g = NULL;
    suan__builder *b;
    suan__node node;
    SUAN_TRY(suan__builder_create(&b, err));
    suan_status status = suan__regex_to_node(&node, b, text, n, NULL, err);
    if (status == SUAN_OK) return suan__builder_finish(g, &b, node, err);
    suan__builder_free(b);
    return status;
}
