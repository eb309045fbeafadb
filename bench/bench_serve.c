/* bench_serve.c: clients of a batch, all at once, beside one alone: tokens a second, times to the first token, the share of what such steps need at least.
 *
 *     bench_serve [--clients N] [--prompt N] [--answer N] [--step N] [--common N] [--greedy] [--threads N] [--layers N] MODEL|SHAPE:TYPE
 *
 * MODEL: a file; "qwen2-1.5b:q4_0": random weights in a published shape, --layers of them. Each client is an owner of its own unless --common says how many tokens of the prompts
 * are the same. No HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/batch_internal.h"
#include "suan/bench.h"

#define MOST 256

typedef struct client {
    suan_request *request;
    double submitted, first, last, worst_gap;
    uint32_t n_tokens;
    atomic_bool is_over;
} client;

typedef struct bench {
    suan_model *model;
    suan_bench_limits limits;
    uint32_t n_clients, n_prompt, n_answer, n_step, n_common;
    bool is_greedy;
    client clients[MOST];
} bench;

static void must(suan_status status, const suan_error *err) {
    if (status == SUAN_OK) return;
    fprintf(stderr, "bench_serve: %s\n", err->message);
    exit(1);
}

static int on_event(void *ctx, const suan_event *e) {
    client *c = ctx;
    double now = suan__seconds();
    if (e->kind == SUAN_EVENT_PIECE && e->piece.id >= 0) {
        if (c->n_tokens++ == 0)
            c->first = now;
        else if (now - c->last > c->worst_gap)
            c->worst_gap = now - c->last;
        c->last = now;
    }
    if (e->kind == SUAN_EVENT_END) {
        if (e->error) must(e->status, e->error);
        atomic_store(&c->is_over, true);
    }
    return 0;
}

static void submit(bench *b, suan_batch *batch, uint32_t i) {
    client *c = &b->clients[i];
    uint32_t n_vocab = b->model->graph->hp.n_vocab;
    int32_t *ids = malloc(b->n_prompt * sizeof *ids);
    suan_request_params p;
    suan_error err;
    memset(c, 0, sizeof *c);
    for (uint32_t k = 0; ids && k < b->n_prompt; k++) ids[k] = (int32_t)(((k < b->n_common ? 0 : i * 7919) + k) * 2654435761u % n_vocab);
    suan_request_params_init(&p);
    p.ids = ids, p.n_ids = b->n_prompt;
    p.max_tokens = b->n_answer;
    p.ignore_eos = true;
    p.sampling.temperature = b->is_greedy ? 0 : 0.8f;
    p.sampling.top_p = 0.95f;
    p.sampling.seed = i;
    p.owner = b->n_common ? 0 : i;
    p.on_event = on_event, p.ctx = c;
    c->submitted = suan__seconds();
    must(suan_batch_submit(batch, &p, &c->request, &err), &err);
    free(ids);
}

static int ascending(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* n clients at once; tokens a second, prompts' time included. */
static double run(bench *b, uint32_t n, double one) {
    suan_batch *batch;
    suan_error err;
    suan_batch_stats stats;
    double firsts[MOST], gap = 0, end = 0;
    suan_batch_options o = {.n_ctx = b->n_prompt + b->n_answer, .n_sequences = b->n_clients, .step_tokens = b->n_step};
    must(suan_batch_create(&batch, b->model, &o, &err), &err);
    batch->rates_of_machine = (suan__rates){b->limits.read_bytes_per_second, b->limits.int8_ops_per_second, b->limits.f32_ops_per_second};
    double begin = suan__seconds();
    for (uint32_t i = 0; i < n; i++) submit(b, batch, i);
    for (uint32_t i = 0; i < n; i++) {
        while (!atomic_load(&b->clients[i].is_over)) usleep(2000);
        suan_request_free(&b->clients[i].request);
    }
    for (uint32_t i = 0; i < n; i++) {
        const client *c = &b->clients[i];
        firsts[i] = c->first - c->submitted;
        if (c->worst_gap > gap) gap = c->worst_gap;
        if (c->last > end) end = c->last;
    }
    qsort(firsts, n, sizeof *firsts, ascending);
    suan_batch_get_stats(batch, &stats);
    double taken = end - begin, rate = n * b->n_answer / taken;
    printf("%3u clients: %8.2f tokens/s (%.2fx one), %.2f s, %3.0f%% of the limit; in steps %.1f%%, draws %.1f%%\n", n, rate,
           one > 0 ? rate / one : 1, taken, 100 * batch->least_seconds / taken, 100 * batch->run_seconds / taken,
           100 * batch->draw_seconds / taken);
    printf("     first token: median %.3f s, least %.3f, p99 %.3f; greatest gap %.3f s; %llu steps, prompt tokens %llu, shared %llu\n",
           firsts[n / 2], firsts[0], firsts[n - 1 - n / 100], gap, (unsigned long long)stats.steps, (unsigned long long)stats.prompt_tokens,
           (unsigned long long)stats.cached_tokens);
    fflush(stdout);
    suan_batch_close(&batch);
    return rate;
}

static void open_model(bench *b, const char *name, int n_threads, uint32_t n_layer) {
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_error err = {0};
    char shape[64];
    const char *type = strchr(name, ':');
    options.n_threads = n_threads;
    if (type) {
        snprintf(shape, sizeof shape, "%.*s", (int)(type - name), name);
        must(suan_bench_open_shape(&b->model, shape, type + 1, n_layer, &options, &err), &err);
    } else {
        must(suan_model_open(&b->model, name, &options, &err), &err);
    }
    must(suan_bench_measure_limits(&b->limits, b->model, &err), &err);
}

int main(int argc, char **argv) {
    static bench b = {.n_clients = 32, .n_prompt = 256, .n_answer = 128};
    const char *model = NULL;
    uint32_t n_layer = 0, n_threads = 0;
    for (int i = 1; i < argc; i++) {
        static const char *const names[] = {"--clients", "--prompt", "--answer", "--step", "--common", "--threads", "--layers"};
        uint32_t *values[] = {&b.n_clients, &b.n_prompt, &b.n_answer, &b.n_step, &b.n_common, &n_threads, &n_layer};
        size_t k = 0, n = sizeof names / sizeof names[0];
        while (k < n && strcmp(argv[i], names[k]) != 0) k++;
        if (k < n && i + 1 < argc)
            *values[k] = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--greedy") == 0)
            b.is_greedy = true;
        else
            model = argv[i];
    }
    if (!model || b.n_clients == 0 || b.n_clients > MOST || b.n_prompt == 0 || b.n_answer == 0) {
        fprintf(stderr, "usage: bench_serve [options] MODEL|SHAPE:TYPE\n");
        return 2;
    }
    open_model(&b, model, (int)n_threads, n_layer);
    double one = run(&b, 1, 0);
    if (b.n_clients > 1) run(&b, b.n_clients, one);
    suan_model_close(&b.model);
    return 0;
}
