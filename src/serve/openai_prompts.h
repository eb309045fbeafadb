/* openai_prompts.h: the prompts of a completion, the texts of an embedding. */
#ifndef SUAN_SERVE_OPENAI_PROMPTS_H
#define SUAN_SERVE_OPENAI_PROMPTS_H

#include "serve/ask_list.h"

typedef struct suan__openai_prompt { /* text or ids */
    const char *text;
    size_t n_text;
    const int32_t *ids;
    size_t n_ids;
} suan__openai_prompt;

/* v: a string, a list of strings, of token ids, or of lists of token ids. *prompts goes with the exchange. */
bool suan__openai_prompts(suan__exchange *x, const json_t *v, suan__openai_prompt **prompts, size_t *n, const char *where,
                          suan__problem *problem);
void suan__openai_set_prompt(suan__ask *ask, const suan__openai_prompt *prompt);

#endif
