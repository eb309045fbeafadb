/* open.h: which model a command works on, how much it may use, and opening it with progress. */
#ifndef SUAN_CLI_OPEN_H
#define SUAN_CLI_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/args.h"
#include "suan/suan.h"

/* Options that every command with a model at work has. */
typedef struct cli_engine_options {
    const char *model;                /* NULL: the model that ships with the program */
    const char *cpu;                  /* NULL: what SUAN_CPU says, else the best */
    uint32_t n_threads, n_ctx, chunk; /* 0: the default */
    int kv, activations, rounding;    /* suan_kv_type, suan_activations, suan_rounding */
    const char *draft;                /* NULL: none; see CLI_DRAFT_OPTIONS */
    uint32_t draft_max;
    bool is_quiet, pin;
} cli_engine_options;

/* clang-format off */
#define CLI_ENGINE_OPTIONS(o) \
    CLI_HEAD("Model:"), \
    CLI_TEXT('m', "model", &(o).model, "MODEL", "GGUF file, or directory with config.json, tokenizer.json and *.safetensors; without it the model that ships with suan"), \
    CLI_U32('c', "ctx", &(o).n_ctx, NULL, 1, 1u << 30, "N", "positions of context; by default the model's, or what memory allows"), \
    CLI_U32(0, "chunk", &(o).chunk, NULL, 1, 4096, "N", "tokens of the prompt a step (256); changes speed and memory, not the answer"), \
    CLI_CHOICE(0, "rounding", &(o).rounding, "published|none", "round trips through 8 and 4 bits in the attention of DeepSeek-V3.2 and V4, as published or left out (published)"), \
    CLI_COMPUTE_OPTIONS(o)
/* Those of them that say how it computes. */
#define CLI_COMPUTE_OPTIONS(o) \
    CLI_CHOICE(0, "kv", &(o).kv, "f16|f32|q8_0", "type of the key/value cache (f16)"), \
    CLI_CHOICE(0, "activations", &(o).activations, "q8|exact", "what block-quantised weights meet: activations rounded to 8 bits, or exact ones, slower (q8)"), \
    CLI_U32('t', "threads", &(o).n_threads, NULL, 1, 512, "N", "threads; by default as many as this process may use; changes no bit"), \
    CLI_FLAG(0, "pin", &(o).pin, "bind each thread to a core of its own; changes no bit"), \
    CLI_TEXT(0, "cpu", &(o).cpu, "LEVEL", "c, avx2, avxvnni, avx512, amx, neon, dotprod or i8mm at most, also from SUAN_CPU; changes no bit"), \
    CLI_FLAG('q', "quiet", &(o).is_quiet, "say nothing on stderr but errors")
#define CLI_DRAFT_OPTIONS(o) \
    CLI_TEXT(0, "draft", &(o).draft, "none|lookup|mtp|MODEL", "guess tokens ahead and check them together: from the text so far, by the model's own module, or by a smaller model; faster or not, changes no bit (none)"), \
    CLI_U32(0, "draft-max", &(o).draft_max, NULL, 1, 15, "N", "tokens guessed at once at most (8)")
/* clang-format on */

/* The directory of the model that ships with the program, in suan__malloc'ed memory; NULL when it is not installed. */
char *cli_shipped_model(void);
/* The limit of the instruction set: the option, else SUAN_CPU, else NULL. */
const char *cli_cpu_level(const char *option);

/* Fills *path (owned by the caller, suan__free) with the model to use; *is_shipped tells whether it is the shipped one. Returns 0 or an
 * exit status after telling why. */
int cli_model_path(const char *command, const char *option, char **path, bool *is_shipped);
/* Opens the model with a progress line. Returns 0 or an exit status after telling why. */
int cli_model_open(const char *command, const cli_engine_options *o, const char *path, suan_model **model);
/* A session as the options say. *draft: the model that guesses for it, where one is asked for, else NULL; to be closed after the session. */
int cli_session_create(const char *command, const cli_engine_options *o, suan_model *model, suan_model **draft, suan_session **session);

#endif
