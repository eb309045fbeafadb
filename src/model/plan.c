/* plan.c: the list of a model's tensors under GGUF's names, by the walk that loads a model. */
#include "model/plan.h"

#include <string.h>

#include "kernels/math.h"
#include "model/binder.h"

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && memcmp(s + n - k, end, k) == 0;
}

/* Llama's rows of q and k are interleaved in GGUF files. */
static void mark_pairs(suan__plan *plan, const suan__hparams *hp) {
    for (suan__plan_tensor *p = plan->first; p; p = p->next) {
        if (!ends_with(p->name, ".attn_q.weight") && !ends_with(p->name, ".attn_k.weight")) continue;
        p->part = SUAN__PLAN_PAIRS;
        p->head_rows = hp->head_dim;
        p->n_rot = hp->n_rot;
    }
}

/* Llama 3's scaling of frequencies has no keys in GGUF: the ratios of plain to scaled ones are a tensor. */
static suan_status add_rope_freqs(suan__plan *plan, suan__plan_tensor **last, const suan__hparams *hp, const suan__checkpoint *ck,
                                  suan__arena *arena, suan_error *err) {
    const char *type = NULL;
    static const char *const keys[] = {"rope_parameters.rope_type", "rope_parameters.type", "rope_scaling.rope_type", "rope_scaling.type"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !type; i++) SUAN_TRY(suan__config_str(ck, keys[i], false, &type, err));
    if (!type || strcmp(type, "llama3") != 0) return SUAN_OK;
    uint32_t n = hp->n_rot / 2;
    float *ratio = SUAN_ARENA_NEW(arena, float, n);
    suan__plan_tensor *p = SUAN_ARENA_NEW(arena, suan__plan_tensor, 1);
    SUAN_CHECK(ratio && p, SUAN_ENOMEM, "%s: out of memory", ck->path);
    for (uint32_t j = 0; j < n; j++) ratio[j] = (float)(suan__pow(hp->rope_theta, -2.0 * j / hp->n_rot) / (double)hp->rope_freq[j]);
    *p = (suan__plan_tensor){.name = "rope_freqs.weight", .n_dims = 1, .ne = {n, 1, 1, 1}, .values = ratio};
    *last = p;
    plan->n_tensors++;
    return SUAN_OK;
}

suan_status suan__plan_make(suan__plan *plan, const suan__family *family, const suan__hparams *hp, const suan__checkpoint *ck,
                            bool is_invented, bool split_kv_b, suan__arena *arena, suan_error *err) {
    suan__binder b;
    suan__weight embd = {0}, head = {0};
    float *out_norm = NULL;
    *plan = (suan__plan){0};
    suan__binder_init(&b, ck, hp, arena, err);
    b.plan = plan;
    b.last_plan = &plan->first;
    b.is_invented = is_invented;
    b.split_kv_b = split_kv_b;
    b.embd = &embd;
    b.head = &head;
    b.out_norm = &out_norm;
    b.layers = SUAN_ARENA_NEW(arena, suan__layer, hp->n_layer);
    SUAN_CHECK(b.layers, SUAN_ENOMEM, "%s: out of memory for %u layers", ck->path, hp->n_layer);
    suan__bind_model(&b, family);
    SUAN_TRY(b.status);
    plan->n_params = b.n_params;
    if (ck->kind == SUAN__CHECKPOINT_GGUF) return SUAN_OK;
    if (family->gguf_interleaves) mark_pairs(plan, hp);
    return add_rope_freqs(plan, b.last_plan, hp, ck, arena, err);
}
