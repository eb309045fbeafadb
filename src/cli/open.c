/* open.c: finding and opening the model. */
#include "cli/open.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/progress.h"

#ifndef SUAN_CLI_DATADIR
#define SUAN_CLI_DATADIR "/usr/local/share"
#endif

static char *join(const char *a, size_t n_a, const char *b) {
    suan__buf buf = {0};
    suan__buf_append(&buf, a, n_a);
    suan__buf_append(&buf, b, strlen(b));
    if (!buf.failed) return buf.data;
    suan__buf_fini(&buf);
    return NULL;
}

/* dir + place when there is a config.json in it. */
static char *model_at(const char *dir, size_t n_dir, const char *place) {
    char *path = join(dir, n_dir, place), *config = path ? join(path, strlen(path), "/config.json") : NULL;
    if (config && suan__path_exists(config)) {
        suan__free(config);
        return path;
    }
    suan__free(config);
    suan__free(path);
    return NULL;
}

/* Beside the program first: a moved installation, an unpacked archive or a build folder uses its own model, not that of another version. */
char *cli_shipped_model(void) {
    static const char *const places[] = {"/../share/suan/models/seed", "/models/seed", "/../models/seed"};
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *path = NULL;
    if (n > 0) {
        while (n > 0 && exe[n - 1] != '/') n--;
        for (size_t i = 0; i < sizeof places / sizeof *places && !path && n > 0; i++) path = model_at(exe, (size_t)n - 1, places[i]);
    }
    return path ? path : model_at(SUAN_CLI_DATADIR, strlen(SUAN_CLI_DATADIR), "/suan/models/seed");
}

const char *cli_cpu_level(const char *option) {
    const char *environment = getenv("SUAN_CPU");
    return option ? option : environment && *environment ? environment : NULL;
}

int cli_model_path(const char *command, const char *option, char **path, bool *is_shipped) {
    *is_shipped = !option;
    *path = option ? suan__strndup(option, strlen(option)) : cli_shipped_model();
    if (*path) return 0;
    return option ? cli_failf(command, "out of memory")
                  : cli_failf(command, "the model that ships with suan is not installed here; name one with -m MODEL");
}

static bool is_draft(const cli_engine_options *o, const char *word) {
    return o->draft && strcmp(o->draft, word) == 0;
}

int cli_model_open(const char *command, const cli_engine_options *o, const char *path, suan_model **model) {
    suan_error err = {0};
    cli_progress progress;
    cli_progress_init(&progress, "loading", CLI_UNIT_BYTES);
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    options.n_threads = (int)o->n_threads;
    options.pin = o->pin;
    options.mtp = is_draft(o, "mtp");
    options.cpu = cli_cpu_level(o->cpu);
    options.n_ctx = o->n_ctx;
    options.kv = (suan_kv_type)o->kv;
    options.progress = cli_progress_step;
    options.progress_ctx = &progress;
    suan_status status = suan_model_open(model, path, &options, &err);
    cli_progress_done(&progress);
    return status == SUAN_OK ? 0 : cli_fail(command, &err);
}

/* Words are ways of drafting, anything else is the path of a model (./lookup for one of that name). */
static int open_draft(const char *command, const cli_engine_options *o, suan_session_options *options, suan_model **draft) {
    cli_engine_options of_draft = *o;
    options->draft_max = o->draft_max;
    if (!o->draft || is_draft(o, "none")) return 0;
    options->draft = is_draft(o, "lookup") ? SUAN_DRAFT_LOOKUP : is_draft(o, "mtp") ? SUAN_DRAFT_MTP : SUAN_DRAFT_MODEL;
    if (options->draft != SUAN_DRAFT_MODEL) return 0;
    of_draft.draft = NULL;
    int status = cli_model_open(command, &of_draft, o->draft, draft);
    options->draft_model = *draft;
    return status;
}

int cli_session_create(const char *command, const cli_engine_options *o, suan_model *model, suan_model **draft, suan_session **session) {
    suan_error err = {0};
    suan_session_options options = SUAN_SESSION_OPTIONS_INIT;
    options.n_ctx = o->n_ctx;
    options.kv = (suan_kv_type)o->kv;
    options.activations = (suan_activations)o->activations;
    options.rounding = (suan_rounding)o->rounding;
    options.chunk = o->chunk;
    int status = open_draft(command, o, &options, draft);
    if (status != 0) return status;
    if (suan_session_create(session, model, &options, &err) != SUAN_OK) return cli_fail(command, &err);
    suan_model_info info;
    if (suan_model_get_info(model, &info) == SUAN_OK && info.n_ctx_train && suan_session_n_ctx(*session) > info.n_ctx_train) {
        cli_note("The model was made for %u positions; what it writes beyond them may be of no use.", (unsigned)info.n_ctx_train);
    }
    return 0;
}
