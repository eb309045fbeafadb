/* bench.c: suan bench: how fast a model, or a published shape, runs here. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stop.h"

enum { MAX_LIST = 32, MAX_TOKENS = 1 << 24 };

/* Numbers of a list as "0,512,32768". */
typedef struct list {
    uint32_t items[MAX_LIST];
    size_t n;
} list;

typedef struct bench_flags {
    cli_engine_options engine;
    const char *shape, *type;
    uint32_t n_layer;
    const char *depths, *prompts, *batches, *chunks;
    uint32_t n_tokens, n_repeat, n_warmup;
    bool has_tokens, has_warmup, want_operations, is_csv, is_json;
    list depth, prompt, batch, chunk;
} bench_flags;

static bool cancelled(void *ctx) {
    (void)ctx;
    return cli_stop_signal() != 0;
}

/* ---- options ---- */

static bool parse_list(const char *text, uint32_t min, uint32_t max, list *out) {
    out->n = 0;
    for (const char *p = text; out->n < MAX_LIST; p++) {
        size_t n = strcspn(p, ",");
        int64_t v;
        if (!cli_parse_i64(p, n, min, max, &v)) return false;
        out->items[out->n++] = (uint32_t)v;
        p += n;
        if (!*p) return true;
    }
    return false;
}

static int check_list(const cli_command *command, const char *name, const char *text, const char *by_default, uint32_t min, uint32_t max,
                      list *out) {
    if (parse_list(text ? text : by_default, min, max, out)) return 0;
    return cli_usage_error(command, "--%s: \"%s\" is not a list of at most %d whole numbers from %u to %u, as 1,2,4", name, text, MAX_LIST,
                           (unsigned)min, (unsigned)max);
}

static bool is_known(const char *word, const char *(*name)(size_t i)) {
    for (size_t i = 0; name(i); i++)
        if (strcasecmp(word, name(i)) == 0) return true;
    return false;
}

static int check(const cli_command *command, bench_flags *f) {
    char names[1024];
    int status;
    if (f->engine.model && f->shape) return cli_usage_error(command, "-m and --shape exclude one another");
    if (!f->shape && (f->type || f->n_layer)) return cli_usage_error(command, "--type and --layers belong to --shape");
    if (f->is_csv && f->is_json) return cli_usage_error(command, "--csv and --json exclude one another");
    if (f->type && !is_known(f->type, suan_convert_type)) {
        cli_put_names(names, sizeof names, "", suan_convert_type);
        return cli_usage_error(command, "--type: \"%s\" is none of%s", f->type, names);
    }
    bool is_path = f->shape && (strchr(f->shape, '/') || (strlen(f->shape) > 5 && strcmp(f->shape + strlen(f->shape) - 5, ".json") == 0));
    if (f->shape && !is_path && !is_known(f->shape, suan_convert_shape)) {
        cli_put_names(names, sizeof names, "", suan_convert_shape);
        return cli_usage_error(command, "--shape: \"%s\" is no config.json, and none of%s", f->shape, names);
    }
    if ((status = check_list(command, "depth", f->depths, "0", 0, 1u << 29, &f->depth)) ||
        (status = check_list(command, "prompt", f->prompts, "512", 0, MAX_TOKENS, &f->prompt)) ||
        (status = check_list(command, "batch", f->batches, "1", 1, 4096, &f->batch)) ||
        (status = check_list(command, "chunk", f->chunks, "256", 1, 4096, &f->chunk)))
        return status;
    if (f->prompt.n > 1)
        for (size_t i = 0; i < f->prompt.n; i++)
            if (f->prompt.items[i] == 0) return cli_usage_error(command, "--prompt: 0 stands alone, for no prefill tests");
    if (f->prompt.items[0] == 0 && f->has_tokens && f->n_tokens == 0)
        return cli_usage_error(command, "--prompt 0 and --tokens 0 leave nothing to measure");
    return 0;
}

/* ---- tests ---- */

static suan_bench_test *list_tests(const bench_flags *f, size_t *n) {
    size_t n_prefill = f->prompt.items[0] ? f->prompt.n * f->chunk.n : 0, n_decode = f->has_tokens && f->n_tokens == 0 ? 0 : f->batch.n;
    suan_bench_test *tests = suan__calloc(f->depth.n * (n_prefill + n_decode), sizeof *tests), *t = tests;
    *n = f->depth.n * (n_prefill + n_decode);
    for (size_t d = 0; tests && d < f->depth.n; d++) {
        for (size_t i = 0; i < n_prefill; i++)
            *t++ = (suan_bench_test){.kind = SUAN_BENCH_PREFILL,
                                     .depth = f->depth.items[d],
                                     .batch = f->chunk.items[i % f->chunk.n],
                                     .n_tokens = f->prompt.items[i / f->chunk.n]};
        for (size_t i = 0; i < n_decode; i++) {
            uint32_t batch = f->batch.items[i], steps = (f->n_tokens + batch - 1) / batch;
            *t++ = (suan_bench_test){.kind = SUAN_BENCH_DECODE, .depth = f->depth.items[d], .batch = batch, .n_tokens = steps * batch};
        }
    }
    return tests;
}

/* Runs the tests in turn; what was measured before a signal or a failure is in the report. */
static int run_tests(const bench_flags *f, suan_model *model, const suan_bench_test *tests, size_t n, cli_bench_report *report) {
    suan_error err = {0};
    suan_bench_options o = {.n_repeat = f->n_repeat,
                            .n_warmup = f->n_warmup,
                            .no_warmup = f->has_warmup && f->n_warmup == 0,
                            .kv = report->kv,
                            .activations = report->activations,
                            .want_operations = f->want_operations,
                            .cancelled = cancelled};
    suan_status status = SUAN_OK;
    for (size_t i = 0; i < n && status == SUAN_OK; i++) {
        suan_bench_result *r = &report->results[report->n];
        status = suan_bench_run(r, model, &report->limits, &tests[i], &o, &err);
        if (r->n_repeat == 0) break;
        report->n++;
        cli_bench_line(report);
    }
    int number = cli_stop_signal();
    if (status == SUAN_STOPPED && number) return 128 + number;
    return status == SUAN_OK ? 0 : cli_fail("bench", &err);
}

static int open_model(const bench_flags *f, uint32_t n_ctx, suan_model **model) {
    suan_error err = {0};
    char *path = NULL;
    bool is_shipped;
    cli_engine_options engine = f->engine;
    engine.n_ctx = n_ctx;
    if (!f->shape) {
        int status = cli_model_path("bench", engine.model, &path, &is_shipped);
        if (status == 0) status = cli_model_open("bench", &engine, path, model);
        suan__free(path);
        return status;
    }
    cli_progress progress;
    suan_model_options options = {.n_threads = (int)engine.n_threads,
                                  .pin = engine.pin,
                                  .cpu = cli_cpu_level(engine.cpu),
                                  .n_ctx = n_ctx,
                                  .kv = (suan_kv_type)engine.kv,
                                  .progress = cli_progress_step,
                                  .progress_ctx = &progress};
    cli_progress_init(&progress, "making weights", CLI_UNIT_BYTES);
    suan_status status = suan_bench_open_shape(model, f->shape, f->type, f->n_layer, &options, &err);
    cli_progress_done(&progress);
    return status == SUAN_OK ? 0 : cli_fail("bench", &err);
}

/* The cache has to fit beside the weights: asked before they are made. */
static uint32_t longest(const suan_bench_test *tests, size_t n) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t all = tests[i].depth + (tests[i].n_tokens ? tests[i].n_tokens : 128 * tests[i].batch);
        if (all > most) most = all;
    }
    return most;
}

static int bench(const bench_flags *f) {
    suan_error err = {0};
    size_t n;
    suan_model *model = NULL;
    suan_bench_test *tests = list_tests(f, &n);
    cli_bench_report report = {.format = f->is_json  ? CLI_BENCH_JSON
                                         : f->is_csv ? CLI_BENCH_CSV
                                                     : CLI_BENCH_TABLE,
                               .type = f->shape ? f->type ? f->type : "bf16" : NULL,
                               .kv = (suan_kv_type)f->engine.kv,
                               .activations = (suan_activations)f->engine.activations,
                               .results = suan__calloc(n, sizeof *report.results)};
    int status = tests && report.results ? open_model(f, longest(tests, n), &model) : cli_failf("bench", "out of memory");
    if (status == 0) {
        suan_model_get_info(model, &report.info);
        if (suan_bench_measure_limits(&report.limits, model, &err) != SUAN_OK) status = cli_fail("bench", &err);
    }
    if (status == 0) {
        cli_stop_watch(NULL, false);
        cli_bench_begin(&report);
        status = run_tests(f, model, tests, n, &report);
        cli_stop_unwatch();
        cli_bench_end(&report);
    }
    suan__free(tests);
    suan__free(report.results);
    suan_model_close(&model);
    int written = cli_output_exit();
    return status ? status : written;
}

static int bench_main(const cli_command *command, int argc, char **argv) {
    bench_flags f = {0};
    char types[256], shapes[1024];
    if (!cli_put_names(types, sizeof types, "type of the shape's matrices (bf16):", suan_convert_type) ||
        !cli_put_names(shapes, sizeof shapes, "measure this shape with random weights, made in memory: a config.json, or one of",
                       suan_convert_shape))
        return cli_failf("bench", "the names are too long");
    /* clang-format off */
    const cli_option options[] = {
        CLI_HEAD("Model:"),
        CLI_TEXT('m', "model", &f.engine.model, "MODEL", "GGUF file, or directory with config.json and *.safetensors; without it the model that ships with suan"),
        CLI_TEXT(0, "shape", &f.shape, "SHAPE", shapes),
        CLI_TEXT(0, "type", &f.type, "TYPE", types),
        CLI_U32(0, "layers", &f.n_layer, NULL, 1, 4096, "N", "the first N layers of the shape only"),
        CLI_COMPUTE_OPTIONS(f.engine),
        CLI_HEAD("Tests (each list is one or several numbers, as 0,512,32768):"),
        CLI_TEXT('d', "depth", &f.depths, "LIST", "tokens in the cache before the test (0); such a cache is filled, not computed"),
        CLI_TEXT('p', "prompt", &f.prompts, "LIST", "prefill: tokens of the prompt (512); 0: no prefill tests"),
        CLI_TEXT(0, "chunk", &f.chunks, "LIST", "prefill: tokens a step (256)"),
        CLI_U32('n', "tokens", &f.n_tokens, &f.has_tokens, 0, MAX_TOKENS, "N", "decode: tokens a repetition, rounded up to whole steps; by default what half a second takes; 0: no decode tests"),
        CLI_TEXT('b', "batch", &f.batches, "LIST", "decode: columns a step (1): N tokens of one sequence that follow each other, each with its logits, as when a draft of N-1 tokens is verified"),
        CLI_U32('r', "repeat", &f.n_repeat, NULL, 1, 1000, "N", "repetitions of each test (5); their median counts"),
        CLI_U32(0, "warmup", &f.n_warmup, &f.has_warmup, 0, 1000, "N", "repetitions before them that do not count (1)"),
        CLI_HEAD("Output:"),
        CLI_FLAG(0, "operations", &f.want_operations, "also where the time of a step goes, by kind of operation"),
        CLI_FLAG(0, "csv", &f.is_csv, "print comma-separated values"),
        CLI_FLAG(0, "json", &f.is_json, "print one JSON object when all is done"),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 0);
    int status = cli_parsed_exit(parsed);
    if (parsed == CLI_PARSED_OK && (status = check(command, &f)) == 0) {
        if (f.engine.is_quiet) cli_be_quiet();
        status = bench(&f);
    }
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_bench = {
    .name = "bench",
    .usage = "[-m MODEL | --shape SHAPE] [options]",
    .summary = "Measures how fast a model, or a published shape, runs on this machine",
    .details =
        "Beside tokens a second stands the limit: what this machine's memory and arithmetic, measured in the same run with the same\n"
        "threads, allow for that test, and the share of it that is reached. Energy is told where the processor says it. Ctrl-C prints\n"
        "what there is.",
    .main = bench_main};
