/* progress.h: a line on stderr, if that is a terminal, that tells how far a long step is and how long the rest may take. */
#ifndef SUAN_CLI_PROGRESS_H
#define SUAN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum cli_unit { CLI_UNIT_BYTES, CLI_UNIT_TOKENS } cli_unit;

typedef struct cli_progress {
    const char *what; /* "loading", "reading the prompt" */
    cli_unit unit;
    bool is_on, is_shown;
    double start, last; /* seconds; last: when the line was last drawn */
} cli_progress;

/* Nothing is drawn in the first fifth of a second, nor when quiet. */
void cli_progress_init(cli_progress *p, const char *what, cli_unit unit);
/* A suan_progress_fn; ctx is the cli_progress. */
void cli_progress_step(void *ctx, uint64_t done, uint64_t total);
/* Wipes the line. */
void cli_progress_done(cli_progress *p);
/* "3 s", "2 min 10 s", "1 h 5 min" into s. */
const char *cli_duration(char s[32], double seconds);

#endif
