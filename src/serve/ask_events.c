/* ask_events.c: from a batch's events to an interface's: pieces go through the taking apart of answers, UTF-8, and stop strings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "serve/ask_internal.h"

/* ---- tokens with their logprobs ---- */

static bool grow(void **v, size_t *capacity, size_t n, size_t size) {
    if (n <= *capacity) return true;
    size_t more = *capacity ? *capacity * 2 : 8;
    while (more < n) more *= 2;
    void *p = suan__realloc(*v, more, size);
    if (!p) return false;
    *v = p;
    *capacity = more;
    return true;
}

static bool add_token(suan__ask_choice *c, const suan_piece *piece) {
    suan__ask_tokens *t = &c->tokens;
    size_t capacity = t->capacity;
    if (!grow((void **)&t->v, &t->capacity, t->n + 1, sizeof *t->v) || !grow((void **)&t->i_top, &capacity, t->n + 1, sizeof *t->i_top) ||
        !grow((void **)&t->top, &t->capacity_top, t->n_top + piece->n_top, sizeof *t->top))
        return false;
    suan__token *token = &t->v[t->n];
    *token = (suan__token){.id = piece->id, .logprob = piece->logprob, .n_top = piece->n_top};
    token->text = suan__ask_token_bytes(c->a->x, piece->id, &token->n);
    t->i_top[t->n++] = t->n_top;
    if (piece->n_top > 0) memcpy(t->top + t->n_top, piece->top, piece->n_top * sizeof *t->top);
    t->n_top += piece->n_top;
    return true;
}

/* How many of the tokens come with text up to where `behind` bytes are still to follow: those at the end that lie wholly in these stay. */
static size_t tokens_before(const suan__ask_tokens *t, size_t behind) {
    size_t n = t->n;
    while (n > 0 && t->v[n - 1].n <= behind && t->v[n - 1].n > 0) behind -= t->v[--n].n;
    return n;
}

static void drop_tokens(suan__ask_tokens *t, size_t n) {
    if (n == 0) return;
    size_t i_top = n < t->n ? t->i_top[n] : t->n_top;
    memmove(t->v, t->v + n, (t->n - n) * sizeof *t->v);
    memmove(t->i_top, t->i_top + n, (t->n - n) * sizeof *t->i_top);
    if (t->n_top > i_top) memmove(t->top, t->top + i_top, (t->n_top - i_top) * sizeof *t->top);
    t->n -= n;
    t->n_top -= i_top;
    for (size_t i = 0; i < t->n; i++) t->i_top[i] -= i_top;
}

/* ---- handing on ---- */

static void hand_on(suan__ask_choice *c, suan__ask_event *event, size_t n_tokens) {
    suan__ask_tokens *t = &c->tokens;
    for (size_t i = 0; i < n_tokens && t->top; i++) t->v[i].top = t->top + t->i_top[i];
    event->choice = c->i;
    event->tokens = n_tokens ? t->v : NULL;
    event->n_tokens = n_tokens;
    c->a->fn(c->a->ctx, c->a->x, event);
    drop_tokens(t, n_tokens);
}

/* What is ready of a text, and its tokens. */
static void hand_on_text(suan__ask_choice *c, suan__ask_text *text, suan__ask_event_kind kind) {
    size_t n_tokens = tokens_before(&c->tokens, text->stop ? text->n_cut : suan__ask_text_waiting(text));
    if (text->n_ready == 0) return;
    suan__ask_event event = {.kind = kind, .text = text->buf.data, .n_text = text->n_ready};
    hand_on(c, &event, n_tokens);
    suan__ask_text_taken(text);
}

static bool fail_memory(suan__ask_state *a) {
    a->has_failed = true;
    return suan__problem_set(&a->problem, SUAN__PROBLEM_BUSY, "", "Out of memory.");
}

/* The end of a stretch of text: what waited for more is handed on. */
static void flush_text(suan__ask_choice *c, suan__ask_text *text, suan__ask_event_kind kind) {
    if (text->stop || suan__ask_text_waiting(text) == 0) return;
    if (!suan__ask_text_flush(text)) fail_memory(c->a);
    hand_on_text(c, text, kind);
}

static void end_choice(suan__ask_choice *c, suan__ask_finish finish, const char *stop) {
    if (c->is_over) return;
    size_t n_tokens = stop ? tokens_before(&c->tokens, strlen(stop)) : c->tokens.n;
    if (n_tokens > 0) hand_on(c, &(suan__ask_event){.kind = SUAN__ASK_TEXT, .text = ""}, n_tokens);
    drop_tokens(&c->tokens, c->tokens.n);
    if (c->is_reasoning) c->n_reasoning += c->n_undecided;
    c->n_undecided = 0;
    c->is_over = true;
    c->a->n_over++;
    hand_on(c, &(suan__ask_event){.kind = SUAN__ASK_CHOICE, .finish = finish, .stop = stop}, 0);
}

/* ---- parts of an answer ---- */

static void on_text(suan__ask_choice *c, const char *bytes, size_t n) {
    while (c->trims && n > 0 && *bytes == '\n') bytes++, n--;
    if (n > 0) c->trims = false;
    flush_text(c, &c->reasoning, SUAN__ASK_REASONING);
    if (!suan__ask_text_feed(&c->text, bytes, n)) fail_memory(c->a);
    hand_on_text(c, &c->text, SUAN__ASK_TEXT);
    if (c->text.stop) {
        suan_request_end_choice(c->a->request, c->i);
        end_choice(c, SUAN__ASK_STOP_STRING, c->text.stop);
    }
}

/* 24 letters and digits, other ones for each call: Philox keyed by the request's id. */
static void make_call_id(const suan__ask_choice *c, char id[32]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *s = suan__exchange_id(c->a->x); *s; s++) hash = (hash ^ (unsigned char)*s) * 1099511628211u;
    memcpy(id, "call_", 5);
    for (uint32_t i = 0; i < 24; i += 4) {
        uint32_t out[4];
        suan__philox4x32((uint32_t[4]){i, c->i, c->n_calls, (uint32_t)c->a->n_ids}, (uint32_t[2]){(uint32_t)hash, (uint32_t)(hash >> 32)},
                         out);
        for (uint32_t k = 0; k < 4; k++) id[5 + i + k] = letters[out[k] % 62];
    }
    id[29] = 0;
    if (!suan__ask_has_short_ids(suan__exchange_server(c->a->x))) return;
    memmove(id, id + 5, SUAN__SHORT_ID);
    id[SUAN__SHORT_ID] = 0;
}

/* A copy in which all is UTF-8: names and ids are bytes of a model. */
static bool clean_copy(suan__buf *copy, const char *s, size_t n) {
    suan__ask_text text;
    bool is_good = suan__ask_text_init(&text, NULL) && suan__ask_text_feed(&text, s, n) && suan__ask_text_flush(&text) &&
                   suan__buf_append(copy, text.buf.data ? text.buf.data : "", text.buf.n);
    suan__ask_text_fini(&text);
    return is_good;
}

/* Whole calls, and the beginnings of those that come in parts. */
static void on_call(suan__ask_choice *c, const suan_answer_part *part, suan__ask_event_kind kind) {
    char own[32];
    suan__buf name = {0}, id = {0}, arguments = {0};
    flush_text(c, &c->reasoning, SUAN__ASK_REASONING);
    flush_text(c, &c->text, SUAN__ASK_TEXT);
    make_call_id(c, own);
    const char *given = part->id && *part->id ? part->id : own;
    if (clean_copy(&name, part->name, strlen(part->name)) && clean_copy(&id, given, strlen(given)) &&
        clean_copy(&arguments, part->text ? part->text : "", part->n)) {
        suan__ask_event event = {
            .kind = kind, .name = name.data, .arguments = arguments.data, .n_arguments = arguments.n, .id = id.data, .index = c->n_calls};
        hand_on(c, &event, 0);
    } else {
        fail_memory(c->a);
    }
    suan__buf_fini(&name);
    suan__buf_fini(&id);
    suan__buf_fini(&arguments);
}

static void hand_on_arguments(suan__ask_choice *c) {
    suan__ask_text *t = &c->arguments;
    if (t->n_ready == 0) return;
    hand_on(c, &(suan__ask_event){.kind = SUAN__ASK_CALL_MORE, .arguments = t->buf.data, .n_arguments = t->n_ready, .index = c->n_calls},
            0);
    suan__ask_text_taken(t);
}

static void on_call_part(suan__ask_choice *c, const suan_answer_part *part) {
    switch (part->kind) {
    case SUAN_ANSWER_CALL:
        on_call(c, part, SUAN__ASK_CALL);
        c->n_calls++;
        break;
    case SUAN_ANSWER_CALL_BEGIN:
        on_call(c, part, SUAN__ASK_CALL_BEGIN);
        break;
    case SUAN_ANSWER_CALL_MORE:
        if (!suan__ask_text_feed(&c->arguments, part->text, part->n)) fail_memory(c->a);
        hand_on_arguments(c);
        break;
    default:
        if (!suan__ask_text_flush(&c->arguments)) fail_memory(c->a);
        hand_on_arguments(c);
        hand_on(c, &(suan__ask_event){.kind = SUAN__ASK_CALL_END, .index = c->n_calls++, .is_broken = part->is_broken}, 0);
    }
}

static int on_part(void *ctx, const suan_answer_part *part) {
    suan__ask_choice *c = ctx;
    if (c->is_over || c->a->has_failed) return 0;
    if (part->kind == SUAN_ANSWER_REASONING) {
        c->is_reasoning = true;
        flush_text(c, &c->text, SUAN__ASK_TEXT);
        if (!suan__ask_text_feed(&c->reasoning, part->text, part->n)) fail_memory(c->a);
        hand_on_text(c, &c->reasoning, SUAN__ASK_REASONING);
    } else {
        c->is_reasoning = false;
        if (part->kind == SUAN_ANSWER_TEXT)
            on_text(c, part->text, part->n);
        else
            on_call_part(c, part);
    }
    if (c->is_reasoning) c->n_reasoning += c->n_undecided;
    c->n_undecided = 0;
    return 0;
}

/* ---- the batch's events ---- */

/* Control tokens whose spelling the taking apart of answers looks for; others that a model draws are no text. */
static bool is_mark(const char *s, size_t n) {
    static const char *const words[] = {"think",      "tool",   "function", "channel",  "message",   "constrain",
                                        "call",       "python", "DSML",     "arg_",     "<|start|>", "<|end|>",
                                        "TOOL_CALLS", "ARGS",   "CALL_ID",  "THINKING", "ACTION"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(s, n, words[i], strlen(words[i]))) return true;
    return false;
}

/* The bytes of a piece's text that are not the spelling of a control token that means nothing. */
static size_t text_length(const suan_tokenizer *t, const suan_piece *piece) {
    size_t n = 0;
    if (piece->id < 0 || !t || suan_tokenizer_token_type(t, piece->id) != SUAN_TOKEN_CONTROL) return piece->n_text;
    const char *name = suan_tokenizer_token_bytes(t, piece->id, &n);
    if (n == 0 || n > piece->n_text || memcmp(piece->text + piece->n_text - n, name, n) != 0 || is_mark(name, n)) return piece->n_text;
    return piece->n_text - n;
}

static void take_apart(suan__ask_choice *c, const char *text, size_t n) {
    suan_error err = {0};
    if (n == 0) return;
    if (!c->answer) {
        on_text(c, text, n);
        c->n_undecided = 0;
    } else if (suan_answer_feed(c->answer, text, n, &err) != SUAN_OK) {
        c->a->has_failed = true;
        suan__problem_from(&c->a->problem, "", &err);
    }
}

static void on_piece(suan__ask_choice *c, const suan_piece *piece) {
    const suan__ask *ask = &c->a->ask;
    const suan_tokenizer *t = suan_model_tokenizer(suan__exchange_server(c->a->x)->model);
    if (c->is_over) return;
    if (piece->id >= 0) {
        c->n_undecided++;
        bool is_end = t && !ask->plain && !ask->params.ignore_eos &&
                      suan_tokenizer_is_eog(t, piece->id); /* harnesses count on every token that was drawn */
        if (ask->params.want_logprobs && !is_end && !add_token(c, piece)) fail_memory(c->a);
    }
    take_apart(c, piece->text, text_length(t, piece));
}

static void on_choice(suan__ask_choice *c, const suan_event *event) {
    suan_error err = {0};
    if (c->is_over) return;
    if (event->status != SUAN_OK) { /* a choice that failed has no finish; the request fails with it */
        if (event->status < 0 && !c->a->has_failed) {
            c->a->has_failed = true;
            if (event->error)
                suan__ask_engine_problem(c->a, &c->a->problem, "", event->error);
            else
                suan__problem_set(&c->a->problem, SUAN__PROBLEM_INTERNAL, "", "The answer failed: %s.", suan_status_text(event->status));
        }
        return;
    }
    if (event->finish == SUAN_FINISH_CANCELLED) return;
    if (c->answer && suan_answer_finish(c->answer, &err) != SUAN_OK && !c->a->has_failed) {
        c->a->has_failed = true;
        suan__problem_from(&c->a->problem, "", &err);
        return;
    }
    flush_text(c, &c->reasoning, SUAN__ASK_REASONING);
    flush_text(c, &c->text, SUAN__ASK_TEXT);
    suan__ask_finish finish = event->stop                           ? SUAN__ASK_STOP_STRING
                              : event->finish == SUAN_FINISH_LENGTH ? (event->context_full ? SUAN__ASK_CONTEXT : SUAN__ASK_LENGTH)
                              : c->n_calls > 0                      ? SUAN__ASK_CALLS
                                                                    : SUAN__ASK_STOP;
    end_choice(c, finish, event->stop);
}

static void on_prompt(suan__ask_state *a, const suan_event *event) {
    if (event->piece.id < 0) return; /* bytes that were held: tokens bring their own */
    suan__token token = {.id = event->piece.id, .logprob = event->piece.logprob, .top = event->piece.top, .n_top = event->piece.n_top};
    token.text = suan__ask_token_bytes(a->x, token.id, &token.n);
    a->fn(a->ctx, a->x, &(suan__ask_event){.kind = SUAN__ASK_PROMPT, .index = event->i_token, .tokens = &token, .n_tokens = 1});
}

int suan__ask_on_event(void *ctx, const suan_event *event) {
    suan__ask_state *a = ctx;
    pthread_mutex_lock(&a->group->lock); /* waits until submit has stored the request */
    pthread_mutex_unlock(&a->group->lock);
    suan__ask_choice *c = event->choice < a->n_choices ? &a->choices[event->choice] : NULL;
    if (event->kind == SUAN_EVENT_END) {
        suan__ask_ended(a, event);
        return 0;
    }
    if (a->has_failed) return 1;
    switch (event->kind) {
    case SUAN_EVENT_START:
        a->fn(a->ctx, a->x, &(suan__ask_event){.kind = SUAN__ASK_START, .usage = event->usage});
        break;
    case SUAN_EVENT_PROMPT:
        on_prompt(a, event);
        break;
    case SUAN_EVENT_PIECE:
        if (c) on_piece(c, &event->piece);
        break;
    case SUAN_EVENT_CHOICE:
        if (c) on_choice(c, event);
        break;
    case SUAN_EVENT_EMBEDDING:
        a->fn(a->ctx, a->x, &(suan__ask_event){.kind = SUAN__ASK_EMBEDDING, .values = event->values, .n_values = event->n_values});
        break;
    default:
        break;
    }
    return a->has_failed;
}

/* ---- choices ---- */

static bool init_choice(suan__ask_state *a, uint32_t i, suan__problem *problem) {
    suan__ask_choice *c = &a->choices[i];
    suan_error err = {0};
    c->a = a;
    c->i = i;
    if (!suan__ask_text_init(&c->text, &a->stops) || !suan__ask_text_init(&c->reasoning, NULL) || !suan__ask_text_init(&c->arguments, NULL))
        return suan__problem_set(problem, SUAN__PROBLEM_BUSY, "", "Out of memory.");
    if (a->ask.plain) return true;
    c->trims = a->ask.format != SUAN__FORMAT_FREE;
    suan_answer_options options = SUAN_ANSWER_OPTIONS_INIT;
    options.syntax = suan__ask_syntax(a);
    options.has_calls = a->tools != NULL;
    options.streams_calls = a->ask.streams_calls;
    options.prompt = a->prompt;
    options.n_prompt = a->n_prompt;
    options.tools = a->tools;
    options.n_tools = a->tools ? strlen(a->tools) : 0;
    return suan_answer_create(&c->answer, &options, on_part, c, &err) == SUAN_OK || suan__problem_from(problem, "tools", &err);
}

bool suan__ask_choices_init(suan__ask_state *a, suan__problem *problem) {
    if (a->ask.params.only_prompt || a->ask.params.pooling != SUAN_POOLING_NONE) return true;
    a->choices = suan__calloc(a->ask.params.n_choices, sizeof *a->choices);
    if (!a->choices || !suan__stops_init(&a->stops, a->ask.params.stop, a->ask.plain ? 0 : a->ask.params.n_stop))
        return suan__problem_set(problem, SUAN__PROBLEM_BUSY, "", "Out of memory.");
    a->n_choices = a->ask.params.n_choices;
    for (uint32_t i = 0; i < a->n_choices; i++)
        if (!init_choice(a, i, problem)) return false;
    return true;
}

void suan__ask_choices_fini(suan__ask_state *a) {
    for (uint32_t i = 0; i < a->n_choices; i++) {
        suan__ask_choice *c = &a->choices[i];
        suan_answer_free(c->answer);
        suan__ask_text_fini(&c->text);
        suan__ask_text_fini(&c->reasoning);
        suan__ask_text_fini(&c->arguments);
        suan__free(c->tokens.v);
        suan__free(c->tokens.i_top);
        suan__free(c->tokens.top);
    }
    suan__free(a->choices);
    a->choices = NULL;
    a->n_choices = 0;
    suan__stops_fini(&a->stops);
}
