/* bench_limits.c: what this machine can do at best, with the model's threads and the instructions of its kernels. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/bench.h"
#include "kernels/peaks.h"

#define LEAST_BYTES ((uint64_t)256 << 20) /* of the buffer that is read */
#define MOST_BYTES ((uint64_t)1 << 30)
#define READ_GRAIN 4096 /* bytes: parts of threads begin at multiples */
#define ARITHMETIC_SECONDS 0.04
#define READ_PASSES 2 /* of each pattern; the best one counts */

/* ---- arithmetic ---- */

typedef struct arithmetic {
    suan__pool *pool;
    suan__peak_fn *fn;
    double least_seconds, rate;
    atomic_bool is_over;
} arithmetic;

/* All threads work until the first has had enough; each counts what it did while all were at it, and their rates add up. */
static void arithmetic_thread(void *ctx, int i_thread, int n_threads) {
    arithmetic *a = ctx;
    a->fn(); /* wakes the wide units */
    suan__pool_barrier(a->pool);
    double begin = suan__seconds(), end = begin;
    uint64_t ops = 0;
    while (end - begin < a->least_seconds && !(i_thread > 0 && atomic_load(&a->is_over))) {
        ops += a->fn();
        end = suan__seconds();
    }
    if (i_thread == 0) atomic_store(&a->is_over, true);
    double rate = end > begin ? (double)ops / (end - begin) : 0;
    for (int i = 0; i < n_threads; i++) {
        suan__pool_barrier(a->pool);
        if (i == i_thread) a->rate += rate;
    }
}

static double arithmetic_rate(suan__pool *pool, suan__peak_fn *fn) {
    double best = 0;
    if (!fn) return 0;
    for (int i = 0; i < 3; i++) {
        arithmetic a = {.pool = pool, .fn = fn, .least_seconds = ARITHMETIC_SECONDS};
        suan__pool_run(pool, arithmetic_thread, &a);
        if (a.rate > best) best = a.rate;
    }
    return best;
}

/* ---- reading ---- */

typedef struct reading {
    suan__peak_read_fn *fn;
    const unsigned char *p;
    size_t n, ahead;
    int streams;
    atomic_ullong sink;
} reading;

static void reading_thread(void *ctx, int i_thread, int n_threads) {
    reading *r = ctx;
    size_t grains = r->n / READ_GRAIN, begin = grains * (size_t)i_thread / (size_t)n_threads,
           end = grains * ((size_t)i_thread + 1) / (size_t)n_threads;
    if (end > begin) atomic_fetch_add(&r->sink, r->fn(r->p + begin * READ_GRAIN, (end - begin) * READ_GRAIN, r->streams, r->ahead));
}

double suan__read_rate(suan__pool *pool, const char *level, const unsigned char *p, size_t n) {
    static const struct {
        int streams;
        size_t ahead;
    } patterns[] = {{1, 0}, {2, 0}, {1, 1024}, {2, 512}, {2, 2048}, {4, 1024}};
    reading r = {.fn = suan__peaks_get(level)->read, .p = p, .n = n};
    double best = 0;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0] * READ_PASSES; i++) {
        r.streams = patterns[i / READ_PASSES].streams;
        r.ahead = patterns[i / READ_PASSES].ahead;
        double begin = suan__seconds();
        size_t passes = 0;
        do { /* small buffers several times, so that starting the threads counts little */
            suan__pool_run(pool, reading_thread, &r);
            passes++;
        } while (suan__seconds() - begin < 0.005);
        double rate = (double)n * (double)passes / (suan__seconds() - begin);
        if (rate > best) best = rate;
    }
    return best;
}

static void fill_thread(void *ctx, int i_thread, int n_threads) {
    const reading *r = ctx;
    size_t grains = r->n / READ_GRAIN, begin = grains * (size_t)i_thread / (size_t)n_threads,
           end = grains * ((size_t)i_thread + 1) / (size_t)n_threads;
    memset((unsigned char *)(uintptr_t)r->p + begin * READ_GRAIN, 1, (end - begin) * READ_GRAIN);
}

/* Twice the last cache, where the system says how large that is. */
static uint64_t wanted_bytes(void) {
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint64_t n = cache > 0 ? 2 * (uint64_t)cache : 0, have = suan__memory_available() / 4;
    n = n < LEAST_BYTES ? LEAST_BYTES : n > MOST_BYTES ? MOST_BYTES : n;
    if (n > have) n = have;
    return n / READ_GRAIN * READ_GRAIN;
}

/* What decoding reads again and again may stay in caches when the model is small: then those are the limit. */
static suan_status measure_reading(suan_bench_limits *limits, const suan_model *m, suan_error *err) {
    const char *level = m->graph->kernels->name;
    suan_model_info info;
    SUAN_TRY(suan_model_get_info(m, &info));
    limits->read_bytes = wanted_bytes();
    unsigned char *p = suan__pages_alloc((size_t)limits->read_bytes);
    char text[SUAN__BYTES_TEXT];
    SUAN_CHECK(p, SUAN_ENOMEM, "%s to measure the reading of memory with cannot be had", suan__bytes_text(text, limits->read_bytes));
    reading r = {.p = p, .n = (size_t)limits->read_bytes};
    suan__pool_run(m->pool, fill_thread, &r);
    limits->read_bytes_per_second = suan__read_rate(m->pool, level, p, r.n);
    size_t small = (size_t)info.weight_bytes / READ_GRAIN * READ_GRAIN;
    if (small > 0 && small < r.n) limits->small_read_bytes_per_second = suan__read_rate(m->pool, level, p, small);
    suan__pages_free(p, r.n);
    return SUAN_OK;
}

/* ---- the whole ---- */

static void name_processor(char name[80]) {
    FILE *file = fopen("/proc/cpuinfo", "re");
    name[0] = 0;
    if (!file) return;
    for (char line[256]; fgets(line, sizeof line, file);) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon || colon[1] != ' ') continue;
        size_t length = strcspn(colon + 2, "\n");
        if (length > 79) length = 79;
        memcpy(name, colon + 2, length);
        name[length] = 0;
        break;
    }
    fclose(file);
}

suan_status suan_bench_measure_limits(suan_bench_limits *limits, suan_model *model, suan_error *err) {
    double begin = suan__seconds();
    SUAN_CHECK(limits && model, SUAN_EINVAL, "limits or model is NULL");
    const suan__peaks *peaks = suan__peaks_get(model->graph->kernels->name);
    *limits = (suan_bench_limits){.int8_instruction = peaks->int8_name, .vector_instruction = peaks->vector_name};
    name_processor(limits->processor);
    limits->int8_ops_per_second = arithmetic_rate(model->pool, peaks->int8);
    limits->vector_ops_per_second = arithmetic_rate(model->pool, peaks->vector);
    limits->f32_ops_per_second = arithmetic_rate(model->pool, peaks->f32);
    SUAN_TRY(measure_reading(limits, model, err));
    limits->seconds = suan__seconds() - begin;
    return SUAN_OK;
}
