/* bench_report.h: what a benchmark has to tell: as a table, as lines for a program, as one JSON object. */
#ifndef SUAN_CLI_BENCH_REPORT_H
#define SUAN_CLI_BENCH_REPORT_H

#include "suan/suan.h"

typedef enum cli_bench_format { CLI_BENCH_TABLE = 0, CLI_BENCH_CSV, CLI_BENCH_JSON } cli_bench_format;

typedef struct cli_bench_report {
    cli_bench_format format;
    suan_model_info info;
    const char *type; /* of a shape's random weights; NULL: a model from files */
    suan_kv_type kv;
    suan_activations activations;
    suan_bench_limits limits;
    suan_bench_result *results; /* n of them */
    size_t n;
} cli_bench_report;

/* In this order: the beginning, a line for each result as it comes (of the last one in `results`), the end. JSON comes whole at the end. */
void cli_bench_begin(const cli_bench_report *r);
void cli_bench_line(const cli_bench_report *r);
void cli_bench_end(const cli_bench_report *r);

#endif
