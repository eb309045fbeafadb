/* bench_report.c: figures of a benchmark. Numbers are printed by the C locale, which the program never leaves. */
#include "cli/bench_report.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_put(text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static const char *kind_name(const suan_bench_result *r) {
    return r->test.kind == SUAN_BENCH_PREFILL ? "prefill" : "decode";
}

static const char *kv_name(suan_kv_type kv) {
    return kv == SUAN_KV_F32 ? "f32" : kv == SUAN_KV_F16 ? "f16" : "q8_0";
}

static const char *activations_name(suan_activations a) {
    return a == SUAN_ACTIVATIONS_EXACT ? "exact" : "q8";
}

static double percent(double share) {
    return 100 * share;
}

/* ---- table ---- */

static void begin_table(const cli_bench_report *r) {
    char bytes[32];
    const suan_bench_limits *l = &r->limits;
    say("model    %s (%s), %.2f billion parameters, %u layers, weights %s%s%s, cache %s, activations %s\n", r->info.name,
        r->info.architecture, (double)r->info.n_params * 1e-9, (unsigned)r->info.n_layer, cli_bytes(bytes, (double)r->info.weight_bytes),
        r->type ? " of random " : "", r->type ? r->type : "", kv_name(r->kv), activations_name(r->activations));
    say("machine  %s, %d thread%s, kernels %s\n", l->processor[0] ? l->processor : "unknown processor", r->info.n_threads,
        r->info.n_threads == 1 ? "" : "s", r->info.cpu);
    say("limits   read %.1f GB/s", l->read_bytes_per_second * 1e-9);
    if (l->small_read_bytes_per_second > 0) say(" (%.1f GB/s over as many bytes as the weights)", l->small_read_bytes_per_second * 1e-9);
    say(", integer products %.0f GOP/s (%s)", l->int8_ops_per_second * 1e-9, l->int8_instruction);
    if (l->vector_instruction) say(", %.0f GOP/s (%s)", l->vector_ops_per_second * 1e-9, l->vector_instruction);
    say(", f32 fma %.0f GFLOP/s; measured in %.1f s\n\n", l->f32_ops_per_second * 1e-9, l->seconds);
    say("%-8s %7s %6s %7s %9s %8s %9s %6s %9s %8s\n", "test", "depth", "batch", "tokens", "tokens/s", "spread", "limit", "share",
        "MB/token", "J/token");
}

/* Digits enough for three places, without noise behind them. */
static const char *rate_text(char text[32], double rate) {
    snprintf(text, 32, rate < 10 ? "%.2f" : rate < 1000 ? "%.1f" : "%.0f", rate);
    return text;
}

static void line_table(const suan_bench_result *r) {
    char rate[32], spread[32], limit[32], joules[32] = "-";
    if (r->joules_per_token >= 0) snprintf(joules, sizeof joules, "%.3g", r->joules_per_token);
    say("%-8s %7u %6u %7u %9s %8s %9s %5.0f%% %9.1f %8s\n", kind_name(r), (unsigned)r->test.depth, (unsigned)r->test.batch,
        (unsigned)r->test.n_tokens, rate_text(rate, r->tokens_per_second), rate_text(spread, r->spread), rate_text(limit, r->limit),
        percent(r->share_of_limit), r->bytes_per_token * 1e-6, joules);
    if (r->n_operations == 0) return;
    double limits = 0;
    say("    %-24s %10s %6s %10s %10s %10s %10s %6s\n", "operation, a step", "us", "time", "MB", "GB/s", "GOP int8", "GFLOP f32", "share");
    for (size_t i = 0; i < r->n_operations; i++) {
        const suan_bench_operation *o = &r->operations[i];
        char share[16] = "-";
        if (o->limit_seconds > 0) snprintf(share, sizeof share, "%.0f%%", percent(o->limit_seconds / o->seconds));
        say("    %-24s %10.1f %5.1f%% %10.3f %10.1f %10.3f %10.3f %6s\n", o->name, o->seconds * 1e6, percent(o->seconds / r->step_seconds),
            o->bytes * 1e-6, o->bytes * 1e-9 / o->seconds, o->int8_ops * 1e-9, o->f32_ops * 1e-9, share);
        limits += o->limit_seconds;
    }
    say("    %-24s %10.1f %27s %10s %10s %10s %5.0f%%\n", "all", r->step_seconds * 1e6, "", "", "", "", percent(limits / r->step_seconds));
}

/* ---- comma-separated values ---- */

static void begin_csv(void) {
    say("test,depth,batch,tokens,repetitions,tokens_per_second,spread,slowest,fastest,limit,share_of_limit,bytes_per_token,"
        "int8_ops_per_token,f32_ops_per_token,joules_per_token,read_bytes_per_second,int8_ops_per_second,f32_ops_per_second,cpu,threads,"
        "kv,activations\n");
}

static void line_csv(const cli_bench_report *report, const suan_bench_result *r) {
    const suan_bench_limits *l = &report->limits;
    say("%s,%u,%u,%u,%u,%.6g,%.6g,%.6g,%.6g,%.6g,%.4f,%.9g,%.9g,%.9g,", kind_name(r), (unsigned)r->test.depth, (unsigned)r->test.batch,
        (unsigned)r->test.n_tokens, (unsigned)r->n_repeat, r->tokens_per_second, r->spread, r->slowest, r->fastest, r->limit,
        r->share_of_limit, r->bytes_per_token, r->int8_ops_per_token, r->f32_ops_per_token);
    if (r->joules_per_token >= 0) say("%.6g", r->joules_per_token);
    say(",%.6g,%.6g,%.6g,%s,%d,%s,%s\n", l->read_bytes_per_second, l->int8_ops_per_second, l->f32_ops_per_second, report->info.cpu,
        report->info.n_threads, kv_name(report->kv), activations_name(report->activations));
}

/* ---- JSON ---- */

static json_t *positive(double v) {
    return v > 0 ? json_real(v) : json_null();
}

static json_t *text_or_null(const char *s) {
    return s ? cli_json_text(s, strlen(s)) : json_null();
}

static json_t *machine_json(const cli_bench_report *r) {
    const char *name = r->limits.processor;
    return json_pack("{s:o, s:s, s:s, s:i, s:s}", "processor", name[0] ? cli_json_text(name, strlen(name)) : json_null(), "features",
                     suan_cpu_features(), "cpu", r->info.cpu, "threads", r->info.n_threads, "version", suan_version());
}

static json_t *model_json(const cli_bench_report *r) {
    const suan_model_info *m = &r->info;
    return json_pack("{s:o, s:o, s:s, s:I, s:I, s:i, s:i, s:i, s:o, s:s, s:s}", "path", text_or_null(m->path), "name",
                     text_or_null(m->name), "architecture", m->architecture, "n_params", (json_int_t)m->n_params, "weight_bytes",
                     (json_int_t)m->weight_bytes, "n_layer", (int)m->n_layer, "n_expert", (int)m->n_expert, "n_expert_used",
                     (int)m->n_expert_used, "random_type", text_or_null(r->type), "kv", kv_name(r->kv), "activations",
                     activations_name(r->activations));
}

static json_t *limits_json(const suan_bench_limits *l) {
    return json_pack("{s:f, s:I, s:o, s:f, s:s, s:o, s:o, s:f, s:f}", "read_bytes_per_second", l->read_bytes_per_second, "read_bytes",
                     (json_int_t)l->read_bytes, "small_read_bytes_per_second", positive(l->small_read_bytes_per_second),
                     "int8_ops_per_second", l->int8_ops_per_second, "int8_instruction", l->int8_instruction, "vector_ops_per_second",
                     positive(l->vector_ops_per_second), "vector_instruction", text_or_null(l->vector_instruction), "f32_ops_per_second",
                     l->f32_ops_per_second, "seconds", l->seconds);
}

static json_t *operations_json(const suan_bench_result *r) {
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_operations && rows; i++) {
        const suan_bench_operation *o = &r->operations[i];
        json_t *row = json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "name", o->name, "seconds", o->seconds, "bytes", o->bytes, "int8_ops",
                                o->int8_ops, "f32_ops", o->f32_ops, "limit_seconds", o->limit_seconds);
        if (json_array_append_new(rows, row) == 0) continue;
        json_decref(rows);
        rows = NULL;
    }
    return rows;
}

static json_t *result_json(const suan_bench_result *r) {
    json_t *row =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "test", kind_name(r), "depth",
                  (json_int_t)r->test.depth, "batch", (json_int_t)r->test.batch, "tokens", (json_int_t)r->test.n_tokens, "repetitions",
                  (json_int_t)r->n_repeat, "tokens_per_second", r->tokens_per_second, "spread", r->spread, "slowest", r->slowest, "fastest",
                  r->fastest, "limit", r->limit, "share_of_limit", r->share_of_limit, "bytes_per_token", r->bytes_per_token,
                  "int8_ops_per_token", r->int8_ops_per_token, "f32_ops_per_token", r->f32_ops_per_token, "joules_per_token",
                  r->joules_per_token >= 0 ? json_real(r->joules_per_token) : json_null());
    if (r->n_operations == 0 || !row) return row;
    if (json_object_set_new(row, "step_seconds", json_real(r->step_seconds)) == 0 &&
        json_object_set_new(row, "operations", operations_json(r)) == 0)
        return row;
    json_decref(row);
    return NULL;
}

static void end_json(const cli_bench_report *r) {
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n && rows; i++) {
        if (json_array_append_new(rows, result_json(&r->results[i])) == 0) continue;
        json_decref(rows);
        rows = NULL;
    }
    cli_put_json(json_pack("{s:o, s:o, s:o, s:o}", "machine", machine_json(r), "model", model_json(r), "limits", limits_json(&r->limits),
                           "results", rows));
}

/* ---- all of them ---- */

void cli_bench_begin(const cli_bench_report *r) {
    if (r->format == CLI_BENCH_TABLE) begin_table(r);
    if (r->format == CLI_BENCH_CSV) begin_csv();
    cli_flush();
}

void cli_bench_line(const cli_bench_report *r) {
    if (r->format == CLI_BENCH_TABLE) line_table(&r->results[r->n - 1]);
    if (r->format == CLI_BENCH_CSV) line_csv(r, &r->results[r->n - 1]);
    cli_flush();
}

void cli_bench_end(const cli_bench_report *r) {
    if (r->format == CLI_BENCH_JSON) end_json(r);
    if (r->format == CLI_BENCH_TABLE)
        say("\nspread: the median of the distances from the median. limit: the sum over a step's operations of the time for their bytes "
            "or\n"
            "their arithmetic, whichever is longer. batch: of decode, columns of a step; of prefill, tokens of a step.\n");
}
