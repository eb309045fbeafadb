/* prompt.h: from what the person gave to the ids that the model reads. */
#ifndef SUAN_CLI_PROMPT_H
#define SUAN_CLI_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/suan.h"

typedef struct cli_prompt_options {
    const char *text, *file, *ids; /* one of them */
    const char *system;            /* NULL: none */
    const char *now;               /* NULL: the present time */
    bool is_raw, parse_special;
} cli_prompt_options;

/* The largest prompt that is read from a file or a pipe. */
#define CLI_PROMPT_MAX_BYTES ((uint64_t)1 << 28)

/* The whole of a file, of a named pipe or device (as <(command) makes them), or with "-" of stdin, of at most max bytes; a NUL behind it is
 * not counted. *text: owned by the caller (suan__free). */
suan_status cli_slurp(const char *path, uint64_t max, char **text, size_t *n, suan_error *err);

/* What the model is asked; zeroed before the first use. */
typedef struct cli_prompt {
    char *text; /* n bytes; NULL when ids were given */
    size_t n;
    int32_t *ids;
    size_t n_ids;
    bool used_template; /* the model's chat template was applied */
    char *rendered;     /* what it wrote; NULL without it. Freed by cli_prompt_fini */
} cli_prompt;

/* Reads the text, file or ids: all that can be done, and refused, before a model is loaded. */
suan_status cli_prompt_read(const cli_prompt_options *o, cli_prompt *p, suan_error *err);
/* Turns what was read into ids of the model. */
suan_status cli_prompt_encode(const cli_prompt_options *o, cli_prompt *p, const suan_model *model, suan_error *err);
void cli_prompt_fini(cli_prompt *p);

/* Text to ids with the flags of suan_tokenizer_encode. *ids: owned by the caller (suan_free). */
suan_status cli_text_encode(const suan_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t **ids, size_t *n_ids,
                            suan_error *err);
/* "5,17,300" (a comma or blanks between two) to ids; n bytes of text. *ids: owned by the caller (suan_free). */
suan_status cli_ids_parse(const char *what, const char *text, size_t n, int32_t **ids, size_t *n_ids, suan_error *err);
/* The request of a chat template: {"messages": [...], "add_generation_prompt": true}, NUL-terminated, owned by the caller (free). system
 * may be NULL. messages: a JSON array of {role, content}, borrowed. */
struct json_t;
suan_status cli_chat_request(const char *system, size_t n_system, struct json_t *messages, char **request, suan_error *err);

#endif
