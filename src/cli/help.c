/* help.c: --help. Options stand in the order of their table, one line each where it fits. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/output.h"

enum { HELP_COLUMN = 30, HELP_WIDTH = 100 };

/* Words of `text` in lines that begin at `indent`; the cursor stands at `column`. */
static void wrap(suan__buf *b, const char *text, size_t column, size_t indent) {
    for (bool is_first = true; *text; is_first = false) {
        size_t n_word = strcspn(text, " ");
        if (!is_first && column + 1 + n_word > HELP_WIDTH) {
            suan__buf_printf(b, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            suan__buf_append(b, " ", 1);
            column++;
        }
        suan__buf_append(b, text, n_word);
        column += n_word;
        text += n_word + strspn(text + n_word, " ");
    }
    suan__buf_append(b, "\n", 1);
}

static void print_option(suan__buf *b, const cli_option *o) {
    size_t start = b->n;
    if (o->letter) {
        suan__buf_printf(b, "  -%c, --%s", o->letter, o->name);
    } else {
        suan__buf_printf(b, "      --%s", o->name);
    }
    if (o->value_name) suan__buf_printf(b, " %s", o->value_name);
    size_t column = b->n - start;
    if (column + 2 > HELP_COLUMN) {
        suan__buf_append(b, "\n", 1);
        column = 0;
    }
    suan__buf_printf(b, "%*s", (int)(HELP_COLUMN - column), "");
    wrap(b, o->help, HELP_COLUMN, HELP_COLUMN);
}

static bool put(suan__buf *b) {
    bool is_good = !b->failed && cli_put(b->data, b->n) && cli_flush();
    suan__buf_fini(b);
    return is_good;
}

bool cli_help_print(const cli_command *command, const cli_option *options) {
    suan__buf b = {0};
    suan__buf_printf(&b, "usage: suan %s %s\n\n%s.\n", command->name, command->usage, command->summary);
    if (options->kind != CLI_KIND_HEAD) suan__buf_printf(&b, "\n");
    for (; options->kind != CLI_KIND_END; options++) {
        if (options->kind == CLI_KIND_HEAD) {
            suan__buf_printf(&b, "\n%s\n", options->help);
        } else {
            print_option(&b, options);
        }
    }
    suan__buf_printf(&b, "  -h, --help%*sprints this\n", HELP_COLUMN - 12, "");
    if (command->details) suan__buf_printf(&b, "\n%s\n", command->details);
    suan__buf_printf(&b, "\nExit status: 0, 1 when it failed, 2 for a mistake in the command line.\n");
    return put(&b);
}

bool cli_put_names(char *text, size_t capacity, const char *head, const char *(*name)(size_t i)) {
    size_t at = strlen(head);
    if (at >= capacity) return false;
    memcpy(text, head, at + 1);
    for (size_t i = 0; name(i); i++) {
        size_t n = strlen(name(i));
        if (at + n + 3 > capacity) return false;
        memcpy(text + at, i ? ", " : " ", i ? 2 : 1);
        at += i ? 2 : 1;
        memcpy(text + at, name(i), n + 1);
        at += n;
    }
    return true;
}

bool cli_help_overview(const cli_command *const *commands, size_t n) {
    suan__buf b = {0};
    suan__buf_printf(&b, "usage: suan COMMAND [options]\n\nRuns open-weight language models, with the same bits on every machine.\n\n");
    for (size_t i = 0; i < n; i++) suan__buf_printf(&b, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    suan__buf_printf(&b, "\n  suan COMMAND --help   options of a command\n  suan --version        version, kernels in use, processor\n");
    return put(&b);
}
