/* answer_call.c: calls whose arguments are one JSON object, between the marks of each family. */
#include "text/answer_call.h"

#include <string.h>

/* Bars are U+FF5C, the blocks between words U+2581. */
#define BAR "\xef\xbd\x9c"
#define LOW "\xe2\x96\x81"
#define MARK(words) "<" BAR words BAR ">"
#define DSML BAR "DSML" BAR

#define LIST .is_list = true, .read = suan__call_read_list, .head = suan__call_head_list

const suan__call_syntax suan__call_syntaxes[SUAN_N_ANSWER_SYNTAXES] = {
    [SUAN_ANSWER_PLAIN] = {.name = "plain"},
    [SUAN_ANSWER_HERMES] = {"hermes", "<tool_call>", "</tool_call>", {NULL}, suan__call_read_json, suan__call_head_json},
    [SUAN_ANSWER_QWEN3_CODER] = {"qwen3-coder", "<tool_call>", "</tool_call>", {NULL}, suan__call_read_coder},
    [SUAN_ANSWER_LLAMA3] = {.name = "llama3", .head = suan__call_head_json},
    [SUAN_ANSWER_DEEPSEEK_V3] = {"deepseek-v3",
                                 MARK("tool" LOW "call" LOW "begin"),
                                 MARK("tool" LOW "call" LOW "end"),
                                 {MARK("tool" LOW "calls" LOW "begin"), MARK("tool" LOW "calls" LOW "end")},
                                 suan__call_read_deepseek,
                                 suan__call_head_deepseek},
    [SUAN_ANSWER_DSML] = {"dsml",
                          "<" DSML "invoke name=\"",
                          "</" DSML "invoke>",
                          {"<" DSML "function_calls>", "</" DSML "function_calls>", "<" DSML "tool_calls>", "</" DSML "tool_calls>"},
                          suan__call_read_dsml},
    [SUAN_ANSWER_KIMI] = {"kimi",
                          "<|tool_call_begin|>",
                          "<|tool_call_end|>",
                          {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"},
                          suan__call_read_named,
                          suan__call_head_kimi},
    [SUAN_ANSWER_GLM] = {"glm", "<tool_call>", "</tool_call>", {NULL}, suan__call_read_glm},
    [SUAN_ANSWER_HARMONY] = {.name = "harmony"},
    [SUAN_ANSWER_MISTRAL_V3] = {.name = "mistral-v3", .open = "[TOOL_CALLS]", LIST},
    [SUAN_ANSWER_MISTRAL] = {"mistral", "[TOOL_CALLS]", NULL, {NULL}, suan__call_read_mistral, suan__call_head_mistral},
    [SUAN_ANSWER_COMMAND_R] = {.name = "command-r", .open = "Action:", .before_list = "```json", .end = "```", LIST},
    [SUAN_ANSWER_COMMAND_R7B] = {.name = "command-r7b",
                                 .open = "<|START_ACTION|>",
                                 .end = "<|END_ACTION|>",
                                 .think_open = "<|START_THINKING|>",
                                 .think_close = "<|END_THINKING|>",
                                 .silent = {"<|START_RESPONSE|>", "<|END_RESPONSE|>"},
                                 LIST},
    [SUAN_ANSWER_GRANITE] = {.name = "granite", .open = "<|tool_call|>", LIST},
    [SUAN_ANSWER_APRIEL] = {.name = "apriel", .open = "<tool_calls>", .end = "</tool_calls>", LIST},
    [SUAN_ANSWER_FUNCTOOLS] = {.name = "functools", .open = "functools[", LIST},
    [SUAN_ANSWER_GIGACHAT3] = {.name = "gigachat3",
                               .open = "function call<|role_sep|>\n",
                               .lead = "<|message_sep|>\n\n",
                               .silent = {"<|message_sep|>"},
                               .has_one_call = true,
                               .read = suan__call_read_json,
                               .head = suan__call_head_json},
    [SUAN_ANSWER_GIGACHAT31] = {.name = "gigachat3.1",
                                .open = "<|function_call|>",
                                .silent = {"<|message_sep|>"},
                                .has_one_call = true,
                                .read = suan__call_read_json,
                                .head = suan__call_head_json},
    [SUAN_ANSWER_FUNCTIONARY] = {"functionary", "<function=", "</function>", {NULL}, suan__call_read_named, suan__call_head_functionary},
};

const char *suan_answer_syntax_name(suan_answer_syntax syntax) {
    return (unsigned)syntax < SUAN_N_ANSWER_SYNTAXES ? suan__call_syntaxes[syntax].name : NULL;
}

bool suan_answer_syntax_parse(const char *name, suan_answer_syntax *syntax) {
    for (int i = 0; i < SUAN_N_ANSWER_SYNTAXES; i++) {
        if (strcmp(suan__call_syntaxes[i].name, name) != 0) continue;
        *syntax = (suan_answer_syntax)i;
        return true;
    }
    return false;
}

suan_answer_syntax suan_answer_syntax_of(const char *source, size_t n) {
    static const struct {
        const char *sign;
        suan_answer_syntax syntax;
    } signs[] = {
        {DSML, SUAN_ANSWER_DSML},
        {"<seed:tool_call>", SUAN_ANSWER_PLAIN}, /* Seed-OSS: not known, though it has functions as Qwen3-Coder does */
        {"<|tool_call_argument_begin|>", SUAN_ANSWER_KIMI},
        {"tool" LOW "call" LOW "begin", SUAN_ANSWER_DEEPSEEK_V3},
        {"<arg_key>", SUAN_ANSWER_GLM},
        {"start_tag => `<function`", SUAN_ANSWER_FUNCTIONARY},
        {"<function=", SUAN_ANSWER_QWEN3_CODER},
        {"<tool_call>", SUAN_ANSWER_HERMES},
        {"<tool_calls>[", SUAN_ANSWER_APRIEL},
        {"<|channel|>", SUAN_ANSWER_HARMONY},
        {"[ARGS]", SUAN_ANSWER_MISTRAL},
        {"[TOOL_CALLS]", SUAN_ANSWER_MISTRAL_V3},
        {"<|START_ACTION|>", SUAN_ANSWER_COMMAND_R7B},
        {"Action:\\n```json", SUAN_ANSWER_COMMAND_R},
        {"<|tool_call|>", SUAN_ANSWER_GRANITE},
        {"functools[", SUAN_ANSWER_FUNCTOOLS},
        {"<|function_call|>", SUAN_ANSWER_GIGACHAT31},
        {"'role': 'function call'", SUAN_ANSWER_GIGACHAT3},
        {"<|python_tag|>", SUAN_ANSWER_LLAMA3},
        {"ipython", SUAN_ANSWER_LLAMA3},
    };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (memmem(source, n, signs[i].sign, strlen(signs[i].sign))) return signs[i].syntax;
    return SUAN_ANSWER_PLAIN;
}

void suan__call_fini(suan__call *call) {
    suan__buf_fini(&call->name);
    suan__buf_fini(&call->id);
    suan__buf_fini(&call->arguments);
}

bool suan__call_failed(const suan__call *call) {
    return call->name.failed || call->id.failed || call->arguments.failed;
}

/* The text of a quoted JSON string. */
static json_t *unquote(const char *s, size_t n) {
    return json_loadb(s, n, JSON_DECODE_ANY, NULL);
}

static bool is_name(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
    return n > 0;
}

bool suan__call_set_arguments(suan__call *call, const char *s, size_t n) {
    size_t at = suan__json_space(s, n, 0);
    if (at == n || s[at] != '{' || !suan__json_is_value(s, n)) return false;
    while (n > at && suan__json_space(s + n - 1, 1, 0) == 1) n--;
    return suan__buf_append(&call->arguments, s + at, n - at);
}

bool suan__call_set_id(suan__call *call, const char *id, size_t n) {
    return is_name(id, n) && suan__buf_append(&call->id, id, n);
}

bool suan__call_set_name(suan__call *call, const char *name, size_t n_name) {
    return is_name(name, n_name) && suan__buf_append(&call->name, name, n_name);
}

bool suan__call_set(suan__call *call, const char *name, size_t n_name, const char *arguments, size_t n_arguments) {
    if (!suan__call_set_name(call, name, n_name)) return false;
    if (n_arguments == 4 && memcmp(arguments, "null", 4) == 0) return suan__buf_append(&call->arguments, "{}", 2);
    if (n_arguments == 0 || arguments[0] != '"') return suan__call_set_arguments(call, arguments, n_arguments);
    json_t *text = unquote(arguments, n_arguments);
    bool is_set = text && suan__call_set_arguments(call, json_string_value(text), json_string_length(text));
    json_decref(text);
    return is_set;
}

static bool is_name_key(const suan__json_member *m) {
    return suan__json_key_is(m, "name") || suan__json_key_is(m, "tool_name");
}
static bool is_arguments_key(const suan__json_member *m) {
    return suan__json_key_is(m, "arguments") || suan__json_key_is(m, "parameters");
}

bool suan__call_set_object(suan__call *call, const char *s, size_t n) {
    suan__json_member m, name = {0}, arguments = {0};
    int n_names = 0, n_arguments = 0;
    for (size_t at = 0; suan__json_next_member(s, n, &at, &m);) {
        if (is_name_key(&m)) {
            name = m;
            n_names++;
        } else if (is_arguments_key(&m)) {
            arguments = m;
            n_arguments++;
        }
    }
    if (n_names != 1 || n_arguments != 1 || name.value[0] != '"') return false;
    json_t *text = unquote(name.value, name.n_value);
    bool is_set = text && suan__call_set(call, json_string_value(text), json_string_length(text), arguments.value, arguments.n_value);
    json_decref(text);
    return is_set;
}

size_t suan__call_head_length(const suan__call_syntax *syntax, const char *body, size_t n) {
    const char *end = memmem(body, n, syntax->end, strlen(syntax->end));
    return end ? (size_t)(end - body) : n;
}

suan__scan suan__call_read_end(const char *body, size_t n, size_t at, bool is_last, const char *mark, size_t *end) {
    at = suan__json_space(body, n, at);
    size_t n_mark = strlen(mark), there = n - at < n_mark ? n - at : n_mark;
    *end = at + there;
    if (memcmp(body + at, mark, there) != 0) return SUAN__SCAN_BAD;
    return there == n_mark || (is_last && there == 0) ? SUAN__SCAN_DONE : SUAN__SCAN_MORE;
}

suan__scan suan__call_read_object(const char *body, size_t n, size_t at, bool is_last, const char *mark, size_t *begin, size_t *n_object,
                                  size_t *end) {
    *begin = suan__json_space(body, n, at);
    if (*begin < n && body[*begin] != '{') return SUAN__SCAN_BAD;
    suan__scan r = suan__json_value(body + *begin, n - *begin, n_object);
    return r == SUAN__SCAN_DONE ? suan__call_read_end(body, n, *begin + *n_object, is_last, mark, end) : r;
}

suan__scan suan__call_read_json(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                suan__call *call, size_t *end) {
    (void)tools;
    size_t begin, n_object;
    suan__scan r = suan__call_read_object(body, n, 0, is_last, syntax->end ? syntax->end : "", &begin, &n_object, end);
    return r == SUAN__SCAN_DONE && !suan__call_set_object(call, body + begin, n_object) ? SUAN__SCAN_BAD : r;
}

/* The value of a member in an object that may break off: MORE where it does. */
static suan__scan read_value(const char *body, size_t n, size_t at, size_t *end) {
    size_t n_value;
    if (at == n) return SUAN__SCAN_MORE;
    suan__scan r = suan__json_value(body + at, n - at, &n_value);
    *end = at + (r == SUAN__SCAN_DONE ? n_value : 0);
    return r == SUAN__SCAN_DONE && *end == n ? SUAN__SCAN_MORE : r; /* a number may go on, and a comma has to come */
}

static suan__scan read_byte(const char *body, size_t n, size_t *at, char c) {
    *at = suan__json_space(body, n, *at);
    if (*at == n) return SUAN__SCAN_MORE;
    return body[(*at)++] == c ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

/* One member; *at: behind it and its comma, or where the arguments begin (*is_there). */
static suan__scan head_member(const char *body, size_t n, suan__call *call, size_t *at, bool *is_there) {
    suan__json_member m = {0};
    size_t end;
    *at = suan__json_space(body, n, *at);
    if (*at < n && body[*at] != '"') return SUAN__SCAN_BAD;
    suan__scan r = read_value(body, n, *at, &end);
    if (r != SUAN__SCAN_DONE) return r;
    m.key = body + *at, m.n_key = end - *at;
    r = read_byte(body, n, &end, ':');
    if (r != SUAN__SCAN_DONE) return r;
    *at = suan__json_space(body, n, end);
    if (*at == n) return SUAN__SCAN_MORE;
    *is_there = is_arguments_key(&m);
    if (*is_there) return call->name.n > 0 && body[*at] == '{' ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
    r = read_value(body, n, *at, &end);
    if (r != SUAN__SCAN_DONE) return r;
    if (is_name_key(&m)) {
        json_t *text = call->name.n == 0 && body[*at] == '"' ? unquote(body + *at, end - *at) : NULL;
        bool is_set = text && suan__call_set_name(call, json_string_value(text), json_string_length(text));
        json_decref(text);
        if (!is_set) return SUAN__SCAN_BAD;
    }
    *at = end;
    return read_byte(body, n, at, ',');
}

suan__scan suan__call_head_json(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    (void)syntax;
    bool is_there = false;
    *at = 0;
    suan__scan r = read_byte(body, n, at, '{');
    while (r == SUAN__SCAN_DONE && !is_there) r = head_member(body, n, call, at, &is_there);
    return r;
}

bool suan__call_read_bare(const char *s, size_t n, suan__call *call) {
    size_t at = suan__json_space(s, n, 0);
    return at < n && s[at] == '{' && suan__json_is_value(s + at, n - at) && suan__call_set_object(call, s + at, n - at);
}
