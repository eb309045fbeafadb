/* answer_harmony.c: the answers of gpt-oss: messages, each behind a header that names its channel and, for a call, whom it is for.
 *
 *     <|start|>assistant<|channel|>analysis<|message|>TEXT<|end|>
 *     <|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{..}<|call|>
 *     <|start|>assistant<|channel|>final<|message|>TEXT<|return|>
 *
 * The prompt ends behind the first "assistant", or anywhere later. Analysis is reasoning; what is for a function is a call; the rest is text.
 */
#include <string.h>

#include "text/answer.h"

static const char message_mark[] = "<|message|>", start_mark[] = "<|start|>";
/* The last one begins the next message and is left to it. */
static const char *const ends[] = {"<|end|>", "<|return|>", "<|call|>", start_mark};
enum { N_ENDS = sizeof ends / sizeof *ends, N_OWN_ENDS = N_ENDS - 1 };

/* The word behind `mark` in a header: up to white space or the next mark. */
static size_t word_behind(const char *header, size_t n, const char *mark, const char **word) {
    const char *found = memmem(header, n, mark, strlen(mark));
    if (!found) return 0;
    *word = found + strlen(mark);
    size_t most = n - (size_t)(*word - header), n_word = 0;
    while (n_word < most && (*word)[n_word] != '<' && suan__json_space(*word + n_word, 1, 0) == 0) n_word++;
    return n_word;
}

static void read_header(suan_answer *a, const char *header, size_t n) {
    static const char prefix[] = "functions.";
    const char *channel = "", *recipient = "";
    size_t n_channel = word_behind(header, n, "<|channel|>", &channel), n_recipient = word_behind(header, n, " to=", &recipient);
    a->channel = n_channel == 8 && memcmp(channel, "analysis", 8) == 0 ? SUAN__CHANNEL_REASONING : SUAN__CHANNEL_TEXT;
    a->recipient.n = 0;
    if (n_recipient == 0 || !a->has_calls) return;
    a->channel = SUAN__CHANNEL_CALL;
    a->follow = (suan__follow){0};
    if (n_recipient > sizeof prefix - 1 && memcmp(recipient, prefix, sizeof prefix - 1) == 0) {
        recipient += sizeof prefix - 1;
        n_recipient -= sizeof prefix - 1;
    }
    if (!suan__buf_append(&a->recipient, recipient, n_recipient)) a->status = SUAN_ENOMEM;
}

/* What the model wrote of the message, up to `end` of it, is text after all. */
static void emit_message(suan_answer *a, size_t end) {
    suan__answer_emit(a, SUAN_ANSWER_TEXT, a->buf.data + a->at + a->given, end - a->given);
}

bool suan__answer_in_header(suan_answer *a, bool is_last) {
    const char *s = a->buf.data + a->at;
    size_t n = a->buf.n - a->at, n_mark = sizeof message_mark - 1;
    const char *found = memmem(s, n, message_mark, n_mark);
    if (!found) {
        if (!is_last) return false;
        emit_message(a, n);
        a->at = a->buf.n;
        return false;
    }
    read_header(a, s, (size_t)(found - s));
    a->body = (size_t)(found - s) + n_mark;
    if (a->channel != SUAN__CHANNEL_CALL) {
        a->at += a->body;
        a->body = a->given = 0;
    }
    a->state = SUAN__IN_CHANNEL;
    return true;
}

/* The first end mark in s; NULL: none. */
static const char *find_end(const char *s, size_t n, size_t *n_end) {
    const char *first = NULL;
    for (int i = 0; i < N_ENDS; i++) {
        const char *found = memmem(s, n, ends[i], strlen(ends[i]));
        if (!found || (first && found > first)) continue;
        first = found;
        *n_end = i < N_OWN_ENDS ? strlen(ends[i]) : 0;
    }
    return first;
}

static void begin_header(suan_answer *a, size_t taken) {
    a->at += taken;
    a->given = a->body = a->searched = a->retry_at = 0;
    a->state = SUAN__IN_HEADER;
}

/* Whether an end mark begins s, or s is empty and the answer has ended. */
static suan__scan end_here(const char *s, size_t n, bool is_last, size_t *n_end) {
    *n_end = 0;
    if (n == 0 && is_last) return SUAN__SCAN_DONE;
    suan__scan r = SUAN__SCAN_BAD;
    for (int i = 0; i < N_ENDS; i++) {
        size_t n_mark = strlen(ends[i]), there = n < n_mark ? n : n_mark;
        if (memcmp(s, ends[i], there) != 0) continue;
        r = SUAN__SCAN_MORE;
        if (there < n_mark) continue;
        *n_end = i < N_OWN_ENDS ? n_mark : 0;
        return SUAN__SCAN_DONE;
    }
    return r;
}

/* A message for a function. An end mark inside a string of the arguments is passed over: the object is not whole before it. */
static bool in_call_message(suan_answer *a, bool is_last) {
    const char *body = a->buf.data + a->at + a->body;
    size_t n = a->buf.n - a->at - a->body, at = suan__json_space(body, n, 0), n_object = 0, n_end = 0;
    suan__answer_follow(a, body, n, NULL);
    if (!suan__answer_is_due(a, body, n, ends, N_ENDS, is_last)) return false;
    suan__scan r = at < n && body[at] != '{' ? SUAN__SCAN_BAD : suan__json_value(body + at, n - at, &n_object);
    size_t behind = suan__json_space(body, n, at + n_object);
    if (r == SUAN__SCAN_DONE) r = end_here(body + behind, n - behind, is_last, &n_end);
    if (r == SUAN__SCAN_MORE && !is_last) {
        a->retry_at = n + n / 8 + 1;
        return false;
    }
    suan__call call = {0};
    if (r == SUAN__SCAN_DONE && suan__call_set(&call, a->recipient.data, a->recipient.n, body + at, n_object)) {
        suan__answer_emit_call(a, &call);
        begin_header(a, a->body + behind + n_end);
    } else {
        const char *found = find_end(body, n, &n_end);
        size_t n_text = found ? (size_t)(found - body) : n, taken = suan__answer_has_begun(a) ? suan__answer_break_call(a) : 0;
        if (taken == 0)
            emit_message(a, a->body + n_text + n_end);
        else if (n_text > taken)
            suan__answer_emit(a, SUAN_ANSWER_TEXT, body + taken, n_text - taken);
        begin_header(a, a->body + n_text + n_end);
    }
    if (suan__call_failed(&call)) a->status = SUAN_ENOMEM;
    suan__call_fini(&call);
    return true;
}

bool suan__answer_in_channel(suan_answer *a, bool is_last) {
    if (a->channel == SUAN__CHANNEL_CALL) return in_call_message(a, is_last);
    suan_answer_kind kind = a->channel == SUAN__CHANNEL_REASONING ? SUAN_ANSWER_REASONING : SUAN_ANSWER_TEXT;
    const char *s = a->buf.data + a->at;
    size_t n = a->buf.n - a->at, n_end = 0;
    const char *found = find_end(s, n, &n_end);
    if (found) {
        suan__answer_emit(a, kind, s, (size_t)(found - s));
        begin_header(a, (size_t)(found - s) + n_end);
        return true;
    }
    size_t held = is_last ? 0 : suan__answer_held_for(s, n, ends, N_ENDS);
    suan__answer_emit(a, kind, s, n - held);
    a->at += n - held;
    return false;
}

void suan__answer_start_harmony(suan_answer *a, const char *prompt, size_t n) {
    a->state = SUAN__IN_HEADER;
    size_t n_mark = sizeof start_mark - 1, n_message = sizeof message_mark - 1;
    if (!prompt) return;
    const char *last = NULL;
    for (const char *s = prompt; (s = memmem(s, n - (size_t)(s - prompt), start_mark, n_mark)); s += n_mark) last = s;
    if (!last) return;
    size_t n_tail = n - (size_t)(last - prompt);
    const char *message = memmem(last, n_tail, message_mark, n_message);
    if (message) {
        read_header(a, last, (size_t)(message - last));
        a->state = SUAN__IN_CHANNEL;
    } else if (suan__buf_append(&a->buf, last, n_tail)) {
        a->given = n_tail;
    } else {
        a->status = SUAN_ENOMEM;
    }
}
