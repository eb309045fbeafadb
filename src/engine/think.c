/* think.c: counting the tokens of reasoning, and closing it. */
#include "engine/think.h"

#include <string.h>

#include "base/memory.h"
#include "text/answer.h"

/* ---- the rule ---- */

/* Appends the ids of a text in which marks are tokens of their own. */
static suan_status append_ids(suan__think_rule *r, const char *text, size_t at, size_t *n, const suan_tokenizer *t, suan_error *err) {
    size_t n_text = strlen(text);
    SUAN_TRY(suan_tokenizer_encode(t, text, n_text, SUAN_TOKENIZE_PARSE_SPECIAL, NULL, 0, n, err));
    SUAN_CHECK(*n > 0, SUAN_EINVAL, "think: the text that closes reasoning has no tokens");
    int32_t *ids = suan__realloc(r->ids, at + *n, sizeof *ids);
    SUAN_CHECK(ids, SUAN_ENOMEM, "think: out of memory");
    r->ids = ids;
    return suan_tokenizer_encode(t, text, n_text, SUAN_TOKENIZE_PARSE_SPECIAL, ids + at, *n, n, err);
}

static suan_status fill(suan__think_rule *r, const suan_think_limit *limit, const suan_tokenizer *t, suan_error *err) {
    SUAN_CHECK(t, SUAN_EINVAL, "think: a limit on reasoning needs a tokenizer, the model has none");
    SUAN_CHECK(limit->close && limit->reopen, SUAN_EINVAL, "think: the limit does not say what closes reasoning");
    SUAN_TRY(append_ids(r, limit->close, 0, &r->n_close, t, err));
    SUAN_TRY(append_ids(r, limit->reopen, r->n_close, &r->n_reopen, t, err));
    r->prompt = suan__strndup(limit->prompt ? limit->prompt : "", limit->prompt ? limit->n_prompt : 0);
    SUAN_CHECK(r->prompt, SUAN_ENOMEM, "think: out of memory");
    r->budget = limit->budget;
    r->answer.syntax = limit->syntax;
    r->answer.prompt = r->prompt;
    r->answer.n_prompt = limit->prompt ? limit->n_prompt : 0;
    r->is_on = true;
    return SUAN_OK;
}

suan_status suan__think_rule_init(suan__think_rule *rule, const suan_think_limit *limit, const suan_tokenizer *t, suan_error *err) {
    *rule = (suan__think_rule){.answer = SUAN_ANSWER_OPTIONS_INIT};
    if (!limit) return SUAN_OK;
    suan_status status = fill(rule, limit, t, err);
    if (status != SUAN_OK) suan__think_rule_fini(rule);
    return status;
}

void suan__think_rule_fini(suan__think_rule *rule) {
    suan__free(rule->prompt);
    suan__free(rule->ids);
    *rule = (suan__think_rule){0};
}

/* ---- one answer ---- */

static int no_part(void *ctx, const suan_answer_part *part) {
    (void)ctx, (void)part;
    return 0;
}

/* Where no reasoning can come any more nothing needs to be followed. */
static void rest(suan__think *k) {
    if (!k->answer || suan__answer_may_think(k->answer) || k->n_forced > 0) return;
    suan_answer_free(k->answer);
    k->answer = NULL;
}

suan_status suan__think_init(suan__think *k, const suan__think_rule *rule, const suan_tokenizer *t, suan_error *err) {
    *k = (suan__think){.rule = rule, .tokenizer = t};
    if (!rule->is_on) return SUAN_OK;
    SUAN_TRY(suan_answer_create(&k->answer, &rule->answer, no_part, NULL, err));
    rest(k);
    return SUAN_OK;
}

void suan__think_fini(suan__think *k) {
    suan_answer_free(k->answer);
    *k = (suan__think){0};
}

int32_t suan__think_forced(suan__think *k, suan_matcher *matcher) {
    suan_error refused;
    if (!k->answer) return -1;
    if (k->n_forced == 0 && k->n_thought >= k->rule->budget && suan__answer_is_thinking(k->answer)) {
        k->forced = k->rule->ids + (k->has_closed ? k->rule->n_close : 0);
        k->n_forced = k->has_closed ? k->rule->n_reopen : k->rule->n_close;
        k->has_closed = true;
    }
    if (k->n_forced > 0 && matcher && suan_matcher_accept(matcher, *k->forced, &refused) != SUAN_OK) k->n_forced = 0;
    return k->n_forced > 0 ? *k->forced : -1;
}

suan_status suan__think_take(suan__think *k, int32_t id, suan_error *err) {
    if (!k->answer) return SUAN_OK;
    bool was_forced = k->n_forced > 0, was_thinking = suan__answer_is_thinking(k->answer);
    size_t n;
    const char *bytes = suan_tokenizer_token_bytes(k->tokenizer, id, &n);
    if (was_forced) k->forced++, k->n_forced--;
    if (bytes && n > 0) SUAN_TRY(suan_answer_feed(k->answer, bytes, n, err));
    if (!was_forced && was_thinking && suan__answer_is_thinking(k->answer)) k->n_thought++;
    rest(k);
    return SUAN_OK;
}
