/* answer_follow.c: calls on their way out: whole, or in parts while they come.
 *
 * Following a call only looks ahead: what stands in the answer is still read as a whole when the call has ended, and what was handed over before is a beginning of that.
 */
#include "text/answer.h"

#define MAX_HEAD 4096 /* bytes before the arguments, in calls that are followed */

static void hand_over(suan_answer *a, suan_answer_part part) {
    part.index = a->n_calls;
    if (a->status == SUAN_OK && a->fn(a->ctx, &part) != 0) a->status = SUAN_STOPPED;
}

static void begin(suan_answer *a, const suan__call *call) {
    hand_over(a, (suan_answer_part){.kind = SUAN_ANSWER_CALL_BEGIN, .name = call->name.data, .id = call->id.data});
}

static void end(suan_answer *a, bool is_broken) {
    hand_over(a, (suan_answer_part){.kind = SUAN_ANSWER_CALL_END, .is_broken = is_broken});
    a->n_calls++;
    a->follow = (suan__follow){0};
}

static void more(suan_answer *a, const char *s, size_t n) {
    if (n > 0) hand_over(a, (suan_answer_part){.kind = SUAN_ANSWER_CALL_MORE, .text = s, .n = n});
    a->follow.n_given += n;
}

void suan__answer_emit_call(suan_answer *a, const suan__call *call) {
    if (!a->streams_calls) {
        hand_over(a, (suan_answer_part){.kind = SUAN_ANSWER_CALL,
                                        .text = call->arguments.data,
                                        .n = call->arguments.n,
                                        .name = call->name.data,
                                        .id = call->id.data});
        a->n_calls++;
        return;
    }
    if (!suan__answer_has_begun(a)) begin(a, call);
    more(a, call->arguments.data + a->follow.n_given, call->arguments.n - a->follow.n_given);
    end(a, false);
}

bool suan__answer_has_begun(const suan_answer *a) {
    return a->follow.state == SUAN__FOLLOW_OPEN || a->follow.state == SUAN__FOLLOW_ENDED;
}

size_t suan__answer_break_call(suan_answer *a) {
    size_t taken = a->follow.at + a->follow.n_given;
    end(a, a->follow.state != SUAN__FOLLOW_ENDED);
    return taken;
}

/* How many bytes at s belong to the object. */
static size_t follow_object(suan__follow *f, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (f->is_escaped) {
            f->is_escaped = false;
        } else if (f->in_string) {
            f->is_escaped = s[i] == '\\';
            f->in_string = s[i] != '"';
        } else if (s[i] == '"') {
            f->in_string = true;
        } else if (s[i] == '{' || s[i] == '[') {
            f->depth++;
        } else if ((s[i] == '}' || s[i] == ']') && --f->depth == 0) {
            f->state = SUAN__FOLLOW_ENDED;
            return i + 1;
        }
    }
    return n;
}

/* harmony: the name stands in the header, and the object is all there is. */
static suan__scan head_message(const suan_answer *a, const char *body, size_t n, suan__call *call, size_t *at) {
    *at = suan__json_space(body, n, 0);
    if (*at == n) return SUAN__SCAN_MORE;
    return body[*at] == '{' && suan__call_set_name(call, a->recipient.data, a->recipient.n) ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

void suan__answer_follow(suan_answer *a, const char *body, size_t n, suan__call_head_fn *head) {
    suan__follow *f = &a->follow;
    if (!a->streams_calls || (!head && a->syntax != SUAN_ANSWER_HARMONY)) return;
    if (f->state == SUAN__FOLLOW_SOUGHT) {
        suan__call call = {0};
        suan__scan r = head ? head(&suan__call_syntaxes[a->syntax], body, n, &call, &f->at) : head_message(a, body, n, &call, &f->at);
        if (suan__call_failed(&call)) a->status = SUAN_ENOMEM;
        if (r == SUAN__SCAN_BAD || (r == SUAN__SCAN_MORE && n > MAX_HEAD)) f->state = SUAN__FOLLOW_WHOLE;
        if (r == SUAN__SCAN_DONE) {
            f->state = SUAN__FOLLOW_OPEN;
            begin(a, &call);
        }
        suan__call_fini(&call);
    }
    if (f->state != SUAN__FOLLOW_OPEN) return;
    const char *s = body + f->at + f->n_given;
    more(a, s, follow_object(f, s, n - f->at - f->n_given));
}
