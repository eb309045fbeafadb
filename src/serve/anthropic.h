/* anthropic.h: what the files of the Messages interface share. */
#ifndef SUAN_SERVE_ANTHROPIC_H
#define SUAN_SERVE_ANTHROPIC_H

#include "serve/fields.h"
#include "serve/gather.h"

extern const suan__dialect suan__anthropic_dialect;
extern const suan__fields suan__anthropic_message_fields, suan__anthropic_count_fields, suan__anthropic_turn_fields,
    suan__anthropic_thinking_fields, suan__anthropic_choice_fields, suan__anthropic_output_fields, suan__anthropic_format_fields,
    suan__anthropic_tool_fields, suan__anthropic_metadata_fields, suan__anthropic_source_fields;
/* The table of a content block by its "type"; NULL: it is known to nobody. *refusal: NULL, or why blocks of this type are refused. */
const suan__fields *suan__anthropic_block_fields(const char *type, const char **refusal);

/* A request while it is answered; freed with the exchange. */
typedef struct suan__anthropic {
    suan__gather gather;
    bool is_stream;
    bool hides_thinking; /* thinking.display "omitted" */
    bool has_started;    /* message_start was written */
    bool has_failed;
    bool has_edits;   /* context_management was given: the reply says that nothing was edited */
    uint32_t i_block; /* stream: of the block that is open */
    int open;         /* suan__part_kind of that block; -1: none */
    suan_usage usage; /* of START, then of END */
    uint32_t n_reasoning;
} suan__anthropic;

/* Fills the ask from a request that has been checked against its table: messages, tools, thinking, form. */
bool suan__anthropic_read(suan__exchange *x, suan__ask *ask, const json_t *body, suan__anthropic *a, suan__problem *problem);
bool suan__anthropic_read_messages(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem);
bool suan__anthropic_read_tools(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem);

/* suan__ask_fn; ctx is a suan__anthropic. */
void suan__anthropic_event(void *ctx, suan__exchange *x, const suan__ask_event *event);

#define SUAN__ANTHROPIC_KEEP_ALIVE "event: ping\ndata: {\"type\": \"ping\"}\n\n"
#define SUAN__ANTHROPIC_SIGNATURE "c3Vhbi0x" /* base64 of "suan-1": thinking comes back as plain text, so there is nothing to sign */

#endif
