/* form.h: options that say what form an answer has: a grammar, a JSON Schema, a regular expression; and how long it may reason before. */
#ifndef SUAN_CLI_FORM_H
#define SUAN_CLI_FORM_H

#include "cli/args.h"
#include "suan/suan.h"

typedef struct cli_form_options {
    const char *grammar, *schema, *regex; /* at most one of them */
    uint32_t think_budget;
    bool has_think_budget;
} cli_form_options;

/* clang-format off */
#define CLI_FORM_OPTIONS(o) \
    CLI_HEAD("Form of the answer (behind the model's reasoning; the answer ends where it is complete):"), \
    CLI_TEXT(0, "grammar", &(o).grammar, "FILE", "texts of this grammar in GBNF; it begins with the rule root"), \
    CLI_TEXT(0, "json-schema", &(o).schema, "FILE", "JSON that obeys this JSON Schema; a text that begins with { is one itself"), \
    CLI_TEXT(0, "regex", &(o).regex, "TEXT", "texts that match this regular expression as a whole"), \
    CLI_U32(0, "think-budget", &(o).think_budget, &(o).has_think_budget, 0, UINT32_MAX, "N", "close the reasoning when it has N tokens; 0: no reasoning")
/* clang-format on */

/* Zeroed before the first use. */
typedef struct cli_form {
    suan_grammar *content; /* NULL: any text */
    suan_vocabulary *vocabulary;
    suan_matcher *matcher;         /* of the answer at work */
    const suan_think_limit *think; /* NULL: none */
    suan_think_limit limit;
    char *prompt; /* of the limit */
} cli_form;

bool cli_form_is_one(const cli_form_options *o); /* not more than one of them is given */
/* Reads the option that was given: all that can be refused before a model is loaded. */
suan_status cli_form_read(const cli_form_options *o, cli_form *form, suan_error *err);
/* form->matcher for a new answer, NULL where any text may come; form->think where o says a budget. prompt: as the chat template rendered it; NULL: there is no template at work, and the
 * form begins at once. */
suan_status cli_form_begin(const cli_form_options *o, cli_form *form, const suan_model *model, const char *prompt, suan_error *err);
void cli_form_fini(cli_form *form);

#endif
