/* bench_kernels.c: speed of the matrix products, by level and weight type.
 *
 *     bench_kernels [--level NAME] [--threads N] [--mib N] [--columns N] [--ops] [TYPE...]
 *
 * "read" is the bandwidth of the best of some plain passes over N MiB (default 1024: more than the caches) with all threads (default: as many as the
 * machine has), and "decode" that of products with 1, 2, 4 and 8 columns over as many bytes of weights, with its share of it; "cached" is
 * one thread's with one column on weights that stay in the second-level cache. "prefill" is the rate of products with many columns (default
 * 128) on weights and columns that stay in that cache, and its share of the arithmetic peak, which kernels/peaks.c measures; a multiply-add counts
 * as two operations. The best of several passes, which take turns with those of the limit; wall time for decode, the threads' processor
 * time for prefill and its peak, where nothing but the cores counts. --ops adds the other operations on one thread.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernels/kernels.h"
#include "kernels/peaks.h"

#define K 4096
#define LDY (2 * SUAN__PANEL) /* rows of results: of two panels */
#define MAX_COLUMNS 512
#define CACHED_BYTES (768u << 10) /* of weights, for each thread: they stay in the second-level cache */

static const suan__dtype types[] = {
#define TYPE(name) SUAN__##name,
    SUAN__WEIGHT_MAP(TYPE)
#undef TYPE
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

typedef struct bench {
    const suan__kernels *k;
    suan__pool *pool;
    uint8_t *memory; /* bytes of it */
    size_t bytes;
    int columns;    /* of prefill */
    float *x, *y;   /* x [MAX_COLUMNS][K]; y [threads][MAX_COLUMNS][16], and more for run_ops */
    uint8_t *q8;    /* MAX_COLUMNS q8 rows */
    uint8_t *panel; /* one of random weights */
} bench;

static double read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static double now(void) {
    return read_clock(CLOCK_MONOTONIC);
}
static double thread_time(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static uint32_t random_word(uint32_t i) {
    uint32_t counter[4] = {i, 0, 0, 0}, key[2] = {1, 2}, out[4];
    suan__philox4x32(counter, key, out);
    return out[0];
}

static double least(double a, double b) {
    return a < b ? a : b;
}
static double most(double a, double b) {
    return a > b ? a : b;
}

/* Of a type without a quantiser: codes of every kind behind a scale of about 2^-8. */
static void make_native_row(uint8_t *row, const suan__dtype_info *info, uint32_t r) {
    size_t n = (size_t)K / info->block * info->bytes;
    for (size_t i = 0; i < n; i++) row[i] = (uint8_t)(random_word((uint32_t)(r * n + i)) & 0xbf);
    for (size_t i = 0; i < n; i += info->bytes) {
        static const uint8_t scale[4] = {0x80, 0x3b, 0x80, 0x3b}; /* a bfloat16, or the two halves of an f32 */
        memcpy(row + i, scale, info->block == 32 && info->bytes == 18 ? 2 : 4);
    }
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
        else if (!suan__quantize_row(type, rows + r * row_bytes, row, K))
            make_native_row(rows + r * row_bytes, info, r);
    }
    suan__panel_pack(type, b->panel, rows, row_bytes, K, SUAN__PANEL);
    suan__free(rows);
}

/* One pass of all threads: each takes its share of n_panels panels, or repeats a set of so many. */
typedef struct pass {
    bench *b;
    suan__dtype type;
    size_t n_panels, repeat; /* repeat 0: the panels are shared out; otherwise each thread goes `repeat` times through its own set */
    int n_cols;
    suan__peak_fn *peak;
    int streams; /* of the plain pass */
    size_t ahead;
    _Atomic uint64_t ops, nanoseconds; /* what the peak's calls did; the processor time of all threads */
} pass;

static void product_pass(void *ctx, int i_thread, int n_threads) {
    pass *p = ctx;
    double t = thread_time();
    const bench *b = p->b;
    size_t block = (size_t)suan__activation_block(p->type), panel_bytes = suan__panel_bytes(p->type, K);
    size_t ldx = block ? suan__q8_row_bytes(K, block) : K * sizeof(float), i = (size_t)i_thread, n = (size_t)n_threads;
    const void *x = block ? (void *)b->q8 : (void *)b->x;
    float *y = b->y + i * MAX_COLUMNS * LDY;
    suan__matmul_fn *one = b->k->matmul[p->type];
    suan__matmul_pair_fn *two = suan__takes_pairs(b->k, p->type, p->n_cols, false) ? b->k->matmul_pair[p->type] : NULL;
    size_t first = p->repeat ? p->n_panels * i : p->n_panels * i / n, end = p->repeat ? first + p->n_panels : p->n_panels * (i + 1) / n;
    for (size_t r = 0; r < (p->repeat ? p->repeat : 1); r++) {
        for (size_t j = first, at_once; j < end; j += at_once) {
            at_once = two && j + 1 < end ? 2 : 1;
            const uint8_t *panel = b->memory + j * panel_bytes;
            if (at_once == 2)
                two((float *const[2]){y, y + SUAN__PANEL}, LDY, (const void *const[2]){panel, panel + panel_bytes},
                    (const int[2]){SUAN__PANEL, SUAN__PANEL}, K, x, ldx, p->n_cols);
            else
                one(y, LDY, panel, K, x, ldx, p->n_cols, SUAN__PANEL);
        }
    }
    p->nanoseconds += (uint64_t)((thread_time() - t) * 1e9);
}

static void read_pass(void *ctx, int i_thread, int n_threads) {
    const pass *p = ctx;
    size_t n = p->b->bytes / 4096, i = (size_t)i_thread, first = n * i / (size_t)n_threads, end = n * (i + 1) / (size_t)n_threads;
    volatile uint64_t sum = suan__peaks_get(p->b->k->name)->read(p->b->memory + first * 4096, (end - first) * 4096, p->streams, p->ahead);
    (void)sum;
}

static void peak_pass(void *ctx, int i_thread, int n_threads) {
    pass *p = ctx;
    double t = thread_time();
    (void)i_thread, (void)n_threads;
    for (int i = 0; i < 4; i++) p->ops += p->peak();
    p->nanoseconds += (uint64_t)((thread_time() - t) * 1e9);
}

static double seconds(pass *p, suan__pool_fn *fn) {
    double t = now();
    suan__pool_run(p->b->pool, fn, p);
    return now() - t;
}

static void decode(bench *b, suan__dtype type, size_t n_panels) {
    pass p = {.b = b, .type = type, .n_panels = n_panels};
    double read = 1e9, product[4] = {1e9, 1e9, 1e9, 1e9};
    for (int i = 0; i < 4; i++) {
        for (int way = 0; way < 4; way++) { /* which is the fastest differs between machines */
            p.streams = way % 2 ? 4 : 1;
            p.ahead = way / 2 ? 2048 : 0;
            read = least(read, seconds(&p, read_pass));
        }
        for (int c = 0; c < 4; c++) {
            p.n_cols = 1 << c;
            product[c] = least(product[c], seconds(&p, product_pass));
        }
    }
    double bytes = (double)(n_panels * suan__panel_bytes(type, K)), limit = (double)b->bytes / read;
    printf("  read %5.1f  decode %5.1f GB/s", limit * 1e-9, bytes / product[0] * 1e-9);
    for (int c = 0; c < 4; c++) printf(" %3.0f%%", 100 * bytes / product[c] / limit);
}

static void prefill(bench *b, suan__dtype type) {
    int n_threads = suan__pool_n_threads(b->pool);
    size_t n_panels = CACHED_BYTES / suan__panel_bytes(type, K);
    n_panels = n_panels < 1 ? 1 : n_panels > 4 ? 4 : n_panels;
    pass p = {.b = b, .type = type, .n_panels = n_panels, .repeat = 16, .n_cols = b->columns};
    const suan__peaks *peaks = suan__peaks_get(b->k->name); /* the entries of matmul are those of vectors, at AMX's level too */
    p.peak = !suan__activation_block(type) ? peaks->f32 : peaks->vector ? peaks->vector : peaks->int8;
    double rate = 0, limit = 0, n = n_threads, ops = 2.0 * K * SUAN__PANEL * b->columns * (double)(n_panels * p.repeat) * n;
    for (int i = 0; i < 8; i++) {
        p.ops = p.nanoseconds = 0;
        suan__pool_run(b->pool, peak_pass, &p);
        limit = most(limit, (double)p.ops * n / (double)p.nanoseconds);
        p.nanoseconds = 0;
        suan__pool_run(b->pool, product_pass, &p);
        rate = most(rate, ops * n / (double)p.nanoseconds);
    }
    printf("  peak %5.0f  prefill %5.0f GOP/s %3.0f%%", limit, rate, 100 * rate / limit);
}

static double cached(bench *b, suan__dtype type) {
    size_t panel_bytes = suan__panel_bytes(type, K), n_panels = CACHED_BYTES / panel_bytes + 1;
    pass p = {.b = b, .type = type, .n_panels = n_panels, .repeat = 4, .n_cols = 1};
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        double t = now();
        product_pass(&p, 0, 1);
        best = least(best, now() - t);
    }
    return (double)(4 * n_panels * panel_bytes) / best;
}

static void run_type(bench *b, suan__dtype type) {
    size_t panel_bytes = suan__panel_bytes(type, K), n_panels = b->bytes / panel_bytes, block = (size_t)suan__activation_block(type);
    make_panel(b, type);
    for (size_t i = 0; i < n_panels; i++) memcpy(b->memory + i * panel_bytes, b->panel, panel_bytes);
    for (size_t c = 0; c < MAX_COLUMNS && block; c++) {
        suan__quantize_q8_fn *quantize = block == 32 ? b->k->quantize_q8_32 : b->k->quantize_q8_256;
        quantize(b->q8 + c * suan__q8_row_bytes(K, block), b->x + c * K, K);
    }
    printf("%-7s %-6s", b->k->name, suan__dtype_get(type)->name);
    decode(b, type, n_panels);
    printf("  cached %5.1f", cached(b, type) * 1e-9);
    prefill(b, type);
    printf("\n");
    fflush(stdout);
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
    TIME_OP("qk f32 8 queries", 8 * 128 * 256, k->attn_qk_f32(y, 256, x, 128, 8, 128, cache, 256, 0.1f, SUAN__NOTHING_SOON));
    TIME_OP("qk f16 8 queries", 8 * 128 * 256, k->attn_qk_f16(y, 256, x, 128, 8, 128, half, 256, 0.1f, SUAN__NOTHING_SOON));
    TIME_OP("qk f16 1 query", 128 * 256, k->attn_qk_f16(y, 256, x, 128, 1, 128, half, 256, 0.1f, SUAN__NOTHING_SOON));
    TIME_OP("pv f32 8 queries", 8 * 128 * 256, k->attn_pv_f32(y, 128, x, 256, 8, cache, 128, 0, 256, 128, SUAN__NOTHING_SOON));
    TIME_OP("pv f16 8 queries", 8 * 128 * 256, k->attn_pv_f16(y, 128, x, 256, 8, half, 128, 0, 256, 128, SUAN__NOTHING_SOON));
    TIME_OP("pv f16 1 query", 128 * 256, k->attn_pv_f16(y, 128, x, 256, 1, half, 128, 0, 256, 128, SUAN__NOTHING_SOON));
    TIME_OP("qk_rows f32 64", 64 * 576 * 64, k->attn_qk_rows_f32(y, 64, x, 64, 64, 576, cache, 576, 64, 0.1f, SUAN__NOTHING_SOON));
    TIME_OP("qk_rows f16 64", 64 * 576 * 64, k->attn_qk_rows_f16(y, 64, x, 64, 64, 576, half, 576, 64, 0.1f, SUAN__NOTHING_SOON));
}

/* The number behind the option at argv[*i]; 0 when there is none between low and high. */
static size_t number(int argc, char **argv, int *i, size_t low, size_t high) {
    char *end = NULL;
    unsigned long long n = ++*i < argc ? strtoull(argv[*i], &end, 10) : 0;
    return end && !*end && n >= low && n <= high ? (size_t)n : 0;
}

static int usage(void) {
    fprintf(stderr, "usage: bench_kernels [--level NAME] [--threads N] [--mib 8..1048576] [--columns 1..512] [--ops] [TYPE...]\n");
    return 2;
}

static bool allocate(bench *b) {
    size_t n_threads = (size_t)suan__pool_n_threads(b->pool);
    b->memory = suan__pages_alloc(b->bytes);
    b->x = suan__malloc_aligned(MAX_COLUMNS * K * sizeof(float));
    b->y = suan__malloc_aligned((n_threads * MAX_COLUMNS * LDY + 64 * K) * sizeof(float));
    b->q8 = suan__malloc_aligned(MAX_COLUMNS * suan__q8_row_bytes(K, 32));
    b->panel = suan__malloc_aligned(suan__panel_bytes(SUAN__F32, K));
    return b->memory && b->x && b->y && b->q8 && b->panel;
}

int main(int argc, char **argv) {
    bench b = {.columns = 128};
    const char *level = NULL;
    size_t mib = 1024, threads = 0;
    bool ops = false;
    suan_error err = {0};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            level = argv[++i];
        else if (strcmp(argv[i], "--threads") == 0) {
            if (!(threads = number(argc, argv, &i, 1, SUAN__MAX_THREADS))) return usage();
        } else if (strcmp(argv[i], "--mib") == 0) {
            if (!(mib = number(argc, argv, &i, 8, 1u << 20))) return usage();
        } else if (strcmp(argv[i], "--columns") == 0) {
            if (!(b.columns = (int)number(argc, argv, &i, 1, MAX_COLUMNS))) return usage();
        } else if (strcmp(argv[i], "--ops") == 0)
            ops = true;
        else
            return usage();
    }
    if (suan__kernels_get(&b.k, level, &err) != SUAN_OK || suan__pool_create(&b.pool, (int)threads, &err) != SUAN_OK) {
        return fprintf(stderr, "%s\n", err.message), 1;
    }
    b.bytes = mib << 20;
    if (!allocate(&b)) return fprintf(stderr, "out of memory\n"), 1;
    for (uint32_t n = 0; n < MAX_COLUMNS * K; n++) b.x[n] = suan__unit_f32(random_word(n)) - 0.5f;
    printf("%s; %d threads\n", suan__cpu_features(), suan__pool_n_threads(b.pool));
    for (size_t t = 0; t < N_TYPES; t++) {
        bool wanted = i == argc;
        for (int a = i; a < argc; a++) wanted |= strcmp(argv[a], suan__dtype_get(types[t])->name) == 0;
        if (wanted) run_type(&b, types[t]);
    }
    if (ops) run_ops(&b);
    suan__pages_free(b.memory, b.bytes);
    suan__pool_free(b.pool);
    suan__free(b.x);
    suan__free(b.y);
    suan__free(b.q8);
    suan__free(b.panel);
    return 0;
}
