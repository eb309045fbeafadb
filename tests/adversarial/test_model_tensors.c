/* test_model_tensors.c: tensors that do not fit their model: rows C-05 and C-06 of the list of published flaws. Every tensor of the graph is
 * left out, made one row and one column shorter and longer, and given a type that is no weight; each time the model has to be refused with
 * the tensor's name in the message. */
#include "../base/scratch.h"
#include "formats/json.h"
#include "model_image.h"
#include "suan/log.h"
#include "suan/session.h"

typedef struct folder {
    scratch s;
    image im;
    char file[PATH_MAX]; /* what is opened: the folder or the GGUF file */
    bool is_gguf;
} folder;

static void folder_make(folder *f, const char *name, bool gguf) {
    char path[PATH_MAX];
    const char *data = getenv("SUAN_TEST_DATA");
    assert_non_null(data);
    scratch_make(&f->s);
    f->is_gguf = gguf;
    snprintf(path, sizeof path, "%s/oracle/%s/%s", data, name, gguf ? "model.gguf" : "model.safetensors");
    image_read(&f->im, path);
    snprintf(f->file, sizeof f->file, "%s%s", f->s.dir, gguf ? "/model.gguf" : "");
    if (gguf) return;
    char *text;
    size_t n;
    suan_error err;
    snprintf(path, sizeof path, "%s/oracle/%s/config.json", data, name);
    if (suan__file_slurp(path, 1 << 20, &text, &n, &err) != SUAN_OK) fail_msg("%s", err.message);
    scratch_write(&f->s, "config.json", text, n);
    suan__free(text);
}

static void folder_remove(folder *f) {
    image_free(&f->im);
    scratch_remove(&f->s);
}

static suan_status folder_try(folder *f, suan_error *err) {
    image_write(&f->im, scratch_path(&f->s, f->is_gguf ? "model.gguf" : "model.safetensors"), 0, 1);
    return image_try(f->file, err);
}

/* Tensors that a model may do without: a tied head, old routers without a bias in GGUF, frequencies that are not scaled. */
static bool may_be_absent(const folder *f, const char *name) {
    return f->is_gguf && (strcmp(name, "output.weight") == 0 || strcmp(name, "rope_freqs.weight") == 0 || strstr(name, "exp_probs_b"));
}

/* The module behind the trunk is not run, so its tensors are not looked at. */
static bool is_used(const folder *f, const char *name, int n_layer) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, f->is_gguf ? "blk.%d." : "model.layers.%d.", n_layer);
    return strncmp(name, prefix, strlen(prefix)) != 0;
}

static void check_refused(folder *f, const char *name, const char *how) {
    suan_error err;
    if (folder_try(f, &err) == SUAN_OK) fail_msg("%s, %s: accepted", name, how);
    if (!strstr(err.message, name)) fail_msg("%s, %s: \"%s\" does not name the tensor", name, how, err.message);
}

static void check_shapes(folder *f, image_tensor *t) {
    image_tensor good = *t;
    for (int d = 0; d < t->n_dims; d++) {
        if (d == 1 && f->is_gguf && strcmp(t->name, "token_embd.weight") == 0) continue; /* its rows say how many tokens there are: below */
        uint64_t block = d == 0 ? suan__dtype_get(t->type)->block : 1;
        t->ne[d] = good.ne[d] - block;
        if (t->ne[d]) check_refused(f, good.name, d ? "one row short" : "one column short");
        t->ne[d] = good.ne[d] + block;
        check_refused(f, good.name, d ? "one row long" : "one column long");
        *t = good;
    }
    if (t->n_dims == 2 && t->ne[0] != t->ne[1]) {
        t->ne[0] = good.ne[1];
        t->ne[1] = good.ne[0];
        check_refused(f, good.name, "transposed");
        *t = good;
    }
    if (t->n_dims == 1) {
        t->n_dims = 2;
        t->ne[1] = 2;
        check_refused(f, good.name, "a matrix");
        *t = good;
    }
}

/* In GGUF the embedding's rows are the vocabulary: the tokenizer or the head notice when one is gone, or when there is one more and a head. */
static void check_embedding(folder *f) {
    suan_error err;
    for (size_t i = 0; i < f->im.n_tensors && f->is_gguf; i++) {
        image_tensor *t = &f->im.tensors[i];
        if (strcmp(t->name, "token_embd.weight") != 0) continue;
        t->ne[1]--;
        if (folder_try(f, &err) == SUAN_OK) fail_msg("an embedding without the last token was accepted");
        if (!strstr(err.message, "embedding") && !strstr(err.message, "output.weight")) fail_msg("\"%s\"", err.message);
        t->ne[1]++;
    }
}

static void check_types(folder *f, image_tensor *t) {
    static const suan__dtype types[] = {SUAN__I32, SUAN__I8, SUAN__F64, SUAN__I64};
    image_tensor good = *t;
    for (size_t i = 0; i < 4; i++) {
        t->type = types[i];
        check_refused(f, good.name, suan__dtype_get(types[i])->name);
        *t = good;
    }
}

static void check_absent(folder *f, image_tensor *t) {
    image_tensor good = *t;
    suan_error err;
    t->name[0] = 0;
    suan_status status = folder_try(f, &err);
    if (may_be_absent(f, good.name)) {
        if (status != SUAN_OK) fail_msg("%s, absent: %s", good.name, err.message);
    } else {
        *t = good;
        if (status == SUAN_OK) fail_msg("%s, absent: accepted", good.name);
        /* Without a bias of the router the file says that it is another family, which then lacks something else. */
        if (!strstr(err.message, good.name)) fail_msg("%s, absent: \"%s\" does not name it", good.name, err.message);
    }
    *t = good;
}

static void check_model(const char *name, bool gguf, int n_layer) {
    folder f;
    suan_error err;
    size_t n = 0;
    folder_make(&f, name, gguf);
    if (folder_try(&f, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < f.im.n_tensors; i++) {
        image_tensor *t = &f.im.tensors[i];
        if (!is_used(&f, t->name, n_layer)) continue;
        /* Experts are many and alike: in a folder the first, one in the middle and the last of a layer stand for all. */
        const char *expert = strstr(t->name, ".experts.");
        if (expert && !strstr(expert, ".experts.0.") && !strstr(expert, ".experts.7.") && !strstr(expert, ".experts.15.")) continue;
        check_absent(&f, t);
        check_shapes(&f, t);
        check_types(&f, t);
        n++;
    }
    check_embedding(&f);
    print_message("%s, %s: %zu tensors\n", name, gguf ? "GGUF" : "safetensors", n);
    assert_true(n > 15);
    folder_remove(&f);
}

static void test_c_05_llama_gguf(void **state) {
    check_model("llama3-tied", true, 2);
}
static void test_c_05_llama_safetensors(void **state) {
    check_model("llama3-tied", false, 2);
}
static void test_c_05_deepseek_gguf(void **state) {
    check_model("deepseek_v3", true, 3);
}
static void test_c_05_deepseek_safetensors(void **state) {
    check_model("deepseek_v3", false, 3);
}

/* ---- C-06: experts
 * ------------------------------------------------------------------------------------------------------------------------------- */

static image_tensor *find(image *im, const char *name) {
    for (size_t i = 0; i < im->n_tensors; i++)
        if (strcmp(im->tensors[i].name, name) == 0) return &im->tensors[i];
    fail_msg("no %s", name);
    return NULL;
}

/* One expert larger or smaller than the first, in each matrix and direction; one of another type. */
static void test_c_06_one_expert_differs(void **state) {
    static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
    static const int experts[] = {0, 1, 8, 15};
    folder f;
    char name[128];
    folder_make(&f, "deepseek_v3", false);
    for (int p = 0; p < 3; p++) {
        for (int e = 0; e < 4; e++) {
            snprintf(name, sizeof name, "model.layers.2.mlp.experts.%d.%s.weight", experts[e], parts[p]);
            image_tensor *t = find(&f.im, name), good = *t;
            for (int d = 0; d < 2; d++) {
                static const uint64_t factors[][2] = {{2, 1}, {1, 2}, {64, 1}};
                for (int i = 0; i < 3; i++) {
                    t->ne[d] = good.ne[d] * factors[i][0] / factors[i][1];
                    check_refused(&f, name, "of another size");
                    *t = good;
                }
            }
            /* The first expert gives the type, so the second is the one that differs from it. */
            t->type = SUAN__F32;
            check_refused(&f, experts[e] ? name : "mlp.experts.1.", "of another type");
            *t = good;
        }
    }
    folder_remove(&f);
}

static void write_shards(folder *f, int duplicate) {
    suan__buf map = {0};
    suan__buf_printf(&map, "{\"metadata\":{},\"weight_map\":{");
    for (size_t i = 0; i < f->im.n_tensors; i++)
        suan__buf_printf(&map, "%s\"%s\":\"model-%05d-of-00003.safetensors\"", i ? "," : "", f->im.tensors[i].name, (int)(i % 3) + 1);
    suan__buf_printf(&map, "}}");
    scratch_write(&f->s, "model.safetensors.index.json", map.data, map.n);
    suan__buf_fini(&map);
    for (size_t part = 0; part < 3; part++) {
        char name[64];
        snprintf(name, sizeof name, "model-%05d-of-00003.safetensors", (int)part + 1);
        image_write(&f->im, scratch_path(&f->s, name), part, 3);
    }
    if (duplicate < 0) return;
    /* The third shard also brings a tensor of another one: three slots, of which only the last falls to it. */
    image *more = test_calloc(1, sizeof *more);
    *more = f->im;
    size_t n = more->n_tensors;
    while (n % 3 != 2) more->tensors[n++].name[0] = 0;
    more->tensors[n++] = f->im.tensors[duplicate];
    more->n_tensors = n;
    image_write(more, scratch_path(&f->s, "model-00003-of-00003.safetensors"), 2, 3);
    test_free(more);
}

static void logits_of(const char *path, float *logits, size_t n) {
    suan_model *model;
    suan_session *session;
    suan_error err;
    suan_session_options options = {.n_ctx = 16};
    static const int32_t ids[] = {3, 1, 4, 1, 5, 9, 2, 6};
    if (suan_model_open(&model, path, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan_session_create(&session, model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan_session_feed(session, ids, 8, &err) != SUAN_OK) fail_msg("%s", err.message);
    memcpy(logits, suan_session_logits(session), n * sizeof *logits);
    suan_session_close(&session);
    suan_model_close(&model);
}

/* Experts spread over three files are the same model, bit for bit; an expert that two files have is refused. */
static void test_c_06_experts_in_shards(void **state) {
    folder whole, shards;
    float a[512], b[512];
    suan_error err;
    folder_make(&whole, "deepseek_v3", false);
    assert_int_equal(folder_try(&whole, &err), SUAN_OK);
    logits_of(whole.file, a, 512);
    folder_make(&shards, "deepseek_v3", false);
    write_shards(&shards, -1);
    logits_of(shards.file, b, 512);
    assert_memory_equal(a, b, sizeof a);
    static const char *const twice[] = {"model.layers.1.mlp.experts.3.up_proj.weight", "model.layers.2.mlp.experts.0.gate_proj.weight",
                                        "model.norm.weight"};
    for (size_t i = 0; i < 3; i++) {
        image_tensor *t = find(&shards.im, twice[i]);
        int index = (int)(t - shards.im.tensors);
        if (index % 3 == 2) continue; /* it is in the third file already */
        write_shards(&shards, index);
        if (image_try(shards.file, &err) == SUAN_OK) fail_msg("%s is in two files: accepted", twice[i]);
        if (!strstr(err.message, twice[i])) fail_msg("\"%s\" does not name %s", err.message, twice[i]);
    }
    folder_remove(&whole);
    folder_remove(&shards);
}

/* GGUF has all experts in one tensor: one more or one fewer than the metadata say. */
static void test_c_06_stacked_experts(void **state) {
    static const char *const names[] = {"blk.1.ffn_gate_exps.weight", "blk.2.ffn_up_exps.weight", "blk.1.ffn_down_exps.weight"};
    folder f;
    folder_make(&f, "deepseek_v3", true);
    for (size_t i = 0; i < 3; i++) {
        image_tensor *t = find(&f.im, names[i]), good = *t;
        for (int d = -1; d <= 1; d += 2) {
            t->ne[2] = (uint64_t)((int64_t)good.ne[2] + d);
            check_refused(&f, names[i], "another number of experts");
            *t = good;
        }
        t->n_dims = 2;
        t->ne[1] *= t->ne[2];
        t->ne[2] = 1;
        check_refused(&f, names[i], "flat");
        *t = good;
    }
    folder_remove(&f);
}

static char told[512]; /* the log's messages */
static void take_message(void *ctx, suan_log_level level, const char *message) {
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "[%s]", message);
}

/* A tensor that the graph has no place for would change what the model means. One outside the layers is mentioned, once, where it says anything new. */
static void test_tensors_without_a_place_are_refused(void **state) {
    (void)state;
    static const struct {
        bool gguf;
        const char *name;
        bool accepted, mentioned;
    } cases[] = {
        {true, "blk.0.attn_q.bias", false},
        {true, "blk.9.attn_norm.weight", false},
        {true, "blk.1.ffn_gate_exps.scale", false},
        {true, "rope_freqs_extra", true, true},
        {false, "model.layers.1.self_attn.sinks", false},
        {false, "model.layers.61.input_layernorm.weight", false},
        {false, "model.layers.0.self_attn.rotary_emb.inv_freq", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        folder f;
        folder_make(&f, "deepseek_v3", cases[i].gguf);
        image_tensor *t = &f.im.tensors[f.im.n_tensors++];
        *t = (image_tensor){.type = SUAN__F32, .n_dims = 1, .ne = {16, 1, 1, 1}};
        snprintf(t->name, sizeof t->name, "%s", cases[i].name);
        if (cases[i].accepted) {
            suan_error err;
            *told = 0;
            suan_log_set(take_message, NULL, SUAN_LOG_WARN);
            if (folder_try(&f, &err) != SUAN_OK) fail_msg("%s: refused: %s", t->name, err.message);
            suan_log_set(NULL, NULL, SUAN_LOG_NONE);
            const char *at = strstr(told, t->name);
            assert_true(cases[i].mentioned ? at && strchr(told, ']') == told + strlen(told) - 1 : !*told);
        } else {
            check_refused(&f, cases[i].name, "without a place");
        }
        folder_remove(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c_05_llama_gguf),         cmocka_unit_test(test_c_05_llama_safetensors),
        cmocka_unit_test(test_c_05_deepseek_gguf),      cmocka_unit_test(test_c_05_deepseek_safetensors),
        cmocka_unit_test(test_c_06_one_expert_differs), cmocka_unit_test(test_c_06_experts_in_shards),
        cmocka_unit_test(test_c_06_stacked_experts),    cmocka_unit_test(test_tensors_without_a_place_are_refused),
    };
    return cmocka_run_group_tests_name("model_tensors", tests, NULL, NULL);
}
