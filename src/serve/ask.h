/* ask.h: a request for an answer without the form of any interface: from messages to a prompt to events.
 *
 * An interface fills a suan__ask, calls suan__ask_start, and gets events, which it writes in its own form. Everything that interfaces have in common is here: the template, the
 * tokenizer, grammars, the taking apart of answers, usage, the ledger, cancelling when the client goes, slow readers, problems.
 */
#ifndef SUAN_SERVE_ASK_H
#define SUAN_SERVE_ASK_H

#include "serve/exchange.h"

typedef enum suan__format_kind {
    SUAN__FORMAT_FREE = 0,
    SUAN__FORMAT_JSON_OBJECT,
    SUAN__FORMAT_JSON_SCHEMA,
    SUAN__FORMAT_GBNF,
    SUAN__FORMAT_REGEX
} suan__format_kind;

/* Made by suan__ask_new, owned by the exchange. Pointers into the exchange's JSON stay good. */
typedef struct suan__ask {
    /* what is asked: exactly one of messages, text, ids */
    json_t *
        messages; /* in the OpenAI form, as templates take them: role, content (a string, or a list of {"type": "text", "text"}), reasoning_content, tool_calls (arguments: an
                         object), tool_call_id, name. A reference of its own. Bytes from the request never become control tokens. */
    const char *text; /* a plain prompt; BOS as the tokenizer wants it */
    size_t n_text;
    bool text_is_raw;   /* control tokens' spellings in text are control tokens (Ollama raw) */
    const int32_t *ids; /* a prompt of token ids */
    size_t n_ids;
    bool continues_last; /* messages: the last one is the assistant's and is gone on with (prefill) */
    json_t *tools;       /* OpenAI form; a reference of its own; NULL: none */
    suan_tool_choice tool_choice;
    const char *tool_name; /* SUAN_TOOLS_NAMED */
    bool one_call;
    json_t *
        template_extra; /* more variables for the template: enable_thinking, reasoning_effort, ...; a reference of its own; may not shadow messages, tools, ... */
    int think; /* -1: as the template does by itself; 0: off; 1: on; -2: off where the template lets it. With 0 what is opened all the same is closed again at once */

    int64_t think_budget; /* tokens of reasoning, behind which it is closed; -1: no limit. With think 0 none are */

    /* how it is answered */
    suan_request_params
        params; /* sampling, n_choices, max_tokens, stop (owned by the exchange's JSON), logprobs, pooling, ...: see suan__ask_new for what is set. ids, owner, events: not for interfaces */
    suan__format_kind format;
    const char *format_text; /* schema as JSON text, GBNF or expression */
    size_t n_format_text;
    bool
        streams_calls; /* calls come in parts: CALL_BEGIN, CALL_MORE, CALL_END instead of CALL; one that breaks off is such a call too, and no text */
    bool plain; /* the answer is not taken apart: all of it is text (completions, raw) */

    /* The reply's stream begins as soon as the batch has taken the request, before any event, so that keep-alives flow while the prompt waits and is read. NULL: the interface begins
     * what it replies itself. Static strings, as suan__stream_begin and suan__stream_keep_alive take them. */
    const char *stream_type, *stream_keep_alive;
} suan__ask;

typedef enum suan__ask_event_kind {
    SUAN__ASK_START = 0, /* usage.n_prompt and n_cached are known; before any other */
    SUAN__ASK_PROMPT,    /* prompt_logprobs: one token of the prompt in `tokens` */
    SUAN__ASK_REASONING, /* text */
    SUAN__ASK_TEXT,      /* text; may be empty where only logprobs come */
    SUAN__ASK_CALL, /* a whole call: name, arguments (JSON object as text), id ("call_" and 24 characters, or the model's own), index 0, 1, .. */
    SUAN__ASK_CALL_BEGIN, /* name, id, index */
    SUAN__ASK_CALL_MORE,  /* arguments: the next characters */
    SUAN__ASK_CALL_END,   /* is_broken */
    SUAN__ASK_CHOICE,     /* a choice has ended: finish */
    SUAN__ASK_EMBEDDING,
    SUAN__ASK_END /* usage; problem.kind not NONE: it failed. Once, the last; where it fails before START it is the only one */
} suan__ask_event_kind;

typedef enum suan__ask_finish {
    SUAN__ASK_STOP = 0,
    SUAN__ASK_STOP_STRING,
    SUAN__ASK_CALLS,
    SUAN__ASK_LENGTH,
    SUAN__ASK_CONTEXT
} suan__ask_finish;

typedef struct suan__token { /* with logprobs */
    int32_t id;
    const char *text; /* the token's bytes, which need not be UTF-8 */
    size_t n;
    float logprob; /* NAN: the first of a prompt */
    const suan_logprob *top;
    size_t n_top;
} suan__token;

typedef struct suan__ask_event {
    suan__ask_event_kind kind;
    uint32_t choice;
    const char *text; /* whole UTF-8 characters */
    size_t n_text;
    const char *name, *arguments, *id;
    size_t n_arguments;
    uint32_t index;
    bool is_broken;            /* the answer ends within the arguments */
    const suan__token *tokens; /* what was drawn since the last event of this choice, where logprobs are wanted */
    size_t n_tokens;
    suan__ask_finish finish;
    const char *stop; /* STOP_STRING: which */
    const float *values;
    uint32_t n_values;
    suan_usage usage;
    uint32_t n_reasoning; /* END: tokens of reasoning, all choices */
    const suan__problem *problem;
} suan__ask_event;

/* On one thread at a time: the worker or the batch's. Borrowed for the call. */
typedef void suan__ask_fn(void *ctx, suan__exchange *x, const suan__ask_event *event);

/* The defaults: the server's sampling (its options on top of the model's own); one choice; max_tokens 0: until the context is full. free_ctx (may be NULL) frees ctx with the
 * exchange. NULL: out of memory (a problem was replied). */
suan__ask *suan__ask_new(suan__exchange *x, suan__ask_fn *fn, void *ctx, void (*free_ctx)(void *));
/* Renders, encodes, compiles and submits. false: *problem says why, and no event comes. */
bool suan__ask_start(suan__exchange *x, suan__ask *ask, suan__problem *problem);
/* The two halves of start, for interfaces that ask for several answers at once: all are prepared on the worker, then submitted there or from an event of another (and then quickly).
 * The exchange's ledger row is written when all that were prepared have ended or were dropped. */
bool suan__ask_prepare(suan__exchange *x, suan__ask *ask, suan__problem *problem);
bool suan__ask_submit(suan__exchange *x, suan__ask *ask, suan__problem *problem);
/* Submit failed for want of room (the queue's or the key's): the ask is still prepared, to be submitted later or dropped. */
bool suan__ask_may_later(const suan__problem *problem);
/* Prepared, and will not be submitted; status: that of the problem, 0 where it is another's. Does nothing where it is not prepared. */
void suan__ask_drop(suan__exchange *x, suan__ask *ask, int status);
/* Ends it soon; END follows. */
void suan__ask_cancel(suan__ask *ask);
/* Replies the problem: as a reply of its own, or, where a stream has begun, within it, and ends that. */
void suan__ask_fail(suan__exchange *x, const suan__problem *problem);
/* Stop strings: v is NULL, a string or a list of strings (none empty, at most 64); they go to ask->params. */
bool suan__ask_stop(suan__exchange *x, suan__ask *ask, const json_t *v, const char *where, suan__problem *problem);
/* Checks a request's model name: true for this server's; NOT_FOUND otherwise. */
bool suan__ask_model(suan__exchange *x, const json_t *name, const char *where, suan__problem *problem);
/* Only counts the prompt's tokens. */
bool suan__ask_count(suan__exchange *x, suan__ask *ask, size_t *n_tokens, suan__problem *problem);

/* What a token is, for logprobs: its bytes; borrowed from the model. */
const char *suan__ask_token_bytes(const suan__exchange *x, int32_t id, size_t *n);
/* What the model can do, from its template: calls of tools; reasoning that can be turned on or off. */
bool suan__ask_has_tools(const suan__server *s);
bool suan__ask_has_thinking(const suan__server *s);
/* The usage extension of replies: {"queue_ms", "prompt_ms", "decode_ms", "busy_ms", "bytes_read", "joules", "cost", "currency"}; new reference. */
json_t *suan__usage_json(const suan__exchange *x, const suan_usage *usage);

#endif
