/* family.h: what a model family is made of, and the helpers its file is written with. */
#ifndef SUAN_MODEL_FAMILY_H
#define SUAN_MODEL_FAMILY_H

#include "model/model.h"

/* ---- reading hyperparameters: one call a value, whatever the container ---- */

typedef struct suan__reader {
    const suan__checkpoint *ck;
    suan__arena *arena;
    suan_error *err;
    suan_status status; /* the first failure; later reads do nothing */
} suan__reader;

/* hf: path in config.json (two spellings as "a|b", the first that is there wins); gguf: key behind "<arch>." ; either may be NULL (then the
 * value stays). lo..hi: the range accepted. */
void suan__read_u32(suan__reader *r, const char *hf, const char *gguf, bool required, uint32_t lo, uint32_t hi, uint32_t *out);
void suan__read_f32(suan__reader *r, const char *hf, const char *gguf, bool required, double lo, double hi, float *out);
void suan__read_f64(suan__reader *r, const char *hf, const char *gguf, bool required, double lo, double hi, double *out);
void suan__read_bool(suan__reader *r, const char *hf, const char *gguf, bool required, bool *out);
/* The string at hf (NULL when absent). */
const char *suan__read_hf_str(suan__reader *r, const char *hf);
/* Fails the reader (once). */
void suan__reader_fail(suan__reader *r, suan_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "config.json" or the GGUF's path, for messages. */
const char *suan__reader_file(const suan__reader *r);
bool suan__reader_is_gguf(const suan__reader *r);

/* Sizes, norms, embedding and head: what all families share. */
void suan__read_common(suan__reader *r, suan__hparams *hp);
/* Fills rope_freq and rope_factor for n_rot values. deepseek: the magnitude goes into *attn_mscale (what the softmax scale is multiplied
 * by, squared) as DeepSeek's code does. */
void suan__read_rope(suan__reader *r, suan__hparams *hp, bool deepseek, double *attn_mscale);
/* Two sets of frequencies: rope_freq with the base alone, far_freq with the base of compressed layers and the scaling, whose magnitude is left out (DeepSeek-V4). */
void suan__read_rope_pair(suan__reader *r, suan__hparams *hp);
/* The latest `window` positions in the layers that config.json's layer_types or GGUF's sliding_window_pattern name; where neither is there, in those that `is_windowed` says. */
void suan__read_windows(suan__reader *r, suan__hparams *hp, uint32_t window, bool (*is_windowed)(uint32_t i_layer, uint32_t arg),
                        uint32_t arg);
bool suan__window_from(uint32_t i_layer, uint32_t first);
/* Every layer with an index >= first that is a multiple of freq is a mixture of experts. */
void suan__set_moe_layers(suan__reader *r, suan__hparams *hp, uint32_t first, uint32_t freq);

/* ---- binding tensors ---- */

/* A list of what has to be read: made by a walk over the graph, used to measure and to load. */
typedef struct suan__binder suan__binder;

/* Names are formats with the layer as %u; "" or NULL: this container does not have it. In GGUF names ".weight" is written out. */
typedef struct suan__names {
    const char *hf, *gguf;
} suan__names;
#define SUAN_NAMES(hf_, gguf_) ((suan__names){(hf_), (gguf_)})

/* A vector of n floats (F32, F16, BF16 in the file). optional: *v stays NULL when it is absent. */
void suan__bind_vector(suan__binder *b, float **v, uint32_t layer, suan__names names, uint32_t n, bool optional);
/* A matrix of n_rows outputs and n_cols inputs. exact: see suan__weight. */
void suan__bind_matrix(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols, bool exact);
/* A matrix that decides what is selected: it meets f32 activations, and is never written in blocks. */
void suan__bind_precise(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols);
/* n_slices matrices one behind the other in one tensor: rows [n_slices * n_rows], or GGUF's three dimensions. */
void suan__bind_slices(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_slices, uint32_t n_rows,
                       uint32_t n_cols);
/* n_rows vectors of n_cols floats, one behind the other. */
void suan__bind_table(suan__binder *b, float **v, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols);
/* The same of integers (I32 or I64), each below `limit`. */
void suan__bind_ids(suan__binder *b, int32_t **v, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols, uint32_t limit);
/* n_expert matrices: hf has one tensor each (second %u in the name), gguf one of three dimensions. */
void suan__bind_experts(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_expert, uint32_t n_rows,
                        uint32_t n_cols);
/* The two halves of kv_b (rows: per head [nope | v_dim]) or GGUF's split k_b and v_b. */
void suan__bind_kv_b(suan__binder *b, suan__weight *wk_b, suan__weight *wv_b, uint32_t layer);

/* The walk of a whole model: embedding, norm, head, and the family's layers. */
void suan__bind_model(suan__binder *b, const suan__family *family);
bool suan__binder_has(const suan__binder *b, uint32_t layer, suan__names names);
const suan__hparams *suan__binder_hparams(const suan__binder *b);

/* ---- the parts of a layer: all threads of the pool run them together ----
 *
 * A part does not end its last operation: suan__part_residual_norm and suan__part_end_layer do, and work on what it left. */

typedef struct suan__worker suan__worker;

/* x += the output of the last part, then h = rms_norm(x), also rounded for the products that take it. */
void suan__part_residual_norm(suan__worker *w, const float *norm);
/* Behind a layer's attention. In the last one, tokens whose states nobody wants are left out and the others move up (suan__step_only_logits); false: none is left, and all
 * operations have ended. */
bool suan__part_leave_out(suan__worker *w, uint32_t i_layer);
/* The end of a layer: x += the output of its last part, and h for the next layer if there is one. Every layer's function ends with it; the first finds h ready. */
void suan__part_end_layer(suan__worker *w, const suan__layer *l);
/* h to the part's output: grouped-query attention; absorbed multi-head latent attention. */
void suan__part_gqa(suan__worker *w, const suan__layer *l, uint32_t i_layer);
void suan__part_mla(suan__worker *w, const suan__layer *l, uint32_t i_layer);
/* SwiGLU, dense; mixture of experts with its shared expert if it has one. */
void suan__part_ffn(suan__worker *w, const suan__layer *l);
void suan__part_moe(suan__worker *w, const suan__layer *l, uint32_t i_layer);

/* ---- a family ---- */

struct suan__family {
    const char *name;               /* for people */
    const char *const *model_types; /* config.json's model_type; NULL at the end */
    const char *gguf_arch;          /* general.architecture */
    /* Hugging Face's names where they are not the usual ones; NULL: model.embed_tokens.weight, model.norm.weight, lm_head.weight, model.layers., and none. hf_ahead: the prefix of
     * modules behind the trunk where they are not numbered on. */
    const char *hf_embd, *hf_norm, *hf_head, *hf_layers, *hf_ahead;
    bool has_ahead;        /* the modules behind the trunk are known (ahead.h) */
    bool gguf_interleaves; /* GGUF's rows of q and k are interleaved where Hugging Face's are half-split */
    void (*read)(suan__reader *r, suan__hparams *hp);
    void (*bind)(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i_layer);
    void (*layer)(suan__worker *w, const suan__layer *l, uint32_t i_layer);
};

extern const suan__family suan__family_llama, suan__family_qwen2, suan__family_qwen3, suan__family_qwen3_moe, suan__family_deepseek_v2,
    suan__family_deepseek_v3, suan__family_deepseek_v32, suan__family_deepseek_v4, suan__family_glm_dsa, suan__family_gpt_oss;

/* What the families with a standard transformer layer share: tensors of grouped-query attention, of the network behind it, and the layer itself: attention, residual, norm,
 * network or mixture, residual. */
typedef void suan__attention_fn(suan__worker *w, const suan__layer *l, uint32_t i_layer);
bool suan__may_leave_out(const suan__model *m); /* whether its layers are of this kind */
void suan__layer_standard(suan__worker *w, const suan__layer *l, uint32_t i_layer, suan__attention_fn *attention);
void suan__bind_gqa(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i_layer);
void suan__bind_ffn(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i_layer);
void suan__layer_gqa(suan__worker *w, const suan__layer *l, uint32_t i_layer);

/* What the families with DeepSeek-V3's graph share. */
void suan__read_deepseek_v3(suan__reader *r, suan__hparams *hp);
void suan__bind_deepseek(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i_layer);
void suan__layer_deepseek(suan__worker *w, const suan__layer *l, uint32_t i_layer);
/* The lightning indexer: its sizes, and its tensors over positions (DeepSeek-V3.2, GLM-5). */
void suan__read_indexer(suan__reader *r, suan__hparams *hp);
void suan__bind_indexer(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i_layer);

#endif
