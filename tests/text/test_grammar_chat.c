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
    suan_answer_options o = {f->syntax, f->tools != NULL && f->choice != SUAN_TOOLS_NONE, f->prompt, f->n_prompt, f->tools, f->n_tools,
                             false};
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

/* ---- texts one by one ---- */

typedef struct text_case {
    suan_answer_syntax syntax;
    suan_tool_choice choice;
    bool one_call;
    const char *prompt, *text;
    int takes; /* 1: whole; 0: the beginning of one; -1: neither */
} text_case;

#define ARGUMENTS "{\"city\": \"Bern\", \"note\": null}"
#define HERMES "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " ARGUMENTS "}\n</tool_call>"
static const text_case texts[] = {
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "Some text <b>.", 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "Let me see.\n" HERMES, 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, HERMES "\n" HERMES, 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, HERMES "\nIt rains.", -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, true, NULL, HERMES "\n" HERMES, -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>\n{\"name\": \"get_w", 0},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>\n{\"name\": \"other", -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"days\"", -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>{\"name\":\"get_time\",\"arguments\":{}}</tool_call>", 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>{\"name\":\"get_time\",\"arguments\":{\"a\":1}}</tool_call>", -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, "<think>\n", "maybe <tool_call> this\n</think>\n\nText.", 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, false, NULL, "<think>maybe <tool_call> this\n</think>\n\n" HERMES, 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_NONE, false, NULL, "Some text <tool_", 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_NONE, false, NULL, "Some text <tool_call>", -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_REQUIRED, false, NULL, "T", -1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_REQUIRED, false, NULL, "", 0},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_REQUIRED, false, "<think>\n", "so </think>\n\n" HERMES, 1},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_REQUIRED, false, "<think>\n", "so </think>\n\n", 0},
    {SUAN_ANSWER_HERMES, SUAN_TOOLS_NAMED, false, NULL, "<tool_call>\n{\"name\": \"get_t", -1},
    {SUAN_ANSWER_QWEN3_CODER, SUAN_TOOLS_AUTO, false, NULL,
     "Hm\n<tool_call>\n<function=get_weather>\n<parameter=city>\nBern < \"x\"\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
     "<parameter=note>\n5 apples\n</parameter>\n<parameter=flag>\nTrue\n</parameter>\n</function>\n</tool_call>",
     1},
    {SUAN_ANSWER_QWEN3_CODER, SUAN_TOOLS_AUTO, false, NULL,
     "<tool_call>\n<function=get_weather>\n<parameter=city>\n</parameter>\n<parameter=days>\n15", -1},
    {SUAN_ANSWER_QWEN3_CODER, SUAN_TOOLS_AUTO, false, NULL,
     "<tool_call>\n<function=get_weather>\n<parameter=city>\nx\n</parameter>\n<parameter=note>\n5\n</parameter>", -1},
    {SUAN_ANSWER_GLM, SUAN_TOOLS_AUTO, false, NULL,
     "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Bern</arg_value>\n<arg_key>unit</arg_key><arg_value>c</arg_value>\n"
     "<arg_key>note</arg_key>\n<arg_value>true story</arg_value>\n</tool_call>",
     1},
    {SUAN_ANSWER_GLM, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>get</tool_call>", 1},
    {SUAN_ANSWER_GLM, SUAN_TOOLS_AUTO, false, NULL, "<tool_call>get_weather</tool_call>", -1},
    {SUAN_ANSWER_DSML, SUAN_TOOLS_AUTO, false, NULL,
     "Ok\n\n<" D "function_calls>\n<" D "invoke name=\"get\">\n<" D "parameter name=\"at\" string=\"false\">{\"x\": 1}</" D
     "parameter>\n</" D "invoke>\n</" D "function_calls>",
     1},
    {SUAN_ANSWER_DSML, SUAN_TOOLS_AUTO, false, NULL,
     "<" D "tool_calls>\n<" D "invoke name=\"get\">\n<" D "parameter name=\"at\" string=\"t", -1},
    {SUAN_ANSWER_DEEPSEEK_V3, SUAN_TOOLS_REQUIRED, false, "<think>",
     "</think>\n\n" V3_CALLS V3_CALL "function" V3_SEP "get\n```json\n{}\n```" V3_END V3_CALLS_END, 1},
    {SUAN_ANSWER_DEEPSEEK_V3, SUAN_TOOLS_AUTO, false, "</think>",
     "Hm" V3_CALLS V3_CALL "get" V3_SEP "{}" V3_END V3_CALL "get_time" V3_SEP "{}" V3_END V3_CALLS_END, 1},
    {SUAN_ANSWER_KIMI, SUAN_TOOLS_AUTO, false, NULL,
     "Hm<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_"
     "end|>",
     1},
    {SUAN_ANSWER_LLAMA3, SUAN_TOOLS_AUTO, false, NULL, "{\"name\": \"get\", \"parameters\": {}}", 1},
    {SUAN_ANSWER_LLAMA3, SUAN_TOOLS_AUTO, false, NULL, "{\"type\": \"function\", \"name\": \"get\", \"parameters\": {}}", 1},
    {SUAN_ANSWER_LLAMA3, SUAN_TOOLS_AUTO, false, NULL, "Text { like", 1},
    {SUAN_ANSWER_LLAMA3, SUAN_TOOLS_AUTO, false, NULL, "{\"nam\"", -1},
    {SUAN_ANSWER_LLAMA3, SUAN_TOOLS_NONE, false, NULL, "{\"nam\": 1}", 1},
    {SUAN_ANSWER_HARMONY, SUAN_TOOLS_AUTO, false, "<|start|>assistant",
     "<|channel|>analysis<|message|>hm <tool><|end|><|start|>assistant<|channel|>commentary to=functions.get "
     "<|constrain|>json<|message|>{}<|call|>",
     1},
    {SUAN_ANSWER_HARMONY, SUAN_TOOLS_AUTO, false, "<|start|>assistant", "<|channel|>final<|message|>42", 1},
    {SUAN_ANSWER_HARMONY, SUAN_TOOLS_REQUIRED, false, "<|start|>assistant", "<|channel|>final", -1},
    {SUAN_ANSWER_HARMONY, SUAN_TOOLS_NONE, false, "<|start|>assistant", "<|channel|>commentary to=", -1},
    {SUAN_ANSWER_HARMONY, SUAN_TOOLS_REQUIRED, false, "<|start|>assistant<|channel|>commentary", " to=functions.get_time<|message|>{}", 1},
    {SUAN_ANSWER_HARMONY, SUAN_TOOLS_AUTO, false, "<|start|>assistant<|channel|>final<|message|>", "Hi<|return|>", 1},
    {SUAN_ANSWER_MISTRAL_V3, SUAN_TOOLS_AUTO, false, NULL,
     "Hm [TOOL_CALLS] [{\"name\": \"get\", \"arguments\": {}}, {\"name\": \"get_time\", \"arguments\": {}, \"id\": \"abcdefghi\"}]", 1},
    {SUAN_ANSWER_MISTRAL_V3, SUAN_TOOLS_AUTO, true, NULL, "[TOOL_CALLS][{\"name\": \"get\", \"arguments\": {}},", -1},
    {SUAN_ANSWER_MISTRAL_V3, SUAN_TOOLS_REQUIRED, false, NULL, "[TOOL_CALLS][]", -1},
    {SUAN_ANSWER_MISTRAL, SUAN_TOOLS_AUTO, false, NULL, "[TOOL_CALLS]get[ARGS]{}[TOOL_CALLS]get_time[CALL_ID]abcdefghi[ARGS]{}", 1},
    {SUAN_ANSWER_MISTRAL, SUAN_TOOLS_REQUIRED, false, NULL, "[TOOL_CALLS]other", -1},
    {SUAN_ANSWER_COMMAND_R, SUAN_TOOLS_REQUIRED, false, NULL,
     "Action:\n```json\n[\n    {\n        \"tool_name\": \"get\",\n        \"parameters\": {}\n    }\n]\n```", 1},
    {SUAN_ANSWER_COMMAND_R7B, SUAN_TOOLS_REQUIRED, false, "<|START_THINKING|>",
     "hm<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get\", \"parameters\": {}}\n]<|END_ACTION|>", 1},
    {SUAN_ANSWER_COMMAND_R7B, SUAN_TOOLS_AUTO, false, "<|START_THINKING|><|END_THINKING|>", "<|START_RESPONSE|>Hi.<|END_RESPONSE|>", 1},
    {SUAN_ANSWER_GRANITE, SUAN_TOOLS_AUTO, false, NULL, "<|tool_call|>[{\"name\": \"get\", \"arguments\": {}}]", 1},
    {SUAN_ANSWER_APRIEL, SUAN_TOOLS_AUTO, false, NULL, "Ok\n<tool_calls>[{\"name\": \"get\", \"arguments\": {}}]</tool_calls>", 1},
    {SUAN_ANSWER_FUNCTOOLS, SUAN_TOOLS_AUTO, false, NULL, "import functools", 1},
    {SUAN_ANSWER_FUNCTOOLS, SUAN_TOOLS_AUTO, false, NULL, "functools[{\"name\": \"get\", \"arguments\": {}}]", 1},
    {SUAN_ANSWER_FUNCTIONARY, SUAN_TOOLS_AUTO, false, NULL, "Hm<function=get>{}</function><function=get_time>{}</function>", 1},
    {SUAN_ANSWER_FUNCTIONARY, SUAN_TOOLS_REQUIRED, false, NULL, "<function=other", -1},
    {SUAN_ANSWER_GIGACHAT3, SUAN_TOOLS_AUTO, false, NULL,
     "Hm.<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"get\", \"arguments\": {}}", 1},
    {SUAN_ANSWER_GIGACHAT3, SUAN_TOOLS_REQUIRED, false, NULL,
     "<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"get\", \"arguments\": {}}", 1},
    {SUAN_ANSWER_GIGACHAT3, SUAN_TOOLS_REQUIRED, false, NULL, "Hm", -1},
    {SUAN_ANSWER_GIGACHAT3, SUAN_TOOLS_NONE, false, NULL, "function call<|role_sep|>\n", -1},
    {SUAN_ANSWER_GIGACHAT31, SUAN_TOOLS_AUTO, false, NULL, "<|function_call|>{\"name\": \"get\", \"arguments\": {}}", 1},
    {SUAN_ANSWER_GIGACHAT31, SUAN_TOOLS_REQUIRED, false, NULL, "<|function_call|>{\"name\": \"get\", \"arguments\": {}}<|function_call|>",
     -1},
};

static void test_texts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const text_case *t = &texts[i];
        suan_chat_form f = {
            t->syntax,   t->prompt, t->prompt ? strlen(t->prompt) : 0, tools_text, sizeof tools_text - 1, t->choice, "get_weather",
            t->one_call, NULL};
        suan_grammar *g = open_form(&f);
        walker w;
        assert_true(walker_open(&w, g));
        int takes = walker_takes(&w, t->text, strlen(t->text));
        if (takes != t->takes)
            fail_msg("%s, case %zu: %d, expected %d: %s", suan_answer_syntax_name(t->syntax), i, takes, t->takes, t->text);
        walker_close(&w);
        suan_grammar_free(g);
    }
}

/* ---- tokens: marks that are tokens of their own ---- */

/* Every token of the text may come, and behind the last the answer may end. */
static void accept_all(const suan_tokenizer *t, const suan_vocabulary *v, suan_grammar *g, const text_case *c) {
    int32_t ids[2000];
    size_t n;
    uint32_t n_vocab = suan_tokenizer_n_vocab(t);
    uint32_t *mask = calloc(suan_mask_words(n_vocab), sizeof *mask);
    suan_error err = {0};
    suan_matcher *m;
    assert_int_equal(suan_tokenizer_encode(t, c->text, strlen(c->text), SUAN_TOKENIZE_PARSE_SPECIAL, ids, 2000, &n, &err), SUAN_OK);
    assert_int_equal(suan_matcher_create(&m, g, v, &err), SUAN_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(suan_matcher_mask(m, mask, NULL, &err), SUAN_OK);
        bool may = mask[ids[i] / 32] >> ids[i] % 32 & 1;
        if (!may || suan_matcher_accept(m, ids[i], &err) != SUAN_OK)
            fail_msg("%s: token %d, place %zu, of %s: %s", suan_answer_syntax_name(c->syntax), (int)ids[i], i, c->text, err.message);
    }
    if (!suan_matcher_is_complete(m) && !suan_matcher_is_over(m))
        fail_msg("%s: not complete: %s", suan_answer_syntax_name(c->syntax), c->text);
    suan_matcher_free(m);
    free(mask);
}

static void test_tokens(void **state) {
    (void)state;
    static const char *const names[] = {NULL, "qwen2", "qwen2", "llama3", "deepseek-v3", "deepseek-v3", "kimi-k2", "glm4", "gpt4o"};
    int n_missing = 0, n_texts = 0;
    for (int k = 1; k < (int)(sizeof names / sizeof *names); k++) {
        char path[1024], name[64];
        suan_tokenizer *t;
        suan_vocabulary *v;
        suan_error err;
        snprintf(name, sizeof name, "tokenizers/ours-%s/tokenizer.json", names[k]);
        if (suan_tokenizer_open(&t, jinja_path(path, "SUAN_FIXTURES", name), &err) != SUAN_OK) {
            n_missing++;
            continue;
        }
        assert_int_equal(suan_vocabulary_create(&v, t, &err), SUAN_OK);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            const text_case *c = &texts[i];
            if ((int)c->syntax != k || c->takes != 1) continue;
            suan_chat_form f = {
                c->syntax,   c->prompt, c->prompt ? strlen(c->prompt) : 0, tools_text, sizeof tools_text - 1, c->choice, "get_weather",
                c->one_call, NULL};
            suan_grammar *g = open_form(&f);
            accept_all(t, v, g, c);
            n_texts++;
            suan_grammar_free(g);
        }
        suan_vocabulary_free(v);
        suan_tokenizer_close(&t);
    }
    if (n_missing) print_message("skipped %d vocabularies that are not there\n", n_missing);
    assert_true(n_texts > 15 || n_missing > 0);
}

/* ---- content ---- */

static void test_content(void **state) {
    (void)state;
    static const struct {
        suan_answer_syntax syntax;
        bool has_tools;
        const char *prompt, *text;
        int takes;
    } cases[] = {
        {SUAN_ANSWER_PLAIN, false, NULL, "ab", 1},
        {SUAN_ANSWER_PLAIN, false, NULL, "\nab", -1},
        {SUAN_ANSWER_PLAIN, false, NULL, "c", -1},
        {SUAN_ANSWER_PLAIN, false, "<think>\n", "why? </think>\n\nab", 1},
        {SUAN_ANSWER_PLAIN, false, "<think>\n", "why?", 0},
        {SUAN_ANSWER_PLAIN, false, "<think></think>\n", "ab", 1},
        {SUAN_ANSWER_HERMES, true, NULL, "ab", 1},
        {SUAN_ANSWER_HERMES, true, NULL, "ab" HERMES, -1},
        {SUAN_ANSWER_HERMES, true, NULL, HERMES, 1},
        {SUAN_ANSWER_LLAMA3, true, NULL, "ab", 1},
        {SUAN_ANSWER_HARMONY, false, "<|start|>assistant",
         "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>ab", 1},
        {SUAN_ANSWER_HARMONY, false, "<|start|>assistant", "<|channel|>final<|message|>c", -1},
        {SUAN_ANSWER_HARMONY, false, "<|start|>assistant", "<|channel|>commentary<|message|>", -1},
        {SUAN_ANSWER_HARMONY, true, "<|start|>assistant<|channel|>final<|message|>", "ab<|return|>", 1},
    };
    suan_error err;
    suan_grammar *content, *g;
    assert_int_equal(suan_grammar_from_regex(&content, "[ab]+", 5, &err), SUAN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        suan_chat_form f = {.syntax = cases[i].syntax, .prompt = cases[i].prompt, .content = content};
        f.n_prompt = f.prompt ? strlen(f.prompt) : 0;
        if (cases[i].has_tools) f.tools = tools_text, f.n_tools = sizeof tools_text - 1;
        g = open_form(&f);
        walker w;
        assert_true(walker_open(&w, g));
        int takes = walker_takes(&w, cases[i].text, strlen(cases[i].text));
        if (takes != cases[i].takes) fail_msg("case %zu: %d, expected %d: %s", i, takes, cases[i].takes, cases[i].text);
        walker_close(&w);
        suan_grammar_free(g);
    }
    suan_grammar_free(content);
}

/* ---- what is wrong ---- */

static void test_bad(void **state) {
    (void)state;
#define TOOL(rest) "[{\"type\": \"function\", \"function\": {\"name\": \"f\", " rest "}}]"
    static const struct {
        suan_answer_syntax syntax;
        suan_tool_choice choice;
        const char *tools, *name;
        suan_status status;
        const char *word;
    } cases[] = {
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, "{}", NULL, SUAN_EINVAL, "array"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, "[", NULL, SUAN_EINVAL, "tools"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, "[{}]", NULL, SUAN_EINVAL, "element 0"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, "[{\"name\": \"f\"}, {\"name\": \"f\"}]", NULL, SUAN_EINVAL, "two are called 'f'"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_REQUIRED, NULL, NULL, SUAN_EINVAL, "no tools"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_NAMED, TOOL("\"strict\": true"), "g", SUAN_EINVAL, "no tool 'g'"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_NAMED, TOOL("\"strict\": true"), NULL, SUAN_EINVAL, "no name"},
        {SUAN_ANSWER_PLAIN, SUAN_TOOLS_REQUIRED, TOOL("\"strict\": true"), NULL, SUAN_EUNSUPPORTED, "no way"},
        {SUAN_N_ANSWER_SYNTAXES, SUAN_TOOLS_AUTO, NULL, NULL, SUAN_EINVAL, "no syntax"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, TOOL("\"parameters\": {\"properties\": {\"a\": {\"type\": \"x\"}}}"), NULL, SUAN_EINVAL,
         "tool f: parameters: #/properties/a/type"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, TOOL("\"strict\": true, \"parameters\": {\"type\": \"object\", \"not\": {}}"), NULL,
         SUAN_EUNSUPPORTED, "tool f: parameters: #/not"},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO,
         TOOL("\"parameters\": {\"type\": \"object\", \"not\": {}, \"properties\": {\"a\": {\"uniqueItems\": true, \"pattern\": "
              "\"(?=a)\"}}}"),
         NULL, SUAN_OK, ""},
        {SUAN_ANSWER_HERMES, SUAN_TOOLS_AUTO, TOOL("\"parameters\": {\"type\": \"string\"}"), NULL, SUAN_EINVAL, "no object obeys"},
        {SUAN_ANSWER_GLM, SUAN_TOOLS_AUTO, TOOL("\"parameters\": {\"type\": \"object\", \"properties\": {\"a b\": {}}}"), NULL,
         SUAN_EUNSUPPORTED, "cannot write the parameter 'a b'"},
        {SUAN_ANSWER_QWEN3_CODER, SUAN_TOOLS_AUTO, "[{\"name\": \"a>b\"}]", NULL, SUAN_EUNSUPPORTED, "cannot write the name 'a>b'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        suan_chat_form f = {.syntax = cases[i].syntax, .tools = cases[i].tools, .choice = cases[i].choice, .name = cases[i].name};
        f.n_tools = f.tools ? strlen(f.tools) : 0;
        suan_grammar *g;
        suan_error err = {0};
        suan_status status = suan_grammar_from_chat(&g, &f, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].word) || (status != SUAN_OK && g))
            fail_msg("case %zu: %s: %s", i, suan_status_name(status), err.message);
        suan_grammar_free(g);
    }
}

static void test_nothing_to_say(void **state) {
    (void)state;
    for (int k = 0; k < (int)SUAN_N_ANSWER_SYNTAXES; k++) {
        suan_chat_form f = {.syntax = (suan_answer_syntax)k,
                            .tools = k % 2 ? "[]" : NULL,
                            .n_tools = k % 2 ? 2 : 0,
                            .choice = k % 3 ? SUAN_TOOLS_AUTO : SUAN_TOOLS_NONE};
        suan_error err;
        suan_grammar *g = NULL;
        assert_int_equal(suan_grammar_from_chat(&g, &f, &err), SUAN_OK);
        assert_null(g);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (int k = 1; k < (int)SUAN_N_ANSWER_SYNTAXES; k++) {
        suan_chat_form f = {.syntax = (suan_answer_syntax)k, .tools = tools_text, .n_tools = sizeof tools_text - 1};
        suan_status status = SUAN_ENOMEM;
        for (uint64_t nth = 1; status != SUAN_OK; nth += 1 + nth / 8) {
            suan_grammar *g;
            suan_error err = {0};
            suan__alloc_fail_at(nth);
            status = suan_grammar_from_chat(&g, &f, &err);
            suan__alloc_fail_at(0);
            if (status != SUAN_OK && status != SUAN_ENOMEM)
                fail_msg("%s, allocation %llu: %s", suan_answer_syntax_name(f.syntax), (unsigned long long)nth, err.message);
            suan_grammar_free(g);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),       cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_tokens),       cmocka_unit_test(test_content),
                                       cmocka_unit_test(test_bad),          cmocka_unit_test(test_nothing_to_say),
                                       cmocka_unit_test(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
