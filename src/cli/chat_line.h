/* chat_line.h: what the person types: edited on a terminal, with history; as it comes from a pipe or a file. */
#ifndef SUAN_CLI_CHAT_LINE_H
#define SUAN_CLI_CHAT_LINE_H

#include <stdbool.h>

#include "base/memory.h"

typedef struct cli_lines cli_lines;

typedef enum cli_line {
    CLI_LINE_OK,
    CLI_LINE_END,         /* Ctrl-D, or the end of the file */
    CLI_LINE_INTERRUPTED, /* Ctrl-C */
    CLI_LINE_FAILED       /* out of memory, a line beyond CLI_LINES_MAX_BYTES, or reading failed */
} cli_line;

enum { CLI_LINES_MAX_BYTES = 4 << 20 }; /* of one message */

/* NULL: out of memory. Edits when stdin and stdout are terminals; the history is then in $XDG_STATE_HOME/suan/history
 * (~/.local/state/suan/history), readable by its owner only. */
cli_lines *cli_lines_open(void);
void cli_lines_close(cli_lines *l); /* writes the history; NULL is fine */
bool cli_lines_is_terminal(const cli_lines *l);

/* One message, without its last newline: a line; lines that end in \ and what follows them; or what stands between a line """ and a line
 * """. `message` is emptied first. */
cli_line cli_lines_read(cli_lines *l, suan__buf *message);

#endif
