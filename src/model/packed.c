/* packed.c: rows into panels, and back out of files that hold panels. */
#include "model/packed.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "model/binder.h"

_Static_assert(SUAN__PACKED_PANEL == SUAN__PANEL, "packed files hold the panels of the kernels");

void suan__panels_pack(suan__dtype type, unsigned char *panels, const unsigned char *rows, size_t row_bytes, size_t k, uint64_t n_rows) {
    size_t panel_bytes = suan__panel_bytes(type, k);
    for (uint64_t r = 0; r < n_rows; r += SUAN__PANEL, panels += panel_bytes)
        suan__panel_pack(type, panels, rows + r * row_bytes, row_bytes, k, n_rows - r < SUAN__PANEL ? (int)(n_rows - r) : SUAN__PANEL);
}

static size_t bytes_of(const suan__tensor *t, uint64_t n) {
    const suan__dtype_info *info = suan__dtype_get(t->type);
    return (size_t)(n / info->block * info->bytes);
}

/* Where the range is in panel form: each panel that it touches is read once, and the parts of rows that belong to it are copied out. */
typedef struct unpacker {
    const suan__checkpoint *ck;
    const suan__tensor *t;
    uint64_t stride, at; /* at: first byte of the panel in the tensor's data; UINT64_MAX: none yet */
    size_t panel_bytes;
    unsigned char *panel, *row;
} unpacker;

static suan_status unpack(unpacker *u, uint64_t begin, uint64_t n, unsigned char *dst, suan_error *err) {
    const suan__tensor *t = u->t;
    while (n > 0) {
        uint64_t row = begin / t->ne[0], column = begin % t->ne[0], r = row % t->ne[1];
        uint64_t values = t->ne[0] - column < n ? t->ne[0] - column : n;
        uint64_t at = row / t->ne[1] * u->stride + r / SUAN__PANEL * u->panel_bytes;
        if (at != u->at) SUAN_TRY(suan__checkpoint_read(u->ck, t, at, u->panel, u->panel_bytes, err));
        u->at = at;
        suan__panel_unpack_row(t->type, u->row, u->panel, (size_t)t->ne[0], (int)(r % SUAN__PANEL));
        memcpy(dst, u->row + bytes_of(t, column), bytes_of(t, values));
        dst += bytes_of(t, values);
        begin += values;
        n -= values;
    }
    return SUAN_OK;
}

suan_status suan__tensor_read(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, uint64_t n, void *dst, suan_error *err) {
    if (!t->is_packed) return suan__checkpoint_read(ck, t, bytes_of(t, begin), dst, bytes_of(t, n), err);
    uint64_t n_values, n_bytes, panels;
    unpacker u = {.ck = ck, .t = t, .at = UINT64_MAX};
    SUAN_CHECK(suan__packed_type(t->type) == t->type, SUAN_EUNSUPPORTED, "%s: packed tensor %s: %s has no panels", ck->path, t->name,
               suan__dtype_get(t->type)->name);
    SUAN_CHECK(suan__packed_size(t->type, t->n_dims, t->ne, &n_values, &n_bytes) == SUAN_OK && n_bytes == t->n_bytes &&
                   suan__inside(begin, n, n_values) && suan__packed_stride(t->type, t->ne[0], t->ne[1], &panels, &u.stride) == SUAN_OK,
               SUAN_EINVAL, "tensor %s: values %llu to %llu were asked for", t->name, (unsigned long long)begin,
               (unsigned long long)(begin + n));
    u.panel_bytes = suan__panel_bytes(t->type, (size_t)t->ne[0]);
    u.panel = suan__malloc(u.panel_bytes);
    u.row = suan__malloc(bytes_of(t, t->ne[0]));
    suan_status status = u.panel && u.row ? unpack(&u, begin, n, dst, err)
                                          : suan__fail(err, SUAN_ENOMEM, "%s: out of memory for tensor %s", ck->path, t->name);
    suan__free(u.panel);
    suan__free(u.row);
    return status;
}

bool suan__tensor_is_derived(const suan__checkpoint *ck, const suan__tensor *t) {
    static const char *const ends[] = {"attn_k_b.weight", "attn_v_b.weight"};
    size_t n = strlen(t->name), n_end = strlen(ends[0]);
    char whole[SUAN__GGUF_MAX_NAME + 8];
    if (!t->is_packed || n < n_end || (strcmp(t->name + n - n_end, ends[0]) != 0 && strcmp(t->name + n - n_end, ends[1]) != 0))
        return false;
    snprintf(whole, sizeof whole, "%.*sattn_kv_b.weight", (int)(n - n_end), t->name);
    return suan__checkpoint_find(ck, whole) != NULL;
}
