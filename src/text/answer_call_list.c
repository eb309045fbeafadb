/* answer_call_list.c: calls as a JSON array behind one mark: [{"name": .., "arguments": {..}}, ..]. They are read one by one, as they come. */
#include <string.h>

#include "text/answer_call.h"

bool suan__call_opens_list(const suan__call_syntax *syntax) {
    return syntax->open[strlen(syntax->open) - 1] == '[';
}

suan__scan suan__call_begin_list(const suan__call_syntax *syntax, const char *body, size_t n, size_t *at) {
    *at = suan__json_space(body, n, 0);
    size_t n_before = syntax->before_list ? strlen(syntax->before_list) : 0, there = n - *at < n_before ? n - *at : n_before;
    if (n_before > 0 && memcmp(body + *at, syntax->before_list, there) != 0) return SUAN__SCAN_BAD;
    if (there < n_before) return SUAN__SCAN_MORE;
    if (suan__call_opens_list(syntax)) return SUAN__SCAN_DONE;
    *at = suan__json_space(body, n, *at + n_before);
    if (*at == n) return SUAN__SCAN_MORE;
    return body[(*at)++] == '[' ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

/* The comma before the next call. */
static suan__scan go_on(const char *body, size_t n, size_t *at) {
    *at = suan__json_space(body, n, 0);
    if (*at == n) return SUAN__SCAN_MORE;
    return body[(*at)++] == ',' ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

static suan__scan head_at(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t from, size_t *at) {
    suan__scan r = suan__call_head_json(syntax, body + from, n - from, call, at);
    *at += from;
    return r;
}

suan__scan suan__call_head_list(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    size_t from;
    suan__scan r = suan__call_begin_list(syntax, body, n, &from);
    return r == SUAN__SCAN_DONE ? head_at(syntax, body, n, call, from, at) : r;
}

suan__scan suan__call_head_list_on(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at) {
    size_t from;
    suan__scan r = go_on(body, n, &from);
    return r == SUAN__SCAN_DONE ? head_at(syntax, body, n, call, from, at) : r;
}

static suan__scan read_at(const char *body, size_t n, size_t from, suan__call *call, size_t *end) {
    size_t at = suan__json_space(body, n, from), n_object = 0;
    if (at < n && body[at] != '{') return SUAN__SCAN_BAD;
    suan__scan r = suan__json_value(body + at, n - at, &n_object);
    *end = at + n_object;
    return r == SUAN__SCAN_DONE && !suan__call_set_object(call, body + at, n_object) ? SUAN__SCAN_BAD : r;
}

suan__scan suan__call_read_list(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                suan__call *call, size_t *end) {
    (void)tools, (void)is_last;
    size_t from;
    suan__scan r = suan__call_begin_list(syntax, body, n, &from);
    return r == SUAN__SCAN_DONE ? read_at(body, n, from, call, end) : r;
}

suan__scan suan__call_read_list_on(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                   suan__call *call, size_t *end) {
    (void)tools;
    size_t from;
    suan__scan r = go_on(body, n, &from);
    if (r == SUAN__SCAN_DONE) return read_at(body, n, from, call, end);
    if (r == SUAN__SCAN_MORE || body[from - 1] != ']') return r;
    *end = from;
    return syntax->end ? suan__call_read_end(body, n, from, is_last, syntax->end, end) : SUAN__SCAN_DONE;
}
