/* answer.c: a model's answer taken apart as it comes: the states between reasoning, text and calls.
 *
 * Text waits in a buffer for as long as it may be the beginning of a mark. All is decided on the buffer, so the cuts of the input do not matter.
 */
#include "text/answer.h"

#include <string.h>

#include "formats/json.h"

static const char python_tag[] = "<|python_tag|>";

const char *suan__think_open(suan_answer_syntax syntax) {
    const char *mark = suan__call_syntaxes[syntax].think_open;
    return mark ? mark : "<think>";
}
const char *suan__think_close(suan_answer_syntax syntax) {
    const char *mark = suan__call_syntaxes[syntax].think_close;
    return mark ? mark : "</think>";
}

/* ---- handing over ---- */

static void hand_over(suan_answer *a, const suan_answer_part *part) {
    if (a->status == SUAN_OK && a->fn(a->ctx, part) != 0) a->status = SUAN_STOPPED;
}

void suan__answer_emit(suan_answer *a, suan_answer_kind kind, const char *text, size_t n) {
    if (n > 0) hand_over(a, &(suan_answer_part){.kind = kind, .text = text, .n = n});
}

static size_t n_newlines(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && s[i] == '\n') i++;
    return i;
}
static size_t n_newlines_behind(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && s[n - 1 - i] == '\n') i++;
    return i;
}

size_t suan__answer_held_for(const char *s, size_t n, const char *const *marks, int n_marks) {
    size_t held = 0;
    for (int i = 0; i < n_marks; i++) {
        size_t most = strlen(marks[i]) - 1;
        for (size_t k = most < n ? most : n; k > held; k--)
            if (memcmp(s + n - k, marks[i], k) == 0) held = k;
    }
    return held;
}

/* The mark that stands first; -1: none. */
static int find_first(const char *s, size_t n, const char *const *marks, int n_marks, size_t *at) {
    int first = -1;
    for (int i = 0; i < n_marks; i++) {
        const char *found = memmem(s, n, marks[i], strlen(marks[i]));
        if (!found || (first >= 0 && (size_t)(found - s) >= *at)) continue;
        first = i;
        *at = (size_t)(found - s);
    }
    return first;
}

/* ---- the states; each takes what it can from the buffer and says whether to go on at once ---- */

typedef struct window {
    const char *s;
    size_t n;
} window;

static window rest(const suan_answer *a) {
    return (window){a->buf.data + a->at, a->buf.n - a->at};
}

/* Hands over text; newlines at its beginning go when something stood before that they only separate. */
static void emit_text(suan_answer *a, const char *s, size_t n) {
    if (a->trims) {
        size_t skip = n_newlines(s, n);
        s += skip, n -= skip;
        if (n > 0) a->trims = false;
    }
    suan__answer_emit(a, SUAN_ANSWER_TEXT, s, n);
}

static bool in_start(suan_answer *a, bool is_last) {
    window w = rest(a);
    size_t space = suan__json_space(w.s, w.n, 0), n = w.n - space;
    const char *marks[2] = {suan__think_open(a->syntax), python_tag};
    int n_marks = a->syntax == SUAN_ANSWER_LLAMA3 && a->has_calls ? 2 : 1;
    for (int i = a->has_thought; i < n_marks; i++) {
        size_t n_mark = strlen(marks[i]);
        if (n >= n_mark && memcmp(w.s + space, marks[i], n_mark) == 0) {
            a->state = i == 0 ? SUAN__IN_REASONING : SUAN__IN_WHOLE;
            if (i == 0) a->at += space + n_mark;
            a->trims = true;
            return true;
        }
        if (!is_last && n < n_mark && memcmp(w.s + space, marks[i], n) == 0) return false;
    }
    if (n == 0 && !is_last) return false;
    a->state = n_marks == 2 && n > 0 && w.s[space] == '{' ? SUAN__IN_WHOLE : SUAN__IN_TEXT;
    a->trims = a->has_thought;
    return true;
}

static bool in_reasoning(suan_answer *a, bool is_last) {
    window w = rest(a);
    if (a->trims) {
        size_t skip = n_newlines(w.s, w.n);
        a->at += skip;
        w = rest(a);
        if (w.n == 0) return false;
        a->trims = false;
    }
    const char *mark = suan__think_close(a->syntax), *close = memmem(w.s, w.n, mark, strlen(mark));
    if (!close) {
        size_t held = is_last ? 0 : suan__answer_held_for(w.s, w.n, &mark, 1), n = w.n - held;
        if (!is_last) n -= n_newlines_behind(w.s, n);
        a->at += n;
        suan__answer_emit(a, SUAN_ANSWER_REASONING, w.s, n);
        return false;
    }
    size_t n = (size_t)(close - w.s);
    suan__answer_emit(a, SUAN_ANSWER_REASONING, w.s, n - n_newlines_behind(w.s, n));
    a->at += n + strlen(mark);
    a->has_thought = true;
    a->state = SUAN__IN_START;
    return true;
}

/* The marks of a text: of a call last. */
static int marks_of(const suan_answer *a, const char *marks[7]) {
    const suan__call_syntax *x = &suan__call_syntaxes[a->syntax];
    int n = 0;
    for (int i = 0; i < 2 && x->silent[i]; i++) marks[n++] = x->silent[i];
    if (!a->has_calls || !x->open) return n;
    for (int i = 0; i < 4 && x->around[i]; i++) marks[n++] = x->around[i];
    marks[n++] = x->open;
    return n;
}

static bool in_text(suan_answer *a, bool is_last) {
    window w = rest(a);
    const char *marks[7] = {NULL};
    int n_marks = marks_of(a, marks);
    size_t at = 0;
    int which = find_first(w.s, w.n, marks, n_marks, &at);
    if (which >= 0) {
        size_t newlines = n_newlines_behind(w.s, at);
        emit_text(a, w.s, at - newlines);
        if (which == n_marks - 1 && a->has_calls) {
            a->at += at - newlines;
            a->body = newlines + strlen(marks[which]);
            a->follow = (suan__follow){0};
            a->state = SUAN__IN_CALL;
        } else {
            a->at += at + strlen(marks[which]);
            a->trims = true;
        }
        return true;
    }
    size_t n = w.n - (is_last ? 0 : suan__answer_held_for(w.s, w.n, marks, n_marks));
    if (!is_last && n_marks > 0) n -= n_newlines_behind(w.s, n);
    a->at += n;
    emit_text(a, w.s, n);
    return false;
}

static void end_call(suan_answer *a, size_t taken) {
    a->at += taken;
    a->searched = a->retry_at = 0;
    a->in_list = false;
    a->state = SUAN__IN_TEXT;
}

/* What began as a call is none: its mark is text, and what follows is looked at again. */
static void give_up_call(suan_answer *a) {
    bool has_begun = suan__answer_has_begun(a);
    a->trims = has_begun || a->in_list;
    if (has_begun)
        a->body += suan__answer_break_call(a);
    else
        emit_text(a, rest(a).s, a->body);
    end_call(a, a->body);
}

bool suan__answer_is_due(suan_answer *a, const char *body, size_t n, const char *const *marks, int n_marks, bool is_last) {
    if (is_last || a->retry_at > 0) return is_last || n >= a->retry_at;
    size_t from = a->searched, at;
    a->searched = n;
    for (int i = 0; i < n_marks; i++) {
        size_t n_mark = strlen(marks[i]), back = from > n_mark ? from - n_mark : 0;
        if (find_first(body + back, n - back, marks + i, 1, &at) == 0) return true;
    }
    return false;
}

/* Takes the call of n bytes; behind one of a list the next one comes, or its end (a call without a name). */
static void take_call(suan_answer *a, const suan__call *call, size_t n) {
    bool has_more = suan__call_syntaxes[a->syntax].is_list && call->name.n > 0;
    if (call->name.n > 0) suan__answer_emit_call(a, call);
    end_call(a, a->body + n);
    a->trims = true;
    if (!has_more) return;
    a->body = 0;
    a->in_list = true;
    a->follow = (suan__follow){0};
    a->state = SUAN__IN_CALL;
}

/* Whether the call is to be read now: its end mark has come, or, where it has none, what may be its end. */
static bool is_call_due(suan_answer *a, const suan__call_syntax *x, window body, bool is_last) {
    static const char *const ends[] = {"}", "]"};
    if (x->is_list || !x->end)
        return a->follow.state == SUAN__FOLLOW_ENDED || suan__answer_is_due(a, body.s, body.n, ends, a->in_list ? 2 : 1, is_last);
    return suan__answer_is_due(a, body.s, body.n, &x->end, 1, is_last);
}

static bool in_call(suan_answer *a, bool is_last) {
    const suan__call_syntax *x = &suan__call_syntaxes[a->syntax];
    window w = rest(a), body = {w.s + a->body, w.n - a->body};
    suan__call call = {0};
    size_t end = 0, at;
    bool is_none = x->is_list && !a->in_list && suan__call_begin_list(x, body.s, body.n, &at) == SUAN__SCAN_BAD;
    suan__answer_follow(a, body.s, body.n, a->in_list ? suan__call_head_list_on : x->head);
    if (!is_none && !is_call_due(a, x, body, is_last)) return false;
    suan__call_read_fn *read = a->in_list ? suan__call_read_list_on : x->read;
    suan__scan r = is_none ? SUAN__SCAN_BAD : read(x, body.s, body.n, is_last, a->tools, &call, &end);
    bool goes_on = r != SUAN__SCAN_MORE || is_last;
    if (suan__call_failed(&call)) a->status = SUAN_ENOMEM;
    if (r == SUAN__SCAN_DONE) {
        take_call(a, &call, end);
    } else if (goes_on) {
        give_up_call(a);
        if (r == SUAN__SCAN_MORE) a->has_calls = false; /* the call that never ended holds all the rest */
    } else {
        a->retry_at = body.n + body.n / 8 + 1;
    }
    suan__call_fini(&call);
    return goes_on;
}

/* Llama 3: the answer is a call from its first byte to its last, or text. */
static bool in_whole(suan_answer *a, bool is_last) {
    window w = rest(a);
    suan__answer_follow(a, w.s, w.n, suan__call_head_json);
    if (!is_last) return false;
    size_t at = suan__json_space(w.s, w.n, 0), n_tag = sizeof python_tag - 1;
    bool has_tag = w.n - at >= n_tag && memcmp(w.s + at, python_tag, n_tag) == 0;
    if (has_tag) at += n_tag;
    suan__call call = {0}, other = {0};
    if (suan__call_read_bare(w.s + at, w.n - at, &call))
        suan__answer_emit_call(a, &call);
    else if (has_tag && suan__call_read_python(w.s + at, w.n - at, &other))
        suan__answer_emit_call(a, &other);
    else if (suan__answer_has_begun(a))
        at = suan__answer_break_call(a), emit_text(a, w.s + at, w.n - at);
    else
        emit_text(a, w.s, w.n);
    if (suan__call_failed(&call) || suan__call_failed(&other)) a->status = SUAN_ENOMEM;
    suan__call_fini(&call);
    suan__call_fini(&other);
    a->at = a->buf.n;
    return false;
}

typedef bool state_fn(suan_answer *a, bool is_last);
static state_fn *const states[] = {
    [SUAN__IN_START] = in_start,
    [SUAN__IN_REASONING] = in_reasoning,
    [SUAN__IN_TEXT] = in_text,
    [SUAN__IN_CALL] = in_call,
    [SUAN__IN_WHOLE] = in_whole,
    [SUAN__IN_HEADER] = suan__answer_in_header,
    [SUAN__IN_CHANNEL] = suan__answer_in_channel,
};

static suan_status work(suan_answer *a, bool is_last, suan_error *err) {
    while (a->status == SUAN_OK && states[a->state](a, is_last) && a->status == SUAN_OK) continue;
    if (a->at > 0) {
        a->buf.n -= a->at;
        memmove(a->buf.data, a->buf.data + a->at, a->buf.n);
        a->at = 0;
    }
    SUAN_CHECK(a->status != SUAN_ENOMEM, SUAN_ENOMEM, "answer: out of memory for %zu bytes of a call", a->buf.n);
    return a->status;
}

/* ---- where reasoning ends ---- */

bool suan__answer_is_thinking(const suan_answer *a) {
    return a->state == SUAN__IN_REASONING || (a->state == SUAN__IN_CHANNEL && a->channel == SUAN__CHANNEL_REASONING);
}

bool suan__answer_may_think(const suan_answer *a) {
    return a->syntax == SUAN_ANSWER_HARMONY || a->state == SUAN__IN_REASONING || (a->state == SUAN__IN_START && !a->has_thought);
}

const char *suan_answer_think_end(suan_answer_syntax syntax, const char *source, size_t n, bool may_call, const char **reopen) {
    static const char *const lines[] = {"</think>\\n\\n", "<think>\\n"};
    static const char final[] = "<|end|><|start|>assistant<|channel|>final<|message|>";
    if (syntax == SUAN_ANSWER_HARMONY) {
        *reopen = final;
        return may_call ? "<|end|><|start|>assistant" : final;
    }
    *reopen = suan__think_close(syntax);
    for (size_t i = 0; source && !suan__call_syntaxes[syntax].think_close && i < sizeof lines / sizeof *lines; i++)
        if (memmem(source, n, lines[i], strlen(lines[i]))) *reopen = "\n</think>\n\n";
    return *reopen;
}

/* ---- the public functions ---- */

/* Whether s ends with the mark, white space behind it allowed. */
static bool ends_with(const char *s, size_t n, const char *mark) {
    size_t n_mark = strlen(mark);
    while (n > 0 && suan__json_space(s + n - 1, 1, 0) == 1) n--;
    return n >= n_mark && memcmp(s + n - n_mark, mark, n_mark) == 0;
}

bool suan_answer_opens_thinking(suan_answer_syntax syntax, const char *prompt, size_t n) {
    return syntax != SUAN_ANSWER_HARMONY && ends_with(prompt, n, suan__think_open(syntax));
}

static void read_prompt(suan_answer *a, const char *prompt, size_t n) {
    if (suan_answer_opens_thinking(a->syntax, prompt, n)) {
        a->state = SUAN__IN_REASONING;
        a->trims = true;
    } else {
        a->has_thought = ends_with(prompt, n, suan__think_close(a->syntax));
    }
}

suan_status suan_answer_create(suan_answer **answer, const suan_answer_options *options, suan_answer_fn *fn, void *ctx, suan_error *err) {
    *answer = NULL;
    SUAN_CHECK(suan_answer_syntax_name(options->syntax), SUAN_EINVAL, "answer: there is no syntax %d", (int)options->syntax);
    json_t *tools = NULL;
    if (options->tools) SUAN_TRY(suan__json_load(options->tools, options->n_tools, "tools", &tools, err));
    if (tools && !json_is_array(tools)) {
        json_decref(tools);
        return suan__fail(err, SUAN_EINVAL, "tools: expected a JSON array");
    }
    suan_answer *a = suan__calloc(1, sizeof *a);
    if (!a) {
        json_decref(tools);
        return suan__fail(err, SUAN_ENOMEM, "answer: out of memory");
    }
    *a = (suan_answer){.syntax = options->syntax,
                       .has_calls = options->has_calls,
                       .streams_calls = options->streams_calls,
                       .tools = tools,
                       .fn = fn,
                       .ctx = ctx};
    if (options->syntax == SUAN_ANSWER_HARMONY)
        suan__answer_start_harmony(a, options->prompt, options->n_prompt);
    else if (options->prompt)
        read_prompt(a, options->prompt, options->n_prompt);
    if (a->status != SUAN_OK) {
        suan_answer_free(a);
        return suan__fail(err, SUAN_ENOMEM, "answer: out of memory");
    }
    *answer = a;
    return SUAN_OK;
}

suan_status suan_answer_feed(suan_answer *a, const char *text, size_t n, suan_error *err) {
    SUAN_CHECK(suan__buf_append(&a->buf, text, n), SUAN_ENOMEM, "answer: out of memory for %zu bytes", a->buf.n + n);
    return n > 0 ? work(a, false, err) : SUAN_OK;
}

suan_status suan_answer_finish(suan_answer *a, suan_error *err) {
    SUAN_CHECK(suan__buf_append(&a->buf, "", 0), SUAN_ENOMEM, "answer: out of memory");
    return work(a, true, err);
}

void suan_answer_free(suan_answer *a) {
    if (!a) return;
    suan__buf_fini(&a->buf);
    suan__buf_fini(&a->recipient);
    json_decref(a->tools);
    suan__free(a);
}
