/* test_grammar_chat.c: grammars of chats against the reader of answers: random answers of every syntax are taken apart into calls of the
 * tools with arguments that obey, and what templates render is accepted. */
#include "suan/answer.h"

#include "base/memory.h"
#include "grammar_walk.h"
#include "jinja_test.h"
#include "schema_check.h"

#define BAR "\xef\xbd\x9c"
#define LOW "\xe2\x96\x81"
#define D BAR "DSML" BAR
#define V3_CALLS "<" BAR "tool" LOW "calls" LOW "begin" BAR ">"
#define V3_CALL "<" BAR "tool" LOW "call" LOW "begin" BAR ">"
#define V3_SEP "<" BAR "tool" LOW "sep" BAR ">"
#define V3_END "<" BAR "tool" LOW "call" LOW "end" BAR ">"
#define V3_CALLS_END "<" BAR "tool" LOW "calls" LOW "end" BAR ">"

static const char tools_text[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"strict\": true, \"parameters\": {\"type\": \"object\", "
    "\"properties\": {"
    "\"city\": {\"type\": \"string\"}, \"days\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 14}, \"unit\": {\"enum\": [\"c\", "
    "\"f\", \"true\", 5]},"
    "\"code\": {\"type\": \"string\", \"enum\": [\"a b\", \"x\"]}, \"tags\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}, "
    "\"maxItems\": 2},"
    "\"note\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}, \"flag\": {\"type\": \"boolean\"}, \"ratio\": {\"type\": "
    "\"number\"},"
    "\"short\": {\"type\": \"string\", \"minLength\": 2, \"maxLength\": 5}, \"either\": {\"anyOf\": [{\"type\": \"integer\"}, {\"$ref\": "
    "\"#/$defs/kind\"}]}},"
    "\"required\": [\"city\", \"note\"], \"$defs\": {\"kind\": {\"type\": \"string\", \"enum\": [\"low\", \"high\"]}}}}},"
    "{\"type\": \"function\", \"function\": {\"name\": \"get_time\"}},"
    "{\"type\": \"function\", \"function\": {\"name\": \"get\", \"parameters\": {\"type\": \"object\", \"properties\": {\"at\": {\"type\": "
    "\"object\","
    "\"properties\": {\"x\": {\"type\": \"number\"}, \"y\": {\"type\": [\"number\", \"null\"]}}, \"required\": [\"x\"]}}}}}]";

static const json_t *parameters_of(const json_t *tools, const char *name) {
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        if (strcmp(json_string_value(json_object_get(function, "name")), name) == 0) return function;
    }
    return NULL;
}

/* ---- taking apart ---- */

typedef struct seen {
    const json_t *tools;
    suan__buf text, calls;
    int n_calls, n_bad;
} seen;

static int collect(void *ctx, const suan_answer_part *p) {
    seen *s = ctx;
    if (p->kind == SUAN_ANSWER_TEXT) suan__buf_append(&s->text, p->text, p->n);
    if (p->kind != SUAN_ANSWER_CALL) return 0;
    json_t *arguments = json_loadb(p->text, p->n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    const json_t *function = parameters_of(s->tools, p->name), *schema = json_object_get(function, "parameters");
    bool obeys = function && arguments && (schema ? schema_obeys(schema, schema, arguments) : json_object_size(arguments) == 0);
    s->n_calls++;
    s->n_bad += !obeys;
    suan__buf_printf(&s->calls, "%s(%s) ", p->name, p->text);
    json_decref(arguments);
    return 0;
}

static void take_apart(seen *s, const json_t *tools, const suan_chat_form *f, const char *text, size_t n) {
    suan_answer_options o = {f->syntax, f->tools != NULL && f->choice != SUAN_TOOLS_NONE, f->prompt, f->n_prompt, f->tools, f->n_tools};
    suan_answer *a;
    suan_error err = {0};
    *s = (seen){.tools = tools};
    suan__buf_append(&s->text, "", 0);
    suan__buf_append(&s->calls, "", 0);
    assert_int_equal(suan_answer_create(&a, &o, collect, s, &err), SUAN_OK);
    assert_int_equal(suan_answer_feed(a, text, n, &err), SUAN_OK);
    assert_int_equal(suan_answer_finish(a, &err), SUAN_OK);
    suan_answer_free(a);
}

static void seen_end(seen *s) {
    suan__buf_fini(&s->text);
    suan__buf_fini(&s->calls);
}

/* ---- random answers ---- */

static const char *prompt_of(suan_answer_syntax syntax, int which) {
    if (syntax == SUAN_ANSWER_HARMONY)
        return (const char *const[]){"<|start|>assistant", "<|start|>assistant<|channel|>analysis<|message|>", NULL}[which];
    return (const char *const[]){NULL, "<think>\n", "<think></think>\n\n"}[which];
}

static suan_grammar *open_form(const suan_chat_form *f) {
    suan_grammar *g;
    suan_error err = {0};
    if (suan_grammar_from_chat(&g, f, &err) != SUAN_OK) fail_msg("%s: %s", suan_answer_syntax_name(f->syntax), err.message);
    return g;
}

static void test_random(void **state) {
    (void)state;
    json_t *tools = json_loads(tools_text, JSON_DECODE_INT_AS_REAL, NULL);
    uint64_t seed = 7;
    assert_non_null(tools);
    for (int k = 0; k < (int)SUAN_N_ANSWER_SYNTAXES * 3 * 4; k++) {
        suan_chat_form f = {.syntax = (suan_answer_syntax)(k / 12),
                            .tools = tools_text,
                            .n_tools = sizeof tools_text - 1,
                            .choice = (suan_tool_choice)(k % 4)};
        f.prompt = prompt_of(f.syntax, k / 4 % 3);
        f.n_prompt = f.prompt ? strlen(f.prompt) : 0;
        if (f.choice == SUAN_TOOLS_NAMED) f.name = "get_weather";
        f.one_call = k % 2;
        if (f.syntax == SUAN_ANSWER_PLAIN) continue;
        suan_grammar *g = open_form(&f);
        walker w;
        assert_true(walker_open(&w, g));
        int n_calls = 0, n_ended = 0;
        for (int i = 0; i < 150; i++) {
            static char text[6000];
            long n = walker_text(&w, text, (size_t)(20 + i * 4), sizeof text, 30, &seed);
            if (n < 0) continue;
            n_ended++;
            seen s;
            take_apart(&s, tools, &f, text, (size_t)n);
            bool needs = f.choice >= SUAN_TOOLS_REQUIRED;
            if (s.n_bad || (needs && (s.n_calls == 0 || s.text.n > 0)) || (f.one_call && s.n_calls > 1) ||
                (f.choice == SUAN_TOOLS_NONE && s.n_calls))
                fail_msg("%s, choice %d, prompt %s: from %.*s\ncame %s and the text %s", suan_answer_syntax_name(f.syntax), (int)f.choice,
                         f.prompt ? f.prompt : "", (int)n, text, s.calls.data, s.text.data);
            n_calls += s.n_calls;
            seen_end(&s);
        }
        if (n_ended < 40 || (f.choice >= SUAN_TOOLS_REQUIRED && n_calls < 40))
            fail_msg("%s, choice %d: %d of 150 ended, with %d calls", suan_answer_syntax_name(f.syntax), (int)f.choice, n_ended, n_calls);
        walker_close(&w);
        suan_grammar_free(g);
    }
    json_decref(tools);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
