/* tokenize.c: suan tokenize: bytes on stdin to ids on stdout, and back. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/prompt.h"

typedef struct tokenize_options {
    const char *model;
    bool parse_special, add_special, decode, skip_special, is_json;
} tokenize_options;

static void put_ids(const int32_t *ids, size_t n) {
    char text[16];
    for (size_t i = 0; i < n; i++) {
        int n_text = snprintf(text, sizeof text, i ? " %d" : "%d", (int)ids[i]);
        if (!cli_put(text, (size_t)n_text)) return;
    }
    cli_put("\n", 1);
}

/* {"ids": [...], "tokens": [...]}, the tokens as the vocabulary spells them, which loses nothing. */
static json_t *ids_json(const suan_tokenizer *t, const int32_t *ids, size_t n) {
    json_t *array = json_array(), *tokens = json_array();
    bool is_good = array && tokens;
    for (size_t i = 0; i < n && is_good; i++) {
        size_t n_token = 0;
        const char *token = suan_tokenizer_token_text(t, ids[i], &n_token);
        is_good = json_array_append_new(array, json_integer(ids[i])) == 0 &&
                  json_array_append_new(tokens, cli_json_text(token ? token : "", n_token)) == 0;
    }
    if (is_good) return json_pack("{s:o, s:o}", "ids", array, "tokens", tokens);
    json_decref(array);
    json_decref(tokens);
    return NULL;
}

static suan_status put_encoded(const tokenize_options *o, const suan_tokenizer *t, const char *input, size_t n, suan_error *err) {
    unsigned flags = (o->add_special ? SUAN_TOKENIZE_ADD_SPECIAL : 0u) | (o->parse_special ? SUAN_TOKENIZE_PARSE_SPECIAL : 0u);
    int32_t *ids = NULL;
    size_t n_ids = 0;
    suan_status status = cli_text_encode(t, input, n, flags, &ids, &n_ids, err);
    if (status == SUAN_OK && o->is_json) {
        cli_put_json(ids_json(t, ids, n_ids));
    } else if (status == SUAN_OK) {
        put_ids(ids, n_ids);
    }
    suan__free(ids);
    return status;
}

static suan_status put_decoded(const tokenize_options *o, const suan_tokenizer *t, const char *input, size_t n, suan_error *err) {
    int32_t *ids = NULL;
    size_t n_ids = 0, n_text = 0;
    char *text = NULL;
    SUAN_TRY(cli_ids_parse("stdin", input, n, &ids, &n_ids, err));
    suan_status status = suan_tokenizer_decode(t, ids, n_ids, o->skip_special, NULL, 0, &n_text, err);
    if (status == SUAN_OK) {
        text = suan__malloc(n_text);
        status = text ? suan_tokenizer_decode(t, ids, n_ids, o->skip_special, text, n_text, &n_text, err)
                      : suan__fail(err, SUAN_ENOMEM, "out of memory");
    }
    if (status == SUAN_OK && o->is_json) {
        cli_put_json(json_pack("{s:o}", "text", cli_json_text(text, n_text)));
    } else if (status == SUAN_OK) {
        cli_put(text, n_text);
    }
    suan__free(text);
    suan__free(ids);
    return status;
}

static int tokenize(const tokenize_options *o, const char *path) {
    suan_error err = {0};
    suan_tokenizer *t = NULL;
    char *input = NULL;
    size_t n = 0;
    suan_status status = suan_tokenizer_open(&t, path, &err);
    if (status == SUAN_OK) status = suan__fd_slurp(STDIN_FILENO, "stdin", SUAN_TOKENIZE_MAX_BYTES, &input, &n, &err);
    if (status == SUAN_OK) status = o->decode ? put_decoded(o, t, input, n, &err) : put_encoded(o, t, input, n, &err);
    suan__free(input);
    suan_tokenizer_close(&t);
    return status == SUAN_OK ? cli_output_exit() : cli_fail("tokenize", &err);
}

static int tokenize_main(const cli_command *command, int argc, char **argv) {
    tokenize_options o = {0};
    /* clang-format off */
    const cli_option options[] = {
        CLI_TEXT('m', "model", &o.model, "MODEL", "GGUF file, directory, tokenizer.json or tokenizer.model; without it the model that ships with suan"),
        CLI_FLAG(0, "parse-special", &o.parse_special, "the text of control tokens becomes control tokens"),
        CLI_FLAG(0, "add-special", &o.add_special, "add the tokens that the model wants at the beginning and the end"),
        CLI_FLAG('d', "decode", &o.decode, "the other way: ids on stdin, their bytes on stdout"),
        CLI_FLAG(0, "skip-special", &o.skip_special, "with --decode: leave control tokens out"),
        CLI_FLAG(0, "json", &o.is_json, "print {\"ids\": [...], \"tokens\": [...]}; with --decode {\"text\": \"...\"}"),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    char *path = NULL;
    bool is_shipped = false;
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 0);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK && o.decode && (o.parse_special || o.add_special)) {
        status = cli_usage_error(command, "--parse-special and --add-special are for text; --decode takes ids");
    } else if (parsed == CLI_PARSED_OK && o.skip_special && !o.decode) {
        status = cli_usage_error(command, "--skip-special needs --decode");
    } else if (parsed == CLI_PARSED_OK) {
        status = cli_model_path(command->name, o.model, &path, &is_shipped);
        if (status == 0) status = tokenize(&o, path);
    }
    suan__free(path);
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_tokenize = {
    .name = "tokenize",
    .usage = "[-m MODEL] [options] <TEXT",
    .summary = "Turns text on stdin into token ids, and back",
    .details =
        "Ids are separated by blanks; --decode takes blanks, newlines and commas. Text is taken byte for byte, the last newline included.",
    .main = tokenize_main};
