/* logits_file.h: the logits of every token fed, streamed into a safetensors file that appears whole or not at all.
 *
 * Layout     logits F32 [N, V] and ids I32 [N], row i: the logits after token ids[i]; metadata "profile": the numeric profile
 * Errors     kept until cli_logits_file_finish, because rows arrive in a callback
 */
#ifndef SUAN_CLI_LOGITS_FILE_H
#define SUAN_CLI_LOGITS_FILE_H

#include "base/file.h"
#include "suan/session.h"

typedef struct cli_logits_file {
    suan__out out;
    uint32_t n_vocab, n_ctx;
    int32_t *ids; /* n_ctx of them, n_ids filled */
    size_t n_ids;
    suan_error err; /* the first failure */
} cli_logits_file;

suan_status cli_logits_file_open(cli_logits_file *f, const char *path, uint32_t n_vocab, uint32_t n_ctx, suan_error *err);
/* A suan_logits_fn; ctx is the cli_logits_file. Stops the session when the disk is full. */
int cli_logits_file_row(void *ctx, uint32_t position, int32_t id, const float *logits);
/* Completes the file, or removes it and says why. */
suan_status cli_logits_file_finish(cli_logits_file *f, const char *profile, suan_error *err);
void cli_logits_file_abort(cli_logits_file *f); /* after finish: nothing */

#endif
