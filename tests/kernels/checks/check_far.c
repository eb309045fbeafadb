/* check_far.c: row I-05 (and I5): matrices, columns, heads and positions that lie 2^31 elements and more apart: every index has 64 bits. What lies between them is reserved only, and never
 * touched; the same rows close together, by the C functions, say what has to come out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

#define FAR ((size_t)1 << 31) /* elements */
#define N_FAR 33              /* columns */
#define N_HEADS 9
#define WIDTH 64

/* Zeros that cost nothing until they are written. A system that reserves nothing without having it is passed over. */
static void *reserve(size_t n) {
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("cannot reserve memory, skipped");
        exit(77);
    }
    return p;
}

/* n rows of `bytes` bytes, close together and far apart. */
typedef struct rows {
    uint8_t *near, *far;
    size_t n, bytes, ld_far; /* in bytes */
} rows;

/* So far apart that the last one begins `elements` elements of `size` bytes and some behind the first. */
static rows rows_make(size_t n, size_t bytes, size_t size, size_t elements) {
    rows r = {.n = n, .bytes = bytes, .ld_far = (elements / (n - 1) + 32) / 32 * 32 * size};
    r.near = calloc(n, bytes);
    if (!r.near) abort();
    r.far = reserve(n * r.ld_far + bytes);
    return r;
}

static void rows_spread(const rows *r) {
    for (size_t i = 0; i < r->n; i++) memcpy(r->far + i * r->ld_far, r->near + i * r->bytes, r->bytes);
}

static rows rows_of_floats(check *ck, size_t n, size_t width) {
    rows r = rows_make(n, width * 4, 4, FAR);
    check_floats(ck, (float *)(void *)r.near, n * width, CHECK_NORMAL);
    rows_spread(&r);
    return r;
}

static rows rows_of_q8(check *ck, size_t n, size_t width, size_t block) {
    rows r = rows_make(n, suan__q8_row_bytes(width, block), 1, FAR);
    for (size_t i = 0; i < n; i++) check_q8_row(ck, r.near + i * r.bytes, width, block, CHECK_NORMAL);
    rows_spread(&r);
    return r;
}

static void rows_compare(check *ck, const rows *r, size_t n) {
    for (size_t i = 0; i < r->n; i++)
        check_equal_floats(ck, (const float *)(const void *)(r->near + i * r->bytes), (const float *)(const void *)(r->far + i * r->ld_far),
                           n);
}

static void rows_free(rows *r) {
    free(r->near);
    munmap(r->far, r->n * r->ld_far + r->bytes);
}

static float *floats(uint8_t *p) {
    return (float *)(void *)p;
}

/* ---- products */

/* The last 21 rows of a matrix of more than 2^32 weights. */
static void check_matrix(check *ck, const suan__kernels *k, suan__dtype type, bool exact) {
    enum { K = 4096, N_ROWS = (1 << 20) + 5, N_PANELS = (N_ROWS + SUAN__PANEL - 1) / SUAN__PANEL };
    static const int n_cols[] = {1, 2, 5, N_FAR};
    size_t block = exact ? 0 : (size_t)suan__activation_block(type), panel_bytes = suan__panel_bytes(type, K),
           bytes = N_PANELS * panel_bytes;
    uint8_t *far = reserve(bytes), *near = far + bytes - 2 * panel_bytes;
    float *scratch = aligned_alloc(64, SUAN__EXPAND_SCRATCH * sizeof(float));
    if (!scratch) abort();
    check_panel(ck, type, near, K, SUAN__PANEL, CHECK_WEIGHTS_RANDOM);
    check_panel(ck, type, near + panel_bytes, K, N_ROWS % SUAN__PANEL, CHECK_WEIGHTS_RANDOM);
    rows x = block ? rows_of_q8(ck, N_FAR, K, block) : rows_of_floats(ck, N_FAR, K);
    rows y = rows_make(N_FAR, (SUAN__PANEL + N_ROWS % SUAN__PANEL) * sizeof(float), 4, FAR + (size_t)N_FAR * N_ROWS);
    for (size_t i = 0; i < sizeof n_cols / sizeof *n_cols; i++) {
        check_begin(ck, "%s far apart, %d columns, exact=%d", suan__dtype_get(type)->name, n_cols[i], exact);
        suan__matmul_panels(ck->c, type, near, y.bytes / 4, K, 0, 2, floats(y.near), y.bytes / 4, x.near, x.bytes, n_cols[i], exact,
                            scratch);
        suan__matmul_panels(k, type, far, N_ROWS, K, N_PANELS - 2, 2, floats(y.far) - (size_t)(N_PANELS - 2) * SUAN__PANEL, y.ld_far / 4,
                            x.far, x.ld_far, n_cols[i], exact, scratch);
        rows_compare(ck, &y, y.bytes / 4);
    }
    rows_free(&x);
    rows_free(&y);
    free(scratch);
    munmap(far, bytes);
}

/* The end of rows of more than 2^27 values: a panel of more than 2^31. */
static void check_expand(check *ck, const suan__kernels *k, suan__dtype type) {
    enum { N = 256 };
    const size_t length = ((size_t)1 << 27) + N, bytes = suan__panel_bytes(type, length), some = suan__panel_bytes(type, N);
    float near[N * SUAN__PANEL], found[N * SUAN__PANEL];
    uint8_t *far = reserve(bytes);
    check_panel(ck, type, far + bytes - some, N, SUAN__PANEL, CHECK_WEIGHTS_RANDOM);
    check_begin(ck, "expand %s, far behind", suan__dtype_get(type)->name);
    ck->c->expand[type](near, far + bytes - some, N, 0, N);
    k->expand[type](found, far, length, length - N, N);
    check_equal_floats(ck, near, found, N * SUAN__PANEL);
    munmap(far, bytes);
}

/* ---- attention */

/* Positions of a cache in rows of `size` bytes an element; those of q8 have their scales behind all of them. */
static rows cache_rows(check *ck, size_t size) {
    rows r = rows_make(SUAN__ATTN_BLOCK, WIDTH * size, size, FAR);
    if (size == 4)
        check_floats(ck, floats(r.near), r.n * WIDTH, CHECK_NORMAL);
    else
        check_halves(ck, (uint16_t *)(void *)r.near, r.n * WIDTH, CHECK_NORMAL);
    rows_spread(&r);
    return r;
}

static rows cache_rows_q8(check *ck, size_t ld) {
    const size_t n = SUAN__ATTN_BLOCK, per = WIDTH / 32;
    rows r = {.n = n, .bytes = WIDTH + per * 2, .ld_far = ld + ld / 16};
    r.near = calloc(n, r.bytes);
    if (!r.near) abort();
    r.far = reserve(n * r.ld_far + r.bytes);
    for (size_t i = 0; i < n * WIDTH; i++) r.near[i] = (uint8_t)(1 + check_random(ck) % 255);
    check_halves(ck, (uint16_t *)(void *)(r.near + n * WIDTH), n * per, CHECK_NORMAL);
    for (size_t i = 0; i < n; i++) {
        memcpy(r.far + i * ld, r.near + i * WIDTH, WIDTH);
        memcpy(r.far + n * ld + i * (ld / 32) * 2, r.near + n * WIDTH + i * per * 2, per * 2);
    }
    return r;
}

static void check_scores(check *ck, const suan__kernels *k) {
    const int n_pos = SUAN__ATTN_BLOCK;
    const float scale = 0.125f;
    rows s = rows_make(N_HEADS, SUAN__ATTN_BLOCK * 4, 4, FAR), q = rows_of_floats(ck, N_HEADS, WIDTH),
         q8 = rows_of_q8(ck, N_HEADS, WIDTH, 32);
    float *sn = floats(s.near), *sf = floats(s.far), *qn = floats(q.near), *qf = floats(q.far);
    size_t lds = s.ld_far / 4, ldq = q.ld_far / 4;
    rows f32 = cache_rows(ck, 4), f16 = cache_rows(ck, 2), bytes = cache_rows_q8(ck, FAR / SUAN__ATTN_BLOCK + 32);
    /* Keys in panels are one stretch: whatever lies there. */
    check_begin(ck, "scores far apart, keys in panels");
    ck->c->attn_qk_f32(sn, n_pos, qn, WIDTH, N_HEADS, WIDTH, f32.near, n_pos, scale, SUAN__NOTHING_SOON);
    k->attn_qk_f32(sf, lds, qf, ldq, N_HEADS, WIDTH, f32.near, n_pos, scale, SUAN__NOTHING_SOON);
    rows_compare(ck, &s, SUAN__ATTN_BLOCK);
    ck->c->attn_qk_f16(sn, n_pos, qn, WIDTH, N_HEADS, WIDTH, f16.near, n_pos, scale, SUAN__NOTHING_SOON);
    k->attn_qk_f16(sf, lds, qf, ldq, N_HEADS, WIDTH, f16.near, n_pos, scale, SUAN__NOTHING_SOON);
    rows_compare(ck, &s, SUAN__ATTN_BLOCK);
    const size_t panel = SUAN__PANEL * (WIDTH + WIDTH / 16);
    uint8_t *keys = calloc((size_t)n_pos / SUAN__PANEL, panel);
    if (!keys) abort();
    for (uint8_t *p = keys; p < keys + (size_t)n_pos / SUAN__PANEL * panel; p += panel) {
        memcpy(p, bytes.near + (p - keys) % WIDTH, SUAN__PANEL * WIDTH);
        check_halves(ck, (uint16_t *)(void *)(p + SUAN__PANEL * WIDTH), SUAN__PANEL * WIDTH / 32, CHECK_NORMAL);
    }
    ck->c->attn_qk_q8(sn, n_pos, q8.near, q8.bytes, N_HEADS, WIDTH, keys, n_pos, scale, SUAN__NOTHING_SOON);
    k->attn_qk_q8(sf, lds, q8.far, q8.ld_far, N_HEADS, WIDTH, keys, n_pos, scale, SUAN__NOTHING_SOON);
    rows_compare(ck, &s, SUAN__ATTN_BLOCK);
    free(keys);
    check_begin(ck, "scores far apart, keys in rows");
    rows qt = rows_of_floats(ck, WIDTH, SUAN__PANEL); /* the queries' values one after the other */
    float *tn = floats(qt.near), *tf = floats(qt.far);
    ck->c->attn_qk_rows_f32(sn, n_pos, tn, SUAN__PANEL, N_HEADS, WIDTH, f32.near, WIDTH, n_pos, scale, SUAN__NOTHING_SOON);
    k->attn_qk_rows_f32(sf, lds, tf, qt.ld_far / 4, N_HEADS, WIDTH, f32.far, f32.ld_far / 4, n_pos, scale, SUAN__NOTHING_SOON);
    rows_compare(ck, &s, SUAN__ATTN_BLOCK);
    ck->c->attn_qk_rows_f16(sn, n_pos, tn, SUAN__PANEL, N_HEADS, WIDTH, f16.near, WIDTH, n_pos, scale, SUAN__NOTHING_SOON);
    k->attn_qk_rows_f16(sf, lds, tf, qt.ld_far / 4, N_HEADS, WIDTH, f16.far, f16.ld_far / 2, n_pos, scale, SUAN__NOTHING_SOON);
    rows_compare(ck, &s, SUAN__ATTN_BLOCK);
    uint8_t panels[SUAN__ATTN_Q8_PANEL_BLOCK * WIDTH / 32];
    suan__attn_q8_panels(panels, q8.near, q8.bytes, WIDTH, N_HEADS);
    ck->c->attn_qk_rows_q8(sn, n_pos, panels, N_HEADS, WIDTH, bytes.near, WIDTH, n_pos, scale, SUAN__NOTHING_SOON);
    k->attn_qk_rows_q8(sf, lds, panels, N_HEADS, WIDTH, bytes.far, bytes.ld_far / 34 * 32, n_pos, scale, SUAN__NOTHING_SOON);
    rows_compare(ck, &s, SUAN__ATTN_BLOCK);
    rows *all[] = {&s, &q, &q8, &f32, &f16, &bytes, &qt};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rows_free(all[i]);
}

static void check_values(check *ck, const suan__kernels *k) {
    const int n_pos = SUAN__ATTN_BLOCK;
    rows o = rows_make(N_HEADS, WIDTH * 4, 4, FAR), p = rows_of_floats(ck, N_HEADS, SUAN__ATTN_BLOCK);
    rows f32 = cache_rows(ck, 4), f16 = cache_rows(ck, 2), bytes = cache_rows_q8(ck, 65536); /* the most there is */
    float *on = floats(o.near), *of = floats(o.far), *pn = floats(p.near), *pf = floats(p.far);
    size_t ldo = o.ld_far / 4, ldp = p.ld_far / 4;
    check_begin(ck, "values far apart");
    ck->c->attn_pv_f32(on, WIDTH, pn, n_pos, N_HEADS, f32.near, WIDTH, 0, n_pos, WIDTH, SUAN__NOTHING_SOON);
    k->attn_pv_f32(of, ldo, pf, ldp, N_HEADS, f32.far, f32.ld_far / 4, 0, n_pos, WIDTH, SUAN__NOTHING_SOON);
    rows_compare(ck, &o, WIDTH);
    ck->c->attn_pv_f16(on, WIDTH, pn, n_pos, N_HEADS, f16.near, WIDTH, 0, n_pos, WIDTH, SUAN__NOTHING_SOON);
    k->attn_pv_f16(of, ldo, pf, ldp, N_HEADS, f16.far, f16.ld_far / 2, 0, n_pos, WIDTH, SUAN__NOTHING_SOON);
    rows_compare(ck, &o, WIDTH);
    ck->c->attn_pv_q8(on, WIDTH, pn, n_pos, N_HEADS, bytes.near, WIDTH, 0, n_pos, WIDTH, SUAN__NOTHING_SOON);
    k->attn_pv_q8(of, ldo, pf, ldp, N_HEADS, bytes.far, bytes.ld_far / 34 * 32, 0, n_pos, WIDTH, SUAN__NOTHING_SOON);
    rows_compare(ck, &o, WIDTH);
    rows *all[] = {&o, &p, &f32, &f16, &bytes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rows_free(all[i]);
}

static void check_rope(check *ck, const suan__kernels *k) {
    float cos[WIDTH / 2], sin[WIDTH / 2];
    check_floats(ck, cos, WIDTH / 2, CHECK_NORMAL);
    check_floats(ck, sin, WIDTH / 2, CHECK_NORMAL);
    for (int i = 0; i < 2; i++) {
        rows x = rows_of_floats(ck, N_HEADS, WIDTH);
        check_begin(ck, "heads far apart, rope %d", i);
        (i ? ck->c->rope_half : ck->c->rope_interleaved)(floats(x.near), WIDTH, N_HEADS, WIDTH, cos, sin);
        (i ? k->rope_half : k->rope_interleaved)(floats(x.far), x.ld_far / 4, N_HEADS, WIDTH, cos, sin);
        rows_compare(ck, &x, WIDTH);
        rows_free(&x);
    }
}

static void check_level(check *ck, const suan__kernels *k) {
#define TYPE(name) SUAN__##name,
    static const suan__dtype types[] = {SUAN__WEIGHT_MAP(TYPE)};
#undef TYPE
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        check_matrix(ck, k, types[i], false);
        if (suan__activation_block(types[i])) check_matrix(ck, k, types[i], true);
        check_expand(ck, k, types[i]);
    }
    check_scores(ck, k);
    check_values(ck, k);
    check_rope(ck, k);
}

static void run(check *ck) {
    static bool c_was_run;
    if (!c_was_run) check_level(ck, ck->c);
    c_was_run = true;
    check_level(ck, ck->k);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, run);
}
