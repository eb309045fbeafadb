/* chat_file.h: conversations in files. What is loaded is untrusted: shape, sizes, roles and ranges are checked, then the checksum.
 *
 * A JSON object: format "suan chat 1", version, model {name, architecture, n_params}, system (string or null), messages [{role, content}]
 * (user and assistant in turn, user first), sampling {temperature, top_k, ...}, sha256: of the same object without this key, keys sorted,
 * compact, numbers with 9 digits.
 */
#ifndef SUAN_CLI_CHAT_FILE_H
#define SUAN_CLI_CHAT_FILE_H

#include <jansson.h>

#include "suan/suan.h"

enum {
    CLI_CHAT_MAX_BYTES = 64 << 20,  /* of a file */
    CLI_CHAT_MAX_CONTENT = 4 << 20, /* bytes of a message */
    CLI_CHAT_MAX_MESSAGES = 1 << 16,
    CLI_CHAT_MAX_NAME = 4096
};

typedef struct cli_conversation {
    json_t *system;   /* a string, or NULL */
    json_t *messages; /* an array of {role, content} */
    /* of the model that wrote it */
    json_t *model; /* {name, architecture, n_params} */
    suan_sampling sampling;
} cli_conversation;

/* Zeroed is fine. */
void cli_conversation_fini(cli_conversation *c);
/* The name of a model as it stands in the file: {name, architecture, n_params}; NULL: out of memory. */
json_t *cli_conversation_model(const suan_model_info *info);

/* Writes the file, whole or not at all. */
suan_status cli_chat_save(const cli_conversation *c, const char *path, suan_error *err);
/* *c: owned by the caller afterwards; untouched on failure. */
suan_status cli_chat_load(cli_conversation *c, const char *path, suan_error *err);
/* The same from n bytes of text; `path` is for messages. */
suan_status cli_chat_parse(cli_conversation *c, const char *text, size_t n, const char *path, suan_error *err);

#endif
