/* windows.c: which layers attend to a window of the latest positions, as the containers say it. The cache keeps all positions of such layers too: a rewind stays a smaller count
 * of positions. Source: transformers masking_utils (a query sees `window` positions, its own included); gguf-py constants. */
#include <jansson.h>
#include <string.h>

#include "model/family.h"

bool suan__window_from(uint32_t i_layer, uint32_t first) {
    return i_layer >= first;
}

static void set_from_hf(suan__reader *r, suan__hparams *hp, const json_t *types, uint32_t window) {
    if (!json_is_array(types) || json_array_size(types) < hp->n_layer) {
        suan__reader_fail(r, SUAN_EFORMAT, "layer_types is no list of %u layers, as num_hidden_layers says", hp->n_layer);
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        bool is_windowed = type && strcmp(type, "sliding_attention") == 0;
        if (!type || (!is_windowed && strcmp(type, "full_attention") != 0))
            suan__reader_fail(r, SUAN_EUNSUPPORTED, "layer_types[%u] is \"%.40s\", expected \"sliding_attention\" or \"full_attention\"", i,
                              type ? type : "");
        hp->layer_window[i] = is_windowed ? window : 0;
    }
}

static void set_from_gguf(suan__reader *r, suan__hparams *hp, const suan__gguf_value *v, uint32_t window) {
    if (v->n < hp->n_layer)
        suan__reader_fail(r, SUAN_EFORMAT, "attention.sliding_window_pattern is no list of %u layers, as block_count says", hp->n_layer);
    for (uint32_t i = 0; i < hp->n_layer && r->status == SUAN_OK; i++) {
        bool is_windowed = false;
        if (!suan__gguf_bool_at(v, i, &is_windowed))
            suan__reader_fail(r, SUAN_EFORMAT, "attention.sliding_window_pattern[%u] is no bool", i);
        hp->layer_window[i] = is_windowed ? window : 0;
    }
}

void suan__read_windows(suan__reader *r, suan__hparams *hp, uint32_t window, bool (*is_windowed)(uint32_t i_layer, uint32_t arg),
                        uint32_t arg) {
    if (r->status != SUAN_OK) return;
    hp->layer_window = SUAN_ARENA_NEW(r->arena, uint32_t, hp->n_layer);
    if (!hp->layer_window) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < hp->n_layer; i++) hp->layer_window[i] = is_windowed(i, arg) ? window : 0;
    if (!suan__reader_is_gguf(r)) {
        const json_t *types = suan__config_get(r->ck, "layer_types");
        if (types) set_from_hf(r, hp, types, window);
        return;
    }
    suan__gguf_string arch = {0};
    char key[128];
    suan__gguf_str(r->ck->gguf, "general.architecture", false, &arch, NULL);
    snprintf(key, sizeof key, "%.*s.attention.sliding_window_pattern", (int)(arch.n < 64 ? arch.n : 64), arch.data);
    const suan__gguf_value *v = suan__gguf_find(r->ck->gguf, key);
    if (v && v->type == SUAN__GGUF_ARRAY)
        set_from_gguf(r, hp, v, window);
    else if (v)
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "%s is no list with a bool for each layer", key);
}
