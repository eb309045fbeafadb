/* test_grammar_schema.c: grammars of JSON Schemas against a table made by another validator, random texts against one of our own, and schemas
 * that are none. */
#include "suan/grammar.h"

#include "base/memory.h"
#include "grammar_walk.h"
#include "jinja_test.h"
#include "schema_check.h"

static suan_status make(suan_grammar **g, const char *schema, suan_error *err) {
    *err = (suan_error){0};
    return suan_grammar_from_json_schema(g, schema, strlen(schema), err);
}

/* ---- the table ---- */

typedef void case_fn(void *ctx, char kind, const char *text, size_t n);

/* Calls back for each line of the table: 'S', 'A', 'R' and what follows, texts decoded. */
static void each_line(case_fn *fn, void *ctx) {
    char path[1024];
    size_t n;
    char *all = jinja_read(jinja_path(path, "SUAN_TEST_DATA", "schema_cases.txt"), &n);
    assert_non_null(all);
    for (char *line = all, *end; line < all + n; line = end + 1) {
        end = memchr(line, '\n', (size_t)(all + n - line));
        assert_non_null(end);
        *end = 0;
        json_t *text = *line == 'A' || *line == 'R' ? json_loads(line + 2, JSON_DECODE_ANY, NULL) : NULL;
        if (*line == 'S') fn(ctx, 'S', line + 2, strlen(line + 2));
        if (text) fn(ctx, *line, json_string_value(text), json_string_length(text));
        json_decref(text);
    }
    free(all);
}

typedef struct table {
    suan_grammar *g;
    walker w;
    char schema[8192];
    int n_schemas, n_accepted, n_refused, n_wrong;
} table;

static void on_case(void *ctx, char kind, const char *text, size_t n) {
    table *t = ctx;
    suan_error err;
    if (kind == 'S') {
        if (t->g) walker_close(&t->w);
        suan_grammar_free(t->g);
        assert_true(n < sizeof t->schema);
        memcpy(t->schema, text, n + 1);
        if (make(&t->g, text, &err) != SUAN_OK) fail_msg("%s: %s", text, err.message);
        assert_true(walker_open(&t->w, t->g));
        t->n_schemas++;
        return;
    }
    bool takes = walker_takes(&t->w, text, n) == 1;
    t->n_accepted += kind == 'A';
    t->n_refused += kind == 'R';
    if (takes == (kind == 'A')) return;
    print_message("%s: %s %.*s\n", t->schema, takes ? "accepts" : "refuses", (int)n, text);
    t->n_wrong++;
}

static void test_table(void **state) {
    (void)state;
    static table t;
    each_line(on_case, &t);
    walker_close(&t.w);
    suan_grammar_free(t.g);
    assert_true(t.n_schemas >= 150 && t.n_accepted > 500 && t.n_refused > 2000);
    assert_int_equal(t.n_wrong, 0);
}

/* ---- random texts ---- */

typedef struct walk {
    uint64_t seed;
    int n_texts, n_schemas;
} walk;

static bool can_check(const char *schema) {
    static const char *const unknown[] = {"pattern", "format", "propertyNames", "multipleOf", "~1"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (strstr(schema, unknown[i])) return false;
    return schema[0] == '{' && !strstr(schema, "https:");
}

static void on_schema(void *ctx, char kind, const char *text, size_t n) {
    walk *k = ctx;
    suan_grammar *g;
    suan_error err;
    walker w;
    if (kind != 'S' || n == 2 || !can_check(text)) return;
    json_t *schema = json_loadb(text, n, JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(schema);
    assert_int_equal(make(&g, text, &err), SUAN_OK);
    assert_true(walker_open(&w, g));
    k->n_schemas++;
    for (int i = 0; i < 60; i++) {
        static char out[4000];
        long length = walker_text(&w, out, (size_t)i * 3, sizeof out, 6, &k->seed);
        if (length < 0) continue;
        json_t *value = json_loadb(out, (size_t)length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        if (!value && length > 20) continue; /* numbers that no double holds, names that came twice */
        if (!value || !schema_obeys(schema, schema, value)) fail_msg("%s: writes %.*s", text, (int)length, out);
        k->n_texts++;
        json_decref(value);
    }
    walker_close(&w);
    suan_grammar_free(g);
    json_decref(schema);
}

static void test_random(void **state) {
    (void)state;
    walk k = {.seed = 11};
    each_line(on_schema, &k);
    assert_true(k.n_schemas > 100 && k.n_texts > 3000);
}

/* ---- what is no schema, or beyond the subset ---- */

typedef struct bad {
    const char *schema;
    suan_status status;
    const char *word; /* part of the message */
} bad;

static const bad bads[] = {
    {"", SUAN_EINVAL, "schema"},
    {"5", SUAN_EINVAL, "schema"},
    {"[]", SUAN_EINVAL, "expected a schema"},
    {"{\"type\": 1}", SUAN_EINVAL, "#/type"},
    {"{\"type\": \"str\"}", SUAN_EINVAL, "'str' is no type"},
    {"{\"type\": \"OBJECT\"}", SUAN_EINVAL, "'OBJECT' is no type"},
    {"{\"type\": []}", SUAN_EINVAL, "#/type"},
    {"{\"type\": [\"string\", 3]}", SUAN_EINVAL, "element 1"},
    {"{\"properties\": []}", SUAN_EINVAL, "#/properties"},
    {"{\"properties\": {\"a\": 3}}", SUAN_EINVAL, "#/properties/a: expected a schema"},
    {"{\"properties\": {\"a\": {\"items\": {\"type\": \"x\"}}}}", SUAN_EINVAL, "#/properties/a/items/type"},
    {"{\"required\": \"a\"}", SUAN_EINVAL, "#/required"},
    {"{\"required\": [1]}", SUAN_EINVAL, "element 0"},
    {"{\"items\": []}", SUAN_EINVAL, "prefixItems"},
    {"{\"enum\": []}", SUAN_EINVAL, "#/enum"},
    {"{\"enum\": {}}", SUAN_EINVAL, "#/enum"},
    {"{\"anyOf\": []}", SUAN_EINVAL, "#/anyOf"},
    {"{\"anyOf\": [{}, 1]}", SUAN_EINVAL, "#/anyOf/1"},
    {"{\"minLength\": -1}", SUAN_EINVAL, "#/minLength"},
    {"{\"minLength\": 1.5}", SUAN_EINVAL, "#/minLength"},
    {"{\"minItems\": 9223372036854775808}", SUAN_ELIMIT, "#/minItems"},
    {"{\"maxItems\": 1e300}", SUAN_ELIMIT, "#/maxItems"},
    {"{\"minimum\": \"0\"}", SUAN_EINVAL, "#/minimum"},
    {"{\"multipleOf\": 0}", SUAN_EINVAL, "#/multipleOf"},
    {"{\"multipleOf\": 3}", SUAN_EUNSUPPORTED, "#/multipleOf"},
    {"{\"pattern\": \"(\"}", SUAN_EINVAL, "#/pattern"},
    {"{\"pattern\": 3}", SUAN_EINVAL, "#/pattern"},
    {"{\"pattern\": \"(?=a)b\"}", SUAN_EUNSUPPORTED, "#/pattern"},
    {"{\"pattern\": \"(a)\\\\1\"}", SUAN_EUNSUPPORTED, "#/pattern"},
    {"{\"not\": {}}", SUAN_EUNSUPPORTED, "#/not"},
    {"{\"$defs\": {\"x\": {\"if\": true}}}", SUAN_EUNSUPPORTED, "#/$defs/x/if"},
    {"{\"uniqueItems\": true}", SUAN_EUNSUPPORTED, "#/uniqueItems"},
    {"{\"nullable\": true}", SUAN_EUNSUPPORTED, "#/nullable"},
    {"{\"frobnicate\": 1}", SUAN_EUNSUPPORTED, "#/frobnicate"},
    {"{\"type\": \"object\", \"minProperties\": 3}", SUAN_EUNSUPPORTED, "#/minProperties"},
    {"{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", SUAN_EUNSUPPORTED, "#/oneOf"},
    {"{\"$ref\": \"#/$defs/x\"}", SUAN_EINVAL, "leads to nothing"},
    {"{\"$ref\": \"other.json\"}", SUAN_EUNSUPPORTED, "other.json"},
    {"{\"$ref\": 3}", SUAN_EINVAL, "#/$ref"},
    {"{\"$ref\": \"#\"}", SUAN_EINVAL, "leads to itself"},
    {"{\"allOf\": [{\"$ref\": \"#\"}]}", SUAN_EINVAL, "leads to itself"},
    {"{\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": \"#\"}]}", SUAN_EINVAL, "leads to itself"},
    {"{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"$ref\": \"#/$defs/b\"}, \"b\": {\"$ref\": \"#/$defs/a\"}}}", SUAN_EINVAL,
     "leads to itself"},
    {"{\"type\": \"object\", \"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}", SUAN_EINVAL, "text"},
    {"false", SUAN_EINVAL, "no value obeys"},
    {"{\"allOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", SUAN_EINVAL, "no value obeys"},
    {"{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 2}", SUAN_EINVAL, "no value obeys"},
    {"{\"type\": \"string\", \"pattern\": \"^a$\", \"minLength\": 2}", SUAN_EINVAL, "no value obeys"},
    {"{\"type\": \"object\", \"required\": [\"a\"], \"properties\": {}, \"additionalProperties\": false}", SUAN_EINVAL, "no value obeys"},
    {"{\"a\": 1, \"a\": 2}", SUAN_EINVAL, "duplicate"},
    {"{\"type\": \"string\", \"minLength\": 5000, \"pattern\": \"a\"}", SUAN_EUNSUPPORTED, "states"},
};

static void test_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        suan_grammar *g;
        suan_error err;
        suan_status status = make(&g, bads[i].schema, &err);
        if (status != bads[i].status || !strstr(err.message, bads[i].word) || g)
            fail_msg("%s: %s %s", bads[i].schema, suan_status_name(status), err.message);
    }
}

/* R-04: hundreds of schemas with something wrong in them, each at several depths: none is taken, all say where. */
static void test_many_bad(void **state) {
    (void)state;
    static const char *const wrong[] = {"\"type\": 5",
                                        "\"type\": \"none\"",
                                        "\"type\": [null]",
                                        "\"properties\": 1",
                                        "\"properties\": {\"a\": []}",
                                        "\"required\": 1",
                                        "\"required\": [[]]",
                                        "\"items\": 0",
                                        "\"items\": [{}]",
                                        "\"prefixItems\": {}",
                                        "\"prefixItems\": []",
                                        "\"enum\": 1",
                                        "\"enum\": []",
                                        "\"anyOf\": {}",
                                        "\"anyOf\": [7]",
                                        "\"oneOf\": []",
                                        "\"allOf\": \"x\"",
                                        "\"minLength\": \"1\"",
                                        "\"maxLength\": -3",
                                        "\"minItems\": 0.5",
                                        "\"minItems\": 9223372036854775808",
                                        "\"maxItems\": 1e99",
                                        "\"minProperties\": []",
                                        "\"minimum\": null",
                                        "\"maximum\": {}",
                                        "\"exclusiveMinimum\": true",
                                        "\"multipleOf\": -1",
                                        "\"multipleOf\": \"2\"",
                                        "\"pattern\": \"[\"",
                                        "\"pattern\": \"a{3,1}\"",
                                        "\"pattern\": \"*\"",
                                        "\"pattern\": []",
                                        "\"format\": 3",
                                        "\"$ref\": \"#/nowhere\"",
                                        "\"$ref\": []",
                                        "\"$ref\": \"#/a~2\"",
                                        "\"$defs\": 1",
                                        "\"definitions\": {\"x\": 0}",
                                        "\"additionalProperties\": 3",
                                        "\"patternProperties\": {\"(\": {}}",
                                        "\"propertyNames\": []",
                                        "\"uniqueItems\": 1",
                                        "\"$id\": 5"};
    static const char *const around[][2] = {
        {"{", "}"},
        {"{\"properties\": {\"p\": {", "}}}"},
        {"{\"items\": {", "}}"},
        {"{\"anyOf\": [{\"type\": \"null\"}, {", "}]}"},
        {"{\"allOf\": [{\"items\": {", "}}]}"},
        {"{\"additionalProperties\": {", "}}"},
        {"{\"$defs\": {\"d\": {", "}}, \"$ref\": \"#/$defs/d\"}"},
        {"{\"prefixItems\": [{}, {", "}]}"},
        {"{\"type\": \"object\", \"properties\": {\"a\": {\"properties\": {\"b\": {", "}}}}, \"required\": [\"a\"]}"},
        {"{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"x\": {", "}}}, {\"type\": \"null\"}]}"},
        {"{\"patternProperties\": {\"^x\": {", "}}}"},
        {"{\"propertyNames\": {", "}}"}};
    int n = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (size_t k = 0; k < sizeof around / sizeof *around; k++, n++) {
            char text[1000];
            suan_grammar *g;
            suan_error err;
            snprintf(text, sizeof text, "%s%s%s", around[k][0], wrong[i], around[k][1]);
            suan_status status = make(&g, text, &err);
            if (status != SUAN_EINVAL && status != SUAN_ELIMIT) fail_msg("%s: %s %s", text, suan_status_name(status), err.message);
            if (!strstr(err.message, "schema: #")) fail_msg("%s: no pointer in '%s'", text, err.message);
        }
    }
    assert_true(n >= 500);
}

/* ---- bombs ---- */

static void append(suan__buf *b, const char *s) {
    assert_true(suan__buf_append(b, s, strlen(s)));
}

static suan_status make_buf(suan__buf *b, suan_error *err) {
    suan_grammar *g = NULL;
    *err = (suan_error){0};
    suan_status status = suan_grammar_from_json_schema(&g, b->data, b->n, err);
    suan_grammar_free(g);
    suan__buf_fini(b);
    return status;
}

static void test_bombs(void **state) {
    (void)state;
    suan_error err;
    suan__buf b = {0};
    for (int i = 0; i < 100000; i++) append(&b, "{\"items\":");
    assert_int_equal(make_buf(&b, &err), SUAN_ELIMIT);
    for (int i = 0; i < 1000000; i++) append(&b, "[");
    assert_int_equal(make_buf(&b, &err), SUAN_ELIMIT);
    append(&b, "{\"enum\":[0");
    for (int i = 0; i < 100000; i++) append(&b, ",1");
    append(&b, "]}");
    assert_int_equal(make_buf(&b, &err), SUAN_ELIMIT);
    assert_non_null(strstr(err.message, "expected at most 20000"));
    /* A conjunction of alternatives doubles with each element. */
    append(&b, "{\"allOf\":[");
    for (int i = 0; i < 40; i++) suan__buf_printf(&b, "%s{\"anyOf\":[{\"minimum\":%d},{\"maximum\":%d}]}", i ? "," : "", i, 1000 - i);
    append(&b, "]}");
    assert_int_equal(make_buf(&b, &err), SUAN_ELIMIT);
    /* Each property of one is a conjunction of more of the next. */
    append(&b, "{\"$defs\":{");
    for (int i = 0; i < 30; i++)
        suan__buf_printf(&b,
                         "%s\"d%d\":{\"properties\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/"
                         "d%d\"}]},\"b\":{\"$ref\":\"#/$defs/d%d\"}}}",
                         i ? "," : "", i, (i + 1) % 30, (i * 7 + 3) % 30, (i * 11 + 5) % 30);
    append(&b, "},\"$ref\":\"#/$defs/d0\"}");
    suan_status status = make_buf(&b, &err);
    assert_true(status == SUAN_OK || status == SUAN_ELIMIT);
    /* A long chain of references. */
    append(&b, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 5000; i++) suan__buf_printf(&b, "\"d%d\":{\"$ref\":\"#/$defs/d%d\"},", i, i + 1);
    append(&b, "\"d5000\":{}}}");
    assert_int_equal(make_buf(&b, &err), SUAN_ELIMIT);
    /* Patterns whose automata explode together. */
    append(&b, "{\"type\":\"string\",\"allOf\":[{\"pattern\":\"^(a|b)*a(a|b){14}$\"},{\"pattern\":\"^(a|b)*b(a|b){13}c?$\"}]}");
    assert_int_equal(make_buf(&b, &err), SUAN_EUNSUPPORTED);
    /* Many properties, all optional, many enums: fine. */
    append(&b, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 800; i++) suan__buf_printf(&b, "%s\"p%d\":{\"type\":\"integer\",\"minimum\":0}", i ? "," : "", i);
    append(&b, "},\"additionalProperties\":false}");
    assert_int_equal(make_buf(&b, &err), SUAN_OK);
}

/* R-06: nothing is kept of schemas that are gone. */
static void test_memory_is_flat(void **state) {
    (void)state;
    uint64_t before = 0;
    for (int i = 0; i < 3000; i++) {
        char text[200];
        suan_grammar *g;
        suan_error err;
        snprintf(text, sizeof text,
                 "{\"type\":\"object\",\"properties\":{\"p%d\":{\"type\":\"string\",\"maxLength\":%d}},\"required\":[\"p%d\"]}", i, i + 1,
                 i);
        assert_int_equal(make(&g, text, &err), SUAN_OK);
        suan_grammar_free(g);
        if (i == 300) before = suan__memory_peak();
    }
    assert_true(suan__memory_peak() < before + (8u << 20));
}

static void test_out_of_memory(void **state) {
    (void)state;
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"^a\",\"maxLength\":3},"
                                 "\"b\":{\"oneOf\":[{\"type\":\"integer\",\"minimum\":3},"
                                 "{\"enum\":[\"x\",[1]]}]}},\"required\":[\"a\"],\"additionalProperties\":{\"$ref\":\"#\"}}";
    suan_status status = SUAN_ENOMEM;
    for (uint64_t nth = 1; status != SUAN_OK; nth += nth < 200 ? 1 : 17) {
        suan_grammar *g;
        suan_error err;
        assert_true(nth < 100000);
        suan__alloc_fail_at(nth);
        status = make(&g, schema, &err);
        suan__alloc_fail_at(0);
        if (status != SUAN_OK && status != SUAN_ENOMEM)
            fail_msg("allocation %llu: %s %s", (unsigned long long)nth, suan_status_name(status), err.message);
        suan_grammar_free(g);
    }
}

static void test_any_object(void **state) {
    (void)state;
    suan_grammar *g;
    suan_error err;
    walker w;
    assert_int_equal(suan_grammar_any_json_object(&g, &err), SUAN_OK);
    assert_true(walker_open(&w, g));
    assert_int_equal(walker_takes(&w, "{\"a\": [1, {\"b\": null}]}", 23), 1);
    assert_int_equal(walker_takes(&w, "{\"a\": [1, {\"b\": null}]", 22), 0);
    assert_int_equal(walker_takes(&w, "[]", 2), -1);
    assert_int_equal(walker_takes(&w, "\n{}", 3), 1);
    assert_int_equal(walker_takes(&w, "{}\n", 3), -1);
    assert_int_equal(walker_takes(&w, "{\"a\":  1}", 9), -1);
    walker_close(&w);
    suan_grammar_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_random),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_many_bad),      cmocka_unit_test(test_bombs),      cmocka_unit_test(test_memory_is_flat),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_any_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
