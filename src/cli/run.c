/* run.c: suan run: one prompt, one answer. */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/logits_file.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "cli/run_report.h"
#include "cli/sampling.h"
#include "cli/stop.h"

#define DEFAULT_PROMPT "Tell me a story about a fox."

typedef struct run_options {
    cli_engine_options engine;
    cli_prompt_options prompt;
    cli_sampling_options sampling;
    cli_form_options form;
    uint32_t n_logprobs;
    bool want_logprobs, is_json;
    const char *logits_path;
} run_options;

/* One run from the open model to the closing line. */
typedef struct run {
    const run_options *o;
    double start, load_seconds, first_token_seconds;
    suan_model *model, *draft;
    suan_session *session;
    cli_prompt prompt;
    cli_form form;
    suan_sampling sampling;
    suan_logit_bias *bias;
    cli_progress progress;
    cli_logprobs logprobs;
    cli_logits_file logits;
    suan_result result;
    char last_byte; /* of the text written */
} run;

static int on_piece(void *ctx, const suan_piece *piece) {
    run *r = ctx;
    if (r->first_token_seconds == 0) {
        r->first_token_seconds = cli_seconds() - r->start;
        cli_progress_done(&r->progress);
    }
    if (r->o->want_logprobs && piece->id >= 0) cli_logprobs_add(&r->logprobs, piece);
    if (r->o->is_json || piece->n_text == 0) return 0;
    r->last_byte = piece->text[piece->n_text - 1];
    return !(cli_put_model_text(piece->text, piece->n_text) && cli_flush());
}

static int check_options(run_options *o, const cli_command *command, bool is_shipped) {
    const cli_prompt_options *p = &o->prompt;
    if ((p->text != NULL) + (p->file != NULL) + (p->ids != NULL) > 1) {
        return cli_usage_error(command, "-p, -f and --prompt-ids exclude one another");
    }
    if (p->system && (p->is_raw || p->ids))
        return cli_usage_error(command, "--system is for the chat template, which --raw and --prompt-ids leave out");
    if (p->parse_special && !p->is_raw) return cli_usage_error(command, "--parse-special needs --raw");
    if (o->logits_path && strcmp(o->logits_path, "-") == 0)
        return cli_usage_error(command, "--logits needs a file: stdout is for the answer");
    if (p->ids && p->is_raw) return cli_usage_error(command, "--raw is for text; --prompt-ids are taken as they are");
    if (o->engine.is_quiet) cli_be_quiet();
    if (!cli_form_is_one(&o->form)) return cli_usage_error(command, "--grammar, --json-schema and --regex exclude one another");
    suan_error err = {0};
    if (cli_sampling_check(&o->sampling, &err) != SUAN_OK) return cli_usage_error(command, "%s", err.message);
    if (p->text || p->file || p->ids) return 0;
    if (!isatty(STDIN_FILENO)) return cli_usage_error(command, "no prompt: give -p TEXT, -f FILE (-f - for stdin) or --prompt-ids");
    if (!is_shipped) return cli_usage_error(command, "no prompt: give -p TEXT, -f FILE or --prompt-ids");
    o->prompt.text = DEFAULT_PROMPT;
    cli_note("No prompt given: \"%s\"", DEFAULT_PROMPT);
    return 0;
}

static int prepare(run *r, const char *path) {
    suan_error err = {0};
    double start = cli_seconds();
    int status = cli_model_open("run", &r->o->engine, path, &r->model);
    if (status == 0) status = cli_session_create("run", &r->o->engine, r->model, &r->draft, &r->session);
    if (status != 0) return status;
    r->load_seconds = cli_seconds() - start;
    if (cli_sampling_make(&r->o->sampling, r->model, &r->sampling, &r->bias, &err) != SUAN_OK) return cli_fail("run", &err);
    if (cli_prompt_encode(&r->o->prompt, &r->prompt, r->model, &err) != SUAN_OK) return cli_fail("run", &err);
    if (cli_form_begin(&r->o->form, &r->form, r->model, r->prompt.rendered, &err) != SUAN_OK) return cli_fail("run", &err);
    if (r->prompt.used_template) cli_note("The model's chat template is applied; --raw leaves it out.");
    return 0;
}

static int generate(run *r) {
    suan_error err = {0};
    suan_generate_params params;
    suan_generate_params_init(&params);
    params.sampling = r->sampling;
    params.max_tokens = r->o->sampling.max_tokens;
    params.ignore_eos = r->o->sampling.ignore_eos;
    params.stop = r->o->sampling.stop.items;
    params.n_stop = r->o->sampling.stop.n;
    params.n_logprobs = r->o->n_logprobs;
    params.want_logprobs = r->o->want_logprobs;
    params.on_piece = on_piece;
    params.ctx = r;
    params.matcher = r->form.matcher;
    params.think = r->form.think;
    cli_progress_init(&r->progress, "reading the prompt", CLI_UNIT_TOKENS);
    suan_session_on_progress(r->session, cli_progress_step, &r->progress);
    cli_stop_watch(r->session, false);
    suan_status status = suan_generate(r->session, r->prompt.ids, r->prompt.n_ids, &params, &r->result, &err);
    cli_stop_unwatch();
    cli_progress_done(&r->progress);
    if (!r->o->is_json && cli_stdout_is_terminal() && r->last_byte && r->last_byte != '\n') cli_put("\n", 1);
    if (status != SUAN_OK) return cli_fail("run", &err);
    return r->logits.err.status == SUAN_OK ? 0 : cli_fail("run", &r->logits.err);
}

static int report(run *r, suan_kv_type kv) {
    cli_run_report report = {.session = r->session,
                             .prompt_ids = r->prompt.ids,
                             .n_prompt_ids = r->prompt.n_ids,
                             .result = &r->result,
                             .sampling = &r->sampling,
                             .logprobs = r->o->want_logprobs ? &r->logprobs : NULL,
                             .kv = kv,
                             .load_seconds = r->load_seconds,
                             .first_token_seconds = r->first_token_seconds};
    suan_model_get_info(r->model, &report.info);
    if (r->o->is_json) cli_put_json(cli_run_report_json(&report));
    int status = cli_output_exit();
    if (status != 0) return status;
    /* Text into a pipe stays as it is; where both streams meet, the closing line begins a line of its own all the same. */
    if (!r->o->is_json && !cli_stdout_is_terminal() && r->last_byte != '\n') cli_note("%s", "");
    cli_run_report_say(&report);
    return cli_stop_signal() ? 128 + cli_stop_signal() : 0;
}

static int run_model(run *r, const char *path) {
    suan_error err = {0};
    suan_model_info info;
    int status = prepare(r, path);
    if (status != 0) return status;
    if (r->o->logits_path) {
        suan_model_get_info(r->model, &info);
        if (cli_logits_file_open(&r->logits, r->o->logits_path, info.n_vocab, suan_session_n_ctx(r->session), &err) != SUAN_OK) {
            return cli_fail("run", &err);
        }
        suan_session_on_logits(r->session, cli_logits_file_row, &r->logits);
    }
    status = generate(r);
    if (status == 0 && r->o->logits_path && cli_logits_file_finish(&r->logits, suan_session_profile(r->session), &err) != SUAN_OK) {
        status = cli_fail("run", &err);
    }
    return status == 0 ? report(r, (suan_kv_type)r->o->engine.kv) : status;
}

/* Prompt and form are read before the model: a file that is not there must not cost the loading of one. */
static int read_prompt(run *r, const cli_command *command) {
    suan_error err = {0};
    if (cli_form_read(&r->o->form, &r->form, &err) != SUAN_OK) return cli_fail(command->name, &err);
    if (cli_prompt_read(&r->o->prompt, &r->prompt, &err) == SUAN_OK) return 0;
    return err.status == SUAN_EINVAL && r->o->prompt.ids ? cli_usage_error(command, "%s", err.message) : cli_fail(command->name, &err);
}

static void run_fini(run *r) {
    suan_result_fini(&r->result);
    cli_logits_file_abort(&r->logits);
    cli_logprobs_fini(&r->logprobs);
    cli_prompt_fini(&r->prompt);
    cli_form_fini(&r->form);
    suan__free(r->bias);
    suan_session_close(&r->session);
    suan_model_close(&r->draft);
    suan_model_close(&r->model);
}

static int run_main(const cli_command *command, int argc, char **argv) {
    run_options o = {0};
    /* clang-format off */
    const cli_option options[] = {
        CLI_HEAD("Prompt:"),
        CLI_TEXT('p', "prompt", &o.prompt.text, "TEXT", "what to answer or go on with"),
        CLI_TEXT('f', "file", &o.prompt.file, "FILE", "the same from a file, - for stdin"),
        CLI_TEXT(0, "prompt-ids", &o.prompt.ids, "IDS", "tokens, as 5,17,300; nothing is added"),
        CLI_TEXT(0, "system", &o.prompt.system, "TEXT", "the system message of the chat template"),
        CLI_FLAG(0, "raw", &o.prompt.is_raw, "do not apply the model's chat template"),
        CLI_FLAG(0, "parse-special", &o.prompt.parse_special, "with --raw: the text of control tokens becomes control tokens"),
        CLI_TEXT(0, "now", &o.prompt.now, "TIME", "the template's time, as 2026-01-02T03:04:05; by default the present"),
        CLI_ENGINE_OPTIONS(o.engine),
        CLI_DRAFT_OPTIONS(o.engine),
        CLI_SAMPLING_OPTIONS(o.sampling),
        CLI_FORM_OPTIONS(o.form),
        CLI_HEAD("Output:"),
        CLI_U32(0, "logprobs", &o.n_logprobs, &o.want_logprobs, 0, 256, "N", "with --json: the logprob of each token and the N most probable"),
        CLI_TEXT(0, "logits", &o.logits_path, "FILE", "write the logits after every token fed, as safetensors"),
        CLI_FLAG(0, "json", &o.is_json, "print one JSON object when all is done"),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    run r = {.o = &o, .start = cli_seconds(), .logits = {.out = {.fd = -1}}};
    char *path = NULL;
    bool is_shipped = false;
    int status;
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 0);
    if (parsed != CLI_PARSED_OK) {
        status = cli_parsed_exit(parsed);
    } else if (o.want_logprobs && !o.is_json) {
        status = cli_usage_error(command, "--logprobs needs --json");
    } else if ((status = check_options(&o, command, !o.engine.model)) == 0) {
        status = cli_model_path(command->name, o.engine.model, &path, &is_shipped);
        if (status == 0) status = read_prompt(&r, command);
        if (status == 0) status = run_model(&r, path);
    }
    run_fini(&r);
    suan__free(path);
    cli_sampling_fini(&o.sampling);
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_run = {
    .name = "run",
    .usage = "[-m MODEL] -p TEXT | -f FILE | --prompt-ids IDS [options]",
    .summary = "Answers one prompt; the text appears on stdout as it is made",
    .details =
        "Text goes through the model's chat template if it has one. The closing line on stderr names the seed: with it the same answer\n"
        "comes again, on any machine. With --json, `text` shows bytes that are no UTF-8 as U+FFFD; output_ids lose nothing.\n"
        "Ctrl-C ends the answer early; what there is is kept, and the exit status is 130.",
    .main = run_main};
