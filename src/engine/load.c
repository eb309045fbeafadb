/* load.c: opening a model: checks, the memory it will take, weights, tokenizer, chat template, and what its generation_config.json asks
 * for. */
#include <string.h>

#include "base/file.h"
#include "engine/engine.h"
#include "suan/template.h"

#define MIN_CONTEXT 512 /* positions that have to fit when the caller names none */

/* ---- does it fit ---- */

typedef struct plan {
    uint64_t weights, cache, buffers, need, have;
    uint32_t n_ctx;
} plan;

/* The best weight type with which it would fit, NULL when none would. */
static const char *type_that_fits(const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck, const plan *p) {
    static const suan__dtype types[] = {SUAN__Q8_0, SUAN__Q6_K,   SUAN__Q5_K, SUAN__Q5_0, SUAN__Q4_K,
                                        SUAN__Q4_0, SUAN__IQ4_XS, SUAN__Q3_K, SUAN__Q2_K};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        uint64_t weights, n_params;
        if (suan__model_measure(family, hp, ck, (int)types[i], &weights, &n_params, NULL) != SUAN_OK) return NULL;
        if (weights < p->weights && weights + p->cache + p->buffers <= p->have) return suan__dtype_get(types[i])->name;
    }
    return NULL;
}

/* Refuses what does not fit, before anything is packed. */
static suan_status check_memory(const suan__checkpoint *ck, const suan_model_options *o, int n_threads, suan_error *err) {
    suan__arena arena;
    suan__arena_init(&arena, 1 << 14);
    const suan__family *family;
    suan__hparams hp;
    plan p = {.have = suan__memory_available()};
    uint64_t n_params;
    suan_status status;
    SUAN_TRY_GOTO(suan__family_find(&family, ck, err));
    SUAN_TRY_GOTO(suan__hparams_read(&hp, family, ck, &arena, err));
    SUAN_TRY_GOTO(suan__model_measure(family, &hp, ck, -1, &p.weights, &n_params, err));
    if (o->mtp) {
        uint64_t ahead;
        SUAN_TRY_GOTO(suan__ahead_measure(family, &hp, ck, &ahead, err));
        SUAN_CHECK_GOTO(ahead <= UINT64_MAX / 2 && p.weights <= UINT64_MAX / 2, SUAN_ERANGE, "%s: the model is too large", ck->path);
        p.weights += ahead;
    }
    if (o->memory_bytes && o->memory_bytes < p.have) p.have = o->memory_bytes;
    p.n_ctx = o->n_ctx ? o->n_ctx : hp.n_ctx_train < MIN_CONTEXT ? hp.n_ctx_train : MIN_CONTEXT;
    p.cache = suan__kv_bytes(&hp, p.n_ctx, suan__kv_dtype(o->kv));
    p.buffers = suan__scratch_bytes(&hp, suan__session_chunk(0), p.n_ctx, n_threads);
    SUAN_CHECK_GOTO(!__builtin_add_overflow(p.weights, p.cache, &p.need) && !__builtin_add_overflow(p.need, p.buffers, &p.need),
                    SUAN_ERANGE, "%s: a cache of %u positions is larger than any memory", ck->path, p.n_ctx);
    if (p.need > p.have) {
        const char *type = type_that_fits(family, &hp, ck, &p);
        char need[SUAN__BYTES_TEXT], weights[SUAN__BYTES_TEXT], cache[SUAN__BYTES_TEXT], buffers[SUAN__BYTES_TEXT], have[SUAN__BYTES_TEXT];
        status = suan__fail(err, SUAN_ENOMEM, "%s needs %s (weights %s, cache of %u positions %s, buffers %s), %s are available; %s%s",
                            ck->path, suan__bytes_text(need, p.need), suan__bytes_text(weights, p.weights), p.n_ctx,
                            suan__bytes_text(cache, p.cache), suan__bytes_text(buffers, p.buffers), suan__bytes_text(have, p.have),
                            type ? "it would fit with weights of type " : "no weight type would make it fit", type ? type : "");
    }
fail:
    suan__arena_fini(&arena);
    return status;
}

/* ---- generation_config.json ---- */

/* A number at key, or unchanged; what is there but is no number within the range is an error. */
static suan_status read_number(const json_t *json, const char *key, double lo, double hi, bool *has, double *out, const char *path,
                               suan_error *err) {
    const json_t *v = json_object_get(json, key);
    if (!v || json_is_null(v)) return SUAN_OK;
    SUAN_CHECK(json_is_number(v), SUAN_EFORMAT, "%s/generation_config.json: %s is no number", path, key);
    *out = json_number_value(v);
    SUAN_CHECK(*out >= lo && *out <= hi, SUAN_ERANGE, "%s/generation_config.json: %s is %g, expected %g to %g", path, key, *out, lo, hi);
    *has = true;
    return SUAN_OK;
}

static suan_status read_defaults(suan__sampling_defaults *d, const suan__checkpoint *ck, suan_error *err) {
    const json_t *json = ck->generation_config;
    double temperature = 1, top_k = 0, top_p = 1, min_p = 0, typical_p = 1, repetition = 1;
    if (!json) return SUAN_OK;
    SUAN_TRY(read_number(json, "temperature", 0, 100, &d->has_temperature, &temperature, ck->path, err));
    SUAN_TRY(read_number(json, "top_k", -1, INT32_MAX, &d->has_top_k, &top_k, ck->path, err));
    SUAN_TRY(read_number(json, "top_p", 1e-6, 1, &d->has_top_p, &top_p, ck->path, err));
    SUAN_TRY(read_number(json, "min_p", 0, 1, &d->has_min_p, &min_p, ck->path, err));
    SUAN_TRY(read_number(json, "typical_p", 1e-6, 1, &d->has_typical_p, &typical_p, ck->path, err));
    SUAN_TRY(read_number(json, "repetition_penalty", 1e-3, 1000, &d->has_repetition_penalty, &repetition, ck->path, err));
    const json_t *sample = json_object_get(json, "do_sample");
    SUAN_CHECK(!sample || json_is_null(sample) || json_is_boolean(sample), SUAN_EFORMAT,
               "%s/generation_config.json: do_sample is neither true nor false", ck->path);
    if (json_is_false(sample)) { /* greedy; a sampling loop without one samples at temperature 1 */
        temperature = 0;
        d->has_temperature = true;
    } else if (json_is_true(sample)) {
        d->has_temperature = true;
    }
    d->temperature = (float)temperature;
    d->top_k = top_k < 0 ? 0 : (uint32_t)top_k; /* -1 is how some folders say "off" */
    d->top_p = (float)top_p;
    d->min_p = (float)min_p;
    d->typical_p = (float)typical_p;
    d->repetition_penalty = (float)repetition;
    return SUAN_OK;
}

suan_status suan_model_sampling(const suan_model *model, suan_sampling *sampling, suan_error *err) {
    SUAN_CHECK(model && sampling, SUAN_EINVAL, "model or sampling is NULL");
    const suan__sampling_defaults *d = &model->defaults;
    if (d->has_temperature) sampling->temperature = d->temperature;
    if (d->has_top_k) sampling->top_k = (int32_t)d->top_k;
    if (d->has_top_p) sampling->top_p = d->top_p;
    if (d->has_min_p) sampling->min_p = d->min_p;
    if (d->has_typical_p) sampling->typical_p = d->typical_p;
    if (d->has_repetition_penalty) sampling->repetition_penalty = d->repetition_penalty;
    return SUAN_OK;
}

/* eos_token_id of generation_config.json or config.json: a number or a list. */
static suan_status read_eos(suan_model *m, const suan__checkpoint *ck, suan_error *err) {
    const json_t *v = ck->generation_config ? json_object_get(ck->generation_config, "eos_token_id") : NULL;
    if (!v || json_is_null(v)) v = ck->config ? json_object_get(ck->config, "eos_token_id") : NULL;
    if (!v || json_is_null(v)) return SUAN_OK;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    m->eos_ids = suan__calloc(n, sizeof *m->eos_ids);
    SUAN_CHECK(m->eos_ids, SUAN_ENOMEM, "%s: out of memory", ck->path);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        SUAN_CHECK(json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX, SUAN_EFORMAT,
                   "%s: eos_token_id is no token id", ck->path);
        m->eos_ids[m->n_eos_ids++] = (int32_t)json_integer_value(id);
    }
    return SUAN_OK;
}

bool suan__model_is_eog(const suan_model *model, int32_t id) {
    for (size_t i = 0; i < model->n_eos_ids; i++)
        if (model->eos_ids[i] == id) return true;
    return model->tokenizer && suan_tokenizer_is_eog(model->tokenizer, id);
}

/* ---- open and close ---- */

/* A model without a tokenizer is usable by ids; a broken tokenizer is an error, a broken template one only for who wants to chat. */
static suan_status open_text(suan_model *m, const suan__checkpoint *ck, suan_error *err) {
    suan_error why = {0};
    suan_status status = suan__tokenizer_from_checkpoint(&m->tokenizer, ck, &why);
    if (status != SUAN_OK && status != SUAN_ENOTFOUND) {
        if (err) *err = why;
        return status;
    }
    if (!m->tokenizer) return SUAN_OK;
    SUAN_CHECK(suan_tokenizer_n_vocab(m->tokenizer) <= m->graph->hp.n_vocab, SUAN_EFORMAT,
               "%s: the tokenizer has %u tokens, the embedding %u rows", ck->path, suan_tokenizer_n_vocab(m->tokenizer),
               m->graph->hp.n_vocab);
    size_t n;
    const char *text = suan_tokenizer_chat_template(m->tokenizer, NULL, &n);
    if (text) suan_template_create(&m->chat, text, n, "chat template", &m->chat_error);
    text = suan_tokenizer_chat_template(m->tokenizer, "tool_use", &n);
    if (text) suan_template_create(&m->chat_tools, text, n, "chat template \"tool_use\"", &m->chat_error);
    return SUAN_OK;
}

suan_status suan__model_open(suan_model **model, const char *path, const suan__checkpoint *given, const suan_model_options *options,
                             suan_error *err) {
    static const suan_model_options defaults = SUAN_MODEL_OPTIONS_INIT;
    const suan_model_options *o = options ? options : &defaults;
    suan_status status = SUAN_OK;
    suan__checkpoint *opened = NULL;
    const suan__checkpoint *ck = given;
    const suan__kernels *kernels;
    *model = NULL;
    SUAN_CHECK(path, SUAN_EINVAL, "no path of a model");
    SUAN_CHECK(o->n_threads >= 0 && o->n_threads <= SUAN__MAX_THREADS, SUAN_ERANGE, "n_threads is %d, expected 0 to %d", o->n_threads,
               SUAN__MAX_THREADS);
    suan_model *m = suan__calloc(1, sizeof *m);
    SUAN_CHECK(m, SUAN_ENOMEM, "%s: out of memory", path);
    uint64_t saved = suan__fp_enter(); /* frequencies and expanded weights are the contract's */
    m->memory_bytes = o->memory_bytes;
    m->path = suan__strndup(path, strlen(path));
    SUAN_CHECK_GOTO(m->path, SUAN_ENOMEM, "%s: out of memory", path);
    SUAN_TRY_GOTO(suan__kernels_get(&kernels, o->cpu, err));
    if (!given) SUAN_TRY_GOTO(suan__checkpoint_open(&opened, path, err));
    if (!given) ck = opened;
    SUAN_TRY_GOTO(suan__pool_create(&m->pool, o->n_threads, err));
    if (o->pin) SUAN_TRY_GOTO(suan__pool_pin(m->pool, err));
    SUAN_TRY_GOTO(check_memory(ck, o, suan__pool_n_threads(m->pool), err));
    SUAN_TRY_GOTO(suan__model_load(&m->graph, ck, kernels, m->pool, o->progress, o->progress_ctx, err));
    if (o->mtp) SUAN_TRY_GOTO(suan__ahead_load(&m->ahead, m->graph, ck, o->progress, o->progress_ctx, err));
    if (!ck->invention) SUAN_TRY_GOTO(open_text(m, ck, err));
    SUAN_TRY_GOTO(read_defaults(&m->defaults, ck, err));
    SUAN_TRY_GOTO(read_eos(m, ck, err));
    *model = m;
    m = NULL;
fail:
    suan__fp_leave(saved);
    suan__checkpoint_close(&opened);
    suan_model_close(&m);
    return status;
}

suan_status suan_model_open(suan_model **model, const char *path, const suan_model_options *options, suan_error *err) {
    return suan__model_open(model, path, NULL, options, err);
}

void suan_model_close(suan_model **model) {
    suan_model *m = *model;
    *model = NULL;
    if (!m) return;
    suan_template_free(m->chat);
    suan_template_free(m->chat_tools);
    suan_tokenizer_close(&m->tokenizer);
    suan__model_free(m->ahead);
    suan__model_free(m->graph);
    suan__pool_free(m->pool);
    suan__free(m->eos_ids);
    suan__free(m->path);
    suan__free(m);
}

suan_status suan_model_get_info(const suan_model *model, suan_model_info *info) {
    const suan__model *g = model->graph;
    const suan__hparams *hp = &g->hp;
    *info = (suan_model_info){
        .path = model->path,
        .name = g->name,
        .architecture = g->arch,
        .n_params = g->n_params,
        .weight_bytes = g->pages_bytes + g->mapped_bytes + (model->ahead ? model->ahead->pages_bytes + model->ahead->mapped_bytes : 0),
        .n_layer = hp->n_layer,
        .n_embd = hp->n_embd,
        .n_head = hp->n_head,
        .n_head_kv = hp->n_head_kv,
        .n_vocab = hp->n_vocab,
        .n_ctx_train = hp->n_ctx_train,
        .n_expert = hp->n_expert,
        .n_expert_used = hp->n_expert_used,
        .cpu = g->kernels->name,
        .n_threads = suan__pool_n_threads(model->pool),
        .kv_bytes_per_token_f16 = suan__kv_bytes(hp, SUAN__ATTN_BLOCK, SUAN__F16) / SUAN__ATTN_BLOCK,
        .kv_bytes_per_token_f32 = suan__kv_bytes(hp, SUAN__ATTN_BLOCK, SUAN__F32) / SUAN__ATTN_BLOCK,
        .kv_bytes_per_token_q8_0 = suan__kv_bytes(hp, SUAN__ATTN_BLOCK, SUAN__Q8_0) / SUAN__ATTN_BLOCK,
    };
    return SUAN_OK;
}

const suan_tokenizer *suan_model_tokenizer(const suan_model *model) {
    return model->tokenizer;
}
