/* answer_call.c: calls whose arguments are one JSON object, between the marks of each family. */
#include "text/answer_call.h"

#include <string.h>

/* Bars are U+FF5C, the blocks between words U+2581. */
#define BAR "\xef\xbd\x9c"
#define LOW "\xe2\x96\x81"
#define MARK(words) "<" BAR words BAR ">"
#define DSML BAR "DSML" BAR

const suan__call_syntax suan__call_syntaxes[SUAN_N_ANSWER_SYNTAXES] = {
    [SUAN_ANSWER_PLAIN] = {.name = "plain"},
    [SUAN_ANSWER_HERMES] = {"hermes", "<tool_call>", "</tool_call>", {NULL}, suan__call_read_json},
    [SUAN_ANSWER_QWEN3_CODER] = {"qwen3-coder", "<tool_call>", "</tool_call>", {NULL}, suan__call_read_coder},
    [SUAN_ANSWER_LLAMA3] = {.name = "llama3"},
    [SUAN_ANSWER_DEEPSEEK_V3] = {"deepseek-v3",
                                 MARK("tool" LOW "call" LOW "begin"),
                                 MARK("tool" LOW "call" LOW "end"),
                                 {MARK("tool" LOW "calls" LOW "begin"), MARK("tool" LOW "calls" LOW "end")},
                                 suan__call_read_deepseek},
    [SUAN_ANSWER_DSML] = {"dsml",
                          "<" DSML "invoke name=\"",
                          "</" DSML "invoke>",
                          {"<" DSML "function_calls>", "</" DSML "function_calls>", "<" DSML "tool_calls>", "</" DSML "tool_calls>"},
                          suan__call_read_dsml},
    [SUAN_ANSWER_KIMI] = {"kimi",
                          "<|tool_call_begin|>",
                          "<|tool_call_end|>",
                          {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"},
                          suan__call_read_kimi},
    [SUAN_ANSWER_GLM] = {"glm", "<tool_call>", "</tool_call>", {NULL}, suan__call_read_glm},
    [SUAN_ANSWER_HARMONY] = {.name = "harmony"},
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
        {"<|tool_call_argument_begin|>", SUAN_ANSWER_KIMI},
        {"tool" LOW "call" LOW "begin", SUAN_ANSWER_DEEPSEEK_V3},
        {"<arg_key>", SUAN_ANSWER_GLM},
        {"<function=", SUAN_ANSWER_QWEN3_CODER},
        {"<tool_call>", SUAN_ANSWER_HERMES},
        {"<|channel|>", SUAN_ANSWER_HARMONY},
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

/* Names are what tools can be called: some bytes, none of them a control character. */
static bool is_name(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
    return n > 0;
}

static bool set_arguments(suan__call *call, const char *s, size_t n) {
    size_t at = suan__json_space(s, n, 0);
    if (at == n || s[at] != '{' || !suan__json_is_value(s, n)) return false;
    while (n > at && suan__json_space(s + n - 1, 1, 0) == 1) n--;
    return suan__buf_append(&call->arguments, s + at, n - at);
}

bool suan__call_set(suan__call *call, const char *name, size_t n_name, const char *arguments, size_t n_arguments) {
    if (!is_name(name, n_name) || !suan__buf_append(&call->name, name, n_name)) return false;
    if (n_arguments == 4 && memcmp(arguments, "null", 4) == 0) return suan__buf_append(&call->arguments, "{}", 2);
    if (n_arguments == 0 || arguments[0] != '"') return set_arguments(call, arguments, n_arguments);
    json_t *text = unquote(arguments, n_arguments);
    bool is_set = text && set_arguments(call, json_string_value(text), json_string_length(text));
    json_decref(text);
    return is_set;
}

/* s: a complete object. */
static bool set_from_object(suan__call *call, const char *s, size_t n) {
    suan__json_member m, name = {0}, arguments = {0};
    int n_names = 0, n_arguments = 0;
    for (size_t at = 0; suan__json_next_member(s, n, &at, &m);) {
        if (suan__json_key_is(&m, "name")) {
            name = m;
            n_names++;
        } else if (suan__json_key_is(&m, "arguments") || suan__json_key_is(&m, "parameters")) {
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

/* Bytes before the first end mark: the head of a call, in which names stand, ends there at the latest. */
static size_t head_length(const suan__call_syntax *syntax, const char *body, size_t n) {
    const char *end = memmem(body, n, syntax->end, strlen(syntax->end));
    return end ? (size_t)(end - body) : n;
}

/* What must stand behind a call at body[at], white space before it allowed: the mark, or nothing when the answer ends. */
static suan__scan read_end(const char *body, size_t n, size_t at, bool is_last, const char *mark, size_t *end) {
    at = suan__json_space(body, n, at);
    size_t n_mark = strlen(mark), there = n - at < n_mark ? n - at : n_mark;
    *end = at + there;
    if (memcmp(body + at, mark, there) != 0) return SUAN__SCAN_BAD;
    return there == n_mark || (is_last && there == 0) ? SUAN__SCAN_DONE : SUAN__SCAN_MORE;
}

/* An object at body[at], and behind it the mark (or the fence before the mark). */
static suan__scan read_object(const char *body, size_t n, size_t at, bool is_last, const char *mark, size_t *begin, size_t *n_object,
                              size_t *end) {
    *begin = suan__json_space(body, n, at);
    if (*begin < n && body[*begin] != '{') return SUAN__SCAN_BAD;
    suan__scan r = suan__json_value(body + *begin, n - *begin, n_object);
    return r == SUAN__SCAN_DONE ? read_end(body, n, *begin + *n_object, is_last, mark, end) : r;
}

suan__scan suan__call_read_json(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                suan__call *call, size_t *end) {
    (void)tools;
    size_t begin, n_object;
    suan__scan r = read_object(body, n, 0, is_last, syntax->end, &begin, &n_object, end);
    return r == SUAN__SCAN_DONE && !set_from_object(call, body + begin, n_object) ? SUAN__SCAN_BAD : r;
}

suan__scan suan__call_read_deepseek(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                    suan__call *call, size_t *end) {
    (void)tools;
    static const char mark[] = MARK("tool" LOW "sep"), fence[] = "\n```json\n", fence_end[] = "```";
    size_t n_head = head_length(syntax, body, n), begin, n_object;
    const char *sep = memmem(body, n_head, mark, sizeof mark - 1), *name = body;
    if (!sep) return SUAN__SCAN_BAD;
    size_t n_name = (size_t)(sep - body), at = n_name + sizeof mark - 1;
    const char *line = memchr(body + at, '\n', n_head - at);
    bool fenced = n_name == 8 && memcmp(body, "function", 8) == 0 && line && (size_t)(body + n_head - line) >= sizeof fence - 1 &&
                  memcmp(line, fence, sizeof fence - 1) == 0;
    if (fenced) {
        name = body + at;
        n_name = (size_t)(line - name);
        at += n_name + sizeof fence - 1;
    }
    suan__scan r = read_object(body, n, at, is_last && !fenced, fenced ? fence_end : syntax->end, &begin, &n_object, end);
    if (r == SUAN__SCAN_DONE && fenced) r = read_end(body, n, *end, is_last, syntax->end, end);
    return r == SUAN__SCAN_DONE && !suan__call_set(call, name, n_name, body + begin, n_object) ? SUAN__SCAN_BAD : r;
}

/* functions.NAME:INDEX is the id; the name stands between the first dot and the last colon. */
suan__scan suan__call_read_kimi(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                suan__call *call, size_t *end) {
    (void)tools;
    static const char mark[] = "<|tool_call_argument_begin|>", prefix[] = "functions.";
    const char *sep = memmem(body, head_length(syntax, body, n), mark, sizeof mark - 1);
    if (!sep) return SUAN__SCAN_BAD;
    size_t first = suan__json_space(body, n, 0), begin, n_object;
    const char *id = body + first, *id_end = sep;
    while (id_end > id && suan__json_space(id_end - 1, 1, 0) == 1) id_end--;
    const char *name = id, *name_end = id_end;
    if ((size_t)(id_end - id) > sizeof prefix - 1 && memcmp(id, prefix, sizeof prefix - 1) == 0) name += sizeof prefix - 1;
    const char *colon = memrchr(name, ':', (size_t)(name_end - name));
    if (colon) name_end = colon;
    suan__scan r = read_object(body, n, (size_t)(sep - body) + sizeof mark - 1, is_last, syntax->end, &begin, &n_object, end);
    if (r != SUAN__SCAN_DONE) return r;
    bool is_set = is_name(id, (size_t)(id_end - id)) && suan__buf_append(&call->id, id, (size_t)(id_end - id)) &&
                  suan__call_set(call, name, (size_t)(name_end - name), body + begin, n_object);
    return is_set ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

bool suan__call_read_bare(const char *s, size_t n, suan__call *call) {
    size_t at = suan__json_space(s, n, 0);
    return at < n && s[at] == '{' && suan__json_is_value(s + at, n - at) && set_from_object(call, s + at, n - at);
}
