/* think.h: a limit on the reasoning of an answer: what is forced, and when.
 *
 * Before each draw suan__think_forced says whether a token is forced; behind each, suan__think_take hears which one came. The answer's own parser says where reasoning begins and ends,
 * so both agree. Everything follows from the tokens of the answer: nothing depends on when or beside whom it is made.
 */
#ifndef SUAN_ENGINE_THINK_H
#define SUAN_ENGINE_THINK_H

#include "base/error.h"
#include "suan/grammar.h"
#include "suan/session.h"

/* What all choices of a request share. */
typedef struct suan__think_rule {
    bool is_on;
    uint32_t budget;
    suan_answer_options answer; /* its prompt is `prompt` */
    char *prompt;
    int32_t *ids; /* of close, then of reopen */
    size_t n_close, n_reopen;
} suan__think_rule;

/* limit NULL: no rule. Nothing of it is kept. On failure *rule is empty. */
suan_status suan__think_rule_init(suan__think_rule *rule, const suan_think_limit *limit, const suan_tokenizer *t, suan_error *err);
void suan__think_rule_fini(suan__think_rule *rule);

/* One answer. */
typedef struct suan__think {
    const suan__think_rule *rule;
    const suan_tokenizer *tokenizer;
    suan_answer *answer;   /* NULL: no reasoning is limited any more */
    uint32_t n_thought;    /* tokens of reasoning */
    const int32_t *forced; /* what is still to be forced: n_forced tokens */
    size_t n_forced;
    bool has_closed;
} suan__think;

/* rule and t are borrowed until fini; a rule that is off costs nothing. */
suan_status suan__think_init(suan__think *k, const suan__think_rule *rule, const suan_tokenizer *t, suan_error *err);
void suan__think_fini(suan__think *k); /* a zeroed one is fine */
/* The token that has to come next, which the matcher (may be NULL) has accepted; -1: any. What a grammar forbids is not forced, nor what was to follow it. */
int32_t suan__think_forced(suan__think *k, suan_matcher *matcher);
/* The token that has come. */
suan_status suan__think_take(suan__think *k, int32_t id, suan_error *err);

#endif
