/* bind.c: the walk over a model's graph that finds every tensor, checks its shape and type, and adds up what it will take. */
#include "model/binder.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "formats/native.h"

#define NAME_BYTES 160

void suan__binder_init(suan__binder *b, const suan__checkpoint *ck, const suan__hparams *hp, suan__arena *arena, suan_error *err) {
    *b = (suan__binder){
        .ck = ck, .hp = hp, .arena = arena, .err = err, .status = SUAN_OK, .as_type = -1, .is_invented = ck->invention != NULL};
    b->last_vector = &b->vectors;
    b->last_matrix = &b->matrices;
}

const suan__hparams *suan__binder_hparams(const suan__binder *b) {
    return b->hp;
}

suan__dtype suan__packed_type(suan__dtype stored) {
    switch (stored) {
#define CASE(name) case SUAN__##name:
        SUAN__WEIGHT_MAP(CASE)
#undef CASE
        return stored;
    default:
        return SUAN__F32;
    }
}

static void *take(suan__binder *b, size_t n, size_t size) {
    void *p = suan__arena_alloc(b->arena, n, size);
    if (!p && b->status == SUAN_OK) b->status = suan__fail(b->err, SUAN_ENOMEM, "%s: out of memory for the list of tensors", b->ck->path);
    return p;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* Names of modules that are not numbered on behind the trunk: their prefix takes the place of the layer's, or stands before names that have none. */
static void format_ahead(const suan__binder *b, char text[NAME_BYTES], const char *format, uint32_t layer, uint32_t expert) {
    size_t n = strlen(b->family->hf_layers), number = strlen("%u.");
    int at = snprintf(text, NAME_BYTES, "%s%u.", b->family->hf_ahead, layer - (b->hp->n_layer - 1));
    if (at < 0 || at >= NAME_BYTES) return;
    snprintf(text + at, NAME_BYTES - (size_t)at, strncmp(format, b->family->hf_layers, n) == 0 ? format + n + number : format, expert);
}

static void format_name(const suan__binder *b, char text[NAME_BYTES], suan__names names, uint32_t layer, uint32_t expert) {
    const char *format = b->ck->kind == SUAN__CHECKPOINT_GGUF ? names.gguf : names.hf;
    text[0] = 0;
    if (format && b->is_ahead && format != names.gguf && b->family->hf_ahead)
        format_ahead(b, text, format, layer, expert);
    else if (format)
        snprintf(text, NAME_BYTES, format, layer, expert);
}

static char *gguf_name(suan__binder *b, suan__names names, uint32_t layer) {
    char text[NAME_BYTES];
    int n = snprintf(text, sizeof text, names.gguf, layer);
    char *name = suan__arena_strndup(b->arena, text, n > 0 && n < NAME_BYTES ? (size_t)n : 0);
    if (!name && b->status == SUAN_OK)
        b->status = suan__fail(b->err, SUAN_ENOMEM, "%s: out of memory for the list of tensors", b->ck->path);
    return name;
}
#pragma GCC diagnostic pop

/* The tensor of a name; NULL and a failure unless it is optional. */
static const suan__tensor *find(suan__binder *b, suan__names names, uint32_t layer, uint32_t expert, bool optional) {
    char text[NAME_BYTES];
    if (b->status != SUAN_OK) return NULL;
    format_name(b, text, names, layer, expert);
    const suan__tensor *t = text[0] ? suan__checkpoint_find(b->ck, text) : NULL;
    if (!t && !optional) b->status = suan__native_explain(b->ck, text, b->err);
    if (!t && !optional && b->status == SUAN_OK)
        b->status = suan__fail(b->err, SUAN_EFORMAT, "%s: tensor %s is missing", b->ck->path, text);
    if (t) b->used[t - b->ck->tensors] = true;
    return t;
}

bool suan__binder_has(const suan__binder *b, uint32_t layer, suan__names names) {
    char text[NAME_BYTES];
    if (b->is_invented) return false;
    format_name(b, text, names, layer, 0);
    return text[0] && suan__checkpoint_find(b->ck, text);
}

/* Shapes are compared without their trailing ones: [n] and [n, 1] are the same. */
static bool has_shape(const suan__tensor *t, uint64_t ne0, uint64_t ne1, uint64_t ne2) {
    return t->ne[0] == ne0 && t->ne[1] == ne1 && t->ne[2] == ne2 && t->ne[3] == 1;
}

static void check_shape(suan__binder *b, const suan__tensor *t, uint64_t ne0, uint64_t ne1, uint64_t ne2) {
    if (b->status != SUAN_OK || has_shape(t, ne0, ne1, ne2)) return;
    b->status =
        suan__fail(b->err, SUAN_EFORMAT, "%s: tensor %s has the shape [%llu, %llu, %llu], expected [%llu, %llu, %llu] (outermost first)",
                   b->ck->path, t->name, (unsigned long long)t->ne[2], (unsigned long long)t->ne[1], (unsigned long long)t->ne[0],
                   (unsigned long long)ne2, (unsigned long long)ne1, (unsigned long long)ne0);
}

/* The tensor of a name in the shape it must have: found and checked, or made up when there are hyperparameters only. */
static const suan__tensor *expect(suan__binder *b, suan__names names, uint32_t layer, uint32_t expert, bool optional, uint64_t ne0,
                                  uint64_t ne1, uint64_t ne2) {
    if (!b->is_invented) {
        const suan__tensor *found = find(b, names, layer, expert, optional);
        if (found) check_shape(b, found, ne0, ne1, ne2);
        return found;
    }
    suan__tensor *t = take(b, 1, sizeof *t);
    const char *name = gguf_name(b, names, layer);
    if (b->status != SUAN_OK) return NULL;
    *t = (suan__tensor){.name = name, .type = SUAN__F32, .n_dims = ne2 > 1 ? 3 : ne1 > 1 ? 2 : 1, .ne = {ne0, ne1, ne2, 1}};
    if (b->ck->invention) t->type = b->ck->invention->type(b->ck->invention, t);
    return t;
}

/* Puts a tensor into the plan, if one is made; the caller fills in what is special about it. */
static suan__plan_tensor *record(suan__binder *b, suan__names names, uint32_t layer, const suan__tensor *const *sources, uint32_t n_sources,
                                 int n_dims, uint64_t ne0, uint64_t ne1, uint64_t ne2) {
    if (!b->plan || b->status != SUAN_OK) return NULL;
    suan__plan_tensor *p = take(b, 1, sizeof *p);
    const char *name = gguf_name(b, names, layer);
    if (b->status != SUAN_OK) return NULL;
    *p = (suan__plan_tensor){
        .name = name, .n_dims = n_dims, .ne = {ne0, ne1, ne2, 1}, .sources = sources, .n_sources = n_sources, .is_matrix = n_dims > 1};
    *b->last_plan = p;
    b->last_plan = &p->next;
    b->plan->n_tensors++;
    return p;
}

static void check_type(suan__binder *b, const suan__tensor *t) {
    bool float_only = t->type == SUAN__F64; /* would have to be rounded */
    if (b->status == SUAN_OK && !b->is_invented) b->status = suan__native_explain(b->ck, t->name, b->err);
    if (b->status == SUAN_OK && t->is_packed && suan__packed_type(t->type) != t->type)
        b->status = suan__fail(b->err, SUAN_EUNSUPPORTED, "%s: packed tensor %s is of type %s, which has no panels", b->ck->path, t->name,
                               suan__dtype_get(t->type)->name);
    if (b->status == SUAN_OK && (float_only || !suan__dequantize_known(t->type)))
        b->status = suan__fail(b->err, SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, which cannot be used as a weight", b->ck->path,
                               t->name, suan__dtype_get(t->type)->name);
}

/* Notes that *v becomes the n values of t. Returns where t is kept for a plan, NULL after a failure. */
static const suan__tensor *const *add_vector(suan__binder *b, float **v, const suan__tensor *t, uint32_t n) {
    if (!t) return NULL;
    if (b->status == SUAN_OK && t->is_packed)
        b->status = suan__fail(b->err, SUAN_EFORMAT, "%s: tensor %s is packed, but a vector is none to pack", b->ck->path, t->name);
    if (b->status == SUAN_OK && t->type != SUAN__F32 && t->type != SUAN__F16 && t->type != SUAN__BF16)
        b->status = suan__fail(b->err, SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, expected F32, F16 or BF16", b->ck->path, t->name,
                               suan__dtype_get(t->type)->name);
    suan__vector_job *job = take(b, 1, sizeof *job);
    if (b->status != SUAN_OK) return NULL;
    *job = (suan__vector_job){.tensor = t, .target = v, .n = n};
    *b->last_vector = job;
    b->last_vector = &job->next;
    b->n_params += n;
    return &job->tensor;
}

void suan__bind_vector(suan__binder *b, float **v, uint32_t layer, suan__names names, uint32_t n, bool optional) {
    const suan__tensor *const *t = add_vector(b, v, expect(b, names, layer, 0, optional, n, 1, 1), n);
    if (t) record(b, names, layer, t, 1, 1, n, 1, 1);
}

/* What a packed matrix takes; also fills the weight. */
static void add_matrix(suan__binder *b, suan__matrix_job *job, suan__weight *w, const suan__tensor **tensors, uint32_t n_tensors,
                       uint32_t n_slices, uint32_t n_rows, uint32_t n_cols) {
    suan__dtype type = job->transpose && suan__dtype_get(tensors[0]->type)->block > 1 ? SUAN__F32 : suan__packed_type(tensors[0]->type);
    w->type = type;
    w->n_rows = n_rows;
    w->n_cols = n_cols;
    w->n_slices = n_slices;
    w->name = tensors[0]->name;
    job->weight = w;
    job->tensors = tensors;
    job->n_tensors = n_tensors;
    suan__dtype measured = type;
    if (b->as_type >= 0 && !w->exact && !job->transpose && n_cols % suan__dtype_get((uint32_t)b->as_type)->block == 0)
        measured = (suan__dtype)b->as_type;
    uint64_t panels = (n_rows + (uint64_t)SUAN__PANEL - 1) / SUAN__PANEL, slice = 0, all = 0, unused;
    bool fits = tensors[0]->is_packed && measured == type /* as it lies in the file */
                    ? suan__packed_stride(type, n_cols, n_rows, &unused, &slice) == SUAN_OK
                    : suan__mul_u64(panels, suan__panel_bytes(measured, n_cols), &slice);
    if (!fits || !suan__mul_u64(slice, n_slices, &all) || !suan__add_u64(b->weight_bytes, all, &b->weight_bytes)) {
        b->status = suan__fail(b->err, SUAN_ERANGE, "%s: tensor %s is too large", b->ck->path, w->name);
        return;
    }
    w->slice_bytes = (size_t)slice;
    job->bytes = all;
    *b->last_matrix = job;
    b->last_matrix = &job->next;
    b->n_params += (uint64_t)n_rows * n_cols * n_slices;
}

/* The matrix's tensor in the plan, if one is made. */
static suan__plan_tensor *bind_one(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols,
                                   bool exact) {
    const suan__tensor *t = expect(b, names, layer, 0, false, n_cols, n_rows, 1);
    if (!t) return NULL;
    check_type(b, t);
    suan__matrix_job *job = take(b, 1, sizeof *job);
    const suan__tensor **list = take(b, 1, sizeof *list);
    if (b->status != SUAN_OK) return NULL;
    list[0] = t;
    w->exact = exact;
    add_matrix(b, job, w, list, 1, 1, n_rows, n_cols);
    suan__plan_tensor *p = record(b, names, layer, list, 1, 2, n_cols, n_rows, 1);
    if (p) p->has_panels = true;
    return p;
}

void suan__bind_matrix(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols, bool exact) {
    suan__plan_tensor *p = bind_one(b, w, layer, names, n_rows, n_cols, exact);
    if (p) p->is_matrix = !exact;
}

void suan__bind_precise(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols) {
    suan__plan_tensor *p = bind_one(b, w, layer, names, n_rows, n_cols, true);
    if (p) p->is_precise = true;
}

/* Whether a name says which expert, behind the layer. */
static bool has_expert(const char *hf) {
    const char *layer = strstr(hf, "%u");
    return layer && strstr(layer + 1, "%u");
}

void suan__bind_experts(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_expert, uint32_t n_rows,
                        uint32_t n_cols) {
    bool stacked = b->ck->kind == SUAN__CHECKPOINT_GGUF || b->is_invented || !has_expert(names.hf);
    uint32_t n_tensors = stacked ? 1 : n_expert;
    suan__matrix_job *job = take(b, 1, sizeof *job);
    const suan__tensor **list = take(b, n_tensors, sizeof *list);
    if (b->status != SUAN_OK) return;
    for (uint32_t e = 0; e < n_tensors && b->status == SUAN_OK; e++) {
        if (!(list[e] = expect(b, names, layer, e, false, n_cols, n_rows, stacked ? n_expert : 1))) return;
        check_type(b, list[e]);
        if (b->status == SUAN_OK && list[e]->type != list[0]->type)
            b->status = suan__fail(b->err, SUAN_EFORMAT, "%s: tensor %s is of type %s, but %s is of type %s", b->ck->path, list[e]->name,
                                   suan__dtype_get(list[e]->type)->name, list[0]->name, suan__dtype_get(list[0]->type)->name);
    }
    if (b->status != SUAN_OK) return;
    job->slice_rows = stacked ? n_rows : 0;
    add_matrix(b, job, w, list, n_tensors, n_expert, n_rows, n_cols);
    suan__plan_tensor *p = record(b, names, layer, list, n_tensors, 3, n_cols, n_rows, n_expert);
    if (p) p->has_panels = true;
}

void suan__bind_slices(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_slices, uint32_t n_rows,
                       uint32_t n_cols) {
    const suan__tensor *found = suan__binder_has(b, layer, names) ? find(b, names, layer, 0, true) : NULL;
    bool is_deep = found && found->ne[2] > 1;
    const suan__tensor *t = is_deep ? expect(b, names, layer, 0, false, n_cols, n_rows, n_slices)
                                    : expect(b, names, layer, 0, false, n_cols, (uint64_t)n_rows * n_slices, 1);
    if (!t) return;
    check_type(b, t);
    if (b->status == SUAN_OK && t->is_packed)
        b->status = suan__fail(b->err, SUAN_EUNSUPPORTED, "%s: tensor %s is packed, which matrices cut into groups cannot be", b->ck->path,
                               t->name);
    suan__matrix_job *job = take(b, 1, sizeof *job);
    const suan__tensor **list = take(b, 1, sizeof *list);
    if (b->status != SUAN_OK) return;
    list[0] = t;
    job->slice_rows = n_rows;
    add_matrix(b, job, w, list, 1, n_slices, n_rows, n_cols);
    if (is_deep)
        record(b, names, layer, list, 1, 3, n_cols, n_rows, n_slices);
    else
        record(b, names, layer, list, 1, 2, n_cols, (uint64_t)n_rows * n_slices, 1);
}

void suan__bind_table(suan__binder *b, float **v, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols) {
    const suan__tensor *const *t = add_vector(b, v, expect(b, names, layer, 0, false, n_cols, n_rows, 1), n_rows * n_cols);
    suan__plan_tensor *p = t ? record(b, names, layer, t, 1, 2, n_cols, n_rows, 1) : NULL;
    if (p) p->is_matrix = false;
}

void suan__bind_ids(suan__binder *b, int32_t **v, uint32_t layer, suan__names names, uint32_t n_rows, uint32_t n_cols, uint32_t limit) {
    const suan__tensor *t = expect(b, names, layer, 0, false, n_cols, n_rows, 1);
    suan__ids_job *job = t ? take(b, 1, sizeof *job) : NULL;
    if (!job || b->status != SUAN_OK) return;
    if (!b->is_invented && (t->is_packed || (t->type != SUAN__I32 && t->type != SUAN__I64))) {
        b->status = suan__fail(b->err, SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, expected I32 or I64", b->ck->path, t->name,
                               suan__dtype_get(t->type)->name);
        return;
    }
    *job = (suan__ids_job){.next = b->ids, .tensor = t, .target = v, .n = (uint64_t)n_rows * n_cols, .limit = limit};
    b->ids = job;
    suan__plan_tensor *p = record(b, names, layer, &job->tensor, 1, 2, n_cols, n_rows, 1);
    if (!p) return;
    p->is_matrix = false;
    p->n_ids = limit;
}

/* One part of GGUF's split kv_b: three dimensions {n_cols, n_rows, n_head}, or the older flat form {n_cols, n_rows * n_head}. */
static void bind_heads(suan__binder *b, suan__weight *w, uint32_t layer, suan__names names, uint32_t n_head, uint32_t n_rows,
                       uint32_t n_cols) {
    const suan__tensor *t = find(b, names, layer, 0, false);
    if (!t) return;
    bool is_flat = !t->is_packed && has_shape(t, n_cols, (uint64_t)n_rows * n_head, 1);
    if (!is_flat) check_shape(b, t, n_cols, n_rows, n_head);
    check_type(b, t);
    suan__matrix_job *job = take(b, 1, sizeof *job);
    const suan__tensor **list = take(b, 1, sizeof *list);
    if (b->status != SUAN_OK) return;
    list[0] = t;
    job->slice_rows = n_rows;
    add_matrix(b, job, w, list, 1, n_head, n_rows, n_cols);
    suan__plan_tensor *p = is_flat ? NULL : record(b, names, layer, list, 1, 3, n_cols, n_rows, n_head);
    if (p) p->has_panels = true;
}

/* A packed file has the halves made of the whole beside it, in the form in which they are used. A plan wants the whole. */
static bool has_packed_halves(const suan__binder *b, uint32_t layer, suan__names k_b, suan__names v_b) {
    char text[NAME_BYTES];
    format_name(b, text, k_b, layer, 0);
    const suan__tensor *keys = suan__checkpoint_find(b->ck, text);
    format_name(b, text, v_b, layer, 0);
    const suan__tensor *values = suan__checkpoint_find(b->ck, text);
    return !b->plan && keys && values && keys->is_packed && values->is_packed;
}

void suan__bind_kv_b(suan__binder *b, suan__weight *wk_b, suan__weight *wv_b, uint32_t layer) {
    const suan__hparams *hp = b->hp;
    suan__names whole = SUAN_NAMES("model.layers.%u.self_attn.kv_b_proj.weight", "blk.%u.attn_kv_b.weight");
    suan__names k_b = SUAN_NAMES(NULL, "blk.%u.attn_k_b.weight"), v_b = SUAN_NAMES(NULL, "blk.%u.attn_v_b.weight");
    bool has_halves = suan__binder_has(b, layer, k_b) || suan__binder_has(b, layer, v_b);
    if (has_halves && (!suan__binder_has(b, layer, whole) || has_packed_halves(b, layer, k_b, v_b))) {
        bind_heads(b, wk_b, layer, k_b, hp->n_head, hp->kv_lora, hp->nope);
        bind_heads(b, wv_b, layer, v_b, hp->n_head, hp->v_dim, hp->kv_lora);
        find(b, whole, layer, 0, true); /* known, not needed */
        return;
    }
    uint32_t per_head = hp->nope + hp->v_dim;
    const suan__tensor *t = expect(b, whole, layer, 0, false, hp->kv_lora, (uint64_t)hp->n_head * per_head, 1);
    if (!t) return;
    check_type(b, t);
    suan__matrix_job *jobs = take(b, 2, sizeof *jobs);
    const suan__tensor **list = take(b, 1, sizeof *list);
    if (b->status != SUAN_OK) return;
    list[0] = t;
    jobs[0].transpose = true;
    jobs[0].slice_rows = jobs[1].slice_rows = per_head;
    jobs[1].row_begin = hp->nope;
    add_matrix(b, &jobs[0], wk_b, list, 1, hp->n_head, hp->kv_lora, hp->nope);
    add_matrix(b, &jobs[1], wv_b, list, 1, hp->n_head, hp->v_dim, hp->kv_lora);
    if (!b->split_kv_b) {
        suan__plan_tensor *p = record(b, whole, layer, list, 1, 2, hp->kv_lora, (uint64_t)hp->n_head * per_head, 1);
        if (!p) return;
        p->head_rows = per_head;
        p->head_values = hp->v_dim;
        return;
    }
    suan__plan_tensor *keys = record(b, k_b, layer, list, 1, 3, hp->nope, hp->kv_lora, hp->n_head);
    suan__plan_tensor *values = record(b, v_b, layer, list, 1, 3, hp->kv_lora, hp->v_dim, hp->n_head);
    if (!values) return;
    keys->part = SUAN__PLAN_KEYS;
    values->part = SUAN__PLAN_VALUES;
    keys->head_rows = values->head_rows = per_head;
    keys->has_panels = values->has_panels = true;
}

/* The layer that a tensor's name puts it in, -1: none. */
static int64_t layer_of(const suan__binder *b, const char *name) {
    const suan__family *f = b->family;
    const char *prefix = b->ck->kind == SUAN__CHECKPOINT_GGUF ? "blk." : f->hf_layers ? f->hf_layers : "model.layers.";
    size_t n = strlen(prefix);
    int64_t layer = 0, number = 0;
    if (b->ck->kind != SUAN__CHECKPOINT_GGUF && f->hf_ahead && strncmp(name, f->hf_ahead, strlen(f->hf_ahead)) == 0) {
        n = strlen(prefix = f->hf_ahead);
        layer = b->hp->n_layer;
    }
    if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9') return -1;
    for (const char *p = name + n; *p >= '0' && *p <= '9' && number < 1000000; p++) number = number * 10 + (*p - '0');
    return layer + number;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* Tensors that say nothing new: tables of angles, the halves of a kv_b that is there whole, a copy of a tied head. */
static bool is_redundant(const suan__binder *b, const char *name) {
    static const char *const ends[] = {"rotary_emb.inv_freq", "attn_rot_embd.weight", "rope_freqs.weight", "attn_k_b.weight",
                                       "attn_v_b.weight"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(name, ends[i])) return true;
    int64_t layer = b->hp->layer_has_index ? layer_of(b, name) : -1; /* some files hold indexers that no layer runs */
    if (layer >= 0 && layer < (int64_t)b->hp->n_layer && !b->hp->layer_has_index[layer] && strstr(name, ".indexer.")) return true;
    return b->hp->tied && strcmp(name, "lm_head.weight") == 0;
}

/* A tensor of the trunk that the graph does not use means that the graph is not the file's: better no answer than a wrong one. Modules behind the trunk (multi-token
 * prediction) are known and not run here; anything else is mentioned. */
static void check_leftovers(suan__binder *b) {
    for (uint64_t i = 0; i < b->ck->n_tensors && b->status == SUAN_OK; i++) {
        const char *name = b->ck->tensors[i].name;
        int64_t layer = layer_of(b, name);
        if (b->used[i] || b->ck->tensors[i].is_part || is_redundant(b, name)) continue;
        if (layer >= (int64_t)b->hp->n_layer && layer < (int64_t)b->hp->n_layer + b->hp->n_nextn) continue;
        if (layer >= (int64_t)b->hp->n_layer)
            b->status = suan__fail(b->err, SUAN_EFORMAT, "%s: tensor %s is of layer %lld, the model has %u layers", b->ck->path, name,
                                   (long long)layer, b->hp->n_layer);
        else if (layer >= 0)
            b->status = suan__fail(b->err, SUAN_EUNSUPPORTED,
                                   "%s: tensor %s has no place in this architecture, so the answers would be wrong", b->ck->path, name);
        else if (!b->is_measured)
            suan__log_message(SUAN_LOG_WARN, "%s: tensor %s is not used", b->ck->path, name);
    }
}

void suan__bind_model(suan__binder *b, const suan__family *family) {
    const suan__hparams *hp = b->hp;
    const char *embd = family->hf_embd ? family->hf_embd : "model.embed_tokens.weight";
    const char *norm = family->hf_norm ? family->hf_norm : "model.norm.weight",
               *head = family->hf_head ? family->hf_head : "lm_head.weight";
    b->family = family;
    b->used = take(b, b->ck->n_tensors, sizeof *b->used);
    if (b->status != SUAN_OK) return;
    suan__bind_matrix(b, b->embd, 0, SUAN_NAMES(embd, "token_embd.weight"), hp->n_vocab, hp->n_embd, false);
    suan__bind_vector(b, b->out_norm, 0, SUAN_NAMES(norm, "output_norm.weight"), hp->n_embd, false);
    if (!hp->tied) suan__bind_matrix(b, b->head, 0, SUAN_NAMES(head, "output.weight"), hp->n_vocab, hp->n_embd, false);
    for (uint32_t i = 0; i < hp->n_layer && b->status == SUAN_OK; i++) family->bind(b, hp, &b->layers[i], i);
    check_leftovers(b);
}

suan_status suan__model_measure(const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck, int as_type,
                                uint64_t *weight_bytes, uint64_t *n_params, suan_error *err) {
    suan__arena arena;
    suan__binder b;
    suan__weight embd = {0}, head = {0};
    float *out_norm = NULL;
    suan__arena_init(&arena, 1 << 16);
    suan__binder_init(&b, ck, hp, &arena, err);
    b.as_type = as_type;
    b.is_measured = true;
    b.embd = &embd;
    b.head = &head;
    b.out_norm = &out_norm;
    b.layers = take(&b, hp->n_layer, sizeof(suan__layer));
    if (b.status == SUAN_OK) suan__bind_model(&b, family);
    *weight_bytes = b.weight_bytes;
    *n_params = b.n_params;
    suan__arena_fini(&arena);
    return b.status;
}
