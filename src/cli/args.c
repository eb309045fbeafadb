/* args.c: reading a command line by the rows of a table. */
#include "cli/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/help.h"
#include "cli/output.h"

enum { MAX_OPTIONS = 96, MAX_WORD = 32 };

void cli_texts_fini(cli_texts *t) {
    suan__free(t->items);
    *t = (cli_texts){0};
}

static suan_status texts_add(cli_texts *t, const char *text, suan_error *err) {
    const char **items = suan__realloc(t->items, t->n + 1, sizeof *items);
    SUAN_CHECK(items, SUAN_ENOMEM, "out of memory");
    t->items = items;
    t->items[t->n++] = text;
    return SUAN_OK;
}

/* ---- values */

static suan_status set_integer(const cli_option *o, const char *text, suan_error *err) {
    size_t n = strlen(text);
    int64_t v = 0;
    SUAN_CHECK(cli_parse_i64(text, n, (int64_t)o->min, (int64_t)o->max, &v), SUAN_ERANGE,
               "--%s: \"%s\" is not a whole number from %.0f to %.0f", o->name, text, o->min, o->max);
    if (o->kind == CLI_KIND_U32) {
        *(uint32_t *)o->value = (uint32_t)v;
    } else {
        *(int32_t *)o->value = (int32_t)v;
    }
    return SUAN_OK;
}

static suan_status set_choice(const cli_option *o, const char *text, suan_error *err) {
    size_t n = strlen(text);
    int i = 0;
    for (const char *word = o->words; *word; i++) {
        size_t n_word = strcspn(word, "|");
        if (n_word == n && memcmp(word, text, n) == 0) {
            *(int *)o->value = i;
            return SUAN_OK;
        }
        word += n_word + (word[n_word] == '|');
    }
    return suan__fail(err, SUAN_EINVAL, "--%s: \"%s\" is not one of %s", o->name, text, o->words);
}

suan_status cli_option_set(const cli_option *o, const char *text, suan_error *err) {
    double f = 0;
    switch (o->kind) {
    case CLI_KIND_END:
    case CLI_KIND_HEAD:
        return suan__fail(err, SUAN_EINTERNAL, "a headline takes no value");
    case CLI_KIND_FLAG:
        *(bool *)o->value = true;
        break;
    case CLI_KIND_TEXT:
        *(const char **)o->value = text;
        break;
    case CLI_KIND_TEXTS:
        SUAN_TRY(texts_add(o->value, text, err));
        break;
    case CLI_KIND_U32:
    case CLI_KIND_I32:
        SUAN_TRY(set_integer(o, text, err));
        break;
    case CLI_KIND_U64:
        SUAN_CHECK(cli_parse_u64(text, strlen(text), INT64_MAX, o->value), SUAN_ERANGE,
                   "--%s: \"%s\" is not a whole number from 0 to 9223372036854775807", o->name, text);
        break;
    case CLI_KIND_F32:
        SUAN_CHECK(cli_parse_f64(text, strlen(text), &f) && f >= o->min && f <= o->max, SUAN_ERANGE,
                   "--%s: \"%s\" is not a number from %g to %g", o->name, text, o->min, o->max);
        *(float *)o->value = (float)f;
        break;
    case CLI_KIND_CHOICE:
        SUAN_TRY(set_choice(o, text, err));
        break;
    }
    if (o->is_given) *o->is_given = true;
    return SUAN_OK;
}

/* ---- finding rows */

static const cli_option *find_by_name(const cli_option *options, const char *name, size_t n) {
    for (; options->kind != CLI_KIND_END; options++) {
        if (options->name && strlen(options->name) == n && memcmp(options->name, name, n) == 0) return options;
    }
    return NULL;
}

static const cli_option *find_by_letter(const cli_option *options, char letter) {
    for (; options->kind != CLI_KIND_END; options++) {
        if (options->letter && options->letter == letter) return options;
    }
    return NULL;
}

const cli_option *cli_option_find(const cli_option *options, const char *name) {
    return find_by_name(options, name, strlen(name));
}

/* ---- nearest name */

/* Levenshtein distance with swaps of neighbours counted as one step; words longer than MAX_WORD are far from everything. */
static size_t distance(const char *a, const char *b) {
    size_t n_a = strlen(a), n_b = strlen(b), rows[3][MAX_WORD + 1];
    if (n_a > MAX_WORD || n_b > MAX_WORD) return SIZE_MAX;
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n_b; j++) last[j] = j, before[j] = 0;
    for (size_t i = 1; i <= n_a; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < d) d = last[j] + 1;
            if (row[j - 1] + 1 < d) d = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < d) d = before[j - 2] + 1;
            row[j] = d;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[n_b];
}

const char *cli_nearest(const char *word, const char *(*next)(const void *ctx, size_t i), const void *ctx) {
    const char *best = NULL, *name;
    size_t best_distance = strlen(word) / 3 + 1; /* one mistake in a short word, three in a long one */
    if (best_distance > 3) best_distance = 3;
    for (size_t i = 0; (name = next(ctx, i)); i++) {
        size_t d = strncmp(name, word, strlen(word)) == 0 && strlen(word) > 2 ? 1 : distance(word, name);
        if (d < best_distance || (d == best_distance && !best)) {
            best_distance = d;
            best = name;
        }
    }
    return best;
}

static const char *option_name(const void *ctx, size_t i) {
    const cli_option *o = ctx;
    for (; o->kind != CLI_KIND_END; o++) {
        if (o->name && i-- == 0) return o->name;
    }
    return NULL;
}

/* ---- the command line */

int cli_usage_error(const cli_command *command, const char *format, ...) {
    suan_error err = {0};
    va_list args;
    va_start(args, format);
    suan__message_format(err.message, sizeof err.message, format, args);
    va_end(args);
    fprintf(stderr, "suan %s: %s\nTry \"suan %s --help\".\n", command->name, err.message, command->name);
    return 2;
}

static cli_parsed fail_unknown(const cli_command *command, const cli_option *options, const char *arg, size_t n_name) {
    char name[MAX_WORD + 1];
    const char *near = NULL;
    if (n_name <= MAX_WORD) {
        memcpy(name, arg + 2, n_name);
        name[n_name] = 0;
        near = cli_nearest(name, option_name, options);
    }
    if (near) {
        cli_usage_error(command, "unknown option %.*s; did you mean --%s?", (int)(n_name + 2), arg, near);
    } else {
        cli_usage_error(command, "unknown option %.*s", (int)(n_name + 2), arg);
    }
    return CLI_PARSED_BAD;
}

/* One option and, where it takes one, its value; *i moves past both. */
static cli_parsed parse_option(const cli_command *command, const cli_option *options, int argc, char **argv, int *i, bool *seen) {
    const char *arg = argv[*i], *value = NULL;
    const cli_option *o;
    suan_error err = {0};
    if (arg[1] == '-') {
        size_t n_name = strcspn(arg + 2, "=");
        o = find_by_name(options, arg + 2, n_name);
        if (!o) return fail_unknown(command, options, arg, n_name);
        if (arg[2 + n_name] == '=') value = arg + 2 + n_name + 1;
    } else {
        o = find_by_letter(options, arg[1]);
        if (!o) return cli_usage_error(command, "unknown option -%c", arg[1]), CLI_PARSED_BAD;
        if (arg[2]) value = arg + 2; /* -n24 */
    }
    ++*i;
    if (o->kind == CLI_KIND_FLAG) {
        if (value) return cli_usage_error(command, "--%s takes no value", o->name), CLI_PARSED_BAD;
    } else if (!value) {
        if (*i >= argc) return cli_usage_error(command, "--%s needs a value: %s", o->name, o->value_name), CLI_PARSED_BAD;
        value = argv[(*i)++];
    }
    if (seen[o - options] && o->kind != CLI_KIND_TEXTS && o->kind != CLI_KIND_FLAG) {
        return cli_usage_error(command, "--%s is given twice", o->name), CLI_PARSED_BAD;
    }
    seen[o - options] = true;
    if (cli_option_set(o, value, &err) != SUAN_OK) return cli_usage_error(command, "%s", err.message), CLI_PARSED_BAD;
    return CLI_PARSED_OK;
}

cli_parsed cli_parse(const cli_command *command, const cli_option *options, int argc, char **argv, cli_texts *words, size_t max_words) {
    bool seen[MAX_OPTIONS] = {false}, only_words = false;
    for (int i = 1; i < argc;) {
        suan_error err = {0};
        const char *arg = argv[i];
        if (!only_words && strcmp(arg, "--") == 0) {
            only_words = true;
            i++;
            continue;
        }
        if (!only_words && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            return cli_help_print(command, options) ? CLI_PARSED_HELP : CLI_PARSED_FAILED;
        }
        if (!only_words && arg[0] == '-' && arg[1]) {
            cli_parsed parsed = parse_option(command, options, argc, argv, &i, seen);
            if (parsed != CLI_PARSED_OK) return parsed;
            continue;
        }
        if (words->n >= max_words) {
            cli_usage_error(command, max_words ? "unexpected word \"%s\"" : "\"%s\" is not expected; options begin with -", arg);
            return CLI_PARSED_BAD;
        }
        if (texts_add(words, arg, &err) != SUAN_OK) return cli_usage_error(command, "%s", err.message), CLI_PARSED_BAD;
        i++;
    }
    return CLI_PARSED_OK;
}

int cli_parsed_exit(cli_parsed parsed) {
    switch (parsed) {
    case CLI_PARSED_OK:
    case CLI_PARSED_HELP:
        return 0;
    case CLI_PARSED_BAD:
        return 2;
    case CLI_PARSED_FAILED:
        return cli_output_exit();
    }
    return 1;
}
