/* ask_prompt.c: what is asked becomes the ids of a prompt: messages by the model's template, text by its tokenizer.
 *
 * Only the template writes control tokens; a request cannot bring a template, nor a variable that stands for one of its tokens.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "serve/ask_internal.h"
#include "serve/fields.h"

/* ---- the template ---- */

static const suan_tokenizer *tokenizer_of(const suan__ask_state *a) {
    return suan_model_tokenizer(suan__exchange_server(a->x)->model);
}

bool suan__ask_mentions(const suan_model *model, const char *word) {
    const suan_tokenizer *t = suan_model_tokenizer(model);
    static const char *const names[] = {NULL, "tool_use"};
    for (size_t i = 0; t && i < sizeof names / sizeof *names; i++) {
        size_t n = 0;
        const char *source = suan_tokenizer_chat_template(t, names[i], &n);
        if (source && memmem(source, n, word, strlen(word))) return true;
    }
    return false;
}

bool suan__ask_has_thinking(const suan__server *s) {
    return suan__ask_mentions(s->model, "enable_thinking") || suan__ask_mentions(s->model, "thinking") ||
           suan__ask_mentions(s->model, "reasoning_effort");
}

bool suan__ask_has_reasoning(const suan__server *s) {
    return suan__ask_mentions(s->model, "think") || suan__ask_mentions(s->model, "reasoning");
}

/* Some templates tell messages with calls by a content that is none, others write it out. */
static bool wants_null_content(const suan_model *model) {
    return suan__ask_mentions(model, "content'] is none") || suan__ask_mentions(model, "content\"] is none") ||
           suan__ask_mentions(model, "content is none");
}

/* ---- messages ---- */

/* A list of text parts as one string; NULL: *problem. */
static json_t *join_parts(const json_t *parts, const char *where, suan__problem *problem) {
    suan__buf text = {0};
    size_t i;
    const json_t *part;
    json_array_foreach((json_t *)parts, i, part) {
        char path[SUAN__PATH_BYTES];
        const char *type = json_string_value(json_object_get(part, "type"));
        const json_t *words = json_object_get(part, "text");
        suan__item_path(path, where, i);
        if ((type && strcmp(type, "text") != 0) || !json_is_string(words)) {
            suan__problem_set(problem, type && strcmp(type, "text") != 0 ? SUAN__PROBLEM_UNSUPPORTED : SUAN__PROBLEM_INVALID, path,
                              "%s is of type \"%.40s\"; this model takes parts of type \"text\" with a string \"text\".", path,
                              type ? type : "");
            suan__buf_fini(&text);
            return NULL;
        }
        if (i > 0) suan__buf_append(&text, "\n", 1);
        suan__buf_append(&text, json_string_value(words), json_string_length(words));
    }
    json_t *joined = text.failed ? NULL : json_stringn(text.data ? text.data : "", text.n);
    suan__buf_fini(&text);
    if (!joined) suan__problem_set(problem, SUAN__PROBLEM_BUSY, where, "Out of memory.");
    return joined;
}

static json_t *content_of(const suan__ask_state *a, const json_t *message, const char *where, suan__problem *problem) {
    char path[SUAN__PATH_BYTES];
    json_t *content = json_object_get(message, "content");
    suan__field_path(path, where, "content");
    if (json_is_string(content)) return json_incref(content);
    if (json_is_array(content)) return join_parts(content, path, problem);
    if (content && !json_is_null(content)) {
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, path, "%s is neither a string nor a list of parts.", path);
        return NULL;
    }
    bool has_calls = json_array_size(json_object_get(message, "tool_calls")) > 0;
    return has_calls && wants_null_content(suan__exchange_server(a->x)->model) ? json_null() : json_string("");
}

/* Calls whose arguments are JSON text instead of objects, for templates that write them out as they are. */
static json_t *with_text_arguments(const json_t *calls) {
    json_t *copy = json_deep_copy(calls);
    size_t i;
    json_t *call;
    json_array_foreach(copy, i, call) {
        json_t *function = json_object_get(call, "function");
        json_t *arguments = json_object_get(function, "arguments");
        if (!arguments || json_is_string(arguments)) continue;
        size_t n = 0;
        char *text = suan__json_text(arguments, &n);
        if (!text || json_object_set_new(function, "arguments", json_stringn(text, n)) != 0) json_decref(copy), copy = NULL;
        suan_free(text);
        if (!copy) return NULL;
    }
    return copy;
}

/* One message as templates take it; NULL: *problem. */
static json_t *normal_message(const suan__ask_state *a, const json_t *message, size_t i, bool text_arguments, suan__problem *problem) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    char where[SUAN__PATH_BYTES];
    suan__item_path(where, "messages", i);
    const char *role = json_string_value(json_object_get(message, "role"));
    bool is_known = false;
    for (size_t k = 0; role && k < sizeof roles / sizeof *roles; k++) is_known |= strcmp(role, roles[k]) == 0;
    if (!is_known) {
        suan__problem_set(problem, SUAN__PROBLEM_INVALID, where,
                          "%s has the role \"%.40s\", expected system, developer, user, assistant or tool.", where, role ? role : "");
        return NULL;
    }
    json_t *content = content_of(a, message, where, problem);
    if (!content) return NULL;
    json_t *copy = json_copy((json_t *)message);
    bool is_good = json_object_set_new(copy, "content", content) == 0;
    if (strcmp(role, "developer") == 0 && !suan__ask_mentions(suan__exchange_server(a->x)->model, "developer"))
        is_good = is_good && json_object_set_new(copy, "role", json_string("system")) == 0;
    json_t *calls = json_object_get(copy, "tool_calls");
    if (calls && json_array_size(calls) == 0)
        json_object_del(copy, "tool_calls");
    else if (calls && text_arguments)
        is_good = is_good && json_object_set_new(copy, "tool_calls", with_text_arguments(calls)) == 0;
    if (suan__ask_has_short_ids(suan__exchange_server(a->x))) is_good = is_good && suan__ask_shorten_ids(copy);
    if (is_good) return copy;
    json_decref(copy);
    suan__problem_set(problem, SUAN__PROBLEM_BUSY, where, "Out of memory.");
    return NULL;
}

static json_t *normal_messages(const suan__ask_state *a, size_t n, bool text_arguments, suan__problem *problem) {
    json_t *messages = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *message = normal_message(a, json_array_get(a->ask.messages, i), i, text_arguments, problem);
        if (!message) {
            json_decref(messages);
            return NULL;
        }
        if (json_array_append_new(messages, message) != 0) {
            json_decref(messages);
            suan__problem_set(problem, SUAN__PROBLEM_BUSY, "messages", "Out of memory.");
            return NULL;
        }
    }
    return messages;
}

/* ---- the template's variables ---- */

static bool add_extra(json_t *request, const json_t *extra, suan__problem *problem) {
    static const char *const taken[] = {
        "messages",  "tools",     "add_generation_prompt", "chat_template", "bos_token", "eos_token", "unk_token",
        "pad_token", "documents", "continue_final_message"};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)extra, name, v) {
        for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
            if (strcmp(name, taken[i]) == 0)
                return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "chat_template_kwargs",
                                         "\"%s\" is not a variable that a request can set.", name);
        }
        if (json_object_set(request, name, v) != 0) return suan__problem_set(problem, SUAN__PROBLEM_BUSY, "", "Out of memory.");
    }
    return true;
}

/* The words of different templates for the same: Qwen3, GLM, SmolLM; DeepSeek and Granite; Seed-OSS. */
static bool add_thinking(json_t *request, int think) {
    if (think == -1) return true;
    think = think > 0;
    return json_object_set_new(request, "enable_thinking", json_boolean(think)) == 0 &&
           json_object_set_new(request, "thinking", json_boolean(think)) == 0 &&
           (think || json_object_set_new(request, "thinking_budget", json_integer(0)) == 0);
}

static bool add_budget(json_t *request, int64_t budget) {
    return budget <= 0 || json_object_set_new(request, "thinking_budget", json_integer(budget)) == 0;
}

/* What is tried with a template until one way does. */
typedef struct attempt {
    bool text_arguments; /* arguments of calls are text */
    bool in_user;        /* descriptions of tools belong to the user's words */
} attempt;

/* The request for the renderer as JSON text, free(); NULL: *problem. */
static char *request_text(const suan__ask_state *a, size_t n_messages, attempt how, suan__problem *problem) {
    const suan_model *model = suan__exchange_server(a->x)->model;
    json_t *messages = normal_messages(a, n_messages, how.text_arguments, problem);
    if (!messages) return NULL;
    bool knows_calls = suan__ask_mentions(model, "tools") || suan__ask_mentions(model, "tool_calls");
    bool is_good = (!suan__ask_has_single_calls(suan__exchange_server(a->x)) || suan__ask_split_calls(messages)) &&
                   (knows_calls || suan__ask_write_calls(messages)) &&
                   (!suan__ask_describes_tools(a) || suan__ask_describe_tools(a, messages, how.in_user));
    json_t *request = json_pack("{s:o, s:b}", "messages", messages, "add_generation_prompt", 1);
    is_good = is_good && request;
    if (is_good && suan__ask_wants_tools(a)) is_good = json_object_set(request, "tools", a->ask.tools) == 0;
    is_good = is_good && add_thinking(request, a->ask.think) && add_budget(request, a->ask.think_budget);
    if (is_good && a->ask.template_extra && !add_extra(request, a->ask.template_extra, problem)) {
        json_decref(request);
        return NULL;
    }
    char *text = is_good ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text) suan__problem_set(problem, SUAN__PROBLEM_BUSY, "", "Out of memory.");
    return text;
}

/* ---- going on with an answer ---- */

static bool append_ids(suan__ask_state *a, const char *text, size_t n, unsigned flags, suan_error *err) {
    size_t n_more = 0;
    if (n == 0) return true;
    if (suan_tokenizer_encode(tokenizer_of(a), text, n, flags, NULL, 0, &n_more, err) != SUAN_OK) return false;
    int32_t *ids = suan__realloc(a->ids, a->n_ids + n_more, sizeof *ids);
    if (!ids) return suan__fail(err, SUAN_ENOMEM, "out of memory") == SUAN_OK;
    a->ids = ids;
    if (suan_tokenizer_encode(tokenizer_of(a), text, n, flags, ids + a->n_ids, n_more, &n_more, err) != SUAN_OK) return false;
    a->n_ids += n_more;
    suan__buf prompt = {0};
    suan__buf_append(&prompt, a->prompt ? a->prompt : "", a->n_prompt);
    suan__buf_append(&prompt, text, n);
    if (prompt.failed) {
        suan__buf_fini(&prompt);
        return suan__fail(err, SUAN_ENOMEM, "out of memory") == SUAN_OK;
    }
    suan_free(a->prompt);
    a->prompt = prompt.data;
    a->n_prompt = prompt.n;
    return true;
}

/* Whether the template opened the reasoning at the end of the prompt. Marks further up are of older turns, or words of the request. */
bool suan__ask_opens_reasoning(const suan__ask_state *a) {
    return suan_answer_opens_thinking(suan__ask_syntax(a), a->prompt, a->n_prompt);
}

/* What ends reasoning as the template writes it. */
const char *suan__ask_think_end(const suan__ask_state *a, const char **reopen) {
    size_t n = 0;
    const char *source = suan_tokenizer_chat_template(tokenizer_of(a), NULL, &n);
    return suan_answer_think_end(suan__ask_syntax(a), source, n, suan__ask_wants_tools(a), reopen);
}

bool suan__ask_think_limit(const suan__ask_state *a, suan_think_limit *limit) {
    int64_t budget = a->ask.think == 0 ? 0 : a->ask.think_budget;
    if (budget < 0 || budget > UINT32_MAX || !a->ask.messages || a->ask.plain) return false;
    *limit = (suan_think_limit){
        .budget = (uint32_t)budget, .syntax = suan__exchange_server(a->x)->syntax, .prompt = a->prompt, .n_prompt = a->n_prompt};
    limit->close = suan__ask_think_end(a, &limit->reopen);
    return true;
}

/* A template that always opens the reasoning is answered by closing it again, where it is not wanted. */
static bool close_reasoning(suan__ask_state *a, const char *reasoning, size_t n, suan_error *err) {
    const char *reopen, *end = suan__ask_think_end(a, &reopen);
    return append_ids(a, reasoning, n, 0, err) && append_ids(a, end, strlen(end), SUAN_TOKENIZE_PARSE_SPECIAL, err);
}

/* The last message's words behind the prompt that the template wrote for its answer. */
static bool append_last(suan__ask_state *a, const json_t *last, suan__problem *problem) {
    suan_error err = {0};
    json_t *content = content_of(a, last, "messages", problem);
    if (!content) return false;
    const json_t *reasoning = json_object_get(last, "reasoning_content");
    bool is_good = true;
    if (suan__ask_opens_reasoning(a)) is_good = close_reasoning(a, json_string_value(reasoning), json_string_length(reasoning), &err);
    is_good = is_good && append_ids(a, json_string_value(content), json_string_length(content), 0, &err);
    json_decref(content);
    return is_good || suan__problem_from(problem, "messages", &err);
}

/* ---- the three kinds of prompts ---- */

static bool encode_request(suan__ask_state *a, const char *request, suan_error *err) {
    const suan_model *model = suan__exchange_server(a->x)->model;
    if (suan_model_chat_encode(model, request, strlen(request), NULL, &a->ids, &a->n_ids, &a->prompt, err) != SUAN_OK) return false;
    a->n_prompt = strlen(a->prompt); /* NULs are refused in requests */
    return true;
}

static bool render_messages(suan__ask_state *a, suan__problem *problem) {
    const suan__server *s = suan__exchange_server(a->x);
    size_t n = json_array_size(a->ask.messages);
    suan_error err = {0};
    if (!suan_model_has_chat(s->model))
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "messages",
                                 "The model has no chat template; it takes plain prompts only.");
    if (n == 0) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "messages", "messages is empty, expected at least one.");
    if (suan__ask_wants_tools(a) && !suan__ask_has_tools(s))
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "tools",
                                 "The model does not support tools: its chat template writes calls in a syntax that is not known.");
    const json_t *last = json_array_get(a->ask.messages, n - 1);
    if (a->ask.continues_last && json_array_size(json_object_get(last, "tool_calls")) > 0)
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "messages", "An answer that has called tools cannot be gone on with.");
    bool is_good = false;
    int n_ways = suan__ask_describes_tools(a) ? 4 : 2;
    for (int i = 0; i < n_ways && !is_good; i++) {
        suan_error later = {0};
        char *request = request_text(a, n - a->ask.continues_last, (attempt){i % 2, i / 2}, problem);
        if (!request) return false;
        is_good = encode_request(a, request, i > 0 ? &later : &err);
        free(request);
        if (!is_good && err.status != SUAN_ETEMPLATE) break;
    }
    if (!is_good) return suan__problem_from(problem, "messages", &err);
    if (a->ask.think == 0 && !a->ask.continues_last && suan__ask_opens_reasoning(a) && !close_reasoning(a, "", 0, &err))
        return suan__problem_from(problem, "messages", &err);
    return !a->ask.continues_last || append_last(a, last, problem);
}

static bool encode_text(suan__ask_state *a, suan__problem *problem) {
    suan_error err = {0};
    const suan_tokenizer *t = tokenizer_of(a);
    unsigned flags = SUAN_TOKENIZE_ADD_SPECIAL | (a->ask.text_is_raw ? SUAN_TOKENIZE_PARSE_SPECIAL : 0u);
    if (!t) return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "prompt", "The model has no tokenizer; it takes token ids only.");
    if (suan_tokenizer_encode(t, a->ask.text, a->ask.n_text, flags, NULL, 0, &a->n_ids, &err) != SUAN_OK)
        return suan__problem_from(problem, "prompt", &err);
    a->ids = suan__calloc(a->n_ids, sizeof *a->ids);
    if (!a->ids) return suan__problem_set(problem, SUAN__PROBLEM_BUSY, "prompt", "Out of memory.");
    if (suan_tokenizer_encode(t, a->ask.text, a->ask.n_text, flags, a->ids, a->n_ids, &a->n_ids, &err) != SUAN_OK)
        return suan__problem_from(problem, "prompt", &err);
    return true;
}

/* The contract refuses ids outside the vocabulary with their number. */
static bool copy_ids(suan__ask_state *a, suan__problem *problem) {
    uint32_t n_vocab = suan__exchange_server(a->x)->info.n_vocab;
    a->ids = suan__calloc(a->ask.n_ids, sizeof *a->ids);
    if (!a->ids) return suan__problem_set(problem, SUAN__PROBLEM_BUSY, "prompt", "Out of memory.");
    for (size_t i = 0; i < a->ask.n_ids; i++) {
        if (a->ask.ids[i] < 0 || (uint32_t)a->ask.ids[i] >= n_vocab)
            return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "prompt", "Token %zu of the prompt is %d, expected 0 to %u.", i,
                                     (int)a->ask.ids[i], n_vocab - 1);
        a->ids[i] = a->ask.ids[i];
    }
    a->n_ids = a->ask.n_ids;
    return true;
}

bool suan__ask_render(suan__ask_state *a, suan__problem *problem) {
    bool is_good = a->ask.messages ? render_messages(a, problem) : a->ask.ids ? copy_ids(a, problem) : encode_text(a, problem);
    if (!is_good) return false;
    if (a->n_ids == 0)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "prompt", "The prompt is empty; a model needs a token to go on from.");
    return true;
}
