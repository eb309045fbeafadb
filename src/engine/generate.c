/* generate.c: an answer, token by token: draw, detokenise, look for stop strings, hand out what is safe, feed.
 *
 * All memory is taken before the first token. The ids need 4 bytes for each token that may come. The text is reserved for the longest token
 * of the vocabulary each time: address space that costs nothing until it is written, 1 GiB at most. Only a text beyond that (or beyond what
 * the system grants at the start) is grown later; no real vocabulary and context get there.
 */

#include "engine/engine.h"
#include "engine/output.h"
#include "engine/sampler.h"
#include "engine/think.h"
#include "suan/grammar.h"

typedef struct generation {
    suan_session *s;
    const suan_generate_params *p;
    suan_result *r;
    uint32_t *mask; /* of the matcher: a bit for each row of the model; NULL without one */
    suan__output output;
    suan__think_rule think_rule;
    suan__think think;
    bool caller_is_out; /* the callback said stop: it is not called again */
    suan_logprob top[SUAN__MAX_TOP];
} generation;

void suan_generate_params_init(suan_generate_params *params) {
    *params = (suan_generate_params){0};
    suan_sampling_init(&params->sampling);
}

void suan_result_fini(suan_result *result) {
    if (!result) return;
    suan__free(result->ids);
    suan__free(result->text);
    *result = (suan_result){0};
}

/* ---- before the first token ---- */

static suan_status check_params(const suan_session *s, const int32_t *ids, size_t n_ids, const suan_generate_params *p, suan_error *err) {
    SUAN_CHECK(n_ids > 0 && ids, SUAN_EINVAL, "generate: the prompt is empty, expected at least one token");
    SUAN_CHECK(n_ids <= s->n_ctx, SUAN_ECONTEXT, "generate: the prompt has %zu tokens, the context holds %u", n_ids, s->n_ctx);
    SUAN_CHECK(p->n_logprobs <= SUAN__MAX_TOP, SUAN_ERANGE, "generate: n_logprobs is %u, expected at most %d", p->n_logprobs,
               SUAN__MAX_TOP);
    SUAN_CHECK(p->n_stop == 0 || s->model->tokenizer, SUAN_EINVAL, "generate: stop strings need a tokenizer, the model has none");
    SUAN_CHECK(!p->matcher || s->model->tokenizer, SUAN_EINVAL, "generate: a form of the answer needs a tokenizer, the model has none");
    return suan__sampling_check(&p->sampling, s->model->graph->hp.n_vocab, err);
}

static suan_status prepare(generation *g, uint64_t max_tokens, suan_error *err) {
    SUAN_TRY(suan__output_init(&g->output, g->s->model->tokenizer, g->p->stop, g->p->n_stop, true, err));
    SUAN_TRY(suan__output_reserve(&g->output, max_tokens, err));
    g->r->ids = suan__malloc((size_t)max_tokens * sizeof *g->r->ids);
    SUAN_CHECK(g->r->ids, SUAN_ENOMEM, "generate: out of memory for an answer of %llu tokens", (unsigned long long)max_tokens);
    SUAN_TRY(suan__think_rule_init(&g->think_rule, g->p->think, g->s->model->tokenizer, err));
    SUAN_TRY(suan__think_init(&g->think, &g->think_rule, g->s->model->tokenizer, err));
    if (!g->p->matcher) return SUAN_OK;
    uint32_t n_rows = g->s->model->graph->hp.n_vocab, n_vocab = suan_tokenizer_n_vocab(g->s->model->tokenizer);
    g->mask = suan__calloc(suan_mask_words(n_rows > n_vocab ? n_rows : n_vocab), sizeof *g->mask);
    SUAN_CHECK(g->mask, SUAN_ENOMEM, "generate: out of memory for a mask");
    return SUAN_OK;
}

/* Brings the session to the prompt: what both have in common stays, but the last token is fed in any case, for its logits. */
static suan_status feed_prompt(generation *g, const int32_t *ids, size_t n_ids, suan_error *err) {
    suan_session *s = g->s;
    size_t common = 0;
    while (common < n_ids - 1 && common < s->position && s->ids[common] == ids[common]) common++;
    common = suan_session_reach(s, (uint32_t)common);
    g->r->n_prompt = n_ids;
    g->r->n_prompt_cached = common;
    SUAN_TRY(suan_session_rewind(s, (uint32_t)common, err));
    return suan__session_feed(s, ids + common, n_ids - common, err);
}

/* ---- text ---- */

/* Calls back with what may be handed out now. */
static void emit(generation *g, suan_piece piece, bool is_end) {
    piece.text = suan__output_take(&g->output, is_end, &piece.n_text);
    if (piece.id < 0 && piece.n_text == 0) return;
    if (g->p->on_piece && !g->caller_is_out) g->caller_is_out = g->p->on_piece(g->p->ctx, &piece) != 0;
}

static void emit_token(generation *g, int32_t id, const float *logits) {
    suan_piece piece = {.id = id, .top = g->top};
    if (g->p->want_logprobs || g->p->n_logprobs) {
        uint32_t n_top = g->p->n_logprobs;
        piece.logprob = suan__sampler_logprobs(g->s->sampler, logits, id, g->top, &n_top);
        piece.n_top = n_top;
    }
    emit(g, piece, false);
}

/* The text is the result's. */
static suan_status finish_text(generation *g, suan_error *err) {
    suan__output *o = &g->output;
    SUAN_TRY(suan__output_flush(o, err));
    emit(g, (suan_piece){.id = -1}, true);
    o->text[o->n_text] = 0;
    g->r->text = o->text;
    g->r->n_text = o->n_text;
    o->text = NULL;
    return SUAN_OK;
}

/* ---- the loop ---- */

/* Draws a token that the form of the answer allows. Guesses of a draft are checked one by one against what is drawn here, so they follow the
 * form as well, and change no token. */
static suan_status draw(generation *g, const float *logits, int32_t *id, suan_error *err) {
    suan_session *s = g->s;
    suan_matcher *matcher = g->p->matcher;
    *id = suan__think_forced(&g->think, matcher);
    if (*id >= 0) return SUAN_OK;
    if (matcher) SUAN_TRY(suan_matcher_mask(matcher, g->mask, NULL, err));
    *id = suan__sampler_draw_masked(s->sampler, &g->p->sampling, g->mask, logits, s->ids, s->position, s->position);
    SUAN_CHECK(*id >= 0, SUAN_EUNSUPPORTED, "grammar: no token of the model's vocabulary can come next");
    return matcher ? suan_matcher_accept(matcher, *id, err) : SUAN_OK;
}

/* Draws and hands out one token. *done: the answer ends with it. */
static suan_status next_token(generation *g, bool *done, suan_error *err) {
    suan_session *s = g->s;
    const float *logits = suan_session_logits(s);
    int32_t id;
    SUAN_TRY(draw(g, logits, &id, err));
    SUAN_TRY(suan__think_take(&g->think, id, err));
    g->r->ids[g->r->n_ids++] = id;
    bool is_end = (!g->p->ignore_eos || g->p->matcher) && suan__model_is_eog(s->model, id);
    if (!is_end) SUAN_TRY(suan__output_push(&g->output, id, err));
    emit_token(g, id, logits);
    *done = is_end || g->output.found_stop || (g->p->matcher && suan_matcher_is_over(g->p->matcher));
    if (*done)
        g->r->finish = SUAN_FINISH_STOP;
    else if (g->caller_is_out || atomic_load(&s->cancel)) {
        g->r->finish = SUAN_FINISH_CANCELLED;
        *done = true;
    }
    return SUAN_OK;
}

static suan_status decode(generation *g, uint64_t max_tokens, bool to_the_end, suan_error *err) {
    for (;;) {
        bool done;
        SUAN_TRY(next_token(g, &done, err));
        if (done) return SUAN_OK;
        if (g->r->n_ids == max_tokens) {
            g->r->finish = SUAN_FINISH_LENGTH;
            g->r->context_full = to_the_end;
            return SUAN_OK;
        }
        SUAN_TRY(suan__draft_feed(g->s, &g->p->sampling, g->p->ignore_eos, g->r->ids[g->r->n_ids - 1], max_tokens - g->r->n_ids, err));
    }
}

static suan_status generate(generation *g, const int32_t *ids, size_t n_ids, suan_error *err) {
    /* The token behind the last position can be drawn, but not fed. */
    uint64_t room = (uint64_t)g->s->n_ctx - n_ids + 1, max_tokens = g->p->max_tokens;
    bool to_the_end = max_tokens == 0 || max_tokens > room;
    if (to_the_end) max_tokens = room;
    SUAN_TRY(prepare(g, max_tokens, err));
    double begin = suan__seconds(), middle;
    suan_error why = {0};
    suan_status status = feed_prompt(g, ids, n_ids, &why);
    middle = suan__seconds();
    if (status == SUAN_OK) status = decode(g, max_tokens, to_the_end, &why);
    suan__draft_settle(g->s);
    g->r->n_drafted = g->s->draft.n_drafted;
    g->r->n_accepted = g->s->draft.n_accepted;
    if (status == SUAN_STOPPED) {
        g->r->finish = SUAN_FINISH_CANCELLED; /* no error: *err is left alone */
    } else if (status != SUAN_OK) {
        if (err) *err = why;
        return status;
    }
    g->r->prompt_seconds = middle - begin;
    g->r->decode_seconds = suan__seconds() - middle;
    return finish_text(g, err);
}

suan_status suan_generate(suan_session *session, const int32_t *ids, size_t n_ids, const suan_generate_params *params, suan_result *result,
                          suan_error *err) {
    *result = (suan_result){0};
    SUAN_TRY(check_params(session, ids, n_ids, params, err));
    generation g = {.s = session, .p = params, .r = result};
    suan__sampler_use(session->sampler, session->model->graph->kernels);
    session->draft.n_drafted = session->draft.n_accepted = 0;
    uint64_t saved = suan__fp_enter(); /* the sampler's arithmetic is the contract's too */
    suan_status status = generate(&g, ids, n_ids, err);
    suan__fp_leave(saved);
    atomic_store(&session->cancel, false);
    suan__output_fini(&g.output);
    suan__think_fini(&g.think);
    suan__think_rule_fini(&g.think_rule);
    suan__free(g.mask);
    if (status != SUAN_OK) suan_result_fini(result);
    return status;
}
