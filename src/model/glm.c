/* glm.c: GLM-5 and 5.2: DeepSeek-V3.2's graph with other sizes: the indexer rotates neighbours, and in GLM-5.2 most layers have no indexer and attend to the positions that the
 * latest layer with one has chosen.
 *
 * Nobody has published round trips of its vectors, so there are none. Files with a schedule say it (indexer_types, or GGUF's attention.indexer.types); older GGUF files do not:
 * a layer without an indexer's tensors shares; where all layers have them, GLM-5.2 is told from GLM-5, which does not share, by its base of rotation.
 * Source: transformers models/glm_moe_dsa; architectures.md section 12. */
#include <jansson.h>
#include <string.h>

#include "model/family.h"

#define THETA_52 8000000.0 /* GLM-5.2's rope_theta; GLM-5's is 1000000 */

/* Layer i has an indexer when max(i - offset + 1, 0) is a multiple of freq. */
static void set_schedule(suan__hparams *hp, uint32_t freq, uint32_t offset) {
    for (uint32_t i = 0; i < hp->n_layer; i++) hp->layer_has_index[i] = i + 1 <= offset || (i + 1 - offset) % freq == 0;
}

static void read_types_hf(suan__reader *r, suan__hparams *hp) {
    uint32_t freq = 1, offset = 1;
    suan__read_u32(r, "index_topk_freq", NULL, false, 1, 4096, &freq);
    suan__read_u32(r, "index_skip_topk_offset", NULL, false, 0, 4096, &offset);
    set_schedule(hp, freq, offset);
    const json_t *types = suan__config_get(r->ck, "indexer_types");
    if (!types || r->status != SUAN_OK) return;
    if (!json_is_array(types) || json_array_size(types) < hp->n_layer) {
        suan__reader_fail(r, SUAN_EFORMAT, "indexer_types is no list of %u layers, as num_hidden_layers says", hp->n_layer);
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        hp->layer_has_index[i] = type && strcmp(type, "full") == 0;
        if (!type || (!hp->layer_has_index[i] && strcmp(type, "shared") != 0))
            suan__reader_fail(r, SUAN_EFORMAT, "indexer_types[%u] is \"%.40s\", expected \"full\" or \"shared\"", i, type ? type : "");
    }
}

static void read_types_gguf(suan__reader *r, suan__hparams *hp) {
    const suan__gguf_value *v = suan__gguf_find(r->ck->gguf, "glm-dsa.attention.indexer.types");
    bool all = true;
    if (!v) {
        for (uint32_t i = 0; i < hp->n_layer; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%u.indexer.attn_k.weight", i);
            all &= hp->layer_has_index[i] = suan__checkpoint_find(r->ck, name) != NULL;
        }
        if (all && hp->rope_theta == THETA_52) set_schedule(hp, 4, 3);
        return;
    }
    if (v->type != SUAN__GGUF_ARRAY || v->n < hp->n_layer) {
        suan__reader_fail(r, SUAN_EFORMAT, "glm-dsa.attention.indexer.types is no list of %u layers, as block_count says", hp->n_layer);
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer; i++)
        if (!suan__gguf_bool_at(v, i, &hp->layer_has_index[i]))
            suan__reader_fail(r, SUAN_EFORMAT, "glm-dsa.attention.indexer.types[%u] is no bool", i);
}

static void read_glm(suan__reader *r, suan__hparams *hp) {
    bool interleaves = true, index_interleaves = true;
    suan__read_deepseek_v3(r, hp);
    suan__read_indexer(r, hp);
    suan__read_bool(r, "rope_interleave", NULL, false, &interleaves);
    suan__read_bool(r, "indexer_rope_interleave", NULL, false, &index_interleaves);
    hp->rope_style = interleaves ? SUAN__ROPE_INTERLEAVED : SUAN__ROPE_HALF;
    hp->index_rope_style = index_interleaves ? SUAN__ROPE_INTERLEAVED : SUAN__ROPE_HALF;
    if (r->status != SUAN_OK) return;
    hp->layer_has_index = SUAN_ARENA_NEW(r->arena, bool, hp->n_layer);
    if (!hp->layer_has_index) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    if (suan__reader_is_gguf(r))
        read_types_gguf(r, hp);
    else
        read_types_hf(r, hp);
    if (r->status == SUAN_OK && !hp->layer_has_index[0])
        suan__reader_fail(r, SUAN_EFORMAT, "the first layer shares the choice of positions of a layer before it, and there is none");
}

static void bind_glm(suan__binder *b, const suan__hparams *hp, suan__layer *l, uint32_t i) {
    suan__bind_deepseek(b, hp, l, i);
    if (hp->layer_has_index[i]) suan__bind_indexer(b, hp, l, i);
}

const suan__family suan__family_glm_dsa = {
    .name = "GLM-5",
    .model_types = (const char *const[]){"glm_moe_dsa", NULL},
    .gguf_arch = "glm-dsa",
    .read = read_glm,
    .bind = bind_glm,
    .layer = suan__layer_deepseek,
};
