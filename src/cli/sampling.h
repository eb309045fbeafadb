/* sampling.h: options that say how tokens are drawn, on top of what the model's files ask for. */
#ifndef SUAN_CLI_SAMPLING_H
#define SUAN_CLI_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/args.h"
#include "suan/suan.h"

typedef struct cli_sampling_given {
    bool temperature, top_k, top_p, min_p, typical_p, repetition_penalty, presence_penalty, frequency_penalty, penalty_last_n, seed;
} cli_sampling_given;

typedef struct cli_sampling_options {
    suan_sampling value;      /* fields that were given */
    cli_sampling_given given; /* which */
    cli_texts logit_bias;     /* "ID:BIAS" */
    cli_texts stop;
    uint32_t max_tokens;
    bool ignore_eos;
} cli_sampling_options;

/* clang-format off */
#define CLI_SAMPLING_OPTIONS(o) \
    CLI_HEAD("Answer:"), \
    CLI_U32('n', "tokens", &(o).max_tokens, NULL, 0, UINT32_MAX, "N", "tokens to write at most; 0: until the model ends or the context is full (0)"), \
    CLI_TEXTS(0, "stop", &(o).stop, "TEXT", "end before this text; may be repeated"), \
    CLI_FLAG(0, "ignore-eos", &(o).ignore_eos, "go on after the model's end token"), \
    CLI_HEAD("Sampling (by default as the model's generation_config.json says, else greedy):"), \
    CLI_F32(0, "temp", &(o).value.temperature, &(o).given.temperature, 0, 100, "T", "temperature; 0: always the most probable token"), \
    CLI_I32(0, "top-k", &(o).value.top_k, &(o).given.top_k, 0, INT32_MAX, "K", "only the K most probable tokens; 0: off"), \
    CLI_F32(0, "top-p", &(o).value.top_p, &(o).given.top_p, 0x1p-126f, 1, "P", "the most probable tokens that hold P together; 1: off"), \
    CLI_F32(0, "min-p", &(o).value.min_p, &(o).given.min_p, 0, 1, "P", "only tokens with P times the greatest probability; 0: off"), \
    CLI_F32(0, "typical", &(o).value.typical_p, &(o).given.typical_p, 0x1p-126f, 1, "P", "locally typical sampling; 1: off"), \
    CLI_F32(0, "repeat-penalty", &(o).value.repetition_penalty, &(o).given.repetition_penalty, 0x1p-20f, 0x1p20f, "X", "make tokens seen less likely; 1: off"), \
    CLI_I32(0, "repeat-last-n", &(o).value.penalty_last_n, &(o).given.penalty_last_n, -1, INT32_MAX, "N", "tokens that penalties look back; -1: all (64)"), \
    CLI_F32(0, "presence-penalty", &(o).value.presence_penalty, &(o).given.presence_penalty, -2, 2, "X", "taken from the logit of a token seen; 0: off"), \
    CLI_F32(0, "frequency-penalty", &(o).value.frequency_penalty, &(o).given.frequency_penalty, -2, 2, "X", "the same, times how often it was seen; 0: off"), \
    CLI_TEXTS(0, "logit-bias", &(o).logit_bias, "ID:BIAS", "added to the logit of a token; may be repeated"), \
    CLI_U64(0, "seed", &(o).value.seed, &(o).given.seed, "N", "of the random numbers; by default a new one each time, named at the end")
/* clang-format on */

/* What can be refused before a model is loaded: the words of --logit-bias and --stop. */
suan_status cli_sampling_check(const cli_sampling_options *o, suan_error *err);
/* generation_config.json of the model, then what was given, then a random seed if none was. *bias: owned by the caller (suan__free), and
 * borrowed by *sampling. */
suan_status cli_sampling_make(const cli_sampling_options *o, const suan_model *model, suan_sampling *sampling, suan_logit_bias **bias,
                              suan_error *err);
/* Only the fields that were given. */
void cli_sampling_apply(const cli_sampling_options *o, suan_sampling *sampling);
void cli_sampling_fini(cli_sampling_options *o);

#endif
