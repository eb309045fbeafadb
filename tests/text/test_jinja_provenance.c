/* test_jinja_provenance.c: which bytes of a prompt are the template's and which the request's.
 *
 * Small templates state the spans of every operation. Then each published template is rendered with its own control tokens (what looks like
 * one in its source) in every string of the request: all the bytes of those insertions must be untrusted, and no control token may lie
 * within trusted bytes more often than with words without meaning in their place.
 */
#include "jinja_test.h"

/* ---- small templates: T trusted, U untrusted, one letter a byte */

static const struct {
    const char *source, *text, *spans;
} operations[] = {
    {"a{{ x }}b", "a<x>b", "TUUUT"},
    {"{{ 'a' + x + 'b' }}", "a<x>b", "TUUUT"},
    {"{{ 'a' ~ x }}", "a<x>", "TUUU"},
    {"{{ x|upper }}{{ 'x'|upper }}", "<X>X", "UUUT"},
    {"{{ (x ~ '-y')|upper }}", "<X>-Y", "UUUTT"},
    {"{{ (x ~ '-y').title() }}", "<X>-Y", "UUUTT"},
    {"{{ (x ~ 'abc')[1:4] }}", "x>a", "UUT"},
    {"{{ (x ~ 'ab')[::-1] }}", "ba>x<", "TTUUU"},
    {"{{ x[0] }}{{ 'ab'[1] }}", "<b", "UT"},
    {"{{ ('  ' ~ x ~ ' ')|trim }}", "<x>", "UUU"},
    {"{{ (x ~ 'a,b').split(',')|join('|') }}", "<x>a|b", "UUUTTT"},
    {"{{ 'a-b'|replace('-', x) }}", "a<x>b", "TUUUT"},
    {"{{ x|replace('x', 'T') }}", "<T>", "UTU"},
    {"{{ [x, 'a']|join(', ') }}", "<x>, a", "UUUTTT"},
    {"{{ x.join(['a', 'b']) }}", "a<x>b", "TUUUT"},
    {"{{ '%s-%s' % (x, 'a') }}", "<x>-a", "UUUTT"},
    {"{{ '%5s' % x }}", "  <x>", "TTUUU"},
    {"{{ '{}:{}'.format('a', x) }}", "a:<x>", "TTUUU"},
    {"{{ x|tojson }}", "\"<x>\"", "UUUUU"},
    {"{{ 'a'|tojson }}", "\"a\"", "TTT"},
    {"{{ ['a', x]|tojson }}", "[\"a\", \"<x>\"]", "UUUUUUUUUUUU"},
    {"{{ ['a', 1]|tojson }}", "[\"a\", 1]", "TTTTTTTT"},
    {"{{ e|tojson }}{{ []|tojson }}", "[][]", "UUTT"},
    {"{{ ['a', x] }}", "['a', '<x>']", "UUUUUUUUUUUU"},
    {"{{ ['a'] }}", "['a']", "TTTTT"},
    {"{{ n }}{{ 7 }}", "77", "UT"},
    {"{{ n + 1 }}{{ 7 + 1 }}", "88", "UT"},
    {"{{ n|string ~ '!' }}", "7!", "UT"},
    {"{{ 'a'|center(3) }}{{ x|center(5) }}", " a  <x> ", "TTTTUUUT"},
    {"{{ x|escape }}", "&lt;x&gt;", "UUUUUUUUU"},
    {"{{ ('a' ~ x)|indent(1, true) }}", " a<x>", "TTUUU"},
    {"{% set v %}a{{ x }}{% endset %}{{ v }}", "a<x>", "TUUU"},
    {"{% macro m(v) %}[{{ v }}]{% endmacro %}{{ m(x) }}{{ m('a') }}", "[<x>][a]", "TUUUTTTT"},
    {"{% filter upper %}a{{ x }}{% endfilter %}", "A<X>", "TUUU"},
    {"{% for c in x %}{{ c }}.{% endfor %}", "<.x.>.", "UTUTUT"},
    {"{% for k in d %}{{ k }}{% endfor %}", "key", "UUU"},
    {"{{ d.items()|list }}", "[('key', 'val')]", "UUUUUUUUUUUUUUUU"},
    {"{{ dict(a='b').items()|list }}", "[('a', 'b')]", "TTTTTTTTTTTT"},
    {"{{ x|default('d') }}{{ nope|default('d') }}", "<x>d", "UUUT"},
    {"{{ 'yes' if x == '<x>' else 'no' }}", "yes", "TTT"},
    {"{{ bos_token }}{{ x }}", "<s><x>", "TTTUUU"},
    {"{{ eos_token }}", "mine", "UUUU"},
    {"{{ strftime_now('%Y') }}", "2026", "TTTT"},
    {"{{ x|list|last }}{{ x|first }}", "><", "UU"},
    {"{{ (x ~ x)|length }}{{ loop is defined }}", "6False", "TTTTTT"},
    {"{{ x|urlencode }}", "%3Cx%3E", "UUUUUUU"},
    {"{{ x|int(3) }}{{ '7'|int }}", "37", "TT"},
    {"{{ s7|int }}", "7", "U"},
    {"{{ x|truncate(2, true, '', 0) }}", "<x", "UU"},
    {"{{ x.zfill(4) }}", "0<x>", "TUUU"},
    {"{{ '<' ~ 'x' ~ '>' }}", "<x>", "TTT"},
    {"{{ x.partition('x')[0] }}{{ x.rsplit('x')[1] }}", "<>", "UU"},
    {"{{ {'a': x}.a }}{{ namespace(b=x).b }}", "<x><x>", "UUUUUU"},
    {"{{ [x]|map('upper')|first }}", "<X>", "UUU"},
    {"{{ t }}{{ z }}", "TrueNone", "UUUUUUUU"},
};

static void test_jinja_operations_keep_provenance(void **state) {
    static const suan_template_token tokens[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    static const char request[] = "{\"x\": \"<x>\", \"n\": 7, \"e\": [], \"d\": {\"key\": \"val\"}, \"eos_token\": \"mine\", \"s7\": "
                                  "\"7\", \"t\": true, \"z\": null}";
    suan_template_options o = {.now = &jinja_now, .tokens = tokens, .n_tokens = 2};
    (void)state;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        suan_rendered r;
        suan_error err = {0};
        char letters[64] = {0};
        const char *source = operations[i].source;
        if (jinja_render_text(source, strlen(source), request, &o, &r, &err) != SUAN_OK) fail_msg("%s: %s", source, err.message);
        assert_string_equal(r.text, operations[i].text);
        for (size_t k = 0; k < r.n_spans; k++)
            memset(letters + r.spans[k].begin, r.spans[k].trusted ? 'T' : 'U', r.spans[k].end - r.spans[k].begin);
        if (strcmp(letters, operations[i].spans) != 0) fail_msg("%s: %s, expected %s", source, letters, operations[i].spans);
        suan_rendered_free(&r);
    }
}

/* ---- control tokens of published templates */

/* U+2063 and U+2064 stand around every insertion, and nowhere in the fixtures. */
#define OPEN "\xe2\x81\xa3"
#define CLOSE "\xe2\x81\xa4"

typedef struct tokens {
    char *text[512];
    size_t n;
} tokens;

static void add_token(tokens *t, const char *p, size_t n) {
    for (size_t i = 0; i < t->n; i++)
        if (strlen(t->text[i]) == n && memcmp(t->text[i], p, n) == 0) return;
    assert_true(t->n < 512);
    t->text[t->n++] = strndup(p, n);
}

/* Everything in the source that looks like <|x|>, <\uff5cx\uff5c>, <x>, [X] without blanks in it. */
static void find_tokens(tokens *t, const char *source) {
    static const struct { const char *open, *close; } forms[] = {{"<|", "|>"}, {"<\xef\xbd\x9c", "\xef\xbd\x9c>"}, {"<", ">"}, {"[", "]"}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        for (const char *p = source; (p = strstr(p, forms[f].open)) != NULL; p++) {
            const char *end = strstr(p + strlen(forms[f].open), forms[f].close);
            if (!end) break;
            size_t n = (size_t)(end - p) + strlen(forms[f].close);
            bool plain = n <= 48 && n > strlen(forms[f].open) + strlen(forms[f].close);
            for (size_t i = 0; i < n && plain; i++) plain = (unsigned char)p[i] > ' ' && !strchr("'\"{}()=,\\", p[i]);
            if (forms[f].open[0] == '[') plain = plain && ((p[1] >= 'A' && p[1] <= 'Z') || p[1] == '/');
            if (plain) add_token(t, p, n);
        }
    }
}

/* A copy of the request with the token, between marks, behind every string value (roles and types decide what a template does: they stay). */
static json_t *insert_token(const json_t *v, const char *token, bool everywhere) {
    const char *key;
    json_t *item, *r;
    size_t i;
    char text[8192];
    switch (json_typeof(v)) {
    case JSON_STRING:
        snprintf(text, sizeof text, "%s" OPEN "%s" CLOSE, json_string_value(v), token);
        return json_string(text);
    case JSON_ARRAY:
        r = json_array();
        json_array_foreach((json_t *)(uintptr_t)v, i, item) json_array_append_new(r, insert_token(item, token, everywhere));
        return r;
    case JSON_OBJECT:
        r = json_object();
        json_object_foreach((json_t *)(uintptr_t)v, key, item) {
            bool keep = !everywhere && (strcmp(key, "role") == 0 || strcmp(key, "type") == 0 || strcmp(key, "id") == 0);
            json_object_set_new(r, key, keep ? json_deep_copy(item) : insert_token(item, token, everywhere));
        }
        return r;
    default:
        return json_deep_copy(v);
    }
}

static bool all_trusted(const suan_rendered *r, size_t begin, size_t end) {
    for (size_t i = 0; i < r->n_spans; i++)
        if (begin >= r->spans[i].begin && begin < r->spans[i].end) return r->spans[i].trusted && end <= r->spans[i].end;
    return false;
}

static bool any_trusted(const suan_rendered *r, size_t begin, size_t end) {
    for (size_t i = 0; i < r->n_spans; i++)
        if (r->spans[i].trusted && r->spans[i].begin < end && begin < r->spans[i].end) return true;
    return false;
}

static size_t count_trusted(const suan_rendered *r, const char *token) {
    size_t n = 0, len = strlen(token);
    for (const char *p = r->text; (p = memmem(p, r->n - (size_t)(p - r->text), token, len)) != NULL; p++)
        n += all_trusted(r, (size_t)(p - r->text), (size_t)(p - r->text) + len);
    return n;
}

/* Returns how many insertions it saw in the text. */
static size_t check_insertions(const char *name, const suan_rendered *r, const char *token) {
    char marked[128];
    size_t n = 0;
    int len = snprintf(marked, sizeof marked, OPEN "%s" CLOSE, token);
    for (const char *p = r->text; (p = memmem(p, r->n - (size_t)(p - r->text), marked, (size_t)len)) != NULL; p++, n++)
        if (any_trusted(r, (size_t)(p - r->text), (size_t)(p - r->text) + (size_t)len))
            fail_msg("%s: bytes of '%s' from the request are trusted", name, token);
    return n;
}

/* Bytes that change when the insertion changes come from the request. */
static void check_difference(const char *name, const suan_rendered *a, const suan_rendered *b, const char *token) {
    for (size_t i = 0; i < a->n; i++)
        if (a->text[i] != b->text[i] && (any_trusted(a, i, i + 1) || any_trusted(b, i, i + 1)))
            fail_msg("%s: byte %zu, of '%s' in the request, is trusted", name, i, token);
}

typedef struct counts {
    size_t n_seen, n_renders, n_reactions;
} counts;

static bool render_json(const suan_template *t, const json_t *request, const suan_template_options *o, suan_rendered *r) {
    char *text = json_dumps(request, 0);
    bool ok = suan_template_render(t, text, strlen(text), o, r, NULL) == SUAN_OK;
    free(text);
    return ok;
}

static bool same_spans(const suan_rendered *a, const suan_rendered *b) {
    if (a->n != b->n || a->n_spans != b->n_spans) return false;
    for (size_t i = 0; i < a->n_spans; i++)
        if (a->spans[i].begin != b->spans[i].begin || a->spans[i].trusted != b->spans[i].trusted) return false;
    return true;
}

/* One request with the token inserted, beside the same with a word of the same length that means nothing to anybody. A template that acts
 * on the token (splits a thought at its end and joins it again, say) renders the two differently; it may then write the token itself. */
static void check_request(const char *name, const suan_template *t, const json_t *request, const char *token, bool everywhere,
                          const suan_template_options *o, counts *c) {
    char nonsense[64];
    suan_rendered dirty, other;
    snprintf(nonsense, sizeof nonsense, "%s", token);
    for (char *p = nonsense; *p; p++)
        if ((unsigned char)*p < 0x80) *p = *p == '~' ? '_' : '~';
    json_t *with_token = insert_token(request, token, everywhere), *with_nonsense = insert_token(request, nonsense, everywhere);
    bool ok_dirty = render_json(t, with_token, o, &dirty);
    bool ok_other = render_json(t, with_nonsense, o, &other);
    if (ok_other) c->n_seen += check_insertions(name, &other, nonsense);
    if (ok_dirty) {
        c->n_renders++;
        if (ok_other && same_spans(&other, &dirty)) {
            c->n_seen += check_insertions(name, &dirty, token);
            check_difference(name, &dirty, &other, token);
            if (count_trusted(&dirty, token) != count_trusted(&other, token))
                fail_msg("%s: '%s' is trusted more often than without it in the request", name, token);
        } else {
            c->n_reactions++;
        }
    }
    suan_rendered_free(&dirty);
    suan_rendered_free(&other);
    json_decref(with_token);
    json_decref(with_nonsense);
}

static void check_template(const char *name, const char *source, size_t n, const json_t *cases, const suan_template_options *o, counts *c) {
    tokens t = {0};
    const char *case_name;
    json_t *request;
    suan_template *template;
    assert_int_equal(suan_template_create(&template, source, n, name, NULL), SUAN_OK);
    find_tokens(&t, source);
    for (size_t k = 0; k < t.n; k++) {
        json_object_foreach((json_t *)(uintptr_t)cases, case_name, request) {
            check_request(name, template, request, t.text[k], false, o, c);
            check_request(name, template, request, t.text[k], true, o, c);
        }
        free(t.text[k]);
    }
    suan_template_free(template);
}

static void test_jinja_published_templates_trust_no_request(void **state) {
    char path[1024], name[256];
    json_error_t e;
    counts c = {0};
    static const suan_template_token special[] = {{"bos_token", "<BOS>"}, {"eos_token", "<EOS>"}};
    suan_template_options o = {.now = &jinja_now, .tokens = special, .n_tokens = 2};
    json_t *file = json_load_file(jinja_path(path, "SUAN_FIXTURES", "templates/expected.json"), 0, &e), *value;
    const char *key;
    (void)state;
    if (!file) {
        print_message("skipped: provenance of 45 published templates (no fixtures)\n");
        skip();
    }
    json_object_foreach(json_object_get(file, "expected"), key, value) {
        size_t n_source;
        snprintf(name, sizeof name, "templates/%s", key);
        char *source = jinja_read(jinja_path(path, "SUAN_FIXTURES", name), &n_source);
        assert_non_null(source);
        check_template(key, source, n_source, json_object_get(file, "cases"), &o, &c);
        free(source);
    }
    print_message("%zu renders, %zu insertions seen in their text, %zu times a template acted on the token\n", c.n_renders, c.n_seen,
                  c.n_reactions);
    assert_true(c.n_renders > 5000 && c.n_seen > 10000 && c.n_reactions < c.n_renders / 10);
    json_decref(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja_operations_keep_provenance),
        cmocka_unit_test(test_jinja_published_templates_trust_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
