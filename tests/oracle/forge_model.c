/* forge_model.c: model files made by the tests. */
#include "forge_model.h"

#include <stdio.h>
#include <string.h>

#include "../base/cmocka_all.h"
#include "base/random.h"
#include "formats/checkpoint.h"
#include "formats/gguf_write.h"
#include "kernels/kernels.h"

#define OK(call)                                                \
    do {                                                        \
        if ((call) != SUAN_OK) fail_msg("%s", ok_err_.message); \
    } while (0)
#define ERR (&ok_err_)
static suan_error ok_err_;

static float *unit_values(uint32_t stream, uint64_t n) {
    float *x = test_malloc(n * sizeof *x);
    for (uint64_t i = 0; i < n; i += 4) {
        uint32_t counter[4] = {(uint32_t)(i / 4), 0, stream, 0}, key[2] = {0x73756e61, 7}, out[4];
        suan__philox4x32(counter, key, out);
        for (uint64_t j = i; j < n && j < i + 4; j++) x[j] = 2 * suan__unit_f32(out[j - i]) - 1;
    }
    return x;
}

/* ---- another type
 * ------------------------------------------------------------------------------------------------------------------------- */

static bool is_router(const suan__tensor *t) {
    return strstr(t->name, "ffn_gate_inp.") != NULL;
}

static bool takes(const suan__tensor *t, suan__dtype type) {
    return t->ne[0] % suan__dtype_get(type)->block == 0;
}

static bool is_bias(const suan__tensor *t) {
    size_t n = strlen(t->name);
    return n > 5 && strcmp(t->name + n - 5, ".bias") == 0;
}

static bool is_matrix(const suan__tensor *t) {
    return t->n_dims >= 2 && !is_router(t) && !is_bias(t) && t->type != SUAN__I32 && !strstr(t->name, "_ape.") && !strstr(t->name, "hc_");
}

static uint64_t rows_of(const suan__tensor *t) {
    return t->ne[1] * t->ne[2] * t->ne[3];
}

static uint64_t row_bytes(suan__dtype type, uint64_t n) {
    const suan__dtype_info *info = suan__dtype_get(type);
    return n / info->block * info->bytes;
}

/* Where a block of 256 has its scales (binary16), and scales with which values are some 0.05 in size: only these bytes are not random. */
static const struct {
    suan__dtype type;
    int d_at, dmin_at; /* -1: none */
    float d, dmin;
} scales[] = {
    {SUAN__Q2_K, 80, 82, 0.004f, 0.006f}, {SUAN__Q3_K, 108, -1, 0.0015f, 0}, {SUAN__Q4_K, 0, 2, 0.0004f, 0.003f},
    {SUAN__Q5_K, 0, 2, 0.0002f, 0.003f},  {SUAN__Q6_K, 208, -1, 0.0001f, 0}, {SUAN__IQ4_XS, 0, -1, 0.0001f, 0},
    {SUAN__IQ2_XXS, 0, -1, 0.0015f, 0},   {SUAN__TQ2_0, 64, -1, 0.05f, 0},
};

static void put_half(unsigned char *dst, float value) {
    uint16_t half;
    suan__quantize_row(SUAN__F16, &half, &value, 1);
    dst[0] = (unsigned char)half;
    dst[1] = (unsigned char)(half >> 8);
}

static void random_row(suan__dtype type, unsigned char *dst, uint64_t n_blocks, uint32_t stream) {
    uint32_t size = suan__dtype_get(type)->bytes, out[4], key[2] = {stream, 11};
    size_t s = 0;
    while (scales[s].type != type) assert_true(++s < sizeof scales / sizeof *scales);
    for (uint32_t b = 0; b < n_blocks; b++, dst += size) {
        for (uint32_t i = 0; i < size; i++) {
            if (i % 16 == 0) suan__philox4x32((uint32_t[4]){b, i, 0, 0}, key, out);
            dst[i] = (unsigned char)(out[i % 16 / 4] >> (8 * (i % 4)));
        }
        float factor = 1 + suan__unit_f32(out[0]);
        put_half(dst + scales[s].d_at, scales[s].d * factor);
        if (scales[s].dmin_at >= 0) put_half(dst + scales[s].dmin_at, scales[s].dmin * factor);
    }
}

static void convert_row(suan__dtype to, unsigned char *dst, suan__dtype from, const unsigned char *src, float *values, uint64_t n) {
    suan__dequantize_row(from, values, src, n);
    if (to == SUAN__F32)
        memcpy(dst, values, n * sizeof *values);
    else
        assert_true(suan__quantize_row(to, dst, values, n));
}

static void write_tensor(suan__gguf_writer *w, suan__out *out, const suan__checkpoint *ck, uint64_t i_tensor, suan__dtype type,
                         bool random) {
    const suan__tensor *t = &ck->tensors[i_tensor];
    uint64_t src_bytes = row_bytes(t->type, t->ne[0]), dst_bytes = row_bytes(type, t->ne[0]), n_rows = rows_of(t);
    unsigned char *src = test_malloc(n_rows * src_bytes), *dst = test_malloc(n_rows * dst_bytes);
    float *values = test_malloc(t->ne[0] * sizeof *values);
    OK(suan__checkpoint_read(ck, t, 0, src, n_rows * src_bytes, ERR));
    for (uint64_t r = 0; r < n_rows; r++) {
        if (type == t->type)
            memcpy(dst + r * dst_bytes, src + r * src_bytes, dst_bytes);
        else if (random)
            random_row(type, dst + r * dst_bytes, t->ne[0] / suan__dtype_get(type)->block, (uint32_t)(i_tensor << 16 | r));
        else
            convert_row(type, dst + r * dst_bytes, t->type, src + r * src_bytes, values, t->ne[0]);
    }
    OK(suan__gguf_write_data(w, out, dst, n_rows * dst_bytes, ERR));
    test_free(src);
    test_free(dst);
    test_free(values);
}

static void put_header(suan__gguf_writer *w, const suan__checkpoint *ck, suan__dtype type, suan__out *out) {
    for (uint64_t i = 0; i < ck->gguf->n_values; i++) {
        const suan__gguf_value *v = &ck->gguf->values[i];
        if (v->key.n == 17 && memcmp(v->key.data, "general.alignment", 17) == 0) continue;
        OK(suan__gguf_put_value(w, v, ERR));
    }
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        const suan__tensor *t = &ck->tensors[i];
        OK(suan__gguf_put_tensor(w, t->name, is_matrix(t) && takes(t, type) ? type : t->type, t->n_dims, t->ne, ERR));
    }
    OK(suan__gguf_write_header(w, out, ERR));
}

static int rewrite(const char *from, const char *to, suan__dtype type, bool random) {
    suan__checkpoint *ck;
    suan__gguf_writer w;
    suan__out out;
    int n_kept = 0;
    OK(suan__checkpoint_open(&ck, from, ERR));
    OK(suan__gguf_writer_init(&w, 32, ERR));
    OK(suan__out_open(&out, to, ERR));
    put_header(&w, ck, type, &out);
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        const suan__tensor *t = &ck->tensors[i];
        bool changes = is_matrix(t) && takes(t, type);
        n_kept += is_matrix(t) && !changes;
        write_tensor(&w, &out, ck, i, changes ? type : t->type, random);
    }
    OK(suan__gguf_write_finish(&w, &out, ERR));
    suan__gguf_writer_fini(&w);
    suan__checkpoint_close(&ck);
    return n_kept;
}

int forge_requantize(const char *from, const char *to, suan__dtype type) {
    return rewrite(from, to, type, false);
}

int forge_randomize(const char *from, const char *to, suan__dtype type) {
    return rewrite(from, to, type, true);
}

bool forge_divides(const char *from, suan__dtype type) {
    suan__checkpoint *ck;
    bool all = true;
    OK(suan__checkpoint_open(&ck, from, ERR));
    for (uint64_t i = 0; i < ck->n_tensors; i++) all = all && (!is_matrix(&ck->tensors[i]) || takes(&ck->tensors[i], type));
    suan__checkpoint_close(&ck);
    return all;
}

/* ---- random models
 * ------------------------------------------------------------------------------------------------------------------------ */

typedef struct shape {
    char name[64];
    int n_dims;
    uint64_t ne[3];
} shape;

typedef struct plan {
    suan__gguf_writer w;
    shape shapes[64];
    int n;
} plan;

static void add(plan *p, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2) {
    shape *s = &p->shapes[p->n++];
    assert_true((size_t)p->n <= sizeof p->shapes / sizeof *p->shapes);
    snprintf(s->name, sizeof s->name, "%s", name);
    s->n_dims = ne2 ? 3 : ne1 ? 2 : 1;
    s->ne[0] = ne0;
    s->ne[1] = ne1 ? ne1 : 1;
    s->ne[2] = ne2 ? ne2 : 1;
    OK(suan__gguf_put_tensor(&p->w, s->name, SUAN__F32, s->n_dims, s->ne, ERR));
}

static void add_layer(plan *p, int layer, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2) {
    char text[64];
    snprintf(text, sizeof text, "blk.%d.%s", layer, name);
    add(p, text, ne0, ne1, ne2);
}

static void put(plan *p, const char *arch, const char *key, uint32_t v) {
    char text[96];
    snprintf(text, sizeof text, "%s.%s", arch, key);
    OK(suan__gguf_put_u32(&p->w, text, v, ERR));
}

static void put_float(plan *p, const char *arch, const char *key, float v) {
    char text[96];
    snprintf(text, sizeof text, "%s.%s", arch, key);
    OK(suan__gguf_put_f32(&p->w, text, v, ERR));
}

static void put_bool(plan *p, const char *arch, const char *key, bool v) {
    char text[96];
    snprintf(text, sizeof text, "%s.%s", arch, key);
    OK(suan__gguf_put_bool(&p->w, text, v, ERR));
}

static void begin(plan *p, const char *arch) {
    OK(suan__gguf_writer_init(&p->w, 32, ERR));
    OK(suan__gguf_put_str(&p->w, "general.architecture", arch, strlen(arch), ERR));
}

static void add_frame(plan *p) {
    add(p, "token_embd.weight", 256, FORGE_N_VOCAB, 0);
    add(p, "output_norm.weight", 256, 0, 0);
    add(p, "output.weight", 256, FORGE_N_VOCAB, 0);
}

static void add_dense(plan *p, int layer) {
    add_layer(p, layer, "ffn_norm.weight", 256, 0, 0);
    add_layer(p, layer, "ffn_gate.weight", 256, 256, 0);
    add_layer(p, layer, "ffn_up.weight", 256, 256, 0);
    add_layer(p, layer, "ffn_down.weight", 256, 256, 0);
}

static void plan_llama(plan *p) {
    const char *arch = "llama";
    begin(p, arch);
    put(p, arch, "block_count", 2);
    put(p, arch, "context_length", 1024);
    put(p, arch, "embedding_length", 256);
    put(p, arch, "feed_forward_length", 256);
    put(p, arch, "attention.head_count", 4);
    put(p, arch, "attention.head_count_kv", 2);
    put(p, arch, "rope.dimension_count", 64);
    put_float(p, arch, "rope.freq_base", 10000);
    put_float(p, arch, "attention.layer_norm_rms_epsilon", 1e-5f);
    add_frame(p);
    for (int i = 0; i < 2; i++) {
        add_layer(p, i, "attn_norm.weight", 256, 0, 0);
        add_layer(p, i, "attn_q.weight", 256, 256, 0);
        add_layer(p, i, "attn_k.weight", 256, 128, 0);
        add_layer(p, i, "attn_v.weight", 256, 128, 0);
        add_layer(p, i, "attn_output.weight", 256, 256, 0);
        add_dense(p, i);
    }
}

static void add_experts(plan *p, int layer) {
    add_layer(p, layer, "ffn_norm.weight", 256, 0, 0);
    add_layer(p, layer, "ffn_gate_inp.weight", 256, 8, 0);
    add_layer(p, layer, "exp_probs_b.bias", 8, 0, 0);
    add_layer(p, layer, "ffn_gate_exps.weight", 256, 256, 8);
    add_layer(p, layer, "ffn_up_exps.weight", 256, 256, 8);
    add_layer(p, layer, "ffn_down_exps.weight", 256, 256, 8);
    add_layer(p, layer, "ffn_gate_shexp.weight", 256, 256, 0);
    add_layer(p, layer, "ffn_up_shexp.weight", 256, 256, 0);
    add_layer(p, layer, "ffn_down_shexp.weight", 256, 256, 0);
}

/* Two heads. attn_k_b has rows of qk_nope_head_dim values, so that is 256 in the split dialect. */
static void plan_deepseek(plan *p, bool split) {
    const char *arch = "deepseek2";
    const uint32_t rope = 32, nope = split ? 256 : 96, v = 128;
    begin(p, arch);
    put(p, arch, "block_count", 2);
    put(p, arch, "context_length", 1024);
    put(p, arch, "embedding_length", 256);
    put(p, arch, "feed_forward_length", 256);
    put(p, arch, "attention.head_count", 2);
    put(p, arch, "attention.head_count_kv", split ? 1 : 2);
    put(p, arch, "attention.key_length", split ? 256 + rope : nope + rope);
    put(p, arch, "attention.value_length", split ? 256 : v);
    if (split) {
        put(p, arch, "attention.key_length_mla", nope + rope);
        put(p, arch, "attention.value_length_mla", v);
    } else {
        put(p, arch, "attention.q_lora_rank", 256);
    }
    put(p, arch, "attention.kv_lora_rank", 256);
    put(p, arch, "rope.dimension_count", rope);
    put_float(p, arch, "rope.freq_base", 10000);
    put_float(p, arch, "attention.layer_norm_rms_epsilon", 1e-6f);
    put(p, arch, "leading_dense_block_count", 1);
    put(p, arch, "expert_count", 8);
    put(p, arch, "expert_used_count", 3);
    put(p, arch, "expert_shared_count", 1);
    put(p, arch, "expert_feed_forward_length", 256);
    put(p, arch, "expert_group_count", 4);
    put(p, arch, "expert_group_used_count", 2);
    put(p, arch, "expert_gating_func", 2);
    put_float(p, arch, "expert_weights_scale", 1.5f);
    put_bool(p, arch, "expert_weights_norm", true);
    add_frame(p);
    for (int i = 0; i < 2; i++) {
        add_layer(p, i, "attn_norm.weight", 256, 0, 0);
        if (split) {
            add_layer(p, i, "attn_q.weight", 256, 2 * (nope + rope), 0);
        } else {
            add_layer(p, i, "attn_q_a.weight", 256, 256, 0);
            add_layer(p, i, "attn_q_a_norm.weight", 256, 0, 0);
            add_layer(p, i, "attn_q_b.weight", 256, 2 * (nope + rope), 0);
        }
        add_layer(p, i, "attn_kv_a_mqa.weight", 256, 256 + rope, 0);
        add_layer(p, i, "attn_kv_a_norm.weight", 256, 0, 0);
        if (split) {
            add_layer(p, i, "attn_k_b.weight", nope, 256, 2);
            add_layer(p, i, "attn_v_b.weight", 256, v, 2);
        } else {
            add_layer(p, i, "attn_kv_b.weight", 256, 2 * (nope + v), 0);
        }
        add_layer(p, i, "attn_output.weight", 2 * v, 256, 0);
        if (i == 0)
            add_dense(p, i);
        else
            add_experts(p, i);
    }
}

/* Norms around 1, router biases small, matrices with a standard deviation near 1 / sqrt(256) * 1.7. */
static void fill(const shape *s, float *x, uint64_t n) {
    bool norm = strstr(s->name, "norm") != NULL;
    for (uint64_t i = 0; i < n; i++) x[i] = norm ? 1 + 0.25f * x[i] : s->n_dims == 1 ? 0.1f * x[i] : 0.1875f * x[i];
}

void forge_generate(forge_kind kind, const char *path) {
    plan p = {.n = 0};
    suan__out out;
    if (kind == FORGE_LLAMA)
        plan_llama(&p);
    else
        plan_deepseek(&p, kind == FORGE_DEEPSEEK_SPLIT);
    OK(suan__out_open(&out, path, ERR));
    OK(suan__gguf_write_header(&p.w, &out, ERR));
    for (int i = 0; i < p.n; i++) {
        const shape *s = &p.shapes[i];
        uint64_t n = s->ne[0] * s->ne[1] * s->ne[2];
        float *x = unit_values((uint32_t)kind << 16 | (uint32_t)i, n);
        fill(s, x, n);
        OK(suan__gguf_write_data(&p.w, &out, x, n * sizeof *x, ERR));
        test_free(x);
    }
    OK(suan__gguf_write_finish(&p.w, &out, ERR));
    suan__gguf_writer_fini(&p.w);
}

/* ---- the model that ships with the project
 * -------------------------------------------------------------------------------------------------- */

/* Names in both containers, %u is the layer; experts (one tensor each there, one for all here) have a second %u. */
static const struct {
    const char *hf, *gguf;
} deepseek_names[] = {
    {"model.layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight"},
    {"model.layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight"},
    {"model.layers.%u.self_attn.kv_a_proj_with_mqa.weight", "blk.%u.attn_kv_a_mqa.weight"},
    {"model.layers.%u.self_attn.kv_a_layernorm.weight", "blk.%u.attn_kv_a_norm.weight"},
    {"model.layers.%u.self_attn.kv_b_proj.weight", "blk.%u.attn_kv_b.weight"},
    {"model.layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight"},
    {"model.layers.%u.post_attention_layernorm.weight", "blk.%u.ffn_norm.weight"},
    {"model.layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight"},
    {"model.layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight"},
    {"model.layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight"},
    {"model.layers.%u.mlp.gate.weight", "blk.%u.ffn_gate_inp.weight"},
    {"model.layers.%u.mlp.gate.e_score_correction_bias", "blk.%u.exp_probs_b.bias"},
    {"model.layers.%u.mlp.experts.%u.gate_proj.weight", "blk.%u.ffn_gate_exps.weight"},
    {"model.layers.%u.mlp.experts.%u.up_proj.weight", "blk.%u.ffn_up_exps.weight"},
    {"model.layers.%u.mlp.experts.%u.down_proj.weight", "blk.%u.ffn_down_exps.weight"},
    {"model.layers.%u.mlp.shared_experts.gate_proj.weight", "blk.%u.ffn_gate_shexp.weight"},
    {"model.layers.%u.mlp.shared_experts.up_proj.weight", "blk.%u.ffn_up_shexp.weight"},
    {"model.layers.%u.mlp.shared_experts.down_proj.weight", "blk.%u.ffn_down_shexp.weight"},
};
#define N_NAMES (sizeof deepseek_names / sizeof *deepseek_names)

typedef struct export {
    const suan__checkpoint *ck;
    suan__gguf_writer w;
    suan__out out;
    bool writing; /* the second walk writes the data */
}
export;

/* n tensors of the same shape, put behind each other as one. */
static void export_tensors(export *e, const char *name, const suan__tensor *const *tensors, uint32_t n) {
    const suan__tensor *t = tensors[0];
    uint64_t ne[3] = {t->ne[0], t->ne[1], n};
    if (!e->writing) {
        OK(suan__gguf_put_tensor(&e->w, name, t->type, n > 1 ? 3 : t->n_dims, ne, ERR));
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        void *data = test_malloc(tensors[i]->n_bytes);
        OK(suan__checkpoint_read(e->ck, tensors[i], 0, data, tensors[i]->n_bytes, ERR));
        OK(suan__gguf_write_data(&e->w, &e->out, data, tensors[i]->n_bytes, ERR));
        test_free(data);
    }
}

static void export_one(export *e, const char *hf, const char *gguf) {
    const suan__tensor *t = suan__checkpoint_find(e->ck, hf);
    if (t) export_tensors(e, gguf, &t, 1);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void export_layer(export *e, uint32_t layer, uint32_t n_expert) {
    const suan__tensor *list[256];
    char hf[128], gguf[64];
    assert_true(n_expert <= 256);
    for (size_t i = 0; i < N_NAMES; i++) {
        snprintf(hf, sizeof hf, deepseek_names[i].hf, layer, 0);
        snprintf(gguf, sizeof gguf, deepseek_names[i].gguf, layer);
        if (!strstr(hf, ".experts.")) {
            export_one(e, hf, gguf);
            continue;
        }
        if (!suan__checkpoint_find(e->ck, hf)) continue; /* a dense layer */
        for (uint32_t x = 0; x < n_expert; x++) {
            snprintf(hf, sizeof hf, deepseek_names[i].hf, layer, x);
            list[x] = suan__checkpoint_find(e->ck, hf);
            assert_non_null(list[x]);
        }
        export_tensors(e, gguf, list, n_expert);
    }
}
#pragma GCC diagnostic pop

static uint32_t config_u32(export *e, const char *key) {
    uint32_t v = 0;
    OK(suan__config_u32(e->ck, key, true, &v, ERR));
    return v;
}

static void export_keys(export *e) {
    static const struct {
        const char *hf, *gguf;
    } keys[] = {
        {"num_hidden_layers", "deepseek2.block_count"},
        {"max_position_embeddings", "deepseek2.context_length"},
        {"hidden_size", "deepseek2.embedding_length"},
        {"intermediate_size", "deepseek2.feed_forward_length"},
        {"num_attention_heads", "deepseek2.attention.head_count"},
        {"kv_lora_rank", "deepseek2.attention.kv_lora_rank"},
        {"qk_rope_head_dim", "deepseek2.rope.dimension_count"},
        {"v_head_dim", "deepseek2.attention.value_length"},
        {"first_k_dense_replace", "deepseek2.leading_dense_block_count"},
        {"n_routed_experts", "deepseek2.expert_count"},
        {"num_experts_per_tok", "deepseek2.expert_used_count"},
        {"n_shared_experts", "deepseek2.expert_shared_count"},
        {"moe_intermediate_size", "deepseek2.expert_feed_forward_length"},
    };
    float scale = 0, eps = 0, theta = 0;
    OK(suan__gguf_put_str(&e->w, "general.architecture", "deepseek2", 9, ERR));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) OK(suan__gguf_put_u32(&e->w, keys[i].gguf, config_u32(e, keys[i].hf), ERR));
    OK(suan__gguf_put_u32(&e->w, "deepseek2.attention.key_length", config_u32(e, "qk_nope_head_dim") + config_u32(e, "qk_rope_head_dim"),
                          ERR));
    OK(suan__gguf_put_u32(&e->w, "deepseek2.expert_gating_func", 2, ERR));
    OK(suan__gguf_put_bool(&e->w, "deepseek2.expert_weights_norm", true, ERR));
    OK(suan__config_f32(e->ck, "routed_scaling_factor", true, &scale, ERR));
    OK(suan__config_f32(e->ck, "rms_norm_eps", true, &eps, ERR));
    OK(suan__config_f32(e->ck, "rope_theta", true, &theta, ERR));
    OK(suan__gguf_put_f32(&e->w, "deepseek2.expert_weights_scale", scale, ERR));
    OK(suan__gguf_put_f32(&e->w, "deepseek2.attention.layer_norm_rms_epsilon", eps, ERR));
    OK(suan__gguf_put_f32(&e->w, "deepseek2.rope.freq_base", theta, ERR));
}

void forge_from_deepseek(const char *dir, const char *path) {
    suan__checkpoint *ck;
    export e = {0};
    OK(suan__checkpoint_open(&ck, dir, ERR));
    e.ck = ck;
    OK(suan__gguf_writer_init(&e.w, 32, ERR));
    export_keys(&e);
    for (int walk = 0; walk < 2; walk++) {
        e.writing = walk == 1;
        if (e.writing) OK(suan__out_open(&e.out, path, ERR));
        if (e.writing) OK(suan__gguf_write_header(&e.w, &e.out, ERR));
        export_one(&e, "model.embed_tokens.weight", "token_embd.weight");
        export_one(&e, "model.norm.weight", "output_norm.weight");
        export_one(&e, "lm_head.weight", "output.weight");
        for (uint32_t i = 0; i < config_u32(&e, "num_hidden_layers"); i++) export_layer(&e, i, config_u32(&e, "n_routed_experts"));
    }
    OK(suan__gguf_write_finish(&e.w, &e.out, ERR));
    suan__gguf_writer_fini(&e.w);
    suan__checkpoint_close(&ck);
}
