/* ahead_load.c: the tensors of the module that guesses ahead. Its layer is bound as the trunk's are, one number behind them. */
#include <string.h>

#include "model/ahead.h"
#include "model/binder.h"

/* The hyperparameters with the module's layer as the last. */
static suan_status extend(suan__hparams *hp, const suan__hparams *trunk, suan__arena *arena, suan_error *err) {
    uint32_t n = trunk->n_layer;
    *hp = *trunk;
    hp->n_layer = n + 1;
    hp->is_ahead = true;
    if (trunk->layer_is_moe) {
        hp->layer_is_moe = SUAN_ARENA_NEW(arena, bool, n + 1);
        SUAN_CHECK(hp->layer_is_moe, SUAN_ENOMEM, "out of memory");
        memcpy(hp->layer_is_moe, trunk->layer_is_moe, n * sizeof *hp->layer_is_moe);
        hp->layer_is_moe[n] = trunk->layer_is_moe[n - 1];
    }
    if (trunk->layer_ratio) { /* it has the window alone */
        hp->layer_ratio = SUAN_ARENA_NEW(arena, uint32_t, n + 1);
        SUAN_CHECK(hp->layer_ratio, SUAN_ENOMEM, "out of memory");
        memcpy(hp->layer_ratio, trunk->layer_ratio, n * sizeof *hp->layer_ratio);
        hp->layer_ratio[n] = 0;
    }
    return SUAN_OK;
}

/* What a step sees: a model of that one layer. */
static suan__hparams alone(const suan__hparams *extended) {
    suan__hparams hp = *extended;
    uint32_t n = extended->n_layer - 1;
    hp.n_layer = 1;
    hp.n_hash_layer = 0;
    if (hp.layer_is_moe) hp.layer_is_moe += n;
    if (hp.layer_ratio) hp.layer_ratio += n;
    return hp;
}

static suan_status check_known(const suan__family *family, const suan__hparams *trunk, const suan__checkpoint *ck, suan_error *err) {
    SUAN_CHECK(trunk->n_nextn > 0, SUAN_EUNSUPPORTED, "%s has no module for multi-token prediction to draft with", ck->path);
    SUAN_CHECK(family->has_ahead && (!trunk->n_stream || ck->kind != SUAN__CHECKPOINT_GGUF), SUAN_EUNSUPPORTED,
               "%s: the multi-token prediction of this architecture is not known here%s", ck->path,
               family->has_ahead ? " in GGUF files" : "");
    return SUAN_OK;
}

static void bind_ahead(suan__binder *b, const suan__family *family, suan__model *m) {
    const suan__hparams *hp = b->hp;
    uint32_t i = hp->n_layer - 1, d = hp->n_embd;
    bool has_streams = hp->n_stream > 0;
    b->family = family;
    b->is_ahead = true;
    b->used = suan__arena_alloc(b->arena, b->ck->n_tensors, sizeof *b->used);
    if (!b->used && b->status == SUAN_OK) b->status = suan__fail(b->err, SUAN_ENOMEM, "%s: out of memory", b->ck->path);
    if (b->status != SUAN_OK) return;
    suan__bind_vector(b, &m->ahead_norm_e, i,
                      SUAN_NAMES(has_streams ? "enorm.weight" : "model.layers.%u.enorm.weight", "blk.%u.nextn.enorm.weight"), d, false);
    suan__bind_vector(b, &m->ahead_norm_h, i,
                      SUAN_NAMES(has_streams ? "hnorm.weight" : "model.layers.%u.hnorm.weight", "blk.%u.nextn.hnorm.weight"), d, false);
    suan__bind_vector(
        b, &m->out_norm, i,
        SUAN_NAMES(has_streams ? "norm.weight" : "model.layers.%u.shared_head.norm.weight", "blk.%u.nextn.shared_head_norm.weight"), d,
        false);
    if (has_streams) {
        suan__bind_matrix(b, &m->ahead_e, i, SUAN_NAMES("e_proj.weight", NULL), d, d, false);
        suan__bind_matrix(b, &m->ahead_h, i, SUAN_NAMES("h_proj.weight", NULL), d, d, false);
    } else {
        suan__bind_matrix(b, &m->ahead_join, i, SUAN_NAMES("model.layers.%u.eh_proj.weight", "blk.%u.nextn.eh_proj.weight"), d, 2 * d,
                          false);
    }
    if (b->status == SUAN_OK) family->bind(b, hp, m->layers, i);
}

suan_status suan__ahead_measure(const suan__family *family, const suan__hparams *trunk, const suan__checkpoint *ck, uint64_t *weight_bytes,
                                suan_error *err) {
    suan__arena arena;
    suan__binder b;
    suan__hparams hp;
    suan_status status = SUAN_OK;
    *weight_bytes = 0;
    SUAN_TRY(check_known(family, trunk, ck, err));
    suan__arena_init(&arena, 1 << 16);
    suan__model *m = SUAN_ARENA_NEW(&arena, suan__model, 1);
    SUAN_CHECK_GOTO(m && (m->layers = SUAN_ARENA_NEW(&arena, suan__layer, 1)), SUAN_ENOMEM, "%s: out of memory", ck->path);
    SUAN_TRY_GOTO(extend(&hp, trunk, &arena, err));
    suan__binder_init(&b, ck, &hp, &arena, err);
    bind_ahead(&b, family, m);
    *weight_bytes = b.weight_bytes;
    status = b.status;
fail:
    suan__arena_fini(&arena);
    return status;
}

suan_status suan__ahead_load(suan__model **module, const suan__model *trunk, const suan__checkpoint *ck, suan__progress_fn *progress,
                             void *progress_ctx, suan_error *err) {
    suan_status status = SUAN_OK;
    suan__arena lists;
    suan__binder b;
    suan__hparams hp;
    *module = NULL;
    SUAN_TRY(check_known(trunk->family, &trunk->hp, ck, err));
    suan__model *m = suan__calloc(1, sizeof *m);
    SUAN_CHECK(m, SUAN_ENOMEM, "%s: out of memory", ck->path);
    suan__arena_init(&m->arena, 1 << 16);
    suan__arena_init(&lists, 1 << 16);
    m->family = trunk->family;
    m->arch = trunk->arch;
    m->name = trunk->name;
    m->kernels = trunk->kernels;
    m->pool = trunk->pool;
    m->path = trunk->path;
    m->embd = trunk->embd;
    m->head = trunk->head;
    SUAN_CHECK_GOTO(m->layers = SUAN_ARENA_NEW(&m->arena, suan__layer, 1), SUAN_ENOMEM, "%s: out of memory", ck->path);
    SUAN_TRY_GOTO(extend(&hp, &trunk->hp, &m->arena, err));
    m->hp = alone(&hp);
    suan__binder_init(&b, ck, &hp, &lists, err);
    bind_ahead(&b, trunk->family, m);
    SUAN_TRY_GOTO(suan__binder_load(&b, m, progress, progress_ctx, err));
    *module = m;
    m = NULL;
fail:
    suan__arena_fini(&lists);
    suan__model_free(m);
    return status;
}
