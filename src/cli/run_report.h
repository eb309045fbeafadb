/* run_report.h: what a run has to tell when it is over: as one JSON object, or as a line for a person. */
#ifndef SUAN_CLI_RUN_REPORT_H
#define SUAN_CLI_RUN_REPORT_H

#include <jansson.h>

#include "suan/suan.h"

/* Logprobs of the tokens drawn, in order. */
typedef struct cli_logprobs {
    suan_logprob *drawn; /* n of them */
    suan_logprob *top;   /* n * n_top of them */
    size_t n, capacity, n_top;
    bool has_failed; /* out of memory */
} cli_logprobs;
void cli_logprobs_add(cli_logprobs *l, const suan_piece *piece);
void cli_logprobs_fini(cli_logprobs *l);

typedef struct cli_run_report {
    suan_model_info info;
    const suan_session *session;
    const int32_t *prompt_ids;
    size_t n_prompt_ids;
    const suan_result *result;
    const suan_sampling *sampling;
    const cli_logprobs *logprobs; /* NULL: not asked for */
    suan_kv_type kv;
    double load_seconds, first_token_seconds; /* first token: since the program began, 0: none */
} cli_run_report;

const char *cli_finish_name(suan_finish finish);
/* Tokens a second, 0 when nothing was measured. The first token comes out of the prompt's pass, so decoding made one less. */
double cli_prompt_rate(const suan_result *result);
double cli_decode_rate(const suan_result *result);
/* ", 12 of 30 drafts right", or nothing where there were none; returns text. */
#define CLI_DRAFTS_TEXT 80
const char *cli_drafts_text(char text[CLI_DRAFTS_TEXT], const suan_result *result);
/* NULL: out of memory. */
json_t *cli_run_report_json(const cli_run_report *r);
/* The closing line, and a sentence when the context is full. */
void cli_run_report_say(const cli_run_report *r);

#endif
