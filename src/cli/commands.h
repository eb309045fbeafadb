/* commands.h: the subcommands; each is one file. */
#ifndef SUAN_CLI_COMMANDS_H
#define SUAN_CLI_COMMANDS_H

#include "cli/args.h"

extern const cli_command cli_command_bench, cli_command_chat, cli_command_convert, cli_command_inspect, cli_command_key, cli_command_run,
    cli_command_serve, cli_command_template, cli_command_tokenize, cli_command_usage;

#endif
