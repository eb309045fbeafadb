/* fixture.c: reading the cases of the outside oracles. */
#include "fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"

const char *const fixture_cases[FIXTURE_CASES] = {
    "llama2",
    "llama3",
    "llama3-tied",
    "mistral",
    "qwen2",
    "qwen3",
    "qwen3-yarn",
    "qwen3_moe",
    "deepseek_v2_lite",
    "deepseek_v2",
    "deepseek_v3",
    "moonlight",
    "kimi_k2",
    "long_gqa",
    "long_mla",
    "deepseek_v32",
    "deepseek_v4",
    "deepseek_v4-pro",
    "deepseek_v3-fp8",
    "deepseek_v31-fp8-ue8m0",
    "deepseek_v4-fp8fp4",
    "kimi_k2-int4",
    "glm_moe_dsa",
    "glm_moe_dsa-indexshare",
    "gpt_oss",
    "long_sinks",
};

bool fixture_find(char *path, size_t capacity, const char *name) {
    static const char *const variables[] = {"SUAN_FIXTURES", "SUAN_TEST_DATA"};
    for (size_t i = 0; i < 2; i++) {
        const char *folder = getenv(variables[i]);
        int n = folder ? snprintf(path, capacity, "%s/%s", folder, name) : -1;
        if (n > 0 && (size_t)n < capacity && suan__path_exists(path)) return true;
    }
    return false;
}

/* NULL when it is missing and optional. */
static void *read_tensor(const suan__file *file, const suan__safetensors *s, const char *name, suan__dtype type, bool optional,
                         uint64_t ne[2]) {
    suan_error err;
    for (uint64_t i = 0; i < s->n_tensors; i++) {
        const suan__tensor *t = &s->tensors[i];
        if (strcmp(t->name, name) != 0) continue;
        assert_int_equal(t->type, type);
        void *data = test_malloc(t->n_bytes);
        if (suan__file_read(file, t->offset, data, t->n_bytes, &err) != SUAN_OK) fail_msg("%s", err.message);
        ne[0] = t->ne[0];
        ne[1] = t->ne[1];
        return data;
    }
    if (!optional) fail_msg("%s has no %s", file->path, name);
    return NULL;
}

static void read_prompt(fixture *f, const suan__file *file, const suan__safetensors *s, int k) {
    fixture_prompt *p = &f->prompts[k];
    char name[64];
    uint64_t ne[2];
    snprintf(name, sizeof name, "prompt.%d.ids", k);
    p->ids = read_tensor(file, s, name, SUAN__I32, false, ne);
    p->n = ne[0];
    snprintf(name, sizeof name, "prompt.%d.logits", k);
    p->logits = read_tensor(file, s, name, SUAN__F32, false, ne);
    assert_int_equal(ne[1], p->n);
    f->n_vocab = ne[0];
    snprintf(name, sizeof name, "prompt.%d.logits_fp8", k);
    p->rounded = read_tensor(file, s, name, SUAN__F32, true, ne);
    snprintf(name, sizeof name, "prompt.%d.greedy", k);
    p->greedy = read_tensor(file, s, name, SUAN__I32, false, ne);
    p->n_greedy = ne[0];
}

static void read_tolerances(fixture *f, const char *dir) {
    char path[1100];
    suan_error err;
    json_t *json;
    snprintf(path, sizeof path, "%s/case.json", dir);
    if (suan__json_load_file(path, 1 << 20, &json, &err) != SUAN_OK) fail_msg("%s", err.message);
    f->tolerance = json_real_value(json_object_get(json, "tolerance"));
    f->tolerance_rounded = json_real_value(json_object_get(json, "tolerance_fp8"));
    json_decref(json);
    assert_true(f->tolerance > 0 && f->tolerance < 0.01 && f->tolerance_rounded < 0.01);
}

bool fixture_open(fixture *f, const char *name) {
    char path[1100];
    suan_error err;
    suan__file file;
    suan__arena arena;
    suan__safetensors s;
    *f = (fixture){.name = name};
    snprintf(path, sizeof path, "oracle/%s", name);
    if (!fixture_find(f->dir, sizeof f->dir, path)) return false;
    snprintf(f->gguf, sizeof f->gguf, "%s/model.gguf", f->dir);
    if (!suan__path_exists(f->gguf)) f->gguf[0] = 0;
    read_tolerances(f, f->dir);
    snprintf(path, sizeof path, "%s/expected.safetensors", f->dir);
    suan__arena_init(&arena, 1 << 14);
    if (suan__file_open(&file, path, &err) != SUAN_OK || suan__safetensors_open(&s, &arena, &file, &err) != SUAN_OK)
        fail_msg("%s", err.message);
    for (int k = 0; k < FIXTURE_PROMPTS; k++) read_prompt(f, &file, &s, k);
    suan__file_close(&file);
    suan__arena_fini(&arena);
    return true;
}

void fixture_close(fixture *f) {
    for (int k = 0; k < FIXTURE_PROMPTS; k++) {
        test_free(f->prompts[k].ids);
        test_free(f->prompts[k].logits);
        if (f->prompts[k].rounded) test_free(f->prompts[k].rounded);
        test_free(f->prompts[k].greedy);
    }
}
