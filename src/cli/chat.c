/* chat.c: suan chat: a conversation, turn by turn. Each turn renders all messages through the model's template; the session keeps what the
 * new prompt has in common with the last one, so only new tokens are read. */
#include "cli/chat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "cli/run_report.h"
#include "cli/stop.h"

suan_status cli_chat_add(cli_chat *chat, const char *role, const char *text, size_t n, suan_error *err) {
    size_t n_valid = 0;
    suan__buf clean = {0};
    for (size_t i = 0; i < n; i++) suan__buf_append(&clean, text[i] ? text + i : "\xef\xbf\xbd", text[i] ? 1 : 3);
    char *valid = clean.failed ? NULL : cli_valid_utf8(clean.data, clean.n, &n_valid);
    json_t *message = valid ? json_pack("{s:s, s:o}", "role", role, "content", json_stringn(valid, n_valid)) : NULL;
    suan__free(valid);
    suan__buf_fini(&clean);
    SUAN_CHECK(message && json_array_append_new(chat->talk.messages, message) == 0, SUAN_ENOMEM, "out of memory");
    return SUAN_OK;
}

/* ---- an answer */

typedef struct turn {
    cli_progress progress;
    bool is_terminal;
    char last_byte;
} turn;

static int on_piece(void *ctx, const suan_piece *piece) {
    turn *t = ctx;
    cli_progress_done(&t->progress);
    if (piece->n_text == 0) return 0;
    t->last_byte = piece->text[piece->n_text - 1];
    return !(cli_put_model_text(piece->text, piece->n_text) && cli_flush());
}

static suan_status encode(cli_chat *chat, int32_t **ids, size_t *n_ids, suan_error *err) {
    char *request = NULL;
    const char *system = json_string_value(chat->talk.system);
    SUAN_TRY(cli_chat_request(system, json_string_length(chat->talk.system), chat->talk.messages, &request, err));
    char *prompt = NULL;
    suan_status status = suan_model_chat_encode(chat->model, request, strlen(request), chat->now, ids, n_ids, &prompt, err);
    free(request);
    if (status == SUAN_OK) status = cli_form_begin(&chat->form_options, &chat->form, chat->model, prompt, err);
    suan_free(prompt);
    return status;
}

static suan_status generate(cli_chat *chat, const int32_t *ids, size_t n_ids, turn *t, suan_result *result, suan_error *err) {
    suan_generate_params params;
    suan_generate_params_init(&params);
    params.sampling = chat->talk.sampling;
    params.max_tokens = chat->sampling_options.max_tokens;
    params.ignore_eos = chat->sampling_options.ignore_eos;
    params.stop = chat->sampling_options.stop.items;
    params.n_stop = chat->sampling_options.stop.n;
    params.on_piece = on_piece;
    params.ctx = t;
    params.matcher = chat->form.matcher;
    params.think = chat->form.think;
    cli_progress_init(&t->progress, "reading", CLI_UNIT_TOKENS);
    suan_session_on_progress(chat->session, cli_progress_step, &t->progress);
    cli_stop_watch(chat->session, cli_lines_is_terminal(chat->lines));
    suan_status status = suan_generate(chat->session, ids, n_ids, &params, result, err);
    cli_stop_unwatch();
    cli_progress_done(&t->progress);
    if (t->last_byte != '\n' || !t->is_terminal) cli_put("\n", 1);
    cli_flush();
    return status;
}

static void say_figures(const cli_chat *chat, const suan_result *result) {
    if (result->context_full) {
        cli_note("The context of %u positions is full, so the answer ends here; /clear begins anew, -c N asks for a larger one.",
                 (unsigned)suan_session_n_ctx(chat->session));
    }
    if (!cli_lines_is_terminal(chat->lines)) return;
    char drafts[CLI_DRAFTS_TEXT];
    cli_note("[%zu tokens, %.1f tokens/s%s, %u of %u positions%s]", result->n_ids, cli_decode_rate(result), cli_drafts_text(drafts, result),
             (unsigned)suan_session_position(chat->session), (unsigned)suan_session_n_ctx(chat->session),
             result->finish == SUAN_FINISH_CANCELLED ? ", stopped" : "");
}

void cli_chat_answer(cli_chat *chat) {
    suan_error err = {0};
    suan_result result = {0};
    turn t = {.is_terminal = cli_lines_is_terminal(chat->lines)};
    int32_t *ids = NULL;
    size_t n_ids = 0;
    suan_status status = encode(chat, &ids, &n_ids, &err);
    if (status == SUAN_OK) status = generate(chat, ids, n_ids, &t, &result, &err);
    if (status == SUAN_OK) status = cli_chat_add(chat, "assistant", result.text ? result.text : "", result.n_text, &err);
    if (status == SUAN_OK) {
        say_figures(chat, &result);
    } else {
        cli_fail("chat", &err);
        if (status == SUAN_ECONTEXT) cli_note("/clear begins anew; -c N asks for a larger context.");
        json_array_remove(chat->talk.messages, json_array_size(chat->talk.messages) - 1);
        chat->has_failed = true;
    }
    suan_result_fini(&result);
    suan_free(ids);
}

/* ---- the conversation */

static void take_message(cli_chat *chat, const suan__buf *message) {
    suan_error err = {0};
    const char *text = message->data;
    size_t n = message->n;
    if (n >= 2 && text[0] == '/' && text[1] == '/') { /* // begins a message that begins with / */
        text++;
        n--;
    } else if (n >= 1 && text[0] == '/') {
        cli_chat_command(chat, text);
        return;
    }
    if (n == 0) return;
    if (cli_chat_add(chat, "user", text, n, &err) != SUAN_OK) {
        cli_fail("chat", &err);
        chat->has_failed = true;
        return;
    }
    chat->talk.sampling.choice = 0;
    cli_chat_answer(chat);
}

static int talk(cli_chat *chat) {
    suan__buf message = {0};
    cli_line line = CLI_LINE_OK;
    while (!chat->is_over && cli_output_exit() == 0 && (line = cli_lines_read(chat->lines, &message)) != CLI_LINE_END) {
        if (line == CLI_LINE_FAILED) {
            cli_failf("chat", "cannot read the message (at most %d bytes)", CLI_LINES_MAX_BYTES);
            chat->has_failed = true;
            break;
        }
        if (line == CLI_LINE_INTERRUPTED) {
            cli_put("\n", 1);
        } else {
            take_message(chat, &message);
        }
    }
    if (line == CLI_LINE_END && cli_lines_is_terminal(chat->lines)) cli_put("\n", 1);
    suan__buf_fini(&message);
    int status = cli_output_exit();
    if (status != 0) return status;
    return chat->has_failed && !cli_lines_is_terminal(chat->lines) ? 1 : 0;
}

static int prepare(cli_chat *chat, const char *path, const char *system, const char *load) {
    suan_error err = {0};
    suan_model_info info;
    int status = cli_model_open("chat", &chat->engine, path, &chat->model);
    if (status != 0) return status;
    if (!suan_model_has_chat(chat->model)) {
        return cli_failf("chat", "%s: the model has no chat template; \"suan run\" goes on with a text", path);
    }
    if ((status = cli_session_create("chat", &chat->engine, chat->model, &chat->draft, &chat->session)) != 0) return status;
    if (cli_sampling_make(&chat->sampling_options, chat->model, &chat->talk.sampling, &chat->bias, &err) != SUAN_OK) {
        return cli_fail("chat", &err);
    }
    suan_model_get_info(chat->model, &info);
    chat->talk.model = cli_conversation_model(&info);
    chat->talk.messages = json_array();
    chat->talk.system = system ? cli_json_text(system, strlen(system)) : NULL;
    chat->lines = cli_lines_open();
    if (!chat->talk.model || !chat->talk.messages || (system && !chat->talk.system) || !chat->lines)
        return cli_failf("chat", "out of memory");
    if (cli_lines_is_terminal(chat->lines)) {
        cli_stop_keep();
        cli_note("%s, %u positions. /help tells the commands; Ctrl-C stops an answer, Ctrl-D ends.",
                 info.name && *info.name ? info.name : info.architecture, (unsigned)suan_session_n_ctx(chat->session));
    }
    if (load) {
        suan__buf command = {0};
        suan__buf_printf(&command, "/load %s", load);
        if (command.failed) return cli_failf("chat", "out of memory");
        cli_chat_command(chat, command.data);
        suan__buf_fini(&command);
        if (chat->has_failed) return 1;
    }
    return 0;
}

static int chat_main(const cli_command *command, int argc, char **argv) {
    cli_chat chat = {0};
    const char *system = NULL, *load = NULL;
    /* clang-format off */
    const cli_option sampling_rows[] = {CLI_SAMPLING_OPTIONS(chat.sampling_options), CLI_END};
    const cli_option options[] = {
        CLI_HEAD("Conversation:"),
        CLI_TEXT(0, "system", &system, "TEXT", "the system message"),
        CLI_TEXT(0, "load", &load, "FILE", "go on with a conversation from /save"),
        CLI_TEXT(0, "now", &chat.now, "TIME", "the template's time, as 2026-01-02T03:04:05; by default the present"),
        CLI_ENGINE_OPTIONS(chat.engine),
        CLI_DRAFT_OPTIONS(chat.engine),
        CLI_SAMPLING_OPTIONS(chat.sampling_options),
        CLI_FORM_OPTIONS(chat.form_options),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    char *path = NULL;
    bool is_shipped = false;
    chat.sampling_rows = sampling_rows;
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 0);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK) {
        suan_error err = {0};
        if (chat.engine.is_quiet) cli_be_quiet();
        if (cli_sampling_check(&chat.sampling_options, &err) != SUAN_OK) status = cli_usage_error(command, "%s", err.message);
        if (status == 0 && !cli_form_is_one(&chat.form_options))
            status = cli_usage_error(command, "--grammar, --json-schema and --regex exclude one another");
        if (status == 0 && cli_form_read(&chat.form_options, &chat.form, &err) != SUAN_OK) status = cli_fail(command->name, &err);
        if (status == 0) status = cli_model_path(command->name, chat.engine.model, &path, &is_shipped);
        if (status == 0) status = prepare(&chat, path, system, load);
        if (status == 0) status = talk(&chat);
    }
    cli_lines_close(chat.lines);
    cli_form_fini(&chat.form);
    cli_conversation_fini(&chat.talk);
    suan__free(chat.bias);
    suan_session_close(&chat.session);
    suan_model_close(&chat.draft);
    suan_model_close(&chat.model);
    suan__free(path);
    cli_sampling_fini(&chat.sampling_options);
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_chat = {
    .name = "chat",
    .usage = "[-m MODEL] [options]",
    .summary = "Talks with a model; it remembers what was said",
    .details =
        "Ctrl-C stops the answer and keeps the conversation, Ctrl-D ends. A line that ends in \\ goes on in the next one; lines between\n"
        "\"\"\" and \"\"\" are one message. /help tells the commands. Without a terminal each line of stdin is a message.",
    .main = chat_main};
