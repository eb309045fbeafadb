/* bench.c: one test: a session of the right depth, repetitions with a clock, what they needed at least. */
#include "engine/bench.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/energy.h"
#include "model/cost.h"

#define DEFAULT_REPEATS 5
#define MAX_REPEATS 1000
#define MAX_DECODE_TOKENS 128
#define DECODE_SECONDS 0.5
#define DEFAULT_PROMPT 512
#define LEAST_AGAIN ((size_t)256 << 20) /* bytes of weights that reading is measured over again; fewer stay in caches */
#define MOST_AGAIN ((size_t)1 << 30)
#define FILL_TOKENS SUAN__ATTN_BLOCK

/* ---- order statistics ---- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double suan__median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double suan__median_distance(const double *values, size_t n, double middle, double *scratch) {
    for (size_t i = 0; i < n; i++) scratch[i] = fabs(values[i] - middle);
    return suan__median(scratch, n);
}

/* ---- a session at work ---- */

/* Tokens without meaning, spread over the vocabulary. */
static int32_t some_id(uint32_t i, uint32_t n_vocab) {
    return (int32_t)(i * 2654435761u % n_vocab);
}

suan_status suan__session_fill(suan_session *s, uint32_t depth, suan_error *err) {
    int32_t ids[FILL_TOKENS];
    uint32_t n_vocab = s->model->graph->hp.n_vocab, n = depth < FILL_TOKENS ? depth : FILL_TOKENS;
    SUAN_CHECK(s->position == 0 && depth <= s->n_ctx, SUAN_EINVAL, "a session at position %u of %u cannot be filled to %u", s->position,
               s->n_ctx, depth);
    if (depth == 0) return SUAN_OK;
    for (uint32_t i = 0; i < n; i++) ids[i] = some_id(i, n_vocab);
    SUAN_TRY(suan_session_feed(s, ids, n, err));
    if (depth > n) suan__kv_repeat(&s->kv, s->model->graph, depth);
    for (uint32_t i = n; i < depth; i++) s->ids[i] = ids[i % FILL_TOKENS];
    s->position = depth;
    s->has_logits = false;
    return SUAN_OK;
}

typedef struct bench {
    suan_bench_test test;
    const suan_bench_options *o;
    suan_model *model;
    suan_session *session;
    suan_bench_limits *limits;
    int32_t *ids;    /* [n_tokens] */
    double *rate;    /* [n_repeat] tokens a second */
    double *joules;  /* [n_repeat] a token */
    double *scratch; /* [n_repeat] */
    suan__energy energy;
    uint64_t steps, experts; /* of counted repetitions; experts: see suan__step_experts_read */
} bench;

static bool is_cancelled(const bench *b) {
    return b->o->cancelled && b->o->cancelled(b->o->ctx);
}

static int drop_logits(void *ctx, uint32_t position, int32_t id, const float *logits) {
    (void)ctx, (void)position, (void)id, (void)logits;
    return 0;
}

/* A suan_progress_fn: between the steps of a prompt. */
static void look_for_cancel(void *ctx, uint64_t done, uint64_t total) {
    bench *b = ctx;
    if (done < total && is_cancelled(b)) suan_session_cancel(b->session);
}

/* n tokens from the test's depth on; *taken: seconds. */
static suan_status repeat(bench *b, uint32_t n, double *taken, suan_error *err) {
    bool is_prompt = b->test.kind == SUAN_BENCH_PREFILL;
    uint32_t a_feed = is_prompt ? n : b->test.batch;
    SUAN_TRY(suan_session_rewind(b->session, b->test.depth, err));
    double begin = suan__seconds();
    for (uint32_t at = 0; at < n; at += a_feed) {
        SUAN_CHECK(!is_cancelled(b), SUAN_STOPPED, "stopped by the caller");
        SUAN_TRY(suan_session_feed(b->session, b->ids + at, n - at < a_feed ? n - at : a_feed, err));
    }
    *taken = suan__seconds() - begin;
    return SUAN_OK;
}

/* As many steps as fill half a second, from the second step on: the first finds everything cold. */
static suan_status choose_tokens(bench *b, suan_error *err) {
    double taken = 0;
    if (b->test.n_tokens) return SUAN_OK;
    b->test.n_tokens = MAX_DECODE_TOKENS * b->test.batch;
    for (int i = 0; i < 2; i++) SUAN_TRY(repeat(b, b->test.batch, &taken, err));
    double steps = taken > 0 ? DECODE_SECONDS / taken : MAX_DECODE_TOKENS;
    b->test.n_tokens = b->test.batch * (steps < 1 ? 1 : steps > MAX_DECODE_TOKENS ? MAX_DECODE_TOKENS : (uint32_t)steps);
    return SUAN_OK;
}

/* ---- what it needed at least ---- */

static uint32_t n_moe_layers(const suan__model *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->hp.n_layer; i++) n += m->layers[i].router.data != NULL;
    return n;
}

/* The cost of all steps of a repetition; returns how many there are. */
static uint32_t add_up(const bench *b, suan__cost cost[SUAN__N_OPS]) {
    const suan_bench_limits *l = b->limits;
    bool is_small = l->small_read_bytes_per_second > l->read_bytes_per_second, is_prompt = b->test.kind == SUAN_BENCH_PREFILL;
    suan__rates rates = {.bytes = is_small ? l->small_read_bytes_per_second : l->read_bytes_per_second,
                         .int8_ops = l->int8_ops_per_second,
                         .f32_ops = l->f32_ops_per_second};
    uint32_t steps = 0, n_moe = n_moe_layers(b->model->graph);
    memset(cost, 0, SUAN__N_OPS * sizeof *cost);
    for (uint32_t at = 0; at < b->test.n_tokens; at += b->test.batch, steps++) {
        uint32_t n = b->test.n_tokens - at < b->test.batch ? b->test.n_tokens - at : b->test.batch;
        suan__step_shape shape = {.n_tokens = n,
                                  .pos0 = b->test.depth + at,
                                  .n_logits = is_prompt ? at + n == b->test.n_tokens : n,
                                  .kv = b->session->kv.type,
                                  .exact = b->session->exact,
                                  .only_logits = true, /* as sessions have it */
                                  .n_busy = b->steps && n_moe ? (double)b->experts / (double)b->steps / n_moe : -1};
        suan__step_cost(b->model->graph, &shape, &rates, cost);
    }
    return steps;
}

static void note_limits(const bench *b, suan_bench_result *r) {
    suan__cost cost[SUAN__N_OPS], all = {0};
    add_up(b, cost);
    for (int i = 0; i < SUAN__N_OPS; i++) {
        all.bytes += cost[i].bytes;
        all.int8_ops += cost[i].int8_ops;
        all.f32_ops += cost[i].f32_ops;
        all.seconds += cost[i].seconds;
    }
    double n = b->test.n_tokens;
    r->bytes_per_token = all.bytes / n;
    r->int8_ops_per_token = all.int8_ops / n;
    r->f32_ops_per_token = all.f32_ops / n;
    r->limit = all.seconds > 0 ? n / all.seconds : 0;
    r->share_of_limit = r->limit > 0 ? r->tokens_per_second / r->limit : 0;
}

/* One more repetition, with time stamps. */
static suan_status time_operations(bench *b, suan_bench_result *r, suan_error *err) {
    suan__cost cost[SUAN__N_OPS];
    suan__profile profile = {.last = 0};
    double taken = 0;
    static_assert((int)SUAN__N_OPS <= SUAN_BENCH_MAX_OPERATIONS, "room for every operation");
    suan__step_profile(b->session->step, &profile);
    suan_status status = repeat(b, b->test.n_tokens, &taken, err);
    suan__step_profile(b->session->step, NULL);
    SUAN_TRY(status);
    double steps = add_up(b, cost);
    r->step_seconds = taken / steps;
    for (int i = 0; i < SUAN__N_OPS; i++) {
        if (profile.ns[i] == 0) continue;
        r->operations[r->n_operations++] = (suan_bench_operation){.name = suan__op_name((suan__op)i),
                                                                  .seconds = (double)profile.ns[i] * 1e-9 / steps,
                                                                  .bytes = cost[i].bytes / steps,
                                                                  .int8_ops = cost[i].int8_ops / steps,
                                                                  .f32_ops = cost[i].f32_ops / steps,
                                                                  .limit_seconds = cost[i].seconds / steps};
    }
    return SUAN_OK;
}

/* ---- the test ---- */

/* Machines are faster at some times than at others: reading is measured again, over the weights themselves, and the better figure counts. */
static void look_again(const bench *b) {
    const suan__model *m = b->model->graph;
    size_t n = m->pages_bytes < MOST_AGAIN ? m->pages_bytes : MOST_AGAIN;
    double *known =
        b->limits->small_read_bytes_per_second > 0 ? &b->limits->small_read_bytes_per_second : &b->limits->read_bytes_per_second;
    if (n < LEAST_AGAIN) return;
    double rate = suan__read_rate(m->pool, m->kernels->name, m->pages, n & ~(size_t)4095);
    if (rate > *known) *known = rate;
}

static void note_rates(bench *b, suan_bench_result *r, uint32_t n) {
    bool has_joules = n > 0;
    r->n_repeat = n;
    r->test = b->test;
    r->joules_per_token = -1;
    if (n == 0) return;
    r->tokens_per_second = suan__median(b->rate, n);
    r->slowest = b->rate[0];
    r->fastest = b->rate[n - 1];
    r->spread = suan__median_distance(b->rate, n, r->tokens_per_second, b->scratch);
    for (uint32_t i = 0; i < n; i++) has_joules = has_joules && b->joules[i] >= 0;
    if (has_joules) r->joules_per_token = suan__median(b->joules, n);
    note_limits(b, r);
}

static suan_status measure(bench *b, suan_bench_result *r, suan_error *err) {
    uint32_t n_repeat = b->o->n_repeat ? b->o->n_repeat : DEFAULT_REPEATS, n_warmup = b->o->n_warmup ? b->o->n_warmup : !b->o->no_warmup,
             n = 0;
    double taken = 0;
    suan_status status = suan__session_fill(b->session, b->test.depth, err);
    if (b->test.kind == SUAN_BENCH_DECODE && b->test.batch > 1) suan_session_on_logits(b->session, drop_logits, NULL);
    suan_session_on_progress(b->session, look_for_cancel, b);
    if (status == SUAN_OK) status = choose_tokens(b, err);
    for (uint32_t i = 0; i < n_warmup && status == SUAN_OK; i++) status = repeat(b, b->test.n_tokens, &taken, err);
    suan__energy_open(&b->energy, "");
    for (; n < n_repeat && status == SUAN_OK; n += status == SUAN_OK) {
        double before = suan__energy_read(&b->energy);
        uint64_t experts = suan__step_experts_read(b->session->step);
        status = repeat(b, b->test.n_tokens, &taken, err);
        if (status != SUAN_OK) break;
        double after = suan__energy_read(&b->energy);
        b->rate[n] = taken > 0 ? b->test.n_tokens / taken : 0;
        b->joules[n] = before >= 0 && after >= before ? (after - before) / b->test.n_tokens : -1;
        b->experts += suan__step_experts_read(b->session->step) - experts;
        b->steps += (b->test.n_tokens + b->test.batch - 1) / b->test.batch;
    }
    if (n > 0 && !is_cancelled(b)) look_again(b);
    note_rates(b, r, n);
    if (status == SUAN_OK && b->o->want_operations) status = time_operations(b, r, err);
    return status;
}

static suan_status check(const bench *b, uint32_t most, suan_error *err) {
    const suan_bench_test *t = &b->test;
    SUAN_CHECK(t->kind == SUAN_BENCH_DECODE || t->kind == SUAN_BENCH_PREFILL, SUAN_EINVAL, "kind is %d, expected decode or prefill",
               (int)t->kind);
    SUAN_CHECK(t->batch <= 4096, SUAN_ERANGE, "a batch of %u, expected at most 4096", t->batch);
    SUAN_CHECK(t->depth <= 1u << 30 && most <= 1u << 30 && t->depth + most <= 1u << 30, SUAN_ERANGE,
               "%u tokens behind %u in the cache are more than a context holds", most, t->depth);
    SUAN_CHECK(b->o->n_repeat <= MAX_REPEATS && b->o->n_warmup <= MAX_REPEATS, SUAN_ERANGE, "%u repetitions, expected at most %d",
               b->o->n_repeat > b->o->n_warmup ? b->o->n_repeat : b->o->n_warmup, MAX_REPEATS);
    SUAN_CHECK(b->limits->read_bytes_per_second > 0 && b->limits->int8_ops_per_second > 0 && b->limits->f32_ops_per_second > 0, SUAN_EINVAL,
               "the limits of the machine are not measured");
    return SUAN_OK;
}

suan_status suan_bench_run(suan_bench_result *result, suan_model *model, suan_bench_limits *limits, const suan_bench_test *test,
                           const suan_bench_options *options, suan_error *err) {
    static const suan_bench_options defaults = SUAN_BENCH_OPTIONS_INIT;
    SUAN_CHECK(result && model && limits && test, SUAN_EINVAL, "result, model, limits or test is NULL");
    bench b = {.test = *test, .o = options ? options : &defaults, .model = model, .limits = limits};
    bool is_prompt = test->kind == SUAN_BENCH_PREFILL;
    *result = (suan_bench_result){.test = *test, .joules_per_token = -1};
    if (b.test.batch == 0) b.test.batch = is_prompt ? suan__session_chunk(0) : 1;
    if (b.test.n_tokens == 0 && is_prompt) b.test.n_tokens = DEFAULT_PROMPT;
    uint64_t wanted = b.test.n_tokens ? b.test.n_tokens : (uint64_t)MAX_DECODE_TOKENS * b.test.batch;
    uint32_t most = wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX, n_repeat = b.o->n_repeat ? b.o->n_repeat : DEFAULT_REPEATS;
    SUAN_TRY(check(&b, most, err));
    suan_session_options session = {.n_ctx = b.test.depth + most,
                                    .kv = b.o->kv,
                                    .activations = b.o->activations,
                                    .chunk = is_prompt || b.test.batch > FILL_TOKENS ? b.test.batch : FILL_TOKENS};
    suan_status status = suan_session_create(&b.session, model, &session, err);
    if (status != SUAN_OK) return status;
    b.ids = suan__calloc(most, sizeof *b.ids);
    b.rate = suan__calloc(n_repeat, 3 * sizeof *b.rate);
    if (b.ids && b.rate) {
        b.joules = b.rate + n_repeat;
        b.scratch = b.joules + n_repeat;
        for (uint32_t i = 0; i < most; i++) b.ids[i] = some_id(i + 12345, model->graph->hp.n_vocab);
        status = measure(&b, result, err);
    } else {
        status = suan__fail(err, SUAN_ENOMEM, "out of memory for a test of %u tokens", most);
    }
    suan__free(b.ids);
    suan__free(b.rate);
    suan_session_close(&b.session);
    return status;
}
