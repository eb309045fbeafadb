/* inspect.c: suan inspect: what a model's files say, as a table or as JSON; one tensor as f32. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/inspect_table.h"
#include "cli/open.h"
#include "cli/output.h"

typedef struct inspect_options {
    const char *tensor, *out;
    uint32_t n_ctx;
    bool is_json, all_tensors;
} inspect_options;

static int print_json(const char *text) {
    cli_put(text, strlen(text));
    if (!*text || text[strlen(text) - 1] != '\n') cli_put("\n", 1);
    return cli_output_exit();
}

static int print_table(const char *text, bool all_tensors) {
    json_error_t json_err;
    json_t *root = json_loads(text, JSON_ALLOW_NUL, &json_err);
    if (!root) return cli_failf("inspect", "the description is no JSON: %s", json_err.text);
    suan__buf b = {0};
    cli_inspect_table(root, all_tensors, &b);
    json_decref(root);
    int status = b.failed ? cli_failf("inspect", "out of memory") : 0;
    if (status == 0) {
        cli_put_model_text(b.data, b.n);
        status = cli_output_exit();
    }
    suan__buf_fini(&b);
    return status;
}

static int inspect(const inspect_options *o, const char *path) {
    suan_error err = {0};
    char *json = NULL;
    if (o->tensor) {
        suan_status status = suan_inspect_tensor(path, o->tensor, o->out, &err);
        return status == SUAN_OK ? 0 : cli_fail("inspect", &err);
    }
    if (suan_inspect(path, o->n_ctx, &json, &err) != SUAN_OK) return cli_fail("inspect", &err);
    int status = o->is_json ? print_json(json) : print_table(json, o->all_tensors);
    suan_free(json);
    return status;
}

static int inspect_main(const cli_command *command, int argc, char **argv) {
    inspect_options o = {0};
    /* clang-format off */
    const cli_option options[] = {
        CLI_U32('c', "ctx", &o.n_ctx, NULL, 1, UINT32_MAX, "N", "positions to compute memory for; by default the model's context"),
        CLI_FLAG('a', "tensors", &o.all_tensors, "list every tensor"),
        CLI_FLAG(0, "json", &o.is_json, "print one JSON object"),
        CLI_TEXT(0, "tensor", &o.tensor, "NAME", "take one tensor out, expanded to F32 exactly, to --out"),
        CLI_TEXT('o', "out", &o.out, "FILE", "a safetensors file, with --tensor"),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    char *path = NULL;
    bool is_shipped = false;
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 1);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK && !o.tensor != !o.out) {
        status = cli_usage_error(command, "--tensor NAME and --out FILE belong together");
    } else if (parsed == CLI_PARSED_OK && o.out && strcmp(o.out, "-") == 0) {
        status = cli_usage_error(command, "--out needs a file");
    } else if (parsed == CLI_PARSED_OK && o.tensor && (o.is_json || o.all_tensors || o.n_ctx)) {
        status = cli_usage_error(command, "--tensor writes a file; --json, --tensors and -c are for the description");
    } else if (parsed == CLI_PARSED_OK) {
        status = cli_model_path(command->name, words.n ? words.items[0] : NULL, &path, &is_shipped);
        if (status == 0) status = inspect(&o, path);
    }
    suan__free(path);
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_inspect = {
    .name = "inspect",
    .usage = "[MODEL] [options]",
    .summary = "Tells what is in a model's files, and how much memory it takes",
    .details =
        "MODEL is a GGUF file (or the first of a split) or a directory; without it the model that ships with suan. No weights are loaded.",
    .main = inspect_main};
