/* form.c: from what the person gave to a matcher for each answer. */
#include "cli/form.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/prompt.h"

#define MAX_BYTES ((uint64_t)4 << 20)

bool cli_form_is_one(const cli_form_options *o) {
    return (o->grammar != NULL) + (o->schema != NULL) + (o->regex != NULL) <= 1;
}

suan_status cli_form_read(const cli_form_options *o, cli_form *form, suan_error *err) {
    const char *path = o->grammar ? o->grammar : o->schema;
    if (o->regex) return suan_grammar_from_regex(&form->content, o->regex, strlen(o->regex), err);
    if (!path) return SUAN_OK;
    if (o->schema && o->schema[0] == '{') return suan_grammar_from_json_schema(&form->content, o->schema, strlen(o->schema), err);
    char *text;
    size_t n;
    SUAN_TRY(cli_slurp(path, MAX_BYTES, &text, &n, err));
    suan_status status =
        o->grammar ? suan_grammar_from_gbnf(&form->content, text, n, err) : suan_grammar_from_json_schema(&form->content, text, n, err);
    suan__free(text);
    return status == SUAN_OK ? status : suan__fail_prefix(err, status, path);
}

/* The model's chat template, NULL: none. */
static const char *template_of(const suan_model *model, size_t *n) {
    const suan_tokenizer *tokenizer = suan_model_tokenizer(model);
    *n = 0;
    return tokenizer ? suan_tokenizer_chat_template(tokenizer, NULL, n) : NULL;
}

/* The whole answer: reasoning, then the form. */
static suan_status answer_grammar(const cli_form *form, const suan_model *model, const char *prompt, suan_grammar **g, suan_error *err) {
    size_t n_source = 0;
    const char *source = template_of(model, &n_source);
    if (!prompt || !source) {
        *g = suan_grammar_ref(form->content);
        return SUAN_OK;
    }
    suan_chat_form chat = {
        .syntax = suan_answer_syntax_of(source, n_source), .prompt = prompt, .n_prompt = strlen(prompt), .content = form->content};
    return suan_grammar_from_chat(g, &chat, err);
}

static suan_status set_limit(cli_form *form, uint32_t budget, const suan_model *model, const char *prompt, suan_error *err) {
    size_t n_source = 0;
    const char *source = template_of(model, &n_source);
    suan__free(form->prompt);
    form->prompt = suan__strndup(prompt ? prompt : "", prompt ? strlen(prompt) : 0);
    SUAN_CHECK(form->prompt, SUAN_ENOMEM, "out of memory");
    form->limit = (suan_think_limit){.budget = budget, .prompt = form->prompt, .n_prompt = strlen(form->prompt)};
    if (source) form->limit.syntax = suan_answer_syntax_of(source, n_source);
    form->limit.close = suan_answer_think_end(form->limit.syntax, source, n_source, false, &form->limit.reopen);
    form->think = &form->limit;
    return SUAN_OK;
}

suan_status cli_form_begin(const cli_form_options *o, cli_form *form, const suan_model *model, const char *prompt, suan_error *err) {
    suan_matcher_free(form->matcher);
    form->matcher = NULL;
    if (o->has_think_budget) SUAN_TRY(set_limit(form, o->think_budget, model, prompt, err));
    if (!form->content) return SUAN_OK;
    const suan_tokenizer *tokenizer = suan_model_tokenizer(model);
    SUAN_CHECK(tokenizer, SUAN_EUNSUPPORTED, "the model has no tokenizer: the form of its answers cannot be told");
    if (!form->vocabulary) SUAN_TRY(suan_vocabulary_create(&form->vocabulary, tokenizer, err));
    suan_grammar *g;
    SUAN_TRY(answer_grammar(form, model, prompt, &g, err));
    suan_status status = suan_matcher_create(&form->matcher, g, form->vocabulary, err);
    suan_grammar_free(g);
    return status;
}

void cli_form_fini(cli_form *form) {
    suan_matcher_free(form->matcher);
    suan_vocabulary_free(form->vocabulary);
    suan_grammar_free(form->content);
    suan__free(form->prompt);
}
