/* bench.h: how fast a model runs on this machine, and how near that is to what the machine can do.
 *
 *     suan_bench_limits limits;
 *     suan_bench_result result;
 *     suan_bench_test test = {.kind = SUAN_BENCH_DECODE, .depth = 4096, .batch = 1};
 *     suan_bench_measure_limits(&limits, model, &err);
 *     suan_bench_run(&result, model, &limits, &test, NULL, &err);
 *     printf("%.1f tokens a second, %.0f%% of the limit\n", result.tokens_per_second, 100 * result.share_of_limit);
 *
 * The limit of a step is the sum over its operations; each takes at least the time to read its bytes (weights once a step, of a mixture the
 * experts that have tokens; the cache), and at least the time for its multiply-adds, of integers for block-quantised weights, of f32 for
 * attention and the rest.
 */
#ifndef SUAN_BENCH_H
#define SUAN_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "suan/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a model of random weights in a published shape (suan_convert_shape) or that of a config.json: nothing is read but that, nothing is
 * written; memory is checked as suan_model_open does. type: of the matrices, as suan_convert_type names it; n_layer: the first layers only,
 * 0: all. Such a model has no tokenizer, and what it writes means nothing. */
SUAN_API suan_status suan_bench_open_shape(suan_model **model, const char *shape, const char *type, uint32_t n_layer,
                                           const suan_model_options *options, suan_error *err);

/* What this machine does at best with the model's threads and kernels. Operations: a multiply-add is two. */
typedef struct suan_bench_limits {
    double read_bytes_per_second;       /* from memory */
    double small_read_bytes_per_second; /* of as many bytes as the model has, where caches may hold them; 0: they cannot */
    uint64_t read_bytes;                /* over how many bytes the first was measured */
    double int8_ops_per_second;         /* of the kernels' instructions for integer products */
    const char *int8_instruction;
    double vector_ops_per_second; /* of vector instructions, where those above are of matrices; else 0 and NULL */
    const char *vector_instruction;
    double f32_ops_per_second; /* fma */
    double seconds;            /* that measuring took */
    char processor[80];        /* its name, "" when unknown */
} suan_bench_limits;
/* Takes about a second. */
SUAN_API suan_status suan_bench_measure_limits(suan_bench_limits *limits, suan_model *model, suan_error *err);

typedef enum suan_bench_kind {
    SUAN_BENCH_DECODE = 0, /* steps of `batch` columns that follow each other, each with its logits: 1 is plain decoding, more is what
                              verifying a draft of batch - 1 tokens costs */
    SUAN_BENCH_PREFILL     /* a prompt of n_tokens in steps of `batch` tokens, logits of the last one */
} suan_bench_kind;

typedef struct suan_bench_test {
    suan_bench_kind kind;
    uint32_t depth;    /* tokens in the cache before */
    uint32_t batch;    /* columns of a step; 0: 1 for decode, 256 for prefill */
    uint32_t n_tokens; /* of one repetition; 0: decode: so many that it takes half a second, prefill: 512 */
} suan_bench_test;

typedef struct suan_bench_options {
    uint32_t n_repeat; /* 0: 5 */
    uint32_t n_warmup; /* repetitions that are not counted */
    bool no_warmup;    /* else at least one */
    suan_kv_type kv;
    suan_activations activations;
    bool want_operations;         /* one more repetition, in which operations are timed */
    bool (*cancelled)(void *ctx); /* asked between steps: true stops; may be NULL */
    void *ctx;
} suan_bench_options;
#define SUAN_BENCH_OPTIONS_INIT \
    { 0 }

/* One kind of operations, of all layers, a step. */
typedef struct suan_bench_operation {
    const char *name;
    double seconds;                  /* as the first thread saw it */
    double bytes, int8_ops, f32_ops; /* that it needs */
    double limit_seconds;            /* that this machine needs at least; 0: it has none */
} suan_bench_operation;
#define SUAN_BENCH_MAX_OPERATIONS 16

typedef struct suan_bench_result {
    suan_bench_test test;     /* with what its zeros stood for */
    uint32_t n_repeat;        /* repetitions counted */
    double tokens_per_second; /* the median */
    double spread;            /* the median of the distances from it */
    double slowest, fastest;
    double limit, share_of_limit; /* tokens a second; tokens_per_second / limit */
    double bytes_per_token, int8_ops_per_token, f32_ops_per_token;
    double joules_per_token; /* median; below 0: the machine does not say */
    double step_seconds;     /* of the repetition behind operations */
    size_t n_operations;     /* 0: not asked for */
    suan_bench_operation operations[SUAN_BENCH_MAX_OPERATIONS];
} suan_bench_result;

/* options NULL: the defaults. A cache of the test's depth is not computed but filled with copies of the first entries: the same work, other
 * answers. Reading is measured again beside the test; where it is faster than *limits says, that is raised. SUAN_STOPPED after a cancel:
 * *result holds what there is (n_repeat 0: nothing). Memory is checked first. */
SUAN_API suan_status suan_bench_run(suan_bench_result *result, suan_model *model, suan_bench_limits *limits, const suan_bench_test *test,
                                    const suan_bench_options *options, suan_error *err);

#ifdef __cplusplus
}
#endif
#endif
