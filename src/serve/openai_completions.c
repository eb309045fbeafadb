/* openai_completions.c: POST /v1/completions: texts gone on with, for one prompt or many.
 *
 * With echo and logprobs the reply says how probable each token of the prompt was: evaluation harnesses live on that. Choices are numbered prompt by prompt.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "serve/openai.h"
#include "serve/openai_prompts.h"

#define MAX_CHOICES 4096 /* of all prompts together */

/* The four lists of the old logprobs form; NULL until there is a token. */
typedef struct logprobs {
    json_t *tokens, *values, *top, *offsets;
    int64_t offset; /* characters before the next token */
} logprobs;

typedef struct piece { /* a choice */
    suan__buf text;
    logprobs logprobs;
    suan__ask_finish finish;
    bool was_echoed;
} piece;

typedef struct completion {
    suan__ask_list list;
    struct prompt *prompts;
    uint32_t n_choices; /* of each prompt */
    bool is_stream, has_usage, echo, want_logprobs, draws, has_failed;
    int64_t created;
    char id[SUAN__OPENAI_ID];
    const char *fingerprint;
} completion;

typedef struct prompt {
    completion *c;
    uint32_t i;
    suan__buf text;    /* with echo */
    logprobs logprobs; /* with echo: of the prompt's tokens */
    piece *pieces;     /* [n_choices] */
} prompt;

/* ---- logprobs ---- */

static void free_logprobs(logprobs *l) {
    json_decref(l->tokens);
    json_decref(l->values);
    json_decref(l->top);
    json_decref(l->offsets);
    *l = (logprobs){.offset = l->offset};
}

/* A token as text; one that is no UTF-8 by its bytes, so that different tokens have different names. So is one with a NUL, which some readers do not take in a name. */
static json_t *token_name(const char *s, size_t n) {
    if (suan__utf8_valid(s, n) && !memchr(s, 0, n)) return json_stringn(s, n);
    suan__buf text = {0};
    suan__buf_append(&text, "bytes:", 6);
    for (size_t i = 0; i < n; i++) suan__buf_printf(&text, "\\x%02x", (unsigned char)s[i]);
    json_t *json = text.failed ? NULL : json_stringn(text.data, text.n);
    suan__buf_fini(&text);
    return json;
}

static int64_t n_characters(const char *s, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

static json_t *value_json(float logprob) {
    return isnan(logprob) ? json_null() : json_real(isfinite(logprob) ? suan__short_decimal(logprob) : -9999.0);
}

static json_t *top_json(const suan__exchange *x, const suan__token *token) {
    if (isnan(token->logprob)) return json_null();
    json_t *top = json_object();
    for (size_t i = 0; i <= token->n_top; i++) { /* the token itself last: it is among the most probable ones or beside them */
        size_t n = 0;
        bool is_own = i == token->n_top;
        const char *text = suan__ask_token_bytes(x, is_own ? token->id : token->top[i].id, &n);
        json_t *name = token_name(text, n);
        if (name)
            json_object_setn_new(top, json_string_value(name), json_string_length(name),
                                 value_json(is_own ? token->logprob : token->top[i].logprob));
        json_decref(name);
    }
    return top;
}

static void add_tokens(const suan__exchange *x, logprobs *l, const suan__token *tokens, size_t n) {
    if (!l->tokens) l->tokens = json_array(), l->values = json_array(), l->top = json_array(), l->offsets = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(l->tokens, token_name(tokens[i].text, tokens[i].n));
        json_array_append_new(l->values, value_json(tokens[i].logprob));
        json_array_append_new(l->top, top_json(x, &tokens[i]));
        json_array_append_new(l->offsets, json_integer(l->offset));
        l->offset += n_characters(tokens[i].text, tokens[i].n);
    }
}

static json_t *logprobs_json(const completion *c, logprobs *l) {
    if (!c->want_logprobs) return json_null();
    if (!l->tokens) l->tokens = json_array(), l->values = json_array(), l->top = json_array(), l->offsets = json_array();
    json_t *json = json_pack("{s:O, s:O, s:O, s:O}", "tokens", l->tokens, "token_logprobs", l->values, "top_logprobs", l->top,
                             "text_offset", l->offsets);
    free_logprobs(l);
    return json;
}

/* What the prompt's tokens were worth goes in front of each of its choices. */
static void copy_logprobs(logprobs *to, const logprobs *from) {
    if (!from->tokens) return;
    free_logprobs(to);
    *to = (logprobs){json_copy(from->tokens), json_copy(from->values), json_copy(from->top), json_copy(from->offsets), from->offset};
}

/* ---- choices ---- */

static const char *finish_word(suan__ask_finish finish) {
    return finish == SUAN__ASK_LENGTH || finish == SUAN__ASK_CONTEXT ? "length" : "stop";
}

/* The prompt in front of the text, once. */
static void echo(prompt *p, piece *at) {
    if (!p->c->echo || at->was_echoed) return;
    at->was_echoed = true;
    if (p->text.n > 0 && !suan__buf_append(&at->text, p->text.data, p->text.n)) p->c->has_failed = true;
    copy_logprobs(&at->logprobs, &p->logprobs);
}

static json_t *choice_json(prompt *p, uint32_t i, const char *finish) {
    piece *at = &p->pieces[i];
    return json_pack("{s:I, s:o, s:o, s:s?}", "index", (json_int_t)p->i * p->c->n_choices + i, "text",
                     suan__text_json(at->text.data ? at->text.data : "", at->text.n), "logprobs", logprobs_json(p->c, &at->logprobs),
                     "finish_reason", finish);
}

static json_t *reply_json(const completion *c, const suan__exchange *x, json_t *choices) {
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "id", c->id, "object", "text_completion", "created", (json_int_t)c->created, "model",
                     suan__exchange_server(x)->config.model_name, "system_fingerprint", c->fingerprint, "choices", choices);
}

static void send_piece(suan__exchange *x, prompt *p, uint32_t i, const char *finish) {
    suan__stream_event(x, NULL, reply_json(p->c, x, json_pack("[o]", choice_json(p, i, finish))));
    p->pieces[i].text.n = 0;
}

/* ---- events ---- */

static void take_text(suan__exchange *x, prompt *p, const suan__ask_event *e) {
    piece *at = &p->pieces[e->choice];
    echo(p, at);
    if (e->n_text > 0 && !suan__buf_append(&at->text, e->text, e->n_text)) p->c->has_failed = true;
    if (p->c->want_logprobs) add_tokens(x, &at->logprobs, e->tokens, e->n_tokens);
    if (p->c->is_stream) send_piece(x, p, e->choice, NULL);
}

static void end_choice(suan__exchange *x, prompt *p, uint32_t i, suan__ask_finish finish) {
    echo(p, &p->pieces[i]);
    p->pieces[i].finish = finish;
    if (p->c->is_stream) send_piece(x, p, i, finish_word(finish));
}

static void end_reply(completion *c, suan__exchange *x) {
    json_t *choices = json_array(), *usage = suan__openai_usage(x, &c->list.usage, c->list.n_reasoning);
    if (c->is_stream) {
        json_t *chunk = c->has_usage ? reply_json(c, x, json_incref(choices)) : NULL;
        if (chunk) {
            json_object_set(chunk, "usage", usage);
            suan__stream_event(x, NULL, chunk);
        }
        suan__stream_write(x, "data: [DONE]\n\n", 14);
        suan__stream_end(x);
    } else {
        for (size_t i = 0; i < c->list.n; i++)
            for (uint32_t k = 0; k < c->n_choices; k++)
                json_array_append_new(choices, choice_json(&c->prompts[i], k, finish_word(c->prompts[i].pieces[k].finish)));
        json_t *body = reply_json(c, x, json_incref(choices));
        if (body) json_object_set(body, "usage", usage);
        suan__reply_json(x, 200, body);
    }
    json_decref(choices);
    json_decref(usage);
}

static void on_event(void *ctx, suan__exchange *x, const suan__ask_event *e) {
    static const suan__problem no_memory = {.kind = SUAN__PROBLEM_BUSY, .message = "Out of memory.", .retry_after = 1};
    prompt *p = ctx;
    completion *c = p->c;
    switch (e->kind) {
    case SUAN__ASK_PROMPT:
        add_tokens(x, &p->logprobs, e->tokens, e->n_tokens);
        break;
    case SUAN__ASK_TEXT:
        take_text(x, p, e);
        break;
    case SUAN__ASK_CHOICE:
        end_choice(x, p, e->choice, e->finish);
        break;
    case SUAN__ASK_END:
        for (uint32_t i = 0; !c->draws && e->problem->kind == SUAN__PROBLEM_NONE && i < c->n_choices; i++)
            end_choice(x, p, i, SUAN__ASK_LENGTH); /* nothing was to be drawn, and nothing was */
        break;
    default:
        break;
    }
    if (!suan__ask_list_event(x, &c->list, e)) return;
    if (c->list.problem.kind != SUAN__PROBLEM_NONE)
        suan__ask_fail(x, &c->list.problem);
    else if (c->has_failed)
        suan__ask_fail(x, &no_memory);
    else
        end_reply(c, x);
}

/* ---- the request ---- */

static void free_completion(void *ctx) {
    completion *c = ctx;
    for (size_t i = 0; c->prompts && c->prompts[i].c; i++) {
        prompt *p = &c->prompts[i];
        for (uint32_t k = 0; p->pieces && k < c->n_choices; k++) {
            suan__buf_fini(&p->pieces[k].text);
            free_logprobs(&p->pieces[k].logprobs);
        }
        suan__free(p->pieces);
        suan__buf_fini(&p->text);
        free_logprobs(&p->logprobs);
    }
    suan__free(c->prompts);
    suan__ask_list_fini(&c->list);
    suan__free(c);
}

/* The prompt's text for echo: what was sent, or what its ids stand for. */
static bool read_echo(const suan__exchange *x, prompt *p, const suan__openai_prompt *from, suan__problem *problem) {
    if (from->text) return from->n_text == 0 || suan__buf_append(&p->text, from->text, from->n_text) || suan__no_memory(problem);
    for (size_t i = 0; i < from->n_ids; i++) {
        size_t n = 0;
        const char *bytes = suan__ask_token_bytes(x, from->ids[i], &n);
        if (n > 0 && !suan__buf_append(&p->text, bytes, n)) return suan__no_memory(problem);
    }
    return true;
}

static bool read_flags(suan__exchange *x, completion *c, const json_t *body, suan__problem *problem) {
    const suan__fields *f = &suan__openai_completion_fields;
    const json_t *options = suan__field_get(body, f, "stream_options");
    c->is_stream = json_is_true(suan__field_get(body, f, "stream"));
    c->echo = json_is_true(suan__field_get(body, f, "echo"));
    c->want_logprobs = suan__field_get(body, f, "logprobs") != NULL;
    c->draws = suan__field_integer(suan__field_get(body, f, "max_tokens"), 16) > 0;
    c->n_choices = (uint32_t)suan__field_integer(suan__field_get(body, f, "n"), 1);
    if (!options) return true;
    c->has_usage = json_is_true(json_object_get(options, "include_usage"));
    return suan__fields_check(x, options, &suan__openai_stream_fields, "stream_options", problem) &&
           (c->is_stream ||
            suan__problem_set(problem, SUAN__PROBLEM_INVALID, "stream_options", "stream_options is for streams: stream is not true."));
}

static bool read_ask(suan__exchange *x, completion *c, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const suan__fields *f = &suan__openai_completion_fields;
    if (!suan__openai_sampling(x, ask, body, f, problem) || !suan__openai_extensions(ask, body, f, problem)) return false;
    ask->plain = true;
    ask->params.max_tokens = (uint32_t)suan__field_integer(suan__field_get(body, f, "max_tokens"), 16);
    ask->params.only_prompt = !c->draws;
    ask->params.want_logprobs = c->want_logprobs;
    ask->params.n_logprobs = (uint32_t)suan__field_integer(suan__field_get(body, f, "logprobs"), 0);
    ask->params.prompt_logprobs = c->want_logprobs && c->echo;
    return true;
}

static bool add_prompt(suan__exchange *x, completion *c, uint32_t i, const suan__openai_prompt *from, const json_t *body,
                       suan__problem *problem) {
    prompt *p = &c->prompts[i];
    *p = (prompt){.c = c, .i = i, .pieces = suan__calloc(c->n_choices, sizeof *p->pieces)};
    if (!p->pieces) return suan__no_memory(problem);
    if (c->echo && !read_echo(x, p, from, problem)) return false;
    suan__ask *ask = c->list.asks[i] = suan__ask_new(x, on_event, p, NULL);
    if (!ask || !read_ask(x, c, ask, body, problem)) return false;
    suan__openai_set_prompt(ask, from);
    if (i == 0 && c->is_stream) ask->stream_type = SUAN__EVENT_STREAM, ask->stream_keep_alive = SUAN__OPENAI_KEEP_ALIVE;
    return true;
}

static bool start(suan__exchange *x, completion *c, const json_t *body, suan__problem *problem) {
    suan__openai_prompt *prompts;
    size_t n;
    if (!read_flags(x, c, body, problem) ||
        !suan__openai_prompts(x, suan__field_get(body, &suan__openai_completion_fields, "prompt"), &prompts, &n, "prompt", problem))
        return false;
    if (n * c->n_choices > MAX_CHOICES)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "n", "%zu prompts with %u choices each are more than %d.", n, c->n_choices,
                                 MAX_CHOICES);
    c->prompts = suan__calloc(n + 1, sizeof *c->prompts); /* the one behind the last is empty */
    if (!c->prompts || !suan__ask_list_init(&c->list, n)) return suan__no_memory(problem);
    for (uint32_t i = 0; i < n; i++)
        if (!add_prompt(x, c, i, &prompts[i], body, problem)) return false;
    return suan__ask_list_start(x, &c->list, problem);
}

void suan__openai_completions(suan__exchange *x) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    completion *c = NULL;
    bool is_good = body && suan__fields_check(x, body, &suan__openai_completion_fields, "", &problem);
    if (is_good) {
        c = suan__calloc(1, sizeof *c);
        is_good = (c && suan__exchange_keep(x, c, free_completion)) || suan__no_memory(&problem);
    }
    if (is_good) {
        c->created = suan__openai_now();
        c->fingerprint = suan__openai_fingerprint(x);
        suan__openai_id(c->id, x, "cmpl-");
        is_good = start(x, c, body, &problem);
    }
    if (!is_good && !suan__reply_has_begun(x)) suan__reply_problem(x, &problem);
}
