/* generate.c: an answer, token by token: draw, detokenise, look for stop strings, hand out what is safe, feed.
 *
 * All memory is taken before the first token. The ids need 4 bytes for each token that may come. The text is reserved for the longest token
 * of the vocabulary each time: address space that costs nothing until it is written, 1 GiB at most. Only a text beyond that (or beyond what
 * the system grants at the start) is grown later; no real vocabulary and context get there.
 */
#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/stop.h"

#define MAX_TOP 256
#define MAX_RESERVED (UINT64_C(1) << 30) /* bytes of text */
#define MIN_RESERVED (UINT64_C(1) << 12)
#define FLUSH_BYTES 8 /* a character that is cut short, its replacement, a NUL */

typedef struct generation {
    suan_session *s;
    const suan_generate_params *p;
    suan_result *r;
    suan_detokenizer *detokenizer; /* NULL: no text */
    suan__stop stop;
    size_t text_capacity;
    size_t n_emitted;   /* bytes of the text that were handed out */
    bool found_stop;    /* the text ended at a stop string, which is cut off */
    bool caller_is_out; /* the callback said stop: it is not called again */
    suan_logprob top[MAX_TOP];
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

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- before the first token ---- */

static suan_status check_params(const suan_session *s, const int32_t *ids, size_t n_ids, const suan_generate_params *p, suan_error *err) {
    SUAN_CHECK(n_ids > 0 && ids, SUAN_EINVAL, "generate: the prompt is empty, expected at least one token");
    SUAN_CHECK(n_ids <= s->n_ctx, SUAN_ECONTEXT, "generate: the prompt has %zu tokens, the context holds %u", n_ids, s->n_ctx);
    SUAN_CHECK(p->n_logprobs <= MAX_TOP, SUAN_ERANGE, "generate: n_logprobs is %u, expected at most %d", p->n_logprobs, MAX_TOP);
    SUAN_CHECK(p->n_stop == 0 || s->model->tokenizer, SUAN_EINVAL, "generate: stop strings need a tokenizer, the model has none");
    return suan__sampling_check(&p->sampling, s->model->graph->hp.n_vocab, err);
}

static size_t longest_token(const suan_tokenizer *t) {
    size_t longest = 1;
    for (uint32_t id = 0; id < suan_tokenizer_n_vocab(t); id++) {
        size_t n;
        suan_tokenizer_token_bytes(t, (int32_t)id, &n);
        if (n > longest) longest = n;
    }
    return longest;
}

/* max_tokens < 2^31. */
static bool reserve_text(generation *g, uint64_t max_tokens) {
    uint64_t bytes = FLUSH_BYTES;
    if (g->s->model->tokenizer) {
        uint64_t longest = longest_token(g->s->model->tokenizer);
        bytes += longest < UINT32_MAX ? max_tokens * longest : MAX_RESERVED;
    }
    if (bytes > MAX_RESERVED) bytes = MAX_RESERVED;
    while (!(g->r->text = suan__malloc((size_t)bytes)) && bytes > MIN_RESERVED) bytes /= 2;
    g->text_capacity = (size_t)bytes;
    return g->r->text != NULL;
}

static suan_status prepare(generation *g, uint64_t max_tokens, suan_error *err) {
    const suan_tokenizer *tokenizer = g->s->model->tokenizer;
    SUAN_TRY(suan__stop_init(&g->stop, g->p->stop, g->p->n_stop, err));
    if (tokenizer) SUAN_TRY(suan_detokenizer_open(&g->detokenizer, tokenizer, true, err));
    g->r->ids = suan__malloc((size_t)max_tokens * sizeof *g->r->ids);
    SUAN_CHECK(g->r->ids && reserve_text(g, max_tokens), SUAN_ENOMEM, "generate: out of memory for an answer of %llu tokens",
               (unsigned long long)max_tokens);
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

static suan_status grow_text(generation *g, size_t n, suan_error *err) {
    if (n <= g->text_capacity - FLUSH_BYTES - g->r->n_text) return SUAN_OK;
    size_t capacity = 2 * (g->r->n_text + n + FLUSH_BYTES);
    char *text = suan__realloc(g->r->text, capacity, 1);
    SUAN_CHECK(text, SUAN_ENOMEM, "generate: out of memory for an answer of %zu bytes", g->r->n_text + n);
    g->r->text = text;
    g->text_capacity = capacity;
    return SUAN_OK;
}

/* Appends until a stop string is whole; then cuts it off. */
static suan_status append_text(generation *g, const char *text, size_t n, suan_error *err) {
    SUAN_TRY(grow_text(g, n, err));
    for (size_t i = 0; i < n && !g->found_stop; i++) {
        g->r->text[g->r->n_text++] = text[i];
        size_t found = suan__stop_feed(&g->stop, text[i]);
        g->r->n_text -= found;
        g->found_stop = found > 0;
    }
    return SUAN_OK;
}

static suan_status append_token(generation *g, int32_t id, suan_error *err) {
    const char *text;
    size_t n;
    /* Models may have more rows than their tokenizer has tokens; those say nothing. */
    if (!g->detokenizer || (uint32_t)id >= suan_tokenizer_n_vocab(g->s->model->tokenizer)) return SUAN_OK;
    SUAN_TRY(suan_detokenizer_push(g->detokenizer, id, &text, &n, err));
    return append_text(g, text, n, err);
}

/* Calls back with everything up to `end` that was not handed out yet. */
static void emit(generation *g, suan_piece piece, size_t end) {
    piece.text = g->r->text + g->n_emitted;
    piece.n_text = end - g->n_emitted;
    g->n_emitted = end;
    if (g->p->on_piece && !g->caller_is_out) g->caller_is_out = g->p->on_piece(g->p->ctx, &piece) != 0;
}

static void emit_token(generation *g, int32_t id, const float *logits) {
    suan_piece piece = {.id = id, .top = g->top};
    if (g->p->want_logprobs || g->p->n_logprobs) {
        uint32_t n_top = g->p->n_logprobs;
        piece.logprob = suan__sampler_logprobs(g->s->sampler, logits, id, g->top, &n_top);
        piece.n_top = n_top;
    }
    emit(g, piece, g->r->n_text - (g->found_stop ? 0 : suan__stop_held(&g->stop)));
}

/* The end: nothing more can complete a character or a stop string. */
static suan_status flush(generation *g, suan_error *err) {
    const char *text;
    size_t n;
    if (g->detokenizer && !g->found_stop) {
        suan_detokenizer_flush(g->detokenizer, false, &text, &n);
        SUAN_TRY(append_text(g, text, n, err));
    }
    g->r->text[g->r->n_text] = 0;
    if (g->r->n_text > g->n_emitted) emit(g, (suan_piece){.id = -1}, g->r->n_text);
    return SUAN_OK;
}

/* ---- the loop ---- */

/* Draws and hands out one token. *done: the answer ends with it. */
static suan_status next_token(generation *g, bool *done, suan_error *err) {
    suan_session *s = g->s;
    const float *logits = suan_session_logits(s);
    int32_t id = suan__sampler_draw(s->sampler, &g->p->sampling, logits, s->ids, s->position, s->position);
    g->r->ids[g->r->n_ids++] = id;
    bool is_end = !g->p->ignore_eos && suan__model_is_eog(s->model, id);
    if (!is_end) SUAN_TRY(append_token(g, id, err));
    emit_token(g, id, logits);
    *done = is_end || g->found_stop;
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
    double begin = seconds(), middle;
    suan_error why = {0};
    suan_status status = feed_prompt(g, ids, n_ids, &why);
    middle = seconds();
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
    g->r->decode_seconds = seconds() - middle;
    return flush(g, err);
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
    suan_detokenizer_close(&g.detokenizer);
    suan__stop_fini(&g.stop);
    if (status != SUAN_OK) suan_result_fini(result);
    return status;
}
