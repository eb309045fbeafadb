/* fuzz_gguf.c: a whole GGUF file. What is accepted must be walkable from end to end and lie within the file. */
#include <string.h>

#include "base/checked.h"
#include "formats/gguf.h"
#include "fuzz.h"

static volatile uint64_t sink;

static void touch(const char *p, uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += (unsigned char)p[i];
    sink += sum;
}

static void walk_value(const suan__gguf *g, const suan__gguf_value *v) {
    suan__gguf_iter it = {0};
    suan__gguf_string s;
    uint64_t n_strings = 0;
    char key[256];
    while (suan__gguf_next_string(v, &it, &s)) {
        touch(s.data, s.n);
        n_strings++;
    }
    FUZZ_ASSERT(v->element_type != SUAN__GGUF_STRING || n_strings == v->n);
    for (uint64_t i = 0; i < v->n && v->element_type != SUAN__GGUF_STRING; i++) {
        int64_t x;
        double d;
        bool b;
        sink += suan__gguf_int_at(v, i, &x) + suan__gguf_float_at(v, i, &d) + suan__gguf_bool_at(v, i, &b);
    }
    if (v->key.n >= sizeof key) return;
    memcpy(key, v->key.data, v->key.n);
    key[v->key.n] = 0;
    FUZZ_ASSERT(suan__gguf_find(g, key) == v);
    uint32_t u = 0;
    float f = 0;
    bool b = false;
    suan_error err;
    sink += (uint64_t)(suan__gguf_u32(g, key, true, &u, &err) + suan__gguf_f32(g, key, true, &f, &err) +
                       suan__gguf_bool(g, key, true, &b, &err) + suan__gguf_str(g, key, true, &s, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    suan__gguf g;
    suan__arena arena;
    suan_error err = {0};
    suan__arena_init(&arena, 1 << 12);
    suan_status status = suan__gguf_parse(&g, &arena, data, n, n, "fuzz.gguf", &err);
    FUZZ_ASSERT(status == SUAN_OK || (status < 0 && err.status == status && err.message[0]));
    for (uint64_t i = 0; i < g.n_values; i++) walk_value(&g, &g.values[i]);
    for (uint64_t i = 0; i < g.n_tensors; i++) {
        const suan__tensor *t = &g.tensors[i];
        FUZZ_ASSERT(suan__inside(t->offset, t->n_bytes, n) && t->n_bytes > 0);
        uint64_t n_values, n_bytes, panels, stride;
        if (t->is_packed) { /* what is mapped: each matrix whole, page by page */
            FUZZ_ASSERT(t->offset % SUAN__PACKED_ALIGNMENT == 0 && t->n_dims >= 2 && t->n_dims <= 3);
            FUZZ_ASSERT(suan__packed_size(t->type, t->n_dims, t->ne, &n_values, &n_bytes) == SUAN_OK && n_bytes == t->n_bytes);
            FUZZ_ASSERT(suan__packed_stride(t->type, t->ne[0], t->ne[1], &panels, &stride) == SUAN_OK &&
                        stride % SUAN__PACKED_ALIGNMENT == 0);
            FUZZ_ASSERT((t->ne[2] - 1) * stride + panels == t->n_bytes);
        }
        FUZZ_ASSERT(suan__gguf_find_tensor(&g, t->name) == t);
        touch((const char *)data + t->offset, t->n_bytes);
    }
    suan__arena_fini(&arena);
    /* The same bytes as the beginning of a longer file. */
    suan__arena_init(&arena, 1 << 12);
    suan__gguf_parse(&g, &arena, data, n, n + (UINT64_C(1) << 32), "fuzz.gguf", &err);
    suan__arena_fini(&arena);
    return 0;
}
