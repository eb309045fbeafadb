/* bench_shape.c: a model of random weights that lies nowhere: its tensors are made up while it is loaded. */
#include <string.h>

#include "engine/bench.h"
#include "engine/convert.h"
#include "model/plan.h"

/* Norms are ones; biases are small: rows of 2500 values give a deviation of 0.02. */
#define BIAS_ROW 2500

static suan__dtype type_of(const suan__invention *self, const suan__tensor *t) {
    bool is_router = strstr(t->name, "ffn_gate_inp") != NULL;
    if (strstr(t->name, "tid2eid")) return SUAN__I32;
    is_router |= strstr(t->name, "_ape") != NULL; /* a table of floats */
    return t->n_dims < 2 || is_router ? SUAN__F32 : suan__convert_type_for(self->matrix_type, t->ne[0]);
}

static uint64_t key_of(const suan__invention *self, const char *name) {
    uint64_t key = self->seed ^ UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *name; name++) key = (key ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return key;
}

/* begin and n are bytes of whole rows; where rows are so odd that 256 values do not begin there, those before are taken. */
static void read_random(const suan__invention *self, const suan__tensor *t, uint64_t begin, void *dst, size_t n) {
    const suan__dtype_info *info = suan__dtype_get(t->type);
    size_t values = n / info->bytes * info->block;
    if (t->n_dims == 1 && strstr(t->name, "norm")) {
        for (size_t i = 0; i < values; i++) ((float *)dst)[i] = 1;
        return;
    }
    uint64_t first = begin / info->bytes * info->block / 256 * 256;
    suan__random_weights(t->type, dst, t->n_dims == 1 ? BIAS_ROW : t->ne[0], first, values, key_of(self, t->name));
}

suan_status suan_bench_open_shape(suan_model **model, const char *shape, const char *type, uint32_t n_layer,
                                  const suan_model_options *options, suan_error *err) {
    suan__invention invention = {.type = type_of, .read = read_random, .matrix_type = SUAN__BF16, .seed = 1};
    json_t *config = NULL;
    SUAN_CHECK(model, SUAN_EINVAL, "model is NULL");
    *model = NULL;
    SUAN_CHECK(shape, SUAN_EINVAL, "no shape");
    if (type) SUAN_TRY(suan__convert_type_find(type, &invention.matrix_type, err));
    suan_status status = suan__shape_load(shape, n_layer, &config, err);
    if (status == SUAN_OK) {
        suan__checkpoint ck = {.kind = SUAN__CHECKPOINT_HF, .path = shape, .dir = shape, .config = config, .invention = &invention};
        status = suan__model_open(model, shape, &ck, options, err);
    }
    json_decref(config);
    return status;
}
