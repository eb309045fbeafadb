/* template.c: suan template: what a chat template makes of a request. No weights are read. */
#include "suan/template.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/prompt.h"
#include "suan/tokenizer.h"

enum { MAX_TEMPLATE_BYTES = 16 << 20, MAX_REQUEST_BYTES = 64 << 20 };

typedef struct template_options {
    const char *model, *input, *now;
} template_options;

/* A template and where its text and tokens come from. */
typedef struct source {
    suan_tokenizer *tokenizer; /* NULL: a .jinja file */
    char *text;                /* of a .jinja file */
    suan_template_token tokens[4];
    size_t n_tokens;
} source;

/* "2026-01-02T03:04:05", 0-9 where the digits stand. */
static suan_status parse_time(const char *text, suan_template_time *t, suan_error *err) {
    static const char form[] = "0000-00-00T00:00:00";
    static const struct {
        size_t offset, n;
        int min, max;
    } parts[] = {{0, 4, 1, 9999}, {5, 2, 1, 12}, {8, 2, 1, 31}, {11, 2, 0, 23}, {14, 2, 0, 59}, {17, 2, 0, 59}};
    int *const places[] = {&t->year, &t->month, &t->day, &t->hour, &t->minute, &t->second};
    bool is_good = strlen(text) == sizeof form - 1;
    for (size_t i = 0; is_good && i < sizeof form - 1; i++) is_good = form[i] == '0' || form[i] == text[i];
    for (size_t i = 0; is_good && i < sizeof parts / sizeof *parts; i++) {
        int64_t value = 0;
        is_good = text[parts[i].offset] != '-' && cli_parse_i64(text + parts[i].offset, parts[i].n, parts[i].min, parts[i].max, &value);
        *places[i] = (int)value;
    }
    SUAN_CHECK(is_good, SUAN_EINVAL, "--now: \"%s\" is no time like 2026-01-02T03:04:05", text);
    return SUAN_OK;
}

static bool is_jinja(const char *path) {
    size_t n = strlen(path);
    return n >= 6 && memcmp(path + n - 6, ".jinja", 6) == 0;
}

static void preset_tokens(source *s) {
    static const struct {
        const char *name;
        suan_token_role role;
    } roles[] = {{"bos_token", SUAN_ROLE_BOS}, {"eos_token", SUAN_ROLE_EOS}, {"pad_token", SUAN_ROLE_PAD}, {"unk_token", SUAN_ROLE_UNK}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        size_t n = 0;
        const char *text = suan_tokenizer_role_text(s->tokenizer, roles[i].role, &n);
        if (n > 0) s->tokens[s->n_tokens++] = (suan_template_token){.name = roles[i].name, .text = text};
    }
}

/* Models may have a template of their own for requests with tools. */
static bool has_tools(const char *request, size_t n) {
    json_t *root = json_loadb(request, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL), *tools = json_object_get(root, "tools");
    bool has = json_array_size(tools) > 0;
    json_decref(root);
    return has;
}

static suan_status open_source(source *s, const char *path, const char *request, size_t n_request, suan_template **t, suan_error *err) {
    const char *text = NULL;
    size_t n = 0;
    if (is_jinja(path)) {
        SUAN_TRY(suan__file_slurp(path, MAX_TEMPLATE_BYTES, &s->text, &n, err));
        text = s->text;
    } else {
        SUAN_TRY(suan_tokenizer_open(&s->tokenizer, path, err));
        if (has_tools(request, n_request)) text = suan_tokenizer_chat_template(s->tokenizer, "tool_use", &n);
        if (!text) text = suan_tokenizer_chat_template(s->tokenizer, NULL, &n);
        SUAN_CHECK(text, SUAN_ENOTFOUND, "%s: the model has no chat template", path);
        preset_tokens(s);
    }
    return suan_template_create(t, text, n, path, err);
}

static suan_status render(const template_options *o, const char *path, suan_rendered *out, suan_error *err) {
    source s = {0};
    suan_template *t = NULL;
    suan_template_time now;
    char *request = NULL;
    size_t n = 0;
    suan_status status = SUAN_OK;
    suan_template_options options = {0};
    if (o->now) {
        SUAN_TRY(parse_time(o->now, &now, err));
        options.now = &now;
    }
    SUAN_TRY(cli_slurp(o->input, MAX_REQUEST_BYTES, &request, &n, err));
    SUAN_TRY_GOTO(open_source(&s, path, request, n, &t, err));
    options.tokens = s.tokens;
    options.n_tokens = s.n_tokens;
    status = suan_template_render(t, request, n, &options, out, err);
fail:
    suan_template_free(t);
    suan_tokenizer_close(&s.tokenizer);
    suan__free(s.text);
    suan__free(request);
    return status;
}

static int template_main(const cli_command *command, int argc, char **argv) {
    template_options o = {0};
    const cli_option options[] = {
        CLI_TEXT('i', "input", &o.input, "REQUEST.json", "the request, each key a variable of the template; - for stdin"),
        CLI_TEXT(0, "now", &o.now, "TIME", "what strftime_now sees, as 2026-01-02T03:04:05; by default the present"),
        CLI_END,
    };
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 1);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK && words.n == 0) {
        status = cli_usage_error(command, "a MODEL or a FILE.jinja is missing");
    } else if (parsed == CLI_PARSED_OK && !o.input) {
        status = cli_usage_error(command, "--input REQUEST.json is missing");
    } else if (parsed == CLI_PARSED_OK) {
        suan_error err = {0};
        suan_rendered out = {0};
        if (render(&o, words.items[0], &out, &err) == SUAN_OK) {
            cli_put(out.text, out.n);
            status = cli_output_exit();
        } else {
            status = cli_fail("template", &err);
        }
        suan_rendered_free(&out);
    }
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_template = {
    .name = "template",
    .usage = "MODEL|FILE.jinja --input REQUEST.json [options]",
    .summary = "Prints the prompt that a chat template makes of a request, and nothing else",
    .details =
        "The request is a JSON object: messages, tools, add_generation_prompt, ... With a MODEL its special tokens (bos_token, ...) are\n"
        "set unless the request sets them.",
    .main = template_main};
