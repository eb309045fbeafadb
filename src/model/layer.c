/* layer.c: what families with a standard transformer layer share: their tensors and the order of the parts. */
#include "model/binder.h"

void suan__bind_gqa(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, nq = hp->n_head * hp->head_dim, nkv = hp->n_head_kv * hp->head_dim;
    suan__bind_vector(b, &l->attn_norm, i, SUAN_NAMES("model.layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight"), d, false);
    suan__bind_matrix(b, &l->wq, i, SUAN_NAMES("model.layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight"), nq, d, false);
    suan__bind_matrix(b, &l->wk, i, SUAN_NAMES("model.layers.%u.self_attn.k_proj.weight", "blk.%u.attn_k.weight"), nkv, d, false);
    suan__bind_matrix(b, &l->wv, i, SUAN_NAMES("model.layers.%u.self_attn.v_proj.weight", "blk.%u.attn_v.weight"), nkv, d, false);
    suan__bind_matrix(b, &l->wo, i, SUAN_NAMES("model.layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight"), d, nq, false);
    if (hp->has_qkv_bias) {
        suan__bind_vector(b, &l->bq, i, SUAN_NAMES("model.layers.%u.self_attn.q_proj.bias", "blk.%u.attn_q.bias"), nq, false);
        suan__bind_vector(b, &l->bk, i, SUAN_NAMES("model.layers.%u.self_attn.k_proj.bias", "blk.%u.attn_k.bias"), nkv, false);
        suan__bind_vector(b, &l->bv, i, SUAN_NAMES("model.layers.%u.self_attn.v_proj.bias", "blk.%u.attn_v.bias"), nkv, false);
    }
    if (hp->has_qk_norm) {
        suan__bind_vector(b, &l->q_norm, i, SUAN_NAMES("model.layers.%u.self_attn.q_norm.weight", "blk.%u.attn_q_norm.weight"),
                          hp->head_dim, false);
        suan__bind_vector(b, &l->k_norm, i, SUAN_NAMES("model.layers.%u.self_attn.k_norm.weight", "blk.%u.attn_k_norm.weight"),
                          hp->head_dim, false);
    }
}

static void bind_dense(suan__binder *b, suan__layer *l, uint32_t i, uint32_t d, uint32_t n_ff) {
    suan__bind_matrix(b, &l->gate, i, SUAN_NAMES("model.layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight"), n_ff, d, false);
    suan__bind_matrix(b, &l->up, i, SUAN_NAMES("model.layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight"), n_ff, d, false);
    suan__bind_matrix(b, &l->down, i, SUAN_NAMES("model.layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight"), d, n_ff, false);
}

static void bind_moe(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    uint32_t d = hp->n_embd, m = hp->n_ff_exp, e = hp->n_expert;
    suan__bind_matrix(b, &l->router, i, SUAN_NAMES("model.layers.%u.mlp.gate.weight", "blk.%u.ffn_gate_inp.weight"), e, d, true);
    /* Old GGUF files of models without a bias leave it out; a checkpoint of this kind always has it, and without it chooses other experts. */
    if (hp->gating == SUAN__GATING_SIGMOID)
        suan__bind_vector(b, &l->router_bias, i, SUAN_NAMES("model.layers.%u.mlp.gate.e_score_correction_bias", "blk.%u.exp_probs_b.bias"),
                          e, b->ck->kind == SUAN__CHECKPOINT_GGUF);
    suan__bind_experts(b, &l->gate_exps, i, SUAN_NAMES("model.layers.%u.mlp.experts.%u.gate_proj.weight", "blk.%u.ffn_gate_exps.weight"), e,
                       m, d);
    suan__bind_experts(b, &l->up_exps, i, SUAN_NAMES("model.layers.%u.mlp.experts.%u.up_proj.weight", "blk.%u.ffn_up_exps.weight"), e, m,
                       d);
    suan__bind_experts(b, &l->down_exps, i, SUAN_NAMES("model.layers.%u.mlp.experts.%u.down_proj.weight", "blk.%u.ffn_down_exps.weight"), e,
                       d, m);
    if (!hp->n_expert_shared) return;
    uint32_t s = hp->n_expert_shared * m;
    suan__bind_matrix(b, &l->gate, i, SUAN_NAMES("model.layers.%u.mlp.shared_experts.gate_proj.weight", "blk.%u.ffn_gate_shexp.weight"), s,
                      d, false);
    suan__bind_matrix(b, &l->up, i, SUAN_NAMES("model.layers.%u.mlp.shared_experts.up_proj.weight", "blk.%u.ffn_up_shexp.weight"), s, d,
                      false);
    suan__bind_matrix(b, &l->down, i, SUAN_NAMES("model.layers.%u.mlp.shared_experts.down_proj.weight", "blk.%u.ffn_down_shexp.weight"), d,
                      s, false);
}

void suan__bind_ffn(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    suan__bind_vector(b, &l->ffn_norm, i, SUAN_NAMES("model.layers.%u.post_attention_layernorm.weight", "blk.%u.ffn_norm.weight"),
                      hp->n_embd, false);
    if (hp->layer_is_moe && hp->layer_is_moe[i])
        bind_moe(b, hp, l, i);
    else
        bind_dense(b, l, i, hp->n_embd, hp->n_ff);
}

bool suan__may_leave_out(const suan__model *m) {
    return !m->hp.n_stream; /* DeepSeek-V4 has layers of its own */
}

void suan__layer_standard(suan__worker *w, const suan__layer *l, uint32_t i, suan__attention_fn *attention) {
    attention(w, l, i);
    if (!suan__part_leave_out(w, i)) return;
    suan__part_residual_norm(w, l->ffn_norm);
    if (l->router.data)
        suan__part_moe(w, l, i);
    else
        suan__part_ffn(w, l);
    suan__part_end_layer(w, l);
}

void suan__layer_gqa(suan__worker *w, const suan__layer *l, uint32_t i) {
    suan__layer_standard(w, l, i, suan__part_gqa);
}
