/* chat.h: a conversation with a model: what the turns and the /commands share. */
#ifndef SUAN_CLI_CHAT_H
#define SUAN_CLI_CHAT_H

#include "base/error.h"
#include "cli/chat_file.h"
#include "cli/chat_line.h"
#include "cli/form.h"
#include "cli/open.h"
#include "cli/sampling.h"

typedef struct cli_chat {
    cli_engine_options engine;
    cli_sampling_options sampling_options;
    cli_form_options form_options;
    cli_form form;
    const cli_option *sampling_rows; /* the table of sampling_options, for /set */
    const char *now;                 /* NULL: the present time */
    suan_model *model, *draft;
    suan_session *session;
    cli_lines *lines;
    cli_conversation talk; /* its sampling and model are in use */
    suan_logit_bias *bias; /* borrowed by talk.sampling */
    bool has_failed;       /* something failed: the exit status when nobody sits at a terminal */
    bool is_over;          /* /exit */
} cli_chat;

/* Adds a message; bytes that are no UTF-8 and NULs become U+FFFD. */
suan_status cli_chat_add(cli_chat *chat, const char *role, const char *text, size_t n, suan_error *err);
/* Lets the model answer the last message, which is the user's. When that fails the message is taken back, and why is told. */
void cli_chat_answer(cli_chat *chat);
/* Does what a line that begins with / says. */
void cli_chat_command(cli_chat *chat, const char *line);

#endif
