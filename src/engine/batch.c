/* batch.c: a batch is made, works on its thread, is asked for figures, and closes. */
#include "suan/batch.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "engine/batch_internal.h"
#include "model/compress.h"

#define DEFAULT_SLOTS 32
#define DEFAULT_STEP 256
#define DEFAULT_STEP_MIXTURE 512
#define DEFAULT_QUEUE 256
#define DEFAULT_QUEUED_TOKENS 8000000
#define DEFAULT_POSITIONS 4096 /* that each slot gets on average */
#define MAX_SLOTS 4096
#define MAX_STEP 65536
#define LEAST_PROMPT 16 /* tokens of a step that are left for prompts when all slots write */
#define PAGE SUAN__ATTN_BLOCK

/* ---- how large ---- */

static suan_status check_options(const suan_batch_options *o, suan_error *err) {
    SUAN_TRY(suan__check_numbers(o->n_ctx, o->kv, o->activations, o->rounding, err));
    SUAN_CHECK(o->n_sequences <= MAX_SLOTS, SUAN_ERANGE, "n_sequences is %u, expected at most %d", o->n_sequences, MAX_SLOTS);
    SUAN_CHECK(o->step_tokens <= MAX_STEP, SUAN_ERANGE, "step_tokens is %u, expected at most %d", o->step_tokens, MAX_STEP);
    return SUAN_OK;
}

/* Memory that caches may have: what there is, less the buffers. */
static uint64_t memory_for_caches(const suan_batch *b) {
    const suan__model *m = b->model->graph;
    uint32_t n_ctx = b->options.n_ctx ? b->options.n_ctx : m->hp.n_ctx_train;
    uint64_t have = suan__memory_beside(b->model);
    uint64_t buffers = suan__scratch_bytes_many(&m->hp, b->step_tokens, n_ctx, SUAN__DRAWS, b->n_threads);
    return have > buffers ? have - buffers : 0;
}

static suan_status no_memory(uint64_t need, uint64_t have, const char *what, suan_error *err) {
    char need_text[SUAN__BYTES_TEXT], have_text[SUAN__BYTES_TEXT];
    return suan__fail(err, SUAN_ENOMEM, "%s needs %s, %s are left beside the weights and the buffers", what,
                      suan__bytes_text(need_text, need), suan__bytes_text(have_text, have));
}

/* Pages for all: as many as asked for, else for contexts of a usual length, or one of the greatest. One more than a context: a page can be copied while it is held. */
static suan_status size_pages(suan_batch *b, uint64_t page_bytes, suan_error *err) {
    suan_batch_options *o = &b->options;
    uint32_t train = b->model->graph->hp.n_ctx_train;
    uint64_t have = memory_for_caches(b), n_ctx = o->n_ctx ? o->n_ctx : train, whole = (n_ctx + PAGE - 1) / PAGE + 1;
    uint64_t usual = (uint64_t)b->n_slots * (DEFAULT_POSITIONS / PAGE), n = o->cache_bytes ? o->cache_bytes / page_bytes : usual;
    if (o->cache_bytes && o->cache_bytes > have) return no_memory(o->cache_bytes, have, "the cache", err);
    if (!o->cache_bytes && n < whole) n = whole;
    if (n > have / page_bytes) n = have / page_bytes;
    if (n > UINT32_MAX / 2) n = UINT32_MAX / 2;
    if (o->n_ctx && n < whole) return no_memory(whole * page_bytes, o->cache_bytes ? o->cache_bytes : have, "a cache for the context", err);
    if (n < 2) return no_memory(2 * page_bytes, o->cache_bytes ? o->cache_bytes : have, "a cache of two pages", err);
    b->n_ctx = (uint32_t)(n < whole ? (n - 1) * PAGE : n_ctx);
    o->cache_bytes = n * page_bytes;
    return SUAN_OK;
}

/* A cache for each slot; fewer slots where the contexts would be short. */
static suan_status size_slots(suan_batch *b, suan_error *err) {
    suan_batch_options *o = &b->options;
    const suan__hparams *hp = &b->model->graph->hp;
    suan__dtype type = suan__kv_dtype(o->kv);
    uint64_t have = memory_for_caches(b), budget = o->cache_bytes && o->cache_bytes < have ? o->cache_bytes : have;
    uint32_t usual = hp->n_ctx_train < DEFAULT_POSITIONS ? hp->n_ctx_train : DEFAULT_POSITIONS, want = o->n_ctx ? o->n_ctx : usual;
    if (o->cache_bytes > have) return no_memory(o->cache_bytes, have, "the cache", err);
    while (b->n_slots > 1 && suan__kv_bytes(hp, want, type) > budget / b->n_slots) b->n_slots--;
    uint64_t need = suan__kv_bytes(hp, want, type);
    if (o->n_ctx && need > budget) return no_memory(need, budget, "a cache for the context", err);
    b->n_ctx = o->n_ctx ? o->n_ctx : suan__context_that_fits(hp, o->kv, budget / b->n_slots, o->cache_bytes ? hp->n_ctx_train : usual);
    if (b->n_ctx == 0) return no_memory(suan__kv_bytes(hp, PAGE, type), budget, "a cache of 256 positions", err);
    o->cache_bytes = b->n_slots * suan__kv_bytes(hp, b->n_ctx, type);
    return SUAN_OK;
}

static suan_status choose_sizes(suan_batch *b, suan_error *err) {
    suan_batch_options *o = &b->options;
    const suan__hparams *hp = &b->model->graph->hp;
    b->n_slots = o->n_sequences ? o->n_sequences : DEFAULT_SLOTS;
    b->step_tokens = o->step_tokens ? o->step_tokens : hp->n_expert ? DEFAULT_STEP_MIXTURE : DEFAULT_STEP;
    if (b->step_tokens < b->n_slots + LEAST_PROMPT) b->step_tokens = b->n_slots + LEAST_PROMPT;
    if (!o->n_queued) o->n_queued = DEFAULT_QUEUE;
    if (!o->queued_tokens) o->queued_tokens = DEFAULT_QUEUED_TOKENS;
    uint64_t page_bytes = suan__kv_page_bytes(hp, suan__kv_dtype(o->kv));
    SUAN_CHECK(page_bytes < SIZE_MAX / 2, SUAN_ENOMEM, "a page of the cache is larger than any memory");
    return page_bytes ? size_pages(b, page_bytes, err) : size_slots(b, err);
}

/* ---- the thread ---- */

/* Owners who have nothing any more are forgotten, now and then. */
static void sweep_owners(suan_batch *b) {
    pthread_mutex_lock(&b->lock);
    if (b->n_owners > 2 * b->owners_swept + 16) {
        size_t n = 0;
        for (size_t i = 0; i < b->n_owners; i++) {
            suan__owner *o = b->owners[i];
            if (o->n_requests == 0 && o->root.n_pages == 0)
                suan__free(o);
            else
                b->owners[n++] = o;
        }
        b->n_owners = b->owners_swept = n;
    }
    pthread_mutex_unlock(&b->lock);
}

void suan__batch_count(suan_batch *b) {
    suan_batch_stats *t = &b->stats;
    t->n_active = t->n_paused = 0;
    for (const suan_request *r = b->first; r; r = r->next) {
        t->n_active += !r->is_queued;
        t->n_paused += !r->is_queued && atomic_load(&r->paused);
    }
    if (b->has_pages) {
        t->pages_cached = b->pages.n_kept;
        t->pages_used = b->pages.n - b->pages.n_free - b->pages.n_kept;
    } else {
        t->pages_used = b->n_slots - b->n_free_slots;
    }
}

static void publish(suan_batch *b) {
    const uint32_t *use = suan__step_expert_use(b->step);
    pthread_mutex_lock(&b->lock);
    suan__batch_count(b);
    for (size_t i = 0; use && i < b->n_expert_use; i++) {
        b->expert_use[i] += use[i] - b->expert_seen[i];
        b->expert_seen[i] = use[i];
    }
    pthread_mutex_unlock(&b->lock);
}

/* Waits for something to change; with limits of time among the requests, not for long. false: the batch closes and nothing is left. */
static bool wait_for_work(suan_batch *b) {
    pthread_mutex_lock(&b->lock);
    while (!b->is_awake && b->is_stuck && !(b->is_closing && !b->first)) {
        bool has_deadline = false;
        for (const suan_request *r = b->first; r; r = r->next) has_deadline |= r->deadline > 0;
        if (has_deadline) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 20000000;
            if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
            if (pthread_cond_timedwait(&b->wake, &b->lock, &until) == ETIMEDOUT) break;
        } else {
            pthread_cond_wait(&b->wake, &b->lock);
        }
    }
    b->is_awake = false;
    bool goes_on = !(b->is_closing && !b->first);
    pthread_mutex_unlock(&b->lock);
    return goes_on;
}

bool suan__batch_turn(suan_batch *b) {
    uint64_t saved = suan__fp_enter();
    if (b->is_still) b->thread = pthread_self();
    suan__batch_reap(b);
    suan__batch_admit(b);
    suan__batch_plan(b);
    b->is_stuck = b->n_segments == 0;
    if (!b->is_stuck) suan__batch_run(b);
    sweep_owners(b);
    publish(b);
    suan__fp_leave(saved);
    return !b->is_stuck;
}

static void *work(void *ctx) {
    suan_batch *b = ctx;
    while (wait_for_work(b)) suan__batch_turn(b);
    return NULL;
}

/* ---- open and close ---- */

static suan_status make_buffers(suan_batch *b, suan_error *err) {
    const suan__hparams *hp = &b->model->graph->hp;
    uint32_t n_vocab = hp->n_vocab, n_words = n_vocab;
    if (b->model->tokenizer && suan_tokenizer_n_vocab(b->model->tokenizer) > n_words) n_words = suan_tokenizer_n_vocab(b->model->tokenizer);
    b->n_mask_words = suan_mask_words(n_words);
    SUAN_TRY(suan__step_create_many(&b->step, b->model->graph, b->step_tokens, b->n_ctx, SUAN__DRAWS, err));
    b->samplers = suan__calloc((size_t)b->n_threads, sizeof(suan__sampler *));
    b->masks = suan__calloc((size_t)b->n_threads, sizeof(uint32_t *));
    b->draws = suan__calloc(SUAN__DRAWS, sizeof *b->draws);
    b->segments = suan__calloc(b->n_slots, sizeof *b->segments);
    b->planned = suan__calloc(b->n_slots, sizeof(suan__slot *));
    b->order = suan__calloc(b->n_slots, sizeof(suan__slot *));
    b->states = suan__calloc(SUAN__DRAWS, hp->n_embd * sizeof(float));
    b->n_expert_use = (size_t)hp->n_layer * hp->n_expert;
    b->expert_use = suan__calloc(b->n_expert_use, sizeof *b->expert_use);
    b->expert_seen = suan__calloc(b->n_expert_use, sizeof *b->expert_seen);
    SUAN_CHECK(b->samplers && b->masks && b->draws && b->segments && b->planned && b->order && b->states && b->expert_use && b->expert_seen,
               SUAN_ENOMEM, "out of memory for a batch");
    for (int i = 0; i < b->n_threads; i++) {
        SUAN_TRY(suan__sampler_create(&b->samplers[i], n_vocab, err));
        suan__sampler_use(b->samplers[i], b->model->graph->kernels);
        b->masks[i] = suan__calloc(b->n_mask_words, sizeof(uint32_t));
        SUAN_CHECK(b->masks[i], SUAN_ENOMEM, "out of memory for a batch");
    }
    for (uint32_t i = 0; i < SUAN__DRAWS; i++) {
        b->draws[i].top = suan__calloc(SUAN__MAX_TOP, sizeof(suan_logprob));
        SUAN_CHECK(b->draws[i].top, SUAN_ENOMEM, "out of memory for a batch");
    }
    return SUAN_OK;
}

static void fill_stats(suan_batch *b) {
    const suan__model *m = b->model->graph;
    uint64_t page_bytes = b->has_pages ? b->pages.page_bytes : b->options.cache_bytes / b->n_slots;
    b->stats = (suan_batch_stats){.n_ctx = b->n_ctx,
                                  .n_sequences = b->n_slots,
                                  .step_tokens = b->step_tokens,
                                  .max_queued = b->options.n_queued,
                                  .pages = b->has_pages ? b->pages.n : b->n_slots,
                                  .page_bytes = page_bytes,
                                  .page_positions = b->has_pages ? PAGE : b->n_ctx,
                                  .joules = b->joules,
                                  .weight_bytes = m->pages_bytes + m->mapped_bytes,
                                  .cache_bytes = b->options.cache_bytes,
                                  .profile = b->profile};
}

suan_status suan__batch_create_still(suan_batch **batch, suan_model *model, const suan_batch_options *options, suan_error *err) {
    static const suan_batch_options defaults = SUAN_BATCH_OPTIONS_INIT;
    suan_status status = SUAN_OK;
    *batch = NULL;
    SUAN_TRY(check_options(options ? options : &defaults, err));
    suan_batch *b = suan__calloc(1, sizeof *b);
    SUAN_CHECK(b, SUAN_ENOMEM, "out of memory for a batch");
    b->model = model;
    b->options = options ? *options : defaults;
    b->exact = b->options.activations == SUAN_ACTIVATIONS_EXACT;
    b->n_threads = suan__pool_n_threads(model->pool);
    b->common.first = SUAN__NO_PAGE;
    b->rates_of_machine = (suan__rates){.bytes = 1, .int8_ops = 1, .f32_ops = 1};
    for (uint32_t i = 0; model->graph->hp.layer_is_moe && i < model->graph->hp.n_layer; i++)
        b->n_moe_layers += model->graph->hp.layer_is_moe[i];
    b->has_lock = pthread_mutex_init(&b->lock, NULL) == 0 && pthread_mutex_init(&b->vocabulary_lock, NULL) == 0 &&
                  pthread_cond_init(&b->wake, NULL) == 0 && pthread_cond_init(&b->told, NULL) == 0;
    SUAN_CHECK_GOTO(b->has_lock, SUAN_ENOMEM, "locks for a batch cannot be had");
    SUAN_TRY_GOTO(choose_sizes(b, err));
    b->slots = suan__calloc(b->n_slots, sizeof *b->slots);
    SUAN_CHECK_GOTO(b->slots, SUAN_ENOMEM, "out of memory for a batch");
    b->n_free_slots = b->n_slots;
    SUAN_TRY_GOTO(suan__batch_cache_create(b, err));
    SUAN_TRY_GOTO(make_buffers(b, err));
    suan__energy_open(&b->energy, "");
    b->joules = suan__energy_read(&b->energy);
    suan__profile_text(b->profile, b->exact, &b->slots[0].kv);
    fill_stats(b);
    b->is_still = true;
    *batch = b;
    return SUAN_OK;
fail:
    suan_batch_close(&b);
    return status;
}

suan_status suan_batch_create(suan_batch **batch, suan_model *model, const suan_batch_options *options, suan_error *err) {
    SUAN_TRY(suan__batch_create_still(batch, model, options, err));
    suan_batch *b = *batch;
    b->is_still = false;
    b->has_thread = pthread_create(&b->thread, NULL, work, b) == 0;
    if (b->has_thread) return SUAN_OK;
    suan_batch_close(batch);
    return suan__fail(err, SUAN_ENOMEM, "a thread for the batch cannot be had");
}

static void free_buffers(suan_batch *b) {
    for (int i = 0; b->samplers && i < b->n_threads; i++) suan__sampler_free(b->samplers[i]);
    for (int i = 0; b->masks && i < b->n_threads; i++) suan__free(b->masks[i]);
    for (uint32_t i = 0; b->draws && i < SUAN__DRAWS; i++) suan__free(b->draws[i].top);
    for (size_t i = 0; i < b->n_owners; i++) suan__free(b->owners[i]);
    suan__free(b->owners);
    suan__free(b->samplers);
    suan__free(b->masks);
    suan__free(b->draws);
    suan__free(b->segments);
    suan__free(b->planned);
    suan__free(b->order);
    suan__free(b->states);
    suan__free(b->expert_use);
    suan__free(b->expert_seen);
}

static void stop(suan_batch *b) {
    pthread_mutex_lock(&b->lock);
    b->is_closing = true;
    for (suan_request *r = b->first; r; r = r->next) atomic_store(&r->cancelled, true);
    atomic_store(&b->step_cancel, true);
    b->is_awake = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (b->has_thread)
        pthread_join(b->thread, NULL);
    else
        while (b->first) suan__batch_turn(b);
}

void suan_batch_close(suan_batch **batch) {
    suan_batch *b = *batch;
    *batch = NULL;
    if (!b) return;
    if (b->has_thread || b->is_still) stop(b);
    suan__batch_cache_fini(b);
    free_buffers(b);
    suan__free(b->slots);
    suan__step_free(b->step);
    suan_vocabulary_free(b->vocabulary);
    if (b->has_lock) {
        pthread_mutex_destroy(&b->lock);
        pthread_mutex_destroy(&b->vocabulary_lock);
        pthread_cond_destroy(&b->wake);
        pthread_cond_destroy(&b->told);
    }
    suan__free(b);
}

/* ---- figures ---- */

void suan_batch_get_stats(suan_batch *batch, suan_batch_stats *stats) {
    double now = suan__seconds();
    pthread_mutex_lock(&batch->lock);
    *stats = batch->stats;
    stats->is_broken = batch->broken.status != SUAN_OK;
    stats->n_queued = batch->n_queued;
    stats->queued_tokens = batch->queued_tokens;
    stats->step_seconds = batch->step_begin > 0 ? now - batch->step_begin : 0;
    uint64_t drawn = 0, second = (uint64_t)now;
    for (uint64_t i = 1; i < SUAN__RATE_SECONDS && i <= second; i++) /* whole seconds that are over */
        if (second - i <= batch->rate_second && batch->rate_second - (second - i) < SUAN__RATE_SECONDS)
            drawn += batch->rates[(second - i) % SUAN__RATE_SECONDS];
    pthread_mutex_unlock(&batch->lock);
    stats->tokens_per_second = (double)drawn / (SUAN__RATE_SECONDS - 1);
}

size_t suan_batch_expert_use(suan_batch *batch, uint64_t *use, size_t capacity) {
    size_t n = batch->n_expert_use;
    if (!use) return n;
    pthread_mutex_lock(&batch->lock);
    for (size_t i = 0; i < n && i < capacity; i++) use[i] = batch->expert_use[i];
    pthread_mutex_unlock(&batch->lock);
    return n;
}
