/* gemini_reply.c: answers in the form of the Gemini interface.
 *
 * Each object of a stream is a whole response with the new parts; the last of each candidate has its finishReason, and the very last usageMetadata. Every object has a content with
 * parts, because the vendor's chats take an answer for broken otherwise. */
#include <math.h>
#include <string.h>

#include "serve/gemini.h"
#include "serve/server.h"

/* ---- pieces ---- */

static json_t *usage_json(const suan__exchange *x, const suan__gemini *g) {
    const suan_usage *u = &g->usage;
    json_int_t thoughts = g->n_reasoning < u->n_completion ? g->n_reasoning : u->n_completion,
               total = (json_int_t)u->n_prompt + u->n_completion;
    json_t *usage = json_pack("{s:I, s:I, s:I}", "promptTokenCount", (json_int_t)u->n_prompt, "candidatesTokenCount",
                              (json_int_t)u->n_completion - thoughts, "totalTokenCount", total);
    if (thoughts) json_object_set_new(usage, "thoughtsTokenCount", json_integer(thoughts));
    if (u->n_cached) json_object_set_new(usage, "cachedContentTokenCount", json_integer(u->n_cached));
    json_object_set_new(usage, "suan", suan__usage_json(x, u));
    return usage;
}

static const char *finish_name(suan__ask_finish finish) {
    return finish == SUAN__ASK_LENGTH || finish == SUAN__ASK_CONTEXT ? "MAX_TOKENS" : "STOP";
}

static json_t *text_part(json_t *text, bool is_thought) {
    json_t *part = json_pack("{s:o}", "text", text);
    if (is_thought) json_object_set_new(part, "thought", json_true());
    return part;
}

static json_t *call_part(const char *id, const char *name, const char *arguments, size_t n) {
    return json_pack("{s:{s:s, s:s, s:o}}", "functionCall", "id", id, "name", name, "args", suan__arguments_json(arguments, n));
}

/* A candidate with these parts (steals; an empty text where there are none). */
static json_t *candidate_json(uint32_t i, json_t *parts) {
    if (json_array_size(parts) == 0) json_array_append_new(parts, text_part(json_string(""), false));
    return json_pack("{s:{s:o, s:s}, s:I}", "content", "parts", parts, "role", "model", "index", (json_int_t)i);
}

static void set_finish(const suan__gemini *g, json_t *candidate, uint32_t i) {
    const suan__gathered *choice = &g->gather.choices[i];
    json_object_set_new(candidate, "finishReason", json_string(finish_name(choice->finish)));
    if (choice->finish == SUAN__ASK_CONTEXT) json_object_set_new(candidate, "finishMessage", json_string("The context is full."));
    if (g->has_logprobs && g->n_logprobs[i])
        json_object_set_new(candidate, "avgLogprobs", json_real(g->sum_logprobs[i] / (double)g->n_logprobs[i]));
}

/* Steals candidates. */
static json_t *response_json(const suan__exchange *x, json_t *candidates) {
    return json_pack("{s:o, s:s, s:s}", "candidates", candidates, "modelVersion", suan__exchange_server(x)->config.model_name, "responseId",
                     suan__exchange_id(x));
}

/* ---- logprobs ---- */

static json_t *logprob_json(const suan__exchange *x, int32_t id, float logprob) {
    size_t n = 0;
    const char *bytes = suan__ask_token_bytes(x, id, &n);
    return json_pack("{s:o, s:i, s:f}", "token", suan__text_json(bytes, n), "tokenId", (int)id, "logProbability",
                     isfinite(logprob) ? suan__short_decimal(logprob) : -1e9);
}

static json_t *logprobs_new(void) {
    return json_pack("{s:[], s:[]}", "chosenCandidates", "topCandidates");
}

static void add_tokens(suan__gemini *g, const suan__exchange *x, json_t *result, const suan__ask_event *event) {
    json_t *chosen = json_object_get(result, "chosenCandidates"), *tops = json_object_get(result, "topCandidates");
    for (size_t i = 0; i < event->n_tokens; i++) {
        const suan__token *token = &event->tokens[i];
        json_t *list = json_array();
        for (size_t k = 0; k < token->n_top; k++) json_array_append_new(list, logprob_json(x, token->top[k].id, token->top[k].logprob));
        json_array_append_new(chosen, logprob_json(x, token->id, token->logprob));
        json_array_append_new(tops, json_pack("{s:o}", "candidates", list));
        if (!isfinite(token->logprob)) continue;
        g->sum_logprobs[event->choice] += (double)token->logprob;
        g->n_logprobs[event->choice]++;
    }
}

/* ---- whole ---- */

static bool gather(suan__gemini *g, const suan__exchange *x, const suan__ask_event *event) {
    suan__gathered *choice = event->choice < g->gather.n_choices ? &g->gather.choices[event->choice] : NULL;
    if (g->has_logprobs && choice && event->n_tokens) {
        if (!choice->tokens) choice->tokens = logprobs_new();
        if (!choice->tokens) return false;
        add_tokens(g, x, choice->tokens, event);
    }
    return suan__gather_take(&g->gather, event);
}

static json_t *whole_candidate(const suan__gemini *g, uint32_t i) {
    const suan__gathered *choice = &g->gather.choices[i];
    json_t *parts = json_array();
    for (size_t k = 0; k < choice->n_parts; k++) {
        const suan__part *part = &choice->parts[k];
        bool is_thought = part->kind == SUAN__PART_REASONING;
        if (part->kind == SUAN__PART_CALL)
            json_array_append_new(parts, call_part(part->id, part->name, part->text.data, part->text.n));
        else if (!is_thought || g->has_thoughts)
            json_array_append_new(parts, text_part(suan__part_json(part), is_thought));
    }
    json_t *candidate = candidate_json(i, parts);
    set_finish(g, candidate, i);
    if (choice->tokens) json_object_set(candidate, "logprobsResult", choice->tokens);
    return candidate;
}

static void reply_whole(suan__gemini *g, suan__exchange *x) {
    json_t *candidates = json_array();
    for (uint32_t i = 0; i < g->gather.n_choices; i++) json_array_append_new(candidates, whole_candidate(g, i));
    json_t *response = response_json(x, candidates);
    json_object_set_new(response, "usageMetadata", usage_json(x, g));
    suan__reply_json(x, 200, response);
}

/* ---- stream ---- */

void suan__gemini_send(suan__gemini *g, suan__exchange *x, json_t *object) {
    if (!g->is_array) {
        suan__stream_event(x, NULL, object);
        return;
    }
    suan__stream_write(x, g->has_object ? ",\n" : "[", g->has_object ? 2 : 1);
    g->has_object = true;
    suan__stream_line(x, object);
}

static void send_piece(suan__gemini *g, suan__exchange *x, const suan__ask_event *event) {
    json_t *parts = json_array();
    bool is_thought = event->kind == SUAN__ASK_REASONING, has_tokens = g->has_logprobs && event->n_tokens;
    if (event->kind == SUAN__ASK_CALL)
        json_array_append_new(parts, call_part(event->id, event->name, event->arguments, event->n_arguments));
    else if (event->n_text && (!is_thought || g->has_thoughts))
        json_array_append_new(parts, text_part(suan__text_json(event->text, event->n_text), is_thought));
    if (json_array_size(parts) == 0 && !has_tokens) {
        json_decref(parts);
        return;
    }
    json_t *candidate = candidate_json(event->choice, parts);
    if (has_tokens) {
        json_t *result = logprobs_new();
        add_tokens(g, x, result, event);
        json_object_set_new(candidate, "logprobsResult", result);
    }
    suan__gemini_send(g, x, response_json(x, json_pack("[o]", candidate)));
}

static void send_end(suan__gemini *g, suan__exchange *x) {
    for (uint32_t i = 0; i < g->gather.n_choices; i++) {
        json_t *candidate = candidate_json(i, json_array());
        set_finish(g, candidate, i);
        json_t *response = response_json(x, json_pack("[o]", candidate));
        if (i + 1 == g->gather.n_choices) json_object_set_new(response, "usageMetadata", usage_json(x, g));
        suan__gemini_send(g, x, response);
    }
    if (g->is_array) suan__stream_write(x, "]\n", 2);
    suan__stream_end(x);
}

static bool take(suan__gemini *g, suan__exchange *x, const suan__ask_event *event) {
    if (!g->is_stream) return gather(g, x, event);
    bool is_piece = event->kind == SUAN__ASK_REASONING || event->kind == SUAN__ASK_TEXT || event->kind == SUAN__ASK_CALL;
    if (event->choice >= g->gather.n_choices) return true;
    if (is_piece || (event->kind == SUAN__ASK_CHOICE && event->n_tokens)) send_piece(g, x, event);
    return is_piece || suan__gather_take(&g->gather, event);
}

void suan__gemini_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    suan__gemini *g = ctx;
    if (event->kind != SUAN__ASK_END) {
        g->has_failed |= !take(g, x, event);
        return;
    }
    g->usage = event->usage, g->n_reasoning = event->n_reasoning;
    if (!suan__gather_is_good(x, event, g->has_failed)) return;
    if (g->is_stream) {
        send_end(g, x);
    } else {
        reply_whole(g, x);
    }
}
