/* hparams.c: hyperparameters that all families share, the relations between them, and finding the family of a checkpoint. */
#include <stdio.h>
#include <string.h>

#include "model/family.h"

static const suan__family *const families[] = {
    &suan__family_llama,       &suan__family_qwen2,        &suan__family_qwen3,       &suan__family_qwen3_moe, &suan__family_deepseek_v2,
    &suan__family_deepseek_v3, &suan__family_deepseek_v32, &suan__family_deepseek_v4, &suan__family_glm_dsa,   &suan__family_gpt_oss,
};
#define MAX_WIDTH (1u << 28) /* of all heads, or all shared experts: products of two sizes that the rest may hold in 32 bits */
#define N_FAMILIES (sizeof families / sizeof families[0])

/* GGUF has one architecture for DeepSeek-V2 and V3, told apart by the router: softmax is V2. Old files lack the key; then only V3 has a
 * selection bias. */
static bool gguf_is_sigmoid(const suan__checkpoint *ck) {
    uint32_t gating = 0;
    suan__gguf_u32(ck->gguf, "deepseek2.expert_gating_func", false, &gating, NULL);
    if (gating) return gating == SUAN__GATING_SIGMOID;
    for (uint64_t i = 0; i < ck->n_tensors; i++)
        if (strstr(ck->tensors[i].name, ".exp_probs_b")) return true;
    return false;
}

static bool gguf_matches(const suan__family *f, const suan__checkpoint *ck, suan__gguf_string arch) {
    if (strlen(f->gguf_arch) != arch.n || memcmp(f->gguf_arch, arch.data, arch.n) != 0) return false;
    if (f != &suan__family_deepseek_v2 && f != &suan__family_deepseek_v3) return true;
    return gguf_is_sigmoid(ck) == (f == &suan__family_deepseek_v3);
}

static bool hf_matches(const suan__family *f, const char *model_type) {
    for (const char *const *t = f->model_types; *t; t++)
        if (strcmp(*t, model_type) == 0) return true;
    return false;
}

static suan_status unknown_family(const suan__checkpoint *ck, const char *what, const char *name, size_t n, suan_error *err) {
    char known[256] = "";
    for (size_t i = 0, at = 0; i < N_FAMILIES && at < sizeof known; i++) {
        if (strcmp(what, "model_type")) {
            if (i && strcmp(families[i]->gguf_arch, families[i - 1]->gguf_arch) == 0) continue;
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", families[i]->gguf_arch);
        } else {
            for (const char *const *t = families[i]->model_types; *t && at < sizeof known; t++)
                at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", *t);
        }
    }
    return suan__fail(err, SUAN_EUNSUPPORTED, "%s: %s is \"%.*s\", known are %s", ck->path, what, (int)(n < 64 ? n : 64), name, known);
}

suan_status suan__family_find(const suan__family **family, const suan__checkpoint *ck, suan_error *err) {
    *family = NULL;
    if (ck->kind == SUAN__CHECKPOINT_GGUF) {
        suan__gguf_string arch = {0};
        SUAN_TRY(suan__gguf_str(ck->gguf, "general.architecture", true, &arch, err));
        for (size_t i = 0; i < N_FAMILIES && !*family; i++)
            if (gguf_matches(families[i], ck, arch)) *family = families[i];
        return *family ? SUAN_OK : unknown_family(ck, "general.architecture", arch.data, arch.n, err);
    }
    const char *model_type = NULL;
    SUAN_TRY(suan__config_str(ck, "model_type", true, &model_type, err));
    for (size_t i = 0; i < N_FAMILIES && !*family; i++)
        if (hf_matches(families[i], model_type)) *family = families[i];
    return *family ? SUAN_OK : unknown_family(ck, "model_type", model_type, strlen(model_type), err);
}

const char *suan__family_arch(const suan__family *family) {
    return family->gguf_arch;
}

/* A GGUF may leave vocab_size out: the embedding matrix tells. */
static void read_n_vocab(suan__reader *r, suan__hparams *hp) {
    suan__read_u32(r, "vocab_size", NULL, true, 1, 1u << 24, &hp->n_vocab);
    if (!suan__reader_is_gguf(r) || r->status != SUAN_OK) return;
    const suan__tensor *t = suan__checkpoint_find(r->ck, "token_embd.weight");
    if (!t || t->n_dims != 2 || t->ne[1] < 1 || t->ne[1] > 1u << 24)
        suan__reader_fail(r, SUAN_EFORMAT, "tensor token_embd.weight is missing or is no matrix");
    else
        hp->n_vocab = (uint32_t)t->ne[1];
}

void suan__read_common(suan__reader *r, suan__hparams *hp) {
    suan__read_u32(r, "num_nextn_predict_layers", "nextn_predict_layers", false, 0, 16, &hp->n_nextn);
    suan__read_u32(r, "num_hidden_layers", "block_count", true, 1, 4096, &hp->n_layer);
    if (r->status == SUAN_OK && suan__reader_is_gguf(r)) {
        if (hp->n_nextn >= hp->n_layer)
            suan__reader_fail(r, SUAN_ERANGE, "nextn_predict_layers is %u, expected less than block_count %u", hp->n_nextn, hp->n_layer);
        else
            hp->n_layer -= hp->n_nextn;
    }
    suan__read_u32(r, "hidden_size", "embedding_length", true, 1, 1u << 20, &hp->n_embd);
    suan__read_u32(r, "intermediate_size", "feed_forward_length", false, 1, 1u << 24, &hp->n_ff);
    suan__read_u32(r, "num_attention_heads", "attention.head_count", true, 1, 65536, &hp->n_head);
    hp->n_head_kv = hp->n_head;
    suan__read_u32(r, "num_key_value_heads", "attention.head_count_kv", false, 1, 65536, &hp->n_head_kv);
    hp->n_ctx_train = 2048;
    suan__read_u32(r, "max_position_embeddings", "context_length", true, 1, 1u << 30, &hp->n_ctx_train);
    suan__read_f32(r, "rms_norm_eps", "attention.layer_norm_rms_epsilon", true, 1e-12, 0.1, &hp->rms_eps);
    read_n_vocab(r, hp);
    if (suan__reader_is_gguf(r)) {
        hp->tied = suan__checkpoint_find(r->ck, "output.weight") == NULL;
    } else {
        suan__read_bool(r, "tie_word_embeddings", NULL, false, &hp->tied);
        const char *act = suan__read_hf_str(r, "hidden_act");
        if (act && strcmp(act, "silu") != 0) suan__reader_fail(r, SUAN_EUNSUPPORTED, "hidden_act is \"%.40s\", expected \"silu\"", act);
    }
}

void suan__set_moe_layers(suan__reader *r, suan__hparams *hp, uint32_t first, uint32_t freq) {
    if (r->status != SUAN_OK || hp->n_expert == 0) return;
    hp->layer_is_moe = SUAN_ARENA_NEW(r->arena, bool, hp->n_layer);
    if (!hp->layer_is_moe) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer; i++) hp->layer_is_moe[i] = i >= first && i % freq == 0;
}

static bool any_moe(const suan__hparams *hp) {
    for (uint32_t i = 0; hp->layer_is_moe && i < hp->n_layer; i++)
        if (hp->layer_is_moe[i]) return true;
    return false;
}

static bool any_dense(const suan__hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layer; i++)
        if (!hp->layer_is_moe || !hp->layer_is_moe[i]) return true;
    return false;
}

/* The relations between fields: everything that sizes or indexes a buffer follows from these. */
static suan_status check_relations(const suan__hparams *hp, const char *file, suan_error *err) {
#define RELATION(cond, ...)                                             \
    do {                                                                \
        if (!(cond)) {                                                  \
            char text_[256];                                            \
            snprintf(text_, sizeof text_, __VA_ARGS__);                 \
            return suan__fail(err, SUAN_ERANGE, "%s: %s", file, text_); \
        }                                                               \
    } while (0)
    RELATION(hp->n_head % hp->n_head_kv == 0, "the number of attention heads %u is no multiple of the number of key/value heads %u",
             hp->n_head, hp->n_head_kv);
    RELATION(hp->head_dim >= 1 && hp->head_dim <= 65536, "the head size is %u, expected 1 to 65536", hp->head_dim);
    RELATION(hp->n_rot >= 2 && hp->n_rot % 2 == 0, "the rotary width is %u, expected an even number", hp->n_rot);
    RELATION(hp->n_rot <= hp->head_dim, "the rotary width %u is greater than the head size %u", hp->n_rot, hp->head_dim);
    uint32_t widest = hp->head_dim > hp->nope + hp->rope ? hp->head_dim : hp->nope + hp->rope;
    if (hp->v_dim > widest) widest = hp->v_dim;
    RELATION((uint64_t)hp->n_head * widest <= MAX_WIDTH, "%u attention heads of %u values are more than %u", hp->n_head, widest, MAX_WIDTH);
    RELATION((uint64_t)hp->n_expert_shared * hp->n_ff_exp <= MAX_WIDTH, "%u shared experts of %u values are more than %u",
             hp->n_expert_shared, hp->n_ff_exp, MAX_WIDTH);
    RELATION(!any_dense(hp) || hp->n_ff > 0, "intermediate_size / feed_forward_length is missing");
    if (hp->kv_lora) {
        RELATION(hp->head_dim == hp->kv_lora + hp->rope, "the cached row of %u is not kv_lora_rank %u + qk_rope_head_dim %u", hp->head_dim,
                 hp->kv_lora, hp->rope);
        RELATION(hp->nope > 0 && hp->v_dim > 0, "qk_nope_head_dim %u and v_head_dim %u must be positive", hp->nope, hp->v_dim);
        RELATION(hp->n_rot == hp->rope, "the rotary width %u is not qk_rope_head_dim %u", hp->n_rot, hp->rope);
    }
    if (hp->index_topk) {
        RELATION((hp->index_dim & (hp->index_dim - 1)) == 0, "index_head_dim is %u, expected a power of two", hp->index_dim);
        RELATION(hp->n_rot <= hp->index_dim, "the rotary width %u is greater than index_head_dim %u", hp->n_rot, hp->index_dim);
        RELATION(hp->q_lora > 0, "q_lora_rank is missing: the indexer's queries are made from it");
    }
    RELATION(!hp->window || (hp->n_rot < hp->head_dim && hp->n_rot < hp->index_dim),
             "the rotary width %u is not below the head sizes %u and %u", hp->n_rot, hp->head_dim, hp->index_dim);
    RELATION((uint64_t)hp->n_out_group * hp->out_lora <= MAX_WIDTH, "o_groups %u of o_lora_rank %u values are more than %u",
             hp->n_out_group, hp->out_lora, MAX_WIDTH);
    RELATION((uint64_t)hp->n_index_head * hp->index_dim <= MAX_WIDTH, "index_n_heads %u of %u values are more than %u", hp->n_index_head,
             hp->index_dim, MAX_WIDTH);
    if (any_moe(hp)) {
        RELATION(hp->n_expert_used >= 1 && hp->n_expert_used <= hp->n_expert, "experts per token %u is not 1 to the number of experts %u",
                 hp->n_expert_used, hp->n_expert);
        RELATION(hp->n_ff_exp > 0, "the experts' width is missing");
        RELATION(hp->n_group >= 1 && hp->n_expert % hp->n_group == 0, "the number of experts %u is no multiple of n_group %u", hp->n_expert,
                 hp->n_group);
        RELATION(hp->n_group_used >= 1 && hp->n_group_used <= hp->n_group, "topk_group %u is not 1 to n_group %u", hp->n_group_used,
                 hp->n_group);
        RELATION((uint64_t)hp->n_group_used * (hp->n_expert / hp->n_group) >= hp->n_expert_used,
                 "topk_group %u groups of %u experts hold fewer than %u", hp->n_group_used, hp->n_expert / hp->n_group, hp->n_expert_used);
        RELATION(hp->n_group == 1 || hp->group_score != SUAN__GROUP_TOP2 || hp->n_expert / hp->n_group >= 2,
                 "groups of one expert have no two best");
    }
#undef RELATION
    return SUAN_OK;
}

suan_status suan__hparams_read(suan__hparams *hp, const suan__family *family, const suan__checkpoint *ck, suan__arena *arena,
                               suan_error *err) {
    memset(hp, 0, sizeof *hp);
    hp->n_group = hp->n_group_used = 1;
    hp->expert_scale = 1;
    hp->rope_factor = 1;
    hp->inner_eps = 1e-6f;
    suan__reader r = {.ck = ck, .arena = arena, .err = err, .status = SUAN_OK};
    suan__read_common(&r, hp);
    family->read(&r, hp);
    SUAN_TRY(r.status);
    return check_relations(hp, ck->path, err);
}
