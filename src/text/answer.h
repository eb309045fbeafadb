/* answer.h: what the files that take answers apart share. The public interface is suan/answer.h. */
#ifndef SUAN_TEXT_ANSWER_H
#define SUAN_TEXT_ANSWER_H

#include "text/answer_call.h"

typedef enum suan__answer_state {
    SUAN__IN_START,     /* nothing but white space so far, or behind the reasoning */
    SUAN__IN_REASONING, /* behind <think> */
    SUAN__IN_TEXT,
    SUAN__IN_CALL,
    SUAN__IN_WHOLE,  /* Llama 3: kept to the end */
    SUAN__IN_HEADER, /* harmony: between messages, or in the header of one */
    SUAN__IN_CHANNEL /* harmony: in a message */
} suan__answer_state;

/* What harmony's header says of the message that follows. */
typedef enum suan__channel { SUAN__CHANNEL_TEXT, SUAN__CHANNEL_REASONING, SUAN__CHANNEL_CALL } suan__channel;

/* How far the call that comes has been handed over (answer_follow.c). */
typedef struct suan__follow {
    enum {
        SUAN__FOLLOW_SOUGHT, /* its arguments have not begun */
        SUAN__FOLLOW_OPEN,
        SUAN__FOLLOW_ENDED, /* their object is whole */
        SUAN__FOLLOW_WHOLE  /* it cannot be followed */
    } state;
    size_t at, n_given; /* where in the body the arguments begin, and how many bytes of them were handed over */
    uint32_t depth;
    bool in_string, is_escaped;
} suan__follow;

struct suan_answer {
    suan_answer_syntax syntax;
    bool has_calls, streams_calls;
    bool in_list;  /* IN_CALL: behind a call of a list */
    json_t *tools; /* NULL: none */
    suan_answer_fn *fn;
    void *ctx;
    suan_status status; /* the first that is not SUAN_OK stays */
    suan__answer_state state;
    suan__buf buf; /* what waits; behind `at` what is not taken yet */
    size_t at;
    size_t given;     /* harmony: bytes of the header that the prompt wrote, not the model */
    size_t body;      /* IN_CALL: bytes of newlines and mark before the call's body */
    size_t searched;  /* IN_CALL, IN_CHANNEL: bytes of the body that were searched for the end mark */
    size_t retry_at;  /* IN_CALL: an end mark was seen, but belongs to an argument: read again when the body is that long. 0: none seen */
    bool trims;       /* newlines that come first are dropped */
    bool has_thought; /* a reasoning block is behind us */
    uint32_t n_calls;
    suan__follow follow;
    suan__channel channel;
    suan__buf recipient; /* CHANNEL_CALL: the tool's name */
};

void suan__answer_emit(suan_answer *a, suan_answer_kind kind, const char *text, size_t n); /* nothing for n = 0 */
/* How many of the last bytes of s may be the beginning of one of the marks. */
size_t suan__answer_held_for(const char *s, size_t n, const char *const *marks, int n_marks);
/* Whether to read the call in `body` now: an end mark has come. After one that belongs to an argument (the caller sets retry_at) the body grows by
 * an eighth before it is read again, so that the work stays in proportion to its length. */
bool suan__answer_is_due(suan_answer *a, const char *body, size_t n, const char *const *marks, int n_marks, bool is_last);
/* Hands a call over, or what is left of it. */
void suan__answer_emit_call(suan_answer *a, const suan__call *call);
/* Hands over what there is of the call whose body (so far) this is. head NULL: nothing before it is whole, but for harmony, whose header has said the name. */
void suan__answer_follow(suan_answer *a, const char *body, size_t n, suan__call_head_fn *head);
bool suan__answer_has_begun(const suan_answer *a);
/* The call that has begun is none, or the answer ends in it. Returns how many bytes of the body belong to it. */
size_t suan__answer_break_call(suan_answer *a);

/* Whether the bytes fed so far end within reasoning; and whether reasoning may still come. */
bool suan__answer_is_thinking(const suan_answer *a);
bool suan__answer_may_think(const suan_answer *a);

/* harmony: the states, and the first from the prompt's end (may be NULL). */
bool suan__answer_in_header(suan_answer *a, bool is_last);
bool suan__answer_in_channel(suan_answer *a, bool is_last);
void suan__answer_start_harmony(suan_answer *a, const char *prompt, size_t n);

#endif
