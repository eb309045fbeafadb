/* test_model.c: hyperparameters made to harm a loader: rows G-12, C-01, C-02 and C-04 of the list of published flaws. A model with such a
 * value either works or is refused with a sentence that names the field or a tensor; nothing else may happen, under sanitizers above all.
 *
 * The cases of tests/data/oracle always run, those of the fixtures where they are. */
#include <fcntl.h>
#include <float.h>
#include <math.h>

#include "../base/sanitized.h"
#include "../base/scratch.h"
#include "formats/json.h"
#include "model_image.h"
#include "suan/session.h"

/* ---- what was tried and what came of it
 * ----------------------------------------------------------------------------------------------------- */

static size_t n_opened, n_refused, n_wrong; /* wrong ones are printed, and fail the test at its end */

/* The last part of "a.b.c". */
static const char *leaf(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

/* Relations are told in words; these belong to the fields in front of them. */
static const struct {
    const char *field, *words;
} relation_words[] = {
    {"head_count", "attention heads"},
    {"head_count_kv", "key/value heads"},
    {"num_attention_heads", "attention heads"},
    {"num_key_value_heads", "key/value heads"},
    {"num_attention_heads", "head size"},
    {"head_count", "head size"},
    {"hidden_size", "head size"},
    {"embedding_length", "head size"},
    {"num_attention_heads", "rotary width"},
    {"head_count", "rotary width"},
    {"hidden_size", "rotary width"},
    {"embedding_length", "rotary width"},
    {"key_length", "rotary width"},
    {"head_dim", "rotary width"},
    {"dimension_count", "rotary width"},
    {"qk_rope_head_dim", "rotary width"},
    {"key_length", "key length"},
    {"key_length_mla", "key length"},
    {"dimension_count", "key length"},
    {"value_length", "value_length"},
    {"key_length", "value_length"},
    {"expert_count", "experts"},
    {"n_routed_experts", "experts"},
    {"num_experts", "experts"},
    {"expert_used_count", "experts"},
    {"num_experts_per_tok", "experts"},
    {"expert_used_count", "fewer than"},
    {"num_experts_per_tok", "fewer than"},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
    {"n_group", "groups of"},
    {"expert_group_count", "groups of"},
    {"feed_forward_length", "feed_forward_length"},
    {"leading_dense_block_count", "feed_forward_length"},
    {"rope_type", "has type"},
    {"num_hidden_layers", "mlp_only_layers"},
    {"type", "has type"},
    {"low_freq_factor", "low_freq_factor"},
    {"high_freq_factor", "low_freq_factor"},
    {"context_length", "sliding_window"},
    {"max_position_embeddings", "sliding_window"},
    {"qk_rope_head_dim", "head sizes"},
    {"index_head_dim", "rotary width"},
    {"head_dim", "head sizes"},
    {"o_groups", "o_groups"},
    {"output_group_count", "o_groups"},
    {"num_attention_heads", "o_groups"},
    {"head_count", "o_groups"},
    {"hash_layer_count", "num_hash_layers"},
    {"block_count", "num_hash_layers"},
    {"num_hidden_layers", "num_hash_layers"},
    {"block_count", "compress_ratios"},
    {"num_hidden_layers", "compress_ratios"},
    {"key_length", "index_head_dim"},
    {"q_lora_rank", "q_lora_rank"},
    {"swiglu_clamp_exp", "swiglu_clamp"},
    {"swiglu_clamp_shexp", "swiglu_clamp"},
    {"nextn_predict_layers", "block_count"},
};

static bool names_field(const char *message, const char *key) {
    if (strstr(message, leaf(key)) || strstr(message, "tensor ")) return true;
    for (size_t i = 0; i < sizeof relation_words / sizeof *relation_words; i++)
        if (strcmp(relation_words[i].field, leaf(key)) == 0 && strstr(message, relation_words[i].words)) return true;
    return false;
}

static void check_try(const char *path, const char *key, const char *value) {
    suan_error err;
    suan_status status = image_try(path, &err);
    if (status == SUAN_OK) {
        n_opened++;
        return;
    }
    n_refused++;
    if (names_field(err.message, key)) return;
    n_wrong++;
    print_error("%s = %s: \"%s\" does not name the field or a tensor\n", key, value, err.message);
}

static void report(const char *what) {
    print_message("%s: %zu worked, %zu were refused\n", what, n_opened, n_refused);
    assert_true(n_refused > 0 && n_opened > 0);
    assert_int_equal(n_wrong, 0);
    n_opened = n_refused = 0;
}

static bool case_path(char *path, size_t capacity, const char *name, const char *file) {
    static const char *const variables[] = {"SUAN_TEST_DATA", "SUAN_FIXTURES"};
    for (size_t i = 0; i < 2; i++) {
        const char *folder = getenv(variables[i]);
        if (!folder) continue;
        snprintf(path, capacity, "%s/oracle/%s/%s", folder, name, file);
        if (access(path, R_OK) == 0) return true;
    }
    print_message("%s is not here, skipped\n", name);
    return false;
}

/* Each bound of the reader and its neighbour, the ends of the integer types, and what sizes of the cases are near. */
static const uint32_t integers[] = {0,           1,
                                    2,           3,
                                    15,          16,
                                    17,          64,
                                    255,         256,
                                    257,         511,
                                    512,         513,
                                    1024,        1025,
                                    4096,        4097,
                                    32768,       32769,
                                    64512,       64513,
                                    65536,       65537,
                                    1u << 20,    (1u << 20) + 1,
                                    1u << 24,    (1u << 24) + 1,
                                    1u << 30,    (1u << 30) + 1,
                                    2147483647u, 2147483648u,
                                    4294967294u, 4294967295u};
#define N_INTEGERS (sizeof integers / sizeof *integers)

/* A sanitizer takes a third of the values of a list, not the same of each key. */
static bool is_taken(void) {
#ifdef SANITIZED
    static size_t n;
    return n++ % 3 == 0;
#else
    return true;
#endif
}

/* ---- G-12: metadata of GGUF
 * -------------------------------------------------------------------------------------------------------------------- */

/* A copy of the file, to be changed in place. */
typedef struct patched {
    const image *im;
    int fd;
    const char *path;
} patched;

/* Puts n bytes where at points to, tries, puts the old ones back. */
static void try_bytes(const patched *p, const char *at, const void *bytes, size_t n, const char *key, const char *value) {
    assert_int_equal(pwrite(p->fd, bytes, n, at - p->im->bytes), n);
    check_try(p->path, key, value);
    assert_int_equal(pwrite(p->fd, at, n, at - p->im->bytes), n);
}

/* The same over the value (or its type, which stands before it). */
static void try_patch(const patched *p, const suan__gguf_value *v, int offset, uint32_t bits, const char *key, const char *value) {
    try_bytes(p, (const char *)v->data + offset, &bits, 4, key, value);
}

static void try_integers(const patched *p, const suan__gguf_value *v, const char *key) {
    char text[32];
    for (size_t i = 0; i < N_INTEGERS; i++) {
        if (!is_taken()) continue;
        snprintf(text, sizeof text, "%u", integers[i]);
        try_patch(p, v, 0, integers[i], key, text);
    }
    try_patch(p, v, -4, SUAN__GGUF_F32, key, "a float");
    try_patch(p, v, -4, SUAN__GGUF_I32, key, "a signed integer");
    const uint32_t below[][2] = {{SUAN__GGUF_I32, 0xffffffffu}, {SUAN__GGUF_I32, 0x80000000u}};
    try_bytes(p, (const char *)v->data - 4, below[0], 8, key, "-1");
    try_bytes(p, (const char *)v->data - 4, below[1], 8, key, "-2^31");
}

static void try_floats(const patched *p, const suan__gguf_value *v, const char *key) {
    static const float values[] = {0, -0.0f, 1, -1, 1e-38f, 1e-45f, 1e38f, -1e38f, 0.5f, 1e6f, 1000001, FLT_MAX, INFINITY, -INFINITY, NAN};
    char text[32];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        snprintf(text, sizeof text, "%g", (double)values[i]);
        try_patch(p, v, 0, bits, key, text);
    }
    try_patch(p, v, -4, SUAN__GGUF_U32, key, "an integer");
}

static void try_gguf(const char *name) {
    char path[1100], key[128];
    image im;
    scratch s;
    if (!case_path(path, sizeof path, name, "model.gguf")) return;
    image_read(&im, path);
    scratch_make(&s);
    patched p = {.im = &im, .path = scratch_path(&s, "model.gguf")};
    image_write_bytes(p.path, im.bytes, im.n_bytes);
    p.fd = open(p.path, O_WRONLY | O_CLOEXEC);
    assert_true(p.fd >= 0);
    for (uint64_t i = 0; i < im.gguf.n_values; i++) {
        const suan__gguf_value *v = &im.gguf.values[i];
        snprintf(key, sizeof key, "%.*s", (int)v->key.n, v->key.data);
        if (strncmp(key, "tokenizer.", 10) == 0 || strncmp(key, "general.", 8) == 0) continue;
        if (v->type == SUAN__GGUF_U32) try_integers(&p, v, key);
        if (v->type == SUAN__GGUF_F32) try_floats(&p, v, key);
        try_bytes(&p, v->key.data, "X", 1, key, "(missing)");
    }
    close(p.fd);
    image_free(&im);
    scratch_remove(&s);
}

static void test_g_12_hyperparameters_of_gguf(void **state) {
    static const char *const cases[] = {"llama3-tied",      "deepseek_v3",  "qwen2",       "qwen3-yarn", "deepseek_v2",
                                        "deepseek_v2_lite", "deepseek_v32", "deepseek_v4", "gpt_oss",    "glm_moe_dsa"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) try_gguf(cases[i]);
    report("GGUF");
}

/* ---- G-12 and C-01: config.json
 * -------------------------------------------------------------------------------------------------------------- */

typedef struct folder {
    scratch s;
    json_t *config;
} folder;

/* A folder with the weights and a config.json to change; no tokenizer. */
static bool folder_make(folder *f, const char *name) {
    char path[1100], link[PATH_MAX];
    suan_error err;
    if (!case_path(path, sizeof path, name, "config.json")) return false;
    if (suan__json_load_file(path, 1 << 20, &f->config, &err) != SUAN_OK) fail_msg("%s", err.message);
    scratch_make(&f->s);
    assert_true(case_path(path, sizeof path, name, "model.safetensors"));
    char *full = realpath(path, NULL);
    snprintf(link, sizeof link, "%s/model.safetensors", f->s.dir);
    assert_int_equal(symlink(full, link), 0);
    free(full);
    return true;
}

static void folder_remove(folder *f) {
    json_decref(f->config);
    scratch_remove(&f->s);
}

static void folder_write(folder *f, const json_t *config) {
    char *text = json_dumps(config, 0);
    assert_non_null(text);
    image_write_bytes(scratch_path(&f->s, "config.json"), text, strlen(text));
    free(text);
}

static const char *const json_values[] = {"null",
                                          "true",
                                          "false",
                                          "\"\"",
                                          "\"x\"",
                                          "\"1\"",
                                          "[]",
                                          "[1]",
                                          "[[]]",
                                          "{}",
                                          "{\"a\":1}",
                                          "1.5",
                                          "-1",
                                          "-0.0",
                                          "1e-300",
                                          "1e308",
                                          "-1e308",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "4294967296"};
#define N_JSON_VALUES (sizeof json_values / sizeof *json_values)

/* What the loader does not read: any value will do. */
static bool is_ignored(const char *key) {
    static const char *const keys[] = {
        "architectures",
        "initializer_range",
        "torch_dtype",
        "dtype",
        "use_cache",
        "transformers_version",
        "pretraining_tp",
        "bos_token_id",
        "pad_token_id",
        "attention_dropout",
        "aux_loss_alpha",
        "seq_aux",
        "ep_size",
        "max_window_layers",
        "layer_types",
        "sliding_window",
        "router_aux_loss_coef",
        "output_router_logits",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

static void try_value(folder *f, json_t *where, const char *key, const char *text) {
    json_t *old = json_incref(json_object_get(where, key));
    if (text)
        json_object_set_new(where, key, json_loads(text, JSON_DECODE_ANY, NULL));
    else
        json_object_del(where, key);
    folder_write(f, f->config);
    check_try(f->s.dir, key, text ? text : "(missing)");
    json_object_set_new(where, key, old);
}

/* A value of another type than the present one has to be refused, wherever it is read. */
static void try_wrong_type(folder *f, json_t *where, const char *key, const char *text) {
    size_t before = n_refused;
    try_value(f, where, key, text);
    if (n_refused > before || is_ignored(key)) return;
    n_wrong++;
    print_error("%s = %s was accepted\n", key, text);
}

static void try_key(folder *f, json_t *where, const char *key) {
    const json_t *now = json_object_get(where, key);
    bool text = json_is_string(now), number = json_is_number(now), flag = json_is_boolean(now);
    char value[32];
    try_value(f, where, key, NULL);
    for (size_t i = 0; i < N_JSON_VALUES; i++)
        if (is_taken()) try_value(f, where, key, json_values[i]);
    for (size_t i = 0; i < N_INTEGERS; i++) {
        if (!is_taken()) continue;
        snprintf(value, sizeof value, "%u", integers[i]);
        try_value(f, where, key, value);
    }
    if (text || number || flag) {
        try_wrong_type(f, where, key, "{\"x\":1}");
        if (strcmp(key, "eos_token_id") != 0) try_wrong_type(f, where, key, "[7]"); /* several ends are a list */
        try_wrong_type(f, where, key, text ? "7" : "\"seven\"");
        try_wrong_type(f, where, key, flag ? "7" : "true");
    }
}

static void try_config(const char *name) {
    static const char *const required[] = {"model_type", "hidden_size",  "num_hidden_layers",      "num_attention_heads",
                                           "vocab_size", "rms_norm_eps", "max_position_embeddings"};
    folder f;
    const char *key, *inner;
    json_t *value, *inner_value;
    if (!folder_make(&f, name)) return;
    json_t *keys = json_deep_copy(f.config);
    json_object_foreach(keys, key, value) {
        try_key(&f, f.config, key);
        if (!json_is_object(value)) continue;
        json_object_foreach(value, inner, inner_value) try_key(&f, json_object_get(f.config, key), inner);
    }
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        suan_error err;
        json_t *copy = json_copy(f.config);
        json_object_del(copy, required[i]);
        folder_write(&f, copy);
        assert_int_equal(image_try(f.s.dir, &err), SUAN_EFORMAT);
        if (!strstr(err.message, required[i]) || !strstr(err.message, "config.json")) fail_msg("%s: \"%s\"", required[i], err.message);
        json_decref(copy);
    }
    json_decref(keys);
    folder_remove(&f);
}

static void test_c_01_each_key_of_config(void **state) {
    static const char *const cases[] = {"llama3-tied", "deepseek_v3", "qwen2",        "qwen3-yarn",
                                        "qwen3_moe",   "deepseek_v2", "deepseek_v32", "deepseek_v4"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) try_config(cases[i]);
    report("config.json");
}

/* ---- C-04: relations between fields
 * -------------------------------------------------------------------------------------------------------------- */

typedef struct relation {
    const char *model;
    const char *changes;  /* a JSON object put over config.json */
    const char *words[2]; /* both have to be in the message */
} relation;
static const relation relations[] = {
    {"llama3-tied", "{\"num_attention_heads\":4,\"num_key_value_heads\":3}", {"4", "3"}},
    {"llama3-tied", "{\"num_key_value_heads\":8}", {"4", "8"}},
    {"llama3-tied", "{\"head_dim\":33}", {"rotary width", "33"}},
    {"llama3-tied", "{\"head_dim\":1}", {"rotary width", "even"}},
    {"llama3-tied", "{\"head_dim\":64}", {"tensor", "q_proj"}},
    {"llama3-tied", "{\"hidden_size\":32}", {"tensor", "embed_tokens"}},
    {"llama3-tied", "{\"vocab_size\":513}", {"tensor", "embed_tokens"}},
    {"llama3-tied", "{\"intermediate_size\":161}", {"tensor", "gate_proj"}},
    {"llama3-tied", "{\"intermediate_size\":null}", {"intermediate_size", "missing"}},
    {"llama3-tied", "{\"num_hidden_layers\":3}", {"tensor", "layers.2"}},
    {"llama3-tied", "{\"tie_word_embeddings\":false}", {"tensor", "lm_head"}},
    {"llama3-tied", "{\"attention_bias\":true}", {"attention_bias", "false"}},
    {"llama3-tied", "{\"sliding_window\":16}", {"sliding_window", "16"}},
    {"llama3-tied", "{\"hidden_act\":\"gelu\"}", {"hidden_act", "gelu"}},
    {"llama3-tied", "{\"partial_rotary_factor\":0.1}", {"rotary width", ""}},
    {"llama3-tied",
     "{\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4,\"original_max_position_"
     "embeddings\":64}}",
     {"high_freq_factor", "low_freq_factor"}},
    {"llama3-tied", "{\"rope_scaling\":{\"rope_type\":\"longrope\"}}", {"longrope", "known are"}},
    {"llama3-tied", "{\"model_type\":\"deepseek_v3\"}", {"kv_lora_rank", "missing"}},
    {"deepseek_v3", "{\"num_experts_per_tok\":17}", {"17", "16"}},
    {"deepseek_v3", "{\"num_experts_per_tok\":9}", {"topk_group", "fewer than 9"}},
    {"deepseek_v3", "{\"n_group\":3}", {"n_group 3", "16"}},
    {"deepseek_v3", "{\"n_group\":32}", {"n_group 32", "16"}},
    {"deepseek_v3", "{\"n_group\":16,\"topk_group\":8}", {"groups of one", "best"}},
    {"deepseek_v3", "{\"topk_group\":5}", {"topk_group 5", "n_group 4"}},
    {"deepseek_v3", "{\"n_routed_experts\":12}", {"tensor", "mlp.gate"}},
    {"deepseek_v3", "{\"n_routed_experts\":20}", {"tensor", "mlp.gate"}},
    {"deepseek_v3", "{\"moe_intermediate_size\":64}", {"tensor", "experts"}},
    {"deepseek_v3", "{\"n_shared_experts\":2}", {"tensor", "shared_experts"}},
    {"deepseek_v3", "{\"qk_rope_head_dim\":15}", {"rotary width", "even"}},
    {"deepseek_v3", "{\"qk_rope_head_dim\":48}", {"tensor", "q_b_proj"}},
    {"deepseek_v3", "{\"qk_nope_head_dim\":16,\"qk_rope_head_dim\":32}", {"tensor", "kv_a_proj"}},
    {"deepseek_v3", "{\"v_head_dim\":25}", {"tensor", "kv_b_proj"}},
    {"deepseek_v3", "{\"kv_lora_rank\":16}", {"tensor", "kv_a"}},
    {"deepseek_v3", "{\"q_lora_rank\":null}", {"tensor", "q_proj"}},
    {"deepseek_v3", "{\"first_k_dense_replace\":2}", {"tensor", "layers.1"}},
    {"deepseek_v3", "{\"first_k_dense_replace\":0}", {"tensor", "layers.0"}},
    {"deepseek_v3", "{\"moe_layer_freq\":2}", {"tensor", "layers.1"}},
    {"deepseek_v3", "{\"scoring_func\":\"softmax\"}", {"scoring_func", "softmax"}},
    {"deepseek_v3", "{\"topk_method\":\"greedy\"}", {"topk_method", "greedy"}},
    {"deepseek_v32", "{\"index_topk\":0}", {"index_topk", "0"}},
    {"deepseek_v32", "{\"index_head_dim\":96}", {"index_head_dim", "power of two"}},
    {"deepseek_v32", "{\"index_head_dim\":8}", {"rotary width", "index_head_dim 8"}},
    {"deepseek_v32", "{\"index_head_dim\":64}", {"tensor", "indexer"}},
    {"deepseek_v32", "{\"index_n_heads\":4}", {"tensor", "indexer"}},
    {"deepseek_v32", "{\"index_n_heads\":null}", {"index_n_heads", "missing"}},
    {"deepseek_v32", "{\"q_lora_rank\":null}", {"q_lora_rank", "missing"}},
    {"deepseek_v32", "{\"model_type\":\"deepseek_v3\"}", {"tensor", "indexer"}},
    {"deepseek_v3", "{\"model_type\":\"deepseek_v32\"}", {"index_n_heads", "missing"}},
    {"deepseek_v4", "{\"sliding_window\":0}", {"sliding_window", "0"}},
    {"deepseek_v4", "{\"index_topk\":0}", {"index_topk", "0"}},
    {"deepseek_v4", "{\"compress_ratios\":[0,0,4,128]}", {"compress_ratios", "layer 4"}},
    {"deepseek_v4", "{\"compress_ratios\":[0,0,5,128,4]}", {"compress_ratios[2]", "5"}},
    {"deepseek_v4", "{\"compress_ratios\":[0,0,4,-128,4]}", {"compress_ratios[3]", "-128"}},
    {"deepseek_v4", "{\"compress_ratios\":[0,0,4,4,4]}", {"tensor", "compressor"}},
    {"deepseek_v4", "{\"compress_ratios\":[0,0,4,0,4]}", {"tensor", "compressor"}},
    {"deepseek_v4", "{\"compress_ratios\":\"4\"}", {"compress_ratios", "layer 0"}},
    {"deepseek_v4", "{\"num_hash_layers\":6}", {"num_hash_layers", "5 layers"}},
    {"deepseek_v4", "{\"num_hash_layers\":5}", {"tensor", "tid2eid"}},
    {"deepseek_v4", "{\"num_hash_layers\":0}", {"tensor", "gate.bias"}},
    {"deepseek_v4", "{\"o_groups\":3}", {"o_groups 3", "4"}},
    {"deepseek_v4", "{\"o_groups\":4}", {"tensor", "wo_a"}},
    {"deepseek_v4", "{\"hc_mult\":0}", {"hc_mult", "0"}},
    {"deepseek_v4", "{\"hc_mult\":9}", {"hc_mult", "9"}},
    {"deepseek_v4", "{\"hc_mult\":2}", {"tensor", "hc_"}},
    {"deepseek_v4", "{\"hc_sinkhorn_iters\":0}", {"hc_sinkhorn_iters", "0"}},
    {"deepseek_v4", "{\"num_key_value_heads\":4}", {"key/value heads", "expected 1"}},
    {"deepseek_v4", "{\"qk_rope_head_dim\":144}", {"rotary width", "144"}},
    {"deepseek_v4", "{\"qk_rope_head_dim\":15}", {"rotary width", "even"}},
    {"deepseek_v4", "{\"n_routed_experts\":5}", {"tensor", "ffn"}},
    {"deepseek_v4", "{\"num_experts_per_tok\":3}", {"tensor", "tid2eid"}},
    {"deepseek_v4", "{\"scoring_func\":\"sigmoid\"}", {"scoring_func", "sigmoid"}},
    {"deepseek_v4", "{\"swiglu_limit\":-1}", {"swiglu_limit", "-1"}},
    {"deepseek_v4", "{\"compress_rope_theta\":null}", {"compress_rope_theta", "missing"}},
    {"qwen2", "{\"use_sliding_window\":true,\"sliding_window\":0}", {"sliding_window", "0"}},
    {"qwen2", "{\"use_sliding_window\":true,\"layer_types\":[\"full_attention\"]}", {"layer_types", "3 layers"}},
    {"mistral", "{\"sliding_window\":0}", {"sliding_window", "0"}},
    {"mistral", "{\"sliding_window\":-1}", {"sliding_window", "-1"}},
    {"gpt_oss", "{\"sliding_window\":0}", {"sliding_window", "0"}},
    {"gpt_oss", "{\"sliding_window\":null}", {"sliding_window", "missing"}},
    {"gpt_oss", "{\"layer_types\":[\"full_attention\"]}", {"layer_types", "4 layers"}},
    {"gpt_oss", "{\"layer_types\":[1,2,3,4]}", {"layer_types[0]", "sliding_attention"}},
    {"gpt_oss", "{\"num_key_value_heads\":8}", {"4", "8"}},
    {"gpt_oss", "{\"attention_bias\":false}", {"attention_bias", "true"}},
    {"gpt_oss", "{\"swiglu_limit\":-1}", {"swiglu_limit", "-1"}},
    {"gpt_oss", "{\"num_local_experts\":9}", {"tensor", "router"}},
    {"gpt_oss", "{\"num_local_experts\":2}", {"2", "3"}},
    {"gpt_oss", "{\"intermediate_size\":64}", {"tensor", "gate_proj"}},
    {"gpt_oss", "{\"num_hidden_layers\":3}", {"tensor", "layers.3"}},
    {"glm_moe_dsa-indexshare", "{\"indexer_types\":[\"full\"]}", {"indexer_types", "8 layers"}},
    {"glm_moe_dsa-indexshare", "{\"indexer_types\":null,\"index_topk_freq\":1}", {"tensor", "indexer"}},
    {"glm_moe_dsa-indexshare",
     "{\"indexer_types\":[\"shared\",\"full\",\"full\",\"full\",\"full\",\"full\",\"full\",\"full\"]}",
     {"first layer", "shares"}},
    {"glm_moe_dsa-indexshare",
     "{\"indexer_types\":[\"full\",\"half\",\"full\",\"full\",\"full\",\"full\",\"full\",\"full\"]}",
     {"indexer_types[1]", "half"}},
    {"qwen3_moe", "{\"mlp_only_layers\":[3]}", {"mlp_only_layers", "no layer"}},
    {"qwen3_moe", "{\"mlp_only_layers\":[-1]}", {"mlp_only_layers", "no layer"}},
    {"qwen3_moe", "{\"mlp_only_layers\":3}", {"mlp_only_layers", "list"}},
    {"qwen3_moe", "{\"num_experts_per_tok\":17}", {"17", "16"}},
    {"qwen3_moe", "{\"decoder_sparse_step\":4097}", {"decoder_sparse_step", "4097"}},
    {"qwen3_moe", "{\"head_dim\":null}", {"head_dim", "missing"}},
};

static void test_c_04_relations(void **state) {
    size_t n = 0;
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        const relation *r = &relations[i];
        folder f;
        suan_error err;
        if (!folder_make(&f, r->model)) continue;
        json_t *changes = json_loads(r->changes, 0, NULL);
        assert_non_null(changes);
        folder_write(&f, f.config);
        if (image_try(f.s.dir, &err) != SUAN_OK) fail_msg("%s", err.message);
        json_object_update(f.config, changes);
        folder_write(&f, f.config);
        if (image_try(f.s.dir, &err) == SUAN_OK) fail_msg("%s with %s was accepted", r->model, r->changes);
        if (!strstr(err.message, r->words[0]) || !strstr(err.message, r->words[1]))
            fail_msg("%s with %s: \"%s\" does not speak of %s and %s", r->model, r->changes, err.message, r->words[0], r->words[1]);
        json_decref(changes);
        folder_remove(&f);
        n++;
    }
    print_message("%zu of %zu relations\n", n, sizeof relations / sizeof *relations);
    assert_true(n > 30);
}

/* ---- C-02: numbers that come with a request
 * ------------------------------------------------------------------------------------------------------- */

static void test_c_02_options(void **state) {
    char path[1100];
    suan_model *model = NULL;
    suan_session *session = NULL;
    suan_error err;
    assert_true(case_path(path, sizeof path, "llama3-tied", "model.gguf"));
    static const int threads[] = {-1, INT32_MIN, 513, INT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        suan_model_options o = {.n_threads = threads[i]};
        assert_int_equal(suan_model_open(&model, path, &o, &err), SUAN_ERANGE);
        assert_non_null(strstr(err.message, "n_threads"));
    }
    suan_model_options bad_cpu = {.cpu = "avx1024"};
    assert_true(suan_model_open(&model, path, &bad_cpu, &err) < 0);
    assert_non_null(strstr(err.message, "avx1024"));
    assert_true(suan_model_open(&model, NULL, NULL, &err) == SUAN_EINVAL && !model);
    suan_model_options one = {.n_threads = 1};
    assert_int_equal(suan_model_open(&model, path, &one, &err), SUAN_OK);
    static const struct {
        suan_session_options o;
        const char *word;
    } rows[] = {
        {{.n_ctx = UINT32_MAX}, "n_ctx"},
        {{.n_ctx = (1u << 30) + 1}, "n_ctx"},
        {{.n_ctx = 1u << 30}, "context of 1073741824"},
        {{.n_ctx = 16, .chunk = UINT32_MAX}, "chunk"},
        {{.n_ctx = 16, .chunk = 4097}, "chunk"},
        {{.n_ctx = 16, .kv = (suan_kv_type)3}, "kv"},
        {{.n_ctx = 16, .kv = (suan_kv_type)-1}, "kv"},
        {{.n_ctx = 16, .activations = (suan_activations)7}, "activations"},
        {{.n_ctx = 16, .rounding = (suan_rounding)2}, "rounding"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(suan_session_create(&session, model, &rows[i].o, &err) < 0);
        assert_null(session);
        if (!strstr(err.message, rows[i].word)) fail_msg("\"%s\" does not speak of %s", err.message, rows[i].word);
    }
    suan_model_close(&model);
}

/* Every field of the sampling options at values outside its range; each has to be named. */
static void test_c_02_sampling(void **state) {
    char path[1100];
    suan_model *model = NULL;
    suan_error err;
    suan_session_options options = {.n_ctx = 64};
    suan_session *session = NULL;
    assert_true(case_path(path, sizeof path, "llama3-tied", "model.gguf"));
    suan_model_options one = {.n_threads = 1};
    assert_int_equal(suan_model_open(&model, path, &one, &err), SUAN_OK);
    assert_int_equal(suan_session_create(&session, model, &options, &err), SUAN_OK);
    const suan_logit_bias bias_high = {.id = 512, .bias = 1}, bias_low = {.id = -1, .bias = 1}, bias_nan = {.id = 1, .bias = NAN};
#define WITH(field_, value_, word_) \
    { .set = offsetof(suan_generate_params, field_), .f = (value_), .word = (word_) }
    const struct {
        size_t set;
        float f;
        const char *word;
    } floats[] = {
        WITH(sampling.temperature, -1, "temperature"),
        WITH(sampling.temperature, 101, "temperature"),
        WITH(sampling.temperature, NAN, "temperature"),
        WITH(sampling.temperature, INFINITY, "temperature"),
        WITH(sampling.top_p, 0, "top_p"),
        WITH(sampling.top_p, 1.5f, "top_p"),
        WITH(sampling.top_p, NAN, "top_p"),
        WITH(sampling.min_p, -0.1f, "min_p"),
        WITH(sampling.min_p, 2, "min_p"),
        WITH(sampling.min_p, NAN, "min_p"),
        WITH(sampling.typical_p, 0, "typical_p"),
        WITH(sampling.typical_p, NAN, "typical_p"),
        WITH(sampling.repetition_penalty, 0, "repetition"),
        WITH(sampling.repetition_penalty, -1, "repetition"),
        WITH(sampling.repetition_penalty, NAN, "repetition"),
        WITH(sampling.repetition_penalty, INFINITY, "repetition"),
        WITH(sampling.presence_penalty, 2.1f, "presence"),
        WITH(sampling.presence_penalty, NAN, "presence"),
        WITH(sampling.frequency_penalty, -2.1f, "frequency"),
        WITH(sampling.frequency_penalty, -INFINITY, "frequency"),
    };
#undef WITH
    suan_generate_params params;
    suan_result result;
    const int32_t id = 5;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        suan_generate_params_init(&params);
        params.max_tokens = 1;
        memcpy((char *)&params + floats[i].set, &floats[i].f, sizeof(float));
        if (suan_generate(session, &id, 1, &params, &result, &err) >= 0)
            fail_msg("%s = %g was accepted", floats[i].word, (double)floats[i].f);
        if (!strstr(err.message, floats[i].word)) fail_msg("\"%s\" does not speak of %s", err.message, floats[i].word);
    }
    const suan_logit_bias *biases[] = {&bias_high, &bias_low, &bias_nan};
    for (int i = 0; i < 6; i++) {
        suan_generate_params_init(&params);
        params.max_tokens = 1;
        if (i < 3) {
            params.sampling.logit_bias = biases[i];
            params.sampling.n_logit_bias = 1;
        }
        if (i == 3) params.sampling.top_k = -1;
        if (i == 4) params.sampling.penalty_last_n = -2;
        if (i == 5) params.n_logprobs = 257;
        const char *word = i < 3 ? "bias" : i == 3 ? "top_k" : i == 4 ? "penalty_last_n" : "n_logprobs";
        if (suan_generate(session, &id, 1, &params, &result, &err) >= 0) fail_msg("row %d (%s) was accepted", i, word);
        if (!strstr(err.message, word)) fail_msg("\"%s\" does not speak of %s", err.message, word);
    }
    /* Ids and lengths. */
    static const int32_t bad_ids[] = {-1, INT32_MIN, 512, INT32_MAX};
    suan_generate_params_init(&params);
    params.max_tokens = UINT32_MAX; /* as many as the context holds */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(suan_session_feed(session, &bad_ids[i], 1, &err), SUAN_ERANGE);
        assert_int_equal(suan_generate(session, &bad_ids[i], 1, &params, &result, &err), SUAN_ERANGE);
        assert_non_null(strstr(err.message, "token"));
    }
    assert_int_equal(suan_session_feed(session, &id, 0, &err), SUAN_EINVAL);
    assert_int_equal(suan_session_feed(session, &id, SIZE_MAX, &err), SUAN_ECONTEXT);
    assert_int_equal(suan_session_rewind(session, UINT32_MAX, &err), SUAN_ERANGE);
    params.ignore_eos = true;
    assert_int_equal(suan_generate(session, &id, 1, &params, &result, &err), SUAN_OK);
    assert_true(result.n_ids == 64 && result.finish == SUAN_FINISH_LENGTH && result.context_full);
    suan_result_fini(&result);
    suan_session_close(&session);
    suan_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_g_12_hyperparameters_of_gguf),
        cmocka_unit_test(test_c_01_each_key_of_config),
        cmocka_unit_test(test_c_02_options),
        cmocka_unit_test(test_c_02_sampling),
        cmocka_unit_test(test_c_04_relations),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
