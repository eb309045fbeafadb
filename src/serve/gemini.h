/* gemini.h: what the files of the Gemini interface share. Every member has two spellings, camelCase and snake_case, as protobuf's JSON has it. */
#ifndef SUAN_SERVE_GEMINI_H
#define SUAN_SERVE_GEMINI_H

#include "serve/fields.h"
#include "serve/gather.h"

extern const suan__dialect suan__gemini_dialect;
extern const suan__fields suan__gemini_generate_fields, suan__gemini_config_fields, suan__gemini_thinking_fields,
    suan__gemini_content_fields, suan__gemini_part_fields, suan__gemini_call_fields, suan__gemini_response_fields, suan__gemini_tool_fields,
    suan__gemini_declaration_fields, suan__gemini_tool_config_fields, suan__gemini_calling_fields, suan__gemini_safety_fields,
    suan__gemini_schema_fields, suan__gemini_count_fields, suan__gemini_embed_fields, suan__gemini_batch_embed_fields;

/* A request while it is answered; freed with the exchange. */
typedef struct suan__gemini {
    suan__gather gather;
    bool is_stream;
    bool is_array;     /* a stream that is one JSON array: streamGenerateContent without alt=sse */
    bool has_object;   /* of the array: an object was written */
    bool has_thoughts; /* they are part of the reply */
    bool has_logprobs;
    bool has_failed;
    double *sum_logprobs; /* of each choice */
    uint64_t *n_logprobs;
    suan_usage usage;
    uint32_t n_reasoning;
} suan__gemini;

/* Fill the ask from a request; they check every object against its table. */
bool suan__gemini_read(suan__exchange *x, suan__ask *ask, const json_t *body, suan__gemini *g, suan__problem *problem);
/* generationConfig alone. */
bool suan__gemini_read_config(suan__exchange *x, suan__ask *ask, const json_t *config, suan__gemini *g, suan__problem *problem);
bool suan__gemini_read_contents(suan__exchange *x, suan__ask *ask, const json_t *body, const suan__fields *fields, suan__problem *problem);
bool suan__gemini_read_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem);
/* The text of a content, which may hold nothing else. false: *problem says why. */
bool suan__gemini_text(suan__exchange *x, const json_t *content, const char *where, suan__buf *b, suan__problem *problem);
/* A Schema (types in capitals, nullable, propertyOrdering) as a JSON Schema: new reference. NULL: *problem says why. */
json_t *suan__gemini_schema(suan__exchange *x, const json_t *schema, const char *where, suan__problem *problem);

/* suan__ask_fn; ctx is a suan__gemini. */
void suan__gemini_event(void *ctx, suan__exchange *x, const suan__ask_event *event);
/* Writes an object of a stream in its form; steals the reference. */
void suan__gemini_send(suan__gemini *g, suan__exchange *x, json_t *object);

#endif
