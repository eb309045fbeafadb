/* ollama.c: the Ollama interface: chat and generate, its routes and errors. */
#include <string.h>

#include "serve/ollama.h"
#include "serve/server.h"

/* ---- errors ---- */

/* A string, not an object; clients look for "not found" in it. */
static json_t *error_json(const suan__exchange *x, const suan__problem *problem) {
    return json_pack("{s:s}", "error", problem->message);
}

static void stream_error(suan__exchange *x, const suan__problem *problem) {
    suan__stream_line(x, error_json(x, problem));
}

const suan__dialect suan__ollama_dialect = {
    .name = "ollama", .error = error_json, .stream_error = stream_error, .request_id_header = "x-request-id"};

/* ---- chat and generate ---- */

static void free_request(void *p) {
    suan__ollama *o = p;
    suan__gather_fini(&o->gather);
    suan__free(o);
}

static suan__ollama *new_request(suan__exchange *x, suan__problem *problem) {
    suan__ollama *o = suan__calloc(1, sizeof *o);
    if (o && suan__exchange_keep(x, o, free_request) && suan__gather_init(&o->gather, 1)) {
        o->begun = suan__ollama_now();
        return o;
    }
    suan__no_memory(problem);
    return NULL;
}

/* generate: a prompt as it is, or as the user's message. */
static bool read_prompt(suan__exchange *x, suan__ask *ask, const json_t *body, suan__problem *problem) {
    const suan__fields *fields = &suan__ollama_generate_fields;
    const json_t *prompt = suan__field_get(body, fields, "prompt"), *system = suan__field_get(body, fields, "system");
    bool is_raw = json_is_true(suan__field_get(body, fields, "raw")), has_system = system && json_string_length(system);
    bool has_chat = !is_raw && suan_model_has_chat(suan__exchange_server(x)->model);
    if (has_system && !has_chat)
        return suan__problem_set(problem, SUAN__PROBLEM_UNSUPPORTED, "system", "%s",
                                 is_raw ? "system is not supported with raw: the prompt says it all."
                                        : "system is not supported: the model has no chat template.");
    if (!has_chat) {
        ask->text = json_string_value(prompt), ask->n_text = json_string_length(prompt);
        ask->text_is_raw = is_raw;
        ask->plain = true;
        return true;
    }
    ask->messages = json_array();
    if (has_system) json_array_append_new(ask->messages, json_pack("{s:s, s:O}", "role", "system", "content", system));
    return json_array_append_new(ask->messages, json_pack("{s:s, s:O}", "role", "user", "content", prompt)) == 0 ||
           suan__no_memory(problem);
}

/* A request without a question loads the model, or with keep_alive 0 lets it go. */
static bool is_load(const json_t *body, const suan__fields *fields, bool is_chat, bool *is_unload) {
    const json_t *what = suan__field_get(body, fields, is_chat ? "messages" : "prompt"),
                 *keep = suan__field_get(body, fields, "keep_alive");
    const char *text = json_string_value(keep);
    *is_unload = (json_is_number(keep) && json_number_value(keep) == 0) || (text && (strcmp(text, "0") == 0 || strcmp(text, "0s") == 0));
    return is_chat ? !json_array_size(what) : !json_string_length(what);
}

static void answer(suan__exchange *x, const suan__fields *fields, bool is_chat) {
    suan__problem problem = {0};
    json_t *body = suan__exchange_json(x, &problem);
    bool good =
        body && suan__fields_check(x, body, fields, "", &problem) && suan__ask_model(x, json_object_get(body, "model"), "model", &problem);
    suan__ollama *o = good ? new_request(x, &problem) : NULL;
    bool is_unload;
    if (o) {
        o->is_chat = is_chat;
        o->is_stream = !json_is_false(suan__field_get(body, fields, "stream"));
    }
    suan__ask *ask = o ? suan__ask_new(x, suan__ollama_event, o, NULL) : NULL;
    if (o && !ask) return; /* a reply was made */
    good = o && suan__ollama_read_common(x, ask, body, fields, o, &problem) && (!is_chat || suan__ollama_read_chat(x, ask, body, &problem));
    if (good && is_load(body, fields, is_chat, &is_unload)) {
        suan__ollama_loaded(x, o, is_unload);
        return;
    }
    good = good && (is_chat || read_prompt(x, ask, body, &problem));
    /* Clients read every line as JSON: between lines only spaces may come. */
    if (good && o->is_stream) ask->stream_type = "application/x-ndjson", ask->stream_keep_alive = " ";
    if (!good || !suan__ask_start(x, ask, &problem)) suan__reply_problem(x, &problem);
}

static void handle_chat(suan__exchange *x) {
    answer(x, &suan__ollama_chat_fields, true);
}

static void handle_generate(suan__exchange *x) {
    answer(x, &suan__ollama_generate_fields, false);
}

#define DIALECT &suan__ollama_dialect
#define UNMANAGED "Not offered: models are files that the operator chooses"
static const suan__route rows[] = {
    {"POST", "/api/chat", DIALECT, handle_chat, SUAN__ROUTE_COUNTED, NULL, "An answer to a conversation, one object a line or whole"},
    {"POST", "/api/generate", DIALECT, handle_generate, SUAN__ROUTE_COUNTED, NULL, "An answer to a prompt, one object a line or whole"},
    {"POST", "/api/embed", DIALECT, suan__ollama_embed, SUAN__ROUTE_COUNTED, NULL, "Texts as vectors"},
    {"POST", "/api/embeddings", DIALECT, suan__ollama_embeddings, SUAN__ROUTE_COUNTED, NULL, "A text as a vector"},
    {"GET", "/api/tags", DIALECT, suan__ollama_tags, SUAN__ROUTE_NO_BODY, NULL, "The models"},
    {"GET", "/api/ps", DIALECT, suan__ollama_ps, SUAN__ROUTE_NO_BODY, NULL, "The models in memory"},
    {"GET", "/api/version", DIALECT, suan__ollama_version, SUAN__ROUTE_NO_BODY, NULL, "The version of the interface"},
    {"POST", "/api/show", DIALECT, suan__ollama_show, 0, NULL, "A model"},
    {"POST", "/api/pull", DIALECT, suan__ollama_unmanaged, 0, NULL, UNMANAGED},
    {"POST", "/api/push", DIALECT, suan__ollama_unmanaged, 0, NULL, UNMANAGED},
    {"POST", "/api/create", DIALECT, suan__ollama_unmanaged, 0, NULL, UNMANAGED},
    {"POST", "/api/copy", DIALECT, suan__ollama_unmanaged, 0, NULL, UNMANAGED},
    {"DELETE", "/api/delete", DIALECT, suan__ollama_unmanaged, 0, NULL, UNMANAGED},
    {"POST", "/api/blobs/{*}", DIALECT, suan__ollama_unmanaged, 0, NULL, UNMANAGED},
    {"HEAD", "/api/blobs/{*}", DIALECT, suan__ollama_unmanaged, SUAN__ROUTE_NO_BODY, NULL, UNMANAGED},
};
const suan__routes suan__ollama_routes = {rows, sizeof rows / sizeof *rows};
