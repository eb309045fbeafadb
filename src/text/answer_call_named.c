/* answer_call_named.c: calls that write the name before the arguments: DeepSeek, Kimi, Functionary, Mistral. */
#include <string.h>

#include "text/answer_call.h"

#define BAR "\xef\xbd\x9c"
#define LOW "\xe2\x96\x81"

/* Where the object of arguments begins behind white space at `at`. */
static suan__scan find_object(const char *body, size_t n, size_t *at) {
    *at = suan__json_space(body, n, *at);
    if (*at == n) return SUAN__SCAN_MORE;
    return body[*at] == '{' ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

/* The head lies before the first end mark; there is no more of it to come where that is seen. */
static suan__scan read_head(suan__call_head_fn *head, const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call,
                            size_t *at) {
    suan__scan r = head(syntax, body, suan__call_head_length(syntax, body, n), call, at);
    return r == SUAN__SCAN_MORE ? SUAN__SCAN_BAD : r;
}

static suan__scan set_arguments(suan__call *call, suan__scan r, const char *s, size_t n) {
    return r == SUAN__SCAN_DONE && !suan__call_set_arguments(call, s, n) ? SUAN__SCAN_BAD : r;
}

/* ---- DeepSeek: function, separator, name, code fence; or name, separator ---- */

static const char fence[] = "\n```json\n";

suan__scan suan__call_head_deepseek(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    (void)syntax;
    static const char mark[] = "<" BAR "tool" LOW "sep" BAR ">";
    const char *sep = memmem(body, n, mark, sizeof mark - 1), *name = body;
    if (!sep) return SUAN__SCAN_MORE;
    size_t n_name = (size_t)(sep - body), from = n_name + sizeof mark - 1;
    *at = from;
    suan__scan r = find_object(body, n, at);
    bool is_bare = r == SUAN__SCAN_DONE;
    if (!is_bare) {
        if (r == SUAN__SCAN_MORE || n_name != 8 || memcmp(body, "function", 8) != 0) return r;
        const char *line = memchr(body + from, '\n', n - from);
        if (!line || (size_t)(body + n - line) < sizeof fence - 1) return SUAN__SCAN_MORE;
        if (memcmp(line, fence, sizeof fence - 1) != 0) return SUAN__SCAN_BAD;
        name = body + from;
        n_name = (size_t)(line - name);
        *at = from + n_name + sizeof fence - 1;
        r = find_object(body, n, at);
    }
    return r == SUAN__SCAN_DONE && !suan__call_set_name(call, name, n_name) ? SUAN__SCAN_BAD : r;
}

suan__scan suan__call_read_deepseek(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                    suan__call *call, size_t *end) {
    (void)tools;
    size_t at, begin, n_object;
    suan__scan r = read_head(suan__call_head_deepseek, syntax, body, n, call, &at);
    if (r != SUAN__SCAN_DONE) return r;
    bool is_fenced = memmem(body, at, fence, sizeof fence - 1) != NULL;
    r = suan__call_read_object(body, n, at, is_last && !is_fenced, is_fenced ? "```" : syntax->end, &begin, &n_object, end);
    if (r == SUAN__SCAN_DONE && is_fenced) r = suan__call_read_end(body, n, *end, is_last, syntax->end, end);
    return set_arguments(call, r, body + begin, n_object);
}

/* ---- Kimi: functions.NAME:INDEX is the id; the name stands between the first dot and the last colon ---- */

suan__scan suan__call_head_kimi(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    (void)syntax;
    static const char mark[] = "<|tool_call_argument_begin|>", prefix[] = "functions.";
    const char *sep = memmem(body, n, mark, sizeof mark - 1);
    if (!sep) return SUAN__SCAN_MORE;
    *at = (size_t)(sep - body) + sizeof mark - 1;
    suan__scan r = find_object(body, n, at);
    if (r != SUAN__SCAN_DONE) return r;
    const char *id = body + suan__json_space(body, n, 0), *id_end = sep;
    while (id_end > id && suan__json_space(id_end - 1, 1, 0) == 1) id_end--;
    const char *name = id, *name_end = id_end;
    if ((size_t)(id_end - id) > sizeof prefix - 1 && memcmp(id, prefix, sizeof prefix - 1) == 0) name += sizeof prefix - 1;
    const char *colon = memrchr(name, ':', (size_t)(name_end - name));
    if (colon) name_end = colon;
    return suan__call_set_id(call, id, (size_t)(id_end - id)) && suan__call_set_name(call, name, (size_t)(name_end - name))
               ? SUAN__SCAN_DONE
               : SUAN__SCAN_BAD;
}

/* ---- Functionary: NAME>{..} ---- */

suan__scan suan__call_head_functionary(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    (void)syntax;
    const char *name_end = memchr(body, '>', n);
    if (!name_end) return memchr(body, '\n', n) ? SUAN__SCAN_BAD : SUAN__SCAN_MORE;
    *at = (size_t)(name_end - body) + 1;
    suan__scan r = find_object(body, n, at);
    return r == SUAN__SCAN_DONE && !suan__call_set_name(call, body, (size_t)(name_end - body)) ? SUAN__SCAN_BAD : r;
}

suan__scan suan__call_read_named(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                 suan__call *call, size_t *end) {
    (void)tools;
    size_t at, begin, n_object;
    suan__scan r = read_head(syntax->head, syntax, body, n, call, &at);
    if (r != SUAN__SCAN_DONE) return r;
    r = suan__call_read_object(body, n, at, is_last, syntax->end, &begin, &n_object, end);
    return set_arguments(call, r, body + begin, n_object);
}

/* ---- Mistral: NAME[ARGS]{..} or NAME[CALL_ID]ID[ARGS]{..}; a call ends with its object ---- */

suan__scan suan__call_head_mistral(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    (void)syntax;
    static const char mark[] = "[ARGS]", id_mark[] = "[CALL_ID]";
    const char *sep = memmem(body, n, mark, sizeof mark - 1);
    if (!sep) return memchr(body, '{', n) || memchr(body, '\n', n) ? SUAN__SCAN_BAD : SUAN__SCAN_MORE;
    *at = (size_t)(sep - body) + sizeof mark - 1;
    suan__scan r = find_object(body, n, at);
    if (r != SUAN__SCAN_DONE) return r;
    const char *id = memmem(body, (size_t)(sep - body), id_mark, sizeof id_mark - 1), *name_end = id ? id : sep;
    if (id && !suan__call_set_id(call, id + sizeof id_mark - 1, (size_t)(sep - id) - (sizeof id_mark - 1))) return SUAN__SCAN_BAD;
    return suan__call_set_name(call, body, (size_t)(name_end - body)) ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

suan__scan suan__call_read_mistral(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                   suan__call *call, size_t *end) {
    (void)tools, (void)is_last;
    size_t at, n_object;
    suan__scan r = suan__call_head_mistral(syntax, body, n, call, &at);
    if (r != SUAN__SCAN_DONE) return r;
    r = suan__json_value(body + at, n - at, &n_object);
    *end = at + n_object;
    return set_arguments(call, r, body + at, n_object);
}
