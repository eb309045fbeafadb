/* output.h: what the program writes: stdout with every failure seen, JSON that is always valid, text that cannot drive a terminal, messages
 * on stderr.
 */
#ifndef SUAN_CLI_OUTPUT_H
#define SUAN_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "suan/status.h"

/* Before anything else: ignores SIGPIPE and makes sure that no file takes the place of a closed stdin, stdout or stderr. */
void cli_output_init(void);

/* Writes to stdout, buffered. false once stdout has failed; the reason is told on stderr, once, except when the reader of a pipe is gone.
 */
bool cli_put(const void *data, size_t n);
bool cli_flush(void);
/* 0 while stdout works, 1 after a failure, 141 (as if killed by SIGPIPE) when the reader is gone. Flushes first. */
int cli_output_exit(void);
bool cli_stdout_is_terminal(void);

/* Text of a model: as it is into files and pipes; on a terminal, control characters (except newline and tab) and invalid UTF-8 appear in a
 * visible form, so that a model cannot move the cursor, set the title or answer in our name. */
bool cli_put_model_text(const char *text, size_t n);
/* The visible form, in suan__malloc'ed memory; *n_out bytes. NULL: out of memory. */
char *cli_visible(const char *text, size_t n, size_t *n_out);

/* A JSON string of any bytes: invalid UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *cli_json_text(const char *text, size_t n);
/* One object and a newline. Takes the reference. NULL is told as out of memory. */
bool cli_put_json(json_t *value);
/* The same text with U+FFFD for what is no UTF-8, NUL-terminated, in suan__malloc'ed memory. */
char *cli_valid_utf8(const char *text, size_t n, size_t *n_out);

/* "suan COMMAND: message" on stderr; returns 1. */
int cli_fail(const char *command, const suan_error *err);
int cli_failf(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line on stderr for the person; nothing after cli_be_quiet. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_be_quiet(void);
bool cli_is_quiet(void);

/* Seconds of a clock that only goes forward. */
double cli_seconds(void);
/* "61.3 MiB" into s. */
const char *cli_bytes(char s[32], double n);

#endif
