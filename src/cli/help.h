/* help.h: the help of a command, made from its table. */
#ifndef SUAN_CLI_HELP_H
#define SUAN_CLI_HELP_H

#include "cli/args.h"

/* Prints usage, options and details on stdout; false when stdout takes no more (told on stderr). */
bool cli_help_print(const cli_command *command, const cli_option *options);
/* Prints the overview of the program. */
bool cli_help_overview(const cli_command *const *commands, size_t n);

/* head and the names of a list, as a help text that is made of both; false when it does not fit into capacity bytes. */
bool cli_put_names(char *text, size_t capacity, const char *head, const char *(*name)(size_t i));

#endif
