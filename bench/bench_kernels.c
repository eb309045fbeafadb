/* bench_kernels.c: speed of the matrix products on one core, by level and weight type.
 *
 *     bench_kernels [--level NAME] [--mib N] [--ops] [TYPE...]
 *
 * "read" is the bandwidth of a plain pass over N MiB (default 1024: more than the caches), and "decode" that of products with one column
 * over as many bytes of weights; "cached" is the same on weights that stay in the second-level cache. "64 columns" counts a multiply-add as
 * two operations. --ops adds the other operations. Times are processor time of the thread, the best of several passes: what others take
 * from a shared machine counts as little as it can.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"

#define K 4096
#define COLUMNS 64

static const suan__dtype types[] = {
#define TYPE(name) SUAN__##name,
    SUAN__WEIGHT_MAP(TYPE)
#undef TYPE
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

typedef struct bench {
    const suan__kernels *k;
    uint8_t *memory; /* bytes of it */
    size_t bytes;
    double read_gbs;
    float *x, *y;   /* [COLUMNS][K] */
    uint8_t *q8;    /* COLUMNS q8 rows */
    uint8_t *panel; /* one of random weights */
} bench;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t random_word(uint32_t i) {
    uint32_t counter[4] = {i, 0, 0, 0}, key[2] = {1, 2}, out[4];
    suan__philox4x32(counter, key, out);
    return out[0];
}

static double least(double a, double b) {
    return a < b ? a : b;
}

static void make_panel(bench *b, suan__dtype type) {
    static float row[K];
    const suan__dtype_info *info = suan__dtype_get(type);
    size_t row_bytes = K / info->block * info->bytes;
    uint8_t *rows = suan__malloc(row_bytes * SUAN__PANEL);
    if (!rows) exit(1);
    for (uint32_t r = 0; r < SUAN__PANEL; r++) {
        for (uint32_t i = 0; i < K; i++) row[i] = suan__unit_f32(random_word(r * K + i)) - 0.5f;
        if (type == SUAN__F32)
            memcpy(rows + r * row_bytes, row, sizeof(row));
        else
            suan__quantize_row(type, rows + r * row_bytes, row, K);
    }
    suan__panel_pack(type, b->panel, rows, row_bytes, K, SUAN__PANEL);
    suan__free(rows);
}

/* Seconds for n_panels panels, one after the other, times n_cols columns; best of `passes`. */
static double time_product(bench *b, suan__dtype type, size_t n_panels, int n_cols, int passes) {
    size_t block = (size_t)suan__activation_block(type), panel_bytes = suan__panel_bytes(type, K);
    size_t ldx = block ? suan__q8_row_bytes(K, block) : K * sizeof(float);
    const void *x = block ? (void *)b->q8 : (void *)b->x;
    double best = 1e9;
    for (int c = 0; c < COLUMNS && block; c++) {
        (block == 32 ? b->k->quantize_q8_32 : b->k->quantize_q8_256)(b->q8 + (size_t)c * ldx, b->x + (size_t)c * K, K);
    }
    for (int pass = 0; pass < passes; pass++) {
        double t = now();
        for (size_t i = 0; i < n_panels; i++)
            b->k->matmul[type](b->y, SUAN__PANEL, b->memory + i * panel_bytes, K, x, ldx, n_cols, SUAN__PANEL);
        best = least(best, now() - t);
    }
    return best;
}

static void run_type(bench *b, suan__dtype type) {
    size_t panel_bytes = suan__panel_bytes(type, K), n_panels = b->bytes / panel_bytes, n_cached = (768u << 10) / panel_bytes;
    if (n_cached == 0) n_cached = 1;
    make_panel(b, type);
    for (size_t i = 0; i < n_panels; i++) memcpy(b->memory + i * panel_bytes, b->panel, panel_bytes);
    double decode = time_product(b, type, n_panels, 1, 3) / (double)n_panels;
    double cached = time_product(b, type, n_cached, 1, 200) / (double)n_cached;
    double wide = time_product(b, type, 4, COLUMNS, 30) / 4;
    double gbs = (double)panel_bytes / decode * 1e-9;
    printf("%-7s %-7s %9.0f ns/panel %7.2f GB/s %4.0f%% of read  %7.2f GB/s cached  %8.1f GOP/s 64 columns\n", b->k->name,
           suan__dtype_get(type)->name, decode * 1e9, gbs, 100 * gbs / b->read_gbs, (double)panel_bytes / cached * 1e-9,
           2.0 * K * SUAN__PANEL * COLUMNS / wide * 1e-9);
    fflush(stdout);
}

/* The plain pass: whether all of the memory, as floats, is finite. */
static void measure_read(bench *b) {
    double best = 1e9;
    memset(b->memory, 0, b->bytes);
    for (int pass = 0; pass < 4; pass++) {
        double t = now();
        if (!b->k->all_finite((const float *)(const void *)b->memory, b->bytes / sizeof(float))) exit(1);
        best = least(best, now() - t);
    }
    b->read_gbs = (double)b->bytes / best * 1e-9;
    printf("%-7s read    %7.2f GB/s\n", b->k->name, b->read_gbs);
}

/* ns of `call` on n values, best of many. */
#define TIME_OP(label, n, call)                                                                                              \
    do {                                                                                                                     \
        double best_ = 1e9;                                                                                                  \
        for (int pass_ = 0; pass_ < 300; pass_++) {                                                                          \
            double t_ = now();                                                                                               \
            for (int rep_ = 0; rep_ < 10; rep_++) call;                                                                      \
            best_ = least(best_, (now() - t_) / 10);                                                                         \
        }                                                                                                                    \
        printf("%-7s %-18s %9.1f ns for %6d  %7.3f ns each\n", b->k->name, label, best_ * 1e9, (int)(n), best_ * 1e9 / (n)); \
    } while (0)

static void run_ops(bench *b) {
    const suan__kernels *k = b->k;
    float *x = b->x, *y = b->y, *z = b->x + 8 * K, *cache = b->x + 16 * K, max, sum;
    uint16_t *half = (uint16_t *)(void *)b->memory;
    k->f32_to_f16(half, cache, 32 * K);
    TIME_OP("rms_norm", K, k->rms_norm(y, x, z, K, 1e-5f));
    TIME_OP("add", K, k->add(y, x, K));
    TIME_OP("axpy", K, k->axpy(y, x, 0.5f, K));
    TIME_OP("swiglu", K, k->swiglu(y, x, z, K));
    TIME_OP("sigmoid", K, k->sigmoid(y, x, K));
    TIME_OP("softmax", K, k->softmax(y, x, K));
    TIME_OP("attn_softmax", 256, k->attn_softmax(y, 256, &max, &sum));
    TIME_OP("rope_interleaved", K, k->rope_interleaved(y, 128, K / 128, 128, z, z + 64));
    TIME_OP("rope_half", K, k->rope_half(y, 128, K / 128, 128, z, z + 64));
    TIME_OP("f16_to_f32", K, k->f16_to_f32(y, half, K));
    TIME_OP("f32_to_f16", K, k->f32_to_f16((uint16_t *)(void *)y, x, K));
    TIME_OP("quantize_q8_32", K, k->quantize_q8_32(y, x, K));
    TIME_OP("quantize_q8_256", K, k->quantize_q8_256(y, x, K));
    /* multiply-adds: n_q 8, d 128, 256 positions; 64 queries against rows of 576 */
    TIME_OP("qk f32 8 queries", 8 * 128 * 256, k->attn_qk_f32(y, 256, x, 128, 8, 128, cache, 256, 0.1f));
    TIME_OP("qk f16 8 queries", 8 * 128 * 256, k->attn_qk_f16(y, 256, x, 128, 8, 128, half, 256, 0.1f));
    TIME_OP("qk f16 1 query", 128 * 256, k->attn_qk_f16(y, 256, x, 128, 1, 128, half, 256, 0.1f));
    TIME_OP("pv f32 8 queries", 8 * 128 * 256, k->attn_pv_f32(y, 128, x, 256, 8, cache, 128, 0, 256, 128));
    TIME_OP("pv f16 8 queries", 8 * 128 * 256, k->attn_pv_f16(y, 128, x, 256, 8, half, 128, 0, 256, 128));
    TIME_OP("pv f16 1 query", 128 * 256, k->attn_pv_f16(y, 128, x, 256, 1, half, 128, 0, 256, 128));
    TIME_OP("qk_rows f32 64", 64 * 576 * 64, k->attn_qk_rows_f32(y, 64, x, 64, 64, 576, cache, 576, 64, 0.1f));
    TIME_OP("qk_rows f16 64", 64 * 576 * 64, k->attn_qk_rows_f16(y, 64, x, 64, 64, 576, half, 576, 64, 0.1f));
}

int main(int argc, char **argv) {
    bench b = {0};
    const char *level = NULL;
    size_t mib = 1024;
    bool ops = false;
    suan_error err = {0};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            level = argv[++i];
        else if (strcmp(argv[i], "--mib") == 0 && i + 1 < argc)
            mib = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--ops") == 0)
            ops = true;
        else
            return fprintf(stderr, "usage: bench_kernels [--level NAME] [--mib N] [--ops] [TYPE...]\n"), 2;
    }
    if (suan__kernels_get(&b.k, level, &err) != SUAN_OK) return fprintf(stderr, "%s\n", err.message), 1;
    if (mib < 8 || mib > 1u << 20) return fprintf(stderr, "--mib: from 8 to 1048576\n"), 2;
    b.bytes = mib << 20;
    b.memory = suan__pages_alloc(b.bytes);
    b.x = suan__malloc_aligned(COLUMNS * K * sizeof(float));
    b.y = suan__malloc_aligned(COLUMNS * K * sizeof(float));
    b.q8 = suan__malloc_aligned(COLUMNS * suan__q8_row_bytes(K, 32));
    b.panel = suan__malloc_aligned(suan__panel_bytes(SUAN__F32, K));
    if (!b.memory || !b.x || !b.y || !b.q8 || !b.panel) return fprintf(stderr, "out of memory\n"), 1;
    for (uint32_t n = 0; n < COLUMNS * K; n++) b.x[n] = suan__unit_f32(random_word(n)) - 0.5f;
    printf("%s\n", suan__cpu_features());
    measure_read(&b);
    for (size_t t = 0; t < N_TYPES; t++) {
        bool wanted = i == argc;
        for (int a = i; a < argc; a++) wanted |= strcmp(argv[a], suan__dtype_get(types[t])->name) == 0;
        if (wanted) run_type(&b, types[t]);
    }
    if (ops) run_ops(&b);
    suan__pages_free(b.memory, b.bytes);
    suan__free(b.x);
    suan__free(b.y);
    suan__free(b.q8);
    suan__free(b.panel);
    return 0;
}
