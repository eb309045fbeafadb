/* answer.c: a model's answer taken apart as it comes: the states between reasoning, text and calls.
 *
 * Text waits in a buffer for as long as it may be the beginning of a mark. All is decided on the buffer, so the cuts of the input do not matter.
 */
#include "text/answer.h"

#include <string.h>

#include "formats/json.h"

static const char think_open[] = "<think>", think_close[] = "</think>", python_tag[] = "<|python_tag|>";

/* ---- handing over ---- */

static void hand_over(suan_answer *a, const suan_answer_part *part) {
    if (a->status == SUAN_OK && a->fn(a->ctx, part) != 0) a->status = SUAN_STOPPED;
}

void suan__answer_emit(suan_answer *a, suan_answer_kind kind, const char *text, size_t n) {
    if (n > 0) hand_over(a, &(suan_answer_part){.kind = kind, .text = text, .n = n});
}

void suan__answer_emit_call(suan_answer *a, const suan__call *call) {
    hand_over(a,
              &(suan_answer_part){SUAN_ANSWER_CALL, call->arguments.data, call->arguments.n, call->name.data, call->id.data, a->n_calls++});
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
    const char *marks[2] = {think_open, python_tag};
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
    const char *close = memmem(w.s, w.n, think_close, sizeof think_close - 1);
    if (!close) {
        size_t held = is_last ? 0 : suan__answer_held_for(w.s, w.n, (const char *const[1]){think_close}, 1), n = w.n - held;
        if (!is_last) n -= n_newlines_behind(w.s, n);
        a->at += n;
        suan__answer_emit(a, SUAN_ANSWER_REASONING, w.s, n);
        return false;
    }
    size_t n = (size_t)(close - w.s);
    suan__answer_emit(a, SUAN_ANSWER_REASONING, w.s, n - n_newlines_behind(w.s, n));
    a->at += n + sizeof think_close - 1;
    a->has_thought = true;
    a->state = SUAN__IN_START;
    return true;
}

/* The marks of a text: of a call first. */
static int marks_of(const suan_answer *a, const char *marks[5]) {
    const suan__call_syntax *x = &suan__call_syntaxes[a->syntax];
    int n = 0;
    if (!a->has_calls || !x->open) return 0;
    marks[n++] = x->open;
    for (int i = 0; i < 4 && x->around[i]; i++) marks[n++] = x->around[i];
    return n;
}

static bool in_text(suan_answer *a, bool is_last) {
    window w = rest(a);
    const char *marks[5] = {NULL};
    int n_marks = marks_of(a, marks);
    size_t at = 0;
    int which = find_first(w.s, w.n, marks, n_marks, &at);
    if (which >= 0) {
        size_t newlines = n_newlines_behind(w.s, at);
        emit_text(a, w.s, at - newlines);
        if (which == 0) {
            a->at += at - newlines;
            a->body = newlines + strlen(marks[0]);
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
    a->state = SUAN__IN_TEXT;
}

/* What began as a call is none: its mark is text, and what follows is looked at again. */
static void give_up_call(suan_answer *a) {
    a->trims = false;
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

static bool in_call(suan_answer *a, bool is_last) {
    const suan__call_syntax *x = &suan__call_syntaxes[a->syntax];
    window w = rest(a), body = {w.s + a->body, w.n - a->body};
    if (!suan__answer_is_due(a, body.s, body.n, &x->end, 1, is_last)) return false;
    suan__call call = {0};
    size_t end = 0;
    suan__scan r = x->read(x, body.s, body.n, is_last, a->tools, &call, &end);
    if (suan__call_failed(&call)) a->status = SUAN_ENOMEM;
    if (r == SUAN__SCAN_DONE) {
        suan__answer_emit_call(a, &call);
        end_call(a, a->body + end);
        a->trims = true;
    } else if (r == SUAN__SCAN_BAD) {
        give_up_call(a);
    } else if (is_last) {
        give_up_call(a);
        a->has_calls = false; /* the call that never ended holds all the rest */
    } else {
        a->retry_at = body.n + body.n / 8 + 1;
    }
    suan__call_fini(&call);
    return a->state == SUAN__IN_TEXT;
}

/* Llama 3: the answer is a call from its first byte to its last, or text. */
static bool in_whole(suan_answer *a, bool is_last) {
    if (!is_last) return false;
    window w = rest(a);
    size_t at = suan__json_space(w.s, w.n, 0), n_tag = sizeof python_tag - 1;
    bool has_tag = w.n - at >= n_tag && memcmp(w.s + at, python_tag, n_tag) == 0;
    if (has_tag) at += n_tag;
    suan__call call = {0}, other = {0};
    if (suan__call_read_bare(w.s + at, w.n - at, &call))
        suan__answer_emit_call(a, &call);
    else if (has_tag && suan__call_read_python(w.s + at, w.n - at, &other))
        suan__answer_emit_call(a, &other);
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
    *reopen = think_close;
    for (size_t i = 0; source && i < sizeof lines / sizeof *lines; i++)
        if (memmem(source, n, lines[i], strlen(lines[i]))) *reopen = "\n</think>\n\n";
    return *reopen;
}

/* ---- the public functions ---- */

static void read_prompt(suan_answer *a, const char *prompt, size_t n) {
    while (n > 0 && suan__json_space(prompt + n - 1, 1, 0) == 1) n--;
    size_t n_open = sizeof think_open - 1, n_close = sizeof think_close - 1;
    if (n >= n_open && memcmp(prompt + n - n_open, think_open, n_open) == 0) {
        a->state = SUAN__IN_REASONING;
        a->trims = true;
    } else if (n >= n_close && memcmp(prompt + n - n_close, think_close, n_close) == 0) {
        a->has_thought = true;
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
    *a = (suan_answer){.syntax = options->syntax, .has_calls = options->has_calls, .tools = tools, .fn = fn, .ctx = ctx};
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
