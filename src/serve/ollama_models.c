/* ollama_models.c: the model as the Ollama interface describes it. There is one, it is always in memory, and it is not changed over the network. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/sha.h>

#include "serve/ollama.h"
#include "serve/server.h"

/* The version of the interface that this is like: programs ask for a least one. */
#define INTERFACE_VERSION "0.12.6"

/* ---- pieces ---- */

static json_t *details_json(const suan__server *s) {
    const char *family = s->info.architecture ? s->info.architecture : "";
    double n = (double)s->info.n_params;
    char size[32];
    if (n >= 1e9)
        snprintf(size, sizeof size, "%.1fB", n / 1e9);
    else
        snprintf(size, sizeof size, "%.1fM", n / 1e6);
    double bits = n > 0 ? 8.0 * (double)s->info.weight_bytes / n : 0;
    char level[32];
    snprintf(level, sizeof level, "%.1f bits", bits);
    return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "parent_model", "", "format", "suan", "family", family, "families", family,
                     "parameter_size", size, "quantization_level", level);
}

/* Programs show its first 12 digits. It tells models apart by what they are called and made of; it is not the file's. */
static void digest_text(const suan__server *s, char text[2 * SHA256_DIGEST_LENGTH + 1]) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char what[512];
    snprintf(what, sizeof what, "%.200s|%.100s|%llu|%llu|%u", s->config.model_name, s->info.architecture ? s->info.architecture : "",
             (unsigned long long)s->info.n_params, (unsigned long long)s->info.weight_bytes, s->info.n_vocab);
    SHA256((const unsigned char *)what, strlen(what), hash);
    for (size_t i = 0; i < sizeof hash; i++) snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static json_t *model_json(const suan__server *s) {
    char time[SUAN__TIME_TEXT], digest[2 * SHA256_DIGEST_LENGTH + 1];
    struct stat st;
    bool is_known = s->info.path && stat(s->info.path, &st) == 0;
    digest_text(s, digest);
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "name", s->config.model_name, "model", s->config.model_name, "modified_at",
                     suan__time_text(time, is_known ? (int64_t)st.st_mtime : s->started, -1), "size", (json_int_t)s->info.weight_bytes,
                     "digest", digest, "details", details_json(s));
}

/* ---- handlers ---- */

void suan__ollama_tags(suan__exchange *x) {
    suan__reply_json(x, 200, json_pack("{s:[o]}", "models", model_json(suan__exchange_server(x))));
}

void suan__ollama_ps(suan__exchange *x) {
    json_t *model = model_json(suan__exchange_server(x));
    suan_batch_stats stats;
    suan_batch_get_stats(suan__exchange_server(x)->batch, &stats);
    json_object_set_new(model, "size", json_integer((json_int_t)(stats.weight_bytes + stats.cache_bytes)));
    json_object_set_new(model, "size_vram", json_integer(0));
    json_object_set_new(model, "expires_at", json_string("2318-01-01T00:00:00Z")); /* it stays */
    json_object_set_new(model, "context_length", json_integer(stats.n_ctx));
    suan__reply_json(x, 200, json_pack("{s:[o]}", "models", model));
}

void suan__ollama_version(suan__exchange *x) {
    suan__reply_json(x, 200, json_pack("{s:s, s:s}", "version", INTERFACE_VERSION, "suan", suan_version()));
}

static void set_info(json_t *info, const suan__server *s, const char *name, json_int_t value) {
    char key[160];
    snprintf(key, sizeof key, "%.100s.%s", s->info.architecture ? s->info.architecture : "model", name);
    json_object_set_new(info, key, json_integer(value));
}

static json_t *info_json(const suan__server *s) {
    const suan_model_info *m = &s->info;
    suan_batch_stats stats;
    suan_batch_get_stats(s->batch, &stats);
    json_t *info = json_pack("{s:s, s:I, s:s}", "general.architecture", m->architecture ? m->architecture : "", "general.parameter_count",
                             (json_int_t)m->n_params, "general.basename", s->config.model_name);
    set_info(info, s, "context_length", stats.n_ctx);
    set_info(info, s, "embedding_length", m->n_embd);
    set_info(info, s, "block_count", m->n_layer);
    set_info(info, s, "attention.head_count", m->n_head);
    set_info(info, s, "attention.head_count_kv", m->n_head_kv);
    set_info(info, s, "vocab_size", m->n_vocab);
    if (m->n_expert) set_info(info, s, "expert_count", m->n_expert);
    if (m->n_expert) set_info(info, s, "expert_used_count", m->n_expert_used);
    return info;
}

static json_t *capabilities_json(const suan__server *s) {
    json_t *list = json_pack("[s, s]", "completion", "embedding");
    if (suan__ask_has_tools(s)) json_array_append_new(list, json_string("tools"));
    if (suan__ask_has_thinking(s)) json_array_append_new(list, json_string("thinking"));
    return list;
}

void suan__ollama_show(suan__exchange *x) {
    suan__problem problem = {0};
    const suan__server *s = suan__exchange_server(x);
    json_t *body = suan__exchange_json(x, &problem);
    bool good = body && suan__fields_check(x, body, &suan__ollama_show_fields, "", &problem);
    const json_t *name = good ? suan__field_get(body, &suan__ollama_show_fields, "model") : NULL;
    if (good && !name) name = suan__field_get(body, &suan__ollama_show_fields, "name");
    if (!good || !suan__ask_model(x, name, "model", &problem)) {
        suan__reply_problem(x, &problem);
        return;
    }
    const suan_tokenizer *t = suan_model_tokenizer(s->model);
    size_t n = 0;
    const char *source = t ? suan_tokenizer_chat_template(t, NULL, &n) : NULL;
    json_t *model = model_json(s);
    json_t *reply =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:O}", "modelfile", "", "parameters", "", "template",
                  suan__text_json(source ? source : "", source ? n : 0), "details", details_json(s), "model_info", info_json(s),
                  "capabilities", capabilities_json(s), "tensors", json_array(), "modified_at", json_object_get(model, "modified_at"));
    json_decref(model);
    suan__reply_json(x, 200, reply);
}

/* pull, push, create, copy, delete, blobs. */
void suan__ollama_unmanaged(suan__exchange *x) {
    suan__reply_json(
        x, 403,
        json_pack("{s:s}", "error", "models are files that the operator of this server chooses; they are not changed over the network"));
}
