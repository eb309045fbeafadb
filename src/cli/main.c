/* main.c: the program: finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/open.h"
#include "cli/output.h"
#include "suan/log.h"

static const cli_command *const commands[] = {&cli_command_run,     &cli_command_chat,  &cli_command_serve,    &cli_command_inspect,
                                              &cli_command_convert, &cli_command_bench, &cli_command_tokenize, &cli_command_template,
                                              &cli_command_usage,   &cli_command_key};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const char *command_name(const void *ctx, size_t i) {
    return i < N_COMMANDS ? commands[i]->name : NULL;
}

static const cli_command *find(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    return NULL;
}

static int print_version(void) {
    char text[1024];
    const char *limit = cli_cpu_level(NULL), *level = suan_cpu_level(limit);
    if (!level)
        return cli_failf("--version",
                         "SUAN_CPU=%s: this processor has no such level; there are c, avx2, avxvnni, avx512, amx, neon, dotprod and i8mm",
                         limit);
    int n = snprintf(text, sizeof text, "suan %s\nkernels: %s%s\nprocessor: %s\n", suan_version(), level,
                     limit ? " (limited by SUAN_CPU)" : "", suan_cpu_features());
    cli_put(text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    return cli_output_exit();
}

static int print_overview(void) {
    return cli_help_overview(commands, N_COMMANDS) ? 0 : cli_output_exit();
}

static int fail_unknown(const char *word) {
    suan_error shown = {0};
    suan__fail(&shown, SUAN_EINVAL, "\"%s\" is not a command", word); /* cleans what the word holds */
    const char *near = cli_nearest(word, command_name, NULL);
    fprintf(stderr, "suan: %s", shown.message);
    if (near) fprintf(stderr, "; did you mean \"%s\"?", near);
    fprintf(stderr, "\nTry \"suan --help\".\n");
    return 2;
}

static void warn(void *ctx, suan_log_level level, const char *message) {
    fprintf(stderr, "suan: warning: %s\n", message);
}

int main(int argc, char **argv) {
    suan_error err = {0};
    cli_output_init();
    suan_log_set(warn, NULL, SUAN_LOG_WARN);
    if (suan__map_guard_install(&err) != SUAN_OK) return cli_fail("start", &err);
    if (argc < 2) {
        fprintf(stderr, "suan: no command given\nTry \"suan --help\".\n");
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) return print_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return print_overview();
    if (strcmp(argv[1], "help") == 0) {
        if (argc < 3) return print_overview();
        const cli_command *command = find(argv[2]);
        char help[] = "--help", *help_argv[] = {argv[2], help, NULL};
        return command ? command->main(command, 2, help_argv) : fail_unknown(argv[2]);
    }
    const cli_command *command = find(argv[1]);
    if (!command) return fail_unknown(argv[1]);
    return command->main(command, argc - 1, argv + 1);
}
