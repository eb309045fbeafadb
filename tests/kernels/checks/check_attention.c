/* check_attention.c: scores and weighted values of a block of positions, every level against C. */
#include "check.h"

#include <string.h>

typedef struct shape {
    int n_q, d, n_pos, kind;
    bool half, high;
} shape;

static float *f(check_buffer *b) {
    return (float *)(void *)b->data;
}

static void make_cache(check *ck, check_buffer *b, size_t n, const shape *s, size_t skew) {
    check_buffer_init(b, n * (s->half ? 2 : 4), s->high, skew);
    if (s->half)
        check_halves(ck, (uint16_t *)(void *)b->data, n, s->kind);
    else
        check_floats(ck, f(b), n, s->kind);
    check_buffer_seal(b);
}

static void make_floats(check *ck, check_buffer *b, size_t n, const shape *s, size_t skew) {
    check_buffer_init(b, n * 4, s->high, skew);
    check_floats(ck, f(b), n, s->kind == CHECK_NEAR_MAX ? CHECK_NORMAL : s->kind);
    check_buffer_seal(b);
}

/* out, in: what the operation wrote, and what it must not have changed. */
static void finish(check *ck, check_buffer *expected, check_buffer *out, check_buffer *cache, check_buffer *in) {
    check_equal_floats(ck, f(expected), f(out), out->n / 4);
    check_guards(ck, out, "the result");
    check_sealed(ck, cache, "the cache");
    check_sealed(ck, in, "the queries");
    check_buffer_fini(expected);
    check_buffer_fini(out);
    check_buffer_fini(cache);
    check_buffer_fini(in);
}

static void check_qk(check *ck, const shape *s) {
    size_t lds = (size_t)s->n_pos + (size_t)check_range(ck, 0, 3), ldq = (size_t)s->d + (size_t)check_range(ck, 0, 3);
    size_t n_s = (size_t)(s->n_q - 1) * lds + (size_t)s->n_pos, skew = (size_t)check_range(ck, 0, 15) * 4;
    size_t n_k = (size_t)(s->n_pos + SUAN__PANEL - 1) / SUAN__PANEL * SUAN__PANEL * (size_t)s->d;
    check_buffer keys, q, out, expected;
    float scale = 0.08838834764f;
    make_cache(ck, &keys, n_k, s, skew);
    make_floats(ck, &q, (size_t)(s->n_q - 1) * ldq + (size_t)s->d, s, skew);
    check_buffer_init(&out, n_s * 4, s->high, skew);
    check_buffer_init(&expected, n_s * 4, s->high, skew);
    suan__soon soon = {keys.data, (size_t)check_range(ck, 0, 5000)}; /* hints only: nothing is read there */
    check_begin(ck, "attn_qk %s n_q=%d d=%d n_pos=%d kind=%d", s->half ? "f16" : "f32", s->n_q, s->d, s->n_pos, s->kind);
    suan__attn_qk_fn *reference = s->half ? ck->c->attn_qk_f16 : ck->c->attn_qk_f32,
                     *trial = s->half ? ck->k->attn_qk_f16 : ck->k->attn_qk_f32;
    reference(f(&expected), lds, f(&q), ldq, s->n_q, s->d, keys.data, s->n_pos, scale, soon);
    trial(f(&out), lds, f(&q), ldq, s->n_q, s->d, keys.data, s->n_pos, scale, soon);
    finish(ck, &expected, &out, &keys, &q);
}

static void check_qk_rows(check *ck, const shape *s) {
    size_t lds = (size_t)s->n_pos + (size_t)check_range(ck, 0, 3), ldc = (size_t)s->d + (size_t)check_range(ck, 0, 3);
    size_t ldqt = (size_t)(s->n_q + SUAN__PANEL - 1) / SUAN__PANEL * SUAN__PANEL + (size_t)check_range(ck, 0, 3);
    size_t n_s = (size_t)(s->n_q - 1) * lds + (size_t)s->n_pos, skew = (size_t)check_range(ck, 0, 15) * 4;
    check_buffer rows, qt, out, expected;
    float scale = 0.0417f;
    make_cache(ck, &rows, (size_t)(s->n_pos - 1) * ldc + (size_t)s->d, s, skew);
    make_floats(ck, &qt, (size_t)s->d * ldqt, s, skew);
    for (int j = 0; j < s->d; j++) memset(f(&qt) + (size_t)j * ldqt + s->n_q, 0, (ldqt - (size_t)s->n_q) * 4);
    check_buffer_seal(&qt);
    check_buffer_init(&out, n_s * 4, s->high, skew);
    check_buffer_init(&expected, n_s * 4, s->high, skew);
    suan__soon soon = {rows.data, (size_t)check_range(ck, 0, 5000)}; /* hints only: nothing is read there */
    check_begin(ck, "attn_qk_rows %s n_q=%d d=%d n_pos=%d kind=%d", s->half ? "f16" : "f32", s->n_q, s->d, s->n_pos, s->kind);
    suan__attn_qk_rows_fn *reference = s->half ? ck->c->attn_qk_rows_f16 : ck->c->attn_qk_rows_f32;
    suan__attn_qk_rows_fn *trial = s->half ? ck->k->attn_qk_rows_f16 : ck->k->attn_qk_rows_f32;
    reference(f(&expected), lds, f(&qt), ldqt, s->n_q, s->d, rows.data, ldc, s->n_pos, scale, soon);
    trial(f(&out), lds, f(&qt), ldqt, s->n_q, s->d, rows.data, ldc, s->n_pos, scale, soon);
    finish(ck, &expected, &out, &rows, &qt);
}

/* A cache of q8 rows: n bytes (1..255), then scales; n_bytes where the scales begin. */
static void make_q8(check *ck, check_buffer *b, size_t n_bytes, size_t n, size_t n_scales, const shape *s, size_t skew) {
    static const uint8_t corners[] = {1, 127, 128, 129, 255};
    check_buffer_init(b, n_bytes + n_scales * 2, s->high, skew / 4 * 2);
    for (size_t i = 0; i < n; i++) {
        uint32_t r = check_random(ck);
        b->data[i] = s->kind == CHECK_ALTERNATING ? corners[r % 5] : (uint8_t)(1 + r % 255);
    }
    check_halves(ck, (uint16_t *)(void *)(b->data + n_bytes), n_scales, s->kind);
    check_buffer_seal(b);
}

static void make_q8_rows(check *ck, check_buffer *b, size_t n, size_t width, const shape *s, size_t skew) {
    check_buffer_init(b, n * suan__q8_row_bytes(width, 32), s->high, skew);
    for (size_t i = 0; i < n; i++) check_q8_row(ck, b->data + i * suan__q8_row_bytes(width, 32), width, 32, s->kind);
    check_buffer_seal(b);
}

static void check_qk_q8(check *ck, const shape *s) {
    size_t width = suan__attn_q8_width((size_t)s->d), lds = (size_t)s->n_pos + (size_t)check_range(ck, 0, 3),
           ldq = suan__q8_row_bytes(width, 32);
    size_t n_s = (size_t)(s->n_q - 1) * lds + (size_t)s->n_pos, skew = (size_t)check_range(ck, 0, 15) * 4;
    size_t panels = (size_t)(s->n_pos + SUAN__PANEL - 1) / SUAN__PANEL, panel_bytes = SUAN__PANEL * (width + width / 16);
    check_buffer keys, q, out, expected;
    check_buffer_init(&keys, panels * panel_bytes, s->high, 0);
    for (size_t i = 0; i < panels; i++) {
        check_buffer one;
        make_q8(ck, &one, SUAN__PANEL * width, SUAN__PANEL * width, SUAN__PANEL * width / 32, s, 0);
        memcpy(keys.data + i * panel_bytes, one.data, panel_bytes);
        check_buffer_fini(&one);
    }
    check_buffer_seal(&keys);
    make_q8_rows(ck, &q, (size_t)s->n_q, width, s, skew);
    check_buffer_init(&out, n_s * 4, s->high, skew);
    check_buffer_init(&expected, n_s * 4, s->high, skew);
    suan__soon soon = {keys.data, (size_t)check_range(ck, 0, 5000)}; /* hints only: nothing is read there */
    check_begin(ck, "attn_qk_q8 n_q=%d d=%d n_pos=%d kind=%d", s->n_q, (int)width, s->n_pos, s->kind);
    ck->c->attn_qk_q8(f(&expected), lds, q.data, ldq, s->n_q, (int)width, keys.data, s->n_pos, 0.125f, soon);
    ck->k->attn_qk_q8(f(&out), lds, q.data, ldq, s->n_q, (int)width, keys.data, s->n_pos, 0.125f, soon);
    finish(ck, &expected, &out, &keys, &q);
}

static void check_qk_rows_q8(check *ck, const shape *s) {
    size_t width = suan__attn_q8_width((size_t)s->d), ldc = width + (size_t)check_range(ck, 0, 2) * 32;
    size_t lds = (size_t)s->n_pos + (size_t)check_range(ck, 0, 3), skew = (size_t)check_range(ck, 0, 15) * 4;
    size_t n_s = (size_t)(s->n_q - 1) * lds + (size_t)s->n_pos;
    check_buffer rows, q, panels, out, expected;
    make_q8(ck, &rows, SUAN__ATTN_BLOCK * ldc, (size_t)s->n_pos * ldc, (size_t)s->n_pos * ldc / 32, s, skew);
    make_q8_rows(ck, &q, (size_t)s->n_q, width, s, skew);
    check_buffer_init(&panels, (size_t)(s->n_q + SUAN__PANEL - 1) / SUAN__PANEL * (width / 32) * SUAN__ATTN_Q8_PANEL_BLOCK, s->high, skew);
    suan__attn_q8_panels(panels.data, q.data, suan__q8_row_bytes(width, 32), width, s->n_q);
    check_buffer_seal(&panels);
    check_buffer_fini(&q);
    check_buffer_init(&out, n_s * 4, s->high, skew);
    check_buffer_init(&expected, n_s * 4, s->high, skew);
    suan__soon soon = {rows.data, (size_t)check_range(ck, 0, 5000)}; /* hints only: nothing is read there */
    check_begin(ck, "attn_qk_rows_q8 n_q=%d d=%d n_pos=%d kind=%d", s->n_q, (int)width, s->n_pos, s->kind);
    ck->c->attn_qk_rows_q8(f(&expected), lds, panels.data, s->n_q, (int)width, rows.data, ldc, s->n_pos, 0.0417f, soon);
    ck->k->attn_qk_rows_q8(f(&out), lds, panels.data, s->n_q, (int)width, rows.data, ldc, s->n_pos, 0.0417f, soon);
    finish(ck, &expected, &out, &rows, &panels);
}

typedef enum value_type { F32, F16, Q8 } value_type;

static void check_pv(check *ck, const shape *s, value_type type) {
    static const char *const names[] = {"f32", "f16", "q8"};
    size_t ldo = (size_t)s->d + (size_t)check_range(ck, 0, 3), ldv = (size_t)s->d + (size_t)check_range(ck, 0, 3);
    size_t ldp = (size_t)s->n_pos + (size_t)check_range(ck, 0, 3), skew = (size_t)check_range(ck, 0, 15) * 4;
    size_t n_o = (size_t)(s->n_q - 1) * ldo + (size_t)s->d;
    int first = check_random(ck) % 3 ? 0 : check_range(ck, 0, s->n_pos - 1); /* > 0: the sums go on from the buffers' present bytes */
    check_buffer values, p, out, expected;
    if (type == Q8) {
        ldv = suan__attn_q8_width(ldv);
        make_q8(ck, &values, SUAN__ATTN_BLOCK * ldv, (size_t)s->n_pos * ldv, (size_t)s->n_pos * ldv / 32, s, skew);
    } else {
        make_cache(ck, &values, (size_t)(s->n_pos - 1) * ldv + (size_t)s->d, s, skew);
    }
    make_floats(ck, &p, (size_t)(s->n_q - 1) * ldp + (size_t)s->n_pos, s, skew);
    check_buffer_init(&out, n_o * 4, s->high, skew);
    check_buffer_init(&expected, n_o * 4, s->high, skew);
    suan__soon soon = {values.data, (size_t)check_range(ck, 0, 5000)}; /* hints only: nothing is read there */
    check_begin(ck, "attn_pv %s n_q=%d dv=%d first=%d n_pos=%d kind=%d", names[type], s->n_q, s->d, first, s->n_pos, s->kind);
    suan__attn_pv_fn *reference = type == Q8 ? ck->c->attn_pv_q8
                                  : s->half  ? ck->c->attn_pv_f16
                                             : ck->c->attn_pv_f32,
                     *trial = type == Q8 ? ck->k->attn_pv_q8
                              : s->half  ? ck->k->attn_pv_f16
                                         : ck->k->attn_pv_f32;
    reference(f(&expected), ldo, f(&p), ldp, s->n_q, values.data, ldv, first, s->n_pos, s->d, soon);
    trial(f(&out), ldo, f(&p), ldp, s->n_q, values.data, ldv, first, s->n_pos, s->d, soon);
    finish(ck, &expected, &out, &values, &p);
}

static void run(check *ck) {
    static const int dims[] = {1, 2, 3, 8, 15, 16, 17, 31, 64, 65, 80, 96, 128, 130, 192, 576};
    static const int queries[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33, 40};
    int turn = 0;
    for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++) {
        for (size_t j = 0; j < sizeof(queries) / sizeof(queries[0]); j++, turn++) {
            shape s = {.n_q = queries[j], .d = dims[i], .kind = turn % CHECK_KINDS, .half = turn % 2, .high = turn % 3 != 0};
            for (int rep = 0; rep < 2; rep++) {
                s.n_pos = rep ? check_range(ck, 1, 40) : check_random(ck) % 8 ? check_range(ck, 1, 80) : SUAN__ATTN_BLOCK;
                s.half = !s.half;
                check_qk(ck, &s);
                check_qk_rows(ck, &s);
                check_pv(ck, &s, s.half ? F16 : F32);
                check_qk_q8(ck, &s);
                check_qk_rows_q8(ck, &s);
                check_pv(ck, &s, Q8);
            }
        }
    }
}

int main(int argc, char **argv) {
    return check_main(argc, argv, run);
}
