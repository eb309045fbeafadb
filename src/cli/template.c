/* template.c: suan template: what a chat template makes of a request, and what its model's answers say. No weights are read. */
#include "suan/template.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/prompt.h"
#include "suan/answer.h"
#include "suan/tokenizer.h"

enum { MAX_TEMPLATE_BYTES = 16 << 20, MAX_REQUEST_BYTES = 64 << 20 };

typedef struct template_options {
    const char *model, *input, *now, *answer;
} template_options;

/* A template and where its text and tokens come from. */
typedef struct source {
    suan_tokenizer *tokenizer; /* NULL: a .jinja file */
    char *file;                /* the text of a .jinja file */
    const char *text;          /* the template, n bytes */
    size_t n;
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
    if (is_jinja(path)) {
        SUAN_TRY(suan__file_slurp(path, MAX_TEMPLATE_BYTES, &s->file, &s->n, err));
        s->text = s->file;
    } else {
        SUAN_TRY(suan_tokenizer_open(&s->tokenizer, path, err));
        if (has_tools(request, n_request)) s->text = suan_tokenizer_chat_template(s->tokenizer, "tool_use", &s->n);
        if (!s->text) s->text = suan_tokenizer_chat_template(s->tokenizer, NULL, &s->n);
        SUAN_CHECK(s->text, SUAN_ENOTFOUND, "%s: the model has no chat template", path);
        preset_tokens(s);
    }
    return suan_template_create(t, s->text, s->n, path, err);
}

/* ---- --answer ---- */

/* An answer as a message of the assistant. */
typedef struct message {
    suan__buf reasoning, text;
    json_t *calls;
} message;

static int take_part(void *ctx, const suan_answer_part *part) {
    message *m = ctx;
    if (part->kind != SUAN_ANSWER_CALL)
        return !suan__buf_append(part->kind == SUAN_ANSWER_TEXT ? &m->text : &m->reasoning, part->text, part->n);
    json_t *call = json_object(), *function = json_object();
    bool failed = part->id && json_object_set_new(call, "id", cli_json_text(part->id, strlen(part->id))) < 0;
    failed |= json_object_set_new(call, "type", json_string("function")) < 0;
    failed |= json_object_set_new(function, "name", cli_json_text(part->name, strlen(part->name))) < 0;
    failed |= json_object_set_new(function, "arguments", cli_json_text(part->text, part->n)) < 0;
    failed |= json_object_set_new(call, "function", function) < 0;
    return (json_array_append_new(m->calls, call) < 0) | failed;
}

static suan_status take_apart(message *m, const source *s, const suan_rendered *prompt, const char *request, size_t n_request,
                              const char *answer, size_t n_answer, suan_error *err) {
    json_t *root = json_loadb(request, n_request, JSON_ALLOW_NUL, NULL), *list = json_object_get(root, "tools");
    char *tools = json_is_array(list) ? json_dumps(list, 0) : NULL;
    suan_answer_options options = {
        suan_answer_syntax_of(s->text, s->n), true, prompt->text, prompt->n, tools, tools ? strlen(tools) : 0, false,
    };
    suan_answer *a = NULL;
    suan_status status = suan_answer_create(&a, &options, take_part, m, err);
    if (status == SUAN_OK) status = suan_answer_feed(a, answer, n_answer, err);
    if (status == SUAN_OK) status = suan_answer_finish(a, err);
    if (status == SUAN_STOPPED) status = suan__fail(err, SUAN_ENOMEM, "out of memory for the answer");
    suan_answer_free(a);
    free(tools);
    json_decref(root);
    return status;
}

static suan_status print_message(const template_options *o, const source *s, const suan_rendered *prompt, const char *request,
                                 size_t n_request, suan_error *err) {
    message m = {.calls = json_array()};
    char *answer = NULL;
    size_t n = 0;
    suan_status status = cli_slurp(o->answer, MAX_REQUEST_BYTES, &answer, &n, err);
    if (status == SUAN_OK) status = take_apart(&m, s, prompt, request, n_request, answer, n, err);
    if (status == SUAN_OK) {
        json_t *json = json_pack("{s:s, s:o*, s:o, s:o*}", "role", "assistant", "reasoning_content",
                                 m.reasoning.n ? cli_json_text(m.reasoning.data, m.reasoning.n) : NULL, "content",
                                 cli_json_text(m.text.n ? m.text.data : "", m.text.n), "tool_calls",
                                 json_array_size(m.calls) ? json_incref(m.calls) : NULL);
        cli_put_json(json);
    }
    suan__free(answer);
    suan__buf_fini(&m.reasoning);
    suan__buf_fini(&m.text);
    json_decref(m.calls);
    return status;
}

static suan_status render(const template_options *o, const char *path, suan_error *err) {
    source s = {0};
    suan_template *t = NULL;
    suan_template_time now;
    suan_rendered out = {0};
    char *request = NULL;
    size_t n = 0;
    suan_status status = SUAN_OK;
    suan_template_options options = {0};
    if (o->now) {
        SUAN_TRY(parse_time(o->now, &now, err));
        options.now = &now;
    }
    if (o->input) SUAN_TRY(cli_slurp(o->input, MAX_REQUEST_BYTES, &request, &n, err));
    SUAN_TRY_GOTO(open_source(&s, path, request ? request : "", n, &t, err));
    options.tokens = s.tokens;
    options.n_tokens = s.n_tokens;
    if (request) SUAN_TRY_GOTO(suan_template_render(t, request, n, &options, &out, err));
    if (o->answer)
        status = print_message(o, &s, &out, request ? request : "", n, err);
    else
        cli_put(out.text, out.n);
fail:
    suan_rendered_free(&out);
    suan_template_free(t);
    suan_tokenizer_close(&s.tokenizer);
    suan__free(s.file);
    suan__free(request);
    return status;
}

static int template_main(const cli_command *command, int argc, char **argv) {
    template_options o = {0};
    const cli_option options[] = {
        CLI_TEXT('i', "input", &o.input, "REQUEST.json", "the request, each key a variable of the template; - for stdin"),
        CLI_TEXT(0, "answer", &o.answer, "FILE", "takes apart what the model answered instead; - for stdin"),
        CLI_TEXT(0, "now", &o.now, "TIME", "what strftime_now sees, as 2026-01-02T03:04:05; by default the present"),
        CLI_END,
    };
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 1);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK && words.n == 0) {
        status = cli_usage_error(command, "a MODEL or a FILE.jinja is missing");
    } else if (parsed == CLI_PARSED_OK && !o.input && !o.answer) {
        status = cli_usage_error(command, "--input REQUEST.json is missing");
    } else if (parsed == CLI_PARSED_OK && o.input && o.answer && strcmp(o.input, "-") == 0 && strcmp(o.answer, "-") == 0) {
        status = cli_usage_error(command, "--input and --answer cannot both be stdin");
    } else if (parsed == CLI_PARSED_OK) {
        suan_error err = {0};
        status = render(&o, words.items[0], &err) == SUAN_OK ? cli_output_exit() : cli_fail("template", &err);
    }
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_template = {
    .name = "template",
    .usage = "MODEL|FILE.jinja --input REQUEST.json | --answer FILE [options]",
    .summary = "Prints the prompt that a chat template makes of a request, and nothing else",
    .details =
        "The request is a JSON object: messages, tools, add_generation_prompt, ... With a MODEL its special tokens (bos_token, ...) are\n"
        "set unless the request sets them. With --answer a message is printed, as JSON: reasoning_content, content, tool_calls. The\n"
        "template tells the syntax of the model; --input, if it is there, whether the prompt opened the reasoning, and the tools.",
    .main = template_main};
