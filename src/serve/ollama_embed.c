/* ollama_embed.c: texts as vectors in the form of the Ollama interface, now and before. */
#include <string.h>

#include "serve/embed.h"
#include "serve/ollama.h"
#include "serve/server.h"

enum { MAX_TEXTS = 2048 };

static json_t *numbers_json(const suan__exchange *x, const suan_usage *u) {
    json_t *reply = suan__ollama_reply(x);
    json_object_set_new(reply, "total_duration", json_integer(suan__ollama_ns(u->queue_seconds + u->prompt_seconds)));
    json_object_set_new(reply, "load_duration", json_integer(suan__ollama_ns(u->queue_seconds)));
    json_object_set_new(reply, "prompt_eval_count", json_integer(u->n_prompt));
    json_object_set_new(reply, "suan", suan__usage_json(x, u));
    return reply;
}

static void reply_list(suan__exchange *x, suan__embed *e) {
    json_t *reply = numbers_json(x, &e->list.usage), *list = json_array();
    for (size_t i = 0; i < e->list.n; i++) json_array_append(list, e->items[i].values);
    json_object_set_new(reply, "embeddings", list);
    suan__reply_json(x, 200, reply);
}

static void reply_one(suan__exchange *x, suan__embed *e) {
    suan__reply_json(x, 200, json_pack("{s:O}", "embedding", e->items[0].values));
}

static bool check_dimensions(const suan__exchange *x, const json_t *body, suan__problem *problem) {
    int64_t n_embd = suan__exchange_server(x)->info.n_embd, n = suan__field_integer(json_object_get(body, "dimensions"), n_embd);
    if (n == n_embd) return true;
    return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "dimensions",
                             "dimensions is %lld; the vectors of this model have %lld numbers.", (long long)n, (long long)n_embd);
}

/* input: a string or a list of strings. */
static bool start(suan__exchange *x, const json_t *input, suan__embed_fn *fn, suan__problem *problem) {
    size_t n = json_is_array(input) ? json_array_size(input) : 1;
    if (n > MAX_TEXTS)
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, "input", "input has %zu texts, expected at most %d.", n, (int)MAX_TEXTS);
    suan__embed *e = suan__embed_new(x, n, fn);
    if (!e) return suan__no_memory(problem);
    for (size_t i = 0; i < n; i++) {
        char where[SUAN__PATH_BYTES];
        const json_t *text = json_is_array(input) ? json_array_get(input, i) : input;
        suan__item_path(where, "input", i);
        if (!json_string_length(text)) return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s is no text.", where);
        if (!suan__embed_add(x, e, json_string_value(text), json_string_length(text), problem)) return false;
    }
    return suan__embed_start(x, e, problem);
}

static void embed(suan__exchange *x, const suan__fields *fields, const char *member, suan__embed_fn *fn,
                  json_t *(*empty)(const suan__exchange *)) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    bool good = body && suan__fields_check(x, body, fields, "", &problem) &&
                suan__ask_model(x, json_object_get(body, "model"), "model", &problem) && check_dimensions(x, body, &problem) &&
                suan__ollama_read_options(x, NULL, suan__field_get(body, fields, "options"), &problem);
    const json_t *input = good ? suan__field_get(body, fields, member) : NULL;
    if (good && !json_array_size(input) && !json_string_length(input)) {
        suan__reply_json(x, 200, empty(x));
        return;
    }
    if ((!good || !start(x, input, fn, &problem)) && problem.kind != SUAN__PROBLEM_NONE) suan__reply_problem(x, &problem);
}

static json_t *empty_list(const suan__exchange *x) {
    static const suan_usage nothing = {.joules = -1};
    json_t *reply = numbers_json(x, &nothing);
    json_object_set_new(reply, "embeddings", json_array());
    return reply;
}

static json_t *empty_one(const suan__exchange *x) {
    return json_pack("{s:[]}", "embedding");
}

void suan__ollama_embed(suan__exchange *x) {
    embed(x, &suan__ollama_embed_fields, "input", reply_list, empty_list);
}

void suan__ollama_embeddings(suan__exchange *x) {
    embed(x, &suan__ollama_embeddings_fields, "prompt", reply_one, empty_one);
}
