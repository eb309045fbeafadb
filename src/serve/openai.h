/* openai.h: what the files of OpenAI's interfaces share: models, chat completions, completions, embeddings, and responses. */
#ifndef SUAN_SERVE_OPENAI_H
#define SUAN_SERVE_OPENAI_H

#include "serve/ask.h"
#include "serve/fields.h"
#include "serve/gather.h"
#include "serve/server.h"

extern const suan__dialect suan__openai_dialect, suan__responses_dialect;
extern const suan__fields suan__openai_chat_fields, suan__openai_message_fields, suan__openai_part_fields, suan__openai_call_fields,
    suan__openai_call_function_fields, suan__openai_tool_fields, suan__openai_function_fields, suan__openai_format_fields,
    suan__openai_schema_fields, suan__openai_stream_fields, suan__openai_choice_fields, suan__openai_choice_function_fields,
    suan__openai_completion_fields, suan__openai_embedding_fields;
extern const suan__fields suan__responses_fields, suan__responses_message_fields, suan__responses_part_fields, suan__responses_call_fields,
    suan__responses_output_fields, suan__responses_reasoning_fields, suan__responses_tool_fields, suan__responses_text_fields,
    suan__responses_format_fields, suan__responses_effort_fields, suan__responses_choice_fields, suan__responses_stream_fields;

suan__handler suan__openai_chat, suan__openai_completions, suan__openai_embeddings, suan__openai_models, suan__openai_model;

/* ---- requests (openai_request.c) ---- */

/* What chat, completions and responses have in common: model, sampling, stop, seed, ... of a body that was checked against `fields`. */
bool suan__openai_sampling(suan__exchange *x, suan__ask *ask, const json_t *body, const suan__fields *fields, suan__problem *problem);
/* {"type": "text" | "json_object" | "json_schema"}; schema: the member that holds name, schema, strict (for responses the same object). */
bool suan__openai_format(suan__exchange *x, suan__ask *ask, const json_t *format, const json_t *schema, const char *where,
                         suan__problem *problem);
/* The extensions `grammar` and `regex`; they and a format exclude one another. */
bool suan__openai_extensions(suan__ask *ask, const json_t *body, const suan__fields *fields, suan__problem *problem);
/* "none" turns reasoning off; the other words go to the template where it knows them. */
bool suan__openai_effort(suan__exchange *x, suan__ask *ask, const json_t *effort, const char *where, suan__problem *problem);
/* The extension `thinking_budget`. */
void suan__openai_budget(suan__ask *ask, const json_t *budget);
/* "none", "auto", "required" or the name of a function; the name must be a tool's. */
bool suan__openai_tool_choice(suan__ask *ask, const char *word, const char *name, const char *where, suan__problem *problem);
/* Arguments of a call as an object, from JSON text or an object; NULL: *problem. */
json_t *suan__openai_arguments(const json_t *arguments, const char *where, suan__problem *problem);
/* openai_messages.c: messages and tools of a chat. */
bool suan__openai_messages(suan__exchange *x, suan__ask *ask, const json_t *messages, suan__problem *problem);
bool suan__openai_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem);

/* ---- replies (openai_reply.c) ---- */

/* "chatcmpl-" and the like in front of the characters of the request's id. */
#define SUAN__OPENAI_ID 64
const char *suan__openai_id(char id[SUAN__OPENAI_ID], const suan__exchange *x, const char *prefix);
int64_t suan__openai_now(void); /* seconds since 1970 */
/* {"prompt_tokens", ...} with the extension "suan". */
json_t *suan__openai_usage(const suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning);
/* One token as chat and responses have it: token, logprob, bytes, top_logprobs. */
json_t *suan__openai_token(const suan__exchange *x, const suan__token *token);
json_t *suan__openai_tokens(const suan__exchange *x, const suan__token *tokens, size_t n);
const char *suan__openai_fingerprint(const suan__exchange *x); /* of the computation: equal ones, and equal requests, give equal bits */
/* The error object, in "error". */
json_t *suan__openai_error(const suan__exchange *x, const suan__problem *problem);
const char *suan__openai_error_code(const suan__problem *problem);

#define SUAN__OPENAI_KEEP_ALIVE ": \n\n"
#define SUAN__EVENT_STREAM "text/event-stream"

#endif
