/* convert.c: one GGUF file out of a model, plain or packed.
 *
 * What will be in the file is settled first: the list of tensors, from the walk over the graph for directories and random models, from the
 * file itself for GGUF; and the metadata. Then the threads make pieces of the tensors ready, a batch at a time, and the batch is written in
 * order. Nothing is kept of what was written, so memory is a few pieces for each thread.
 */
#include "suan/convert.h"

#include <stdatomic.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "base/thread.h"
#include "engine/convert.h"
#include "formats/json.h"
#include "kernels/kernels.h"
#include "model/binder.h"
#include "model/packed.h"
#include "text/tokenizer.h"
#include "text/tokenizer_write.h"

#define PIECES_A_THREAD 4

typedef struct converter {
    const suan_convert_options *options;
    suan_convert_result result;
    const char *out_path;
    suan__checkpoint *ck;
    suan__arena arena;
    bool has_type;
    suan__dtype type;
    suan__convert_tensor *tensors;
    uint64_t n_tensors;
    suan__gguf_writer w;
    suan__out out;
    suan_error *err;
} converter;

static suan_status no_memory(const converter *c) {
    return suan__fail(c->err, SUAN_ENOMEM, "%s: out of memory", c->out_path);
}

/* ---- the list of tensors ---- */

static bool contains(const char *s, const char *part) {
    return strstr(s, part) != NULL;
}

static void choose_type(converter *c, suan__convert_tensor *t, bool is_matrix, suan__dtype stored) {
    t->type = !is_matrix ? SUAN__F32 : c->has_type ? suan__convert_type_for(c->type, t->ne[0]) : stored;
    if (is_matrix && c->has_type && t->type != c->type) c->result.n_fallback++;
}

/* Matrices that decide what is selected take a float type when one is asked for, but no blocks: then they stay what they are, and BF16 where
 * nothing is stored. */
static void choose_precise(const converter *c, suan__convert_tensor *t, suan__dtype stored, bool is_random) {
    bool is_float = c->has_type && suan__dtype_get((uint32_t)c->type)->block == 1;
    t->type = is_float ? c->type : is_random ? SUAN__BF16 : suan__dtype_get((uint32_t)stored)->block == 1 ? stored : SUAN__F32;
}

/* Norms are ones, biases and the router's selection bias small; all matrices meet inputs of the length of their rows. */
static void make_random(const converter *c, suan__convert_tensor *t, uint64_t i) {
    t->is_ones = t->n_dims == 1 && contains(t->name, "norm");
    t->is_random = !t->is_ones && !t->values;
    t->random_rows = t->n_dims == 1 ? 2500 : t->ne[0]; /* biases: a deviation of 0.02 */
    t->key = c->options->seed * UINT64_C(0x9E3779B97F4A7C15) + i;
    t->part = SUAN__PLAN_ROWS;
    t->n_sources = 0;
}

static suan_status list_plan(converter *c, const suan__plan *plan, bool is_random) {
    c->tensors = SUAN_ARENA_NEW(&c->arena, suan__convert_tensor, plan->n_tensors);
    if (!c->tensors) return no_memory(c);
    for (const suan__plan_tensor *p = plan->first; p; p = p->next) {
        suan__convert_tensor *t = &c->tensors[c->n_tensors++];
        *t = (suan__convert_tensor){.name = p->name,
                                    .n_dims = p->n_dims,
                                    .sources = p->sources,
                                    .n_sources = p->n_sources,
                                    .values = p->values,
                                    .part = p->part,
                                    .head_rows = p->head_rows,
                                    .n_rot = p->n_rot,
                                    .has_panels = p->has_panels,
                                    .head_values = p->head_values,
                                    .n_ids = p->n_ids};
        memcpy(t->ne, p->ne, sizeof t->ne);
        suan__dtype stored = p->n_sources ? p->sources[0]->type : SUAN__F32;
        if (p->is_precise)
            choose_precise(c, t, stored, is_random);
        else
            choose_type(c, t, p->is_matrix, stored);
        if (p->n_ids) t->type = SUAN__I32;
        if (is_random) make_random(c, t, c->n_tensors);
    }
    return SUAN_OK;
}

/* What of a directory the graph does not use: modules behind the trunk, copies, buffers. */
static suan_status count_unused(converter *c) {
    const suan__checkpoint *ck = c->ck;
    bool *used = SUAN_ARENA_NEW(&c->arena, bool, ck->n_tensors);
    if (!used) return no_memory(c);
    for (uint64_t i = 0; i < c->n_tensors; i++)
        for (uint32_t s = 0; s < c->tensors[i].n_sources; s++) used[c->tensors[i].sources[s] - ck->tensors] = true;
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        if (used[i] || ck->tensors[i].is_part) continue;
        if (c->result.n_unused++ > 0) continue;
        size_t n = strlen(ck->tensors[i].name);
        if (n >= sizeof c->result.unused) n = sizeof c->result.unused - 1;
        memcpy(c->result.unused, ck->tensors[i].name, n);
    }
    return SUAN_OK;
}

/* Which tensors of a GGUF file may change their type: matrices of weights, but no routers, norms, convolutions and small factors. */
static bool is_gguf_matrix(const suan__tensor *t) {
    static const char *const kept[] = {
        "_norm", "ffn_gate_inp", "ssm_conv1d", "rope_f", "pos_embd",     "token_types",   "time_mix",         "shortconv",
        "altup", "laurel",       "hc_",        "_hc",    "indexer.proj", "attn_compress", "indexer_compress", "indexer.compress"};
    size_t n = strlen(t->name);
    if (t->n_dims < 2 || n < 7 || strcmp(t->name + n - 7, ".weight") != 0) return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (contains(t->name, kept[i])) return false;
    return t->type != SUAN__F64 && suan__dequantize_known(t->type);
}

static suan_status list_gguf(converter *c) {
    const suan__checkpoint *ck = c->ck;
    c->tensors = SUAN_ARENA_NEW(&c->arena, suan__convert_tensor, ck->n_tensors);
    const suan__tensor **sources = SUAN_ARENA_NEW(&c->arena, const suan__tensor *, ck->n_tensors);
    if (!c->tensors || !sources) return no_memory(c);
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        const suan__tensor *s = &ck->tensors[i];
        if (suan__tensor_is_derived(ck, s)) continue; /* made anew where they are wanted */
        suan__convert_tensor *t = &c->tensors[c->n_tensors++];
        sources[i] = s;
        *t = (suan__convert_tensor){.name = s->name, .n_dims = s->n_dims, .type = s->type, .sources = &sources[i], .n_sources = 1};
        memcpy(t->ne, s->ne, sizeof t->ne);
        if (c->has_type && is_gguf_matrix(s)) choose_type(c, t, true, s->type);
    }
    return SUAN_OK;
}

/* ---- packing ---- */

/* Which tensors of a GGUF file are matrices of the graph, and how kv_b is cut: the plan knows. */
static suan_status mark_gguf(converter *c) {
    const suan__family *family;
    suan__hparams hp;
    suan__plan plan;
    suan_error *err = c->err;
    SUAN_TRY(suan__family_find(&family, c->ck, err));
    SUAN_TRY(suan__hparams_read(&hp, family, c->ck, &c->arena, err));
    SUAN_TRY(suan__plan_make(&plan, family, &hp, c->ck, false, false, &c->arena, err));
    const suan__plan_tensor **of = SUAN_ARENA_NEW(&c->arena, const suan__plan_tensor *, c->ck->n_tensors);
    if (!of) return no_memory(c);
    for (const suan__plan_tensor *p = plan.first; p; p = p->next) of[p->sources[0] - c->ck->tensors] = p;
    for (uint64_t i = 0; i < c->n_tensors; i++) {
        const suan__plan_tensor *p = of[c->tensors[i].sources[0] - c->ck->tensors];
        if (!p) continue;
        c->tensors[i].has_panels = p->has_panels;
        c->tensors[i].head_rows = p->head_rows;
        c->tensors[i].head_values = p->head_values;
    }
    return SUAN_OK;
}

/* One half of a whole kv_b, of the type that a loaded model gives it (bind.c): a matrix for each head. */
static suan_status make_half(converter *c, const suan__convert_tensor *whole, suan__plan_part part, suan__convert_tensor *t) {
    bool is_keys = part == SUAN__PLAN_KEYS;
    size_t n = strlen(whole->name), n_end = strlen("kv_b.weight");
    char *name = suan__arena_strndup(&c->arena, whole->name, n);
    if (!name) return no_memory(c);
    memcpy(name + n - n_end, is_keys ? "k_b.weight" : "v_b.weight", n_end); /* with the NUL */
    bool expands = is_keys && suan__dtype_get(whole->type)->block > 1;
    uint64_t rank = whole->ne[0], n_head = whole->ne[1] / whole->head_rows;
    *t = (suan__convert_tensor){
        .name = name,
        .n_dims = 3,
        .ne = {is_keys ? whole->head_rows - whole->head_values : rank, is_keys ? rank : whole->head_values, n_head, 1},
        .type = expands ? SUAN__F32 : suan__packed_type(whole->type),
        .is_packed = true,
        .part = part,
        .whole = whole};
    return SUAN_OK;
}

/* Matrices become packed ones; a whole kv_b stays, so that the plain file can be had again, and its halves follow it. Types without kernels
 * of their own stay plain too and are expanded when the model is loaded. */
static suan_status pack_list(converter *c) {
    const suan__convert_tensor *plain = c->tensors;
    uint64_t n_plain = c->n_tensors, n = n_plain;
    for (uint64_t i = 0; i < n_plain; i++) n += plain[i].head_values ? 2 : 0;
    c->tensors = SUAN_ARENA_NEW(&c->arena, suan__convert_tensor, n);
    c->n_tensors = 0;
    if (!c->tensors) return no_memory(c);
    for (uint64_t i = 0; i < n_plain; i++) {
        suan__convert_tensor *t = &c->tensors[c->n_tensors++];
        *t = plain[i];
        t->is_packed = t->has_panels && suan__packed_type(t->type) == t->type && (t->n_dims == 2 || t->n_dims == 3);
        if (!t->is_packed) t->type = suan__convert_plain_type(t->type);
        if (!t->head_values) continue;
        SUAN_TRY(make_half(c, t, SUAN__PLAN_KEYS, &c->tensors[c->n_tensors++]));
        SUAN_TRY(make_half(c, t, SUAN__PLAN_VALUES, &c->tensors[c->n_tensors++]));
    }
    return SUAN_OK;
}

/* ---- metadata ---- */

/* The last part of a path, without trailing slashes. */
static suan_status put_name(converter *c, const char *path) {
    const char *end = path + strlen(path), *begin;
    while (end > path + 1 && end[-1] == '/') end--;
    for (begin = end; begin > path && begin[-1] != '/';) begin--;
    return suan__gguf_put_str(&c->w, "general.name", begin, (uint64_t)(end - begin), c->err);
}

/* The type that most matrices have by their bytes. */
static suan_status put_file_type(converter *c) {
    uint64_t bytes[64] = {0};
    uint32_t most = SUAN__F32;
    for (uint64_t i = 0; i < c->n_tensors; i++) {
        uint32_t type = (uint32_t)suan__convert_plain_type(c->tensors[i].type);
        if (type >= 64 || c->tensors[i].whole) continue; /* the same answer for packed and plain files */
        bytes[type] += c->tensors[i].n_values / suan__dtype_get(type)->block * suan__dtype_get(type)->bytes;
        if (bytes[type] > bytes[most]) most = type;
    }
    SUAN_TRY(suan__gguf_put_u32(&c->w, "general.file_type", suan__convert_file_type((suan__dtype)most), c->err));
    return suan__gguf_put_u32(&c->w, "general.quantization_version", 2, c->err);
}

static bool is_key(const suan__gguf_value *v, const char *key) {
    return v->key.n == strlen(key) && memcmp(v->key.data, key, v->key.n) == 0;
}

/* Everything that the file says, but what this one says itself: how it is split and aligned, and of which type it is. */
static suan_status copy_metadata(converter *c) {
    const suan__gguf *g = c->ck->gguf;
    for (uint64_t i = 0; i < g->n_values; i++) {
        const suan__gguf_value *v = &g->values[i];
        if (v->key.n > 6 && memcmp(v->key.data, "split.", 6) == 0) continue;
        if (v->key.n > 12 && memcmp(v->key.data, "suan.packed.", 12) == 0) continue;
        if (is_key(v, "general.alignment")) continue;
        if (c->has_type && (is_key(v, "general.file_type") || is_key(v, "general.quantization_version"))) continue;
        if (c->options->no_tokenizer && v->key.n > 10 && memcmp(v->key.data, "tokenizer.", 10) == 0) continue;
        SUAN_TRY(suan__gguf_put_value(&c->w, v, c->err));
    }
    return c->has_type ? put_file_type(c) : SUAN_OK;
}

static suan_status put_no_tokenizer(converter *c) {
    return suan__gguf_put_str(&c->w, "tokenizer.ggml.model", "no_vocab", 8, c->err);
}

static suan_status put_tokenizer(converter *c, uint32_t n_vocab) {
    suan_tokenizer *t = NULL;
    suan_error why = {.status = SUAN_OK};
    if (c->options->no_tokenizer) return put_no_tokenizer(c);
    suan_status status = suan__tokenizer_from_checkpoint(&t, c->ck, &why);
    if (status == SUAN_ENOTFOUND) return put_no_tokenizer(c);
    if (status != SUAN_OK) return suan__fail(c->err, status, "%s", why.message);
    status = suan__tokenizer_write_gguf(t, n_vocab, &c->w, c->err);
    suan_tokenizer_close(&t);
    return status;
}

/* ---- making pieces ---- */

typedef struct slot {
    const suan__convert_tensor *t;
    uint64_t i_piece;
    unsigned char *out;
    size_t n_out;
} slot;

typedef struct batch {
    const suan__checkpoint *ck;
    slot *slots;
    uint32_t n_slots;
    atomic_uint next;
    atomic_bool failed;
    suan_status status;
    suan_error error;
    suan__convert_scratch *scratch; /* one a thread */
} batch;

static void run_batch(void *ctx, int i_thread, int n_threads) {
    batch *b = ctx;
    (void)n_threads;
    for (uint32_t i; (i = atomic_fetch_add(&b->next, 1)) < b->n_slots && !atomic_load(&b->failed);) {
        suan_error err = {0};
        slot *s = &b->slots[i];
        suan_status status = suan__convert_piece(b->ck, s->t, s->i_piece, &b->scratch[i_thread], s->out, &s->n_out, &err);
        if (status != SUAN_OK && !atomic_exchange(&b->failed, true)) {
            b->status = status;
            b->error = err;
        }
    }
}

static suan_status write_batch(converter *c, suan__pool *pool, batch *b, uint64_t *done) {
    atomic_store(&b->next, 0);
    suan__pool_run(pool, run_batch, b);
    if (b->status != SUAN_OK) {
        if (c->err) *c->err = b->error;
        return b->status;
    }
    for (uint32_t i = 0; i < b->n_slots; i++) {
        SUAN_TRY(suan__gguf_write_data(&c->w, &c->out, b->slots[i].out, b->slots[i].n_out, c->err));
        *done += b->slots[i].n_out;
    }
    const suan_convert_options *o = c->options;
    if (o->progress) o->progress(o->ctx, *done, c->result.n_bytes);
    if (o->cancelled && o->cancelled(o->ctx)) return suan__fail(c->err, SUAN_STOPPED, "%s: stopped", c->out_path);
    return SUAN_OK;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static suan_status allocate(converter *c, batch *b, uint32_t n_slots, int n_threads) {
    suan__convert_scratch most = {0};
    suan_error *err = c->err;
    for (uint64_t i = 0; i < c->n_tensors; i++) {
        suan__convert_scratch n = suan__convert_needs(&c->tensors[i]);
        most.n_raw = larger(most.n_raw, n.n_raw);
        most.n_rows = larger(most.n_rows, n.n_rows);
        most.n_x = larger(most.n_x, n.n_x);
        most.n_y = larger(most.n_y, n.n_y);
        most.n_out = larger(most.n_out, n.n_out);
    }
    SUAN_CHECK(most.n_x <= SIZE_MAX / 8 && most.n_y <= SIZE_MAX / 8, SUAN_ERANGE, "%s: the model's rows are too long", c->out_path);
    b->slots = SUAN_ARENA_NEW(&c->arena, slot, n_slots);
    b->scratch = SUAN_ARENA_NEW(&c->arena, suan__convert_scratch, (size_t)n_threads);
    if (!b->slots || !b->scratch) return no_memory(c);
    bool have = true;
    for (uint32_t i = 0; have && i < n_slots; i++) have = (b->slots[i].out = suan__malloc_aligned(most.n_out)) != NULL;
    for (int i = 0; have && i < n_threads; i++)
        have = (b->scratch[i].raw = suan__malloc_aligned(most.n_raw)) && (b->scratch[i].rows = suan__malloc_aligned(most.n_rows)) &&
               (b->scratch[i].x = suan__malloc_aligned(most.n_x * 4)) && (b->scratch[i].y = suan__malloc_aligned(most.n_y * 4));
    return have ? SUAN_OK : no_memory(c);
}

static void release(batch *b, uint32_t n_slots, int n_threads) {
    for (uint32_t i = 0; b->slots && i < n_slots; i++) suan__free(b->slots[i].out);
    for (int i = 0; b->scratch && i < n_threads; i++) {
        suan__free(b->scratch[i].raw);
        suan__free(b->scratch[i].rows);
        suan__free(b->scratch[i].x);
        suan__free(b->scratch[i].y);
    }
}

static suan_status write_tensors(converter *c) {
    suan__pool *pool;
    SUAN_TRY(suan__pool_create(&pool, c->options->n_threads, c->err));
    int n_threads = suan__pool_n_threads(pool);
    uint32_t n_slots = (uint32_t)n_threads * PIECES_A_THREAD;
    batch b = {.ck = c->ck, .status = SUAN_OK};
    uint64_t done = 0;
    suan_status status = allocate(c, &b, n_slots, n_threads);
    for (uint64_t i = 0; i < c->n_tensors && status == SUAN_OK; i++) {
        for (uint64_t piece = 0; piece < c->tensors[i].n_pieces && status == SUAN_OK; piece++) {
            b.slots[b.n_slots].t = &c->tensors[i];
            b.slots[b.n_slots++].i_piece = piece;
            bool is_last = i + 1 == c->n_tensors && piece + 1 == c->tensors[i].n_pieces;
            if (b.n_slots < n_slots && !is_last) continue;
            status = write_batch(c, pool, &b, &done);
            b.n_slots = 0;
        }
    }
    release(&b, n_slots, n_threads);
    suan__pool_free(pool);
    return status;
}

/* ---- the whole ---- */

static suan_status announce_tensors(converter *c) {
    suan_error *err = c->err;
    if (c->options->packed) SUAN_TRY(pack_list(c));
    for (uint64_t i = 0; i < c->n_tensors; i++) {
        suan__convert_tensor *t = &c->tensors[i];
        if (!t->is_packed) t->type = suan__convert_plain_type(t->type);
        SUAN_TRY(suan__convert_cut(t, err));
        SUAN_CHECK(suan__add_u64(c->result.n_bytes, t->n_bytes, &c->result.n_bytes), SUAN_ERANGE, "%s: the file would be too large",
                   c->out_path);
        SUAN_TRY((t->is_packed ? suan__gguf_put_packed : suan__gguf_put_tensor)(&c->w, t->name, t->type, t->n_dims, t->ne, err));
    }
    c->result.n_tensors = c->n_tensors;
    return SUAN_OK;
}

static suan_status write_file(converter *c) {
    suan_status status;
    suan_error *err = c->err;
    SUAN_TRY(suan__out_open(&c->out, c->out_path, err));
    SUAN_TRY_GOTO(suan__gguf_write_header(&c->w, &c->out, err));
    SUAN_TRY_GOTO(write_tensors(c));
    return suan__gguf_write_finish(&c->w, &c->out, err);
fail:
    suan__out_abort(&c->out);
    return status;
}

/* Lists tensors and metadata of what the graph of a directory, or of a shape, needs. */
static suan_status prepare_plan(converter *c, bool is_random) {
    const suan__family *family;
    suan__hparams hp;
    suan__plan plan;
    suan_error *err = c->err;
    bool split = c->options->split_kv_b;
    SUAN_TRY(suan__family_find(&family, c->ck, err));
    SUAN_TRY(suan__hparams_read(&hp, family, c->ck, &c->arena, err));
    SUAN_TRY(suan__plan_make(&plan, family, &hp, c->ck, is_random, split, &c->arena, err));
    SUAN_TRY(list_plan(c, &plan, is_random));
    if (!is_random) SUAN_TRY(count_unused(c));
    SUAN_TRY(suan__plan_describe(&c->w, family, &hp, c->ck, split, err));
    SUAN_TRY(put_name(c, c->ck->path));
    SUAN_TRY(announce_tensors(c));
    SUAN_TRY(put_file_type(c));
    return is_random ? put_no_tokenizer(c) : put_tokenizer(c, hp.n_vocab);
}

static suan_status prepare_gguf(converter *c) {
    suan_error *err = c->err;
    SUAN_CHECK(c->ck->n_tensors > 0, SUAN_EUNSUPPORTED, "%s: holds no tensors", c->ck->path);
    SUAN_TRY(list_gguf(c));
    if (c->options->packed) SUAN_TRY(mark_gguf(c));
    SUAN_TRY(announce_tensors(c));
    return copy_metadata(c);
}

static suan_status convert(converter *c, suan_convert_result *result, bool is_random) {
    suan_error *err = c->err;
    const suan_convert_options *o = c->options;
    uint64_t saved = suan__fp_enter(); /* frequencies and expanded weights are the contract's */
    suan__arena_init(&c->arena, 1 << 16);
    suan_status status;
    SUAN_CHECK_GOTO(o->n_threads >= 0 && o->n_threads <= SUAN__MAX_THREADS, SUAN_ERANGE, "n_threads is %d, expected 0 to %d", o->n_threads,
                    SUAN__MAX_THREADS);
    c->has_type = o->type != NULL;
    if (o->type) SUAN_TRY_GOTO(suan__convert_type_find(o->type, &c->type, err));
    SUAN_TRY_GOTO(suan__gguf_writer_init(&c->w, o->packed ? SUAN__PACKED_ALIGNMENT : SUAN__GGUF_DEFAULT_ALIGNMENT, err));
    SUAN_TRY_GOTO(c->ck->kind == SUAN__CHECKPOINT_GGUF ? prepare_gguf(c) : prepare_plan(c, is_random));
    if (o->packed) SUAN_TRY_GOTO(suan__gguf_put_packing(&c->w, err));
    SUAN_TRY_GOTO(write_file(c));
    if (result) *result = c->result;
fail:
    suan__gguf_writer_fini(&c->w);
    suan__arena_fini(&c->arena);
    suan__fp_leave(saved);
    return status;
}

static const suan_convert_options defaults = SUAN_CONVERT_OPTIONS_INIT;

suan_status suan_convert(const char *in, const char *out, const suan_convert_options *options, suan_convert_result *result,
                         suan_error *err) {
    converter c = {.options = options ? options : &defaults, .out_path = out, .err = err};
    SUAN_CHECK(in && out, SUAN_EINVAL, "convert: in and out must not be NULL");
    SUAN_TRY(suan__checkpoint_open(&c.ck, in, err));
    suan_status status = c.options->split_kv_b && c.ck->kind == SUAN__CHECKPOINT_GGUF
                             ? suan__fail(err, SUAN_EUNSUPPORTED, "%s: kv_b of a GGUF file stays as it is", in)
                             : convert(&c, result, false);
    suan__checkpoint_close(&c.ck);
    return status;
}

suan_status suan__shape_load(const char *shape, uint32_t n_layer, json_t **config, suan_error *err) {
    size_t n = strlen(shape);
    bool is_path = strchr(shape, '/') || (n > 5 && strcmp(shape + n - 5, ".json") == 0);
    SUAN_TRY(is_path ? suan__json_load_file(shape, SUAN__JSON_MAX_CONFIG, config, err) : suan__shape_config(shape, config, err));
    SUAN_CHECK(json_is_object(*config), SUAN_EFORMAT, "%s: is %s, expected an object", shape, suan__json_type_name(*config));
    if (n_layer == 0) return SUAN_OK;
    const json_t *all = json_object_get(*config, "num_hidden_layers");
    SUAN_CHECK(!json_is_integer(all) || (json_int_t)n_layer <= json_integer_value(all), SUAN_ERANGE,
               "%u layers were asked for, %s has %lld", n_layer, shape, (long long)json_integer_value(all));
    SUAN_CHECK(json_object_set_new(*config, "num_hidden_layers", json_integer(n_layer)) == 0, SUAN_ENOMEM, "out of memory");
    const json_t *hashed = json_object_get(*config, "num_hash_layers");
    if (json_is_integer(hashed) && json_integer_value(hashed) > (json_int_t)n_layer)
        SUAN_CHECK(json_object_set_new(*config, "num_hash_layers", json_integer(n_layer)) == 0, SUAN_ENOMEM, "out of memory");
    return SUAN_OK;
}

suan_status suan_convert_random(const char *shape, const char *out, const suan_convert_options *options, suan_convert_result *result,
                                suan_error *err) {
    converter c = {.out_path = out, .err = err};
    json_t *config = NULL;
    SUAN_CHECK(shape && out, SUAN_EINVAL, "convert: shape and out must not be NULL");
    suan_convert_options o = options ? *options : defaults;
    if (!o.type) o.type = "bf16";
    c.options = &o;
    suan_status status = suan__shape_load(shape, o.n_layer, &config, err);
    if (status == SUAN_OK) {
        suan__checkpoint invented = {.kind = SUAN__CHECKPOINT_HF, .path = shape, .dir = shape, .config = config};
        c.ck = &invented;
        status = convert(&c, result, true);
    }
    json_decref(config);
    return status;
}
