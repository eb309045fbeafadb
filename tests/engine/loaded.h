/* loaded.h: a safetensors file, open to look at. */
#ifndef TESTS_ENGINE_LOADED_H
#define TESTS_ENGINE_LOADED_H

#include "../base/cmocka_all.h"
#include "formats/safetensors.h"

typedef struct loaded {
    suan__file file;
    suan__arena arena;
    suan__safetensors st;
} loaded;

static inline void load(loaded *l, const char *path) {
    suan_error err = {0};
    memset(l, 0, sizeof *l);
    suan__arena_init(&l->arena, 4096);
    if (suan__file_open(&l->file, path, &err) != SUAN_OK || suan__safetensors_open(&l->st, &l->arena, &l->file, &err) != SUAN_OK)
        fail_msg("%s", err.message);
}
static inline void unload(loaded *l) {
    suan__file_close(&l->file);
    suan__arena_fini(&l->arena);
}
/* The caller's to free. */
static inline void *data_of(const loaded *l, const suan__tensor *t) {
    void *data = suan__malloc(t->n_bytes);
    assert_non_null(data);
    assert_int_equal(suan__file_read(&l->file, t->offset, data, t->n_bytes, NULL), SUAN_OK);
    return data;
}

#endif
