/* test_answer.c: answers taken apart: what templates render comes back, cases one by one, and cuts that must not matter. */
#include "suan/answer.h"

#include "base/memory.h"
#include "grammar_walk.h"
#include "jinja_test.h"

/* ---- collecting parts ---- */

/* All parts as one text: R(..) T(..) C(index name id arguments), neighbours of a kind joined. */
typedef struct parts {
    suan__buf log, text;
    int kind, n_calls, stop_at, n_more;
    bool is_open; /* a call whose parts come */
    suan__buf arguments;
    char name[256], id[256];
    json_t *calls; /* [{"name", "arguments"}] */
} parts;

/* Parts of a call become a call again; one that breaks has a log of its own: B(..). */
static int collect(void *ctx, const suan_answer_part *p);
static int collect_part(parts *all, const suan_answer_part *p) {
    assert_int_equal(p->index, all->n_calls);
    assert_int_equal(p->kind == SUAN_ANSWER_CALL_BEGIN, !all->is_open);
    all->is_open = p->kind != SUAN_ANSWER_CALL_END;
    if (p->kind == SUAN_ANSWER_CALL_BEGIN) {
        snprintf(all->name, sizeof all->name, "%s", p->name);
        snprintf(all->id, sizeof all->id, "%s", p->id ? p->id : "");
        all->arguments.n = 0;
    } else if (p->kind == SUAN_ANSWER_CALL_MORE) {
        assert_true(p->n > 0);
        suan__buf_append(&all->arguments, p->text, p->n);
        all->n_more++;
    } else if (!p->is_broken) {
        return collect(all, &(suan_answer_part){SUAN_ANSWER_CALL, all->arguments.data, all->arguments.n, all->name,
                                                all->id[0] ? all->id : NULL, p->index, false});
    } else {
        suan__buf_printf(&all->log, "B(%s ", all->name);
        if (all->arguments.n) suan__buf_append(&all->log, all->arguments.data, all->arguments.n);
        suan__buf_append(&all->log, ")", 1);
        all->n_calls++;
    }
    all->kind = (int)p->kind;
    return all->stop_at > 0 && --all->stop_at == 0;
}

static int collect(void *ctx, const suan_answer_part *p) {
    parts *all = ctx;
    if (p->kind >= SUAN_ANSWER_CALL_BEGIN) return collect_part(all, p);
    assert_false(all->is_open);
    if (p->kind == SUAN_ANSWER_CALL) {
        json_t *arguments = json_loadb(p->text, p->n, JSON_DECODE_ANY, NULL);
        assert_int_equal(p->index, all->n_calls++);
        suan__buf_printf(&all->log, "C(%s %s ", p->name, p->id ? p->id : "-");
        suan__buf_append(&all->log, p->text, p->n);
        suan__buf_append(&all->log, ")", 1);
        if (arguments) json_array_append_new(all->calls, json_pack("{s:s, s:o}", "name", p->name, "arguments", arguments));
        assert_true(p->text[0] == '{' && p->name[0]);
    } else {
        assert_true(p->n > 0);
        if (all->kind != (int)p->kind || all->log.data[all->log.n - 1] != ')')
            suan__buf_append(&all->log, p->kind == SUAN_ANSWER_TEXT ? "T(" : "R(", 2);
        else
            all->log.n--;
        suan__buf_append(&all->log, p->text, p->n);
        suan__buf_append(&all->log, ")", 1);
        if (p->kind == SUAN_ANSWER_TEXT) suan__buf_append(&all->text, p->text, p->n);
    }
    all->kind = (int)p->kind;
    return all->stop_at > 0 && --all->stop_at == 0;
}

static void parts_begin(parts *all) {
    *all = (parts){.kind = -1, .calls = json_array()};
    suan__buf_append(&all->log, "", 0);
    suan__buf_append(&all->text, "", 0);
}
static void parts_end(parts *all) {
    assert_false(all->is_open);
    suan__buf_fini(&all->arguments);
    suan__buf_fini(&all->log);
    suan__buf_fini(&all->text);
    json_decref(all->calls);
}

/* cut: bytes a piece; 0: random ones. */
static void take_apart(parts *all, const suan_answer_options *o, const char *s, size_t n, size_t cut) {
    suan_answer *a;
    suan_error err = {0};
    parts_begin(all);
    assert_int_equal(suan_answer_create(&a, o, collect, all, &err), SUAN_OK);
    for (size_t at = 0, k; at < n; at += k) {
        k = cut ? cut : 1 + (size_t)rand() % 9;
        if (k > n - at) k = n - at;
        assert_int_equal(suan_answer_feed(a, s + at, k, &err), SUAN_OK);
    }
    assert_int_equal(suan_answer_finish(a, &err), SUAN_OK);
    suan_answer_free(a);
}

/* ---- cases ---- */

#define TOOL "\xef\xbd\x9c"
#define U "\xe2\x96\x81"
#define D          \
    "\xef\xbd\x9c" \
    "DSML"         \
    "\xef\xbd\x9c"
#define V3_CALL "<" TOOL "tool" U "call" U "begin" TOOL ">"
#define V3_SEP "<" TOOL "tool" U "sep" TOOL ">"
#define V3_END "<" TOOL "tool" U "call" U "end" TOOL ">"
#define V3_CALLS "<" TOOL "tool" U "calls" U "begin" TOOL ">"
#define V3_CALLS_END "<" TOOL "tool" U "calls" U "end" TOOL ">"

typedef struct answer_case {
    suan_answer_syntax syntax;
    const char *prompt, *answer, *expected;
} answer_case;

static const answer_case cases[] = {
    {SUAN_ANSWER_PLAIN, NULL, "Hello <b> world\n\n", "T(Hello <b> world\n\n)"},
    {SUAN_ANSWER_PLAIN, NULL, " \n<think>\nSo.\nYes\n\n</think>\n\nHi\n", "R(So.\nYes)T(Hi\n)"},
    {SUAN_ANSWER_PLAIN, "<A><think>\n", "So\n</think>\n\n<think>Hi", "R(So)T(<think>Hi)"},
    {SUAN_ANSWER_PLAIN, "<A><think></think>", "<think>Hi</think>", "T(<think>Hi</think>)"},
    {SUAN_ANSWER_PLAIN, "<A><think>", "never ends </thin", "R(never ends </thin)"},
    {SUAN_ANSWER_PLAIN, "<A><think>", "</think>", ""},
    {SUAN_ANSWER_PLAIN, NULL, "text <think>no</think>", "T(text <think>no</think>)"},
    {SUAN_ANSWER_HERMES, NULL, "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}\n</tool_call>",
     "T(Let me see.)C(f - {\"a\": \"</tool_call>\"})"},
    {SUAN_ANSWER_HERMES, NULL,
     "<tool_call>{\"arguments\": \"{\\\"a\\\": 1}\", \"name\": "
     "\"g\"}</tool_call>\n<tool_call>\n{\"name\":\"h\",\"arguments\":null}</tool_call>\nDone",
     "C(g - {\"a\": 1})C(h - {})T(Done)"},
    {SUAN_ANSWER_HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {}}", "C(f - {})"},
    {SUAN_ANSWER_HERMES, NULL, "a\n<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1",
     "T(a\n<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1)"},
    {SUAN_ANSWER_HERMES, NULL, "<tool_call>{'name': 1}</tool_call> tail", "T(<tool_call>{'name': 1}</tool_call> tail)"},
    {SUAN_ANSWER_HERMES, NULL, "<tool_call>{\"name\": \"f\", \"name\": \"g\", \"arguments\": {}}</tool_call>",
     "T(<tool_call>{\"name\": \"f\", \"name\": \"g\", \"arguments\": {}}</tool_call>)"},
    {SUAN_ANSWER_HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
     "T(<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>)"},
    {SUAN_ANSWER_HERMES, NULL, "<tool_call>no<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "T(<tool_call>no)C(f - {})"},
    {SUAN_ANSWER_LLAMA3, NULL, "{\"name\": \"f\", \"parameters\": {\"a\": [1, 2.5]}}", "C(f - {\"a\": [1, 2.5]})"},
    {SUAN_ANSWER_LLAMA3, NULL, "<|python_tag|>brave.call(query=\"a \"b\" c\", n=3)", "C(brave - {\"query\": \"a \\\"b\\\" c\", \"n\": 3})"},
    {SUAN_ANSWER_LLAMA3, NULL, "<|python_tag|>print(1)", "T(<|python_tag|>print(1))"},
    {SUAN_ANSWER_LLAMA3, NULL, "{\"name\": 1} is JSON", "T({\"name\": 1} is JSON)"},
    {SUAN_ANSWER_LLAMA3, NULL, "The object {\"name\": \"f\", \"parameters\": {}}", "T(The object {\"name\": \"f\", \"parameters\": {}})"},
    {SUAN_ANSWER_DEEPSEEK_V3, "<think>\n",
     "hm</think>\nOk\n" V3_CALLS V3_CALL "function" V3_SEP "f\n```json\n{\"a\": \"```\"}\n```" V3_END "\n" V3_CALL "function" V3_SEP
     "g\n```json\n{}\n```" V3_END V3_CALLS_END,
     "R(hm)T(Ok)C(f - {\"a\": \"```\"})C(g - {})"},
    {SUAN_ANSWER_DEEPSEEK_V3, "</think>",
     V3_CALLS V3_CALL "function" V3_SEP "{\"a\": \"" V3_END "\"}" V3_END V3_CALL "g" V3_SEP "{}" V3_END V3_CALLS_END,
     "C(function - {\"a\": \"" V3_END "\"})C(g - {})"},
    {SUAN_ANSWER_DEEPSEEK_V3, NULL, V3_CALLS V3_CALL "f" V3_SEP "{\"a\"" V3_END, "T(" V3_CALL "f" V3_SEP "{\"a\"" V3_END ")"},
    {SUAN_ANSWER_DSML, "<think></think>",
     "Ok\n\n<" D "function_calls>\n<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"true\">a </" D "parameter> b</" D
     "parameter>\n<" D "parameter name=\"n\" string=\"false\">[1, {}]</" D "parameter>\n</" D "invoke>\n</" D "function_calls>",
     "T(Ok)C(f - {\"k\": \"a </" D "parameter> b\", \"n\": [1, {}]})"},
    {SUAN_ANSWER_DSML, NULL, "<" D "tool_calls>\n<" D "invoke name=\"f\">\n</" D "invoke>\n</" D "tool_calls>", "C(f - {})"},
    {SUAN_ANSWER_DSML, NULL, "<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"false\">oops</" D "parameter>\n</" D "invoke>",
     "T(<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"false\">oops</" D "parameter>\n</" D "invoke>)"},
    {SUAN_ANSWER_DSML, NULL,
     "<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"true\">1</" D "parameter>\n<" D
     "parameter name=\"k\" string=\"true\">2</" D "parameter>\n</" D "invoke>",
     "T(<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"true\">1</" D "parameter>\n<" D
     "parameter name=\"k\" string=\"true\">2</" D "parameter>\n</" D "invoke>)"},
    {SUAN_ANSWER_DSML, NULL, "<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"true\">1</" D "parameter>\n",
     "T(<" D "invoke name=\"f\">\n<" D "parameter name=\"k\" string=\"true\">1</" D "parameter>\n)"},
    {SUAN_ANSWER_KIMI, NULL,
     "<think>a</think>b<|tool_calls_section_begin|><|tool_call_begin|>functions.f.x:12<|tool_call_argument_begin|>{\"a\": "
     "1}<|tool_call_end|><|tool_calls_section_end|>",
     "R(a)T(b)C(f.x functions.f.x:12 {\"a\": 1})"},
    {SUAN_ANSWER_KIMI, NULL, "<|tool_call_begin|>f<|tool_call_end|>", "T(<|tool_call_begin|>f<|tool_call_end|>)"},
    {SUAN_ANSWER_GLM, NULL,
     "\n<think>a</think>\nb\n<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>a</arg_value> "
     "\"q\"\n</arg_value>\n<arg_key>n</arg_key>\n<arg_value>5</arg_value>\n<arg_key>s</arg_key>\n<arg_value>5</arg_value>\n</tool_call>",
     "R(a)T(b)C(f - {\"k\": \"a</arg_value> \\\"q\\\"\\n\", \"n\": 5, \"s\": \"5\"})"},
    {SUAN_ANSWER_GLM, NULL, "<tool_call>f</tool_call>", "C(f - {})"},
    {SUAN_ANSWER_QWEN3_CODER, NULL,
     "a\n<tool_call>\n<function=f>\n<parameter=k>\n\nx\n\n</parameter>\n<parameter=n>\nTrue\n</parameter>\n<parameter=s>\nTrue\n</"
     "parameter>\n</function>\n</tool_call>",
     "T(a)C(f - {\"k\": \"\\nx\\n\", \"n\": true, \"s\": \"True\"})"},
    {SUAN_ANSWER_HARMONY, "<|start|>user<|message|>q<|end|><|start|>assistant",
     "<|channel|>analysis<|message|>hm\n<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": "
     "\"<|end|>\"}<|call|>",
     "R(hm\n)C(f - {\"a\": \"<|end|>\"})"},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant", " to=functions.f<|channel|>commentary json<|message|>{}", "C(f - {})"},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant",
     "<|channel|>commentary<|message|>I look. <|start|>assistant<|channel|>final<|message|>42<|return|>", "T(I look. 42)"},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant<|channel|>final<|message|>", "42 <|en", "T(42 <|en)"},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant<|channel|>analysis", "<|message|>4", "R(4)"},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant", "no header", "T(no header)"},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant<|channel|>final", "", ""},
    {SUAN_ANSWER_HARMONY, "<|start|>assistant", "<|channel|>commentary to=functions.f<|message|>{\"a\"<|call|>",
     "T(<|channel|>commentary to=functions.f<|message|>{\"a\"<|call|>)"},
    {SUAN_ANSWER_MISTRAL_V3, NULL,
     "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": \"]}\"}, \"id\": \"abcdefghi\"}, {\"name\": \"g\", \"arguments\": {}}]",
     "C(f - {\"a\": \"]}\"})C(g - {})"},
    {SUAN_ANSWER_MISTRAL_V3, NULL, "Well\n[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}]\nDone", "T(Well)C(f - {})T(Done)"},
    {SUAN_ANSWER_MISTRAL_V3, NULL, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}", "C(f - {})"},
    {SUAN_ANSWER_MISTRAL_V3, NULL, "[TOOL_CALLS][]", "T([TOOL_CALLS][])"},
    {SUAN_ANSWER_MISTRAL_V3, NULL, "[TOOL_CALLS] none [TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}]",
     "T([TOOL_CALLS] none )C(f - {})"},
    {SUAN_ANSWER_MISTRAL_V3, NULL, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, 5]", "C(f - {})T(, 5])"},
    {SUAN_ANSWER_MISTRAL, NULL, "So.[TOOL_CALLS]f[ARGS]{\"a\": [{}, \"}\"]}[TOOL_CALLS]g[CALL_ID]abcdefghi[ARGS]{}",
     "T(So.)C(f - {\"a\": [{}, \"}\"]})C(g abcdefghi {})"},
    {SUAN_ANSWER_MISTRAL, NULL, "[TOOL_CALLS]f[ARGS]{\"a\": 1", "T([TOOL_CALLS]f[ARGS]{\"a\": 1)"},
    {SUAN_ANSWER_MISTRAL, NULL, "[TOOL_CALLS]f {} [ARGS]", "T([TOOL_CALLS]f {} [ARGS])"},
    {SUAN_ANSWER_COMMAND_R, NULL,
     "Plan.\nAction:\n```json\n[\n    {\n        \"tool_name\": \"f\",\n        \"parameters\": {\"a\": 1}\n    }\n]\n```",
     "T(Plan.)C(f - {\"a\": 1})"},
    {SUAN_ANSWER_COMMAND_R, NULL,
     "Action: ```json\n[{\"tool_name\": \"f\", \"parameters\": {}},{\"tool_name\": \"g\", \"parameters\": {}}]```", "C(f - {})C(g - {})"},
    {SUAN_ANSWER_COMMAND_R, NULL, "Action: run!", "T(Action: run!)"},
    {SUAN_ANSWER_COMMAND_R7B, "<|START_THINKING|>",
     "hm<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": {\"a\": "
     "1}}\n]<|END_ACTION|>",
     "R(hm)C(f - {\"a\": 1})"},
    {SUAN_ANSWER_COMMAND_R7B, NULL, "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hi.<|END_RESPONSE|>", "R(hm)T(Hi.)"},
    {SUAN_ANSWER_GRANITE, NULL, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]", "C(f - {})"},
    {SUAN_ANSWER_APRIEL, NULL, "So\n<tool_calls>[{\"name\": \"f\", \"arguments\": {}, \"id\": \"1\"}]</tool_calls>", "T(So)C(f - {})"},
    {SUAN_ANSWER_FUNCTOOLS, NULL, "functools[{\"name\": \"f\", \"arguments\": {}}] and functools", "C(f - {})T( and functools)"},
    {SUAN_ANSWER_GIGACHAT3, NULL,
     "I look.<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\"}}<|message_sep|>\n\n",
     "T(I look.)C(f - {\"a\": \"}\"})"},
    {SUAN_ANSWER_GIGACHAT3, NULL, "<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"f\", \"arguments\": {}}", "C(f - {})"},
    {SUAN_ANSWER_FUNCTIONARY, NULL, "Well\n<function=f>{\"a\": \"</function>\"}</function><function=g> {}</function>",
     "T(Well)C(f - {\"a\": \"</function>\"})C(g - {})"},
    {SUAN_ANSWER_FUNCTIONARY, NULL, "<function=f>{\"a\": 1", "T(<function=f>{\"a\": 1)"},
    {SUAN_ANSWER_FUNCTIONARY, NULL, "<function=f>[1]</function>", "T(<function=f>[1]</function>)"},
    {SUAN_ANSWER_GIGACHAT3, NULL, "A function call is f().<|message_sep|>\n\n", "T(A function call is f().)"},
    {SUAN_ANSWER_GIGACHAT3, NULL, "function call<|role_sep|>\n{\"name\": \"f\"}", "T(function call<|role_sep|>\n{\"name\": \"f\"})"},
    {SUAN_ANSWER_GIGACHAT31, NULL, "So<|function_call|> {\"name\": \"f\", \"arguments\": {}}<|message_sep|>\n\n", "T(So)C(f - {})"},
    {SUAN_ANSWER_GIGACHAT31, NULL, "<|function_call|>{\"name\": \"f\", \"arguments\": {\"a\"",
     "T(<|function_call|>{\"name\": \"f\", \"arguments\": {\"a\")"},
};

static const char case_tools[] = "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"n\": "
                                 "{\"type\": \"number\"}, \"s\": {\"type\": "
                                 "[\"null\", \"string\"]}}}}}]";

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const answer_case *c = &cases[i];
        suan_answer_options o = {c->syntax, true, c->prompt, c->prompt ? strlen(c->prompt) : 0, case_tools, sizeof case_tools - 1, false};
        for (size_t cut = 0; cut < 40; cut += cut < 4 ? 1 : 35) {
            parts all;
            take_apart(&all, &o, c->answer, strlen(c->answer), cut);
            if (strcmp(all.log.data, c->expected) != 0)
                print_message("%s, pieces of %zu: %s\n", suan_answer_syntax_name(c->syntax), cut, c->answer);
            assert_string_equal(all.log.data, c->expected);
            parts_end(&all);
            o.streams_calls = true; /* what does not break is the same in parts */
            take_apart(&all, &o, c->answer, strlen(c->answer), cut);
            if (!strstr(all.log.data, "B(")) assert_string_equal(all.log.data, c->expected);
            parts_end(&all);
            o.streams_calls = false;
        }
    }
}

/* Calls in parts: what comes of them in pieces of one byte, and how many parts their arguments have at least (0: whole calls). */
static const struct {
    answer_case c;
    int n_more;
} streams[] = {
    {{SUAN_ANSWER_HERMES, NULL, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"\\\"}\"}}\n</tool_call>",
      "C(f - {\"a\": \"\\\"}\"})"},
     10},
    {{SUAN_ANSWER_HERMES, NULL, "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"f\"}</tool_call>", "C(f - {\"a\": 1})"}, 0},
    {{SUAN_ANSWER_HERMES, NULL, "a\n<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1", "T(a)B(f {\"x\": 1)"}, 5},
    {{SUAN_ANSWER_HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {}", "C(f - {})"}, 2},
    {{SUAN_ANSWER_HERMES, NULL, "<tool_call>{\"name\": \"f", "T(<tool_call>{\"name\": \"f)"}, 0},
    {{SUAN_ANSWER_LLAMA3, NULL, "{\"name\": \"f\", \"parameters\": {\"a\": [1, 2.5]}}", "C(f - {\"a\": [1, 2.5]})"}, 10},
    {{SUAN_ANSWER_LLAMA3, NULL, "{\"name\": \"f\", \"parameters\": {\"a", "B(f {\"a)"}, 3},
    {{SUAN_ANSWER_DEEPSEEK_V3, NULL, V3_CALLS V3_CALL "function" V3_SEP "f\n```json\n{\"a\": \"```\"}\n```" V3_END V3_CALLS_END,
      "C(f - {\"a\": \"```\"})"},
     10},
    {{SUAN_ANSWER_DEEPSEEK_V3, NULL, V3_CALLS V3_CALL "f" V3_SEP "{\"a\": 12}" V3_END V3_CALLS_END, "C(f - {\"a\": 12})"}, 9},
    {{SUAN_ANSWER_KIMI, NULL, "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 12}<|tool_call_end|>",
      "C(f functions.f:0 {\"a\": 12})"},
     9},
    {{SUAN_ANSWER_HARMONY, "<|start|>assistant", "<|channel|>commentary to=functions.f<|message|>{\"a\": 12}<|call|>",
      "C(f - {\"a\": 12})"},
     9},
    {{SUAN_ANSWER_HARMONY, "<|start|>assistant", "<|channel|>commentary to=functions.f<|message|>{\"a\"<|call|>", "B(f {\"a\"<|call|>)"},
     4},
    {{SUAN_ANSWER_MISTRAL_V3, NULL, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 12}}, {\"name\": \"g\", \"arguments\": {\"b",
      "C(f - {\"a\": 12})B(g {\"b)"},
     12},
    {{SUAN_ANSWER_MISTRAL, NULL, "[TOOL_CALLS]f[ARGS]{\"a\": 12}[TOOL_CALLS]g[ARGS]{}", "C(f - {\"a\": 12})C(g - {})"}, 11},
    {{SUAN_ANSWER_COMMAND_R7B, NULL,
      "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": {\"a\": 12}}]<|END_ACTION|>", "C(f - {\"a\": 12})"},
     9},
    {{SUAN_ANSWER_GLM, NULL, "<tool_call>f\n<arg_key>k</arg_key><arg_value>a</arg_value></tool_call>", "C(f - {\"k\": \"a\"})"}, 0},
};

static void test_streams(void **state) {
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        const answer_case *c = &streams[i].c;
        suan_answer_options o = {.syntax = c->syntax,
                                 .has_calls = true,
                                 .prompt = c->prompt,
                                 .n_prompt = c->prompt ? strlen(c->prompt) : 0,
                                 .streams_calls = true};
        parts all;
        take_apart(&all, &o, c->answer, strlen(c->answer), 1);
        if (strcmp(all.log.data, c->expected) != 0) print_message("%s: %s\n", suan_answer_syntax_name(c->syntax), c->answer);
        assert_string_equal(all.log.data, c->expected);
        assert_true(streams[i].n_more ? all.n_more >= streams[i].n_more : all.n_more <= 1);
        parts_end(&all);
    }
}

static void test_without_calls(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].prompt || cases[i].syntax == SUAN_ANSWER_HARMONY || strstr(cases[i].answer, "<think>") ||
            strstr(cases[i].answer, "THINKING") || strstr(cases[i].answer, "<|message_sep|>"))
            continue;
        suan_answer_options o = {.syntax = cases[i].syntax};
        parts all;
        take_apart(&all, &o, cases[i].answer, strlen(cases[i].answer), 3);
        assert_string_equal(all.text.data, cases[i].answer);
        assert_int_equal(all.n_calls, 0);
        parts_end(&all);
    }
}

static void test_stop_and_errors(void **state) {
    (void)state;
    suan_answer *a;
    suan_error err = {0};
    parts all;
    suan_answer_options o = SUAN_ANSWER_OPTIONS_INIT;
    parts_begin(&all);
    all.stop_at = 1;
    assert_int_equal(suan_answer_create(&a, &o, collect, &all, &err), SUAN_OK);
    assert_int_equal(suan_answer_feed(a, "text", 4, &err), SUAN_STOPPED);
    suan_answer_free(a);
    parts_end(&all);
    o.tools = "{}", o.n_tools = 2;
    assert_int_equal(suan_answer_create(&a, &o, collect, NULL, &err), SUAN_EINVAL);
    assert_null(a);
    assert_string_equal(err.message, "tools: expected a JSON array");
    o.tools = NULL, o.syntax = SUAN_N_ANSWER_SYNTAXES;
    assert_int_equal(suan_answer_create(&a, &o, collect, NULL, &err), SUAN_EINVAL);
    suan_answer_free(NULL);
    for (int i = 0; i < SUAN_N_ANSWER_SYNTAXES; i++) {
        suan_answer_syntax x;
        assert_true(suan_answer_syntax_parse(suan_answer_syntax_name((suan_answer_syntax)i), &x) && (int)x == i);
    }
    assert_false(suan_answer_syntax_parse("nothing", &o.syntax));
    assert_null(suan_answer_syntax_name(SUAN_N_ANSWER_SYNTAXES));
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth < 12; nth++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            suan_answer_options o = {cases[i].syntax, true, cases[i].prompt, cases[i].prompt ? strlen(cases[i].prompt) : 0, NULL, 0};
            suan_answer *a;
            suan_error err = {0};
            parts all;
            parts_begin(&all);
            suan__buf_append(&all.log, all.log.data, 0);
            uint64_t before = suan__alloc_count();
            suan__alloc_fail_at(nth);
            suan_status status = suan_answer_create(&a, &o, collect, &all, &err);
            if (status == SUAN_OK) status = suan_answer_feed(a, cases[i].answer, strlen(cases[i].answer), &err);
            if (status == SUAN_OK) status = suan_answer_finish(a, &err);
            suan__alloc_fail_at(0);
            assert_true(status == SUAN_OK || status == SUAN_ENOMEM);
            (void)before;
            suan_answer_free(a);
            parts_end(&all);
        }
}

/* ---- what templates render comes back ---- */

static uint32_t below(uint32_t n) {
    return (uint32_t)rand() % n;
}

static const char *const spices[] = {"</tool_call>",
                                     "<tool_call>",
                                     "</think>",
                                     "```",
                                     "<|tool_call_end|>",
                                     V3_END,
                                     "</" D "parameter>",
                                     "</arg_value>",
                                     "</parameter>",
                                     "<" D "invoke name=\"",
                                     "\n",
                                     "\"",
                                     "\\",
                                     "{",
                                     "}",
                                     "\xc3\xa9",
                                     "\xe7\xae\x97",
                                     "\xf0\x9f\xa6\x8a",
                                     "\t",
                                     "'",
                                     "<",
                                     "&",
                                     "null",
                                     "1.5",
                                     "<|end|>",
                                     "<|call|>"};

static json_t *random_string(void) {
    suan__buf b = {0};
    uint32_t n = below(4), spice = below(4);
    suan__buf_append(&b, "", 0);
    for (uint32_t i = 0; i < n; i++) {
        suan__buf_printf(&b, "%s", (const char *const[]){"a", "word ", "Two words", " 7"}[below(4)]);
        if (i == spice) suan__buf_printf(&b, "%s", spices[below(sizeof spices / sizeof *spices)]);
    }
    json_t *s = json_stringn(b.data, b.n);
    suan__buf_fini(&b);
    return s;
}

static json_t *random_value(int depth) {
    json_t *v;
    switch (below(depth > 0 ? 8 : 6)) {
    case 0:
        return json_integer((json_int_t)below(1u << 30) - (1 << 29));
    case 1:
        return json_real((double)below(100000) / 64);
    case 2:
        return json_boolean(below(2));
    case 3:
        return json_null();
    case 6:
        v = json_array();
        for (uint32_t n = below(4); n > 0; n--) json_array_append_new(v, random_value(depth - 1));
        return v;
    case 7:
        v = json_object();
        for (uint32_t n = below(4); n > 0; n--)
            json_object_set_new(v, (const char *const[]){"a", "b c", "d\"e", "\xe7\xae\x97"}[below(4)], random_value(depth - 1));
        return v;
    default:
        return random_string();
    }
}

typedef struct rendering {
    const char *file;
    suan_answer_syntax syntax;
    const char *head[2], *tail;         /* what the template writes around the answer; head[1]: more that may follow head[0] */
    bool one_call, has_schema, is_bare; /* is_bare: the template can write neither tools nor content beside calls */
    const char *eos;                    /* eos_token; NULL: the template does without */
} rendering;

static const rendering renderings[] = {
    {"Qwen-Qwen2.5-7B-Instruct", SUAN_ANSWER_HERMES, {"<|im_start|>assistant\n"}, "<|im_end|>\n", false, false},
    {"Qwen-Qwen3-0.6B", SUAN_ANSWER_HERMES, {"<|im_start|>assistant\n"}, "<|im_end|>\n", false, false},
    {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", SUAN_ANSWER_HERMES, {"<|im_start|>assistant\n", "\n"}, "<|im_end|>\n", false, false},
    {"Qwen3-Coder", SUAN_ANSWER_QWEN3_CODER, {"<|im_start|>assistant\n"}, "<|im_end|>\n", false, true},
    {"meta-llama-Llama-3.1-8B-Instruct",
     SUAN_ANSWER_LLAMA3,
     {"<|start_header_id|>assistant<|end_header_id|>\n\n"},
     "<|eot_id|>",
     true,
     false},
    {"meta-llama-Llama-3.2-3B-Instruct",
     SUAN_ANSWER_LLAMA3,
     {"<|start_header_id|>assistant<|end_header_id|>\n\n"},
     "<|eot_id|>",
     true,
     false},
    {"llama-cpp-deepseek-r1",
     SUAN_ANSWER_DEEPSEEK_V3,
     {"<" TOOL "Assistant" TOOL ">"},
     "<" TOOL "end" U "of" U "sentence" TOOL ">",
     false,
     false,
     true},
    {"deepseek-ai-DeepSeek-V3.1",
     SUAN_ANSWER_DEEPSEEK_V3,
     {"<" TOOL "Assistant" TOOL ">", "<think></think>"},
     "<" TOOL "end" U "of" U "sentence" TOOL ">",
     false,
     false},
    {"deepseek-ai-DeepSeek-V3.2",
     SUAN_ANSWER_DSML,
     {"<" TOOL "Assistant" TOOL ">", "</think>"},
     "<" TOOL "end" U "of" U "sentence" TOOL ">",
     false,
     false},
    {"deepseek-ai-DeepSeek-V4",
     SUAN_ANSWER_DSML,
     {"<" TOOL "Assistant" TOOL ">", "</think>"},
     "<" TOOL "end" U "of" U "sentence" TOOL ">",
     false,
     false},
    {"moonshotai-Kimi-K2", SUAN_ANSWER_KIMI, {"<|im_assistant|>assistant<|im_middle|>"}, "<|im_end|>", false, false},
    {"GLM-4.6", SUAN_ANSWER_GLM, {"<|assistant|>"}, "", false, true},
    {"mistralai-Mistral-Nemo-Instruct-2407", SUAN_ANSWER_MISTRAL_V3, {"[/INST]"}, "</s>", false, false, false, "</s>"},
    {"Mistral-Small-3.2-24B-Instruct-2506", SUAN_ANSWER_MISTRAL, {"[/INST]"}, "</s>", false, false, false, "</s>"},
    {"Apriel-1.6-15b-Thinker-fixed", SUAN_ANSWER_APRIEL, {"<|begin_assistant|>\n"}, "", false, false},
    {"meetkai-functionary-medium-v3.1",
     SUAN_ANSWER_FUNCTIONARY,
     {"<|start_header_id|>assistant<|end_header_id|>\n\n"},
     "<|eom_id|>",
     false,
     false},
    {"GigaChat3-10B-A1.8B", SUAN_ANSWER_GIGACHAT3, {"\n\nassistant<|role_sep|>\n"}, "<|message_sep|>\n\n", true, false},
    {"GigaChat3.1-10B-A1.8B", SUAN_ANSWER_GIGACHAT31, {"\n\nassistant<|role_sep|>\n"}, "<|message_sep|>\n\n", true, false},
};

/* {"name", "arguments"}; keys is those of a template that writes them bare. The schema tells the types. */
static json_t *random_call(bool has_schema, json_t *tools, int i) {
    char name[32];
    snprintf(name, sizeof name, "%s_%d", (const char *const[]){"f", "get_weather", "x-y"}[below(3)], i);
    json_t *arguments = json_object(), *properties = json_object();
    for (uint32_t n = below(5); n > 0; n--) {
        char key[16];
        snprintf(key, sizeof key, "%s%u", (const char *const[]){"k", "long_key", "Q"}[below(3)], n);
        json_t *value = random_value(2);
        if (has_schema)
            json_object_set_new(properties, key,
                                json_pack("{s:s}", "type",
                                          json_is_string(value)   ? "string"
                                          : json_is_object(value) ? "object"
                                                                  : "number"));
        json_object_set_new(arguments, key, value);
    }
    json_array_append_new(tools, json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:o}}}", "type", "function", "function", "name", name, "description",
                                           "d", "parameters", "type", "object", "properties", properties));
    return json_pack("{s:s, s:o}", "name", name, "arguments", arguments);
}

static bool starts(const char *s, const char *with) {
    return strncmp(s, with, strlen(with)) == 0;
}

static const char *type_of(const json_t *value) {
    if (json_is_number(value)) return "number";
    return json_is_string(value)   ? "string"
           : json_is_object(value) ? "object"
           : json_is_array(value)  ? "array"
           : json_is_null(value)   ? "null"
                                   : "boolean";
}

/* The tools of the calls, whose schemas say what the arguments are. */
static json_t *tools_of(const json_t *calls, bool has_types) {
    json_t *tools = json_array();
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        json_t *properties = json_object(), *value;
        const char *key;
        json_object_foreach(json_object_get(call, "arguments"), key, value)
            json_object_set_new(properties, key, has_types ? json_pack("{s:s}", "type", type_of(value)) : json_object());
        json_array_append_new(tools, json_pack("{s:{s:O, s:{s:s, s:o}}}", "function", "name", json_object_get(call, "name"), "parameters",
                                               "type", "object", "properties", properties));
    }
    return tools;
}

static int n_accepted, n_beyond;

/* The grammar of the chat accepts what a template renders: but where a value that is written as it is holds the mark that ends it. */
static void check_grammar(const rendering *r, const json_t *expected, const char *answer, size_t n) {
    json_t *tools = tools_of(expected, r->has_schema);
    char *text = json_dumps(tools, 0);
    suan_grammar *g;
    suan_error err = {0};
    walker w;
    suan_chat_form f = {.syntax = r->syntax, .tools = text, .n_tools = strlen(text)};
    if (suan_grammar_from_chat(&g, &f, &err) != SUAN_OK) fail_msg("%s: %s", r->file, err.message);
    assert_true(walker_open(&w, g));
    bool has_mark = false;
    const char *mark = r->syntax == SUAN_ANSWER_DSML  ? "</" D "parameter>"
                       : r->syntax == SUAN_ANSWER_GLM ? "</arg_value>"
                                                      : "</parameter>",
               *at = answer;
    for (; r->has_schema || r->syntax == SUAN_ANSWER_DSML; at += strlen(mark)) { /* a mark that no mark of the call follows is of a value */
        at = memmem(at, n - (size_t)(at - answer), mark, strlen(mark));
        if (!at) break;
        size_t behind = strlen(mark) + strspn(at + strlen(mark), " \n");
        has_mark |= at[behind] != '<' || strncmp(at + behind, mark, strlen(mark)) == 0;
    }
    int takes = walker_takes(&w, answer, n);
    n_accepted += takes == 1;
    n_beyond += takes != 1 && has_mark;
    if (takes != 1 && !has_mark) fail_msg("%s: the grammar does not accept %.*s", r->file, (int)n, answer);
    walker_close(&w);
    suan_grammar_free(g);
    free(text);
    json_decref(tools);
}

static void round_trip(const rendering *r, const char *source, size_t n_source) {
    json_t *tools = json_array(), *calls = json_array(), *expected = json_array();
    for (int i = 0, n = r->one_call ? 1 : 1 + (int)below(3); i < n; i++) {
        json_t *call = random_call(r->has_schema, tools, i);
        char id[64];
        if (r->eos)
            snprintf(id, sizeof id, "call%05d", i); /* 9 characters, or the template raises */
        else
            snprintf(id, sizeof id, "functions.%s:%d", json_string_value(json_object_get(call, "name")), i);
        json_array_append(expected, call);
        json_array_append_new(calls, json_pack("{s:s, s:s, s:o}", "id", id, "type", "function", "function", call));
    }
    const char *content = r->syntax == SUAN_ANSWER_LLAMA3 || r->is_bare || below(3) == 0 ? "" : "I look that up.";
    json_t *request = json_pack("{s:[{s:s, s:s}, {s:s, s:s, s:o}], s:b, s:O}", "messages", "role", "user", "content", "question", "role",
                                "assistant", "content", content, "tool_calls", calls, "add_generation_prompt", 0, "tools", tools);
    if (r->is_bare) json_object_del(request, "tools");
    char *text = json_dumps(request, 0), *tools_text = json_dumps(tools, 0);
    suan_template_token tokens[] = {{"bos_token", "<s>"}, {"eos_token", r->eos}};
    suan_template_options o = {.now = &jinja_now, .tokens = tokens, .n_tokens = r->eos ? 2 : 1};
    suan_rendered out;
    suan_error err = {0};
    if (jinja_render_text(source, n_source, text, &o, &out, &err) != SUAN_OK) fail_msg("%s: %s", r->file, err.message);
    const char *answer = NULL;
    for (const char *s = out.text; (s = strstr(s, r->head[0])); s++) answer = s + strlen(r->head[0]);
    assert_non_null(answer);
    if (r->head[1] && starts(answer, r->head[1])) answer += strlen(r->head[1]);
    size_t n = out.n - (size_t)(answer - out.text), n_tail = strlen(r->tail);
    if (n < n_tail || strcmp(answer + n - n_tail, r->tail) != 0) fail_msg("%s: %s", r->file, answer);
    check_grammar(r, expected, answer, n - n_tail);
    for (size_t cut = 0; cut < 3; cut++) {
        suan_answer_options options = {suan_answer_syntax_of(source, n_source), true, NULL, 0, tools_text, strlen(tools_text), false};
        assert_int_equal(options.syntax, r->syntax);
        parts all;
        take_apart(&all, &options, answer, n - n_tail, cut == 2 ? 1u << 20 : cut);
        if (!json_equal(all.calls, expected)) {
            char *wanted = json_dumps(expected, 0);
            fail_msg("%s: from %.*s\ncame %s\nexpected %s", r->file, (int)n, answer, all.log.data, wanted);
        }
        assert_string_equal(all.text.data, strstr(answer, content) ? content : ""); /* some templates leave it out beside calls */
        parts_end(&all);
    }
    suan_rendered_free(&out);
    free(text);
    free(tools_text);
    json_decref(request);
    json_decref(tools);
    json_decref(expected);
}

static void test_round_trips(void **state) {
    (void)state;
    int n_missing = 0;
    for (size_t i = 0; i < sizeof renderings / sizeof *renderings; i++) {
        char path[1024], name[128];
        size_t n;
        snprintf(name, sizeof name, "templates/%s.jinja", renderings[i].file);
        char *source = jinja_read(jinja_path(path, "SUAN_FIXTURES", name), &n);
        if (!source) {
            n_missing++;
            continue;
        }
        srand((unsigned)i + 1);
        for (int k = 0; k < 300; k++) round_trip(&renderings[i], source, n);
        free(source);
    }
    if (n_missing) print_message("skipped %d templates that are not there\n", n_missing);
    print_message("grammars accept %d answers of templates; %d hold the mark that ends a value\n", n_accepted, n_beyond);
    assert_true(n_beyond * 20 < n_accepted || n_missing);
}

/* ---- anything at all: J-06, N4 ---- */

static void test_cuts_of_anything(void **state) {
    (void)state;
    static const char *const pieces[] = {"<tool_call>",
                                         "</tool_call>",
                                         "{\"name\": \"f\", \"arguments\": ",
                                         "{\"a\": 1}",
                                         "}",
                                         "{}",
                                         "\"",
                                         "\n",
                                         " ",
                                         "text",
                                         "<think>",
                                         "</think>",
                                         V3_CALLS,
                                         V3_CALL,
                                         V3_SEP,
                                         V3_END,
                                         V3_CALLS_END,
                                         "function",
                                         "\n```json\n",
                                         "```",
                                         "<" D "invoke name=\"f\">",
                                         "</" D "invoke>",
                                         "<" D "parameter name=\"k\" string=\"true\">",
                                         "<" D "parameter name=\"n\" string=\"false\">",
                                         "</" D "parameter>",
                                         "<" D "function_calls>",
                                         "<|tool_call_begin|>",
                                         "functions.f:0",
                                         "<|tool_call_argument_begin|>",
                                         "<|tool_call_end|>",
                                         "<arg_key>",
                                         "k",
                                         "</arg_key>",
                                         "<arg_value>",
                                         "</arg_value>",
                                         "<function=f>",
                                         "<parameter=k>",
                                         "</parameter>",
                                         "</function>",
                                         "<|channel|>",
                                         "analysis",
                                         " to=functions.f",
                                         "<|message|>",
                                         "<|end|>",
                                         "<|call|>",
                                         "<|start|>",
                                         "assistant",
                                         "<|python_tag|>",
                                         "f.call(",
                                         "k=\"v\"",
                                         ")",
                                         "[TOOL_CALLS]",
                                         "[ARGS]",
                                         "[CALL_ID]",
                                         "[{\"name\": \"f\", \"arguments\": ",
                                         "]",
                                         ",",
                                         "Action:",
                                         "<|START_ACTION|>",
                                         "<|END_ACTION|>",
                                         "<|START_THINKING|>",
                                         "<|END_THINKING|>",
                                         "<|START_RESPONSE|>",
                                         "functools",
                                         "function call<|role_sep|>\n",
                                         "<|function_call|>",
                                         "<function=f>",
                                         "</function>",
                                         "<|message_sep|>\n\n",
                                         "<tool_calls>",
                                         "</tool_calls>",
                                         "\\",
                                         "<",
                                         "<|"};
    srand(7);
    for (int i = 0; i < 6000; i++) {
        suan__buf s = {0};
        suan__buf_append(&s, "", 0);
        for (uint32_t n = below(24); n > 0; n--) {
            const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];
            suan__buf_append(&s, piece, strlen(piece));
        }
        suan_answer_options o = {(suan_answer_syntax)(i % SUAN_N_ANSWER_SYNTAXES),
                                 i % 7 != 0,
                                 i % 5 == 0 ? "<think>" : NULL,
                                 i % 5 == 0 ? 7 : 0,
                                 NULL,
                                 0,
                                 false};
        parts whole, bytes, some;
        take_apart(&whole, &o, s.data, s.n, 1u << 20);
        take_apart(&bytes, &o, s.data, s.n, 1);
        take_apart(&some, &o, s.data, s.n, 0);
        o.streams_calls = true;
        parts streamed;
        take_apart(&streamed, &o, s.data, s.n, 0);
        /* What breaks behind complete arguments is a call in parts, and text as a whole. */
        if (!strstr(streamed.log.data, "B(") && streamed.n_calls == whole.n_calls) assert_string_equal(streamed.log.data, whole.log.data);
        assert_true(streamed.n_calls >= whole.n_calls);
        parts_end(&streamed);
        if (strcmp(whole.log.data, bytes.log.data) != 0 || strcmp(whole.log.data, some.log.data) != 0)
            print_message("%s: %s\n", suan_answer_syntax_name(o.syntax), s.data);
        assert_string_equal(bytes.log.data, whole.log.data);
        assert_string_equal(some.log.data, whole.log.data);
        assert_int_equal(json_array_size(whole.calls), whole.n_calls);
        parts_end(&whole);
        parts_end(&bytes);
        parts_end(&some);
        suan__buf_fini(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),          cmocka_unit_test(test_cases),         cmocka_unit_test(test_without_calls),
        cmocka_unit_test(test_stop_and_errors),  cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_cuts_of_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
