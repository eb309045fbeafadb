/* answer.h: what a model wrote, taken apart while it streams: reasoning, text for people, tool calls.
 *
 *     suan_answer_options options = SUAN_ANSWER_OPTIONS_INIT;
 *     options.syntax = suan_answer_syntax_of(template_source, n_source);
 *     options.has_calls = true;
 *     options.prompt = rendered.text, options.n_prompt = rendered.n;
 *     suan_answer_create(&answer, &options, on_part, ctx, &err);
 *     suan_answer_feed(answer, piece->text, piece->n_text, &err);      for every piece
 *     suan_answer_finish(answer, &err);
 *     suan_answer_free(answer);
 *
 * The parts do not depend on how the text is cut into pieces, but for how reasoning and text are cut into parts. A call is handed over
 * when it is complete: a name, and arguments that are a JSON object. What looks like a call and is none (broken JSON, a second argument of
 * the same name, the end of the answer before the end of the call) comes as text, byte for byte: nothing is lost, nothing half is sent as whole.
 *
 * Reasoning and text lose what only separates them: newlines around a reasoning block and before and between calls.
 *
 * Threads: an answer is used by one thread at a time.
 */
#ifndef SUAN_ANSWER_H
#define SUAN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum suan_answer_syntax {
    SUAN_ANSWER_PLAIN = 0,   /* no calls; a <think> block all the same */
    SUAN_ANSWER_HERMES,      /* <tool_call>{"name": .., "arguments": ..}</tool_call>: Qwen2.5, Qwen3, Hermes */
    SUAN_ANSWER_QWEN3_CODER, /* <tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call> */
    SUAN_ANSWER_LLAMA3,      /* the whole answer is {"name": .., "parameters": ..}, or <|python_tag|>NAME.call(KEY="VALUE") */
    SUAN_ANSWER_DEEPSEEK_V3, /* the marker tokens of DeepSeek-V3, R1 (code fence) and V3.1 (none) */
    SUAN_ANSWER_DSML,        /* DeepSeek-V3.2 (function_calls) and V4 (tool_calls) */
    SUAN_ANSWER_KIMI,        /* Kimi K2: calls bring an id */
    SUAN_ANSWER_GLM,         /* <tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value></tool_call>: GLM-4.5 to GLM-5.2 */
    SUAN_ANSWER_HARMONY,     /* gpt-oss: channels */
    SUAN_ANSWER_MISTRAL_V3,  /* [TOOL_CALLS][{"name": .., "arguments": ..}, ..]: Mistral's tokenizers v3 and v7 */
    SUAN_ANSWER_MISTRAL,     /* [TOOL_CALLS]NAME[ARGS]{..}, with [CALL_ID]ID or without: tokenizers from v11 on */
    SUAN_ANSWER_COMMAND_R,   /* Action: and a list in a code fence: Command-R and R+ */
    SUAN_ANSWER_COMMAND_R7B, /* <|START_ACTION|>[{"tool_name": .., "parameters": ..}, ..]<|END_ACTION|>: R7B and later */
    SUAN_ANSWER_GRANITE,     /* <|tool_call|>[{"name": .., "arguments": ..}, ..] */
    SUAN_ANSWER_APRIEL,      /* <tool_calls>[{"name": .., "arguments": ..}, ..]</tool_calls> */
    SUAN_ANSWER_FUNCTOOLS,   /* functools[{"name": .., "arguments": ..}, ..]: Firefunction */
    SUAN_ANSWER_GIGACHAT3,   /* function call<|role_sep|> and {"name": .., "arguments": ..}, one, a message of its own: GigaChat 3 */
    SUAN_ANSWER_GIGACHAT31,  /* <|function_call|>{"name": .., "arguments": ..}, one: GigaChat 3.1 */
    SUAN_ANSWER_FUNCTIONARY, /* <function=NAME>{..}</function>: Functionary 3.1 */
    SUAN_N_ANSWER_SYNTAXES
} suan_answer_syntax;

/* The syntax that a chat template (its source) writes calls in; PLAIN when it knows none of them. */
SUAN_API suan_answer_syntax suan_answer_syntax_of(const char *template_source, size_t n);
/* "plain", "hermes", ...; NULL for a number that is none. */
SUAN_API const char *suan_answer_syntax_name(suan_answer_syntax syntax);
/* The inverse: false for a name that is none. */
SUAN_API bool suan_answer_syntax_parse(const char *name, suan_answer_syntax *syntax);

/* Whether the rendered prompt has opened the answer's reasoning at its end. */
SUAN_API bool suan_answer_opens_thinking(suan_answer_syntax syntax, const char *prompt, size_t n);
/* What ends the reasoning of an answer as the template (its source; NULL: any) writes it: for suan_think_limit. may_call: a call may follow. *reopen: the same, for reasoning that is
 * opened again behind it. Static strings. */
SUAN_API const char *suan_answer_think_end(suan_answer_syntax syntax, const char *template_source, size_t n, bool may_call,
                                           const char **reopen);

typedef struct suan_answer_options {
    suan_answer_syntax syntax;
    bool has_calls;     /* look for calls; without, their marks are text like other text */
    const char *prompt; /* the rendered prompt or the end of it: it may have opened the reasoning (or a channel) already. NULL: none */
    size_t n_prompt;
    /* The request's tools, a JSON array as the OpenAI interface has it. GLM and Qwen3-Coder write a string "5" and a number 5 alike: the
     * type that a tool declares for the parameter decides; without one, what reads as JSON is JSON. NULL: none. */
    const char *tools;
    size_t n_tools;
    /* Calls are handed over as they come: CALL_BEGIN, CALL_MORE for parts of the arguments, CALL_END, instead of CALL. Where the syntax writes the arguments as one JSON object behind the name,
     * that is as soon as the object begins; others come at once when they are complete. All CALL_MORE of a call joined are the text of its CALL. A call that breaks off
     * within its arguments has a CALL_END that says so, one that breaks off behind them is whole; neither is text, and where it is cut depends on the pieces. */
    bool streams_calls;
} suan_answer_options;
#define SUAN_ANSWER_OPTIONS_INIT \
    { SUAN_ANSWER_PLAIN, false, NULL, 0, NULL, 0, false }

typedef enum suan_answer_kind {
    SUAN_ANSWER_TEXT = 0,
    SUAN_ANSWER_REASONING,
    SUAN_ANSWER_CALL,
    SUAN_ANSWER_CALL_BEGIN, /* name, id, index */
    SUAN_ANSWER_CALL_MORE,  /* text: the next bytes of the arguments, never none */
    SUAN_ANSWER_CALL_END    /* is_broken */
} suan_answer_kind;

/* Borrowed for the callback. */
typedef struct suan_answer_part {
    suan_answer_kind kind;
    const char *text; /* TEXT, REASONING: the next bytes, never none. CALL: the arguments, one JSON object as the model wrote it */
    size_t n;
    const char *name; /* CALL, CALL_BEGIN: of the tool, NUL-terminated */
    const char *id;   /* the same: as the model wrote it, NUL-terminated; NULL when the syntax has none */
    uint32_t index;   /* CALL and its parts: 0, 1, .. */
    bool is_broken;   /* CALL_END: the arguments are not whole */
} suan_answer_part;
/* A value other than 0 stops: feed or finish returns SUAN_STOPPED. */
typedef int suan_answer_fn(void *ctx, const suan_answer_part *part);

typedef struct suan_answer suan_answer;

/* options->prompt and options->tools are borrowed for the call. Errors: SUAN_EINVAL (tools are no JSON array; a syntax that is none),
 * SUAN_ENOMEM. *answer is NULL on failure. */
SUAN_API suan_status suan_answer_create(suan_answer **answer, const suan_answer_options *options, suan_answer_fn *fn, void *ctx,
                                        suan_error *err);
/* The next n bytes of the answer, cut anywhere. Errors: SUAN_ENOMEM, SUAN_STOPPED; then only suan_answer_free may follow. */
SUAN_API suan_status suan_answer_feed(suan_answer *answer, const char *text, size_t n, suan_error *err);
/* The answer has ended: hands over what was held back. Nothing may be fed behind it. */
SUAN_API suan_status suan_answer_finish(suan_answer *answer, suan_error *err);
SUAN_API void suan_answer_free(suan_answer *answer); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
