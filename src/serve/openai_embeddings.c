/* openai_embeddings.c: POST /v1/embeddings: texts as vectors of length 1. */
#include <string.h>

#include "serve/openai.h"
#include "serve/openai_prompts.h"

typedef struct embeddings {
    suan__ask_list list;
    struct embedding *items;
    bool is_base64;
} embeddings;

typedef struct embedding {
    embeddings *e;
    json_t *values;
} embedding;

static void free_embeddings(void *p) {
    embeddings *e = p;
    for (size_t i = 0; e->items && i < e->list.n; i++) json_decref(e->items[i].values);
    suan__free(e->items);
    suan__ask_list_fini(&e->list);
    suan__free(e);
}

/* ---- vectors ---- */

static json_t *base64_json(const float *values, size_t n_values) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = n_values * 4, at = 0;
    unsigned char *bytes = suan__malloc(n + 2);
    char *text = suan__malloc((n + 2) / 3 * 4);
    for (size_t i = 0; bytes && i < n_values; i++) { /* little-endian, whatever the machine */
        uint32_t u;
        memcpy(&u, &values[i], 4);
        for (int k = 0; k < 4; k++) bytes[4 * i + (size_t)k] = (unsigned char)(u >> (8 * k));
    }
    for (size_t i = 0; bytes && text && i < n; i += 3) {
        uint32_t u = (uint32_t)bytes[i] << 16 | (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) | (i + 2 < n ? bytes[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) text[at++] = i + k <= n ? letters[u >> (18 - 6 * k) & 63] : '=';
    }
    json_t *json = bytes && text ? json_stringn(text, at) : NULL;
    suan__free(bytes);
    suan__free(text);
    return json;
}

static json_t *list_json(const float *values, size_t n_values) {
    json_t *list = json_array();
    for (size_t i = 0; i < n_values; i++) json_array_append_new(list, json_real(suan__short_decimal(values[i])));
    return list;
}

static void reply(embeddings *e, suan__exchange *x) {
    json_t *data = json_array();
    const suan_usage *u = &e->list.usage;
    for (size_t i = 0; i < e->list.n; i++) {
        json_array_append_new(data,
                              json_pack("{s:s, s:I, s:O}", "object", "embedding", "index", (json_int_t)i, "embedding", e->items[i].values));
    }
    suan__reply_json(x, 200,
                     json_pack("{s:s, s:o, s:s, s:{s:I, s:I, s:o}}", "object", "list", "data", data, "model",
                               suan__exchange_server(x)->config.model_name, "usage", "prompt_tokens", (json_int_t)u->n_prompt,
                               "total_tokens", (json_int_t)u->n_prompt, "suan", suan__usage_json(x, u)));
}

static void on_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    embedding *item = ctx;
    embeddings *e = item->e;
    if (event->kind == SUAN__ASK_EMBEDDING) {
        json_decref(item->values);
        item->values = e->is_base64 ? base64_json(event->values, event->n_values) : list_json(event->values, event->n_values);
    }
    if (!suan__ask_list_event(x, &e->list, event)) return;
    if (e->list.problem.kind != SUAN__PROBLEM_NONE)
        suan__ask_fail(x, &e->list.problem);
    else
        reply(e, x);
}

/* ---- the request ---- */

static bool read_options(const suan__exchange *x, embeddings *e, const json_t *body, suan_pooling *pooling, suan__problem *problem) {
    const suan__fields *f = &suan__openai_embedding_fields;
    const json_t *format = suan__field_get(body, f, "encoding_format"), *how = suan__field_get(body, f, "pooling");
    int64_t n_embd = suan__exchange_server(x)->info.n_embd, n = suan__field_integer(suan__field_get(body, f, "dimensions"), n_embd);
    if (!suan__field_word(format, "float|base64", "encoding_format", problem) || !suan__field_word(how, "mean|last", "pooling", problem))
        return false;
    e->is_base64 = format && strcmp(json_string_value(format), "base64") == 0;
    *pooling = how && strcmp(json_string_value(how), "last") == 0 ? SUAN_POOLING_LAST : SUAN_POOLING_MEAN;
    return n == n_embd ||
           suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "dimensions",
                             "dimensions is %lld, but the model's vectors have %lld; they are not cut.", (long long)n, (long long)n_embd);
}

static bool start(suan__exchange *x, embeddings *e, const json_t *body, suan__problem *problem) {
    suan__openai_prompt *prompts;
    suan_pooling pooling;
    size_t n;
    if (!suan__ask_model(x, suan__field_get(body, &suan__openai_embedding_fields, "model"), "model", problem) ||
        !read_options(x, e, body, &pooling, problem) ||
        !suan__openai_prompts(x, suan__field_get(body, &suan__openai_embedding_fields, "input"), &prompts, &n, "input", problem))
        return false;
    e->items = suan__calloc(n, sizeof *e->items);
    if (!e->items || !suan__ask_list_init(&e->list, n)) return suan__no_memory(problem);
    for (size_t i = 0; i < n; i++) {
        e->items[i].e = e;
        suan__ask *ask = e->list.asks[i] = suan__ask_new(x, on_event, &e->items[i], NULL);
        if (!ask) return false;
        suan__openai_set_prompt(ask, &prompts[i]);
        ask->params.pooling = pooling;
        ask->plain = true;
    }
    return suan__ask_list_start(x, &e->list, problem);
}

void suan__openai_embeddings(suan__exchange *x) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    embeddings *e = NULL;
    bool is_good = body && suan__fields_check(x, body, &suan__openai_embedding_fields, "", &problem);
    if (is_good) {
        e = suan__calloc(1, sizeof *e);
        is_good = (e && suan__exchange_keep(x, e, free_embeddings)) || suan__no_memory(&problem);
    }
    is_good = is_good && start(x, e, body, &problem);
    if (!is_good && !suan__reply_has_begun(x)) suan__reply_problem(x, &problem);
}
