/* native.c: finds the scales of quantised matrices and joins them with their codes, by names, types and shapes: headers and config.json only.
 */
#include "formats/native.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/checkpoint_internal.h"
#include "formats/json.h"

#define NAME_BYTES (SUAN__SAFETENSORS_MAX_NAME + 32)
#define ULL(x) ((unsigned long long)(x))
#define PACKED "_packed" /* behind "X.weight" */

/* What codes and scales become. */
typedef struct joint {
    suan__native native;
    suan__dtype type;
    uint64_t n_cols;
    const suan__tensor *scales, *shape; /* in the checkpoint's list */
} joint;

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && memcmp(s + n - k, end, k) == 0;
}

/* The tensor whose name is `name` without its last `cut` bytes, then `end`. */
static const suan__tensor *beside(const suan__checkpoint *ck, const char *name, size_t cut, const char *end) {
    char text[NAME_BYTES];
    int n = snprintf(text, sizeof text, "%.*s%s", (int)(strlen(name) - cut), name, end);
    return n > 0 && n < (int)NAME_BYTES ? suan__checkpoint_find(ck, text) : NULL;
}

static suan_status check_shape(const suan__checkpoint *ck, const suan__tensor *t, uint64_t rows, uint64_t cols, const char *of,
                               suan_error *err) {
    SUAN_CHECK(t->n_dims == 2 && t->ne[0] == cols && t->ne[1] == rows, SUAN_EFORMAT,
               "%s: tensor %s has the shape [%llu, %llu], expected [%llu, %llu] for the scales of %s", ck->path, t->name, ULL(t->ne[1]),
               ULL(t->ne[0]), ULL(rows), ULL(cols), of);
    return SUAN_OK;
}

static suan_status check_matrix(const suan__checkpoint *ck, const suan__tensor *t, suan_error *err) {
    SUAN_CHECK(t->n_dims == 2 && t->n_bytes > 0, SUAN_EUNSUPPORTED,
               "%s: tensor %s has %d dimensions and %llu bytes, expected a matrix of codes", ck->path, t->name, t->n_dims, ULL(t->n_bytes));
    return SUAN_OK;
}

/* ---- config.json ---- */

/* The member of quantization_config, which models with several parts have below text_config. */
static const json_t *quantization(const suan__checkpoint *ck, const char **path) {
    static const char *const paths[] = {"quantization_config", "text_config.quantization_config", "compression_config"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        *path = paths[i];
        const json_t *node = suan__config_get(ck, paths[i]);
        if (node) return node;
    }
    *path = paths[0];
    return NULL;
}

/* expected: JSON text. What is allowed to be absent is given by `optional`; null counts as absent. */
static suan_status check_member(const suan__checkpoint *ck, const json_t *object, const char *path, const char *key, const json_t *expected,
                                bool optional, suan_error *err) {
    const json_t *found = json_object_get(object, key);
    char a[64] = "missing", b[64];
    if ((!found || json_is_null(found)) && optional) return SUAN_OK;
    if (found && json_equal(found, expected)) return SUAN_OK;
    size_t n = found ? json_dumpb(found, a, sizeof a - 1, JSON_ENCODE_ANY | JSON_COMPACT) : strlen(a);
    if (n > sizeof a - 1) n = (size_t)snprintf(a, sizeof a, "%s", suan__json_type_name(found));
    a[n] = 0;
    n = json_dumpb(expected, b, sizeof b - 1, JSON_ENCODE_ANY | JSON_COMPACT);
    b[n < sizeof b ? n : 0] = 0;
    return suan__fail(err, SUAN_EUNSUPPORTED, "%s/config.json: %s.%s is %s, expected %s", ck->dir, path, key, a, b);
}

/* Takes the reference to `expected`. */
static suan_status expect(const suan__checkpoint *ck, const json_t *object, const char *path, const char *key, json_t *expected,
                          bool optional, suan_error *err) {
    suan_status status = expected ? check_member(ck, object, path, key, expected, optional, err)
                                  : suan__fail(err, SUAN_ENOMEM, "%s: out of memory", ck->path);
    json_decref(expected);
    return status;
}

static suan_status check_group(const suan__checkpoint *ck, const json_t *group, const char *path, suan_error *err) {
    const json_t *w = json_object_get(group, "weights");
    char at[192];
    snprintf(at, sizeof at, "%s.weights", path);
    SUAN_CHECK(json_is_object(w), SUAN_EFORMAT, "%s/config.json: %s is missing or no object", ck->dir, at);
    SUAN_TRY(expect(ck, w, at, "num_bits", json_integer(4), false, err));
    SUAN_TRY(expect(ck, w, at, "type", json_string("int"), false, err));
    SUAN_TRY(expect(ck, w, at, "symmetric", json_true(), false, err));
    SUAN_TRY(expect(ck, w, at, "strategy", json_string("group"), false, err));
    SUAN_TRY(expect(ck, w, at, "group_size", json_integer(SUAN__NATIVE_GROUP), false, err));
    SUAN_TRY(expect(ck, w, at, "dynamic", json_false(), true, err));
    return expect(ck, w, at, "actorder", json_false(), true, err); /* columns in another order */
}

static suan_status check_int4_config(const suan__checkpoint *ck, suan_error *err) {
    const char *path;
    const json_t *q = quantization(ck, &path), *groups;
    char at[160];
    SUAN_CHECK(json_is_object(q), SUAN_EFORMAT, "%s/config.json: quantization_config is missing, but there are packed weights", ck->dir);
    SUAN_TRY(expect(ck, q, path, "quant_method", json_string("compressed-tensors"), false, err));
    SUAN_TRY(expect(ck, q, path, "format", json_string("pack-quantized"), false, err));
    groups = json_object_get(q, "config_groups");
    SUAN_CHECK(json_is_object(groups) && json_object_size(groups) > 0, SUAN_EFORMAT, "%s/config.json: %s.config_groups is missing or empty",
               ck->dir, path);
    for (void *it = json_object_iter((json_t *)groups); it; it = json_object_iter_next((json_t *)groups, it)) {
        snprintf(at, sizeof at, "%s.config_groups.%.80s", path, json_object_iter_key(it));
        SUAN_TRY(check_group(ck, json_object_iter_value(it), at, err));
    }
    return SUAN_OK;
}

static suan_status check_fp8_config(const suan__checkpoint *ck, suan_error *err) {
    const char *path;
    const json_t *q = quantization(ck, &path);
    if (!json_is_object(q)) return SUAN_OK;
    return expect(ck, q, path, "weight_block_size", json_pack("[i,i]", SUAN__NATIVE_BLOCK, SUAN__NATIVE_BLOCK), true, err);
}

/* ---- the three kinds ---- */

static bool is_fp8_scale(suan__dtype type) {
    return type == SUAN__F32 || type == SUAN__BF16 || type == SUAN__F16 || type == SUAN__F8_E8M0;
}

static uint64_t blocks(uint64_t n) {
    return n / SUAN__NATIVE_BLOCK + (n % SUAN__NATIVE_BLOCK != 0);
}

static suan_status join_fp8(const suan__checkpoint *ck, const suan__tensor *t, joint *j, suan_error *err) {
    const suan__tensor *s = beside(ck, t->name, 0, "_scale_inv");
    if (!s && ends_with(t->name, ".weight")) s = beside(ck, t->name, strlen(".weight"), ".scale");
    SUAN_CHECK(s, SUAN_EUNSUPPORTED, "%s: tensor %s is of type F8_E4M3, but its scales (%s_scale_inv) are missing", ck->path, t->name,
               t->name);
    SUAN_TRY(check_matrix(ck, t, err));
    SUAN_TRY(check_fp8_config(ck, err));
    SUAN_CHECK(is_fp8_scale(s->type), SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, expected F32, BF16, F16 or F8_E8M0", ck->path,
               s->name, suan__dtype_get(s->type)->name);
    SUAN_TRY(check_shape(ck, s, blocks(t->ne[1]), blocks(t->ne[0]), t->name, err));
    j->native.kind = SUAN__NATIVE_FP8;
    j->n_cols = t->ne[0];
    j->type = j->n_cols % 128 == 0 ? SUAN__F8_128 : j->n_cols % 32 == 0 ? SUAN__F8_32 : SUAN__F32;
    j->scales = s;
    return SUAN_OK;
}

static suan_status join_fp4(const suan__checkpoint *ck, const suan__tensor *t, joint *j, suan_error *err) {
    const suan__tensor *s = beside(ck, t->name, strlen(".weight"), ".scale");
    SUAN_CHECK(s, SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, but its scales (.scale instead of .weight) are missing", ck->path,
               t->name, suan__dtype_get(t->type)->name);
    SUAN_TRY(check_matrix(ck, t, err));
    SUAN_CHECK(s->type == SUAN__F8_E8M0, SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, expected F8_E8M0", ck->path, s->name,
               suan__dtype_get(s->type)->name);
    j->native.kind = SUAN__NATIVE_FP4;
    j->n_cols = t->ne[0] * 2; /* bytes of a file: no overflow */
    SUAN_CHECK(j->n_cols % SUAN__NATIVE_GROUP == 0, SUAN_EUNSUPPORTED, "%s: tensor %s has %llu columns of FP4, no multiple of %d", ck->path,
               t->name, ULL(j->n_cols), SUAN__NATIVE_GROUP);
    SUAN_TRY(check_shape(ck, s, t->ne[1], j->n_cols / SUAN__NATIVE_GROUP, t->name, err));
    j->type = SUAN__MXFP4;
    j->scales = s;
    return SUAN_OK;
}

static suan_status join_int4(const suan__checkpoint *ck, const suan__tensor *t, joint *j, suan_error *err) {
    const suan__tensor *s = beside(ck, t->name, strlen(PACKED), "_scale"), *shape = beside(ck, t->name, strlen(PACKED), "_shape");
    SUAN_CHECK(!beside(ck, t->name, strlen(PACKED), ""), SUAN_EFORMAT, "%s: tensor %s is there in a plain form too", ck->path, t->name);
    SUAN_CHECK(!beside(ck, t->name, strlen(PACKED), "_zero_point") && !beside(ck, t->name, strlen(PACKED), "_g_idx"), SUAN_EUNSUPPORTED,
               "%s: tensor %s has zero points or columns in another order, which are not supported", ck->path, t->name);
    SUAN_CHECK(s && shape, SUAN_EFORMAT, "%s: tensor %s has no %s beside it", ck->path, t->name, s ? "weight_shape" : "weight_scale");
    SUAN_TRY(check_matrix(ck, t, err));
    SUAN_TRY(check_int4_config(ck, err));
    SUAN_CHECK(s->type == SUAN__BF16, SUAN_EUNSUPPORTED, "%s: tensor %s is of type %s, expected BF16", ck->path, s->name,
               suan__dtype_get(s->type)->name);
    SUAN_CHECK((shape->type == SUAN__I64 || shape->type == SUAN__I32) && shape->n_dims == 1 && shape->ne[0] == 2, SUAN_EFORMAT,
               "%s: tensor %s has %llu values of type %s, expected two of I32 or I64", ck->path, shape->name, ULL(shape->ne[0]),
               suan__dtype_get(shape->type)->name);
    j->native.kind = SUAN__NATIVE_INT4;
    j->n_cols = t->ne[0] * 8; /* half a byte each: no overflow */
    SUAN_CHECK(j->n_cols % SUAN__NATIVE_GROUP == 0, SUAN_EUNSUPPORTED, "%s: tensor %s has %llu columns of int4, no multiple of %d",
               ck->path, t->name, ULL(j->n_cols), SUAN__NATIVE_GROUP);
    SUAN_TRY(check_shape(ck, s, t->ne[1], j->n_cols / SUAN__NATIVE_GROUP, t->name, err));
    j->type = SUAN__I4_BF16;
    j->scales = s;
    j->shape = shape;
    j->native.shape = *shape;
    return SUAN_OK;
}

/* SUAN_ENOTFOUND, and no message: the tensor has no codes that want scales. */
static suan_status join_one(const suan__checkpoint *ck, const suan__tensor *t, joint *j, suan_error *err) {
    *j = (joint){0};
    if (t->native) return SUAN_ENOTFOUND;
    if (t->type == SUAN__F8_E4M3) return join_fp8(ck, t, j, err);
    if (t->type == SUAN__I8 && ends_with(t->name, ".weight")) return join_fp4(ck, t, j, err);
    if (t->type == SUAN__I32 && ends_with(t->name, ".weight" PACKED)) return join_int4(ck, t, j, err);
    return SUAN_ENOTFOUND;
}

/* ---- all of a checkpoint ---- */

uint64_t suan__natives_count_names(const suan__tensor *tensors, uint64_t n) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) count += ends_with(tensors[i].name, ".weight" PACKED);
    return count;
}

/* Puts what was joined in the place of the codes, and marks scales and shape as parts of it. */
static suan_status put(suan__checkpoint_private *p, uint64_t i, joint *j, suan_error *err) {
    suan__tensor *t = &p->tensors[i];
    suan__native *native = SUAN_ARENA_NEW(&p->arena, suan__native, 1);
    uint64_t n_values;
    SUAN_CHECK(native, SUAN_ENOMEM, "%s: out of memory for %llu tensors", p->pub.path, ULL(p->pub.n_tensors));
    *native = j->native;
    native->codes = *t;
    native->scales = *j->scales;
    if (native->kind == SUAN__NATIVE_INT4) {
        char *name = suan__arena_strndup(&p->arena, t->name, strlen(t->name) - strlen(PACKED));
        SUAN_CHECK(name, SUAN_ENOMEM, "%s: out of memory for %llu tensors", p->pub.path, ULL(p->pub.n_tensors));
        suan__names_add(&p->names, name, (uint32_t)strlen(name), (uint32_t)i);
        t->name = name;
        p->tensors[j->shape - p->tensors].is_part = true;
    }
    p->tensors[j->scales - p->tensors].is_part = true;
    t->type = j->type;
    t->ne[0] = j->n_cols;
    t->native = native;
    SUAN_CHECK(suan__tensor_size(t->type, t->n_dims, t->ne, &n_values, &t->n_bytes) == SUAN_OK, SUAN_ERANGE, "%s: tensor %s is too large",
               p->pub.path, t->name);
    return SUAN_OK;
}

suan_status suan__natives_join(suan__checkpoint_private *p, suan_error *err) {
    for (uint64_t i = 0; i < p->pub.n_tensors; i++) {
        joint j;
        suan_status status = join_one(&p->pub, &p->tensors[i], &j, NULL);
        if (status == SUAN_OK) status = put(p, i, &j, err);
        SUAN_CHECK(status != SUAN_ENOMEM, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
        if (status == SUAN_ERANGE) return status;
    }
    return SUAN_OK;
}

suan_status suan__native_explain(const suan__checkpoint *ck, const char *name, suan_error *err) {
    joint j;
    const suan__tensor *t = suan__checkpoint_find(ck, name);
    if (!t) t = beside(ck, name, 0, PACKED);
    if (!t || ck->kind != SUAN__CHECKPOINT_HF) return SUAN_OK;
    suan_status status = join_one(ck, t, &j, err);
    return status == SUAN_ENOTFOUND ? SUAN_OK : status;
}
