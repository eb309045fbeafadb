/* bench_batch.c: decoding of several sequences together: tokens a second, beside what such steps need at least on this machine.
 *
 *     bench_batch [--level NAME] [--threads N] [--depth N] [--seconds X] [--layers N] [--operations] MODEL|SHAPE:TYPE [SEQUENCES...]
 *
 * MODEL: a file; "qwen2-1.5b:q4_0": random weights in a published shape, --layers of them. Each sequence has a cache of its own, filled to --depth (default 256), and takes one
 * token a step, with its logits, for 32 steps at most. SEQUENCES: default 1 2 4 8 16 32. With --operations the time of each kind of operations stands below, beside its least.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "model/cost.h"
#include "suan/bench.h"

#define MOST 64
#define STEPS 32

typedef struct bench {
    suan_model *model;
    suan__model *graph;
    suan__step *step;
    suan_bench_limits limits;
    uint32_t depth, n_ctx;
    double seconds;
    bool want_operations;
    suan__kv caches[MOST];
    int32_t ids[MOST];
} bench;

static void must(suan_status status, const suan_error *err) {
    if (status == SUAN_OK) return;
    fprintf(stderr, "bench_batch: %s\n", err->message);
    exit(1);
}

static int drop_rows(void *ctx, uint32_t n_rows, const float *logits, const uint32_t *segment, const uint32_t *token) {
    (void)ctx, (void)n_rows, (void)logits, (void)segment, (void)token;
    return 0;
}

static int32_t some_id(const bench *b, uint32_t i) {
    return (int32_t)(i * 2654435761u % b->graph->hp.n_vocab);
}

/* One cache is filled by a step, the others are copies. */
static void fill_caches(bench *b) {
    suan_error err = {0};
    int32_t ids[256];
    uint32_t n = b->depth < 256 ? b->depth : 256;
    for (uint32_t i = 0; i < n; i++) ids[i] = some_id(b, i);
    for (uint32_t i = 0; i < MOST; i++) {
        must(suan__kv_create(&b->caches[i], &b->graph->hp, b->n_ctx, SUAN__F16, &err), &err);
        if (i == 0) must(suan__step_run(b->step, b->caches, ids, n, 0, false, false, NULL, NULL, NULL, &err), &err);
        if (i == 0 && b->depth > n) suan__kv_repeat(b->caches, b->graph, b->depth);
        if (i > 0) memcpy(b->caches[i].memory, b->caches[0].memory, b->caches[0].bytes);
    }
}

/* Steps of n sequences; the time of all but the first. */
static double run_steps(bench *b, uint32_t n, uint32_t n_steps, suan__segment *segments) {
    suan_error err = {0};
    double begin = 0;
    for (uint32_t k = 0; k <= n_steps; k++) {
        if (k == 1) begin = suan__seconds();
        for (uint32_t i = 0; i < n; i++) {
            b->ids[i] = some_id(b, 7919 * i + k + 1000);
            segments[i] = (suan__segment){.kv = &b->caches[i], .ids = &b->ids[i], .n_tokens = 1, .pos0 = b->depth + k, .n_logits = 1};
        }
        must(suan__step_run_many(b->step, segments, n, false, drop_rows, NULL, NULL, &err), &err);
    }
    return suan__seconds() - begin;
}

static uint32_t n_moe_layers(const suan__model *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->hp.n_layer; i++) n += m->layers[i].router.data != NULL;
    return n;
}

static void print_operations(const suan__profile *p, const suan__cost *cost, uint32_t n_steps) {
    for (int i = 0; i < SUAN__N_OPS; i++) {
        double ms = (double)p->ns[i] * 1e-6 / n_steps, least = cost[i].seconds * 1e3;
        if (ms > 0) printf("    %-24s %9.3f ms  least %9.3f ms\n", suan__op_name((suan__op)i), ms, least);
    }
}

static double run_batch(bench *b, uint32_t n, double one) {
    suan__segment segments[MOST];
    suan__profile profile = {.last = 0};
    suan__cost cost[SUAN__N_OPS] = {{0}};
    suan__rates rates = {b->limits.read_bytes_per_second, b->limits.int8_ops_per_second, b->limits.f32_ops_per_second};
    double once = run_steps(b, n, 1, segments), least = 0, best = 1e9;
    uint32_t n_steps = once > 0 && b->seconds / 3 / once < STEPS ? 1 + (uint32_t)(b->seconds / 3 / once) : STEPS;
    uint64_t experts = suan__step_experts_read(b->step);
    uint32_t n_counted = 0;
    for (int i = 0; i < 3; i++, n_counted += n_steps + 1) {
        if (i == 2 && b->want_operations) suan__step_profile(b->step, &profile);
        double taken = run_steps(b, n, n_steps, segments) / n_steps;
        if (taken < best) best = taken;
    }
    suan__step_profile(b->step, NULL);
    double moe = n_moe_layers(b->graph), busy = moe > 0 ? (double)(suan__step_experts_read(b->step) - experts) / n_counted / moe : -1;
    suan__step_shape kind = {.kv = SUAN__F16, .n_busy = busy};
    suan__step_cost_many(b->graph, &kind, segments, n, &rates, cost);
    for (int i = 0; i < SUAN__N_OPS; i++) least += cost[i].seconds;
    double rate = n / best;
    printf("%2u sequences: %8.2f tokens/s  %6.2f ms a step  %5.2fx one  %3.0f%% of the limit", n, rate, best * 1e3,
           one > 0 ? rate / one : 1, 100 * least / best);
    if (busy >= 0) printf("  %.1f experts busy", busy);
    printf("\n");
    if (b->want_operations) print_operations(&profile, cost, n_steps + 1);
    fflush(stdout);
    return rate;
}

static void open_model(bench *b, const char *name, const char *level, int n_threads, uint32_t n_layer) {
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_error err = {0};
    char shape[64];
    const char *type = strchr(name, ':');
    options.cpu = level;
    options.n_threads = n_threads;
    if (type && type - name < (ptrdiff_t)sizeof shape) {
        snprintf(shape, sizeof shape, "%.*s", (int)(type - name), name);
        must(suan_bench_open_shape(&b->model, shape, type + 1, n_layer, &options, &err), &err);
    } else {
        must(suan_model_open(&b->model, name, &options, &err), &err);
    }
    b->graph = b->model->graph;
    must(suan_bench_measure_limits(&b->limits, b->model, &err), &err);
    b->n_ctx = b->depth + STEPS + 2;
    must(suan__step_create_many(&b->step, b->graph, 256, b->n_ctx, MOST, &err), &err);
}

int main(int argc, char **argv) {
    static bench b = {.depth = 256, .seconds = 1.5};
    const char *level = NULL, *model = NULL;
    uint32_t counts[16], n_counts = 0, n_layer = 0, n_threads = 0;
    const struct {
        const char *name;
        uint32_t *to;
    } numbers[] = {{"--threads", &n_threads}, {"--depth", &b.depth}, {"--layers", &n_layer}};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        uint32_t *number = NULL;
        for (int k = 0; k < 3; k++) number = strcmp(argv[i], numbers[k].name) == 0 ? numbers[k].to : number;
        bool is_level = strcmp(argv[i], "--level") == 0, is_seconds = strcmp(argv[i], "--seconds") == 0;
        if (number) *number = (uint32_t)strtoul(next, NULL, 10);
        if (is_level) level = next;
        if (is_seconds) b.seconds = strtod(next, NULL);
        if (number || is_level || is_seconds)
            i++;
        else if (strcmp(argv[i], "--operations") == 0)
            b.want_operations = true;
        else if (!model)
            model = argv[i];
        else if (n_counts < 16)
            counts[n_counts++] = (uint32_t)strtoul(argv[i], NULL, 10);
    }
    if (!model || b.depth == 0) {
        fprintf(stderr, "usage: bench_batch [options] MODEL|SHAPE:TYPE [SEQUENCES...]\n");
        return 2;
    }
    if (n_counts == 0)
        for (uint32_t n = 1; n <= 32; n *= 2) counts[n_counts++] = n;
    open_model(&b, model, level, (int)n_threads, n_layer);
    fill_caches(&b);
    printf("%s, %d threads: read %.2f GB/s, %s %.1f GOP/s, f32 fma %.1f GFLOP/s\n", b.graph->kernels->name,
           suan__pool_n_threads(b.graph->pool), b.limits.read_bytes_per_second * 1e-9, b.limits.int8_instruction,
           b.limits.int8_ops_per_second * 1e-9, b.limits.f32_ops_per_second * 1e-9);
    double one = 0;
    for (uint32_t i = 0; i < n_counts; i++) {
        if (counts[i] == 0 || counts[i] > MOST) continue;
        double rate = run_batch(&b, counts[i], one);
        if (counts[i] == 1) one = rate;
    }
    for (int i = 0; i < MOST; i++) suan__kv_free(&b.caches[i]);
    suan__step_free(b.step);
    suan_model_close(&b.model);
    return 0;
}
