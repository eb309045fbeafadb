/* inspect.c: a model's files as a JSON document. Only headers are read; what we cannot run is described all the same, with the reason. */
#include "suan/inspect.h"

#include <string.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/report.h"
#include "formats/native.h"
#include "model/packed.h"

#define CHUNK 256 /* tokens of a prefill step, as a session has by default */

typedef struct inspection {
    suan__report report;
    const suan__checkpoint *ck;
    json_t *root;
    suan__arena arena; /* of hp's tables */
    suan__hparams hp;
    bool has_hp;
} inspection;

static void set_u64(inspection *in, json_t *o, const char *key, uint64_t v) {
    suan__report_set(&in->report, o, key, suan__report_u64(&in->report, v));
}
static void set_str(inspection *in, json_t *o, const char *key, const char *v) {
    suan__report_set(&in->report, o, key, suan__report_string(&in->report, v));
}
static void set_f32(inspection *in, json_t *o, const char *key, float v) {
    suan__report_set(&in->report, o, key, suan__report_f32(&in->report, v));
}

/* ---- who it is ---- */

/* "models/seed/" is named seed. */
static void set_base_name(inspection *in, const char *path) {
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    suan__report_set(&in->report, in->root, "name", suan__report_text(&in->report, path + begin, n - begin));
}

static void set_gguf_identity(inspection *in) {
    const suan__gguf *g = in->ck->gguf;
    suan__gguf_string s = {0};
    set_str(in, in->root, "format", "gguf");
    set_u64(in, in->root, "version", g->version);
    bool has = suan__gguf_str(g, "general.architecture", false, &s, NULL) == SUAN_OK && s.data;
    suan__report_set(&in->report, in->root, "architecture", has ? suan__report_text(&in->report, s.data, s.n) : json_null());
    s = (suan__gguf_string){0};
    if (suan__gguf_str(g, "general.name", false, &s, NULL) == SUAN_OK && s.data)
        suan__report_set(&in->report, in->root, "name", suan__report_text(&in->report, s.data, s.n));
    else
        set_base_name(in, in->ck->path);
}

static void set_hf_identity(inspection *in) {
    const char *type = NULL;
    set_str(in, in->root, "format", "safetensors");
    if (suan__config_str(in->ck, "model_type", false, &type, NULL) != SUAN_OK) type = NULL;
    set_str(in, in->root, "architecture", type);
    set_base_name(in, in->ck->dir);
}

/* ---- hyperparameters ---- */

static void set_mla(inspection *in, json_t *o) {
    const suan__hparams *hp = &in->hp;
    if (hp->kv_lora == 0) return;
    set_u64(in, o, "q_lora", hp->q_lora);
    set_u64(in, o, "kv_lora", hp->kv_lora);
    set_u64(in, o, "nope", hp->nope);
    set_u64(in, o, "rope", hp->rope);
    set_u64(in, o, "v_dim", hp->v_dim);
}

static void set_experts(inspection *in, json_t *o) {
    const suan__hparams *hp = &in->hp;
    if (hp->n_expert == 0) return;
    uint32_t n_layers = 0;
    for (uint32_t i = 0; hp->layer_is_moe && i < hp->n_layer; i++) n_layers += hp->layer_is_moe[i];
    set_u64(in, o, "n_layer_moe", n_layers);
    set_u64(in, o, "n_expert", hp->n_expert);
    set_u64(in, o, "n_expert_used", hp->n_expert_used);
    set_u64(in, o, "n_expert_shared", hp->n_expert_shared);
    set_u64(in, o, "n_ff_exp", hp->n_ff_exp);
    set_u64(in, o, "n_group", hp->n_group);
    set_u64(in, o, "n_group_used", hp->n_group_used);
    set_str(in, o, "gating",
            hp->gating == SUAN__GATING_SIGMOID         ? "sigmoid"
            : hp->gating == SUAN__GATING_SQRT_SOFTPLUS ? "sqrt_softplus"
            : hp->gating == SUAN__GATING_CHOSEN        ? "softmax_of_chosen"
                                                       : "softmax");
    if (hp->n_hash_layer) set_u64(in, o, "n_layer_hash", hp->n_hash_layer);
    if (hp->swiglu_limit > 0) set_f32(in, o, "swiglu_limit", hp->swiglu_limit);
    if (hp->swiglu_alpha > 0) set_f32(in, o, "swiglu_alpha", hp->swiglu_alpha);
    set_f32(in, o, "expert_scale", hp->expert_scale);
}

static void set_sparse(inspection *in, json_t *o) {
    const suan__hparams *hp = &in->hp;
    uint32_t n_indexed = 0, window = 0, n_windowed = 0;
    if (hp->index_topk) {
        set_u64(in, o, "n_index_head", hp->n_index_head);
        set_u64(in, o, "index_dim", hp->index_dim);
        set_u64(in, o, "index_topk", hp->index_topk);
        for (uint32_t i = 0; hp->layer_has_index && i < hp->n_layer; i++) n_indexed += hp->layer_has_index[i];
        if (n_indexed) set_u64(in, o, "n_layer_index", n_indexed);
    }
    for (uint32_t i = 0; hp->layer_window && i < hp->n_layer; i++) {
        if (hp->layer_window[i]) window = hp->layer_window[i];
        n_windowed += hp->layer_window[i] != 0;
    }
    if (n_windowed) {
        set_u64(in, o, "window", window);
        set_u64(in, o, "n_layer_windowed", n_windowed);
    }
    if (!hp->window) return;
    json_t *ratios = suan__report_array(&in->report);
    for (uint32_t i = 0; i < hp->n_layer; i++) suan__report_append(&in->report, ratios, suan__report_u64(&in->report, hp->layer_ratio[i]));
    set_u64(in, o, "window", hp->window);
    suan__report_set(&in->report, o, "compress_ratios", ratios);
    set_u64(in, o, "n_stream", hp->n_stream);
    set_u64(in, o, "q_lora", hp->q_lora);
    set_u64(in, o, "n_out_group", hp->n_out_group);
    set_u64(in, o, "out_lora", hp->out_lora);
}

static json_t *hyperparameters(inspection *in) {
    const suan__hparams *hp = &in->hp;
    json_t *o = suan__report_object(&in->report);
    set_u64(in, o, "n_layer", hp->n_layer);
    set_u64(in, o, "n_embd", hp->n_embd);
    set_u64(in, o, "n_vocab", hp->n_vocab);
    set_u64(in, o, "n_ctx", hp->n_ctx_train);
    set_u64(in, o, "n_head", hp->n_head);
    set_u64(in, o, "n_head_kv", hp->n_head_kv);
    set_u64(in, o, "head_dim", hp->head_dim);
    set_u64(in, o, "n_ff", hp->n_ff);
    set_f32(in, o, "rms_eps", hp->rms_eps);
    set_u64(in, o, "n_rot", hp->n_rot);
    suan__report_set(&in->report, o, "rope_theta", suan__report_f64(&in->report, hp->rope_theta));
    set_str(in, o, "rope_style", hp->rope_style == SUAN__ROPE_HALF ? "half" : "interleaved");
    suan__report_set(&in->report, o, "tied", suan__report_bool(&in->report, hp->tied));
    if (hp->n_nextn) set_u64(in, o, "n_nextn", hp->n_nextn);
    set_mla(in, o);
    set_sparse(in, o);
    set_experts(in, o);
    return o;
}

/* ---- tensors ---- */

static json_t *tensor(inspection *in, const suan__tensor *t) {
    json_t *o = suan__report_object(&in->report), *shape = suan__report_array(&in->report);
    set_str(in, o, "name", t->name);
    set_str(in, o, "type", suan__dtype_get(t->type)->name);
    if (t->is_packed) suan__report_set(&in->report, o, "packed", suan__report_bool(&in->report, true));
    for (int i = t->n_dims; i-- > 0;) suan__report_append(&in->report, shape, suan__report_u64(&in->report, t->ne[i]));
    suan__report_set(&in->report, o, "shape", shape);
    set_u64(in, o, "bytes", t->n_bytes);
    set_u64(in, o, "file", t->i_file);
    set_u64(in, o, "offset", t->offset);
    return o;
}

/* Sums cannot overflow: tensors lie inside files, and a value has at least a bit. */
static void set_tensors(inspection *in) {
    const suan__checkpoint *ck = in->ck;
    uint64_t n_of[SUAN__DTYPE_END] = {0}, bytes_of[SUAN__DTYPE_END] = {0}, n_values = 0, n_bytes = 0, n_packed = 0;
    json_t *list = suan__report_array(&in->report), *types = suan__report_object(&in->report);
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        const suan__tensor *t = &ck->tensors[i];
        uint64_t values = 0, bytes = 0;
        bool repeats = suan__tensor_is_derived(ck, t) || t->is_part;
        if (!repeats && suan__tensor_size(t->type, t->n_dims, t->ne, &values, &bytes) == SUAN_OK) n_values += values;
        if (t->view) continue;                /* what it is made of is listed */
        if (t->native) t = &t->native->codes; /* listed as they lie */
        n_packed += t->is_packed;
        n_bytes += t->n_bytes;
        n_of[t->type]++;
        bytes_of[t->type] += t->n_bytes;
        suan__report_append(&in->report, list, tensor(in, t));
    }
    for (uint32_t i = 0; i < SUAN__DTYPE_END; i++) {
        if (n_of[i] == 0) continue;
        json_t *o = suan__report_object(&in->report);
        set_u64(in, o, "tensors", n_of[i]);
        set_u64(in, o, "bytes", bytes_of[i]);
        suan__report_set(&in->report, types, suan__dtype_get(i)->name, o);
    }
    set_u64(in, in->root, "parameters", n_values);
    set_u64(in, in->root, "bytes", n_bytes);
    suan__report_set(&in->report, in->root, "packed", suan__report_bool(&in->report, n_packed > 0));
    suan__report_set(&in->report, in->root, "tensors", list);
    suan__report_set(&in->report, in->root, "types", types);
}

static void set_files(inspection *in) {
    json_t *files = suan__report_array(&in->report);
    for (uint64_t i = 0; i < in->ck->n_files; i++) {
        json_t *o = suan__report_object(&in->report);
        set_str(in, o, "path", in->ck->files[i].path);
        set_u64(in, o, "bytes", in->ck->files[i].size);
        suan__report_append(&in->report, files, o);
    }
    suan__report_set(&in->report, in->root, "files", files);
}

static void set_metadata(inspection *in) {
    if (!in->ck->gguf) {
        json_t *config = json_deep_copy(in->ck->config);
        if (!config) in->report.failed = true;
        suan__report_set(&in->report, in->root, "config", config);
        return;
    }
    json_t *o = suan__report_object(&in->report);
    for (uint64_t i = 0; i < in->ck->gguf->n_values; i++) {
        const suan__gguf_value *v = &in->ck->gguf->values[i];
        suan__report_set_text(&in->report, o, v->key.data, v->key.n, suan__report_gguf_value(&in->report, v));
    }
    suan__report_set(&in->report, in->root, "metadata", o);
}

/* ---- tokenizer and template ---- */

static void set_roles(inspection *in, json_t *o, const suan_tokenizer *t) {
    static const char *const names[SUAN_N_ROLES] = {
        [SUAN_ROLE_BOS] = "bos", [SUAN_ROLE_EOS] = "eos", [SUAN_ROLE_EOT] = "eot", [SUAN_ROLE_PAD] = "pad", [SUAN_ROLE_UNK] = "unk"};
    for (int role = 0; role < SUAN_N_ROLES; role++) {
        int32_t id = suan_tokenizer_role_id(t, (suan_token_role)role);
        size_t n = 0;
        const char *text = suan_tokenizer_role_text(t, (suan_token_role)role, &n);
        if (id < 0) continue;
        json_t *token = suan__report_object(&in->report);
        set_u64(in, token, "id", (uint64_t)id);
        suan__report_set(&in->report, token, "text", text ? suan__report_text(&in->report, text, n) : json_null());
        suan__report_set(&in->report, o, names[role], token);
    }
}

/* What the files call it: GGUF's model and pre-tokenizer, Hugging Face's class. */
static void set_kind(inspection *in, json_t *o) {
    static const char *const keys[2][2] = {{"kind", "tokenizer.ggml.model"}, {"pre", "tokenizer.ggml.pre"}};
    const json_t *class_name = in->ck->tokenizer_config ? json_object_get(in->ck->tokenizer_config, "tokenizer_class") : NULL;
    if (json_is_string(class_name)) set_str(in, o, "kind", json_string_value(class_name));
    for (int i = 0; i < 2 && in->ck->gguf; i++) {
        suan__gguf_string s = {0};
        if (suan__gguf_str(in->ck->gguf, keys[i][1], false, &s, NULL) == SUAN_OK && s.data)
            suan__report_set(&in->report, o, keys[i][0], suan__report_text(&in->report, s.data, s.n));
    }
}

static json_t *tokenizer(inspection *in, const suan_tokenizer *t) {
    json_t *o = suan__report_object(&in->report), *eog = suan__report_array(&in->report);
    size_t n_eog = 0;
    const int32_t *ids = suan_tokenizer_eog_ids(t, &n_eog);
    set_kind(in, o);
    set_u64(in, o, "n_vocab", suan_tokenizer_n_vocab(t));
    set_roles(in, o, t);
    for (size_t i = 0; i < n_eog; i++) suan__report_append(&in->report, eog, suan__report_u64(&in->report, (uint64_t)(uint32_t)ids[i]));
    suan__report_set(&in->report, o, "eog", eog);
    suan__report_set(&in->report, o, "adds_bos", suan__report_bool(&in->report, suan_tokenizer_adds_bos(t)));
    suan__report_set(&in->report, o, "adds_eos", suan__report_bool(&in->report, suan_tokenizer_adds_eos(t)));
    return o;
}

/* A tokenizer that cannot be read is described by its error; files without one have null. */
static suan_status set_tokenizer(inspection *in, suan_error *err) {
    suan_tokenizer *t = NULL;
    suan_error reason = {.status = SUAN_OK};
    suan_status status = suan__tokenizer_from_checkpoint(&t, in->ck, &reason);
    if (status == SUAN_ENOMEM) return suan__fail(err, status, "%s", reason.message);
    json_t *description = t                                               ? tokenizer(in, t)
                          : status == SUAN_OK || status == SUAN_ENOTFOUND ? json_null()
                                                                          : suan__report_object(&in->report);
    if (status != SUAN_OK && status != SUAN_ENOTFOUND) set_str(in, description, "error", reason.message);
    suan__report_set(&in->report, in->root, "tokenizer", description);
    size_t n = 0;
    const char *chat = t ? suan_tokenizer_chat_template(t, NULL, &n) : NULL;
    suan__report_set(&in->report, in->root, "chat_template", chat ? suan__report_text(&in->report, chat, n) : json_null());
    suan_tokenizer_close(&t);
    return SUAN_OK;
}

/* ---- can it run, and in how much memory ---- */

static void set_memory(inspection *in, uint64_t weight_bytes, uint32_t n_ctx) {
    const suan__hparams *hp = &in->hp;
    if (n_ctx == 0) n_ctx = hp->n_ctx_train;
    uint64_t scratch = suan__scratch_bytes(hp, CHUNK < n_ctx ? CHUNK : n_ctx, n_ctx, suan__threads_default());
    static const suan__dtype types[] = {SUAN__F16, SUAN__F32, SUAN__Q8_0};
    json_t *o = suan__report_object(&in->report), *kv = suan__report_object(&in->report), *kv_1k = suan__report_object(&in->report),
           *total = suan__report_object(&in->report);
    set_u64(in, o, "n_ctx", n_ctx);
    set_u64(in, o, "weights", weight_bytes);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *name = suan__kv_type_name(types[i]);
        uint64_t bytes = suan__kv_bytes(hp, n_ctx, types[i]);
        set_u64(in, kv_1k, name, suan__kv_bytes(hp, 1024, types[i]));
        set_u64(in, kv, name, bytes);
        set_u64(in, total, name, weight_bytes + bytes + scratch);
    }
    suan__report_set(&in->report, o, "kv_per_1k_tokens", kv_1k);
    suan__report_set(&in->report, o, "kv", kv);
    set_u64(in, o, "scratch", scratch);
    suan__report_set(&in->report, o, "total", total);
    suan__report_set(&in->report, in->root, "memory", o);
}

/* Fills hyperparameters, supported, reason and memory. Only out of memory is an error here; everything else is the reason. */
static suan_status set_support(inspection *in, uint32_t n_ctx, suan_error *err) {
    const suan__family *family = NULL;
    uint64_t weight_bytes = 0, n_params = 0;
    suan_error reason = {.status = SUAN_OK};
    suan_status status = in->ck->n_tensors == 0 ? suan__fail(&reason, SUAN_EUNSUPPORTED, "%s: holds no tensors", in->ck->path) : SUAN_OK;
    if (status == SUAN_OK) status = suan__family_find(&family, in->ck, &reason);
    if (status == SUAN_OK) {
        status = suan__hparams_read(&in->hp, family, in->ck, &in->arena, &reason);
        in->has_hp = status == SUAN_OK;
    }
    if (status == SUAN_OK) status = suan__model_measure(family, &in->hp, in->ck, -1, &weight_bytes, &n_params, &reason);
    if (status == SUAN_ENOMEM) return suan__fail(err, status, "%s", reason.message);
    if (in->has_hp) suan__report_set(&in->report, in->root, "hyperparameters", hyperparameters(in));
    suan__report_set(&in->report, in->root, "supported", suan__report_bool(&in->report, status == SUAN_OK));
    if (status != SUAN_OK) set_str(in, in->root, "reason", reason.message);
    if (status == SUAN_OK) set_memory(in, weight_bytes, n_ctx);
    return SUAN_OK;
}

/* ---- all of it ---- */

static suan_status describe(inspection *in, uint32_t n_ctx, suan_error *err) {
    in->root = suan__report_object(&in->report);
    set_str(in, in->root, "path", in->ck->path);
    if (in->ck->gguf)
        set_gguf_identity(in);
    else
        set_hf_identity(in);
    set_files(in);
    SUAN_TRY(set_support(in, n_ctx, err));
    SUAN_TRY(set_tokenizer(in, err));
    set_metadata(in);
    set_tensors(in);
    return SUAN_OK;
}

suan_status suan_inspect(const char *path, uint32_t n_ctx, char **json, suan_error *err) {
    SUAN_CHECK(path && json, SUAN_EINVAL, "inspect: path and json must not be NULL");
    *json = NULL;
    suan__checkpoint *ck;
    SUAN_TRY(suan__checkpoint_open(&ck, path, err));
    inspection in = {.ck = ck};
    suan__arena_init(&in.arena, 4096);
    suan_status status = describe(&in, n_ctx, err);
    if (status == SUAN_OK)
        status = suan__report_print(&in.report, in.root, json, err);
    else
        json_decref(in.root);
    suan__arena_fini(&in.arena);
    suan__checkpoint_close(&ck);
    return status;
}
