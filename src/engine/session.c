/* session.c: one sequence: its cache, its ids, feeding and rewinding. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "model/compress.h"

#define DEFAULT_CHUNK 256
#define MAX_CHUNK 4096
#define MAX_CONTEXT (1u << 30)

suan__dtype suan__kv_dtype(suan_kv_type kv) {
    return kv == SUAN_KV_F32 ? SUAN__F32 : kv == SUAN_KV_Q8_0 ? SUAN__Q8_0 : SUAN__F16;
}

uint32_t suan__session_chunk(uint32_t asked) {
    return asked == 0 ? DEFAULT_CHUNK : asked;
}

void suan__profile_text(char text[SUAN__PROFILE_TEXT], bool exact, const suan__kv *kv) {
    snprintf(text, SUAN__PROFILE_TEXT, "suan-1 act=%s kv=%s round=%s", exact ? "exact" : "q8", suan__kv_type_name(kv->type),
             kv->rounding ? "published" : "none");
}

double suan__seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

suan_status suan__check_numbers(uint32_t n_ctx, suan_kv_type kv, suan_activations activations, suan_rounding rounding, suan_error *err) {
    SUAN_CHECK(n_ctx <= MAX_CONTEXT, SUAN_ERANGE, "n_ctx is %u, expected at most %u", n_ctx, MAX_CONTEXT);
    SUAN_CHECK(kv == SUAN_KV_F16 || kv == SUAN_KV_F32 || kv == SUAN_KV_Q8_0, SUAN_EINVAL, "kv is %d, expected f16, f32 or q8_0", (int)kv);
    SUAN_CHECK(activations == SUAN_ACTIVATIONS_Q8 || activations == SUAN_ACTIVATIONS_EXACT, SUAN_EINVAL,
               "activations is %d, expected q8 or exact", (int)activations);
    SUAN_CHECK(rounding == SUAN_ROUNDING_PUBLISHED || rounding == SUAN_ROUNDING_NONE, SUAN_EINVAL,
               "rounding is %d, expected published or none", (int)rounding);
    return SUAN_OK;
}

uint64_t suan__memory_beside(const suan_model *model) {
    uint64_t have = suan__memory_available(), mapped = model->graph->mapped_bytes;
    have = have > mapped ? have - mapped : 0;
    if (!model->memory_bytes) return have;
    uint64_t used = model->graph->pages_bytes + mapped, left = model->memory_bytes > used ? model->memory_bytes - used : 0;
    return left < have ? left : have;
}

/* The greatest context whose cache fits into `have` bytes, at most `most`. */
uint32_t suan__context_that_fits(const suan__hparams *hp, suan_kv_type kv, uint64_t have, uint32_t most) {
    if (suan__kv_bytes(hp, most, suan__kv_dtype(kv)) <= have) return most;
    uint32_t blocks = 0, above = most / SUAN__ATTN_BLOCK + 1;
    while (above - blocks > 1) {
        uint32_t middle = blocks + (above - blocks) / 2;
        if (suan__kv_bytes(hp, middle * SUAN__ATTN_BLOCK, suan__kv_dtype(kv)) <= have)
            blocks = middle;
        else
            above = middle;
    }
    return blocks * SUAN__ATTN_BLOCK;
}

/* Of a step at most: guesses are checked in one. */
static uint32_t step_tokens(const suan_session *s, const suan_session_options *o) {
    uint32_t checked = o->draft == SUAN_DRAFT_NONE ? 1 : (o->draft_max ? o->draft_max : SUAN__DEFAULT_DRAFT) + 1;
    return s->chunk > checked ? s->chunk : checked;
}

static suan_status choose_context(suan_session *s, const suan_session_options *o, suan_error *err) {
    const suan__hparams *hp = &s->model->graph->hp;
    uint32_t most = o->n_ctx ? o->n_ctx : hp->n_ctx_train;
    uint64_t have = suan__memory_beside(s->model);
    /* Where nobody named a context, what drafts with it does not take more than half. */
    while (!o->n_ctx && most > SUAN__ATTN_BLOCK && suan__draft_bytes(s->model, o, most, s->chunk) > have / 2) most /= 2;
    uint64_t scratch = suan__scratch_bytes(hp, step_tokens(s, o), most, suan__pool_n_threads(s->model->pool)),
             drafts = suan__draft_bytes(s->model, o, most, s->chunk);
    scratch = drafts > UINT64_MAX - scratch ? UINT64_MAX : scratch + drafts;
    uint64_t for_cache = have > scratch ? have - scratch : 0;
    char need_text[SUAN__BYTES_TEXT], scratch_text[SUAN__BYTES_TEXT], have_text[SUAN__BYTES_TEXT];
    if (o->n_ctx) {
        uint64_t need = suan__kv_bytes(hp, o->n_ctx, suan__kv_dtype(o->kv));
        SUAN_CHECK(need <= for_cache, SUAN_ENOMEM,
                   "a context of %u needs %s for its cache and %s for buffers, %s are left; %u positions would fit", o->n_ctx,
                   suan__bytes_text(need_text, need), suan__bytes_text(scratch_text, scratch), suan__bytes_text(have_text, have),
                   suan__context_that_fits(hp, o->kv, for_cache, o->n_ctx));
        s->n_ctx = o->n_ctx;
        return SUAN_OK;
    }
    s->n_ctx = suan__context_that_fits(hp, o->kv, for_cache, most);
    SUAN_CHECK(s->n_ctx, SUAN_ENOMEM, "not even %d positions of cache fit: %s are left, buffers take %s", SUAN__ATTN_BLOCK,
               suan__bytes_text(have_text, have), suan__bytes_text(scratch_text, scratch));
    return SUAN_OK;
}

suan_status suan_session_create(suan_session **session, suan_model *model, const suan_session_options *options, suan_error *err) {
    static const suan_session_options defaults = SUAN_SESSION_OPTIONS_INIT;
    const suan_session_options *o = options ? options : &defaults;
    suan_status status = SUAN_OK;
    *session = NULL;
    SUAN_TRY(suan__check_numbers(o->n_ctx, o->kv, o->activations, o->rounding, err));
    SUAN_CHECK(o->chunk <= MAX_CHUNK, SUAN_ERANGE, "chunk is %u, expected at most %d", o->chunk, MAX_CHUNK);
    SUAN_TRY(suan__draft_check(model, o, err));
    suan_session *s = suan__calloc(1, sizeof *s);
    SUAN_CHECK(s, SUAN_ENOMEM, "out of memory for a session");
    s->model = model;
    s->exact = o->activations == SUAN_ACTIVATIONS_EXACT;
    s->chunk = suan__session_chunk(o->chunk);
    if (model->graph->hp.window && s->chunk > SUAN__PAST_STEP) s->chunk = SUAN__PAST_STEP;
    SUAN_TRY_GOTO(choose_context(s, o, err));
    if (s->chunk > s->n_ctx) s->chunk = s->n_ctx;
    SUAN_TRY_GOTO(suan__kv_create(&s->kv, &model->graph->hp, s->n_ctx, suan__kv_dtype(o->kv), err));
    s->kv.rounding = model->graph->hp.has_rounding && o->rounding == SUAN_ROUNDING_PUBLISHED;
    SUAN_TRY_GOTO(suan__step_create(&s->step, model->graph, step_tokens(s, o), s->n_ctx, err));
    SUAN_TRY_GOTO(suan__sampler_create(&s->sampler, model->graph->hp.n_vocab, err));
    s->ids = suan__calloc(s->n_ctx, sizeof *s->ids);
    SUAN_CHECK_GOTO(s->ids, SUAN_ENOMEM, "out of memory for the ids of %u positions", s->n_ctx);
    SUAN_TRY_GOTO(suan__draft_create(&s->draft, s, o, err));
    suan__profile_text(s->profile, s->exact, &s->kv);
    *session = s;
    return SUAN_OK;
fail:
    suan_session_close(&s);
    return status;
}

void suan_session_close(suan_session **session) {
    suan_session *s = *session;
    *session = NULL;
    if (!s) return;
    suan__draft_free(&s->draft);
    suan__sampler_free(s->sampler);
    suan__step_free(s->step);
    suan__kv_free(&s->kv);
    suan__free(s->ids);
    suan__free(s);
}

uint32_t suan_session_n_ctx(const suan_session *session) {
    return session->n_ctx;
}
uint32_t suan_session_position(const suan_session *session) {
    return session->position;
}
const int32_t *suan_session_ids(const suan_session *session) {
    return session->ids;
}
const char *suan_session_profile(const suan_session *session) {
    return session->profile;
}
const float *suan_session_logits(const suan_session *session) {
    if (!session->has_logits) return NULL;
    return suan__step_logits(session->step) + (size_t)session->logit_row * session->model->graph->hp.n_vocab;
}
void suan_session_cancel(suan_session *session) {
    atomic_store(&session->cancel, true);
}

void suan_session_on_logits(suan_session *session, suan_logits_fn *fn, void *ctx) {
    session->on_logits = fn;
    session->on_logits_ctx = ctx;
}

void suan_session_on_progress(suan_session *session, suan_progress_fn *fn, void *ctx) {
    session->on_progress = fn;
    session->on_progress_ctx = ctx;
}

uint32_t suan_session_reach(const suan_session *session, uint32_t position) {
    return position < session->position ? suan__past_reach(&session->kv, position) : session->position;
}

suan_status suan_session_rewind(suan_session *session, uint32_t position, suan_error *err) {
    SUAN_CHECK(position <= session->position, SUAN_ERANGE, "cannot rewind to position %u, the session is at %u", position,
               session->position);
    uint32_t reach = suan_session_reach(session, position);
    SUAN_CHECK(
        reach == position, SUAN_ERANGE,
        "cannot rewind to position %u: of compressed attention only the last positions and marks are kept, the nearest before it is %u",
        position, reach);
    if (position < session->position) {
        session->has_logits = false;
        suan__past_rewind(&session->kv, &session->model->graph->hp, position);
        suan__draft_rewind(&session->draft, session->ids, position);
    }
    session->position = position;
    return SUAN_OK;
}

/* One row of logits on its way to the caller's function. */
typedef struct row_context {
    suan_session *s;
    const int32_t *ids;
} row_context;

static int on_row(void *ctx, uint32_t i_row, const float *logits) {
    const row_context *r = ctx;
    return r->s->on_logits(r->s->on_logits_ctx, r->s->position + i_row, r->ids[i_row], logits);
}

static suan_status feed_chunk(suan_session *s, const int32_t *ids, uint32_t n, bool last, suan_error *err) {
    row_context ctx = {s, ids};
    s->has_logits = false;
    suan__step_only_logits(s->step, !s->draft.ahead); /* which takes all states */
    SUAN_TRY(suan__step_run(s->step, &s->kv, ids, n, s->position, s->exact, last, s->on_logits ? on_row : NULL, &ctx, &s->cancel, err));
    memcpy(s->ids + s->position, ids, n * sizeof *ids);
    s->position += n;
    s->has_logits = last;
    s->logit_row = 0;
    suan__draft_take(&s->draft, s, n);
    return SUAN_OK;
}

suan_status suan__session_try(suan_session *s, uint32_t n, suan_error *err) {
    s->has_logits = false;
    suan__step_only_logits(s->step, false);
    SUAN_TRY(suan__step_run(s->step, &s->kv, s->ids + s->position, n, s->position, s->exact, false, NULL, NULL, &s->cancel, err));
    return suan__step_rows(s->step, n, err);
}

suan_status suan__session_feed(suan_session *s, const int32_t *ids, size_t n, suan_error *err) {
    uint32_t n_vocab = s->model->graph->hp.n_vocab;
    SUAN_CHECK(n > 0, SUAN_EINVAL, "there is no token to feed");
    SUAN_CHECK(n <= s->n_ctx - s->position, SUAN_ECONTEXT, "%zu tokens at position %u do not fit into the context of %u", n, s->position,
               s->n_ctx);
    for (size_t i = 0; i < n; i++)
        SUAN_CHECK(ids[i] >= 0 && (uint32_t)ids[i] < n_vocab, SUAN_ERANGE, "token %zu is %d, expected 0 to %u", i, ids[i], n_vocab - 1);
    for (size_t done = 0; done < n;) {
        SUAN_CHECK(!atomic_load(&s->cancel), SUAN_STOPPED, "stopped by the caller");
        uint32_t chunk = n - done < s->chunk ? (uint32_t)(n - done) : s->chunk;
        SUAN_TRY(feed_chunk(s, ids + done, chunk, done + chunk == n, err));
        done += chunk;
        if (s->on_progress) s->on_progress(s->on_progress_ctx, done, n);
    }
    return SUAN_OK;
}

suan_status suan_session_feed(suan_session *session, const int32_t *ids, size_t n, suan_error *err) {
    suan_status status = suan__session_feed(session, ids, n, err);
    atomic_store(&session->cancel, false);
    return status;
}
