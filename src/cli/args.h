/* args.h: options of the command line, from tables.
 *
 *     struct { const char *model; uint32_t n; } o = {0};
 *     const cli_option options[] = {
 *         CLI_TEXT('m', "model", &o.model, "MODEL", "GGUF file or directory of the model"),
 *         CLI_U32('n', "tokens", &o.n, NULL, 0, UINT32_MAX, "N", "tokens to write at most"),
 *         CLI_END};
 *
 * A row says how an option is written, what values it takes, and where the value goes; parsing, help, suggestions for misspelt names and
 * chat's /set come from the same rows. Numbers are read strictly: base 10, the whole word, inside the range of the row.
 */
#ifndef SUAN_CLI_ARGS_H
#define SUAN_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

typedef enum cli_kind {
    CLI_KIND_END = 0, /* the last row */
    CLI_KIND_HEAD,    /* no option: a headline in the help */
    CLI_KIND_FLAG,    /* bool, takes no value */
    CLI_KIND_TEXT,    /* const char *, borrowed from argv */
    CLI_KIND_TEXTS,   /* cli_texts, may be repeated */
    CLI_KIND_U32,
    CLI_KIND_I32,
    CLI_KIND_U64, /* up to 2^63 - 1, which JSON readers keep whole more often than not */
    CLI_KIND_F32,
    CLI_KIND_CHOICE /* int: the index of the word in a list */
} cli_kind;

typedef struct cli_texts {
    const char **items; /* n of them, owned (cli_texts_fini); the strings are borrowed */
    size_t n;
} cli_texts;
void cli_texts_fini(cli_texts *t);

typedef struct cli_option {
    cli_kind kind;
    char letter;            /* 0: none */
    const char *name;       /* without dashes */
    void *value;            /* what the kind says */
    bool *is_given;         /* set to true when the option is there; may be NULL */
    double min, max;        /* of numbers, both included */
    const char *words;      /* of a choice: "f16|f32" */
    const char *value_name; /* name of the value in the help; NULL for flags */
    const char *help;
} cli_option;

/* clang-format off */
#define CLI_HEAD(text)                                  {CLI_KIND_HEAD, 0, NULL, NULL, NULL, 0, 0, NULL, NULL, text}
#define CLI_FLAG(letter, name, value, help)             {CLI_KIND_FLAG, letter, name, value, NULL, 0, 0, NULL, NULL, help}
#define CLI_TEXT(letter, name, value, value_name, help)     {CLI_KIND_TEXT, letter, name, value, NULL, 0, 0, NULL, value_name, help}
#define CLI_TEXTS(letter, name, value, value_name, help)    {CLI_KIND_TEXTS, letter, name, value, NULL, 0, 0, NULL, value_name, help}
#define CLI_U32(letter, name, value, given, min, max, value_name, help) {CLI_KIND_U32, letter, name, value, given, min, max, NULL, value_name, help}
#define CLI_I32(letter, name, value, given, min, max, value_name, help) {CLI_KIND_I32, letter, name, value, given, min, max, NULL, value_name, help}
#define CLI_U64(letter, name, value, given, value_name, help) {CLI_KIND_U64, letter, name, value, given, 0, 0, NULL, value_name, help}
#define CLI_F32(letter, name, value, given, min, max, value_name, help) {CLI_KIND_F32, letter, name, value, given, min, max, NULL, value_name, help}
#define CLI_CHOICE(letter, name, value, words, help)    {CLI_KIND_CHOICE, letter, name, value, NULL, 0, 0, words, words, help}
#define CLI_END                                         {CLI_KIND_END, 0, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL}
/* clang-format on */

typedef struct cli_command {
    const char *name;
    const char *usage;   /* "[options] MODEL" */
    const char *summary; /* one line */
    const char *details; /* paragraphs below the options, or NULL */
    int (*main)(const struct cli_command *command, int argc, char **argv);
} cli_command;

typedef enum cli_parsed { CLI_PARSED_OK, CLI_PARSED_HELP, CLI_PARSED_BAD, CLI_PARSED_FAILED } cli_parsed;
/* The exit status of a command whose options were not CLI_PARSED_OK. */
int cli_parsed_exit(cli_parsed parsed);

/* Reads argv[1..argc). Words that are no options go to `words` (at most max_words). --help prints the help on stdout (CLI_PARSED_HELP); a
 * mistake is told on stderr (CLI_PARSED_BAD); CLI_PARSED_FAILED: the help could not be written. */
cli_parsed cli_parse(const cli_command *command, const cli_option *options, int argc, char **argv, cli_texts *words, size_t max_words);
/* The row of a name without dashes; NULL when there is none. */
const cli_option *cli_option_find(const cli_option *options, const char *name);
/* Puts the value into the row's place. */
suan_status cli_option_set(const cli_option *option, const char *text, suan_error *err);
/* The name of the table that is nearest to a misspelt one, NULL when none is near. next: gives the i-th name, NULL after the last. */
const char *cli_nearest(const char *word, const char *(*next)(const void *ctx, size_t i), const void *ctx);
/* Tells a mistake in the use of a command on stderr, with a pointer to --help; returns 2. */
int cli_usage_error(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Strict numbers: base 10, the whole text, in range; false otherwise. */
bool cli_parse_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *value);
bool cli_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *value);
/* [+-]digits[.digits][e[+-]digits], finite. Independent of the locale. */
bool cli_parse_f64(const char *s, size_t n, double *value);

#endif
