/* ask_form.c: what the answer has to look like: a format, and calls of tools, as one grammar. */
#include <stdlib.h>
#include <string.h>

#include "serve/ask_internal.h"

static suan_status compile_format(const suan__ask *ask, suan_grammar **g, suan_error *err) {
    switch (ask->format) {
    case SUAN__FORMAT_JSON_OBJECT:
        return suan_grammar_any_json_object(g, err);
    case SUAN__FORMAT_JSON_SCHEMA:
        return suan_grammar_from_json_schema(g, ask->format_text, ask->n_format_text, err);
    case SUAN__FORMAT_GBNF:
        return suan_grammar_from_gbnf(g, ask->format_text, ask->n_format_text, err);
    case SUAN__FORMAT_REGEX:
        return suan_grammar_from_regex(g, ask->format_text, ask->n_format_text, err);
    default:
        *g = NULL;
        return SUAN_OK;
    }
}

/* A grammar that is too large is the request's mistake, not a matter of time. */
static bool grammar_problem(suan__problem *problem, const char *param, suan_error *err) {
    if (err->status == SUAN_ELIMIT) err->status = SUAN_EINVAL;
    return suan__problem_from(problem, param, err);
}

/* Some limits are only passed with the model's vocabulary, when the request is handed in or in the middle of its answer. The library says SUAN_ELIMIT for a full queue as well: the
 * first word tells them apart. */
bool suan__ask_engine_problem(const suan__ask_state *a, suan__problem *problem, const char *param, const suan_error *err) {
    static const char grammar[] = "grammar: ";
    suan_error copy = *err;
    if (strncmp(err->message, grammar, sizeof grammar - 1) != 0) return suan__problem_from(problem, param, err);
    return grammar_problem(problem, a->ask.format == SUAN__FORMAT_FREE ? "tools" : "response_format", &copy);
}

/* The end of the prompt, which tells the grammar whether the answer may begin with reasoning: not where the request turned it off, nor where the template knows none. A mark of
 * reasoning's end says so, whatever the prompt. Harmony's channels are its own matter. */
static void set_prompt(const suan__ask_state *a, suan_chat_form *form) {
    const char *reopen;
    bool is_wanted = a->ask.think == -2 ? suan__ask_opens_reasoning(a) : a->ask.think != 0,
         has_reasoning = is_wanted && suan__ask_has_reasoning(suan__exchange_server(a->x));
    form->prompt = has_reasoning || form->syntax == SUAN_ANSWER_HARMONY ? a->prompt : suan__ask_think_end(a, &reopen);
    form->n_prompt = strlen(form->prompt);
}

bool suan__ask_compile(suan__ask_state *a, suan__problem *problem) {
    suan__ask *ask = &a->ask;
    suan_error err = {0};
    suan_grammar *content = NULL;
    bool has_tools = suan__ask_wants_tools(a);
    if (has_tools && !(a->tools = json_dumps(ask->tools, JSON_COMPACT)))
        return suan__problem_set(problem, SUAN__PROBLEM_BUSY, "tools", "Out of memory.");
    if (compile_format(ask, &content, &err) != SUAN_OK) return grammar_problem(problem, "response_format", &err);
    if (ask->plain || (!content && !has_tools)) {
        a->grammar = content;
        return true;
    }
    suan_chat_form form = {.syntax = suan__ask_syntax(a),
                           .tools = a->tools,
                           .n_tools = a->tools ? strlen(a->tools) : 0,
                           .choice = has_tools ? ask->tool_choice : SUAN_TOOLS_NONE,
                           .name = ask->tool_name,
                           .one_call = ask->one_call,
                           .content = content};
    set_prompt(a, &form);
    suan_status status = suan_grammar_from_chat(&a->grammar, &form, &err);
    suan_grammar_free(content);
    return status == SUAN_OK || grammar_problem(problem, has_tools ? "tools" : "response_format", &err);
}
