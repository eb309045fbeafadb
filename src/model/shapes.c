/* shapes.c: published shapes by name, as their config.json says them: what a model of random weights is made from.
 *
 * Source of the numbers: the models' own config.json files; architectures.md sections 3 to 12, families.md section 4. */
#include <string.h>

#include "formats/json.h"
#include "model/plan.h"

/* clang-format off */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define SIZES(L, d, H, KV, ff, V, ctx) \
    "\"num_hidden_layers\":" TEXT(L) ",\"hidden_size\":" TEXT(d) ",\"num_attention_heads\":" TEXT(H) ",\"num_key_value_heads\":" TEXT(KV) \
    ",\"intermediate_size\":" TEXT(ff) ",\"vocab_size\":" TEXT(V) ",\"max_position_embeddings\":" TEXT(ctx) ","
#define LLAMA(L, d, H, hd, ff, tied, ctx, scaling) \
    "{\"model_type\":\"llama\"," SIZES(L, d, H, 8, ff, 128256, ctx) "\"head_dim\":" TEXT(hd) \
    ",\"rms_norm_eps\":1e-5,\"rope_theta\":500000,\"tie_word_embeddings\":" #tied scaling "}"
#define LLAMA3(factor) \
    ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":" TEXT(factor) ",\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":8192}"
#define QWEN2(L, d, H, KV, ff, V, tied) \
    "{\"model_type\":\"qwen2\"," SIZES(L, d, H, KV, ff, V, 32768) "\"rms_norm_eps\":1e-6,\"rope_theta\":1000000,\"tie_word_embeddings\":" #tied "}"
#define QWEN3(L, d, H, ff, tied) \
    "{\"model_type\":\"qwen3\"," SIZES(L, d, H, 8, ff, 151936, 40960) \
    "\"head_dim\":128,\"rms_norm_eps\":1e-6,\"rope_theta\":1000000,\"tie_word_embeddings\":" #tied "}"
#define QWEN3_MOE(L, d, H, KV, E, mff, ff, theta, ctx) \
    "{\"model_type\":\"qwen3_moe\"," SIZES(L, d, H, KV, ff, 151936, ctx) "\"head_dim\":128,\"rms_norm_eps\":1e-6,\"rope_theta\":" TEXT(theta) \
    ",\"tie_word_embeddings\":false,\"num_experts\":" TEXT(E) ",\"num_experts_per_tok\":8,\"moe_intermediate_size\":" TEXT(mff) ",\"norm_topk_prob\":true}"
#define MLA(q_lora, theta) \
    "\"q_lora_rank\":" TEXT(q_lora) ",\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"v_head_dim\":128," \
    "\"rms_norm_eps\":1e-6,\"rope_theta\":" TEXT(theta) ",\"tie_word_embeddings\":false,"
#define YARN(factor, fast, mscale) \
    "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":" TEXT(factor) ",\"original_max_position_embeddings\":4096,\"beta_fast\":" TEXT(fast) \
    ",\"beta_slow\":1,\"mscale\":" TEXT(mscale) ",\"mscale_all_dim\":" TEXT(mscale) "},"
#define EXPERTS(E, K, shared, mff, first, groups, used, scale) \
    "\"n_routed_experts\":" TEXT(E) ",\"num_experts_per_tok\":" TEXT(K) ",\"n_shared_experts\":" TEXT(shared) ",\"moe_intermediate_size\":" TEXT(mff) \
    ",\"first_k_dense_replace\":" TEXT(first) ",\"n_group\":" TEXT(groups) ",\"topk_group\":" TEXT(used) ",\"routed_scaling_factor\":" TEXT(scale) ","
#define V2_ROUTER(method) "\"scoring_func\":\"softmax\",\"norm_topk_prob\":false,\"topk_method\":\"" method "\"}"
#define V3_ROUTER "\"scoring_func\":\"sigmoid\",\"norm_topk_prob\":true,\"topk_method\":\"noaux_tc\"}"

#define INDEXER(topk) "\"index_n_heads\":64,\"index_head_dim\":128,\"index_topk\":" TEXT(topk) ","
#define CSA_HCA "4,128,"
#define CSA_HCA_4 CSA_HCA CSA_HCA CSA_HCA CSA_HCA
#define CSA_HCA_10 CSA_HCA_4 CSA_HCA_4 CSA_HCA CSA_HCA
#define V4(L, d, H, q_lora, groups, E, mff, scale) \
    "{\"model_type\":\"deepseek_v4\",\"num_hidden_layers\":" TEXT(L) ",\"hidden_size\":" TEXT(d) ",\"num_attention_heads\":" TEXT(H) \
    ",\"num_key_value_heads\":1,\"vocab_size\":129280,\"max_position_embeddings\":1048576,\"head_dim\":512,\"qk_rope_head_dim\":64,\"q_lora_rank\":" TEXT(q_lora) \
    ",\"o_groups\":" TEXT(groups) ",\"o_lora_rank\":1024,\"sliding_window\":128,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,\"compress_rope_theta\":160000," \
    "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":16,\"original_max_position_embeddings\":65536,\"beta_fast\":32,\"beta_slow\":1}," \
    "\"hc_mult\":4,\"hc_sinkhorn_iters\":20,\"hc_eps\":1e-6,\"num_hash_layers\":3,\"swiglu_limit\":10.0,\"tie_word_embeddings\":false," \
    "\"n_routed_experts\":" TEXT(E) ",\"num_experts_per_tok\":6,\"n_shared_experts\":1,\"moe_intermediate_size\":" TEXT(mff) \
    ",\"routed_scaling_factor\":" TEXT(scale) ",\"scoring_func\":\"sqrtsoftplus\",\"norm_topk_prob\":true,"

#define GLM5(theta, ctx, sharing) \
    "{\"model_type\":\"glm_moe_dsa\"," SIZES(78, 6144, 64, 64, 12288, 154880, ctx) "\"q_lora_rank\":2048,\"kv_lora_rank\":512,\"qk_nope_head_dim\":192," \
    "\"qk_rope_head_dim\":64,\"v_head_dim\":256,\"rms_norm_eps\":1e-5,\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":" TEXT(theta) "}," \
    "\"index_n_heads\":32,\"index_head_dim\":128,\"index_topk\":2048," sharing "\"tie_word_embeddings\":false," EXPERTS(256, 8, 1, 2048, 3, 1, 1, 2.5) V3_ROUTER
#define GPT_OSS(L, E) \
    "{\"model_type\":\"gpt_oss\"," SIZES(L, 2880, 64, 8, 2880, 201088, 131072) "\"head_dim\":64,\"rms_norm_eps\":1e-5,\"rope_theta\":150000,\"sliding_window\":128," \
    "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":32,\"original_max_position_embeddings\":4096,\"beta_fast\":32,\"beta_slow\":1,\"truncate\":false}," \
    "\"tie_word_embeddings\":false,\"num_local_experts\":" TEXT(E) ",\"num_experts_per_tok\":4,\"swiglu_limit\":7.0}"

static const struct {
    const char *name, *config;
} shapes[] = {
    {"deepseek-v2-lite", "{\"model_type\":\"deepseek_v2\"," SIZES(27, 2048, 16, 16, 10944, 102400, 163840) MLA(null, 10000) YARN(40, 32, 0.707)
                         EXPERTS(64, 6, 2, 1408, 1, 1, 1, 1.0) V2_ROUTER("greedy")},
    {"deepseek-v2", "{\"model_type\":\"deepseek_v2\"," SIZES(60, 5120, 128, 128, 12288, 102400, 163840) MLA(1536, 10000) YARN(40, 32, 1.0)
                    EXPERTS(160, 6, 2, 1536, 1, 8, 3, 16.0) V2_ROUTER("group_limited_greedy")},
    {"deepseek-v3", "{\"model_type\":\"deepseek_v3\"," SIZES(61, 7168, 128, 128, 18432, 129280, 163840) MLA(1536, 10000) YARN(40, 32, 1.0)
                    EXPERTS(256, 8, 1, 2048, 3, 8, 4, 2.5) V3_ROUTER},
    {"deepseek-v3.2", "{\"model_type\":\"deepseek_v32\"," SIZES(61, 7168, 128, 128, 18432, 129280, 163840) MLA(1536, 10000) YARN(40, 32, 1.0)
                      INDEXER(2048) EXPERTS(256, 8, 1, 2048, 3, 8, 4, 2.5) V3_ROUTER},
    {"deepseek-v4-flash", V4(43, 4096, 64, 1024, 8, 256, 2048, 1.5) INDEXER(512) "\"compress_ratios\":[0,0," CSA_HCA_10 CSA_HCA_10 "4]}"},
    {"deepseek-v4-pro", V4(61, 7168, 128, 1536, 16, 384, 3072, 2.5) INDEXER(1024)
                        "\"compress_ratios\":[128,128," CSA_HCA_10 CSA_HCA_10 CSA_HCA_4 CSA_HCA_4 CSA_HCA "4]}"},
    {"glm-5", GLM5(1000000, 202752, "")},
    {"glm-5.2", GLM5(8000000, 1048576, "\"index_topk_freq\":4,\"index_skip_topk_offset\":3,")},
    {"gpt-oss-20b", GPT_OSS(24, 32)},
    {"gpt-oss-120b", GPT_OSS(36, 128)},
    {"kimi-k2", "{\"model_type\":\"kimi_k2\"," SIZES(61, 7168, 64, 64, 18432, 163840, 131072) MLA(1536, 50000) YARN(32, 1, 1.0)
                EXPERTS(384, 8, 1, 2048, 1, 1, 1, 2.827) V3_ROUTER},
    {"llama-3-8b", LLAMA(32, 4096, 32, 128, 14336, false, 8192, "")},
    {"llama-3-70b", LLAMA(80, 8192, 64, 128, 28672, false, 8192, "")},
    {"llama-3.1-8b", LLAMA(32, 4096, 32, 128, 14336, false, 131072, LLAMA3(8))},
    {"llama-3.1-70b", LLAMA(80, 8192, 64, 128, 28672, false, 131072, LLAMA3(8))},
    {"llama-3.1-405b", LLAMA(126, 16384, 128, 128, 53248, false, 131072, LLAMA3(8))},
    {"llama-3.2-1b", LLAMA(16, 2048, 32, 64, 8192, true, 131072, LLAMA3(32))},
    {"llama-3.2-3b", LLAMA(28, 3072, 24, 128, 8192, true, 131072, LLAMA3(32))},
    {"qwen2-0.5b", QWEN2(24, 896, 14, 2, 4864, 151936, true)},
    {"qwen2-1.5b", QWEN2(28, 1536, 12, 2, 8960, 151936, true)},
    {"qwen2-7b", QWEN2(28, 3584, 28, 4, 18944, 152064, false)},
    {"qwen2.5-0.5b", QWEN2(24, 896, 14, 2, 4864, 151936, true)},
    {"qwen2.5-1.5b", QWEN2(28, 1536, 12, 2, 8960, 151936, true)},
    {"qwen2.5-3b", QWEN2(36, 2048, 16, 2, 11008, 151936, true)},
    {"qwen2.5-7b", QWEN2(28, 3584, 28, 4, 18944, 152064, false)},
    {"qwen2.5-14b", QWEN2(48, 5120, 40, 8, 13824, 152064, false)},
    {"qwen2.5-32b", QWEN2(64, 5120, 40, 8, 27648, 152064, false)},
    {"qwen2.5-72b", QWEN2(80, 8192, 64, 8, 29568, 152064, false)},
    {"qwen3-0.6b", QWEN3(28, 1024, 16, 3072, true)},
    {"qwen3-1.7b", QWEN3(28, 2048, 16, 6144, true)},
    {"qwen3-4b", QWEN3(36, 2560, 32, 9728, true)},
    {"qwen3-8b", QWEN3(36, 4096, 32, 12288, false)},
    {"qwen3-14b", QWEN3(40, 5120, 40, 17408, false)},
    {"qwen3-32b", QWEN3(64, 5120, 64, 25600, false)},
    {"qwen3-30b-a3b", QWEN3_MOE(48, 2048, 32, 4, 128, 768, 6144, 1000000, 40960)},
    {"qwen3-235b-a22b", QWEN3_MOE(94, 4096, 64, 4, 128, 1536, 12288, 1000000, 40960)},
    {"qwen3-coder-480b-a35b", QWEN3_MOE(62, 6144, 96, 8, 160, 2560, 8192, 10000000, 262144)},
};
/* clang-format on */
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

const char *suan__shape_name(size_t i) {
    return i < N_SHAPES ? shapes[i].name : NULL;
}

suan_status suan__shape_config(const char *name, json_t **config, suan_error *err) {
    char list[1024] = "";
    *config = NULL;
    for (size_t i = 0; i < N_SHAPES; i++) {
        if (strcmp(shapes[i].name, name) == 0) return suan__json_load(shapes[i].config, strlen(shapes[i].config), name, config, err);
        size_t at = strlen(list), n = strlen(shapes[i].name);
        if (at + n + 3 < sizeof list) {
            memcpy(list + at, i ? ", " : "", i ? 3 : 1);
            memcpy(list + at + (i ? 2 : 0), shapes[i].name, n + 1);
        }
    }
    return suan__fail(err, SUAN_ENOTFOUND, "\"%s\" is no shape that is known by name; there are %s", name, list);
}
