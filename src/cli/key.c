/* key.c: suan key: API keys of suan serve are made, listed and removed. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "serve/auth.h"
#include "serve/state.h"

static void print_name(void *ctx, const char *name) {
    cli_put(name, strlen(name));
    cli_put("\n", 1);
}

static int add(const char *file, const char *name, suan_error *err) {
    char key[SUAN__KEY_BYTES];
    if (suan__key_add(file, name, key, err) != SUAN_OK) return cli_fail("key", err);
    cli_note("The key of \"%s\" was made now and is not shown again; %s has its SHA-256:", name, file);
    cli_put(key, strlen(key));
    cli_put("\n", 1);
    explicit_bzero(key, sizeof key);
    return cli_output_exit();
}

static int remove_key(const char *file, const char *name, suan_error *err) {
    if (suan__key_remove(file, name, err) != SUAN_OK) return cli_fail("key", err);
    cli_note("Removed. A server that runs forgets it on SIGHUP.");
    return 0;
}

static int key(const cli_command *command, const char *file, const cli_texts *words) {
    suan_error err = {0};
    const char *what = words->n > 0 ? words->items[0] : "";
    bool is_list = strcmp(what, "list") == 0, is_add = strcmp(what, "add") == 0, is_remove = strcmp(what, "remove") == 0;
    if (!is_list && !is_add && !is_remove) return cli_usage_error(command, "add NAME, remove NAME or list is missing");
    if (is_list != (words->n == 1)) return cli_usage_error(command, is_list ? "list takes no name" : "the key's NAME is missing");
    char *path = NULL;
    if (!file && suan__state_path(&path, "keys", is_add, &err) != SUAN_OK) return cli_fail("key", &err);
    const char *used = file ? file : path;
    int status;
    if (is_add) {
        status = add(used, words->items[1], &err);
    } else if (is_remove) {
        status = remove_key(used, words->items[1], &err);
    } else {
        status = suan__key_list(used, print_name, NULL, &err) == SUAN_OK ? cli_output_exit() : cli_fail("key", &err);
    }
    suan__free(path);
    return status;
}

static int key_main(const cli_command *command, int argc, char **argv) {
    const char *file = NULL;
    const cli_option options[] = {
        CLI_TEXT(0, "keys", &file, "FILE", "the keys file; without it \"keys\" in the state directory, where suan serve looks"), CLI_END};
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 2);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK) status = key(command, file, &words);
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_key = {
    .name = "key",
    .usage = "add NAME | remove NAME | list [options]",
    .summary = "Makes, lists and removes API keys of suan serve",
    .details = "A key is printed once, when it is made; the file keeps its SHA-256. A server that runs reads the file anew on SIGHUP.",
    .main = key_main};
