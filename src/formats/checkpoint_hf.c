/* checkpoint_hf.c: a directory as Hugging Face's hub holds it.
 *
 * config.json must be there. The weights are the files that model.safetensors.index.json names; without it model.safetensors; without that
 * every *.safetensors of the directory, sorted by name (consolidated*.safetensors, a second copy in another dialect, and adapters left
 * out). What the index says is compared with what the files hold; the files decide what there is.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "formats/checkpoint_internal.h"
#include "formats/json.h"

#define ULL(x) ((unsigned long long)(x))
#define INDEX "model.safetensors.index.json"
#define SINGLE "model.safetensors"

/* The names of the weight files, sorted; they live in the checkpoint's arena. */
typedef struct shard_list {
    const char **names;
    size_t n, capacity;
} shard_list;

static suan_status no_memory(const suan__checkpoint_private *p, suan_error *err) {
    return suan__fail(err, SUAN_ENOMEM, "%s: out of memory", p->pub.dir);
}

static suan_status add_name(suan__checkpoint_private *p, shard_list *list, const char *name, suan_error *err) {
    SUAN_CHECK(list->n < SUAN__CHECKPOINT_MAX_FILES, SUAN_ELIMIT, "%s: more than %d weight files", p->pub.dir, SUAN__CHECKPOINT_MAX_FILES);
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        const char **names = SUAN_ARENA_NEW(&p->arena, const char *, capacity);
        if (!names) return no_memory(p, err);
        if (list->n > 0) memcpy(names, list->names, list->n * sizeof *names);
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->n] = suan__arena_strndup(&p->arena, name, strlen(name));
    return list->names[list->n++] ? SUAN_OK : no_memory(p, err);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), n_end = strlen(end);
    return n > n_end && strcmp(s + n - n_end, end) == 0;
}

static bool begins_with(const char *s, const char *begin) {
    return strncmp(s, begin, strlen(begin)) == 0;
}

/* An optional file: *json stays NULL when it does not exist. */
static suan_status load_object(suan__checkpoint_private *p, const char *name, uint64_t max, json_t **json, suan_error *err) {
    char *path;
    SUAN_TRY(suan__path_join_name(&path, p->pub.dir, name, strlen(name), err));
    suan_status status = suan__path_exists(path) ? suan__json_load_file(path, max, json, err) : SUAN_OK;
    if (*json && !json_is_object(*json))
        status = suan__fail(err, SUAN_EFORMAT, "%s: is %s, expected an object", path, suan__json_type_name(*json));
    suan__free(path);
    return status;
}

static suan_status load_configs(suan__checkpoint_private *p, suan_error *err) {
    SUAN_TRY(load_object(p, "config.json", SUAN__JSON_MAX_CONFIG, &p->config, err));
    SUAN_CHECK(p->config, SUAN_ENOTFOUND, "%s/config.json: is missing; a model's directory has one (a GGUF file is given by its own name)",
               p->pub.dir);
    SUAN_TRY(load_object(p, "generation_config.json", SUAN__JSON_MAX_CONFIG, &p->generation_config, err));
    SUAN_TRY(load_object(p, "tokenizer_config.json", SUAN__JSON_MAX_FILE, &p->tokenizer_config, err));
    p->pub.config = p->config;
    p->pub.generation_config = p->generation_config;
    p->pub.tokenizer_config = p->tokenizer_config;
    return SUAN_OK;
}

/* What the directory holds beside an index. */
typedef struct listing {
    shard_list plain, consolidated;
    bool has_single;
    char pickle[256]; /* the name of some file that looks like pickled weights, for the message */
} listing;

static suan_status list_entry(suan__checkpoint_private *p, listing *l, const char *name, suan_error *err) {
    size_t n = strlen(name);
    if (strcmp(name, SINGLE) == 0) l->has_single = true;
    if (name[0] != '.' && ends_with(name, ".safetensors") && !begins_with(name, "adapter_"))
        return add_name(p, begins_with(name, "consolidated") ? &l->consolidated : &l->plain, name, err);
    bool pickled = (begins_with(name, "pytorch_model") && ends_with(name, ".bin")) || ends_with(name, ".pt") || ends_with(name, ".pth") ||
                   ends_with(name, ".pkl");
    if (pickled && n < sizeof l->pickle) memcpy(l->pickle, name, n + 1);
    return SUAN_OK;
}

static suan_status list_directory(suan__checkpoint_private *p, listing *l, suan_error *err) {
    DIR *d = opendir(p->pub.dir);
    SUAN_CHECK(d, SUAN_EIO, "%s: cannot list the directory: %s", p->pub.dir, strerror(errno));
    suan_status status = SUAN_OK;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e && errno != 0) status = suan__fail(err, SUAN_EIO, "%s: cannot list the directory: %s", p->pub.dir, strerror(errno));
        if (!e || (status = list_entry(p, l, e->d_name, err)) != SUAN_OK) break;
    }
    closedir(d);
    if (status == SUAN_OK && l->plain.n > 1) qsort(l->plain.names, l->plain.n, sizeof *l->plain.names, compare_names);
    if (status == SUAN_OK && l->consolidated.n > 1)
        qsort(l->consolidated.names, l->consolidated.n, sizeof *l->consolidated.names, compare_names);
    return status;
}

/* The files that the index's weight_map names, each once. */
static suan_status list_index(suan__checkpoint_private *p, const json_t *map, shard_list *list, suan_error *err) {
    suan__names seen = {0};
    if (!suan__names_init(&seen, &p->arena, SUAN__CHECKPOINT_MAX_FILES)) return no_memory(p, err);
    for (void *it = json_object_iter((json_t *)map); it; it = json_object_iter_next((json_t *)map, it)) {
        const json_t *file = json_object_iter_value(it);
        char *path;
        SUAN_CHECK(json_is_string(file), SUAN_EFORMAT, "%s/" INDEX ": tensor %s is in %s, expected the name of a file", p->pub.dir,
                   json_object_iter_key(it), suan__json_type_name(file));
        const char *name = json_string_value(file);
        uint32_t n = (uint32_t)json_string_length(file);
        if (suan__names_find(&seen, name, n) != SUAN__NAME_NONE) continue;
        suan_status status = suan__path_join_name(&path, p->pub.dir, name, n, err);
        if (status != SUAN_OK) return suan__fail_prefix(err, status, INDEX);
        suan__free(path);
        SUAN_TRY(add_name(p, list, name, err));
        suan__names_add(&seen, list->names[list->n - 1], n, (uint32_t)list->n);
    }
    if (list->n > 1) qsort(list->names, list->n, sizeof *list->names, compare_names);
    return SUAN_OK;
}

/* Names like model-00002-of-00003.safetensors tell how many there must be. */
static suan_status check_complete(const suan__checkpoint_private *p, const shard_list *list, suan_error *err) {
    const char *last = list->names[list->n - 1], *of = strstr(last, "-of-");
    uint64_t n = 0;
    if (!of) return SUAN_OK;
    for (const char *s = of + 4; *s >= '0' && *s <= '9' && n < 1000000; s++) n = n * 10 + (uint64_t)(*s - '0');
    SUAN_CHECK(n == 0 || n == list->n, SUAN_ENOTFOUND, "%s: has %zu weight files, but %s is one of %llu", p->pub.dir, list->n, last,
               ULL(n));
    return SUAN_OK;
}

static suan_status choose_without_index(suan__checkpoint_private *p, const listing *l, shard_list *list, suan_error *err) {
    if (l->has_single) return add_name(p, list, SINGLE, err);
    *list = l->plain.n > 0 ? l->plain : l->consolidated;
    if (list->n > 0) return check_complete(p, list, err);
    SUAN_CHECK(
        !l->pickle[0], SUAN_EUNSUPPORTED,
        "%s: has weights as Python pickles only (%s), which suan never reads, since they can run any program: convert them to safetensors",
        p->pub.dir, l->pickle);
    return suan__fail(err, SUAN_ENOTFOUND, "%s: holds no weights (*.safetensors)", p->pub.dir);
}

static suan_status open_shards(suan__checkpoint_private *p, const shard_list *list, suan_error *err) {
    suan__tensor **lists = SUAN_ARENA_NEW(&p->arena, suan__tensor *, list->n);
    uint64_t *counts = SUAN_ARENA_NEW(&p->arena, uint64_t, list->n);
    if (!lists || !counts) return no_memory(p, err);
    SUAN_TRY(suan__checkpoint_reserve_files(p, list->n, err));
    for (size_t i = 0; i < list->n; i++) {
        suan__safetensors s;
        char *path;
        SUAN_TRY(suan__path_join_name(&path, p->pub.dir, list->names[i], strlen(list->names[i]), err));
        suan_status status = suan__checkpoint_add_file(p, path, err);
        suan__free(path);
        SUAN_TRY(status);
        SUAN_TRY(suan__safetensors_open(&s, &p->arena, &p->pub.files[i], err));
        lists[i] = s.tensors;
        counts[i] = s.n_tensors;
    }
    return suan__checkpoint_join(p, lists, counts, err);
}

/* Each tensor of the map must be in the file that the map names. */
static suan_status check_index(const suan__checkpoint_private *p, const json_t *map, const shard_list *list, suan_error *err) {
    for (void *it = json_object_iter((json_t *)map); it; it = json_object_iter_next((json_t *)map, it)) {
        const char *name = json_object_iter_key(it), *file = json_string_value(json_object_iter_value(it));
        const suan__tensor *t = suan__checkpoint_find(&p->pub, name);
        SUAN_CHECK(t && strcmp(list->names[t->i_file], file) == 0, SUAN_EFORMAT,
                   "%s/" INDEX ": tensor %s is said to be in %s, but is %s %s", p->pub.dir, name, file, t ? "in" : "in none of the files;",
                   t ? list->names[t->i_file] : "the download may be incomplete");
    }
    return SUAN_OK;
}

static suan_status open_weights(suan__checkpoint_private *p, const json_t *index, suan_error *err) {
    shard_list list = {0};
    listing *l = suan__calloc(1, sizeof *l);
    if (!l) return no_memory(p, err);
    suan_status status = list_directory(p, l, err);
    const json_t *map = json_object_get(index, "weight_map");
    if (status == SUAN_OK && index && (!json_is_object(map) || json_object_size(map) == 0))
        status = suan__fail(err, SUAN_EFORMAT, "%s/" INDEX ": weight_map is %s, expected an object with the file of each tensor",
                            p->pub.dir, json_is_object(map) ? "empty" : suan__json_type_name(map));
    if (status == SUAN_OK) status = index ? list_index(p, map, &list, err) : choose_without_index(p, l, &list, err);
    if (status == SUAN_OK && index && l->has_single) {
        bool named = false;
        for (size_t i = 0; i < list.n; i++) named |= strcmp(list.names[i], SINGLE) == 0;
        if (!named)
            status =
                suan__fail(err, SUAN_EFORMAT, "%s: has " SINGLE " and an index of other files: which are meant? Remove one", p->pub.dir);
    }
    suan__free(l);
    SUAN_TRY(status);
    SUAN_TRY(open_shards(p, &list, err));
    if (map) SUAN_TRY(check_index(p, map, &list, err));
    SUAN_TRY(suan__natives_join(p, err));
    return suan__checkpoint_add_views(p, err);
}

suan_status suan__checkpoint_open_hf(suan__checkpoint_private *p, suan_error *err) {
    json_t *index = NULL;
    p->pub.kind = SUAN__CHECKPOINT_HF;
    SUAN_TRY(load_configs(p, err));
    suan_status status = load_object(p, INDEX, SUAN__JSON_MAX_FILE, &index, err);
    if (status == SUAN_OK) status = open_weights(p, index, err);
    json_decref(index);
    return status;
}
