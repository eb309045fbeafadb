/* ollama.h: what the files of the Ollama interface share. */
#ifndef SUAN_SERVE_OLLAMA_H
#define SUAN_SERVE_OLLAMA_H

#include "serve/fields.h"
#include "serve/gather.h"

extern const suan__dialect suan__ollama_dialect;
extern const suan__fields suan__ollama_chat_fields, suan__ollama_generate_fields, suan__ollama_message_fields, suan__ollama_call_fields,
    suan__ollama_function_fields, suan__ollama_tool_fields, suan__ollama_declaration_fields, suan__ollama_options_fields,
    suan__ollama_embed_fields, suan__ollama_embeddings_fields, suan__ollama_show_fields;

/* A request while it is answered; freed with the exchange. */
typedef struct suan__ollama {
    suan__gather gather;
    bool is_chat; /* else generate */
    bool is_stream, has_logprobs, has_failed;
    double begun; /* seconds, monotonic */
    suan_usage usage;
} suan__ollama;

bool suan__ollama_read_chat(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem);
/* options, format, think, logprobs: what chat and generate have in common. */
bool suan__ollama_read_common(suan__exchange *x, suan__ask *ask, const json_t *body, const suan__fields *fields, suan__ollama *o,
                              suan__problem *problem);
/* Unknown options are named in the header, not refused. ask may be NULL: they are only checked. */
bool suan__ollama_read_options(suan__exchange *x, suan__ask *ask, const json_t *options, suan__problem *problem);

/* suan__ask_fn; ctx is a suan__ollama. */
void suan__ollama_event(void *ctx, suan__exchange *x, const suan__ask_event *event);
/* The members that every reply has: model and created_at. */
json_t *suan__ollama_reply(const suan__exchange *x);
/* A request that only loads the model, or lets it go (both are nothing here). */
void suan__ollama_loaded(suan__exchange *x, const suan__ollama *o, bool is_unload);
json_int_t suan__ollama_ns(double seconds);
double suan__ollama_now(void); /* monotonic seconds */

/* ollama_models.c, ollama_embed.c */
suan__handler suan__ollama_tags, suan__ollama_show, suan__ollama_ps, suan__ollama_version, suan__ollama_unmanaged, suan__ollama_embed,
    suan__ollama_embeddings;

#endif
