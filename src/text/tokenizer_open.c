/* tokenizer_open.c: finding a tokenizer on the disk. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_internal.h"

/* The largest files that are read; real ones are below 40 MB. */
#define MAX_TOKENIZER_FILE (512u << 20)
#define MAX_CONFIG_FILE (16u << 20)

/* dir/name in memory, NULL when there is no such file. */
static suan_status slurp(const char *dir, const char *name, uint64_t max, char **data, size_t *n, suan_error *err) {
    char *path;
    *data = NULL;
    SUAN_TRY(suan__path_join_name(&path, dir, name, strlen(name), err));
    suan_status status = suan__path_exists(path) ? suan__file_slurp(path, max, data, n, err) : SUAN_OK;
    suan__free(path);
    return status;
}

/* dir/name as JSON, NULL when there is no such file. */
static suan_status slurp_json(const char *dir, const char *name, json_t **root, suan_error *err) {
    char *data;
    size_t n;
    json_error_t where;
    *root = NULL;
    SUAN_TRY(slurp(dir, name, MAX_CONFIG_FILE, &data, &n, err));
    if (!data) return SUAN_OK;
    *root = json_loadb(data, n, JSON_REJECT_DUPLICATES, &where);
    suan__free(data);
    SUAN_CHECK(*root, SUAN_EFORMAT, "%s/%s: not JSON: %s (line %d)", dir, name, where.text, where.line);
    return SUAN_OK;
}

typedef enum file_kind { KIND_JSON, KIND_SPM, KIND_TIKTOKEN } file_kind;
static const char *const file_names[] = {"tokenizer.json", "tokenizer.model", "tiktoken.model"};

static suan_status load_file(suan_tokenizer **t, file_kind kind, const char *data, size_t n, const char *name, const json_t *config,
                             suan_error *err) {
    if (kind == KIND_JSON) return suan__tokenizer_load_json(t, data, n, name, err);
    if (kind == KIND_SPM) return suan__tokenizer_from_spm(t, data, n, name, err);
    const json_t *added = config ? json_object_get(config, "added_tokens_decoder") : NULL;
    return suan__tokenizer_load_tiktoken(t, data, n, name, json_is_object(added) ? added : NULL, err);
}

static suan_status add_template_file(suan_tokenizer *t, const char *dir, suan_error *err) {
    char *data;
    size_t n;
    SUAN_TRY(slurp(dir, "chat_template.jinja", MAX_CONFIG_FILE, &data, &n, err));
    if (!data) return SUAN_OK;
    t->n_templates = 0; /* the file replaces what tokenizer_config.json says */
    suan_status status = suan__tokenizer_add_template(t, "default", 7, data, n, err);
    suan__free(data);
    return status;
}

static suan_status from_directory(suan_tokenizer **t, const char *dir, const json_t *config, const json_t *generation, suan_error *err) {
    for (int kind = KIND_JSON; kind <= KIND_TIKTOKEN; kind++) {
        char *data, *path;
        size_t n;
        SUAN_TRY(slurp(dir, file_names[kind], MAX_TOKENIZER_FILE, &data, &n, err));
        if (!data) continue;
        suan_status status = suan__path_join_name(&path, dir, file_names[kind], strlen(file_names[kind]), err);
        if (status == SUAN_OK) {
            status = load_file(t, (file_kind)kind, data, n, path, config, err);
            suan__free(path);
        }
        suan__free(data);
        if (status == SUAN_OK && config) status = suan__tokenizer_apply_config(*t, config, "tokenizer_config.json", err);
        if (status == SUAN_OK) status = add_template_file(*t, dir, err);
        if (status == SUAN_OK) {
            (*t)->n_eog = 0;
            status = suan__roles_finish(*t, generation, err);
        }
        if (status != SUAN_OK) suan_tokenizer_close(t);
        return status;
    }
    return suan__fail(err, SUAN_ENOTFOUND, "%s: no tokenizer.json, tokenizer.model or tiktoken.model", dir);
}

suan_status suan__tokenizer_from_checkpoint(suan_tokenizer **t, const suan__checkpoint *ck, suan_error *err) {
    *t = NULL;
    if (ck->kind == SUAN__CHECKPOINT_GGUF) return suan__tokenizer_from_gguf(t, ck->gguf, err);
    return from_directory(t, ck->dir, ck->tokenizer_config, ck->generation_config, err);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && memcmp(s + n - k, end, k) == 0;
}

static suan_status open_directory(suan_tokenizer **t, const char *dir, suan_error *err) {
    json_t *config = NULL, *generation = NULL;
    suan_status status = slurp_json(dir, "tokenizer_config.json", &config, err);
    if (status == SUAN_OK) status = slurp_json(dir, "generation_config.json", &generation, err);
    if (status == SUAN_OK) status = from_directory(t, dir, config, generation, err);
    json_decref(config);
    json_decref(generation);
    return status;
}

/* The header of a GGUF file is parsed from a mapping: the tensors behind it are never touched. */
static suan_status open_gguf(suan_tokenizer **t, const char *path, suan_error *err) {
    suan__file file = {.fd = -1};
    suan__map map = {.slot = -1, .fd = -1};
    suan__arena arena;
    suan__gguf g;
    suan_status status;
    suan__arena_init(&arena, 1 << 16);
    SUAN_TRY_GOTO(suan__file_open(&file, path, err));
    SUAN_TRY_GOTO(suan__map_open(&map, &file, err));
    SUAN_TRY_GOTO(suan__gguf_parse(&g, &arena, map.data, map.size, map.size, path, err));
    status = suan__tokenizer_from_gguf(t, &g, err);
fail:
    suan__map_close(&map);
    suan__file_close(&file);
    suan__arena_fini(&arena);
    return status;
}

suan_status suan_tokenizer_open(suan_tokenizer **t, const char *path, suan_error *err) {
    if (!t) return suan__fail(err, SUAN_EINVAL, "tokenizer: NULL where a pointer is needed");
    *t = NULL;
    SUAN_CHECK(path, SUAN_EINVAL, "tokenizer: no path");
    if (suan__is_directory(path)) return open_directory(t, path, err);
    file_kind kind = ends_with(path, ".json") ? KIND_JSON : ends_with(path, "tiktoken.model") ? KIND_TIKTOKEN : KIND_SPM;
    if (kind == KIND_SPM && !ends_with(path, ".model")) return open_gguf(t, path, err);
    char *data;
    size_t n;
    SUAN_TRY(suan__file_slurp(path, MAX_TOKENIZER_FILE, &data, &n, err));
    suan_status status = load_file(t, kind, data, n, path, NULL, err);
    suan__free(data);
    if (status == SUAN_OK && kind != KIND_SPM) status = suan__roles_finish(*t, NULL, err);
    if (status != SUAN_OK) suan_tokenizer_close(t);
    return status;
}
