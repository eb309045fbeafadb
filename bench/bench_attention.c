/* bench_attention.c: speed of a layer's attention over a long cache, all threads, beside what the machine can do.
 *
 *     bench_attention [--level NAME] [--threads N] [--depth N] [--mib N] [--kv TYPE] [--seconds X] [SHAPE...]
 *
 * Decode: one token at position --depth - 1 (default 32768), in as many layers as make a cache of --mib MiB (default 768: more than the
 * caches of the processor), in GB/s of keys and values and as a share of what the threads read together in a plain pass. Prefill: 512 tokens
 * behind none and behind 1536, in GFLOP/s (a multiply-add is two) of scores and weighted values that are seen, and as a share of the threads'
 * fma peak. The best of many passes, wall clock: nobody else should use the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "kernels/peaks.h"
#include "model/attention.h"

#define PREFILL 512

typedef struct shape {
    const char *name;
    uint32_t n_head, n_head_kv, head_dim, kv_lora, nope;
} shape;
static const shape shapes[] = {
    {"qwen2-1.5b", 12, 2, 128, 0, 0},
    {"llama-3-8b", 32, 8, 128, 0, 0},
    {"deepseek-v2-lite", 16, 1, 576, 512, 128},
    {"deepseek-v3", 128, 1, 576, 512, 128},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

typedef struct bench {
    const suan__kernels *kernels;
    suan__pool *pool;
    const suan__peaks *peaks;
    uint32_t depth;
    size_t mib;
    double seconds, read_gbs, gflops;
    const unsigned char *memory; /* what measure_read reads */
    size_t memory_bytes;
} bench;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what, const suan_error *err) {
    fprintf(stderr, "%s: %s\n", what, err->message);
    exit(1);
}

/* ---- what the machine can do ---- */

static _Atomic uint64_t n_done; /* keeps results alive */

static void run_f32(void *ctx, int i_thread, int n_threads) {
    const bench *b = ctx;
    (void)i_thread, (void)n_threads;
    for (int i = 0; i < 8; i++) atomic_fetch_add(&n_done, b->peaks->f32());
}

static void run_read(void *ctx, int i_thread, int n_threads) {
    const bench *b = ctx;
    size_t part = b->memory_bytes / (size_t)n_threads / 4096 * 4096;
    b->peaks->read(b->memory + part * (size_t)i_thread, part, 1, 0);
}

static void measure_peaks(bench *b) {
    double best = 1e9, t;
    int n = suan__pool_n_threads(b->pool);
    for (int i = 0; i < 12; i++) {
        atomic_store(&n_done, 0);
        t = now();
        suan__pool_run(b->pool, run_f32, b);
        double rate = (double)atomic_load(&n_done) / (now() - t) * 1e-9;
        if (rate > b->gflops) b->gflops = rate;
    }
    for (int i = 0; i < 6; i++) {
        t = now();
        suan__pool_run(b->pool, run_read, b);
        t = now() - t;
        if (t < best) best = t;
    }
    double gbs = (double)(b->memory_bytes / (size_t)n / 4096 * 4096 * (size_t)n) / best * 1e-9;
    if (gbs > b->read_gbs) b->read_gbs = gbs;
}

/* ---- a layer's attention ---- */

typedef struct pass {
    suan__step *st;
    suan__kv *kv;
    uint32_t n_layer;
} pass;

static void run_pass(void *ctx, int i_thread, int n_threads) {
    const pass *p = ctx;
    suan__step *st = p->st;
    suan__worker w = {.st = st, .i_thread = i_thread, .n_threads = n_threads, .scratch = &st->threads[i_thread]};
    static const suan__layer layer = {.wv_b = {.type = SUAN__F32}};
    for (uint32_t i = 0; i < p->n_layer; i++) {
        if (st->model->hp.kv_lora)
            suan__mla_attend(&w, &layer, i);
        else
            suan__gqa_attend(&w, i);
        suan__end_op(&w);
    }
}

static double time_pass(const bench *b, pass *p, uint32_t n_tokens, uint32_t pos0) {
    double best = 1e9, end = now() + b->seconds;
    suan__segment all = {.kv = p->kv, .n_tokens = n_tokens, .pos0 = pos0};
    suan__step_begin(p->st, &all, 1, true);
    for (int i = 0; i < 3 || now() < end; i++) {
        suan__reset_tiles(p->st);
        double t = now();
        suan__pool_run(b->pool, run_pass, p);
        t = now() - t;
        if (t < best) best = t;
    }
    return best / p->n_layer;
}

static void random_floats(float *x, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        uint32_t counter[4] = {(uint32_t)i, seed, 0, 0}, key[2] = {1, 2}, out[4];
        suan__philox4x32(counter, key, out);
        x[i] = suan__unit_f32(out[0]) - 0.5f;
    }
}

/* One layer of random positions, copied to all the others. */
static void fill_cache(const bench *b, suan__kv *kv, const suan__hparams *hp) {
    float x[1024];
    unsigned char *scratch = suan__pages_alloc(suan__kv_scratch_bytes(hp->head_dim)), *page = kv->pages[0];
    if (!scratch) exit(1);
    for (uint32_t i = 0; i < SUAN__ATTN_BLOCK; i++)
        for (uint32_t h = 0; h < hp->n_head_kv; h++) {
            random_floats(x, hp->head_dim, i);
            if (!hp->kv_lora) suan__kv_store_column(b->kernels, kv->type, page + suan__kv_k_at(kv, 0, h), i, x, hp->head_dim, scratch);
            suan__kv_store_row(b->kernels, kv->type, page + (hp->kv_lora ? 0 : suan__kv_v_at(kv, 0, h)), i, x, hp->head_dim, scratch);
        }
    for (size_t at = kv->layer_bytes; at < kv->bytes; at += kv->layer_bytes) memcpy(kv->memory + at, page, kv->layer_bytes);
    suan__pages_free(scratch, suan__kv_scratch_bytes(hp->head_dim));
}

static void run_shape(bench *b, const shape *s, suan__dtype type) {
    suan_error err;
    suan__kv kv;
    suan__step *st;
    suan__hparams hp = {
        .n_layer = 1,
        .n_embd = 64,
        .n_vocab = 64,
        .n_ff = 64,
        .n_head = s->n_head,
        .n_head_kv = s->n_head_kv,
        .head_dim = s->head_dim,
        .n_rot = 64,
        .kv_lora = s->kv_lora,
        .nope = s->nope,
        .rope = s->head_dim - s->kv_lora,
        .v_dim = 128,
        .attn_scale = 0.1f,
    };
    uint64_t layer = suan__kv_bytes(&hp, b->depth, type);
    hp.n_layer = (uint32_t)(((uint64_t)b->mib << 20) / layer + 1);
    suan__model model = {.hp = hp, .kernels = b->kernels, .pool = b->pool, .layers = calloc(hp.n_layer, sizeof(suan__layer))};
    if (!model.layers) exit(1);
    if (suan__kv_create(&kv, &hp, b->depth, type, &err) != SUAN_OK || suan__step_create(&st, &model, PREFILL, b->depth, &err) != SUAN_OK)
        fail(s->name, &err);
    fill_cache(b, &kv, &hp);
    size_t width = s->kv_lora ? s->nope + hp.rope : s->head_dim;
    random_floats(st->q, (size_t)PREFILL * s->n_head * width, 7);
    if (s->kv_lora) random_floats(st->latent_q, (size_t)PREFILL * s->n_head * s->kv_lora, 8);
    pass p = {st, &kv, hp.n_layer};
    double macs = (double)s->n_head * (s->kv_lora ? s->head_dim + s->kv_lora : 2 * s->head_dim); /* for one token and one position */
    double t = time_pass(b, &p, 1, b->depth - 1), gbs = (double)layer / t * 1e-9, gflops = 2 * macs * b->depth / t * 1e-9;
    printf("%-17s %-5s decode at %u: %8.1f us/layer %6.2f GB/s %4.0f%% of read %7.1f GFLOP/s %4.0f%% of fma\n", s->name,
           suan__kv_type_name(type), b->depth, t * 1e6, gbs, 100 * gbs / b->read_gbs, gflops, 100 * gflops / b->gflops);
    p.n_layer = 1;
    for (uint32_t pos0 = 0; pos0 < 2048; pos0 += 1536) {
        t = time_pass(b, &p, PREFILL, pos0);
        gflops = 2 * macs * PREFILL * (pos0 + (PREFILL + 1) / 2.0) / t * 1e-9;
        printf("%-17s %-5s prefill %d at %4u: %7.1f us/layer %33.1f GFLOP/s %4.0f%% of fma\n", s->name, suan__kv_type_name(type), PREFILL,
               pos0, t * 1e6, gflops, 100 * gflops / b->gflops);
    }
    fflush(stdout);
    suan__step_free(st);
    suan__kv_free(&kv);
    free(model.layers);
}

int main(int argc, char **argv) {
    static const suan__dtype types[] = {SUAN__F16, SUAN__Q8_0, SUAN__F32};
    bench b = {.depth = 32768, .mib = 768, .seconds = 0.3};
    const char *level = NULL, *kv = NULL, *wanted[N_SHAPES];
    int n_threads = 0;
    size_t n_wanted = 0;
    suan_error err;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--level") == 0)
            level = value, i++;
        else if (strcmp(argv[i], "--threads") == 0)
            n_threads = (int)strtol(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--depth") == 0)
            b.depth = (uint32_t)strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--mib") == 0)
            b.mib = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            b.seconds = strtod(value, NULL), i++;
        else if (strcmp(argv[i], "--kv") == 0)
            kv = value, i++;
        else if (n_wanted < N_SHAPES)
            wanted[n_wanted++] = argv[i];
    }
    if (b.depth < 2048) b.depth = 2048;
    if (suan__kernels_get(&b.kernels, level, &err) != SUAN_OK || suan__pool_create(&b.pool, n_threads, &err) != SUAN_OK)
        fail("bench_attention", &err);
    b.peaks = suan__peaks_get(b.kernels->name);
    b.memory_bytes = b.mib << 20;
    unsigned char *memory = suan__pages_alloc(b.memory_bytes);
    if (!memory) return 1;
    memset(memory, 1, b.memory_bytes);
    b.memory = memory;
    measure_peaks(&b);
    printf("%s, %d threads: read %.2f GB/s, f32 fma %.1f GFLOP/s\n", b.kernels->name, suan__pool_n_threads(b.pool), b.read_gbs, b.gflops);
    for (size_t s = 0; s < N_SHAPES; s++) {
        bool run = n_wanted == 0;
        for (size_t i = 0; i < n_wanted; i++) run |= strcmp(wanted[i], shapes[s].name) == 0;
        for (size_t i = 0; run && i < sizeof types / sizeof *types; i++)
            if (!kv || strcmp(kv, suan__kv_type_name(types[i])) == 0) run_shape(&b, &shapes[s], types[i]);
    }
    measure_peaks(&b);
    printf("%s, afterwards: read %.2f GB/s, f32 fma %.1f GFLOP/s (best)\n", b.kernels->name, b.read_gbs, b.gflops);
    suan__pages_free(memory, b.memory_bytes);
    suan__pool_free(b.pool);
    return 0;
}
